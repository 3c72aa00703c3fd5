"""Two front doors, each with an MTA of its own: the fence while mail flows, and a wave of a hundred."""

import itertools
import os
import re
import statistics
import tempfile
import time

import figures
import tree
from doors import plain
from load import Sink
from rounds import progress
from lab.lab import Lab
from lab.ledger import Ledger
from lab.mail import Injector
from lab.process import wait_for

RATE = 200     # messages per second, both together
MAILBOXES = 50
WAVE = 100


class Doors:
    """Two front doors with the defaults of restante.conf, a sink in place of the backends."""

    def __init__(self, build, slapd_debug=None):
        self.sink = Sink(extra=["-L"])
        self.lab = Lab(start=(), build=build, front_doors=2, slapd_debug=slapd_debug)
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self):
        lab = self.lab
        lab.make(("slapd", "milter", "postfix"))
        lab.slapd.load("".join(tree.people(MAILBOXES)) + "".join(tree.people(WAVE, group="w")))
        for door in lab.doors:
            door.mta.routes = {"s1.lab": self.sink.port, "s2.lab": self.sink.port}
            door.mta.configure()
            plain(door.milter)
        for server in lab.servers:
            server.start()
        wait_for(lambda: all(door.milter.ask("route", address=f"1u@{tree.DOMAIN}")["verdict"] ==
                             "rewrite" for door in lab.doors), 30, "both to know the tree")
        time.sleep(3)  # after a start the fence waits late_commit (2 s) for connections of before

    def close(self):
        try:
            self.lab.close()
        finally:
            self.sink.close()


def _flow(doors, rate):
    """One injector per door, together so many messages per second; and their ledger."""
    ledger = Ledger()
    targets = [f"{n}u@{tree.DOMAIN}" for n in range(1, MAILBOXES + 1)]
    return ledger, [Injector(door.mta.port, targets, ledger, rate=rate / 2, size=2048,
                             per_connection=1, threads=12).start() for door in doors.lab.doors]


def fence_two(options):
    """Hold, fence, drain and swap of mailboxes that get four messages a second, one after the other."""
    count = 8 if options.quick else 60
    doors = Doors(options.build)
    try:
        ledger, injectors = _flow(doors, RATE)
        time.sleep(2)
        began, before = time.monotonic(), len(ledger.acknowledged())
        samples = []
        where = itertools.cycle(["S2"] * MAILBOXES + ["S1"] * MAILBOXES)
        for number in range(count):
            uid, system = f"{number % MAILBOXES + 1}u", next(where)
            shown = doors.lab.milter.cli_json(
                "swap", f"{uid}@{tree.DOMAIN}", "--system", system, "--to",
                f"{uid}@{tree.host_of(system)}", "--wait")
            samples.append(shown)
            progress(f"fence-two {number + 1} of {count}: {shown['milliseconds']:.0f} ms "
                     f"(acknowledged {shown['acked_ms']:.0f}, drained {shown['drained_ms']:.0f})")
            time.sleep(0.2)
        rate = (len(ledger.acknowledged()) - before) / (time.monotonic() - began)
        for injector in injectors:
            injector.stop()
    finally:
        doors.close()
    drained = statistics.median(sample["drained_ms"] for sample in samples)
    return [figures.Row(
        "fence-two", f"from the hold's CSN to the swap's CSN, two front doors with an MTA each, "
        f"{RATE} messages/s", [sample["milliseconds"] for sample in samples], unit="ms",
        goal="<= 200", digits=1,
        ours=f"{rate:.0f} msg/s flowed; drained after {drained:.0f} ms")]


def wave(options):
    """A hundred mailboxes, one file: time, epochs, and what is written to the directory."""
    rounds = 2 if options.quick else max(6, options.rounds // 2)
    doors = Doors(options.build, slapd_debug="stats")
    times, writes, epochs = [], [], []
    try:
        with tempfile.TemporaryDirectory(prefix="rb-", dir="/tmp") as scratch:
            for number in range(rounds):
                system = "S2" if number % 2 == 0 else "S1"
                path = os.path.join(scratch, "moves.csv")
                with open(path, "w", encoding="utf-8") as out:
                    for uid in (f"{n}w" for n in range(1, WAVE + 1)):
                        out.write(f"{uid}@{tree.DOMAIN},{system},{uid}@{tree.host_of(system)}\n")
                before, began = _writes(doors), time.monotonic()
                doors.lab.milter.cli_json("swap", "--file", path, "--wait")
                times.append(1000 * (time.monotonic() - began))
                made = _writes(doors)[len(before):]
                writes.append(len([dn for dn in made if not dn.startswith("beat ")]) / WAVE)
                epochs.append(sum(dn.startswith("cn=restante,") for dn in made))
                progress(f"wave {number + 1} of {rounds}: {times[-1]:.0f} ms, "
                         f"{writes[-1]:.2f} writes per mailbox, {epochs[-1]} epochs")
    finally:
        doors.close()
    return [
        figures.Row("wave", f"restante swap --file --wait of {WAVE} mailboxes, two front doors, "
                    "idle: the whole command", times, unit="ms", digits=0),
        figures.Row("wave-writes", "directory writes per mailbox of it: hold and swap, epochs and "
                    "what front doors answer included", writes, unit="writes", digits=2,
                    goal="<= 2.2", ours=figures.spread(epochs, "epochs")),
    ]


def _writes(doors):
    """The DN of each modify so far, by slapd's own log; heartbeats that come alone are marked."""
    found = []
    for line in doors.lab.slapd.log_text().splitlines():
        match = re.search(r'MOD dn="([^"]+)"', line)
        if match:
            found.append(match[1])
        elif re.search(r"MOD attr=restanteHeartbeat restanteMessagesHeld$", line):
            found[-1] = "beat " + found[-1]
    return found
