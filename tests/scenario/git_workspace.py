#!/usr/bin/env python3
# Scenario: agents that work in a copy of a branch: what they leave there becomes changes, and nothing of it is believed.
# SPDX-License-Identifier: MIT
import pwd

from git_lib import *

READ = "read envelope\nset -e\n"
DONE = "\necho '" + json.dumps(RESULT) + "'\n"


def house(rouse, script, mode="stage", files=(), **keys):
    target_repos(rouse)
    for name, content in dict(files).items():
        rouse.tree.put(name, content)
    if files:
        rouse.first = rouse.tree.save("more")
        give(rouse)
    rouse.section("target repo", kind="git", repo=rouse.repo.path, retry__base="50ms", retry__cap="200ms")
    rouse.agent("a", READ + script + DONE, **{"targets": "repo", "workspace": "git:" + rouse.repo.path, "workdir": None, "retry__base": "10ms", **keys})
    rouse.webhook("push", agent="a", mode=mode)


def logs(rouse, run):
    return [row["data"].get("text", "") for row in rouse.cli("run", "logs", run, "--json").lines if row["type"] == "log"]


def by_entity(rouse, run):
    return {c["entity"]: c for c in rouse.changes(run=run)}


def workspaces(rouse):
    folder = os.path.join(rouse.state, "workspaces")
    return os.listdir(folder) if os.path.isdir(folder) else []


def removed(rouse):
    wait("the workspaces are removed", lambda: not workspaces(rouse), 60)


@scenario("what was created, changed, deleted, renamed and made executable there, committed or not, becomes a change a file")
def _(rouse):
    house(rouse, """
        test "$PWD" = "$ROUSE_WORKSPACE"
        test -z "$(git status --porcelain)"
        test "$(git log --format=%s)" = first
        echo new >created
        mkdir -p deep/er; echo deep >deep/er/file
        git config user.name a; git config user.email a@b
        echo three >>doc/a.txt; git commit -qam mine
        rm old
        git mv app.json moved.json
        printf '#!/bin/sh\\n' >run.sh; chmod 755 run.sh
        printf '\\377\\000\\001' >binary
        echo '*.o' >.gitignore; echo x >ignored.o; mkdir sub; echo x >sub/ignored.o
        echo "# ü" >'ü ber.md'
        """)
    rouse.start()
    run = push(rouse)
    changes = by_entity(rouse, run)
    expect({name: c["op"] for name, c in changes.items()},
           {"created": "create", "deep/er/file": "create", "doc/a.txt": "update", "old": "delete", "app.json": "delete", "moved.json": "create", "run.sh": "create",
            "binary": "create", ".gitignore": "create", "ü ber.md": "create"}, "the changes")
    expect((changes["doc/a.txt"]["before"], changes["doc/a.txt"]["after"]), ("one\ntwo\n", "one\ntwo\nthree\n"), "a changed file")
    expect((changes["run.sh"]["after"], changes["binary"]["after"]), ({"$mode": "755", "$text": "#!/bin/sh\n"}, {"$base64": "/wAB"}), "a program and bytes")
    check("from app.json" in changes["moved.json"]["reason"] and "binary, 3 bytes" in changes["binary"]["reason"], "reasons")
    expect({c["status"] for c in changes.values()}, {"proposed"}, "states")
    expect(rouse.repo("rev-parse", "main"), rouse.first, "the branch before")
    rouse.cli("diff", run)
    apply(rouse, run)
    expect(sorted(rouse.repo("ls-tree", "-r", "-z", "--name-only", "main").strip("\0").split("\0")),
           sorted([".gitignore", "binary", "created", "deep/er/file", "doc/a.txt", "moved.json", "run.sh", "ü ber.md"]), "files of the branch")
    expect(rouse.repo("ls-tree", "main", "run.sh").split()[0], "100755", "the mode")
    expect(rouse.repo("rev-list", "--count", "main"), "2", "commits")
    rouse.cli("revert", run, "--yes")
    expect(rouse.repo("diff", "main", rouse.first), "", "what differs from before")
    check(not os.path.exists(rouse.pwned), "nothing of the repository ran")
    removed(rouse)


