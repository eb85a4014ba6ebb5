#!/usr/bin/env python3
# Scenario: failures are tried again with growing waits, then lie in the dead letters until somebody decides.
# SPDX-License-Identifier: MIT
from lib import *

FAILS_UNTIL_GO = "read -r e; date +%s.%N >>$D/mark; [ -e $D/go ] && exit 0; exit 75\n"


def house(rouse, script=FAILS_UNTIL_GO, **agent):
    rouse.agent("a", script, **{"retry__attempts": 3, "retry__base": "200ms", "retry__factor": 2, "retry__jitter": "none", **agent})
    rouse.webhook("push", agent="a")
    rouse.start()


def go(rouse):
    open(os.path.join(rouse.dir, "go"), "w").close()


@scenario("each wait is twice the one before, and then the attempts are exhausted")
def _(rouse):
    house(rouse)
    run = rouse.wait_run(rouse.deliver("push").run_id, "failed")
    expect((run["reason"], run["attempts"]), ("exhausted", 3), "reason and attempts")
    first, second, third = [float(m) for m in rouse.marks()]
    check(second - first >= 0.19, f"first wait {second - first:.2f} s")
    check(third - second >= 0.39, f"second wait {third - second:.2f} s")


@scenario("a waiting retry survives kill -9")
def _(rouse):
    house(rouse, retry__base="1s")
    run = rouse.deliver("push").run_id
    wait("the first attempt", rouse.marks)
    wait("it is over", lambda: rouse.run(run)["status"] == "queued")
    rouse.kill_9()
    go(rouse)
    rouse.start()
    expect(rouse.wait_run(run, "succeeded")["attempts"], 2, "attempts")


@scenario("a retry goes on though the clock is set back, also while no daemon lives")
def _(rouse):
    clock = Clock(rouse)
    house(rouse, retry__base="1s")
    run = rouse.deliver("push").run_id
    wait("the first attempt", rouse.marks)
    wait("it is over", lambda: rouse.run(run)["status"] == "queued")
    clock.set(-7200)
    wait("the second attempt", lambda: len(rouse.marks()) == 2)
    wait("it is over", lambda: rouse.run(run)["status"] == "queued")
    rouse.kill_9()
    clock.set(-86400)
    go(rouse)
    rouse.start()
    expect(rouse.wait_run(run, "succeeded")["attempts"], 3, "attempts")


@scenario("time that a clock was set ahead while no daemon lived is charged to nobody")
def _(rouse):
    clock = Clock(rouse)
    script = "read -r e; echo $ROUSE_RUN_ID $PPID >>$D/mark; while [ ! -e $D/go ]; do sleep 0.05; done\n"
    house(rouse, script, retry__base="10ms", budget__deadline="10m", concurrency=2)
    lost, lives = rouse.deliver("push").run_id, rouse.deliver("push").run_id
    wait("both run", lambda: len(rouse.marks()) == 2)
    rouse.kill_9()
    clock.set(7200)
    shim = int(dict(m.split() for m in rouse.marks())[lost])
    os.kill(shim, signal.SIGKILL)
    wait("it is gone", lambda: descendants().get(shim, "Z") == "Z")
    go(rouse)
    rouse.start()
    expect(rouse.wait_run(lost, "succeeded")["attempts"], 2, "attempts of the lost one")
    expect(rouse.wait_run(lives, "succeeded")["attempts"], 1, "attempts of the other")


@scenario("retry_after is honoured")
def _(rouse):
    script = 'read -r e; date +%s.%N >>$D/mark; [ $(wc -l <$D/mark) = 2 ] && exit 0\necho \'{"type":"error","reason":"busy","retry":true,"retry_after":1}\'; exit 75\n'
    house(rouse, script, retry__base="10ms")
    rouse.wait_run(rouse.deliver("push").run_id, "succeeded")
    first, second = [float(m) for m in rouse.marks()]
    check(second - first >= 0.95, f"it waited {second - first:.2f} s")


@scenario("a dead letter can be replayed, and is then done")
def _(rouse):
    house(rouse, retry__attempts=1)
    dead = rouse.wait_run(rouse.deliver("push").run_id, "failed")["id"]
    expect([r["id"] for r in rouse.items("/v1/dlq")], [dead], "dead letters")
    go(rouse)
    rouse.cli("dlq", "replay", dead)
    wait("a run has succeeded", lambda: [r for r in rouse.runs() if r["status"] == "succeeded"])
    expect(rouse.items("/v1/dlq"), [], "dead letters")


@scenario("a dead letter can be dropped")
def _(rouse):
    house(rouse, retry__attempts=1)
    dead = rouse.wait_run(rouse.deliver("push").run_id, "failed")["id"]
    rouse.cli("dlq", "drop", dead, "--because", "too old", "--yes")
    expect(rouse.items("/v1/dlq"), [], "dead letters")
    rouse.cli("dlq", "drop", dead, "--yes", expect_code=None)
    expect(rouse.run(dead)["status"], "failed", "the run is still known")


@scenario("runs of one entity go one at a time in order, those of others beside them")
def _(rouse):
    rouse.agent("a", 'read -r e; echo "+ $(echo "$e" | jq -c .payload.n)" >>$D/mark; sleep 0.1; echo - >>$D/mark\n', concurrency=4)
    rouse.webhook("push", agent="a", entity=".data.who")
    rouse.start()
    runs = [rouse.deliver("push", {"n": n, "who": "maria"}).run_id for n in range(5)]
    for run in runs:
        rouse.wait_run(run, "succeeded")
    expect(rouse.marks(), [m for n in range(5) for m in (f"+ {n}", "-")], "starts and ends")


@scenario("no more run at once than concurrency says")
def _(rouse):
    rouse.agent("a", "read -r e; echo + >>$D/mark; sleep 0.2; echo - >>$D/mark\n", concurrency=3)
    rouse.webhook("push", agent="a")
    rouse.start()
    for run in [rouse.deliver("push").run_id for _ in range(12)]:
        rouse.wait_run(run, "succeeded")
    at_once = most = 0
    for mark in rouse.marks():
        at_once += 1 if mark == "+" else -1
        most = max(most, at_once)
    expect(most, 3, "runs at once")


@scenario("a full queue answers 429 with Retry-After, and takes more when there is room")
def _(rouse):
    rouse.section("limits", max_queued=3)
    rouse.agent("a", "read -r e; while [ ! -e $D/go ]; do sleep 0.02; done\n", concurrency=1)
    rouse.webhook("push", agent="a")
    rouse.start()
    answers = [rouse.deliver("push") for _ in range(10)]
    full = [a for a in answers if a.status != 202]
    check(3 <= 10 - len(full) <= 5, f"{10 - len(full)} were taken")
    expect({a.status for a in full}, {429}, "the others")
    check(full[0].headers["Retry-After"], "Retry-After")
    go(rouse)
    wait("there is room again", lambda: rouse.deliver("push").status == 202)


main()
