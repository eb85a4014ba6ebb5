#!/usr/bin/env python3
# Scenario: the walk of ARCHITECTURE.md is the way that an event really takes.
# SPDX-License-Identifier: MIT
import re

from lib import *


def walk():
    """The numbered steps."""
    with open(os.path.join(SOURCE, "ARCHITECTURE.md")) as f:
        section = re.search(r"^## The walk.*?\n(.*?)^## ", f.read(), re.M | re.S)[1]
    steps = re.findall(r"^\d+\. (.*?)(?=^\d+\. |^\n|\Z)", section, re.M | re.S)
    check(len(steps) > 5, "the walk has steps")
    return [re.sub(r"\s+", " ", step) for step in steps]


def functions():
    """{name: all that its definition says}, static ones too."""
    found = {}
    for top in ("src", "triggers", "plugins"):
        for folder, _, files in os.walk(os.path.join(SOURCE, top)):
            for name in files:
                if name.endswith(".c"):
                    with open(os.path.join(folder, name)) as f:
                        for match in re.finditer(r"^(?:\w[\w *]*[ *])?(\w+)\([^;{}]*\)\n\{\n(.*?)^\}", f.read(), re.M | re.S):
                            found.setdefault(match[1], []).append(match[2])
    check(len(found) > 500, "there are functions")
    return found


@scenario("every function of the walk exists")
def _(rouse):
    known = functions()
    named = [name for step in walk() for code in re.findall(r"`([^`]*)`", step) for name in re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", code)]
    check(len(named) > 20, f"the walk names functions: {named}")
    expect([name for name in named if name not in known], [], "names that no function has")


@scenario("every file of the floors that ARCHITECTURE.md names exists")
def _(rouse):
    with open(os.path.join(SOURCE, "ARCHITECTURE.md")) as f:
        floors = re.search(r"^## Floors\n+```\n(.*?)^```", f.read(), re.M | re.S)[1]
    rooms = re.findall(r"^  (\w+)/\s+floor \d\s+(.*?)(?=^  \w|^\w)", floors, re.M | re.S)
    expect(len(rooms), 9, "rooms of src")
    missing = []
    for room, text in rooms:
        files = {re.sub(r"\.[chs]\w*$", "", name) for name in os.listdir(os.path.join(SOURCE, "src", room))}
        listed = text.split(";")[0].split(":")[-1]
        if room in ("base", "pure", "conf", "io", "http", "core"):
            words = re.findall(r"[a-z][a-z_]+", re.sub(r"\([^)]*\)", "", listed.split(" Rouse: ")[-1]))
            missing += [f"{room}/{word}" for word in words if not any(name == word or name.startswith(word + "_") for name in files)]
    expect(missing, [], "files that are not there")


@scenario("one journey says in the log what the walk says, in its order")
def _(rouse):
    words = [word for step in walk() for word in re.findall(r'"([^"]+)"', step)]
    check(len(words) >= 6, f"the walk quotes the log: {words}")
    rouse.agent("triage", says(change(), RESULT), targets="crm")
    rouse.crm()
    rouse.webhook("push", agent="triage")
    rouse.start()
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, "succeeded")
    [one] = rouse.changes(run=run)
    rouse.cli("approve", run, "--all")
    rouse.wait_change(one["id"], "applied")
    rouse.stop()
    lines = [re.sub(r" \w+=.*", "", line.split(" ", 2)[2]) for line in rouse.log_text().splitlines() if re.match(r"\d{4}-\S+ (info|debug) ", line)]
    expect([line for line in lines if line in words], words, "the log")


main()
