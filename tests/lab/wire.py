"""A connection to a server that can be cut, as by a cable, and mended again."""

import contextlib
import socket
import threading

from .process import free_port


class Wire:
    """Wire(port).port leads to that port of this machine. cut(): connections end, and no new one
    comes about. freeze(): they stay and nothing gets through, as behind a firewall that drops.
    mend() ends either. is_cut = True: those that there are stay. attempts: connections so far."""

    def __init__(self, to):
        self.to = to
        self.port = free_port()
        self.uri = "ldap://127.0.0.1:%d" % self.port
        self.passing = threading.Event()
        self.passing.set()
        self.is_cut = self.closed = False
        self.attempts = 0
        self._pairs = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.attempts += 1
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client):
        self.passing.wait()
        try:
            if self.is_cut or self.closed:
                raise ConnectionRefusedError
            server = socket.create_connection(("127.0.0.1", self.to), timeout=5)
            server.settimeout(None)
        except OSError:
            client.close()
            return
        pair = (client, server)
        for end in pair:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._pairs.add(pair)
        for one, other in (pair, pair[::-1]):
            threading.Thread(target=self._carry, args=(one, other, pair), daemon=True).start()

    def _carry(self, one, other, pair):
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                self.passing.wait()
                other.sendall(data)
        self._end(pair)

    def _end(self, pair):
        with self._lock:
            if pair not in self._pairs:
                return
            self._pairs.remove(pair)
        for end in pair:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _end_all(self):
        for pair in list(self._pairs):
            self._end(pair)

    def cut(self):
        self.is_cut = True
        self._end_all()

    def freeze(self):
        self.passing.clear()

    def mend(self):
        self.is_cut = False
        self.passing.set()

    def close(self):
        self.closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.passing.set()
        self._end_all()
