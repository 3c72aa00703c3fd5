"""The front door: what happens to a recipient (DESIGN section 4), through the MTA."""

import re

import pytest

from helpers import (arrived, contents, fresh, send, settled, user_of, verdict, wait_verdict)
from lab.lab import Lab
from lab.mail import Refused, Smtp, compose
from lab.process import wait_for
from lab.slapd import FEDERATION, IDENTITIES


def refused(lab, recipient, step, code, enhanced, **more):
    with pytest.raises(Refused) as caught:
        send(lab, recipient, **more)
    assert (caught.value.step, caught.value.code) == (step, code)
    assert caught.value.text.startswith(enhanced)


@pytest.mark.brief
def test_mail_goes_to_the_physical_address(lab):
    address = fresh(lab)
    msgid = send(lab, address)
    assert arrived(lab, "S1", user_of(address)) == [msgid]


@pytest.mark.brief
def test_nobody_there_is_refused_at_rcpt(lab):
    refused(lab, "nobody@example.org", "RCPT", 550, "5.1.1")


def test_other_domains_are_left_alone(lab):
    msgid = send(lab, "stranger@s2.lab")
    assert arrived(lab, "S2", "stranger") == [msgid]


@pytest.mark.brief
def test_a_subaddress_is_carried_over(lab):
    address = fresh(lab)
    user, domain = address.split("@")
    send(lab, "%s+Lists@%s" % (user, domain))
    arrived(lab, "S1", user)
    lab.mta.wait_logged(r"to=<%s\+Lists@s1\.lab>" % user)


def test_an_alias_is_the_same_mailbox(lab):
    send(lab, "office@example.org")
    send(lab, "CONTACT@Example.ORG")
    assert len(arrived(lab, "S1", "info", 2)) == 2


def test_the_catch_all_takes_the_rest(lab):
    msgid = send(lab, "whoever@example.net")
    assert msgid in arrived(lab, "S1", "catchall")
    msgid = send(lab, "dora@example.net")
    assert msgid in arrived(lab, "S1", "dora")


def test_a_domain_with_an_umlaut(lab):
    msgid = send(lab, "emil@xn--bcher-kva.example")
    assert msgid in arrived(lab, "S2", "emil")
    assert verdict(lab, "emil@bücher.example") == "rewrite"


def test_an_address_with_an_umlaut_is_known(lab):
    assert verdict(lab, "büro@example.org") == "rewrite"
    assert verdict(lab, "BÜRO@example.org") == "rewrite"
    assert verdict(lab, "bu\u0308ro@example.org") == "rewrite"


@pytest.mark.brief
def test_a_deferred_mailbox_is_asked_for_again_later(lab):
    refused(lab, "later@example.org", "RCPT", 451, "4.2.1")


@pytest.mark.brief
def test_an_unknown_state_is_never_guessed(lab):
    address = fresh(lab)
    lab.slapd.replace(lab.slapd.mailbox_dn(user_of(address)), restanteState="sleeping")
    wait_verdict(lab, address, "tryagain")
    refused(lab, address, "RCPT", 451, "4.3.0")


def test_a_physical_address_in_a_federated_domain_is_refused(lab):
    address = fresh(lab, expect="tryagain", physical="loop@example.org")
    refused(lab, address, "RCPT", 451, "4.3.0")


@pytest.mark.brief
def test_two_spellings_are_one_recipient(lab):
    address = fresh(lab)
    send(lab, [address, address.upper(), "<@relay.test:%s>" % address])
    settled(lab)
    assert len(arrived(lab, "S1", user_of(address))) == 1
    assert not lab.mta.log_lines(r"to=<%s>" % re.escape(address.upper()))


def test_two_addresses_of_one_mailbox_get_one_copy(lab):
    send(lab, ["support@example.org", "helpdesk@example.org"])
    settled(lab)
    assert len(arrived(lab, "S2", "support")) == 1


@pytest.mark.brief
@pytest.mark.parametrize("path", ["<@relay.test:%s>", "<@a.test,@b.test:%s>"])
def test_source_routes_do_not_leak(lab, path):
    """Delivered once to the right place, or refused for good: never twice, never lost."""
    address = fresh(lab)
    try:
        send(lab, path % address)
    except Refused as refusal:
        assert refusal.code >= 500
        return
    assert len(arrived(lab, "S1", user_of(address))) == 1


