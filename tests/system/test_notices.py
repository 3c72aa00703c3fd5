"""What senders are told (RFC 3461), in which form (RFC 3464, RFC 6533), and what is returned rather
than sent to a system that does not take it."""

import contextlib
import itertools

import pytest

from helpers import (configured, refusal, send, settled, sunk, to_sink, unhold, user_of,
                     wait_verdict)
from lab.lab import chosen_mta
from lab.mail import message_id
from lab.process import wait_for
from lab.sink import Sink
from report import Report, is_report

HAS_UTF8 = chosen_mta() == "postfix"  # Debian's Sendmail has no SMTPUTF8
needs_utf8 = pytest.mark.postfix
SMTPUTF8 = " SMTPUTF8" if HAS_UTF8 else ""
WRITER = "writer@sink.lab"
EVERYTHING = ("PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "SIZE 1000000")
NO_DSN = ("PIPELINING", "8BITMIME", "SMTPUTF8")


def message(subject="s", body="body\r\n", more=""):
    msgid = message_id()
    text = "From: %s\r\nSubject: %s\r\nMessage-ID: %s\r\n%s\r\n%s" % (
        WRITER, subject, msgid, more, body)
    return msgid, text.encode()


@contextlib.contextmanager
def listener(lab, features=EVERYTHING, lmtp=False, **options):
    """While it lasts, released mail and notices go to the sink that it gives."""
    with Sink(lmtp=lmtp, features=features) as sink:
        kind = "lmtp" if lmtp else "smtp"
        with configured(lab, release_listener="%s:127.0.0.1:%d" % (kind, sink.port), **options):
            yield sink


def reports(sink, count=1, timeout=20):
    """That many notices are there, and no more."""
    def found():
        return [m for m in list(sink.messages) if is_report(m)]
    wait_for(lambda: len(found()) >= count, timeout, "%d notices" % count)
    assert len(found()) == count
    return [Report(m) for m in found()]


def empty(lab):
    wait_for(lambda: lab.milter.held() == 0, 20, "the hold queue to be empty")


# --- parameters -----------------------------------------------------------------------------------

NOTIFY = ["", "NOTIFY=NEVER"] + ["NOTIFY=" + ",".join(some) for n in (1, 2, 3)
                                 for some in itertools.combinations(
                                     ("SUCCESS", "FAILURE", "DELAY"), n)]
ORCPT = ["", "ORCPT=rfc822;First+2BOne@example.org", "ORCPT=x400;C+3DDE"]
MAIL = list(itertools.product(["", "RET=FULL", "RET=HDRS"], ["", "ENVID=Id+2B7+3D"],
                              ["", "BODY=7BIT", "BODY=8BITMIME"] +
                              ["SMTPUTF8 BODY=8BITMIME"] * HAS_UTF8))


def given_params(user):
    return [("%s+%d@example.org" % (user, n), " ".join(filter(None, both)))
            for n, both in enumerate(itertools.product(NOTIFY, ORCPT))]


def heard(lab, msgid, count):
    """(parameters of MAIL, {number in the subaddress: parameters of RCPT}) as the backend has it."""
    wait_for(lambda: sum(len(m.recipients) for m in sunk(lab, msgid)) == count, 20, "all of them")
    got = sunk(lab, msgid)
    mail = {frozenset(m.mail_params.split()) for m in got}
    assert len(mail) == 1
    return mail.pop(), {a.split("+")[1].split("@")[0]: frozenset(p.split())
                        for m in got for a, p in m.recipients}


@pytest.mark.brief
def test_every_combination_of_parameters_is_kept(wide):
    """RFC 3461 section 5.2.1: rewritten, and held and released. ORCPT may be added (d)."""
    passed = {}
    for state in (None, "holding"):
        address, _ = to_sink(wide, state)
        recipients = given_params(user_of(address))
        sent = []
        for mail in MAIL:
            msgid, content = message()
            send(wide, recipients, sender=WRITER, content=content,
                 mail_params=" ".join(filter(None, mail)))
            sent.append(msgid)
        unhold(wide, address)
        for mail, msgid in zip(MAIL, sent):
            got_mail, got_rcpt = heard(wide, msgid, len(recipients))
            for n, (written, params) in enumerate(recipients):
                added = {"ORCPT=rfc822;" + written.replace("+", "+2B")}
                assert set(params.split()) == got_rcpt[str(n)] - added
                if "ORCPT" not in params and (state or chosen_mta() == "postfix"):
                    assert added <= got_rcpt[str(n)]
            assert set(" ".join(mail[:2]).split()) <= got_mail
            got_rcpt = {n: {p for p in params if user_of(address) not in p}
                        for n, params in got_rcpt.items()}
            passed.setdefault(mail, []).append((got_mail, got_rcpt))
    for mail, (straight, released) in passed.items():
        assert straight == released, mail
    settled(wide)


@pytest.mark.parametrize("features", [EVERYTHING, ("PIPELINING",)], ids=["all", "none"])
def test_parameters_go_to_who_announces_them(wide, features):
    """RFC 3461 section 5.2.2 (a), RFC 6152, RFC 6531: each only where it is offered."""
    with listener(wide, features) as sink:
        address, physical = to_sink(wide, "holding")
        _, content = message()
        send(wide, [(address, "NOTIFY=FAILURE ORCPT=rfc822;o@x")], sender=WRITER, content=content,
             mail_params="RET=HDRS ENVID=e BODY=8BITMIME" + SMTPUTF8)
        unhold(wide, address)
        got = sink.wait(1)[0]
        wanted = {"RET=HDRS", "ENVID=e", "BODY=8BITMIME"} | set(SMTPUTF8.split())
        mail = {p for p in got.mail_params.split() if not p.startswith("SIZE=")}
        rcpt = "NOTIFY=FAILURE ORCPT=rfc822;o@x"
        assert mail == (wanted if features is EVERYTHING else set())
        assert got.recipients == [(physical, rcpt if features is EVERYTHING else "")]
        empty(wide)


# --- which notice, for whom -----------------------------------------------------------------------

def everybody(lab):
    """(access address, [one recipient for each NOTIFY]) of a mailbox that is held."""
    address, _ = to_sink(lab, "holding")
    return address, [("%s+%d@example.org" % (user_of(address), n), params)
                     for n, params in enumerate(NOTIFY)]


def asked_for(recipients, word, default):
    return sorted(a for a, params in recipients
                  if word in params or (default and "NOTIFY" not in params))


@pytest.mark.brief
@pytest.mark.parametrize("lmtp", [False, True], ids=["smtp", "lmtp"])
def test_success_is_told_to_who_asked(wide, lmtp):
    """RFC 3461 sections 5.2.2 (b), 5.2.3 (a), 5.2.8; RFC 3464 section 2.3.3."""
    with listener(wide, NO_DSN, lmtp) as sink:
        address, recipients = everybody(wide)
        msgid, content = message()
        send(wide, recipients, sender=WRITER, content=content,
             mail_params="RET=FULL ENVID=Id+2B7+3D")
        unhold(wide, address)
        report, = reports(sink)
        empty(wide)
        assert report.final() == asked_for(recipients, "SUCCESS", False)
        assert report.one("action") == ("delivered" if lmtp else "relayed")
        assert report.one("remote-mta") == "dns; [127.0.0.1]"
        assert report.message["original-envelope-id"] == "Id+7="
        assert report.one("original-recipient") is None  # section 6.3 (d)
        assert report.returned.type == "text/rfc822-headers"  # section 4.3
        assert report.header["In-Reply-To"] == msgid
        assert report.to == WRITER


@pytest.mark.brief
def test_failure_is_told_to_who_asked(wide):
    """RFC 3461 section 5.2.6; all recipients in one notice, what was sent in its third part."""
    with listener(wide) as sink:
        address, recipients = everybody(wide)
        msgid, content = message(body="line one\r\n.\r\n")
        send(wide, recipients, sender=WRITER, content=content, mail_params="RET=FULL ENVID=e")
        sink.replies["rcpt"] = "550 5.1.1 no such user"
        sink.replies["rcpt", WRITER] = "250 2.1.5 ok"
        unhold(wide, address)
        report, = reports(sink)
        empty(wide)
        assert report.final() == asked_for(recipients, "FAILURE", True)
        assert (report.one("action"), report.one("status")) == ("failed", "5.1.1")
        assert report.one("diagnostic-code") == "smtp; 550 5.1.1 no such user"
        assert report.message["reporting-mta"] == "dns; front.lab"
        assert report.message["received-from-mta"].startswith("dns; client.outside.test (")
        assert report.returned.type == "message/rfc822"
        assert report.returned.content == content
        assert "550 5.1.1 no such user" in report.text and msgid == report.header["References"]
        assert sink.messages == [report.received]


@pytest.mark.brief
def test_delay_is_told_to_who_asked(wide):
    """RFC 3461 section 5.2.5, once; it goes out although the mailbox is held."""
    with listener(wide, delay_notice="300ms") as sink:
        address, recipients = everybody(wide)
        _, content = message()
        send(wide, recipients, sender=WRITER, content=content, mail_params="RET=FULL")
        send(wide, address, sender="", content=message()[1])
        report, = reports(sink)
        wait_for(lambda: wide.milter.held() == 2, 10, "the notice to be gone")
        assert report.final() == asked_for(recipients, "DELAY", True)
        assert (report.one("action"), report.one("status")) == ("delayed", "4.2.1")
        assert report.one("will-retry-until") is None  # while it is held it does not expire
        assert report.returned.type == "text/rfc822-headers"
        last, = [line for line in wide.milter.log_text().splitlines()
                 if "sender told of the delay" in line and report.message["x-restante-id"] in line]
        assert "recipients=%d" % len(report.recipients) in last
        unhold(wide, address)
        empty(wide)
        assert len([m for m in sink.messages if is_report(m)]) == 1


@pytest.mark.long
def test_a_kill_doubles_no_delay_notice(wide):
    """What comes twice is the same notice again, its 2xx lost (RFC 1047)."""
    with listener(wide) as sink:
        address, recipients = everybody(wide)
        sent = []
        with configured(wide, delay_notice="1ms"):
            for _ in range(3):
                for _ in range(20):
                    msgid, content = message()
                    send(wide, recipients, sender=WRITER, content=content)
                    sent.append(msgid)
                wide.milter.kill()  # the senders of the last ones are being told
                wide.milter.start()
            wait_for(lambda: wide.milter.held() == len(sent) <= len(sink.messages), 30,
                     "the notices to be gone")
        told = {}
        for report in map(Report, list(sink.messages)):
            assert report.final() == asked_for(recipients, "DELAY", True)
            told.setdefault(report.header["In-Reply-To"], set()).add(report.header["Message-ID"])
        assert set(told) == set(sent) and {len(ids) for ids in told.values()} == {1}
        unhold(wide, address)
        empty(wide)


def test_delay_of_what_is_refused_for_now(wide):
    with listener(wide) as sink:
        address, physical = to_sink(wide, "holding")
        sink.replies["rcpt", physical] = "450 4.2.2 mailbox full"
        send(wide, [(address, "NOTIFY=DELAY ORCPT=rfc822;O@example.org")], sender=WRITER)
        before = wide.milter.ask("status")["release"]["deferred"]
        unhold(wide, address)
        wait_for(lambda: wide.milter.ask("status")["release"]["deferred"] > before, 20, "a refusal")
        with configured(wide, delay_notice="100ms"):
            report, = reports(sink)
        fields = report.recipients[0]
        assert (fields["action"], fields["status"]) == ("delayed", "4.2.2")
        assert fields["original-recipient"] == "rfc822; O@example.org"
        assert fields["diagnostic-code"] == "smtp; 450 4.2.2 mailbox full"
        assert fields["remote-mta"] == "dns; [127.0.0.1]"
        assert "will-retry-until" in fields
        sink.replies.clear()
        empty(wide)


@pytest.mark.parametrize("what", ["refused", "relayed"])
def test_a_notice_is_never_answered(wide, what):
    """RFC 3461 section 5.2: nothing goes to <>, whatever NOTIFY says."""
    with listener(wide, NO_DSN) as sink:
        address, _ = to_sink(wide, "holding")
        send(wide, [(address, "NOTIFY=SUCCESS,FAILURE,DELAY")], sender="")
        if what == "refused":
            sink.replies["rcpt"] = "550 5.1.1 no"
        unhold(wide, address)
        empty(wide)
        assert [m for m in sink.messages if is_report(m)] == []
        assert len(sink.messages) == (0 if what == "refused" else 1)
        mark = "refused, dropped: nobody is to be told"
        assert what != "refused" or mark in wide.milter.log_text()


@pytest.mark.brief
def test_the_mta_reports_what_it_delivers(wide):
    """It announces DSN, so success is its word to say: once, as asked."""
    address, _ = to_sink(wide, "holding")
    msgid, content = message()
    send(wide, [(address, "NOTIFY=SUCCESS ORCPT=rfc822;first@example.org")], sender=WRITER,
         content=content, mail_params="RET=HDRS ENVID=abc")

    def told():
        return [m for m in list(wide.sink.messages) if m.sender == "" and msgid.encode() in m.content]
    wide.sink.features, features = NO_DSN, wide.sink.features
    try:
        unhold(wide, address)
        report = wait_for(told, 20, "its notice")[0].content
    finally:
        wide.sink.features = features
    settled(wide)
    assert len(told()) == 1
    assert b"rfc822;first@example.org" in report and b"Original-Envelope-Id: abc" in report


# --- internationalized mail -----------------------------------------------------------------------

@needs_utf8
def test_an_internationalized_message_that_is_refused(wide):
    """RFC 6533 sections 4.1, 4.2; by its sender's address the way back takes 8-bit headers."""
    name = "grüße@example.org"
    writer = "schreiber-ü@sink.lab"
    with listener(wide) as sink:
        address, physical = to_sink(wide, "holding", utf8=[name])
        wait_verdict(wide, name, "hold")
        _, content = message(subject="für alle", body="Grüße\r\n")
        send(wide, [(name, "ORCPT=utf-8;Gr\\x{FC}\\x{DF}e\\x{2B}1@example.org")], sender=writer,
             content=content, mail_params="SMTPUTF8 BODY=8BITMIME RET=FULL")
        sink.replies["rcpt", physical] = "550 5.1.1 no"
        unhold(wide, address)
        report, = reports(sink)
        empty(wide)
        assert {"SMTPUTF8", "BODY=8BITMIME"} <= set(report.received.mail_params.split())
        assert report.to == writer
        assert (report.status.type, report.status.encoding) == (
            "message/global-delivery-status", "8bit")
        fields = report.recipients[0]
        assert fields["original-recipient"] == "utf-8; Grüße+1@example.org"
        assert fields["final-recipient"] == "utf-8; " + name
        assert (report.returned.type, report.returned.encoding) == ("message/global", "8bit")
        assert report.returned.content == content
        assert "<%s>" % name in report.text


@needs_utf8
def test_an_internationalized_message_to_who_does_not_take_it(wide):
    """RFC 6531 section 3.5; RFC 6533 section 4.5: of the way back nothing is known."""
    name = "grüße2@example.org"
    with listener(wide, ("PIPELINING",)) as sink:
        address, _ = to_sink(wide, "holding", utf8=[name])
        wait_verdict(wide, name, "hold")
        _, content = message(subject="für alle", body="Grüße\r\n")
        send(wide, name, sender=WRITER, content=content, mail_params="SMTPUTF8 BODY=8BITMIME")
        unhold(wide, address)
        report, = reports(sink)
        empty(wide)
        assert report.received.content.isascii() and report.received.mail_params == ""
        assert sink.messages == [report.received], "nothing of the message itself was sent"
        assert (report.one("status"), report.one("remote-mta")) == ("5.6.7", None)
        assert report.status.type == "message/global-delivery-status"
        assert report.one("final-recipient") == "utf-8; " + name
        assert (report.returned.type, report.returned.content) == ("message/global", content)


@needs_utf8
def test_an_original_recipient_for_who_has_no_smtputf8(wide):
    """RFC 6533 section 3 (1): in ASCII. The message itself needs no SMTPUTF8."""
    name = "grüße3@example.org"
    with listener(wide, ("PIPELINING", "DSN")) as sink:
        address, physical = to_sink(wide, "holding", utf8=[name])
        wait_verdict(wide, name, "hold")
        send(wide, [(name, "ORCPT=utf-8;grüße3@example.org")], sender=WRITER,
             mail_params="SMTPUTF8")
        send(wide, name, sender=WRITER, mail_params="SMTPUTF8")
        unhold(wide, address)
        for got in sink.wait(2):
            assert got.recipients == [(physical, "ORCPT=utf-8;gr\\x{FC}\\x{DF}e3@example.org")]
        empty(wide)


# --- what the next system does not take -----------------------------------------------------------

EIGHT_BIT = "Gr\u00fc\u00dfe\r\n"
UNSENT = {
    "8-bit content": (("PIPELINING",), "BODY=8BITMIME", dict(body=EIGHT_BIT), "5.6.3"),
    "too large": (("PIPELINING", "SIZE 2000"), "", dict(body="line\r\n" * 400), "5.3.4"),
    "too many hops": (EVERYTHING, "", dict(more="Received: by x\r\n" * 6), "5.4.6"),
}


@pytest.mark.parametrize("kind", sorted(UNSENT))
def test_what_is_returned_unsent(wide, kind):
    """RFC 6152, RFC 1870 section 6.1, RFC 5321 section 6.3: the word is ours, nothing is sent."""
    features, params, parts, status = UNSENT[kind]
    with listener(wide, features, hop_limit=5, notice_bytes="1K") as sink:
        address, _ = to_sink(wide, "holding")
        _, content = message(**parts)
        send(wide, address, sender=WRITER, content=content, mail_params=params + " RET=HDRS")
        unhold(wide, address)
        report, = reports(sink)
        empty(wide)
        assert sink.messages == [report.received]
        assert (report.one("action"), report.one("status")) == ("failed", status)
        assert report.one("remote-mta") is None
        assert report.returned.type == "text/rfc822-headers"


def test_what_is_sent_all_the_same(wide):
    """Declared as 8-bit but not so; as large as may be; as many hops as may be."""
    with listener(wide, ("PIPELINING", "SIZE 2000"), hop_limit=5) as sink:
        for params, parts in (("BODY=8BITMIME", {}), (SMTPUTF8, {}),
                              ("", dict(body="line\r\n" * 200)),
                              ("", dict(more="Received: by x\r\n" * 5))):
            address, _ = to_sink(wide, "holding")
            msgid, content = message(**parts)
            send(wide, address, sender=WRITER, content=content, mail_params=params)
            unhold(wide, address)
            empty(wide)
            assert msgid.encode() in sink.messages[-1].content
        assert len(sink.messages) == 4


def test_what_the_mta_does_not_take(wide):
    """RFC 3030: BINARYMIME is not offered, and refused at MAIL; so is what is too large."""
    address, _ = to_sink(wide, "holding")
    step, code, _ = refusal(wide, address, mail_params="BODY=BINARYMIME")
    assert step == "MAIL" and 500 <= code < 600
    if chosen_mta() == "postfix":  # the lab's Sendmail has no limit
        assert refusal(wide, address, mail_params="SIZE=999999999")[:2] == ("MAIL", 552)


def test_a_large_message_is_returned_by_its_header(wide):
    """RFC 3461 section 6.2: even where RET=FULL was asked for."""
    with listener(wide, notice_bytes="10K") as sink:
        for size, whole in ((9000, True), (11000, False)):
            address, physical = to_sink(wide, "holding")
            sink.replies["rcpt", physical] = "550 5.1.1 no"
            msgid, content = message(body="line 7\r\n" * (size // 8))
            send(wide, address, sender=WRITER, content=content, mail_params="RET=FULL")
            unhold(wide, address)
            empty(wide)
            report = Report(sink.messages[-1])
            assert report.header["In-Reply-To"] == msgid
            assert report.returned.type == ("message/rfc822" if whole else "text/rfc822-headers")
            head = content.partition(b"\r\n\r\n")[0] + b"\r\n"
            assert report.returned.content == (content if whole else head)


@needs_utf8
def test_notices_through_the_mta(wide):
    """By the release listener of Postfix and its queue they reach the sender as they were made."""
    address, _ = to_sink(wide, "holding")
    with configured(wide, hop_limit=5):
        msgid, content = message(subject="für alle", body=EIGHT_BIT, more="Received: x\r\n" * 6)
        send(wide, address, sender=WRITER, content=content,
             mail_params="BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=e+3D")
        unhold(wide, address)
        mark = ("In-Reply-To: %s" % msgid).encode()
        got = wait_for(lambda: [m for m in wide.sink.messages if mark in m.content], 20, "it")
        report = Report(got[0])
        assert report.message["original-envelope-id"] == "e="
        assert report.returned.type == "message/global"
        assert report.returned.content == content
        settled(wide)
