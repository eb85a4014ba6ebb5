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

def trigger(rouse, name):
    return rouse.api("GET", f"/v1/triggers/{name}").expect(200).json


@scenario("a trigger that hears nothing for stale_after is stale, until it hears something; a restart excuses nothing")
def _(rouse):
    house(rouse, stale_after="1s")
    expect(trigger(rouse, "push")["health"], "idle", "health before the first event")
    rouse.deliver("push").expect(202)
    expect(trigger(rouse, "push")["health"], "ok", "health after an event")
    wait("it is stale", lambda: trigger(rouse, "push")["health"] == "stale")
    check('rouse_trigger_stale{trigger="push"} 1' in rouse.api("GET", "/metrics").body.decode(), "the metric says so")
    check("push" in rouse.cli("trigger", "list", "--health", "stale").out, "it is found by its health")
    check("stale_after = 1s" in rouse.cli("why", "push").out, "rouse why says what is missing")
    rouse.restart()
    expect(trigger(rouse, "push")["health"], "stale", "health after a restart")
    expect(trigger(rouse, "hand")["health"], "idle", "health of one that may be silent")
    rouse.deliver("push").expect(202)
    expect(trigger(rouse, "push")["health"], "ok", "health after another event")


@scenario("a stream of everything says when a trigger falls silent, and when it is heard again")
def _(rouse):
    house(rouse, stale_after="1s")
    with open(os.path.join(rouse.dir, "told"), "wb") as told:
        curl = spawn(["curl", "-sN", "--unix-socket", rouse.socket, "http://rouse/v1/stream"], stdout=told)
    said = lambda: open(os.path.join(rouse.dir, "told")).read()
    wait("it is told stale", lambda: '"name":"push"' in said() and '"health":"stale"' in said())
    rouse.deliver("push").expect(202)
    wait("it is told ok", lambda: '"health":"ok"' in said())
    rouse.cli("trigger", "disable", "push")
    wait("it is told stopped", lambda: '"health":"stopped"' in said())
    curl.kill()


@scenario("last event, its outcome and the last error are known after kill -9 and a restart")
def _(rouse):
    rouse.agent("a", "read -r e; echo '" + json.dumps(RESULT) + "'\n")
    rouse.section("trigger hand", source="manual", agent="a", entity=".data.a.b")
    rouse.start()
    run = rouse.cli("trigger", "fire", "hand", "--data", '{"a":{"b":"x"}}').out.strip()
    rouse.wait_run(run, "succeeded")
    rouse.cli("trigger", "fire", "hand", "--data", '{"a":7}', expect_code=None)
    before = trigger(rouse, "hand")
    expect((before["last_outcome"], before["health"]), ("rejected", "ok"), "after an event that cannot be mapped")
    check(before["last_error"] and before["last_error_at"], "there is an error, with its time")
    wait("it is on disk", lambda: sqlite3.connect(f"file:{rouse.state}/rouse.db?mode=ro", uri=True).execute(
        "SELECT error FROM trigger_health").fetchall())
    rouse.kill_9()
    rouse.start()
    after = trigger(rouse, "hand")
    for field in ("last_event", "last_outcome", "last_error", "last_error_at"):
        expect(after[field], before[field], field)


@scenario("what waits when a trigger is disabled runs all the same; nothing new does, over reloads and restarts")
def _(rouse):
    house(rouse)
    rouse.cli("pause", "--agent", "a")
    runs = [rouse.deliver("push").expect(202).run_id for _ in range(3)]
    rouse.cli("trigger", "disable", "push")
    now = trigger(rouse, "push")
    expect((now["health"], now["enabled"], now["backlog"]), ("stopped", False, 3), "the disabled trigger")
    wait("the oldest waits", lambda: trigger(rouse, "push")["lag_ms"] > 0)
    check(rouse.deliver("push").status in (404, 503), "a disabled hook takes nothing")
    rouse.cli("reload")
    rouse.restart()
    check(rouse.deliver("push").status in (404, 503), "nor after a reload and a restart")
    expect(trigger(rouse, "push")["health"], "stopped", "health after a restart")
    rouse.cli("resume", "--agent", "a")
    for run in runs:
        rouse.wait_run(run, "succeeded")
    rouse.cli("trigger", "enable", "push")
    rouse.wait_run(rouse.deliver("push").expect(202).run_id, "succeeded")


