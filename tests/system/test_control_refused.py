"""restante-control refuses a way back: mail is in the second mailbox, or the old one is gone. The mailbox
is used on where it is, and its move is what it was before."""

import fcntl
import os
import shutil
import smtplib

import pytest

from lab.control import Control, begin, where
from lab.lab import Lab
from lab.mail import compose
from lab.process import wait_for

SCENARIOS = {"closing": {"create": "0s", "close": True, "drain": "2s"}}
FRONTX = "cn=frontx,ou=nodes,cn=restante,dc=example,dc=org"
MAIL = "mail is in the second mailbox"


@pytest.fixture(scope="module", name="lab")
def _lab():
    with Lab() as lab:
        yield lab


@pytest.fixture(scope="module", name="control")
def _control(lab):
    control = Control(lab, scenarios=SCENARIOS, actions={"time_limit": "3s"})
    return begin(control)


def record_all(control, names):
    addresses = control.people(*names)
    return [control.record("m-" + name, address, restanteMoveScenario="closing",
                           restanteMoveWave="back") for name, address in zip(names, addresses)]


def put_mail(lab, name):
    """As the assignee's own users send it."""
    with smtplib.LMTP("127.0.0.1", lab.backends["S2"].lmtp_port) as client:
        client.sendmail("sender@outside.test", [name + "@s2.lab"], compose(name + "@s2.lab")[1])
    wait_for(lambda: lab.message_ids("S2", name), 20, "mail in the second mailbox")


def take_mail(lab, name):
    shutil.rmtree(os.path.join(lab.dir, "s2", "mail", name, "Maildir"))


