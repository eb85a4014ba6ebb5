#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A small service with customers, and some bad days. Prints its port; ends when standard input does.

/customers[/ID]   JSON resources with ETags (If-Match holds), POST gives Location, keys are remembered
/log              what was asked since the last look: [{"method","path","headers","body"}]
/touch/ID         somebody else changes the customer the moment it was read
/status/N         answers N (with Retry-After: the query)       /slow /drop /garbage /huge /redirect
"""
import http.server
import json
import os
import socket
import sys
import threading
import time

customers = {"42": {"name": "Ada", "tier": "free", "n": 9007199254740993}}
versions = {"42": 1}
keys = {}
log = []
touched = set()


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body=None, **fields):
        text = b"" if body is None or status == 204 else body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        if not any(name.lower() == "content_type" for name in fields):
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def hang_up(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def etag(self, name):
        return '"v%d"' % versions[name]

    def bad_day(self, kind, rest, query):
        if kind == "status":
            fields = {"Retry_After": query} if query else {}
            return self.answer(int(rest), {"error": "it is a bad day"}, **fields)
        if kind == "slow":
            time.sleep(30)
        if kind == "drop":
            return self.hang_up()
        if kind == "garbage":
            self.wfile.write(b"\x00\xff not http at all\r\n\r\n")
            return self.hang_up()
        if kind == "html":
            return self.answer(200, b"<h1>hello</h1>", Content_Type="text/html")
        if kind == "huge":
            return self.answer(200, b'"' + b"x" * (50 << 20) + b'"')
        if kind == "redirect":
            return self.answer(302, {}, Location="http://169.254.169.254/latest/")
        return self.answer(404, {"error": "no such place"})

    def customer(self, name, body):
        if self.command == "POST" and not name:
            name = str(max(map(int, customers), default=100) + 1)
            customers[name], versions[name] = json.loads(body), 1
            return self.answer(201, customers[name], Location="/customers/" + name, ETag=self.etag(name))
        if name not in customers:
            return self.answer(404, {"error": "no customer " + name})
        if self.command == "GET":
            self.answer(200, customers[name], ETag=self.etag(name))
            if name in touched:
                touched.discard(name)
                customers[name]["tier"], versions[name] = "touched", versions[name] + 1
            return None
        expected = self.headers.get("If-Match")
        if expected and expected != self.etag(name):
            return self.answer(412, {"error": "changed meanwhile"})
        if self.command == "DELETE":
            del customers[name]
            return self.answer(204)
        if self.command == "PATCH":
            customers[name].update(json.loads(body))
        else:
            customers[name] = json.loads(body)
        versions[name] += 1
        return self.answer(200, customers[name], ETag=self.etag(name))

    def handle_one(self):
        global log
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        kind, _, rest = path.lstrip("/").partition("/")
        if kind == "log":
            seen, log = log, []
            return self.answer(200, seen)
        if kind == "touch":
            touched.add(rest)
            return self.answer(204)
        log.append({"method": self.command, "path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()},
                    "body": body.decode()})
        if kind not in ("customers", ""):
            return self.bad_day(kind, rest, query)
        key = self.headers.get("Idempotency-Key")
        if key and self.command != "GET":
            if key in keys:
                return self.answer(200, {"seen": True})
            keys[key] = True
        return self.customer(rest, body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *args):
        """Clients that go away are what the bad days are for."""


def main():
    server = Server(("127.0.0.1", 0), Service)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    os._exit(0)


main()
