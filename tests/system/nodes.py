"""What the entry of a front door says, and the epochs that it acknowledges. front1's, unless another
DN is given."""

from helpers import wait_verdict
from lab.process import wait_for
from lab.slapd import FEDERATION, IDENTITIES

NODE = IDENTITIES["front1"]


def node(lab, dn=NODE):
    return lab.slapd.read(dn)


def number(entry, name):
    return int(entry.get(name.lower(), ["0"])[0])


def epoch_now(lab):
    return number(lab.slapd.read(FEDERATION), "restanteEpoch")


def raise_epoch(lab):
    """What a fence does first; the number raised."""
    epoch = epoch_now(lab) + 1
    lab.slapd.replace(FEDERATION, restanteEpoch=str(epoch))
    return epoch


def acked(lab, dn=NODE):
    return number(node(lab, dn), "restanteAckEpoch")


def wait_acked(lab, epoch, timeout=10, dn=NODE):
    wait_for(lambda: acked(lab, dn) >= epoch, timeout, "epoch %d to be acknowledged" % epoch)


def wait_drained(lab, epoch, undrained=(), timeout=15, dn=NODE):
    def there():
        entry = node(lab, dn)
        return (number(entry, "restanteDrainedEpoch") >= epoch and
                sorted(entry.get("restanteundrained", [])) == sorted(undrained))
    wait_for(there, timeout, "epoch %d to be drained but for %s" % (epoch, list(undrained)))


def everywhere(lab, address, wanted):
    """Every front door would do that with mail for the address."""
    for door in lab.doors:
        wait_verdict(door, address, wanted)


def released(door, sent, mark):
    """Those of the messages that the release listener got, in this order. What the MTA does with its
    queue then is its own. mark: the length of its log before."""
    def listed():
        return [m for m in door.mta.released(door.mta.log_text()[mark:]) if m in sent]
    wait_for(lambda: len(listed()) >= len(sent), 20, "the mail log to name them all")
    return listed()
