"""Holding and releasing through Postfix, against Postfix' own hold queue."""

import time

import figures
import tree
from cpugroup import memory_kb, reset_peak
from load import send
from rounds import alternate, column, progress, ratios
from lab.process import wait_for
from lab.slapd import BASE

# ext4 passes over inodes that were freed less than 5 s ago, and looks at each of them again for every
# new file. Mail that Restante holds leaves many (the MTA drops its queue file), mail that Postfix
# holds leaves none, and neither is released in the very moment it came: so both wait that long.
SETTLE = 6
MOVERS = [tree.dn_of(f"m-{number}") for number in range(100)]
SYSTEMS = ["cn=%s,ou=systems,cn=restante,%s" % (name, BASE) for name in ("S1", "S2")]
ADDRESSES = 5000  # of the movers; each gets a message in turn


def _timed(bed, count, action):
    """Messages per second of an action that answers its seconds, and CPU ms per message."""
    before = sum(bed.cpu().values())
    took = action()
    bed.postfix.wait_empty()
    return {"rate": count / took, "cpu": (sum(bed.cpu().values()) - before) * 1000 / count}


class Mover:
    """Holds the 100 movers, sends, swaps them, waits for the last message at the sink."""

    def __init__(self, bed, letter, count):
        self.bed, self.letter, self.count = bed, letter, count
        self.turn = 0

    def __call__(self):
        bed, count = self.bed, self.count
        front, milter = bed.fronts["restante-" + self.letter], bed.milters[self.letter]
        before = milter.ask("queue.stats")["messages"]
        time.sleep(SETTLE)
        bed.set_state(MOVERS, "holding")
        bed.wait_verdict("100m@" + tree.DOMAIN, "hold")
        accepted = _timed(bed, count, lambda: send(front, count, "m@" + tree.DOMAIN))
        held = milter.ask("queue.stats")["messages"] - before
        if held != count:
            raise RuntimeError(f"Restante holds {held} of {count} messages")
        self.turn += 1
        bed.expect(count)
        time.sleep(SETTLE)

        def swap():
            began = time.monotonic()
            bed.set_state(MOVERS, None, restanteSystem="S1" if self.turn % 2 else "S2")
            return bed.arrived() - began

        released = _timed(bed, count, swap)
        wait_for(lambda: milter.ask("queue.stats")["messages"] == before, 30,
                 "the hold queue to be as it was")
        return {"hold": accepted, "release": released}


class PostfixHold:
    """The same mail into Postfix' own hold queue, and out with postsuper -r."""

    def __init__(self, bed, count):
        self.bed, self.count = bed, count

    def __call__(self):
        bed, count = self.bed, self.count
        time.sleep(SETTLE)
        accepted = _timed(bed, count, lambda: send(bed.fronts["null-hold"], count, "m@s1.lab"))
        held = bed.postfix.files("hold")
        if held != count:
            raise RuntimeError(f"Postfix holds {held} of {count} messages")
        bed.expect(count)
        time.sleep(SETTLE)

        def requeue():
            began = time.monotonic()
            bed.postfix.tool("postsuper", "-r", "ALL")
            bed.postfix.tool("postkick", "public", "pickup", "W")  # else it looks once a minute
            return bed.arrived() - began

        return {"hold": accepted, "release": _timed(bed, count, requeue)}


def _row(name, what, samples, key, unit, digits=0, goal=None):
    """key: (phase, figure). The first rival against the second."""
    ours, theirs = ([sample[key[0]][key[1]] for sample in samples[rival]] for rival in samples)
    return figures.Row(name, what, ratios(ours, theirs), goal=goal,
                       ours=figures.spread(ours, unit, digits),
                       peer=figures.spread(theirs, unit, digits))


