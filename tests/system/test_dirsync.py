"""restante-dirsync, up: from drop files into a real directory, whatever happens on the way."""

import calendar
import os
import random
import shutil
import subprocess
import time

import pytest

from lab.dirsync import Dirsync
from lab.lab import Lab
from lab.process import wait_for
from lab.slapd import FEDERATION
from synced import HEADER, System, approve, counts, level


@pytest.fixture(scope="module")
def lab():
    with Lab(start=("slapd",)) as one:
        yield one


# --- what a run does ------------------------------------------------------------------------------

def test_first_fill_and_a_second_run_that_writes_nothing(lab):
    system = System(lab, count=120)
    found = counts(system.sync())
    assert found["added"] == found["persons"] == 120
    level(system)
    csns = {uid: e["entrycsn"] for uid, e in system.entries().items()}
    assert counts(system.sync())["changed"] == 0
    assert {uid: e["entrycsn"] for uid, e in system.entries().items()} == csns
    assert counts(system.sync("--full"))["changed"] == 0
    assert {uid: e["entrycsn"] for uid, e in system.entries().items()} == csns
    assert system.outcome().startswith("complete persons=120 added=0 changed=0 deleted=0")


def test_no_new_file_is_no_run(lab):
    system = System(lab, count=3)
    system.sync()
    _, out = system.dirsync.once("--up", system.name)
    assert " nothing " in out
    level(system)


def test_a_rename_is_a_rename(lab):
    system = System(lab, count=5)
    system.sync()
    before = system.entries()
    uid = sorted(system.people)[0]
    person = system.people[uid]
    person["mail"], person["name"] = "new-name-%s@example.org" % uid, "Other Name"
    person["aliases"].append(uid + "@example.org")
    assert counts(system.sync())["changed"] == 1
    after = system.entries()
    assert after[uid]["dn"] == before[uid]["dn"]
    assert after[uid]["entryuuid"] == before[uid]["entryuuid"]
    level(system)


def test_what_an_administrator_wrote_stays(lab):
    system = System(lab, count=3)
    system.sync()
    uid = sorted(system.people)[0]
    dn = system.entries()[uid]["dn"]
    by_hand = "by-hand-%s@example.org" % uid
    lab.slapd.modify("dn: %s\nchangetype: modify\nadd: mailLocalAddress\nmailLocalAddress: %s\n-\n"
                     "add: description\ndescription: by hand\n" % (dn, by_hand), "root")
    system.people[uid]["name"] = "Changed"
    system.sync()
    assert by_hand in system.addresses(uid)
    assert system.entries()[uid]["description"] == ["by hand"]
    assert system.entries()[uid]["cn"] == ["Changed"]


def test_an_alias_passes_to_somebody_else_at_once(lab):
    system = System(lab, count=4)
    system.sync()
    first, second = sorted(system.people)[:2]
    alias = system.people[first]["aliases"].pop()
    system.people[first]["aliases"] = [system.people[first]["mail"]]
    system.people[second]["aliases"].append(alias)
    system.sync()
    assert alias not in system.addresses(first)
    assert alias in system.addresses(second)
    assert counts(system.sync())["changed"] == 0


def test_an_alias_stays_where_whoever_lists_it_gets_no_entry(lab):
    """A new mailbox without a physical address of its own cannot have it; so it is marked, as ever."""
    system = System(lab, count=4, physical="%{phone}", attributes="cn=name sn=name")
    for uid in system.people:
        system.people[uid]["phone"] = uid + "@s4.lab"
    system.sync()
    first = sorted(system.people)[0]
    alias = system.people[first]["aliases"][0]
    system.people[first]["aliases"] = [system.people[first]["mail"]]
    late = system.add(9, alias, phone="late@example.org")
    system.sync()
    assert alias in system.addresses(first) and late not in system.entries()
    assert "restantevanishingaddress" in system.entries()[first]
    system.people[late]["phone"] = "late@s4.lab"
    system.sync()
    assert alias in system.addresses(late) and alias not in system.addresses(first)


