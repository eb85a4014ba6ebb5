#!/usr/bin/env python3
# Scenario: what docs/ tells the reader to type works, and the views are as they are described.
# SPDX-License-Identifier: MIT
import http.server
import re

from docs_lib import *


class Tickets(http.server.BaseHTTPRequestHandler):
    """A service that keeps one ticket."""

    ticket = {"state": "open"}
    seen = []

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.command == "PATCH":
            self.seen.append((self.headers["Authorization"], self.headers["If-Match"], bool(self.headers["Idempotency-Key"])))
            self.ticket.update(json.loads(body))
        text = json.dumps(self.ticket).encode()
        self.send_response(200)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PATCH = answer

    def log_message(self, *_):
        pass


@scenario("docs/agents.md works as it stands")
def _(rouse):
    for program in ("jq", "node", "cc", "git"):
        needs_program(program)
    follow(rouse, "agents.md")


@scenario("docs/agents.md names every type of line that the daemon knows")
def _(rouse):
    with open(os.path.join(SOURCE, "src/core/protocol.c")) as f:
        table = re.search(r"line_type types\[\] = \{(.*?)\};", f.read(), re.S)[1]
    types = re.findall(r'\{"(\w+)",', table)
    check(len(types) > 10, "there are types")
    with open(os.path.join(SOURCE, "docs/agents.md")) as f:
        text = f.read()
    expect([t for t in types if f"`{t}`" not in text], [], "types that are not documented")


@scenario("docs/targets.md works as it stands")
def _(rouse):
    needs_program("jq")
    needs_program("sqlite3")
    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tickets)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    os.makedirs(os.path.join(rouse.dir, "srv/secrets"))
    with open(os.open(os.path.join(rouse.dir, "srv/secrets/tickets"), os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        f.write("s3cret\n")
    follow(rouse, "targets.md", [("https://tickets.example.org", f"http://127.0.0.1:{service.server_port}"), ("kind = http\n", "kind = http\nallow_private = yes\n")])
    expect(Tickets.ticket, {"state": "closed"}, "the ticket")
    expect(Tickets.seen, [("Bearer s3cret", '"1"', True)], "the request")
    service.shutdown()


@scenario("docs/webhooks.md works as it stands")
def _(rouse):
    needs_program("curl")
    follow(rouse, "webhooks.md", [("127.0.0.1:8477", f"127.0.0.1:{rouse.port}")])


@scenario("docs/database.md describes every column of every view, and no other")
def _(rouse):
    rouse.agent("a", says(RESULT))
    rouse.start()
    with open(os.path.join(SOURCE, "docs/database.md")) as f:
        parts = re.split(r"^\*\*`(\w+)`\*\*", f.read().split("\n## ")[0], flags=re.M)[1:]
    described = {}
    for view, text in zip(parts[::2], parts[1::2]):
        cells = re.findall(r"^\| (`[^|]*) \|", text, re.M)
        described[view] = sorted(name for cell in cells for name in re.findall(r"`(\w+)`", cell))
    db = sqlite3.connect(f"file:{rouse.db}?mode=ro", uri=True)
    views = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'view' AND name <> 'keys_all'")]
    expect(sorted(described), sorted(views), "views")
    for view in views:
        expect(described[view], sorted(row[1] for row in db.execute(f"PRAGMA table_info({view})")), f"columns of {view}")
    db.close()


@scenario("the queries of docs/database.md find what they are for")
def _(rouse):
    rouse.crm()
    rouse.agent("triage", says(change(confidence=0.5), {"type": "usage", "input_tokens": 3, "output_tokens": 4, "cost_usd": 0.02}, RESULT), targets="crm")
    rouse.webhook("push", agent="triage", filter='.data.action == "opened"')
    rouse.start()
    rouse.wait_run(rouse.deliver("push").expect(202).run_id, "succeeded")
    rouse.deliver("push", {"action": "closed"}).expect(200, 202)
    db = sqlite3.connect(f"file:{rouse.db}?mode=ro", uri=True)
    waiting, agents, none = (db.execute(query).fetchall() for query in blocks("database.md", "sql"))
    expect([(row[1], row[2], row[5], row[6]) for row in waiting], [("crm", "1", 0.5, "because")], "what waits")
    expect(agents, [("triage", "succeeded", 1, 7, 0.02)], "what agents did")
    expect([(row[1], row[2], row[4]) for row in none], [("push", "filtered", "closed")], "what did not run")
    db.close()


main()
