#!/usr/bin/env python3
# Scenario: a second roused, of another version, takes over from the one that runs; nobody outside notices.
# SPDX-License-Identifier: MIT
import lib
from lib import *

QUICK = "read -r e; echo '{\"type\":\"result\",\"output\":1}'"
HOLDS = "read -r e; echo x >>$D/mark; while test -e $D/hold; do sleep 0.05; done; echo '{\"type\":\"result\",\"output\":1}'"


def versions(rouse):
    """Two folders of programs: that of the build, and one whose roused says another version."""
    said = subprocess.run([os.path.join(BUILD, "roused"), "--version"], capture_output=True, text=True).stdout.split()[1]
    other = said[:-1] + chr(ord(said[-1]) + 1)
    folder = os.path.join(rouse.dir, "next")
    os.mkdir(folder)
    for name in os.listdir(BUILD):
        path = os.path.join(BUILD, name)
        if name.startswith("rouse") and os.path.isfile(path) and os.access(path, os.X_OK) and name != "roused":
            os.symlink(path, os.path.join(folder, name))
    with open(os.path.join(BUILD, "roused"), "rb") as f:
        program = f.read()
    check(program.count(said.encode() + b"\0") > 0, "the version stands in the program")
    with open(os.open(os.path.join(folder, "roused"), os.O_WRONLY | os.O_CREAT, 0o755), "wb") as f:
        f.write(program.replace(said.encode() + b"\0", other.encode() + b"\0"))
    return [(BUILD, said), (folder, other)]


def launch(rouse, folder, *flags, **env):
    with open(rouse.log, "ab") as log:
        return spawn([os.path.join(folder, "roused"), "-c", rouse.conf, *flags], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                     env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **({"ASAN_OPTIONS": os.environ["ASAN_OPTIONS"]} if "ASAN_OPTIONS" in os.environ else {}), **env})


def take_over(rouse, folder, version, **env):
    """The daemon of the other folder takes over; the old one ends well."""
    new = launch(rouse, folder, "--take-over", **env)
    expect(rouse.ended(60), 0, "exit status of the old one")
    rouse.daemon = new
    wait(f"version {version} answers", lambda: rouse.get("/health")["version"] == version)


class Load:
    """Threads that deliver signed webhooks as fast as they are answered, over kept connections or new ones."""

    def __init__(self, rouse, hook, threads=4):
        self.rouse, self.hook, self.stop, self.accepted, self.wrong = rouse, hook, False, [], []
        self.threads = [threading.Thread(target=self.go, args=(n,), daemon=True) for n in range(threads)]
        for thread in self.threads:
            thread.start()

    def go(self, n):
        connection, count = None, 0
        while not self.stop:
            count += 1
            id = f"load-{n}-{count}"
            body = json.dumps({"n": count}).encode()
            try:
                if connection is None or n % 2:
                    connection = http.client.HTTPConnection("127.0.0.1", self.rouse.port, timeout=60)
                connection.request("POST", "/hooks/" + self.hook, body, {"Content-Type": "application/json", "X-GitHub-Event": "push",
                                   "X-GitHub-Delivery": id, "X-Hub-Signature-256": sign(body, SECRET)})
                answer = connection.getresponse()
                said = answer.read()
                if answer.status == 202:
                    self.accepted.append((id, json.loads(said)["run_id"]))
                else:
                    self.wrong.append((id, answer.status, said[:200]))
                if answer.will_close or n % 2:
                    connection.close()
                    connection = None
            except Exception as e:
                self.wrong.append((id, repr(e)))
                connection = None

    def end(self):
        self.stop = True
        for thread in self.threads:
            thread.join(60)


def settled(rouse):
    """The runs by number of those that are not done."""
    db = sqlite3.connect(rouse.db)
    try:
        return db.execute("SELECT status, count(*) FROM runs WHERE status NOT IN ('succeeded') GROUP BY status").fetchall()
    finally:
        db.close()


def read(rouse, sql):
    db = sqlite3.connect(rouse.db)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


