#!/usr/bin/env python3
# Benchmarks: a table for people, and JSON (bench.json in the build folder) for comparisons.
# SPDX-License-Identifier: MIT
"""run.py [quick] [disk|bare|ingest|webhook|latency|runs|idle|start|cron]...: all, or those named. Figures of a shared machine vary: compare what stands side by side, not absolutes."""
import os
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../scenario"))
import lib
from lib import *

QUICK = "quick" in sys.argv[1:]
HERE = os.path.join(BUILD, "tests/bench")
LOADS = [(1, 3000), (16, 20000), (64, 40000), (256, 40000)]
if QUICK:
    LOADS = [(c, n // 10) for c, n in LOADS]
figures = {}


def note(name, value, unit):
    figures[name] = value
    print(f"{name:<58} {value:>12,.2f} {unit}" if isinstance(value, float) else f"{name:<58} {value:>12,} {unit}", flush=True)


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def load(name, port, path, secret=SECRET):
    for connections, count in LOADS:
        process = spawn([os.path.join(HERE, "load"), str(port), path, secret, str(connections), str(count)], stdout=subprocess.PIPE, text=True)
        out, _ = process.communicate(timeout=300)
        if not out:
            print(f"{name}, {connections} connections: it gave up")
            continue
        said = json.loads(out)
        note(f"{name}, {connections} connections", said["per_second"], f"/s   p50 {said['p50_ms']} ms  p99 {said['p99_ms']} ms" +
             ("" if said["accepted"] == said["requests"] else f"  ({said['requests'] - said['accepted']} refused)"))
        figures[f"{name}, {connections} connections, p50 ms"], figures[f"{name}, {connections} connections, p99 ms"] = said["p50_ms"], said["p99_ms"]


def disk(folder):
    path = os.path.join(folder, "disk")
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    began, n = time.monotonic(), 0
    while time.monotonic() - began < (0.5 if QUICK else 2):
        os.write(fd, b"x" * 1024)
        os.fdatasync(fd)
        n += 1
    os.close(fd)
    os.unlink(path)
    note("append 1 KiB + fdatasync, this disk", n / (time.monotonic() - began), "/s")


def bare():
    port = free_port()
    process = spawn([os.path.join(HERE, "bare"), str(port)])
    wait("bare listens", lambda: socket.create_connection(("127.0.0.1", port)).close() or True)
    load("bare bufferevent responder", port, "/")
    process.kill()


def webhook(folder):
    if not shutil.which("webhook"):
        print("Debian's `webhook` is not installed: left out")
        return
    rule = {"match": {"type": "payload-hmac-sha256", "secret": SECRET, "parameter": {"source": "header", "name": "X-Hub-Signature-256"}}}
    with open(os.path.join(folder, "hooks.json"), "w") as f:
        json.dump([{"id": "push", "execute-command": "/bin/true", "trigger-rule": rule, "success-http-response-code": 202}], f)
    port = free_port()
    process = spawn(["webhook", "-hooks", f.name, "-ip", "127.0.0.1", "-port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait("webhook listens", lambda: socket.create_connection(("127.0.0.1", port)).close() or True)
    global LOADS
    kept, LOADS = LOADS, [(c, max(1000, n // 5)) for c, n in LOADS]
    load("webhook 2.8 (nothing durable), same HMAC rule", port, "/hooks/push")
    LOADS = kept
    process.kill()
    end_all()


def npm(package):
    """Whether that npm package is here, as `npm ci` in tests/npm leaves it; tries to get it."""
    folder = os.path.join(SOURCE, "tests/npm")
    if shutil.which("npm") and not os.path.isdir(os.path.join(folder, "node_modules", package)):
        spawn(["npm", "ci", "--no-audit", "--no-fund"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).wait()
    return shutil.which("node") and os.path.isdir(os.path.join(folder, "node_modules", package))


def cron():
    """Next-fire computations over the eight expressions of the manual, ours beside croner's, round by round."""
    seconds = "0.05" if QUICK else "0.3"
    programs = {"rouse": [os.path.join(HERE, "bench_cron"), "1", seconds]}
    if npm("croner"):
        programs["npm croner"] = ["node", os.path.join(SOURCE, "tests/bench/croner.js"), seconds]
    else:
        print("npm's croner is not here: left out")
    rates, parses = {}, []
    for _ in range(3 if QUICK else 5):
        for name, argv in programs.items():
            out, _ = spawn(argv, stdout=subprocess.PIPE, text=True).communicate(timeout=300)
            for said in map(json.loads, out.splitlines()):
                if "parse" in said:
                    parses.append(said["parse"])
                else:
                    rates.setdefault((said["zone"], name), []).append(said["next"])
    for zone in ("UTC", "America/New_York"):
        medians = {}
        for name in programs:
            rounds = [statistics.median(r) for r in rates[zone, name]]  # over the expressions
            each = [statistics.median(r) for r in zip(*rates[zone, name])]  # over the rounds
            medians[name] = statistics.median(rounds)
            note(f"cron next, {zone}, {name}: median of 8 expressions", round(medians[name]),
                 f"/s   rounds {min(rounds):,.0f} to {max(rounds):,.0f}   expressions {min(each):,.0f} to {max(each):,.0f}")
            figures[f"cron next, {zone}, {name}: rounds"] = [min(rounds), max(rounds)]
            figures[f"cron next, {zone}, {name}: expressions"] = each
        if len(medians) == 2:
            note(f"cron next, {zone}: rouse over croner", medians["rouse"] / medians["npm croner"], "times")
    note("cron expressions parsed", round(statistics.median(parses)), f"/s   rounds {min(parses):,.0f} to {max(parses):,.0f}")


def house(agent, **keys):
    rouse = Rouse()
    rouse.section("daemon", log_level="warning")
    rouse.section("agent a", kind="exec", command=agent, **keys)
    rouse.webhook("push", agent="a")
    rouse.webhook("other", agent="a")
    return rouse


def ingest():
    rouse = house("/bin/true")
    rouse.start()
    rouse.cli("pause", "--agent", "a")
    load("roused, durable ingest of signed 1 KiB webhooks", rouse.port, "/hooks/push")
    rouse.close()


def latency():
    rouse = Rouse()
    stamps = os.path.join(rouse.dir, "stamps")
    rouse.close()
    rouse = house(f"{HERE}/stamp {stamps}")
    os.makedirs(os.path.dirname(stamps), exist_ok=True)
    rouse.start()
    late = []
    for n in range(50 if QUICK else 300):
        began = time.time_ns()
        rouse.deliver("push").expect(202)

        def started():
            with open(stamps) as f:
                lines = f.read().splitlines()
            return lines if len(lines) > n else None

        late.append((int(wait("the agent starts", started)[n]) - began) / 1e6)
    note("event sent to agent started, p50", percentile(late, 0.5), "ms")
    note("event sent to agent started, p99", percentile(late, 0.99), "ms")
    rouse.close()
    shutil.rmtree(os.path.dirname(stamps), ignore_errors=True)


def runs():
    count = 500 if QUICK else 3000
    began = time.monotonic()
    with lib._lock:  # or the harness would reap them
        for _ in range(count // 5):
            os.waitpid(os.posix_spawn("/bin/true", ["/bin/true"], {}), 0)
    note("posix_spawn + wait of /bin/true, one at a time", count / 5 / (time.monotonic() - began), "/s")
    rouse = house("/bin/true", concurrency=16)
    rouse.start()
    began = time.monotonic()
    process = spawn([os.path.join(HERE, "load"), str(rouse.port), "/hooks/push", SECRET, "16", str(count)], stdout=subprocess.DEVNULL)
    process.wait()
    wait("all runs are over", lambda: (lambda h: h["queue_depth"] + h["in_flight"] == 0)(rouse.get("/health")), 300)
    note("no-op exec runs, webhook to recorded end", count / (time.monotonic() - began), "/s")
    rouse.close()


def idle():
    rouse = house("/bin/true")
    rouse.start()
    rouse.deliver("push").expect(202)
    time.sleep(2)
    with open(f"/proc/{rouse.daemon.pid}/status") as f:
        note("idle: resident memory", int(next(line for line in f if line.startswith("VmRSS")).split()[1]), "KiB")
    if shutil.which("strace"):
        trace = os.path.join(rouse.dir, "trace")
        process = spawn(["strace", "-f", "-e", "trace=epoll_wait,epoll_pwait,poll,ppoll,select,futex", "-o", trace, "-p", str(rouse.daemon.pid)],
                        stderr=subprocess.DEVNULL)
        time.sleep(10)
        process.terminate()
        process.wait()
        with open(trace) as f:
            note("idle: wake-ups in 10 s", sum(1 for line in f if "resumed" in line or ") = " in line), "")
    rouse.close()


def ready(rouse):
    """Seconds from exec to an answered /readyz."""
    began = time.monotonic()
    rouse.launch()
    while True:
        try:
            if rouse.http("GET", "/readyz").status == 200:
                return time.monotonic() - began
        except OSError:
            pass
        time.sleep(0.001)


def start():
    rouse = house("/bin/true", concurrency=1)
    note("start to ready, empty state", ready(rouse) * 1000, "ms")
    rouse.cli("pause", "--agent", "a")
    rouse.deliver("push").expect(202)
    rouse.stop()
    count = 10000 if QUICK else 1000000
    db = sqlite3.connect(rouse.db)
    columns = [row[1] for row in db.execute("PRAGMA table_info(runs)")]
    values = {"seq": "seq + n", "id": "substr(id, 1, 24) || printf('%012x', n)", "key": "NULL", "ready": "1"}
    names = ", ".join(f'"{c}"' for c in columns)
    fields = ", ".join(values.get(c, f'"{c}"') for c in columns)
    db.execute(f"INSERT INTO runs ({names}) WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {count}) SELECT {fields} FROM runs, c WHERE seq = 1")
    db.commit()
    db.close()
    rouse.section("limits", max_queued=count * 2)
    note(f"start to ready, {count:,} queued runs", ready(rouse) * 1000, "ms")
    with open(f"/proc/{rouse.daemon.pid}/status") as f:
        note(f"resident memory, {count:,} queued runs", int(next(line for line in f if line.startswith("VmRSS")).split()[1]), "KiB")
    rouse.close()


def bench():
    print("Figures of a shared machine: compare what stands side by side.")
    folder = tempfile.mkdtemp(prefix="rouse-bench-")
    try:
        parts = {"disk": lambda: disk(folder), "bare": bare, "ingest": ingest, "webhook": lambda: webhook(folder), "latency": latency, "runs": runs,
                 "idle": idle, "start": start, "cron": cron}
        for name, part in parts.items():
            if name in sys.argv[1:] or not set(parts) & set(sys.argv[1:]):
                part()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        end_all()
    with open(os.path.join(BUILD, "bench.json"), "w") as f:
        json.dump(figures, f, indent=1)
    print(json.dumps(figures))


bench()
