#!/usr/bin/env python3
# Scenario: the main journey, from a signed webhook to an applied change and back.
# SPDX-License-Identifier: MIT
from lib import *


def house(rouse, *messages, **trigger):
    rouse.agent("triage", says(*(messages or [change(), RESULT])), targets="crm")
    rouse.crm()
    rouse.webhook("push", agent="triage", **trigger)
    rouse.start()


@scenario("a webhook becomes a staged change, which is applied once when it is approved")
def _(rouse):
    house(rouse)
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, "succeeded")
    [staged] = rouse.changes(run=run)
    expect(staged["status"], "proposed", "status of the change")
    expect((staged["before"], staged["after"], staged["reason"]), ({"stage": "new"}, {"stage": "won"}, "because"), "the change")
    expect(rouse.deal(), ("new", 0), "the deal before it is applied")
    check("won" in rouse.cli("diff", run).out, "rouse diff should show what would be")
    rouse.cli("approve", run, "--all", "--reason", "fine")
    rouse.cli("apply", run, "--yes")
    applied = rouse.wait_change(staged["id"], "applied")
    expect(rouse.deal(), ("won", 1), "the deal")
    check(applied["applied_at"] and applied["decided_by"], "when it was applied and who decided")


@scenario("a redelivery is answered 200 with the first run, and changes nothing")
def _(rouse):
    house(rouse, mode="apply")
    first = rouse.deliver("push", id="d1").expect(202)
    rouse.wait_run(first.run_id, "succeeded")
    wait("the change is applied", lambda: rouse.deal() == ("won", 1))
    again = rouse.deliver("push", id="d1").expect(200)
    expect((again.run_id, again.json["replayed"]), (first.run_id, True), "the answer")
    stays("the deal stays as it is", lambda: rouse.deal() == ("won", 1), 0.5)
    expect(len(rouse.runs()), 1, "runs")
    expect([e["outcome"] for e in rouse.items("/v1/events")].count("replayed"), 1, "replayed events")


@scenario("a revert brings back what was there, and the story tells all of it")
def _(rouse):
    house(rouse, mode="apply")
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, "succeeded")
    wait("the change is applied", lambda: rouse.deal() == ("won", 1))
    rouse.cli("revert", run, "--yes", "--reason", "a mistake")
    [one] = rouse.changes(run=run)
    rouse.wait_change(one["id"], "reverted")
    expect(rouse.deal(), ("new", 2), "the deal")
    told = {part["what"] for part in rouse.get("/v1/why/" + run)["story"]}
    check({"received", "proposed", "applied"} <= told, f"the story should tell what was received, proposed and applied: {told}")
    check("a mistake" in rouse.cli("why", run).out, "the story should give the reason for the revert")


@scenario("mode = apply applies without a person, and says that policy decided")
def _(rouse):
    house(rouse, mode="apply")
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, "succeeded")
    [one] = wait("a change", lambda: rouse.changes(run=run))
    one = rouse.wait_change(one["id"], "applied")
    expect(one["decided_by"], "policy", "who decided")


@scenario("an event that the filter refuses is recorded as filtered and runs nothing")
def _(rouse):
    house(rouse, filter='.data.action == "closed"')
    answer = rouse.deliver("push").expect(200, 202)
    check(not answer.json.get("run_id"), "no run")
    [event] = rouse.items("/v1/events")
    expect(event["outcome"], "filtered", "outcome")
    expect(rouse.runs(), [], "runs")


@scenario("GitHub's ping is answered and runs nothing")
def _(rouse):
    house(rouse)
    rouse.deliver("push", {"zen": "Keep it logically awesome."}, event="ping").expect(200, 202)
    [event] = rouse.items("/v1/events")
    expect(event["outcome"], "filtered", "outcome")


@scenario("a rejected change is never applied")
def _(rouse):
    house(rouse)
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, "succeeded")
    rouse.cli("reject", run, "--all", "--reason", "no")
    rouse.cli("apply", run, "--yes", expect_code=None)
    [one] = rouse.changes(run=run)
    expect((one["status"], one["decision_reason"]), ("rejected", "no"), "the change")
    stays("the deal stays as it is", lambda: rouse.deal() == ("new", 0), 0.3)


@scenario("the agent gets its envelope as the first line, and its main fields in the environment")
def _(rouse):
    rouse.agent("look", 'read -r envelope; printf "%s\\n" "$envelope" >$D/envelope; env >$D/environ\n')
    rouse.webhook("push", agent="look", entity=".data.pull_request.user.login")
    rouse.start(SECRET_OF_THE_DAEMON="x")
    reply = rouse.deliver("push", headers={"X-Correlation-ID": "c-1"}).expect(202)
    expect(reply.headers["Location"], "/v1/runs/" + reply.run_id, "Location")
    rouse.wait_run(reply.run_id, "succeeded")
    envelope = json.loads(rouse.marks("envelope")[0])
    expect({k: envelope[k] for k in ("version", "run_id", "agent", "entity", "attempt", "mode", "trust", "correlation_id", "payload")},
           {"version": 1, "run_id": reply.run_id, "agent": "look", "entity": "maria", "attempt": 1, "mode": "stage",
            "trust": "authenticated", "correlation_id": "c-1", "payload": PUSH}, "the envelope")
    expect(envelope["trigger"]["name"], "push", "its trigger")
    environment = dict(line.split("=", 1) for line in rouse.marks("environ") if "=" in line)
    expect(environment.get("ROUSE_RUN_ID"), reply.run_id, "ROUSE_RUN_ID")
    check("SECRET_OF_THE_DAEMON" not in environment, "nothing of the daemon's environment reaches an agent")

@scenario("a run says the commit of its configuration, and whether that was changed since")
def _(rouse):
    needs_program("git")
    rouse.agent("look", 'read -r envelope; printf "%s\\n" "$envelope" >>$D/envelopes\n')
    rouse.webhook("push", agent="look")
    rouse.write_config()

    def git(*words):
        env = {"PATH": os.environ["PATH"], "HOME": rouse.dir, "GIT_CONFIG_NOSYSTEM": "1"}
        return subprocess.run(["git", "-C", rouse.dir, "-c", "user.name=a", "-c", "user.email=a@b", *words], env=env, check=True, capture_output=True, text=True).stdout.strip()

    def commit_of_run():
        run = rouse.wait_run(rouse.deliver("push").expect(202).run_id, "succeeded")
        envelope = json.loads(rouse.marks("envelopes")[-1])
        expect(envelope["run_id"], run["id"], "the envelope's run")
        return envelope["trigger"]["config_commit"]

    git("init", "-q")
    git("add", "rouse.conf")
    git("commit", "-q", "-m", "one")
    commit = git("rev-parse", "HEAD")
    rouse.start()
    expect(commit_of_run(), commit, "config_commit")
    rouse.section("limits", max_running=7)
    rouse.write_config()
    rouse.cli("reload")
    expect(commit_of_run(), commit + "-dirty", "config_commit of what was changed")


main()
