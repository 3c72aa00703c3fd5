"""`restante trace`: the life of a message, from whatever log there is."""

import gzip
import json
import os
import re
import stat
import time

import pytest

from command import FAILED, NOTFOUND, USAGE
from helpers import arrived, begin, fresh, hold, refusal, send, settled, unhold, user_of
from lab.lab import Lab
from lab.mail import compose
from lab.process import run, wait_for


@pytest.fixture(scope="module")
def lab():
    with Lab() as whole:
        yield whole


# In the words of Postfix and of Sendmail.
CAME, SENT = "client=|proto=ESMTP", "(status=sent|stat=Sent)"


def trace(lab, key, *more, code=0):
    done = lab.milter.cli("trace", key, "--log", lab.milter.log, "--log", lab.mta.log, *more,
                          check=False)
    assert done.returncode == code, (done.stdout, done.stderr)
    return done.stdout.decode()


def messages(lab, key, *more):
    return json.loads(trace(lab, key, "--json", *more))["messages"]


def texts(message):
    return [line["text"] for line in message["lines"]]


def in_order(lines, *patterns):
    """Each pattern matches a line after that of the one before."""
    rest = iter(lines)
    for pattern in patterns:
        assert any(re.search(pattern, line) for line in rest), (pattern, lines)


class Life:
    """Two messages whose transactions overlap, held and released."""

    def __init__(self, lab):
        self.boxes = [fresh(lab, system="S2") for _ in range(2)]
        for box in self.boxes:
            hold(lab, box)
        open_ones = [begin(lab, [box]) for box in self.boxes]
        contents = [compose(box) for box in self.boxes]
        self.msgids = [msgid for msgid, _ in contents]
        for smtp, (_, content) in zip(open_ones, contents):
            smtp.data(content)
            smtp.quit()
        self.held = [messages(lab, msgid) for msgid in self.msgids]
        self.shown = trace(lab, self.boxes[1])
        for box in self.boxes:
            unhold(lab, box)
        for box in self.boxes:
            arrived(lab, "S2", user_of(box))
        settled(lab)
        lab.mta.wait_logged("to=<%s@s2.lab>.*" % user_of(self.boxes[1]) + SENT)


@pytest.fixture(scope="module")
def life(lab):
    return Life(lab)


def test_what_is_held_shows_how_it_came(life):
    for found, msgid in zip(life.held, life.msgids):
        assert len(found) == 1
        in_order(texts(found[0]), CAME, r"milter: message id=.* held=1 .*number=\d+")
        assert not any("delivered" in text for text in texts(found[0]))
        assert found[0]["held"] is True and found[0]["number"] > 0 and len(found[0]["queue_ids"]) == 1
        assert any("message_id=" + msgid in text for text in texts(found[0]))


@pytest.mark.brief
def test_the_whole_life_in_order(lab, life):
    for msgid, box in zip(life.msgids, life.boxes):
        found = messages(lab, msgid)
        assert len(found) == 1
        lines = texts(found[0])
        queue_id, onward, one = found[0]["queue_ids"][0], found[0]["onward"][0], found[0]["ids"]
        assert len(one) == 1 and found[0]["held"] is False
        in_order(lines, queue_id + ": .*(%s)" % CAME, "milter: message id=%s queue_id=%s " % (one[0], queue_id),
                 "release: delivered id=%s .*rcpt=%s .*(queued as %s|%s Message accepted)" % (
                     one[0], box, onward, onward), onward + ": .*" + SENT)
        times = [line["time_us"] for line in found[0]["lines"] if line["program"] == "restante-milter"]
        assert times == sorted(times) and len(times) >= 2
        for line in lines:  # every one of ours has the id
            assert line.startswith(("milter:", "release:")) == ("id=%s " % one[0] in line), line


@pytest.mark.brief
def test_two_at_once_are_not_mixed_up(lab, life):
    one, other = (messages(lab, msgid)[0] for msgid in life.msgids)
    for key in ("ids", "queue_ids", "onward"):
        assert not set(one[key]) & set(other[key])
    assert not set(texts(one)) & set(texts(other))
    for message, stranger in ((one, life.boxes[1]), (other, life.boxes[0])):
        assert not any(user_of(stranger) + "@" in text for text in texts(message))


