"""restante-control: moves from request to end on a real directory, a real front door and two Dovecots;
the backends' own directories are files (lab/backend_action.py)."""

import time

import pytest

from lab.control import Control, begin, where
from lab.lab import Lab
from lab.ledger import Ledger, Stay, clean
from lab.mail import Injector
from lab.process import run, wait_for
from lab.slapd import FEDERATION

S3 = "cn=S3,ou=systems," + FEDERATION
SCENARIOS = {
    "closing": {"create": "0s", "close": True, "drain": "5s"},
    "patient": {"create": "0s", "drain": "0s"},
    "deleting": {"create": "0s", "delete": "+0s", "retention": "1s", "drain": "5s"},
    "mailing": {"create": "0s", "transfer": "mail"},
    "later": {"create": "-1d"},
}


@pytest.fixture(scope="module", name="lab")
def _lab():
    with Lab() as lab:
        yield lab


@pytest.fixture(scope="module", name="control")
def _control(lab):
    control = Control(lab, scenarios=SCENARIOS)
    return begin(control)


def test_a_move(lab, control):
    asked = int(lab.slapd.read(S3).get("restantesyncasked", ["0"])[0])
    dn = control.record("first", "anna@example.org")
    control.wait_state(dn, 10)
    assert int(lab.slapd.read(S3)["restantesyncasked"][0]) > asked  # not waited for: it never syncs
    move = control.move(dn)
    anna = lab.slapd.read(lab.slapd.mailbox_dn("anna"))
    assert where(lab, "anna") == ("S2", "anna@s2.lab", "active")
    assert anna["restantesourceid"] == ["s2-anna"]
    assert move["restantemoveidentifier"] == ["first"]
    assert [int(value.split()[0]) for value in move["restantemovereached"]] == [0, 1, 4, 5, 6, 10]
    assert "restantemoveerror" not in move
    assert control.backend("S1")["mailboxes"]["anna"]["redirect"] == "anna@s2.lab"
    second = control.backend("S2")["mailboxes"]["anna"]
    assert second["redirect"] == "" and "anna@example.org" in second["addresses"]
    effects = control.effects()
    assert set(effects.values()) == {1}
    assert "not followed for now" not in control.log_text()
    assert [key[:2] for key in effects] == [
        ("S2", "create"), ("S2", "redirect"), ("S2", "addresses"), ("S2", "unredirect"),
        ("S1", "redirect")]


def test_how_often_its_record_is_written(control):
    """Each step that changes something is claimed; the rest goes with these claims, and a last one.
    Where a machine is slow what is waited for for a second is written by itself."""
    writes = []
    for address in control.people(*("written%d" % number for number in range(8))):
        before = control.ask("status")["writes"]
        dn = control.record("m-" + address.split("@", maxsplit=1)[0], address)
        control.wait_state(dn, 10)
        wait_for(lambda: control.ask("status")["busy"] == 0, 20, "it to rest")
        writes.append(control.ask("status")["writes"] - before)
        if writes[-1] <= 9:
            return
    pytest.fail("written that often: %s" % writes)


def stay_of(control, dn, home, place):
    """The ledger's view of a move that was made: from the versions in its record."""
    began, ended = (time.mktime(time.strptime(csn[:14], "%Y%m%d%H%M%S")) + float(csn[14:21])
                    - time.timezone for csn in control.one(dn, "restanteMoveHold").split())
    offset = time.monotonic() - time.time()
    home.holds.append([began + offset, ended + offset])
    home.stays[-1].until = ended + offset
    home.stays.append(Stay(place, began + offset))


