"""Between a client and its server: what a test wants to happen just before a request gets there, or
instead of its answer."""

import contextlib
import socket
import socketserver
import threading
import time


class _Connection(socketserver.BaseRequestHandler):
    def handle(self):
        relay = self.server.relay
        with socket.create_connection(("127.0.0.1", relay.to)) as other:
            lost = threading.Event()
            back = threading.Thread(target=self.answers,
                                    args=(other, lost, threading.get_ident()))
            back.start()
            with contextlib.suppress(ConnectionError):
                while data := self.request.recv(65536):
                    before = relay.answers.count(threading.get_ident())
                    wanted = relay.on_request(data)
                    if wanted == "lose the answer":
                        lost.set()
                    other.sendall(data)
                    while wanted == "see it done" and \
                            relay.answers.count(threading.get_ident()) == before:
                        time.sleep(0.01)
                other.shutdown(socket.SHUT_WR)
            back.join()

    def answers(self, other, lost, thread):
        # whoever ends first ends both
        with contextlib.suppress(OSError):
            while (data := other.recv(65536)) and not lost.is_set():
                self.server.relay.answers.append(thread)
                self.request.sendall(data)
        with contextlib.suppress(OSError):
            self.request.shutdown(socket.SHUT_RDWR)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


class Relay:
    """with Relay(port, on_request) as relay: relay.port. on_request(bytes) is called before they
    are passed on; where it returns "lose the answer" the connection ends in place of it, where it
    returns "see it done" the answer is waited for, even if the client is gone."""

    def __init__(self, to, on_request):
        self.to, self.on_request = to, on_request
        self.answers = []  # by the thread that calls on_request; also those nobody waits for now
        self.server = _Server(("127.0.0.1", 0), _Connection)
        self.server.relay = self
        self.port = self.server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind, value, traceback):
        self.server.shutdown()
        self.server.server_close()
