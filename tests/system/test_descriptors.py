"""The MTA opens more connections than the daemon has descriptors for, or there are none at all: new
clients hear 4xx; what is under way, the release and the commands go on; nothing that was acknowledged
is lost."""

import contextlib
import resource

import pytest

from helpers import arrived, begin, fresh, hold, send, settled, swap, unhold, user_of, verdict
from lab.lab import Lab
from lab.mail import Refused, compose
from lab.process import LabError, wait_for
from mta import Mta

QUICK = """\
milter_connect_timeout = 4s
milter_command_timeout = 4s
"""
LIMIT = 200  # half of it is for clients


@pytest.fixture(scope="module", name="lab")
def _lab():
    with Lab(postfix_more=QUICK) as whole:
        yield whole


@contextlib.contextmanager
def limited(lab, number):
    before = resource.prlimit(lab.milter.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(lab.milter.pid, resource.RLIMIT_NOFILE, (number, before[1]))
    try:
        yield
    finally:
        if lab.milter.running():
            resource.prlimit(lab.milter.pid, resource.RLIMIT_NOFILE, before)


@contextlib.contextmanager
def crowded(lab):
    """As many connections as it takes."""
    crowd = []
    with limited(lab, LIMIT):
        try:
            for _ in range(LIMIT):
                crowd.append(Mta(lab))
                try:
                    crowd[-1].negotiate()
                except ConnectionError:
                    break
            assert LIMIT // 3 < len(crowd) < LIMIT, "no connection was refused"
            yield
        finally:
            for one in crowd:
                one.close()


def taken(lab, address):
    """Whether a new client is served; it is refused for now where not."""
    try:
        send(lab, address)
        return True
    except Refused as refused:
        assert refused.code in (421, 451), refused
        return False


def test_too_many_connections(lab):
    """Those who are connected are served, held mail is released and moved, the directory is followed,
    and the commands work."""
    held, active, released = fresh(lab), fresh(lab), fresh(lab)
    hold(lab, held)
    hold(lab, released)
    before, waiting = send(lab, held), send(lab, released)
    smtp = begin(lab, [held])
    with crowded(lab):
        assert not taken(lab, active) and not taken(lab, held)
        msgid, content = compose(held)
        smtp.data(content)
        smtp.quit()
        lab.slapd.restart()
        unhold(lab, released)
        assert arrived(lab, "S1", user_of(released)) == [waiting]
        swap(lab, held)
        assert sorted(arrived(lab, "S2", user_of(held), 2)) == sorted([before, msgid])
        assert lab.milter.held() == 0
    wait_for(lambda: taken(lab, active), 30, "new clients to be served")
    said = [line for line in lab.milter.log_text().splitlines() if "too many connections" in line]
    assert len(said) == 1 and " error: " in said[0]
    assert lab.milter.starts == 1
    settled(lab)


def test_it_may_open_as_many_files_as_it_may(lab):
    """Whatever the shell that started it had set for itself."""
    soft, hard = resource.prlimit(lab.milter.pid, resource.RLIMIT_NOFILE)
    assert soft == hard


def test_none_at_all(lab):
    """Somebody else's limit: a database may break then. The process says so and ends, to be started
    again; or it goes on. What was acknowledged is there."""
    address = fresh(lab)
    hold(lab, address)
    sent = [send(lab, address) for _ in range(3)]
    with limited(lab, 3):  # what is open stays open
        assert not taken(lab, address)
        lab.slapd.replace(lab.slapd.mailbox_dn(user_of(address)), restanteState=None)
        with contextlib.suppress(OSError, ValueError, LabError):
            verdict(lab, address)
    wait_for(lambda: supervised(lab) and len(lab.message_ids("S1", user_of(address))) >= 3, 20,
             "what was held")
    assert sorted(lab.message_ids("S1", user_of(address))) == sorted(sent)
    supervised(lab)
    settled(lab)


def supervised(lab):
    """Started again where it ended as it may."""
    if not lab.milter.running():
        assert lab.milter.process.wait() == 70
        assert "is to be started again" in lab.milter.log_text()
        lab.milter.start()
    return True
