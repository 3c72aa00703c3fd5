"""From a backend's LDAP to the milters: RFC 4533 on both sides, restante-dirsync between them."""

import time

import pytest

from lab.dirsync import Dirsync
from lab.lab import Lab
from lab.people import PEOPLE, READER, People, entry
from lab.process import wait_for
from lab.slapd import FEDERATION
from replica import Replica

SECOND = 1.0
NAMES = ["anna%d" % number for number in range(8)]


def mail(name):
    return name + ".live@example.org"


@pytest.fixture(scope="module", name="lab")
def _lab():
    with Lab(start=("slapd",)) as lab:
        yield lab


@pytest.fixture(scope="module", name="people")
def _people(lab):
    people = People(lab)
    people.load("\n".join(entry(name, mail=mail(name)) for name in NAMES))
    lab.servers.append(people)
    return people.start()


@pytest.fixture(scope="module", name="dirsync")
def _dirsync(lab, people):
    """Nothing is due by the clock: what is read is what was heard of."""
    lab.slapd.modify("dn: cn=L1,ou=systems,%s\nchangetype: add\nobjectClass: restanteBackend\n"
                     "cn: L1\n" % FEDERATION, "root")
    daemon = Dirsync(lab, ups={"L1": {
        "uri": people.uri, "bind": "simple", "bind_dn": READER,
        "password_file": people.password_file, "base": PEOPLE, "filter": "(objectClass=person)",
        "physical": "%{uid}@s1.lab", "every": "1d", "delta": "syncrepl"}})
    lab.servers.append(daemon)
    daemon.start()
    wait_for(lambda: lab.slapd.search("(mailLocalAddress=%s)" % mail(NAMES[-1]), ["cn"]), 20,
             "the first sync")
    return daemon


@pytest.fixture(scope="module", name="milter")
def _milter(lab, dirsync):
    one = Replica(lab).start()
    one.wait_loaded()
    yield one
    one.kill()


def seconds_until(condition, what):
    began = time.monotonic()
    wait_for(condition, 20, what, interval=0.005)
    return time.monotonic() - began


def test_a_change_is_with_the_milters_within_a_second(people, dirsync, milter):
    """Most of them; others may keep the machine busy for some."""
    took = []
    for number, name in enumerate(NAMES):
        alias = "alias%d.live@example.org" % number
        people.replace(name, mail=[mail(name), alias])
        took.append(seconds_until(
            lambda alias=alias: milter.lookup(alias).get("physical"), "the alias"))
        assert milter.physical(alias) == name + "@s1.lab"
    assert sorted(took)[len(took) // 2] < SECOND, took


def test_who_is_new_and_who_is_gone(lab, people, dirsync, milter):
    people.add(entry("hans", mail=mail("hans")))
    took = [seconds_until(lambda: milter.lookup(mail("hans")).get("physical"), "hans")]
    assert milter.physical(mail("hans")) == "hans@s1.lab"
    people.delete("hans")
    took.append(seconds_until(lambda: vanished(lab, "hans"), "hans to be marked"))
    people.move("anna1")
    took.append(seconds_until(lambda: vanished(lab, "anna1"), "anna1 to be marked"))
    assert min(took) < SECOND, took
    # both are still routed, for the grace
    assert milter.physical(mail("hans")) == "hans@s1.lab"


def vanished(lab, name):
    found = lab.slapd.search("(mailLocalAddress=%s)" % mail(name), ["restanteVanishedSince"])
    return found and found[0][1].get("restantevanishedsince")


def rest(dirsync):
    """Whatever changed so far is read, and nothing more is due for hours. What a run wrote is seen
    before it has said so, and ended."""
    dirsync.ask("run", systems=["L1"], wait=True)

    def rests():
        up = dirsync.ask("status")["systems"][0]["up"]
        return not up["running"] and up["next_us"] > (time.time() + 3600) * 1e6
    wait_for(rests, 20, "dirsync to be at rest")


def test_what_it_writes_does_not_wake_it(lab, people, dirsync):
    """Changes that are none for us, and a server at rest: no run."""
    rest(dirsync)
    runs = dirsync.log_text().count("run=")
    people.modify("dn: %s\nchangetype: modify\nreplace: description\ndescription: x\n"
                  % PEOPLE)
    time.sleep(1)  # that nothing happens cannot be waited for
    assert dirsync.log_text().count("run=") == runs


def test_a_backend_that_was_away(lab, people, dirsync, milter):
    """It is listened to again by itself, and what changed meanwhile is read."""
    people.stop()
    wait_for(lambda: "not listened to" in dirsync.log_text(), 20, "the silence to be told")
    people.load(entry("while", mail=mail("while")))
    people.start()
    wait_for(lambda: milter.lookup(mail("while")).get("physical"), 20, "who came meanwhile")
    people.replace("while", mail=[mail("while"), "after.live@example.org"])
    wait_for(lambda: milter.lookup("after.live@example.org").get("physical"), 20, "a change after")