@scenario("ten takeovers back and forth under load: no request is refused, no event lost, no run doubled")
def _(rouse):
    both = versions(rouse)
    rouse.agent("quick", QUICK, concurrency=4)
    rouse.agent("holds", HOLDS)
    rouse.webhook("push", agent="quick")
    rouse.webhook("slow", agent="holds")
    rouse.start()
    open(os.path.join(rouse.dir, "hold"), "w").close()
    slow = [rouse.deliver("slow").expect(202).run_id for _ in range(2)]
    wait("two agents work", lambda: len(rouse.marks()) == 2)
    load = Load(rouse, "push")
    for n in range(10):
        before = len(load.accepted)
        wait("deliveries are taken", lambda: len(load.accepted) > before + 60, 60)
        take_over(rouse, *both[(n + 1) % 2])
    load.end()
    expect(load.wrong, [], "requests that were not taken")
    os.unlink(os.path.join(rouse.dir, "hold"))
    for run in slow:
        expect(rouse.wait_run(run, "succeeded")["attempts"], 1, "attempts of an agent that worked through ten takeovers")
    wait("all runs are done", lambda: not settled(rouse), 120)
    expect(len({run for _, run in load.accepted}), len(load.accepted), "a run for each delivery")
    [[events]] = read(rouse, "SELECT count(*) FROM events WHERE trigger = 'push'")
    expect(events, len(load.accepted), "events")
    expect(read(rouse, "SELECT status, reason, count(*) FROM attempts WHERE status <> 'succeeded' GROUP BY 1, 2"), [], "attempts that did not go well")
    [[attempts, runs]] = read(rouse, "SELECT count(*), count(DISTINCT run) FROM attempts")
    expect(attempts, runs, "one attempt a run")
    expect(rouse.cli("db", "check").code, 0, "db check")
    print(f"#   {len(load.accepted)} deliveries")


@scenario("the one that takes over does not come up: the old one goes on, on the same sockets")
def _(rouse):
    [_, (folder, version)] = versions(rouse)
    rouse.agent("holds", HOLDS)
    rouse.agent("quick", QUICK)
    rouse.webhook("push", agent="quick")
    rouse.webhook("slow", agent="holds")
    rouse.start()
    open(os.path.join(rouse.dir, "hold"), "w").close()
    slow = rouse.deliver("slow").expect(202).run_id
    wait("an agent works", lambda: len(rouse.marks()) == 1)
    load = Load(rouse, "push", 2)
    for n in range(3):
        before = len(load.accepted)
        new = launch(rouse, folder, "--take-over", ROUSE_CRASH="took-over")
        check(new.wait(60) != 0, "it does not come up")
        wait("the old one takes deliveries again", lambda: len(load.accepted) > before + 20, 60)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with open(rouse.conf) as f:
            conf = f.read()
        with open(rouse.conf, "w") as f:
            f.write(conf.replace(f"127.0.0.1:{rouse.port}", "127.0.0.1:%d" % taken.getsockname()[1]))
        before = len(load.accepted)
        new = launch(rouse, folder, "--take-over")
        expect(new.wait(60), 1, "one that cannot listen where it is told to")
        wait("the old one takes deliveries again", lambda: len(load.accepted) > before + 20, 60)
    with open(rouse.conf, "a") as f:
        f.write("[agent broken\n")
    new = launch(rouse, folder, "--take-over")
    expect(new.wait(60), 78, "with a broken configuration it does not even ask")
    load.end()
    expect(load.wrong, [], "requests that were not taken")
    check(rouse.is_alive(), "the old one runs")
    os.unlink(os.path.join(rouse.dir, "hold"))
    expect(rouse.wait_run(slow, "succeeded")["attempts"], 1, "attempts of the agent that worked meanwhile")
    wait("all runs are done", lambda: not settled(rouse), 120)
    [[events]] = read(rouse, "SELECT count(*) FROM events WHERE trigger = 'push'")
    expect(events, len(load.accepted), "events")
    rouse.write_config()
    take_over(rouse, folder, version)


@scenario("the old one dies while it hands over: the new one starts all the same, and nothing is lost")
def _(rouse):
    [_, (folder, version)] = versions(rouse)
    rouse.agent("holds", HOLDS)
    rouse.webhook("push", agent="holds")
    rouse.start(ROUSE_CRASH="hands-over")
    open(os.path.join(rouse.dir, "hold"), "w").close()
    runs = [rouse.deliver("push").expect(202).run_id for _ in range(6)]
    wait("four agents work", lambda: len(rouse.marks()) == 4)
    new = launch(rouse, folder, "--take-over")
    check(rouse.ended(60) != 0, "the old one died")
    rouse.daemon = new
    wait("the new one is ready", lambda: rouse.api("GET", "/readyz").status == 200)
    os.unlink(os.path.join(rouse.dir, "hold"))
    expect([rouse.wait_run(run, "succeeded")["attempts"] for run in runs], [1] * 6, "attempts")
    rouse.deliver("push").expect(202)


