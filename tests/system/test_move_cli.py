"""`restante move`: moves are recorded, listed, asked for; no controller runs here."""

import csv
import io
import json
import signal
import subprocess

import pytest

from command import DIRECTORY, DONE, FAILED, NOTFOUND, REFUSED, USAGE
from lab.daemon import conf_section
from lab.lab import Lab
from lab.ldaprelay import LdapRelay, encode
from lab.process import run
from lab.slapd import BASE, FEDERATION, identity

MOVES = "ou=moves," + FEDERATION
ANNA = "anna@example.org"


class Mover:
    """The command, with an administrator's bind and two scenarios."""

    def __init__(self, lab, uri=None):
        self.lab = lab
        self.conf = lab.dir + ("/move.conf" if uri is None else "/relay.conf")
        slapd = lab.slapd
        bind = {"bind_dn": identity("operator"), "password_file": slapd.password_file("operator")}
        sections = {
            "ldap": {"uri": uri or slapd.uri, "base": BASE, "bind": "simple", "timeout": "5s", **bind},
            "control": {"control_socket": lab.dir + "/control.sock"},
            "scenario plain": {"create": "-1h"},
            "scenario data": {"transfer": "mail"},
        }
        with open(self.conf, "w") as out:
            out.write("".join(conf_section(name, keys) for name, keys in sections.items()))

    def run(self, *arguments, code=DONE, stdin=None, environment=None):
        done = subprocess.run([self.lab.build + "/restante", "-c", self.conf, *arguments],
                              input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              check=False, env=environment, timeout=60)
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout.decode() + done.stderr.decode()

    def json(self, *arguments, code=DONE):
        return json.loads(self.run("--json", *arguments, code=code).splitlines()[0])

    def records(self):
        return self.lab.slapd.search("(objectClass=restanteMove)", base=MOVES)


@pytest.fixture(scope="module", name="lab")
def _lab():
    with Lab(start=("slapd",)) as lab:
        yield lab


@pytest.fixture(name="move")
def _move(lab):
    for dn, _ in lab.slapd.search("(objectClass=restanteMove)", base=MOVES):
        lab.slapd.modify("dn: %s\nchangetype: delete\n" % dn, "root")
    return Mover(lab)


def only(move):
    (_, record), = move.records()
    return record


def test_one_is_recorded(move):
    said = move.run("move", "add", ANNA, "--to", "S2", "--scenario", "plain", "--wave", "one",
                    "--at", "2030-01-02T03:04Z")
    assert "anna@example.org: to S2 at 2030-01-02 03:04:00Z, recorded" in said
    record = only(move)
    anna = move.lab.slapd.read(move.lab.slapd.mailbox_dn("anna"))
    assert record["restantemoveaddress"] == [ANNA]
    assert record["restantemovemailbox"] == anna["entryuuid"]
    assert record["restantemoveassignor"] == ["S1"]
    assert record["restantemoveoldphysical"] == ["anna@s1.lab"]
    assert record["restantemoveoldsourceid"] == ["s1-anna"]
    assert record["restantemoveinstant"] == ["20300102030400Z"]
    assert record["restantemovestate"] == ["0"]
    assert record["restantemovereached"][0].startswith("0 20")
    assert record["restantemovescenario"] == ["plain"]
    assert record["restantemovewave"] == ["one"]


WRONG = [
    ("nobody@example.org", {}, NOTFOUND, "no mailbox has that address"),
    ("anna", {}, USAGE, "with its domain"),
    ("@example.net", {}, USAGE, "one mailbox"),
    (ANNA, {"to": "S9"}, NOTFOUND, "no system S9"),
    (ANNA, {"to": "S1"}, REFUSED, "lives on S1 already"),
    (ANNA, {"scenario": "none"}, USAGE, 'no scenario "none"'),
    (ANNA, {"scenario": "data"}, REFUSED, "transfers data"),
    (ANNA, {"scenario": None}, USAGE, "no scenario is named"),
    (ANNA, {"at": "2020-01-01"}, USAGE, "is past"),
    (ANNA, {"at": "tomorrow"}, USAGE, "is no instant"),
]


