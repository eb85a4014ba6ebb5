#!/usr/bin/env python3
# Scenario: refs of remote git repositories: over HTTP, TLS, ssh and git's own protocol, and from servers that are not as they should be.
# SPDX-License-Identifier: MIT
import base64
import http.server

from git_lib import *


@scenario("a remote repository over HTTP: moved, forced, new and deleted, with commits and paths, from a cache of our own")
def _(rouse):
    repo = Repo(rouse)
    a = repo.commit("a")
    server = serve(rouse)
    house(rouse, server.url + "/repo/.git")
    check(server.sent < 2000, f"the first look fetches nothing: {server.sent}")
    b = repo.commit("b", "src/b.c")
    [moved] = seen(rouse, 1)
    expect((moved["kind"], moved["old"], moved["new"], [c["subject"] for c in moved["commits"]], moved["paths"]), ("moved", a, b, ["b"], ["src/b.c"]), "the move")
    c = repo.commit("c", "src/c.c")
    expect([x["subject"] for x in seen(rouse, 2)[-1]["commits"]], ["c"], "the next")
    repo("checkout", "-q", "-B", "main", a)
    d = repo.commit("d", "d")
    forced = seen(rouse, 3)[-1]
    expect((forced["kind"], forced["old"], forced["new"], [x["subject"] for x in forced["commits"]], sorted(forced["paths"])), ("forced", c, d, ["d"], ["d", "src/b.c", "src/c.c"]), "the forced one")
    repo("tag", "-a", "-m", "first", "v1", d)
    tag = seen(rouse, 4)[-1]
    expect((tag["kind"], tag["new"], tag["tag"]["message"], tag["incomplete"]), ("new", d, "first\n", None), "the tag")
    repo("tag", "-d", "v1")
    expect(seen(rouse, 5)[-1]["kind"], "deleted", "the tag that is gone")
    rouse.restart()
    shutil.rmtree(os.path.join(rouse.state, "git", "code", "repository.git"))
    e = repo.commit("e", "e")
    expect([x["subject"] for x in seen(rouse, 6)[-1]["commits"]], ["e"], "without its cache it goes on")
    run = next(r for r in rouse.runs() if r["key"] == f"refs/heads/main {e}")
    expect(json.loads(rouse.marks()[-1])["trust"], "untrusted", "trust of what came in the open")
    server.shutdown()


