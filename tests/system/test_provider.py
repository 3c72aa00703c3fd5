"""A provider that breaks RFC 4533: what it cuts off, garbles, repeats, reorders or dates back is told
from what it means, or the connection is given up; nothing is deleted, nothing goes back, and once it
behaves all is well by itself."""

import os
import shutil
import uuid

import pytest

from lab.lab import Lab
from lab.ldaprelay import (ADD, DELETE, ENTRY, ID_SET, INFO, MODIFY, REFRESH_DELETE,
                           REFRESH_PRESENT, HangUp, LdapRelay, decode, encode)
from replica import Replica, count

ANNA, BERT = "anna@example.org", "bert@example.org"


@pytest.fixture(scope="module", name="lab")
def _lab():
    with Lab(start=("slapd",)) as lab:
        yield lab


@pytest.fixture
def relay(lab):
    with LdapRelay(lab.slapd.port) as one:
        yield one


@pytest.fixture
def replica(lab, relay):
    """Behind the relay; not started, and empty."""
    one = Replica(lab, uris=relay.uri)
    yield one
    one.kill()
    shutil.rmtree(one.dir, ignore_errors=True)


def settle(lab):
    """The tree as the tests expect it."""
    lab.slapd.replace(lab.slapd.mailbox_dn("anna"), mailRoutingAddress="anna@s1.lab")


def move(lab, physical):
    lab.slapd.replace(lab.slapd.mailbox_dn("anna"), mailRoutingAddress=physical)


# --- values that are none ---------------------------------------------------------------------


def changed_state(message, change):
    """The Sync State control of an entry with its parts changed."""
    parts = decode(message.sync)[0][1]
    change(parts)
    return encode([[0x30, parts]])


def short_uuid(parts):
    parts[1][1] = parts[1][1][:-1]


def unknown_state(parts):
    parts[0][1] = b"\x09"


def no_uuid(parts):
    del parts[1:]


def bad_cookie(parts):
    parts[2:] = [[0x04, b"rid=000,csn=yesterday"]]


def entry_with(change):
    return lambda m: changed_state(m, change) if m.op == ENTRY else m.sync


def cut(op, keep):
    return lambda m: m.sync[:keep] if m.op == op else m.sync


def info(value):
    return lambda m: value if m.op == INFO else m.sync


FAULTS = {
    "no state": (cut(ENTRY, 0), "Sync State"),
    "a state cut off in its length": (cut(ENTRY, 1), "Sync State"),
    "a state cut off in its uuid": (cut(ENTRY, 12), "Sync State"),
    "an entryUUID of 15 bytes": (entry_with(short_uuid), "Sync State"),
    "a state that is unknown": (entry_with(unknown_state), "Sync State"),
    "a state without entryUUID": (entry_with(no_uuid), "Sync State"),
    "a cookie that is none": (entry_with(bad_cookie), "malformed cookie"),
    "an info of no kind": (info(b"\xa9\x00"), "malformed Sync Info"),
    "an info cut off": (cut(INFO, 3), "malformed Sync Info"),
    "an info with a cookie that is none": (
        info(encode([[REFRESH_PRESENT, [[0x04, b"rid=000,csn=2026#"]]]])), "malformed cookie"),
    "a set with half an entryUUID": (
        info(encode([[ID_SET, [[0x31, [[0x04, b"x" * 8]]]]]])), "malformed Sync Info"),
    "a length beyond the end": (info(b"\xa2\x84\x7f\xff\xff\xff"), "malformed Sync Info"),
}


@pytest.mark.parametrize("kind", sorted(FAULTS))
def test_a_value_that_is_none(lab, relay, replica, kind):
    """In the first load nothing is believed; later the replica stays as it is. Then all is well."""
    garble, said = FAULTS[kind]

    def tamper(message):
        message.sync = garble(message)
        return [message]

    settle(lab)
    relay.tamper = tamper
    replica.start().wait_log(said)
    assert not replica.view()["loaded"] and replica.verdict(ANNA) == "tryagain"
    relay.tamper = None
    replica.wait_loaded()
    cookie = replica.status()["cookie"]
    replica.stop()
    move(lab, "anna@s3.lab")
    mark = len(replica.log_text())
    relay.tamper = tamper
    replica.start().wait_log(said, after=mark)
    assert replica.verdict(BERT) == "rewrite" and replica.status()["cookie"] == cookie
    assert replica.view()["mailboxes"] == count(lab)
    relay.tamper = None
    replica.wait_physical(ANNA, "anna@s3.lab")
    assert replica.view()["mailboxes"] == count(lab)
    replica.stop()


