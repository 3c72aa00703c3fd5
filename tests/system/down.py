"""Down syncs, one at a time: down_driver with settings of a test's own."""

import json
import os
import shutil
import stat
import subprocess

import pytest

from lab.addressbook import AddressBook
from lab.daemon import conf_section
from lab.lab import Lab
from lab.process import LabError, run
from lab.slapd import BASE, FEDERATION, IDENTITIES


class Down:
    """Down(lab, "S2", target="csv", file=...).run()"""

    def __init__(self, lab, system="S2", **settings):
        self.lab, self.system, self.settings = lab, system, settings
        self.dir = os.path.join(lab.dir, "down-" + system)
        self.log = os.path.join(lab.dir, "log", "down-%s.log" % system)
        self.conf = os.path.join(lab.dir, "down-%s.conf" % system)
        self.state = os.path.join(self.dir, "state")
        self.more = ""
        self.forget()

    def forget(self):
        """As on a machine that never ran one; its log is emptied as well."""
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)
        with open(self.log, "w"):
            pass

    def path(self, name):
        return os.path.join(self.dir, name)

    def write_conf(self):
        slapd = self.lab.slapd
        with open(self.conf, "w") as conf:
            conf.write(conf_section("ldap", {
                "uri": slapd.uri, "base": BASE, "bind": "simple",
                "bind_dn": IDENTITIES["dirsync"],
                "password_file": slapd.password_file("dirsync")}))
            conf.write(conf_section("dirsync", {"state_dir": self.state, "holder": "lab",
                                                "user": "", "group": ""}))
            conf.write(conf_section("down " + self.system, self.settings))
            conf.write(self.more)

    def start(self, *options):
        self.write_conf()
        with open(self.log, "ab") as log:
            return subprocess.Popen(
                [os.path.join(self.lab.build, "tests/system/down_driver"), self.conf, self.system,
                 *options], stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL)

    def end(self, process):
        out = process.communicate(timeout=120)[0].decode()
        if process.returncode != 0:
            raise LabError("down_driver: exit %d: %s" % (process.returncode, self.log_text()[-2000:]))
        *self.shown, last = out.splitlines()
        return json.loads(last)

    def run(self, *options):
        """The record."""
        return self.end(self.start(*options))

    def complete(self, *options):
        """(added, changed, deleted) of a run that must be complete."""
        record = self.run(*options)
        assert record["outcome"] == "complete", (record, self.log_text()[-2000:])
        return record["added"], record["changed"], record["deleted"]

    def log_text(self):
        with open(self.log, errors="replace") as log:
            return log.read()

    def reports(self):
        """What restante sync conflicts would show."""
        path = os.path.join(self.state, self.system.lower(), "down.reports")
        if not os.path.exists(path):
            return []
        with open(path) as lines:
            return [json.loads(line) for line in lines]

    @property
    def entry(self):
        """The DN of the system's entry."""
        return "cn=%s,ou=systems,%s" % (self.system, FEDERATION)


def replaced(lab, uid, **attributes):
    lab.slapd.replace(lab.slapd.mailbox_dn(uid), **attributes)


def script(path, text):
    with open(path, "w") as out:
        out.write("#!/bin/sh\n" + text)
    os.chmod(path, stat.S_IRWXU)
    return path


# --- fixtures: a test imports what it needs --------------------------------------------------


@pytest.fixture(name="lab", scope="module")
def fixture_lab():
    with Lab(start=("slapd",)) as lab:
        yield lab


@pytest.fixture(name="made")
def fixture_made(lab):
    """mailbox(uid, system="S1", **attributes) for one test; its federation id."""
    dns = []

    def make(uid, system="S1", cn=None, sn=None, mail=None, **more):
        dn = lab.slapd.add_mailbox(uid, system, **more)
        dns.append(dn)
        changes = {name: value for name, value in
                   (("cn", cn), ("sn", sn), ("mail", mail)) if value}
        if changes:
            lab.slapd.replace(dn, **changes)
        return lab.slapd.read(dn)["entryuuid"][0]

    def many(prefix, count):
        """{uid: federation id} of so many of system S1, in one go."""
        uids = ["%s%03d" % (prefix, number) for number in range(count)]
        dns.extend(lab.slapd.mailbox_dn(uid) for uid in uids)
        lab.slapd.modify("\n".join(lab.slapd.mailbox_record(uid) for uid in uids))
        found = lab.slapd.search("(uid=%s*)" % prefix, ["uid", "entryUUID"])
        return {entry["uid"][0]: entry["entryuuid"][0] for _, entry in found}
    make.many = many
    yield make
    run(["ldapmodify", "-c"] + lab.slapd.bind("operator"), check=False,
        stdin="\n".join("dn: %s\nchangetype: delete\n" % dn for dn in dns).encode())


@pytest.fixture(name="moves")
def fixture_moves(lab):
    """move(name, **attributes): a record below ou=moves; gone after the test."""
    dns = []

    def make(name, address, target, **attributes):
        dn = "cn=%s,ou=moves,%s" % (name, FEDERATION)
        lines = ["dn: " + dn, "changetype: add", "objectClass: restanteMove", "cn: " + name,
                 "restanteMoveAddress: " + address, "restanteMoveTarget: " + target]
        lines += ["%s: %s" % item for item in attributes.items()]
        lab.slapd.modify("\n".join(lines) + "\n")
        dns.append(dn)
        return dn
    yield make
    for dn in dns:
        lab.slapd.modify("dn: %s\nchangetype: delete\n" % dn)


@pytest.fixture(name="book")
def fixture_book(lab, request):
    """An empty address book of S2; a parameter says what may be done to its own people."""
    book = AddressBook(lab, "book%d" % len(lab.servers), getattr(request, "param", "write"))
    lab.servers.append(book)
    yield book.start()
    book.stop()


@pytest.fixture(name="down")
def fixture_down(lab, book):
    return Down(lab, **book.settings())
