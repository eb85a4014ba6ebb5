#!/usr/bin/env python3
# Scenario: targets are asked about proposals when they are made, so that nonsense never reaches a reviewer.
# SPDX-License-Identifier: MIT
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from lib import *


class Shelf:
    """A service of entities that can be looked at, and that answers as told."""

    def __init__(self, things):
        self.things, self.looks, self.status, self.hold = things, 0, None, threading.Event()
        self.hold.set()
        shelf = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                shelf.looks += 1
                shelf.hold.wait(60)
                thing = shelf.things.get(self.path.rpartition("/")[2])
                body = json.dumps(thing).encode() if thing else b""
                try:
                    self.send_response(shelf.status or (200 if thing else 404))
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        ThreadingHTTPServer.daemon_threads = True
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None
        self.url = f"http://127.0.0.1:{self.server.server_port}/things/{{entity}}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self):
        self.hold.set()
        self.server.shutdown()
        self.server.server_close()


def with_shelf(sentence):
    def add(f):
        @scenario(sentence)
        def _(rouse):
            shelf = Shelf({"here": {"stage": "new"}, "there": {"stage": "new"}})
            try:
                rouse.section("target crm", kind="http", url=shelf.url, read_url=shelf.url, allow_private="yes", timeout="2s", retry__base="50ms")
                f(rouse, shelf)
                if rouse.is_alive():
                    rouse.stop()
            finally:
                shelf.close()

        return f

    return add


def op(name, entity, **more):
    return {"type": "change", "target": "crm", "op": name, "entity": entity, **({} if name == "delete" else {"after": {"stage": "won"}}), **more}


def proposing(rouse, *messages, mode="stage", **trigger):
    rouse.agent("a", says(*messages, RESULT), targets="crm")
    rouse.webhook("push", agent="a", mode=mode, **trigger)
    rouse.start()
    return push(rouse)


def push(rouse, status="succeeded"):
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, status, 60)
    return run


def found(rouse, run):
    """{(op, entity): status, or the sentence of the target that refused}"""
    return {(c["op"], c["entity"]): c["decision_reason"] if c["decided_by"] == "target" else c["status"] for c in rouse.changes(run=run)}


@with_shelf("http: an update or delete of what answers 404, and a create of what is there, are refused with a sentence")
def _(rouse, shelf):
    run = proposing(rouse, op("update", "here"), op("update", "gone"), op("delete", "there"), op("delete", "lost"), op("create", "fresh"), op("create", "there"), op("call", "x"))
    got = found(rouse, run)
    check("propose a create" in got.pop(("update", "gone")), "the update")
    check("nothing is to be deleted" in got.pop(("delete", "lost")), "the delete")
    check("propose an update" in got.pop(("create", "there")), "the create")
    expect(got, {("update", "here"): "proposed", ("delete", "there"): "proposed", ("create", "fresh"): "proposed", ("call", "x"): "proposed"}, "what is left for people")
    logs = rouse.cli("run", "logs", run).out
    check("has no gone" in logs and "has there already" in logs, f"the run's log tells it: {logs}")


@with_shelf("http: a service that answers 500, or nothing, is said to be unasked; the run ends all the same")
def _(rouse, shelf):
    shelf.status = 500
    run = proposing(rouse, op("update", "gone"), op("update", "here"))
    for one in rouse.changes(run=run):
        check(one["status"] == "proposed" and "could not be asked" in one["unchecked"], one)
    shelf.status = None

    def refused():
        return "propose a create" in found(rouse, push(rouse))["update", "gone"]

    wait("it is asked again after a while", refused, 60)
    shelf.hold.clear()
    run = push(rouse)
    for one in rouse.changes(run=run):
        check(one["status"] == "proposed" and "could not be asked" in one["unchecked"], one)


@with_shelf("http: killed while the service is asked, the next daemon asks again, and nothing is staged twice")
def _(rouse, shelf):
    shelf.hold.clear()
    rouse.section("target crm", timeout="30s")
    rouse.agent("a", says(op("update", "gone"), op("update", "here"), RESULT), targets="crm")
    rouse.webhook("push", agent="a", mode="apply")
    rouse.start()
    run = rouse.deliver("push").expect(202).run_id
    wait("the service is asked", lambda: shelf.looks >= 2)
    rouse.kill_9()
    shelf.hold.set()
    rouse.start()
    rouse.wait_run(run, "succeeded", 60)
    got = found(rouse, run)
    check("propose a create" in got["update", "gone"] and len(got) == 2 and len(rouse.changes(run=run)) == 2, got)


