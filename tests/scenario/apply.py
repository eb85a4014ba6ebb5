#!/usr/bin/env python3
# Scenario: targets that are down, slow, stubborn or changed under our hands; services by HTTP, and commands of one's own.
# SPDX-License-Identifier: MIT
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from lib import *


class Service:
    """A small HTTP service that keeps deals, knows a repetition by its key, and misbehaves as told."""

    def __init__(self, port):
        self.deals, self.done, self.calls = {"1": {"stage": "new"}}, {}, []
        self.status, self.headers, self.hold = None, {}, threading.Event()
        self.hold.set()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, status, value=None):
                body = b"" if value is None else json.dumps(value).encode()
                self.send_response(status)
                for name, text in {**service.headers, "Content-Length": len(body)}.items():
                    self.send_header(name, str(text))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                deal = service.deals.get(self.path.rpartition("/")[2])
                self.answer(200 if deal else 404, deal)

            def do_PATCH(self):
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"null")
                key = self.headers.get("Idempotency-Key")
                service.calls.append(key)
                service.hold.wait(20)
                try:
                    if service.status:
                        self.answer(service.status, {"error": "as told"})
                        return
                    if key not in service.done:
                        service.done[key] = body
                        service.deals[self.path.rpartition("/")[2]].update(body)
                    self.answer(200, {"ok": True})
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        ThreadingHTTPServer.allow_reuse_address = True
        ThreadingHTTPServer.daemon_threads = True
        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self):
        self.hold.set()
        self.server.shutdown()
        self.server.server_close()


def proposed(rouse, *messages, **trigger):
    rouse.agent("a", says(*(messages or [change()]), RESULT), targets="crm")
    rouse.webhook("push", agent="a", **trigger)
    rouse.start()
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, "succeeded")
    return sorted(rouse.changes(run=run), key=lambda c: c["entity"])


def http_target(rouse, port, **keys):
    rouse.section("target crm", **{"kind": "http", "url": f"http://127.0.0.1:{port}/deals/{{entity}}", "read_url": f"http://127.0.0.1:{port}/deals/{{entity}}",
                                   "allow_private": "yes", "retry__base": "50ms", "retry__cap": "200ms", "retry__attempts": 200, **keys})


def attempts(rouse, one):
    return rouse.get("/v1/changes/" + one["id"])["attempts"]


# --- services ---------------------------------------------------------------------------------------


@scenario("a service that is down is tried again until it is up, and then has the change once")
def _(rouse):
    port = free_port()
    http_target(rouse, port)
    [one] = proposed(rouse, mode="apply")
    wait("it was tried twice", lambda: attempts(rouse, one) >= 2)
    service = Service(port)
    try:
        rouse.wait_change(one["id"], "applied")
        expect((service.deals["1"], len(service.done)), ({"stage": "won"}, 1), "what the service has")
    finally:
        service.close()


@scenario("a service that says 503 is tried again, one that says 422 is not, and what it said is shown")
def _(rouse):
    service = Service(0)
    try:
        http_target(rouse, service.server.server_port)
        service.status = 503
        [one] = proposed(rouse, mode="apply")
        wait("it was tried twice", lambda: len(service.calls) >= 2)
        expect(len(set(service.calls)), 1, "keys under which it was asked")
        service.status = 422
        failed = rouse.wait_change(one["id"], "failed")
        check("422" in failed["error"], f"the error says what the service said: {failed['error']}")
        tried = len(service.calls)
        stays("nobody asks again", lambda: len(service.calls) == tried, 0.5)
        service.status = None
        rouse.cli("apply", one["id"], "--yes")
        rouse.wait_change(one["id"], "applied")
        expect(len(set(service.calls)), 1, "keys under which it was asked")
    finally:
        service.close()


@scenario("Retry-After is honoured")
def _(rouse):
    service = Service(0)
    try:
        http_target(rouse, service.server.server_port)
        service.status, service.headers = 429, {"Retry-After": "2"}
        [one] = proposed(rouse, mode="apply")
        wait("it was tried", lambda: service.calls)
        stays("it waits as it was told", lambda: len(service.calls) == 1, 1)
        service.status, service.headers = None, {}
        rouse.wait_change(one["id"], "applied")
    finally:
        service.close()


@scenario("a service that changed since is a conflict: all three sides are shown, and nothing was sent")
def _(rouse):
    service = Service(0)
    try:
        http_target(rouse, service.server.server_port)
        [one] = proposed(rouse)
        service.deals["1"]["stage"] = "lost"
        rouse.cli("approve", one["id"])
        shown = rouse.wait_change(one["id"], "conflict")
        expect((shown["before"], shown["after"], shown["current"]), ({"stage": "new"}, {"stage": "won"}, {"stage": "lost"}), "the three sides")
        said = rouse.cli("change", "show", one["id"]).out
        check(all(word in said for word in ("new", "won", "lost")), f"rouse change show has the three sides: {said}")
        expect(service.calls, [], "what was sent")
    finally:
        service.close()


