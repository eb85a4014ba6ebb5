# A receiver of OTLP/HTTP as JSON, strict about what opentelemetry-proto says of it, and as rude as a test wants.
# SPDX-License-Identifier: MIT
"""Collector() listens on the loopback. It keeps each span and record that it took, and complaints about what it was sent.

    c = Collector()
    c.plan = [503, 429]            # answers of the next requests, in order; then 200
    c.spans                        # in order of arrival, each with "service"
    c.complaints                   # what was against the schema; must be empty"""
import gzip
import http.server
import json
import re
import socket
import threading
import time

HEX32, HEX16 = re.compile("[0-9a-f]{32}$"), re.compile("[0-9a-f]{16}$")
UINT = re.compile("(0|[1-9][0-9]*)$")
INT = re.compile("(0|-?[1-9][0-9]*)$")
VALUE = {"stringValue": str, "boolValue": bool, "intValue": str, "doubleValue": (int, float), "arrayValue": dict, "kvlistValue": dict, "bytesValue": str}
SPAN = {"traceId", "spanId", "parentSpanId", "traceState", "flags", "name", "kind", "startTimeUnixNano", "endTimeUnixNano", "attributes",
        "droppedAttributesCount", "events", "droppedEventsCount", "links", "droppedLinksCount", "status"}
RECORD = {"timeUnixNano", "observedTimeUnixNano", "severityNumber", "severityText", "body", "attributes", "droppedAttributesCount", "flags", "traceId",
          "spanId", "eventName"}


class Checker:
    def __init__(self):
        self.complaints = []

    def need(self, ok, what):
        if not ok:
            self.complaints.append(what)
        return ok

    def attributes(self, items, where):
        keys = [a.get("key") for a in items]
        self.need(len(keys) == len(set(keys)), f"{where}: a key stands twice: {keys}")
        for a in items:
            self.need(set(a) == {"key", "value"} and isinstance(a["key"], str) and a["key"], f"{where}: no attribute: {a}")
            value = a.get("value", {})
            if not self.need(len(value) == 1 and next(iter(value)) in VALUE, f"{where}: no value: {a}"):
                continue
            kind, v = next(iter(value.items()))
            self.need(isinstance(v, VALUE[kind]) and (kind == "boolValue" or not isinstance(v, bool)), f"{where}: {kind} of another type: {a}")
            if kind == "intValue":
                self.need(isinstance(v, str) and INT.match(v) and -(2**63) <= int(v) < 2**63, f"{where}: no int64: {a}")

    def time(self, value, where):
        return self.need(isinstance(value, str) and UINT.match(value) and int(value) < 2**64, f"{where}: no time in ns as a string: {value!r}")

    def ids(self, trace, span, where):
        self.need(isinstance(trace, str) and HEX32.match(trace) and set(trace) != {"0"}, f"{where}: no trace id: {trace!r}")
        self.need(isinstance(span, str) and HEX16.match(span) and set(span) != {"0"}, f"{where}: no span id: {span!r}")

    def span(self, s):
        where = f"span {s.get('name')!r}"
        self.need(not set(s) - SPAN, f"{where}: unknown fields {set(s) - SPAN}")
        self.ids(s.get("traceId"), s.get("spanId"), where)
        if "parentSpanId" in s:
            self.ids(s["traceId"], s["parentSpanId"], where + ", parent")
        self.need(isinstance(s.get("name"), str) and s["name"], f"{where}: no name")
        self.need(type(s.get("kind")) is int and 1 <= s["kind"] <= 5, f"{where}: no kind: {s.get('kind')!r}")
        self.need(type(s.get("flags", 0)) is int, f"{where}: flags")
        if self.time(s.get("startTimeUnixNano"), where) and self.time(s.get("endTimeUnixNano"), where):
            self.need(int(s["startTimeUnixNano"]) <= int(s["endTimeUnixNano"]), f"{where}: ends before it starts")
            self.need(int(s["startTimeUnixNano"]) > 10**18, f"{where}: begins in another century")
        status = s.get("status", {})
        self.need(not set(status) - {"code", "message"} and status.get("code", 0) in (0, 1, 2), f"{where}: status {status}")
        self.attributes(s.get("attributes", []), where)
        for link in s.get("links", []):
            self.need(not set(link) - {"traceId", "spanId", "traceState", "attributes", "droppedAttributesCount", "flags"}, f"{where}: link {link}")
            self.ids(link.get("traceId"), link.get("spanId"), where + ", link")

    def record(self, r):
        where = f"record {r.get('body')!r}"
        self.need(not set(r) - RECORD, f"{where}: unknown fields {set(r) - RECORD}")
        self.time(r.get("timeUnixNano"), where)
        self.time(r.get("observedTimeUnixNano"), where)
        self.need(type(r.get("severityNumber")) is int and 1 <= r["severityNumber"] <= 24, f"{where}: severity")
        self.need(isinstance(r.get("body", {}).get("stringValue"), str), f"{where}: body")
        self.attributes(r.get("attributes", []), where)

    def body(self, body, resources, scopes, items, each):
        self.need(set(body) == {resources}, f"fields of the body: {set(body)}")
        found = []
        for resource in body.get(resources, []):
            about = resource.get("resource", {})
            self.attributes(about.get("attributes", []), "resource")
            service = plain(about.get("attributes", [])).get("service.name")
            self.need(service, "the resource has no service.name")
            for scope in resource.get(scopes, []):
                self.need(scope.get("scope", {}).get("name"), "the scope has no name")
                for item in scope.get(items, []):
                    each(item)
                    found.append({**item, "service": service, "resource": plain(about.get("attributes", []))})
        self.need(found, "an empty body")
        return found


