"""directory/: the replica and its consumer against a real slapd: what is loaded and pushed."""

import time

import pytest

from lab.lab import Lab
from lab.slapd import BASE, FEDERATION, IDENTITIES, PEOPLE
from replica import Replica, count, delete

FRONT1 = IDENTITIES["front1"]


@pytest.fixture(name="lab")
def _lab():
    with Lab(start=("slapd",)) as lab:
        yield lab


def heartbeat(lab):
    now = time.strftime("%Y%m%d%H%M%SZ", time.gmtime())
    lab.slapd.replace(FRONT1, who="front1", restanteHeartbeat=now)


def test_first_load(replica):
    view = replica.view()
    assert view["node"] == "enabled" and view["node_durable"] and view["epoch_covered"]
    assert view["mailboxes"] > 5 and view["refused"] == 0
    assert replica.lookup("anna@example.org") == {
        "verdict": "rewrite", "reason": "mailbox is active", "match": "full", "claims": 1,
        "federated": True, "vanished": False, "enabled": True, "system": "S1",
        "physical": "anna@s1.lab", "name": "anna@example.org"}
    assert replica.verdict("anna@elsewhere.test") == "leave"


def test_add_modify_rename_delete(lab, replica):
    dn = lab.slapd.add_mailbox("zoe", addresses=["zoe@example.org", "z@example.org"])
    replica.wait_physical("zoe@example.org", "zoe@s1.lab")
    lab.slapd.replace(dn, mailRoutingAddress="zoe@s2.lab", restanteSystem="S2")
    replica.wait_physical("z@example.org", "zoe@s2.lab")
    lab.slapd.replace(dn, restanteState="holding")
    replica.wait_verdict("zoe@example.org", "hold")
    assert "zoe@s2.lab" in replica.ask("held")["held"]
    lab.slapd.modify("dn: %s\nchangetype: modrdn\nnewrdn: uid=zoe2\ndeleteoldrdn: 1\n" % dn)
    dn = lab.slapd.mailbox_dn("zoe2")
    lab.slapd.replace(dn, restanteState=None, mailLocalAddress="zoe@example.org")
    replica.wait_verdict("zoe@example.org", "rewrite")
    replica.wait("the other address to vanish",
                 lambda: replica.lookup("z@example.org")["vanished"])
    replica.wait_view(mailboxes=count(lab))
    delete(lab, "zoe2")
    replica.wait("zoe to vanish", lambda: replica.lookup("zoe@example.org")["vanished"])
    replica.wait_view(mailboxes=count(lab))


def test_lookup_order(lab, replica):
    lab.slapd.add_mailbox("all", addresses=["@xn--bcher-kva.example", "list+x@example.org"])
    replica.wait_physical("list+x@example.org", "all@s1.lab")
    assert replica.lookup("anna+Detail@EXAMPLE.org")["physical"] == "anna+Detail@s1.lab"
    assert replica.lookup("ANNA@example.org")["match"] == "full"
    found = replica.lookup("whoever+x@BÜCHER.example")
    assert (found["match"], found["physical"]) == ("catchall", "all@s1.lab")
    assert replica.lookup("list+x@example.org")["match"] == "full"
    assert replica.lookup("list@example.org")["match"] == "none"


def test_vanished_does_not_fall_through(lab, replica):
    lab.slapd.add_mailbox("all", addresses=["@example.org"])
    dn = lab.slapd.add_mailbox("tag", addresses=["anna+tag@example.org", "tag@example.org"])
    replica.wait_physical("anna+tag@example.org", "tag@s1.lab")
    lab.slapd.replace(dn, mailLocalAddress="tag@example.org")
    replica.wait_verdict("anna+tag@example.org", "tryagain")
    assert replica.lookup("anna+tag@example.org")["vanished"]
    replica.restart().wait_loaded()
    assert replica.lookup("anna+tag@example.org")["vanished"]


def test_vanished_is_forgotten_after_the_grace(lab):
    replica = Replica(lab, grace_ms=300).start()
    replica.wait_loaded()
    dn = lab.slapd.add_mailbox("tag", addresses=["anna+tag@example.org", "tag@example.org"])
    replica.wait_physical("anna+tag@example.org", "tag@s1.lab")
    lab.slapd.replace(dn, mailLocalAddress="tag@example.org")
    replica.wait_physical("anna+tag@example.org", "anna+tag@s1.lab")
    replica.stop()


def test_two_claims(lab, replica):
    lab.slapd.add_mailbox("one")
    lab.slapd.stop()
    # past slapo-unique, as replication would bring it
    lab.slapd.load("dn: uid=two,%s\nobjectClass: inetOrgPerson\nobjectClass: restanteMailbox\n"
                   "objectClass: inetLocalMailRecipient\nuid: two\ncn: two\nsn: two\n"
                   "mailLocalAddress: one@example.org\nmailRoutingAddress: two@s1.lab\n"
                   "restanteSystem: S1\n" % PEOPLE)
    lab.slapd.start()
    # what slapadd put in is older than the context: a new cookie does not bring it
    lab.slapd.replace("uid=two," + PEOPLE, description="touched")
    replica.wait("two claims", lambda: replica.lookup("one@example.org")["claims"] == 2)
    assert replica.verdict("one@example.org") == "tryagain"
    replica.wait_log("2 mailboxes claim one address address=one@example.org")
    delete(lab, "two")
    replica.wait_verdict("one@example.org", "rewrite")


