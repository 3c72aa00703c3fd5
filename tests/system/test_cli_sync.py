"""`restante sync` on a real directory: what it reads and writes there. Where it asks the daemon, the
test plays that."""

import json
import os
import subprocess
import threading
import time

import pytest

from command import (DIRECTORY, DONE, FAILED, MILTER, NOTFOUND, REFUSED, USAGE, Control, ok,
                     on_terminal)
from lab.daemon import conf_section
from lab.slapd import FEDERATION

SYSTEMS = "ou=systems," + FEDERATION
COUNTS = "persons=12 added=3 changed=1 deleted=0 conflicts=0 refused=0"
ALL = ["restanteSyncAsked", "restanteSyncFinished", "restanteUpSyncFailed", "restanteUpSyncStart",
       "restanteUpSyncAt", "restanteUpSyncOutcome", "restanteUpSyncRun", "restanteUpLease",
       "restanteDownSyncAsked", "restanteDownSyncFinished", "restanteDownSyncFailed",
       "restanteDownSyncStart", "restanteDownSyncAt", "restanteDownSyncOutcome",
       "restanteDownLease", "restanteSyncApproval", "restanteDownSyncApproval"]
RECORD = {"run": "20261122T153000Z-4f2a", "direction": "up", "outcome": "complete", "text": "",
          "start_us": 1000000, "end_us": 2500000, "full": True, "persons": 12, "added": 3,
          "changed": 1, "deleted": 0, "conflicts": 0, "refused": 0, "pending": 0}
STOPPED = dict(RECORD, outcome="stopped", text="500 of 1200 mailboxes vanished", pending=500)
END = {"v": 1, "end": True}


def dn_of(system):
    return "cn=%s,%s" % (system, SYSTEMS)


@pytest.fixture
def sync(restante, slapd):
    """`restante sync` with its own settings, and no trace of a sync in the directory."""
    restante.socket = os.path.join(restante.dir, "dirsync.sock")
    restante.state = os.path.join(restante.dir, "sync")
    with open(restante.conf, "a") as conf:
        conf.write(conf_section("dirsync", {"control_socket": restante.socket,
                                            "state_dir": restante.state}))
        conf.write('up S1 { physical = "%{uid}@s1.lab" }\ndown S1 { target = csv }\n'
                   'up "s2" { source = csv }\n')
    for system in ("S1", "S2", "S3"):
        slapd.replace(dn_of(system), **{name: None for name in ALL})
    return restante


def value(slapd, system, name):
    return slapd.read(dn_of(system), [name]).get(name.lower(), [None])[0]


def report(sync, system, direction="up", **fields):
    """A line where runs leave them."""
    folder = os.path.join(sync.state, system.lower())
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, direction + ".reports"), "a") as out:
        out.write(json.dumps(dict(fields, system=system, direction=direction)) + "\n")


@pytest.fixture
def reports(sync):
    """report(), and nothing is left afterwards."""
    yield lambda system, direction="up", **fields: report(sync, system, direction, **fields)
    subprocess.run(["rm", "-rf", sync.state], check=True)


class Syncs(threading.Thread):
    """Answers requests in the directory as restante-dirsync would: answer(system, direction, number)
    gives the attributes to be written."""

    def __init__(self, slapd, answer):
        super().__init__(daemon=True)
        self.slapd, self.answer, self.stopping = slapd, answer, threading.Event()

    def run(self):
        while not self.stopping.wait(0.05):
            for system in ("S1", "S2", "S3"):
                entry = self.slapd.read(dn_of(system))
                for direction, asked, finished in (
                        ("up", "restantesyncasked", "restantesyncfinished"),
                        ("down", "restantedownsyncasked", "restantedownsyncfinished")):
                    number = int(entry.get(asked, ["0"])[0])
                    if number > int(entry.get(finished, ["0"])[0]):
                        self.slapd.replace(dn_of(system), **self.answer(system, direction, number))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.join()


