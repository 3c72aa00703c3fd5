"""A backend whose accounts are in LDAP, as contrib/actions/dovecot-ldap has them: a directory of its
own, and a Dovecot that authenticates and delivers from it, with Sieve and the HTTP interface of
doveadm."""

import os
import re
import secrets

from .certificates import Certificates
from .dovecot import Dovecot
from .process import LabError, Server, answers, free_port, run
from .slapd import ldif_value, parse_ldif

DIRECTORY = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/misc.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload unique
moduleload syncprov
pidfile {dir}/slapd.pid
authz-regexp "gidNumber=[0-9]+[+]uidNumber=[0-9]+,cn=peercred,cn=external,cn=auth" "cn=root,{suffix}"
sizelimit unlimited
loglevel none
database mdb
suffix "{suffix}"
rootdn "cn=root,{suffix}"
directory {dir}/db
maxsize 1073741824
dbnosync
index objectClass,entryUUID,entryCSN,employeeType,employeeNumber,mail,mailLocalAddress,uid,cn eq
access to attrs=userPassword by dn.exact="{writer}" write by anonymous auth
access to * by dn.exact="{writer}" write by dn.exact="{reader}" read by anonymous auth
overlay unique
unique_uri ldap:///{suffix}?mail,mailLocalAddress?sub
overlay syncprov
syncprov-sessionlog 100000
"""
TREE = """\
dn: {suffix}
objectClass: dcObject
objectClass: organization
dc: {dc}
o: {dc}

dn: ou=people,{suffix}
objectClass: organizationalUnit
ou: people

dn: ou=federation,{suffix}
objectClass: organizationalUnit
ou: federation

dn: ou=quarantine,{suffix}
objectClass: organizationalUnit
ou: quarantine

dn: {writer}
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: actions
userPassword: {password}