@pytest.mark.parametrize("last", [
    b"", b"\x30\x84\x7f\xff\xff\xff\x02", b"GET / HTTP/1.0\r\n\r\n", b"\x30\x03\x02\x01",
    b"\x30\x0c\x02\x01\x03\x64\x07\x04\x84\xff\xff\xff\xff\x30"],
    ids=["nothing", "two gigabytes", "no LDAP", "cut off", "a name without an end"])
def test_closed_in_the_middle_of_a_refresh(lab, relay, replica, last):
    """After some entries, with garbage for a farewell: first in the first load, then in a refresh
    that tells of deletions by absence."""
    passed, ends = [], []

    def tamper(message):
        passed.append(message)
        if len(passed) % 5 == 0 or message.info in (REFRESH_PRESENT, REFRESH_DELETE):
            ends.append(message)
            raise HangUp(last)
        return [message]

    settle(lab)
    relay.tamper = tamper
    replica.start()
    replica.wait("two tries", lambda: len(ends) >= 2)
    assert not replica.view()["loaded"] and replica.verdict(ANNA) == "tryagain"
    relay.tamper = None
    replica.wait_loaded()
    mailboxes, cookie = replica.view()["mailboxes"], replica.status()["cookie"]
    replica.stop()
    move(lab, "anna@s3.lab")
    lab.slapd.restart()  # its session log is gone: a present phase
    del ends[:]
    relay.tamper = tamper
    replica.start()
    replica.wait("two tries", lambda: len(ends) >= 2)
    assert replica.view()["mailboxes"] == mailboxes and replica.status()["cookie"] == cookie
    assert replica.verdict(BERT) == "rewrite"
    relay.tamper = None
    replica.wait_physical(ANNA, "anna@s3.lab")
    assert replica.view()["mailboxes"] == mailboxes
    replica.stop()


# --- out of order -----------------------------------------------------------------------------


def entry_uuid(lab, uid):
    return uuid.UUID(lab.slapd.read(lab.slapd.mailbox_dn(uid))["entryuuid"][0]).bytes


def test_present_after_the_end_of_the_refresh(lab, relay, replica):
    """One entry is left out of the present list and comes after it: what was taken for a deletion
    was none, and all is read again."""
    settle(lab)
    replica.start().wait_loaded()
    mailboxes = replica.view()["mailboxes"]
    replica.stop()
    move(lab, "anna@s3.lab")
    lab.slapd.restart()  # its session log is gone: a present phase
    late = entry_uuid(lab, "bert")
    kept = []

    def tamper(message):
        if message.info == ID_SET and late in message.sync:
            body = decode(message.sync)[0][1]
            rest = [item for item in body[-1][1] if item[1] != late]
            message.sync = encode([[ID_SET, body[:-1] + [[0x31, rest]]]])
            kept.append(encode([[ID_SET, [[0x31, [[0x04, late]]]]]]))
        if message.info != REFRESH_PRESENT or not kept:
            return [message]
        first = message.bytes()
        message.sync = kept.pop()
        return [first, message]

    relay.tamper = tamper
    replica.start()
    replica.wait_log("after the end of its refresh")
    replica.wait_physical(ANNA, "anna@s3.lab")
    replica.wait_verdict(BERT, "rewrite")
    assert replica.view()["mailboxes"] == mailboxes
    replica.stop()


