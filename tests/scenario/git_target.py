#!/usr/bin/env python3
# Scenario: a branch as a target: the changes of a run become one commit, once, made of objects alone.
# SPDX-License-Identifier: MIT
from git_lib import *


@scenario("the changes of a run become one commit with its cause, and are taken back by others")
def _(rouse):
    target_house(rouse, *FOUR)
    rouse.start()
    run = push(rouse)
    apply(rouse, run)
    expect(rouse.repo("rev-list", "--count", "main"), "2", "commits")
    expect([rouse.repo("show", "main:" + name) for name in ("app.json", "doc/a.txt", "new/deep/file")], ['{"rate":7}', "one\nzwei", "new"], "files")
    expect(rouse.repo("ls-tree", "main", "old"), "", "what was deleted")
    expect(rouse.repo("rev-parse", "rouse/" + run), rouse.repo("rev-parse", "main"), "the branch of the run")
    trailers = rouse.repo("log", "-1", "--format=%(trailers:key=Rouse-Cause,valueonly)", "main")
    check(f"parent={run}" in trailers and "forged" not in trailers, f"the cause is ours: {trailers}")
    rouse.cli("revert", run, "--yes")
    expect(rouse.repo("diff", "main", rouse.first), "", "what differs from before")
    check(not os.path.exists(rouse.pwned), "no hook and no filter ran")
    expect(rouse.repo("fsck", "--strict", "--no-dangling"), "", "the repository")


@scenario("what somebody else committed meanwhile is a conflict where it is the same file, and merged where not")
def _(rouse):
    target_house(rouse, proposal("app.json", before={"rate": 5}, after={"rate": 9}), proposal("doc/a.txt", before="one\ntwo\n", after="mine\n"))
    rouse.start()
    run = push(rouse)
    rouse.tree.put("doc/a.txt", "theirs\n")
    rouse.tree.env["GIT_COMMITTER_DATE"] = "2037-01-01T00:00:00Z"
    theirs = rouse.tree.save("theirs")
    give(rouse)
    by = apply(rouse, run, 1)
    expect((by["app.json"]["status"], by["doc/a.txt"]["status"], by["doc/a.txt"]["current"]), ("applied", "conflict", "theirs\n"), "the changes")
    expect((by["doc/a.txt"]["before"], by["doc/a.txt"]["after"]), ("one\ntwo\n", "mine\n"), "the other two sides")
    expect(rouse.repo("show", "main:doc/a.txt"), "theirs", "the file")
    expect(rouse.repo("log", "-1", "--format=%P", "main").split(), [theirs, rouse.repo("rev-parse", "rouse/" + run)], "what the merge brings together")
    expect(rouse.repo("rev-parse", f"rouse/{run}^"), rouse.first, "what the run's commit was made from")
    expect(rouse.repo("show", f"rouse/{run}:doc/a.txt"), "one\ntwo", "what the run saw")
    rouse.cli("revert", by["app.json"]["id"], "--yes")
    expect(rouse.repo("show", "main:app.json"), '{"rate":5}', "the file, taken back")


