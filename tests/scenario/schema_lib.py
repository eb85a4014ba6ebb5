# A database as a daemon of any step of the schema left it: with rows of every kind.
# SPDX-License-Identifier: MIT
import glob
import hashlib
import os
import sqlite3

from lib import SOURCE

STEPS = sorted(glob.glob(os.path.join(SOURCE, "src/store/sql/[0-9]*.sql")))
AT = 1790000000000
TOKEN = "rouse_" + "m" * 43
LIMITS = {f"limit_{name}": -1 for name in ("deadline_ms", "steps", "tools", "tokens", "context", "cost_uusd", "output_bytes")}


def uuid(n):
    return f"019abc00-0000-7000-8000-{n:012}"


def run(seq, status, **more):
    return {"seq": seq, "id": uuid(100 + seq), "event": seq, "agent": "a", "trigger": "push", "status": status, "ready": int(status == "queued"),
            "attempts": int(status != "queued"), "max_attempts": 3, "created": AT + seq, "started": None if status == "queued" else AT + seq,
            "ended": None if status == "queued" else AT + seq + 5, "source": "webhook", "intent": "push", "mode": "stage", "trust": "authenticated",
            "root": uuid(seq), "key": f"key-{seq}", **LIMITS, **more}


def change(seq, status, entity, way=None, **more):
    return {"seq": seq, "id": uuid(200 + seq), "run": 1, "target": "crm", "entity": entity, "op": "update", "status": status, "key": f"change-{seq}",
            "confidence": 0.9, "reason": "because", "created": AT, "before": '{"stage":"new"}', "after": '{"stage":"won"}', "digest": f"{seq:064x}",
            "decided_by": None if status == "proposed" else "maria", "decided_at": None if status == "proposed" else AT, "way": way, **more}


def event(seq, outcome, run=None, trigger="push"):
    return {"seq": seq, "id": uuid(seq), "trigger": trigger, "source": "webhook", "outcome": outcome, "rule": "", "key": f"key-{seq}", "time": AT + seq, "run": run,
            "document": '{"specversion":"1.0","id":"%s","source":"webhook/push","type":"rouse.webhook","data":{"n":%d},"rouse":{"trigger":"%s"}}' % (uuid(seq), seq, trigger)}


