#!/usr/bin/env python3
# Benchmarks: a table for people, and JSON (bench.json in the build folder) for comparisons.
# SPDX-License-Identifier: MIT
"""run.py [quick] [disk|bare|ingest|webhook|latency|claims|shim|runs|waiting|crowd|idle|fairness|start|cron|schedules|lateness|triggers|files|mail|batches|review|applies|telemetry]...: all, or those named. Figures of a shared machine vary: compare what stands side by side, not absolutes."""
import os
import resource
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

        late.append((int(wait("the agent starts", started)[n].split()[0]) - began) / 1e6)
    note("event sent to agent started, p50", percentile(late, 0.5), "ms")
    note("event sent to agent started, p99", percentile(late, 0.99), "ms")
    rouse.close()
    shutil.rmtree(os.path.dirname(stamps), ignore_errors=True)


def claims():
    """From the claim, which is on disk, to the agent, while as much comes in as is taken."""
    count = 500 if QUICK else 5000
    rouse = Rouse()
    stamps = os.path.join(rouse.dir, "stamps")
    rouse.close()
    rouse = house(f"{HERE}/stamp {stamps}", concurrency=16)
    rouse.section("limits", max_queued=1000000)
    os.makedirs(os.path.dirname(stamps), exist_ok=True)
    rouse.start()
    spawn([os.path.join(HERE, "load"), str(rouse.port), "/hooks/push", SECRET, "16", str(count)], stdout=subprocess.DEVNULL).wait()
    wait("all runs are over", lambda: (lambda h: h["queue_depth"] + h["in_flight"] == 0)(rouse.get("/health")), 300)
    rouse.stop()
    db = sqlite3.connect(rouse.db)
    claimed = dict(db.execute("SELECT r.id, a.started FROM runs r JOIN attempts a ON a.run = r.seq"))
    db.close()
    with open(stamps) as f:
        late = [int(ns) / 1e6 - claimed[run] for ns, run in (line.split() for line in f)]
    note("claim to agent started under load, p50", percentile(late, 0.5), "ms")
    note("claim to agent started under load, p99", percentile(late, 0.99), "ms")
    rouse.close()
    shutil.rmtree(os.path.dirname(stamps), ignore_errors=True)


def spawned(argv):
    """Seconds from its start to its end."""
    began = time.monotonic()
    with lib._lock:  # or the harness would reap it
        os.waitpid(os.posix_spawn(argv[0], argv, {}), 0)
    return time.monotonic() - began


def shim(folder):
    """/bin/true by itself, and carried by rouse-shim, turn by turn: what the carrying costs."""
    count = 50 if QUICK else 500
    jobs = []
    for n in range(count):
        at = os.path.join(folder, f"0190-{n}.1")
        os.mkdir(at, 0o700)
        fields = [("id", f"0190-{n}.1"), ("arg", "/bin/true"), ("workdir", "/"), ("deadline_ms", "20000"), ("grace_ms", "500"), ("linger_ms", "500"),
                  ("out_max", "1048576"), ("err_max", "4096"), ("umask", "-1"), ("nice", "-1"), ("input", "{}\n")]
        with open(os.path.join(at, "job"), "wb") as f:
            f.write(b"rouse-job 1\n" + b"".join(b"%s %d\n%s\n" % (k.encode(), len(v), v.encode()) for k, v in fields))
        for name in ("out", "err"):
            open(os.path.join(at, name), "wb").close()
        os.mkfifo(os.path.join(at, "ctl"), 0o600)
        jobs.append(at)
    bare, carried = [], []
    for at in jobs:
        bare.append(spawned(["/bin/true"]))
        carried.append(spawned([os.path.join(BUILD, "rouse-shim"), at]))
        if not os.path.exists(os.path.join(at, "status")):
            raise Failed(f"the shim left no status in {at}")
    note("/bin/true, one at a time", 1 / statistics.median(bare), "/s")
    note("/bin/true carried by rouse-shim, one at a time", 1 / statistics.median(carried), "/s")
    note("  times as long", statistics.median(carried) / statistics.median(bare), "")


