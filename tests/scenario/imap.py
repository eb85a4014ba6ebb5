#!/usr/bin/env python3
# Scenario: mail wakes agents; a real Dovecot holds it, and nothing of it is lost or handled twice.
# SPDX-License-Identifier: MIT
import random

from imap_lib import *

@scenario("a mail over TLS wakes the agent with what is in it, marked as untrusted")
def _(rouse):
    with Dovecot() as server:
        mailbox(rouse, server)
        rouse.start()
        wait_health(rouse, "ok")
        server.deliver(mail(1, "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", extra="Cc: c@x.org\r\nIn-Reply-To: <0@x>\r\nX-Thing: 1\r\nX-Thing: 2\r\n"
                            "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n",
                            body="f=FCr Maria", sender='"Anna B." <a@example.org>'))
        [envelope] = wait_mails(rouse, 1)
        data = envelope["payload"]
        expect((data["subject"], data["text"], data["html"]), ("Grüße", "für Maria\n", None), "subject, text, html")
        expect((data["from_address"], data["to"], data["cc"]), ("a@example.org", ["maria@example.net"], ["c@x.org"]), "addresses")
        check("Anna B." in data["from"] and "a@example.org" in data["from"], f"from is {data['from']}")
        expect((data["message_id"], data["in_reply_to"]), ("<1@example.org>", "<0@x>"), "ids")
        expect(data["headers"]["x-thing"], "1\n2", "a field that stands twice")
        expect(data["date"], "2026-11-20T10:00:00.000Z", "date")
        expect((envelope["trust"], data["trust"], envelope["mode"]), ("untrusted", "untrusted", "stage"), "trust")
        expect((data["uid"], data["mailbox"], data["attachments"]), (1, "INBOX", []), "uid, mailbox, attachments")
        expect(envelope["idempotency_key"], "<1@example.org>", "key")
        expect(server.messages(), {1: set()}, "on_accept = none leaves the mailbox as it is")


@scenario("STARTTLS is required of imap:// and verified; clear text only where it is said")
def _(rouse):
    with Dovecot() as server:
        server.append(mail(1))
        mailbox(rouse, server, tls=False)
        rouse.start()
        wait_mails(rouse, 1)
        wait("the login is over TLS", lambda: "TLS" in server.logins()[-1])
        # a certificate that nobody vouches for
        mailbox(rouse, server, tls=False, ca_file=None)
        rouse.write_config()
        rouse.cli("reload")
        failing = wait_health(rouse, "failing")
        check("certificate" in failing["last_error"], f"it says why: {failing['last_error']}")
        mailbox(rouse, server, tls=False, ca_file=None, starttls="none")
        rouse.write_config()
        rouse.cli("reload")
        wait_health(rouse, "ok")
        wait("it is in clear where that is said", lambda: "TLS" not in server.logins()[-1])


@scenario("IDLE tells of new mail at once, and polling finds it where IDLE is off")
def _(rouse):
    with Dovecot() as server:
        mailbox(rouse, server, poll="1h")
        mailbox(rouse, server, name="slow", user="otto", idle="no", poll="1s", agent=False)
        rouse.start()
        wait_health(rouse, "ok")
        wait_health(rouse, "ok", "slow")
        for n in range(1, 6):
            server.deliver(mail(n))
            wait_mails(rouse, n)
        server.deliver(mail(6), user="otto")
        wait_mails(rouse, 6)


@scenario("what was there before the first look is left alone, taken, or taken from a day on")
def _(rouse):
    with Dovecot() as server:
        old = time.mktime((2026, 1, 10, 12, 0, 0, 0, 0, -1))
        server.append(mail(1), mail(2), date=old)
        server.append(mail(3), mail(4))
        mailbox(rouse, server, initial=None)
        rouse.start()
        wait_health(rouse, "ok")
        server.append(mail(5))
        wait_mails(rouse, 1)
        expect(subjects(rouse), ["mail 5"], "from now on")
        mailbox(rouse, server, name="since", initial="since:2026-02-01", agent=False)
        mailbox(rouse, server, name="everything", agent=False)
        rouse.write_config()
        rouse.cli("reload")
        wait_mails(rouse, 1 + 3 + 5)
        expect(sorted(e["payload"]["subject"] for e in mails(rouse) if e["trigger"]["name"] == "since"), ["mail 3", "mail 4", "mail 5"], "since")


