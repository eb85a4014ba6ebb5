#!/usr/bin/env python3
# Scenario: one agent over many entities, one run each, whatever happens to the daemon meanwhile.
# SPDX-License-Identifier: MIT
import random

from batches_lib import *


@scenario("each entity of a file gets one run; then the batch waits for review")
def _(rouse):
    tagger(rouse)
    csv(rouse, range(1, 41))
    batch(rouse)
    rouse.start()
    id = begin(rouse)
    check(re.fullmatch(r"tag/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", id), f"the id: {id}")
    b = reaches(rouse, id, "review")
    expect([b[k] for k in ("name", "entities", "done", "skipped", "failed", "left", "running", "cost_usd")], ["tag", 40, 40, 0, 0, 0, 0, 0.4], "the counts")
    expect(b["changes"], {"proposed": 40}, "changes")
    once_each(rouse, id, range(1, 41))
    run = rouse.run(rouse.runs(batch=id)[0]["id"])
    envelope = run["envelope"]
    expect((envelope["batch"], envelope["mode"], envelope["entity"], envelope["idempotency_key"]), (id, "stage", run["entity"], f"{id}/{run['entity']}"), "the envelope")
    expect(envelope["payload"], {"id": run["entity"], "name": f'deal "{run["entity"]}"'}, "the payload")
    expect(envelope["cause"]["root"], b["event_id"], "the cause")
    expect(rouse.get("/v1/batches/tag")["id"], id, "by its name")
    expect(rouse.get("/v1/batches/" + id.replace("/", "%2F"))["id"], id, "by its encoded id")
    expect([x["id"] for x in rouse.items("/v1/batches?name=tag&state=review")], [id], "the list")
    rouse.api("GET", "/v1/batches/none").expect(404)
    rouse.api("POST", "/v1/batches/none/start", {}).expect(404)
    rouse.api("POST", "/v1/batches/tag/start", {"limt": 1}).expect(400)
    rouse.api("POST", f"/v1/batches/{id}/resume", {}).expect(409)
    rouse.cli("db", "check")


@scenario("what times out, crashes, overspends or gives up is set aside with its reason, and stops nothing")
def _(rouse):
    tagger(rouse, """case $id in
2) exec sleep 100;;
3) kill -9 $$;;
4) echo '{"type":"usage","cost_usd":5}'; sleep 100;;
5) exit 65;;
6) exit 1;;
esac""", budget__deadline="1s")
    csv(rouse, range(1, 9))
    batch(rouse, budget__cost="0.50")
    rouse.start()
    id = begin(rouse)
    b = reaches(rouse, id, "review")
    expect([b[k] for k in ("done", "skipped", "failed")], [3, 4, 1], "the counts")
    expect({e["entity"]: e["reason"] for e in entities(rouse, id, "skipped")}, {"2": "deadline", "3": "exhausted", "4": "budget_cost", "6": "exhausted"}, "skipped")
    expect([(e["entity"], e["reason"]) for e in entities(rouse, id, "failed")], [("5", "permanent")], "failed")
    check(all(e["error"] and e["run"] for e in entities(rouse, id, "skipped")), "each says why, and in which run")
    said = rouse.cli("batch", "show", "tag", "--entities", "--status", "failed")
    check("exit status 65" in said.out, said)
    # Only those again.
    rouse.agent("tag", TAG % "", targets="crm")
    rouse.section("agent tag", concurrency=4)
    rouse.write_config()
    again = begin(rouse, failed=id, skipped=id)
    b = reaches(rouse, again, "review")
    expect((b["entities"], b["done"]), (5, 5), "those alone")
    once_each(rouse, again, range(2, 7))
    expect(rouse.run(rouse.runs(batch=again, entity="3")[0]["id"])["envelope"]["payload"]["name"], 'deal "3"', "their data")


@scenario("at most `concurrency` at once; pause starts no more, resume goes on, cancel ends it")
def _(rouse):
    tagger(rouse, 'while [ ! -e $D/go ]; do sleep 0.05; done', concurrency=20)
    csv(rouse, range(1, 13))
    batch(rouse, concurrency=3)
    rouse.start()
    id = begin(rouse)
    wait("three run", lambda: shown(rouse, id)["running"] == 3)
    stays("no more than three", lambda: len(rouse.marks()) <= 3, 0.3)
    check("is running" in rouse.api("POST", "/v1/batches/tag/start", {}).expect(409).json["detail"], "one at a time")
    rouse.cli("batch", "pause", "tag", "--reason", "lunch")
    write(rouse, "go", "")
    wait("these three end", lambda: shown(rouse, id)["done"] == 3)
    stays("no other begins", lambda: len(rouse.marks()) == 3, 0.3)
    b = shown(rouse, id)
    expect((b["state"], b["reason"], b["error"], b["left"]), ("paused", "by_hand", "lunch", 9), "paused")
    rouse.restart()
    expect(shown(rouse, id)["state"], "paused", "after a restart")
    os.remove(os.path.join(rouse.dir, "go"))
    rouse.cli("batch", "resume", "tag")
    wait("three more", lambda: shown(rouse, id)["running"] == 3)
    rouse.cli("batch", "cancel", "tag")
    b = wait("what ran is stopped", lambda: (lambda b: b if not b["running"] else None)(shown(rouse, id)))
    expect((b["state"], b["done"], b["skipped"], b["left"]), ("cancelled", 3, 3, 6), "cancelled")
    rouse.cli("batch", "resume", "tag", expect_code=4)
    rouse.nothing_left()


