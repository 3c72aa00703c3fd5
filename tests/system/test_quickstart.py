"""./quickstart itself, past its build: the show, the corpus, --keep and --stop, an interruption."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

from lab.lab import SOURCE, chosen_mta
from lab.process import wait_for

SHOW = os.path.join(SOURCE, "tests/lab/quickstart.py")
LEDGER = re.compile(r"ledger: sent (\d+), delivered (\d+), lost 0, duplicated 0, misrouted 0")


def build():
    return os.environ.get("RESTANTE_BUILD") or os.path.join(SOURCE, "build")


def heed_interrupts():
    """Whatever is run in the background by a shell inherits that they are ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(*arguments):
    return subprocess.Popen([sys.executable, SHOW] + list(arguments), stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, preexec_fn=heed_interrupts,
                            env=dict(os.environ, RESTANTE_BUILD=build()))


def show(*arguments):
    """(exit status, lines)"""
    process = start(*arguments)
    said = process.communicate(timeout=240)[0]
    return process.returncode, said.splitlines()


def lab_of(lines):
    return next(re.search(r"/tmp/restante-lab-\w+", line)[0] for line in lines
                if "the lab is /tmp" in line)


def speaks_of(directory):
    """Processes whose command line names the directory."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as cmdline:
                if directory.encode() in cmdline.read():
                    found.append(pid)
        except OSError:
            pass
    return found


@pytest.mark.brief
def test_the_show_and_its_corpus(tmp_path):
    (tmp_path / "1").write_bytes(b"From x@y Thu Jan  1 00:00:00 2026\nSubject: mbox\n\nFrom: body\n")
    (tmp_path / "2").write_bytes(b"Subject: crlf\r\n\r\nx\r\n.\r\n\xe9\r\n")
    (tmp_path / "3").write_bytes(b"Received: from a by b; x\nSubject: lone\rcr\n\n" + b"y" * 3000)
    (tmp_path / "4").write_bytes(b"Subject: large\n\n" + b"0123456789\n" * 20000)
    status, lines = show("--corpus", str(tmp_path))
    assert status == 0, "\n".join(lines)
    sent, delivered = LEDGER.fullmatch(lines[-1]).groups()
    assert sent == delivered and int(sent) > 100
    # Debian's Sendmail takes no bare CR
    same = 3 if chosen_mta() == "postfix" else 2
    assert any("corpus: 4 messages; held and released: %d the same" % same in line for line in lines)
    # each command is shown as one types it
    for verb in ("route", "move add", "queue", "move show"):
        assert any("$ restante " + verb in line for line in lines)
    # both systems were filled; whoever moved is no contact any more where she moved to
    books = [line.split("  ", 2)[-1] for line in lines if "the address book of" in line]
    assert len(books) == 4 and "carla@example.org" in books[0] and "anna@example.org" in books[1]
    assert "anna@example.org" not in books[0] + books[2] + books[3]
    # the timeline of the move, to its end
    timeline = "\n".join(line for line in lines if line.lstrip().startswith("|"))
    walked = re.findall(r"(?m)^\s*\|   \S+ \S+Z +(?:(state \d+):.*|(\S+))$", timeline)
    assert [state or step for state, step in walked if state or step in ("create", "swap")] == [
        "state 0", "create", "state 1", "state 4", "state 5", "swap", "state 6", "state 10"]
    assert not os.path.exists(lab_of(lines))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_nothing(number):
    process = start()
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "sending" in line:
            break
    directory = lab_of(lines)
    assert speaks_of(directory)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert not os.path.exists(directory)
    wait_for(lambda: not speaks_of(directory), 10, "the servers to end")


def test_keep_and_stop():
    status, lines = show("--keep")
    try:
        assert status == 0, "\n".join(lines)
        assert LEDGER.fullmatch(lines[-1])
        directory = lab_of(lines)
        for tool in ("swaks --server 127.0.0.1:", "ldapmodify -x -H ldap://127.0.0.1:", "imap://"):
            assert any(tool in line for line in lines)
        with open(os.path.join(build(), "quickstart-lab.json")) as note:
            assert all(json.load(note)["pids"].values())
        status, again = show()
        assert status == 1 and "--stop" in again[-1]
    finally:
        status, said = show("--stop")
    assert status == 0 and "gone" in said[-1]
    assert not os.path.exists(directory)
    wait_for(lambda: not speaks_of(directory), 10, "the servers to end")
    status, said = show("--stop")
    assert status == 0 and "no lab" in said[-1]


@pytest.mark.postfix
def test_a_lab_that_cannot_start_says_why(tmp_path):
    process = subprocess.run([sys.executable, SHOW], stdout=subprocess.PIPE, text=True, check=False,
                             env=dict(os.environ, RESTANTE_BUILD=str(tmp_path)), timeout=60)
    assert process.returncode == 1
    assert "is not built" in process.stdout
