"""The leases and records of syncs, in a real directory."""

import re
import subprocess
import threading
import time

import pytest

from lab.process import wait_for
from lab.slapd import BASE, FEDERATION, IDENTITIES
from sample import driver, fixture_directory, fixture_lab, fixture_sample  # noqa: F401

S1 = "cn=S1,ou=systems," + FEDERATION


class Host:
    def __init__(self, lab, holder, length_ms=60000, direction="up"):
        slapd = lab.slapd
        self.process = subprocess.Popen(
            [driver(lab, "backend_driver"), slapd.uri, BASE, IDENTITIES["dirsync"],
             slapd.password_file("dirsync"), "S1", direction, holder, str(length_ms)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        assert answer.startswith(("ok", "no ")), answer
        return answer

    def state(self):
        return dict(re.findall(r"(\w+)=(\S*)", self.ask("read")))

    def lease(self):
        """Reads, and tries to take it."""
        self.ask("read")
        return self.ask("lease")

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def hosts(lab, directory):
    """Makes hosts, and ends them."""
    made = []

    def make(*arguments, **options):
        made.append(Host(lab, *arguments, **options))
        return made[-1]
    yield make
    for host in made:
        host.kill()


def test_of_two_that_race_one_gets_the_lease(directory, hosts):
    first, second = hosts("one"), hosts("two")
    for term in range(1, 12):
        assert first.state()["term"] == second.state()["term"] == str(term - 1)
        answers = {}
        threads = [threading.Thread(target=lambda h=h, n=n: answers.update({n: h.ask("lease")}))
                   for n, h in (("one", first), ("two", second))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        won = [n for n, answer in answers.items() if answer == "ok term=%d" % term]
        assert len(won) == 1, answers
        winner, loser = (first, second) if won == ["one"] else (second, first)
        assert loser.ask("leased") == "ok no" and winner.ask("leased") == "ok yes"
        assert loser.state()["holder"] == won[0]
        assert winner.ask("lease") == "ok term=%d" % term
        winner.ask("unlease")
        assert loser.state()["holder"] == ""


def test_the_directions_have_leases_of_their_own(directory, hosts):
    up, down = hosts("one"), hosts("two", direction="down")
    assert up.lease() == "ok term=1" and down.lease() == "ok term=1"


def test_the_lease_of_a_dead_holder_is_taken_over(directory, hosts):
    dead, heir = hosts("one", 1500), hosts("two", 1500)
    assert dead.lease() == "ok term=1"
    began = time.monotonic()
    assert heir.lease().startswith("no one has the lease")
    dead.kill()
    wait_for(lambda: heir.lease() == "ok term=2", 10)
    assert time.monotonic() - began >= 1.5


def test_the_longer_length_counts(directory, hosts):
    """That of a holder whose settings differ from the heir's."""
    dead, heir = hosts("one", 5000), hosts("two", 500)
    assert dead.lease() == "ok term=1"
    assert directory.read(S1)["restanteuplease"][0].endswith("Z 5")
    began = time.monotonic()
    assert heir.lease().startswith("no one has the lease")
    dead.kill()
    wait_for(lambda: heir.lease() == "ok term=2", 20)
    assert time.monotonic() - began >= 5


def test_a_holder_that_renews_keeps_it_whatever_the_clocks_say(directory, hosts):
    """The expiry that is written is long past: only what was seen to stand still counts."""
    holder, other = hosts("one", 3000), hosts("two", 3000)
    assert holder.lease() == "ok term=1"
    ends = time.monotonic() + 5
    while time.monotonic() < ends:
        holder.ask("lease")
        for _ in range(4):
            time.sleep(0.3)
            assert other.lease().startswith("no ")
    directory.replace(S1, restanteUpLease="7 one 20200101000000Z")
    assert other.lease().startswith("no one has the lease")


def test_a_holder_that_starts_again_needs_not_wait(directory, hosts):
    assert hosts("one").lease() == "ok term=1"
    assert hosts("one").lease() == "ok term=2"


def test_a_stale_holder_that_wakes_up_records_nothing(directory, hosts):
    stale, heir = hosts("one", 400), hosts("two", 400)
    assert stale.lease() == "ok term=1"
    wait_for(lambda: heir.lease() == "ok term=2", 10)
    before = directory.read(S1)
    assert stale.ask("leased") == "ok no"
    assert "another one has the lease" in stale.ask("record complete 5 no r1 all")
    assert directory.read(S1) == before
    assert stale.ask("lease").startswith("no another one took the lease")
    stale.ask("unlease")
    assert heir.state()["holder"] == "two"
    assert heir.ask("record complete 5 no r2 all") == "ok"


def test_records(directory, hosts):
    directory.replace(S1, restanteSyncAsked="4",
                      restanteSyncApproval="deletions:120", restanteSyncApproved="120")
    host = hosts("one")
    host.lease()
    assert host.state()["asked"] == "4" and host.state()["approved"] == "deletions:120"
    assert host.ask("record stopped 4 no r1 500 of 1200 vanished\x01\udcff".encode(
        errors="surrogateescape").decode(errors="replace")) == "ok"
    entry = directory.read(S1)
    assert entry["restanteupsyncfailed"][0].startswith("4 stopped: 500 of 1200 vanished")
    assert entry["restanteupsyncoutcome"][0].startswith("stopped persons=7 added=3")
    assert "restanteupsyncrun" not in entry and "restantesyncfinished" not in entry
    host.state()
    assert host.ask("record nothing 0 no r2") == "ok"
    assert host.state()["failed"] == "4" and host.state()["finished"] == "0"
    assert host.ask("record complete 4 yes r3") == "ok"
    entry = directory.read(S1)
    assert entry["restantesyncfinished"] == ["4"] and entry["restanteupsyncrun"] == ["r3"]
    assert "restanteupsyncfailed" not in entry
    assert not {"restantesyncapproval", "restantesyncapproved"} & set(entry)
    assert entry["restanteupsyncstart"][0] < entry["restanteupsyncat"][0]
    # what was read before answers what it is newer than; no other run is named
    directory.replace(S1, restanteSyncAsked="5")
    host.state()
    assert host.ask("record nothing 5 no r5") == "ok"
    assert host.state()["finished"] == "5" and host.state()["run"] == "r3"
    # the number never falls, and another approval than the one that was used stays
    directory.replace(S1, restanteSyncApproval="deletions:120")
    host.state()
    directory.replace(S1, restanteSyncApproval="deletions:130")
    assert host.ask("record complete 2 yes r4") == "ok"
    assert host.state()["finished"] == "5" and host.state()["approved"] == "deletions:130"


def test_a_system_without_an_entry(lab, directory, hosts):
    directory.modify("dn: %s\nchangetype: delete\n" % S1)
    assert "restante-schema(5)" in hosts("one").ask("read")