@scenario("the daemon dies while a service works on a change: it is asked again under the same key")
def _(rouse):
    service = Service(0)
    try:
        http_target(rouse, service.server.server_port)
        service.hold.clear()
        [one] = proposed(rouse, mode="apply")
        wait("the service has it in hand", lambda: service.calls)
        rouse.kill_9()
        service.hold.set()
        rouse.start()
        rouse.wait_change(one["id"], "applied")
        expect((len(set(service.calls)), len(service.done)), (1, 1), "keys and deeds")
    finally:
        service.close()


@scenario("SIGTERM waits for what is being applied, and the service is not asked twice")
def _(rouse):
    service = Service(0)
    try:
        http_target(rouse, service.server.server_port)
        service.hold.clear()
        [one] = proposed(rouse, mode="apply")
        wait("the service has it in hand", lambda: service.calls)
        rouse.daemon.terminate()
        stays("the daemon waits", rouse.is_alive, 0.3)
        service.hold.set()
        expect(rouse.ended(), 0, "exit status")
        rouse.start()
        expect(rouse.get("/v1/changes/" + one["id"])["status"], "applied", "status")
        expect(len(service.calls), 1, "how often it was asked")
    finally:
        service.close()


@scenario("a slow service holds up neither runs nor answers, and what is approved twice meanwhile is refused")
def _(rouse):
    service = Service(0)
    try:
        http_target(rouse, service.server.server_port)
        service.hold.clear()
        [one] = proposed(rouse)
        rouse.cli("approve", one["id"])
        wait("the service has it in hand", lambda: service.calls)
        expect(rouse.get("/v1/changes/" + one["id"])["status"], "applying", "status")
        for verb in (["approve"], ["reject"], ["edit", "--data", '{"stage":"lost"}'], ["revert", "--yes"]):
            rouse.cli(verb[0], one["id"], *verb[1:], expect_code=4)
        began = time.monotonic()
        rouse.wait_run(rouse.deliver("push").expect(202).run_id, "succeeded")
        check(time.monotonic() - began < 3 * PATIENCE, "another run must not wait for it")
        service.hold.set()
        rouse.wait_change(one["id"], "applied")
        expect(len(service.done), 1, "deeds")
    finally:
        service.close()


@scenario("a service that is gone when its change is to be reverted is waited for; one that drifted is left alone")
def _(rouse):
    port = free_port()
    service = Service(port)
    try:
        http_target(rouse, port)
        service.deals["2"] = {"stage": "old"}
        one, two = proposed(rouse, change(), change(entity="2", before={"stage": "old"}), mode="apply")
        for c in (one, two):
            rouse.wait_change(c["id"], "applied")
        service.deals["2"]["stage"] = "paid"
        rouse.cli("revert", two["id"], "--yes", expect_code=None)
        wait("it is refused", lambda: rouse.get("/v1/changes/" + two["id"])["error"])
        expect(service.deals["2"], {"stage": "paid"}, "what somebody else wrote")
        service.close()
        rouse.api("POST", f"/v1/changes/{one['id']}/revert", {"reason": "no"}).expect(200, 202)
        deals, tried = service.deals, attempts(rouse, one)
        wait("it is tried while nobody answers", lambda: attempts(rouse, one) > tried)
        service = Service(port)
        service.deals = deals
        rouse.wait_change(one["id"], "reverted")
        expect(service.deals["1"], {"stage": "new"}, "the deal")
    finally:
        service.close()


# --- commands ---------------------------------------------------------------------------------------

# Keeps what it was asked in $D/asked, and does each key once; $D/code says how it ends.
COMMAND = """#!/bin/sh
change=$(cat)
echo "$ROUSE_CHANGE_KEY" >>$D/asked
while [ -e $D/hold ]; do sleep 0.02; done
[ -e $D/code ] && { echo "as told" >&2; cat $D/said 2>/dev/null; exit $(cat $D/code); }
mkdir "$D/done-$(echo "$ROUSE_CHANGE_KEY" | tr -c 'a-zA-Z0-9\\n' _)" 2>/dev/null && echo "$change" >>$D/deeds
exit 0
"""


def exec_target(rouse, **keys):
    path = os.path.join(rouse.dir, "command")
    with open(path, "w") as f:
        f.write(COMMAND)
    os.chmod(path, 0o755)
    rouse.section("target crm", **{"kind": "exec", "command": path, "env": f"D={rouse.dir}", "pass_env": "PATH", "retry__base": "50ms",
                                   "retry__cap": "100ms", "retry__attempts": 200, **keys})


