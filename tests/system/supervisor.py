"""The service manager's side of sd_notify(3), and restante-milter as its service."""

import os
import socket

from lab.milter import Milter
from lab.process import wait_for


class Service(Milter):
    """heard: every message so far, each a dictionary of its assignments."""

    def __init__(self, lab, watchdog=None, **options):
        super().__init__(lab, options)
        self.watchdog = watchdog
        self.address = os.path.join(lab.dir, "notify")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(self.address)
        self.notify.setblocking(False)
        self.heard = []
        lab.servers.append(self)

    def environment(self):
        told = {"NOTIFY_SOCKET": self.address}
        if self.watchdog:
            told["WATCHDOG_USEC"] = str(int(self.watchdog * 1000000))
        return dict(os.environ, **told)

    def listen(self):
        """What came since the last call."""
        fresh = []
        while True:
            try:
                text = self.notify.recv(4096).decode()
            except BlockingIOError:
                break
            fresh.append(dict(line.split("=", 1) for line in text.split("\n")))
        self.heard += fresh
        return fresh

    def wait_for(self, key, timeout=20):
        """The next message that has this assignment."""
        def come():
            return [message for message in self.listen() if key in message]
        return wait_for(come, timeout, key)[0]

    def stop(self):
        super().stop()
        self.listen()