@scenario("a delivery that waits for its answer gets it, through 100 reloads that touch another trigger")
def _(rouse):
    rouse.agent("slow", f'read -r e; until test -e $D/go; do sleep 0.1; done; echo \'{json.dumps(RESULT)}\'\n')
    rouse.webhook("held", agent="slow", respond="wait=60s")
    rouse.start()
    answers = []
    asker = threading.Thread(target=lambda: answers.append(rouse.deliver("held", timeout=60)))
    asker.start()
    wait("it runs", lambda: [r for r in rouse.runs() if r["status"] == "running"])
    other = os.path.join(os.path.dirname(rouse.conf), "triggers.d", "other.conf")
    os.makedirs(os.path.dirname(other), exist_ok=True)
    for i in range(100):
        with open(other, "w") as f:
            f.write(f"[trigger other]\nsource = manual\nagent = slow\nintent = i{i}\n")
        said = rouse.api("POST", "/v1/reload").expect(200).json
        expect((said["added"], said["changed"], said["removed"]), (["other"], [], []) if not i else ([], ["other"], []), "what the reload touched")
    check(not answers, "the delivery still waits")
    open(os.path.join(rouse.dir, "go"), "w").close()
    asker.join(60)
    expect(answers[0].status, 200, "status of the answer")


@scenario("ten thousand triggers load; a reload touches the one that changed; lists are paged and bounded")
def _(rouse):
    rouse.agent("a", "cat >/dev/null\n")
    rouse.start()
    folder = os.path.join(os.path.dirname(rouse.conf), "triggers.d")
    os.makedirs(folder, exist_ok=True)
    for f in range(20):
        with open(os.path.join(folder, f"{f:02}.conf"), "w") as out:
            for i in range(f * 500, f * 500 + 500):
                out.write(f"[trigger t{i}]\nsource = manual\nagent = a\nfilter = .data.items | map(select(.n > {i})) | length > 0\n")
    expect(len(rouse.api("POST", "/v1/reload", timeout=60).expect(200).json["added"]), 10000, "triggers that were added")
    with open(os.path.join(folder, "07.conf"), "a") as out:
        out.write("intent = other\n")
    expect(rouse.api("POST", "/v1/reload", timeout=60).expect(200).json["changed"], ["t3999"], "what changed")
    names, after = [], ""
    while after is not None:
        page = rouse.get(f"/v1/triggers?limit=1000{after and '&after=' + after}")
        check(len(page["items"]) <= 1000, "a page is no longer than asked for")
        names += [t["name"] for t in page["items"]]
        after = page["next"]
    expect(len(names), 10000, "triggers of all pages")
    expect(len(set(names)), 10000, "each is there once")
    expect(rouse.get("/v1/triggers?health=failing")["items"], [], "those that fail")
    status = rouse.get("/v1/status")
    expect((len(status["triggers"]), status["trigger_count"]), (100, 10000), "triggers of the status")
    check(len(rouse.api("GET", "/metrics").body) < 100000, "metrics are bounded")
    with open(os.path.join(folder, "03.conf"), "a") as out:
        out.write("payload = .data | nope(1)\n")
    said = rouse.api("POST", "/v1/reload", timeout=60).expect(400).json
    check(any("03.conf:2001" in e and "nope/1" in e for e in said["errors"]), f"the one mistake is found: {said['errors'][:3]}")


