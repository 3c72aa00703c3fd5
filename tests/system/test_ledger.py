"""The judges of the lab can say no: ledger, duplicates and comparison on made-up facts."""

from lab.corpus import without_trace
from lab.duplicates import explain, notes, passages
from lab.ledger import Home, Record, Stay

MSGID = "<1@sender.test>"


def record(attempts, acknowledged):
    made = Record(MSGID, "a@example.org")
    made.attempts, made.acknowledged = list(attempts), acknowledged
    return made


def moved():
    """Held at 10, fenced and swapped at 20, when the next UID on S1 was 100."""
    home = Home("S1", "a")
    home.holds = [[10.0, 20.0]]
    home.stays[0].until, home.stays[0].uid_next = 20.0, 100
    home.stays.append(Stay(("S2", "a"), 10.0))
    return home


def right_place(made, copy):
    return moved().allows(made, copy)


def test_the_right_place_depends_on_the_time():
    early, during, late = record([5.0], 6.0), record([12.0], 13.0), record([25.0], 26.0)
    assert right_place(early, ("S1", "a", 7)) and not right_place(early, ("S2", "a", 7))
    assert right_place(during, ("S1", "a", 7)) and right_place(during, ("S2", "a", 7))
    assert right_place(late, ("S2", "a", 7)) and not right_place(late, ("S1", "a", 7))


def test_nothing_arrives_in_the_old_mailbox_after_the_swap():
    assert not right_place(record([12.0], 13.0), ("S1", "a", 100))


def test_a_redirected_mailbox_passes_on_what_lay_in_the_queue():
    home = Home("S1", "a")
    home.moved(("S2", "a"), 10.0, 20.0, 100)
    queued, early, late = record([8.0], 9.0), record([3.0], 4.0), record([25.0], 26.0)
    assert home.allows(queued, ("S1", "a", 7)) and home.allows(queued, ("S2", "a", 7))
    assert home.allows(early, ("S1", "a", 7)) and not home.allows(early, ("S2", "a", 7))
    assert home.allows(late, ("S2", "a", 7)) and not home.allows(late, ("S1", "a", 100))
    assert not home.allows(queued, ("S1", "a", 100))


def test_held_mail_may_see_another_hold_before_it_is_released():
    """To S2 at 20, held again at 21 and back to S1 at 30."""
    home = moved()
    home.stays[1].until, home.stays[1].uid_next = 30.0, 50
    home.stays.append(Stay(("S1", "a"), 21.0))
    home.holds.append([21.0, 30.0])
    assert home.allows(record([12.0], 13.0), ("S1", "a", 100))
    assert not home.allows(record([5.0], 6.0), ("S1", "a", 100))
    assert not home.allows(record([32.0], 33.0), ("S2", "a", 60))


def test_another_mailbox_is_never_the_right_place():
    assert not right_place(record([5.0], 6.0), ("S1", "b", 7))


LOG = {
    "front": "Nov 22 06:00:%02d front postfix/smtpd[1]: %s: client=x[127.0.0.1]\n",
    "release": "Nov 22 06:00:%02d front postfix/restante-release/smtpd[1]: %s: client=x[127.0.0.1]\n",
    "named": "Nov 22 06:00:%02d front postfix/cleanup[2]: %s: message-id=" + MSGID + "\n",
    "sent": "Nov 22 06:00:%02d front postfix/lmtp[3]: %s: to=<a@s1.lab>, status=sent (250 ok)\n",
}


def log(*steps):
    """("front", "sent") is a passage by the front door that was delivered."""
    text = ""
    for number, (way, end) in enumerate(steps):
        queue_id = "Q%d" % number
        text += LOG[way] % (number, queue_id) + LOG["named"] % (number, queue_id)
        if end == "sent":
            text += LOG["sent"] % (number, queue_id)
    return passages(text)[MSGID]


HELD, STRAIGHT, RELEASED = ("front", "held"), ("front", "sent"), ("release", "sent")


def reason(made, copies, through, kills=(), noted=()):
    return explain(made, copies, through, list(kills), dict(noted))


