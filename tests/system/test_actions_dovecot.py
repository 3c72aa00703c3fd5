"""Actions on Dovecot with accounts in LDAP, as contrib/actions ships them: a real slapd that refuses
two entries with one address, a Dovecot that authenticates and delivers from it, a Postfix behind it."""

import imaplib
import os
import shutil
import smtplib

import pytest

from actions import SHIPPED, UUID, Actions, person
from backends import deliver, existing, inbox, keys, lab, s2, sieve  # noqa: F401 (fixtures)
from lab.dirsync import Dirsync
from lab.process import wait_for

pytestmark = pytest.mark.postfix  # nothing of it is the MTA's

ACCESS = "carla@example.org"


@pytest.fixture(scope="module")
def actions(lab, s2):
    with Actions(lab, {"S2": keys(s2), "SIEVE": keys(s2, **sieve(s2))}) as running:
        yield running


# --- the second mailbox ---------------------------------------------------------------------------

def test_second_mailbox_from_its_making_to_its_addresses(lab, s2, actions):
    who = person("carla", addresses=[ACCESS, "c.carla@example.org", "@example.org"],
                 attributes={"cn": ["Carla (X) *, Jr"], "sn": ["Carla"], "userPassword": ["pw"]})
    contact = s2.ldap.add("cn=%s,%s" % (UUID, s2.ldap.contacts), objectClass="inetOrgPerson",
                          sn="Carla", displayName="Carla", mail=ACCESS, employeeType="restante",
                          cn=UUID)
    uuid = s2.ldap.one("(mail=%s)" % ACCESS)[1]["entryuuid"]
    made = actions.does("S2", "create", **who)
    assert made["physical"] == "carla@s2.lab" and [made["source_id"]] == uuid
    # still the contact that it was: marker, address
    dn, entry = s2.ldap.one("(mail=%s)" % ACCESS)
    assert dn == contact and entry["employeetype"] == ["restante"]
    who.update(physical=made["physical"], source_id=made["source_id"], other="carla@s1.lab")
    assert actions.asks("S2", "empty", **who)["empty"]

    # what arrives goes to the first, and none is kept
    actions.does("S2", "redirect", **who)
    deliver(s2, "carla")
    wait_for(lambda: lab.imap("S1", "carla").count() == 1, what="mail at the first mailbox")
    assert actions.asks("S2", "empty", **who)["empty"]

    # addresses: the contact is consumed, though the directory refuses an address that is there twice
    actions.does("S2", "addresses", **who)
    dn, entry = s2.ldap.one("(mail=%s)" % ACCESS)
    assert dn == "uid=carla," + s2.ldap.people
    assert entry["maillocaladdress"] == ["c.carla@example.org"] and "employeetype" not in entry
    assert entry["entryuuid"] == uuid and entry["cn"] == ["Carla (X) *, Jr"]
    assert sorted(actions.asks("S2", "list", **who)["addresses"]) == [
        "c.carla@example.org", ACCESS]
    # the directory gets one more
    who["addresses"].append("cc@example.org")
    actions.does("S2", "addresses", **who)
    assert "cc@example.org" in actions.asks("S2", "list", **who)["addresses"]

    actions.does("S2", "unredirect", **who)
    deliver(s2, "carla")
    assert inbox(s2, "carla", "pw") == 1
    assert actions.asks("S2", "empty", **who)["empty"] is False

    # rollback: the contact is back, the mailbox goes
    actions.does("S2", "unaddress", **who)
    dn, entry = s2.ldap.one("(mail=%s)" % ACCESS)
    assert dn == contact and entry["employeetype"] == ["restante"] and entry["cn"] == [UUID]
    assert "maillocaladdress" not in entry and entry["uid"] == ["carla"]
    actions.does("S2", "delete", **who)
    dn, entry = s2.ldap.one("(mail=%s)" % ACCESS)
    assert dn == contact and entry["objectclass"] == ["inetOrgPerson"] and "uid" not in entry
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        deliver(s2, "carla")
    s2.ldap.modify("dn: %s\nchangetype: delete\n" % contact)


