#!/usr/bin/env python3
# Scenario: a branch as a target: the changes of a run become one commit, once, made of objects alone.
# SPDX-License-Identifier: MIT
from lib import *

ENV = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a",
       "GIT_COMMITTER_EMAIL": "a@b"}


def git(folder, *words, code=0):
    done = subprocess.run(["git", "-C", folder, *words], capture_output=True, text=True, env=ENV, timeout=60)
    if code is not None and done.returncode != code:
        raise Failed(f"git {' '.join(words)}: {done.stderr}")
    return done.stdout.rstrip("\n")


def house(rouse, *messages, mode="stage", **keys):
    needs_program("git")
    rouse.repo, rouse.tree = os.path.join(rouse.dir, "repo.git"), os.path.join(rouse.dir, "tree")
    git(rouse.dir, "init", "-q", "--bare", "-b", "main", rouse.repo)
    git(rouse.dir, "init", "-q", "-b", "main", rouse.tree)
    for name, text in (("app.json", '{"rate":5}\n'), ("doc/a.txt", "one\ntwo\n"), ("old", "old\n")):
        put(rouse, name, text)
    git(rouse.tree, "add", ".")
    git(rouse.tree, "commit", "-qm", "first")
    git(rouse.tree, "push", "-q", rouse.repo, "main")
    # What would run, if anything ran.
    for hook in ("pre-commit", "commit-msg", "post-commit", "update", "post-receive", "reference-transaction", "post-update"):
        path = os.path.join(rouse.repo, "hooks", hook)
        with open(path, "w") as f:
            f.write(f"#!/bin/sh\ntouch {rouse.dir}/pwned\n")
        os.chmod(path, 0o755)
    git(rouse.repo, "config", "filter.evil.clean", f"touch {rouse.dir}/pwned")
    rouse.section("target repo", kind="git", repo=rouse.repo, **{"retry__base": "50ms", "retry__cap": "200ms", **keys})
    rouse.agent("a", says(*messages, RESULT), targets="repo")
    rouse.webhook("push", agent="a", mode=mode)


def put(rouse, name, text):
    path = os.path.join(rouse.tree, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)


def proposal(entity, op="update", **more):
    return {"type": "change", "target": "repo", "entity": entity, "op": op, "reason": "because\nRouse-Cause: forged", **more}


def push(rouse):
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, "succeeded")
    return run


FOUR = (proposal("app.json", patch={"rate": 7}), proposal("doc/a.txt", patch="@@ -1,2 +1,2 @@\n one\n-two\n+zwei\n"), proposal("old", "delete"),
        proposal("new/deep/file", "create", after="new\n"))


@scenario("the changes of a run become one commit with its cause, and are taken back by others")
def _(rouse):
    house(rouse, *FOUR)
    rouse.start()
    run = push(rouse)
    rouse.cli("approve", run, "--all")
    rouse.cli("apply", run, "--yes")
    expect(git(rouse.repo, "rev-list", "--count", "main"), "2", "commits")
    expect([git(rouse.repo, "show", "main:" + name) for name in ("app.json", "doc/a.txt", "new/deep/file")], ['{"rate":7}', "one\nzwei", "new"], "files")
    expect(git(rouse.repo, "ls-tree", "main", "old"), "", "what was deleted")
    trailers = git(rouse.repo, "log", "-1", "--format=%(trailers:key=Rouse-Cause,valueonly)", "main")
    check(f"parent={run}" in trailers and "forged" not in trailers, f"the cause is ours: {trailers}")
    rouse.cli("revert", run, "--yes")
    expect(git(rouse.repo, "diff", "main", git(rouse.repo, "rev-list", "--max-parents=0", "main")), "", "what differs from before")
    check(not os.path.exists(rouse.dir + "/pwned"), "no hook and no filter ran")
    expect(git(rouse.repo, "fsck", "--strict", "--no-dangling"), "", "the repository")


