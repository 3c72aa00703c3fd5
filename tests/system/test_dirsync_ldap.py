"""restante-dirsync, up, from a backend's LDAP server: changes alone, and moves on the way."""

import re
import signal

import pytest

from lab.dirsync import Dirsync
from lab.lab import Lab
from lab.ldaprelay import ENTRY, HangUp, LdapRelay
from lab.people import PEOPLE, READER, People, entry, id_of
from lab.process import wait_for
from lab.slapd import FEDERATION
from synced import counts

NAMES = ["anna", "bert", "carl", "dora", "emil", "frida", "gustav", "hilde"]
MOVES = "ou=moves," + FEDERATION


def person(name, system, **more):
    return entry(name, True, mail="%s.%s@example.org" % (name, system), **more)


class Backend:
    """A system whose mailboxes are in a directory of its own."""

    def __init__(self, lab, name, names=tuple(NAMES), **settings):
        self.slapd, self.name = lab.slapd, name
        self.dn = "cn=%s,ou=systems,%s" % (name, FEDERATION)
        self.slapd.modify("dn: %s\nchangetype: add\nobjectClass: restanteBackend\ncn: %s\n" % (
            self.dn, name), "root")
        self.people = People(lab, "people-" + name.lower())
        self.people.load("\n".join(person(one, name.lower()) for one in names))
        lab.servers.append(self.people)
        self.people.start()
        self.keys = {
            "source": "ldap", "uri": self.people.uri, "bind": "simple", "bind_dn": READER,
            "password_file": self.people.password_file, "base": PEOPLE, "page": 3,
            "filter": "(objectClass=person)", "physical": "%%{uid}@%s.lab" % name.lower(),
            "attributes": "cn=cn sn=sn", "every": "0s", "full_every": "1d", "timeout": "5s",
            "max_delete_percent": 100, **settings}
        self.dirsync = Dirsync(lab, {name: self.keys}, name="dirsync-" + name.lower())

    def sync(self, *arguments, check=True):
        code, out = self.dirsync.once("--up", *arguments, self.name, check=check)
        return out if check else (code, out)

    def entries(self):
        """{name: attributes} by the physical address."""
        found = self.slapd.search("(restanteSystem=%s)" % self.name)
        return {e["mailroutingaddress"][0].split("@")[0]: {"dn": dn, **e} for dn, e in found}

    def was_full(self):
        return re.findall(r"up sync \w+ system=%s run=\S+ full=(\d)" % self.name,
                          self.dirsync.log_text())[-1] == "1"

    def move(self, number, **values):
        """A record of ou=moves; its DN."""
        dn = "cn=%s-%d,%s" % (self.name, number, MOVES)
        lines = ["%s: %s" % item for item in values.items()]
        self.slapd.modify("dn: %s\nchangetype: add\nobjectClass: restanteMove\ncn: %s-%d\n%s\n" % (
            dn, self.name, number, "\n".join(lines)), "root")
        return dn


@pytest.fixture(scope="module")
def lab():
    with Lab(start=("slapd",)) as one:
        yield one


def test_changes_alone_by_cookie(lab):
    backend = Backend(lab, "L1", delta="syncrepl", grace="0s")
    assert counts(backend.sync())["added"] == len(NAMES)
    assert backend.was_full()
    assert counts(backend.sync()) == counts("persons=0 added=0 changed=0 deleted=0 conflicts=0 "
                                            "refused=0")
    assert not backend.was_full()
    backend.people.add(entry("hans", mail="hans.l1@example.org"))
    backend.people.replace("anna", mail="anna2.l1@example.org")
    backend.people.delete("bert")
    found = counts(backend.sync())
    assert not backend.was_full()
    assert found["added"] == 1 and found["changed"] >= 2
    entries = backend.entries()
    assert entries["anna"]["mail"] == ["anna2.l1@example.org"]
    assert "anna.l1@example.org" in entries["anna"]["maillocaladdress"], "marked, still routed"
    assert "restantevanishedsince" in entries["bert"]
    assert "hans" in entries
    # the old address passes to somebody, by changes alone as well
    backend.people.replace("carl", mail="anna.l1@example.org")
    backend.people.replace("anna", mail="anna3.l1@example.org")
    backend.sync()
    assert not backend.was_full()
    entries = backend.entries()
    assert "anna.l1@example.org" in entries["carl"]["maillocaladdress"]
    assert "anna.l1@example.org" not in entries["anna"]["maillocaladdress"]
    # and full runs find nothing that changes alone have missed, but what may expire now
    for _ in range(3):
        backend.sync("--full")
        assert backend.was_full()
    assert counts(backend.sync("--full"))["changed"] == 0
    assert "bert" not in backend.entries()
    assert backend.entries()["anna"]["maillocaladdress"] == ["anna3.l1@example.org"]


