"""LDAP sources of up syncs, against slapd: what is complete and what is not, deltas, and what is
never read."""

import os
import threading
import time

import pytest

from lab.lab import Lab
from lab.ldapfake import FakeLdap, done, entry as fake_entry, paged
from lab.ldaprelay import (DONE, ENTRY, ID_SET, INFO, REFRESH_PRESENT, HangUp, LdapRelay,
                           encode)
from lab.people import PEOPLE, READER, SUFFIX, People, dn_of, entry, id_of
from lab.process import wait_for
from source import Source

NAMES = ["anna", "bert", "carl", "dora", "emil", "frida", "gustav"]
OLD = "20200101000000Z"
HIDDEN = 'access to attrs=displayName by dn.exact="cn=root,%s" read by * none\n' % SUFFIX
BLIND = 'access to attrs=entryUUID by * none\n'


@pytest.fixture(scope="module", name="lab")
def _lab():
    with Lab(start=()) as lab:
        yield lab


def serve(lab, name, *ldif, **options):
    people = People(lab, name, **options)
    people.load("\n".join(ldif))
    lab.servers.append(people)
    return people.start()


@pytest.fixture(scope="module", name="people")
def _people(lab):
    """Nobody writes to it."""
    return serve(lab, "people", *[entry(
        one, True, displayName=one.title() + " S1", telephoneNumber="+49 1") for one in NAMES],
        entry("ours", True, employeeType="Restante"),
        entry("nobody", True, mail=None, telephoneNumber="+49 2"),
        entry("broken", True, mail="nowhere"))


SHOWN = {id_of(one): [one + "@s1.example"] for one in NAMES}


def keys(people, **more):
    return {"uri": people.uri, "bind": "simple", "bind_dn": READER,
            "password_file": people.password_file, "base": PEOPLE, "filter": "(objectClass=person)",
            "physical": "%{uid}@s1.lab", "timeout": "2s", "page": 3, **more}


@pytest.fixture(name="source")
def _source(lab):
    """source(people, key=value, ...): one that is ended with the test."""
    opened = []

    def make(people, marker="employeeType=restante", **more):
        opened.append(Source(lab.dir, lab.build, keys(people, **more), marker,
                             "source%d" % len(opened)))
        return opened[-1].__enter__()
    yield make
    for one in opened:
        one.__exit__(None, None, None)


# --- everything -----------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [0, 1, 3, 10, 500])
def test_everything_is_shown_once(people, source, page):
    pull = source(people, page=page).pull()
    assert (pull.outcome, pull.reason, pull.mark) == ("complete", "", "")
    assert pull.addresses == SHOWN and len(pull.shown) == len(NAMES)
    anna = pull.persons[id_of("anna")]
    assert anna["place"] == dn_of("anna") and anna["physical"] == "anna@s1.lab"
    assert anna["primary"] == "anna@s1.example"
    assert {"cn=Anna", "sn=Anna", "displayname=Anna S1"} <= set(anna["attributes"])


def test_what_is_no_mailbox_is_told(people, source):
    """Without address, or with one that is none; what a down sync wrote is not even that."""
    pull = source(people).pull()
    assert {line["refused"] for line in pull.refused} == {id_of("nobody"), id_of("broken")}
    assert any("nowhere" in line["reason"] for line in pull.refused)
    assert all(line["place"].startswith("uid=") for line in pull.refused)
    assert id_of("ours") not in pull.persons
    assert id_of("ours") in source(people, marker=None).pull().persons


def test_the_scope(people, source):
    assert source(people, base=SUFFIX, scope="one").pull().persons == {}
    assert source(people, base=dn_of("anna"), scope="base").pull().addresses == {
        id_of("anna"): ["anna@s1.example"]}


def test_the_sink_stops_it(people, source):
    one = source(people)
    answer = one.ask("stop 4")
    assert answer["outcome"] == "incomplete" and answer["reason"] == "stopped"
    assert one.pull().outcome == "complete"


def test_the_second_server_is_asked_where_the_first_is_not_there(people, source):
    pull = source(people, uri="ldap://127.0.0.1:1 " + people.uri).pull()
    assert pull.outcome == "complete" and pull.addresses == SHOWN
    pull = source(people, uri="ldap://127.0.0.1:1 ldap://127.0.0.1:2").pull()
    assert pull.outcome == "incomplete"
    assert "127.0.0.1:1: connect" in pull.reason and "127.0.0.1:2: connect" in pull.reason


