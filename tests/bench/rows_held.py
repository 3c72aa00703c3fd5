"""A million messages held: rates of the store beside those with a thousand, and the daemon's start."""

import json
import os
import subprocess
import time

import figures
from rounds import progress
from lab.lab import Lab
from lab.milter import listens
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
        _store(options, "--fill", lab.milter.queue, "--many", str(many), "--mailboxes",
               str(MAILBOXES))
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


def million(options):
    many = 50_000 if options.quick else MANY
    rows = _store(options, "--held", "--rounds", str(options.rounds), "--few", str(FEW), "--many",
                  str(many))
    return rows + _daemon(options, many)
