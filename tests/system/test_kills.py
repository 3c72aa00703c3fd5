"""kill -9 of the milter (and of slapd) at random instants of hold and release, under load: nothing
lost, nothing in the wrong place, and every duplicate explained one by one."""

import random
import threading
import time

import pytest

from helpers import fresh, settled, user_of
from lab.duplicates import explain, passages
from lab.lab import Lab
from lab.ledger import Ledger, last_line
from lab.mail import Injector
from lab.process import wait_for

MAILBOXES = 6
SEED = 20260101


class Mover(threading.Thread):
    """Moves mailboxes to and fro, or holds and unholds them, until it is told to stop. A command
    that fails because the milter is gone is given again, as an administrator would."""

    def __init__(self, lab, homes):
        super().__init__(daemon=True)
        self.lab, self.homes = lab, homes
        self.random = random.Random(SEED)
        self.stopping = threading.Event()
        self.swaps = self.holds = 0
        self.error = None

    def run(self):
        try:
            while not self.stopping.is_set():
                self.turn(*self.random.choice(list(self.homes.items())))
        except Exception as error:  # shown by the test, which joins this thread
            self.error = error

    def insist(self, *command):
        def done():
            return self.lab.milter.cli(*command, check=False, timeout=90).returncode == 0
        wait_for(done, 120, " ".join(command), interval=0.1)

    def turn(self, address, home):
        home.hold()
        self.insist("hold", address)
        self.holds += 1
        time.sleep(self.random.uniform(0.1, 0.8))
        if self.random.random() < 0.3:
            self.insist("unhold", address)
            home.unhold()
            return
        system = "S1" if home.place[0] == "S2" else "S2"
        physical = "%s@%s.lab" % (user_of(address), system.lower())
        self.insist("swap", address, "--system", system, "--to", physical, "--wait", "--yes")
        home.swapped(self.lab, (system, user_of(address)))
        self.swaps += 1

    def stop(self):
        self.stopping.set()
        self.join()
        if self.error:
            raise self.error


def kill_at_random(lab, count, seed):
    """The instants of the kills. One in four comes while the milter is still starting."""
    chance = random.Random(seed)
    instants = []
    for number in range(count):
        time.sleep(chance.uniform(0.02, 0.5))
        if number % 10 == 9:
            lab.slapd.kill()
            lab.slapd.start()
        lab.milter.kill()
        instants.append(time.time())
        lab.milter.start(wait=number % 4 != 3 or number == count - 1)
    return instants


def kill_and_balance(count, rate):
    with Lab(milter_options={"heartbeat": "200ms"}) as lab:
        ledger = Ledger()
        addresses = [fresh(lab) for _ in range(MAILBOXES)]
        homes = {a: ledger.home("S1", user_of(a), a) for a in addresses}
        injector = Injector(lab.postfix.port, addresses, ledger, rate=rate).start()
        mover = Mover(lab, homes)
        mover.start()
        kills = kill_at_random(lab, count, SEED)
        mover.stop()
        injector.stop()
        settled(lab, 120)
        outcome = ledger.settle(lab)
        found = passages(lab.postfix.log_text())
        reasons = [explain(r, len(where), found.get(r.msgid, []), kills)
                   for r, where in outcome.duplicated]
        print("%d kills, %d holds, %d swaps, %d transactions repeated" % (
            len(kills), mover.holds, mover.swaps, injector.retries))
        print(last_line(outcome))
        for reason in reasons:
            print("duplicate explained: %s" % reason)
        unexplained = [(r.msgid, r.attempts, r.troubles, where,
                        [(p.queue_id, p.listener, p.when, p.delivered)
                         for p in found.get(r.msgid, [])])
                       for (r, where), why in zip(outcome.duplicated, reasons) if why is None]
        assert [r.msgid for r in outcome.lost] == []
        assert [(r.msgid, r.attempts, r.acknowledged, copy, history(homes[r.target]))
                for r, copy in outcome.misrouted] == []
        assert unexplained == []
        assert outcome.strangers == []
        assert mover.swaps > 0 and len(kills) == count
        return outcome


def history(home):
    return [(s.place, s.since, s.until, s.uid_next) for s in home.stays], home.holds


def test_a_few_kills():
    kill_and_balance(10, rate=40)


@pytest.mark.long
def test_two_hundred_kills():
    kill_and_balance(200, rate=40)
