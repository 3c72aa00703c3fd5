"""Down syncs into a backend's own directory: contacts come, change and go; nothing else is touched."""

import os

import pytest

from down import Down, replaced, script
from down import fixture_book, fixture_down, fixture_lab, fixture_made  # noqa: F401
from lab.addressbook import CONTACTS, OWN
from lab.process import wait_for
from lab.wire import Wire


def person(book, uid, **attributes):
    """Somebody or something of the backend's own."""
    return book.add("uid=%s,%s" % (uid, OWN), objectClass="inetOrgPerson", uid=uid, cn=uid, sn=uid,
                    **attributes)


# --- the contacts ------------------------------------------------------------------------------


def test_everybody_else(lab, book, down, made):
    """Everybody of other systems, each with the federation's id as its name; nobody of its own."""
    mine = made("mine", "S2")
    anna = made("anna1", cn="Anna One", sn="One", mail="Anna.One@example.org",
                addresses=["anna1@example.org", "anna.one@example.org"])
    others = [attributes["entryuuid"][0] for _, attributes in
              lab.slapd.search("(&(restanteSystem=*)(!(restanteSystem=S2))(mailLocalAddress=*)"
                               "(!(uid=catchall)))")]
    assert down.complete() == (len(others), 0, 0)
    contacts = book.contacts()
    assert set(contacts) == set(others) and mine not in contacts
    one = contacts[anna]
    assert one["sn"] == ["One"] and one["mail"] == ["Anna.One@example.org"]
    assert one["cn"] == [anna] and one["employeetype"] == ["restante"]
    # with nothing to do nothing is written
    before = book.versions()
    assert down.complete() == (0, 0, 0)
    assert book.versions() == before


def test_only_what_differs(lab, book, down, made):
    """One is changed, one goes, one comes: three entries are written, and of the one that changed only
    what is ours to say."""
    changed, gone = made("changed"), made("gone")
    down.complete()
    kept = "cn=%s,%s" % (changed, CONTACTS)
    book.replace(kept, description="what somebody noted", telephoneNumber="+1")
    before = book.versions(CONTACTS)
    replaced(lab, "changed", sn="Renamed")
    lab.slapd.modify("dn: %s\nchangetype: delete\n" % lab.slapd.mailbox_dn("gone"))
    come = made("come")
    assert down.complete() == (1, 1, 1)
    after = book.versions(CONTACTS)
    assert {dn for dn in before if after.get(dn) != before[dn]} == {
        kept, "cn=%s,%s" % (gone, CONTACTS)}
    assert set(after) - set(before) == {"cn=%s,%s" % (come, CONTACTS)}
    one = book.contacts()[changed]
    assert one["sn"] == ["Renamed"] and one["description"] == ["what somebody noted"]
    assert one["telephonenumber"] == ["+1"]
    # what somebody did to the attributes that are ours is made good
    book.replace(kept, sn="Wrong", displayName="not from the directory")
    assert down.complete() == (0, 1, 0)
    one = book.contacts()[changed]
    assert one["sn"] == ["Renamed"] and "displayname" not in one


def test_two_of_one_name(book, down, made):
    ids = [made("miller%d" % n, cn="Pat Miller", sn="Miller") for n in (1, 2)]
    down.complete()
    contacts = book.contacts()
    assert [contacts[one]["sn"] for one in ids] == [["Miller"], ["Miller"]]
    assert contacts[ids[0]]["mail"] != contacts[ids[1]]["mail"]


def test_addresses_pass_between_contacts(lab, book, made):
    """What one contact gives up another one gains, in one run; the contacts of others are not foreign
    objects."""
    down = Down(lab, **book.settings(attributes="sn=%{sn} mail=%{primary} mail=%{others*}"))
    taker = made("taker")  # its id comes first, so that it asks before the other one gives
    giver = made("giver", addresses=["giver@example.org", "passed@example.org"])
    down.complete()
    replaced(lab, "giver", mailLocalAddress="giver@example.org")
    replaced(lab, "taker", mailLocalAddress=["taker@example.org", "passed@example.org"])
    assert down.complete() == (0, 2, 0)
    contacts = book.contacts()
    assert contacts[giver]["mail"] == ["giver@example.org"]
    assert sorted(contacts[taker]["mail"]) == ["passed@example.org", "taker@example.org"]
    assert "foreign" not in [report["kind"] for report in down.reports()]


