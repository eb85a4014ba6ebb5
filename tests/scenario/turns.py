#!/usr/bin/env python3
# Scenario: whose turn it is: tenants by weight, pools, caps, overlaps; and one switch that stops it all.
# SPDX-License-Identifier: MIT
from lib import *

NOTES = "echo \"$e\" | sed 's/.*\"n\": *\"\\([a-z0-9]*\\)\".*/\\1/' >>$D/mark; "
# Says its payload's n in order of start; the first ends at once, the second at its word.
GOES = "read e; " + NOTES + "echo '" + json.dumps(RESULT) + "'\n"
WAITS = "read e; " + NOTES + "while [ ! -e $D/go ]; do sleep 0.05; done; echo '" + json.dumps(RESULT) + "'\n"


def of(rouse, tenant, n, hook="push"):
    return rouse.deliver(hook, {"tenant": tenant, "n": n}).expect(202).run_id


def goes(rouse):
    open(os.path.join(rouse.dir, "go"), "w").close()


@scenario("a tenant with 400 queued runs delays another's only one by no more than what runs")
def _(rouse):
    rouse.agent("a", WAITS, concurrency=2)
    rouse.webhook("push", agent="a", tenant=".data.tenant")
    rouse.start()
    for i in range(400):
        of(rouse, "noisy", f"a{i}")
    run = of(rouse, "quiet", "b")
    wait("two go on", lambda: len(rouse.marks()) == 2)
    goes(rouse)
    rouse.wait_run(run, "succeeded")
    check(rouse.marks().index("b") <= 4, f"it started as number {rouse.marks().index('b')}")
    wait("all are done", lambda: len(rouse.marks()) >= 401, 60)
    expect(sorted(rouse.marks()), sorted([f"a{i}" for i in range(400)] + ["b"]), "each ran, once")


@scenario("weights are shares, also over a kill -9")
def _(rouse):
    rouse.section("tenant big", weight=3)
    rouse.agent("a", GOES, concurrency=1)
    rouse.webhook("push", agent="a", tenant=".data.tenant")
    rouse.start()
    rouse.cli("pause", "--agent", "a")
    for i in range(20):
        of(rouse, "big", f"x{i}")
        of(rouse, "small", f"y{i}")
    rouse.kill_9()
    rouse.start()
    rouse.cli("resume", "--agent", "a")
    wait("all are done", lambda: len(rouse.marks()) >= 40, 60)
    first = rouse.marks()[:24]
    expect(sum(m[0] == "x" for m in first), 18, f"of the heavy one's among the first 24 ({first})")
    expect([m for m in rouse.marks() if m[0] == "y"], [f"y{i}" for i in range(20)], "each tenant's in order")


@scenario("a pool, a tenant's cap and its pause hold back what they name and nothing else, and why says so")
def _(rouse):
    rouse.section("limits", **{"pool.gpu": 2})
    rouse.section("tenant capped", max_running=1)
    for name in "abc":
        rouse.agent(name, WAITS, concurrency=4, pool=None if name == "c" else "gpu")
        rouse.webhook("hook" + name, agent=name, tenant=".data.tenant")
    rouse.start()
    runs = [of(rouse, "x", f"a{i}", "hooka") for i in range(2)]
    wait("two go on", lambda: len(rouse.marks()) == 2)
    pooled = of(rouse, "x", "b", "hookb")
    one = of(rouse, "capped", "c1", "hookc")
    wait("the third goes on", lambda: len(rouse.marks()) == 3)
    two = of(rouse, "capped", "c2", "hookc")
    rouse.cli("pause", "--tenant", "late")
    paused = of(rouse, "late", "c3", "hookc")
    other = of(rouse, "other", "c4", "hookc")
    wait("another's goes on", lambda: "c4" in rouse.marks())
    expect(rouse.marks()[2:], ["c1", "c4"], "what started beside the pool")
    for run, words in (pooled, "pool gpu"), (two, "tenant capped runs 1"), (paused, "tenant late is paused"):
        said = rouse.cli("why", run).out
        check(words in said, f"why says {words!r}: {said}")
    goes(rouse)
    for run in runs + [pooled, one, two, other]:
        rouse.wait_run(run, "succeeded")
    expect(rouse.run(paused)["status"], "queued", "what is paused")
    rouse.cli("resume", "--tenant", "late")
    rouse.wait_run(paused, "succeeded")


