"""restante-control is killed in each step, replaced by another one, put to sleep: no step is lost, none
is done twice with effect."""

import os
import random
import re
import signal
import time

import pytest

from lab.control import Control, begin
from lab.lab import Lab
from lab.process import is_alive, wait_for
from lab.slapd import FEDERATION

SCENARIOS = {"closing": {"create": "0s", "close": True, "drain": "5s"}}
LEASE_LENGTH = "3s"
STEPS = ("S2 create", "S2 redirect", "S2 addresses", "S2 list", "S2 unredirect", "S1 redirect",
         "S1 close")


@pytest.fixture(scope="module", name="lab")
def _lab():
    with Lab(start=("slapd", "mta", "milter")) as lab:
        yield lab


@pytest.fixture(scope="module", name="control")
def _control(lab):
    control = Control(lab, scenarios=SCENARIOS, options={"lease": LEASE_LENGTH},
                      actions={"time_limit": "1s"})
    return begin(control)


def settled(lab, control, name):
    entry = lab.slapd.read(lab.slapd.mailbox_dn(name))
    assert entry["mailroutingaddress"] == [name + "@s2.lab"]
    assert entry["restantestate"] == ["active"]
    assert control.backend("S1")["mailboxes"][name]["redirect"] == name + "@s2.lab"
    assert control.backend("S2")["mailboxes"][name]["redirect"] == ""


def each_once(control, name):
    counts = {key: count for key, count in control.effects().items()
              if key[2] == name + "@example.org"}
    assert set(counts.values()) == {1}, counts
    assert len(counts) >= 5


def killed(control):
    """By its own action."""
    wait_for(lambda: not control.running(), 60, "the controller to be killed")
    control.process.wait()
    control.process = None
    control.fault({})


def revive(control):
    killed(control)
    control.start()


@pytest.mark.long
@pytest.mark.parametrize("when", ["kill", "killed"])
@pytest.mark.parametrize("step", STEPS)
def test_killed_in_a_step(lab, control, step, when):
    """Before its effect, and after it, when its end is in no record."""
    if (step, when) == ("S2 list", "killed"):
        return
    name = "%s-%s" % (when, step.replace(" ", "-").lower())
    address, = control.people(name)
    control.fault({"%s %s" % (step, address): when})
    dn = control.record("m-" + name, address, restanteMoveScenario="closing")
    revive(control)
    control.wait_state(dn, 10, 60)
    settled(lab, control, name)
    each_once(control, name)


@pytest.mark.long
def test_killed_after_an_effect_that_is_in_no_record(lab, control):
    name = "unrecorded"
    address, = control.people(name)
    control.fault({"S1 redirect " + address: "killed"})
    dn = control.record("m-" + name, address)
    revive(control)
    control.wait_state(dn, 10, 60)
    settled(lab, control, name)
    each_once(control, name)


@pytest.mark.long
def test_killed_at_random(lab, control):
    """Ten moves; each life is a little longer than the lease of the one before."""
    names = ["random%d" % number for number in range(10)]
    addresses = control.people(*names)
    control.fault({})
    moves = [control.record("m-" + name, address) for name, address in zip(names, addresses)]
    chance = random.Random(6)
    for _ in range(8):
        time.sleep(chance.uniform(3.1, 5.5))
        control.kill()
        control.start()
        if all(control.state(dn) == 10 for dn in moves):
            break
    for name, dn in zip(names, moves):
        control.wait_state(dn, 10, 120)
        settled(lab, control, name)
        each_once(control, name)


