"""Active Directory: Samba as a domain controller, its LDAP server alone."""

import os
import random
import re
import secrets

from .process import Server, answers, run
from .slapd import ldif_value, parse_ldif

DOMAIN = "ad.lab"
SUFFIX = "DC=ad,DC=lab"
PEOPLE = "OU=people," + SUFFIX
ADMINISTRATOR = "CN=Administrator,CN=Users," + SUFFIX
READER = "CN=reader,CN=Users," + SUFFIX
OPTIONS = ("server services = ldap", "bind interfaces only = yes", "interfaces = {address}/8",
           "ldap server require strong auth = no", "tls enabled = no",
           "log level = 1", "ldb:nosync = true")
SECONDS = 300  # for the domain to be made
DOMAIN_MAKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "provision.py")


class Samba(Server):
    """Its ports are those of every domain controller: it has an address of its own."""

    name = "samba"

    def __init__(self, lab):
        super().__init__(lab)
        self.address = "127.%d.%d.%d" % (random.randint(1, 250), random.randint(0, 250),
                                         random.randint(2, 250))
        self.uri = "ldap://" + self.address
        self.password = "Aa1-" + secrets.token_hex(8)
        self.conf = os.path.join(self.dir, "etc/smb.conf")
        self._provision()
        self.password_files = {who: self._password_file(who) for who in ("administrator", "reader")}

    def _password_file(self, who):
        path = os.path.join(self.dir, who + ".password")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
            out.write(self.password)
        return path

    def _provision(self):
        run(["/usr/bin/python3", DOMAIN_MAKER, self.dir, DOMAIN, self.address, self.password],
            timeout=SECONDS)
        with open(self.conf) as conf:
            text = conf.read()
        text = re.sub(r"(?m)^\t(server services|dcerpc endpoint servers|log file|logging|panic action"
                      r") =.*\n", "", text)
        options = "".join("\t%s\n" % line.format(address=self.address) for line in OPTIONS)
        with open(self.conf, "w") as conf:
            conf.write(text.replace("[global]\n", "[global]\n" + options, 1))
        database = "--URL=" + os.path.join(self.dir, "private/sam.ldb")
        run(["samba-tool", "user", "create", "reader", self.password, database, "-s", self.conf])

    def command(self):
        return ["samba", "-s", self.conf, "-i", "-M", "single", "--debug-stdout"]

    def ready(self):
        return answers(389, self.address)

    # --- as its administrator -----------------------------------------------------------------

    def bind(self):
        return ["-x", "-H", self.uri, "-D", ADMINISTRATOR,
                "-y", self.password_files["administrator"]]

    def modify(self, ldif):
        run(["ldapmodify"] + self.bind(), stdin=ldif.encode())

    def search(self, search_filter, attributes, base=SUFFIX):
        done = run(["ldapsearch", "-LLL", "-o", "ldif-wrap=no"] + self.bind() +
                   ["-b", base, search_filter] + list(attributes))
        return parse_ldif(done.stdout.decode())

    def add(self, name, **attributes):
        self.modify(person(name, **attributes))

    def replace(self, name, **attributes):
        """A value of None removes the attribute."""
        lines = ["dn: " + dn_of(name), "changetype: modify"]
        for key, value in attributes.items():
            lines.append("replace: " + key)
            values = [] if value is None else [value] if isinstance(value, str) else value
            lines += [ldif_value(key, one) for one in values]
            lines.append("-")
        self.modify("\n".join(lines) + "\n")

    def delete(self, name):
        self.modify("dn: %s\nchangetype: delete\n" % dn_of(name))

    def move(self, name, to="CN=Users," + SUFFIX, old=PEOPLE, new=None):
        self.modify("dn: CN=%s,%s\nchangetype: modrdn\nnewrdn: CN=%s\ndeleteoldrdn: 1\n"
                    "newsuperior: %s\n" % (name, old, new or name, to))


def person(name, **attributes):
    """LDIF that adds one."""
    lines = ["dn: " + dn_of(name), "changetype: add", "objectClass: user", "sAMAccountName: " + name]
    for key, values in attributes.items():
        lines += [ldif_value(key, one) for one in
                  ([values] if isinstance(values, str) else values)]
    return "\n".join(lines) + "\n"


def dn_of(name):
    return "CN=%s,%s" % (name, PEOPLE)
