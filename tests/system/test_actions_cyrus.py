"""Actions on a real Cyrus IMAP, by the programs that contrib/actions ships: mailboxes as its
administrator, redirections by Sieve over ManageSieve."""

import imaplib
import smtplib

import pytest

from actions import SHIPPED, Actions, person
from backends import script_box
from lab.cyrus import Cyrus
from lab.lab import Lab
from lab.mail import compose
from lab.process import wait_for

pytestmark = pytest.mark.postfix  # nothing of it is the MTA's


@pytest.fixture(scope="module")
def lab():
    lab = Lab(start=())
    try:
        lab.make(("s1",))
        for system, slashes in (("S2", False), ("S3", True)):
            lab.backends[system] = lab._add(Cyrus(lab, system, slashes=slashes))
        lab.make(("postfix",))
        for system in ("S2", "S3"):
            lab.backends[system].send_through(lab.mta.release_port)
        for server in lab.servers:
            server.start()
        yield lab
    finally:
        lab.close()


@pytest.fixture(scope="module")
def s2(lab):
    return lab.backends["S2"]


def keys(cyrus):
    login = "--master restante --password-file %s --tls none" % cyrus.master_file
    mailbox = "cyrus-mailbox --server %%{imap} --domain %s %s" % (cyrus.domain, login)
    sieve = "sieve-redirect --server %%{sieve} %s" % login
    return {"templates": SHIPPED, "settings": "imap=127.0.0.1:%d sieve=127.0.0.1:%d" % (
                cyrus.imap_port, cyrus.sieve_port),
            "create": mailbox, "delete": mailbox, "close": mailbox, "open": mailbox,
            "redirect": sieve, "unredirect": sieve,
            "empty": "imap-empty --server %%{imap} %s" % login}


@pytest.fixture(scope="module")
def actions(lab):
    systems = {name: keys(lab.backends[name]) for name in ("S2", "S3")}
    with Actions(lab, systems) as running:
        yield running


def deliver(cyrus, user):
    _, content = compose("%s@%s" % (user, cyrus.domain))
    client = smtplib.LMTP("127.0.0.1", cyrus.lmtp_port)
    client.sendmail("sender@outside.test", ["%s@%s" % (user, cyrus.domain)], content)
    client.quit()


def inbox(cyrus, user, password="secret"):
    imap = imaplib.IMAP4("127.0.0.1", cyrus.imap_port)
    imap.login(user, password)
    kind, data = imap.select("INBOX", readonly=True)
    imap.logout()
    return int(data[0]) if kind == "OK" else None


@pytest.mark.parametrize("system, account", (("S2", "carla"), ("S3", "carla.x")))
def test_second_mailbox(lab, actions, system, account):
    cyrus = lab.backends[system]
    cyrus.add_login(account, "pw")
    who = person(account)
    made = actions.does(system, "create", **who)
    assert made["physical"] == "%s@%s" % (account, cyrus.domain) and made["source_id"]
    who.update(physical=made["physical"], source_id=made["source_id"],
               other="carla-%s@s1.lab" % system.lower())
    assert actions.asks(system, "empty", **who)["empty"]
    actions.does(system, "redirect", **who)
    deliver(cyrus, account)
    wait_for(lambda: lab.imap("S1", "carla-" + system.lower()).count() == 1, what="mail at the first")
    assert actions.asks(system, "empty", **who)["empty"]
    actions.does(system, "unredirect", **who)
    deliver(cyrus, account)
    assert actions.asks(system, "empty", **who)["empty"] is False
    assert inbox(cyrus, account, "pw") == 1
    actions.does(system, "delete", **who)
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        deliver(cyrus, account)
    assert actions.run(system, "close", **who)["outcome"] == "refused"


def test_account_that_this_cyrus_cannot_have(actions):
    said = actions.run("S2", "create", **person("carla.x"))
    assert said["outcome"] == "refused" and "cannot have an account carla.x" in said["text"]


def test_mailbox_of_somebody_else_is_left_alone(s2, actions):
    s2.make_account("doris")
    deliver(s2, "doris")
    said = actions.run("S2", "create", **person("doris"))
    assert said["outcome"] == "refused"
    assert "there is a mailbox user.doris already, of somebody else" in said["text"]
    # nor one that has taken the name since
    who = person("doris", physical="doris@s2.lab", source_id="another")
    assert actions.run("S2", "delete", **who)["outcome"] == "already"
    assert inbox(s2, "doris") == 1