def plain(attributes):
    """{key: value} of a list of attributes."""
    values = {}
    for a in attributes:
        kind, v = next(iter(a["value"].items()))
        values[a["key"]] = int(v) if kind == "intValue" else v
    return values


class Collector:
    def __init__(self, port=0):
        self.spans, self.records, self.complaints, self.requests = [], [], [], []
        self.peers = set()  # addresses of connections
        self.plan, self.lock = [], threading.RLock()
        self.slow = threading.Event()  # set: who asked for "slow" may go
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                owner.take(self)

            def log_message(self, *_):
                pass

        class Quiet(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass

        self.server = Quiet(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.slow.set()
        self.server.shutdown()
        self.server.server_close()

    def take(self, request):
        raw = request.rfile.read(int(request.headers["Content-Length"]))
        with self.lock:
            answer = self.plan.pop(0) if self.plan else 200
            self.peers.add(request.client_address)
            self.requests.append({"path": request.path, "headers": dict(request.headers), "raw": raw, "answer": answer, "at": time.monotonic()})
        if callable(answer):
            answer = answer(request.path, raw)
        if answer == "slow":
            self.slow.wait(60)
            answer = 200
        if answer == "garbage":
            request.wfile.write(b"\x00\x01 this is no HTTP \r\n\r\n")
            request.close_connection = True
            return
        if answer == "hangup":
            request.connection.shutdown(socket.SHUT_RDWR)
            request.close_connection = True
            return
        status, headers, body = answer if isinstance(answer, tuple) else (answer, {}, b"{}")
        if status == 200:
            self.keep(request, raw)
        try:
            self.answer(request, status, headers, body)
        except OSError:
            pass  # who asked has gone

    @staticmethod
    def answer(request, status, headers, body):
        request.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def keep(self, request, raw):
        checker = Checker()
        if request.headers.get("Content-Encoding") == "gzip":
            raw = gzip.decompress(raw)
        checker.need(request.headers.get("Content-Type") == "application/json", "Content-Type")
        try:
            body = json.loads(raw.decode("utf-8", "strict"))
            if request.path.endswith("/v1/traces"):
                found, kept = checker.body(body, "resourceSpans", "scopeSpans", "spans", checker.span), self.spans
            elif request.path.endswith("/v1/logs"):
                found, kept = checker.body(body, "resourceLogs", "scopeLogs", "logRecords", checker.record), self.records
            else:
                found, kept = [], []
                checker.need(False, f"path {request.path}")
        except (ValueError, TypeError, AttributeError, KeyError) as e:
            found, kept = [], []
            checker.need(False, f"{e!r} in {raw[:200]!r}")
        with self.lock:
            kept += found
            self.complaints += checker.complaints

    def named(self, prefix):
        with self.lock:
            return [s for s in self.spans if s["name"] == prefix or s["name"].startswith(prefix + " ")]

    def of_run(self, run):
        with self.lock:
            return [s for s in self.spans if plain(s["attributes"]).get("rouse.run.id") == run]
