"""`restante doctor` about a sendmail.cf: each thing that contrib/sendmail sets, broken alone."""

import os
import socket
import threading

import pytest

from doctor import Doctor, edited, mode
from lab.lab import Lab
from lab.process import free_port

# What m4 makes of contrib/sendmail, but for the rules.
CF = """\
# Sendmail's settings, as far as doctor reads them
Cwlocalhost front.lab
CR.
FR-o {dir}/relay-domains
Kvirtuser hash -o {dir}/virtusertable
F{{RestanteDomain}}{dir}/domains
FR{dir}/domains
O AliasFile={dir}/aliases
O DaemonPortOptions=Name=MTA, Family=inet, Addr=127.0.0.1, Port={port}
O DaemonPortOptions=Name=restante-release, Family=inet, Addr=127.0.0.1, Port={release}, M=ACE, \
InputMailFilters=, DeliveryMode=b
O DaemonPortOptions=Name=restante-reentry, Family=inet, Addr=127.0.0.1, Port=10027, M=ACE, \
InputMailFilters=restante, DeliveryMode=b
#O MaxDaemonChildren=0
O InputMailFilters=dkim,restante
R$* < @ $={{RestanteDomain}} > $*\t$#restante-reentry $@ [127.0.0.1] $: $1 < @ $2 . > $3
Xdkim, S=unix:/run/dkim.sock, F=
Xrestante, S=unix:{socket}, F=T, T=C:30s;S:60s;R:60s;E:5m
Mrestante-reentry,\tP=[IPC], F=mkuXa8, E=\\r\\n, L=0,
\t\t\tT=DNS/RFC822/SMTP,
\t\t\tA=TCP $h 10027
"""


class Greeter(threading.Thread):
    """A release listener that greets."""

    def __init__(self):
        super().__init__(daemon=True)
        self.port = free_port()
        self.listener = socket.create_server(("127.0.0.1", self.port))

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                client.sendall(b"220 front.lab\r\n")
                client.recv(100)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.join()


@pytest.fixture(scope="module")
def door():
    with Lab(start=("slapd", "milter"), milter_options={"heartbeat": "30s"}) as lab:
        lab.greeter = Greeter()
        lab.greeter.start()
        lab.cf = os.path.join(lab.dir, "sendmail.cf")
        files = {"sendmail.cf": CF.format(dir=lab.dir, port=free_port(), socket=lab.milter.socket,
                                          release=lab.greeter.port),
                 "relay-domains": "", "aliases": "# none\nroot: admin@elsewhere.lab\n",
                 "domains": "# ours\nexample.org\nexample.net\nxn--bcher-kva.example\n",
                 "virtusertable": "list@lists.lab\tanna@s1.lab\n"}
        for name, text in files.items():
            with open(os.path.join(lab.dir, name), "w") as out:
                out.write(text)
        yield lab
        lab.greeter.close()


@pytest.fixture(scope="module")
def doctor(door):
    sections = door.milter.settings()
    sections["milter"].update({
        "queue_list": "true sendmail -C %s -bp -v -OQueueSortOrder=filename" % door.cf,
        "release_listener": "smtp:127.0.0.1:%d" % door.greeter.port})
    return Doctor(door.milter.cli_binary, door.dir, sections)


def test_nothing_is_found_where_all_is_as_in_the_snippet(doctor):
    shown = doctor.json("-v")
    assert shown["findings"] == [] and shown["not_made"] == 0
    assert sum(check["check"].startswith("mta.") for check in shown["checks"]) > 15


