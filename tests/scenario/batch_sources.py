#!/usr/bin/env python3
# Scenario: where the entities of a batch come from, and what happens when that is not as it should be.
# SPDX-License-Identifier: MIT
import http.server

from batches_lib import *

BOM = b"\xef\xbb\xbf"


def breaks(rouse, id, *words):
    """It stops by itself for its source, and says these words."""
    b = reaches(rouse, id, "failed")
    expect(b["reason"], "source", "the reason")
    for word in words:
        check(word in b["error"], f"it should say {word!r}: {b['error']}")
    check(not re.search(r"\n", b["error"]), "one line")
    check(any(b["error"] == n["text"] for n in b["notes"]), "it is noted")
    return b


def resumes(rouse, id, ids):
    rouse.api("POST", f"/v1/batches/{id}/resume", {}).expect(200)
    b = reaches(rouse, id, "review")
    once_each(rouse, id, ids)
    return b


# --- csv ---


@scenario("CSV as spreadsheets write it: BOM, CR LF, quotes, line ends and delimiters within them, empty lines")
def _(rouse):
    tagger(rouse)
    write(rouse, "deals.csv", BOM + b'id;name;"a ""b"""\r\n1;"x\r\ny;z";\r\n\r\n2;"he said ""no""";\xc3\xa4\r\n3;"";last')
    batch(rouse, delimiter="semicolon")
    rouse.start()
    id = begin(rouse)
    reaches(rouse, id, "review")
    payloads = {r["entity"]: rouse.run(r["id"])["envelope"]["payload"] for r in rouse.runs(batch=id)}
    expect(payloads, {"1": {"id": "1", "name": "x\r\ny;z", 'a "b"': ""}, "2": {"id": "2", "name": 'he said "no"', 'a "b"': "ä"},
                      "3": {"id": "3", "name": "", 'a "b"': "last"}}, "payloads")


BAD = [
    ("a ragged row", b"id,name\n1,a\n2\n3,c\n", b"2", b"2,b", ["line 3", "1 field", "2 columns"]),
    ("too many fields", b"id,name\n1,a\n2,b,c\n3,c\n", b"2,b,c", b"2,b", ["line 3", "3 fields"]),
    ("a quote that is never closed", b'id,name\n1,a\n2,"b\n3,c\n', b'"b', b'"b"', ["line 3", "never closed"]),
    ("text behind a quote", b'id,name\n1,a\n2,"b"x\n3,c\n', b'"b"x', b'"b"', ["line 3", "closing quote"]),
    ("a quote within a field", b'id,name\n1,a\n2,b"\n3,c\n', b'b"', b"b", ["line 3", "quote"]),
    ("a NUL byte", b"id,name\n1,a\n2,b\0\n3,c\n", b"b\0", b"b", ["line 3", "NUL"]),
    ("what is no UTF-8", b"id,name\n1,a\n2,b\xe4\n3,c\n", b"b\xe4", b"bae", ["line 3", "UTF-8", "iconv"]),
    ("a lone carriage return", b"id,name\n1,a\n2,b\rx\n3,c\n", b"b\rx", b"bx", ["line 3", "carriage return"]),
    ("an empty key", b"id,name\n1,a\n,b\n3,c\n", b"\n,b", b"\n2,b", ["line 3", "key"]),
]


@scenario("CSV that is wrong in line 3: one sentence, what came before is done, and after mending it goes on there")
def _(rouse):
    tagger(rouse)
    for n, (_what, text, *_) in enumerate(BAD):
        write(rouse, f"d{n}.csv", text)
        batch(rouse, f"csv:d{n}.csv", f"b{n}")
    rouse.start()
    for n, (what, text, wrong, right, words) in enumerate(BAD):
        id = begin(rouse, f"b{n}")
        b = breaks(rouse, id, f"d{n}.csv", *words)
        expect((b["done"], b["entities"]), (1, 1), f"{what}: what came before")
        write(rouse, f"d{n}.csv", text.replace(wrong, right, 1))
        resumes(rouse, id, [1, 2, 3])


