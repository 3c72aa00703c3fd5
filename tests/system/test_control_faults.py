"""restante-control: what each action of a backend can do wrong, and going back from each state. Many
moves at once, each of its own mailbox."""

import calendar
import os
import time

import pytest

from lab.control import Control, begin, where
from lab.lab import Lab
from lab.mail import Smtp, compose
from lab.process import wait_for
from lab.slapd import FEDERATION

SCENARIOS = {"closing": {"create": "0s", "close": True, "drain": "5s"},
             "waiting": {"create": "-3650d"}}
# action on a system -> the state that a move stays in while it fails
STEPS = {"S2 create": 0, "S2 redirect": 0, "S2 addresses": 1, "S2 list": 4, "S2 unredirect": 5,
         "S1 redirect": 5, "S1 close": 6}
KINDS = ("fail", "refuse", "hang", "garbage", "vain")
SAYS = {"fail": "is not reached", "refuse": "refuses", "hang": "time_limit",
        "garbage": "is not understood", "vain": "its check still says"}


@pytest.fixture(scope="module", name="lab")
def _lab():
    with Lab() as lab:
        yield lab


@pytest.fixture(scope="module", name="control")
def _control(lab):
    control = Control(lab, scenarios=SCENARIOS, options={"workers": 24},
                      actions={"time_limit": "5s"})
    return begin(control)


def record_all(control, cases, **attributes):
    """cases: name -> fault key and kind, or None; a move for each, with its fault in place."""
    addresses = dict(zip(cases, control.people(*cases)))
    control.fault({"%s %s" % (case[0], addresses[name]): case[1]
                   for name, case in cases.items() if case})
    return {name: control.record("m-" + name, addresses[name],
                                 restanteMoveScenario="closing", **attributes) for name in cases}


@pytest.mark.long
def test_every_action_every_fault(lab, control):
    """What failed is tried again, what was refused waits for a retry; each is done once."""
    cases = {"%s-%s" % (key.replace(" ", "-").lower(), kind): (key, kind)
             for key in STEPS for kind in KINDS if (key, kind) != ("S2 list", "vain")}
    moves = record_all(control, cases)
    for name, dn in moves.items():
        key, kind = cases[name]
        wait_for(lambda: SAYS[kind] in control.one(dn, "restanteMoveError"), 60,
                 "the error of %s, not %s" % (name, control.move(dn)))
        assert control.state(dn) == STEPS[key]
        stopped = control.one(dn, "restanteMoveStopped") == "TRUE"
        assert stopped == (kind in ("refuse", "garbage")), name
    control.fault({})
    for name, dn in moves.items():
        if cases[name][1] in ("refuse", "garbage"):
            control.request(dn, "retry")
    for name, dn in moves.items():
        control.wait_state(dn, 10, 60)
        assert control.one(dn, "restanteMoveError") == ""
        assert where(lab, name) == ("S2", name + "@s2.lab", "active")
    assert set(control.effects().values()) == {1}


# from there back; unclear: whether the step that was begun had its effect
BACK = {"from-0": ("S2 create", "fail"), "from-1": ("S2 addresses", "fail"),
        "from-4": ("S2 list", "fail"), "from-5": ("S2 unredirect", "fail"),
        "from-5-turned": ("S1 redirect", "fail"), "from-5-unclear": ("S1 redirect", "vain"),
        "from-6": ("S1 close", "fail"), "from-10": None}
STATES = {"from-0": 0, "from-1": 1, "from-4": 4, "from-5": 5, "from-5-turned": 5,
          "from-5-unclear": 5, "from-6": 6, "from-10": 10}


def test_a_few_faults(lab, control):
    """As above, the cheap ones."""
    cases = {"few-fail": ("S2 create", "fail"), "few-refuse": ("S2 addresses", "refuse")}
    moves = record_all(control, cases)
    wait_for(lambda: "is not reached" in control.one(moves["few-fail"], "restanteMoveError"), 30,
             "the error to be shown")
    assert "refuses" in control.wait_stopped(moves["few-refuse"])
    control.fault({})
    control.request(moves["few-refuse"], "retry")
    for dn in moves.values():
        control.wait_state(dn, 10, 60)
    assert set(control.effects().values()) == {1}


def test_back_from_each_state(lab, control):
    """Address, redirections and access addresses are as before, the second mailbox is gone."""
    moves = record_all(control, BACK)
    for name, dn in moves.items():
        control.wait_state(dn, STATES[name], 60)
        if BACK[name]:
            wait_for(lambda: control.one(dn, "restanteMoveError"), 60, "the error of " + name)
    for dn in moves.values():
        control.request(dn, "rollback")
    control.fault({})
    for name, dn in moves.items():
        wanted = "cancelled" if STATES[name] < 4 else "rolled back"
        control.wait_outcome(dn, wanted, 60)
        assert control.one(dn, "restanteMoveError") == "", name
        assert where(lab, name) == ("S1", name + "@s1.lab", "active"), name
        old = control.backend("S1")["mailboxes"][name]
        assert (old["redirect"], old["closed"]) == ("", False), name
        assert old["addresses"] == [name + "@example.org"]
        assert name not in control.backend("S2")["mailboxes"], name


