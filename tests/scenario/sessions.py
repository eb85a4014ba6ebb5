#!/usr/bin/env python3
# Scenario: runs of one conversation go one at a time, and each begins with what the last one left.
# SPDX-License-Identifier: MIT
from lib import *

# Keeps each envelope, remembers what was said so far, holds still while there is a file `hold`.
REMEMBERS = """read -r e; printf '%s\\n' "$e" >>$D/mark
while test -e $D/hold; do sleep 0.05; done
said=$(printf '%s' "$e" | sed 's/.*"payload"://; s/}$//')
before=$(printf '%s' "$e" | sed -n 's/.*"checkpoint":{"name":"said","state":"\\([^"]*\\)".*/\\1/p')
printf '{"type":"checkpoint","name":"said","state":"%s%s"}\\n' "$before" "$said"
printf '{"type":"result","output":"%s%s"}\\n' "$before" "$said"
"""
THREAD = {"session": ".data.thread", "payload": ".data.n"}


def house(rouse, trigger=None, **agent):
    rouse.agent("a", REMEMBERS, **{"retry.base": "50ms", **agent})
    rouse.webhook("push", agent="a", **(THREAD if trigger is None else trigger))
    rouse.start()


def say(rouse, n, thread="t", **more):
    return rouse.deliver("push", {"thread": thread, "n": n}, **more).expect(202).run_id


def envelopes(rouse):
    return [json.loads(mark) for mark in rouse.marks()]


def touch(rouse, name, there=True):
    path = os.path.join(rouse.dir, name)
    open(path, "w").close() if there else os.unlink(path)


@scenario("turns of one session go one at a time in order, each with the checkpoint of the last")
def _(rouse):
    house(rouse)
    touch(rouse, "hold")
    runs = [say(rouse, n) for n in range(1, 6)]
    wait("the first one runs", lambda: rouse.marks())
    expect([r["status"] for r in rouse.runs()], ["queued"] * 4 + ["running"], "one at a time")
    check("a turn of the same session before it" in rouse.cli("why", runs[1]).out, "why the second waits")
    touch(rouse, "hold", False)
    expect(rouse.wait_run(runs[-1], "succeeded")["result"], "12345", "what the last one knows")
    expect([e["run_id"] for e in envelopes(rouse)], runs, "order")
    expect([(e["session"]["name"], e["session"]["turn"]) for e in envelopes(rouse)], [("t", n) for n in range(1, 6)], "what they are told")
    expect(len({e["session"]["id"] for e in envelopes(rouse)}), 1, "sessions")
    check("as turn 5 of session a/t" in rouse.cli("why", runs[-1]).out, "why names the session")
    expect(rouse.cli("db", "check").code, 0, "db check")


@scenario("sessions of other names, agents and tenants know nothing of one another, and do not wait")
def _(rouse):
    rouse.agent("b", REMEMBERS)
    rouse.webhook("other", agent="b", **THREAD)
    house(rouse, {**THREAD, "tenant": ".data.of"})
    runs = [rouse.deliver("push", {"thread": "t", "n": 1, "of": "abc"}).run_id, rouse.deliver("push", {"thread": "t", "n": 2, "of": "xyz"}).run_id,
            rouse.deliver("push", {"thread": "u", "n": 3}).run_id, rouse.deliver("other", {"thread": "t", "n": 4}).run_id,
            rouse.deliver("push", {"n": 5}).run_id]
    expect([rouse.wait_run(r, "succeeded")["result"] for r in runs], ["1", "2", "3", "4", "5"], "what each knows")
    expect(rouse.run(runs[-1])["session"], None, "without a name there is none")
    expect(rouse.run(runs[-1])["envelope"]["session"], None, "in its envelope")
    expect(sorted((s["agent"], s["tenant"] or "", s["name"]) for s in rouse.items("/v1/sessions")),
           [("a", "", "u"), ("a", "abc", "t"), ("a", "xyz", "t"), ("b", "", "t")], "sessions")


@scenario("an invocation names its session, on the command line, in a header and in the query")
def _(rouse):
    house(rouse)
    said = rouse.cli("invoke", "a", "--wait", "--session", "chat/1 ü", "--data", "1").out
    expect(said, "1\n", "the first turn")
    expect(rouse.api("POST", "/v1/agents/a/invoke", 2, {"Rouse-Session": "chat/1 ü".encode().decode("latin-1"), "Prefer": "wait=20"}).expect(200).json["result"], "12", "by header")
    expect(rouse.api("POST", "/v1/agents/a/invoke?session=chat%2F1%20%C3%BC", 3, {"Prefer": "wait=20"}).expect(200).json["result"], "123", "by query")
    shown = rouse.cli("session", "show", "a/chat/1 ü").out
    check("chat/1 ü" in shown and "123" in shown, f"session show: {shown}")
    expect(json.loads(rouse.cli("session", "list", "--json").out)["turns"], 3, "turns")
    for bad in ("", "x" * 513, "a%0Ab"):
        check(rouse.api("POST", "/v1/agents/a/invoke?session=" + bad, 1).status in (400, 422), f"session={bad[:9]!r} is no name")
    expect(len(rouse.runs()), 3, "runs")


