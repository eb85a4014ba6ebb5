#!/usr/bin/env python3
# Scenario: of remote repositories git fetches what an event needs and no more, and nothing of anybody's settings is run for it.
# SPDX-License-Identifier: MIT
import glob

from git_lib import *


def history(repo, count, branch="main", start=1600000000, big_every=0, onto=None):
    """So many commits, each of one file, some with a megabyte that nothing compresses."""
    lines = []
    for n in range(count):
        lines.append(b"commit refs/heads/%s\ncommitter Ann <ann@example.org> %d +0000\ndata 8\n%08d\n" % (branch.encode(), start + n, n))
        if n == 0 and onto:
            lines.append(b"from %s\n" % onto.encode())
        lines.append(b"M 644 inline d%d/f%d\ndata 11\n%010d\n\n" % (n % 50, n % 1000, start + n))
        if big_every and n % big_every == 0:
            blob = os.urandom(1 << 20)
            lines.append(b"M 644 inline big\ndata %d\n" % len(blob) + blob + b"\n")
    repo("fast-import", "--quiet", stdin=b"".join(lines))
    return repo("rev-parse", branch)


def cache(rouse, name="code"):
    return os.path.join(rouse.state, "git", name, "repository.git")


def is_shallow(rouse, name="code"):
    return os.path.exists(os.path.join(cache(rouse, name), "shallow"))


def without_git(rouse):
    return {"PATH": os.path.join(rouse.dir, "nothing")}


@scenario("of 20,000 commits with great files an event's part is fetched; without git all of it, and it says so once")
def _(rouse):
    repo = Repo(rouse, bare=True)
    old = history(repo, 20000, big_every=1000)
    server = serve(rouse)
    rouse.env = {}
    house(rouse, server.url + "/repo", refs="main", timeout="5m")
    figures = {}
    for n, way in enumerate(("cut off, a server that leaves contents out", "cut off", "whole"), 1):
        if n == 2:
            repo("config", "uploadpack.allowFilter", "false")
        rouse.stop()
        shutil.rmtree(cache(rouse))
        if n == 1:
            repo("config", "uploadpack.allowFilter", "true")
        rouse.start(**(without_git(rouse) if n == 3 else {}))
        learned(rouse)
        server.sent = 0
        began = time.monotonic()
        new = history(repo, 3, start=1700000000 + 10 * n, onto=old)
        event = seen(rouse, n, 120)[-1]
        figures[way] = server.sent
        print(f"#   {way}: {server.sent / 1024:.0f} KiB, {time.monotonic() - began:.2f} s from the push to the agent")
        expect((event["old"], event["new"], event["kind"], len(event["commits"]), event["commits_more"], event["paths_total"], event["incomplete"]), (old, new, "moved", 3, False, 3, None), way)
        expect(is_shallow(rouse), n < 3, "is the cache cut off")
        old = new
    sizes = list(figures.values())
    check(sizes[0] < sizes[1] < sizes[2] / 8, f"bytes: {figures}")
    expect(rouse.log_text().count("fetched whole"), 1, "how often it is said")
    server.shutdown()


