#!/usr/bin/env python3
# Scenario: sockets that a service manager opened: restarts, crashes and takeovers refuse no connection at them.
# SPDX-License-Identifier: MIT
import fcntl
import stat
import lib
from lib import *

QUICK = "read -r e; echo '{\"type\":\"result\",\"output\":1}'"
HOLDS = "read -r e; echo x >>$D/mark; while test -e $D/hold; do sleep 0.05; done; echo '{\"type\":\"result\",\"output\":1}'"


class Manager:
    """What systemd is to a service: it holds the sockets, and hands them to each daemon that it starts."""

    def __init__(self, rouse, *sockets, notify=True):
        self.rouse, self.sockets = rouse, sockets
        self.address = os.path.join(rouse.dir, "notify")
        self.notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notices.bind(self.address)
        self.said, self.notify = [], notify

    def heard(self):
        """All that the daemon told its manager, a line each."""
        while True:
            try:
                self.said += self.notices.recv(4096, socket.MSG_DONTWAIT).decode().split("\n")
            except BlockingIOError:
                return self.said

    def launch(self, *flags, names=None, count=None, pid="$$", sockets=None, **env):
        rouse = self.rouse
        self.heard()
        rouse.write_config()
        high = [fcntl.fcntl(s.fileno(), fcntl.F_DUPFD_CLOEXEC, 100) for s in (self.sockets if sockets is None else sockets)]

        def place():
            for i, fd in enumerate(high):
                os.dup2(fd, 3 + i)

        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "LISTEN_FDS": str(len(high) if count is None else count), **rouse.env, **env}
        if names is not None:
            environment["LISTEN_FDNAMES"] = names
        if self.notify:
            environment["NOTIFY_SOCKET"] = self.address
        if "ASAN_OPTIONS" in os.environ:
            environment["ASAN_OPTIONS"] = os.environ["ASAN_OPTIONS"]
        with open(rouse.log, "ab") as log:
            daemon = spawn(["/bin/sh", "-c", f'LISTEN_PID={pid} exec "$0" "$@"', os.path.join(BUILD, "roused"), "-c", rouse.conf, *flags],
                           stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, preexec_fn=place,
                           pass_fds=range(3, 3 + len(high)))
        for fd in high:
            os.close(fd)
        return daemon

    def start(self, **how):
        self.rouse.daemon = self.launch(**how)
        wait("it is ready", lambda: self.rouse.daemon.poll() is not None or self.rouse.api("GET", "/readyz").status == 200, 60)
        check(self.rouse.is_alive(), "it runs: " + self.rouse.log_text()[-500:])


def listening(port=0, host="127.0.0.1"):
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((host, port))
    s.listen(4096)
    return s


def listening_at(path, mode=0o666):
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    os.chmod(path, mode)
    s.listen(4096)
    return s


class Load:
    """Threads that deliver signed webhooks one after another, each on a connection of its own."""

    def __init__(self, rouse, hook, threads=6):
        self.rouse, self.hook, self.stop, self.accepted, self.wrong = rouse, hook, False, [], []
        self.threads = [threading.Thread(target=self.go, args=(n,), daemon=True) for n in range(threads)]
        for thread in self.threads:
            thread.start()

    def go(self, n):
        count = 0
        while not self.stop:
            count += 1
            id = f"load-{n}-{count}"
            try:
                answer = self.rouse.deliver(self.hook, {"n": count}, id=id, timeout=60)
                (self.accepted.append((id, answer.run_id)) if answer.status == 202 else self.wrong.append((id, answer.status, answer.body[:200])))
            except Exception as e:
                self.wrong.append((id, repr(e)))

    def end(self):
        self.stop = True
        for thread in self.threads:
            thread.join(120)


def read(rouse, sql):
    db = sqlite3.connect(rouse.db)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


