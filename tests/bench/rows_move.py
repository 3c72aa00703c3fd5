"""restante-control: how long a mailbox is held, a wave with mail flowing, many pending moves. The
backends are directories with the shipped templates; sinks take the mail and keep when it came."""

import calendar
import collections
import os
import re
import tempfile
import time

import figures
from cpugroup import memory_kb
from doors import plain
from rounds import progress
from lab.accounts import TEMPLATES, Accounts
from lab.control import Control, pending_record
from lab.dirsync import Dirsync
from lab.frontdoor import settled
from lab.lab import Lab
from lab.ledger import Ledger
from lab.mail import Injector
from lab.process import run, wait_for
from lab.sink import Sink
from lab.slapd import FEDERATION

RATE = 200  # messages per second, all front doors together
WAVE, QUICK_WAVE = 10000, 200
PENDING = 50000
DONE = 10
SYSTEMS = ("S1", "S2")
DEFAULTS = ("lease", "retry_min", "retry_max", "fence_timeout")
ACCOUNT = """
dn: uid={uid},{people}
objectClass: inetOrgPerson
objectClass: posixAccount
cn: {uid}
sn: {uid}
uid: {uid}
mail: {uid}@example.org
uidNumber: 65534
gidNumber: 65534
homeDirectory: /nonexistent/{uid}
"""
MONITOR = """
database monitor
access to *
	by dn.exact="gidNumber=0+uidNumber=0,cn=peercred,cn=external,cn=auth" read
"""

def csn_seconds(csn):
    return calendar.timegm(time.strptime(csn[:14], "%Y%m%d%H%M%S")) + float(csn[14:21])


