#!/usr/bin/env python3
# Scenario: agents ask models through the daemon, which adds the key, counts, and refuses what may not be spent.
# SPDX-License-Identifier: MIT
from models_lib import *


def metric(rouse, start):
    for line in rouse.api("GET", "/metrics").body.decode().splitlines():
        if line.startswith(start):
            return float(line.split()[-1])
    return 0


def ends(rouse, within=60, **payload):
    """The run of one delivery when it is over, whichever way."""
    id = rouse.deliver("push", {**PUSH, **payload}).expect(202).run_id
    return wait("the run ends", lambda: (lambda r: r if r["status"] in ("succeeded", "failed") else None)(rouse.run(id)), within)


def near(got, want, what):
    check(abs(got - want) < 1e-6, f"{what}: expected {want}, got {got}")


@scenario("Anthropic's own library asks whole and streamed, and what it used is counted to the millionth")
def _(rouse):
    needs_sdk("@anthropic-ai/sdk", "openai")
    provider = house(rouse, node("""
        const whole = await client.messages.create(ask("hi"));
        let text = "", events = 0;
        const stream = client.messages.stream(ask("hi"));
        for await (const event of stream) { events++; if (event.type == "content_block_delta") text += event.delta.text; }
        const final = await stream.finalMessage();
        const count = await client.messages.countTokens({model: "m", messages: [{role: "user", content: "hi"}]});
        const models = []; for await (const m of client.models.list()) models.push(m.id);
        say({whole: whole.content[0].text, text, events, usage: final.usage, count: count.input_tokens, models});
    """))
    rouse.start()
    run = ends(rouse)
    expect(run["status"], "succeeded", f"status ({run['error']})")
    said = run["result"]
    expect((said["whole"], said["text"], said["events"], said["count"], said["models"]), ("hello", "hello", 7, 77, ["m"]), "what it was told")
    expect(said["usage"]["output_tokens"], 200, "the usage that its stream told")
    near(run["cost_usd"], 2 * cost(read=300, written=100), "cost")
    expect(run["tokens"], 2 * (1000 + 100 + 200), "tokens")
    near(metric(rouse, 'rouse_cost_usd_total{agent="a"'), run["cost_usd"], "metric of cost")
    expect(metric(rouse, 'rouse_tokens_total{agent="a",kind="output"}'), 400, "metric of tokens")
    expect(metric(rouse, 'rouse_tokens_total{agent="a",kind="cache_read"}'), 600, "metric of tokens from caches")
    keys = {headers.get("x-api-key") for _, headers, _ in provider.asked}
    expect(keys, {KEY}, "the key that the provider gets")
    check(all("authorization" not in headers and headers.get("anthropic-version") for _, headers, _ in provider.asked), "headers")


@scenario("OpenAI's own library asks Chat, Responses and Embeddings; usage that it did not ask for is not in its stream")
def _(rouse):
    needs_sdk("@anthropic-ai/sdk", "openai")
    provider = house(rouse, node("""
        const read = async stream => { let text = "", usage = null, empty = 0; for await (const c of stream) {
            text += c.choices[0]?.delta?.content ?? ""; usage = c.usage ?? usage; empty += c.choices.length == 0; } return {text, usage, empty}; };
        const chat = {model: "m", messages: [{role: "user", content: "hi"}]};
        const whole = await openai.chat.completions.create(chat);
        const plain = await read(await openai.chat.completions.create({...chat, stream: true}));
        const asked = await read(await openai.chat.completions.create({...chat, stream: true, stream_options: {include_usage: true}}));
        const not = await read(await openai.chat.completions.create({...chat, stream: true, stream_options: {include_usage: false, x: 1}}));
        const response = await openai.responses.create({model: "m", input: "hi"});
        const types = []; for await (const e of await openai.responses.create({model: "m", input: "hi", stream: true})) types.push(e.type);
        const embedding = await openai.embeddings.create({model: "m", input: "hi", encoding_format: "float"});
        const models = []; for await (const m of openai.models.list()) models.push(m.id);
        say({whole: whole.choices[0].message.content, plain, asked, not, response: response.output_text, last: types.at(-1), embedding: embedding.data[0].embedding, models});
    """))
    rouse.start()
    run = ends(rouse)
    expect(run["status"], "succeeded", f"status ({run['error']})")
    said = run["result"]
    expect((said["whole"], said["response"], said["last"], said["embedding"], said["models"]), ("hello", "hello", "response.completed", [0.5, 0.25], ["m"]), "said")
    for name, usage in (("plain", None), ("not", None), ("asked", CHAT)):
        expect((said[name]["text"], said[name]["usage"], said[name]["empty"]), ("hello", usage, 1 if usage else 0), f"stream {name}")
    near(run["cost_usd"], 6 * cost(input=600, read=400) + cost(input=50, output=0), "cost")
    expect(run["tokens"], 6 * 800 + 50, "tokens")
    expect({headers.get("authorization") for _, headers, _ in provider.asked}, {"Bearer " + KEY}, "the key that the provider gets")
    check(all((body.get("stream_options") or {}).get("include_usage") for path, _, body in provider.asked if body.get("stream") and "chat" in path), "usage is asked for")


@scenario("what the run may not spend is refused in the provider's own words, once, and the run ends by its budget")
def _(rouse):
    needs_sdk("@anthropic-ai/sdk", "openai")
    # Each may cost up to 300 × 50 and a little: the third is too much.
    provider = house(rouse, node("""
        const all = [];
        for (let i = 0; i < 3; i++) all.push(await tries(async () => (await client.messages.create(ask("hi"))).content[0].text));
        all.push(await tries(async () => (await openai.chat.completions.create(ask("hi"))).choices[0].message.content));
        console.log(JSON.stringify({type: "log", text: JSON.stringify(all)}));
        process.exit(1);
    """), budget__cost=0.058)
    rouse.start()
    run = ends(rouse)
    expect((run["status"], run["reason"], run["attempts"]), ("failed", "budget_cost", 1), f"how it ends ({run['error']})")
    check("this request may take up to" in run["error"] and "raise budget.cost" in run["error"], run["error"])
    logs = rouse.cli("run", "logs", run["id"], "--json").out
    text = next(json.loads(line) for line in logs.splitlines() if '"log"' in line)
    said = json.loads((text.get("data") or text)["text"])
    expect(said[:2], ["hello", "hello"], "the first two")
    expect([(s["status"], s["type"]) for s in said[2:]], [(400, "budget_exceeded")] * 2, "the refusals")
    expect(len(provider.asked), 2, "requests that reached the provider: no refusal was tried again")
    near(run["cost_usd"], 2 * cost(read=300, written=100), "cost")
    expect(metric(rouse, 'rouse_budget_refusals_total{agent="a",limit="cost_usd"}'), 1, "metric")


@scenario("of 20 requests at once a budget for 5 lets 5 through")
def _(rouse):
    provider = house(rouse, python("""
replies = []
request = message("do:hold " + "word " * 900, max_tokens=200)
threads = [threading.Thread(target=lambda: replies.append(ask("/v1/messages", request))) for _ in range(20)]
for t in threads: t.start()
while sum(r[0] == 400 for r in replies) < 15:
    time.sleep(0.02)
open(os.path.join(D, "refused"), "w").close()
for t in threads: t.join()
say(sorted([status, json.loads(body).get("error", {}).get("type")] for status, _, body in replies))
"""), budget__cost=0.15)  # 200 tokens of output and about 1,530 of input, which a cache may keep: 0.0284 at most
    rouse.start()
    id = rouse.deliver("push").run_id
    wait("15 are refused", lambda: os.path.exists(os.path.join(rouse.dir, "refused")) and len(provider.asked) == 5, 60)
    provider.open.set()
    run = wait("it ends", lambda: (lambda r: r if r["status"] == "succeeded" else None)(rouse.run(id)), 60)
    expect(run["result"], [[200, None]] * 5 + [[400, "budget_exceeded"]] * 15, "answers")
    expect(len(provider.asked), 5, "requests that reached the provider")


@scenario("a day's budget is held as well, and two runs of a tenant cannot both spend its last dollar")
def _(rouse):
    provider = house(rouse, python("""say(ask("/v1/messages", message("do:hold"))[0])"""), budget__cost=0.03)
    rouse.section("budget", cost_per_day=0.05)
    rouse.start()
    runs = [rouse.deliver("push", id=f"d{i}").run_id for i in range(3)]
    wait("one asks", lambda: len(provider.asked) == 1, 60)
    provider.open.set()
    wait("two have run", lambda: len(rouse.runs(status="succeeded")) >= 1, 60)
    near(sum(rouse.run(r)["cost_usd"] for r in runs if rouse.run(r)["status"] == "succeeded") % cost(read=300, written=100), 0, "cost")
    spent = {(i["scope"], i["name"]): i for i in rouse.items("/v1/budget")}["all", ""]
    check(spent["spent_usd"] + spent["reserved_usd"] <= 0.05, f"the day: {spent}")