def test_what_an_earlier_delta_has_marked_passes(lab):
    """To somebody else, by a delta that does not show who had it: an alias, and all of one who left."""
    backend = Backend(lab, "L10", delta="syncrepl")
    backend.people.replace("anna", mail=["anna.l10@example.org", "vip@example.org"])
    backend.sync()
    backend.people.replace("anna", mail="anna.l10@example.org")
    backend.people.delete("bert")
    backend.sync()
    assert backend.entries()["anna"]["restantevanishingaddress"][0].startswith("vip@")
    backend.people.replace("carl", mail=["carl.l10@example.org", "vip@example.org"])
    backend.people.replace("dora", mail=["dora.l10@example.org", "bert.l10@example.org"])
    found = counts(backend.sync())
    assert not backend.was_full() and (found["conflicts"], found["refused"]) == (0, 0)
    entries = backend.entries()
    assert "vip@example.org" in entries["carl"]["maillocaladdress"]
    assert "bert.l10@example.org" in entries["dora"]["maillocaladdress"]
    assert entries["anna"]["maillocaladdress"] == ["anna.l10@example.org"]
    assert "restantevanishingaddress" not in entries["anna"]
    assert "maillocaladdress" not in entries["bert"] and "restantevanishedsince" in entries["bert"]
    # what is not marked stays with whoever has it
    backend.people.replace("carl", mail=["carl.l10@example.org", "emil.l10@example.org"])
    assert counts(backend.sync())["conflicts"] == 1 and not backend.was_full()
    assert "emil.l10@example.org" in backend.entries()["emil"]["maillocaladdress"]


def test_what_is_pending_counts_once(lab):
    """However often deltas show the mailbox in which it is."""
    backend = Backend(lab, "L11", delta="syncrepl", max_delete=3)
    backend.people.replace("anna", mail=["anna.l11@example.org", "vip11@example.org"])
    backend.sync()
    backend.people.replace("anna", mail="anna.l11@example.org")
    backend.people.delete("bert")
    backend.sync()
    for number in range(4):
        backend.people.replace("anna", sn="Number %d" % number)
        assert counts(backend.sync())["changed"] == 1 and not backend.was_full()
    # and what is pending elsewhere counts on
    for name in ("carl", "dora"):
        backend.people.delete(name)
    code, out = backend.sync(check=False)
    assert code == 4 and "4 deletions are pending" in out and not backend.was_full()
    assert "restantevanishedsince" not in backend.entries()["carl"]


def test_what_a_delta_cannot_settle_is_settled_by_the_next_run(lab):
    backend = Backend(lab, "L12", delta="syncrepl", attributes="cn=cn sn=sn seeAlso=title")
    backend.people.replace("anna", mail=["anna.l12@example.org", "vip12@example.org"])
    backend.sync()

    def run(full):
        found = counts(backend.sync())
        assert backend.was_full() == full, backend.dirsync.log_tail(3)
        return found
    # listed by somebody else first, and dropped by its owner then
    backend.people.replace("carl", mail=["carl.l12@example.org", "vip12@example.org"])
    assert run(False)["conflicts"] == 1
    backend.people.replace("anna", mail="anna.l12@example.org")
    run(False)
    assert "vip12@example.org" in backend.entries()["anna"]["maillocaladdress"]
    run(True)
    assert "vip12@example.org" in backend.entries()["carl"]["maillocaladdress"]
    run(False)
    # refused: the next run tries it once more, and those after it need not
    backend.people.replace("emil", title="no DN")
    assert run(False)["refused"] == 1
    assert run(True)["refused"] == 1
    backend.people.replace("frida", title="cn=boss,dc=example,dc=org")
    assert run(False)["refused"] == 0


