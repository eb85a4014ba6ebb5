#!/usr/bin/env python3
# One house of the chaos test: a daemon that is killed again and again, under load and bad weather, and then judged.
# SPDX-License-Identifier: MIT
"""house.py SEED SECONDS [clock]: prints a line of JSON now and then, and its verdict last. Every choice comes from the seed."""
import collections
import http.server
import os
import random
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../scenario")]
from lib import *
import judge

MICRO = 1000000
MESSAGE = 0.03  # dollars that a message of the spender costs
TENANTS, TENANT_DAY = 60, 1.0
BACKLOG = 60  # runs that wait: more are not sent
FURTHEST = 7200  # seconds that the clock is set
REST = 90  # seconds in which all that was begun has to end
# Points where attachments of mail are written, which nobody sends here, and where a session goes on: tests/scenario has both.
ELSEWHERE = {"os_write_file.written", "os_write_file.renamed", "exec-turn-given"}
AGENT = """#!/bin/sh
read -r e
p=${e##*'"payload":{'}
field() { v=${p#*"\\"$1\\":\\""}; if [ "$v" = "$p" ]; then v=; else v=${v%%\\"*}; fi; }
echo "$ROUSE_RUN_ID $ROUSE_ATTEMPT" >>$D/starts
field plan; set -- ${v:-ok}
i=1; while [ $i -lt $ROUSE_ATTEMPT ] && [ $# -gt 1 ]; do shift; i=$((i + 1)); done
field id; id=$v
field to
for t in $v; do
	key=; case $id in *[02468]) key=',"key":"'$id-$t'"';; esac
	echo '{"type":"change","target":"'$t'","entity":"'$id'","op":"create","after":{"effect":"'$id-$t'"},"reason":"chaos"'$key'}'
done
field emit
[ -z "$v" ] || echo '{"type":"emit","topic":"news","key":"'$v'","data":{"of":"'$v'"}}'
case $1 in
nap) sleep 0.2 ;;
fail) exit 1 ;;
temp) exit 75 ;;
perm) exit 64 ;;
crash) kill -9 $$ ;;
half) printf '{"type":"result","outp'; kill -9 $$ ;;
hang) exec sleep 600 ;;
spend*) n=${1#spend}; while [ $n -gt 0 ]; do echo '{"type":"usage","cost_usd":0.03}'; n=$((n - 1)); sleep 0.15; done ;;
esac
echo '{"type":"result","output":"'$id'"}'
"""
# A deed is one link, made or not; its name is the change's key, what it points to the effect.
COMMAND = """#!/bin/sh
c=$(cat)
v=${c#*'"effect":"'}
name=${ROUSE_CHANGE_KEY%%/*}
[ "$name" = "$ROUSE_CHANGE_KEY" ] || name=${name}_${ROUSE_CHANGE_KEY#*/}
ln -s "${v%%'"'*}" "$D/deeds/$name" 2>/dev/null || [ -L "$D/deeds/$name" ]
"""


def crash_points(program):
    """The names in the program's section rouse_crash."""
    with open(program, "rb") as f:
        image = f.read()
    table, size, count, names_at = struct.unpack_from("<Q", image, 40)[0], *struct.unpack_from("<HHH", image, 58)
    sections = [struct.unpack_from("<IIQQQQ", image, table + i * size) for i in range(count)]
    strings = sections[names_at][4]
    for name, _, _, _, offset, length in sections:
        if image[strings + name :].startswith(b"rouse_crash\0"):
            return sorted({n.decode() for n in image[offset : offset + length].split(b"\0") if n})
    raise Failed(f"{program} has no crash points")


def quiet_port():
    """One that no connection is given while the daemon is dead: below those that the system hands out."""
    for n in range(1000):
        port = 10000 + (os.getpid() * 2 + n) % 20000
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass
    raise Failed("no port is free")