def test_account_name_that_is_taken(s2, actions):
    s2.make_account("taken")
    said = actions.run("S2", "create", **person("taken", address="other@example.org"))
    assert said["outcome"] == "refused"
    assert said["text"].startswith("an account of this name is there already; ")
    assert not s2.ldap.search(s2.ldap.contacts, "(uid=taken)")


def test_without_contact_one_is_made(s2, actions):
    who = person("emil")
    made = actions.does("S2", "create", **who)
    dn, entry = s2.ldap.one("(mail=emil@example.org)")
    assert dn == "cn=%s,%s" % (UUID, s2.ldap.contacts) and entry["employeetype"] == ["restante"]
    who.update(physical=made["physical"], source_id=made["source_id"])
    actions.does("S2", "delete", **who)
    s2.ldap.modify("dn: %s\nchangetype: delete\n" % dn)


def test_missing_attribute_writes_nothing(s2, actions):
    before = s2.ldap.versions()
    said = actions.run("S2", "create", **person("fritz", attributes={}))
    assert said["outcome"] == "refused"
    assert said["text"] == "create.ldif:59: sn: no value of sn|cn"
    said = actions.run("S2", "redirect", **person("fritz", other="fritz@s1.lab"))
    assert said["outcome"] == "refused"
    assert said["text"] == "redirect.ldif:17: filter: no value of source_id"
    assert s2.ldap.versions() == before


def test_account_that_was_deleted_by_hand(s2, actions):
    who = person("gone", source_id="5d0c1c9e-0000-4a7b-9d11-0000000000ff", other="gone@s1.lab")
    for name in ("redirect", "addresses", "close"):
        said = actions.run("S2", name, **who)
        assert said["outcome"] == "refused", name
        assert said["text"].startswith("there is no account with this id any more"), said
    assert actions.run("S2", "list", **who)["outcome"] == "refused"
    for name in ("unredirect", "open", "delete"):
        assert actions.run("S2", name, **who)["outcome"] == "already", name


def test_redirection_to_itself_is_refused(s2, actions):
    dn, who = existing(s2, "gerda")
    for name in ("S2", "SIEVE"):
        said = actions.run(name, "redirect", **{**who, "other": "Gerda@S2.lab"})
        assert said["outcome"] == "refused"
        assert said["text"] == "a redirection of Gerda@S2.lab to itself would be a loop"


# --- the old mailbox ------------------------------------------------------------------------------

def test_old_mailbox_forwards_then_goes_to_quarantine(lab, s2, actions):
    dn, who = existing(s2, "hugo", password="pw", description="of the basement")
    kept = deliver(s2, "hugo")
    actions.does("S2", "redirect", **who)
    deliver(s2, "hugo")
    wait_for(lambda: lab.imap("S1", "hugo").count() == 1, what="mail at the other mailbox")
    assert inbox(s2, "hugo", "pw") == 1 and kept

    actions.does("S2", "delete", **who)
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        deliver(s2, "hugo")
    with pytest.raises(imaplib.IMAP4.error):
        inbox(s2, "hugo", "pw")
    moved, entry = s2.ldap.one("(entryUUID=%s)" % who["source_id"])
    assert moved == "cn=%s,%s" % (who["identifier"], s2.ldap.quarantine)
    assert sorted(entry["description"]) == [
        "had the address hugo@example.org", "of the basement",
        "quarantined by move %s: hugo, home %s/mail/hugo" % (who["identifier"], s2.dir)]
    # its mail is where it was
    assert os.listdir(os.path.join(s2.dir, "mail/hugo/Maildir/new") )

    actions.does("S2", "contact", **who)
    dn, entry = s2.ldap.one("(mail=hugo@example.org)")
    assert dn == "cn=%s,%s" % (UUID, s2.ldap.contacts)
    # and he may come back: another home, another account
    again = actions.does("S2", "create", **{**who, "physical": "", "source_id": "",
                                            "identifier": "20261222T190000Z-00000002"})
    assert again["source_id"] != who["source_id"]
    s2.ldap.modify("dn: %s\nchangetype: delete\n" % dn)
    s2.ldap.modify("dn: %s\nchangetype: delete\n" % moved)


