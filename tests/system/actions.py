"""Actions of restante-control alone: action_driver, asked line by line."""

import json
import os
import subprocess

from lab.daemon import conf_section
from lab.process import LabError

SHIPPED = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
                       "contrib/actions")
UUID = "5d0c1c9e-5e0f-4a7b-9d11-000000000001"


class Actions:
    """with Actions(lab, {"S2": {...}}) as actions: the keys of actions NAME {}."""

    def __init__(self, lab, systems, name="actions"):
        self.conf = os.path.join(lab.dir, name + ".conf")
        self.log = os.path.join(lab.dir, "log", name + ".log")
        self.argv = [os.path.join(lab.build, "tests/system/action_driver"), self.conf]
        with open(self.conf, "w") as conf:
            for system, keys in systems.items():
                conf.write(conf_section("actions " + system, keys))
        self.process = None

    def __enter__(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.argv, text=True, stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=log)
        return self

    def __exit__(self, kind, value, traceback):
        self.process.stdin.close()
        status = self.process.wait(30)
        self.process.stdout.close()
        if kind is None and status != 0:
            with open(self.log) as log:
                raise LabError("action_driver: exit %d: %s" % (status, log.read()[-2000:]))

    def send(self, system, action, verify=False, **subject):
        self.process.stdin.write(json.dumps(
            {"system": system, "action": action, "verify": verify, **subject}) + "\n")
        self.process.stdin.flush()

    def hear(self):
        return json.loads(self.process.stdout.readline())

    def run(self, system, action, verify=False, **subject):
        """What became of it: outcome, text, physical, source_id, addresses, empty."""
        self.send(system, action, verify, **subject)
        return self.hear()

    def does(self, system, action, **subject):
        """It is done; a repeat finds it done; so does a check alone."""
        said = self.run(system, action, **subject)
        assert said["outcome"] == "done", said
        for verify in (False, True):
            again = self.run(system, action, verify, **subject)
            assert again["outcome"] == "already", again
        return said

    def asks(self, system, action, **subject):
        said = self.run(system, action, **subject)
        assert said["outcome"] == "already", said
        return said


def person(name, **more):
    """A subject whose access address is NAME@example.org."""
    address = name + "@example.org"
    return {"identifier": "20261122T190000Z-00000001", "id": UUID, "address": address,
            "primary": address, "addresses": [address], "foreign": [], "physical": "",
            "source_id": "", "other": "", "attributes": {"cn": [name.title()],
                                                         "sn": [name.title()]}, **more}