def test_made_anew_it_keeps_what_nobody_knows_of(lab):
    """Without a snapshot an address may be by hand; so it does not pass to who lists it as well."""
    system = System(lab, count=3)
    system.sync()
    first = sorted(system.people)[0]
    person = system.people.pop(first)
    alias = person["aliases"][0]
    shutil.rmtree(os.path.join(system.dirsync.state, system.name.lower()))
    again = system.prefix + "again"
    system.people[again] = {**person, "aliases": [person["mail"]]}
    other = system.add(8, alias)
    found = counts(system.sync())
    assert (found["refused"], found["conflicts"]) == (0, 1)
    assert alias in system.addresses(again) and alias not in system.addresses(other)


def test_two_swap_their_aliases(lab):
    system = System(lab, count=4)
    system.sync()
    first, second = sorted(system.people)[:2]
    one, other = system.people[first], system.people[second]
    one["aliases"], other["aliases"] = other["aliases"], one["aliases"]
    assert counts(system.sync())["refused"] == 0
    level(system)


def test_a_removed_alias_is_marked_and_expires(lab):
    system = System(lab, count=30, grace="2s")
    system.sync()
    uid = sorted(system.people)[0]
    alias = system.people[uid]["aliases"][0]
    system.people[uid]["aliases"] = [system.people[uid]["mail"]]
    system.sync()
    entry = system.entries()[uid]
    assert alias in entry["maillocaladdress"], "still routed"
    assert entry["restantevanishingaddress"][0].startswith(alias + " ")
    system.sync()
    assert alias in system.addresses(uid)
    time.sleep(2.1)  # the grace itself
    system.sync()
    assert alias not in system.addresses(uid)
    assert "restantevanishingaddress" not in system.entries()[uid]
    level(system)


def test_a_removed_alias_that_is_back_is_unmarked(lab):
    system = System(lab, count=30)
    system.sync()
    uid = sorted(system.people)[0]
    aliases, system.people[uid]["aliases"] = system.people[uid]["aliases"], [
        system.people[uid]["mail"]]
    system.sync()
    assert "restantevanishingaddress" in system.entries()[uid]
    system.people[uid]["aliases"] = aliases
    system.sync()
    assert "restantevanishingaddress" not in system.entries()[uid]
    level(system)


def test_a_mailbox_vanishes_and_expires(lab):
    system = System(lab, count=30, grace="2s")
    system.sync()
    uid = sorted(system.people)[0]
    del system.people[uid]
    system.sync()
    entry = system.entries()[uid]
    assert "restantevanishedsince" in entry
    assert entry["maillocaladdress"]
    time.sleep(2.1)  # the grace itself
    assert counts(system.sync())["deleted"] == 1
    level(system)


def test_an_entry_without_id_is_adopted(lab):
    system = System(lab, count=1)
    uid = sorted(system.people)[0]
    dn = lab.slapd.add_mailbox("hand-" + uid, system.name, physical=uid + "@s4.lab",
                               addresses=[uid + "@example.org"], state="holding")
    assert counts(system.sync())["added"] == 0
    entry = system.entries()[uid]
    assert entry["dn"] == dn
    assert entry["restantestate"] == ["holding"]


def test_a_mailbox_made_anew_is_rekeyed(lab):
    system = System(lab, count=30)
    system.sync()
    uid = sorted(system.people)[0]
    before = system.entries()[uid]
    person = system.people.pop(uid)
    system.people["anew-" + uid] = person
    system.sync()
    after = system.entries()["anew-" + uid]
    assert after["entryuuid"] == before["entryuuid"]
    assert uid not in system.entries()
    assert any(r["kind"] == "rekey" for r in system.dirsync.kept_reports(system.name))


def test_made_anew_while_an_alias_passes_on(lab):
    system = System(lab, count=30)
    system.sync()
    first, second = sorted(system.people)[:2]
    person = system.people.pop(first)
    alias = person["aliases"].pop()
    system.people["anew-" + first] = person
    system.people[second]["aliases"].append(alias)
    assert counts(system.sync())["refused"] == 0
    assert alias in system.addresses(second)
    assert alias not in system.addresses("anew-" + first)
    assert counts(system.sync())["changed"] == 0


