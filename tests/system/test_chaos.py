"""Everything breaks at random while mail flows through two front doors and mailboxes move: nothing is
lost, nothing goes to the wrong place, and each duplicate is one that may be."""

import collections
import contextlib
import os
import random
import shutil
import tempfile
import threading
import time

import pytest

from helpers import fresh, user_of
from lab.chaos import Chaos, Cut, Freeze, FullDisk, Kill, PowerLoss, Stop, StopMta
from lab.duplicates import explain, notes, passages
from lab.lab import Lab
from lab.ledger import Ledger, last_line
from lab.mail import Injector
from lab.powerloss import Disk
from lab.process import LabError, run, wait_for

MAILBOXES = 8
ADMINISTRATORS = 4  # each with mailboxes of its own
SEED = 20260104
# for as long a front door may not have heard that a hold is over
ECHO = 60.0


@contextlib.contextmanager
def two_doors():
    """Two front doors, each with its databases on a disk that can lose power, reading from two servers
    by wires that can be cut."""
    directory = tempfile.mkdtemp(prefix="restante-chaos-", dir="/tmp")
    disks = []
    lab = Lab(start=(), directory=directory, front_doors=2, providers=2, wired=True, milter_options={
        "heartbeat": "300ms", "late_commit": "2s"})
    try:
        lab.make(("slapd", "s1", "s2", "milter", "postfix"))
        for door in lab.doors:
            place = os.path.join(directory, "disk%d" % door.number)
            os.makedirs(place)
            disks.append(Disk(place, 96))
            door.disk = disks[-1]
            door.milter.configure(replica_dir=os.path.join(door.disk.path, "replica"),
                                  queue_dir=os.path.join(door.disk.path, "queue"))
        for server in lab.servers:
            server.start()
        yield lab
        for door in lab.doors:
            door.milter.stop()
    except BaseException:
        lab.keep_logs(os.path.basename(directory))
        raise
    finally:
        for server in reversed(lab.servers):
            server.kill()
        lab.servers = []
        for disk in disks:
            disk.close()
        lab.close()
        shutil.rmtree(directory, ignore_errors=True)


class Administrator(threading.Thread):
    """Moves mailboxes to and fro, holds and unholds them, until it is told to stop. It sits at a
    machine of its own, next to the server that takes the writes."""

    def __init__(self, lab, homes, seed):
        super().__init__(daemon=True)
        self.lab, self.homes = lab, homes
        self.random = random.Random(seed)
        self.stopping = threading.Event()
        self.swaps = self.holds = self.refused = 0
        self.error = None
        self.conf = os.path.join(lab.dir, "admin.conf")
        with open(lab.milter.conf) as conf:
            text = conf.read()
        wires = lab.doors[0].wires
        for wire, provider in zip(wires, lab.providers):
            text = text.replace(wire.uri, provider.uri)
        with open(self.conf, "w") as conf:
            conf.write(text)

    def restante(self, *arguments):
        return run([self.lab.milter.cli_binary, "-c", self.conf, *arguments], check=False,
                   timeout=120).returncode

    def insist(self, *command):
        wait_for(lambda: self.restante(*command) == 0, 120, " ".join(command), interval=0.1)

    def lives_at(self, address):
        """Whatever a command heard: what the directory says."""
        def read():
            try:
                entry = self.lab.slapd.read(self.lab.slapd.mailbox_dn(user_of(address)))
            except LabError:
                return None
            return entry.get("mailroutingaddress", [None])[0]
        return wait_for(read, 120, "the directory")

    def run(self):
        try:
            while not self.stopping.is_set():
                self.turn(*self.random.choice(list(self.homes.items())))
        except Exception as error:  # shown by the test, which joins this thread
            self.error = error

    def turn(self, address, home):
        home.hold()
        self.insist("hold", address)
        self.holds += 1
        time.sleep(self.random.uniform(0.0, 0.5))
        if self.random.random() < 0.2:
            self.insist("unhold", address)
            home.unhold()
            return
        system = "S1" if home.place[0] == "S2" else "S2"
        physical = "%s@%s.lab" % (user_of(address), system.lower())
        while True:
            done = self.restante("swap", address, "--system", system, "--to", physical, "--wait",
                                 "--timeout", "15s")
            # a swap whose answer was lost may have been made
            if done == 0 or self.lives_at(address) == physical:
                break
            self.refused += 1
        home.swapped(self.lab, (system, user_of(address)))
        self.swaps += 1

    def stop(self):
        self.stopping.set()
        self.join()
        if self.error:
            raise self.error


