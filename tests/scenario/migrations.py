#!/usr/bin/env python3
# Scenario: a database of every schema there ever was is opened, brought to the present one, and gone on with.
# SPDX-License-Identifier: MIT
import hashlib

import schema_lib
from lib import *

# SHA-256 of each step: what is released does not change, another step follows it.
SEALS = os.path.join(SOURCE, "tests/vectors/schema.sha256")
# What goes on may forget these: a switch that is turned back, a breaker that rests no more; sessions of before step 10 nobody wrote.
MOVING = {"switches", "breakers", "sessions"}


def house(rouse):
    rouse.crm()
    rouse.agent("a", "read -r e; echo '{\"type\":\"result\",\"output\":\"now\"}'\n", targets="crm")
    rouse.agent("b", "read -r e\n")
    rouse.webhook("push", agent="a")
    rouse.webhook("gathers", agent="a", debounce="1h")
    rouse.section("retention", **{k: "36500d" for k in ("runs", "events", "idempotency", "changes", "logs", "batches", "sessions", "audit")})


def rows(path):
    db = sqlite3.connect(path)
    names = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
    found = {name: db.execute(f"SELECT COUNT(*) FROM {name}").fetchone()[0] for name in names}
    version = db.execute("PRAGMA user_version").fetchone()[0]
    db.close()
    return version, found


def goes_on(rouse, version):
    said = rouse.cli("db", "check", expect_code=None)
    check(said.code == 0, f"the database of schema {version} is sound: {said}")
    # What was there is there, and means what it meant.
    runs = {r["id"][-3:]: r for r in rouse.runs()}
    expect(sorted(runs), ["101", "102", "103", "104"], "runs")
    expect((runs["101"]["status"], runs["103"]["status"], runs["103"]["reason"]), ("succeeded", "failed", "permanent"), "what became of them")
    expect(rouse.run(runs["101"]["id"])["result"], "done", "result")
    expect({c["id"][-3:]: c["status"] for c in rouse.changes() if c["id"][-3:] != "204"}, {"201": "applied", "202": "proposed", "203": "rejected"}, "changes")
    expect([b["id"] for b in rouse.items("/v1/batches")], ["tags/2026-09-21T00:00:00Z"], "batches")
    rouse.http("GET", "/v1/runs", headers={"Authorization": "Bearer " + schema_lib.TOKEN}).expect(200)
    check(not [t for t in rouse.items("/v1/triggers") if t["name"] == "push"][0]["enabled"], "what was disabled is")
    # What waited goes on, what was approved is applied, what is decided now is too.
    expect(rouse.wait_run(runs["102"]["id"], "succeeded", 60)["result"], "now", "what the queued run gave")
    approved = [c["id"] for c in rouse.changes() if c["id"][-3:] == "204"][0]
    rouse.wait_change(approved, "applied", 60)
    expect(rouse.deal("4"), ("won", 1), "what was approved")
    waiting = [c["id"] for c in rouse.changes() if c["id"][-3:] == "202"][0]
    rouse.cli("approve", waiting, "--reason", "still fine")
    rouse.wait_change(waiting, "applied", 60)
    rouse.cli("dlq", "replay", runs["103"]["id"])
    rouse.cli("trigger", "enable", "push")
    rouse.wait_run(rouse.deliver("push").expect(202).run_id, "succeeded", 60)
    check(rouse.cli("db", "check", expect_code=None).code == 0, "it is sound still")


for number in range(1, len(schema_lib.STEPS) + 1):

    @scenario(f"a database of schema {number} is migrated, is sound, has what it had, and goes on")
    def _(rouse, number=number):
        house(rouse)
        os.makedirs(rouse.state, 0o700)
        schema_lib.make(rouse.db, number)
        version, before = rows(rouse.db)
        expect(version, number, "schema of the fixture")
        rouse.start()
        goes_on(rouse, version)
        rouse.stop()
        version, after = rows(rouse.db)
        expect(version, len(schema_lib.STEPS), "schema")
        lost = {t: (n, after.get(t)) for t, n in before.items() if t not in MOVING and after.get(t, 0) < n}
        expect(lost, {}, "rows that are gone")


@scenario("no step of the schema is another than it was: a change is a step of its own")
def _(rouse):
    with open(SEALS) as f:
        sealed = [line.split() for line in f.read().splitlines()]
    found = []
    for step in schema_lib.STEPS:
        with open(step, "rb") as f:
            found.append([hashlib.sha256(f.read()).hexdigest(), os.path.basename(step)])
    expect(found, sealed, "(cd src/store/sql && sha256sum 0*.sql) >tests/vectors/schema.sha256, where a step is new")


main()
