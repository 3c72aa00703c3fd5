"""The restante command, and front doors and a milter that the test plays for it."""

import json
import os
import pty
import select
import socket
import threading
import time

from lab.daemon import conf_section
from lab.process import run
from lab.slapd import BASE, FEDERATION, IDENTITIES

DONE, FAILED, USAGE, NOTFOUND, REFUSED, DIRECTORY, MILTER, CONFIG = 0, 1, 2, 3, 4, 5, 6, 78
FRONT1 = IDENTITIES["front1"]


class FrontDoor(threading.Thread):
    """Acknowledges each epoch as a front door would; `acks`, `drains` and `undrained` say how."""

    def __init__(self, slapd, dn=FRONT1, acks=True, drains=True, undrained=()):
        super().__init__(daemon=True)
        self.slapd, self.dn = slapd, dn
        self.acks, self.drains, self.undrained = acks, drains, list(undrained)
        self.on_epoch = None  # called once with each new epoch, before it is acknowledged
        self.stopping = threading.Event()
        self.seen = epoch_of(slapd)

    def run(self):
        while not self.stopping.wait(0.02):
            epoch = epoch_of(self.slapd)
            if epoch == self.seen:
                continue
            self.seen = epoch
            if self.on_epoch:
                self.on_epoch(epoch)
            self.answer()

    def answer(self):
        values = {}
        if self.acks:
            values["restanteAckEpoch"] = str(self.seen)
        if self.acks and self.drains:
            values["restanteDrainedEpoch"] = str(self.seen)
            values["restanteUndrained"] = self.undrained
        if values:
            self.slapd.replace(self.dn, **values)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, value, traceback):
        self.stopping.set()
        self.join()


def epoch_of(slapd):
    return int(slapd.read(FEDERATION, ["restanteEpoch"]).get("restanteepoch", ["0"])[0])


class Command:
    """`restante` with a configuration of its own."""

    def __init__(self, lab, **cli):
        self.binary = os.path.join(lab.build, "restante")
        self.dir = lab.dir
        self.control = os.path.join(lab.dir, "control.sock")
        self.conf = os.path.join(lab.dir, "cli.conf")
        self.slapd = lab.slapd
        self.write(**cli)

    def write(self, uri=None, **cli):
        uri = uri or self.slapd.uri
        sections = {
            "ldap": {"uri": uri, "write_uri": uri, "base": BASE, "bind": "simple",
                     "bind_dn": FRONT1, "password_file": self.slapd.password_file("front1"),
                     "timeout": "2s"},
            "milter": {"node": "front1", "heartbeat": "1s"},
            "cli": {"control_socket": self.control, "bind_dn": IDENTITIES["operator"],
                    "password_file": self.slapd.password_file("operator"),
                    "swap_timeout": "3s", "wait_timeout": "5s", **cli}}
        with open(self.conf, "w") as conf:
            conf.write("".join(conf_section(name, keys) for name, keys in sections.items()))

    def __call__(self, *arguments, code=DONE):
        done = run([self.binary, "-c", self.conf] + list(arguments), check=False)
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done

    def json(self, *arguments, code=DONE):
        return json.loads(self(*arguments, "--json", code=code).stdout)

    def error(self, *arguments, code):
        """The one line on standard error."""
        lines = self(*arguments, code=code).stderr.decode().splitlines()
        assert len(lines) == 1 and lines[0].startswith("restante: "), lines
        return lines[0]


def state_of(slapd, dn):
    return slapd.read(dn, ["restanteState"]).get("restantestate", [""])[0]


def swap(address, physical=None, system="S2", *more):
    return ["swap", address, "--system", system, "--to",
            physical or address.replace("@example.org", "@s2.lab")] + list(more)


class Control(threading.Thread):
    """Answers like a daemon; asked[] is what it heard."""

    def __init__(self, path, answers):
        super().__init__(daemon=True)
        self.answers, self.asked, self.path = answers, [], path
        if os.path.exists(path):
            os.unlink(path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(5)

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client, client.makefile("rwb") as link:
                try:
                    self.serve(link)
                except ConnectionError:  # an answer may raise it, to close too early
                    link.flush()

    def serve(self, link):
        for line in link:
            request = json.loads(line)
            self.asked.append(request)
            for part in self.answer(request):
                link.write(part)
            link.flush()

    def answer(self, request):
        found = self.answers[request["cmd"]]
        for part in found(request) if callable(found) else found:
            yield part if isinstance(part, bytes) else json.dumps(part).encode() + b"\n"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, value, traceback):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.join()
        os.unlink(self.path)


def ok(**fields):
    return {"v": 1, "ok": True, **fields}


def on_terminal(argv, typed=b"", env=None, before=None):
    """Runs argv on a terminal of 60 columns; (exit code, what it showed). before: called when it asks
    for a word, before that is typed."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update({"TERM": "xterm", "COLUMNS": "60", **(env or {})})
        os.execv(argv[0], argv)
    shown = b""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.5)[0]:
            try:
                data = os.read(terminal, 65536)
            except OSError:
                break
            shown += data
            if typed and b"Type yes" in shown:
                if before:
                    before()
                os.write(terminal, typed)
                typed = b""
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown
