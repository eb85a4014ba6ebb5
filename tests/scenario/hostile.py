#!/usr/bin/env python3
# Scenario: every hostile agent we know, through the daemon: its run ends, nothing survives, the daemon is unmoved.
# SPDX-License-Identifier: MIT
from lib import *

FAKE = os.path.join(SOURCE, "tests/fakes/hostile_agent.py")
# What a mode must come to; any final status where the mode is only nosy.
MODES = {
    "forkbomb": "failed", "daemonise": "succeeded", "hold-stdout": "succeeded", "zombies": "succeeded", "ignore-term": "failed",
    "stop-self": "failed", "stdout-flood": "failed", "stdout-no-newline": "failed", "stdout-binary": "succeeded", "stderr-flood": "succeeded",
    "stdin-ignored": "succeeded", "stdin-closed": "succeeded", "mem-hog": "failed", "disk-fill": None, "fd-hog": None, "env-dump": "succeeded",
    "fd-dump": "succeeded", "spy-parent": "succeeded", "kill-parent": "succeeded", "symlink-out": "succeeded", "lie-usage": None,
    "bad-json": None, "exit-255": "failed", "segv": "failed", "slow-exit": None, "clock": None, "forge-apply": "succeeded",
}
# Those that only the deadline ends.
ENDLESS = ("forkbomb", "ignore-term", "stop-self", "slow-exit", "clock")


def mode(name, status):
    @scenario(f"{name}: the run ends, nothing survives, the next run succeeds")
    def _(rouse):
        if not os.path.exists(FAKE):
            raise Skip("hostile_agent.py is not here")
        # forkbomb counts what it may fork: more would only hold up the other tests of this machine.
        more = " 200" if name == "forkbomb" else ""
        work = os.path.join(rouse.dir, "work")
        os.mkdir(work)
        rouse.agent("hostile", "", command=f"python3 {FAKE} {name}{more}", workdir=work, retry__attempts=1, grace="300ms", linger="300ms",
                    budget__deadline="3s" if name in ENDLESS else "30s", budget__output="8M", memory_max="400M", file_size="8M", files=64)
        rouse.agent("honest", says(RESULT))
        rouse.webhook("push", agent="hostile")
        rouse.webhook("next", agent="honest")
        rouse.start()
        rouse.wait_run(rouse.deliver("next").expect(202).run_id, "succeeded")
        before = len(os.listdir(f"/proc/{rouse.daemon.pid}/fd"))
        run = rouse.deliver("push", {"pad": "x" * 500000}).expect(202).run_id
        rouse.wait_run(rouse.deliver("next").expect(202).run_id, "succeeded", 5)
        ended = wait("the run ends", lambda: (lambda r: r if r["status"] in ("succeeded", "failed") else None)(rouse.run(run)), 45)
        if status:
            expect(ended["status"], status, "status")
        rouse.nothing_left()
        rouse.wait_run(rouse.deliver("next").expect(202).run_id, "succeeded")
        wait("descriptors are given back", lambda: len(os.listdir(f"/proc/{rouse.daemon.pid}/fd")) <= before + 4)
        said = rouse.cli("run", "logs", run).out
        if name in ("kill-parent", "spy-parent", "forge-apply") and os.geteuid() != 0:
            check("READABLE /proc" not in said and "ALLOWED" not in said, said)
        if name == "forge-apply":
            check("ALLOWED" not in said, said)


for name, status in MODES.items():
    mode(name, status)

main()
