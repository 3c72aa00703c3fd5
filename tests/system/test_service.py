"""restante-milter as a service: what it tells the service manager, and the unit that is shipped."""

import ctypes
import glob
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from exposition import scrape
from helpers import arrived, hold, send, swap
from lab.lab import SOURCE, Lab
from lab.milter import Milter
from lab.process import free_port, run, wait_for
from nodes import raise_epoch, wait_drained
from supervisor import Service


@pytest.fixture
def door():
    """A lab whose restante-milter has a service manager, not started yet."""
    with Lab(start=("slapd",)) as lab:
        yield lab


def test_ready_is_told_once_the_replica_is_usable(door):
    service = Service(door)
    door.slapd.stop()
    read_end, write_end = os.pipe()
    pid_file = os.path.join(door.dir, "pid")
    daemon = subprocess.Popen(
        service.command() + ["--ready-fd", str(write_end), "--pid-file", pid_file],
        pass_fds=(write_end,), env=service.environment(), stderr=open(service.log, "ab"))
    try:
        os.close(write_end)
        wait_for(lambda: os.path.exists(service.socket), 15, "the socket")
        assert int(open(pid_file).read()) == daemon.pid
        assert "waiting" in service.wait_for("STATUS")["STATUS"]
        door.slapd.start()
        assert service.wait_for("READY") == {"READY": "1", "STATUS": "serving as front1"}
        assert [m for m in service.heard if "READY" in m] == service.heard[-1:]
        assert "ready node=front1" in service.log_text()
        assert os.read(read_end, 100) == b"READY\n"
        daemon.send_signal(signal.SIGTERM)
        assert service.wait_for("STOPPING") == {"STOPPING": "1", "STATUS": "stopping"}
        assert daemon.wait(60) == 0
        assert not os.path.exists(pid_file) and not os.path.exists(service.socket)
    finally:
        daemon.kill()
        daemon.wait()
        os.close(read_end)


def test_a_reload_is_told_and_ends_even_if_it_fails(door):
    service = Service(door).start()
    service.wait_for("READY")
    before = time.monotonic_ns() // 1000
    service.reload()
    assert before <= int(service.wait_for("RELOADING")["MONOTONIC_USEC"]) \
        <= time.monotonic_ns() // 1000
    wait_for(lambda: service.listen() or len(service.heard) > 3, 10, "the end of the reload")
    assert service.heard[-1] == {"READY": "1", "STATUS": "serving as front1"}
    with open(service.conf, "a") as conf:
        conf.write("nonsense = 1\n")
    service.reload()
    wait_for(lambda: service.listen() and "READY" in service.heard[-1], 10, "the end of the reload")
    assert "RELOADING" in service.heard[-2]
    assert re.match("not reloaded, .*nonsense", service.heard[-1]["STATUS"])


def test_a_configuration_that_is_wrong_is_said(door):
    """78: the unit does not start it again."""
    service = Service(door)
    with open(service.conf, "a") as conf:
        conf.write("nonsense = 1\n")
    service.start(wait=False)
    assert service.process.wait(60) == 78
    assert "nonsense" in service.wait_for("STATUS")["STATUS"]
    service.process = None


def test_held_is_counted_while_the_daemon_is_down():
    """The package asks before it is removed. Nobody can tell is no zero."""
    with Lab(start=("slapd", "milter", "postfix")) as lab:
        def held(conf=lab.milter.conf):
            done = run([lab.milter.binary, "--held", "-c", conf], check=False)
            return done.returncode, done.stdout.decode(), done.stderr.decode()
        hold(lab, "anna@example.org")
        send(lab, "anna@example.org")
        status, said, error = held()
        assert (status, said) == (69, "") and "process %d" % lab.milter.pid in error
        lab.milter.stop()
        assert held() == (0, "1 %s\n" % lab.milter.queue, "")
        assert held() == (0, "1 %s\n" % lab.milter.queue, "")
        lab.milter.start()
        assert lab.milter.held() == 1
        lab.milter.stop()
        os.rename(lab.milter.queue, lab.milter.queue + ".away")
        assert held() == (0, "0 %s\n" % lab.milter.queue, "")
        assert not os.path.exists(lab.milter.queue)
        with open(lab.milter.queue, "w"):
            pass
        status, said, error = held()
        assert (status, said) == (69, "") and lab.milter.queue in error
        assert held(lab.dir)[:2] == (78, "")


# --- the watchdog ---------------------------------------------------------------------------------

INTERVAL = 2.0  # seconds; it pings twice as often


