#!/usr/bin/env python3
# Scenario: hooks of the `webhook` program taken over: the same requests, the same yes or no, the same command line.
# SPDX-License-Identifier: MIT
import email.utils
import itertools
import urllib.parse

from lib import *

HEADER = {"source": "header", "name": "X-Event"}
SIGNED = {"source": "header", "name": "X-Hub-Signature-256"}
SHA1 = {"source": "header", "name": "X-Hub-Signature"}


def payload(name):
    return {"source": "payload", "name": name}


def match(parameter, value=None, regex=None, **more):
    kind = {"type": "regex", "regex": regex} if regex is not None else {"type": "value", "value": value}
    return {"match": {**kind, "parameter": parameter, **more}}


def mac(kind, secret, parameter=SIGNED):
    return {"match": {"type": "payload-hmac-" + kind, "secret": secret, "parameter": parameter}}


def whitelist(ranges):
    return {"match": {"type": "ip-whitelist", "ip-range": ranges}}


A, B = match(payload("ref"), "refs/heads/main"), match(HEADER, "push")
MISSING = match(payload("no.such"), "x")

RULES = {
    "open": None,
    "value": A,
    "header": B,
    "query": match({"source": "url", "name": "q"}, "1"),
    "query-alias": match({"source": "query", "name": "q"}, "1"),
    "and": {"and": [A, B]},
    "or": {"or": [A, B]},
    "not": {"not": A},
    "not-missing": {"not": MISSING},
    "and-not-missing": {"and": [{"not": MISSING}, {"not": match(payload("ref"), "zzz")}]},
    "or-not-missing": {"or": [{"not": MISSING}, A]},
    "or-of-one-not": {"and": [{"or": [{"not": MISSING}]}, {"or": [A]}]},
    "not-or": {"not": {"or": [A, MISSING]}},
    "not-and": {"not": {"and": [A, MISSING]}},
    "not-not": {"not": {"not": A}},
    "deep": {"and": [{"or": [A, {"and": [B, {"not": match(payload("n"), "7")}]}]}, {"not": match(payload("deleted"), "true")}]},
    "and-empty": {"and": []},
    "or-empty": {"or": []},
    "nothing": {},
    "regex": match(payload("ref"), regex="^refs/heads/(main|v[0-9]+)$"),
    "regex-part": match(payload("ref"), regex="heads"),
    "regex-flags": match(payload("ref"), regex="(?i)^REFS/HEADS/MAIN$"),
    "regex-lines": match(payload("text"), regex="^two$"),
    "regex-multiline": match(payload("text"), regex="(?m)^two$"),
    "regex-class": match(payload("text"), regex=r"\d[\d\s]\w"),
    "regex-named": match(payload("ref"), regex=r"refs/(?P<kind>heads|tags)/\pL+"),
    "regex-quote": match(payload("quote"), regex=r'a"b\\c;#'),
    "dotted": match(payload("repo.owner.name"), "maria"),
    "index": match(payload("commits.1.id"), "c2"),
    "index-far": match(payload("commits.9.id"), "c2"),
    "dot-in-key": match(payload("a.b"), "dotted"),
    "number": match(payload("n"), "7"),
    "bool": match(payload("deleted"), "true"),
    "big": match(payload("big"), "12345678901234567890"),
    "object": match(payload("repo.owner"), '{"name":"maria"}'),
    "list": match(payload("root.0"), "first"),
    "special": match(payload("quote"), 'a"b\\c;# ;x'),
    "string": match({"source": "string", "name": "a"}, "a"),
    "method": match({"source": "request", "name": "method"}, "PUT"),
    "hmac": mac("sha256", "s3cret"),
    "hmac-sha1": mac("sha1", "s3cret", SHA1),
    "hmac-sha512": mac("sha512", "s3cret", {"source": "header", "name": "X-Sig512"}),
    "hash-old": {"match": {"type": "payload-hash-sha256", "secret": "s3cret", "parameter": SIGNED}},
    "hmac-and": {"and": [mac("sha256", "s3cret"), A, {"or": [B, match(payload("n"), "7")]}]},
    "hmac-or": {"or": [mac("sha256", "s3cret"), A]},
    "gitlab": {"and": [match({"source": "header", "name": "X-Gitlab-Token"}, "glpat"), A]},
    "auth": match({"source": "header", "name": "Authorization"}, "Bearer abc"),
    "scalr": {"match": {"type": "scalr-signature", "secret": "s3cret"}},
    "ip": whitelist("127.0.0.0/8"),
    "ip-one": whitelist("127.0.0.1"),
    "ip-odd": whitelist("127.0.0.5/9"),
    "ip-other": whitelist("10.0.0.0/8 192.168.0.0/16"),
    "ip-list": whitelist("10.0.0.0/8  127.0.0.1/32"),
    "ip-not": {"not": whitelist("2001:db8::/32 10.0.0.0/9")},
    "unknown": {"match": {"type": "no-such-type", "parameter": HEADER}},
}
RULES["rotate-hard"] = {"or": [mac("sha256", "old"), mac("sha256", "s3cret")]}
RULES["one-of-one"] = {"or": [{"and": [mac("sha256", "s3cret"), {"not": MISSING}]}]}
RULES["tokens"] = {"and": [{"or": [match({"source": "header", "name": "X-Gitlab-Token"}, t) for t in ("other", "glpat")]}, A]}
SOFT = {"rotate": {"or": [mac("sha256", "old"), mac("sha256", "s3cret")]}}
# What of these decides who is heard, and cannot be carried over.
OFF = {"unknown", "hmac-or"}


