"""Down syncs beside moves, guards and other hosts; address books that are files or programs."""

import os
import signal
import time

import pytest

from down import Down, replaced, script
from down import (fixture_book, fixture_down, fixture_lab, fixture_made,  # noqa: F401
                  fixture_moves)
from lab.addressbook import CONTACTS
from lab.process import wait_for


# --- moves ----------------------------------------------------------------------------------------


def test_open_move_leaves_both_sides_alone(lab, book, made, moves):
    """S1 -> S2: S2 keeps the contact as it is, or the lack of one; others are kept level."""
    down = Down(lab, **book.settings())
    third = Down(lab, "S3", target="csv", file=os.path.join(lab.dir, "s3.csv"),
                 attributes="sn=%{sn} mail=%{primary}")
    moving = made("goer")
    assert down.run()["outcome"] == "complete" and moving in book.contacts()
    moves("goer", "goer@example.org", "S2", restanteMoveState=3, restanteMoveAssignor="S1")
    replaced(lab, "goer", sn="Changed")
    third.complete()
    assert down.complete() == (0, 0, 0)
    assert book.contacts()[moving]["sn"] == ["goer"]
    with open(third.settings["file"]) as book3:
        assert "%s,Changed,goer@example.org\n" % moving in book3.read()
    # the controller deletes the contact: it does not come back
    book.modify("dn: cn=%s,%s\nchangetype: delete\n" % (moving, CONTACTS))
    assert down.complete() == (0, 0, 0)
    # the swap: the mailbox is its own now, and whatever contact there is is not ours to delete yet
    replaced(lab, "goer", restanteSystem="S2", mailRoutingAddress="goer@s2.lab")
    assert down.complete() == (0, 0, 0)
    assert moving not in book.contacts()


def test_move_that_begins_meanwhile(lab, book, made, moves):
    """What a long run was about to write when the move was recorded is left alone."""
    down = Down(lab, **book.settings())
    last = max((fid, uid) for uid, fid in made.many("late", 200).items())
    process = down.start()
    wait_for(lambda: down.log_text().count("contact added") > 10, 20, "the first contacts")
    process.send_signal(signal.SIGSTOP)
    moves("late", last[1] + "@example.org", "S2", restanteMoveState=4, restanteMoveAssignor="S1")
    time.sleep(2.1)  # moves are read again every 2 s
    process.send_signal(signal.SIGCONT)
    record = down.end(process)
    assert record["outcome"] == "complete" and record["added"] == record["persons"] - 1
    assert last[0] not in book.contacts()


def test_marker_that_is_lost_meanwhile(lab, book, made):
    """Between the look at a contact and its change: whose it is now is asserted in the write."""
    down = Down(lab, **book.settings())
    ids = made.many("lost", 200)
    assert down.complete()[1:] == (0, 0)
    lab.slapd.modify("\n".join("dn: %s\nchangetype: modify\nreplace: sn\nsn: Changed\n" %
                               lab.slapd.mailbox_dn(uid) for uid in ids))
    process = down.start()
    while down.log_text().count("contact changed") <= 10:
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGSTOP)
    book.modify("\n".join("dn: cn=%s,%s\nchangetype: modify\nreplace: employeeType\n"
                          "employeeType: staff\n" % (fid, CONTACTS) for fid in ids.values()))
    before = book.versions()
    process.send_signal(signal.SIGCONT)
    record = down.end(process)
    assert book.versions() == before
    assert record["outcome"] == "complete" and record["conflicts"] == 200 - record["changed"]
    assert {report["kind"] for report in down.reports()} == {"foreign"}


def test_contact_on_the_assignor(lab, book, made, moves):
    """S2 -> S1: the contact comes to S2 when the old mailbox was seen gone there, not before."""
    down = Down(lab, **book.settings())
    moved = made("moved", "S2")
    down.complete()
    record = moves("moved", "moved@example.org", "S1", restanteMoveState=5,
                   restanteMoveAssignor="S2", restanteMoveOldSourceId="old")
    replaced(lab, "moved", restanteSystem="S1", mailRoutingAddress="moved@s1.lab")
    assert down.complete() == (0, 0, 0)
    lab.slapd.replace(record, restanteMoveState="10")
    assert down.complete() == (0, 0, 0)
    lab.slapd.replace(record, restanteMoveState="13", restanteMoveOldGone="20261122120000Z")
    assert down.complete() == (1, 0, 0)
    assert moved in book.contacts()