@pytest.fixture(name="stand_by")
def _stand_by(lab, control):
    """Makes another controller, which knows that the first one leads. Afterwards that leads, alone."""
    made = []

    def make(limit="1s", lease=LEASE_LENGTH):
        other = Control(lab, scenarios=SCENARIOS, actions={"time_limit": limit}, name="other",
                        folder=control.folder, options={"lease": lease})
        made.append(other)
        wait_for(lambda: control.ask("status")["term"] > 0, 30, "the first one to lead")
        other.start()
        wait_for(lambda: other.ask("status")["leader"] == "control", 20, "the leader to be known")
        assert other.ask("status")["term"] == 0
        return other
    yield make
    for other in made:
        other.stop()
    control.fault({})
    control.actions = {"time_limit": "1s"}
    if control.options["lease"] != LEASE_LENGTH:
        control.configure(lease=LEASE_LENGTH)
        control.stop()
    if not control.running():
        control.start()
    wait_for(lambda: control.ask("status")["term"] > 0, 30, "the first one to lead again")


def test_another_controller_takes_over(lab, control, stand_by):
    other = stand_by()
    name = "inherited"
    address, = control.people(name)
    term = control.ask("status")["term"]
    control.fault({"S1 redirect " + address: "kill"})
    dn = control.record("m-" + name, address)
    killed(control)
    assert "redirect-first 2" in control.one(dn, "restanteMoveWork")
    control.wait_state(dn, 10, 60)
    assert other.ask("status")["term"] > term
    assert "other" in control.one(dn, "restanteMoveWork")
    settled(lab, control, name)


def test_a_leader_that_slept_cannot_act(lab, control, stand_by):
    """It wakes with its lease gone, in the middle of a move that another one has finished."""
    stand_by()
    name = "asleep"
    address, = control.people(name)
    control.fault({"S2 list " + address: "fail"})
    dn = control.record("m-" + name, address)
    control.wait_state(dn, 4)
    os.kill(control.pid, signal.SIGSTOP)
    try:
        control.fault({})
        control.wait_state(dn, 10, 60)
    finally:
        os.kill(control.pid, signal.SIGCONT)
    wait_for(lambda: control.ask("status")["leader"] == "other", 20, "it to see who leads")
    assert control.ask("status")["term"] == 0
    assert "other" in control.one(dn, "restanteMoveWork")
    settled(lab, control, name)
    each_once(control, name)


def waits(log):
    return [int(number) for number in re.findall(r"waited out .*wait_ms=(\d+)", log)]


@pytest.mark.parametrize("lease, limit, others, waited", [
    ("5s", "2s", ("3s", "1s"), 5000),
    pytest.param("3s", "1s", ("5s", "2s"), 3000, marks=pytest.mark.long)])
def test_each_counts_by_what_the_other_has_written(lab, control, stand_by, lease, limit, others,
                                                   waited):
    """Lease and time limits are those of who led, whatever the settings of who takes over."""
    control.actions = {"time_limit": limit}
    control.configure(lease=lease)
    control.restart()
    other = stand_by(lease=others[0], limit=others[1])
    name = "lengths-" + lease
    address, = control.people(name)
    control.fault({"S2 unredirect " + address: "kill"})
    dn = control.record("m-" + name, address)
    killed(control)
    began = time.monotonic()
    assert "unredirect-second 2" in control.one(dn, "restanteMoveWork")
    wait_for(lambda: other.ask("status")["term"] > 0, 30, "the other one to lead")
    took = time.monotonic() - began
    # the last renewal was up to a quarter of its length before
    assert took > int(lease[0]) * 0.7
    control.wait_state(dn, 10, 60)
    assert waits(other.log_text())[-1] == waited
    settled(lab, control, name)


LEASE = ("restanteLeaseHolder", "restanteLeaseTerm", "restanteLeaseExpiry", "restanteLeaseLength")


