"""Envelopes that a client may send: odd addresses, many recipients, parameters. Each recipient is
rewritten, held, left or refused by itself, and what was held is released as it came."""

import pytest

from helpers import (arrived, fresh, refusal, send, settled, sunk, to_sink, unhold, user_of,
                     wait_verdict)
from lab.mail import Refused, Smtp, compose
from lab.process import wait_for
from lab.slapd import FEDERATION, PEOPLE, ldif_value


def begin(lab, sender="a@outside.test", params=""):
    smtp = Smtp(lab.mta.port)
    assert smtp.command(("MAIL FROM:<%s> %s" % (sender, params)).rstrip())[0] == 250
    return smtp


def codes(smtp, recipients):
    """The answers to RCPT, sent in one go as a pipelining client does."""
    smtp.connection.sock.sendall(b"".join(b"RCPT TO:<%s>\r\n" % r.encode() for r in recipients))
    return [smtp.connection.getreply()[0] for _ in recipients]


# --- addresses ------------------------------------------------------------------------------------

# (access address, as it is written); %s keeps active and held ones apart
QUOTED = [
    ('"two %s words"@example.org', '"two %s words"@example.org'),
    ('"a@%s"@example.org', '"a@%s"@example.org'),
    ('"say \\"%s\\""@example.org', '"say \\"%s\\""@example.org'),
    ('"back\\\\%s"@example.org', '"back\\\\%s"@example.org'),
    ('needless%s@example.org', '"needless%s"@example.org'),
    ('"also%s"@example.org', '"al\\so%s"@Example.Org'),
    ('"dots..%s"@example.org', '"dots..%s"@example.org'),
]


@pytest.mark.parametrize("state", ["active", "holding"])
def test_quoted_local_parts(wide, state):
    """Once to the physical address, and never to what was written."""
    made = []
    for number, (address, written) in enumerate(QUOTED):
        uid = "quoted%d%s" % (number, state)
        wide.slapd.add_mailbox(uid, physical=uid + "@sink.lab", addresses=[address % state],
                               state=state)
        wait_verdict(wide, address % state, "rewrite" if state == "active" else "hold")
        made.append((uid, send(wide, written % state)))
    if state == "holding":
        assert wide.milter.held() == len(QUOTED)
    for uid, msgid in made:
        wide.slapd.replace(wide.slapd.mailbox_dn(uid), restanteState=None)
        assert [m.recipients[0][0] for m in sunk(wide, msgid)] == [uid + "@sink.lab"]
    settled(wide)
    assert all(len(sunk(wide, msgid)) == 1 for _, msgid in made)


def test_a_quoted_physical_address(wide):
    for state in (None, "holding"):
        physical = '"odd \\"one\\" %s"@sink.lab' % state
        address, _ = to_sink(wide, state, physical=physical)
        msgid = send(wide, address)
        unhold(wide, address)
        assert sunk(wide, msgid)[0].recipients[0][0] == physical


def test_no_recipient_at_all_is_refused_for_good(wide):
    address, _ = to_sink(wide)
    smtp = begin(wide)
    for nobody in ("<>", "< >", ""):
        code, _ = smtp.command("RCPT TO:" + nobody)
        assert 500 <= code < 600, nobody
    assert smtp.command("RCPT TO:<%s>" % address)[0] == 250
    msgid, content = compose(address)
    smtp.data(content)
    smtp.quit()
    assert len(sunk(wide, msgid)) == 1


@pytest.mark.postfix
def test_postmaster_without_a_domain_is_the_mtas_own(wide):
    """Here the MTA's own domain is federated, so its postmaster comes by the re-entry listener."""
    before = len(wide.message_ids("S1", "info"))
    sent = [send(wide, name) for name in ("<postmaster>", "<PostMaster>")]
    assert sorted(arrived(wide, "S1", "info", before + 2)[before:]) == sorted(sent)