def test_closed_mailbox_refuses_logins_and_ends_sessions(s2, actions):
    dn, who = existing(s2, "ida", password="pw")
    session = imaplib.IMAP4("127.0.0.1", s2.imap_port)
    session.login("ida", "pw")
    actions.does("S2", "close", **who)
    with pytest.raises((imaplib.IMAP4.error, OSError)):
        for _ in range(3):
            session.noop()
    with pytest.raises(imaplib.IMAP4.error):
        inbox(s2, "ida", "pw")
    deliver(s2, "ida")  # mail still arrives
    assert actions.asks("S2", "empty", **who)["empty"] is False  # and the mover gets in
    actions.does("S2", "open", **who)
    assert inbox(s2, "ida", "pw") == 1


def test_users_own_forwarding_is_kept_and_comes_back(lab, s2, actions):
    """Through redirections to one place, then another, as of two moves with nothing between them."""
    own = "own@outside.test"
    dn, who = existing(s2, "jana", objectClass=["inetOrgPerson", "posixAccount",
                                                "inetLocalMailRecipient"], mailRoutingAddress=own)
    forwards = lambda: s2.ldap.one("(uid=jana)")[1].get("mailroutingaddress")  # noqa: E731
    assert actions.run("S2", "unredirect", **who)["outcome"] == "already" and forwards() == [own]
    actions.does("S2", "redirect", **who)
    actions.does("S2", "redirect", **{**who, "other": "jana@s3.lab"})
    assert forwards() == ["jana@s3.lab"]
    # by a later move, whose other mailbox is elsewhere
    actions.does("S2", "unredirect", **who)
    assert forwards() == [own] and not s2.ldap.search(s2.ldap.quarantine, "(cn=forwarding-*)")
    actions.does("S2", "redirect", **who)
    actions.does("S2", "delete", **who)
    moved, entry = s2.ldap.one("(entryUUID=%s)" % who["source_id"])
    assert "forwarded to " + own in entry["description"]
    assert list(s2.ldap.search(s2.ldap.quarantine, "(cn=*)")) == [moved]
    s2.ldap.modify("dn: %s\nchangetype: delete\n" % moved)


def session_of(s2, user):
    imap = imaplib.IMAP4("127.0.0.1", s2.imap_port)
    imap.login(user, "secret")
    return imap


def is_open(session):
    try:
        for _ in range(3):
            session.noop()
    except (imaplib.IMAP4.error, OSError):
        return False
    return True


@pytest.mark.parametrize("name, others", (
    ("10.1.2.3", ("10.1.2.4",)),   # doveadm takes it for an IP address
    ("x?y", ("xay",)), ("x*", ("xavier",))))
def test_only_the_sessions_of_one_are_ended(s2, actions, name, others):
    dn, who = existing(s2, name)
    sessions = {}
    for user in (name, *others):
        if user != name:
            s2.make_account(user)
        try:
            sessions[user] = session_of(s2, user)
        except imaplib.IMAP4.error:
            assert user == name and not name.isalnum()  # Dovecot as shipped refuses such logins
    actions.does("S2", "close", **who)
    for user, session in sessions.items():
        assert is_open(session) == (user != name), user


def test_kicker_without_its_scheme(lab, s2, tmp_path):
    settings = keys(s2)
    settings["settings"] = settings["settings"].replace("doveadm=http://", "doveadm=")
    dn, who = existing(s2, "jonas")
    with Actions(lab, {"S2": settings}, name="scheme") as actions:
        said = actions.run("S2", "close", **who)
    assert said["outcome"] == "refused" and "begins with http://" in said["text"], said