def test_a_repeat_after_release_is_explained():
    through = log(HELD, RELEASED, HELD, RELEASED)
    assert "after its release" in reason(record([1, 2], 3), 2, through)
    through = log(HELD, RELEASED, STRAIGHT)
    assert "after its release" in reason(record([1, 2], 3), 2, through)


def test_a_repeat_that_was_held_twice_is_not():
    assert reason(record([1, 2], 3), 2, log(HELD, HELD, RELEASED, RELEASED)) is None


def test_two_releases_need_a_kill_between_them():
    through = log(HELD, RELEASED, RELEASED)
    assert reason(record([1], 2), 2, through) is None
    assert reason(record([1], 2), 2, through, [through[1].when - 60]) is None
    assert "kill" in reason(record([1], 2), 2, through, [through[1].when + 1])


def test_an_answer_that_was_seen_long_before_the_kill_explains_nothing():
    through = log(HELD, RELEASED, RELEASED)
    seen = through[1].when
    noted = {through[1].queue_id: seen}
    assert "0.250 s after" in reason(record([1], 2), 2, through, [seen + 0.25], noted)
    assert reason(record([1], 2), 2, through, [seen - 0.25], noted) is None
    assert reason(record([1], 2), 2, through, [seen + 1.5], noted) is None


def test_answers_that_the_release_saw_are_read_from_its_log():
    line = ("2026-11-22T07:31:43.250Z restante-milter[7] info: release: delivered id=a mailbox=b "
            "rcpt=c to=d held=0.1s reply=\"250 2.0.0 Ok: queued as 4A1B\"\n")
    assert notes("x\n" + line + line.replace("delivered", "refused")) == {"4A1B": 1795332703.25}


SENDMAIL_LOG = (
    "Nov 22 06:00:00 front sendmail[1]: Q0: from=<s@x>, size=6, class=0, nrcpts=0, msgid={0}, "
    "proto=ESMTP, daemon=MTA, relay=x [127.0.0.1]\n"
    "Nov 22 06:00:01 front sendmail[2]: Q1: from=<s@x>, size=6, class=0, nrcpts=1, "
    "bodytype=8BITMIME, msgid={0}, proto=ESMTP, daemon=restante-release, relay=x [127.0.0.1]\n"
    "Nov 22 06:00:02 front sendmail[3]: Q1: to=<a@s1.lab>, delay=00:00:01, xdelay=00:00:00, "
    "mailer=to-0, pri=30, relay=[127.0.0.1] [127.0.0.1], dsn=4.4.1, stat=Deferred: refused\n"
    "Nov 22 06:00:03 front sendmail[4]: Q1: to=<a@s1.lab>, delay=00:00:01, xdelay=00:00:00, "
    "mailer=to-0, pri=30, relay=[127.0.0.1] [127.0.0.1], dsn=2.0.0, stat=Sent\n").format(MSGID)


def test_the_log_of_sendmail_tells_the_same():
    held, released = passages(SENDMAIL_LOG)[MSGID]
    assert (held.queue_id, held.released, held.delivered) == ("Q0", False, False)
    assert (released.queue_id, released.released, released.delivered) == ("Q1", True, True)
    line = ("2026-11-22T07:31:43.250Z restante-milter[7] info: release: delivered id=a mailbox=b "
            "rcpt=c to=d held=0.1s reply=\"250 2.0.0 Q1 Message accepted for delivery\"\n")
    assert notes(line) == {"Q1": 1795332703.25}


def test_what_was_never_held_cannot_be_twice():
    assert reason(record([1, 2], 3), 2, log(STRAIGHT, STRAIGHT)) is None
    assert reason(record([1], 2), 3, log(HELD, RELEASED)) is None


def test_only_what_hops_of_the_lab_put_on_top_is_taken_off():
    own = b"Received: from a.test by b.test; now\r\nReturn-Path: <x@y.test>\r\nSubject: s\r\n\r\nb\r\n"
    added = (b"Return-Path: <c@d.test>\r\nDelivered-To: a@s1.lab\r\n"
             b"Received: from front.lab\r\n\tby s1.lab with LMTP\r\n"
             b"Received: from client by front.lab (Postfix)\r\n")
    assert without_trace(added + own) == own
