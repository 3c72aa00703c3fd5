"""Real messages through the lab: what arrives by restante, held or straight, is compared byte for
byte with what the same MTA delivers with a milter that does nothing.

Only the fields that a hop puts at the top (Received, Return-Path, Delivered-To) may differ; those
that a message came with are compared like all the rest.
"""

import os
import re
import smtplib
import threading
import time

from .frontdoor import settled
from .mail import Refused, Smtp
from .process import LabError, wait_for

STRAIGHT = "straight@example.org"
HELD = "held@example.org"
REFERENCE = "reference@s1.lab"  # physical: the do-nothing way needs no directory


def prepare(lab):
    """Before the servers start: a front door of the same MTA with the do-nothing milter."""
    lab.null_port = lab.mta.add_null_front()


def read_messages(directory):
    """[(name, content with CRLF line ends)]; an mbox From line is not a header."""
    messages = []
    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        if not os.path.isfile(path):
            continue
        with open(path, "rb") as message:
            content = message.read()
        if content.startswith(b"From "):
            content = content.partition(b"\n")[2]
        content = re.sub(rb"\r?\n", b"\r\n", content)
        if content and not content.endswith(b"\r\n"):
            content += b"\r\n"
        messages.append((name, content))
    return messages


ADDED = re.compile(rb"(Return-Path|Delivered-To|Received):.*\r?\n(?:[ \t].*\r?\n)*")
OURS = re.compile(rb"by (front|s[123])\.lab\b")


def without_trace(content):
    """The message after the fields that the hops of this lab put on top of it."""
    seen = set()
    while True:
        match = ADDED.match(content)
        if match is None:
            return content
        name = match[1]
        # a backend adds one of each; and a Received field is ours when a host of the lab says so
        if name in seen or (name == b"Received" and not OURS.search(match[0])):
            return content
        if name != b"Received":
            seen.add(name)
        content = content[match.end():]


def sender_of(number):
    """The envelope sender tells the copies of a message apart from all others."""
    return "c%05d@corpus.test" % number


def by_sender(lab, system, user):
    """{number of the message: [what arrived, without the trace]} of one mailbox."""
    found = {}
    imap = lab.imap(system, user)
    for _, content in imap.contents():
        match = re.search(rb"(?im)^Return-Path: <c(\d+)@corpus\.test>", content)
        if match:
            found.setdefault(int(match[1]), []).append(without_trace(content))
    imap.close()
    return found


# The ways of the messages, one after the other: most are held, some with a straight copy.
WAYS = (("straight",), ("held",), ("straight", "held"), ("held",))
RECIPIENT = {"straight": STRAIGHT, "held": HELD}
PLACE = {"straight": ("S1", "straight"), "held": ("S2", "held"), "reference": ("S1", "reference")}
MAILBOXES = list(PLACE.values()) + [("S1", "held"), ("S2", "straight")]
THREADS = 4


class Sender:
    """Keeps a connection for as long as it lasts."""

    def __init__(self, port):
        self.port, self.connection = port, None

    def send(self, number, recipients, content):
        """None, or the refusal."""
        for _ in range(2):
            try:
                if self.connection is None:
                    self.connection = Smtp(self.port)
                self.connection.send(sender_of(number), recipients, content)
                return None
            except Refused as refusal:
                self.close()
                return "%d %s" % (refusal.code, refusal.text)
            except (OSError, smtplib.SMTPException):
                self.connection = None
        raise LabError("no connection to port %d" % self.port)

    def close(self):
        if self.connection:
            self.connection.quit()
            self.connection = None


class Comparison:
    def __init__(self):
        self.equal = {"straight": 0, "held": 0}
        self.different = []  # (name, way, why)
        self.refused = []    # (name, reply): by the MTA, both ways
        self.sent = self.delivered = self.lost = self.duplicated = self.misrouted = 0

    def same(self):
        return not self.different and min(self.equal.values()) > 0


