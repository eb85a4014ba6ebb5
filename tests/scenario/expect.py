#!/usr/bin/env python3
# Scenario: success is what was asked for, not exit 0.
# SPDX-License-Identifier: MIT
from lib import *

MARKS = 'read -r e; echo x >>$D/mark\n'


def house(rouse, expect, script, start=True, **keys):
    rouse.crm()
    rouse.agent("a", script, targets="crm", **keys)
    rouse.webhook("push", agent="a", expect=expect)
    if start:
        rouse.start()


def end_of(rouse):
    run = rouse.deliver("push").expect(202).run_id
    return wait("the run has ended", lambda: (r := rouse.run(run)) and r["ended"] and r)


@scenario("a run that ends well without the change that was expected has failed, once")
def _(rouse):
    house(rouse, '[.changes[] | select(.target == "crm")] | length > 0', MARKS + says(RESULT).split("\n", 1)[1])
    run = end_of(rouse)
    expect((run["status"], run["reason"], run["attempts"]), ("failed", "no_effect", 1), "how it ended")
    check("expect gave false" in run["error"], run["error"])
    expect((run["expect"]["met"], run["expect"]["gave"]), (False, False), "what expect gave")
    check("expected" in rouse.cli("run", "show", run["id"]).out, "rouse run show says it")
    check("no_effect" in rouse.cli("why", run["id"]).out, "rouse why says it")
    expect([r["id"] for r in rouse.runs(reason="no_effect")], [run["id"]], "dead letters")
    expect(len(rouse.marks()), 1, "how often it ran")
    rouse.cli("db", "check")


@scenario("with the change, the result and the exit that were expected it succeeds")
def _(rouse):
    house(rouse, '(.changes | map(.entity)) == ["1"] and .files == [] and .exit == 0 and .result != null', says(change(), RESULT), workdir="/")
    run = end_of(rouse)
    expect((run["status"], run["reason"]), ("succeeded", None), "how it ended")
    expect((run["expect"]["met"], run["expect"]["gave"]), (True, True), "what expect gave")


@scenario("an agent that failed is tried again, and not asked about")
def _(rouse):
    house(rouse, "false", MARKS + "exit 9\n", retry__attempts=2, retry__base="10ms")
    run = end_of(rouse)
    expect((run["status"], run["reason"], run["attempts"], run["expect"]), ("failed", "exhausted", 2, None), "how it ended")


@scenario("a program that never ends, or fails, does not hold up the run")
def _(rouse):
    house(rouse, "[limit(1; repeat(1) | select(. == 2))]", says(RESULT))
    run = end_of(rouse)
    expect(run["reason"], "no_effect", "how it ended")
    check("could not be met" in run["error"], run["error"])


@scenario("an expect that does not compile is an error of the configuration")
def _(rouse):
    house(rouse, ".changes | lenght(", says(RESULT), start=False)
    rouse.refuses_to_start("[trigger push] expect")


@scenario("killed between the end of the agent and what expect says, the run is judged by the next daemon")
def _(rouse):
    house(rouse, "(.changes | length) == 1 and .result != null", MARKS + says(change(), RESULT).split("\n", 1)[1])
    for n in range(2, 9):
        run = rouse.deliver("push").expect(202).run_id
        rouse.wait_run(run, "succeeded")
        rouse.kill_9()
        rouse.start(ROUSE_CRASH=f"store-commit:{n}")
        try:
            run = rouse.deliver("push", id=f"death-{n}").run_id
        except (OSError, http.client.HTTPException):
            run = None
        wait("it dies, or the run ends", lambda: not rouse.is_alive() or (run and rouse.run(run)["ended"]))
        if rouse.is_alive():
            rouse.kill_9()
        else:
            rouse.ended()
        rouse.start()
        run = rouse.deliver("push", id=f"death-{n}").run_id
        ended = rouse.wait_run(run, "succeeded")
        expect((ended["attempts"], ended["expect"]["met"]), (1, True), f"killed at commit {n}")
    rouse.cli("db", "check")


@scenario("the files that a run left are what was written below its agent's workdir, by it and not before it")
def _(rouse):
    work = os.path.join(rouse.dir, "work")
    os.makedirs(os.path.join(work, "sub"))
    for name in ("old", "sub/old"):
        path = os.path.join(work, name)
        open(path, "w").close()
        os.utime(path, (1, 1))
    os.symlink("/etc/passwd", os.path.join(work, "link"))
    house(rouse, '[.files[] | select(.path | endswith("report.txt"))] == [{"path": "sub/report.txt", "size": 3}] and (.files | length) == 2',
          'read -r e\nprintf abc >sub/report.txt\nprintf x >new\n' + says(RESULT).split("\n", 1)[1], workdir=work)
    expect(end_of(rouse)["status"], "succeeded", "with the file")
    os.unlink(os.path.join(work, "sub", "report.txt"))
    with open(os.path.join(rouse.dir, "agent-a"), "w") as f:
        f.write("#!/bin/sh\n" + says(RESULT))
    run = end_of(rouse)
    expect((run["status"], run["reason"]), ("failed", "no_effect"), "without it")
    shutil.rmtree(work)
    os.mkdir(work)
    expect(end_of(rouse)["reason"], "no_effect", "in an empty folder")


main()
