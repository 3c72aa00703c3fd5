"""A mailbox expires: an entry that up syncs made is deleted, of one that is more than that only the mailbox
is taken."""

import pytest

from lab.lab import Lab
from lab.slapd import PEOPLE as CONTAINER
from synced import System, counts, level

PERSON = """\
dn: uid={uid},{container}
changetype: add
objectClass: inetOrgPerson
uid: {uid}
cn: Erna Example
sn: Example
userPassword: kept-{uid}
roomNumber: 12
"""
MAILBOX = """\
dn: uid={uid},{container}
changetype: modify
add: objectClass
objectClass: inetLocalMailRecipient
objectClass: restanteMailbox
-
add: restanteSystem
restanteSystem: {system}
-
add: mailRoutingAddress
mailRoutingAddress: {uid}@s4.lab
-
add: mailHost
mailHost: mail.s4.lab
"""
BROUGHT = {"restantesystem", "restantestate", "restantesourceid", "restantevanishedsince",
           "restanteprovenance", "restantesyncedat", "maillocaladdress", "mailroutingaddress",
           "mailhost"}


@pytest.fixture(scope="module")
def lab():
    with Lab(start=("slapd",)) as lab:
        yield lab


def by_hand(system, record, uid):
    system.slapd.modify(record.format(uid=uid, container=CONTAINER, system=system.name), "root")


def expire(system, uid):
    gone = system.people.pop(uid)
    assert counts(system.sync())["changed"] == 1
    assert counts(system.sync())["deleted"] == 1
    assert uid not in system.entries()
    return gone


def classes(entry):
    return {one.lower() for one in entry["objectclass"]}


def test_a_person_survives_her_mailbox(lab):
    """The organisation's own entry, adopted: it keeps its password, and may be adopted again."""
    system = System(lab, count=6, grace="0s")
    uid = system.add(6)
    dn = "uid=%s,%s" % (uid, CONTAINER)
    by_hand(system, PERSON, uid)
    for _ in range(2):
        by_hand(system, MAILBOX, uid)
        system.sync()
        assert system.entries()[uid]["dn"] == dn
        gone = expire(system, uid)
        entry = system.slapd.read(dn, who="root")
        assert entry["userpassword"] == ["kept-" + uid] and entry["roomnumber"] == ["12"]
        assert entry["cn"] == ["Person 6"] and not BROUGHT & set(entry)
        assert classes(entry) == {"inetorgperson"}
        assert "it is not the sync's own alone: its name, roomNumber" in system.dirsync.log_text()
        level(system)
        system.people[uid] = gone
    # one that is made meanwhile has the addresses
    system.sync()
    assert system.entries()[uid]["dn"] != dn
    level(system)


def test_an_entry_of_the_sync_with_something_else_in_it(lab):
    system = System(lab, count=8, grace="0s")
    system.sync()
    uids = list(system.people)
    system.slapd.modify(
        "dn: %s\nchangetype: modify\nadd: description\ndescription: by hand\n\n"
        "dn: %s\nchangetype: modify\nadd: objectClass\nobjectClass: simpleSecurityObject\n-\n"
        "add: userPassword\nuserPassword: x\n\n"
        "dn: %s\nchangetype: modify\nadd: mailLocalAddress\nmailLocalAddress: hand@example.org\n" % (
            *(system.entries()[uid]["dn"] for uid in uids[:3]),), "root")
    entries = system.entries()
    for uid, foreign in zip(uids, ("description", "simpleSecurityObject", None, None)):
        expire(system, uid)
        left = [e for dn, e in system.slapd.search("(cn=%s)" % entries[uid]["cn"][0])
                if dn == entries[uid]["dn"]]
        if foreign:
            assert "own alone: " + foreign in system.dirsync.log_text()
            assert len(left) == 1 and not BROUGHT & set(left[0])
        else:
            assert left == []
    level(system)


def test_a_dry_run_shows_it(lab):
    system = System(lab, count=6, grace="0s")
    uid = system.add(6)
    by_hand(system, PERSON, uid)
    by_hand(system, MAILBOX, uid)
    system.sync()
    del system.people[uid]
    system.sync()
    system.export()
    _, out = system.dirsync.once("--up", "--dry-run", system.name)
    assert "changetype: delete" not in out
    assert "delete: objectClass\nobjectClass: inetLocalMailRecipient\nobjectClass: restanteMailbox" in out
