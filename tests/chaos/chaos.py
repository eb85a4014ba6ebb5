#!/usr/bin/env python3
# `make chaos`: houses beside each other, each a daemon that is killed under load until the time is over; then the judge's word.
# SPDX-License-Identifier: MIT
"""chaos.py [MINUTES [SEED [HOUSES [SWEEP]]]]: 5 minutes, a seed of its own and two houses unless told otherwise; afterwards SWEEP
minutes (as many, 0: none) of calls that fail one by one (sweeps.py). Exit 0: nothing lost, nothing doubled. A house's choices come from SEED and its number, so that the same seed tries the same things; what the
machine makes of them in time may differ. Houses with an even number have a clock that is set now and then."""
import json
import os
import random
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SETTLE = 400  # seconds that a house may need after its storm
SUMS = ("kills", "lives", "acks", "runs", "attempts", "changes")


class Watch:
    """A house that runs, and the last that it said."""

    def __init__(self, seed, seconds, number):
        self.seed, self.said, self.errors = seed, {}, []
        words = [str(seed), str(seconds)] + (["clock"] if number % 2 == 0 else [])
        self.process = subprocess.Popen([sys.executable, os.path.join(HERE, "house.py"), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.threads = [threading.Thread(target=f, daemon=True) for f in (self.listen, self.hear_errors)]
        for thread in self.threads:
            thread.start()

    def listen(self):
        for line in self.process.stdout:
            try:
                self.said = json.loads(line)
            except ValueError:
                self.errors.append(line.rstrip())

    def hear_errors(self):
        for line in self.process.stderr:
            self.errors.append(line.rstrip())

    def ended(self):
        """Whether every promise was kept; tells where it was not."""
        good = self.process.returncode == 0 and self.said.get("verdict") == []
        if not good:
            print(f"house with seed {self.seed}: exit status {self.process.returncode}, {self.said.get('faults', 'no')} faults told")
            for line in self.said.get("verdict", []) + self.errors[-20:]:
                print("  " + line)
            if self.said.get("kept"):
                print(f"  evidence: {self.said['kept']}: journal.jsonl (what was done), log, state/rouse.db, deeds*, starts")
                print(f"  judge it again: python3 {os.path.join(HERE, 'judge.py')} {self.said['kept']}")
        elif self.said.get("skipped"):
            print(f"house with seed {self.seed}: skipped disks that fail and clocks that jump: their rigs are not here, or this is a build with sanitizers")
        return good


def total(houses, name):
    return sum(h.said.get(name, 0) for h in houses)


def watch(houses, seconds):
    """Until all have ended; a line of progress where somebody looks."""
    began, seen = time.monotonic(), sys.stdout.isatty()
    while any(h.process.poll() is None for h in houses):
        time.sleep(0.2)
        past = int(time.monotonic() - began)
        if seen:
            sys.stdout.write(f"\r{past // 60}:{past % 60:02} of {int(seconds) // 60}:{int(seconds) % 60:02}{', settling' if past > seconds else ''}  "
                             f"{total(houses, 'lives')} lives  {total(houses, 'kills')} kills  {total(houses, 'acks')} acknowledged  "
                             f"{total(houses, 'faults')} faults\033[K")
            sys.stdout.flush()
        if past > seconds + SETTLE:
            for h in houses:
                if h.process.poll() is None:
                    h.errors.append(f"it did not end within {SETTLE} s after the storm")
                    h.process.terminate()
                    h.process.wait()
    for h in houses:
        for thread in h.threads:
            thread.join(5)
    if seen:
        sys.stdout.write("\r\033[K")


def main():
    try:
        minutes, seed, count, sweep = (sys.argv[1:] + [""] * 4)[:4]
        seconds = float(minutes or 5) * 60
        seed = int(seed or random.SystemRandom().randrange(1 << 32))
        count, sweep = int(count or 2), float(sweep or seconds / 60)
    except ValueError:
        sys.exit("usage: chaos.py [MINUTES [SEED [HOUSES [SWEEP]]]]")
    print(f"chaos for {seconds / 60:g} minutes in {count} houses: make chaos MINUTES={seconds / 60:g} SEED={seed} HOUSES={count}", flush=True)
    houses = [Watch(seed + n, seconds, n + 1) for n in range(count)]
    try:
        watch(houses, seconds)
    except KeyboardInterrupt:
        for h in houses:
            h.process.terminate()
        sys.exit(130)
    good = all([h.ended() for h in houses])
    print(", ".join(f"{total(houses, name)} {name}" for name in SUMS))
    missing = set.intersection(*(set(h.said.get("missing", [])) for h in houses))
    if missing:
        print(f"crash points not reached: {' '.join(sorted(missing))}")
    if sweep:
        sys.stdout.flush()
        good &= subprocess.run([sys.executable, os.path.join(HERE, "sweeps.py"), str(sweep), str(seed)]).returncode == 0
    print("nothing lost, nothing doubled" if good else f"FAILED; again with: make chaos MINUTES={seconds / 60:g} SEED={seed} HOUSES={count}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
