"""A clean Debian 12 in a folder: made by debootstrap (minbase) once, copied for each run. What runs
in it has mounts and processes of its own, and a network of its own unless it asks for ours; all of
that ends with the command. As root.

RESTANTE_CHROOT is the folder of one that is there already: it is copied, never changed.
RESTANTE_MIRROR is where debootstrap finds Debian."""

import glob
import os
import shutil
import signal
import subprocess

from .process import LabError, run

SUITE, MIRROR = "bookworm", "http://deb.debian.org/debian"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
NOTHING_STARTS = "#!/bin/sh\nexit 101\n"
# proc and loopback are made by those who are inside of the namespaces already
ENTER = """\
set -e
mount -t proc proc "$0/proc"
[ "$1" = ours ] || ip link set lo up
shift
exec chroot "$0" "$@"
"""


class Chroot:
    def __init__(self, path, base=None):
        self.path = path
        base = base or os.environ.get("RESTANTE_CHROOT")
        if base:
            run(["cp", "-a", "--one-file-system", base, path], timeout=600)
        else:
            run(["debootstrap", "--variant=minbase", SUITE, path,
                 os.environ.get("RESTANTE_MIRROR", MIRROR)], timeout=1800)
        self._sources()
        self.write("usr/sbin/policy-rc.d", NOTHING_STARTS, 0o755)

    def _sources(self):
        """apt inside finds packages where apt of this machine does."""
        apt = self.at("etc/apt")
        files = ["/etc/apt/sources.list"] + glob.glob("/etc/apt/sources.list.d/*.list") + \
            glob.glob("/etc/apt/sources.list.d/*.sources")
        os.makedirs(apt + "/sources.list.d", exist_ok=True)
        self.write("etc/apt/sources.list", "")
        for name in filter(os.path.exists, files):
            shutil.copy(name, apt + name[len("/etc/apt"):])
        acquire = run(["apt-config", "dump", "Acquire"]).stdout.decode()
        self.write("etc/apt/apt.conf.d/90acquire", acquire)
        shutil.copy("/etc/resolv.conf", self.at("etc/resolv.conf"))

    def at(self, path):
        return os.path.join(self.path, path)

    def write(self, path, text, mode=0o644):
        with open(self.at(path), "w") as out:
            out.write(text)
        os.chmod(self.at(path), mode)

    def copy(self, source, target):
        if os.path.isdir(source):
            shutil.copytree(source, self.at(target), ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, self.at(target))

    def run(self, *command, log, network=False, timeout=1200):
        """To its end, which is that of all it started; the exit status."""
        argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        argv += [] if network else ["--net"]
        argv += ["sh", "-c", ENTER, self.path, "ours" if network else "its own",
                 "/usr/bin/env", "-i", "PATH=" + PATH, "HOME=/root", "LANG=C.UTF-8",
                 "DEBIAN_FRONTEND=noninteractive", *command]
        with open(log, "ab") as out:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                       start_new_session=True)
            try:
                return process.wait(timeout)
            except subprocess.TimeoutExpired as error:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise LabError("%s: no end after %d s; see %s" % (command, timeout, log)) from error

    def close(self):
        with open("/proc/self/mountinfo") as table:
            if any(line.split()[4].startswith(self.path + "/") for line in table):
                raise LabError("something is mounted below " + self.path)
        shutil.rmtree(self.path)
