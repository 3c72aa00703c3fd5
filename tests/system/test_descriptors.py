"""The daemon has no descriptor left: no new connection, no connection of its own. What is told to
clients and what is held is as true as ever, and all goes on once there are some again."""

import contextlib
import os
import resource

import pytest

from helpers import (arrived, begin, fresh, hold, send, settled, swap, unhold, user_of, verdict,
                     wait_verdict)
from lab.lab import Lab
from lab.mail import Refused, Smtp, compose
from lab.process import wait_for

QUICK = """\
milter_connect_timeout = 2s
milter_command_timeout = 3s
milter_content_timeout = 10s
"""


@pytest.fixture(scope="module", name="lab")
def _lab():
    with Lab(postfix_more=QUICK) as whole:
        yield whole


def descriptors(pid):
    """Those that stay: what was asked a moment ago has one that is about to be closed."""
    seen = []

    def rest():
        seen.append({int(name) for name in os.listdir("/proc/%d/fd" % pid)})
        return len(seen) > 4 and all(one == seen[-1] for one in seen[-4:])
    wait_for(rest, 20, "the daemon's descriptors to be the same for a while", 0.05)
    return seen[-1]


@contextlib.contextmanager
def exhausted(lab):
    """Whatever is open stays open, and nothing more can be: the first free number is too large."""
    pid = lab.milter.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    there = descriptors(pid)
    first = next(number for number in range(len(there) + 1) if number not in there)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (first, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def taken(lab, address):
    """Whether a new client is served; it is refused for now where not."""
    try:
        send(lab, address)
        return True
    except Refused as refused:
        assert refused.code in (421, 451), refused
        return False


def test_new_clients_wait_and_those_connected_go_on(lab):
    held, active = fresh(lab), fresh(lab)
    hold(lab, held)
    before = send(lab, held)
    smtp = begin(lab, [held])
    with exhausted(lab):
        assert not taken(lab, active) and not taken(lab, held)
        msgid, content = compose(held)
        smtp.data(content)
        smtp.quit()
        assert lab.milter.running()
        lab.milter.cli("status", check=False)
    wait_for(lambda: taken(lab, active), 30, "new clients to be served")
    assert lab.milter.held() == 2
    swap(lab, held)
    assert arrived(lab, "S2", user_of(held), 2) == [before, msgid]
    settled(lab)


def test_the_release_waits_for_descriptors(lab):
    """That is trouble of nobody's mail: nothing is returned, nothing is given up."""
    address = fresh(lab)
    hold(lab, address)
    sent = [send(lab, address) for _ in range(3)]
    with exhausted(lab):
        mark = len(lab.milter.log_text())
        unhold(lab, address)
        wait_for(lambda: "Too many open files" in lab.milter.log_text()[mark:], 20, "the trouble")
    assert arrived(lab, "S1", user_of(address), 3) == sent
    settled(lab)


def test_the_directory_is_lost_and_found_without_descriptors(lab):
    """No new connection to it: the last known truth serves."""
    address = fresh(lab)
    smtp = Smtp(lab.postfix.port)
    assert smtp.command("MAIL FROM:<a@outside.test>")[0] == 250
    with exhausted(lab):
        lab.slapd.restart()
        mark = len(lab.milter.log_text())
        wait_for(lambda: "Too many open files" in lab.milter.log_text()[mark:], 20, "the trouble")
        assert smtp.command("RCPT TO:<%s>" % address)[0] == 250
        smtp.quit()
    wait_verdict(lab, "nobody@example.org", "nobody")
    assert verdict(lab, address) == "rewrite"