@pytest.mark.parametrize("state, verdict", [("frozen", "tryagain"), ("deferred", "defer"),
                                            ("HOLDING", "hold"), ("active", "rewrite")])
def test_states(lab, replica, state, verdict):
    lab.slapd.add_mailbox("st", state=state)
    replica.wait_verdict("st@example.org", verdict)


def test_system_held_and_unknown(lab, replica):
    lab.slapd.replace("cn=S1,ou=systems," + FEDERATION, restanteState="holding")
    replica.wait_verdict("anna@example.org", "hold")
    assert "anna@s1.lab" in replica.ask("held")["held"]
    lab.slapd.replace("cn=S1,ou=systems," + FEDERATION, restanteState="odd")
    replica.wait_verdict("anna@example.org", "tryagain")
    lab.slapd.replace("cn=S1,ou=systems," + FEDERATION, restanteState=None)
    replica.wait_verdict("anna@example.org", "rewrite")
    lab.slapd.add_mailbox("lost", system="S9", physical="lost@s9.lab")
    replica.wait("lost to be there", lambda: replica.lookup("lost@example.org")["claims"] == 1)
    assert replica.verdict("lost@example.org") == "tryagain"


@pytest.mark.parametrize("physical, reason", [
    ("no address", "physical address is malformed"),
    ("x@example.net", "physical address is in a federated domain")])
def test_bad_physical(lab, replica, physical, reason):
    lab.slapd.add_mailbox("bad", physical=physical)
    replica.wait("bad to be there", lambda: replica.lookup("bad@example.org")["claims"] == 1)
    found = replica.lookup("bad@example.org")
    assert (found["verdict"], found["reason"], found["physical"]) == ("tryagain", reason, "")


def test_bad_access_address_is_left_out(lab, replica):
    lab.slapd.add_mailbox("mix", addresses=["mix@example.org", "a b@@"])
    replica.wait_verdict("mix@example.org", "rewrite")
    replica.wait_log("a value cannot be used and is left out")


def test_current_with_heartbeats(lab):
    replica = Replica(lab, heartbeat_ms=2000).start()
    replica.wait_loaded()
    assert not replica.view()["current"]
    assert replica.verdict("nobody@example.org") == "tryagain"
    heartbeat(lab)
    replica.wait_view(current=True)
    assert replica.verdict("nobody@example.org") == "nobody"
    replica.wait_view(current=False, timeout=10)
    replica.restart().wait_loaded()
    assert not replica.view()["current"]
    replica.stop()


def test_an_old_heartbeat_vouches_for_nothing(lab, replica):
    old = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() - 3600))
    seen = replica.status()["cookie"]
    lab.slapd.replace(FRONT1, who="front1", restanteHeartbeat=old)
    replica.wait("the change", lambda: replica.status()["cookie"] != seen)
    assert not replica.view()["current"]


def test_epoch_and_observer(lab, replica):
    before = replica.ask("events")
    lab.slapd.replace(FEDERATION, restanteEpoch="7")
    replica.wait_view(epoch=7, epoch_covered=True)
    replica.wait("the observer", lambda: replica.ask("events")["all"] > before["all"])
    csn = replica.view()["epoch_csn"]
    before = replica.ask("events")
    # the lease is renewed on the same entry: the epoch is not younger for it
    lab.slapd.replace(FEDERATION, who="control", restanteLeaseHolder="x")
    replica.wait("the cookie", lambda: replica.status()["cookie"] > "rid=000,csn=" + csn)
    assert replica.view()["epoch_csn"] == csn
    lab.slapd.replace(lab.slapd.mailbox_dn("anna"), restanteState="holding")
    replica.wait("one event", lambda: replica.ask("events")["one"] > before["one"])
    assert replica.ask("events")["all"] == before["all"]


def test_node_state(lab, replica):
    lab.slapd.replace(FRONT1, restanteNodeState="disabling")
    replica.wait_view(node="disabling", node_durable=True)
    assert replica.verdict("anna@example.org") == "tryagain"
    lab.slapd.replace(FRONT1, restanteNodeState="enabled")
    replica.wait_view(node="enabled", node_durable=True)
    assert replica.verdict("anna@example.org") == "rewrite"
    replica.restart()
    assert replica.view()["node_durable"]
    assert replica.verdict("anna@example.org") == "rewrite"


def test_cookies_of_others_writes(lab, replica):
    """Every write outside of the filter brings a cookie: the vector follows, cheaply."""
    lab.slapd.replace(IDENTITIES["control"], description="something else")
    csn = lab.slapd.read(BASE, ("contextCSN",), "root")["contextcsn"][0]
    replica.wait("the vector", lambda: csn in replica.status()["cookie"])
    replica.restart()
    assert csn in replica.status()["cookie"]
