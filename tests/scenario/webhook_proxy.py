#!/usr/bin/env python3
# Scenario: behind a proxy: whom the daemon believes, and which URL was signed. And the answers for a body's size.
# SPDX-License-Identifier: MIT
import base64
import socket

from lib import *

TOKEN = "12345"


def house(rouse, **http):
    rouse.agent("ok", says(RESULT))
    rouse.webhook("push", agent="ok", verify="none", secret=None)
    rouse.section("http", **http)
    rouse.start()


def remote(rouse, *chain):
    """The remote of an event that came with these X-Forwarded-For fields."""
    c = http.client.HTTPConnection("127.0.0.1", rouse.port, timeout=10)
    remote.n = getattr(remote, "n", 0) + 1
    body = json.dumps({"n": remote.n}).encode()
    c.putrequest("POST", "/hooks/push")
    for name, value in [("Content-Type", "application/json"), ("Content-Length", str(len(body)))] + [("X-Forwarded-For", v) for v in chain]:
        c.putheader(name, value)
    c.endheaders(body)
    run = json.loads(c.getresponse().read())["run_id"]
    c.close()
    return rouse.event_of(run)["document"]["rouse"]["remote"]


@scenario("who is not trusted is the client, whatever it says of others")
def _(rouse):
    house(rouse)
    expect(remote(rouse, "198.51.100.7"), "127.0.0.1", "remote")


@scenario("behind a trusted proxy the client is the first, from the right, that is none")
def _(rouse):
    house(rouse, trusted_proxies="127.0.0.1, 10.0.0.0/8, 2001:db8::/32")
    for chain, want in ((["198.51.100.7"], "198.51.100.7"), ([], "127.0.0.1"), (["1.1.1.1, 198.51.100.7, 10.1.2.3"], "198.51.100.7"),
                        (["1.1.1.1", "198.51.100.7", "10.1.2.3"], "198.51.100.7"), (["evil, 10.1.2.3"], "10.1.2.3"), (["' OR 1=1"], "127.0.0.1"),
                        (["[2001:db9::1]:443, 2001:db8::5"], "2001:db9::1"), ([", ".join(["10.0.0.1"] * 200)], "10.0.0.1")):
        expect(remote(rouse, *chain), want, f"remote of {chain}")


@scenario("the rate an address has is the client's behind a trusted proxy, and cannot be dodged by another chain")
def _(rouse):
    house(rouse, trusted_proxies="127.0.0.1", rate_per_ip="3/h")
    rate = lambda who: rouse.http("POST", "/hooks/push", {"a": 1}, {"X-Forwarded-For": who})
    for _ in range(3):
        rate("198.51.100.7").expect(200, 202)
    check(rate("198.51.100.7").expect(429).headers["Retry-After"], "Retry-After")
    rate("6.6.6.6, 198.51.100.7").expect(429)
    rate("198.51.100.8").expect(200, 202)


@scenario("without trusted proxies a chain does not widen the rate of an address")
def _(rouse):
    house(rouse, rate_per_ip="3/h")
    answers = [rouse.http("POST", "/hooks/push", {"a": 1}, {"X-Forwarded-For": f"198.51.100.{n}"}).status for n in range(5)]
    expect(answers[3:], [429, 429], "the fourth and the fifth")


@scenario("a bad item of trusted_proxies is an error with its line, and a reload takes a good one")
def _(rouse):
    house(rouse)
    for bad in ("localhost", "10.0.0.1/8", "10.0.0.0/33"):
        rouse.section("http", trusted_proxies=bad)
        rouse.write_config()
        said = rouse.cli("reload", expect_code=None)
        check(said.code != 0 and "trusted_proxies" in said.err + said.out, f"{said}")
    expect(remote(rouse, "198.51.100.7"), "127.0.0.1", "nothing has changed")
    rouse.section("http", trusted_proxies="127.0.0.0/8")
    rouse.write_config()
    rouse.cli("reload")
    expect(remote(rouse, "198.51.100.7"), "198.51.100.7", "now it counts")


def twilio(url, form):
    text = url + "".join(k + v for k, v in sorted(form.items()))
    return base64.b64encode(hmac.new(TOKEN.encode(), text.encode(), hashlib.sha1).digest()).decode()


