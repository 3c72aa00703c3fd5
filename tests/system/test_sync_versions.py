"""restante-dirsync, up: of entries whose version is known nothing else is asked for."""

import os
import re

import pytest

from lab.lab import Lab
from lab.process import wait_for
from synced import System, counts, level


@pytest.fixture(name="own")
def own_lab():
    """Of this test's own: its directory is changed beneath the server."""
    with Lab(start=("slapd",)) as one:
        yield one


def change_beneath(slapd, old, new):
    """In the database itself: entryCSN stays."""
    slapd.stop()
    dump = slapd.dump()
    assert old in dump
    slapd.restore(dump.replace(old, new))
    slapd.start()


def test_what_was_changed_beneath_the_server_is_seen_once_in_full_every(own):
    system = System(own, count=6)
    for _ in range(2):  # the second one learns the versions
        system.sync()
    victim = sorted(system.people)[2]
    change_beneath(own.slapd, "cn: Person 2\n", "cn: Changed beneath\n")
    assert counts(system.sync())["changed"] == 0
    # what is edited in the directory itself is seen at once, with all that the entry has
    own.slapd.replace(system.entries()[victim]["dn"], "root", telephoneNumber="+49 30 1")
    assert counts(system.sync())["changed"] == 1
    level(system)
    system.sync()
    change_beneath(own.slapd, "cn: Person 2\n", "cn: Changed beneath\n")
    assert counts(system.sync())["changed"] == 0
    system.dirsync.ups[system.name]["full_every"] = "1s"
    system.dirsync.configure()
    wait_for(lambda: counts(system.sync())["changed"] == 1, 10, "the safety net")
    level(system)


def test_one_id_of_two_entries_is_told_each_time(own):
    """Its DN is known without the entry."""
    system = System(own, count=4)
    uid = sorted(system.people)[1]
    system.sync()
    dn = system.entries()[uid]["dn"]
    entry = own.slapd.read(dn, who="root")
    own.slapd.modify(
        "dn: %s\nchangetype: add\nobjectClass: inetOrgPerson\nobjectClass: inetLocalMailRecipient\n"
        "objectClass: restanteMailbox\ncn: twin\nsn: twin\nrestanteSystem: %s\nrestanteSourceId: %s\n"
        "mailRoutingAddress: %s\n" % (re.sub("^[^,]*", "cn=twin", dn), system.name, uid,
                                      entry["mailroutingaddress"][0]), "root")
    reports = os.path.join(system.dirsync.state, system.name.lower(), "up.reports")
    for _ in range(3):
        system.sync()
        with open(reports, encoding="utf-8") as text:
            assert "another entry of this system has the same restanteSourceId" in text.read()
