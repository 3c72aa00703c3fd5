"""The release on the real store: to smtp-sink, over TLS, through kills, and what senders are told."""

import collections
import email
import email.policy
import os
import random
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time

import pytest

from lab.lab import SOURCE
from lab.process import answers, free_port, wait_for
from lab.sink import Sink

BUILD = os.environ.get("RESTANTE_BUILD") or os.path.join(SOURCE, "build")
DRIVER = os.path.join(BUILD, "tests", "system", "release_driver")
SMTP_SINK = "/usr/sbin/smtp-sink"


def command(directory, *arguments, **options):
    argv = [DRIVER, "--dir", str(directory)]
    for name, value in options.items():
        argv += ["--" + name, str(value)]
    return argv + list(arguments)


def drive(directory, **options):
    """Runs the driver to its end; its last line as numbers, and all of its output."""
    done = subprocess.run(command(directory, **options), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=120, check=True)
    out = done.stdout.decode()
    figures = {key: float(value) for key, value in re.findall(r"(\w+)=([\d.]+)", out)}
    return figures, out + done.stderr.decode()


def sequence(message):
    return int(re.search(rb"^X-Seq: (\d+)", message.content, re.M).group(1))


@pytest.fixture
def store(tmp_path):
    directory = tmp_path / "q"
    directory.mkdir()
    yield directory
    shutil.rmtree(directory)


def test_everything_once_in_order_and_as_it_was(store):
    drive(store, fill=400, mailboxes=7, bytes=3000)
    with Sink(lmtp=False) as sink:
        figures, _ = drive(store, listener="smtp:127.0.0.1:%d" % sink.port)
        assert figures["left"] == 0 and figures["delivered"] == 400
        assert sorted(map(sequence, sink.messages)) == list(range(400))
        last = collections.defaultdict(lambda: -1)
        for message in sink.messages:
            to = message.recipients[0][0]
            assert to == "m%d@s2.example" % (sequence(message) % 7)
            assert sequence(message) > last[to]
            last[to] = sequence(message)
            trace, rest = re.split(rb"\r\n(?!\t)", message.content, 1)
            assert trace.startswith(b"Received: by front.example (Restante) with ESMTP id d")
            assert rest.startswith(b"Subject: test\r\nX-Seq: ")
            assert b"\r\n\r\n.dot\r\n0123456789" in rest and rest.endswith(b"7890\r\n")


def test_smtp_sink(store):
    port = free_port()
    sink = subprocess.Popen([SMTP_SINK, "-u", "nobody", "127.0.0.1:%d" % port, "128"]
                            if os.getuid() == 0 else
                            [SMTP_SINK, "127.0.0.1:%d" % port, "128"], cwd="/tmp")
    try:
        wait_for(lambda: answers(port), 10, "smtp-sink")
        figures, _ = drive(store, fill=500, mailboxes=50, bytes=2048,
                           listener="smtp:127.0.0.1:%d" % port)
        assert figures["left"] == 0 and figures["delivered"] == 500
        figures, _ = drive(store, fill=3, bytes=5_000_000, listener="smtp:127.0.0.1:%d" % port)
        assert figures["left"] == 0 and figures["delivered"] == 3
    finally:
        sink.terminate()
        sink.wait()


def test_lmtp_over_a_unix_socket(store, tmp_path):
    path = tmp_path / "lmtp"
    sink = subprocess.Popen([SMTP_SINK, "-L", "-u", "nobody", "unix:%s" % path, "128"]
                            if os.getuid() == 0 else [SMTP_SINK, "-L", "unix:%s" % path, "128"],
                            cwd="/tmp")
    try:
        wait_for(path.exists, 10, "smtp-sink")
        figures, _ = drive(store, fill=50, mailboxes=5, listener="lmtp:unix:%s" % path)
        assert figures["left"] == 0 and figures["delivered"] == 50
    finally:
        sink.terminate()
        sink.wait()


def test_kills_lose_nothing(store):
    """kill -9 at random instants; a message comes twice only where its answer had no time to count."""
    total, workers, kills = 4000, 4, 0
    drive(store, fill=total, mailboxes=20, bytes=500)
    with Sink(lmtp=False) as sink:
        options = dict(listener="smtp:127.0.0.1:%d" % sink.port, workers=workers)
        while kills < 15:
            process = subprocess.Popen(command(store, **options), stdout=subprocess.DEVNULL)
            before = len(sink.messages)
            wait_for(lambda: len(sink.messages) > before or process.poll() is not None, 20,
                     "a message")
            time.sleep(random.uniform(0, 0.05))
            if process.poll() is not None:
                break
            process.kill()
            process.wait()
            kills += 1
        figures, _ = drive(store, **options)
        assert figures["left"] == 0
        seen = collections.Counter(map(sequence, sink.messages))
        assert set(seen) == set(range(total)), "lost"
        again = sum(count - 1 for count in seen.values())
        assert again <= kills * workers, "sent twice more often than transactions were cut"
        assert kills >= 5


