#!/usr/bin/env python3
# Scenario: daemon, shim and agent die at the worst moment; nothing is lost, nothing happens twice.
# SPDX-License-Identifier: MIT
from lib import *


def shims(rouse):
    """pids of the shims below the daemon, or of those that a dead daemon left to us"""
    return [pid for pid, state in descendants().items() if state != "Z" and os.path.basename(cmdline(pid).split(" ")[0]) == "rouse-shim"]


def agents(rouse):
    return [pid for pid, state in descendants().items() if state != "Z" and rouse.dir + "/agent-" in cmdline(pid)]


WAITS = "read -r e; echo x >>$D/mark; while [ ! -e $D/go ]; do sleep 0.05; done; echo '" + json.dumps(RESULT) + "'\n"


def go(rouse):
    open(os.path.join(rouse.dir, "go"), "w").close()


def slow_house(rouse, **agent):
    rouse.agent("slow", WAITS, **agent)
    rouse.webhook("push", agent="slow")
    rouse.start()


@scenario("a delivery acknowledged before kill -9 is run after it, once")
def _(rouse):
    slow_house(rouse)
    rouse.cli("pause", "--agent", "slow")
    runs = [rouse.deliver("push").expect(202).run_id for _ in range(5)]
    rouse.kill_9()
    go(rouse)
    rouse.start()
    expect({r["id"] for r in rouse.runs()}, set(runs), "the runs")
    rouse.cli("resume", "--agent", "slow")
    for run in runs:
        rouse.wait_run(run, "succeeded")
    expect(len(rouse.marks()), 5, "starts of the agent")


@scenario("an agent that runs survives kill -9 of the daemon and is taken up again")
def _(rouse):
    slow_house(rouse)
    run = rouse.deliver("push").run_id
    wait("the agent runs", rouse.marks)
    agent = min(agents(rouse))  # its own children look like it until they are something else
    rouse.kill_9()
    stays("the agent goes on", lambda: agent in agents(rouse), 0.3)
    rouse.start()
    go(rouse)
    done = rouse.wait_run(run, "succeeded")
    expect((done["attempts"], len(rouse.marks())), (1, 1), "attempts and starts")


@scenario("an agent that ended while no daemon ran is not run again")
def _(rouse):
    rouse.crm()
    rouse.agent("slow", WAITS.replace("echo '{", "echo '" + json.dumps(change()) + "'; echo '{"), targets="crm")
    rouse.webhook("push", agent="slow")
    rouse.start()
    run = rouse.deliver("push").run_id
    wait("the agent runs", rouse.marks)
    rouse.kill_9()
    go(rouse)
    wait("the agent ends", lambda: not agents(rouse))
    rouse.start()
    done = rouse.wait_run(run, "succeeded")
    expect((done["attempts"], len(rouse.marks())), (1, 1), "attempts and starts")
    expect(len(rouse.changes(run=run)), 1, "changes")


@scenario("a restart of the daemon ends no run")
def _(rouse):
    slow_house(rouse)
    run = rouse.deliver("push").run_id
    wait("the agent runs", rouse.marks)
    rouse.restart()
    expect(rouse.run(run)["status"], "running", "status after the restart")
    go(rouse)
    expect(rouse.wait_run(run, "succeeded")["attempts"], 1, "attempts")


@scenario("output that an agent writes across five restarts is read once, in order")
def _(rouse):
    script = """read -r e; n=0
while [ ! -e $D/go ]; do n=$((n+1)); echo "{\\"type\\":\\"status\\",\\"message\\":\\"$n\\"}"; sleep 0.01; done
echo '{"type":"result","output":'$n'}'
"""
    rouse.agent("count", script)
    rouse.webhook("push", agent="count")
    rouse.start()
    run = rouse.deliver("push").run_id
    wait("the agent speaks", lambda: len(rouse.items(f"/v1/runs/{run}/events")) > 2)
    for _ in range(5):
        rouse.kill_9()
        rouse.start()
    go(rouse)
    done = rouse.wait_run(run, "succeeded")
    seen, after = [], 0
    while True:
        page = rouse.items(f"/v1/runs/{run}/events?limit=1000&after={after}")
        if not page:
            break
        seen += [int(e["data"]["message"]) for e in page if e["type"] == "status"]
        after = max(e["seq"] for e in page)
    expect(seen, list(range(1, done["result"] + 1)), "the messages")