HEADS = [
    ("csv:none.csv", {}, ["none.csv", "No such file"]),
    ("csv:empty.csv", {}, ["empty.csv is empty", "names its columns"]),
    ("csv:deals.csv", {"entity_key": "nmae"}, ["no column nmae", "id, name", "did you mean name"]),
    ("csv:twice.csv", {}, ["line 1", "both named id"]),
    ("csv:unnamed.csv", {}, ["line 1", "column 2 has no name"]),
    ("csv:utf16.csv", {}, ["UTF-16", "iconv"]),
    ("csv:folder", {}, ["no regular file"]),
    ("jsonl:deals.csv", {}, ["line 1", "no JSON"]),
    ("jsonl:noid.jsonl", {}, ["line 2", "no id", "entity_key"]),
    ("jsonl:deals.jsonl", {"entity_key": ".a.b"}, ["line 1", ".a.b"]),
]


@scenario("a source that is wrong from its beginning runs nothing, and says why")
def _(rouse):
    tagger(rouse)
    csv(rouse, [1])
    write(rouse, "empty.csv", "")
    write(rouse, "twice.csv", "id,id\n1,2\n")
    write(rouse, "unnamed.csv", "id,\n1,2\n")
    write(rouse, "utf16.csv", "id,name\n1,2\n".encode("utf-16"))
    write(rouse, "noid.jsonl", '{"id":null,"x":1}\n'.replace("null", '"a"') + '{"x":1}\n')
    write(rouse, "deals.jsonl", '{"id":1}\n')
    os.mkdir(os.path.join(rouse.dir, "folder"))
    for n, (place, keys, _w) in enumerate(HEADS):
        batch(rouse, place, f"h{n}", **keys)
    rouse.start()
    for n, (place, keys, words) in enumerate(HEADS):
        id = begin(rouse, f"h{n}")
        b = breaks(rouse, id, *words)
        check(b["entities"] <= 1, b)


@scenario("a field of 100 MB is refused with its line, in bounded memory")
def _(rouse):
    tagger(rouse)
    with open(os.path.join(rouse.dir, "deals.csv"), "w") as f:
        f.write('id,name\n1,a\n2,"')
        for _i in range(100):
            f.write("x" * (1 << 20))
        f.write('"\n3,c\n')
    with open(os.path.join(rouse.dir, "deals.jsonl"), "w") as f:
        f.write('{"id":1}\n{"id":2,"x":"')
        for _i in range(100):
            f.write("x" * (1 << 20))
        f.write('"}\n')
    batch(rouse)
    batch(rouse, "jsonl:deals.jsonl", "lines")
    rouse.start()
    before = rss(rouse)
    b = breaks(rouse, begin(rouse), "line 3, field 2", "1048576 bytes")
    expect(b["done"], 1, "done")
    breaks(rouse, begin(rouse, "lines"), "line 2", "4194304 bytes")
    check(is_sanitized() or rss(rouse) - before < 40000, f"memory: {before} to {rss(rouse)} kB")


def rss(rouse):
    with open(f"/proc/{rouse.daemon.pid}/status") as f:
        return int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1))


@scenario("entities that come twice run once, and are told of")
def _(rouse):
    tagger(rouse)
    csv(rouse, [1, 2, 1, 3, 2])
    batch(rouse)
    rouse.start()
    id = begin(rouse)
    b = reaches(rouse, id, "review")
    expect((b["entities"], b["repeated"]), (3, 2), "counts")
    once_each(rouse, id, [1, 2, 3])
    check("line 4" in b["notes"][0]["text"] and "entity 1 came before" in b["notes"][0]["text"], b["notes"])


# --- files that change ---


@scenario("a file that grows while the batch runs: what was added is taken in, and that is said")
def _(rouse):
    tagger(rouse, "while [ ! -e $D/go ]; do sleep 0.05; done")
    csv(rouse, range(1, 6))
    batch(rouse)
    rouse.start()
    id = begin(rouse)
    wait("it was read", lambda: shown(rouse, id)["source"] == "ended")
    rouse.kill_9()
    write(rouse, "deals.csv", "".join(f"{i},x\n" for i in range(6, 9)), "a")
    rouse.start()
    write(rouse, "go", "")
    b = reaches(rouse, id, "review")
    once_each(rouse, id, range(1, 9))
    check(any("has grown" in n["text"] for n in b["notes"]), b["notes"])


