#!/usr/bin/env python3
# Scenario: triggers by hand: fired, tried, switched off, paused; events played again.
# SPDX-License-Identifier: MIT
from lib import *


def house(rouse, **trigger):
    rouse.agent("a", 'read -r e; printf "%s\\n" "$e" >>$D/mark; echo \'' + json.dumps(RESULT) + "'\n")
    rouse.webhook("push", agent="a", **{"filter": '.data.action == "opened"', "entity": ".data.pull_request.user.login", **trigger})
    rouse.section("trigger hand", source="manual", agent="a")
    rouse.start()


@scenario("rouse trigger test shows what would be, and keeps nothing")
def _(rouse):
    house(rouse)
    said = rouse.cli("trigger", "test", "push", "--data", json.dumps(PUSH), "--json").json
    expect((said["verdict"], said["entity"], said["payload"]), ("run", "maria", PUSH), "what it would do")
    expect(said["envelope"]["agent"], "a", "the agent of the envelope")
    said = rouse.cli("trigger", "test", "push", "--data", '{"action":"closed"}', "--json", expect_code=None).json
    expect(said["verdict"], "filtered", "verdict")
    said = rouse.cli("trigger", "test", "push", "--data", '{"action":"opened","pull_request":7}', "--json", expect_code=None).json
    expect(said["verdict"], "rejected", "verdict where the entity cannot be had")
    expect((rouse.items("/v1/events"), rouse.runs(), rouse.marks()), ([], [], []), "what was kept and run")


@scenario("a trigger is fired by hand, with data of one's own")
def _(rouse):
    house(rouse)
    rouse.cli("trigger", "fire", "hand", "--data", '{"n":7}')
    [run] = wait("a run", rouse.runs)
    rouse.wait_run(run["id"], "succeeded")
    expect(json.loads(rouse.marks()[0])["payload"], {"n": 7}, "the payload")
    rouse.cli("trigger", "fire", "nobody", expect_code=3)


@scenario("a disabled trigger takes nothing, also after a restart; enabled it does again")
def _(rouse):
    house(rouse)
    rouse.cli("trigger", "disable", "push")
    check(rouse.deliver("push").status in (404, 503), "a disabled hook takes nothing")
    rouse.restart()
    check(rouse.deliver("push").status in (404, 503), "nor after a restart")
    rouse.cli("trigger", "enable", "push")
    rouse.wait_run(rouse.deliver("push").expect(202).run_id, "succeeded")


@scenario("a paused trigger answers 503, a paused agent lets runs wait, both go on after resume")
def _(rouse):
    house(rouse)
    rouse.cli("pause", "--trigger", "push")
    rouse.deliver("push").expect(503)
    rouse.cli("resume", "--trigger", "push")
    rouse.cli("pause", "--agent", "a")
    run = rouse.deliver("push").expect(202).run_id
    stays("the run waits", lambda: rouse.run(run)["status"] == "queued", 0.4)
    rouse.cli("resume", "--agent", "a")
    rouse.wait_run(run, "succeeded")


@scenario("an event is played again as a new run")
def _(rouse):
    house(rouse)
    run = rouse.deliver("push").run_id
    rouse.wait_run(run, "succeeded")
    rouse.cli("event", "replay", rouse.run(run)["event_id"])
    wait("it ran twice", lambda: len([r for r in rouse.runs() if r["status"] == "succeeded"]) == 2)
    expect([json.loads(m)["payload"] for m in rouse.marks()], [PUSH, PUSH], "what the agent got")


@scenario("rouse invoke --wait prints the result, and ends as the run does")
def _(rouse):
    house(rouse)
    check("done" in rouse.cli("invoke", "a", "--wait", "--data", '{"x":1}').out, "the result")
    rouse.agent("bad", "exit 64\n")
    rouse.cli("reload", expect_code=None)
    rouse.write_config()
    rouse.cli("reload")
    rouse.cli("invoke", "bad", "--wait", expect_code=1)
    rouse.cli("invoke", "nobody", expect_code=3)


@scenario("a rate that is exceeded sheds with 429 and Retry-After")
def _(rouse):
    house(rouse, rate="3/m")
    answers = [rouse.deliver("push") for _ in range(6)]
    expect([a.status for a in answers], [202, 202, 202, 429, 429, 429], "statuses")
    check(int(answers[-1].headers["Retry-After"]) >= 1, "Retry-After")


@scenario("a trigger is shown with its settings, each as what it is, and which of them nobody set")
def _(rouse):
    house(rouse, filter="true\nor false", enabled="yes", methods="POST, PUT", dedupe_window="1h")
    shown = rouse.get("/v1/triggers/push")
    for key, value in {"filter": "true\nor false", "enabled": True, "methods": ["POST", "PUT"], "ack": 202, "dedupe_window": "1h",
                       "secret": "file:" + os.path.join(rouse.dir, "secret-push")}.items():
        expect(shown["settings"].get(key), value, key)
    check("ack" in shown["defaults"] and "methods" not in shown["defaults"], f"the defaults: {shown['defaults']}")
    expect(type(rouse.get("/v1/agents/a")["settings"]), dict, "the settings of an agent")
    out = rouse.cli("trigger", "show", "push").out
    for line in ("methods = POST, PUT\n", "filter =\n    true\n    or false\n", "# ack = 202  (default)\n"):
        check(line in out, f"it should say {line!r}: {out}")


main()
