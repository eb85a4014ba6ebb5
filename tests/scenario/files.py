#!/usr/bin/env python3
# Scenario: what happens to the files of a folder wakes agents, once for each version at rest.
# SPDX-License-Identifier: MIT
import mmap
from files_lib import *


@scenario("a new file is one create, written over one modify, removed one delete")
def _(rouse):
    house(rouse)
    write(at(rouse, "f"), "one")
    wait("the create", lambda: seen(rouse) == [("create", "f")])
    write(at(rouse, "f"), "three")
    wait("the modify", lambda: seen(rouse)[1:] == [("modify", "f")])
    os.unlink(at(rouse, "f"))
    wait("the delete", lambda: seen(rouse)[2:] == [("delete", "f")])
    create, modify, delete = documents(rouse)
    expect(create["path"], at(rouse, "f"), "path")
    expect([create["size"], modify["size"], delete["size"]], [3, 5, 5], "sizes")
    check(create["mode"] == "0644" and create["name"] == "f" and create["inode"], f"the document: {create}")


@scenario("files that are there at the first start wake nobody, unless initial = yes")
def _(rouse):
    house(rouse, start=False)
    os.makedirs(at(rouse, "a", "b"))
    for name in ("x", "a/y", "a/b/z"):
        write(at(rouse, name))
    time.sleep(0.02)  # times of files are of a clock that ticks
    rouse.start()
    expect(story(rouse), [], "events")
    rouse.stop()
    rouse.section("trigger all", source="file", agent="seen", path=rouse.root, initial="yes", settle="0s", ignore="fence-*")
    rouse.start()
    wait("all are seen", lambda: sorted(d["relative"] for d in documents(rouse, "all")) == ["a/b/z", "a/y", "x"])
    rouse.restart()
    expect(story(rouse), [], "events of the first")
    expect(len(documents(rouse, "all")), 3, "events of the second")


@scenario("what changed while the daemon was down is found when it starts")
def _(rouse):
    house(rouse, start=False)
    for name in ("same", "changed", "gone", "renamed"):
        write(at(rouse, name))
    time.sleep(0.02)
    rouse.start()
    expect(story(rouse), [], "events at first")
    rouse.stop()
    write(at(rouse, "changed"), "more")
    write(at(rouse, "new"))
    os.unlink(at(rouse, "gone"))
    os.makedirs(at(rouse, "d/e"))
    os.rename(at(rouse, "renamed"), at(rouse, "d/e/moved"))
    rouse.start()
    want = [("create", "new"), ("delete", "gone"), ("modify", "changed"), ("move", "d/e/moved")]
    wait("all of it is seen", lambda: all(event in seen(rouse) for event in want))
    expect(sorted(story(rouse)), want, "events")
    rouse.restart()
    expect(len(story(rouse)), 4, "events after another restart")


@scenario("with catchup = no, what changed while it was down is not")
def _(rouse):
    house(rouse, catchup="no")
    write(at(rouse, "a"))
    wait("a is seen", lambda: seen(rouse) == [("create", "a")])
    rouse.stop()
    write(at(rouse, "a"), "other")
    write(at(rouse, "b"))
    time.sleep(0.02)
    rouse.start()
    expect(story(rouse), [("create", "a")], "events")
    write(at(rouse, "b"), "again")
    wait("b is known and has changed", lambda: ("modify", "b") in seen(rouse))


@scenario("mkdir -p a/b; echo >a/b/c is seen, however fast")
def _(rouse):
    house(rouse)
    for n in range(30):
        subprocess.run(["sh", "-c", f"mkdir -p {n}/b/c && echo x >{n}/b/c/f"], cwd=rouse.root, check=True)
    want = sorted(("create", f"{n}/b/c/f") for n in range(30))
    wait("all are seen", lambda: sorted(seen(rouse)) == want)
    expect(sorted(story(rouse)), want, "and nothing else")


def tool(name, prepare, act, want, needs=None, **keys):
    @scenario(f"{name} is {want[0][0] if len(want) == 1 else len(want)} to us")
    def _(rouse):
        if needs:
            needs_program(needs)
        house(rouse, start=False, **keys)
        prepare(rouse)
        time.sleep(0.02)
        rouse.start()
        expect(story(rouse), [], "events before")
        act(rouse)
        wait("what is to be seen is", lambda: all(event in seen(rouse) for event in want))
        expect(sorted(story(rouse)), sorted(want), "events")


