"""restante swap: the fence, and what it refuses. The front doors are played by the test, so that each
answer of theirs can be had."""

import subprocess

import pytest

from command import (DONE, FRONT1, NOTFOUND, REFUSED, USAGE, FrontDoor, epoch_of, state_of, swap)
from lab.process import wait_for
from lab.slapd import FEDERATION


def test_swap_needs_the_hold(restante, slapd, box):
    dn, address, physical = box
    before = slapd.read(dn)
    assert "is not held" in restante.error(*swap(address), code=REFUSED)
    assert slapd.read(dn) == before


def test_swap(restante, slapd, box):
    dn, address, physical = box
    slapd.replace(dn, restanteSourceId="old", mailHost="s1.lab")
    restante("hold", address)
    held = slapd.read(dn)
    epoch = epoch_of(slapd)
    with FrontDoor(slapd):
        shown = restante.json(*swap(address, None, "s2", "--id", "s2-new"))
    after = slapd.read(dn)
    assert after["mailroutingaddress"] == [address.replace("@example.org", "@s2.lab")]
    assert after["restantesystem"] == ["S2"] and after["restantesourceid"] == ["s2-new"]
    assert after["restantestate"] == ["active"] and "mailhost" not in after
    assert shown["ok"] and shown["fenced"] and shown["epoch"] > epoch
    assert shown["hold_csn"] == held["entrycsn"][0] and shown["swap_csn"] == after["entrycsn"][0]
    assert shown["from_physical"] == physical and shown["milliseconds"] > 0
    assert 0 <= shown["acked_ms"] <= shown["drained_ms"] < 15000


def test_the_address_books_follow_a_swap(restante, slapd, box):
    """A down sync of each system that has them is asked for; of others nobody would answer."""
    dn, address, _ = box
    systems = {name: "cn=%s,ou=systems,%s" % (name, FEDERATION) for name in ("S1", "S2", "S3")}
    for name in ("S1", "S3"):
        slapd.replace(systems[name], "root", restanteDownSyncOutcome="complete persons=1")
    try:
        asked = [slapd.read(one).get("restantedownsyncasked") for one in systems.values()]
        restante("hold", address)
        with FrontDoor(slapd):
            restante(*swap(address))
        now = [slapd.read(one).get("restantedownsyncasked") for one in systems.values()]
        assert [before != after for before, after in zip(asked, now)] == [True, False, True]
    finally:
        for one in systems.values():
            slapd.replace(one, "root", restanteDownSyncOutcome=None, restanteDownSyncAsked=None)


def test_swap_without_an_id_removes_the_old_one(restante, slapd, box):
    dn, address, _ = box
    slapd.replace(dn, restanteSourceId="old", restanteState="holding", mailHost="s1.lab")
    with FrontDoor(slapd):
        restante(*swap(address, "elsewhere@s1.lab", "S1"))
    after = slapd.read(dn)
    assert "restantesourceid" not in after
    assert after["mailhost"] == ["s1.lab"]  # same system: it is as true as before


def test_swap_wait_does_all_in_turn(restante, slapd, box):
    dn, address, _ = box
    with FrontDoor(slapd):
        done = restante(*swap(address, None, "S2", "--wait"))
    text = done.stdout.decode()
    assert "acknowledged after" in text and "from hold to swap" in text
    assert b"epoch" in done.stderr  # plain progress lines
    assert state_of(slapd, dn) == "active"


def test_swap_is_refused_without_acknowledgement(restante, slapd, box):
    dn, address, physical = box
    restante("hold", address)
    before = slapd.read(dn)
    epoch = epoch_of(slapd)
    with FrontDoor(slapd, acks=False):
        line = restante.error(*swap(address), code=REFUSED)
    assert "front1 has not acknowledged" in line and "stays held" in line
    assert slapd.read(dn) == before
    # raised once more after 100 ms, then at doubling intervals
    assert 4 <= epoch_of(slapd) - epoch <= 6


