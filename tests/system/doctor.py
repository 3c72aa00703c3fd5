"""`restante doctor` in a lab: what it finds, and settings that are broken for the time of a test."""

import contextlib
import json
import os
import time

from lab.daemon import conf_section
from lab.process import run

SEVERITIES = {"error": 2, "warning": 1, "unseen": 1}


class Doctor:
    """binary: the restante command; sections: restante.conf as {section: {key: value}}."""

    def __init__(self, binary, directory, sections):
        self.binary, self.sections = binary, sections
        self.conf = os.path.join(directory, "doctor.conf")
        self.write()

    def write(self):
        with open(self.conf, "w") as conf:
            conf.write("".join(conf_section(n, keys) for n, keys in self.sections.items()))
        os.chmod(self.conf, 0o644)

    def run(self, *arguments, before=()):
        return run(list(before) + [self.binary, "-c", self.conf, "doctor"] + list(arguments),
                   check=False)

    def json(self, *arguments, before=()):
        """The document, once it agrees with the exit status."""
        done = self.run("--json", *arguments, before=before)
        shown = json.loads(done.stdout)
        worst = max([SEVERITIES[f["severity"]] for f in shown["findings"]], default=0)
        assert done.returncode == worst, (done.returncode, shown)
        assert shown["ok"] == (not shown["findings"])
        return shown

    def found(self, *arguments, before=()):
        """{(severity, id)}; each finding has one line with its remedy."""
        shown = self.json(*arguments, before=before)
        for finding in shown["findings"]:
            assert finding["what"] and finding["remedy"], finding
            assert "\n" not in finding["what"] + finding["remedy"], finding
        return {(f["severity"], f["check"]) for f in shown["findings"]}

    @contextlib.contextmanager
    def set(self, **sections):
        """set(milter={"queue_bytes": "900T"}): so within the block."""
        before = self.sections
        self.sections = {name: {**before.get(name, {}), **sections.get(name, {})}
                         for name in {**before, **sections}}
        self.write()
        try:
            yield
        finally:
            self.sections = before
            self.write()

    def also(self, name, keys):
        """One more section."""
        return self.set(**{name: keys})


@contextlib.contextmanager
def edited(path, change):
    """The file with change(text) in place of its text, within the block."""
    with open(path) as source:
        text = source.read()
    changed = change(text)
    assert changed != text, path
    try:
        overwrite(path, changed)
        yield
    finally:
        overwrite(path, text)


def overwrite(path, text):
    """Seemingly a while ago: Postfix waits with a file that is being written to."""
    with open(path, "w") as target:
        target.write(text)
    os.utime(path, (os.stat(path).st_atime, time.time() - 60))


@contextlib.contextmanager
def mode(path, bits):
    before = os.stat(path).st_mode & 0o7777
    os.chmod(path, bits)
    try:
        yield
    finally:
        os.chmod(path, before)