@pytest.mark.parametrize("outcome", ["ended", "cancelled", "rolled back"])
def test_move_that_is_over(lab, book, made, moves, outcome):
    down = Down(lab, **book.settings())
    stays = made("stays")
    down.complete()
    moves("stays", "stays@example.org", "S2", restanteMoveState=3, restanteMoveAssignor="S1",
          restanteMoveOutcome=outcome)
    replaced(lab, "stays", sn="Changed")
    assert down.complete() == (0, 1, 0)
    assert book.contacts()[stays]["sn"] == ["Changed"]


def test_moved_here(lab, book, made):
    """Many mailboxes moved to this system: their contacts go, and that is no mass deletion."""
    down = Down(lab, **book.settings())
    ids = [made("here%02d" % n) for n in range(12)]
    down.complete()
    for n in range(12):
        replaced(lab, "here%02d" % n, restanteSystem="S2",
                 mailRoutingAddress="here%02d@s2.lab" % n)
    assert down.complete() == (0, 0, 12)
    assert not set(ids) & set(book.contacts())


# --- guards ----------------------------------------------------------------------------------------


def test_mass_deletion(lab, book, down, made):
    """Mailboxes that are gone from the directory: more than the limit wait for an administrator."""
    ids = [made("mass%02d" % n) for n in range(12)]
    down.complete()
    before = book.versions()
    for n in range(12):
        lab.slapd.modify("dn: %s\nchangetype: delete\n" % lab.slapd.mailbox_dn("mass%02d" % n))
    record = down.run()
    assert (record["outcome"], record["pending"]) == ("stopped", 12)
    assert "12 of 20 contacts" in record["text"] and "approve S2" in record["text"]
    assert book.versions() == before
    entry = lab.slapd.read(down.entry)
    assert "pending=12" in entry["restantedownsyncoutcome"][0]
    assert entry["restantedownsyncfailed"][0].startswith("0 ")
    assert record["stops"] == [{"kind": "deletions", "number": 12}]
    assert " stops=deletions:12;" in entry["restantedownsyncoutcome"][0]
    for other in ("deletions:11", "lost/sn:12", "12"):
        lab.slapd.replace(down.entry, restanteDownSyncApproval=other)
        assert down.run()["outcome"] == "stopped"
    lab.slapd.replace(down.entry, restanteDownSyncApproval=None, restanteDownSyncApproved="12")
    assert 'the approval "12" does not count' in down.run()["text"]
    lab.slapd.replace(down.entry, restanteDownSyncApproval="deletions:12")
    assert down.complete() == (0, 0, 12)
    assert not set(ids) & set(book.contacts())
    left = set(lab.slapd.read(down.entry))
    assert not {"restantedownsyncapproval", "restantedownsyncapproved"} & left


def test_contacts_that_nothing_makes_any_more(lab, book, made):
    """The mailboxes are there, but what contacts are made of is not shown any more."""
    down = Down(lab, **book.settings())
    for n in range(12):
        made("unread%02d" % n)
    down.complete()
    before = book.versions()
    down.settings["attributes"] = "sn=%{telephoneNumber}"
    record = down.run()
    assert (record["outcome"], record["pending"]) == ("stopped", len(book.contacts()))
    assert "still read them" in record["text"] and book.versions() == before


@pytest.mark.parametrize("target", ("ldap", "csv"))
def test_an_attribute_that_cannot_be_read_any_more(lab, book, made, target):
    """The account loses the right to one attribute: no contact is rewritten without it."""
    form = "sn=%{sn} mail=%{primary} title=%{title} telephoneNumber=%{telephoneNumber}"
    path = os.path.join(lab.dir, "s2-lost.csv")
    settings = {**book.settings(), "attributes": form} if target == "ldap" else {
        "target": target, "file": path, "attributes": form}
    down = Down(lab, **settings)
    for n in range(20):
        made("few%02d" % n)
        replaced(lab, "few%02d" % n, telephoneNumber="+49 %d" % n, title="T%d" % n)
    down.complete()

    def numbers():
        if target == "ldap":
            return sum("telephonenumber" in e for e in book.contacts().values())
        with open(path) as lines:
            return lines.read().count("+49")

    def have(count, attribute="telephoneNumber"):
        for n in range(20):
            replaced(lab, "few%02d" % n, **{attribute: "+49 %d" % n if n < count else None})

    with_number = numbers()
    assert with_number == 20
    have(19)
    assert down.complete()[1] == 1 and numbers() == 19
    have(0)
    record = down.run()
    assert (record["outcome"], record["pending"]) == ("stopped", 19)
    assert record["stops"] == [{"kind": "lost/telephoneNumber", "number": 19}]
    assert "19 of 19 contacts had the attribute telephoneNumber" in record["text"]
    assert "approve S2" in record["text"] and numbers() == 19
    have(19)
    assert down.complete() == (0, 0, 0)
    # what is approved is that, and no other
    have(0)
    have(0, "title")
    down.run()
    lab.slapd.replace(down.entry, restanteDownSyncApproval="lost/telephonenumber:19")
    record = down.run()
    assert record["outcome"] == "stopped" and numbers() == 19
    assert "20 of 20 contacts had the attribute title" in record["text"]
    lab.slapd.replace(down.entry, restanteDownSyncApproval="lost/telephonenumber:19,lost/title:20")
    assert down.complete() == (0, 20, 0) and numbers() == 0
    have(20)
    assert down.complete()[1] == 20
    # an attribute that the settings no longer name is none that was lost; nor are those that are new
    down.settings["attributes"] = "mail=%{primary} sn=%{sn} description=%{telephoneNumber}"
    assert down.complete()[1] >= 20
    have(0)
    assert down.run()["stops"] == [{"kind": "lost/description", "number": 20}]


