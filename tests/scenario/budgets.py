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


main()
