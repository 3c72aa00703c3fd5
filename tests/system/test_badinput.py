"""What an administrator or a disk can get wrong before the front door opens: one line that names the
place and the remedy, an exit status, and nothing of the hold queue touched."""

import glob
import os
import re
import shutil
import subprocess

import pytest

from helpers import (arrived, fresh, refusal, send, settled, unhold, user_of, verdict,
                     wait_verdict)
from lab.daemon import listens
from lab.lab import Lab
from lab.process import free_port, run, wait_for
from lab.slapd import BASE
from relay import Relay

CONFIG, UNAVAILABLE = 78, 69
SYNC = b"1.3.6.1.4.1.4203.1.9.1.1"  # the control of RFC 4533


@pytest.fixture(scope="module")
def door():
    """A whole front door, whose daemon tests stop and start; its hold queue has one message."""
    with Lab() as lab:
        lab.address = fresh(lab, "holding")
        lab.msgid = send(lab, lab.address)
        yield lab


def start(lab, conf=None):
    """A start that must fail: (exit status, its one line)."""
    done = run([lab.milter.binary, "-c", conf or lab.milter.conf], check=False, timeout=60)
    lines = [line for line in done.stderr.decode().splitlines() if "] error: " in line]
    assert len(lines) == 1 and done.stdout == b"", done.stderr.decode()
    return done.returncode, lines[0]


def changed(lab, *pairs):
    """A configuration with these (regular expression, replacement); its path."""
    path = os.path.join(lab.dir, "changed.conf")
    with open(lab.milter.conf) as conf:
        text = conf.read()
    for pattern, replacement in pairs:
        text, count = re.subn(pattern, replacement, text)
        assert count, pattern
    with open(path, "w") as out:
        out.write(text)
    return path


def line_of(path, text):
    with open(path) as conf:
        return next(n for n, line in enumerate(conf, 1) if text in line)


# --- configuration --------------------------------------------------------------------------------

BAD_SETTINGS = {
    "unknown key": (r"heartbeat = ", "heartbeet = ", "heartbeet", "no such key"),
    "unknown section": (r"cli \{", "klient {", "klient", "no such section"),
    "no unit": (r'timeout = "5s"', "timeout = 5", "timeout", "100ms to 10m"),
    "out of range": (r'heartbeat = "1s"', "heartbeat = 2h", "heartbeat", "100ms to 1h"),
    "no choice": (r'bind = "simple"', "bind = sasl", "bind", "anonymous, simple, external"),
    "relative path": (r'queue_dir = "[^"]*"', "queue_dir = queue", "queue_dir", "absolute"),
    "no listener": (r'release_listener = "[^"]*"', 'release_listener = "localhost:25"',
                    "release_listener", "smtp:host:port"),
    "federated by its looks": (r'postmaster = "[^"]*"', "postmaster = root", "postmaster", "ASCII"),
    "no equal sign": (r"hostname = ", "hostname ", "hostname", "equal sign"),
    "twice": (r'(  node = "front1"\n)', r"\1\1", "node", "line"),
}


@pytest.mark.parametrize("kind", sorted(BAD_SETTINGS))
def test_a_wrong_setting_names_file_line_and_remedy(door, kind):
    pattern, replacement, key, remedy = BAD_SETTINGS[kind]
    conf = changed(door, (pattern, replacement))
    status, line = start(door, conf)
    assert status == CONFIG
    where = re.search(re.escape(conf) + r":(\d+)", line)
    assert where, line
    lines = open(conf).read().splitlines()
    near = "\n".join(lines[int(where[1]) - 1:int(where[1]) + 1])
    assert key in near, (line, near)
    assert remedy in line
    checked = run([door.milter.binary, "-t", "-c", conf], check=False)
    assert checked.returncode == CONFIG and remedy in checked.stderr.decode()


@pytest.mark.parametrize("what, remedy", [
    ("missing", "there is no such file"), ("a directory", "is a directory"),
    ("binary", "text file")])
def test_an_unreadable_configuration(door, what, remedy):
    path = os.path.join(door.dir, "unreadable-" + what.split()[-1])
    if what == "a directory":
        os.mkdir(path)
    elif what == "binary":
        with open(path, "wb") as out:
            out.write(b"ldap {\n\0\0\n")
    status, line = start(door, path)
    assert status == CONFIG and path in line and remedy in line


@pytest.mark.parametrize("pattern, replacement, remedy", [
    (r'user = ""', 'user = "nobody-like-that"', "nobody-like-that"),
    (r'group = ""', 'group = "no-such-group"', "no-such-group"),
])
def test_an_account_that_does_not_exist(door, pattern, replacement, remedy):
    status, line = start(door, changed(door, (pattern, replacement)))
    assert status == CONFIG and remedy in line


