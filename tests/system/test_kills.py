"""kill -9 of the milter (and of slapd) at random instants of hold and release, under load: nothing
lost, nothing in the wrong place, and every duplicate explained one by one."""

import collections
import random
import threading
import time

import pytest

from helpers import fresh, settled, user_of
from lab.duplicates import explain, notes, passages
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
        self.step = "idle"
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
        self.step = "holding"
        self.insist("hold", address)
        self.holds += 1
        time.sleep(self.random.uniform(0.1, 0.8))
        if self.random.random() < 0.3:
            self.step = "unholding"
            self.insist("unhold", address)
            home.unhold()
            return
        self.step = "swapping"
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


Kill = collections.namedtuple("Kill", "when mono victim doing")


def doing(lab, mover):
    """What a kill would interrupt now, as the daemon and the mover see it."""
    try:
        status = lab.milter.ask("status")
    except (OSError, ValueError):
        return {"starting"}
    found = {mover.step}
    if status["transactions"]:
        found.add("taking mail")
    if status["release"].get("workers_busy"):  # not there before it releases
        found.add("releasing")
    return found


def kill_at_random(lab, mover, count, seed):
    """Kills the milter so many times, one in four while it is still starting; slapd now and then,
    which is away for a moment while the milter goes on."""
    chance = random.Random(seed)
    kills = []
    milters, ready = 0, True
    while milters < count:
        time.sleep(chance.uniform(0.02, 0.5) if ready else chance.uniform(0, 0.05))
        victim = lab.slapd if milters % 8 == 7 and kills[-1].victim != "slapd" else lab.milter
        interrupted = doing(lab, mover)
        victim.kill()
        kills.append(Kill(time.time(), time.monotonic(), victim.name, interrupted))
        if victim is lab.slapd:
            time.sleep(chance.uniform(0, 0.3))
            lab.slapd.start()
            continue
        milters += 1
        ready = milters % 4 != 0 or milters == count
        lab.milter.start(wait=ready)
    return kills


def cut_holds(ledger, kills):
    """Transactions for a held mailbox that had begun before a kill and failed right after it."""
    count = 0
    for record in ledger.records:
        for trouble, _ in record.troubles:
            began = max(attempt for attempt in record.attempts if attempt <= trouble)
            held = any(since <= began <= until
                       for since, until in ledger.homes[record.target].holds)
            count += held and any(began < kill.mono < trouble < kill.mono + 0.5 for kill in kills)
    return count


def cut_releases(found, noted):
    """Messages that the release had handed to the MTA, whose answer it did not live to see."""
    return sum(1 for through in found.values() for p in through
               if p.released and p.queue_id not in noted)


def tell(kills):
    """One line per victim: how often what was interrupted."""
    for victim in ("milter", "slapd"):
        mine = [kill for kill in kills if kill.victim == victim]
        counts = collections.Counter(what for kill in mine for what in kill.doing)
        print("%d kills of %s: %s" % (len(mine), victim, ", ".join(
            "%d while %s" % (n, what) for what, n in sorted(counts.items()))))


Cuts = collections.namedtuple("Cuts", "kills slapd starts holds releases")


def kill_and_balance(count, rate):
    with Lab(milter_options={"heartbeat": "200ms"}) as lab:
        ledger = Ledger()
        addresses = [fresh(lab) for _ in range(MAILBOXES)]
        homes = {a: ledger.home("S1", user_of(a), a) for a in addresses}
        injector = Injector(lab.mta.port, addresses, ledger, rate=rate).start()
        mover = Mover(lab, homes)
        mover.start()
        kills = kill_at_random(lab, mover, count, SEED)
        mover.stop()
        injector.stop()
        settled(lab, 120)
        outcome = ledger.settle(lab)
        found, noted = passages(lab.mta.log_text()), notes(lab.milter.log_text())
        milters = [kill for kill in kills if kill.victim == "milter"]
        instants = [kill.when for kill in milters]
        reasons = [explain(r, len(where), found.get(r.msgid, []), instants, noted)
                   for r, where in outcome.duplicated]
        tell(kills)
        cuts = Cuts(len(milters), len(kills) - len(milters),
                    sum("starting" in kill.doing for kill in milters),
                    cut_holds(ledger, milters), cut_releases(found, noted))
        print("%d holds, %d swaps, %d transactions repeated, %d messages released; cut off: %s" % (
            mover.holds, mover.swaps, injector.retries, len(noted), cuts))
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
        assert mover.swaps > 0 and noted and cuts.kills == count
        return cuts


def history(home):
    return [(s.place, s.since, s.until, s.uid_next) for s in home.stays], home.holds


def test_a_few_kills():
    kill_and_balance(10, rate=40)


@pytest.mark.long
def test_two_hundred_kills():
    cuts = kill_and_balance(200, rate=40)
    assert cuts.slapd >= 20 and cuts.starts >= 5 and cuts.holds >= 20 and cuts.releases >= 1