def test_every_name_of_it_finds_it(lab, life):
    message = messages(lab, life.msgids[0])[0]
    names = [message["ids"][0], message["queue_ids"][0], message["onward"][0],
             str(message["number"]), life.msgids[0], life.msgids[0].strip("<>"), life.boxes[0],
             life.boxes[0].upper()]
    for name in names:
        assert messages(lab, name) == [message], name


def test_for_people(lab, life):
    last = life.shown.splitlines()[-1]
    assert last.startswith("still held for %s (held): restante queue show " % life.boxes[1])
    text = trace(lab, life.msgids[0])
    head, *lines = text.splitlines()
    assert re.match(r"message id=\S+ queue_id=\S+ number=\d+ onward=\S+$", head)
    assert all(re.match(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{3}|    )Z \S+ ", line) for line in lines)
    assert trace(lab, life.msgids[0], "-q") == ""


def test_a_refusal_is_traced_by_address(lab):
    refusal(lab, "stranger@example.org")
    found = messages(lab, "stranger@example.org")
    lines = [text for message in found for text in texts(message)]
    assert any(re.match("milter: recipient refused id=", text) for text in lines)
    if lab.mta.product == "Postfix":
        assert any("NOQUEUE: milter-reject" in text for text in lines)


def test_windows(lab, life):
    address = life.boxes[0]
    assert len(messages(lab, address, "--since", "1h")) == 1
    trace(lab, address, "--until", "1h", code=NOTFOUND)
    trace(lab, address, "--since", "2099-01-01", code=NOTFOUND)
    trace(lab, address, "--since", "2000-01-01T00:00:00Z", "--until", "2000-01-02", code=NOTFOUND)


def test_exit_codes(lab):
    trace(lab, "ffff.fff", code=NOTFOUND)
    assert lab.milter.cli("trace", check=False).returncode == USAGE
    assert lab.milter.cli("trace", "a", "b", check=False).returncode == USAGE
    assert lab.milter.cli("trace", "a", "--since", "tomorrow", check=False).returncode == USAGE
    done = lab.milter.cli("trace", "a", "--log", "/nonexistent/log", check=False)
    assert done.returncode == FAILED and b"/nonexistent/log: No such file" in done.stderr


def test_nothing_of_a_log_reaches_the_terminal(lab, tmp_path):
    log = tmp_path / "mail.log"
    log.write_bytes(b"Nov 22 05:00:00 h postfix/smtpd[1]: 4EVIL9: \x1b]0;gone\x07\x9b31m \xff to=<x@y>\n"
                    b"Nov 22 05:00:00 h postfix/smtpd[1]: 4EVIL9: AUTH PLAIN c2VjcmV0 password=hunter2\n")
    done = lab.milter.cli("trace", "4EVIL9", "--log", str(log), "--since", "2000-01-01")
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f-\x9f]", done.stdout)
    assert b"c2VjcmV0" not in done.stdout and b"hunter2" not in done.stdout
    found = lab.milter.cli_json("trace", "4EVIL9", "--log", str(log), "--since", "2000-01-01")
    assert "\x1b]0;gone" in found["messages"][0]["lines"][0]["text"]
    assert "hunter2" not in json.dumps(found)


# --- where the lines are --------------------------------------------------------------------------


def traced_without_logs(lab, key, path=None):
    env = dict(os.environ, PATH=path + ":" + os.environ["PATH"]) if path else None
    done = run([lab.milter.cli_binary, "-c", lab.milter.conf, "trace", key, "--json"], env=env)
    return json.loads(done.stdout)


