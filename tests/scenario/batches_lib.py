# What the scenarios about batches share.
# SPDX-License-Identifier: MIT
import re

from lib import *

# Leaves a mark, and proposes a change of its entity. $B: what it does first.
TAG = """read -r e
id=${e#*'"payload":{"id":"'}; id=${id%%%%'"'*}
echo "$id" >>$D/mark
%s
echo '{"type":"usage","cost_usd":0.01}'
echo '{"type":"change","target":"crm","op":"update","entity":"'"$id"'","after":{"stage":"won"}}'
"""


def tagger(rouse, before="", **keys):
    rouse.crm()
    rouse.agent("tag", TAG % before, targets="crm", **{"concurrency": 4, "retry__attempts": 1, **keys})


def csv(rouse, ids, name="deals.csv", head="id,name", end="\n"):
    write(rouse, name, head + end + "".join(f'{i},"deal ""{i}"""{end}' for i in ids))


def write(rouse, name, text, mode="w"):
    with open(os.path.join(rouse.dir, name), mode + ("" if isinstance(text, str) else "b"), **({"newline": ""} if isinstance(text, str) else {})) as f:
        f.write(text)


def batch(rouse, entities="csv:deals.csv", name="tag", **keys):
    rouse.section("batch " + name, **{"agent": "tag", "entities": entities, **keys})


def begin(rouse, name="tag", **options):
    return rouse.api("POST", f"/v1/batches/{name}/start", options).expect(202).json["id"]


def shown(rouse, id):
    return rouse.get("/v1/batches/" + id)


def reaches(rouse, id, state, within=60):
    def there():
        b = shown(rouse, id)
        if b["state"] in ("review", "done", "failed", "cancelled") and b["state"] != state:
            raise SystemError(f"batch {id} should be {state}: {b}")
        return b if b["state"] == state else None

    try:
        return wait(f"batch {id} is {state}", there, within)
    except SystemError as e:
        raise Failed(str(e)) from None


def entities(rouse, id, status=None):
    got, after = [], ""
    while True:
        page = rouse.get(f"/v1/batches/{id}/entities?limit=500" + (f"&status={status}" if status else "") + after)
        got += page["items"]
        if not page["next"]:
            return got
        after = f"&after={page['next']}"


def runs_of(rouse, id):
    """{entity: how many runs} as the database has it."""
    db = sqlite3.connect(rouse.db)
    try:
        return dict(db.execute("SELECT entity, COUNT(*) FROM runs WHERE batch = ? GROUP BY entity", [id]).fetchall())
    finally:
        db.close()


def once_each(rouse, id, ids):
    got = runs_of(rouse, id)
    expect(sorted(got), sorted(str(i) for i in ids), "entities that ran")
    expect({e: n for e, n in got.items() if n != 1}, {}, "entities that did not run once")
