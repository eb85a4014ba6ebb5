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


@scenario("next, prev and match agree, also where clocks change, and say so by their exit status")
def _(rouse):
    at, zone = "2026-03-29T01:00:00Z", ("--tz", "Europe/Berlin")
    expect(rouse.cli("cron", "next", "30 2 * * *", *zone, "--from", "2026-03-29T00:59:59Z", "-n", "1", "--json").json["next"], [at], "the gap's end")
    expect(rouse.cli("cron", "prev", "30 2 * * *", *zone, "--from", "2026-03-29T01:00:01Z", "-n", "1", "--json").json["prev"], [at], "the same from behind")
    expect(rouse.cli("cron", "match", "30 2 * * *", *zone, "--from", at, "--json").json["match"], True, "it matches")
    expect(rouse.cli("cron", "match", "30 2 * * *", *zone, "--from", "2026-03-29T00:30:00Z", expect_code=1).out, "no\n", "01:30 is not")


@scenario("explain says the class, ten times with offsets, the next change of clocks that matters, and what may not be meant")
def _(rouse):
    said = rouse.cli("cron", "explain", "30 2 * * *", "--tz", "Europe/Berlin", "--from", "2026-03-25T00:00:00Z", "--json").json
    expect(said["class"], "appointment", "class")
    expect(len(said["next"]), 10, "fires")
    expect(said["local"][4:6], ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"], "around the gap")
    check(said["transition"].startswith("2026-03-29: 02:00 becomes 03:00"), said["transition"])
    expect(len(said["warnings"]), 4, "changes within two years")
    expect(rouse.cli("cron", "explain", "0 12 * * *", "--tz", "Europe/Berlin", "--json").json["transition"], None, "nothing at noon")
    check("never fires: February has at most 29 days" in rouse.cli("cron", "explain", "0 0 30 2 *").out, "it never fires")
    check("means both to some crons" in rouse.cli("cron", "explain", "0 0 */2 * MON", "--strict", expect_code=1).err, "strict")
    expect(rouse.cli("cron", "explain", "0 0/5 14 ? * 2-6", "--dialect", "quartz", "--json").json["expr"], "0 */5 14 * * MON-FRI", "from Quartz")
    check("rouse or quartz" in rouse.cli("cron", "explain", "0 0 * * *", "--dialect", "x", expect_code=2).err, "no such dialect")
    check("Monday to Friday" in rouse.cli("cron", "explain", "calendar:Mon..Fri 9:00 Europe/Berlin").out, "a calendar event")


@scenario("check warns of what may not be meant; with strict, what crons read differently does not load")
def _(rouse):
    def check_says(**keys):
        rouse.agent("tick", "true")
        rouse.section("trigger beat", source="cron", agent="tick", **keys)
        rouse.write_config()
        p = subprocess.run([os.path.join(BUILD, "roused"), "-t", "-c", rouse.conf], capture_output=True, text=True)
        return p.returncode, p.stdout + p.stderr

    code, said = check_says(schedule="*/7 0 */2 * MON")
    expect(code, 0, "exit status")
    for words in ("gap of 4 at the hour", "AND ALSO every Monday; write +MON", "*/2 beside day-of-week"):
        check(words in said, f"{words!r} in {said!r}")
    code, said = check_says(schedule="0 0 */2 * MON", strict="yes")
    expect(code, 1, "exit status when strict")
    check("write + before day-of-week" in said, said)
    expect(check_says(schedule="0 0 */2 * +MON", strict="yes")[0], 0, "exit status with a +")
    expect(check_says(schedule="calendar:Mon..Fri 07:30", strict="yes"), (0, ""), "a plain calendar event")


@scenario("H is drawn from the trigger's name: the daemon and --trigger agree")
def _(rouse):
    house(rouse, "H H H * *")
    [beat] = rouse.items("/v1/triggers")
    said = rouse.cli("cron", "next", "H H H * *", "--trigger", "beat", "-n", "1", "--json").json["next"]
    expect(beat["next"].replace(".000", ""), said[0], "the next fire")


main()
