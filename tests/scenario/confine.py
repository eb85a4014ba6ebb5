#!/usr/bin/env python3
# Scenario: agents that are held to few files and no network, and what untrusted runs may not have.
# SPDX-License-Identifier: MIT
import errno
import platform

from lib import *

PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable
# Tries what its arguments say, and tells how each ended: "ok", or the name of the error.
PROBE = """#!%s
import ctypes, errno, json, os, socket, sys
sys.stdin.readline()
libc = ctypes.CDLL(None, use_errno=True)

def call(n):
    if n < 0:
        raise OSError(ctypes.get_errno(), "")

def listener():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        socket.create_connection(s.getsockname(), 5).close()

def datagram(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b"x", ("127.0.0.1", int(port)))

def unix(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)

def unix_datagram(path):
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    a.sendto(b"x", path)

def pair():
    a, b = socket.socketpair()
    a.send(b"x"); b.recv(1)
    try:
        a.connect(os.environ["D"] + "/sock")
    except OSError as e:
        assert e.errno in (errno.EISCONN, errno.EACCES), e
    else:
        raise OSError(errno.EUCLEAN, "")

def write(path):
    with open(path, "w") as f:
        f.write("written")

def moved(path):
    os.makedirs(path + ".d/e"); write(path); os.rename(path, path + ".d/e/f"); os.unlink(path + ".d/e/f")
    os.rmdir(path + ".d/e"); os.rmdir(path + ".d")

P = {
    "tcp": lambda port: socket.create_connection(("127.0.0.1", int(port)), 5).close(),
    "tcp6": lambda: socket.socket(socket.AF_INET6).close(),
    "listener": listener, "datagram": datagram, "unix": unix, "unix_datagram": unix_datagram, "pair": pair,
    "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    "vsock": lambda: socket.socket(40, socket.SOCK_STREAM).close(),
    "uring": lambda: call(libc.syscall(425, 0, None)),
    "read": lambda path: open(path).read(), "list": os.listdir, "write": write, "moved": moved,
    "append": lambda path: open(path, "a").close(),
    "truncate": lambda path: os.truncate(path, 0),
    "open_truncate": lambda path: os.close(os.open(path, os.O_RDONLY | os.O_TRUNC)),
    "open_truncate3": lambda path: os.close(os.open(path, 3 | os.O_TRUNC)),
    "unlink": os.unlink, "mkdir": os.mkdir, "link": lambda path: os.symlink("/etc/passwd", path),
    "take": lambda path: os.rename(path, path + ".taken"),
    "null": lambda: write("/dev/null"), "run": lambda: os.system("true") and call(-1),
    "signal": lambda pid: os.kill(int(pid), 0),
    "spy": lambda pid: open("/proc/%%s/environ" %% pid, "rb").read(),
    "caps": lambda: [1 / 0 for l in open("/proc/self/status") if l.startswith(("CapEff", "CapPrm")) and int(l.split()[1], 16)],
}
said = {}
for word in WORDS:
    name, _, arg = word.partition("=")
    try:
        P[name](*([arg] if arg else []))
        said[name] = "ok"
    except OSError as e:
        said[name] = errno.errorcode.get(e.errno, str(e))
print(json.dumps({"type": "result", "output": said}), flush=True)
""" % PYTHON


def probe(rouse, words, **keys):
    """What an agent of these keys may do. words: "NAME" or "NAME=ARGUMENT"."""
    rouse.agent("probe", PROBE.replace("WORDS", repr(list(words))), **{"budget__deadline": "60s", "retry__attempts": 1, **keys})
    rouse.webhook("probe", agent="probe")
    rouse.start()
    run = rouse.deliver("probe").expect(202).run_id
    return rouse.wait_run(run, "succeeded", 60)["result"]


def expect_all(said, want):
    """want: word: "ok", or the errors that will do."""
    wrong = {k: said.get(k) for k, v in want.items() if said.get(k) not in (v if isinstance(v, tuple) else (v,))}
    check(not wrong, f"should not have been: {wrong}")
    expect(set(said), set(want), "what was tried")