# --- ways in --------------------------------------------------------------------------------------


def test_ways_in(lab, source):
    people = People(lab, "secure", access='access to * by dn.exact="cn=root,%s" read by * +0 break\n'
                    % SUFFIX)
    people.load(entry("anna", True))
    people.offer_tls("sound")
    lab.servers.append(people)
    people.start()
    authority = people.certificates.pem("lab")
    stranger = people.certificates.pem("stranger")
    assert source(people, starttls=True, ca_file=authority).pull().outcome == "complete"
    uri = "ldaps://127.0.0.1:%d" % people.tls_port
    assert source(people, uri=uri, ca_file=authority).pull().outcome == "complete"
    pull = source(people, uri=uri, ca_file=stranger).pull()
    assert pull.outcome == "incomplete" and "signed by ca_file" in pull.reason
    pull = source(people, uri=people.ldapi, bind="external").pull()
    assert pull.addresses == {id_of("anna"): ["anna@s1.example"]}
    # nobody without a name may read: that there is nothing is not what the server says
    pull = source(people, bind="anonymous").pull()
    assert pull.outcome == "incomplete" and "Insufficient access" in pull.reason


def test_a_password_that_is_wrong_or_open(lab, people, source):
    wrong = os.path.join(lab.dir, "wrong.password")
    with open(os.open(wrong, os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
        out.write("guess\n")
    one = source(people, password_file=wrong)
    assert one.ask("check") == {"check": 0, "error": ""}
    pull = one.pull()
    assert pull.outcome == "incomplete" and "check bind_dn and password_file" in pull.reason
    os.chmod(wrong, 0o644)
    assert one.ask("check")["error"].startswith("up S1.password_file: ")
    assert one.pull().outcome == "incomplete"


@pytest.mark.parametrize("key, value, error", [
    ("uri", "", "up S1.uri: not set"),
    ("base", "", "up S1.base: not set"),
    ("id", "", "up S1.id: "),
])
def test_settings_that_cannot_work(people, source, key, value, error):
    assert source(people, **{key: value}).ask("check")["error"].startswith(error)


@pytest.mark.parametrize("key, value, words", [
    ("filter", "(mail=*", "Bad search filter"),
    ("base", "ou=nowhere," + SUFFIX, "No such object"),
    ("base", "nowhere", "DN"),
])
def test_settings_that_the_server_refuses(people, source, key, value, words):
    pull = source(people, **{key: value}).pull()
    assert pull.outcome == "incomplete" and words in pull.reason and pull.mark == ""


# --- what is not everything -----------------------------------------------------------------------


def test_a_size_limit(lab, source):
    people = serve(lab, "limited", *[entry(one, True) for one in NAMES], sizelimit=5)
    for page in (0, 3):
        pull = source(people, page=page).pull()
        assert pull.outcome == "incomplete"
        assert "raise its size limit for bind_dn" in pull.reason


def cut_after(count):
    """Of the entries of the whole connection; then the server is gone."""
    seen = []

    def tamper(message):
        if message.op == ENTRY and message.dn:
            seen.append(message)
            if len(seen) > count:
                raise HangUp()
        return [message]
    return tamper


@pytest.mark.parametrize("page", [0, 3])
@pytest.mark.parametrize("count", [0, 1, 6])
def test_a_server_that_closes_in_the_middle(people, source, page, count):
    with LdapRelay(people.port, cut_after(count), everything=True) as relay:
        one = source(people, uri=relay.uri, page=page)
        pull = one.pull()
        assert pull.outcome == "incomplete" and "Can't contact" in pull.reason
        relay.tamper = None
        assert one.pull().addresses == SHOWN


def test_a_server_that_falls_silent(people, source):
    """Six times the timeout, or the time limit."""
    def swallow(message):
        return [] if message.op == DONE and len(message.parts) > 2 else [message]
    with LdapRelay(people.port, swallow, everything=True) as relay:
        pull = source(people, uri=relay.uri, timeout="100ms").pull()
        assert pull.outcome == "incomplete" and "Timed out" in pull.reason
        assert 0.6e6 <= pull.result["took_us"] < 30e6
        pull = source(people, uri=relay.uri, time_limit="1s").pull()
        assert pull.outcome == "incomplete" and "time limit" in pull.reason
        assert 1e6 <= pull.result["took_us"] < 30e6


def test_pages_without_end(people, source):
    """A server that has always one more page is ended by the time limit."""
    def answer(search):
        if search.base == "":
            return [fake_entry("", {}), done()]
        return [[done(), paged(b"more")]]
    with FakeLdap(answer) as fake:
        pull = source(people, uri=fake.uri, time_limit="1s", bind="anonymous").pull()
    assert pull.outcome == "incomplete" and "time limit" in pull.reason


@pytest.mark.parametrize("page, outcome", [(2, "incomplete"), (3, "complete")])
def test_a_page_that_does_not_say_whether_more_follows(people, source, page, outcome):
    def answer(search):
        if search.base == "":
            return [fake_entry("", {}), done()]
        return [fake_entry(dn_of(uid), {"entryUUID": [uid], "uid": [uid],
                                        "mail": [uid + "@s1.example"]})
                for uid in ("anna", "bert")] + [done()]
    with FakeLdap(answer) as fake:
        pull = source(people, uri=fake.uri, page=page, bind="anonymous").pull()
    assert pull.outcome == outcome and (outcome == "complete") == (len(pull.persons) == 2)
    assert outcome == "complete" or "page = 0" in pull.reason


def test_a_part_of_the_tree_that_is_elsewhere(lab, source):
    people = serve(lab, "parts", entry("anna", True),
                   "dn: ou=far,%s\nobjectClass: referral\nobjectClass: extensibleObject\nou: far\n"
                   "ref: ldap://far.s1.lab/ou=far,%s\n" % (PEOPLE, PEOPLE))
    pull = source(people).pull()
    assert pull.outcome == "incomplete" and "ldap://far.s1.lab" in pull.reason


def test_a_server_without_pages(people, source):
    def answer(search):
        if search.base == "":
            return [fake_entry("", {}), done()]
        if search.controls:
            return [done(12, "critical extension")]
        return [fake_entry(dn_of("anna"), {"entryUUID": ["u1"], "uid": ["anna"],
                                           "mail": ["anna@s1.example"]}), done()]
    with FakeLdap(answer) as fake:
        pull = source(people, uri=fake.uri, bind="anonymous").pull()
        assert pull.outcome == "incomplete" and "page = 0" in pull.reason
        assert source(people, uri=fake.uri, bind="anonymous", page=0).pull().addresses == {
            "u1": ["anna@s1.example"]}


# --- rights ---------------------------------------------------------------------------------------


def test_an_attribute_that_nobody_may_read_any_more(lab, source):
    """Persons without it: the guard of the run counts them."""
    people = serve(lab, "rights", *[entry(one, True, displayName=one) for one in NAMES])
    one = source(people)
    shown = one.pull().persons.values()
    assert all(any(a.startswith("displayname=") for a in person["attributes"]) for person in shown)
    people.configure(access=HIDDEN)
    people.restart()
    pull = one.pull()
    assert pull.outcome == "complete" and pull.addresses == SHOWN
    assert not any(a.startswith("displayname=")
                   for person in pull.persons.values() for a in person["attributes"])
    # without ids there is nobody, and each of them is told
    people.configure(access=BLIND)
    people.restart()
    pull = one.pull()
    assert pull.persons == {} and pull.result["refused"] == len(NAMES)


# --- values in parts ------------------------------------------------------------------------------


def in_parts(values, asked, most=3):
    """{name: values} as Active Directory answers for an attribute with many."""
    if ";range=" not in asked:
        first = 0
    else:
        first = int(asked.split("=")[1].split("-")[0])
    last = first + most - 1
    end = "*" if last >= len(values) - 1 else str(last)
    return {"mail;range=%d-%s" % (first, end): values[first:last + 1], "mail": []}


def test_values_that_come_in_parts(people, source):
    mails = ["a%d@s1.example" % number for number in range(11)]

    def answer(search):
        if search.base == "":
            return [fake_entry("", {}), done()]
        asked = next((a for a in search.attributes if a.startswith("mail")), "mail")
        own = {} if ";range=" in asked else {"entryUUID": ["u1"], "uid": ["anna"]}
        return [fake_entry(dn_of("anna"), {**own, **in_parts(mails, asked)}), done()]
    with FakeLdap(answer) as fake:
        for page in (0, 3):
            pull = source(people, uri=fake.uri, bind="anonymous", page=page).pull()
            assert pull.outcome == "complete" and pull.refused == []
            assert pull.addresses == {"u1": sorted(mails)}


def test_parts_that_never_end(people, source):
    def answer(search):
        if search.base == "":
            return [fake_entry("", {}), done()]
        return [fake_entry(dn_of("anna"), {"mail;range=0-2": [], "uid": []}), done()]
    with FakeLdap(answer) as fake:
        pull = source(people, uri=fake.uri, bind="anonymous").pull()
    assert pull.outcome == "incomplete" and "ecoding" in pull.reason


# --- modifyTimestamp ------------------------------------------------------------------------------


@pytest.fixture(name="dated")
def _dated(lab):
    """People of long ago; ends with the test."""
    people = serve(lab, "dated%d" % len(lab.servers), *[entry(
        one, True, modifyTimestamp=OLD, createTimestamp=OLD) for one in NAMES])
    yield people
    people.stop()


def test_deltas_by_time(dated, source):
    one = source(dated, delta="modifyTimestamp", delta_margin="1s")
    full = one.pull()
    assert full.outcome == "complete" and full.addresses == SHOWN
    assert OLD in full.mark
    # the mark is the server's, not ours: what was changed in between is not missed
    dated.replace("bert", mail="bertram@s1.example")
    delta = one.delta(full.mark)
    assert delta.outcome == "delta" and not delta.deletes
    assert delta.addresses[id_of("bert")] == ["bertram@s1.example"]
    now = one.delta(delta.mark)
    assert set(now.persons) == {id_of("bert")}
    # nothing is ever deleted by it
    dated.delete("carl")
    dated.move("dora")
    gone = one.delta(delta.mark)
    assert gone.outcome == "delta" and gone.gone == set()
    whole = one.pull()
    assert whole.outcome == "complete" and id_of("carl") not in whole.persons


def test_the_margin_of_deltas_by_time(dated, source):
    """What the server wrote with an older instant (replicated late) is shown again."""
    far = source(dated, delta="modifyTimestamp", delta_margin="1d")
    mark = far.pull().mark
    assert far.delta(mark).addresses == SHOWN


def test_an_entry_of_the_future_does_not_move_the_mark(lab, source):
    people = serve(lab, "future", entry("anna", True, modifyTimestamp=OLD),
                   entry("bert", True, modifyTimestamp="20990101000000Z"))
    one = source(people, delta="modifyTimestamp", delta_margin="1s")
    full = one.pull()
    assert set(full.persons) == {id_of("anna"), id_of("bert")} and OLD in full.mark
    people.replace("anna", mail="anna2@s1.example")
    assert id_of("anna") in one.delta(full.mark).persons


def test_a_mark_of_another_server_or_filter_does_not_count(dated, source):
    one = source(dated, delta="modifyTimestamp", delta_margin="1s")
    mark = one.pull().mark
    assert one.delta(mark).outcome == "delta"
    with LdapRelay(dated.port) as relay:
        other = source(dated, uri=relay.uri, delta="modifyTimestamp", delta_margin="1s")
        assert other.delta(mark).outcome == "complete"
    wider = source(dated, filter="(objectClass=*)", delta="modifyTimestamp", delta_margin="1s")
    assert wider.delta(mark).outcome == "complete"
    assert source(dated).delta(mark).outcome == "complete"


# --- RFC 4533 -------------------------------------------------------------------------------------


@pytest.fixture(name="pushing")
def _pushing(lab):
    people = serve(lab, "pushing%d" % len(lab.servers), *[entry(one, True) for one in NAMES])
    yield people
    people.stop()


def test_deltas_by_cookie(pushing, source):
    one = source(pushing, delta="syncrepl", filter="(&(objectClass=person)(!(sn=hidden)))")
    full = one.pull()
    assert full.outcome == "complete" and full.addresses == SHOWN
    nothing = one.delta(full.mark)
    assert (nothing.outcome, nothing.persons, nothing.gone) == ("delta", {}, set())
    pushing.add(entry("hans"))
    pushing.replace("anna", mail="anna2@s1.example")
    pushing.delete("bert")
    pushing.move("carl")
    pushing.replace("dora", sn="hidden")
    pushing.move("emil", to=PEOPLE, new="emile")
    delta = one.delta(nothing.mark)
    assert delta.outcome == "delta" and delta.deletes
    assert delta.gone >= {id_of("bert"), id_of("carl"), id_of("dora")}
    assert not delta.gone & set(delta.persons)
    assert sorted(line["physical"] for line in delta.persons.values()) == [
        "anna@s1.lab", "emile@s1.lab", "hans@s1.lab"]
    assert delta.addresses[id_of("anna")] == ["anna2@s1.example"]
    # one that comes back is there again
    pushing.replace("dora", sn="Dora")
    assert id_of("dora") in one.delta(delta.mark).persons
    assert set(one.delta(full.mark).persons) > set(delta.persons)


def test_what_a_server_cannot_tell_is_asked_for_as_a_whole(pushing, source):
    """Its log of sessions is gone with a restart: a present phase would tell only what is left."""
    one = source(pushing, delta="syncrepl")
    mark = one.pull().mark
    pushing.restart()
    assert one.delta(mark).outcome == "delta"  # nothing has changed
    pushing.delete("anna")
    pushing.restart()
    stale = one.delta(mark)
    assert stale.outcome == "stale" and stale.mark == "" and stale.gone == set()
    full = one.pull()
    assert full.outcome == "complete" and id_of("anna") not in full.persons
    assert one.delta(full.mark).outcome == "delta"


def test_a_server_that_was_restored(pushing, source):
    one = source(pushing, delta="syncrepl")
    old = pushing.dump()
    pushing.replace("anna", mail="anna2@s1.example")
    mark = one.pull().mark
    pushing.stop()
    pushing.restore(old)
    pushing.start()
    assert one.delta(mark).outcome == "stale"
    assert one.pull().addresses == SHOWN


@pytest.mark.parametrize("csn", ["20260101000000.000000Z#000000#000#000000",
                                 "20260101000000.000000Z#000000#005#000000"])
def test_a_cookie_of_another_history(pushing, source, csn):
    one = source(pushing, delta="syncrepl")
    head = " ".join(one.pull().mark.split(" ")[:2])
    assert one.delta("%s rid=000,csn=%s" % (head, csn)).outcome == "stale"


def test_a_server_without_syncprov(lab, source):
    people = serve(lab, "mute", entry("anna", True), syncprov=False)
    pull = source(people, delta="syncrepl").pull()
    assert pull.outcome == "incomplete" and "syncprov" in pull.reason


def info_before_done(info):
    """A Sync Info before the end of the refresh."""
    def tamper(message):
        if message.op != DONE or not message.sync:
            return [message]
        body = [[0x80, b"1.3.6.1.4.1.4203.1.9.1.4"], [0x81, encode(info)]]
        return [encode([[0x30, [message.parts[0], [INFO, body]]]]), message]
    return tamper


@pytest.mark.parametrize("info", [
    [[REFRESH_PRESENT, [[0x01, b"\0"]]]],  # the end of a present phase
    [[ID_SET, [[0x31, [[0x04, b"0123456789abcdef"]]]]]],  # it is still there
])
def test_a_delta_that_tells_what_is_left(pushing, source, info):
    with LdapRelay(pushing.port, info_before_done(info)) as relay:
        one = source(pushing, uri=relay.uri, delta="syncrepl")
        full = one.pull()
        assert full.outcome == "complete" and full.addresses == SHOWN
        assert one.delta(full.mark).outcome == "stale"


def test_ids_of_the_deleted_are_gone(pushing, source):
    """As a set, with refreshDeletes."""
    info = [[ID_SET, [[0x01, b"\xff"], [0x31, [[0x04, b"0123456789abcdef"]]]]]]
    with LdapRelay(pushing.port, info_before_done(info)) as relay:
        one = source(pushing, uri=relay.uri, delta="syncrepl")
        full = one.pull()
        assert full.outcome == "complete" and full.gone == set()
        delta = one.delta(full.mark)
        assert delta.outcome == "delta"
        assert delta.gone == {"30313233-3435-3637-3839-616263646566"}


def broken(keep):
    return lambda message: [changed(message, keep)]


def changed(message, keep):
    message.sync = message.sync[:keep]
    return message


@pytest.mark.parametrize("keep", [0, 1, 5, 12])
def test_values_of_a_refresh_that_are_cut_off(pushing, source, keep):
    with LdapRelay(pushing.port, broken(keep)) as relay:
        pull = source(pushing, uri=relay.uri, delta="syncrepl").pull()
        assert pull.outcome == "incomplete" and "malformed" in pull.reason and pull.mark == ""


@pytest.mark.parametrize("count", [0, 3])
def test_a_refresh_that_is_cut_off(pushing, source, count):
    with LdapRelay(pushing.port, cut_after(count), everything=True) as relay:
        one = source(pushing, uri=relay.uri, delta="syncrepl")
        pull = one.pull()
        assert pull.outcome == "incomplete" and pull.mark == ""
        relay.tamper = lambda message: [] if message.op == DONE and message.sync else [message]
        short = source(pushing, uri=relay.uri, delta="syncrepl", time_limit="1s").pull()
        assert short.outcome == "incomplete" and "time limit" in short.reason


def test_an_id_that_is_not_the_servers(pushing, source):
    """RFC 4533 names what is gone by its UUID alone."""
    one = source(pushing, delta="syncrepl", id="uid")
    full = one.pull()
    assert set(full.persons) == set(NAMES)
    pushing.delete("anna")
    delta = one.delta(full.mark)
    assert delta.outcome == "delta" and not delta.deletes and delta.gone == set()
    assert "id must be entryUUID" in delta.reason


# --- hearing of changes ---------------------------------------------------------------------------


def heard_after(source, mark, change, seconds=20):
    """What wait says, and how long after the change."""
    answer = []
    listening = threading.Thread(target=lambda: answer.append(source.wait(seconds, mark)))
    listening.start()
    time.sleep(0.5)  # so that it listens; where it does not yet, it hears the change at once
    began = time.monotonic()
    change()
    listening.join()
    return answer[0], time.monotonic() - began


def test_a_change_is_heard_of_within_a_second(pushing, source):
    one = source(pushing, delta="syncrepl")
    mark = one.pull().mark
    assert one.wait(0.3, mark)["heard"] == 0
    all_took = []
    for change in (lambda: pushing.replace("anna", mail="anna2@s1.example"),
                   lambda: pushing.delete("bert"), lambda: pushing.move("carl"),
                   lambda: pushing.add(entry("hans"))):
        answer, took = heard_after(one, mark, change)
        assert answer["heard"] == 1
        all_took.append(took)
        delta = one.delta(mark)
        assert delta.persons or delta.gone
        mark = delta.mark
    assert one.wait(0.3, mark)["heard"] == 0
    assert sorted(all_took)[1] < 1  # others may keep the machine busy


def test_changes_elsewhere_wake_nobody(pushing, source):
    one = source(pushing, delta="syncrepl")
    mark = one.pull().mark
    answer, _ = heard_after(one, mark, lambda: pushing.modify(
        "dn: ou=elsewhere,%s\nchangetype: modify\nreplace: description\ndescription: x\n"
        % SUFFIX), seconds=2)
    assert answer["heard"] == 0


def test_what_a_pull_has_shown_is_not_told_again(pushing, source):
    one = source(pushing, delta="syncrepl")
    mark = one.pull().mark
    assert one.wait(0.3, mark)["heard"] == 0
    pushing.replace("anna", mail="anna2@s1.example")
    mark = one.delta(mark).mark
    assert one.wait(0.5, mark)["heard"] == 0


def test_what_changed_while_nobody_listened_is_heard_at_once(pushing, source):
    one = source(pushing, delta="syncrepl")
    mark = one.pull().mark
    pushing.replace("anna", mail="anna2@s1.example")
    assert one.wait(20, mark)["heard"] == 1
    # a server that is gone is told, and listened to again when it is back
    mark = one.delta(mark).mark
    assert one.wait(0.3, mark)["heard"] == 0
    pushing.stop()
    assert one.wait(5, mark)["heard"] == -1
    answer = one.wait(5, mark)
    assert answer["heard"] == -1 and "connect" in answer["error"]
    pushing.start()
    assert wait_for(lambda: one.wait(0.2, mark)["heard"] == 0, 10, "the server to be listened to")


def test_a_source_that_cannot_listen_sleeps(people, source):
    began = time.monotonic()
    assert source(people).wait(0.5, "x")["heard"] == 0
    assert time.monotonic() - began >= 0.5
