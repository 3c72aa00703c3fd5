"""Actions on Dovecot with accounts in LDAP, as contrib/actions ships them: a real slapd that refuses
two entries with one address, a Dovecot that authenticates and delivers from it, a Postfix behind it."""

import imaplib
import os
import smtplib

import pytest

from actions import SHIPPED, UUID, Actions, person
from lab.accounts import AccountsDovecot
from lab.dirsync import Dirsync
from lab.lab import Lab
from lab.mail import compose
from lab.process import wait_for

ACCESS = "carla@example.org"


def keys(s2, **more):
    command = "%s --master restante --password-file %s --tls none" % ("%s", s2.master_file)
    return {**s2.ldap.bind(), "base": s2.ldap.suffix, "settings": s2.settings(),
            "templates": SHIPPED, "time_limit": "30s",
            **{name: "dovecot-ldap/%s.ldif" % name for name in (
                "create", "redirect", "unredirect", "addresses", "unaddress", "list", "open",
                "delete", "contact")},
            "close": "dovecot-ldap/close.ldif; dovecot-kick --url %%{doveadm} --key-file %s"
                     % s2.api_key_file,
            "empty": (command % "imap-empty") + " --server %{imap}", **more}


@pytest.fixture(scope="module")
def lab():
    lab = Lab(start=())
    try:
        lab.make(("slapd", "s1"))
        s2 = lab.backends["S2"] = lab._add(AccountsDovecot(lab, "S2"))
        lab.make(("postfix",))
        s2.send_through(lab.mta.release_port)
        for server in lab.servers:
            server.start()
        yield lab
    finally:
        lab.close()


@pytest.fixture(scope="module")
def s2(lab):
    return lab.backends["S2"]


@pytest.fixture(scope="module")
def actions(lab, s2):
    sieve = "sieve-redirect --server %%{sieve} --master restante --password-file %s --tls none" % (
        s2.master_file)
    systems = {"S2": keys(s2), "SIEVE": keys(s2, redirect=sieve, unredirect=sieve)}
    with Actions(lab, systems) as running:
        yield running


def deliver(s2, user, msgid=None):
    """By LMTP; its Message-ID."""
    msgid, content = compose(user + "@s2.lab", msgid)
    client = smtplib.LMTP("127.0.0.1", s2.lmtp_port)
    client.sendmail("sender@outside.test", [user + "@s2.lab"], content)
    client.quit()
    return msgid


def inbox(backend, user, password):
    imap = imaplib.IMAP4("127.0.0.1", backend.imap_port)
    imap.login(user, password)
    imap.select("INBOX", readonly=True)
    found = imap.uid("SEARCH", "ALL")[1][0].split()
    imap.logout()
    return len(found)


def existing(s2, uid, **attributes):
    """A subject for an account that the system has, as a mailbox that is to leave."""
    dn = s2.make_account(uid, **attributes)
    source_id = s2.ldap.one("(uid=%s)" % uid)[1]["entryuuid"][0]
    return dn, person(uid, physical=uid + "@s2.lab", source_id=source_id, other=uid + "@s1.lab")


# --- the second mailbox ---------------------------------------------------------------------------

def test_second_mailbox_from_its_making_to_its_addresses(lab, s2, actions):
    who = person("carla", addresses=[ACCESS, "c.carla@example.org", "@example.org"],
                 attributes={"cn": ["Carla (X) *, Jr"], "sn": ["Carla"], "userPassword": ["pw"]})
    contact = s2.ldap.add("cn=%s,%s" % (UUID, s2.ldap.contacts), objectClass="inetOrgPerson",
                          sn="Carla", displayName="Carla", mail=ACCESS, employeeType="restante",
                          cn=UUID)
    uuid = s2.ldap.one("(mail=%s)" % ACCESS)[1]["entryuuid"]
    made = actions.does("S2", "create", **who)
    assert made["physical"] == "carla@s2.lab" and [made["source_id"]] == uuid
    # still the contact that it was: marker, address
    dn, entry = s2.ldap.one("(mail=%s)" % ACCESS)
    assert dn == contact and entry["employeetype"] == ["restante"]
    who.update(physical=made["physical"], source_id=made["source_id"], other="carla@s1.lab")
    assert actions.asks("S2", "empty", **who)["empty"]

    # what arrives goes to the first, and none is kept
    actions.does("S2", "redirect", **who)
    deliver(s2, "carla")
    wait_for(lambda: lab.imap("S1", "carla").count() == 1, what="mail at the first mailbox")
    assert actions.asks("S2", "empty", **who)["empty"]

    # addresses: the contact is consumed, though the directory refuses an address that is there twice
    actions.does("S2", "addresses", **who)
    dn, entry = s2.ldap.one("(mail=%s)" % ACCESS)
    assert dn == "uid=carla," + s2.ldap.people
    assert entry["maillocaladdress"] == ["c.carla@example.org"] and "employeetype" not in entry
    assert entry["entryuuid"] == uuid and entry["cn"] == ["Carla (X) *, Jr"]
    assert sorted(actions.asks("S2", "list", **who)["addresses"]) == [
        "c.carla@example.org", ACCESS]
    # the directory gets one more
    who["addresses"].append("cc@example.org")
    actions.does("S2", "addresses", **who)
    assert "cc@example.org" in actions.asks("S2", "list", **who)["addresses"]

    actions.does("S2", "unredirect", **who)
    deliver(s2, "carla")
    assert inbox(s2, "carla", "pw") == 1
    assert actions.asks("S2", "empty", **who)["empty"] is False

    # rollback: the contact is back, the mailbox goes
    actions.does("S2", "unaddress", **who)
    dn, entry = s2.ldap.one("(mail=%s)" % ACCESS)
    assert dn == contact and entry["employeetype"] == ["restante"] and entry["cn"] == [UUID]
    assert "maillocaladdress" not in entry and entry["uid"] == ["carla"]
    actions.does("S2", "delete", **who)
    dn, entry = s2.ldap.one("(mail=%s)" % ACCESS)
    assert dn == contact and entry["objectclass"] == ["inetOrgPerson"] and "uid" not in entry
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        deliver(s2, "carla")
    s2.ldap.modify("dn: %s\nchangetype: delete\n" % contact)
