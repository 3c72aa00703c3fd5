"""A driver program of tests/system: asked line by line, it answers in lines of JSON."""

import json
import os
import subprocess

from lab.daemon import conf_section
from lab.process import LabError


class Driver:
    """with Driver(directory, build, "x_driver", sections, name, *arguments) as driver: started with a
    configuration of these sections {name: keys}."""

    def __init__(self, directory, build, program, sections, name, *arguments):
        self.program, self.sections = program, sections
        self.conf = os.path.join(directory, name + ".conf")
        self.log = os.path.join(directory, "log", name + ".log")
        self.argv = [os.path.join(build, "tests/system", program), self.conf, *arguments]
        self.process = None

    def __enter__(self):
        with open(self.conf, "w") as conf:
            conf.write("".join(conf_section(name, keys) for name, keys in self.sections.items()))
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
                raise LabError("%s: exit %d: %s" % (self.program, status, log.read()[-2000:]))

    def send(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self):
        line = self.process.stdout.readline()
        if not line:
            raise LabError("%s is gone; see %s" % (self.program, self.log))
        return json.loads(line)
