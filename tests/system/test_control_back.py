"""restante-control on its way back: what each action can do wrong there, settings that are changed
meanwhile, what a refused step has left, holds that are not the move's, mail that comes late."""

import smtplib

import pytest

from lab.control import Control, begin, where
from lab.lab import Lab
from lab.mail import Smtp, compose
from lab.process import wait_for

SCENARIOS = {"closing": {"create": "0s", "close": True, "drain": "2s"},
             "turned": {"create": "0s", "close": True, "drain": "2s"}}
# What is done on the way back of a swapped mailbox, in this order.
STEPS = ("S2 empty", "S1 unredirect", "S2 redirect", "S1 open", "S2 unaddress", "S2 delete")


@pytest.fixture(scope="module", name="lab")
def _lab():
    with Lab() as lab:
        yield lab


@pytest.fixture(scope="module", name="control")
def _control(lab):
    control = Control(lab, scenarios=SCENARIOS, options={"workers": 16},
                      actions={"time_limit": "3s"})
    return begin(control)


def hold(lab, name, state="holding"):
    lab.slapd.replace(lab.slapd.mailbox_dn(name), "operator", restanteState=state)


def record_all(control, names, scenario="closing"):
    addresses = control.people(*names)
    return {name: control.record("m-" + name, address, restanteMoveScenario=scenario)
            for name, address in zip(names, addresses)}


def is_as_before(lab, control, name):
    assert where(lab, name) == ("S1", name + "@s1.lab", "active"), name
    old = control.backend("S1")["mailboxes"][name]
    assert (old["redirect"], old["closed"]) == ("", False), name
    assert old["addresses"] == [name + "@example.org"], name


def deliver(lab, name):
    client = Smtp(lab.mta.port)
    client.send("sender@outside.test", [name + "@example.org"],
                compose(name + "@example.org")[1])
    client.quit()


def is_undone(lab, control, name):
    is_as_before(lab, control, name)
    assert name not in control.backend("S2")["mailboxes"], name


@pytest.mark.parametrize("kinds", [("fail",),
                                   pytest.param(("vain", "hang"), marks=pytest.mark.long)])
def test_every_action_of_the_way_back_fails(lab, control, kinds):
    """Each is tried until it is done, and done once."""
    cases = {"%s-%s" % (step.replace(" ", "-").lower(), kind): (step, kind)
             for step in STEPS for kind in kinds if (step, kind) != ("S2 empty", "vain")}
    moves = record_all(control, cases)
    for dn in moves.values():
        control.wait_state(dn, 10, 60)
    before = control.effects()
    control.fault({"%s %s@example.org" % (step, name): kind
                   for name, (step, kind) in cases.items()})
    for dn in moves.values():
        control.request(dn, "rollback")
    for name, dn in moves.items():
        wait_for(lambda: control.one(dn, "restanteMoveError"), 60, "the error of " + name)
        assert control.one(dn, "restanteMoveOutcome") == ""
    control.fault({})
    for name, dn in moves.items():
        control.wait_outcome(dn, "rolled back", 60)
        assert control.one(dn, "restanteMoveError") == "", name
        is_undone(lab, control, name)
    done = control.effects()
    done.subtract(before)
    assert set(done.values()) <= {0, 1}


@pytest.mark.long
def test_refused_on_the_way_back(lab, control):
    """It stops, and goes on after a retry."""
    cases = {"back-%s" % step.replace(" ", "-").lower(): step for step in STEPS[1:]}
    moves = record_all(control, cases)
    for dn in moves.values():
        control.wait_state(dn, 10, 60)
    control.fault({"%s %s@example.org" % (step, name): "refuse" for name, step in cases.items()})
    for dn in moves.values():
        control.request(dn, "rollback")
    for dn in moves.values():
        assert "refuses" in control.wait_stopped(dn)
    control.fault({})
    for dn in moves.values():
        control.request(dn, "retry")
    for name, dn in moves.items():
        control.wait_outcome(dn, "rolled back", 60)
        is_undone(lab, control, name)


