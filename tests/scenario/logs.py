#!/usr/bin/env python3
# Scenario: the log: lines that nobody can forge, repeats that are counted, and no secret anywhere.
# SPDX-License-Identifier: MIT
import re
from lib import *

sys.path.insert(0, os.path.join(SOURCE, "tests/fakes"))
from otlp import Collector

PATIENT = 60
TEXT_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (error|warning|info|debug) \S.*$")
NASTY = 'x"\n2026-11-21T00:00:00.000Z error forged=yes\r\x1b[2J\u202e\u2028{"level":"error"}'


def hostile(rouse):
    """A daemon that has heard hostile words wherever words go."""
    rouse.agent("bad", says({"type": "error", "message": NASTY, "retry": False}, exit=64))
    rouse.agent("raw", "#!/usr/bin/env python3\nimport sys\nsys.stdin.readline()\nsys.stdout.buffer.write(b'\\xff\\xfe\\x00 not utf-8\\r\\n')\nsys.stderr.write(" + repr(NASTY) + ")\nsys.exit(64)\n")
    rouse.webhook("push", agent="bad", key=".data.key", entity=".data.key", tenant=".data.key")
    rouse.webhook("raw", agent="raw")
    rouse.start()
    for hook in ("push", "raw"):
        rouse.wait_run(rouse.deliver(hook, {"key": NASTY}).expect(202).run_id, "failed", PATIENT)
    rouse.deliver("push", {"key": NASTY}, secret="wrong", headers={"X-GitHub-Event": "a\tb", "User-Agent": "\\n forged"})
    rouse.http("POST", "/hooks/none%0Aforged")
    rouse.api("POST", "/v1/runs/none%0aforged/cancel", {"reason": NASTY})
    rouse.api("POST", "/v1/halt", {"reason": NASTY})
    rouse.stop()
    return rouse.log_text().splitlines()


@scenario("hostile words end no line of text, and forge none")
def _(rouse):
    lines = hostile(rouse)
    for line in lines:
        check(TEXT_LINE.match(line), f"a line of the log: {line!r}")
        check(not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029]", line), f"no control character: {line!r}")
    expect([line for line in lines if re.match(r"\S+ error forged", line)], [], "forged lines")
    check(len(lines) > 10, "there are lines")


@scenario("nor of JSON: each line is an object of strings, with time, level and message")
def _(rouse):
    rouse.section("daemon", log_format="json")
    for line in hostile(rouse):
        record = json.loads(line)
        check(record["level"] in ("error", "warning", "info", "debug") and re.match(r"\d{4}-.*Z$", record["time"]) and record["message"], line)
        check(all(isinstance(v, str) for v in record.values()), f"strings: {line}")


@scenario("the same line again and again is counted, and the count is told when it is quiet, or at the end")
def _(rouse):
    rouse.start()
    for n in range(60):
        rouse.write_config()
        with open(rouse.conf, "a") as f:
            f.write("[daemon]\nno_such_key = 1\n")
        rouse.cli("reload", expect_code=None)
    wait("the count is told by itself", lambda: re.search("error reload refused.* repeated=[0-9]+", rouse.log_text()), PATIENT)
    rouse.stop()
    lines = [line for line in rouse.log_text().splitlines() if "reload refused" in line]
    counted = sum(int(n) for n in re.findall("repeated=([0-9]+)", "\n".join(lines)))
    written = len([line for line in lines if "repeated=" not in line])
    expect(written + counted, 60, "lines, written or counted")
    check(written < 60, "not all of them are written")


@scenario("no secret in any output, wherever one is set")
def _(rouse):
    word = "Zq7-secret-word-9931"
    collector = Collector()
    path = os.path.join(rouse.dir, "the-secret")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        f.write(word + "\n")
    rouse.env["THE_SECRET"] = word
    rouse.crm()
    rouse.agent("coder", says(change(), RESULT), targets="crm")
    rouse.agent("talker", says(RESULT))
    rouse.webhook("push", agent="coder", secret=word)
    rouse.section("trigger bear", source="webhook", agent="talker", verify="bearer", secret="env:THE_SECRET")
    rouse.section("target api", kind="http", url="http://127.0.0.1:9/{entity}", auth="file:" + path)
    rouse.section("notify hook", kind="http", url="http://127.0.0.1:9/", auth="plain:" + word, secret="file:" + path, allow_private="yes", retry__attempts="1")
    rouse.section("model m", url="http://127.0.0.1:9", key="file:" + path, input_price="1", output_price="1")
    rouse.section("telemetry", otlp_url=collector.url, otlp_delay="20ms", logs="debug", **{"otlp_header.X-Key": "plain:" + word})
    rouse.start()
    shown = []
    run = rouse.deliver("push", secret=word).expect(202).run_id
    rouse.wait_run(run, "succeeded", PATIENT)
    rouse.deliver("push", secret="other-" + word[::-1])
    rouse.http("POST", "/hooks/bear", {}, {"Authorization": "Bearer " + word}).expect(202)
    rouse.http("POST", "/hooks/bear", {}, {"Authorization": "Bearer not-" + word[::-1]})
    rouse.cli("notify", "test", "hook", expect_code=None)
    for words in (["trigger", "show", "push"], ["trigger", "list", "--json"], ["agent", "show", "coder"], ["run", "show", run, "--json"], ["why", run], ["status"],
                  ["check", "-c", rouse.conf], ["event", "list", "--json"], ["notify", "list"], ["reload"], ["doctor"]):
        said = rouse.cli(*words, expect_code=None)
        shown.append((" ".join(words), said.out + said.err))
    for path in ("/metrics", "/health", "/v1/triggers", "/v1/agents", "/v1/events?limit=100", "/v1/runs?limit=100", "/v1/openapi.json"):
        shown.append((path, rouse.api("GET", path).body.decode()))
    os.kill(rouse.daemon.pid, signal.SIGUSR1)
    wait("the run is told", lambda: collector.of_run(run), PATIENT)
    rouse.stop()
    shown += [("log", rouse.log_text()), ("bodies to the collector", "".join(r["raw"].decode() for r in collector.requests))]
    with open(rouse.db, "rb") as f:
        shown.append(("database", f.read().decode("latin-1")))
    for what, text in shown:
        check(word not in text, f"the secret is in: {what}")
    check(any(r["headers"].get("X-Key") == word for r in collector.requests), "but where it belongs it is")


main()
