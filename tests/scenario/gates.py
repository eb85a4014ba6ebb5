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


def house(rouse, message, **agent):
    """A run that waits; its id and its gate."""
    rouse.agent("a", ASKS % json.dumps(message), **{"grace": "300ms", **agent})
    rouse.webhook("push", agent="a")
    rouse.start()
    run = rouse.deliver("push").expect(202).run_id
    [gate] = wait("a gate", lambda: rouse.items("/v1/gates"))
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
    wait("the run ends", lambda: rouse.run(run)["status"] in ("succeeded", "failed"))
    if rouse.marks():
        check(answer(rouse)["decision"] in ("timeout", "denied"), f"the decision: {answer(rouse)}")
    else:
        expect(rouse.run(run)["reason"], "gate_timeout", "reason")


@scenario("a gate and its run survive kill -9, and the answer arrives")
def _(rouse):
    run, gate = house(rouse, APPROVAL)
    rouse.kill_9()
    rouse.start()
    expect([g["id"] for g in rouse.items("/v1/gates?status=waiting")], [gate], "gates that wait")
    rouse.cli("gate", "approve", gate)
    rouse.wait_run(run, "succeeded")
    expect((answer(rouse)["decision"], rouse.run(run)["attempts"]), ("approved", 1), "the decision and the attempts")


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
    [gate] = wait("a gate", lambda: rouse.items("/v1/gates"))
    rouse.restart()
    rouse.cli("gate", "approve", gate["id"])
    rouse.wait_run(run, "failed")
    expect(rouse.run(run)["reason"], "deadline", "the reason")


main()
