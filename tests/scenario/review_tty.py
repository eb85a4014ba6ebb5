#!/usr/bin/env python3
# Scenario: rouse review in a real terminal (tmux), by keys sent and screens captured.
# SPDX-License-Identifier: MIT
import re

from terminal import *

EVIL = "\x1b[2J\x1b]0;owned\x07\u202eevil\u200b\x9b31m" + "x" * 300


def review(rouse, messages=None, words=(), **how):
    """A run that proposed these, and rouse review of it on a terminal."""
    rouse.agent("a", says(*(messages or many()), RESULT), targets="crm")
    rouse.crm()
    rouse.webhook("push", agent="a")
    rouse.start()
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, "succeeded")
    return run, Terminal(rouse, "review", run, *words, **how)


def many():
    return [change(entity=f"e{i}", op="delete" if i == 3 else "update", before={"stage": "new"}, after={"stage": "won"},
                   confidence=0.9) for i in range(6)]


def statuses(rouse, run):
    return {c["entity"]: c["status"] for c in rouse.changes(run=run)}


def status_of(rouse, run, entity, *wanted):
    wait(f"{entity} is {wanted}", lambda: statuses(rouse, run)[entity] in wanted)


@scenario("what needs eyes comes first; accept, reject with a reason, skip and undo do what they say")
def _(rouse):
    run, t = review(rouse)
    t.shows("1 of 6", "e3", "! delete", "stage", "? help")
    t.keys("r")
    t.shows("why")
    t.type("not this one")
    t.keys("Enter")
    t.shows("Rejected e3", "e0")
    [one] = [c for c in rouse.changes(run=run) if c["entity"] == "e3"]
    expect((one["status"], one["decision_reason"]), ("rejected", "not this one"), "the first")
    t.keys("s")
    t.shows("3 of 6", "e1")
    t.keys("u")
    t.shows("Taken back", "1 of 6", "e3")
    expect(set(statuses(rouse, run).values()), {"proposed"}, "all of them")
    t.keys("s", "a")
    t.shows("Accepted e0", "e1")
    status_of(rouse, run, "e0", "approved", "applying", "applied", "conflict", "failed")
    t.keys("q")
    t.ended(0)
    t.close()


@scenario("accept all like this asks, tells how many, and can be taken back")
def _(rouse):
    run, t = review(rouse)
    t.shows("1 of 6")
    t.keys("s", "R")
    t.shows("Reject all 5 like it (0 of them need eyes)?")
    t.keys("n")
    t.shows("Nothing was decided")
    t.keys("R", "y")
    t.shows("Why")
    t.keys("Enter")
    t.shows("Rejected 5 like it")
    expect(sorted(statuses(rouse, run).values()), ["proposed"] + ["rejected"] * 5, "all of them")
    t.keys("u")
    t.shows("Taken back: 5")
    expect(set(statuses(rouse, run).values()), {"proposed"}, "all of them")
    t.keys("A", "y")
    t.shows("Accepted 5 like it")
    t.keys("C-c")
    t.ended(0)
    t.close()


@scenario("it goes on where it stopped, and with what is still open")
def _(rouse):
    run, t = review(rouse)
    t.shows("1 of 6")
    t.keys("s", "s", "s")
    t.shows("4 of 6", "e2")
    t.keys("q")
    t.ended(0)
    t.line("clear; " + os.path.join(BUILD, "rouse") + " review " + run)
    t.shows("4 of 6", "e2", "Going on where you stopped")
    t.keys("G")
    t.shows("6 of 6", "e5")
    t.keys("g")
    t.shows("1 of 6", "e3")
    t.keys("q")
    t.close()


@scenario("search finds, filter narrows, and a wrong program is said and changes nothing")
def _(rouse):
    run, t = review(rouse)
    t.shows("1 of 6")
    t.keys("/")
    t.type("E5")
    t.keys("Enter")
    t.shows("6 of 6", "e5")
    t.keys("/")
    t.type("nowhere")
    t.keys("Enter")
    t.shows("nowhere stands in none of them", "6 of 6")
    t.keys("f")
    t.type('.entity | test("[12]")')
    t.keys("Enter")
    t.shows("1 of 2", "filter:", "e1")
    t.keys("f", "C-u")
    t.type(".entity | nonsense")
    t.keys("Enter")
    t.shows("1 of 2", "nonsense")
    t.keys("f", "C-u", "Enter")
    t.shows("1 of 6")
    t.keys("q")
    t.ended(0)
    t.close()


