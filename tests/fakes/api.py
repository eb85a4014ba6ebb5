#!/usr/bin/env python3
# A fake of the daemon's API on a Unix socket: enough state to be decided about, and every bad manner.
# SPDX-License-Identifier: MIT
"""api.py SOCKET [MODE]: prints "ready" when it listens, ends when its standard input does.

MODE: garbage (no HTTP), close (says nothing), html (200 with a page), down (never listens).
"""
import copy
import json
import os
import re
import socketserver
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler

RUN = "0193a000-0000-7000-8000-00000000000%x"
CHANGE = "0193c000-0000-7000-8000-00000000000%x"
T0 = "2026-11-20T09:30:00.000Z"


def change(n, run, entity, op, before, after, **more):
    got = {
        "id": CHANGE % n, "run": RUN % run, "batch": None, "target": "tickets", "entity": entity,
        "op": op, "status": "proposed", "before": before, "after": after, "patch": None,
        "confidence": None, "reason": None, "key": "k%d" % n, "decided_by": None,
        "decided_at": None, "applied_at": None, "error": None, "created": T0, "partial": False,
        "attempts": 0, "digest": "d%d" % n,
    }
    got.update(more)
    return got


CHANGES = [
    change(1, 1, "ticket:1", "update", {"priority": "low", "tags": ["a"]}, {"priority": "high", "tags": ["a"]},
           confidence=0.95, reason="two customers wait"),
    change(2, 1, "ticket:2", "update", {"priority": "low"}, {"priority": "high"}, confidence=0.95,
           reason="two customers wait"),
    change(3, 1, "ticket:3", "update", {"priority": "low"}, {"priority": "urgent"}, confidence=0.4),
    change(4, 1, "ticket:4", "create", None, {"title": "\x1b[2Jnew \u202eevil", "n": 12345678901234567}),
    change(5, 1, "ticket:5", "delete", {"title": "old"}, None),
    change(6, 2, "drift:1", "update", {"a": 1}, {"a": 2}, status="approved"),
    change(7, 2, "ok:1", "update", {"a": 1}, {"a": 2}, status="approved"),
    change(8, 3, "text:1", "update", {"body": "one\ntwo\nthree\n"}, {"body": "one\n2\nthree\n"},
           batch="tag/2026-11-20T02:00:00Z", status="applied"),
    change(9, 3, "wide:1", "update", {"note": "x" * 200}, {"note": "y" * 200},
           batch="tag/2026-11-20T02:00:00Z"),
    change(10, 4, "stuck:1", "update", {"a": 1}, {"a": 2}, status="approved"),
    change(11, 5, "mine:1", "update", {"a": 1}, {"a": 2}, status="applied"),
]


def run(n, **more):
    got = {
        "id": RUN % n, "status": "succeeded", "reason": None, "agent": "triage", "trigger": "tickets",
        "batch": None, "entity": "ticket:%d" % n, "tenant": "abc", "key": "k%d" % n, "intent": "triage",
        "mode": "stage", "attempts": 1, "created": T0, "started": T0, "ended": T0, "cost_usd": 0.0123,
        "tokens": 1200, "steps": 3, "result": {"ok": True}, "error": None,
    }
    got.update(more)
    return got


RUNS = [run(n) for n in range(1, 6)] + [
    run(6, status="failed", reason="exhausted", error="it \x1b]0;owned\x07 broke", result=None),
    run(7, status="running", ended=None, result=None),
]
EVENTS = [
    {"seq": 1, "at": T0, "attempt": 1, "type": "start", "data": {"attempt": 1}},
    {"seq": 2, "at": T0, "attempt": 1, "type": "status", "data": {"message": "looking"}},
    {"seq": 3, "at": T0, "attempt": 1, "type": "token", "data": {"text": "Hel"}},
    {"seq": 4, "at": T0, "attempt": 1, "type": "token", "data": {"text": "lo"}},
    {"seq": 5, "at": T0, "attempt": 1, "type": "log", "data": {"text": "\x1b[31mred\nline"}},
    {"seq": 6, "at": T0, "attempt": 1, "type": "step", "data": {"name": "fetch", "status": "done"}},
    {"seq": 7, "at": T0, "attempt": 1, "type": "result", "data": {"output": {"big": 18446744073709551615}}},
    {"seq": 8, "at": T0, "attempt": 1, "type": "done", "data": {"status": "succeeded"}},
]
GATES = [
    {"id": "0193d000-0000-7000-8000-000000000001", "run": RUN % 7, "kind": "approval", "step": "pay",
     "payload": {"sum": 5}, "question": None, "allow": ["accept", "edit"], "expires": T0,
     "status": "open", "decision": None, "by": None},
    {"id": "0193d000-0000-7000-8000-000000000002", "run": RUN % 6, "kind": "ask", "step": None,
     "payload": None, "question": "which one?", "allow": [], "expires": T0, "status": "decided",
     "decision": "responded", "by": "ann"},
]
TRIGGERS = {"tickets": {"name": "tickets", "source": "webhook", "agent": "triage", "enabled": True,
                        "health": "ok", "since": T0, "last_event": T0, "last_outcome": "ran", "last_error": None,
                        "last_error_at": None, "next": None, "backlog": 2, "lag_ms": 90500}}