def finished(system, direction, number):
    title = direction.title()
    name = "restanteSyncFinished" if direction == "up" else "restanteDownSyncFinished"
    return {name: str(number), "restante%sSyncOutcome" % title: "complete " + COUNTS,
            "restante%sSyncStart" % title: "20261122153000Z",
            "restante%sSyncAt" % title: "20261122153002Z",
            "restante%sSyncRun" % title: "20261122T153000Z-4f2a"}


def failed(system, direction, number):
    """Over and over, as a daemon does that finds a request of a run that failed."""
    return {"restante%sSyncFailed" % direction.title(): "%d incomplete: the server went away" % number,
            "restante%sSyncOutcome" % direction.title():
                "incomplete persons=5 added=0 changed=0 deleted=0 conflicts=0 refused=0; the server "
                "went away"}


# --- the command line -----------------------------------------------------------------------------

def test_usage(sync):
    for arguments in (["sync"], ["sync", "frob"], ["sync", "diff"], ["sync", "diff", "S1", "S2"],
                      ["sync", "approve"], ["sync", "assign", "a@example.org"],
                      ["sync", "adopt", "S1"],
                      ["sync", "run", "--timeout", "soon"], ["sync", "conflicts", "--limit", "x"],
                      ["sync", "diff", "S1", "--limit", "-1"]):
        assert b"restante help" in sync(*arguments, code=USAGE).stderr
    assert "no domain" in sync.error("sync", "assign", "no-domain", "S1", code=USAGE)


def test_what_only_the_daemon_can_do(sync):
    for arguments, hint in ((["diff", "S1"], "--dry-run"), (["adopt", "S1", "a@example.org"], "where"),
                            (["run", "S1", "--full"], "--once --full")):
        line = sync.error("sync", *arguments, code=MILTER)
        assert sync.socket in line and hint in line


# --- run, through the directory -------------------------------------------------------------------

def test_a_run_is_asked_for_in_the_directory(sync, slapd):
    slapd.replace(dn_of("S1"), restanteSyncFinished="7", restanteUpSyncFailed="9 failed: x")
    shown = sync.json("sync", "run", "s1", "--up")
    assert [(one["system"], one["direction"], one["number"]) for one in shown] == [("S1", "up", 10)]
    assert value(slapd, "S1", "restanteSyncAsked") == "10"
    assert value(slapd, "S1", "restanteDownSyncAsked") is None
    assert b"run 11" in sync("sync", "run", "S1", "--up").stdout
    sync("sync", "run")  # whatever has a section here
    asked = [value(slapd, s, n) for s in ("S1", "S2", "S3")
             for n in ("restanteSyncAsked", "restanteDownSyncAsked")]
    assert asked == ["12", "1", "1", None, None, None]
    assert "S9" in sync.error("sync", "run", "S9", code=NOTFOUND)
    assert "--up" in sync.error("sync", "run", "S3", code=NOTFOUND)
    sync("sync", "run", "S3", "--down")
    assert value(slapd, "S3", "restanteDownSyncAsked") == "1"


def test_askers_at_the_same_time_get_a_number_each(sync):
    done = [subprocess.Popen([sync.binary, "-c", sync.conf, "--json", "sync", "run", "S1", "--up"],
                             stdout=subprocess.PIPE) for _ in range(8)]
    numbers = [json.loads(one.communicate(timeout=30)[0])[0]["number"] for one in done]
    assert sorted(numbers) == list(range(1, 9))


def test_waiting_in_the_directory(sync, slapd):
    with Syncs(slapd, finished):
        done = sync("sync", "run", "S1", "--wait")
    lines = done.stdout.decode().splitlines()
    assert lines == ["S1 %s: complete, 12 mailboxes: 3 added, 1 changed, 0 deleted (2.000 s)" % way
                     for way in ("up", "down")]
    with Syncs(slapd, failed):
        shown = sync.json("sync", "run", "S1", "--up", "--wait", code=FAILED)
    assert [(one["ok"], one["outcome"]) for one in shown] == [(False, "incomplete")]
    assert "went away" in shown[0]["text"]