@scenario("rouse trigger next and simulate name the times of calendars, and make nothing happen")
def _(rouse):
    rouse.agent("a", "cat >/dev/null\n")
    rouse.section("trigger night", source="cron", agent="a", schedule="30 2 * * *", timezone="Europe/Berlin", **{"budget.cost": "0.50"})
    rouse.section("trigger noon", source="cron", agent="a", schedule="0 12 * * *", end="2031-01-01T00:00:00Z")
    rouse.section("trigger hand", source="manual", agent="a")
    rouse.start()
    said = rouse.cli("trigger", "next", "--count", "4", "--json").lines
    expect(len(said), 4, "times of all")
    check(said == sorted(said, key=lambda t: t["at"]) and {t["trigger"] for t in said} == {"night", "noon"}, "in the order of time")
    expect(len(rouse.cli("trigger", "next", "night", "--json").lines), 5, "times of one")
    said = rouse.cli("trigger", "simulate", "night", "--from", "2026-03-28T00:00:00Z", "--to", "2026-03-31T00:00:00Z", "--json").lines
    expect([line["at"] for line in said],
           ["2026-03-28T01:30:00.000Z", "2026-03-29T01:00:00.000Z", "2026-03-30T00:30:00.000Z"], "over the change to summer time")
    said = rouse.cli("trigger", "simulate", "--from", "2026-10-25T00:00:00Z", "--to", "2026-10-26T00:00:00Z")
    check("night 1x, noon 1x; at most 1.50 US dollars" in said.err, f"the sum: {said.err}")
    said = rouse.cli("trigger", "simulate", "noon", "--from", "2030-12-30T00:00:00Z", "--to", "2032-01-01T00:00:00Z", "--json").lines
    expect(len(said), 2, "times before the end")
    said = rouse.cli("trigger", "simulate", "noon", "--from", "2020-01-01T00:00:00Z", "--to", "2026-01-01T00:00:00Z", "--json").lines
    expect(len(said), 6 * 365 + 2, "times of six years, page by page")
    rouse.cli("trigger", "next", "hand", expect_code=4)
    rouse.cli("trigger", "next", "nobody", expect_code=3)
    rouse.cli("trigger", "simulate", "--from", "yesterday", "--to", "2026-01-01T00:00:00Z", expect_code=2)
    rouse.cli("trigger", "disable", "night")
    check("night" not in rouse.cli("trigger", "next").out, "one that is disabled fires no more")
    expect((rouse.items("/v1/events"), rouse.runs()), ([], []), "what was kept and run")


def keys_of(source):
    rows = [json.loads(line) for line in subprocess.run([os.path.join(BUILD, "roused"), "--keys-json"], capture_output=True, check=True).stdout.splitlines()]
    return [row for row in rows if row["section"] == "trigger" and row["selector"] == (source and f"source={source}")]


@scenario("rouse trigger add --help has every source, and every key of each")
def _(rouse):
    overview = rouse.cli("trigger", "add", "--help").out
    rows = [json.loads(line) for line in subprocess.run([os.path.join(BUILD, "roused"), "--keys-json"], capture_output=True, check=True).stdout.splitlines()]
    sources = {row["selector"][7:] for row in rows if row["section"] == "trigger" and (row["selector"] or "").startswith("source=")}
    check(len(sources) >= 4, "there are sources")
    for source in sources:
        check(f"\n  {source} " in overview, f"{source} stands in the list")
        text = rouse.cli("trigger", "add", "--source", source, "--help").out
        for row in keys_of(source) + keys_of(None):
            check(f"\n  {row['key']}" in text and row["help"] in text, f"{source}: {row['key']} is explained")


# What a user would answer, by the type of a key.
ANSWERS = {"schedule": "0 3 * * *", "url": "https://127.0.0.1:1/x", "topic": "news", "repo": "/tmp", "path": "/tmp", "verify": "bearer",
           "agent": "a", "user": "u", "password": "hunter2", "agents": "a"}


