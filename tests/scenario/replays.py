#!/usr/bin/env python3
# Scenario: old runs are run again in another agent; nothing is applied, nothing follows, and what both proposed is compared.
# SPDX-License-Identifier: MIT
from concurrent.futures import ThreadPoolExecutor

from lib import *

# $n: the number in its payload. Each run leaves a mark of its agent.
READS = r"""read -r e
n=$(printf %%s "$e" | sed 's/.*"n":\([0-9]*\).*/\1/')
echo "%s $n" >>$D/mark
printf '%%s\n' "$e" >>$D/envelopes-%s
echo "$n $ROUSE_TRIGGER $ROUSE_ENTITY $ROUSE_TENANT $ROUSE_USER $ROUSE_INTENT" >>$D/env-%s
echo '{"type":"usage","cost_usd":0.01}'
propose() { echo '{"type":"change","target":"crm","op":"update","entity":"'"$1"'","before":{"stage":"new"},"after":{"stage":"'"$2"'"}}'; }
%s
"""
WON = "propose $n won"


def agent(rouse, name, body=WON, **keys):
    rouse.agent(name, READS % (name, name, name, body), **{"targets": "crm", "retry__attempts": 1, "concurrency": 4, **keys})


def house(rouse, runs=8, new=WON, old=WON, start=True, trigger=None, **keys):
    """Agent `old` has had these runs, on numbers from 1; agent `new` has had none."""
    rouse.crm()
    agent(rouse, "old", old)
    agent(rouse, "new", new, **keys)
    rouse.webhook("push", agent="old", entity='"deal-\\(.data.n)"', **(trigger or {}))
    if start:
        rouse.start()
        deliver(rouse, range(1, runs + 1))


def deliver(rouse, numbers):
    ids = [rouse.deliver("push", b'{"n":%d,"exact":12345678901234567890.5}' % n).expect(202).run_id for n in numbers]
    for id in ids:
        wait(f"run {id} has ended", lambda: rouse.run(id)["status"] in ("succeeded", "failed"), 60)
    return ids


def replay(rouse, *words, expect_code=0, **how):
    return rouse.cli("replay", *(words or ("--since", "7d", "--agent", "new", "--stage", "--yes")), expect_code=expect_code, **how)


def told(rouse, *words, expect_code=0):
    return replay(rouse, *(words or ("--since", "7d", "--agent", "new", "--stage", "--yes")), "--json", expect_code=expect_code).json


def batch_of(rouse, name="replay:new"):
    return rouse.get("/v1/batches/" + name)


@scenario("an agent that proposes the very same passes, and nothing that it proposed is applied, or can be")
def _(rouse):
    house(rouse)
    before = {c["id"]: c["status"] for c in rouse.changes()}
    expect(set(before.values()), {"proposed"}, "what the old runs proposed")
    said = replay(rouse)
    check("8 same" in said.out and "0 different" in said.out, f"all is the same: {said.out}")
    check("at most 8.00 dollars" in said.out, f"and it said what it could cost: {said.out}")
    id = batch_of(rouse)["id"]
    expect(batch_of(rouse)["state"], "done", "the replay")
    after = rouse.changes()
    expect({c["id"]: c["status"] for c in after if not c["batch"]}, before, "the old proposals stand as they stood")
    staged = [c for c in after if c["batch"] == id]
    expect((len(staged), {c["status"] for c in staged}), (8, {"rejected"}), "what the replay proposed")
    one, run = staged[0]["id"], staged[0]["run"]
    for words in (["approve", one], ["approve", id, "--all"], ["approve", run], ["apply", one, "--yes"], ["apply", id, "--yes"], ["reject", one], ["revert", one, "--yes"]):
        refused = rouse.cli(*words, expect_code=4)
        check("only there to be compared" in refused.err or "there is nothing to" in refused.err, f"{words} is refused with a sentence: {refused.err}")
    for body in ({"decision": "reopen", "changes": [one]}, {"decision": "approve", "of": id}, {"decision": "approve", "batch": id}, {"decision": "reopen", "run": run}):
        rouse.api("POST", "/v1/decide", body)
    for verb in ("approve", "apply", "revert"):
        rouse.api("POST", f"/v1/changes/{one}/{verb}", {}).expect(409)
    rouse.api("POST", f"/v1/batches/{id}/apply", {}).expect(409)
    rouse.api("POST", f"/v1/changes/{one}/edit", {"after": {"stage": "x"}}).expect(409)
    expect({c["status"] for c in rouse.changes(batch=id)}, {"rejected"}, "whatever was asked for")
    rouse.cli("approve", "--all")
    wait("what was proposed for real is applied", lambda: rouse.deal("8") == ("won", 1), 60)
    expect([rouse.deal(str(n))[1] for n in range(1, 9)], [1] * 8, "each deal was written once, by the old runs")
    with sqlite3.connect(rouse.db, timeout=20) as db:
        try:
            db.execute("UPDATE changes SET status = 'approved' WHERE id = ?", [one])
            check(False, "even the database refuses")
        except sqlite3.IntegrityError:
            db.rollback()