def faults_of(lab):
    """[(weight, make)]: what may break."""
    found = []
    for door in lab.doors:
        milter, mta, disk, wires = door.milter, door.mta, door.disk, door.wires
        found += [(4, lambda m=milter: Kill(m)), (2, lambda m=milter: Stop(m)),
                  (3, lambda m=mta: StopMta(m)), (2, lambda m=milter, w=wires: Cut(m, w)),
                  (2, lambda m=milter, w=wires: Freeze(m, w)),
                  (1, lambda m=milter, w=wires: Cut(m, w[:1])),
                  (2, lambda m=milter, d=disk: PowerLoss(m, d)),
                  (2, lambda m=milter, d=disk: FullDisk(m, d))]
    first, copy = lab.providers
    found += [(2, lambda: Kill(first)), (1, lambda: Stop(first)), (2, lambda: Kill(copy)),
              (1, lambda: Stop(copy)), (2, lambda: Cut(copy, [copy.supply])),
              (1, lambda: Freeze(copy, [copy.supply]))]
    return found


# --- duplicates -----------------------------------------------------------------------------------

class Evidence:
    """What the logs of both doors say about each message."""

    def __init__(self, lab, chaos):
        self.doors = lab.doors
        self.passages = {d.node: passages(d.mta.log_text()) for d in lab.doors}
        self.noted = {d.node: notes(d.milter.log_text()) for d in lab.doors}
        self.kills = {d.node: chaos.instants(d.milter.name) for d in lab.doors}

    def why(self, record, copies):
        """One line, or None where no allowed reason fits."""
        delivered = {}
        for door in self.doors:
            through = self.passages[door.node].get(record.msgid, [])
            count = sum(p.delivered for p in through)
            if count:
                delivered[door.node] = (door, count, through)
        if sum(count for _, count, _ in delivered.values()) != copies:
            return None
        reasons = []
        if len(delivered) > 1:
            ports = {door.mta.port for door, _, _ in delivered.values()}
            if not record.troubles or not ports <= set(record.ports):
                return None
            reasons.append("repeated by its client at another front door, for the answer of the "
                           "first was lost")
        for node, (_, count, through) in delivered.items():
            reason = explain(record, count, through, self.kills[node], self.noted[node])
            if count > 1 and reason is None:
                return None
            if count > 1:
                reasons.append("%s: %s" % (node, reason.split(": ", 1)[1]))
        return "%s: %s" % (record.msgid, "; ".join(reasons))


def kind_of(reason):
    for text in ("at another front door", "repeated by its client", "released again"):
        if text in reason:
            return text
    return reason


# --- the run --------------------------------------------------------------------------------------

def settled(lab, chaos):
    """Nothing is held or queued any more, at either door."""
    def empty(door):
        chaos.supervise()
        try:
            return door.milter.held() == 0 and door.mta.empty()
        except (OSError, ValueError):
            return False
    for door in lab.doors:
        door.mta.flush()
        wait_for(lambda door=door: empty(door), 180, "%s to hold and queue nothing" % door.node)