@scenario("ten restarts under load refuse no connection and drop no request, and a working agent is not touched")
def _(rouse):
    web, api = listening(rouse.port), listening_at(rouse.socket)
    rouse.agent("quick", QUICK, concurrency=4)
    rouse.agent("holds", HOLDS)
    rouse.webhook("push", agent="quick")
    rouse.webhook("slow", agent="holds")
    manager = Manager(rouse, web, api)
    manager.start(names="roused.socket:roused.socket")
    expect(stat.S_IMODE(os.stat(rouse.socket).st_mode), 0o600, "rights of the socket, as without a manager")
    open(os.path.join(rouse.dir, "hold"), "w").close()
    slow = rouse.deliver("slow").expect(202).run_id
    wait("an agent works", lambda: len(rouse.marks()) == 1)
    load = Load(rouse, "push")
    for n in range(10):
        before = len(load.accepted)
        wait("deliveries are taken", lambda: len(load.accepted) > before + 40, 60)
        rouse.daemon.terminate()
        expect(rouse.ended(60), 0, "exit status of a stopped daemon")
        check(os.path.exists(rouse.socket), "the socket's file stays: it is the manager's")
        manager.start()
    load.end()
    expect(load.wrong, [], "requests that were not taken")
    os.unlink(os.path.join(rouse.dir, "hold"))
    expect(rouse.wait_run(slow, "succeeded")["attempts"], 1, "attempts of the agent that worked through it")
    expect(len({run for _, run in load.accepted}), len(load.accepted), "a run for each delivery")
    wait("all runs are done", lambda: not read(rouse, "SELECT 1 FROM runs WHERE status <> 'succeeded' LIMIT 1"), 120)
    expect(read(rouse, "SELECT count(*) FROM events WHERE trigger = 'push'"), [(len(load.accepted),)], "events")
    check("is closed" not in rouse.log_text(), "nothing that was passed was strange")
    print(f"#   {len(load.accepted)} deliveries")


@scenario("kill -9 refuses no connection: who comes before the next daemon waits, and is answered by it")
def _(rouse):
    manager = Manager(rouse, listening(rouse.port), listening_at(rouse.socket))
    rouse.agent("quick", QUICK)
    rouse.webhook("push", agent="quick")
    manager.start()
    rouse.deliver("push").expect(202)
    rouse.kill_9()
    answers = []
    waiting = [threading.Thread(target=lambda: answers.append(rouse.deliver("push", timeout=60).status), daemon=True) for _ in range(8)]
    for thread in waiting:
        thread.start()
    manager.start()
    for thread in waiting:
        thread.join(60)
    expect(answers, [202] * 8, "their answers")


@scenario("sockets are known by their address, in any order; one that nobody means is said and closed, one that is missing is opened")
def _(rouse):
    strange = listening()
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("127.0.0.1", 0))
    gone = listening_at(os.path.join(rouse.dir, "other"))
    rouse.webhook("push", agent=rouse.agent("quick", QUICK) or "quick")
    manager = Manager(rouse, strange, datagrams, gone, listening(rouse.port))
    manager.start(names="strange:datagrams")
    rouse.deliver("push").expect(202)
    text = rouse.log_text()
    for s, name in ((strange, "strange"), (datagrams, "datagrams")):
        check(f"socket={'' if s is strange else chr(34)}127.0.0.1:{s.getsockname()[1]}" in text and f"name={name}" in text, f"{name} is said: {text}")
    check(os.path.join(rouse.dir, "other") in text, "so is the Unix socket")
    check("ListenStream=" in text, "what is to be done is said")
    expect([os.readlink(f"/proc/{rouse.daemon.pid}/fd/{n}") for n in os.listdir(f"/proc/{rouse.daemon.pid}/fd")].count(
        f"socket:[{os.fstat(strange.fileno()).st_ino}]"), 0, "descriptors of it in the daemon")
    rouse.stop()
    check(not os.path.exists(rouse.socket), "the socket that it opened itself is gone with it")