@scenario("what a cut-off history tells is what the whole one tells: random histories with merges, forced moves, tags, new and deleted branches")
def _(rouse):
    repo = Repo(rouse, bare=True)
    dice = random.Random(11)
    clock = 1600000000
    tree = repo("hash-object", "-t", "tree", "-w", "--stdin", stdin=b"")

    def commit(*parents):
        nonlocal clock
        clock += dice.choice((-3, 1, 60))
        blob = repo("hash-object", "-w", "--stdin", stdin=str(dice.random()).encode())
        of = repo("mktree", stdin=f"100644 blob {blob}\tf{dice.randrange(9)}\n".encode()) if dice.random() < 0.9 else tree
        env = {"GIT_AUTHOR_DATE": f"{clock} +0000", "GIT_COMMITTER_DATE": f"{clock} +0000"}
        return subprocess.run(["git", "-C", repo.path, "commit-tree", of, "-m", f"c{clock}", *(w for p in parents for w in ("-p", p))], env={**repo.env, **env}, capture_output=True, text=True, check=True).stdout.strip()

    all_ = [history(repo, 400, branch="a", start=1590000000)]
    for _ in range(60):
        all_.append(commit(*{all_[-1], *([dice.choice(all_)] if dice.random() < 0.3 else [])}))
    for name in ("a", "b", "c"):
        repo("update-ref", f"refs/heads/{name}", all_[-1])
    server = serve(rouse)
    rouse.agent("note", NOTE, concurrency=8)
    for name, url in (("far", server.url + "/repo"), ("near", repo.path)):
        rouse.section(f"trigger {name}", source="git", repo=url, agent="note", poll="1s", overlap="allow")
    rouse.start()
    for name in ("far", "near"):
        learned(rouse, name)
    told = 0
    for round_ in range(12):
        names = sorted(repo("for-each-ref", "--format=%(refname)").split())
        lines = []
        for _ in range(dice.randrange(1, 4)):
            name = dice.choice(("refs/heads/a", "refs/heads/b", "refs/heads/c", f"refs/heads/n{round_}", "refs/heads/a"))
            if any(name in line for line in lines):
                continue
            base = repo("rev-parse", name) if name in names else dice.choice(all_)
            if name in names and dice.random() < 0.1:
                lines.append(f"delete {name}\n")
                continue
            if dice.random() < 0.3:
                base = dice.choice(all_)
            for _ in range(dice.randrange(1, 5)):
                base = commit(*{base, *([dice.choice(all_)] if dice.random() < 0.3 else [])})
                all_.append(base)
            lines.append(f"update {name} {base}\n")
        for name in ("far", "near"):
            rouse.cli("pause", "--trigger", name)
        repo("update-ref", "--stdin", stdin="".join(lines).encode())
        if dice.random() < 0.3:
            repo("tag", "-a", "-m", "t", f"t{round_}", dice.choice(all_))
            lines.append("tag")
        for name in ("far", "near"):
            rouse.cli("resume", "--trigger", name)
        told += 2 * len(lines)
        seen(rouse, told, 60)
    marks = [json.loads(m) for m in rouse.marks()]
    docs = {name: sorted((json.dumps({**m["payload"], "repo": None}, sort_keys=True) for m in marks if m["trigger"]["name"] == name)) for name in ("far", "near")}
    missing = {"forced": 0}
    for far, near in zip(docs["far"], docs["near"]):
        if far != near:
            far, near = json.loads(far), json.loads(near)
            differs = {k: (far[k], near[k]) for k in near if far.get(k) != near[k]}
            raise Failed(f"{near['ref']} {near['kind']}: {differs}")
        missing["forced"] += json.loads(far)["kind"] == "forced"
    check(is_shallow(rouse, "far"), "it is cut off")
    print(f"#   {len(docs['far'])} events, {missing['forced']} of them forced, the same both ways")
    server.shutdown()


@scenario("moved by 300 commits: the newest hundred, the paths of all, and that it was no force; by 3,000: that this cannot be known")
def _(rouse):
    repo = Repo(rouse, bare=True)
    old = history(repo, 2000)
    server = serve(rouse)
    house(rouse, server.url + "/repo", refs="main")
    new = history(repo, 300, start=1700000000, onto=old)
    event = seen(rouse, 1)[-1]
    expect((event["kind"], len(event["commits"]), event["commits_more"], event["paths_total"], event["incomplete"]), ("moved", 100, True, 300, None), "300 commits")
    check(is_shallow(rouse), "it is cut off")
    shutil.rmtree(cache(rouse))
    newer = history(repo, 3000, start=1710000000, onto=new)
    event = seen(rouse, 2)[-1]
    expect((event["old"], event["new"], event["kind"], len(event["commits"]), event["commits_more"]), (new, newer, "moved", 100, True), "3,000 commits")
    check("may have been moved by force" in event["incomplete"], f"it says so: {event['incomplete']}")
    side = history(repo, 120, branch="side", start=1720000000, onto=repo("rev-parse", f"{newer}~150"))
    repo("update-ref", "refs/heads/main", side)
    event = seen(rouse, 3)[-1]
    expect((event["kind"], len(event["commits"]), event["commits_more"], event["incomplete"]), ("forced", 100, True, None), "by force")
    check(event["paths_total"] > 100, "its paths")
    server.shutdown()


@scenario("an old commit that the server has no more leaves a gap, and no failure")
def _(rouse):
    repo = Repo(rouse, bare=True)
    old = history(repo, 300)
    server = serve(rouse)
    house(rouse, server.url + "/repo", refs="main")
    new = repo.tree_commit("new", old)
    repo("update-ref", "refs/heads/main", new)
    event = seen(rouse, 1)[-1]
    expect((event["kind"], [c["subject"] for c in event["commits"]], event["incomplete"]), ("moved", ["new"], None), "one commit")
    orphan = repo.tree_commit("orphan")
    repo("update-ref", "refs/heads/main", orphan)
    repo("reflog", "expire", "--all", "--expire=now")
    repo("gc", "-q", "--prune=now")
    shutil.rmtree(cache(rouse))
    event = seen(rouse, 2)[-1]
    expect((event["old"], event["new"], event["kind"], [c["subject"] for c in event["commits"]]), (new, orphan, "forced", ["orphan"]), "the old one is gone")
    learned(rouse)
    server.shutdown()


