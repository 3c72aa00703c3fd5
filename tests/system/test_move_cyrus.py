"""Whole moves by the shipped actions while mail flows: from Dovecot with accounts in LDAP onto Cyrus, and off
it, at the same time; both are taken back then. Redirections are Sieve on both, and one mailbox has a
script of its own user."""

import os
import sys
import time

import pytest

from actions import SHIPPED
from backends import script_box, sieve
from helpers import arrived, send
from lab.accounts import AccountsDovecot
from lab.control import Control
from lab.cyrus import Cyrus
from lab.dirsync import Dirsync
from lab.frontdoor import settled
from lab.lab import SOURCE, Lab
from lab.ledger import Ledger, clean
from lab.mail import Injector
from lab.process import wait_for
from test_actions_move import book_of, empty, people_of

pytestmark = pytest.mark.postfix  # nothing of it is the MTA's

PAULA, CARL = ("paula@example.org", "p.paula@example.org"), ("carl@example.org", "c.carl@example.org")
RULES = 'require ["imap4flags"]; addflag "\\\\Flagged";'


class Moves(Control):
    """S1 is the Dovecot, S2 the Cyrus as contrib/actions/cyrus.conf has it."""

    def actions_of(self, system):
        backend = self.lab.backends[system]
        if system == "S1":
            return backend.actions(**sieve(backend))
        login = "--master restante --password-file %s --tls none" % backend.master_file
        table = "address-table --table " + self.lab.table
        mailbox = "cyrus-mailbox --server %%{imap} --domain %s %s" % (backend.domain, login)
        redirection = "sieve-redirect --server %%{sieve} %s" % login
        return {"templates": SHIPPED, "time_limit": "30s", "create": mailbox, "close": mailbox,
                "open": mailbox, "addresses": table, "unaddress": table, "list": table,
                "redirect": redirection, "unredirect": redirection,
                "delete": table + "; " + mailbox, "empty": "imap-empty --server %%{imap} %s" % login,
                "settings": "imap=127.0.0.1:%d sieve=127.0.0.1:%d" % (
                    backend.imap_port, backend.sieve_port)}


def accounts_of(cyrus, table):
    """Keys of up S2 {}: what the cron job of contrib/dirsync/cyrus.conf prints."""
    command = ["/usr/bin/env", "LD_LIBRARY_PATH=" + cyrus.environment()["LD_LIBRARY_PATH"],
               sys.executable, os.path.join(SOURCE, "contrib/dirsync/cyrus-mailboxes"), "--table",
               table, cyrus.domain, os.path.join(cyrus.bin, "ctl_mboxlist"), "-C", cyrus.conf, "-d"]
    return {"source": "command", "format": "csv", "command": " ".join(command), "end_mark": True,
            "id": "id", "primary": "mail", "addresses": "mail", "value_separator": "|",
            "physical": "%%{account}@%s" % cyrus.domain, "attributes": "cn=account sn=account",
            "every": "0s", "full_every": "0s"}


@pytest.fixture(scope="module", name="lab")
def _lab():
    lab = Lab(start=())
    try:
        s1 = lab.backends["S1"] = lab._add(AccountsDovecot(lab, "S1"))
        s2 = lab.backends["S2"] = lab._add(Cyrus(lab, "S2"))
        lab.make(("slapd", "milter", "postfix"))
        for backend in (s1, s2):
            backend.send_through(lab.mta.release_port)
        lab.slapd.start()
        empty(lab.slapd)
        for server in lab.servers:
            if not server.running():
                server.start()
        people(lab, s1, s2)
        yield lab
    finally:
        lab.close()


def people(lab, s1, s2):
    s1.make_account("paula", mailLocalAddress=[PAULA[1]], displayName="Paula",
                    objectClass=["inetOrgPerson", "posixAccount", "inetLocalMailRecipient"])
    s1.make_account("quirin")
    s2.make_account("carl")
    s2.make_account("zoe")
    s2.add_login("paula", "pw")  # what Cyrus asks for passwords has her already
    lab.table = os.path.join(s2.dir, "people")
    with open(lab.table, "w") as table:
        table.write("# addresses of S2\n%s carl@s2.lab\n%s carl@s2.lab\nzoe@example.org zoe@s2.lab\n" % CARL)


@pytest.fixture(scope="module", name="control")
def _control(lab):
    s1, s2 = lab.backends["S1"], lab.backends["S2"]
    dirsync = Dirsync(lab, ups={"S1": people_of(s1), "S2": accounts_of(s2, lab.table)},
                      downs={"S1": book_of(s1),
                             "S2": {"target": "vcard", "file": s2.dir + "/book.vcf", "every": "0s"}})
    lab.servers.append(dirsync)
    dirsync.once("S1", "S2")
    dirsync.start()
    control = Moves(lab, scenarios={"plain": {"create": "0s", "drain": "10s"}})
    lab.servers.append(control)
    return control.start()