def shell(text, **env):
    def act(rouse):
        done = subprocess.run(["sh", "-ec", text], cwd=rouse.root, capture_output=True, timeout=60,
                              env={"PATH": os.environ["PATH"], "HOME": rouse.dir, "TERM": "dumb", "GIT_CONFIG_NOSYSTEM": "1", **env})
        expect(done.returncode, 0, f"{text}: {done.stderr[-300:]}")

    return act


NOTHING = shell("true")
ONE = shell("echo old >f")
tool("echo >f", ONE, shell("echo new >f"), [("modify", "f")])
tool("an append", ONE, shell("echo more >>f"), [("modify", "f")])
tool("truncate", ONE, shell("truncate -s 0 f"), [("modify", "f")])
tool("cp over a file", shell("echo old >f; echo other >../g"), shell("cp ../g f"), [("modify", "f")])
tool("cp of a new file", shell("echo other >../g"), shell("cp ../g f"), [("create", "f")])
tool("mv over a file", shell("echo old >f; echo other >../g"), shell("mv ../g f"), [("modify", "f")])
tool("mv into the folder", shell("echo other >../g"), shell("mv ../g f"), [("create", "f")])
tool("mv out of the folder", ONE, shell("mv f ../g"), [("delete", "f")])
tool("mv within the folder", ONE, shell("mkdir d; mv f d/g"), [("move", "d/g")])
tool("sed -i", ONE, shell("sed -i s/old/new/ f"), [("modify", "f")])
tool("ln", ONE, shell("ln f g"), [("create", "g")])
tool("vim", ONE, shell("vim -es -u NONE -c '%s/old/new/' -c wq f </dev/null"), [("modify", "f")], needs="vim")
tool("vim that renames", ONE, shell("vim -es -u NONE -c 'set backup backupcopy=no' -c '%s/old/new/' -c wq f </dev/null"),
     [("modify", "f")], needs="vim")
tool("rsync", shell("mkdir ../src; echo 1 >../src/f; cp -p ../src/f f; touch -d 2020-01-01 f ../src/f; echo 22 >../src/f; echo n >../src/n"),
     shell("rsync -a ../src/ ."), [("modify", "f"), ("create", "n")], needs="rsync")
tool("tar", NOTHING, shell("mkdir ../src; echo 1 >../src/f; tar -C ../src -cf - . | tar -xf -"), [("create", "f")], needs="tar")
tool("git checkout", shell("git init -q .; git config user.email a@b.c; git config user.name a; echo 1 >f; git add f; git commit -qm 1;"
     " git branch one; echo 2 >f; git commit -qam 2"), shell("git checkout -q one"), [("modify", "f")], needs="git")
tool("rm -r of a folder", shell("mkdir -p d/e; echo 1 >d/e/f"), shell("rm -r d"), [("delete", "d/e/f")])
tool("mv of a folder", shell("mkdir -p d/e; echo 1 >d/e/f"), shell("mv d g"), [("move", "g/e/f")])
tool("mv of a folder out of the tree", shell("mkdir -p d/e; echo 1 >d/e/f"), shell("mv d ../g"), [("delete", "d/e/f")])
tool("mv of a folder into the tree", shell("mkdir -p ../d/e; echo 1 >../d/e/f"), shell("mv ../d g"), [("create", "g/e/f")])
tool("touch of a file", ONE, shell("touch f"), [("modify", "f")])
tool("touch of a file, with hash = yes,", ONE, shell("touch f; sleep 1; touch f"), [], hash="yes")
tool("chmod", ONE, shell("chmod 600 f"), [])
tool("a file that comes and goes", NOTHING, shell("echo 1 >f; rm f"), [])
tool("a symbolic link, a FIFO and what they lead to", shell("mkdir ../out; echo 1 >../out/f"),
     shell("ln -s ../out/f l; ln -s ../out d; ln -s . loop; mkfifo p; echo 2 >../out/f"), [])
tool("what match and ignore leave out", shell("mkdir keep skip"), shell("for d in keep skip; do echo 1 >$d/a.csv; echo 1 >$d/b.txt; done"),
     [("create", "keep/a.csv")], match="*.csv, fence-*", ignore="skip")
tool("what events leave out", ONE, shell("echo 2 >f; echo 1 >g; mv g h; rm f"), [("create", "h")], events="create")


