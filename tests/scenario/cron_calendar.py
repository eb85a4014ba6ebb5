#!/usr/bin/env python3
# Scenario: calendar: means what systemd means by it; only where clocks change it keeps to the rules of all schedules.
# SPDX-License-Identifier: MIT
import random
import re
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from lib import *

ITERATIONS = 6
ROUSE = os.path.join(BUILD, "rouse")
WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]

PICKED = """minutely hourly daily weekly monthly quarterly semiannually yearly annually anually biannually bi-annually semi-annually
DAILY Mon Mon,Fri Mon..Fri Mon-Fri monday..WED Sat..Sun Fri..Fri Mon, Mon..Wed,Sat 12:30 0:0 23:59:59 5:0:30 *:0 *:*:* *:0/15 *:0/59 0/23:0
0..23:00 *:1..1 *:5,5 *:0..59/60 *:*:10..20/3 *:*:30.000 11-22 *-1 *-1,3-5 1..5-1 *-*-31 *-02-29 *-2-30 *-2~28 *-2~01 *~3 *~3/1 *-*~07/2 *-*~1..5/3 *-*-1..1
*-*-1..10/4 2030-1-1 99-1-1 70-1-1 30-5-5 2027..2031/2-2-3 *-*-* *-*-* daily/2 @86400 @4102444800 005:0 0000000005:00 *,5:00""".split() + [
    "Mon *-*-* 05:00", "Mon *-05~07/1", "Mon..Fri *-*-1..7 18:00:00", "Mon  *-*-*   5:0", "Sat,Thu,Mon..Wed,Sat..Sun", "Mon,Sun 12-*-* 2,1:23", "Wed *-1", "Wed..Wed,Wed *-1",
    "Wed, 17:48", "Wed..Sat,Tue 12-10-15 1:2:3", "*-*-7 0:0:0", "10-15", "monday *-12-* 17:00", "12,14,13,12:20,10,30", "daily UTC", "hourly Europe/Berlin", "5:0 utc",
    "2003-03-05 05:40", "Mon,Fri *-01/2-01,03 *:30:45", "Sun *-03-25..31 2:30 Europe/London", "Mon 12:30 America/New_York", "Mon @86400", "*-*-29 0:0", "Sun *-02-29", "Mon UTC"]
REFUSED = """Fri..Mon *:0/60 5:1/59 *:*:60 24:00 12 12: :30 * *-2~29 *-*~3/3 *~1/1 */2:00 */2-1-1 *,5:00 1969-1-1 2200-1-1 Mon.. Mon..Fri..Sun Mon,,Tue Mon.Fri +5:0 -5:0
99999999999:0 *-*-*T5:0 2026-11-22T5:0 UTC *-0-1 *-13-1 *-*-0 *-*-32 5..3:00 *:5/0 *:*:0/0 *:1, *:1..,2 *~*~1 1~2-3 *:1/ *:1.. @ @x Mo 5:00:00..00 5:0:10..10 1:2:3:4 *-*-*-*
Mon:5 5:0,Mon *:0/15/2 *:0..5..9 5.0:0 *-*-1.0""".split() + ["Mon Tue", "5:0 Mars/Base", "5:0 *-*-*", "Mon, Tue", "daily daily", "5:0 6:0", "daily 5:0"]


def number(rng, lo, hi):
    return rng.randint(lo, hi)


def component(rng, lo, hi, likely_star=0.4, opens=True):
    """a[..59]/b is asked of systemd with the end and of us without it: over an open end systemd loses instants
    (*:02/13 has no 00:02 behind 23:54)."""
    if rng.random() < likely_star:
        return "*"
    items = []
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        a = number(rng, lo, hi - 1)
        kind = rng.random()
        if kind < 0.5:
            items.append(str(a + 1))
        elif kind < 0.7:
            items.append(f"{a}..{number(rng, a + 1, hi)}")
        elif kind < 0.85 or not opens:
            items.append(f"{a}..{number(rng, a, hi)}/{number(rng, 1, hi - lo)}")
        else:
            items.append(f"{a:02d}[..{hi}]/{number(rng, 1, hi - a)}")
    return ",".join(items)


def expression(rng):
    words = []
    if rng.random() < 0.4:
        days = []
        for _ in range(rng.choice([1, 1, 2])):
            a = number(rng, 0, 6)
            days.append(WEEKDAYS[a] if rng.random() < 0.5 else WEEKDAYS[a] + ".." + WEEKDAYS[number(rng, a, 6)])
        words.append(",".join(days))
    if rng.random() < 0.7:
        end = rng.random() < 0.25
        day = component(rng, 1, 22 if end else 31, opens=not end)  # systemd takes 3 more off the limit of 28 for each item of a list
        year = component(rng, 2020, 2060, 0.85, opens=False)
        words.append(("" if rng.random() < 0.2 else year + "-") + component(rng, 1, 12, 0.6) + ("~" if end else "-") + day)
    if rng.random() < 0.8 or not words:
        words.append(component(rng, 0, 23) + ":" + component(rng, 0, 59) + ("" if rng.random() < 0.5 else ":" + component(rng, 0, 59)))
    return " ".join(words)


