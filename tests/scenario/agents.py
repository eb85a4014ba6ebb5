#!/usr/bin/env python3
# Scenario: agents that are missing, silent, loud, stubborn or wrong; each ends as the contract says.
# SPDX-License-Identifier: MIT
from lib import *


def one(rouse, script, status, reason=None, deliver=True, **agent):
    """Runs an agent once; its run."""
    agent = {"retry__attempts": 1, "grace": "500ms", "linger": "300ms", **agent}
    rouse.agent("a", script, **agent)
    rouse.webhook("push", agent="a")
    rouse.start()
    run = rouse.wait_run(rouse.deliver("push").expect(202).run_id, status)
    if reason is not None:
        expect(run["reason"], reason, "reason")
    rouse.nothing_left()
    return run


@scenario("a program that is not there fails its run, and the reason names it")
def _(rouse):
    run = one(rouse, "", "failed", command="/nonexistent/agent")
    check("/nonexistent/agent" in json.dumps(run), "the error names the program")


@scenario("a program that is not executable fails its run")
def _(rouse):
    rouse.agent("a", "exit 0\n", retry__attempts=1)
    os.chmod(os.path.join(rouse.dir, "agent-a"), 0o644)
    rouse.webhook("push", agent="a")
    rouse.start()
    run = rouse.wait_run(rouse.deliver("push").run_id, "failed")
    check("agent-a" in json.dumps(run), "the error names the program")


@scenario("exit 0 without a result is a success")
def _(rouse):
    one(rouse, "read e; exit 0\n", "succeeded")


@scenario("an agent that never reads its envelope is no trouble")
def _(rouse):
    one(rouse, f"echo '{json.dumps(RESULT)}'\n", "succeeded")


@scenario("the result of the run is what the agent said last")
def _(rouse):
    run = one(rouse, says({"type": "status", "message": "working"}, {"type": "result", "output": {"n": 1}}), "succeeded")
    expect(run["result"], {"n": 1}, "result")


@scenario("lines that are no JSON object are kept as log lines")
def _(rouse):
    run = one(rouse, says("hello", "{broken", "[1]", '{"no":"type"}', RESULT), "succeeded")
    logs = [e for e in rouse.items(f"/v1/runs/{run['id']}/events") if e["type"] == "log"]
    check(len(logs) >= 4, f"four log lines: {logs}")
    check(any("{broken" in json.dumps(e) for e in logs), "the broken one among them")


@scenario("half a line at the end is not taken for a message")
def _(rouse):
    run = one(rouse, "read e; printf '" + json.dumps(RESULT) + "\\n{\"type\":\"change\",\"target\":'\n", "succeeded")
    expect(rouse.changes(run=run["id"]), [], "changes")


@scenario("bytes of all kinds are kept without harm")
def _(rouse):
    run = one(rouse, "read e; head -c 65536 /dev/urandom; printf '\\0\\033[2J\\n'; echo '" + json.dumps(RESULT) + "'\n", "succeeded")
    rouse.cli("run", "logs", run["id"])


@scenario("a gigabyte of output ends the run with budget_output, and the daemon stays small")
def _(rouse):
    run = one(rouse, "read e; head -c 1000000000 /dev/zero | tr '\\0' 'x'\n", "failed", "budget_output", budget__output="1M")
    with open(f"/proc/{rouse.daemon.pid}/status") as f:
        rss = next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
    check(is_sanitized() or rss < 100000, f"the daemon has {rss} KiB")


@scenario("more steps than the budget has end the run, and what it proposed stays, marked partial")
def _(rouse):
    rouse.crm()
    steps = [{"type": "step", "name": f"s{n}", "status": "start"} for n in range(20)]
    run = one(rouse, says(change(), *steps) + "", "failed", "budget_steps", budget__steps=5, targets="crm")
    [left] = rouse.changes(run=run["id"])
    expect((left["status"], left["partial"]), ("proposed", True), "the change")


@scenario("an agent that ignores SIGTERM is killed after its deadline")
def _(rouse):
    one(rouse, "trap '' TERM INT HUP; read e; while :; do sleep 0.1; done\n", "failed", "deadline", budget__deadline="700ms")


@scenario("grandchildren of an agent that has exited do not survive it")
def _(rouse):
    script = "read e; (setsid sleep 600 >/dev/null 2>&1 &); (sleep 601 &); echo '" + json.dumps(RESULT) + "'\n"
    one(rouse, script, "succeeded")


@scenario("a grandchild that holds the output open does not hold up the run")
def _(rouse):
    began = time.monotonic()
    one(rouse, "read e; echo '" + json.dumps(RESULT) + "'; sleep 600 &\nexit 0\n", "succeeded")
    check(time.monotonic() - began < 15 * PATIENCE, "it must end soon")


