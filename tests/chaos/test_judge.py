#!/usr/bin/env python3
# Unit tests of the judge: a good record passes; each promise that is broken is seen, and called by its name.
# SPDX-License-Identifier: MIT
import os
import subprocess
import sys
import tempfile
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from judge import Evidence, judge, shortened

_tests = []


def it(sentence):
    return lambda f: _tests.append((sentence, f)) or f


def run(id, seq, **more):
    return {"id": id, "seq": seq, "trigger": "hook", "key": f"k{seq}", "entity": None, "status": "succeeded", "reason": None, "held": None, "started": seq * 10,
            "ended": seq * 10 + 5, "attempts": 1, "cost": 0, "cost_limit": -1, "tenant": None, "tick": None, "unread": 0, **more}


def good():
    """Five runs: two of an entity, one that spends, two ticks; a change by each of two targets."""
    ends = [["succeeded", None]]
    e = Evidence()
    e.sent = {"k1": {"ends": ends, "effects": 1, "emits": False}, "k2": {"ends": ends, "effects": 1, "emits": True},
              "k3": {"ends": [["failed", "budget_cost"]], "effects": 0, "emits": False}}
    e.acks = [("k1", "a"), ("k1", "a"), ("k2", "b"), ("k3", "c")]
    e.runs = [run("a", 1, entity="x"), run("b", 2, entity="x", attempts=2), run("c", 3, status="failed", reason="budget_cost", cost=210, cost_limit=200, tenant="t"),
              run("d", 4, trigger="tick", tick=100), run("e", 5, trigger="tick", tick=101)]
    e.events = [{"outcome": "ran", "run": id, "trigger": "hook"} for id in "abcde"] + [{"outcome": "replayed", "run": "a", "trigger": "hook"}]
    e.attempts = [{"run": id, "n": 1, "status": {"b": "lost", "c": "failed"}.get(id, "succeeded"), "cost": 210 if id == "c" else 0} for id in "abcde"]
    e.attempts.append({"run": "b", "n": 2, "status": "succeeded", "cost": 0})
    e.starts = [("a", 1), ("b", 1), ("b", 2)]
    e.changes = [{"id": "c1", "run": "a", "key": "1", "status": "applied"}, {"id": "c2", "run": "b", "key": "2", "status": "applied"}]
    e.deeds = [("c1", "e1"), ("c2", "e2")]
    e.budgets = {("tenant", "t", "2026-11-20"): 210}
    e.limits, e.message = {("tenant", "t"): 200}, 30
    e.heard = ["k2"]
    return e


def breaks(sentence, kind, *words):
    """f spoils a good record; the judge says kind, in a sentence with these words, and nothing of another kind."""

    def add(f):
        @it(sentence)
        def _():
            e = good()
            f(e)
            faults = judge(e)
            assert faults, "the judge sees nothing"
            assert {k for k, _ in faults} == {kind}, f"the judge says {faults}"
            for word in words:
                assert any(word in s for _, s in faults), f"{word!r} is not in {faults}"

        return f

    return add


@it("a record in which every promise was kept has no fault")
def _():
    assert judge(good()) == [], judge(good())


@it("an empty record has no fault")
def _():
    assert judge(Evidence()) == []


@it("evidence that nobody knows is refused")
def _():
    try:
        Evidence(budget=1)
    except AttributeError:
        return
    raise AssertionError("it was taken")


@breaks("a change applied twice is seen, by the target's own journal", "doubled", "c1", "2 times")
def _(e):
    e.deeds.append(("c1", "e1b"))


@breaks("an effect done under two changes is seen", "doubled", "e1", "different changes")
def _(e):
    e.deeds[1] = ("c2", "e1")


@breaks("a change that is applied and was never done is seen", "lost", "c2", "0 times")
def _(e):
    del e.deeds[1]


@breaks("a change left in the air is seen", "unfinished", "c1", "applying")
def _(e):
    e.changes[0]["status"] = "applying"


@breaks("a deed that is no change is seen", "unknown deed", "c9")
def _(e):
    e.deeds.append(("c9", "e9"))


@breaks("a change that a run proposed and nobody kept is seen", "changes", "k1", "expected 1")
def _(e):
    del e.changes[0], e.deeds[0]


@breaks("a lost event is seen: acknowledged, and no run of it", "lost", "k9", "not there")
def _(e):
    e.acks.append(("k9", "z"))


@breaks("an acknowledged run without an event is seen", "lost", "k3", "no event")
def _(e):
    e.events = [v for v in e.events if v["run"] != "c"]


@breaks("an outcome that is no word is seen", "accounting", "vanished")
def _(e):
    e.events.append({"outcome": "vanished", "run": None, "trigger": "hook"})


@breaks("a run that never ended is seen", "unfinished", "queued")
def _(e):
    e.runs[2].update(status="queued", reason=None)


@it("a run that waits for its budget is accounted for")
def _():
    e = good()
    e.runs[2].update(status="queued", reason=None, held="tenant/t")
    assert judge(e) == [], judge(e)


@breaks("a key acknowledged as two runs is seen", "doubled", "k1", "2 runs")
def _(e):
    e.acks.append(("k1", "d"))
    e.changes.append({"id": "c3", "run": "d", "key": "3", "status": "applied"})
    e.deeds.append(("c3", "e3"))


