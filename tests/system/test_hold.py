"""Hold, fence, swap, release: through the MTA, from S1 to S2, with a ledger."""

import pytest

from helpers import (arrived, contents, fresh, hold, send, settled, swap, user_of, verdict,
                     wait_verdict)
from lab.corpus import without_trace
from lab.lab import Lab
from lab.ledger import Ledger, clean, last_line
from lab.mail import Injector, Refused, compose
from lab.process import wait_for

HELD_SYSTEM = "archive@example.org"


@pytest.mark.brief
def test_held_swapped_released(lab):
    """The thinnest slice: the story of ./quickstart in one message."""
    address = fresh(lab)
    first = send(lab, address)
    arrived(lab, "S1", user_of(address))
    hold(lab, address)
    second = send(lab, address)
    assert lab.milter.held() == 1
    swap(lab, address)
    assert arrived(lab, "S2", user_of(address)) == [second]
    settled(lab)
    assert lab.message_ids("S1", user_of(address)) == [first]
    third = send(lab, address)
    assert arrived(lab, "S2", user_of(address), 2) == [second, third]


def test_hold_and_swap_by_ldapmodify_alone(lab):
    """The directory is the only control plane: no command of ours is needed."""
    address = fresh(lab)
    dn = lab.slapd.mailbox_dn(user_of(address))
    lab.slapd.replace(dn, restanteState="holding")
    wait_verdict(lab, address, "hold")
    msgid = send(lab, address)
    lab.slapd.replace(dn, restanteState=None, restanteSystem="S2",
                      mailRoutingAddress="byhand@s2.lab")
    assert arrived(lab, "S2", "byhand") == [msgid]


def test_unhold_goes_back_to_where_it_was(lab):
    address = fresh(lab)
    hold(lab, address)
    msgid = send(lab, address)
    lab.milter.cli("unhold", address)
    assert arrived(lab, "S1", user_of(address)) == [msgid]


def test_a_held_system_holds_all_of_its_mailboxes():
    with Lab(start=("slapd", "s1", "s2", "s3", "milter", "mta")) as lab:
        msgid = send(lab, HELD_SYSTEM)
        assert lab.milter.held() == 1
        lab.slapd.replace("cn=S3,ou=systems,cn=restante,dc=example,dc=org", restanteState=None)
        assert arrived(lab, "S3", "archive") == [msgid]


@pytest.mark.brief
def test_release_keeps_the_order_of_arrival(lab):
    """As the release listener gets them: what the MTA does with its queue then is its own."""
    address = fresh(lab, state="holding")
    sent = [send(lab, address) for _ in range(40)]
    mark = len(lab.mta.log_text())
    lab.milter.cli("unhold", address)
    arrived(lab, "S1", user_of(address), 40)

    def listed():
        return [m for m in lab.mta.released(lab.mta.log_text()[mark:]) if m in sent]
    wait_for(lambda: len(listed()) >= len(sent), 20, "the mail log to name them all")
    assert listed() == sent


@pytest.mark.brief
def test_held_and_active_recipients_of_one_message(lab):
    active, held = fresh(lab), fresh(lab, state="holding")
    msgid = send(lab, [active, held])
    assert arrived(lab, "S1", user_of(active)) == [msgid]
    assert lab.message_ids("S1", user_of(held)) == []
    lab.milter.cli("unhold", held)
    assert arrived(lab, "S1", user_of(held)) == [msgid]


@pytest.mark.brief
def test_the_subaddress_of_a_held_recipient(lab):
    address = fresh(lab, state="holding")
    user, domain = address.split("@")
    send(lab, "%s+Tag@%s" % (user, domain))
    lab.slapd.replace(lab.slapd.mailbox_dn(user), restanteState=None, restanteSystem="S2",
                      mailRoutingAddress="%s@s2.lab" % user)
    arrived(lab, "S2", user)
    lab.mta.wait_logged(r"to=<%s\+Tag@s2\.lab>" % user)


@pytest.mark.brief
def test_a_repeat_is_held_once(lab):
    """A client that did not get our 250 sends the same again."""
    address, other = fresh(lab, state="holding"), fresh(lab, state="holding")
    msgid, content = compose(address)
    for recipients in ([address], [address], [address, other]):
        send(lab, recipients, content=content)
    for held in (address, other):
        lab.milter.cli("unhold", held)
    settled(lab)
    assert arrived(lab, "S1", user_of(address)) == [msgid]
    assert arrived(lab, "S1", user_of(other)) == [msgid]


