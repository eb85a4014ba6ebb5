#!/usr/bin/env python3
# Scenario: who may do what, by socket and by TCP, and what is written down of it.
# SPDX-License-Identifier: MIT
import grp
import re

from lib import *

# SPEC 13, by hand: what each route needs. OPEN needs nothing. A route that is not here fails the test.
OPEN = None
NEEDS = {
    "read": """GET /health /metrics /v1/status /v1/openapi.json /v1/agents /v1/agents/{} /v1/triggers /v1/triggers/{} /v1/runs /v1/runs/{}
        /v1/runs/{}/events /v1/runs/{}/stderr /v1/runs/{}/diff /v1/events /v1/events/{} /v1/stream /v1/batches /v1/batches/{} /v1/batches/{}/{}
        /v1/batches/{}/entities /v1/batches/{}/{}/entities /v1/changes /v1/changes/{} /v1/gates /v1/gates/{} /v1/dlq /v1/budget /v1/sessions
        /v1/sessions/{} /v1/diff /v1/diff/{} /v1/inbox /v1/replays/{}/diff /v1/replays/{}/{}/diff /v1/schedule /v1/schedule/batches /v1/notify /v1/samples /v1/why/{} /v1/audit
        POST /v1/triggers/{}/test""",
    "invoke": """POST /v1/agents/{}/invoke /v1/triggers/{}/fire /v1/triggers/{}/backfill /v1/runs/{}/cancel /v1/runs/{}/retry /v1/runs/{}/input
        /v1/events/{}/replay /v1/replays /v1/dlq/replay /v1/dlq/drop /v1/dlq/{}/replay /v1/dlq/{}/drop /v1/sessions/{}/end /v1/topics/{}/emit
        /v1/replays/{}/resume /v1/replays/{}/{}/resume /v1/replays/{}/forget /v1/replays/{}/{}/forget
        /v1/batches/{}/start /v1/batches/{}/pause /v1/batches/{}/resume /v1/batches/{}/cancel
        /v1/batches/{}/{}/pause /v1/batches/{}/{}/resume /v1/batches/{}/{}/cancel""",
    "review": """POST /v1/decide /v1/samples /v1/gates/{}/decide /v1/changes/{}/approve /v1/changes/{}/reject /v1/changes/{}/reopen /v1/changes/{}/edit
        /v1/runs/{}/approve /v1/runs/{}/reject /v1/batches/{}/approve /v1/batches/{}/reject /v1/batches/{}/{}/approve /v1/batches/{}/{}/reject""",
    "apply": """POST /v1/changes/{}/apply /v1/changes/{}/revert /v1/runs/{}/apply /v1/runs/{}/revert /v1/batches/{}/apply /v1/batches/{}/revert
        /v1/batches/{}/{}/apply /v1/batches/{}/{}/revert""",
    "admin": """POST /v1/pause /v1/resume /v1/halt /v1/reload /v1/tokens /v1/tokens/{}/revoke /v1/triggers/{}/enable /v1/triggers/{}/disable
        /v1/notify/{}/test /v1/db/backup /v1/db/check /v1/db/vacuum
        GET /v1/tokens /v1/doctor""",
    OPEN: "GET /livez /readyz /links/{}/{}/{} POST /links/{}/{}/{} GET /hooks/{} POST /hooks/{} PUT /hooks/{} PATCH /hooks/{} DELETE /hooks/{} OPTIONS /hooks/{}",
}
SCOPES = ("read", "invoke", "review", "apply", "admin")


def needs():
    """{(method, pattern with {} for names): scope}"""
    table = {}
    for scope, text in NEEDS.items():
        method = None
        for word in text.split():
            if word.startswith("/"):
                table[method, word] = scope
            else:
                method = word
    return table


