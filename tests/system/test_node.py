"""restante-milter as a node: the fence's acknowledgements and drains, its entry's states."""

import contextlib
import os
import re
import threading
import time

import pytest

from helpers import (arrived, begin, fresh, hold, hold_by_hand, refusal, send, swap, user_of, verdict,
                     wait_verdict)
from lab.daemon import listens
from lab.lab import Lab
from lab.mail import compose
from lab.process import wait_for
from lab.slapd import FEDERATION
from nodes import NODE, node, number, raise_epoch, wait_acked, wait_drained
from relay import Relay

# --- the fence ------------------------------------------------------------------------------------

def test_every_epoch_is_acknowledged_and_drained(lab):
    for _ in range(3):
        epoch = raise_epoch(lab)
        wait_acked(lab, epoch)
        wait_drained(lab, epoch)


def test_acknowledgements_do_not_answer_each_other(lab):
    """TRAPS 31: a node's own writes come back to it; nothing but heartbeats follows."""
    epoch = raise_epoch(lab)
    wait_drained(lab, epoch)
    before = lab.milter.ask("status")["agent"]
    wait_for(lambda: lab.milter.ask("status")["agent"]["heartbeat_us"] > before["heartbeat_us"] +
             2500000, 20, "three heartbeats")
    after = lab.milter.ask("status")["agent"]
    assert after["writes"] - before["writes"] <= 5
    assert after["drain"]["listings"] == before["drain"]["listings"]


def test_a_heartbeat_changes_each_time():
    with Lab(start=("slapd", "milter"), milter_options={"heartbeat": "200ms"}) as lab:
        seen = []
        for _ in range(4):
            wait_for(lambda: node(lab)["restanteheartbeat"][0] not in seen, 10, "a new heartbeat")
            seen.append(node(lab)["restanteheartbeat"][0])
        assert all(re.fullmatch(r"\d{14}(\.\d+)?Z", value) for value in seen)


@pytest.mark.brief
def test_mail_in_the_queue_is_undrained_without_subaddress_and_case(lab):
    address, other = fresh(lab), fresh(lab)
    backend = lab.backends["S1"]
    backend.stop()
    try:
        user = user_of(address)
        send(lab, ["%s+Folder@Example.ORG" % user.upper(), other])
        wait_for(lambda: not lab.mta.empty(), 10, "mail in the queue")
        hold(lab, address)
        epoch = raise_epoch(lab)
        wait_drained(lab, epoch, [user + "@s1.lab"])
        # the other one is not held: its mail is nobody's business
        assert number(node(lab), "restanteAckEpoch") >= epoch
        # a later epoch finds the same
        epoch = raise_epoch(lab)
        wait_drained(lab, epoch, [user + "@s1.lab"])
    finally:
        backend.start()
    lab.mta.flush()
    wait_drained(lab, epoch)
    arrived(lab, "S1", user)
    lab.milter.cli("unhold", address)


@pytest.fixture(scope="module")
def patient():
    """A lab whose MTA may take 6 s to write its queue file after our answer."""
    with Lab(milter_options={"late_commit": "6s"}) as whole:
        yield whole


def drain_after_mail(lab, then):
    """How long the drain of a mailbox takes, from the end of a message for it on a connection that
    stays open."""
    address = fresh(lab)
    smtp = begin(lab, [address])
    began = time.monotonic()
    smtp.data(compose(address)[1])
    hold_by_hand(lab, address)
    wait_verdict(lab, address, "hold")
    epoch = raise_epoch(lab)
    wait_acked(lab, epoch)
    then(smtp)
    wait_drained(lab, epoch)
    took = time.monotonic() - began
    smtp.quit()
    return took


def test_the_drain_waits_for_late_commits(patient):
    """After a start, too; so the lab is older than that here."""
    wait_for(lambda: patient.milter.ask("status")["uptime_us"] > 7000000, 10, "an old process")
    assert drain_after_mail(patient, lambda smtp: None) > 6.0


def next_message(smtp):
    """Postfix keeps MAIL back until an event that wants an answer."""
    smtp.command("MAIL FROM:<x@outside.test>")
    smtp.command("RCPT TO:<x@s2.lab>")