@scenario("with merge = lines both changes of a file stand where they are not of the same lines, and no document is broken by it")
def _(rouse):
    lines = "".join(f"{n}\n" for n in range(30))
    document = '{\n  "a": 1,\n\n\n\n\n\n\n  "b": 2\n}\n'
    target_repos(rouse)
    rouse.tree.put("lines", lines)
    rouse.tree.put("clash", lines)
    rouse.tree.put("doc.json", document)
    rouse.tree.save("more")
    give(rouse)
    mine = lambda name, text, new: {"type": "change", "target": "repo", "entity": name, "before": text, "after": new}
    rouse.section("target repo", kind="git", repo=rouse.repo.path, merge="lines")
    rouse.agent("a", says(mine("lines", lines, lines.replace("3\n", "three\n", 1)), mine("clash", lines, lines.replace("3\n", "three\n", 1)),
                          mine("doc.json", document, document.replace('"a": 1,', '"a": 1, "b": 3,').replace('  "b": 2\n', "").replace("3,", "3")), RESULT), targets="repo")
    rouse.webhook("push", agent="a")
    rouse.start()
    run = push(rouse)
    rouse.tree.put("lines", lines.replace("20\n", "twenty\n"))
    rouse.tree.put("clash", lines.replace("3\n", "drei\n", 1))
    rouse.tree.put("doc.json", document.replace("{\n", '{\n  "c": 0,\n'))
    rouse.tree.save("theirs")
    give(rouse)
    by = apply(rouse, run, 1)
    expect((by["lines"]["status"], by["clash"]["status"]), ("applied", "conflict"), "the changes")
    expect(rouse.repo("show", "main:lines") + "\n", lines.replace("3\n", "three\n", 1).replace("20\n", "twenty\n"), "both changes")
    expect(rouse.repo("show", "main:clash") + "\n", lines.replace("3\n", "drei\n", 1), "what they wrote")
    json.loads(rouse.repo("show", "main:doc.json"))
    rouse.cli("revert", by["lines"]["id"], "--yes")
    expect(rouse.repo("show", "main:lines") + "\n", lines.replace("20\n", "twenty\n"), "theirs, when mine is taken back")


for point in ("git-before-commit", "git-after-commit"):

    @scenario(f"a daemon that dies at {point} has committed once, and takes it back whole")
    def _(rouse, point=point):
        target_house(rouse, *FOUR, mode="apply")
        rouse.start(ROUSE_CRASH=point)
        run = rouse.deliver("push").expect(202).run_id
        expect(rouse.ended(), -9, "exit of roused")
        rouse.start()
        wait("all are applied", lambda: {c["status"] for c in rouse.changes()} == {"applied"} and len(rouse.changes()) == 4, 60)
        expect((len(rouse_keys(rouse.repo)), len(set(rouse_keys(rouse.repo)))), (4, 4), "keys in the log")
        expect(rouse.repo("show", "main:app.json"), '{"rate":7}', "the file")
        rouse.cli("revert", run, "--yes")
        expect(rouse.repo("diff", "main", rouse.first), "", "what differs from before")


@scenario("locks that a daemon left when it died are removed by the next; those of others are left, and said")
def _(rouse):
    target_house(rouse, FOUR[0], mode="apply", retry__attempts="4")
    rouse.start(ROUSE_CRASH="git-before-commit")
    run = rouse.deliver("push").expect(202).run_id
    expect(rouse.ended(60), -9, "exit of roused")
    for ref in ("refs/heads/main.lock", f"refs/heads/rouse/{run}.lock"):
        path = os.path.join(rouse.repo.path, ref)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        open(path, "w").close()
    rouse.start()
    rouse.wait_change(rouse.changes(run=run)[0]["id"], "applied", 120)
    expect(os.listdir(os.path.join(rouse.repo.path, "refs/heads/rouse")), [run], "what lies beside the run's branch")
    open(os.path.join(rouse.repo.path, "refs/heads/main.lock"), "w").close()
    rouse.cli("revert", run, "--yes", expect_code=1)
    check("is locked by another program" in rouse.changes(run=run)[0]["error"], f"it says why: {rouse.changes(run=run)[0]['error']}")
    check(os.path.exists(os.path.join(rouse.repo.path, "refs/heads/main.lock")), "the lock of another is there")


@scenario("hostile paths, a branch that is not there and one that is checked out are refused with a reason")
def _(rouse):
    target_house(rouse, proposal("../x", "create", after="x"), proposal(".git/config", "create", after="x"), proposal("/x", "create", after="x"), proposal("app.json", after="x"))
    rouse.section("target repo", branch="none")
    rouse.start()
    run = push(rouse)
    expect(len(rouse.changes(run=run)), 1, "proposals that stand")
    rouse.cli("approve", run, "--all")
    check("has no branch none" in rouse.wait_change(rouse.changes(run=run)[0]["id"], "failed")["error"], "it says why")
    rouse.stop()
    rouse.tree.put("app.json", "mine, not committed\n")
    open(os.path.join(rouse.tree.path, ".git/index.lock"), "w").close()
    rouse.section("target repo", branch="main", repo=rouse.tree.path)
    rouse.start()
    rouse.cli("apply", run, "--yes", expect_code=1)
    check("is checked out" in rouse.changes(run=run)[0]["error"], "it says why")
    expect(open(os.path.join(rouse.tree.path, "app.json")).read(), "mine, not committed\n", "the work tree")
    rouse.stop()
    rouse.section("target repo", repo=os.path.join(rouse.dir, "gone"))
    rouse.start()
    rouse.cli("apply", run, "--yes", expect_code=1)
    check("gone: the repository cannot be opened" in rouse.changes(run=run)[0]["error"], "it says why")