@pytest.mark.postfix
@pytest.mark.parametrize("form", ["%s", "%s%%example.org", "example.org!%s"])
@pytest.mark.parametrize("state", [None, "holding"], ids=["active", "held"])
def test_names_that_the_mta_completes(wide, form, state):
    """They have no domain for us to see; the MTA gives them one, and routes them back to us."""
    address, physical = to_sink(wide, state)
    msgid = send(wide, "<%s>" % (form % user_of(address)))
    if state:
        wait_for(lambda: wide.milter.held() == 1, 15, "it to be held at the re-entry listener")
        unhold(wide, address)
    assert [m.recipients[0][0] for m in sunk(wide, msgid)] == [physical]
    settled(wide)


@pytest.mark.postfix
def test_eight_bit_addresses_without_smtputf8(wide):
    """As Postfix lets them through; what is not UTF-8 it refuses itself."""
    for state in (None, "holding"):
        name = "größe%s@example.org" % state
        address, physical = to_sink(wide, state, utf8=[name])
        wait_verdict(wide, name, "hold" if state else "rewrite")
        msgid, content = compose(address)
        smtp = Smtp(wide.mta.port)
        for line, code in ((b"MAIL FROM:<gr\xc3\xbc\xc3\x9fe@outside.test>", 250),
                           (b"RCPT TO:<gr\xf6\xdfe@example.org>", 5),
                           (b"RCPT TO:<\xff@example.org>", 5),
                           (b"RCPT TO:<" + name.encode() + b">", 250),
                           (b"RCPT TO:<" + name.upper().encode() + b">", 250)):
            got = smtp.command(line)[0]
            assert got == code or got // 100 == code, (line, got)
        smtp.data(content)
        smtp.quit()
        unhold(wide, address)
        copies = sunk(wide, msgid)
        assert [m.recipients[0][0] for m in copies] == [physical]
        assert copies[0].sender == "grüße@outside.test"
        settled(wide)


def test_two_spellings_of_a_held_recipient_are_held_once(wide):
    address, physical = to_sink(wide, "holding")
    user = user_of(address)
    msgid = send(wide, [address.upper(), address, "%s@EXAMPLE.org" % user,
                        "<@relay.test:%s>" % address, '"%s"@example.org' % user])
    assert wide.milter.ask("queue.stats")["recipients"] == 1
    unhold(wide, address)
    assert [m.recipients[0][0] for m in sunk(wide, msgid)] == [physical]
    settled(wide)
    assert len(sunk(wide, msgid)) == 1


# --- many and mixed -------------------------------------------------------------------------------

def add_crowd(lab, count):
    """The even ones live on S3, which is off line in the sample tree."""
    entries = []
    for n in range(count):
        entries.append("\n".join([
            ldif_value("dn", "uid=crowd%d,%s" % (n, PEOPLE)), "changetype: add",
            "objectClass: inetOrgPerson", "objectClass: inetLocalMailRecipient",
            "objectClass: restanteMailbox", "uid: crowd%d" % n, "cn: crowd", "sn: crowd",
            "restanteSystem: " + ("S1" if n % 2 else "S3"),
            "mailRoutingAddress: crowd%d@sink.lab" % n,
            "mailLocalAddress: crowd%d@example.org" % n]))
    lab.slapd.modify("\n\n".join(entries) + "\n")
    wait_verdict(lab, "crowd%d@example.org" % (count - 1), "rewrite" if count % 2 == 0 else "hold")


