#!/usr/bin/env python3
# Scenario: looking at a few says something of all; decisions made in a spreadsheet come back.
# SPDX-License-Identifier: MIT
import csv
import io

from lib import *


def proposing(rouse, messages):
    rouse.agent("a", says(*messages, RESULT), targets="crm")
    rouse.crm()
    rouse.webhook("push", agent="a")
    rouse.start()
    run = rouse.deliver("push").expect(202).run_id
    rouse.wait_run(run, "succeeded")
    return run


def many(n=300):
    return [change(entity=f"e{i}", op="delete" if i % 30 == 0 else "update", before={"stage": "new"}, after={"stage": "won"}) for i in range(n)]


def drawn(rouse, run, **how):
    sample = rouse.api("POST", "/v1/samples", {"of": run, **how}).expect(201).json
    look = rouse.get("/v1/diff?sample=" + sample["id"])["look"]
    return sample, rouse.items(f"/v1/diff/{look}?limit=500")


@scenario("a sample is drawn of each group, the same again with the same seed, another with another")
def _(rouse):
    run = proposing(rouse, many())
    sample, first = drawn(rouse, run, size=30, seed=7)
    expect((sample["size"], sample["population"], sample["open"]), (30, 300, 30), "the sample")
    expect(sum(c["op"] == "delete" for c in first), 1, "deletions, a thirtieth of all")
    expect([c["id"] for c in drawn(rouse, run, size=30, seed=7)[1]], [c["id"] for c in first], "drawn again")
    check([c["id"] for c in drawn(rouse, run, size=30, seed=8)[1]] != [c["id"] for c in first], "another seed draws others")
    expect(drawn(rouse, run)[0]["size"], 59, "as many as it takes")
    expect(drawn(rouse, run, size=1000)[0]["size"], 300, "never more than there are")
    for bad in ({"size": -1}, {"confidence": 1}, {"max_defect": 0}, {"of": "nobody"}, {"of": first[0]["id"]}):
        check(rouse.api("POST", "/v1/samples", {"of": run, **bad}).status in (400, 404), str(bad))


@scenario("approve --sampled is refused until the sample was looked at, and then approves all the others")
def _(rouse):
    run = proposing(rouse, many())
    check("no sample" in rouse.cli("approve", run, "--sampled", expect_code=4).err, "no sample was drawn")
    sample, items = drawn(rouse, run, size=59, seed=1)
    check("59 of the 59" in rouse.cli("approve", run, "--sampled", expect_code=4).err, "nothing was looked at")
    ids = [c["id"] for c in items]
    rouse.api("POST", "/v1/decide", {"decision": "approve", "changes": ids[:58]}).expect(200)
    check("1 of the 59" in rouse.cli("approve", run, "--sampled", expect_code=4).err, "one is left")
    rouse.api("POST", "/v1/decide", {"decision": "approve", "changes": ids[58:]}).expect(200)
    check("59 reviewed, 0 rejected: with 95 % confidence fewer than 5.0 % of the 300 are wrong" in rouse.cli("sample", "show", run).out, "the sentence")
    check("approved 241 changes" in rouse.cli("approve", run, "--sampled").out, "the others")
    expect([c for c in rouse.changes(run=run, status="proposed")], [], "what is open")


@scenario("a sample with too many wrong approves nothing, nor does one of what has changed since")
def _(rouse):
    run = proposing(rouse, many())
    sample, items = drawn(rouse, run, size=59, seed=1)
    ids = [c["id"] for c in items]
    rouse.api("POST", "/v1/decide", {"decision": "approve", "changes": ids[1:]}).expect(200)
    rouse.cli("reject", ids[0], "--reason", "wrong")
    said = rouse.cli("approve", run, "--sampled", expect_code=4).err
    check("59 reviewed, 1 rejected" in said and "7.8 %" in said, said)
    sample, items = drawn(rouse, run, size=59, seed=2, max_defect=0.1)
    rouse.api("POST", "/v1/decide", {"decision": "approve", "changes": [c["id"] for c in items]}).expect(200)
    [other] = rouse.items(f"/v1/changes?run={run}&status=proposed&limit=1")
    rouse.cli("edit", other["id"], "--data", '{"stage":"lost"}')
    said = rouse.cli("approve", run, "--sampled", expect_code=4).err
    check("not those any more that the sample was drawn from" in said, said)
    expect(rouse.get("/v1/changes/" + other["id"])["status"], "proposed", "the edited one")