def signed(body, secret="s3cret", kind="sha256", prefix=True):
    return ((kind + "=") if prefix else "") + hmac.new(secret.encode(), body, kind).hexdigest()


def requests():
    """(method, query, headers, body) of many kinds."""
    main = {"ref": "refs/heads/main", "n": 7, "deleted": False, "repo": {"owner": {"name": "maria"}}, "commits": [{"id": "c1"}, {"id": "c2"}]}
    bodies = [main, {**main, "ref": "refs/heads/v12", "deleted": True}, {"ref": "refs/heads/main\n"}, {"ref": None, "n": "7"}, {"a.b": "dotted", "a": {"b": "nested"}}, {"a": {"b": "dotted"}},
              {"big": 12345678901234567890}, {"text": "one\ntwo\nthree"}, {"text": "7 x"}, {"text": "٣٣ä"}, {"quote": 'a"b\\c;# ;x'}, ["first"], {}, {"commits": [], "repo": "no object"}, {"ref": ["refs/heads/main"]}]
    for body in bodies:
        yield "POST", "", {}, json.dumps(body).encode()
    body = json.dumps(main).encode()
    date = email.utils.formatdate(usegmt=True).replace(",", "").replace("GMT", "UTC")
    old = "Fri 08 Sep 2017 11:24:32 UTC"
    for headers in ({"X-Event": "push"}, {"x-event": "PUSH"}, {"X-Event": ""}, {"X-Gitlab-Token": "glpat"}, {"X-Gitlab-Token": "glpa"}, {"Authorization": "Bearer abc"}, {"Authorization": "bearer abc"},
                    {"X-Hub-Signature-256": signed(body)}, {"X-Hub-Signature-256": signed(body, prefix=False)}, {"X-Hub-Signature-256": signed(body, "wrong")}, {"X-Hub-Signature-256": ""},
                    {"X-Hub-Signature-256": "sha256=00," + signed(body)}, {"X-Hub-Signature-256": "x," + signed(body, prefix=False)}, {"X-Hub-Signature-256": signed(body, "old")}, {"X-Hub-Signature-256": signed(body), "X-Event": "push"},
                    {"X-Hub-Signature": signed(body, kind="sha1")}, {"X-Sig512": signed(body, kind="sha512")}, {"X-Sig512": signed(body)},
                    {"X-Signature": hmac.new(b"s3cret", body + date.encode(), "sha1").hexdigest(), "Date": date}, {"X-Signature": hmac.new(b"s3cret", body + old.encode(), "sha1").hexdigest(), "Date": old},
                    {"X-Signature": hmac.new(b"s3cret", body, "sha1").hexdigest(), "Date": date}, {"X-Signature": "00"}):
        yield "POST", "", headers, body
    for query in ("?q=1", "?q=1&q=2", "?q=2&q=1", "?q=", "?q", "?Q=1"):
        yield "POST", query, {}, body
    yield "PUT", "", {"X-Event": "push"}, body
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    yield "POST", "", form, urllib.parse.urlencode({"ref": "refs/heads/main", "n": "7"}).encode()
    yield "POST", "", form, b"ref=refs/heads/main&ref=other&deleted=true"
    yield "POST", "", {"Content-Type": "text/plain"}, body