class Service(http.server.ThreadingHTTPServer):
    """A service that does each key once, notes it, and now and then fails, hesitates or hangs up afterwards."""

    allow_reuse_address = daemon_threads = True
    request_queue_size = 64

    def __init__(self, path, seed):
        self.dice, self.done, self.lock = random.Random(seed), set(), threading.Lock()
        self.journal = open(path, "a", buffering=1)
        super().__init__(("127.0.0.1", quiet_port()), Deed)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def handle_error(self, *_):
        """Whoever asked is dead: the chaos test's everyday."""


class Deed(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key, server = self.headers["Idempotency-Key"], self.server
        with server.lock:
            mood = server.dice.random()
            if mood >= 0.1 and key not in server.done:
                server.done.add(key)
                server.journal.write(f"{key} {body['effect']}\n")
        if 0.1 <= mood < 0.2:
            self.close_connection = True
            return
        if 0.2 <= mood < 0.3:
            time.sleep(0.1)
        self.send_response(503 if mood < 0.1 else 201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class House:
    def __init__(self, seed, seconds, clock_jumps):
        self.seed, self.seconds, self.clock_jumps = seed, seconds, clock_jumps
        self.rouse = Rouse()
        self.journal = open(os.path.join(self.rouse.dir, "journal.jsonl"), "w", buffering=1)
        self.lock, self.began = threading.Lock(), time.monotonic()
        self.count = collections.Counter()
        self.reached, self.points = set(), sorted(set(crash_points(os.path.join(BUILD, "roused"))) - ELSEWHERE)
        self.stop, self.backlog, self.numbered, self.acknowledged = threading.Event(), 0, 0, []
        self.weathers = ["calm"] * 8 + ["crowd", "pipe"]
        self.configure()

    def dice(self, name):
        return random.Random(f"{self.seed}/{name}")

    def note(self, do, **what):
        with self.lock:
            self.count[do] += 1
            self.journal.write(json.dumps({"t": round(time.monotonic() - self.began, 3), "do": do, **what}) + "\n")

    # --- what is configured

    def configure(self):
        r = self.rouse
        retry = {"retry__attempts": 1000, "retry__base": "5ms", "retry__cap": "50ms"}
        calm = {"breaker__threshold": "100%", **retry}
        r.section("daemon", drain_timeout="200ms", log_level="info")
        r.section("limits", max_running=24)
        targets = "crm, files, web, docs"
        # Far less than the clock is set by: what a run has worked does not follow it.
        r.agent("work", AGENT, concurrency=8, targets=targets, budget__deadline="20m", **calm)
        r.agent("spender", AGENT, concurrency=6, budget__cost="0.20", budget__deadline="20m", grace="200ms", **calm)
        r.agent("hanger", AGENT, concurrency=3, budget__deadline="1s", grace="200ms", **calm)
        r.agent("small", AGENT, concurrency=4, budget__deadline="20m", **calm)
        r.webhook("work", agent="work", mode="apply", overlap="allow")
        r.webhook("order", agent="work", mode="apply", entity=".data.entity", overlap="queue")
        r.webhook("spend", agent="spender", tenant=".data.tenant", overlap="allow")
        r.webhook("hang", agent="hanger", overlap="allow")
        r.section("trigger tick", source="cron", agent="small", schedule="* * * * * *", catchup="all", overlap="allow")
        r.section("notify ops", kind="exec", command="/bin/true", on="failed", gather="5ms", rate="1000/s", retry__base="5ms", retry__cap="50ms")
        r.section("trigger heard", source="topic", topic="news", agent="small", overlap="allow")
        for n in range(TENANTS):
            r.section(f"tenant t{n}", cost_per_day=TENANT_DAY)
        r.crm_path = os.path.join(r.dir, "crm.db")
        with sqlite3.connect(r.crm_path) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("CREATE TABLE deed (change TEXT, effect TEXT)")
        r.section("target crm", kind="sql", url="sqlite:" + r.crm_path, apply="INSERT INTO deed(change, effect) VALUES (:key, :after.effect)", **calm)
        os.mkdir(os.path.join(r.dir, "deeds"))
        command = os.path.join(r.dir, "command")
        with open(command, "w") as f:
            f.write(COMMAND)
        os.chmod(command, 0o755)
        r.section("target files", kind="exec", command=command, env=f"D={r.dir}", pass_env="PATH", **calm)
        os.mkdir(os.path.join(r.dir, "docs"))
        r.section("target docs", kind="file", root=os.path.join(r.dir, "docs"), **calm)
        self.service = Service(os.path.join(r.dir, "deeds-http"), f"{self.seed}/service")
        r.section("target web", kind="http", url=f"http://127.0.0.1:{self.service.server_port}/deeds", allow_private="yes", **calm)
        self.note("house", seed=self.seed, seconds=self.seconds, clock_jumps=self.clock_jumps, message=int(MESSAGE * MICRO), points=self.points,
                  limits={f"tenant/t{n}": int(TENANT_DAY * MICRO) for n in range(TENANTS)})
        r.port = quiet_port()
        r.section("http", listen=f"127.0.0.1:{r.port}")
        self.preloads()

    def preloads(self):
        """The injector of failing disks and the clock that can be set, where they are here."""
        try:
            if is_sanitized():
                raise Skip("preloaded libraries and the sanitizers do not go together")
            sources = {"faultinj": shared("chaos/inject/faultinj.c"), "clockshift": shared("chaos/resources/clockshift.c")}
        except Skip as e:
            self.note("skip", what=f"disks that fail, clocks that jump: {e}")
            self.clock_jumps = False
            return
        for name, source in sources.items():
            built = os.path.join(self.rouse.dir, name + ".so")
            subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-w", "-o", built, source, "-ldl", "-pthread"], check=True)
        self.weathers += ["full disk", "failing disk", "torn write"]

    # --- who sends

    def plan(self, rnd):
        """(hook, payload, what it should come to); hook None: the agent is invoked."""
        with self.lock:
            self.numbered += 1
            n = self.numbered
        id = f"i{self.seed & 0xFFFF}-{n}"
        hook = rnd.choices(["work", None, "order", "spend", "hang"], [40, 20, 20, 15, 2])[0]
        payload = {"id": id, "plan": "ok"}
        ends, effects, emits = [["succeeded", None]], 0, False
        if hook == "hang":
            payload["plan"], ends = "hang", [["failed", "deadline"]]
        elif hook == "spend":
            payload.update(plan=f"spend{rnd.randrange(1, 11)}", tenant=f"t{n // 100 % TENANTS}")
            ends.append(["failed", "budget_cost"])
        elif rnd.random() < 0.05:
            payload["plan"], ends = "perm", [["failed", "permanent"]]
        else:
            payload["plan"] = " ".join(rnd.choices(["fail", "temp", "crash", "half", "nap"], k=rnd.choice([0, 0, 0, 1, 2])) + [rnd.choice(["ok", "ok", "nap"])])
            to = [t for t in ("crm", "files", "web", "docs") if rnd.random() < 0.3]
            payload["to"], effects = " ".join(to), len(to)
            emits = rnd.random() < 0.15
            if emits:
                payload["emit"] = "k-" + id
        if hook == "order":
            payload["entity"] = f"e{rnd.randrange(5)}"
        return hook, payload, {"ends": ends, "effects": effects, "emits": emits}

    def send(self, key, hook, payload, timeout=1.5):
        """One request; True: acknowledged."""
        body = json.dumps(payload, separators=(",", ":")).encode()
        try:
            if hook:
                reply = self.rouse.deliver(hook, body, id=key, timeout=timeout)
            else:
                reply = self.rouse.api("POST", "/v1/agents/work/invoke", body, {"Idempotency-Key": key} if key else {}, timeout=timeout)
        except (OSError, http.client.HTTPException):
            time.sleep(0.02)
            return False
        if reply.status in (200, 202):
            self.note("ack", key=key, run=reply.run_id, status=reply.status)
            return True
        if reply.status not in (429, 503):
            self.note("fault", what=f"a request was answered {reply.status}: {reply.body[:300]!r}")
        return False

    def sender(self, name):
        rnd = self.dice(name)
        while not self.stop.is_set():
            if self.backlog > BACKLOG:
                time.sleep(0.05)
                continue
            time.sleep(rnd.uniform(0, 0.06))
            if self.acknowledged and rnd.random() < 0.15:
                self.send(*rnd.choice(self.acknowledged))
                continue
            hook, payload, wanted = self.plan(rnd)
            key = None if hook is None and rnd.random() < 0.3 else "k-" + payload["id"]
            self.note("send", key=key, hook=hook, payload=payload, **wanted)
            for _ in range(1 if key is None else rnd.choice([1, 3, 20])):
                if self.stop.is_set() or self.send(key, hook, payload):
                    break
            else:
                continue
            if key and hook != "spend":
                self.acknowledged.append((key, hook, payload))

    # --- lives and deaths

    def weather(self, rnd):
        """(its name, environment, wrapper, whether it may end the daemon by itself)"""
        name = rnd.choice(self.weathers)
        env, wrapper = {}, []
        inject = {"LD_PRELOAD": os.path.join(self.rouse.dir, "faultinj.so"), "FI_COMM": "roused"}
        nth = str(int(2 ** rnd.uniform(0, 9)))
        if name == "crowd":
            wrapper = ["prlimit", "--nofile=1024:1024"]
        elif name == "full disk":
            env = {**inject, "FI_FUNCS": "write,ftruncate", "FI_ERRNO": "ENOSPC", "FI_PATH": rnd.choice(["rouse.db", "state"]), "FI_MODE": "from", "FI_NTH": nth,
                   "FI_LEN": str(rnd.choice([1, 5, 40, 400]))}
        elif name == "failing disk":
            env = {**inject, "FI_FUNCS": rnd.choice(["fsync", "write", "read"]), "FI_ERRNO": "EIO", "FI_PATH": rnd.choice(["rouse.db", "state"]), "FI_NTH": nth}
        elif name == "torn write":
            env = {**inject, "FI_FUNCS": "write", "FI_ERRNO": "TORN", "FI_PATH": "state", "FI_NTH": nth}
        if self.clock_jumps:
            clock = os.path.join(self.rouse.dir, "clockshift.so")
            env["LD_PRELOAD"] = clock + (":" + env["LD_PRELOAD"] if "LD_PRELOAD" in env else "")
            env["CLOCKSHIFT"] = os.path.join(self.rouse.dir, "clockshift")
        return name, env, wrapper

    def set_clock(self, rnd):
        path = os.path.join(self.rouse.dir, "clockshift")
        offset = rnd.choice([0, 1, -1, 30, -30, 3600, -3600, rnd.randrange(-FURTHEST, FURTHEST)])
        with open(path + ".new", "w") as f:
            f.write(str(offset))
        os.rename(path + ".new", path)
        self.note("clock", offset=offset)

    def launch(self, name, env, wrapper):
        r = self.rouse
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **env}
        if "ASAN_OPTIONS" in os.environ:
            environment["ASAN_OPTIONS"] = os.environ["ASAN_OPTIONS"]
        with open(r.log, "ab") as log:
            errors, self.plug = log, None
            if name == "pipe":
                self.plug, errors = os.pipe()
                os.set_blocking(errors, False)
                try:
                    while os.write(errors, b"x" * 4096):
                        pass
                except BlockingIOError:
                    os.set_blocking(errors, True)
            r.daemon = spawn([*wrapper, os.path.join(BUILD, "roused"), "-c", r.conf], stdin=subprocess.DEVNULL, stdout=log, stderr=errors, env=environment)
            if errors is not log:
                os.close(errors)

    def ended_within(self, seconds):
        """How the daemon ended by itself within so long; None: it did not."""
        try:
            return self.rouse.daemon.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def mischief(self, rnd):
        """Something that is done to what runs."""
        what = rnd.choice(["shim", "shim", "agent", "agent", "agent", "fifo", "crowd", "reload", "clock"])
        r = self.rouse
        if what in ("shim", "agent"):
            mine = {"shim": lambda c: os.path.basename(c.split(" ")[0]) == "rouse-shim", "agent": lambda c: r.dir + "/agent-" in c or r.dir + "/command" in c}[what]
            pids = [pid for pid, state in descendants().items() if state != "Z" and mine(cmdline(pid))]
            for pid in rnd.sample(sorted(pids), min(len(pids), 3)):
                try:
                    os.kill(pid, signal.SIGKILL)
                    self.note("kill", what=what, pid=pid)
                except ProcessLookupError:
                    pass
        elif what == "fifo":
            try:
                fifo = os.open(os.path.join(r.state, "spool", "wake"), os.O_WRONLY | os.O_NONBLOCK)
                try:
                    os.write(fifo, b"\0" * 65536)
                except OSError:
                    pass
                os.close(fifo)
                self.note("fifo")
            except OSError:
                pass
        elif what == "crowd":
            crowd = []
            try:
                for _ in range(600):
                    crowd.append(socket.create_connection(("127.0.0.1", r.port), 0.2))
            except OSError:
                pass
            self.note("crowd", n=len(crowd))
            for one in crowd:
                one.close()
        elif what == "reload":
            try:
                r.api("GET", "/livez", timeout=0.3)  # before it listens to anything SIGHUP ends it, as it ends all programs
            except (OSError, http.client.HTTPException):
                return
            r.daemon.send_signal(signal.SIGHUP)
            self.note("reload")
        elif what == "clock" and self.clock_jumps:
            self.set_clock(rnd)

    def life(self, rnd):
        """A life of the daemon, from its start to its violent end."""
        name, env, wrapper = self.weather(rnd)
        death = rnd.choice(["point", "point", "kill", "kill", "kill", "early", "term"])
        point = None
        if death == "point":
            left = [p for p in self.points if p not in self.reached]
            point = rnd.choice(left if left and rnd.random() < 0.7 else self.points)
            env["ROUSE_CRASH"] = f"{point}:{rnd.choice([1, 1, 2, 3, 8, 30])}"
        self.note("life", weather=name, death=death, env=env)
        self.launch(name, env, wrapper)
        r, until = self.rouse, time.monotonic()
        code = self.ended_within(rnd.uniform(0, 0.04) if death == "early" else rnd.uniform(0.04, 0.25))
        if code is None and death != "early":
            if rnd.random() < 0.7:
                self.mischief(rnd)
            code = self.ended_within(rnd.uniform(0, 0.15) if death != "point" else 0.6)
            if code is None and rnd.random() < 0.2:
                try:
                    self.backlog = r.api("GET", "/health", timeout=1).json["queue_depth"]
                except (OSError, http.client.HTTPException, ValueError, KeyError):
                    pass
        if code is not None:
            self.ended_itself(code, name, point)
        elif death == "term":
            r.daemon.terminate()
            code = self.ended_within(20)
            if code not in (None, 0, -signal.SIGTERM) and name == "calm":  # SIGTERM: it had only just begun
                self.note("fault", what=f"after SIGTERM roused ended with {code}")
            if code is None:
                self.note("fault", what=f"roused does not end within 20 s after SIGTERM (weather: {name})")
        if code is None:
            r.daemon.kill()
            r.daemon.wait()
            self.note("kill", what="roused", pid=r.daemon.pid)
        r.daemon = None
        if self.plug is not None:
            os.close(self.plug)

    def ended_itself(self, code, name, point):
        if code == -signal.SIGKILL:
            self.note("kill", what="roused", point=point or name)
            if point and name != "torn write":
                self.reached.add(point)
        elif code < 0 or name not in ("full disk", "failing disk"):
            self.note("fault", what=f"roused ended by itself with {code} (weather: {name})")
        else:
            self.note("gave up", code=code, weather=name)

    # --- the end

    def unrest(self):
        """What has not come to its end."""
        runs = judge.rows(self.rouse.db, "SELECT id, trigger, status, attempts FROM runs WHERE status IN ('running', 'waiting') OR (status = 'queued' AND held IS NULL)")
        changes = judge.rows(self.rouse.db, "SELECT id, target, status FROM changes WHERE status IN ('approved', 'applying', 'reverting')")
        return runs + changes

    def rest(self):
        """A calm life in which everything that was begun ends."""
        r = self.rouse
        r.sections.pop("trigger tick", None)
        env = {}
        if self.clock_jumps:
            # Further back than it ever was: whoever waits for a time of day would wait for hours.
            env = {"LD_PRELOAD": os.path.join(r.dir, "clockshift.so"), "CLOCKSHIFT": os.path.join(r.dir, "clockshift")}
            with open(env["CLOCKSHIFT"], "w") as f:
                f.write(str(-FURTHEST - 60))
        r.start(**env)
        rnd, before = self.dice("again"), self.count["ack"]
        again = rnd.sample(self.acknowledged, min(30, len(self.acknowledged)))
        for one in again:
            self.send(*one, timeout=20)
        if self.count["ack"] - before != len(again):
            self.note("fault", what=f"of {len(again)} keys sent again, {self.count['ack'] - before} were acknowledged")
        try:
            wait("everything comes to its end", lambda: not self.unrest(), REST)
        except Failed:
            left = self.unrest()
            self.note("fault", what=f"after {REST} s of calm {len(left)} things have not ended: {left[:5]}")
        said = r.cli("db", "check", expect_code=None)
        if said.code:
            self.note("fault", what=f"rouse db check: {said}")
        r.stop()
        try:
            r.nothing_left(10)
        except Failed as e:
            self.note("left", what=str(e)[:500])
        for pid, state in descendants().items():
            if state != "Z" and "rouse-shim" in cmdline(pid):
                self.note("left", what=f"{pid} {cmdline(pid)}")
        try:
            r.is_clean()
        except Failed as e:
            self.note("fault", what=f"a sanitizer complains: {e}")

    def told(self):
        return {"kills": self.count["kill"], "acks": self.count["ack"], "lives": self.count["life"], "faults": self.count["fault"] + self.count["left"],
                "reached": len(self.reached), "points": len(self.points)}

    def storm(self):
        rnd = self.dice("killer")
        senders = [threading.Thread(target=self.sender, args=[f"sender{n}"], daemon=True) for n in range(2)]
        if self.clock_jumps:
            self.set_clock(rnd)
        self.rouse.write_config()
        tried = subprocess.run([os.path.join(BUILD, "roused"), "-t", "-c", self.rouse.conf], capture_output=True, text=True)
        expect(tried.returncode, 0, f"the configuration: {tried.stdout} {tried.stderr}")
        for one in senders:
            one.start()
        said = until = time.monotonic()
        while time.monotonic() < until + self.seconds:
            self.life(rnd)
            if time.monotonic() > said + 0.5:
                said = time.monotonic()
                print(json.dumps(self.told()), flush=True)
        self.stop.set()
        for one in senders:
            one.join()
        missing = sorted(set(self.points) - self.reached)
        if missing and self.count["life"] > 100 * len(self.points):
            self.note("fault", what=f"crash points that nothing reached: {' '.join(missing)}")

    def verdict(self):
        try:
            self.storm()
            self.rest()
        except Failed as e:
            self.note("fault", what=str(e))
        self.journal.flush()
        evidence, faults = judge.Evidence(), []
        try:
            evidence = judge.gather(self.rouse.dir)
            faults = judge.judge(evidence)
        except sqlite3.Error as e:
            faults = [("database", f"{e}; {self.count['fault']} faults were seen, the last ones in the journal")]
        keep = bool(faults) or bool(os.environ.get("ROUSE_TEST_KEEP"))
        print(json.dumps({**self.told(), "runs": len(evidence.runs), "attempts": len(evidence.attempts), "changes": len(evidence.changes),
                          "missing": sorted(set(self.points) - self.reached), "verdict": list(judge.shortened(faults)), "faults": len(faults),
                          "skipped": "full disk" not in self.weathers, "kept": self.rouse.dir if keep else None}), flush=True)
        end_all()
        if not keep:
            shutil.rmtree(self.rouse.dir, ignore_errors=True)
        return 1 if faults else 0


def main():
    seed, seconds = int(sys.argv[1]), float(sys.argv[2])
    os._exit(House(seed, seconds, "clock" in sys.argv[3:]).verdict())


if __name__ == "__main__":
    main()
