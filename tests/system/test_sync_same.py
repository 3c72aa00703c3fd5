"""restante-dirsync, up, from LDAP: what reads as it did is not looked at closely, and nothing is
overlooked for it."""

import re

import pytest

from lab.lab import Lab
from lab.people import PEOPLE, dn_of, entry, id_of
from lab.process import wait_for
from synced import counts
from test_dirsync_ldap import NAMES, Backend

NOBODY = counts("persons=0 added=0 changed=0 deleted=0 conflicts=0 refused=0")


@pytest.fixture(scope="module")
def lab():
    with Lab(start=("slapd",)) as one:
        yield one


def known(lab, name, **settings):
    """A backend whose mailboxes were level in two runs, the second of which learned their versions."""
    backend = Backend(lab, name, **settings)
    for _ in range(3):
        backend.sync("--full")
    assert same(backend) == len(NAMES)
    return backend


def same(backend):
    """How many entries read as they did, in the last run."""
    return int(re.findall(r"read as they did system=%s entries=(\d+)" % backend.name,
                          backend.dirsync.log_text())[-1])


def changes(backend):
    """What a full run does: (added, changed, deleted)."""
    found = counts(backend.sync("--full"))
    return found["added"], found["changed"], found["deleted"]


@pytest.mark.parametrize("delta", ["none", "modifyTimestamp", "syncrepl"])
def test_what_changes_on_one_side_alone(lab, delta):
    backend = known(lab, "M" + delta[0], delta=delta)
    others = len(NAMES) - 1
    assert changes(backend) == (0, 0, 0) and same(backend) == others + 1
    # on the backend
    backend.people.replace("bert", cn="Bert the Second")
    assert changes(backend) == (0, 1, 0) and same(backend) == others
    assert backend.entries()["bert"]["cn"] == ["Bert the Second"]
    # in the directory: an entry that was edited, and one that was removed
    anna, carl = backend.entries()["anna"], backend.entries()["carl"]
    lab.slapd.replace(anna["dn"], "root", cn="Somebody")
    assert changes(backend) == (0, 1, 0)
    assert backend.entries()["anna"]["cn"] == anna["cn"]
    lab.slapd.modify("dn: %s\nchangetype: delete\n" % carl["dn"], "root")
    assert changes(backend) == (1, 0, 0)
    assert backend.entries()["carl"]["mail"] == carl["mail"]
    # one that goes
    backend.people.delete("dora")
    assert changes(backend) == (0, 1, 0)
    assert "restantevanishedsince" in backend.entries()["dora"]
    # and comes back as it was: it is neither gone nor forgotten
    backend.people.add(entry("dora", mail=backend.entries()["dora"]["mail"]))
    backend.sync("--full")
    assert "dora" in backend.entries()


def test_an_entry_elsewhere_is_the_same_mailbox(lab):
    """Its DN is part of what was read; nothing is written for it, and it is known from then on."""
    backend = known(lab, "M1", base="dc=s1,dc=lab")
    backend.people.move("emil")
    assert changes(backend) == (0, 0, 0) and same(backend) == len(NAMES) - 1
    assert changes(backend) == (0, 0, 0) and same(backend) == len(NAMES)
    # what is not asked for is no difference
    backend.people.replace("frida", description="not mapped")
    assert changes(backend) == (0, 0, 0) and same(backend) == len(NAMES)


def test_the_time_of_the_last_edit_counts_where_it_is_mapped(lab):
    backend = known(lab, "M6", delta="modifyTimestamp",
                    attributes="cn=cn sn=sn description=%{modifyTimestamp}")
    before = backend.entries()["frida"]["description"]
    wait_for(lambda: edited(backend, "frida") != before, 5, "another time of the last edit")


def edited(backend, name):
    backend.people.replace(name, title="not mapped")
    backend.sync("--full")
    return backend.entries()[name]["description"]


def test_settings_that_map_otherwise(lab):
    backend = known(lab, "M2")
    backend.keys["attributes"] = "cn=uid sn=sn"
    backend.dirsync.configure()
    assert changes(backend) == (0, len(NAMES), 0)
    assert backend.entries()["gustav"]["cn"] == ["gustav"]


def test_a_twin_is_told_each_time(lab):
    """Two entries with one id, of which one reads as it did."""
    backend = Backend(lab, "M3", names=["anna"], id="employeeNumber", new_system="yes")
    backend.people.add(entry("zora", mail="zora.m3@example.org", employeeNumber="7"))
    backend.sync("--full")
    backend.sync("--full")
    backend.sync("--full")
    backend.people.add(entry("twin", mail="twin.m3@example.org", employeeNumber="7"))
    for _ in range(3):
        assert changes(backend) == (0, 0, 0)
        assert [r["id"] for r in backend.dirsync.kept_reports("M3")
                if r["kind"] == "duplicate"] == ["7"]
    assert "twin.m3@example.org" not in str(backend.entries())


def test_a_value_that_is_refused_is_told_each_time(lab):
    backend = known(lab, "M4")
    backend.people.replace("hilde", mail=["hilde.m4@example.org", "no address"])
    for _ in range(4):
        backend.sync("--full")
        assert any(r["kind"] == "unreadable" and r["id"] == id_of("hilde")
                   and r["place"].lower() == dn_of("hilde").lower()
                   for r in backend.dirsync.kept_reports("M4"))
    assert same(backend) == len(NAMES) - 1
    assert PEOPLE in dn_of("hilde")


def phones(backend, names, value):
    backend.people.modify("\n".join(
        "dn: %s\nchangetype: modify\nreplace: telephoneNumber\n%s-\n" % (
            dn_of(name), "telephoneNumber: %s\n" % value if value else "") for name in names))


def test_a_guard_counts_those_that_read_as_they_did(lab):
    """Five of a hundred lost an attribute: that is no lost read right."""
    names = ["p%d" % number for number in range(100)]
    backend = Backend(lab, "M5", names=names, max_delete_percent=5)
    for _ in range(3):
        backend.sync("--full")
    assert same(backend) == len(names)
    backend.keys["attributes"] = "cn=cn sn=sn telephoneNumber=telephoneNumber"
    backend.dirsync.configure()
    phones(backend, names, "+49 1")
    for _ in range(3):
        backend.sync("--full")
    assert same(backend) == len(names)
    phones(backend, names[:5], None)
    assert changes(backend) == (0, 5, 0)
    assert "telephonenumber" not in backend.entries()["p3"]
    phones(backend, names[5:11], None)
    assert "telephonenumber" in backend.sync("--full", check=False)[1].lower()
    assert "telephonenumber" in backend.entries()["p9"]
