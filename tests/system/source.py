"""A source of up syncs alone: source_driver, asked line by line."""

import json
import os
import subprocess

from lab.daemon import conf_section
from lab.process import LabError

ENDS = ("outcome", "heard", "check", "error")


class Pull:
    """What one pull said: persons, gone and refused by id, and its result."""

    def __init__(self, lines):
        self.result = lines[-1]
        self.persons = {line["person"]: line for line in lines if "person" in line}
        self.shown = [line["person"] for line in lines if "person" in line]
        self.gone = {line["gone"] for line in lines if "gone" in line}
        self.refused = [line for line in lines if "refused" in line and "place" in line]
        self.outcome, self.mark = self.result["outcome"], self.result["mark"]
        self.reason, self.deletes = self.result["reason"], self.result["deletes"]

    @property
    def addresses(self):
        """{id: [address, ...]}"""
        return {one: line["addresses"] for one, line in self.persons.items()}


class Source:
    """with Source(directory, build, up={...}) as source: the keys of up S1 {} and, with a marker, of
    down S1 {}."""

    def __init__(self, directory, build, up, marker=None, name="source"):
        self.conf = os.path.join(directory, name + ".conf")
        self.argv = [os.path.join(build, "tests/system/source_driver"), self.conf, "S1"]
        self.log = os.path.join(directory, "log", name + ".log")
        self.up, self.marker, self.process = up, marker, None

    def __enter__(self):
        with open(self.conf, "w") as conf:
            conf.write(conf_section("up S1", self.up))
            if self.marker:
                conf.write(conf_section("down S1", {"marker": self.marker}))
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
                raise LabError("source_driver: exit %d: %s" % (status, log.read()[-2000:]))

    def send(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def lines(self):
        """Up to the one that ends an answer."""
        found = []
        while not found or not any(end in found[-1] for end in ENDS):
            line = self.process.stdout.readline()
            if not line:
                raise LabError("source_driver is gone; see " + self.log)
            found.append(json.loads(line))
        return found

    def ask(self, command):
        self.send(command)
        return self.lines()[-1]

    def pull(self):
        self.send("pull")
        return Pull(self.lines())

    def delta(self, mark):
        self.send("delta " + mark)
        return Pull(self.lines())

    def count(self, mark=""):
        """The result alone."""
        return self.ask("count " + mark if mark else "count")

    def wait(self, seconds, mark):
        return self.ask("wait %g %s" % (seconds, mark))
