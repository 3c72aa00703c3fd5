"""restante-control is killed, or the directory goes, at one exact write: before it is done, and after it
when its answer is lost. A relay between both waits for that write."""

import collections
import os
import signal
import threading
import time

import pytest

from lab.control import Control, dirsync_of
from lab.lab import Lab
from lab.ldaprelay import HangUp, LdapRelay, encode
from lab.mail import Smtp, compose
from lab.process import wait_for

MODIFY, MODIFIED = 0x66, 0x67


def of_record(body, name):
    return ("cn=m-%s," % name).encode() in body


def of_mailbox(body, name):
    return ("uid=%s," % name).encode() in body and b"ou=moves" not in body


def claims(step):
    """The claim of a step has its term before it."""
    return lambda body, name: of_record(body, name) and b" %s 2" % step in body


def notes(step):
    return lambda body, name: (of_record(body, name) and b"%s 2" % step in body and
                               b" %s 2" % step not in body)


def holds(body, name):
    return of_mailbox(body, name) and b"holding" in body and b"mailRoutingAddress" not in body


def swaps(body, name):
    return of_mailbox(body, name) and b"mailRoutingAddress" in body


def releases(body, name):
    return of_mailbox(body, name) and b"active" in body and b"mailRoutingAddress" not in body


def raises_epoch(body, _):
    return b"restanteEpoch" in body


# drain: what was drained is noted with the claim of the swap
FORWARD = {"claim": claims(b"unredirect-second"), "hold": holds, "fence": raises_epoch,
           "drain": claims(b"swap"), "swap": swaps, "record": notes(b"swap")}
BACKWARD = {"claim": claims(b"unredirect-first"), "hold": holds, "fence": raises_epoch,
            "drain": claims(b"swap-back"), "swap": swaps, "record": notes(b"swap-back")}
UNHELD = {"claim": claims(b"unhold"), "unhold": releases, "record": notes(b"unhold")}

THERE = {("S2", "create"): 1, ("S2", "redirect"): 1, ("S2", "addresses"): 1,
         ("S2", "unredirect"): 1, ("S1", "redirect"): 1}
AND_BACK = {**THERE, ("S2", "redirect"): 2, ("S1", "unredirect"): 1, ("S2", "unaddress"): 1,
            ("S2", "delete"): 1}


class Trap:
    """Of the relay: lies in wait for a write of the mailbox `name`; counts those that were done."""

    def __init__(self, relay):
        relay.asked, relay.answered = self.asked, self.answered
        self.lock, self.pending = threading.Lock(), {}
        self.writes = collections.Counter()
        self.wanted = self.name = self.when = self.hit = None
        self.sprung = threading.Event()

    def set(self, name, wanted, when, hit):
        self.sprung.clear()
        self.name, self.wanted, self.when, self.hit = name, wanted, when, hit

    def spring(self):
        self.wanted = None
        self.hit()
        self.sprung.set()
        raise HangUp()

    def asked(self, message, connection):
        if message.op != MODIFY:
            return
        body = encode([message.parts[1]])  # without what it asserts
        with self.lock:
            found = self.wanted is not None and self.wanted(body, self.name)
            if found and self.when == "before":
                self.spring()
            for kind, is_it in (("hold", holds), ("swap", swaps), ("unhold", releases)):
                if self.name and is_it(body, self.name):
                    self.pending[connection, message.parts[0][1]] = kind
            if found:
                self.pending[connection, message.parts[0][1], "trap"] = True

    def answered(self, message, connection):
        if message.op != MODIFIED:
            return
        key = (connection, message.parts[0][1])
        with self.lock:
            kind = self.pending.pop(key, None)
            if kind and message.parts[1][1][0][1] == b"\0":
                self.writes[self.name, kind] += 1
            if self.pending.pop((*key, "trap"), None) and self.wanted is not None:
                self.spring()

    def wait(self):
        wait_for(self.sprung.is_set, 20, "the write")

    def done(self, name):
        """{kind: how often it was done}"""
        return {kind: count for (whose, kind), count in self.writes.items() if whose == name}


