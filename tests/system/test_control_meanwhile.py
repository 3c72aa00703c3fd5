"""What others change while a move is stopped or paused, or its mailbox on hold: at the systems, in the
mailbox's entry, in the record."""

import fcntl
import os

import pytest

from lab.control import Control, begin, where
from lab.lab import Lab
from lab.process import wait_for


@pytest.fixture(scope="module", name="lab")
def _lab():
    with Lab() as lab:
        yield lab


@pytest.fixture(scope="module", name="control")
def _control(lab):
    return begin(Control(lab, actions={"time_limit": "3s"}))


def record_all(control, names):
    addresses = control.people(*names)
    return [control.record("m-" + name, address) for name, address in zip(names, addresses)]


def set_addresses(control, name, *addresses):
    """Somebody does it on S2."""
    with open(os.path.join(control.folder, "S2.json.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = control.backend("S2")
        state["mailboxes"][name]["addresses"] = list(addresses)
        control.put_backend("S2", state)


def is_there(lab, control, dn, name):
    control.wait_state(dn, 10, 60)
    assert where(lab, name) == ("S2", name + "@s2.lab", "active")


# --- the second mailbox -----------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["refuse", pytest.param("fail", marks=pytest.mark.long)])
def test_an_address_that_goes_while_the_move_is_stopped(lab, control, kind):
    """Or paused: its addresses are read again before the swap."""
    name = "stands-" + kind
    address = name + "@example.org"
    control.fault({"S2 unredirect " + address: kind})
    dn, = record_all(control, [name])
    if kind == "refuse":
        control.wait_stopped(dn)
    else:
        wait_for(lambda: "unredirect" in control.one(dn, "restanteMoveError"), 30, "the try")
        control.request(dn, "pause")
    assert control.state(dn) == 5 and where(lab, name)[2] == "holding"
    set_addresses(control, name)
    control.fault({})
    control.request(dn, "retry" if kind == "refuse" else "resume")
    wait_for(lambda: "S2 has not " + address in control.one(dn, "restanteMoveError"), 30,
             "the address to be missed")
    assert "stays where it is, on hold" in control.wait_stopped(dn)
    assert where(lab, name) == ("S1", name + "@s1.lab", "holding")
    set_addresses(control, name, address)
    control.request(dn, "retry")
    is_there(lab, control, dn, name)


def test_an_address_that_the_directory_gets_while_it_is_held(lab, control):
    """The second mailbox has not got it: nobody is swapped to where it is unknown."""
    address, alias = "gets@example.org", "gets.more@example.org"
    control.fault({"S1 redirect " + address: "fail"})
    dn, = record_all(control, ["gets"])
    wait_for(lambda: "redirect-first" in control.one(dn, "restanteMoveError"), 30, "the try")
    lab.slapd.replace(lab.slapd.mailbox_dn("gets"), "operator", mailLocalAddress=[address, alias])
    assert "S2 has not " + alias in control.wait_stopped(dn)
    control.fault({})
    assert where(lab, "gets") == ("S1", "gets@s1.lab", "holding")
    set_addresses(control, "gets", address, alias)
    control.request(dn, "retry")
    is_there(lab, control, dn, "gets")


def test_nothing_is_read_again_where_nothing_happens(control):
    dn, = record_all(control, ["plain"])
    control.wait_state(dn, 10, 60)
    assert control.log_text().count("control: list id=m-plain ") == 1


# --- a redirection that comes late ------------------------------------------------------------------

def set_late(control, dn, system, name, to):
    """Between two tries of the opposite redirection, which is done at the next one."""
    control.request(dn, "pause")
    wait_for(lambda: control.ask("status")["paused"] == 1, 30, "the pause")
    with open(os.path.join(control.folder, system + ".json.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = control.backend(system)
        state["mailboxes"][name]["redirect"] = to
        control.put_backend(system, state)
    control.fault({})
    control.request(dn, "resume")


def test_a_redirection_that_the_system_sets_late(lab, control):
    """A try that ran into its time was verified gone by then: looked for again before the opposite one."""
    address = "tardy@example.org"
    late = "a redirection that came late is taken away"
    control.fault({"S2 redirect " + address: "fail"})
    dn, = record_all(control, ["tardy"])
    wait_for(lambda: "redirect-second" in control.one(dn, "restanteMoveError"), 30, "the try")
    control.fault({"S1 redirect " + address: "fail"})
    wait_for(lambda: "redirect-first" in control.one(dn, "restanteMoveError"), 30, "the other one")
    set_late(control, dn, "S2", "tardy", "tardy@s1.lab")
    is_there(lab, control, dn, "tardy")
    assert control.backend("S2")["mailboxes"]["tardy"]["redirect"] == ""
    assert control.log_text().count(late) == 1
    # and on the way back
    control.fault({"S2 redirect " + address: "fail"})
    control.request(dn, "rollback")
    wait_for(lambda: "redirect-back" in control.one(dn, "restanteMoveError"), 30, "the try back")
    set_late(control, dn, "S1", "tardy", "tardy@s2.lab")
    control.wait_outcome(dn, "rolled back", 60)
    assert control.backend("S1")["mailboxes"]["tardy"]["redirect"] == ""
    assert control.log_text().count(late) == 2


# --- the record -------------------------------------------------------------------------------------

@pytest.mark.parametrize("attribute, other", [
    ("restanteMoveTarget", "S1"),
    pytest.param("restanteMoveAddress", "anna@example.org", marks=pytest.mark.long)])
def test_a_record_that_is_changed_after_create(lab, control, attribute, other):
    """Nothing is done to another system or mailbox, whatever is asked, until it is put back."""
    name = attribute.lower()
    address = name + "@example.org"
    control.fault({"S2 unredirect " + address: "fail"})
    dn, = record_all(control, [name])
    wait_for(lambda: "unredirect" in control.one(dn, "restanteMoveError"), 30, "the try")
    before, made = control.effects(), control.one(dn, "restanteMoveMade")
    assert made.startswith("S2 ") and made.endswith(" " + address)
    was = control.one(dn, attribute)
    lab.slapd.replace(dn, "operator", **{attribute: other})
    assert "made: that is of `%s`" % made in control.wait_stopped(dn)
    control.fault({})
    for request in ("retry", "rollback leave-mail"):
        control.request(dn, request)
        wait_for(lambda: not control.one(dn, "restanteMoveRequest"), 30, "the answer")
        assert "the record was changed" in control.wait_stopped(dn)
    assert control.effects() == before
    lab.slapd.replace(dn, "operator", **{attribute: was})
    control.request(dn, "retry")
    is_there(lab, control, dn, name)


def test_an_instant_that_is_postponed_while_a_step_goes_on(lab, control):
    address, = control.people("postponed")
    control.fault({"S2 create " + address: "slow"})
    dn = control.record("m-postponed", address)
    wait_for(lambda: " create 2" in control.one(dn, "restanteMoveWork"), 30, "the claim")
    lab.slapd.replace(dn, "operator", restanteMoveInstant="20991231000000Z")
    control.wait_state(dn, 1, 30)
    wait_for(lambda: control.ask("status")["busy"] == 0, 30, "the worker")
    assert (control.state(dn), where(lab, "postponed")) == (1, ("S1", "postponed@s1.lab", "active"))
    assert not any(done.startswith("addresses") for done in control.move(dn)["restantemovedone"])
    control.fault({})
    lab.slapd.replace(dn, "operator", restanteMoveInstant="20200101000000Z")
    is_there(lab, control, dn, "postponed")