class Stopped:
    """One thread of a process, stopped by ptrace(2); the others run on."""

    SEIZE, INTERRUPT, DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000

    def __init__(self, pid, name):
        def find():
            for task in glob.glob("/proc/%d/task/*" % pid):
                with open(task + "/comm") as comm:
                    if comm.read().strip() == name:
                        return int(os.path.basename(task))
            return None
        self.thread = wait_for(find, 10, "the thread " + name)
        self.libc = ctypes.CDLL(None, use_errno=True)

    def ptrace(self, request):
        if self.libc.ptrace(ctypes.c_long(request), ctypes.c_long(self.thread), None, None) < 0:
            raise OSError(ctypes.get_errno(), "ptrace")

    def __enter__(self):
        self.ptrace(self.SEIZE)
        self.ptrace(self.INTERRUPT)
        os.waitpid(self.thread, self.WALL)

    def __exit__(self, *_):
        self.ptrace(self.DETACH)


def pings(service, seconds):
    """How many came in that time."""
    service.listen()
    time.sleep(seconds)
    return sum("WATCHDOG" in message for message in service.listen())


def silent(service):
    """No ping for longer than the service manager would wait."""
    def told():
        service.listen()
        return "no progress" in service.log_text()
    wait_for(told, 20, "the daemon to notice")
    return pings(service, INTERVAL + 0.5) == 0


def test_it_pings_twice_per_interval_also_without_a_directory(door):
    service = Service(door, watchdog=INTERVAL).start()
    service.wait_for("WATCHDOG")
    assert 3 <= pings(service, 2 * INTERVAL) <= 5
    door.slapd.stop()
    assert 3 <= pings(service, 2 * INTERVAL) <= 5
    assert service.ask("status")["connections"] == 0


def test_without_a_watchdog_nothing_pings(door):
    service = Service(door).start()
    service.wait_for("READY")
    assert pings(service, INTERVAL) == 0


def test_it_pings_on_tcp_too(door):
    service = Service(door, watchdog=INTERVAL, socket="inet:%d@127.0.0.1" % free_port())
    service.start(wait=False)
    service.wait_for("READY")
    assert pings(service, 2 * INTERVAL) >= 3


@pytest.mark.parametrize("thread, reason", [
    ("listener", "the milter's listener does not answer"),
    ("consumer", "the directory's consumer is stuck")])
def test_a_thread_that_is_stuck_ends_the_pings(door, thread, reason):
    service = Service(door, watchdog=INTERVAL).start()
    service.wait_for("WATCHDOG")
    with Stopped(service.pid, thread):
        assert silent(service)
        assert service.running() and reason in service.log_text()
        assert {"STATUS": reason} in service.heard
    assert service.wait_for("WATCHDOG")


def test_a_writer_that_is_stuck_ends_the_pings_once_somebody_waits_for_it():
    with Lab(start=()) as lab:
        lab.make(("slapd", "milter", "postfix"))
        lab.servers.remove(lab.milter)
        lab.milter = service = Service(lab, watchdog=INTERVAL)
        for server in lab.servers:
            server.start()
        hold(lab, "anna@example.org")
        with Stopped(service.pid, "holdq-writer"):
            assert pings(service, 2 * INTERVAL) >= 3
            client = threading.Thread(target=send, args=(lab, "anna@example.org"))
            client.start()
            assert silent(service)
            assert "the hold queue's writer is stuck" in service.log_text()
        client.join(30)
        assert service.wait_for("WATCHDOG") and service.held() == 1


# --- the unit -------------------------------------------------------------------------------------

BUILD = os.environ.get("RESTANTE_BUILD") or os.path.join(SOURCE, "build")
UNIT = os.path.join(BUILD, "contrib/systemd/restante-milter.service")


@pytest.fixture
def unit(tmp_path):
    """The unit as built, but for its program: that need not be installed."""
    with open(UNIT) as text:
        said = text.read()
    program = re.search(r"(?m)^ExecStart=(/\S+/restante-milter)$", said).group(1)
    path = tmp_path / "restante-milter.service"
    path.write_text(said.replace("ExecStart=" + program,
                                 "ExecStart=" + os.path.join(BUILD, "restante-milter")))
    return path


def test_systemd_has_no_complaint(unit):
    done = run(["systemd-analyze", "verify", "--man=no", str(unit)], check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_exposure_is_at_most_two(unit):
    done = run(["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager",
                str(unit)])
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout.decode())
    assert float(exposure.group(1)) <= 2.0