def theirs(expressions, base):
    """What systemd says: for each expression a list of instants, or None where it refuses."""
    p = subprocess.run(["systemd-analyze", "calendar", f"--iterations={ITERATIONS}", f"--base-time={base:%Y-%m-%d %H:%M:%S} UTC", *expressions],
                       capture_output=True, text=True, env={**os.environ, "TZ": "UTC", "SYSTEMD_LOG_LEVEL": "err", "LC_ALL": "C"})
    found = {}
    name = None
    for line in p.stdout.splitlines():
        key, _, value = (part.strip() for part in line.partition(":"))
        if key == "Original form":
            name = value
            found[name] = []
        elif key == "Normalized form" and name is None:
            name = value
            found[name] = []
        elif (key == "Next elapse" or key.startswith("Iter.")) and value != "never":
            found[name].append(value.split(" ", 1)[1].replace(" UTC", "").replace(" ", "T") + "Z")
        elif not line:
            name = None
    return [found.get(e, found.get(e.strip())) for e in expressions]


def ours(expressions, base, command=("cron", "next", "--jsonl")):
    lines = "".join(json.dumps({"id": n, "expr": "calendar:" + e, "from": f"{base:%Y-%m-%dT%H:%M:%SZ}", "count": ITERATIONS}) + "\n" for n, e in enumerate(expressions))
    p = subprocess.run([ROUSE, *command], input=lines, capture_output=True, text=True)
    return [json.loads(line) for line in p.stdout.splitlines()]


def changes_near(expression, instants, base):
    """Whether the zone's clock changes within a day of what is compared."""
    name = expression.split()[-1]
    if "/" not in name or not name[0].isalpha():
        return False
    zone, until = ZoneInfo(name), datetime.fromisoformat((instants or ["2199-12-31T00:00:00Z"])[-1].replace("Z", "+00:00"))
    at, end = base - timedelta(days=2), min(until + timedelta(days=2), base + timedelta(days=5000))
    while at < end:
        if at.astimezone(zone).utcoffset() != (at + timedelta(days=1)).astimezone(zone).utcoffset():
            return True
        at += timedelta(days=1)
    return False


def compare(expressions, base):
    """Number of expressions compared; fails at the first that differs."""
    count = 0
    for begin in range(0, len(expressions), 50):
        part = expressions[begin:begin + 50]
        for e, want, got in zip(part, theirs([re.sub(r"[][]", "", e) for e in part], base), ours([re.sub(r"\[[^]]*\]", "", e) for e in part], base)):
            if want is None:
                check("error" in got, f"{e}: systemd refuses it, and here it is {got}")
            elif not changes_near(e, want, base):
                check("next" in got, f"{e}: {got}")
                expect(got["next"], want, f"{e} after {base}")
            count += 1
    return count


@scenario("calendar expressions picked by hand fire when systemd says")
def _(rouse):
    needs_program("systemd-analyze")
    for base in (datetime(2026, 11, 21, 12, tzinfo=timezone.utc), datetime(2027, 2, 27, 23, 59, 59, tzinfo=timezone.utc), datetime(1999, 12, 31, tzinfo=timezone.utc)):
        compare(PICKED, base)


@scenario("400 generated ones do too, from times between 2000 and 2150")
def _(rouse):
    needs_program("systemd-analyze")
    rng, count = random.Random(int(os.environ.get("SEED", 20261121))), 0
    for _ in range(8):
        base = datetime(2000, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=number(rng, 0, 150 * 365 * 86400))
        count += compare([expression(rng) for _ in range(50)], base)
    expect(count, 400, "compared")


@scenario("in zones too, away from where clocks change")
def _(rouse):
    needs_program("systemd-analyze")
    rng = random.Random(7)
    for zone in ("Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"):
        compare([expression(rng) + " " + zone for _ in range(40)], datetime(2026, 5, 3, 7, 8, 9, tzinfo=timezone.utc))


@scenario("what systemd refuses is refused, with a column in the text and a reason")
def _(rouse):
    base = datetime(2026, 11, 21, tzinfo=timezone.utc)
    for e, got in zip(REFUSED, ours(REFUSED, base)):
        check("error" in got, f"{e}: {got}")
        at = int(got["error"].split(":")[1])
        check(len("calendar:") < at <= len("calendar:" + e) + 1, f"{e}: {got}")
    if shutil.which("systemd-analyze"):
        expect([e for e, s in zip(REFUSED, theirs(REFUSED, base)) if s is not None], [], "what systemd takes")


@scenario("where clocks change it runs as every schedule: a skipped time once, a rhythm in both passes")
def _(rouse):
    cases = [("02:30 America/New_York", "2024-03-10T05:00:00Z", ["2024-03-10T07:00:00Z", "2024-03-11T06:30:00Z"]),
             ("*:0/30 America/New_York", "2024-11-03T05:10:00Z", ["2024-11-03T05:30:00Z", "2024-11-03T06:00:00Z", "2024-11-03T06:30:00Z", "2024-11-03T07:00:00Z"]),
             ("01:30 America/New_York", "2024-11-03T05:10:00Z", ["2024-11-03T05:30:00Z", "2024-11-04T06:30:00Z"]),
             ("hourly Europe/Dublin", "2024-10-26T23:30:00Z", ["2024-10-27T00:00:00Z", "2024-10-27T01:00:00Z", "2024-10-27T02:00:00Z"])]
    for e, start, want in cases:
        got = ours([e], datetime.fromisoformat(start.replace("Z", "+00:00")))[0]
        expect(got["next"][:len(want)], want, e)


main()
