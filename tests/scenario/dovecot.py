# A Dovecot of a test's own: its folder, its ports, its certificate, its users; ended by its own process id.
# SPDX-License-Identifier: MIT
import grp
import imaplib
import pwd
import re

from lib import *

LDA = "/usr/lib/dovecot/dovecot-lda"
CONFIG = """
base_dir = {dir}/run
state_dir = {dir}/run
log_path = {dir}/log
auth_debug = no
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{dir}/cert.pem
ssl_key = <{dir}/key.pem
disable_plaintext_auth = no
default_internal_user = {internal}
default_internal_group = {group}
default_login_user = {login}
first_valid_uid = 0
first_valid_gid = 0
mail_location = maildir:~/Maildir
mail_max_userip_connections = 100
auth_mechanisms = plain login
auth_failure_delay = 0
verbose_proctitle = no
{more}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service imap {{
  process_limit = 200
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {dir}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={dir}/mail/%u
}}
"""


class Dovecot:
    def __init__(self, more=""):
        if not shutil.which("dovecot", path="/usr/sbin:/usr/bin:" + os.environ["PATH"]):
            raise Skip("dovecot is not installed (Debian: dovecot-imapd)")
        needs_program("openssl")
        self.dir = tempfile.mkdtemp(prefix="dovecot-", dir="/tmp")
        os.chmod(self.dir, 0o755)
        self.port, self.tls_port = free_port(), free_port()
        self.process = None
        root = os.geteuid() == 0
        me, gid = (pwd.getpwnam("nobody"), pwd.getpwnam("nobody").pw_gid) if root else (pwd.getpwuid(os.geteuid()), os.getegid())
        internal, login = ("dovecot", "dovenull") if root else (me.pw_name, me.pw_name)
        group = "dovecot" if root else grp.getgrgid(gid).gr_name
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", self.dir + "/key.pem", "-out", self.dir + "/cert.pem"],
                       check=True, stderr=subprocess.DEVNULL)
        os.makedirs(self.dir + "/mail")
        self.password = "pass word \"of\\ maria"
        with open(self.dir + "/users", "w") as f:
            f.write("".join(f"{name}:{self.password}\n" for name in ("maria", "otto")))
        os.chmod(self.dir + "/users", 0o644)
        with open(self.dir + "/conf", "w") as f:
            f.write(CONFIG.format(dir=self.dir, internal=internal, login=login, group=group, uid=me.pw_uid, gid=gid, port=self.port,
                                  tls_port=self.tls_port, more=more))
        if root:
            shutil.chown(self.dir + "/mail", me.pw_uid, gid)
        self.start()

    def start(self):
        env = {"PATH": os.environ["PATH"] + ":/usr/sbin"}
        self.process = spawn([shutil.which("dovecot", path="/usr/sbin:" + os.environ["PATH"]), "-F", "-c", self.dir + "/conf"], env=env,
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait("dovecot listens", lambda: self.login().logout() or True)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process = None

    def close(self):
        if self.process:
            self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def log(self):
        try:
            with open(self.dir + "/log", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def logins(self, user="maria"):
        """(ip and port of the client) of every login, without this test's own."""
        return [line for line in self.log().splitlines() if "imap-login: Info: Login: user=<%s>" % user in line]

    # as a client

    def login(self, user="maria"):
        client = imaplib.IMAP4("127.0.0.1", self.port)
        client.login(user, self.password)
        return client

    def append(self, *messages, user="maria", folder="INBOX", date=None):
        client = self.login(user)
        for message in messages:
            message = message if isinstance(message, bytes) else message.encode()
            status, said = client.append(folder, None, imaplib.Time2Internaldate(date) if date else None, message)
            expect(status, "OK", f"APPEND, which said {said}")
        client.logout()

    def messages(self, folder="INBOX", user="maria"):
        """{uid: flags}"""
        client = self.login(user)
        client.select(folder, readonly=True)
        _, said = client.uid("FETCH", "1:*", "(FLAGS)")
        client.logout()
        found = {}
        for line in said:
            if line:
                uid, flags = re.search(rb"UID (\d+)", line), re.search(rb"FLAGS \(([^)]*)\)", line)
                found[int(uid[1])] = set(flags[1].decode().split()) - {"\\Recent"}
        return found

    def deliver(self, message, user="maria"):
        """As a mail server would, by dovecot-lda."""
        process = spawn([LDA, "-c", self.dir + "/conf", "-d", user], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        _, said = process.communicate(message if isinstance(message, bytes) else message.encode())
        expect(process.returncode, 0, f"dovecot-lda, which said {said}")


def mail(n=1, subject=None, body=None, extra="", id=True, sender="a@example.org"):
    """A message; each with an id of its own."""
    return (f"From: {sender}\r\nTo: maria@example.net\r\n" + (f"Message-ID: <{n}@example.org>\r\n" if id else "") +
            f"Subject: {subject or 'mail %s' % n}\r\nDate: Fri, 20 Nov 2026 10:00:00 +0000\r\n{extra}\r\n{body or 'hello %s' % n}\r\n")
