"""restante-milter as a service: what it tells the service manager, and the unit that is shipped."""

import os
import re
import signal
import subprocess
import time

import pytest

from lab.lab import SOURCE, Lab
from lab.process import run, wait_for
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
    assert [os.path.basename(path) for path in installed] == ["restante-milter.service"]
    with open(installed[0]) as text:
        said = text.read()
    assert "@" not in re.sub("SystemCallFilter=.*", "", said)
