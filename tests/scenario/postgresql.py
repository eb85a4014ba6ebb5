#!/usr/bin/env python3
# Scenario: PostgreSQL as a target: a real server of our own, many changes a transaction, each once whatever dies.
# SPDX-License-Identifier: MIT
import glob
import pwd
from lib import *

FOUND = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))


class Server:
    """A scratch cluster below a folder, reached by its socket alone."""

    def __init__(self, rouse):
        if not FOUND:
            raise Skip("postgresql is not installed")
        self.bin = os.path.dirname(FOUND[-1])
        self.dir = tempfile.mkdtemp(prefix="rouse-pg-")
        self.user = {}
        if os.geteuid() == 0:
            entry = pwd.getpwnam("postgres")
            self.user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
            os.chown(self.dir, entry.pw_uid, entry.pw_gid)
        self.data, self.process = os.path.join(self.dir, "data"), None
        made = subprocess.run([self.program("initdb"), "-D", self.data, "-A", "trust", "-U", "rouse", "-E", "UTF8", "--no-sync", "--no-locale"],
                              capture_output=True, text=True, cwd=self.dir, **self.user)
        expect(made.returncode, 0, "initdb: " + made.stderr[-500:])
        self.url = f"postgresql:///postgres?host={self.dir}&user=rouse"
        self.start()

    def program(self, name):
        return os.path.join(self.bin, name)

    def start(self):
        with open(os.path.join(self.dir, "log"), "ab") as log:
            self.process = spawn([self.program("postgres"), "-D", self.data, "-k", self.dir, "-c", "listen_addresses=", "-c", "shared_buffers=16MB",
                                  "-c", "max_connections=20"], stdout=log, stderr=log, cwd=self.dir, **self.user)
        wait("PostgreSQL answers", lambda: self.sql("SELECT 1") == "1", 60)

    def kill(self, how=signal.SIGQUIT):
        self.process.send_signal(how)
        self.process.wait()

    def sql(self, text):
        done = subprocess.run([self.program("psql"), "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", self.url, "-c", text], capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise Failed(done.stderr)
        return done.stdout.strip()

    def close(self):
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)


def with_server(sentence):
    def add(f):
        @scenario(sentence)
        def _(rouse):
            server = Server(rouse)
            try:
                server.sql("CREATE TABLE account (id text PRIMARY KEY, tier text NOT NULL DEFAULT 'free', vip boolean, balance numeric(12,2), score float8, "
                           "tags jsonb, photo bytea, n int, CHECK (n < 1000)); "
                           "CREATE TABLE journal (id text, op text, at timestamptz DEFAULT clock_timestamp()); "
                           "CREATE FUNCTION note() RETURNS trigger AS $$ BEGIN INSERT INTO journal VALUES (COALESCE(NEW.id, OLD.id), TG_OP || ' ' || COALESCE(NEW.tier, '')); "
                           "RETURN NULL; END $$ LANGUAGE plpgsql; CREATE TRIGGER noted AFTER INSERT OR UPDATE OR DELETE ON account FOR EACH ROW EXECUTE FUNCTION note()")
                rouse.section("target crm", kind="sql", url=server.url, table="account", retry__base="50ms", retry__cap="500ms", retry__attempts=200,
                              breaker__threshold="100%", breaker__min=1000)
                f(rouse, server)
                if rouse.is_alive():
                    rouse.stop()
            finally:
                server.close()

        return f

    return add


def proposals(rouse, *messages, mode="stage"):
    rouse.agent("a", says(*messages, RESULT), targets="crm")
    rouse.webhook("push", agent="a", mode=mode)


def push(rouse):
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, "succeeded", 60)
    return run


def tally(rouse, run, **want):
    found = {}
    for one in rouse.changes(run=run):
        found[one["status"]] = found.get(one["status"], 0) + 1
    return found


