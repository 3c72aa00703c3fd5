"""A backend's own directory: slapd with people as such systems have them, nothing of Restante in it."""

import os
import secrets
import uuid

from .process import Server, free_port, run
from .slapd import Slapd, ldif_value

SUFFIX = "dc=s1,dc=lab"
PEOPLE = "ou=people," + SUFFIX
READER = "cn=reader," + SUFFIX
OPTIONS = {"sizelimit": "unlimited", "sessionlog": 1000, "syncprov": True, "access": ""}
CONF = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload syncprov
pidfile {dir}/slapd.pid
authz-regexp "gidNumber=[0-9]+.uidNumber=[0-9]+,cn=peercred,cn=external,cn=auth" "{root}"
sizelimit {sizelimit}
{tls}database mdb
suffix "{suffix}"
rootdn "{root}"
rootpw {password}
directory {dir}/db
maxsize 4294967296
dbnosync
index objectClass,entryUUID,entryCSN,mail,modifyTimestamp eq
{access}access to attrs=userPassword by anonymous auth
access to * by dn.exact="{reader}" read by anonymous auth
"""
SYNCPROV = "overlay syncprov\nsyncprov-checkpoint 1 1\n"
TREE = """\
dn: {suffix}
objectClass: dcObject
objectClass: organization
dc: s1
o: S1

dn: {people}
objectClass: organizationalUnit
ou: people

dn: ou=elsewhere,{suffix}
objectClass: organizationalUnit
ou: elsewhere

dn: {reader}
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: reader
userPassword: {password}
"""


class People(Server):
    """options: of OPTIONS, those that differ; access: rules before the others."""

    offer_tls, dump, restore = Slapd.offer_tls, Slapd.dump, Slapd.restore
    command, ready = Slapd.command, Slapd.ready

    def __init__(self, lab, name="people", **options):
        self.name = name
        super().__init__(lab)
        self.options = {**OPTIONS, **options}
        self.port = free_port()
        self.uri = "ldap://127.0.0.1:%d" % self.port
        self.ldapi = "ldapi://" + os.path.join(self.dir, "ldapi").replace("/", "%2F")
        self.tls_port = self.certificate = self.certificates = None
        self.root, self.password = "cn=root," + SUFFIX, secrets.token_hex(12)
        self.password_file = os.path.join(self.dir, "reader.password")
        self.conf = os.path.join(self.dir, "slapd.conf")
        os.makedirs(os.path.join(self.dir, "db"))
        with open(os.open(self.password_file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
            out.write(self.password + "\n")
        self.configure()
        self.load(TREE.format(suffix=SUFFIX, people=PEOPLE, reader=READER, password=self.password))

    def configure(self, **options):
        """For the next start."""
        self.options.update(options)
        text = CONF.format(dir=self.dir, suffix=SUFFIX, root=self.root, reader=READER, tls="",
                           password=self.password, sizelimit=self.options["sizelimit"],
                           access=self.options["access"])
        if self.options["syncprov"]:
            text += SYNCPROV
            if self.options["sessionlog"]:
                text += "syncprov-sessionlog %d\n" % self.options["sessionlog"]
        with open(self.conf, "w") as conf:
            conf.write(text)

    def load(self, ldif):
        """slapadd: only while slapd is down."""
        run(["/usr/sbin/slapadd", "-q", "-w", "-f", self.conf], stdin=ldif.encode(), timeout=600)

    # --- as its administrator -----------------------------------------------------------------

    def modify(self, ldif):
        run(["ldapmodify", "-Q", "-Y", "EXTERNAL", "-H", self.ldapi], stdin=ldif.encode())

    def add(self, *entries):
        """Of entry()."""
        self.modify("\n".join(entry.replace("\n", "\nchangetype: add\n", 1) for entry in entries))

    def replace(self, uid, **attributes):
        """A value of None removes the attribute."""
        lines = ["dn: " + dn_of(uid), "changetype: modify"]
        for name, value in attributes.items():
            lines.append("replace: " + name)
            for one in ([] if value is None else [value] if isinstance(value, str) else value):
                lines.append(ldif_value(name, one))
            lines.append("-")
        self.modify("\n".join(lines) + "\n")

    def delete(self, uid):
        self.modify("dn: %s\nchangetype: delete\n" % dn_of(uid))

    def move(self, uid, to="ou=elsewhere," + SUFFIX, new=None, old=PEOPLE):
        self.modify("dn: uid=%s,%s\nchangetype: modrdn\nnewrdn: uid=%s\ndeleteoldrdn: 1\n"
                    "newsuperior: %s\n" % (uid, old, new or uid, to))


def dn_of(uid):
    return "uid=%s,%s" % (uid, PEOPLE)


def id_of(uid):
    """The entryUUID that entry() gives."""
    return str(uuid.uuid5(uuid.NAMESPACE_X500, uid))


def entry(uid, loaded=False, **attributes):
    """LDIF of a person; a value of None leaves an attribute out. loaded: for slapadd, with an
    entryUUID that is known beforehand."""
    values = {"objectClass": "inetOrgPerson", "uid": uid, "cn": uid.title(), "sn": uid.title(),
              "mail": uid + "@s1.example", **attributes}
    if loaded:
        values["entryUUID"] = id_of(uid)
    lines = ["dn: " + dn_of(uid)]
    for name, value in values.items():
        for one in ([] if value is None else [value] if isinstance(value, str) else value):
            lines.append(ldif_value(name, one))
    return "\n".join(lines) + "\n"
