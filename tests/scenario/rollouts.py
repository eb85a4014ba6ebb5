#!/usr/bin/env python3
# Scenario: a batch is applied: a few first, no faster than it may, no further when too much fails, each change once; and taken back.
# SPDX-License-Identifier: MIT
from lib import *

EACH = 20  # changes of an entity


def house(rouse, entities, start=True, **keys):
    rouse.crm_path = os.path.join(rouse.dir, "crm.db")
    with sqlite3.connect(rouse.crm_path) as db:
        db.executescript("CREATE TABLE account (id TEXT PRIMARY KEY, tier TEXT CHECK (tier <> 'free!')); CREATE TABLE journal (id TEXT, tier TEXT);"
                         "CREATE TRIGGER noted AFTER UPDATE ON account BEGIN INSERT INTO journal VALUES (NEW.id, NEW.tier); END;")
        db.executemany("INSERT INTO account VALUES (?, 'free')", ((f"e{e}-{n}",) for e in range(1, entities + 1) for n in range(1, EACH + 1)))
    with open(os.path.join(rouse.dir, "entities.csv"), "w") as f:
        f.write("id\n" + "".join(f"e{e}\n" for e in range(1, entities + 1)))
    rouse.section("target crm", kind="sql", url="sqlite:" + rouse.crm_path, table="account", retry__base="50ms", retry__cap="200ms")
    rouse.agent("tag", "read -r line\ne=$(printf %s \"$line\" | sed 's/.*\"entity\":\"\\([^\"]*\\)\".*/\\1/')\n"
                f"seq 1 {EACH} | sed \"s/.*/{{\\\"type\\\":\\\"change\\\",\\\"target\\\":\\\"crm\\\",\\\"entity\\\":\\\"$e-&\\\","
                "\\\"before\\\":{\\\"tier\\\":\\\"free\\\"},\\\"after\\\":{\\\"tier\\\":\\\"gold\\\"}}/\"\n", targets="crm")
    rouse.section("batch tagging", agent="tag", entities="csv:" + os.path.join(rouse.dir, "entities.csv"), entity_key="id", concurrency=4, **keys)
    if start:
        rouse.start()
    id = rouse.cli("batch", "start", "tagging").out.strip().split()[-1]
    wait("all entities have ended", lambda: rouse.get("/v1/batches/" + id)["state"] == "review", 120)
    return id


def crm(rouse, query):
    db = sqlite3.connect(rouse.crm_path)
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()


def sql(rouse, text):
    with sqlite3.connect(rouse.crm_path, timeout=20) as db:
        db.execute(text)


def rollout(rouse, id):
    return rouse.get("/v1/batches/" + id)["rollout"]


@scenario("a batch is applied when it is said, and not before; and taken back whole")
def _(rouse):
    id = house(rouse, 5)
    check("Nothing is to be applied: 0 are applied, 100 still proposed" in rouse.cli("apply", id, "--plan", expect_code=0).out, "there is nothing to do")
    rouse.cli("approve", id, "--all", "--reason", "fine")
    stays("what is approved of a batch waits", lambda: crm(rouse, "SELECT count(*) FROM journal") == [(0,)], 0.5)
    said = rouse.cli("apply", id, "--plan", expect_code=2)
    check("100 changes are to be applied" in said.out, f"the plan says how many: {said.out}")
    check("100 to update" in said.out, f"and what they do: {said.out}")
    rouse.cli("apply", id, expect_code=None)
    expect(crm(rouse, "SELECT count(*) FROM journal"), [(0,)], "without --yes nothing is applied")
    said = rouse.cli("apply", id, "--yes")
    check("applied 100 of 100" in said.out, said.out)
    expect(crm(rouse, "SELECT tier, count(*) FROM account GROUP BY 1"), [("gold", 100)], "the table")
    expect(rouse.get("/v1/batches/" + id)["state"], "done", "the batch")
    rouse.cli("apply", id, "--yes", expect_code=3)
    expect(rouse.cli("revert", id, "--plan", expect_code=2).code, 2, "there is something to take back")
    rouse.cli("revert", id, "--yes", "--reason", "a mistake")
    expect(crm(rouse, "SELECT tier, count(*) FROM account GROUP BY 1"), [("free", 100)], "the table")
    expect(crm(rouse, "SELECT count(*) FROM journal"), [(200,)], "writes")
    expect(rouse.get("/v1/batches/" + id)["changes"].get("reverted"), 100, "reverted changes")


