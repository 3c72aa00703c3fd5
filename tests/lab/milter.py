"""restante-milter, the restante command, and the milter that does nothing."""

import json
import os
import socket

from .process import LabError, Server, run
from .slapd import BASE, IDENTITIES, identity


def conf_value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return '"%s"' % value.replace("\\", "\\\\").replace('"', '\\"')


def conf_section(name, values):
    lines = "".join("  %s = %s\n" % (key, conf_value(value)) for key, value in values.items())
    return "%s {\n%s}\n" % (name, lines)


class Milter(Server):
    """options, directory, logging: keys of milter {}, of ldap {} and of log {} that differ from what
    the lab sets; systems: those of system NAME {}, by its name. door: the front door it belongs to;
    without one, that of the lab's own MTA."""

    name = "milter"
    stop_timeout = 40.0

    def __init__(self, lab, options, door=None):
        self.door = door
        self.node = door.node if door else "front1"
        self.mta = door.mta if door else lab.mta
        if door:
            self.name = "milter" + door.suffix
        super().__init__(lab)
        self.options, self.directory = options, dict(lab.ldap_options)
        self.logging, self.systems = {}, {}
        self.conf = os.path.join(self.dir, "restante.conf")
        self.control = os.path.join(self.dir, "control.sock")
        self.replica = os.path.join(self.dir, "replica")
        self.queue = os.path.join(self.dir, "queue")
        self.socket = os.path.join(self.mta.queue if self.mta else self.dir,
                                   "restante/milter.sock")
        self.binary = os.path.join(lab.build, "restante-milter")
        self.cli_binary = os.path.join(lab.build, "restante")
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

    def configure(self, **options):
        """Writes restante.conf; options are remembered. Then reload() or restart()."""
        self.options.update(options)
        text = "".join(conf_section(name, values) for name, values in self.settings().items())
        with open(self.conf, "w") as conf:
            conf.write(text)

    def command(self):
        if not os.path.exists(self.binary):
            raise LabError("%s is not built: make, or set RESTANTE_BUILD" % self.binary)
        return [self.binary, "-c", self.conf]

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

    def cli(self, *arguments, check=True, timeout=120):
        """The restante command with this lab's configuration."""
        return run([self.cli_binary, "-c", self.conf] + list(arguments), check=check,
                   timeout=timeout)

    def cli_json(self, *arguments, timeout=120):
        return json.loads(self.cli(*arguments, "--json", timeout=timeout).stdout)


def listens(path):
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(path)
        return True
    except OSError:
        return False


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
