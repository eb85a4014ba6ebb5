# For scenarios of git triggers: real repositories, and what is seen of them.
# SPDX-License-Identifier: MIT
import random

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
