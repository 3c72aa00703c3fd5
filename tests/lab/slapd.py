"""The directory: slapd with the shipped example configuration and the sample tree."""

import base64
import os
import re
import secrets

from .certificates import Certificates
from .process import LabError, Server, answers, free_port, run

SCHEMA_DIR = "/etc/ldap/schema"
BASE = "dc=example,dc=org"
FEDERATION = "cn=restante," + BASE
PEOPLE = "ou=people," + BASE
IDENTITIES = {
    "front1": "cn=front1,ou=nodes," + FEDERATION,
    "control": "cn=control,ou=services," + FEDERATION,
    "dirsync": "cn=dirsync,ou=services," + FEDERATION,
    "transfer": "cn=transfer,ou=services," + FEDERATION,
    "replicator": "cn=replicator,ou=services," + FEDERATION,
    "operator": "cn=operator,ou=services," + FEDERATION,
}
NODE = """
dn: {dn}
objectClass: restanteNode
objectClass: simpleSecurityObject
cn: {name}
restanteNodeState: enabled
userPassword: change-me-{name}
"""

# certificates of a server at 127.0.0.1: (authority, its names, days)
SERVERS = {
    "sound": ("lab", "IP:127.0.0.1", 2),
    "of another authority": ("stranger", "IP:127.0.0.1", 2),
    "of another name": ("lab", "DNS:ldap.other.lab,IP:127.0.0.9", 2),
    "expired": ("lab", "IP:127.0.0.1", -1),
}
TLS = """\
TLSCACertificateFile "{authority}"
TLSCertificateFile "{certificate}"
TLSCertificateKeyFile "{key}"
TLSVerifyClient try
"""


def identity(who):
    """The DN of one of IDENTITIES, or of a further front door."""
    return IDENTITIES.get(who) or "cn=%s,ou=nodes,%s" % (who, FEDERATION)


def make_certificates(directory):
    """Those of SERVERS, and one of each of IDENTITIES as a client."""
    made = Certificates(os.path.join(directory, "certificates"))
    made.authority("lab")
    made.authority("stranger")
    for name, (authority, names, days) in SERVERS.items():
        made.issue(name, authority, "cn=" + name, names, days)
    for name, dn in IDENTITIES.items():
        made.issue(name, "lab", dn)
    return made


def localise(text, directory, schema_source, schema_target):
    """The shipped example with the lab's own paths: nothing else of it is changed."""
    text = text.replace(schema_source, schema_target)
    text = text.replace("/var/lib/ldap/restante", os.path.join(directory, "db"))
    return text.replace("/run/slapd", directory)


def parse_ldif(text):
    """[(dn, {attribute in lower case: [value, ...]})] of an LDIF text."""
    entries = []
    for block in re.split(r"\n\n+", text.replace("\n ", "")):
        dn, attributes = None, {}
        for line in block.splitlines():
            if line.startswith("#") or ":" not in line:
                continue
            name, value = line.split(":", 1)
            if value.startswith(":"):
                value = base64.b64decode(value[1:].strip()).decode(errors="replace")
            else:
                value = value.strip()
            if name.lower() == "dn":
                dn = value
            elif dn is not None:
                attributes.setdefault(name.lower(), []).append(value)
        if dn is not None:
            entries.append((dn, attributes))
    return entries


def ldif_value(name, value):
    """"name: value", in base64 where LDIF asks for it."""
    if value.isascii() and value.isprintable() and not value.startswith((" ", ":", "<")):
        return "%s: %s" % (name, value)
    return "%s:: %s" % (name, base64.b64encode(value.encode()).decode())


