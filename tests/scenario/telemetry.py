#!/usr/bin/env python3
# Scenario: traces and logs for a collector: one trace from the caller to the applied change, whatever ends in between.
# SPDX-License-Identifier: MIT
import re
from lib import *

sys.path.insert(0, os.path.join(SOURCE, "tests/fakes"))
from otlp import Collector, plain

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
INCOMING = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
PATIENT = 60


def collected(rouse, **keys):
    """A collector, and a daemon's section that sends to it."""
    collector = Collector()
    rouse.section("telemetry", **{"otlp_url": collector.url, "otlp_delay": "20ms", "logs": "none", **keys})
    return collector


def worker(rouse, *more, **keys):
    rouse.agent("coder", says({"type": "step", "name": "plan", "status": "start"},
                              {"type": "tool_start", "name": "read", "id": "t1", "args": {"path": "secret-argument"}},
                              {"type": "tool_end", "id": "t1", "ok": True},
                              {"type": "step", "name": "plan", "status": "done", "output": 1},
                              {"type": "tool_start", "name": "search", "id": "t2"},
                              {"type": "tool_end", "id": "t2", "ok": False, "error": "no such thing"},
                              {"type": "usage", "input_tokens": 100, "output_tokens": 20, "cache_read_tokens": 5, "cost_usd": 0.01},
                              *more, RESULT), **({"targets": "crm"} if more else {}), **keys)


def wait_spans(collector, run, count):
    return wait(f"{count} spans of the run", lambda: collector.of_run(run) if len(collector.of_run(run)) >= count else None, PATIENT)


def tree(spans):
    """{name: name of its parent}, a caller's id where it is none of ours."""
    by_id = {s["spanId"]: s["name"] for s in spans}
    return {s["name"]: by_id.get(s.get("parentSpanId"), s.get("parentSpanId")) for s in spans}


def once(spans):
    ids = [s["spanId"] for s in spans]
    expect(len(ids), len(set(ids)), f"spans are sent once: {sorted(s['name'] for s in spans)}")


def said(rouse, words):
    return rouse.log_text().count(words)


def metric(rouse, line):
    found = re.search("^" + re.escape(line) + " (.*)$", rouse.api("GET", "/metrics").expect(200).body.decode(), re.M)
    return float(found.group(1)) if found else 0


@scenario("a caller's trace goes through queue, run, steps, tools and change to the apply, over a restart")
def _(rouse):
    collector = collected(rouse)
    rouse.crm()
    worker(rouse, change())
    rouse.webhook("push", agent="coder")
    rouse.start()
    run = rouse.deliver("push", headers=INCOMING).expect(202).run_id
    rouse.wait_run(run, "succeeded")
    wait_spans(collector, run, 8)
    rouse.restart()
    [staged] = rouse.changes(run=run)
    rouse.cli("approve", staged["id"])
    rouse.wait_change(staged["id"], "applied")
    spans = wait_spans(collector, run, 9)
    rouse.stop()
    expect(collector.complaints, [], "what is against the schema")
    expect({s["traceId"] for s in spans}, {TRACE}, "one trace")
    once(collector.spans)
    expect(tree(spans), {
        "webhook push": CALLER, "queue coder": "webhook push", "invoke_agent coder": "queue coder", "attempt 1": "invoke_agent coder",
        "step plan": "attempt 1", "execute_tool read": "step plan", "execute_tool search": "attempt 1", "stage crm": "attempt 1",
        "apply crm": "stage crm"}, "who is below whom")
    by_name = {s["name"]: s for s in spans}
    agent = plain(by_name["invoke_agent coder"]["attributes"])
    expect({k: v for k, v in agent.items() if k.startswith("gen_ai.")},
           {"gen_ai.operation.name": "invoke_agent", "gen_ai.provider.name": "rouse", "gen_ai.agent.name": "coder",
            "gen_ai.usage.input_tokens": 105, "gen_ai.usage.cache_read.input_tokens": 5, "gen_ai.usage.output_tokens": 20}, "the run in the words of the conventions")
    tool = plain(by_name["execute_tool search"]["attributes"])
    expect((tool["gen_ai.operation.name"], tool["gen_ai.tool.name"], tool["gen_ai.tool.call.id"], tool["error.type"]),
           ("execute_tool", "search", "t2", "tool_error"), "the tool that failed")
    expect(by_name["execute_tool search"]["status"], {"code": 2, "message": "no such thing"}, "its status")
    expect(by_name["invoke_agent coder"]["status"], {"code": 1}, "the run's status")
    check(not any(b"secret-argument" in r["raw"] for r in collector.requests), "what a tool was given is not told")
    with sqlite3.connect(rouse.db) as db:
        expect(db.execute("SELECT COUNT(*) FROM spans_due").fetchone(), (0,), "nothing waits")