def exits(code):
    @scenario(f"exit status {code} is permanent: no second attempt, and a dead letter")
    def _(rouse):
        run = one(rouse, f"read e; exit {code}\n", "failed", "permanent", retry__attempts=3, retry__base="10ms")
        expect(run["attempts"], 1, "attempts")
        expect([r["id"] for r in rouse.items("/v1/dlq")], [run["id"]], "dead letters")


for code in (64, 65, 66, 69, 77, 78):
    exits(code)


def retried(how, script):
    @scenario(f"{how} is tried again until the attempts are exhausted")
    def _(rouse):
        run = one(rouse, "read e; echo >>$D/mark; " + script, "failed", "exhausted", retry__attempts=3, retry__base="10ms")
        expect((run["attempts"], len(rouse.marks())), (3, 3), "attempts")
        expect([r["id"] for r in rouse.items("/v1/dlq")], [run["id"]], "dead letters")


retried("exit status 75", "exit 75\n")
retried("exit status 1", "exit 1\n")
retried("a signal", "kill -SEGV $$\n")


@scenario("an error message says whether it is worth trying again")
def _(rouse):
    one(rouse, "read e; echo >>$D/mark; echo '{\"type\":\"error\",\"reason\":\"no such ticket\",\"retry\":false}'; exit 1\n", "failed", "permanent", retry__attempts=3)
    expect(len(rouse.marks()), 1, "attempts")


@scenario("a checkpoint and finished steps come back in the next attempt")
def _(rouse):
    script = """read -r e; printf '%s\\n' "$e" >>$D/mark
[ $(wc -l <$D/mark) = 2 ] && exit 0
echo '{"type":"step","name":"fetch","status":"start"}'
echo '{"type":"step","name":"fetch","status":"done","output":{"rows":3}}'
echo '{"type":"checkpoint","name":"half","state":{"at":7}}'
exit 75
"""
    one(rouse, script, "succeeded", retry__attempts=2, retry__base="10ms")
    second = json.loads(rouse.marks()[1])
    expect((second["attempt"], second["checkpoint"], second["completed_steps"]), (2, {"name": "half", "state": {"at": 7}}, {"fetch": {"rows": 3}}), "the second envelope")


@scenario("a cancelled run stops its agent")
def _(rouse):
    rouse.agent("a", "read e; echo >>$D/mark; sleep 600\n", grace="300ms")
    rouse.webhook("push", agent="a")
    rouse.start()
    run = rouse.deliver("push").run_id
    wait("it runs", rouse.marks)
    rouse.cli("run", "cancel", run)
    rouse.wait_run(run, "cancelled")
    rouse.nothing_left()


@scenario("halt stops what runs and lets nothing start, until resume")
def _(rouse):
    rouse.agent("a", "read e; echo >>$D/mark; sleep 600\n", grace="300ms")
    rouse.agent("ok", says(RESULT))
    rouse.webhook("push", agent="a")
    rouse.webhook("next", agent="ok")
    rouse.start()
    rouse.deliver("push")
    wait("it runs", rouse.marks)
    rouse.cli("halt", expect_code=None)
    rouse.nothing_left()
    answer = rouse.deliver("next")
    check(answer.status in (202, 503), "kept or refused, nothing else")
    rouse.cli("resume")
    if answer.status == 202:
        rouse.wait_run(answer.run_id, "succeeded")


@scenario("an agent is idle, processing, or responding")
def _(rouse):
    rouse.agent("a", "read -r e; read -r x; echo '{\"type\":\"token\",\"text\":\"so\"}'; read -r x; "
                     "echo '{\"type\":\"step\",\"name\":\"s\",\"status\":\"start\"}'; read -r x", grace="300ms")
    rouse.webhook("push", agent="a")
    rouse.start()

    def state():
        [agent] = rouse.items("/v1/agents")
        return agent["state"]
    expect(state(), "idle", "before")
    run = rouse.deliver("push").expect(202).run_id
    wait("it is at work", lambda: state() == "processing")
    wait("it takes input", lambda: rouse.cli("run", "send", run, "go", expect_code=None).code == 0)
    wait("it answers", lambda: state() == "responding")
    check("responding" in rouse.cli("agent", "list").out, "the table says so")
    rouse.cli("run", "send", run, "more")
    wait("it works again", lambda: state() == "processing")
    rouse.cli("run", "send", run, "enough")
    rouse.wait_run(run, "succeeded")
    wait("it rests", lambda: state() == "idle")


main()
