#!/usr/bin/env python3
# Scenario: whatever stands in a body, the answer is right and the daemon unmoved.
# SPDX-License-Identifier: MIT
import gzip

from lib import *


def house(rouse, **trigger):
    rouse.agent("keep", 'read -r envelope; printf "%s\\n" "$envelope" >>$D/envelopes\n')
    rouse.webhook("push", agent="keep", **trigger)
    rouse.start()


def unmoved(rouse):
    """It goes on as if nothing had been."""
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, "succeeded")


@scenario("a body above the limit is answered 413")
def _(rouse):
    house(rouse)
    try:
        rouse.deliver("push", {"x": "y" * (2 << 20)}).expect(413)
    except (BrokenPipeError, ConnectionResetError):
        pass  # it may answer and close before all is sent
    expect(rouse.runs(), [], "runs")
    unmoved(rouse)


@scenario("a body that is not JSON is answered 400 and kept nowhere")
def _(rouse):
    house(rouse)
    for body in (b"{", b"nonsense", b'{"a":1}}', b'{"a":01}', b"[1,]", b"\xff\xfe", b"\0"):
        rouse.deliver("push", body).expect(400)
    expect(rouse.runs(), [], "runs")
    unmoved(rouse)


@scenario("JSON nested a hundred thousand deep is answered 400")
def _(rouse):
    house(rouse)
    rouse.deliver("push", b"[" * 100000 + b"]" * 100000).expect(400)
    rouse.deliver("push", b'{"a":' * 60000 + b"1" + b"}" * 60000).expect(400)
    unmoved(rouse)


@scenario("a key that stands twice in an object is answered 400")
def _(rouse):
    house(rouse)
    rouse.deliver("push", b'{"action":"opened","action":"closed"}').expect(400)
    unmoved(rouse)


@scenario("bytes that are not UTF-8 are answered 400")
def _(rouse):
    house(rouse)
    for text in (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"):
        rouse.deliver("push", b'{"a":"' + text + b'"}').expect(400)
    unmoved(rouse)


@scenario("a body written over many lines reaches the agent as one")
def _(rouse):
    house(rouse)
    run = rouse.deliver("push", json.dumps(PUSH, indent=2).replace("\n", "\r\n").encode()).expect(202).run_id
    rouse.wait_run(run, "succeeded")
    expect([json.loads(line)["payload"] for line in rouse.marks("envelopes")], [PUSH], "the envelope")


@scenario("integers beyond 2^53 reach key and agent digit for digit")
def _(rouse):
    house(rouse, key=".data.n")
    runs = [rouse.deliver("push", b'{"n":%d}' % n).expect(202).run_id for n in (9007199254740993, 9007199254740992, 12345678901234567890)]
    expect([rouse.run(run)["key"] for run in runs], ["9007199254740993", "9007199254740992", "12345678901234567890"], "keys")
    for run in runs:
        rouse.wait_run(run, "succeeded")
    check(any('"n":12345678901234567890' in line for line in rouse.marks("envelopes")), "the payload keeps every digit")


@scenario("a key made by jq keeps integers beyond 2^53 apart")
def _(rouse):
    house(rouse, key='"n:" + (.data.n | tostring)')
    rouse.deliver("push", b'{"n":9007199254740993}').expect(202)
    rouse.deliver("push", b'{"n":9007199254740992}').expect(202)
    expect(sorted(r["key"] for r in rouse.runs()), ["n:9007199254740992", "n:9007199254740993"], "keys")


@scenario("a jq program that fails rejects the event with 422, visibly")
def _(rouse):
    house(rouse, filter=".data.n | tonumber > 3")
    rouse.deliver("push", {"n": "many"}).expect(422)
    [event] = rouse.items("/v1/events")
    expect(event["outcome"], "rejected", "outcome")
    check(event["rule"], "it says which rule")
    run = rouse.deliver("push", {"n": "7"}).expect(202).run_id
    rouse.wait_run(run, "succeeded")


@scenario("a jq program that loops for ever rejects its event, and others go on meanwhile")
def _(rouse):
    house(rouse)
    rouse.webhook("loop", agent="keep", filter="[range(0; 1e18)] | length")
    rouse.cli("reload", expect_code=None)
    rouse.restart()
    began = time.monotonic()
    answers = []
    thread = threading.Thread(target=lambda: answers.append(rouse.deliver("loop", timeout=30)))
    thread.start()
    unmoved(rouse)
    thread.join()
    answers[0].expect(422)
    check(time.monotonic() - began < 15 * PATIENCE, "it must not take long")
    unmoved(rouse)


@scenario("a jq program cannot see the daemon's environment")
def _(rouse):
    house(rouse, key='"k" + ($ENV | tostring)')
    run = rouse.deliver("push").expect(202).run_id
    check("PATH" not in rouse.run(run)["key"], "the environment of jq is empty")


@scenario("a form and a text are taken as data")
def _(rouse):
    house(rouse, verify="none", secret=None)
    form = rouse.http("POST", "/hooks/push", "a=1&b=two+words", {"Content-Type": "application/x-www-form-urlencoded"}).expect(202).run_id
    text = rouse.http("POST", "/hooks/push", "hello", {"Content-Type": "text/plain"}).expect(202).run_id
    expect(rouse.run(form)["envelope"]["payload"], {"a": "1", "b": "two words"}, "the form")
    expect(rouse.run(text)["envelope"]["payload"], "hello", "the text")


@scenario("wrong path, method and media type are answered 404, 405 and 415")
def _(rouse):
    house(rouse)
    rouse.http("POST", "/hooks/nobody", "{}").expect(404)
    rouse.http("GET", "/hooks/push").expect(405)
    rouse.deliver("push", headers={"Content-Type": "application/x-tar"}).expect(415)
    rouse.deliver("push", gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"}).expect(400, 415)
    expect(rouse.runs(), [], "runs")


main()