def test_foreign_addresses_that_cannot_be_read_any_more(lab, book, made):
    """Beside others in one attribute: replies to old mail need them."""
    down = Down(lab, **{**book.settings(),
                        "attributes": "sn=%{sn} mail=%{primary} description=smtp:%{primary} "
                                      "description=%{foreign*}"})
    for n in range(8):
        made("old%d" % n)
        replaced(lab, "old%d" % n, restanteForeignAddress="X500:/o=old/cn=old%d" % n)
    down.complete()
    for n in range(8):
        replaced(lab, "old%d" % n, restanteForeignAddress=None)
    assert down.run()["stops"] == [{"kind": "lost/restanteForeignAddress", "number": 8}]


def test_an_approval_that_was_not_needed_is_used_up(lab, book, down, made):
    made("unneeded")
    lab.slapd.replace(down.entry, restanteDownSyncApproval="deletions:50")
    assert down.run()["outcome"] == "complete"
    assert "restantedownsyncapproval" not in lab.slapd.read(down.entry)


def test_vanished(lab, book, down, made):
    """A mailbox that its system does not list stays while it is routed, and not beyond."""
    down.more = "up S1 { source = csv folder = /nowhere grace = 1h }\n"
    vanished = made("vanished")
    down.complete()
    now = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() - 60))
    replaced(lab, "vanished", restanteVanishedSince=now)
    assert down.complete() == (0, 0, 0)
    replaced(lab, "vanished", restanteVanishedSince="20200101000000Z")
    assert down.complete() == (0, 0, 1)
    assert vanished not in book.contacts()


# --- records ---------------------------------------------------------------------------------------


def test_record(lab, book, down, made):
    """The system's entry says what was done and which requests that answers; the lease is given back."""
    made("recorded")
    lab.slapd.replace(down.entry, restanteDownSyncAsked="7")
    record = down.run()
    entry = lab.slapd.read(down.entry)
    assert entry["restantedownsyncfinished"] == ["7"]
    assert entry["restantedownsyncrun"] == [record["run"]]
    assert entry["restantedownsyncoutcome"][0] == (
        "complete persons=%d added=%d changed=0 deleted=0 conflicts=0 refused=0" % (
            record["persons"], record["added"]))
    assert entry["restantedownlease"][0].split()[1] == "-"
    lab.slapd.replace(down.entry, restanteDownSyncAsked=None)


def test_settings_that_are_wrong(lab, book, down, made):
    """Whoever waits for the run is told so in the directory."""
    down.settings["marker"] = "restante"
    lab.slapd.replace(down.entry, restanteDownSyncAsked="9")
    record = down.run()
    assert record["outcome"] == "failed" and "down S2.marker: " in record["text"]
    assert lab.slapd.read(down.entry)["restantedownsyncfailed"] == [
        "9 failed: " + record["text"]]
    lab.slapd.replace(down.entry, restanteDownSyncAsked=None, restanteDownSyncFailed=None)


def test_another_host(lab, book, down, made):
    """It has the lease: nothing is read or written here."""
    made("busy")
    lab.slapd.replace(down.entry, restanteDownLease="900 other 20991231000000Z")
    before = lab.slapd.read(down.entry)
    record = down.run()
    assert record["outcome"] == "busy" and "other has the lease" in record["text"]
    assert book.contacts() == {} and lab.slapd.read(down.entry) == before
    lab.slapd.replace(down.entry, restanteDownLease=None)