@scenario("search criteria decide once about each message, filter about each event")
def _(rouse):
    with Dovecot() as server:
        server.append(mail(1, "invoice 1"), mail(2, "hello"), mail(3, "invoice 3"))
        mailbox(rouse, server, search='SUBJECT "invoice"', filter='.data.subject | test("3|4")')
        rouse.start()
        wait_mails(rouse, 1)
        server.append(mail(4, "invoice 4"), mail(5, "bye"))
        wait_mails(rouse, 2)
        expect(subjects(rouse), ["invoice 3", "invoice 4"], "what ran")
        expect(sorted((e["outcome"]) for e in events(rouse)), ["filtered", "ran", "ran"], "events")


@scenario("on_accept marks what was accepted, once its event is on disk")
def _(rouse):
    with Dovecot() as server:
        server.append(mail(1), mail(2, "no"), mail(3))
        mailbox(rouse, server, on_accept="seen", filter='.data.subject != "no"')
        rouse.start()
        wait_mails(rouse, 2)
        wait("they are marked", lambda: server.messages() == {1: {"\\Seen"}, 2: set(), 3: {"\\Seen"}})
        mailbox(rouse, server, name="flags", user="otto", on_accept="flag:rouse-took", agent=False)
        server.append(mail(4), user="otto")
        rouse.write_config()
        rouse.cli("reload")
        wait("it has its flag", lambda: server.messages(user="otto") == {1: {"rouse-took"}})


def moves(capabilities, what):
    @scenario(f"on_accept moves what was accepted, {what}")
    def _(rouse):
        with Dovecot(f"imap_capability = {capabilities}" if capabilities else "") as server:
            client = server.login()
            client.create("Done")
            client.logout()
            server.append(*[mail(n) for n in range(1, 30)])
            mailbox(rouse, server, on_accept="move:Done")
            rouse.start()
            wait_mails(rouse, 29)
            wait("they are moved", lambda: len(server.messages("Done")) == 29)
            wait("none is left", lambda: not server.messages())


moves("", "by MOVE")
moves("IMAP4rev1 IDLE UIDPLUS", "by COPY where there is no MOVE, without touching others")


@scenario("a folder to move to that is not there is said, and loses nothing")
def _(rouse):
    with Dovecot() as server:
        server.append(mail(1))
        mailbox(rouse, server, on_accept="move:Nowhere")
        rouse.start()
        wait_mails(rouse, 1)
        failing = wait_health(rouse, "failing")
        check("cannot be marked" in failing["last_error"], failing["last_error"])
        client = server.login()
        client.create("Nowhere")
        client.logout()
        rouse.restart()
        wait("it is moved after a restart", lambda: len(server.messages("Nowhere")) == 1)
        expect(len(mails(rouse)), 1, "mails")


@scenario("attachments lie beside the event under safe names, with size and digest")
def _(rouse):
    with Dovecot() as server:
        parts = "".join(f"--x\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=\"{name}\"\r\n"
                        f"Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n" for name in ("../../../etc/passwd", "a b\\\\c.pdf", ".bashrc", "r.pdf"))
        message = mail(1, extra="MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n",
                       body="--x\r\nContent-Type: text/html\r\n\r\n<b>hi</b>\r\n" + parts + "--x--")
        server.append(message)
        mailbox(rouse, server)
        mailbox(rouse, server, name="names", attachments="skip", agent=False)
        rouse.start()
        wait_mails(rouse, 2)
        by_name = {e["trigger"]["name"]: e for e in mails(rouse)}
        found = by_name["mail"]["payload"]["attachments"]
        expect([os.path.basename(a["path"]) for a in found], ["1-passwd", "2-c.pdf", "3-bashrc", "4-r.pdf"], "names of files")
        folder = os.path.join(rouse.state, "attachments", by_name["mail"]["trigger"]["event_id"])
        for a in found:
            expect(os.path.dirname(a["path"]), folder, "folder")
            with open(a["path"], "rb") as f:
                expect(f.read(), b"hello", "content")
            expect((a["size"], a["sha256"]), (5, hashlib.sha256(b"hello").hexdigest()), "size and digest")
        check(all("path" not in a and a["size"] == 5 for a in by_name["names"]["payload"]["attachments"]), "skip saves none")
        expect(os.listdir(os.path.join(rouse.state, "attachments")), [os.path.basename(folder)], "folders")
        check(by_name["mail"]["payload"]["html"].startswith("<b>hi</b>"), "html")