# In an order that foreign keys allow. Columns that a step does not have yet are left out.
ROWS = [
    ("events", [event(1, "ran", 1), event(2, "ran", 2), event(3, "ran", 3), event(4, "filtered"), event(5, "held", None, "gathers"), event(6, "ran", 4)]),
    ("runs", [run(1, "succeeded"), run(2, "queued"), run(3, "failed", reason="permanent", error="it did not work"),
              run(4, "succeeded", event=6, batch="tags/2026-09-21T00:00:00Z", trigger="", source="batch", entity=None)]),
    ("run_inputs", [{"run": 2, "payload": '{"n":2}'}]),
    ("run_outputs", [{"run": 1, "result": '"done"', "checkpoint": '{"at":1}', "completed_steps": '{"one":1}', "decisions": "{}", "expect": '{"program":".x","met":true}'}]),
    ("attempts", [{"run": r, "n": 1, "status": s, "exit_code": e, "started": AT, "ended": AT + 5, "agent": None} for r, s, e in
                  ((1, "succeeded", 0), (3, "failed", 65), (4, "succeeded", 0))]),
    ("runlog", [{"run": 1, "seq": n, "attempt": 1, "at": AT, "type": t, "data": '{"type":"%s"}' % t} for n, t in ((1, "start"), (2, "status"), (3, "done"))]),
    ("keys_new", [{"seq": 1, "hash": hashlib.sha256(b"push\0key-1").digest()[:16], "run": 1, "at": AT}]),
    ("changes", [change(1, "applied", "1", applied_at=AT), change(2, "proposed", "2"), change(3, "rejected", "3"), change(4, "approved", "4", way=1)]),
    ("change_counts", [{"status": s, "target": "crm", "n": 1} for s in ("applied", "proposed", "rejected", "approved")]),
    ("decisions", [{"seq": 1, "object": "change", "object_id": uuid(201), "decision": "approve", "decided_by": "maria", "reason": "fine", "at": AT}]),
    ("gates", [{"seq": 1, "id": uuid(301), "run": 1, "kind": "approval", "step": "send", "status": "decided", "decision": "approved", "decided_by": "maria",
                "created": AT, "decided_at": AT}]),
    ("batches", [{"seq": 1, "id": "tags/2026-09-21T00:00:00Z", "name": "tags", "agent": "a", "mode": "stage", "state": "done", "total": 1, "started": AT, "ended": AT + 9,
                  "source_state": "ended", "items": 1, "done": 1}]),
    ("batch_items", [{"batch": 1, "n": 1, "entity": "42", "data": '{"id":42}', "run": 4, "state": "done"}]),
    ("batch_notes", [{"batch": 1, "n": 1, "at": AT, "text": "a line was empty"}]),
    ("rollouts", [{"batch": 1, "revert": 0, "state": "done", "canary": 0, "stop": 0.1, "rate_count": 0, "rate_per_ms": 0, "cursor": 4, "total": 0, "released": 0, "base": 0, "at": AT}]),
    ("budgets", [{"scope": "all", "name": "", "day": "2026-09-21", "spent_uusd": 1234, "tokens": 10}]),
    ("cursors", [{"trigger": "push", "value": "cursor"}]),
    ("sessions", [{"seq": 1, "id": uuid(401), "agent": "a", "name": "talk", "turns": 1, "run": 1, "state": "{}", "created": AT, "used": AT}]),
    ("tokens", [{"name": "old", "hash": hashlib.sha256(TOKEN.encode()).hexdigest(), "scopes": "read", "created": AT}]),
    ("switches", [{"scope": "trigger", "name": "push", "kind": "disabled", "switched_by": "maria", "at": AT}]),
    ("facts", [{"trigger": "push", "item": b"item", "value": b"value"}]),
    ("trigger_health", [{"trigger": "push", "watched": AT, "last_event": AT}]),
    ("breakers", [{"scope": "agent", "name": "b", "opened": AT, "until": AT + 1, "failed": 3, "total": 5, "error": "no"}]),
    ("gatherings", [{"seq": 1, "n": 1, "bytes": 7, "due": 4000000000000, "latest": 4000000000000, "wait_ms": 4000000000000 - AT, "event": 5, "agent": "a", "trigger": "gathers", "priority": 1,
                     "max_attempts": 3, "created": AT, "source": "webhook", "intent": "x", "mode": "stage", "trust": "authenticated", **LIMITS}]),
    ("gathered", [{"gathering": 1, "n": 1, "event": 5}]),
    ("batch_changes", []),
    ("samples", [{"seq": 1, "id": uuid(501), "scope": "run " + uuid(101), "seed": 7, "population": 1, "last_seq": 2, "digest": "0", "confidence": 0.95, "max_defect": 0.05,
                  "drawn_by": "maria", "at": AT}]),
    ("sample_items", [{"sample": 1, "n": 1, "change": 2, "digest": "0"}]),
    ("notifications", [{"seq": 1, "id": uuid(601), "notify": "ops", "state": "sent", "created": AT, "due": AT, "done_at": 4000000000000}]),
    ("notices", [{"seq": 1, "notify": "ops", "topic": "t", "event": "failed", "first": AT, "last": AT, "data": "{}", "message": 1}]),
    ("notice_runs", [{"run": 3, "notice": 1}]),
    ("audit", [{"seq": 1, "at": AT, "who": "maria", "via": "socket, process 1", "act": "POST /v1/pause", "scope": "admin", "status": 200}]),
    ("spans_due", []),
    ("spans_sent", []),
]


def make(path, last):
    """The database at path, of the first steps up to `last`."""
    db = sqlite3.connect(path)
    db.execute("PRAGMA foreign_keys = ON")
    for step in STEPS[:last]:
        with open(step) as f:
            db.executescript(f.read())
    db.executescript(f"PRAGMA application_id = {0x726f7573}; PRAGMA user_version = {last};")
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")}
    unknown = tables - {name for name, _ in ROWS} - {"probe", "keys", "key_parts"}
    assert not unknown, f"rows for {unknown} are to be written here"
    for table, rows in ROWS:
        if table not in tables:
            continue
        columns = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
        for row in rows:
            row = {k: v for k, v in row.items() if k in columns}
            names = ", ".join(f'"{k}"' for k in row)
            db.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values()))
    db.commit()
    db.close()
