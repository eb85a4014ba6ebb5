# The scenario harness: a real daemon in a folder of its own, real requests, and nothing left behind.
# SPDX-License-Identifier: MIT
"""A scenario is a function that gets a Rouse, and a sentence:

    @scenario("a delivery is answered 202, and run")
    def _(rouse):
        rouse.agent("ok", says({"type": "result", "output": 1}))
        rouse.webhook("push", agent="ok")
        rouse.start()
        run = rouse.deliver("push", {"n": 1}).expect(202).run_id
        rouse.wait_run(run, "succeeded")

    main()

It fails where expect(), check() or wait() do; waiting has a deadline and never sleeps blindly."""
import atexit
import ctypes
import hashlib
import hmac
import http.client
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback

BUILD = os.path.abspath(os.environ.get("builddir", "build"))
SOURCE = os.path.abspath(os.environ.get("srcdir", os.path.join(os.path.dirname(__file__), "../..")))
SHARED = os.environ.get("ROUSE_SHARED") or os.path.join(SOURCE, "..", "shared")
PATIENCE = float(os.environ.get("ROUSE_TEST_PATIENCE", "1"))  # slow machines: all deadlines times this
SECRET = "It's a Secret to Everybody"
PUSH = {"action": "opened", "number": 42, "pull_request": {"number": 42, "user": {"login": "maria"}}}


class Failed(Exception):
    """The scenario's sentence is not true."""


class Skip(Exception):
    """Something that the scenario needs is not here."""


def check(ok, what):
    if not ok:
        raise Failed(what)


def expect(got, want, what):
    if got != want:
        raise Failed(f"{what}: expected {want!r}, got {got!r}")


def wait(what, condition, within=15):
    """Until condition() is true; what it returned. An exception in it counts as not yet."""
    deadline = time.monotonic() + within * PATIENCE
    last = None
    while True:
        try:
            last = condition()
            if last:
                return last
        except (OSError, http.client.HTTPException, KeyError, IndexError, Failed) as e:
            last = e
        if time.monotonic() > deadline:
            raise Failed(f"waited {within} s in vain: {what} (last seen: {last!r})")
        time.sleep(0.02)


def stays(what, condition, seconds):
    """condition() holds now and for so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        check(condition(), what)
        time.sleep(0.05)


# --- processes: every one that we start, or that becomes ours, is ended by its id -----------------

ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: what a dead daemon leaves comes to us
_lock = threading.RLock()
_own = set()


def spawn(argv, **how):
    with _lock:
        process = subprocess.Popen(argv, **how)
        _own.add(process.pid)
    return process


def _stat(pid):
    with open(f"/proc/{pid}/stat", "rb") as f:
        text = f.read()
    fields = text[text.rindex(b")") + 2 :].split()
    return fields[0].decode(), int(fields[1])  # state, parent


def cmdline(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def descendants(root=None):
    """{pid: state} of all that descend from root (default: this test)."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parents[int(name)] = _stat(name)
            except (OSError, ValueError):
                pass
    found, layer = {}, {root or os.getpid()}
    while layer:
        layer = {pid for pid, (_, parent) in parents.items() if parent in layer}
        found.update({pid: parents[pid][0] for pid in layer})
    return found


def _reap_strangers():
    while True:
        time.sleep(0.02)
        with _lock:
            try:
                with open(f"/proc/self/task/{os.getpid()}/children") as f:
                    children = {int(pid) for pid in f.read().split()}
            except OSError:
                continue
            for pid in children - _own:
                try:
                    os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    pass


threading.Thread(target=_reap_strangers, daemon=True).start()


def end_all():
    """Kills whatever descends from this test."""
    for _ in range(100):
        with _lock:
            left = [pid for pid, state in descendants().items() if state != "Z"]
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        if not left:
            return
        time.sleep(0.02)


atexit.register(end_all)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


# --- agents ---------------------------------------------------------------------------------------


def says(*messages, exit=0, before=""):
    """A script that reads its envelope and then prints these messages (objects, or lines as they are)."""
    lines = [m if isinstance(m, str) else json.dumps(m) for m in messages]
    text = "\n".join(lines)
    return f"read envelope\n{before}\ncat <<'END'\n{text}\nEND\nexit {exit}\n"


def change(entity="1", before=None, after=None, target="crm", **more):
    return {"type": "change", "target": target, "entity": entity, "op": "update", "before": before or {"stage": "new"},
            "after": after or {"stage": "won"}, "reason": "because", **more}


RESULT = {"type": "result", "output": "done"}