@scenario("an agent that leaves ends the provider's stream, and what came is charged as an estimate that says so")
def _(rouse):
    provider = house(rouse, python("""
line = socket.create_connection((where.hostname, where.port))
body = json.dumps(message("do:endless_stream", stream=True)).encode()
line.sendall(b"POST /v1/messages HTTP/1.1\\r\\nhost: x\\r\\nx-api-key: %s\\r\\ncontent-type: application/json\\r\\ncontent-length: %d\\r\\n\\r\\n" % (key.encode(), len(body)) + body)
got = b""
while got.count(b"content_block_delta") < 20:
    got += line.recv(65536)
line.close()
until("go")
say(len(got))
"""), budget__tokens=1000000000, budget__cost=100000)
    rouse.start()
    id = rouse.deliver("push").run_id
    wait("the provider is left", lambda: provider.left == 1, 30)
    wait("it is charged", lambda: rouse.run(id)["cost_usd"] > 0, 60)
    open(os.path.join(rouse.dir, "go"), "w").close()
    run = rouse.wait_run(id, "succeeded", 60)
    check(run["cost_usd"] >= cost(output=1, read=300, written=100), f"cost {run['cost_usd']}")
    check("did not say what it used; estimated" in rouse.cli("run", "logs", id, "--json").out, "the log says that it is an estimate")
    expect(metric(rouse, 'rouse_model_estimates_total{model="m"}'), 1, "metric")


@scenario("a slow reader holds the provider back, and gets every byte")
def _(rouse):
    provider = house(rouse, python("""
line = socket.create_connection((where.hostname, where.port))
line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
body = json.dumps(message("do:flood", stream=True)).encode()
line.sendall(b"POST /v1/messages HTTP/1.1\\r\\nhost: x\\r\\nconnection: close\\r\\nx-api-key: %s\\r\\ncontent-type: application/json\\r\\ncontent-length: %d\\r\\n\\r\\n" % (key.encode(), len(body)) + body)
until("go")
got = 0
while True:
    piece = line.recv(65536)
    if not piece: break
    got += piece.count(b"y")
say(got)
"""))
    rouse.start()
    id = rouse.deliver("push").run_id
    wait("it is asked", lambda: provider.asked, 60)
    # Whoever asks meanwhile is answered.
    for _ in range(20):
        rouse.api("GET", "/health").expect(200)
    open(os.path.join(rouse.dir, "go"), "w").close()
    run = rouse.wait_run(id, "succeeded", 60)
    check(run["result"] >= 200 * 60000 - 2000, f"bytes: {run['result']}")
    near(run["cost_usd"], cost(read=300, written=100), "cost")


@scenario("agents go on asking at the same address, with the same key, after kill -9 and a restart")
def _(rouse):
    provider = house(rouse, python("""
first = ask("/v1/messages", message())[0]
open(os.path.join(D, "asked"), "w").close()
until("go")
second = ask("/v1/messages", message())[0]
say([first, second, os.environ["OPENAI_BASE_URL"] == os.environ["ANTHROPIC_BASE_URL"] + "/v1"])
"""))
    rouse.start()
    id = rouse.deliver("push").run_id
    wait("it asked", lambda: os.path.exists(os.path.join(rouse.dir, "asked")), 60)
    rouse.kill_9()
    rouse.start()
    open(os.path.join(rouse.dir, "go"), "w").close()
    run = rouse.wait_run(id, "succeeded", 60)
    expect(run["result"], [200, 200, True], "answers")
    near(run["cost_usd"], 2 * cost(read=300, written=100), "cost")
    expect(os.stat(os.path.join(rouse.state, "endpoint.json")).st_mode & 0o777, 0o600, "mode of endpoint.json")


