"""Two front doors of one federation: what they share, what they do not, and what becomes of the one
that is cut off, leaves, is forgotten, or is thrown back."""

import os
import shutil

import pytest

from command import REFUSED
from helpers import arrived, fresh, refusal, send, user_of, verdict
from lab.daemon import listens
from lab.lab import Lab
from lab.mail import compose
from lab.process import wait_for
from lab.slapd import FEDERATION
from nodes import acked, everywhere, node, raise_epoch, released, wait_acked, wait_drained


@pytest.fixture(name="lab", scope="module")
def _lab():
    with Lab(front_doors=2, wired=True, milter_options={"heartbeat": "500ms"},
             ldap_options={"timeout": "2s"}) as both:
        yield both


@pytest.fixture(autouse=True)
def whole(request):
    """Each test leaves two front doors that serve."""
    yield
    if "lab" not in request.fixturenames:
        return
    lab = request.getfixturevalue("lab")
    for door in lab.doors:
        for wire in door.wires:
            wire.mend()
        if not door.milter.running():
            door.milter.start(wait=False)
        wait_for(door.milter.ready, 30, "%s to serve" % door.node)
        wait_for(lambda door=door: door.milter.held() == 0, 30, "%s to hold nothing" % door.node)


def swap(lab, address, system, *more, check=True):
    done = lab.milter.cli("swap", address, "--system", system, "--to",
                          "%s@%s.lab" % (user_of(address), system.lower()), *more, check=check)
    return done.stderr.decode()


def cut(door):
    for wire in door.wires:
        wire.cut()


def mend(door):
    for wire in door.wires:
        wire.mend()


def logged(door, text, after):
    wait_for(lambda: text in door.milter.log_text()[after:], 20, "%s to say: %s" % (door.node, text))


def seen(door):
    """How long its log is: what comes later is news."""
    return len(door.milter.log_text())


# --- together -------------------------------------------------------------------------------------

def test_both_hold_and_both_release(lab):
    address = fresh(lab)
    user = user_of(address)
    everywhere(lab, address, "rewrite")
    early = [send(door, address) for door in lab.doors]
    arrived(lab, "S1", user, 2)
    lab.milter.cli("hold", address)
    everywhere(lab, address, "hold")
    held = {door.node: [send(door, address) for _ in range(5)] for door in lab.doors}
    assert [door.milter.held() for door in lab.doors] == [5, 5]
    marks = [len(door.mta.log_text()) for door in lab.doors]
    swap(lab, address, "S2")
    assert sorted(arrived(lab, "S2", user, 10)) == sorted(sum(held.values(), []))
    for door, mark in zip(lab.doors, marks):
        assert released(door, held[door.node], mark) == held[door.node], "each keeps its order"
    assert sorted(lab.message_ids("S1", user)) == sorted(early)
    late = [send(door, address) for door in lab.doors]
    assert sorted(arrived(lab, "S2", user, 12)[10:]) == sorted(late)


def test_the_fence_waits_for_the_queue_of_each(lab):
    """Mail that only the second one has for the old place."""
    address = fresh(lab)
    first, second = lab.doors
    everywhere(lab, address, "rewrite")
    lab.backends["S1"].stop()
    try:
        msgid = send(second, address)
        wait_for(lambda: not second.mta.empty(), 10, "mail in its queue")
        said = swap(lab, address, "S2", "--wait", "--timeout", "2s", check=False)
        assert "front2 still has mail for %s@s1.lab" % user_of(address) in said
        assert node(lab, second.dn)["restanteundrained"] == [user_of(address) + "@s1.lab"]
        assert "restanteundrained" not in node(lab, first.dn)
    finally:
        lab.backends["S1"].start()
    second.mta.flush()
    swap(lab, address, "S2", "--wait")
    assert lab.message_ids("S1", user_of(address)) == [msgid]
    # what was undrained is not undrained for the next ones
    wait_drained(lab, raise_epoch(lab), dn=second.dn)


def test_a_repeat_at_another_door_is_not_recognised(lab):
    """They share nothing: a client that never got the 250 of one, and goes to the other, is believed.
    Rather twice than lost."""
    address = fresh(lab, state="holding")
    everywhere(lab, address, "hold")
    msgid, content = compose(address)
    for door in lab.doors * 2:
        send(door, address, content=content)
    assert [door.milter.held() for door in lab.doors] == [1, 1]
    lab.milter.cli("unhold", address)
    assert arrived(lab, "S1", user_of(address), 2) == [msgid] * 2