@scenario("what can be no change is said: links, special files, other repositories, submodules, what is too large or has no name")
def _(rouse):
    target_repos(rouse)
    os.symlink("app.json", os.path.join(rouse.tree.path, "link"))
    os.symlink("app.json", os.path.join(rouse.tree.path, "same"))
    rouse.tree("add", "-A")
    rouse.tree("update-index", "--add", "--cacheinfo", f"160000,{rouse.first},module")
    rouse.tree("commit", "-qm", "odd")
    give(rouse)
    rouse.section("target repo", kind="git", repo=rouse.repo.path, max_size="1000")
    rouse.agent("a", READ + """
        ln -sf /etc/passwd link
        ln -s /etc newlink
        rm app.json; ln -s /etc/passwd app.json
        mkfifo pipe
        git init -q nested; echo x >nested/f
        (cd doc; git init -q; rm a.txt)
        mkdir -p module; echo x >module/f
        head -c 2000 /dev/zero >large
        echo x >"$(printf 'bad\\377name')"
        echo x >"$(printf 'two\\nlines')"
        mkdir -p dir/.Git; echo x >dir/.Git/config
        echo fine >fine
        """ + DONE, targets="repo", workspace="git:" + rouse.repo.path)
    rouse.webhook("push", agent="a")
    rouse.start()
    run = push(rouse)
    expect(list(by_entity(rouse, run)), ["fine"], f"the changes ({logs(rouse, run)})")
    said = "\n".join(logs(rouse, run))
    for words in ("link is a symbolic link", "newlink is a symbolic link", "app.json is a symbolic link", "pipe is neither a file", "nested is a repository", "doc is a repository",
                  "module is a submodule", "large has 2000 bytes", "bad\ufffdname", "lines cannot be proposed", "dir/.Git/config"):
        check(words in said, f"{words!r} is said: {said}")
    check("same" not in said, "a link that stayed is not spoken of")
    removed(rouse)


@scenario("a run that fails leaves its changes partial and applies none; one that is tried again begins anew")
def _(rouse):
    house(rouse, 'echo tried >>$D/tries\ntest ! -e left || echo stale >>$D/stale\necho x >left\nif test "$ROUSE_ATTEMPT" = 1; then exit 75; fi\nexit 65', mode="apply")
    rouse.start()
    run = push(rouse, "failed")
    expect((len(rouse.marks("tries")), rouse.marks("stale")), (2, []), "attempts, and what they found")
    changes = rouse.changes(run=run)
    expect([(c["entity"], c["status"], c.get("partial")) for c in changes], [("left", "proposed", True)], "the changes")
    expect(rouse.repo("rev-parse", "main"), rouse.first, "the branch")
    removed(rouse)


@scenario("in mode apply what a run leaves is applied when it succeeds")
def _(rouse):
    house(rouse, "echo x >left", mode="apply")
    rouse.start()
    run = push(rouse)
    wait("it is applied", lambda: by_entity(rouse, run)["left"]["status"] == "applied", 60)
    expect(rouse.repo("show", "main:left"), "x", "the file")


@scenario("what others commit while it works stays, and is a conflict where it is the same file")
def _(rouse):
    house(rouse, "echo mine >old\necho mine >other\necho working >>$D/working\nuntil test -e $D/go; do sleep 0.05; done")
    rouse.start()
    run = rouse.deliver("push").expect(202).run_id
    wait("it works", lambda: rouse.marks("working"), 60)
    rouse.tree.put("old", "theirs\n")
    rouse.tree.put("app.json", "{}\n")
    rouse.tree.save("theirs")
    give(rouse)
    open(rouse.dir + "/go", "w").close()
    rouse.wait_run(run, "succeeded", 60)
    by = apply(rouse, run, 1)
    expect({name: c["status"] for name, c in by.items()}, {"old": "conflict", "other": "applied"}, "the changes")
    expect((rouse.repo("show", "main:old"), rouse.repo("show", "main:app.json")), ("theirs", "{}"), "what they did")


