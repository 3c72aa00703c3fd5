"""The replica alone, without a milter around it: replica_driver, asked line by line."""

import json
import os
import signal
import subprocess
import threading

from lab.process import LabError, wait_for
from lab.slapd import BASE, IDENTITIES, PEOPLE


MANY = 3000


class Replica:
    def __init__(self, lab, uris=None, name="replica", **settings):
        self.lab = lab
        self.dir = os.path.join(lab.dir, name)
        self.log = os.path.join(lab.dir, "log", name + ".log")
        self.uris = uris or lab.slapd.uri
        self.settings = {"bind": "simple", "bind_dn": IDENTITIES["front1"],
                         "password_file": lab.slapd.password_file("front1"), **settings}
        self.process = None
        self._lock = threading.Lock()

    def start(self):
        argv = [os.path.join(self.lab.build, "tests/system/replica_driver"), self.dir, self.uris,
                BASE, "front1"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                argv + ["%s=%s" % item for item in self.settings.items()], text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        return self

    def ask(self, command):
        with self._lock:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        if not line:
            raise LabError("replica_driver is gone; see its log:\n" + self.log_text()[-2000:])
        return json.loads(line)

    def lookup(self, address):
        return self.ask("lookup <%s>" % address)

    def verdict(self, address):
        return self.lookup(address)["verdict"]

    def physical(self, address):
        return self.lookup(address)["physical"]

    def view(self):
        return self.ask("view")

    def status(self):
        return self.ask("status")

    def wait(self, what, condition, timeout=15):
        try:
            return wait_for(condition, timeout, what, 0.002)
        except LabError as error:
            raise LabError("%s\n%s" % (error, self.log_text()[-3000:])) from error

    def wait_view(self, timeout=15, **wanted):
        def met():
            view = self.view()
            return all(view[key] == value for key, value in wanted.items()) and view
        return self.wait("view %s" % wanted, met, timeout)

    def wait_loaded(self, timeout=30):
        """Loaded, connected and past its refresh."""
        return self.wait("replica to be loaded and connected",
                         lambda: self.view()["loaded"] and self.status()["phase"] == "persist",
                         timeout)

    def wait_physical(self, address, wanted, timeout=15):
        self.wait("%s at %s" % (address, wanted), lambda: self.physical(address) == wanted, timeout)

    def wait_verdict(self, address, wanted, timeout=15):
        self.wait("%s: %s" % (address, wanted), lambda: self.verdict(address) == wanted, timeout)

    def wait_log(self, text, timeout=15, after=0):
        self.wait("log line: " + text, lambda: text in self.log_text()[after:], timeout)

    def log_text(self):
        with open(self.log, errors="replace") as log:
            return log.read()

    def stop(self):
        if self.process is None:
            return
        self.process.stdin.close()
        if self.process.wait(30) != 0:
            raise LabError("replica_driver ended with %d" % self.process.returncode)
        self.process = None

    def kill(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def restart(self):
        self.stop()
        return self.start()


def people(count, first=0):
    for number in range(first, first + count):
        uid = "m%06d" % number
        yield ("dn: uid=%s,%s\nobjectClass: inetOrgPerson\nobjectClass: inetLocalMailRecipient\n"
               "objectClass: restanteMailbox\nuid: %s\ncn: %s\nsn: %s\n"
               "mailLocalAddress: %s@example.org\nmailLocalAddress: %s.alias@example.org\n"
               "mailRoutingAddress: %s@s1.lab\nrestanteSystem: S1\n\n" % ((uid, PEOPLE) + (uid,) * 6))


def delete(lab, *uids):
    lab.slapd.modify("\n".join("dn: %s\nchangetype: delete\n" % lab.slapd.mailbox_dn(u)
                               for u in uids))


def with_many(lab):
    lab.slapd.stop()
    lab.slapd.load("".join(people(MANY)))
    lab.slapd.start()


def count(lab):
    return len(lab.slapd.search("(objectClass=restanteMailbox)", ("1.1",)))
