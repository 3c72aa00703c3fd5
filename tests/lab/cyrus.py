"""A backend mail system: Cyrus IMAP with LMTP and ManageSieve on loopback, unpacked below the build
directory. A user is an account of SASL and a mailbox user.NAME; the administrator is `restante`."""

import imaplib
import os
import pwd
import secrets
import shutil
import subprocess

from .process import LabError, Server, answers, free_port, run

IMAPD = """\
configdirectory: {dir}/conf
proc_path: {dir}/conf/proc
mboxname_lockpath: {dir}/conf/lock
defaultpartition: default
partition-default: {dir}/spool
sievedir: {dir}/sieve
cyrus_user: {user}
cyrus_group: {group}
servername: {domain}
admins: restante
sasl_mech_list: PLAIN
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {dir}/sasldb2
allowplaintext: yes
sasl_minimum_layer: 0
annotation_allow_undefined: no
altnamespace: no
allowusermoves: yes
unixhierarchysep: {separator}
virtdomains: off
lmtp_downcase_rcpt: yes
smtp_backend: host
smtp_host: 127.0.0.1:{smtp}
sieve_maxscripts: 20
syslog_prefix: restante-lab
"""
CYRUS = """\
START {{
  recover cmd="{bin}/ctl_cyrusdb -C {conf} -r"
}}
SERVICES {{
  imap cmd="{bin}/imapd -C {conf}" listen="127.0.0.1:{imap_port}" prefork=0
  lmtp cmd="{bin}/lmtpd -C {conf} -a" listen="127.0.0.1:{lmtp_port}" prefork=0
  sieve cmd="{bin}/timsieved -C {conf}" listen="127.0.0.1:{sieve_port}" prefork=0
}}
EVENTS {{
}}
"""


class Cyrus(Server):
    password = "lab"
    master = "restante"

    def __init__(self, lab, system, smtp=25, slashes=False):
        self.system, self.domain, self.name = system, system.lower() + ".lab", system.lower()
        super().__init__(lab)
        self.smtp, self.separator = smtp, "yes" if slashes else "no"
        self.prefix = self._reachable(os.environ.get("RESTANTE_CYRUS_PREFIX") or os.path.join(
            lab.build, "cyrus-private"))
        self.bin = os.path.join(self.prefix, "usr/lib/cyrus/bin")
        self.imap_port, self.lmtp_port, self.sieve_port = free_port(), free_port(), free_port()
        self.conf = os.path.join(self.dir, "imapd.conf")
        self.master_password = secrets.token_hex(12)
        self._prepare()
        self.add_login(self.master, self.master_password)
        self.master_file = os.path.join(self.dir, "master.password")
        with open(os.open(self.master_file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
            out.write(self.master_password + "\n")

    def _reachable(self, prefix):
        """Its services run as a user who may see nothing of a build below a private folder."""
        if not os.path.exists(os.path.join(prefix, "usr/lib/cyrus/bin")):
            raise LabError("there is no Cyrus below %s; ./check puts it there" % prefix)
        ours = os.path.join(self.lab.dir, "cyrus")
        if not os.path.exists(ours):
            shutil.copytree(os.path.join(prefix, "usr"), os.path.join(ours, "usr"), symlinks=True)
        return ours

    def _prepare(self):
        owner = pwd.getpwnam("daemon")
        for sub in ("conf/db", "conf/proc", "conf/log", "conf/msg", "conf/socket", "conf/quota",
                    "conf/user", "conf/lock", "spool", "sieve"):
            os.makedirs(os.path.join(self.dir, sub), exist_ok=True)
        names = dict(dir=self.dir, user=owner.pw_name, group="daemon", domain=self.domain,
                     smtp=self.smtp, separator=self.separator, bin=self.bin, conf=self.conf,
                     imap_port=self.imap_port, lmtp_port=self.lmtp_port,
                     sieve_port=self.sieve_port)
        for path, text in ((self.conf, IMAPD), (os.path.join(self.dir, "cyrus.conf"), CYRUS)):
            with open(path, "w") as out:
                out.write(text.format(**names))
        for path, folders, _ in os.walk(self.dir):
            os.chown(path, owner.pw_uid, owner.pw_gid)

    def send_through(self, port):
        """What it redirects goes to the SMTP server at this port. Before the start."""
        self.smtp = port
        self._prepare()

    def environment(self):
        library = os.path.join(self.prefix, "usr/lib/x86_64-linux-gnu")
        return dict(os.environ, LD_LIBRARY_PATH=library)

    def command(self):
        return [os.path.join(self.bin, "master"), "-C", self.conf, "-M",
                os.path.join(self.dir, "cyrus.conf"), "-p", os.path.join(self.dir, "master.pid"),
                "-D"]

    def stop(self):
        """Its master may spin for ever where a child ends at the same moment: then it is killed, and
        recovers at its next start."""
        if self.running():
            self.ask_to_stop()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                pass
        self.kill()

    def ready(self):
        return all(answers(port) for port in (self.imap_port, self.lmtp_port, self.sieve_port))

    def users(self):
        imap = self.admin()
        names = [line.split()[-1].decode().strip('"') for line in imap.list('""', "user*")[1] if line]
        imap.logout()
        parts = [name.split("/" if self.separator == "yes" else ".") for name in names]
        return sorted({part[1] for part in parts
                       if len(part) > 1 and not part[1].startswith("restante-")})

    def login(self, imap, user):
        """As the master user: nobody knows the user's password."""
        imap.authenticate("PLAIN", lambda challenge: (
            "%s\0%s\0%s" % (user, self.master, self.master_password)).encode())

    # --- as its administrator -----------------------------------------------------------------

    def add_login(self, name, password):
        path = os.path.join(self.dir, "sasldb2")
        run([os.path.join(self.prefix, "usr/sbin/saslpasswd2"), "-p", "-c", "-f", path, "-u",
             self.domain, name], stdin=password.encode(), env=self.environment())
        os.chmod(path, 0o644)

    def admin(self):
        imap = imaplib.IMAP4("127.0.0.1", self.imap_port)
        imap.login(self.master, self.master_password)
        return imap

    def make_account(self, name, password="secret"):
        """A login and a mailbox."""
        self.add_login(name, password)
        imap = self.admin()
        kind, data = imap.create(("user/%s" if self.separator == "yes" else "user.%s") % name)
        if kind != "OK":
            raise LabError("CREATE: %s" % data)
        imap.logout()
