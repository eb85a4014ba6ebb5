#!/usr/bin/env python3
# Scenario: what would happen, asked of the configuration on disk, with no daemon and no effect.
# SPDX-License-Identifier: MIT
import re

from lib import *

EVENT = {"specversion": "1.0", "source": "webhook/push", "type": "rouse.webhook"}


def house(rouse):
    rouse.agent("a", "echo ran >> $D/ran\n", budget__cost="0.50", budget__deadline="45m")
    rouse.section("trigger tick", source="cron", agent="a", schedule="30 2 * * *", timezone="Europe/Berlin")
    rouse.section("trigger often", source="cron", agent="a", schedule="*/30 9 * * *")
    rouse.webhook("push", agent="a", filter=".data.go == true", key=".data.id")
    rouse.write_config()


def events(rouse, *datas):
    folder = os.path.join(rouse.dir, "events")
    os.makedirs(folder, exist_ok=True)
    for i, data in enumerate(datas):
        with open(os.path.join(folder, f"{i}.json"), "w") as f:
            json.dump({**EVENT, "id": f"e{i}", "time": f"2026-03-01T10:00:0{9 - i}Z", "rouse": {"trigger": "push"}, "data": data}, f)
    return folder


def simulate(rouse, *words, expect_code=0):
    return rouse.cli("simulate", "-c", rouse.conf, "--from", "2026-03-28T00:00:00Z", "--to", "2026-03-30T00:00:00Z", *words, expect_code=expect_code)


@scenario("a calendar is played through the change to summer time")
def _(rouse):
    house(rouse)
    said = simulate(rouse, "--json")
    lines = [json.loads(line) for line in said.out.splitlines()]
    expect([line["at"] for line in lines if line["trigger"] == "tick"], ["2026-03-28T01:30:00.000Z", "2026-03-29T01:00:00.000Z"], "the times of tick")
    said = simulate(rouse)
    check("tick 2x" in said.err and "often 4x" in said.err and "at most 3.00 US dollars" in said.err, said.err)
    check("often: 2 times come before the run before must be over" in said.err and "overlap = skip" in said.err, said.err)


@scenario("stored events go through filter and key, in the order of their times")
def _(rouse):
    house(rouse)
    folder = events(rouse, {"go": True, "id": 1}, {"go": True, "id": 1}, {"go": False, "id": 2}, {"go": True, "id": None})
    lines = [json.loads(line) for line in simulate(rouse, "--json", "--events", folder).out.splitlines()]
    expect([(line["event"], line["verdict"]) for line in lines if "verdict" in line],
           [("e3", "rejected"), ("e2", "filtered"), ("e1", "run"), ("e0", "replayed")], "what becomes of each")


@scenario("it runs beside a daemon, touches nothing of it, and leaves nothing behind")
def _(rouse):
    house(rouse)
    rouse.start()
    before = sorted(os.listdir(rouse.state))
    simulate(rouse, "--events", events(rouse, {"go": True, "id": 1}))
    expect(rouse.items("/v1/events"), [], "events of the daemon")
    expect(sorted(os.listdir(rouse.state)), before, "the daemon's state folder")
    check(not os.path.exists(os.path.join(rouse.dir, "ran")), "no agent ran")
    check(not [p for p in os.listdir(os.environ.get("TMPDIR", "/tmp")) if re.fullmatch(r"rouse-\w{6}", p)
               and os.path.exists(os.path.join(os.environ.get("TMPDIR", "/tmp"), p, "rouse.sock"))], "no folder of it is left")


@scenario("a configuration that does not load is told, word for word")
def _(rouse):
    house(rouse)
    with open(rouse.conf, "a") as f:
        f.write("[trigger tack]\nsource = cron\nagent = nobody\nschedule = 0 0 * * *\n")
    said = simulate(rouse, expect_code=1)
    check("[trigger tack] agent" in said.err and "nobody" in said.err, said.err)


@scenario("what is no event, and a folder that is not there, get a sentence each")
def _(rouse):
    house(rouse)
    folder = events(rouse)
    with open(os.path.join(folder, "x.json"), "w") as f:
        f.write('{"id":1}')
    check("x.json is no event" in simulate(rouse, "--events", folder, expect_code=1).err, "no event")
    with open(os.path.join(folder, "x.json"), "w") as f:
        f.write('{"id":')
    check("x.json" in simulate(rouse, "--events", folder, expect_code=1).err, "half a file")
    check("/nowhere" in simulate(rouse, "--events", "/nowhere", expect_code=1).err, "no folder")
    simulate(rouse, "--count", "0", expect_code=2)


