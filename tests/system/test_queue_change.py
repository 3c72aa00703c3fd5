"""restante queue bounce and redirect: held messages go back to their sender, or elsewhere; once, and
whatever happens meanwhile."""

import contextlib
import random
import threading

import pytest

from helpers import arrived, contents, fresh, hold, send, settled, unhold, user_of, wait_verdict
from lab.lab import Lab
from lab.process import free_port, wait_for
from lab.sink import Sink

USAGE, NOTFOUND, REFUSED = 2, 3, 4


@pytest.fixture(scope="module")
def lab():
    with Lab(milter_options={"release_retry_max": "400ms"}) as whole:
        yield whole


def held(lab, count=1, sender=None, **more):
    """(address, Message-ID, number of the message) of a mailbox with mail that is held."""
    addresses = [fresh(lab) for _ in range(count)]
    for address in addresses:
        hold(lab, address)
    msgid = send(lab, addresses, sender=sender if sender is not None else fresh(lab), **more)
    number = lab.milter.cli_json("queue", "list", addresses[0])[0]["id"]
    return addresses if count > 1 else addresses[0], msgid, str(number)


def restante(lab, *arguments, code=0):
    done = lab.milter.cli(*arguments, check=False)
    assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
    return (done.stdout + done.stderr).decode()


def notices(lab, writer):
    """What came back to a mailbox on S1."""
    return [text for text in contents(lab, "S1", user_of(writer)) if b"multipart/report" in text]


def physical(address):
    return user_of(address) + "@s1.lab"


def test_returned_to_the_sender(lab):
    writer = fresh(lab)
    address, msgid, number = held(lab, sender=writer)
    assert "not confirmed" in restante(lab, "queue", "bounce", number, code=REFUSED)
    assert lab.milter.held() == 1  # nobody said yes
    answer = lab.milter.cli_json("queue", "bounce", number, "--yes", "--reason", "He has \u2192 left us")
    assert (answer["removed"], answer["told"]) == (1, 1)
    settled(lab)
    text, = notices(lab, writer)
    assert b"Action: failed" in text and b"Status: 5.7.1" in text
    assert b"550 5.7.1 He has ??? left us" in text
    assert address.encode() in text and msgid.encode() in text
    unhold(lab, address)
    wait_verdict(lab, address, "rewrite")
    send(lab, address)
    assert len(arrived(lab, "S1", user_of(address))) == 1  # the new one alone
    assert "returned to sender by an administrator id=" in lab.milter.log_text()
    restante(lab, "queue", "bounce", number, "--yes", code=NOTFOUND)


def test_one_recipient_of_two(lab):
    writer = fresh(lab)
    (one, other), msgid, number = held(lab, 2, sender=writer)
    said = restante(lab, "queue", "bounce", number, "--recipient", other, "--yes")
    assert "1 recipient returned to the sender" in said
    settled_notice(lab, writer, 1)
    assert other.encode() in notices(lab, writer)[0]
    assert one.encode() not in notices(lab, writer)[0].split(b"Action: ")[0]
    assert [r["address"] for r in lab.milter.cli_json("queue", "show", number)["recipients"]] == [one]
    restante(lab, "queue", "bounce", number, "--recipient", other, "--yes", code=NOTFOUND)
    unhold(lab, one)
    assert arrived(lab, "S1", user_of(one)) == [msgid]


def settled_notice(lab, writer, count):
    wait_for(lambda: len(notices(lab, writer)) >= count, 20, "%d notices" % count)
    assert len(notices(lab, writer)) == count


def test_nobody_to_tell(lab):
    """Never to <>; and where the sender asked not to hear of it, he does not."""
    address, _, number = held(lab, sender="")
    assert "has no sender" in restante(lab, "queue", "bounce", number, "--yes", code=REFUSED)
    assert lab.milter.held() == 1
    restante(lab, "queue", "delete", number, "--yes")
    writer = fresh(lab)
    address, _, number = held(lab, sender=writer, rcpt_params="NOTIFY=NEVER")
    assert "did not want to hear" in restante(lab, "queue", "bounce", number, "--yes")
    settled(lab)
    assert notices(lab, writer) == []


@pytest.mark.parametrize("arguments, code, said", [
    (["bounce", "999999999", "--yes"], NOTFOUND, "no held message 999999999"),
    (["redirect", "999999999", "x@s1.lab", "--yes"], NOTFOUND, "no held message 999999999"),
    (["bounce", "x", "--yes"], USAGE, ""),
    (["bounce"], USAGE, ""),
    (["redirect", "1", "--yes"], USAGE, "a message id and an address"),
    (["redirect", "1", "x@s1.lab", "y@s1.lab", "--yes"], USAGE, "a message id and an address"),
    (["redirect", "1", "x@s1.lab"], NOTFOUND, ""),
])
def test_what_is_not_understood(lab, arguments, code, said):
    assert said in restante(lab, "queue", *arguments, code=code)


@pytest.mark.parametrize("to, code, said", [
    ("postmaster", USAGE, "domain"),
    ("a b@s1.lab", USAGE, ""),
    ("gr\u00fcn@s1.lab", USAGE, ""),
    ("nobody-here@example.org", NOTFOUND, "nobody-here@example.org"),
])
def test_where_it_cannot_go(lab, to, code, said):
    _, _, number = held(lab)
    assert said in restante(lab, "queue", "redirect", number, to, "--yes", code=code)
    assert lab.milter.held() == 1
    restante(lab, "queue", "delete", number, "--yes")


