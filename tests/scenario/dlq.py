#!/usr/bin/env python3
# Scenario: dead letters are found, looked at, run again or given up, one by one or many at once, and nothing twice.
# SPDX-License-Identifier: MIT
from lib import *

SICK = "read -r e; [ -e $D/well ] && echo \"$e\" | jq -c .payload >>$D/mark && exit 0; exit 1\n"


def house(rouse, **agents):
    for name in ("a", "b"):
        rouse.agent(name, SICK, retry__attempts=1, breaker__min=100000, concurrency=40)
        rouse.webhook("to-" + name, agent=name, entity=".data.who")
    rouse.start()


def die(rouse, hook, count):
    runs = [rouse.deliver(hook, {"n": n, "who": f"{hook}-{n}"}).run_id for n in range(count)]
    wait("all are dead", lambda: len(rouse.items("/v1/dlq?limit=1000")) >= count and not rouse.runs(status="running") and not rouse.runs(status="queued"))
    return runs


def well(rouse):
    open(os.path.join(rouse.dir, "well"), "w").close()


def dead(rouse, query=""):
    return {run["id"] for run in rouse.items("/v1/dlq?limit=1000" + query)}


@scenario("many are replayed by filter in turns, once each, and only those")
def _(rouse):
    house(rouse)
    mine, others = die(rouse, "to-a", 230), set(die(rouse, "to-b", 3))
    well(rouse)
    plan = rouse.cli("dlq", "replay", "--agent", "a", "--plan").out
    check("230" in plan and "exhausted" in plan, f"the plan says {plan}")
    expect(len(dead(rouse)), 233, "a plan does nothing")
    expect(rouse.cli("dlq", "replay", "--agent", "a", expect_code=2).out.count("\n") > 0, True, "without a terminal it asks for --yes")
    said = rouse.cli("dlq", "replay", "--agent", "a", "--yes", "--json").lines
    expect({line["id"] for line in said}, set(mine), "what was replayed")
    expect(dead(rouse), others, "what is left")
    wait("all have run", lambda: len(rouse.marks()) == 230)
    again = rouse.api("POST", "/v1/dlq/replay", {"ids": mine[:200]}).expect(200).json
    expect((len(again["done"]), len(again["failed"])), (0, 200), "the same once more")
    check("no dead letter any more" in again["failed"][0]["error"], again["failed"][0])
    rouse.api("POST", f"/v1/dlq/{mine[0]}/replay", {}).expect(409)
    new = rouse.run(said[0]["run_id"])
    expect((new["replay_of"], new["status"]), (said[0]["id"], "succeeded"), "a new run says which it repeats")
    check(said[0]["run_id"] in rouse.cli("why", said[0]["id"]).out, "and the old one by what")


@scenario("by entity, by reason, by time, by name; with another payload")
def _(rouse):
    house(rouse)
    first, second, third = die(rouse, "to-a", 3)
    well(rouse)
    expect(dead(rouse, "&entity=to-a-1"), {second}, "by entity")
    expect(dead(rouse, "&reason=deadline"), set(), "by another reason")
    rouse.cli("dlq", "replay", "--since", "2001-01-01T00:00:00Z", "--entity", "to-a-1", "--payload", '{"other":1}', "--yes")
    expect(wait("it has run", rouse.marks), ['{"other":1}'], "its payload")
    check("There is no such dead letter" in rouse.cli("dlq", "drop", "--reason", "deadline", "--yes").err, "none of that reason")
    check("either runs by name" in rouse.cli("dlq", "drop", first, "--agent", "a", expect_code=2).err, "not both")
    check("name the runs" in rouse.cli("dlq", "drop", expect_code=2).err, "nor neither")
    rouse.cli("dlq", "drop", first, third, "--because", "too old")
    expect(dead(rouse), set(), "what is left")
    check("too old" in rouse.cli("why", first).out, "why says who dropped it and why")
    expect(rouse.run(first)["status"], "failed", "the run itself stays")


@scenario("one that is not there spoils nothing for the others; nonsense is refused with a sentence")
def _(rouse):
    house(rouse)
    runs = die(rouse, "to-a", 2)
    reply = rouse.api("POST", "/v1/dlq/drop", {"ids": [runs[0], "01900000-0000-7000-8000-000000000000", runs[1], runs[1]], "reason": "r"}).expect(200).json
    expect(([d["id"] for d in reply["done"]], len(reply["failed"])), (runs, 2), "done, and failed")
    for body in ({}, {"ids": []}, {"ids": "x"}, {"ids": [1]}, {"ids": ["x"] * 201}, {"ids": None}):
        check("ids" in rouse.api("POST", "/v1/dlq/replay", body).expect(400, 422).json["detail"], f"{str(body)[:40]}")


main()