def test_addresses_change_places(lab, book, made):
    """Two contacts swap their addresses, a third one's goes to a new one, and the server has each
    address once at any time: one run does it."""
    down = Down(lab, **book.settings(attributes="sn=%{sn} mail=%{primary} mail=%{others*}"))
    one, two, gone = made("one"), made("two"), made("gone")
    assert down.complete()[0] > 2
    lab.slapd.modify("dn: %s\nchangetype: delete\n" % lab.slapd.mailbox_dn("gone"))
    replaced(lab, "one", mailLocalAddress="free@example.org")
    replaced(lab, "two", mailLocalAddress="one@example.org")
    replaced(lab, "one", mailLocalAddress="two@example.org")
    new = made("new", addresses=["gone@example.org"])
    assert down.complete() == (1, 2, 1)
    contacts = book.contacts()
    assert [contacts[who]["mail"] for who in (one, two, new)] == [
        ["two@example.org"], ["one@example.org"], ["gone@example.org"]]
    assert gone not in contacts
    before = book.versions()
    assert down.complete() == (0, 0, 0) and book.versions() == before


# --- what is not ours ----------------------------------------------------------------------------


def test_own_people_are_not_touched(book, down, made):
    """What has no marker stays as it is, inside of the container, too; what lost it is not ours."""
    lost = made("lost")
    down.complete()
    own = person(book, "ownperson", mail="own@s2.lab", employeeType="staff")
    inside = book.add("cn=by hand," + CONTACTS, objectClass="inetOrgPerson", cn="by hand", sn="x",
                      mail="byhand@elsewhere.test")
    book.replace("cn=%s,%s" % (lost, CONTACTS), employeeType="staff", sn="Somebody's")
    before = book.versions()
    record = down.run()
    assert (record["outcome"], record["added"], record["changed"], record["deleted"]) == (
        "complete", 0, 0, 0)
    assert record["conflicts"] == 1  # its contact cannot be added: one without marker has the address
    assert book.versions() == before and own in before and inside in before
    assert [report["place"] for report in down.reports()] == ["cn=%s,%s" % (lost, CONTACTS)]


def test_foreign_object(book, down, made):
    """Somebody of the backend has an address of the contact: it is reported in each run, nothing is
    written, and everybody else comes."""
    met, other = made("met"), made("other")
    own = person(book, "metalready", mail="MET@example.org")
    before = book.versions(OWN)
    record = down.run()
    assert record["outcome"] == "complete" and record["conflicts"] == 1
    contacts = book.contacts()
    assert met not in contacts and other in contacts
    assert book.versions(OWN) == before
    report, = down.reports()
    assert (report["kind"], report["address"], report["place"], report["id"]) == (
        "foreign", "met@example.org", own, met)
    assert down.run()["conflicts"] == 1
    # an address that a contact gains is searched as well
    assert book.contacts()[other]["mail"] == ["other@example.org"]
    person(book, "gained", mail="gained@example.org")
    down.lab.slapd.replace(down.lab.slapd.mailbox_dn("other"), mail="gained@example.org")
    record = down.run()
    assert (record["conflicts"], record["changed"]) == (2, 0)
    assert book.contacts()[other]["mail"] == ["other@example.org"]
    # it is gone: the contact comes by itself
    book.modify("dn: %s\nchangetype: delete\n" % own)
    assert down.run()["added"] == 1