def moved(control, dn, home, place, old):
    """The ledger's view of a move that has just been made: from the versions in its record."""
    held, swapped = (
        time.mktime(time.strptime(csn[:14], "%Y%m%d%H%M%S")) + float(csn[14:21]) - time.timezone
        + time.monotonic() - time.time() for csn in control.one(dn, "restanteMoveHold").split())
    imap = control.lab.imap(*old)
    home.moved(place, held, swapped, imap.uid_next())
    imap.close()


def where(lab, address):
    (_, entry), = lab.slapd.search("(mailLocalAddress=%s)" % address)
    return entry["restantesystem"][0], entry["mailroutingaddress"][0]


def lines(lab):
    with open(lab.table) as table:
        return table.read().splitlines()


def test_onto_cyrus_and_off_it_while_mail_flows(lab, control):
    s1, s2 = lab.backends["S1"], lab.backends["S2"]
    box, module = script_box(s1, "paula")
    box.put("rules", RULES)
    box.activate("rules")
    wait_for(lambda: lab.milter.ask("route", address=PAULA[0])["verdict"] == "rewrite", 20, "the tree")
    ledger = Ledger()
    paula, carl = ledger.home("S1", "paula", *PAULA), ledger.home("S2", "carl", *CARL)
    sender = Injector(lab.mta.port, PAULA + CARL, ledger, rate=30).start()
    try:
        wait_for(lambda: len(ledger.acknowledged()) > 20, what="mail to flow")
        onto = control.record("onto", PAULA[0], target="S2", restanteMoveScenario="plain")
        off = control.record("off", CARL[0], target="S1", restanteMoveScenario="plain")
        control.wait_state(onto, 10, 60)
        moved(control, onto, paula, ("S2", "paula"), ("S1", "paula"))
        control.wait_state(off, 10, 60)
        moved(control, off, carl, ("S1", "carl"), ("S2", "carl"))
        before = len(ledger.acknowledged())
        wait_for(lambda: len(ledger.acknowledged()) > before + 20, what="mail behind the moves")
    finally:
        sender.stop()
    settled(lab.doors[0])
    outcome = ledger.settle(lab)
    assert clean(outcome), outcome
    assert where(lab, PAULA[1]) == ("S2", "paula@s2.lab")
    assert where(lab, CARL[1]) == ("S1", "carl@s1.lab")
    assert [line for line in lines(lab) if "paula@s2.lab" in line] == [
        address + " paula@s2.lab" for address in PAULA]
    _, account = s1.ldap.one("(uid=carl)")
    assert account["mail"] == [CARL[0]] and account["maillocaladdress"] == [CARL[1]]
    # her own script is there, under its name, and not active
    assert box.scripts() == ({"rules", module.OURS}, module.OURS)
    assert box.get("rules").strip() == RULES
    assert s2.users() == ["carl", "paula", "zoe"]


def test_both_are_taken_back(lab, control):
    """What came into the second mailboxes stays there; the user's script counts again."""
    s1 = lab.backends["S1"]
    dns = ["cn=%s,ou=moves,cn=restante,dc=example,dc=org" % name for name in ("onto", "off")]
    for dn in dns:
        control.request(dn, "rollback leave-mail")
    for dn in dns:
        control.wait_outcome(dn, "rolled back", 60)
    assert where(lab, PAULA[0]) == ("S1", "paula@s1.lab")
    assert where(lab, CARL[0]) == ("S2", "carl@s2.lab")
    box, _ = script_box(s1, "paula")
    assert box.scripts() == ({"rules"}, "rules") and box.get("rules").strip() == RULES
    assert lines(lab)[0] == "# addresses of S2"
    assert not [line for line in lines(lab) if "paula" in line]
    for address, place in ((PAULA[1], ("S1", "paula")), (CARL[1], ("S2", "carl"))):
        wait_for(lambda a=address: lab.milter.ask("route", address=a)["verdict"] == "rewrite", 20, address)
        sent = send(lab, address)
        wait_for(lambda p=place, s=sent: s in arrived(lab, *p), 20, "mail at the old place")
    imap = lab.imap("S1", "paula").imap
    assert imap.search(None, "UNFLAGGED")[1] == [b""] and imap.search(None, "FLAGGED")[1] != [b""]


def test_off_cyrus_and_the_old_mailbox_deleted(lab, control):
    """To state 13: in quarantine there, and its addresses gone from the table."""
    s2 = lab.backends["S2"]
    zoe = "zoe@example.org"
    control.scenarios["whole"] = {"create": "0s", "drain": "0s", "close": True, "delete": "+0s"}
    control.configure()
    control.ask("reload")
    dn = control.record("zoes", zoe, target="S1", restanteMoveScenario="whole",
                        restanteMoveMayDelete="TRUE")
    control.wait_state(dn, 13, 60)
    assert where(lab, zoe) == ("S1", "zoe@s1.lab")
    assert "zoe" not in s2.users() and not [line for line in lines(lab) if "zoe" in line]
    sent = send(lab, zoe)
    assert sent in arrived(lab, "S1", "zoe")
