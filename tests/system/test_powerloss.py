"""Power loss: what was acknowledged is on the disk, whatever else was not."""

import os
import shutil
import tempfile

import pytest

from lab.lab import Lab
from lab.mail import Refused, Smtp, compose
from lab.powerloss import Disk
from lab.process import wait_for
from lab.slapd import FEDERATION, IDENTITIES

ANNA = "anna@example.org"


@pytest.fixture
def powered():
    """A lab whose milter keeps both databases on a disk that can lose power."""
    directory = tempfile.mkdtemp(prefix="restante-power-", dir="/tmp")
    disk = Disk(directory)
    try:
        options = {"replica_dir": os.path.join(disk.path, "replica"),
                   "queue_dir": os.path.join(disk.path, "queue")}
        with Lab(milter_options=options) as lab:
            lab.disk = disk
            yield lab
    finally:
        disk.close()
        shutil.rmtree(directory, ignore_errors=True)


def acked(lab):
    return int(lab.slapd.read(IDENTITIES["front1"]).get("restanteackepoch", ["0"])[0])


def hold_and_fence(lab):
    """The hold, then the epoch, then the acknowledgement: nothing else syncs the replica."""
    dn = lab.slapd.mailbox_dn("anna")
    lab.slapd.replace(dn, restanteState="holding")
    epoch = acked(lab) + 100
    lab.slapd.replace(FEDERATION, restanteEpoch=str(epoch))
    wait_for(lambda: acked(lab) >= epoch, what="the acknowledgement")


def cut_power(lab):
    """Power fails with the directory out of reach; then the front door starts alone."""
    lab.disk.snapshot()
    lab.slapd.kill()
    lab.milter.kill()
    lab.disk.restore()
    lab.milter.start(wait=False)
    wait_for(lambda: answers(lab), what="the milter to answer without a directory")


def answers(lab):
    try:
        return lab.milter.ask("route", address=ANNA).get("ok")
    except (OSError, ValueError):
        return False


def send(lab, target=ANNA):
    msgid, content = compose(target)
    connection = Smtp(lab.mta.port)
    try:
        connection.send("sender@outside.test", [target], content)
    finally:
        connection.quit()
    return msgid


def test_acknowledged_hold_survives_power_loss_without_directory(powered):
    lab = powered
    hold_and_fence(lab)
    cut_power(lab)
    assert lab.milter.ask("route", address=ANNA)["verdict"] == "hold"
    before = lab.milter.held()
    send(lab)
    assert lab.milter.held() == before + 1
    assert lab.message_ids("S1", "anna") == []


def test_acknowledged_mail_survives_power_loss(powered):
    lab = powered
    hold_and_fence(lab)
    sent = [send(lab) for _ in range(20)]
    cut_power(lab)
    assert lab.milter.held() == len(sent)
    lab.slapd.start()
    wait_for(lab.milter.ready, what="the milter to be ready again")
    lab.milter.cli("swap", ANNA, "--system", "S2", "--to", "anna@s2.lab", "--wait", "--yes")
    wait_for(lambda: sorted(lab.message_ids("S2", "anna")) == sorted(sent),
             what="all held mail in S2, once")
    assert lab.message_ids("S1", "anna") == []


def test_released_mail_is_not_released_again(powered):
    """It is handed over first, and a moment later its removal is on the disk."""
    lab = powered
    hold_and_fence(lab)
    sent = [send(lab) for _ in range(20)]
    lab.milter.cli("unhold", ANNA)
    wait_for(lambda: len(lab.message_ids("S1", "anna")) == len(sent), what="all to be released")
    wait_for(lambda: lab.milter.held() == 0, what="all to be removed")
    wait_for(lambda: not lab.milter.ask("queue.stats")["lags"], what="that to be on the disk")
    cut_power(lab)
    assert lab.milter.held() == 0
    assert sorted(lab.message_ids("S1", "anna")) == sorted(sent)


def test_unsynced_hold_is_not_acknowledged(powered):
    """The counter-proof that the disk does lose what is not synced: a hold that nobody fenced."""
    lab = powered
    lab.slapd.replace(lab.slapd.mailbox_dn("anna"), restanteState="holding")
    wait_for(lambda: lab.milter.ask("route", address=ANNA)["verdict"] == "hold",
             what="the hold to reach the replica")
    cut_power(lab)
    answer = lab.milter.ask("route", address=ANNA)
    assert answer["verdict"] != "hold"
    try:
        send(lab)
    except Refused as refused:
        assert refused.code in (451, 452)
