"""A move from request to the deletion of the old mailbox by the shipped actions alone: two Dovecots with
accounts in LDAP, up and down syncs of both, a front door, restante-control."""

import imaplib

import pytest

from backends import keys
from lab.accounts import AccountsDovecot
from lab.control import Control
from lab.dirsync import Dirsync
from lab.lab import Lab
from lab.mail import Smtp, compose
from lab.process import wait_for
from lab.slapd import ldif_value

pytestmark = pytest.mark.postfix  # nothing of it is the MTA's

ADDRESS = "paula@example.org"
SCENARIOS = {"all": {"create": "0s", "drain": "5s", "close": True, "delete": "+0s"}}


class Moves(Control):
    def settings(self):
        return {**super().settings(), **{
            "actions " + system: keys(self.lab.backends[system]) for system in self.systems}}


def book_of(backend):
    ldap = backend.ldap
    return {**ldap.bind(), "target": "ldap", "container": ldap.contacts, "search_base": ldap.suffix,
            "object_class": "inetOrgPerson", "rdn": "cn", "search_addresses": "mail mailLocalAddress",
            "marker": "employeeType=restante", "every": "0s",
            "attributes": "sn=%{sn|cn} givenName=%{givenName} displayName=%{displayName|cn} "
                          "mail=%{primary} telephoneNumber=%{telephoneNumber}"}


def people_of(backend):
    return {**backend.ldap.bind(), "source": "ldap", "base": backend.ldap.people, "id": "entryUUID",
            "primary": "mail", "addresses": "mail mailLocalAddress", "every": "0s",
            "full_every": "0s", "physical": "%%{uid}@%s" % backend.domain,
            "attributes": "cn=cn sn=sn displayName=cn"}


@pytest.fixture(scope="module", name="lab")
def _lab():
    lab = Lab(start=())
    try:
        for system in ("S1", "S2"):
            lab.backends[system] = lab._add(AccountsDovecot(lab, system))
        lab.make(("slapd", "milter", "mta"))
        for system in ("S1", "S2"):
            lab.backends[system].send_through(lab.mta.release_port)
        lab.slapd.start()
        empty(lab.slapd)  # before a front door could take that for an accident
        for server in lab.servers:
            if not server.running():
                server.start()
        yield lab
    finally:
        lab.close()


def empty(slapd):
    """Of people of S1 and S2: the systems tell who is there."""
    for dn, entry in slapd.search("(|(restanteSystem=S1)(restanteSystem=S2))"):
        slapd.modify("%s\nchangetype: delete\n" % ldif_value("dn", dn))


def messages(backend, user):
    """In the INBOX, read by the master user."""
    imap = imaplib.IMAP4("127.0.0.1", backend.imap_port)
    imap.authenticate("PLAIN", lambda _: ("%s\0%s\0%s" % (
        user, backend.master, backend.master_password)).encode())
    count = int(imap.select("INBOX", readonly=True)[1][0])
    imap.logout()
    return count


def send(lab):
    _, content = compose(ADDRESS)
    client = Smtp(lab.mta.port)
    client.send("sender@outside.test", [ADDRESS], content)
    client.quit()


def test_a_move_by_the_shipped_actions(lab):
    s1, s2, slapd = lab.backends["S1"], lab.backends["S2"], lab.slapd
    s1.make_account("paula", mailLocalAddress=["p.paula@example.org"], displayName="Paula",
                    objectClass=["inetOrgPerson", "posixAccount", "inetLocalMailRecipient"])
    s1.make_account("quirin")
    s2.make_account("zoe")
    systems = lab.backends.items()
    dirsync = Dirsync(lab, ups={name: people_of(one) for name, one in systems},
                      downs={name: book_of(one) for name, one in systems})
    lab.servers.append(dirsync)
    dirsync.once("S1", "S2")
    found, = slapd.search("(mailLocalAddress=%s)" % ADDRESS)
    dn, uuid = found[0], found[1]["entryuuid"][0]
    assert s2.ldap.one("(mail=%s)" % ADDRESS)[0] == "cn=%s,%s" % (uuid, s2.ldap.contacts)
    send(lab)
    wait_for(lambda: messages(s1, "paula") == 1, what="mail before the move")

    dirsync.start()
    control = Moves(lab, scenarios=SCENARIOS)
    lab.servers.append(control)
    control.start()
    move = control.record("paulas", ADDRESS, restanteMoveScenario="all", restanteMoveMayDelete="TRUE")
    control.wait_state(move, 13)

    entry = slapd.read(dn)
    assert entry["restantesystem"] == ["S2"] and entry["mailroutingaddress"] == ["paula@s2.lab"]
    there, account = s2.ldap.one("(mail=%s)" % ADDRESS)
    assert there == "uid=paula," + s2.ldap.people and "mailroutingaddress" not in account
    assert account["maillocaladdress"] == ["p.paula@example.org"]
    assert entry["restantesourceid"] == account["entryuuid"]
    # the old one is in quarantine; in its place is the contact that S1's down sync calls its own
    there, contact = s1.ldap.one("(mail=%s)" % ADDRESS)
    assert there == "cn=%s,%s" % (uuid, s1.ldap.contacts)
    assert s1.ldap.search(s1.ldap.quarantine, "(description=quarantined by move paulas*)")
    send(lab)
    wait_for(lambda: messages(s2, "paula") == 1, what="mail after the move")
    # everything is level: a further sync of all changes nothing in either address book
    dirsync.stop()
    dirsync.once("S1", "S2")
    before = [one.ldap.versions() for _, one in systems]
    dirsync.once("S1", "S2")
    assert [one.ldap.versions() for _, one in systems] == before
    assert s1.ldap.search()[there] == contact
