#!/usr/bin/env python3
# Scenario: what providers send beside plain deliveries: handshakes, CloudEvents, several events at once.
# SPDX-License-Identifier: MIT
import urllib.parse

from lib import *

VECTORS = os.path.join(SOURCE, "tests/vectors")
BODY = json.dumps(PUSH).encode()
JSON = {"Content-Type": "application/json"}


def lines(name):
    with open(os.path.join(VECTORS, name)) as f:
        return [json.loads(line) for line in f]


def house(rouse, **trigger):
    rouse.agent("ok", says(RESULT))
    rouse.webhook("push", agent="ok", **{"verify": "none", "secret": None, **trigger})
    rouse.start()


def secret(rouse, name, text):
    path = os.path.join(rouse.dir, name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write(text)
    return "file:" + path


def slack_signed(body, key):
    now = str(int(time.time()))
    text = f"v0:{now}:".encode() + body
    return {"X-Slack-Request-Timestamp": now, "X-Slack-Signature": "v0=" + hmac.new(key.encode(), text, hashlib.sha256).hexdigest()}


def zoom_signed(body, key):
    signed = slack_signed(body, key)
    return {"x-zm-request-timestamp": signed["X-Slack-Request-Timestamp"], "x-zm-signature": signed["X-Slack-Signature"]}


# --- vectors --------------------------------------------------------------------------------------


@scenario("rouse webhook verify --jsonl says of every vector what the vector says")
def _(rouse):
    for name, count in (("webhook-vectors.jsonl", 438), ("webhook-vectors-strict.jsonl", 32)):
        cases = lines(name)
        check(len(cases) >= count, f"{name} has {len(cases)} cases")
        said = rouse.cli("webhook", "verify", "--jsonl", stdin="".join(json.dumps(c) + "\n" for c in cases)).lines
        wrong = [(c["id"], c["expect"], s) for c, s in zip(cases, said) if s["id"] != c["id"] or s["verdict"] != c["expect"]]
        expect((len(said), wrong), (len(cases), []), name)


# --- handshakes -----------------------------------------------------------------------------------

HOOKS = {"slack": {"secret": "slack-signing-secret"}, "zoom": {"secret": "zoom-secret-token"}, "msgraph": {"secret": "client-state"},
         "meta": {"secret": "app-secret", "verify_token": "meatyhamhock"}, "discord": {}, "cloudevents": {"verify": "none", "rate": "100/m"}}


def discord_key(rouse):
    """(public key in hex, a function that signs)"""
    needs_program("openssl")
    pem = os.path.join(rouse.dir, "ed25519.pem")
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", pem], check=True, capture_output=True)
    der = subprocess.run(["openssl", "pkey", "-in", pem, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout

    def signed(body):
        now = str(int(time.time()))
        text = os.path.join(rouse.dir, "to-sign")
        with open(text, "wb") as f:
            f.write(now.encode() + body)
        mark = subprocess.run(["openssl", "pkeyutl", "-sign", "-inkey", pem, "-rawin", "-in", text], check=True, capture_output=True).stdout
        return {"X-Signature-Ed25519": mark.hex(), "X-Signature-Timestamp": now}

    return der[-32:].hex(), signed


def handshake_house(rouse):
    """A hook for every provider; a function that signs for one."""
    rouse.agent("ok", says(RESULT))
    public, discord_signed = discord_key(rouse)
    for name, keys in HOOKS.items():
        keys = {"verify": name, **keys}
        if name == "discord":
            keys["secret"] = public
        if "verify_token" in keys:
            keys["verify_token"] = secret(rouse, "verify-token", keys["verify_token"])
        rouse.webhook(name, agent="ok", **{"secret": None, **keys})
    rouse.start()
    return {"slack": lambda b: slack_signed(b, HOOKS["slack"]["secret"]), "zoom": lambda b: zoom_signed(b, HOOKS["zoom"]["secret"]), "discord": discord_signed}


def same_answer(case, reply, want):
    kind = (reply.headers.get("Content-Type") or "").split(";")[0]
    what = case["id"]
    if "content-type" in want:
        expect(kind, want["content-type"], what + ": content type")
    if "body" in want:
        expect(reply.body.decode(), want["body"], what + ": body")
    if "body_json" in want:
        expect(reply.json, want["body_json"], what + ": body")
    for name, value in want.get("headers", {}).items():
        expect(reply.headers.get(name), value, what + ": " + name)


@scenario("every handshake of the vectors is answered as its provider wants it, and starts nothing")
def _(rouse):
    signers = handshake_house(rouse)
    cases = lines("webhook-handshakes.jsonl")
    for case in cases:
        ask, want = case["request"], case["response"]
        body = ask.get("body", "").encode()
        path = ask.get("url", "/hook").replace("/hook", "/hooks/" + case["provider"], 1)
        for sign in {None, signers.get(case["provider"])}:
            if sign is None and case["provider"] in ("slack", "discord"):
                rouse.http(ask["method"], path, body, ask.get("headers")).expect(401)
                continue
            reply = rouse.http(ask["method"], path, body, {**ask.get("headers", {}), **(sign(body) if sign else {})})
            reply.expect(want["status"])
            if "any_of" not in want:
                same_answer(case, reply, want)
                continue
            wrong = []
            for one in want["any_of"]:
                try:
                    same_answer(case, reply, one)
                except (Failed, ValueError) as e:
                    wrong.append(str(e))
            check(len(wrong) < len(want["any_of"]), f"{wrong}")
    expect(rouse.runs(), [], "runs")
    expect({e["outcome"] for e in rouse.items("/v1/events")}, {"filtered"}, "outcomes of pings")
    check(len(cases) >= 8, "the vectors are there")


@scenario("a handshake with a wrong signature is refused, and Zoom's secret signs no delivery for a stranger")
def _(rouse):
    handshake_house(rouse)
    url = {"event": "endpoint.url_validation", "payload": {"plainToken": "abc"}}
    rouse.http("POST", "/hooks/zoom", url).expect(200)
    rouse.http("POST", "/hooks/zoom", url, {"x-zm-signature": "v0=00", "x-zm-request-timestamp": "1"}).expect(401)
    for token in (f"v0:{int(time.time())}:{{}}", "", "a b", "x" * 129, 7, None, "a\u0000"):
        rouse.http("POST", "/hooks/zoom", {"event": "endpoint.url_validation", "payload": {"plainToken": token}}).expect(401)
    body = b'{"type":"url_verification","challenge":"x"}'
    rouse.http("POST", "/hooks/slack", body, slack_signed(body, "guessed")).expect(401)
    rouse.http("POST", "/hooks/meta?hub.mode=subscribe&hub.challenge=1&hub.verify_token=meatyhamhock", "{}").expect(401)
    for query in ("", "?hub.mode=unsubscribe&hub.verify_token=meatyhamhock&hub.challenge=1", "?hub.mode=subscribe&hub.challenge=1",
                  "?hub.mode=subscribe&hub.verify_token=meatyhamhock", "?hub.mode=subscribe&hub.verify_token=&hub.challenge=1"):
        rouse.http("GET", "/hooks/meta" + query).expect(403, 405)
    rouse.http("GET", "/hooks/msgraph?validationToken=x").expect(405)
    rouse.http("POST", "/hooks/slack?validationToken=x", "{}").expect(401)
    expect(rouse.items("/v1/events"), [], "events")


@scenario("a challenge is echoed as plain text, whatever is in it")
def _(rouse):
    handshake_house(rouse)
    evil = "<script>alert(1)</script>\r\nSet-Cookie: a=b"
    reply = rouse.http("POST", "/hooks/msgraph?validationToken=" + urllib.parse.quote(evil), "").expect(200)
    expect((reply.body.decode(), reply.headers["Content-Type"], reply.headers["X-Content-Type-Options"], reply.headers["Set-Cookie"]),
           (evil, "text/plain", "nosniff", None), "the echo")


@scenario("Discord's ping is told from its events: type 1 with an event is one")
def _(rouse):
    signers = handshake_house(rouse)
    event = json.dumps({"version": 1, "application_id": "1", "type": 1, "event": {"type": "APPLICATION_AUTHORIZED"}}).encode()
    rouse.http("POST", "/hooks/discord", event, signers["discord"](event)).expect(202)
    expect(len(rouse.runs()), 1, "runs")


@scenario("OPTIONS says what is allowed; with CloudEvents' origin it gives the consent and a rate")
def _(rouse):
    house(rouse, methods="POST, PUT")
    reply = rouse.http("OPTIONS", "/hooks/push").expect(204)
    expect((reply.headers["Allow"], reply.headers["WebHook-Allowed-Origin"]), ("POST, PUT", None), "plain OPTIONS")
    reply = rouse.http("OPTIONS", "/hooks/push", headers={"WebHook-Request-Origin": "a.example"}).expect(200)
    expect((reply.headers["WebHook-Allowed-Origin"], reply.headers["WebHook-Allowed-Rate"]), ("a.example", None), "no rate was asked for")
    for asked, given in (("50", "50"), ("*", "*"), ("0", "*"), ("many", "*")):
        reply = rouse.http("OPTIONS", "/hooks/push", headers={"WebHook-Request-Origin": "a.example", "WebHook-Request-Rate": asked})
        expect(reply.headers["WebHook-Allowed-Rate"], given, "rate for " + asked)
    rouse.http("OPTIONS", "/hooks/nobody").expect(404)


@scenario("GitHub's ping is answered, recorded as filtered, and runs nothing")
def _(rouse):
    rouse.agent("ok", says(RESULT))
    rouse.webhook("push", agent="ok")
    rouse.start()
    rouse.deliver("push", {"zen": "x", "hook_id": 1}, event="ping").expect(202)
    [event] = rouse.items("/v1/events")
    expect((event["outcome"], rouse.runs()), ("filtered", []), "the ping")


# --- CloudEvents ----------------------------------------------------------------------------------


def event(**more):
    return {"specversion": "1.0", "id": "1", "source": "/shop", "type": "shop.order", "data": {"n": 1}, **more}


def structured(rouse, document, kind="application/cloudevents+json"):
    return rouse.http("POST", "/hooks/push", document, {"Content-Type": kind})


@scenario("a structured CloudEvent keeps its attributes, its extensions and its time")
def _(rouse):
    house(rouse)
    run = structured(rouse, event(subject="o/1", time="2026-11-20T09:30:00+01:00", traceid="x", count=7, flag=True, unset=None, dataschema="http://x/y")).expect(202).run_id
    got = rouse.event_of(run)["document"]
    expect({k: got.get(k) for k in ("id", "source", "type", "subject", "time", "traceid", "count", "flag", "unset", "dataschema", "data")},
           {"id": "1", "source": "/shop", "type": "shop.order", "subject": "o/1", "time": "2026-11-20T09:30:00+01:00", "traceid": "x", "count": 7,
            "flag": True, "unset": None, "dataschema": "http://x/y", "data": {"n": 1}}, "the event")
    again = structured(rouse, event(data={"n": 2})).expect(200)
    expect(again.run_id, run, "source and id are the key")
    structured(rouse, event(source="/other")).expect(202)


@scenario("data_base64 is what the body would have been")
def _(rouse):
    house(rouse)
    for n, (kind, text, want) in enumerate((("application/json", "eyJhIjoxfQ==", {"a": 1}), ("text/plain", "aMOk", "hä"), ("image/png", "/wA=", {"base64": "/wA="}), (None, "/wA=", {"base64": "/wA="}))):
        document = event(id=f"b{n}", data_base64=text)
        del document["data"]
        if kind:
            document["datacontenttype"] = kind
        run = structured(rouse, document).expect(202).run_id
        expect(rouse.run(run)["envelope"]["payload"], want, str(kind))


@scenario("what is no sound CloudEvent is answered 400, with a word on what is wrong")
def _(rouse):
    house(rouse)
    for wrong, word in (({"id": ""}, "id"), ({"id": 7}, "id"), ({"source": None}, "source"), ({"type": "a\u0007"}, "control"), ({"specversion": "0.3"}, "specversion"),
                        ({"time": "yesterday"}, "time"), ({"Upper": "x"}, "Upper"), ({"ext": {"a": 1}}, "ext"), ({"ext": 1.5}, "ext"), ({"data_base64": "eA=="}, "both"), ({"sub_ject": "x"}, "sub_ject")):
        reply = structured(rouse, event(**wrong)).expect(400)
        check(word in reply.json["detail"], f"{wrong}: {reply}")
    for kind in ("application/cloudevents+xml", "application/cloudevents-batch+avro", "application/cloudeventsx"):
        structured(rouse, event(), kind).expect(415)
    structured(rouse, event(id=""), "Application/CloudEvents; charset=utf-8").expect(400)
    for text in (b"", b"7", b"[]", b'{"specversion":"1.0"', b"null"):
        structured(rouse, text).expect(400)
    document = event(data_base64="!")
    del document["data"]
    structured(rouse, document).expect(400)
    expect(rouse.items("/v1/events"), [], "events")


@scenario("a binary CloudEvent has its attributes in headers, percent-encoded")
def _(rouse):
    house(rouse)
    ce = {"ce-specversion": "1.0", "ce-id": "b-1", "ce-source": "/shop", "ce-type": "t", "ce-subject": "Euro%20%E2%82%AC%20%F0%9F%98%80", "ce-quoted": '"a%20\\"b\\""', **JSON}
    run = rouse.http("POST", "/hooks/push", {"n": 1}, ce).expect(202).run_id
    got = rouse.event_of(run)["document"]
    expect((got["subject"], got["quoted"], got["id"], got["data"]), ("Euro € 😀", 'a "b"', "b-1", {"n": 1}), "the event")
    expect(rouse.http("POST", "/hooks/push", {"n": 2}, ce).expect(200).run_id, run, "the same id")
    for bad in ("%C0%AF", "%FF", "%ED%A0%80", "%00", "%0A"):
        rouse.http("POST", "/hooks/push", {}, {**ce, "ce-subject": bad}).expect(400)
    picture = rouse.http("POST", "/hooks/push", b"\xff\xd8", {**ce, "ce-id": "b-2", "Content-Type": "image/jpeg"}).expect(202).run_id
    got = rouse.event_of(picture)["document"]
    expect((got["datacontenttype"], got["data"]), ("image/jpeg", {"base64": "/9g="}), "a picture")
    rouse.http("POST", "/hooks/push", b"\xff\xd8", {"Content-Type": "image/jpeg"}).expect(415)


@scenario("a batch of CloudEvents is as many events, one answer, and nothing twice when it comes again")
def _(rouse):
    house(rouse, filter=".data.n != 3")
    batch = [event(id=str(n), data={"n": n}) for n in range(1, 6)]
    kind = "application/cloudevents-batch+json"
    reply = structured(rouse, batch, kind).expect(202).json
    expect([(i["outcome"], "run_id" in i) for i in reply["items"]], [("ran", True)] * 2 + [("filtered", False)] + [("ran", True)] * 2, "items")
    expect(reply["run_ids"], [i["run_id"] for i in reply["items"] if "run_id" in i], "run_ids")
    again = structured(rouse, batch[:2], kind).expect(200)
    expect((again.json["run_ids"], again.headers["Idempotency-Replayed"]), (reply["run_ids"][:2], "true"), "the same again")
    expect(len(rouse.runs()), 4, "runs")
    mixed = structured(rouse, batch[:1] + [event(id="9")], kind).expect(202).json
    expect([i.get("replayed", False) for i in mixed["items"]], [True, False], "one known, one new")
    expect(structured(rouse, [], kind).expect(202).json, {"run_ids": [], "items": []}, "an empty batch")
    before = len(rouse.items("/v1/events"))
    structured(rouse, [event(id="20"), {"specversion": "1.0"}], kind).expect(400)
    structured(rouse, {"a": 1}, kind).expect(400)
    structured(rouse, [event(id=f"m{n}") for n in range(1001)], kind).expect(413)
    expect(len(rouse.items("/v1/events")), before, "events of batches that were refused")


# --- split ----------------------------------------------------------------------------------------

ORDERS = {"orders": [{"n": 1}, {"n": 2}, {"n": 3}]}


def deliver_orders(rouse, body=ORDERS, id="d-1"):
    return rouse.deliver("push", body, id=id)


@scenario("split makes an event and a run of every part, answered once, replayed as they were")
def _(rouse):
    rouse.agent("ok", says(RESULT))
    rouse.webhook("push", agent="ok", split=".data.orders[] | select(.n > 0)")
    rouse.webhook("plain", agent="ok", split=".data.orders")
    rouse.start()
    for hook, id in (("push", "d-1"), ("plain", "d-2")):
        first = rouse.deliver(hook, ORDERS, id=id).expect(202).json
        expect(len(first["run_ids"]), 3, "runs")
        expect(first["run_id"], first["run_ids"][0], "the first run")
        runs = [rouse.run(r) for r in first["run_ids"]]
        expect([r["envelope"]["payload"] for r in runs], ORDERS["orders"], "payloads")
        expect([r["key"] for r in runs], [f"{id}/{n}" for n in range(3)], "keys")
        document = rouse.event_of(first["run_ids"][1])["document"]
        expect((document["data"], document["rouse"]["part"]), ({"n": 2}, {"index": 1, "of": 3}), "the second event")
        again = rouse.deliver(hook, ORDERS, id=id).expect(200)
        expect(again.json["run_ids"], first["run_ids"], "sent again")
    expect(len(rouse.runs()), 6, "runs in all")


@scenario("a part that cannot be mapped is rejected and takes no other with it")
def _(rouse):
    rouse.agent("ok", says(RESULT))
    rouse.webhook("push", agent="ok", split=".data.orders", filter=".data.n | tonumber > 1")
    rouse.start()
    reply = deliver_orders(rouse, {"orders": [{"n": 1}, {"n": "x"}, {"n": 3}]}).expect(202).json
    expect([i["outcome"] for i in reply["items"]], ["filtered", "rejected", "ran"], "outcomes")
    check("error" in reply["items"][1], "the rejected one says why")
    deliver_orders(rouse, {"orders": [{"n": "x"}, {"n": "y"}]}, id="d-2").expect(422)
    expect(len([e for e in rouse.items("/v1/events") if e["outcome"] == "rejected"]), 3, "rejected events")


@scenario("a split that fails is 422 and visible, one that gives nothing is filtered")
def _(rouse):
    rouse.agent("ok", says(RESULT))
    rouse.webhook("push", agent="ok", split=".data.orders[]")
    rouse.webhook("plain", agent="ok", split=".data.orders")
    rouse.start()
    deliver_orders(rouse, {"orders": 7}).expect(422)
    [event] = rouse.items("/v1/events")
    check(event["outcome"] == "rejected" and "split" in event["rule"], f"{event}")
    for n, hook in enumerate(("push", "plain")):
        reply = rouse.deliver(hook, {"orders": []}, id=f"e{n}").expect(202).json
        expect([(i["outcome"], i["rule"]) for i in reply["items"]], [("filtered", "split gave nothing")], "no part")
    rouse.deliver("plain", {}, id="e9").expect(202)
    expect(rouse.runs(), [], "runs")


@scenario("more parts than a thousand are refused as a whole, a thousand are taken")
def _(rouse):
    rouse.agent("ok", says(RESULT), concurrency=1)
    rouse.webhook("push", agent="ok", split=".data")
    rouse.section("agent ok", retry__attempts=1)
    rouse.start()
    rouse.api("POST", "/v1/pause", {"agent": "ok"}).expect(200)
    rouse.deliver("push", list(range(1001))).expect(422)
    reply = rouse.deliver("push", list(range(1000))).expect(202).json
    expect(len(set(reply["run_ids"])), 1000, "runs")


@scenario("what cannot be taken now is answered so, and sent again the parts run once")
def _(rouse):
    rouse.agent("ok", says(RESULT))
    rouse.webhook("push", agent="ok", split=".data.orders[]", rate="2/h")
    rouse.start()
    refused = deliver_orders(rouse).expect(429)
    check(refused.headers["Retry-After"], "Retry-After")
    expect(len(rouse.runs()), 2, "what fits the rate was kept")
    rouse.section("trigger push", rate=None)
    rouse.restart()
    again = deliver_orders(rouse).expect(202).json
    expect(([i.get("replayed", False) for i in again["items"]], len(rouse.runs())), ([True, True, False], 3), "the same delivery again")


@scenario("split and batch together give the parts of each event")
def _(rouse):
    house(rouse, split=".data.list[]")
    batch = [event(id=str(n), data={"list": [n, n + 10]}) for n in (1, 2)]
    reply = structured(rouse, batch, "application/cloudevents-batch+json").expect(202).json
    expect(sorted(rouse.run(r)["envelope"]["payload"] for r in reply["run_ids"]), [1, 2, 11, 12], "payloads")
    expect(sorted(rouse.run(r)["key"] for r in reply["run_ids"]), ["/shop 1/0", "/shop 1/1", "/shop 2/0", "/shop 2/1"], "keys")


@scenario("parts that were answered survive kill -9, and come once when the sender tries again")
def _(rouse):
    rouse.agent("ok", says(RESULT))
    rouse.webhook("push", agent="ok", split=".data.orders[] | select(true)")
    rouse.start()
    for n in range(5):
        done = deliver_orders(rouse, id=f"k{n}").expect(202).json["run_ids"]
        threading.Thread(target=lambda: swallow(lambda: deliver_orders(rouse, id=f"late{n}")), daemon=True).start()
        rouse.kill_9()
        rouse.start()
        expect(deliver_orders(rouse, id=f"k{n}").expect(200).json["run_ids"], done, "what was answered")
        late = wait("the late one is taken", lambda: deliver_orders(rouse, id=f"late{n}").expect(200, 202)).json["run_ids"]
        expect(len(late), 3, "parts")
    keys = [r["key"] for r in rouse.runs()]
    expect((len(keys), len(set(keys))), (30, 30), "runs and keys")


def swallow(f):
    try:
        f()
    except (OSError, http.client.HTTPException):
        pass


@scenario("a split that does not compile is an error of the configuration, with its line")
def _(rouse):
    rouse.agent("ok", says(RESULT))
    rouse.webhook("push", agent="ok", split=".data[")
    rouse.refuses_to_start("split")


main()
