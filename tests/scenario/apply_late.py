#!/usr/bin/env python3
# Scenario: targets that did it and never said so are asked again, and do it once; entities that went meanwhile are conflicts.
# SPDX-License-Identifier: MIT
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from lib import *


class Service:
    """Keeps deals and knows a repetition by its key; does what it is asked, and then keeps silent so many times."""

    def __init__(self, silent=0, knows_keys=True):
        self.deals, self.keys, self.calls, self.writes = {"1": {"stage": "new"}}, set(), [], 0
        self.silent, self.over, lock = silent, threading.Event(), threading.Lock()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, status, value=None):
                body = b"" if value is None else json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                deal = service.deals.get(self.path.rpartition("/")[2])
                self.answer(200 if deal else 404, deal)

            def deed(self):
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"null")
                name, key = self.path.rpartition("/")[2], self.headers.get("Idempotency-Key")
                with lock:
                    service.calls.append(key)
                    known, silent = knows_keys and key in service.keys, service.silent > 0
                    service.silent -= silent
                    if not known and self.command != "POST" and name not in service.deals:
                        return self.answer(404)
                    if not known:
                        service.keys.add(key)
                        service.writes += 1
                        if self.command == "DELETE":
                            del service.deals[name]
                        else:
                            service.deals[name] = {**service.deals.get(name, {}), **body}
                if silent:
                    service.over.wait(120)
                try:
                    self.answer(200, {"ok": True})
                except OSError:
                    pass

            do_PATCH = do_POST = do_DELETE = deed

            def log_message(self, *_):
                pass

        ThreadingHTTPServer.daemon_threads = True
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None
        self.url = f"http://127.0.0.1:{self.server.server_port}/deals/{{entity}}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()


RETRY = {"retry__base": "50ms", "retry__cap": "200ms", "retry__attempts": 50, "breaker__min": 1000}


def proposed(rouse, *messages, mode="stage"):
    rouse.agent("a", says(*messages, RESULT), targets="crm")
    rouse.webhook("push", agent="a", mode=mode)
    rouse.start()
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, "succeeded", 60)
    return run


def settled(rouse, run, **kwargs):
    """Approves all, and waits until nothing goes on."""
    rouse.cli("approve", run, "--all", timeout=120, expect_code=None)
    wait("all have ended", lambda: not {c["status"] for c in rouse.changes(run=run)} & {"proposed", "approved", "applying"}, 60)
    return rouse.changes(run=run)


# --- did it, and never said so ----------------------------------------------------------------------

for name, reads, knows_keys in (("knows its key", False, True), ("can be looked at", True, False)):

    @scenario(f"http: a service that did it and never answers, and {name}, has the change once")
    def _(rouse, reads=reads, knows_keys=knows_keys):
        service = Service(silent=2 if knows_keys else 1, knows_keys=knows_keys)
        try:
            rouse.section("target crm", kind="http", url=service.url, read_url=service.url if reads else None, allow_private="yes", timeout="500ms", **RETRY)
            [one] = settled(rouse, proposed(rouse, change()))
            expect((one["status"], service.deals["1"], service.writes), ("applied", {"stage": "won"}, 1), "the change, the deal, how often it was written")
            expect(len(set(service.calls)), 1, "keys under which it was asked")
            check(one["attempts"] >= 1, "it was asked again")
        finally:
            service.close()


for op in ("create", "delete"):

    @scenario(f"http: a {op} that was done and never answered is known again")
    def _(rouse, op=op):
        service = Service(silent=1, knows_keys=False)
        entity = "9" if op == "create" else "1"
        try:
            rouse.section("target crm", kind="http", url=service.url, read_url=service.url, allow_private="yes", timeout="500ms", **RETRY)
            message = {"type": "change", "target": "crm", "op": op, "entity": entity, **({"after": {"stage": "won"}} if op == "create" else {})}
            [one] = settled(rouse, proposed(rouse, message))
            expect((one["status"], service.writes, entity in service.deals), ("applied", 1, op == "create"), "the change, writes, the deal")
        finally:
            service.close()


