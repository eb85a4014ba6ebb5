#!/usr/bin/env python3
# Benchmark: how fast mail of a real Dovecot becomes events. imap.py [MESSAGES]
# SPDX-License-Identifier: MIT
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../scenario"))
from dovecot import *

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 10000


def memory(pid, name):
    with open(f"/proc/{pid}/status") as f:
        return int(next(line for line in f if line.startswith(name)).split()[1]) / 1024


with Dovecot() as server:
    folder = os.path.join(server.dir, "mail", "maria", "Maildir")
    server.append(mail(0))
    for n in range(1, COUNT):
        with open(os.path.join(folder, "new", f"{1700000000 + n}.M1P1.host"), "w", newline="") as f:
            f.write(mail(n, body="It is a mail of some size.\r\n" * 40))
    subprocess.run(["chmod", "-R", "a+rwX", folder], check=True)
    server.login().select()  # the server indexes them now, not while we measure
    rouse = Rouse()
    rouse.agent("never", "exit 0\n")
    path = os.path.join(rouse.dir, "secret")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        f.write(server.password)
    rouse.section("daemon", log_level="info")
    rouse.section("trigger mail", source="imap", agent="never", user="maria", password="file:" + path, initial="all", filter=".data.subject == 1",
                  url=f"imaps://localhost:{server.tls_port}/INBOX", ca_file=server.dir + "/cert.pem")
    rouse.start()
    began, idle = time.monotonic(), memory(rouse.daemon.pid, "VmRSS")

    def count():
        db = sqlite3.connect(rouse.db)
        try:
            return db.execute("SELECT COUNT(*) FROM events").fetchone()[0]
        finally:
            db.close()

    wait("all are events", lambda: count() >= COUNT, 600)
    took = time.monotonic() - began
    wait("it rests", lambda: rouse.get("/v1/triggers/mail")["backlog"] == 0, 60)
    figures = {"messages": count(), "seconds": round(took, 2), "messages a second": round(count() / took), "RSS at start MiB": round(idle, 1),
               "RSS peak MiB": round(memory(rouse.daemon.pid, "VmHWM"), 1), "RSS after MiB": round(memory(rouse.daemon.pid, "VmRSS"), 1)}
    for name, value in figures.items():
        print(f"{name:<24} {value:>12,}")
    print(json.dumps(figures))
    rouse.stop()
    rouse.close()
