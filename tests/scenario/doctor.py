#!/usr/bin/env python3
# Scenario: rouse doctor says what is wrong, and what to do about it.
# SPDX-License-Identifier: MIT
from lib import *


def doctor(rouse, code=0, *words):
    """The rows that are not ok: (check, state) with what was found and what to do."""
    rows = rouse.cli("doctor", "--json", *words, expect_code=code).lines
    for row in rows:
        expect("advice" in row, row["state"] != "ok", f"advice in {row}")
        check(row["found"], f"{row} says what was found")
    # What the machine that runs the tests has or has not.
    return {(row["check"], row["state"]): row["found"] + " | " + row["advice"] for row in rows
            if row["state"] != "ok" and row["check"] not in ("clock", "control groups", "disk", "inotify", "descriptors")}


def well(rouse):
    rouse.agent("a", says(RESULT))
    rouse.webhook("push", agent="a")


@scenario("of a house in order it finds nothing to mend, and says what it looked at")
def _(rouse):
    well(rouse)
    rouse.start()
    rouse.wait_run(rouse.deliver("push").run_id, "succeeded")
    expect(doctor(rouse), {}, "what is wrong")
    out = rouse.cli("doctor").out
    for check_name in ("configuration", "secrets", "state folder", "disk", "clock", "descriptors", "control groups", "database", "sources",
                       "queue", "dead letters", "breakers", "notifications", "shims"):
        check(f"  {check_name} " in out, f"{check_name} stands in {out}")
    check("0 to mend" in out or "Nothing is wrong." in out, out)


@scenario("a configuration on disk that is another, or that would not load any more")
def _(rouse):
    well(rouse)
    rouse.start()
    rouse.section("agent a", concurrency=7)
    rouse.agent("b", says(RESULT))
    del rouse.sections["trigger push"]
    rouse.write_config()
    found = doctor(rouse)[("configuration", "warn")]
    check(all(name in found for name in ("[agent a]", "[agent b]", "[trigger push]", "rouse reload")), found)
    rouse.cli("reload")
    expect(doctor(rouse), {}, "after the reload")
    rouse.section("agent a", concurrencyy=7)
    rouse.write_config()
    check("1 errors" in doctor(rouse, 1)[("configuration", "fail")], "it says how many errors")
    rouse.get("/health")


@scenario("secrets that others can read, or that are not there any more")
def _(rouse):
    well(rouse)
    rouse.webhook("hook", agent="a")
    rouse.start()
    os.chmod(os.path.join(rouse.dir, "secret-push"), 0o644)
    os.unlink(os.path.join(rouse.dir, "secret-hook"))
    rows = rouse.cli("doctor", "--json", expect_code=1).lines
    found = [row["found"] for row in rows if row["check"] == "secrets"]
    expect(len(found), 2, f"rows about secrets in {rows}")
    check(any("[trigger push] secret" in f and "secret-push" in f for f in found), found)
    check(any("[trigger hook] secret" in f and "secret-hook" in f for f in found), found)
    check(not any(SECRET in json.dumps(row) for row in rows), "no secret is told")


@scenario("a plain secret in a file that everybody can read")
def _(rouse):
    well(rouse)
    rouse.section("trigger push", secret="plain:" + SECRET)
    rouse.start()
    os.chmod(rouse.conf, 0o600)
    expect(doctor(rouse), {}, "what is wrong with it where nobody else can read it")
    os.chmod(rouse.conf, 0o644)
    found = doctor(rouse, 1)[("secrets", "fail")]
    check(rouse.conf in found and SECRET not in found, found)


@scenario("a state folder that others can look into")
def _(rouse):
    well(rouse)
    rouse.start()
    os.chmod(rouse.state, 0o755)
    check(rouse.state in doctor(rouse)[("state folder", "warn")], "it names the folder")
    os.chmod(rouse.state, 0o777)
    check(rouse.state in doctor(rouse, 1)[("state folder", "fail")], "it names the folder")


@scenario("a dead source, an open breaker, dead letters, and that everything is halted")
def _(rouse):
    rouse.agent("a", "exit 1", retry__attempts=1, breaker__min=4)
    rouse.webhook("push", agent="a")
    rouse.section("trigger mail", source="imap", url="imap://127.0.0.1:1/INBOX", user="u", password="plain:p", agent="a", starttls="none")
    rouse.start()
    for n in range(4):
        rouse.wait_run(rouse.deliver("push", {"n": n}).run_id, "failed")
    wait("the mailbox is found dead", lambda: any(t["health"] == "failing" for t in rouse.items("/v1/triggers")))
    found = doctor(rouse, 1)
    check("trigger mail is failing" in found[("sources", "fail")] and "rouse why mail" in found[("sources", "fail")], found)
    check("agent a is left alone" in found[("breakers", "warn")], found)
    check("4 failed runs" in found[("dead letters", "warn")], found)
    rouse.cli("halt")
    check("rouse resume" in doctor(rouse, 1)[("queue", "fail")], "it says how to go on")


@scenario("a shim whose folder is gone")
def _(rouse):
    rouse.agent("a", "exec sleep 6271")
    rouse.webhook("push", agent="a")
    rouse.start()
    run = rouse.deliver("push").run_id
    shim = wait("the shim runs", lambda: next((pid for pid in descendants() if cmdline(pid).split(" ")[0].endswith("rouse-shim")), None))
    rouse.wait_run(run, "running")
    expect(doctor(rouse), {}, "what is wrong while it is known")
    folder = cmdline(shim).split(" ")[1].strip("\0")
    os.rename(folder, folder + "-lost")
    check(f"process {shim} " in doctor(rouse)[("shims", "warn")], "it names the process")
    os.rename(folder + "-lost", folder)
    rouse.cli("run", "cancel", run)
    rouse.wait_run(run, "cancelled")


@scenario("where no daemon answers it says so first, and looks at what can be seen without one")
def _(rouse):
    well(rouse)
    rouse.write_config()
    os.makedirs(rouse.state, 0o700, exist_ok=True)
    rows = rouse.cli("doctor", "--json", "-c", rouse.conf, expect_code=1).lines
    expect((rows[0]["check"], rows[0]["state"]), ("daemon", "fail"), "the first row")
    expect({row["check"] for row in rows if row["state"] == "ok"} >= {"configuration", "secrets", "state folder"}, True, f"what it looked at: {rows}")
    rouse.section("agent a", nonsense=1)
    rouse.write_config()
    check(any(row["check"] == "configuration" and row["state"] == "fail" for row in
              rouse.cli("doctor", "--json", "-c", rouse.conf, expect_code=1).lines), "a configuration that does not load")


@scenario("a certificate that ends soon")
def _(rouse):
    needs_program("openssl")
    cert, key = os.path.join(rouse.dir, "c.pem"), os.path.join(rouse.dir, "c.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "5", "-subj", "/CN=x",
                    "-out", cert, "-keyout", key], check=True, stderr=subprocess.DEVNULL, timeout=60)
    well(rouse)
    rouse.section("http", tls_cert=cert, tls_key=key)
    rouse.start()
    check("within 5 days" in doctor(rouse)[("certificate", "warn")], "it says when")


@scenario("it is for administrators: a token that may read alone is refused")
def _(rouse):
    well(rouse)
    rouse.start()
    token = rouse.cli("token", "create", "reader", "--scope", "read").out.split()[-1]
    url = f"http://127.0.0.1:{rouse.port}"
    rouse.cli("doctor", "--url", url, "--token", token, expect_code=4)


main()