def test_the_connections_next_event_ends_the_wait(patient):
    wait_for(lambda: patient.milter.ask("status")["uptime_us"] > 7000000, 10, "an old process")
    patient.milter.configure(late_commit="5m")
    assert patient.milter.ask("reload")["ok"]
    try:
        assert drain_after_mail(patient, next_message) < 60
        assert drain_after_mail(patient, lambda smtp: smtp.quit()) < 60
    finally:
        patient.milter.configure(late_commit="6s")
        assert patient.milter.ask("reload")["ok"]


def test_after_a_start_everything_may_be_late(patient):
    address = fresh(patient)
    hold(patient, address)
    patient.milter.restart()
    epoch = raise_epoch(patient)
    wait_acked(patient, epoch)
    wait_drained(patient, epoch)
    assert patient.milter.ask("status")["uptime_us"] > 6000000


def test_a_queue_that_cannot_be_listed_is_not_drained():
    with Lab(milter_options={"queue_list": "false"}) as lab:
        address = fresh(lab, state="holding")
        epoch = raise_epoch(lab)
        wait_acked(lab, epoch)
        wait_for(lambda: lab.milter.ask("status")["agent"]["drain"]["listing_failures"] >= 3, 20,
                 "three failures")
        assert number(node(lab), "restanteDrainedEpoch") < epoch
        lines = re.findall(r"error: drain: .*cannot be listed.*status was 1", lab.milter.log_text())
        assert len(lines) == 1, "said once, not each time"
        lab.milter.configure(queue_list=lab.mta.queue_list_command())
        lab.milter.reload()
        wait_drained(lab, epoch)
        wait_for(lambda: "is listed again" in lab.milter.log_text(), 10, "it to say so")
        assert verdict(lab, address) == "hold"


def test_a_listing_that_hangs_holds_up_nothing_else():
    with Lab(start=("slapd", "milter"),
             milter_options={"queue_list": "sleep 60", "queue_list_timeout": "1s"}) as lab:
        fresh(lab, state="holding")
        first = raise_epoch(lab)
        wait_acked(lab, first)
        second = raise_epoch(lab)
        wait_acked(lab, second)
        assert number(node(lab), "restanteDrainedEpoch") < first
        began = time.monotonic()
        lab.milter.stop()
        assert time.monotonic() - began < 30, "the listing would take 60"


def test_nothing_held_needs_no_listing():
    with Lab(start=("slapd", "milter"), milter_options={"queue_list": "false"}) as lab:
        for uid in ("moving", "archive"):
            lab.slapd.replace(lab.slapd.mailbox_dn(uid), restanteState=None)
        lab.slapd.replace("cn=S3,ou=systems," + FEDERATION, restanteState=None)
        wait_verdict(lab, "archive@example.org", "rewrite")
        wait_verdict(lab, "moving@example.org", "rewrite")
        wait_drained(lab, raise_epoch(lab))


# --- the node's states ----------------------------------------------------------------------------

def test_a_node_that_leaves_releases_what_it_holds_first():
    with Lab() as lab:
        address = fresh(lab, state="holding")
        msgid = send(lab, address)
        lab.slapd.replace(NODE, restanteNodeState="disabling")
        wait_for(lambda: verdict(lab, address) == "tryagain", 10, "it to refuse")
        assert refusal(lab, address) == ("RCPT", 451, "4.3.0")
        epoch = raise_epoch(lab)
        wait_acked(lab, epoch)
        assert node(lab)["restantenodestate"] == ["disabling"]
        lab.slapd.replace(lab.slapd.mailbox_dn(user_of(address)), restanteState=None)
        assert arrived(lab, "S1", user_of(address)) == [msgid]
        wait_for(lambda: node(lab)["restantenodestate"] == ["disabled"], 15, "it to leave")
        lab.slapd.replace(NODE, restanteNodeState="enabled")
        wait_verdict(lab, address, "rewrite")
        assert lab.milter.ask("status")["cut_off"] is False