@pytest.mark.parametrize("local, name", (
    ("j\u00f6rg", "j_c3_b6rg"), ("../../up", "_2e./../up"), ("a/b", "a_2fb"), ("UP.per+x", "up.per+x"),
    ("%u", "_25u"), ('"with space"', "_22with_20space_22")))
def test_local_parts_that_are_no_names(s2, actions, local, name):
    """Neither a path elsewhere, nor a physical address that is not ASCII."""
    name = name.replace("/", "_2f")
    who = person("x", address=local + "@example.org", primary=local + "@example.org",
                 addresses=[local + "@example.org"])
    who["attributes"]["mail"] = ["plain@example.org"]
    said = actions.run("S2", "create", **who)
    found = s2.ldap.search(s2.ldap.contacts, "(objectClass=posixAccount)")
    if said["outcome"] == "done":
        (dn, entry), = found.items()
        assert said["physical"] == name + "@s2.lab" and entry["uid"] == [name]
        assert entry["homedirectory"] == ["%s/mail/%s-%s" % (s2.dir, name, who["identifier"])]
    else:  # an IA5String has no such address
        assert not local.isascii() and not found and said["outcome"] == "refused", said
    for dn in s2.ldap.search(s2.ldap.contacts, "(cn=%s)" % UUID):
        s2.ldap.modify("dn: %s\nchangetype: delete\n" % dn)


# --- a step that was cut off ----------------------------------------------------------------------

CHANGES = ("create", "redirect", "unredirect", "addresses", "unaddress", "redirect", "addresses",
           "close", "open", "delete", "contact")


def cut(name, records):
    """A shipped template with no more than so many of its records."""
    with open(os.path.join(SHIPPED, "dovecot-ldap", name + ".ldif")) as text:
        blocks = text.read().split("\n\n")
    kept = [b for b in blocks if "\ndn:" not in "\n" + b]
    of_records = [b for b in blocks if "\ndn:" in "\n" + b]
    return "\n\n".join(kept + of_records[:records]) + "\n", len(of_records)


@pytest.mark.parametrize("with_contact", (False, True))
def test_cut_off_behind_any_write(lab, s2, tmp_path, with_contact):
    """Each action as if the controller had died behind each of its writes, then once more."""
    shipped = {name: "dovecot-ldap/%s.ldif" % name for name in set(CHANGES)}
    who = person("karl", addresses=["karl@example.org", "k@example.org"], other="karl@s1.lab")
    if with_contact:
        s2.ldap.add("cn=%s,%s" % (UUID, s2.ldap.contacts), objectClass="inetOrgPerson", sn="Karl",
                    mail="karl@example.org", employeeType="restante", cn=UUID)
    systems = {"WHOLE": keys(s2, **shipped)}
    for name in set(CHANGES):
        for number in range(cut(name, 0)[1]):
            path = tmp_path / ("%s%d.ldif" % (name, number))
            path.write_text(cut(name, number)[0])
            systems["%s%d" % (name.upper(), number)] = keys(s2, **{name: str(path)})
    with Actions(lab, systems, name="cut%d" % with_contact) as actions:
        for name in CHANGES:
            for number in range(cut(name, 0)[1]):
                said = actions.run("%s%d" % (name.upper(), number), name, **who)
                assert said["outcome"] in ("failed", "done", "already"), (name, number, said)
            said = actions.run("WHOLE", name, **who)
            assert said["outcome"] in ("done", "already"), (name, said)
            assert actions.run("WHOLE", name, **who)["outcome"] == "already", name
            if name == "create":
                who.update(physical=said["physical"], source_id=said["source_id"])
    dn, entry = s2.ldap.one("(mail=karl@example.org)")
    assert dn == "cn=%s,%s" % (UUID, s2.ldap.contacts)
    s2.ldap.modify("dn: %s\nchangetype: delete\n" % dn)
    s2.ldap.modify("dn: cn=%s,%s\nchangetype: delete\n" % (who["identifier"], s2.ldap.quarantine))


