#!/usr/bin/env python3
# Scenario: only who knows the secret is heard; nothing of others is kept.
# SPDX-License-Identifier: MIT
import base64

from lib import *


def house(rouse, **trigger):
    rouse.agent("ok", says(RESULT))
    if "trigger push" not in rouse.sections:
        rouse.webhook("push", agent="ok", **trigger)
    rouse.start()


def refused(rouse, reply):
    reply.expect(401)
    check("problem+json" in reply.headers["Content-Type"], "the answer is a problem document")
    expect((rouse.runs(), rouse.items("/v1/events")), ([], []), "runs and events of a stranger")


BODY = json.dumps(PUSH).encode()


@scenario("a signature with another secret is refused")
def _(rouse):
    house(rouse)
    refused(rouse, rouse.deliver("push", secret="guessed"))


@scenario("a missing signature is refused")
def _(rouse):
    house(rouse)
    refused(rouse, rouse.deliver("push", headers={"X-Hub-Signature-256": None}))


@scenario("a truncated signature is refused")
def _(rouse):
    house(rouse)
    for length in (len("sha256="), 20, len("sha256=") + 63):
        refused(rouse, rouse.deliver("push", headers={"X-Hub-Signature-256": sign(BODY)[:length]}))


@scenario("a signature that is longer than it should be is refused")
def _(rouse):
    house(rouse)
    refused(rouse, rouse.deliver("push", headers={"X-Hub-Signature-256": sign(BODY) + "0"}))


@scenario("hexadecimal digits are taken in either case")
def _(rouse):
    house(rouse)
    upper = "sha256=" + sign(BODY)[7:].upper()
    rouse.deliver("push", headers={"X-Hub-Signature-256": upper}).expect(202)


@scenario("a signature that is given twice is refused")
def _(rouse):
    house(rouse)
    c = http.client.HTTPConnection("127.0.0.1", rouse.port, timeout=10)
    c.putrequest("POST", "/hooks/push")
    for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(BODY))), ("X-GitHub-Delivery", "1"),
                        ("X-Hub-Signature-256", sign(BODY, "guessed")), ("X-Hub-Signature-256", sign(BODY))):
        c.putheader(name, value)
    c.endheaders(BODY)
    status = c.getresponse().status
    c.close()
    check(status in (400, 401), f"two signatures must be refused, not answered {status}")
    expect(rouse.runs(), [], "runs")


@scenario("a body of which one byte was changed is refused")
def _(rouse):
    house(rouse)
    refused(rouse, rouse.deliver("push", BODY.replace(b"42", b"43"), headers={"X-Hub-Signature-256": sign(BODY)}))