def test_the_lease_is_removed_by_hand(lab, control, stand_by):
    """Who leads takes it again, with a higher term; nobody else does meanwhile."""
    control.configure(lease="8s")
    control.restart()
    other = stand_by(lease="8s")
    led = other.log_text().count("this controller leads term")
    name = "removed"
    address, = control.people(name)
    dn = control.record("m-" + name, address)
    term = control.ask("status")["term"]
    for _ in range(3):
        lab.slapd.replace(FEDERATION, "root", **{attribute: None for attribute in LEASE})
        wait_for(lambda: control.ask("status")["term"] > term, 20, "the lease to be taken again")
        term = control.ask("status")["term"]
        assert other.ask("status")["term"] == 0
    assert "removed from the federation's entry by hand" in control.log_text()
    lab.slapd.replace(FEDERATION, "root", restanteLeaseHolder="nobody")
    wait_for(lambda: "the lease was changed by hand" in control.log_text(), 20, "it to be seen")
    control.wait_state(dn, 10, 60)
    settled(lab, control, name)
    each_once(control, name)
    assert other.log_text().count("this controller leads term") == led


def test_the_lease_is_removed_while_nobody_lives(lab, control):
    """Its term begins anew; records have a higher one, and their moves go on."""
    name = "reset"
    address, = control.people(name)
    control.fault({"S2 list " + address: "fail"})
    dn = control.record("m-" + name, address)
    control.wait_state(dn, 4)
    control.stop()
    lab.slapd.replace(FEDERATION, "root", **{attribute: None for attribute in LEASE})
    control.fault({})
    control.start()
    control.wait_state(dn, 10, 60)
    assert "the lease was set back by hand" in control.log_text()
    settled(lab, control, name)


@pytest.mark.long
def test_an_action_of_a_leader_that_was_replaced_is_waited_out(lab, control):
    """What hangs on the old one may still have its effect: the new one begins after its limit."""
    name = "lingering"
    address, = control.people(name)
    control.fault({"S2 unredirect " + address: "kill"})
    dn = control.record("m-" + name, address)
    revive(control)
    control.wait_state(dn, 10, 60)
    assert "an older claim is waited out" in control.log_text()
    settled(lab, control, name)


def stays(control):
    """Pids of the programs of the fault "stay", from the last time that it was shown."""
    path = os.path.join(control.folder, "stays")
    if not os.path.exists(path):
        return []
    with open(path) as lines:
        return [int(pid) for pid in lines.read().splitlines()[-1].split()]


def test_programs_end_with_the_controller_that_started_them(lab, control):
    """At once where it is killed, at their time limit where it sleeps; whatever signals they ignore."""
    name = "outliving"
    address, = control.people(name)
    control.fault({"S2 unredirect " + address: "stay"})
    dn = control.record("m-" + name, address)
    wait_for(lambda: stays(control), 30, "the program to run")
    first = stays(control)
    control.kill()
    wait_for(lambda: not any(map(is_alive, first)), 5, "the programs of who was killed to end")
    control.start()
    wait_for(lambda: stays(control) != first, 30, "the next one to run it")
    second = stays(control)
    os.kill(control.pid, signal.SIGSTOP)
    try:
        wait_for(lambda: not any(map(is_alive, second)), 5, "the programs of who sleeps to end")
    finally:
        control.fault({})
        os.kill(control.pid, signal.SIGCONT)
    control.wait_state(dn, 10, 60)
    settled(lab, control, name)
    each_once(control, name)


@pytest.mark.long
def test_a_leader_killed_while_it_waits_leaves_the_waiting_to_the_next(lab, control):
    """The claim of the first one stands until it was waited out."""
    name = "patient"
    address, = control.people(name)
    control.fault({"S2 unredirect " + address: "kill"})
    dn = control.record("m-" + name, address)
    waited = "an older claim is waited out"
    before = control.log_text().count(waited)
    for number in (1, 2):
        if number == 1:
            killed(control)
        else:
            control.kill()
        control.start()
        wait_for(lambda n=number: control.log_text().count(waited) == before + n, 30,
                 "leader %d to wait" % number)
        assert "unredirect-second 2" in control.one(dn, "restanteMoveWork")
    control.wait_state(dn, 10, 60)
