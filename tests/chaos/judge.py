#!/usr/bin/env python3
# The judge of the chaos test: holds what was promised against what a daemon, its agents and its targets wrote down.
# SPDX-License-Identifier: MIT
"""It knows no daemon: only lists of what was sent, acknowledged, kept, started, done and spent (class Evidence).

    judge.py FOLDER     gathers them from the folder that a house of the chaos test left, and says what is wrong"""
import collections
import json
import os
import sqlite3
import sys

OUTCOMES = {"ran", "replayed", "filtered", "coalesced", "skipped", "shed", "held", "rejected", "looped", "paused"}
FINAL = {"succeeded", "failed", "cancelled", "skipped"}
TOGETHER_MS = 50  # messages that were handled closer to one another lay there at once
TOLD = 5  # faults of one kind that are told; the others are counted


class Evidence:
    """sent: {key: {"ends": [[status, reason]...], "effects": n, "emits": bool}}, what each key's run should come to
    acks: [(key, run)], every 2xx; key None: a request without one
    events: [{"outcome", "run", "trigger"}]    runs: [{"id", "seq", "trigger", "key", "entity", "status", "reason", "held",
    "started", "ended", "attempts", "cost", "cost_limit", "tenant", "tick", "unread"}], unread: messages that lay there at once
    attempts: [{"run", "n", "status", "cost"}]  starts: [(run, n)], as the agents wrote them
    changes: [{"id", "run", "key", "status"}]   deeds: [(change, effect)], from the targets' own journals
    budgets: {(scope, name, day): spent}        limits: {(scope, name): a day}, message: the dearest of an agent
    heard: [key], of emitted events that ran    left: [process], notes: [fault that was seen on the way]
    clock_jumped: order in time cannot be judged"""

    def __init__(self, **known):
        self.sent, self.acks, self.events, self.runs, self.attempts, self.starts = {}, [], [], [], [], []
        self.changes, self.deeds, self.budgets, self.limits, self.message = [], [], {}, {}, 0
        self.heard, self.left, self.notes, self.clock_jumped = [], [], [], False
        for name, value in known.items():
            if not hasattr(self, name):
                raise AttributeError(name)
            setattr(self, name, value)


def counted(items):
    return collections.Counter(items).items()


def judge_accounting(e):
    """Every acknowledged event is accounted for in one word."""
    runs = {r["id"]: r for r in e.runs}
    outcomes = collections.defaultdict(set)
    for event in e.events:
        outcomes[event["run"]].add(event["outcome"])
        if event["outcome"] not in OUTCOMES:
            yield "accounting", f"an event of {event['trigger']} ended in {event['outcome']!r}, which is no word"
    for key, run in sorted(set(e.acks), key=str):
        if run not in runs:
            yield "lost", f"{key} was acknowledged as run {run}, which is not there"
        elif not outcomes[run]:
            yield "lost", f"{key} was acknowledged as run {run}, and no event tells of it"
    for run in e.runs:
        if run["status"] not in FINAL and not (run["status"] == "queued" and run["held"]):
            yield "unfinished", f"run {run['id']} of {run['trigger']} ({run['key']}) is still {run['status']}"


def judge_keys(e):
    """Each key has one run, that ends once and as it should."""
    runs = {r["id"]: r for r in e.runs}
    acknowledged = collections.defaultdict(set)
    for key, run in e.acks:
        if key is not None:
            acknowledged[key].add(run)
    for key, ids in sorted(acknowledged.items()):
        if len(ids) > 1:
            yield "doubled", f"{key} was acknowledged as {len(ids)} runs: {' '.join(sorted(ids))}"
    for run, n in counted(r for k, r in e.acks if k is None):
        if n > 1:
            yield "doubled", f"{n} requests without a key were given the one run {run}"
    for (trigger, key), n in counted((r["trigger"], r["key"]) for r in e.runs if r["key"]):
        if n > 1:
            yield "doubled", f"key {key} of {trigger or 'invoke'} has {n} runs"
    for key, wanted in sorted(e.sent.items()):
        for id in acknowledged.get(key, ()):
            run = runs.get(id)
            if run and run["status"] in FINAL and [run["status"], run["reason"]] not in wanted["ends"]:
                yield "wrong end", f"run {id} ({key}) is {run['status']} {run['reason']}, expected one of {wanted['ends']}"