def test_kills_double_no_notice(store):
    """Each message is refused, and told of once; what comes twice is the same notice again."""
    total, kills = 1200, 0
    drive(store, fill=total, mailboxes=20, bytes=300)
    with Sink(lmtp=False) as sink:
        sink.replies["rcpt"] = "550 5.1.1 no"
        sink.replies["rcpt", "sender@o.example"] = "250 2.1.5 ok"
        options = dict(listener="smtp:127.0.0.1:%d" % sink.port, workers=4)
        while kills < 10:
            process = subprocess.Popen(command(store, **options), stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            before = len(sink.messages)
            wait_for(lambda: len(sink.messages) > before or process.poll() is not None, 20,
                     "a notice")
            time.sleep(random.uniform(0, 0.02))
            if process.poll() is not None:
                break
            process.kill()
            process.wait()
            kills += 1
        figures, _ = drive(store, **options)
    assert figures["left"] == 0 and kills >= 3
    told = collections.defaultdict(set)
    for message in sink.messages:
        msgid = re.search(rb"^Message-ID: (\S+)", message.content, re.M).group(1)
        told[sequence(message)].add(msgid)
    assert set(told) == set(range(total)), "lost"
    assert all(len(notices) == 1 for notices in told.values()), "doubled"


# --- what the sender is told -------------------------------------------------------------------


def notice_of(store, **options):
    """Fills one message, refuses its recipient; the parsed notice and the message at the sink."""
    with Sink(lmtp=False) as sink:
        sink.replies[("rcpt", "m0@s2.example")] = "550 5.1.1 <m0@s2.example>: no such user"
        figures, _ = drive(store, fill=1, bytes=300,
                           listener="smtp:127.0.0.1:%d" % sink.port, **options)
        assert figures["left"] == 0 and figures["bounced"] == 1
        assert len(sink.messages) == 1
        got = sink.messages[0]
        assert got.sender == ""
        return email.message_from_bytes(got.content, policy=email.policy.default), got


def test_notice_is_a_report(store):
    notice, got = notice_of(store, params="RET=FULL ENVID=a+3Db")
    assert got.recipients[0][0] == "sender@o.example"
    assert not notice.defects and notice.get_content_type() == "multipart/report"
    assert notice.get_param("report-type") == "delivery-status"
    assert notice["Auto-Submitted"] == "auto-replied" and notice["To"] == "sender@o.example"
    text, status, original = notice.iter_parts()
    assert text.get_content_type() == "text/plain"
    assert "m0@example.org" in text.get_content()
    assert status.get_content_type() == "message/delivery-status"
    whole, recipient = status.get_payload()
    assert whole["Reporting-MTA"] == "dns; front.example"
    assert whole["Original-Envelope-Id"] == "a=b"
    assert recipient["Final-Recipient"] == "rfc822; m0@example.org"
    assert recipient["Action"] == "failed" and recipient["Status"] == "5.1.1"
    assert recipient["Diagnostic-Code"].startswith("smtp; 550 5.1.1")
    assert original.get_content_type() == "message/rfc822"
    assert original.get_payload(0)["X-Seq"] == "0"
    assert ".dot" in original.get_payload(0).get_content()


def test_notice_with_header_alone(store):
    notice, _ = notice_of(store, params="RET=HDRS")
    original = list(notice.iter_parts())[2]
    assert original.get_content_type() == "text/rfc822-headers"
    assert "X-Seq: 0" in original.get_content() and ".dot" not in original.get_content()


def test_no_notice_to_the_null_sender(store):
    with Sink(lmtp=False) as sink:
        sink.replies["rcpt"] = "550 5.1.1 no"
        figures, _ = drive(store, fill=1, sender="", listener="smtp:127.0.0.1:%d" % sink.port)
        assert figures["left"] == 0 and figures["bounced"] == 1
        assert not sink.messages


# --- TLS ---------------------------------------------------------------------------------------


class TlsServer:
    """One SMTP server with STARTTLS; counts what came in clear text and what did not."""

    def __init__(self, cert, key, offer=True):
        self.offer, self.clear, self.secret = offer, 0, 0
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert, key)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            with connection:
                self.talk(connection, False)
        except (OSError, ValueError):
            pass  # the client would not go on: that is what some tests want

    def talk(self, connection, secret):
        stream = connection.makefile("rwb")

        def say(text):
            stream.write(text.encode() + b"\r\n")
            stream.flush()

        if not secret:
            say("220 tls.example")
        for line in stream:
            verb = line.split()[0].upper()
            if verb == b"EHLO":
                say("250-tls.example")
                say("250-PIPELINING" if secret or not self.offer else "250-STARTTLS")
                say("250 8BITMIME")
            elif verb == b"STARTTLS":
                say("220 go")
                return self.talk(self.context.wrap_socket(connection, server_side=True), True)
            elif verb == b"DATA":
                say("354 go")
                while stream.readline() not in (b".\r\n", b""):
                    pass
                self.secret += secret
                self.clear += not secret
                say("250 2.0.0 taken")
            elif verb == b"QUIT":
                return say("221 bye")
            else:
                say("250 ok")
        return None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    directory = tmp_path_factory.mktemp("cert")
    cert, key = str(directory / "cert.pem"), str(directory / "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


@pytest.mark.parametrize("tls,host,offer,known,secret,clear", [
    ("none", "localhost", True, True, 0, 3),
    ("may", "localhost", True, False, 3, 0),
    ("may", "localhost", False, False, 0, 3),
    ("encrypt", "localhost", True, False, 3, 0),
    ("encrypt", "localhost", False, False, 0, 0),
    ("verify", "localhost", True, True, 3, 0),
    ("verify", "localhost", True, False, 0, 0),
    ("verify", "127.0.0.1", True, True, 0, 0),
])
def test_tls(store, certificate, tls, host, offer, known, secret, clear):
    options = {"ca": certificate[0]} if known else {}
    with TlsServer(*certificate, offer=offer) as server:
        figures, said = drive(store, fill=3, tls=tls, seconds=2 if secret + clear == 0 else 20,
                              listener="smtp:%s:%d" % (host, server.port), **options)
        assert (server.secret, server.clear) == (secret, clear)
        assert figures["left"] == 3 - secret - clear
        if secret + clear == 0:
            assert figures["trouble"] == 1 and 'stage="STARTTLS"' in said
            assert figures["bounced"] == 0