def test_settings_that_are_changed_meanwhile(lab, control):
    """Redirection and closing of the old mailbox go, though the settings know of neither any more."""
    moves = record_all(control, ["unset"], scenario="turned")
    control.wait_state(moves["unset"], 10, 60)
    old = control.backend("S1")["mailboxes"]["unset"]
    assert old["redirect"] == "unset@s2.lab" and old["closed"]
    control.scenarios["turned"] = {"create": "0s", "close": False, "redirect": False,
                                   "drain": "2s"}
    control.configure()
    control.reload()
    wait_for(lambda: "reloaded" in control.log_text(), 20, "the reload")
    control.request(moves["unset"], "rollback")
    control.wait_outcome(moves["unset"], "rolled back", 60)
    is_undone(lab, control, "unset")


def test_a_refused_create_that_made_the_mailbox(lab, control):
    address, = control.people("half")
    control.fault({"S2 create " + address: "made"})
    dn = control.record("m-half", address)
    assert "refuses" in control.wait_stopped(dn)
    assert "half" in control.backend("S2")["mailboxes"]
    control.request(dn, "cancel")
    control.wait_outcome(dn, "cancelled")
    assert control.one(dn, "restanteMoveError") == ""
    is_undone(lab, control, "half")


def test_a_create_that_is_refused_again(lab, control):
    """Nobody knows whether it left anything: it says so."""
    address, = control.people("never")
    control.fault({"S2 create " + address: "refuse"})
    dn = control.record("m-never", address)
    control.wait_stopped(dn)
    control.request(dn, "cancel")
    control.wait_outcome(dn, "cancelled")
    assert "is not known, look there: " in control.one(dn, "restanteMoveError")
    control.fault({})


def test_a_hold_by_hand_is_not_released(lab, control):
    """Neither by the swap nor by the way back; the move goes on once it is gone."""
    address, = control.people("kept")
    hold(lab, "kept")
    dn = control.record("m-kept", address, restanteMoveScenario="closing")
    wait_for(lambda: "on hold already" in control.one(dn, "restanteMoveError"), 30,
             "the hold to be told")
    assert (control.state(dn), where(lab, "kept")) == (4, ("S1", "kept@s1.lab", "holding"))
    hold(lab, "kept", "active")
    control.wait_state(dn, 10, 60)
    assert control.one(dn, "restanteMoveError") == ""
    hold(lab, "kept")
    control.request(dn, "rollback")
    wait_for(lambda: "on hold already" in control.one(dn, "restanteMoveError"), 30,
             "the second hold to be told")
    assert where(lab, "kept") == ("S2", "kept@s2.lab", "holding")
    hold(lab, "kept", "active")
    control.wait_outcome(dn, "rolled back", 60)
    is_undone(lab, control, "kept")


def test_a_hold_by_hand_right_before_the_moves_own(lab, control):
    """The mailbox was read, and somebody holds it before the move does."""
    address, = control.people("between")
    control.fault({"S2 list " + address: "slow"})
    dn = control.record("m-between", address, restanteMoveScenario="closing")
    wait_for(lambda: "S2 list " + address in control.slows(), 30, "the list")
    hold(lab, "between")
    wait_for(lambda: "on hold already" in control.one(dn, "restanteMoveError"), 30,
             "the hold to be told")
    assert (control.state(dn), where(lab, "between")) == (4, ("S1", "between@s1.lab", "holding"))
    control.fault({})
    hold(lab, "between", "active")
    control.wait_state(dn, 10, 60)
    assert where(lab, "between") == ("S2", "between@s2.lab", "active")


def test_a_record_that_is_deleted_while_its_mailbox_is_held(lab, control):
    """Released where mail then rests where it did before; else it stays held, and the log says so."""
    addresses = control.people("lost", "lost-turned", "lost-back")
    control.fault({"S2 unredirect " + addresses[0]: "fail", "S1 redirect " + addresses[1]: "vain",
                   "S1 unredirect " + addresses[2]: "fail"})
    moves = [control.record("m-" + address.split("@")[0], address) for address in addresses]
    for dn, state in zip(moves, (5, 5, 10)):
        control.wait_state(dn, state, 60)
    wait_for(lambda: "redirect-first" in control.one(moves[1], "restanteMoveError"), 30, "the try")
    control.request(moves[2], "rollback")
    wait_for(lambda: "unredirect-first" in control.one(moves[2], "restanteMoveError"), 30,
             "the try back")
    for name in ("lost", "lost-turned", "lost-back"):
        assert where(lab, name)[2] == "holding", name
    for dn in moves:
        lab.slapd.modify("dn: %s\nchangetype: delete\n" % dn)
    said = "the record of a move was deleted "
    wait_for(lambda: control.log_text().count(said) == 3, 30, "the log to say so")
    control.fault({})
    assert where(lab, "lost") == ("S1", "lost@s1.lab", "active")
    assert where(lab, "lost-back") == ("S2", "lost-back@s2.lab", "active")
    assert where(lab, "lost-turned") == ("S1", "lost-turned@s1.lab", "holding")
    assert control.ask("status")["deleted"] == 3
    assert "then `restante unhold lost-turned@example.org`" in control.log_text()
    hold(lab, "lost-turned", "active")


