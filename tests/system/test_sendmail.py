"""What is Sendmail's own: the shipped snippet's listeners, its queue's listing, and recipients that it
would drop without a word (TRAPS 18, 24)."""

import fcntl
import os
import re
import shutil
import subprocess

import pytest

from helpers import arrived, contents, fresh, hold, refusal, send, settled, user_of
from lab.corpus import without_trace
from lab.lab import PARTS, Lab
from lab.mail import Refused, Smtp
from lab.process import wait_for
from nodes import raise_epoch, wait_drained

pytestmark = [pytest.mark.sendmail, pytest.mark.brief]

# each line of it is something that an MTA likes to mend
ODD = (b"From: root\r\nto: Somebody <x@example.org>\r\n"
       b"X-Folded: one\r\n\t two\r\n  three\r\nX-Empty:\r\nX-8bit: caf\xc3\xa9 \xff\r\n"
       b"X-Long: " + b"word " * 190 + b"\r\n\r\nbody root@\r\n.dot\r\n \r\n\xe9\xff\r\n\r\n")


@pytest.fixture(scope="module")
def hidden():
    """A Sendmail that offers no DSN, expands an alias, and wants nothing of a certain sender."""
    more = ("define(`confPRIVACY_FLAGS', `noreceipts')dnl\n"
            "define(`ALIAS_FILE', `{dir}/aliases')dnl\nLOCAL_DOMAIN(`local.lab')dnl\n")
    lab = Lab(start=(), sendmail_more=more)
    try:
        lab.make(PARTS)
        lab.mta.tables["access"] = "From:unwanted@outside.test\tREJECT\n"
        lab.mta.configure()
        for server in lab.servers:
            server.start()
        yield lab
    finally:
        lab.close()


# --- listeners ------------------------------------------------------------------------------------

def test_the_release_listener_rewrites_nothing(lab):
    smtp = Smtp(lab.mta.release_port)
    smtp.send("someone@outside.test", ["odd@s1.lab"], ODD, mail_params="BODY=8BITMIME")
    features = smtp.connection.esmtp_features
    smtp.quit()
    assert {"pipelining", "8bitmime", "dsn", "size"} <= set(features)
    arrived(lab, "S1", "odd")
    # its own mailer completes addresses of the header, as of every message that it relays
    assert without_trace(contents(lab, "S1", "odd")[0]).replace(b"root@front.lab", b"root") == ODD


def test_the_release_listener_speaks_to_no_milter(lab):
    address = fresh(lab)
    lab.milter.kill()
    try:
        msgid = send(lab, "nomilter@s1.lab", port=lab.mta.release_port)
        with pytest.raises(Refused, match="451"):
            send(lab, address)
        assert arrived(lab, "S1", "nomilter") == [msgid]
    finally:
        lab.milter.start()


def test_what_was_let_in_is_not_refused_at_the_listeners(hidden):
    """A rule that came while the message was held, say."""
    address = fresh(hidden)
    assert refusal(hidden, address, sender="unwanted@outside.test")[1] == 550
    msgids = [send(hidden, to, sender="unwanted@outside.test", port=port) for to, port in (
        (user_of(address) + "@s1.lab", hidden.mta.release_port), (address, hidden.mta.reentry_port))]
    assert sorted(arrived(hidden, "S1", user_of(address), 2)) == sorted(msgids)


def test_a_subdomain_of_a_federated_domain_is_another_domain(lab):
    """Backends often have one; it is not for the re-entry listener."""
    send(lab, "anna@s1.example.org", port=lab.mta.release_port, sender="")
    lab.mta.wait_logged(r"to=<anna@s1\.example\.org>.*mailer=nowhere")


# --- what it would drop ---------------------------------------------------------------------------

def test_without_dsn_nothing_is_lost(hidden):
    """A recipient that is added with ORCPT would be."""
    active, held = fresh(hidden), fresh(hidden, state="holding")
    smtp = Smtp(hidden.mta.port)
    assert "dsn" not in smtp.connection.esmtp_features
    smtp.quit()
    msgid = send(hidden, [active, held])
    assert arrived(hidden, "S1", user_of(active)) == [msgid]
    hidden.milter.cli("unhold", held)
    assert arrived(hidden, "S1", user_of(held)) == [msgid]


def test_an_address_that_became_too_long_is_not_lost(lab):
    """255 bytes is what Sendmail takes; the physical address is longer than what came."""
    address = fresh(lab, physical="p" * 64 + "@s1.lab")
    user, domain = address.split("@")
    step, code, _ = refusal(lab, "%s+%s@%s" % (user, "d" * 200, domain))
    assert (step, code) == ("dot", 451)
    msgid = send(lab, "%s+%s@%s" % (user, "d" * 100, domain))
    assert arrived(lab, "S1", "p" * 64) == [msgid]