def judge_attempts(e):
    """One completion at most, no attempt started twice, none forgotten."""
    by_run = collections.defaultdict(list)
    for attempt in e.attempts:
        by_run[attempt["run"]].append(attempt)
    for run in e.runs:
        mine = sorted(by_run[run["id"]], key=lambda a: a["n"])
        good = sum(a["status"] == "succeeded" for a in mine)
        if good > 1 or (run["status"] == "succeeded") != (good == 1):
            yield "completion", f"run {run['id']} is {run['status']}, and {good} of its attempts succeeded"
        if [a["n"] for a in mine] != list(range(1, len(mine) + 1)) or run["attempts"] != len(mine):
            yield "attempts", f"run {run['id']} counts {run['attempts']} attempts, and has {[a['n'] for a in mine]}"
        if run["status"] in FINAL and any(a["status"] == "running" for a in mine):
            yield "attempts", f"run {run['id']} is {run['status']}, and an attempt of it still running"
    for (run, n), times in counted(e.starts):
        if times > 1:
            yield "doubled", f"attempt {n} of run {run} was started {times} times"
        if n > len(by_run[run]):
            yield "attempts", f"attempt {n} of run {run} was started, and nothing tells of it"


def judge_changes(e):
    """What was applied was done once, as the targets themselves tell; nothing else was done."""
    applied = {c["id"]: c for c in e.changes if c["status"] == "applied"}
    known = {c["id"]: c for c in e.changes}
    deeds = collections.Counter(change for change, _ in e.deeds)
    for id, change in sorted(known.items()):
        if change["status"] != "applied":
            yield "unfinished", f"change {id} of run {change['run']} is {change['status']}, should be applied"
    for id in sorted(applied):
        if deeds[id] != 1:
            yield ("doubled" if deeds[id] else "lost"), f"change {id} is applied, and was done {deeds[id]} times"
    for id in sorted(set(deeds) - set(known)):
        yield "unknown deed", f"a target did {id}, which is no change"
    for effect, n in counted(effect for _, effect in e.deeds):
        if n > 1:
            yield "doubled", f"effect {effect} is there {n} times, under different changes"
    runs = {r["id"]: r for r in e.runs}
    proposals = collections.Counter(c["run"] for c in e.changes)
    for key, run in set(e.acks):
        if key is None:
            continue
        wanted = e.sent.get(key, {}).get("effects", 0)
        if run in runs and runs[run]["status"] == "succeeded" and proposals[run] != wanted:
            yield "changes", f"run {run} ({key}) succeeded with {proposals[run]} changes, expected {wanted}"


def judge_budgets(e):
    """No scope spends more than its day, no run more than its budget, but for one message; and sums agree.
    What was said while no daemon lived to stop it counts as one."""
    unread = max([1] + [r["unread"] for r in e.runs])
    for (scope, name, day), spent in sorted(e.budgets.items()):
        limit = e.limits.get((scope, name))
        if limit is not None and spent > limit + e.message * unread:
            yield "overspent", f"{scope} {name} spent {spent} on {day}: {limit} are allowed, a message costs {e.message}"
    for run in e.runs:
        if run["cost_limit"] >= 0 and run["cost"] > run["cost_limit"] + e.message * max(1, run["unread"]):
            yield "overspent", f"run {run['id']} cost {run['cost']}: {run['cost_limit']} are allowed, a message costs {e.message}"
    costs = collections.Counter()
    for attempt in e.attempts:
        costs[attempt["run"]] += attempt["cost"]
    for run in e.runs:
        if costs[run["id"]] != run["cost"]:
            yield "sums", f"run {run['id']} cost {run['cost']}, its attempts {costs[run['id']]}"
    for tenant in sorted({r["tenant"] for r in e.runs if r["tenant"]}):
        spent = sum(n for (scope, name, _), n in e.budgets.items() if (scope, name) == ("tenant", tenant))
        cost = sum(r["cost"] for r in e.runs if r["tenant"] == tenant)
        if spent != cost:
            yield "sums", f"the ledger has {spent} for tenant {tenant}, its runs cost {cost}"