def test_a_thousand_recipients_held_active_and_unknown(wide):
    add_crowd(wide, 800)
    recipients = ["%s%d@example.org" % ("unknown" if n % 5 == 4 else "crowd", n - n // 5)
                  for n in range(1000)]
    smtp = begin(wide)
    answers = codes(smtp, recipients)
    assert answers == [550 if r.startswith("unknown") else 250 for r in recipients]
    msgid, content = compose("undisclosed@example.org")
    smtp.data(content)
    smtp.quit()
    wait_for(wide.mta.empty, 30, "the active ones to be delivered")

    def reached():
        return sorted(r[0] for m in sunk(wide, msgid) for r in m.recipients)
    assert reached() == sorted("crowd%d@sink.lab" % n for n in range(1, 800, 2))
    stats = wide.milter.ask("queue.stats")
    assert (stats["messages"], stats["recipients"]) == (1, 400)
    system = "cn=S3,ou=systems," + FEDERATION
    wide.slapd.replace(system, restanteState=None)
    try:
        settled(wide, 60)
        assert reached() == sorted("crowd%d@sink.lab" % n for n in range(800))
    finally:
        wide.slapd.replace(system, restanteState="holding")


@pytest.mark.brief
def test_every_kind_of_recipient_at_once(wide):
    """TRAPS 10, too: whom the MTA itself refuses is neither held nor added."""
    active, active_at = to_sink(wide)
    held, held_at = to_sink(wide, "holding")
    later = fresh(wide, "deferred")
    wide.slapd.add_mailbox("barred", physical="barred@sink.lab", state="holding")
    wait_verdict(wide, "barred@example.org", "hold")
    smtp = begin(wide)
    answers = codes(smtp, [active, "nobody@example.org", "barred@example.org", held, later,
                           "foreign@sink.lab", active.upper()])
    assert answers == [250, 550, 554, 250, 451, 250, 250]
    msgid, content = compose(active)
    smtp.data(content)
    smtp.quit()
    wait_for(wide.mta.empty, 20, "the queue of the MTA to be empty")
    assert sorted(r[0] for m in sunk(wide, msgid, 1) for r in m.recipients) == sorted(
        [active_at, "foreign@sink.lab"])
    stats = wide.milter.ask("queue.stats")
    assert (stats["messages"], stats["recipients"]) == (1, 1)
    unhold(wide, held)
    settled(wide)
    assert sorted(r[0] for m in sunk(wide, msgid) for r in m.recipients) == sorted(
        [active_at, "foreign@sink.lab", held_at])


# --- parameters (RFC 3461) ------------------------------------------------------------------------

PARAMETERS = [
    ("RET=HDRS ENVID=abc+2B123", "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;orig+2Btag@example.org"),
    ("RET=FULL", "NOTIFY=NEVER"),
    ("BODY=8BITMIME", "NOTIFY=DELAY"),
    ("", ""),
    ("SIZE=700 ENVID=QQ314159", "ORCPT=x400;C+3DDE"),
]


@pytest.mark.brief
@pytest.mark.parametrize("mail, rcpt", PARAMETERS)
def test_parameters_are_the_same_rewritten_and_released(wide, mail, rcpt):
    """TRAPS 7. What the backend hears; only the size differs, by our Received field."""
    heard = []
    for state in (None, "holding"):
        address, _ = to_sink(wide, state)
        msgid = send(wide, [(address, rcpt)], mail_params=mail, sender="from@outside.test")
        unhold(wide, address)
        message = sunk(wide, msgid)[0]
        params = message.recipients[0][1].replace(address, "ACCESS")
        heard.append((message.sender, set(message.mail_params.split()) - {"SIZE=700"},
                      set(params.split())))
    straight, released = heard
    if wide.mta.product == "Sendmail" and not (mail or rcpt):
        released[2].discard("ORCPT=rfc822;ACCESS")  # it may not be told of it, see milter/orcpt.h
    assert straight == released
    given = set(mail.split()) - {"SIZE=700"}
    if wide.mta.product == "Sendmail":
        given.discard("BODY=8BITMIME")  # it says what the content is: 7BIT
    assert given <= straight[1]
    assert set(rcpt.split()) <= straight[2]
    if "ORCPT" not in rcpt and (mail or rcpt or wide.mta.product == "Postfix"):
        assert "ORCPT=rfc822;ACCESS" in straight[2]


@pytest.mark.parametrize("sender", ["", "plain@outside.test", '"two words"@outside.test',
                                    "Case.Kept@Outside.Test"])
def test_the_sender_is_kept(wide, sender):
    for state in (None, "holding"):
        address, _ = to_sink(wide, state)
        msgid = send(wide, address, sender=sender)
        unhold(wide, address)
        assert sunk(wide, msgid)[0].sender == sender


def test_a_released_message_tells_of_its_time_here(wide):
    """TRAPS 17: the MTA's own Received was not shown to us, so there is one of ours."""
    address, physical = to_sink(wide, "holding")
    msgid = send(wide, address)
    unhold(wide, address)
    head = sunk(wide, msgid)[0].content.split(b"\r\n\r\n")[0]
    assert b"(Restante) with ESMTP id " in head and ("for <%s>" % address).encode() in head
    assert head.count(b"Received:") == 2, "one of the release listener, one of ours"
    assert physical.encode() not in head.split(b"(Restante)")[1]


# --- the table of DESIGN section 4 ----------------------------------------------------------------

def vanished(lab):
    address = fresh(lab)
    lab.slapd.modify("dn: %s\nchangetype: delete\n" % lab.slapd.mailbox_dn(user_of(address)))
    return address


def claimed_twice(lab):
    """Past the rule of the directory, which compares attribute by attribute, letter by letter."""
    fresh(lab, addresses=["zwei@xn--bcher-kva.example"])
    lab.slapd.add_mailbox("zwei", addresses=["zweites@example.org"],
                          utf8=["zwei@bücher.example"])
    return "zwei@xn--bcher-kva.example"


def in_state(state):
    def make(lab):
        address = fresh(lab)
        lab.slapd.replace(lab.slapd.mailbox_dn(user_of(address)), restanteState=state)
        return address
    return make


def at(physical, system="S1"):
    def make(lab):
        return fresh(lab, system=system, physical=physical, expect="tryagain")
    return make


ROWS = {
    "nobody": (lambda lab: "nobody@example.org", 550, "5.1.1", "nobody"),
    "vanished lately": (vanished, 451, "4.3.0", "tryagain"),
    "deferred": (in_state("deferred"), 451, "4.2.1", "defer"),
    "unknown state": (in_state("asleep"), 451, "4.3.0", "tryagain"),
    "two claims": (claimed_twice, 451, "4.3.0", "tryagain"),
    "unknown system": (at("x@sink.lab", "S9"), 451, "4.3.0", "tryagain"),
    "physical malformed": (at("no address"), 451, "4.3.0", "tryagain"),
    "physical without a domain": (at("alone"), 451, "4.3.0", "tryagain"),
    "physical federated": (at("loop@example.net"), 451, "4.3.0", "tryagain"),
}


@pytest.mark.parametrize("row", sorted(ROWS))
def test_refusals_at_rcpt(wide, row):
    make, code, enhanced, verdict = ROWS[row]
    address = make(wide)
    wait_verdict(wide, address, verdict)
    assert refusal(wide, address) == ("RCPT", code, enhanced)


@pytest.mark.parametrize("state, enhanced", [("deferred", "4.2.1"), ("asleep", "4.3.0")])
def test_refusals_at_the_end_store_nothing(wide, state, enhanced):
    """One of them changed after RCPT: all of the message is asked for again, once."""
    held, _ = to_sink(wide, "holding")
    active, _ = to_sink(wide)
    changing = fresh(wide)
    smtp = begin(wide)
    assert codes(smtp, [held, active, changing]) == [250, 250, 250]
    wide.slapd.replace(wide.slapd.mailbox_dn(user_of(changing)), restanteState=state)
    wait_verdict(wide, changing, "defer" if state == "deferred" else "tryagain")
    msgid, content = compose(held)
    with pytest.raises(Refused) as caught:
        smtp.data(content)
    smtp.quit()
    assert (caught.value.code, caught.value.text.split()[0]) == (451, enhanced)
    assert wide.milter.held() == 0 and wide.mta.empty()
    assert not [m for m in wide.sink.messages if msgid.encode() in m.content]
