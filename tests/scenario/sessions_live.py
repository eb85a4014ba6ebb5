#!/usr/bin/env python3
# Scenario: the process of a session stays for its next turn, and each turn is a run of its own.
# SPDX-License-Identifier: MIT
import random
from lib import *

# Answers each envelope with all that this process has heard so far, and what it found in the checkpoint.
STAYS = """#!/usr/bin/env python3
import json, os, sys, time
heard, D = [], os.environ["D"]
def say(**line):
    print(json.dumps(line), flush=True)
while True:
    line = sys.stdin.readline()
    if not line:
        break
    e = json.loads(line)
    if "payload" not in e:
        open(D + "/messages", "a").write(line)
        continue
    with open(D + "/mark", "a") as mark:
        mark.write(json.dumps({"pid": os.getpid(), **e}) + "\\n")
    p = e["payload"]
    heard.append(p.get("n"))
    before = (e["checkpoint"] or {}).get("state") or []
    do = p.get("do", "") if e["attempt"] == 1 else ""
    while os.path.exists(D + "/hold"):
        time.sleep(0.02)
    if do == "die":
        os.kill(os.getpid(), 9)
    if do == "leave":
        sys.exit(0)
    if do == "hang":
        time.sleep(3600)
    if do == "fail":
        say(type="error", message="no", retry=False)
        say(type="result", output=None, status="failed")
        continue
    say(type="step", name="s", status="done")
    say(type="checkpoint", name="c", state=before + [p.get("n")])
    if do == "escaped":
        print('{"\\\\u0074ype":"result","output":"escaped"}', flush=True)
        continue
    say(type="result", output={"heard": heard, "before": before, "pid": os.getpid()})
    if do == "exit":
        sys.exit(3)
    if do == "babble":
        print("x" * 200000, flush=True)
"""
THREAD = {"session": ".data.thread"}


def house(rouse, **agent):
    rouse.agent("a", STAYS, **{"session": "yes", "retry.base": "20ms", "grace": "300ms", **agent})
    rouse.webhook("push", agent="a", **THREAD)
    rouse.start()


def say(rouse, n, thread="t", **more):
    return rouse.deliver("push", {"thread": thread, "n": n, **more}).expect(202).run_id


def ask(rouse, n, thread="t", **more):
    return rouse.wait_run(say(rouse, n, thread, **more), "succeeded")


def marks(rouse):
    return [json.loads(mark) for mark in rouse.marks()]


def process(rouse, name="a/t"):
    return json.loads(rouse.cli("session", "show", name, "--json").out)["process"]


def touch(rouse, name, there=True):
    path = os.path.join(rouse.dir, name)
    open(path, "w").close() if there else os.unlink(path)


def comm(pid):
    try:
        with open(f"/proc/{pid}/comm", "rb") as f:
            return f.read()
    except OSError:
        return b""


def spools(rouse):
    return [d for d in os.listdir(os.path.join(rouse.state, "spool")) if not d.startswith(".") and d != "wake"]


@scenario("one process answers every turn; each is a run of its own, with its own log, meters and budget")
def _(rouse):
    house(rouse)
    for n in range(1, 6):
        run = ask(rouse, n)
        expect(run["result"]["heard"], list(range(1, n + 1)), "what the process heard")
        expect(run["result"]["before"], list(range(1, n)), "its checkpoint")
        expect((run["steps"], run["attempts"]), (1, 1), "steps of this turn, attempts")
    expect(len({m["pid"] for m in marks(rouse)}), 1, "processes")
    expect([m["session"]["turn"] for m in marks(rouse)], [1, 2, 3, 4, 5], "turns")
    expect(len({m["run_id"] for m in marks(rouse)}), 5, "runs")
    expect(process(rouse)["state"], "waits", "the process")
    wait("only its home is kept of the spools", lambda: len(spools(rouse)) == 1)
    rouse.cli("session", "end", "a/t")
    rouse.nothing_left()
    wait("no spool is left", lambda: not spools(rouse))
    check("its session was ended" in rouse.log_text(), "why it went")


