#!/usr/bin/env python3
# Scenario: a branch that is pushed: the remote's has the commits first, once, whoever else pushes there.
# SPDX-License-Identifier: MIT
from git_lib import *


def house(rouse, *messages, mode="stage", **keys):
    """rouse.repo is a bare clone of rouse.remote, which others push to from rouse.tree."""
    target_house(rouse, *messages, mode=mode, **keys)
    rouse.remote = Repo(rouse, "remote.git", bare=True)
    rouse.tree("push", "-q", rouse.remote.path, "main")
    rouse.section("target repo", push=rouse.remote.path)


def theirs(rouse, name="theirs", text="theirs\n"):
    rouse.tree.put(name, text)
    rouse.tree.save("theirs")
    rouse.tree("push", "-q", rouse.remote.path, "main")


def same(rouse):
    expect(rouse.repo("rev-parse", "main"), rouse.remote("rev-parse", "main"), "both branches")


@scenario("what is applied is pushed, with nothing of the repository run; and so is what takes it back")
def _(rouse):
    house(rouse, *FOUR)
    rouse.repo("remote", "add", "origin", rouse.remote.path)
    rouse.repo("config", "remote.origin.receivepack", f"touch {rouse.pwned};git-receive-pack")
    rouse.repo("config", "remote.origin.uploadpack", f"touch {rouse.pwned};git-upload-pack")
    rouse.section("target repo", push="origin")
    rouse.start()
    run = push(rouse)
    apply(rouse, run)
    expect(rouse.remote("show", "main:app.json"), '{"rate":7}', "the file there")
    same(rouse)
    rouse.cli("revert", run, "--yes")
    expect(rouse.remote("diff", "main", rouse.first), "", "what differs from before")
    same(rouse)
    check(not os.path.exists(rouse.pwned), "nothing of the repository ran")


@scenario("what others pushed meanwhile is fetched first: other files stay, the same file is a conflict")
def _(rouse):
    house(rouse, proposal("app.json", before={"rate": 5}, after={"rate": 9}), proposal("doc/a.txt", before="one\ntwo\n", after="mine\n"))
    rouse.start()
    run = push(rouse)
    theirs(rouse, "doc/a.txt")
    by = apply(rouse, run, 1)
    expect((by["app.json"]["status"], by["doc/a.txt"]["status"], by["doc/a.txt"]["current"]), ("applied", "conflict", "theirs\n"), "the changes")
    expect((rouse.remote("show", "main:doc/a.txt"), rouse.remote("show", "main:app.json")), ("theirs", rouse.repo("show", "main:app.json")), "the files")
    same(rouse)


@scenario("a push that is rejected because others were faster is made again from what they pushed")
def _(rouse):
    house(rouse, FOUR[0])
    rouse.tree.put("theirs", "theirs\n")
    faster = rouse.tree.save("faster")
    rouse.tree("push", "-q", rouse.remote.path, "main:refs/heads/waiting")
    # Between the look at the remote and the push: once.
    with open(os.path.join(rouse.remote.path, "hooks/pre-receive"), "w") as f:
        f.write(f"#!/bin/sh\n[ -e {rouse.dir}/once ] && exit 0\ntouch {rouse.dir}/once\nunset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES\n"
                f"git -c core.hooksPath=/dev/null update-ref refs/heads/main {faster}\n")
    os.chmod(os.path.join(rouse.remote.path, "hooks/pre-receive"), 0o755)
    rouse.start()
    apply(rouse, push(rouse))
    expect((rouse.remote("show", "main:theirs"), rouse.remote("show", "main:app.json")), ("theirs", '{"rate":7}'), "both")
    check(os.path.exists(rouse.dir + "/once"), "somebody was faster")
    expect(len(rouse_keys(rouse.remote)), 1, "keys there")
    same(rouse)


@scenario("a remote that refuses is tried a few times and said; the branch here stays as it was")
def _(rouse):
    house(rouse, FOUR[0], retry__attempts="2")
    hook = os.path.join(rouse.remote.path, "hooks/pre-receive")
    with open(hook, "w") as f:
        f.write(f"#!/bin/sh\necho tried >>{rouse.dir}/tries\necho only maria may push here >&2\nexit 1\n")
    os.chmod(hook, 0o755)
    rouse.start()
    run = push(rouse)
    change = apply(rouse, run, 1)["app.json"]
    expect(change["status"], "failed", "the change")
    check("hook declined" in change["error"] and "only maria may push here" in change["error"], f"it says why: {change['error']}")
    expect(rouse.repo("rev-parse", "main"), rouse.first, "the branch here")
    check(len(rouse.marks("tries")) <= 10, "it is tried a few times")
    os.unlink(hook)
    rouse.cli("apply", run, "--yes")
    same(rouse)
    expect(rouse.remote("show", "main:app.json"), '{"rate":7}', "the file there")


@scenario("branches that have gone apart, and a remote that is gone, are said")
def _(rouse):
    house(rouse, FOUR[0], retry__attempts="1")
    theirs(rouse)
    made = rouse.repo("commit-tree", "main^{tree}", "-p", "main", "-m", "ours alone")
    rouse.repo("-c", "core.hooksPath=/dev/null", "update-ref", "refs/heads/main", made)
    rouse.start()
    run = push(rouse)
    check("have gone apart" in apply(rouse, run, 1)["app.json"]["error"], "it says so")
    expect(rouse.repo("rev-parse", "main"), made, "the branch here")
    os.rename(rouse.remote.path, rouse.remote.path + ".gone")
    rouse.cli("apply", run, "--yes", expect_code=1)
    check("cannot be looked at" in rouse.changes(run=run)[0]["error"], "it says so")


for point in ("git-after-commit", "git-pushed"):

    @scenario(f"a daemon that dies at {point} has pushed once")
    def _(rouse, point=point):
        house(rouse, *FOUR, mode="apply")
        rouse.start(ROUSE_CRASH=point)
        run = rouse.deliver("push").expect(202).run_id
        expect(rouse.ended(60), -9, "exit of roused")
        rouse.start()
        wait("all are applied", lambda: {c["status"] for c in rouse.changes()} == {"applied"} and len(rouse.changes()) == 4, 60)
        expect((len(rouse_keys(rouse.remote)), len(set(rouse_keys(rouse.remote)))), (4, 4), "keys there")
        same(rouse)
        rouse.cli("revert", run, "--yes")
        expect(rouse.remote("diff", "main", rouse.first), "", "what differs from before")


main()