@scenario("a daemon that is killed while an agent works: the next one tells the steps that began before")
def _(rouse):
    collector = collected(rouse)
    rouse.agent("slow", "read e\necho '{\"type\":\"step\",\"name\":\"long\",\"status\":\"start\"}'\ntouch $D/began\n"
                "while [ ! -e $D/go ]; do sleep 0.05; done\necho '{\"type\":\"step\",\"name\":\"long\",\"status\":\"done\"}'\n"
                "echo '{\"type\":\"result\",\"output\":1}'\n")
    rouse.webhook("push", agent="slow")
    rouse.start()
    run = rouse.deliver("push", headers=INCOMING).expect(202).run_id
    wait("the step is kept", lambda: rouse.run(run)["steps"] == 1, PATIENT)
    rouse.kill_9()
    open(os.path.join(rouse.dir, "go"), "w").close()
    rouse.start()
    rouse.wait_run(run, "succeeded", PATIENT)
    spans = wait_spans(collector, run, 5)
    rouse.stop()
    once([s for s in spans if s["name"] != "webhook push"])
    expect({s["traceId"] for s in spans}, {TRACE}, "one trace")
    expect(tree(spans)["step long"], "attempt 1", "the step's parent")
    expect(collector.complaints, [], "what is against the schema")


@scenario("one daemon takes over from another again and again: each span comes once, whoever it was that sent it")
def _(rouse):
    collector = collected(rouse)
    worker(rouse)
    rouse.webhook("push", agent="coder")
    rouse.start()
    runs = []
    for _ in range(4):
        runs += [rouse.deliver("push", headers={"traceparent": f"00-{os.urandom(16).hex()}-{CALLER}-01"}).expect(202).run_id for _ in range(5)]
        with open(rouse.log, "ab") as log:
            new = spawn([os.path.join(BUILD, "roused"), "-c", rouse.conf, "--take-over"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "")})
        expect(rouse.ended(60), 0, "exit status of the old one")
        rouse.daemon = new
        wait("the new one is ready", lambda: rouse.api("GET", "/readyz").status == 200, PATIENT)
    for run in runs:
        rouse.wait_run(run, "succeeded", PATIENT)
        wait_spans(collector, run, 7)
    rouse.stop()
    once(collector.spans)
    expect(len({s["traceId"] for s in collector.spans}), len(runs), "traces")
    expect(collector.complaints, [], "what is against the schema")


@scenario("what ends while the receiver is away waits on disk, over a restart, and is told once")
def _(rouse):
    collector = collected(rouse)
    port = collector.port
    collector.close()
    worker(rouse)
    rouse.webhook("push", agent="coder")
    rouse.start()
    runs = [rouse.deliver("push").expect(202).run_id for _ in range(5)]
    for run in runs:
        rouse.wait_run(run, "succeeded", PATIENT)
    wait("the log says so", lambda: said(rouse, "telemetry is not taken now"), PATIENT)
    rouse.restart()
    wait("spans wait", lambda: metric(rouse, 'rouse_telemetry_waiting{signal="traces"}') >= 5, PATIENT)
    collector = Collector(port)
    for run in runs:
        wait_spans(collector, run, 7)
    wait("nothing waits", lambda: metric(rouse, 'rouse_telemetry_waiting{signal="traces"}') == 0, PATIENT)
    rouse.stop()
    once(collector.spans)
    expect(collector.complaints, [], "what is against the schema")
    check(said(rouse, "telemetry is not taken now") <= 2, "each daemon says it once")


