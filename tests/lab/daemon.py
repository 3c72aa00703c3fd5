"""A daemon of Restante with a restante.conf of its own, and the restante command with the same."""

import os
import socket

from .process import LabError, Server, run


def conf_value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return '"%s"' % value.replace("\\", "\\\\").replace('"', '\\"')


def conf_section(name, values):
    lines = "".join("  %s = %s\n" % (key, conf_value(value)) for key, value in values.items())
    return "%s {\n%s}\n" % (name, lines)


class Daemon(Server):
    """Subclasses name the program, say its settings(), and have options: keys of its section."""

    program = None
    stop_timeout = 40.0

    def __init__(self, lab):
        super().__init__(lab)
        self.conf = os.path.join(self.dir, "restante.conf")
        self.control = os.path.join(self.dir, "control.sock")
        self.binary = os.path.join(lab.build, self.program)
        self.cli_binary = os.path.join(lab.build, "restante")
        self.turned = None  # a file with seconds: what its wall clock is off by (clock_jump.c)

    def configure(self, **options):
        """Writes restante.conf; options are remembered. Then reload() or restart()."""
        self.options.update(options)
        text = "".join(conf_section(name, values) for name, values in self.settings().items())
        with open(self.conf, "w") as conf:
            conf.write(text)

    def environment(self):
        if not self.turned:
            return super().environment()
        library = os.path.join(self.lab.dir, "clock_jump.so")
        if not os.path.exists(library):
            run(["gcc", "-shared", "-fPIC", "-O1", "-o", library,
                 os.path.join(self.lab.source, "tests/system/clock_jump.c")])
        return {**super().environment(), "LD_PRELOAD": library, "CLOCK_JUMP": self.turned}

    def command(self):
        if not os.path.exists(self.binary):
            raise LabError("%s is not built: make, or set RESTANTE_BUILD" % self.binary)
        return [self.binary, "-c", self.conf]

    def cli(self, *arguments, check=True, timeout=120):
        """The restante command with this lab's configuration."""
        return run([self.cli_binary, "-c", self.conf] + list(arguments), check=check,
                   timeout=timeout)


def listens(path):
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(path)
        return True
    except OSError:
        return False