@scenario("a key that is known takes no turn")
def _(rouse):
    house(rouse)
    first = say(rouse, 1, id="same")
    expect(rouse.deliver("push", {"thread": "t", "n": 1}, id="same").run_id, first, "the replay")
    second = say(rouse, 2)
    rouse.wait_run(second, "succeeded")
    expect([e["session"]["turn"] for e in envelopes(rouse)], [1, 2], "turns")


@scenario("a session outlives kill -9 of the daemon at any of its turns")
def _(rouse):
    house(rouse)
    for n in range(1, 7):
        touch(rouse, "hold")
        run = say(rouse, n)
        if n % 2:
            wait("it runs", lambda: len(rouse.marks()) >= n)
        rouse.kill_9()
        touch(rouse, "hold", False)
        rouse.start()
        rouse.wait_run(run, "succeeded")
    expect(rouse.run(run)["result"], "123456", "what the last one knows")
    expect([r["status"] for r in rouse.runs()], ["succeeded"] * 6, "runs")
    expect(rouse.cli("db", "check").code, 0, "db check")


@scenario("a turn that fails lets the next one go, and a replay is a turn of its own")
def _(rouse):
    rouse.agent("a", "read -r e; printf '%s\\n' \"$e\" >>$D/mark; test -e $D/sick && exit 65; echo '{\"type\":\"result\",\"output\":1}'")
    rouse.webhook("push", agent="a", **THREAD)
    rouse.start()
    touch(rouse, "sick")
    first = say(rouse, 1)
    rouse.wait_run(first, "failed")
    touch(rouse, "sick", False)
    rouse.wait_run(say(rouse, 2), "succeeded")
    rouse.cli("dlq", "replay", first)
    wait("it went again", lambda: len(rouse.marks()) == 3)
    expect([e["session"]["turn"] for e in envelopes(rouse)], [1, 2, 3], "turns")


@scenario("an ended session is over: its name begins a new one; one with a turn to do is not ended")
def _(rouse):
    house(rouse)
    touch(rouse, "hold")
    run = say(rouse, 1)
    wait("it runs", lambda: rouse.marks())
    refused = rouse.cli("session", "end", "a/t", expect_code=4)
    check("not done" in refused.err, refused.err)
    touch(rouse, "hold", False)
    rouse.wait_run(run, "succeeded")
    rouse.cli("session", "end", "a/t")
    rouse.cli("session", "show", "a/t", expect_code=3)
    check("ended" in rouse.cli("session", "end", rouse.run(run)["session"], expect_code=4).err, "twice")
    again = say(rouse, 2)
    expect(rouse.wait_run(again, "succeeded")["result"], "2", "what the new one knows")
    expect([s["state"] for s in rouse.items("/v1/sessions")], ["idle", "ended"], "states")


@scenario("a name that is none is said, and nothing runs")
def _(rouse):
    house(rouse)
    rouse.deliver("push", {"thread": "x" * 600, "n": 1}).expect(422)
    expect(rouse.runs(), [], "runs")
    check("session of trigger push" in rouse.items("/v1/events")[0]["rule"], "the event's rule")
    tested = rouse.api("POST", "/v1/triggers/push/test", {"data": {"thread": "t", "n": 1}}).expect(200).json
    expect(tested["session"], "t", "trigger test")


@scenario("what is gathered is gathered by session, and the run that comes of it is one turn")
def _(rouse):
    house(rouse, {**THREAD, "collect": "2/60s"})
    for n, thread in ((1, "t"), (2, "u"), (3, "t"), (4, "u")):
        rouse.deliver("push", {"thread": thread, "n": n}).expect(202)
    wait("both run", lambda: len(rouse.marks()) == 2)
    got = {e["session"]["name"]: (e["session"]["turn"], e["payload"]["events"]) for e in envelopes(rouse)}
    expect(got, {"t": (1, [1, 3]), "u": (1, [2, 4])}, "turns")


@scenario("an entity and a session are both kept in order")
def _(rouse):
    house(rouse, {**THREAD, "entity": ".data.about"})
    touch(rouse, "hold")
    for n, (thread, about) in enumerate((("t", "x"), ("t", "y"), ("u", "y"), ("u", "x"), ("v", "z")), 1):
        rouse.deliver("push", {"thread": thread, "n": n, "about": about}).expect(202)
    wait("two go at once", lambda: len(rouse.marks()) == 2)
    expect(sorted(e["payload"] for e in envelopes(rouse)), [1, 5], "which")
    touch(rouse, "hold", False)
    wait("all are done", lambda: all(r["status"] == "succeeded" for r in rouse.runs()))
    expect([e["payload"] for e in envelopes(rouse) if e["payload"] != 5], [1, 2, 3, 4], "order")
    expect(rouse.cli("db", "check").code, 0, "db check")


main()
