#!/usr/bin/env python3
# Scenario: many deaths in a row, at moments that nobody chose; two daemons at once; ends and cancels by the hundred.
# SPDX-License-Identifier: MIT
from lib import *
import random
import re

SEED = int(os.environ.get("ROUSE_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
WAITS = "read -r e; echo x >>$D/mark; while [ ! -e $D/go ]; do sleep 0.05; done; echo '" + json.dumps(RESULT) + "'\n"


def dice(rouse):
    print(f"# seed {SEED} (ROUSE_TEST_SEED)")
    return random.Random(SEED)


def go(rouse, name="go"):
    open(os.path.join(rouse.dir, name), "w").close()


def named(rouse, word):
    """pids whose command line has the word"""
    return [pid for pid, state in descendants().items() if state != "Z" and word in cmdline(pid)]


def said(rouse, run):
    """All that the run's log has, in order."""
    events, after = [], 0
    while page := rouse.items(f"/v1/runs/{run}/events?limit=1000&after={after}"):
        events += page
        after = max(e["seq"] for e in page)
    return events


def one_agent(rouse, script, start=True, **keys):
    rouse.agent("a", script, **keys)
    rouse.webhook("push", agent="a")
    if start:
        rouse.start()


# --- what a death may cut in two --------------------------------------------------------------------


@scenario("a line of which half was printed when the daemon died is read whole, once")
def _(rouse):
    half, rest = '{"type":"status","mess', 'age":"whole"}'
    script = f"read -r e\nprintf '%s' '{half}'; echo x >>$D/mark\nwhile [ ! -e $D/go ]; do sleep 0.02; done\necho '{rest}'; echo '{json.dumps(RESULT)}'\n"
    one_agent(rouse, script)
    run = rouse.deliver("push").run_id
    wait("half a line is there", rouse.marks)
    for _ in range(3):
        rouse.kill_9()
        rouse.start()
    go(rouse)
    expect(rouse.wait_run(run, "succeeded")["attempts"], 1, "attempts")
    expect([e["data"]["message"] for e in said(rouse, run) if e["type"] == "status"], ["whole"], "what it said")
    expect([e for e in said(rouse, run) if e["type"] == "log"], [], "lines that were no message")


@scenario("SIGTERM with forty running agents: each is taken up again, and ends in its one attempt")
def _(rouse):
    one_agent(rouse, WAITS, concurrency=40)
    runs = [rouse.deliver("push").expect(202).run_id for _ in range(40)]
    wait("all run", lambda: len(rouse.marks()) == 40)
    rouse.restart()
    expect([r["status"] for r in rouse.runs()], ["running"] * 40, "the runs after the restart")
    rouse.kill_9()
    go(rouse)
    rouse.start()
    expect([rouse.wait_run(r, "succeeded")["attempts"] for r in runs], [1] * 40, "attempts")
    expect(len(rouse.marks()), 40, "starts")
    rouse.nothing_left()


@scenario("a shim killed with its agent's whole tree below it: nobody of the tree survives")
def _(rouse):
    script = "read -r e; echo x >>$D/mark\nsetsid sleep 6171 &\n(sleep 6171 & exec sleep 6171) &\n[ $(wc -l <$D/mark) -gt 1 ] || exec sleep 6171\n"
    one_agent(rouse, script, retry__base="10ms", linger="100ms")
    run = rouse.deliver("push").run_id
    tree = wait("the tree has grown", lambda: (lambda t: t if len(t) == 4 else None)(named(rouse, "sleep 6171")))
    [shim] = named(rouse, "rouse-shim")
    os.kill(shim, signal.SIGKILL)
    done = rouse.wait_run(run, "succeeded", 40)
    expect(done["attempt_list"][0]["status"], "lost", "the first attempt")
    check(not set(tree) & set(named(rouse, "sleep 6171")), "the first tree is gone")
    rouse.nothing_left()


@scenario("twenty kills -9 at random under deliveries of which 15 % come twice: each runs once and its effect is there once")
def _(rouse):
    rnd = dice(rouse)
    rouse.crm()
    with sqlite3.connect(rouse.crm_path) as db:
        db.execute("CREATE TABLE effect (n INTEGER)")
    rouse.section("target crm", read=None, revert=None, apply="INSERT INTO effect(n) VALUES (:after.n)")
    script = """read -r e
n=${e##*'"payload":{"n":'}; n=${n%%'}'*}
echo "$ROUSE_RUN_ID $ROUSE_ATTEMPT" >>$D/mark
echo '{"type":"change","target":"crm","entity":"'$n'","op":"create","after":{"n":'$n'},"reason":"because"}'
"""
    rouse.agent("a", script, concurrency=8, targets="crm", retry__base="10ms", retry__attempts=10)
    rouse.webhook("push", agent="a", mode="apply")
    rouse.start()
    acknowledged, lock, stop = {}, threading.Lock(), threading.Event()

    def post(seed):
        mine, last = random.Random(seed), None
        while not stop.is_set():
            n = last if last and mine.random() < 0.15 else mine.randrange(1 << 40)
            last = n
            try:
                reply = rouse.deliver("push", {"n": n}, id=f"storm-{n}", timeout=2)
            except (OSError, http.client.HTTPException):
                time.sleep(0.01)
                continue
            with lock:
                if reply.status in (200, 202):
                    acknowledged.setdefault(n, set()).add(reply.run_id)
                elif reply.status != 503:
                    acknowledged[n] = {f"status {reply.status}"}

    posters = [threading.Thread(target=post, args=[rnd.random()]) for _ in range(2)]
    for poster in posters:
        poster.start()
    try:
        for _ in range(20):
            time.sleep(rnd.uniform(0, 0.15))
            rouse.kill_9()
            rouse.start()
    finally:
        stop.set()
        for poster in posters:
            poster.join()
    print(f"# {len(acknowledged)} acknowledged")
    check(len(acknowledged) > 20, "something was acknowledged")
    expect({n: ids for n, ids in acknowledged.items() if len(ids) != 1}, {}, "deliveries with more than one run")
    for n, ids in acknowledged.items():
        rouse.wait_run(next(iter(ids)), "succeeded", 60)
    wait("all changes are applied", lambda: not [c for c in rouse.changes() if c["status"] != "applied"], 60)
    db = sqlite3.connect(rouse.crm_path)
    effects = [n for (n,) in db.execute("SELECT n FROM effect")]
    db.close()
    expect(len(effects), len(set(effects)), "effects, each once")
    expect(set(acknowledged) - set(effects), set(), "acknowledged and without effect")
    started = rouse.marks()
    expect(len(started), len(set(started)), "starts of one attempt, each once")
    rouse.nothing_left()
    said = rouse.cli("db", "check").out
    check("ok" in said or "sound" in said, f"rouse db check: {said}")


# --- ends and cancels by the hundred ----------------------------------------------------------------


@scenario("200 runs that end at once, 32 at a time: every end is noticed")
def _(rouse):
    rouse.agent("a", "", command="/bin/true", concurrency=32, output="text", env=None, pass_env=None, workdir="/")
    rouse.webhook("push", agent="a")
    rouse.start()
    for run in [rouse.deliver("push").expect(202).run_id for _ in range(200)]:
        rouse.wait_run(run, "succeeded", 20)
    wait("none is in flight", lambda: rouse.get("/health")["in_flight"] == 0)
    wait("all spools are removed", lambda: not [d for d in os.listdir(os.path.join(rouse.state, "spool")) if re.fullmatch(r"[0-9a-f-]{36}\.\d+", d)])


@scenario("100 runs cancelled at any moment from their start on: every one ends cancelled, and soon")
def _(rouse):
    rnd = dice(rouse)
    one_agent(rouse, "read -r e; exec sleep 6172\n", concurrency=32)
    runs = []
    for _ in range(100):
        run = rouse.deliver("push").expect(202).run_id
        time.sleep(rnd.choice([0, 0, 0.002, 0.01, 0.03]))
        rouse.api("POST", f"/v1/runs/{run}/cancel", {}).expect(200, 202)
        runs.append(run)
    for run in runs:
        rouse.wait_run(run, "cancelled", 5)
    wait("none is in flight", lambda: rouse.get("/health")["in_flight"] == 0)
    rouse.nothing_left()


@scenario("a halt at any moment of a hundred starts leaves nothing running; what was queued runs after it")
def _(rouse):
    rnd = dice(rouse)
    one_agent(rouse, "read -r e; echo x >>$D/mark; [ -e $D/go ] || exec sleep 6174\n", concurrency=20)
    runs, stop = [], threading.Event()

    def post():
        while not stop.is_set():
            reply = rouse.deliver("push")
            if reply.status == 202:
                runs.append(reply.run_id)

    poster = threading.Thread(target=post)
    poster.start()
    try:
        for _ in range(8):
            time.sleep(rnd.uniform(0, 0.15))
            rouse.api("POST", "/v1/halt", {}).expect(200)
            wait("none is in flight", lambda: rouse.get("/health")["in_flight"] == 0, 10)
            wait("no agent lives", lambda: not named(rouse, "sleep 6174"), 10)
            rouse.api("POST", "/v1/resume", {}).expect(200)
    finally:
        stop.set()
        poster.join()
    rouse.api("POST", "/v1/halt", {}).expect(200)
    wait("none is in flight", lambda: rouse.get("/health")["in_flight"] == 0, 10)
    go(rouse)
    rouse.api("POST", "/v1/resume", {}).expect(200)
    wait("all have ended", lambda: {rouse.run(r)["status"] for r in runs} <= {"cancelled", "succeeded"}, 40)
    rouse.nothing_left()


@scenario("ends and cancels of which nobody tells the daemon, for it was stopped meanwhile, are all noticed")
def _(rouse):
    rnd = dice(rouse)
    one_agent(rouse, "read -r e; echo x >>$D/mark\nwhile [ ! -e $D/go ]; do sleep 0.05; done\n[ $ROUSE_ATTEMPT = 1 ]\n", concurrency=30)
    runs = [rouse.deliver("push").expect(202).run_id for _ in range(30)]
    wait("all run", lambda: len(rouse.marks()) == 30)
    cancelled = rnd.sample(runs, 10)
    for run in cancelled[:5]:
        rouse.api("POST", f"/v1/runs/{run}/cancel", {}).expect(200, 202)
    os.kill(rouse.daemon.pid, signal.SIGSTOP)
    go(rouse)
    wait("all have ended", lambda: not named(rouse, rouse.dir + "/agent-"))
    os.kill(rouse.daemon.pid, signal.SIGCONT)
    for run in runs:
        rouse.wait_run(run, "cancelled" if run in cancelled[:5] else "succeeded", 8)
    wait("none is in flight", lambda: rouse.get("/health")["in_flight"] == 0)


@scenario("a wake pipe that is full, or taken away, holds up no end for long")
def _(rouse):
    one_agent(rouse, WAITS, concurrency=10)
    runs = [rouse.deliver("push").expect(202).run_id for _ in range(10)]
    wait("all run", lambda: len(rouse.marks()) == 10)
    os.unlink(os.path.join(rouse.state, "spool", "wake"))
    go(rouse)
    for run in runs:
        rouse.wait_run(run, "succeeded", 10)


@scenario("a run cancelled and then the daemon killed: it ends cancelled, and is not run again")
def _(rouse):
    rnd = dice(rouse)
    one_agent(rouse, "trap '' TERM; read -r e; echo x >>$D/mark; sleep 6173; sleep 6173\n", concurrency=20, grace="300ms")
    runs = [rouse.deliver("push").expect(202).run_id for _ in range(12)]
    wait("all run", lambda: len(rouse.marks()) == 12)
    for n, run in enumerate(runs):
        rouse.api("POST", f"/v1/runs/{run}/cancel", {}).expect(200, 202)
        if n % 4 == 3:
            time.sleep(rnd.uniform(0, 0.4))
            rouse.kill_9()
            rouse.start()
    for run in runs:
        rouse.wait_run(run, "cancelled", 10)
    expect(len(rouse.marks()), 12, "starts")
    rouse.nothing_left()


# --- two of them ------------------------------------------------------------------------------------


def second(rouse, **daemon):
    """Starts another daemon beside the first with these keys; its exit status and what it said."""
    path = os.path.join(rouse.dir, "second.conf")
    with open(path, "w") as f:
        keys = {"state_dir": rouse.state, "socket": rouse.socket, **daemon}
        f.write("[daemon]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items()) + "[http]\nlisten = none\n")
    process = spawn([os.path.join(BUILD, "roused"), "-c", path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        out, _ = process.communicate(timeout=10 * PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        out, _ = process.communicate()
        raise Failed(f"the second daemon runs: {out[-300:]}") from None
    check(process.returncode > 0, f"the second daemon ended with {process.returncode}: {out[-300:]}")
    return out


def goes_on(rouse, run):
    expect(rouse.run(run)["status"], "running", "the run of the first")
    go(rouse)
    expect(rouse.wait_run(run, "succeeded")["attempts"], 1, "attempts")
    rouse.wait_run(rouse.deliver("push").expect(202).run_id, "succeeded")
    rouse.cli("status")


@scenario("a second daemon on the same state folder is refused with a sentence, and touches nothing")
def _(rouse):
    one_agent(rouse, WAITS)
    run = rouse.deliver("push").run_id
    wait("the agent runs", rouse.marks)
    out = second(rouse, socket=os.path.join(rouse.dir, "other"))
    check(rouse.state in out and "another" in out.lower(), f"it says where and why: {out[-400:]}")
    goes_on(rouse, run)


@scenario("a second daemon on the same socket is refused with a sentence, and the first keeps its own")
def _(rouse):
    one_agent(rouse, WAITS)
    run = rouse.deliver("push").run_id
    wait("the agent runs", rouse.marks)
    out = second(rouse, state_dir=os.path.join(rouse.dir, "other"))
    check(rouse.socket in out, f"it names the socket: {out[-400:]}")
    goes_on(rouse, run)


@scenario("a socket that a killed daemon left behind is in nobody's way")
def _(rouse):
    one_agent(rouse, "exit 0\n")
    rouse.kill_9()
    check(os.path.exists(rouse.socket), "the socket is still there")
    rouse.start()
    rouse.wait_run(rouse.deliver("push").expect(202).run_id, "succeeded")


main()