# --- guards ---------------------------------------------------------------------------------------

def test_many_that_vanish_stop_the_run_until_it_is_approved(lab):
    system = System(lab, count=60)
    system.sync()
    gone = sorted(system.people)[:24]
    kept = {uid: system.people.pop(uid) for uid in gone}
    code, out = system.sync(check=False)
    assert code == 4 and " stopped " in out
    assert not any("restantevanishedsince" in e for e in system.entries().values())
    assert "pending=24" in system.outcome()
    approve(system)
    system.sync()
    assert {uid for uid, e in system.entries().items() if "restantevanishedsince" in e} == set(gone)
    # what was approved is not asked for again, but three more are
    system.sync()
    system.people.pop(sorted(system.people)[0])
    code, _ = system.sync(check=False)
    assert code == 4
    system.people.update(kept)


def test_an_approval_holds_on_another_host(lab):
    """What was let pass and is not deleted yet goes on to count; nobody is asked twice for it."""
    system = System(lab, count=30)
    system.sync()
    for uid in sorted(system.people)[:10]:
        del system.people[uid]
    assert system.sync(check=False)[0] == 4
    approve(system)
    assert " complete " in system.sync()
    assert "approved=deletions:10" in system.outcome()
    assert "restantesyncapproval" not in system.record()
    own, system.dirsync = system.dirsync, Dirsync(lab, system.dirsync.ups, name="elsewhere")
    system.people[sorted(system.people)[0]]["name"] = "Changed elsewhere"
    assert counts(system.sync())["changed"] == 1
    # not for more; nor is it lost where a run fails
    for uid in sorted(system.people)[:3]:
        del system.people[uid]
    code, out = system.sync(check=False)
    assert code == 4 and "pending=13" in out and "approved=deletions:10" in system.outcome()
    system.dirsync = own
    code, out = system.sync(check=False)
    assert code == 4 and "pending=13" in out
    approve(system)
    assert " complete " in system.sync()
    assert "approved=deletions:13" in system.outcome()


def test_an_empty_export_is_an_outage(lab):
    system = System(lab, count=10)
    system.sync()
    people, system.people = system.people, {}
    code, out = system.sync(check=False)
    assert code in (1, 4), out
    assert len(system.entries()) == 10
    assert not any("restantevanishedsince" in e for e in system.entries().values())
    system.people = people
    system.sync()
    level(system)


def test_a_lost_attribute_stops_the_run(lab):
    system = System(lab, count=40)
    system.sync()
    for person in system.people.values():
        person["phone"] = ""
    code, out = system.sync(check=False)
    assert code == 4 and "telephonenumber" in out.lower()
    assert all("telephonenumber" in e for e in system.entries().values())


def test_a_truncated_file_changes_nothing(lab):
    system = System(lab, count=10)
    system.sync()
    path = os.path.join(system.folder, "9999.csv")
    with open(path + ".part", "w") as out:
        out.write(HEADER + 'x,x@example.org,"no end')
    os.rename(path + ".part", path)
    code, out = system.dirsync.once("--up", system.name, check=False)
    assert code == 1 and " incomplete " in out
    assert system.record()["restanteupsyncfailed"]
    level(system)


# --- conflicts ------------------------------------------------------------------------------------

def test_an_address_claimed_by_two_systems_stays_with_its_owner(lab):
    one, other = System(lab, count=3), System(lab, count=3)
    one.sync()
    owner, claimant = sorted(one.people)[0], sorted(other.people)[0]
    address = one.people[owner]["mail"]
    other.people[claimant]["aliases"].append(address)
    assert counts(other.sync())["conflicts"] == 1
    assert address in one.addresses(owner)
    assert address not in other.addresses(claimant)
    report = next(r for r in other.dirsync.kept_reports(other.name) if r["kind"] == "conflict")
    assert (report["address"], report["owner"], report["id"]) == (address, one.name, claimant)
    assert counts(other.sync())["conflicts"] == 1, "reported until it is resolved"
    one.sync()
    level(one)