@scenario("a branch of a repository with a work tree gets commits where that is on another, and nothing else of it moves")
def _(rouse):
    target_house(rouse, *FOUR)
    rouse.tree("branch", "agents")
    rouse.tree.trap(rouse.pwned)
    rouse.tree.put("app.json", "mine, not committed\n")
    open(os.path.join(rouse.tree.path, ".git/index.lock"), "w").close()
    rouse.section("target repo", repo=rouse.tree.path, branch="agents")
    before = {name: open(os.path.join(rouse.tree.path, name), "rb").read() for name in ("app.json", "doc/a.txt", "old", ".git/index", ".git/HEAD")}
    rouse.start()
    apply(rouse, push(rouse))
    expect({name: open(os.path.join(rouse.tree.path, name), "rb").read() for name in before}, before, "the work tree, its index, its HEAD")
    os.unlink(os.path.join(rouse.tree.path, ".git/index.lock"))
    expect(rouse.tree("rev-parse", "main"), rouse.first, "its own branch")
    expect(rouse.tree("rev-list", "--count", "main..agents"), "1", "commits")
    check(not os.path.exists(rouse.pwned), "nothing of it ran")


def follows(rouse, *messages, mode="stage"):
    """The target is the checked out main of rouse.tree, whose files follow."""
    target_house(rouse, *messages, mode=mode, checked_out="update")
    rouse.section("target repo", repo=rouse.tree.path)
    rouse.tree.trap(rouse.pwned)
    rouse.tree("config", "core.fsmonitor", "false")


def all_of(rouse):
    """Files, index, refs: what there is of the work tree."""
    found = {}
    for folder, folders, files in os.walk(rouse.tree.path):
        if folder == rouse.tree.path:
            folders.remove(".git")
        for name in files:
            path = os.path.join(folder, name)
            found[path] = (open(path, "rb").read(), os.stat(path).st_mode) if not os.path.islink(path) else os.readlink(path)
    index = os.path.join(rouse.tree.path, ".git/index")
    return found, open(index, "rb").read(), rouse.tree("for-each-ref"), open(os.path.join(rouse.tree.path, ".git/HEAD")).read()


@scenario("with checked_out = update the work tree and its index follow, and what others have not committed there stays")
def _(rouse):
    follows(rouse, *FOUR, proposal("run.sh", "create", after={"$mode": "755", "$text": "#!/bin/sh\n"}))
    rouse.tree.put("mine", "not added\n")
    rouse.tree.put("staged", "added\n")
    rouse.tree("-c", "core.hooksPath=/dev/null", "add", "staged")
    rouse.start()
    run = push(rouse)
    apply(rouse, run)
    expect(rouse.tree("-c", "core.hooksPath=/dev/null", "status", "--porcelain").split("\n"), ["A  staged", "?? mine"], "what is not committed")
    expect((open(rouse.tree.path + "/app.json").read(), os.path.exists(rouse.tree.path + "/old"), os.access(rouse.tree.path + "/run.sh", os.X_OK)), ('{"rate":7}\n', False, True), "the files")
    rouse.cli("revert", run, "--yes")
    expect(rouse.tree("-c", "core.hooksPath=/dev/null", "status", "--porcelain").split("\n"), ["A  staged", "?? mine"], "what is not committed, then")
    check(not os.path.exists(rouse.tree.path + "/new"), "folders that are empty are gone")
    expect(rouse.tree("diff", "--no-ext-diff", rouse.first, "main"), "", "what differs from before")
    check(not os.path.exists(rouse.pwned), "nothing of it ran")


