#!/usr/bin/env python3
# Scenario: what becomes of schedules when daemons die, clocks are set, people edit, disable, pause and fill in.
# SPDX-License-Identifier: MIT
import datetime
import random

from lib import *

HOUR, DAY = 3600, 86400


def house(rouse, **triggers):
    """Schedules by name: keys of their sections. Each run leaves its envelope in `mark`."""
    rouse.agent("tick", 'read -r e; printf "%s\\n" "$e" >>$D/mark\n', concurrency=16)
    for name, keys in triggers.items():
        rouse.section("trigger " + name, **{"source": "cron", "agent": "tick", "overlap": "allow", **keys})


def envelopes(rouse, trigger):
    return [e for e in map(json.loads, rouse.marks()) if e["trigger"]["name"] == trigger]


def instants(rouse, trigger):
    return sorted(e["schedule"]["nominal"] for e in envelopes(rouse, trigger))


def epoch(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def stamp(at):
    return datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def trigger(rouse, name):
    return rouse.get("/v1/triggers/" + name)


def outcomes(rouse, name):
    return [e["outcome"] for e in rouse.items(f"/v1/events?limit=1000&trigger={name}")]


def tick(rouse, name, more=1):
    """Waits until it ran so many times more."""
    n = len(envelopes(rouse, name))
    wait(f"{name} runs", lambda: len(envelopes(rouse, name)) >= n + more)


@scenario("kill -9 at any moment: each second has exactly one run")
def _(rouse):
    house(rouse, beat={"schedule": "* * * * * *"}, mapped={"schedule": "* * * * * *", "filter": "[.data.nominal] | length > 0"})
    rouse.start()
    tick(rouse, "mapped")
    dice = random.Random(4)
    for _ in range(7):
        time.sleep(dice.random() * 1.2)
        rouse.kill_9()
        rouse.start()
    tick(rouse, "beat", 2)
    tick(rouse, "mapped", 2)
    rouse.section("trigger beat", enabled="no")
    rouse.section("trigger mapped", enabled="no")
    rouse.restart()
    wait("all runs are over", lambda: all(r["status"] == "succeeded" for r in rouse.runs()))
    for name in ("beat", "mapped"):
        seen = [epoch(i) for i in instants(rouse, name)]
        expect(seen, [seen[0] + n for n in range(len(seen))], f"the seconds of {name}")


@scenario("max_runs counts runs, across kill -9, and a schedule that is through rests")
def _(rouse):
    house(rouse, five={"schedule": "* * * * * *", "max_runs": 5}, beat={"schedule": "* * * * * *"})
    rouse.start()
    while len(envelopes(rouse, "five")) < 5:
        tick(rouse, "five")
        rouse.kill_9()
        rouse.start()
    tick(rouse, "beat", 2)
    expect(outcomes(rouse, "five"), ["ran"] * 5, "its events")
    expect(trigger(rouse, "five")["next"], None, "its next time")


@scenario("a tick that is skipped does not count for max_runs")
def _(rouse):
    rouse.agent("slow", 'read -r e; printf "%s\\n" "$e" >>$D/mark; while [ ! -e $D/go ]; do sleep 0.05; done\n')
    rouse.section("trigger two", source="cron", agent="slow", schedule="* * * * * *", max_runs=2)
    rouse.start()
    wait("ticks are skipped", lambda: outcomes(rouse, "two").count("skipped") >= 2)
    open(os.path.join(rouse.dir, "go"), "w").close()
    wait("the second run", lambda: outcomes(rouse, "two").count("ran") == 2)


@scenario("the clock leaps ahead: catchup decides, in bounded work")
def _(rouse):
    clock = Clock(rouse)
    house(rouse, beat={"schedule": "* * * * * *"}, one={"schedule": "0 * * * *"}, none={"schedule": "0 * * * *", "catchup": "none", "grace": "0s"},
          all={"schedule": "0 * * * *", "catchup": "all", "catchup_window": "30d", "catchup_max": 7},
          each={"schedule": "@every 2h", "catchup": "all", "catchup_window": "10h"})
    middle = HOUR // 2 - int(time.time()) % HOUR  # no hour strikes meanwhile
    clock.set(middle)
    rouse.start()
    tick(rouse, "beat")
    clock.set(middle + 90 * DAY)
    wait("all catches up", lambda: len(envelopes(rouse, "all")) >= 7 and len(envelopes(rouse, "each")) >= 5 and envelopes(rouse, "one"))
    wait("none says so", lambda: "skipped" in outcomes(rouse, "none"))
    now = clock.now()
    [one] = envelopes(rouse, "one")
    check(now - epoch(one["schedule"]["nominal"]) <= HOUR + 5, f"the latest time: {one}")
    check(23 <= one["schedule"]["missed"] <= 24, f"those of a day: {one}")
    check(one["schedule"]["dropped"] >= 89 * 24 - 1, f"those before it: {one}")
    expect(outcomes(rouse, "none"), ["skipped"], "events of catchup = none")
    seen = [epoch(i) for i in instants(rouse, "all")]
    expect([b - a for a, b in zip(seen, seen[1:])], [HOUR] * 6, "the newest, in order")
    check(sum(e["schedule"].get("dropped", 0) for e in envelopes(rouse, "all")) >= 90 * 24 - 8, "the rest is counted")
    expect(len(envelopes(rouse, "each")), 5, "within its window")
    check("missed times are not caught up" in rouse.log_text(), "the log says so")


@scenario("the clock is set back by months: nothing fires again, and the daemon says so")
def _(rouse):
    clock = Clock(rouse)
    house(rouse, beat={"schedule": "* * * * * *"}, hourly={"schedule": "@every 1h"})
    rouse.start()
    tick(rouse, "beat", 2)
    clock.set(-90 * DAY)
    wait("it notices", lambda: trigger(rouse, "beat")["health"] == "stale")
    n, last = len(rouse.marks()), instants(rouse, "beat")[-1]
    said = trigger(rouse, "beat")
    check("set back" in said["last_error"], said["last_error"])
    expect(epoch(said["next"]), epoch(last) + 1, "the next time")
    check(epoch(trigger(rouse, "hourly")["next"]) > epoch(last), "the next time of the other")
    rouse.restart()
    wait("it notices after a restart", lambda: trigger(rouse, "beat")["health"] == "stale")
    stays("nothing fires", lambda: len(rouse.marks()) == n, 1.5)
    clock.set(0)
    rouse.restart()
    tick(rouse, "beat")
    seen = instants(rouse, "beat")
    expect(len(seen), len(set(seen)), "different times")
    expect(trigger(rouse, "beat")["health"], "ok", "health")


@scenario("a clock that ran years ahead is put right: times that had no run still come")
def _(rouse):
    clock = Clock(rouse)
    house(rouse, beat={"schedule": "* * * * * *", "grace": "0s"})
    rouse.start()
    tick(rouse, "beat")
    clock.set(3650 * DAY)
    wait("it leaps", lambda: epoch(instants(rouse, "beat")[-1]) > time.time() + 3000 * DAY)
    clock.set(0)
    rouse.kill_9()
    rouse.start()
    n = len([i for i in instants(rouse, "beat") if epoch(i) < time.time() + DAY])
    wait("it goes on", lambda: len([i for i in instants(rouse, "beat") if epoch(i) < time.time() + DAY]) > n + 1)
    seen = instants(rouse, "beat")
    expect(len(seen), len(set(seen)), "different times")


@scenario("zone data that is replaced while it runs counts within the hour")
def _(rouse):
    clock = Clock(rouse)
    zones = os.path.join(rouse.dir, "zones", "Here")
    os.makedirs(zones)
    path = os.path.join(zones, "Town")
    shutil.copy("/usr/share/zoneinfo/Etc/GMT-3", path)
    rouse.env["ZONEINFO"] = os.path.dirname(zones)
    house(rouse, noon={"schedule": "0 12 1 1 *", "timezone": "Here/Town"})
    house(rouse, beat={"schedule": "* * * * * *"})
    rouse.start()
    check(trigger(rouse, "noon")["next"].endswith("T09:00:00.000Z"), "noon before")
    shutil.copy("/usr/share/zoneinfo/Etc/GMT-5", path + ".n")
    os.rename(path + ".n", path)
    clock.set(HOUR + 60)
    wait("noon is another", lambda: trigger(rouse, "noon")["next"].endswith("T07:00:00.000Z"))
    os.unlink(path)
    clock.set(2 * HOUR + 120)
    wait("it says what is wrong", lambda: "zone data cannot be read anew" in rouse.log_text())
    check(trigger(rouse, "noon")["next"].endswith("T07:00:00.000Z"), "what was read goes on")


@scenario("a disabled schedule says once that its times pass, and begins anew when enabled")
def _(rouse):
    house(rouse, beat={"schedule": "* * * * * *"}, other={"schedule": "* * * * * *"})
    rouse.start()
    tick(rouse, "beat")
    rouse.cli("trigger", "disable", "beat")
    wait("it is held", lambda: "held" in outcomes(rouse, "beat"))
    tick(rouse, "other", 2)
    rouse.kill_9()
    rouse.start()
    tick(rouse, "other", 2)
    expect(outcomes(rouse, "beat").count("held"), 1, "events that say so")
    enabled = time.time()
    rouse.cli("trigger", "enable", "beat")
    tick(rouse, "beat", 2)
    late = [i for i in instants(rouse, "beat") if epoch(i) >= enabled - 1]
    check(len(late) >= 2, "it fires again")
    gap = max(b - a for a, b in zip(map(epoch, instants(rouse, "beat")), list(map(epoch, instants(rouse, "beat")))[1:]))
    check(gap >= 3, f"nothing of what passed is caught up: {instants(rouse, 'beat')}")


@scenario("a paused schedule catches up when it goes on")
def _(rouse):
    house(rouse, beat={"schedule": "* * * * * *", "grace": "0s"}, other={"schedule": "* * * * * *"})
    rouse.start()
    tick(rouse, "beat")
    rouse.cli("pause", "--trigger", "beat")
    tick(rouse, "other", 4)
    n = len(envelopes(rouse, "beat"))
    rouse.cli("resume", "--trigger", "beat")
    wait("it goes on", lambda: len(envelopes(rouse, "beat")) > n)
    check(max(e["schedule"]["missed"] for e in envelopes(rouse, "beat")) >= 2, "one run stands for what was missed")


@scenario("an edited schedule begins when it is edited, by reload or restart")
def _(rouse):
    clock = Clock(rouse)
    house(rouse, job={"schedule": "@every 30d", "grace": "1s"}, beat={"schedule": "* * * * * *"})
    rouse.start()
    tick(rouse, "beat")
    clock.set(5 * DAY)
    tick(rouse, "beat")
    rouse.section("trigger job", schedule="@every 1h")
    rouse.write_config()
    rouse.cli("reload")
    tick(rouse, "beat")
    expect(outcomes(rouse, "job"), [], "times before the reload")
    clock.set(5 * DAY + 2 * HOUR)
    wait("it fires from then on", lambda: envelopes(rouse, "job"))
    rouse.section("trigger job", schedule="*/7 * * * *")
    n = len(envelopes(rouse, "job"))
    clock.set(6 * DAY)
    rouse.kill_9()
    rouse.start()
    tick(rouse, "beat")
    expect(len(envelopes(rouse, "job")), n, "runs after a restart with another schedule")
    seen = instants(rouse, "job")
    expect(len(seen), len(set(seen)), "different times")


@scenario("a backfill fires each past time once, also twice asked, also across kill -9")
def _(rouse):
    house(rouse, hourly={"schedule": "0 * * * *", "overlap": "skip"})
    rouse.start()
    base = int(time.time()) // HOUR * HOUR - 40 * HOUR
    words = ["--from", stamp(base), "--to", stamp(base + 30 * HOUR)]
    expect(rouse.cli("trigger", "backfill", "hourly", *words, "--plan", "--json").json["count"], 30, "times")
    expect(outcomes(rouse, "hourly"), [], "events of a plan")
    expect(rouse.cli("trigger", "backfill", "hourly", *words, "--json").json["count"], 30, "times")
    rouse.kill_9()
    rouse.start()
    wait("all have run", lambda: len(envelopes(rouse, "hourly")) == 30)
    expect([epoch(i) for i in instants(rouse, "hourly")], [base + n * HOUR for n in range(1, 31)], "from exclusive, to inclusive")
    check(all(e["schedule"]["backfill"] and e["payload"]["backfill"] for e in envelopes(rouse, "hourly")), "they are marked")
    wait("it is through", lambda: rouse.cli("trigger", "backfill", "hourly", *words, "--json", expect_code=None).code == 0)
    wait("each time is known", lambda: outcomes(rouse, "hourly").count("replayed") == 30)
    expect(len(envelopes(rouse, "hourly")), 30, "runs")


@scenario("a backfill that cannot be is refused with a sentence")
def _(rouse):
    house(rouse, beat={"schedule": "0 * * * *"}, boot={"schedule": "@reboot"})
    rouse.section("trigger hand", source="manual", agent="tick")
    rouse.start()

    def refused(name, status, word, **body):
        said = rouse.api("POST", f"/v1/triggers/{name}/backfill", body)
        expect(said.status, status, f"answer to {body}")
        check(word in said.json["detail"], said.json["detail"])

    day = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}
    refused("beat", 400, "from:", to=day["to"])
    refused("beat", 400, "to:", **{"from": day["from"], "to": "tomorrow"})
    refused("beat", 400, "not after", **{"from": day["to"], "to": day["from"]})
    refused("beat", 400, "future", **{"from": day["from"], "to": "2190-01-01T00:00:00Z"})
    refused("beat", 400, "10000", **{"from": "2020-01-01T00:00:00Z", "to": day["to"]})
    refused("beat", 400, "overlap", overlap="maybe", **day)
    refused("boot", 400, "@reboot", **day)
    refused("hand", 409, "no schedule", **day)
    refused("nobody", 404, "no trigger", **day)


