#!/usr/bin/env python3
# Scenario: a wrong configuration is told with file and line, and never half taken.
# SPDX-License-Identifier: MIT
import re

from lib import *


def sound(rouse):
    rouse.agent("ok", says(RESULT))
    rouse.webhook("push", agent="ok")


def wrong(rouse, where, *words):
    """rouse check says FILE:LINE of the text `where`, and these words; so does the daemon, which does not start."""
    if rouse.daemon is None:
        rouse.write_config()
    with open(rouse.conf) as f:
        line = next(n for n, text in enumerate(f, 1) if where in text)
    said = rouse.cli("check", rouse.conf, expect_code=1)
    for word in (f"rouse.conf:{line}", *words):
        check(word in said.out + said.err, f"it should say {word!r}: {said}")


@scenario("a sound configuration is found sound")
def _(rouse):
    sound(rouse)
    rouse.write_config()
    rouse.cli("check", rouse.conf)


@scenario("an unknown key is an error, with a suggestion")
def _(rouse):
    sound(rouse)
    rouse.section("agent ok", concurency=2)
    wrong(rouse, "concurency", "concurrency")
    expect(rouse.refuses_to_start("concurency"), 78, "exit status (EX_CONFIG)")


@scenario("an agent that is not there is an error")
def _(rouse):
    sound(rouse)
    rouse.section("trigger push", agent="okk")
    wrong(rouse, "agent = okk", "okk")


@scenario("a line above 199 bytes is an error, and not cut")
def _(rouse):
    sound(rouse)
    rouse.section("trigger push", filter="true " + "or true " * 30)
    wrong(rouse, "filter", "199")


@scenario("a long value on indented lines is taken whole")
def _(rouse):
    sound(rouse)
    rouse.section("trigger push", filter="\n".join(["true"] + ["or .data.never"] * 30 + ["| not"]))
    rouse.start()
    rouse.deliver("push").expect(200, 202)
    expect(rouse.items("/v1/events")[0]["outcome"], "filtered", "outcome: the last line counts")


@scenario("a section name above its limit is an error")
def _(rouse):
    sound(rouse)
    rouse.section("agent " + "a" * 60, kind="exec", command="/bin/true")
    wrong(rouse, "[agent aaa", "49")


@scenario("an inline comment is an error, and not cut")
def _(rouse):
    sound(rouse)
    rouse.section("agent ok", concurrency="2 ; two")
    wrong(rouse, "; two", ";")


@scenario("two triggers on one path are an error")
def _(rouse):
    sound(rouse)
    rouse.webhook("other", agent="ok", path="/hooks/push")
    wrong(rouse, "path = /hooks/push", "push")


@scenario("a jq program that does not compile is an error")
def _(rouse):
    sound(rouse)
    rouse.section("trigger push", filter=".data | nosuch(")
    wrong(rouse, "nosuch", "filter")


@scenario("all errors of a file are shown at once")
def _(rouse):
    sound(rouse)
    rouse.section("agent ok", concurrency="many", budget__deadline="soon")
    rouse.section("trigger push", mode="maybe")
    rouse.write_config()
    said = rouse.cli("check", rouse.conf, expect_code=1)
    for word in ("many", "soon", "maybe"):
        check(word in said.out + said.err, f"it should say {word!r}: {said}")


@scenario("a bad file changes nothing on reload, and the errors are shown")
def _(rouse):
    sound(rouse)
    rouse.start()
    rouse.section("agent ok", concurency=2)
    rouse.write_config()
    said = rouse.cli("reload", expect_code=1)
    check("concurency" in said.out + said.err, f"the error should be shown: {said}")
    rouse.daemon.send_signal(signal.SIGHUP)
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, "succeeded")