@pytest.mark.long
def test_queues_that_were_drained_for_an_earlier_hold(lab, control):
    """Released by hand before the swap, mail went out again: the record says nothing of a drain."""
    address, = control.people("again")
    control.fault({"S1 redirect " + address: "slow"})
    lab.backends["S1"].stop()
    try:
        dn = control.record("m-again", address, restanteMoveScenario="closing")
        wait_for(lambda: "redirect-first 2" in control.one(dn, "restanteMoveWork"), 30,
                 "the claim")
        hold(lab, "again", "active")
        deliver(lab, "again")
        wait_for(lambda: "again@s1.lab" in str(lab.mta.listing()), 20, "it to be in the queue")
        control.wait_state(dn, 10, 60)
    finally:
        lab.backends["S1"].start()
    steps = [value.split()[0] for value in control.move(dn)["restantemovedone"]]
    assert "swap" in steps and "drain" not in steps


@pytest.mark.long
def test_mail_that_comes_before_the_second_mailbox_goes(lab, control):
    """Its deletion failed at first; when it is tried again there is mail in it."""
    moves = record_all(control, ["late"])
    dn = moves["late"]
    control.wait_state(dn, 10, 60)
    control.fault({"S2 delete late@example.org": "fail"})
    control.request(dn, "rollback")
    wait_for(lambda: "delete-second" in control.one(dn, "restanteMoveError"), 60, "the try")
    with smtplib.LMTP("127.0.0.1", lab.backends["S2"].lmtp_port) as client:
        client.sendmail("sender@outside.test", ["late@s2.lab"], compose("late@s2.lab")[1])
    wait_for(lambda: lab.message_ids("S2", "late"), 20, "mail in the second mailbox")
    control.fault({})
    control.wait_outcome(dn, "rolled back", 60)
    assert "was not deleted: mail is in it" in control.one(dn, "restanteMoveError")
    assert "late" in control.backend("S2")["mailboxes"]
    is_as_before(lab, control, "late")


def test_a_move_back_while_moving(lab, control):
    """Before the swap the mailbox is there already, after it the first move is open still: it ends."""
    before, after = control.people("turns", "turns-late")
    control.fault({"S2 list " + before: "fail", "S1 close " + after: "fail"})
    there = [control.record("m-" + address.split("@")[0], address, restanteMoveScenario="closing")
             for address in (before, after)]
    control.wait_state(there[0], 4, 60)
    control.wait_state(there[1], 6, 60)
    back = [control.record("b-" + address.split("@")[0], address, "S1")
            for address in (before, after)]
    for dn, says in zip(back, ("on that system already", "on the move already")):
        control.wait_outcome(dn, "ended", 60)
        assert says in control.one(dn, "restanteMoveError")
    control.fault({})
    for dn, name in zip(there, ("turns", "turns-late")):
        control.wait_state(dn, 10, 60)
        assert where(lab, name) == ("S2", name + "@s2.lab", "active")


def test_the_address_that_is_shown_where_nothing_says_which(lab, control):
    """The first one, as in address books; not the alias that the move was recorded by."""
    control.people("shown")
    lab.slapd.replace(lab.slapd.mailbox_dn("shown"), mail=None, mailLocalAddress=[
        "shown@example.org", "zz.alias@example.org"])
    dn = control.record("m-shown", "zz.alias@example.org")
    control.wait_state(dn, 10, 60)
    assert control.backend("S2")["mailboxes"]["shown"]["primary"] == "shown@example.org"
