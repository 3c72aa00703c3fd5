"""Who gets the signals of restante-milter."""

import glob
import signal

from lab.lab import Lab


def unblocked(pid, number):
    """Threads that would take this signal."""
    takers = []
    for path in glob.glob("/proc/%d/task/*/status" % pid):
        try:
            with open(path) as status:
                facts = dict(line.split(":\t", 1) for line in status if ":\t" in line)
        except OSError:
            continue  # it ended meanwhile
        if not int(facts["SigBlk"], 16) & 1 << number - 1:
            takers.append(int(facts["Pid"]))
    return takers


def test_the_main_thread_alone_takes_signals():
    """libmilter has a thread that waits for SIGHUP as well, and stops: of two signals in quick
    succession it would get the second."""
    with Lab(start=("slapd", "milter")) as lab:
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            assert unblocked(lab.milter.pid, number) == [lab.milter.pid]