@scenario("it waits no longer than session_idle, and the next turn has a new process and the checkpoint")
def _(rouse):
    house(rouse, session_idle="300ms")
    first = ask(rouse, 1)
    rouse.nothing_left()
    wait("the log says why", lambda: "waited 0 s for a next turn (session_idle)" in rouse.log_text())
    second = ask(rouse, 2)
    expect((second["result"]["heard"], second["result"]["before"], second["attempts"]), ([2], [1], 1), "the second turn")
    check(first["result"]["pid"] != second["result"]["pid"], "it is another process")
    rouse.nothing_left()


@scenario("the process outlives kill -9 of the daemon, at rest and in a turn")
def _(rouse):
    house(rouse)
    ask(rouse, 1)
    rouse.kill_9()
    rouse.start()
    expect(process(rouse)["state"], "waits", "the process, before anything runs")
    expect(ask(rouse, 2)["result"]["heard"], [1, 2], "after a restart at rest")
    touch(rouse, "hold")
    run = say(rouse, 3)
    wait("it has the third", lambda: len(rouse.marks()) == 3)
    rouse.kill_9()
    touch(rouse, "hold", False)
    rouse.start()
    third = rouse.wait_run(run, "succeeded")
    expect((third["result"]["heard"], third["attempts"]), ([1, 2, 3], 1), "after a restart in its turn")
    expect(ask(rouse, 4)["result"]["heard"], [1, 2, 3, 4], "after that")
    rouse.restart()
    expect(ask(rouse, 5)["result"]["heard"], [1, 2, 3, 4, 5], "after SIGTERM")
    expect(rouse.cli("db", "check").code, 0, "db check")


@scenario("a turn that was ended while no daemon was there is taken up with its result")
def _(rouse):
    house(rouse)
    touch(rouse, "hold")
    run = say(rouse, 1)
    wait("it runs", lambda: rouse.marks())
    rouse.kill_9()
    touch(rouse, "hold", False)
    folder = os.path.join(rouse.state, "spool", f"{run}.1", "status")
    wait("the shim wrote how the turn ended", lambda: os.path.exists(folder))
    rouse.start()
    expect(rouse.wait_run(run, "succeeded")["result"]["heard"], [1], "its result")
    expect(ask(rouse, 2)["result"]["heard"], [1, 2], "the next turn")


@scenario("an agent that dies in a turn is started anew with the checkpoint, and nobody else is hurt")
def _(rouse):
    house(rouse)
    ask(rouse, 1)
    ask(rouse, 1, "u")
    second = ask(rouse, 2, do="die")
    expect((second["result"]["heard"], second["result"]["before"], second["attempts"]), ([2], [1], 2), "after SIGKILL of the agent")
    third = ask(rouse, 3, do="leave")
    expect((third["result"]["heard"], third["result"]["before"], third["attempts"]), ([3], [1, 2], 2), "exit 0 without a result is no success")
    expect(ask(rouse, 2, "u")["result"]["heard"], [1, 2], "the other session")


@scenario("one that leaves after its result, or talks on, makes no turn fail")
def _(rouse):
    house(rouse)
    for n in range(1, 31):
        run = ask(rouse, n, do="exit" if n % 3 == 0 else "babble" if n % 3 == 1 else "")
        expect(run["result"]["before"], list(range(1, n)), "its checkpoint")
        check("x" * 50 not in str(run), "what it says between turns is of none")
    others = [a for r in rouse.runs() for a in rouse.run(r["id"])["attempt_list"] if a["reason"] not in (None, "unread")]
    expect(others, [], "attempts that ended otherwise")
    expect(rouse.cli("db", "check").code, 0, "db check")


@scenario("a result that the shim cannot see through ends its turn all the same")
def _(rouse):
    house(rouse)
    expect(ask(rouse, 1, do="escaped")["result"], "escaped", "the result")
    expect(ask(rouse, 2)["result"]["heard"], [1, 2], "the next turn")


