"""What front1's entry in the directory says, and the epochs that it acknowledges."""

from lab.process import wait_for
from lab.slapd import FEDERATION, IDENTITIES

NODE = IDENTITIES["front1"]


def node(lab):
    return lab.slapd.read(NODE)


def number(entry, name):
    return int(entry.get(name.lower(), ["0"])[0])


def raise_epoch(lab):
    """What a fence does first; the number raised."""
    epoch = number(lab.slapd.read(FEDERATION), "restanteEpoch") + 1
    lab.slapd.replace(FEDERATION, restanteEpoch=str(epoch))
    return epoch


def wait_acked(lab, epoch, timeout=10):
    wait_for(lambda: number(node(lab), "restanteAckEpoch") >= epoch, timeout,
             "epoch %d to be acknowledged" % epoch)


def wait_drained(lab, epoch, undrained=(), timeout=15):
    def there():
        entry = node(lab)
        return (number(entry, "restanteDrainedEpoch") >= epoch and
                sorted(entry.get("restanteundrained", [])) == sorted(undrained))
    wait_for(there, timeout, "epoch %d to be drained but for %s" % (epoch, list(undrained)))
