"""What never met the milter when it came, or is made by the MTA itself, passes it at the re-entry
listener (TRAPS 4, 5, 13, 18); and what the MTA keeps for itself is left alone (TRAPS 9)."""

import pytest

from helpers import (arrived, contents, fresh, send, settled, sunk, to_sink, unhold, user_of,
                     verdict, wait_verdict)
from lab.mail import Smtp, compose
from lab.process import wait_for


def wait_held(lab, count):
    wait_for(lambda: lab.milter.held() == count, 20, "%d messages to be held" % count)


def held_list(lab):
    return lab.milter.cli_json("queue", "list")


# --- held there -----------------------------------------------------------------------------------

@pytest.mark.brief
def test_a_bounce_for_a_held_mailbox_is_held(wide):
    """The sender's mailbox moves while the MTA gives up on a message of it."""
    address = fresh(wide, "holding")
    wide.sink.replies["rcpt", "refused@sink.lab"] = "550 5.1.1 no such user"
    lost = send(wide, "refused@sink.lab", sender=address)
    wait_held(wide, 1)
    held = held_list(wide)[0]
    assert held["sender"] == "" and held["recipients"][0]["address"] == address
    assert wide.message_ids("S1", user_of(address)) == []
    unhold(wide, address)
    arrived(wide, "S1", user_of(address))
    bounce = contents(wide, "S1", user_of(address))[0]
    assert b"report-type=delivery-status" in bounce and lost.encode() in bounce
    settled(wide)


@pytest.mark.brief
def test_a_forward_to_a_held_mailbox_is_held(wide):
    """TRAPS 4: an alias of the MTA, expanded behind the milter's back."""
    wide.slapd.add_mailbox("forwarded", physical="forwarded@sink.lab", state="holding")
    wait_verdict(wide, "forwarded@example.org", "hold")
    msgid = send(wide, "forward@lists.lab")
    wait_held(wide, 1)
    unhold(wide, "forwarded@example.org")
    assert [m.recipients[0][0] for m in sunk(wide, msgid)] == ["forwarded@sink.lab"]
    msgid = send(wide, "forward@lists.lab")
    assert [m.recipients[0][0] for m in sunk(wide, msgid)] == ["forwarded@sink.lab"]
    settled(wide)


def test_queued_mail_for_held_active_and_unknown(wide):
    """One message in the MTA's queue: each of its recipients by itself, at the re-entry listener."""
    active, active_at = to_sink(wide)
    held, held_at = to_sink(wide, "holding")
    sender = fresh(wide)
    msgid = send(wide, [active, held, "nobody@example.org"], sender=sender,
                 port=wide.mta.release_port)
    wait_held(wide, 1)
    assert [m.recipients[0][0] for m in sunk(wide, msgid)] == [active_at]
    arrived(wide, "S1", user_of(sender))
    report = contents(wide, "S1", user_of(sender))[0].split(b"message/delivery-status")[1]
    assert b"nobody@example.org" in report and b"5.1.1" in report
    assert active.encode() not in report.split(b"message/rfc822")[0]
    unhold(wide, held)
    sunk(wide, msgid, 2)
    settled(wide)
    assert sorted(m.recipients[0][0] for m in sunk(wide, msgid)) == sorted([active_at, held_at])


def test_parameters_survive_the_way_back(wide):
    address, _ = to_sink(wide)
    msgid = send(wide, [(address, "NOTIFY=FAILURE ORCPT=rfc822;first@example.org")],
                 mail_params="RET=HDRS ENVID=way", port=wide.mta.release_port)
    message = sunk(wide, msgid)[0]
    assert {"RET=HDRS", "ENVID=way"} <= set(message.mail_params.split())
    assert set(message.recipients[0][1].split()) == {"NOTIFY=FAILURE",
                                                     "ORCPT=rfc822;first@example.org"}


# --- what would circle, who is not there --------------------------------------------------------

@pytest.mark.brief
def test_a_domain_that_is_not_federated_any_more_does_not_circle(wide):
    """The MTA still routes it to the re-entry listener: it waits in the queue, and is logged."""
    address, physical = to_sink(wide)
    mark = len(wide.mta.log_text())
    msgid = send(wide, ["x@stale.test", address])
    assert [m.recipients[0][0] for m in sunk(wide, msgid)] == [physical]

    def waiting():
        return [m for m in wide.mta.listing() if m["queue_name"] == "deferred"]
    try:
        queued = wait_for(waiting, 20, "the message to be deferred")
        assert [r["address"] for r in queued[0]["recipients"]] == ["x@stale.test"]
        assert "451 4.4.6" in queued[0]["recipients"][0]["delay_reason"]
        text = wide.mta.log_text()[mark:]
        assert "too many hops" not in text
        assert not [line for line in text.splitlines()
                    if "restante-reentry/smtpd" in line and ": client=" in line]
        wait_for(lambda: "is not federated" in wide.milter.log_text(), 15, "it to be logged")
    finally:
        for message in wide.mta.listing():
            wide.mta.delete(message["queue_id"])
    settled(wide)


