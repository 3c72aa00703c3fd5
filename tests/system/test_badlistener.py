"""The release listener misbehaves in every step of a session: what is held stays, nobody is told
that his mail failed, and once the listener is sane each message is handed over, once."""

import contextlib

import pytest

from helpers import send, to_sink, unhold, wait_verdict
from lab.process import free_port, wait_for
from lab.sink import Sink

# at the first command of a session, and so trouble of the listener as a whole, or later on
AS_A_WHOLE = {
    "refuses by 554": {"greeting": "554 5.3.2 no service here"},
    "refuses by 421": {"greeting": "421 4.3.2 shutting down"},
    "closes at once": {"greeting": "close"},
    "greets with garbage": {"greeting": "HTTP/1.1 400 Bad Request"},
    "refuses EHLO": {"hello": "550 5.7.1 I do not know you"},
    "answers EHLO with garbage": {"hello": "\x01\x02\xff"},
    "answers EHLO without an end": {"hello": "250-and"},
}
LATER = {
    "closes at MAIL": {"mail": "close"},
    "closes at RCPT": {"rcpt": "close"},
    "closes at DATA": {"data": "close"},
    "closes amid the content": {"body": "close"},
    "closes instead of an answer": {"dot": "close"},
    "garbage at MAIL": {"mail": "banana"},
    "garbage at RCPT": {"rcpt": "2 5 0"},
    "garbage at DATA": {"data": "250 go on"},
    "garbage at the end": {"dot": "354 more?"},
    "refuses the sender": {"mail": "550 5.7.1 not you"},
    "denies relaying": {"rcpt": "554 5.7.1 relaying denied"},
    "is busy at RCPT": {"rcpt": "450 4.2.0 busy"},
    "is busy at the end": {"dot": "451 4.3.0 queue file write error"},
    "ends the session at the end": {"dot": "421 4.3.2 going down"},
}


@contextlib.contextmanager
def listener(lab, sink_port):
    """While it lasts, released mail goes there."""
    lab.milter.configure(release_listener="smtp:127.0.0.1:%d" % sink_port)
    lab.milter.ask("reload")
    try:
        yield
    finally:
        lab.milter.configure(
            release_listener="smtp:127.0.0.1:%d" % lab.mta.release_port)
        lab.milter.ask("reload")


def release(lab):
    return lab.milter.ask("status")["release"]


def held_then_unheld(lab, count=3):
    """[(Message-ID, physical address)] of as many mailboxes with one message each, about to be
    released; it returns at once."""
    made = []
    for _ in range(count):
        address, physical = to_sink(lab, "holding")
        made.append((address, physical, send(lab, address)))
    for address, _, _ in made:
        unhold(lab, address)
    for address, _, _ in made:
        wait_verdict(lab, address, "rewrite")
    return [(msgid, physical) for _, physical, msgid in made]


def all_there_once(lab, sink, sent):
    wait_for(lambda: lab.milter.held() == 0, 20, "everything to be released")
    got = [(m.content.split(b"Message-ID: ")[1].split(b"\r\n")[0].decode(), m.recipients[0][0])
           for m in sink.messages]
    assert sorted(got) == sorted(sent)
    wait_for(lambda: not release(lab)["listener_trouble"], 10, "the trouble to be over")


def log_since(lab, mark):
    return lab.milter.log_text()[mark:]


@pytest.mark.parametrize("kind", list(AS_A_WHOLE))
def test_a_listener_that_is_no_listener(wide, kind):
    mark = len(wide.milter.log_text())
    with Sink(lmtp=False) as sink, listener(wide, sink.port):
        sink.replies.update(AS_A_WHOLE[kind])
        if kind == "answers EHLO without an end":
            sink.replies["hello"] = "250-and\r\n250-no end\r\n2"
        before = release(wide)
        sent = held_then_unheld(wide)
        wait_for(lambda: release(wide)["listener_trouble"], 20, "the trouble to show in status")
        assert wide.milter.held() == 3 and sink.messages == []
        sink.replies.clear()
        all_there_once(wide, sink, sent)
        assert release(wide)["bounced"] == before["bounced"]
    lines = [x for x in log_since(wide, mark).splitlines() if "the listener is in trouble" in x]
    assert len(lines) == 1 and "error" in lines[0] and str(sink.port) in lines[0]
    wait_for(lambda: "the listener works again" in log_since(wide, mark), 15, "the end of it")


