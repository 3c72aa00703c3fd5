"""The restante command with the real front door: held mail, the fence over real queues, service."""

import json
import os
import signal

from helpers import arrived, fresh, hold, send, settled, swap, user_of, wait_verdict
from lab.mail import compose
from lab.process import wait_for


def restante(lab, *arguments, code=0):
    done = lab.milter.cli(*arguments, check=False)
    assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
    return done.stdout.decode()


def test_held_mail_is_listed_shown_and_deleted(lab):
    address = fresh(lab, state="holding")
    other = fresh(lab, state="holding")
    _, content = compose(address, more=b"Subject: caf\xc3\xa9\r\n")
    send(lab, [address, other], sender="a.sender@outside.test", content=content)
    listed = lab.milter.cli_json("queue", "list", address)
    assert len(listed) == 1 and listed[0]["sender"] == "a.sender@outside.test"
    number = str(listed[0]["id"])
    assert address + " +1" in restante(lab, "queue", "list", address)
    shown = restante(lab, "queue", "show", number)
    assert address in shown and other in shown and "a.sender@outside.test" in shown
    assert lab.milter.cli("queue", "cat", number).stdout == content
    assert lab.milter.cli_json("queue", "cat", number)["bytes"] == len(content)
    assert address in restante(lab, "queue", "stats")
    restante(lab, "queue", "delete", number, code=4)
    assert "1 recipient" in restante(lab, "queue", "delete", number, "--yes", "--recipient", other)
    assert lab.milter.cli_json("queue", "list", other) == []
    restante(lab, "queue", "delete", number, "--yes")
    restante(lab, "queue", "show", number, code=3)
    restante(lab, "queue", "delete", number, "--yes", code=3)
    assert lab.milter.cli_json("queue", "list", address) == []
    restante(lab, "queue", "list", "nobody@example.org", code=3)
    for box in (address, other):
        restante(lab, "unhold", box)


def test_many_held_messages_are_listed_in_pages(lab):
    address = fresh(lab, state="holding")
    sent = [send(lab, address) for _ in range(5)]
    ids = [message["id"] for message in lab.milter.cli_json("queue", "list", address)]
    assert len(ids) == len(sent) and ids == sorted(ids)
    short = lab.milter.cli_json("queue", "list", address, "--limit", "2")
    assert [message["id"] for message in short] == ids[:2]
    assert "and more" in restante(lab, "queue", "list", address, "--limit", "2")
    restante(lab, "unhold", address)
    # handed over in order; Postfix delivers several at once
    assert sorted(arrived(lab, "S1", user_of(address), 5)) == sorted(sent)


def test_a_move_by_hand(lab):
    address = fresh(lab)
    assert "-> rewrite to" in restante(lab, "route", address)
    hold(lab, address)
    assert "-> hold" in restante(lab, "route", address)
    msgid = send(lab, address)
    shown = lab.milter.cli_json("swap", address, "--system", "S2", "--to",
                                user_of(address) + "@s2.lab", "--id", "s2-box")
    assert shown["fenced"] and shown["rounds"] == 1 and shown["nodes"] == 1
    assert arrived(lab, "S2", user_of(address)) == [msgid]
    node = lab.milter.cli_json("node", "list")[0]
    assert node["acked"] >= shown["epoch"] and node["drained"] >= shown["epoch"]
    settled(lab)


def test_mail_in_the_queue_for_the_old_place_keeps_the_swap_waiting(lab):
    """The old backend is down: what was accepted before the hold rests in Postfix' queue."""
    address = fresh(lab)
    backend = lab.backends["S1"]
    backend.stop()
    try:
        msgid = send(lab, address)
        wait_for(lambda: not lab.mta.empty(), what="mail in the queue")
        hold(lab, address)
        done = lab.milter.cli("swap", address, "--system", "S2", "--to",
                              user_of(address) + "@s2.lab", "--timeout", "3s", check=False)
        assert done.returncode == 4
        assert "still has mail for %s@s1.lab" % user_of(address) in done.stderr.decode()
        assert lab.milter.cli_json("node", "list")[0]["undrained"] == [user_of(address) + "@s1.lab"]
        assert lab.slapd.read(lab.slapd.mailbox_dn(user_of(address)))["restantestate"] == ["holding"]
    finally:
        backend.start()
    lab.mta.flush()
    assert arrived(lab, "S1", user_of(address)) == [msgid]
    swap(lab, address)


def test_status_and_service(lab):
    wait_for(lambda: lab.milter.cli("status", check=False).returncode == 0, what="all to be well")
    assert "all is well" in restante(lab, "status")
    address = fresh(lab)
    restante(lab, "node", "disable", "front1")
    wait_for(lambda: lab.milter.cli_json("node", "list")[0]["state"] == "disabled",
             what="the front door to leave")
    done = lab.milter.cli("status", check=False)
    assert done.returncode == 1 and b"node enable front1" in done.stdout
    assert "-> tryagain" in restante(lab, "route", address)
    assert "wiped" in restante(lab, "node", "enable", "front1")
    wait_verdict(lab, address, "rewrite")
    wait_for(lambda: json.loads(lab.milter.cli("status", "--json", check=False).stdout)["ready"],
             what="the front door to be ready")


def test_a_front_door_that_does_not_answer(lab):
    """Stopped, not dead: it acknowledges nothing, so nothing is swapped; going on, it does."""
    address = fresh(lab)
    hold(lab, address)
    os.kill(lab.milter.process.pid, signal.SIGSTOP)
    try:
        done = lab.milter.cli("swap", address, "--system", "S2", "--to",
                              user_of(address) + "@s2.lab", "--timeout", "1s", check=False)
    finally:
        os.kill(lab.milter.process.pid, signal.SIGCONT)
    assert done.returncode == 4
    assert "front1 has not acknowledged" in done.stderr.decode()
    swap(lab, address)