@scenario("what differs is shown, like differences together, and the exit status says so")
def _(rouse):
    house(rouse, new="""case $n in
4|8) propose $n lost;;
5) ;;
6) exit 64;;
7) propose $n won; propose 9 won;;
*) propose $n won;;
esac""")
    said = replay(rouse, expect_code=1)
    for words in ("3 same, 3 different, 1 only old, 0 only new, 1 failed", "4 same, 2 different, 1 only old, 1 only new"):
        check(words in said.out, f"{words}: {said.out}")
    check('"won" → "lost"' in said.out and 'before: {"stage":"new"}' in said.out, f"before, old and new: {said.out}")
    check("! failed: permanent: 1 run" in said.out, f"what failed: {said.out}")
    check(max(len(line) for line in said.out.splitlines()) <= 80, "on 80 columns")
    id = batch_of(rouse)["id"]
    got = told(rouse, id, "--diff", expect_code=1)
    expect(got["runs"], {"same": 3, "different": 3, "only_old": 1, "only_new": 0, "failed": 1, "gone": 0, "left": 0}, "runs")
    expect(got["changes"], {"same": 4, "different": 2, "only_old": 1, "only_new": 1}, "changes")
    expect(got["same"], False, "in one word")
    by_entity = {run["entity"]: run for run in got["differences"]}
    one = by_entity["deal-4"]["differences"][0]
    expect((one["target"], one["entity"], one["before"], one["old"]["after"], one["new"]["after"]), ("crm", "4", {"stage": "new"}, {"stage": "won"}, {"stage": "lost"}), "one")
    expect((by_entity["deal-6"]["outcome"], by_entity["deal-6"]["new_reason"]), ("failed", "permanent"), "the one that failed")
    expect(rouse.items("/v1/dlq"), [], "nobody has to look after what failed in a replay")
    refused = rouse.cli("run", "retry", by_entity["deal-6"]["replay"], expect_code=4)
    check("part of replay" in refused.err, f"it does not go again by itself: {refused.err}")
    check(rouse.cli("why", by_entity["deal-6"]["replay"]).out, "and has a story")


@scenario("an agent is measured against itself")
def _(rouse):
    house(rouse, old='[ $((n % 2)) = 0 ] && [ -e $D/again ] && propose $n lost || propose $n won')
    open(os.path.join(rouse.dir, "again"), "w").close()
    got = told(rouse, "--since", "1h", "--agent", "old", "--stage", "--yes", expect_code=1)
    expect((got["runs"]["same"], got["runs"]["different"]), (4, 4), "it differs from itself in half of them")
    # What was replayed is no run that is replayed again.
    got = told(rouse, "--since", "1h", "--agent", "old", "--stage", "--yes", expect_code=1)
    expect(sum(got["runs"].values()), 8, "the second time")


