"""Many mailboxes at once, out of a file: all or none is begun, one fence serves all, and each line has
its own outcome."""

import itertools
import json
import re
import subprocess

import pytest

from command import (DONE, FAILED, NOTFOUND, REFUSED, USAGE, FrontDoor, epoch_of)
from helpers import send, settled, wait_verdict
from lab.lab import Lab
from lab.process import wait_for

NAMES = itertools.count(1)
# of one fence at most: it is raised once more where the answer takes 100 ms, then 200 ms later, ...
RAISES = 5


MAILBOX = """dn: {dn}
changetype: add
objectClass: inetOrgPerson
objectClass: inetLocalMailRecipient
objectClass: restanteMailbox
uid: {uid}
cn: {uid}
sn: {uid}
mailLocalAddress: {uid}@example.org
mailRoutingAddress: {uid}@s1.lab
restanteSystem: S1

"""


class Moves:
    """Mailboxes of a test's own on S1, and a file that takes them to S2."""

    def __init__(self, slapd, path, count):
        self.slapd, self.path = slapd, str(path)
        self.uids = ["wave%d" % next(NAMES) for _ in range(count)]
        self.dns = [slapd.mailbox_dn(uid) for uid in self.uids]
        self.addresses = [uid + "@example.org" for uid in self.uids]
        slapd.modify("".join(MAILBOX.format(dn=dn, uid=uid)
                             for dn, uid in zip(self.dns, self.uids)))
        self.write()

    def remove(self):
        self.slapd.modify("".join("dn: %s\nchangetype: delete\n\n" % dn for dn in self.dns))

    def lines(self):
        return ["%s@example.org,S2,%s@s2.lab" % (uid, uid) for uid in self.uids]

    def write(self, *more, lines=None):
        with open(self.path, "w") as out:
            out.write("".join(line + "\n" for line in [*(lines or self.lines()), *more]))

    def entries(self):
        found = dict(self.slapd.search("(|%s)" % "".join("(uid=%s)" % uid for uid in self.uids)))
        return [found[dn] for dn in self.dns]

    def systems(self):
        return [entry["restantesystem"][0] for entry in self.entries()]

    def states(self):
        return [entry.get("restantestate", [""])[0] for entry in self.entries()]


@pytest.fixture(name="moves")
def _moves(slapd, tmp_path):
    made = Moves(slapd, tmp_path / "moves.csv", 4)
    yield made
    made.remove()


def test_a_wave_shares_one_epoch(restante, slapd, moves):
    epoch = epoch_of(slapd)
    with FrontDoor(slapd):
        shown = restante.json("swap", "--file", moves.path, "--wait")
    assert epoch < epoch_of(slapd) <= epoch + RAISES
    assert [one["address"] for one in shown] == moves.addresses
    assert all(one["ok"] and one["fenced"] and one["epoch"] == epoch + 1 for one in shown)
    assert moves.systems() == ["S2"] * 4 and moves.states() == ["active"] * 4
    assert [one["swap_csn"] for one in shown] == [e["entrycsn"][0] for e in moves.entries()]


def test_results_line_by_line_and_a_sum(restante, slapd, moves):
    with FrontDoor(slapd):
        text = restante("swap", "--file", moves.path, "--wait").stdout.decode().splitlines()
    assert text[0] == "%s: %s@s1.lab on S1 -> %s@s2.lab on S2" % (
        moves.addresses[0], moves.uids[0], moves.uids[0])
    assert len(text) == 5 and "4 mailboxes: 4 swapped, 0 there already, 0 not; 1 fence" in text[4]


def test_hold_first_then_swap(restante, slapd, moves):
    """The wave in two steps, with time for a last copy in between; or called off."""
    restante("hold", "--file", moves.path)
    assert moves.states() == ["holding"] * 4
    restante("unhold", "--file", moves.path)
    assert moves.states() == ["active"] * 4
    line = restante("-q", "swap", "--file", moves.path, code=REFUSED).stderr.decode()
    assert line.count("is not held") == 4 and "nothing was changed" in line
    restante("hold", "--file", moves.path)
    with FrontDoor(slapd):
        restante("swap", "--file", moves.path)
    assert moves.systems() == ["S2"] * 4


