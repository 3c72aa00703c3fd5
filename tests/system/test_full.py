"""No room for held mail: by the limits of the configuration, or because the disk is full. The
client hears 452 4.3.1 and keeps the message; what was acknowledged is there, and everybody whose
mailbox is not held goes on."""

import itertools
import os
import subprocess
import tempfile

import pytest

from helpers import (arrived, configured, fresh, send, settled, sunk, to_sink, unhold, user_of,
                     verdict, wait_verdict)
from lab.lab import Lab
from lab.mail import Refused, Smtp, compose
from lab.process import LabError, wait_for

FULL = (452, "4.3.1")
WORKERS = 8  # release_workers, each with one message at a time


def answer(lab, recipients, size=600, **more):
    """None where it was taken, else the code of the refusal, with its step."""
    try:
        send(lab, recipients, content=compose("x@example.org", size=size)[1], **more)
        return None
    except Refused as refused:
        return refused.step, (refused.code, refused.text.split()[0])


def fill_by_mail(lab, address, size=300000):
    """Message-IDs of what was acknowledged before the first refusal."""
    taken = []
    while True:
        msgid, content = compose(address, size=size)
        try:
            send(lab, address, content=content)
        except Refused as refused:
            assert (refused.code, refused.text.split()[0]) == FULL
            return taken
        taken.append(msgid)


# --- limits ---------------------------------------------------------------------------------------

def test_the_limit_of_one_mailbox_concerns_no_other(wide):
    full, _ = to_sink(wide, "holding")
    other, _ = to_sink(wide, "holding")
    active, active_at = to_sink(wide)
    with configured(wide, mailbox_bytes="20K"):
        assert answer(wide, full, 30000) == ("dot", FULL)
        assert answer(wide, full, 15000) is None
        assert answer(wide, full, 15000) == ("dot", FULL)
        assert answer(wide, [other, full], 15000) == ("dot", FULL)
        assert answer(wide, other, 15000) is None
        assert answer(wide, active, 30000) is None
        assert wide.milter.held() == 2
    with configured(wide, mailbox_bytes="10K"):
        assert answer(wide, full) == ("RCPT", FULL)
    assert answer(wide, full) is None, "the limit is gone"
    for address in (full, other):
        unhold(wide, address)
    settled(wide)
    assert [m for m in wide.sink.messages if m.recipients[0][0] == active_at]


def test_the_limit_of_the_queue_leaves_active_mailboxes_alone(wide):
    first, first_at = to_sink(wide, "holding")
    second, _ = to_sink(wide, "holding")
    active, _ = to_sink(wide)
    with configured(wide, queue_bytes="40K"):
        taken = fill_by_mail(wide, first, 15000)
        assert len(taken) == 2 and wide.milter.held() == 2
        assert answer(wide, second, 15000) == ("dot", FULL)
        assert answer(wide, [active, second], 15000) == ("dot", FULL)
        sunk(wide, send(wide, active))
    with configured(wide, queue_bytes="20K"):
        assert answer(wide, second) == ("RCPT", FULL)
        unhold(wide, first)
        for msgid in taken:
            assert [m.recipients[0][0] for m in sunk(wide, msgid)] == [first_at]
        settled(wide)
        assert answer(wide, second, 15000) is None, "there is room again"
    said = wide.milter.log_text()
    assert 'reply=452,4.3.1 reason="the limit of the hold queue is reached"' in said
    unhold(wide, second)
    settled(wide)


# --- a full disk ----------------------------------------------------------------------------------

class SmallDisk:
    """A tmpfs, and a file of somebody else that fills it."""

    def __init__(self, path, megabytes):
        self.path, self.filler = path, os.path.join(path, "filler")
        os.makedirs(path)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm" % megabytes, "restante-test",
                        path], check=True)

    def fill(self, leave=0):
        """All but so many bytes."""
        with open(self.filler, "ab", buffering=0) as filler:
            try:
                while True:
                    filler.write(b"\0" * 65536)
            except OSError:
                filler.truncate(filler.tell() - leave)

    def free(self):
        os.unlink(self.filler)

    def close(self):
        subprocess.run(["umount", self.path], check=True)


@pytest.fixture(scope="module")
def small():
    """A lab whose hold queue is on a small disk."""
    directory = tempfile.mkdtemp(prefix="restante-full-", dir="/tmp")
    disk = SmallDisk(os.path.join(directory, "disk"), 96)
    lab = Lab(start=(), directory=directory, milter_options={
        "queue_dir": os.path.join(disk.path, "queue"), "queue_cache": "1M"})
    try:
        lab.make(("slapd", "s1", "s2", "milter", "mta"))
        lab.disk = disk
        for server in lab.servers:
            server.start()
        yield lab
        for server in reversed(lab.servers):
            server.stop()
    finally:
        for server in reversed(lab.servers):
            server.kill()
        disk.close()
        lab.close()


def test_held_mail_fills_the_disk(small):
    """A part of it stays free, so that removal goes on; kill -9 changes nothing."""
    address, active = held_box(small), fresh(small)
    small.disk.fill(leave=30 << 20)
    try:
        taken = fill_by_mail(small, address, 300000)
        while rcpt(small, address) != 452:  # a large message was too much, small ones still fit
            taken += fill_by_mail(small, address, 5000)
        assert len(taken) > 5 and small.milter.held() == len(taken)
        msgid = send(small, active)
        assert arrived(small, "S1", user_of(active)) == [msgid]
        small.milter.kill()
        small.milter.start()
        assert small.milter.held() == len(taken)
        unhold(small, address)
        settled(small, 60)
    finally:
        small.disk.free()
    assert sorted(small.message_ids("S1", user_of(address))) == sorted(taken)
    said = small.milter.log_text()
    assert 'reply=452,4.3.1 reason="too little free space on the disk of ' + small.disk.path in said
    assert "held=%d" % len(taken) in [line for line in said.splitlines() if " ready " in line][-1]
    # what to do is said once, not for each message
    assert said.count("make room there, or lower milter.queue_free") == 2  # it was started twice
    wait_for(lambda: "there is room on the disk again" in small.milter.log_text(), 30,
             "the end of it to be told")


