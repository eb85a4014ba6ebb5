#!/usr/bin/env python3
# Scenario: changes are applied once, to what was seen, where it is allowed, or not at all.
# SPDX-License-Identifier: MIT
from lib import *


def staged(rouse, *messages, crm=None, **trigger):
    """A run that has proposed these; its id."""
    rouse.agent("a", says(*(messages or [change()]), RESULT), targets="crm")
    rouse.crm(**(crm or {}))
    rouse.webhook("push", agent="a", **trigger)
    rouse.start()
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, "succeeded")
    return run


@scenario("a target that the agent may not name is refused and recorded, and the run goes on")
def _(rouse):
    rouse.section("target other", kind="sql", url="sqlite:/nonexistent.db", read="SELECT 1", apply="SELECT 1")
    run = staged(rouse, change(target="other"), change(target="nowhere"), change())
    [one] = rouse.changes(run=run)
    expect(one["target"], "crm", "the one change that is there")
    story = json.dumps(rouse.items(f"/v1/runs/{run}/events"))
    check("other" in story and "nowhere" in story, "the refusals are in the run's log")


@scenario("approving twice is refused the second time, and changes nothing")
def _(rouse):
    run = staged(rouse)
    [one] = rouse.changes(run=run)
    rouse.cli("approve", one["id"], "--reason", "first")
    rouse.cli("approve", one["id"], "--reason", "second", expect_code=4)
    expect(rouse.get("/v1/changes/" + one["id"])["decision_reason"], "first", "reason of the decision")


@scenario("applying twice applies once")
def _(rouse):
    run = staged(rouse)
    [one] = rouse.changes(run=run)
    rouse.cli("approve", run, "--all")
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(rouse.api("POST", f"/v1/changes/{one['id']}/apply", {}))) for _ in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    rouse.wait_change(one["id"], "applied")
    rouse.api("POST", f"/v1/changes/{one['id']}/apply", {})
    stays("it was written once", lambda: rouse.deal() == ("won", 1), 0.5)