def batches(rouse):
    with open(os.path.join(rouse.dir, "deals.csv"), "w") as f:
        f.write("id\n" + "".join(f"d{n}\n" for n in range(40)))
    with sqlite3.connect(os.path.join(rouse.dir, "crm.db")) as db:
        db.execute("CREATE TABLE deal (id TEXT)")
        db.executemany("INSERT INTO deal VALUES (?)", [(str(n),) for n in range(10)])
    common = {"agent": "a", "schedule": "0 3 * * *", "entity_key": "id"}
    rouse.section("batch rows", **common, entities="csv:" + rouse.dir + "/deals.csv", timezone="Europe/Berlin", concurrency="2")
    rouse.section("batch capped", **common, entities=f"sql:sqlite:{rouse.dir}/crm.db SELECT id FROM deal", batch_budget__cost="3", batch_budget__deadline="30m")
    rouse.section("batch told", **common, entities="exec:/bin/sh -c 'echo ran >>" + rouse.dir + "/counted'")
    rouse.section("batch broken", **{**common, "schedule": "0 5 29 3 *"}, entities="csv:" + rouse.dir + "/none.csv", batch_budget__cost="7")
    rouse.section("batch by-hand", agent="a", entities="csv:" + rouse.dir + "/deals.csv", entity_key="id")
    rouse.section("batch off", **common, entities="csv:" + rouse.dir + "/deals.csv", enabled="no")


@scenario("batches that start by themselves stand in the calendar, with what they cost at most")
def _(rouse):
    house(rouse)
    batches(rouse)
    rouse.write_config()
    said = simulate(rouse, "--json")
    lines = [json.loads(line) for line in said.out.splitlines()]
    starts = [(line["batch"], line["at"]) for line in lines if line.get("batch")]
    expect(starts, [("rows", "2026-03-28T02:00:00.000Z"), ("capped", "2026-03-28T03:00:00.000Z"), ("told", "2026-03-28T03:00:00.000Z"), ("rows", "2026-03-29T01:00:00.000Z"),
                    ("capped", "2026-03-29T03:00:00.000Z"), ("told", "2026-03-29T03:00:00.000Z"), ("broken", "2026-03-29T05:00:00.000Z")], "starts, daylight saving included")
    expect([line["at"] for line in lines], sorted(line["at"] for line in lines), "in the order of time, among the triggers")
    by_name = {line["batch"]: line for line in lines if line.get("batch")}
    expect({name: (line["entities"], line["max_cost_usd"]) for name, line in by_name.items()},
           {"rows": (40, 20.0), "capped": (10, 3.0), "told": (None, None), "broken": (0, 7.0)}, "entities, and at most so many dollars")
    said = simulate(rouse)
    for words in ("batch rows 2x", "batch rows: 40 entities now, at most 0.50 dollars each; at most 20.00 dollars a time", "at most 3.00 dollars a time (batch_budget.cost)",
                  "batch told: its entities were not counted", "has no limit that is known", "at most 56.00 US dollars, and what has no limit"):
        check(words in said.err, f"{words}: {said.err}")
    check("none.csv" in said.err, f"a source that cannot be read is said: {said.err}")
    check("batch rows" in said.out and "batch off" not in said.out and "by-hand" not in said.out, f"in the calendar: {said.out}")
    check(not os.path.exists(os.path.join(rouse.dir, "counted")), "no program was run to count")
    # 40 runs of at most 45 minutes, two at once: 15 hours, less than a day.
    check("rows: 1 times" not in said.err, said.err)


@scenario("batches that would meet themselves are told of")
def _(rouse):
    house(rouse)
    batches(rouse)
    rouse.section("batch rows", schedule="0 */6 * * *", timezone=None)
    rouse.write_config()
    said = simulate(rouse)
    check("batch rows: 7 times come before the one before must be over" in said.err and "passed over" in said.err, said.err)
    check("batch capped: " in said.err and "capped: 1 times" not in said.err, "one that has a deadline does not")


main()