@with_server("rows of every type go there and come back")
def _(rouse, server):
    server.sql("INSERT INTO account VALUES ('1', 'free', false, 12.50, 0.1, '{\"a\": [1, 2]}', '\\x00ff', 5); INSERT INTO account VALUES ('2'), ('3')")
    was = server.sql("SELECT * FROM account ORDER BY id")
    proposals(rouse, change("1", {"tier": "free", "vip": False, "balance": 12.5, "score": 0.1, "tags": {"a": [1, 2]}, "photo": {"$base64": "AP8="}, "n": 5},
                            {"tier": "'; DROP TABLE account; --", "vip": True, "balance": 99.99, "score": 1e300, "tags": ["x"], "photo": {"$base64": "Zm9v"}, "n": None}),
              change("2", {"tier": "free"}, {"tier": "gold"}), {"type": "change", "target": "crm", "op": "delete", "entity": "3"},
              {"type": "change", "target": "crm", "op": "create", "entity": "new", "after": {"tier": "silver", "n": 7}})
    rouse.start()
    run = push(rouse)
    rouse.cli("approve", run, "--all")
    rouse.cli("apply", run, "--yes")
    expect(server.sql("SELECT tier, vip, balance, score, tags, photo, n FROM account WHERE id = '1'"), "'; DROP TABLE account; --|t|99.99|1e+300|[\"x\"]|\\x666f6f|", "row 1")
    expect(server.sql("SELECT id, tier FROM account WHERE id <> '1' ORDER BY id"), "2|gold\nnew|silver", "the others")
    expect(server.sql("SELECT count(*) FROM rouse_applied"), "4", "keys")
    rouse.cli("revert", run, "--yes")
    expect(server.sql("SELECT * FROM account ORDER BY id"), was, "the table")


@with_server("what one of many does wrong harms no other, and drift is seen")
def _(rouse, server):
    server.sql("INSERT INTO account SELECT i::text FROM generate_series(1, 31) i")
    proposals(rouse, *[change(str(n), {"tier": "free"}, {"tier": "gold", "n": 5000 if n == 7 else n}) for n in range(1, 31)],
              change("nobody", {"tier": "free"}, {"tier": "x"}), change("31", {"tier": "free"}, {"n": "no number"}))
    rouse.start()
    run = push(rouse)
    server.sql("UPDATE account SET tier = 'by hand' WHERE id = '9'")
    rouse.cli("approve", run, "--all")
    wait("all have ended", lambda: not set(tally(rouse, run)) & {"approved", "applying"}, 60)
    expect(tally(rouse, run), {"applied": 28, "failed": 1, "conflict": 1, "rejected": 2}, "what became of them")
    by = {(c["entity"], c["status"]): c for c in rouse.changes(run=run)}
    check("check constraint" in by["7", "failed"]["error"], "the reason")
    expect(by["9", "conflict"]["current"]["tier"], "by hand", "what was found")
    expect(server.sql("SELECT count(*) FROM account WHERE tier = 'gold'"), "28", "rows")


def refusals(rouse, run):
    return {c["entity"]: c["decision_reason"] for c in rouse.changes(run=run) if c["status"] == "rejected" and c["decided_by"] == "target"}


@with_server("what makes no sense in a table is refused with one sentence before anybody sees it: the first proposal already")
def _(rouse, server):
    server.sql("INSERT INTO account SELECT i::text FROM generate_series(1, 3) i; "
               "CREATE TABLE item (id int PRIMARY KEY, name varchar(5) NOT NULL, twice int GENERATED ALWAYS AS (id * 2) STORED, note text)")
    rouse.section("target items", kind="sql", url=server.url, table="item")
    item = lambda entity, op="create", **after: {"type": "change", "target": "items", "op": op, "entity": entity, **({"after": after} if after else {})}
    proposals(rouse, change("1", {"tier": "free"}, {"teir": "gold"}), change("2", {"tier": "free"}, {"n": "no number"}), change("3", {"tier": "free"}, {"tier": None}),
              change("nobody", {"tier": "free"}, {"tier": "gold"}), change("'; DROP TABLE account; --", {"tier": "free"}, {"tier": "gold"}),
              {"type": "change", "target": "crm", "op": "delete", "entity": "gone"}, {"type": "change", "target": "crm", "op": "create", "entity": "1", "after": {"tier": "x"}},
              item("one", name="x"), item("5", name="Zo\u00eb 66"), item("6", name="Zo\u00eb  "), item("7", note="nameless"), item("8", name="x", twice=3),
              item("9", "update", name="y"), item("1e400", name="x"), change("2", {"tier": "free"}, {"tier": "gold"}))
    rouse.section("agent a", targets="crm, items")
    rouse.start()
    run = push(rouse)
    said = refusals(rouse, run)
    for entity, words in {"1": "did you mean tier", "3": "never null", "nobody": "no row with id nobody", "gone": "no row", "one": "invalid input syntax",
                          "5": "takes 5", "7": "needs a name", "8": "generated", "9": "no row", "1e400": "invalid input"}.items():
        check(words in said.get(entity, ""), f"{entity}: expected {words!r} in {said.get(entity)!r}")
    by = [(c["entity"], c["status"], c["decision_reason"]) for c in rouse.changes(run=run)]
    check(any(e == "2" and s == "rejected" and 'n: ' in r and '"no number"' in r for e, s, r in by), by)
    check(any(e == "1" and s == "rejected" and "already" in r for e, s, r in by), by)
    expect(sorted(e for e, s, _ in by if s == "proposed"), ["2", "6"], "what is left for people")
    expect(server.sql("SELECT count(*) FROM account"), "3", "rows")
    logs = rouse.cli("run", "logs", run).out
    check("did you mean tier" in logs and "no row with id nobody" in logs, "the run's log tells it")
    check("did you mean tier" in rouse.cli("why", run).out, "and so does rouse why")
    rouse.cli("approve", run, "--all")
    wait("the others are applied", lambda: tally(rouse, run) == {"applied": 2, "rejected": 13}, 60)