def test_without_a_message_id_nothing_is_a_repeat(lab):
    address = fresh(lab, state="holding")
    for _ in range(2):
        send(lab, address, content=b"From: a@b.test\r\nSubject: same\r\n\r\nsame\r\n")
    lab.milter.cli("unhold", address)
    assert len(arrived(lab, "S1", user_of(address), 2)) == 2


def test_a_swap_that_is_not_held_is_refused(lab):
    address = fresh(lab)
    done = lab.milter.cli("swap", address, "--system", "S2", "--to", "x@s2.lab", check=False)
    assert done.returncode == 4
    assert verdict(lab, address) == "rewrite"
    assert lab.slapd.read(lab.slapd.mailbox_dn(user_of(address)))["restantesystem"] == ["S1"]


def test_swap_to_nonsense_is_refused(lab):
    address = fresh(lab, state="holding")
    for system, physical in (("S9", "x@s2.lab"), ("S2", "x@example.org"), ("S2", "nonsense")):
        done = lab.milter.cli("swap", address, "--system", system, "--to", physical, "--wait",
                              "--yes", check=False)
        assert done.returncode != 0, (system, physical)
        assert done.stderr
    entry = lab.slapd.read(lab.slapd.mailbox_dn(user_of(address)))
    assert entry["restantesystem"] == ["S1"]


def test_the_source_id_of_a_swap(lab):
    address = fresh(lab)
    dn = lab.slapd.mailbox_dn(user_of(address))
    hold(lab, address)
    swap(lab, address, "S2", None, "--id", "new-7")
    assert lab.slapd.read(dn)["restantesourceid"] == ["new-7"]
    hold(lab, address)
    swap(lab, address, "S1")
    assert "restantesourceid" not in lab.slapd.read(dn)


# --- the queue by the command ------------------------------------------------------------------

def test_queue_commands(lab):
    address, other = fresh(lab, state="holding"), fresh(lab, state="holding")
    msgid, content = compose(address)
    send(lab, [address, other], content=content, sender="me@outside.test")
    listed = lab.milter.cli_json("queue", "list", address)
    message = (listed["messages"] if isinstance(listed, dict) else listed)[0]
    number = str(message["id"])
    assert message["sender"] == "me@outside.test"
    shown = lab.milter.cli("queue", "show", number).stdout.decode()
    assert address in shown and other in shown
    raw = lab.milter.cli("queue", "cat", number).stdout
    assert raw.replace(b"\r\n", b"\n").endswith(content.replace(b"\r\n", b"\n"))
    lab.milter.cli("queue", "delete", number, "--recipient", other, "--yes")
    for held in (address, other):
        lab.milter.cli("unhold", held)
    settled(lab)
    assert arrived(lab, "S1", user_of(address)) == [msgid]
    assert lab.message_ids("S1", user_of(other)) == []


# --- bytes -------------------------------------------------------------------------------------

TRICKY = {
    "plain": compose("x@example.org")[1],
    "8bit": b"Subject: caf\xc3\xa9\r\nX: \xff\xfe\r\n\r\n\xe4\xf6\xfc\r\n",
    "folded": b"Subject: a\r\n\tb\r\n  c\r\nX-Trailing: x  \r\nx-lower:nospace\r\n\r\nbody\r\n",
    "dots": b"Subject: dots\r\n\r\n.\r\n..\r\n...x\r\n.end\r\n",
    "no header": b"\r\nno header at all\r\n",
    "no body": b"Subject: nothing\r\n\r\n",
    "empty lines": b"Subject: e\r\n\r\n\r\n\r\n\r\n",
    "received": b"Received: from a by b; Thu, 1 Jan 2026 00:00:00 +0000\r\nSubject: r\r\n\r\nr\r\n",
    "long line": b"Subject: l\r\n\r\n" + b"x" * 5000 + b"\r\nend\r\n",
    "large": b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 4 * 3000 + b"\r\n",
    "many headers": b"".join(b"X-H%d: v\r\n" % n for n in range(400)) + b"\r\nb\r\n",
}


@pytest.fixture(scope="module")
def comparing():
    """The same MTA twice: with restante-milter, and by another port with one that does nothing."""
    lab = Lab(start=())
    lab.make(("slapd", "s1", "s2", "milter", "null", "mta"))
    lab.null_port = lab.mta.add_null_front()
    try:
        for server in lab.servers:
            server.start()
        yield lab
    finally:
        lab.close()