@scenario("a work tree that is dirty where it matters, locked, in a merge or full of links is left as it is, with a reason")
def _(rouse):
    follows(rouse, proposal("doc/a.txt", after="mine\n"))
    rouse.agent("b", says(proposal("deep/new", "create", after="x\n"), proposal("app.json", after="{}\n"), RESULT), targets="repo")
    rouse.webhook("new", agent="b")
    rouse.start()
    git_dir, outside = os.path.join(rouse.tree.path, ".git"), os.path.join(rouse.dir, "outside")
    os.makedirs(outside)
    path = os.path.join(rouse.tree.path, "doc/a.txt")

    def linked():
        os.symlink(outside, os.path.join(rouse.tree.path, "deep"))

    def away():
        os.rename(os.path.join(rouse.tree.path, "doc"), os.path.join(outside, "doc"))
        os.symlink(os.path.join(outside, "doc"), os.path.join(rouse.tree.path, "doc"))

    def back():
        os.unlink(os.path.join(rouse.tree.path, "doc"))
        os.rename(os.path.join(outside, "doc"), os.path.join(rouse.tree.path, "doc"))

    no_hooks = ("-c", "core.hooksPath=/dev/null")
    for what, make, undo, words in (
        ("changed", lambda: rouse.tree.put("doc/a.txt", "theirs\n"), lambda: rouse.tree.put("doc/a.txt", "one\ntwo\n"), "doc/a.txt has changes in the work tree"),
        ("gone", lambda: os.unlink(path), lambda: rouse.tree.put("doc/a.txt", "one\ntwo\n"), "doc/a.txt has changes in the work tree"),
        ("executable", lambda: os.chmod(path, 0o755), lambda: os.chmod(path, 0o644), "doc/a.txt has changes in the work tree"),
        ("locked", lambda: open(git_dir + "/index.lock", "w").close(), lambda: os.unlink(git_dir + "/index.lock"), "is locked"),
        ("in a merge", lambda: open(git_dir + "/MERGE_HEAD", "w").write(rouse.first), lambda: os.unlink(git_dir + "/MERGE_HEAD"), "under way"),
        ("a folder that is a link", away, back, "is not what was committed"),
    ):
        run = push(rouse)
        make()
        before = all_of(rouse)
        error = apply(rouse, run, 1)["doc/a.txt"]["error"]
        check(words in error, f"{what}: {error}")
        expect(all_of(rouse), before, f"{what}: all of it")
        undo()
    expect(rouse.tree(*no_hooks, "status", "--porcelain"), "", "what is not committed")
    rouse.cli("apply", run, "--yes")
    expect((open(path).read(), rouse.tree(*no_hooks, "status", "--porcelain")), ("mine\n", ""), "the file, at last")
    linked()
    run = rouse.deliver("new").expect(202).run_id
    rouse.wait_run(run, "succeeded", 60)
    by = apply(rouse, run, 1)
    expect((by["deep/new"]["status"], by["app.json"]["status"], os.listdir(outside)), ("failed", "applied", []), "below a link, and beside it")
    os.unlink(os.path.join(rouse.tree.path, "deep"))
    rouse.tree.put("deep/new", "theirs\n")
    rouse.cli("apply", run, "--yes", expect_code=1)
    check("deep/new has changes in the work tree" in {c["entity"]: c for c in rouse.changes(run=run)}["deep/new"]["error"], "what is in the way is not written over")
    os.unlink(os.path.join(rouse.tree.path, "deep/new"))
    rouse.cli("apply", run, "--yes")
    expect(rouse.tree(*no_hooks, "status", "--porcelain"), "", "what is not committed, at last")


@scenario("a branch that is checked out in another work tree is refused, whatever may follow")
def _(rouse):
    follows(rouse, FOUR[0])
    rouse.tree("-c", "core.hooksPath=/dev/null", "branch", "other")
    rouse.tree("-c", "core.hooksPath=/dev/null", "worktree", "add", "-q", os.path.join(rouse.dir, "beside"), "other")
    rouse.section("target repo", branch="other")
    rouse.start()
    check("is checked out in" in apply(rouse, push(rouse), 1)["app.json"]["error"], "it says why")