def _seconds(pid):
    """CPU of it, of its children that ended, and of those that live."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            living = children.read().split()
    except FileNotFoundError:  # it ended meanwhile: its parent has what it took
        return 0
    return (sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK") +
            sum(_seconds(int(child)) for child in living))


class BenchControl(Control):
    """With the defaults of restante.conf, but for places and names."""

    def settings(self):
        sections = super().settings()
        for key in DEFAULTS:
            if key not in self.options:
                sections["control"].pop(key)
        return sections

    def actions_of(self, system):
        backend = self.lab.accounts[system]
        settings = {"people": backend.people, "contacts": backend.contacts,
                    "quarantine": backend.quarantine, "maildomain": system.lower() + ".lab",
                    "homes": "/nonexistent", "uid_number": 65534, "gid_number": 65534}
        return {**backend.bind(), "base": backend.suffix,
                "settings": " ".join("%s=%s" % pair for pair in settings.items()),
                "templates": os.path.join(self.lab.source, "contrib/actions"),
                **{name: "dovecot-ldap/%s.ldif" % name for name in TEMPLATES}}


class MoveBed:
    """That many mailboxes on S1, and front doors in front of both systems."""

    def __init__(self, build, count, doors=1, logging="info", wave=False):
        self.count, self.wave = count, wave
        self.sinks = {system: Sink() for system in SYSTEMS}
        self.lab = Lab(start=(), build=build, front_doors=doors)
        try:
            self._make(logging)
        except BaseException:
            self.close()
            raise

    def _make(self, logging):
        lab = self.lab
        lab.make(("slapd",))
        if self.wave:
            self._unsynced()
        lab.accounts = {system: lab._add(Accounts(lab, system)) for system in SYSTEMS}
        # a system without anybody is taken for an outage
        for system, names in (("S1", self.names()), ("S2", ["stays"])):
            backend = lab.accounts[system]
            run(["/usr/sbin/slapadd", "-q", "-f", backend.conf], timeout=600, stdin="".join(
                ACCOUNT.format(uid=uid, people=backend.people) for uid in names).encode())
        lab.make(("milter", "postfix"))
        for door in lab.doors:
            door.mta.routes = {s.lower() + ".lab": sink.port for s, sink in self.sinks.items()}
            door.mta.configure()
            plain(door.milter)
        self.dirsync = Dirsync(lab, ups={s: {
            **lab.accounts[s].bind(), "base": lab.accounts[s].people, "timeout": "60s",
            "addresses": "mail mailLocalAddress", "physical": "%%{uid}@%s.lab" % s.lower(),
            "every": "0s", "full_every": "0s",
            "delta": "syncrepl"} for s in SYSTEMS})
        self.control = BenchControl(lab, scenarios={"bench": {"create": "0s", "drain": "0s"}})
        self.control.logging = logging
        self.control.configure()
        for server in list(lab.servers):
            server.start()
            if server is lab.accounts["S2"]:
                self._fill()
        for server in (self.dirsync, self.control):
            lab._add(server).start()
        wait_for(lambda: all(door.milter.ask("route", address=self.address(self.names()[-1]))[
            "verdict"] == "rewrite" for door in lab.doors), 60, "the front doors to know the tree")
        time.sleep(3)  # after a start the fence waits late_commit (2 s) for connections of before

    def _unsynced(self):
        """A disk that syncs some hundred times a second would hide all else. And what slapd does is
        counted."""
        with open(self.lab.slapd.conf, encoding="utf-8") as conf:
            text = conf.read()
        with open(self.lab.slapd.conf, "w", encoding="utf-8") as conf:
            conf.write(re.sub(r"(?m)^maxsize\s.*$", r"\g<0>\ndbnosync", text) + MONITOR)

    def _fill(self):
        """The sample's people of both systems go; S1's own come by the up sync."""
        slapd = self.lab.slapd
        for dn, _ in slapd.search("(|(restanteSystem=S1)(restanteSystem=S2))", ["cn"]):
            slapd.modify("dn: %s\nchangetype: delete\n" % dn)
        self.dirsync.once("--up", timeout=600)

    def names(self):
        return ["m%d" % number for number in range(self.count)]

    @staticmethod
    def address(name):
        return name + "@example.org"

    def held(self, dn):
        """Seconds of the hold's CSN and of the swap's."""
        return [csn_seconds(csn) for csn in self.control.one(dn, "restanteMoveHold").split()]

    def close(self):
        try:
            self.lab.close()
        finally:
            for sink in self.sinks.values():
                sink.close()


# --- how long a mailbox is held ---------------------------------------------------------------------

ACTED = re.compile(r"acted move=(\S+) system=(\S+) action=(unredirect|redirect) took_us=(\d+)")


def _inside(bed, dn):
    """Seconds of the actions between hold and swap: S2's redirection goes, S1's comes."""
    mailbox = bed.control.one(dn, "restanteMoveMailbox")
    found = {(system, action): int(took) / 1e6
             for move, system, action, took in ACTED.findall(bed.control.log_text())
             if move == mailbox}
    return found["S2", "unredirect"] + found["S1", "redirect"]


def _hold_times(options, doors, goal):
    rounds = max(5, options.rounds)
    bed = MoveBed(options.build, rounds + 1, doors, logging="debug")
    whole, inside = [], []
    try:
        for number, name in enumerate(bed.names()):  # the first does not count
            dn = bed.control.record("b-" + name, bed.address(name), restanteMoveScenario="bench")
            bed.control.wait_state(dn, DONE, 60)
            held, swapped = bed.held(dn)
            if number > 0:
                whole.append(1000 * (swapped - held))
                inside.append(1000 * _inside(bed, dn))
                progress(f"move-hold {number} of {rounds}: {whole[-1]:.0f} ms, "
                         f"{inside[-1]:.0f} ms of it in actions")
    finally:
        bed.close()
    words = "one front door" if doors == 1 else "two front doors"
    return figures.Row(
        f"move-hold-{doors}", "from the hold's CSN to the swap's CSN of a move by the controller, "
        f"drained, {words}, idle, without the time in the backends' actions",
        [a - b for a, b in zip(whole, inside)], unit="ms", goal=goal, digits=1,
        ours=f"{figures.spread(whole, 'ms')} with actions, which took "
             f"{figures.spread(inside, 'ms', 1)}")


def hold(options):
    return [_hold_times(options, 1, "<= 250"), _hold_times(options, 2, "<= 400")]


# --- a wave -----------------------------------------------------------------------------------------

WRITES = ("Add", "Modify", "Modrdn", "Delete")


def _operations(bed):
    """How many of each kind slapd has done."""
    found = bed.lab.slapd.search("(objectClass=monitorOperation)", base="cn=Operations,cn=Monitor",
                                 who="root")
    return {entry["cn"][0]: int(entry["monitoropcompleted"][0]) for _, entry in found}


def _judge(bed, ledger, records):
    """(lost, duplicated, misrouted): by when each copy came, and when its mailbox was held."""
    offset = time.monotonic() - time.time()
    times = {}
    for entry in records:
        held, swapped = (csn_seconds(csn) + offset for csn in entry["restantemovehold"][0].split())
        times[entry["restantemoveaddress"][0].split("@")[0]] = held, swapped
    copies = collections.defaultdict(list)
    for system, sink in bed.sinks.items():
        for message in sink.messages:
            msgid = re.search(rb"(?im)^message-id:\s*(\S+)", message.content)[1].decode()
            for address, _ in message.recipients:
                copies[msgid].append((system, address.split("@")[0], message.at))
    lost = sum(1 for record in ledger.acknowledged() if not copies[record.msgid])
    duplicated = sum(len(copies[record.msgid]) > 1 for record in ledger.records)
    misrouted = 0
    for record in ledger.records:
        name = record.target.split("@")[0]
        held, swapped = times[name]
        for system, user, at in copies[record.msgid]:
            right = at <= swapped if system == "S1" else at >= held
            misrouted += user != name or not right
    return lost, duplicated, misrouted


def _spent(bed):
    """CPU seconds of all servers."""
    spent = {"sender and sinks": sum(os.times()[:2])}
    for server in bed.lab.servers:
        kind = "Postfix" if server.name.startswith("postfix") else server.name
        spent[kind] = spent.get(kind, 0) + _seconds(server.pid)
    return spent


def _flow(bed, ledger):
    doors = bed.lab.doors
    return [Injector(door.mta.port, [bed.address(name) for name in bed.names()], ledger,
                     rate=RATE / len(doors), size=2048, threads=12).start() for door in doors]


def _import(bed):
    with tempfile.NamedTemporaryFile("w", prefix="rb-", suffix=".csv", dir="/tmp") as out:
        out.write("address,to,scenario,wave\n")
        out.writelines(f"{bed.address(name)},S2,bench,bench\n" for name in bed.names())
        out.flush()
        bed.control.cli("move", "import", out.name, timeout=600)


def _walk(bed):
    """Until all are complete; how many were under way at most."""
    until, done, most = time.monotonic() + 120 + bed.count / 10, -1, 0
    while done < bed.count:
        status = bed.control.ask("status")
        before, done = done, {one["state"]: one["moves"]
                              for one in status["states"]}.get(DONE, 0)
        most = max(most, status["under_way"])
        if done != before:
            progress(f"move-wave {done:,} of {bed.count:,}")
        if time.monotonic() > until:
            raise RuntimeError(f"{done} of {bed.count} moves came to their end: {status}")
        time.sleep(1 if bed.count > 1000 else 0.1)
    return most


def _made(bed, ledger):
    """The wave, with mail flowing: what it took."""
    injectors = _flow(bed, ledger)
    time.sleep(2)
    operations, spent = _operations(bed), _spent(bed)
    began, sent = time.monotonic(), len(ledger.acknowledged())
    _import(bed)
    imported = time.monotonic() - began
    most = _walk(bed)
    took = time.monotonic() - began
    made = {"took": took, "imported": imported, "most": most,
            "flowed": (len(ledger.acknowledged()) - sent) / took,
            "spent": {name: 1000 * (now - spent[name]) / bed.count
                      for name, now in _spent(bed).items()},
            "done": {name: (now - operations[name]) / bed.count
                     for name, now in _operations(bed).items()},
            "records": bed.control.ask("status")["writes"] / bed.count}
    for injector in injectors:
        injector.stop()
    for door in bed.lab.doors:
        settled(door, 120)
    return made


def wave(options):
    """Every mailbox of S1 goes to S2. --messages says how many, else there are 10,000."""
    count = options.messages or (QUICK_WAVE if options.quick else WAVE)
    bed = MoveBed(options.build, count, wave=True)
    ledger = Ledger()
    try:
        made = _made(bed, ledger)
        records = [entry for _, entry in bed.lab.slapd.search("(objectClass=restanteMove)",
                                                              base=FEDERATION)]
        lost, duplicated, misrouted = _judge(bed, ledger, records)
    finally:
        bed.close()
    held = []
    for entry in records:
        first, last = (csn_seconds(csn) for csn in entry["restantemovehold"][0].split())
        held.append(last - first)
    writes = sum(made["done"][kind] for kind in WRITES)
    cpu = ", ".join(f"{name} {ms:.1f}" for name, ms in sorted(made["spent"].items()))
    return [
        figures.Row("move-wave", f"moves per second, {count:,} mailboxes that get {RATE} messages/s "
                    "together, shipped templates, from the import's begin to the last in state 10",
                    [count / made["took"]], unit="moves/s", goal=">= 50", digits=1,
                    ours=f"{made['took']:.0f} s, {made['imported']:.0f} s of it the import; "
                         f"{made['flowed']:.0f} msg/s flowed; {made['most']} under way at most; "
                         f"held {figures.spread(held, 's', 1)}"),
        figures.Row("move-wave-ledger", "lost + duplicated + misrouted of it",
                    [lost + duplicated + misrouted], unit="messages", goal="<= 0", digits=0,
                    ours=f"{len(ledger.acknowledged()):,} sent; lost {lost}, duplicated "
                         f"{duplicated}, misrouted {misrouted}"),
        figures.Row("move-wave-writes", "writes to the directory per move of it, all included",
                    [writes], unit="writes", goal="<= 16", digits=2,
                    ours=f"{made['records'] + 1:.2f} to the record, its making included"),
        figures.Row("move-wave-looks", "searches of the directory per move of it, all included",
                    [made["done"]["Search"]], unit="searches", digits=2),
        figures.Row("move-wave-cpu", "CPU per move of it, all processes",
                    [sum(made["spent"].values())], unit="ms", digits=1, ours=f"ms: {cpu}"),
    ]


# --- many that wait ---------------------------------------------------------------------------------

def pending(options):
    """Records that are due in years."""
    seconds = 20 if options.quick else 60
    lab = Lab(start=(), build=options.build)
    try:
        lab.make(("slapd",))
        lab.accounts = {system: lab._add(Accounts(lab, system)) for system in SYSTEMS}
        lab.slapd.load("".join(map(pending_record, range(PENDING))))
        control = BenchControl(lab)
        control.logging = "info"
        control.configure()
        for server in [*lab.servers, control]:
            server.start()
        lab.servers.append(control)

        def at_rest():
            status = control.ask("status")
            return status["records"] == PENDING and status["due"] + status["busy"] == 0
        wait_for(at_rest, 300, "all records to be looked at")
        before = _seconds(control.pid)
        time.sleep(seconds)
        share = 100 * (_seconds(control.pid) - before) / seconds
        memory = memory_kb(control.pid, "VmRSS") / 1024
        peak = memory_kb(control.pid, "VmHWM") / 1024
    finally:
        lab.close()
    return [
        figures.Row("move-pending", f"CPU of a controller with {PENDING:,} pending moves, at rest "
                    f"for {seconds} s", [share], unit="% of a core", goal="<= 1", digits=3),
        figures.Row("move-pending-memory", "its resident memory", [memory], unit="MB",
                    goal="<= 100", digits=1, ours=f"at most {peak:.0f} MB"),
    ]
