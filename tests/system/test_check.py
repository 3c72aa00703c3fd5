"""./check calls a failure what is one: a run that hangs, falls over or says nothing."""

import os
import signal
import subprocess
import sys

import pytest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, TESTS)

import check  # noqa: E402

HANGS = """\
import time, pytest

@pytest.fixture
def stuck():
    yield
    time.sleep(60)

def test_waits():
    while True:
        try:
            time.sleep(60)
        except Exception:
            pass

def test_ends(stuck):
    pass

def test_goes_on():
    pass
"""
REPORT = '<testsuites><testsuite tests="%d" failures="%d" errors="0" skipped="0" /></testsuites>'


def test_a_test_that_hangs_fails_and_the_next_one_runs(tmp_path):
    """In the test, even one that takes every exception for "not yet", or in its teardown."""
    (tmp_path / "test_hangs.py").write_text(HANGS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "conftest",
         "--rootdir", tmp_path, "--seconds", "1", tmp_path / "test_hangs.py"],
        env=dict(os.environ, PYTHONPATH=os.path.join(TESTS, "system")), cwd=tmp_path,
        stdout=subprocess.PIPE, timeout=55, check=False)
    said = done.stdout.decode()
    assert done.returncode == 1 and "1 failed, 2 passed, 1 error" in said, said
    assert said.count("no end after 1 s") >= 2 and "time.sleep(60)" in said


@pytest.mark.parametrize("script, number", [("sleep 60", -2), ("trap '' INT; sleep 60 & wait; wait", -9)],
                         ids=["interrupted", "killed"])
def test_a_run_without_an_end_is_ended(tmp_path, script, number):
    log = tmp_path / "log"
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as check.main does
    status, said = check.run_bounded(["sh", "-c", "echo begun; exec %s" % script if number == -2 else
                                      "echo begun; " + script], str(log), 1, 1)
    assert status == number and "begun" in said and "no end after 1 s: SIGINT" in said
    assert ("SIGKILL" in said) == (number == -9) and log.read_text() == said


@pytest.mark.parametrize("report, status, counts", [
    (REPORT % (5, 0), 0, (5, 0)),
    (REPORT % (5, 2), 1, (3, 2)),
    (REPORT % (0, 0), 5, (0, 0)),
    (REPORT % (3, 0), 2, (3, 1)),
    (REPORT % (3, 0), 3, (3, 1)),
    (REPORT % (3, 0), 1, (3, 1)),
    (REPORT % (3, 0), -9, (3, 1)),
    (REPORT[:40], 0, (0, 1)),
    ("<testsuites/>", 0, (0, 1)),
    (None, -11, (0, 1)),
], ids=["well", "failed", "none chosen", "interrupted", "internal error", "unsaid", "killed", "cut",
        "empty", "none"])
def test_what_is_not_reported_is_a_failure(tmp_path, report, status, counts):
    path = tmp_path / "report.xml"
    if report is not None:
        path.write_text(report)
    assert check.system_counts(str(path), status) == counts
