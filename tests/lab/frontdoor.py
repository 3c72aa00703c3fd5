"""One front door: its MTA, and the milter with a replica and a hold queue of its own."""

import os
import time

from .milter import Milter
from .postfix import Postfix
from .process import LabError, wait_for
from .sendmail import Sendmail
from .slapd import identity
from .wire import Wire

MTAS = {"postfix": Postfix, "sendmail": Sendmail}


def chosen_mta():
    """What RESTANTE_MTA says: the front door of labs that do not care."""
    name = os.environ.get("RESTANTE_MTA") or "postfix"
    if name not in MTAS:
        raise LabError("RESTANTE_MTA=%s: there are %s" % (name, " and ".join(MTAS)))
    return name


FLUSH_AFTER = 10.0  # seconds


def settled(door, timeout=30):
    """Nothing is held or queued any more, or it is told what is, and what became of it so far."""
    wait_for(lambda: door.milter.held() == 0, timeout, "the hold queue to be empty")
    flushed = time.monotonic()

    def empty():
        """What a process of an MTA that was stopped still delivers, the next one leaves alone for
        minutes unless it is asked."""
        nonlocal flushed
        if not door.mta.empty() and time.monotonic() > flushed + FLUSH_AFTER:
            door.mta.flush()
            flushed = time.monotonic()
        return door.mta.empty()
    try:
        wait_for(empty, timeout, "the queue of the MTA to be empty")
    except LabError as error:
        raise LabError("\n".join([str(error), *door.mta.evidence()])) from error


class FrontDoor:
    """
    door.node, door.dn: name and entry in the directory; door.mta, door.milter: its servers.
    What a test asks of a lab about its one front door can be asked of a front door as well.
    """

    def __init__(self, lab, number, kind):
        self.lab, self.number, self.kind = lab, number, kind
        self.node = "front%d" % number
        self.dn = identity(self.node)
        self.mta = self.milter = None
        self.wires = []  # to each of lab.providers, in its order, where the lab is wired
        # the first has the plain names that a lab with one front door has always had
        self.suffix = "" if number == 1 else str(number)

    def make_mta(self, **options):
        self.mta = MTAS[self.kind](self.lab, name=self.kind + self.suffix,
                                   hostname=self.node + ".lab" if self.suffix else "front.lab",
                                   **options)
        return self.mta

    def make_milter(self, options):
        if self.lab.wired:
            self.wires = [Wire(provider.port) for provider in self.lab.providers]
        self.milter = Milter(self.lab, options, self)
        return self.milter

    def uris(self):
        """Where its milter reads, the provider of its own number first, and where it writes."""
        providers = self.lab.providers
        uris = ([wire.uri for wire in self.wires] or [provider.uri for provider in providers])
        first = (self.number - 1) % len(uris)
        return uris[first:] + uris[:first], uris[0]

    @property
    def slapd(self):
        return self.lab.slapd

    def close(self):
        for wire in self.wires:
            wire.close()
