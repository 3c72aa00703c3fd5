"""Released mail goes straight to the backend whose entry says so, past the MTA's queue."""

import pytest

from helpers import arrived, contents, fresh, hold, send, settled, swap, user_of
from lab.lab import Lab
from lab.process import wait_for
from lab.sink import Sink

SYSTEM = "cn=%s,ou=systems,cn=restante,dc=example,dc=org"


@pytest.fixture(scope="module")
def lab():
    with Lab() as whole:
        yield whole


@pytest.fixture
def straight(lab):
    """Sets where S2 takes released mail; through the MTA again afterwards."""
    def say(address=None, protocol=None, tls=None):
        lab.slapd.replace(SYSTEM % "S2", restanteReleaseAddress=address,
                          restanteReleaseProtocol=protocol, restanteReleaseTLS=tls)
    yield say
    say()


def lmtp(lab):
    return "127.0.0.1:%d" % lab.backends["S2"].lmtp_port


def release(lab):
    return lab.milter.ask("status")["release"]


def lane(lab, port):
    found = [x for x in release(lab)["straight"] if x["listener"].endswith(":%d" % port)]
    return found[0] if found else {}


def came_back(lab, mark):
    """Messages that the MTA's release listener took since the mark."""
    return lab.postfix.log_text()[mark:].count("postfix/restante-release/smtpd")


def held_for(lab, count=1):
    """(address, Message-IDs) of a mailbox on S1 with held mail."""
    address = fresh(lab)
    hold(lab, address)
    return address, [send(lab, address) for _ in range(count)]


def test_lmtp_past_the_mta(lab, straight):
    straight(lmtp(lab), "lmtp")
    address, sent = held_for(lab, 5)
    mark = len(lab.postfix.log_text())
    swap(lab, address)
    assert arrived(lab, "S2", user_of(address), 5) == sent
    assert came_back(lab, mark) == 0
    lane_now = lane(lab, lab.backends["S2"].lmtp_port)
    assert lane_now["listener"].startswith("lmtp:") and not lane_now["trouble"]
    # where the entry says nothing any more, the MTA has it again
    straight()
    address, sent = held_for(lab)
    mark = len(lab.postfix.log_text())
    swap(lab, address)
    assert arrived(lab, "S2", user_of(address)) == sent
    wait_for(lambda: came_back(lab, mark) > 0, 20, "the MTA to log it")


def test_a_backend_that_is_down_keeps_nobody_else_waiting(lab, straight):
    port = lab.backends["S2"].lmtp_port
    straight(lmtp(lab), "lmtp")
    lab.backends["S2"].stop()
    try:
        waiting = [held_for(lab) for _ in range(12)]  # more than there are workers
        for address, _ in waiting:
            swap(lab, address)
        wait_for(lambda: lane(lab, port).get("trouble"), 30, "the trouble to show in status")
        status = lab.milter.cli("status", check=False)
        assert status.returncode != 0 and b"the backend at lmtp:" in status.stdout
        assert not release(lab)["listener_trouble"]
        other, sent = held_for(lab)
        lab.milter.cli("unhold", other)
        assert arrived(lab, "S1", user_of(other)) == sent
        # one goes on to a system that works: at once, it does not wait for the other's next try
        address, sent = waiting.pop()
        hold(lab, address)
        swap(lab, address, "S1", user_of(address) + "@s1.lab")
        assert arrived(lab, "S1", user_of(address)) == sent
        assert lab.milter.held() == len(waiting)
    finally:
        lab.backends["S2"].start()
    for address, sent in waiting:
        assert arrived(lab, "S2", user_of(address)) == sent
    wait_for(lambda: not lane(lab, port).get("trouble"), 30, "the trouble to be over")
    assert "the listener works again listener=lmtp:" in lab.milter.log_text()


@pytest.mark.parametrize("wrong", [{"protocol": "x400"}, {"tls": "perhaps"},
                                   {"address": "nonsense"}, {"address": "127.0.0.1"}])
def test_a_wrong_entry_is_said_and_the_mail_waits(lab, straight, wrong):
    said = {"address": lmtp(lab), "protocol": "lmtp", "tls": None, **wrong}
    straight(**said)
    address, sent = held_for(lab)
    swap(lab, address)
    wait_for(lambda: release(lab)["mailboxes"]["undecided"] == 1, 30, "it to wait")
    lines = [x for x in lab.milter.log_text().splitlines()
             if "the system's entry does not say where to" in x]
    assert lines and "restanteReleaseProtocol" in lines[-1] and "system=S2" in lines[-1]
    assert lab.milter.held() == 1
    straight(lmtp(lab), "lmtp")
    assert arrived(lab, "S2", user_of(address)) == sent


def test_a_refusal_there_is_told_to_the_sender(lab, straight):
    """As by the MTA's own listener: a notice, which goes through the MTA."""
    with Sink() as sink:
        straight("127.0.0.1:%d" % sink.port, "lmtp", "none")
        writer, address = fresh(lab), fresh(lab)
        hold(lab, address)
        physical = user_of(address) + "@s2.lab"
        sink.replies["rcpt", physical] = "550 5.1.1 no such user"
        msgid = send(lab, address, sender=writer)
        swap(lab, address)
        arrived(lab, "S1", user_of(writer))
        imap = lab.imap("S1", user_of(writer))
        notice = imap.contents()[0][1]
        imap.close()
        assert b"550 5.1.1 no such user" in notice and msgid.encode() in notice
        assert b"Remote-MTA: dns; [127.0.0.1]" in notice
        assert sink.messages == []


def test_success_is_told_once_it_is_in_the_mailbox(lab, straight):
    """By LMTP it is delivered (RFC 3461 section 5.2.3); where to, is nobody else's business."""
    straight(lmtp(lab), "lmtp")
    writer, address = fresh(lab), fresh(lab)
    hold(lab, address)
    msgid = send(lab, [(address, "NOTIFY=SUCCESS ORCPT=rfc822;first@example.org")], sender=writer,
                 mail_params="ENVID=e+2B1")
    swap(lab, address)
    assert arrived(lab, "S2", user_of(address)) == [msgid]
    arrived(lab, "S1", user_of(writer))
    settled(lab)
    notice, = contents(lab, "S1", user_of(writer))
    for field in ("Action: delivered", "Original-Envelope-Id: e+1",
                  "Original-Recipient: rfc822; first@example.org",
                  "Final-Recipient: rfc822; " + address, "In-Reply-To: " + msgid):
        assert b"\r\n" + field.encode() + b"\r\n" in notice
    assert (user_of(address) + "@s2.lab").encode() not in notice


def test_a_certificate_that_cannot_be_checked_is_trouble(lab, straight):
    with Sink() as sink:
        straight("127.0.0.1:%d" % sink.port, "lmtp", "verify")  # it offers no STARTTLS at all
        address, _ = held_for(lab)
        swap(lab, address)
        wait_for(lambda: lane(lab, sink.port).get("trouble"), 30, "the trouble to show in status")
        assert lab.milter.held() == 1 and sink.messages == []
        straight("127.0.0.1:%d" % sink.port, "lmtp", "none")
        sink.wait(1)
