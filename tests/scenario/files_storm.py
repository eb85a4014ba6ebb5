#!/usr/bin/env python3
# Scenario: storms of files, lost events, lost roots, lost daemons: what is at rest is seen, once.
# SPDX-License-Identifier: MIT
import random
from files_lib import *


def versions(rouse):
    """(path, inode, size, mtime) of all files below the root, as they are now."""
    found = set()
    for folder, _, names in os.walk(os.fsencode(rouse.root)):
        for name in names:
            path = os.path.join(folder, name)
            st = os.lstat(path)
            if os.path.isfile(path) and not os.path.islink(path) and not name.startswith(b"fence-"):
                found.add((path, st.st_ino, st.st_size, st.st_mtime_ns))
    return found


def exact(document, member="path"):
    return base64.b64decode(document[member + "_base64"]) if member + "_base64" in document else document[member].encode()


def known(rouse):
    """The same, as the events tell it in the end; each (path, version) has run once, or it fails."""
    last, told = {}, set()
    for d in documents(rouse):
        if d["name"].startswith("fence-"):
            continue
        version = (exact(d), d["inode"], d["size"], d["mtime_ns"])
        if d["event"] == "delete":
            last.pop(version[0], None)
            continue
        if d["event"] == "move":
            last.pop(exact(d, "from"), None)
        # What comes back to where it was, as it was, is known: the event is there, and wakes nobody again.
        expect(d["outcome"], "replayed" if version in told else "ran", f"outcome of {version}")
        told.add(version)
        last[version[0]] = version
    return set(last.values())


def agrees(rouse, within=60):
    wait("what was told is what is there", lambda: known(rouse) == versions(rouse) or (_ for _ in ()).throw(
        Failed(f"not told: {list(versions(rouse) - known(rouse))[:5]}, told: {list(known(rouse) - versions(rouse))[:5]}")), within)


def churn(rouse, steps, seed):
    """Files and folders written, replaced, renamed and removed."""
    dice = random.Random(seed)
    for n in range(steps):
        folder = at(rouse, *(f"d{dice.randrange(3)}" for _ in range(dice.randrange(3))))
        path = os.path.join(folder, f"f{dice.randrange(12)}")
        try:
            os.makedirs(folder, exist_ok=True)
            match dice.randrange(8):
                case 0 | 1 | 2:
                    write(path, "x" * dice.randrange(50))
                case 3:
                    write(path + ".part", "y" * dice.randrange(50))
                    os.rename(path + ".part", path)
                case 4:
                    os.unlink(path)
                case 5:
                    os.rename(path, os.path.join(at(rouse), f"m{dice.randrange(6)}"))
                case 6:
                    os.rename(folder, at(rouse, f"d{dice.randrange(3)}"))
                case 7 if folder != rouse.root and not dice.randrange(4):
                    shutil.rmtree(folder)
        except OSError:
            pass
        yield n


@scenario("after a storm of changes, what was told is what is there, each version once")
def _(rouse):
    house(rouse, settle="100ms")
    for _ in churn(rouse, 3000, 1):
        pass
    agrees(rouse)


@scenario("kill -9 at any moment of a storm loses nothing and repeats nothing")
def _(rouse):
    house(rouse, settle="50ms")
    dice = random.Random(7)
    steps = churn(rouse, 100000, 2)
    for _ in range(6):
        until = time.monotonic() + dice.uniform(0.05, 0.8)
        while time.monotonic() < until:
            next(steps)
            time.sleep(0.0005)
        rouse.kill_9()
        for _ in range(30):
            next(steps)
        rouse.start()
    agrees(rouse)


@scenario("events that the kernel had no room for are made up by looking")
def _(rouse):
    limit = int(open("/proc/sys/fs/inotify/max_queued_events").read())
    house(rouse, settle="100ms")
    write(at(rouse, "before"))
    wait("it is seen", lambda: seen(rouse))
    os.kill(rouse.daemon.pid, signal.SIGSTOP)
    os.unlink(at(rouse, "before"))
    for n in range(limit + 500):
        write(at(rouse, f"f{n % 800}"), f"{n}")
    os.makedirs(at(rouse, "late", "er"))
    write(at(rouse, "late", "er", "f"))
    os.kill(rouse.daemon.pid, signal.SIGCONT)
    agrees(rouse)
    check("file events were lost" in rouse.log_text(), "it says so")


