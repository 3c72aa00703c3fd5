"""A backend's directory with an address book: slapd, people of its own, a container for contacts."""

import os
import secrets

from .process import LabError, Server, answers, free_port, run
from .slapd import ldif_value, parse_ldif

SUFFIX = "dc=s2,dc=lab"
CONTACTS = "ou=contacts," + SUFFIX
OWN = "ou=own," + SUFFIX
WRITER = "cn=writer," + SUFFIX
CONF = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include {dir}/exchange.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload unique
pidfile {dir}/slapd.pid
authz-regexp "gidNumber=[0-9]+[+]uidNumber=[0-9]+,cn=peercred,cn=external,cn=auth" "{root}"
database mdb
suffix "{suffix}"
rootdn "{root}"
directory {dir}/db
maxsize 4294967296
dbnosync
index objectClass,entryUUID,employeeType,mail,proxyAddresses,cn eq
limits dn.exact="{writer}" size=500 size.prtotal=unlimited
access to attrs=userPassword by anonymous auth
access to dn.subtree="{contacts}" by dn.exact="{writer}" write
access to dn.subtree="{own}" by dn.exact="{writer}" {own_access}
access to * by dn.exact="{writer}" read by anonymous auth
overlay unique
unique_uri ldap:///{contacts}?mail?sub
"""
# what Exchange adds to Active Directory, as far as contacts have it
EXCHANGE = """\
attributetype ( 1.2.840.113556.1.2.210 NAME 'proxyAddresses' EQUALITY caseIgnoreMatch
	SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.2.840.113556.1.4.2.1 NAME 'targetAddress' EQUALITY caseIgnoreMatch
	SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.2.2 NAME 'extensionAttribute15' EQUALITY caseIgnoreMatch
	SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
objectclass ( 1.2.840.113556.1.5.15 NAME 'contact' SUP top STRUCTURAL MUST cn
	MAY ( sn $ givenName $ displayName $ mail $ proxyAddresses $ targetAddress $
	extensionAttribute15 $ description ) )
"""
TREE = """\
dn: {suffix}
objectClass: dcObject
objectClass: organization
dc: s2
o: S2

dn: {contacts}
objectClass: organizationalUnit
ou: contacts

dn: {own}
objectClass: organizationalUnit
ou: own

dn: {writer}
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: writer
userPassword: {password}
"""


class AddressBook(Server):
    """own_access: what restante-dirsync may do below ou=own."""

    def __init__(self, lab, name="addressbook", own_access="write"):
        self.name = name
        super().__init__(lab)
        self.port = free_port()
        self.uri = "ldap://127.0.0.1:%d" % self.port
        self.ldapi = "ldapi://" + os.path.join(self.dir, "ldapi").replace("/", "%2F")
        self.password_file = os.path.join(self.dir, "writer.password")
        self.conf = os.path.join(self.dir, "slapd.conf")
        password = secrets.token_hex(12)
        os.makedirs(os.path.join(self.dir, "db"))
        with open(os.open(self.password_file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
            out.write(password + "\n")
        with open(os.path.join(self.dir, "exchange.schema"), "w") as out:
            out.write(EXCHANGE)
        names = {"dir": self.dir, "suffix": SUFFIX, "contacts": CONTACTS, "own": OWN,
                 "writer": WRITER, "root": "cn=root," + SUFFIX, "own_access": own_access}
        with open(self.conf, "w") as conf:
            conf.write(CONF.format(**names))
        self.load(TREE.format(password=password, **names))

    def load(self, ldif):
        """slapadd: only while slapd is down."""
        run(["/usr/sbin/slapadd", "-q", "-f", self.conf], stdin=ldif.encode(), timeout=600)

    def command(self):
        return ["/usr/sbin/slapd", "-f", self.conf, "-h", self.uri + " " + self.ldapi, "-d",
                self.lab.slapd_debug]

    def ready(self):
        return answers(self.port)

    def settings(self, **more):
        """Of down NAME {}: what it takes to write here."""
        return {"target": "ldap", "uri": self.uri, "bind": "simple", "bind_dn": WRITER,
                "password_file": self.password_file, "container": CONTACTS,
                "search_base": SUFFIX, **more}

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

    def replace(self, dn, **attributes):
        """A value of None removes the attribute."""
        lines = [ldif_value("dn", dn), "changetype: modify"]
        for name, value in attributes.items():
            lines.append("replace: " + name)
            for one in ([] if value is None else [value] if isinstance(value, str) else value):
                lines.append(ldif_value(name, one))
            lines.append("-")
        self.modify("\n".join(lines) + "\n")

    def search(self, base=SUFFIX, search_filter="(objectClass=*)", scope="sub"):
        """{dn: {attribute in lower case: [value, ...]}}"""
        done = run(["ldapsearch", "-LLL", "-Q", "-Y", "EXTERNAL", "-H", self.ldapi, "-o",
                    "ldif-wrap=no", "-b", base, "-s", scope, search_filter, "*", "+"], check=False)
        if done.returncode not in (0, 32):
            raise LabError("ldapsearch: " + done.stderr.decode())
        return dict(parse_ldif(done.stdout.decode()))

    def contacts(self):
        """{name: attributes} of what is in the container; the name is the value of the RDN."""
        found = self.search(CONTACTS, scope="one")
        return {dn.split(",")[0].split("=", 1)[1]: values for dn, values in found.items()}

    def versions(self, base=SUFFIX):
        """{dn: entryCSN}: what was written is seen."""
        return {dn: values["entrycsn"] for dn, values in self.search(base).items()}