@with_shelf("expect, and rules, see what is left of the proposals")
def _(rouse, shelf):
    rouse.agent("a", says(op("update", "gone"), RESULT), targets="crm")
    rouse.webhook("push", agent="a", expect='[.changes[] | select(.status != "rejected")] | length > 0', auto_approve="true")
    rouse.start()
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, "failed", 60)
    expect(rouse.get("/v1/runs/" + run)["reason"], "no_effect", "the run")
    check("propose a create" in found(rouse, run)["update", "gone"], "no rule approves what its target refused")


@with_shelf("a batch is in review only when its targets were asked")
def _(rouse, shelf):
    names = ["here", "there"] + [f"e{n}" for n in range(40)]
    path = os.path.join(rouse.dir, "in.csv")
    with open(path, "w") as f:
        f.write("id\n" + "\n".join(names) + "\n")
    rouse.agent("a", """read -r e
id=$(printf '%s' "$e" | sed 's/.*"id":"\\([^"]*\\)".*/\\1/')
printf '{"type":"change","target":"crm","entity":"%s","after":{"stage":"won"}}\\n' "$id"
""", targets="crm")
    rouse.section("batch all", agent="a", entities="csv:" + path, concurrency=8)
    rouse.start()
    id = rouse.api("POST", "/v1/batches/all/start", {}).expect(202).json["id"]
    batch = wait("it is in review", lambda: (lambda b: b if b["state"] == "review" else None)(rouse.get("/v1/batches/" + id)), 60)
    expect({k: v for k, v in batch["changes"].items() if v}, {"proposed": 2, "rejected": 40}, "its changes")


CHECK = """#!/bin/sh
cat >"$D/asked.$ROUSE_ENTITY"
case $ROUSE_ENTITY in
good) exit 0 ;;
bad) echo "there is no bad" >&2; exit 65 ;;
stale) echo "it moved on" >&2; exit 76 ;;
later) exit 75 ;;
crash) kill -9 $$ ;;
slow) sleep 600 ;;
flood) yes "no such thing" | head -c 300000 >&2; exit 64 ;;
esac
"""


def exec_target(rouse, check=CHECK):
    path, deed = os.path.join(rouse.dir, "check"), os.path.join(rouse.dir, "deed")
    for name, text in ((path, check), (deed, "#!/bin/sh\ncat >/dev/null\n")):
        with open(name, "w") as f:
            f.write(text)
        os.chmod(name, 0o755)
    rouse.section("target crm", kind="exec", command=deed, check=path, env=f"D={rouse.dir}", pass_env="PATH", timeout="2s")


@scenario("exec: check is asked with the whole proposal; what it refuses is rejected in its words")
def _(rouse):
    exec_target(rouse)
    run = proposing(rouse, op("update", "good"), op("update", "bad"), op("delete", "stale"), op("create", "flood"))
    got = found(rouse, run)
    expect(got["update", "good"], "proposed", "the good one")
    check("there is no bad" in got["update", "bad"] and "it moved on" in got["delete", "stale"], got)
    check(len(got["create", "flood"]) < 600 and "no such" in got["create", "flood"], got)
    with open(os.path.join(rouse.dir, "asked.good")) as f:
        told = json.loads(f.read())
    expect((told["entity"], told["op"], told["after"]), ("good", "update", {"stage": "won"}), "what check was told")


for entity, words in (("later", "exit status 75"), ("crash", "signal 9"), ("slow", "did not end within")):

    @scenario(f"exec: a check that cannot say ({entity}) leaves the proposal for people, unchecked")
    def _(rouse, entity=entity, words=words):
        exec_target(rouse)
        run = proposing(rouse, op("update", entity))
        [one] = rouse.changes(run=run)
        check(one["status"] == "proposed" and words in one["unchecked"], one)


@scenario("exec: a check that is not there is refused by the configuration, or leaves the proposal unchecked")
def _(rouse):
    exec_target(rouse)
    run = proposing(rouse, op("update", "good"))
    os.unlink(os.path.join(rouse.dir, "check"))
    [one] = rouse.changes(run=push(rouse))
    check(one["status"] == "proposed" and "check" in one["unchecked"], one)


main()