@scenario("SIGHUP takes up a new trigger, and keeps what runs")
def _(rouse):
    sound(rouse)
    rouse.agent("slow", "read e; echo >>$D/started; while [ ! -e $D/go ]; do sleep 0.05; done; echo '" + json.dumps(RESULT) + "'\n")
    rouse.webhook("slow", agent="slow")
    rouse.start()
    run = rouse.deliver("slow").expect(202).run_id
    wait("the agent runs", lambda: rouse.marks("started"))
    rouse.webhook("second", agent="ok")
    del rouse.sections["trigger slow"], rouse.sections["agent slow"]
    rouse.write_config()
    rouse.daemon.send_signal(signal.SIGHUP)
    wait("the new hook is there", lambda: rouse.deliver("second").status == 202)
    rouse.deliver("slow").expect(404)
    open(os.path.join(rouse.dir, "go"), "w").close()
    rouse.wait_run(run, "succeeded")


@scenario("rouse trigger add writes a trigger that works, with a secret of its own")
def _(rouse):
    rouse.agent("triage", says(RESULT))
    rouse.start()
    said = rouse.cli("trigger", "add", "github-pr", "--source", "webhook", "--verify", "github", "--agent", "triage")
    check("/hooks/github-pr" in said.out, "it prints the URL")
    path = next(line.split()[1] for line in said.out.splitlines() if line.startswith("Secret:"))
    expect(os.stat(path).st_mode & 0o077, 0, "rights of others on the secret")
    with open(path) as f:
        secret = f.read().strip()
    check(len(secret) >= 32, "a long secret")
    rouse.deliver("github-pr", secret=secret).expect(202)
    rouse.deliver("github-pr", secret="guessed").expect(401)
    rouse.restart()
    rouse.deliver("github-pr", secret=secret).expect(202)
    rouse.cli("trigger", "add", "github-pr", "--source", "webhook", "--verify", "github", "--agent", "triage", expect_code=4)
    rouse.cli("trigger", "add", "other", "--source", "webhook", "--verify", "github", "--agent", "nobody", expect_code=1)
    rouse.deliver("github-pr", secret=secret).expect(202)


@scenario("rouse trigger add prints a curl line that works")
def _(rouse):
    needs_program("curl")
    rouse.agent("triage", says(RESULT))
    rouse.start()
    out = rouse.cli("trigger", "add", "push", "--source", "webhook", "--verify", "github", "--agent", "triage").out
    line = out[out.index("Try it:") + len("Try it:") :]
    process = spawn(["sh", "-c", line], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                    env={"PATH": BUILD + ":" + os.environ["PATH"], "ROUSE_SOCKET": rouse.socket})
    said, _ = process.communicate(timeout=20)
    wait("the curl line made a run", lambda: len(rouse.runs()) == 1 or (_ for _ in ()).throw(Failed(f"{line!r} said {said!r}")), 5)

def examples(rouse, wake):
    """A configuration of all examples; wake: also what stands there as a comment."""
    folder = os.path.join(SOURCE, "etc", "examples")
    secrets = os.path.join(rouse.dir, "secrets")
    os.makedirs(secrets, exist_ok=True)
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".conf"):
            continue
        with open(os.path.join(folder, name)) as f:
            text = f.read()
        if wake:
            text = re.sub(r"^#(?=\[|[a-z_.]+ = )", "", text, flags=re.M)
        for secret in re.findall(r"file:/etc/rouse/secrets/([\w.-]+)", text):
            with open(os.open(os.path.join(secrets, secret), os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
                f.write("s3cret\n")
        text = text.replace("/etc/rouse/secrets", secrets)
        below = os.path.join(rouse.dir, "rouse.conf" if name == "daemon.conf" else os.path.join("triggers.d", name))
        os.makedirs(os.path.dirname(below), exist_ok=True)
        with open(below, "w") as f:
            f.write(text)
    return [line for line in rouse.cli("check", "-c", os.path.join(rouse.dir, "rouse.conf"), expect_code=None).err.splitlines() if line]


@scenario("every example passes rouse check")
def _(rouse):
    expect([line for line in examples(rouse, wake=False) if not line.startswith("warning: ")], [], "what is wrong with the examples")


@scenario("so does every example with what its comments offer, but for files that are not here")
def _(rouse):
    wrong = [line for line in examples(rouse, wake=True) if not line.startswith("warning: ")]
    expect([line for line in wrong if "No such file" not in line and "does not exist" not in line], [], "what is wrong with the comments")


main()
