"""What stops an up sync, from an export to the directory, over several runs."""

import os
import shutil

import pytest

from lab.lab import Lab
from lab.slapd import PEOPLE
from synced import System, approve, counts, level, stops


@pytest.fixture(scope="module")
def lab():
    with Lab(start=("slapd",)) as one:
        yield one


def vanished(system):
    return {uid for uid, e in system.entries().items() if "restantevanishedsince" in e}


def test_a_few_that_vanish_in_each_run(lab):
    """4% in each run are 8% with the second, and stay so until somebody approves it."""
    system = System(lab, count=100)
    system.sync()
    names = sorted(system.people)
    for uid in names[:4]:
        del system.people[uid]
    assert counts(system.sync())["changed"] == 4
    assert counts(system.sync())["changed"] == 0
    for uid in names[4:8]:
        del system.people[uid]
    for _ in range(2):
        code, out = system.sync(check=False)
        assert code == 4 and "pending=8" in out and "8 mailboxes vanished" in out
        assert vanished(system) == set(names[:4])
    approve(system)
    system.sync()
    assert vanished(system) == set(names[:8])


def test_a_source_that_was_made_anew_has_other_ids(lab):
    """As a restored or re-created server: entries keep their state, once that is approved."""
    system = System(lab, count=40)
    system.sync()
    before = system.entries()
    held = sorted(system.people)[0]
    lab.slapd.replace(before[held]["dn"], restanteState="holding")
    system.people = {"again-" + uid: person for uid, person in system.people.items()}
    code, out = system.sync(check=False)
    assert code == 4 and "40 of 40 mailboxes" in out and "another id" in out
    assert set(system.entries()) == set(before) and vanished(system) == set()
    approve(system)
    system.sync()
    after = system.entries()
    assert {uid: e["entryuuid"] for uid, e in after.items()} == {
        "again-" + uid: e["entryuuid"] for uid, e in before.items()}
    assert after["again-" + held]["restantestate"] == ["holding"]
    # its new physical address waits for the end of the hold
    assert after["again-" + held]["mailroutingaddress"] == before[held]["mailroutingaddress"]
    lab.slapd.replace(before[held]["dn"], restanteState="active")
    system.sync()
    level(system)
    assert counts(system.sync())["changed"] == 0


def lacking(system):
    """The export lacks a mailbox, and an alias of another one: these three."""
    first, other = sorted(system.people)[:2]
    alias = system.people[other]["aliases"][0]
    del system.people[first]
    system.people[other]["aliases"] = [system.people[other]["mail"]]
    return first, other, alias


def test_nothing_is_deleted_before_two_complete_pulls(lab):
    """However short the grace is; what a lost snapshot has counted counts no more."""
    system = System(lab, count=30, grace="0s")
    system.sync()
    first, other, alias = lacking(system)
    assert counts(system.sync())["deleted"] == 0
    assert vanished(system) == {first} and alias in system.addresses(other)
    shutil.rmtree(os.path.join(system.dirsync.state, system.name.lower()))
    assert counts(system.sync())["deleted"] == 0
    assert vanished(system) == {first} and alias in system.addresses(other)
    assert counts(system.sync())["deleted"] == 1
    level(system)


def test_a_file_that_is_read_again_lacks_nothing_once_more(lab):
    """Two complete pulls are two exports, not one that an administrator has read twice."""
    system = System(lab, count=30, grace="0s")
    system.sync()
    first, other, alias = lacking(system)
    system.sync()
    for _ in range(2):
        _, out = system.dirsync.once("--up", "--full", system.name)
        assert counts(out)["deleted"] == 0 and counts(out)["persons"] == 29
        assert vanished(system) == {first} and alias in system.addresses(other)
    assert counts(system.sync())["deleted"] == 1
    level(system)


def test_an_approval_that_was_not_needed_is_used_up(lab):
    """The source is back before the next run: the approval must not wait for the next accident."""
    system = System(lab, count=30)
    system.sync()
    people = dict(system.people)
    for uid in sorted(people)[:20]:
        del system.people[uid]
    assert system.sync(check=False)[0] == 4
    approve(system)
    system.people = dict(people)
    assert " complete " in system.sync()
    assert "restantesyncapproval" not in system.record()
    for uid in sorted(people)[10:]:
        del system.people[uid]
    assert system.sync(check=False)[0] == 4
    assert vanished(system) == set()


def lose_phones(system, number):
    for uid in sorted(system.people)[-number:]:
        system.people[uid]["phone"] = ""


def phones(system):
    return sum("telephonenumber" in e for e in system.entries().values())