@pytest.mark.parametrize("kind", list(LATER))
def test_a_listener_that_fails_in_a_transaction(wide, kind):
    with Sink(lmtp=False) as sink, listener(wide, sink.port):
        sink.replies.update(LATER[kind])
        before = release(wide)
        sent = held_then_unheld(wide)
        wait_for(lambda: release(wide)["deferred"] >= before["deferred"] + 3 or
                 release(wide)["listener_trouble"], 20, "each to be refused")
        assert wide.milter.held() == 3 and sink.messages == []
        sink.replies.clear()
        all_there_once(wide, sink, sent)
        assert release(wide)["bounced"] == before["bounced"]


def test_a_listener_that_is_not_there(wide):
    port = free_port()
    with listener(wide, port):
        sent = held_then_unheld(wide)
        wait_for(lambda: release(wide)["listener_trouble"], 20, "the trouble to show in status")
        said = wide.milter.cli("status", check=False).stdout.decode()
        assert str(port) in said or "listener" in said
        assert wide.milter.held() == 3
        wait_for(lambda: [m["recipients"][0]["waits"] for m in wide.milter.cli_json(
            "queue", "list")] == ["listener"] * 3, 10, "the queue to say what it waits for")
        with Sink(lmtp=False, port=port) as sink:
            all_there_once(wide, sink, sent)


def test_held_mail_stays_held_whatever_the_listener_does(wide):
    """Trouble of the listener and a hold at the same time: the hold begins anew, nothing leaves."""
    with Sink(lmtp=False) as sink, listener(wide, sink.port):
        sink.replies["greeting"] = "421 4.3.2 later"
        address, physical = to_sink(wide, "holding")
        msgid = send(wide, address)
        unhold(wide, address)
        wait_for(lambda: release(wide)["listener_trouble"], 20, "the trouble to show in status")
        dn, _ = wide.slapd.search("(mailLocalAddress=%s)" % address, ["cn"])[0]
        wide.slapd.replace(dn, restanteState="holding")
        wait_verdict(wide, address, "hold")
        sink.replies.clear()
        other, other_at = to_sink(wide, "holding")
        second = send(wide, other)
        unhold(wide, other)
        sink.wait(1)
        assert [m.recipients[0][0] for m in sink.messages] == [other_at]
        wait_for(lambda: wide.milter.held() == 1, 10, "the other to be removed")
        unhold(wide, address)
        all_there_once(wide, sink, [(msgid, physical), (second, other_at)])


@pytest.mark.parametrize("step", ["mail", "rcpt", "dot"])
def test_a_refusal_for_good_is_told_to_the_sender(wide, step):
    """5xx for this recipient or content: a notice to the sender, in the place of the message."""
    answer = {"mail": "552 5.3.4 too large", "rcpt": "550 5.1.1 no such user",
              "dot": "554 5.6.0 not this content"}[step]
    with Sink(lmtp=False) as sink, listener(wide, sink.port):
        address, physical = to_sink(wide, "holding")
        msgid = send(wide, [(address, "NOTIFY=FAILURE")], sender="writer@sink.lab",
                     mail_params="RET=HDRS ENVID=told")
        sink.replies[step, "writer@sink.lab" if step == "mail" else physical] = answer
        before = release(wide)["bounced"]
        unhold(wide, address)
        wait_for(lambda: release(wide)["bounced"] > before, 15, "the refusal")
        sink.replies.clear()
        notice = sink.wait(1)[0]
        assert (notice.sender, notice.recipients[0][0]) == ("", "writer@sink.lab")
        assert answer.encode() in notice.content and msgid.encode() in notice.content
        assert b"Original-Envelope-Id: told" in notice.content
        wait_for(lambda: wide.milter.held() == 0, 15, "the queue to be empty")
        assert len(sink.messages) == 1
