#!/usr/bin/env python3
# Scenario: the disk is full, descriptors run out; nothing is acknowledged that is not kept, and it goes on by itself.
# SPDX-License-Identifier: MIT
import resource

from lib import *


def house(rouse):
    rouse.agent("ok", says(RESULT))
    rouse.webhook("push", agent="ok")


@scenario("a full disk: no 2xx for what is not stored, reads go on, it recovers by itself")
def _(rouse):
    needs_root()
    small, loop = shared("chaos/resources/small_disk.sh"), shared("chaos/resources/disk_full_loop.py")
    disk = os.path.join(rouse.dir, "disk")

    def sh(*words):
        process = spawn(list(words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        out, _ = process.communicate(timeout=180)
        return process.returncode, out

    code, out = sh("bash", small, "up", disk, "24")
    if code:
        raise Skip("no loop device here: " + out.splitlines()[-1] if out else "no loop device here")
    try:
        rouse.state = os.path.join(disk, "state")
        rouse.db = os.path.join(rouse.state, "rouse.db")
        rouse.section("daemon", state_dir=rouse.state)
        house(rouse)
        rouse.section("trigger push", verify="none", secret=None)
        rouse.start()
        count = f"sqlite3 -readonly {rouse.db} 'SELECT count(*) FROM runs'"
        code, out = sh("python3", loop, "--dir", disk, "--port", str(rouse.port), "--path", "/hooks/push", "--get", "/livez", "--count-cmd", count,
                       "--cycles", "3", "--pid", str(rouse.daemon.pid))
        expect(code, 0, f"the disk-full loop: {out.strip()[-600:]}")
        rouse.stop()
    finally:
        if rouse.is_alive():
            rouse.kill_9()
        end_all()
        sh("bash", small, "free", disk)
        sh("bash", small, "down", disk)


def cpu(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@scenario("without descriptors it neither spins nor lies, and goes on when there are some")
def _(rouse):
    house(rouse)
    rouse.start()
    used = len(os.listdir(f"/proc/{rouse.daemon.pid}/fd"))
    before = resource.prlimit(rouse.daemon.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(rouse.daemon.pid, resource.RLIMIT_NOFILE, (used + 3, before[1]))
    held = []
    for _ in range(50):
        s = socket.socket()
        s.settimeout(5)
        s.connect(("127.0.0.1", rouse.port))
        held.append(s)
    time.sleep(0.3)
    began, spent = time.monotonic(), cpu(rouse.daemon.pid)
    time.sleep(2)
    share = (cpu(rouse.daemon.pid) - spent) / (time.monotonic() - began)
    check(share < 0.2, f"it takes {share:.0%} of a processor")
    for s in held:
        s.close()
    run = wait("it answers again", lambda: (lambda r: r.run_id if r.status == 202 else None)(rouse.deliver("push", timeout=5)), 20)
    resource.prlimit(rouse.daemon.pid, resource.RLIMIT_NOFILE, before)
    rouse.wait_run(run, "succeeded", 40)


@scenario("an agent whose output fills the disk fails alone")
def _(rouse):
    house(rouse)
    rouse.agent("loud", "read e; head -c 50000000 /dev/zero | tr '\\0' '\\n'\n", budget__output="100K", retry__attempts=1)
    rouse.webhook("loud", agent="loud")
    rouse.start()
    run = rouse.deliver("loud").run_id
    expect(rouse.wait_run(run, "failed")["reason"], "budget_output", "reason")
    spooled = sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(rouse.state) for f in files if "rouse.db" not in f)
    check(spooled < 2000000, f"{spooled} bytes are left of it")
    rouse.wait_run(rouse.deliver("push").run_id, "succeeded")


main()
