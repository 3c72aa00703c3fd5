"""A move from request to the deletion of the old mailbox by the shipped actions alone: two Dovecots with
accounts in LDAP, up and down syncs of both, a front door, restante-control."""

import imaplib
import time

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
SCENARIOS = {"kept": {"create": "0s", "drain": "5s", "close": True},
             "early": {"create": "-1d", "drain": "5s"},
             "all": {"create": "0s", "drain": "5s", "close": True, "delete": "+0s"}}


class Moves(Control):
    broken = {}  # other keys of actions NAME {}, by the system

    def settings(self):
        return {**super().settings(), **{
            "actions " + system: keys(self.lab.backends[system], **self.broken.get(system, {}))
            for system in self.systems}}


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


def account(backend, uid):
    """Where it is, and its attributes."""
    return backend.ldap.one("(&(objectClass=posixAccount)(uid=%s))" % uid)


def login(backend, user):
    """By the password that make_account gives."""
    imap = imaplib.IMAP4("127.0.0.1", backend.imap_port)
    try:
        imap.login(user, "secret")
    except imaplib.IMAP4.error:
        return False
    finally:
        imap.logout()
    return True


def test_a_move_back_before_the_old_mailbox_was_deleted(lab):
    """The old account is the second mailbox then: open to its user again, without a redirection."""
    s1, s2, slapd = lab.backends["S1"], lab.backends["S2"], lab.slapd
    dirsync, control = lab.servers[-2:]
    address = "ruth@example.org"
    s1.make_account("ruth")
    dirsync.once("S1")
    dirsync.start()
    found, = slapd.search("(mailLocalAddress=%s)" % address)
    before = account(s1, "ruth")
    there = control.record("ruth-there", address, restanteMoveScenario="kept")
    control.wait_state(there, 10, 60)
    old = account(s1, "ruth")[1]
    assert old["mailroutingaddress"] == ["ruth@s2.lab"] and "closed" in old["employeetype"]
    assert not login(s1, "ruth")
    back = control.record("ruth-back", address, "S1", restanteMoveScenario="kept")
    control.wait_state(back, 10, 60)
    entry = slapd.read(found[0])
    assert entry["restantesystem"] == ["S1"] and entry["mailroutingaddress"] == ["ruth@s1.lab"]
    assert entry["restantesourceid"] == before[1]["entryuuid"]
    control.wait_outcome(there, "moved back")
    now = account(s1, "ruth")
    assert now[0] == before[0] and now[1]["mail"] == before[1]["mail"]
    assert "mailroutingaddress" not in now[1] and login(s1, "ruth")
    left = account(s2, "ruth")[1]
    assert left["mailroutingaddress"] == ["ruth@s1.lab"] and "closed" in left["employeetype"]


def test_the_reused_mailbox_is_open_from_the_swap_on(lab):
    """Not from the completion on, which a system that cannot close its own mailbox puts off."""
    s1, s2 = lab.backends["S1"], lab.backends["S2"]
    dirsync, control = lab.servers[-2:]
    address = "ruth@example.org"
    control.broken = {"S1": {"close": "/bin/false"}}
    control.configure()
    control.ask("reload")
    assert not login(s2, "ruth")
    again = control.record("ruth-again", address, restanteMoveScenario="kept")
    control.wait_stopped(again, 60)
    assert control.state(again) == 6
    now = account(s2, "ruth")[1]
    assert "employeetype" not in now and "mailroutingaddress" not in now
    control.broken = {}
    control.configure()
    control.ask("reload")
    control.request(again, "retry")
    control.wait_state(again, 10, 60)


def test_a_move_back_that_is_given_up(lab):
    """The old account is as the first move has left it."""
    s1 = lab.backends["S1"]
    dirsync, control = lab.servers[-2:]
    address = "sara@example.org"
    s1.make_account("sara")
    dirsync.stop()
    dirsync.once("S1")
    dirsync.start()
    there = control.record("sara-there", address, restanteMoveScenario="kept")
    control.wait_state(there, 10, 60)
    old = account(s1, "sara")
    soon = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + 3600))
    back = control.record("sara-back", address, "S1", restanteMoveScenario="early",
                          restanteMoveInstant=soon)
    control.wait_state(back, 1, 60)
    control.request(back, "cancel")
    control.wait_outcome(back, "cancelled", 60)
    assert "an earlier move left it there; it redirects to sara@s2.lab" in control.one(
        back, "restanteMoveError")
    now = account(s1, "sara")
    assert (now[0], now[1]["mail"], now[1]["mailroutingaddress"], now[1]["employeetype"]) == (
        old[0], old[1]["mail"], ["sara@s2.lab"], ["closed"])
    assert control.one(there, "restanteMoveOutcome") == ""
