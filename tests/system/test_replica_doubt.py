"""The replica never goes backwards and never deletes on doubt: mass deletions, providers behind."""

import os

import pytest

from lab.lab import Lab
from lab.process import run
from lab.slapd import FEDERATION
from replica import MANY, Replica, count, delete, people, with_many


@pytest.fixture(name="lab")
def _lab():
    with Lab(start=("slapd",)) as lab:
        yield lab


# --- deletions that are not believed --------------------------------------------------------


def loaded_with_many(lab):
    with_many(lab)
    replica = Replica(lab).start()
    replica.wait_loaded()
    return replica


def vanish(lab, replica, number):
    """That many mailboxes go while nobody looks, by a slapd without a session log."""
    replica.stop()
    delete(lab, *("m%06d" % n for n in range(number)))
    lab.slapd.restart()
    replica.start()


def test_mass_disappearance_waits_for_approval(lab):
    replica = loaded_with_many(lab)
    vanish(lab, replica, MANY // 2)
    replica.wait_view(refused=MANY // 2)
    replica.wait_loaded()
    cookie = replica.status()["cookie"]
    assert replica.verdict("m000000@example.org") == "rewrite"
    # life goes on, but the vector stays and no epoch is covered
    lab.slapd.replace(FEDERATION, restanteEpoch="9")
    replica.wait_view(epoch=9)
    assert not replica.view()["epoch_covered"]
    assert replica.status()["cookie"] == cookie
    replica.restart().wait_loaded()
    assert replica.view()["refused"] == MANY // 2
    assert replica.verdict("m000000@example.org") == "rewrite"
    assert replica.status()["cookie"] == cookie
    assert replica.ask("approve")["result"] == MANY // 2
    assert replica.lookup("m000000@example.org")["vanished"]
    replica.wait_view(mailboxes=count(lab))
    replica.wait_view(refused=0, epoch_covered=True)
    assert replica.ask("approve")["error"] == "no refused disappearance waits"
    replica.stop()


def test_mass_deletion_while_we_look(lab):
    """Pushed one by one: beyond the share each waits for the administrator."""
    replica = loaded_with_many(lab)
    share = replica.view()["mailboxes"] // 10
    delete(lab, *("m%06d" % n for n in range(MANY // 2)))
    replica.wait_view(refused=MANY // 2 - share)
    assert replica.verdict("m001499@example.org") == "rewrite"
    assert replica.lookup("m000000@example.org")["vanished"]
    replica.restart().wait_loaded()
    assert replica.view()["refused"] == MANY // 2 - share
    assert replica.verdict("m001499@example.org") == "rewrite"
    assert replica.ask("approve")["result"] == MANY // 2 - share
    replica.wait_view(mailboxes=count(lab))
    replica.stop()


def test_mass_disappearance_that_was_an_error(lab):
    replica = loaded_with_many(lab)
    vanish(lab, replica, MANY // 2)
    replica.wait_view(refused=MANY // 2)
    replica.stop()
    lab.slapd.stop()
    lab.slapd.load("".join(people(MANY // 2)))
    lab.slapd.start()
    replica.start()
    # they came back under other ids: each address has two claims until the old ones are approved
    replica.wait("both", lambda: replica.lookup("m000000@example.org")["claims"] == 2)
    assert replica.verdict("m000000@example.org") == "tryagain"
    assert replica.ask("approve")["result"] == MANY // 2
    replica.wait_verdict("m000000@example.org", "rewrite")
    replica.stop()


def test_below_the_share_is_believed(lab):
    replica = loaded_with_many(lab)
    vanish(lab, replica, MANY // 20)
    replica.wait_loaded()
    assert replica.view()["refused"] == 0
    assert replica.lookup("m000000@example.org")["vanished"]
    replica.stop()


def set_server_id(slapd, number):
    if number is None:
        return
    with open(slapd.conf) as conf:
        text = conf.read()
    with open(slapd.conf, "w") as conf:
        conf.write("serverID %d\n" % number + text)


@pytest.fixture(name="slow")
def _slow(lab, request):
    """A second provider with the content that the first has now, and the passwords of the first."""
    first, second = getattr(request, "param", (1, 2))
    lab.slapd.stop()
    set_server_id(lab.slapd, first)
    lab.slapd.start()
    lab.slapd.replace(lab.slapd.mailbox_dn("anna"), description="so that this server has a CSN")
    other = Lab(start=())
    try:
        other.make(("slapd",))
        set_server_id(other.slapd, second)
        dump = run(["/usr/sbin/slapcat", "-f", lab.slapd.conf]).stdout.decode()
        run(["find", os.path.join(other.slapd.dir, "db"), "-type", "f", "-delete"])
        other.slapd.passwords = {}
        other.slapd.load(dump)
        other.slapd.start()
        yield other.slapd
    finally:
        other.close()


def leave_behind(lab, replica):
    """A new mailbox and a change that the slow provider does not get; the cookie after them."""
    replica.start().wait_loaded()
    lab.slapd.add_mailbox("late")
    lab.slapd.replace(lab.slapd.mailbox_dn("anna"), mailRoutingAddress="anna@s2.lab")
    replica.wait_physical("anna@example.org", "anna@s2.lab")
    cookie = replica.status()["cookie"]
    replica.stop()
    return cookie


def test_provider_that_is_behind_is_passed_over(lab, slow):
    replica = Replica(lab)
    leave_behind(lab, replica)
    replica.uris = slow.uri + " " + lab.slapd.uri
    replica.start().wait_loaded()
    assert replica.status()["provider"] == lab.slapd.uri
    replica.wait_log("provider is behind provider=%s used=no" % slow.uri)
    replica.stop()


@pytest.mark.parametrize("slow", [(None, None)], indirect=True)
def test_provider_that_is_behind_and_says_so(lab, slow):
    replica = Replica(lab)
    leave_behind(lab, replica)
    replica.uris = slow.uri
    replica.start()
    replica.wait_log("consumer state is newer than provider")
    assert replica.verdict("late@example.org") == "rewrite"
    replica.stop()


def test_provider_that_is_behind_is_not_believed(lab, slow):
    """It runs a complete present phase, without the newest mailbox: nothing is deleted, nothing
    goes back, and the vector stays, so that a better one tells everything."""
    replica = Replica(lab)
    cookie = leave_behind(lab, replica)
    slow.replace(slow.mailbox_dn("bert"), who="root", mailRoutingAddress="bert@s2.lab")
    slow.modify("dn: %s\nchangetype: delete\n" % slow.mailbox_dn("carla"), who="root")
    replica.uris = slow.uri
    replica.start()
    replica.wait_log("not believed")
    replica.wait_physical("bert@example.org", "bert@s2.lab")
    assert replica.verdict("late@example.org") == "rewrite"
    assert replica.physical("anna@example.org") == "anna@s2.lab"
    assert replica.verdict("carla@example.org") != "nobody"
    assert replica.status()["cookie"] == cookie
    replica.stop()
    replica.uris = lab.slapd.uri
    replica.start().wait_loaded()
    assert replica.physical("bert@example.org") == "bert@s2.lab"
    replica.stop()