class Webhook:
    """The real program with a hooks file."""

    def __init__(self, rouse, path):
        self.port = free_port()
        self.process = spawn(["webhook", "-hooks", path, "-ip", "127.0.0.1", "-port", str(self.port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait("webhook listens", lambda: socket.create_connection(("127.0.0.1", self.port)).close() or True)

    def ask(self, rouse, method, id, query, headers, body):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        return rouse.request(c, method, "/hooks/" + id + query, body, headers)

    def stop(self):
        self.process.kill()
        self.process.wait()


def hooks_file(rouse, hooks, name="hooks.json"):
    path = os.path.join(rouse.dir, name)
    with open(path, "w") as f:
        f.write(hooks if isinstance(hooks, str) else json.dumps(hooks))
    return path


def script(rouse, name, text):
    path = os.path.join(rouse.dir, name)
    with open(path, "w") as f:
        f.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)
    return path


def house(rouse):
    rouse.agent("idle", says(RESULT))
    rouse.start()


@scenario("every trigger-rule gives the same yes or no to the same requests as in the program it comes from")
def _(rouse):
    needs_program("webhook")
    true = script(rouse, "true", "exit 0\n")
    hooks = [{"id": name, "execute-command": true, "response-message": "yes"} | ({"trigger-rule": rule} if rule is not None else {}) for name, rule in {**RULES, **SOFT}.items()]
    for hook in hooks:
        if hook["id"] in SOFT:
            hook["trigger-signature-soft-failures"] = True
    path = hooks_file(rouse, hooks)
    house(rouse)
    said = rouse.cli("trigger", "import", path, "--json").lines
    expect([s["id"] for s in said], [h["id"] for h in hooks], "hooks")
    expect({s["id"] for s in said if not s["enabled"]}, OFF, "what is switched off")
    real = Webhook(rouse, path)
    wrong, yes, count = [], 0, 0
    for hook, ask in itertools.product(hooks, requests()):
        if hook["id"] in OFF:
            continue
        method, query, headers, body = ask
        theirs = real.ask(rouse, method, hook["id"], query, headers, body)
        ours = rouse.http(method, "/hooks/" + hook["id"] + query, body, headers)
        want, got = theirs.body.startswith(b"yes"), b'"run_id"' in ours.body
        count, yes = count + 1, yes + want
        if want != got:
            wrong.append((hook["id"], ask, theirs, ours))
    real.stop()
    for one in wrong[:12]:
        print("# differs:", one)
    print(f"# {len(hooks) - len(OFF)} rules, {count} requests compared, {yes} of them yes")
    expect(len(wrong), 0, "requests answered otherwise")
    check(yes > count / 10 and yes < count * 9 / 10, "both answers are tried")


@scenario("a hook's command gets the arguments, the environment and the folder that it had")
def _(rouse):
    needs_program("webhook")
    needs_program("jq")
    run = script(rouse, "command", 'printf "%s|" "$(basename "$0")" "$@" "$HOOK_ref" "$WHO" "$PWD" "$#" | tr "\\n" "^" >>"$MARK"; echo >>"$MARK"; echo said\n')
    hook = {"id": "Run It_now", "execute-command": run, "command-working-directory": rouse.dir,
            "pass-arguments-to-command": [payload("ref"), payload("no.such"), {"source": "string", "name": "it's \"$HOME\""}, payload("repo"), {"source": "header", "name": "X-Event"}, {"source": "url", "name": "q"},
                                          payload("text"), payload("n"), payload("inner.a")],
            "parse-parameters-as-json": [payload("inner")],
            "pass-environment-to-command": [payload("ref"), {"source": "payload", "name": "n", "envname": "WHO"}, payload("gone")], "include-command-output-in-response": True}
    hook["id"] = "Run_now"
    path = hooks_file(rouse, [hook])
    os.environ["MARK"] = theirs = os.path.join(rouse.dir, "theirs")
    real = Webhook(rouse, path)
    del os.environ["MARK"]
    house(rouse)
    said = rouse.cli("trigger", "import", path, "--json").json
    conf = open(said["file"]).read()
    with open(said["file"], "w") as f:
        f.write(conf.replace("retry.attempts = 1", f"retry.attempts = 1\nenv = MARK={rouse.dir}/ours", 1))
    rouse.cli("reload")
    bodies = [{"ref": "refs/heads/main", "n": 7, "repo": {"a": [1, "x"]}, "text": "a b\n'c' $(id) `id` \\ \"", "inner": '{"a":"deep"}'}, {"ref": "x; rm -rf /", "n": None, "inner": "no json"}, {}]
    for body in bodies:
        real.ask(rouse, "POST", hook["id"], "?q=a%20b", {"X-Event": "push"}, json.dumps(body).encode()).expect(200)
        answer = rouse.http("POST", "/hooks/" + hook["id"] + "?q=a%20b", body, {"X-Event": "push"}).expect(200).json
        expect(answer["status"], "succeeded", "the run")
        check("said" in json.dumps(answer["result"]), f"its output is in the answer: {answer}")
    real.stop()
    lines = open(theirs).read().splitlines()
    expect((len(lines), rouse.marks("ours")), (3, lines), "what the command was called with")


YAML = """
# hooks of a team
- id: redeploy
  execute-command: "%s"
  command-working-directory: "%s"
  http-methods: [POST]
  success-http-response-code: 201
  trigger-rule: &rule
    and:
      - match: {type: value, value: refs/heads/main, parameter: {source: payload, name: ref}}
      - match:
          type: payload-hmac-sha256
          secret: s3cret
          parameter: {source: header, name: X-Hub-Signature-256}
- id: again
  execute-command: '%s'
  trigger-rule: *rule
  include-command-output-in-response: no
"""


@scenario("a hooks file in YAML is taken as one in JSON is")
def _(rouse):
    needs_program("webhook")
    true = script(rouse, "true", "exit 0\n")
    path = hooks_file(rouse, YAML % (true, rouse.dir, true), "hooks.yaml")
    house(rouse)
    said = rouse.cli("trigger", "import", path, "--json").lines
    expect([(s["id"], s["enabled"], s["notes"]) for s in said], [("redeploy", True, []), ("again", True, [])], "hooks")
    body = b'{"ref":"refs/heads/main"}'
    rouse.http("POST", "/hooks/redeploy", body, {"X-Hub-Signature-256": signed(body)}).expect(201)
    rouse.http("POST", "/hooks/again", body, {"X-Hub-Signature-256": signed(body)}).expect(202)
    rouse.http("POST", "/hooks/again", body, {"X-Hub-Signature-256": signed(body, "x")}).expect(401)
    rouse.http("GET", "/hooks/redeploy").expect(405)


@scenario("what cannot be carried over is said, a sentence each, and what decides who is heard switches the trigger off")
def _(rouse):
    house(rouse)
    hooks = [
        {"id": "talk", "execute-command": "/bin/true", "response-message": "hi", "response-headers": [{"name": "a", "value": "b"}], "success-http-response-code": 302, "made-up": 1,
         "trigger-rule-mismatch-http-response-code": 400},
        {"id": "file", "execute-command": "/bin/true", "pass-file-to-command": [{"source": "payload", "name": "a"}]},
        {"id": "kind", "execute-command": "/bin/true", "incoming-payload-content-type": "application/json"},
        {"id": "either", "execute-command": "/bin/true", "trigger-rule": {"or": [A, mac("sha256", "x")]}},
        {"id": "two", "execute-command": "/bin/true", "trigger-rule": {"and": [mac("sha1", "x", SHA1), mac("sha256", "x")]}},
        {"id": "no", "execute-command": "/bin/true", "trigger-rule": {"not": mac("sha256", "x")}},
        {"id": "inside", "execute-command": "/bin/true", "trigger-rule": mac("sha256", "x", payload("sig"))},
        {"id": "empty", "execute-command": "/bin/true", "trigger-rule": mac("sha256", "")},
        {"id": "ahead", "execute-command": "/bin/true", "trigger-rule": match(payload("a"), regex="(?=x)")},
        {"id": "hidden", "execute-command": "/bin/true", "trigger-rule": match({"source": "header", "name": "X-Gitlab-Token"}, regex="^a")},
        {"id": "whole", "execute-command": "/bin/true", "trigger-rule": match({"source": "raw-request-body"}, "x")},
    ]
    path = hooks_file(rouse, hooks)
    said = {s["id"]: s for s in rouse.cli("trigger", "import", path, "--json").lines}
    expect({n for n, s in said.items() if s["enabled"]}, {"talk"}, "what is switched on")
    expect(len(said["talk"]["notes"]), 5, f"notes: {said['talk']['notes']}")
    for name, s in said.items():
        check(s["notes"] and all(isinstance(n, str) and len(n) > 20 for n in s["notes"]), f"{name}: {s['notes']}")
    for hook in hooks[1:]:
        rouse.http("POST", "/hooks/" + hook["id"], "{}").expect(404)


@scenario("a plan writes nothing, an import overwrites nothing, and what would not load is undone")
def _(rouse):
    house(rouse)
    path = hooks_file(rouse, [{"id": "one", "execute-command": "/bin/true", "trigger-rule": mac("sha256", "s3cret")}, {"id": "Two/x", "execute-command": "/bin/true"}])
    for word in ("--plan", "--dry-run"):
        said = rouse.cli("trigger", "import", path, word).out
        check("[trigger one]" in said and "[agent two-x]" in said and "s3cret" not in said, said)
    triggers, secrets = os.path.join(rouse.dir, "triggers.d"), os.path.join(rouse.dir, "secrets")
    check(not os.path.exists(triggers) and not os.path.exists(secrets), "nothing was written")
    rouse.cli("trigger", "import", path)
    expect((sorted(os.listdir(triggers)), os.listdir(secrets)), (["one.conf", "two-x.conf"], ["one.secret"]), "files")
    expect(os.stat(os.path.join(secrets, "one.secret")).st_mode & 0o777, 0o600, "mode of the secret")
    check("s3cret" not in open(os.path.join(triggers, "one.conf")).read(), "the secret stands in its own file alone")
    rouse.http("POST", "/hooks/Two/x", "{}").expect(202)
    before = open(os.path.join(triggers, "one.conf")).read()
    for again in (path, hooks_file(rouse, [{"id": "new", "execute-command": "/bin/true"}, {"id": "one", "execute-command": "/bin/false"}], "more.json")):
        check("already" in rouse.cli("trigger", "import", again, expect_code=None).err, "it says why")
    rouse.section("agent taken", kind="exec", command="/bin/true")
    rouse.write_config()
    taken = hooks_file(rouse, [{"id": "fine", "execute-command": "/bin/true"}, {"id": "taken", "execute-command": "/bin/true"}], "taken.json")
    check(rouse.cli("trigger", "import", taken, expect_code=None).code != 0, "an agent of that name is there")
    expect((sorted(os.listdir(triggers)), open(os.path.join(triggers, "one.conf")).read()), (["one.conf", "two-x.conf"], before), "files afterwards")


@scenario("a file that is no hooks file gets one clear sentence")
def _(rouse):
    house(rouse)
    deep = "- id: a\n  x: " + "[" * 2000
    bomb = "- &a [x, x, x, x, x, x, x, x, x]\n" + "".join(f"- &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(8))
    cases = {"": "nothing", "{}": "list", "[1]": "object", "[{}]": "id", "[]": "no hook", '[{"id":"a"}]': "execute-command", '[{"id":"a","execute-command":"x"},{"id":"a","execute-command":"x"}]': "two hooks", "[{": "line",
             '[{"id":"{{ getenv "X" }}"}]': "template", "- id: [": "line", "a: b": "list", "- id: a\n  id: b": "twice", deep: "", bomb: "100,000", "- &a [*a]": "", "\t- a": "line", '[{"id":"a b","execute-command":"x"}]': "blanks",
             '[{"id":"../a","execute-command":"x"}]': "..", "- ? [a]\n  : b": "key", "\x00": ""}
    for text, word in cases.items():
        said = rouse.cli("trigger", "import", hooks_file(rouse, text, "bad"), expect_code=None)
        check(said.code in (1, 2) and word in said.err and said.err.count("\n") == 1, f"{text[:60]!r}: {said}")
    rouse.cli("trigger", "import", "/no/such/file", expect_code=1)
    check(not os.path.exists(os.path.join(rouse.dir, "triggers.d")), "nothing was written")


main()