def routes(rouse):
    """[(method, path to try, what it needs)] of all that the daemon says it has; its word must be ours."""
    known, found = needs(), []
    for path, methods in rouse.get("/v1/openapi.json")["paths"].items():
        for method, what in methods.items():
            key = method.upper(), re.sub(r"\{.*?\}", "{}", path)
            check(key in known, f"{key} is a route of which SPEC 13 is not known to say who may use it")
            wanted = known.pop(key)
            says = what["security"][0]["token"][0] if what["security"] else OPEN
            expect(says, wanted, f"scope of {key} in openapi.json")
            # Ids that there are not, so that whoever is let in changes nothing.
            found.append((key[0], re.sub(r"\{.*?\}", "019abc00-0000-7000-8000-000000000000", path), wanted))
    expect([k for k in known if not k[1].startswith("/hooks")], [], "routes that are gone")
    check(len(found) > 80, f"{len(found)} routes")
    return found


def status_of(connection):
    """The status line alone: a stream has no end."""
    said = b""
    while b"\r\n" not in said:
        more = connection.recv(4096)
        if not more:
            raise Failed(f"no answer: {said!r}")
        said += more
    return int(said.split()[1])


def ask(connection, method, path, token=None):
    """A body that none takes for a wish: an array."""
    bearer = f"Authorization: Bearer {token}\r\n" if token else ""
    connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{bearer}Content-Length: 2\r\n\r\n[]".encode())
    return status_of(connection)


class Addresses:
    """Loopback addresses, each for a few wrong tokens: more of one are refused in another way."""

    def __init__(self):
        self.used = 0

    def next(self):
        self.used += 1
        return f"127.1.{self.used // 10 // 250}.{self.used // 10 % 250 + 1}"


def house(rouse, **http):
    rouse.agent("a", says(RESULT))
    rouse.webhook("push", agent="a")
    rouse.section("http", **http)
    rouse.start()


def token(rouse, *scopes, **more):
    return rouse.api("POST", "/v1/tokens", {"scopes": list(scopes), **more}).expect(201).json["token"]


def bearer(token):
    return {"Authorization": "Bearer " + token}


def verdict(status, allowed, refused):
    return status not in (401, 403, 429) if allowed else status == refused


