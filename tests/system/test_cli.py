"""The restante command on a real directory; the front doors are played by the test, so that each
answer of theirs can be had, and its control socket answers what a test says."""

import json
import os
import pty
import select
import socket
import subprocess
import threading
import time

import pytest

from lab.lab import Lab
from lab.milter import conf_section
from lab.process import run, wait_for
from lab.slapd import BASE, FEDERATION, IDENTITIES

DONE, FAILED, USAGE, NOTFOUND, REFUSED, DIRECTORY, MILTER, CONFIG = 0, 1, 2, 3, 4, 5, 6, 78
FRONT1 = IDENTITIES["front1"]
SYSTEMS = "ou=systems," + FEDERATION


class FrontDoor(threading.Thread):
    """Acknowledges each epoch as a front door would; `acks`, `drains` and `undrained` say how."""

    def __init__(self, slapd, dn=FRONT1, acks=True, drains=True, undrained=()):
        super().__init__(daemon=True)
        self.slapd, self.dn = slapd, dn
        self.acks, self.drains, self.undrained = acks, drains, list(undrained)
        self.on_epoch = None  # called once with each new epoch, before it is acknowledged
        self.stopping = threading.Event()
        self.seen = epoch_of(slapd)

    def run(self):
        while not self.stopping.wait(0.02):
            epoch = epoch_of(self.slapd)
            if epoch == self.seen:
                continue
            self.seen = epoch
            if self.on_epoch:
                self.on_epoch(epoch)
            self.answer()

    def answer(self):
        values = {}
        if self.acks:
            values["restanteAckEpoch"] = str(self.seen)
        if self.acks and self.drains:
            values["restanteDrainedEpoch"] = str(self.seen)
            values["restanteUndrained"] = self.undrained
        if values:
            self.slapd.replace(self.dn, **values)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, value, traceback):
        self.stopping.set()
        self.join()


def epoch_of(slapd):
    return int(slapd.read(FEDERATION, ["restanteEpoch"]).get("restanteepoch", ["0"])[0])


class Command:
    """`restante` with a configuration of its own."""

    def __init__(self, lab, **cli):
        self.binary = os.path.join(lab.build, "restante")
        self.dir = lab.dir
        self.control = os.path.join(lab.dir, "control.sock")
        self.conf = os.path.join(lab.dir, "cli.conf")
        self.slapd = lab.slapd
        self.write(**cli)

    def write(self, uri=None, **cli):
        uri = uri or self.slapd.uri
        sections = {
            "ldap": {"uri": uri, "write_uri": uri, "base": BASE, "bind": "simple",
                     "bind_dn": FRONT1, "password_file": self.slapd.password_file("front1"),
                     "timeout": "2s"},
            "milter": {"node": "front1", "heartbeat": "1s"},
            "cli": {"control_socket": self.control, "bind_dn": IDENTITIES["operator"],
                    "password_file": self.slapd.password_file("operator"),
                    "swap_timeout": "1s", "wait_timeout": "5s", **cli}}
        with open(self.conf, "w") as conf:
            conf.write("".join(conf_section(name, keys) for name, keys in sections.items()))

    def __call__(self, *arguments, code=DONE):
        done = run([self.binary, "-c", self.conf] + list(arguments), check=False)
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done

    def json(self, *arguments, code=DONE):
        return json.loads(self(*arguments, "--json", code=code).stdout)

    def error(self, *arguments, code):
        """The one line on standard error."""
        lines = self(*arguments, code=code).stderr.decode().splitlines()
        assert len(lines) == 1 and lines[0].startswith("restante: "), lines
        return lines[0]


@pytest.fixture(scope="module")
def small():
    with Lab(start=("slapd",)) as lab:
        yield lab


@pytest.fixture()
def slapd(small):
    return small.slapd


@pytest.fixture()
def restante(small):
    return Command(small)


COUNTER = iter(range(1, 1000))


@pytest.fixture()
def box(slapd):
    """(dn, address, physical) of a mailbox of this test's own, on S1."""
    uid = "box%d" % next(COUNTER)
    dn = slapd.add_mailbox(uid)
    yield dn, uid + "@example.org", uid + "@s1.lab"
    slapd.modify("dn: %s\nchangetype: delete\n" % dn)


