"""The ledger: every message that was acknowledged to its client, and what became of it.

A copy is in its right place when the decision that sent it there was allowed at that time:
mail begun before the fence had passed may be in the old mailbox, mail acknowledged after the hold
began may be in the new one. Nothing may arrive in the old mailbox after the swap.
"""

import collections
import os
import threading
import time


class Record:
    """One message for one access address. Instants are time.monotonic()."""

    def __init__(self, msgid, target):
        self.msgid, self.target = msgid, target
        self.attempts = []      # when each transaction began
        self.troubles = []      # why the earlier ones count for nothing
        self.acknowledged = None

    def attempt(self):
        self.attempts.append(time.monotonic())

    def trouble(self, error):
        self.troubles.append((time.monotonic(), str(error)))

    def acknowledge(self):
        self.acknowledged = time.monotonic()


class Move:
    """A mailbox that moves while the ledger is kept."""

    def __init__(self, old, new):
        self.old, self.new = old, new # (system, user)
        self.held = None        # just before the hold was written
        self.fenced = None      # the fence had passed (no later than the swap)
        self.old_uid_next = None  # of the old mailbox, once the swap was done


Outcome = collections.namedtuple("Outcome", "sent delivered lost duplicated misrouted strangers")


class Ledger:
    def __init__(self):
        self.records = []
        self.homes = {}  # access address -> (system, user), or Move
        self._lock = threading.Lock()

    def home(self, address, system, user):
        self.homes[address] = (system, user)

    def moves(self, addresses, new):
        """These addresses are of one mailbox that moves to new = (system, user)."""
        move = Move(self.homes[addresses[0]], new)
        for address in addresses:
            self.homes[address] = move
        return move

    def begin(self, msgid, target):
        record = Record(msgid, target)
        with self._lock:
            self.records.append(record)
        return record

    def acknowledged(self):
        with self._lock:
            return [r for r in self.records if r.acknowledged is not None]

    def settle(self, lab):
        """Reads every mailbox of every backend over IMAP, and says what became of each message."""
        copies = collections.defaultdict(list)  # Message-ID -> [(system, user, uid)]
        for system, backend in lab.backends.items():
            for user in users(backend):
                imap = lab.imap(system, user)
                for uid, msgid in imap.message_ids():
                    copies[msgid].append((system, user, uid))
                imap.close()
        known = {record.msgid: record for record in self.records}
        sent = self.acknowledged()
        return Outcome(
            sent=len(sent),
            delivered=sum(1 for r in sent if copies[r.msgid]),
            lost=[r for r in sent if not copies[r.msgid]],
            duplicated=[(r, copies[r.msgid]) for r in self.records if len(copies[r.msgid]) > 1],
            misrouted=[(r, copy) for r in self.records for copy in copies[r.msgid]
                       if not self._allowed(r, copy)],
            strangers=[(msgid, where) for msgid, where in copies.items()
                       if where and msgid not in known])

    def _allowed(self, record, copy):
        system, user, uid = copy
        home = self.homes[record.target]
        if not isinstance(home, Move):
            return (system, user) == home
        if (system, user) == home.new:
            last = record.acknowledged
            return home.held is not None and (last is None or last > home.held)
        if (system, user) != home.old:
            return False
        in_time = home.fenced is None or record.attempts[0] < home.fenced
        return in_time and (home.old_uid_next is None or uid < home.old_uid_next)


def users(backend):
    """Who has got mail there so far."""
    root = os.path.join(backend.dir, "mail")
    return sorted(u for u in os.listdir(root) if os.path.isdir(os.path.join(root, u)))


def last_line(outcome):
    extra = sum(len(where) - 1 for _, where in outcome.duplicated)
    return "ledger: sent %d, delivered %d, lost %d, duplicated %d, misrouted %d" % (
        outcome.sent, outcome.delivered, len(outcome.lost), extra, len(outcome.misrouted))


def clean(outcome):
    return (outcome.sent == outcome.delivered and outcome.sent > 0 and not outcome.lost and
            not outcome.duplicated and not outcome.misrouted and not outcome.strangers)
