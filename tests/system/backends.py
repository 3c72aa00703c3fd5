"""Backends for tests of actions: S1, and S2 whose accounts are in LDAP, with a Postfix between them."""

import imaplib
import importlib.machinery
import importlib.util
import os
import smtplib
import sys
import types

import pytest

from actions import SHIPPED, person
from lab.accounts import AccountsDovecot
from lab.lab import Lab
from lab.mail import compose


def keys(s2, **more):
    return s2.actions(**more)


@pytest.fixture(scope="module")
def lab():
    lab = Lab(start=())
    try:
        lab.make(("slapd", "s1"))
        s2 = lab.backends["S2"] = lab._add(AccountsDovecot(lab, "S2"))
        lab.authority = s2.offer_tls()
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


def sieve(s2, password_file=None, tls="--tls none"):
    """Keys for redirections by Sieve."""
    command = "sieve-redirect --server %%{sieve} --master restante --password-file %s %s" % (
        password_file or s2.master_file, tls)
    return {"redirect": command, "unredirect": command}


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
    source_id = s2.ldap.one("(uid=%s)" % uid.replace("*", r"\2a"))[1]["entryuuid"][0]
    return dn, person(uid, physical=uid + "@s2.lab", source_id=source_id, other=uid + "@s1.lab")


def script_box(s2, user):
    """A connection of the shipped program's own class, as the master user."""
    sys.path.insert(0, SHIPPED)
    loader = importlib.machinery.SourceFileLoader("sieve_redirect",
                                                  os.path.join(SHIPPED, "sieve-redirect"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("sieve_redirect",
                                                                             loader))
    loader.exec_module(module)
    options = types.SimpleNamespace(server="127.0.0.1:%d" % s2.sieve_port, tls="none",
                                    master=s2.master, password_file=s2.master_file)
    return module.Sieve(options, user), module
