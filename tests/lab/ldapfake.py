"""An LDAP server that says what a test wants it to say."""

import contextlib
import socketserver
import threading

from .ldaprelay import decode, encode, header

BIND, SEARCH, UNBIND = 0x60, 0x63, 0x42
BIND_DONE, ENTRY, DONE = 0x61, 0x64, 0x65


class Search:
    def __init__(self, parts):
        body = parts[1][1]
        self.base = body[0][1].decode()
        self.scope = body[1][1][0]
        self.filter = encode([body[6]])  # as it came
        self.attributes = [name.decode() for _, name in body[7][1]]
        self.controls = {item[1][0][1].decode(): item[1][-1][1]
                         for item in (parts[2][1] if len(parts) > 2 else [])}


def entry(dn, attributes):
    """attributes: {name: [bytes or str, ...]}"""
    def octets(value):
        return [0x04, value if isinstance(value, bytes) else value.encode()]
    return [ENTRY, [octets(dn), [0x30, [[0x30, [octets(name), [0x31, [octets(v) for v in values]]]]
                                        for name, values in attributes.items()]]]]


def done(code=0, words="", op=DONE):
    return [op, [[0x0a, bytes([code])], [0x04, b""], [0x04, words.encode()]]]


def paged(cookie):
    """The control of an answer in pages, to go with done()."""
    value = encode([[0x30, [[0x02, b"\0"], [0x04, cookie]]]])
    return [0xa0, [[0x30, [[0x04, b"1.2.840.113556.1.4.319"], [0x04, value]]]]]


class _Connection(socketserver.BaseRequestHandler):
    def handle(self):
        data = b""
        with contextlib.suppress(OSError):
            while more := self.request.recv(65536):
                data += more
                while (found := header(data)) and len(data) >= found[2] + found[1]:
                    whole, data = data[:found[2] + found[1]], data[found[2] + found[1]:]
                    self.answer(decode(whole)[0][1])

    def answer(self, parts):
        number, (op, _) = parts[0], parts[1]
        if op == BIND:
            self.request.sendall(encode([[0x30, [number, done(op=BIND_DONE)]]]))
        elif op == SEARCH:
            for message in self.server.answer(Search(parts)):
                items = message if isinstance(message[0], list) else [message]
                self.request.sendall(encode([[0x30, [number] + items]]))


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


class FakeLdap:
    """with FakeLdap(answer) as fake: fake.uri. answer(search): the messages, each an entry(), a
    done(), or a list of one with its controls."""

    def __init__(self, answer):
        self.server = _Server(("127.0.0.1", 0), _Connection)
        self.server.answer = answer
        self.uri = "ldap://127.0.0.1:%d" % self.server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind, value, traceback):
        self.server.shutdown()
        self.server.server_close()