@scenario("a tick that finds the queue full is tried again, in order")
def _(rouse):
    house(rouse, beat={"schedule": "* * * * * *", "max_runs": 3})
    rouse.section("limits", max_queued=1)
    rouse.section("trigger hand", source="manual", agent="tick")
    rouse.start()
    rouse.cli("pause", "--agent", "tick")
    rouse.cli("trigger", "fire", "hand")
    wait("it fails", lambda: trigger(rouse, "beat")["health"] == "failing")
    check("max_queued" in trigger(rouse, "beat")["last_error"], "it says why")
    rouse.cli("resume", "--agent", "tick")
    wait("all run", lambda: len(envelopes(rouse, "beat")) == 3)
    seen = [epoch(i) for i in instants(rouse, "beat")]
    expect(seen, [seen[0] + n for n in range(3)], "each second")


@scenario("runs that fail one after another pause the schedule, until a person resumes it")
def _(rouse):
    rouse.agent("bad", "exit 77\n")
    rouse.section("trigger beat", source="cron", agent="bad", schedule="* * * * * *", pause_after_failures=2)
    rouse.start()
    wait("it is paused", lambda: trigger(rouse, "beat")["paused"])
    expect(len(rouse.runs(status="failed")), 2, "failed runs")
    rouse.restart()
    expect(trigger(rouse, "beat")["paused"], True, "paused after a restart")
    rouse.cli("resume", "--trigger", "beat")
    wait("two more", lambda: len(rouse.runs(status="failed")) >= 4)
    wait("it is paused again", lambda: trigger(rouse, "beat")["paused"])


