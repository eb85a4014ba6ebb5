# What the scenarios of files share: a daemon that watches a folder, and what it saw.
# SPDX-License-Identifier: MIT
import base64
from lib import *


def house(rouse, root="in", start=True, **trigger):
    """A daemon that watches a folder; what it saw is read from its events."""
    rouse.root = os.path.join(rouse.dir, root)
    os.makedirs(rouse.root, exist_ok=True)
    rouse.agent("seen", "read -r e\n", concurrency="8")
    keys = {"source": "file", "agent": "seen", "path": rouse.root, "settle": "300ms", "overlap": "allow", **trigger}
    rouse.section("trigger drop", **keys)
    if start:
        rouse.start()


def at(rouse, *names):
    return os.path.join(rouse.root, *names)


def write(path, text="x"):
    with open(path, "wb" if isinstance(text, bytes) else "w") as f:
        f.write(text)


def documents(rouse, trigger="drop"):
    """Documents of all events of the trigger, oldest first, from the database."""
    db = sqlite3.connect(f"file:{rouse.db}?mode=ro", uri=True)
    try:
        rows = db.execute("SELECT document, outcome FROM events WHERE trigger = ? ORDER BY seq", [trigger]).fetchall()
    finally:
        db.close()
    return [{**json.loads(d)["data"], "outcome": o} for d, o in rows]


def seen(rouse):
    """(event, path below the root) of all events that ran."""
    return [(d["event"], d["relative"]) for d in documents(rouse) if d["outcome"] == "ran"]


def fence(rouse, name=None):
    """All that was done before is through: a file written now was seen."""
    rouse.fences = getattr(rouse, "fences", 0) + 1
    name = name or f"fence-{rouse.fences}"
    write(at(rouse, name))
    wait(f"{name} is seen", lambda: ("create", name) in seen(rouse), 30)


def story(rouse, *but):
    """What was seen until now, without fences."""
    fence(rouse)
    return [(e, p) for e, p in seen(rouse) if not p.startswith("fence-") and p not in but]
