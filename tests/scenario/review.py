#!/usr/bin/env python3
# Scenario: a person sees what many changes would do, and decides about exactly what was seen.
# SPDX-License-Identifier: MIT
from lib import *

BATCH = "tag/2026-11-20T02:00:00Z"


def proposing(rouse, messages, **trigger):
    """A run that has proposed these; its id."""
    rouse.agent("a", says(*messages, RESULT), targets="crm")
    rouse.crm()
    rouse.webhook("push", agent="a", **trigger)
    rouse.start()
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, "succeeded")
    return run


def many(n=200):
    """Deals that are won, but one; one is deleted, one is unsure."""
    return [change(entity=f"e{i}", op="delete" if i == 3 else "update", before={"stage": "new", "n": i},
                   after={"stage": "lost" if i == 77 else "won", "n": i}, confidence=0.2 if i == 9 else 0.9) for i in range(n)]


@scenario("like changes are one group, and what needs eyes comes first")
def _(rouse):
    run = proposing(rouse, many())
    diff = rouse.get(f"/v1/diff?run={run}")
    expect([(g["op"], g["count"]) for g in diff["groups"]], [("delete", 1), ("update", 199)], "the groups")
    expect(diff["groups"][1]["fields"][0]["values"], [{"value": '"won"', "count": 198}, {"value": '"lost"', "count": 1}], "values of the field")
    first = rouse.items(f"/v1/diff/{diff['look']}?limit=4")
    expect([(c["entity"], c["flags"]) for c in first], [("e3", ["delete"]), ("e77", ["rare value"]), ("e9", ["low confidence"]), ("e0", [])], "the first changes")
    expect(len(rouse.items(f"/v1/diff/{diff['look']}?limit=500")), 200, "all of them")


@scenario("a look that is over is said to be, and a group by a wrong name is empty")
def _(rouse):
    run = proposing(rouse, many(3))
    rouse.api("GET", "/v1/diff/019a0000-0000-7000-8000-000000000000").expect(404)
    expect(rouse.get(f"/v1/diff?run={run}&group=nonsense")["total"], 0, "changes of that group")
    rouse.api("GET", "/v1/diff?run=ffffffff").expect(404)
    rouse.api("GET", f"/v1/diff?run={run}&status=odd").expect(400)


@scenario("--where is jq, runs beside the daemon, and says at which change it fails")
def _(rouse):
    run = proposing(rouse, many())
    some = rouse.get(f"/v1/diff?run={run}&where=" + "(.entity|ltrimstr(%22e%22)|tonumber)%20%25%2050%20==%200%20%23%20a%20comment")
    expect(some["total"], 4, "every fiftieth")
    wrong = rouse.api("GET", f"/v1/diff?run={run}&where=.entity%20%2B%201%20%3E%202").expect(422).json["detail"]
    check("change " in wrong and "cannot be added" in wrong, wrong)
    for bad in ("(", ")", "1)%20%7C%20(1", ".a%20as%20", "%22"):
        rouse.api("GET", f"/v1/diff?run={run}&where={bad}").expect(400)
    forever = rouse.api("GET", f"/v1/diff?run={run}&where=last(range(1e12))", timeout=60)
    check(forever.status >= 400, f"a program without end is ended: {forever.status}")
    rouse.get("/health")


@scenario("a batch is approved by group, page by page, and the rest stays open")
def _(rouse):
    run = proposing(rouse, many(450))
    rouse.stop()
    with sqlite3.connect(rouse.db) as db:
        db.execute("UPDATE changes SET batch = ?", [BATCH])
    rouse.start()
    diff = rouse.get("/v1/diff?batch=" + BATCH)
    group = diff["groups"][1]["group"]
    done = rouse.api("POST", f"/v1/batches/{BATCH.replace('/', '%2F')}/reject", {"group": group, "reason": "not now"}).expect(200).json
    expect((done["changed"], done["skipped"]), (449, 0), "decided")
    expect([c["entity"] for c in rouse.changes(status="proposed")], ["e3"], "what is open")
    again = rouse.api("POST", f"/v1/batches/{BATCH}/reject", {"group": group}).expect(200).json
    expect((again["changed"], again["passed"]), (0, 449), "decided again")