def test_a_node_that_leaves_waits_for_its_mtas_queue():
    """Once it is disabled no fence waits for what is queued there."""
    with Lab() as lab:
        address = fresh(lab)
        backend = lab.backends["S1"]
        backend.stop()
        try:
            msgid = send(lab, address.replace("@", "+box@"))
            wait_for(lambda: not lab.mta.empty(), 10, "mail in the queue")
            lab.slapd.replace(NODE, restanteNodeState="disabling")
            wait_for(lambda: "cannot leave yet" in lab.milter.log_text(), 15, "it to say so")
            assert lab.milter.ask("status")["agent"]["drain"]["leaving_undrained"] == 1
            # a move waits for it, as for every other node
            hold_by_hand(lab, address)
            epoch = raise_epoch(lab)
            wait_acked(lab, epoch)
            wait_drained(lab, epoch, [user_of(address) + "@s1.lab"])
            assert node(lab)["restantenodestate"] == ["disabling"]
        finally:
            backend.start()
        lab.mta.flush()
        assert arrived(lab, "S1", user_of(address)) == [msgid]
        wait_for(lambda: node(lab)["restantenodestate"] == ["disabled"], 40, "it to leave")
        # the last report comes from another look at the queue
        wait_for(lambda: not node(lab).get("restanteundrained"), 15, "nothing to be undrained")


def through(lab, relay, timeout="5s"):
    """The milter writes by way of the relay from now on."""
    with open(lab.milter.conf) as conf:
        text = conf.read()
    with open(lab.milter.conf, "w") as conf:
        conf.write(text.replace('write_uri = "%s"' % lab.slapd.uri,
                                'write_uri = "ldap://127.0.0.1:%d"' % relay.port)
                   .replace('timeout = "5s"', 'timeout = "%s"' % timeout))
    lab.milter.restart()


def test_its_own_disabled_is_not_taken_for_somebody_elses():
    """The write is made, its answer is lost, and when it is repeated the state is another."""
    seen = []

    def lose_the_first(data):
        if b"restanteNodeState1" not in data or b"disabled" not in data:
            return None
        seen.append(data)
        return "lose the answer" if len(seen) == 1 else None

    with Lab() as lab, Relay(lab.slapd.port, lose_the_first) as relay:
        through(lab, relay)
        lab.slapd.replace(NODE, restanteNodeState="disabling")
        wait_for(lambda: node(lab)["restantenodestate"] == ["disabled"], 20, "it to leave")
        wait_for(lambda: len(seen) >= 2, 20, "the write to be repeated")
        wait_for(lambda: lab.milter.ask("status")["view"]["node_state"] == "disabled", 10, "it")
        lab.slapd.replace(NODE, restanteNodeState="enabled")
        wait_verdict(lab, "anna@example.org", "rewrite")
        assert lab.milter.ask("status")["cut_off"] is False


def test_a_disabled_that_comes_late_finds_another_disabling():
    """The write is given up and repeated; when it gets there the front door has been enabled again,
    holds mail, and is to leave once more."""
    seen, go_on = [], threading.Event()

    def keep_the_first(data):
        if b"restanteNodeState1" not in data or b"disabled" not in data:
            return None
        seen.append(threading.get_ident())
        if len(seen) > 1:
            return None
        go_on.wait(60)
        return "see it done"

    with Lab() as lab, Relay(lab.slapd.port, keep_the_first) as relay:
        address = fresh(lab)
        through(lab, relay, timeout="1s")
        lab.slapd.replace(NODE, restanteNodeState="disabling")
        wait_for(lambda: node(lab)["restantenodestate"] == ["disabled"], 30, "it to leave")
        assert len(seen) >= 2
        lab.slapd.replace(NODE, restanteNodeState="enabled")
        hold(lab, address)
        msgid = send(lab, address)
        lab.slapd.replace(NODE, restanteNodeState="disabling")
        wait_for(lambda: verdict(lab, address) == "tryagain", 10, "it to refuse")
        before = relay.answers.count(seen[0])
        go_on.set()
        wait_for(lambda: relay.answers.count(seen[0]) > before, 20, "the first to be executed")
        assert node(lab)["restantenodestate"] == ["disabling"]
        lab.slapd.replace(lab.slapd.mailbox_dn(user_of(address)), restanteState=None)
        assert arrived(lab, "S1", user_of(address)) == [msgid]
        wait_for(lambda: node(lab)["restantenodestate"] == ["disabled"], 15, "it to leave")


