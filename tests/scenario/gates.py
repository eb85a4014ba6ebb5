#!/usr/bin/env python3
# Scenario: an agent asks, a person answers, the run goes on; or nobody answers in time.
# SPDX-License-Identifier: MIT
from lib import *

ASKS = """read -r e
echo '%s'
read -r answer; printf '%%s\\n' "$answer" >>$D/mark
echo '{"type":"result","output":"done"}'
"""
APPROVAL = {"type": "approval", "step": "refund", "payload": {"amount": 12}, "timeout": "1h"}


def house(rouse, message, body=ASKS, **agent):
    """A run that waits; its id and its gate."""
    rouse.agent("a", body % json.dumps(message), **{"grace": "300ms", **agent})
    rouse.webhook("push", agent="a")
    rouse.start()
    run = rouse.deliver("push").expect(202).run_id
    wait("a gate", lambda: rouse.items("/v1/gates"))
    [gate] = rouse.items("/v1/gates")  # asked anew: by now its turn is on disk
    expect((gate["run"], gate["status"]), (run, "waiting"), "the gate")
    return run, gate["id"]


def answer(rouse):
    return json.loads(rouse.marks()[0])


@scenario("an approval that is given reaches the agent, and the run goes on")
def _(rouse):
    run, gate = house(rouse, APPROVAL)
    check(gate in rouse.cli("inbox").out or "refund" in rouse.cli("inbox").out, "it is in the inbox")
    rouse.cli("gate", "approve", gate, "--reason", "small")
    rouse.wait_run(run, "succeeded")
    told = answer(rouse)
    expect((told["type"], told["step"], told["decision"], told["reason"]), ("decision", "refund", "approved", "small"), "what the agent was told")
    expect(rouse.items("/v1/gates?status=waiting"), [], "gates that wait")


@scenario("a denial reaches the agent too, and a gate is decided once")
def _(rouse):
    run, gate = house(rouse, APPROVAL)
    rouse.cli("gate", "deny", gate)
    rouse.cli("gate", "approve", gate, expect_code=4)
    rouse.wait_run(run, "succeeded")
    expect(answer(rouse)["decision"], "denied", "the decision")


@scenario("an edited approval carries what the person wrote")
def _(rouse):
    run, gate = house(rouse, {**APPROVAL, "allow": ["accept", "edit"]})
    rouse.cli("gate", "edit", gate, "--payload", '{"amount":5}')
    rouse.wait_run(run, "succeeded")
    told = answer(rouse)
    expect((told["decision"], told["payload"]), ("edited", {"amount": 5}), "what the agent was told")


@scenario("a question is answered in words")
def _(rouse):
    run, gate = house(rouse, {"type": "ask", "question": "Which plan?", "timeout": "1h"})
    rouse.cli("gate", "respond", gate, "--text", "the small one")
    rouse.wait_run(run, "succeeded")
    told = answer(rouse)
    expect(told["decision"], "responded", "the decision")
    check("the small one" in json.dumps(told), f"the words: {told}")


@scenario("a gate that nobody answers in time is decided by itself: no")
def _(rouse):
    run, gate = house(rouse, {**APPROVAL, "timeout": "1s"})
    rouse.wait_run(run, "succeeded")
    told = answer(rouse)
    expect((told["decision"], told["by"]), ("timeout", "rouse"), "what the agent was told")
    expect([(g["status"], g["on_timeout"]) for g in rouse.items("/v1/gates")], [("expired", "deny")], "the gate")


@scenario("a time that runs out while no daemon is there is noticed by the next one")
def _(rouse):
    run, gate = house(rouse, {**APPROVAL, "timeout": "1s"}, body=ASKS.replace('echo \'{"type":"result"', "exit 3; echo '{\"type\":\"result\""))
    rouse.kill_9()
    time.sleep(1.2)
    rouse.start()
    rouse.wait_run(run, "failed")
    expect((rouse.run(run)["reason"], rouse.run(run)["attempts"]), ("gate_timeout", 1), "reason and attempts")


@scenario("on_timeout = fail ends the run and its agent")
def _(rouse):
    run, gate = house(rouse, {**APPROVAL, "timeout": "1s"}, on_timeout="fail")
    rouse.wait_run(run, "failed")
    expect(rouse.run(run)["reason"], "gate_timeout", "reason")
    check(all(json.loads(mark)["type"] == "cancel" for mark in rouse.marks()), f"it hears no decision: {rouse.marks()}")
    said = rouse.cli("gate", "approve", gate, expect_code=4)
    check("expired" in said.out + said.err, f"the sentence: {said.out}{said.err}")


