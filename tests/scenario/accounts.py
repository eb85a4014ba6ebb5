#!/usr/bin/env python3
# Scenario: an agent goes over thousands of accounts, goes wrong now and then; what is right gets into the CRM, once.
# SPDX-License-Identifier: MIT
import random
from docs_lib import *

EXAMPLE = os.path.join(SOURCE, "examples/accounts")
EVERY = 100  # one account in so many goes wrong


def house(rouse, count, faults=EVERY, **batch):
    """A CRM of so many accounts, and a batch that tags them; what the CRM holds."""
    subprocess.run([sys.executable, os.path.join(EXAMPLE, "make-crm.py"), rouse.dir, str(count)], check=True, stdout=subprocess.DEVNULL, timeout=60)
    rouse.crm_path = os.path.join(rouse.dir, "accounts.db")
    rouse.section("agent tag", kind="exec", command=os.path.join(EXAMPLE, "tag.py"), env=f"FAULTS={faults}", targets="crm",
                  concurrency="8", budget__cost="0.05", budget__deadline="20s" if is_sanitized() else "5s", retry__attempts="1")
    rouse.section("target crm", kind="sql", url="sqlite:" + rouse.crm_path, table="account")
    rouse.section("batch tag-accounts", agent="tag", entities="csv:" + os.path.join(rouse.dir, "accounts.csv"), entity_key="id",
                  concurrency="8", batch_budget__cost="100", **batch)
    return table(rouse)


def table(rouse):
    """{id: (segment, region)} of the CRM."""
    db = sqlite3.connect(rouse.crm_path)
    try:
        return {row[0]: row[1:] for row in db.execute("SELECT id, segment, region FROM account")}
    finally:
        db.close()


def tagged(rouse):
    """The same as it must be when every account that the agent went right on is tagged; worked out apart from the agent."""
    regions = dict(DE="EMEA", AT="EMEA", CH="EMEA", FR="EMEA", US="AMER", BR="AMER", JP="APAC")
    db = sqlite3.connect(rouse.crm_path)
    try:
        rows = db.execute("SELECT id, country, employees, revenue FROM account").fetchall()
    finally:
        db.close()
    return {id: (("small", "mid", "enterprise")[(people >= 100 or revenue >= 20000) + (people >= 1000)], regions[country])
            for id, country, people, revenue in rows if int(id[1:]) % EVERY}