class Slapd(Server):
    """nodes: names of front doors that have an entry, besides front1 of the sample tree."""

    name = "slapd"

    def __init__(self, lab, nodes=()):
        super().__init__(lab)
        self.port = free_port()
        self.uri = "ldap://127.0.0.1:%d" % self.port
        self.tls_port = self.certificate = self.certificates = None
        self.ldapi = "ldapi://" + os.path.join(self.dir, "ldapi").replace("/", "%2F")
        self.nodes = list(nodes)
        self.passwords = {name: secrets.token_hex(12) for name in [*IDENTITIES, *self.nodes]}
        self.conf = os.path.join(self.dir, "slapd.conf")
        self._prepare()

    def _prepare(self):
        for sub in ("", "db"):
            os.makedirs(os.path.join(self.dir, sub), exist_ok=True)
        with open(self.conf, "w") as conf:
            conf.write(self._configuration())
        self._fill()

    def _shipped(self, name):
        with open(os.path.join(self.lab.source, "ldap-schema", name)) as shipped:
            return shipped.read()

    def _configuration(self):
        return localise(self._shipped("slapd.conf.example"), self.dir,
                        SCHEMA_DIR + "/restante.schema",
                        os.path.join(self.lab.source, "ldap-schema/restante.schema"))

    def _fill(self):
        for name in self.passwords:
            path = self.password_file(name)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
                out.write(self.passwords[name] + "\n")
        nodes = "".join(NODE.format(dn=identity(name), name=name) for name in self.nodes)
        self.load(self._shipped("sample.ldif") + nodes)

    def password_file(self, name):
        return os.path.join(self.dir, name + ".password")

    def offer_tls(self, certificate):
        """From the next start on: StartTLS, and ldaps:// at tls_port, with that one of SERVERS or
        None: neither. A client may show a certificate, whose subject then is its DN."""
        with open(self.conf) as conf:
            text = re.sub(r"(?m)^TLS.*\n", "", conf.read())
        self.certificate = certificate
        if certificate:
            self.tls_port = self.tls_port or free_port()
            self.certificates = self.certificates or make_certificates(self.dir)
            text = TLS.format(authority=self.certificates.pem("lab"),
                              certificate=self.certificates.pem(certificate),
                              key=self.certificates.key(certificate)) + text
        else:
            self.tls_port = None
        with open(self.conf, "w") as conf:
            conf.write(text)

    def load(self, ldif):
        """slapadd: only while slapd is down. The sample's passwords become those of this lab."""
        for name, password in self.passwords.items():
            ldif = ldif.replace("change-me-" + name, password)
        run(["/usr/sbin/slapadd", "-q", "-f", self.conf], stdin=ldif.encode(), timeout=600)

    def dump(self):
        """slapcat."""
        return run(["/usr/sbin/slapcat", "-f", self.conf]).stdout.decode()

    def restore(self, dump):
        """A dump in place of everything there is: only while slapd is down."""
        run(["find", os.path.join(self.dir, "db"), "-type", "f", "-delete"])
        run(["/usr/sbin/slapadd", "-q", "-f", self.conf], stdin=dump.encode(), timeout=600)

    def command(self):
        # -d: stays in the foreground and logs here
        uris = [self.uri, self.ldapi]
        if self.tls_port:
            uris.append("ldaps://127.0.0.1:%d" % self.tls_port)
        return ["/usr/sbin/slapd", "-f", self.conf, "-h", " ".join(uris), "-d",
                self.lab.slapd_debug]

    def ready(self):
        return answers(self.port)

    # --- as a client --------------------------------------------------------------------------

    def bind(self, who):
        """Options of ldap-utils for one of IDENTITIES, "root" by ldapi, or None: anonymous."""
        if who is None:
            return ["-x", "-H", self.uri]
        if who == "root":
            return ["-Q", "-Y", "EXTERNAL", "-H", self.ldapi]
        return ["-x", "-H", self.uri, "-D", identity(who), "-y", self.bare_password(who)]

    def bare_password(self, who):
        """A file for -y: ldap-utils take the whole file, a line end included."""
        path = self.password_file(who) + ".bare"
        if not os.path.exists(path):
            with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
                out.write(self.passwords[who])
        return path

    def modify(self, ldif, who="operator", check=True):
        """Applies change records; the exit status is the LDAP result code."""
        return run(["ldapmodify"] + self.bind(who), stdin=ldif.encode(), check=check)

    def replace(self, dn, who="operator", check=True, **attributes):
        """replace(dn, restanteState="holding"); a value of None removes the attribute."""
        lines = [ldif_value("dn", dn), "changetype: modify"]
        for name, value in attributes.items():
            lines.append("replace: " + name)
            for one in ([] if value is None else [value] if isinstance(value, str) else value):
                lines.append(ldif_value(name, one))
            lines.append("-")
        return self.modify("\n".join(lines) + "\n", who, check)

    def search(self, search_filter="(objectClass=*)", attributes=("*", "+"), base=BASE,
               scope="sub", who="operator", check=True):
        done = run(["ldapsearch", "-LLL", "-o", "ldif-wrap=no"] + self.bind(who) +
                   ["-b", base, "-s", scope, search_filter] + list(attributes), check=False)
        if check and done.returncode not in (0, 32):
            raise LabError("ldapsearch %s: %s" % (search_filter, done.stderr.decode()))
        return parse_ldif(done.stdout.decode())

    def read(self, dn, attributes=("*", "+"), who="operator"):
        """Attributes of one entry, {} where it is not there or not to be seen."""
        found = self.search(attributes=attributes, base=dn, scope="base", who=who)
        return found[0][1] if found else {}

    def context(self):
        """Its contextCSN values: what it has of whose changes."""
        return sorted(self.read(BASE, ["contextCSN"], "root").get("contextcsn", []))

    def mailbox_dn(self, uid):
        return "uid=%s,%s" % (uid, PEOPLE)

    def mailbox_record(self, uid, system="S1", physical=None, addresses=None, state=None, utf8=()):
        """The change record that adds a further mailbox, access address uid@example.org unless said
        otherwise."""
        physical = physical or "%s@%s.lab" % (uid, system.lower())
        lines = [ldif_value("dn", self.mailbox_dn(uid)), "changetype: add",
                 "objectClass: inetOrgPerson", "objectClass: inetLocalMailRecipient",
                 "objectClass: restanteMailbox", "uid: " + uid, "cn: " + uid, "sn: " + uid,
                 "restanteSystem: " + system, "mailRoutingAddress: " + physical]
        lines += [ldif_value("mailLocalAddress", a) for a in addresses or [uid + "@example.org"]]
        lines += [ldif_value("restanteAddressUTF8", a) for a in utf8]
        if state:
            lines.append("restanteState: " + state)
        return "\n".join(lines) + "\n"

    def add_mailbox(self, uid, *values, **named):
        """As mailbox_record() says; its DN."""
        self.modify(self.mailbox_record(uid, *values, **named))
        return self.mailbox_dn(uid)