def state_of(slapd, dn):
    return slapd.read(dn, ["restanteState"]).get("restantestate", [""])[0]


# --- the command line --------------------------------------------------------------------------

def test_usage(restante):
    assert b"swap" in restante("help").stdout
    assert b"--force" in restante("help", "swap").stdout
    assert b"queue release" in restante("help", "queue").stdout
    assert b"--to" in restante("swap", "--help").stdout
    assert restante("--version").stdout.startswith(b"restante ")
    restante(code=USAGE)
    restante("queue", code=USAGE)
    for arguments in (["frobnicate"], ["--frob", "status"], ["hold"], ["route"], ["-c"],
                      ["swap", "a@example.org"], ["swap", "--system"], ["hold", "--wait", "a@b"],
                      ["queue", "show", "x"], ["queue", "show"], ["queue", "release"],
                      ["queue", "list", "--limit", "x"], ["queue", "list", "--limit", "-1"],
                      ["swap", "a@b", "--system", "S1", "--to", "b@c", "--timeout", "soon"]):
        assert "restante help" in restante.error(*arguments, code=USAGE)
    for address in ("no-domain", "a b@example.org", "@", "tab\t@example.org"):
        assert restante.error("hold", address, code=USAGE)


def test_an_error_of_the_command_line_is_json_too(restante):
    for arguments in ([], ["queue"], ["node"], ["frobnicate"], ["queue", "list", "--limit", "x"],
                      ["hold"], ["swap", "a@b", "--system", "S1", "--to", "nothing"]):
        done = restante("--json", *arguments, code=USAGE)
        shown = json.loads(done.stdout)
        assert (shown["ok"], shown["exit"]) == (False, USAGE) and shown["error"], arguments


def test_bad_configuration_is_78(restante, small):
    broken = os.path.join(small.dir, "broken.conf")
    with open(broken, "w") as conf:
        conf.write("ldap {\n  frobnicate = 1\n}\n")
    done = run([restante.binary, "-c", broken, "node", "list"], check=False)
    assert done.returncode == CONFIG
    assert b"broken.conf:2" in done.stderr and b"frobnicate" in done.stderr
    done = run([restante.binary, "-c", broken + ".none", "status"], check=False)
    assert done.returncode == CONFIG and done.stderr.startswith(b"restante: ")


def test_directory_down_is_5(restante):
    restante.write(uri="ldap://127.0.0.1:1")
    assert "127.0.0.1:1" in restante.error("hold", "anna@example.org", code=DIRECTORY)
    assert "127.0.0.1:1" in restante.error(
        "swap", "anna@example.org", "--system", "S2", "--to", "anna@s2.lab", code=DIRECTORY)
    restante.write()


def test_milter_not_there_is_6(restante):
    for arguments in (["route", "anna@example.org"], ["queue", "list"], ["queue", "cat", "1"],
                      ["node", "approve"]):
        assert restante.control in restante.error(*arguments, code=MILTER)


# --- hold, unhold --------------------------------------------------------------------------------

def test_hold_and_unhold_are_one_modify_each(restante, slapd, box):
    dn, address, physical = box
    before = slapd.read(dn)
    shown = restante.json("hold", address)[0]
    after = slapd.read(dn)
    assert shown["state"] == "holding" and shown["changed"] and shown["physical"] == physical
    assert after["restantestate"] == ["holding"]
    assert after["entrycsn"] == [shown["csn"]] and after["entrycsn"] != before["entrycsn"]
    assert not restante.json("hold", address)[0]["changed"]
    assert slapd.read(dn)["entrycsn"] == after["entrycsn"]
    assert b"not held any more" in restante("unhold", address).stdout
    assert state_of(slapd, dn) == "active"


