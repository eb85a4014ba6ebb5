#!/usr/bin/env python3
# Scenario: runs that a manager of systemd is asked to start, where it is slow, refuses, lies or dies (a real one: runs_systemd.sh).
# SPDX-License-Identifier: MIT
import sys

from lib import *

sys.path.insert(0, os.path.join(SOURCE, "tests/fakes"))
import manager

QUICK = "read -r e; echo x >>$D/mark; echo '{\"type\":\"result\",\"output\":1}'"
HOLDS = "read -r e; echo x >>$D/mark; while test -e $D/hold; do sleep 0.05; done; echo '{\"type\":\"result\",\"output\":1}'"


def with_manager(rouse, script=QUICK, runs="system", **keys):
    bus = manager.Bus(rouse.dir, spawn)
    bus.shim, bus.spool = os.path.join(BUILD, "rouse-shim"), os.path.join(rouse.state, "spool")
    rouse.section("daemon", runs=runs)
    rouse.agent("a", script, **{"retry.attempts": 3, "retry.base": "10ms", "retry.cap": "50ms", **keys})
    rouse.webhook("push", agent="a")
    rouse.env["DBUS_SYSTEM_BUS_ADDRESS"] = bus.address
    rouse.start()
    return bus


def starts(bus):
    return [unit for member, unit in bus.asked if member == "StartUnit"]


def goes_once(rouse, bus, plans):
    """The first attempts meet these plans; the run succeeds, and its agent ran once."""
    left = list(plans)
    bus.plan = lambda unit: getattr(bus, left.pop(0)) if left else bus.done
    run = rouse.deliver("push", PUSH).expect(202).run_id
    rouse.wait_run(run, "succeeded", 60)
    expect(len(rouse.marks()), 1, "how often the agent ran")
    return rouse.run(run)


@scenario("a run is a unit by its name, and status says who starts it")
def _(rouse):
    bus = with_manager(rouse)
    expect(rouse.get("/v1/status")["runs"], "system", "status")
    expect(rouse.get("/health")["runs"], "system", "health")
    run = goes_once(rouse, bus, [])
    expect(starts(bus), [f"rouse-run@{run['id']}.1.service"], "the units")
    check("system's manager" in rouse.cli("status").out, "rouse status says it")


@scenario("a unit outlives a daemon that is killed, and is taken up in one attempt")
def _(rouse):
    open(os.path.join(rouse.dir, "hold"), "w").close()
    bus = with_manager(rouse, HOLDS)
    run = rouse.deliver("push", PUSH).expect(202).run_id
    wait("the agent runs", lambda: rouse.marks(), 60)
    rouse.kill_9()
    rouse.start()
    os.unlink(os.path.join(rouse.dir, "hold"))
    expect(rouse.wait_run(run, "succeeded", 60)["attempts"], 1, "attempts")
    expect(len(starts(bus)), 1, "units")


@scenario("a unit that is cancelled ends with all that its agent started")
def _(rouse):
    bus = with_manager(rouse, "read -r e; echo x >>$D/mark; setsid sleep 4711 & exec sleep 4711", grace="100ms")
    run = rouse.deliver("push", PUSH).expect(202).run_id
    wait("the agent runs", lambda: rouse.marks(), 60)
    rouse.cli("run", "cancel", run)
    rouse.wait_run(run, "cancelled", 60)
    wait("nobody is left", lambda: not [p for p in descendants() if "sleep 4711" in cmdline(p)], 60)


@scenario("where its shim is killed the manager is told to end the unit, then the run is tried again")
def _(rouse):
    open(os.path.join(rouse.dir, "hold"), "w").close()
    bus = with_manager(rouse, HOLDS)
    run = rouse.deliver("push", PUSH).expect(202).run_id
    wait("the agent runs", lambda: rouse.marks(), 60)
    with open(os.path.join(rouse.state, "spool", run + ".1", "shim")) as f:
        os.kill(int(f.read().split()[0]), signal.SIGKILL)
    wait("a second unit", lambda: len(starts(bus)) == 2, 60)
    os.unlink(os.path.join(rouse.dir, "hold"))
    expect(rouse.wait_run(run, "succeeded", 60)["attempts"], 2, "attempts")
    check(bus.asked.index(("StopUnit", f"rouse-run@{run}.1.service")) < bus.asked.index(("StartUnit", f"rouse-run@{run}.2.service")),
          "the first unit was ended before the second began")


for what, plan in (("refuses it", "denied"), ("has no such unit", "unknown"), ("cannot start it", "fails"), ("cuts the line", "dies"),
                   ("sends what is no message", "babbles"), ("answers with something else", "answers_oddly")):

    @scenario(f"where the manager {what} a start is tried again, and the agent runs once")
    def _(rouse, plan=plan):
        bus = with_manager(rouse)
        run = goes_once(rouse, bus, [plan])
        expect(run["attempts"], 2, "attempts")
        expect(len(starts(bus)), 2, "units")


@scenario("a shim that begins after its start was given up carries nothing")
def _(rouse):
    bus = with_manager(rouse)
    run = goes_once(rouse, bus, ["dies", "done_after_the_first"])
    expect(run["attempts"], 2, "attempts")


