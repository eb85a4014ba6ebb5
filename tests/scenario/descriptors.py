#!/usr/bin/env python3
# Scenario: descriptors run out; the daemon neither spins nor lies, and goes on when there are some again.
# SPDX-License-Identifier: MIT
from lib import *

FILES = 64


def poor(rouse, **sections):
    """A daemon that may have so many files open, and two hooks."""
    rouse.wrapper = ["sh", "-c", f'ulimit -n {FILES} && exec "$@"', "sh"]
    rouse.agent("ok", "read -r e; echo $ROUSE_RUN_ID >>$D/mark\n", retry__base="50ms", retry__cap="200ms", retry__attempts=50)
    rouse.webhook("push", agent="ok")
    rouse.start()


def cpu(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def share(rouse, seconds=2):
    """How much of a processor it takes."""
    began, spent = time.monotonic(), cpu(rouse.daemon.pid)
    time.sleep(seconds)
    return (cpu(rouse.daemon.pid) - spent) / (time.monotonic() - began)


def hold(rouse, count, unix=False):
    held = []
    for _ in range(count):
        s = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        s.setblocking(False)
        try:
            s.connect(rouse.socket if unix else ("127.0.0.1", rouse.port))
        except (BlockingIOError, OSError):
            pass
        held.append(s)
    return held


def let_go(held):
    for s in held:
        s.close()


def answers_again(rouse, within=15):
    return wait("it answers again", lambda: (lambda r: r.run_id if r.status == 202 else None)(rouse.deliver("push", timeout=5)), within)


@scenario("three hundred silent connections: it does not spin, and answers when they are gone")
def _(rouse):
    poor(rouse)
    held = hold(rouse, 300)
    time.sleep(0.3)
    used = share(rouse)
    check(used < 0.2, f"it takes {used:.0%} of a processor")
    check(rouse.is_alive(), "it lives")
    let_go(held)
    rouse.wait_run(answers_again(rouse), "succeeded", 30)
    rouse.wait_run(answers_again(rouse), "succeeded", 30)


@scenario("what was acknowledged while descriptors were short is run, each once, when there are some")
def _(rouse):
    poor(rouse)
    held, runs, refused = [], [], 0
    for n in range(90):
        held += hold(rouse, 1)
        try:
            reply = rouse.deliver("push", {"n": n}, timeout=0.3 if refused else 2)
            if reply.status == 202:
                runs.append(reply.run_id)
            else:
                check(reply.status in (429, 503), f"it says {reply.status}")
                refused += 1
        except (OSError, http.client.HTTPException):
            refused += 1
        if refused > 4:
            break
    check(rouse.is_alive(), "it lives")
    let_go(held)
    answers_again(rouse)
    for run in runs:
        rouse.wait_run(run, "succeeded", 30)
    for run in runs:
        expect(rouse.marks().count(run), 1, f"starts of {run}")
    check(runs, "some were acknowledged")


@scenario("the socket for people answers while strangers hold every connection")
def _(rouse):
    poor(rouse)
    held = hold(rouse, 300)
    time.sleep(0.2)
    said = rouse.cli("status", expect_code=None, timeout=15)
    let_go(held)
    expect(said.code, 0, f"rouse status: {said}")


@scenario("more agents than there are descriptors for: each runs in the end, none is given up")
def _(rouse):
    poor(rouse)
    rouse.stop()
    rouse.agent("slow", "read -r e; sleep 0.3; echo $ROUSE_RUN_ID >>$D/mark\n", concurrency=100, retry__base="50ms", retry__cap="300ms", retry__attempts=100)
    rouse.webhook("push", agent="slow")
    rouse.start()
    rouse.cli("pause", "--agent", "slow")
    runs = [rouse.deliver("push").expect(202).run_id for _ in range(100)]
    rouse.cli("resume", "--agent", "slow")
    used = share(rouse, 1)
    for run in runs:
        rouse.wait_run(run, "succeeded", 60)
    started = rouse.marks()
    expect({run: started.count(run) for run in runs if started.count(run) != 1}, {}, "runs that did not run once")
    rouse.nothing_left()
    print(f"# {used:.0%} of a processor, {sum(rouse.run(r)['attempts'] for r in runs[:20]) / 20:.1f} attempts a run")


main()