def tell(rouse, name, text=None):
    path = os.path.join(rouse.dir, name)
    if text is None:
        os.unlink(path)
    else:
        with open(path + ".new", "w") as f:
            f.write(text)
        os.rename(path + ".new", path)


@scenario("a command that exits 0 has applied the change, and was told all of it")
def _(rouse):
    exec_target(rouse)
    [one] = proposed(rouse, mode="apply")
    rouse.wait_change(one["id"], "applied")
    [told] = [json.loads(line) for line in rouse.marks("deeds")]
    expect({k: told[k] for k in ("entity", "op", "before", "after")}, {"entity": "1", "op": "update", "before": {"stage": "new"}, "after": {"stage": "won"}}, "what it was told")


@scenario("a command that exits 75 is asked again under the same key until it can")
def _(rouse):
    exec_target(rouse)
    tell(rouse, "code", "75")
    [one] = proposed(rouse, mode="apply")
    wait("it was asked three times", lambda: len(rouse.marks("asked")) >= 3)
    tell(rouse, "code")
    rouse.wait_change(one["id"], "applied")
    expect((len(set(rouse.marks("asked"))), len(rouse.marks("deeds"))), (1, 1), "keys and deeds")


def permanent(code):
    @scenario(f"a command that exits {code} has refused, and is not asked again")
    def _(rouse):
        exec_target(rouse)
        tell(rouse, "code", str(code))
        [one] = proposed(rouse, mode="apply")
        failed = rouse.wait_change(one["id"], "failed")
        check("as told" in failed["error"] or str(code) in failed["error"], f"the error says why: {failed['error']}")
        stays("nobody asks again", lambda: len(rouse.marks("asked")) == 1, 0.3)


permanent(65)
permanent(77)


@scenario("a command that exits 76 found something else, and that is shown")
def _(rouse):
    exec_target(rouse)
    tell(rouse, "said", '{"stage":"lost"}')
    tell(rouse, "code", "76")
    [one] = proposed(rouse, mode="apply")
    shown = rouse.wait_change(one["id"], "conflict")
    expect(shown["current"], {"stage": "lost"}, "what is there")


@scenario("a command that does not end is ended with all that it started, and fails the change in time")
def _(rouse):
    exec_target(rouse, timeout="500ms", retry__attempts=1)
    tell(rouse, "hold", "")
    [one] = proposed(rouse, mode="apply")
    rouse.wait_change(one["id"], "failed")
    rouse.nothing_left()


def dies(how):
    @scenario(f"the daemon dies ({how}) while a command applies: it is asked again under the same key, and does it once")
    def _(rouse):
        exec_target(rouse)
        if how == "kill -9":
            tell(rouse, "hold", "")
            [one] = proposed(rouse, mode="apply")
            wait("it is at it", lambda: rouse.marks("asked"))
            rouse.kill_9()
            tell(rouse, "hold")
            rouse.start()
        else:
            rouse.agent("a", says(change(), RESULT), targets="crm")
            rouse.webhook("push", agent="a", mode="apply")
            rouse.start(ROUSE_CRASH=how)
            run = rouse.deliver("push").expect(202).run_id
            expect(rouse.ended(), -signal.SIGKILL, "how the daemon ended")
            rouse.start()
            one = wait("the change is there", lambda: rouse.changes(run=run))[0]
        rouse.wait_change(one["id"], "applied")
        expect((len(set(rouse.marks("asked"))), len(rouse.marks("deeds"))), (1, 1), "keys and deeds")


dies("kill -9")
dies("before-apply")
dies("after-apply")


@scenario("a command that is not there fails the change, and the error names it")
def _(rouse):
    exec_target(rouse, command="/nonexistent/apply", retry__attempts=2)
    [one] = proposed(rouse, mode="apply")
    check("/nonexistent/apply" in rouse.wait_change(one["id"], "failed")["error"], "the error names it")


@scenario("a change edited before its approval is applied as edited, and reverted to what was there")
def _(rouse):
    exec_target(rouse)
    [one] = proposed(rouse)
    rouse.cli("edit", one["id"], "--data", '{"stage":"lost"}', "--reason", "not won")
    rouse.cli("approve", one["id"])
    rouse.wait_change(one["id"], "applied")
    rouse.cli("revert", one["id"], "--yes")
    rouse.wait_change(one["id"], "reverted")
    told = [json.loads(line) for line in rouse.marks("deeds")]
    expect([(t["before"], t["after"]) for t in told], [({"stage": "new"}, {"stage": "lost"}), ({"stage": "lost"}, {"stage": "new"})], "what it was told")
    expect(len(set(rouse.marks("asked"))), 2, "keys: one for each way")


main()