@scenario("an approval of what was shown is refused when it has changed, and says what")
def _(rouse):
    run = proposing(rouse, many(20))
    diff = rouse.get(f"/v1/diff?run={run}")
    [one] = [c for c in rouse.changes(run=run) if c["entity"] == "e5"]
    rouse.api("POST", f"/v1/changes/{one['id']}/edit", {"after": {"stage": "lost"}}).expect(200)
    said = rouse.api("POST", f"/v1/runs/{run}/approve", {"digest": diff["digest"]}).expect(409).json["detail"]
    check(one["id"] in said and "e5 is another now" in said, said)
    expect({c["status"] for c in rouse.changes(run=run)}, {"proposed"}, "what they are")
    rouse.api("POST", f"/v1/runs/{run}/reject", {"digest": rouse.get(f"/v1/diff?run={run}")["digest"]}).expect(200)
    expect({c["status"] for c in rouse.changes(run=run)}, {"rejected"}, "what they are")


@scenario("killed in the middle of a decision about many, it goes on where it was, each decided once")
def _(rouse):
    run = proposing(rouse, many(3000))
    path = f"/v1/runs/{run}/reject"

    def some():
        with sqlite3.connect(rouse.db) as db:
            return db.execute("SELECT count(*) FROM changes WHERE status = 'rejected'").fetchone()[0]

    def ask():
        try:
            rouse.api("POST", path, {"reason": "all"}, timeout=60)
        except (OSError, http.client.HTTPException):
            pass
    for at in (1, 900, 1900):
        thread = threading.Thread(target=ask)
        thread.start()
        wait(f"{at} are decided", lambda: some() >= at, 60)
        rouse.kill_9()
        thread.join()
        rouse.start()
    rouse.api("POST", path, {"reason": "all"}, timeout=60).expect(200)
    with sqlite3.connect(rouse.db) as db:
        expect(db.execute("SELECT status, count(*) FROM changes GROUP BY status").fetchall(), [("rejected", 3000)], "the changes")
        expect(db.execute("SELECT count(*), count(DISTINCT object_id) FROM decisions WHERE object = 'change'").fetchone(), (3000, 3000), "the decisions")


@scenario("nothing in a change steers the terminal of who looks at groups of them")
def _(rouse):
    evil = "\x1b[2J\x1b]0;owned\x07\u202e\u200b\x9b31m" + "y" * 500
    run = proposing(rouse, [change(entity=f"e{i}" + evil, reason=evil, before={"stage": evil}, after={"stage": evil + str(i % 3)}) for i in range(60)])
    for words in ((), ("--all",), ("--csv",), ("--html",)):
        out = rouse.cli("diff", run, *words, env={"COLUMNS": "80"}).out
        check(not set(out) & set("\x1b\x07\u202e\u200b\x9b"), f"{words}: {out[:500]!r}")
        if not words or words == ("--all",):
            check(all(len(line) <= 80 or "e" + "y" * 20 in line or "\\u" in line for line in out.splitlines()), out[:3000])


@scenario("a plan shows what would be decided, and decides nothing")
def _(rouse):
    run = proposing(rouse, many(5))
    rouse.cli("reject", run, "--entity", "e3", "--reason", "no")
    for verb, done in (("approve", "approved"), ("reject", "rejected")):
        out = rouse.cli(verb, run, "--plan").out
        check(f"Would be {done}" in out and "Plan: 0 to create, 4 to update, 0 to delete.\n" in out and "e3" not in out, out)
    expect(len(rouse.changes(status="proposed")), 4, "open ones")
    rouse.cli("approve", run, "--all", "--reason", "yes")
    check("nothing would be approved" in rouse.cli("approve", run, "--plan").out, "it says that nothing is left")


@scenario("a decision about nothing named is refused")
def _(rouse):
    run = proposing(rouse, many(3))
    rouse.api("POST", "/v1/decide", {"decision": "approve"}).expect(400)
    rouse.api("POST", "/v1/decide", {"decision": "maybe", "run": run}).expect(400)
    rouse.api("POST", "/v1/decide", {"decision": "approve", "changes": "all"}).expect(400)
    rouse.api("POST", "/v1/decide", {"decision": "approve", "changes": ["ffffffff-0000"]}).expect(404)
    expect({c["status"] for c in rouse.changes(run=run)}, {"proposed"}, "what they are")
    ids = [c["id"] for c in rouse.changes(run=run)]
    done = rouse.api("POST", "/v1/decide", {"decision": "reject", "changes": [ids[0], ids[1], ids[0]]}).expect(200).json
    expect(done["changed"], 2, "each once")


main()