def test_an_address_that_waits_is_asked_for_by_its_id(lab):
    """Until the end of a hold each run reads that mailbox, and not all of them."""
    backend = Backend(lab, "L20", delta="syncrepl")

    def run():
        found = counts(backend.sync())
        assert not backend.was_full(), backend.dirsync.log_tail(5)
        return found
    backend.sync()
    dn = backend.entries()["dora"]["dn"]
    backend.slapd.replace(dn, restanteState="holding")
    backend.slapd.replace(backend.entries()["emil"]["dn"], restanteState="holding")
    for uid, new in (("dora", "doris"), ("emil", "emilia"), ("hilde", "holda")):
        backend.people.move(uid, to=PEOPLE, new=new)
    run()
    assert not {"doris", "emilia"} & set(backend.entries()) and "holda" in backend.entries()
    assert [run()["persons"] for _ in range(3)] == [2, 2, 2], "those alone that wait"
    # changed itself meanwhile: it counts once
    backend.people.replace("doris", sn="Doe")
    assert run()["changed"] == 1
    assert "two mailboxes of this id" not in backend.dirsync.log_text()
    backend.slapd.replace(dn, restanteState="active")
    run()
    assert "doris" in backend.entries() and "emilia" not in backend.entries()
    assert run()["persons"] == 1
    # whoever cannot be asked for by the id is left to a full run, which settles it
    backend.people.delete("emilia")
    full = []
    for _ in range(3):
        backend.sync()
        full.append(backend.was_full())
    assert not full[0] and not full[2]
    assert run()["persons"] == 0


def test_an_address_in_conflict_that_comes_free_goes_to_its_claimant(lab):
    """Whom no delta shows: he has not changed."""
    one, other = Backend(lab, "L14"), Backend(lab, "L15", delta="syncrepl")
    one.people.replace("anna", mail=["anna.l14@example.org", "vip14@example.org"])
    one.sync()
    other.people.replace("carl", mail=["carl.l15@example.org", "vip14@example.org"])
    other.people.add(entry("hans", mail="bert.l14@example.org"))
    other.sync()
    other.sync()
    assert not other.was_full(), "a conflict that stands makes no run full"
    assert "hans" not in other.entries()
    for owner, address in (("anna", "vip14@example.org"), ("bert", "bert.l14@example.org")):
        one.slapd.modify("dn: %s\nchangetype: modify\ndelete: mailLocalAddress\n"
                         "mailLocalAddress: %s\n" % (one.entries()[owner]["dn"], address), "root")
        other.sync()
        assert other.was_full()
        other.sync()
        assert not other.was_full()
    assert "vip14@example.org" in other.entries()["carl"]["maillocaladdress"]
    assert other.entries()["hans"]["maillocaladdress"] == ["bert.l14@example.org"]


def test_foreign_addresses_that_nobody_may_read_any_more(lab):
    """Replies to old mail need them."""
    backend = Backend(lab, "L13", foreign="title")
    for name in NAMES:
        backend.people.replace(name, title="/o=Old/cn=" + name)
    backend.sync()
    for name in NAMES[:4]:
        backend.people.replace(name, title=None)
    code, out = backend.sync(check=False)
    assert code == 4 and "4 of 8 entries" in out and "restanteForeignAddress" in out
    assert len(backend.slapd.search("(&(restanteSystem=L13)(restanteForeignAddress=*))")) == 8


def foreign_of(backend):
    """{name: (foreign addresses, whether one is marked)}"""
    return {name: (e.get("restanteforeignaddress", []), "restantevanishingaddress" in e)
            for name, e in backend.entries().items()}


def test_foreign_addresses_have_a_grace(lab):
    """Marked and kept, back where they are listed again, gone after the grace; approved once."""
    backend = Backend(lab, "L16", foreign="title", delta="syncrepl")
    for name in NAMES[:7]:
        backend.people.replace(name, title="/o=Old/cn=%s" % name)
    backend.sync()
    for name in NAMES[:4]:
        backend.people.replace(name, title=None)
    assert backend.sync(check=False)[0] == 4
    backend.slapd.replace(backend.dn, "operator",
                          restanteSyncApproval="lost/restanteForeignAddress:4")
    backend.sync()
    kept = {name: (["X500:/o=Old/cn=" + name] if name in NAMES[:7] else [], name in NAMES[:4])
            for name in NAMES}
    assert foreign_of(backend) == kept
    # nobody is asked again for what is marked: not by a delta in between, nor by a full run
    backend.people.replace("hilde", sn="Changed")
    assert counts(backend.sync())["changed"] == 1 and not backend.was_full()
    assert counts(backend.sync("--full"))["changed"] == 0 and foreign_of(backend) == kept
    backend.people.replace("anna", title="/o=old/cn=Anna")
    assert counts(backend.sync())["changed"] == 1
    assert foreign_of(backend)["anna"] == (["X500:/o=Old/cn=anna"], False)
    # but for more
    for name in NAMES[4:6]:
        backend.people.replace(name, title=None)
    code, out = backend.sync("--full", check=False)
    assert code == 4 and "5 of 7 entries" in out
    backend.slapd.replace(backend.dn, "operator",
                          restanteSyncApproval="lost/restanteForeignAddress:5")
    backend.keys["grace"] = "0s"
    backend.dirsync.configure()
    backend.sync()
    backend.sync("--full")
    left = foreign_of(backend)
    assert [name for name in NAMES if left[name][0]] == ["anna", "gustav"]
    assert not any(marked for _, marked in left.values())
    assert "approved" not in backend.slapd.read(backend.dn)["restanteupsyncoutcome"][0]


