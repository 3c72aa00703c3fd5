"""The end of restante-dirsync comes within stop_timeout, whatever it waits for."""

import os
import signal
import time

import pytest

from lab.lab import Lab
from lab.process import is_alive, wait_for
from synced import System, level

LATE = "not stopped within stop_timeout"


@pytest.fixture(scope="module")
def lab():
    with Lab(start=("slapd",)) as one:
        yield one


def running(system):
    return system.dirsync.ask("status", system=system.name)["systems"][0]["up"]


def stands(system):
    """Whether all that the directory still answered is counted."""
    before = running(system)["done"]
    time.sleep(0.1)
    return running(system)["done"] == before


def test_a_directory_that_falls_silent_while_it_is_written(lab):
    """What had no answer was done or not; the next run finds out."""
    system = System(lab, count=600)
    system.export()
    system.dirsync.configure(stop_timeout="1s")
    daemon = system.dirsync.start()
    daemon.ask("run", systems=[system.name], direction="up")
    wait_for(lambda: running(system).get("phase") == "apply" and running(system)["done"] > 50, 30,
             "some to be written")
    os.kill(lab.slapd.pid, signal.SIGSTOP)
    try:
        wait_for(lambda: stands(system), 30, "writes that are not answered")
        daemon.ask_to_stop()
        assert daemon.process.wait(20) == 1, daemon.log_tail()
    finally:
        os.kill(lab.slapd.pid, signal.SIGCONT)
    assert '%s, ends as it is: what is under way is left to the next run busy="up %s"' % (
        LATE, system.name) in daemon.log_text()
    assert 50 < len(system.entries()) < 600
    daemon.once("--up", system.name)
    level(system)


STUBBORN = """\
#!/bin/sh
trap '' TERM
echo $$ > %s
while :; do sleep 1; done
"""


@pytest.fixture
def stubborn(lab, tmp_path):
    """A source that does not end when it is asked to: (system, file with its process id)."""
    program, noted = str(tmp_path / "program"), str(tmp_path / "pid")
    with open(program, "w") as out:
        out.write(STUBBORN % noted)
    os.chmod(program, 0o755)
    system = System(lab, source="command", command=program, format="csv")
    system.dirsync.configure(stop_timeout="1s")
    return system, noted


def pid_of(noted):
    def written():
        with open(noted) as text:
            return text.read().strip()
    wait_for(lambda: os.path.exists(noted) and written(), 20, "the program to run")
    return int(written())


def test_no_program_outlives_the_daemon(stubborn):
    system, noted = stubborn
    daemon = system.dirsync.start()
    daemon.ask("run", systems=[system.name], direction="up")
    pid = pid_of(noted)
    daemon.ask_to_stop()
    assert daemon.process.wait(20) == 1, daemon.log_tail()
    wait_for(lambda: not is_alive(pid), 10, "the program to be gone")
    assert LATE in daemon.log_text()


def test_no_program_outlives_a_single_pass(stubborn):
    system, noted = stubborn
    run = system.dirsync.begin_once("--up", system.name)
    pid = pid_of(noted)
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=20)
    assert run.returncode == 1
    wait_for(lambda: not is_alive(pid), 10, "the program to be gone")
    assert LATE in system.dirsync.log_text()
