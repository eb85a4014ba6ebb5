#!/usr/bin/env python3
# Scenario: calls of the system fail one after the other; the daemon ends well or goes on, and keeps what it acknowledged.
# SPDX-License-Identifier: MIT
"""With `workload FOLDER` it is the command that the sweep of the shared rigs repeats: one life of a daemon, under the fault."""
from lib import *

if len(sys.argv) > 2 and sys.argv[1] == "workload":
    FOLDER = sys.argv[2]
    injected = {k: os.environ.pop(k) for k in list(os.environ) if k.startswith("FI_") or k == "LD_PRELOAD"}
    rouse = Rouse()
    rouse.agent("ok", says(RESULT), retry__base="10ms")
    rouse.webhook("push", agent="ok")
    acknowledged = []
    code = 0
    try:
        rouse.env = injected
        rouse.launch()
        try:
            wait("it is ready, or gives up", lambda: rouse.daemon.poll() is not None or rouse.api("GET", "/readyz", timeout=2).status == 200, 8)
            for n in range(5):
                reply = rouse.deliver("push", id=f"d{n}", timeout=3)
                if reply.status in (200, 202):
                    acknowledged.append(reply.run_id)
        except (Failed, OSError, http.client.HTTPException):
            pass
        if rouse.is_alive():
            rouse.daemon.terminate()
        ended = rouse.ended(10)
        if ended < 0 and ended not in (-signal.SIGABRT, -signal.SIGKILL):
            print(f"a signal ended it: {ended}")
            code = 3
        rouse.env = {}
        rouse.start()
        if injected.get("FI_NTH") == "0":
            expect(len(acknowledged), 5, "deliveries acknowledged without a fault")
        for run in acknowledged:
            rouse.wait_run(run, "succeeded", 20)
        rouse.stop()
        with sqlite3.connect(rouse.db) as db:
            expect(db.execute("PRAGMA integrity_check").fetchone()[0], "ok", "the database")
    except Failed as e:
        print(e)
        print(rouse.log_text()[-1500:])
        code = 4
    rouse.close()
    os._exit(code)


# What fails in whose stead, how far apart the calls are that it is tried with here, and up to which. `make chaos` tries each.
SWEEPS = [
    ("fsync fails", {"funcs": "fsync", "errno": "EIO"}, 3, 40),
    ("the disk is full at a write", {"funcs": "write", "errno": "ENOSPC", "path": "rouse.db"}, 17, 250),
    ("a write is cut by a kill", {"funcs": "write", "errno": "TORN", "path": "rouse.db"}, 17, 250),
    ("a write takes half of it", {"funcs": "write", "errno": "SHORT"}, 37, None),
    ("it is killed at an fsync", {"funcs": "fsync", "errno": "KILL"}, 3, None),
    ("a file cannot be renamed, removed or cut", {"funcs": "ftruncate,rename,unlink", "errno": "EIO"}, 5, None),
    ("no program can be started", {"funcs": "fork,spawn,exec", "errno": "EAGAIN"}, 1, None),
    ("there is no memory", {"funcs": "malloc", "errno": "ENOMEM"}, 1301, None),
    ("descriptors run out at an open", {"funcs": "open,pipe,accept", "errno": "EMFILE"}, 23, 250),
]


def injector(folder):
    """Built from the shared rigs."""
    if is_sanitized():
        raise Skip("the injector and AddressSanitizer do not go together")
    source = shared("chaos/inject/faultinj.c")
    build = spawn(["gcc", "-O2", "-shared", "-fPIC", "-w", "-o", folder + "/faultinj.so", source, "-ldl", "-pthread"])
    expect(build.wait(), 0, "exit status of gcc")
    return folder + "/faultinj.so"


def sweep(what, fault, stride, most):
    @scenario(f"{what}: nothing acknowledged is lost, the database stays whole")
    def _(rouse):
        folder = os.path.join(rouse.dir, "inject")
        os.mkdir(folder)
        injector(folder)
        shutil.copy(shared("chaos/inject/sweep.py"), folder)
        words = [w for k, v in fault.items() for w in ("--" + k, v)] + ["--stride", str(stride)] + (["--max", str(most)] if most else [])
        me = os.path.abspath(__file__)
        process = spawn(["python3", folder + "/sweep.py", "--cmd", f"python3 {me} workload {{W}}", "--comm", "roused", "--ok-rc", "0", "--timeout", "60", *words],
                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "builddir": BUILD, "srcdir": SOURCE})
        out, _ = process.communicate(timeout=400)
        expect(process.returncode, 0, "the sweep: " + out.strip()[-1500:])
        print("# " + out.strip().splitlines()[-1])


if __name__ == "__main__":
    for one in SWEEPS:
        sweep(*one)
    main()