def lose_first(control, name):
    """Somebody deletes the old mailbox on its system."""
    with open(os.path.join(control.folder, "S1.json.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = control.backend("S1")
        del state["mailboxes"][name]
        control.put_backend("S1", state)


def silent_front_door(lab):
    """One that never acknowledges."""
    lab.slapd.modify("dn: %s\nchangetype: add\nobjectClass: restanteNode\n"
                     "objectClass: simpleSecurityObject\ncn: frontx\n"
                     "restanteNodeState: enabled\nuserPassword: x\n" % FRONTX, "root")


def steps(control, dn):
    return {value.split()[0] for value in control.move(dn)["restantemovedone"]}


def wait_refused(control, dn, says, stopped=""):
    """The request is gone, nothing of the way back is in the record, and it says why."""
    wait_for(lambda: says in control.one(dn, "restanteMoveError") and
             not control.one(dn, "restanteMoveRequest"), 30, "the refusal of " + dn)
    assert control.one(dn, "restanteMoveStopped") == stopped
    assert control.one(dn, "restanteMoveOutcome") == ""
    assert not {step for step in steps(control, dn) if "back" in step or "unhold" in step}


def is_complete(lab, control, dn, name):
    assert control.state(dn) == 10
    assert where(lab, name) == ("S2", name + "@s2.lab", "active")
    second = control.backend("S2")["mailboxes"][name]
    assert (second["redirect"], second["addresses"]) == ("", [name + "@example.org"])


def is_back(lab, control, dn, name):
    control.wait_outcome(dn, "rolled back", 60)
    assert where(lab, name) == ("S1", name + "@s1.lab", "active")
    old = control.backend("S1")["mailboxes"][name]
    assert (old["redirect"], old["closed"]) == ("", False)


# --- mail -------------------------------------------------------------------------------------------

def test_a_wave_of_which_some_have_mail(lab, control):
    """Those stay complete; once their mail was moved, or with a word, they go back as well."""
    names = ["empty", "full", "fuller"]
    moves = dict(zip(names, record_all(control, names)))
    for dn in moves.values():
        control.wait_state(dn, 10, 60)
    put_mail(lab, "full")
    put_mail(lab, "fuller")
    for dn in moves.values():
        control.request(dn, "rollback")
    is_back(lab, control, moves["empty"], "empty")
    for name in ("full", "fuller"):
        wait_refused(control, moves[name], MAIL)
        is_complete(lab, control, moves[name], name)
        old = control.backend("S1")["mailboxes"][name]
        assert (old["redirect"], old["closed"]) == (name + "@s2.lab", True)
    take_mail(lab, "full")
    control.request(moves["full"], "rollback")
    is_back(lab, control, moves["full"], "full")
    assert "full" not in control.backend("S2")["mailboxes"]
    control.request(moves["fuller"], "rollback leave-mail")
    is_back(lab, control, moves["fuller"], "fuller")
    assert "was not deleted: mail is in it" in control.one(moves["fuller"], "restanteMoveError")


@pytest.mark.long
def test_it_cannot_be_asked(lab, control):
    dn, = record_all(control, ["mute"])
    control.wait_state(dn, 10, 60)
    control.fault({"S2 empty mute@example.org": "refuse"})
    control.request(dn, "rollback")
    wait_refused(control, dn, "the backend refuses")
    assert "or may be, for " in control.one(dn, "restanteMoveError")
    is_complete(lab, control, dn, "mute")
    control.fault({"S2 empty mute@example.org": "fail"})
    control.request(dn, "rollback")
    wait_for(lambda: control.one(dn, "restanteMoveError").startswith("empty: "), 30, "the try")
    assert control.one(dn, "restanteMoveRequest") == "rollback"
    control.fault({})
    is_back(lab, control, dn, "mute")


def test_in_state_4(lab, control):
    """It stops there: who asked for the way back does not want it swapped after all."""
    control.fault({"S2 list four@example.org": "fail", "S2 list five@example.org": "fail"})
    moves = record_all(control, ["four", "five"])
    for dn, name in zip(moves, ("four", "five")):
        control.wait_state(dn, 4, 60)
        put_mail(lab, name)
        control.request(dn, "rollback")
        wait_refused(control, dn, MAIL, "TRUE")
        assert where(lab, name) == ("S1", name + "@s1.lab", "active")
    control.fault({})
    control.request(moves[0], "retry")
    control.wait_state(moves[0], 10, 60)
    take_mail(lab, "five")
    control.request(moves[1], "rollback")
    is_back(lab, control, moves[1], "five")
    assert "five" not in control.backend("S2")["mailboxes"]


def test_while_it_is_held(lab, control):
    """It is given back at once, redirections and all, and waits for a word there."""
    names = ["held-retry", "held-leave"]
    control.fault({"S1 redirect %s@example.org" % name: "fail" for name in names})
    moves = dict(zip(names, record_all(control, names)))
    for name, dn in moves.items():
        control.wait_state(dn, 5, 60)
        put_mail(lab, name)
        control.request(dn, "rollback")
        assert "mail is in it" in control.wait_stopped(dn)
        assert where(lab, name) == ("S1", name + "@s1.lab", "active")
        assert control.backend("S1")["mailboxes"][name]["redirect"] == ""
        assert control.backend("S2")["mailboxes"][name]["redirect"] == name + "@s1.lab"
    control.fault({})
    take_mail(lab, "held-retry")
    control.request(moves["held-retry"], "retry")
    is_back(lab, control, moves["held-retry"], "held-retry")
    assert "held-retry" not in control.backend("S2")["mailboxes"]
    control.request(moves["held-leave"], "rollback leave-mail")
    is_back(lab, control, moves["held-leave"], "held-leave")


def test_mail_that_comes_behind_the_first_question(lab, control):
    """It was held again by then: released, and complete as before."""
    dn, = record_all(control, ["between"])
    control.wait_state(dn, 10, 60)
    silent_front_door(lab)
    try:
        control.request(dn, "rollback")
        wait_for(lambda: where(lab, "between")[2] == "holding", 30, "the hold")
        put_mail(lab, "between")
    finally:
        lab.slapd.modify("dn: %s\nchangetype: delete\n" % FRONTX, "root")
    wait_refused(control, dn, MAIL)
    is_complete(lab, control, dn, "between")
    control.request(dn, "rollback leave-mail")
    is_back(lab, control, dn, "between")


# --- the old mailbox is gone ------------------------------------------------------------------------

def test_gone_before(lab, control):
    dn, = record_all(control, ["gone"])
    control.wait_state(dn, 10, 60)
    lose_first(control, "gone")
    control.request(dn, "rollback leave-mail")
    wait_refused(control, dn, "the old mailbox, gone@s1.lab on S1, is gone: ")
    is_complete(lab, control, dn, "gone")
    assert "leave-mail" not in steps(control, dn)


@pytest.mark.long
def test_gone_behind_the_fence(lab, control):
    dn, = record_all(control, ["fading"])
    control.wait_state(dn, 10, 60)
    silent_front_door(lab)
    try:
        control.request(dn, "rollback")
        wait_for(lambda: where(lab, "fading")[2] == "holding", 30, "the hold")
        lose_first(control, "fading")
    finally:
        lab.slapd.modify("dn: %s\nchangetype: delete\n" % FRONTX, "root")
    wait_refused(control, dn, "is gone: ")
    is_complete(lab, control, dn, "fading")


def test_gone_right_before_the_swap(lab, control):
    """The redirections were turned by then: nobody redirects to what is gone."""
    dn, = record_all(control, ["lost"])
    control.wait_state(dn, 10, 60)
    control.fault({"S1 open lost@example.org": "fail"})
    control.request(dn, "rollback")
    wait_for(lambda: "open: " in control.one(dn, "restanteMoveError"), 30, "the try")
    assert control.backend("S2")["mailboxes"]["lost"]["redirect"] == "lost@s1.lab"
    lose_first(control, "lost")
    control.fault({})
    wait_refused(control, dn, "is gone: ")
    is_complete(lab, control, dn, "lost")
    assert not {"redirect-first", "close", "unredirect-again"} & steps(control, dn)