# --- answers --------------------------------------------------------------------------------------


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def run_id(self):
        return self.json["run_id"]

    def expect(self, *statuses):
        if self.status not in statuses:
            raise Failed(f"expected status {statuses}, got {self.status}: {self.body[:400]!r}")
        return self

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class Said:
    """What a program said, and its exit status."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]

    def __repr__(self):
        return f"<exit {self.code}, out {self.out[-300:]!r}, err {self.err[-300:]!r}>"


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def sign(body, secret=SECRET):
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def shared(path):
    """A file of the rigs that lie beside some checkouts; Skip where they do not."""
    found = os.path.join(SHARED, path)
    if not os.path.exists(found):
        raise Skip(f"{path} of the shared rigs is not here")
    return found


# --- the daemon -----------------------------------------------------------------------------------


class Rouse:
    """One daemon, its configuration and its folder. Nothing is written before start()."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="rouse-")
        self.state = os.path.join(self.dir, "state")
        self.socket = os.path.join(self.dir, "sock")
        self.conf = os.path.join(self.dir, "rouse.conf")
        self.log = os.path.join(self.dir, "log")
        self.db = os.path.join(self.state, "rouse.db")
        self.port = free_port()
        self.daemon = None
        self.env = {}
        self.wrapper = []
        self.delivered = 0
        self.sections = {}
        self.section("daemon", state_dir=self.state, socket=self.socket, log_format="text", log_level="debug")
        self.section("http", listen=f"127.0.0.1:{self.port}")

    # configuration: keys with a dot are written with two underscores

    def section(self, name, **keys):
        self.sections.setdefault(name, {}).update({k.replace("__", "."): v for k, v in keys.items()})

    def agent(self, name, script, **keys):
        """An exec agent; script is shell unless it begins with #!. It finds the scenario's folder in $D."""
        path = os.path.join(self.dir, "agent-" + name)
        with open(path, "w") as f:
            f.write(script if script.startswith("#!") else "#!/bin/sh\n" + script)
        os.chmod(path, 0o755)
        keys = {"kind": "exec", "command": path, "env": f"D={self.dir}", "pass_env": "PATH", "workdir": self.dir, **keys}
        self.section("agent " + name, **keys)

    def webhook(self, name, agent, secret=SECRET, **keys):
        """A trigger; signed as GitHub does unless keys say otherwise. secret None: none."""
        keys = {"source": "webhook", "agent": agent, "verify": "github", "mode": "stage", **keys}
        if secret is not None:
            path = os.path.join(self.dir, "secret-" + name)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
                f.write(secret)
            keys = {"secret": "file:" + path, **keys}
        self.section("trigger " + name, **{k: v for k, v in keys.items() if v is not None})

    def crm(self, **keys):
        """A target `crm`: table deal(id, stage, writes), with the deals 1 to 9."""
        self.crm_path = os.path.join(self.dir, "crm.db")
        with sqlite3.connect(self.crm_path) as db:
            db.execute("CREATE TABLE deal (id TEXT PRIMARY KEY, stage TEXT, writes INTEGER DEFAULT 0)")
            db.executemany("INSERT INTO deal(id, stage) VALUES (?, 'new')", [(str(n),) for n in range(1, 10)])
        self.section("target crm", **{"kind": "sql", "url": "sqlite:" + self.crm_path,
                     "read": "SELECT stage FROM deal WHERE id = :entity",
                     "apply": "UPDATE deal SET stage = :after.stage, writes = writes + 1 WHERE id = :entity",
                     "revert": "UPDATE deal SET stage = :before.stage, writes = writes + 1 WHERE id = :entity", **keys})

    def deal(self, entity="1"):
        """(stage, how often it was written)"""
        db = sqlite3.connect(self.crm_path)
        try:
            return db.execute("SELECT stage, writes FROM deal WHERE id = ?", [entity]).fetchone()
        finally:
            db.close()

    def write_config(self):
        with open(self.conf, "w") as f:
            for name, keys in self.sections.items():
                f.write(f"[{name}]\n")
                for key, value in keys.items():
                    if value is not None:
                        f.write(f"{key} = " + str(value).replace("\n", "\n    ") + "\n")

    # life

    def launch(self, **env):
        """Starts the daemon without waiting for it."""
        check(self.daemon is None, "the daemon runs already")
        self.write_config()
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **self.env, **env}
        if "ASAN_OPTIONS" in os.environ:
            environment["ASAN_OPTIONS"] = os.environ["ASAN_OPTIONS"]
        with open(self.log, "ab") as log:
            self.daemon = spawn([*self.wrapper, os.path.join(BUILD, "roused"), "-c", self.conf], stdin=subprocess.DEVNULL,
                                stdout=log, stderr=log, env=environment)

    def start(self, **env):
        self.launch(**env)

        def ready():
            if self.daemon.poll() is not None:
                raise SystemError(f"roused ended with {self.daemon.returncode} instead of starting")
            return self.api("GET", "/readyz").status == 200

        try:
            wait("roused is ready", ready, 20)
        except SystemError as e:
            self.daemon = None
            raise Failed(str(e)) from None

    def ended(self, within=20):
        """Waits for the daemon's end; its exit status (negative: signal)."""
        try:
            code = self.daemon.wait(within * PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failed("roused does not end") from None
        self.daemon = None
        return code

    def refuses_to_start(self, *words):
        """The daemon ends by itself, not well, and says these words."""
        self.launch()
        code = self.ended()
        check(code > 0, f"roused should refuse to start, and ended with {code}")
        for word in words:
            check(word in self.log_text(), f"it should say {word!r}")
        return code

    def stop(self):
        self.daemon.terminate()
        expect(self.ended(), 0, "exit status of roused after SIGTERM")

    def kill_9(self):
        self.daemon.kill()
        self.ended()

    def restart(self, **env):
        self.stop()
        self.start(**env)

    def is_alive(self):
        return self.daemon is not None and self.daemon.poll() is None

    def log_text(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    # talking to it

    def request(self, connection, method, path, body=None, headers=None):
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        headers = {"Content-Type": "application/json", **(headers or {})}
        try:
            connection.request(method, path, body.encode() if isinstance(body, str) else body, headers)
            answer = connection.getresponse()
            return Reply(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def api(self, method, path, body=None, headers=None, timeout=20):
        return self.request(_UnixConnection(self.socket, timeout * PATIENCE), method, path, body, headers)

    def http(self, method, path, body=None, headers=None, timeout=20):
        return self.request(http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout * PATIENCE), method, path, body, headers)

    def get(self, path):
        return self.api("GET", path).expect(200).json

    def items(self, path):
        return self.get(path)["items"]

    def deliver(self, hook, body=None, id=None, secret=SECRET, event="pull_request", headers=None, timeout=20):
        """A signed GitHub delivery; a new one each time unless id says otherwise."""
        if not isinstance(body, bytes):
            body = json.dumps(PUSH if body is None else body).encode()
        self.delivered += 1
        known = {"X-GitHub-Event": event, "X-GitHub-Delivery": id or f"delivery-{self.delivered}", "X-Hub-Signature-256": sign(body, secret)}
        known.update(headers or {})
        return self.http("POST", "/hooks/" + hook, body, {k: v for k, v in known.items() if v is not None}, timeout)

    def cli(self, *words, expect_code=0, stdin=None, env=None, timeout=60):
        process = spawn([os.path.join(BUILD, "rouse"), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "ROUSE_SOCKET": self.socket, **(env or {})})
        try:
            out, err = process.communicate(stdin, timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Failed(f"rouse {' '.join(words)} does not end") from None
        said = Said(process.returncode, out, err)
        if expect_code is not None and process.returncode != expect_code:
            raise Failed(f"rouse {' '.join(words)}: expected exit {expect_code}: {said}")
        return said

    # what it knows

    def run(self, id):
        return self.get("/v1/runs/" + id)

    def runs(self, **filters):
        return self.items("/v1/runs?limit=1000" + "".join(f"&{k}={v}" for k, v in filters.items()))

    def wait_run(self, id, status, within=20):
        final = ("succeeded", "failed", "cancelled", "skipped")

        def there():
            run = self.run(id)
            if run["status"] in final and run["status"] != status:
                raise SystemError(f"run {id} should be {status}, and is {run['status']}: {run.get('reason')} {run.get('error')}")
            return run if run["status"] == status else None

        try:
            return wait(f"run {id} is {status}", there, within)
        except SystemError as e:
            raise Failed(str(e)) from None

    def changes(self, **filters):
        return self.items("/v1/changes?limit=1000" + "".join(f"&{k}={v}" for k, v in filters.items()))

    def wait_change(self, id, status, within=20):
        return wait(f"change {id} is {status}", lambda: (lambda c: c if c["status"] == status else None)(self.get("/v1/changes/" + id)), within)

    def event_of(self, run):
        return self.get("/v1/events/" + self.run(run)["event_id"])

    def marks(self, name="mark"):
        """Lines of a file that agents wrote: `echo x >>$D/mark`."""
        try:
            with open(os.path.join(self.dir, name)) as f:
                return f.read().splitlines()
        except FileNotFoundError:
            return []

    def strays(self):
        """Processes and zombies below the daemon or left to us that are not of Rouse itself."""
        own = ("roused", "rouse-shim", "rouse-jq", "rouse-git", "rouse-mime", "rouse")
        found = []
        with _lock:
            for pid, state in descendants().items():
                line = cmdline(pid)
                if state == "Z":
                    if pid in _own or _stat_or_none(pid) is None:
                        continue
                    found.append(f"{pid} zombie of {_stat_or_none(pid)[1]}")
                elif os.path.basename(line.split(" ")[0]) not in own and pid not in _own:
                    found.append(f"{pid} {line}")
        return found

    def nothing_left(self, within=15):
        wait("no process of an agent survives", lambda: not self.strays() or (_ for _ in ()).throw(Failed(str(self.strays()))), within)

    def is_clean(self):
        """No sanitizer has complained."""
        text = self.log_text() if os.path.exists(self.log) else ""
        for word in ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "double free"):
            if word in text:
                for line in text[text.index(word) :].splitlines()[:60]:
                    print("#   ! " + line)
                raise Failed(word)

    def close(self):
        if self.daemon is not None and self.daemon.poll() is None:
            self.daemon.kill()
            self.daemon.wait()
        end_all()
        shutil.rmtree(self.dir, ignore_errors=True)


def _stat_or_none(pid):
    try:
        return _stat(pid)
    except (OSError, ValueError):
        return None


# --- TAP ------------------------------------------------------------------------------------------

_scenarios = []


def scenario(sentence):
    def add(f):
        _scenarios.append((sentence, f))
        return f

    return add


def needs_program(name):
    if not shutil.which(name):
        raise Skip(f"{name} is not installed")


def needs_root():
    if os.geteuid() != 0:
        raise Skip("only root can do that")


def control_groups(rouse):
    """A folder of control groups that is the daemon's, gone at the end; None where there can be none."""
    for mount in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        base = f"{mount}/rouse-test-{os.getpid()}-{os.path.basename(rouse.dir)}"
        try:
            if os.path.exists(mount + "/cgroup.controllers"):
                os.mkdir(base)
                break
        except OSError:
            pass
    else:
        return None

    def remove():
        for folder, _, _ in os.walk(base, topdown=False):
            os.rmdir(folder)

    atexit.register(remove)
    if not os.path.exists(base + "/cgroup.kill"):
        return None
    rouse.section("daemon", cgroup=base)
    return base


def is_sanitized():
    with open(os.path.join(BUILD, "roused"), "rb") as f:
        return b"__asan_init" in f.read()


class Clock:
    """The daemon's wall clock, to be set; the others stay true."""

    def __init__(self, rouse):
        if is_sanitized():
            raise Skip("a preloaded clock and the sanitizers do not go together")
        self.path = os.path.join(rouse.dir, "clockshift")
        library = os.path.join(rouse.dir, "clockshift.so")
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, shared("chaos/resources/clockshift.c"), "-ldl"], check=True)
        self.set(0)
        rouse.env.update(LD_PRELOAD=library, CLOCKSHIFT=self.path)

    def set(self, seconds):
        with open(self.path + ".n", "w") as f:
            f.write(f"{seconds}\n")
        os.rename(self.path + ".n", self.path)
        self.shift = seconds

    def now(self):
        return time.time() + self.shift


