#!/usr/bin/env python3
# Scenario: a resource that changes wakes an agent, once a change, whatever the server and the daemon do.
# SPDX-License-Identifier: MIT
import email.utils
import http.server
import random

from lib import *


class Site:
    """A web server with one resource at /r, and others beside it. What it answers is to be set."""

    def __init__(self, host="127.0.0.1"):
        site = self
        self.body, self.etag, self.modified, self.type, self.headers = b'{"n":0}', '"0"', None, "application/json", {}
        self.status, self.conditional, self.asked, self.elsewhere = 200, True, [], {}

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *words):
                pass

            def do_GET(self):
                site.asked.append((self.path, dict(self.headers)))
                status, body, headers = site.status, site.body, dict(site.headers)
                if self.path in site.elsewhere:
                    status, body, headers = 302, b"", {"Location": site.elsewhere[self.path]}
                elif site.etag:
                    headers["ETag"] = site.etag
                if site.modified:
                    headers["Last-Modified"] = site.modified
                if site.conditional and status == 200 and (site.etag and self.headers.get("If-None-Match") == site.etag or
                                                           site.modified and self.headers.get("If-Modified-Since") == site.modified):
                    status, body = 304, b""
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if site.type:
                    self.send_header("Content-Type", site.type)
                if status != 304:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = http.server.ThreadingHTTPServer((host, 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/r"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def set(self, n, etag=True):
        self.body = json.dumps({"n": n, "at": n // 2}).encode()
        self.etag = f'"{n}"' if etag else None

    def looks(self, more=2):
        n = len(self.asked)
        wait("it is looked at", lambda: len(self.asked) >= n + more)


def house(rouse, site, **keys):
    rouse.agent("see", 'read -r e; printf "%s\\n" "$e" >>$D/mark\n')
    rouse.section("trigger page", **{"source": "poll", "agent": "see", "url": site.url, "interval": "1s", "jitter": "0s", "allow_private": "yes",
                                     "mode": "apply", **keys})


def seen(rouse):
    return [json.loads(m)["payload"] for m in rouse.marks()]


def health(rouse):
    return rouse.get("/v1/triggers/page")


@scenario("the first look remembers; a change wakes, with what is there and what was")
def _(rouse):
    site = Site()
    house(rouse, site)
    rouse.start()
    site.looks()
    expect(rouse.runs(), [], "runs")
    check("If-None-Match" in site.asked[-1][1], f"it asks for what is new: {site.asked[-1]}")
    site.set(1)
    [data] = wait("the change", lambda: seen(rouse))
    expect(data["body"], {"n": 1, "at": 0}, "the body")
    expect((data["new"]["etag"], data["old"]["etag"], data["status"], data["url"]), ('"1"', '"0"', 200, site.url), "the facts")
    site.set(0)
    wait("going back is a change", lambda: len(seen(rouse)) == 2)
    site.set(1)
    wait("and forth again", lambda: len(seen(rouse)) == 3)
    site.looks()
    expect(len(rouse.items("/v1/events")), 3, "events")
    expect(health(rouse)["health"], "ok", "health")
    expect(rouse.items("/v1/events")[0]["source"], "poll", "source")


@scenario("initial = yes: the first look wakes too, once, also across a restart")
def _(rouse):
    site = Site()
    house(rouse, site, initial="yes")
    rouse.start()
    [data] = wait("the first", lambda: seen(rouse))
    expect(data["old"], None, "what was before")
    rouse.restart()
    site.looks()
    expect(len(rouse.items("/v1/events")), 1, "events")


@scenario("without an ETag Last-Modified counts, without both the body")
def _(rouse):
    site = Site()
    site.etag, site.modified = None, email.utils.formatdate(1e9, usegmt=True)
    house(rouse, site)
    rouse.start()
    site.looks()
    expect(site.asked[-1][1].get("If-Modified-Since"), site.modified, "it asks for what is newer")
    site.modified = email.utils.formatdate(1.1e9, usegmt=True)
    wait("another date", lambda: len(seen(rouse)) == 1)
    site.modified = None
    wait("no date any more", lambda: len(seen(rouse)) == 2)
    site.looks()
    site.body = b"\xff\xfe\x00"
    wait("another body", lambda: len(seen(rouse)) == 3)
    expect(seen(rouse)[-1]["base64"], "//4A", "bytes")
    site.body, site.type = "grüß".encode(), "text/plain; charset=utf-8"
    wait("text", lambda: len(seen(rouse)) == 4)
    expect(seen(rouse)[-1]["text"], "grüß", "text")
    site.looks()
    expect(len(seen(rouse)), 4, "changes")


@scenario("changed = body: an ETag of every answer is no change")
def _(rouse):
    site = Site()
    house(rouse, site, changed="body")
    rouse.start()
    site.looks()
    site.etag = '"restless"'
    site.looks(3)
    expect(rouse.items("/v1/events"), [], "events")
    site.set(5)
    wait("another body", lambda: len(seen(rouse)) == 1)


@scenario("changed = jq: only the value of the program counts")
def _(rouse):
    site = Site()
    site.set(2)
    house(rouse, site, changed="jq", value="[.at, .at] | add")
    rouse.start()
    site.looks()
    site.set(3)
    site.looks()
    expect(rouse.items("/v1/events"), [], "events")
    site.set(4)
    [data] = wait("the value is another", lambda: seen(rouse))
    expect((data["value"], data["body"]["n"]), (4, 4), "value and body")
    site.body, site.etag = b"<h1>down for maintenance</h1>", None
    wait("what is no JSON fails", lambda: health(rouse)["health"] == "failing")
    site.set(4)
    wait("and is no change", lambda: health(rouse)["health"] == "ok")
    expect(len(rouse.items("/v1/events")), 1, "events")


@scenario("kill -9 at any moment: each change has exactly one run, in order")
def _(rouse):
    site = Site()
    house(rouse, site, value="[.n] | add", changed="jq", filter="[.data.body.n] | length > 0")
    rouse.start()
    site.looks()
    dice = random.Random(7)
    for n in range(1, 8):
        site.set(n)
        if dice.random() < 0.5:
            time.sleep(dice.random() * 1.3)
        rouse.kill_9()
        rouse.start()
        wait(f"change {n}", lambda n=n: any(d["body"]["n"] == n for d in seen(rouse)))
    site.looks()
    wait("all runs are over", lambda: all(r["status"] == "succeeded" for r in rouse.runs()))
    expect([d["body"]["n"] for d in seen(rouse)], list(range(1, 8)), "changes")


@scenario("what changes while it is disabled, paused or down is found afterwards, and nobody is asked meanwhile")
def _(rouse):
    site = Site()
    house(rouse, site)
    rouse.start()
    site.looks()
    for n, (off, on) in enumerate([(["trigger", "disable", "page"], ["trigger", "enable", "page"]),
                                   (["pause", "--trigger", "page"], ["resume", "--trigger", "page"])], 1):
        rouse.cli(*off)
        time.sleep(1.2)
        asked = len(site.asked)
        site.set(n)
        stays("nobody asks", lambda asked=asked: len(site.asked) == asked, 1.5)
        rouse.cli(*on)
        wait("the change", lambda n=n: len(seen(rouse)) == n)
    rouse.stop()
    site.set(3)
    rouse.start()
    wait("the change", lambda: len(seen(rouse)) == 3)


@scenario("redirects are followed, and secrets stay where they belong")
def _(rouse):
    here, there = Site(), Site()
    here.elsewhere["/r"] = "/s"
    here.elsewhere["/s"] = f"http://127.0.0.1:{there.port}/t"
    house(rouse, here, auth="plain:hush", header__X_Team="blue")
    rouse.sections["trigger page"]["header.X-Team"] = rouse.sections["trigger page"].pop("header.X_Team")
    rouse.start()
    there.looks()
    for path in ("/r", "/s"):
        headers = next(h for p, h in here.asked if p == path)
        expect((headers.get("Authorization"), headers.get("X-Team")), ("Bearer hush", "blue"), f"headers of {path}")
    check(not any("Authorization" in h or "X-Team" in h for _, h in there.asked), "not to another place")
    there.set(1)
    [data] = wait("the change", lambda: seen(rouse))
    expect(data["redirected_to"], f"http://127.0.0.1:{there.port}/t", "where it was found")
    here.elsewhere["/s"] = "/r"
    wait("a circle ends", lambda: "redirects" in (health(rouse)["last_error"] or ""))
    check("hush" not in rouse.log_text(), "no secret in the log")


@scenario("what the server wants is done: Retry-After, and errors are told with a sentence")
def _(rouse):
    site = Site()
    house(rouse, site)
    rouse.start()
    site.looks()
    site.status, site.headers = 503, {"Retry-After": email.utils.formatdate(time.time() + 3600, usegmt=True)}
    wait("it fails", lambda: health(rouse)["health"] == "failing")
    check("503" in health(rouse)["last_error"] and "left alone for 3" in health(rouse)["last_error"], health(rouse)["last_error"])
    asked = len(site.asked)
    stays("it is left alone", lambda: len(site.asked) == asked, 2.5)
    site.status, site.headers, site.conditional = 404, {}, False
    rouse.restart()
    wait("it says so", lambda: "404" in health(rouse)["last_error"])
    site.status, site.headers = 200, {"Content-Encoding": "gzip"}
    wait("it says so", lambda: "encoded" in health(rouse)["last_error"])
    site.headers = {}
    wait("it is well again", lambda: health(rouse)["health"] == "ok")
    expect(rouse.items("/v1/events"), [], "events")


@scenario("a hostile server harms nobody")
def _(rouse):
    rig = shared("chaos/net/hostile_http.py")
    port = free_port()
    server = spawn([sys.executable, rig, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait("it listens", lambda: socket.create_connection(("127.0.0.1", port)).close() or True)
    listed = subprocess.run([sys.executable, rig, "list"], capture_output=True, text=True).stdout
    modes = [line.split()[0] for line in listed.splitlines() if line and not line.startswith("llm")]
    fine = {"ok", "200-html", "json-deep", "json-dup", "wrong-cl-short"}
    rouse.agent("see", "read -r e\n")
    for mode in modes:
        rouse.section("trigger " + mode, source="poll", agent="see", url=f"http://127.0.0.1:{port}/{mode}", interval="1h", initial="yes",
                      timeout="3s", allow_private="yes")
    rouse.start()

    def settled():
        found = {t["name"]: t for t in rouse.items("/v1/triggers?limit=1000")}
        return found if all(t["health"] in ("ok", "failing") for t in found.values()) else None

    found = wait("all have been looked at", settled, 40)
    expect({m for m in modes if found[m]["health"] == "ok"} - {"redirect-cred"}, fine, "those that answer well")
    check(all(found[m]["last_error"] for m in modes if found[m]["health"] == "failing"), "a sentence for each of the others")
    for mode, seconds in (("429", 5), ("429-huge", 86400), ("429-date", 86400)):
        check(f"left alone for {seconds} s" in found[mode]["last_error"], found[mode]["last_error"])
    check("left alone" not in found["429-neg"]["last_error"], found["429-neg"]["last_error"])
    check("may not be" in found["redirect-file"]["last_error"] or "http" in found["redirect-file"]["last_error"], found["redirect-file"])
    with open(f"/proc/{rouse.daemon.pid}/status") as f:
        peak = int(next(line for line in f if line.startswith("VmHWM")).split()[1])
    check(is_sanitized() or peak < 96 * 1024, f"peak memory {peak} KiB")
    server.kill()


@scenario("addresses that are not public are not reached unless the trigger allows it")
def _(rouse):
    with open(shared("chaos/net/ssrf_urls.txt")) as f:
        urls = [line.strip() for line in f if line.strip() and not line.startswith("#")]
    rouse.agent("see", "read -r e\n")
    for n, url in enumerate(urls):
        host = url.split("/")[2] if url.startswith(("http://", "https://")) else "@"
        if host and not set("@#\\") & set(host) and len(url) < 150:
            rouse.section(f"trigger p{n}", source="poll", agent="see", url=url, interval="1h", initial="yes", timeout="3s")
    rouse.start()
    wait("all are refused", lambda: all(t["health"] == "failing" for t in rouse.items("/v1/triggers?limit=1000")), 40)
    expect(rouse.items("/v1/events"), [], "events")


@scenario("settings that cannot be are refused")
def _(rouse):
    site = Site()
    house(rouse, site, url="ftp://example.org/", changed="jq")
    rouse.refuses_to_start("expected http://", "needs the program")
    rouse.section("trigger page", url="https://maria:hush@example.org/", changed="etag", value=".n")
    rouse.refuses_to_start("belongs into auth", "changed = jq only")


main()