def test_a_quoted_local_part(lab):
    address = fresh(lab, addresses=["\"two words\"@example.org"], physical="quoted@s1.lab")
    msgid = send(lab, "<%s>" % address)
    assert arrived(lab, "S1", "quoted") == [msgid]


@pytest.mark.brief
def test_bounces_have_no_sender_and_pass(lab):
    address = fresh(lab)
    msgid = send(lab, address, sender="")
    assert arrived(lab, "S1", user_of(address)) == [msgid]


def test_postmaster_of_a_federated_domain(lab):
    before = len(lab.message_ids("S1", "info"))
    send(lab, "postmaster@example.org")
    arrived(lab, "S1", "info", before + 1)


@pytest.mark.brief
def test_parameters_of_a_recipient_are_kept(lab):
    """NOTIFY=SUCCESS makes the MTA report the delivery, naming the original recipient."""
    address, reporter = fresh(lab), fresh(lab)
    send(lab, [(address, "NOTIFY=SUCCESS ORCPT=rfc822;orig@example.org")], sender=reporter,
         mail_params="RET=HDRS ENVID=abc123")
    arrived(lab, "S1", user_of(reporter))
    report = contents(lab, "S1", user_of(reporter))[0]
    assert b"Original-Recipient: rfc822;orig@example.org" in report
    assert b"Original-Envelope-Id: abc123" in report


@pytest.mark.brief
def test_an_original_recipient_is_added_where_there_is_none(lab):
    address, reporter = fresh(lab), fresh(lab)
    send(lab, [(address, "NOTIFY=SUCCESS")], sender=reporter)
    arrived(lab, "S1", user_of(reporter))
    report = contents(lab, "S1", user_of(reporter))[0]
    assert ("Original-Recipient: rfc822;" + address).encode() in report


def test_a_thousand_recipients(lab):
    """Through a catch-all they are one place, and all others get their copy."""
    addresses = [fresh(lab) for _ in range(5)]
    many = ["r%d@example.net" % n for n in range(990)]
    before = len(lab.message_ids("S1", "catchall"))
    send(lab, many + addresses)
    settled(lab)
    for address in addresses:
        assert len(lab.message_ids("S1", user_of(address))) == 1
    assert len(lab.message_ids("S1", "catchall")) == before + 1


# --- what skips the milter comes by once more -------------------------------------------------

@pytest.mark.brief
def test_queued_mail_with_an_access_address_is_routed_again(lab):
    """The release listener has no milter: what enters there with an access address must leave by
    the re-entry listener."""
    address = fresh(lab)
    msgid = send(lab, address, port=lab.mta.release_port)
    assert arrived(lab, "S1", user_of(address)) == [msgid]
    lab.mta.wait_logged(lab.mta.by_reentry)


@pytest.mark.brief
def test_reentry_refuses_who_is_not_there(lab):
    """The MTA makes a bounce of it: for that recipient alone."""
    address, sender = fresh(lab), fresh(lab)
    send(lab, [address, "gone@example.org"], sender=sender, port=lab.mta.release_port)
    arrived(lab, "S1", user_of(address))
    arrived(lab, "S1", user_of(sender))
    bounce = contents(lab, "S1", user_of(sender))[0]
    assert b"gone@example.org" in bounce and b"5.1.1" in bounce
    assert address.encode() not in bounce.split(b"Content-Type: message/rfc822")[0].split(
        b"message/delivery-status")[-1]


@pytest.mark.brief
def test_reentry_never_lets_a_recipient_out_unchanged(lab):
    """A domain that the MTA sends there although it is not federated would circle."""
    with pytest.raises(Refused, match="451"):
        send(lab, "x@elsewhere.test", port=lab.mta.reentry_port)


# --- node, directory, start -------------------------------------------------------------------

def test_a_node_that_is_not_enabled_serves_nothing():
    with Lab() as lab:
        address = fresh(lab)
        lab.milter.cli("node", "disable", "front1", "--yes")
        wait_for(lambda: lab.slapd.read(IDENTITIES["front1"])["restantenodestate"] == ["disabled"],
                 15, "the node to say that it is disabled")
        refused(lab, address, "RCPT", 451, "4.3.0")
        lab.milter.cli("node", "enable", "front1")
        wait_verdict(lab, address, "rewrite")
        msgid = send(lab, address)
        assert arrived(lab, "S1", user_of(address)) == [msgid]