@scenario("a shim that had begun when the line was cut carries its run")
def _(rouse):
    bus = with_manager(rouse)
    run = goes_once(rouse, bus, ["dies_meanwhile"])
    expect(run["attempts"], 1, "attempts")


@scenario("a manager that says that it has begun what is not there loses an attempt, not the run")
def _(rouse):
    bus = with_manager(rouse)
    goes_once(rouse, bus, ["lies"])


@scenario("a run that is refused for good fails, and says why")
def _(rouse):
    bus = with_manager(rouse)
    bus.plan = lambda unit: bus.denied
    run = rouse.deliver("push", PUSH).expect(202).run_id
    error = rouse.wait_run(run, "failed", 60)["error"]
    check("Access denied" in error and "polkit" in error, f"the sentence: {error}")
    expect(len(starts(bus)), 3, "as often as retry.attempts says")
    expect(rouse.marks(), [], "nothing ran")


@scenario("a bus that does not take us, or is not there, stops no daemon")
def _(rouse):
    bus = with_manager(rouse)
    bus.answers_auth = b"REJECTED EXTERNAL\r\n"
    rouse.restart()
    run = rouse.deliver("push", PUSH).expect(202).run_id
    check("bus" in rouse.wait_run(run, "failed", 60)["error"], "the sentence")
    bus.close()
    os.unlink(bus.path)
    run = rouse.deliver("push", PUSH).expect(202).run_id
    check("bus" in rouse.wait_run(run, "failed", 60)["error"], "the sentence without a bus")
    check(rouse.is_alive(), "the daemon lives")


@scenario("an agent that asks for a profile is refused where the daemon starts runs itself")
def _(rouse):
    bus = with_manager(rouse, runs="own", profile="gpu")
    run = rouse.deliver("push", PUSH).expect(202).run_id
    error = rouse.wait_run(run, "failed", 60)["error"]
    check("profile gpu" in error and "by the daemon itself" in error, f"the sentence: {error}")
    expect((starts(bus), rouse.marks()), ([], []), "nothing was started")


@scenario("an agent with a profile is a unit of the template of that name")
def _(rouse):
    bus = with_manager(rouse, profile="gpu")
    run = goes_once(rouse, bus, [])
    expect(starts(bus), [f"rouse-run-gpu@{run['id']}.1.service"], "the units")


TURNS = """read -r e; echo x >>$D/mark; echo '{"type":"result","output":1}'
while read -r e; do echo x >>$D/mark; case $e in *hold*) sleep 4712;; esac; echo '{"type":"result","output":2}'; done"""


@scenario("the process of a session stays in its unit, which ends with it when its shim is killed in a later turn")
def _(rouse):
    bus = with_manager(rouse, TURNS, session="yes")
    rouse.webhook("push", agent="a", session=".data.thread")
    rouse.write_config()
    rouse.cli("reload")
    for n in range(3):
        rouse.wait_run(rouse.deliver("push", {"thread": "t", "n": n}).expect(202).run_id, "succeeded", 60)
    unit = starts(bus)[0]
    expect((len(starts(bus)), len(rouse.marks())), (1, 3), "units, turns")
    run = rouse.deliver("push", {"thread": "t", "do": "hold"}).expect(202).run_id
    wait("the fourth turn begins", lambda: len(rouse.marks()) == 4, 60)
    with open(os.path.join(rouse.state, "spool", run + ".1", "shim")) as f:
        os.kill(int(f.read().split()[0]), signal.SIGKILL)
    wait("its unit is ended", lambda: ("StopUnit", unit) in bus.asked, 60)
    rouse.wait_run(run, "succeeded", 60)
    check(bus.asked.index(("StopUnit", unit)) < bus.asked.index(("StartUnit", f"rouse-run@{run}.2.service")), "before it is tried again")


@scenario("two hundred starts at once are two hundred units, over one connection")
def _(rouse):
    bus = with_manager(rouse, concurrency=200)
    rouse.agent("b", QUICK)
    runs = [rouse.deliver("push", {"n": n}).expect(202).run_id for n in range(200)]
    for run in runs:
        rouse.wait_run(run, "succeeded", 120)
    expect((len(set(starts(bus))), bus.connections), (200, 1), "units, connections")


@scenario("rouse check says what is wrong with cpu and profile")
def _(rouse):
    for key, value in (("cpu", "0"), ("cpu", "0.0001"), ("cpu", "1,5"), ("cpu", "-1"), ("cpu", "1."), ("cpu", "2000"), ("profile", "a/b"),
                       ("profile", "A"), ("profile", "x" * 33)):
        rouse.agent("a", QUICK, **{"cpu": None, "profile": None, key: value})
        rouse.write_config()
        said = rouse.cli("check", "-c", rouse.conf, expect_code=None)
        check(said.code != 0 and value in said.out + said.err, f"{key} = {value}: {said}")
    rouse.agent("a", QUICK, cpu="0.25", profile=None)
    rouse.write_config()
    rouse.cli("check", "-c", rouse.conf)


main()