@scenario("a file that is replaced while the batch runs: nothing twice, what is new is taken in, and that is said")
def _(rouse):
    tagger(rouse, "while [ ! -e $D/go ]; do sleep 0.05; done")
    csv(rouse, range(1, 6))
    batch(rouse)
    rouse.start()
    id = begin(rouse)
    wait("it was read", lambda: shown(rouse, id)["source"] == "ended")
    rouse.kill_9()
    csv(rouse, [9, 5, 4, 3, 8], "other.csv")
    os.rename(os.path.join(rouse.dir, "other.csv"), os.path.join(rouse.dir, "deals.csv"))
    rouse.start()
    write(rouse, "go", "")
    b = reaches(rouse, id, "review")
    once_each(rouse, id, [1, 2, 3, 4, 5, 8, 9])
    check(any("is not the file any more" in n["text"] and "passed over" in n["text"] for n in b["notes"]), b["notes"])


@scenario("a file that is gone by the end of its batch does not matter any more")
def _(rouse):
    tagger(rouse, "while [ ! -e $D/go ]; do sleep 0.05; done")
    csv(rouse, range(1, 4))
    batch(rouse)
    rouse.start()
    id = begin(rouse)
    wait("it was read", lambda: shown(rouse, id)["source"] == "ended")
    os.remove(os.path.join(rouse.dir, "deals.csv"))
    write(rouse, "go", "")
    b = reaches(rouse, id, "review")
    check(any("No such file" in n["text"] for n in b["notes"]), b["notes"])


# --- jsonl ---


@scenario("JSON lines with a broken line 4000: 3999 are done, and after mending the others")
def _(rouse):
    rouse.crm()
    rouse.agent("tag", """read -r e\ncase $e in *'"entity":"17"'*) echo "$e" >$D/mark;; esac\n""", concurrency=32)
    lines = [json.dumps({"id": i, "big": 12345678901234567890}, separators=(",", ":")) for i in range(1, 4101)]
    write(rouse, "deals.jsonl", "\n".join(lines[:3999] + ['{"id":4000,'] + lines[4000:]) + "\n")
    batch(rouse, "jsonl:deals.jsonl", concurrency=32)
    rouse.start()
    id = begin(rouse)
    wait("it is told at once", lambda: shown(rouse, id)["error"] and shown(rouse, id)["state"] == "running")
    b = reaches(rouse, id, "failed", 120)
    check("deals.jsonl, line 4000" in b["error"] and "no JSON" in b["error"], b["error"])
    expect(b["done"], 3999, "done")
    write(rouse, "deals.jsonl", "\n".join(lines) + "\n")
    rouse.cli("batch", "resume", "tag")
    expect(reaches(rouse, id, "review")["done"], 4100, "done")
    once_each(rouse, id, range(1, 4101))
    check('"big":12345678901234567890' in rouse.marks()[0], "numbers keep their digits")


# --- sql ---


@scenario("SQL: rows of a query, typed; a query that fails halfway is run anew after mending")
def _(rouse):
    tagger(rouse)
    db = sqlite3.connect(os.path.join(rouse.dir, "in.db"))
    db.execute("CREATE TABLE a (id INTEGER PRIMARY KEY, name TEXT, x REAL, b BLOB, n TEXT)")
    db.executemany("INSERT INTO a VALUES (?, ?, ?, ?, NULL)", [(i, f"n{i}", i / 2, b"\1") for i in range(1, 31)])
    db.execute("UPDATE a SET name = 'not json' WHERE id = 21")
    db.commit()
    batch(rouse, "sql:sqlite:in.db SELECT id, x, b, n,\n CASE WHEN name = 'not json' THEN json(name) ELSE name END AS name\nFROM a ORDER BY id", entity_key="id")
    batch(rouse, "sql:sqlite:in.db DELETE FROM a", "writes")
    batch(rouse, "sql:sqlite:in.db SELECT nix FROM a", "column")
    batch(rouse, "sql:sqlite:none.db SELECT 1", "none")
    batch(rouse, "sql:sqlite:in.db SELECT id, name AS id FROM a", "twice")
    rouse.start()
    for name, words in {"writes": ["only reads"], "column": ["no such column", "nix"], "none": ["none.db", "No such file"], "twice": ["both named id"]}.items():
        breaks(rouse, begin(rouse, name), "sql: sqlite:", *words)
    id = begin(rouse)
    b = breaks(rouse, id, "sql: sqlite:in.db, row 21", "malformed JSON", "batch resume")
    expect(b["done"], 20, "done")
    expect(rouse.run(rouse.runs(batch=id, entity="3")[0]["id"])["envelope"]["payload"], {"id": 3, "x": 1.5, "b": {"$base64": "AQ=="}, "n": None, "name": "n3"}, "typed")
    db.execute("UPDATE a SET name = 'fine' WHERE id = 21")
    db.execute("INSERT INTO a VALUES (0, 'new', 0, NULL, NULL)")
    db.commit()
    resumes(rouse, id, range(0, 31))


