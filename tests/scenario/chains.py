#!/usr/bin/env python3
# Scenario: agents wake agents: topics, ends of runs, their causes, and what a kill does to such chains.
# SPDX-License-Identifier: MIT
import random

from lib import *

NOTE = 'read -r e; printf "%s\\n" "$e" >>$D/mark\n'


def emit(topic, data=None, **more):
    return {"type": "emit", "topic": topic, "data": data, **more}


def by_trigger(rouse, trigger, status="succeeded"):
    return [r for r in rouse.runs(trigger=trigger) if r["status"] == status]


@scenario("what an agent emits wakes every agent that listens, with its data, its cause and its run as correlation")
def _(rouse):
    rouse.agent("first", says(emit("news", {"n": 1}, event_type="paper.printed"), RESULT))
    rouse.agent("reader", NOTE)
    rouse.webhook("push", agent="first", mode="apply")
    for name in ("one", "two", "three"):
        rouse.section("trigger " + name, source="topic", topic="news", agent="reader")
    rouse.start()
    run = rouse.deliver("push").run_id
    marks = [json.loads(m) for m in wait("three readers", lambda: rouse.marks() if len(rouse.marks()) == 3 else None)]
    expect(sorted(m["trigger"]["name"] for m in marks), ["one", "three", "two"], "who was woken")
    for m in marks:
        expect((m["payload"], m["correlation_id"], m["trust"]), ({"n": 1}, run, "authenticated"), "the envelope")
        expect(m["cause"], {"root": rouse.run(run)["event_id"], "parent": run, "hops": 1}, "the cause")
        check(m["traceparent"].split("-")[1] == rouse.run(run)["traceparent"].split("-")[1], "one trace")
    document = rouse.event_of(by_trigger(rouse, "one")[0]["id"])["document"]
    expect((document["type"], document["rouse"]["topic"], document["rouse"]["run"]), ("paper.printed", "news", run), "the event")


@scenario("a chain of ends: what succeeded wakes one, what failed another, with its result")
def _(rouse):
    rouse.agent("work", 'read -r e; case "$e" in *broken*) exit 64;; esac; echo \'{"type":"result","output":{"sum":3}}\'\n')
    rouse.agent("note", NOTE)
    rouse.webhook("push", agent="work", filter=None)
    rouse.section("trigger done", source="after", trigger="push", status="succeeded", agent="note")
    rouse.section("trigger wrong", source="after", after_agent="work", status="failed", agent="note")
    rouse.start()
    good = rouse.deliver("push", {"n": 1}).run_id
    bad = rouse.deliver("push", {"n": "broken"}).run_id
    marks = [json.loads(m) for m in wait("both", lambda: rouse.marks() if len(rouse.marks()) == 2 else None)]
    told = {m["trigger"]["name"]: m["payload"] for m in marks}
    expect((told["done"]["run_id"], told["done"]["status"], told["done"]["result"]), (good, "succeeded", {"sum": 3}), "of the good one")
    expect((told["wrong"]["run_id"], told["wrong"]["status"], told["wrong"]["reason"]), (bad, "failed", "permanent"), "of the bad one")


@scenario("a circle is told by rouse check, runs max_hops times, and is then recorded as looped")
def _(rouse):
    rouse.agent("a", NOTE)
    rouse.section("trigger seed", source="manual", agent="a")
    rouse.section("trigger ping", source="after", trigger="seed, pong", agent="a", max_hops="4")
    rouse.section("trigger pong", source="after", trigger="ping", agent="a", max_hops="4")
    rouse.write_config()
    said = rouse.cli("check", rouse.conf)
    check("ping wakes pong wakes ping" in said.out + said.err, f"check names the circle: {said}")
    rouse.start()
    rouse.cli("trigger", "fire", "seed")
    wait("the loop ends", lambda: rouse.items("/v1/events?outcome=looped"))
    expect((len(by_trigger(rouse, "ping")), len(by_trigger(rouse, "pong"))), (2, 2), "runs of the circle")
    stays("nothing goes on", lambda: len(rouse.runs()) == 5, 0.3)