@scenario("an edited change of the sample counts as wrong")
def _(rouse):
    run = proposing(rouse, many())
    sample, items = drawn(rouse, run, size=59, seed=1)
    rouse.cli("edit", items[5]["id"], "--data", '{"stage":"lost"}')
    rouse.api("POST", "/v1/decide", {"decision": "approve", "changes": [c["id"] for c in items]}).expect(200)
    got = rouse.get("/v1/samples?of=" + run)
    expect((got["good"], got["wrong"], got["open"], got["enough"]), (58, 1, 0, False), "the sample")


@scenario("rouse sample plan says how many to look at")
def _(rouse):
    rouse.start()
    out = rouse.cli("sample", "plan").out
    check("59, when 0 of them are wrong" in out and "93, when 1 of them is wrong" in out, out)
    check("299, when 0" in rouse.cli("sample", "plan", "--max-defect", "1%").out, "one in a hundred")
    check("20, when 0" in rouse.cli("sample", "plan", "20").out, "never more than there are")
    rouse.cli("sample", "plan", "--confidence", "100%", expect_code=2)
    rouse.cli("sample", "plan", "--max-defect", "nothing", expect_code=2)


# --- spreadsheets ---------------------------------------------------------------------------------


def table(rouse, run):
    text = rouse.cli("review", run, "--export").out
    check(text.startswith("\ufeff"), "it begins with the mark of UTF-8")
    return list(csv.DictReader(io.StringIO(text[1:])))


def written(rows, delimiter=",", eol="\r\n", bom=True, quoting=csv.QUOTE_MINIMAL, head=""):
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0].keys(), delimiter=delimiter, lineterminator=eol, quoting=quoting)
    writer.writeheader()
    writer.writerows(rows)
    return ("\ufeff" if bom else "") + head + out.getvalue()