def test_changes_alone_by_time_delete_nothing(lab):
    backend = Backend(lab, "L2", delta="modifyTimestamp", delta_margin="1s")
    backend.sync()
    backend.people.replace("anna", sn="Changed")
    backend.people.delete("bert")
    assert counts(backend.sync())["changed"] == 1
    assert not backend.was_full()
    assert backend.entries()["anna"]["sn"] == ["Changed"]
    assert "restantevanishedsince" not in backend.entries()["bert"]
    backend.sync("--full")
    assert "restantevanishedsince" in backend.entries()["bert"]


def test_a_change_is_visible_at_once(lab):
    """By a source that pushes; the daemon need not be asked."""
    backend = Backend(lab, "L3", delta="syncrepl")
    backend.dirsync.start()
    try:
        backend.dirsync.ask("run", systems=["L3"], wait=True)
        for number in range(3):
            backend.people.replace("anna", sn="Number %d" % number)
            wait_for(lambda n=number: backend.entries()["anna"]["sn"] == ["Number %d" % n], 5,
                     "the change")
    finally:
        backend.dirsync.stop()


def after(count, then):
    """A tamper function: so many entries pass, then `then` says what becomes of a message."""
    seen = []

    def tamper(message):
        if message.op == ENTRY and message.dn:
            seen.append(message)
        return then(message) if len(seen) > count else [message]
    return tamper


def hang_up(message):
    raise HangUp()


def pull_through(backend, relay):
    backend.keys["uri"] = relay.uri
    backend.dirsync.configure()


def test_a_result_that_ends_in_the_middle_changes_nothing(lab):
    backend = Backend(lab, "L4")
    backend.sync()
    before = backend.entries()
    with LdapRelay(backend.people.port, after(4, hang_up), everything=True) as relay:
        pull_through(backend, relay)
        code, out = backend.sync(check=False)
    assert code == 1 and " incomplete " in out
    assert backend.slapd.read(backend.dn)["restanteupsyncfailed"]
    assert backend.entries() == before


def test_killed_and_stopped_in_the_middle_of_a_pull(lab):
    """The server falls silent; so the process is there for as long as the test wants."""
    backend = Backend(lab, "L9")
    with LdapRelay(backend.people.port, after(4, lambda message: []), everything=True) as relay:
        pull_through(backend, relay)
        for end in (signal.SIGKILL, signal.SIGTERM):
            relay.tamper = after(4, lambda message: [])
            # who was killed has it still
            before = backend.slapd.read(backend.dn).get("restanteuplease", [" - "])
            run = backend.dirsync.begin_once("--up", "L9")
            wait_for(lambda known=before: backend.slapd.read(backend.dn).get(
                "restanteuplease", known) != known, 30, "the run to begin")
            run.send_signal(end)
            run.communicate(timeout=30)
            assert run.returncode == (1 if end == signal.SIGTERM else -end)
            assert backend.entries() == {}
        assert " - " in backend.slapd.read(backend.dn)["restanteuplease"][0], "given back"
        relay.tamper = None
        assert counts(backend.sync())["added"] == len(NAMES)


# --- moves ----------------------------------------------------------------------------------------