def test_mail_in_the_second_mailbox_needs_a_word(lab, control):
    moves = record_all(control, {"resting": None})
    dn = moves["resting"]
    control.wait_state(dn, 10, 60)
    client = Smtp(lab.mta.port)
    client.send("sender@outside.test", ["resting@example.org"],
                compose("resting@example.org")[1])
    client.quit()
    wait_for(lambda: lab.message_ids("S2", "resting"), 20, "mail in the second mailbox")
    control.request(dn, "rollback")
    wait_for(lambda: "mail is in the second mailbox" in control.one(dn, "restanteMoveError"), 30,
             "the refusal")
    assert where(lab, "resting") == ("S2", "resting@s2.lab", "active")
    assert control.state(dn) == 10 and control.one(dn, "restanteMoveStopped") == ""
    control.request(dn, "rollback leave-mail")
    control.wait_outcome(dn, "rolled back", 60)
    assert "was not deleted: mail is in it" in control.one(dn, "restanteMoveError")
    assert where(lab, "resting") == ("S1", "resting@s1.lab", "active")
    assert control.backend("S2")["mailboxes"]["resting"]["redirect"] == "resting@s1.lab"


@pytest.mark.long
def test_the_mailbox_is_deleted_by_hand(lab, control):
    """Before state 4 the move ends and takes the second mailbox along; later it stops."""
    moves = record_all(control, {"gone-early": ("S2 addresses", "fail"),
                                 "gone-late": ("S2 list", "fail")})
    control.wait_state(moves["gone-early"], 1, 60)
    control.wait_state(moves["gone-late"], 4, 60)
    for name in moves:
        lab.slapd.modify("dn: %s\nchangetype: delete\n" % lab.slapd.mailbox_dn(name))
    control.fault({})
    control.wait_outcome(moves["gone-early"], "ended", 60)
    assert "gone from the directory" in control.one(moves["gone-early"], "restanteMoveError")
    assert "gone-early" not in control.backend("S2")["mailboxes"]
    assert "gone from the directory" in control.wait_stopped(moves["gone-late"])
    control.request(moves["gone-late"], "rollback")
    control.wait_outcome(moves["gone-late"], "rolled back", 60)
    assert "gone-late" not in control.backend("S2")["mailboxes"]


@pytest.mark.long
def test_the_mailbox_is_changed_by_hand(lab, control):
    """Swapped elsewhere, or released while it is held."""
    moves = record_all(control, {"elsewhere": ("S2 list", "fail"),
                                 "released": ("S1 redirect", "fail")})
    control.wait_state(moves["elsewhere"], 4, 60)
    control.wait_state(moves["released"], 5, 60)
    lab.slapd.replace(lab.slapd.mailbox_dn("elsewhere"), mailRoutingAddress="else@s1.lab")
    lab.slapd.replace(lab.slapd.mailbox_dn("released"), restanteState="active")
    control.fault({})
    assert "somebody changed it" in control.wait_stopped(moves["elsewhere"])
    assert where(lab, "elsewhere") == ("S1", "else@s1.lab", "active")
    control.wait_state(moves["released"], 10, 60)
    assert where(lab, "released") == ("S2", "released@s2.lab", "active")


@pytest.mark.long
def test_directory_gone_in_the_middle(lab, control):
    moves = record_all(control, {"dark-%d" % n: ("S2 list", "fail") for n in range(3)})
    for dn in moves.values():
        control.wait_state(dn, 4, 60)
    lab.slapd.stop()
    control.fault({})
    wait_for(lambda: "not followed for now" in control.log_text(), 20, "the trouble to be seen")
    lab.slapd.start()
    for name, dn in moves.items():
        control.wait_state(dn, 10, 90)
        assert where(lab, name) == ("S2", name + "@s2.lab", "active")


def test_directory_gone_for_longer_than_the_lease(lab, control):
    """Who was held when it went is not forgotten when it is back."""
    moves = record_all(control, {"long-%d" % n: ("S1 redirect", "fail") for n in range(3)})
    for dn in moves.values():
        control.wait_state(dn, 5, 60)
    lab.slapd.stop()
    wait_for(lambda: control.ask("status")["term"] == 0, 60, "the lease to lapse")
    time.sleep(2)  # what falls due without a leader, does so
    control.fault({})
    lab.slapd.start()
    for name, dn in moves.items():
        control.wait_state(dn, 10, 90)
        assert where(lab, name) == ("S2", name + "@s2.lab", "active")