@with_server("in mode apply what makes no sense is never sent; a column that is made meanwhile counts at once")
def _(rouse, server):
    server.sql("INSERT INTO account SELECT i::text FROM generate_series(1, 3) i")
    proposals(rouse, change("1", {"tier": "free"}, {"tier": "gold", "colour": "red"}), change("2", {"tier": "free"}, {"tier": "gold"}), mode="apply")
    rouse.start()
    run = push(rouse)
    wait("one is applied", lambda: tally(rouse, run) == {"applied": 1, "rejected": 1}, 60)
    server.sql("ALTER TABLE account ADD colour text; UPDATE account SET tier = 'free'")
    run = push(rouse)
    wait("both are applied", lambda: tally(rouse, run) == {"applied": 2}, 60)


@with_server("a server that is down, or hangs, holds no run up for long: what it was not asked about is staged and says so")
def _(rouse, server):
    server.sql("INSERT INTO account SELECT i::text FROM generate_series(1, 3) i")
    proposals(rouse, *[change(str(n), {"tier": "free"}, {"tier": "gold"}) for n in (1, 2, "nobody")])
    rouse.section("target crm", timeout="2s")
    rouse.start()
    push(rouse)
    server.process.send_signal(signal.SIGSTOP)
    stopped = [int(pid) for pid in descendants(server.process.pid)]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    run = push(rouse)
    expect(tally(rouse, run), {"proposed": 3}, "while it hangs")
    for pid in stopped:
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass
    server.process.send_signal(signal.SIGCONT)
    for one in rouse.changes(run=run):
        check("could not be asked" in one["unchecked"], one)
    check("not checked" in rouse.cli("diff", run).out, "rouse diff says it")
    check("not checked" in rouse.cli("change", "show", rouse.changes(run=run)[0]["id"]).out, "and so does the change's history")
    server.kill()

    def told():
        run = push(rouse)
        return all("could not be asked" in (c["unchecked"] or "") for c in rouse.changes(run=run)) and tally(rouse, run) == {"proposed": 3}

    check(told(), "while it is down")
    server.start()
    wait("it is asked again by and by", lambda: "no row" in refusals(rouse, push(rouse)).get("nobody", ""), 60)


@with_server("a server that goes away in the middle, and comes back, has each change once")
def _(rouse, server):
    server.sql("INSERT INTO account SELECT i::text FROM generate_series(1, 3000) i; TRUNCATE journal")
    proposals(rouse, *[change(str(n), {"tier": "free"}, {"tier": "gold"}) for n in range(1, 3001)])
    rouse.section("budget", **{"output": "64M"})
    rouse.start()
    run = push(rouse)
    spawn([os.path.join(BUILD, "rouse"), "approve", run, "--all"], env={"ROUSE_SOCKET": rouse.socket, "PATH": os.environ["PATH"]}, stdout=subprocess.DEVNULL).wait()
    for how in (signal.SIGQUIT, signal.SIGINT, signal.SIGKILL):
        had = int(server.sql("SELECT count(*) FROM journal"))
        wait("some more are done", lambda: int(server.sql("SELECT count(*) FROM journal")) > had or had == 3000, 60)
        server.kill(how)
        time.sleep(0.1)
        try:
            os.unlink(os.path.join(server.data, "postmaster.pid"))
        except FileNotFoundError:
            pass
        server.start()
    wait("all are applied", lambda: rouse.get("/v1/changes?status=applied&limit=1000")["items"] and server.sql("SELECT count(*) FROM account WHERE tier = 'gold'") == "3000", 60)
    expect(server.sql("SELECT count(*), count(DISTINCT id) FROM journal"), "3000|3000", "the journal: writes and rows")