def tell(chaos, staff, injectors):
    counts = chaos.counts()
    for kind in sorted({kind for kind, _ in counts}):
        print("%5d %s: %s" % (
            sum(n for (k, _), n in counts.items() if k == kind), kind,
            ", ".join("%s %d" % (v, n) for (k, v), n in sorted(counts.items()) if k == kind)))
    print("%d holds, %d swaps, %d refused for a while; %d transactions repeated" % (
        sum(a.holds for a in staff), sum(a.swaps for a in staff), sum(a.refused for a in staff),
        sum(injector.retries for injector in injectors)))


class Crew:
    """Who moves the mailboxes, and what more may break."""

    administrator = Administrator

    def __init__(self, lab):
        self.lab = lab
        self.servers = []

    def people(self):
        return [fresh(self.lab) for _ in range(MAILBOXES)]

    def staff(self, homes, seed):
        return [self.administrator(self.lab, dict(list(homes.items())[n::ADMINISTRATORS]), seed + n)
                for n in range(ADMINISTRATORS)]

    def faults(self):
        return faults_of(self.lab)


def chaos_and_ledger(count, seed, rate=15.0, pause=0.35, hire=Crew):
    print("chaos: seed %d, %d faults (RESTANTE_CHAOS_SEED=%d runs the same)" % (seed, count, seed))
    with two_doors() as lab:
        crew = hire(lab)
        ledger = Ledger()
        addresses = crew.people()
        homes = {a: ledger.home("S1", user_of(a), a) for a in addresses}
        for home in homes.values():
            home.echo = ECHO
        ports = [door.mta.port for door in lab.doors]
        injectors = [Injector(ports[n], addresses, ledger, rate=rate, elsewhere=[ports[1 - n]])
                     .start() for n in (0, 1)]
        staff = crew.staff(homes, seed)
        for administrator in staff:
            administrator.start()
        chaos = Chaos(seed, crew.faults(), [*lab.providers, *(door.milter for door in lab.doors),
                                            *crew.servers], pause)
        chaos.run(count, progress(count))
        chaos.calm()
        for administrator in staff:
            administrator.stopping.set()
        for administrator in staff:
            administrator.stop()
        for injector in injectors:
            injector.stop()
        settled(lab, chaos)
        outcome = ledger.settle(lab)
        evidence = Evidence(lab, chaos)
        tell(chaos, staff, injectors)
        judge(lab, homes, outcome, evidence)
        assert sum(administrator.swaps for administrator in staff) > 0
        return chaos


def progress(count):
    began = time.monotonic()

    def told(number):
        if number % 50 == 0 and number < count:
            print("%d faults after %.0f s" % (number, time.monotonic() - began), flush=True)
    return told


def judge(lab, homes, outcome, evidence):
    reasons = [evidence.why(record, len(where)) for record, where in outcome.duplicated]
    print(last_line(outcome))
    for kind, number in collections.Counter(
            "unexplained" if reason is None else kind_of(reason) for reason in reasons).items():
        print("%d duplicated: %s" % (number, kind))
    assert [(r.msgid, r.target, r.attempts, r.acknowledged) for r in outcome.lost] == []
    assert [(r.msgid, r.target, r.attempts, r.acknowledged, copy,
             [(s.place, s.since, s.until, s.uid_next) for s in homes[r.target].stays],
             homes[r.target].holds) for r, copy in outcome.misrouted] == []
    assert [(r.msgid, r.ports, r.attempts, r.troubles, where)
            for (r, where), reason in zip(outcome.duplicated, reasons) if reason is None] == []
    assert outcome.strangers == []


def seed_of(default):
    return int(os.environ.get("RESTANTE_CHAOS_SEED", default))


def test_a_little_chaos():
    chaos_and_ledger(25, seed_of(SEED), pause=0.3)


@pytest.mark.long
def test_a_thousand_faults():
    chaos = chaos_and_ledger(1000, seed_of(time.time_ns() % 10 ** 9))
    kinds = {kind for kind, _ in chaos.counts()}
    assert {"kill", "stop", "stop mta", "cut", "freeze", "power", "full"} <= kinds