@scenario("the storm of the rigs: overflow, all names, links, deep folders, folders that are swapped")
def _(rouse):
    storm = shared("chaos/resources/fs_storm.py")
    house(rouse, settle="300ms")
    subprocess.run([sys.executable, storm, rouse.root, "0.1"], check=True, stdout=subprocess.DEVNULL, timeout=120)
    with open(os.path.join(rouse.dir, "fs_storm.expected")) as f:
        want = {bytes.fromhex(line.strip()) for line in f}
    agrees(rouse, 120)
    got = {exact(d, "relative") for d in documents(rouse)}
    check(want <= got, f"missing: {list(want - got)[:5]}")
    check(not any(p.startswith((b"loop", b"ln-", b"fifo")) for p in got), "no link and no FIFO is a file")
    check(not any(exact(d).startswith(b"/etc") or d["size"] > 1 << 41 for d in documents(rouse)), "nothing from outside")


@scenario("100,000 files in one folder are seen, and a change among them too")
def _(rouse):
    house(rouse, start=False)
    for n in range(100000):
        os.close(os.open(at(rouse, f"file-{n:06}"), os.O_CREAT | os.O_WRONLY))
    time.sleep(0.02)
    rouse.start()
    write(at(rouse, "file-050000"), "now")
    wait("the change is seen", lambda: seen(rouse) == [("modify", "file-050000")], 60)
    wait("all has been met", lambda: "all that was there before is known" in rouse.log_text(), 60)
    rouse.stop()
    os.unlink(at(rouse, "file-000007"))
    write(at(rouse, "file-099999"), "too")
    rouse.start()
    wait("what changed meanwhile is seen",
         lambda: sorted(seen(rouse)[1:]) == [("delete", "file-000007"), ("modify", "file-099999")], 60)


@scenario("a root that is moved away and comes back is no deletion")
def _(rouse):
    house(rouse)
    for name in ("a", "b"):
        write(at(rouse, name))
    wait("both are seen", lambda: len(seen(rouse)) == 2)
    os.rename(rouse.root, rouse.root + "-away")
    wait("it says so", lambda: rouse.items("/v1/triggers")[0]["health"] == "failing")
    write(os.path.join(rouse.root + "-away", "a"), "changed")
    os.rename(rouse.root + "-away", rouse.root)
    wait("the change is seen", lambda: seen(rouse)[2:] == [("modify", "a")])
    expect(len(story(rouse)), 3, "events")
    expect(rouse.items("/v1/triggers")[0]["health"], "ok", "health")


@scenario("a root that is removed with its files, made anew, filled anew")
def _(rouse):
    house(rouse)
    os.mkdir(at(rouse, "d"))
    write(at(rouse, "d", "f"))
    wait("it is seen", lambda: seen(rouse) == [("create", "d/f")])
    shutil.rmtree(rouse.root)
    wait("it is gone", lambda: seen(rouse)[1:] == [("delete", "d/f")])
    os.makedirs(at(rouse, "d"))
    write(at(rouse, "d", "g"))
    wait("the new one is seen", lambda: seen(rouse)[2:] == [("create", "d/g")])


@scenario("a root that is not there yet is waited for")
def _(rouse):
    house(rouse, start=False)
    os.rmdir(rouse.root)
    rouse.start()
    [trigger] = rouse.items("/v1/triggers")
    expect(trigger["health"], "failing", "health")
    check("is not there" in trigger["last_error"], trigger["last_error"])
    os.mkdir(rouse.root)
    write(at(rouse, "f"))
    wait("the file is seen", lambda: seen(rouse) == [("create", "f")])