STATE = {"reload_fails": False, "reloads": 0, "looks": {}, "stream": 0}
LOCK = threading.Lock()


class Problem(Exception):
    def __init__(self, status, code, detail, **more):
        super().__init__(detail)
        self.status = status
        self.body = {"type": "about:blank", "title": "No", "status": status, "detail": detail, "code": code}
        self.body.update(more)


def find(items, ident, what):
    got = [i for i in items if i["id"] == ident or (len(ident) >= 8 and i["id"].startswith(ident))]
    if len(got) > 1:
        raise Problem(400, "usage", "%s names several %ss" % (ident, what))
    if not got:
        raise Problem(404, "not_found", "there is no %s %s" % (what, ident))
    return got[0]


def listing(items, query, filters):
    for name in filters:
        if name in query:
            items = [i for i in items if str(i.get(name)) == query[name]]
    start = int(query.get("after", "0"))
    limit = min(int(query.get("limit", "50")), 1000)
    page = items[start:start + limit]
    more = str(start + limit) if start + limit < len(items) else None
    return {"items": page, "next": more}


def move(c, verb, body):
    """One decision about a change, as the daemon's grid has it."""
    grid = {"approve": ("proposed", "approved"), "reject": ("proposed", "rejected")}
    if verb in grid:
        if body.get("digest") not in (None, c["digest"], "run-digest"):
            raise Problem(409, "drift", "what is proposed differs from what was shown")
        if c["status"] != grid[verb][0]:
            raise Problem(409, "state", "change %s is %s" % (c["id"], c["status"]))
        c["status"] = grid[verb][1]
        c["decision_reason"] = body.get("reason")
    elif verb == "apply":
        if c["status"] not in ("approved", "failed", "conflict"):
            raise Problem(409, "state", "change %s is %s" % (c["id"], c["status"]))
        c["status"] = "applying"
    elif verb == "revert":
        if c["status"] != "applied":
            raise Problem(409, "state", "change %s is %s" % (c["id"], c["status"]))
        c["status"] = "reverting"
    elif verb == "edit":
        c["after"] = body["after"]
    return c


def meant(query):
    """The changes that of, entity and where name, and who that is."""
    of, where = query.get("of"), query.get("where")
    if of is None:
        mine, who = [c for c in CHANGES if c["status"] == "proposed"], {}
    elif "/" in of:
        mine, who = [c for c in CHANGES if c["batch"] == of], {"batch": of}
    else:
        try:
            one = find(RUNS, of, "run")
            mine, who = [c for c in CHANGES if c["run"] == one["id"]], {"run": one["id"]}
        except Problem:
            mine, who = [find(CHANGES, of, "change")], {}
    if query.get("entity"):
        mine = [c for c in mine if c["entity"] == query["entity"]]
    if where:
        known = {'.op == "create" or .confidence == 0.4': lambda c: c["op"] == "create" or c["confidence"] == 0.4,
                 '.entity == "wide:1"': lambda c: c["entity"] == "wide:1", '.target == "x"': lambda c: False}
        if where not in known:
            raise Problem(422, "mapping", "--where %s: the fake is no jq" % where)
        mine = [c for c in mine if known[where](c)]
    return mine, who


