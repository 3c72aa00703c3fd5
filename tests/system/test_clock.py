"""The clock of a front door is set, forwards or backwards, by hours or years, while it serves: mail
flows, is held and released in its order, nothing is returned and nobody is unknown because of it."""

import contextlib
import os
import re
import time

import pytest

from helpers import (arrived, fresh, hold, refusal, send, settled, sunk, swap, to_sink, unhold,
                     user_of, verdict, wait_verdict)
from lab.lab import Lab
from lab.milter import Milter
from lab.process import run, wait_for
from lab.sink import Sink
from nodes import raise_epoch, wait_acked

HOUR, YEAR = 3600, 365 * 86400
JUMPS = {"an hour on": HOUR, "an hour back": -HOUR, "ten years on": 10 * YEAR,
         "ten years back": -10 * YEAR}
HERE = os.path.dirname(os.path.abspath(__file__))


class Turnable(Milter):
    """restante-milter with a wall clock that turn() sets; the others keep theirs."""

    def __init__(self, lab, options):
        super().__init__(lab, options)
        self.library = os.path.join(lab.dir, "clock_jump.so")
        self.file = os.path.join(lab.dir, "clock_jump")
        run(["gcc", "-shared", "-fPIC", "-O1", "-o", self.library,
             os.path.join(HERE, "clock_jump.c")])
        self.turn(0)

    def turn(self, seconds):
        with open(self.file + ".new", "w") as out:
            out.write(str(seconds))
        os.rename(self.file + ".new", self.file)

    def environment(self):
        return dict(os.environ, LD_PRELOAD=self.library, CLOCK_JUMP=self.file)

@pytest.fixture(scope="module", name="lab")
def _lab():
    with Sink() as sink:
        lab = Lab(start=())
        try:
            lab.make(("slapd", "s1", "s2", "milter", "postfix"))
            lab.servers.remove(lab.milter)
            lab.milter = Turnable(lab, {"delay_notice": "2h", "release_retry_min": "100ms",
                                        "release_retry_max": "400ms", "release_expire": "5d"})
            lab.servers.insert(0, lab.milter)
            lab.sink = sink
            lab.postfix.routes["sink.lab"] = sink.port
            lab.postfix.configure()
            for server in lab.servers:
                if server is not lab.milter:
                    server.start()
            lab.milter.start()
            yield lab
        finally:
            lab.close()


@pytest.fixture(autouse=True)
def right(lab):
    """Each test begins with the right time."""
    if lab.milter.log_text().count("milter: ready") > 1:  # started at another time, perhaps
        lab.milter.stop()
        lab.milter.turn(0)
        lab.milter.start()
    lab.milter.turn(0)
    wait_verdict(lab, "nobody@example.org", "nobody")


def turned(lab, seconds):
    """The clock is set, and the daemon knows what it knew."""
    lab.milter.turn(seconds)
    wait_verdict(lab, "nobody@example.org", "nobody")


def handed_over(lab, mark):
    """Message-IDs in the order in which the release listener got them."""
    return re.findall(r"cleanup\[\d+\]: \w+: message-id=(<\S+>)", lab.postfix.log_text()[mark:])


@pytest.mark.parametrize("jump", sorted(JUMPS))
def test_mail_is_held_and_released_over_it(lab, jump):
    """In its order, once, wherever it lives then; a repeat is one, before and after."""
    address, active = fresh(lab), fresh(lab)
    hold(lab, address)
    before = "Message-ID: <%s@repeat.test>\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n\r\nx\r\n" % (
        user_of(address))
    send(lab, address, content=before.encode())
    first = send(lab, address)
    turned(lab, JUMPS[jump])
    send(lab, address, content=before.encode())
    shown = lab.milter.log_text().splitlines()[-1]
    assert shown.startswith(time.strftime("%Y", time.gmtime(time.time() + JUMPS[jump])))
    second = send(lab, address)
    assert lab.milter.held() == 3
    lab.milter.restart()
    turned(lab, JUMPS[jump])
    send(lab, address, content=before.encode())
    assert lab.milter.held() == 3
    straight = send(lab, active)
    assert arrived(lab, "S1", user_of(active)) == [straight]
    mark = len(lab.postfix.log_text())
    swap(lab, address)
    arrived(lab, "S2", user_of(address), 3)
    wait_for(lambda: len(handed_over(lab, mark)) >= 3, 20, "the mail log to name them all")
    assert handed_over(lab, mark)[1:] == [first, second]
    assert refusal(lab, "nobody@example.org") == ("RCPT", 550, "5.1.1")
    lab.milter.turn(0)
    settled(lab)
    assert len(arrived(lab, "S2", user_of(address), 3)) == 3


