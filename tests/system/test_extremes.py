"""More than anybody sends: ten thousand recipients of one message."""

import random
import time

import pytest

from helpers import fresh, settled, to_sink, unhold
from lab.lab import Lab
from lab.mail import Smtp, compose
from lab.process import wait_for
from lab.sink import Sink

RAISED = """\
smtpd_recipient_limit = 10000
smtpd_recipient_overshoot_limit = 10000
smtpd_soft_error_limit = 10001
smtpd_hard_error_limit = 10001
smtpd_error_sleep_time = 0
default_destination_recipient_limit = 1000
"""
# Postfix looks through its whole queue file for each recipient that is deleted.
MIXES = {"mostly foreign": (1000, 250, 8000, 750), "a quarter each": (2500, 2500, 2500, 2500)}
CODES = (250, 250, 250, 550)
AT_ONCE = 500  # pipelined


def rcpt(smtp, recipients):
    """The codes of all, asked for without waiting."""
    codes = []
    for at in range(0, len(recipients), AT_ONCE):
        some = recipients[at:at + AT_ONCE]
        smtp.connection.sock.sendall(b"".join(b"RCPT TO:<%s>\r\n" % r.encode() for r in some))
        codes += [smtp.connection.getreply()[0] for _ in some]
    return codes


@pytest.mark.parametrize("mix", [
    "mostly foreign", pytest.param("a quarter each", marks=pytest.mark.long)])
def test_ten_thousand_recipients(mix):
    """Held, active, foreign and unknown ones, each with a detail of its own: each gets what is his,
    once."""
    with Sink() as sink, Lab(start=()) as lab:
        lab.make(("slapd", "milter", "postfix"))
        lab.postfix.routes.update({"sink.lab": sink.port, "else.test": sink.port})
        lab.postfix.more = RAISED
        lab.postfix.configure()
        for server in lab.servers:
            server.start()
        lab.sink = sink
        held, held_at = to_sink(lab, "holding")
        active, active_at = to_sink(lab)
        kinds = [held.replace("@", "+d%d@"), active.replace("@", "+d%d@"), "u%d@else.test",
                 "nobody%d@example.org"]
        named = [(kind % n, code) for kind, count, code in zip(kinds, MIXES[mix], CODES)
                 for n in range(count)]
        random.Random(1).shuffle(named)
        msgid, content = compose("undisclosed@example.org")
        smtp = Smtp(lab.postfix.port)
        began = time.monotonic()
        assert smtp.command("MAIL FROM:<a@outside.test>")[0] == 250
        assert rcpt(smtp, [address for address, _ in named]) == [code for _, code in named]
        smtp.data(content)
        smtp.quit()
        print("%d recipients taken in %.1f s" % (len(named), time.monotonic() - began))
        message, = lab.milter.cli_json("queue", "list", held)
        assert len(message["recipients"]) == MIXES[mix][0]

        def got():
            return [r[0] for m in list(sink.messages) for r in m.recipients]
        straight = [active_at.replace("@", "+d%d@" % n) for n in range(MIXES[mix][1])] + [
            "u%d@else.test" % n for n in range(MIXES[mix][2])]
        wait_for(lambda: len(got()) >= len(straight), 60, "the active and foreign ones")
        assert sorted(got()) == sorted(straight)
        unhold(lab, held)
        settled(lab, 60)
        assert sorted(got()) == sorted(
            straight + [held_at.replace("@", "+d%d@" % n) for n in range(MIXES[mix][0])])
        assert all(("Message-ID: " + msgid).encode() in m.content for m in list(sink.messages))
        assert fresh(lab)  # it serves on