def judge_order(e):
    """Runs of one entity go one at a time, in order of arrival."""
    if e.clock_jumped:
        return
    last = {}
    for run in sorted((r for r in e.runs if r["entity"] and r["started"]), key=lambda r: r["seq"]):
        before = last.get(run["entity"])
        if before and (before["ended"] is None or run["started"] < before["ended"]):
            yield "order", f"run {run['id']} of {run['entity']} began before {before['id']} had ended"
        last[run["entity"]] = run


def judge_ticks(e):
    """Each second of the schedule has one run: none missing, none twice."""
    ticks = sorted(r["tick"] for r in e.runs if r["tick"] is not None)
    for tick, n in counted(ticks):
        if n > 1:
            yield "doubled", f"the tick of {tick} has {n} runs"
    if ticks and not e.clock_jumped:
        for tick in sorted(set(range(ticks[0], ticks[-1] + 1)) - set(ticks)):
            yield "lost", f"the tick of {tick} has no run"


def judge_signals(e):
    """What a run that succeeded had emitted was heard once."""
    heard = collections.Counter(e.heard)
    runs = {r["id"]: r for r in e.runs}
    for key, run in sorted(set(e.acks), key=str):
        if e.sent.get(key, {}).get("emits") and runs.get(run, {}).get("status") == "succeeded" and heard[key] != 1:
            yield ("doubled" if heard[key] else "lost"), f"what run {run} ({key}) emitted was heard {heard[key]} times"
    for key, n in heard.items():
        if n > 1 and key not in e.sent:
            yield "doubled", f"emitted {key} was heard {n} times"


def judge_rest(e):
    """Nobody is left, and nothing odd was seen on the way."""
    for process in e.left:
        yield "left", f"a process is left: {process}"
    for note in e.notes:
        yield "seen", note


JUDGES = (judge_accounting, judge_keys, judge_attempts, judge_changes, judge_budgets, judge_order, judge_ticks, judge_signals, judge_rest)


def judge(evidence):
    """[(kind, sentence)] of what is wrong; empty: every promise was kept."""
    return [fault for one in JUDGES for fault in one(evidence)]


def shortened(faults):
    """Lines for people: at most TOLD of a kind."""
    kinds = collections.defaultdict(list)
    for kind, sentence in faults:
        kinds[kind].append(sentence)
    for kind, sentences in kinds.items():
        for sentence in sentences[:TOLD]:
            yield f"{kind}: {sentence}"
        if len(sentences) > TOLD:
            yield f"{kind}: ... and {len(sentences) - TOLD} more"


# --- gathering ----------------------------------------------------------------------------------------


def lines(folder, name):
    try:
        with open(os.path.join(folder, name)) as f:
            return f.read().splitlines()
    except FileNotFoundError:
        return []


def rows(path, query):
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)
    db.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in db.execute(query)]
    finally:
        db.close()


def unread(path):
    """{run: most of its usage messages that were handled together}"""
    together, most, last = collections.Counter(), collections.Counter(), {}
    for line in rows(path, "SELECT r.id, l.at FROM runlog l JOIN runs r ON r.seq = l.run WHERE l.type = 'usage' ORDER BY l.run, l.seq"):
        run, at = line["id"], line["at"]
        together[run] = together[run] + 1 if abs(at - last.get(run, -TOGETHER_MS)) < TOGETHER_MS else 1
        most[run], last[run] = max(most[run], together[run]), at
    return most