def test_adopt(book, down, made):
    """A contact that somebody made by hand becomes ours where an administrator says so; what it has
    besides stays."""
    adopted, left = made("adopted"), made("left")
    theirs = person(book, "madebyhand", mail="adopted@example.org", description="kept")
    person(book, "anothermade", mail="left@example.org")
    assert down.run()["conflicts"] == 2
    uuid = book.search(theirs)[theirs]["entryuuid"]
    record = down.run("adopt=Adopted@Example.org")
    assert (record["added"], record["conflicts"]) == (1, 1)
    assert record["adopted"] == "cn=%s,%s" % (adopted, CONTACTS)
    one = book.contacts()[adopted]
    assert one["entryuuid"] == uuid and one["description"] == ["kept"]
    assert one["employeetype"] == ["restante"] and one["sn"] == ["adopted"]
    assert theirs not in book.search() and left not in book.contacts()
    before = book.versions()
    assert down.complete() == (0, 0, 0)
    assert book.versions() == before


def test_adopt_what_is_no_contact(book, down, made):
    made("account")
    theirs = book.add("cn=account," + OWN, objectClass="contact", cn="account",
                      mail="account@example.org")
    record = down.run("adopt=account@example.org")
    assert (record["refused"], record["adopted"]) == (1, "")
    assert theirs in book.search()
    assert "is no contact (inetOrgPerson)" in [r["text"] for r in down.reports()][0]


@pytest.mark.parametrize("book", ["read"], indirect=True)
def test_adopt_without_the_right(book, down, made):
    """The server refuses: its words, and everything stays."""
    made("kept")
    theirs = person(book, "keptbyhand", mail="kept@example.org")
    before = book.versions(OWN)
    record = down.run("adopt=kept@example.org")
    assert (record["refused"], record["adopted"]) == (1, "")
    assert book.versions(OWN) == before and theirs in before
    assert "access" in down.reports()[0]["text"].lower()


# --- what goes wrong ------------------------------------------------------------------------------


def test_one_is_refused(lab, book, made):
    """A contact that the server does not take is named with the server's words; the rest goes on."""
    down = Down(lab, **book.settings(attributes="sn=%{sn} mail=%{primary} mail=%{others*}"))
    bad = made("bad", addresses=["bad@example.org"], utf8=["b\u00e4d@example.org"])
    good = made("good")
    record = down.run()
    # buero of the sample tree has such an address as well
    assert record["outcome"] == "complete" and record["refused"] == 2
    assert good in book.contacts() and bad not in book.contacts()
    words = {report["id"]: report["text"] for report in down.reports()}
    assert "mail: value #" in words[bad]


def test_server_closes_in_the_middle(lab, book, made):
    """The run has failed and says so; the next one does what is left, nothing twice."""
    ids = [made("many%03d" % n) for n in range(300)]
    wire = Wire(book.port)
    down = Down(lab, **dict(book.settings(), uri=wire.uri))
    process = down.start()
    wait_for(lambda: down.log_text().count("contact added") > 20, 20, "the first contacts", 0)
    wire.cut()
    record = down.end(process)
    assert record["outcome"] == "failed" and record["text"]
    there = book.versions(CONTACTS)
    assert 20 < len(there) < 300
    failed = lab.slapd.read(down.entry)
    assert failed["restantedownsyncoutcome"][0].startswith("failed ")
    wire.mend()
    record = down.run()
    assert record["outcome"] == "complete" and record["conflicts"] == 0
    contacts = book.contacts()
    assert set(ids) <= set(contacts) and len(contacts) == record["persons"]
    after = book.versions(CONTACTS)
    assert all(after[dn] == version for dn, version in there.items())
    assert down.complete() == (0, 0, 0)
    wire.close()


@pytest.mark.parametrize("after", [5, 150])
def test_killed(lab, book, down, made, after):
    """kill -9 while it writes: the next run does the rest, nothing twice, and the after command gets the
    name of each that was written."""
    ids = [made("slain%03d" % n) for n in range(200)]
    got = down.path("got")
    down.settings["after"] = script(down.path("after"), "cat >>%s\n" % got)
    process = down.start()
    wait_for(lambda: down.log_text().count("contact added") > after, 20, "some contacts")
    process.kill()
    process.communicate()
    there = book.versions(CONTACTS)
    record = down.run()
    assert record["outcome"] == "complete" and (record["conflicts"], record["refused"]) == (0, 0)
    contacts = book.contacts()
    assert set(ids) <= set(contacts) and len(contacts) == record["persons"]
    now = book.versions(CONTACTS)
    assert all(now[dn] == version for dn, version in there.items())
    with open(got) as names:
        assert set(names.read().split()) == set(now) - {CONTACTS}
    assert down.complete() == (0, 0, 0)