def add_mailboxes(lab):
    for address in (STRAIGHT, HELD):
        lab.slapd.add_mailbox(address.split("@")[0], "S1")
    for address in (STRAIGHT, HELD):
        wait_for(lambda a=address: lab.milter.ask("route", address=a).get("verdict") == "rewrite",
                 10, "the milter to know " + address)


def send_some(lab, messages, numbers, comparison, accepted):
    """Each message by restante and by the do-nothing milter; the numbers of those that were
    accepted, with their ways."""
    ours, theirs = Sender(lab.mta.port), Sender(lab.null_port)
    for number in numbers:
        name, content = messages[number]
        ways = WAYS[number % len(WAYS)]
        reply = ours.send(number, [RECIPIENT[way] for way in ways], content)
        reference = theirs.send(number, [REFERENCE], content)
        if reply and reference:
            comparison.refused.append((name, reference))
        elif reply or reference:
            comparison.different.append((name, "refused", "%s, by the do-nothing milter %s" % (
                reply or "accepted", reference or "accepted")))
        else:
            accepted[number] = ways
    ours.close()
    theirs.close()


def send_all(lab, messages, comparison):
    accepted = {}
    threads = [threading.Thread(target=send_some, args=(
        lab, messages, range(first, len(messages), THREADS), comparison, accepted))
        for first in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return accepted


def compare(lab, timeline, directory):
    messages = read_messages(directory)
    comparison = Comparison()
    add_mailboxes(lab)
    timeline.restante(lab, "hold", HELD)
    timeline.say("sending %d messages of %s: held, straight, or both; and each by the do-nothing "
                 "milter" % (len(messages), directory))
    accepted = send_all(lab, messages, comparison)
    timeline.say("%d messages of the corpus wait" % lab.milter.held())
    timeline.restante(lab, "swap", HELD, "--system", "S2", "--to", "held@s2.lab", "--wait", "--yes")
    began = time.monotonic()
    settled(lab, 60)
    timeline.say("released and delivered in %.2f s" % (time.monotonic() - began))
    judge(lab, messages, accepted, comparison)
    report(timeline, messages, comparison)
    return comparison


def judge(lab, messages, accepted, comparison):
    arrived = {place: by_sender(lab, *place) for place in MAILBOXES}
    reference = arrived[PLACE["reference"]]
    for number, ways in sorted(accepted.items()):
        for way in ways:
            wanted, got = reference.get(number, []), arrived[PLACE[way]].get(number, [])
            comparison.sent += 1
            comparison.delivered += bool(got)
            comparison.lost += not got
            comparison.duplicated += max(0, len(got) - 1)
            if len(got) == 1 and got == wanted:
                comparison.equal[way] += 1
            else:
                comparison.different.append((messages[number][0], way, difference(wanted, got)))
    comparison.misrouted = sum(
        len(copies) for place in arrived if place != PLACE["reference"]
        for number, copies in arrived[place].items()
        if place not in [PLACE[way] for way in accepted.get(number, ())])


def difference(wanted, got):
    if len(wanted) != 1 or len(got) != 1:
        return "%d copies, %d by the do-nothing milter" % (len(got), len(wanted))
    ours, theirs = got[0], wanted[0]
    at = next((i for i, pair in enumerate(zip(ours, theirs)) if pair[0] != pair[1]),
              min(len(ours), len(theirs)))
    return "byte %d: %r, by the do-nothing milter %r" % (at, ours[at:at + 30], theirs[at:at + 30])


def report(timeline, messages, comparison):
    for name, way, why in comparison.different:
        timeline.say("DIFFERENT (%s): %s: %s" % (way, name, why))
    for name, reply in comparison.refused:
        timeline.say("the MTA itself refuses %s both ways: %s" % (name, reply))
    timeline.say("corpus: %d messages; held and released: %d the same byte for byte; straight: %d; "
                 "%d different; %d refused by the MTA itself" % (
                     len(messages), comparison.equal["held"], comparison.equal["straight"],
                     len(comparison.different), len(comparison.refused)))
