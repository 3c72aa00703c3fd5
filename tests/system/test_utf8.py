"""SMTPUTF8 (RFC 6531): access addresses beyond ASCII, physical ones in ASCII."""

import pytest

from helpers import wait_verdict
from lab.lab import Lab
from lab.mail import Smtp
from lab.sink import Sink

pytestmark = pytest.mark.postfix  # Debian's Sendmail has no SMTPUTF8

OFFICE = "büro@example.org"
CONTENT = ("From: a@outside.test\r\nTo: %s\r\nSubject: für alle\r\nMessage-ID: <u%%d@outside.test>\r\n"
           "\r\nGrüße\r\n" % OFFICE)


@pytest.fixture(scope="module")
def utf8():
    """Backend S2 is a server that knows SMTPUTF8; Dovecot 2.3 does not."""
    with Sink() as sink:
        lab = Lab(start=())
        lab.make(("slapd", "s1", "milter", "mta"))
        lab.mta.routes["u.lab"] = sink.port
        lab.mta.configure()
        try:
            for server in lab.servers:
                server.start()
            lab.slapd.replace(lab.slapd.mailbox_dn("buero"), mailRoutingAddress="buero@u.lab")
            wait_verdict(lab, OFFICE, "rewrite")
            yield lab, sink
        finally:
            lab.close()


def deliver(lab, number, recipient, mail_params="SMTPUTF8 BODY=8BITMIME"):
    smtp = Smtp(lab.mta.port)
    smtp.send("a@outside.test", [recipient], (CONTENT % number).encode(), mail_params=mail_params)
    smtp.quit()


def test_straight(utf8):
    lab, sink = utf8
    before = len(sink.messages)
    deliver(lab, 1, OFFICE)
    deliver(lab, 2, "BÜRO@example.org")
    for message in sink.wait(before + 2)[before:]:
        assert [address for address, _ in message.recipients] == ["buero@u.lab"]
        assert "SMTPUTF8" in message.mail_params
        assert "Grüße".encode() in message.content


def test_held_and_released(utf8):
    lab, sink = utf8
    dn = lab.slapd.mailbox_dn("buero")
    lab.slapd.replace(dn, restanteState="holding")
    wait_verdict(lab, OFFICE, "hold")
    before = len(sink.messages)
    deliver(lab, 3, OFFICE)
    assert lab.milter.held() == 1
    lab.slapd.replace(dn, restanteState=None)
    message = sink.wait(before + 1)[before]
    assert message.recipients[0][0] == "buero@u.lab"
    assert "SMTPUTF8" in message.mail_params
    assert "Subject: für alle".encode() in message.content and "Grüße".encode() in message.content