def test_to_any_address(lab):
    """At once, although its mailbox is held."""
    writer, there = fresh(lab), fresh(lab)
    address, msgid, number = held(lab, sender=writer)
    answer = lab.milter.cli_json("queue", "redirect", number, physical(there), "--yes")
    assert (answer["redirected"], answer["to"]) == (1, physical(there))
    assert arrived(lab, "S1", user_of(there)) == [msgid]
    settled(lab)
    text, = contents(lab, "S1", user_of(there))
    assert b"Subject: lab" in text and b"Return-Path: <%s>" % writer.encode() in text
    assert lab.message_ids("S1", user_of(address)) == []


def test_to_a_mailbox_that_is_held(lab):
    """It is one of its mails then, and waits for it."""
    (one, other), msgid, number = held(lab, 2)
    there = fresh(lab)
    hold(lab, there)
    restante(lab, "queue", "redirect", number, there.upper(), "--recipient", one, "--yes")
    recipients = lab.milter.cli_json("queue", "show", number)["recipients"]
    assert sorted(r["address"] for r in recipients) == sorted([there.upper(), other])
    unhold(lab, one)
    wait_verdict(lab, one, "rewrite")
    unhold(lab, other)
    assert arrived(lab, "S1", user_of(other)) == [msgid]
    assert lab.milter.held() == 1
    unhold(lab, there)
    assert arrived(lab, "S1", user_of(there)) == [msgid]
    assert lab.message_ids("S1", user_of(one)) == []


def test_everybody_to_one(lab):
    """One copy is enough."""
    _, msgid, number = held(lab, 3)
    there = fresh(lab)
    assert "3 recipients" in restante(lab, "queue", "redirect", number, physical(there), "--yes")
    settled(lab)
    assert lab.message_ids("S1", user_of(there)) == [msgid]


class Slow(Sink):
    """Answers the final dot when it is told to."""

    def __init__(self):
        self.asked, self.go = threading.Event(), threading.Event()
        super().__init__(lmtp=False)

    def reply(self, step, address):
        if step == "dot":
            self.asked.set()
            self.go.wait(30)
        return super().reply(step, address)


@contextlib.contextmanager
def listener(lab, port):
    """While it lasts, released mail goes there."""
    lab.milter.configure(release_listener="smtp:127.0.0.1:%d" % port)
    assert lab.milter.ask("reload")["ok"]
    try:
        yield
    finally:
        lab.milter.configure(release_listener="smtp:127.0.0.1:%d" % lab.postfix.release_port)
        assert lab.milter.ask("reload")["ok"]


@pytest.mark.parametrize("verb", [["bounce"], ["redirect", "elsewhere@s1.lab"], ["delete"]])
def test_while_it_is_being_released(lab, verb):
    """It is delivered, or changed; not both."""
    writer = fresh(lab)
    with Slow() as sink, listener(lab, sink.port):
        address, _, number = held(lab, sender=writer)
        unhold(lab, address)
        assert sink.asked.wait(20)
        threading.Timer(0.5, sink.go.set).start()
        command = [verb[0], number] + verb[1:] + ["--yes"]
        assert "no held message" in restante(lab, "queue", *command, code=NOTFOUND)
        wait_for(lambda: lab.milter.held() == 0, 10, "nothing to be held")
        assert [m.recipients[0][0] for m in sink.messages] == [physical(address)]
    settled(lab)
    assert notices(lab, writer) == []


def killed_amid(lab, seed, *command):
    """The milter is killed while the command is under way, or just after; it is back again."""
    worker = threading.Thread(target=lambda: lab.milter.cli(*command, check=False))
    worker.start()
    threading.Event().wait(random.Random(seed).uniform(0, 0.03))
    lab.milter.kill()
    worker.join()
    lab.milter.start()


def numbers_held(lab):
    return {str(message["id"]) for message in lab.milter.cli_json("queue", "list")}


def test_kill_amid_a_bounce(lab):
    """Either it is held still, or the sender has one notice."""
    writer = fresh(lab)
    made = [held(lab, sender=writer) for _ in range(5)]
    with listener(lab, free_port()):  # which is not there: a release cut off may happen twice
        for seed, (_, _, number) in enumerate(made):
            killed_amid(lab, seed, "queue", "bounce", number, "--yes")
        left = numbers_held(lab) & {number for _, _, number in made}
        for number in left:
            restante(lab, "queue", "bounce", number, "--yes")
        assert lab.milter.held() == len(made)  # the notices
    settled(lab)
    texts = notices(lab, writer)
    assert len(texts) == len(made)
    told = b"".join(texts)
    assert all(told.count(b"Final-Recipient: rfc822; " + address.encode()) == 1
               for address, _, _ in made)


def test_kill_amid_a_redirect(lab):
    """All of its recipients are where they were, or all are redirected."""
    there = fresh(lab)
    hold(lab, there)
    made = [held(lab, 3) for _ in range(5)]
    for seed, (addresses, _, number) in enumerate(made):
        killed_amid(lab, 100 + seed, "queue", "redirect", number, there, "--yes")
        recipients = lab.milter.cli_json("queue", "show", number)["recipients"]
        assert {r["address"] for r in recipients} in ({there}, set(addresses))
        assert len(recipients) == 3
    for _, _, number in made:
        restante(lab, "queue", "redirect", number, there, "--yes")
    unhold(lab, there)
    settled(lab)
    assert sorted(lab.message_ids("S1", user_of(there))) == sorted(m for _, m, _ in made)
    for addresses, _, _ in made:
        assert all(lab.message_ids("S1", user_of(address)) == [] for address in addresses)