def test_hold_several_tells_each_and_the_worst(restante, slapd, box):
    dn, address, _ = box
    done = restante("hold", "nobody@example.org", address, code=NOTFOUND)
    assert b"nobody@example.org" in done.stderr and b"is held" in done.stdout
    assert state_of(slapd, dn) == "holding"
    first, second = restante.json("unhold", "nobody@example.org", address, code=NOTFOUND)
    assert (first["ok"], first["address"], first["exit"]) == (False, "nobody@example.org", 3)
    assert second["ok"] and second["state"] == "active"


def test_hold_refuses_what_is_not_its_to_change(restante, slapd, box):
    dn, address, _ = box
    assert "deferred" in restante.error("hold", "later@example.org", code=REFUSED)
    slapd.replace(dn, restanteState="asleep")
    assert "asleep" in restante.error("unhold", address, code=REFUSED)
    assert state_of(slapd, dn) == "asleep"


def test_spellings_of_an_address(restante, slapd):
    dn = slapd.mailbox_dn("buero")
    assert restante.json("hold", "BÜRO@Example.ORG")[0]["dn"] == dn
    assert restante.json("unhold", "buero@example.org")[0]["dn"] == dn
    assert restante.json("hold", "emil@bücher.example")[0]["dn"] == slapd.mailbox_dn("emil")
    assert restante.json("unhold", "Emil@xn--bcher-kva.example")[0]["changed"]
    restante.error("hold", "büro*@example.org", code=NOTFOUND)
    restante.error("hold", "*@example.org", code=NOTFOUND)
    slapd.add_mailbox("strasse", utf8=["Straße@example.org"], addresses=["s1@example.org"])
    slapd.add_mailbox("quoted", addresses=['"a b"@example.org'])
    assert restante.json("hold", "straße@example.org")[0]["changed"]
    assert restante.json("hold", '"A b"@example.org')[0]["changed"]
    for uid in ("strasse", "quoted"):
        slapd.modify("dn: %s\nchangetype: delete\n" % slapd.mailbox_dn(uid))


def test_two_claims_are_refused(restante, slapd, box):
    """slapo-unique looks at one attribute: the same address once as ASCII, once as UTF-8."""
    dn, address, _ = box
    other = slapd.add_mailbox("other", addresses=["x1@xn--bcher-kva.example"])
    slapd.modify("dn: %s\nchangetype: modify\nadd: mailLocalAddress\n"
                 "mailLocalAddress: x2@xn--bcher-kva.example\n" % dn)
    slapd.replace(other, restanteAddressUTF8=["x2@bücher.example"])
    line = restante.error("hold", "x2@bücher.example", code=REFUSED)
    assert dn in line and other in line
    slapd.modify("dn: %s\nchangetype: delete\n" % other)


# --- swap --------------------------------------------------------------------------------------------

def swap(address, physical=None, system="S2", *more):
    return ["swap", address, "--system", system, "--to",
            physical or address.replace("@example.org", "@s2.lab")] + list(more)


def test_swap_needs_the_hold(restante, slapd, box):
    dn, address, physical = box
    before = slapd.read(dn)
    assert "is not held" in restante.error(*swap(address), code=REFUSED)
    assert slapd.read(dn) == before


def test_swap(restante, slapd, box):
    dn, address, physical = box
    slapd.replace(dn, restanteSourceId="old", mailHost="s1.lab")
    restante("hold", address)
    held = slapd.read(dn)
    epoch = epoch_of(slapd)
    with FrontDoor(slapd):
        shown = restante.json(*swap(address, None, "s2", "--id", "s2-new"))
    after = slapd.read(dn)
    assert after["mailroutingaddress"] == [address.replace("@example.org", "@s2.lab")]
    assert after["restantesystem"] == ["S2"] and after["restantesourceid"] == ["s2-new"]
    assert after["restantestate"] == ["active"] and "mailhost" not in after
    assert shown["ok"] and shown["fenced"] and shown["epoch"] > epoch
    assert shown["hold_csn"] == held["entrycsn"][0] and shown["swap_csn"] == after["entrycsn"][0]
    assert shown["from_physical"] == physical and shown["milliseconds"] > 0
    assert 0 <= shown["acked_ms"] <= shown["drained_ms"] < 1000