@scenario("what somebody else committed meanwhile is a conflict where it is the same file, and merged where not")
def _(rouse):
    house(rouse, proposal("app.json", before={"rate": 5}, after={"rate": 9}), proposal("doc/a.txt", before="one\ntwo\n", after="mine\n"))
    rouse.start()
    run = push(rouse)
    put(rouse, "doc/a.txt", "theirs\n")
    git(rouse.tree, "commit", "-qam", "theirs")
    os.rename(rouse.repo + "/hooks", rouse.repo + "/no-hooks")
    git(rouse.tree, "push", "-q", rouse.repo, "main")
    os.rename(rouse.repo + "/no-hooks", rouse.repo + "/hooks")
    rouse.cli("approve", run, "--all")
    rouse.cli("apply", run, "--yes", expect_code=1)
    by = {c["entity"]: c for c in rouse.changes(run=run)}
    expect((by["app.json"]["status"], by["doc/a.txt"]["status"], by["doc/a.txt"]["current"]), ("applied", "conflict", "theirs\n"), "the changes")
    expect(git(rouse.repo, "show", "main:doc/a.txt"), "theirs", "the file")


for point in ("git-before-commit", "git-after-commit"):

    @scenario(f"a daemon that dies at {point} has committed once")
    def _(rouse, point=point):
        house(rouse, *FOUR, mode="apply")
        rouse.start(ROUSE_CRASH=point)
        rouse.deliver("push").expect(202)
        expect(rouse.ended(), -9, "exit of roused")
        rouse.start()
        wait("all are applied", lambda: {c["status"] for c in rouse.changes()} == {"applied"} and len(rouse.changes()) == 4, 60)
        text = git(rouse.repo, "log", "--format=%b", "main")
        keys = [line for line in text.splitlines() if line.startswith("Rouse-Key: ")]
        expect((len(keys), len(set(keys))), (4, 4), "keys in the log")
        expect(git(rouse.repo, "show", "main:app.json"), '{"rate":7}', "the file")


@scenario("hostile paths, a branch that is not there and one that is checked out are refused with a reason")
def _(rouse):
    house(rouse, proposal("../x", "create", after="x"), proposal(".git/config", "create", after="x"), proposal("/x", "create", after="x"), proposal("app.json", after="x"))
    rouse.section("target repo", branch="none")
    rouse.start()
    run = push(rouse)
    expect(len(rouse.changes(run=run)), 1, "proposals that stand")
    rouse.cli("approve", run, "--all")
    check("has no branch none" in rouse.wait_change(rouse.changes(run=run)[0]["id"], "failed")["error"], "it says why")
    rouse.stop()
    rouse.section("target repo", branch="main", repo=rouse.tree)
    rouse.start()
    rouse.cli("apply", run, "--yes", expect_code=1)
    check("is checked out" in rouse.changes(run=run)[0]["error"], "it says why")


@scenario("an agent is not woken by its own commit on a branch that it watches; another is")
def _(rouse):
    house(rouse, FOUR[0], mode="apply")
    rouse.agent("b", says(RESULT))
    for name, agent in (("own", "a"), ("other", "b")):
        rouse.section("trigger " + name, source="git", repo=rouse.repo, poll="1s", agent=agent, mode="stage")
    rouse.start()
    wait("both know the branch", lambda: all(t["health"] == "ok" for t in rouse.items("/v1/triggers") if t["name"] in ("own", "other")), 60)
    run = push(rouse)
    wait("it is applied", lambda: rouse.changes(run=run)[0]["status"] == "applied", 60)
    wait("both heard of it", lambda: rouse.items("/v1/events?trigger=own") and rouse.items("/v1/events?trigger=other"), 60)
    expect(({e["outcome"] for e in rouse.items("/v1/events?trigger=own")}, {e["outcome"] for e in rouse.items("/v1/events?trigger=other")}), ({"looped"}, {"ran"}), "outcomes")


main()