def test_nobody_answers(sync, slapd):
    began = time.monotonic()
    line = sync.error("sync", "run", "S1", "--up", "--wait", "--timeout", "1s", code=REFUSED)
    assert "the request stands" in line and 1 <= time.monotonic() - began < 30
    assert value(slapd, "S1", "restanteSyncAsked") == "1"


# --- run, by the daemon ---------------------------------------------------------------------------

def progress(system, phase, done, total, direction="up"):
    return {"system": system, "direction": direction, "phase": phase, "done": done, "total": total}


def stream(*items):
    return [ok(stream=True), *items, END]


def test_the_daemon_is_asked(sync):
    answers = {"run": stream(progress("S1", "reading", 5, 0), {"system": "S1", "record": RECORD},
                             {"system": "S2", "record": STOPPED})}
    with Control(sync.socket, answers) as daemon:
        done = sync("sync", "run", "S1", "S2", "--up", "--full", "--wait", code=REFUSED)
        shown = sync.json("sync", "run", "--wait", code=REFUSED)
    assert done.stdout.decode() == \
        "S1 up: complete, 12 mailboxes: 3 added, 1 changed, 0 deleted (1.500 s)\n"
    assert b"S2 up: stopped" in done.stderr and b"500 of 1200" in done.stderr
    assert [(one["system"], one["ok"], one["outcome"]) for one in shown] == [
        ("S1", True, "complete"), ("S2", False, "stopped")]
    first, second = daemon.asked
    assert first == {"v": 1, "cmd": "run", "systems": ["S1", "S2"], "direction": "up", "full": True,
                     "wait": True}
    assert "systems" not in second and "direction" not in second and not second["full"]


def test_without_waiting(sync):
    with Control(sync.socket, {"run": [ok(started=2)]}):
        assert sync("sync", "run").stdout.startswith(b"2 syncs asked for")
        assert sync.json("sync", "run")["started"] == 2


@pytest.mark.parametrize("code, status", [("notfound", NOTFOUND), ("refused", REFUSED),
                                          ("trouble", FAILED)])
def test_the_daemon_refuses(sync, code, status):
    refusal = {"v": 1, "ok": False, "error": "S9: no such section", "code": code}
    with Control(sync.socket, {"run": [refusal], "diff": [refusal], "conflicts": [refusal]}):
        assert "S9" in sync.error("sync", "run", "S9", "--wait", code=status)
        assert "S9" in sync.error("sync", "diff", "S9", code=status)
        assert "S9" in sync.error("sync", "conflicts", "S9", code=status)


def test_a_daemon_that_dies_in_the_middle(sync):
    def dies(request):
        yield ok(stream=True)
        yield progress("S1", "reading", 5, 10)
        raise ConnectionError("gone")
    with Control(sync.socket, {"run": dies}):
        assert "restante sync status" in sync.error("sync", "run", "--wait", code=MILTER)


def test_bars_on_a_terminal(sync):
    items = [progress("S1", "reading", 50, 100), progress("S2", "reading", 7, 0),
             progress("S1", "applying", 3, 4), {"system": "S1", "record": RECORD},
             {"system": "S2", "record": dict(RECORD, direction="up")}]
    with Control(sync.socket, {"run": stream(*items)}):
        code, shown = on_terminal([sync.binary, "-c", sync.conf, "sync", "run", "--wait"])
    assert code == DONE
    text = shown.decode()
    assert "[##########..........] 50/100  reading" in text
    assert "[###############.....] 3/4  applying" in text
    assert "S2 up        7  reading" in text
    # what is left: the bars are erased
    assert text.split("\x1b[2K")[-1].startswith("S2 up: complete")
    with Control(sync.socket, {"run": stream(*items)}):
        done = sync("sync", "run", "--wait")
    assert b"\x1b" not in done.stdout + done.stderr and done.stderr == b""