@scenario("no agent takes the daemon over, though it is of the same user")
def _(rouse):
    both = versions(rouse)
    rouse.agent("a", f"read -r e; {both[1][0]}/roused -c {rouse.conf} --take-over >$D/tried 2>&1; echo '{{\"type\":\"result\",\"output\":1}}'")
    rouse.start()
    expect(rouse.cli("invoke", "a", "--wait").out, "1\n", "its result")
    check("a run does not take the daemon over" in "".join(rouse.marks("tried")), "it was refused: " + "".join(rouse.marks("tried")))
    expect(rouse.get("/health")["version"], both[0][1], "the version that runs")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.connect(os.path.join(rouse.state, "takeover"))
        s.send(b"give me all that you have")
        check(s.recv(4096).startswith(b"no "), "what says something else is told no")
    held = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    held.connect(os.path.join(rouse.state, "takeover"))
    held.send(b"take 1")
    wait("it hands over to who says nothing more", lambda: held.recv(4096) == b"done")
    held.close()
    wait("and goes on, since that is gone", lambda: rouse.api("GET", "/readyz").status == 200)
    expect(rouse.cli("invoke", "a", "--wait", "--data", "2").out, "1\n", "a run after that")


@scenario("without the flag a second roused is refused, and where none runs the flag is a plain start")
def _(rouse):
    rouse.agent("quick", QUICK)
    rouse.webhook("push", agent="quick")
    rouse.start()
    second = launch(rouse, BUILD)
    check(second.wait(60) > 0, "the second one is refused")
    check("open in another roused" in rouse.log_text(), "it says why")
    rouse.stop()
    rouse.daemon = launch(rouse, BUILD, "--take-over")
    wait("it is ready", lambda: rouse.api("GET", "/readyz").status == 200)
    rouse.deliver("push").expect(202)


@scenario("a session's process, a schedule and a kept connection go on with the new one")
def _(rouse):
    both = versions(rouse)
    rouse.agent("stays", "n=0; while read -r e; do n=$((n+1)); echo '{\"type\":\"result\",\"output\":'$n'}'; done", session="yes")
    rouse.section("trigger tick", source="cron", schedule="* * * * * *", agent="quick")
    rouse.agent("quick", QUICK)
    rouse.start()
    kept = lib._UnixConnection(rouse.socket, 60)
    for n in range(1, 5):
        expect(rouse.cli("invoke", "stays", "--session", "s", "--wait").out, f"{n}\n", "what the process counted")
        kept.request("GET", "/v1/agents")
        answer = kept.getresponse()
        expect((answer.status, bool(answer.read())), (200, True), "over the kept connection")
        take_over(rouse, *both[n % 2])
    ticks = len(rouse.runs(trigger="tick"))
    wait("it ticks", lambda: len(rouse.runs(trigger="tick")) > ticks)


@scenario("who waits for the result of an invocation is told that it takes longer, and gets it from the new one")
def _(rouse):
    both = versions(rouse)
    rouse.agent("holds", HOLDS)
    rouse.start()
    open(os.path.join(rouse.dir, "hold"), "w").close()
    said = []
    threads = [threading.Thread(target=lambda: said.append(rouse.cli("invoke", "holds", "--wait", timeout=60).out), daemon=True),
               threading.Thread(target=lambda: said.append(rouse.api("POST", "/v1/agents/holds/invoke", 1, {"Prefer": "wait=60"}).status), daemon=True)]
    for thread in threads:
        thread.start()
    wait("both agents work", lambda: len(rouse.marks()) == 2)
    take_over(rouse, *both[1])
    os.unlink(os.path.join(rouse.dir, "hold"))
    for thread in threads:
        thread.join(60)
    expect(sorted(map(str, said)), ["1\n", "202"], "what they were told")
    expect([r["attempts"] for r in rouse.runs()], [1, 1], "attempts")


@scenario("who waits for a run keeps the old one up no longer than drain_timeout, and is not refused")
def _(rouse):
    both = versions(rouse)
    rouse.agent("holds", HOLDS)
    rouse.webhook("push", agent="holds", respond="wait=20s")
    rouse.section("daemon", drain_timeout="300ms")
    rouse.start()
    open(os.path.join(rouse.dir, "hold"), "w").close()
    said = []
    thread = threading.Thread(target=lambda: said.append(rouse.deliver("push", timeout=60).status), daemon=True)
    thread.start()
    wait("its agent works", lambda: len(rouse.marks()) == 1)
    new = launch(rouse, both[1][0], "--take-over")
    check(new.wait(60) > 0, "it is told no")
    check("it owes answers" in rouse.log_text(), "why")
    os.unlink(os.path.join(rouse.dir, "hold"))
    thread.join(60)
    expect(said, [200], "the answer")
    take_over(rouse, *both[1])


main()