@pytest.mark.parametrize("name", ("car%", "c*", "j\u00f6rg"))
def test_account_that_stands_for_others(s2, actions, name):
    """A pattern of LIST; the mailboxes of others are not looked at, let alone renamed."""
    for action in ("create", "delete", "close", "open"):
        who = person(name) if action == "create" else person(
            name, physical=name + "@s2.lab", source_id="x")
        said = actions.run("S2", action, **who)
        assert said["outcome"] == "refused" and "cannot have an account" in said["text"], said


def test_making_that_was_cut_off(s2, actions):
    """Behind CREATE, and behind the mark."""
    for number, name in enumerate(("erna", "frida")):
        who = person(name, identifier="2026-%d" % number)
        admin = s2.admin()
        assert admin.create("user.restante-new-2026-%d" % number)[0] == "OK"
        if number:
            assert admin.xatom("SETMETADATA", '"user.restante-new-2026-1"',
                               '("/shared/comment" "restante %s")' % who["id"])[0] == "OK"
        admin.logout()
        actions.does("S2", "create", **who)


def test_quarantine_keeps_all_mail(s2, actions):
    s2.make_account("gitta")
    user = imaplib.IMAP4("127.0.0.1", s2.imap_port)
    user.login("gitta", "secret")
    user.create("INBOX.Old")
    user.append("INBOX.Old", None, None, b"Subject: kept\r\n\r\nkept\r\n")
    user.logout()
    deliver(s2, "gitta")
    admin = s2.admin()
    admin.xatom("GETMETADATA", '"user.gitta"', '("/shared/vendor/cmu/cyrus-imapd/uniqueid")')
    unique = admin.untagged_responses["METADATA"][-1].split(b'"')[-2].decode()
    who = person("gitta", identifier="20261122T190000Z-0000000g", physical="gitta@s2.lab", source_id=unique)
    actions.does("S2", "delete", **who)
    name = "user.restante-quarantine-" + who["identifier"].lower()
    found = restorable(admin, name)
    assert found == {name: 1, name + ".Old": 1}
    assert inbox(s2, "gitta") is None


def restorable(admin, name):
    """{folder: messages} of what is in quarantine, read with rights that the administrator takes."""
    found = {}
    for line in admin.list('""', name + "*")[1]:
        folder = line.split()[-1].decode().strip('"')
        assert admin.setacl('"%s"' % folder, "restante", "lrswipkxtecda")[0] == "OK"
        found[folder] = int(admin.select('"%s"' % folder, readonly=True)[1][0])
    return found


def test_closed_and_open_again(s2, actions):
    s2.add_login("hilde", "secret")
    who = person("hilde")
    made = actions.does("S2", "create", **who)
    who.update(physical=made["physical"], source_id=made["source_id"])
    user = imaplib.IMAP4("127.0.0.1", s2.imap_port)
    user.login("hilde", "secret")
    user.create("INBOX.Old")
    user.logout()
    actions.does("S2", "close", **who)
    assert inbox(s2, "hilde") is None
    deliver(s2, "hilde")  # mail still arrives
    said = actions.run("S2", "empty", **who)
    assert said["outcome"] == "refused" and "shows no INBOX" in said["text"]
    actions.does("S2", "open", **who)
    assert inbox(s2, "hilde") == 1
    assert actions.asks("S2", "empty", **who)["empty"] is False


def test_own_sieve_script_is_kept_and_comes_back(lab, s2, actions):
    s2.make_account("lena")
    who = person("lena", physical="lena@s2.lab", other="lena@s1.lab")
    box, module = script_box(s2, "lena")
    box.put("rules", 'require ["fileinto"]; fileinto "INBOX.Sorted";')
    box.activate("rules")
    user = imaplib.IMAP4("127.0.0.1", s2.imap_port)
    user.login("lena", "secret")
    user.create("INBOX.Sorted")
    deliver(s2, "lena")
    assert user.select("INBOX.Sorted")[1] == [b"1"]
    actions.does("S2", "redirect", **who)
    deliver(s2, "lena")
    wait_for(lambda: lab.imap("S1", "lena").count() == 1, what="mail at the other mailbox")
    assert box.scripts() == ({"rules", module.OURS}, module.OURS)
    actions.does("S2", "unredirect", **who)
    assert box.scripts() == ({"rules"}, "rules")
    deliver(s2, "lena")
    assert user.select("INBOX.Sorted")[1] == [b"2"]
    assert user.select("INBOX")[1] == [b"0"]
    user.logout()


def test_server_that_is_down(s2, actions):
    who = person("ida", physical="ida@s2.lab", source_id="x", other="ida@s1.lab")
    s2.stop()
    try:
        for action in ("create", "redirect", "delete", "close", "empty"):
            said = actions.run("S2", action, **who)
            assert said["outcome"] == "failed" and "refused" in said["text"], said
    finally:
        s2.start()
