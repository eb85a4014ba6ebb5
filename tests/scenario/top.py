#!/usr/bin/env python3
# Scenario: rouse top in a real terminal (tmux): what runs, waits, costs and fails.
# SPDX-License-Identifier: MIT
from terminal import *

BUSY = """read -r e
echo '{"type":"usage","input_tokens":10,"output_tokens":5,"cost_usd":0.5}'
until [ -e $D/go ]; do sleep 0.05; done
echo '{"type":"result","output":1}'
"""


def house(rouse, count=3):
    rouse.agent("busy", BUSY, concurrency=2)
    rouse.agent("sick", "exit 64")
    rouse.webhook("push", agent="busy")
    rouse.webhook("bad", agent="sick")
    rouse.section("trigger silent", source="imap", url="imap://127.0.0.1:1/INBOX", user="u", password="plain:p", agent="busy", starttls="none")
    rouse.start()
    return [rouse.deliver("push", {"n": n}).run_id for n in range(count)]


def top(rouse, *words, **how):
    return Terminal(rouse, "top", *words, **how)


def go(rouse):
    open(os.path.join(rouse.dir, "go"), "w").close()


@scenario("80 by 24 shows what runs and waits, who is unwell, and what it cost")
def _(rouse):
    house(rouse)
    rouse.wait_run(rouse.deliver("bad", {}).run_id, "failed")
    wait("two run", lambda: len(rouse.runs(status="running")) == 2)
    terminal = top(rouse, "--every", "300ms")
    screen = terminal.shows("rouse ", "runs 2 of 256", "queued 1", "dead letters 1", "busy", "sick", "failing", "1 triggers failing")
    check(all(len(line) <= 80 for line in screen.splitlines()) and len(screen.splitlines()) <= 24, screen)
    check(screen.splitlines()[-1].startswith("o all") or "q quit" in screen, screen)
    check(screen.index("silent") < screen.index("push"), f"who is unwell comes first: {screen}")
    go(rouse)
    terminal.shows("runs 0 of 256", "queued 0", "Nothing runs.", "today $1.50")
    for n in range(10):
        rouse.deliver("push", {"more": n})
    terminal.keys("q")
    terminal.ended(0)
    terminal.close()


@scenario("one table by itself, help, another size, and back")
def _(rouse):
    house(rouse)
    terminal = top(rouse, "--every", "300ms")
    terminal.shows("AGENT", "TRIGGER", "RUN ")
    terminal.keys("t")
    check("COST $" not in terminal.shows("TRIGGER", "silent"), "triggers alone")
    terminal.keys("r")
    check("HEALTH" not in terminal.shows("COST $"), "runs alone")
    terminal.keys("?")
    terminal.shows("agents only", "Any key goes on.")
    terminal.keys("x", "a")
    check("COST $" not in terminal.shows("FAILED/S", "sick"), "agents alone")
    terminal.keys("j")
    terminal.shows("sick")
    terminal.tmux("resize-window", "-x", "40", "-y", "10")
    terminal.keys("o")

    def fits():
        lines = terminal.screen().splitlines()
        return len(lines) <= 10 and all(len(line) <= 40 for line in lines) and "AGENT" in "".join(lines)
    wait("it fits", fits)
    terminal.tmux("resize-window", "-x", "200", "-y", "50")
    terminal.shows("AGENT", "TRIGGER", "LAST ERROR", "q quit")
    go(rouse)
    terminal.keys("C-c")
    terminal.ended(0)
    terminal.close()


@scenario("a daemon that is gone for a while: what was known stays, and it goes on with the next")
def _(rouse):
    house(rouse)
    terminal = top(rouse, "--every", "300ms")
    terminal.shows("busy", "queued 1")
    rouse.kill_9()
    terminal.shows("NO ANSWER", "busy")
    rouse.start()
    screen = terminal.shows("started", "busy", "runs 2 of 256")
    wait("the complaint has gone", lambda: "NO ANSWER" not in terminal.screen())
    go(rouse)
    terminal.keys("q")
    terminal.ended(0)
    terminal.close()


@scenario("hostile names cannot draw on the screen")
def _(rouse):
    rouse.agent("a", BUSY)
    rouse.webhook("push", agent="a", entity=".data.who")
    rouse.start()
    rouse.deliver("push", {"who": "\x1b[2J\x1b]0;owned\x07\u202e" + "x" * 300})
    terminal = top(rouse, "--every", "300ms")
    screen = terminal.shows("RUN ", "\\u001b[2J")
    check(all(len(line) <= 80 for line in screen.splitlines()) and "AGENT" in screen, screen)
    go(rouse)
    terminal.keys("q")
    terminal.ended(0)
    terminal.close()


@scenario("without a terminal it prints one picture where it is asked to, and is refused where not")
def _(rouse):
    house(rouse)
    out = rouse.cli("top", "--once", "--every", "200ms").out
    for text in ("rouse ", "queued 1", "AGENT", "busy", "TRIGGER", "RUN ", "today $"):
        check(text in out, f"{text!r} stands in {out}")
    check("\x1b" not in out, "no controls in it")
    rouse.cli("top", expect_code=2)
    rouse.cli("top", "--once", "--every", "1ms", expect_code=2)
    go(rouse)


main()
