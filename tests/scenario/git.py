#!/usr/bin/env python3
# Scenario: refs of git repositories wake agents: each move once, whatever happens meanwhile, and nothing of a repository is run.
# SPDX-License-Identifier: MIT
import glob

from git_lib import *


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