def test_mail_flows_while_the_directory_is_down():
    with Lab() as lab:
        address = fresh(lab)
        lab.slapd.kill()
        msgid = send(lab, address)
        assert arrived(lab, "S1", user_of(address)) == [msgid]
        # old knowledge says nobody: that is no longer a reason for 550
        wait_for(lambda: verdict(lab, "nobody@example.org") == "tryagain", 15, "stale knowledge")
        refused(lab, "nobody@example.org", "RCPT", 451, "4.3.0")
        # not even after a restart, which resumes from what is on disk
        lab.milter.stop()
        lab.milter.start(wait=False)
        wait_for(lambda: verdict_or_none(lab, address) == "rewrite", 15, "the replica on disk")
        send(lab, address)
        assert len(arrived(lab, "S1", user_of(address), 2)) == 2
        lab.slapd.start()
        wait_verdict(lab, "nobody@example.org", "nobody")


def verdict_or_none(lab, address):
    try:
        return verdict(lab, address)
    except (OSError, ValueError):
        return None


def test_without_a_replica_every_recipient_is_asked_to_come_back():
    lab = Lab(start=())
    try:
        lab.make(("slapd", "s1", "milter", "mta"))
        lab.backends["S1"].start()
        lab.milter.start(wait=False)
        wait_for(lambda: verdict_or_none(lab, "anna@example.org") == "tryagain", 20, "the milter")
        lab.mta.start()
        for recipient in ("anna@example.org", "nobody@example.org", "x@s1.lab"):
            refused(lab, recipient, "RCPT", 451, "4.3.0")
        lab.slapd.start()
        wait_for(lab.milter.ready, 20, "the replica to be loaded")
        msgid = send(lab, "anna@example.org")
        assert arrived(lab, "S1", "anna") == [msgid]
    finally:
        lab.close()


def test_without_the_milter_nothing_leaks():
    with Lab() as lab:
        address = fresh(lab)
        lab.milter.kill()
        with pytest.raises(Refused) as caught:
            send(lab, address)
        assert 400 <= caught.value.code < 500
        lab.milter.start()
        msgid = send(lab, address)
        assert arrived(lab, "S1", user_of(address)) == [msgid]


def test_a_change_takes_effect_at_once(lab):
    address = fresh(lab)
    dn = lab.slapd.mailbox_dn(user_of(address))
    lab.slapd.replace(dn, mailRoutingAddress="elsewhere@s2.lab")
    wait_for(lambda: lab.milter.ask("route", address=address)["physical"] == "elsewhere@s2.lab",
             5, "the change")
    msgid = send(lab, address)
    assert arrived(lab, "S2", "elsewhere") == [msgid]
    lab.slapd.modify("dn: %s\nchangetype: delete\n" % dn)
    wait_for(lambda: verdict(lab, address) != "rewrite", 5, "the deletion")
    # vanished lately: it may be on its way to another entry
    refused(lab, address, "RCPT", 451, "4.3.0")


def test_the_domains_are_read_from_the_directory(lab):
    assert verdict(lab, "x@other.test") == "leave"
    lab.slapd.modify("dn: %s\nchangetype: modify\nadd: associatedDomain\n"
                     "associatedDomain: other.test\n" % FEDERATION)
    wait_verdict(lab, "x@other.test", "nobody")
    lab.slapd.modify("dn: %s\nchangetype: modify\ndelete: associatedDomain\n"
                     "associatedDomain: other.test\n" % FEDERATION)
    wait_verdict(lab, "x@other.test", "leave")


def test_a_kept_connection_sees_changes(lab):
    """What was negotiated holds for the connection, what is decided does not."""
    address = fresh(lab)
    smtp = Smtp(lab.mta.port)
    for state, code in ((None, 250), ("deferred", 451), (None, 250)):
        lab.slapd.replace(lab.slapd.mailbox_dn(user_of(address)), restanteState=state)
        wait_verdict(lab, address, "defer" if state else "rewrite")
        try:
            smtp.send("a@outside.test", [address], compose(address)[1])
            assert code == 250
        except Refused as refusal:
            assert refusal.code == code
    smtp.quit()
    assert len(arrived(lab, "S1", user_of(address), 2)) == 2
