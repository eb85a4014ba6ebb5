#!/usr/bin/env python3
# Scenario: every hostile agent we know at once, through one daemon: each run ends, nothing survives, the daemon is unmoved.
# SPDX-License-Identifier: MIT
from lib import *

FAKE = os.path.join(SOURCE, "tests/fakes/hostile_agent.py")
LONG = 15 * PATIENCE  # seconds, for those that end by themselves
# mode: status and reason of its run
MODES = {
    "forkbomb": ("failed", "deadline"),
    "daemonise": ("succeeded", None),
    "hold-stdout": ("succeeded", None),
    "zombies": ("succeeded", None),
    "ignore-term": ("failed", "deadline"),
    "stop-self": ("failed", "deadline"),
    "stdout-flood": ("failed", "budget_output"),
    "stdout-no-newline": ("failed", "budget_output"),
    "stdout-binary": ("succeeded", None),
    "stderr-flood": ("succeeded", None),
    "stdin-ignored": ("succeeded", None),
    "stdin-closed": ("succeeded", None),
    "mem-hog": ("failed", "exhausted"),
    "disk-fill": ("failed", "exhausted"),
    "fd-hog": ("succeeded", None),
    "env-dump": ("succeeded", None),
    "fd-dump": ("succeeded", None),
    "spy-parent": ("succeeded", None),
    "kill-parent": ("succeeded", None),
    "db-write": ("succeeded", None),
    "symlink-out": ("succeeded", None),
    "lie-usage": ("succeeded", None),
    "bad-json": ("succeeded", None),
    "exit-255": ("failed", "exhausted"),
    "segv": ("failed", "exhausted"),
    "slow-exit": ("failed", "deadline"),
    "clock": ("succeeded", None),
    "self-trigger": ("succeeded", None),
    "forge-apply": ("succeeded", None),
}


def python():
    """One that another user may run too."""
    return "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable


def memory_kib(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(next(line for line in f if line.startswith("VmRSS")).split()[1])


def logged(rouse, run):
    return "\n".join(json.dumps(e["data"], ensure_ascii=False) for e in rouse.items(f"/v1/runs/{run}/events?limit=1000"))


def house(rouse, work, **keys):
    """All of them, and an honest one."""
    for name, (status, reason) in MODES.items():
        # What it may fork is counted: more would only hold up the other tests of this machine.
        more = {"forkbomb": " 200", "db-write": f" {rouse.db} {rouse.conf}"}.get(name, "")
        deadline = "3s" if reason == "deadline" else f"{LONG:.0f}s"
        folder = os.path.join(work, name)
        os.mkdir(folder)
        os.chmod(folder, 0o777)
        # Of one user all count together: only the one that wants too many meets the limit.
        processes = 150 if name == "forkbomb" else 4000
        rouse.agent(name, "", command=f"{python()} {os.path.join(work, 'hostile_agent.py')} {name}{more}", workdir=folder, retry__attempts=1, grace="1s", linger="300ms",
                    budget__deadline=deadline, budget__output="1M", memory_max="256M", file_size="8M", files=64, processes=processes, stdin="envelope",
                    env=f"PROBE_URL=http://127.0.0.1:{rouse.port}/hooks/honest, PROBE_BASE=http://127.0.0.1:{rouse.port}", **keys)
        rouse.webhook(name, agent=name)
    rouse.agent("honest", says(RESULT))
    rouse.webhook("honest", agent="honest")


def honest(rouse, when):
    began = time.monotonic()
    rouse.wait_run(rouse.deliver("honest").expect(202).run_id, "succeeded", 10)
    check(time.monotonic() - began < 8 * PATIENCE, f"an honest run took too long {when}")


def all_at_once(rouse, **keys):
    if not os.path.exists(FAKE):
        raise Skip("hostile_agent.py is not here")
    work = tempfile.mkdtemp(prefix="rouse-work-")
    try:
        os.chmod(work, 0o755)
        shutil.copy(FAKE, work)
        house(rouse, work, **keys)
        rouse.start(DAEMON_SECRET="swordfish")
        honest(rouse, "before them")
        descriptors, memory = len(os.listdir(f"/proc/{rouse.daemon.pid}/fd")), memory_kib(rouse.daemon.pid)
        runs = {name: rouse.deliver(name, {"pad": "x" * 500000}).expect(202).run_id for name in MODES}
        honest(rouse, "beside them")
        ended = {}
        for name, run in runs.items():
            ended[name] = wait(f"{name} ends", lambda run=run: (lambda r: r if r["status"] in ("succeeded", "failed") else None)(rouse.run(run)), 40)
        expect({n: (r["status"], r["reason"]) for n, r in ended.items()}, MODES, "how they ended")
        rouse.nothing_left()
        honest(rouse, "after them")
        wait("descriptors are given back", lambda: len(os.listdir(f"/proc/{rouse.daemon.pid}/fd")) <= descriptors + 8)
        if not is_sanitized():
            grown = memory_kib(rouse.daemon.pid) - memory
            check(grown < 48 << 10, f"the daemon has grown by {grown} KiB")
        expect(len([r for r in rouse.runs(trigger="honest")]), 3, "runs of the honest trigger: nobody else may start it")
        expect(rouse.changes(), [], "changes")
        expect(ended["lie-usage"]["tokens"], 0, "tokens of who lies about them")
        spooled = sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(os.path.join(rouse.state, "spool")) for f in files)
        check(spooled < 1 << 20, f"{spooled} bytes are left in the spool")
        check("swordfish" not in logged(rouse, runs["env-dump"]), "the daemon's environment was told")
        check("rouse.db" not in logged(rouse, runs["fd-dump"]) and "socket:" not in logged(rouse, runs["fd-dump"]), "descriptors of the daemon were left open: " + logged(rouse, runs["fd-dump"]))
        check("ALLOWED" not in logged(rouse, runs["forge-apply"]), logged(rouse, runs["forge-apply"]))
        rouse.cli("db", "check")
        return {name: logged(rouse, run) for name, run in runs.items()}
    finally:
        shutil.rmtree(work, ignore_errors=True)


@scenario("each ends as one expects, nothing survives, others run beside and after them")
def _(rouse):
    all_at_once(rouse)


@scenario("as another user they also reach neither the daemon's memory, its database nor itself")
def _(rouse):
    needs_root()
    said = all_at_once(rouse, user="nobody")
    check("READABLE /proc" not in said["spy-parent"] and "READABLE /etc" not in said["spy-parent"], said["spy-parent"])
    check("SIGNALLED" not in said["kill-parent"], said["kill-parent"])
    check("WRITABLE" not in said["db-write"], said["db-write"])


@scenario("without network, with few files and a control group they end as they did, and have reached nobody")
def _(rouse):
    if ctypes.CDLL(None).syscall(444, None, 0, 1) < 1:
        raise Skip("this kernel has no Landlock")
    MODES["net-probe"] = ("succeeded", None)
    base = control_groups(rouse)
    said = all_at_once(rouse, network="no", filesystem="ro:/usr")
    check("CONNECTED" not in said["net-probe"] and "denied" in said["net-probe"], said["net-probe"])
    check("refused" in said["self-trigger"], said["self-trigger"])
    check("WRITABLE" not in said["db-write"] and "denied" in said["db-write"], said["db-write"])
    # The numbers of another's descriptors its user may list; what they lead to is out of reach.
    check(not any(f"/{name}" in line for name in ("environ", "mem", "shadow") for line in said["spy-parent"].splitlines() if "READABLE" in line), said["spy-parent"])
    if ctypes.CDLL(None).syscall(444, None, 0, 1) >= 6:
        check("SIGNALLED" not in said["kill-parent"], said["kill-parent"])
    if base:
        wait("the groups are gone", lambda: not [d for d in os.listdir(base) if os.path.isdir(os.path.join(base, d))])


main()