def held_box(lab):
    """A held mailbox; the disk may have been full until a moment ago."""
    address = fresh(lab, "holding")
    wait_for(lambda: rcpt(lab, address) == 250, 15, "room for held mail")
    return address


def rcpt(lab, address):
    smtp = begin(lab)
    code, _ = smtp.command("RCPT TO:<%s>" % address)
    smtp.quit()
    return code


def begin(lab):
    smtp = Smtp(lab.mta.port)
    assert smtp.command("MAIL FROM:<a@outside.test>")[0] == 250
    return smtp


@pytest.mark.parametrize("size", [2000, 3000000], ids=["small", "large"])
def test_the_disk_fills_after_rcpt(small, size):
    """Somebody else takes the rest: 452 at the end of the message; then kill -9 on a full disk."""
    address = held_box(small)
    taken = [send(small, address) for _ in range(5)]
    smtp = begin(small)
    assert smtp.command("RCPT TO:<%s>" % address)[0] == 250
    msgid, content = compose(address, size=size)
    assert smtp.command("DATA")[0] == 354
    smtp.connection.sock.sendall(content[:len(content) // 2])
    small.disk.fill()
    try:
        wait_for(lambda: rcpt(small, address) == 452, 15, "the daemon to see that")
        smtp.connection.sock.sendall(content[len(content) // 2:] + b".\r\n")
        code, text = smtp.connection.getreply()
        assert (code, text.decode().split()[0]) == FULL
        smtp.quit()
        assert small.milter.held() == 5
        small.milter.kill()
        small.milter.start()
        assert small.milter.held() == 5
        assert answer(small, address)[1] == FULL
    finally:
        small.disk.free()

    def repeated():
        try:
            send(small, address, content=content)
            return True
        except Refused as refused:
            assert (refused.code, refused.text.split()[0]) == FULL
            return False
    wait_for(repeated, 20, "room again")
    unhold(small, address)
    settled(small)
    assert sorted(small.message_ids("S1", user_of(address))) == sorted(taken + [msgid])


def test_a_full_disk_releases_what_it_holds(small):
    address = held_box(small)
    taken = [send(small, address) for _ in range(20)]
    small.disk.fill()
    try:
        unhold(small, address)
        settled(small, 60)
        assert sorted(small.message_ids("S1", user_of(address))) == sorted(taken)
    finally:
        small.disk.free()


def starts(lab):
    """Recovery may want to write more than is left; then the daemon says so, and changes nothing."""
    try:
        lab.milter.start()
        return True
    except LabError:
        assert lab.milter.process.wait() == 69
        assert "the disk is full: make room and start again" in lab.milter.log_tail(1)
        return False


def test_the_disk_fills_in_the_middle_of_a_release(small):
    """Some are handed over, others are not yet; then kill -9 on the full disk as well. All arrive,
    and twice only what was on its way at the kill (a removal may not be on disk yet)."""
    addresses = [held_box(small) for _ in range(4)]
    taken = {a: [send(small, a, content=None) for _ in range(25)] for a in addresses}
    all_of_them = 4 * 25
    small.disk.fill(leave=8 << 20)  # so that the rest takes no time
    try:
        for address in addresses:
            unhold(small, address)
        wait_for(lambda: small.milter.held() < all_of_them - 5, 20, "the release to go on", 0.001)
        small.disk.fill()
        left = small.milter.held()
        small.milter.kill()
        started = starts(small)
    finally:
        small.disk.free()
    if not started:
        small.milter.start()
    settled(small, 60)
    assert 0 < left < all_of_them
    twice = 0
    for address in addresses:
        found = small.message_ids("S1", user_of(address))
        assert set(found) == set(taken[address])
        twice += len(found) - len(set(found))
    print("held as the disk filled: %d of %d; twice: %d" % (left, all_of_them, twice))
    assert twice <= WORKERS


# --- the replica's disk ---------------------------------------------------------------------------

def test_a_full_disk_of_the_replica(tmp_path):
    """Mail flows on what was known; one line says which disk, and no server is blamed."""
    disk = SmallDisk(str(tmp_path / "disk"), 48)
    try:
        with Lab(start=("slapd", "milter"), milter_options={
                "replica_dir": os.path.join(disk.path, "replica"), "replica_cache": "1M"}) as lab:
            known = fresh(lab)
            mark = len(lab.milter.log_text())
            disk.fill()

            def told():
                lab.slapd.add_mailbox("more%d" % next(number))
                return "no space on the disk" in lab.milter.log_text()[mark:]
            number = itertools.count()
            wait_for(told, 30, "the disk to be told")
            assert verdict(lab, known) == "rewrite"
            last = "more%d@example.org" % (next(number) - 1)
            disk.free()
            wait_verdict(lab, last, "rewrite")
            said = lab.milter.log_text()[mark:]
            assert said.count("error: directory: replica: no space on the disk of replica_dir: "
                              "make room there\n") == 1
    finally:
        disk.close()
