"""Fixtures of the system tests: labs with just the servers that a test needs."""

import contextlib
import os
import re
import signal
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from command import Command  # noqa: E402
from helpers import clear, left_over, rests  # noqa: E402
from lab.lab import Lab, chosen_mta  # noqa: E402
from lab.process import name_of_our_own, wait_for  # noqa: E402
from lab.sink import Sink  # noqa: E402
from replica import Replica  # noqa: E402


def pytest_configure(config):
    name_of_our_own()
    config.addinivalue_line("markers", "long: takes minutes; ./check --long runs it")
    config.addinivalue_line("markers", "postfix: of what Sendmail does not have, or does otherwise")
    config.addinivalue_line("markers", "sendmail: the other way round")
    config.addinivalue_line("markers", "brief: on Sendmail without --long, too")


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="run the tests marked long, too")
    parser.addoption("--seconds", type=float, default=300, help="for one test; then it fails")


def is_for(item, mta, long_ones):
    """Whether it runs with that front door; on Sendmail without --long a few do."""
    if item.get_closest_marker("long") and not long_ones:
        return False
    if mta == "postfix":
        return not item.get_closest_marker("sendmail")
    return not item.get_closest_marker("postfix") and (
        long_ones or bool(item.get_closest_marker("brief")))


def pytest_collection_modifyitems(config, items):
    mta, long_ones = chosen_mta(), config.getoption("--long")
    others = [item for item in items if not is_for(item, mta, long_ones)]
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]


@pytest.fixture(scope="module")
def directory():
    """slapd alone, for tests that leave the sample tree as they found it."""
    with Lab(start=("slapd",)) as lab:
        yield lab.slapd


@pytest.fixture(scope="module")
def lab():
    """All servers, one lab for the tests of a module."""
    with Lab() as whole:
        yield whole


WIDE = """\
# besides the federated domains: one that the directory does not know any more
restante_domains = example.org, example.net, xn--bcher-kva.example, stale.test
# a thousand recipients with unknown ones among them are no attack here
smtpd_soft_error_limit = 1001
smtpd_hard_error_limit = 1001
# names without a domain are of the federated one
myorigin = example.org
virtual_alias_domains = lists.lab
virtual_alias_maps = inline:{ { forward@lists.lab = forwarded@example.org },
  { mapped@s1.lab = aimed@s1.lab }, { mapped+Tag@s1.lab = aimed+Tag@s1.lab } }
smtpd_recipient_restrictions = check_recipient_access inline:{ { barred@example.org = 554 5.7.1 no } }
"""
WIDE_TABLES = {
    "virtusertable": "forward@lists.lab\tforwarded@example.org\nmapped@s1.lab\taimed@s1.lab\n"
                     "mapped+*@s1.lab\taimed+%2@s1.lab\n",
    "access": 'To:barred@example.org\tERROR:5.7.1:"554 no"\n',
}
WIDE_MC = """\
VIRTUSER_DOMAIN(`lists.lab')dnl
VIRTUSER_DOMAIN(`s1.lab')dnl
define(`confMAX_HEADERS_LENGTH', `8000000')dnl
"""
ARCHIVING = """\
archiving unix n - y - 0 cleanup
  -o always_bcc=archive@sink.lab
"""


@pytest.fixture(scope="session")
def wide_lab():
    """All servers, with more than the plain lab has: mail for sink.lab goes to lab.sink, null_port
    has the milter that does nothing, archive_port (of Postfix) keeps a copy of each message, and the
    MTA knows aliases, a barred recipient and a domain that is not federated any more."""
    with Sink() as sink:
        lab = Lab(start=(), postfix_more=WIDE, sendmail_more=WIDE_MC, milter_options={
            "release_retry_min": "100ms", "release_retry_max": "400ms"})
        try:
            lab.make(("slapd", "s1", "s2", "milter", "null", "mta"))
            lab.sink = sink
            lab.mta.routes["sink.lab"] = sink.port
            if chosen_mta() == "postfix":
                lab.mta.services = ARCHIVING
                lab.archive_port = lab.mta.add_front("cleanup_service_name=archiving")
            else:
                lab.mta.tables = WIDE_TABLES
                lab.mta.domains.append("stale.test")
            lab.null_port = lab.mta.add_null_front()
            for server in lab.servers:
                server.start()
            yield lab
        finally:
            lab.close()


@pytest.fixture
def wide(wide_lab, request):
    """The wide lab, with nothing held before and after: its tests count what is held. A test that
    passed and leaves a message, or one that does not leave, did not look at the end of it."""
    yield wide_lab
    kept = left_over(wide_lab) if request.node.stash.get(PASSED, False) else None
    clear(wide_lab)
    assert not kept, "left behind: %s" % kept


@pytest.fixture(scope="module")
def small():
    """A directory for the restante command, one for the tests of a module."""
    with Lab(start=("slapd",)) as lab:
        yield lab


@pytest.fixture
def slapd(small):
    return small.slapd


@pytest.fixture
def restante(small):
    return Command(small)


BOXES = iter(range(1, 1000))


@pytest.fixture
def box(slapd):
    """(dn, address, physical) of a mailbox of this test's own, on S1."""
    uid = "box%d" % next(BOXES)
    dn = slapd.add_mailbox(uid)
    yield dn, uid + "@example.org", uid + "@s1.lab"
    slapd.modify("dn: %s\nchangetype: delete\n" % dn)


@pytest.fixture
def replica(lab):
    """Of the module's lab, which needs no more than slapd; loaded."""
    one = Replica(lab).start()
    one.wait_loaded()
    yield one
    one.kill()


@pytest.fixture(autouse=True)
def at_rest(request):
    """What a test before this one released has left the hold queue."""
    for name in {"lab", "wide", "small", "door"} & set(request.fixturenames):
        lab = request.getfixturevalue(name)
        if isinstance(lab, Lab):
            wait_for(lambda lab=lab: rests(lab), 30, "the release of the test before to end")


LONG_SECONDS = 5400  # one of them is an hour without a directory
PASSED = pytest.StashKey()


@contextlib.contextmanager
def bounded(item):
    """A setup, test or teardown that hangs is a failure, and whatever it waits for is shown."""
    long_one = item.get_closest_marker("long")
    seconds = LONG_SECONDS if long_one else item.config.getoption("--seconds")

    def late(number, frame):
        # not an OSError: whoever waits for something takes those for "not yet"
        pytest.fail("no end after %g s" % seconds)

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item):
    with bounded(item):
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    with bounded(item):
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item):
    with bounded(item):
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """The logs of a lab that a failed test has used are kept, even if the lab serves on."""
    report = (yield).get_result()
    if report.when == "call":
        item.stash[PASSED] = report.passed
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            value = getattr(value, "lab", value)  # of a fixture that has one
            if isinstance(value, Lab):
                value.keep_logs("%s-%s" % (re.sub(r"\W+", "-", item.name), report.when))