@with_server("a daemon killed at random, there and back, has each change once in the server's journal")
def _(rouse, server):
    count = 300 if is_sanitized() else 2000
    server.sql(f"INSERT INTO account SELECT i::text FROM generate_series(1, {count}) i; TRUNCATE journal")
    proposals(rouse, *[change(str(n), {"tier": "free"}, {"tier": "gold"}) for n in range(1, count + 1)])
    rouse.start()
    run = push(rouse)
    rouse.cli("approve", run, "--all", timeout=120)
    kill_until(rouse, server, "gold", count)
    expect(server.sql("SELECT count(*), count(DISTINCT id) FROM journal"), f"{count}|{count}", "the journal after apply")
    wait("all are applied", lambda: status_count(rouse, "applied") == count, 60)
    server.sql("TRUNCATE journal")
    db = sqlite3.connect(rouse.db)
    spawned = spawn([os.path.join(BUILD, "rouse"), "revert", run, "--yes", "--timeout", "60s"], env={"ROUSE_SOCKET": rouse.socket, "PATH": os.environ["PATH"]},
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait("the reverts are asked for", lambda: status_count(rouse, "applied") == 0, 60)
    kill_until(rouse, server, "free", count)
    spawned.kill()
    db.close()
    expect(server.sql("SELECT count(*), count(DISTINCT id) FROM journal"), f"{count}|{count}", "the journal after revert")
    wait("all are reverted", lambda: status_count(rouse, "reverted") == count, 60)


def status_count(rouse, status):
    db = sqlite3.connect(f"file:{rouse.db}?mode=ro", uri=True)
    try:
        return (db.execute("SELECT sum(n) FROM change_counts WHERE status = ?", [status]).fetchone()[0]) or 0
    finally:
        db.close()


def kill_until(rouse, server, tier, count):
    seed = int(os.environ.get("ROUSE_TEST_SEED", time.time_ns() % 1000000))
    print(f"# seed {seed} (ROUSE_TEST_SEED)")
    state = seed
    for _ in range(8):
        state = (state * 1103515245 + 12345) % (1 << 31)
        time.sleep((state >> 8) % 60 / 1000)
        rouse.kill_9()
        rouse.start()
        if server.sql(f"SELECT count(*) FROM account WHERE tier = '{tier}'") == str(count):
            break
    wait(f"all are {tier}", lambda: server.sql(f"SELECT count(*) FROM account WHERE tier = '{tier}'") == str(count), 60)


for point in ("sql-before-commit", "sql-after-commit", "after-apply"):

    @with_server(f"a daemon that dies at {point} has changed the row once")
    def _(rouse, server, point=point):
        server.sql("INSERT INTO account SELECT i::text FROM generate_series(1, 5) i; TRUNCATE journal")
        proposals(rouse, *[change(str(n), {"tier": "free"}, {"tier": "gold"}) for n in range(1, 6)])
        rouse.start(ROUSE_CRASH=point)
        run = push(rouse)
        rouse.cli("approve", run, "--all", expect_code=None)
        expect(rouse.ended(), -9, "exit of roused")
        rouse.start()
        wait("all are applied", lambda: tally(rouse, run) == {"applied": 5} or rouse.cli("approve", run, "--all", expect_code=None) and None, 60)
        expect(server.sql("SELECT count(*), count(DISTINCT id) FROM journal"), "5|5", "the journal")


class Line:
    """A line to the server that breaks, or falls silent, once a COMMIT was answered there and not yet here."""

    def __init__(self, server, how, times):
        self.dir, self.how, self.times, self.commits, self.over = tempfile.mkdtemp(prefix="rouse-line-"), how, times, 0, threading.Event()
        self.url = f"postgresql:///postgres?host={self.dir}&user=rouse"
        self.there = os.path.join(server.dir, ".s.PGSQL.5432")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(os.path.join(self.dir, ".s.PGSQL.5432"))
        self.listener.listen(20)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                here, _ = self.listener.accept()
            except OSError:
                return
            there = socket.socket(socket.AF_UNIX)
            there.connect(self.there)
            state = {"cut": False}
            threading.Thread(target=self.pump, args=(here, there, state, True), daemon=True).start()
            threading.Thread(target=self.pump, args=(there, here, state, False), daemon=True).start()

    def pump(self, source, sink, state, asks):
        try:
            while data := source.recv(65536):
                if asks and b"COMMIT\0" in data:
                    self.commits += 1
                    state["cut"] = self.commits <= self.times
                elif not asks and state["cut"]:
                    if self.how == "falls silent":
                        self.over.wait(120)
                    break
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.over.set()
        self.listener.close()
        shutil.rmtree(self.dir, ignore_errors=True)


for how in ("breaks", "falls silent"):

    @with_server(f"a line that {how} after a COMMIT was sent: what was done is known again, there and back")
    def _(rouse, server, how=how):
        server.sql("INSERT INTO account SELECT i::text FROM generate_series(1, 20) i; TRUNCATE journal")
        line = Line(server, how, 2)
        try:
            rouse.section("target crm", url=line.url, timeout="2s")
            proposals(rouse, *[change(str(n), {"tier": "free"}, {"tier": "gold"}) for n in range(1, 21)])
            rouse.start()
            run = push(rouse)
            rouse.cli("approve", run, "--all")
            wait("all are applied", lambda: tally(rouse, run) == {"applied": 20}, 60)
            expect(server.sql("SELECT count(*), count(DISTINCT id) FROM journal"), "20|20", "the journal")
            check(line.commits > 2, "it was asked again")
            server.sql("TRUNCATE journal")
            line.commits = 0
            rouse.cli("revert", run, "--yes", timeout=120, expect_code=None)
            wait("all are reverted", lambda: tally(rouse, run) == {"reverted": 20}, 60)
            expect(server.sql("SELECT count(*), count(DISTINCT id) FROM journal"), "20|20", "the journal of the way back")
        finally:
            line.close()


@with_server("rows that are gone by the time are conflicts that say so, with a before-image or without")
def _(rouse, server):
    server.sql("INSERT INTO account SELECT i::text FROM generate_series(1, 4) i")
    proposals(rouse, change("1", {"tier": "free"}, {"tier": "gold"}), {"type": "change", "target": "crm", "entity": "2", "after": {"tier": "gold"}},
              {"type": "change", "target": "crm", "op": "delete", "entity": "3"}, change("4", {"tier": "free"}, {"tier": "gold"}))
    rouse.start()
    run = push(rouse)
    server.sql("DELETE FROM account WHERE id <> '4'")
    rouse.cli("approve", run, "--all")
    wait("all have ended", lambda: tally(rouse, run) == {"conflict": 3, "applied": 1}, 60)
    check(all("not there any more" in c["error"] for c in rouse.changes(run=run) if c["status"] == "conflict"), "the reasons")


@with_server("a password in the url is refused, and one beside it is shown nowhere")
def _(rouse, server):
    rouse.section("target other", kind="sql", url="postgresql://rouse:hunter2@localhost/x", table="t")
    rouse.refuses_to_start("password = file:PATH")
    check("hunter2" not in rouse.log_text(), "the log shows no password")
    path = os.path.join(rouse.dir, "pw")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        f.write("hunter2\n")
    rouse.section("target other", kind="sql", url="postgresql://rouse@127.0.0.1:1/x", table="t", password="file:" + path)
    rouse.start()


@with_server("a batch over the rows of a query: typed, each once; one that fails halfway is read anew after mending")
def _(rouse, server):
    server.sql("INSERT INTO account (id, tier, vip, n) SELECT 'a' || g, 'free', g % 2 = 0, g FROM generate_series(1, 30) g")
    rouse.agent("see", "read -r e\nprintf '%s\\n' \"$e\" >>$D/mark\n")
    query = "SELECT id, n, vip, 100 / (n - 21) AS share FROM account"
    rouse.section("batch rows", agent="see", entities=f"sql:{server.url} {query}")
    rouse.section("batch wrong", agent="see", entities=f"sql:{server.url} SELECT nix FROM account")
    rouse.start()

    def ends(name):
        id = rouse.api("POST", f"/v1/batches/{name}/start", {}).expect(202).json["id"]
        return wait(f"{id} ends", lambda: (lambda b: b if b["state"] != "running" else None)(rouse.get("/v1/batches/" + id)), 60)

    b = ends("wrong")
    check(b["state"] == "failed" and "nix" in b["error"], b)
    b = ends("rows")
    check(b["state"] == "failed" and "division by zero" in b["error"] and "batch resume" in b["error"], b)
    done = b["done"]
    server.sql("UPDATE account SET n = 99 WHERE n = 21")
    rouse.cli("batch", "resume", "rows")
    b = wait("the others", lambda: (lambda b: b if b["state"] == "review" else None)(rouse.get("/v1/batches/rows")), 60)
    expect((b["entities"], b["done"]), (30, 30), f"all, {done} of them before")
    seen = [json.loads(m) for m in rouse.marks()]
    expect(sorted(e["entity"] for e in seen), sorted(f"a{i}" for i in range(1, 31)), "each once")
    expect({k: v for k, v in next(e["payload"] for e in seen if e["entity"] == "a4").items() if k != "share"}, {"id": "a4", "n": 4, "vip": True}, "typed")


main()
