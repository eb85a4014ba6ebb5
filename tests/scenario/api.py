#!/usr/bin/env python3
# Scenario: the API as programs use it: keys, waiting, streams, tokens.
# SPDX-License-Identifier: MIT
from lib import *


def house(rouse, script=None, **agent):
    rouse.agent("a", script or says({"type": "status", "message": "working"}, {"type": "result", "output": {"n": 1}}), **agent)
    rouse.webhook("push", agent="a")
    rouse.start()


def invoke(rouse, payload=None, **headers):
    return rouse.api("POST", "/v1/agents/a/invoke", payload if payload is not None else {"x": 1}, {k.replace("_", "-"): v for k, v in headers.items()})


@scenario("an invocation is answered 202 with its run, and Prefer: wait with the result")
def _(rouse):
    house(rouse)
    reply = invoke(rouse).expect(202)
    expect(reply.headers["Location"], "/v1/runs/" + reply.run_id, "Location")
    waited = invoke(rouse, Prefer="wait=20").expect(200).json
    expect((waited["status"], waited["result"]), ("succeeded", {"n": 1}), "the run that was waited for")


@scenario("Prefer: wait gives up in time with 202, and the run goes on")
def _(rouse):
    house(rouse, "read e; while [ ! -e $D/go ]; do sleep 0.05; done\n")
    began = time.monotonic()
    run = invoke(rouse, Prefer="wait=1").expect(202).run_id
    check(0.9 < time.monotonic() - began < 10, "it waited a second")
    open(os.path.join(rouse.dir, "go"), "w").close()
    rouse.wait_run(run, "succeeded")


@scenario("a known key is answered with the first run; with another payload 422")
def _(rouse):
    house(rouse)
    first = invoke(rouse, {"x": 1}, Idempotency_Key="k1").expect(202)
    again = invoke(rouse, {"x": 1}, Idempotency_Key="k1").expect(200)
    expect((again.run_id, again.json["replayed"]), (first.run_id, True), "the second answer")
    invoke(rouse, {"x": 2}, Idempotency_Key="k1").expect(422)
    rouse.wait_run(first.run_id, "succeeded")
    expect(len(rouse.runs()), 1, "runs")


@scenario("fifty callers with one key at once make one run")
def _(rouse):
    house(rouse)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(invoke(rouse, {"x": 1}, Idempotency_Key="same"))) for _ in range(50)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    expect(sorted({a.status for a in answers}), [200, 202], "the statuses")
    expect([a.status for a in answers].count(202), 1, "how many were first")
    expect(len({a.run_id for a in answers}), 1, "runs")


def stream(rouse, path, headers=None):
    """(id, event, data) of a stream, until it ends."""
    import lib
    c = lib._UnixConnection(rouse.socket, 20)
    c.request("GET", path, headers={"Accept": "text/event-stream", **(headers or {})})
    answer = c.getresponse()
    expect(answer.status, 200, "status of the stream")
    expect(answer.headers["Content-Type"].split(";")[0], "text/event-stream", "its type")
    events, fields = [], {}
    for line in answer:
        line = line.decode().rstrip("\r\n")
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif fields:
            events.append((fields.get("id"), fields.get("event"), json.loads(fields.get("data", "null"))))
            if fields.get("event") == "done":
                break
            fields = {}
    c.close()
    return events


@scenario("a run can be followed live to its end, and taken up again at any event")
def _(rouse):
    house(rouse, says(*[{"type": "status", "message": str(n)} for n in range(10)], RESULT))
    run = invoke(rouse).run_id
    live = stream(rouse, f"/v1/runs/{run}/events")
    check([e for _, e, _ in live][-1] == "done", f"the last event is done: {live[-2:]}")
    expect(len([1 for _, e, _ in live if e == "status"]), 10, "status events")
    middle = len(live) // 2
    rest = stream(rouse, f"/v1/runs/{run}/events", {"Last-Event-ID": live[middle][0]})
    expect([i for i, _, _ in rest], [i for i, _, _ in live[middle + 1 :]], "ids after Last-Event-ID")


@scenario("a client that leaves an invocation's stream cancels the run")
def _(rouse):
    import lib
    house(rouse, "read e; echo >>$D/mark; sleep 600\n", grace="300ms")
    c = lib._UnixConnection(rouse.socket, 20)
    c.request("POST", "/v1/agents/a/invoke", "{}", {"Accept": "text/event-stream", "Content-Type": "application/json"})
    answer = c.getresponse()
    expect(answer.status, 200, "status")
    wait("it runs", rouse.marks)
    answer.close()
    c.close()
    [run] = rouse.runs()
    rouse.wait_run(run["id"], "cancelled")
    rouse.nothing_left()