@pytest.mark.brief
@pytest.mark.parametrize("kind", sorted(TRICKY))
def test_held_mail_is_the_same_byte_for_byte(comparing, kind):
    lab = comparing
    address = fresh(lab, state="holding")
    reference = "ref-" + user_of(address)
    send(lab, address, content=TRICKY[kind])
    send(lab, reference + "@s1.lab", content=TRICKY[kind], port=lab.null_port)
    lab.milter.cli("unhold", address)
    arrived(lab, "S1", user_of(address))
    arrived(lab, "S1", reference)
    ours = without_trace(contents(lab, "S1", user_of(address))[0])
    theirs = without_trace(contents(lab, "S1", reference)[0])
    if kind == "no separator":
        # with neither separator nor body: to a milter it looks like an empty body with one
        theirs += b"\r\n"
    assert ours == theirs


def test_a_header_that_does_not_end_gets_its_empty_line(lab):
    """An MTA tells a milter of a message without the line between header and body just what it
    tells of one with an empty body: the one difference that no milter can know of."""
    address = fresh(lab, state="holding")
    send(lab, address, content=b"Subject: nothing\r\n")
    lab.milter.cli("unhold", address)
    arrived(lab, "S1", user_of(address))
    assert without_trace(contents(lab, "S1", user_of(address))[0]) == b"Subject: nothing\r\n\r\n"


@pytest.mark.brief
def test_a_signature_verifies_after_hold_and_release(lab):
    """DKIM, simple/simple: any change to header or body would show."""
    import dkim
    key, public = keypair()
    address = fresh(lab, state="holding")
    content = compose(address)[1]
    signature = dkim.sign(content, b"sel", b"sender.test", key, include_headers=[
        b"from", b"to", b"subject", b"date", b"message-id"], canonicalize=(b"simple", b"simple"))
    send(lab, address, content=signature.replace(b"\n", b"\r\n").replace(b"\r\r", b"\r") + content)
    lab.slapd.replace(lab.slapd.mailbox_dn(user_of(address)), restanteState=None,
                      restanteSystem="S2", mailRoutingAddress=user_of(address) + "@s2.lab")
    arrived(lab, "S2", user_of(address))
    received = contents(lab, "S2", user_of(address))[0]

    def dns(name, timeout=5):
        return b"v=DKIM1; k=rsa; p=" + public
    assert dkim.verify(received, dnsfunc=dns)
    assert not dkim.verify(received.replace(b"quick", b"quack", 1), dnsfunc=dns)


def keypair():
    """(private key in PEM, public key in base64), made by openssl(1)."""
    import base64
    from lab.process import run
    key = run(["openssl", "genrsa", "-traditional", "2048"]).stdout
    public = run(["openssl", "rsa", "-pubout", "-outform", "DER"], stdin=key).stdout
    return key, base64.b64encode(public)


# --- trouble -----------------------------------------------------------------------------------

def test_held_mail_survives_kill_and_restart():
    with Lab() as lab:
        address = fresh(lab, state="holding")
        sent = [send(lab, address) for _ in range(10)]
        lab.milter.kill()
        lab.milter.start()
        assert lab.milter.held() == 10
        assert lab.message_ids("S1", user_of(address)) == []
        lab.milter.restart()
        assert lab.milter.held() == 10
        lab.milter.cli("unhold", address)
        assert sorted(arrived(lab, "S1", user_of(address), 10)) == sorted(sent)


def test_release_waits_while_its_listener_is_down():
    with Lab() as lab:
        address = fresh(lab, state="holding")
        sent = [send(lab, address) for _ in range(5)]
        lab.mta.stop()
        lab.milter.cli("unhold", address)
        wait_verdict(lab, address, "rewrite")
        wait_for(lambda: lab.milter.ask("status")["release"].get("listener_trouble"), 15,
                 "the trouble to show in status")
        assert lab.milter.held() == 5
        lab.mta.start()
        assert sorted(arrived(lab, "S1", user_of(address), 5)) == sorted(sent)
        settled(lab)