@pytest.mark.parametrize("jump", sorted(JUMPS))
def test_the_fence_passes_over_it(lab, jump):
    """Epochs are acknowledged, and the replica is current again within its three periods."""
    wait_acked(lab, raise_epoch(lab))
    lab.milter.turn(JUMPS[jump])
    wait_acked(lab, raise_epoch(lab))
    turned(lab, JUMPS[jump])
    lab.milter.turn(0)
    wait_acked(lab, raise_epoch(lab))


@pytest.mark.parametrize("jump", ["ten years on", "ten years back"])
def test_who_vanished_lately_stays_so(lab, jump):
    """The five minutes are five minutes by any clock."""
    address = fresh(lab)
    lab.slapd.modify("dn: %s\nchangetype: delete\n" % lab.slapd.mailbox_dn(user_of(address)))
    wait_verdict(lab, address, "tryagain")
    turned(lab, JUMPS[jump])
    assert refusal(lab, address) == ("RCPT", 451, "4.3.0")


@pytest.mark.parametrize("jump", ["ten years on", "ten years back"])
def test_nothing_is_returned_because_of_it(lab, jump):
    """Refused for now before and after: of what began while this process runs the five days are
    counted by a clock that nobody turns. Whoever waits is told of a delay at most once, and never of a
    failure."""
    address, physical = to_sink(lab, "holding")
    sender, _ = to_sink(lab)  # notices come to the sink, too
    with refusing(lab, physical):
        msgid = send(lab, address, sender=sender)
        unhold(lab, address)
        refused(lab, 2)
        lab.milter.turn(JUMPS[jump])
        refused(lab, 3)
        assert lab.milter.held() >= 1
    sunk(lab, msgid)
    lab.milter.turn(0)
    settled(lab)
    found = [m for m in list(lab.sink.messages) if msgid.encode() in m.content]
    told = [m for m in found if m.sender == ""]
    assert len(found) - len(told) == 1
    assert len(told) <= 1 and not [m for m in told if b"Action: failed" in m.content]


@contextlib.contextmanager
def refusing(lab, physical):
    """A release listener of our own that takes no mail for that recipient now."""
    with Sink(lmtp=False) as listener:
        listener.replies[("rcpt", physical)] = "450 4.2.0 busy"
        lab.milter.configure(release_listener="smtp:127.0.0.1:%d" % listener.port)
        lab.milter.ask("reload")
        try:
            yield
        finally:
            lab.milter.configure(
                release_listener="smtp:127.0.0.1:%d" % lab.postfix.release_port)
            lab.milter.ask("reload")


def refused(lab, more):
    """So many refusals from now on."""
    before = lab.milter.log_text().count("release: refused for now")
    wait_for(lambda: lab.milter.log_text().count("release: refused for now") >= before + more, 20,
             "refusals")


def test_started_with_a_clock_that_is_wrong(lab):
    """A dead battery: it begins in 1970, and is set right while mail is held."""
    lab.milter.stop()
    lab.milter.turn(-int(time.time()) + HOUR)
    lab.milter.start()
    address = fresh(lab)
    hold(lab, address)
    first = send(lab, address)
    turned(lab, 0)
    second = send(lab, address)
    lab.milter.restart()
    assert verdict(lab, address) == "hold" and lab.milter.held() == 2
    swap(lab, address)
    assert sorted(arrived(lab, "S2", user_of(address), 2)) == sorted([first, second])
    settled(lab)