def taken(rouse, text, *words, code=0):
    path = os.path.join(rouse.dir, "decisions.csv")
    with open(path, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    return rouse.cli("review", "--import", path, *words, expect_code=code)


def statuses(rouse, run):
    return {c["entity"]: c["status"] for c in rouse.changes(run=run)}


@scenario("decisions come back from what Excel and LibreOffice make of the file")
def _(rouse):
    run = proposing(rouse, many(8))
    rows = table(rouse, run)
    for i, (word, shape) in enumerate([("reject", {}), ("No", {"delimiter": ";"}), ("REJECTED", {"delimiter": ";", "head": "sep=;\r\n"}),
                                       (" n ", {"delimiter": "\t", "eol": "\n", "bom": False}), ("false", {"quoting": csv.QUOTE_ALL})]):
        rows = table(rouse, run)
        mine = [dict(r) for r in rows]
        mine[0].update(decision=word, why=f"because of {i}, \"really\"\nand more")
        out = taken(rouse, written(mine, **shape), "--plan").out
        check("Would accept 0, reject 1" in out, out)
        expect(rouse.get("/v1/changes/" + mine[0]["change"])["status"], "proposed", "after --plan")
        check("Accepted 0, rejected 1" in taken(rouse, written(mine, **shape)).out, "the decision")
        one = rouse.get("/v1/changes/" + mine[0]["change"])
        expect((one["status"], one["decision_reason"]), ("rejected", f"because of {i}, \"really\"\nand more"), "the change")
    # Columns in another order, some left out, and an empty line.
    rows = table(rouse, run)
    few = [{"decision": "reject", "why": "", "digest": r["digest"], "CHANGE": r["change"]} for r in rows]
    check(f"rejected {len(few)}" in taken(rouse, written(few) + "\r\n").out, "all the others")


@scenario("a row that has changed since is refused by itself, with its line, and the others count")
def _(rouse):
    run = proposing(rouse, many(6))
    rows = table(rouse, run)
    for r in rows:
        r["decision"] = "reject"
    rouse.cli("edit", rows[0]["change"], "--data", '{"stage":"lost"}')
    rouse.cli("reject", rows[1]["change"])
    rows[2]["decision"] = "perhaps"
    rows[3]["digest"] = "1.2E+45"
    rows[4]["change"] = "019a0000-0000-7000-8000-000000000000"
    for words in (("--plan",), ()):
        said = taken(rouse, written(rows), *words, code=4)
        for line, what in ((2, "not what was shown"), (3, ""), (4, "perhaps; expected accept, reject"), (5, "not as it was exported"), (6, "no such change")):
            check(any(f"line {line}," in l and what in l for l in said.err.splitlines()), f"{line} {what}: {said.err}")
        check("5 refused" in said.out and "reject" in said.out, said.out)
    expect([rouse.get("/v1/changes/" + rows[i]["change"])["status"] for i in (0, 2, 3, 5)], ["proposed"] * 3 + ["rejected"], "the changes")


@scenario("who changed in the file what a change would make is told to edit it")
def _(rouse):
    run = proposing(rouse, [change(entity="1", after={"stage": "won", "n": 5})])
    rows = table(rouse, run)
    rows[0].update(decision="accept", after='{"stage": "won",  "n": 5}')
    check("Would accept 1" in taken(rouse, written(rows), "--plan").out, "another way to write it is no change")
    rows[0]["after"] = '{"stage":"lost","n":5}'
    check("use rouse edit" in taken(rouse, written(rows), code=4).err, "it is said")
    expect(statuses(rouse, run), {"1": "proposed"}, "the change")


@scenario("a file that is none is refused as a whole, and nothing is decided")
def _(rouse):
    run = proposing(rouse, many(3))
    rows = table(rouse, run)
    for r in rows:
        r["decision"] = "reject"
    good = written(rows)
    for bad, what in ((b"", "nothing in it"), (b"a,b\r\n1,2\r\n", "no column change"), (good.encode("utf-16"), "UTF-16"),
                      (good.encode() + b'"never ends', "line"), (good.encode()[:-30] + b"\0" + good.encode()[-30:], "line"), (b"\xff" * 100, "line"), (b"PK\x03\x04" + b"x" * 500, "")):
        said = taken(rouse, bad, code=1).err
        check(what in said, f"{what}: {said}")
        expect(set(statuses(rouse, run).values()), {"proposed"}, f"the changes after {bad[:20]!r}")
    rouse.cli("review", "--import", "/nonexistent", expect_code=1)


@scenario("no cell of the export is a formula, and nothing in it leaves its cell")
def _(rouse):
    evil = '=HYPERLINK("http://evil","x")'
    run = proposing(rouse, [change(entity="1", reason=evil, before={"stage": "a\nb\",;\u202e"}, after={"stage": "@SUM(1)"}),
                            change(entity="2", reason="-1+1|cmd", after={"stage": "x" * 40000})])
    rows = table(rouse, run)
    expect(len(rows), 2, "rows")
    check(all(not v[:1] in ("=", "+", "-", "@", "\t") for r in rows for v in r.values() if v), str(rows)[:500])
    check(all(len(v) <= 32000 for r in rows for v in r.values()), "spreadsheets cut longer cells")
    check("\u202e" not in json.dumps(rows, ensure_ascii=False), "nothing turns the reading direction")
    rows[1]["decision"] = "reject"
    check("rejected 1" in taken(rouse, written(rows)).out, "a cell that was cut is no change")


@scenario("the HTML page is one file, fetches nothing, runs nothing, and shows what a change says")
def _(rouse):
    evil = "<script>alert(1)</script><img src=http://evil/x onerror=alert(1)>'\"\u202e"
    run = proposing(rouse, [change(entity="1", reason=evil, before={"stage": evil}, after={evil: "x", "stage": "y"})] if False else
                    [change(entity="1", reason=evil, before={"stage": evil}, after={"stage": "</table>" + evil})])
    page = rouse.cli("diff", run, "--html").out
    check(page.startswith("<!doctype html>") and page.rstrip().endswith("</html>"), page[:200])
    check("<script" not in page and "<img" not in page and "http-equiv" in page and "default-src 'none'" in page, page)
    check("\u202e" not in page and "&lt;script&gt;" in page and page.count("</table>") == 2, page)


main()
