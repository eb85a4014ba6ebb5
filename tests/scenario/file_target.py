#!/usr/bin/env python3
# Scenario: a folder as a target: files are written whole, once, below it alone, and wake not who wrote them.
# SPDX-License-Identifier: MIT
from lib import *


def house(rouse, *messages, mode="stage", **keys):
    rouse.root = os.path.join(rouse.dir, "root")
    os.makedirs(rouse.root, exist_ok=True)
    rouse.section("target files", kind="file", root=rouse.root, **keys)
    rouse.agent("a", says(*messages, RESULT), targets="files")
    rouse.webhook("push", agent="a", mode=mode)


def put(rouse, name, text):
    with open(os.path.join(rouse.root, name), "w") as f:
        f.write(text)


def text_of(rouse, name):
    try:
        with open(os.path.join(rouse.root, name)) as f:
            return f.read()
    except FileNotFoundError:
        return None


def proposal(entity, op="update", **more):
    return {"type": "change", "target": "files", "entity": entity, "op": op, "reason": "because", **more}


def push(rouse):
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, "succeeded")
    return run


@scenario("a run's files are written when they are approved, and taken back in reverse")
def _(rouse):
    house(rouse, proposal("new/a.txt", "create", after="one\n"), proposal("conf.json", patch={"b": 2}), proposal("old", "delete"),
          proposal("s.txt", patch="@@ -1,2 +1,2 @@\n x\n-y\n+z\n"), proposal("list.json", patch=[{"op": "add", "path": "/-", "value": 4}]))
    before = {"conf.json": '{\n  "a": 1\n}\n', "old": "old", "s.txt": "x\ny\n", "list.json": "[1,2,3]\n"}
    after = {"conf.json": '{\n  "a": 1,\n  "b": 2\n}\n', "old": None, "s.txt": "x\nz\n", "list.json": "[1,2,3,4]\n", "new/a.txt": "one\n"}
    for name, text in before.items():
        put(rouse, name, text)
    rouse.start()
    run = push(rouse)
    expect(len(rouse.changes(run=run)), 5, "changes")
    rouse.cli("approve", run, "--all")
    rouse.cli("apply", run, "--yes")
    expect({name: text_of(rouse, name) for name in after}, after, "what is there")
    rouse.cli("revert", run, "--yes")
    expect({name: text_of(rouse, name) for name in before}, before, "what is there again")
    expect(text_of(rouse, "new/a.txt"), None, "what was created")
    expect([name for name in os.listdir(rouse.root) if name.startswith(".")], [], "left over")


@scenario("what makes no sense never reaches a reviewer, and what leads out of the root never a disk")
def _(rouse):
    outside = os.path.join(rouse.dir, "outside")
    os.makedirs(outside)
    house(rouse, proposal("../outside/x", "create", after="x"), proposal("/etc/x", "create", after="x"), proposal(".git/hooks/x", "create", after="x"),
          proposal("link/x", "create", after="x"), proposal("none", after="x"), proposal("f", "create", after="x"), proposal("f", patch="no diff"),
          proposal("f", patch=[{"op": "dance"}]), proposal("f", "call"), proposal("f"), proposal("f", after="fine"))
    put(rouse, "f", "f")
    os.symlink(outside, os.path.join(rouse.root, "link"))
    rouse.start()
    run = push(rouse)
    expect([c["after"] for c in rouse.changes(run=run)], ["fine"], "proposals that stand")
    refused = [e for e in rouse.cli("run", "logs", run).out.splitlines() if "refused" in e or "change" in e]
    check(len(refused) >= 10, f"the log of the run says why: {refused}")
    expect(os.listdir(outside), [], "outside")