@scenario("an agent that waits for its own emissions is stopped by max_hops too")
def _(rouse):
    rouse.agent("echo", says(emit("echo", 1), RESULT))
    rouse.section("trigger seed", source="manual", agent="echo")
    rouse.section("trigger self", source="topic", topic="echo", agent="echo", max_hops="5")
    rouse.start()
    rouse.cli("trigger", "fire", "seed")
    wait("the loop ends", lambda: rouse.items("/v1/events?outcome=looped"))
    expect(len(by_trigger(rouse, "self")), 5, "runs of it")


@scenario("what a paused trigger does not hear waits, is shown, survives kill -9, and comes in order")
def _(rouse):
    rouse.agent("first", 'read -r e; for n in 1 2 3 4 5; do echo \'{"type":"emit","topic":"news","data":\'$n\'}\'; done\n')
    rouse.agent("reader", NOTE, concurrency=1)
    rouse.webhook("push", agent="first")
    rouse.section("trigger one", source="topic", topic="news", agent="reader", entity='"all"')
    rouse.start()
    rouse.cli("pause", "--trigger", "one")
    rouse.wait_run(rouse.deliver("push").run_id, "succeeded")
    expect([t["backlog"] for t in rouse.items("/v1/triggers") if t["name"] == "one"], [5], "backlog")
    rouse.kill_9()
    rouse.start()
    expect([t["backlog"] for t in rouse.items("/v1/triggers") if t["name"] == "one"], [5], "backlog after the kill")
    rouse.cli("resume", "--trigger", "one")
    marks = wait("all five", lambda: rouse.marks() if len(rouse.marks()) == 5 else None)
    expect([json.loads(m)["payload"] for m in marks], [1, 2, 3, 4, 5], "what it read")


@scenario("a retried attempt that emits under the same key wakes once")
def _(rouse):
    rouse.agent("first", says(emit("news", 1, key="order-7"), emit("news", 2), exit=75, before='[ -e $D/again ] && exit 0; [ -e $D/twice ] && touch $D/again; touch $D/twice'), retry__base="10ms")
    rouse.agent("reader", NOTE)
    rouse.webhook("push", agent="first")
    rouse.section("trigger one", source="topic", topic="news", agent="reader")
    rouse.start()
    run = rouse.deliver("push").run_id
    expect(rouse.wait_run(run, "succeeded")["attempts"], 3, "attempts")
    wait("both are read", lambda: len(by_trigger(rouse, "one")) == 2)
    expect(len(rouse.items("/v1/events?trigger=one&outcome=replayed")), 2, "emissions that were known")
    expect(len(rouse.marks()), 2, "starts of the reader")


@scenario("ten thousand emissions of one run all become events")
def _(rouse):
    rouse.agent("first", "read -r e; i=0; while [ $i -lt 10000 ]; do i=$((i+1)); echo '{\"type\":\"emit\",\"topic\":\"news\",\"data\":'$i'}'; done\n")
    rouse.agent("reader", NOTE)
    rouse.webhook("push", agent="first")
    rouse.section("trigger one", source="topic", topic="news", agent="reader", filter=".data == 7777")
    rouse.start()
    rouse.wait_run(rouse.deliver("push").run_id, "succeeded", 60)
    db = sqlite3.connect(f"file:{rouse.db}?mode=ro", uri=True)
    wait("all are events", lambda: db.execute("SELECT count(*), count(DISTINCT document ->> '$.data') FROM events WHERE trigger = 'one'").fetchone() == (10000, 10000), 60)
    db.close()
    wait("the one is read", lambda: len(rouse.marks()) == 1)