def test_moves_with_mail_flowing(lab, control):
    names = ["flow%d" % number for number in range(4)]
    addresses = control.people(*names)
    ledger = Ledger()
    homes = [ledger.home("S1", name, address) for name, address in zip(names, addresses)]
    sender = Injector(lab.mta.port, addresses, ledger, rate=40).start()
    wait_for(lambda: len(ledger.acknowledged()) > 20, 20, "mail to flow")
    moves = [control.record("m-" + name, address, restanteMoveScenario="patient")
             for name, address in zip(names, addresses)]
    for dn in moves:
        control.wait_state(dn, 10)
    count = len(ledger.acknowledged())
    wait_for(lambda: len(ledger.acknowledged()) > count + 20, 20, "mail after the moves")
    sender.stop()
    wait_for(lambda: lab.milter.held() == 0, 30, "held mail to be released")
    for name, dn, home in zip(names, moves, homes):
        stay_of(control, dn, home, ("S2", name))
    wait_for(lambda: ledger.settle(lab).delivered == len(ledger.acknowledged()), 30,
             "all mail to arrive")
    outcome = ledger.settle(lab)
    assert clean(outcome), outcome
    assert all(where(lab, name)[0] == "S2" for name in names)


def test_the_old_mailbox_is_closed(lab, control):
    address, = control.people("closed")
    control.wait_state(control.record("closing", address, restanteMoveScenario="closing"), 10)
    assert control.backend("S1")["mailboxes"]["closed"]["closed"] is True


def test_deletion_needs_permission_where_no_data_was_moved(lab, control):
    """And the record is purged only after an up sync saw the old mailbox gone."""
    address, = control.people("deleted")
    dn = control.record("deleting", address, restanteMoveScenario="deleting")
    assert "restanteMoveMayDelete" in control.wait_stopped(dn)
    assert "deleted" in control.backend("S1")["mailboxes"]
    lab.slapd.replace(dn, "operator", restanteMoveMayDelete="TRUE", restanteMoveRequest="retry")
    control.wait_state(dn, 13)
    state = control.backend("S1")
    assert "deleted" not in state["mailboxes"] and [address] in state["contacts"].values()
    time.sleep(1.5)
    assert control.move(dn)
    lab.slapd.replace(dn, "root", restanteMoveOldGone="20261122000000Z")
    wait_for(lambda: not control.move(dn), 20, "the record to be purged")


@pytest.mark.parametrize("attributes, says", [
    ({"restanteMoveAddress": "nobody@example.org"}, "no mailbox has the address"),
    ({"restanteMoveTarget": "S9"}, "no system below ou=systems"),
    ({"restanteMoveTarget": "S1"}, "on that system already"),
    ({"restanteMoveScenario": "mailing"}, "transfers data"),
    ({"restanteMoveScenario": "missing"}, "no section scenario missing"),
    ({"restanteMoveAddress": "no address"}, "address"),
])
def test_what_cannot_be_taken_ends_at_state_0(lab, control, attributes, says):
    name = "bad-%d" % abs(hash(says))
    values = {"restanteMoveAddress": "bert@example.org", "restanteMoveTarget": "S2", **attributes}
    dn = control.record(name, values["restanteMoveAddress"], values["restanteMoveTarget"],
                        **{k: v for k, v in values.items() if k == "restanteMoveScenario"})
    control.wait_outcome(dn, "ended")
    assert says in control.one(dn, "restanteMoveError")
    assert control.state(dn) == 0
    assert "bert" not in control.backend("S2")["mailboxes"]


def test_the_older_of_two_moves_stays(lab, control):
    address, = control.people("twice")
    instant = {"restanteMoveInstant": "20991231000000Z", "restanteMoveScenario": "later"}
    first = control.record("twice-1", address, **instant)
    wait_for(lambda: control.state(first) == 0, 20, "the first to be taken")
    second = control.record("twice-2", address, **instant)
    control.wait_outcome(second, "ended")
    assert "twice-1" in control.one(second, "restanteMoveError")
    assert control.one(first, "restanteMoveOutcome") == ""
    control.request(first, "cancel")
    control.wait_outcome(first, "cancelled")