@scenario("kill -9 of the shim at rest and in a turn: each turn is one run, and nothing is left behind")
def _(rouse):
    house(rouse)
    ask(rouse, 1)
    os.kill(process(rouse)["shim"], signal.SIGKILL)
    rouse.nothing_left()
    expect(ask(rouse, 2)["result"]["before"], [1], "after the shim's death at rest")
    touch(rouse, "hold")
    run = say(rouse, 3)
    wait("it has the third", lambda: len(rouse.marks()) == 3)
    os.kill(process(rouse)["shim"], signal.SIGKILL)
    touch(rouse, "hold", False)
    third = rouse.wait_run(run, "succeeded")
    expect((third["result"]["before"], [a["status"] for a in third["attempt_list"]]), ([1, 2], ["lost", "succeeded"]), "after its death in a turn")
    rouse.cli("session", "end", "a/t")
    rouse.nothing_left()
    wait("no spool is left", lambda: not spools(rouse))


@scenario("the daemon dies right after it gave a turn away, or before: the turn is one run")
def _(rouse):
    house(rouse)
    ask(rouse, 1)
    for n, point in enumerate(("exec-turn-given", "exec-spool-made", "before-agent-start"), 2):
        rouse.stop()
        rouse.start(ROUSE_CRASH=point)
        try:
            run = say(rouse, n)
        except (OSError, http.client.HTTPException):
            run = None
        rouse.ended()
        rouse.start()
        run = run or rouse.runs()[0]["id"]
        done = rouse.wait_run(run, "succeeded", 60)
        expect(done["result"]["before"], list(range(1, n)), f"its checkpoint, after a death at {point}")
        expect(sum(m["run_id"] == run and m["attempt"] == done["attempts"] for m in marks(rouse)), 1, "its last attempt was heard once")
    expect(rouse.cli("db", "check").code, 0, "db check")


@scenario("cancel, deadline and a failed turn end the process, and the next turn has a new one")
def _(rouse):
    house(rouse, **{"budget.deadline": "1s"})
    ask(rouse, 1)
    run = say(rouse, 2, do="hang")
    expect(rouse.wait_run(run, "failed", 30)["reason"], "deadline", "a turn has a deadline of its own")
    expect(ask(rouse, 3)["result"], {**rouse.run(rouse.runs()[0]["id"])["result"], "heard": [3], "before": [1]}, "after the deadline")
    touch(rouse, "hold")
    run = say(rouse, 4)
    wait("it runs", lambda: len(rouse.marks()) == 4)
    rouse.cli("run", "cancel", run)
    touch(rouse, "hold", False)
    rouse.wait_run(run, "cancelled")
    expect(ask(rouse, 5)["result"]["heard"], [5], "after a cancel")
    run = say(rouse, 6, do="fail")
    rouse.wait_run(run, "failed")
    expect(ask(rouse, 7)["result"]["heard"], [7], "after a turn that failed")


@scenario("no more than session_processes wait; those that wait hold up nobody")
def _(rouse):
    house(rouse, session_processes="2", concurrency="1")
    for n in range(1, 7):
        ask(rouse, 1, f"thread-{n}")
    wait("two wait", lambda: [n for n in range(1, 7) if process(rouse, f"a/thread-{n}")] == [5, 6])
    expect(ask(rouse, 2, "thread-1")["result"]["before"], [1], "one whose process went")


@scenario("halt ends those that wait; a restart with another configuration does not use them")
def _(rouse):
    house(rouse)
    ask(rouse, 1)
    rouse.agent("a", STAYS, session="yes", grace="300ms", files="200", **{"retry.base": "20ms"})
    rouse.write_config()
    rouse.cli("reload")
    second = ask(rouse, 2)
    expect((second["result"]["heard"], second["result"]["before"], second["attempts"]), ([2], [1], 1), "another configuration, another process")
    rouse.cli("halt")
    rouse.nothing_left()
    rouse.cli("resume")
    expect(ask(rouse, 3)["result"]["before"], [1, 2], "after the halt")