def read_database(e, path):
    [whole] = rows(path, "PRAGMA integrity_check")[:1]
    if whole["integrity_check"] != "ok":
        e.notes.append(f"the database is damaged: {whole['integrity_check']}")
    e.events = rows(path, "SELECT e.outcome, e.trigger, r.id AS run FROM events e LEFT JOIN runs r ON r.seq = e.run")
    e.runs = rows(path, "SELECT id, seq, trigger, key, entity, status, reason, held, started, ended, attempts, cost_uusd AS cost,"
                        " limit_cost_uusd AS cost_limit, tenant,"
                        " CASE WHEN source = 'cron' THEN CAST(strftime('%s', json_extract(schedule, '$.nominal')) AS INTEGER) END AS tick FROM runs")
    waited = unread(path)
    for run in e.runs:
        run["unread"] = waited[run["id"]]
    e.attempts = rows(path, "SELECT r.id AS run, a.n, a.status, a.cost_uusd AS cost FROM attempts a JOIN runs r ON r.seq = a.run")
    e.changes = rows(path, "SELECT c.key AS id, r.id AS run, c.key, c.status FROM changes c LEFT JOIN runs r ON r.seq = c.run")
    e.budgets = {(r["scope"], r["name"], r["day"]): r["spent_uusd"] for r in rows(path, "SELECT scope, name, day, spent_uusd FROM budgets")}
    e.heard = [r["key"] for r in rows(path, "SELECT e.key FROM events e WHERE e.source = 'topic' AND e.outcome = 'ran'")]


def gather(folder):
    """The evidence in a folder that a house of the chaos test left."""
    e = Evidence()
    for line in lines(folder, "journal.jsonl"):
        entry = json.loads(line)
        if entry["do"] == "send" and entry["key"]:
            e.sent[entry["key"]] = entry
        elif entry["do"] == "ack":
            e.acks.append((entry["key"], entry["run"]))
        elif entry["do"] == "fault":
            e.notes.append(entry["what"])
        elif entry["do"] == "left":
            e.left.append(entry["what"])
        elif entry["do"] == "house":
            e.limits = {tuple(k.split("/", 1)): v for k, v in entry["limits"].items()}
            e.message, e.clock_jumped = entry["message"], entry["clock_jumps"]
    read_database(e, os.path.join(folder, "state", "rouse.db"))
    e.starts = [(run, int(n)) for run, n in (line.split() for line in lines(folder, "starts"))]
    e.deeds = [(r["change"], r["effect"]) for r in rows(os.path.join(folder, "crm.db"), "SELECT change, effect FROM deed")]
    e.deeds += [tuple(line.split()) for line in lines(folder, "deeds-http")]
    placed = {}
    for name in os.listdir(os.path.join(folder, "docs")):
        with open(os.path.join(folder, "docs", name)) as f:
            placed[json.load(f)["effect"]] = name
    kept = rows(os.path.join(folder, "state", "rouse.db"), "SELECT key AS id, after ->> 'effect' AS effect FROM changes WHERE target = 'docs'")
    e.deeds += [(r["id"], r["effect"]) for r in kept if r["effect"] in placed]
    e.deeds += [(name, effect) for effect, name in placed.items() if effect not in {r["effect"] for r in kept}]
    done = os.path.join(folder, "deeds")
    e.deeds += [(name.replace("_", "/"), os.readlink(os.path.join(done, name))) for name in os.listdir(done)]
    return e


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: judge.py FOLDER")
    evidence = gather(sys.argv[1])
    faults = judge(evidence)
    for line in shortened(faults):
        print(line)
    print(f"{len(evidence.acks)} acknowledged, {len(evidence.runs)} runs, {len(evidence.attempts)} attempts, {len(evidence.changes)} changes: {len(faults)} faults")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
