"""A whole system is held for an evening, or asks senders to come again; and one mailbox of it."""

import pytest

from helpers import arrived, begin, fresh, refusal, send, user_of
from lab.lab import Lab
from lab.mail import Refused, compose
from lab.slapd import FEDERATION
from nodes import everywhere, released

S1 = "cn=S1,ou=systems," + FEDERATION


@pytest.fixture(name="lab", scope="module")
def _lab():
    with Lab(front_doors=2) as both:
        yield both


@pytest.fixture(autouse=True)
def active_again(lab):
    yield
    lab.slapd.replace(S1, restanteState=None)
    everywhere(lab, "anna@example.org", "rewrite")


def held(lab):
    return [door.milter.held() for door in lab.doors]


def test_an_evening_off_line(lab):
    """Its server is switched off: everything for its mailboxes waits, nothing for others does; when it
    is back everything arrives, in order."""
    users = [user_of(fresh(lab)) for _ in range(3)]
    addresses = [user + "@example.org" for user in users]
    own_hold = fresh(lab, state="holding")
    elsewhere = fresh(lab, system="S2")
    for address in addresses:
        everywhere(lab, address, "rewrite")
    lab.slapd.replace(S1, restanteState="holding")
    for address in addresses:
        everywhere(lab, address, "hold")
    lab.backends["S1"].stop()
    sent = {user: {door.node: [] for door in lab.doors} for user in users}
    for _ in range(4):
        for user, address in zip(users, addresses):
            for door in lab.doors:
                sent[user][door.node].append(send(door, address))
    own = send(lab, own_hold)
    there = [send(door, elsewhere) for door in lab.doors]
    assert sorted(arrived(lab, "S2", user_of(elsewhere), 2)) == sorted(there)
    assert held(lab) == [13, 12]
    assert all(door.mta.empty() for door in lab.doors), "nothing waits in an MTA"
    shown = lab.milter.cli("status", check=False).stdout.decode()
    assert "S1 (holding)" in shown
    lab.backends["S1"].start()
    marks = [len(door.mta.log_text()) for door in lab.doors]
    lab.slapd.replace(S1, restanteState="active")
    for user in users:
        assert sorted(arrived(lab, "S1", user, 8)) == sorted(sum(sent[user].values(), []))
        for door, mark in zip(lab.doors, marks):
            ours = sent[user][door.node]
            assert released(door, ours, mark) == ours
    # what is held for itself stays so
    assert held(lab) == [1, 0]
    lab.milter.cli("unhold", own_hold)
    assert arrived(lab, "S1", user_of(own_hold)) == [own]


def test_a_mailbox_leaves_a_system_that_is_off_line(lab):
    """It moves away in the middle of the evening; the others wait on."""
    moved, stays = fresh(lab), fresh(lab)
    everywhere(lab, stays, "rewrite")
    lab.slapd.replace(S1, restanteState="holding")
    for address in (moved, stays):
        everywhere(lab, address, "hold")
    mail = {address: [send(door, address) for door in lab.doors] for address in (moved, stays)}
    lab.milter.cli("swap", moved, "--system", "S2", "--to", user_of(moved) + "@s2.lab", "--wait")
    assert sorted(arrived(lab, "S2", user_of(moved), 2)) == sorted(mail[moved])
    assert held(lab) == [1, 1] and lab.message_ids("S1", user_of(moved)) == []
    lab.slapd.replace(S1, restanteState=None)
    assert sorted(arrived(lab, "S1", user_of(stays), 2)) == sorted(mail[stays])


def test_deferred_asks_to_come_again_and_holds_nothing(lab):
    address = fresh(lab, state="deferred")
    everywhere(lab, address, "defer")
    for door in lab.doors:
        assert refusal(door, address) == ("RCPT", 451, "4.2.1")
    assert held(lab) == [0, 0]
    assert b"defer" in lab.milter.cli("route", address).stdout


def test_a_deferred_system(lab):
    address = fresh(lab)
    kept = fresh(lab, state="holding")
    everywhere(lab, kept, "hold")
    msgid = send(lab, kept)
    lab.slapd.replace(S1, restanteState="deferred")
    for one in (address, kept):
        everywhere(lab, one, "defer")
    for door in lab.doors:
        assert refusal(door, address) == refusal(door, kept) == ("RCPT", 451, "4.2.1")
    # what is held is kept, also of a mailbox that would be active
    lab.slapd.replace(lab.slapd.mailbox_dn(user_of(kept)), restanteState=None)
    everywhere(lab, kept, "defer")
    assert held(lab) == [1, 0] and lab.message_ids("S1", user_of(kept)) == []
    lab.slapd.replace(S1, restanteState=None)
    assert arrived(lab, "S1", user_of(kept)) == [msgid]
    everywhere(lab, address, "rewrite")
    msgid = send(lab, address)
    assert arrived(lab, "S1", user_of(address)) == [msgid]


def test_one_recipient_in_transfer_keeps_the_whole_message_out(lab):
    """At end of message: nothing is stored, and nobody gets it twice."""
    held_one, active, deferred = fresh(lab, state="holding"), fresh(lab), fresh(lab)
    everywhere(lab, deferred, "rewrite")
    smtp = begin(lab, [held_one, active, deferred])
    lab.slapd.replace(lab.slapd.mailbox_dn(user_of(deferred)), restanteState="deferred")
    everywhere(lab, deferred, "defer")
    with pytest.raises(Refused) as refused:
        smtp.data(compose(active)[1])
    smtp.quit()
    assert (refused.value.code, refused.value.text.split()[0]) == (451, "4.2.1")
    assert held(lab) == [0, 0] and lab.message_ids("S1", user_of(active)) == []
    lab.milter.cli("unhold", held_one)