def main():
    """Runs every scenario (or those whose sentence contains a word of the command line)."""
    chosen = [s for s in _scenarios if len(sys.argv) < 2 or any(word in s[0] for word in sys.argv[1:])]
    print(f"1..{len(chosen)}", flush=True)
    failed = 0
    for number, (sentence, f) in enumerate(chosen, 1):
        rouse = Rouse()
        began = time.monotonic()
        try:
            f(rouse)
            check(rouse.daemon is None or rouse.is_alive(), "roused ended by itself")
            if rouse.daemon:
                rouse.stop()
            rouse.is_clean()
            print(f"ok {number} - {sentence}")
        except Skip as e:
            print(f"ok {number} - {sentence} # SKIP {e}")
        except BaseException as e:
            failed += 1
            print(f"not ok {number} - {sentence}")
            if isinstance(e, Failed):
                where = traceback.extract_tb(e.__traceback__)
                line = next((t for t in where if not t.filename.endswith("lib.py")), where[-1])
                print(f"# {os.path.basename(line.filename)}:{line.lineno}: {e}")
            else:
                for line in traceback.format_exc().splitlines():
                    print("# " + line)
            if os.path.exists(rouse.log):
                for line in rouse.log_text().splitlines()[-40:]:
                    print("#   | " + line[:400])
            if not isinstance(e, Exception):
                raise
        finally:
            if os.environ.get("ROUSE_TEST_KEEP"):
                print(f"# {rouse.dir}")
                rouse.dir = "/nonexistent"
            rouse.close()
        print(f"#   {time.monotonic() - began:.2f} s", flush=True)
    sys.exit(1 if failed else 0)
