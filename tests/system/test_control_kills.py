"""restante-control is killed in each step, replaced by another one, put to sleep: no step is lost, none
is done twice with effect."""

import os
import random
import signal
import time

import pytest

from lab.control import Control, dirsync_of
from lab.lab import Lab
from lab.process import wait_for

SCENARIOS = {"closing": {"create": "0s", "close": True, "drain": "5s"}}
STEPS = ("S2 create", "S2 redirect", "S2 addresses", "S2 list", "S2 unredirect", "S1 redirect",
         "S1 close")


@pytest.fixture(scope="module", name="lab")
def _lab():
    with Lab(start=("slapd", "mta", "milter")) as lab:
        yield lab


@pytest.fixture(scope="module", name="control")
def _control(lab):
    control = Control(lab, scenarios=SCENARIOS, actions={"time_limit": "1s"})
    control.load_backends()
    lab.servers.append(dirsync_of(control).start())
    lab.servers.append(control)
    return control.start()


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


def is_alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def revive(control):
    """Whoever was killed by its own action is started again."""
    wait_for(lambda: not control.running(), 60, "the controller to be killed")
    control.process.wait()
    control.process = None
    control.fault({})
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
        time.sleep(chance.uniform(2.1, 4.5))
        control.kill()
        control.start()
        if all(control.state(dn) == 10 for dn in moves):
            break
    for name, dn in zip(names, moves):
        control.wait_state(dn, 10, 120)
        settled(lab, control, name)
        each_once(control, name)


def second_of(lab, control):
    return Control(lab, scenarios=SCENARIOS, actions={"time_limit": "1s"}, name="other",
                   folder=control.folder)


def test_another_controller_takes_over(lab, control):
    other = second_of(lab, control)
    lab.servers.append(other)
    other.start()
    wait_for(lambda: other.ask("status")["leader"] == "control", 20, "the leader to be known")
    assert other.ask("status")["term"] == 0
    name = "inherited"
    address, = control.people(name)
    control.fault({"S1 redirect " + address: "hang"})
    dn = control.record("m-" + name, address)
    control.wait_state(dn, 5)
    wait_for(lambda: "redirect-first" in control.one(dn, "restanteMoveWork"), 20, "its claim")
    term = control.ask("status")["term"]
    control.fault({})
    control.kill()
    control.wait_state(dn, 10, 60)
    assert other.ask("status")["term"] > term
    assert "other" in control.one(dn, "restanteMoveWork")
    settled(lab, control, name)
    other.stop()
    control.start()
    wait_for(lambda: control.ask("status")["term"] > 0, 20, "the first one to lead again")


def test_a_leader_that_slept_cannot_act(lab, control):
    """It wakes with its lease gone, in the middle of a move that another one has finished."""
    other = second_of(lab, control)
    other.start()
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
    other.stop()
    wait_for(lambda: control.ask("status")["term"] > 0, 20, "the first one to lead again")


def test_an_action_of_a_leader_that_was_replaced_is_waited_out(lab, control):
    """What hangs on the old one may still have its effect: the new one begins after its limit."""
    name = "lingering"
    address, = control.people(name)
    control.fault({"S2 unredirect " + address: "hang"})
    dn = control.record("m-" + name, address)
    wait_for(lambda: "unredirect-second" in control.one(dn, "restanteMoveWork"), 30, "its claim")
    control.kill()
    control.fault({})
    control.start()
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


def test_a_leader_killed_while_it_waits_leaves_the_waiting_to_the_next(lab, control):
    """The claim of the first one stands until it was waited out."""
    name = "patient"
    address, = control.people(name)
    control.fault({"S2 unredirect " + address: "hang"})
    dn = control.record("m-" + name, address)
    wait_for(lambda: "unredirect-second" in control.one(dn, "restanteMoveWork"), 30, "its claim")
    waited = "an older claim is waited out"
    before = control.log_text().count(waited)
    for number in (1, 2):
        control.kill()
        control.fault({})
        control.start()
        wait_for(lambda n=number: control.log_text().count(waited) == before + n, 30,
                 "leader %d to wait" % number)
        assert "unredirect-second 2" in control.one(dn, "restanteMoveWork")
    control.wait_state(dn, 10, 60)