WRONG = {
    "nobody@example.org,S2,nobody@s2.lab": (NOTFOUND, "no mailbox has the address"),
    "carla@example.org,S9,carla@s9.lab": (NOTFOUND, "no system S9"),
    "carla@example.org,S1,x@example.org": (REFUSED, "federated domain"),
    "carla@example.org,S1": (USAGE, "the new physical address (to) is missing"),
    "carla@example.org,,x@s1.lab": (USAGE, "the system is missing"),
    ",S1,x@s1.lab": (USAGE, "the address is missing"),
    "carla@example.org,S1,x@s1.lab,id,more": (USAGE, "5 fields, 4 are known"),
    "carla@example.org,S1,b\u00fccher@s1.lab": (USAGE, "ASCII"),
    "carla@,S1,x@s1.lab": (USAGE, "carla@"),
    '"carla@example.org,S1,x@s1.lab': (USAGE, "a quote is not closed"),
}


@pytest.mark.parametrize("line", WRONG)
def test_one_line_that_is_wrong_and_nothing_begins(restante, slapd, moves, line):
    code, text = WRONG[line]
    moves.write(line)
    before, epoch = moves.entries(), epoch_of(slapd)
    with FrontDoor(slapd):
        said = restante("swap", "--file", moves.path, "--wait", code=code).stderr.decode()
    assert "%s:5: " % moves.path in said and text in said
    assert moves.entries() == before and epoch_of(slapd) == epoch


def test_all_that_is_wrong_is_said_at_once(restante, slapd, moves):
    moves.write("nobody@example.org,S2,nobody@s2.lab", "carla@example.org,S9,carla@s9.lab")
    shown = json.loads(restante("--json", "swap", "--file", moves.path, code=NOTFOUND).stdout)
    assert [(one["ok"], one["address"]) for one in shown[-3:]] == [
        (False, "nobody@example.org"), (False, "carla@example.org"), (False, moves.path)]
    assert "nothing was changed" in shown[-1]["error"]


def test_two_lines_for_one_mailbox(restante, slapd, moves):
    slapd.modify("dn: %s\nchangetype: modify\nadd: mailLocalAddress\n"
                 "mailLocalAddress: alias.%s\n" % (moves.dns[0], moves.addresses[0]))
    moves.write("alias.%s,S2,other@s2.lab" % moves.addresses[0])
    said = restante("-q", "swap", "--file", moves.path, "--wait", code=REFUSED).stderr.decode()
    assert "are one mailbox" in said and moves.states() == [""] * 4


def test_who_has_passed_does_not_wait_for_who_has_not(restante, slapd, moves):
    with FrontDoor(slapd, undrained=[moves.uids[1] + "@s1.lab"]):
        done = restante("swap", "--file", moves.path, "--wait", "--timeout", "1s", code=REFUSED)
    assert moves.systems() == ["S2", "S1", "S2", "S2"]
    assert moves.states() == ["active", "holding", "active", "active"]
    said = done.stderr.decode()
    assert "moves.csv:2: %s is not swapped and stays held: front door front1 still has mail for " \
        "%s@s1.lab" % (moves.addresses[1], moves.uids[1]) in said
    assert "3 swapped, 0 there already, 1 not" in done.stdout.decode()
    # once more, when it is drained: what is done is done
    with FrontDoor(slapd):
        done = restante("swap", "--file", moves.path, "--wait")
    assert "1 swapped, 3 there already, 0 not" in done.stdout.decode()
    assert moves.systems() == ["S2"] * 4 and moves.states() == ["active"] * 4


def test_without_an_acknowledgement_none_is_swapped(restante, slapd, moves):
    with FrontDoor(slapd, acks=False):
        done = restante("swap", "--file", moves.path, "--wait", "--timeout", "500ms",
                        code=REFUSED)
    assert done.stderr.decode().count("front1 has not acknowledged") == 4
    assert moves.systems() == ["S1"] * 4 and moves.states() == ["holding"] * 4


def test_who_is_touched_meanwhile_has_another_round(restante, slapd, moves):
    touched = []
    epoch = epoch_of(slapd)
    with FrontDoor(slapd) as door:
        door.on_epoch = lambda epoch: touched or touched.append(
            slapd.replace(moves.dns[2], description="touched"))
        shown = restante.json("swap", "--file", moves.path, "--wait")
    assert [one["rounds"] for one in shown] == [1, 1, 1, 2]
    assert shown[-1]["address"] == moves.addresses[2]
    assert epoch_of(slapd) <= epoch + 2 * RAISES and moves.systems() == ["S2"] * 4


