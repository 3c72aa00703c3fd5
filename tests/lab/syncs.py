"""Two systems that tell the directory their people, and are told each other's: S1 has them in an LDAP
server of its own, S2 in a CSV file; their address books are contacts in that server, and vCards."""

import os
import re

from .dirsync import Dirsync
from .people import PEOPLE, SUFFIX, People, entry
from .process import run
from .slapd import ldif_value, parse_ldif

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
    """Made before slapd starts; lab.servers gets S1's LDAP server. dirsync: with settings for both, not
    started; options: of dirsync {}."""

    def __init__(self, lab, **options):
        self.lab = lab
        self.dir = os.path.join(lab.dir, "syncs")
        self.drop, self.cards = os.path.join(self.dir, "drop"), os.path.join(self.dir, "s2.vcf")
        os.makedirs(self.drop)
        self.people = lab._add(People(lab))
        self.people.load("\n".join([
            "dn: %s\nobjectClass: organizationalUnit\nou: federation\n" % BOOK,
            *(entry(uid, mail=list(addresses)) for uid, addresses in S1.items())]))
        self.write_csv(S2)
        login = {"uri": self.people.ldapi, "bind": "external"}
        self.dirsync = Dirsync(lab, options=options, ups={
            "S1": {**login, "base": PEOPLE, "physical": "%{uid}@s1.lab"},
            "S2": {"source": "csv", "folder": self.drop, "id": "id", "physical":
                   "%{account}@s2.lab", "attributes": "cn=name sn=name displayName=name"}},
            downs={"S1": {**login, "container": BOOK, "search_base": SUFFIX},
                   "S2": {"target": "vcard", "file": self.cards}})

    def write_csv(self, people):
        """Complete once it is renamed."""
        path = os.path.join(self.drop, "people.csv")
        with open(path + ".new", "w") as out:
            out.write("id,mail,account,name\n")
            for account, addresses in people.items():
                out.write("%s,%s,%s,%s\n" % ("s2-" + account, "|".join(addresses), account,
                                             account.title()))
        os.rename(path + ".new", path)

    def empty_directory(self):
        """Nobody of S1 and S2 is in it any more but the catch-all, which an administrator wrote."""
        slapd = self.lab.slapd
        for dn, entry_of in slapd.search("(|(restanteSystem=S1)(restanteSystem=S2))"):
            if "@example.net" in entry_of["maillocaladdress"]:
                slapd.replace(dn, restanteSourceId=None)
            else:
                slapd.modify("%s\nchangetype: delete\n" % ldif_value("dn", dn))

    def book(self, system):
        """The addresses that people of that system find in its address book."""
        if system == "S1":
            said = run(["ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-Q", "-Y", "EXTERNAL", "-H",
                        self.people.ldapi, "-b", BOOK, "(employeeType=restante)", "mail"])
            return sorted(entry_of["mail"][0] for _, entry_of in parse_ldif(said.stdout.decode()))
        with open(self.cards) as cards:
            return sorted(re.findall(r"(?m)^EMAIL\S*?:(\S+)\r?$", cards.read()))
