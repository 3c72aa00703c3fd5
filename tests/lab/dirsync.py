"""restante-dirsync: the daemon, and --once with the same settings."""

import json
import os
import signal
import socket
import subprocess
import time

from .daemon import Daemon, listens
from .process import LabError
from .slapd import BASE, identity


class Dirsync(Daemon):
    """ups, downs: keys of up NAME {} and down NAME {}, by the system's name; options: of dirsync {};
    name: where several are needed. uri: of the directory, where it is not the lab's slapd itself."""

    program = "restante-dirsync"

    def __init__(self, lab, ups=None, downs=None, options=None, name="dirsync", uri=None):
        self.name = name
        super().__init__(lab)
        self.ups, self.downs, self.options = ups or {}, downs or {}, options or {}
        self.uri = uri or lab.slapd.uri
        self.state = os.path.join(self.dir, "state")
        os.makedirs(self.dir, exist_ok=True)
        os.makedirs(os.path.dirname(self.log), exist_ok=True)
        self.configure()

    def settings(self):
        slapd = self.lab.slapd
        sections = {
            "ldap": {"uri": self.uri, "base": BASE, "bind": "simple",
                     "bind_dn": identity("dirsync"),
                     "password_file": slapd.password_file("dirsync"), "timeout": "5s"},
            "log": {"target": "stderr", "level": "debug"},
            "dirsync": {"state_dir": self.state, "control_socket": self.control, "user": "",
                        "group": "", "holder": self.name, **self.options},
            "cli": {"bind_dn": identity("operator"),
                    "password_file": slapd.password_file("operator")},
        }
        for kind, systems in (("up", self.ups), ("down", self.downs)):
            sections.update({"%s %s" % (kind, name): keys for name, keys in systems.items()})
        return sections

    def ready(self):
        return listens(self.control)

    # --- --once -------------------------------------------------------------------------------

    def once_command(self, *arguments):
        return self.command() + ["--once"] + list(arguments)

    def once(self, *arguments, check=True, timeout=300):
        """(exit status, what it printed); its log goes where the daemon's goes."""
        with open(self.log, "ab") as log:
            done = subprocess.run(self.once_command(*arguments), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=log, timeout=timeout,
                                  env=self.environment(), check=False)
        if check and done.returncode != 0:
            raise LabError("restante-dirsync --once %s: exit %d: %s\n%s" % (
                " ".join(arguments), done.returncode, done.stdout.decode(), self.log_tail(8)))
        return done.returncode, done.stdout.decode()

    def begin_once(self, *arguments):
        """The same without waiting; the process."""
        with open(self.log, "ab") as log:
            return subprocess.Popen(self.once_command(*arguments), stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, stderr=log, start_new_session=True,
                                    env=self.environment())

    def kill_once(self, seconds, *arguments):
        """SIGKILL after so many seconds; whether it was still running."""
        process = self.begin_once(*arguments)
        deadline = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.0005)
        running = process.poll() is None
        if running:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return running

    # --- the control socket -------------------------------------------------------------------

    def ask(self, command, **fields):
        """One request, the lines of its answer: one, or those of a stream."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(120)
            connection.connect(self.control)
            connection.sendall(json.dumps(dict(v=1, cmd=command, **fields)).encode() + b"\n")
            lines = connection.makefile()
            first = json.loads(lines.readline())
            if not first.get("stream"):
                return first
            found = []
            for line in lines:
                found.append(json.loads(line))
                if found[-1].get("end"):
                    return found
            raise LabError("the stream of %s ended early: %s" % (command, found))

    def reports(self, **fields):
        return self.ask("conflicts", **fields)[:-1]

    def kept_reports(self, system, direction="up"):
        """Those that a run has left in the system's folder."""
        path = os.path.join(self.state, system.lower(), direction + ".reports")
        if not os.path.exists(path):
            return []
        with open(path) as lines:
            return [json.loads(line) for line in lines]