def test_swap_without_an_id_removes_the_old_one(restante, slapd, box):
    dn, address, _ = box
    slapd.replace(dn, restanteSourceId="old", restanteState="holding", mailHost="s1.lab")
    with FrontDoor(slapd):
        restante(*swap(address, "elsewhere@s1.lab", "S1"))
    after = slapd.read(dn)
    assert "restantesourceid" not in after
    assert after["mailhost"] == ["s1.lab"]  # same system: it is as true as before


def test_swap_wait_does_all_in_turn(restante, slapd, box):
    dn, address, _ = box
    with FrontDoor(slapd):
        done = restante(*swap(address, None, "S2", "--wait"))
    text = done.stdout.decode()
    assert "acknowledged after" in text and "from hold to swap" in text
    assert b"epoch" in done.stderr  # plain progress lines
    assert state_of(slapd, dn) == "active"


def test_swap_is_refused_without_acknowledgement(restante, slapd, box):
    dn, address, physical = box
    restante("hold", address)
    before = slapd.read(dn)
    epoch = epoch_of(slapd)
    with FrontDoor(slapd, acks=False):
        line = restante.error(*swap(address), code=REFUSED)
    assert "front1 has not acknowledged" in line and "stays held" in line
    assert slapd.read(dn) == before
    # raised once more after 100 ms, then at doubling intervals
    assert 3 <= epoch_of(slapd) - epoch <= 5


def test_swap_is_refused_while_mail_is_queued(restante, slapd, box):
    dn, address, physical = box
    restante("hold", address)
    before = slapd.read(dn)
    with FrontDoor(slapd, undrained=[physical.upper()]):
        line = restante("-q", *swap(address), code=REFUSED).stderr.decode()
        assert "front1 still has mail for " + physical in line
        assert slapd.read(dn) == before
    with FrontDoor(slapd, undrained=["somebody.else@s1.lab"]):
        restante(*swap(address))


def test_swap_is_refused_without_a_listing(restante, slapd, box):
    dn, address, _ = box
    restante("hold", address)
    with FrontDoor(slapd, drains=False):
        line = restante("-q", *swap(address), code=REFUSED).stderr.decode()
    assert "front1 has not listed" in line and state_of(slapd, dn) == "holding"


def add_node(slapd, name, **attributes):
    lines = ["dn: cn=%s,ou=nodes,%s" % (name, FEDERATION), "changetype: add",
             "objectClass: restanteNode", "cn: " + name]
    slapd.modify("\n".join(lines + ["%s: %s" % pair for pair in attributes.items()]) + "\n")
    return "cn=%s,ou=nodes,%s" % (name, FEDERATION)


@pytest.mark.parametrize("state", ["enabled", "disabling", "asleep", None])
def test_every_node_that_is_not_disabled_is_waited_for(restante, slapd, box, state):
    dn, address, _ = box
    restante("hold", address)
    second = add_node(slapd, "second", **({"restanteNodeState": state} if state else {}))
    try:
        with FrontDoor(slapd):
            line = restante("-q", *swap(address), code=REFUSED).stderr.decode()
            assert "second has not acknowledged" in line
            slapd.replace(second, restanteNodeState="disabled")
            restante(*swap(address))
    finally:
        slapd.modify("dn: %s\nchangetype: delete\n" % second)


def test_a_node_that_joins_after_the_epoch_was_raised_is_waited_for(restante, slapd, box):
    dn, address, _ = box
    restante("hold", address)
    made = []
    with FrontDoor(slapd) as door:
        door.on_epoch = lambda epoch: made or made.append(
            add_node(slapd, "late", restanteNodeState="enabled"))
        line = restante("-q", *swap(address), code=REFUSED).stderr.decode()
    slapd.modify("dn: %s\nchangetype: delete\n" % made[0])
    assert "late has not acknowledged" in line


def test_old_acknowledgements_do_not_pass_for_new_ones(restante, slapd, box):
    """The federation entry came out of a backup: its epoch is below what was acknowledged."""
    dn, address, _ = box
    restante("hold", address)
    high = epoch_of(slapd) + 1000
    slapd.replace(FRONT1, restanteAckEpoch=str(high), restanteDrainedEpoch=str(high))
    with FrontDoor(slapd, acks=False):
        restante("-q", *swap(address), code=REFUSED)
    assert epoch_of(slapd) > high


