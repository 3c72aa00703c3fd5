"""What several system tests need."""

import contextlib
import itertools

from lab.frontdoor import settled  # noqa: F401
from lab.mail import Refused, Smtp, compose
from lab.process import LabError, wait_for

_names = itertools.count(1)


def verdict(lab, address):
    return lab.milter.ask("route", address=address).get("verdict")


def wait_verdict(lab, address, wanted):
    wait_for(lambda: verdict(lab, address) == wanted, 15, "%s to be %s" % (address, wanted))


def fresh(lab, state=None, system="S1", expect=None, **more):
    """A mailbox of this test alone, known to the milter; its access address. Its physical local
    part is that of the address."""
    uid = "box%d" % next(_names)
    lab.slapd.add_mailbox(uid, system, state=state, **more)
    address = more.get("addresses", [uid + "@example.org"])[0]
    expect = expect or {None: "rewrite", "holding": "hold", "deferred": "defer"}[state]
    wait_verdict(lab, address, expect)
    return address


def user_of(address):
    return address.split("@")[0]


def send(lab, recipients, sender="someone@outside.test", port=None, content=None, **more):
    """One message by its own connection; its Message-ID. Refused where it is not accepted."""
    recipients = [recipients] if isinstance(recipients, str) else recipients
    msgid = None
    if content is None:
        msgid, content = compose("undisclosed@example.org")
    smtp = Smtp(port or lab.mta.port)
    try:
        smtp.send(sender, recipients, content, **more)
    finally:
        smtp.quit()
    return msgid


def arrived(lab, system, user, count=1, timeout=20):
    """Waits for that many messages; their Message-IDs in the order of delivery."""
    wait_for(lambda: len(lab.message_ids(system, user)) >= count, timeout,
             "%d messages for %s on %s" % (count, user, system))
    return lab.message_ids(system, user)


def contents(lab, system, user):
    imap = lab.imap(system, user)
    found = [content for _, content in imap.contents()]
    imap.close()
    return found


def rests(lab):
    """No mailbox is on its way out of the hold queue; true of a daemon that is stopped."""
    if lab.milter is None or not lab.milter.running():
        return True
    boxes = lab.milter.ask("status")["release"]["mailboxes"]
    return boxes["runnable"] + boxes["running"] == 0


def left_over(lab, timeout=10):
    """What is still held or queued once what was under way had its time; "" is nothing."""
    def gone():
        return lab.milter.held() == 0 and lab.mta.empty()
    try:
        wait_for(gone, timeout)
    except LabError:
        held = [[r["address"] for r in m["recipients"]] for m in lab.milter.cli_json("queue", "list")]
        return "held for %s, queued: %s" % (held, lab.mta.listing())
    return ""


def clear(lab):
    """Whatever a test left is thrown away, so that the failure of one is not that of all."""
    wait_for(lambda: rests(lab), 30, "the release to rest")
    for message in lab.milter.cli_json("queue", "list"):
        lab.milter.cli("queue", "delete", str(message["id"]), "--yes", check=False)
    if not lab.mta.empty():
        lab.mta.delete()


def hold(lab, address):
    lab.milter.cli("hold", address)
    wait_verdict(lab, address, "hold")


def swap(lab, address, system="S2", physical=None, *more):
    physical = physical or "%s@%s.lab" % (user_of(address), system.lower())
    lab.milter.cli("swap", address, "--system", system, "--to", physical, "--wait", "--yes", *more)


def sunk(lab, msgid, count=1, timeout=20):
    """What the sink of the wide lab got of this message, once it is that many."""
    def found():
        mark = ("Message-ID: %s\r\n" % msgid).encode()
        return [m for m in list(lab.sink.messages) if mark in m.content]
    wait_for(lambda: len(found()) >= count, timeout, "%d copies of %s at the sink" % (count, msgid))
    return found()


def to_sink(lab, state=None, **more):
    """A mailbox whose physical address is at the sink: (access address, physical address)."""
    physical = more.pop("physical", None) or "sunk%d@sink.lab" % next(_names)
    return fresh(lab, state=state, physical=physical, **more), physical


def unhold(lab, address):
    """By the directory, as fresh() held it."""
    dn, _ = lab.slapd.search("(mailLocalAddress=%s)" % address, ["restanteState"])[0]
    lab.slapd.replace(dn, restanteState=None)


def refusal(lab, recipient, **more):
    """(step, code, enhanced status) of a message that is not taken."""
    try:
        send(lab, recipient, **more)
    except Refused as refused:
        return refused.step, refused.code, refused.text.split()[0]
    raise AssertionError("taken: %s" % (recipient,))


def hold_by_hand(lab, address):
    lab.slapd.replace(lab.slapd.mailbox_dn(user_of(address)), restanteState="holding")


def begin(lab, recipients, sender="someone@outside.test"):
    """A connection whose transaction is open up to DATA."""
    smtp = Smtp(lab.mta.port)
    assert smtp.command("MAIL FROM:<%s>" % sender)[0] == 250
    for recipient in recipients:
        assert smtp.command("RCPT TO:<%s>" % recipient)[0] == 250
    return smtp


@contextlib.contextmanager
def configured(lab, **options):
    """While it lasts, restante.conf says so."""
    before = {name: value for name, value in lab.milter.options.items() if name in options}
    lab.milter.configure(**options)
    lab.milter.ask("reload")
    try:
        yield
    finally:
        for name in options:
            del lab.milter.options[name]
        lab.milter.configure(**before)
        lab.milter.ask("reload")
