"""Postfix' own load generator and sink, on loopback."""

import os
import re
import socket
import subprocess
import threading
import time

SESSIONS = 10
SIZE = 2048


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class LoadError(Exception):
    pass


def send(port, count, to, recipients=1, keep=False, size=SIZE, sessions=SESSIONS,
         numbered=True, timeout=600):
    """Sends `count` messages; the seconds until the last one was answered.

    numbered: recipients are 1TO, 2TO, ... each once.
    """
    command = ["smtp-source", "-4", "-s", str(sessions), "-m", str(count), "-l", str(size),
               "-f", "sender@outside.test", "-M", "outside.test", "-t", to, "-r", str(recipients)]
    command += ["-N"] if numbered else []
    command += ["-d"] if keep else []
    command.append(f"inet:127.0.0.1:{port}")
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    took = time.monotonic() - began
    if done.returncode != 0:
        raise LoadError(f"smtp-source: {done.stderr.strip() or done.returncode}")
    return took


class Sink:
    """smtp-sink, counting the messages it takes."""

    def __init__(self, port=None, extra=()):
        self.port = port or free_port()
        command = ["smtp-sink", "-c", "-u", "nobody", *extra, f"inet:127.0.0.1:{self.port}", "1024"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE,
                                         stderr=subprocess.DEVNULL)
        self._changed = threading.Condition()
        self._messages, self._last = 0, 0.0
        threading.Thread(target=self._read, daemon=True).start()
        self._ready()

    def _ready(self):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self._process.poll() is not None:
                    break
                time.sleep(0.02)
        raise LoadError(f"smtp-sink does not listen on port {self.port}")

    def _read(self):
        pattern = re.compile(rb"mesg=(\d+)\r")
        tail = b""
        while True:
            data = os.read(self._process.stdout.fileno(), 65536)
            if not data:
                return
            tail = (tail + data)[-256:]
            found = pattern.findall(tail)
            if not found:
                continue
            with self._changed:
                if int(found[-1]) != self._messages:
                    self._messages, self._last = int(found[-1]), time.monotonic()
                    self._changed.notify_all()
            time.sleep(0.005)  # a line comes with every event: take many at once

    @property
    def messages(self):
        with self._changed:
            return self._messages

    def wait(self, total, timeout=300):
        """Until `total` messages have come since the start; the instant (monotonic) of the last."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while self._messages < total:
                left = deadline - time.monotonic()
                if left <= 0 or self._process.poll() is not None:
                    raise LoadError(f"sink has {self._messages} of {total} messages")
                self._changed.wait(min(left, 1))
            return self._last

    def close(self):
        self._process.terminate()
        self._process.wait()