@scenario("time approves where the operator says so, and nowhere else")
def _(rouse):
    rouse.agent("b", ASKS % json.dumps({**APPROVAL, "timeout": "1ms", "on_timeout": "approve"}), grace="300ms")
    rouse.webhook("other", agent="b")
    run, gate = house(rouse, {**APPROVAL, "timeout": "1ms"}, on_timeout="approve", gate_timeout="1s")
    rouse.wait_run(run, "succeeded")
    expect(answer(rouse)["decision"], "approved", "the decision")
    run = rouse.deliver("other").expect(202).run_id
    rouse.wait_run(run, "succeeded")
    expect(json.loads(rouse.marks()[-1])["decision"], "timeout", "what an agent that would approve itself hears")


@scenario("a gate and its run survive kill -9, and the answer arrives")
def _(rouse):
    run, gate = house(rouse, APPROVAL)
    rouse.kill_9()
    rouse.start()
    expect([g["id"] for g in rouse.items("/v1/gates?status=waiting")], [gate], "gates that wait")
    rouse.cli("gate", "approve", gate)
    rouse.wait_run(run, "succeeded")
    expect((answer(rouse)["decision"], rouse.run(run)["attempts"]), ("approved", 1), "the decision and the attempts")


# Says what it hears, until it is decided.
HEARS = """read -r e
echo '%s'
while read -r line; do
	printf '%%s\n' "$line" >>$D/mark
	case $line in *'"decision"'*) break ;; esac
done
echo '{"type":"result","output":"done"}'
"""


@scenario("what is sent to a run reaches an agent that waits for a person, and wakes nobody else")
def _(rouse):
    run, gate = house(rouse, APPROVAL, body=HEARS)
    rouse.cli("run", "send", run, "hurry \"up\"\nplease")
    wait("it is heard", lambda: rouse.marks())
    expect(json.loads(rouse.marks()[0]), {"type": "input", "text": "hurry \"up\"\nplease"}, "what it heard")
    expect(rouse.run(run)["status"], "waiting", "the run")
    rouse.restart()
    rouse.cli("run", "send", run, "x" * 100000)
    wait("a long one too, after a restart", lambda: len(rouse.marks()) == 2)
    expect(len(json.loads(rouse.marks()[1])["text"]), 100000, "all of it")
    rouse.cli("gate", "approve", gate)
    rouse.wait_run(run, "succeeded")
    said = rouse.cli("run", "send", run, "late", expect_code=4)
    check("succeeded" in said.out + said.err, f"the sentence: {said.out}{said.err}")
    events = [e["type"] for e in rouse.items(f"/v1/runs/{run}/events")]
    expect((events.count("input"), events.count("decision")), (2, 1), "what the log keeps")


@scenario("a run that waits for a person is cancelled, and its agent is told")
def _(rouse):
    run, gate = house(rouse, APPROVAL, body=HEARS)
    rouse.cli("run", "cancel", run, "--reason", "no need")
    rouse.wait_run(run, "cancelled")
    expect(rouse.items("/v1/gates?status=waiting"), [], "gates that wait")
    rouse.cli("gate", "approve", gate, expect_code=4)


# Tries to decide about itself: at once, and from a process that left its parent, session and all.
GREEDY = """read -r e
rouse() { %(rouse)s --socket %(socket)s "$@"; }
echo '{"type":"approval","step":"pay"}'
echo '{"type":"change","target":"crm","entity":"deals:1","op":"update","before":{},"after":{"stage":"won"}}'
until rouse gate list --run "$ROUSE_RUN_ID" --json | grep -q waiting; do sleep 0.05; done
gate=$(rouse gate list --run "$ROUSE_RUN_ID" --json | sed 's/.*"id":"\\([^"]*\\)".*/\\1/')
rouse gate approve "$gate" >>$D/said 2>&1; a=$?
rouse approve "$ROUSE_RUN_ID" --reason mine >>$D/said 2>&1; b=$?
(setsid sh -c '%(rouse)s --socket %(socket)s gate approve "$0"; echo $? >$D/late' "$gate" >>$D/said 2>&1 &)
until [ -s $D/late ]; do sleep 0.05; done
echo "$a $b $(cat $D/late)" >>$D/mark
read -r answer
echo '{"type":"result","output":"paid"}'
"""