def test_what_a_source_says_cannot_write_to_the_terminal(sync):
    evil = dict(STOPPED, text="\x1b]0;title\x07 of \u202e")
    with Control(sync.socket, {"run": stream(progress("S\x1b[31m", "\x1b[2J", 1, 2),
                                             {"system": "S1", "record": evil})}):
        _, shown = on_terminal([sync.binary, "-c", sync.conf, "sync", "run", "--wait"])
    assert b"\x1b]0" not in shown and b"\x1b[2J" not in shown and b"\x1b[31m" not in shown


# --- diff -----------------------------------------------------------------------------------------

def change(number):
    return {"kind": "add", "dn": "cn=%d" % number, "id": str(number), "reason": "new on S1",
            "ldif": "# new on S1\ndn: cn=%d\nchangetype: add\n\n" % number}


def test_diff(sync):
    answers = {"diff": [ok(stream=True), change(1), change(2), {"v": 1, "end": True,
                                                                "record": RECORD}]}
    with Control(sync.socket, answers) as daemon:
        done = sync("sync", "diff", "S1")
        shown = sync.json("sync", "diff", "S1", "--down", "--full", "--limit", "1")
        short = sync("sync", "diff", "S1", "--limit", "1")
    text = done.stdout.decode()
    assert text.startswith("# new on S1\ndn: cn=1\nchangetype: add\n\n# new on S1\ndn: cn=2\n")
    assert "S1 up: 2 changes; nothing was written" in text
    assert [one["dn"] for one in shown["changes"]] == ["cn=1"] and shown["record"]["added"] == 3
    assert b"cn=2" not in short.stdout and b"and more" in short.stdout
    assert daemon.asked[0]["direction"] == "up" and daemon.asked[1]["direction"] == "down"
    assert daemon.asked[1]["full"] is True


def test_the_diff_of_a_run_that_would_be_stopped(sync):
    answers = {"diff": [ok(stream=True), change(1), {"v": 1, "end": True, "record": STOPPED}]}
    with Control(sync.socket, answers):
        done = sync("sync", "diff", "S1", code=REFUSED)
        shown = sync.json("sync", "diff", "S1", code=REFUSED)
    assert b"cn=1" in done.stdout and b"500 of 1200" in done.stderr
    assert shown["ok"] is False and shown["record"]["pending"] == 500


# --- status ---------------------------------------------------------------------------------------

def test_status_from_the_directory(sync, slapd):
    done = sync("sync", "status")
    assert b"does not run on this machine" in done.stdout and done.stdout.count(b"never ran") == 3
    slapd.replace(dn_of("S1"), **finished("S1", "up", 1))
    slapd.replace(dn_of("S3"), **finished("S3", "up", 1))
    assert done.stdout.count(b"\n") + 1 == sync("sync", "status").stdout.count(b"\n")
    shown = sync.json("sync", "status", "S1")
    assert shown["ok"] and not shown["daemon"] and len(shown["systems"]) == 1
    last = shown["systems"][0]["up"]["last"]
    assert (last["outcome"], last["persons"], last["added"]) == ("complete", 12, 3)
    assert "last" not in shown["systems"][0]["down"]
    assert "S9" in sync.error("sync", "status", "S9", code=NOTFOUND)


def test_status_says_what_needs_attention(sync, slapd):
    slapd.replace(dn_of("S1"), restanteUpSyncOutcome="stopped persons=700 pending=500; 500 of 1200 "
                  "mailboxes vanished", restanteDownSyncOutcome="complete persons=5 conflicts=2")
    done = sync("sync", "status", code=FAILED)
    assert b"! S1 up: stopped: 500 of 1200" in done.stdout
    assert b"! S1 down: conflicts" in done.stdout
    shown = sync.json("sync", "status", code=FAILED)
    assert len(shown["attention"]) == 2 and not shown["ok"]
    slapd.replace(dn_of("S1"), restanteUpSyncOutcome="\u00dcber alles", restanteDownSyncOutcome=None)
    assert "\u00dcber alles" in sync("sync", "status", code=FAILED).stdout.decode()


