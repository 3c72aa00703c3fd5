"""Several directory servers: one takes the writes, others are its copies. A front door reads from any,
goes over to another when one is silent, and never believes one that lags."""

import pytest

from helpers import arrived, fresh, send, user_of, verdict, wait_verdict
from lab.lab import Lab
from lab.process import wait_for
from nodes import node, number, raise_epoch, wait_acked


@pytest.fixture(name="lab", scope="module")
def _lab():
    """Two front doors; the first reads from the server that takes the writes, the second from a copy."""
    with Lab(front_doors=2, providers=3, milter_options={"heartbeat": "500ms"}) as servers:
        yield servers


@pytest.fixture(autouse=True)
def level(lab):
    """Each test begins with three servers that are level, each front door at its own."""
    for provider in lab.providers:
        if not provider.running():
            provider.start()
    for provider in lab.providers[1:]:
        provider.supply.mend()
        wait_for(provider.level, 20, "%s to be level" % provider.name)
    for door, provider in zip(lab.doors, lab.providers):
        wait_for(lambda d=door, p=provider: reads_from_own(d, p), 30,
                 "%s to read from its own" % door.node, interval=0.2)


def reads_from_own(door, provider):
    """A copy is a few milliseconds behind a heartbeat, and may be passed over for that."""
    if reads_from(door) != provider.uri:
        door.milter.ask("reload")  # connects anew, in order
        return False
    return door.milter.ready()


def reads_from(door):
    return door.milter.ask("status")["directory"].get("provider")


def swap(lab, address, system):
    lab.milter.cli("swap", address, "--system", system, "--to",
                   "%s@%s.lab" % (user_of(address), system.lower()), "--wait")


def test_a_copy_serves_like_the_first(lab):
    """Hold, fence and swap through a server that takes no writes."""
    copied = lab.doors[1]
    address = fresh(lab)
    wait_verdict(copied, address, "rewrite")
    lab.milter.cli("hold", address)
    wait_verdict(copied, address, "hold")
    msgid = send(copied, address)
    swap(lab, address, "S2")
    assert arrived(lab, "S2", user_of(address)) == [msgid]
    assert node(lab, copied.dn)["restantenodestate"] == ["enabled"]


def test_nothing_is_written_to_a_copy(lab):
    done = lab.providers[1].replace(lab.slapd.mailbox_dn("anna"), restanteState="holding",
                                    check=False)
    assert done.returncode == 10  # referral


def test_the_server_it_reads_from_dies(lab):
    """The next one is taken, with the cookie: nothing is read anew."""
    copied = lab.doors[1]
    before = copied.milter.ask("status")["directory"]["refreshes"]
    lab.providers[1].kill()
    wait_for(lambda: reads_from(copied) in (lab.providers[2].uri, lab.providers[0].uri), 20,
             "another provider")
    address = fresh(lab)
    wait_verdict(copied, address, "rewrite")
    swap(lab, address, "S2")
    after = copied.milter.ask("status")["directory"]
    assert after["refreshes"] == before + 1 and after["connected"]


def test_a_copy_that_stands_still_is_left(lab):
    """Its own replication is cut, and it knows nothing of that: what it says is true, but old. Found
    out by the heartbeats that do not come back."""
    copied = lab.doors[1]
    mark = len(copied.milter.log_text())
    lab.providers[1].supply.cut()
    address = fresh(lab)
    began = raise_epoch(lab)
    wait_acked(lab, began, dn=copied.dn)
    assert reads_from(copied) != lab.providers[1].uri
    assert "provider shows no changes any more" in copied.milter.log_text()[mark:]
    wait_verdict(copied, address, "rewrite")
    # and it is not gone back to while it lags
    copied.milter.ask("reload")
    wait_for(lambda: "provider is behind provider=%s used=no" % lab.providers[1].uri in
             copied.milter.log_text()[mark:], 20, "it to be passed over")
    wait_for(copied.milter.ready, 20, "it to serve")
    assert reads_from(copied) != lab.providers[1].uri


def test_only_one_that_lags_is_left(lab):
    """It knows of itself that it lags, and refuses; had it a server id of its own it would not
    (test_provider_that_is_behind_is_not_believed). Nothing is deleted and nothing taken back, mail
    flows, and who is not known hears 451."""
    copied = lab.doors[1]
    lab.providers[1].supply.cut()
    lab.providers[2].kill()
    gone, late = fresh(lab), fresh(lab)
    wait_verdict(copied, late, "rewrite")
    swap(lab, late, "S2")
    held = fresh(lab, state="holding")
    wait_verdict(copied, held, "hold")
    lab.slapd.modify("dn: %s\nchangetype: delete\n" % lab.slapd.mailbox_dn(user_of(gone)))
    wait_for(lambda: verdict(copied, gone) == "tryagain", 10, "the deletion")
    mark = len(copied.milter.log_text())
    lab.slapd.kill()
    wait_for(lambda: "provider is behind: consumer state is newer" in
             copied.milter.log_text()[mark:], 30, "the one that is left to be tried")
    # it knows neither mailbox, nor the swap
    answer = copied.milter.ask("route", address=late)
    assert answer["verdict"] == "rewrite" and answer["physical"] == user_of(late) + "@s2.lab"
    assert verdict(copied, held) == "hold" and verdict(copied, gone) == "tryagain"
    wait_verdict(copied, "nobody.at.all@example.org", "tryagain")
    msgid = send(copied, late)
    assert arrived(lab, "S2", user_of(late)) == [msgid]
    lab.slapd.start()
    wait_for(lambda: reads_from(copied) == lab.slapd.uri, 60, "the better one")
    lab.milter.cli("unhold", held)
    wait_verdict(copied, held, "rewrite")


def test_the_server_that_takes_the_writes_is_away(lab):
    """Copies go on serving: mail flows, nothing can be held or swapped, and no copy is left for
    another, since none would know more."""
    copied = lab.doors[1]
    address = fresh(lab)
    wait_verdict(copied, address, "rewrite")
    mark = len(copied.milter.log_text())
    lab.slapd.stop()
    wait_for(lambda: "cut off from the directory" in copied.milter.log_text()[mark:], 20, "an alarm")
    assert reads_from(copied) == lab.providers[1].uri
    assert "shows no changes" not in copied.milter.log_text()[mark:]
    msgid = send(copied, address)
    assert arrived(lab, "S1", user_of(address)) == [msgid]
    done = lab.milter.cli("hold", address, check=False)
    assert done.returncode == 5 and b"Can't contact LDAP server" in done.stderr
    lab.slapd.start()
    wait_acked(lab, raise_epoch(lab), dn=copied.dn, timeout=30)


def test_a_front_door_that_is_new_loads_from_a_copy(lab):
    """And one whose replica is older than what a copy says is brought up to date by it."""
    copied = lab.doors[1]
    address = fresh(lab)
    wait_verdict(copied, address, "rewrite")
    copied.milter.stop()
    lab.slapd.replace(lab.slapd.mailbox_dn(user_of(address)), mailRoutingAddress="x@s2.lab",
                      restanteSystem="S2")
    wait_for(lab.providers[1].level, 10, "the copy to have it")
    copied.milter.start()
    assert copied.milter.ask("route", address=address)["physical"] == "x@s2.lab"
    assert reads_from(copied) == lab.providers[1].uri
    assert number(node(lab, copied.dn), "restanteMessagesHeld") == 0
