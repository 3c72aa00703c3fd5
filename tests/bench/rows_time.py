"""Instants: from the hold to the swap, and from the directory's answer to the effect."""

import calendar
import json
import re
import socket
import subprocess
import threading
import time

import figures
import tree
from rounds import alternate, column
from lab.process import wait_for


def csn_seconds(csn):
    """The instant in a CSN: 20261122055000.123456Z#..."""
    stamp, fraction = re.match(r"(\d{14})\.(\d{6})Z", csn).groups()
    return calendar.timegm(time.strptime(stamp, "%Y%m%d%H%M%S")) + int(fraction) / 1e6


class Versions:
    """Every version of an entry, as the directory pushes them: (CSN, state, physical).

    The newest is not among them: ldapsearch ends an entry's lines as the next one begins.
    """

    def __init__(self, slapd, dn):
        self._process = slapd.watcher(dn, "entryCSN", "restanteState", "mailRoutingAddress")
        self._lock = threading.Lock()
        self._seen = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        entry = {}
        for line in self._process.stdout:
            if ": " in line:
                name, value = line.rstrip("\n").split(": ", 1)
                entry[name.lower()] = value
            elif entry.get("entrycsn"):
                with self._lock:
                    self._seen.append((entry["entrycsn"], entry.get("restantestate", "active"),
                                       entry.get("mailroutingaddress")))
                entry = {}

    def last(self, state, physical):
        with self._lock:
            for csn, one_state, one_physical in reversed(self._seen):
                if one_state == state and one_physical == physical:
                    return csn
        return None

    def close(self):
        self._process.terminate()
        self._process.wait()


class Swaps:
    """The mailbox goes to and fro between two systems."""

    ADDRESS = "swap@" + tree.DOMAIN
    DN = tree.dn_of("swap")

    def __init__(self, bed):
        self.bed, self.at = bed, "S1"

    def once(self, versions):
        """Milliseconds from the hold's CSN to the swap's, and of the whole command."""
        target = "S2" if self.at == "S1" else "S1"
        old, new = f"swap@{tree.host_of(self.at)}", f"swap@{tree.host_of(target)}"
        began = time.monotonic()
        self.bed.milters["a"].cli("swap", self.ADDRESS, "--system", target, "--to", new, "--wait")
        took = time.monotonic() - began
        now = self.bed.slapd.read(self.DN, who="root")
        if now["mailroutingaddress"] != [new]:
            raise RuntimeError(f"the swap left {now}")
        self.at = target
        held = wait_for(lambda: versions.last("holding", old), 5, "the hold to be pushed")
        return {"csn": (csn_seconds(now["entrycsn"][0]) - csn_seconds(held)) * 1000,
                "whole": took * 1000}

    def row(self, name, what, count, goal):
        versions = Versions(self.bed.slapd, self.DN)
        try:
            samples = alternate({"swap": lambda: self.once(versions)}, count, label=name)["swap"]
        finally:
            versions.close()
        return figures.Row(
            name, "from the hold's CSN to the swap's CSN, two front doors, " + what,
            column(samples, "csn"), unit="ms", goal=goal, digits=1,
            ours=figures.spread(column(samples, "whole"), "ms the whole command"))


def swap(bed, options):
    """`restante swap --wait` does hold, fence, drain and swap in turn."""
    swaps, count = Swaps(bed), 5 if options.quick else max(20, options.rounds)
    bed.set_state([tree.SYSTEM_OFF_LINE], None)
    time.sleep(3)  # after a start the fence waits late_commit (2 s) for connections of before
    rows = [swaps.row("swap", "idle", count, "<= 100")]
    bed.set_state([tree.SYSTEM_OFF_LINE], "holding")
    bed.wait_verdict("1f@" + tree.DOMAIN, "hold")
    return rows + [swaps.row("swap-system", "idle, a system is off line", max(3, count // 3), None)]


class Asker:
    """A control connection that stays open, so that polling is quick."""

    def __init__(self, path):
        self._link = socket.socket(socket.AF_UNIX)
        self._link.connect(path)
        self._lines = self._link.makefile("rb")

    def route(self, address):
        self._link.sendall(json.dumps({"v": 1, "cmd": "route", "address": address}).encode() +
                           b"\n")
        return json.loads(self._lines.readline())


def effect(bed, options):
    """The change is acknowledged to its writer; when would mail be treated by it?"""
    dn, address = tree.dn_of("swap"), "swap@" + tree.DOMAIN
    asker, modifier = Asker(bed.milters["a"].control), bed.slapd.modifier()
    values = []
    try:
        for number in range(100 if options.quick else 1000):
            state, verdict = ("holding", "hold") if number % 2 == 0 else ("active", "rewrite")
            modifier.stdin.write(f"dn: {dn}\nchangetype: modify\nreplace: restanteState\n"
                                 f"restanteState: {state}\n-\n\n")
            modifier.stdin.flush()
            while "modify complete" not in (line := modifier.stdout.readline()):
                if not line:
                    raise RuntimeError("ldapmodify ended")
            began = time.monotonic()
            while asker.route(address)["verdict"] != verdict:
                if time.monotonic() > began + 30:
                    raise RuntimeError("a change of the directory has no effect")
            values.append((time.monotonic() - began) * 1000)
    finally:
        modifier.stdin.close()
        try:
            modifier.wait(10)
        except subprocess.TimeoutExpired:
            modifier.kill()
    tail = figures.Row("effect-p99", "the same, 99th percentile", [figures.quantile(values, 0.99)],
                       unit="ms", goal="<= 50", digits=2)
    tail.rounds = len(values)
    return [figures.Row("effect", "from the directory's answer to the effect, as the control socket shows it",
                        values, unit="ms", goal="<= 5"), tail]
