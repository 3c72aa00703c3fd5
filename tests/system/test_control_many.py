"""restante-control: what fifty thousand pending moves cost, and how long a mailbox is held."""

import os
import statistics
import time

import pytest

from lab.control import Control, dirsync_of, pending_record
from lab.lab import Lab
from lab.process import wait_for


def seconds_of(process):
    with open("/proc/%d/stat" % process) as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_of(process):
    with open("/proc/%d/status" % process) as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) * 1024


@pytest.mark.long
def test_fifty_thousand_pending_moves():
    """Under 100 MB, and under 1% of a core while nothing happens."""
    count = 50000
    with Lab(start=("slapd",)) as lab:
        lab.slapd.stop()
        lab.slapd.load("".join(map(pending_record, range(count))))
        lab.slapd.start()
        control = Control(lab, options={"lease": "30s"})
        control.logging = "info"
        control.configure()
        lab.servers.append(control)
        control.start()

        def at_rest():
            status = control.ask("status")
            return status["records"] == count and status["due"] + status["busy"] == 0
        wait_for(at_rest, 120, "all records to be looked at")
        assert resident_of(control.pid) < 100e6
        before = seconds_of(control.pid)
        time.sleep(20)
        assert (seconds_of(control.pid) - before) / 20 < 0.01


def held_us(csns):
    first, last = (time.strptime(csn[:14], "%Y%m%d%H%M%S") for csn in csns)
    whole = time.mktime(last) - time.mktime(first)
    return whole * 1e6 + int(csns[1][15:21]) - int(csns[0][15:21])


@pytest.mark.long
def test_how_long_a_mailbox_is_held():
    """From the hold's CSN to the swap's, one front door, drain included, no action in between."""
    names = ["held%d" % number for number in range(9)]
    with Lab() as lab:
        control = Control(lab, scenarios={
            "bare": {"create": "0s", "redirect": False, "drain": "0s"}})
        control.load_backends()
        lab.servers.append(dirsync_of(control).start())
        lab.servers.append(control)
        control.start()
        times = []
        for name, address in zip(names, control.people(*names)):
            dn = control.record("m-" + name, address, restanteMoveScenario="bare")
            control.wait_state(dn, 10, 60)
            times.append(held_us(control.one(dn, "restanteMoveHold").split()))
        print("held, milliseconds:", [round(us / 1000) for us in times])
        assert statistics.median(times) < 250e3