@scenario("503, 429 with Retry-After, a 502 with many words and garbage are tried again, with the same words")
def _(rouse):
    collector = collected(rouse)
    collector.plan = [503, (429, {"Retry-After": "4"}, b""), (502, {}, b"x" * 100000), "garbage"]
    worker(rouse)
    rouse.webhook("push", agent="coder")
    rouse.start()
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, "succeeded", PATIENT)
    spans = wait_spans(collector, run, 7)
    wait("the log says that it is well", lambda: said(rouse, "telemetry is taken again"), PATIENT)
    rouse.stop()
    once(spans)
    first, *others = collector.requests[:5]
    expect({r["raw"] for r in others}, {first["raw"]}, "each try says the same")
    check(collector.requests[2]["at"] - collector.requests[1]["at"] > 2.5, "Retry-After is waited for, not the pause of a second try")
    expect((said(rouse, "telemetry is not taken now"), said(rouse, "telemetry is taken again")), (1, 1), "times that it was said")
    expect(collector.complaints, [], "what is against the schema")


@scenario("400 is not tried again: it is counted, said once, and what follows goes")
def _(rouse):
    collector = collected(rouse)
    collector.plan = [(400, {}, b'{"message":"I do not like it"}')] * 2
    worker(rouse)
    rouse.webhook("push", agent="coder")
    rouse.start()
    wait("two bodies are refused", lambda: rouse.deliver("push").expect(202) and len(collector.requests) >= 2, PATIENT)
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, "succeeded", PATIENT)
    wait("the run is told", lambda: [s for s in collector.of_run(run) if s["name"] == "invoke_agent coder"], PATIENT)
    wait("they are counted", lambda: metric(rouse, 'rouse_telemetry_dropped_total{signal="traces",reason="refused"}') >= 2, PATIENT)
    wait("and so is what was taken", lambda: metric(rouse, 'rouse_telemetry_sent_total{signal="traces"}') >= 1, PATIENT)
    expect(said(rouse, "telemetry is lost"), 1, "times that it was said")
    check("I do not like it" in rouse.log_text(), "with the receiver's words")


@scenario("what the receiver rejects of a body is counted and not sent again; a body that is too large goes in parts")
def _(rouse):
    collector = collected(rouse, otlp_delay="200ms")
    partial = [(200, {}, b'{"partialSuccess":{"rejectedSpans":"2","errorMessage":"two were bad"}}')]
    too_large = lambda path, raw: (413, {}, b"") if raw.count(b'"kind"') > 8 else partial.pop() if partial else (200, {}, b"{}")
    collector.plan = [too_large] * 100
    worker(rouse)
    rouse.webhook("push", agent="coder")
    rouse.start()
    for _ in range(8):
        rouse.deliver("push").expect(202)
    wait("all is told", lambda: len(collector.named("invoke_agent")) == 8 and len(collector.named("webhook")) == 8, PATIENT)
    check(any(r["raw"].count(b'"kind"') > 8 for r in collector.requests), "something was too large")
    wait("two are counted as rejected", lambda: metric(rouse, 'rouse_telemetry_dropped_total{signal="traces",reason="rejected"}') == 2, PATIENT)
    once(collector.spans)
    wait("the receiver's words are told", lambda: said(rouse, "two were bad"), PATIENT)


