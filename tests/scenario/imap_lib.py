# What the scenarios of mail share: a trigger that watches a mailbox of a Dovecot, and what came of it.
# SPDX-License-Identifier: MIT
from dovecot import *

AGENT = 'read -r e; printf "%s\\n" "$e" >>$D/mails; echo \'' + json.dumps(RESULT) + "'\n"


def secret_file(rouse, text, name="mail"):
    path = os.path.join(rouse.dir, "secret-" + name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write(text)
    return "file:" + path


def mailbox(rouse, server, name="mail", user="maria", tls=True, folder="INBOX", agent=True, **keys):
    if agent:
        rouse.agent("reader", AGENT, concurrency=4)
    keys = {"source": "imap", "agent": "reader", "user": user, "overlap": "allow",
            "url": f"imaps://localhost:{server.tls_port}/{folder}" if tls else f"imap://localhost:{server.port}/{folder}",
            "ca_file": server.dir + "/cert.pem", "password": secret_file(rouse, server.password, name), "poll": "1s", "initial": "all", **keys}
    rouse.section("trigger " + name, **keys)


def mails(rouse):
    """The envelopes that agents got."""
    return [json.loads(line) for line in rouse.marks("mails")]


def subjects(rouse):
    return sorted(e["payload"]["subject"] for e in mails(rouse))


def wait_mails(rouse, count, within=20):
    wait(f"{count} mails have woken the agent", lambda: len(mails(rouse)) >= count, within)
    expect(len(mails(rouse)), count, "mails")
    return mails(rouse)


def trigger(rouse, name="mail"):
    return rouse.get("/v1/triggers/" + name)


def wait_health(rouse, health, name="mail", within=20):
    return wait(f"trigger {name} is {health}", lambda: (lambda t: t if t["health"] == health else None)(trigger(rouse, name)), within)


def events(rouse, outcome=None):
    return [e for e in rouse.items("/v1/events?limit=1000" + (f"&outcome={outcome}" if outcome else ""))]
