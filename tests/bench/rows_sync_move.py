"""Hold to swap while an up sync writes as fast as it may."""

import os
import statistics
import subprocess
import time

import figures
import tree
from lab.process import wait_for
from lab.slapd import BASE
from rounds import progress, ratios
from rows_sync import SYSTEM, Source, dirsync_sections, run_once, up_section
from rows_time import Swaps, Versions
from testbed import Testbed

PEOPLE = 10000      # of the system that is synced, all of whom change
BESIDE = 5          # swaps in a round, and as many of an idle directory
BETWEEN = 0.3       # seconds from one to the next


class MoveBed(Testbed):
    """Two front doors, and a system whose up sync has much to write."""

    def __init__(self, build, mailboxes):
        self.people = PEOPLE
        super().__init__(build, mailboxes)
        try:
            self._add_system()
        except BaseException:
            self.close()
            raise

    def _entries(self, mailboxes):
        yield (f"\ndn: cn={SYSTEM},ou=systems,cn=restante,{BASE}\n"
               f"objectClass: restanteBackend\ncn: {SYSTEM}\n")
        yield from super()._entries(mailboxes)

    def _add_system(self):
        self.source = Source(self.lab, self.people)
        self.lab.servers.append(self.source)
        self.source.start()
        self.conf = os.path.join(self.lab.dir, "dirsync.conf")
        with open(self.conf, "w", encoding="utf-8") as out:
            out.write(dirsync_sections(self.lab, self.slapd))
            out.write(up_section(self.source))
        run_once(self.lab.build, self.conf, self.lab, "--full", SYSTEM)

    def begin_load(self, value):
        """A run that has something to write to each of its mailboxes, as it begins to."""
        self.source.touch(self.lab.build, 0, self.people, value)
        with open(os.path.join(self.lab.dir, "dirsync.log"), "ab") as log:
            run = subprocess.Popen(
                [os.path.join(self.lab.build, "restante-dirsync"), "-c", self.conf, "--once",
                 "--full", SYSTEM], stdout=log, stderr=log)
        wait_for(lambda: run.poll() is not None or self._written(value), 60, "the load to write")
        return run

    def _written(self, value):
        return self.slapd.search(f"(&(restanteSystem={SYSTEM})(displayName={value}))",
                                 ["1.1"], who="root") != []


def move(options):
    """A round: some swaps while nothing else is written, some while the load is."""
    rounds = 3 if options.quick else max(6, options.rounds // 2)
    bed = MoveBed(options.build, min(options.mailboxes, 20000))
    idle, beside = [], []
    versions = Versions(bed.slapd, Swaps.DN)
    try:
        swaps = Swaps(bed)
        bed.set_state([tree.SYSTEM_OFF_LINE], None)
        time.sleep(3)  # after a start the fence waits late_commit (2 s) for connections of before
        for number in range(-1, rounds):
            quiet = _swap_some(swaps, versions, lambda: True)
            run = bed.begin_load(f"load {number}")
            loaded = _swap_some(swaps, versions, lambda: run.poll() is None)
            if run.wait() != 0:
                raise RuntimeError("restante-dirsync failed")
            progress(f"move {number + 1} of {rounds}: {quiet:.1f} ms, "
                     f"{loaded:.1f} ms beside the load")
            if number >= 0:
                idle.append(quiet)
                beside.append(loaded)
    finally:
        versions.close()
        bed.close()
    return [figures.Row(
        "sync-move", "from the hold's CSN to the swap's CSN beside an up sync that changes "
        f"{PEOPLE:,} mailboxes / while nothing else is written", ratios(beside, idle),
        goal="<= 1.5", ours=figures.spread(beside, "ms", 1), peer=figures.spread(idle, "ms", 1))]


def _swap_some(swaps, versions, goes_on):
    """The median of their milliseconds; one that the load ended in does not count."""
    took = []
    for _ in range(BESIDE):
        time.sleep(BETWEEN)
        sample = swaps.once(versions)["csn"]
        if not goes_on():
            break
        took.append(sample)
    if not took:
        raise RuntimeError("the load was over before a swap was")
    return statistics.median(took)