def test_swap_is_refused_while_mail_is_queued(restante, slapd, box):
    dn, address, physical = box
    restante("hold", address)
    before = slapd.read(dn)
    with FrontDoor(slapd, undrained=[physical.upper()]):
        line = restante("-q", *swap(address), code=REFUSED).stderr.decode()
        assert "front1 still has mail for " + physical in line
        assert slapd.read(dn) == before
    with FrontDoor(slapd, undrained=["somebody.else@s1.lab"]):
        restante(*swap(address))


def test_swap_is_refused_without_a_listing(restante, slapd, box):
    dn, address, _ = box
    restante("hold", address)
    with FrontDoor(slapd, drains=False):
        line = restante("-q", *swap(address), code=REFUSED).stderr.decode()
    assert "front1 has not listed" in line and state_of(slapd, dn) == "holding"


def add_node(slapd, name, **attributes):
    lines = ["dn: cn=%s,ou=nodes,%s" % (name, FEDERATION), "changetype: add",
             "objectClass: restanteNode", "cn: " + name]
    slapd.modify("\n".join(lines + ["%s: %s" % pair for pair in attributes.items()]) + "\n")
    return "cn=%s,ou=nodes,%s" % (name, FEDERATION)


@pytest.mark.parametrize("state", ["enabled", "disabling", "asleep", None])
def test_every_node_that_is_not_disabled_is_waited_for(restante, slapd, box, state):
    dn, address, _ = box
    restante("hold", address)
    second = add_node(slapd, "second", **({"restanteNodeState": state} if state else {}))
    try:
        with FrontDoor(slapd):
            line = restante("-q", *swap(address), code=REFUSED).stderr.decode()
            assert "second has not acknowledged" in line
            slapd.replace(second, restanteNodeState="disabled")
            restante(*swap(address))
    finally:
        slapd.modify("dn: %s\nchangetype: delete\n" % second)


def test_a_node_that_joins_after_the_epoch_was_raised_is_waited_for(restante, slapd, box):
    dn, address, _ = box
    restante("hold", address)
    made = []
    with FrontDoor(slapd) as door:
        door.on_epoch = lambda epoch: made or made.append(
            add_node(slapd, "late", restanteNodeState="enabled"))
        line = restante("-q", *swap(address), code=REFUSED).stderr.decode()
    slapd.modify("dn: %s\nchangetype: delete\n" % made[0])
    assert "late has not acknowledged" in line


def test_old_acknowledgements_do_not_pass_for_new_ones(restante, slapd, box):
    """The federation entry came out of a backup: its epoch is below what was acknowledged."""
    dn, address, _ = box
    restante("hold", address)
    high = epoch_of(slapd) + 1000
    slapd.replace(FRONT1, restanteAckEpoch=str(high), restanteDrainedEpoch=str(high))
    with FrontDoor(slapd, acks=False):
        restante("-q", *swap(address), code=REFUSED)
    assert epoch_of(slapd) > high


def test_an_epoch_that_was_never_raised(restante, slapd, box):
    dn, address, _ = box
    slapd.replace(FEDERATION, restanteEpoch=None)
    restante("hold", address)
    with FrontDoor(slapd):
        assert restante.json(*swap(address))["epoch"] > 0


def test_no_front_door_at_all_is_refused(restante, small, box, slapd):
    dn, address, _ = box
    restante("hold", address)
    saved = slapd.read(FRONT1, ["*"])
    slapd.modify("dn: %s\nchangetype: delete\n" % FRONT1)
    try:
        line = restante("-q", *swap(address), code=REFUSED).stderr.decode()
        assert "no front door" in line and "node enable" in line
    finally:
        lines = ["dn: " + FRONT1, "changetype: add", "cn: front1", "restanteNodeState: enabled",
                 "userPassword: " + slapd.passwords["front1"]]
        lines += ["objectClass: " + name for name in saved["objectclass"]]
        slapd.modify("\n".join(lines) + "\n")


