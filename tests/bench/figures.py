"""Statistics of paired rounds, and the table that shows them."""

import math
import os
import platform
import statistics
import subprocess
import time


def interval(values):
    """(low, high, covered): order statistics around the median.

    Free of assumptions about the distribution. With fewer than six values no such interval
    reaches 95 %; then it is the whole range, and covered is False.
    """
    ordered = sorted(values)
    n = len(ordered)
    best = None
    for rank in range(n // 2):
        outside = 2 * sum(math.comb(n, k) for k in range(rank + 1)) / 2 ** n
        if outside > 0.05:
            break
        best = rank
    if best is None:
        return ordered[0], ordered[-1], False
    return ordered[best], ordered[n - 1 - best], True


def quantile(values, share):
    """Nearest rank: the smallest value that is not below `share` of all."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


class Row:
    """One line of the table. `values` are the figures the goal is about, one per round."""

    def __init__(self, name, what, values, unit="x", goal=None, ours="", peer="", digits=2):
        self.name, self.what, self.unit, self.goal = name, what, unit, goal
        self.ours, self.peer, self.digits = ours, peer, digits
        self.rounds = len(values)
        self.median = statistics.median(values)
        self.low, self.high, self.covered = interval(values)

    @classmethod
    def printed(cls, line):
        """From a line that a bench program printed (see local.mk)."""
        row = cls.__new__(cls)
        row.name, row.what, row.unit = line["row"], line["what"], line.get("unit", "x")
        row.median, row.low, row.high = line["median"], line["low"], line["high"]
        row.rounds, row.covered = line["rounds"], line["rounds"] >= 6
        row.goal, row.ours, row.peer = line.get("goal"), line.get("ours", ""), line.get("peer", "")
        row.digits = line.get("digits", 2)
        return row

    def met(self):
        """True, False, or None where there is no goal."""
        if not self.goal:
            return None
        relation, limit = self.goal.split()[:2]
        return self.median >= float(limit) if relation == ">=" else self.median <= float(limit)

    def _number(self, value):
        return f"{value:.{self.digits}f}"

    def cells(self):
        verdict = {True: "met", False: "**missed**", None: "-"}[self.met()]
        span = f"{self._number(self.low)} - {self._number(self.high)}"
        if not self.covered:
            span += " (range)"
        unit = "" if self.unit == "x" else " " + self.unit
        goal = self.goal + unit if self.goal else "-"
        return [self.name, self.what, self._number(self.median) + unit, span, str(self.rounds),
                self.ours or "-", self.peer or "-", goal, verdict]


HEAD = ["row", "figure", "median", "95% interval", "rounds", "Restante", "peer", "goal", ""]


def markdown(rows):
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    lines += ["| " + " | ".join(row.cells()) + " |" for row in rows]
    return "\n".join(lines)


def spread(values, unit, digits=0):
    """Median and range of an absolute figure, for orientation."""
    return (f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f}-"
            f"{max(values):,.{digits}f}) {unit}")


def _first(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return ((done.stdout or "") + (done.stderr or "")).strip().split("\n")[0]


def machine():
    """One line: what it ran on."""
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo", encoding="utf-8") as info:
        memory = int(info.readline().split()[1]) // (1024 * 1024)
    system = "unknown system"
    with open("/etc/os-release", encoding="utf-8") as info:
        for line in info:
            if line.startswith("PRETTY_NAME="):
                system = line.split("=", 1)[1].strip().strip('"')
    postfix = _first(["postconf", "-dh", "mail_version"])
    slapd = next((word for word in _first(["/usr/sbin/slapd", "-VV"]).split()
                  if word[:1].isdigit()), "")
    return (f"{os.cpu_count()} x {model}, {memory} GB; {system}, Linux {platform.release()}; "
            f"Postfix {postfix}, slapd {slapd}")


def page(rows, command, commit, notes):
    """The Markdown page: docs/bench.md begins as this."""
    parts = ["# Restante beside what one would run instead", "",
             f"`{command}` as root, commit {commit}, {time.strftime('%Y-%m-%d', time.gmtime())}.", "",
             f"Machine: {machine()}.", "", markdown(rows)]
    if notes:
        parts += [""] + ["- " + note for note in notes]
    return "\n".join(parts) + "\n"
