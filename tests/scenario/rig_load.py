#!/usr/bin/env python3
# Load for the rig: signed webhooks at a steady rate, from many connections, until a file says stop.
# SPDX-License-Identifier: MIT
"""rig_load.py FOLDER SECRET URL_PATH RATE THREADS

Writes a line to FOLDER/accepted for each delivery that was accepted, and one to FOLDER/failed for each try that was not:
"PHASE refused|broken|status WHAT", PHASE being what FOLDER/phase says. What failed is sent again, as providers do.
Ends when FOLDER/stop is there."""
import hashlib
import hmac
import http.client
import os
import sys
import threading
import time

folder, secret, path, rate, threads = sys.argv[1], open(sys.argv[2]).read().strip(), sys.argv[3], float(sys.argv[4]), int(sys.argv[5])
accepted, failed = open(f"{folder}/accepted", "a", 1), open(f"{folder}/failed", "a", 1)


def phase():
    try:
        with open(f"{folder}/phase") as f:
            return f.read().strip()
    except FileNotFoundError:
        return "calm"


def stopped():
    return os.path.exists(f"{folder}/stop")


def deliver(connection, id, kept):
    body = b'{"id":"%s"}' % id.encode()
    mac = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    connection.request("POST", path, body, {"Content-Type": "application/json", "X-GitHub-Event": "push", "X-GitHub-Delivery": id,
                                            "X-Hub-Signature-256": "sha256=" + mac, "Connection": "keep-alive" if kept else "close"})
    answer = connection.getresponse()
    answer.read()
    return answer


def go(n):
    """Half of them keep their connection, and open another where the server has closed it between requests."""
    connection, count, used, keeps = None, 0, False, n % 2
    due = time.monotonic() + n / rate
    while not stopped():
        time.sleep(max(0, due - time.monotonic()))
        due += threads / rate
        count += 1
        while True:
            now = phase()
            try:
                if connection is None:
                    connection, used = http.client.HTTPConnection("127.0.0.1", 8477, timeout=90), False
                answer = deliver(connection, f"load-{n}-{count}", keeps)
                used = True
                if answer.status in (200, 202):
                    accepted.write(f"load-{n}-{count}\n")
                else:
                    failed.write(f"{now} status {answer.status}\n")
                if not keeps or answer.will_close:
                    connection.close()
                    connection = None
                if answer.status in (200, 202):
                    break
            except ConnectionRefusedError as e:
                failed.write(f"{now} refused {e!r}\n")
                connection = None
            except (http.client.HTTPException, OSError) as e:
                connection.close()
                connection = None
                # RFC 9112 9.5: a kept connection may be closed at any time.
                if used:
                    used = False
                    continue
                failed.write(f"{now} broken {e!r}\n")
            time.sleep(0.05)


workers = [threading.Thread(target=go, args=(n,)) for n in range(threads)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
