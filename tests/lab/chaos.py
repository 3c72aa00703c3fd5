"""Faults at random: each has a victim, a beginning and an end, and several go on at once. The same seed
gives the same faults in the same order (how the servers meet them is up to the machine)."""

import collections
import os
import random
import signal
import subprocess
import threading
import time

from .process import LabError, wait_for

AT_ONCE = 3  # faults of different victims

# what happened: for the ledger's explanations. mono, when: time.monotonic() and time.time()
Event = collections.namedtuple("Event", "mono when kind victim")


def descendants(pid):
    """A process and all that it started."""
    children = collections.defaultdict(list)
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name) as stat:
                    children[int(stat.read().rsplit(")", 1)[1].split()[1])].append(int(name))
            except OSError:
                continue
    found, left = [], [pid]
    while left:
        found.append(left.pop())
        left += children[found[-1]]
    return found


def send_signal(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


class Fault:
    """victims: names of what nothing else may happen to meanwhile."""

    kind = "?"
    shortest, longest = 0.1, 1.0

    def __init__(self, victim):
        self.victim = victim
        self.victims = {victim.name}

    lasts = 0.0  # seconds, set before begin()

    def begin(self):
        raise NotImplementedError

    def end(self):
        """What was broken is whole again."""


class Kill(Fault):
    """kill -9, and after a while it is started again; it need not have come up when the next comes."""

    kind = "kill"
    shortest, longest = 0.0, 0.8

    def begin(self):
        self.victim.kill()

    def end(self):
        start(self.victim)


class Stop(Fault):
    """SIGSTOP: it is there, and does nothing."""

    kind = "stop"
    longest = 2.0

    def begin(self):
        self.pids = descendants(self.victim.pid) if self.victim.running() else []
        send_signal(self.pids, signal.SIGSTOP)

    def end(self):
        send_signal(self.pids, signal.SIGCONT)


class StopMta(Stop):
    """For less than late_commit (2 s), whatever else goes on: one that takes longer is outside of the
    promise."""

    kind = "stop mta"
    longest = 0.9

    def begin(self):
        super().begin()
        threading.Timer(self.lasts, self.end).start()


class Cut(Fault):
    """A door's wires to all directory servers, or a copy's to the first."""

    kind = "cut"
    longest = 3.0

    def __init__(self, victim, wires):
        super().__init__(victim)
        self.victims = {victim.name + " wires"}
        self.wires = wires

    def begin(self):
        for wire in self.wires:
            wire.cut()

    def end(self):
        for wire in self.wires:
            wire.mend()


class Freeze(Cut):
    kind = "freeze"

    def begin(self):
        for wire in self.wires:
            wire.freeze()


class PowerLoss(Fault):
    """The milter's machine loses power: what was not synced is gone. (Its MTA keeps its files: theirs
    are not what is tested here.)"""

    kind = "power"
    shortest, longest = 0.0, 0.3

    def __init__(self, victim, disk):
        super().__init__(victim)
        self.disk = disk
        self.victims = {victim.name, disk.path}

    def begin(self):
        self.victim.kill()
        self.disk.snapshot()
        self.disk.restore()

    def end(self):
        start(self.victim)


class FullDisk(Fault):
    """Somebody else fills the disk of a milter's databases."""

    kind = "full"
    longest = 1.5

    def __init__(self, victim, disk):
        super().__init__(victim)
        self.disk = disk
        self.victims = {disk.path}

    def begin(self):
        path = os.path.join(self.disk.path, "filler")
        free = os.statvfs(self.disk.path)
        subprocess.run(["fallocate", "-l", str(max(4096, free.f_bavail * free.f_frsize - 8192)),
                        path], check=False, stderr=subprocess.DEVNULL)

    def end(self):
        path = os.path.join(self.disk.path, "filler")
        if os.path.exists(path):
            os.unlink(path)


def start(server):
    if not server.running():
        server.start(wait=False)


class Chaos:
    """
    chaos = Chaos(seed, faults); chaos.run(1000)

    faults: [(weight, make)], make() gives a Fault. servers: those that are started again by
    themselves when they end, as a supervisor would. events: all that happened, in order.
    """

    def __init__(self, seed, faults, servers=(), pause=0.35):
        self.random = random.Random(seed)
        self.faults, self.servers, self.pause = faults, list(servers), pause
        self.active = []  # (ends at, fault)
        self.events = []

    def note(self, kind, victim):
        self.events.append(Event(time.monotonic(), time.time(), kind, victim))

    def _end_due(self):
        now = time.monotonic()
        for ends, fault in [one for one in self.active if one[0] <= now]:
            fault.end()
            self.active.remove((ends, fault))

    def _busy(self):
        return set().union(set(), *(fault.victims for _, fault in self.active))

    def supervise(self):
        """One that ended by itself (its disk was full, its store is broken) is started again."""
        for server in self.servers:
            if server.name not in self._busy() and not server.running():
                self.note("ended with %s" % (server.process and server.process.returncode),
                          server.name)
                start(server)

    def sleep(self, seconds):
        until = time.monotonic() + seconds
        while True:
            self._end_due()
            self.supervise()
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, 0.02))

    def one(self):
        """The next fault, once its victims are free."""
        weights = [weight for weight, _ in self.faults]
        fault = self.random.choices([make for _, make in self.faults], weights)[0]()
        fault.lasts = self.random.uniform(fault.shortest, fault.longest)
        while len(self.active) >= AT_ONCE or fault.victims & self._busy():
            self.sleep(0.01)
        self.note(fault.kind, fault.victim.name)
        fault.begin()
        self.active.append((time.monotonic() + fault.lasts, fault))

    def run(self, count, told=None):
        for number in range(count):
            self.one()
            self.sleep(self.random.uniform(0, 2 * self.pause))
            if told:
                told(number + 1)

    def calm(self, timeout=60):
        """Everything is whole, and every server ready."""
        while self.active:
            self.sleep(0.02)

        def ready(server):
            self.supervise()
            try:
                return server.running() and server.ready()
            except (OSError, LabError):
                return False
        for server in self.servers:
            wait_for(lambda server=server: ready(server), timeout, "%s to be ready" % server.name)

    def counts(self):
        """{kind of fault, victim: how often}"""
        return collections.Counter((event.kind, event.victim) for event in self.events)

    def instants(self, victim):
        """time.time() of what ended a server without its having had a say."""
        return [event.when for event in self.events if event.victim == victim and
                (event.kind in ("kill", "power") or event.kind.startswith("ended"))]