for point in ("git-tree-written", "git-before-commit", "git-after-commit"):

    @scenario(f"a daemon that dies at {point} leaves a work tree that the next one brings to its end")
    def _(rouse, point=point):
        follows(rouse, *FOUR, mode="apply")
        rouse.start(ROUSE_CRASH=point)
        run = rouse.deliver("push").expect(202).run_id
        expect(rouse.ended(60), -9, "exit of roused")
        rouse.start()
        wait("all are applied", lambda: {c["status"] for c in rouse.changes()} == {"applied"} and len(rouse.changes()) == 4, 60)
        expect((len(rouse_keys(rouse.tree)), rouse.tree("-c", "core.hooksPath=/dev/null", "status", "--porcelain")), (4, ""), "keys, and what is not committed")
        rouse.cli("revert", run, "--yes")
        expect((rouse.tree("diff", "--no-ext-diff", "main", rouse.first), rouse.tree("-c", "core.hooksPath=/dev/null", "status", "--porcelain")), ("", ""), "what differs from before")


@scenario("nonsense does not reach a reviewer: what is not there, what is there, another before, a patch that does not fit, links, submodules")
def _(rouse):
    target_repos(rouse)
    os.symlink("app.json", os.path.join(rouse.tree.path, "link"))
    rouse.tree("add", "link")
    rouse.tree("update-index", "--add", "--cacheinfo", f"160000,{rouse.first},module")
    rouse.tree("commit", "-qm", "odd")
    give(rouse)
    wrong = {
        "no-such": (proposal("no-such", after="x"), "there is no no-such on branch main"),
        "delete": (proposal("gone", "delete"), "could be deleted"),
        "create": (proposal("app.json", "create", after="x"), "is there on branch main"),
        "before": (proposal("doc/a.txt", before="never\n", after="x"), "before is not what branch main holds"),
        "hash": (proposal("doc/a.txt", before={"$sha256": "0" * 64}, after="x"), "before is not what branch main holds"),
        "member": (proposal("app.json", before={"rate": 6}, after={"rate": 7}), "before is not what branch main holds"),
        "patch": (proposal("doc/a.txt", patch="@@ -1,2 +1,2 @@\n eins\n-zwei\n+drei\n"), "doc/a.txt on branch main"),
        "link": (proposal("link", after="x"), "a symbolic link"),
        "below a link": (proposal("link/x", "create", after="x"), "a symbolic link"),
        "module": (proposal("module", after="x"), "a submodule"),
        "in a module": (proposal("module/f", "create", after="x"), "a submodule"),
        "below a file": (proposal("app.json/x", "create", after="x"), "is a file on branch main"),
        "a folder": (proposal("doc", "create", after="x"), "a folder"),
        "git, elsewhere": (proposal("doc/.GIT./hooks/x", "create", after="x"), "own folder"),
        "git, unseen": (proposal("doc/.g\u200cit/x", "create", after="x"), "own folder"),
        "git, short": (proposal("git~1/x", "create", after="x"), "own folder"),
        "mode": (proposal("app.json", after={"$mode": "4755"}), "$mode"),
        "mode of a new one": (proposal("new", "create", after={"$mode": "755"}), "a mode alone"),
        "call": (proposal("app.json", "call", after="x"), "not call"),
        "large": (proposal("big", "create", after="x" * 2000), "max_size"),
    }
    rouse.section("target repo", kind="git", repo=rouse.repo.path, max_size="1000")
    rouse.agent("a", says(*(message for message, _ in wrong.values()), proposal("doc/a.txt", before="one\ntwo\n", after="good\n"), RESULT), targets="repo")
    rouse.webhook("push", agent="a")
    rouse.start()
    run = push(rouse)
    said = refusals(rouse, run)
    expect([c["entity"] for c in rouse.changes(run=run)], ["doc/a.txt"], f"proposals that stand ({said})")
    expect(len(said), len(wrong), f"refusals: {said}")
    for text, (name, (_, words)) in zip(said, wrong.items()):
        check(words in text, f"{name}: {text}")