def test_an_open_move_explains_the_claims_of_both(lab):
    """What the assignee reports for the second mailbox goes to the move, and makes no entry."""
    one, other = Backend(lab, "L5"), Backend(lab, "L6", names=("zoe", "second"))
    one.sync()
    address = "anna.l5@example.org"
    other.people.replace("second", mail=address)
    move = one.move(1, restanteMoveAddress=address, restanteMoveTarget="L6", restanteMoveState=4,
                    restanteMovePhysical="second@l6.lab", restanteMoveSourceId=id_of("second"),
                    restanteMoveAssignor="L5", restanteMoveOldSourceId=id_of("anna"))
    found = counts(other.sync())
    assert found["conflicts"] == 0
    assert set(other.entries()) == {"zoe"}
    assert one.slapd.read(move)["restantemoveclaim"] == [address]
    before = one.slapd.read(move)["entrycsn"]
    assert counts(other.sync())["changed"] == 0
    assert one.slapd.read(move)["entrycsn"] == before
    # the present owner's new physical address waits for the end of the move
    assert counts(one.sync())["changed"] == 0
    assert address in one.entries()["anna"]["maillocaladdress"]


def test_a_daemon_knows_the_records_as_they_are(lab):
    """It keeps what it has read of them: what is made, changed and deleted after that counts."""
    one, other = Backend(lab, "L21"), Backend(lab, "L22", names=("zoe", "second"))
    one.sync()
    address = "anna.l21@example.org"
    other.people.replace("second", mail=address)
    other.dirsync.start()
    try:
        def conflicts():
            other.dirsync.ask("run", systems=["L22"], direction="up", full=True, wait=True)
            return int(re.findall(r"up sync complete system=L22 .*conflicts=(\d+)",
                                  other.dirsync.log_text())[-1])
        assert conflicts() == 1
        move = one.move(1, restanteMoveAddress=address, restanteMoveTarget="L22",
                        restanteMoveAssignor="L21", restanteMoveState=4,
                        restanteMoveSourceId=id_of("second"))
        assert conflicts() == 0
        one.slapd.replace(move, "root", restanteMoveOutcome="cancelled")
        assert conflicts() == 1
        one.slapd.replace(move, "root", restanteMoveOutcome=None)
        assert conflicts() == 0
        one.slapd.modify("dn: %s\nchangetype: delete\n" % move, "root")
        assert conflicts() == 1
        move = one.move(2, restanteMoveAddress=address, restanteMoveTarget="L22",
                        restanteMoveAssignor="L21", restanteMoveState=4,
                        restanteMoveSourceId=id_of("second"))
        assert conflicts() == 0
        one.slapd.modify("dn: %s\nchangetype: delete\n" % move, "root")
        one.slapd.stop()
        one.slapd.start()  # which changes it had told is forgotten: what is there is told anew
        assert conflicts() == 1
    finally:
        other.dirsync.stop()


def test_a_finished_move_explains_the_old_mailbox_until_it_is_gone(lab):
    one, other = Backend(lab, "L7"), Backend(lab, "L8", names=("zoe", "second"))
    one.sync()
    address = "anna.l7@example.org"
    other.people.replace("second", mail=address)
    dn = one.entries()["anna"]["dn"]
    one.slapd.modify(
        "dn: %s\nchangetype: modify\nreplace: restanteSystem\nrestanteSystem: L8\n-\n"
        "replace: mailRoutingAddress\nmailRoutingAddress: second@l8.lab\n-\n"
        "replace: restanteSourceId\nrestanteSourceId: %s\n" % (dn, id_of("second")), "root")
    move = one.move(1, restanteMoveAddress=address, restanteMoveTarget="L8", restanteMoveState=10,
                    restanteMovePhysical="second@l8.lab", restanteMoveSourceId=id_of("second"),
                    restanteMoveAssignor="L7", restanteMoveOldSourceId=id_of("anna"),
                    restanteMoveOldPhysical="anna@l7.lab")
    assert counts(one.sync())["conflicts"] == 0
    assert "anna" not in one.entries()
    assert "restantemoveoldgone" not in one.slapd.read(move)
    assert counts(other.sync())["conflicts"] == 0
    # settings that leave it out are no deletion
    one.keys["filter"] = "(&(objectClass=person)(!(uid=anna)))"
    one.dirsync.configure()
    one.sync()
    assert "restantemoveoldgone" not in one.slapd.read(move)
    one.keys["filter"] = "(objectClass=person)"
    one.dirsync.configure()
    one.sync()
    one.people.delete("anna")
    assert counts(one.sync())["deleted"] == 0
    assert one.slapd.read(move)["restantemoveoldgone"]
    assert address in other.entries()["second"]["maillocaladdress"]
