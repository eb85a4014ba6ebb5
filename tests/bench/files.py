#!/usr/bin/env python3
# Bench of the source file: latency of one file; a large tree: start, memory, second start, rest. files.py [FILES FOLDERS]
# SPDX-License-Identifier: MIT
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scenario"))
from files_lib import *

FILES = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
FOLDERS = int(sys.argv[2]) if len(sys.argv) > 2 else 50_000
figures = {}


def say(name, value, unit):
    figures[name] = value
    print(f"{name:<40} {value:>12} {unit}", flush=True)


def rss_kib(rouse, field="VmRSS"):
    with open(f"/proc/{rouse.daemon.pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(field + ":"))


def latency(rouse):
    house(rouse, settle="0s")
    wait("ready", lambda: rouse.items("/v1/triggers")[0]["health"] == "ok")
    closed = {}
    for n in range(300):
        path = at(rouse, f"f{n}")
        with open(path, "w") as f:
            f.write("x")
        closed[f"f{n}"] = time.time()
        time.sleep(0.01)
    wait("all", lambda: len(seen(rouse)) == 300)
    db = sqlite3.connect(f"file:{rouse.db}?mode=ro", uri=True)
    took = []
    for (document,) in db.execute("SELECT document FROM events WHERE trigger = 'drop'"):
        event = json.loads(document)
        at_ms = __import__("datetime").datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()
        took.append((at_ms - closed[event["data"]["relative"]]) * 1000)
    took.sort()
    say("close to admission, p50", round(took[150], 1), "ms")
    say("close to admission, p99", round(took[297], 1), "ms")
    rouse.stop()


def known(rouse):
    db = sqlite3.connect(f"file:{rouse.db}?mode=ro", uri=True)
    try:
        return db.execute("SELECT value FROM facts WHERE item = CAST('about' AS BLOB)").fetchone()[0].split(b" ")[1] == b"k"
    finally:
        db.close()


def large(rouse):
    house(rouse, start=False)
    for n in range(FOLDERS):
        folder = at(rouse, f"{n // 250:03}", f"{n % 250:03}")
        os.makedirs(folder)
        for i in range(FILES // FOLDERS):
            os.close(os.open(f"{folder}/document-{i:04}.json", os.O_CREAT | os.O_WRONLY))
    time.sleep(0.1)
    began = time.monotonic()
    rouse.start()
    say("ready after", round(time.monotonic() - began, 2), "s")
    say("RSS when ready", rss_kib(rouse), "KiB")
    wait("all is known", lambda: known(rouse), 600)
    say("first start: all known after", round(time.monotonic() - began, 2), "s")
    time.sleep(12)  # threads that have nothing to do end
    say("RSS at rest", rss_kib(rouse), "KiB")
    say("RSS at most", rss_kib(rouse, "VmHWM"), "KiB")
    say("bytes of the database a file", round(sum(os.path.getsize(rouse.db + s) for s in ("", "-wal") if os.path.exists(rouse.db + s)) / FILES, 1), "B")
    if shutil.which("strace"):
        trace = os.path.join(rouse.dir, "trace")
        strace = spawn(["strace", "-f", "-qq", "-o", trace, "-p", str(rouse.daemon.pid)], stderr=subprocess.DEVNULL)
        time.sleep(11)
        strace.terminate()
        strace.wait()
        with open(trace) as f:
            say("system calls in 10 s at rest", sum(1 for line in f if "detached" not in line and "resumed" not in line and "+++" not in line), "")
    rouse.stop()
    write(at(rouse, "000", "007", "document-0003.json"), "changed")
    began = time.monotonic()
    rouse.start()
    wait("the change is found", lambda: seen(rouse), 600)
    say("second start: the change found after", round(time.monotonic() - began, 2), "s")
    began = time.monotonic()
    write(at(rouse, "000", "045", "document-0003.json"), "changed")
    wait("a change is seen", lambda: len(seen(rouse)) == 2, 600)
    say("a change meanwhile seen after", round(time.monotonic() - began, 2), "s")
    time.sleep(15)
    say("RSS at rest, second start", rss_kib(rouse), "KiB")


for bench in (latency, large):
    rouse = Rouse()
    try:
        bench(rouse)
    finally:
        rouse.close()
print(json.dumps(figures))