@scenario("the first of two secrets and the second are both good while one is rotated")
def _(rouse):
    house(rouse)
    paths = []
    for name in ("old", "new"):
        paths.append(os.path.join(rouse.dir, name))
        with open(os.open(paths[-1], os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
            f.write(name + "-secret")
    rouse.section("trigger push", secret=", ".join("file:" + p for p in paths))
    rouse.restart()
    rouse.deliver("push", secret="old-secret").expect(202)
    rouse.deliver("push", secret="new-secret").expect(202)
    rouse.deliver("push", secret=SECRET).expect(401)


@scenario("a secret whose file was rewritten counts from the next reload on, without a restart")
def _(rouse):
    house(rouse)
    rouse.deliver("push").expect(202)
    with open(os.path.join(rouse.dir, "secret-push"), "w") as f:
        f.write("new-secret\n")
    rouse.deliver("push").expect(202)
    rouse.cli("reload")
    rouse.deliver("push").expect(401)
    rouse.deliver("push", secret="new-secret").expect(202)


def standard(body, at, id="msg_1", secret=b"0123456789abcdef0123456789abcdef"):
    signed = f"{id}.{at}.".encode() + body
    return {"webhook-id": id, "webhook-timestamp": str(at), "webhook-signature": "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()}


@scenario("a good signature over a stale timestamp is refused, a fresh one is taken")
def _(rouse):
    house(rouse, verify="standard", secret="whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode())
    now = int(time.time())
    rouse.http("POST", "/hooks/push", BODY, standard(BODY, now - 3600)).expect(401)
    rouse.http("POST", "/hooks/push", BODY, standard(BODY, now + 3600)).expect(401)
    first = rouse.http("POST", "/hooks/push", BODY, standard(BODY, now)).expect(202)
    again = rouse.http("POST", "/hooks/push", BODY, standard(BODY, now)).expect(200)
    expect(again.run_id, first.run_id, "the run of a repeated webhook-id")


def told(rouse, said):
    """It says where in the configuration, which file, and what to do."""
    with open(rouse.conf) as f:
        line = next(n for n, text in enumerate(f, 1) if "secret = " in text)
    path = os.path.join(rouse.dir, "secret-push")
    for word in (f"rouse.conf:{line}: [trigger push] secret: {path} may be read", f"chmod o= {path}"):
        check(word in said, f"it should say {word!r}: {said}")


@scenario("a secret that others can read stops the start, and is told where, until it is mended")
def _(rouse):
    rouse.agent("ok", says(RESULT))
    rouse.webhook("push", agent="ok")
    path = os.path.join(rouse.dir, "secret-push")
    for mode in (0o644, 0o604, 0o602):
        os.chmod(path, mode)
        expect(rouse.refuses_to_start(), 78, "exit status (EX_CONFIG)")
        told(rouse, rouse.log_text())
        told(rouse, str(rouse.cli("check", rouse.conf, expect_code=1)))
        test = spawn([os.path.join(BUILD, "roused"), "-t", "-c", rouse.conf], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        told(rouse, test.communicate(timeout=20)[0])
        expect(test.returncode, 1, "exit status of roused -t")
    os.chmod(path, 0o640)
    rouse.start()
    rouse.deliver("push").expect(202)


@scenario("a secret that others can read now is refused on reload, and the old one goes on")
def _(rouse):
    house(rouse)
    path = os.path.join(rouse.dir, "secret-push")
    with open(path, "w") as f:
        f.write("another")
    os.chmod(path, 0o644)
    told(rouse, str(rouse.cli("reload", expect_code=1)))
    rouse.deliver("push", secret="another").expect(401)
    rouse.deliver("push").expect(202)


@scenario("a secret that was replaced in its file is known after a reload; others keep what they have")
def _(rouse):
    rouse.webhook("other", agent="ok", secret="of-the-other")
    house(rouse)
    path = os.path.join(rouse.dir, "secret-push")
    for number, fresh in enumerate(("changed-in-place", "moved-over-it", "of-the-same-l1", "of-the-same-l2")):
        at = path + (".new" if number == 1 else "")
        with open(os.open(at, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            f.write(fresh)
        os.rename(at, path)
        rouse.deliver("push", secret=fresh).expect(401)
        expect(rouse.api("POST", "/v1/reload").expect(200).json["changed"], ["push"], "what the reload changed")
        rouse.deliver("push", secret=fresh).expect(202)
        rouse.deliver("push").expect(401)
        rouse.deliver("other", secret="of-the-other").expect(202)
    expect(rouse.api("POST", "/v1/reload").expect(200).json["changed"], [], "what a reload of the same changes")
    check("moved-over-it" not in rouse.log_text(), "the log must not hold the secret")


@scenario("the secret appears in no log, no answer and no list")
def _(rouse):
    house(rouse)
    rouse.deliver("push").expect(202)
    rouse.deliver("push", secret="guessed").expect(401)
    shown = rouse.cli("trigger", "show", "push").out + json.dumps(rouse.get("/v1/triggers/push")) + json.dumps(rouse.get("/v1/status"))
    check(SECRET not in shown, "rouse trigger show must not show the secret")
    check("secret-push" in shown, "it should show where the secret lies")
    rouse.stop()
    check(SECRET not in rouse.log_text(), "the log must not hold the secret")


main()