@scenario("an agent that makes a trap of its workspace catches nobody")
def _(rouse):
    evil = "touch $D/pwned"
    house(rouse, f"""
        mkdir -p .git/hooks
        for h in pre-commit post-checkout post-index-change reference-transaction fsmonitor-watchman; do printf '#!/bin/sh\\n{evil}\\n' >.git/hooks/$h; chmod 755 .git/hooks/$h; done
        git config core.fsmonitor "{evil}"; git config core.hooksPath .git/hooks; git config core.sshCommand "{evil}"; git config core.pager "{evil}"
        git config filter.evil.clean "{evil}"; git config filter.evil.smudge "{evil}"; git config filter.evil.process "{evil}"; git config diff.evil.textconv "{evil}"
        git config core.worktree /etc; git config include.path /etc/passwd
        echo '* filter=evil diff=evil text eol=crlf' >.gitattributes
        mkdir -p .git/objects/info; echo /etc >.git/objects/info/alternates
        printf '[submodule "m"]\\n\\tpath = m\\n\\turl = ext::sh -c touch%% {rouse.dir}/pwned\\n\\tupdate = !{evil}\\n' >.gitmodules
        mkfifo x.fifo; rm -f .git/index; mkfifo .git/index; rm -rf .git/refs; ln -s /etc .git/refs
        mkdir sub; mkfifo sub/.gitignore; echo x >sub/f
        printf 'a\\r\\nb\\n' >crlf
        """)
    rouse.start()
    run = push(rouse)
    changes = by_entity(rouse, run)
    expect(sorted(changes), [".gitattributes", ".gitmodules", "crlf", "sub/f"], "the changes")
    expect(changes["crlf"]["after"], "a\r\nb\n", "bytes as they are")
    apply(rouse, run)
    check(not os.path.exists(rouse.dir + "/pwned"), "nothing of it ran")
    removed(rouse)


@scenario("a .git that leads elsewhere, and a workspace that is gone, harm nobody")
def _(rouse):
    house(rouse, "case $(cat $D/what) in git) rm -rf .git; ln -s /etc .git; echo x >f;; file) rm -rf .git; echo gitdir: /etc >.git; echo x >f;; gone) d=$PWD; cd /; mv $d $d.away; ln -s /etc $d;; esac", retry__attempts="1")
    rouse.start()
    for what in ("git", "file", "gone"):
        with open(rouse.dir + "/what", "w") as f:
            f.write(what)
        run = push(rouse, "failed" if what == "gone" else "succeeded")
        expect(list(by_entity(rouse, run)), [] if what == "gone" else ["f"], f"the changes of {what}")
    check("its workspace is gone" in rouse.run(run)["error"], f"it is said: {rouse.run(run)['error']}")
    check(os.path.isdir("/etc") and os.path.exists("/etc/passwd"), "what was linked to is there")
    removed(rouse)


IGNORES = ("*.o\n!keep.o\n/only-root\nbuild/\n# comment\n\\#hash\n\\!bang\ndoc/*.txt\n**/deep\nfoo/**\na/**/z\ntrail \nspace\\ \n[ab]x\n!build/kept\nq?r\n",
           "inner\n!only-root\n*.log\n!.log\n/anchored\n")


@scenario("of files that were not there those that .gitignore names are left out, as git does")
def _(rouse):
    names = ["x.o", "keep.o", "s/keep.o", "only-root", "s/only-root", "build/f", "build/kept", "s/build/g", "#hash", "!bang", "doc/n.txt", "doc/s/n.txt", "deep/f", "s/deep/g", "foo/x", "foo/s/y",
             "a/z", "a/b/z", "a/b/c/z", "trail", "space ", "space", "ax", "cx", "s/bx", "qxr", "q/r", "s/inner", "inner", "s/t/inner", "s/e.log", "s/.log", "s/anchored", "s/t/anchored", "buildx", "s/t/x.o"]
    script = "".join(f"mkdir -p \"$(dirname '{n}')\"; echo x >'{n}'\n" for n in names)
    house(rouse, script + "echo changed >tracked.o\ngit ls-files -z --others --exclude-standard >$D/others", files={".gitignore": IGNORES[0], "s/.gitignore": IGNORES[1]})
    rouse.tree.put("tracked.o", "x\n")
    rouse.tree("add", "-f", "tracked.o")
    rouse.tree("commit", "-qm", "tracked")
    give(rouse)
    rouse.start()
    run = push(rouse)
    with open(rouse.dir + "/others") as f:
        others = f.read().strip("\0").split("\0")
    changes = by_entity(rouse, run)
    expect(sorted(name for name, c in changes.items() if c["op"] == "create"), sorted(others), "what git would add")
    expect(changes["tracked.o"]["op"], "update", "a file that was there")