LIVE = ok(program="restante-dirsync", version="0.1.0", pid=1, holder="sync1", uptime_us=5000000,
          stopping=False, systems=[
              {"system": "S1", "up": {"connector": "ldap", "running": True, "run": "r", "phase":
                                      "reading", "done": 30, "total": 120, "began_us": 1,
                                      "next_us": 0, "remark": ""},
               "down": {"connector": "csv", "running": False, "next_us": 0,
                        "remark": "only full runs delete", "last": dict(RECORD, direction="down")}}])


def test_status_with_the_daemon(sync, slapd):
    slapd.replace(dn_of("S1"), **finished("S1", "down", 1))
    with Control(sync.socket, {"status": [LIVE]}):
        done = sync("sync", "status", "S1", code=FAILED)
        shown = sync.json("sync", "status", "S1", code=FAILED)
    text = done.stdout.decode()
    assert "runs as sync1" in text and "reading 25%" in text and "! S1 down: only full" in text
    assert shown["daemon"] and shown["systems"][0]["up"]["running"]
    assert shown["systems"][0]["down"]["last"]["persons"] == 12


def test_status_without_the_directory(sync):
    with open(sync.conf) as conf:
        text = conf.read()
    with open(sync.conf, "w") as conf:
        conf.write(text.replace(sync.slapd.uri, "ldap://127.0.0.1:1"))
    assert "127.0.0.1:1" in sync.error("sync", "status", code=DIRECTORY)
    with Control(sync.socket, {"status": [LIVE]}):
        shown = sync.json("sync", "status", code=FAILED)
    assert shown["systems"][0]["down"]["last"]["outcome"] == "complete"
    assert any("127.0.0.1:1" in line for line in shown["attention"])


# --- conflicts ------------------------------------------------------------------------------------

def test_conflicts_as_runs_left_them(sync, reports):
    assert sync("sync", "conflicts").stdout == b"no conflicts\n"
    assert sync.json("sync", "conflicts") == []
    reports("S1", kind="conflict", id="17", address="anna@example.org", text="S2 has it")
    reports("S1", "down", kind="foreign", id="4", address="bert@example.org", text="cn=Bert")
    reports("s2", kind="domain", id="5", address="x@elsewhere.test", text="not federated")
    done = sync("sync", "conflicts", code=FAILED)
    assert done.stdout.count(b"\n") == 4 and b"S2 has it" in done.stdout
    shown = sync.json("sync", "conflicts", "S1", code=FAILED)
    assert [(one["system"], one["direction"], one["kind"]) for one in shown] == [
        ("S1", "up", "conflict"), ("S1", "down", "foreign")]
    assert b"and 2 more" in sync("sync", "conflicts", "--limit", "1", code=FAILED).stdout


def test_conflicts_by_the_daemon(sync):
    one = {"system": "S1", "direction": "up", "kind": "conflict", "id": "17",
           "address": "anna@example.org", "place": "cn=a", "owner": "S2", "owner_dn": "cn=b",
           "text": "S2 has it"}
    with Control(sync.socket, {"conflicts": stream(one)}) as daemon:
        assert sync.json("sync", "conflicts", "S1", "S3", code=FAILED) == [one, one]
    assert [request.get("system") for request in daemon.asked] == ["S1", "S3"]


# --- approve --------------------------------------------------------------------------------------

