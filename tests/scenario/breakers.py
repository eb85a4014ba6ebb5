#!/usr/bin/env python3
# Scenario: an agent that fails too often rests while another carries its runs; one that falls silent is stopped.
# SPDX-License-Identifier: MIT
from lib import *

SICK = "read -r e; [ -e $D/well ] && exit 0; echo sick >&2; exit 1\n"
KEYS = {"retry__attempts": 1, "breaker__min": 4, "breaker__cooldown": "3s", "concurrency": 2}


def house(rouse, script=SICK, **keys):
    rouse.agent("a", script, **{**KEYS, **keys})
    rouse.webhook("push", agent="a")


def state(rouse):
    [agent] = [a for a in rouse.items("/v1/agents") if a["name"] == "a"]
    return agent["breaker"]["state"]


def fail(rouse, count=4):
    for n in range(count):
        rouse.wait_run(rouse.deliver("push", {"n": n}).run_id, "failed")


def well(rouse):
    open(os.path.join(rouse.dir, "well"), "w").close()


@scenario("a sick agent is left alone through kill -9, then tried with one run, then all go on")
def _(rouse):
    house(rouse)
    rouse.start()
    fail(rouse)
    expect(state(rouse), "open", "its breaker")
    runs = [rouse.deliver("push", {"more": n}).run_id for n in range(3)]
    why = rouse.cli("why", runs[0]).out
    check("its breaker is open until" in why, f"why says {why}")
    rouse.kill_9()
    well(rouse)
    rouse.start()
    check(state(rouse) in ("open", "half_open", "closed"), "it is known again")
    for run in runs:
        rouse.wait_run(run, "succeeded")
    expect(state(rouse), "closed", "its breaker in the end")


@scenario("meanwhile its fallback carries the runs, and they say so")
def _(rouse):
    house(rouse, fallback="b", breaker__cooldown="1h")
    rouse.agent("b", "read -r e; exit 0\n")
    rouse.start()
    fail(rouse)
    run = rouse.wait_run(rouse.deliver("push", {"x": 1}).run_id, "succeeded")
    expect(run["agent"], "a", "whose run it is")
    expect([t["carried_by"] for t in rouse.run(run["id"])["attempt_list"]], ["b"], "who carried it")
    check("carried by agent b" in rouse.cli("why", run["id"]).out, "why says so")
    check('rouse_breaker_open{agent="a"} 1' in rouse.api("GET", "/metrics").body.decode(), "the metric")
    check("open" in rouse.cli("agent", "list").out, "rouse agent list")


@scenario("a chain of fallbacks that is a circle is refused")
def _(rouse):
    house(rouse, fallback="b")
    rouse.agent("b", "exit 0\n", fallback="a")
    rouse.refuses_to_start("leads back to agent")


@scenario("a run that says nothing for too long is stopped and tried again")
def _(rouse):
    rouse.agent("a", "read -r e; echo x >>$D/mark; [ $(wc -l <$D/mark) = 2 ] && exit 0; trap 'exit 0' TERM; sleep 600 & wait\n", retry__base="10ms", retry__attempts=3)
    rouse.webhook("push", agent="a")
    rouse.section("limits", stall_timeout="1s")
    rouse.start()
    run = rouse.wait_run(rouse.deliver("push").run_id, "succeeded")
    first, second = rouse.run(run["id"])["attempt_list"]
    expect((first["status"], first["reason"]), ("failed", "stalled"), "the first attempt")
    check("limits.stall_timeout" in first["error"], first["error"])
    expect(second["status"], "succeeded", "the second")


@scenario("one that writes to standard error alone is alive")
def _(rouse):
    rouse.agent("a", "read -r e; for i in 1 2 3 4 5 6 7 8; do echo $i >&2; sleep 0.4; done\n")
    rouse.webhook("push", agent="a")
    rouse.section("limits", stall_timeout="1s")
    rouse.start()
    expect(rouse.wait_run(rouse.deliver("push").run_id, "succeeded")["attempts"], 1, "attempts")


main()