@scenario("one change of a batch can be applied by its name, the others wait")
def _(rouse):
    id = house(rouse, 2)
    rouse.cli("approve", id, "--all")
    one = rouse.changes(batch=id)[0]["id"]
    rouse.cli("apply", one, "--yes")
    expect(crm(rouse, "SELECT count(*) FROM journal"), [(1,)], "writes")
    rouse.cli("apply", id, "--yes")
    expect(crm(rouse, "SELECT count(*), count(DISTINCT id) FROM journal"), [(40, 40)], "writes")


@scenario("a canary that fails stops it before the others")
def _(rouse):
    id = house(rouse, 5, apply__canary=10)
    rouse.cli("approve", id, "--all")
    first = sorted(rouse.changes(batch=id), key=lambda c: c["id"])[3]
    sql(rouse, f"UPDATE account SET tier = 'by hand' WHERE id = '{first['entity']}'")
    sql(rouse, "DELETE FROM journal")
    said = rouse.cli("apply", id, "--yes", expect_code=1)
    check("stopped: 1 of the first 10 changes failed" in said.err, said.err)
    expect(crm(rouse, "SELECT count(*) FROM journal"), [(9,)], "writes")
    batch = rouse.get("/v1/batches/" + id)
    expect((batch["state"], batch["rollout"]["state"], batch["changes"]["conflict"], batch["changes"]["approved"]), ("review", "stopped", 1, 90), "the batch")
    rouse.cli("apply", id, "--yes", "--canary", "0")
    expect(crm(rouse, "SELECT count(*), count(DISTINCT id) FROM journal"), [(99, 99)], "writes")


@scenario("too large a share of failures stops it, and what is left can be applied later")
def _(rouse):
    id = house(rouse, 100, apply__stop="5%", apply__rate="400/s")
    rouse.cli("approve", id, "--all")
    sql(rouse, "UPDATE account SET tier = 'by hand' WHERE substr(id, -1) IN ('1', '2')")
    sql(rouse, "DELETE FROM journal")
    said = rouse.cli("apply", id, "--yes", expect_code=1, timeout=120)
    check("stopped:" in said.err, said.err)
    left = rouse.get("/v1/batches/" + id)["changes"]
    check(left["approved"] > 0, f"some are left: {left}")
    wait("what was let go has landed", lambda: rollout(rouse, id)["going"] == 0, 60)
    expect(crm(rouse, "SELECT count(*) - count(DISTINCT id) FROM journal"), [(0,)], "writes of the same")


@scenario("a rate is kept")
def _(rouse):
    id = house(rouse, 10)
    rouse.cli("approve", id, "--all")
    began = time.monotonic()
    rouse.cli("apply", id, "--yes", "--rate", "100/s")
    took = time.monotonic() - began
    check(took > 0.9, f"200 changes at 100 a second took {took:.2f} s")
    expect(crm(rouse, "SELECT count(*), count(DISTINCT id) FROM journal"), [(200, 200)], "writes")


@scenario("what is not to be applied is refused with a reason")
def _(rouse):
    id = house(rouse, 2)
    check("proposed" in rouse.cli("apply", id, "--yes", expect_code=4).err, "it says that they are proposed")
    rouse.cli("revert", id, "--yes", expect_code=3)
    rouse.cli("apply", "nothing/2026-01-01T00:00:00Z", "--yes", expect_code=3)
    rouse.api("POST", f"/v1/batches/{id}/apply", {"canary": -1}).expect(400)
    rouse.api("POST", f"/v1/batches/{id}/apply", {"stop": "much"}).expect(400)
    rouse.cli("approve", id, "--all")
    rouse.api("POST", f"/v1/batches/{id}/apply", {"rate": 1}).expect(202)
    rouse.api("POST", f"/v1/batches/{id}/apply", {}).expect(409)
    rouse.api("POST", f"/v1/batches/{id}/revert", {}).expect(409)