@scenario("whoever is killed, and whenever: each turn is one run, in order, and knows what came before")
def _(rouse):
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    print(f"#   SEED={seed}")
    dice = random.Random(seed)
    rouse.agent("a", """#!/usr/bin/env python3
import json, sys, time
for line in sys.stdin:
    e = json.loads(line)
    if "payload" in e:
        n, before = e["payload"]["n"], (e["checkpoint"] or {}).get("state") or []
        time.sleep(n % 5 * 0.01)
        print(json.dumps({"type": "checkpoint", "name": "c", "state": before + [n] * (n not in before)}))
        print(json.dumps({"type": "result", "output": [b for b in before if b != n]}), flush=True)
        if n % 7 == 0:
            sys.exit(0)
""", session="yes", session_idle="150ms", concurrency="3", **{"retry.base": "10ms", "retry.attempts": "1000", "grace": "100ms", "breaker.min": "1000000"})
    rouse.webhook("push", agent="a", **THREAD)
    rouse.start()
    said, kills = {}, 0
    until = time.monotonic() + float(os.environ.get("STORM", "8"))
    while time.monotonic() < until:
        thread = f"t{dice.randrange(4)}"
        n = len(said.setdefault(thread, [])) + 1
        while True:
            try:
                answer = rouse.deliver("push", {"thread": thread, "n": n}, id=f"{thread}-{n}")
                if answer.status in (200, 202):
                    said[thread].append(answer.run_id)
                    break
            except (OSError, http.client.HTTPException):
                pass
            if not rouse.is_alive():
                rouse.daemon = None
                rouse.start()
        time.sleep(dice.random() * 0.03)
        what = dice.randrange(12)
        if what == 0:
            rouse.kill_9()
            kills += 1
            time.sleep(dice.random() * 0.3)
            rouse.start()
        elif what < 4:
            below = [pid for pid in descendants() if (b"rouse-shim" in comm(pid)) == (what == 1) and comm(pid).strip() in (b"rouse-shim", b"agent-a", b"python3")]
            if below:
                kills += 1
                try:
                    os.kill(dice.choice(below), signal.SIGKILL)
                except OSError:
                    pass
    for thread, runs in said.items():
        for n, run in enumerate(runs, 1):
            done = rouse.wait_run(run, "succeeded", 60)
            expect((done["turn"], done["result"]), (n, list(range(1, n))), f"turn {n} of {thread}")
    expect(len(rouse.runs()), min(1000, sum(map(len, said.values()))), "runs")
    expect(rouse.cli("db", "check").code, 0, "db check")
    rouse.nothing_left()
    wait("no spool is left", lambda: not spools(rouse), 60)
    print(f"#   {sum(map(len, said.values()))} turns, {kills} kills")


@scenario("a process at rest does not decide about the turns that it had")
def _(rouse):
    rouse.crm()
    rouse.agent("a", f"""#!/usr/bin/env python3
import json, os, subprocess, sys, time
for line in sys.stdin:
    e = json.loads(line)
    print(json.dumps({{"type": "change", "target": "crm", "entity": "1", "op": "update", "before": {{"stage": "new"}}, "after": {{"stage": "won"}}}}))
    print(json.dumps({{"type": "result", "output": 1}}), flush=True)
    for i in range(200):
        done = subprocess.run([{json.dumps(os.path.join(BUILD, "rouse"))}, "--socket", {json.dumps(rouse.socket)}, "approve", e["run_id"], "--all"], capture_output=True, text=True)
        open(os.environ["D"] + "/tried", "a").write(f"{{done.returncode}} {{done.stderr}}")
        if "session of run" in done.stderr or not done.returncode:
            break
        time.sleep(0.05)
""", session="yes", targets="crm", concurrency="2")
    rouse.webhook("push", agent="a", **THREAD)
    rouse.start()
    run = ask(rouse, 1)
    wait("it tried when its run was over", lambda: any("session of run" in t for t in rouse.marks("tried")))
    expect([c["status"] for c in rouse.changes(run=run["id"])], ["proposed"], "its change")


main()