@scenario("a password is asked for, given from a secret, and stands nowhere; a wrong one is a clear failure")
def _(rouse):
    repo = Repo(rouse)
    repo.commit("a")
    server = serve(rouse, "ann:s3cr3t-w0rd")
    secret = os.path.join(rouse.dir, "token")
    with open(os.open(secret, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        f.write("ann:s3cr3t-w0rd\n")
    rouse.section("trigger none", source="git", repo=server.url + "/repo/.git", agent="note", poll="1s")
    house(rouse, server.url + "/repo/.git", credentials="file:" + secret)
    wait("without one it fails", lambda: "credentials" in (health(rouse, "none")["last_error"] or ""))
    repo.commit("b")
    seen(rouse, 1)
    with open(secret, "w") as f:
        f.write("ann:wrong\n")
    wait("with a wrong one too", lambda: "credentials" in (health(rouse)["last_error"] or ""))
    for folder, _, files in os.walk(rouse.state):
        for name in files:
            if not os.path.isfile(os.path.join(folder, name)):
                continue
            with open(os.path.join(folder, name), "rb") as f:
                check(b"s3cr3t-w0rd" not in f.read(), f"{name} has the password")
    check("s3cr3t-w0rd" not in rouse.log_text(), "the log has it")
    server.shutdown()


@scenario("a server that sends us elsewhere is not followed, and our password not carried there")
def _(rouse):
    repo = Repo(rouse)
    repo.commit("a")
    elsewhere = serve(rouse)
    asked = []

    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(302)
            self.send_header("Location", elsewhere.url.replace("127.0.0.1", "localhost") + self.path)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    rouse.agent("note", NOTE)
    rouse.section("trigger code", source="git", repo=f"http://127.0.0.1:{server.server_port}/repo/.git", agent="note", poll="1s", credentials="plain:ann:pw")
    rouse.start()
    wait("it fails", lambda: health(rouse)["health"] == "failing" and asked)
    print(f"#   {health(rouse)['last_error']}")
    expect(elsewhere.sent, 0, "bytes from elsewhere")
    server.shutdown()
    elsewhere.shutdown()


@scenario("a server that hangs, is away, or sends too much holds up nobody, and what moved is seen afterwards")
def _(rouse):
    repo = Repo(rouse)
    a = repo.commit("a")
    server = serve(rouse)
    local = Repo(rouse, "local")
    local.commit("x")
    for n in range(5):
        rouse.section(f"trigger hung{n}", source="git", repo=server.url + "/repo/.git", agent="note", poll="1s", timeout="1s")
    rouse.section("trigger local", source="git", repo=local.path, agent="note", poll="1s")
    rouse.section("trigger small", source="git", repo=server.url + "/repo/.git", agent="note", poll="1s", fetch_max="1M")
    house(rouse, server.url + "/repo/.git", timeout="1s")
    for name in ("local", "small", "hung4"):
        learned(rouse, name)
    server.hang = True
    b = repo.commit("b", "big", base64.b64encode(os.urandom(4 << 20)).decode())
    wait("they fail, and say so", lambda: all("time" in (health(rouse, f"hung{n}")["last_error"] or "") for n in range(5)), 40)
    local.commit("y")
    wait("the local one is seen", lambda: [m for m in rouse.marks() if json.loads(m)["trigger"]["name"] == "local"])
    server.hang = False
    server.stop.set()
    marks = wait("all see it", lambda: (lambda m: m if len(m) == 8 else None)([json.loads(x) for x in rouse.marks()]), 60)
    small = next(m["payload"] for m in marks if m["trigger"]["name"] == "small")
    expect((small["new"], small["commits"]), (b, []), "the one that may not fetch so much")
    check("fetch_max" in small["incomplete"], f"it says why: {small['incomplete']}")
    code = next(m["payload"] for m in marks if m["trigger"]["name"] == "code")
    expect(code["new"], b, "what the other saw")
    server.shutdown()
    server.server_close()
    wait("it is away", lambda: health(rouse)["health"] == "failing")


@scenario("over TLS a certificate that nobody signed is refused; one of ca_file's authority is taken")
def _(rouse):
    import ssl

    needs_program("openssl")
    repo = Repo(rouse)
    repo.commit("a")
    cert, key = os.path.join(rouse.dir, "cert.pem"), os.path.join(rouse.dir, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    server = serve(rouse)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    rouse.section("trigger trusted", source="git", repo=f"https://localhost:{server.server_port}/repo/.git", agent="note", poll="1s", ca_file=cert)
    rouse.agent("note", NOTE)
    rouse.section("trigger code", source="git", repo=f"https://localhost:{server.server_port}/repo/.git", agent="note", poll="1s")
    rouse.start()
    learned(rouse, "trusted")
    b = repo.commit("b")
    expect(seen(rouse, 1)[0]["new"], b, "what was seen")
    expect(json.loads(rouse.marks()[0])["trust"], "authenticated", "trust")
    wait("it fails", lambda: health(rouse)["health"] == "failing")
    check("certificate" in health(rouse)["last_error"].lower(), f"it says why: {health(rouse)['last_error']}")
    server.shutdown()


@scenario("over git:// from a real git daemon")
def _(rouse):
    repo = Repo(rouse)
    repo.commit("a")
    port = free_port()
    daemon = spawn(["git", "daemon", "--export-all", "--reuseaddr", f"--port={port}", "--listen=127.0.0.1", f"--base-path={rouse.dir}"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, env=repo.env)
    wait("it listens", lambda: socket.create_connection(("127.0.0.1", port), 1).close() is None)
    house(rouse, f"git://127.0.0.1:{port}/repo/.git")
    b = repo.commit("b")
    expect(seen(rouse, 1)[0]["new"], b, "what was seen")
    daemon.terminate()
    daemon.wait()


@scenario("over ssh from a real sshd: with the key, and only when its host key is known")
def _(rouse):
    server = ssh_server(rouse)
    port, home, daemon = server.port, server.home, server.daemon
    repo = Repo(rouse)
    repo.commit("a")
    url = f"ssh://root@127.0.0.1:{port}{repo.path}"
    rouse.section("trigger stranger", source="git", repo=url, agent="note", poll="1s", credentials=f"file:{home}/user", known_hosts=f"{home}/unknown")
    rouse.section("trigger nobody", source="git", repo=url, agent="note", poll="1s", credentials=f"file:{home}/user", known_hosts=f"{home}/not-there")
    rouse.section("trigger keyless", source="git", repo=url, agent="note", poll="1s", credentials=f"file:{home}/other", known_hosts=f"{home}/known")
    house(rouse, url, credentials=f"file:{home}/user", known_hosts=f"{home}/known")
    b = repo.commit("b", "p")
    [event] = seen(rouse, 1)
    expect((event["new"], event["paths"]), (b, ["p"]), "what was seen")
    expect(json.loads(rouse.marks()[0])["trust"], "authenticated", "trust")
    for name in ("stranger", "nobody", "keyless"):
        wait(f"{name} fails", lambda: health(rouse, name)["health"] == "failing")
        print(f"#   {name}: {health(rouse, name)['last_error']}")
    check("known_hosts" in health(rouse, "stranger")["last_error"] and "known_hosts" in health(rouse, "nobody")["last_error"], "they say why")
    daemon.terminate()
    daemon.wait()


main()