@pytest.mark.parametrize("pairs, remedy", [
    ([(r'  uri = "[^"]*"', "")], "ldap.uri is not set"),
    ([(r'  base = "[^"]*"', "")], "ldap.base is not set"),
    ([(r'user = ""', 'user = "nobody-like-that"')], "nobody-like-that"),
    ([(r'password_file = "[^"]*"', 'password_file = "/nonexistent"')], "/nonexistent: No such file"),
    ([(r'user = ""', 'user = "news"')], "front1.password: Permission denied"),
])
def test_check_finds_what_would_fail_later(door, pairs, remedy):
    os.chmod(door.dir, 0o755)
    os.chmod(door.slapd.dir, 0o755)
    done = run([door.milter.binary, "-t", "-c", changed(door, *pairs)], check=False)
    assert done.returncode == CONFIG and remedy in done.stderr.decode(), done.stderr


# --- the hold queue -------------------------------------------------------------------------------

@pytest.fixture
def stopped(door):
    """The daemon is down, and its queue a copy that the test may spoil."""
    door.milter.stop()
    sound = door.milter.queue + ".sound"
    shutil.copytree(door.milter.queue, sound)
    yield door
    shutil.rmtree(door.milter.queue)
    os.rename(sound, door.milter.queue)
    door.milter.start()
    assert door.milter.held() == 1


def spoil(path, at, data):
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(data)


def newest_log(lab):
    return sorted(glob.glob(os.path.join(lab.milter.queue, "log.*")))[-1]


SPOILED = {
    "a table": (lambda lab: os.path.join(lab.milter.queue, "messages.db"), 0, b"Z" * 4096, "copy"),
    "a page": (lambda lab: os.path.join(lab.milter.queue, "meta.db"), 4096 + 50, b"Z" * 2000,
               "checksum"),
    "the log": (newest_log, 0, b"Z" * 40, "cannot recover"),
    "the log of another version": (newest_log, 16, (99).to_bytes(4, "little"), "version"),
}


@pytest.mark.parametrize("kind", sorted(SPOILED))
def test_a_spoiled_queue_is_not_opened(stopped, kind):
    path_of, at, data, remedy = SPOILED[kind]
    spoil(path_of(stopped), at, data)
    status, line = start(stopped)
    assert status == UNAVAILABLE
    assert "cannot start: hold queue: " in line and stopped.milter.queue in line and remedy in line


def test_the_queue_of_another_front_door_is_not_opened(stopped):
    shutil.rmtree(stopped.milter.replica)
    status, line = start(stopped, changed(stopped, (r'node = "front1"', 'node = "front2"')))
    assert status == UNAVAILABLE
    assert "hold queue of node front1, not of front2" in line and "milter.node" in line


def test_the_replica_of_another_front_door_is_not_opened(stopped):
    """Copied, say, to spare the first load: it would acknowledge what this one never heard."""
    shutil.rmtree(stopped.milter.queue)
    status, line = start(stopped, changed(stopped, (r'node = "front1"', 'node = "front2"')))
    assert status == UNAVAILABLE
    assert stopped.milter.replica in line and "(front1, not front2)" in line
    assert "set milter.node back" in line


@pytest.mark.parametrize("kind", ["a file", "no right to write"])
def test_a_queue_directory_that_is_none(stopped, kind):
    place = os.path.join(stopped.dir, "place-" + kind.split()[-1])
    with open(place, "w"):
        pass
    path = place if kind == "a file" else os.path.join(place, "queue")
    status, line = start(stopped, changed(stopped, (r'queue_dir = "[^"]*"',
                                                    'queue_dir = "%s"' % path)))
    assert status in (CONFIG, UNAVAILABLE) and path in line


def test_a_queue_in_use_is_not_opened(door):
    """Only the queue: everything else is the second daemon's own."""
    own = os.path.join(door.dir, "own")
    conf = changed(door, *[(re.escape('"%s"' % path), '"%s"' % (own + "-" + name))
                           for name, path in (("replica", door.milter.replica),
                                              ("control", door.milter.control))])
    status, line = start(door, conf)
    assert status == UNAVAILABLE
    assert door.milter.queue in line and "process %d" % door.milter.pid in line
    assert "stop it first" in line
    assert door.milter.held() == 1 and verdict(door, door.address) == "hold"


# --- the directory --------------------------------------------------------------------------------

def wipe_replica(lab):
    for name in os.listdir(lab.milter.replica):
        os.unlink(os.path.join(lab.milter.replica, name))


def start_unready(lab):
    """A daemon that takes mail, though its directory is no good; where its log begins."""
    mark = len(lab.milter.log_text())
    lab.milter.start(wait=False)
    wait_for(lambda: "control socket" not in lab.milter.log_text()[mark:] and
             listens(lab.milter.socket) and listens(lab.milter.control), 15,
             "the milter's socket")
    return mark