def test_store_that_is_not_there_is_not_empty(lab, s2):
    """Its mount point is: Dovecot shows everybody an INBOX without messages."""
    settings = keys(s2)
    settings["empty"] += " --witness wanda"
    s2.make_account("wanda")
    dn, who = existing(s2, "willi")
    with Actions(lab, {"S2": settings}, name="witness") as actions:
        said = actions.run("S2", "empty", **who)
        assert said["outcome"] == "failed" and "it is no witness" in said["text"], said
        deliver(s2, "wanda")
        assert actions.asks("S2", "empty", **who)["empty"]
        deliver(s2, "willi")
        assert actions.asks("S2", "empty", **who)["empty"] is False
        os.rename(s2.dir + "/mail", s2.dir + "/unmounted")
        os.mkdir(s2.dir + "/mail")
        os.chown(s2.dir + "/mail", int(s2.uid), int(s2.gid))
        try:
            said = actions.run("S2", "empty", **who)
            assert said["outcome"] == "failed" and "the store is not there" in said["text"], said
        finally:
            shutil.rmtree(s2.dir + "/mail")
            os.rename(s2.dir + "/unmounted", s2.dir + "/mail")
        assert actions.asks("S2", "empty", **who)["empty"] is False


# --- trouble --------------------------------------------------------------------------------------

def test_servers_that_are_down(lab, s2, actions):
    dn, who = existing(s2, "olga")
    s2.ldap.stop()
    try:
        said = actions.run("S2", "redirect", **who)
        assert said["outcome"] == "failed" and s2.ldap.uri in said["text"], said
    finally:
        s2.ldap.start()
    actions.does("S2", "redirect", **who)
    s2.stop()
    try:
        for action in ("redirect", "unredirect"):
            said = actions.run("SIEVE", action, **who)
            assert said["outcome"] == "failed", said
            assert said["text"].startswith("sieve-redirect: "), said
        said = actions.run("S2", "empty", **who)
        assert said["outcome"] == "failed" and "imap-empty: " in said["text"], said
    finally:
        s2.start()


def test_wrong_password_is_refused(lab, s2, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong\n")
    wrong.chmod(0o600)
    dn, who = existing(s2, "paul")
    settings = keys(s2, **sieve(s2, wrong))
    with Actions(lab, {"S2": settings}, name="wrong") as actions:
        said = actions.run("S2", "redirect", **who)
    assert said["outcome"] == "refused" and "no login of restante for paul" in said["text"], said


# --- the down sync --------------------------------------------------------------------------------

def test_contact_is_the_down_syncs_own(lab, s2, actions):
    """A mailbox of S1 is in S2's address book: what `contact` puts there is what dirsync would."""
    slapd = lab.slapd
    found = slapd.search("(restanteSystem=S1)")
    downs = {"S2": {**s2.ldap.bind(), "target": "ldap", "container": s2.ldap.contacts,
                    "search_base": s2.ldap.suffix, "object_class": "inetOrgPerson", "rdn": "cn",
                    "search_addresses": "mail mailLocalAddress", "marker": "employeeType=restante",
                    "attributes": "sn=%{sn|cn} givenName=%{givenName} displayName=%{displayName|cn} "
                                  "mail=%{primary} telephoneNumber=%{telephoneNumber}"}}
    dirsync = Dirsync(lab, downs=downs)
    assert found
    for dn, entry in found:
        addresses = sorted(entry.get("maillocaladdress", []) + entry.get("restanteaddressutf8", []))
        if all(address.startswith("@") for address in addresses):
            continue  # a catch-all is no contact
        who = person("x", id=entry["entryuuid"][0], address=addresses[0],
                     primary=entry.get("mail", addresses)[0], addresses=addresses,
                     attributes={name: entry.get(name.lower(), []) for name in (
                         "cn", "sn", "givenName", "displayName", "telephoneNumber")})
        actions.does("S2", "contact", **who)
    put = s2.ldap.versions()
    dirsync.once("--down", "S2")
    after = s2.ldap.versions()
    assert {dn: after.get(dn) for dn in put} == put, "what was put there was changed"
    assert not dirsync.kept_reports("S2", "down")
