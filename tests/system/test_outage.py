"""The directory is away for long while mail keeps coming: for held and for active mailboxes all goes
on, whoever is not known hears 451 and never 550, and not one message is lost or astray.

RESTANTE_OUTAGE is the number of seconds instead of an hour for the long one."""

import os
import time

import pytest

from helpers import fresh, hold, refusal, settled, swap, user_of, wait_verdict
from lab.lab import Lab
from lab.ledger import Ledger, last_line
from lab.mail import Injector
from lab.process import wait_for

HOUR = int(os.environ.get("RESTANTE_OUTAGE", "3600"))
HEARTBEATS = 3  # without one for that long the replica is not current


@pytest.mark.parametrize("seconds, rate", [
    (5 * HEARTBEATS, 40), pytest.param(HOUR, 10, marks=pytest.mark.long)], ids=["short", "an hour"])
def test_without_a_directory_under_load(seconds, rate):
    with Lab() as lab:
        ledger = Ledger()
        active, held, late = [fresh(lab) for _ in range(3)]
        homes = {a: ledger.home("S1", user_of(a), a) for a in (active, held, late)}
        homes[held].hold()
        hold(lab, held)
        injector = Injector(lab.postfix.port, [active, held, late], ledger, rate=rate).start()
        wait_for(lambda: lab.milter.held() > 5, 20, "mail to be held")
        lab.slapd.kill()
        began = time.monotonic()
        wait_verdict(lab, "nobody@example.org", "tryagain")
        restarted = False
        while time.monotonic() - began < seconds:
            assert refusal(lab, "nobody@example.org") == ("RCPT", 451, "4.3.0")
            if not restarted and time.monotonic() - began > seconds / 2:
                lab.milter.stop()
                lab.milter.start(wait=False)
                wait_verdict_again(lab, active)
                restarted = True
            time.sleep(min(1.0, seconds / 20))
        before = lab.milter.held()
        lab.slapd.start()
        wait_verdict(lab, "nobody@example.org", "nobody")
        homes[late].hold()
        hold(lab, late)
        swap(lab, held)
        homes[held].swapped(lab, ("S2", user_of(held)))
        lab.milter.cli("unhold", late)
        homes[late].unhold()
        injector.stop()
        settled(lab, 120)
        outcome = ledger.settle(lab)
        print(last_line(outcome))
        assert outcome.lost == [] and outcome.misrouted == [] and outcome.strangers == []
        assert restarted and before > 5 and outcome.sent > seconds


def wait_verdict_again(lab, address):
    """Of a daemon that starts without a directory."""
    def there():
        try:
            return lab.milter.ask("route", address=address).get("verdict") == "rewrite"
        except (OSError, ValueError):
            return False
    wait_for(there, 20, "the replica on disk to serve")
