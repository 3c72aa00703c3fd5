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
from testbed import ROOT, BenchMilter, BenchSlapd, Peer
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


class NullMilter(Peer):
    """The milter that does nothing, where this Sendmail asks it."""

    def __init__(self, lab):
        super().__init__(lab, "null")
        self.socket = os.path.join(lab.mta.queue, "restante/null.sock")


class SendmailBed:
    """fronts: name -> (Sendmail, port, recipients)."""

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
        milter, null = BenchMilter(lab, "a", "front1"), NullMilter(lab)
        access, physical = "u@" + tree.DOMAIN, "u@s1.lab"  # the others leave it as it is
        self.fronts = {"restante": (lab.mta, lab.mta.port, access),
                       "null": (lab.mta, lab.mta.add_null_front(), physical),
                       "plain": (lab.mta, lab.mta.add_bare_front(), physical),
                       "ldap_routing": (peer, peer.port, access)}
        lab.servers += [lab.slapd, milter, null, lab.mta, peer]
        for server in lab.servers:
            server.start(wait=False)
            server.wait_ready(120)
        for name, server in (("slapd", lab.slapd), ("milter", milter), ("milter", null),
                             ("mta", lab.mta), ("mta", peer)):
            self.groups[name].adopt(server.pid)

    def pass_through(self, front, count):
        """CPU ms per message of all servers, and messages per second end to end."""
        server, port, recipient = self.fronts[front]
        before = sum(group.seconds() for group in self.groups.values())
        began = time.monotonic()
        self._expected += count
        send(port, count, recipient)
        took = self.sink.wait(self._expected, 600) - began
        wait_for(server.empty, 60, "the queue to get empty")
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
    return [row for figure, unit, goal in (("rate", "msg/s", ">= 1.15"), ("cpu", "ms", None))
            for row in _rows(samples, figure, unit, goal)]


def _rows(samples, figure, unit, goal):
    """Restante beside ldap_routing; and what each costs beside a Sendmail that asks nobody."""
    what = {"rate": "messages per second end to end, Sendmail, 1 recipient: ",
            "cpu": "CPU per message of MTA, milter and slapd, Sendmail: "}[figure]
    pairs = [("", "restante", "ldap_routing", "Restante / FEATURE(ldap_routing)", goal),
             ("-plain", "restante", "plain", "Restante / no milter", None),
             ("-null", "null", "plain", "null milter / no milter", None),
             ("-peer", "plain", "ldap_routing", "no milter / FEATURE(ldap_routing)", None)]
    for name, ours, peer, text, wanted in pairs:
        yield figures.Row(
            "sendmail" + {"rate": "", "cpu": "-cpu"}[figure] + name, what + text,
            ratios(column(samples[ours], figure), column(samples[peer], figure)), goal=wanted,
            ours=figures.spread(column(samples[ours], figure), unit),
            peer=figures.spread(column(samples[peer], figure), unit))