def test_a_directory_that_was_started_anew(lab, control):
    """Whoever finds its connection ended opens another one; no move has an error for that."""
    for dn in record_all(control, {"warm%d" % n: None for n in range(6)}).values():
        control.wait_state(dn, 10, 60)
    lab.slapd.stop()
    lab.slapd.start()
    mark = len(control.log_text())
    wait_for(lambda: not control.ask("status")["trouble"] and control.ask("status")["term"] > 0,
             30, "the directory to be followed")
    moves = record_all(control, {"anew%d" % n: None for n in range(6)})
    for dn in moves.values():
        control.wait_state(dn, 10, 60)
    assert "a step failed" not in control.log_text()[mark:]


def test_front_door_that_never_acknowledges(lab, control):
    """It stops the move, not the mail of others; it is shown who; the administrator disables it."""
    lab.slapd.modify("dn: cn=frontx,ou=nodes,cn=restante,dc=example,dc=org\nchangetype: add\n"
                     "objectClass: restanteNode\nobjectClass: simpleSecurityObject\ncn: frontx\n"
                     "restanteNodeState: enabled\nuserPassword: x\n", "root")
    moves = record_all(control, {"fenced": None})
    wait_for(lambda: "frontx" in control.one(moves["fenced"], "restanteMoveError"), 30,
             "the front door to be named")
    assert control.state(moves["fenced"]) == 4
    assert where(lab, "fenced") == ("S1", "fenced@s1.lab", "holding")
    lab.slapd.replace("cn=frontx,ou=nodes,cn=restante,dc=example,dc=org", "root",
                      restanteNodeState="disabled")
    control.wait_state(moves["fenced"], 10, 60)
    assert control.one(moves["fenced"], "restanteMoveError") == ""


def test_a_wrong_place_for_the_second_mailbox(lab, control):
    """Nothing physical lies in a federated domain, and none is of two mailboxes."""
    cases = {"federated": ("S2 create", "tell x@example.net"),
             "twice": ("S2 create", "tell carla@s2.lab")}
    says = {"federated": "in a federated domain", "twice": "which is that of uid=carla,"}
    moves = record_all(control, cases)
    for name, dn in moves.items():
        assert says[name] in control.wait_stopped(dn)
        assert control.state(dn) == 0
    control.fault({})
    for name, dn in moves.items():
        control.request(dn, "retry")
        control.wait_state(dn, 10, 60)
        assert where(lab, name) == ("S2", name + "@s2.lab", "active")


def test_a_mailbox_with_a_catch_all(lab, control):
    """It is of the front doors; no backend lists it."""
    dn = lab.slapd.mailbox_dn("catcher")
    control.people("catcher")
    lab.slapd.replace(dn, mailLocalAddress=["catcher@example.org", "@xn--bcher-kva.example"])
    move = control.record("m-catcher", "catcher@example.org")
    control.wait_state(move, 10, 60)
    assert where(lab, "catcher")[0] == "S2"


def test_up_sync_that_fails_is_told_until_it_succeeds(lab, control):
    """Each refusal is asked about again, later and later; the error does not come and go."""
    moves = record_all(control, {"unsynced": ("S2 addresses", "fail")})
    wait_for(lambda: "is not reached" in control.one(moves["unsynced"], "restanteMoveError"), 30,
             "the move to come to its up syncs")
    control.people(*("native%d" % number for number in range(6)), system="S2")
    before = control.backend("S2")
    own = {"unsynced": before["mailboxes"]["unsynced"]}
    control.put_backend("S2", {"mailboxes": own, "contacts": {}})  # so many never go unasked
    control.fault({})
    try:
        wait_for(lambda: "the up sync failed: S2: " in control.one(moves["unsynced"],
                                                                   "restanteMoveError"),
                 60, "the sync's outcome to be told")
        waits = set()
        until = time.monotonic() + 4
        while time.monotonic() < until:
            assert "the up sync failed: S2: " in control.one(moves["unsynced"], "restanteMoveError")
            waits.add(control.one(moves["unsynced"], "restanteMoveWaits"))
        assert 1 < len(waits) < 12
    finally:
        before["mailboxes"].update(control.backend("S2")["mailboxes"])
        control.put_backend("S2", before)
    control.wait_state(moves["unsynced"], 10, 60)
    assert control.one(moves["unsynced"], "restanteMoveError") == ""


