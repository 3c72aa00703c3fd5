"""Mail as clients see it: an SMTP sender that knows what was acknowledged, an IMAP reader."""

import imaplib
import itertools
import re
import smtplib
import socket
import threading
import time

_numbers = itertools.count(1)
_numbers_lock = threading.Lock()


def message_id():
    with _numbers_lock:
        return "<%d.%d@sender.test>" % (next(_numbers), time.time_ns())


def compose(recipient, msgid=None, size=600, subject="lab", sender="sender@outside.test", more=b""):
    """A plain message, CRLF line ends; its Message-ID is the way to find it again."""
    msgid = msgid or message_id()
    head = ("From: %s\r\nTo: %s\r\nSubject: %s\r\nMessage-ID: %s\r\n"
            "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n" % (sender, recipient, subject, msgid))
    line = b"The quick brown fox jumps over the lazy dog, %06d\r\n"
    body = b"".join(line % n for n in range(max(1, size // 52)))
    return msgid, head.encode() + more + b"\r\n" + body


class Refused(Exception):
    """A reply that was not the one hoped for."""

    def __init__(self, step, code, text):
        super().__init__("%s: %d %s" % (step, code, text))
        self.step, self.code, self.text = step, code, text


class Smtp:
    """One SMTP connection; bytes go out as they are, apart from dot stuffing."""

    def __init__(self, port, host="127.0.0.1", helo="client.outside.test", timeout=120):
        self.connection = smtplib.SMTP(timeout=timeout)
        self._expect("connect", self.connection.connect(host, port), 220)
        self._expect("EHLO", self.connection.ehlo(helo), 250)

    @staticmethod
    def _expect(step, reply, wanted):
        code, text = reply
        if code != wanted:
            raise Refused(step, code, text.decode(errors="replace"))
        return text.decode(errors="replace")

    def command(self, line):
        """(code, text) of any command; the line may be bytes beyond ASCII."""
        data = line if isinstance(line, bytes) else line.encode()
        self.connection.sock.sendall(data + b"\r\n")
        code, text = self.connection.getreply()
        return code, text.decode(errors="replace")

    def send(self, sender, recipients, content, mail_params="", rcpt_params=""):
        """A whole transaction. The reply to the final dot; Refused on any step before it, and
        there. A recipient is an address, or (address, parameters)."""
        self._command("MAIL", "MAIL FROM:<%s> %s" % (sender, mail_params))
        for recipient in recipients:
            address, params = recipient if isinstance(recipient, tuple) else (recipient, rcpt_params)
            path = address if address.startswith("<") else "<%s>" % address
            try:
                self._command("RCPT", "RCPT TO:%s %s" % (path, params))
            except Refused:
                self.command("RSET")
                raise
        return self.data(content)

    def data(self, content):
        self._command("DATA", "DATA", 354)
        self.connection.sock.sendall(re.sub(rb"(?m)^\.", b"..", content))
        end = b".\r\n" if content.endswith(b"\r\n") else b"\r\n.\r\n"
        self.connection.sock.sendall(end)
        return self._expect("dot", self.connection.getreply(), 250)

    def _command(self, step, line, wanted=250):
        code, text = self.command(line.rstrip())
        if code != wanted:
            raise Refused(step, code, text)
        return text

    def quit(self):
        try:
            self.connection.quit()
        except (OSError, smtplib.SMTPException):
            self.connection.close()


TROUBLE = (OSError, smtplib.SMTPException, Refused, socket.timeout)


class Injector:
    """Sends continuously from several threads. A message counts only once its 250 was read; one
    that failed is sent again, the same, as any client would do, until it is acknowledged.
    elsewhere: ports of further front doors; a client in trouble goes on to the next one."""

    def __init__(self, port, targets, ledger, rate=50.0, threads=4, size=600, per_connection=5,
                 limit=None, elsewhere=()):
        self.ports, self.targets, self.ledger = [port, *elsewhere], list(targets), ledger
        self.rate, self.size, self.per_connection = rate, size, per_connection
        self.limit = limit
        self.retries = 0
        self._next = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._began = None
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]

    def start(self):
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def stop(self):
        """No new messages; those in flight are repeated until they are acknowledged."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def join(self):
        """Until `limit` messages are acknowledged."""
        for thread in self._threads:
            thread.join()

    def _take(self):
        with self._lock:
            if self._stop.is_set() or (self.limit is not None and self._next >= self.limit):
                return None
            number = self._next
            self._next += 1
        due = self._began + number / self.rate
        if self._stop.wait(max(0.0, due - time.monotonic())):
            return None
        return self.targets[number % len(self.targets)]

    def _work(self):
        connection, used, at = None, 0, 0
        while True:
            target = self._take()
            if target is None:
                break
            msgid, content = compose(target, size=self.size)
            record = self.ledger.begin(msgid, target)
            while True:
                try:
                    if connection is None or used >= self.per_connection:
                        if connection is not None:
                            connection.quit()
                        connection = None
                        connection, used = Smtp(self.ports[at]), 0
                    used += 1
                    record.attempt(self.ports[at])
                    connection.send("sender@outside.test", [target], content)
                    record.acknowledge()
                    break
                except TROUBLE as error:
                    record.trouble(error)
                    self.retries += 1
                    at = (at + 1) % len(self.ports)
                    if connection is not None:
                        connection.connection.close()
                        connection = None
                    time.sleep(0.05)
        if connection is not None:
            connection.quit()


class Imap:
    """Reads one mailbox of a backend."""

    def __init__(self, backend, user):
        self.imap = imaplib.IMAP4("127.0.0.1", backend.imap_port)
        backend.login(self.imap, user)
        self.imap.select("INBOX", readonly=True)

    def uid_next(self):
        return int(re.search(rb"UIDNEXT (\d+)", self.imap.status("INBOX", "(UIDNEXT)")[1][0])[1])

    def count(self):
        return int(self.imap.status("INBOX", "(MESSAGES)")[1][0].split()[-1].rstrip(b")"))

    def message_ids(self):
        """[(uid, Message-ID)] in the order of delivery."""
        if not self.count():
            return []
        found = []
        data = self.imap.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")[1]
        for item in data:
            if isinstance(item, tuple):
                uid = int(re.search(rb"UID (\d+)", item[0])[1])
                header = re.search(rb"(?i)^message-id:\s*(\S+)", item[1])
                found.append((uid, header[1].decode(errors="replace") if header else ""))
        return found

    def contents(self):
        """[(uid, bytes of the whole message)]"""
        if not self.count():
            return []
        data = self.imap.uid("FETCH", "1:*", "(BODY.PEEK[])")[1]
        return [(int(re.search(rb"UID (\d+)", item[0])[1]), item[1])
                for item in data if isinstance(item, tuple)]

    def close(self):
        self.imap.logout()