def wrong(count, kind):
    """Accounts that the agent goes wrong on in this way."""
    return [f"A{n:06}" for n in range(EVERY, count + 1, EVERY) if n // EVERY % 5 == kind]


def batch(rouse):
    [one] = rouse.items("/v1/batches")
    return one


def outcomes(rouse, id, status):
    """{entity: reason}"""
    said = rouse.cli("batch", "show", id, "--entities", "--status", status, "--limit", "100000", "--json")
    return {line["entity"]: line["reason"] for line in said.lines}


@scenario("a batch over thousands of accounts: faults have their reasons, review finds them, the CRM is right to the row, and back")
def _(rouse):
    count = int(os.environ.get("ACCOUNTS", "500" if is_sanitized() else "5000"))
    before = house(rouse, count, apply__canary="20")
    rouse.start()
    rouse.cli("batch", "start", "tag-accounts", "--wait", timeout=900)
    got = batch(rouse)
    halves, hung, died, spent, made_up = (wrong(count, kind) for kind in range(5))
    expect((got["state"], got["entities"], got["done"], got["skipped"], got["failed"], got["left"]),
           ("review", count, count - len(hung + died + spent), len(hung + died + spent), 0, 0), "the batch")
    expect(outcomes(rouse, got["id"], "skipped"),
           {**{e: "deadline" for e in hung}, **{e: "exhausted" for e in died}, **{e: "budget_cost" for e in spent}}, "what was skipped")
    expect(got["changes"]["proposed"], count - len(hung + died + spent + made_up), "proposals: what was made up never got here")
    check(table(rouse) == before, "nothing is applied before somebody decides")

    # What goes wrong differs in shape: its group stands by itself.
    groups = rouse.cli("diff", got["id"], "--where", '.after | has("region") | not', "--json").out
    check(all(e in groups for e in halves[:2]), f"the diff finds the group: {groups}")
    rouse.cli("reject", got["id"], "--where", '.after | has("region") | not', "--reason", "half an answer")
    expect(batch(rouse)["changes"]["rejected"], len(halves), "rejected")
    check("look at\n  59, when 0" in rouse.cli("sample", "plan", got["id"]).out, "how many to look at")
    rouse.cli("approve", got["id"], "--all", "--reason", "sampled")

    # Meanwhile somebody works in the CRM: one account is tagged by hand, another is gone.
    with sqlite3.connect(rouse.crm_path) as db:
        db.execute("UPDATE account SET segment = 'partner' WHERE id = 'A000301'")
        db.execute("DELETE FROM account WHERE id = 'A000402'")
    db.close()
    rouse.cli("apply", got["id"], "--yes", timeout=600, expect_code=1)
    want = {**before, **tagged(rouse), "A000301": ("partner", None)}
    del want["A000402"]
    expect({k: v for k, v in table(rouse).items() if want.get(k) != v}, {}, "rows of the CRM that are not as they should be")
    expect(len(table(rouse)), len(want), "rows of the CRM")
    states = batch(rouse)["changes"]
    expect((states.get("conflict"), states.get("applied")), (2, len(tagged(rouse)) - 1), "conflicts and applied changes")

    shown = rouse.cli("diff", got["id"]).out
    check("2 conflict" in shown and "A000301" in shown and "partner" in shown, f"conflicts come first, with what is there: {shown}")

    rouse.cli("revert", got["id"], "--yes", timeout=600)
    want = {**before, "A000301": ("partner", None)}
    del want["A000402"]
    expect({k: v for k, v in table(rouse).items() if want.get(k) != v}, {}, "rows that are not back")


@scenario("docs/accounts.md works as it stands")
def _(rouse):
    needs_program("sqlite3")
    follow(rouse, "accounts.md", [("/usr/share/doc/rouse/examples/accounts", EXAMPLE)])


@scenario("kill -9 at any moment of a batch, its approval, its application and its revert: the same end")
def _(rouse):
    count, kills = 300, int(os.environ.get("KILLS", "4" if is_sanitized() else "12"))
    before = house(rouse, count)
    rouse.start()
    dice = random.Random(int(os.environ.get("SEED", "5")))
    killed = 0

    def insist(*words, until):
        """A verb that is said again as long as daemons die under it; a fifth of all deaths."""
        nonlocal killed
        most = killed + kills // 5
        deadline = time.monotonic() + 600 * PATIENCE
        while not until():
            check(time.monotonic() < deadline, f"{words} comes to its end")
            process = spawn([os.path.join(BUILD, "rouse"), "--socket", rouse.socket, *words], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
            while killed < most and process.poll() is None:
                time.sleep(dice.uniform(0.005, 0.4))
                rouse.kill_9()
                killed += 1
                rouse.start()
            process.wait(600)

    def changes(state):
        return batch(rouse)["changes"].get(state, 0)

    insist("batch", "start", "tag-accounts", until=lambda: rouse.items("/v1/batches"))
    insist("batch", "show", "tag-accounts", "--follow", until=lambda: batch(rouse)["state"] != "running")
    got = batch(rouse)
    halves, hung, died, spent, made_up = (wrong(count, kind) for kind in range(5))
    proposed = count - len(hung + died + spent + made_up)
    expect(outcomes(rouse, got["id"], "skipped"),
           {**{e: "deadline" for e in hung}, **{e: "exhausted" for e in died}, **{e: "budget_cost" for e in spent}}, "what was skipped")
    expect((got["state"], got["done"]), ("review", count - len(hung + died + spent)), "the batch")
    expect(changes("proposed"), proposed, "proposals: each entity has one")
    insist("approve", got["id"], "--all", "--reason", "all", until=lambda: changes("proposed") == 0)
    insist("apply", got["id"], "--yes", until=lambda: changes("applied") == proposed)
    want = {**before, **tagged(rouse), **{e: ("Enterprise, probably", None) for e in halves}}
    expect({k: v for k, v in table(rouse).items() if want.get(k) != v}, {}, "rows of the CRM that are not as they should be")
    insist("revert", got["id"], "--yes", until=lambda: changes("reverted") == proposed)
    check(table(rouse) == before, "the CRM is as it was")
    rouse.cli("db", "check")
    print(f"# {killed} kills")


main()
