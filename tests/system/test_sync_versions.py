"""restante-dirsync, up: of entries whose version is known nothing else is asked for; what happens
during a pull."""

import os
import re
import shutil

import pytest

from lab.lab import Lab
from lab.process import wait_for
from lab.slapd import FEDERATION
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


# --- a pull takes its time ------------------------------------------------------------------------

SLOW = """#!/bin/sh
touch %(begun)s
while [ -e %(hold)s ]; do sleep 0.05; done
cat %(list)s
"""


def test_made_anew_while_a_move_is_recorded_during_the_pull(own, tmp_path):
    """It is not re-keyed then."""
    files = {name: str(tmp_path / name) for name in ("begun", "hold", "list")}
    program = tmp_path / "program"
    program.write_text(SLOW % files)
    program.chmod(0o755)
    system = System(own, count=8, source="command", command=str(program), format="csv")
    system.export = lambda: (System.export(system), shutil.copy(os.path.join(
        system.folder, "%04d.csv" % system.drops), files["list"]))
    system.sync()
    uid = sorted(system.people)[0]
    entry = system.entries()[uid]
    system.people["anew-" + uid] = system.people.pop(uid)
    system.export()
    os.unlink(files["begun"])
    with open(files["hold"], "w", encoding="ascii"):
        process = system.dirsync.begin_once("--up", system.name)
    wait_for(lambda: os.path.exists(files["begun"]), 20, "the pull")
    own.slapd.modify(
        "dn: cn=meanwhile,ou=moves,%s\nchangetype: add\nobjectClass: restanteMove\n"
        "cn: meanwhile\nrestanteMoveAddress: %s@example.org\nrestanteMoveTarget: S2\n"
        "restanteMoveState: 0\n" % (FEDERATION, uid))
    os.unlink(files["hold"])
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert system.entries()[uid]["entryuuid"] == entry["entryuuid"]
    assert not any(r["kind"] == "rekey" for r in system.dirsync.kept_reports(system.name))