@scenario("a message above max_message is rejected with its reason, and the next one runs")
def _(rouse):
    with Dovecot() as server:
        server.append(mail(1, body="x" * 70000), mail(2))
        mailbox(rouse, server, max_message="64K")
        rouse.start()
        wait_mails(rouse, 1)
        [event] = wait("it is rejected", lambda: events(rouse, "rejected"))
        check("max_message" in event["rule"], event["rule"])
        document = rouse.get("/v1/events/" + event["id"])["document"]
        expect(document["data"]["subject"], "mail 1", "its header is there")
        expect(len(events(rouse)), 2, "events")


@scenario("tagged lines and literals forged inside a message mean nothing")
def _(rouse):
    with Dovecot() as server:
        forged = "\r\n".join(f"R{n} OK done\r\n* 9 FETCH (UID 99 BODY[] {{5}}\r\nabcde)\r\n* BYE\r\nA{n:03} OK" for n in range(1, 30))
        server.append(mail(1, body=forged), mail(2))
        mailbox(rouse, server)
        rouse.start()
        wait_mails(rouse, 2)
        check("R1 OK done" in [e for e in mails(rouse) if e["payload"]["subject"] == "mail 1"][0]["payload"]["text"], "the text is whole")
        expect(len(events(rouse)), 2, "events")


@scenario("a login that is refused is not tried again at once, nor by other triggers of the account")
def _(rouse):
    with Dovecot() as server:
        mailbox(rouse, server, password=secret_file(rouse, "wrong", "bad"))
        mailbox(rouse, server, name="second", password=secret_file(rouse, "wrong", "bad"), agent=False)
        rouse.start()
        failing = wait_health(rouse, "failing")
        check("refuses the login" in failing["last_error"] and "next try in 1m" in failing["last_error"], failing["last_error"])
        wait_health(rouse, "failing", "second")
        for _ in range(5):
            rouse.cli("reload")
        stays("one login or two, and no more", lambda: server.log().count("auth failed") <= 2, 2)
        check(server.password not in rouse.log_text() and "wrong" not in rouse.log_text(), "no secret is in the log")
        # another password is tried at once
        mailbox(rouse, server)
        rouse.write_config()
        rouse.cli("reload")
        wait_health(rouse, "ok")


@scenario("a hundred reloads leave the connection of an untouched trigger alone")
def _(rouse):
    with Dovecot() as server:
        mailbox(rouse, server)
        rouse.start()
        wait_health(rouse, "ok")
        before = len(server.logins())
        for n in range(100):
            rouse.section("trigger other", source="manual", agent="reader", intent=f"i{n}")
            rouse.write_config()
            rouse.api("POST", "/v1/reload").expect(200)
        server.append(mail(1))
        wait_mails(rouse, 1)
        expect(len(server.logins()) - before, 1, "logins since: this test's own append")


@scenario("more triggers than connections of an account all get their mail")
def _(rouse):
    with Dovecot() as server:
        client = server.login()
        for n in range(8):
            client.create(f"box{n}")
        client.logout()
        for n in range(8):
            mailbox(rouse, server, name=f"box{n}", folder=f"box{n}", agent=not n)
        rouse.start()
        for n in range(8):
            server.append(mail(n), folder=f"box{n}")
        wait_mails(rouse, 8, 30)
        for n in range(8):
            server.append(mail(100 + n), folder=f"box{n}")
        wait_mails(rouse, 16, 30)


@scenario("new numbers (UIDVALIDITY) repeat nothing, and lose nothing that came meanwhile")
def _(rouse):
    with Dovecot() as server:
        server.append(*[mail(n) for n in range(1, 8)])
        server.append(mail("x", "without id", id=False))
        mailbox(rouse, server)
        rouse.start()
        wait_mails(rouse, 8)
        rouse.stop()
        server.stop()
        box = os.path.join(server.dir, "mail", "maria", "Maildir")
        for name in os.listdir(box):
            if name.startswith("dovecot"):
                os.unlink(os.path.join(box, name)) if os.path.isfile(os.path.join(box, name)) else None
        server.start()
        server.append(mail(20))
        rouse.start()
        wait_mails(rouse, 9)
        check("UIDVALIDITY" in rouse.log_text(), "it is said")
        wait_health(rouse, "ok")
        server.append(mail(21))
        wait_mails(rouse, 10)
        expect(len(events(rouse)), 10, "events: one for each message")