@scenario("--limit, --only; a key that is not there is told of")
def _(rouse):
    tagger(rouse)
    csv(rouse, range(1, 31))
    batch(rouse)
    rouse.start()
    said = rouse.cli("batch", "start", "tag", "--limit", "7", "--wait", "--json")
    expect((said.json["entities"], said.json["done"], said.json["state"]), (7, 7, "review"), "limit")
    once_each(rouse, said.json["id"], range(1, 8))
    said = rouse.cli("batch", "start", "tag", "--only", "29", "--only", "nobody", "--wait", "--json")
    expect((said.json["entities"], said.json["done"], said.json["skipped"]), (2, 1, 1), "only")
    expect([(e["entity"], e["reason"]) for e in entities(rouse, said.json["id"], "skipped")], [("nobody", "absent")], "absent")


@scenario("a trial runs K drawn from all, says what all would cost, and goes on paying nothing twice")
def _(rouse):
    tagger(rouse)
    csv(rouse, range(1, 101))
    batch(rouse)
    rouse.start()
    said = rouse.cli("batch", "start", "tag", "--trial", "10", "--wait")
    id = said.out.split()[1]
    b = shown(rouse, id)
    expect((b["state"], b["reason"], b["done"], b["left"]), ("paused", "trial", 10, 90), "the trial")
    e = b["estimate"]
    expect((e["tried"], e["entities"]), (10, 100), "the estimate is of all")
    check(abs(e["cost_usd"] - 1.0) < 1e-9 and e["cost_usd_low"] <= e["cost_usd"] <= e["cost_usd_high"], e)
    check(e["seconds_low"] <= e["seconds"] <= e["seconds_high"], e)
    check("100 entities" in said.out and "1.00" in said.out and "batch resume" in said.out, said)
    check(sorted(map(int, runs_of(rouse, id))) != list(range(1, 11)), "drawn from all, not the first ten")
    rouse.cli("batch", "resume", id)
    expect(reaches(rouse, id, "review")["done"], 100, "done")
    once_each(rouse, id, range(1, 101))


@scenario("on_failure = stop: after so many it stops by itself, and resume goes on")
def _(rouse):
    tagger(rouse, "[ -e $D/well ] || case $id in 3|4|5) exit 65;; esac", concurrency=1)
    csv(rouse, range(1, 11))
    batch(rouse, on_failure="stop", stop_after="2")
    rouse.start()
    id = begin(rouse)
    b = reaches(rouse, id, "failed")
    expect((b["reason"], b["failed"]), ("failures", 2), "it stopped")
    check("did not end well" in b["error"] and "batch resume" in b["error"], b["error"])
    check(b["left"] >= 5, b)
    write(rouse, "well", "")
    rouse.cli("batch", "resume", "tag")
    b = reaches(rouse, id, "review")
    expect((b["done"], b["failed"], b["left"]), (8, 2, 0), "the others")
    once_each(rouse, id, range(1, 11))


@scenario("the budget of a batch: entities pay from one purse, it stops in time, and goes on with more")
def _(rouse):
    tagger(rouse, concurrency=20)
    csv(rouse, range(1, 61))
    batch(rouse, concurrency=20, budget__cost="0.05", batch_budget__cost="0.24")
    rouse.start()
    id = begin(rouse)
    b = reaches(rouse, id, "failed")
    expect(b["reason"], "budget", "the reason")
    check("batch_budget" in b["error"] and "batch resume" in b["error"], b["error"])
    check(0.20 - 1e-9 <= b["cost_usd"] <= 0.24 + 1e-9, f"it spent {b['cost_usd']}: all but what an entity may use")
    [line] = [x for x in rouse.items("/v1/budget") if x["scope"] == "batch"]
    expect((line["name"], round(line["spent_usd"], 6), line["limit_usd"]), (id, round(b["cost_usd"], 6), 0.24), "the ledger")
    rouse.section("batch tag", batch_budget__cost="1.00")
    rouse.write_config()
    rouse.cli("reload")
    rouse.cli("batch", "resume", "tag")
    b = reaches(rouse, id, "review")
    expect((b["done"], b["cost_usd"]), (60, 0.6), "all")
    once_each(rouse, id, range(1, 61))


