# For scenarios of git: real repositories, what is seen of them, and branches that are targets.
# SPDX-License-Identifier: MIT
import base64
import http.server
import random
import urllib.parse

from lib import *

NOTE = 'read -r e; printf "%s\\n" "$e" >>$D/mark\n'


class Repo:
    """A real repository, made by the real git."""

    def __init__(self, rouse, name="repo", bare=False):
        self.path = os.path.join(rouse.dir, name)
        self.env = {"PATH": os.environ["PATH"], "HOME": rouse.dir, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0",
                    **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "Ann"), ("EMAIL", "ann@example.org"))}}
        needs_program("git")
        os.makedirs(self.path)
        self("init", "-q", "-b", "main", *(["--bare"] if bare else []))

    def __call__(self, *words, stdin=None):
        done = subprocess.run(["git", "-C", self.path, *words], env=self.env, input=stdin, capture_output=True, timeout=120)
        check(done.returncode == 0, f"git {' '.join(words)}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode(errors="replace").strip()

    def put(self, name, content):
        """A file of the work tree; bytes, or text."""
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        return path

    def save(self, message="change"):
        """Everything of the work tree as a commit."""
        self("add", "-A")
        self("commit", "-q", "-m", message)
        return self("rev-parse", "HEAD")

    def trap(self, mark):
        """Whatever could run of this repository leaves a mark."""
        for hook in ("pre-commit", "commit-msg", "post-commit", "post-checkout", "post-merge", "pre-push", "update", "pre-receive", "post-receive", "reference-transaction", "post-update", "post-index-change"):
            path = os.path.join(self("rev-parse", "--absolute-git-dir"), "hooks", hook)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as f:
                f.write(f"#!/bin/sh\ntouch {mark}\n")
            os.chmod(path, 0o755)
        evil = f"touch {mark}"
        for key in ("filter.evil.clean", "filter.evil.smudge", "core.fsmonitor", "core.sshCommand", "credential.helper", "core.pager", "core.editor", "gpg.program", "diff.external"):
            self("config", key, "!" + evil if key == "credential.helper" else evil)

    def commit(self, message="change", path="f", text=None):
        full = os.path.join(self.path, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "a") as f:
            f.write(text or f"{random.random()}\n")
        self("add", path)
        self("commit", "-q", "-m", message)
        return self("rev-parse", "HEAD")

    def tree_commit(self, message, parent=None):
        """A commit on no branch: fast, and in a bare repository too."""
        tree = self("hash-object", "-t", "tree", "-w", "--stdin", stdin=b"")
        return self("commit-tree", tree, "-m", message, *(["-p", parent] if parent else []))


class Backend(http.server.BaseHTTPRequestHandler):
    """git http-backend behind HTTP; with a password if the server has one."""

    protocol_version = "HTTP/1.0"

    def serve(self):
        server = self.server
        if server.hang:
            server.stop.wait(60)
            return
        if server.elsewhere and "libgit2" not in self.headers.get("User-Agent", ""):
            server.turned_away += 1
            self.send_response(302)
            self.send_header("Location", server.elsewhere + self.path)
            self.end_headers()
            return
        user = "Basic " + base64.b64encode(server.password.encode()).decode() if server.password else None
        if user and self.headers.get("Authorization") != user:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.end_headers()
            return
        url = urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if server.gate:
            server.gate(self.command, url.path, body)
        env = {"PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": server.root, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": urllib.parse.unquote(url.path), "QUERY_STRING": url.query,
               "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", ""), "REMOTE_ADDR": "127.0.0.1", "GIT_CONFIG_COUNT": "1",
               "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*", "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""), "GIT_PROTOCOL": self.headers.get("Git-Protocol", "")}
        done = subprocess.run(["git", "http-backend"], env=env, input=body, capture_output=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        status = next((int(v.split()[0]) for k, v in headers if k == "Status"), 200)
        self.send_response(status)
        for k, v in headers:
            if k != "Status":
                self.send_header(k, v)
        if server.tidy:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        server.sent += len(content)
        try:
            self.wfile.write(content)
        except ConnectionError:
            pass  # it has enough

    do_GET = do_POST = serve

    def log_message(self, *_):
        pass


def serve(rouse, password=None):
    needs_program("git")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    server.daemon_threads = True
    server.root, server.password, server.hang, server.sent, server.stop = rouse.dir, password, False, 0, threading.Event()
    server.gate, server.tidy, server.elsewhere, server.turned_away = None, False, None, 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    return server


class Ssh:
    """What ssh_server() started: port, home (keys host, user, other; known and unknown hosts), daemon."""


def ssh_server(rouse):
    sshd = shutil.which("sshd") or "/usr/sbin/sshd"
    if not os.path.exists(sshd) or not shutil.which("ssh-keygen"):
        raise Skip("openssh-server is not installed")
    needs_root()
    server = Ssh()
    server.port, server.home = free_port(), os.path.join(rouse.dir, "ssh")
    home = server.home
    os.makedirs(home)
    os.chmod(rouse.dir, 0o755)
    os.makedirs("/run/sshd", exist_ok=True)
    for name in ("host", "user", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", os.path.join(home, name)], check=True)
    with open(os.path.join(home, "config"), "w") as f:
        f.write(f"Port {server.port}\nListenAddress 127.0.0.1\nHostKey {home}/host\nAuthorizedKeysFile {home}/user.pub\nStrictModes no\nUsePAM no\nPidFile none\nPasswordAuthentication no\nPermitRootLogin yes\n")
    server.daemon = spawn([sshd, "-D", "-e", "-f", os.path.join(home, "config")], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(os.path.join(home, "log"), "wb"))
    wait("it listens", lambda: socket.create_connection(("127.0.0.1", server.port), 1).close() is None)
    for name in ("known", "unknown"):
        key = open(os.path.join(home, ("host" if name == "known" else "other") + ".pub")).read().split()
        with open(os.path.join(home, name), "w") as f:
            f.write(f"[127.0.0.1]:{server.port} {key[0]} {key[1]}\n")
    return server


def house(rouse, repo, **trigger):
    rouse.agent("note", NOTE, concurrency=8)
    rouse.section("trigger code", **{"source": "git", "repo": repo, "agent": "note", "poll": "1s", "overlap": "allow", **trigger})
    rouse.start()
    learned(rouse)


def health(rouse, name="code"):
    return next(t for t in rouse.items("/v1/triggers") if t["name"] == name)


def learned(rouse, name="code"):
    wait("the first look is done", lambda: health(rouse, name)["health"] == "ok")


def seen(rouse, n, within=20):
    marks = wait(f"{n} events", lambda: rouse.marks() if len(rouse.marks()) >= n else None, within)
    expect(len(marks), n, "events")
    return [json.loads(m)["payload"] for m in marks]


def events(rouse, **filters):
    return rouse.items("/v1/events?limit=1000" + "".join(f"&{k}={v}" for k, v in filters.items()))


# --- targets ---------------------------------------------------------------------------------------


def proposal(entity, op="update", **more):
    return {"type": "change", "target": "repo", "entity": entity, "op": op, "reason": "because\nRouse-Cause: forged", **more}


FOUR = (proposal("app.json", patch={"rate": 7}), proposal("doc/a.txt", patch="@@ -1,2 +1,2 @@\n one\n-two\n+zwei\n"), proposal("old", "delete"),
        proposal("new/deep/file", "create", after="new\n"))


def target_repos(rouse):
    """rouse.repo is bare, rouse.tree a work tree whose main is pushed there; hooks and filters of the former leave rouse.pwned."""
    rouse.repo, rouse.tree, rouse.pwned = Repo(rouse, "repo.git", bare=True), Repo(rouse, "tree"), os.path.join(rouse.dir, "pwned")
    for name, text in (("app.json", '{"rate":5}\n'), ("doc/a.txt", "one\ntwo\n"), ("old", "old\n")):
        rouse.tree.put(name, text)
    rouse.first = rouse.tree.save("first")
    give(rouse)
    rouse.repo.trap(rouse.pwned)


def give(rouse):
    """The work tree's main to the repository, without its hooks."""
    hooks = os.path.join(rouse.repo.path, "hooks")
    os.rename(hooks, hooks + ".off")
    rouse.tree("push", "-q", rouse.repo.path, "main")
    os.rename(hooks + ".off", hooks)


def target_house(rouse, *messages, mode="stage", **keys):
    """An agent that proposes these for the target `repo`, and a hook that wakes it."""
    target_repos(rouse)
    rouse.section("target repo", kind="git", repo=rouse.repo.path, **{"retry__base": "50ms", "retry__cap": "200ms", **keys})
    rouse.agent("a", says(*messages, RESULT), targets="repo")
    rouse.webhook("push", agent="a", mode=mode)


def push(rouse, status="succeeded"):
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, status, 60)
    return run


def apply(rouse, run, code=0):
    rouse.cli("approve", run, "--all")
    rouse.cli("apply", run, "--yes", expect_code=code)
    return {c["entity"]: c for c in rouse.changes(run=run)}


def refusals(rouse, run):
    """What the run's log says of proposals that do not stand."""
    rows = rouse.cli("run", "logs", run, "--json").lines
    return [row["data"]["text"] for row in rows if row["type"] == "log" and "refused" in row["data"].get("fields", {})]


def rouse_keys(repo, branch="main"):
    return [line for line in repo("log", "--format=%B", branch).splitlines() if line.startswith("Rouse-Key: ")]
