#!/usr/bin/env python3
# Scenario: the disk is full, has no inodes, or becomes read-only; nothing is acknowledged that is not kept, and it goes on by itself.
# SPDX-License-Identifier: MIT
from lib import *


def sh(*words):
    process = spawn(list(words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    out, _ = process.communicate(timeout=180)
    return process.returncode, out


class Disk:
    """A small file system of our own below the state folder: Skip where that cannot be made."""

    def __init__(self, rouse, megabytes=24):
        needs_root()
        self.rouse, self.tool, self.path = rouse, shared("chaos/resources/small_disk.sh"), os.path.join(rouse.dir, "disk")
        code, out = sh("bash", self.tool, "up", self.path, str(megabytes))
        if code:
            raise Skip("no loop device here: " + (out.splitlines() or ["?"])[-1])

    def __enter__(self):
        rouse = self.rouse
        rouse.state = os.path.join(self.path, "state")
        rouse.db = os.path.join(rouse.state, "rouse.db")
        rouse.section("daemon", state_dir=rouse.state)
        rouse.agent("ok", "read -r e; echo $ROUSE_RUN_ID >>$D/mark\n", retry__base="50ms", retry__cap="200ms", retry__attempts=60)
        rouse.webhook("push", agent="ok")
        rouse.start()
        return self

    def __exit__(self, *_):
        if self.rouse.is_alive():
            self.rouse.kill_9()
        end_all()
        sh("bash", self.tool, "rw", self.path)
        self("free")
        sh("bash", self.tool, "down", self.path)

    def __call__(self, *words):
        return sh("bash", self.tool, words[0], self.path, *words[1:])


def deliver_until(rouse, statuses, kept, what, within=15):
    """Delivers until the answer is one of these; notes what was acknowledged."""

    def once():
        reply = rouse.deliver("push", {"pad": "x" * 3000}, timeout=5)
        if reply.status == 202:
            kept.append(reply.run_id)
        return reply.status in statuses and reply

    return wait(what, once, within)


def all_kept(rouse, kept):
    for run in kept:
        rouse.wait_run(run, "succeeded", 40)
    expect(set(kept) - set(rouse.marks()), set(), "acknowledged, and never run")
    rouse.restart()
    expect({rouse.run(run)["status"] for run in kept}, {"succeeded"}, "the runs after a restart")
    rouse.cli("db", "check")


@scenario("four times full under load: no 2xx for what is not stored, reads go on, it recovers by itself")
def _(rouse):
    loop = shared("chaos/resources/disk_full_loop.py")
    with Disk(rouse):
        rouse.stop()
        rouse.section("trigger push", verify="none", secret=None)
        rouse.start()
        count = f"sqlite3 -readonly {rouse.db} 'SELECT count(*) FROM runs'"
        code, out = sh("python3", loop, "--dir", os.path.join(rouse.dir, "disk"), "--port", str(rouse.port), "--path", "/hooks/push", "--get", "/livez",
                       "--count-cmd", count, "--cycles", "4", "--pid", str(rouse.daemon.pid))
        print("# " + (out.strip().splitlines() or [""])[-1])
        expect(code, 0, f"the disk-full loop: {out.strip()[-600:]}")
        rouse.cli("db", "check")
        rouse.stop()


@scenario("full to the last block: 503 with Retry-After, reads and the console go on, and within 10 s of space it goes on")
def _(rouse):
    with Disk(rouse) as disk:
        kept = []
        deliver_until(rouse, [202], kept, "it works")
        disk("fill")
        full = deliver_until(rouse, [503], kept, "it is full")
        check(full.headers["Retry-After"], "Retry-After")
        for _ in range(20):
            deliver_until(rouse, [503], kept, "it stays so")
        rouse.run(kept[0])
        rouse.cli("run", "list")
        said = rouse.api("GET", "/health")
        check("full" in said.body.decode(), f"/health says so: {said}")
        disk("free")
        began = time.monotonic()
        deliver_until(rouse, [202], kept, "it goes on")
        check(time.monotonic() - began < 10, "within ten seconds")
        all_kept(rouse, kept)
        rouse.stop()


@scenario("runs that end while the disk is full have ended when there is space, each once")
def _(rouse):
    with Disk(rouse) as disk:
        rouse.stop()
        rouse.agent("slow", "read -r e; echo $ROUSE_RUN_ID >>$D/mark; while [ ! -e $D/go ]; do sleep 0.05; done\n"
                    "echo '{\"type\":\"status\",\"message\":\"" + "y" * 3000 + "\"}'\n", concurrency=10)
        rouse.webhook("slow", agent="slow")
        rouse.start()
        runs = [rouse.deliver("slow").expect(202).run_id for _ in range(10)]
        wait("all run", lambda: len(rouse.marks()) == 10)
        disk("fill")
        deliver_until(rouse, [503], [], "it is full")
        open(os.path.join(rouse.dir, "go"), "w").close()
        time.sleep(1)
        check(rouse.is_alive(), "it lives")
        disk("free")
        for run in runs:
            rouse.wait_run(run, "succeeded", 20)
        expect(len(rouse.marks()), 10, "starts")
        expect({rouse.run(r)["attempts"] for r in runs}, {1}, "attempts")
        rouse.nothing_left()
        rouse.stop()


@scenario("no inodes are left: what is acknowledged is kept, and run when there are some")
def _(rouse):
    with Disk(rouse) as disk:
        kept = []
        deliver_until(rouse, [202], kept, "it works")
        rouse.wait_run(kept[0], "succeeded")
        disk("inodes")
        for _ in range(5):
            deliver_until(rouse, [202, 503], kept, "an answer")
        time.sleep(0.5)
        check(rouse.is_alive(), "it lives")
        disk("free")
        deliver_until(rouse, [202], kept, "it goes on")
        all_kept(rouse, kept)
        rouse.stop()


@scenario("a disk that becomes read-only: 503 and a word, or an end with one; and after a restart all that was acknowledged")
def _(rouse):
    with Disk(rouse) as disk:
        kept = []
        deliver_until(rouse, [202], kept, "it works")
        rouse.wait_run(kept[0], "succeeded")
        # As after an error of the device; a polite request is refused while a file is open for writing.
        if sh("mount", "-o", "remount,abort", disk.path)[0]:
            raise Skip("this file system cannot be taken away")
        for _ in range(5):
            try:
                reply = rouse.deliver("push", {"pad": "x" * 3000}, timeout=5)
                check(reply.status != 202, f"it acknowledges on a disk that takes nothing: {reply}")
            except (OSError, http.client.HTTPException):
                pass
        if not rouse.is_alive():
            rouse.daemon = None
        else:
            rouse.kill_9()
        check("read" in rouse.log_text().lower() or "disk" in rouse.log_text().lower(), "it says so")
        sh("umount", disk.path)
        sh("mount", "-o", "loop", disk.path + ".img", disk.path)
        rouse.start()
        for run in kept:
            expect(rouse.run(run)["status"], "succeeded", "the run")
        deliver_until(rouse, [202], kept, "it goes on")
        all_kept(rouse, kept)
        rouse.stop()


@scenario("a state folder on a full disk: the daemon starts, or refuses with a sentence that says what is full")
def _(rouse):
    with Disk(rouse) as disk:
        kept = []
        deliver_until(rouse, [202], kept, "it works")
        rouse.wait_run(kept[0], "succeeded")
        rouse.kill_9()
        disk("fill")
        rouse.launch()
        time.sleep(1)
        if not rouse.is_alive():
            rouse.daemon = None
            check("full" in rouse.log_text() or "space" in rouse.log_text(), "it says what is full")
        else:
            deliver_until(rouse, [503], kept, "it takes nothing")
        disk("free")
        if rouse.daemon is None:
            rouse.start()
        deliver_until(rouse, [202], kept, "it goes on")
        all_kept(rouse, kept)
        rouse.stop()


@scenario("an agent whose output fills the disk fails alone")
def _(rouse):
    rouse.agent("ok", says(RESULT))
    rouse.webhook("push", agent="ok")
    rouse.agent("loud", "read e; head -c 50000000 /dev/zero | tr '\\0' '\\n'\n", budget__output="100K", retry__attempts=1)
    rouse.webhook("loud", agent="loud")
    rouse.start()
    run = rouse.deliver("loud").run_id
    expect(rouse.wait_run(run, "failed")["reason"], "budget_output", "reason")
    # A spool may still be on its way out while it is looked at.
    def spooled():
        try:
            return sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(rouse.state) for f in files if "rouse.db" not in f)
        except FileNotFoundError:
            return None
    wait("little is left of it", lambda: (lambda n: n is not None and n < 2000000)(spooled()))
    rouse.wait_run(rouse.deliver("push").run_id, "succeeded")


main()
