"""restante-control: a system that answers nobody does not hold up what goes on between others. The front
door is played by the test, the backends are files (lab/backend_action.py)."""

import pytest

from command import FrontDoor
from lab.control import Control, begin
from lab.lab import Lab
from lab.process import wait_for
from lab.slapd import FEDERATION

SYSTEMS = "ou=systems," + FEDERATION


@pytest.fixture(scope="module", name="lab")
def _lab():
    with Lab(start=("slapd",)) as lab:
        yield lab


@pytest.fixture(scope="module", name="control")
def _control(lab):
    """Three systems."""
    lab.slapd.replace("cn=S3," + SYSTEMS, restanteState=None, restanteCanRedirect="TRUE")
    control = Control(lab)
    control.systems = ("S1", "S2", "S3")
    control.configure()
    return begin(control)


def configure(control, actions=None, **options):
    control.actions = actions or {}
    control.configure(**options)
    control.restart()


def record(control, names, assignee, **more):
    """A move for each, all in one wave; their records."""
    return {name: control.record(name, address, assignee, restanteMoveWave="one", **more)
            for name, address in names.items()}


def no_step_ended(control, mark):
    """None of those that hang has come to its time limit since that mark."""
    return "time_limit" not in control.log_text()[mark:]


def test_one_system_down_for_the_whole_wave(lab, control):
    """S2 hangs in each action: what goes from S1 to S3 is through before the first of them is given up."""
    configure(control, {"time_limit": "30s"}, workers=4, moves=100)
    mark = len(control.log_text())
    names = ["down%d" % n for n in range(8)], ["up%d" % n for n in range(3)]
    down, others = (dict(zip(some, control.people(*some))) for some in names)
    control.fault({"S2 create": "hang"})
    with FrontDoor(lab.slapd):
        hanging = record(control, down, "S2")
        wait_for(lambda: control.ask("status")["busy"] >= 3, 20, "S2 to take what it may")
        for dn in record(control, others, "S3").values():
            control.wait_state(dn, 10)
        assert no_step_ended(control, mark)
        assert {control.state(dn) for dn in hanging.values()} == {0}
        assert control.ask("status")["busy"] == 3
        control.fault({})
        configure(control, moves=100)  # what hangs is ended with its controller
        for dn in hanging.values():
            control.wait_state(dn, 10, 60)


def test_several_assignors_into_one_assignee(lab, control):
    """One of them hangs as its redirections are turned; it holds up nobody of the other."""
    configure(control, {"time_limit": "30s"}, workers=4, moves=100)
    mark = len(control.log_text())
    names = ["of1-%d" % n for n in range(5)], ["of3-%d" % n for n in range(5)]
    first = dict(zip(names[0], control.people(*names[0])))
    third = dict(zip(names[1], control.people(*names[1], system="S3")))
    control.fault({"S1 redirect": "hang"})
    with FrontDoor(lab.slapd):
        hanging = record(control, first, "S2")
        going = record(control, third, "S2")
        for dn in going.values():
            control.wait_state(dn, 10)
        assert no_step_ended(control, mark)
        for dn in hanging.values():
            control.wait_state(dn, 5)
        control.fault({})
        configure(control, moves=100)
        for dn in hanging.values():
            control.wait_state(dn, 10, 60)
    s1, s2, s3 = (control.backend(system)["mailboxes"] for system in ("S1", "S2", "S3"))
    for name in first | third:
        old = s1 if name in first else s3
        assert (old[name]["redirect"], s2[name]["redirect"]) == (name + "@s2.lab", "")
        assert s2[name]["addresses"] == [name + "@example.org"]
        assert lab.slapd.read(lab.slapd.mailbox_dn(name))["restantesystem"] == ["S2"]