@scenario("a schedule starts a batch at its time, once, and makes up for one missed time")
def _(rouse):
    tagger(rouse)
    csv(rouse, range(1, 4))
    batch(rouse, schedule="* * * * * *")
    batch(rouse, name="off", schedule="* * * * * *", enabled="no")
    rouse.start()
    wait("two starts", lambda: len(rouse.items("/v1/batches")) >= 2)
    rouse.kill_9()
    rouse.start()
    wait("more starts", lambda: len(rouse.items("/v1/batches")) >= 4)
    rouse.section("batch tag", schedule="0 0 1 1 *")
    rouse.write_config()
    rouse.cli("reload")
    rows = wait("all end", lambda: (lambda rows: rows if all(b["state"] == "review" for b in rows) else None)(rouse.items("/v1/batches")))
    ids = [b["id"] for b in rows]
    expect(len(ids), len(set(ids)), "each time once")
    expect({b["name"] for b in rows}, {"tag"}, "names")
    check(all(b["started_by"] is None for b in rows), "by the schedule")


@scenario("a dead letter of a batch that is replayed counts as done then")
def _(rouse):
    tagger(rouse, "[ -e $D/well ] || [ $id != 3 ] || exit 65")
    csv(rouse, range(1, 6))
    batch(rouse)
    rouse.start()
    id = begin(rouse)
    expect(reaches(rouse, id, "review")["failed"], 1, "failed")
    write(rouse, "well", "")
    [dead] = rouse.items("/v1/dlq")
    rouse.cli("dlq", "replay", dead["id"])
    b = wait("it is done", lambda: (lambda b: b if b["done"] == 5 else None)(shown(rouse, id)))
    expect((b["failed"], b["state"], b["changes"]["proposed"]), (0, "review", 5), "counts")
    rouse.cli("db", "check")


@scenario("mode = apply: changes are approved as they arrive")
def _(rouse):
    tagger(rouse)
    csv(rouse, range(1, 6))
    batch(rouse, mode="apply")
    rouse.start()
    id = begin(rouse)
    expect(reaches(rouse, id, "done")["changes"], {"applied": 5}, "changes")
    expect(rouse.deal("3"), ("won", 1), "the deal")


@scenario("kill -9 at random moments: every entity runs once, none is left out")
def _(rouse):
    n = int(os.environ.get("ROUSE_BATCH_ENTITIES", "300"))
    dice = random.Random(int(os.environ.get("ROUSE_TEST_SEED", "7")))
    tagger(rouse, concurrency=8)
    csv(rouse, range(1, n + 1))
    batch(rouse, concurrency=8)
    rouse.start()
    id = begin(rouse)
    kills = 0
    while shown(rouse, id)["state"] == "running" and kills < 25:
        time.sleep(dice.uniform(0, 0.25))
        rouse.kill_9()
        kills += 1
        rouse.start()
    b = reaches(rouse, id, "review", 120)
    expect((b["entities"], b["done"] + b["skipped"] + b["failed"], b["left"]), (n, n, 0), f"after {kills} kills")
    once_each(rouse, id, range(1, n + 1))
    expect(b["skipped"], sum(1 for e in entities(rouse, id, "skipped") if e["reason"] in ("lost", "exhausted")), "skipped for good reasons")
    print(f"# {kills} kills, {b['done']} done, {b['skipped']} skipped")
    rouse.cli("db", "check")


@scenario("killed at each named point of reading and admitting, it goes on where it was")
def _(rouse):
    tagger(rouse)
    csv(rouse, range(1, 1201))
    batch(rouse, concurrency=4)
    rouse.start()
    id = begin(rouse, limit=1150)
    for point in ("batch_page", "batch_admitted", "batch_ended"):
        rouse.kill_9()
        rouse.launch(ROUSE_CRASH=f"{point}:2")
        rouse.ended(60)
        rouse.start()
    rouse.api("POST", f"/v1/batches/{id}/pause", {}).expect(200)
    b = wait("none runs", lambda: (lambda b: b if not b["running"] else None)(shown(rouse, id)))
    expect(len(runs_of(rouse, id)), b["done"] + b["skipped"] + b["failed"], "runs")
    expect(set(runs_of(rouse, id).values()), {1}, "each once")
    rouse.cli("db", "check")


main()