@scenario("the new agent gets the envelope of then, with every digit; nothing that it says goes out")
def _(rouse):
    rouse.agent("hears", says(RESULT, before="echo heard >>$D/heard"))
    rouse.section("trigger after-new", source="after", after_agent="new", agent="hears", status="succeeded,failed")
    rouse.section("trigger on-topic", source="topic", topic="news", agent="hears")
    rouse.section("notify out", kind="exec", command=rouse.dir + "/tell", on="gate, failed, batch_ready, budget, lost, breaker_open", gather="0s")
    with open(os.path.join(rouse.dir, "tell"), "w") as f:
        f.write(f"#!/bin/sh\necho told >>{rouse.dir}/told\n")
    os.chmod(os.path.join(rouse.dir, "tell"), 0o755)
    house(rouse, 3, trigger={"tenant": '"acme"', "user": '"u1"'}, new="""propose $n won
echo '{"type":"emit","topic":"news","type_":"x","data":{"n":1}}'
[ $n = 2 ] && exit 64
:""")
    wait("the runs have ended", lambda: len([r for r in rouse.runs(agent="old") if r["status"] == "succeeded"]) == 3, 60)
    replay(rouse, expect_code=1)
    with open(os.path.join(rouse.dir, "envelopes-old")) as f:
        old = {json.loads(line)["payload"]["n"]: line for line in f}
    with open(os.path.join(rouse.dir, "envelopes-new")) as f:
        new = {json.loads(line)["payload"]["n"]: line for line in f}
    expect(sorted(new), [1, 2, 3], "each once")
    for n in new:
        was, now = json.loads(old[n]), json.loads(new[n])
        for member in ("trigger", "caller", "entity", "trust", "schedule", "payload", "intent"):
            expect({k: v for k, v in now[member].items() if k != "config_commit"} if member == "trigger" else now[member],
                   {k: v for k, v in was[member].items() if k != "config_commit"} if member == "trigger" else was[member], member)
        check("12345678901234567890.5" in new[n], "every digit of its numbers")
        expect((now["mode"], now["agent"], now["checkpoint"]), ("stage", "new", None), "what is its own")
    expect(sorted(rouse.marks("env-new")), sorted(rouse.marks("env-old")), "what its environment says")
    stays("nothing follows from a replay, and nobody is told", lambda: not rouse.marks("heard") and not rouse.marks("told"), 1)
    expect(rouse.items("/v1/gates?status=waiting"), [], "no question")
    expect([i for i in rouse.items("/v1/inbox") if "replay:" in json.dumps(i)], [], "the inbox")
    # The same agent, and no replay: all of this would have been.
    rouse.api("POST", "/v1/agents/new/invoke", b'{"n":2}').expect(202)
    wait("it is heard of", lambda: rouse.marks("heard") and rouse.marks("told"), 60)


@scenario("real work on the same entity neither waits for a replay nor is replaced by it")
def _(rouse):
    house(rouse, 2, new="[ -e $D/go ] || { echo waits >>$D/waits; while [ ! -e $D/go ]; do sleep 0.05; done; }\npropose $n won")
    with ThreadPoolExecutor(1) as pool:
        going = pool.submit(replay, rouse)
        wait("both replayed runs are on their way", lambda: len(rouse.marks("waits")) == 2, 60)
        deliver(rouse, [1])  # of entity deal-1, whose old run is being replayed
        newest = [c for c in rouse.changes(entity="1") if not c["batch"]]
        expect(sorted(c["status"] for c in newest), ["proposed", "superseded"], "a real run replaced what an earlier real one proposed")
        open(os.path.join(rouse.dir, "go"), "w").close()
        going.result()
    expect(sorted(c["status"] for c in rouse.changes(entity="1") if not c["batch"]), ["proposed", "superseded"], "and the replay nothing")


@scenario("questions are decided as they were then; one that was not asked then as where nobody answers")
def _(rouse):
    ask = """echo '{"type":"approval","step":"%s","payload":{"n":'$n'},"timeout":"1h"}'
read -r a; printf '%%s\\n' "$a" >>$D/answers-%s
"""
    house(rouse, start=False, old=ask % ("refund", "old") + WON, new=ask % ("refund", "new") + ask % ("more", "new") + WON)
    rouse.start()
    ids = [rouse.deliver("push", b'{"n":%d}' % n).expect(202).run_id for n in (1, 2)]
    gates = wait("two questions", lambda: (lambda g: g if len(g) == 2 else None)(rouse.items("/v1/gates?status=waiting")), 60)
    for gate in gates:
        rouse.cli("gate", "approve" if gate["payload"]["n"] == 1 else "deny", gate["id"], "--reason", "so it is")
    for id in ids:
        rouse.wait_run(id, "succeeded", 60)
    replay(rouse)
    told_new = [json.loads(line) for line in rouse.marks("answers-new")]
    expect(sorted((t["step"], t["decision"]) for t in told_new), [("more", "timeout"), ("more", "timeout"), ("refund", "approved"), ("refund", "denied")], "decisions")
    check(all("decided then" in t["reason"] for t in told_new if t["step"] == "refund"), f"it says by whom: {told_new}")
    run = rouse.runs(batch=batch_of(rouse)["id"])[0]["id"]
    check("did not ask more" in rouse.cli("run", "logs", run).out, "and what was not asked then is said in the log")


