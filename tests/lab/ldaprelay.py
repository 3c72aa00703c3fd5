"""Between a consumer and slapd: what slapd says is passed on message by message, as a test wants it
changed, left out, repeated, reordered or cut off."""

import contextlib
import socket
import socketserver
import threading

ENTRY, DONE, INFO = 0x64, 0x65, 0x79  # tags of RFC 4511
SYNC_ARC = b"1.3.6.1.4.1.4203.1.9.1."
PRESENT, ADD, MODIFY, DELETE = range(4)  # of a Sync State control
NEW_COOKIE, REFRESH_DELETE, REFRESH_PRESENT, ID_SET = 0x80, 0xa1, 0xa2, 0xa3  # of a Sync Info


# --- BER --------------------------------------------------------------------------------------


def header(data):
    """(tag, length of the contents, where they begin), None where more bytes are needed."""
    if len(data) < 2:
        return None
    length, at = data[1], 2
    if length & 0x80:
        at += length & 0x7f
        if len(data) < at:
            return None
        length = int.from_bytes(data[2:at], "big")
    return data[0], length, at


def decode(data):
    """[[tag, bytes or, where it is constructed, a list of the same], ...]"""
    found = []
    while data:
        tag, length, at = header(data)
        value = data[at:at + length]
        found.append([tag, decode(value) if tag & 0x20 else value])
        data = data[at + length:]
    return found


def encode(items):
    out = b""
    for tag, value in items:
        value = encode(value) if isinstance(value, list) else value
        length = len(value)
        size = (length.bit_length() + 7) // 8
        out += bytes([tag]) + (bytes([length]) if length < 0x80 else
                               bytes([0x80 | size]) + length.to_bytes(size, "big")) + value
    return out


# --- messages ---------------------------------------------------------------------------------


class Message:
    """One of slapd; its parts may be changed in place."""

    def __init__(self, data):
        self.parts = decode(data)[0][1]
        self.op = self.parts[1][0]

    def bytes(self):
        return encode([[0x30, self.parts]])

    def _sync_item(self):
        """[tag, value] of its sync control or Sync Info, None where it has none."""
        if self.op == INFO:
            return {item[0]: item for item in self.parts[1][1]}.get(0x81)
        controls = self.parts[2][1] if len(self.parts) > 2 else []
        for _, control in controls:
            if control[0][1].startswith(SYNC_ARC):
                return control[-1]
        return None

    @property
    def sync(self):
        """The value of RFC 4533 that it has, as bytes; None: it is of another operation."""
        item = self._sync_item()
        return None if item is None else item[1]

    @sync.setter
    def sync(self, value):
        self._sync_item()[1] = value

    @property
    def state(self):
        """Of an entry: PRESENT, ADD, MODIFY, DELETE."""
        return decode(self.sync)[0][1][0][1][0] if self.op == ENTRY and self.sync else None

    @property
    def info(self):
        """The tag of a Sync Info: NEW_COOKIE, ..."""
        return self.sync[0] if self.op == INFO and self.sync else None

    @property
    def dn(self):
        return self.parts[1][1][0][1].decode()

    def values(self, name):
        """The list of [tag, value] of an attribute, empty where it is not there."""
        for _, attribute in self.parts[1][1][1][1]:
            if attribute[0][1].decode().lower() == name.lower():
                return attribute[1][1]
        return []


class HangUp(Exception):
    """The connection ends here; what is given goes out before."""

    def __init__(self, last=b""):
        super().__init__()
        self.last = last


# --- the relay --------------------------------------------------------------------------------


class _Connection(socketserver.BaseRequestHandler):
    def handle(self):
        relay = self.server.relay
        with socket.create_connection((relay.host, relay.to)) as other:
            back = threading.Thread(target=self.answers, args=(relay, other))
            back.start()
            rest = b""
            with contextlib.suppress(OSError, HangUp):
                while data := self.request.recv(65536):
                    rest = self.requests(relay, other, rest + data)
            with contextlib.suppress(OSError):
                other.shutdown(socket.SHUT_RDWR)
            back.join()

    def requests(self, relay, other, data):
        """Sends on what is asked, whole messages where somebody looks at them; what is left."""
        if relay.asked is None:
            other.sendall(data)
            return b""
        while (found := header(data)) and len(data) >= found[2] + found[1]:
            whole, data = data[:found[2] + found[1]], data[found[2] + found[1]:]
            relay.asked(Message(whole), self)
            other.sendall(whole)
        return data

    def answers(self, relay, other):
        data = b""
        try:
            while more := other.recv(65536):
                data = self.forward(relay, data + more)
        except HangUp as end:
            with contextlib.suppress(OSError):
                self.request.sendall(end.last)
        except OSError:
            pass
        for end in (self.request, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def forward(self, relay, data):
        """Sends on each whole message; what is left."""
        while (found := header(data)) and len(data) >= found[2] + found[1]:
            whole, data = data[:found[2] + found[1]], data[found[2] + found[1]:]
            message = Message(whole)
            if relay.answered is not None:
                relay.answered(message, self)
            if relay.tamper is None or (message.sync is None and not relay.everything):
                self.request.sendall(whole)
                continue
            for one in relay.tamper(message):
                self.request.sendall(one if isinstance(one, bytes) else one.bytes())
        return data


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


class LdapRelay:
    """with LdapRelay(port) as relay: relay.uri; relay.tamper = function(message) that returns the
    messages (or bytes) to be sent instead, for each one that has to do with RFC 4533, or for all
    of them: everything. relay.asked and relay.answered = function(message, connection) are told of
    each request before it is sent on, and of each answer; HangUp ends the connection instead."""

    def __init__(self, to, tamper=None, everything=False, host="127.0.0.1"):
        self.host, self.to, self.tamper, self.everything = host, to, tamper, everything
        self.asked = self.answered = None
        self.server = _Server(("127.0.0.1", 0), _Connection)
        self.server.relay = self
        self.uri = "ldap://127.0.0.1:%d" % self.server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind, value, traceback):
        self.server.shutdown()
        self.server.server_close()
