"""Content that a client may send, as far as the MTA lets it through: after hold and release it is,
byte for byte apart from trace fields, what the same MTA with a milter that does nothing
delivers (TRAPS 17 to 19)."""

import re

import pytest

from helpers import send, settled, to_sink, unhold
from lab.corpus import without_trace
from lab.mail import Refused, Smtp
from lab.process import wait_for

CHUNK = 65535  # in which the milter protocol has a body

HEAD = b"From: a@outside.test\r\nTo: b@example.org\r\nSubject: bytes\r\n"


def lines(count):
    return b"".join(b"line %07d of a body that is longer than others\r\n" % n for n in range(count))


def body_of(size):
    cut = lines(size // 50 + 1)[:size - 2]
    return (cut[:-1] + b"x" if cut.endswith(b"\r") else cut) + b"\r\n"


CONTENTS = {
    "a chunk but one": HEAD + b"\r\n" + body_of(CHUNK - 1),
    "one chunk": HEAD + b"\r\n" + body_of(CHUNK),
    "a chunk and one": HEAD + b"\r\n" + body_of(CHUNK + 1),
    "two chunks": HEAD + b"\r\n" + body_of(2 * CHUNK),
    "over 64 KB": HEAD + b"\r\n" + lines(1500),
    "5 MB": HEAD + b"\r\n" + lines(105000),
    "a folded header of 70 KB": b"X-Big: a\r\n" + b"".join(
        b"\tword%06d\r\n" % n for n in range(5000)) + HEAD + b"\r\nbody\r\n",
    "a header line of 70 KB": b"X-Big: " + b"x" * 70000 + b"\r\n" + HEAD + b"\r\nbody\r\n",
    "a header of 130 KB": b"X-Big: a\r\n" + b"".join(
        b"\tword%06d\r\n" % n for n in range(10000)) + HEAD + b"\r\nbody\r\n",
    "headers of 300 KB": b"".join(b"X-%05d: %s\r\n" % (n, b"v" * 90) for n in range(3000)) +
    HEAD + b"\r\n" + lines(2000),
    "headers of 2 MB": b"".join(b"X-%05d: %s\r\n" % (n, b"v" * 900) for n in range(2300)) +
    HEAD + b"\r\nbody\r\n",
    "NULs": HEAD + b"X-Nul: a\0b\r\n\r\nbo\0dy\r\n\0\0\r\n",
    "bare CR": HEAD + b"X-Cr: a\rb\r\n\r\nbo\rdy\r\n\r\r\nend\r\n",
    "bare LF": HEAD + b"X-Lf: a\nX-Next: b\r\n\r\nbo\ndy\n\nend\r\n",
    "all bytes": HEAD + b"\r\n" + bytes(b for b in range(256) if b not in b"\r\n") * 3 + b"\r\n",
    "long lines": HEAD + b"\r\n" + b"".join(
        b"%d " % n + b"y" * n + b"\r\n" for n in (990, 996, 997, 998, 999, 1000, 2048, 70000, 100000)),
    "a space before the colon": b"Subject : a\r\nX-Tab\t: b\r\nTo: b@example.org\r\n\r\nb\r\n",
    "no header": b"\r\n" + lines(3),
    "a line that is no header": HEAD + b"this is no header\r\nX-After: it\r\n\r\nbody\r\n",
    "an mbox line": b"From a@b Thu Jan  1 00:00:00 2026\r\n" + HEAD + b"\r\nFrom me\r\n>From\r\n",
    "begins folded": b" folded into nothing\r\n" + HEAD + b"\r\nbody\r\n",
    "empty names and values": HEAD + b"X-Empty:\r\nX-Blank: \r\nX-Fold:\r\n\t\r\nX:\r\n\r\n\r\n",
    "eight bit": HEAD.replace(b"bytes", b"\xfc\xff") + b"X-\xe4: \xc3\xa4\r\n\r\n\xff\xfe\r\n",
    "mime": HEAD + b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\n.\r\n..\r\n--b\r\nContent-Type: message/rfc822\r\n"
    b"\r\nSubject : inner\r\n\r\nx\r\n--b--\r\n",
    "trailing blanks": HEAD + b"X-Trail: a \t \r\n b  \r\n\r\nbody  \r\n \r\n\t\r\n\r\n\r\n",
}


def count_at(lab, physical):
    return [m for m in list(lab.sink.messages) if m.recipients[0][0] == physical]


def content_at(lab, physical):
    wait_for(lambda: count_at(lab, physical), 30, "mail for " + physical)
    return without_trace(count_at(lab, physical)[0].content)


def by_data(lab, port, recipient, content):
    send(lab, recipient, port=port, content=content, mail_params="BODY=8BITMIME")


def by_bdat(lab, port, recipient, content, pieces=3):
    """RFC 3030, the last piece empty."""
    smtp = Smtp(port)
    assert smtp.command("MAIL FROM:<a@outside.test> BODY=8BITMIME")[0] == 250
    assert smtp.command("RCPT TO:<%s>" % recipient)[0] == 250
    size = len(content) // pieces + 1
    for at in range(0, len(content), size):
        piece = content[at:at + size]
        smtp.connection.sock.sendall(b"BDAT %d\r\n%s" % (len(piece), piece))
        code, text = smtp.connection.getreply()
        if code != 250:
            raise Refused("BDAT", code, text)
    smtp.connection.sock.sendall(b"BDAT 0 LAST\r\n")
    assert smtp.connection.getreply()[0] == 250
    smtp.quit()


def held_and_straight(lab, give, content):
    """What arrives of it: released, and through the milter that does nothing."""
    address, physical = to_sink(lab, "holding")
    give(lab, lab.mta.port, address, content)
    assert lab.milter.held() == 1 and not count_at(lab, physical)
    unhold(lab, address)
    give(lab, lab.null_port, "ref-" + physical, content)
    both = content_at(lab, physical), content_at(lab, "ref-" + physical)
    settled(lab)
    assert len(count_at(lab, physical)) == 1
    return both


# What Debian's version does about SMTP smuggling; and one header, with folds, has to fit into 64 KB
# towards a milter. There is nothing to be held.
SENDMAIL_REFUSES = ("bare CR", "bare LF", "a header line of 70 KB", "a header of 130 KB")


def is_refused(lab, kind):
    return lab.mta.product == "Sendmail" and kind in SENDMAIL_REFUSES


@pytest.mark.parametrize("kind", sorted(CONTENTS))
def test_content_is_the_same_after_hold_and_release(wide, kind):
    if is_refused(wide, kind):
        for port, recipient in ((wide.mta.port, to_sink(wide)[0]), (wide.null_port, "x@sink.lab")):
            with pytest.raises(Refused, match="dot: 4.*(not allowed|try again later)"):
                by_data(wide, port, recipient, CONTENTS[kind])
        return
    released, straight = held_and_straight(wide, by_data, CONTENTS[kind])
    assert released == straight


@pytest.mark.postfix
@pytest.mark.parametrize("kind", ["over 64 KB", "bare LF", "long lines", "no header", "NULs"])
def test_content_by_bdat_is_the_same(wide, kind):
    assert "chunking" in Smtp(wide.mta.port).connection.esmtp_features
    released, straight = held_and_straight(wide, by_bdat, CONTENTS[kind])
    assert released == straight


@pytest.mark.postfix
def test_no_end_of_data_is_smuggled_out(wide):
    """By BDAT any line may be a dot: on the way out none of them ends the message, nor is lost."""
    evil = b"MAIL FROM:<evil@outside.test>"
    released, straight = held_and_straight(wide, by_bdat, HEAD + b"\r\n" + b"".join(
        b"before" + one + b"." + two + evil + b"\r\n" for one in (b"\r\n", b"\n", b"\r", b"\n\r")
        for two in (b"\r\n", b"\n", b"\r", b"\n\r")))
    assert released == straight
    assert released.count(evil) == 16
    assert not [m for m in list(wide.sink.messages) if "evil" in m.sender]


def test_an_active_mailbox_gets_it_unchanged(wide):
    """What is only rewritten never was in our hands."""
    kinds = ("5 MB", "NULs", "a header of 130 KB", "a space before the colon")
    for kind in [kind for kind in kinds if not is_refused(wide, kind)]:
        address, physical = to_sink(wide)
        by_data(wide, wide.mta.port, address, CONTENTS[kind])
        by_data(wide, wide.null_port, "ref-" + physical, CONTENTS[kind])
        assert content_at(wide, physical) == content_at(wide, "ref-" + physical)


def test_a_connection_that_ends_in_the_middle_leaves_nothing(wide):
    """Of DATA and of BDAT, with more sent than is kept in memory."""
    address, _ = to_sink(wide, "holding")
    for step in (b"DATA\r\n", b"BDAT 400000 LAST\r\n"):
        smtp = Smtp(wide.mta.port)
        smtp.command("MAIL FROM:<a@outside.test>")
        assert smtp.command("RCPT TO:<%s>" % address)[0] == 250
        smtp.connection.sock.sendall(step)
        if step.startswith(b"DATA"):
            assert smtp.connection.getreply()[0] == 354
        smtp.connection.sock.sendall(CONTENTS["5 MB"][:300000])
        smtp.connection.close()
    wait_for(lambda: wide.milter.ask("status")["transactions"] == 0, 15, "the MTA to give up")
    assert wide.milter.held() == 0 and wide.mta.empty()
    unhold(wide, address)


def test_several_messages_on_one_connection(wide):
    """Large and small, held and not: nothing of one gets into another."""
    address, physical = to_sink(wide, "holding")
    other, other_at = to_sink(wide)
    kinds = ["over 64 KB", "no header", "headers of 300 KB", "NULs", "mime", "one chunk"]
    smtp = Smtp(wide.mta.port)
    for n, kind in enumerate(kinds):
        recipients = [[address], [other], [address, other]][n % 3]
        smtp.send("a%d@outside.test" % n, recipients, CONTENTS[kind], "BODY=8BITMIME")
    smtp.quit()
    assert wide.milter.held() == 4
    unhold(wide, address)
    settled(wide)
    found = sorted((m.sender, [r[0] for r in m.recipients], without_trace(m.content))
                   for m in list(wide.sink.messages)
                   if re.match(r"a\d@outside", m.sender) and
                   set(r[0] for r in m.recipients) <= {physical, other_at})
    assert [(f[0], f[1]) for f in found] == sorted(
        ("a%d@outside.test" % n, [at]) for n in range(len(kinds))
        for at in [[physical], [other_at], [physical, other_at]][n % 3])
    for sender, _, content in found:
        kind = kinds[int(sender[1])]
        by_data(wide, wide.null_port, "again-%s-%s" % (sender[:2], physical), CONTENTS[kind])
        assert content == content_at(wide, "again-%s-%s" % (sender[:2], physical)), kind


DATED = (b"Message-ID: <%s>\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n" + HEAD + b"%s\r\n%s")


@pytest.mark.parametrize("size", [100, 200000], ids=["small", "large"])
def test_what_a_repeat_is(wide, size):
    """Sender, Message-ID, Date and body are compared; other fields are what earlier filters make
    of them. Each line below is another message, but for the second."""
    address, physical = to_sink(wide, "holding")
    body = lines(size // 50)
    first = DATED % (b"r%d@repeat.test" % size, b"X-Filter: one\r\n", body)
    send(wide, address, content=first)
    for copies, sender, content in (
            (1, "someone", first.replace(b"one", b"two").replace(b"bytes", b"[list] bytes")),
            (2, "other", first),
            (3, "someone", first.replace(b"<r", b"<s")),
            (4, "someone", first.replace(b"2026 00:00:00", b"2026 00:00:01")),
            (5, "someone", first.replace(b"0000001 of", b"0000001 or"))):
        send(wide, address, sender=sender + "@outside.test", content=content)
        assert wide.milter.held() == copies, (sender, copies)
    unhold(wide, address)
    settled(wide)
    assert len(count_at(wide, physical)) == 5
