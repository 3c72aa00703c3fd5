"""A million messages held: hold and release beside those with a thousand, through the MTA and of the
store alone, and the daemon's start."""

import json
import os
import subprocess
import time

import figures
import tree
from load import Sink, send
from rounds import alternate, column, progress, ratios
from lab.daemon import listens
from lab.lab import Lab
from lab.process import wait_for

MANY, FEW = 1_000_000, 1_000
MAILBOXES = 10_000  # that share them, all of a system that is off line

MAILBOX = """
dn: uid=h{number},ou=people,dc=example,dc=org
objectClass: account
objectClass: inetLocalMailRecipient
objectClass: restanteMailbox
uid: h{number}
mailLocalAddress: h{number}@example.org
mailRoutingAddress: h{number}@s3.lab
restanteSystem: S3
entryUUID: 00000000-0000-4000-8000-{number:012x}
"""


def _store(options, *arguments):
    """Runs bench_store: its rows."""
    command = [os.path.join(options.build, "tests/bench/bench_store"), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [figures.Row.printed(json.loads(line)) for line in done.stdout.splitlines()
            if line.startswith("{")]


def _fill(options, milter, many):
    _store(options, "--fill", milter.queue, "--node", milter.node, "--many", str(many),
           "--mailboxes", str(MAILBOXES))


def _seconds(milter, end):
    """From the process's start until it takes mail and knows what to do with it."""
    end()
    began = time.monotonic()
    milter.start(wait=False)

    def serves():
        return (milter.running() and listens(milter.socket) and listens(milter.control) and
                milter.ask("route", address="h1@example.org").get("verdict") == "hold")
    while not serves():
        time.sleep(0.002)
    return time.monotonic() - began


def _daemon(options, many):
    """The daemon's start with them, after an orderly end and after kill -9."""
    lab = Lab(start=(), build=options.build)
    try:
        lab.make(("slapd", "milter"))
        lab.slapd.load("".join(MAILBOX.format(number=n) for n in range(MAILBOXES)))
        progress(f"filling the hold queue with {many:,} messages")
        _fill(options, lab.milter, many)
        for server in lab.servers:
            server.start(wait=False)
        wait_for(lambda: lab.milter.running() and lab.milter.ready(), 120, "the first start")
        assert lab.milter.held() == many
        rows = []
        for name, what, end in (("start", "an orderly end", lab.milter.stop),
                                ("start-kill", "kill -9", lab.milter.kill)):
            values = [_seconds(lab.milter, end) for _ in range(3 if options.quick else 7)]
            rows.append(figures.Row(
                f"million-{name}", f"restante-milter from its start after {what} until it serves, "
                f"{many:,} messages held for {MAILBOXES:,} mailboxes", values, unit="s",
                goal="<= 2"))
        return rows
    finally:
        lab.close()


MOVERS = [tree.dn_of(f"m-{number}") for number in range(100)]
SETTLE = 6  # see rows_hold.py


class Door:
    """Mail for 100 mailboxes into the hold queue of one front door, and out again."""

    def __init__(self, lab, door, sink, count):
        self.lab, self.door, self.sink, self.count = lab, door, sink, count

    def _turn(self, state):
        self.lab.slapd.modify("".join(
            f"dn: {dn}\nchangetype: modify\nreplace: restanteState\nrestanteState: {state}\n\n"
            for dn in MOVERS))

    def __call__(self):
        milter, before = self.door.milter, self.door.milter.held()
        time.sleep(SETTLE)
        self._turn("holding")
        wait_for(lambda: milter.ask("route", address="100m@" + tree.DOMAIN)["verdict"] == "hold", 30,
                 "the hold")
        took = send(self.door.mta.port, self.count, "m@" + tree.DOMAIN)
        if milter.held() != before + self.count:
            raise RuntimeError(f"{milter.held() - before} of {self.count} messages are held")
        time.sleep(SETTLE)
        total, began = self.sink.messages + self.count, time.monotonic()
        self._turn("active")
        released = self.sink.wait(total) - began
        wait_for(lambda: milter.held() == before, 30, "the hold queue to be as it was")
        return {"hold": self.count / took, "release": self.count / released}


def _rates(options, many):
    """Two front doors with the same work; in the queue of one a million lies already."""
    count = options.messages or (500 if options.quick else 2000)
    sink = Sink(extra=["-L"])
    lab = Lab(start=(), build=options.build, front_doors=2,
              milter_options={"queue_cache": "32M", "heartbeat": "10s"})
    try:
        lab.make(("slapd", "milter", "postfix"))
        lab.slapd.load("".join(MAILBOX.format(number=n) for n in range(MAILBOXES)) +
                       "".join(tree.shared(100, 5000, "m", "S1")))
        for door, held in zip(lab.doors, (many, FEW)):
            progress(f"filling the hold queue of {door.node} with {held:,} messages")
            _fill(options, door.milter, held)
            door.mta.routes = {"s1.lab": sink.port}
            door.mta.configure()
        for server in lab.servers:
            server.start(wait=False)
            server.wait_ready(120)
        samples = alternate({door.node: Door(lab, door, sink, count) for door in lab.doors},
                            options.rounds, label=f"{many:,} held")
    finally:
        lab.close()
        sink.close()
    rows = []
    for key in ("hold", "release"):
        ours, theirs = (column(samples[door.node], key) for door in lab.doors)
        rows.append(figures.Row(
            f"million-{key}", f"{key} rate through the MTA, {many:,} messages held / {FEW:,} held",
            ratios(ours, theirs), goal=">= 0.8", ours=figures.spread(ours, "msg/s"),
            peer=figures.spread(theirs, "msg/s")))
    return rows


def million(options):
    many = 50_000 if options.quick else MANY
    rows = _rates(options, many) + _daemon(options, many)
    return rows + _store(options, "--held", "--rounds", str(options.rounds), "--few", str(FEW),
                         "--many", str(many))