@scenario("rouse emit says something on a topic, as a person")
def _(rouse):
    rouse.agent("reader", NOTE)
    rouse.section("trigger one", source="topic", topic="news", agent="reader")
    rouse.section("trigger two", source="topic", topic="news", agent="reader")
    rouse.start()
    said = rouse.cli("emit", "news", "--data", '{"n":1}', "--type", "paper.printed", "--key", "k1", "--json").json
    expect(said, {"topic": "news", "heard": 2}, "the answer")
    marks = wait("both read it", lambda: rouse.marks() if len(rouse.marks()) == 2 else None)
    envelope = json.loads(marks[0])
    expect((envelope["payload"], envelope["trust"], envelope["idempotency_key"], envelope["cause"]["hops"]), ({"n": 1}, "trusted", "k1", 0), "the envelope")
    rouse.cli("emit", "news", "--key", "k1")
    wait("it is known", lambda: len(rouse.items("/v1/events?outcome=replayed")) == 2)
    check("0 triggers" in rouse.cli("emit", "silence").out, "nobody listens")
    rouse.cli("emit", "No/Topic", expect_code=None)
    rouse.api("POST", "/v1/topics/Wrong/emit", {}).expect(400, 422)
    rouse.api("POST", "/v1/topics/news/emit", {"key": {}}).expect(400, 422)
    expect(len(rouse.marks()), 2, "starts of the readers")


@scenario("a run that is cancelled tells who waits for that")
def _(rouse):
    rouse.agent("slow", "read -r e; echo x >>$D/began; sleep 600\n")
    rouse.agent("note", NOTE)
    rouse.webhook("push", agent="slow")
    rouse.section("trigger gone", source="after", trigger="push", status="cancelled", agent="note")
    rouse.start()
    run = rouse.deliver("push").run_id
    wait("it runs", lambda: rouse.marks("began"))
    rouse.cli("run", "cancel", run)
    [mark] = wait("it is told", rouse.marks)
    expect((json.loads(mark)["payload"]["run_id"], json.loads(mark)["payload"]["status"]), (run, "cancelled"), "what was told")


@scenario("twelve kills at random moments: every link of every chain, A to B to C with a fan-out of three, comes exactly once")
def _(rouse):
    rouse.agent("a", 'read -r e; echo \'{"type":"emit","topic":"news","data":{"n":1}}\'; sleep 0.0$(($$ % 5)); echo \'{"type":"emit","topic":"news","data":{"n":1}}\'\n', concurrency=8)
    rouse.agent("b", "read -r e; exit 0\n", concurrency=8)
    rouse.agent("c", "read -r e; exit 0\n", concurrency=8)
    rouse.webhook("push", agent="a", overlap="allow")
    for n in "123":
        rouse.section("trigger b" + n, source="topic", topic="news", agent="b", overlap="allow")
        rouse.section("trigger c" + n, source="after", trigger="b" + n, agent="c", overlap="allow")
    rouse.start()
    dice = random.Random(7)
    sent = 0
    for _ in range(12):
        for _ in range(3):
            sent += rouse.deliver("push", {"n": sent}).expect(202) and 1
        time.sleep(dice.random() * 0.25)
        rouse.kill_9()
        rouse.start()
    db = sqlite3.connect(f"file:{rouse.db}?mode=ro", uri=True)

    def ended():
        return dict(db.execute("SELECT trigger, count(*) FROM runs WHERE status = 'succeeded' GROUP BY trigger").fetchall())

    want = {"push": sent, **{"b" + n: sent * 2 for n in "123"}, **{"c" + n: sent * 2 for n in "123"}}
    wait("all chains are at their end", lambda: ended() == want or (_ for _ in ()).throw(Failed(str(ended()))), 90)
    stays("nothing comes after", lambda: ended() == want, 0.5)
    for n in "123":
        expect(db.execute("SELECT count(*) FROM (SELECT parent FROM runs WHERE trigger = ? GROUP BY parent HAVING count(*) <> 2)", ["b" + n]).fetchone()[0], 0, "runs of a that woke b not twice")
        expect(db.execute("SELECT count(*) FROM (SELECT parent FROM runs WHERE trigger = ? GROUP BY parent HAVING count(*) <> 1)", ["c" + n]).fetchone()[0], 0, "runs of b that woke c not once")
    expect(db.execute("SELECT count(*) FROM facts").fetchone()[0], 0, "facts that are left")
    expect(db.execute("SELECT max(hops), count(DISTINCT root) FROM runs WHERE hops > 0").fetchone(), (2, sent), "hops and roots")
    db.close()


main()
