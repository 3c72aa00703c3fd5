"""restante-control: who may go on beside whom: room between instant and swap. The front door is
played by the test, the backends are files (lab/backend_action.py)."""

import pytest

from command import FrontDoor
from lab.control import Control, dirsync_of
from lab.lab import Lab
from lab.process import wait_for


@pytest.fixture(scope="module", name="lab")
def _lab():
    with Lab(start=("slapd",)) as lab:
        yield lab


@pytest.fixture(scope="module", name="control")
def _control(lab):
    """Nobody syncs S3."""
    control = Control(lab, options={"moves": 1})
    lab.servers.append(dirsync_of(control).start())
    control.systems = ("S1", "S2", "S3")
    control.configure()
    control.load_backends()
    lab.servers.append(control)
    return control.start()


def test_who_cannot_go_on_gives_its_room_to_others(lab, control):
    """moves = 1: past a move that is stopped, one that is paused, one whose action fails, and one that
    waits for an up sync that nobody does; not past one that is stopped while its mail is held."""
    names = ("stops", "pauses", "fails", "unsynced", "passes", "holds", "waits")
    address = dict(zip(names, control.people(*names)))
    faults = {"S2 list " + address["stops"]: "refuse", "S2 list " + address["pauses"]: "fail",
              "S2 addresses " + address["fails"]: "fail",
              "S1 redirect " + address["holds"]: "refuse"}
    control.fault(faults)
    with FrontDoor(lab.slapd):
        moves = {"stops": control.record("stops", address["stops"])}
        control.wait_stopped(moves["stops"])
        moves["pauses"] = control.record("pauses", address["pauses"])
        control.wait_state(moves["pauses"], 4)
        control.request(moves["pauses"], "pause")
        moves["fails"] = control.record("fails", address["fails"])
        wait_for(lambda: control.one(moves["fails"], "restanteMoveError"), 20, "the failure")
        moves["unsynced"] = control.record("unsynced", address["unsynced"], "S3")
        control.wait_state(moves["unsynced"], 4)
        control.wait_state(control.record("passes", address["passes"]), 10)
        assert {name: control.state(dn) for name, dn in moves.items()} == {
            "stops": 4, "pauses": 4, "fails": 1, "unsynced": 4}
        moves["holds"] = control.record("holds", address["holds"])
        control.wait_stopped(moves["holds"])
        assert control.state(moves["holds"]) == 5
        waits = control.record("waits", address["waits"])
        wait_for(lambda: control.ask("status")["queued"] == 2, 20,
                 "it to wait for room, beside the one that fails")
        assert control.state(waits) == 1 and control.ask("status")["under_way"] == 1
        control.fault({})
        control.request(moves["pauses"], "resume")
        for name in ("stops", "holds"):
            control.request(moves[name], "retry")
        for name in ("stops", "pauses", "fails", "holds"):
            control.wait_state(moves[name], 10)
        control.wait_state(waits, 10)