@scenario("kill -9 of the shim loses the attempt, not the run; its agent does not survive")
def _(rouse):
    slow_house(rouse, retry__base="10ms")
    run = rouse.deliver("push").run_id
    wait("the agent runs", rouse.marks)
    first = agents(rouse)
    [shim] = shims(rouse)
    os.kill(shim, signal.SIGKILL)
    wait("it is run again", lambda: len(rouse.marks()) == 2, 40)
    check(not set(first) & set(agents(rouse)), "the first agent is gone")
    go(rouse)
    done = rouse.wait_run(run, "succeeded")
    expect([a["status"] for a in done["attempt_list"]][0], "lost", "the first attempt")
    rouse.nothing_left()


@scenario("daemon and shim killed together: the attempt is lost, the run is not, no agent survives")
def _(rouse):
    slow_house(rouse, retry__base="10ms")
    run = rouse.deliver("push").run_id
    wait("the agent runs", rouse.marks)
    first = agents(rouse)
    [shim] = shims(rouse)
    rouse.kill_9()
    os.kill(shim, signal.SIGKILL)
    rouse.start()
    wait("it is run again", lambda: len(rouse.marks()) == 2, 40)
    check(not set(first) & set(agents(rouse)), "the first agent is gone")
    go(rouse)
    rouse.wait_run(run, "succeeded")
    rouse.nothing_left()


def crashes(point, what):
    @scenario(f"a crash at {point} ({what}) loses nothing and applies nothing twice")
    def _(rouse):
        rouse.agent("a", "echo x >>$D/mark\n" + says(change(), RESULT), targets="crm", retry__base="10ms")
        rouse.crm()
        rouse.webhook("push", agent="a", mode="apply")
        rouse.start(ROUSE_CRASH=point)
        try:
            rouse.deliver("push", id="d1")
        except (OSError, http.client.HTTPException):
            pass
        expect(rouse.ended(), -signal.SIGKILL, "how the daemon ended")
        rouse.start()
        run = rouse.deliver("push", id="d1").expect(200, 202).run_id
        rouse.wait_run(run, "succeeded", 40)
        wait("the change is applied", lambda: [c["status"] for c in rouse.changes(run=run)] == ["applied"])
        expect((rouse.deal(), len(rouse.runs())), (("won", 1), 1), "the deal and the runs")


crashes("store-commit", "before the first commit")
crashes("store-commit:2", "before the second commit")
crashes("store-committed:2", "after the second commit")
crashes("before-agent-start", "the run is claimed, its agent not started")
crashes("exec-spool-made", "the shim is not started")
crashes("exec-shim-started", "the shim runs, the daemon has not noted it")
crashes("after-propose", "the change is not committed")
crashes("before-apply", "the change is applying")
crashes("after-apply", "the target has it, the row does not say so")


@scenario("twenty kills while deliveries come in lose none that was acknowledged, and run each once")
def _(rouse):
    rouse.agent("fast", "read -r e; echo $ROUSE_RUN_ID >>$D/mark\n", concurrency=8)
    rouse.webhook("push", agent="fast")
    rouse.start()
    acknowledged, stop = {}, threading.Event()

    def post():
        n = 0
        while not stop.is_set():
            n += 1
            try:
                reply = rouse.deliver("push", {"n": n}, id=f"storm-{n}", timeout=2)
                if reply.status == 202:
                    acknowledged[f"storm-{n}"] = reply.run_id
            except (OSError, http.client.HTTPException):
                time.sleep(0.01)

    poster = threading.Thread(target=post)
    poster.start()
    try:
        for _ in range(20):
            wait("something is acknowledged", lambda n=len(acknowledged): len(acknowledged) > n + 3)
            rouse.kill_9()
            rouse.start()
    finally:
        stop.set()
        poster.join()
    for run in acknowledged.values():
        rouse.wait_run(run, "succeeded", 60)
    ran = rouse.marks()
    expect(len(set(acknowledged.values()) - set(ran)), 0, "acknowledged runs that never ran")
    twice = {run: (ran.count(run), rouse.run(run)["attempts"]) for run in set(ran) if ran.count(run) > rouse.run(run)["attempts"]}
    expect(twice, {}, "runs that started more often than they have attempts")


main()
