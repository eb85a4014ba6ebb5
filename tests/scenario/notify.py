#!/usr/bin/env python3
# Scenario: people are told of what waits for them, by program, HTTP and mail, whatever these do; and a link decides once.
# SPDX-License-Identifier: MIT
import base64
import email
import email.policy
import http.server
import re
import urllib.parse

from lib import *

ASKS = """read -r e
printf '%%s\\n' '%s'
read -r answer; printf '%%s\\n' "$answer" >>$D/mark
echo '{"type":"result","output":"done"}'
"""
APPROVAL = {"type": "approval", "step": "refund", "payload": {"amount": 12}, "timeout": "1h"}
KEY = "whsec_" + base64.b64encode(b"a key of a receiver, 24+").decode()


class Receiver:
    """An HTTP service that is told; what it answers is to be set."""

    def __init__(self):
        receiver = self
        self.got, self.status, self.headers = [], 200, {}

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *words):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((dict((k.lower(), v) for k, v in self.headers.items()), body))
                self.send_response(receiver.status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def data(self, i=-1):
        return json.loads(self.got[i][1])["data"]


class Post:
    """A mail server with the mails that it took."""

    def __init__(self, rouse, tls=False):
        self.dir = os.path.join(rouse.dir, "post")
        os.mkdir(self.dir)
        files = []
        if tls:
            self.ca = os.path.join(self.dir, "cert.pem")
            files = [self.ca, os.path.join(self.dir, "key.pem")]
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-addext",
                            "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "2", "-out", files[0], "-keyout", files[1]],
                           check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if subprocess.run(["/usr/bin/python3", "-c", "import aiosmtpd"], stderr=subprocess.DEVNULL).returncode:
            raise Skip("python3-aiosmtpd is not here")
        self.process = spawn(["/usr/bin/python3", os.path.join(SOURCE, "tests/fakes/smtpd.py"), self.dir, *files],
                             stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def refuse(self, what=None):
        path = os.path.join(self.dir, "refuse")
        if what:
            with open(path, "w") as f:
                f.write(what)
        elif os.path.exists(path):
            os.unlink(path)

    def mails(self):
        found = []
        for name in sorted(os.listdir(self.dir)):
            if name.endswith(".json"):
                with open(os.path.join(self.dir, name)) as f:
                    found.append(json.load(f))
        return found

    def parsed(self, i=-1):
        return email.message_from_string(self.mails()[i]["data"], policy=email.policy.default)


def state(rouse, name="ops"):
    return next(n for n in rouse.items("/v1/notify") if n["name"] == name)


def house(rouse, agent="read -r e; exit 64", **keys):
    rouse.agent("a", agent, grace="300ms", retry__attempts="1")
    rouse.webhook("push", agent="a")
    rouse.section("notify ops", **{"gather": "100ms", "rate": "100/s", "retry.base": "100ms", "retry.cap": "300ms", **keys})


def program(rouse, script):
    path = os.path.join(rouse.dir, "tell")
    with open(path, "w") as f:
        f.write("#!/bin/sh\n" + script)
    os.chmod(path, 0o755)
    return {"kind": "exec", "command": path, "env": f"D={rouse.dir}", "pass_env": "PATH"}


@scenario("a program is told that a run failed: what, why, and what to do; and rouse why says who was told")
def _(rouse):
    house(rouse, **program(rouse, 'cat >$D/text; echo "$ROUSE_EVENT|$ROUSE_SUBJECT|$ROUSE_NOTIFY" >>$D/mark'))
    rouse.start()
    run = rouse.deliver("push").expect(202).run_id
    wait("it is told", lambda: rouse.marks())
    expect(rouse.marks(), ["failed|Rouse: a run of a failed: permanent|ops"], "what it was called with")
    with open(os.path.join(rouse.dir, "text")) as f:
        text = f.read()
    check(f"$ rouse why {run}" in text and "exit status 64" in text, text)
    wait("it is sent", lambda: state(rouse)["sent"] == 1)
    told = rouse.cli("why", run).out
    check("ops was told (failed)" in told, told)
    check('rouse_notifications_total{notify="ops",outcome="sent"} 1' in rouse.api("GET", "/metrics").body.decode(), "the metric")


@scenario("a program that hangs, fails or prints without end is in nobody's way, and is tried again")
def _(rouse):
    house(rouse, **program(rouse, """n=$(cat $D/n 2>/dev/null || echo 0); echo $((n + 1)) >$D/n
case $n in
0) (sleep 300 & ) ; sleep 300 ;;
1) yes; ;;
2) echo "no line out" >&2; exit 1 ;;
3) kill -9 $$ ;;
*) cat >>$D/mark ;;
esac
"""), timeout="1s")
    rouse.start()
    rouse.deliver("push").expect(202)
    began = time.monotonic()
    expect(rouse.deliver("push").expect(202).status, 202, "meanwhile")
    check(time.monotonic() - began < 5 * PATIENCE, "the loop goes on")
    wait("it is told in the end", lambda: rouse.marks(), 60)
    wait("it is sent", lambda: state(rouse)["sent"] >= 1, 60)
    wait("nothing of it is left", lambda: not [p for p in descendants(rouse.daemon.pid) if "sleep" in cmdline(p)], 60)


@scenario("an HTTP receiver can verify what it gets, and knows a repetition by its id")
def _(rouse):
    receiver = Receiver()
    secret = os.path.join(rouse.dir, "secret")
    with open(os.open(secret, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        f.write(KEY)
    house(rouse, kind="http", url=receiver.url, allow_private="yes", **{"secret": "file:" + secret, "header.X-Team": "ops"})
    receiver.status = 500
    rouse.start()
    run = rouse.deliver("push").expect(202).run_id
    wait("it was tried twice", lambda: len(receiver.got) >= 2)
    receiver.status = 204
    wait("it is sent", lambda: state(rouse)["sent"] == 1)
    expect(len({h["webhook-id"] for h, _ in receiver.got}), 1, "ids")
    headers, body = receiver.got[-1]
    expect((headers["x-team"], headers["content-type"]), ("ops", "application/json"), "headers")
    args = ["webhook", "verify", "--scheme", "standard", "--secret", KEY, "--body", "-"]
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        args += ["--header", f"{name}: {headers[name]}"]
    rouse.cli(*args, stdin=body.decode())
    rouse.cli(*args, stdin=body.decode() + " ", expect_code=1)
    message = json.loads(body)
    [notice] = message["data"]["notices"]
    expect((message["type"], notice["run"], notice["agent"], notice["command"]), ("rouse.failed", run, "a", f"rouse why {run}"), "what it says")
    check(KEY[6:] not in rouse.log_text() and KEY[6:] not in body.decode(), "the key is nowhere")


@scenario("a body of one's own is filled in, and nothing in it breaks out of its string")
def _(rouse):
    receiver = Receiver()
    house(rouse, agent=ASKS % json.dumps({**APPROVAL, "step": 'say "hi"\\n'}), kind="http", url=receiver.url, allow_private="yes",
          body='{{"text": "{subject}", "of": ["{event}"]}}')
    rouse.start()
    rouse.deliver("push").expect(202)
    wait("it is told", lambda: receiver.got)
    said = json.loads(receiver.got[0][1])
    expect(said["of"], ["gate"], "the event")
    check('say "hi"' in said["text"], said)
    rouse.section("notify ops", body="{nonsense}")
    rouse.write_config()
    said = rouse.cli("check", rouse.conf, expect_code=1)
    check("{nonsense} is unknown" in said.out + said.err, said)


@scenario("a receiver that says it is gone is not asked again; what is dropped can be seen")
def _(rouse):
    receiver = Receiver()
    receiver.status = 410
    house(rouse, kind="http", url=receiver.url, allow_private="yes")
    rouse.start()
    run = rouse.deliver("push").expect(202).run_id
    wait("it is given up", lambda: state(rouse)["dropped"] == 1)
    expect(len(receiver.got), 1, "tries")
    check("410" in state(rouse)["last_error"], state(rouse))
    check("ops is not told: given up" in rouse.cli("why", run).out, rouse.cli("why", run).out)
    said = rouse.cli("notify", "test", "ops", expect_code=5)
    check("410" in said.err, said)
    receiver.status = 200
    rouse.cli("notify", "test", "ops")
    rouse.cli("notify", "test", "nobody", expect_code=3)
    check("ops" in rouse.cli("notify", "list").out, "the list")


@scenario("hostile servers harm nobody, and what is told waits or is given up")
def _(rouse):
    rig = shared("chaos/net/hostile_http.py")
    port = free_port()
    server = spawn([sys.executable, rig, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait("it listens", lambda: socket.create_connection(("127.0.0.1", port)).close() or True)
    listed = subprocess.run([sys.executable, rig, "list"], capture_output=True, text=True).stdout
    modes = [line.split()[0] for line in listed.splitlines() if line and not line.startswith("llm")]
    house(rouse, kind="http", url=f"http://127.0.0.1:{port}/ok", allow_private="yes")
    for mode in modes:
        rouse.section("notify x-" + mode, kind="http", url=f"http://127.0.0.1:{port}/{mode}", allow_private="yes", gather="0ms",
                      timeout="2s", **{"retry.attempts": 1})
    rouse.start()
    rouse.deliver("push").expect(202)
    wait("each is told or given up", lambda: all(n["sent"] + n["dropped"] == 1 for n in rouse.items("/v1/notify")), 60)
    found = {n["name"]: n for n in rouse.items("/v1/notify")}
    for mode in ("hang", "drip", "rst", "close", "500", "429", "redirect-file", "endless-body", "no-status", "status-999"):
        expect((found["x-" + mode]["sent"], bool(found["x-" + mode]["last_error"])), (0, True), mode)
    for mode in ("ok", "200-html", "json-deep"):
        expect(found["x-" + mode]["sent"], 1, mode)
    server.kill()


@scenario("mail goes out by a real server, in order for any reader, to all and logged in by TLS alone")
def _(rouse):
    post = Post(rouse, tls=True)
    password = os.path.join(rouse.dir, "password")
    with open(os.open(password, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        f.write("s3cret canary\n")
    house(rouse, agent=ASKS % json.dumps({**APPROVAL, "step": "Rückzahlung an Zoë\u202e freigeben\nBcc: evil@example.com"}),
          kind="smtp", url=f"smtp://127.0.0.1:{post.port}", to="ann@example.com, bob@example.com", user="rouse", tls_ca=post.ca,
          password="file:" + password, **{"from": "rouse@example.com"})
    rouse.start()
    rouse.deliver("push").expect(202)
    wait("it is there", lambda: post.mails(), 60)
    mail, parsed = post.mails()[0], post.parsed(0)
    expect((mail["from"], mail["to"], mail["tls"], mail["user"]), ("rouse@example.com", ["ann@example.com", "bob@example.com"], True, "rouse"),
           "the envelope")
    check(parsed["Subject"].startswith("Rouse: a asks to Rückzahlung an Zoë<U+202E> freigeben Bcc: evil"), parsed["Subject"])
    expect((parsed["Bcc"], parsed["Auto-Submitted"]), (None, "auto-generated"), "headers")
    check(parsed["Message-ID"] and parsed["Date"], "what every mail has")
    text = parsed.get_content()
    check("Zoë" in text and '{"amount":12}' in text and "$ rouse gate show" in text, text)
    check("s3cret canary" not in rouse.log_text(), "the password is not in the log")
    rouse.stop()
    rouse.section("notify ops", tls_ca=None)
    rouse.start()
    said = rouse.cli("notify", "test", "ops", expect_code=5)
    check("certificate" in said.err.lower() or "ssl" in said.err.lower(), said)


@scenario("no password goes out where TLS is not to be had")
def _(rouse):
    post = Post(rouse)
    password = os.path.join(rouse.dir, "password")
    with open(os.open(password, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        f.write("s3cret canary")
    house(rouse, kind="smtp", url=f"smtp://127.0.0.1:{post.port}", to="ann@example.com", user="rouse", password="file:" + password,
          **{"from": "rouse@example.com"})
    rouse.start()
    rouse.cli("notify", "test", "ops", expect_code=5)
    expect(post.mails(), [], "mails")


@scenario("a mail server that refuses, falters or hangs: what may be had later is tried again, what never will is given up")
def _(rouse):
    post = Post(rouse)
    house(rouse, kind="smtp", url=f"smtp://127.0.0.1:{post.port}", to="ann@example.com", timeout="2s", **{"from": "rouse@example.com"})
    rouse.start()
    post.refuse("DATA 451 try later")
    rouse.deliver("push").expect(202)
    wait("it was tried", lambda: state(rouse)["last_error"], 60)
    post.refuse("HANG yes")
    wait("it hung", lambda: "time" in (state(rouse)["last_error"] or "").lower(), 60)
    rouse.kill_9()
    post.refuse()
    rouse.start()
    wait("it is sent", lambda: state(rouse)["sent"] == 1, 60)
    check(post.parsed()["Subject"] == "Rouse: a run of a failed: permanent", post.parsed()["Subject"])
    post.refuse("RCPT 550 nobody here")
    rouse.deliver("push").expect(202)
    wait("it is given up", lambda: state(rouse)["dropped"] == 1, 60)
    check("550" in state(rouse)["last_error"], state(rouse))


@scenario("a storm of failures is a few mails that count them, and kill -9 loses none")
def _(rouse):
    post = Post(rouse)
    house(rouse, kind="smtp", url=f"smtp://127.0.0.1:{post.port}", to="ann@example.com", gather="500ms", rate="1/s",
          **{"from": "rouse@example.com"})
    rouse.start()
    for n in range(150):
        rouse.deliver("push", {"n": n}).expect(202)
        if n == 75:
            rouse.kill_9()
            rouse.start()
    wait("all have failed", lambda: rouse.get("/health")["dlq"] == 150, 120)
    wait("all is told", lambda: state(rouse)["waiting"] == 0 and state(rouse)["sent"] > 0, 60)
    check(len(post.mails()) <= 40, f"{len(post.mails())} mails")
    ids = set()
    told = 0
    for i in range(len(post.mails())):
        parsed = post.parsed(i)
        if parsed["Message-ID"] in ids:
            continue
        ids.add(parsed["Message-ID"])
        found = re.findall(r"(\d+) (?:failed|lost) run", parsed["Subject"])
        told += sum(map(int, found)) if found else 1
    expect(told, 150, "failures told")


def linked(rouse, timeout="1h", **approval):
    """A run that waits, and the links that its notification had; by TCP."""
    receiver = Receiver()
    rouse.section("http", public_url=f"http://127.0.0.1:{rouse.port}/")
    house(rouse, agent=ASKS % json.dumps({**APPROVAL, "timeout": timeout, **approval}), kind="http", url=receiver.url, allow_private="yes")
    rouse.start()
    run = rouse.deliver("push").expect(202).run_id
    wait("it is told", lambda: receiver.got)
    links = receiver.data(0)["notices"][0]["links"]
    return run, {word: urllib.parse.urlsplit(url).path for word, url in links.items()}, receiver


def press(rouse, path, form=None, type="application/x-www-form-urlencoded"):
    if form is None:
        form = {"digest": re.search(r'name="digest" value="([0-9a-f]+)"', rouse.http("GET", path).expect(200).body.decode()).group(1)}
    return rouse.http("POST", path, urllib.parse.urlencode(form).encode(), {"Content-Type": type})


@scenario("a link shows what is asked, decides nothing by itself, and its button decides once")
def _(rouse):
    run, links, receiver = linked(rouse, payload={"amount": 12, "note": "<script>alert(1)</script>\u202e\u200b</pre>"})
    expect(sorted(links), ["approve", "deny"], "links")
    for n in range(3):
        page = rouse.http("GET", links["approve"]).expect(200)
    text = page.body.decode()
    check("<script>" not in text and "&lt;script&gt;" in text and "<i>U+202E</i><i>U+200B</i>&lt;/pre&gt;" in text, text)
    check("<button>Approve</button>" in text and "refund" in text and run in text and 'method="post"' in text, text)
    policy = page.headers["content-security-policy"]
    check("default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy, policy)
    expect((page.headers["cache-control"], page.headers["referrer-policy"], page.headers["x-content-type-options"]),
           ("no-store", "no-referrer", "nosniff"), "headers")
    expect(rouse.http("HEAD", links["approve"]).status, 200, "HEAD")
    expect(rouse.run(run)["status"], "waiting", "after all that looking")
    done = press(rouse, links["approve"])
    expect(done.status, 200, "the button")
    check("Approved." in done.body.decode(), done.body)
    rouse.wait_run(run, "succeeded")
    told = json.loads(rouse.marks()[0])
    expect((told["decision"], told["by"]), ("approved", "link:ops"), "what the agent heard")
    digest = re.search(r'value="([0-9a-f]+)"', text).group(1)
    for word in ("approve", "deny"):
        expect(press(rouse, links[word], {"digest": digest}).status, 410, "once more: " + word)
        expect(rouse.http("GET", links[word]).status, 410, "the page, later")
    expect(len(rouse.marks()), 1, "decisions")


@scenario("a link that was tampered with, is of another question, or too late decides nothing")
def _(rouse):
    run, links, receiver = linked(rouse)
    digest = re.search(r'value="([0-9a-f]+)"', rouse.http("GET", links["approve"]).body.decode()).group(1)
    base, gate, proof = links["approve"].rsplit("/", 2)[0], links["approve"].split("/")[2], links["approve"].rsplit("/", 1)[1]
    other = links["deny"].rsplit("/", 1)[1]
    bad = [f"/links/{gate}/approve/{other}", f"/links/{gate}/deny/{proof}", f"/links/{gate}/edit/{proof}",
           f"/links/{gate}/approve/{proof[:-1]}", f"/links/{gate}/approve/{proof}A", f"/links/{gate}/approve/x.{proof.rsplit('.', 1)[1]}",
           f"/links/{gate[:-1]}{'0' if gate[-1] != '0' else '1'}/approve/{proof}", f"/links/{gate[:8]}/approve/{proof}",
           f"/links/{gate}/approve/", f"/links/{gate}/approve/{proof.split('.')[0]}"]
    for path in bad:
        reply = press(rouse, path, {"digest": digest})
        expect(reply.status, 404, path)
    expect(press(rouse, links["approve"], {"digest": "0" * 64}).status, 409, "another digest")
    expect(press(rouse, links["approve"], {}).status, 409, "no digest")
    expect(press(rouse, links["approve"], {"digest": digest}, "application/json").status, 415, "another type")
    expect(rouse.http("PUT", links["approve"], b"x").status, 405, "another method")
    expect(rouse.http("POST", links["approve"], b"digest=" + b"0" * 40000, {"Content-Type": "application/x-www-form-urlencoded"}).status, 413, "too much")
    expect(rouse.http("GET", "/v1/gates").status, 401, "what is beside the links")
    expect(rouse.http("GET", "/v1/inbox").status, 401, "what is beside the links")
    expect(rouse.run(run)["status"], "waiting", "after all that")
    # What is asked changes behind the link's back.
    rouse.stop()
    with sqlite3.connect(rouse.db) as db:
        db.execute("UPDATE gates SET payload = '{\"amount\":1200}'")
    db.close()
    rouse.start()
    expect(press(rouse, links["approve"], {"digest": digest}).status, 404, "the link of what was asked before")
    expect(rouse.http("GET", links["approve"]).status, 404, "its page")


@scenario("a link ends with its question's time, and wrong ones are limited by address")
def _(rouse):
    run, links, receiver = linked(rouse, timeout="2s")
    digest = re.search(r'value="([0-9a-f]+)"', rouse.http("GET", links["approve"]).body.decode()).group(1)
    rouse.wait_run(run, "succeeded")
    expect(json.loads(rouse.marks()[0])["decision"], "timeout", "the decision")
    expect(press(rouse, links["approve"], {"digest": digest}).status, 410, "too late")
    wait("that too is told", lambda: len(receiver.got) == 2)
    check("Nobody answered in time" in receiver.data(1)["text"], receiver.data(1)["text"])
    statuses = {rouse.http("GET", links["approve"] + "x").status for _ in range(100)}
    expect(statuses, {404, 429}, "a hundred wrong ones")


@scenario("the inbox has all that waits, the most urgent first, on 80 columns and as JSON")
def _(rouse):
    rouse.crm()
    rouse.agent("late", ASKS % json.dumps({**APPROVAL, "step": "later", "timeout": "9h"}), grace="300ms")
    rouse.agent("soon", ASKS % json.dumps({**APPROVAL, "step": "sooner", "timeout": "1h"}), grace="300ms")
    rouse.agent("ever", ASKS % json.dumps({"type": "ask", "question": "which one?"}), grace="300ms")
    rouse.agent("bad", "read -r e; exit 64")
    rouse.agent("proposes", says(change(), change("2")), targets="crm")
    for name in ("ever", "late", "soon", "bad", "proposes"):
        rouse.webhook(name, agent=name)
    rouse.start()
    expect(rouse.cli("inbox").err.strip()[-14:], "Nothing waits.", "an empty one")
    for name in ("ever", "late", "soon", "bad", "proposes"):
        rouse.deliver(name).expect(202)
    wait("all is there", lambda: len(rouse.items("/v1/inbox")) == 5)
    items = rouse.items("/v1/inbox")
    expect([(i["kind"], i.get("about")) for i in items],
           [("approval", "sooner"), ("approval", "later"), ("ask", "which one?"), ("proposed", "2 changes of crm"),
            ("dead_letters", "1 failed run to replay or drop")], "the order")
    check(all(i["command"].startswith("rouse ") for i in items), items)
    said = rouse.cli("inbox", "--json").out.splitlines()
    expect([json.loads(line)["kind"] for line in said], [i["kind"] for i in items], "as JSON")
    rouse.cli("gate", "show", items[0]["id"])
    expect(len(rouse.cli("gate", "list", "--status", "waiting", "--kind", "ask", "--json").out.splitlines()), 1, "gates by filter")
    counts = rouse.get("/v1/inbox")["counts"]
    expect((counts["gates"], counts["proposed"], counts["dead_letters"]), (3, 2, 1), "counts")


@scenario("a batch that is through is told once, with its counts, and stands in the inbox")
def _(rouse):
    receiver = Receiver()
    rouse.crm()
    rouse.agent("tag", """read -r e
case $e in *'"id":"3"'*) exit 64 ;; esac
echo '{"type":"change","target":"crm","entity":"x","op":"update","before":{"a":1},"after":{"a":2}}'
""", targets="crm", retry__attempts="1")
    with open(os.path.join(rouse.dir, "deals.csv"), "w") as f:
        f.write("id,name\n" + "".join(f"{n},x\n" for n in range(1, 6)))
    rouse.section("batch tag-all", agent="tag", entities="csv:" + os.path.join(rouse.dir, "deals.csv"), entity_key="id")
    rouse.section("notify ops", kind="http", url=receiver.url, allow_private="yes", gather="100ms", rate="100/s")
    rouse.start()
    rouse.cli("batch", "start", "tag-all")
    wait("it is told", lambda: receiver.got, 60)
    [notice] = receiver.data(0)["notices"]
    expect((notice["event"], notice["subject"]), ("batch_ready", "batch tag-all is ready for review"), "what is told")
    check("4 of 5 entities are done" in notice["text"], notice["text"])
    [item] = [i for i in rouse.items("/v1/inbox") if i["kind"] == "batch"]
    expect((item["id"], item["command"]), (notice["batch"], "rouse diff " + notice["batch"]), "the inbox")
    stays("it is told once", lambda: len(receiver.got) == 1, 0.5)


main()