def test_a_directory_that_was_restored_counts_on_from_less(lab):
    epoch = raise_epoch(lab)
    wait_drained(lab, epoch)
    lab.slapd.replace(FEDERATION, who="root", restanteEpoch="1")
    lab.slapd.replace(NODE, who="root", restanteAckEpoch="1", restanteDrainedEpoch="1",
                      restanteUndrained=None)
    wait_for(lambda: lab.milter.ask("status")["view"]["node_acked"] == 1, 10, "it to see that")
    assert epoch > 2
    assert raise_epoch(lab) == 2
    wait_acked(lab, 2)
    wait_drained(lab, 2)
    address = fresh(lab)
    swap(lab, address)


def test_disabled_by_force_it_serves_nothing_until_it_is_wiped():
    with Lab() as lab:
        address, held = fresh(lab), fresh(lab, state="holding")
        send(lab, held)
        lab.slapd.replace(NODE, restanteNodeState="disabled")
        wait_for(lambda: lab.milter.ask("status")["cut_off"], 10, "it to see that")
        assert refusal(lab, address) == ("RCPT", 451, "4.3.0")
        lab.slapd.replace(NODE, restanteNodeState="enabled")
        lab.slapd.replace(lab.slapd.mailbox_dn(user_of(held)), restanteState=None)
        epoch = raise_epoch(lab)
        lab.milter.stop()
        lab.milter.start(wait=False)
        wait_for(lambda: listens(lab.milter.control) and
                 lab.milter.ask("status")["view"]["loaded"], 15, "it to be back")
        assert lab.milter.ask("status")["cut_off"]
        assert verdict(lab, address) == "tryagain"
        time.sleep(0.5)
        assert lab.milter.held() == 1, "nothing is released, either"
        assert number(node(lab), "restanteAckEpoch") < epoch
        lab.milter.stop()
        for path in (lab.milter.queue, lab.milter.replica):
            for name in os.listdir(path):
                os.unlink(os.path.join(path, name))
        lab.milter.start()
        assert verdict(lab, address) == "rewrite"
        wait_acked(lab, epoch)


@contextlib.contextmanager
def twin(lab):
    """Somebody else who writes the entry, again and again."""
    end = threading.Event()

    def write():
        while not end.wait(0.2):
            lab.slapd.replace(NODE, restanteHeartbeat="20300101000000Z")
    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def test_two_with_one_name_acknowledge_nothing():
    """A clone, or a name given twice: the one would acknowledge what only the other knows."""
    with Lab(start=("slapd", "milter")) as lab:
        wait_acked(lab, raise_epoch(lab))
        wait_for(lambda: node(lab).get("restanteheartbeat"), 10, "a heartbeat of its own")
        before = node(lab)["restanteheartbeat"]
        wait_for(lambda: node(lab)["restanteheartbeat"] != before, 10, "another one")
        lab.slapd.replace(NODE, restanteHeartbeat="20300101000000Z")
        wait_for(lambda: "somebody else writes this front door's entry" in lab.milter.log_text(), 10,
                 "it to notice")
        with twin(lab):
            epoch = raise_epoch(lab)
            time.sleep(0.5)
            assert number(node(lab), "restanteAckEpoch") < epoch
        wait_acked(lab, epoch)
        wait_for(lambda: "nobody else writes" in lab.milter.log_text(), 10, "it to say so")


def test_without_an_entry_it_says_what_to_do():
    with Lab(start=("slapd", "mta", "milter"), milter_options={"node": "front9"},
             wait_milter=False) as lab:
        wait_for(lambda: "there is no entry for this front door" in lab.milter.log_text(), 15,
                 "the line")
        assert "restante node enable front9" in lab.milter.log_text()
        assert refusal(lab, "anna@example.org") == ("RCPT", 451, "4.3.0")