def hold(bed, options):
    count = options.messages or (500 if options.quick else ADDRESSES)
    samples = alternate({"restante": Mover(bed, "a", count), "postfix": PostfixHold(bed, count)},
                        options.rounds, label="hold and release")
    rows = []
    for key, what in (
            ("hold", "accepted while held: Restante / Postfix' hold queue with a null milter"),
            ("release", f"release of 100 mailboxes, {count:,} messages, to the last at the sink: "
             "Restante / postsuper -r ALL")):
        rows.append(_row(key, "messages per second " + what, samples, (key, "rate"), "msg/s",
                         goal=">= 0.9"))
        rows.append(_row(key + "-cpu", "CPU per message " + what, samples, (key, "cpu"), "ms", 2))
    return rows


def straight(bed, options):
    """Release past the MTA: the sink is the backend."""
    count = options.messages or (500 if options.quick else ADDRESSES)
    mover = Mover(bed, "a", count)

    def past_the_mta():
        bed.set_release(SYSTEMS, f"127.0.0.1:{bed.sink.port}")
        try:
            return mover()
        finally:
            bed.set_release(SYSTEMS, None)

    samples = alternate({"restante": past_the_mta, "postfix": PostfixHold(bed, count)},
                        options.rounds, label="release straight to the backend")
    what = (f"release of 100 mailboxes, {count:,} messages, straight to the sink: "
            "Restante / postsuper -r ALL")
    return [_row("straight", "messages per second " + what, samples, ("release", "rate"), "msg/s",
                 goal=">= 1.5"),
            _row("straight-cpu", "CPU per message " + what, samples, ("release", "cpu"), "ms", 2)]


def _fill(bed, letter, wanted):
    """That many messages lie in the queue for mailboxes which stay held."""
    milter = bed.milters[letter]
    held = milter.ask("queue.stats")["messages"]
    if held < wanted:
        progress(f"filling the hold queue: {held:,} to {wanted:,} messages")
        send(bed.fronts["restante-" + letter], wanted - held, "f@" + tree.DOMAIN, keep=True,
             timeout=3600)
        bed.postfix.wait_empty()


def full(bed, options):
    """Two milters with the same work; in the queue of one a lot lies already."""
    count = options.messages or (500 if options.quick else 2000)
    rows = []
    for level in ((1000,) if options.quick else (10000, 100000)):
        _fill(bed, "b", level)
        samples = alternate({"full": Mover(bed, "b", count), "empty": Mover(bed, "a", count)},
                            options.rounds, label=f"{level:,} held")
        for key in ("hold", "release"):
            rows.append(_row(f"full-{key}-{level}",
                             f"{key} rate with {level:,} messages held / with none", samples,
                             (key, "rate"), "msg/s", goal=">= 0.8"))
    return rows


def memory(bed, options):
    """50 MB in and out: what the milter needs more than before, after one such message."""
    milter, dn, to = bed.milters["a"], tree.dn_of("big"), "big@" + tree.DOMAIN
    size = 5_000_000 if options.quick else 50_000_000

    def one():
        bed.set_state([dn], "holding")
        bed.wait_verdict(to, "hold", "a")
        reset_peak(milter.pid)
        before = memory_kb(milter.pid, "VmRSS")
        held = milter.ask("queue.stats")["bytes"]
        send(bed.fronts["restante-a"], 1, to, size=size, sessions=1, numbered=False)
        if milter.ask("queue.stats")["bytes"] - held < size:
            raise RuntimeError("the big message is not held")
        bed.expect(1)
        bed.set_state([dn], None)
        bed.arrived()
        bed.postfix.wait_empty()
        return {"more": (memory_kb(milter.pid, "VmHWM") - before) / 1024, "before": before / 1024}

    samples = alternate({"restante": one}, max(3, options.rounds // 3), warm=2, label="memory")
    values = column(samples["restante"], "more")
    return [figures.Row("memory", f"extra resident memory, message of {size // 1_000_000} MB held "
                        "and released", values, unit="MB", goal="<= 4",
                        ours=figures.spread(column(samples["restante"], "before"), "MB before"))]
