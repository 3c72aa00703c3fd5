"""The lab as the benches need it: a big tree, one Postfix with a front door per rival, a sink.

The front doors share the queue, the queue manager and all else; what differs is in the overrides
of the listener alone. So "the same Postfix with another milter" is meant literally.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import time

from lab.daemon import listens
from lab.lab import Lab
from lab.milter import Milter
from lab.postfix import Postfix
from lab.process import Server, wait_for
from lab.slapd import BASE, Slapd

import tree
from cpugroup import CpuGroup
from load import Sink, send

ROOT = "cn=admin," + BASE
MAPS = """server_host = {uri}
version = 3
search_base = {base}
query_filter = (mailLocalAddress=%s)
result_attribute = mailRoutingAddress
bind = yes
bind_dn = {dn}
bind_pw = {password}
"""


class BenchSlapd(Slapd):
    """With a generated tree beside the sample, and a password for the root identity: Postfix'
    maps bind as that, so no access rule slows them down."""

    def __init__(self, lab, entries):
        self._entries = entries
        super().__init__(lab)

    def _prepare(self):
        super()._prepare()
        with open(self.conf, encoding="utf-8") as file:
            text = file.read()
        text = re.sub(r"(?m)^rootdn\s.*$", rf"\g<0>\nrootpw {tree.PASSWORD}", text)
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(text)
        self.load("\n" + "".join(self._entries))

    def modifier(self):
        """An ldapmodify that stays: a change and an empty line in, "modify complete" out."""
        return subprocess.Popen(["stdbuf", "-oL", "ldapmodify", "-v", *self.bind("root")],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, bufsize=1)

    def watcher(self, base, *attributes):
        """An ldapsearch that prints each version of an entry as it comes (RFC 4533)."""
        command = ["stdbuf", "-oL", "ldapsearch", "-LLL", "-o", "ldif-wrap=no",
                   *self.bind("root"), "-b", base, "-s", "base", "-E", "!sync=rp",
                   "(objectClass=*)", *attributes]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                text=True, bufsize=1)


class BenchPostfix(Postfix):
    """Everything that is not federated goes to the sink, by SMTP."""

    def __init__(self, lab, sink_port):
        self._sink_port = sink_port
        self._services = ""
        super().__init__(lab, milter="unix:restante/a.sock")

    def configure(self):
        super().configure()
        self._edit("main.cf", r"(?m)^default_transport = .*$",
                   f"default_transport = smtp:[127.0.0.1]:{self._sink_port}")
        self._edit("main.cf", r"(?m)^transport_maps = .*$", "transport_maps =")
        self._edit("main.cf", r"\Z", f"proxy_read_maps = proxy:ldap:{self.conf}/limited.cf\n")
        # not chrooted: so the maps can use ldapi, the faster way
        self._edit("master.cf", r"(?m)^(\S+ \S+ \S+ - )y", r"\1n")
        self._edit("master.cf", r"\Z", self._services)

    def _edit(self, name, pattern, new):
        path = os.path.join(self.conf, name)
        with open(path, encoding="utf-8") as file:
            text, count = re.subn(pattern, new, file.read())
        if count == 0:
            raise RuntimeError(f"{name} of the lab has nothing like {pattern}")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def add_front_with_maps(self, name, maps):
        """virtual_alias_maps for smtpd and cleanup, as main.cf would set it for both."""
        self._services += f"{name} unix n - n - 0 cleanup\n  -o virtual_alias_maps={maps}\n"
        return self.add_front("smtpd_milters=", f"cleanup_service_name={name}",
                              f"virtual_alias_maps={maps}")

    def write_maps(self, name, slapd, more=""):
        shutil.copy("/etc/postfix/dynamicmaps.cf", self.conf)  # says where the LDAP code is
        path = os.path.join(self.conf, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(MAPS.format(uri=slapd.ldapi, base=BASE, dn=ROOT, password=tree.PASSWORD))
            file.write(more)
        return "ldap:" + path

    def files(self, *queues):
        """How many messages lie in the named queues ("hold", "active", ...)."""
        return sum(len(names) for queue in queues
                   for _, _, names in os.walk(os.path.join(self.queue, queue)))

    def wait_empty(self, timeout=120):
        wait_for(lambda: not self.files("incoming", "active", "deferred", "maildrop"), timeout,
                 "the MTA's queue to get empty")


class BenchMilter(Milter):
    """A front door's milter with the defaults of restante.conf, but for places and names."""

    def __init__(self, lab, letter, node):
        self.name = "milter-" + letter
        self._letter, self._node = letter, node
        super().__init__(lab, {})
        self.socket = os.path.join(lab.mta.queue, f"restante/{letter}.sock")
        self.configure()

    def settings(self):
        sections = super().settings()
        sections["log"]["level"] = "info"
        sections["ldap"]["bind_dn"] = f"cn={self._node},ou=nodes,cn=restante,{BASE}"
        milter = sections["milter"]
        milter["node"], milter["socket"] = self._node, "unix:" + self.socket
        for key in ("replica_cache", "queue_cache", "heartbeat", "late_commit", "queue_free",
                    "release_retry_min", "release_retry_max", "stop_timeout", "postmaster"):
            milter.pop(key, None)
        return sections

    def ask(self, command, **fields):
        """One request on the control socket, one reply."""
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(self.control)
            link.sendall(json.dumps({"v": 1, "cmd": command, **fields}).encode() + b"\n")
            with link.makefile("rb") as lines:
                return json.loads(lines.readline())