@scenario("which runs are meant can be said, and how many it would be, and at what cost, before anything is spent")
def _(rouse):
    house(rouse, 6)
    rouse.webhook("other", agent="old")
    rouse.restart()
    plan = lambda *more: replay(rouse, "--since", "7d", "--agent", "new", "--stage", "--plan", "--json", *more, expect_code=2).json
    expect((plan()["runs"], plan()["agents"], plan()["max_cost_usd"]), (6, {"old": 6}, 6.0), "all")
    expect((plan("--limit", "2")["runs"], plan("--trigger", "push")["runs"], plan("--entity", "deal-3")["runs"]), (2, 6, 1), "some")
    expect(plan("--budget.cost", "2.5")["max_cost_usd"], 2.5, "no more than the budget of the whole")
    for words in (["--trigger", "other"], ["--of", "new"], ["--status", "cancelled"]):
        said = replay(rouse, "--since", "7d", "--agent", "new", "--stage", "--plan", *words, expect_code=3)
        check("no run that is meant" in said.err, said.err)
    said = replay(rouse, "--since", "7d", "--agent", "new", "--stage", expect_code=2)
    check("--yes" in said.err and "at most" in said.out, f"without a terminal and --yes it does not begin: {said}")
    expect(rouse.items("/v1/batches"), [], "and nothing began")
    for words, code, sentence in ((["--since", "7d", "--agent", "new"], 2, "--stage"), (["--agent", "new", "--stage"], 2, "--since"), (["--since", "7d", "--agent", "nobody", "--stage"], 3, "nobody"),
                                  (["--since", "often", "--agent", "new", "--stage"], 2, "--since"), (["--since", "7d", "--agent", "new", "--stage", "--budget.cost", "much"], 2, "--budget.cost"),
                                  (["--since", "7d", "--agent", "new", "--stage", "--limit", "0"], 2, "limit"), (["--forget"], 2, "--forget"), (["replay:new"], 3, "replay:new"),
                                  (["--since", "7d", "--agent", "new", "--stage", "--batch", "none", "--plan"], None, "")):
        said = replay(rouse, *words, expect_code=code)
        check(sentence in said.err, f"{words}: {said.err}")
    got = told(rouse, "--since", "7d", "--agent", "new", "--stage", "--yes", "--limit", "2")
    expect(sum(got["runs"].values()), 2, "the newest two")
    expect(sorted(m for m in rouse.marks() if m.startswith("new")), ["new 5", "new 6"], "which")
    for body in ({}, {"agent": "new", "limit": 0}, {"agent": "new", "limit": "x"}, {"agent": "new", "since": "7d"}, {"agent": "new", "what": 1}, {"agent": 5},
                 {"agent": "new", "budget_cost_usd": -1}, {"agent": "new", "status": "running"}, {"agent": "new", "concurrency": 100000}):
        answer = rouse.api("POST", "/v1/replays", body)
        check(400 <= answer.status < 500 and answer.json["detail"], f"{body}: {answer}")
    rouse.api("GET", "/v1/replays/replay:none/diff").expect(404)