def test_approve(sync, slapd):
    assert "nothing waits" in sync.error("sync", "approve", "S1", "--yes", code=REFUSED)
    slapd.replace(dn_of("S1"), restanteUpSyncOutcome="stopped persons=700 pending=560 "
                  "stops=deletions:500,lost/cn:60; 500 of 1200 mailboxes vanished (a lot)")
    done = sync("sync", "approve", "S1", code=REFUSED)
    assert b"500 of 1200" in done.stderr and b"--yes" in done.stderr
    assert b"500 deletions, 60 entries that lost cn" in done.stderr
    assert value(slapd, "S1", "restanteSyncApproval") is None
    shown = sync.json("sync", "approve", "s1", "--yes")
    assert shown["number"] == 1 and shown["approved"] == [
        {"kind": "deletions", "number": 500}, {"kind": "lost/cn", "number": 60}]
    assert value(slapd, "S1", "restanteSyncApproval") == "deletions:500,lost/cn:60"
    assert value(slapd, "S1", "restanteSyncAsked") == "1"
    assert "S9" in sync.error("sync", "approve", "S9", code=NOTFOUND)


def test_an_empty_source_is_not_approved(sync, slapd):
    slapd.replace(dn_of("S1"), restanteUpSyncOutcome="stopped persons=0; S1 shows no mailbox")
    said = sync.error("sync", "approve", "S1", "--yes", code=REFUSED)
    assert "no approval lets that pass: S1 shows no mailbox" in said
    assert value(slapd, "S1", "restanteSyncApproval") is None


def test_approve_a_down_sync(sync, slapd):
    """An approval is of the direction whose last run was stopped."""
    slapd.replace(dn_of("S1"), restanteUpSyncOutcome="complete persons=700", restanteDownSyncOutcome=(
        "stopped persons=700 pending=40 stops=deletions:40; 40 of 700 contacts have no mailbox any more"))
    shown = sync.json("sync", "approve", "S1", "--yes")
    assert (shown["direction"], shown["number"]) == ("down", 1)
    assert value(slapd, "S1", "restanteDownSyncApproval") == "deletions:40"
    assert value(slapd, "S1", "restanteDownSyncAsked") == "1"
    assert value(slapd, "S1", "restanteSyncApproval") is None


def test_what_does_not_say_what_it_is_for_is_not_approved(sync, slapd):
    """The outcome of an earlier version, or one that is damaged."""
    for stops in ("", " stops=500", " stops=deletions:5,", " stops=lost/%1b:5"):
        slapd.replace(dn_of("S1"),
                      restanteUpSyncOutcome="stopped pending=500%s; 500 vanished" % stops)
        said = sync.error("sync", "approve", "S1", "--yes", code=REFUSED)
        assert "does not say what it was stopped for" in said and "restante sync run S1" in said
        assert value(slapd, "S1", "restanteSyncApproval") is None


def test_what_was_shown_is_what_is_approved(sync, slapd):
    """Another run ends while the administrator thinks."""
    slapd.replace(dn_of("S1"), restanteUpSyncOutcome="stopped pending=500 stops=deletions:500; 500 gone")
    code, shown = on_terminal(
        [sync.binary, "-c", sync.conf, "sync", "approve", "S1"], b"yes\n",
        before=lambda: slapd.replace(
            dn_of("S1"), restanteUpSyncOutcome="stopped pending=900 stops=deletions:900; gone"))
    assert code == REFUSED and b"another run" in shown
    assert value(slapd, "S1", "restanteSyncApproval") is None


# --- assign ---------------------------------------------------------------------------------------

@pytest.fixture
def claimed(slapd, box, reports):
    """(owner on S1, claimant on S2, the address): what S2 reported."""
    dn, address, _ = box
    other = slapd.add_mailbox("claimant", system="S2", addresses=["claimant@example.org"])
    slapd.replace(other, restanteSourceId="17")
    reports("s2", kind="conflict", id="17", address=address.upper(), text="S1 has it")
    yield dn, other, address
    slapd.modify("dn: %s\nchangetype: delete\n" % other)


