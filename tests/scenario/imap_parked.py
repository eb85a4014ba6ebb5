#!/usr/bin/env python3
# Scenario: a message that cannot be read is tried so often and then parked: seen by people, a loop for nobody, and to be had again.
# SPDX-License-Identifier: MIT
import glob

from imap_lib import *

# Two million parts: more than the memory that the reader may have.
BAD = mail("bad", extra="Content-Type: multipart/mixed; boundary=b\r\n", body="--b\r\n\r\n" * 2000000)


def parked(rouse, count):
    found = wait(f"{count} parked", lambda: (lambda e: e if len(e) >= count else None)(events(rouse, "rejected")), 180)
    expect(len(found), count, "parked")
    return found


def tries(rouse):
    """How often each message that waits was tried, as it is on disk."""
    db = sqlite3.connect(f"file:{rouse.db}?mode=ro", uri=True)
    try:
        return {item: int(value) for item, value in db.execute("SELECT CAST(item AS TEXT), CAST(value AS TEXT) FROM facts WHERE CAST(item AS TEXT) LIKE 'p/%'")}
    finally:
        db.close()


def move(server, uid, there, back):
    """Out of the mailbox, and in again: its new UID."""
    client = server.login()
    client.create(there)
    for source, target in ((back, there), (there, back)):
        client.select(source)
        numbers = str(uid) if source == back else "1:*"
        expect(client.uid("COPY", numbers, target)[0], "OK", "COPY")
        client.uid("STORE", numbers, "+FLAGS", "(\\Deleted)")
        client.expunge()
    client.logout()
    return max(server.messages(back))


@scenario("a message that kills its reader is tried a few times across restarts, parked and told of; the others go on, and it comes back by a new UID")
def _(rouse):
    with Dovecot() as server:
        mailbox(rouse, server, read_tries="4", read_retry="1m", max_message="32M", on_accept="seen")
        server.append(mail(1), BAD, mail(2))
        rouse.start()
        wait_mails(rouse, 2)
        wait("it waits for its second try", lambda: list(tries(rouse).values()) == [1], 60)
        expect(trigger(rouse)["backlog"], 1, "backlog")
        expect(events(rouse, "rejected"), [], "nothing is parked yet")
        rouse.kill_9()
        rouse.section("trigger mail", read_retry="200ms")
        rouse.start()
        wait("it was tried again", lambda: 2 <= max(tries(rouse).values(), default=0) <= 3, 60)
        rouse.kill_9()
        rouse.start()
        [event] = parked(rouse, 1)
        check("parked after 4 tries" in event["rule"] and ("needs too much" in event["rule"] or "CPU" in event["rule"]), f"the reason: {event['rule']}")
        server.append(mail(3))
        wait_mails(rouse, 3)
        wait("health tells", lambda: "message 2 is parked after 4 tries" in (trigger(rouse)["last_error"] or ""))
        expect((trigger(rouse)["health"], trigger(rouse)["backlog"], tries(rouse)), ("ok", 0, {}), "health, backlog, what waits")
        for words in (("trigger", "show", "mail"), ("why", event["id"]), ("event", "show", event["id"]), ("event", "list", "--trigger", "mail", "--outcome", "rejected")):
            said = rouse.cli(*words).out
            check("parked after 4 tries" in said, f"rouse {' '.join(words)} says it: {said}")
        rouse.section("trigger mail", read_tries="1")
        rouse.restart()
        wait_health(rouse, "ok")
        server.append(mail(4))
        wait_mails(rouse, 4)
        expect(len(events(rouse, "rejected")), 1, "after a restart it is parked still")
        expect(server.messages()[2], set(), "it is not marked")
        uid = move(server, 2, "Aside", "INBOX")
        check(uid > 4, f"it has a new UID: {uid}")
        parked(rouse, 2)
        expect(len(mails(rouse)), 4, "the others were not woken again")


@scenario("a message that the server cannot give is parked too; once it can, moved out and back it wakes the agent, once")
def _(rouse):
    needs_root()
    with Dovecot() as server:
        mailbox(rouse, server, read_tries="3", read_retry="50ms")
        server.append(mail(1))
        [path] = glob.glob(server.dir + "/mail/maria/Maildir/*/*,S=*")
        os.chmod(path, 0)
        rouse.start()
        [event] = parked(rouse, 1)
        print(f"#   {event['rule']}")
        check("parked after 3 tries" in event["rule"], event["rule"])
        server.append(mail(2))
        wait_mails(rouse, 1)
        expect(subjects(rouse), ["mail 2"], "the next one is read")
        for path in glob.glob(server.dir + "/mail/maria/Maildir/*/*,S=*"):
            os.chmod(path, 0o600)
        move(server, 1, "Aside", "INBOX")
        wait_mails(rouse, 2)
        expect(subjects(rouse), ["mail 1", "mail 2"], "and the parked one, once it is back")
        expect(len(events(rouse, "rejected")), 1, "parked in all")


main()