@scenario("a trigger that is disabled or paused loses nothing: it sees the last version when it may")
def _(rouse):
    house(rouse)
    for off, on in ((("trigger", "disable", "drop"), ("trigger", "enable", "drop")), (("pause", "--trigger", "drop"), ("resume", "--trigger", "drop"))):
        count = len(seen(rouse))
        rouse.cli(*off)
        write(at(rouse, "f"), "1" * (count + 1))
        stays("nothing is seen", lambda: len(documents(rouse)) == count, 1)
        write(at(rouse, "f"), "2" * (count + 2))
        rouse.cli(*on)
        wait("one version is seen", lambda: len(seen(rouse)) == count + 1)
        expect(documents(rouse)[-1]["size"], count + 2, "its size")


@scenario("a trigger that is disabled or paused does not wake the daemon for what waits")
def _(rouse):
    house(rouse)

    def sleeps():
        """The loop's thread did not run at all for longer than anything would be polled."""
        status = f"/proc/{rouse.daemon.pid}/status"
        before = [line for line in open(status) if "ctxt" in line]
        time.sleep(2.5)
        return [line for line in open(status) if "ctxt" in line] == before

    rouse.cli("pause", "--trigger", "drop")
    write(at(rouse, "f"))
    wait("it is known that a file waits", lambda: rouse.items("/v1/triggers")[0]["backlog"] == 1)
    wait("the daemon sleeps", sleeps, 60)
    expect(seen(rouse), [], "what was seen")
    rouse.cli("resume", "--trigger", "drop")
    wait("the file is seen", lambda: seen(rouse) == [("create", "f")])


@scenario("with a full queue, files wait until there is room")
def _(rouse):
    rouse.section("limits", max_queued="3")
    house(rouse, settle="0s", start=False)
    rouse.agent("seen", "read -r e; while [ ! -e $D/go ]; do sleep 0.1; done\n", concurrency="1")
    rouse.start()
    for n in range(10):
        write(at(rouse, f"f{n}"))
    wait("the queue is full", lambda: rouse.items("/v1/triggers")[0]["health"] == "failing")
    write(os.path.join(rouse.dir, "go"))
    wait("all have run", lambda: len(rouse.runs(status="succeeded")) == 10, 60)


@scenario("where no watch is left, folders are looked through, and it says so")
def _(rouse):
    # user.max_inotify_watches is a namespace's own; fs.inotify.max_user_watches is the machine's, and never touched.
    path = "/proc/sys/user/max_inotify_watches"
    ours = open(path).read()
    house(rouse, start=False, poll="1s")
    for n in range(30):
        os.makedirs(at(rouse, f"d{n:02}"))
    rouse.wrapper = ["unshare", "-Ur", "sh", "-c", f'echo 12 >{path} && exec "$@"', "sh"]
    if subprocess.run([*rouse.wrapper, "true"], stderr=subprocess.DEVNULL).returncode:
        raise Skip("a user namespace with a limit of its own cannot be had")
    expect(open(path).read(), ours, "the limit outside")
    time.sleep(0.02)
    rouse.start()
    wait("it says so", lambda: "cannot be watched" in (rouse.items("/v1/triggers")[0]["last_error"] or ""))
    want = sorted(("create", f"d{n:02}/f") for n in range(30))
    for n in range(30):
        write(at(rouse, f"d{n:02}", "f"))
    wait("all files are seen", lambda: sorted(seen(rouse)) == want, 30)


@scenario("on an overlay, what is changed below it is found by looking")
def _(rouse):
    needs_root()
    house(rouse, start=False, poll="1s")
    lower, upper, work = (os.path.join(rouse.dir, d) for d in ("lower", "upper", "work"))
    for d in (lower, upper, work):
        os.mkdir(d)
    rouse.wrapper = ["unshare", "-m", "sh", "-c", f'mount -t overlay none -o lowerdir={lower},upperdir={upper},workdir={work} {rouse.root} && exec "$@"', "sh"]
    if subprocess.run([*rouse.wrapper, "true"], stderr=subprocess.DEVNULL).returncode:
        raise Skip("no overlay can be mounted")
    rouse.start()
    write(os.path.join(upper, "f"))
    wait("it is seen", lambda: seen(rouse) == [("create", "f")], 30)


main()