def twilio_house(rouse, **http):
    rouse.agent("ok", says(RESULT))
    rouse.webhook("sms", agent="ok", verify="twilio", secret=TOKEN)
    rouse.section("http", **http)
    rouse.start()

    def post(url, headers=None, n=iter(range(1000))):
        form = {"Body": f"hi {next(n)}", "From": "+14155551212"}
        body = "&".join(f"{k}={v.replace('+', '%2B').replace(' ', '+')}" for k, v in form.items())
        return rouse.http("POST", "/hooks/sms?x=1", body, {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": twilio(url, form), **(headers or {})})

    return post


@scenario("Twilio signs the public URL, which the daemon is told")
def _(rouse):
    post = twilio_house(rouse, public_url="https://hooks.example.com/rouse/")
    post("https://hooks.example.com/rouse/hooks/sms?x=1").expect(202)
    post("https://hooks.example.com:443/rouse/hooks/sms?x=1").expect(202)
    post("https://other.example.com/hooks/sms?x=1").expect(401)
    post(f"http://127.0.0.1:{rouse.port}/hooks/sms?x=1").expect(401)


@scenario("without public_url it is the Host that was called, or what a trusted proxy says it was")
def _(rouse):
    post = twilio_house(rouse)
    said = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "hooks.example.com"}
    post(f"http://127.0.0.1:{rouse.port}/hooks/sms?x=1").expect(202)
    post("https://hooks.example.com/hooks/sms?x=1", said).expect(401)
    rouse.section("http", trusted_proxies="127.0.0.1")
    rouse.restart()
    post("https://hooks.example.com/hooks/sms?x=1", said).expect(202)
    post("https://hooks.example.com/hooks/sms?x=1").expect(401)


# --- sizes ----------------------------------------------------------------------------------------


def raw(rouse, text):
    with socket.create_connection(("127.0.0.1", rouse.port), timeout=10) as s:
        s.sendall(text)
        return int(s.makefile("rb").readline().split()[1])


@scenario("a body of unknown length is 411, one in chunks is taken, an empty one that says so too")
def _(rouse):
    house(rouse)
    expect(raw(rouse, b"POST /hooks/push HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), 411, "no length")
    expect(raw(rouse, b"POST /hooks/push HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), 202, "length 0")
    expect(raw(rouse, b"POST /hooks/push HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\n{}\r\n0\r\n\r\n"), 202, "chunks")


@scenario("a hook has its own largest body, smaller or larger than the server's")
def _(rouse):
    rouse.agent("ok", says(RESULT))
    rouse.webhook("small", agent="ok", verify="none", secret=None, max_body="100")
    rouse.webhook("large", agent="ok", verify="none", secret=None, max_body="4M")
    rouse.webhook("usual", agent="ok", verify="none", secret=None)
    rouse.section("http", max_body="1M")
    rouse.start()
    big = json.dumps({"x": "y" * (2 << 20)})
    rouse.http("POST", "/hooks/small", {"x": "y" * 80}).expect(202)
    for hook, body in (("small", json.dumps({"x": "y" * 200})), ("usual", big)):
        try:
            rouse.http("POST", "/hooks/" + hook, body).expect(413)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it may answer and close before all is sent
    rouse.http("POST", "/hooks/large", big).expect(202)
    expect(len(rouse.runs()), 2, "runs")


@scenario("a form's fields that repeat are arrays; multipart is refused with a word on what is taken")
def _(rouse):
    house(rouse)
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    run = rouse.http("POST", "/hooks/push?q=1&q=2", "a=1&a=2&b[]=3&c=%C3%A4", kind).expect(202).run_id
    expect(rouse.run(run)["envelope"]["payload"], {"a": ["1", "2"], "b[]": ["3"], "c": "ä"}, "the form")
    expect(rouse.event_of(run)["document"]["rouse"]["query"], {"q": ["1", "2"]}, "the query")
    reply = rouse.http("POST", "/hooks/push", "--x\r\n\r\n--x--", {"Content-Type": "multipart/form-data; boundary=x"}).expect(415)
    check("application/json" in reply.json["detail"], f"{reply}")
    rouse.http("POST", "/hooks/push", "&".join(f"n{i}=" for i in range(10001)), kind).expect(400)


# --- keys and waiting -----------------------------------------------------------------------------


@scenario("Idempotency-Key: the same request is its first run, another under the same key is 422")
def _(rouse):
    house(rouse)
    post = lambda body, key: rouse.http("POST", "/hooks/push", body, {"Idempotency-Key": key})
    run = post('{"a":1,"b":2}', '"k-1"').expect(202).run_id
    again = post('{"b":2, "a":1}', "k-1").expect(200)
    expect((again.run_id, again.headers["Idempotency-Replayed"]), (run, "true"), "quoted, bare, and in another order")
    post('{"a":1,"b":3}', '"k-1"').expect(422)
    post('{"a":1,"b":3}', '"k-2"').expect(202)
    expect(len(rouse.runs()), 2, "runs")


@scenario("a delivery without an id is known by its bytes, unless dedupe_window is 0s")
def _(rouse):
    rouse.agent("ok", says(RESULT))
    rouse.webhook("once", agent="ok", verify="none", secret=None)
    rouse.webhook("each", agent="ok", verify="none", secret=None, dedupe_window="0s")
    rouse.start()
    expect([rouse.http("POST", "/hooks/" + hook, "{}").status for hook in ("once", "once", "each", "each")], [202, 200, 202, 202], "answers")


@scenario("respond = wait= answers with the result, or with what there is when time is up")
def _(rouse):
    rouse.agent("fast", says({"type": "result", "output": {"n": 7}}))
    rouse.agent("slow", "sleep 30\n", grace="0s")
    rouse.webhook("fast", agent="fast", verify="none", secret=None, respond="wait=20s")
    rouse.webhook("slow", agent="slow", verify="none", secret=None, respond="wait=300ms")
    rouse.start()
    done = rouse.http("POST", "/hooks/fast", "{}").expect(200).json
    expect((done["status"], done["result"]), ("succeeded", {"n": 7}), "the result")
    late = rouse.http("POST", "/hooks/slow", "{}").expect(202).json
    check(late["status"] in ("queued", "running"), f"{late}")


@scenario("a trigger that is paused answers 503 with Retry-After, and a full queue 429")
def _(rouse):
    rouse.agent("ok", says(RESULT))
    rouse.webhook("push", agent="ok", verify="none", secret=None)
    rouse.section("limits", max_queued=2)
    rouse.start()
    rouse.api("POST", "/v1/pause", {"trigger": "push"}).expect(200)
    check(rouse.http("POST", "/hooks/push", {"n": 0}).expect(503).headers["Retry-After"], "Retry-After")
    rouse.api("POST", "/v1/resume", {"trigger": "push"}).expect(200)
    rouse.api("POST", "/v1/pause", {"agent": "ok"}).expect(200)
    answers = [rouse.http("POST", "/hooks/push", {"n": n}) for n in (1, 2, 3)]
    expect([a.status for a in answers], [202, 202, 429], "answers")
    check(answers[2].headers["Retry-After"], "Retry-After")


main()