@scenario("what was made from the commit before stands as a proposal, and is a conflict when it is applied")
def _(rouse):
    target_house(rouse, proposal("doc/a.txt", before="one\ntwo\n", after="mine\n"))
    rouse.tree.put("doc/a.txt", "theirs\n")
    rouse.tree.save("theirs")
    give(rouse)
    rouse.start()
    run = push(rouse)
    expect(apply(rouse, run, 1)["doc/a.txt"]["status"], "conflict", "the change")


@scenario("modes are changed, kept and brought back")
def _(rouse):
    target_house(rouse, proposal("app.json", before={"$mode": "644"}, after={"$mode": "755"}), proposal("run.sh", "create", after={"$mode": "755", "$text": "#!/bin/sh\n"}),
                 proposal("old", "delete"), proposal("doc/a.txt", after="plain\n"))
    os.chmod(os.path.join(rouse.tree.path, "old"), 0o755)
    os.chmod(os.path.join(rouse.tree.path, "doc/a.txt"), 0o755)
    first = rouse.tree.save("modes")
    give(rouse)
    rouse.start()
    run = push(rouse)
    apply(rouse, run)
    expect(sorted(line.split()[0] + " " + line.split("\t")[1] for line in rouse.repo("ls-tree", "-r", "main").splitlines()), ["100755 app.json", "100755 doc/a.txt", "100755 run.sh"], "modes")
    expect(rouse.repo("show", "main:run.sh"), "#!/bin/sh", "what is in it")
    rouse.cli("revert", run, "--yes")
    expect(rouse.repo("diff", "main", first), "", "what differs from before")


@scenario("two commit at the same time, and both commits are there")
def _(rouse):
    target_house(rouse, *(proposal(f"n/{n}", "create", after=f"{n}\n") for n in range(40)), mode="apply")
    rouse.start()
    runs = []
    for n in range(12):
        tree = rouse.repo("commit-tree", "main^{tree}", "-p", "main", "-m", f"theirs {n}")
        rouse.repo("-c", "core.hooksPath=/dev/null", "update-ref", "refs/heads/other", tree)
        if n == 3:
            runs.append(rouse.deliver("push").expect(202).run_id)
        for _ in range(50):
            tip = rouse.repo("rev-parse", "main")
            made = rouse.repo("commit-tree", "main^{tree}", "-p", tip, "-m", f"theirs {n}")
            moved = subprocess.run(["git", "-C", rouse.repo.path, "-c", "core.hooksPath=/dev/null", "update-ref", "refs/heads/main", made, tip], env=rouse.repo.env, capture_output=True)
            if moved.returncode == 0:
                break
    wait("all are applied", lambda: len(rouse.changes(status="applied")) == 40, 60)
    expect(len(rouse.repo("ls-tree", "-r", "--name-only", "main", "n/").splitlines()), 40, "files")
    expect(len([line for line in rouse.repo("log", "--format=%s", "main").splitlines() if line.startswith("theirs")]), 12, "their commits")


@scenario("an agent is not woken by its own commit on a branch that it watches; another is")
def _(rouse):
    target_house(rouse, FOUR[0], mode="apply")
    rouse.agent("b", says(RESULT))
    for name, agent in (("own", "a"), ("other", "b")):
        rouse.section("trigger " + name, source="git", repo=rouse.repo.path, poll="1s", agent=agent, mode="stage")
    rouse.start()
    wait("both know the branch", lambda: all(t["health"] == "ok" for t in rouse.items("/v1/triggers") if t["name"] in ("own", "other")), 60)
    run = push(rouse)
    wait("it is applied", lambda: rouse.changes(run=run)[0]["status"] == "applied", 60)
    wait("both heard of it", lambda: rouse.items("/v1/events?trigger=own") and rouse.items("/v1/events?trigger=other"), 60)
    expect(({e["outcome"] for e in rouse.items("/v1/events?trigger=own")}, {e["outcome"] for e in rouse.items("/v1/events?trigger=other")}), ({"looped"}, {"ran"}), "outcomes")


main()