def test_dry_run(lab, book, down, made):
    one = made("drily")
    before = lab.slapd.read(down.entry)
    record = down.run("dry")
    assert record["outcome"] == "complete" and record["added"] == record["persons"]
    shown = "\n".join(down.shown)
    assert "dn: cn=%s,%s\nchangetype: add\nobjectClass: inetOrgPerson\n" % (one, CONTACTS) in shown
    assert book.contacts() == {} and lab.slapd.read(down.entry) == before


# --- files and programs ------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["csv", "ldif", "vcard"])
def test_file(lab, made, target):
    """The file is made anew where something has changed, and left alone where nothing has."""
    down = Down(lab, target=target, attributes="sn=%{sn|cn} mail=%{primary}",
                file=os.path.join(lab.dir, "book." + target))
    made("filed", sn="Filed")
    persons = down.run()["added"]
    assert persons >= 9

    def text():
        with open(down.settings["file"]) as book:
            return book.read()
    before, seen = text(), os.stat(down.settings["file"])
    assert "filed@example.org" in before and before.count("@example.") >= persons
    assert down.complete() == (0, 0, 0)
    assert os.stat(down.settings["file"]).st_ino == seen.st_ino
    replaced(lab, "filed", sn="Renamed")
    assert down.complete() == (0, 1, 0)
    assert text() == before.replace("Filed", "Renamed")
    # somebody spoils it
    with open(down.settings["file"], "a") as book:
        book.write("spoilt")
    assert down.complete() == (0, 0, 0)
    assert text() == before.replace("Filed", "Renamed")
    os.unlink(down.settings["file"])
    assert down.complete() == (0, 0, 0) and os.path.exists(down.settings["file"])
    lab.slapd.modify("dn: %s\nchangetype: delete\n" % lab.slapd.mailbox_dn("filed"))
    assert down.complete() == (0, 0, 1)
    assert "filed@" not in text() and os.listdir(lab.dir).count("book.%s.new" % target) == 0


def test_file_that_cannot_be_written(lab, made):
    """The run has failed; the next one, once it can be, has all of it."""
    down = Down(lab, target="csv", file=os.path.join(lab.dir, "missing", "book.csv"),
                attributes="mail=%{primary}")
    made("unfiled")
    record = down.run()
    assert record["outcome"] == "failed" and "make the folder" in record["text"]
    assert record["added"] == 0
    os.mkdir(os.path.join(lab.dir, "missing"))
    assert down.complete()[0] >= 9


def test_lost_state(lab, made):
    """What was written is known no more, or is of another host's run: all of it is written again."""
    down = Down(lab, target="csv", file=os.path.join(lab.dir, "again.csv"),
                attributes="mail=%{primary}")
    made("again")
    added = down.complete()[0]
    with open(os.path.join(down.state, "s2", "down", "written", "written.db"), "r+b") as table:
        table.write(b"\0" * 4096)
    assert down.complete() == (added, 0, 0)
    lab.slapd.replace(down.entry, restanteDownSyncRun="20261122T000000Z-0000")
    assert down.complete() == (added, 0, 0)
    assert down.complete() == (0, 0, 0)


def test_command(lab, made):
    """A program gets the changes; they count when it has ended with 0, and come again until then."""
    got, down = os.path.join(lab.dir, "got"), Down(lab, target="command", format="csv",
                                                   attributes="sn=%{sn} mail=%{primary}")
    down.settings["command"] = script(os.path.join(lab.dir, "take"), "cat >%s\n" % got)
    one = made("commanded")
    assert down.complete()[0] >= 9
    os.unlink(got)
    assert down.complete() == (0, 0, 0) and not os.path.exists(got)
    replaced(lab, "commanded", sn="Changed")
    down.settings["command"] = script(os.path.join(lab.dir, "fails"), "cat >/dev/null\nexit 1\n")
    record = down.run()
    assert record["outcome"] == "failed" and "status 1" in record["text"]
    assert record["changed"] == 0
    down.settings["command"] = os.path.join(lab.dir, "take")
    assert down.complete() == (0, 1, 0)
    with open(got, newline="") as changes:
        assert changes.read() == ("operation,id,sn,mail\r\nchange,%s,Changed,"
                                  "commanded@example.org\r\n" % one)
    lab.slapd.modify("dn: %s\nchangetype: delete\n" % lab.slapd.mailbox_dn("commanded"))
    down.settings["format"] = "ldif"
    assert down.complete() == (0, 0, 1)
    with open(got) as changes:
        assert changes.read() == "version: 1\ndn: cn=%s\nchangetype: delete\n\n# end 1\n" % one
