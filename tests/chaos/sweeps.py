#!/usr/bin/env python3
# The sweeps of the chaos test: calls of the system fail, each by itself, in a life of the daemon of its own, until the time is over.
# SPDX-License-Identifier: MIT
"""sweeps.py MINUTES [SEED]: all faults of tests/scenario/inject.py in turn, in an order that SEED decides, each at another call,
until every call was tried or the time is over. sweeps.py one FAULT NTH: one of them again. Exit 0: nothing was lost."""
import os
import random
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../scenario")]
from lib import *
import inject

WORKERS = 2
PATIENCE_S = 90  # of one life


def life(library, fault, nth):
    """One life, with the nth call failing (0: none): (calls that could have failed, exit status, what it said)."""
    folder = tempfile.mkdtemp(prefix="rouse-sweep-")
    counter = os.path.join(folder, "count")
    env = {**os.environ, "builddir": BUILD, "srcdir": SOURCE, "LD_PRELOAD": library, "FI_NTH": str(nth), "FI_MODE": "once", "FI_COMM": "roused",
           "FI_COUNT": counter, "FI_LOG": os.path.join(folder, "log"), **{"FI_" + k.upper(): v for k, v in fault.items()}}
    try:
        process = spawn([sys.executable, os.path.abspath(inject.__file__), "workload", folder], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            out, _ = process.communicate(timeout=PATIENCE_S)
            code = process.returncode
        except subprocess.TimeoutExpired:
            process.kill()
            out, code = f"it did not end within {PATIENCE_S} s", "none"
        with open(counter, "rb") as f:
            return struct.unpack("<Q", f.read(8))[0], code, out
    except FileNotFoundError:
        return 0, code, out
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Sweep:
    def __init__(self, library, name, fault, seed):
        self.library, self.name, self.fault, self.tried, self.bad = library, name, fault, 0, []
        self.calls, code, out = life(library, fault, 0)
        if code:
            raise Failed(f"{name}: a life without a fault ends with {code}: {out[-500:]}")
        self.left = list(range(1, self.calls + 1))
        random.Random(f"{seed}/{name}").shuffle(self.left)

    def step(self):
        nth = self.left.pop()
        _, code, out = life(self.library, self.fault, nth)
        self.tried += 1
        if code:
            self.bad.append(nth)
            print(f"{self.name}: call {nth} of {self.calls}, exit status {code}; again with: sweeps.py one '{self.name}' {nth}\n{out[-1500:]}", flush=True)

    def told(self):
        return f"{self.name}: {self.tried} of {self.calls} calls" + (f", {len(self.bad)} FAILED" if self.bad else "")


def work(turns, until):
    """Takes the next turn while there is time."""
    while time.monotonic() < until:
        with turns.lock:
            sweep = next((s for s in turns.sweeps if s.left), None)
            if not sweep:
                return
            turns.sweeps.remove(sweep)
            turns.sweeps.append(sweep)
        sweep.step()


class Turns:
    def __init__(self, sweeps):
        self.sweeps, self.lock = list(sweeps), threading.Lock()


def run(minutes, seed, folder):
    library = inject.injector(folder)
    until = time.monotonic() + minutes * 60
    sweeps = [Sweep(library, name, fault, seed) for name, fault, _, _ in inject.SWEEPS]
    turns = Turns(sweeps)
    workers = [threading.Thread(target=work, args=[turns, until]) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for sweep in sweeps:
        print(sweep.told())
    return 1 if any(s.bad for s in sweeps) else 0


def again(name, nth, folder):
    fault = next(f for n, f, _, _ in inject.SWEEPS if n == name)
    _, code, out = life(inject.injector(folder), fault, nth)
    print(out)
    return 1 if code else 0


def main():
    folder = tempfile.mkdtemp(prefix="rouse-sweeps-")
    try:
        if sys.argv[1] == "one":
            code = again(sys.argv[2], int(sys.argv[3]), folder)
        else:
            code = run(float(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "0", folder)
    except Skip as e:
        print(f"sweeps skipped: {e}")
        code = 0
    except Failed as e:
        print(e)
        code = 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    end_all()
    os._exit(code)


if __name__ == "__main__":
    main()