@pytest.mark.parametrize("address, given, code, said", WRONG)
def test_what_is_wrong_is_told_and_nothing_recorded(move, address, given, code, said):
    options = {"to": "S2", "scenario": "plain", **given}
    words = [w for key, value in options.items() if value for w in ("--" + key, value)]
    assert said in move.run("move", "add", address, *words, code=code)
    assert not move.records()


def test_an_hour_that_clocks_leave_out(move):
    """In Berlin there is no 2:30 on 31 March 2030; on 27 October it comes twice."""
    berlin = {"TZ": "Europe/Berlin"}
    words = ("move", "add", ANNA, "--to", "S2", "--scenario", "plain", "--at")
    assert "clocks that go forward" in move.run(*words, "2030-03-31T02:30", code=USAGE,
                                                environment=berlin)
    assert not move.records()
    move.run(*words, "2030-03-31T03:30", environment=berlin)
    assert only(move)["restantemoveinstant"] == ["20300331013000Z"]
    move.run("move", "add", "bert@example.org", "--to", "S2", "--scenario", "plain", "--at",
             "2030-10-27T02:30", environment=berlin)
    assert ["20301027003000Z"] in [r["restantemoveinstant"] for _, r in move.records()]


def test_a_mailbox_moves_once_at_a_time(move):
    move.run("move", "add", ANNA, "--to", "S2", "--scenario", "plain")
    # by another address of the same mailbox
    said = move.run("move", "add", "a.anna@example.org", "--to", "S2", "--scenario", "plain",
                    code=REFUSED)
    assert "moves already" in said
    (dn, _), = move.records()
    move.lab.slapd.replace(dn, restanteMoveOutcome="cancelled")
    move.run("move", "add", "a.anna@example.org", "--to", "S2", "--scenario", "plain")
    assert len(move.records()) == 2


FILE = """\
address,to,at,wave
anna@example.org,S2,2030-01-01T00:00Z,w
BERT@example.org,S2,,w
carla@example.org,S1,2030-01-01T00:00Z,
"""


def test_a_file(move, tmp_path):
    path = tmp_path / "moves.csv"
    path.write_bytes(b"\xef\xbb\xbf" + FILE.replace("\n", "\r\n").encode())
    assert "3 moves could be recorded" in move.run("move", "import", str(path), "--scenario",
                                                   "plain", "--dry-run")
    assert not move.records()
    assert "3 moves recorded" in move.run("move", "import", str(path), "--scenario", "plain",
                                          "--wave", "rest")
    waves = {r["restantemoveaddress"][0]: r["restantemovewave"][0] for _, r in move.records()}
    assert waves == {ANNA: "w", "bert@example.org": "w", "carla@example.org": "rest"}


def test_all_that_is_wrong_in_a_file_is_told_at_once(move):
    text = ("address,to,at\n"
            "anna@example.org,S2,2030-01-01\n"
            "nobody@example.org,S2,\n"
            "bert@example.org,S7,\n"
            "carla@example.org,S1,2001-01-01\n"
            "Anna@EXAMPLE.org,S2,\n"
            "bert@example.org,S2,,x\n"
            "info@example.org,S2,\n")
    said = move.run("move", "import", "-", "--scenario", "plain", code=USAGE, stdin=text.encode())
    for line, what in ((3, "no mailbox has that address"), (4, "no system S7"), (5, "is past"),
                       (6, "twice, first in -:2"), (7, "4 fields, the first line has 3")):
        assert [s for s in said.splitlines() if "-:%d:" % line in s and what in s], (line, said)
    assert "nothing was recorded" in said
    assert "-:2:" not in said.replace("first in -:2", "") and "-:8:" not in said
    assert not move.records()


