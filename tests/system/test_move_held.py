"""How many messages were held for a move: told by two front doors to its record, shown by `restante
move`. The mailbox is held for as long as an action of its old system fails."""

import csv
import io
import json
import re

import pytest

from helpers import arrived, send
from lab.control import Control, dirsync_of
from lab.frontdoor import settled
from lab.lab import Lab
from lab.ledger import Ledger, clean
from lab.mail import compose
from lab.process import wait_for
from nodes import everywhere


@pytest.fixture(name="lab", scope="module")
def _lab():
    with Lab(front_doors=2, milter_options={"heartbeat": "500ms"}) as both:
        yield both


@pytest.fixture(scope="module", name="control")
def _control(lab):
    control = Control(lab, scenarios={"held": {"create": "0s", "drain": "5s"}})
    control.load_backends()
    lab.servers.append(dirsync_of(control).start())
    lab.servers.append(control)
    return control.start()


class Sender:
    """Each message is in the ledger, and counted by the front door that took it."""

    def __init__(self, lab):
        self.lab, self.ledger, self.taken = lab, Ledger(), {door.node: 0 for door in lab.doors}

    def send(self, door, *addresses):
        msgid, content = compose(addresses[0])
        record = self.ledger.begin(msgid, addresses[0])
        record.attempt()
        send(door, list(addresses), content=content)
        record.acknowledge()
        self.taken[door.node] += 1
        return content


def record_of(control, name, address, wave):
    return control.record(name, address, restanteMoveScenario="held", restanteMoveWave=wave)


def told(control, dn):
    """What each front door told of it."""
    found = {}
    for value in (control.move(dn) or {}).get("restantemoveheld", []):
        node, messages, _ = value.split()
        found[node] = found.get(node, 0) + int(messages)
    return found


def wait_told(control, dn, wanted):
    wait_for(lambda: told(control, dn) == wanted, 20, "%s to say %s" % (dn, wanted))


def begin_holding(lab, control, *moves):
    """Moves (name, address) that come as far as the redirection of the old mailbox."""
    control.fault({"S1 redirect": "fail"})
    dns = [record_of(control, name, address, "held") for name, address in moves]
    for _, address in moves:
        everywhere(lab, address, "hold")
    return dns


def end_holding(control, *dns):
    control.fault({})
    for dn in dns:
        control.wait_state(dn, 10)


def rows(control):
    text = control.cli("move", "report", "held").stdout.decode()
    return {row["address"]: row["held_messages"] for row in csv.DictReader(io.StringIO(text))}


def test_what_two_front_doors_held(lab, control):
    first, second = lab.doors
    anna, quiet = control.people("held1", "held2")
    both = [anna, "second.held1@example.org"]
    lab.slapd.replace(lab.slapd.mailbox_dn("held1"), mailLocalAddress=both)
    state = control.backend("S1")
    state["mailboxes"]["held1"]["addresses"] = both
    control.put_backend("S1", state)
    everywhere(lab, both[1], "rewrite")
    sender = Sender(lab)
    home = sender.ledger.home("S1", "held1", *both)
    for door in lab.doors:
        sender.send(door, anna)  # before: not held
    arrived(lab, "S1", "held1", 2)
    before = dict(sender.taken)
    held = home.hold()
    dns = begin_holding(lab, control, ("h1", anna), ("h2", quiet))
    for number in range(7):
        sender.send(first if number % 3 else second, anna)
    again = sender.send(second, *both)  # two addresses of one mailbox: one message
    send(second, anna, content=again)   # a repeat: it is not held twice
    end_holding(control, *dns)
    for door in lab.doors:
        settled(door)
    home.moved(("S2", "held1"), held, home.holds[-1][0] + 3600, lab.imap("S1", "held1").uid_next())
    outcome = sender.ledger.settle(lab)
    assert clean(outcome), outcome
    counted = {node: count - before[node] for node, count in sender.taken.items()}
    assert sum(counted.values()) == len(lab.message_ids("S2", "held1")) == 8
    wait_told(control, dns[0], counted)
    # nobody held anything for the other one, and that is known
    assert rows(control) == {anna: "8", quiet: "0"}
    shown = json.loads(control.cli("move", "report", "--format", "json", "held").stdout)
    assert {m["address"]: m["held_messages"] for m in shown["moves"]} == {anna: 8, quiet: 0}
    page = control.cli("move", "report", "--format", "html", "held").stdout.decode()
    names = re.findall("<th>([^<]*)</th>", page)
    cells = {tuple(re.findall("<td>([^<]*)</td>", row)) for row in page.split("<tr")[2:]}
    at, address = names.index("held_messages"), names.index("address")
    assert {cell[address]: cell[at] for cell in cells} == {anna: "8", quiet: "0"}
    assert ", 8 messages" in control.cli("move", "show", anna).stdout.decode()


def test_a_front_door_that_is_killed_while_it_holds(lab, control):
    """What it had counted is in its queue."""
    first, second = lab.doors
    address, = control.people("held3")
    sender = Sender(lab)
    everywhere(lab, address, "rewrite")
    dn, = begin_holding(lab, control, ("h3", address))
    for door in (first, second, second):
        sender.send(door, address)
    second.milter.kill()
    second.milter.start()
    everywhere(lab, address, "hold")
    sender.send(second, address)
    end_holding(control, dn)
    arrived(lab, "S2", "held3", 4)
    wait_told(control, dn, {"front1": 1, "front2": 3})


def test_a_hold_that_no_move_asked_for(lab, control):
    """Neither before the move nor behind it."""
    address, = control.people("held4")
    sender = Sender(lab)
    everywhere(lab, address, "rewrite")
    for hold in ("h4", None):
        lab.milter.cli("hold", address)
        everywhere(lab, address, "hold")
        sender.send(lab.doors[0], address)
        lab.milter.cli("unhold", address)
        everywhere(lab, address, "rewrite")
        settled(lab.doors[0])
        if hold is None:
            continue
        dn, = begin_holding(lab, control, (hold, address))
        for door in lab.doors:
            sender.send(door, address)
        end_holding(control, dn)
        wait_told(control, dn, {"front1": 1, "front2": 1})
    # one more move of another mailbox: what was to be told before it has been
    other, = control.people("held5")
    everywhere(lab, other, "rewrite")
    last, = begin_holding(lab, control, ("h5", other))
    sender.send(lab.doors[0], other)
    end_holding(control, last)
    wait_told(control, last, {"front1": 1})
    assert told(control, dn) == {"front1": 1, "front2": 1}


def test_a_directory_that_does_not_let_it(lab, control):
    """It is tried again; mail does not wait for it."""
    address, = control.people("held6")
    everywhere(lab, address, "rewrite")
    dn, = begin_holding(lab, control, ("h6", address))
    sender = Sender(lab)
    sender.send(lab.doors[0], address)
    control.wait_state(dn, 5)
    with open(lab.slapd.conf) as conf:
        text = conf.read()
    try:
        lab.slapd.stop()
        with open(lab.slapd.conf, "w") as conf:
            conf.write(text.replace("attrs=restanteMoveHeld\n", "attrs=restanteMoveStopped\n"))
        lab.slapd.start()
        end_holding(control, dn)
        arrived(lab, "S2", "held6")
        wait_for(lambda: "is not told for now" in lab.doors[0].milter.log_text(), 20,
                 "the front door to say so")
        assert told(control, dn) == {}
    finally:
        lab.slapd.stop()
        with open(lab.slapd.conf, "w") as conf:
            conf.write(text)
        lab.slapd.start()
    wait_told(control, dn, {"front1": 1})
