#!/usr/bin/env python3
# Benchmark: what metrics and traces cost at the way in. telemetry.py [EVENTS] [ROUNDS]; telemetry.py callgrind [EVENTS]
# SPDX-License-Identifier: MIT
"""Two daemons stand side by side, one without and one with [telemetry], and are loaded in turns, so that what else the machine does falls on
both. Compared is CPU time an event, of the loop's thread (which is what an event waits for) and of the whole process. The receiver answers at
once and keeps nothing; every event is sampled. callgrind counts instructions instead, which no neighbour disturbs."""
import os
import re
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../scenario"))
from lib import *

CALLGRIND = "callgrind" in sys.argv
NUMBERS = [int(word) for word in sys.argv[1:] if word.isdigit()]
COUNT = NUMBERS[0] if NUMBERS else 500 if CALLGRIND else 4000
ROUNDS = NUMBERS[1] if len(NUMBERS) > 1 else 7
HERE = os.path.join(BUILD, "tests/bench")
figures = {}


def house(url=None, wrapper=()):
    rouse = Rouse()
    rouse.wrapper = list(wrapper)
    rouse.section("daemon", log_level="warning")
    rouse.section("agent a", kind="exec", command="/bin/true")
    rouse.webhook("push", agent="a")
    if url:
        rouse.section("telemetry", otlp_url=url)
    rouse.start()
    rouse.cli("pause", "--agent", "a")
    return rouse


def cpu(pid, task):
    """Microseconds that a thread was on a processor."""
    with open(f"/proc/{pid}/task/{task}/schedstat") as f:
        return int(f.read().split()[0]) / 1e3


def times(rouse):
    """Of the loop, and of all threads."""
    pid = rouse.daemon.pid
    return cpu(pid, pid), sum(cpu(pid, task) for task in os.listdir(f"/proc/{pid}/task"))


def told(rouse):
    """Nothing waits to be told: what the last round cost is over. Asked of the database, which costs the daemon nothing."""
    with sqlite3.connect(f"file:{rouse.db}?mode=ro", uri=True) as db:
        return db.execute("SELECT COALESCE((SELECT event FROM spans_sent), seq) >= seq FROM (SELECT MAX(seq) AS seq FROM events)").fetchone()[0]


def load(rouse, count=COUNT, connections=64):
    out, _ = spawn([os.path.join(HERE, "load"), str(rouse.port), "/hooks/push", SECRET, str(connections), str(count)],
                   stdout=subprocess.PIPE, text=True).communicate(timeout=600)
    return json.loads(out)["per_second"]


def measure(rouse):
    before = times(rouse)
    rate = load(rouse)
    wait("all is told", lambda: told(rouse), 120)
    after = times(rouse)
    return rate, (after[0] - before[0]) / COUNT, (after[1] - before[1]) / COUNT


def note(name, value):
    figures[name] = round(value, 2)


def rates(url):
    houses = {"without": house(), "with traces": house(url)}
    seen = {name: [] for name in houses}
    for rouse in houses.values():
        measure(rouse)
    for n in range(ROUNDS):
        for name in list(houses) if n % 2 else reversed(list(houses)):
            seen[name].append(measure(houses[name]))
    for name, values in seen.items():
        for i, what in enumerate(("events a second", "loop's CPU an event, us", "process's CPU an event, us")):
            note(f"{what}, {name}", statistics.median(v[i] for v in values))
    for i, what in enumerate(("events a second", "loop's CPU an event", "process's CPU an event")):
        ratios = [b[i] / a[i] for a, b in zip(seen["without"], seen["with traces"]) if a[i]]
        note(f"{what}, with over without, median of pairs", statistics.median(ratios))
    out, _ = spawn([os.path.join(HERE, "bench_metrics"), "1000000"], stdout=subprocess.PIPE, text=True).communicate(timeout=60)
    count = json.loads(out)["count_ns"]
    note("one count of a metric, ns", count)
    note("its share of an event's CPU in the loop, %", count / 10 / figures["loop's CPU an event, us, without"])
    for rouse in houses.values():
        rouse.close()


def receiver():
    """Answers at once and keeps nothing. Its URL; it ends with the first daemon that is closed."""
    port = free_port()
    spawn([os.path.join(HERE, "bare"), str(port)])
    wait("the receiver listens", lambda: socket.create_connection(("127.0.0.1", port)).close() or True)
    return f"http://127.0.0.1:{port}"


def instructions(traces, name):
    """Of the loop's thread between here and there: all that the daemon did minus its start and stop."""
    out = os.path.join(tempfile.mkdtemp(prefix="rouse-callgrind-"), "out")
    totals = []
    for count in (COUNT, 2 * COUNT):
        url = receiver() if traces else None
        rouse = house(url, ["valgrind", "--tool=callgrind", "--separate-threads=yes", f"--callgrind-out-file={out}"])
        load(rouse, count, 16)
        if url:
            wait("all is told", lambda: told(rouse), 600)
        rouse.daemon.terminate()
        rouse.ended(120)
        rouse.close()
        said = subprocess.run(["callgrind_annotate", "--inclusive=yes", "--threshold=100", out + "-01"], text=True, capture_output=True).stdout
        found = {"all": int(re.search(r"([0-9,]+) (?:\(100.0%\) +)?PROGRAM TOTALS", said).group(1).replace(",", ""))}
        for function in ("metrics_count", "metrics_observe", "telemetry_wake", "envelope_traceparent"):
            line = re.search(rf"^ *([0-9,]+) .*:{function} ", said, re.M)
            found[function] = int(line.group(1).replace(",", "")) if line else 0
        totals.append(found)
    shutil.rmtree(os.path.dirname(out))
    each = {k: (totals[1][k] - totals[0][k]) / COUNT for k in totals[0]}
    note(f"instructions of the loop an event, {name}", each["all"])
    for function, value in each.items():
        if function != "all":
            note(f"of these {function}, %, {name}", 100 * value / each["all"])
    return each["all"]


if CALLGRIND:
    without = instructions(False, "without")
    note("instructions of the loop, with traces over without", instructions(True, "with traces") / without)
else:
    rates(receiver())
for name, value in figures.items():
    print(f"{name:<70} {value:>12,.2f}", file=sys.stderr)
print(json.dumps(figures))