@pytest.mark.sendmail
@pytest.mark.brief
def test_one_of_each_mta():
    """Postfix and Sendmail are front doors of one federation."""
    with Lab(front_doors=("postfix", "sendmail")) as mixed:
        address = fresh(mixed)
        user = user_of(address)
        everywhere(mixed, address, "rewrite")
        early = [send(door, address) for door in mixed.doors]
        assert sorted(arrived(mixed, "S1", user, 2)) == sorted(early)
        mixed.milter.cli("hold", address)
        everywhere(mixed, address, "hold")
        held = [send(door, address) for door in mixed.doors]
        assert [door.milter.held() for door in mixed.doors] == [1, 1]
        swap(mixed, address, "S2")
        assert sorted(arrived(mixed, "S2", user, 2)) == sorted(held)
        assert len(mixed.message_ids("S1", user)) == 2


# --- cut off --------------------------------------------------------------------------------------

@pytest.mark.parametrize("how", ["cut", "freeze"])
def test_a_door_that_is_cut_off_stops_the_moves_and_not_the_mail(lab, how):
    """The cable, or a firewall that drops everything without a word."""
    first, second = lab.doors
    address, other = fresh(lab), fresh(lab)
    everywhere(lab, other, "rewrite")
    mark = seen(second)
    for wire in second.wires:
        getattr(wire, how)()
    said = swap(lab, address, "S2", "--wait", "--timeout", "1s", check=False)
    assert "front door front2 has not acknowledged" in said and "stays held" in said
    assert verdict(first, address) == "hold" and verdict(second, address) == "rewrite"
    # on the last known truth; what nobody is known for may have come meanwhile
    msgid = send(second, other)
    assert arrived(lab, "S1", user_of(other)) == [msgid]
    logged(second, "error: node: cut off from the directory", mark)
    assert refusal(second, "nobody.at.all@example.org") == ("RCPT", 451, "4.3.0")
    assert refusal(first, "nobody.at.all@example.org") == ("RCPT", 550, "5.1.1")
    # the alarm: where it is, and everywhere else
    status = second.milter.cli("status", check=False)
    assert status.returncode == 1 and b"not current" in status.stdout
    wait_for(lambda: b"front door front2: last heartbeat" in
             lab.milter.cli("status", check=False).stdout, 30, "an alarm elsewhere")
    mend(second)
    logged(second, "the directory's changes come again", mark)
    swap(lab, address, "S2", "--wait")
    everywhere(lab, address, "rewrite")
    assert second.milter.cli("route", address).stdout.count(b"@s2.lab") == 1


def test_held_mail_waits_at_a_door_that_is_cut_off(lab):
    """It does not see the swap, so it goes on holding; then it releases to the new place."""
    second = lab.doors[1]
    address = fresh(lab, state="holding")
    everywhere(lab, address, "hold")
    before = send(second, address)
    epoch = raise_epoch(lab)
    for door in lab.doors:
        wait_acked(lab, epoch, dn=door.dn)
    cut(second)
    lab.milter.cli("swap", address, "--system", "S2", "--to", user_of(address) + "@s2.lab",
                   "--force", "--yes")
    during = send(second, address)
    assert second.milter.held() == 2
    mend(second)
    assert sorted(arrived(lab, "S2", user_of(address), 2)) == sorted([before, during])
    assert lab.message_ids("S1", user_of(address)) == []


# --- leaving --------------------------------------------------------------------------------------

def test_a_door_that_has_left_is_waited_for_no_more(lab):
    second = lab.doors[1]
    address, moved = fresh(lab, state="holding"), fresh(lab)
    everywhere(lab, address, "hold")
    msgid = send(second, address)
    lab.milter.cli("node", "disable", "front2")
    wait_for(lambda: refused(second, moved), 10, "it to refuse")
    # it holds, so it is waited for: and answers
    swap(lab, moved, "S2", "--wait")
    assert node(lab, second.dn)["restantenodestate"] == ["disabling"]
    lab.milter.cli("unhold", address)
    assert arrived(lab, "S1", user_of(address)) == [msgid]
    wait_for(lambda: node(lab, second.dn)["restantenodestate"] == ["disabled"], 20, "it to leave")
    second.milter.stop()
    swap(lab, moved, "S1", "--wait")
    second.milter.start(wait=False)
    lab.milter.cli("node", "enable", "front2")
    wait_for(second.milter.ready, 20, "it to serve again")
    assert second.milter.cli("route", moved).stdout.count(b"@s1.lab") == 1
    assert second.milter.ask("status")["cut_off"] is False


def refused(door, address):
    return verdict(door, address) == "tryagain"


def wipe(door):
    for path in (door.milter.queue, door.milter.replica):
        for name in os.listdir(path):
            os.unlink(os.path.join(path, name))


