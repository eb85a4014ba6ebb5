#!/usr/bin/env python3
# Scenario: a backup is made while the daemon runs, and put back while it does not.
# SPDX-License-Identifier: MIT
import glob

from lib import *


def house(rouse):
    rouse.agent("a", "read -r e; echo '{\"type\":\"result\",\"output\":1}'\n")
    rouse.webhook("push", agent="a")
    rouse.start()
    rouse.copy = os.path.join(rouse.dir, "backup.db")


def done(rouse):
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, "succeeded", 60)
    return run


def restore(rouse, path, code):
    return rouse.cli("--config", rouse.conf, "db", "restore", path, expect_code=code)


@scenario("what was there at the backup is there after the restore, and what came later lies beside it")
def _(rouse):
    house(rouse)
    before = done(rouse)
    rouse.cli("db", "backup", rouse.copy)
    after = done(rouse)
    rouse.kill_9()  # its log is still to be read
    said = restore(rouse, rouse.copy, 0)
    [aside] = [p for p in glob.glob(rouse.db + ".before-*") if not p.endswith("-wal")]
    check(aside in said.out, f"it says where the old one is: {said}")
    rouse.start()
    expect([r["id"] for r in rouse.runs()], [before], "runs")
    check(rouse.cli("db", "check", "--json").json["ok"], "the database is sound")
    done(rouse)
    db = sqlite3.connect(aside)
    check(after in [row[0] for row in db.execute("SELECT id FROM runs")], "what came later, log included, is beside it")
    db.close()
    rouse.stop()
    # Once more, and where nothing is.
    for path in glob.glob(rouse.db + "*"):
        os.unlink(path)
    restore(rouse, rouse.copy, 0)
    rouse.start()
    expect([r["id"] for r in rouse.runs()], [before], "runs")


@scenario("a live database, a foreign file, a broken or empty backup and the database itself are refused, and nothing changes")
def _(rouse):
    house(rouse)
    run = done(rouse)
    rouse.cli("db", "backup", rouse.copy)
    check("another roused" in restore(rouse, rouse.copy, 4).err, "a live database is refused")
    rouse.stop()
    foreign, broken, empty, text = (os.path.join(rouse.dir, n) for n in ("foreign", "broken", "empty", "text"))
    db = sqlite3.connect(foreign)
    db.execute("CREATE TABLE t (x)")
    db.commit()
    db.close()
    whole = open(rouse.copy, "rb").read()
    with open(broken, "wb") as f:
        f.write(whole[: len(whole) // 2])
    newer = os.path.join(rouse.dir, "newer")
    with open(newer, "wb") as f:
        f.write(whole[:60] + (9999).to_bytes(4, "big") + whole[64:])
    open(empty, "w").close()
    with open(text, "w") as f:
        f.write("SQLite, but only nearly\n" * 50)
    for path in (foreign, broken, empty, text, newer, rouse.db, rouse.dir, os.path.join(rouse.dir, "nothing")):
        said = rouse.cli("--config", rouse.conf, "db", "restore", path, expect_code=None)
        check(said.code not in (0, -11) and said.err.startswith("roused: "), f"{path} is refused with a sentence: {said}")
    expect(glob.glob(rouse.db + ".before-*") + glob.glob(rouse.db + ".restoring"), [], "what was left")
    rouse.start()
    expect([r["id"] for r in rouse.runs()], [run], "runs")


main()
