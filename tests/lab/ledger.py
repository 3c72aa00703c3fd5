"""The ledger: every message that was acknowledged to its client, and what became of it.

A mailbox lives in one place after the other. A copy is in its right place when it was sent there
while the mailbox lived there (until the fence of its next move had passed), or was held at any time
before that stay ended: held mail goes where the mailbox lives when it is released, and another hold
may come first. Nothing may arrive in a mailbox after the swap away from it.
"""

import collections
import math
import threading
import time


class Record:
    """One message for one access address. Instants are time.monotonic()."""

    def __init__(self, msgid, target):
        self.msgid, self.target = msgid, target
        self.attempts = []      # when each transaction began
        self.ports = []         # and where
        self.troubles = []      # (when, why) an earlier one counts for nothing
        self.acknowledged = None

    def attempt(self, port=None):
        self.attempts.append(time.monotonic())
        self.ports.append(port)

    def trouble(self, error):
        self.troubles.append((time.monotonic(), str(error)))

    def acknowledge(self):
        self.acknowledged = time.monotonic()


class Stay:
    """A mailbox in one place: (system, user)."""

    def __init__(self, place, since):
        self.place = place
        self.since = since      # the hold before it began; 0 for the first place
        self.reach = since      # and from when on mail may be there
        self.until = math.inf   # the fence that ended it had passed
        self.uid_next = math.inf  # of the mailbox when it ended: what comes later is late


# What lay in the MTA's queue for the old place goes on to the new one as soon as it is redirected.
QUEUED = 5.0
# The milter hears of the end of a hold a moment after it was written.
HOLD_ECHO = 1.0


class Home:
    """Where the mail of some access addresses belongs, over time."""

    echo = HOLD_ECHO

    def __init__(self, system, user):
        self.stays = [Stay((system, user), 0.0)]
        self.holds = []  # [since, until]

    @property
    def place(self):
        return self.stays[-1].place

    def hold(self):
        """To be called just before the hold is written."""
        self.holds.append([time.monotonic(), math.inf])
        return self.holds[-1][0]

    def unhold(self):
        """To be called as soon as the hold is ended."""
        self.holds[-1][1] = time.monotonic()

    def swapped(self, lab, place):
        """To be called as soon as the swap is done."""
        self.unhold()
        held, now = self.holds[-1]
        old = self.stays[-1]
        imap = lab.imap(*old.place)
        old.until, old.uid_next = now, imap.uid_next()
        imap.close()
        self.stays.append(Stay(place, held))
        return now

    def moved(self, place, held, swapped, uid_next):
        """By a controller, which redirects the old place to the new one before it swaps; said
        afterwards. uid_next: of the old place at the swap."""
        self.holds.append([held, swapped])
        self.stays[-1].until, self.stays[-1].uid_next = swapped, uid_next
        self.stays.append(Stay(place, held))
        self.stays[-1].reach = held - QUEUED

    def allows(self, record, copy):
        system, user, uid = copy
        began, ended = record.attempts[0], record.acknowledged or math.inf
        for stay in self.stays:
            if stay.place != (system, user) or uid >= stay.uid_next:
                continue
            if began <= stay.until and ended >= stay.reach:
                return True
            if any(since < stay.until and began <= until + self.echo and ended >= since
                   for since, until in self.holds):
                return True
        return False


Outcome = collections.namedtuple("Outcome", "sent delivered lost duplicated misrouted strangers")


class Ledger:
    def __init__(self):
        self.records = []
        self.homes = {}  # access address -> Home
        self._lock = threading.Lock()

    def home(self, system, user, *addresses):
        """These addresses are of one mailbox, which lives there now."""
        home = Home(system, user)
        for address in addresses:
            self.homes[address] = home
        return home

    def begin(self, msgid, target):
        record = Record(msgid, target)
        with self._lock:
            self.records.append(record)
        return record

    def acknowledged(self):
        with self._lock:
            return [r for r in self.records if r.acknowledged is not None]

    def settle(self, lab, besides=()):
        """Reads every mailbox of every backend over IMAP, and says what became of each message.
        besides: (system, user) of mailboxes that somebody else looks after."""
        copies = collections.defaultdict(list)  # Message-ID -> [(system, user, uid)]
        for system, backend in lab.backends.items():
            for user in backend.users():
                if (system, user) in besides:
                    continue
                imap = lab.imap(system, user)
                for uid, msgid in imap.message_ids():
                    copies[msgid].append((system, user, uid))
                imap.close()
        known = {record.msgid for record in self.records}
        sent = self.acknowledged()
        return Outcome(
            sent=len(sent),
            delivered=sum(1 for r in sent if copies[r.msgid]),
            lost=[r for r in sent if not copies[r.msgid]],
            duplicated=[(r, copies[r.msgid]) for r in self.records if len(copies[r.msgid]) > 1],
            misrouted=[(r, copy) for r in self.records for copy in copies[r.msgid]
                       if not self.homes[r.target].allows(r, copy)],
            strangers=[(msgid, where) for msgid, where in copies.items()
                       if where and msgid not in known])


def last_line(outcome, corpus=None):
    """corpus: further counts of the same kind."""
    counts = [outcome.sent, outcome.delivered, len(outcome.lost),
              sum(len(where) - 1 for _, where in outcome.duplicated), len(outcome.misrouted)]
    if corpus is not None:
        more = [corpus.sent, corpus.delivered, corpus.lost, corpus.duplicated, corpus.misrouted]
        counts = [sum(pair) for pair in zip(counts, more)]
    return "ledger: sent %d, delivered %d, lost %d, duplicated %d, misrouted %d" % tuple(counts)


def clean(outcome):
    return (outcome.sent == outcome.delivered and outcome.sent > 0 and not outcome.lost and
            not outcome.duplicated and not outcome.misrouted and not outcome.strangers)