def test_make_installs_it(tmp_path):
    run(["make", "-s", "-C", BUILD, "install-systemdsystemunitDATA", "DESTDIR=%s" % tmp_path])
    installed = [os.path.join(root, name) for root, _, names in os.walk(tmp_path) for name in names]
    path, = [path for path in installed if os.path.basename(path) == "restante-milter.service"]
    with open(path) as text:
        said = text.read()
    assert "@" not in re.sub("SystemCallFilter=.*", "", said)


# --- what the unit forbids ------------------------------------------------------------------------

USER = pwd.getpwnam("news")


class Confined(Milter):
    """restante-milter as the unit would run it; the user is in these groups."""

    unit, groups = None, ""

    def command(self):
        writable = ",".join((self.dir, os.path.dirname(self.socket)))
        return [sys.executable, os.path.join(SOURCE, "tests/lab/sandbox.py"), self.unit, USER.pw_name,
                self.groups, self.etc_postfix(), writable, *super().command()]

    def etc_postfix(self):
        """The lab's, with the default of mynetworks: whoever reads it asks for the interfaces."""
        folder = os.path.join(self.dir, "etc-postfix")
        shutil.copytree(self.lab.postfix.conf, folder, dirs_exist_ok=True)
        with open(os.path.join(folder, "main.cf"), "r+") as main:
            text = re.sub("(?m)^mynetworks = .*\n", "", main.read())
            main.seek(0)
            main.truncate()
            main.write(text)
        return folder


@pytest.fixture
def confined(unit):
    """A lab with such a milter, not started yet."""
    lab = Lab(start=())
    try:
        lab.make(("slapd", "s1", "s2", "milter", "postfix"))
        lab.servers.remove(lab.milter)
        lab.milter = Confined(lab, {})
        lab.servers.insert(0, lab.milter)
        lab.milter.unit = str(unit)
        # the build may be in a folder that only root may pass
        lab.milter.binary = shutil.copy(lab.milter.binary, lab.dir)
        # as the snippet of the manual has it: no other configuration than /etc/postfix
        command = lab.postfix.queue_list_command().replace(" -c " + lab.postfix.conf, "")
        lab.milter.configure(queue_list=command, group="news")
        for path in (lab.milter.dir, lab.milter.replica, lab.milter.queue,
                     lab.slapd.password_file("front1")):
            os.chown(path, USER.pw_uid, USER.pw_gid)
        folder = os.path.dirname(lab.milter.socket)
        os.chown(folder, USER.pw_uid, lab.postfix.owner.pw_gid)
        os.chmod(folder, 0o2750)
        yield lab
    finally:
        lab.close()


def start(lab):
    for server in lab.servers:
        if server is not lab.milter:
            server.start()
    lab.milter.start()


def facts(pid):
    with open("/proc/%d/status" % pid) as status:
        return dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)


def test_all_works_with_what_the_unit_allows(confined):
    """Holds, lists the MTA's queue by postqueue without its set-group-id bit, swaps, releases,
    reloads, starts again on what it left (TRAPS 21)."""
    lab, address = confined, "anna@example.org"
    lab.milter.groups = lab.postfix.group.gr_name
    port = free_port()
    lab.milter.configure(metrics=True, metrics_listen="127.0.0.1:%d" % port)
    start(lab)
    running = facts(lab.milter.pid)
    assert (running["NoNewPrivs"], running["Seccomp"]) == ("1", "2")
    assert int(running["CapEff"], 16) == int(running["CapBnd"], 16) == 0
    assert set(running["Uid"].split()) == {str(USER.pw_uid)}
    with open("/proc/%d/mountinfo" % lab.milter.pid) as table:
        root = [line.split()[5] for line in table if line.split()[4] == "/"]
    assert root and all("ro" in options.split(",") for options in root)
    hold(lab, address)
    first = send(lab, address)
    lab.milter.restart()
    second = send(lab, address)
    assert lab.milter.held() == 2
    lab.milter.reload()
    wait_for(lambda: "reloaded" in lab.milter.log_text(), 10, "the reload")
    swap(lab, address)
    assert sorted(arrived(lab, "S2", "anna", 2)) == sorted([first, second])
    wait_drained(lab, raise_epoch(lab))
    page = scrape(port)
    assert page.get("restante_node_serving") == 1 and page.get("process_open_fds") > 10
    lab.milter.stop()
    assert "error:" not in lab.milter.log_text()


def test_without_the_mtas_group_the_queue_cannot_be_listed(confined):
    start(confined)
    raise_epoch(confined)
    wait_for(lambda: re.search("showq.*Permission denied|Permission denied.*showq|postqueue.*denied",
                               confined.milter.log_text()), 15, "the refusal")