def test_nobody_home(lab, book, down):
    """The container is missing; no server; a wrong password: a line with what to do."""
    down.settings["container"] = "ou=missing,dc=s2,dc=lab"
    record = down.run()
    assert record["outcome"] == "failed"
    assert "container" in record["text"] and "make that entry" in record["text"]
    book.stop()
    record = down.run()
    assert record["outcome"] == "failed" and book.uri in record["text"]
    book.start()
    down.settings["search_base"] = "ou=nowhere,dc=s2,dc=lab"
    down.settings["container"] = CONTACTS
    record = down.run()
    assert record["outcome"] == "failed" and "search_base" in record["text"]
    # below the container alone its own people would not be seen
    del down.settings["search_base"]
    record = down.run()
    assert record["outcome"] == "failed" and "search_base: is not set" in record["text"]


# --- the after command ----------------------------------------------------------------------------


def test_after(lab, book, down, made):
    """It gets the names of what was changed, and gets them again until it says that it took them."""
    changed, gone = made("after1"), made("after2")
    down.complete()
    got = down.path("got")
    down.settings["after"] = script(down.path("after"), "cat >%s\n" % got)
    assert down.complete() == (0, 0, 0) and not os.path.exists(got)
    replaced(lab, "after1", sn="Changed")
    lab.slapd.modify("dn: %s\nchangetype: delete\n" % lab.slapd.mailbox_dn("after2"))
    names = sorted("cn=%s,%s" % (one, CONTACTS) for one in (changed, gone))
    down.settings["after"] = script(down.path("failing"), "exit 3\n")
    record = down.run()
    assert record["outcome"] == "failed" and "down S2.after: " in record["text"]
    assert (record["changed"], record["deleted"]) == (1, 1) and "status 3" in record["text"]
    down.settings["after"] = down.path("after")
    assert down.complete() == (0, 0, 0)
    with open(got) as lines:
        assert sorted(lines.read().splitlines()) == names
    os.unlink(got)
    assert down.complete() == (0, 0, 0) and not os.path.exists(got)


# --- Active Directory ------------------------------------------------------------------------------


def test_exchange_contacts(lab, book, made):
    """contact objects with targetAddress and proxyAddresses; old X500 addresses come along."""
    settings = book.settings(
        object_class="contact", marker="extensionAttribute15=restante",
        search_addresses="mail proxyAddresses targetAddress",
        attributes='displayName=%{displayName|cn} mail=%{primary} targetAddress=SMTP:%{primary} '
                   'proxyAddresses=SMTP:%{primary} proxyAddresses=smtp:%{others*} '
                   'proxyAddresses=%{foreign*}')
    down = Down(lab, **settings)
    one = made("exone", mail="Ex.One@example.org",
               addresses=["ex.one@example.org", "exone@example.org"])
    replaced(lab, "exone", restanteForeignAddress="X500:/o=Old/ou=First/cn=exone")
    person(book, "sitting", mail="other@s2.lab")
    book.add("cn=sits," + OWN, objectClass="contact", cn="sits",
             proxyAddresses=["SMTP:sits@s2.lab", "smtp:taken@example.org"])
    taken = made("taken")
    record = down.run()
    assert record["outcome"] == "complete" and record["conflicts"] == 1
    contact = book.contacts()[one]
    assert contact["objectclass"] == ["contact"] and contact["cn"] == [one]
    assert contact["targetaddress"] == ["SMTP:Ex.One@example.org"]
    assert sorted(contact["proxyaddresses"]) == [
        "SMTP:Ex.One@example.org", "X500:/o=Old/ou=First/cn=exone", "smtp:exone@example.org"]
    assert taken not in book.contacts()
    assert down.reports()[0]["place"] == "cn=sits," + OWN
    before = book.versions()
    assert down.run()["changed"] == 0 and book.versions() == before
