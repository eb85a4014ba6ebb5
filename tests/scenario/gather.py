#!/usr/bin/env python3
# Scenario: events that come close together are one run; held on disk meanwhile, none lost, none twice.
# SPDX-License-Identifier: MIT
from lib import *
import random

SEED = int(os.environ.get("ROUSE_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
SEEN = 'read -r e; printf "%s\\n" "$e" >>$D/mark; echo \'' + json.dumps(RESULT) + "'\n"


def house(rouse, **trigger):
    rouse.agent("a", SEEN)
    rouse.webhook("push", agent="a", **{"entity": ".data.who", **trigger})
    rouse.start()


def payloads(rouse):
    """What each run got, without waiting."""
    return [json.loads(line)["payload"]["events"] for line in rouse.marks()]


def is_whole(rouse):
    rouse.cli("db", "check")


@scenario("a burst is one run with all payloads, and every event tells of it")
def _(rouse):
    house(rouse, debounce="400ms", debounce_max="30s")
    said = [rouse.deliver("push", {"who": "x", "n": n}).expect(202).json for n in range(20)]
    expect([s["outcome"] for s in said], ["held"] + ["coalesced"] * 19, "what the sender is told")
    check(all("run_id" not in s and s["event_id"] for s in said), "an event each, no run yet")
    [run] = wait("the run", rouse.runs)
    rouse.wait_run(run["id"], "succeeded")
    expect(payloads(rouse), [[{"who": "x", "n": n} for n in range(20)]], "payload.events")
    for s in (said[0], said[7], said[19]):
        told = rouse.cli("why", s["event_id"]).out
        check(run["id"] in told and "one run of 20 events" in told, f"why tells of the run: {told}")
    expect({e["run"] for e in rouse.items("/v1/events")}, {run["id"]}, "the run of all events")
    expect(rouse.items(f"/v1/events?run={run['id']}&limit=100")[0]["id"], said[19]["event_id"], "events of the run")
    is_whole(rouse)


@scenario("while it is held: rouse why says so, the backlog counts it, a redelivery does not come in twice")
def _(rouse):
    house(rouse, debounce="1h")
    said = rouse.cli("trigger", "test", "push", "--data", '{"who":"x","n":1}', "--json").json
    expect(said["payload"], {"events": [{"who": "x", "n": 1}]}, "the payload that trigger test shows")
    first = rouse.deliver("push", {"who": "x", "n": 1}, id="one").expect(202).json
    rouse.deliver("push", {"who": "x", "n": 2}, id="two").expect(202)
    again = rouse.deliver("push", {"who": "x", "n": 1}, id="one").json
    expect(again["outcome"], "replayed", "a redelivery")
    check(first["event_id"] in again["rule"], "it names the event that it repeats")
    told = rouse.cli("why", first["event_id"]).out
    check("held" in told and "nothing runs yet" in told and "debounce = 1h" in told, told)
    told = rouse.cli("why", "push").out
    check("2 events are held back for 1 run" in told, told)
    [trigger] = rouse.items("/v1/triggers")
    expect(trigger["backlog"], 2, "backlog")
    rouse.restart()
    expect(rouse.items("/v1/triggers")[0]["backlog"], 2, "backlog after a restart")
    expect(rouse.runs(), [], "runs")
    is_whole(rouse)
    rouse.section("trigger push", debounce=None)
    rouse.write_config()
    rouse.cli("reload")
    [run] = wait("without debounce it runs with what it has", rouse.runs)
    rouse.wait_run(run["id"], "succeeded")
    expect(payloads(rouse), [[{"who": "x", "n": 1}, {"who": "x", "n": 2}]], "payload.events")
    again = rouse.deliver("push", {"who": "x", "n": 2}, id="two").expect(200).json
    expect((again["run_id"], again["replayed"]), (run["id"], True), "a redelivery afterwards")


@scenario("a sender that wants to wait is told that it is held")
def _(rouse):
    house(rouse, debounce="300ms", respond="wait=10s")
    said = rouse.deliver("push", {"who": "x"}).expect(202).json
    expect(said["outcome"], "held", "outcome")
    wait("its run", rouse.runs)


@scenario("collect makes a run of so many events, or of those that came in time")
def _(rouse):
    house(rouse, collect="10/1s")
    for n in range(25):
        rouse.deliver("push", {"who": "x", "n": n}).expect(202)
    wait("three runs", lambda: len(rouse.marks()) == 3)
    got = payloads(rouse)
    expect([e["n"] for events in got for e in events], list(range(25)), "all events, in order")
    check(all(len(events) <= 10 for events in got), f"at most ten each: {[len(e) for e in got]}")


@scenario("of a trigger that is gone, what was held runs, and says so")
def _(rouse):
    house(rouse, debounce="1h")
    said = rouse.deliver("push", {"who": "x"}).expect(202).json
    del rouse.sections["trigger push"]
    rouse.section("trigger hand", source="manual", agent="a")
    rouse.write_config()
    rouse.cli("reload")
    [run] = wait("its run", rouse.runs)
    rouse.wait_run(run["id"], "succeeded")
    check("its trigger is gone" in rouse.cli("why", said["event_id"]).out, "why tells")


@scenario("killed again and again, every event is in exactly one run")
def _(rouse):
    print(f"# seed {SEED} (ROUSE_TEST_SEED)")
    dice = random.Random(SEED)
    house(rouse, debounce="60ms", debounce_max="200ms")
    events = 0
    for death in range(8):
        if death % 2:
            rouse.kill_9()
            rouse.start(ROUSE_CRASH=f"store-commit{'ted' if dice.random() < 0.5 else ''}:{dice.randrange(3, 40)}")
        for _ in range(dice.randrange(5, 30)):
            body = {"who": f"w{dice.randrange(4)}", "n": events}
            while True:  # as a sender does
                try:
                    if rouse.deliver("push", body, id=f"event-{events}").status in (200, 202):
                        break
                except (OSError, http.client.HTTPException):
                    pass
                if not rouse.is_alive():
                    rouse.ended()
                    rouse.start()
            events += 1
        if dice.random() < 0.5:
            time.sleep(dice.random() * 0.1)
    rouse.kill_9()
    rouse.start()
    wait("nothing is held any more", lambda: rouse.items("/v1/triggers")[0]["backlog"] == 0)
    wait("all runs ended", lambda: all(r["status"] == "succeeded" for r in rouse.runs()))
    got = []
    for run in rouse.runs():
        run = rouse.run(run["id"])
        got += [e["n"] for e in run["envelope"]["payload"]["events"]]
        check(len({e["who"] for e in run["envelope"]["payload"]["events"]}) == 1, "one entity each")
    expect(sorted(got), list(range(events)), "every event, once")
    expect(len(rouse.items("/v1/events?outcome=held")), 0, "held events")
    is_whole(rouse)


main()
