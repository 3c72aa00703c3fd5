"""Two systems that tell the directory their people, and are told each other's: S1 has them in an LDAP
server of its own, S2 in a CSV file; their address books are contacts in that server, and vCards."""

import os
import re
import subprocess

from .milter import conf_section
from .people import PEOPLE, SUFFIX, People, entry
from .process import run
from .slapd import BASE, IDENTITIES, ldif_value, parse_ldif

BOOK = "ou=federation," + SUFFIX
# account: addresses, the one that is shown first
S1 = {"anna": ("anna@example.org", "a.anna@example.org"),
      "bert": ("bert@example.org",),
      "dora": ("dora@example.org", "dora@example.net"),
      "info": ("info@example.org", "contact@example.org", "office@example.org")}
S2 = {"carla": ("carla@example.org",),
      "emil": ("emil@example.org", "emil@xn--bcher-kva.example"),
      "support": ("support@example.org", "helpdesk@example.org")}
S3 = {"archive": ("archive@example.org",)}  # of the sample tree; nobody syncs that one


class Syncs:
    """Made before slapd starts; lab.servers gets S1's LDAP server."""

    def __init__(self, lab):
        self.lab = lab
        self.dir = os.path.join(lab.dir, "dirsync")
        self.binary = os.path.join(lab.build, "restante-dirsync")
        self.conf = os.path.join(self.dir, "restante.conf")
        self.drop, self.cards = os.path.join(self.dir, "drop"), os.path.join(self.dir, "s2.vcf")
        os.makedirs(self.drop)
        self.people = lab._add(People(lab, name="people"))
        self.people.load("\n".join([
            "dn: %s\nobjectClass: organizationalUnit\nou: federation\n" % BOOK,
            *(entry(uid, mail=list(addresses)) for uid, addresses in S1.items())]))
        self.write_csv(S2)
        self.write_conf()

    def write_csv(self, people):
        """Complete once it is renamed."""
        path = os.path.join(self.drop, "people.csv")
        with open(path + ".new", "w") as out:
            out.write("id,mail,account,name\n")
            for account, addresses in people.items():
                out.write("%s,%s,%s,%s\n" % ("s2-" + account, "|".join(addresses), account,
                                             account.title()))
        os.rename(path + ".new", path)

    def write_conf(self):
        slapd, people = self.lab.slapd, self.people
        login = {"uri": people.ldapi, "bind": "external"}
        sections = {
            "ldap": {"uri": slapd.uri, "base": BASE, "bind": "simple",
                     "bind_dn": IDENTITIES["dirsync"],
                     "password_file": slapd.password_file("dirsync")},
            "log": {"target": "file", "file": os.path.join(self.lab.dir, "log", "dirsync.log")},
            "dirsync": {"state_dir": os.path.join(self.dir, "state"), "user": "", "group": "",
                        "control_socket": os.path.join(self.dir, "control.sock")},
            "up S1": {**login, "base": PEOPLE, "physical": "%{uid}@s1.lab"},
            "down S1": {**login, "container": BOOK, "search_base": SUFFIX},
            "up S2": {"source": "csv", "folder": self.drop, "id": "id", "physical":
                      "%{account}@s2.lab", "attributes": "cn=name sn=name displayName=name"},
            "down S2": {"target": "vcard", "file": self.cards}}
        with open(self.conf, "w") as conf:
            conf.write("".join(conf_section(name, keys) for name, keys in sections.items()))

    def empty_directory(self):
        """Nobody of S1 and S2 is in it any more but the catch-all, which an administrator wrote."""
        slapd = self.lab.slapd
        for dn, entry_of in slapd.search("(|(restanteSystem=S1)(restanteSystem=S2))"):
            if "@example.net" in entry_of["maillocaladdress"]:
                slapd.replace(dn, restanteSourceId=None)
            else:
                slapd.modify("%s\nchangetype: delete\n" % ldif_value("dn", dn))

    def once(self, *arguments):
        """(exit status, what it said)"""
        done = subprocess.run([self.binary, "-c", self.conf, "--once", *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return done.returncode, done.stdout.decode(errors="replace")

    def book(self, system):
        """The addresses that people of that system find in its address book."""
        if system == "S1":
            said = run(["ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-Q", "-Y", "EXTERNAL", "-H",
                        self.people.ldapi, "-b", BOOK, "(employeeType=restante)", "mail"])
            return sorted(entry_of["mail"][0] for _, entry_of in parse_ldif(said.stdout.decode()))
        with open(self.cards) as cards:
            return sorted(re.findall(r"(?m)^EMAIL\S*?:(\S+)\r?$", cards.read()))