@scenario("a receiver that is slow holds up nobody, and a daemon that stops waits little for it")
def _(rouse):
    collector = collected(rouse)
    collector.plan = ["slow"] * 50
    worker(rouse)
    rouse.webhook("push", agent="coder")
    rouse.start()
    runs = [rouse.deliver("push").expect(202).run_id for _ in range(10)]
    for run in runs:
        rouse.wait_run(run, "succeeded", PATIENT)
    expect(rouse.api("GET", "/readyz").status, 200, "readyz")
    rouse.stop()
    collector.slow.set()


@scenario("bodies go over one connection, and once all is told nothing wakes the daemon")
def _(rouse):
    collector = collected(rouse, otlp_delay="10ms")
    worker(rouse)
    rouse.webhook("push", agent="coder")
    rouse.start()
    for _ in range(5):
        run = rouse.deliver("push").expect(202).run_id
        rouse.wait_run(run, "succeeded", PATIENT)
        wait("it is told", lambda: [s for s in collector.of_run(run) if s["name"] == "invoke_agent coder"], PATIENT)

    def switches():
        tasks = f"/proc/{rouse.daemon.pid}/task"
        return [re.search("^voluntary_ctxt_switches:\\s*([0-9]+)", open(f"{tasks}/{t}/status").read(), re.M).group(1) for t in sorted(os.listdir(tasks))]

    def rests():
        before = switches()
        time.sleep(1.5)
        return switches() == before

    wait("nothing wakes it for a while", rests, PATIENT)
    check(len(collector.requests) >= 5, "there were some bodies")
    check(len(collector.peers) < len(collector.requests), f"{len(collector.requests)} bodies over {len(collector.peers)} connections")


@scenario("a caller that does not sample is not told of, nor is what is left out by chance; the flag goes on to the agent")
def _(rouse):
    collector = collected(rouse, sample="0")
    rouse.agent("env", "read e\necho \"$TRACEPARENT\" >>$D/mark\necho '{\"type\":\"result\",\"output\":1}'\n")
    rouse.webhook("push", agent="env")
    rouse.start()
    dark = rouse.deliver("push", headers={"traceparent": f"00-{TRACE}-{CALLER}-00"}).expect(202).run_id
    rouse.wait_run(dark, "succeeded", PATIENT)
    own = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(own, "succeeded", PATIENT)
    bright = rouse.deliver("push", headers=INCOMING).expect(202).run_id
    rouse.wait_run(bright, "succeeded", PATIENT)
    wait_spans(collector, bright, 4)
    rouse.stop()
    expect({plain(s["attributes"])["rouse.run.id"] for s in collector.spans}, {bright}, "runs that were told")
    expect([mark[-2:] for mark in rouse.marks()], ["00", "00", "01"], "flags that the agents got")
    check(rouse.marks()[2].startswith(f"00-{TRACE}-"), "the agent is in the caller's trace")
    run_span = next(s for s in collector.spans if s["name"] == "invoke_agent env")
    expect(rouse.marks()[2].split("-")[2], run_span["spanId"], "the span that the agent's own ones hang under")


@scenario("attempts that fail are told each; a run that is cancelled in the queue, too; an event that only replays links to the run")
def _(rouse):
    collector = collected(rouse)
    rouse.agent("flaky", "read e\nif [ -e $D/again ]; then echo '{\"type\":\"result\",\"output\":1}'; else touch $D/again; exit 75; fi\n",
                retry__base="10ms", retry__attempts="3")
    rouse.agent("never", "exit 0\n")
    rouse.webhook("push", agent="flaky")
    rouse.webhook("idle", agent="never")
    rouse.start()
    run = rouse.deliver("push", id="same", headers=INCOMING).expect(202).run_id
    rouse.wait_run(run, "succeeded", PATIENT)
    expect(rouse.deliver("push", id="same").status, 200, "the replay")
    rouse.cli("pause", "--agent", "never")
    idle = rouse.deliver("idle").expect(202).run_id
    rouse.cli("run", "cancel", idle)
    spans = wait_spans(collector, run, 6)
    wait_spans(collector, idle, 3)
    rouse.stop()
    below = tree(spans)
    expect((below["attempt 1"], below["attempt 2"]), ("invoke_agent flaky", "invoke_agent flaky"), "attempts below their run")
    status = {s["name"]: s.get("status", {}).get("code") for s in spans}
    expect((status["attempt 1"], status["attempt 2"], status["invoke_agent flaky"]), (2, 1, 1), "how they ended")
    replay = next(s for s in spans if s["name"] == "webhook push" and plain(s["attributes"])["rouse.event.outcome"] == "replayed")
    [link] = replay["links"]
    expect((link["traceId"], link["spanId"]), (TRACE, next(s["spanId"] for s in spans if s["name"].startswith("invoke"))), "the link of the replay")
    expect(sorted(s["name"] for s in collector.of_run(idle)), ["invoke_agent never", "queue never", "webhook idle"], "the run that never ran")
    once(collector.spans)
    expect(collector.complaints, [], "what is against the schema")