@scenario("SQL: a query without end is given up")
def _(rouse):
    tagger(rouse)
    sqlite3.connect(os.path.join(rouse.dir, "in.db")).execute("CREATE TABLE a (id INTEGER)").connection.commit()
    batch(rouse, "sql:sqlite:in.db WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x AS id FROM c WHERE x < 0", entities_timeout="300ms")
    rouse.start()
    breaks(rouse, begin(rouse), "gave no row")


# --- exec ---


@scenario("exec: what a program prints; one that fails after half runs anew, and nothing comes twice")
def _(rouse):
    tagger(rouse)
    source = os.path.join(rouse.dir, "source.py")
    write(rouse, "source.py", """#!/usr/bin/env python3
import os, sys
n = 20 if os.path.exists("well") else 10
for i in range(1, n + 1):
    print('{"id":"%d"}' % i, flush=True)
if n == 10:
    sys.exit("the database went away")
""")
    os.chmod(source, 0o755)
    batch(rouse, f"exec:{source}", pass_env="PATH")
    rouse.start()
    id = begin(rouse)
    b = breaks(rouse, id, "source.py", "exit status 1 after 10 entities", "the database went away", "batch resume")
    expect(b["done"], 10, "done")
    write(rouse, "well", "")
    b = resumes(rouse, id, range(1, 21))
    expect(b["repeated"], 0, "passed over in silence")


@scenario("exec: a program that hangs is stopped with all it started; garbage and a signal have their sentence")
def _(rouse):
    tagger(rouse)
    write(rouse, "hang.sh", "#!/bin/sh\necho '{\"id\":1}'\nsetsid sleep 1000 &\nsleep 1000\n")
    write(rouse, "junk.sh", "#!/bin/sh\necho '{\"id\":1}'\nhead -c 100000 /dev/urandom | tr -d '\\0\\n' \necho\nsleep 100\n")
    write(rouse, "dies.sh", "#!/bin/sh\necho '{\"id\":1}'\nkill -9 $$\n")
    write(rouse, "endless.sh", "#!/bin/sh\necho '{\"id\":1}'\ncat /dev/zero\n")
    for name in ("hang", "junk", "dies", "endless"):
        os.chmod(os.path.join(rouse.dir, name + ".sh"), 0o755)
        batch(rouse, f"exec:{rouse.dir}/{name}.sh", name, entities_timeout="1s" if name == "hang" else "60s", pass_env="PATH")
    batch(rouse, "exec:/nonexistent/program", "none")
    rouse.start()
    breaks(rouse, begin(rouse, "hang"), "gave nothing for 1s", "after 1 entities", "was stopped")
    breaks(rouse, begin(rouse, "junk"), "output, line 2", "no JSON")
    breaks(rouse, begin(rouse, "dies"), "signal 9", "after 1 entities")
    breaks(rouse, begin(rouse, "endless"), "output, line 2", "4194304 bytes")
    breaks(rouse, begin(rouse, "none"), "/nonexistent/program")
    rouse.nothing_left()


# --- http ---


class Pages:
    """A server of pages: answers[path] is (status, headers, body), or a function of the handler."""

    def __init__(self):
        pages = self
        self.answers, self.asked = {}, []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *words):
                pass

            def do_GET(self):
                pages.asked.append((self.path, dict(self.headers)))
                answer = pages.answers.get(self.path, (404, {}, b"{}"))
                status, headers, body = answer() if callable(answer) else answer
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


def items(a, b):
    return [{"id": i} for i in range(a, b)]


