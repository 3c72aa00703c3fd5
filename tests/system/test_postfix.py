"""The shipped Postfix snippets, without restante-milter: listeners that rewrite nothing, and a
front door that refuses rather than leaks when its milter is gone."""

import re

import pytest

from lab.lab import Lab
from lab.mail import Refused, Smtp, compose
from lab.process import wait_for

# each line of it is something that an MTA likes to mend
ODD = (b"From: root\r\nto: Somebody <x@example.org>, root\r\nSubject :odd  spacing\r\n"
       b"X-Folded: one\r\n\t two\r\n  three\r\nX-Empty:\r\nX-8bit: caf\xc3\xa9 \xff\r\n"
       b"X-Long: " + b"word " * 190 + b"\r\n\r\nbody root@\r\n.dot\r\n \r\n\xe9\xff\r\n\r\n")


@pytest.fixture(scope="module")
def plain():
    with Lab(start=("s1", "postfix", "null"), postfix_more="message_size_limit = 20000\n"
             "always_bcc = archive@s1.lab\ncanonical_maps = inline:{ twin@s1.lab=other@s1.lab }\n"
             ) as lab:
        yield lab


def delivered(lab, user, count=1):
    def arrived():
        return len(lab.message_ids("S1", user)) >= count
    wait_for(arrived, 20, "mail for " + user)
    imap = lab.imap("S1", user)
    contents = [content for _, content in imap.contents()]
    imap.close()
    return contents


def after_trace(content):
    """What follows the fields of Dovecot and Postfix: here no message has a Received of its own."""
    return content[re.match(rb"((Return-Path|Delivered-To|Received):.*\r\n([ \t].*\r\n)*)+",
                            content).end():]


def test_release_listener_rewrites_nothing(plain):
    smtp = Smtp(plain.postfix.release_port)
    smtp.send("someone", ["odd@s1.lab"], ODD, mail_params="BODY=8BITMIME")
    smtp.quit()
    # the space before a colon goes before any milter sees the message: TRAPS of the MTA itself
    assert after_trace(delivered(plain, "odd")[0]) == ODD.replace(b"Subject :", b"Subject:")


def test_release_listener_maps_no_address_and_archives_nothing(plain):
    smtp = Smtp(plain.postfix.release_port)
    smtp.send("someone@outside.test", ["twin@s1.lab"], compose("twin@s1.lab")[1])
    smtp.quit()
    delivered(plain, "twin")
    wait_for(plain.postfix.empty, 10, "an empty queue")
    assert plain.message_ids("S1", "other") == []
    assert not plain.postfix.log_lines("to=<archive@s1.lab>")
    # the front door does both
    front = Smtp(plain.postfix.port)
    front.send("someone@outside.test", ["twin@s1.lab"], compose("twin@s1.lab")[1])
    front.quit()
    delivered(plain, "other")
    delivered(plain, "archive")


def test_release_listener_takes_what_the_front_would_find_too_big(plain):
    content = compose("big@s1.lab", size=60000)[1]
    front = Smtp(plain.postfix.port)
    with pytest.raises(Refused, match="552"):
        front.send("someone@outside.test", ["big@s1.lab"], content)
    smtp = Smtp(plain.postfix.release_port)
    smtp.send("someone@outside.test", ["big@s1.lab"], content)
    smtp.quit()
    assert after_trace(delivered(plain, "big")[0]) == content


def test_a_subdomain_of_a_federated_domain_is_another_domain(plain):
    """Backends often have one: by its own default Postfix would route it back to the milter."""
    smtp = Smtp(plain.postfix.release_port)
    smtp.send("someone@s1.lab", ["anna@s1.example.org"], compose("anna@s1.example.org")[1])
    smtp.quit()
    wait_for(lambda: plain.postfix.log_lines(
        r"to=<anna@s1\.example\.org>.*delivers to its own backends only"), 20,
        "the way of the lab's default")


def test_release_listener_offers_what_a_release_needs(plain):
    smtp = Smtp(plain.postfix.release_port)
    features = smtp.connection.esmtp_features
    smtp.quit()
    assert {"pipelining", "8bitmime", "dsn", "smtputf8", "size"} <= set(features)


def test_release_listener_speaks_no_milter(plain):
    plain.null_milter.kill()
    smtp = Smtp(plain.postfix.release_port)
    smtp.send("someone@outside.test", ["nomilter@s1.lab"], compose("nomilter@s1.lab")[1])
    smtp.quit()
    delivered(plain, "nomilter")
    with pytest.raises(Refused, match="451"):
        Smtp(plain.postfix.port).send("someone@outside.test", ["nomilter@s1.lab"], ODD)
    plain.null_milter.start()


def test_an_access_address_in_the_queue_goes_to_the_reentry_listener(plain):
    """With a milter that does nothing it would circle: the hop count shows that it came by."""
    smtp = Smtp(plain.postfix.release_port)
    smtp.send("", ["anna@example.org"], compose("anna@example.org")[1])
    smtp.quit()
    wait_for(lambda: plain.postfix.log_lines(r"restante-reentry/smtpd.*client="), 10, "re-entry")
    wait_for(plain.postfix.empty, 30, "the hop count to end it")
    plain.postfix.wait_logged("too many hops")


def test_a_milter_that_is_silent_is_never_taken_for_a_yes(plain):
    """TRAPS 14 and 15, of the configuration that Postfix runs with, defaults included."""
    set_to = dict(line.split(" = ", 1) if " = " in line else (line.rstrip(" ="), "") for line in
                  plain.postfix.tool("postconf").stdout.decode().splitlines())
    assert set_to["milter_default_action"] == "tempfail"
    assert set_to["smtpd_milters"].split()[-1].startswith("unix:restante/")
    assert set_to["non_smtpd_milters"] == "" and set_to["smtpd_proxy_filter"] == ""
    listeners = plain.postfix.tool("postconf", "-P").stdout.decode()
    for port in (plain.postfix.release_port, plain.postfix.reentry_port):
        assert re.search(r"(?m)^127\.0\.0\.1:%d/inet/smtpd_proxy_filter =\s*$" % port, listeners)