def test_the_end_of_the_refresh_before_its_entries(lab, relay, replica):
    """Nothing serves before everything is there that a load must have; what comes later is taken."""
    settle(lab)
    waiting = []

    def tamper(message):
        if message.op == ENTRY and message.state == ADD and ("uid=bert" in message.dn or
                                                             "uid=anna" in message.dn):
            waiting.append(message.bytes())
            return []
        if message.info not in (REFRESH_PRESENT, REFRESH_DELETE):
            return [message]
        return [message] + waiting[::-1]

    relay.tamper = tamper
    replica.start().wait_loaded()
    replica.wait_physical(ANNA, "anna@s1.lab")
    replica.wait_verdict(BERT, "rewrite")
    replica.wait_view(mailboxes=count(lab))
    replica.stop()


# --- again, and from before -------------------------------------------------------------------


def test_everything_twice(lab, relay, replica):
    """Entries, deletions, infos, in the load, in a refresh, and pushed."""
    settle(lab)
    relay.tamper = lambda message: [message, message]
    replica.start().wait_loaded()
    lab.slapd.add_mailbox("twin")
    replica.wait_verdict("twin@example.org", "rewrite")
    move(lab, "anna@s3.lab")
    replica.wait_physical(ANNA, "anna@s3.lab")
    replica.wait_view(mailboxes=count(lab))
    replica.stop()
    move(lab, "anna@s1.lab")
    lab.slapd.add_mailbox("second")
    replica.start().wait_physical(ANNA, "anna@s1.lab")
    for uid in ("twin", "second"):
        lab.slapd.modify("dn: %s\nchangetype: delete\n" % lab.slapd.mailbox_dn(uid))
        replica.wait("%s to be gone" % uid,
                     lambda uid=uid: replica.lookup(uid + "@example.org")["vanished"])
    replica.wait_view(mailboxes=count(lab))
    straight = Replica(lab, name="straight").start()
    straight.wait_loaded()
    for fact in ("mailboxes", "addresses", "epoch"):
        assert straight.view()[fact] == replica.view()[fact], fact
    assert straight.status()["cookie"] == replica.status()["cookie"]
    straight.stop()
    replica.stop()


def test_an_entry_from_before(lab, relay, replica):
    """A version that is older than ours is not taken, whether it is shown or pushed; nor does a
    cookie from before move the vector."""
    settle(lab)
    replica.start().wait_loaded()
    old = replica.status()["cookie"]
    move(lab, "anna@s3.lab")
    replica.wait_physical(ANNA, "anna@s3.lab")
    cookie = replica.status()["cookie"]
    assert cookie != old

    def tamper(message):
        if message.op == ENTRY and message.state in (ADD, MODIFY) and "uid=anna" in message.dn:
            message.values("entryCSN")[0][1] = b"20200101000000.000000Z#000000#000#000000"
            message.values("mailRoutingAddress")[0][1] = b"anna@old.lab"
            message.sync = changed_state(message, lambda parts: parts.__setitem__(
                slice(2, None), [[0x04, old.encode()]]))
        return [message]

    relay.tamper = tamper
    mark = len(replica.log_text())
    lab.slapd.replace(lab.slapd.mailbox_dn("anna"), description="touched")
    replica.wait_log("version is older", after=mark)
    assert replica.physical(ANNA) == "anna@s3.lab" and replica.status()["cookie"] == cookie
    replica.restart()
    replica.wait_loaded()
    assert replica.physical(ANNA) == "anna@s3.lab"
    relay.tamper = None
    move(lab, "anna@s2.lab")
    replica.wait_physical(ANNA, "anna@s2.lab")
    assert replica.status()["cookie"] > cookie
    replica.stop()


def test_a_deletion_of_what_is_not_there(lab, relay, replica):
    """Deletions of unknown entries, and of one entry again and again."""
    settle(lab)

    def tamper(message):
        if message.op != ENTRY or message.state != MODIFY:
            return [message]
        first = message.bytes()
        message.sync = encode([[0x30, [[0x0a, bytes([DELETE])], [0x04, os.urandom(16)]]]])
        return [message, message, first]

    replica.start().wait_loaded()
    relay.tamper = tamper
    move(lab, "anna@s3.lab")
    replica.wait_physical(ANNA, "anna@s3.lab")
    assert replica.view()["mailboxes"] == count(lab)
    replica.stop()
