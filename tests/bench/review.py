#!/usr/bin/env python3
# Benchmark: what a person waits for in the morning: the diff of 100,000 staged changes, and deciding about them.
# SPDX-License-Identifier: MIT
"""review.py [COUNT]: prints a table, and one line of JSON at the end. Run by run.py; started by hand it measures the same."""
import hashlib
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../scenario"))
from lib import *

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 100000
BATCH = "tag/2026-11-20T02:00:00Z"


def stage(rouse, count):
    """As a batch of tagged accounts leaves them: a fault in a hundred, a deletion in five thousand."""
    draw = random.Random(1)
    rows = []
    with sqlite3.connect(rouse.db) as db:
        [run] = db.execute("SELECT seq FROM runs").fetchone()
        for i in range(count):
            before = {"name": f"Account {i}", "tag": None, "score": i % 50, "email": f"a{i}@example.com"}
            after = dict(before, tag=draw.choice(["gold", "silver", "bronze"]) if i % 100 else "???", score=i % 50 + 1 if i % 1000 else 99999)
            gone = i % 5000 == 7
            id = f"019a0000-0000-7000-8000-{i:012x}"
            rows.append((id, run, "crm", f"acct:{i}", "delete" if gone else "update", "proposed", f"k{i}", BATCH, 0.3 if i % 2500 == 3 else 0.95,
                         "rule", hashlib.sha256(id.encode()).hexdigest(), 1763600000000, json.dumps(before), None if gone else json.dumps(after)))
        db.executemany("INSERT INTO changes (id, run, target, entity, op, status, key, batch, confidence, reason, digest, created, before, after) "
                       "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        db.execute("INSERT INTO change_counts VALUES ('proposed', 'crm', ?) ON CONFLICT DO UPDATE SET n = n + excluded.n", [count])
        db.execute("INSERT INTO batch_changes VALUES (?, 'proposed', ?)", [BATCH, count])


def resident(rouse):
    with open(f"/proc/{rouse.daemon.pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) / 1024


def seconds(do):
    began = time.monotonic()
    do()
    return time.monotonic() - began


def main():
    rouse = Rouse()
    try:
        rouse.agent("a", says(RESULT), targets="crm")
        rouse.crm()
        rouse.webhook("push", agent="a")
        rouse.section("daemon", log_level="info")
        rouse.start()
        rouse.wait_run(rouse.deliver("push").expect(202).run_id, "succeeded")
        rouse.stop()
        stage(rouse, COUNT)
        rouse.start()
        before = resident(rouse)
        figures = {}
        figures[f"rouse diff of {COUNT:,} changes, to its end"] = (min(seconds(lambda: rouse.cli("diff", BATCH, timeout=600)) for _ in range(3)), "s")
        figures["  of these where jq has to say which"] = (seconds(lambda: rouse.cli("diff", BATCH, "--where", ".confidence < 0.5", timeout=600)), "s")
        look = rouse.api("GET", "/v1/diff?batch=" + BATCH, timeout=600).json
        figures["  a page of them in rouse review"] = (seconds(lambda: rouse.get(f"/v1/diff/{look['look']}?after={COUNT // 2}&limit=50")) * 1000, "ms")
        figures["  memory of the daemon that it took"] = (resident(rouse) - before, "MiB")
        took = seconds(lambda: rouse.api("POST", f"/v1/batches/{BATCH}/reject", {"digest": look["digest"]}, timeout=600).expect(200))
        figures["  rejected, each with its decision"] = (COUNT / took, "/s")
        for name, (value, unit) in figures.items():
            print(f"{name:<58} {value:>12,.2f} {unit}", flush=True)
        print(json.dumps({name: value for name, (value, _) in figures.items()}))
    finally:
        rouse.close()


main()