def test_a_log_file_that_is_rotated_while_a_message_is_held(lab):
    """The file of restante.conf, rotated twice, once compressed; SIGHUP opens a new one."""
    log = os.path.join(lab.dir, "log", "restante.log")
    lab.milter.logging = {"target": "file", "file": log, "file_mode": "0640", "level": "info"}
    lab.milter.configure()
    lab.milter.ask("reload")
    try:
        box = fresh(lab, system="S2")
        hold(lab, box)
        msgid = send(lab, box)
        os.rename(log, log + ".1")
        lab.milter.reload()
        wait_for(lambda: os.path.exists(log) and "reloaded" in open(log).read(), 10, "a new log")
        assert stat.S_IMODE(os.stat(log).st_mode) == 0o640
        with open(log + ".1", "rb") as old, gzip.open(log + ".2.gz", "wb") as packed:
            packed.write(old.read())
        os.unlink(log + ".1")
        unhold(lab, box)
        arrived(lab, "S2", user_of(box))
        settled(lab)
        found = traced_without_logs(lab, msgid)
        assert found["complete"] and found["logs"] == [log + ".2.gz", log, lab.mta.log]
        in_order(texts(found["messages"][0]), CAME, "milter: message id=", "release: delivered id=")
    finally:
        lab.milter.logging = {}
        lab.milter.configure()
        lab.milter.ask("reload")


def test_a_log_is_opened_anew_though_the_new_settings_are_wrong(lab):
    log = os.path.join(lab.dir, "log", "kept.log")
    lab.milter.logging = {"target": "file", "file": log}
    lab.milter.configure()
    lab.milter.ask("reload")
    try:
        lab.milter.configure(late_commit="soon")
        os.rename(log, log + ".1")
        lab.milter.reload()
        wait_for(lambda: os.path.exists(log) and "not reloaded" in open(log).read(), 10, "a new log")
        assert stat.S_IMODE(os.stat(log).st_mode) == 0o600
    finally:
        lab.milter.logging = {}
        lab.milter.configure(late_commit="500ms")
        lab.milter.ask("reload")


JOURNALCTL = """\
#!/usr/bin/python3
import json, re, sys
want = ["--quiet", "--no-pager", "--output=json", "SYSLOG_FACILITY=2", "+",
        "SYSLOG_IDENTIFIER=restante-milter"]
assert [a for a in sys.argv[1:] if not a.startswith("--since=@")] == want, sys.argv
for line in open(%r):
    stamp, text = re.match(r"(\\S+) (.*)", line).groups()
    print(json.dumps({"__REALTIME_TIMESTAMP": stamp, "SYSLOG_IDENTIFIER": "restante-milter",
                      "_PID": "1", "MESSAGE": text}))
"""


def test_the_journal(lab, tmp_path):
    """log { target = journal }: a socket that is listened to here, and a journalctl that tells what
    came there."""
    import socket
    path, records = str(tmp_path / "j"), tmp_path / "records"
    tool = tmp_path / "journalctl"
    tool.write_text(JOURNALCTL % str(records))
    tool.chmod(0o755)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(path)
        journal.settimeout(20)
        lab.milter.logging = {"target": "journal", "file": path, "level": "info"}
        lab.milter.configure()
        lab.milter.ask("reload")
        try:
            msgid = send(lab, fresh(lab))
            mark, heard = int(time.time() * 1e6), []
            while not heard or msgid not in heard[-1]["MESSAGE"]:
                record = journal.recv(65536).decode()
                heard.append(dict(line.split("=", 1) for line in record.splitlines()))
        finally:
            lab.milter.logging = {}
            lab.milter.configure()
            lab.milter.ask("reload")
        line = heard[-1]
        assert line["SYSLOG_IDENTIFIER"] == "restante-milter" and line["PRIORITY"] == "6"
        assert "id=%s " % line["RESTANTE_ID"] in line["MESSAGE"]
        records.write_text("".join("%d %s\n" % (mark + n, r["MESSAGE"]) for n, r in enumerate(heard)))
        lab.milter.logging = {"target": "journal", "file": path}
        lab.milter.configure()
        found = traced_without_logs(lab, line["RESTANTE_ID"], str(tmp_path))
        lab.milter.logging = {}
        lab.milter.configure()
    assert found["logs"] == [lab.mta.log, "journal"]
    in_order(texts(found["messages"][0]), CAME, "milter: message id=")