def test_entry_touched_during_the_fence(restante, slapd, box):
    dn, address, _ = box
    restante("hold", address)
    with FrontDoor(slapd) as door:
        door.on_epoch = lambda epoch: slapd.replace(dn, description="touched %d" % epoch)
        line = restante("-q", *swap(address), code=REFUSED).stderr.decode()
        assert "changed while the fence" in line and state_of(slapd, dn) == "holding"
        touched = []
        door.on_epoch = lambda epoch: touched or touched.append(
            slapd.replace(dn, description="once more"))
        shown = restante.json(*swap(address, None, "S2", "--wait"))
        assert shown["rounds"] == 2
        door.on_epoch = lambda epoch: slapd.replace(dn, description="again %d" % epoch)
        line = restante("-q", *swap(address, "back@s1.lab", "S1", "--wait"),
                        code=REFUSED).stderr.decode()
        assert "during each of 5 fences" in line and state_of(slapd, dn) == "holding"


def test_unhold_during_the_fence(restante, slapd, box):
    dn, address, physical = box
    with FrontDoor(slapd) as door:
        door.on_epoch = lambda epoch: slapd.replace(dn, restanteState="active")
        line = restante("-q", *swap(address, None, "S2", "--wait"), code=REFUSED).stderr.decode()
    assert "ended the hold" in line
    assert slapd.read(dn)["mailroutingaddress"] == [physical]


def test_swap_bad_targets(restante, slapd, box):
    dn, address, physical = box
    restante("hold", address)
    before = slapd.read(dn)
    epoch = epoch_of(slapd)
    for arguments, code, text in (
            (swap(address, "x@Example.ORG"), REFUSED, "federated domain"),
            (swap(address, "x@bücher.example"), USAGE, "ASCII"),
            (swap(address, "x@xn--bcher-kva.example"), REFUSED, "federated domain"),
            (swap(address, "nodomain"), USAGE, "no domain"),
            (swap(address, "a b@s2.lab"), USAGE, "space"),
            (swap(address, "x@s9.lab", "S9"), NOTFOUND, "no system S9"),
            (swap(address, physical, "s1"), REFUSED, "lives at"),
            (swap("nobody@example.org", "x@s2.lab"), NOTFOUND, "nobody@example.org")):
        assert text in restante.error(*arguments, code=code)
    assert slapd.read(dn) == before and epoch_of(slapd) == epoch


def test_force_says_what_may_go_wrong_and_wants_a_yes(restante, slapd, box):
    dn, address, physical = box
    restante("hold", address)
    epoch = epoch_of(slapd)
    done = restante(*swap(address, None, "S2", "--force"), code=REFUSED)
    assert b"may go wrong" in done.stderr and b"--yes" in done.stderr
    assert b"front1" in done.stderr and state_of(slapd, dn) == "holding"
    shown = restante.json(*swap(address, None, "S2", "--force", "--yes"))
    assert shown["ok"] and not shown["fenced"] and "epoch" not in shown
    assert epoch_of(slapd) == epoch and state_of(slapd, dn) == "active"


def test_two_swaps_at_once_one_wins(restante, slapd, box):
    dn, address, _ = box
    restante("hold", address)
    with FrontDoor(slapd):
        running = [subprocess.Popen(
            [restante.binary, "-c", restante.conf, "-q"] + swap(address, "to%d@s2.lab" % i),
            stderr=subprocess.DEVNULL) for i in range(2)]
        codes = sorted(process.wait(timeout=60) for process in running)
    assert codes == [DONE, REFUSED]
    assert state_of(slapd, dn) == "active"


def test_interrupt_leaves_it_held_and_says_so(restante, slapd, box):
    dn, address, _ = box
    process = subprocess.Popen([restante.binary, "-c", restante.conf] +
                               swap(address, None, "S2", "--wait"), stderr=subprocess.PIPE)
    wait_for(lambda: state_of(slapd, dn) == "holding", what="the hold")
    process.send_signal(2)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and b"stays held" in errors