@pytest.mark.parametrize("severity,check,old,new", [
    ("error", "mta.milter", "dkim,restante", "dkim"),
    ("warning", "mta.milter", "O InputMailFilters",
     "O DaemonPortOptions=Name=MSA, Port=587, M=E, InputMailFilters=dkim\nO InputMailFilters"),
    ("error", "mta.milter-socket", "Xrestante, S=unix:", "Xrestante, S=unix:/else"),
    ("error", "mta.milter-order", "dkim,restante", "restante,dkim"),
    ("error", "mta.milter-down", "F=T, T=C", "T=C"),
    ("error", "mta.milter-down", "F=T, T=C", "F=R, T=C"),
    ("error", "mta.milter", "O DaemonPortOptions=Name=MTA", "#O"),
    ("error", "mta.queue-settings", "O InputMail", "O SuperSafe=Interactive\nO InputMail"),
    ("error", "mta.queue-settings", "O InputMail", "O MaxQueueRunSize=1000\nO InputMail"),
    ("warning", "mta.release-limits", "O InputMail", "O MaxMessageSize=1000000\nO InputMail"),
    ("warning", "mta.client-limits", "\nXdkim", "\nSRateControl\nXdkim"),
    ("warning", "mta.client-limits", "\nXdkim", "\nSgreet_pause\nXdkim"),
    ("error", "mta.domain-class", "front.lab\nCR", "front.lab example.net\nCR"),
    ("error", "mta.relay-domains", "\nFR/", "\nF{Other}/"),
    ("error", "mta.route", "$#restante-reentry", "$#esmtp"),
    ("error", "mta.reentry-loop", "F=mkuXa8", "F=muXa8"),
    ("error", "mta.reentry-loop", "TCP $h 10027", "TCP $h 10028"),
    ("error", "mta.reentry-loop", "Mrestante-reentry", "Mother"),
    ("error", "mta.reentry", "Name=restante-reentry", "Name=other"),
    ("error", "mta.reentry", "Addr=127.0.0.1, Port=10027", "Addr=0.0.0.0, Port=10027"),
    ("error", "mta.reentry-milter", "InputMailFilters=restante", "InputMailFilters=dkim"),
    ("error", "mta.reentry-rewrites", "Port=10027, M=ACE", "Port=10027, M=AE"),
    ("error", "mta.release-milter", "InputMailFilters=, ", ""),
])
def test_a_sendmail_cf_that_is_not_as_it_should(doctor, door, severity, check, old, new):
    with edited(door.cf, lambda text: text.replace(old, new, 1)):
        assert doctor.found() == {(severity, check)}


def test_a_machine_that_is_spared(doctor, door):
    access = os.path.join(door.dir, "access")
    lines = "\nKaccess hash -T<TMPF> -o %s\nSRateControl\nSConnControl\nXdkim" % access
    with edited(door.cf, lambda text: text.replace("\nXdkim", lines)):
        assert doctor.found() == {("warning", "mta.client-limits")}
        with open(access, "w") as out:
            out.write("ClientRate:127.0.0.1\t0\nClientConn:127.0.0.1 0\n")
        assert doctor.found() == set()


def test_a_folder_that_others_write(doctor, door):
    folder = os.path.dirname(door.milter.socket)
    with mode(folder, 0o775):
        assert doctor.found() == {("error", "mta.socket-rights")}


def test_the_release_listener(doctor, door):
    where = "Addr=127.0.0.1, Port=%d, M=ACE" % door.greeter.port
    for new, check in ((where.replace("127.0.0.1", "0.0.0.0"), "mta.release"),
                       (where.replace("ACE", "AE"), "mta.release-rewrites")):
        with edited(door.cf, lambda text: text.replace(where, new)):
            assert doctor.found() == {("error", check)}


@pytest.mark.parametrize("severity,check,name,line", [
    ("warning", "mta.stale-domains", "domains", "stale.test\n"),
    ("warning", "mta.aliases", "aliases", "all: bert@s1.lab,\n\tAnna@Example.ORG\n"),
    ("warning", "mta.virtual-aliases", "virtusertable", "x@lists.lab anna@example.org\n"),
    ("warning", "mta.virtual-aliases", "virtusertable", "@example.net\tinfo@s1.lab\n"),
])
def test_files_that_meddle(doctor, door, severity, check, name, line):
    with edited(os.path.join(door.dir, name), lambda text: text + line):
        assert doctor.found() == {(severity, check)}


def test_a_table_whose_source_is_elsewhere(doctor, door):
    path = os.path.join(door.dir, "virtusertable")
    os.rename(path, path + ".db")
    try:
        assert doctor.found() == {("unseen", "mta.tables")}
    finally:
        os.rename(path + ".db", path)


def test_a_listing_that_locks(doctor, door):
    with doctor.set(milter={"queue_list": "true sendmail -C %s -bp -v" % door.cf}):
        assert doctor.found() == {("warning", "mta.queue-settings")}


def test_where_the_settings_are(doctor, door):
    with doctor.set(milter={"queue_list": "true"}):
        assert doctor.found() == {("unseen", "mta.seen")}
        assert doctor.found("--mta-config", door.dir) == set()
    assert doctor.found("--mta-config", door.cf) == set()
    assert doctor.found("--mta-config", "/nonexistent") == {("unseen", "mta.seen")}