@scenario("over TCP each route is open to its scope and to admin, and to no other; to nobody without a token that is alive")
def _(rouse):
    key = os.path.join(rouse.dir, "key")
    with open(os.open(key, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        f.write("sk-real")
    rouse.section("model m", url="http://127.0.0.1:9", key="file:" + key, input_price=0, output_price=0)
    rouse.agent("metered", "read e; echo $ANTHROPIC_API_KEY > $D/own.new; mv $D/own.new $D/own; read x\n", meter="proxy", models="m")
    house(rouse)
    rouse.api("POST", "/v1/agents/metered/invoke", {}).expect(202)
    own = wait("the agent has its key", lambda: open(os.path.join(rouse.dir, "own")).read().strip(), 60)
    dead = {"guessed": "rouse_" + "A" * 43, "a run's own": own, "expired": token(rouse, "admin", name="old", expires=iso(time.time() + 2)),
            "revoked": token(rouse, "admin", name="gone")}
    rouse.api("POST", "/v1/tokens/gone/revoke").expect(200)
    wait("the token is over", lambda: [t for t in rouse.items("/v1/tokens") if t["name"] == "old" and t["state"] == "expired"], 60)
    alive = {scope: token(rouse, scope) for scope in SCOPES}
    alive["bound"] = token(rouse, "read", "review", agent="a")
    may = {scope: {scope} for scope in SCOPES} | {"admin": set(SCOPES), "bound": {"read", "review"}}
    addresses, wrong = Addresses(), []

    def tcp(method, path, token, source="127.0.0.1"):
        with socket.create_connection(("127.0.0.1", rouse.port), 60, (source, 0)) as connection:
            return ask(connection, method, path, token)

    for method, path, scope in routes(rouse):
        status = tcp(method, path, None)
        if not verdict(status, scope is OPEN, 401):
            wrong.append((method, path, "no token", status))
        if scope is OPEN:
            continue
        for what, text in dead.items():
            status = tcp(method, path, text, addresses.next())
            if status != 401:
                wrong.append((method, path, what, status))
        for who, text in alive.items():
            status = tcp(method, path, text)
            if not verdict(status, scope in may[who], 403):
                wrong.append((method, path, who, status))
    expect(wrong, [], "answers that SPEC 13 does not allow")
    rouse.api("POST", "/v1/resume", {}).expect(200)


def iso(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1000):03}Z"


# Asks over the socket as somebody else: what it is asked stands on standard input.
CHILD = r"""
import json, os, socket, sys
(uid, gid, groups), path, asked = json.load(sys.stdin)
os.setgroups(groups)
os.setresgid(gid, gid, gid)
os.setresuid(uid, uid, uid)
for method, route in asked:
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    try:
        s.connect(path)
    except PermissionError:
        print("shut")
        continue
    s.sendall(f"{method} {route} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]".encode())
    said = b""
    while b"\r\n" not in said:
        said += s.recv(4096) or b"HTTP/1.1 0 gone\r\n"
    print(said.split()[1].decode())
    s.close()
"""


def as_user(rouse, uid, gid, groups, asked):
    process = spawn([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    out, _ = process.communicate(json.dumps([(uid, gid, groups), rouse.socket, asked]), 120 * PATIENCE)
    expect(process.returncode, 0, "exit of the one who asks")
    return [word if word == "shut" else int(word) for word in out.split()]


def shared_socket(rouse, **daemon):
    if os.geteuid() != 0:
        raise Skip("only root can be somebody else")
    os.chmod(rouse.dir, 0o755)
    rouse.section("daemon", group="users", **daemon)
    house(rouse)
    return grp.getgrnam("users").gr_gid


def walk_socket(rouse, gid, may):
    table = routes(rouse)
    asked = [(method, path) for method, path, _ in table]
    who = {"root": (0, 0, []), "group": (65534, gid, []), "group by the way": (65534, 65534, [gid])}
    allowed = {"root": set(SCOPES), "group": may, "group by the way": may}
    wrong = []
    for name, (uid, group, groups) in who.items():
        for (method, path, scope), status in zip(table, as_user(rouse, uid, group, groups, asked), strict=True):
            if not verdict(status, scope is OPEN or scope in allowed[name], 403):
                wrong.append((name, method, path, status))
    expect(wrong, [], "answers that are against the rule")
    return asked


@scenario("on the socket root does all, the group reads and reviews, others do not come in")
def _(rouse):
    gid = shared_socket(rouse)
    asked = walk_socket(rouse, gid, {"read", "review"})
    expect(set(as_user(rouse, 65534, 65534, [], asked[:20])), {"shut"}, "answers to a stranger")
    # Also where the file was opened to all by mistake.
    os.chmod(rouse.socket, 0o666)
    needs_scope = [(m, p) for m, p, scope in routes(rouse) if scope]
    expect(set(as_user(rouse, 65534, 65534, [], needs_scope)), {403}, "answers to a stranger")
    rouse.api("POST", "/v1/resume", {}).expect(200)


@scenario("group_may gives the group more or less, at a reload; a scope that there is not is refused")
def _(rouse):
    gid = shared_socket(rouse, group_may="read, invoke")
    asked = [("GET", "/v1/runs"), ("POST", "/v1/runs/019abc00-0000-7000-8000-000000000000/cancel"), ("POST", "/v1/decide"), ("POST", "/v1/reload")]
    expect(as_user(rouse, 65534, gid, [], asked), [200, 400, 403, 403], "answers")
    rouse.section("daemon", group_may="admin")
    rouse.write_config()
    check("may administer" in rouse.cli("check", rouse.conf).err, "check says what that means")
    rouse.cli("reload")
    expect(as_user(rouse, 65534, gid, [], asked), [200, 400, 400, 200], "answers")
    rouse.section("daemon", group_may="read, revue")
    rouse.write_config()
    said = rouse.cli("check", rouse.conf, expect_code=1)
    check("revue" in said.out + said.err and "review" in said.out + said.err, f"it says what is wrong: {said}")
    rouse.section("daemon", group_may="read", group=None)
    rouse.write_config()
    check("group" in rouse.cli("check", rouse.conf, expect_code=1).err, "a right without a group is a mistake")


# --- tokens ---------------------------------------------------------------------------------------


@scenario("a token is made without a name, shown once, and listed with its state, its last use and its end")
def _(rouse):
    house(rouse)
    said = rouse.cli("token", "create", "--scope", "review", "--expires", "30d")
    secret = said.out.strip()
    check(re.fullmatch(r"rouse_[\w-]{43}", secret), f"a token: {said}")
    [one] = rouse.cli("token", "list", "--json").lines
    check(one["name"].startswith("review-") and one["name"] in said.err, f"it has a name, which is said: {one} {said}")
    expect((one["scopes"], one["state"], one["last_used"]), (["review"], "live", None), "the token")
    check(one["expires"] > one["created"], "it ends")
    rouse.http("POST", "/v1/decide", [], bearer(secret)).expect(400)
    [one] = rouse.cli("token", "list", "--json").lines
    check(one["last_used"] >= one["created"], "its last use is known")
    rouse.cli("token", "revoke", one["name"])
    expect(rouse.cli("token", "list", "--json").lines[0]["state"], "revoked", "state")
    for bad in ({"scopes": []}, {"scopes": ["root"]}, {"scopes": ["read"], "name": ""}, {"scopes": ["read"], "name": 7}, {"scopes": ["read"], "name": "x" * 65},
                {"scopes": ["read"], "name": "a b"}, {"scopes": ["read"], "expires": "2020-01-01T00:00:00Z"}, {"scopes": ["read"], "expires": "soon"}):
        rouse.api("POST", "/v1/tokens", bad).expect(400)


def stream(rouse, path, secret, method="GET", body=None):
    connection = http.client.HTTPConnection("127.0.0.1", rouse.port, timeout=60 * PATIENCE)
    connection.request(method, path, body, {**bearer(secret), "Accept": "text/event-stream", "Content-Type": "application/json"})
    answer = connection.getresponse()
    expect(answer.status, 200, f"answer to {path}")
    return answer


SLOW = "read e; touch $D/began; read x; echo '{\"type\":\"result\",\"output\":\"secret\"}'\n"


@scenario("a token that is revoked ends what is open by it, and no run; other tokens' streams go on")
def _(rouse):
    rouse.agent("slow", SLOW)
    house(rouse)
    secret, other = token(rouse, "read", "invoke", name="x"), token(rouse, "read", name="y")
    run = rouse.api("POST", "/v1/agents/slow/invoke", {}).expect(202).run_id
    rouse.wait_run(run, "running", 60)
    invoked = stream(rouse, "/v1/agents/slow/invoke", secret, "POST", "{}")
    answers, waiter = [], threading.Thread(target=lambda: answers.append(
        rouse.http("POST", "/v1/agents/slow/invoke", {}, {**bearer(secret), "Prefer": "wait=250"}, 120)))
    waiter.start()
    feed, log, others = stream(rouse, "/v1/stream", secret), stream(rouse, f"/v1/runs/{run}/events", secret), stream(rouse, "/v1/stream", other)
    others.readline()
    wait("all three run", lambda: len(rouse.runs(status="running")) == 3, 60)
    rouse.api("POST", "/v1/tokens/x/revoke").expect(200)
    for answer in (feed, log, invoked):
        answer.read()  # to its end
    waiter.join(60 * PATIENCE)
    expect([a.status for a in answers], [401], "the answer to who waited")
    check("secret" not in str(answers), "it tells nothing")
    rouse.http("GET", "/v1/runs", headers=bearer(secret)).expect(401)
    expect(len(rouse.runs(status="running")), 3, "runs that go on")
    rouse.api("POST", f"/v1/runs/{run}/cancel", {}).expect(200, 202)
    while b"cancel" not in others.readline():  # what happens is told; this connection has a limit
        pass
    others.close()


@scenario("a stream ends when its token expires")
def _(rouse):
    house(rouse)
    feed = stream(rouse, "/v1/stream", token(rouse, "read", expires=iso(time.time() + 3)))
    began = feed.readline()
    check(began, "it begins")
    feed.read()


# --- rates ----------------------------------------------------------------------------------------


@scenario("a token and an address have their rate: 429 with the time to wait, and nobody else is held up")
def _(rouse):
    house(rouse, rate_per_token="5/h")
    first, second = token(rouse, "read"), token(rouse, "read")
    expect([rouse.http("GET", "/v1/runs", headers=bearer(first)).status for _ in range(6)], [200] * 5 + [429], "answers")
    late = rouse.http("GET", "/v1/runs", headers=bearer(first)).expect(429)
    check(600 < int(late.headers["Retry-After"]) <= 720, f"Retry-After: {late.headers['Retry-After']}")
    rouse.http("GET", "/v1/runs", headers=bearer(second)).expect(200)
    rouse.api("GET", "/v1/runs").expect(200)
    rouse.section("http", rate_per_token=None, rate_per_ip="4/h")
    rouse.write_config()
    rouse.cli("reload")
    expect([rouse.http("GET", "/readyz").status for _ in range(5)], [200] * 4 + [429], "answers to an address")
    check(int(rouse.http("GET", "/readyz").expect(429).headers["Retry-After"]) > 600, "it says when to come again")
    with socket.create_connection(("127.0.0.1", rouse.port), 20, ("127.0.0.9", 0)) as connection:
        expect(ask(connection, "GET", "/readyz"), 200, "answer to another address")


@scenario("whoever guesses tokens is held up soon, and whoever has a right one is not")
def _(rouse):
    house(rouse)
    right = token(rouse, "read")
    statuses = [rouse.http("GET", "/v1/runs", headers=bearer(f"guess{n}")).status for n in range(30)]
    check(statuses[0] == 401 and statuses[-1] == 429 and statuses.count(401) <= 25, f"answers: {statuses}")
    check(int(rouse.http("GET", "/v1/runs", headers=bearer("another")).expect(429).headers["Retry-After"]) >= 1, "it says when to come again")
    rouse.http("GET", "/v1/runs", headers=bearer(right)).expect(200)


# --- the audit log --------------------------------------------------------------------------------


def audit(rouse, **filters):
    return rouse.items("/v1/audit?limit=1000" + "".join(f"&{k}={v}" for k, v in filters.items()))


def acts(rouse, **filters):
    return [(a["by"], a["act"], a["object"], a["status"]) for a in audit(rouse, **filters)]


@scenario("every decision and administrative act is in the audit log, with who, from where, what, when and the answer")
def _(rouse):
    rouse.crm()
    rouse.agent("asks", says(change(), RESULT), targets="crm")
    rouse.webhook("ask", agent="asks")
    house(rouse)
    rouse.wait_run(rouse.deliver("ask").expect(202).run_id, "succeeded")
    [one] = rouse.changes()
    ci = token(rouse, "review", name="ci")
    rouse.http("POST", f"/v1/changes/{one['id']}/approve", {"reason": "looks good"}, bearer(ci)).expect(200)
    rouse.http("POST", "/v1/halt", {}, bearer(ci)).expect(403)
    rouse.http("GET", "/v1/runs", headers=bearer(ci)).expect(403)
    rouse.cli("pause", "--agent", "a")
    rouse.cli("resume", "--agent", "a")
    rouse.cli("run", "cancel", "019abc00-0000-7000-8000-000000000000", expect_code=3)
    rouse.daemon.send_signal(signal.SIGHUP)
    wait("the reload is written down", lambda: ("signal", "SIGHUP", None, 200) in acts(rouse), 60)
    rouse.cli("db", "check")
    got = wait("all are answered", lambda: (lambda a: a if all(x[3] for x in a) else None)(acts(rouse)), 60)
    expect(got[::-1], [
        ("root", "POST /v1/tokens", None, 201),
        ("token:ci", "POST /v1/changes/{id}/approve", one["id"], 200),
        ("token:ci", "POST /v1/halt", None, 403),
        ("token:ci", "GET /v1/runs", None, 403),
        ("root", "POST /v1/pause", None, 200),
        ("root", "POST /v1/resume", None, 200),
        ("root", "POST /v1/runs/{id}/cancel", "019abc00-0000-7000-8000-000000000000", 404),
        ("signal", "SIGHUP", None, 200),
        ("root", "POST /v1/db/check", None, 200),
    ], "the audit log")
    [approved] = audit(rouse, object=one["id"])
    expect((approved["from"], approved["scope"], json.loads(approved["request"])["reason"], approved["error"]), ("127.0.0.1", "review", "looks good", None), "the approval")
    check("process" in audit(rouse, by="root")[0]["from"] and "ci" in audit(rouse, status=403)[0]["error"], "where from, and why not")
    check(ci not in json.dumps(audit(rouse)), "no token stands there")
    lines = rouse.cli("audit", "list", "--json", "--limit", "100").lines
    expect([(a["by"], a["act"]) for a in lines], [(a[0], a[1]) for a in got], "the export")
    expect(len(rouse.cli("audit", "list", "--by", "token:ci", "--scope", "review", "--json").lines), 1, "reviews of one token")
    check("approve" in rouse.cli("audit", "list").out, "people can read it")


@scenario("the audit log outlives kill -9: an act that was done is there, also when its answer was never heard")
def _(rouse):
    house(rouse)
    rouse.cli("pause", "--agent", "a")
    rouse.kill_9()
    rouse.start()
    check(("root", "POST /v1/pause") in [a[:2] for a in acts(rouse)], "the act is there")
    expect(len(rouse.get("/v1/status")["paused"]), 1, "what is paused")


@scenario("nobody who can write to the database by a mistake of the daemon changes what the audit log says")
def _(rouse):
    house(rouse)
    for _ in range(3):
        rouse.cli("pause")
    wait("all are answered", lambda: all(a[3] for a in acts(rouse)), 60)
    rouse.stop()
    db = sqlite3.connect(rouse.db)
    for sql in ("UPDATE audit SET who = 'maria'", "UPDATE audit SET status = 500", "DELETE FROM audit WHERE seq = (SELECT MAX(seq) FROM audit)", "UPDATE audit SET request = NULL, at = 0"):
        try:
            db.execute(sql)
            raise Failed(f"taken: {sql}")
        except sqlite3.IntegrityError:
            db.rollback()
    db.close()
    rouse.start()
    expect(len(acts(rouse, by="root")), 3, "acts")


@scenario("refusals beyond what is worth keeping are counted, and said with the next")
def _(rouse):
    house(rouse)
    reader = token(rouse, "read")
    for _ in range(70):
        rouse.http("POST", "/v1/halt", {}, bearer(reader)).expect(403)
    check(len(audit(rouse, status=403)) <= 62, "few are written down")
    metrics = rouse.api("GET", "/metrics").expect(200).body.decode()
    check('rouse_refused_total{scope="admin",status="403"} 70' in metrics, "all are counted")
    check(not [a for a in audit(rouse) if a["status"] == 401], "strangers without a token are not written down")


main()