def waiting():
    """Runs that wait for a person with no process of theirs."""
    count = 1000 if QUICK else 10000
    asks = """printf '{"type":"ask","question":"go on?"}\\n{"type":"suspend"}\\n'"""
    rouse = house("/usr/bin/" + asks, concurrency=16)
    rouse.section("limits", max_queued=count * 2)
    rouse.start()
    rouse.deliver("push").expect(202)
    state = lambda: rouse.get("/health")
    waits = lambda: sqlite3.connect(f"file:{rouse.db}?mode=ro", uri=True).execute("SELECT count(*) FROM runs WHERE status = 'waiting'").fetchone()[0]
    wait("the first waits", lambda: waits() == 1 and state()["in_flight"] == 0)
    before = memory(rouse)
    began = time.monotonic()
    spawn([os.path.join(HERE, "load"), str(rouse.port), "/hooks/push", SECRET, "16", str(count)], stdout=subprocess.DEVNULL).wait()
    wait("all wait", lambda: waits() == count + 1 and state()["in_flight"] == 0, 300)
    note("runs that ask and are suspended", count / (time.monotonic() - began), "/s")
    note(f"resident memory, {count:,} waiting runs", memory(rouse), "KiB")
    note("  of it for each", (memory(rouse) - before) * 1024 / count, "bytes")
    rouse.stop()
    note(f"start to ready, {count:,} waiting runs", ready(rouse) * 1000, "ms")
    rouse.close()


