#!/usr/bin/env python3
# Scenario: HTTPS of the daemon's own, whose certificate is renewed while it runs.
# SPDX-License-Identifier: MIT
import ssl
from lib import *


def certificate(rouse, name, subject):
    """NAME.pem and NAME.key, signed by nobody else."""
    paths = [os.path.join(rouse.dir, name + end) for end in (".pem", ".key")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", f"/CN={subject}", "-addext", "subjectAltName=IP:127.0.0.1", "-out", paths[0], "-keyout", paths[1]],
                   check=True, stderr=subprocess.DEVNULL, timeout=60)
    return paths


def install(rouse, name):
    """What is in NAME.pem and NAME.key becomes what the daemon reads; as certificate tools do it: file by file, renamed."""
    for end in (".pem", ".key"):
        temporary = os.path.join(rouse.dir, "now" + end + ".new")
        shutil.copyfile(os.path.join(rouse.dir, name + end), temporary)
        os.chmod(temporary, 0o600)
        os.rename(temporary, os.path.join(rouse.dir, "now" + end))


def house(rouse):
    for name in ("one", "two"):
        certificate(rouse, name, name)
    install(rouse, "one")
    rouse.agent("a", says(RESULT))
    rouse.webhook("push", agent="a")
    rouse.section("http", tls_cert=os.path.join(rouse.dir, "now.pem"), tls_key=os.path.join(rouse.dir, "now.key"))
    rouse.start()


def connect(rouse, name, **versions):
    """A connection that trusts this certificate alone."""
    context = ssl.create_default_context(cafile=os.path.join(rouse.dir, name + ".pem"))
    for key, value in versions.items():
        setattr(context, key, value)
    connection = http.client.HTTPSConnection("127.0.0.1", rouse.port, timeout=20, context=context)
    connection.connect()
    return connection


def ready(connection):
    connection.request("GET", "/readyz")
    answer = connection.getresponse()
    answer.read()
    return answer.status


@scenario("a reload takes up a renewed certificate; connections that are open go on")
def _(rouse):
    house(rouse)
    old = connect(rouse, "one")
    expect(ready(old), 200, "answer over TLS")
    install(rouse, "two")
    rouse.cli("reload")
    expect(ready(connect(rouse, "two")), 200, "answer to one who trusts the new certificate")
    expect(ready(old), 200, "answer on the old connection")
    try:
        connect(rouse, "one")
        raise Failed("the old certificate is still shown")
    except ssl.SSLCertVerificationError:
        pass


@scenario("a certificate that cannot be used changes nothing, and the reload says which file it is")
def _(rouse):
    house(rouse)
    for content in ("", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        with open(os.path.join(rouse.dir, "now.pem"), "w") as f:
            f.write(content)
        said = rouse.cli("reload", expect_code=1)
        check("now.pem" in said.err + said.out, f"it says which file: {said}")
        expect(ready(connect(rouse, "one")), 200, "answer with the old certificate")
    # The key of another one.
    install(rouse, "one")
    shutil.copyfile(os.path.join(rouse.dir, "two.key"), os.path.join(rouse.dir, "now.key"))
    rouse.cli("reload", expect_code=1)
    expect(ready(connect(rouse, "one")), 200, "answer with the old certificate")
    install(rouse, "two")
    rouse.cli("reload")
    expect(ready(connect(rouse, "two")), 200, "answer with the new one")


@scenario("TLS before 1.2 is refused, and so is plain HTTP, and both leave the daemon as it was")
def _(rouse):
    house(rouse)
    try:
        connect(rouse, "one", minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
        raise Failed("TLS 1.1 is taken")
    except (ssl.SSLError, ConnectionError):
        pass
    # A client that would speak it: the refusal is the daemon's.
    for version, alert in (("-tls1", b"protocol version"), ("-tls1_1", b"protocol version"), ("-tls1_2", None), ("-tls1_3", None)):
        said = subprocess.run(["openssl", "s_client", version, "-cipher", "ALL:@SECLEVEL=0", "-connect", f"127.0.0.1:{rouse.port}", "-CAfile",
                               os.path.join(rouse.dir, "one.pem")], input=b"", capture_output=True, timeout=60 * PATIENCE)
        if alert:
            check(said.returncode != 0 and alert in said.stdout + said.stderr, f"{version} is refused by the daemon: {said}")
        else:
            check(said.returncode == 0 and b"Verify return code: 0" in said.stdout, f"{version} is spoken: {said}")
    with socket.create_connection(("127.0.0.1", rouse.port), 10) as plain:
        plain.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        plain.settimeout(20)
        try:
            check(b"200 OK" not in plain.recv(4096), "no answer in plain text")
        except ConnectionError:
            pass
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        expect(ready(connect(rouse, "one", minimum_version=version, maximum_version=version)), 200, f"answer over {version.name}")


main()