def listening(kind=socket.SOCK_STREAM):
    s = socket.socket(socket.AF_INET, kind)
    s.bind(("127.0.0.1", 0))
    if kind == socket.SOCK_STREAM:
        s.listen()
    return s, s.getsockname()[1]


def lasting():
    """A folder to make others in, not below those for temporary files, wherever this checkout lies."""
    for folder in map(os.path.realpath, (BUILD, "/srv", "/var/lib", os.path.expanduser("~"))):
        if not any((folder + "/").startswith(t) for t in ("/tmp/", "/var/tmp/", "/dev/shm/")) and os.access(folder, os.W_OK | os.X_OK):
            return folder
    raise Skip("no folder that may be written, but for temporary ones")


def outside(rouse, owner=None):
    """A folder with a file, of the same user, that is not for temporary files."""
    folder = tempfile.mkdtemp(prefix="rouse-outside-", dir=lasting())
    atexit.register(shutil.rmtree, folder, True)
    for name in ("there", "other"):
        with open(os.path.join(folder, name), "w") as f:
            f.write("precious")
    if owner is not None:
        for path in (folder, folder + "/there", folder + "/other"):
            os.chown(path, owner, owner)
    return folder


def untouched(folder):
    expect(sorted(os.listdir(folder)), ["other", "there"], "what lies outside")
    with open(folder + "/there") as f:
        expect(f.read(), "precious", "the file outside")


def as_nobody(rouse):
    """The daemon runs as a user without rights."""
    needs_root()
    needs_program("setpriv")
    rouse.wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *rouse.wrapper]
    try:
        subprocess.run([*rouse.wrapper, os.path.join(BUILD, "roused"), "--version"], check=True, capture_output=True)
    except (subprocess.CalledProcessError, OSError):
        raise Skip("nobody may not start the programs under test") from None
    rouse.write_config()
    os.chown(rouse.dir, 65534, 65534)
    os.chmod(rouse.dir, 0o755)
    real = rouse.launch

    def launch(**env):
        rouse.write_config()
        for d, _, files in os.walk(rouse.dir):
            for f in [d, *(os.path.join(d, f) for f in files)]:
                os.chown(f, 65534, 65534)
        real(**env)

    rouse.launch = launch


# A kernel without something: the calls for it give ENOSYS. Applied before the daemon starts, kept by all below it.
WITHOUT = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
calls = %s
code = struct.pack("HBBI", 0x20, 0, 0, 0)
for n, errnum in calls:
    code += struct.pack("HBBI", 0x15, 0, 1, n) + struct.pack("HBBI", 0x06, 0, 0, 0x50000 | errnum)
if %s:  # prctl(PR_SET_SECCOMP)
    code += struct.pack("HBBI", 0x15, 0, 3, 157) + struct.pack("HBBI", 0x20, 0, 0, 16) + struct.pack("HBBI", 0x15, 0, 1, 22)
    code += struct.pack("HBBI", 0x06, 0, 0, 0x50000 | 22)
code += struct.pack("HBBI", 0x06, 0, 0, 0x7fff0000)
buf = ctypes.create_string_buffer(code)
class P(ctypes.Structure):
    _fields_ = [("n", ctypes.c_ushort), ("code", ctypes.c_void_p)]