def test_a_move_back(lab, control):
    address, = control.people("returns")
    there = control.record("there", address)
    control.wait_state(there, 10)
    back = control.record("back", address, "S1")
    control.wait_state(back, 10)
    assert where(lab, "returns") == ("S1", "returns@s1.lab", "active")
    assert control.backend("S1")["mailboxes"]["returns"]["redirect"] == ""
    assert control.backend("S2")["mailboxes"]["returns"]["redirect"] == "returns@s1.lab"
    control.wait_outcome(there, "moved back")


def test_pause_and_resume(lab, control):
    address, = control.people("paused")
    control.fault({"S2 list " + address: "fail"})
    dn = control.record("pausing", address)
    control.wait_state(dn, 4)
    control.request(dn, "pause")
    wait_for(lambda: control.ask("status")["paused"] == 1, 10, "the pause to be seen")
    control.fault({})
    time.sleep(1.5)
    assert control.state(dn) == 4
    control.request(dn, "resume")
    control.wait_state(dn, 10)
    assert control.one(dn, "restanteMoveRequest") == ""


def test_an_address_that_the_assignee_lacks_stops_the_move(lab, control):
    """E8: and the mailbox stays where it is."""
    address, = control.people("lacking")
    control.fault({"S2 list " + address: "fail"})
    dn = control.record("lacks", address)
    control.wait_state(dn, 4)
    lab.slapd.replace(lab.slapd.mailbox_dn("lacking"),
                      mailLocalAddress=[address, "new.one@example.org"])
    control.fault({})
    assert "new.one@example.org" in control.wait_stopped(dn)
    assert where(lab, "lacking") == ("S1", "lacking@s1.lab", "active")
    assert control.backend("S2")["mailboxes"]["lacking"]["redirect"] == "lacking@s1.lab"
    state = control.backend("S2")
    state["mailboxes"]["lacking"]["addresses"].append("new.one@example.org")
    control.put_backend("S2", state)
    control.request(dn, "retry")
    control.wait_state(dn, 10)


def test_once(lab, control):
    address, = control.people("single")
    control.stop()
    dn = control.record("once", address)
    lab.slapd.read(dn)
    run(control.command() + ["--once"], timeout=60)
    assert control.state(dn) == 10
    control.start()


FRONTX = "cn=frontx,ou=nodes,cn=restante,dc=example,dc=org"


def test_once_ends_with_what_cannot_go_on(lab, control):
    """A move that is stopped, and a front door that never acknowledges: status 2, and all else done."""
    refused, waiting, fine = control.people("refused", "waiting", "fine")
    control.stop()
    control.configure(fence_timeout="3s")
    control.fault({"S2 addresses " + refused: "refuse"})
    stopped, moves = control.record("once-stopped", refused), control.record("once-fine", fine)
    assert run(control.command() + ["--once"], check=False).returncode == 2
    assert control.one(stopped, "restanteMoveStopped") == "TRUE" and control.state(moves) == 10
    lab.slapd.modify("dn: %s\nchangetype: add\nobjectClass: restanteNode\n"
                     "objectClass: simpleSecurityObject\ncn: frontx\n"
                     "restanteNodeState: enabled\nuserPassword: x\n" % FRONTX, "root")
    waits = control.record("once-waits", waiting)
    control.fault({})
    control.request(stopped, "rollback leave-mail")
    done = run(control.command() + ["--once"], check=False)
    assert done.returncode == 2 and b"waits for front doors" in done.stderr
    assert control.state(waits) == 4
    assert control.one(stopped, "restanteMoveOutcome") == "cancelled"
    lab.slapd.modify("dn: %s\nchangetype: delete\n" % FRONTX, "root")
    run(control.command() + ["--once"])
    assert control.state(waits) == 10
    control.configure(fence_timeout="2s")
    control.start()


def test_reload_takes_a_new_scenario(lab, control):
    address, = control.people("reloaded")
    control.scenarios["fresh"] = {"create": "0s"}
    control.configure()
    control.reload()
    wait_for(lambda: "reloaded" in control.log_text(), 10, "the reload")
    dn = control.record("reloads", address, restanteMoveScenario="fresh")
    control.wait_state(dn, 10)