@scenario("what agents print, hostile as it may be, is told as it should be")
def _(rouse):
    collector = collected(rouse)
    nasty = "a\"b\\c\n\u202e\x07\u2028" + "x" * 9000
    rouse.agent("odd", "#!/usr/bin/env python3\nimport sys\nsys.stdin.readline()\nout=sys.stdout.buffer\n" +
                "".join(f"out.write({(json.dumps(m) if not isinstance(m, bytes) else m.decode('latin-1')).encode('latin-1')!r} + b'\\n')\n" for m in [
                    {"type": "step"}, {"type": "step", "status": "done"}, {"type": "step", "name": nasty, "status": "done"},
                    {"type": "tool_end", "name": nasty, "id": 7, "ok": False, "error": {"deep": [nasty]}}, {"type": "tool_start", "name": {"no": 1}},
                    {"type": "tool_start", "name": "never ends", "id": "x"}, {"type": "step", "name": "nor this", "status": "start"},
                    b'{"type":"tool_start","name":"\xff\xfe"}', {"type": "result", "output": nasty}]) +
                "for n in range(70): out.write(b'{\"type\":\"step\",\"name\":\"s%d\",\"status\":\"start\"}\\n' % n)\n",
                budget__steps=1000, budget__tools=1000)
    rouse.webhook("push", agent="odd")
    rouse.start()
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, "succeeded", PATIENT)
    wait("the run is told", lambda: [s for s in collector.of_run(run) if s["name"] == "invoke_agent odd"], PATIENT)
    rouse.stop()
    expect(collector.complaints, [], "what is against the schema")
    once(collector.spans)
    ends = {s["name"]: plain(s["attributes"]).get("rouse.unfinished") for s in collector.of_run(run)}
    expect((ends["execute_tool never ends"], ends["step nor this"]), ("yes", "yes"), "what never ended")


@scenario("more than may wait is counted, said once, and the daemon goes on")
def _(rouse):
    collector = collected(rouse, otlp_queue="5")
    port = collector.port
    collector.close()
    worker(rouse)
    rouse.webhook("push", agent="coder")
    rouse.start()
    for run in [rouse.deliver("push").expect(202).run_id for _ in range(20)]:
        rouse.wait_run(run, "succeeded", PATIENT)
    wait("they are counted", lambda: metric(rouse, 'rouse_telemetry_dropped_total{signal="traces",reason="full"}') >= 1, PATIENT)
    check(said(rouse, "telemetry is lost") + said(rouse, "telemetry is not taken now") <= 1, "said once")
    collector = Collector(port)
    wait("what is left is told", lambda: metric(rouse, 'rouse_telemetry_waiting{signal="traces"}') == 0, PATIENT)
    check(len(collector.named("webhook")) < 20, "not all of them")
    check(len(collector.named("webhook")) >= 1, "but the latest")