@breaks("a key with two runs is seen, also when only one was acknowledged", "doubled", "k1")
def _(e):
    e.runs[3]["key"], e.runs[3]["trigger"] = "k1", "hook"


@breaks("two requests without a key that were given one run are seen", "doubled", "without a key")
def _(e):
    e.acks += [(None, "d"), (None, "d")]


@breaks("a run that ended otherwise than its agent did is seen", "wrong end", "exhausted")
def _(e):
    e.runs[2]["reason"] = "exhausted"


@breaks("two completions of a run are seen", "completion", "2 of its attempts")
def _(e):
    e.attempts[1]["status"] = "succeeded"


@breaks("a success without an attempt that succeeded is seen", "completion", "0 of its attempts")
def _(e):
    e.attempts[0]["status"] = "lost"


@breaks("an attempt started twice is seen", "doubled", "started 2 times")
def _(e):
    e.starts.append(("b", 2))


@breaks("an attempt that nothing tells of is seen", "attempts", "nothing tells")
def _(e):
    e.starts.append(("b", 3))


@breaks("an attempt missing between others is seen", "attempts", "run b counts 2")
def _(e):
    e.attempts = [a for a in e.attempts if (a["run"], a["n"]) != ("b", 1)]


@breaks("an attempt that runs on after its run is seen", "attempts", "still running")
def _(e):
    e.attempts[1]["status"] = "running"


@breaks("a day overspent by more than a message is seen", "overspent", "tenant t spent 231")
def _(e):
    e.budgets = {("tenant", "t", "2026-11-20"): 231}
    e.runs[2]["cost"] = e.attempts[2]["cost"] = 231
    e.runs[2]["cost_limit"] = -1


@breaks("a run overspent by more than a message is seen", "overspent", "run c cost 231")
def _(e):
    e.budgets = {("tenant", "t", "2026-11-20"): 200, ("tenant", "t", "2026-11-21"): 31}
    e.runs[2]["cost"] = e.attempts[2]["cost"] = 231


@it("a day overspent by one message is what was promised")
def _():
    e = good()
    e.budgets = {("tenant", "t", "2026-11-20"): 230}
    e.runs[2]["cost"] = e.attempts[2]["cost"] = 230
    assert judge(e) == [], judge(e)


@it("what was said while no daemon lived counts as one message")
def _():
    e = good()
    e.budgets = {("tenant", "t", "2026-11-20"): 260}
    e.runs[2].update(cost=260, unread=2)
    e.attempts[2]["cost"] = 260
    assert judge(e) == [], judge(e)
    e.runs[2]["unread"] = 1
    assert {k for k, _ in judge(e)} == {"overspent"}, judge(e)


@breaks("money that the ledger forgot is seen", "sums", "tenant t")
def _(e):
    e.budgets = {("tenant", "t", "2026-11-20"): 180}


@breaks("money that a run forgot is seen", "sums", "run c")
def _(e):
    e.attempts[2]["cost"] = 180


@breaks("runs of one entity that overlap are seen", "order", "run b")
def _(e):
    e.runs[1]["started"] = 14


@breaks("runs of one entity in another order are seen", "order", "x")
def _(e):
    e.runs[0].update(started=30, ended=35)


@it("where the clock was set, order in time is not judged")
def _():
    e = good()
    e.runs[1]["started"], e.clock_jumped = 14, True
    e.runs[4]["tick"] = 1000
    assert judge(e) == [], judge(e)


@breaks("a tick that ran twice is seen", "doubled", "tick of 100")
def _(e):
    e.runs[4]["tick"] = 100


@breaks("a tick that is missing is seen", "lost", "tick of 101")
def _(e):
    e.runs[4]["tick"] = 102


@breaks("an emitted event that nobody heard is seen", "lost", "k2", "0 times")
def _(e):
    e.heard = []


@breaks("an emitted event heard twice is seen", "doubled", "k2", "2 times")
def _(e):
    e.heard = ["k2", "k2"]


@breaks("a process that is left is seen", "left", "sleep 600")
def _(e):
    e.left.append("4711 sleep 600")


@breaks("what was seen on the way is told", "seen", "ended by itself")
def _(e):
    e.notes.append("roused ended by itself")


@it("many faults of a kind are told as a few and a number")
def _():
    told = list(shortened([("lost", f"run {n}") for n in range(20)]))
    assert len(told) == 6 and "15 more" in told[-1], told


@it("the program says no to a folder that holds no evidence")
def _():
    with tempfile.TemporaryDirectory() as folder:
        judge_py = os.path.join(os.path.dirname(os.path.abspath(__file__)), "judge.py")
        done = subprocess.run([sys.executable, judge_py, folder], capture_output=True)
        assert done.returncode != 0, done


def main():
    print(f"1..{len(_tests)}")
    failed = 0
    for number, (sentence, f) in enumerate(_tests, 1):
        try:
            f()
            print(f"ok {number} - {sentence}")
        except Exception:
            failed += 1
            print(f"not ok {number} - {sentence}")
            for line in traceback.format_exc().splitlines():
                print("# " + line)
    sys.exit(1 if failed else 0)


main()
