#!/usr/bin/env python3
# Scenario: schedules fire when they should, once, whatever happens to the daemon meanwhile.
# SPDX-License-Identifier: MIT
from lib import *


def house(rouse, schedule, **trigger):
    rouse.agent("tick", 'read -r e; printf "%s\\n" "$e" >>$D/mark\n')
    rouse.section("trigger beat", source="cron", agent="tick", schedule=schedule, **trigger)
    rouse.start()


def instants(rouse):
    return [json.loads(m)["schedule"]["nominal"] for m in rouse.marks()]


@scenario("a schedule in seconds fires every second, each instant once")
def _(rouse):
    house(rouse, "* * * * * *", overlap="allow")
    wait("four ticks", lambda: len(rouse.marks()) >= 4)
    seen = instants(rouse)
    expect(len(seen), len(set(seen)), "different instants")


@scenario("@every fires too, and trigger list says when next")
def _(rouse):
    house(rouse, "@every 1s", overlap="allow")
    wait("two ticks", lambda: len(rouse.marks()) >= 2)
    [beat] = rouse.items("/v1/triggers")
    check(beat["next"], f"the next fire: {beat}")


@scenario("no instant is run twice across kill -9")
def _(rouse):
    house(rouse, "* * * * * *", overlap="allow", catchup="one")
    for _ in range(3):
        n = len(rouse.marks())
        wait("a tick", lambda n=n: len(rouse.marks()) > n)
        rouse.kill_9()
        rouse.start()
    n = len(rouse.marks())
    wait("a tick", lambda: len(rouse.marks()) > n)
    rouse.stop()
    wait("agents end", lambda: not rouse.strays())
    seen = instants(rouse)
    expect(len(seen), len(set(seen)), "different instants")


@scenario("rouse cron next and explain answer without a daemon")
def _(rouse):
    said = rouse.cli("cron", "next", "30 2 * * *", "--tz", "Europe/Berlin", "--from", "2026-03-28T12:00:00Z", "--count", "2", "--json")
    check("2026-03-29" in said.out, said.out)
    check("MON" in rouse.cli("cron", "explain", "0 9 * * MON-FRI").out.upper(), "it names the day")
    rouse.cli("cron", "next", "99 * * * *", expect_code=1)


main()