@scenario("headers are secrets: sent along, and nowhere else; the resource says what the section says")
def _(rouse):
    secret = os.path.join(rouse.dir, "key")
    with open(os.open(secret, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        f.write("Bearer hush-hush-9000\n")
    collector = collected(rouse, logs="debug", service="wake", **{"otlp_header.Authorization": "file:" + secret, "attribute.deployment.environment.name": "test"})
    worker(rouse)
    rouse.webhook("push", agent="coder")
    rouse.start()
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, "succeeded", PATIENT)
    wait_spans(collector, run, 7)
    wait("its lines are told", lambda: [r for r in collector.records if plain(r["attributes"]).get("rouse.run.id") == run], PATIENT)
    shown = rouse.cli("agent", "list").out + rouse.api("GET", "/metrics").body.decode() + json.dumps(rouse.run(run))
    rouse.stop()
    expect({r["headers"].get("Authorization") for r in collector.requests}, {"Bearer hush-hush-9000"}, "what the receiver saw")
    for what, where in (("log", rouse.log_text()), ("answers", shown), ("bodies", "".join(r["raw"].decode() for r in collector.requests))):
        check("hush-hush" not in where, f"the secret is not in {what}")
    expect({s["service"] for s in collector.spans + collector.records}, {"wake"}, "service.name")
    expect(collector.spans[0]["resource"]["deployment.environment.name"], "test", "an attribute of the section")
    expect(collector.complaints, [], "what is against the schema")


@scenario("lines of the log are told with their level and their pairs, those of the end included")
def _(rouse):
    collector = collected(rouse, logs="info")
    worker(rouse)
    rouse.webhook("push", agent="coder")
    rouse.start()
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, "succeeded", PATIENT)
    wait("the run's end is told", lambda: [r for r in collector.records if r["body"]["stringValue"] == "run ends"], PATIENT)
    rouse.stop()
    words = [r["body"]["stringValue"] for r in collector.records]
    for word in ("ready", "run starts", "run ends", "stopping; running agents go on, and the next roused takes them up"):
        check(word in words, f"{word!r} is told")
    end = next(r for r in collector.records if r["body"]["stringValue"] == "run ends")
    expect((end["severityNumber"], end["severityText"]), (9, "INFO"), "its level")
    about = plain(end["attributes"])
    expect((about["rouse.run.id"], about["rouse.agent"], about["rouse.status"]), (run, "coder", "succeeded"), "its pairs")
    check(not [r for r in collector.records if r["severityText"] == "DEBUG"], "no more than is asked for")
    expect(collector.complaints, [], "what is against the schema")


@scenario("a reload turns it on and off; who turns it on hears of what comes from then on")
def _(rouse):
    worker(rouse)
    rouse.webhook("push", agent="coder")
    rouse.start()
    before = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(before, "succeeded", PATIENT)
    collector = collected(rouse)
    rouse.write_config()
    rouse.cli("reload")
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, "succeeded", PATIENT)
    wait_spans(collector, run, 7)
    expect(collector.of_run(before), [], "spans of the time before")
    rouse.sections.pop("telemetry")
    rouse.write_config()
    rouse.cli("reload")
    after = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(after, "succeeded", PATIENT)
    rouse.stop()
    expect(collector.of_run(after), [], "spans of the time after")
    with sqlite3.connect(rouse.db) as db:
        expect(db.execute("SELECT (SELECT COUNT(*) FROM spans_due), (SELECT COUNT(*) FROM spans_sent)").fetchone(), (0, 0), "nothing is kept for nobody")


@scenario("what cannot be an address or a header is refused with a sentence")
def _(rouse):
    for keys, words in (({"otlp_url": "collector:4318"}, "expected a URL"), ({"otlp_url": "http://x/?a=b"}, "expected a URL"),
                        ({"otlp_url": "http://x", "otlp_header.A": "x"}, "otlp_header.A"), ({"sample": "2"}, "sample"), ({"logs": "all"}, "logs")):
        rouse.sections["telemetry"] = keys
        rouse.write_config()
        said = rouse.cli("check", rouse.conf, expect_code=1)
        check(words in said.out + said.err, f"{words!r} in {said}")
    rouse.sections.pop("telemetry")


main()