@scenario("a decision about a change that is being applied is refused")
def _(rouse):
    run = staged(rouse, crm={"timeout": "20s"})
    holder = sqlite3.connect(rouse.crm_path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    rouse.cli("approve", run, "--all")
    [one] = rouse.changes(run=run)
    rouse.wait_change(one["id"], "applying")
    for verb in ("approve", "reject"):
        rouse.cli(verb, one["id"], "--reason", "too late", expect_code=4)
    rouse.cli("edit", one["id"], "--data", '{"stage":"lost"}', expect_code=4)
    holder.execute("ROLLBACK")
    holder.close()
    rouse.wait_change(one["id"], "applied")
    expect(rouse.deal(), ("won", 1), "the deal")


@scenario("what nobody approved cannot be applied")
def _(rouse):
    run = staged(rouse)
    [one] = rouse.changes(run=run)
    rouse.api("POST", f"/v1/changes/{one['id']}/apply", {}).expect(409)
    expect(rouse.deal(), ("new", 0), "the deal")


@scenario("a target that has changed since is a conflict, shown with all three sides")
def _(rouse):
    run = staged(rouse)
    with sqlite3.connect(rouse.crm_path) as db:
        db.execute("UPDATE deal SET stage = 'lost' WHERE id = '1'")
    rouse.cli("approve", run, "--all")
    rouse.cli("apply", run, "--yes", expect_code=None)
    [one] = rouse.changes(run=run)
    one = rouse.wait_change(one["id"], "conflict")
    expect((one["before"], one["after"], one["current"]), ({"stage": "new"}, {"stage": "won"}, {"stage": "lost"}), "the three sides")
    expect(rouse.deal(), ("lost", 0), "the deal")


@scenario("a conflict is applied when a person who saw it says so, and the story tells that")
def _(rouse):
    run = staged(rouse)
    with sqlite3.connect(rouse.crm_path) as db:
        db.execute("UPDATE deal SET stage = 'lost' WHERE id = '1'")
    rouse.cli("approve", run, "--all")
    [one] = rouse.changes(run=run)
    rouse.wait_change(one["id"], "conflict")
    rouse.cli("apply", one["id"], "--yes", expect_code=None)
    one = rouse.wait_change(one["id"], "applied")
    expect((one["before"], rouse.deal()), ({"stage": "lost"}, ("won", 1)), "what it was made from, and the deal")
    check("approved on what is there now" in json.dumps(rouse.get("/v1/why/" + one["id"])), "the story says on what it was approved")


@scenario("a row that is gone is a conflict, not a success")
def _(rouse):
    run = staged(rouse, change(entity="99"), mode="apply")
    [one] = rouse.changes(run=run)
    rouse.wait_change(one["id"], "conflict")


@scenario("a target that is busy is tried again until it is not")
def _(rouse):
    run = staged(rouse, crm={"retry__base": "50ms", "retry__attempts": 50, "retry__cap": "100ms", "timeout": "100ms"})
    holder = sqlite3.connect(rouse.crm_path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    rouse.cli("approve", run, "--all")
    [one] = rouse.changes(run=run)
    wait("it was tried twice", lambda: rouse.get("/v1/changes/" + one["id"])["attempts"] >= 2)
    holder.execute("ROLLBACK")
    holder.close()
    rouse.wait_change(one["id"], "applied")
    expect(rouse.deal(), ("won", 1), "the deal")


@scenario("a change that failed is applied when somebody says so again")
def _(rouse):
    run = staged(rouse)
    os.rename(rouse.crm_path, rouse.crm_path + ".away")
    rouse.cli("approve", run, "--all")
    [one] = rouse.changes(run=run)
    failed = rouse.wait_change(one["id"], "failed")
    check("crm.db" in failed["error"], f"the error names the database: {failed['error']}")
    os.rename(rouse.crm_path + ".away", rouse.crm_path)
    rouse.cli("apply", one["id"], "--yes")
    rouse.wait_change(one["id"], "applied")
    expect(rouse.deal(), ("won", 1), "the deal")


@scenario("a target that stays locked fails the change in the end, and says why")
def _(rouse):
    run = staged(rouse, crm={"retry__base": "10ms", "retry__attempts": 2, "timeout": "300ms"})
    holder = sqlite3.connect(rouse.crm_path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    rouse.cli("approve", run, "--all")
    [one] = rouse.changes(run=run)
    rouse.api("POST", f"/v1/changes/{one['id']}/apply", {})
    failed = rouse.wait_change(one["id"], "failed")
    check(failed["error"], "the error")
    holder.execute("ROLLBACK")
    holder.close()
    expect(rouse.deal(), ("new", 0), "the deal")


@scenario("a slow target holds up nothing else")
def _(rouse):
    run = staged(rouse, crm={"timeout": "20s"})
    holder = sqlite3.connect(rouse.crm_path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    rouse.cli("approve", run, "--all")
    [one] = rouse.changes(run=run)
    rouse.api("POST", f"/v1/changes/{one['id']}/apply", {})
    began = time.monotonic()
    rouse.wait_run(rouse.deliver("push").expect(202).run_id, "succeeded")
    check(time.monotonic() - began < 5 * PATIENCE, "another run must not wait for it")
    holder.execute("ROLLBACK")
    holder.close()
    rouse.wait_change(one["id"], "applied")


@scenario("approval of a diff that has changed since it was shown is refused")
def _(rouse):
    run = staged(rouse)
    digest = rouse.get(f"/v1/runs/{run}/diff")["digest"]
    [one] = rouse.changes(run=run)
    rouse.api("POST", f"/v1/changes/{one['id']}/edit", {"after": {"stage": "lost"}, "reason": "better"}).expect(200)
    rouse.api("POST", f"/v1/runs/{run}/approve", {"reason": "as seen", "digest": digest}).expect(409)
    expect(rouse.get("/v1/changes/" + one["id"])["status"], "proposed", "status")


@scenario("an edited change is applied as edited")
def _(rouse):
    run = staged(rouse)
    [one] = rouse.changes(run=run)
    rouse.cli("edit", one["id"], "--data", '{"stage":"lost"}', "--reason", "not won")
    rouse.cli("approve", one["id"])
    rouse.cli("apply", one["id"], "--yes")
    rouse.wait_change(one["id"], "applied")
    expect(rouse.deal(), ("lost", 1), "the deal")


@scenario("only the changes that --where names are approved")
def _(rouse):
    run = staged(rouse, *[change(entity=str(n)) for n in range(1, 6)])
    rouse.cli("approve", run, "--where", '.entity == "3"')
    wait("the third is applied", lambda: rouse.deal("3") == ("won", 1))
    expect({c["entity"]: c["status"] for c in rouse.changes(run=run)}, {"1": "proposed", "2": "proposed", "3": "applied", "4": "proposed", "5": "proposed"}, "the changes")


@scenario("a revert of what somebody changed since is a conflict")
def _(rouse):
    run = staged(rouse, mode="apply")
    [one] = rouse.changes(run=run)
    rouse.wait_change(one["id"], "applied")
    with sqlite3.connect(rouse.crm_path) as db:
        db.execute("UPDATE deal SET stage = 'paid' WHERE id = '1'")
    rouse.cli("revert", one["id"], "--yes", expect_code=None)
    wait("the revert is refused", lambda: rouse.get("/v1/changes/" + one["id"])["status"] in ("conflict", "applied", "failed"))
    stays("the deal stays as somebody left it", lambda: rouse.deal() == ("paid", 1), 0.5)


@scenario("a value that looks like SQL is only a value")
def _(rouse):
    evil = "'; DROP TABLE deal; --"
    run = staged(rouse, change(after={"stage": evil}), mode="apply")
    [one] = rouse.changes(run=run)
    rouse.wait_change(one["id"], "applied")
    expect(rouse.deal(), (evil, 1), "the deal")


@scenario("many changes of one run are staged, approved and applied, each once")
def _(rouse):
    many = [change(entity=str(n)) for n in range(1, 10)]
    run = staged(rouse, *many)
    rouse.cli("approve", run, "--all")
    rouse.cli("apply", run, "--yes")
    wait("all are applied", lambda: all(c["status"] == "applied" for c in rouse.changes(run=run)))
    expect([rouse.deal(str(n)) for n in range(1, 10)], [("won", 1)] * 9, "the deals")


main()