def test_who_became_unknown_after_rcpt_is_refused_alone(wide):
    """Left as it is at the end of the message; the re-entry listener says 550, the MTA a bounce."""
    wide.milter.configure(vanish_grace="0s")
    wide.milter.ask("reload")
    try:
        address, leaving, sender = fresh(wide), fresh(wide), fresh(wide)
        smtp = Smtp(wide.mta.port)
        smtp.command("MAIL FROM:<%s>" % sender)
        for recipient in (address, leaving):
            assert smtp.command("RCPT TO:<%s>" % recipient)[0] == 250
        wide.slapd.modify("dn: %s\nchangetype: delete\n" % wide.slapd.mailbox_dn(user_of(leaving)))
        wait_verdict(wide, leaving, "nobody")
        msgid, content = compose(address)
        smtp.data(content)
        smtp.quit()
        assert arrived(wide, "S1", user_of(address)) == [msgid]
        arrived(wide, "S1", user_of(sender))
        bounce = contents(wide, "S1", user_of(sender))[0]
        assert leaving.encode() in bounce and b"550 5.1.1" in bounce
    finally:
        del wide.milter.options["vanish_grace"]
        wide.milter.configure()
        wide.milter.ask("reload")
    settled(wide)


@pytest.mark.parametrize("state, code", [("deferred", "451 4.2.1"), ("asleep", "451 4.3.0")])
def test_queued_mail_waits_with_its_mailbox(wide, state, code):
    address, physical = to_sink(wide)
    dn = wide.slapd.mailbox_dn(user_of(address))
    wide.slapd.replace(dn, restanteState=state)
    wait_for(lambda: verdict(wide, address) in ("defer", "tryagain"), 15, "the state")
    msgid = send(wide, address, port=wide.mta.release_port)

    def waiting():
        return [r.get("delay_reason", "") for m in wide.mta.listing() for r in m["recipients"]]
    wait_for(lambda: waiting() and code in waiting()[0], 20, "the message to be deferred")
    assert not [m for m in wide.sink.messages if msgid.encode() in m.content]
    wide.slapd.replace(dn, restanteState=None)
    wait_verdict(wide, address, "rewrite")
    wide.mta.flush()
    assert [m.recipients[0][0] for m in sunk(wide, msgid)] == [physical]
    settled(wide)


# --- what is the MTA's own ------------------------------------------------------------------------

@pytest.mark.postfix
def test_added_recipients_pass_the_maps_of_the_mta(wide):
    """TRAPS 5: of the front door; released mail is not mapped, as TRAPS 18 wants."""
    address, _ = to_sink(wide, physical="mapped@s1.lab")
    msgids = [send(wide, address), send(wide, address.replace("@", "+Tag@"))]
    assert sorted(arrived(wide, "S1", "aimed", 2)) == sorted(msgids)
    wide.mta.wait_logged(r"to=<aimed\+Tag@s1\.lab>")
    assert wide.message_ids("S1", "mapped") == []
    dn = wide.slapd.mailbox_dn(user_of(address))
    wide.slapd.replace(dn, restanteState="holding")
    wait_verdict(wide, address, "hold")
    msgid = send(wide, address)
    unhold(wide, address)
    assert arrived(wide, "S1", "mapped") == [msgid]


@pytest.mark.postfix
def test_the_archive_copy_goes_at_once_and_is_never_held(wide):
    """TRAPS 9: of a message whose only recipient is held, and once only."""
    held, held_at = to_sink(wide, "holding")
    active, active_at = to_sink(wide)
    alone = send(wide, held, port=wide.archive_port)
    mixed = send(wide, [held, active], port=wide.archive_port)

    def places(msgid):
        return sorted(r[0] for m in sunk(wide, msgid, 0) for r in m.recipients)
    wait_for(lambda: places(alone) == ["archive@sink.lab"], 15, "the archive's copy")
    wait_for(lambda: places(mixed) == sorted(["archive@sink.lab", active_at]), 15, "its copy")
    stats = wide.milter.ask("queue.stats")
    assert (stats["messages"], stats["recipients"]) == (2, 2)
    unhold(wide, held)
    settled(wide)
    assert places(alone) == sorted(["archive@sink.lab", held_at])
    assert places(mixed) == sorted(["archive@sink.lab", active_at, held_at])