def test_two_of_one_system_with_one_address(lab):
    system = System(lab, count=3)
    first, second = sorted(system.people)[:2]
    system.people[second]["aliases"].append(system.people[first]["mail"])
    system.sync()
    owners = [uid for uid in system.people
              if system.people[first]["mail"] in system.addresses(uid)]
    assert len(owners) == 1
    assert any(r["kind"] == "duplicate" for r in system.dirsync.kept_reports(system.name))


def test_an_address_outside_of_the_federated_domains(lab):
    system = System(lab, count=2)
    uid = sorted(system.people)[0]
    system.people[uid]["aliases"].append("somebody@elsewhere.test")
    system.sync()
    assert "somebody@elsewhere.test" not in system.addresses(uid)
    assert any(r["kind"] == "domain" for r in system.dirsync.kept_reports(system.name))


# --- the directory --------------------------------------------------------------------------------

def test_a_directory_that_was_changed_back_is_repaired(lab):
    system = System(lab, count=6)
    system.sync()
    victim, changed = sorted(system.people)[:2]
    entries = system.entries()
    lab.slapd.modify("dn: %s\nchangetype: delete\n" % entries[victim]["dn"], "root")
    lab.slapd.modify("dn: %s\nchangetype: modify\nreplace: cn\ncn: old\n-\nreplace: "
                     "mailLocalAddress\nmailLocalAddress: %s\n" % (
                         entries[changed]["dn"], system.people[changed]["mail"]), "root")
    system.sync()
    level(system)


def test_a_restored_directory_is_repaired():
    """From a backup of the run before: without a new file, and without anybody's help."""
    with Lab(start=("slapd",)) as own:
        system = System(own, count=20)
        system.sync()
        own.slapd.stop()
        backup = own.slapd.dump()
        own.slapd.start()
        first, second = sorted(system.people)[:2]
        system.people[first]["name"] = "After the backup"
        system.people[second]["aliases"].append("later-%s@example.org" % second)
        system.add(1000)
        system.sync()
        level(system)
        own.slapd.stop()
        own.slapd.restore(backup)
        own.slapd.start()
        assert len(system.entries()) == 20
        system.dirsync.once("--up", system.name)
        level(system)


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_clock_that_was_turned(lab, hours):
    """Nothing is marked, and nothing expires, by an instant that the directory does not share."""
    system = System(lab, count=30, grace="1h")
    system.sync()
    uid, other = sorted(system.people)[:2]
    alias = system.people[uid]["aliases"][0]
    system.people[uid]["aliases"] = [system.people[uid]["mail"]]
    system.sync()
    system.sync()
    system.people[other]["name"] = "Changed"
    turned = os.path.join(lab.dir, "turned")
    with open(turned, "w") as out:
        out.write(str(3600 * hours))
    system.dirsync.turned = turned
    code, out = system.sync(check=False)
    assert alias in system.addresses(uid), "its mark is not older than an hour"
    if hours > 0:
        assert code == 0 and system.entries()[other]["cn"] == ["Changed"]
    else:
        assert code == 1 and "in the future" in out
    assert "clocks of this host and of the directory differ" in system.dirsync.log_text()
    system.dirsync.turned = None
    system.sync()
    assert system.entries()[other]["cn"] == ["Changed"]
    assert alias in system.addresses(uid)


def test_a_lost_snapshot(lab):
    system = System(lab, count=20)
    system.sync()
    subprocess.run(["rm", "-r", system.dirsync.state], check=True)
    uid = sorted(system.people)[0]
    system.people[uid]["name"] = "Changed"
    assert counts(system.sync())["changed"] == 1
    level(system)


def test_a_damaged_snapshot_is_made_anew(lab):
    system = System(lab, count=200)
    system.sync()
    path = os.path.join(system.dirsync.state, system.name.lower(), "traces.db")
    with open(path, "r+b") as out:
        out.seek(4096)
        out.write(os.urandom(8192))
    system.people[sorted(system.people)[0]]["name"] = "Changed"
    code, _ = system.sync(check=False)
    if code != 0:  # seen in the middle of the run: the one after it is whole
        system.sync()
    level(system)
    assert "begun anew" in system.dirsync.log_text()