@pytest.mark.parametrize("text, said", [
    ("", "no move in it"), ("address,to\n", "no move in it"), ("to,at\nS2,\n", "address is missing"),
    ("address,address\n", "each once"), ("address,colour\n", "colour"),
    ("address;to\nanna@example.org;S2\n", "with commas between them"),
    ("address,to\n\"anna@example.org,S2\n", "-:2: a quote is not closed"),
    ("address,to\n\"anna\"@example.org,S2\n", "-:2: there is something behind"),
    ("address,to\nanna@example.org,S\0002\n", "-:2: there is a NUL"),
    ("address,to,at\nbert@example.org,S2,\nanna@example.org,S2,2030-02-30\n", "-:3:"),
    ("address,to\nanna@example.org,\n", "-:2: anna@example.org: the system is missing")])
def test_files_that_are_none(move, text, said):
    assert said in move.run("move", "import", "-", "--scenario", "plain", code=USAGE,
                            stdin=text.encode())
    assert not move.records()


@pytest.mark.parametrize("content, said", [
    ("address,to\nanna@example.org,S2\n".encode("utf-16"), "in UTF-16; save it as CSV in UTF-8"),
    (b"address,to\nbert@example.org,S2\nj\xf6rg@example.org,S2\n", "rg@example.org: the address is not UTF-8"),
    (b"address,to,wave\nanna@example.org,S2,w\nbert@example.org,S2,M\xe4rz\n",
     "-:3: bert@example.org: the wave is not UTF-8"),
    (b"address,to,scenario\nanna@example.org,S2,\xfcberall\n", "the scenario is not UTF-8")])
def test_files_in_another_encoding(move, content, said):
    assert said in move.run("move", "import", "-", "--scenario", "plain", code=USAGE, stdin=content)
    assert not move.records()


def test_a_file_with_quotes_and_line_ends_of_all_kinds(move):
    rows = ('# who moves\r\n"address","to",at,"wave"\r\n"anna@example.org", "S2" ,,'
            '"first, ""early"""\n\n bert@example.org,S2,2030-01-01T00:00Z,M\u00e4rz')
    move.run("move", "import", "-", "--scenario", "plain", stdin=rows.encode())
    waves = {r["restantemoveaddress"][0]: r["restantemovewave"][0] for _, r in move.records()}
    assert waves == {ANNA: 'first, "early"', "bert@example.org": "M\u00e4rz"}


def test_an_hour_that_clocks_leave_out_in_a_file(move):
    rows = ("address,to,at\nanna@example.org,S2,2030-03-31T01:59\n"
            "bert@example.org,S2,2030-03-31T02:00\ncarla@example.org,S1,2030-03-31T03:00\n")
    words = ("move", "import", "-", "--scenario", "plain")
    berlin = {"TZ": "Europe/Berlin"}
    said = move.run(*words, code=USAGE, stdin=rows.encode(), environment=berlin)
    assert "-:3: " in said and "clocks that go forward" in said
    assert "-:2: " not in said and "-:4: " not in said
    assert not move.records()
    move.run(*words, stdin=rows.replace("T02:00", "T03:00").encode(), environment=berlin)
    instants = {r["restantemoveaddress"][0]: r["restantemoveinstant"][0] for _, r in move.records()}
    assert instants == {ANNA: "20300331005900Z", "bert@example.org": "20300331010000Z",
                        "carla@example.org": "20300331010000Z"}


def test_one_mailbox_by_two_of_its_addresses(move):
    rows = ("address,to\nanna@example.org,S2\nbert@example.org,S2\na.anna@example.org,S2\n"
            "anna@example.org,S2\n")
    said = move.run("move", "import", "-", "--scenario", "plain", code=USAGE, stdin=rows.encode())
    assert ("-:4: a.anna@example.org is in the list twice: it is the mailbox of anna@example.org "
            "in -:2\n") in said
    assert "-:5: anna@example.org is in the list twice, first in -:2\n" in said
    assert "-:3: " not in said and "nothing was recorded" in said
    said = move.run("move", "add", ANNA, "a.anna@example.org", "--to", "S2", "--scenario", "plain",
                    code=USAGE)
    assert "it is the mailbox of anna@example.org" in said
    assert not move.records()


def test_rows_that_move_already(move):
    move.run("move", "add", ANNA, "--to", "S2", "--scenario", "plain")
    rows = "address,to\nbert@example.org,S2\na.anna@example.org,S2\n"
    said = move.run("move", "import", "-", "--scenario", "plain", code=REFUSED, stdin=rows.encode())
    assert "-:3: a.anna@example.org moves already" in said and "-:2: " not in said
    assert "nothing was recorded" in said and len(move.records()) == 1


