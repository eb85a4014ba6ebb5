#!/usr/bin/env python3
# Bench: changes applied a second, and taken back, beside what the database does by itself.
# SPDX-License-Identifier: MIT
"""applies.py [ROWS]: prints NAME VALUE UNIT lines."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../scenario"))
from lib import *  # noqa: E402

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 50000
GROUP = 1000  # rows a transaction of the bare database


def say(name, value, unit):
    print(f"{name}\t{value:.6g}\t{unit}", flush=True)


def accounts(path):
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE account (id TEXT PRIMARY KEY, tier TEXT)")
        db.executemany("INSERT INTO account VALUES (?, 'free')", ((str(n),) for n in range(ROWS)))


def bare_sqlite(folder):
    """What an apply is to a database: the row, and that it was done, a thousand a transaction."""
    path = os.path.join(folder, "bare.db")
    accounts(path)
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("CREATE TABLE history (key TEXT PRIMARY KEY, change TEXT, at TEXT)")
    db.execute("PRAGMA synchronous = FULL")
    began = time.monotonic()
    for first in range(0, ROWS, GROUP):
        numbers = range(first, min(ROWS, first + GROUP))
        db.execute("BEGIN IMMEDIATE")
        db.executemany("UPDATE account SET tier = 'gold' WHERE id = ?", ((str(n),) for n in numbers))
        db.executemany("INSERT INTO history VALUES (?, ?, '')", ((f"run/{n:016x}", str(n)) for n in numbers))
        db.execute("COMMIT")
    return ROWS / (time.monotonic() - began)


def staged(rouse, status):
    """ROWS changes of one run, as a batch leaves them."""
    rouse.agent("a", says(change("0", before={"tier": "free"}, after={"tier": "gold"}), RESULT), targets="crm")
    rouse.webhook("push", agent="a")
    rouse.section("daemon", log_level="info")
    rouse.section("limits", max_running=8)
    rouse.start()
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, "succeeded")
    rouse.stop()
    db = sqlite3.connect(rouse.db)
    with db:
        db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
                   "INSERT INTO changes (id, run, target, entity, op, status, key, reason, digest, created, before, after) "
                   "SELECT printf('%s-%06d', substr(c.id, 1, 29), i), c.run, c.target, i, c.op, c.status, c.key || '/' || i, c.reason, c.digest, c.created, "
                   "c.before, c.after FROM n, (SELECT * FROM changes LIMIT 1) c", [ROWS - 1])
        db.execute("UPDATE changes SET status = ?, way = 1", [status])
        db.execute("DELETE FROM change_counts")
        db.execute("INSERT INTO change_counts SELECT status, target, count(*) FROM changes GROUP BY 1, 2")
    db.close()


def count(db, status):
    row = db.execute("SELECT n FROM change_counts WHERE status = ?", [status]).fetchone()
    return row[0] if row else 0


def timed(rouse, status):
    """Changes a second, from when the daemon is there: what it did until then counts neither way."""
    rouse.start()
    db = sqlite3.connect(f"file:{rouse.db}?mode=ro", uri=True)
    before, began = count(db, status), time.monotonic()
    while count(db, status) < ROWS:
        check(time.monotonic() - began < 300, f"all are {status} within five minutes")
        time.sleep(0.002)
    took = time.monotonic() - began
    db.close()
    rouse.stop()
    return (ROWS - before) / took


def reverting(rouse):
    db = sqlite3.connect(rouse.db)
    with db:
        db.execute("UPDATE changes SET status = 'reverting', way = 2, attempts = 0")
        db.execute("UPDATE change_counts SET status = 'reverting' WHERE status = 'applied'")
    db.close()


def sqlite_rows(rouse):
    path = os.path.join(rouse.dir, "crm.db")
    accounts(path)
    rouse.section("target crm", kind="sql", url="sqlite:" + path, table="account", id_column="id")
    bare = bare_sqlite(rouse.dir)
    say("bare SQLite, 1000 a transaction", bare, "rows/s")
    staged(rouse, "approved")
    rate = timed(rouse, "applied")
    say("applied to SQLite", rate, "changes/s")
    say("of bare SQLite", 100 * rate / bare, "%")
    reverting(rouse)
    say("reverted in SQLite", timed(rouse, "reverted"), "changes/s")


def postgresql_rows(rouse):
    """Beside psql, which does the same statements one by one in transactions of a thousand."""
    parts = {"__file__": os.path.join(SOURCE, "tests/scenario/postgresql.py")}
    with open(parts["__file__"]) as f:
        exec(f.read().split("def with_server")[0], parts)
    server = parts["Server"](rouse)
    try:
        server.sql(f"CREATE TABLE account (id text PRIMARY KEY, tier text); INSERT INTO account SELECT i::text, 'free' FROM generate_series(0, {ROWS}) i; "
                   "CREATE TABLE history (key text PRIMARY KEY, change text, at text); CREATE TABLE bare AS SELECT * FROM account; ALTER TABLE bare ADD PRIMARY KEY (id)")
        script = os.path.join(rouse.dir, "bare.sql")
        with open(script, "w") as f:
            for first in range(0, ROWS, GROUP):
                f.write("BEGIN;\n")
                for n in range(first, min(ROWS, first + GROUP)):
                    f.write(f"UPDATE bare SET tier = 'gold' WHERE id = '{n}';\nINSERT INTO history VALUES ('run/{n:016x}', '{n}', '');\n")
                f.write("COMMIT;\n")
        began = time.monotonic()
        subprocess.run([server.program("psql"), "-qX", "-d", server.url, "-f", script], check=True, stdout=subprocess.DEVNULL)
        bare = ROWS / (time.monotonic() - began)
        say("psql, 1000 a transaction", bare, "rows/s")
        rouse.section("target crm", kind="sql", url=server.url, table="account", id_column="id")
        staged(rouse, "approved")
        rate = timed(rouse, "applied")
        say("applied to PostgreSQL", rate, "changes/s")
        say("of psql", 100 * rate / bare, "%")
        reverting(rouse)
        say("reverted in PostgreSQL", timed(rouse, "reverted"), "changes/s")
    finally:
        server.close()


def proposals(rouse):
    """One run that proposes as fast as it can."""
    path = os.path.join(rouse.dir, "crm.db")
    accounts(path)
    rouse.section("target crm", kind="sql", url="sqlite:" + path, table="account", id_column="id")
    rouse.section("daemon", log_level="info")
    count = min(ROWS, 20000)
    rouse.agent("a", "read -r line\nseq 1 %d | sed 's/.*/{\"type\":\"change\",\"target\":\"crm\",\"entity\":\"&\",\"before\":{\"tier\":\"free\"},"
                "\"after\":{\"tier\":\"gold\"}}/'\n" % (count - 1), targets="crm", budget__output="64M")
    rouse.webhook("push", agent="a")
    rouse.start()
    began = time.monotonic()
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, "succeeded", 300)
    say("staged by one run", count / (time.monotonic() - began), "changes/s")
    rouse.stop()


def main():
    for part in (sqlite_rows, postgresql_rows, proposals):
        rouse = Rouse()
        try:
            part(rouse)
        except Skip as e:
            print(f"# {part.__name__} left out: {e}", flush=True)
        finally:
            rouse.close()


main()