for point in ("workspace-made", "workspace-left"):

    @scenario(f"a daemon that dies at {point} loses nothing, stages once, and cleans up")
    def _(rouse, point=point):
        house(rouse, "echo x >left", mode="apply")
        rouse.start(ROUSE_CRASH=point)
        run = rouse.deliver("push").expect(202).run_id
        expect(rouse.ended(60), -9, "exit of roused")
        rouse.start()
        rouse.wait_run(run, "succeeded", 60)
        wait("it is applied", lambda: [c["status"] for c in rouse.changes(run=run)] == ["applied"], 60)
        removed(rouse)


@scenario("an agent that goes on while the daemon is killed has its changes staged by the next")
def _(rouse):
    house(rouse, "echo x >left\necho working >>$D/working\nuntil test -e $D/go; do sleep 0.05; done\necho y >>left")
    rouse.start()
    run = rouse.deliver("push").expect(202).run_id
    wait("it works", lambda: rouse.marks("working"), 60)
    rouse.kill_9()
    open(rouse.dir + "/go", "w").close()
    rouse.start()
    rouse.wait_run(run, "succeeded", 60)
    expect([c["after"] for c in rouse.changes(run=run)], ["x\ny\n"], "the changes")
    removed(rouse)


@scenario("ten kills while eight runs work, are looked at and applied: each file is there once, and nothing is left behind")
def _(rouse):
    house(rouse, 'echo "$ROUSE_ENTITY" >"$ROUSE_ENTITY"; sleep 0.1', mode="apply", concurrency="3", retry__attempts="20", retry__cap="100ms")
    rouse.section("trigger push", entity=".data.name")
    rouse.start()
    names = [f"file-{n}" for n in range(8)]
    runs = [rouse.deliver("push", {"name": name}).expect(202).run_id for name in names]
    chance = random.Random(5)
    for _ in range(10):
        time.sleep(chance.uniform(0.02, 0.5))
        rouse.kill_9()
        rouse.start()
    for run in runs:
        rouse.wait_run(run, "succeeded", 120)
    wait("all are applied", lambda: [c["status"] for c in rouse.changes()] == ["applied"] * 8 or (_ for _ in ()).throw(Failed(str([(c["entity"], c["status"], c["error"]) for c in rouse.changes()]))), 60)
    expect(sorted(rouse.repo("diff", "--name-only", rouse.first, "main").split()), names, "files of the branch")
    keys = rouse_keys(rouse.repo)
    expect((len(keys), len(set(keys))), (8, 8), "keys in the log")
    expect(rouse.repo("fsck", "--strict", "--no-dangling"), "", "the repository")
    removed(rouse)


@scenario("a run that is cancelled while it works leaves what it had, marked partial")
def _(rouse):
    house(rouse, "echo x >left\necho working >>$D/working\nsleep 600", mode="apply", grace="100ms")
    rouse.start()
    run = rouse.deliver("push").expect(202).run_id
    wait("it works", lambda: rouse.marks("working"), 60)
    rouse.cli("run", "cancel", run)
    rouse.wait_run(run, "cancelled", 60)
    expect([(c["entity"], c["status"], c.get("partial")) for c in rouse.changes(run=run)], [("left", "proposed", True)], "the changes")
    removed(rouse)


