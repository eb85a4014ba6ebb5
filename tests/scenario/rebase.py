#!/usr/bin/env python3
# Scenario: what is in conflict is asked of its agent again, and nothing else is.
# SPDX-License-Identifier: MIT
from lib import *

# Proposes from what it finds.
AGENT = """#!/usr/bin/env python3
import json, os, sqlite3, sys
envelope = json.loads(sys.stdin.readline())
entity = envelope["entity"] or "1"
stage = sqlite3.connect(os.environ["D"] + "/crm.db").execute("SELECT stage FROM deal WHERE id = ?", [entity]).fetchone()[0]
print(json.dumps({"type": "change", "target": "crm", "entity": entity, "before": {"stage": stage}, "after": {"stage": stage + "+"}}))
"""


def by_hand(rouse, entity):
    with sqlite3.connect(rouse.crm_path, timeout=20) as db:
        db.execute("UPDATE deal SET stage = 'theirs' WHERE id = ?", [entity])


@scenario("a run that is in conflict is asked again, and its new proposal is applied")
def _(rouse):
    rouse.crm()
    rouse.agent("a", AGENT, targets="crm")
    rouse.webhook("push", agent="a")
    rouse.start()
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, "succeeded")
    check("Nothing is in conflict" in rouse.cli("rebase", run).err, "there is nothing to do yet")
    by_hand(rouse, "1")
    old = rouse.changes(run=run)[0]["id"]
    rouse.cli("approve", run, "--all")
    rouse.wait_change(old, "conflict")
    said = rouse.cli("rebase", run, "--plan", expect_code=2)
    for side in ("new", "new+", "theirs"):
        check(side in said.out, f"all three sides are shown: {said.out}")
    rouse.cli("rebase", run, "--yes")
    anew = wait("it was asked again", lambda: [c for c in rouse.changes() if c["run"] != run], 30)[0]
    expect((anew["before"], anew["after"], anew["status"]), ({"stage": "theirs"}, {"stage": "theirs+"}, "proposed"), "the new proposal")
    gone = rouse.get("/v1/changes/" + old)
    expect(gone["status"], "rejected", "the old one")
    check(anew["run"] in gone["decision_reason"], "it says what came of it")
    rouse.cli("approve", anew["id"])
    rouse.wait_change(anew["id"], "applied")
    expect(rouse.deal()[0], "theirs+", "the deal")


@scenario("of a batch those entities alone that are in conflict go into a new one")
def _(rouse):
    rouse.crm()
    rouse.agent("a", AGENT, targets="crm")
    with open(os.path.join(rouse.dir, "deals.csv"), "w") as f:
        f.write("id\n" + "".join(f"{n}\n" for n in range(1, 6)))
    rouse.section("batch deals", agent="a", entities="csv:" + os.path.join(rouse.dir, "deals.csv"), entity_key="id", apply__stop="100%")
    rouse.start()
    id = rouse.cli("batch", "start", "deals").out.strip().split()[-1]
    wait("it is in review", lambda: rouse.get("/v1/batches/" + id)["state"] == "review", 60)
    by_hand(rouse, "2")
    by_hand(rouse, "4")
    rouse.cli("approve", id, "--all")
    rouse.cli("apply", id, "--yes", expect_code=1)
    expect(rouse.get("/v1/batches/" + id)["changes"].get("conflict"), 2, "in conflict")
    rouse.cli("rebase", id, "--yes")
    anew = wait("there is a new one", lambda: [b for b in rouse.items("/v1/batches") if b["id"] != id and b["state"] == "review"], 60)[0]
    expect(sorted(c["entity"] for c in rouse.changes(batch=anew["id"])), ["2", "4"], "its entities")
    expect(rouse.get("/v1/batches/" + id)["changes"].get("rejected"), 2, "rejected of the old one")
    rouse.cli("approve", anew["id"], "--all")
    rouse.cli("apply", anew["id"], "--yes")
    expect([rouse.deal(str(n))[0] for n in range(1, 6)], ["new+", "theirs+", "new+", "theirs+", "new+"], "the deals")


main()
