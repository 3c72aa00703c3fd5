"""Redirections by Sieve, over ManageSieve, on Dovecot with Pigeonhole: the user's own script is kept."""

import imaplib

import pytest

from actions import Actions
from backends import deliver, existing, inbox, keys, lab, s2, script_box, sieve  # noqa: F401
from lab.process import wait_for

pytestmark = pytest.mark.postfix  # nothing of it is the MTA's

OWN = 'require ["fileinto", "mailbox"]; fileinto :create "Sorted";'


@pytest.fixture(scope="module")
def actions(lab, s2):
    with Actions(lab, {"SIEVE": keys(s2, **sieve(s2))}) as running:
        yield running


def folder_counts(s2, user, password):
    imap = imaplib.IMAP4("127.0.0.1", s2.imap_port)
    imap.login(user, password)
    found = {}
    for name in ("INBOX", "Sorted"):
        kind, data = imap.status(name, "(MESSAGES)")
        found[name] = int(data[0].split()[-1].rstrip(b")")) if kind == "OK" else 0
    imap.logout()
    return found


def test_own_sieve_script_is_kept_and_comes_back(lab, s2, actions):
    dn, who = existing(s2, "lena", password="pw")
    box, module = script_box(s2, "lena")
    name = 'my "rules" für Ärger'
    box.put(name, OWN)
    box.activate(name)
    deliver(s2, "lena")
    assert folder_counts(s2, "lena", "pw") == {"INBOX": 0, "Sorted": 1}

    actions.does("SIEVE", "redirect", **who)
    deliver(s2, "lena")
    wait_for(lambda: lab.imap("S1", "lena").count() == 1, what="mail at the other mailbox")
    assert folder_counts(s2, "lena", "pw") == {"INBOX": 0, "Sorted": 1}
    assert box.scripts() == ({name, module.OURS}, module.OURS)
    assert box.get(name).strip() == OWN
    # to another place, and the record is still of the user's own
    said = actions.run("SIEVE", "redirect", **{**who, "other": "elsewhere@s1.lab"})
    assert said["outcome"] == "done"
    actions.does("SIEVE", "redirect", **who)

    actions.does("SIEVE", "unredirect", **who)
    assert box.scripts() == ({name}, name)
    deliver(s2, "lena")
    assert folder_counts(s2, "lena", "pw") == {"INBOX": 0, "Sorted": 2}


def test_sieve_without_a_script_of_the_user(lab, s2, actions):
    dn, who = existing(s2, "mara", password="pw")
    actions.does("SIEVE", "redirect", **who)
    deliver(s2, "mara")
    wait_for(lambda: lab.imap("S1", "mara").count() == 1, what="mail at the other mailbox")
    actions.does("SIEVE", "unredirect", **who)
    box, _ = script_box(s2, "mara")
    assert box.scripts() == (set(), "")
    deliver(s2, "mara")
    assert inbox(s2, "mara", "pw") == 1


def test_sieve_cut_off_in_between(s2, actions):
    dn, who = existing(s2, "nora", password="pw")
    box, module = script_box(s2, "nora")
    box.put("rules", OWN)
    box.activate("rules")
    # died behind the upload
    box.put(module.OURS, module.script(who["other"], "rules"))
    actions.does("SIEVE", "redirect", **who)
    # died behind the user's own becoming active again
    box.activate("rules")
    actions.does("SIEVE", "unredirect", **who)
    assert box.scripts() == ({"rules"}, "rules")
    # the user has chosen another one in between: his word counts
    actions.does("SIEVE", "redirect", **who)
    box.put("other", "keep;")
    box.activate("other")
    actions.does("SIEVE", "unredirect", **who)
    assert box.scripts() == ({"rules", "other"}, "other")


def test_tls_is_what_it_does_by_itself(lab, s2):
    """Without --tls: StartTLS, with a certificate that must be good, for Sieve and IMAP."""
    dn, who = existing(s2, "petra", password="pw")
    imap = "imap-empty --server %%{imap} --master restante --password-file %s" % s2.master_file
    trust = "--ca-file " + lab.authority
    systems = {"GOOD": keys(s2, **sieve(s2, tls=trust), empty="%s %s" % (imap, trust)),
               "BAD": keys(s2, **sieve(s2, tls=""), empty=imap)}
    with Actions(lab, systems, name="tls") as actions:
        for name in ("redirect", "empty"):
            said = actions.run("BAD", name, **who)
            assert said["outcome"] == "failed" and "CERTIFICATE_VERIFY_FAILED" in said["text"], said
        actions.does("GOOD", "redirect", **who)
        actions.does("GOOD", "unredirect", **who)
        assert actions.asks("GOOD", "empty", **who)["empty"]