@scenario("an agent decides neither its own gate nor its own changes, by whatever process of its own")
def _(rouse):
    rouse.crm()
    rouse.agent("a", GREEDY % {"rouse": os.path.join(BUILD, "rouse"), "socket": rouse.socket}, targets="crm", grace="300ms")
    rouse.webhook("push", agent="a")
    rouse.start()
    run = rouse.deliver("push").expect(202).run_id
    wait("it has tried", lambda: rouse.marks())
    expect(rouse.marks(), ["4 4 4"], "how its tries ended")
    [gate] = rouse.items("/v1/gates")
    expect((gate["status"], gate["by"] if "by" in gate else None), ("waiting", None), "the gate")
    expect([c["status"] for c in rouse.items("/v1/changes")], ["proposed"], "the change")
    rouse.cli("gate", "approve", gate["id"])
    rouse.wait_run(run, "succeeded")


@scenario("a token made for an agent decides nothing of that agent's runs, also when they are over or were carried for another")
def _(rouse):
    rouse.crm()
    script = says({"type": "change", "target": "crm", "entity": "1", "op": "update", "before": {}, "after": {"stage": "won"}}, RESULT)
    for name in ("a", "b"):
        rouse.agent(name, script, targets="crm")
        rouse.webhook("push-" + name, agent=name)
    rouse.agent("c", f"read e; echo '{json.dumps({'type': 'approval', 'step': 'pay'})}'; read -r answer; echo '{json.dumps(RESULT)}'\n")
    rouse.webhook("push-c", agent="c")
    rouse.start()
    tokens = {}
    for agent in ("a", "c"):
        tokens[agent] = {"Authorization": "Bearer " + rouse.cli("token", "create", "of-" + agent, "--agent", agent, "--scope", "read,review,apply").out.strip()}
    expect({t["name"]: t["agent"] for t in rouse.items("/v1/tokens")}, {"of-a": "a", "of-c": "c"}, "the tokens")
    runs = {name: rouse.wait_run(rouse.deliver("push-" + name).run_id, "succeeded")["id"] for name in ("a", "b")}
    change = {name: rouse.changes(run=runs[name])[0]["id"] for name in runs}
    decide = lambda path, agent, body=None: rouse.http("POST", path, {"reason": "x", **(body or {})}, tokens[agent])
    for path in (f"/v1/changes/{change['a']}/approve", f"/v1/changes/{change['a']}/reject", f"/v1/runs/{runs['a']}/approve"):
        reply = decide(path, "a").expect(403)
        check("was made for agent a" in reply.json["detail"], f"{path}: {reply}")
    expect([c["status"] for c in rouse.changes(run=runs["a"])], ["proposed"], "the change of its own")
    decide(f"/v1/changes/{change['b']}/approve", "a").expect(200)
    waits = rouse.deliver("push-c").run_id
    gate = wait("a gate", lambda: rouse.items("/v1/gates?status=waiting"))[0]["id"]
    decide(f"/v1/gates/{gate}/decide", "c", {"decision": "approved"}).expect(403)
    decide(f"/v1/gates/{gate}/decide", "a", {"decision": "approved"}).expect(200)
    rouse.wait_run(waits, "succeeded")
    # Carried by a, for b: as far as the attempts tell.
    rouse.stop()
    with sqlite3.connect(rouse.db) as db:
        db.execute("UPDATE attempts SET agent = 'c' WHERE run = (SELECT seq FROM runs WHERE id = ?)", [runs["a"]])
    rouse.start()
    decide(f"/v1/changes/{change['a']}/approve", "c").expect(403)
    said = rouse.cli("token", "create", "x", "--agent", "a", "--scope", "admin", expect_code=1)
    check("makes others" in said.err, f"{said}")
    rouse.cli("token", "create", "x", "--agent", "nobody", "--scope", "read", expect_code=3)


@scenario("the deadline stands while a person decides, with and without a daemon, and goes on after")
def _(rouse):
    run, gate = house(rouse, APPROVAL, **{"budget.deadline": "1500ms"})
    rouse.kill_9()
    time.sleep(2)
    rouse.start()
    expect(rouse.run(run)["status"], "waiting", "after the restart")
    rouse.cli("gate", "approve", gate)
    rouse.wait_run(run, "succeeded")
    expect(rouse.run(run)["attempts"], 1, "attempts")


@scenario("after the decision the rest of the deadline holds")
def _(rouse):
    rouse.agent("a", "read -r e; echo '%s'; read -r answer; exec sleep 60" % json.dumps(APPROVAL),
                **{"grace": "300ms", "budget.deadline": "1s"})
    rouse.webhook("push", agent="a")
    rouse.start()
    run = rouse.deliver("push").expect(202).run_id
    wait("a gate", lambda: rouse.items("/v1/gates"))
    [gate] = rouse.items("/v1/gates")
    rouse.restart()
    rouse.cli("gate", "approve", gate["id"])
    rouse.wait_run(run, "failed")
    expect(rouse.run(run)["reason"], "deadline", "the reason")


main()