def addresses(slapd, dn):
    return sorted(slapd.read(dn, ["mailLocalAddress"]).get("maillocaladdress", []))


def test_assign(sync, slapd, claimed):
    owner, claimant, address = claimed
    assert "--yes" in sync.error("sync", "assign", address, "S2", code=REFUSED)
    assert addresses(slapd, owner) == [address]
    shown = sync.json("sync", "assign", address.title(), "S2", "--yes")
    assert (shown["changed"], shown["from"], shown["to"]) == (True, owner, claimant)
    assert addresses(slapd, owner) == []
    assert addresses(slapd, claimant) == sorted([address, "claimant@example.org"])
    assert not sync.json("sync", "assign", address, "S2", "--yes")["changed"]


def test_a_refused_assignment_is_taken_back(sync, slapd, claimed):
    owner, claimant, address = claimed
    slapd.replace(claimant, restanteState="holding")
    assert "as before" in sync.error("sync", "assign", address, "S2", "--yes", code=REFUSED)
    assert addresses(slapd, owner) == [address]
    slapd.replace(owner, restanteState="holding")
    assert "at rest" in sync.error("sync", "assign", address, "S2", "--yes", code=REFUSED)


def test_assigning_to_a_mailbox_without_an_entry_asks_for_a_run(sync, slapd, box):
    dn, address, _ = box
    assert "--id" in sync.error("sync", "assign", address, "S3", "--yes", code=NOTFOUND)
    shown = sync.json("sync", "assign", address, "S3", "--id", "99", "--yes")
    assert shown["changed"] and "to" not in shown and addresses(slapd, dn) == []
    assert value(slapd, "S3", "restanteSyncAsked") == "1"
    assert "nobody has" in sync.error("sync", "assign", address, "S3", "--yes", code=NOTFOUND)


@pytest.mark.parametrize("more, refused", [
    ({}, True),
    ({"restanteMoveState": "9"}, True),
    ({"restanteMoveState": "10"}, False),
    ({"restanteMoveState": "5", "restanteMoveOutcome": "rolled back"}, False),
    ({"restanteMoveAddress": "nobody@example.org"}, False),
    ({"restanteMoveAddress": "nobody@example.org", "restanteMoveSourceId": "17"}, True),
    ({"restanteMoveAddress": "Claimant@Example.ORG"}, True),
])
def test_nothing_is_assigned_while_a_move_is_open(sync, slapd, claimed, more, refused):
    """Neither of the owner nor of the claimant, whichever of their addresses its record names."""
    owner, claimant, address = claimed
    slapd.modify("dn: %s\nchangetype: modify\nadd: mailLocalAddress\n"
                 "mailLocalAddress: other@example.org\n" % owner)
    move = {"restanteMoveAddress": "Other@example.org", "restanteMoveTarget": "S2", **more}
    dn = "cn=assigned,ou=moves," + FEDERATION
    slapd.modify("dn: %s\nchangetype: add\nobjectClass: restanteMove\ncn: assigned\n%s" % (
        dn, "".join("%s: %s\n" % one for one in move.items())), "root")
    try:
        if refused:
            said = sync.error("sync", "assign", address, "S2", "--yes", code=REFUSED)
            assert "a move is open (%s)" % dn in said
            assert address in addresses(slapd, owner)
        else:
            assert sync.json("sync", "assign", address, "S2", "--yes")["changed"]
    finally:
        slapd.modify("dn: %s\nchangetype: delete\n" % dn, "root")


# --- adopt ----------------------------------------------------------------------------------------

def test_adopt(sync):
    with Control(sync.socket, {"adopt": [ok(dn="cn=Bert,ou=old")]}) as daemon:
        assert b"cn=Bert,ou=old" in sync("sync", "adopt", "S1", "bert@example.org").stdout
    assert daemon.asked == [{"v": 1, "cmd": "adopt", "system": "S1", "address": "bert@example.org"}]
