#!/usr/bin/env python3
# Scenario: the database has a bound, is told of before, and nothing that was begun is lost at it.
# SPDX-License-Identifier: MIT
import re

from lib import *

PAD = {"pad": "x" * 60000}


def house(rouse, **retention):
    rouse.agent("quick", "read -r e; echo '{\"type\":\"result\",\"output\":1}'\n")
    rouse.agent("slow", "read e; while [ ! -e $D/go ]; do sleep 0.05; done; echo '{\"type\":\"result\",\"output\":1}'\n")
    rouse.agent("told", "true")
    rouse.webhook("push", agent="quick")
    rouse.webhook("slow", agent="slow")
    told = os.path.join(rouse.dir, "tell")
    with open(told, "w") as f:
        f.write('#!/bin/sh\necho "$ROUSE_SUBJECT" >> "$1"\n')
    os.chmod(told, 0o755)
    rouse.section("notify ops", kind="exec", command=f"{told} {rouse.dir}/told", on="store", gather="10ms", rate="1000/m")
    rouse.section("retention", **retention)
    rouse.start()


def fill(rouse):
    """Until nothing new is taken; the runs that were."""
    kept = []

    def one():
        reply = rouse.deliver("push", PAD).expect(202, 503)
        if reply.status == 202:
            kept.append(reply.run_id)
        return reply if reply.status == 503 else None

    refused = wait("the bound is reached", one, 90)
    check("max_db_size" in refused.json["detail"] and int(refused.headers["Retry-After"]) >= 1, f"it says why, and when to come again: {refused}")
    return kept


def metric(rouse, name):
    for line in rouse.api("GET", "/metrics").expect(200).body.decode().splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    raise Failed(f"no {name}")


@scenario("at 80 and 95 % it is told of; at the bound new events get 503 and what runs may end; with more room it goes on")
def _(rouse):
    house(rouse, max_db_size="3M")
    running = rouse.deliver("slow").expect(202).run_id
    rouse.wait_run(running, "running", 60)
    kept = fill(rouse)
    health = rouse.api("GET", "/health").expect(503).json
    expect((health["ok"], health["store"], health["max_db_size"]), (False, "full", 3 << 20), "health")
    rouse.api("GET", "/readyz").expect(503)
    check(metric(rouse, "rouse_store_used_bytes") >= metric(rouse, "rouse_store_max_bytes") == 3 << 20, "metrics")
    rouse.api("POST", "/v1/agents/quick/invoke", {}).expect(503)
    log = rouse.log_text()
    for words in ("level=large", "level=tight", "nothing new is taken"):
        check(words in log, f"the log says {words}")
    wait("people are told of each", lambda: all(re.search(at, open(os.path.join(rouse.dir, "told")).read()) for at in ("at 8", "at 9", "at 1")), 60)
    # What was begun ends, decisions are taken, and switches turned.
    open(os.path.join(rouse.dir, "go"), "w").close()
    rouse.wait_run(running, "succeeded", 60)
    for run in kept:
        rouse.wait_run(run, "succeeded", 60)
    rouse.cli("pause")
    rouse.cli("resume")
    # It survives a restart at the bound, and goes on with a larger one.
    rouse.stop()
    rouse.launch()
    wait("it answers", lambda: rouse.api("GET", "/livez").status == 200, 60)
    rouse.deliver("push", PAD).expect(503)
    rouse.section("retention", max_db_size="30M")
    rouse.write_config()
    rouse.cli("reload")
    rouse.api("GET", "/readyz").expect(200)
    rouse.wait_run(rouse.deliver("push", PAD).expect(202).run_id, "succeeded", 60)
    check(rouse.get("/health")["ok"], "it is well")


@scenario("where what is kept is old enough to go, it goes on by itself")
def _(rouse):
    house(rouse, max_db_size="2M", events="1s", runs="1s", logs="1s")
    fill(rouse)
    wait("there is room again", lambda: rouse.deliver("push", PAD).status == 202, 90)
    check("further from its bound" in rouse.log_text(), "it says so")
    rouse.api("GET", "/readyz").expect(200)


@scenario("a bound that is no size, or too small to work with, is refused")
def _(rouse):
    house(rouse)
    for bad in ("10K", "many", "-1"):
        rouse.section("retention", max_db_size=bad)
        rouse.write_config()
        check("max_db_size" in rouse.cli("check", rouse.conf, expect_code=1).err, f"{bad} is refused")


main()
