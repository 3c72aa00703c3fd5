"""restante-dirsync as a daemon: requests, the control socket, reload, the end."""

import os
import re
import subprocess
import time

import pytest

from exposition import scrape
from lab.dirsync import Dirsync
from lab.lab import Lab
from lab.process import free_port, wait_for
from lab.slapd import PEOPLE
from synced import HEADER, System, level


@pytest.fixture(scope="module")
def lab():
    with Lab(start=("slapd",)) as one:
        yield one


def test_whoever_asks_at_once_is_told_of_all_systems(lab):
    """From the first moment on that it listens: a run of nothing would count as done."""
    system = System(lab, count=1)
    daemon = system.dirsync
    daemon.configure(metrics=True, metrics_listen="127.0.0.1:%d" % free_port())
    for _ in range(20):
        daemon.start(wait=False)
        try:
            wait_for(daemon.ready, what="the control socket", interval=0)
            assert [s["system"] for s in daemon.ask("status")["systems"]] == [system.name]
        finally:
            daemon.stop()


def test_two_at_once(lab):
    system = System(lab, count=5)
    system.export()
    daemon = system.dirsync.start()
    try:
        code, _ = daemon.once("--up", system.name, check=False)
        assert code == 75
        second = subprocess.run(daemon.command(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                timeout=60, check=False)
        assert second.returncode == 69
        assert b"in use by process %d" % daemon.pid in second.stdout + second.stderr
    finally:
        daemon.stop()


@pytest.fixture
def daemon(lab):
    system = System(lab, count=10)
    system.export()
    system.dirsync.start()
    yield system
    system.dirsync.stop()


def last(system):
    """The outcome of the last run."""
    status = system.dirsync.ask("status", system=system.name)["systems"][0]["up"]
    return status.get("last", {}).get("outcome")


def test_a_request_in_the_directory_is_answered(daemon):
    daemon.slapd.replace(daemon.dn, "operator", restanteSyncAsked="1")
    wait_for(lambda: last(daemon) == "nothing", 20, "all that is there to be read")
    assert daemon.answered() == 0, "what was there is older"
    daemon.export()
    wait_for(lambda: daemon.answered() == 1, 20, "the run")
    level(daemon)


def test_a_run_that_cannot_begin_tells_who_waits(lab):
    system = System(lab, count=2)
    system.export()
    blocked = os.path.join(system.dirsync.state, "instance")
    os.makedirs(blocked)
    system.dirsync.start()
    try:
        system.slapd.replace(system.dn, "operator", restanteSyncAsked="3")
        wait_for(lambda: "restanteupsyncfailed" in system.record(), 20, "the refusal")
        assert system.record()["restanteupsyncfailed"][0].startswith("3 failed: " + blocked)
        assert " - " in system.record()["restanteuplease"][0], "it was given back"
        os.rmdir(blocked)
        system.slapd.replace(system.dn, "operator", restanteSyncAsked="4")
        wait_for(lambda: system.outcome().startswith("complete"), 20, "a run of the older file")
        assert system.answered() == 0
        system.export()
        wait_for(lambda: system.answered() == 4, 20, "the run")
        assert "restanteupsyncfailed" not in system.record()
    finally:
        system.dirsync.stop()
    level(system)


def test_nothing_new_is_no_failure(daemon):
    """Whoever waits for a newer file is told neither that the sync was done nor that it failed."""
    daemon.slapd.replace(daemon.dn, "operator", restanteSyncAsked="7")
    wait_for(lambda: last(daemon) == "nothing", 20, "a run without a new file")
    assert daemon.answered() == 0 and "restanteupsyncfailed" not in daemon.record()


def test_a_run_asked_by_the_control_socket(daemon):
    lines = daemon.dirsync.ask("run", systems=[daemon.name], direction="up", wait=True)
    record = next(line["record"] for line in lines if "record" in line)
    assert record["outcome"] == "complete" and record["added"] == 10
    level(daemon)
    status = daemon.dirsync.ask("status", system=daemon.name)["systems"][0]
    assert status["up"]["connector"] == "csv" and not status["up"]["running"]
    assert status["up"]["last"]["run"] == record["run"]
    daemon.people[sorted(daemon.people)[0]]["name"] = "Different"
    daemon.export()
    shown = daemon.dirsync.ask("diff", system=daemon.name)
    assert [line["kind"] for line in shown if "kind" in line] == ["modify"]
    assert daemon.dirsync.ask("run", systems=["nowhere"])["code"] == "notfound"
    daemon.dirsync.ask("run", systems=[daemon.name], wait=True)
    level(daemon)


def test_a_reload_takes_a_system_in_and_out(daemon):
    other = System(daemon.lab, count=2)
    other.export()
    before = daemon.dirsync.ups
    daemon.dirsync.ups = {**before, **other.dirsync.ups}
    daemon.dirsync.configure()
    assert daemon.dirsync.ask("reload")["ok"]
    daemon.dirsync.ask("run", systems=[other.name], wait=True)
    level(other)
    daemon.dirsync.ups = before
    daemon.dirsync.configure()
    daemon.dirsync.reload()
    wait_for(lambda: [s["system"] for s in daemon.dirsync.ask("status")["systems"]] ==
             [daemon.name], 20, "the reload")


def test_stop_gives_the_lease_back(daemon):
    daemon.dirsync.ask("run", systems=[daemon.name], wait=True)
    wait_for(lambda: " - " in daemon.record()["restanteuplease"][0], 20, "the lease to be free")
    assert PEOPLE in daemon.entries()[sorted(daemon.people)[0]]["dn"]


def test_the_schedule(lab):
    system = System(lab, count=4, every="300ms")
    system.export()
    system.dirsync.start()
    try:
        wait_for(lambda: len(system.entries()) == 4, 20, "the first run")
        system.people[sorted(system.people)[0]]["name"] = "By schedule"
        system.export()
        wait_for(lambda: system.entries()[sorted(system.people)[0]]["cn"] == ["By schedule"], 20,
                 "the next run")
    finally:
        system.dirsync.stop()
    level(system)


def test_metrics(lab):
    port = free_port()
    system = System(lab, count=4)
    system.dirsync.configure(metrics=True, metrics_listen="127.0.0.1:%d" % port)
    system.export()
    system.dirsync.start()
    try:
        system.dirsync.ask("run", systems=[system.name], wait=True)
        page = scrape(port)
        labels = {"system": system.name, "direction": "up"}
        assert page.get("restante_sync_runs_complete_total", **labels) == 1
        assert page.get("restante_sync_added_total", **labels) == 4
        assert page.get("restante_sync_persons", **labels) == 4
        # another address, while somebody may be reading the page
        other = free_port()
        system.dirsync.configure(metrics_listen="127.0.0.1:%d" % other)
        assert system.dirsync.ask("reload")["ok"]
        assert scrape(other).get("restante_sync_running", **labels) == 0
    finally:
        system.dirsync.stop()


def left_by_a_crash(system, dirsync):
    """The lease that one leaves who is killed while its source has not answered."""
    system.dirsync.ups[system.name]["command"] = "/bin/sleep 60"
    dirsync.configure()
    process = dirsync.begin_once("--up", system.name)
    wait_for(lambda: " %s/" % dirsync.options["holder"] in system.record().get(
        "restanteuplease", [""])[0], 20, "the lease")
    process.kill()
    process.communicate()
    system.dirsync.ups[system.name]["command"] = "/bin/echo " + HEADER.strip()
    return system.record()["restanteuplease"][0].split(" ")[1]


def test_two_hosts_of_one_name(lab):
    """Neither takes the other's lease for its own; one that starts again need not wait for it."""
    system = System(lab, source="command", format="csv", new_system="true")
    options = {"holder": "same", "lease": "5s"}
    hosts = [Dirsync(lab, system.dirsync.ups, options=options, name="host%d" % number)
             for number in range(2)]
    names = []
    for host, waits in ((hosts[0], True), (hosts[1], False)):
        names.append(left_by_a_crash(system, host))
        hosts[1].configure()
        began = time.monotonic()
        _, out = hosts[1].once("--up", system.name)
        assert " complete " in out and (time.monotonic() - began > 4.5) == waits, out
    assert names[0] != names[1]
    assert not re.search("cannot be kept", hosts[0].log_text() + hosts[1].log_text())


def test_another_host_goes_on_when_the_lease_stands_still(lab):
    """The holder was killed with its lease; nobody compares clocks of hosts."""
    system = System(lab, count=30)
    system.dirsync.configure(lease="5s")
    system.sync()
    drops = dict(system.dirsync.ups[system.name])
    system.dirsync.ups[system.name].update(source="command", format="csv", command="/bin/sleep 5")
    system.dirsync.configure(lease="5s")
    later = system.dirsync.begin_once("--up", "--full", system.name)
    wait_for(lambda: not re.search(r" - ", system.record()["restanteuplease"][0]), 20, "the lease")
    later.kill()
    later.communicate()
    system.dirsync.ups[system.name] = drops
    other = System.__new__(System)
    other.__dict__.update(system.__dict__)
    other.dirsync = type(system.dirsync)(lab, system.dirsync.ups, options={"lease": "5s"},
                                         name="second-host")
    system.people[sorted(system.people)[0]]["name"] = "By the second host"
    began = time.monotonic()
    system.export()
    other.dirsync.once("--up", system.name)
    assert time.monotonic() - began >= 4.5
    level(system)
    assert "second-host" not in system.record()["restanteuplease"][0], "it was given back"
