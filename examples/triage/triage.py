#!/usr/bin/env python3
# An agent: reads one envelope, looks at a CRM, proposes what should change there, says why.
# SPDX-License-Identifier: MIT
#
# It may only look. What it proposes is staged by Rouse, and applied when somebody approves.
import json
import os
import sqlite3
import sys

URGENT = ("crash", "data loss", "security", "outage")


def say(kind, **fields):
    """One line of the agent protocol: a JSON object with its type."""
    print(json.dumps({"type": kind, **fields}), flush=True)


def judge(title):
    """The priority that a pull request deserves, and why. Rules stand in for a model here."""
    # With a model:  answer = anthropic.Anthropic().messages.create(model=..., messages=[...title...])
    #                say("usage", input_tokens=..., output_tokens=...); return answer's two words
    for word in URGENT:
        if word in title.lower():
            return "high", f"the title speaks of “{word}”"
    return "normal", "nothing in the title is urgent"


envelope = json.loads(sys.stdin.readline())
pull = envelope["payload"]["pull_request"]
login = pull["user"]["login"]

say("step", name="look up the account", status="start")
crm = sqlite3.connect(f"file:{os.environ['CRM']}?mode=ro", uri=True)
row = crm.execute("SELECT priority, last_pr FROM accounts WHERE login = ?", [login]).fetchone()
say("step", name="look up the account", status="done", output={"known": row is not None})

if row is None:
    say("result", output=f"{login} is no customer: nothing to do")
    sys.exit()

priority, why = judge(pull["title"])
say("status", message=f"pull request {pull['number']} of {login}: {why}")
say(
    "change",
    target="crm",
    entity=login,
    op="update",
    before={"priority": row[0], "last_pr": row[1]},
    after={"priority": priority, "last_pr": pull["number"]},
    confidence=0.9,
    reason=why,
)
say("result", output=f"proposed priority {priority} for {login}")