@scenario("queue_full = drop_oldest: the oldest of lowest priority gives way, its caller is told, nothing urgent and nothing that runs does")
def _(rouse):
    rouse.section("limits", max_queued=3, queue_full="drop_oldest")
    rouse.agent("a", WAITS, concurrency=1)
    for name in "high", "normal", "low":
        rouse.webhook(name, agent="a", priority=name)
    rouse.start()
    running = rouse.deliver("low", {"n": "r"}).expect(202).run_id
    wait("it goes on", lambda: len(rouse.marks()) == 1)
    ids = [rouse.deliver(hook, {"n": hook}).expect(202).run_id for hook in ("normal", "low", "low")]
    ids += [rouse.deliver(hook, {"n": hook}).expect(202).run_id for hook in ("high", "high", "high")]
    rouse.deliver("low", {"n": "late"}).expect(429)
    expect([rouse.run(id)["status"] for id in ids], ["skipped"] * 3 + ["queued"] * 3, "what became of them")
    event = rouse.event_of(ids[1])
    expect(event["outcome"], "shed", "outcome of the event whose run gave way")
    check("drop_oldest" in rouse.cli("why", ids[1]).out, "why says what took its place")
    expect(rouse.run(running)["status"], "running", "what runs")
    goes(rouse)
    for id in ids[3:]:
        rouse.wait_run(id, "succeeded")


def overlaps(policy, sentence, want, ran, entity=None):
    @scenario(f"overlap = {policy}: {sentence}")
    def _(rouse):
        rouse.agent("a", WAITS, concurrency=4, grace="200ms")
        rouse.webhook("push", agent="a", overlap=policy, entity=entity)
        rouse.start()
        first = rouse.deliver("push", {"n": "n1", "e": "x"}).expect(202).run_id
        wait("the first goes on", lambda: rouse.marks() == ["n1"])
        answers = [rouse.deliver("push", {"n": f"n{i}", "e": "x"}) for i in (2, 3)]
        if policy == "cancel_other":
            wait("the last goes on", lambda: "n3" in rouse.marks())
        goes(rouse)
        ids = [first] + [a.json.get("run_id") or a.json.get("run") for a in answers]
        wait("all have ended", lambda: all(not id or rouse.run(id)["status"] in ("succeeded", "cancelled", "skipped") for id in ids))
        expect([rouse.run(id)["status"] if id else None for id in ids], want, "what became of them")
        expect(sorted(set(rouse.marks()) - {"n2"} if policy == "cancel_other" else rouse.marks()), ran, "what ran")
        for id, status in zip(ids, want):
            if id and status in ("cancelled", "skipped"):
                check(policy in rouse.cli("why", id).out, "why names the policy")


overlaps("queue", "every event has its run, one after another where they are of one entity", ["succeeded"] * 3, ["n1", "n2", "n3"], ".data.e")
overlaps("queue_one", "the newest waits, once", ["succeeded", "skipped", "succeeded"], ["n1", "n3"])
overlaps("skip", "what comes meanwhile is skipped", ["succeeded", None, None], ["n1"])
overlaps("cancel_other", "the newest takes the place of all others", ["cancelled", "cancelled", "succeeded"], ["n1", "n3"])
overlaps("allow", "all go on at once", ["succeeded"] * 3, ["n1", "n2", "n3"])


@scenario("256 agents that hear no signal are gone 10 s after a halt, and it outlives a kill -9")
def _(rouse):
    rouse.section("limits", max_running=256)
    rouse.agent("deaf", "trap '' TERM INT HUP\nread e\necho x >>$D/mark\nwhile :; do sleep 600; done\n", concurrency=300, retry__attempts=1)
    rouse.agent("ok", GOES)
    rouse.webhook("push", agent="deaf")
    rouse.webhook("next", agent="ok")
    rouse.start()
    for _ in range(260):
        rouse.deliver("push").expect(202)
    wait("256 go on", lambda: len(rouse.marks()) == 256, 120)
    rouse.cli("halt", expect_code=None)
    rouse.nothing_left(60 if is_sanitized() else 10)
    rouse.kill_9()
    rouse.start()
    check(rouse.get("/v1/status")["halted"], "halted still")
    later = rouse.deliver("next", {"n": "later"})
    expect((len(rouse.marks()), len(rouse.runs(status="running"))), (256, 0), "what started since, what runs")
    expect(len(rouse.runs(status="cancelled")), 256, "runs that the halt ended")
    rouse.section("trigger push", agent="ok")
    rouse.write_config()
    for run in rouse.runs(status="queued"):
        if run["agent"] == "deaf":
            rouse.cli("run", "cancel", run["id"])
    rouse.cli("resume")
    if later.status == 202:
        rouse.wait_run(later.run_id, "succeeded")


main()