@scenario("rouse trigger add asks for what a source needs, and writes what loads, without a daemon too")
def _(rouse):
    rouse.agent("a", "cat >/dev/null\n")
    rouse.write_config()
    os.chmod(rouse.dir, 0o755)  # without a daemon to ask, root checks as the packaged user
    rows = [json.loads(line) for line in subprocess.run([os.path.join(BUILD, "roused"), "--keys-json"], capture_output=True, check=True).stdout.splitlines()]
    sources = {row["selector"][7:] for row in rows if row["section"] == "trigger" and (row["selector"] or "").startswith("source=")}
    added = []
    for source in sorted(sources | {"manual"}):
        needed = [row["key"] for row in keys_of(source) if row["required"]]
        extra = {"after": ["agent"], "imap": ["user", "password"]}.get(source, [])
        words = ["trigger", "add", f"x-{source}", "--source", source, "--agent", "a", "-c", rouse.conf]
        if source == "webhook":
            words += ["--verify", "github"]
            needed = [key for key in needed if key not in ("verify", "secret")]
        if needed:
            check(f"--set {needed[0]}=" in rouse.cli(*words, expect_code=2).err, f"{source}: it asks for {needed[0]}")
            check(not os.path.exists(os.path.join(os.path.dirname(rouse.conf), "triggers.d", f"x-{source}.conf")), "nothing is written")
        for key in {k: 1 for k in needed + extra if k != "agent"}:
            answer = "imaps://127.0.0.1:1/INBOX" if (source, key) == ("imap", "url") else ANSWERS.get(key, "x")
            words += ["--set", f"{key}={answer}"]
        if source == "after":
            words += ["--set", "status=failed", "--set", "trigger=x-manual"]
            continue
        said = rouse.cli(*words)
        check("Try it" in said.out and "not running" in said.out, f"{source}: what comes next is said: {said.out}")
        rouse.cli(*words, expect_code=4)
        added.append(f"x-{source}")
    rouse.start()
    expect({t["name"]: t["health"] for t in rouse.items("/v1/triggers") if t["name"].startswith("x-") and t["health"] == "stopped"}, {}, "none is stopped")
    expect({t["name"] for t in rouse.items("/v1/triggers")} >= set(added), True, "all that were added are there")
    for name in added:
        said = rouse.cli("trigger", "test", name, "--data", '{"x":1}', "--json").json
        expect(said["verdict"], "run", f"{name}: verdict")


@scenario("a secret that is given to rouse trigger add lies in a file that only the daemon can read")
def _(rouse):
    rouse.agent("a", "cat >/dev/null\n")
    rouse.start()
    folder = os.path.dirname(rouse.conf)
    rouse.cli("trigger", "add", "h1", "--source", "webhook", "--agent", "a", "--verify", "bearer", "--set", "secret=-", stdin="s3same\n")
    text = open(os.path.join(folder, "triggers.d", "h1.conf")).read()
    check("s3same" not in text and "secret = file:" in text, "the file has a reference")
    expect(os.stat(os.path.join(folder, "secrets", "h1.secret")).st_mode & 0o777, 0o600, "mode of the secret")
    answer = rouse.http("POST", "/hooks/h1", b"{}", {"Authorization": "Bearer s3same", "Content-Type": "application/json"})
    expect(answer.status, 202, "a request with it")
    rouse.cli("trigger", "add", "h2", "--source", "webhook", "--agent", "a", "--verify", "bearer", "--set", "secret=-", stdin="\n", expect_code=2)
    rouse.cli("trigger", "add", "h2", "--source", "webhook", "--agent", "nobody", "--verify", "bearer", "--set", "secret=x", expect_code=None)
    check(not os.path.exists(os.path.join(folder, "secrets", "h2.secret")), "a trigger that would not load leaves no secret behind")
    rouse.cli("trigger", "remove", "h1", "--yes")
    check(not os.path.exists(os.path.join(folder, "secrets", "h1.secret")), "the secret goes with its trigger")


main()