@scenario("a file mapped into memory is seen when its writer is through")
def _(rouse):
    house(rouse)
    write(at(rouse, "m"), b"\0" * 8192)
    wait("it is there", lambda: seen(rouse) == [("create", "m")])
    fd = os.open(at(rouse, "m"), os.O_RDWR)
    with mmap.mmap(fd, 8192) as m:
        m[100:105] = b"hello"
        m.flush()
        expect(story(rouse), [("create", "m")], "while it is mapped")
    os.close(fd)
    wait("the change is seen", lambda: ("modify", "m") in seen(rouse))


@scenario("a file without a name that gets one is whole when it is seen")
def _(rouse):
    house(rouse, content="text")
    fd = os.open(rouse.root, os.O_TMPFILE | os.O_WRONLY)
    os.write(fd, b"all of it")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.linkat(-100, f"/proc/self/fd/{fd}".encode(), -100, at(rouse, "named").encode(), 0x400):
        raise Skip(os.strerror(ctypes.get_errno()))
    os.close(fd)
    wait("it is seen", lambda: seen(rouse) == [("create", "named")])
    expect(documents(rouse)[0]["content"], "all of it", "content")


@scenario("a half-written file is never taken, however long its writer rests")
def _(rouse):
    house(rouse, settle="200ms", settle_max="1s", content="text")
    f = open(at(rouse, "f"), "w")
    f.write("first ")
    f.flush()
    fence(rouse)
    stays("nothing is seen of it", lambda: ("create", "f") not in seen(rouse), 2)
    f.write("second")
    f.close()
    wait("it is seen", lambda: ("create", "f") in seen(rouse))
    expect([d["content"] for d in documents(rouse) if d["relative"] == "f"], ["first second"], "content")


@scenario("a file written in many pieces is one event, and one that never rests is taken all the same")
def _(rouse):
    house(rouse, settle="500ms")
    for _ in range(10):
        with open(at(rouse, "log"), "a") as f:
            f.write("line\n")
        time.sleep(0.1)
    wait("one event", lambda: seen(rouse) == [("create", "log")])
    expect(documents(rouse)[0]["size"], 50, "size")
    rouse.stop()
    rouse.section("trigger drop", settle="1s", settle_max="2s")
    rouse.start()

    def busy():
        with open(at(rouse, "log"), "a") as f:
            f.write("line\n")
        return ("modify", "log") in seen(rouse)

    wait("the second event", busy)


@scenario("content comes as text where it is text, else as base64, and not at all beyond its limit")
def _(rouse):
    house(rouse, content="text", max_content="1K")
    write(at(rouse, "t"), "häl\nlo\"")
    write(at(rouse, "b"), b"\xff\0\xfe")
    write(at(rouse, "z"), b"a\0b")
    write(at(rouse, "l"), "x" * 1025)
    wait("four", lambda: len(seen(rouse)) == 4)
    d = {d["name"]: d for d in documents(rouse)}
    expect((d["t"]["content"], d["t"]["encoding"]), ("häl\nlo\"", "text"), "text")
    expect((base64.b64decode(d["b"]["content"]), d["b"]["encoding"]), (b"\xff\0\xfe", "base64"), "bytes")
    expect(d["z"]["encoding"], "base64", "a NUL is no text")
    expect((d["l"]["content"], d["l"]["size"], d["l"]["sha256"]), (None, 1025, hashlib.sha256(b"x" * 1025).hexdigest()), "too large")


@scenario("names of any bytes arrive as they are")
def _(rouse):
    house(rouse)
    names = [b"new\nline", b"-rf", b"$(id)", b"\xff\xfe", b"n" * 255, b"\x1b[2J", b"*", b"~", b"\\..\\x", "ümlaut".encode(), b"\x01"]
    for name in names:
        write(os.path.join(os.fsencode(rouse.root), name), b"1")
    os.mkdir(os.path.join(os.fsencode(rouse.root), b"d\xff"))
    write(os.path.join(os.fsencode(rouse.root), b"d\xff", b"\x01x"), b"1")

    def got():
        return sorted(base64.b64decode(d["relative_base64"]) if "relative_base64" in d else d["relative"].encode() for d in documents(rouse))

    wait("all are seen", lambda: got() == sorted([*names, b"d\xff/\x01x"]))
    rouse.restart()
    expect(story(rouse) and len(story(rouse)), len(names) + 1, "events after a restart")


main()
