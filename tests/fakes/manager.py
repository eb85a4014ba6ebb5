# A manager of systemd on a bus of its own, as far as runs need one; and one that does everything wrong.
# SPDX-License-Identifier: MIT
"""bus = Bus(folder); bus.shim = PATH; bus.spool = FOLDER; DBUS_SYSTEM_BUS_ADDRESS=bus.address. It starts rouse-shim for
rouse-run@ID.service as systemd would, says that the job is done when the shim says READY=1, and remembers what it was
asked in bus.asked. bus.plan(unit) may answer in another way: see the ways of Bus."""
import os
import socket
import struct
import threading


def _pad(b, n):
    return b + b"\0" * (-len(b) % n)


def _string(b, s):
    s = s.encode()
    return _pad(b, 4) + struct.pack("<I", len(s)) + s + b"\0"


def message(kind, serial, fields, signature="", body=b"", flags=1):
    """fields: {number: (type, value)}"""
    head = b""
    if signature:
        fields = {**fields, 8: ("g", signature)}
    for number, (t, value) in fields.items():
        head = _pad(head, 8) + bytes([number, 1]) + t.encode() + b"\0"
        if t == "g":
            head += bytes([len(value)]) + value.encode() + b"\0"
        elif t == "u":
            head = _pad(head, 4) + struct.pack("<I", value)
        else:
            head = _string(head, value)
    return _pad(struct.pack("<cBBBIII", b"l", kind, flags, 1, len(body), serial, len(head)) + head, 8) + body


def parse(data):
    """(member, arguments that are strings, serial, length), or None while it is cut."""
    if len(data) < 16:
        return None
    _, _, _, _, body_len, serial, fields_len = struct.unpack("<cBBBIII", data[:16])
    start = (16 + fields_len + 7) & ~7
    if len(data) < start + body_len:
        return None
    at, member, signature = 16, "", ""
    while at < 16 + fields_len:
        at = (at + 7) & ~7
        number, t = data[at], chr(data[at + 2])
        at += 4
        if t == "g":
            n, at = data[at], at + 1
        else:
            at = (at + 3) & ~3
            n, at = struct.unpack("<I", data[at : at + 4])[0], at + 4
        value = data[at : at + n].decode()
        at += n + 1
        member, signature = (value, signature) if number == 3 else (member, value) if number == 8 else (member, signature)
    body, at, words = data[start : start + body_len], 0, []
    for t in signature:
        if t != "s":
            break
        at = (at + 3) & ~3
        n = struct.unpack("<I", body[at : at + 4])[0]
        words.append(body[at + 4 : at + 4 + n].decode())
        at += 5 + n
    return member, words, serial, start + body_len


class Bus:
    def __init__(self, folder, spawn):
        self.folder, self.spawn = folder, spawn
        self.path = os.path.join(folder, "bus")
        self.address = "unix:path=" + self.path
        self.shim = self.spool = None
        self.asked = []  # (member, unit)
        self.plan = lambda unit: self.done
        self.answers_auth = b"OK 0123456789abcdef0123456789abcdef\r\n"
        self.jobs = 0
        self.connections = 0
        self.open = 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        self.open += 1
        try:
            with peer:
                self._talk(peer)
        except OSError:
            pass
        self.open -= 1

    def _talk(self, peer):
        data = b""
        while b"\r\n" not in data:
            data += peer.recv(4096) or exit_thread()
        peer.sendall(self.answers_auth)
        data = data[data.index(b"\r\n") + 2 :]
        while b"BEGIN\r\n" not in data:
            data += peer.recv(4096) or exit_thread()
        data = data[data.index(b"BEGIN\r\n") + 7 :]
        while True:
            while (m := parse(data)) is not None:
                member, words, serial, length = m
                data = data[length:]
                self._on_call(peer, member, words, serial)
            data += peer.recv(65536) or exit_thread()

    def _on_call(self, peer, member, words, serial):
        if member == "Hello":
            self.reply(peer, serial, "s", _string(b"", ":1.7"))
            return
        if member == "AddMatch":
            self.reply(peer, serial)
            return
        self.asked.append((member, words[0]))
        if member == "StartUnit":
            self.plan(words[0])(peer, serial, words[0])
        elif member == "StopUnit":
            self.finish(peer, self.job(peer, serial), words[0], "done")

    # --- what it says

    def reply(self, peer, serial, signature="", body=b""):
        peer.sendall(message(2, 1, {5: ("u", serial)}, signature, body))

    def error(self, peer, serial, name, text):
        peer.sendall(message(3, 1, {4: ("s", name), 5: ("u", serial)}, "s", _string(b"", text)))

    def job(self, peer, serial):
        self.jobs += 1
        path = f"/org/freedesktop/systemd1/job/{self.jobs}"
        self.reply(peer, serial, "o", _string(b"", path))
        return path

    def finish(self, peer, job, unit, result):
        body = _string(_string(_string(struct.pack("<I", 1), job), unit), result)
        fields = {1: ("o", "/org/freedesktop/systemd1"), 2: ("s", "org.freedesktop.systemd1.Manager"), 3: ("s", "JobRemoved")}
        peer.sendall(message(4, 2, fields, "uoss", body))

    def begin(self, unit, wait=True):
        """The unit's main process; returns when it has said READY=1, or has ended."""
        notify = os.path.join(self.folder, "notify-" + unit)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.bind(notify)
            s.settimeout(0.1)
            id = unit[unit.index("@") + 1 : -len(".service")]
            shim = self.spawn([self.shim, "--unit", os.path.join(self.spool, id)], env={"NOTIFY_SOCKET": notify})
            while wait and shim.poll() is None:
                try:
                    return s.recv(100) == b"READY=1"
                except TimeoutError:
                    pass
            shim.wait() if wait else None
            return False

    # --- ways to answer a start

    def done(self, peer, serial, unit):
        job = self.job(peer, serial)
        self.finish(peer, "/another/job", "another.service", "failed")
        self.finish(peer, job, unit, "done" if self.begin(unit) else "failed")
        self.finish(peer, job, unit, "done")  # nobody waits any more

    def denied(self, peer, serial, unit):
        self.error(peer, serial, "org.freedesktop.DBus.Error.AccessDenied", "Access denied")

    def unknown(self, peer, serial, unit):
        self.error(peer, serial, "org.freedesktop.systemd1.NoSuchUnit", f"Unit {unit} not found.")

    def fails(self, peer, serial, unit):
        self.finish(peer, self.job(peer, serial), unit, "failed")

    def lies(self, peer, serial, unit):
        """Says that it began one; it did not."""
        self.finish(peer, self.job(peer, serial), unit, "done")

    def dies(self, peer, serial, unit):
        peer.shutdown(socket.SHUT_RDWR)

    def done_after_the_first(self, peer, serial, unit):
        """Begins what was asked for first as well, late."""
        self.begin(self.asked[[member for member, _ in self.asked].index("StartUnit")][1])
        self.done(peer, serial, unit)

    def dies_meanwhile(self, peer, serial, unit):
        self.job(peer, serial)
        self.begin(unit)
        peer.shutdown(socket.SHUT_RDWR)

    def babbles(self, peer, serial, unit):
        peer.sendall(b"l\4\0\1" + b"\xff" * 4096)

    def answers_oddly(self, peer, serial, unit):
        self.reply(peer, serial, "u", struct.pack("<I", 3))


def exit_thread():
    raise OSError("the other side has gone")