def test_stopped_while_front_doors_are_waited_for(lab, control):
    """What was done is kept back for the next write; at an orderly end it is recorded, and its claim
    given back, so that the next controller need not wait until it cannot run any more."""
    lab.slapd.modify("dn: cn=frontz,ou=nodes,cn=restante,dc=example,dc=org\nchangetype: add\n"
                     "objectClass: restanteNode\nobjectClass: simpleSecurityObject\ncn: frontz\n"
                     "restanteNodeState: enabled\nuserPassword: x\n", "root")
    try:
        dn = record_all(control, {"kept": None})["kept"]
        wait_for(lambda: where(lab, "kept")[2] == "holding", 30, "the hold")
        wait_for(lambda: control.ask("status")["fencing"] > 0, 30, "the fence to be waited for")
        control.stop()
        move = control.move(dn)
        control.start()
    finally:
        lab.slapd.replace("cn=frontz,ou=nodes,cn=restante,dc=example,dc=org", "root",
                          restanteNodeState="disabled")
    assert "hold" in [value.split()[0] for value in move["restantemovedone"]]
    assert move["restantemovework"][0].split()[1] == "-"
    control.wait_state(dn, 10, 60)


def instant(seconds):
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + seconds))


@pytest.mark.parametrize("days", [-1, 1])
def test_a_controller_whose_clock_is_off(lab, control, days):
    """Instants are judged by the directory's clock."""
    control.stop()
    control.turned = os.path.join(lab.dir, "turned")
    with open(control.turned, "w") as out:
        out.write(str(days * 86400))
    control.start()
    try:
        names = ["%s%d" % (name, days + 1) for name in ("soon", "not-yet")]
        addresses = control.people(*names)
        soon = control.record("m-" + names[0], addresses[0], restanteMoveInstant=instant(2))
        later = control.record("m-" + names[1], addresses[1], restanteMoveInstant=instant(3600))
        control.wait_state(soon, 10, 60)
        assert control.state(later) == 0
        control.request(later, "cancel")
        control.wait_outcome(later, "cancelled")
    finally:
        control.stop()
        control.turned = None
        control.start()


def test_a_clock_that_is_turned_while_it_runs(lab, control):
    """Nothing begins sooner, nobody's lease lapses; the lease ends by the directory's clock."""
    control.stop()
    control.turned = os.path.join(lab.dir, "turned")

    def turn(hours):
        with open(control.turned + ".new", "w") as out:
            out.write(str(hours * 3600))
        os.rename(control.turned + ".new", control.turned)
    turn(0)
    control.configure(lease="60s")
    control.start()
    wait_for(lambda: control.ask("status")["term"] > 0, 60, "it to lead")
    try:
        names = ["turned", "turned-later"]
        addresses = control.people(*names)
        term = control.ask("status")["term"]
        later = control.record("m-later", addresses[1], restanteMoveInstant=instant(3600))
        control.wait_state(later, 0)
        for number, hours in enumerate((5, -5)):
            turn(hours)
            control.request(later, "pause")
            wait_for(lambda: control.ask("status")["paused"] == 1, 20, "it to be looked at")
            control.request(later, "resume")
            wait_for(lambda: not control.one(later, "restanteMoveRequest"), 20, "the answer")
            dn = control.record("m-turned%d" % number, addresses[0],
                                ("S2", "S1")[number], restanteMoveInstant=instant(1))
            control.wait_state(dn, 10, 60)
            assert control.state(later) == 0
            assert not control.one(later, "restanteMoveWork").count("create")
        assert control.ask("status")["term"] == term
        control.request(later, "cancel")
        control.wait_outcome(later, "cancelled")
        control.configure(lease="2s")
        control.restart()

        def ends():
            text = lab.slapd.read(FEDERATION)["restanteleaseexpiry"][0]
            return calendar.timegm(time.strptime(text, "%Y%m%d%H%M%SZ")) - time.time()
        wait_for(lambda: abs(ends()) < 60, 30, "an end of the lease that others can read")
    finally:
        control.stop()
        control.turned = None
        control.configure(lease="2s")
        control.start()


@pytest.mark.long
def test_no_more_actions_on_a_system_than_it_may_have(lab, control):
    """Four moves whose second mailbox takes its time; one at a time is made. By its programs: what a
    record says of a claim that is over is written after the next one has begun."""
    control.actions = {**control.actions, "concurrency": 1, "time_limit": "1s"}
    control.configure()
    control.reload()
    wait_for(lambda: "reloaded" in control.log_text().rsplit("ready holder", 1)[1], 20, "the reload")
    moves = record_all(control, {"crowd%d" % n: ("S2 create", "hang") for n in range(4)})
    addresses, seen = {name + "@example.org" for name in moves}, set()

    def at_work():
        now = control.hanging() & addresses
        assert len(now) <= 1
        seen.update(now)
        return len(seen) >= 2
    try:
        wait_for(at_work, 30, "two of them to be tried")
    finally:
        control.fault({})
        control.actions = {"time_limit": "5s"}
        control.configure()
        control.reload()
    for dn in moves.values():
        control.wait_state(dn, 10, 60)