@scenario("a budget of the whole stops it, and more of it goes on, paying nothing twice")
def _(rouse):
    house(rouse, 6, budget__cost="0.02")
    said = replay(rouse, "--since", "7d", "--agent", "new", "--stage", "--yes", "--budget.cost", "0.04", "--concurrency", "1", expect_code=1)
    batch = batch_of(rouse)
    expect((batch["state"], batch["reason"]), ("failed", "budget"), "it stopped")
    check(0 < batch["done"] < 6 and batch["cost_usd"] <= 0.04, f"within its budget: {batch}")
    check("--budget.cost" in said.err and batch["id"] in said.err, f"how it goes on: {said.err}")
    check(f"{6 - batch['done']} left" in said.out, f"and what is left: {said.out}")
    replay(rouse, batch["id"], "--budget.cost", "1")
    expect(sorted(m for m in rouse.marks() if m.startswith("new")), [f"new {n}" for n in range(1, 7)], "each once")
    check(batch_of(rouse)["cost_usd"] <= 0.061, "what it cost")


@scenario("interrupted it pauses, killed it goes on: each run once, and the comparison is whole")
def _(rouse):
    house(rouse, 12, new="sleep 0.2\npropose $n won")
    process = spawn([os.path.join(BUILD, "rouse"), "replay", "--since", "7d", "--agent", "new", "--stage", "--yes", "--concurrency", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                    text=True, env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "ROUSE_SOCKET": rouse.socket})
    wait("it is on its way", lambda: len([m for m in rouse.marks() if m.startswith("new")]) >= 2, 60)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    check(process.returncode == 4 and "goes on" in err, f"it said how it goes on: {process.returncode} {err}")
    wait("it is paused", lambda: batch_of(rouse)["state"] == "paused", 60)
    id = batch_of(rouse)["id"]
    with ThreadPoolExecutor(1) as pool:
        rouse.api("POST", f"/v1/replays/{id}/resume", {}).expect(200)
        seen = len([m for m in rouse.marks() if m.startswith("new")])
        wait("it went on", lambda: len([m for m in rouse.marks() if m.startswith("new")]) > seen, 60)
        rouse.kill_9()
        rouse.start()
    got = told(rouse, id)
    expect((got["runs"]["same"], got["state"]), (12, "done"), "all of it")
    expect(sorted(rouse.marks(), key=lambda m: (m[:3], int(m[4:])))[:12], [f"new {n}" for n in range(1, 13)], "each once")


@scenario("payloads that are no longer kept are said and counted")
def _(rouse):
    house(rouse, 4)
    rouse.stop()
    with sqlite3.connect(rouse.db) as db:
        db.execute("UPDATE events SET document = NULL WHERE seq IN (SELECT event FROM runs WHERE entity IN ('deal-1', 'deal-3'))")
        db.execute("DELETE FROM run_inputs WHERE run IN (SELECT seq FROM runs WHERE entity IN ('deal-1', 'deal-3'))")
    rouse.start()
    said = replay(rouse)
    check("2 same" in said.out and "2 not kept" in said.out and "retention" in said.out, f"said and counted: {said.out}")
    expect(sorted(m for m in rouse.marks() if m.startswith("new")), ["new 2", "new 4"], "only those that can be are run")
    items = rouse.items(f"/v1/batches/{batch_of(rouse)['id']}/entities?status=skipped")
    expect({i["reason"] for i in items}, {"payload"}, "why")


@scenario("a replay is forgotten when it is said: its runs and what they proposed go, the old ones stay")
def _(rouse):
    house(rouse, 5)
    replay(rouse)
    id = batch_of(rouse)["id"]
    deliver(rouse, [9])  # so that none of the replay is the newest row
    real = len([r for r in rouse.runs() if not r["batch"]])
    check("forgotten" in replay(rouse, id, "--forget").out, "it says so")
    wait("nothing of it is left", lambda: rouse.api("GET", f"/v1/batches/{id}").status == 404 and not rouse.runs(batch=id) and not rouse.changes(batch=id), 60)
    expect((len(rouse.runs()), len([c for c in rouse.changes() if c["batch"]])), (real, 0), "and all else stands")
    replay(rouse, id, "--forget", expect_code=3)
    with sqlite3.connect(rouse.db) as db:
        expect(db.execute("SELECT count(*) FROM changes").fetchone(), db.execute("SELECT sum(n) FROM change_counts").fetchone(), "counts")