class Answers:
    """Calls back(number) before the answer to each add is passed on; what that returns, where it is
    anything, is passed on instead."""

    ADD = 0x69

    def __init__(self, back):
        self.back, self.adds = back, 0

    def __call__(self, message):
        if message.op != self.ADD:
            return [message]
        self.adds += 1
        return [self.back(self.adds) or message]


def imported_through(move, back, code, rows=b"address,to\nanna@example.org,S2\nbert@example.org,S2\n"):
    with LdapRelay(move.lab.slapd.port, Answers(back), everything=True) as relay:
        said = Mover(move.lab, relay.uri).run("move", "import", "-", "--scenario", "plain",
                                              stdin=rows, code=code)
    return said


def taken_meanwhile(move, number, **first):
    """Behind the first add somebody else records the second mailbox."""
    if number == 1:
        if first:
            move.lab.slapd.replace(move.records()[0][0], **first)
        move.lab.slapd.modify(
            "dn: cn=other,%s\nchangetype: add\nobjectClass: restanteMove\n"
            "restanteMoveAddress: bert@example.org\nrestanteMoveTarget: S2\n" % MOVES, "root")


def test_a_file_that_is_refused_in_the_middle(move):
    """What was recorded before is taken back."""
    said = imported_through(move, lambda n: taken_meanwhile(move, n), REFUSED)
    assert "-:3: bert@example.org has an open move already" in said
    assert "nothing was recorded" in said
    assert [r["cn"] for _, r in move.records()] == [["other"]]


def test_what_a_controller_took_is_not_taken_back(move):
    said = imported_through(move, lambda n: taken_meanwhile(
        move, n, restanteMoveWork="1 - 20301122000000Z somebody"), REFUSED)
    assert "1 of the moves may be recorded all the same" in said
    assert "nothing was recorded" not in said
    assert sorted(r["restantemoveaddress"][0] for _, r in move.records()) == [ANNA, "bert@example.org"]