@scenario("hooks, helpers and settings of the daemon's user and of the cache run nothing; those of hostile repositories neither")
def _(rouse):
    script = shared("chaos/resources/hostile_git.sh")
    repo = Repo(rouse)
    repo.commit("a")
    server = serve(rouse)
    pwned = os.path.join(rouse.dir, "pwned")
    evil = os.path.join(rouse.dir, "evil")
    with open(evil, "w") as f:
        f.write(f'#!/bin/sh\necho "$0 $@" >>{pwned}\ncat\n')
    os.chmod(evil, 0o755)
    home = os.path.join(rouse.dir, "home")
    os.makedirs(os.path.join(home, ".ssh"))
    with open(os.path.join(home, ".gitconfig"), "w") as f:
        f.write(f'[core]\n\thooksPath = {rouse.dir}/hooks\n\tfsmonitor = {evil}\n\tsshCommand = {evil}\n\taskPass = {evil}\n\tgitProxy = {evil}\n\talternateRefsCommand = {evil}\n[credential]\n\thelper = {evil}\n'
                f'[url "ext::{evil} "]\n\tinsteadOf = http\n[protocol "ext"]\n\tallow = always\n[uploadpack]\n\tpackObjectsHook = {evil}\n[http]\n\tproxy = http://127.0.0.1:1\n')
    for folder in ("hooks",):
        os.makedirs(os.path.join(rouse.dir, folder))
        for hook in ("reference-transaction", "post-update", "pre-auto-gc", "fsmonitor-watchman"):
            shutil.copy(evil, os.path.join(rouse.dir, folder, hook))
    rouse.env = {"HOME": home, "XDG_CONFIG_HOME": home, "GIT_CONFIG_GLOBAL": home + "/.gitconfig", "GIT_SSH_COMMAND": evil, "GIT_SSH": evil, "GIT_ASKPASS": evil, "SSH_ASKPASS": evil, "GIT_EXEC_PATH": rouse.dir + "/hooks",
                 "GIT_PROXY_COMMAND": evil, "GIT_TRACE": rouse.dir + "/trace", "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.fsmonitor", "GIT_CONFIG_VALUE_0": evil, "GIT_TEMPLATE_DIR": rouse.dir, "http_proxy": "http://127.0.0.1:1"}
    for path in glob.glob("/tmp/git_pwned_*"):
        os.unlink(path)
    zoo = os.path.join(rouse.dir, "zoo")
    subprocess.run(["bash", script, zoo], capture_output=True, timeout=300, env={"PATH": os.environ["PATH"], "HOME": rouse.dir})
    for path in glob.glob("/tmp/git_pwned_*"):
        os.unlink(path)
    fine = [n for n in ("hooks", "fsmonitor", "sshcmd", "pager", "filter", "ext", "optinj", "submod", "msg", "refs", "bigfile", "corrupt", "alternates") if os.path.isdir(os.path.join(zoo, n, ".git"))]
    for name in fine:
        rouse.section("trigger " + name, source="git", repo=f"{server.url}/zoo/{name}/.git", agent="note", poll="1s", refs="refs/heads/next")
    house(rouse, server.url + "/repo/.git")
    fine = [n for n in fine if n not in ("corrupt", "alternates")]
    for name in fine:
        learned(rouse, name)
    repo.commit("b", "b")
    expect([c["subject"] for c in seen(rouse, 1)[-1]["commits"]], ["b"], "what was seen")
    check(os.path.isdir(os.path.join(cache(rouse), "refs/rouse")), "git fetched it")
    for hook in ("reference-transaction", "post-update", "pre-auto-gc"):
        os.makedirs(os.path.join(cache(rouse), "hooks"), exist_ok=True)
        shutil.copy(evil, os.path.join(cache(rouse), "hooks", hook))
    repo.commit("c", "c")
    seen(rouse, 2)
    env = {"PATH": os.environ["PATH"], "HOME": rouse.dir, "GIT_CONFIG_NOSYSTEM": "1"}
    for name in fine:
        git = ["git", "-C", os.path.join(zoo, name), "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "user.name=a", "-c", "user.email=a@b"]
        tree = subprocess.run([*git, "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "next"], env=env, capture_output=True, text=True).stdout.strip()
        subprocess.run([*git, "update-ref", "refs/heads/next", tree], env=env, check=True)
    for path in glob.glob("/tmp/git_pwned_*"):
        os.unlink(path)
    wait("each is seen", lambda: len(rouse.marks()) >= 2 + len(fine), 90)
    stays("nothing of theirs was run", lambda: not glob.glob("/tmp/git_pwned_*"), 1)
    check(not os.path.exists(pwned), f"nothing of the user's was run: {os.path.exists(pwned) and open(pwned).read()}")
    check(not os.path.exists(rouse.dir + "/trace"), "nothing was traced")
    server.shutdown()


@scenario("while git fetches nobody sees the password, neither in arguments nor in environments; a server that hangs then is left in time, with all that was started")
def _(rouse):
    repo = Repo(rouse)
    repo.commit("a")
    server = serve(rouse, "ann:s3cr3t-w0rd")
    secret = os.path.join(rouse.dir, "token")
    with open(os.open(secret, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        f.write("ann:s3cr3t-w0rd\n")
    house(rouse, server.url.replace("//", "//someone@") + "/repo/.git", credentials="file:" + secret, timeout="4s")
    stop = threading.Event()
    server.gate = lambda method, path, body: stop.wait(60) if method == "POST" and b"want " in body and b"have " not in body else None
    repo.commit("b", "b")

    def gits():
        return {pid: cmdline(pid) for pid, state in descendants(rouse.daemon.pid).items() if state != "Z" and "git" in cmdline(pid)}

    found = wait("git fetches", lambda: (lambda g: g if any("remote-http" in c for c in g.values()) else None)(gits()))
    for pid, words in found.items():
        try:
            with open(f"/proc/{pid}/environ", "rb") as f:
                check(b"s3cr3t" not in f.read(), f"{words}: its environment has the password")
        except (FileNotFoundError, ProcessLookupError):
            pass
        check("s3cr3t" not in words, f"an argument has the password: {words}")
    wait("it is late, and says so", lambda: "time" in (health(rouse)["last_error"] or ""), 30)
    wait("nothing of it is left", lambda: not any("fetch" in c or "remote-http" in c for c in gits().values()), 30)
    rouse.cli("pause", "--trigger", "code")
    server.gate = None
    stop.set()
    rouse.restart()
    rouse.cli("resume", "--trigger", "code")
    expect([c["subject"] for c in seen(rouse, 1, 60)[-1]["commits"]], ["b"], "afterwards it is seen")
    for folder, _, files in os.walk(rouse.state):
        for name in files:
            if os.path.isfile(os.path.join(folder, name)):
                with open(os.path.join(folder, name), "rb") as f:
                    check(b"s3cr3t-w0rd" not in f.read(), f"{name} has the password")
    server.shutdown()


@scenario("a server that sends git alone elsewhere is not followed; after two such failures libgit2 fetches, and git again when it can")
def _(rouse):
    repo = Repo(rouse)
    repo.commit("a")
    server, elsewhere = serve(rouse), serve(rouse)
    house(rouse, server.url + "/repo/.git", credentials="plain:ann:pw")
    server.elsewhere = elsewhere.url.replace("127.0.0.1", "localhost")
    repo.commit("b", "b")
    event = seen(rouse, 1, 60)[-1]
    expect(([c["subject"] for c in event["commits"]], event["incomplete"]), (["b"], None), "what was seen")
    expect((server.turned_away >= 2, elsewhere.sent), (True, 0), "git was sent elsewhere, and did not go")
    check(not glob.glob(cache(rouse) + "/objects/pack/*.promisor"), "libgit2 fetched it")
    server.elsewhere = None
    repo.commit("c", "c")
    expect([c["subject"] for c in seen(rouse, 2, 60)[-1]["commits"]], ["c"], "the next")
    check(glob.glob(cache(rouse) + "/objects/pack/*.promisor"), "git fetched that")
    server.shutdown()
    elsewhere.shutdown()


@scenario("over ssh it is cut off too; the user's ssh settings are not read, and the key is on no disk")
def _(rouse):
    server = ssh_server(rouse)
    repo = Repo(rouse)
    history(repo, 300)
    pwned = os.path.join(rouse.dir, "pwned")
    home = os.path.join(rouse.dir, "home/.ssh")
    os.makedirs(home)
    with open(os.path.join(home, "config"), "w") as f:
        f.write(f"Host *\n\tProxyCommand touch {pwned}\n\tPermitLocalCommand yes\n\tLocalCommand touch {pwned}\n")
    os.chmod(os.path.join(home, "config"), 0o600)
    rouse.env = {"HOME": os.path.dirname(home)}
    house(rouse, f"ssh://root@127.0.0.1:{server.port}{repo.path}", credentials=f"file:{server.home}/user", known_hosts=f"{server.home}/known", refs="main")
    repo("reset", "-q", "--hard", "main")
    repo.commit("b", "p")
    event = seen(rouse, 1)[-1]
    expect((event["kind"], event["paths"], event["incomplete"]), ("moved", ["p"], None), "what was seen")
    check(is_shallow(rouse), "it is cut off")
    key = open(os.path.join(server.home, "user"), "rb").read().split(b"\n")[1]
    for folder, _, files in os.walk(rouse.state):
        for name in files:
            if os.path.isfile(os.path.join(folder, name)):
                with open(os.path.join(folder, name), "rb") as f:
                    check(key not in f.read(), f"{name} has the key")
    check(not os.path.exists(pwned), "the user's settings were not read")
    server.daemon.terminate()
    server.daemon.wait()


main()
