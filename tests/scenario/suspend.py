#!/usr/bin/env python3
# Scenario: an agent asks and leaves; the answer starts it again, whoever died meanwhile.
# SPDX-License-Identifier: MIT
from lib import *

# The first attempt does its two steps and asks; the next one has them, and the answer.
LEAVES = """read -r e; printf '%s\\n' "$e" >>$D/mark
case $e in
*'"decision":'*) echo '{"type":"result","output":"refunded"}' ;;
*) echo '{"type":"step","name":"look","status":"done","output":{"order":9}}'
   echo '{"type":"approval","step":"refund","payload":{"amount":12}}'
   echo '{"type":"suspend"}' ;;
esac
"""


def house(rouse, body=LEAVES, **agent):
    """A run that is suspended; its id and its gate."""
    rouse.agent("a", body, **{"grace": "300ms", **agent})
    rouse.webhook("push", agent="a")
    rouse.start()
    run = rouse.deliver("push").expect(202).run_id
    wait("it is suspended", lambda: [a["status"] for a in rouse.run(run)["attempt_list"]] == ["suspended"])
    [gate] = rouse.items("/v1/gates?status=waiting")  # asked anew: by now its turn is on disk
    expect((gate["run"], rouse.run(run)["status"]), (run, "waiting"), "the gate")
    return run, gate["id"]


@scenario("an agent that asks and suspends is started again with the answer, through kill -9 twice")
def _(rouse):
    run, gate = house(rouse, **{"retry.base": "50ms"})
    rouse.kill_9()
    rouse.start()
    expect(rouse.run(run)["status"], "waiting", "after the first restart")
    rouse.cli("gate", "approve", gate, "--reason", "small")
    rouse.kill_9()
    rouse.start()
    done = rouse.wait_run(run, "succeeded")
    marks = [json.loads(mark) for mark in rouse.marks()]
    first, second = marks[0], marks[-1]
    expect((first["attempt"], first["run_id"]), (1, second["run_id"]), "the first attempt")
    expect(second["completed_steps"], {"look": {"order": 9}}, "what the first one did")
    told = second["decisions"]["refund"]
    expect((told["decision"], told["reason"]), ("approved", "small"), "what was decided")
    ends = [a["status"] for a in rouse.run(run)["attempt_list"]]
    check(ends[0] == "suspended" and ends[-1] == "succeeded" and set(ends[1:-1]) <= {"lost"}, f"attempts: {ends}")


@scenario("an agent without open standard input can ask so")
def _(rouse):
    run, gate = house(rouse, stdin="envelope")
    rouse.cli("gate", "deny", gate)
    rouse.wait_run(run, "succeeded")
    expect(json.loads(rouse.marks()[1])["decisions"]["refund"]["decision"], "denied", "the decision")


@scenario("a suspended run takes no input and can be cancelled")
def _(rouse):
    run, gate = house(rouse)
    check("it is suspended: no process is kept" in rouse.cli("why", run).out, "why it waits")
    said = rouse.cli("run", "send", run, "hello", expect_code=4)
    check("suspended" in said.out + said.err, f"the sentence: {said.out}{said.err}")
    rouse.cli("run", "cancel", run)
    rouse.wait_run(run, "cancelled")
    expect(rouse.items("/v1/gates?status=waiting"), [], "gates that wait")
    rouse.cli("gate", "approve", gate, expect_code=4)


@scenario("an agent that suspends and asked nothing fails with a sentence")
def _(rouse):
    rouse.agent("a", "read -r e; echo '{\"type\":\"suspend\"}'; sleep 60", grace="300ms")
    rouse.webhook("push", agent="a")
    rouse.start()
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, "failed")
    failed = rouse.run(run)
    expect(failed["reason"], "invalid", "the reason")
    check("no gate of it is open" in failed["error"], f"the sentence: {failed['error']}")


main()