dn: {reader}
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: dovecot
userPassword: {password}
"""


class Accounts(Server):
    """The directory. No two entries of it have one address (slapo-unique)."""

    def __init__(self, lab, system):
        self.name = system.lower() + "-ldap"
        super().__init__(lab)
        self.suffix = "dc=%s,dc=lab" % system.lower()
        self.people, self.contacts, self.quarantine = (
            "ou=%s,%s" % (ou, self.suffix) for ou in ("people", "federation", "quarantine"))
        self.writer, self.reader = ("cn=%s,%s" % (cn, self.suffix) for cn in ("actions", "dovecot"))
        self.port = free_port()
        self.uri = "ldap://127.0.0.1:%d" % self.port
        self.ldapi = "ldapi://" + os.path.join(self.dir, "ldapi").replace("/", "%2F")
        self.password = secrets.token_hex(12)
        self.password_file = os.path.join(self.dir, "password")
        self.conf = os.path.join(self.dir, "slapd.conf")
        os.makedirs(os.path.join(self.dir, "db"))
        with open(os.open(self.password_file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
            out.write(self.password + "\n")
        names = {"dir": self.dir, "suffix": self.suffix, "dc": system.lower(),
                 "writer": self.writer, "reader": self.reader, "password": self.password}
        with open(self.conf, "w") as conf:
            conf.write(DIRECTORY.format(**names))
        run(["/usr/sbin/slapadd", "-q", "-f", self.conf], stdin=TREE.format(**names).encode())

    def command(self):
        return ["/usr/sbin/slapd", "-f", self.conf, "-h", self.uri + " " + self.ldapi, "-d",
                self.lab.slapd_debug]

    def ready(self):
        return answers(self.port)

    def bind(self):
        """Keys of a section that writes here."""
        return {"uri": self.uri, "bind": "simple", "bind_dn": self.writer,
                "password_file": self.password_file}

    # --- as its administrator -----------------------------------------------------------------

    def modify(self, ldif):
        run(["ldapmodify", "-Q", "-Y", "EXTERNAL", "-H", self.ldapi], stdin=ldif.encode())

    def add(self, dn, **attributes):
        lines = [ldif_value("dn", dn), "changetype: add"]
        for name, value in attributes.items():
            for one in [value] if isinstance(value, str) else value:
                lines.append(ldif_value(name, one))
        self.modify("\n".join(lines) + "\n")
        return dn

    def search(self, base=None, search_filter="(objectClass=*)", scope="sub"):
        """{dn: {attribute in lower case: [value, ...]}}"""
        done = run(["ldapsearch", "-LLL", "-Q", "-Y", "EXTERNAL", "-H", self.ldapi, "-o",
                    "ldif-wrap=no", "-b", base or self.suffix, "-s", scope, search_filter, "*",
                    "+"], check=False)
        if done.returncode not in (0, 32):
            raise LabError("ldapsearch: " + done.stderr.decode())
        return dict(parse_ldif(done.stdout.decode()))

    def one(self, search_filter, base=None):
        """(dn, attributes) of the only entry."""
        found = list(self.search(base, search_filter).items())
        if len(found) != 1:
            raise LabError("%s: %d entries" % (search_filter, len(found)))
        return found[0]

    def versions(self):
        """{dn: entryCSN}: what was written is seen."""
        return {dn: entry["entrycsn"] for dn, entry in self.search().items()}


SETTINGS = """\
protocols = imap lmtp sieve
{tls}submission_host = 127.0.0.1:{smtp}
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = scheme=plain {dir}/masters
  master = yes
}}
passdb {{
  driver = ldap
  args = {dir}/ldap.conf
}}
userdb {{
  driver = ldap
  args = {dir}/ldap.conf
}}
protocol lmtp {{
  mail_plugins = sieve
}}
plugin {{
  sieve = file:~/sieve;active=~/.dovecot.sieve
  sieve_before = {dir}/forward.sieve
  sieve_extensions = +vnd.dovecot.environment
  sieve_global_extensions = +vnd.dovecot.environment
  sieve_redirect_envelope_from = sender
}}
service managesieve-login {{
  chroot =
  inet_listener sieve {{
    port = {sieve_port}
  }}
}}
service doveadm {{
  inet_listener http {{
    address = 127.0.0.1
    port = {doveadm_port}
  }}
}}
doveadm_api_key = {api_key}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""


TEMPLATES = ("create", "redirect", "unredirect", "addresses", "unaddress", "list", "open", "delete",
             "contact")