@pytest.fixture(scope="module", name="lab")
def _lab():
    with Lab() as lab:
        yield lab


@pytest.fixture(scope="module", name="trap")
def _trap(lab):
    with LdapRelay(lab.slapd.port) as relay:
        trap = Trap(relay)
        trap.relay, trap.uri = relay, relay.uri
        yield trap


class LateAnswers:
    """Keeps back the answers to renewals of the lease: one for so many seconds, which is in time; that
    to the next one until it is told to let go."""

    def __init__(self, relay, seconds):
        self.relay, self.seconds, self.renewals = relay, seconds, []
        self.kept, self.let_go = threading.Event(), threading.Event()

    def __enter__(self):
        self.before = self.relay.asked, self.relay.answered
        self.relay.asked, self.relay.answered = self.asked, self.answered
        return self

    def __exit__(self, kind, value, traceback):
        self.let_go.set()
        self.relay.asked, self.relay.answered = self.before

    def asked(self, message, connection):
        if message.op == MODIFY and b"restanteLeaseExpiry" in encode([message.parts[1]]):
            self.renewals.append((connection, message.parts[0][1]))

    def answered(self, message, connection):
        key = connection, message.parts[0][1]
        if message.op != MODIFIED or key not in self.renewals[:2]:
            return
        if key == self.renewals[0]:
            time.sleep(self.seconds)
        else:
            self.kept.set()
            self.let_go.wait(60)


@pytest.fixture(scope="module", name="control")
def _control(lab, trap):
    control = Control(lab, actions={"time_limit": "1s"})
    control.uri = trap.uri
    control.configure()
    control.load_backends()
    dirsync = dirsync_of(control)
    lab.servers.append(dirsync.start())
    lab.servers.append(control)
    return control.start()


def where(lab, name):
    entry = lab.slapd.read(lab.slapd.mailbox_dn(name))
    return (entry["restantesystem"][0], entry["mailroutingaddress"][0],
            entry.get("restantestate", ["active"])[0])


def effects(control, name):
    return {key[:2]: count for key, count in control.effects().items()
            if key[2] == name + "@example.org"}


def kills(control):
    return lambda: os.kill(control.pid, signal.SIGKILL)


def revive(control):
    wait_for(lambda: not control.running(), 20, "the controller to be killed")
    control.process.wait()
    control.process = None
    control.start()


def is_there(lab, control, name):
    assert where(lab, name) == ("S2", name + "@s2.lab", "active")
    assert control.backend("S1")["mailboxes"][name]["redirect"] == name + "@s2.lab"
    assert control.backend("S2")["mailboxes"][name]["redirect"] == ""
    assert effects(control, name) == THERE


def is_back(lab, control, name):
    assert where(lab, name) == ("S1", name + "@s1.lab", "active")
    assert control.backend("S1")["mailboxes"][name]["redirect"] == ""
    assert name not in control.backend("S2")["mailboxes"]


def cases(points, brief=()):
    return [pytest.param(point, when, marks=() if (point, when) in brief else pytest.mark.long)
            for point in points for when in ("before", "after")]


@pytest.mark.parametrize("point, when", cases(FORWARD, (("hold", "after"), ("swap", "after"))))
def test_killed_at_a_write(lab, control, trap, point, when):
    name = "%s-%s" % (point, when)
    address, = control.people(name)
    trap.set(name, FORWARD[point], when, kills(control))
    dn = control.record("m-" + name, address)
    trap.wait()
    revive(control)
    control.wait_state(dn, 10, 60)
    is_there(lab, control, name)
    assert trap.done(name) == {"hold": 1, "swap": 1}


