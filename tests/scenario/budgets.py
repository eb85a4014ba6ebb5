#!/usr/bin/env python3
# Scenario: nothing runs away: what a run may use is bounded, live and at the door.
# SPDX-License-Identifier: MIT
from lib import *


def over(reason, message, **budget):
    @scenario(f"{reason}: the run is stopped the moment the meter passes its limit")
    def _(rouse):
        rouse.agent("a", f"read e; echo '{json.dumps(message)}'; echo '{json.dumps(message)}'; sleep 600\n", grace="200ms", retry__attempts=3, **budget)
        rouse.webhook("push", agent="a")
        rouse.start()
        run = rouse.wait_run(rouse.deliver("push").run_id, "failed")
        expect((run["reason"], run["attempts"]), (reason, 1), "reason and attempts")
        rouse.nothing_left()


over("budget_steps", {"type": "step", "name": "s", "status": "start"}, budget__steps=1)
over("budget_tools", {"type": "tool_start", "name": "t", "id": "1"}, budget__tools=1)
over("budget_tokens", {"type": "usage", "input_tokens": 60, "output_tokens": 10}, budget__tokens=100)
over("budget_cost", {"type": "usage", "cost_usd": 0.06}, budget__cost="0.10")
over("budget_context", {"type": "usage", "context_tokens": 9000}, budget__context=8000)


@scenario("what a run used is told, exactly")
def _(rouse):
    rouse.agent("a", says({"type": "usage", "input_tokens": 100, "output_tokens": 20, "cost_usd": 0.01}, {"type": "usage", "input_tokens": 1, "cost_usd": 0.002},
                          {"type": "step", "name": "s", "status": "start"}, RESULT))
    rouse.webhook("push", agent="a")
    rouse.start()
    run = rouse.wait_run(rouse.deliver("push").run_id, "succeeded")
    expect((run["cost_usd"], run["tokens"], run["steps"]), (0.012, 121, 1), "cost, tokens, steps")


@scenario("negative and absurd usage does not lower the meter")
def _(rouse):
    rouse.agent("a", says({"type": "usage", "cost_usd": 0.5}, {"type": "usage", "cost_usd": -100, "input_tokens": -5}, '{"type":"usage","cost_usd":1e999}',
                          '{"type":"usage","input_tokens":"999999999999999999999"}', RESULT))
    rouse.webhook("push", agent="a")
    rouse.start()
    run = rouse.deliver("push").run_id
    ended = wait("it ends", lambda: (lambda r: r if r["status"] in ("succeeded", "failed") else None)(rouse.run(run)))
    check(ended["cost_usd"] >= 0.5 and ended["tokens"] >= 0, f"cost {ended['cost_usd']}, tokens {ended['tokens']}")


@scenario("of 200 runs at once a day that may cost 50 lets no more than 50 be spent, through kill -9")
def _(rouse):
    rouse.section("budget", cost_per_day=50, cost=1)
    # Each waits for a word, so that as many as may be go on at the same time.
    gate = os.path.join(rouse.dir, "go")
    rouse.agent("a", f"while [ ! -e {gate} ]; do sleep 0.05; done\n" + says({"type": "usage", "cost_usd": 1.0}, RESULT), concurrency=200)
    rouse.webhook("push", agent="a")
    rouse.start()
    for i in range(200):
        rouse.deliver("push", id=f"d{i}").expect(202)
    wait("50 go on", lambda: len(rouse.runs(status="running", limit=300)) == 50)
    today = lambda: {(i["scope"], i["name"]): i for i in rouse.items("/v1/budget")}
    expect(today()["all", ""]["reserved_usd"], 50, "reserved")
    expect(today()["all", ""]["held"], 150, "runs that wait for the day")
    rouse.kill_9()
    rouse.start()
    expect(len(rouse.runs(status="running", limit=300)), 50, "runs that go on after kill -9")
    expect(today()["all", ""]["left_usd"], 0, "left after kill -9")
    open(gate, "w").close()
    wait("the first end", lambda: len(rouse.runs(status="succeeded", limit=300)) > 3)
    rouse.kill_9()
    rouse.start()
    wait("all that may have ended", lambda: len(rouse.runs(status="succeeded", limit=300)) == 50, 60)
    all_of_it = today()["all", ""]
    expect((all_of_it["spent_usd"], all_of_it["reserved_usd"], all_of_it["left_usd"]), (50, 0, 0), "spent, reserved, left")
    expect(today()["agent", "a"]["spent_usd"], 50, "what the agent spent")
    held = rouse.runs(status="queued", limit=300)
    expect(len(held), 150, "runs that wait")
    check("may spend 50.00 dollars a day" in rouse.run(held[0]["id"])["error"], f"why it waits: {rouse.run(held[0]['id'])}")
    rouse.nothing_left()


@scenario("a day that is spent answers 429, says when the next begins, and keeps the event")
def _(rouse):
    rouse.section("budget", cost_per_tenant_day=1, cost=1)
    rouse.agent("a", says({"type": "usage", "cost_usd": 0.4}, RESULT))
    rouse.webhook("push", agent="a", tenant=".data.tenant")
    rouse.start()
    rouse.wait_run(rouse.deliver("push", body={"tenant": "abc"}, id="1").run_id, "succeeded")
    refused = rouse.deliver("push", body={"tenant": "abc"}, id="2").expect(429)
    check(0 < int(refused.headers["retry-after"]) <= 86400, f"Retry-After {refused.headers.get('retry-after')}")
    check("tenant abc may spend 1.00 dollars a day: 0.40 are spent" in refused.json["detail"], refused.json["detail"])
    expect(rouse.items("/v1/events?outcome=shed")[0]["outcome"], "shed", "its event")
    rouse.wait_run(rouse.deliver("push", body={"tenant": "xyz"}, id="3").run_id, "succeeded")
    rouse.deliver("push", body={"tenant": "abc"}, id="1").expect(200)
    check("tenant" in rouse.cli("budget").out and "abc" in rouse.cli("budget").out, "rouse budget")


@scenario("what a budget stopped goes on with more, from its checkpoint")
def _(rouse):
    rouse.agent("a", 'read e\ncase $e in *\'"at":3\'*) ' + "echo '{\"type\":\"usage\",\"cost_usd\":0.2}'; echo '{\"type\":\"result\",\"output\":\"went on\"}'; exit 0;; esac\n"
                "echo '{\"type\":\"checkpoint\",\"name\":\"c\",\"state\":{\"at\":3}}'; echo '{\"type\":\"usage\",\"cost_usd\":1.5}'; sleep 600\n", grace="200ms")
    rouse.webhook("push", agent="a")
    rouse.start()
    run = rouse.wait_run(rouse.deliver("push").run_id, "failed")
    expect(run["reason"], "budget_cost", "reason")
    check("--budget.cost" in rouse.cli("run", "retry", run["id"], expect_code=4).err, "what it says without more")
    fresh = json.loads(rouse.cli("run", "retry", run["id"], "--budget.cost", "5", "--json").out)
    ended = rouse.wait_run(fresh["id"], "succeeded")
    expect((ended["result"], ended["cost_usd"]), ("went on", 1.7), "its result, and what both cost")


main()