class AccountsDovecot(Dovecot):
    """Users are those of `accounts`, each with the password of its entry; the master user is
    `master`. What it redirects goes to the SMTP server at `smtp`."""

    master = "restante"

    def __init__(self, lab, system, smtp=25):
        self.smtp, self.tls = smtp, ""
        self.ldap = lab._add(Accounts(lab, system))
        self.sieve_port, self.doveadm_port = free_port(), free_port()
        self.api_key, self.master_password = secrets.token_hex(12), secrets.token_hex(12)
        super().__init__(lab, system)

    def _secret(self, name, text):
        path = os.path.join(self.dir, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.write(text + "\n")
        return path

    def accounts(self, names):
        shipped = os.path.join(self.lab.source, "contrib/actions/dovecot-ldap")
        with open(os.path.join(shipped, "dovecot-ldap.conf.ext")) as conf:
            text = conf.read()
        for name, value in (("uris", self.ldap.uri), ("dn", self.ldap.reader),
                            ("dnpass", self.ldap.password), ("base", self.ldap.suffix)):
            text = re.sub(r"(?m)^%s = .*$" % name, "%s = %s" % (name, value), text)
        self._secret("ldap.conf", text)
        masters = self._secret("masters", "%s:%s" % (self.master, self.master_password))
        os.chmod(masters, 0o644)
        self.master_file = self._secret("master.password", self.master_password)
        self.api_key_file = self._secret("api.key", self.api_key)
        with open(os.path.join(shipped, "forward.sieve")) as script:
            with open(os.path.join(self.dir, "forward.sieve"), "w") as out:
                out.write(script.read())
        self.uid, self.gid = names["uid"], names["gid"]
        return SETTINGS.format(smtp=self.smtp, tls=self.tls, sieve_port=self.sieve_port, api_key=self.api_key,
                               doveadm_port=self.doveadm_port, **names)

    def offer_tls(self):
        """With a certificate for 127.0.0.1; the authority's, to be trusted. Before the start."""
        made = Certificates(os.path.join(self.dir, "tls"))
        made.authority("authority")
        made.issue("dovecot", "authority", "cn=dovecot", "IP:127.0.0.1")
        self.tls = "ssl = yes\nssl_cert = <%s\nssl_key = <%s\n" % (
            made.pem("dovecot"), made.key("dovecot"))
        self._prepare()
        return made.pem("authority")

    def send_through(self, port):
        """What it redirects goes to the SMTP server at this port. Before the start."""
        self.smtp = port
        self._prepare()

    def start(self, wait=True):
        super().start(wait)
        run(["/usr/bin/sievec", "-c", self.conf, os.path.join(self.dir, "forward.sieve")])
        return self

    def ready(self):
        return super().ready() and answers(self.sieve_port) and answers(self.doveadm_port)

    def users(self):
        """A mailbox made by an action has a home that is named after its move."""
        found = self.ldap.search(None, "(objectClass=posixAccount)").values()
        return sorted(entry["uid"][0] for entry in found
                      if os.path.isdir(entry["homedirectory"][0]))

    def login(self, imap, user):
        """As the master user: accounts have passwords of their own, or none."""
        imap.authenticate("PLAIN", lambda challenge: (
            "%s\0%s\0%s" % (user, self.master, self.master_password)).encode())

    def actions(self, **more):
        """Keys of actions NAME {}: the shipped ones."""
        command = "%s --master %s --password-file %s --tls none" % (
            "%s", self.master, self.master_file)
        return {**self.ldap.bind(), "base": self.ldap.suffix, "settings": self.settings(),
                "templates": os.path.join(self.lab.source, "contrib/actions"), "time_limit": "30s",
                **{name: "dovecot-ldap/%s.ldif" % name for name in TEMPLATES},
                "close": "dovecot-ldap/close.ldif; dovecot-kick --url %%{doveadm} --key-file %s"
                         % self.api_key_file,
                "empty": (command % "imap-empty") + " --server %{imap}", **more}

    def settings(self):
        """Of actions NAME {}, `settings`."""
        ldap = self.ldap
        return " ".join("%s=%s" % pair for pair in (
            ("people", ldap.people), ("contacts", ldap.contacts), ("quarantine", ldap.quarantine),
            ("maildomain", self.domain), ("homes", self.dir + "/mail"), ("uid_number", self.uid),
            ("gid_number", self.gid), ("imap", "127.0.0.1:%d" % self.imap_port),
            ("sieve", "127.0.0.1:%d" % self.sieve_port),
            ("doveadm", "http://127.0.0.1:%d/doveadm/v1" % self.doveadm_port)))

    def make_account(self, uid, password="secret", **attributes):
        """As such a system has it, without anything of Restante."""
        return self._add_account(self.ldap.people, uid, **{
            "mail": uid + "@example.org", "userPassword": password, **attributes})

    def make_unseen(self, uid):
        """One without address, below ou=unseen, which must be there."""
        return self._add_account("ou=unseen," + self.ldap.suffix, uid)

    def _add_account(self, folder, uid, **attributes):
        return self.ldap.add("uid=%s,%s" % (uid, folder), **{
            "objectClass": ["inetOrgPerson", "posixAccount"], "cn": uid.title(), "sn": uid.title(),
            "uid": uid, "uidNumber": str(self.uid), "gidNumber": str(self.gid),
            "homeDirectory": "%s/mail/%s" % (self.dir, uid), **attributes})