@scenario("exec: a command that did it and then hangs is ended and asked again, and its key tells it")
def _(rouse):
    path = os.path.join(rouse.dir, "deed")
    with open(path, "w") as f:
        f.write('#!/bin/sh\ncat >/dev/null\necho asked >>"$D/asked"\ngrep -qs "^$ROUSE_CHANGE_KEY$" "$D/done" && exit 0\necho "$ROUSE_CHANGE_KEY" >>"$D/done"\nsleep 600\n')
    os.chmod(path, 0o755)
    rouse.section("target crm", kind="exec", command=path, env=f"D={rouse.dir}", pass_env="PATH", timeout="1s", **RETRY)
    [one] = settled(rouse, proposed(rouse, change()))
    with open(os.path.join(rouse.dir, "done")) as f:
        expect((one["status"], len(f.readlines())), ("applied", 1), "the change, and how often it was done")
    with open(os.path.join(rouse.dir, "asked")) as f:
        check(len(f.readlines()) >= 2, "it was asked again")


@scenario("exec: a command that hangs after its deed, beside a read that sees it, is not started again")
def _(rouse):
    for name, text in (("deed", 'cat >/dev/null\necho "{\\"stage\\":\\"won\\"}" >"$D/is"\necho done >>"$D/done"\nsleep 600\n'), ("read", 'cat "$D/is"\n')):
        with open(os.path.join(rouse.dir, name), "w") as f:
            f.write("#!/bin/sh\n" + text)
        os.chmod(f.name, 0o755)
    with open(os.path.join(rouse.dir, "is"), "w") as f:
        f.write('{"stage":"new"}')
    rouse.section("target crm", kind="exec", command=os.path.join(rouse.dir, "deed"), read=os.path.join(rouse.dir, "read"), env=f"D={rouse.dir}", pass_env="PATH",
                  timeout="1s", **RETRY)
    [one] = settled(rouse, proposed(rouse, change()))
    with open(os.path.join(rouse.dir, "done")) as f:
        expect((one["status"], len(f.readlines())), ("applied", 1), "the change, and how often it was done")


for point in ("sql-before-commit", "sql-after-commit"):

    @scenario(f"SQLite: a daemon that dies at {point} has written each row once, there and back")
    def _(rouse, point=point):
        rouse.crm()
        rouse.agent("a", says(*[change(str(n)) for n in range(1, 6)], RESULT), targets="crm")
        rouse.webhook("push", agent="a")
        rouse.start(ROUSE_CRASH=point)
        run = rouse.deliver("push").expect(202).run_id
        rouse.wait_run(run, "succeeded", 60)
        rouse.cli("approve", run, "--all", expect_code=None)
        expect(rouse.ended(60), -9, "exit of roused")
        rouse.start()
        expect({c["status"] for c in settled(rouse, run)}, {"applied"}, "the changes")
        expect([rouse.deal(str(n)) for n in range(1, 6)], [("won", 1)] * 5, "the deals")
        rouse.restart(ROUSE_CRASH=point)
        rouse.cli("revert", run, "--yes", expect_code=None)
        expect(rouse.ended(60), -9, "exit of roused")
        rouse.start()
        wait("all are reverted", lambda: {c["status"] for c in rouse.changes(run=run)} == {"reverted"} or rouse.cli("revert", run, "--yes", expect_code=None) and None, 60)
        expect([rouse.deal(str(n)) for n in range(1, 6)], [("new", 2)] * 5, "the deals")


# --- gone meanwhile ---------------------------------------------------------------------------------


def gone(rouse, run, entities):
    """Each is a conflict that says so."""
    for one in settled(rouse, run):
        check(one["status"] == "conflict" and "not there any more" in one["error"] and one["entity"] in one["error"] and one["current"] is None, one)
    expect(sorted({c["entity"] for c in rouse.changes(run=run)}), sorted(entities), "entities")


def three(**more):
    """With and without a before-image, and a delete."""
    return [{"type": "change", "target": "crm", "op": "update", "entity": "1", "before": {"stage": "new"}, "after": {"stage": "won"}},
            {"type": "change", "target": "crm", "op": "update", "entity": "2", "after": {"stage": "won"}}, {"type": "change", "target": "crm", "op": "delete", "entity": "3"}]