class Peer(Server):
    """tests/bench/peer_milter in one of its modes."""

    def __init__(self, lab, mode):
        self.name = "peer-" + mode
        super().__init__(lab)
        self._mode = mode
        self.socket = os.path.join(lab.mta.queue, f"restante/{self.name}.sock")

    def command(self):
        return [os.path.join(self.lab.build, "tests/bench/peer_milter"), "-m", self._mode,
                "-s", "unix:" + self.socket, "-d", "s1.lab"]

    def ready(self):
        return listens(self.socket)


class Testbed:
    """fronts: name -> port. groups: name -> CpuGroup ("mta", "milter", "slapd")."""

    def __init__(self, build, mailboxes, with_restante=True):
        self.lab = Lab(start=(), build=build)
        self.sink = Sink()
        self._expected = 0
        self.groups = {name: CpuGroup(name) for name in ("mta", "milter", "slapd")}
        self.milters = {}
        try:
            self._make(mailboxes, with_restante)
        except BaseException:
            self.close()
            raise

    def _entries(self, mailboxes):
        """u: at rest; m: 100 that move; f: 100 held for good (system S3 of the sample is off
        line); one for the big message and one for the swaps."""
        yield tree.NODE.format(node="front2", base=BASE, password="change-me-front1")
        yield from tree.people(mailboxes)
        yield from tree.shared(100, 5000, "m", "S1")
        yield from tree.shared(100, 100000, "f", "S3")
        yield tree.mailbox("big", ["big"])
        yield tree.mailbox("swap", ["swap"])

    def _make(self, mailboxes, with_restante):
        lab = self.lab
        self.slapd = lab.slapd = BenchSlapd(lab, self._entries(mailboxes))
        self.postfix = lab.postfix = BenchPostfix(lab, self.sink.port)
        peers = [Peer(lab, "null"), Peer(lab, "rewrite")]
        if with_restante:
            self.milters = {letter: BenchMilter(lab, letter, node)
                            for letter, node in (("a", "front1"), ("b", "front2"))}
        self.fronts = self._fronts()
        lab.servers += [self.slapd, *peers, *self.milters.values(), self.postfix]
        for server in lab.servers:
            server.start(wait=False)
            server.wait_ready(120)
        self.groups["slapd"].adopt(self.slapd.pid)
        self.groups["mta"].adopt(self.postfix.pid)
        for server in [*peers, *self.milters.values()]:
            self.groups["milter"].adopt(server.pid)

    def _fronts(self):
        postfix = self.postfix
        hold = "smtpd_recipient_restrictions=check_recipient_access,static:HOLD,permit_mynetworks,reject"
        limited = postfix.write_maps("limited.cf", self.slapd, f"domain = {tree.DOMAIN}\n")
        unlimited = postfix.write_maps("unlimited.cf", self.slapd)
        null = "smtpd_milters=unix:restante/peer-null.sock"
        fronts = {
            "plain": postfix.add_front("smtpd_milters="),
            "null": postfix.add_front(null),
            "null-hold": postfix.add_front(null, hold),
            "rewrite": postfix.add_front("smtpd_milters=unix:restante/peer-rewrite.sock"),
            "ldap-limited": postfix.add_front_with_maps("cleanup-limited", limited),
            "ldap": postfix.add_front_with_maps("cleanup-ldap", unlimited),
            "proxy-ldap": postfix.add_front_with_maps("cleanup-proxy", "proxy:" + limited),
        }
        for letter in self.milters:
            fronts["restante-" + letter] = postfix.add_front(
                f"smtpd_milters=unix:restante/{letter}.sock")
        return fronts

    # --- what rows do --------------------------------------------------------------------------

    def cpu(self):
        """CPU seconds so far of all servers, load generator and sink left out."""
        return {name: group.seconds() for name, group in self.groups.items()}

    def expect(self, count):
        """So many more messages will reach the sink: arrived() waits for them."""
        self._expected += count

    def arrived(self, timeout=300):
        """The instant of the last expected message."""
        return self.sink.wait(self._expected, timeout)

    def pass_through(self, front, count, to, recipients=1):
        """Sends and waits until all is at the sink and off the queue. CPU ms per message by
        group, and messages per second end to end."""
        before, began = self.cpu(), time.monotonic()
        self.expect(count)
        send(self.fronts[front], count, to, recipients)
        took = self.arrived() - began
        self.postfix.wait_empty()
        after = self.cpu()
        sample = {name: (after[name] - before[name]) * 1000 / count for name in after}
        sample["all"] = sum(sample.values())
        sample["rate"] = count / took
        return sample

    def set_state(self, dns, state, **attributes):
        """One ldapmodify for all of them; None takes the state away."""
        changes = []
        for dn in dns:
            lines = [f"dn: {dn}", "changetype: modify"]
            for name, value in {"restanteState": state, **attributes}.items():
                lines += [f"replace: {name}"] + ([f"{name}: {value}"] if value else []) + ["-"]
            changes.append("\n".join(lines) + "\n")
        self.slapd.modify("\n".join(changes), who="root")

    def set_release(self, dns, address):
        """Where these systems take released mail, by SMTP; None: through the MTA."""
        for dn in dns:
            self.slapd.replace(dn, who="root", restanteReleaseAddress=address,
                               restanteReleaseTLS="none" if address else None)

    def wait_verdict(self, address, verdict, letters="ab"):
        """Until the milters would do that with mail for the address."""
        for letter in letters:
            if letter in self.milters:
                wait_for(lambda one=self.milters[letter]: one.ask(
                    "route", address=address).get("verdict") == verdict, 30,
                    f"{address} to be {verdict}", interval=0.002)

    def close(self):
        for group in self.groups.values():
            group.close()
        try:
            self.lab.close()
        finally:
            self.sink.close()