@scenario("http: pages by Link header, by URL and by cursor, each entity once")
def _(rouse):
    tagger(rouse)
    site = Pages()
    site.answers = {
        "/link": (200, {"Link": f'<{site.url}/last>; rel="last", </link2>; rel="next"'}, items(1, 4)), "/link2": (200, {}, items(4, 6)),
        "/url": (200, {}, {"data": {"rows": items(1, 4)}, "paging": {"next": "/url2"}}), "/url2": (200, {}, {"data": {"rows": items(4, 6)}, "paging": {}}),
        "/cursor?limit=3": (200, {}, {"items": items(1, 4), "next": "a b"}), "/cursor?limit=3&after=a%20b": (200, {}, {"items": items(4, 6), "next": None}),
        "/many": (200, {}, items(1, 1501)),
    }
    batch(rouse, f"http:{site.url}/link", "link", allow_private="yes", header__x_team="a")
    batch(rouse, f"http:{site.url}/url", "url", allow_private="yes", items=".data.rows", next=".paging.next", auth="plain:s3cret")
    batch(rouse, f"http:{site.url}/cursor?limit=3", "cursor", allow_private="yes")
    batch(rouse, f"http:{site.url}/many", "many", allow_private="yes")
    batch(rouse, f"http:{site.url}/many", "inside")
    rouse.start()
    for name in ("link", "url", "cursor"):
        id = begin(rouse, name)
        reaches(rouse, id, "review")
        once_each(rouse, id, range(1, 6))
    check(all(h.get("Authorization") == "Bearer s3cret" for p, h in site.asked if p.startswith("/url")), "it is authorised")
    expect(shown(rouse, begin(rouse, "many", limit=1))["name"], "many", "the name")
    id = begin(rouse, "many", only=["1400"]) if reaches(rouse, rouse.get("/v1/batches/many")["id"], "review") else None
    expect(reaches(rouse, id, "review")["done"], 1, "one of many")
    breaks(rouse, begin(rouse, "inside"), "private")


@scenario("http: pages that go round, redirects to themselves and answers that are none have their sentence")
def _(rouse):
    tagger(rouse)
    site = Pages()
    count = iter(range(1, 1000))
    site.answers = {
        "/round": (200, {}, {"items": items(1, 3), "next": "/round2"}), "/round2": (200, {}, {"items": items(3, 5), "next": "/round"}),
        "/spin": lambda: (200, {}, {"items": items(1, 3), "next": f"/spin?{next(count)}"}),
        "/self": (302, {"Location": "/self"}, b""),
        "/html": (200, {}, b"<html>"), "/none": (200, {}, {"rows": []}), "/item": (200, {}, [{"id": 1}, {"nix": 2}]),
        "/gone": (403, {}, b""),
    }
    site.answers.update({f"/spin?{i}": site.answers["/spin"] for i in range(1, 1000)})
    words = {"round": ["go round"], "spin": ["go round"], "self": ["redirects to itself"], "html": ["no JSON"], "none": ["expected an array"],
             "item": ["item 2", "no id"], "gone": ["answers 403", "expected 200"]}
    for name in words:
        batch(rouse, f"http:{site.url}/{name}", name, allow_private="yes")
    rouse.start()
    for name, said in words.items():
        breaks(rouse, begin(rouse, name), "http", *said)
    check(len(site.asked) < 60, f"{len(site.asked)} requests")


@scenario("http: a server that wants rest gets it; one that fails for good is asked again after resume, from that page on")
def _(rouse):
    tagger(rouse)
    site = Pages()
    tries = iter([(429, {"Retry-After": "1"}, b""), (503, {}, b"")])
    site.answers = {"/a": lambda: next(tries, (200, {}, {"items": items(1, 4), "next": "/b"})), "/b": (404, {}, b"")}
    batch(rouse, f"http:{site.url}/a", allow_private="yes", entities_timeout="5s")
    rouse.start()
    id = begin(rouse)
    b = breaks(rouse, id, "page 2", "/b", "answers 404")
    expect((b["done"], [p for p, _ in site.asked]), (3, ["/a", "/a", "/a", "/b"]), "what was asked")
    site.answers["/b"] = (200, {}, items(4, 6))
    resumes(rouse, id, range(1, 6))
    expect([p for p, _ in site.asked][4:], ["/b"], "from that page on")


# --- what becomes of them meanwhile ---

BIG = "x" * 100000  # so that a page has some ten


def source_csv(rouse, ids):
    write(rouse, "new", "id,big\n" + "".join(f"{i},{BIG}\n" for i in ids))
    os.replace(os.path.join(rouse.dir, "new"), os.path.join(rouse.dir, "in.csv"))
    return "csv:in.csv"


def source_jsonl(rouse, ids):
    write(rouse, "new", "".join(json.dumps({"id": i, "big": BIG}) + "\n" for i in ids))
    os.replace(os.path.join(rouse.dir, "new"), os.path.join(rouse.dir, "in.jsonl"))
    return "jsonl:in.jsonl"