def test_a_full_hold_queue_is_said_at_rcpt():
    with Lab(milter_options={"mailbox_bytes": "20K"}) as lab:
        address = fresh(lab, state="holding")
        big = compose(address, size=15000)[1]
        send(lab, address, content=big)
        with pytest.raises(Refused) as caught:
            for _ in range(3):
                send(lab, address, content=compose(address, size=15000)[1])
        assert caught.value.code == 452 and caught.value.text.startswith("4.3.1")
        assert lab.milter.held() < 3


def test_a_vanished_mailbox_keeps_its_held_mail(lab):
    address = fresh(lab, state="holding")
    dn = lab.slapd.mailbox_dn(user_of(address))
    before = lab.milter.held()
    msgid = send(lab, address)
    lab.slapd.modify("dn: %s\nchangetype: delete\n" % dn)
    wait_verdict(lab, address, "tryagain")
    assert lab.milter.held() == before + 1
    number = [m["id"] for m in held_messages(lab) if m["recipients"][0]["address"] == address]
    assert number, msgid
    wait_for(lambda: lab.milter.ask("queue.show", id=number[0])["recipients"][0]["waits"] ==
             "vanished", 10, "it to be known as nobody's")
    assert b"vanished from the directory" in lab.milter.cli("status", check=False).stdout
    lab.milter.cli("queue", "delete", str(number[0]), "--yes")


def test_what_was_held_for_a_vanished_mailbox_is_not_for_the_catch_all():
    """The catch-all takes what comes for its address from now on."""
    with Lab(milter_options={"vanish_grace": "0s"}) as lab:
        address = "gone@example.net"
        fresh(lab, state="holding", addresses=[address])
        held = send(lab, address)
        dn, entry = lab.slapd.search("(mailLocalAddress=%s)" % address, ["entryUUID"])[0]
        lab.slapd.modify("dn: %s\nchangetype: delete\n" % dn)
        wait_verdict(lab, address, "rewrite")
        wait_for(lambda: "address is nobody's now stays held mailbox=%s uuid=%s" % (
            address, entry["entryuuid"][0]) in lab.milter.log_text(), 15, "the warning")
        later = send(lab, address)
        assert later in arrived(lab, "S1", "catchall")
        assert held not in lab.message_ids("S1", "catchall")
        assert lab.milter.held() == 1
        fresh(lab, addresses=[address], physical="again@s2.lab")
        assert arrived(lab, "S2", "again") == [held]


@pytest.mark.postfix
def test_a_subaddress_that_is_too_long_keeps_nobody_waiting(lab):
    """Anybody can send such a message: it stays held, the mailbox is released."""
    physical = "u" * 60 + "@s2.lab"
    address = fresh(lab, state="holding", physical=physical)
    user, domain = address.split("@")
    before = lab.milter.held()
    send(lab, "%s+%s@%s" % (user, "d" * (505 - len(address)), domain))
    second = send(lab, address)
    assert lab.milter.held() == before + 2
    lab.milter.cli("unhold", address)
    assert arrived(lab, "S2", "u" * 60) == [second]
    number = [m["id"] for m in held_messages(lab) if "+ddd" in m["recipients"][0]["address"]]
    lab.milter.cli("queue", "delete", str(number[0]), "--yes")


def held_messages(lab):
    listed = lab.milter.cli_json("queue", "list")
    return listed["messages"] if isinstance(listed, dict) else listed


def test_a_move_under_load_balances():
    """What ./quickstart shows, with three moves one after the other and a rollback among them."""
    with Lab() as lab:
        ledger = Ledger()
        addresses = [fresh(lab) for _ in range(4)]
        homes = {a: ledger.home("S1", user_of(a), a) for a in addresses}
        injector = Injector(lab.mta.port, addresses, ledger, rate=60).start()
        try:
            for address in addresses[:3]:
                move_one(lab, address, homes[address], "S2")
            move_one(lab, addresses[0], homes[addresses[0]], "S1")
            hold(lab, addresses[3])
            wait_for(lambda: lab.milter.held() > 3, 15, "mail to be held")
            lab.milter.cli("unhold", addresses[3])
        finally:
            injector.stop()
        settled(lab)
        outcome = ledger.settle(lab)
        assert clean(outcome), (last_line(outcome), outcome)


def move_one(lab, address, home, system):
    home.hold()
    hold(lab, address)
    wait_for(lambda: lab.milter.held() > 3, 15, "mail to be held")
    swap(lab, address, system)
    home.swapped(lab, (system, user_of(address)))
