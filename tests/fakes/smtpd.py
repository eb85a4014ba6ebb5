#!/usr/bin/python3
# A real SMTP server (aiosmtpd) on the loopback that keeps each mail as a file, and can be told to be difficult.
# smtpd.py FOLDER [CERT KEY]; prints its port. In FOLDER: `refuse` has a line "WHAT REPLY" while it refuses (RCPT, DATA, AUTH).
# SPDX-License-Identifier: MIT
import asyncio
import json
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

folder, tls = sys.argv[1], sys.argv[2:]


def refusal(what):
    try:
        with open(os.path.join(folder, "refuse")) as f:
            word, reply = f.read().split(None, 1)
    except FileNotFoundError:
        return None
    return reply.strip() if word == what else None


class Keeper:
    count = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if refusal("RCPT"):
            return refusal("RCPT")
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if refusal("HANG"):
            await asyncio.sleep(3600)
        if refusal("DATA"):
            return refusal("DATA")
        self.count += 1
        name = os.path.join(folder, f"{self.count:05}")
        with open(name + ".tmp", "w") as f:
            json.dump({"from": envelope.mail_from, "to": envelope.rcpt_tos, "tls": session.ssl is not None,
                       "user": getattr(session, "auth_data", None) and session.auth_data.login.decode(),
                       "data": envelope.content.decode("utf-8", "surrogateescape")}, f)
        os.rename(name + ".tmp", name + ".json")
        return "250 OK"


def authenticator(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b"rouse", b"s3cret canary"), auth_data=data)


async def main():
    context, keeper = None, Keeper()
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(keeper, tls_context=context, authenticator=authenticator, auth_require_tls=bool(tls), enable_SMTPUTF8=True),
        "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