def crowd():
    """Runs while the daemon holds many connections: what it starts, it starts with as many descriptors open."""
    many, count = 1000 if QUICK else 10000, 300 if QUICK else 2000
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    many = min(many, hard - 2000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for held in (0, many):
        rouse = house("/bin/true", concurrency=16)
        rouse.section("http", max_connections=held + 1000, idle_timeout="10m")
        rouse.start()
        lines = []
        for _ in range(held):
            line = socket.create_connection(("127.0.0.1", rouse.port))
            line.sendall(b"GET /livez HTTP/1.1\r\nHost: here\r\n\r\n")
            line.recv(4096)
            lines.append(line)
        began = time.monotonic()
        spawn([os.path.join(HERE, "load"), str(rouse.port), "/hooks/push", SECRET, "16", str(count)], stdout=subprocess.DEVNULL).wait()
        wait("all runs are over", lambda: (lambda h: h["queue_depth"] + h["in_flight"] == 0)(rouse.get("/health")), 300)
        note(f"no-op exec runs, {held:,} connections held", count / (time.monotonic() - began), "/s")
        open_now = len(os.listdir(f"/proc/{rouse.daemon.pid}/fd"))
        note("  descriptors open", open_now, "")
        for line in lines:
            line.close()
        rouse.close()


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


def queue_up(rouse, count):
    """The one run that is there, count times more; roused is not running."""
    db = sqlite3.connect(rouse.db)
    columns = [row[1] for row in db.execute("PRAGMA table_info(runs)")]
    values = {"seq": "seq + n", "id": "substr(id, 1, 24) || printf('%012x', n)", "key": "NULL", "ready": "1"}
    names = ", ".join(f'"{c}"' for c in columns)
    fields = ", ".join(values.get(c, f'"{c}"') for c in columns)
    db.execute(f"INSERT INTO runs ({names}) WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {count}) SELECT {fields} FROM runs, c WHERE seq = 1")
    db.commit()
    db.close()


def fairness():
    """One tenant has 100,000 queued, another sends one at a time."""
    count, running, singles = 10000 if QUICK else 100000, 4, 20 if QUICK else 100
    rouse = house("/bin/true", concurrency=running)
    rouse.section("limits", max_queued=count * 2)
    rouse.section("trigger push", tenant=".data.tenant")
    rouse.start()
    rouse.cli("pause", "--agent", "a")
    rouse.deliver("push", {"tenant": "noisy"}).expect(202)
    rouse.stop()
    queue_up(rouse, count)
    rouse.start()
    rouse.cli("resume", "--agent", "a")
    runs = []
    for _ in range(singles):
        runs.append(rouse.deliver("push", {"tenant": "quiet"}).expect(202).run_id)
        rouse.wait_run(runs[-1], "succeeded", 60)
    db = sqlite3.connect(f"file:{rouse.db}?mode=ro", uri=True)
    before, waits = [], []
    for run in runs:
        created, started = db.execute("SELECT created, started FROM runs WHERE id = ?", [run]).fetchone()
        waits.append(started - created)
        before.append(db.execute("SELECT count(*) FROM attempts WHERE started > ? AND started < ?", [created, started]).fetchone()[0])
    db.close()
    note(f"starts of a tenant with {count:,} queued before another's one, p50", percentile(before, 0.5), "")
    note("at most", max(before), f"   that is {max(before) / running:.2f} of what runs")
    note("from queued to claimed beside it, p50", percentile(waits, 0.5), "ms")
    note("from queued to claimed beside it, p99", percentile(waits, 0.99), "ms")
    rouse.close()


def start():
    rouse = house("/bin/true", concurrency=1)
    note("start to ready, empty state", ready(rouse) * 1000, "ms")
    rouse.cli("pause", "--agent", "a")
    rouse.deliver("push").expect(202)
    rouse.stop()
    count = 10000 if QUICK else 1000000
    queue_up(rouse, count)
    rouse.section("limits", max_queued=count * 2)
    note(f"start to ready, {count:,} queued runs", ready(rouse) * 1000, "ms")
    with open(f"/proc/{rouse.daemon.pid}/status") as f:
        note(f"resident memory, {count:,} queued runs", int(next(line for line in f if line.startswith("VmRSS")).split()[1]), "KiB")
    rouse.close()


TRIGGERS = {
    "hooks, plain filters": 'source = webhook\nverify = none\nfilter = .data.action == "a{i}"\nentity = .data.n\n',
    "schedules": "source = cron\nschedule = {minute} {hour} * * *\n",
    "two jq programs each": "source = manual\nfilter = .data.items | map(select(.n > {i})) | length > 0\npayload = {{n: .data.x, by: {i}}}\n",
}


def triggers():
    for count in (1000, 10000) if QUICK else (10000, 100000):
        for what, keys in TRIGGERS.items():
            rouse = house("/bin/true")
            folder = os.path.join(rouse.dir, "triggers.d")
            os.makedirs(folder)
            for begin in range(0, count, 1000):
                with open(os.path.join(folder, f"{begin:06}.conf"), "w") as f:
                    for i in range(begin, begin + 1000):
                        f.write(f"[trigger t{i}]\nagent = a\n" + keys.format(i=i, minute=i % 60, hour=i // 60 % 24))
            note(f"{count:,} {what}: start to ready", ready(rouse) * 1000, "ms")
            with open(os.path.join(folder, "000000.conf"), "a") as f:
                f.write("intent = other\n")
            began = time.monotonic()
            said = rouse.api("POST", "/v1/reload", timeout=120).expect(200).json
            note(f"{count:,} {what}: reload, one changed", (time.monotonic() - began) * 1000, "ms")
            expect(said["changed"], ["t999"], "what the reload touched")
            with open(f"/proc/{rouse.daemon.pid}/status") as f:
                note(f"{count:,} {what}: resident memory", int(next(line for line in f if line.startswith("VmRSS")).split()[1]), "KiB")
            rouse.close()


def spent(rouse):
    """Seconds of processor time so far."""
    with open(f"/proc/{rouse.daemon.pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def schedules(rouse, count, schedule, **keys):
    """So many schedules, in files of a size that is taken."""
    folder = os.path.join(rouse.dir, "triggers.d")
    os.makedirs(folder, exist_ok=True)
    more = "".join(f"{k} = {v}\n" for k, v in keys.items())
    for first in range(0, count, 5000):
        with open(os.path.join(folder, f"{first:06}.conf"), "w") as f:
            for n in range(first, min(count, first + 5000)):
                f.write(f"[trigger s{n}]\nsource = cron\nagent = a\nschedule = {schedule(n)}\n{more}")


def memory(rouse):
    with open(f"/proc/{rouse.daemon.pid}/status") as f:
        return int(next(line for line in f if line.startswith("VmRSS")).split()[1])


def many_schedules():
    count = 10000 if QUICK else 100000
    rouse = house("/bin/true")
    schedules(rouse, count, lambda n: f"{n % 60} {n // 60 % 24} 1 1 *", timezone="Europe/Zurich")
    rouse.write_config()
    began = time.monotonic()
    rouse.cli("check", rouse.conf)
    note(f"rouse check of {count:,} schedules", time.monotonic() - began, "s")
    note(f"start to ready, {count:,} schedules, new", ready(rouse), "s")
    note("  of it processor time, new", spent(rouse), "s")
    note(f"resident memory, {count:,} schedules", memory(rouse), "KiB")
    rouse.stop()
    note(f"start to ready, {count:,} schedules, known", ready(rouse), "s")
    note("  of it processor time, known", spent(rouse), "s")
    schedules(rouse, 1, lambda n: "7 7 1 1 *")
    with open(os.path.join(rouse.dir, "triggers.d/000000.conf"), "a") as f:
        for n in range(1, min(count, 5000)):
            f.write(f"[trigger s{n}]\nsource = cron\nagent = a\nschedule = {n % 60} {n // 60 % 24} 1 1 *\ntimezone = Europe/Zurich\n")
    began, before = time.monotonic(), spent(rouse)
    expect(rouse.api("POST", "/v1/reload", timeout=60).expect(200).json["changed"], ["s0"], "what changed")
    note(f"reload of {count:,} schedules, one changed", time.monotonic() - began, "s")
    note("  of it processor time, reload", spent(rouse) - before, "s")
    rouse.close()


def lateness():
    count = 1000 if QUICK else 10000
    rouse = house("/bin/true")
    due = int(time.time()) // 60 * 60 + 120
    schedules(rouse, count, lambda n: time.strftime("%M %H %d %m *", time.gmtime(due)))
    rouse.start()
    rouse.cli("pause", "--agent", "a")
    slowest = 0
    while time.time() < due - 0.2:
        time.sleep(0.05)
    while time.time() < due + 120:
        began = time.monotonic()
        rouse.get("/health")
        slowest = max(slowest, time.monotonic() - began)
        if rouse.get("/health")["queue_depth"] >= count:
            break
    rouse.stop()
    db = sqlite3.connect(rouse.db)
    late = [ms - due * 1000 for (ms,) in db.execute("SELECT created FROM runs")]
    db.close()
    expect(len(late), count, "runs")
    note(f"cron lateness, {count:,} due in one second, p50", percentile(late, 0.5), "ms")
    note(f"cron lateness, {count:,} due in one second, p99", percentile(late, 0.99), "ms")
    note("  slowest answer of /health meanwhile", slowest * 1000, "ms")
    rouse.close()


def other(script, *words):
    """A benchmark that is a program of its own: its last line is its figures as JSON."""
    process = spawn([sys.executable, os.path.join(SOURCE, "tests/bench", script), *words], stdout=subprocess.PIPE, text=True)
    out, _ = process.communicate(timeout=1800)
    expect(process.returncode, 0, f"exit status of {script}")
    for name, value in json.loads(out.splitlines()[-1]).items():
        note(f"{script.removesuffix('.py')}: {name}", value, "")


def files():
    other("files.py", *(["20000", "1000"] if QUICK else []))


def telemetry():
    other("telemetry.py", *(["1000", "3"] if QUICK else []))


def mail():
    if not shutil.which("dovecot") and not os.path.exists("/usr/sbin/dovecot"):
        print("dovecot is not here: mail left out")
        return
    other("imap.py", *(["1000"] if QUICK else []))


def applies():
    process = spawn([sys.executable, os.path.join(SOURCE, "tests/bench/applies.py"), *(["10000"] if QUICK else [])], stdout=subprocess.PIPE, text=True)
    out, _ = process.communicate(timeout=1800)
    expect(process.returncode, 0, "exit status of applies.py")
    for line in out.splitlines():
        if not line.startswith("#"):
            name, value, unit = line.split("\t")
            note(name, float(value), unit)
        else:
            print(line)


def batches():
    """Entities read from a file into their table, and memory meanwhile; no-op runs of entities."""
    count, runs = (100000, 500) if QUICK else (1000000, 3000)
    rouse = house("/bin/true", concurrency=16)
    with open(os.path.join(rouse.dir, "all.csv"), "w") as f:
        f.write("id,name,mail\n" + "".join(f"a{i},Account number {i},a{i}@example.com\n" for i in range(count)))
    rouse.section("batch all", agent="a", entities="csv:all.csv", concurrency=1)
    rouse.section("batch some", agent="a", entities="csv:all.csv", concurrency=16)
    rouse.start()
    rouse.cli("pause", "--agent", "a")
    before, began = memory(rouse), time.monotonic()
    id = rouse.api("POST", "/v1/batches/all/start", {}).expect(202).json["id"]
    wait("all are read", lambda: rouse.get("/v1/batches/" + id)["source"] == "ended", 600)
    note(f"entities of a batch read from CSV, {count} of them", count / (time.monotonic() - began), "/s")
    note("resident memory then, beside before (32 MiB of it are SQLite's cache)", memory(rouse) - before, "KiB more")
    note("database an entity", os.path.getsize(rouse.db) / count, "bytes")
    rouse.api("POST", f"/v1/batches/{id}/cancel", {}).expect(200)
    rouse.cli("resume", "--agent", "a")
    began = time.monotonic()
    id = rouse.api("POST", "/v1/batches/some/start", {"limit": runs}).expect(202).json["id"]
    wait("all have ended", lambda: rouse.get("/v1/batches/" + id)["state"] == "review", 600)
    note("no-op exec runs of entities, start of the batch to review", runs / (time.monotonic() - began), "/s")
    rouse.close()


def review():
    other("review.py", *(["10000"] if QUICK else []))


def bench():
    print("Figures of a shared machine: compare what stands side by side.")
    folder = tempfile.mkdtemp(prefix="rouse-bench-")
    try:
        parts = {"disk": lambda: disk(folder), "bare": bare, "ingest": ingest, "webhook": lambda: webhook(folder), "latency": latency, "claims": claims,
                 "shim": lambda: shim(folder), "runs": runs, "waiting": waiting, "crowd": crowd, "idle": idle, "fairness": fairness, "start": start, "cron": cron, "schedules": many_schedules, "lateness": lateness, "triggers": triggers,
                 "files": files, "mail": mail, "batches": batches, "review": review, "applies": applies, "telemetry": telemetry}
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