@scenario("over TCP nobody reads without a token, or beyond its scopes")
def _(rouse):
    house(rouse)
    rouse.http("GET", "/v1/runs").expect(401)
    rouse.http("GET", "/v1/runs", headers={"Authorization": "Bearer guessed"}).expect(401)
    rouse.http("POST", "/v1/halt", {}).expect(401)
    for path in ("/livez", "/readyz"):
        rouse.http("GET", path).expect(200)
    token = rouse.api("POST", "/v1/tokens", {"name": "reader", "scopes": ["read"]}).expect(201).json["token"]
    bearer = {"Authorization": "Bearer " + token}
    rouse.http("GET", "/v1/runs", headers=bearer).expect(200)
    rouse.http("POST", "/v1/agents/a/invoke", {}, bearer).expect(403)
    rouse.http("POST", "/v1/halt", {}, bearer).expect(403)
    rouse.http("POST", "/v1/tokens", {"name": "more", "scopes": ["admin"]}, bearer).expect(403)
    check(token not in json.dumps(rouse.get("/v1/tokens")), "a token is shown once only")
    rouse.restart()
    rouse.http("GET", "/v1/runs", headers=bearer).expect(200)
    rouse.api("POST", "/v1/tokens/reader/revoke", {}).expect(200)
    rouse.http("GET", "/v1/runs", headers=bearer).expect(401)
    rouse.stop()
    with open(rouse.db, "rb") as f:
        check(token.encode() not in f.read(), "the token does not stand in the database")


@scenario("rouse works over TCP with a token, and says 5 where nobody listens")
def _(rouse):
    house(rouse)
    token = rouse.cli("token", "create", "ops", "--scope", "read,invoke", "--json").json["token"]
    url = f"http://127.0.0.1:{rouse.port}"
    rouse.cli("run", "list", "--url", url, "--token", token)
    rouse.cli("halt", "--url", url, "--token", token, expect_code=4)
    rouse.cli("run", "list", "--url", f"http://127.0.0.1:{free_port()}", "--token", token, expect_code=5)
    rouse.cli("run", "list", "--socket", "/nonexistent.sock", expect_code=5)
    rouse.cli("run", "show", "019abc00-0000-7000-8000-000000000000", expect_code=3)
    rouse.cli("run", "nonsense", expect_code=2)


@scenario("another user may not use the socket")
def _(rouse):
    needs_root()
    house(rouse)
    os.chmod(rouse.dir, 0o755)
    process = spawn(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", os.path.join(BUILD, "rouse"), "run", "list"],
                    env={"ROUSE_SOCKET": rouse.socket, "PATH": os.environ["PATH"]}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = process.communicate(timeout=20)
    check(process.returncode in (4, 5), f"a stranger should be refused: {process.returncode} {out} {err}")


@scenario("lists come in pages, and each thing once")
def _(rouse):
    house(rouse)
    for n in range(25):
        invoke(rouse, {"n": n}).expect(202)
    seen, after = [], ""
    for _ in range(10):
        page = rouse.get("/v1/runs?limit=10" + after)
        seen += [r["id"] for r in page["items"]]
        if not page["next"]:
            break
        after = "&after=" + page["next"]
    expect((len(seen), len(set(seen))), (25, 25), "runs")


@scenario("errors are problem documents, whatever is asked")
def _(rouse):
    house(rouse)
    for method, path, status in (("GET", "/v1/runs/019abc00-0000-7000-8000-000000000000", 404), ("GET", "/v1/runs/nobody", 400), ("GET", "/v1/nothing", 404), ("DELETE", "/v1/runs", 405), ("GET", "/v1/runs?limit=abc", 400),
                                 ("GET", "/v1/runs?after=%00", 400), ("POST", "/v1/agents/nobody/invoke", 404)):
        reply = rouse.api(method, path, {} if method == "POST" else None)
        expect(reply.status, status, f"{method} {path}")
        check("problem+json" in reply.headers["Content-Type"], f"{path} is answered with a problem document")
        check(reply.json["detail"] or reply.json["title"], "which says something")


@scenario("health and metrics tell what is going on")
def _(rouse):
    house(rouse)
    rouse.wait_run(rouse.deliver("push").run_id, "succeeded")
    health = rouse.get("/health")
    expect((health["ok"], health["in_flight"], health["queue_depth"], health["dlq"], health["store"]), (True, 0, 0, 0, "ok"), "health")
    metrics = rouse.api("GET", "/metrics").expect(200).body.decode()
    for name in ("rouse_events_total", "rouse_runs_total", "rouse_run_duration_seconds", "rouse_event_to_start_seconds", "rouse_store_commit_seconds"):
        check(name in metrics, f"{name} should be among the metrics")


main()
