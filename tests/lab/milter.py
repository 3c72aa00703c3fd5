"""restante-milter, the restante command, and the milter that does nothing."""

import json
import os
import socket

from .daemon import Daemon, listens
from .process import LabError, Server
from .slapd import BASE, IDENTITIES, identity


class Milter(Daemon):
    """options, directory, logging: keys of milter {}, of ldap {} and of log {} that differ from what
    the lab sets; systems: those of system NAME {}, by its name. door: the front door it belongs to;
    without one, that of the lab's own MTA."""

    name, program = "milter", "restante-milter"

    def __init__(self, lab, options, door=None):
        self.door = door
        self.node = door.node if door else "front1"
        self.mta = door.mta if door else lab.mta
        if door:
            self.name = "milter" + door.suffix
        super().__init__(lab)
        self.options, self.directory = options, dict(lab.ldap_options)
        self.logging, self.systems = {}, {}
        self.replica = os.path.join(self.dir, "replica")
        self.queue = os.path.join(self.dir, "queue")
        self.socket = os.path.join(self.mta.queue if self.mta else self.dir,
                                   "restante/milter.sock")
        for path in (self.replica, self.queue, os.path.dirname(self.socket)):
            os.makedirs(path, exist_ok=True)
        self.configure()

    def settings(self):
        slapd, mta = self.lab.slapd, self.mta
        sections = {}
        if slapd:
            reads, writes = self.door.uris() if self.door else ([slapd.uri], slapd.uri)
            sections["ldap"] = {
                "uri": " ".join(reads), "write_uri": writes, "base": BASE, "bind": "simple",
                "bind_dn": identity(self.node), "password_file": slapd.password_file(self.node),
                "timeout": "5s", **self.directory}
        sections["log"] = {"target": "stderr", "level": "debug", **self.logging}
        sections["milter"] = {
            "node": self.node, "hostname": self.mta.hostname if self.mta else "front.lab",
            "socket": "unix:" + self.socket, "user": "", "group": "",
            "control_socket": self.control, "replica_dir": self.replica,
            "queue_dir": self.queue, "replica_cache": "16M", "queue_cache": "16M",
            "postmaster": "info@s1.lab", "heartbeat": "1s", "late_commit": "500ms",
            "queue_free": "1M", "release_retry_min": "200ms", "release_retry_max": "2s",
            "stop_timeout": "10s"}
        if mta:
            sections["milter"]["queue_list"] = mta.queue_list_command()
            sections["milter"]["release_listener"] = "smtp:127.0.0.1:%d" % mta.release_port
        sections["milter"].update(self.options)
        sections["cli"] = {"control_socket": self.control}
        if mta:
            sections["cli"]["mta_log"] = mta.log
        if slapd:
            sections["cli"].update({"bind_dn": IDENTITIES["operator"],
                                    "password_file": slapd.password_file("operator")})
        sections.update({"system " + name: keys for name, keys in self.systems.items()})
        return sections

    def ready(self):
        """It listens, its replica is usable and its node enabled."""
        if not listens(self.socket):
            return False
        try:
            answer = self.ask("route", address="nobody@example.org")
        except (OSError, ValueError):
            return False
        return all(answer.get(fact) for fact in ("loaded", "current", "node_enabled"))

    def ask(self, command, **fields):
        """One request on the control socket, the first line of its answer."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(30)
            connection.connect(self.control)
            connection.sendall(json.dumps(dict(v=1, cmd=command, **fields)).encode() + b"\n")
            return json.loads(connection.makefile().readline())

    def held(self):
        """Messages in the hold queue."""
        return self.ask("queue.stats")["messages"]

    def cli_json(self, *arguments, timeout=120):
        return json.loads(self.cli(*arguments, "--json", timeout=timeout).stdout)


class NullMilter(Server):
    """tests/bench/peer_milter: asks for the events that restante-milter asks for, does nothing."""

    name = "null"

    def __init__(self, lab):
        super().__init__(lab)
        queue = lab.mta.queue if lab.mta else self.dir
        self.socket = os.path.join(queue, "restante/null.sock")
        self.binary = os.path.join(lab.build, "tests/bench/peer_milter")
        os.makedirs(os.path.dirname(self.socket), exist_ok=True)

    def command(self):
        if not os.path.exists(self.binary):
            raise LabError("%s is not built: make tests/bench/peer_milter" % self.binary)
        return [self.binary, "-m", "null", "-s", "unix:" + self.socket]

    def ready(self):
        return listens(self.socket)
