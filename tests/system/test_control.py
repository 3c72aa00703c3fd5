"""restante-control: moves from request to end on a real directory, a real front door and two Dovecots;
the backends' own directories are files (lab/backend_action.py)."""

import threading
import time

import pytest

from lab.control import Control, dirsync_of
from lab.lab import Lab
from lab.ledger import Ledger, clean
from lab.process import wait_for


@pytest.fixture(scope="module", name="lab")
def _lab():
    with Lab() as lab:
        yield lab


@pytest.fixture(scope="module", name="control")
def _control(lab):
    control = Control(lab, scenarios={
        "closing": {"create": "0s", "close": True, "drain": "5s"},
        "deleting": {"create": "0s", "delete": "0s", "retention": "1s", "drain": "5s"}})
    control.load_backends()
    lab.servers.append(dirsync_of(control).start())
    lab.servers.append(control)
    return control.start()


def test_a_move(lab, control):
    dn = control.record("first", "anna@example.org")
    control.wait_state(dn, 10)
    move = control.move(dn)
    anna = lab.slapd.read(lab.slapd.mailbox_dn("anna"))
    assert anna["mailroutingaddress"] == ["anna@s2.lab"]
    assert anna["restantesystem"] == ["S2"] and anna["restantesourceid"] == ["s2-anna"]
    assert anna["restantestate"] == ["active"]
    assert move["restantemoveidentifier"] == ["first"]
    assert control.backend("S1")["mailboxes"]["anna"]["redirect"] == "anna@s2.lab"
    assert control.backend("S2")["mailboxes"]["anna"]["redirect"] == ""