@scenario("variables that lie: another's pid, descriptors that are not there, no number, too many names; it starts, and says what is wrong")
def _(rouse):
    rouse.webhook("push", agent=rouse.agent("quick", QUICK) or "quick")
    manager = Manager(rouse)
    for how, word in (({"pid": "1", "count": 2}, None), ({"count": 3}, "is not there"), ({"count": "many"}, "LISTEN_FDS is no number"),
                      ({"count": 70000}, "LISTEN_FDS is no number"), ({"count": "-1"}, "LISTEN_FDS is no number"), ({"names": "a:b:c:::"}, None)):
        open(rouse.log, "a").close()
        before = len(rouse.log_text())
        manager.start(sockets=[], **how)
        rouse.deliver("push").expect(202)
        said = rouse.log_text()[before:]
        check(word is None or word in said, f"{how}: it says {word!r}: {said}")
        check(word or "LISTEN_FDS" not in said, f"{how}: it says nothing: {said}")
        rouse.stop()


@scenario("a manager that does not listen any more does not hold the daemon up")
def _(rouse):
    manager = Manager(rouse, listening(rouse.port), listening_at(rouse.socket))
    manager.start()
    expect(manager.heard()[0], "READY=1", "what it said first")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.setblocking(False)
        try:
            while True:
                s.sendto(b"x", manager.address)
        except BlockingIOError:
            pass
    for _ in range(3):
        expect(rouse.cli("reload").code, 0, "a reload")
    rouse.stop()


@scenario("agents get none of the passed sockets, nor their variables")
def _(rouse):
    web = listening(rouse.port)
    rouse.agent("looks", "read -r e; ls -l /proc/self/fd >$D/fds; env >$D/env; echo '{\"type\":\"result\",\"output\":1}'")
    Manager(rouse, web, listening_at(rouse.socket)).start()
    expect(rouse.cli("invoke", "looks", "--wait").code, 0, "its run")
    check(f"socket:[{os.fstat(web.fileno()).st_ino}]" not in "".join(rouse.marks("fds")), "no such socket: " + "".join(rouse.marks("fds")))
    check("LISTEN_" not in "".join(rouse.marks("env")), "no such variable")


@scenario("under a manager a stranger takes nothing over; one of the same service does, is made its main process, and keeps the sockets")
def _(rouse):
    web, api = listening(rouse.port), listening_at(rouse.socket)
    rouse.webhook("push", agent=rouse.agent("quick", QUICK) or "quick")
    manager = Manager(rouse, web, api)
    manager.start()
    load = Load(rouse, "push", 4)
    wait("deliveries are taken", lambda: len(load.accepted) > 20, 60)
    new = manager.launch("--take-over")
    expect(rouse.ended(60), 0, "exit status of the old one")
    rouse.daemon = new
    wait("its manager is told of the new one", lambda: f"MAINPID={new.pid}" in manager.heard())
    before = len(load.accepted)
    wait("deliveries are taken", lambda: len(load.accepted) > before + 20, 60)
    again = manager.launch("--take-over", sockets=[])
    expect(rouse.ended(60), 0, "exit status of the old one")
    rouse.daemon = again
    before = len(load.accepted)
    wait("deliveries are taken", lambda: len(load.accepted) > before + 20, 60)
    rouse.stop()
    check(os.path.exists(rouse.socket), "the socket's file stays: it is the manager's")
    manager.start()
    load.end()
    expect(load.wrong, [], "requests that were not taken")
    check("is closed" not in rouse.log_text(), "what was passed twice is no stranger")
    lib.needs_root()
    groups = next((line.split()[1] for line in open("/proc/mounts") if line.split()[2] == "cgroup2" and os.access(line.split()[1], os.W_OK)), None)
    if not groups:
        raise lib.Skip("no control groups of version 2 here")
    other = os.path.join(groups, f"rouse-stranger-{os.getpid()}")
    os.mkdir(other)
    try:
        stranger = spawn(["/bin/sh", "-c", f'echo $$ >{other}/cgroup.procs && exec "$0" "$@"', os.path.join(BUILD, "roused"), "-c", rouse.conf, "--take-over"],
                         stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        said = stranger.communicate(timeout=60)[1]
        check(stranger.returncode == 1 and "systemctl restart roused" in said, f"a stranger is refused ({stranger.returncode}): {said}")
    finally:
        wait("the group is empty", lambda: not open(os.path.join(other, "cgroup.procs")).read())
        os.rmdir(other)
    rouse.deliver("push").expect(202)


lib.main()