@scenario("a replay that is older than runs are kept goes by itself, and what it replayed stays")
def _(rouse):
    house(rouse, 4)
    replay(rouse)
    id = batch_of(rouse)["id"]
    deliver(rouse, [9])
    kept = len([c for c in rouse.changes() if not c["batch"]])
    rouse.stop()
    with sqlite3.connect(rouse.db) as db:
        db.execute("UPDATE batches SET started = started - 31 * 86400000 WHERE id = ?", [id])
    rouse.start()
    rouse.cli("invoke", "new", "--data", '{"n":1}')  # a daemon with nothing to do looks for nothing
    wait("nothing of it is left", lambda: rouse.api("GET", f"/v1/batches/{id}").status == 404 and not rouse.changes(batch=id), 60)
    expect(len([c for c in rouse.changes() if not c["batch"] and c["run"] not in [r["id"] for r in rouse.runs(agent="new")]]), kept, "proposals for real")


@scenario("what a batch did can be replayed as well, and a replay is no batch that gives entities")
def _(rouse):
    rouse.crm()
    agent(rouse, "old")
    agent(rouse, "new", "propose $n lost")
    with open(os.path.join(rouse.dir, "deals.jsonl"), "w") as f:
        f.write("".join(f'{{"id":"d{n}","n":{n}}}\n' for n in range(1, 8)))
    rouse.section("batch tag", agent="old", entities=f"jsonl:{rouse.dir}/deals.jsonl", entity_key="id")
    rouse.start()
    rouse.cli("batch", "start", "tag", "--wait")
    got = told(rouse, "--batch", "tag", "--agent", "new", "--stage", "--yes", expect_code=1)
    expect((got["runs"]["different"], got["changes"]["different"]), (7, 7), "all differ")
    expect(rouse.get("/v1/batches/tag")["changes"], {"proposed": 7}, "the batch's proposals")
    answer = rouse.api("POST", "/v1/batches/tag/start", {"failed": batch_of(rouse)["id"]})
    check(answer.status >= 400 and "is a replay" in answer.json["detail"], f"{answer}")


@scenario("what a fallback carried says nothing of the agent, and is no success of it")
def _(rouse):
    house(rouse, 6, start=False)
    agent(rouse, "spare")
    agent(rouse, "new", "exit 70", fallback="spare", breaker__min="1", breaker__threshold="10%", breaker__cooldown="10m", concurrency=1)
    rouse.start()
    deliver(rouse, range(1, 7))
    got = told(rouse, expect_code=1)
    check(any(m.startswith("spare") for m in rouse.marks()), "the breaker opened, and the fallback took over")
    expect((got["runs"]["same"], got["runs"]["failed"]), (0, 6), "none of it counts for the agent")
    check("fallback" in {run["new_reason"] for run in got["differences"]}, "and why")


@scenario("hundreds of runs are replayed and compared page by page")
def _(rouse):
    rouse.crm()
    agent(rouse, "old")
    agent(rouse, "new", "[ $((n % 50)) = 0 ] && propose $n lost || propose $n won", concurrency=16)
    many = 250
    with open(os.path.join(rouse.dir, "deals.jsonl"), "w") as f:
        f.write("".join(f'{{"id":"d{n}","n":{n}}}\n' for n in range(1, many + 1)))
    rouse.section("batch tag", agent="old", entities=f"jsonl:{rouse.dir}/deals.jsonl", entity_key="id", concurrency=16)
    rouse.start()
    rouse.cli("batch", "start", "tag", "--wait", timeout=180)
    got = told(rouse, "--batch", "tag", "--agent", "new", "--stage", "--yes", "--concurrency", "16", expect_code=1)
    expect((got["runs"]["same"], got["runs"]["different"]), (many - many // 50, many // 50), "counts")
    said = replay(rouse, "replay:new", "--diff", expect_code=1).out
    check("more of this kind" in said, f"a few of a kind are shown: {said}")
    expect(replay(rouse, "replay:new", "--diff", "--all", expect_code=1).out.count('"won" → "lost"'), many // 50, "all of them with --all")
    pages, after = 0, "0"
    while after is not None:
        page = rouse.get(f"/v1/replays/replay:new/diff?limit=77&after={after}")
        check(len(page["items"]) <= 77, "no page is longer than was asked for")
        pages, after = pages + len(page["items"]), page["next"]
    expect(pages, many, "all pages together")


main()
