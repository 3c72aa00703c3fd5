"""Two systems as a federation has them: Dovecots with their accounts in LDAP servers of their own,
restante-dirsync for both, and restante-control with the shipped actions."""

import os

from .accounts import AccountsDovecot
from .control import Control
from .dirsync import Dirsync

# account: addresses, the one that is shown first
S1 = {"anna": ("anna@example.org", "a.anna@example.org"),
      "bert": ("bert@example.org",),
      "dora": ("dora@example.org", "dora@example.net"),
      "info": ("info@example.org", "contact@example.org", "office@example.org")}
S2 = {"carla": ("carla@example.org",),
      "emil": ("emil@example.org", "emil@xn--bcher-kva.example"),
      "support": ("support@example.org", "helpdesk@example.org")}
S3 = {"archive": ("archive@example.org",)}  # of the sample tree; nobody syncs that one
SYSTEMS = {"S1": S1, "S2": S2}
# accounts that no up sync is to see: of the catch-all, and of the corpus
UNSEEN = {"S1": ("catchall", "straight", "held", "reference"), "S2": ("straight", "held")}
BUSY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "busy_action.py")


class Shipped(Control):
    """busy: seconds that S1 takes to turn the redirection."""

    def __init__(self, lab, busy=0, **more):
        self.busy = busy
        super().__init__(lab, **more)

    def actions_of(self, system):
        keys = self.lab.backends[system].actions()
        if self.busy and system == "S1":
            keys["redirect"] += "; /usr/bin/python3 %s %s %s" % (BUSY, self.dir, self.busy)
        return keys


class Moving:
    """Made before anything starts; make() in two parts, for an MTA is told of the backends, and they
    of it."""

    def __init__(self, lab):
        self.lab = lab
        for system in SYSTEMS:
            lab.backends[system] = lab._add(AccountsDovecot(lab, system))
        self.dirsync = self.control = None

    def connect(self, **control):
        """Once the MTA is made."""
        lab = self.lab
        for system in SYSTEMS:
            lab.backends[system].send_through(lab.mta.release_port)
        self.dirsync = Dirsync(lab, ups={s: self._up(s) for s in SYSTEMS},
                               downs={s: self._down(s) for s in SYSTEMS})
        self.control = Shipped(lab, **control)

    def _up(self, system):
        ldap = self.lab.backends[system].ldap
        return {**ldap.bind(), "base": ldap.people, "addresses": "mail mailLocalAddress",
                "physical": "%%{uid}@%s.lab" % system.lower()}

    def _down(self, system):
        ldap = self.lab.backends[system].ldap
        return {**ldap.bind(), "target": "ldap", "container": ldap.contacts,
                "search_base": ldap.suffix, "object_class": "inetOrgPerson", "rdn": "cn",
                "search_addresses": "mail mailLocalAddress", "marker": "employeeType=restante",
                "attributes": "sn=%{sn|cn} givenName=%{givenName} displayName=%{displayName|cn} "
                              "mail=%{primary} telephoneNumber=%{telephoneNumber}"}

    def fill(self):
        """The accounts, once the LDAP servers are up."""
        for system, people in SYSTEMS.items():
            backend = self.lab.backends[system]
            for uid, addresses in people.items():
                backend.make_account(uid, mail=list(addresses))
            backend.ldap.add("ou=unseen," + backend.ldap.suffix, objectClass="organizationalUnit",
                             ou="unseen")
            for uid in UNSEEN[system]:
                backend.make_unseen(uid)

    def empty_directory(self):
        """Nobody of S1 and S2 is in it any more but the catch-all, which an administrator wrote."""
        slapd = self.lab.slapd
        for dn, entry in slapd.search("(|(restanteSystem=S1)(restanteSystem=S2))"):
            if "@example.net" in entry["maillocaladdress"]:
                slapd.replace(dn, restanteSourceId=None)
            else:
                slapd.modify("dn: %s\nchangetype: delete\n" % dn)

    def book(self, system):
        """The addresses that people of that system find in its address book."""
        ldap = self.lab.backends[system].ldap
        return sorted(entry["mail"][0] for entry in
                      ldap.search(ldap.contacts, "(employeeType=restante)").values())
