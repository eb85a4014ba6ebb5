#!/usr/bin/env python3
# Scenario: the machine is suspended and wakes: nothing of all that runs, waits or listens ran meanwhile, and hours have passed.
# SPDX-License-Identifier: MIT
import datetime

from imap_lib import *

HOUR = 3600


class Sleep(Clock):
    """A machine that sleeps, as far as one can be had that does not: the daemon, its agents and helpers stand still while its
    clocks of real time and of boot time go on; the one that timers count by does not (clock_gettime(2), CLOCK_BOOTTIME)."""

    def __init__(self, rouse):
        super().__init__(rouse)
        source = os.path.join(rouse.dir, "sleep.c")
        with open(shared("chaos/resources/clockshift.c")) as f:
            text = f.read()
        with open(source, "w") as f:
            f.write(text.replace("c == CLOCK_TAI", "c == CLOCK_TAI || c == CLOCK_BOOTTIME"))
        check("CLOCK_BOOTTIME" in open(source).read(), "the rig's clock can be taught")
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", rouse.env["LD_PRELOAD"], source, "-ldl"], check=True)
        self.rouse = rouse

    def sleep(self, seconds, meanwhile=lambda: None):
        pids = [self.rouse.daemon.pid, *descendants(self.rouse.daemon.pid)]
        self.signal(pids, signal.SIGSTOP)
        wait("all stand still", lambda: set(descendants().get(pid, "Z") for pid in pids) <= {"T", "Z"})
        meanwhile()
        self.set(self.shift + seconds)
        self.signal(reversed(pids), signal.SIGCONT)

    def signal(self, pids, sig):
        for pid in pids:
            try:
                os.kill(pid, sig)
            except ProcessLookupError:
                pass  # it had just ended


def epoch(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def envelopes(rouse, name):
    return [e for e in map(json.loads, rouse.marks()) if e["trigger"]["name"] == name]


@scenario("schedules that slept: each catches up as it says, once, and goes on")
def _(rouse):
    clock = Sleep(rouse)
    rouse.agent("tick", 'read -r e; printf "%s\\n" "$e" >>$D/mark\n', concurrency=16)
    for name, keys in {"beat": {"schedule": "* * * * * *"}, "one": {"schedule": "0 * * * *"}, "none": {"schedule": "0 * * * *", "catchup": "none", "grace": "0s"},
                       "all": {"schedule": "0 * * * *", "catchup": "all", "catchup_window": "1d"}}.items():
        rouse.section("trigger " + name, source="cron", agent="tick", overlap="allow", **keys)
    rouse.start()
    wait("it beats", lambda: len(envelopes(rouse, "beat")) >= 2)
    ran = {name: len(envelopes(rouse, name)) for name in ("one", "all")}
    began = clock.now()
    clock.sleep(8 * HOUR)
    wait("one run for what was missed", lambda: len(envelopes(rouse, "one")) == ran["one"] + 1)
    wait("a run for each", lambda: len(envelopes(rouse, "all")) == ran["all"] + 8)
    wait("it beats on", lambda: sum(epoch(e["schedule"]["nominal"]) > began + 8 * HOUR for e in envelopes(rouse, "beat")) >= 3)
    missed = envelopes(rouse, "one")[-1]["schedule"]
    check(missed["missed"] in (7, 8) and clock.now() - epoch(missed["nominal"]) <= HOUR + 10, f"the latest hour, and what it stands for: {missed}")
    hours = [epoch(e["schedule"]["nominal"]) for e in envelopes(rouse, "all")][-8:]
    expect(sorted(b - a for a, b in zip(sorted(hours), sorted(hours)[1:])), [HOUR] * 7, "hours")
    beats = [e["schedule"]["nominal"] for e in envelopes(rouse, "beat")]
    expect(len(beats), len(set(beats)), "beats, none twice")
    check(len(beats) < 100, f"of those that were missed at most those within grace: {len(beats)}")
    expect([e["outcome"] for e in rouse.items("/v1/events?limit=1000&trigger=none")].count("skipped"), 1, "catchup = none says once that it skipped")


@scenario("a run that slept with its agent is neither lost, nor stalled, nor done twice; what is silent afterwards is stopped")
def _(rouse):
    clock = Sleep(rouse)
    rouse.section("limits", stall_timeout="6s")
    rouse.section("daemon", lease="3s")
    rouse.agent("works", 'read -r e; echo x >>$D/mark; echo \'{"type":"log","message":"begun"}\'; n=0; while [ ! -e $D/go ]; do sleep 0.1; done\necho \'{"type":"result","output":1}\'\n', retry__attempts="3", retry__base="10ms", budget__deadline="3d")
    rouse.webhook("push", agent="works")
    rouse.start()
    run = rouse.deliver("push").run_id
    wait("it works", rouse.marks)
    time.sleep(2)
    clock.sleep(8 * HOUR)
    stays("it goes on", lambda: rouse.run(run)["status"] == "running" and len(rouse.marks()) == 1, 2)
    rouse.restart()
    stays("a new daemon takes it up", lambda: rouse.run(run)["status"] == "running" and len(rouse.marks()) == 1, 1)
    clock.sleep(8 * HOUR)
    with open(os.path.join(rouse.dir, "go"), "w"):
        pass
    expect(rouse.wait_run(run, "succeeded")["attempts"], 1, "attempts")
    os.unlink(os.path.join(rouse.dir, "go"))
    silent = rouse.deliver("push", {"n": 2}).run_id
    wait("the silent one is stopped, and tried again", lambda: rouse.run(silent)["attempts"] == 2, 30)
    with open(os.path.join(rouse.dir, "go"), "w"):
        pass
    rouse.wait_run(silent, "succeeded")


@scenario("files that were written and mail that came while it slept are seen, each once")
def _(rouse):
    clock = Sleep(rouse)
    root = os.path.join(rouse.dir, "in")
    os.makedirs(root)
    with Dovecot() as server:
        mailbox(rouse, server)
        rouse.agent("seen", 'read -r e; printf "%s\\n" "$e" >>$D/files\n')
        rouse.section("trigger drop", source="file", path=root, agent="seen", settle="200ms", overlap="allow")
        rouse.start()
        wait_health(rouse, "ok")
        wait_health(rouse, "ok", "drop")

        def meanwhile():
            with open(os.path.join(root, "f"), "w") as f:
                f.write("x")
            server.append(mail(1))

        clock.sleep(8 * HOUR, meanwhile)
        wait_mails(rouse, 1)
        wait("the file is seen", lambda: len(rouse.marks("files")) == 1)
        server.append(mail(2))
        with open(os.path.join(root, "g"), "w") as f:
            f.write("x")
        wait_mails(rouse, 2)
        wait("the next file is seen", lambda: len(rouse.marks("files")) == 2)
        # longer than a server keeps a connection that says nothing
        clock.sleep(30 * HOUR, lambda: (server.stop(), server.start(), server.append(mail(3))))
        wait_mails(rouse, 3, 60)
        wait_health(rouse, "ok", within=60)


main()