def test_a_forgotten_door_that_comes_back(lab):
    """It was switched off with held mail, given up by force, and what it holds for moved meanwhile."""
    first, second = lab.doors
    address = fresh(lab, state="holding")
    everywhere(lab, address, "hold")
    msgid = send(second, address)
    second.milter.kill()
    done = lab.milter.cli("node", "disable", "front2", "--force", check=False)
    assert done.returncode == REFUSED and b"not confirmed" in done.stderr
    assert node(lab, second.dn)["restantenodestate"] == ["enabled"], "not without a yes"
    said = swap(lab, address, "S2", check=False)
    assert "front2 has not acknowledged" in said
    lab.milter.cli("node", "disable", "front2", "--force", "--yes")
    swap(lab, address, "S2")
    epoch = acked(lab, first.dn)
    second.milter.start(wait=False)
    wait_for(lambda: listens(second.milter.control) and
             second.milter.ask("status")["cut_off"], 20, "it to see that it was given up")
    assert refusal(second, "anna@example.org") == ("RCPT", 451, "4.3.0")
    assert b"disabled by force" in second.milter.cli("status", check=False).stdout
    # being enabled again does not help: its knowledge and its mail are old
    lab.milter.cli("node", "enable", "front2")
    wait_for(lambda: second.milter.ask("status")["view"]["node_state"] == "enabled", 10, "that")
    second.milter.stop()
    second.milter.start(wait=False)
    wait_for(lambda: listens(second.milter.control) and
             second.milter.ask("status")["view"]["current"], 20, "it to be back")
    assert refusal(second, "anna@example.org") == ("RCPT", 451, "4.3.0")
    assert second.milter.held() == 1 and acked(lab, second.dn) < epoch
    # its mail is handed over by hand, and it is wiped
    held = second.milter.cli_json("queue", "list")[0]["id"]
    content = second.milter.cli("queue", "cat", str(held)).stdout
    send(first, address, content=content)
    assert arrived(lab, "S2", user_of(address)) == [msgid]
    second.milter.stop()
    wipe(second)
    second.milter.start()
    everywhere(lab, address, "rewrite")


# --- thrown back ----------------------------------------------------------------------------------

def test_an_old_replica_that_is_put_back_serves_nothing(lab):
    """From before the hold that was acknowledged; and the directory cannot be asked."""
    second = lab.doors[1]
    address = fresh(lab)
    everywhere(lab, address, "rewrite")
    raise_epoch(lab)
    second.milter.stop()
    backup = second.milter.replica + ".old"
    shutil.copytree(second.milter.replica, backup)
    second.milter.start()
    everywhere(lab, address, "rewrite")
    swap(lab, address, "S2", "--wait")
    second.milter.stop()
    cut(second)
    shutil.rmtree(second.milter.replica)
    os.rename(backup, second.milter.replica)
    mark = seen(second)
    second.milter.start(wait=False)
    wait_for(lambda: listens(second.milter.socket) and listens(second.milter.control), 20, "it")
    status = second.milter.ask("status")
    assert status["view"]["loaded"] and status["old_replica"]
    assert refusal(second, address) == ("RCPT", 451, "4.3.0")
    assert "the replica is older than what this front door acknowledged" in (
        second.milter.log_text()[mark:])
    assert b"older than what this front door acknowledged" in second.milter.cli(
        "status", check=False).stdout
    mend(second)
    logged(second, "the replica is level again", mark)
    msgid = send(second, address)
    assert arrived(lab, "S2", user_of(address)) == [msgid]
    assert lab.message_ids("S1", user_of(address)) == []


def test_a_replica_that_was_emptied_is_no_old_one(lab):
    """As after a directory that was restored: it is loaded anew, and what was acknowledged is there as
    soon as the first heartbeat comes back."""
    second = lab.doors[1]
    address = fresh(lab, state="holding")
    everywhere(lab, address, "hold")
    msgid = send(second, address)
    wait_acked(lab, raise_epoch(lab), dn=second.dn)
    second.milter.stop()
    for name in os.listdir(second.milter.replica):
        os.unlink(os.path.join(second.milter.replica, name))
    second.milter.start()
    assert verdict(second, address) == "hold" and second.milter.held() == 1
    lab.milter.cli("unhold", address)
    assert arrived(lab, "S1", user_of(address)) == [msgid]


def test_a_directory_restored_under_what_was_acknowledged(lab):
    """Stop, empty the replica, start (docs/operating.md): the epoch counts on from less."""
    dump = lab.slapd.dump()
    for _ in range(3):
        wait_acked(lab, raise_epoch(lab), dn=lab.doors[1].dn)
    for door in lab.doors:
        door.milter.stop()
    lab.slapd.stop()
    lab.slapd.restore(dump)
    lab.slapd.start()
    for door in lab.doors:
        for name in os.listdir(door.milter.replica):
            os.unlink(os.path.join(door.milter.replica, name))
        door.milter.start()
    address = fresh(lab)
    everywhere(lab, address, "rewrite")
    swap(lab, address, "S2", "--wait")
    assert int(lab.slapd.read(FEDERATION)["restanteepoch"][0]) > 0