def test_an_epoch_that_was_never_raised(restante, slapd, box):
    dn, address, _ = box
    slapd.replace(FEDERATION, restanteEpoch=None)
    restante("hold", address)
    with FrontDoor(slapd):
        assert restante.json(*swap(address))["epoch"] > 0


def test_no_front_door_at_all_is_refused(restante, small, box, slapd):
    dn, address, _ = box
    restante("hold", address)
    saved = slapd.read(FRONT1, ["*"])
    slapd.modify("dn: %s\nchangetype: delete\n" % FRONT1)
    try:
        line = restante("-q", *swap(address), code=REFUSED).stderr.decode()
        assert "no front door" in line and "node enable" in line
    finally:
        lines = ["dn: " + FRONT1, "changetype: add", "cn: front1", "restanteNodeState: enabled",
                 "userPassword: " + slapd.passwords["front1"]]
        lines += ["objectClass: " + name for name in saved["objectclass"]]
        slapd.modify("\n".join(lines) + "\n")


def test_entry_touched_during_the_fence(restante, slapd, box):
    dn, address, _ = box
    restante("hold", address)
    with FrontDoor(slapd) as door:
        door.on_epoch = lambda epoch: slapd.replace(dn, description="touched %d" % epoch)
        line = restante("-q", *swap(address), code=REFUSED).stderr.decode()
        assert "changed while the fence" in line and state_of(slapd, dn) == "holding"
        touched = []
        door.on_epoch = lambda epoch: touched or touched.append(
            slapd.replace(dn, description="once more"))
        shown = restante.json(*swap(address, None, "S2", "--wait"))
        assert shown["rounds"] == 2
        door.on_epoch = lambda epoch: slapd.replace(dn, description="again %d" % epoch)
        line = restante("-q", *swap(address, "back@s1.lab", "S1", "--wait"),
                        code=REFUSED).stderr.decode()
        assert "during each of 5 fences" in line and state_of(slapd, dn) == "holding"


def test_unhold_during_the_fence(restante, slapd, box):
    dn, address, physical = box
    with FrontDoor(slapd) as door:
        door.on_epoch = lambda epoch: slapd.replace(dn, restanteState="active")
        line = restante("-q", *swap(address, None, "S2", "--wait"), code=REFUSED).stderr.decode()
    assert "ended the hold" in line
    assert slapd.read(dn)["mailroutingaddress"] == [physical]


def test_swap_bad_targets(restante, slapd, box):
    dn, address, physical = box
    restante("hold", address)
    before = slapd.read(dn)
    epoch = epoch_of(slapd)
    for arguments, code, text in (
            (swap(address, "x@Example.ORG"), REFUSED, "federated domain"),
            (swap(address, "x@bücher.example"), USAGE, "ASCII"),
            (swap(address, "x@xn--bcher-kva.example"), REFUSED, "federated domain"),
            (swap(address, "nodomain"), USAGE, "no domain"),
            (swap(address, "a b@s2.lab"), USAGE, "space"),
            (swap(address, "x@s9.lab", "S9"), NOTFOUND, "no system S9"),
            (swap(address, physical, "s1"), REFUSED, "lives at"),
            (swap("nobody@example.org", "x@s2.lab"), NOTFOUND, "nobody@example.org")):
        assert text in restante.error(*arguments, code=code)
    assert slapd.read(dn) == before and epoch_of(slapd) == epoch


def test_force_says_what_may_go_wrong_and_wants_a_yes(restante, slapd, box):
    dn, address, physical = box
    restante("hold", address)
    epoch = epoch_of(slapd)
    done = restante(*swap(address, None, "S2", "--force"), code=REFUSED)
    assert b"may go wrong" in done.stderr and b"--yes" in done.stderr
    assert b"front1" in done.stderr and state_of(slapd, dn) == "holding"
    shown = restante.json(*swap(address, None, "S2", "--force", "--yes"))
    assert shown["ok"] and not shown["fenced"] and "epoch" not in shown
    assert epoch_of(slapd) == epoch and state_of(slapd, dn) == "active"