def test_a_directory_without_our_schema(door, tmp_path):
    """451 to everybody and a line that says what to load; then, with it, all is well."""
    door.milter.stop()
    door.slapd.stop()
    wipe_replica(door)
    conf = tmp_path / "slapd.conf"
    os.makedirs(tmp_path / "db")
    conf.write_text(
        "include /etc/ldap/schema/core.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n"
        "moduleload syncprov\ndatabase mdb\nsuffix %s\ndirectory %s/db\nrootdn cn=front1,%s\n"
        "access to * by * read\noverlay syncprov\n" % (BASE, tmp_path, BASE))
    run(["/usr/sbin/slapadd", "-f", str(conf)], stdin=(
        "dn: %s\nobjectClass: organization\nobjectClass: dcObject\ndc: example\no: x\n" % BASE
    ).encode())
    slapd = subprocess.Popen(["/usr/sbin/slapd", "-f", str(conf), "-h", door.slapd.uri, "-d", "0"])
    try:
        options = changed(door, (r'bind = "simple"', 'bind = "anonymous"'))
        shutil.copy(door.milter.conf, options + ".good")
        shutil.copy(options, door.milter.conf)
        mark = start_unready(door)
        wait_for(lambda: "schema missing in the directory" in door.milter.log_text()[mark:], 15,
                 "the reason")
        assert refusal(door, "anna@example.org") == ("RCPT", 451, "4.3.0")
        door.milter.stop()
        shutil.copy(options + ".good", door.milter.conf)
    finally:
        slapd.terminate()
        slapd.wait()
        door.slapd.start()
    door.milter.start()
    assert door.milter.held() == 1


@pytest.mark.parametrize("without", ["overlay", "overlay|moduleload"], ids=["overlay", "module"])
def test_a_directory_without_syncprov(door, without):
    """Said once, whatever the number of tries, and by `restante status`; then, with it, all is well."""
    searches = []
    door.milter.stop()
    door.slapd.stop()
    wipe_replica(door)
    with open(door.slapd.conf) as conf:
        good = conf.read()
    with open(door.slapd.conf, "w") as conf:
        # where the module is not there, nor are the names of its settings
        text = re.sub(r",olcSp\w+", "", good)
        conf.write(re.sub(r"(?m)^((%s)\s+)?syncprov.*\n" % without, "", text))
    door.slapd.start()
    try:
        with Relay(door.slapd.port, lambda data: searches.append(SYNC in data)) as relay:
            conf = changed(door, (r' uri = "[^"]*"', ' uri = "ldap://127.0.0.1:%d"' % relay.port))
            shutil.copy(conf, door.milter.conf)
            mark = start_unready(door)
            wait_for(lambda: sum(searches) >= 4, 15, "four searches")
            lines = [line for line in door.milter.log_text()[mark:].splitlines()
                     if "directory: " in line and "replica open" not in line]
            assert len(lines) == 1 and "load the syncprov overlay" in lines[0], lines
            shown = door.milter.cli("status", check=False).stdout.decode()
            assert "never loaded" in shown and "load the syncprov overlay" in shown
            assert not door.milter.ask("status")["directory"]["connected"]
    finally:
        door.milter.stop()
        door.milter.configure()
        door.slapd.stop()
        with open(door.slapd.conf, "w") as conf:
            conf.write(good)
        door.slapd.start()
    mark = len(door.milter.log_text())
    door.milter.start()
    wait_for(lambda: "connected provider=" in door.milter.log_text()[mark:], 15, "the line")
    assert door.milter.log_text()[mark:].count("connected provider=") == 1
    assert door.milter.held() == 1


def test_a_directory_that_is_gone_for_long(door):
    """Holding and delivering go on for as long as it takes, over a restart, too; only a 550 is not
    said any more. (The lab's heartbeat is one second: three of them are long.)"""
    active = fresh(door)
    door.slapd.kill()
    wait_verdict(door, "nobody@example.org", "tryagain")
    for _ in range(2):
        held = door.milter.held()
        send(door, door.address)
        assert door.milter.held() == held + 1
        send(door, active)
        assert refusal(door, "nobody@example.org") == ("RCPT", 451, "4.3.0")
        assert refusal(door, "later@example.org") == ("RCPT", 451, "4.2.1")
        door.milter.stop()
        start_unready(door)
        wait_for(lambda: verdict(door, active) == "rewrite", 15, "the replica on disk")
    door.slapd.start()
    wait_verdict(door, "nobody@example.org", "nobody")
    held = door.milter.held()
    assert held == 3 and len(arrived(door, "S1", user_of(active), 2)) == 2
    unhold(door, door.address)
    settled(door)
    assert len(arrived(door, "S1", user_of(door.address), held)) == held
    door.slapd.replace(door.slapd.mailbox_dn(user_of(door.address)), restanteState="holding")
    wait_verdict(door, door.address, "hold")
    send(door, door.address)


def test_a_directory_at_the_wrong_place(door):
    """Nobody listens there: mail flows by the replica, and the log names the server."""
    door.milter.stop()
    port = free_port()
    good = door.milter.settings()["ldap"]["uri"]
    with open(door.milter.conf) as conf:
        text = conf.read()
    with open(door.milter.conf, "w") as conf:
        conf.write(text.replace(good, "ldap://127.0.0.1:%d" % port))
    mark = start_unready(door)
    wait_for(lambda: "127.0.0.1:%d" % port in door.milter.log_text()[mark:], 15, "the line")
    wait_verdict(door, door.address, "hold")
    door.milter.stop()
    door.milter.configure()
    door.milter.start()
