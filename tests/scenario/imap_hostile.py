#!/usr/bin/env python3
# Scenario: mail servers that lie, flood, hang and break off; the daemon stays well, and repeats nothing.
# SPDX-License-Identifier: MIT
import base64
import socketserver

from dovecot import *

# What must come of each mode of the rig: so many events that ran, or the word of its error.
MODES = {"ok": 3, "nul": 3, "exists": 3, "uidvalid": 3, "reorder": 3, "negative": 3, "idle_silent": 3, "inject": 3, "bighuge": "announces",
         "lie": "lost", "noend": "large", "hang": None, "drip": None, "bye": "lost", "starttls": "STARTTLS", "nologin": "refuses the login",
         "flood": "too much", "bigmsg": "announces", "caplong": "large"}


def mailbox(rouse, port, **keys):
    path = os.path.join(rouse.dir, "secret")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        f.write("secret")
    rouse.agent("reader", says(RESULT, before="echo x >>$D/mark"), concurrency=4)
    keys = {"source": "imap", "agent": "reader", "user": "u", "password": "file:" + path, "url": f"imap://127.0.0.1:{port}/INBOX", "starttls": "none",
            "poll": "1s", "initial": "all", "overlap": "allow", **keys}
    rouse.section("trigger mail", **{k: v for k, v in keys.items() if v is not None})


def is_well(rouse):
    check(rouse.is_alive(), "the daemon lives")
    rouse.api("GET", "/readyz", timeout=3).expect(200)
    with open(f"/proc/{rouse.daemon.pid}/status") as f:
        peak = int(next(line for line in f if line.startswith("VmHWM")).split()[1])
    check(is_sanitized() or peak < 96 << 10, f"its memory is bounded: {peak} KiB")


def hostile(mode, wanted):
    what = f"{wanted} messages run, once" if isinstance(wanted, int) else "it is said" if wanted else "nothing waits for it"

    @scenario(f"a mail server in mode {mode}: {what}")
    def _(rouse):
        fake, port = shared("chaos/net/fake_imap.py"), free_port()
        log = os.path.join(rouse.dir, "fake.log")
        with open(log, "wb") as f:
            spawn([sys.executable, fake, str(port), mode], stdout=subprocess.DEVNULL, stderr=f)
        wait("the server listens", lambda: socket.create_connection(("127.0.0.1", port)).close() or True)
        mailbox(rouse, port, starttls=None if mode == "starttls" else "none")
        rouse.start()
        if isinstance(wanted, int):
            wait(f"{wanted} have run", lambda: len(rouse.marks()) >= wanted)
            # a few polls more
            wait("it has looked again", lambda: open(log, errors="replace").read().count("IDLE") or open(log, errors="replace").read().count("NOOP") > 2)
            expect(len(rouse.items("/v1/events?limit=100")), wanted, "events")
        elif wanted:
            trigger = wait("it fails, and says why", lambda: (lambda t: t if t["health"] == "failing" else None)(rouse.get("/v1/triggers/mail")))
            check(wanted in trigger["last_error"] and "next try in" in trigger["last_error"], trigger["last_error"])
            expect(rouse.items("/v1/events"), [], "events")
        else:
            wait("the server was asked", lambda: "C: " in open(log, errors="replace").read())
        is_well(rouse)
        if mode == "nologin":
            stays("no login more", lambda: open(log, errors="replace").read().count("LOGIN") <= 1, 1)


for name, want in MODES.items():
    hostile(name, want)


@scenario("100,000 messages at once are taken a few at a time")
def _(rouse):
    fake, port = shared("chaos/net/fake_imap.py"), free_port()
    spawn([sys.executable, fake, str(port), "many"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait("the server listens", lambda: socket.create_connection(("127.0.0.1", port)).close() or True)
    mailbox(rouse, port)
    rouse.start()
    wait("some have run", lambda: len(rouse.marks()) > 20)
    backlog = rouse.get("/v1/triggers/mail")["backlog"]
    check(0 < backlog <= 2100, f"what it keeps in mind is bounded: {backlog}")
    is_well(rouse)


class OAuth(socketserver.ThreadingTCPServer):
    """A server that takes one bearer token, and has an empty mailbox."""

    allow_reuse_address = daemon_threads = True
    seen = []

    class Handler(socketserver.StreamRequestHandler):
        def say(self, text):
            self.wfile.write(text.encode() + b"\r\n")

        def handle(self):
            self.say("* OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] hi")
            for line in self.rfile:
                tag, command, *rest = line.decode().split()
                if command.upper() == "AUTHENTICATE":
                    said = base64.b64decode(rest[1]).decode()
                    self.server.seen.append(said)
                    self.say(tag + (" OK in" if said == "user=u\x01auth=Bearer t0ken\x01\x01" else " NO [AUTHENTICATIONFAILED] no"))
                elif command.upper() == "CAPABILITY":
                    self.say(f"* CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR\r\n{tag} OK done")
                elif command.upper() in ("EXAMINE", "SELECT"):
                    self.say(f"* 0 EXISTS\r\n* OK [UIDVALIDITY 7] .\r\n* OK [UIDNEXT 1] .\r\n{tag} OK [READ-ONLY] done")
                elif command.upper() == "LOGOUT":
                    return
                else:
                    self.say(tag + " OK done")


@scenario("an OAuth token comes from a secret, or from a command that prints one")
def _(rouse):
    with OAuth(("127.0.0.1", 0), OAuth.Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        mailbox(rouse, port, password=None, oauth_command="echo t0ken")
        rouse.start()

        def health(wanted):
            return wait(f"it is {wanted}", lambda: (lambda t: t if t["health"] == wanted else None)(rouse.get("/v1/triggers/mail")))

        health("ok")
        for command, word in (("false", "fails"), ("printf 'a\\nb'", "one line"), ("/nowhere/at-all", "/nowhere/at-all")):
            rouse.section("trigger mail", oauth_command=command)
            rouse.write_config()
            rouse.cli("reload")
            error = health("failing")["last_error"]
            check(word in error, f"{command}: {error}")
        before = len(server.seen)
        rouse.section("trigger mail", oauth_command=None, oauth_token="file:" + os.path.join(rouse.dir, "token"))
        with open(os.open(os.path.join(rouse.dir, "token"), os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
            f.write("t0ken\n")
        rouse.write_config()
        rouse.cli("reload")
        health("ok")
        check(len(server.seen) > before, f"the token was sent: {server.seen}")
        check("t0ken" not in rouse.log_text(), "it is in no log")
        server.shutdown()


main()