@pytest.mark.parametrize("point, when", cases(BACKWARD, (("swap", "after"),)))
def test_killed_at_a_write_of_the_way_back(lab, control, trap, point, when):
    name = "back-%s-%s" % (point, when)
    address, = control.people(name)
    trap.set(name, None, when, None)
    dn = control.record("m-" + name, address)
    control.wait_state(dn, 10, 60)
    trap.set(name, BACKWARD[point], when, kills(control))
    control.request(dn, "rollback")
    trap.wait()
    revive(control)
    control.wait_outcome(dn, "rolled back", 60)
    is_back(lab, control, name)
    assert effects(control, name) == AND_BACK
    assert trap.done(name) == {"hold": 2, "swap": 2}


@pytest.mark.parametrize("point, when", cases(UNHELD, (("unhold", "after"),)))
def test_killed_where_a_hold_is_taken_back(lab, control, trap, point, when):
    """Rolled back before its swap."""
    name = "unheld-%s-%s" % (point, when)
    address, = control.people(name)
    control.fault({"S1 redirect " + address: "fail"})
    trap.set(name, None, when, None)
    dn = control.record("m-" + name, address)
    control.wait_state(dn, 5, 60)
    trap.set(name, UNHELD[point], when, kills(control))
    control.fault({})
    control.request(dn, "rollback")
    trap.wait()
    revive(control)
    control.wait_outcome(dn, "rolled back", 60)
    is_back(lab, control, name)
    assert set(effects(control, name).values()) <= {1, 2}
    assert trap.done(name) == {"hold": 1, "unhold": 1}


def send(lab, address):
    client = Smtp(lab.mta.port)
    message_id, text = compose(address)
    client.send("sender@outside.test", [address], text)
    client.quit()
    return message_id


@pytest.mark.parametrize("point, when", cases(FORWARD, (("swap", "before"),)))
def test_the_directory_goes_at_a_write(lab, control, trap, point, when):
    """For longer than the lease; mail is taken meanwhile, and gets to where the mailbox is then."""
    name = "dark-%s-%s" % (point, when)
    address, = control.people(name)
    trap.set(name, FORWARD[point], when, lab.slapd.kill)
    dn = control.record("m-" + name, address)
    trap.wait()
    wait_for(lambda: control.ask("status")["term"] == 0, 60, "the lease to lapse")
    message_id = send(lab, address)
    lab.slapd.start()
    control.wait_state(dn, 10, 90)
    is_there(lab, control, name)
    assert trap.done(name) == {"hold": 1, "swap": 1}

    def found():
        return message_id in lab.message_ids("S1", name) + lab.message_ids("S2", name)
    wait_for(lambda: lab.milter.held() == 0 and found(), 60, "the message to arrive")
    both = list(lab.message_ids("S1", name)) + list(lab.message_ids("S2", name))
    assert both.count(message_id) == 1


@pytest.mark.long
def test_the_lease_lapses_while_it_is_renewed(control, trap):
    """A renewal that was begun in time is answered late: what was looked at in between, when nobody
    led, is looked at again."""
    address, = control.people("between")
    control.timeout = "60s"
    control.configure(lease="6s")
    control.restart()
    wait_for(lambda: control.ask("status")["term"] > 0 and control.ask("status")["loaded"], 30,
             "it to lead")
    # renewed every 1.5 s: the second one begins when the first one holds for 0.4 s more
    with LateAnswers(trap.relay, 4.1) as late:
        wait_for(late.kept.is_set, 20, "a renewal of the lease")
        wait_for(lambda: control.ask("status")["term"] == 0, 20, "the lease to lapse")
        count = control.ask("status")["records"]
        dn = control.record("m-between", address)

        def looked_at():
            status = control.ask("status")
            return status["records"] > count and status["busy"] == status["due"] == 0
        wait_for(looked_at, 20, "the record to be looked at")
    control.wait_state(dn, 10, 60)
    control.timeout = "2s"
    control.configure(lease="2s")
    control.restart()