def source_sql(rouse, ids):
    with sqlite3.connect(os.path.join(rouse.dir, "in.db")) as db:
        db.execute("CREATE TABLE IF NOT EXISTS a (id INTEGER, at INTEGER PRIMARY KEY)")
        db.execute("DELETE FROM a")
        db.executemany("INSERT INTO a VALUES (?, ?)", [(i, at) for at, i in enumerate(ids)])
    db.close()
    return "sql:sqlite:in.db SELECT id, printf('%.100000c', 'x') AS big FROM a ORDER BY at"


def source_exec(rouse, ids):
    write(rouse, "list", "#!/bin/sh\nbig=$(head -c 100000 /dev/zero | tr '\\0' x)\nfor i in %s; do printf '{\"id\":%%s,\"big\":\"%%s\"}\\n' $i $big; done\n" % " ".join(map(str, ids)))
    os.chmod(os.path.join(rouse.dir, "list"), 0o755)
    return f"exec:{rouse.dir}/list"


def source_http(rouse, ids):
    """Pages of ten, under names that change with what is on them."""
    ids = list(ids)
    site = rouse.site = getattr(rouse, "site", None) or Pages()
    name = lambda at: "/first" if not at else f"/{ids[0]}-{len(ids)}-{at}"
    site.answers.clear()
    for at in range(0, len(ids), 10):
        site.answers[name(at)] = (200, {}, {"items": [{"id": i} for i in ids[at : at + 10]], **({"next": name(at + 10)} if at + 10 < len(ids) else {})})
    return f"http:{site.url}/first"


# A query, or a program, is run anew whatever it gave before: there is nothing to say.
for kind, source, said, extra in (("csv", source_csv, "passed over", {}), ("jsonl", source_jsonl, "passed over", {}), ("sql", source_sql, "", {}),
                                  ("exec", source_exec, "", {"pass_env": "PATH"}), ("http", source_http, "read again from the first", {"allow_private": "yes"})):

    @scenario(f"{kind}: what is replaced behind the first pages, while the daemon is dead, is read anew: nothing twice, nothing left out")
    def _(rouse, source=source, said=said, extra=extra):
        before, after = list(range(1, 41)), [901, *range(40, 20, -1), 902, 3, 4, 903]
        rouse.agent("tag", "head -c 1 >/dev/null\n", concurrency=4)
        batch(rouse, source(rouse, before), concurrency=4, **extra)
        rouse.start(ROUSE_CRASH="batch_page:2")
        rouse.api("POST", "/v1/batches/tag/start", {})
        expect(rouse.ended(60), -9, "exit of roused")
        source(rouse, after)
        rouse.start()
        [one] = rouse.get("/v1/batches?limit=5")["items"]
        b = reaches(rouse, one["id"], "review")
        ran = runs_of(rouse, one["id"])
        expect(set(ran.values()), {1}, "how often each ran")
        check({str(i) for i in after} <= set(ran), f"left out: {sorted({str(i) for i in after} - set(ran))}")
        check("1" in ran and set(ran) <= {str(i) for i in before + after}, f"what ran: {sorted(ran)}")
        check(said in " ".join(n["text"] for n in b["notes"]), f"{said!r} in {b['notes']}")


for kind, source in (("csv", source_csv), ("jsonl", source_jsonl)):

    @scenario(f"{kind}: what is appended between two pages is read on, without a second look at the rest")
    def _(rouse, source=source):
        rouse.agent("tag", "head -c 1 >/dev/null\n", concurrency=4)
        batch(rouse, source(rouse, range(1, 41)), concurrency=4)
        rouse.start(ROUSE_CRASH="batch_page:2")
        rouse.api("POST", "/v1/batches/tag/start", {})
        expect(rouse.ended(60), -9, "exit of roused")
        name = "in.csv" if source is source_csv else "in.jsonl"
        write(rouse, name, "".join(f"{i},x\n" if source is source_csv else json.dumps({"id": i}) + "\n" for i in range(41, 45)), "a")
        rouse.start()
        [one] = rouse.get("/v1/batches?limit=5")["items"]
        reaches(rouse, one["id"], "review")
        expect(runs_of(rouse, one["id"]), {str(i): 1 for i in range(1, 45)}, "what ran")


main()
