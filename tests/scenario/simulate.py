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


main()
