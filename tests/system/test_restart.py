"""The MTA is restarted, or killed, while mail is held and while it is released, under load."""

import collections
import random
import re
import time

import pytest

from helpers import fresh, hold, settled, user_of
from lab.lab import Lab
from lab.ledger import Ledger, last_line
from lab.mail import Injector
from lab.process import LabError, wait_for

MAILBOXES = 3
SEED = 20260102


def held_some(lab, more):
    before = lab.milter.ask("queue.stats")["stored"]
    wait_for(lambda: lab.milter.ask("queue.stats")["stored"] >= before + more, 30, "mail to be held")


def restart(lab, how):
    if how == "stop":
        lab.mta.stop()
    else:
        lab.mta.kill()

    def started():
        """A process of the old one that is still ending keeps its ports and locks."""
        try:
            return lab.mta.start()
        except LabError:
            return None
    wait_for(started, 20, "the MTA to start again")


def unclear(log):
    """{our id: how often the release of that message got no answer}"""
    return collections.Counter(re.findall(
        r"release: refused for now id=(\S+) .*stage=\"outcome unclear\"", log))


def marks(content):
    """The Received fields tell (id of the last queue file of the MTA, our id or None)."""
    ours = re.search(rb"\(Restante\) with \w+ id (\S+)", content)
    return (re.search(rb"\((?:Postfix|8\.[\d./]+)\) with \w+ id (\w+)", content)[1],
            ours[1].decode() if ours else None)


def copies(lab, record, where):
    found = []
    for system, user, uid in where:
        imap = lab.imap(system, user)
        found.append(marks(dict(imap.contents())[uid]))
        imap.close()
    return found


def why(record, found, lost):
    """How each further copy came to be, or None where the evidence is not enough. An MTA that ends
    amid its work delivers again what it had not noted as delivered (one queue file, two copies);
    our release hands over again what it got no answer for (two queue files, one of our ids); and a
    client repeats what was queued without a word (ids that differ, or none of ours)."""
    files = set(found)
    ids = {ours for _, ours in files if ours}
    released_again = sum(1 for _, ours in files if ours) - len(ids)
    repeated = len(ids) + sum(1 for _, ours in files if not ours) - 1
    if released_again > sum(lost[one] for one in ids) or repeated > len(record.attempts) - 1:
        return None
    return "%s: %d delivered again by the MTA, %d released again, %d repeated by the client" % (
        record.msgid, len(found) - len(files), released_again, repeated)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_the_mta_restarts_during_hold_and_release(how):
    chance = random.Random(SEED)
    with Lab() as lab:
        ledger = Ledger()
        addresses = [fresh(lab) for _ in range(MAILBOXES)]
        homes = {a: ledger.home("S1", user_of(a), a) for a in addresses}
        injector = Injector(lab.mta.port, addresses, ledger, rate=60).start()
        for address in addresses:
            homes[address].hold()
            hold(lab, address)
        held_some(lab, 20)
        restart(lab, how)
        held_some(lab, 60)
        for address in addresses:
            lab.milter.cli("unhold", address)
            homes[address].unhold()
        released = lab.milter.ask("status")["release"]["delivered"]
        wait_for(lambda: lab.milter.ask("status")["release"]["delivered"] > released + 5, 15,
                 "the release to have begun", interval=0.001)
        restart(lab, how)
        time.sleep(chance.uniform(0.0, 0.2))
        restart(lab, how)
        injector.stop()
        settled(lab, 60)
        outcome = ledger.settle(lab)
        lost = unclear(lab.milter.log_text())
        twice = [(r, copies(lab, r, where)) for r, where in outcome.duplicated]
        reasons = [why(r, found, lost) for r, found in twice]
        print(last_line(outcome))
        for reason in reasons:
            print("duplicate explained: %s" % reason)
        assert [r.msgid for r in outcome.lost] == []
        assert outcome.misrouted == [] and outcome.strangers == []
        assert None not in reasons, [(vars(r), found) for r, found in twice]
        assert injector.retries > 0 and lab.milter.ask("status")["release"]["delivered"] >= 60