def test_an_import_that_is_interrupted_is_taken_back(move):
    started = []

    def interrupt(number):
        if number == 1:
            started[0].send_signal(signal.SIGINT)

    with LdapRelay(move.lab.slapd.port, Answers(interrupt), everything=True) as relay:
        conf = Mover(move.lab, relay.uri).conf
        started.append(subprocess.Popen(
            [move.lab.build + "/restante", "-c", conf, "move", "import", "-", "--scenario", "plain"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
        said, _ = started[0].communicate(b"address,to\nanna@example.org,S2\nbert@example.org,S2\n",
                                         timeout=60)
    assert started[0].returncode == FAILED
    assert b"interrupted" in said and b"nothing was recorded" in said
    assert not move.records()


def test_an_answer_that_says_no_to_what_was_done(move):
    """The server's answer is no proof that the record is not there: it is looked for, too."""
    def busy(number):
        if number == 2:
            return encode([[0x30, [[0x02, bytes([current[0]])], [0x69, [
                [0x0a, b"\x33"], [0x04, b""], [0x04, b"busy"]]]]]])
        return None

    current = [0]

    def back(number):
        return busy(number)

    class Numbered(Answers):
        def __call__(self, message):
            current[0] = message.parts[0][1][-1]
            return super().__call__(message)

    rows = b"address,to\nanna@example.org,S2\nbert@example.org,S2\n"
    with LdapRelay(move.lab.slapd.port, Numbered(back), everything=True) as relay:
        said = Mover(move.lab, relay.uri).run("move", "import", "-", "--scenario", "plain",
                                              stdin=rows, code=DIRECTORY)
    assert "nothing was recorded" in said
    assert not move.records()


def test_the_list_and_one(move):
    move.run("move", "add", ANNA, "--to", "S2", "--scenario", "plain", "--at", "2030-01-01T00:00Z",
             "--wave", "one")
    move.run("move", "add", "bert@example.org", "--to", "S2", "--scenario", "plain", "--at",
             "2029-01-01T00:00Z")
    lines = move.run("move", "list").splitlines()
    assert [line.split()[0] for line in lines] == ["ADDRESS", "bert@example.org", ANNA]
    assert len(move.json("move", "list", "--wave", "one")["moves"]) == 1
    (dn, _), = [r for r in move.records() if r[1]["restantemoveaddress"] == [ANNA]]
    move.lab.slapd.replace(dn, restanteMoveState="6", restanteMoveError="no room\x07 there",
                           restanteMoveStopped="TRUE",
                           restanteMoveReached=["0 20300101000000Z", "6 20300101000009Z"],
                           restanteMoveDone=["create 20300101000001Z", "swap 20300101000009Z"],
                           restanteMoveHold="20300101000002.000000Z#000000#000#000000 "
                                            "20300101000002.250000Z#000000#000#000000")
    one = move.json("move", "show", ANNA)
    assert (one["state"], one["stopped"], one["held_us"]) == (6, True, 250000)
    assert [s["step"] for s in one["done"]] == ["create", "swap"]
    shown = move.run("move", "show", one["name"])
    assert "state 6: swapped" in shown and "0.250 s" in shown and "\x07" not in shown
    move.lab.slapd.replace(dn, restanteMoveWork="3 close 20300101000010Z control9")
    assert "  working on   close, by control9 since 2030-01-01 00:00:10Z\n" in move.run(
        "move", "show", one["name"])
    assert shown.index("create") < shown.index("swap\n")
    assert [m["address"] for m in move.json("move", "list", "--errors")["moves"]] == [ANNA]
    assert "no move of it" in move.run("move", "show", "carla@example.org", code=NOTFOUND)
    assert "no move of that name" in move.run("move", "show", "2030", code=NOTFOUND)


def test_what_is_asked(move):
    move.run("move", "add", ANNA, "--to", "S2", "--scenario", "plain")
    move.run("move", "pause", ANNA)
    assert only(move)["restantemoverequest"] == ["pause"]
    move.run("move", "resume", ANNA)
    assert only(move)["restantemoverequest"] == ["resume"]
    assert "rollback takes" not in move.run("move", "cancel", ANNA)
    assert only(move)["restantemoverequest"] == ["cancel"]
    assert "nothing went wrong" in move.run("move", "retry", ANNA, code=REFUSED)
    assert "cancel` ends it" in move.run("move", "rollback", ANNA, code=REFUSED)
    (dn, _), = move.records()
    move.lab.slapd.replace(dn, restanteMoveState="5", restanteMoveRequest=None)
    assert "rollback` takes it back" in move.run("move", "cancel", ANNA, code=REFUSED)
    move.run("move", "rollback", "--leave-mail", ANNA)
    assert only(move)["restantemoverequest"] == ["rollback leave-mail"]
    move.lab.slapd.replace(dn, restanteMoveOutcome="rolled back")
    assert "it is over" in move.run("move", "pause", ANNA, code=REFUSED)


def test_a_wave_is_asked(move):
    rows = "address,to\nanna@example.org,S2\nbert@example.org,S2\ninfo@example.org,S2\n"
    move.run("move", "import", "-", "--scenario", "plain", "--wave", "w", stdin=rows.encode())
    (dn, _) = move.records()[0]
    move.lab.slapd.replace(dn, restanteMoveState="10")
    assert "--yes" in move.run("move", "cancel", "--wave", "w", code=REFUSED)
    asked = move.json("move", "cancel", "--wave", "w", "--yes")["asked"]
    assert len(asked) == 2
    assert "restantemoverequest" not in move.records()[0][1]
    assert "no move in it" in move.run("move", "cancel", "--wave", "v", "--yes", code=NOTFOUND)


def test_the_report(move):
    move.run("move", "add", ANNA, "--to", "S2", "--scenario", "plain", "--wave", "<w>",
             "--at", "2030-01-01T00:00Z")
    (dn, _), = move.records()
    move.lab.slapd.replace(dn, restanteMoveError='=1+1, "quoted"')
    (row,) = csv.DictReader(io.StringIO(move.run("move", "report", "<w>")))
    assert (row["address"], row["from"], row["to"], row["state"]) == (ANNA, "S1", "S2", "0")
    assert row["error"] == "'=1+1, \"quoted\""
    page = move.run("move", "report", "--format", "html", "<w>")
    assert "<h1>&lt;w&gt;</h1>" in page and "&quot;quoted&quot;" in page
    assert move.json("move", "report")["moves"][0]["wave"] == "<w>"
    assert "no move of that wave" in move.run("move", "report", "v", code=NOTFOUND)


def test_the_watch_ends_when_nothing_is_waited_for(move):
    move.run("move", "add", ANNA, "bert@example.org", "--to", "S2", "--scenario", "plain")
    watch = subprocess.Popen([move.lab.build + "/restante", "-c", move.conf, "move", "watch"],
                             stdout=subprocess.PIPE, text=True)
    assert "2 moves: 2 wait" in watch.stdout.readline()
    for number, (dn, _) in enumerate(move.records()):
        move.lab.slapd.replace(dn, restanteMoveState="10" if number else "1",
                               restanteMoveStopped=None if number else "TRUE")
    rest = watch.communicate(timeout=30)[0]
    assert "0 wait, 0 under way, 1 complete, 1 stopped" in rest
    assert watch.returncode == FAILED


def test_without_a_directory(move):
    with open(move.conf) as given:
        text = given.read().replace(move.lab.slapd.uri, "ldap://127.0.0.1:1")
    path = move.lab.dir + "/away.conf"
    with open(path, "w") as out:
        out.write(text)
    done = run([move.lab.build + "/restante", "-c", path, "move", "list"], check=False)
    assert done.returncode == DIRECTORY and b"127.0.0.1:1" in done.stderr


def test_status_tells_of_moves(move):
    """What has stopped, what meets errors, and what is due while nobody leads."""
    def told(code=FAILED):
        status = move.json("status", code=code)
        return status, " | ".join(line for line in status["attention"] if "move" in line)

    move.run("move", "add", ANNA, "--to", "S2", "--scenario", "plain", "--at", "2030-01-01T00:00Z")
    status, lines = told()
    assert status["moves"] == {"due": 0, "under_way": 0, "stopped": 0, "trouble": 0} and lines == ""
    (dn, _), = move.records()
    move.lab.slapd.replace(dn, restanteMoveInstant="20200101000000Z", restanteMoveState="5",
                           restanteMoveError="drain: the queue is full")
    status, lines = told()
    assert status["moves"] == {"due": 1, "under_way": 1, "stopped": 0, "trouble": 1}
    assert "1 move has an error and is tried again" in lines
    assert "1 move is due, but no controller leads:" in lines
    federation = {"restanteLeaseHolder": "control9", "restanteLeaseTerm": "4"}
    move.lab.slapd.replace(FEDERATION, **federation, restanteLeaseExpiry="20200101000000Z")
    assert "(control9 did until 2020-01-01 00:00:00Z)" in told()[1]
    move.lab.slapd.replace(FEDERATION, restanteLeaseExpiry="20400101000000Z")
    assert "no controller" not in told()[1]
    move.lab.slapd.replace(dn, restanteMoveStopped="TRUE")
    status, lines = told()
    assert status["moves"] == {"due": 0, "under_way": 0, "stopped": 1, "trouble": 0}
    assert "1 move has stopped: `restante move list --errors`" in lines and "again" not in lines
    assert "moves        0 due, 0 under way, 1 stopped; control9 leads" in move.run("status",
                                                                                   code=FAILED)
    move.lab.slapd.replace(FEDERATION, restanteLeaseHolder=None, restanteLeaseTerm=None,
                           restanteLeaseExpiry=None)


def test_a_machine_of_the_controller_alone_is_no_front_door(move):
    assert "restante-milter on this machine" in move.run("status", code=FAILED)
    open(move.lab.dir + "/control.sock", "w").close()
    said = move.run("status", code=FAILED)
    assert "restante-milter on" not in said and "front door   none on this machine" in said
