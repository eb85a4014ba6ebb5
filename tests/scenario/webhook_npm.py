#!/usr/bin/env python3
# Scenario: real payloads of GitHub, and events as CloudEvents' own library makes them. Needs `npm ci` in tests/npm.
# SPDX-License-Identifier: MIT
import glob

from lib import *

NPM = os.path.join(SOURCE, "tests/npm")
MODULES = os.path.join(NPM, "node_modules")


def needs_module(name):
    if not os.path.isdir(os.path.join(MODULES, name)):
        raise Skip(f"npm's {name} is not installed (npm ci in tests/npm)")


def examples():
    """(event, payload) of every example, GitHub's own and those of its enterprise servers."""
    for path in sorted(glob.glob(os.path.join(MODULES, "@octokit/webhooks-examples/*/index.json"))):
        with open(path) as f:
            for event in json.load(f):
                for one in event["examples"]:
                    yield event["name"], one


def house(rouse, **trigger):
    """A hook whose runs wait, so that only their admission is tried."""
    rouse.agent("ok", says(RESULT))
    rouse.webhook("push", agent="ok", **trigger)
    rouse.start()
    rouse.api("POST", "/v1/pause", {"agent": "ok"}).expect(200)


@scenario("every example of GitHub's webhooks, signed, is mapped by its key and filter, and none is lost")
def _(rouse):
    needs_module("@octokit/webhooks-examples")
    house(rouse, filter='.rouse.headers["x-github-event"] != "fork" and (.data.action // "none" | test("^(deleted|removed)$") | not)',
          key='[.rouse.headers["x-github-event"], .data.action // "none", (.data.sender.login // .data.organization.login // "nobody"), .rouse.headers["x-github-delivery"]] | join(":")',
          entity='.data.repository.full_name // "none"')
    want = {"ran": 0, "filtered": 0}
    wrong = []
    for n, (name, payload) in enumerate(examples()):
        reply = rouse.deliver("push", payload, id=f"d{n}", event=name).expect(202).json
        keeps = name in ("fork", "ping") or payload.get("action") in ("deleted", "removed")
        want["filtered" if keeps else "ran"] += 1
        if keeps:
            wrong += [] if reply.get("outcome") == "filtered" else [(n, name, reply)]
            continue
        run = rouse.run(reply["run_id"])
        login = (payload.get("sender") or {}).get("login") or (payload.get("organization") or {}).get("login") or "nobody"
        if run["envelope"]["payload"] != payload or run["key"] != ":".join([name, payload.get("action") or "none", login, f"d{n}"]):
            wrong.append((n, name, run["key"]))
    print(f"# {sum(want.values())} examples posted: {want}")
    expect(wrong, [], "examples that came out otherwise")
    check(sum(want.values()) >= 700 and want["ran"] > 500 and want["filtered"] > 20, f"{want}")
    rouse.kill_9()
    rouse.start()
    with sqlite3.connect(rouse.db) as db:
        got = dict(db.execute("SELECT outcome, count(*) FROM events GROUP BY outcome").fetchall())
    expect(got, want, "events after kill -9")


@scenario("an example that is sent twice is known by its delivery id; one whose bytes changed on the way is refused")
def _(rouse):
    needs_module("@octokit/webhooks-examples")
    house(rouse)
    for n, (name, payload) in enumerate(examples()):
        if n % 25 or name == "ping":
            continue
        first = rouse.deliver("push", payload, id=f"d{n}", event=name).expect(202).run_id
        expect(rouse.deliver("push", payload, id=f"d{n}", event=name).expect(200).run_id, first, name)
        body = json.dumps(payload).encode()
        rouse.deliver("push", body.replace(b'"', b'" ', 1), id=f"x{n}", headers={"X-Hub-Signature-256": sign(body)}).expect(401)


# Prints [{headers, body, event}] a mode: what the library sends, and what it reads of that itself.
SENDER = """
const {CloudEvent, HTTP, Mode} = require("cloudevents");
const plain = [
  {id: "1", source: "/shop", type: "shop.order", data: {n: 1, nested: {a: [1, 2.5, null, true]}}},
  {id: "2", source: "https://example.com/a?b=c#d", type: "com.example.x", subject: "o/1", time: "2026-11-20T09:30:00.000Z", dataschema: "https://example.com/schema", data: {s: "ä€😀"}},
  {id: "3", source: "urn:a:b", type: "t", data: "plain text", datacontenttype: "text/plain"},
  {id: "4", source: "/x", type: "t", data: {ok: true}, datacontenttype: "application/vnd.acme+json", traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", partitionkey: "k1"},
  {id: "5", source: "/x", type: "t"},
  {id: "6", source: "/x", type: "t", data: [1, 2, 3]},
  {id: "7", source: "/x", type: "t", data: "<a>x</a>", datacontenttype: "application/xml"},
  {id: "id with spaces", source: "/x", type: "t", subject: "s", data: {}},
];
const out = {binary: [], structured: [], batch: []};
for (const p of plain) {
  const event = new CloudEvent(p);
  for (const mode of ["binary", "structured"]) {
    const {headers, body} = HTTP[mode](new CloudEvent({...p, id: mode[0] + p.id}));
    out[mode].push({headers, body, event: HTTP.toEvent({headers, body})});
  }
  out.batch.push({...JSON.parse(JSON.stringify(event)), id: "l" + p.id});
}
const body = JSON.stringify(out.batch);
const headers = {"content-type": "application/cloudevents-batch+json"};
out.batch = {headers, body, events: HTTP.toEvent({headers, body})};
process.stdout.write(JSON.stringify(out));
"""

ATTRIBUTES = ("id", "source", "type", "subject", "dataschema", "traceparent", "partitionkey")


@scenario("what npm's cloudevents sends, binary, structured or batched, arrives as the event that it was")
def _(rouse):
    needs_program("node")
    needs_module("cloudevents")
    sent = subprocess.run(["node", "-e", SENDER], cwd=NPM, capture_output=True, text=True, check=True, env={**os.environ, "NODE_PATH": MODULES})
    sent = json.loads(sent.stdout)
    house(rouse, verify="none", secret=None)

    def same(run, event):
        got = rouse.event_of(run)["document"]
        for name in ATTRIBUTES:
            expect(got.get(name), event.get(name), f"{name} of {event['id']}")
        if event.get("time"):
            expect(got["time"][:19], event["time"][:19], "time of " + event["id"])
        data = event.get("data")
        if "+json" in event.get("datacontenttype", "") and isinstance(data, str):
            data = json.loads(data)  # which the library leaves to its user
        expect(got["data"], data, "data of " + event["id"])

    count = 0
    for mode in ("binary", "structured"):
        for one in sent[mode]:
            headers = {k.title(): str(v) for k, v in one["headers"].items()}
            body = one.get("body").encode() if isinstance(one.get("body"), str) else b"" if one.get("body") is None else json.dumps(one.get("body")).encode()
            reply = rouse.http("POST", "/hooks/push", body, headers).expect(202)
            same(reply.run_id, one["event"])
            expect(rouse.http("POST", "/hooks/push", body, headers).expect(200).run_id, reply.run_id, "the same again")
            count += 1
    batch = sent["batch"]
    reply = rouse.http("POST", "/hooks/push", batch["body"], {"Content-Type": batch["headers"]["content-type"]}).expect(202).json
    expect(len(reply["run_ids"]), len(batch["events"]), "runs of the batch")
    for run, event in zip(reply["run_ids"], batch["events"]):
        same(run, event)
        count += 1
    print(f"# {count} CloudEvents compared")


main()
