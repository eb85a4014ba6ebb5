#!/usr/bin/python3 -IS
# An agent: reads one account, proposes its segment and its region, says how sure it is.
# SPDX-License-Identifier: MIT
#
# Rules stand in for a model here. With FAULTS=N in its environment, one account in N goes wrong in one of five ways, as
# agents do: to see that the review finds it, and that the batch goes on.
import json
import os
import sys
import time

REGIONS = {"DE": "EMEA", "AT": "EMEA", "CH": "EMEA", "FR": "EMEA", "US": "AMER", "BR": "AMER", "JP": "APAC"}


def say(kind, **fields):
    """One line of the agent protocol: a JSON object with its type."""
    print(json.dumps({"type": kind, **fields}), flush=True)


def segment(employees, revenue):
    """The segment that an account belongs to, and how sure that is."""
    if employees >= 1000:
        return "enterprise", 0.95
    if employees >= 100 or revenue >= 20000:
        return "mid", 0.9 if employees >= 100 else 0.6
    return "small", 0.95


def go_wrong(kind, account):
    """What agents do now and then."""
    if kind == 0:  # it answers half of the question, and that wrongly
        return {"segment": "Enterprise, probably"}
    if kind == 1:  # it hangs
        time.sleep(600)
    if kind == 2:  # it dies
        os.abort()
    if kind == 3:  # it spends
        for _ in range(100):
            say("usage", input_tokens=100000, output_tokens=10000, cost_usd=0.5)
            time.sleep(0.05)
    if kind == 4:  # it makes things up
        say("change", target="crm", entity=account["id"], op="update", before={"mood": None}, after={"mood": "sunny"})
    return None


account = json.loads(sys.stdin.readline())["payload"]
number, every = int(account["id"][1:]), int(os.environ.get("FAULTS", "0"))
size, sure = segment(int(account["employees"]), int(account["revenue"]))
after = {"segment": size, "region": REGIONS[account["country"]]}
if every and number % every == 0:
    after = go_wrong(number // every % 5, account)
say("usage", input_tokens=400, output_tokens=60, cost_usd=0.0004)
if after:
    say(
        "change",
        target="crm",
        entity=account["id"],
        op="update",
        before={name: None for name in after},
        after=after,
        confidence=sure,
        reason=f"{account['employees']} employees in {account['country']}",
    )
say("result", output=after)