@scenario("edit opens the editor, and what it leaves is what is accepted")
def _(rouse):
    with open(rouse.dir + "/editor", "w") as f:
        f.write('#!/bin/sh\nsed -i s/won/lost/ "$1"\n')
    os.chmod(rouse.dir + "/editor", 0o755)
    run, t = review(rouse, env=f"EDITOR={rouse.dir}/editor")
    t.shows("1 of 6")
    t.keys("s", "e")
    t.shows("Edited; a accepts it", '"lost"')
    t.keys("r", "Enter")
    status_of(rouse, run, "e0", "rejected")
    expect([c["after"] for c in rouse.changes(run=run) if c["entity"] == "e0"], [{"stage": "lost"}], "what it would be")
    t.keys("q")
    t.ended(0)
    t.close()


@scenario("nothing in a change steers the terminal, and a long one is paged")
def _(rouse):
    lines = "".join(f"line {i}\n" for i in range(60))
    run, t = review(rouse, [change(entity="1", reason=EVIL, before={"stage": EVIL}, after={"stage": lines})])
    screen = t.shows("1 of 1", "\\u001b[2J", "-- more (space) --")
    check("\u202e" not in screen and "owned" in screen, screen)
    expect(t.tmux("display-message", "-p", "#{pane_title}").strip() != "owned", True, "the title is not theirs")
    t.keys("Space", "Space")
    t.shows("line 3")
    t.keys("b", "b", "b")
    t.shows("\\u001b[2J")
    t.keys("q")
    t.ended(0)
    t.close()


@scenario("help fits the screen, a window that changes its size is drawn anew, and no colour is needed")
def _(rouse):
    run, t = review(rouse, env="NO_COLOR=1")
    t.shows("1 of 6")
    t.keys("?")
    screen = t.shows("take the last decision back", "Any key goes on")
    check(all(len(line) <= 80 for line in screen.splitlines()), screen)
    t.keys("x")
    t.shows("1 of 6", "e3")
    check(not re.search("\x1b\\[3[0-7]m", t.tmux("capture-pane", "-p", "-e")), "no colours")
    t.tmux("resize-window", "-x", "40", "-y", "10")
    screen = t.shows("1 of 6", "e3")
    wait("it fits", lambda: all(len(line) <= 40 for line in t.screen().splitlines()))
    t.tmux("resize-window", "-x", "120", "-y", "30")
    t.shows("1 of 6", "e3", "q quit")
    t.keys("q")
    t.ended(0)
    t.close()


@scenario("the terminal is given back whatever kills it")
def _(rouse):
    for which, sig in ((0, signal.SIGTERM), (-1, signal.SIGKILL), (-1, signal.SIGSEGV), (0, signal.SIGHUP)):
        if rouse.daemon is None:
            run, t = review(rouse)
        else:
            os.unlink(rouse.dir + "/after")
            t.line("clear; " + os.path.join(BUILD, "rouse") + f" review {run}; echo ended=$?; stty -a | tail -n +2 >{rouse.dir}/after")
        t.shows("1 of 6")
        os.kill(wait("it runs", lambda: len(t.pids()) == 2 and t.pids())[which], sig)
        t.shows("ended=1" if sig != signal.SIGHUP else "ended=")
        wait("stty has told", lambda: os.path.exists(rouse.dir + "/after") and open(rouse.dir + "/after").read())
        expect(open(rouse.dir + "/after").read(), open(rouse.dir + "/before").read(), f"the terminal after signal {sig}")
    t.close()


@scenario("a daemon that goes away is said, and the terminal is as it was")
def _(rouse):
    run, t = review(rouse)
    t.shows("1 of 6")
    rouse.stop()
    t.keys("a")
    t.ended(5)
    t.close()


@scenario("without a terminal it says what to use instead")
def _(rouse):
    rouse.start()
    said = rouse.cli("review", expect_code=2)
    check("no terminal" in said.err, said.err)


main()
