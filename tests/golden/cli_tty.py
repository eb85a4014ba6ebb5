#!/usr/bin/env python3
# rouse on a terminal: it asks, it colours, it fits the width. TAP.
# SPDX-License-Identifier: MIT
import fcntl
import os
import pty
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios

SRC = os.environ.get("srcdir", ".")
ROUSE = os.environ.get("ROUSE", os.path.join(os.environ.get("builddir", "."), "rouse"))
RUN = "0193a000-0000-7000-8000-00000000000%d"
CHANGE = "0193c000-0000-7000-8000-00000000000%d"
DEADLINE_S = 20
count = failed = 0


def ok(good, name, seen=""):
    global count, failed
    count += 1
    if not good:
        failed += 1
        for line in seen.splitlines()[-20:]:
            print("# " + repr(line))
    print("%sok %d - %s" % ("" if good else "not ", count, name), flush=True)


def on_terminal(*args, answers=(), columns=80, env=None):
    """Runs rouse on a terminal; answers: (what to wait for, what to type). Its output and exit status."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update({"TERM": "xterm", **(env or {})})
        os.execv(ROUSE, ["rouse", *args])
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    seen, answers = b"", list(answers)
    while True:
        if not select.select([fd], [], [], DEADLINE_S)[0]:
            os.kill(pid, 9)
        try:
            got = os.read(fd, 65536)
        except OSError:
            got = b""
        if not got:
            break
        seen += got
        if answers and answers[0][0].encode() in seen:
            os.write(fd, answers.pop(0)[1].encode())
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(fd)
    return seen.decode(errors="replace").replace("\r\n", "\n"), status


def main():
    work = tempfile.mkdtemp()
    sock = os.path.join(work, "rouse.sock")
    for name in ("NO_COLOR", "COLUMNS", "ROUSE_URL", "ROUSE_TOKEN", "VISUAL"):
        os.environ.pop(name, None)
    os.environ.update({"ROUSE_SOCKET": sock, "LC_ALL": "C.UTF-8", "TMPDIR": work})
    fake = subprocess.Popen([sys.executable, os.path.join(SRC, "tests/fakes/api.py"), sock],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    fake.stdout.readline()
    try:
        tests(work)
    finally:
        fake.stdin.close()
        fake.wait()
        shutil.rmtree(work)
    print("1..%d" % count)
    return 1 if failed else 0


def tests(work):
    out, status = on_terminal("run", "list")
    ok(status == 0 and "\033[31mfailed" in out, "a failure is red on a terminal", out)
    ok(" ago" in out, "times are relative on a terminal", out)
    out, _ = on_terminal("run", "list", env={"NO_COLOR": "1"})
    ok("\033" not in out and "failed" in out, "never with NO_COLOR", out)
    out, _ = on_terminal("run", "list", "--no-color")
    ok("\033" not in out and "failed" in out, "nor with --no-color", out)
    out, _ = on_terminal("run", "list", "--no-color", env={"COLUMNS": "60"})
    ok(max(map(len, out.splitlines())) <= 60, "a table fits the terminal", out)
    out, _ = on_terminal("run", "show", RUN % 6)
    ok("\033]0;" not in out and "\\u001b]0;owned" in out, "what strangers say cannot title the window", out)
    out, _ = on_terminal("event", "show", "0193e000", "--json")
    ok("\u202e" not in out and "\\u202e" in out, "nor reorder JSON", out)

    out, status = on_terminal("apply", RUN % 2, answers=[("[y/N]", "n\n")])
    ok(status == 0 and "Nothing was done" in out, "apply asks, and no is no", out)
    out, _ = on_terminal("change", "list", "--run", RUN % 2, "--no-color")
    ok(out.count("approved") == 2, "as nothing was applied", out)
    out, status = on_terminal("apply", RUN % 2, answers=[("[y/N]", "\x04")])
    ok(status == 0 and "Nothing was done" in out, "the end of input is no as well", out)
    out, status = on_terminal("apply", RUN % 2, answers=[("[y/N]", "y\n")])
    ok(status == 1 and "conflict" in out and "Plan: 0 to create, 2 to update" in out,
       "yes shows the plan, applies, and tells of the conflict", out)
    ok("] 2/2" in out, "with a bar", out)

    editor = os.path.join(work, "editor")
    with open(editor, "w") as script:
        script.write("#!/bin/sh\n[ \"$1\" = -x ] && sed -i s/urgent/low/ \"$2\"\n")
    os.chmod(editor, 0o755)
    out, status = on_terminal("edit", CHANGE % 3, "--no-color", env={"EDITOR": editor + " -x"})
    ok(status == 0 and "no field changes" in out, "edit opens the editor and posts what it leaves", out)
    out, status = on_terminal("edit", CHANGE % 3, env={"EDITOR": "true"})
    ok(status == 0 and "nothing was changed" in out, "what is left as it was is not posted", out)
    out, status = on_terminal("edit", CHANGE % 3, env={"EDITOR": "false"})
    ok(status == 1 and "nothing was changed" in out, "an editor that fails changes nothing", out)
    ok(os.listdir(work) == [n for n in os.listdir(work) if not n.startswith("rouse-edit")],
       "no copy is left behind", str(os.listdir(work)))


sys.exit(main())
