#!/usr/bin/env python3
# Scenario: refs of git repositories wake agents: each move once, whatever happens meanwhile, and nothing of a repository is run.
# SPDX-License-Identifier: MIT
import base64
import glob
import http.server
import random
import socketserver
import urllib.parse

from lib import *

NONE = "0" * 40
NOTE = 'read -r e; printf "%s\\n" "$e" >>$D/mark\n'


class Repo:
    """A real repository, made by the real git."""

    def __init__(self, rouse, name="repo", bare=False):
        self.path = os.path.join(rouse.dir, name)
        self.env = {"PATH": os.environ["PATH"], "HOME": rouse.dir, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0",
                    **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "Ann"), ("EMAIL", "ann@example.org"))}}
        needs_program("git")
        os.makedirs(self.path)
        self("init", "-q", "-b", "main", *(["--bare"] if bare else []))

    def __call__(self, *words, stdin=None):
        done = subprocess.run(["git", "-C", self.path, *words], env=self.env, input=stdin, capture_output=True, timeout=120)
        check(done.returncode == 0, f"git {' '.join(words)}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode(errors="replace").strip()

    def commit(self, message="change", path="f", text=None):
        full = os.path.join(self.path, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "a") as f:
            f.write(text or f"{random.random()}\n")
        self("add", path)
        self("commit", "-q", "-m", message)
        return self("rev-parse", "HEAD")

    def tree_commit(self, message, parent=None):
        """A commit on no branch: fast, and in a bare repository too."""
        tree = self("hash-object", "-t", "tree", "-w", "--stdin", stdin=b"")
        return self("commit-tree", tree, "-m", message, *(["-p", parent] if parent else []))


def house(rouse, repo, **trigger):
    rouse.agent("note", NOTE, concurrency=8)
    rouse.section("trigger code", **{"source": "git", "repo": repo, "agent": "note", "poll": "1s", "overlap": "allow", **trigger})
    rouse.start()
    learned(rouse)


def health(rouse, name="code"):
    return next(t for t in rouse.items("/v1/triggers") if t["name"] == name)


def learned(rouse, name="code"):
    wait("the first look is done", lambda: health(rouse, name)["health"] == "ok")


def seen(rouse, n, within=20):
    marks = wait(f"{n} events", lambda: rouse.marks() if len(rouse.marks()) >= n else None, within)
    expect(len(marks), n, "events")
    return [json.loads(m)["payload"] for m in marks]


def events(rouse, **filters):
    return rouse.items("/v1/events?limit=1000" + "".join(f"&{k}={v}" for k, v in filters.items()))


@scenario("what is there at first wakes nobody; a commit then does, with its author, message and paths")
def _(rouse):
    repo = Repo(rouse)
    first = repo.commit("first")
    house(rouse, repo.path)
    one = repo.commit("one: do this\n\nBecause.", "src/a.c")
    [event] = seen(rouse, 1)
    two = repo.commit("two", "docs/b.md")
    event, after = seen(rouse, 2)
    expect((event["ref"], event["type"], event["name"], event["kind"], event["old"], event["new"]), ("refs/heads/main", "branch", "main", "moved", first, one), "the move")
    [commit] = event["commits"]
    expect((commit["id"], commit["author"]["name"], commit["author"]["email"], commit["subject"], commit["message"]), (one, "Ann", "ann@example.org", "one: do this", "one: do this\n\nBecause.\n"), "the commit")
    expect((event["paths"], event["paths_total"], event["commits_more"], event["incomplete"]), (["src/a.c"], 1, False, None), "the paths")
    expect((after["old"], after["new"], after["paths"]), (one, two, ["docs/b.md"]), "the next move")
    [run] = [r for r in rouse.runs() if r["key"] == f"refs/heads/main {one}"]
    document = rouse.event_of(run["id"])["document"]
    expect((document["type"], document["subject"]), ("rouse.git", "refs/heads/main"), "the event")


@scenario("new, moved, forced and deleted refs are told apart, tags are peeled, globs choose")
def _(rouse):
    repo = Repo(rouse)
    base = repo.commit("base")
    house(rouse, repo.path, refs="main, release/*, !release/old-*, refs/tags/v*")
    repo("branch", "feature", base)
    repo("branch", "release/old-1", base)
    repo("branch", "release/1", base)
    [new] = seen(rouse, 1)
    expect((new["ref"], new["kind"], new["old"], new["new"], new["commits"]), ("refs/heads/release/1", "new", None, base, []), "the new one")
    repo("checkout", "-q", "release/1")
    ahead = repo.commit("ahead", "r")
    moved = seen(rouse, 2)[-1]
    expect((moved["kind"], moved["old"], moved["new"], [c["id"] for c in moved["commits"]]), ("moved", base, ahead, [ahead]), "the moved one")
    repo("reset", "-q", "--hard", base)
    back = seen(rouse, 3)[-1]
    expect((back["kind"], back["old"], back["new"], back["commits"], back["paths"]), ("forced", ahead, base, [], ["r"]), "one that was set back")
    other = repo.commit("other", "s")
    seen(rouse, 4)
    repo("update-ref", "refs/heads/release/1", ahead)
    forced = seen(rouse, 5)[-1]
    expect((forced["kind"], forced["old"], forced["new"], [c["id"] for c in forced["commits"]]), ("forced", other, ahead, [ahead]), "the forced one")
    repo("checkout", "-q", "main")
    repo("branch", "-D", "release/1")
    gone = seen(rouse, 6)[-1]
    expect((gone["kind"], gone["old"], gone["new"], gone["paths"]), ("deleted", ahead, None, []), "the deleted one")
    repo("tag", "-a", "v1", "-m", "version one\n\nwith words", base)
    tag = seen(rouse, 7)[-1]
    expect((tag["type"], tag["name"], tag["kind"], tag["new"], tag["tag"]["id"], tag["tag"]["message"], tag["tag"]["tagger"]["name"]),
           ("tag", "v1", "new", base, repo("rev-parse", "refs/tags/v1"), "version one\n\nwith words\n", "Ann"), "the tag")
    repo("tag", "w1", base)
    stays("nothing of other refs", lambda: len(rouse.marks()) == 7, 1.2)


@scenario("a ref that goes from A to B and back to A makes three events, with three keys")
def _(rouse):
    repo = Repo(rouse)
    a = repo.commit("a")
    house(rouse, repo.path, refs="main")
    b = repo.tree_commit("b", a)
    for n, at in enumerate([b, a, b, a], 1):
        repo("update-ref", "refs/heads/main", at)
        seen(rouse, n)
    moves = [(e["old"], e["new"]) for e in seen(rouse, 4)]
    expect(moves, [(a, b), (b, a), (a, b), (b, a)], "moves")
    expect(len({r["key"] for r in rouse.runs()}), 4, "keys")
    repo("update-ref", "-d", "refs/heads/main")
    seen(rouse, 5)
    repo("update-ref", "refs/heads/main", a)
    expect([e["kind"] for e in seen(rouse, 6)][-2:], ["deleted", "new"], "gone and come back")


@scenario("names and messages that are no UTF-8, or mischief, arrive as data")
def _(rouse):
    repo = Repo(rouse)
    repo.commit("base")
    house(rouse, repo.path)
    repo("checkout", "-q", "-b", "$(touch-pwned);`id`")
    expect(seen(rouse, 1)[0]["name"], "$(touch-pwned);`id`", "the name")
    raw = f"tree {repo('rev-parse', 'HEAD^{tree}')}\nparent {repo('rev-parse', 'HEAD')}\nauthor <x> <\" <y> 99999999999999 +9999\ncommitter c <d> 1 +0000\n\n".encode()
    commit = repo("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=raw + b"b\xfcro \x1b]0;x\x07</script>\n\n" + b"x" * 100000)
    repo("update-ref", "HEAD", commit)
    event = seen(rouse, 2)[-1]
    check(event["new"] == commit and len(event["commits"]) == 1, f"the move: {str(event)[:300]}")
    check(event["commits"][0]["subject"].startswith("b\ufffdro \x1b]0"), f"the subject: {event['commits'][0]['subject']!r}")
    check(len(event["commits"][0]["message"].encode()) <= 4100, "the message is cut")
    subprocess.run(["git", "-C", repo.path.encode(), b"update-ref", b"refs/heads/gr\xfc\xdf", b"HEAD"], env=repo.env, check=True)
    expect(seen(rouse, 3)[-1]["name"], "gr\ufffd\ufffd", "the other name")
    subprocess.run(["git", "-C", repo.path.encode(), b"update-ref", b"refs/heads/gr\xfc\xfc", b"HEAD"], env=repo.env, check=True)
    seen(rouse, 4)
    expect({r["key"].split()[0] for r in rouse.runs()} >= {"refs/heads/gr%FC%DF", "refs/heads/gr%FC%FC"}, True, "two names, two keys")


@scenario("of three hundred commits the newest hundred are told, of two thousand paths the first thousand, with their number")
def _(rouse):
    repo = Repo(rouse)
    parent = repo.commit("base")
    house(rouse, repo.path, refs="main")
    stream = b"".join(b"commit refs/heads/wide\ncommitter A <a@b> 1700000000 +0000\ndata 1\nx" + (f"\nfrom {parent}\n".encode() if n == 0 else b"\n") + b"".join(b"M 644 inline d/%d-%d\ndata 1\nx\n" % (n, i) for i in range(7)) for n in range(300))
    repo("fast-import", "--quiet", stdin=stream)
    repo("update-ref", "refs/heads/main", "refs/heads/wide")
    [event] = seen(rouse, 1)
    expect((len(event["commits"]), event["commits_more"], event["commits"][0]["id"]), (100, True, repo("rev-parse", "wide")), "commits")
    expect((len(event["paths"]), event["paths_total"], event["paths_more"]), (1000, 2100, True), "paths")


@scenario("ten thousand refs: none wakes at first, a thousand that move at once wake once each")
def _(rouse):
    repo = Repo(rouse, bare=True)
    a = repo.tree_commit("a")
    b = repo.tree_commit("b", a)
    repo("update-ref", "--stdin", stdin="".join(f"create refs/heads/r{n} {a}\n" for n in range(10000)).encode())
    rouse.agent("note", "read -r e\n")
    rouse.section("trigger code", source="git", repo=repo.path, agent="note", poll="1s", filter="false")
    rouse.start()
    learned(rouse)
    db = sqlite3.connect(f"file:{rouse.db}?mode=ro", uri=True)
    expect(db.execute("SELECT count(*) FROM facts").fetchone()[0], 10000, "refs that are known")
    expect(events(rouse), [], "events")
    repo("update-ref", "--stdin", stdin="".join(f"update refs/heads/r{n} {b}\n" for n in range(0, 10000, 10)).encode())
    began = time.monotonic()
    wait("all are seen", lambda: db.execute("SELECT count(*), count(DISTINCT subject) FROM (SELECT document ->> '$.subject' AS subject FROM events)").fetchone() == (1000, 1000), 60)
    print(f"#   1000 of 10000 refs in {time.monotonic() - began:.2f} s")
    repo("pack-refs", "--all")
    stays("packing them moves none", lambda: db.execute("SELECT count(*) FROM events").fetchone()[0] == 1000, 2.5)
    db.close()


@scenario("a storm of forced pushes: what is seen leads from commit to commit, and ends where the ref is")
def _(rouse):
    repo = Repo(rouse, bare=True)
    ids = [repo.tree_commit(f"c{n}") for n in range(20)]
    repo("update-ref", "refs/heads/main", ids[0])
    house(rouse, repo.path, refs="main")
    for n in range(200):
        repo("update-ref", "refs/heads/main", ids[(n * 7 + 1) % 20])
    last = repo("rev-parse", "refs/heads/main")
    wait("the last is seen", lambda: json.loads(rouse.marks()[-1])["payload"]["new"] == last or any(json.loads(m)["payload"]["new"] == last for m in rouse.marks()[-3:]))
    moves = [json.loads(e["document"] if isinstance(e["document"], str) else json.dumps(e["document"]))["data"] for e in (rouse.get("/v1/events/" + x["id"]) for x in reversed(events(rouse)))]
    chain = [ids[0]] + [m["new"] for m in moves]
    expect([m["old"] for m in moves], chain[:-1], "each begins where the one before ended")
    wait("and ends at the ref", lambda: json.loads(rouse.marks()[-1]) and chain[-1] == last)


@scenario("a repository that is gone is a failure, and wakes nobody; come back, what moved meanwhile is seen")
def _(rouse):
    repo = Repo(rouse)
    a = repo.commit("a")
    house(rouse, repo.path)
    os.rename(repo.path, repo.path + ".away")
    wait("it fails", lambda: health(rouse)["health"] == "failing")
    check("repository" in health(rouse)["last_error"], f"it says why: {health(rouse)}")
    stays("nobody is woken", lambda: not rouse.marks(), 0.5)
    os.rename(repo.path + ".away", repo.path)
    b = repo.commit("b")
    [event] = seen(rouse, 1, 40)
    expect((event["old"], event["new"]), (a, b), "the move")
    learned(rouse)


@scenario("a broken ref is no deleted one, a broken history no silence")
def _(rouse):
    repo = Repo(rouse)
    a = repo.commit("a")
    repo("branch", "b")
    house(rouse, repo.path)
    path = os.path.join(repo.path, ".git/refs/heads/b")
    with open(path, "w") as f:
        f.write("garbage")
    stays("it is not gone", lambda: not rouse.marks(), 2.5)
    os.unlink(path)
    gone = seen(rouse, 1)[0]
    expect((gone["name"], gone["kind"]), ("b", "deleted"), "now it is")
    c = repo.commit("c")
    seen(rouse, 2)
    for path in glob.glob(os.path.join(repo.path, ".git/objects/??/*")):
        os.chmod(path, 0o644)
        with open(path, "w") as f:
            f.write("garbage")
    with open(os.path.join(repo.path, ".git/refs/heads/main"), "w") as f:
        f.write(a + "\n")
    event = seen(rouse, 3)[-1]
    expect((event["old"], event["new"], event["commits"]), (c, a, []), "the move is told all the same")
    check(event["incomplete"], "and that more cannot be had")


@scenario("what moves while the trigger is paused, disabled or the daemon down is one move afterwards")
def _(rouse):
    repo = Repo(rouse)
    at = [repo.commit("0")]
    house(rouse, repo.path)
    rouse.cli("pause", "--trigger", "code")
    at += [repo.commit("1"), repo.commit("2")]
    stays("nothing meanwhile", lambda: not rouse.marks(), 1.5)
    rouse.cli("resume", "--trigger", "code")
    expect([(e["old"], e["new"], len(e["commits"])) for e in seen(rouse, 1)], [(at[0], at[2], 2)], "after the pause")
    rouse.cli("trigger", "disable", "code")
    at.append(repo.commit("3"))
    rouse.cli("trigger", "enable", "code")
    seen(rouse, 2)
    rouse.stop()
    at.append(repo.commit("4"))
    rouse.start()
    expect([e["new"] for e in seen(rouse, 3)], [at[2], at[3], at[4]], "in all")


@scenario("another repository under the same name begins anew; other globs forget nothing")
def _(rouse):
    one, two = Repo(rouse, "one"), Repo(rouse, "two")
    one.commit("1")
    two.commit("2")
    house(rouse, one.path, refs="main")
    rouse.section("trigger code", repo=two.path)
    rouse.write_config()
    rouse.cli("reload")
    learned(rouse)
    stays("nobody is woken", lambda: not rouse.marks(), 1.2)
    two("branch", "more")
    new = two.commit("3")
    seen(rouse, 1)
    rouse.section("trigger code", refs="**")
    rouse.write_config()
    rouse.cli("reload")
    learned(rouse)
    stays("what is matched now wakes nobody", lambda: len(rouse.marks()) == 1, 1.2)
    two("branch", "-f", "more", new)
    expect(seen(rouse, 2)[-1]["name"], "more", "but when it moves")


@scenario("commits that all carry the cause of a run of this trigger do not wake it again; with a person's among them they do")
def _(rouse):
    repo = Repo(rouse)
    repo.commit("a")
    house(rouse, repo.path)
    repo.commit("b")
    seen(rouse, 1)
    [run] = rouse.runs()
    trailer = f"Rouse-Cause: root={rouse.run(run['id'])['event_id']};parent={run['id']};hops=1"
    repo.commit(f"own\n\n{trailer}")
    wait("it is looped", lambda: len(events(rouse, outcome="looped")) == 1)
    check(run["id"] in events(rouse, outcome="looped")[0]["rule"], "the rule names the run")
    rouse.cli("pause", "--trigger", "code")
    repo.commit("a person's")
    repo.commit(f"own again\n\n{trailer}")
    rouse.cli("resume", "--trigger", "code")
    expect(len(seen(rouse, 2)[-1]["commits"]), 2, "commits")
    repo.commit(f"{trailer}\n\nnot a trailer")
    seen(rouse, 3)


@scenario("fifteen kills while refs move: each move seen at rest exactly once")
def _(rouse):
    repo = Repo(rouse, bare=True)
    base = repo.tree_commit("base")
    names = [f"r{n}" for n in range(30)]
    for name in names:
        repo("update-ref", "refs/heads/" + name, base)
    house(rouse, repo.path)
    dice, sent, tips = random.Random(5), 0, {name: base for name in names}
    expected = {name: [base] for name in names}
    for round_ in range(15):
        lines = ""
        for name in dice.sample(names, 10):
            tips[name] = repo.tree_commit(f"{round_} {name}", tips[name])
            expected[name].append(tips[name])
            lines += f"update refs/heads/{name} {tips[name]}\n"
        repo("update-ref", "--stdin", stdin=lines.encode())
        time.sleep(dice.random() * 0.3)
        rouse.kill_9()
        rouse.start()
    db = sqlite3.connect(f"file:{rouse.db}?mode=ro", uri=True)

    def chains():
        found = {name: [] for name in names}
        for ref, old, new in db.execute("SELECT document ->> '$.data.name', document ->> '$.data.old', document ->> '$.data.new' FROM events ORDER BY seq"):
            found[ref].append((old, new))
        return found

    wait("all are where the refs are", lambda: all((c[-1][1] if c else base) == tips[n] for n, c in chains().items()), 30)
    for name, chain in chains().items():
        at = [base] + [new for _, new in chain]
        expect([old for old, _ in chain], at[:-1], f"moves of {name} follow one another")
        expect([x for x in expected[name] if x in at], at, f"moves of {name} are those that were made, in order, none twice")
    wait("every event has run", lambda: db.execute("SELECT count(*) FROM events WHERE run IS NULL").fetchone()[0] == 0 and db.execute("SELECT count(*) FROM runs WHERE status <> 'succeeded'").fetchone()[0] == 0, 30)
    expect(db.execute("SELECT count(*) FROM events").fetchone(), db.execute("SELECT count(*) FROM runs").fetchone(), "events and runs")
    db.close()


@scenario("hostile repositories run nothing, hang nothing, and do not disturb others")
def _(rouse):
    script = shared("chaos/resources/hostile_git.sh")
    needs_program("git")
    for path in glob.glob("/tmp/git_pwned_*"):
        os.unlink(path)
    zoo = os.path.join(rouse.dir, "zoo")
    subprocess.run(["bash", script, zoo], capture_output=True, timeout=300, env={"PATH": os.environ["PATH"], "HOME": rouse.dir})
    for path in glob.glob("/tmp/git_pwned_*"):
        os.unlink(path)
    names = sorted(os.listdir(zoo))
    check(len(names) > 15, f"there are repositories: {names}")
    rouse.agent("note", NOTE)
    for name in names:
        rouse.section("trigger " + name.lower(), source="git", repo=os.path.join(zoo, name), agent="note", poll="1s")
    rouse.start()
    wait("each has been looked at", lambda: all(t["health"] in ("ok", "failing") for t in rouse.items("/v1/triggers?limit=1000")), 60)
    fine = [t["name"] for t in rouse.items("/v1/triggers?limit=1000") if t["health"] == "ok"]
    env = {"PATH": os.environ["PATH"], "HOME": rouse.dir, "GIT_CONFIG_NOSYSTEM": "1"}
    for name in ("hooks", "fsmonitor", "sshcmd", "pager", "filter", "ext", "optinj", "submod", "msg", "refs", "bigfile"):
        check(name in fine, f"{name} can be looked at: {[t for t in rouse.items('/v1/triggers?limit=1000') if t['name'] == name]}")
        git = ["git", "-C", os.path.join(zoo, name), "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "user.name=a", "-c", "user.email=a@b"]
        tree = subprocess.run([*git, "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "next"], env=env, capture_output=True, text=True).stdout.strip()
        subprocess.run([*git, "update-ref", "refs/heads/next", tree], env=env, check=True)
    for path in glob.glob("/tmp/git_pwned_*"):
        os.unlink(path)
    wait("each is seen", lambda: len(rouse.marks()) >= 11, 60)
    stays("nothing of theirs was run", lambda: not glob.glob("/tmp/git_pwned_*"), 1)
    check(rouse.is_alive(), "the daemon lives")


@scenario("a look that dies over what is in a repository is followed by one that tells the move alone")
def _(rouse):
    repo = Repo(rouse, bare=True)
    repo("fast-import", "--quiet", stdin=b"".join(b"commit refs/heads/main\ncommitter A <a@b> %d +0000\ndata 1\nx\n" % (1600000000 + n) for n in range(150000)))
    old = repo("rev-parse", "main")
    house(rouse, repo.path, refs="main")
    stop = threading.Event()

    def helpers():
        return {pid for pid, state in descendants().items() if state != "Z" and cmdline(pid).endswith("rouse-git")}

    def killer():
        while not stop.is_set():
            for pid in helpers():
                time.sleep(0.1)
                if pid in helpers():
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.005)

    thread = threading.Thread(target=killer)
    thread.start()
    try:
        new = repo.tree_commit("new")
        repo("update-ref", "refs/heads/main", new)
        [event] = seen(rouse, 1, 40)
    finally:
        stop.set()
        thread.join()
    expect((event["old"], event["new"], event["kind"], event["commits"]), (old, new, "moved", []), "the move")
    check("did not come to its end" in event["incomplete"], f"why it is no more: {event['incomplete']}")
    learned(rouse)
    newer = repo.tree_commit("newer", new)
    repo("update-ref", "refs/heads/main", newer)
    expect([c["subject"] for c in seen(rouse, 2)[-1]["commits"]], ["newer"], "the next is whole again")


@scenario("a trigger that is removed takes its cache with it")
def _(rouse):
    repo = Repo(rouse)
    repo.commit("a")
    rouse.section("trigger other", source="manual", agent="note")
    house(rouse, repo.path)
    check(os.path.isdir(os.path.join(rouse.state, "git/code")), "there is a folder")
    del rouse.sections["trigger code"]
    rouse.write_config()
    rouse.cli("reload")
    wait("it is gone", lambda: not os.path.exists(os.path.join(rouse.state, "git/code")))


# --- remote ones ----------------------------------------------------------------------------------


class Backend(http.server.BaseHTTPRequestHandler):
    """git http-backend behind HTTP; with a password if the server has one."""

    protocol_version = "HTTP/1.0"

    def serve(self):
        server = self.server
        if server.hang:
            server.stop.wait(60)
            return
        user = "Basic " + base64.b64encode(server.password.encode()).decode() if server.password else None
        if user and self.headers.get("Authorization") != user:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.end_headers()
            return
        url = urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        env = {"PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": server.root, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": urllib.parse.unquote(url.path), "QUERY_STRING": url.query,
               "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", ""), "REMOTE_ADDR": "127.0.0.1", "GIT_CONFIG_COUNT": "1",
               "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*", "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", "")}
        done = subprocess.run(["git", "http-backend"], env=env, input=body, capture_output=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        status = next((int(v.split()[0]) for k, v in headers if k == "Status"), 200)
        self.send_response(status)
        for k, v in headers:
            if k != "Status":
                self.send_header(k, v)
        self.end_headers()
        server.sent += len(content)
        try:
            self.wfile.write(content)
        except ConnectionError:
            pass  # it has enough

    do_GET = do_POST = serve

    def log_message(self, *_):
        pass


def serve(rouse, password=None):
    needs_program("git")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    server.daemon_threads = True
    server.root, server.password, server.hang, server.sent, server.stop = rouse.dir, password, False, 0, threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    return server


@scenario("a remote repository over HTTP: moved, forced, new and deleted, with commits and paths, from a cache of our own")
def _(rouse):
    repo = Repo(rouse)
    a = repo.commit("a")
    server = serve(rouse)
    house(rouse, server.url + "/repo/.git")
    check(server.sent < 2000, f"the first look fetches nothing: {server.sent}")
    b = repo.commit("b", "src/b.c")
    [moved] = seen(rouse, 1)
    expect((moved["kind"], moved["old"], moved["new"], [c["subject"] for c in moved["commits"]], moved["paths"]), ("moved", a, b, ["b"], ["src/b.c"]), "the move")
    c = repo.commit("c", "src/c.c")
    expect([x["subject"] for x in seen(rouse, 2)[-1]["commits"]], ["c"], "the next")
    repo("checkout", "-q", "-B", "main", a)
    d = repo.commit("d", "d")
    forced = seen(rouse, 3)[-1]
    expect((forced["kind"], forced["old"], forced["new"], [x["subject"] for x in forced["commits"]], sorted(forced["paths"])), ("forced", c, d, ["d"], ["d", "src/b.c", "src/c.c"]), "the forced one")
    repo("tag", "-a", "-m", "first", "v1", d)
    tag = seen(rouse, 4)[-1]
    expect((tag["kind"], tag["new"], tag["tag"]["message"], tag["incomplete"]), ("new", d, "first\n", None), "the tag")
    repo("tag", "-d", "v1")
    expect(seen(rouse, 5)[-1]["kind"], "deleted", "the tag that is gone")
    rouse.restart()
    shutil.rmtree(os.path.join(rouse.state, "git", "code", "repository.git"))
    e = repo.commit("e", "e")
    expect([x["subject"] for x in seen(rouse, 6)[-1]["commits"]], ["e"], "without its cache it goes on")
    run = next(r for r in rouse.runs() if r["key"] == f"refs/heads/main {e}")
    expect(json.loads(rouse.marks()[-1])["trust"], "untrusted", "trust of what came in the open")
    server.shutdown()


@scenario("a password is asked for, given from a secret, and stands nowhere; a wrong one is a clear failure")
def _(rouse):
    repo = Repo(rouse)
    repo.commit("a")
    server = serve(rouse, "ann:s3cr3t-w0rd")
    secret = os.path.join(rouse.dir, "token")
    with open(os.open(secret, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        f.write("ann:s3cr3t-w0rd\n")
    rouse.section("trigger none", source="git", repo=server.url + "/repo/.git", agent="note", poll="1s")
    house(rouse, server.url + "/repo/.git", credentials="file:" + secret)
    wait("without one it fails", lambda: "credentials" in (health(rouse, "none")["last_error"] or ""))
    repo.commit("b")
    seen(rouse, 1)
    with open(secret, "w") as f:
        f.write("ann:wrong\n")
    wait("with a wrong one too", lambda: "credentials" in (health(rouse)["last_error"] or ""))
    for folder, _, files in os.walk(rouse.state):
        for name in files:
            if not os.path.isfile(os.path.join(folder, name)):
                continue
            with open(os.path.join(folder, name), "rb") as f:
                check(b"s3cr3t-w0rd" not in f.read(), f"{name} has the password")
    check("s3cr3t-w0rd" not in rouse.log_text(), "the log has it")
    server.shutdown()


@scenario("a server that sends us elsewhere is not followed, and our password not carried there")
def _(rouse):
    repo = Repo(rouse)
    repo.commit("a")
    elsewhere = serve(rouse)
    asked = []

    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(302)
            self.send_header("Location", elsewhere.url.replace("127.0.0.1", "localhost") + self.path)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    rouse.agent("note", NOTE)
    rouse.section("trigger code", source="git", repo=f"http://127.0.0.1:{server.server_port}/repo/.git", agent="note", poll="1s", credentials="plain:ann:pw")
    rouse.start()
    wait("it fails", lambda: health(rouse)["health"] == "failing" and asked)
    print(f"#   {health(rouse)['last_error']}")
    expect(elsewhere.sent, 0, "bytes from elsewhere")
    server.shutdown()
    elsewhere.shutdown()


@scenario("a server that hangs, is away, or sends too much holds up nobody, and what moved is seen afterwards")
def _(rouse):
    repo = Repo(rouse)
    a = repo.commit("a")
    server = serve(rouse)
    local = Repo(rouse, "local")
    local.commit("x")
    for n in range(5):
        rouse.section(f"trigger hung{n}", source="git", repo=server.url + "/repo/.git", agent="note", poll="1s", timeout="1s")
    rouse.section("trigger local", source="git", repo=local.path, agent="note", poll="1s")
    rouse.section("trigger small", source="git", repo=server.url + "/repo/.git", agent="note", poll="1s", fetch_max="1M")
    house(rouse, server.url + "/repo/.git", timeout="1s")
    for name in ("local", "small", "hung4"):
        learned(rouse, name)
    server.hang = True
    b = repo.commit("b", "big", base64.b64encode(os.urandom(4 << 20)).decode())
    wait("they fail, and say so", lambda: all("time" in (health(rouse, f"hung{n}")["last_error"] or "") for n in range(5)), 40)
    local.commit("y")
    wait("the local one is seen", lambda: [m for m in rouse.marks() if json.loads(m)["trigger"]["name"] == "local"])
    server.hang = False
    server.stop.set()
    marks = wait("all see it", lambda: (lambda m: m if len(m) == 8 else None)([json.loads(x) for x in rouse.marks()]), 60)
    small = next(m["payload"] for m in marks if m["trigger"]["name"] == "small")
    expect((small["new"], small["commits"]), (b, []), "the one that may not fetch so much")
    check("fetch_max" in small["incomplete"], f"it says why: {small['incomplete']}")
    code = next(m["payload"] for m in marks if m["trigger"]["name"] == "code")
    expect(code["new"], b, "what the other saw")
    server.shutdown()
    server.server_close()
    wait("it is away", lambda: health(rouse)["health"] == "failing")


@scenario("over TLS a certificate that nobody signed is refused; one of ca_file's authority is taken")
def _(rouse):
    import ssl

    needs_program("openssl")
    repo = Repo(rouse)
    repo.commit("a")
    cert, key = os.path.join(rouse.dir, "cert.pem"), os.path.join(rouse.dir, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    server = serve(rouse)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    rouse.section("trigger trusted", source="git", repo=f"https://localhost:{server.server_port}/repo/.git", agent="note", poll="1s", ca_file=cert)
    rouse.agent("note", NOTE)
    rouse.section("trigger code", source="git", repo=f"https://localhost:{server.server_port}/repo/.git", agent="note", poll="1s")
    rouse.start()
    learned(rouse, "trusted")
    b = repo.commit("b")
    expect(seen(rouse, 1)[0]["new"], b, "what was seen")
    expect(json.loads(rouse.marks()[0])["trust"], "authenticated", "trust")
    wait("it fails", lambda: health(rouse)["health"] == "failing")
    check("certificate" in health(rouse)["last_error"].lower(), f"it says why: {health(rouse)['last_error']}")
    server.shutdown()


@scenario("over git:// from a real git daemon")
def _(rouse):
    repo = Repo(rouse)
    repo.commit("a")
    port = free_port()
    daemon = spawn(["git", "daemon", "--export-all", "--reuseaddr", f"--port={port}", "--listen=127.0.0.1", f"--base-path={rouse.dir}"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, env=repo.env)
    wait("it listens", lambda: socket.create_connection(("127.0.0.1", port), 1).close() is None)
    house(rouse, f"git://127.0.0.1:{port}/repo/.git")
    b = repo.commit("b")
    expect(seen(rouse, 1)[0]["new"], b, "what was seen")
    daemon.terminate()
    daemon.wait()


@scenario("over ssh from a real sshd: with the key, and only when its host key is known")
def _(rouse):
    sshd = shutil.which("sshd") or "/usr/sbin/sshd"
    if not os.path.exists(sshd) or not shutil.which("ssh-keygen"):
        raise Skip("openssh-server is not installed")
    needs_root()
    repo = Repo(rouse)
    repo.commit("a")
    port, home = free_port(), os.path.join(rouse.dir, "ssh")
    os.makedirs(home)
    os.chmod(rouse.dir, 0o755)
    os.makedirs("/run/sshd", exist_ok=True)
    for name in ("host", "user", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", os.path.join(home, name)], check=True)
    with open(os.path.join(home, "config"), "w") as f:
        f.write(f"Port {port}\nListenAddress 127.0.0.1\nHostKey {home}/host\nAuthorizedKeysFile {home}/user.pub\nStrictModes no\nUsePAM no\nPidFile none\nPasswordAuthentication no\nPermitRootLogin yes\n")
    daemon = spawn([sshd, "-D", "-e", "-f", os.path.join(home, "config")], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(os.path.join(home, "log"), "wb"))
    wait("it listens", lambda: socket.create_connection(("127.0.0.1", port), 1).close() is None)
    url = f"ssh://root@127.0.0.1:{port}{repo.path}"
    for name in ("known", "unknown"):
        key = open(os.path.join(home, ("host" if name == "known" else "other") + ".pub")).read().split()
        with open(os.path.join(home, name), "w") as f:
            f.write(f"[127.0.0.1]:{port} {key[0]} {key[1]}\n")
    rouse.section("trigger stranger", source="git", repo=url, agent="note", poll="1s", credentials=f"file:{home}/user", known_hosts=f"{home}/unknown")
    rouse.section("trigger nobody", source="git", repo=url, agent="note", poll="1s", credentials=f"file:{home}/user", known_hosts=f"{home}/not-there")
    rouse.section("trigger keyless", source="git", repo=url, agent="note", poll="1s", credentials=f"file:{home}/other", known_hosts=f"{home}/known")
    house(rouse, url, credentials=f"file:{home}/user", known_hosts=f"{home}/known")
    b = repo.commit("b", "p")
    [event] = seen(rouse, 1)
    expect((event["new"], event["paths"]), (b, ["p"]), "what was seen")
    expect(json.loads(rouse.marks()[0])["trust"], "authenticated", "trust")
    for name in ("stranger", "nobody", "keyless"):
        wait(f"{name} fails", lambda: health(rouse, name)["health"] == "failing")
        print(f"#   {name}: {health(rouse, name)['last_error']}")
    check("known_hosts" in health(rouse, "stranger")["last_error"] and "known_hosts" in health(rouse, "nobody")["last_error"], "they say why")
    daemon.terminate()
    daemon.wait()


@scenario("rouse check says what is wrong with a section, and where")
def _(rouse):
    rouse.agent("note", NOTE)
    for bad, word in (("relative/path", "expected a path"), ("ext::sh -c id", "expected a path"), ("--upload-pack=id", "expected a path"), ("https://ann:pw@example.org/x", "password"), ("ssh://-oProxyCommand=id/x", "expected a path")):
        rouse.section("trigger code", source="git", repo=bad, agent="note")
        rouse.write_config()
        said = rouse.cli("check", rouse.conf, expect_code=1)
        check(word in said.err + said.out and "repo" in said.err + said.out, f"{bad}: {said}")
    rouse.section("trigger code", repo="/srv/x", refs="main, [")
    rouse.write_config()
    check("refs" in rouse.cli("check", rouse.conf, expect_code=1).err, "the glob")
    rouse.section("trigger code", repo="git://example.org/x", refs="main")
    rouse.write_config()
    said = rouse.cli("check", rouse.conf)
    check("not encrypted" in said.err + said.out, f"the warning: {said}")


main()