def test_trap_24_aliases_are_expanded_after_the_milter(hidden):
    """A list of the MTA's own with a held member, beside that member's own address."""
    active, held = fresh(hidden), fresh(hidden, state="holding")
    with open(os.path.join(hidden.mta.dir, "aliases"), "w") as aliases:
        aliases.write("team: %s, %s\n" % (active, held))
    hidden.mta.tool("-bi")
    msgid = send(hidden, ["team@local.lab", held])
    assert arrived(hidden, "S1", user_of(active)) == [msgid]
    wait_for(hidden.mta.empty, 20, "the list to be expanded")
    assert hidden.message_ids("S1", user_of(held)) == []
    hidden.milter.cli("unhold", held)
    # held as itself, and as a member: the same message, the same recipient
    assert arrived(hidden, "S1", user_of(held)) == [msgid]
    settled(hidden)


# --- its queue ------------------------------------------------------------------------------------

@pytest.fixture
def stuck(lab):
    """A held mailbox for which mail is still in the queue."""
    physical = "u" * 64 + "@s1.lab"
    address = fresh(lab, physical=physical)
    lab.backends["S1"].stop()
    user, domain = address.split("@")
    # more than the listing has room for
    send(lab, "%s+%s@%s" % (user, "d" * 40, domain))
    wait_for(lambda: not lab.mta.empty(), 10, "mail in the queue")
    hold(lab, address)
    yield address, physical
    lab.backends["S1"].start()
    lab.mta.flush()
    settled(lab)
    lab.milter.cli("unhold", address)


def test_a_recipient_that_the_listing_cuts_is_undrained(lab, stuck):
    wait_drained(lab, raise_epoch(lab), [stuck[1]])


def test_a_message_in_quarantine_is_undrained(lab, stuck):
    queued = lab.mta.listing()[0]["queue_id"]
    lab.mta.tool("-QI-look", "-qI" + queued)
    wait_for(lambda: os.path.exists(os.path.join(lab.mta.spool, "hf" + queued)), 10, "quarantine")
    try:
        wait_drained(lab, raise_epoch(lab), [stuck[1]])
    finally:
        lab.mta.tool("-Q", "-qQ", "-qI" + queued)


def test_the_listing_locks_nothing(lab, stuck):
    """A Sendmail that finds the file it has just made locked disconnects its client. The mark is of
    files that the one who lists could not lock."""
    queued = lab.mta.listing()[0]["queue_id"]
    with open(os.path.join(lab.mta.spool, "qf" + queued)) as file:
        wait_for(lambda: locked(file), 10, "the queue run to leave the file alone")
        said = subprocess.run(lab.mta.queue_list_command(), shell=True, check=True,
                              stdout=subprocess.PIPE, timeout=60).stdout.decode()
    assert queued in said and queued + "*" not in said


def locked(file):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def test_an_empty_queue_file_keeps_no_move_waiting(lab):
    """What is left of a message that was not acknowledged; Sendmail keeps it for ten minutes."""
    address = fresh(lab)
    empty = os.path.join(lab.mta.spool, "qf6AMAAAaa000001")
    with open(empty, "w"):
        pass
    try:
        hold(lab, address)
        wait_drained(lab, raise_epoch(lab), [])
    finally:
        os.unlink(empty)
    lab.milter.cli("unhold", address)


def listing_as(lab, groups):
    """What the command of queue_list says to an account without privileges."""
    listing = lab.mta.queue_list_command()
    for path in (lab.mta.binary, lab.mta.library()):
        # the build may be in a folder that only root may pass
        here = os.path.join(lab.dir, "passable-" + os.path.basename(path))
        listing = listing.replace(path, shutil.copy(path, here))
    command = "setpriv --reuid news --regid news --groups %s --no-new-privs sh -c '%s'" % (
        groups, listing)
    return subprocess.run(command, shell=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False, timeout=60)


def test_who_may_list_the_queue(lab, stuck):
    """A member of its folder's group, whatever NoNewPrivileges= takes from mailq."""
    for folder, _, names in os.walk(lab.mta.spool):
        subprocess.run(["chgrp", "uucp", folder] + [os.path.join(folder, n) for n in names],
                       check=True)
    may = listing_as(lab, "uucp")
    assert may.returncode == 0 and b"u" * 60 in may.stdout, may
    may_not = listing_as(lab, "news")
    assert may_not.returncode != 0 or not re.search(rb"Total requests: \d", may_not.stdout), may_not


def test_doctor_reads_the_sendmail_cf_that_m4_made(lab):
    with open(lab.mta.conf) as conf:
        made = conf.read()
    assert b"nothing found" in lab.milter.cli("doctor").stdout
    try:
        with open(lab.mta.conf, "w") as conf:
            conf.write(re.sub(r"(?m)^(Xrestante,.*) F=T,", r"\1 F=,", made))
        done = lab.milter.cli("doctor", check=False)
        assert done.returncode == 2 and b"mta.milter-down" in done.stdout, done.stdout
    finally:
        with open(lab.mta.conf, "w") as conf:
            conf.write(made)