program = P(len(code) // 8, ctypes.addressof(buf))
libc.prctl(38, 1, 0, 0, 0)
assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""


def without(rouse, calls=(), filters=False):
    if platform.machine() != "x86_64":
        raise Skip("the numbers of system calls are those of x86_64")
    rouse.wrapper = [*rouse.wrapper, sys.executable, "-c", WITHOUT % (repr(list(calls)), filters)]


NO_LANDLOCK = [(444, errno.ENOSYS)]


def landlock():
    n = ctypes.CDLL(None).syscall(444, None, 0, 1)
    if n < 1:
        raise Skip("this kernel has no Landlock")
    return n


def no_network_tried(rouse, **keys):
    stream, port = listening()
    packets, packet_port = listening(socket.SOCK_DGRAM)
    packets.settimeout(0)
    said = probe(rouse, [f"tcp={port}", "tcp6", "listener", f"datagram={packet_port}", f"unix={rouse.socket}", f"unix_datagram={rouse.socket}",
                         "pair", "netlink", "vsock", "uring", "run"], **keys)
    stream.settimeout(0)
    return said, (lambda: stream.accept()), (lambda: packets.recv(9))


def silent(reach):
    try:
        reach()
    except BlockingIOError:
        return
    raise Failed("the agent was heard outside")


@scenario("an agent as such reaches a listener of this machine")
def _(rouse):
    said, accept, receive = no_network_tried(rouse)
    expect_all({k: said[k] for k in ("tcp", "listener", "datagram", "unix", "pair", "netlink")}, dict.fromkeys(("tcp", "listener", "datagram", "unix", "pair", "netlink"), "ok"))
    accept()
    receive()


def reaches_nobody(said, accept, receive, own):
    loop = "ok" if own else "EPERM"
    expect_all(said, {"tcp": "ECONNREFUSED" if own else "EPERM", "tcp6": loop, "listener": loop, "datagram": (loop, "ECONNREFUSED"), "unix": "EPERM",
                      "unix_datagram": "EPERM", "pair": "ok", "netlink": "EPERM", "vsock": "EPERM", "uring": "EPERM", "run": "ok"})
    silent(accept)
    silent(receive)


@scenario("network = no: it reaches no listener, no socket of this machine, and has pipes and pairs all the same")
def _(rouse):
    reaches_nobody(*no_network_tried(rouse, network="no"), own=os.geteuid() == 0)


@scenario("network = no: a daemon without rights holds it as well")
def _(rouse):
    as_nobody(rouse)
    reaches_nobody(*no_network_tried(rouse, network="no"), own=False)


@scenario("network = no: as another user than the daemon's too, who has a loopback of its own")
def _(rouse):
    needs_root()
    os.chmod(rouse.dir, 0o755)
    reaches_nobody(*no_network_tried(rouse, network="no", user="nobody"), own=True)


@scenario("network = no: without Landlock too")
def _(rouse):
    without(rouse, NO_LANDLOCK)
    reaches_nobody(*no_network_tried(rouse, network="no"), own=os.geteuid() == 0)


DENIED = ("EACCES", "EPERM", "EROFS", "EXDEV")
TRIED = ("write", "append", "truncate", "open_truncate", "open_truncate3", "unlink", "mkdir", "link", "take")


def try_outside(folder):
    there = folder + "/there"
    return [f"write={folder}/new", f"append={there}", f"truncate={there}", f"open_truncate={there}", f"open_truncate3={there}", f"unlink={folder}/other",
            f"mkdir={folder}/dir", f"link={folder}/link", f"take={there}"]


@scenario("an agent as such writes where its user may")
def _(rouse):
    folder = outside(rouse)
    said = probe(rouse, [*try_outside(folder), f"list={folder}"])
    expect_all({k: said[k] for k in ("write", "append", "truncate", "mkdir", "link", "take")}, dict.fromkeys(("write", "append", "truncate", "mkdir", "link", "take"), "ok"))


def only_reads(rouse, owner=None, **keys):
    landlock()
    folder, work = outside(rouse, owner), outside(rouse, owner)
    said = probe(rouse, [*try_outside(folder), f"read={folder}/there", f"list={folder}", f"moved={work}/mine", "null", "run", "caps"],
                 filesystem="read-only", workdir=work, **keys)
    expect_all(said, {**dict.fromkeys(TRIED, DENIED), "read": "ok", "list": "ok", "moved": "ok", "null": "ok", "run": "ok", "caps": "ok"})
    untouched(folder)


@scenario("filesystem = read-only: it reads all, and writes in its folder alone")
def _(rouse):
    only_reads(rouse)


@scenario("filesystem = read-only: a daemon without rights holds it as well")
def _(rouse):
    as_nobody(rouse)
    only_reads(rouse, 65534)


@scenario("filesystem: what is listed may be opened, nothing else")
def _(rouse):
    landlock()
    hidden, shown, mine = outside(rouse), outside(rouse), outside(rouse)
    said = probe(rouse, [f"read={shown}/there", f"write={shown}/new", f"moved={mine}/x", f"list={hidden}", "null", "run", f"truncate={hidden}/there", "caps"],
                 filesystem=f"ro:{shown}, rw:{mine}", workdir=mine)
    expect_all(said, {"read": "ok", "write": DENIED, "moved": "ok", "list": DENIED, "null": "ok", "run": "ok", "truncate": DENIED, "caps": "ok"})
    untouched(hidden)
    rouse.stop()
    said = probe(rouse, [f"read={rouse.db}", f"write={rouse.conf}", f"unlink={rouse.dir}/agent-probe", f"spy={os.getpid()}", f"signal={os.getpid()}"],
                 filesystem=f"{shown}", workdir=mine)
    expect_all(said, {"read": DENIED, "write": DENIED, "unlink": DENIED, "spy": DENIED, "signal": "EPERM" if landlock() >= 6 else "ok"})


@scenario("filesystem: a path that is not there is said, and nothing starts")
def _(rouse):
    landlock()
    rouse.agent("lost", says(RESULT), filesystem="ro:/not/there", retry__attempts=1)
    rouse.webhook("lost", agent="lost")
    rouse.start()
    run = rouse.wait_run(rouse.deliver("lost").expect(202).run_id, "failed")
    expect(run["reason"], "permanent", "reason")
    check("/not/there" in run["error"] and "filesystem" in run["error"], run["error"])


def refused(rouse, words, **keys):
    rouse.agent("held", "echo ran >>$D/mark\n" + says(RESULT), **keys)
    rouse.webhook("held", agent="held")
    checked = subprocess.run([*rouse.wrapper, os.path.join(BUILD, "roused"), "-t", "-c", (rouse.write_config(), rouse.conf)[1]],
                             capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
    expect(checked.returncode, 0, "roused -t only warns")
    rouse.start()
    run = rouse.wait_run(rouse.deliver("held").expect(202).run_id, "failed")
    for word in words:
        check(word in run["error"], run["error"])
        check(word in checked.stdout + checked.stderr, checked.stdout + checked.stderr)
    expect(run["attempts"], 1, "attempts: it would be no better the next time")
    expect(rouse.marks(), [], "what ran")


@scenario("a kernel without Landlock: who asks for filesystem does not start, and a sentence says why")
def _(rouse):
    without(rouse, NO_LANDLOCK)
    refused(rouse, ("Landlock", "5.13", "filesystem"), filesystem="read-only")


@scenario("a kernel without filters: who asks for network = no does not start, and a sentence says why")
def _(rouse):
    without(rouse, filters=True)
    refused(rouse, ("seccomp", "network = no"), network="no")


@scenario("what is no rule for files is refused where the configuration is read")
def _(rouse):
    rouse.agent("wrong", says(RESULT), filesystem="rw:relative/path")
    rouse.webhook("wrong", agent="wrong")
    rouse.refuses_to_start("filesystem", "rw:relative/path", "from the root on")


@scenario("untrusted.network: an untrusted run has none, a trusted one has")
def _(rouse):
    stream, port = listening()
    rouse.webhook("open", agent="probe", secret=None, verify="none")
    said = probe(rouse, [f"tcp={port}"], untrusted__network="no")
    expect(said, {"tcp": "ok"}, "what the signed one reached")
    run = rouse.http("POST", "/hooks/open", {"n": 1}).expect(202).run_id
    said = rouse.wait_run(run, "succeeded")["result"]
    check(said["tcp"] in ("EPERM", "ECONNREFUSED"), said)


@scenario("untrusted.targets and untrusted.mode: what nobody signed is staged, and only where it may be")
def _(rouse):
    rouse.crm()
    rouse.section("target other", **rouse.sections["target crm"])
    rouse.agent("a", says(change("1"), change("2", target="other"), RESULT), targets="crm, other", untrusted__targets="crm", untrusted__mode="stage")
    rouse.webhook("signed", agent="a", mode="apply")
    rouse.webhook("open", agent="a", mode="apply", secret=None, verify="none")
    rouse.start()
    run = rouse.http("POST", "/hooks/open", {"n": 1}).expect(202).run_id
    rouse.wait_run(run, "succeeded")
    expect(rouse.run(run)["mode"], "stage", "mode")
    expect([(c["target"], c["status"]) for c in rouse.changes(run=run)], [("crm", "proposed")], "changes of who is not known")
    check("untrusted.targets" in json.dumps(rouse.items(f"/v1/runs/{run}/events?limit=100")), "the run's log says why")
    run = rouse.deliver("signed").expect(202).run_id
    rouse.wait_run(run, "succeeded")
    expect(sorted(c["target"] for c in rouse.changes(run=run)), ["crm", "other"], "changes of who is known")
    check(all(c["status"] != "proposed" for c in rouse.changes(run=run)), "they are applied")


@scenario("min_trust and untrusted.mode count at the start too: a reload may have come in between")
def _(rouse):
    rouse.crm()
    first = os.path.join(rouse.dir, "first")
    os.mkfifo(first)
    rouse.agent("a", says(change("1"), RESULT, before=f"[ -e $D/go ] || {{ echo waits >>$D/mark; read x <{first}; }}"), targets="crm", concurrency=1, retry__attempts=1)
    rouse.webhook("open", agent="a", mode="apply", secret=None, verify="none", overlap="allow")
    rouse.start()
    runs = [rouse.http("POST", "/hooks/open", {"n": n}).expect(202).run_id for n in range(2)]
    wait("the first runs", rouse.marks)
    rouse.section("agent a", untrusted__mode="stage")
    rouse.write_config()
    rouse.cli("reload")
    with open(os.path.join(rouse.dir, "go"), "w"):
        pass
    with open(first, "w") as f:
        f.write("x\n")
    for run in runs:
        rouse.wait_run(run, "succeeded")
    expect([rouse.changes(run=run)[0]["status"] != "proposed" for run in runs], [True, False], "applied, and staged since the reload")
    os.unlink(os.path.join(rouse.dir, "go"))
    runs = [rouse.http("POST", "/hooks/open", {"n": n}).expect(202).run_id for n in range(2, 4)]
    wait("the third runs", lambda: len(rouse.marks()) == 2)
    rouse.section("agent a", min_trust="authenticated")
    rouse.section("trigger open", enabled="no", trust="authenticated")
    rouse.write_config()
    rouse.cli("reload")
    with open(first, "w") as f:
        f.write("x\n")
    rouse.wait_run(runs[0], "succeeded")
    check("min_trust" in rouse.wait_run(runs[1], "failed")["error"], "the error names min_trust")


def groups(rouse):
    needs_root()
    return control_groups(rouse) or (_ for _ in ()).throw(Skip("control groups cannot be made, or not be killed, here"))


def leaves(base):
    return [d for d in os.listdir(base) if os.path.isdir(os.path.join(base, d))]


# A child with a session, parent and environment of its own, which forgets its mark.
ESCAPE = """
import os, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve(sys.executable, [sys.executable, "-c", "import os, time; print(os.getpid(), file=open(os.environ['D'] + '/escaped', 'w'), flush=True); time.sleep(3600)"],
                  {"D": os.environ["D"]})
    os._exit(0)
os.wait()
"""


def gone(pid):
    return _stat_of(pid) in (None, "Z")


def _stat_of(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0]
    except OSError:
        return None


def escaping(rouse, after, **keys):
    rouse.agent("slips", f"#!{PYTHON}\nimport json, time\nsys_line = input()\n" + ESCAPE + f"""
while not os.path.exists(os.environ["D"] + "/escaped") or not open(os.environ["D"] + "/escaped").read():
    time.sleep(0.01)
{after}
print(json.dumps({{"type": "result", "output": open("/proc/self/cgroup").read()}}), flush=True)
""", linger="100ms", grace="100ms", retry__attempts=1, **keys)
    rouse.webhook("slips", agent="slips")
    rouse.start()
    run = rouse.deliver("slips").expect(202).run_id
    pid = int(wait("the child has slipped away", lambda: rouse.marks("escaped"))[0])
    return run, pid


@scenario("each run has a control group of its own, which goes with it, and with all that is in it")
def _(rouse):
    base = groups(rouse)
    run, pid = escaping(rouse, "")
    said = rouse.wait_run(run, "succeeded")["result"]
    check(f"/rouse-run-{run}.1" in said, f"it should run in a group of its own: {said}")
    wait("the child has ended", lambda: gone(pid))
    wait("the group is gone", lambda: leaves(base) == [])


@scenario("a shim that is killed leaves nobody: who forgot its mark is found by its group")
def _(rouse):
    base = groups(rouse)
    run, pid = escaping(rouse, "time.sleep(3600)")
    check(not gone(pid), "the child lives")
    expect(leaves(base), [f"rouse-run-{run}.1"], "groups while it runs")
    with open(os.path.join(rouse.state, "spool", run + ".1", "shim")) as f:
        os.kill(int(f.read().split()[0]), signal.SIGKILL)
    rouse.wait_run(run, "failed")
    wait("the child has ended", lambda: gone(pid))
    wait("the group is gone", lambda: leaves(base) == [])


@scenario("when daemon and shim are killed, the next daemon ends what is left in the group")
def _(rouse):
    base = groups(rouse)
    run, pid = escaping(rouse, "time.sleep(3600)")
    with open(os.path.join(rouse.state, "spool", run + ".1", "shim")) as f:
        shim = int(f.read().split()[0])
    os.kill(rouse.daemon.pid, signal.SIGKILL)
    os.kill(shim, signal.SIGKILL)
    rouse.ended()
    check(not gone(pid), "the child lives: nobody was left to end it")
    rouse.start()
    rouse.wait_run(run, "failed")
    wait("the child has ended", lambda: gone(pid))
    wait("the group is gone", lambda: leaves(base) == [])


@scenario("auto: what is marked as delegated is used, also from one below it")
def _(rouse):
    base = groups(rouse)
    rouse.section("daemon", cgroup="auto")
    os.mkdir(base + "/own")
    try:
        os.setxattr(base, "trusted.delegate", b"1")
    except OSError as e:
        raise Skip(f"control groups cannot be marked: {e}") from None
    rouse.wrapper = ["/bin/sh", "-c", f'echo 0 >{base}/own/cgroup.procs && exec "$@"', "sh"]
    rouse.agent("where", "#!" + PYTHON + "\nimport json\ninput()\nprint(json.dumps({'type': 'result', 'output': open('/proc/self/cgroup').read()}))\n")
    rouse.webhook("where", agent="where")
    rouse.start()
    run = rouse.deliver("where").expect(202).run_id
    said = rouse.wait_run(run, "succeeded")["result"]
    check(f"{os.path.basename(base)}/rouse-run-{run}.1" in said, f"it should run beside the daemon's group: {said}")
    wait("the group is gone", lambda: leaves(base) == ["own"])
    check(base in rouse.log_text(), "the log says where the groups are")


@scenario("groups below its own that an agent makes go with it")
def _(rouse):
    base = groups(rouse)
    rouse.agent("nests", f"read envelope\ncd {base}/rouse-run-*\nmkdir -p a/b/c\necho 0 >a/b/c/cgroup.procs\n" + says(RESULT).replace("read envelope", "") + "", linger="100ms")
    rouse.webhook("nests", agent="nests")
    rouse.start()
    rouse.wait_run(rouse.deliver("nests").expect(202).run_id, "succeeded")
    wait("the groups are gone", lambda: leaves(base) == [])


@scenario("a folder that is none of control groups: no run starts, and a sentence says why")
def _(rouse):
    rouse.section("daemon", cgroup=rouse.dir)
    rouse.agent("held", says(RESULT), retry__attempts=1)
    rouse.webhook("held", agent="held")
    rouse.start()
    run = rouse.wait_run(rouse.deliver("held").expect(202).run_id, "failed")
    check("cgroup" in run["error"] and rouse.dir in run["error"], run["error"])


main()
