# A provider of models that runs here: both APIs, whole and streamed, well and unwell; and agents that ask it.
# SPDX-License-Identifier: MIT
import http.server
import re

from lib import *

NPM = os.path.join(SOURCE, "tests/npm")
KEY = "sk-real-0123456789"
# What every answer says that it used.
MESSAGES = {"input_tokens": 1000, "output_tokens": 200, "cache_read_input_tokens": 300, "cache_creation_input_tokens": 100}
CHAT = {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200, "prompt_tokens_details": {"cached_tokens": 400}}
RESPONSES = {"input_tokens": 1000, "output_tokens": 200, "total_tokens": 1200, "input_tokens_details": {"cached_tokens": 400},
             "output_tokens_details": {"reasoning_tokens": 0}}


def needs_sdk(*names):
    for name in names:
        if not os.path.isdir(os.path.join(NPM, "node_modules", name)):
            raise Skip(f"npm's {name} is not installed (npm ci in tests/npm)")
    needs_program("node")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
    if int(version.strip().lstrip("v").split(".")[0]) < 20:
        raise Skip(f"node is {version.strip()}; these libraries need 20")


class Provider:
    """What it does is said by the word after `do:` in the request's text: nothing (well), hang, cut, garbage, error, late, ..."""

    def __init__(self):
        self.asked = []  # (method, path, headers, body)
        self.left = 0  # clients that went away in the middle of a stream
        self.open = threading.Event()  # what `hold` waits for
        self.lock = threading.Lock()
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                with provider.lock:
                    provider.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}, json.loads(body)))
                try:
                    provider.answer(self, json.loads(body), body.decode())
                except (BrokenPipeError, ConnectionResetError):
                    provider.left += 1
                    self.close_connection = True

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    # answers

    def whole(self, h, status, body, type="application/json", **headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        h.send_response(status)
        for name, value in {"Content-Type": type, "Content-Length": str(len(body)), "request-id": "req_1", **headers}.items():
            h.send_header(name.replace("_", "-"), value)
        h.end_headers()
        h.wfile.write(body)

    def events(self, h, events, type="text/event-stream"):
        """Each is (name or None, object or text); a callable in between is called."""
        h.send_response(200)
        h.send_header("Content-Type", type)
        h.send_header("Transfer-Encoding", "chunked")
        h.end_headers()
        for event in events:
            if callable(event):
                event()
                continue
            name, data = event
            text = (f"event: {name}\n" if name else "") + "data: " + (data if isinstance(data, str) else json.dumps(data)) + "\n\n"
            # In two pieces, so that nobody counts on whole events.
            for piece in (text[:len(text) // 2].encode(), text[len(text) // 2:].encode()):
                h.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                h.wfile.flush()
        h.wfile.write(b"0\r\n\r\n")

    def cut(self):
        raise BrokenPipeError

    def answer(self, h, request, text):
        does = re.search(r"do:(\w+)", text)
        does = does and does.group(1)
        if does == "hold":
            self.open.wait(60)
        if does == "hang":
            time.sleep(60)
        if does == "limited":
            return self.whole(h, 429, {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}, retry_after="7")
        if does == "unwell":
            return self.whole(h, 500, {"type": "error", "error": {"type": "api_error", "message": "unwell"}}, x_should_retry="false")
        if does == "garbage":
            return self.whole(h, 200, b"<html>not a model", "text/html")
        if does == "deep":
            return self.whole(h, 200, b"[" * 100000)
        if does == "endless":
            h.send_response(200)
            h.send_header("Content-Type", "application/json")
            h.send_header("Transfer-Encoding", "chunked")
            h.end_headers()
            while True:
                h.wfile.write(b"%x\r\n%s\r\n" % (1 << 20, b" " * (1 << 20)))
        if does == "bomb":
            return self.whole(h, 200, b"\x1f\x8b" + b"\0" * 100, content_encoding="gzip")
        if does == "away":
            return self.whole(h, 302, b"", location="http://169.254.169.254/")
        silent = does == "silent"
        stream = request.get("stream")
        if h.path.startswith("/v1/messages/count_tokens"):
            return self.whole(h, 200, {"input_tokens": 77})
        if h.path.startswith("/v1/messages"):
            return self.messages(h, request, stream, does, silent)
        if h.path.startswith("/v1/chat/completions"):
            return self.chat(h, request, stream, does, silent)
        if h.path.startswith("/v1/responses"):
            return self.responses(h, request, stream, does)
        if h.path.startswith("/v1/embeddings"):
            return self.whole(h, 200, {"object": "list", "model": request["model"], "usage": {"prompt_tokens": 50, "total_tokens": 50},
                                       "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}]})
        return self.whole(h, 404, {"error": {"message": "no such path"}})

    def messages(self, h, request, stream, does, silent):
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": request["model"], "stop_reason": "end_turn", "stop_sequence": None,
                   "content": [{"type": "text", "text": "hello"}], "usage": MESSAGES}
        if silent:
            message.pop("usage")
        if not stream:
            return self.whole(h, 200, message)
        first = {**message, "content": [], "stop_reason": None, "usage": {**MESSAGES, "output_tokens": 1}}
        delta = lambda text: ("content_block_delta", {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})
        events = [("message_start", {"type": "message_start", "message": first}),
                  ("content_block_start", {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
                  ("ping", {"type": "ping"}), delta("hel"), delta("lo")]
        if does == "cut":
            return self.events(h, events + [self.cut])
        if does == "endless_stream":
            events += [delta("x" * 300)] * 100000
        if does == "flood":
            events += [delta("y" * 60000)] * 200
        if does == "overloaded":
            return self.events(h, events + [("error", {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})])
        self.events(h, events + [
            ("content_block_stop", {"type": "content_block_stop", "index": 0}),
            ("message_delta", {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 200}}),
            ("message_stop", {"type": "message_stop"})])

    def chat(self, h, request, stream, does, silent):
        base = {"id": "chatcmpl-1", "created": 1, "model": request["model"]}
        if not stream:
            return self.whole(h, 200, {**base, "object": "chat.completion", **({} if silent else {"usage": CHAT}), "choices": [
                {"index": 0, "finish_reason": "stop", "logprobs": None, "message": {"role": "assistant", "content": "hello", "refusal": None}}]})
        asked = (request.get("stream_options") or {}).get("include_usage")
        chunk = lambda delta, finish=None: (None, {**base, "object": "chat.completion.chunk", **({"usage": None} if asked else {}),
                                                   "choices": [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}]})
        events = [chunk({"role": "assistant", "content": ""}), chunk({"content": "hel"}), chunk({"content": "lo"}), chunk({}, "stop")]
        if does == "cut":
            return self.events(h, events[:3] + [self.cut])
        if asked and not silent:
            events.append((None, {**base, "object": "chat.completion.chunk", "choices": [], "usage": CHAT}))
        self.events(h, events + [(None, "[DONE]")])

    def responses(self, h, request, stream, does):
        item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": "hello", "annotations": []}]}
        done = {"id": "resp_1", "object": "response", "created_at": 1, "model": request["model"], "status": "completed", "output": [item], "usage": RESPONSES}
        if not stream:
            return self.whole(h, 200, done)
        first = {**done, "status": "in_progress", "output": [], "usage": None}
        events = [("response.created", {"type": "response.created", "sequence_number": 0, "response": first}),
                  ("response.output_item.added", {"type": "response.output_item.added", "sequence_number": 1, "output_index": 0, "item": {**item, "content": []}}),
                  ("response.content_part.added", {"type": "response.content_part.added", "sequence_number": 2, "item_id": "msg_1", "output_index": 0,
                                                   "content_index": 0, "part": {"type": "output_text", "text": "", "annotations": []}}),
                  ("response.output_text.delta", {"type": "response.output_text.delta", "sequence_number": 3, "item_id": "msg_1", "output_index": 0,
                                                  "content_index": 0, "delta": "hello"})]
        if does == "cut":
            return self.events(h, events + [self.cut])
        self.events(h, events + [("response.output_item.done", {"type": "response.output_item.done", "sequence_number": 4, "output_index": 0, "item": item}),
                                 ("response.completed", {"type": "response.completed", "sequence_number": 5, "response": done})])


def cost(output=200, input=1000, read=0, written=0):
    """Dollars by the prices below."""
    return (input * 10 + output * 50 + read * 1 + written * 12) / 1e6


def house(rouse, script, prices=True, keys=(), model=(), **agent):
    """A provider, a model `m` there, an agent `a` that asks it."""
    provider = Provider()
    key = os.path.join(rouse.dir, "key")
    with open(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write(KEY + "\n")
    rouse.section("model m", url=provider.url, key="file:" + key, **dict(model),
                  **(dict(input_price=10, output_price=50, cache_read_price=1, cache_write_price=12) if prices else {}))
    rouse.agent("a", script, **{"meter": "proxy", "retry.attempts": 3, "retry.base": "10ms", "grace": "200ms", **agent})
    rouse.webhook("push", agent="a")
    return provider


def node(text):
    """An agent for node; `client` and `openai` are both providers' own libraries, `say` ends with a result."""
    return f"""#!/usr/bin/env node
const find = require("module").createRequire({json.dumps(NPM + "/x.js")});
const {{ Anthropic }} = find("@anthropic-ai/sdk");
const {{ OpenAI }} = find("openai");
const client = new Anthropic(), openai = new OpenAI();
const say = output => console.log(JSON.stringify({{type: "result", output}}));
const ask = (text, more) => ({{model: "m", max_tokens: 300, messages: [{{role: "user", content: text}}], ...more}});
const tries = async f => {{ try {{ return await f(); }} catch (e) {{
    return {{status: e.status, type: e.error?.error?.type ?? e.error?.type ?? e.type ?? e.name, message: String(e.message), after: e.headers?.get?.("retry-after")}};
}} }};
(async () => {{
{text}
}})().catch(e => {{ console.error(e); process.exit(1); }});
"""


def python(text):
    """An agent without any library: ask(path, body) gives status, headers, body."""
    return f"""#!{sys.executable}
import http.client, json, os, socket, sys, threading, time, urllib.parse
where = urllib.parse.urlparse(os.environ["ANTHROPIC_BASE_URL"])
key = os.environ["ANTHROPIC_API_KEY"]
D = os.environ["D"]
def ask(path, body=None, method="POST", key=key, headers=(), timeout=60):
    line = http.client.HTTPConnection(where.hostname, where.port, timeout=timeout)
    body = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    line.request(method, path, body, {{"x-api-key": key, "content-type": "application/json", **dict(headers)}})
    reply = line.getresponse()
    return reply.status, {{k.lower(): v for k, v in reply.getheaders()}}, reply.read().decode()
def message(text="hi", **more):
    return {{"model": "m", "max_tokens": 300, "messages": [{{"role": "user", "content": text}}], **more}}
def say(output):
    print(json.dumps({{"type": "result", "output": output}}), flush=True)
def until(path):
    while not os.path.exists(os.path.join(D, path)):
        time.sleep(0.02)
{text}
"""