def test_a_snapshot_of_another_run_does_not_count(lab):
    system = System(lab, count=5)
    system.sync()
    lab.slapd.replace(system.dn, "root", restanteUpSyncRun="20200101T000000Z-0000")
    system.people[sorted(system.people)[0]]["name"] = "Changed"
    system.sync()
    assert "does not count" in system.dirsync.log_text()
    level(system)


# --- the end of the process -----------------------------------------------------------------------

def change_at_random(system, dice):
    for uid in dice.sample(sorted(system.people), 8):
        person = system.people[uid]
        number = dice.randrange(10**9)
        if dice.random() < 0.5:
            person["name"] = "Name %d" % number
        else:
            person["aliases"] = ["alias-%d-%s@example.org" % (number, uid)]
    system.add(dice.randrange(10**9))


def instant(csn):
    """Seconds, of "20261122055000.123456Z#..."."""
    return calendar.timegm(time.strptime(csn[:14], "%Y%m%d%H%M%S")) + int(csn[15:21]) / 1e6


def test_an_address_in_conflict_that_comes_free_goes_to_its_claimant(lab):
    """Without a new file: the one that was read says who claims it."""
    one, other = System(lab), System(lab)
    owner, claimant = one.add(1, "vip@example.org"), other.add(1, "vip@example.org")
    one.sync()
    assert counts(other.sync())["conflicts"] == 1
    assert " nothing " in other.dirsync.once("--up", other.name)[1]
    one.slapd.modify("dn: %s\nchangetype: modify\ndelete: mailLocalAddress\n"
                     "mailLocalAddress: vip@example.org\n" % one.entries()[owner]["dn"], "root")
    assert counts(other.dirsync.once("--up", other.name)[1])["conflicts"] == 0
    assert "vip@example.org" in other.addresses(claimant)
    assert " nothing " in other.dirsync.once("--up", other.name)[1]


def test_a_load_gives_way_to_who_passes_the_fence(lab):
    """The epoch is raised while much is written: for a tenth of a second, less the one write that is
    under way, nothing is. Whatever else the machine does lengthens that write, so one pause of
    many has to be long."""
    system = System(lab, count=1500)
    system.dirsync.options.update(window=1, window_moving=1)
    system.dirsync.configure()
    system.export()
    run = system.dirsync.begin_once("--up", system.name)
    wait_for(system.entries, 60, "the load to write")
    epoch = int(lab.slapd.read(FEDERATION, who="root").get("restanteepoch", ["0"])[0])
    raised = []
    while run.poll() is None:
        lab.slapd.replace(FEDERATION, who="root", restanteEpoch=str(epoch + len(raised) + 1))
        raised.append(instant(lab.slapd.read(FEDERATION, who="root")["entrycsn"][0]))
        time.sleep(0.25)  # longer than it gives way, and has to itself after that
    run.communicate(timeout=120)
    assert run.returncode == 0
    written = sorted(instant(e["entrycsn"][0]) for e in system.entries().values())
    assert len(written) == 1500 and written[0] < raised[0] < written[-1]
    assert max(later - one for one, later in zip(written, written[1:])
               if raised[0] < later < raised[-1] + 1) >= 0.05


def test_killed_at_any_instant_it_goes_on(lab):
    """Without duplicates, and what a killed run added is known as the system's by the next one."""
    dice = random.Random(7)
    system = System(lab, count=150, max_delete=1000, max_delete_percent=100, grace="0s")
    system.sync()
    began = time.monotonic()
    system.sync()
    took = time.monotonic() - began
    killed = 0
    for _ in range(60):
        change_at_random(system, dice)
        system.export()
        killed += system.dirsync.kill_once(dice.random() * took, "--up", system.name)
        if killed == 12:
            break
    assert killed >= 6
    system.sync()
    system.sync()
    system.sync()
    level(system)
