"""One server of the lab: a foreground process that we start, watch and end by its own id."""

import ctypes
import os
import random
import signal
import socket
import subprocess
import time

# Held for as long as this process lives, so that labs started side by side never share a port.
_reserved = []


class LabError(Exception):
    """Something of the lab did not come up or did not do what it must; says what to look at."""


def free_port():
    """A loopback port below the ephemeral range that nobody listens on and no lab has reserved."""
    for _ in range(1000):
        port = random.randint(15000, 32000)
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            lock.bind("\0restante-lab-port-%d" % port)
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:
            lock.close()
            continue
        _reserved.append(lock)
        return port
    raise LabError("no free port between 15000 and 32000")


NEWUTS = 0x4000000


def name_of_our_own():
    """Names the machine localhost for this process and those to come. libldap asks for the machine's
    name before anything else, and a DNS that does not know it may take its time, each time. Where a
    container forbids it, that is what the lab takes longer."""
    if ctypes.CDLL(None).unshare(NEWUTS) == 0:
        socket.sethostname("localhost")


# What a time is multiplied by: others may keep the machine busy, and only a failure takes longer.
PATIENCE = 3


def wait_for(condition, timeout=20.0, what="a condition", interval=0.01):
    """Polls until condition() is true and returns its value; the interval grows to 0.2 s."""
    timeout *= PATIENCE
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise LabError("waited %.0f s in vain for %s" % (timeout, what))
        time.sleep(interval)
        interval = min(interval * 1.5, 0.2)


def answers(port, host="127.0.0.1"):
    """Whether somebody accepts connections there."""
    try:
        socket.create_connection((host, port), timeout=1).close()
        return True
    except OSError:
        return False


def is_alive(pid):
    """Whether it runs; one that has ended and was not waited for does not."""
    try:
        with open("/proc/%d/stat" % pid) as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def process_told(pid):
    """A line on what it does at the moment."""
    told = ["process %d" % pid]
    for what in ("cmdline", "wchan", "syscall"):
        try:
            with open("/proc/%d/%s" % (pid, what), errors="replace") as facts:
                told.append("%s: %s" % (what, facts.read().replace("\0", " ").strip()))
        except OSError as error:
            told.append("%s: %s" % (what, error.strerror))
    try:
        ends = os.listdir("/proc/%d/fd" % pid)
        told.append("open: " + " ".join(os.readlink("/proc/%d/fd/%s" % (pid, end)) for end in ends))
    except OSError as error:
        told.append(str(error))
    return ", ".join(told)


def run(argv, stdin=None, check=True, timeout=120, env=None):
    """Runs a command to its end; its output is bytes."""
    done = subprocess.run(argv, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=timeout, env=env, check=False)
    if check and done.returncode != 0:
        raise LabError("%s: exit %d: %s" % (" ".join(argv), done.returncode,
                                            (done.stderr or done.stdout).decode(errors="replace")))
    return done


class Server:
    """Subclasses say the command line, and when the server is ready."""

    name = "server"
    stop_signal = signal.SIGTERM
    stop_timeout = 20.0 * PATIENCE

    def __init__(self, lab):
        self.lab = lab
        self.dir = os.path.join(lab.dir, self.name)
        self.log = os.path.join(lab.dir, "log", self.name + ".log")
        self.process = None
        self.starts = 0

    def command(self):
        raise NotImplementedError

    def ready(self):
        raise NotImplementedError

    def environment(self):
        return dict(os.environ)

    @property
    def pid(self):
        return self.process.pid if self.process else None

    def running(self):
        return self.process is not None and self.process.poll() is None

    def start(self, wait=True):
        if self.running():
            raise LabError("%s runs already" % self.name)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=self.environment(),
                                            start_new_session=True, cwd=self.lab.dir)
        self.starts += 1
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout=20.0):
        def up():
            if not self.running():
                raise LabError("%s ended with %s at its start; see %s:\n%s" % (
                    self.name, self.process.returncode, self.log, self.log_tail()))
            return self.ready()
        wait_for(up, timeout, "%s to be ready (%s)" % (self.name, self.log))

    def ask_to_stop(self):
        """The signal alone; stop() waits. Several servers end at once that way."""
        if self.running():
            os.kill(self.process.pid, self.stop_signal)

    def stop(self):
        """Asks it to end, and waits; a server that does not is killed, and that is an error."""
        if not self.running():
            self.process = None
            return
        os.kill(self.process.pid, self.stop_signal)
        try:
            self.process.wait(self.stop_timeout)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise LabError("%s did not end within %.0f s of its signal; see %s" % (
                self.name, self.stop_timeout, self.log)) from error
        self.process = None

    def kill(self):
        """SIGKILL to the server and whatever it started: its session is our process group."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process = None

    def restart(self):
        self.stop()
        return self.start()

    def reload(self):
        os.kill(self.process.pid, signal.SIGHUP)

    def log_text(self):
        try:
            with open(self.log, "r", errors="replace") as log:
                return log.read()
        except FileNotFoundError:
            return ""

    def log_tail(self, lines=15):
        return "\n".join(self.log_text().splitlines()[-lines:])