def test_an_approval_is_for_what_it_names(lab):
    """Given for an attribute that an export lacks, it lets no mailbox go; and the other way round."""
    system = System(lab, count=60)
    system.sync()
    lose_phones(system, 40)
    code, out = system.sync(check=False)
    assert code == 4 and stops(out) == {"lost/telephonenumber": 40}
    approve(system)
    gone = sorted(system.people)[:10]
    people = {uid: system.people.pop(uid) for uid in gone}
    code, out = system.sync(check=False)
    assert code == 4 and vanished(system) == set() and phones(system) == 60
    assert stops(out) == {"lost/telephonenumber": 40, "deletions": 10}
    assert "10 deletions are pending" in out and "approved already: 40 entries" in out
    # the whole list, as it is shown now
    approve(system)
    assert " complete " in system.sync()
    assert vanished(system) == set(gone) and phones(system) == 20
    # what is done is done: the marked ones stand, the attribute does not
    assert "approved=deletions:10" in system.outcome() and "lost" not in system.outcome()
    lose_phones(system, 55)
    code, out = system.sync(check=False)
    assert code == 4 and list(stops(out)) == ["lost/telephonenumber"] and phones(system) == 20
    system.people.update(people)


def test_all_that_stops_a_run_is_shown_at_once(lab):
    system = System(lab, count=60)
    system.sync()
    lose_phones(system, 20)
    for number, uid in enumerate(sorted(system.people)[:20]):
        person = system.people.pop(uid)
        if number % 2:
            system.people["again-" + uid] = person
    code, out = system.sync(check=False)
    assert code == 4 and stops(out) == {"lost/telephonenumber": 20, "rekeyed": 10, "deletions": 10}
    assert counts(out)["pending"] == 40
    for words in ("20 of 50 entries", "another id", "10 deletions are pending", "sync approve "):
        assert words in out
    approve(system)
    assert " complete " in system.sync() and len(vanished(system)) == 10


def test_an_approval_without_a_name_does_not_count(lab):
    """As earlier versions wrote it, or what is no list: it is refused, said, and removed."""
    system = System(lab, count=30)
    system.sync()
    for uid in sorted(system.people)[:10]:
        del system.people[uid]
    assert system.sync(check=False)[0] == 4
    outcome = system.outcome()
    for attribute, value in (("restanteSyncApproved", "10"), ("restanteSyncApproval", "10"),
                             ("restanteUpSyncOutcome", "complete persons=30 approved=10")):
        system.slapd.replace(system.dn, "root", **{attribute: value})
        code, out = system.sync(check=False)
        assert code == 4 and vanished(system) == set()
        assert 'the approval "10" does not count' in out and "sync approve " in out
        assert 'the approval "10" does not count' in system.dirsync.log_text()
        if attribute != "restanteSyncApproved":
            system.slapd.replace(system.dn, "root", **{attribute: None})
    system.slapd.replace(system.dn, "root", restanteUpSyncOutcome=outcome)
    approve(system)
    assert " complete " in system.sync() and len(vanished(system)) == 10
    assert not {"restantesyncapproval", "restantesyncapproved"} & set(system.record())


def by_hand(system, number):
    """Entries that no export has, such as those of a backup that was put back; their DNs."""
    dns = ["uid=%s-hand%d,%s" % (system.name.lower(), n, PEOPLE) for n in range(number)]
    system.slapd.modify("\n".join(
        "dn: %s\nchangetype: add\nobjectClass: inetOrgPerson\nobjectClass: inetLocalMailRecipient\n"
        "objectClass: restanteMailbox\ncn: x\nsn: x\nrestanteSystem: %s\nrestanteSourceId: hand%d\n"
        "mailRoutingAddress: hand%d@s4.lab\nmailLocalAddress: %s-hand%d@example.org\n" % (
            dn, system.name, n, n, system.name.lower(), n) for n, dn in enumerate(dns)), "root")
    return dns


@pytest.mark.parametrize("approved", (False, True))
def test_an_address_that_came_free_is_not_forgotten_where_the_run_is_stopped(lab, approved):
    """The full run that is to give it to its claimant is repeated, without a new export."""
    one, other = System(lab, count=5), System(lab, max_delete=3)
    one.sync()
    wanted = "alias-%s0@example.org" % one.prefix
    claimant = other.add(0, wanted, "own-%s@example.org" % other.prefix)
    for number in range(1, 20):
        other.add(number)
    assert counts(other.sync())["conflicts"] == 1
    one.people[one.prefix + "0"]["aliases"] = []
    one.slapd.modify("dn: %s\nchangetype: modify\ndelete: mailLocalAddress\nmailLocalAddress: %s\n" % (
        one.entries()[one.prefix + "0"]["dn"], wanted), "root")
    dns = by_hand(other, 5)
    for _ in range(2):
        code, out = other.dirsync.once("--up", other.name, check=False)
        assert code == 4 and "5 deletions are pending" in out
    if approved:
        approve(other)
    else:
        other.slapd.modify("\n".join("dn: %s\nchangetype: delete\n" % dn for dn in dns), "root")
    _, out = other.dirsync.once("--up", other.name)
    assert " complete " in out and wanted in other.addresses(claimant)
    assert " nothing " in other.dirsync.once("--up", other.name)[1]


def test_no_approval_lets_an_empty_source_pass(lab):
    system = System(lab, count=5)
    system.sync()
    system.people = {}
    lab.slapd.replace(system.dn, restanteSyncApproval="deletions:1000000")
    for _ in range(2):
        code, out = system.sync(check=False)
        assert code in (1, 4) and " complete " not in out
    assert len(system.entries()) == 5 and vanished(system) == set()