def kill_at_random(rouse, id, state, ends):
    seed = int(os.environ.get("ROUSE_TEST_SEED", time.time_ns() % 1000000))
    print(f"# seed {seed} (ROUSE_TEST_SEED)")
    for _ in range(10):
        seed = (seed * 1103515245 + 12345) % (1 << 31)
        time.sleep((seed >> 8) % 120 / 1000)
        rouse.kill_9()
        rouse.start()
        if rollout(rouse, id)["state"] == ends:
            break
    wait(f"it is {state}", lambda: rollout(rouse, id)["state"] == ends and rollout(rouse, id)["going"] == 0, 120)


@scenario("killed at random while 2,000 changes are applied and taken back, each is once in the target's journal")
def _(rouse):
    entities = 20 if is_sanitized() else 100
    id = house(rouse, entities, apply__canary=50, apply__rate="4000/s")
    count = entities * EACH
    rouse.cli("approve", id, "--all", timeout=120)
    rouse.api("POST", f"/v1/batches/{id}/apply", {}).expect(202)
    kill_at_random(rouse, id, "applied", "done")
    expect(crm(rouse, "SELECT count(*), count(DISTINCT id) FROM journal WHERE tier = 'gold'"), [(count, count)], "the journal")
    expect(rouse.get("/v1/batches/" + id)["changes"]["applied"], count, "applied")
    rouse.api("POST", f"/v1/batches/{id}/revert", {"reason": "back"}).expect(202)
    kill_at_random(rouse, id, "reverted", "done")
    expect(crm(rouse, "SELECT count(*), count(DISTINCT id) FROM journal WHERE tier = 'free'"), [(count, count)], "the journal of the way back")
    expect(rouse.get("/v1/batches/" + id)["changes"]["reverted"], count, "reverted")
    expect(crm(rouse, "SELECT tier, count(*) FROM account GROUP BY 1"), [("free", count)], "the table")


@scenario("what a batch is applied by is said with the plan, and the command line may say otherwise")
def _(rouse):
    id = house(rouse, 5, apply__canary=7, apply__rate="500/s", apply__stop="20%")
    rouse.cli("approve", id, "--all", "--reason", "fine")
    said = rouse.cli("apply", id, "--plan", expect_code=2).out
    for words in ("first 7 alone", "rate: 500 a second", "more than 20 %"):
        check(words in said, f"as its section says, {words}: {said}")
    said = rouse.cli("apply", id, "--plan", "--canary", "0", "--rate", "60/m", "--stop", "0.5%", expect_code=2).out
    for words in ("Canary: none", "rate: 1 a second", "more than 0.5 %"):
        check(words in said, f"as the command line says, {words}: {said}")
    for wrong in ("120%", "often", "-1", ""):
        said = rouse.cli("apply", id, "--plan", "--stop", wrong, expect_code=2)
        check("--stop" in said.err, f"--stop {wrong!r} is refused: {said.err}")
    # A tenth of them cannot be applied: more than one in a hundred, less than the fifth of the section.
    sql(rouse, "CREATE TRIGGER refused BEFORE UPDATE ON account WHEN NEW.id LIKE '%-1' OR NEW.id LIKE '%-2' BEGIN SELECT RAISE(ABORT, 'no'); END")
    said = rouse.cli("apply", id, "--yes", "--canary", "0", "--stop", "1%", expect_code=1)
    check("stopped" in said.err, f"it stopped at its own share: {said.err}")
    expect(rollout(rouse, id)["state"], "stopped", "the rollout")
    check("stop" in rouse.get("/v1/batches/" + id)["apply"], "programs see what it goes by")


main()