def progress(c):
    """What the dispatcher would have done meanwhile: the second look finds it done."""
    looks = STATE["looks"]
    if c["status"] in ("applying", "reverting"):
        looks[c["id"]] = looks.get(c["id"], 0) + 1
        if looks[c["id"]] > 1 and not c["entity"].startswith("stuck"):
            if c["entity"].startswith("drift"):
                c["status"], c["error"] = "conflict", "the target has drifted"
                c["current"] = {"a": 7}
            else:
                c["status"] = "applied" if c["status"] == "applying" else "reverted"
            looks[c["id"]] = 0
    return c


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def address_string(self):
        return "unix"

    def send(self, status, body, kind="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def serve(self, method):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        parts = [urllib.parse.unquote(p) for p in url.path.split("/")[1:]]
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}") if length else {}
        try:
            with LOCK:
                got = self.route(method, parts, query, body)
        except Problem as problem:
            self.send(problem.status, problem.body, "application/problem+json")
            return
        if got is not None:
            status, answer = got if isinstance(got, tuple) else (200, got)
            self.send(status, answer)

    def do_GET(self):
        self.serve("GET")

    def do_POST(self):
        self.serve("POST")

    def route(self, method, parts, query, body):
        if parts[0] != "v1":
            raise Problem(404, "not_found", "no such route")
        handler = getattr(self, "on_" + parts[1], None)
        if not handler:
            raise Problem(404, "not_found", "no such route: %s" % "/".join(parts))
        return handler(method, parts[2:], query, body)

    def on_status(self, method, rest, query, body):
        return {
            "version": "0.0-fake", "pid": 4711, "started": T0, "config": os.environ.get("FAKE_CONFIG", "/etc/rouse/rouse.conf"),
            "config_dir": os.path.dirname(os.environ.get("FAKE_CONFIG", "/etc/rouse/rouse.conf")),
            "state_dir": "/var/lib/rouse", "socket": sys.argv[1], "listen": ["127.0.0.1:8477"],
            "public_url": None, "user": "rouse", "uid": int(os.environ.get("FAKE_UID", os.geteuid())),
            "generation": 3, "commit": "abc123", "ready": True, "paused": [], "halted": False,
            "health": {"ok": True, "in_flight": 3, "max_running": 256, "queue_depth": 12,
                       "oldest_queued_ms": 80, "dlq": 1, "store": "ok", "version": "0.0-fake"},
            "agents": [{"name": "triage", "kind": "exec", "concurrency": 4, "in_flight": 3, "queued": 12,
                        "state": "processing", "paused": False, "targets": ["tickets"]}],
            "triggers": list(TRIGGERS.values()), "executor": "shim (no systemd)",
        }

    def on_agents(self, method, rest, query, body):
        if not rest:
            return {"items": self.on_status(None, None, None, None)["agents"], "next": None}
        if rest[0] == "slow":
            time.sleep(3)
        if rest[0] == "broke":
            raise Problem(429, "budget", "the budget of the day is spent")
        if rest[0] != "triage":
            raise Problem(404, "not_found", "there is no agent %s" % rest[0])
        if self.headers.get("Prefer"):
            return RUNS[5] if body == {"fail": True} else RUNS[0]
        STATE["invoked"] = body
        if self.headers.get("Idempotency-Key") == "known":
            return {"run_id": RUN % 1, "status": "succeeded", "event_id": "e", "replayed": True}
        return 202, {"run_id": RUN % 7, "status": "queued", "event_id": "e"}

    def on_runs(self, method, rest, query, body):
        if not rest:
            if query.get("agent") == "huge":
                items = [run(1, id="h%07d" % i, agent="huge") for i in range(5000)]
                return listing(items, query, [])
            return listing(RUNS, query, ["status", "agent", "trigger", "entity"])
        if rest[0] == "garbage-json":
            self.send(200, b'{"id": ')
            return None
        if rest[0] == "a-list":
            return []
        if rest[0] == "dup":
            self.send(200, b'{"id":"x","id":"y"}')
            return None
        if rest[0] == "slow":
            time.sleep(3)
        if rest[0] == "bare":
            self.send(500, b"oh no", "text/plain")
            return None
        if rest[0] == "teapot":
            self.send(302, b"{}")
            return None
        one = find(RUNS, rest[0], "run")
        verb = rest[1] if len(rest) > 1 else None
        mine = [c for c in CHANGES if c["run"] == one["id"]]
        if verb is None:
            one = dict(one, event_id="e1", attempt_list=[
                {"n": 1, "status": one["status"], "reason": one["reason"], "started": T0, "ended": T0,
                 "exit": 0, "signal": None, "error": one["error"]}], changes={"proposed": len(mine)})
            return one
        if verb == "diff":
            return {"items": [progress(c) for c in mine], "digest": "run-digest"}
        if verb == "events":
            return self.events(query)
        if verb == "stderr":
            if one["status"] != "failed":
                raise Problem(404, "not_found", "no standard error was kept")
            self.send(200, b"Traceback \x1b[1mbold\nKeyError\n", "text/plain")
            return None
        if verb == "cancel":
            if one["status"] != "running":
                raise Problem(409, "state", "run %s has ended" % one["id"])
            return dict(one, status="cancelled", reason=body.get("reason"))
        if verb == "retry":
            return 202, dict(one, status="queued")
        if verb == "input":
            return 202, {"text": body["text"]}
        if verb in ("approve", "reject", "apply", "revert"):
            return self.decide_run(mine, verb, body)
        raise Problem(404, "not_found", "no such route")

    def decide_run(self, mine, verb, body):
        if body.get("digest") not in (None, "run-digest"):
            raise Problem(409, "drift", "what is proposed differs from what was shown")
        changed, skipped = [], 0
        for c in mine:
            try:
                changed.append(move(c, verb, {"reason": body.get("reason")}))
            except Problem:
                skipped += 1
        if not changed:
            raise Problem(409, "state", "there is nothing to %s" % verb)
        return {"changed": len(changed), "skipped": skipped, "items": changed}

    def events(self, query):
        if "text/event-stream" not in self.headers.get("Accept", ""):
            after = int(query.get("after", "0"))
            return {"items": [e for e in EVENTS if e["seq"] > after], "next": None}
        after = int(self.headers.get("Last-Event-ID", "0"))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        # The first connection breaks in the middle of an event, as when the daemon restarts.
        breaks = STATE["stream"] == 0
        STATE["stream"] += 1
        for e in EVENTS:
            if e["seq"] <= after:
                continue
            text = ": still here\n\nid: %d\nevent: %s\ndata: %s\n\n" % (
                e["seq"], e["type"], json.dumps(e["data"]))
            if breaks and e["seq"] == 5:
                self.wfile.write(text[:len(text) // 2].encode())
                return None
            self.wfile.write(text.encode())
        return None

    def on_diff(self, method, rest, query, body):
        """Groups as the daemon does, of what few changes there are; `where` knows two shapes."""
        if rest:
            at, limit = int(query.get("after", "0")), int(query.get("limit", "100"))
            items = [dict(progress(find(CHANGES, i, "change")), flags=[], group="g") for i in rest[0].split(".") if i]
            return {"items": items[at:at + limit], "total": len(items), "next": str(at + limit) if at + limit < len(items) else None}
        mine, who = meant(query)
        groups = {}
        for c in mine:
            names = [k for k in (c["after"] or {}) if (c["before"] or {}).get(k) != c["after"][k]]
            groups.setdefault((c["target"], c["op"], tuple(names)), []).append(c)
        count = lambda op: sum(c["op"] == op for c in mine)
        return dict({"look": ".".join(c["id"] for c in mine) or ".", "digest": "run-digest", "total": len(mine), "flagged": 0,
                     "plan": {op: count(op) for op in ("create", "update", "delete", "call")},
                     "status": {st: sum(c["status"] == st for c in mine) for st in sorted({c["status"] for c in mine})},
                     "group_count": len(groups),
                     "groups": [{"group": "g", "target": t, "op": op, "count": len(l), "flagged": 0, "flags": {}, "fields": [
                         {"path": n, "kind": "~", "values": [], "different": None} for n in names],
                         "examples": l[:3], "outliers": []} for (t, op, names), l in groups.items()]}, **who)

    def on_decide(self, method, rest, query, body):
        if body.get("digest") not in (None, "run-digest"):
            raise Problem(409, "state", "the changes are not what was shown any more")
        mine, _ = meant(body)
        open_ = [c for c in mine if c["status"] == "proposed"]
        for c in open_:
            move(c, body["decision"], {"reason": body.get("reason")})
        return {"changed": len(open_), "skipped": 0, "passed": len(mine) - len(open_), "pending": 0, "why": []}

    def on_changes(self, method, rest, query, body):
        if not rest:
            return listing([progress(c) for c in CHANGES], query, ["run", "batch", "status", "entity", "target", "op"])
        c = find(CHANGES, rest[0], "change")
        if len(rest) == 1:
            return progress(c)
        return (202 if rest[1] == "revert" else 200), move(c, rest[1], body)

    def on_events(self, method, rest, query, body):
        one = {"id": "0193e000-0000-7000-8000-000000000001", "trigger": "tickets", "source": "webhook",
               "time": T0, "outcome": "ran", "rule": None, "key": "k1", "run": RUN % 1}
        if not rest:
            return listing([one], query, ["trigger", "outcome"])
        if not one["id"].startswith(rest[0]):
            raise Problem(404, "not_found", "there is no event %s" % rest[0])
        if len(rest) > 1:
            assert body == {"force": True}
            return 202, {"run_id": RUN % 7, "event_id": one["id"]}
        return dict(one, document={"specversion": "1.0", "data": {"a": "\u202e"}})

    def on_triggers(self, method, rest, query, body):
        if not rest:
            return listing(list(TRIGGERS.values()), query, ["source"])
        name, verb = rest[0], rest[1] if len(rest) > 1 else None
        known = dict(TRIGGERS)
        folder = os.path.join(os.path.dirname(os.environ.get("FAKE_CONFIG", "/nowhere/x")), "triggers.d")
        if os.path.exists(os.path.join(folder, name + ".conf")):
            known[name] = dict(TRIGGERS["tickets"], name=name, url="http://127.0.0.1:8477/hooks/" + name,
                               file=os.path.join(folder, name + ".conf"), line=2)
        if name not in known:
            raise Problem(404, "not_found", "there is no trigger %s" % name)
        if verb is None:
            return dict({"settings": {"verify": "github", "secret": "file:/x", "events": ["a", "b"],
                                      "filter": ".data.a\nor .data.b", "ack": 202, "enabled": True},
                         "defaults": ["ack", "enabled"],
                         "url": "http://127.0.0.1:8477/hooks/" + name, "file": "/etc/rouse/rouse.conf",
                         "line": 12}, **known[name])
        if verb == "fire":
            return 202, {"run_id": None if body == {"quiet": True} else RUN % 7, "event_id": "e9",
                         "outcome": "filtered" if body == {"quiet": True} else "ran", "replayed": False}
        if verb == "test":
            if body.get("data") == "bad":
                return {"verdict": "rejected", "rule": "key", "error": "key: .x is null", "key": None}
            return {"verdict": "run", "rule": None, "key": "k", "entity": "e", "tenant": None, "user": None,
                    "payload": body.get("data", body.get("document")), "envelope": {"version": 1}, "error": None}
        return dict(known[name], enabled=verb == "enable")

    def on_reload(self, method, rest, query, body):
        if os.path.exists(os.path.join(os.path.dirname(sys.argv[1]), "reload-fails")):
            raise Problem(400, "config", "the configuration has 1 error", errors=["x.conf:3: [trigger x] agent: no such agent"])
        STATE["reloads"] += 1
        return {"generation": 3 + STATE["reloads"], "added": ["x"], "changed": [], "removed": []}

    def on_why(self, method, rest, query, body):
        if rest[0] == "nothing":
            raise Problem(404, "not_found", "nothing is called nothing")
        return {"subject": {"kind": "run", "id": RUN % 1}, "story": [
            {"at": T0, "what": "received", "text": "POST /hooks/tickets from 203.0.113.9", "data": {}},
            {"at": T0, "what": "admitted", "text": "key k1 was new", "data": {}},
            {"at": None, "what": "proposed", "text": "5 changes\x1b[2J", "data": {}}]}

    def on_dlq(self, method, rest, query, body):
        dead = [r for r in RUNS if r["status"] == "failed"]
        if not rest:
            return listing(dead, query, ["agent", "trigger", "reason"])
        if rest[0] in ("replay", "drop"):
            return 200, {"done": [{"id": id, **({"run_id": RUN % 7} if rest[0] == "replay" else {})} for id in body["ids"]], "failed": []}
        one = find(dead, rest[0], "dead letter")
        if rest[1] == "replay":
            return 202, {"run_id": RUN % 7, "payload": body.get("payload")}
        return dict(one, dropped=body.get("reason"))

    def on_pause(self, method, rest, query, body):
        return {"paused": [{"scope": k, "name": v, "since": T0, "by": "ann"} for k, v in body.items()] or
                [{"scope": "all", "name": "", "since": T0, "by": "ann"}], "halted": False}

    def on_resume(self, method, rest, query, body):
        return {"paused": [], "halted": False}

    def on_halt(self, method, rest, query, body):
        return {"paused": [], "halted": True}

    def on_gates(self, method, rest, query, body):
        if not rest:
            return listing(GATES, query, ["run", "kind", "status"])
        gate = find(GATES, rest[0], "gate")
        if method == "GET":
            return gate
        if gate["decision"]:
            raise Problem(409, "state", "gate %s is decided" % gate["id"])
        return dict(gate, decision=body["decision"], payload=body.get("payload"))

    def on_inbox(self, method, rest, query, body):
        items = [dict(g, about=g["step"] or g["question"], since=T0, agent="triage") for g in GATES if not g["decision"]]
        runs = {}
        for change in CHANGES:
            if change["status"] == "proposed":
                runs.setdefault(change["run"], []).append(change)
        items += [{"kind": "proposed", "id": run, "run": run, "agent": "triage", "changes": len(found), "target": found[0]["target"],
                   "about": "%d changes of %s" % (len(found), found[0]["target"]), "expires": None, "since": T0}
                  for run, found in runs.items()]
        items += [{"kind": "dead_letters", "count": 2, "about": "2 failed runs to replay or drop", "expires": None}]
        return {"items": items, "next": None, "counts": {"gates": 1}}

    def on_notify(self, method, rest, query, body):
        if rest and rest[0] != "ops":
            raise Problem(404, "not_found", "there is no [notify %s]" % rest[0])
        if rest:
            return {"sent": True}
        return {"items": [{"name": "ops", "kind": "smtp", "on": ["gate", "failed"], "waiting": 1, "sent": 12, "dropped": 0,
                           "last_sent": T0, "next_try": None, "last_error": None}], "next": None}

    def on_budget(self, method, rest, query, body):
        return {"items": [{"scope": "day", "name": "", "day": "2026-11-20", "spent_usd": 1.5,
                           "reserved_usd": 0.25, "limit_usd": 20, "left_usd": 18.25, "tokens": 4000, "held": 2},
                          {"scope": "agent", "name": "triage", "day": "2026-11-20", "spent_usd": 1.5,
                           "reserved_usd": 0.25, "limit_usd": None, "left_usd": None, "tokens": 4000, "held": 0}]}

    def on_db(self, method, rest, query, body):
        if rest[0] == "backup":
            return {"path": body["path"], "bytes": 4096, "ms": 3}
        if rest[0] == "check":
            bad = os.path.exists(os.path.join(os.path.dirname(sys.argv[1]), "db-bad"))
            return {"ok": not bad, "details": ["row 1 missing from index"] if bad else []}
        return {}

    def on_tokens(self, method, rest, query, body):
        if method == "GET":
            return {"items": [{"name": "ci", "scopes": ["read", "invoke"], "created": T0, "expires": None,
                               "last_used": None}], "next": None}
        if rest:
            if rest[0] != "ci":
                raise Problem(404, "not_found", "there is no token %s" % rest[0])
            return {"name": rest[0]}
        return 201, {"name": body["name"], "token": "rs_" + "-".join(body["scopes"]), "expires": body.get("expires")}


class Bad(socketserver.StreamRequestHandler):
    """Servers that are none."""

    def handle(self):
        mode = sys.argv[2]
        self.request.recv(4096)
        if mode == "garbage":
            self.request.sendall(b"220 smtp.example.com ESMTP\r\n" * 10)
        elif mode == "html":
            page = b"<html>hello</html>"
            self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page))


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


def main():
    mode = sys.argv[2] if len(sys.argv) > 2 else ""
    server = Server(sys.argv[1], Bad if mode else Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
