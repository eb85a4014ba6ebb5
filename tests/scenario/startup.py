#!/usr/bin/env python3
# Scenario: what the daemon finds when it starts, and what it refuses to start on.
# SPDX-License-Identifier: MIT
from lib import *


def sound(rouse):
    rouse.agent("ok", says(RESULT))
    rouse.webhook("push", agent="ok")


@scenario("an empty state folder is made, and the daemon is ready")
def _(rouse):
    sound(rouse)
    rouse.start()
    expect(os.stat(rouse.state).st_mode & 0o007, 0, "rights of others on the state folder")
    check(not rouse.api("GET", "/v1/status").json["halted"], "not halted")


@scenario("a port that is in use is said, and the daemon does not start")
def _(rouse):
    sound(rouse)
    with socket.socket() as s:
        s.bind(("127.0.0.1", rouse.port))
        s.listen()
        rouse.refuses_to_start(str(rouse.port))


@scenario("a second daemon on the same state is refused, and the first goes on")
def _(rouse):
    sound(rouse)
    rouse.start()
    second = Rouse()
    try:
        second.sections = {k: dict(v) for k, v in rouse.sections.items()}
        second.section("http", listen=f"127.0.0.1:{second.port}")
        second.refuses_to_start()
        second.section("daemon", socket=second.socket)
        second.refuses_to_start()
    finally:
        shutil.rmtree(second.dir)
    rouse.wait_run(rouse.deliver("push").expect(202).run_id, "succeeded")
    rouse.cli("run", "list")


@scenario("a socket that a killed daemon left is taken over")
def _(rouse):
    sound(rouse)
    rouse.start()
    rouse.kill_9()
    check(os.path.exists(rouse.socket), "the socket is left")
    rouse.start()
    rouse.cli("status")


@scenario("a state folder that cannot be made is said, and the daemon does not start")
def _(rouse):
    sound(rouse)
    with open(os.path.join(rouse.dir, "file"), "w"):
        pass
    rouse.section("daemon", state_dir=os.path.join(rouse.dir, "file", "state"))
    rouse.refuses_to_start("state")


@scenario("a state folder that cannot be written is said, and the daemon does not start")
def _(rouse):
    needs_root()
    needs_program("setpriv")
    sound(rouse)
    os.mkdir(rouse.state, 0o755)
    os.chmod(rouse.dir, 0o777)
    os.chown(os.path.join(rouse.dir, "secret-push"), 65534, 65534)
    rouse.wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    rouse.refuses_to_start(rouse.state)


def catches_term(process):
    """Has it set its handler of SIGTERM?"""
    try:
        with open(f"/proc/{process.pid}/status") as f:
            caught = next(line.split()[1] for line in f if line.startswith("SigCgt"))
    except (OSError, StopIteration):
        return False
    return bool(int(caught, 16) >> signal.SIGTERM - 1 & 1)


def under_a_storm(rouse):
    """Its exit status, when SIGTERM comes again and again from the moment on where it is caught."""
    rouse.launch()
    while rouse.daemon.poll() is None:
        if catches_term(rouse.daemon):
            while rouse.daemon.poll() is None:
                rouse.daemon.terminate()
    return rouse.ended()


@scenario("a daemon that ends is not killed by another SIGTERM, nor one that could not start")
def _(rouse):
    sound(rouse)
    for _ in range(10):
        expect(under_a_storm(rouse), 0, "exit status after SIGTERM")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        rouse.section("http", listen=f"127.0.0.1:{other.getsockname()[1]}")
        for _ in range(20):
            expect(under_a_storm(rouse), 1, "exit status where the port is taken")


def stopped(rouse):
    sound(rouse)
    rouse.start()
    rouse.wait_run(rouse.deliver("push").run_id, "succeeded")
    rouse.stop()


@scenario("a database of a later version is refused with a sentence, and left as it is")
def _(rouse):
    stopped(rouse)
    with sqlite3.connect(rouse.db) as db:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        check(version > 0, "the version stands in user_version")
        db.execute("PRAGMA user_version = 9999")
    rouse.refuses_to_start("9999")
    with sqlite3.connect(rouse.db) as db:
        expect(db.execute("PRAGMA user_version").fetchone()[0], 9999, "the version afterwards")


@scenario("a database that is none is refused, and not overwritten")
def _(rouse):
    stopped(rouse)
    for leftover in (rouse.db + "-wal", rouse.db + "-shm"):
        if os.path.exists(leftover):
            os.unlink(leftover)
    garbage = b"This is not a database. " * 4096
    with open(rouse.db, "wb") as f:
        f.write(garbage)
    rouse.refuses_to_start("rouse.db")
    with open(rouse.db, "rb") as f:
        check(f.read() == garbage, "the file is as it was")


@scenario("a database with a broken page is noticed")
def _(rouse):
    stopped(rouse)
    with sqlite3.connect(rouse.db) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = os.path.getsize(rouse.db)
    with open(rouse.db, "r+b") as f:
        f.seek(4096)
        f.write(b"\xff" * (size - 4096))
    before = hashlib.sha256(open(rouse.db, "rb").read()).digest()
    rouse.refuses_to_start("rouse.db")
    expect(hashlib.sha256(open(rouse.db, "rb").read()).digest(), before, "the file")


@scenario("a backup taken while it runs is whole, and starts another daemon that knows all")
def _(rouse):
    sound(rouse)
    rouse.start()
    run = rouse.deliver("push", id="d1").run_id
    rouse.wait_run(run, "succeeded")
    copy = os.path.join(rouse.dir, "copy.db")
    rouse.cli("db", "backup", copy)
    rouse.cli("db", "check")
    expect(sqlite3.connect(copy).execute("PRAGMA integrity_check").fetchone()[0], "ok", "the copy")
    rouse.stop()
    shutil.rmtree(rouse.state)
    os.mkdir(rouse.state, 0o700)
    shutil.copy(copy, rouse.db)
    rouse.start()
    expect(rouse.run(run)["status"], "succeeded", "the run")
    expect(rouse.deliver("push", id="d1").expect(200).run_id, run, "the redelivery's run")


@scenario("SIGTERM ends it well, SIGUSR1 tells its state, --version its version")
def _(rouse):
    sound(rouse)
    rouse.start()
    rouse.daemon.send_signal(signal.SIGUSR1)
    wait("the state is in the log", lambda: "queue" in rouse.log_text() or "state" in rouse.log_text())
    rouse.stop()
    for program in ("roused", "rouse"):
        said = spawn([os.path.join(BUILD, program), "--version"], stdout=subprocess.PIPE, text=True)
        check(any(c.isdigit() for c in said.communicate(timeout=10)[0]), f"{program} --version")


main()