@scenario("as a user of its own and held to its files, an agent works in its workspace and reaches no other")
def _(rouse):
    needs_root()
    try:
        pwd.getpwnam("nobody")
    except KeyError:
        raise Skip("there is no user nobody") from None
    os.chmod(rouse.dir, 0o755)
    house(rouse, f"""
        no() {{ if "$@" 2>/dev/null; then echo "{{\\"type\\":\\"log\\",\\"text\\":\\"it could: $*\\"}}"; exit 65; fi; }}
        test "$(id -un)" = nobody
        echo x >left; echo more >>old; chmod 600 old
        no ls ..; no cat ../workspace.json; no touch ../beside; no ls {rouse.state}; no cat {rouse.dir}/repo.git/HEAD; no cat {rouse.dir}/tree/old
        git status --porcelain >/dev/null
        """, user="nobody", filesystem="ro:" + rouse.dir + "/agent-a")
    rouse.start()
    run = push(rouse)
    expect(sorted(by_entity(rouse, run)), ["left", "old"], f"the changes ({logs(rouse, run)})")
    apply(rouse, run)
    expect(rouse.repo("show", "main:old"), "old\nmore", "the file")
    removed(rouse)


@scenario("too much is said, and nothing of it staged; a branch that is too large, or not there, starts nothing")
def _(rouse):
    house(rouse, "case $(cat $D/what) in files) for i in $(seq 5001); do : >f$i; done;; bytes) head -c 2000000 /dev/zero >big;; esac", workspace_max="1M", retry__attempts="1")
    rouse.start()
    for what, words in (("files", "more than 5000 changed files"), ("bytes", "workspace_max")):
        with open(rouse.dir + "/what", "w") as f:
            f.write(what)
        run = push(rouse, "failed")
        check(words in rouse.run(run)["error"], f"it is said: {rouse.run(run)['error']}")
        expect(rouse.changes(run=run), [], "what is staged")
    rouse.tree.put("huge", "x" * 2000000)
    rouse.tree.save("huge")
    give(rouse)
    run = push(rouse, "failed")
    check("workspace_max" in rouse.run(run)["error"], f"it is said: {rouse.run(run)['error']}")
    os.rename(rouse.repo.path, rouse.repo.path + ".gone")
    run = push(rouse, "failed")
    check("its workspace cannot be made" in rouse.run(run)["error"], f"it is said: {rouse.run(run)['error']}")
    removed(rouse)


@scenario("expect sees what was left, and a run that left nothing has not done what it was for")
def _(rouse):
    house(rouse, "if test -e $D/idle; then :; else echo x >left; fi")
    rouse.section("trigger push", expect='[.changes[] | select(.entity == "left")] | length == 1')
    rouse.start()
    push(rouse)
    open(rouse.dir + "/idle", "w").close()
    expect(rouse.run(push(rouse, "failed"))["reason"], "no_effect", "the reason")


@scenario("the work tree of the repository, its index and its branches are nobody's to touch")
def _(rouse):
    house(rouse, "echo x >left; echo more >>old")
    rouse.tree("branch", "agents")
    rouse.tree.trap(rouse.pwned)
    rouse.tree.put("old", "not committed\n")
    rouse.section("target repo", repo=rouse.tree.path, branch="agents")
    rouse.section("agent a", workspace="git:" + rouse.tree.path)
    before = {name: open(os.path.join(rouse.tree.path, name), "rb").read() for name in ("old", "app.json", ".git/index", ".git/HEAD", ".git/config")}
    rouse.start()
    run = push(rouse)
    expect(by_entity(rouse, run)["old"]["after"], "old\nmore\n", "what the agent saw and did")
    apply(rouse, run)
    expect({name: open(os.path.join(rouse.tree.path, name), "rb").read() for name in before}, before, "the work tree, its index, its HEAD")
    expect(sorted(os.listdir(rouse.tree.path)), [".git", "app.json", "doc", "old"], "files there")
    check(not os.path.exists(rouse.pwned), "nothing of it ran")


@scenario("rouse check says which target is missing, and what else cannot be")
def _(rouse):
    house(rouse, "")

    def wrong(words, **keys):
        rouse.section("agent a", **keys)
        rouse.write_config()
        said = rouse.cli("check", rouse.conf, expect_code=1)
        check(words in said.out + said.err, f"{words!r}: {said}")

    wrong("no such; expected one", targets=None)
    rouse.section("target again", kind="git", repo=rouse.repo.path, branch="other")
    wrong("several such; expected one", targets="repo, again")
    wrong("expected git:/PATH", targets="repo", workspace="git:repo")
    wrong("expected git:/PATH", workspace="/repo")
    wrong("expected one of the two", workspace="git:" + rouse.repo.path, session="yes")


main()