@scenario("@reboot fires once a start of the daemon, and not at a reload")
def _(rouse):
    house(rouse, boot={"schedule": "@reboot"})
    rouse.start()
    wait("it fires", lambda: len(envelopes(rouse, "boot")) == 1)
    rouse.section("trigger boot", priority="high")
    rouse.write_config()
    rouse.cli("reload")
    rouse.restart()
    wait("it fires again", lambda: len(envelopes(rouse, "boot")) == 2)
    expect(outcomes(rouse, "boot"), ["ran", "ran"], "events")
    rouse.cli("trigger", "disable", "boot")
    rouse.restart()
    wait("it is held", lambda: outcomes(rouse, "boot")[0] == "held")
    rouse.cli("trigger", "enable", "boot")
    stays("its time is over", lambda: len(outcomes(rouse, "boot")) == 3, 0.5)
    rouse.restart()
    wait("the next start fires it", lambda: len(envelopes(rouse, "boot")) == 3)


@scenario("a schedule that never fires does not load; one that is over does, with a warning")
def _(rouse):
    house(rouse, never={"schedule": "0 0 30 2 *"})
    rouse.refuses_to_start("never fires")
    rouse.section("trigger never", allow_never="yes")
    rouse.section("trigger over", source="cron", agent="tick", schedule="0 0 12 1 1 * 2020")
    rouse.start()
    check("its last time is over" in rouse.log_text(), "the warning")
    expect(trigger(rouse, "over")["next"], None, "its next time")
    rouse.stop()
    rouse.section("trigger odd", source="cron", agent="tick", schedule="@daily", start="2026-02-01T00:00:00Z", end="2026-01-01T00:00:00Z")
    rouse.refuses_to_start("not after start")


main()
