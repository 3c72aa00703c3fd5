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
from rounds import progress
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


def swap(bed, options):
    """`restante swap --wait` does hold, fence, drain and swap in turn."""
    milter, address, dn = bed.milters["a"], "swap@" + tree.DOMAIN, tree.dn_of("swap")
    versions = Versions(bed.slapd, dn)
    count = 5 if options.quick else max(20, options.rounds)
    at, values, whole = "S1", [], []
    try:
        time.sleep(3)  # after a start the fence waits late_commit (2 s) for connections of before
        for number in range(count + 1):
            target = "S2" if at == "S1" else "S1"
            old, new = f"swap@{tree.host_of(at)}", f"swap@{tree.host_of(target)}"
            began = time.monotonic()
            milter.cli("swap", address, "--system", target, "--to", new, "--wait")
            took = time.monotonic() - began
            now = bed.slapd.read(dn, who="root")
            if now["mailroutingaddress"] != [new]:
                raise RuntimeError(f"the swap left {now}")
            swapped = now["entrycsn"][0]
            held = wait_for(lambda one=old: versions.last("holding", one), 5,
                            "the hold to be pushed")
            if number:  # the first one starts what sleeps
                values.append((csn_seconds(swapped) - csn_seconds(held)) * 1000)
                whole.append(took * 1000)
            at = target
            progress(f"swap {number} of {count}: {(csn_seconds(swapped) - csn_seconds(held)) * 1e3:.1f} ms")
    finally:
        versions.close()
    return [figures.Row("swap", "from the hold's CSN to the swap's CSN, two front doors, idle", values,
                        unit="ms", goal="<= 100", digits=1,
                        ours=figures.spread(whole, "ms the whole command"))]


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