@scenario("what somebody changed meanwhile is a conflict with all three sides, and stays as it is")
def _(rouse):
    house(rouse, proposal("f", before="old", after="new"))
    put(rouse, "f", "old")
    rouse.start()
    run = push(rouse)
    put(rouse, "f", "by hand")
    rouse.cli("approve", run, "--all")
    rouse.cli("apply", run, "--yes", expect_code=1)
    one = rouse.changes(run=run)[0]
    expect((one["status"], one["before"], one["after"], one["current"]), ("conflict", "old", "new", "by hand"), "the three sides")
    expect(text_of(rouse, "f"), "by hand", "the file")
    rouse.cli("approve", one["id"])
    rouse.wait_change(one["id"], "applied")
    expect(text_of(rouse, "f"), "new", "the file")


for point in ("file-before-place", "file-after-place"):

    @scenario(f"a daemon that dies at {point} has changed the file once")
    def _(rouse, point=point):
        house(rouse, proposal("list.json", patch=[{"op": "add", "path": "/-", "value": 2}]))
        put(rouse, "list.json", "[1]\n")
        rouse.start(ROUSE_CRASH=point)
        run = push(rouse)
        one = rouse.changes(run=run)[0]["id"]
        rouse.cli("approve", one, expect_code=None)
        expect(rouse.ended(), -9, "exit of roused")
        rouse.start()
        rouse.wait_change(one, "applied")
        expect(text_of(rouse, "list.json"), "[1,2]\n", "the file")
        rouse.kill_9()
        rouse.start(ROUSE_CRASH=point)
        rouse.cli("revert", one, "--yes", expect_code=None)
        expect(rouse.ended(), -9, "exit of roused")
        rouse.start()
        rouse.wait_change(one, "reverted", 60)
        expect(text_of(rouse, "list.json"), "[1]\n", "the file")
        expect(os.listdir(rouse.root), ["list.json"], "the folder")


@scenario("an agent is not woken by the files that its own changes write, edit and delete; another is, and knows whence")
def _(rouse):
    house(rouse, proposal("new", "create", after="1"), proposal("edit", after="2"), proposal("gone", "delete"), mode="apply")
    for name in ("edit", "gone"):
        put(rouse, name, name)
    for name, agent in (("own", "a"), ("other", "b")):
        rouse.section("trigger " + name, source="file", path=rouse.root, agent=agent, settle="100ms", mode="stage")
    rouse.agent("b", says(RESULT))
    rouse.start()
    run = push(rouse)
    for one in rouse.changes(run=run):
        rouse.wait_change(one["id"], "applied")
    wait("the other agent saw all three", lambda: len(rouse.items("/v1/events?trigger=other")) == 3, 60)
    wait("its own trigger knows them", lambda: len(rouse.items("/v1/events?trigger=own")) == 3, 60)
    expect({e["outcome"] for e in rouse.items("/v1/events?trigger=own")}, {"looped"}, "of its own")
    expect(len(rouse.runs(agent="a")), 1, "runs of the agent")
    put(rouse, "edit", "by hand")
    wait("a change by hand wakes it", lambda: len(rouse.runs(agent="a")) == 2, 60)


@scenario("a disk that is full leaves the file as it was, and the change is applied when there is space")
def _(rouse):
    needs_root()
    house(rouse, proposal("f", after="x" * 400000), retry__attempts=1000, retry__base="50ms", retry__cap="200ms")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", rouse.root], stderr=subprocess.DEVNULL).returncode:
        raise Skip("a small file system cannot be mounted")
    try:
        put(rouse, "f", "old")
        put(rouse, "filler", "y" * 300000)
        rouse.start()
        run = push(rouse)
        one = rouse.changes(run=run)[0]["id"]
        rouse.cli("approve", one)
        wait("it is tried again", lambda: rouse.get("/v1/changes/" + one)["attempts"] >= 2, 60)
        check("space" in rouse.get("/v1/changes/" + one)["error"], "it says why")
        expect(text_of(rouse, "f"), "old", "the file")
        os.unlink(os.path.join(rouse.root, "filler"))
        rouse.wait_change(one, "applied", 60)
        expect(len(text_of(rouse, "f")), 400000, "the file")
        expect(os.listdir(rouse.root), ["f"], "left over")
        rouse.stop()
    finally:
        if rouse.is_alive():
            rouse.kill_9()
        subprocess.run(["umount", rouse.root], check=True)


main()