def test_two_swaps_at_once_one_wins(restante, slapd, box):
    dn, address, _ = box
    restante("hold", address)
    with FrontDoor(slapd):
        running = [subprocess.Popen(
            [restante.binary, "-c", restante.conf, "-q"] + swap(address, "to%d@s2.lab" % i),
            stderr=subprocess.DEVNULL) for i in range(2)]
        codes = sorted(process.wait(timeout=20) for process in running)
    assert codes == [DONE, REFUSED]
    assert state_of(slapd, dn) == "active"


def test_interrupt_leaves_it_held_and_says_so(restante, slapd, box):
    dn, address, _ = box
    process = subprocess.Popen([restante.binary, "-c", restante.conf] +
                               swap(address, None, "S2", "--wait"), stderr=subprocess.PIPE)
    wait_for(lambda: state_of(slapd, dn) == "holding", what="the hold")
    process.send_signal(2)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 130 and b"stays held" in errors


# --- on a terminal ------------------------------------------------------------------------------------

def on_terminal(argv, typed=b"", env=None):
    """Runs argv on a terminal of 60 columns; (exit code, what it showed)."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update({"TERM": "xterm", "COLUMNS": "60", **(env or {})})
        os.execv(argv[0], argv)
    shown = b""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.5)[0]:
            try:
                data = os.read(terminal, 65536)
            except OSError:
                break
            shown += data
            if typed and b"Type yes" in shown:
                os.write(terminal, typed)
                typed = b""
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown


def test_terminal(restante, slapd, box):
    dn, address, _ = box
    base = [restante.binary, "-c", restante.conf]
    code, shown = on_terminal(base + ["node", "list"])
    assert code == DONE and b"\033[32menabled\033[0m" in shown
    code, shown = on_terminal(base + ["node", "list"], env={"NO_COLOR": "1"})
    assert code == DONE and b"\033[" not in shown and b"enabled" in shown
    assert b"\033[" not in restante("node", "list").stdout
    restante("hold", address)
    code, shown = on_terminal(base + swap(address, None, "S2", "--force"), b"no\n")
    assert code == REFUSED and state_of(slapd, dn) == "holding"
    with FrontDoor(slapd):
        code, shown = on_terminal(base + swap(address, None, "S2", "--wait"))
    assert code == DONE and b"[####################] 2/2" in shown
    restante("hold", address)
    code, shown = on_terminal(base + swap(address, "b@s1.lab", "S1", "--force"), b"yes\n")
    assert code == DONE and state_of(slapd, dn) == "active"


# --- front doors ----------------------------------------------------------------------------------------

def test_node_enable_disable(restante, slapd, small):
    dn = "cn=third,ou=nodes," + FEDERATION
    password = os.path.join(small.dir, "third.password")
    with open(password, "w") as out:
        out.write("{SSHA}x\n")
    shown = restante.json("node", "enable", "third", "--password-file", password)
    entry = slapd.read(dn)
    assert shown["state"] == "enabled" and entry["restantenodestate"] == ["enabled"]
    assert "simpleSecurityObject" in entry["objectclass"]
    assert not restante.json("node", "enable", "THIRD")["changed"]
    assert restante.json("node", "disable", "third")["state"] == "disabling"
    assert b"disabling already" in restante("node", "disable", "third").stdout
    done = restante("node", "disable", "third", "--force", code=REFUSED)
    assert b"switched off" not in done.stdout and b"out of the fence" in done.stderr
    assert slapd.read(dn)["restantenodestate"] == ["disabling"]
    assert restante.json("node", "disable", "third", "--force", "--yes")["state"] == "disabled"
    assert b"wiped" in restante("node", "enable", "third").stdout
    assert slapd.read(dn)["restantenodestate"] == ["enabled"]
    assert [n["node"] for n in restante.json("node", "list")] == ["front1", "third"]
    slapd.modify("dn: %s\nchangetype: delete\n" % dn)
    restante.error("node", "disable", "nobody", code=NOTFOUND)
    restante("node", "enable", "odd,name=x")
    slapd.modify("dn: cn=odd\\,name\\=x,ou=nodes,%s\nchangetype: delete\n" % FEDERATION)


def test_refused_by_the_directory(restante, slapd, box):
    """As the front door itself, which may not: the reason is named, nothing changes."""
    dn, address, _ = box
    restante.write(bind_dn=FRONT1, password_file=slapd.password_file("front1"))
    line = restante.error("hold", address, code=FAILED)
    assert "access" in line.lower() and state_of(slapd, dn) == ""
    restante.write()


# --- the control socket, played --------------------------------------------------------------------------

MESSAGE = {"id": 7, "arrived_us": 1795325400000000, "bytes": 2048, "queue_id": "4ABC",
           "log_id": "m7", "sender": "evil\u001b[31m@example.com", "recipients": [
               {"number": 1, "address": "anna@example.org", "mailbox": "anna@example.org",
                "attempts": 2, "release_began_us": 5, "last_reply": "451 4.2.1 later"},
               {"number": 2, "address": "Bert@example.org", "mailbox": "bert@example.org",
                "attempts": 0, "release_began_us": 0, "last_reply": ""}]}
ROUTE = {"verdict": "rewrite", "physical": "anna@s1.lab", "system": "S1", "match": "full",
         "mailbox_state": "active", "system_state": "active", "reason": "mailbox is active"}


class Control(threading.Thread):
    """Answers like restante-milter; asked[] is what it heard."""

    def __init__(self, path, answers):
        super().__init__(daemon=True)
        self.answers, self.asked, self.path = answers, [], path
        if os.path.exists(path):
            os.unlink(path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(5)

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client, client.makefile("rwb") as link:
                for line in link:
                    request = json.loads(line)
                    self.asked.append(request)
                    for part in self.answer(request):
                        link.write(part)
                    link.flush()

    def answer(self, request):
        found = self.answers[request["cmd"]]
        for part in found(request) if callable(found) else found:
            yield part if isinstance(part, bytes) else json.dumps(part).encode() + b"\n"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, value, traceback):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.join()
        os.unlink(self.path)


def ok(**fields):
    return {"v": 1, "ok": True, **fields}


def test_route(restante):
    def answer(request):
        if request["address"].startswith("anna"):
            return [ok(**ROUTE)]
        if request["address"].startswith("bad"):
            return [{"v": 1, "ok": False, "code": "usage", "error": "no address"}]
        return [ok(verdict="nobody", reason="no such mailbox", match="none")]
    with Control(restante.control, {"route": answer}):
        done = restante("route", "anna@example.org", "x@example.org")
        assert done.stdout.decode().splitlines() == [
            "anna@example.org -> rewrite to anna@s1.lab (system S1, full match, active)",
            "x@example.org -> nobody: no such mailbox"]
        assert [r["verdict"] for r in restante.json("route", "anna@example.org", "y@z")] == [
            "rewrite", "nobody"]
        assert "no address" in restante.error("route", "bad", code=USAGE)
        assert [r["ok"] for r in restante.json("route", "bad", "anna@b", code=USAGE)] == [
            False, True]


def test_queue(restante):
    def listing(request):
        first = request.get("after", 0) == 0
        return [ok(stream=True), {**MESSAGE, "id": 7 if first else 8},
                {"end": True, "more": first, "last": 7 if first else 8}]
    answers = {"queue.list": listing, "queue.show": [ok(**MESSAGE)],
               "queue.cat": [ok(bytes=11), b"A: b\r\n\r\nc\xff\r\n"[:11]],
               "queue.release": [ok(mailboxes=1)], "queue.delete": [ok(removed=1)],
               "queue.stats": [ok(messages=2, recipients=3, mailboxes=1, bytes=9, oldest_us=5,
                                  held=[{"mailbox": "anna@example.org", "recipients": 3,
                                         "bytes": 9, "oldest_us": 5}])]}
    with Control(restante.control, answers) as control:
        assert [m["id"] for m in restante.json("queue", "list")] == [7, 8]
        text = restante("queue", "list", "anna@example.org", "--limit", "1").stdout.decode()
        assert "anna@example.org +1" in text and "\033" not in text and "and more" in text
        assert control.asked[-1] == {"v": 1, "cmd": "queue.list", "address": "anna@example.org",
                                     "after": 0, "limit": 1}
        assert "2 tries, last: 451 4.2.1 later" in restante("queue", "show", "7").stdout.decode()
        assert restante("queue", "cat", "7").stdout == b"A: b\r\n\r\nc\xff\r"
        assert restante.json("queue", "cat", "7")["bytes"] == 11
        restante("queue", "release", "anna@example.org")
        restante("queue", "release", "--all")
        assert control.asked[-1] == {"v": 1, "cmd": "queue.release", "all": True}
        assert "2 messages held for 3 recipients" in restante("queue", "stats").stdout.decode()
        assert "anna@example.org" in restante("queue", "stats").stdout.decode()
        assert restante.json("queue", "stats")["recipients"] == 3
        restante("queue", "delete", "7", code=REFUSED)
        assert control.asked[-1]["cmd"] == "queue.show"
        restante("queue", "delete", "7", "--recipient", "bert@example.org", "--yes")
        assert control.asked[-1] == {"v": 1, "cmd": "queue.delete", "id": 7, "recipient": 2}
        restante("queue", "delete", "7", "--recipient", "x@example.org", "--yes", code=NOTFOUND)
        restante("queue", "delete", "7", "--yes")
        assert control.asked[-1] == {"v": 1, "cmd": "queue.delete", "id": 7}


def test_milter_that_breaks_off(restante):
    answers = {"queue.list": [ok(stream=True), MESSAGE, b"{\"id\":"], "queue.cat": [ok(bytes=99)],
               "queue.show": [{"v": 1, "ok": False, "code": "notfound", "error": "no message 9"}]}

    class Breaking(Control):
        def answer(self, request):
            yield from super().answer(request)
            if request["cmd"] != "queue.show":
                raise ConnectionAbortedError

        def run(self):
            while True:
                try:
                    super().run()
                    return
                except ConnectionAbortedError:
                    pass

    with Breaking(restante.control, answers):
        restante("queue", "list", code=MILTER)
        assert b"" == restante("queue", "cat", "7", code=MILTER).stdout
        assert "no message 9" in restante.error("queue", "show", "9", code=NOTFOUND)


def test_status(restante, slapd):
    view = {"loaded": True, "current": True, "node_state": "enabled", "mailboxes": 12, "addresses": 15}
    answers = {"status": [ok(node="front1", uptime_us=5000000, view=view,
                             queue={"messages": 2, "mailboxes": 1, "bytes": 9, "oldest_us": 5})]}
    now = time.strftime("%Y%m%d%H%M%SZ", time.gmtime())
    slapd.replace(FRONT1, restanteHeartbeat=now, restanteAckEpoch=str(epoch_of(slapd)))
    with Control(restante.control, answers):
        text = restante("status").stdout.decode()
        assert "all is well" in text and "2 messages for 1 mailbox, " in text
        assert "S3 (holding)" in text and "front1" in text
        shown = restante.json("status")
        assert shown["ready"] and shown["attention"] == [] and shown["milter"]["view"] == view
        slapd.replace(FRONT1, restanteHeartbeat="20200101000000Z")
        assert "last heartbeat" in restante.json("status", code=FAILED)["attention"][0]
        slapd.replace(FRONT1, restanteHeartbeat=now)
        view["current"] = False
        shown = restante.json("status", code=FAILED)
        assert not shown["ready"] and "not current" in shown["attention"][0]
    shown = restante.json("status", code=FAILED)
    assert restante.control in shown["attention"][0] and shown["nodes"][0]["node"] == "front1"
    restante.write(uri="ldap://127.0.0.1:1")
    shown = restante.json("status", code=FAILED)
    assert len(shown["attention"]) == 2 and "127.0.0.1:1" in shown["attention"][1]