@scenario("while another daemon takes over agents are told to try again, and every answer that they got is charged once")
def _(rouse):
    house(rouse, python("""
answers = 0
others = set()
while not os.path.exists(os.path.join(D, "go")) or answers < 5:
    try:
        status, headers, body = ask("/v1/messages", message())
    except OSError:
        others.add("refused")
        time.sleep(0.02)
        continue
    answers += status == 200
    if status != 200:
        others.add([status, "retry-after" in headers] == [503, True] or body)
        time.sleep(0.05)
    open(os.path.join(D, "answers"), "w").write(str(answers))
say([answers, sorted(map(str, others - {"refused", True}))])
"""), budget__cost=1000, budget__tokens=100000000)
    rouse.start()
    id = rouse.deliver("push").run_id
    wait("it asks", lambda: os.path.exists(os.path.join(rouse.dir, "answers")), 60)
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **({"ASAN_OPTIONS": os.environ["ASAN_OPTIONS"]} if "ASAN_OPTIONS" in os.environ else {})}
    for _ in range(3):
        with open(rouse.log, "ab") as log:
            new = spawn([os.path.join(BUILD, "roused"), "-c", rouse.conf, "--take-over"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        expect(rouse.ended(60), 0, "exit status of the old one")
        rouse.daemon = new
        wait("the new one answers", lambda: rouse.get("/health")["ok"], 60)
    open(os.path.join(rouse.dir, "go"), "w").close()
    run = rouse.wait_run(id, "succeeded", 60)
    answers, others = run["result"]
    expect(others, [], "other answers than 200 and 503 with Retry-After")
    check(answers >= 5, f"{answers} answers")
    near(run["cost_usd"], answers * cost(read=300, written=100), "cost")


@scenario("a daemon that is stopped lets a model finish what it says")
def _(rouse):
    provider = house(rouse, python("""say(ask("/v1/messages", message("do:hold"))[0])"""))
    rouse.start()
    id = rouse.deliver("push").run_id
    wait("it is asked", lambda: provider.asked, 60)
    rouse.daemon.send_signal(signal.SIGTERM)
    wait("the daemon is stopping", lambda: "stopping;" in rouse.log_text())
    provider.open.set()
    rouse.ended(60)
    rouse.start()
    run = rouse.wait_run(id, "succeeded", 60)
    expect((run["result"], run["attempts"]), (200, 1), "answer, attempts")
    near(run["cost_usd"], cost(read=300, written=100), "cost")


@scenario("hostile and broken answers become errors that the agent can read, charged where something was said")
def _(rouse):
    provider = house(rouse, python("""
out = {}
for name in ("garbage", "deep", "endless", "bomb", "away", "unwell", "limited"):
    status, headers, body = ask("/v1/messages", message("do:" + name))
    out[name] = [status, headers.get("retry-after"), json.loads(body)["error"]["type"]]
for path, request in (("/v1/messages", message("do:cut", stream=True)), ("/v1/messages", message("do:overloaded", stream=True)),
                      ("/v1/chat/completions", message("do:cut", stream=True)), ("/v1/responses", {"model": "m", "input": "do:cut", "stream": True})):
    status, headers, body = ask(path, request)
    last = body.strip().split("\\n\\n")[-1]
    data = json.loads(last.split("data: ")[1])
    out[path + request.get("input", request.get("messages", [{}])[0].get("content", "") if "messages" in request else "")] = [status, (data.get("error") or data).get("type")]
say(out)
"""), breaker__min=1000)
    rouse.start()
    run = ends(rouse)
    expect(run["status"], "succeeded", f"status ({run['error']})")
    expect(run["result"], {
        "garbage": [502, None, "api_error"], "deep": [502, None, "api_error"], "endless": [502, None, "api_error"], "bomb": [502, None, "api_error"],
        "away": [502, None, "api_error"], "unwell": [500, None, "api_error"], "limited": [429, "7", "rate_limit_error"],
        "/v1/messagesdo:cut": [200, "api_error"], "/v1/messagesdo:overloaded": [200, "overloaded_error"],
        "/v1/chat/completionsdo:cut": [200, "server_error"], "/v1/responsesdo:cut": [200, "error"]}, "what it was told")
    check(0 < run["cost_usd"] < 1, f"cost {run['cost_usd']}")
    check(rouse.is_alive(), "the daemon lives")


@scenario("an endpoint that fails too often is left alone: 503 with Retry-After, seen in metrics, agent show and after a restart")
def _(rouse):
    provider = house(rouse, python("""
out = []
for _ in range(6):
    status, headers, body = ask("/v1/messages", message("do:unwell"))
    out.append([status, "retry-after" in headers, json.loads(body)["error"]["type"]])
say(out)
"""), model={"breaker.min": 4, "breaker.cooldown": "1h"})
    rouse.start()
    run = ends(rouse)
    expect(run["status"], "succeeded", f"status ({run['error']})")
    expect(run["result"], [[500, False, "api_error"]] * 4 + [[503, True, "overloaded_error"]] * 2, "answers")
    expect(len(provider.asked), 4, "requests that reached the provider")
    near(run["cost_usd"], 0, "cost")
    rouse.kill_9()
    rouse.start()
    expect(metric(rouse, 'rouse_model_breaker_open{model="m"}'), 1, "metric")
    agent = rouse.cli("agent", "show", "a", "--json").json
    check("models at rest" in rouse.cli("agent", "show", "a").out, "agent show says that it rests")
    expect([(m["name"], m["breaker"]["state"]) for m in agent["models"]], [("m", "open")], "as agent show has it")
    check("status 500" in agent["models"][0]["breaker"]["error"], f"why: {agent['models'][0]}")


@scenario("other paths, keys, models and requests are refused in a sentence, and nothing reaches the provider")
def _(rouse):
    provider = house(rouse, python("""
def short(reply):
    status, headers, body = reply
    try: body = json.loads(body)
    except ValueError: return [status]
    return [status, body["error"].get("type") if "error" in body else body.get("code")]
out = [short(ask("/", None, "HEAD")), short(ask("/v1/files", {})), short(ask("/v1/messages", None, "GET")), short(ask("/v1/messages/../../etc", {})),
       short(ask("/v1/messages", message(), key="sk-other")), short(ask("/v1/messages", message(), key=key[:-1] + ("0" if key[-1] != "0" else "1"))),
       short(ask("/v1/messages", b"{")), short(ask("/v1/messages", b'{"model":"m","model":"n"}')), short(ask("/v1/messages", message(max_tokens=-1))),
       short(ask("/v1/messages", b"[]")), short(ask("/v1/messages", {"model": "other", "messages": []})), short(ask("/v1/chat/completions", {"model": "other"})),
       short(ask("/v1/chat/completions", {"model": "nowhere"})), short(ask("/v1/responses", {"model": "m", "input": "x", "background": True})),
       short(ask("/v1/chat/completions", message(n=100000)))]
say(out)
"""))
    rouse.section("model nowhere", input_price=1, output_price=1)
    rouse.start()
    run = ends(rouse)
    expect(run["status"], "succeeded", f"status ({run['error']})")
    expect(run["result"], [[200], [404, "not_found"], [405, "method"], [400, "bad_request"], [401, "unauthorized"], [401, "unauthorized"],
           [400, "invalid_request_error"], [400, "invalid_request_error"], [400, "invalid_request_error"], [400, "invalid_request_error"], [404, "not_found_error"],
           [404, "model_not_found"], [404, "model_not_found"], [400, "invalid_request_error"], [400, "invalid_request_error"]], "answers")
    expect(provider.asked, [], "requests that reached the provider")


@scenario("the key of a run that has ended opens nothing, and the provider's key is nowhere but there")
def _(rouse):
    provider = house(rouse, python("""
ask("/v1/messages", message())
open(os.path.join(D, "key-of-run"), "w").write(json.dumps([where.hostname, where.port, key]))
env = "\\n".join(f"{k}={v}" for k, v in os.environ.items())
say({"env": env, "key": key})
"""))
    rouse.start()
    run = ends(rouse)
    expect(run["status"], "succeeded", f"status ({run['error']})")
    with open(os.path.join(rouse.dir, "key-of-run")) as f:
        host, port, key = json.load(f)
    line = http.client.HTTPConnection(host, port, timeout=20)
    line.request("POST", "/v1/messages", json.dumps({"model": "m", "max_tokens": 1, "messages": []}), {"x-api-key": key})
    reply = line.getresponse()
    expect(reply.status, 403, f"an old key: {reply.read()}")
    check(KEY not in run["result"]["env"], "the agent's environment")
    for folder, _, files in os.walk(rouse.state):
        for name in (n for n in files if os.path.isfile(os.path.join(folder, n))):
            with open(os.path.join(folder, name), "rb") as f:
                check(KEY.encode() not in f.read(), f"{name} has the key")
    check(KEY not in rouse.log_text() and key not in rouse.log_text(), "the log")


@scenario("what the agent reports itself is not counted twice")
def _(rouse):
    house(rouse, python("""
ask("/v1/messages", message())
print(json.dumps({"type": "usage", "input_tokens": 100000, "output_tokens": 50000, "cost_usd": 0.9, "model": "m"}), flush=True)
say(1)
"""))
    rouse.start()
    run = ends(rouse)
    near(run["cost_usd"], cost(read=300, written=100), "cost")
    expect(run["tokens"], 1300, "tokens")


@scenario("rouse check refuses models without prices, agents that could not reach them, and listening for the world")
def _(rouse):
    house(rouse, python("say(1)"), prices=False)
    rouse.write_config()
    said = rouse.cli("check", rouse.conf, expect_code=1)
    check("[model m] has no price" in said.out + said.err, f"a model without a price: {said}")
    rouse.section("model m", input_price=0, output_price=0)
    rouse.section("agent a", network="no")
    rouse.write_config()
    said = rouse.cli("check", rouse.conf, expect_code=1)
    check("network = no takes the loopback away" in said.out + said.err, f"network = no: {said}")
    rouse.section("agent a", network=None, models="other")
    rouse.section("model other", input_price=1)
    rouse.write_config()
    said = rouse.cli("check", rouse.conf, expect_code=1)
    for words in ("[model other] has no url", "there is no model that it could ask"):
        check(words in said.out + said.err, f"{words}: {said}")
    rouse.section("daemon", model_listen="0.0.0.0:9")
    rouse.section("model other", url="ftp://x")
    rouse.section("model third", key="env:X")
    rouse.write_config()
    said = rouse.cli("check", rouse.conf, expect_code=1)
    for words in ("is not of this machine alone", "expected the base URL of an API", "is for what is asked at url"):
        check(words in said.out + said.err, f"{words}: {said}")


# Not in tests/npm: each is some hundreds of megabytes. Where they are installed they are tried.
CLAUDE = """#!/bin/sh
export HOME=$D CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 DISABLE_TELEMETRY=1 DISABLE_AUTOUPDATER=1 IS_SANDBOX=1
cd $D && claude -p "say hello" --output-format stream-json --verbose --model m --bare --no-session-persistence </dev/null >$D/said 2>&1 || exit 1
echo '{"type":"result"}'
"""
CODEX = """#!/bin/sh
export HOME=$D CODEX_HOME=$D/codex
mkdir -p $CODEX_HOME
cat >$CODEX_HOME/config.toml <<END
model = "m"
model_provider = "rouse"
[model_providers.rouse]
name = "rouse"
base_url = "$OPENAI_BASE_URL"
env_key = "OPENAI_API_KEY"
wire_api = "responses"
END
cd $D && codex exec --json --skip-git-repo-check --ephemeral -s read-only "say hello" </dev/null >$D/said 2>&1 || exit 1
echo '{"type":"result"}'
"""


def command_line(program, script, price):
    @scenario(f"{program} itself asks, is counted, and stops at once when nothing is left")
    def _(rouse):
        needs_program(program)
        provider = house(rouse, script, budget__cost=5, model={"max_output": 2000})
        rouse.start()
        run = ends(rouse, 120)
        with open(os.path.join(rouse.dir, "said")) as f:
            expect(run["status"], "succeeded", f"status; it said {f.read()[-600:]}")
        near(run["cost_usd"], price, "cost")
        check(provider.asked and KEY in json.dumps([headers for _, headers, _ in provider.asked]), "the provider was asked with its key")
        provider.asked.clear()
        rouse.section("agent a", budget__cost=0.001)
        rouse.write_config()
        rouse.api("POST", "/v1/reload").expect(200)
        run = ends(rouse, 120)
        expect((run["status"], run["reason"], run["attempts"], provider.asked), ("failed", "budget_cost", 1, []), "how it ends")


command_line("claude", CLAUDE, cost(read=300, written=100))
command_line("codex", CODEX, cost(input=600, read=400))


@scenario("the port that was taken meanwhile is not fought for: another is used, which is told")
def _(rouse):
    house(rouse, python("say(ask('/v1/messages', message())[0])"))
    rouse.start()
    expect(ends(rouse)["result"], 200, "answer")
    rouse.stop()
    with open(os.path.join(rouse.state, "endpoint.json")) as f:
        port = json.load(f)["port"]
    with socket.create_server(("127.0.0.1", port)):
        rouse.start()
        expect(ends(rouse)["result"], 200, "answer")
    check("the port that agents ask models at is taken" in rouse.log_text(), "the log says so")


main()
