"""restante-control: how it waits: for front doors, for a directory that takes no connection. The front
door is played by the test, the backends are files (lab/backend_action.py)."""

import time

import pytest

from command import FRONT1, FrontDoor, epoch_of
from lab.control import Control, begin
from lab.lab import Lab
from lab.process import wait_for
from lab.wire import Wire

SCENARIOS = {"patient": {"create": "0s", "drain": "0s"}}


@pytest.fixture(scope="module", name="lab")
def _lab():
    with Lab(start=("slapd",)) as lab:
        yield lab


@pytest.fixture(scope="module", name="wire")
def _wire(lab):
    wire = Wire(lab.slapd.port)
    yield wire
    wire.close()


@pytest.fixture(scope="module", name="control")
def _control(lab, wire):
    """One worker: it has a connection once it has done anything."""
    control = Control(lab, scenarios=SCENARIOS, options={"workers": 1})
    control.uri = wire.uri
    control.configure()
    return begin(control)


def test_a_directory_that_takes_no_connection_is_left_alone_for_a_while(lab, wire, control):
    """The worker's connection lasts, a keeper's cannot be made while a mailbox is held."""
    address, = control.people("lonely")
    control.fault({"S2 list " + address: "fail"})
    dn = control.record("lonely", address)
    control.wait_state(dn, 4)
    wire.is_cut = True  # those that there are stay
    control.fault({})
    wait_for(lambda: "fences cannot be passed for now" in control.log_text(), 20,
             "the trouble to be told")
    before = wire.attempts
    time.sleep(3)
    assert wire.attempts - before < 12
    assert control.state(dn) == 4
    with FrontDoor(lab.slapd):
        wire.mend()
        control.wait_state(dn, 10)
    assert control.log_text().count("fences cannot be passed for now") == 1
    wait_for(lambda: "fences can be passed again" in control.log_text(), 10, "the end to be told")


def test_a_drain_that_was_covered_by_a_late_report(lab, control):
    """The number is raised again: a front door tells anew for another one only."""
    address, = control.people("covered")
    before = epoch_of(lab.slapd)
    with FrontDoor(lab.slapd, drains=False):
        dn = control.record("covered", address, restanteMoveScenario="patient")
        control.wait_state(dn, 5)
    last = epoch_of(lab.slapd)
    # what was said earlier, executed late; it covers that this was drained
    lab.slapd.replace(FRONT1, restanteDrainedEpoch=str(before))
    with FrontDoor(lab.slapd):
        wait_for(lambda: epoch_of(lab.slapd) > last, 15, "the epoch to be raised again")
        control.wait_state(dn, 10)


def wait_told(control, dn, text, mark):
    """In the record, and once in the log since that mark."""
    wait_for(lambda: text in control.one(dn, "restanteMoveError"), 20, "%r of %s" % (text, dn))
    assert control.log_text()[mark:].count(" error: control: ") == 1
    assert text in control.log_text()[mark:]
    return len(control.log_text())


def test_who_waits_for_a_drain_is_told_for_what(lab, control):
    """fence_timeout, 2 s here, is also how long a drain is waited for without a word."""
    address, = control.people("queued")
    mark = len(control.log_text())
    with FrontDoor(lab.slapd, acks=False) as door:
        dn = control.record("queued", address, restanteMoveScenario="patient")
        mark = wait_told(control, dn, "no acknowledgement of front door front1", mark)
        door.acks, door.drains = True, False
        door.answer()
        control.wait_state(dn, 5)
        mark = wait_told(control, dn, "front door front1 has not listed its MTA's queue",
                         mark)
        shown = control.cli("move", "show", "queued").stdout.decode()
        assert "has not listed its MTA's queue" in shown
        door.drains, door.undrained = True, ["queued@s1.lab"]
        door.answer()
        mark = wait_told(control, dn, "queue of front door front1 has mail for queued@s1.lab",
                         mark)
        door.undrained = []
        door.answer()
        control.wait_state(dn, 10)
    assert control.one(dn, "restanteMoveError") == ""