def test_a_hold_that_somebody_ends_stays_where_it_is(restante, slapd, moves):
    with FrontDoor(slapd) as door:
        door.on_epoch = lambda epoch: slapd.replace(moves.dns[0], restanteState="active")
        said = restante("-q", "swap", "--file", moves.path, "--wait", code=REFUSED).stderr.decode()
    assert "ended the hold" in said and moves.systems() == ["S1", "S2", "S2", "S2"]


def test_a_file_of_a_spreadsheet(restante, slapd, moves):
    """Columns by name, in any order; quotes, blanks, comments, CRLF, a byte order mark."""
    rows = ['"%s" , s2-%s,"%s@s2.lab",s2,somebody' % (address, uid, uid)
            for address, uid in zip(moves.addresses, moves.uids)]
    moves.write(lines=["\ufeffAddress,ID,To,System,Remark\r", "", "# the first wave\r", *rows])
    with FrontDoor(slapd):
        restante("swap", "--file", moves.path, "--wait")
    assert moves.systems() == ["S2"] * 4
    assert [e["restantesourceid"] for e in moves.entries()] == [["s2-" + uid] for uid in moves.uids]


def test_standard_input(restante, slapd, moves):
    text = "".join(line + "\n" for line in moves.lines()).encode()
    done = subprocess.run([restante.binary, "-c", restante.conf, "hold", "--file", "-"], input=text,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert done.returncode == DONE and moves.states() == ["holding"] * 4


def test_hold_of_a_file_is_all_or_none(restante, slapd, moves):
    slapd.replace(moves.dns[3], restanteState="deferred")
    said = restante("-q", "hold", "--file", moves.path, code=REFUSED).stderr.decode()
    assert "moves.csv:4: " in said and "nothing was changed" in said
    assert moves.states() == ["", "", "", "deferred"]


def test_what_is_no_file(restante, moves, tmp_path):
    assert "No such file" in restante.error("swap", "--file", "/nonexistent", code=FAILED)
    empty = tmp_path / "empty.csv"
    empty.write_text("# nothing\n")
    assert "there is no mailbox in it" in restante.error("hold", "--file", str(empty), code=USAGE)
    assert "not both" in restante.error("hold", "a@example.org", "--file", "x", code=USAGE)
    for more in (["a@example.org"], ["--system", "S2"], ["--to", "x@s2.lab"], ["--force"],
                 ["--id", "x"]):
        assert "--file goes with" in restante.error("swap", "--file", moves.path, *more, code=USAGE)


def test_interrupt_leaves_the_wave_held(restante, slapd, moves):
    process = subprocess.Popen([restante.binary, "-c", restante.conf, "swap", "--file", moves.path,
                                "--wait"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    wait_for(lambda: moves.states() == ["holding"] * 4, what="the holds")
    process.send_signal(2)
    assert b"stays held" in process.communicate(timeout=60)[1] and process.returncode == 130


# --- with front doors -----------------------------------------------------------------------------

def modifies(slapd):
    """The DNs of all modifies so far, as slapd's own log has them."""
    return re.findall(r'MOD dn="([^"]+)"', slapd.log_text())


def test_a_hundred_mailboxes_on_two_front_doors(tmp_path):
    """Two writes per mailbox, and a handful for all: what the front doors acknowledge, and one epoch.
    Heartbeats come besides."""
    with Lab(start=("slapd", "s1", "s2", "milter", "postfix"), front_doors=2, slapd_debug="stats",
             milter_options={"heartbeat": "10s"}) as lab:
        wave = Moves(lab.slapd, tmp_path / "moves.csv", 100)
        for door in lab.doors:
            wait_verdict(door, wave.addresses[-1], "rewrite")
        before = len(modifies(lab.slapd))
        shown = lab.milter.cli_json("swap", "--file", wave.path, "--wait")
        made = modifies(lab.slapd)[before:]
        assert wave.systems() == ["S2"] * 100 and wave.states() == ["active"] * 100
        assert len(shown) == 100 and all(one["ok"] for one in shown)
        assert sum(dn.startswith("uid=wave") for dn in made) == 200
        epochs = sum(dn.startswith("cn=restante,") for dn in made)
        others = len(made) - 200
        print("%d writes for 100 mailboxes: %d epochs, %d by front doors" % (
            len(made), epochs, others - epochs))
        assert epochs <= RAISES and others <= 5 * RAISES
        for door in lab.doors:
            send(door, wave.addresses[7])
            settled(door)
        assert len(lab.message_ids("S2", wave.uids[7])) == 2