@scenario("gone meanwhile: a row")
def _(rouse):
    rouse.crm()
    rouse.section("target crm", read=None, apply=None, revert=None, table="deal")
    run = proposed(rouse, *three())
    with sqlite3.connect(rouse.crm_path) as db:
        db.execute("DELETE FROM deal WHERE id IN (1, 2, 3)")
    gone(rouse, run, "123")


@scenario("gone meanwhile: a row that only a statement knows of")
def _(rouse):
    rouse.crm(read=None)
    run = proposed(rouse, change())
    with sqlite3.connect(rouse.crm_path) as db:
        db.execute("DELETE FROM deal WHERE id = 1")
    [one] = settled(rouse, run)
    check(one["status"] == "conflict" and "touched no row" in one["error"], one)


for reads in (True, False):

    @scenario(f"gone meanwhile: a resource, {'seen' if reads else 'told by the answer'}")
    def _(rouse, reads=reads):
        service = Service()
        try:
            service.deals.update({"2": {"stage": "new"}, "3": {"stage": "new"}})
            rouse.section("target crm", kind="http", url=service.url, read_url=service.url if reads else None, allow_private="yes", **RETRY)
            run = proposed(rouse, *three())
            service.deals.clear()
            gone(rouse, run, "123")
            expect((service.writes, bool(service.calls)), (0, not reads), "what was asked of it")
        finally:
            service.close()


@scenario("gone meanwhile: what a command reads")
def _(rouse):
    for name, text in (("deed", 'cat >/dev/null\necho done >>"$D/done"\n'), ("read", 'cat "$D/is.$ROUSE_ENTITY" 2>/dev/null || true\n')):
        with open(os.path.join(rouse.dir, name), "w") as f:
            f.write("#!/bin/sh\n" + text)
        os.chmod(f.name, 0o755)
    rouse.section("target crm", kind="exec", command=os.path.join(rouse.dir, "deed"), read=os.path.join(rouse.dir, "read"), env=f"D={rouse.dir}", pass_env="PATH", **RETRY)
    gone(rouse, proposed(rouse, *three()), "123")
    check(not os.path.exists(os.path.join(rouse.dir, "done")), "the command was not started")


def files(op_update_after="x"):
    return [{"type": "change", "target": "crm", "op": "update", "entity": "1.txt", "before": "old\n", "after": "new\n"},
            {"type": "change", "target": "crm", "op": "update", "entity": "2.txt", "after": "new\n"}, {"type": "change", "target": "crm", "op": "delete", "entity": "3.txt"}]


@scenario("gone meanwhile: a file")
def _(rouse):
    root = os.path.join(rouse.dir, "root")
    os.mkdir(root)
    for n in "123":
        with open(os.path.join(root, n + ".txt"), "w") as f:
            f.write("old\n")
    rouse.section("target crm", kind="file", root=root)
    run = proposed(rouse, *files())
    for n in "123":
        os.unlink(os.path.join(root, n + ".txt"))
    gone(rouse, run, ["1.txt", "2.txt", "3.txt"])
    expect(os.listdir(root), [], "the folder")


@scenario("gone meanwhile: a file of a branch")
def _(rouse):
    if not shutil.which("git"):
        raise Skip("git is not installed")
    repo, work = os.path.join(rouse.dir, "repo.git"), os.path.join(rouse.dir, "work")
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}

    def git(*argv):
        subprocess.run(["git", *argv], check=True, env=env, capture_output=True)

    git("init", "-q", "-b", "main", work)
    for n in "123":
        with open(os.path.join(work, n + ".txt"), "w") as f:
            f.write("old\n")
    git("-C", work, "add", ".")
    git("-C", work, "commit", "-q", "-m", "x")
    git("clone", "-q", "--bare", work, repo)
    rouse.section("target crm", kind="git", repo=repo, branch="main")
    run = proposed(rouse, *files())
    git("-C", work, "rm", "-q", "1.txt", "2.txt", "3.txt")
    git("-C", work, "commit", "-q", "-m", "y")
    git("-C", work, "push", "-q", repo, "main")
    gone(rouse, run, ["1.txt", "2.txt", "3.txt"])


main()
