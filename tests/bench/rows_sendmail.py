"""Sendmail with Restante beside Sendmail with its own FEATURE(ldap_routing), on one directory: both ask
it by TCP, as a front door does whose directory is another machine."""

import os
import subprocess
import time

import figures
from cpugroup import CpuGroup
from lab.lab import SOURCE, Lab
from lab.process import wait_for
from lab.sendmail import Sendmail
from lab.slapd import BASE
from load import Sink, send
from rounds import alternate, column, progress, ratios
from testbed import ROOT, BenchMilter, BenchSlapd
import tree

LDAP_ROUTING = """\
define(`confLDAP_DEFAULT_SPEC', `-H {uri} -w 3 -b {base} -d {dn} -M simple -P {password}')dnl
LDAPROUTE_DOMAIN(`{domain}')dnl
FEATURE(`ldap_routing', , , `bounce', `preserve')dnl
"""


class BenchSendmail(Sendmail):
    """Its backends are reached by SMTP: the sink."""

    mailer_flags = "muXa8"

    def __init__(self, lab, name, sink_port, **more):
        super().__init__(lab, name=name, **more)
        self.routes = {"s1.lab": sink_port}
        self.configure()


class SendmailBed:
    """fronts: name -> Sendmail."""

    def __init__(self, build, mailboxes):
        self.lab = Lab(start=(), build=build)
        self.sink = Sink()
        self._expected = 0
        self.groups = {name: CpuGroup(name) for name in ("mta", "milter", "slapd")}
        try:
            self._make(mailboxes)
        except BaseException:
            self.close()
            raise

    def _make(self, mailboxes):
        lab = self.lab
        lab.slapd = BenchSlapd(lab, tree.people(mailboxes))
        lab.mta = BenchSendmail(lab, "sendmail", self.sink.port, milter="unix:restante/a.sock")
        password = os.path.join(lab.dir, "root.password")
        with open(os.open(password, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as out:
            out.write(tree.PASSWORD)
        peer = BenchSendmail(
            lab, "ldap-routing", self.sink.port, milter="", with_restante=False,
            more=LDAP_ROUTING.format(uri=lab.slapd.uri, base=BASE, dn=ROOT, password=password,
                                     domain=tree.DOMAIN))
        milter = BenchMilter(lab, "a", "front1")
        self.fronts = {"restante": lab.mta, "ldap_routing": peer}
        lab.servers += [lab.slapd, milter, lab.mta, peer]
        for server in lab.servers:
            server.start(wait=False)
            server.wait_ready(120)
        for name, server in (("slapd", lab.slapd), ("milter", milter), ("mta", lab.mta),
                             ("mta", peer)):
            self.groups[name].adopt(server.pid)

    def pass_through(self, front, count):
        """CPU ms per message of all servers, and messages per second end to end."""
        before = sum(group.seconds() for group in self.groups.values())
        began = time.monotonic()
        self._expected += count
        send(self.fronts[front].port, count, "u@" + tree.DOMAIN)
        took = self.sink.wait(self._expected, 600) - began
        wait_for(self.fronts[front].empty, 60, "the queue to get empty")
        after = sum(group.seconds() for group in self.groups.values())
        return {"cpu": (after - before) * 1000 / count, "rate": count / took}

    def close(self):
        for group in self.groups.values():
            group.close()
        try:
            self.lab.close()
        finally:
            self.sink.close()


def fetch(build):
    """Unpacks Sendmail where it is not yet."""
    scripts = os.path.join(SOURCE, "tests/lab/packages.sh")
    subprocess.run(["sh", "-c", '. "$1" && packages_private_sendmail "$2"', "sh", scripts, build],
                   check=True)


def sendmail(options):
    fetch(options.build)
    count = options.messages or 1000
    if options.quick:
        count //= 5
    progress(f"making a tree of {options.mailboxes:,} mailboxes, starting two Sendmails")
    bed = SendmailBed(options.build, options.mailboxes)
    try:
        samples = alternate({front: lambda one=front: bed.pass_through(one, count)
                             for front in bed.fronts}, options.rounds, label="sendmail")
    finally:
        bed.close()
    ours, peer = samples["restante"], samples["ldap_routing"]
    return [
        figures.Row("sendmail", "messages per second end to end, Sendmail, 1 recipient: Restante / "
                    "FEATURE(ldap_routing)", ratios(column(ours, "rate"), column(peer, "rate")),
                    goal=">= 1.15", ours=figures.spread(column(ours, "rate"), "msg/s"),
                    peer=figures.spread(column(peer, "rate"), "msg/s")),
        figures.Row("sendmail-cpu", "CPU per message of MTA, milter and slapd, the same",
                    ratios(column(ours, "cpu"), column(peer, "cpu")),
                    ours=figures.spread(column(ours, "cpu"), "ms"),
                    peer=figures.spread(column(peer, "cpu"), "ms")),
    ]