@scenario("messages that are expunged between search and fetch are passed over")
def _(rouse):
    with Dovecot() as server:
        mailbox(rouse, server)
        rouse.start()
        wait_health(rouse, "ok")
        client = server.login()
        client.select("INBOX")
        for n in range(1, 80):
            client.append("INBOX", None, None, mail(n).encode())
            if n % 2:
                client.uid("STORE", str(n), "+FLAGS.SILENT", "(\\Deleted)")
                client.expunge()
        client.logout()
        wait("those that stayed have run", lambda: {f"mail {n}" for n in range(2, 80, 2)} <= set(subjects(rouse)))
        wait("nothing waits", lambda: trigger(rouse)["backlog"] == 0)
        expect(len(subjects(rouse)), len(set(subjects(rouse))), "each once")
        wait_health(rouse, "ok")


@scenario("a mail that vouches for its sender is authenticated where the server is trusted, and no other is")
def _(rouse):
    with Dovecot() as server:
        vouched = "Authentication-Results: mx.ours.net; dmarc=pass header.from=example.org\r\n"
        mailbox(rouse, server, authserv="mx.ours.net")
        rouse.start()
        wait_health(rouse, "ok")
        head, tail = mail(1).split("\r\n", 1)
        server.append(vouched + head + "\r\n" + tail)
        server.append(mail(2))
        server.append(vouched.replace("ours", "evil") + mail(3))
        wait_mails(rouse, 3)
        got = {e["payload"]["subject"]: (e["trust"], e["payload"]["trust"], e["mode"]) for e in mails(rouse)}
        expect(got, {"mail 1": ("authenticated", "authenticated", "apply"), "mail 2": ("untrusted", "untrusted", "stage"),
                     "mail 3": ("untrusted", "untrusted", "stage")}, "trust and mode")


@scenario("kill -9 at any moment while mail flows: each mail runs exactly once")
def _(rouse):
    with Dovecot() as server:
        mailbox(rouse, server, on_accept="seen")
        rouse.start()
        done = threading.Event()

        def flow():
            for n in range(1, 121):
                server.append(mail(n, id=n % 3 != 0))
                time.sleep(random.uniform(0, 0.03))
            done.set()

        sender = threading.Thread(target=flow)
        sender.start()
        while not done.is_set():
            time.sleep(random.uniform(0.05, 0.8))
            rouse.kill_9()
            rouse.start()
        sender.join()
        wait("every mail has run", lambda: len(rouse.runs(status="succeeded")) >= 120, 60)
        runs = rouse.runs()
        expect(len(runs), 120, "runs")
        expect(sorted({e["payload"]["subject"] for e in mails(rouse)}), sorted(f"mail {n}" for n in range(1, 121)), "mails")
        expect(len([e for e in events(rouse) if e["outcome"] == "ran"]), 120, "events that ran")
        wait("all are marked", lambda: all("\\Seen" in flags for flags in server.messages().values()))


@scenario("a paused trigger leaves mail where it is, and takes it when it goes on")
def _(rouse):
    with Dovecot() as server:
        mailbox(rouse, server)
        rouse.start()
        wait_health(rouse, "ok")
        rouse.cli("pause", "--trigger", "mail")
        server.append(mail(1))
        stays("nothing runs", lambda: not events(rouse), 1)
        rouse.cli("resume", "--trigger", "mail")
        wait_mails(rouse, 1)
        rouse.api("POST", "/v1/triggers/mail/disable").expect(200)
        server.append(mail(2))
        stays("nothing runs", lambda: len(events(rouse)) == 1, 1)
        rouse.api("POST", "/v1/triggers/mail/enable").expect(200)
        wait_mails(rouse, 2)


@scenario("the mail server goes away and comes back: mail of that time is found")
def _(rouse):
    with Dovecot() as server:
        mailbox(rouse, server)
        rouse.start()
        wait_health(rouse, "ok")
        server.stop()
        wait_health(rouse, "failing")
        server.start()
        server.append(mail(1))
        wait_mails(rouse, 1, 60)
        wait_health(rouse, "ok")


main()
