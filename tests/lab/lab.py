"""The lab: a directory for everything, the servers asked for, and an end that leaves nothing."""

import atexit
import os
import shutil
import signal
import tempfile

from .dovecot import Dovecot
from .frontdoor import MTAS, FrontDoor, chosen_mta
from .mail import Imap
from .milter import Milter, NullMilter
from .postfix import Postfix
from .process import LabError
from .provider import Provider
from .slapd import Slapd

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PARTS = ("slapd", "s1", "s2", "milter", "mta")


class Lab:
    """
    with Lab(start=("slapd", "s1", "s2", "mta", "milter")) as lab:
        lab.slapd, lab.backends["S1"], lab.mta, lab.milter

    Only what `start` names is made and started, in the order slapd, backends, milter, MTA. "mta" is
    Postfix or Sendmail, as chosen_mta() says; "postfix" and "sendmail" insist on one, and
    lab.postfix is for what only Postfix can do. Without "milter" the MTA runs with no milter at
    all; "null" is the milter that does nothing. postfix_more, sendmail_more: further lines of
    main.cf and of sendmail.mc.

    front_doors: so many, or their MTAs: ("postfix", "sendmail"). lab.doors has them; lab.mta and
    lab.milter are those of the first. providers: so many directory servers; lab.slapd is the first
    and takes the writes, lab.providers has all. wired: each front door reaches them by wires of its
    own, that can be cut (door.wires). milter_options, ldap_options: keys of milter {} and of ldap {}.
    """

    def __init__(self, start=PARTS, directory=None, build=None, keep=False, milter_options=None,
                 postfix_more="", postfix_prefix=None, wait_milter=True, sendmail_more="",
                 front_doors=1, providers=1, wired=False, slapd_debug=None, ldap_options=None):
        self.source = SOURCE
        self.build = build or os.environ.get("RESTANTE_BUILD") or os.path.join(SOURCE, "build")
        self.keep = keep
        self.postfix_prefix = postfix_prefix or os.environ.get("RESTANTE_POSTFIX_PREFIX", "")
        self.slapd_debug = slapd_debug or os.environ.get("RESTANTE_SLAPD_DEBUG", "0")
        # a short path: names of unix sockets end at 107 bytes
        self.dir = directory or tempfile.mkdtemp(prefix="restante-lab-", dir="/tmp")
        # servers run under accounts of their own and must be able to pass
        os.makedirs(os.path.join(self.dir, "log"), exist_ok=True)
        os.chmod(self.dir, 0o755)
        self.servers = []
        self.slapd = self.mta = self.milter = self.null_milter = None
        self.backends, self.doors, self.providers = {}, [], []
        self.wired = wired
        self._front_doors, self._provider_count = front_doors, providers
        self._closed = False
        atexit.register(self.close)
        self._milter_options, self.ldap_options = milter_options or {}, ldap_options or {}
        self._mta_more = {"postfix": postfix_more, "sendmail": sendmail_more}
        try:
            self.make(start)
            for server in self.servers:
                if isinstance(server, Milter) and not wait_milter:
                    server.start(wait=False)
                else:
                    server.start()
        except BaseException:
            self.abandon()
            raise

    def make(self, start):
        """Prepares these servers, without starting them."""
        unknown = set(start) - {"slapd", "s1", "s2", "s3", "milter", "null", "mta", *MTAS}
        if unknown:
            raise LabError("the lab has no " + ", ".join(sorted(unknown)))
        if "slapd" in start:
            self._make_directory()
        for system in ("S1", "S2", "S3"):
            if system.lower() in start:
                self.backends[system] = self._add(Dovecot(self, system))
        self._make_doors(start)
        if "null" in start:
            self.null_milter = self._add(NullMilter(self))
        for door in self.doors:
            if door.mta:
                self._add(door.mta)

    def _kinds(self, start=()):
        """Which MTA each front door has."""
        if not isinstance(self._front_doors, int):
            return tuple(self._front_doors)
        named = next((name for name in MTAS if name in start), None)
        return (named or chosen_mta(),) * self._front_doors

    def _make_directory(self):
        nodes = ["front%d" % (number + 1) for number in range(1, len(self._kinds()))]
        self.slapd = self._add(Slapd(self, nodes))
        self.providers = [self.slapd]
        for number in range(2, self._provider_count + 1):
            self.providers.append(self._add(Provider(self, number)))

    def _make_doors(self, start):
        socket = ""
        if "milter" in start:
            socket = "unix:restante/milter.sock"
        elif "null" in start:
            socket = "unix:restante/null.sock"
        self.doors = []
        for number, kind in enumerate(self._kinds(start), 1):
            door = FrontDoor(self, number, kind)
            self.doors.append(door)
            if {"mta", *MTAS} & set(start):
                door.make_mta(milter=socket, more=self._mta_more[kind])
            if number == 1:
                self.mta = door.mta
            if "milter" in start:
                self._add(door.make_milter(self._milter_options if number == 1 else
                                           dict(self._milter_options)))
            if number == 1:
                self.milter = door.milter

    def _add(self, server):
        self.servers.append(server)
        return server

    def abandon(self):
        """After a failure: its logs go where RESTANTE_LAB_LOGS says, and everything is killed."""
        self.keep_logs(os.path.basename(self.dir))
        for server in reversed(self.servers):
            server.kill()
        self.servers = []
        self.close()

    def _close_wires(self):
        for end in self.doors + self.providers[1:]:
            end.close()

    def keep_logs(self, name):
        """Copies the logs so far to a directory of this name below RESTANTE_LAB_LOGS, if set."""
        target = os.environ.get("RESTANTE_LAB_LOGS")
        if target and os.path.isdir(os.path.join(self.dir, "log")):
            shutil.copytree(os.path.join(self.dir, "log"), os.path.join(target, name),
                            dirs_exist_ok=True)

    @property
    def postfix(self):
        """The front door where it is Postfix, None where there is none."""
        if self.mta is not None and not isinstance(self.mta, Postfix):
            raise LabError("the front door of this lab is " + self.mta.product)
        return self.mta

    @postfix.setter
    def postfix(self, mta):
        self.mta = mta

    # --- shortcuts -----------------------------------------------------------------------------

    def imap(self, system, user):
        return Imap(self.backends[system], user)

    def message_ids(self, system, user):
        """Message-IDs in a mailbox of a backend, in the order of delivery."""
        imap = self.imap(system, user)
        try:
            return [msgid for _, msgid in imap.message_ids()]
        finally:
            imap.close()

    def log(self, name):
        path = os.path.join(self.dir, "log", name + ".log")
        return path

    # --- the end -------------------------------------------------------------------------------

    def close(self):
        """Ends what runs, the last started first, and removes the directory unless `keep`."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        trouble = [] if self.keep else stop_all(self.servers)
        self._close_wires()
        if not self.keep:
            shutil.rmtree(self.dir, ignore_errors=True)
        if trouble:
            raise LabError("; ".join(trouble))

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        if kind is not None:
            self.abandon()
        self.close()
        return False


def stop_all(servers):
    """The MTA first, so that nothing new comes in, then the milter, then all others at once; what
    went wrong, as a list."""
    trouble = []

    def stop(server):
        try:
            server.stop()
        except LabError as error:
            trouble.append(str(error))

    first = [s for s in servers if isinstance(s, tuple(MTAS.values()))]
    first += [s for s in servers if isinstance(s, Milter)]
    for server in first:
        stop(server)
    rest = [s for s in servers if s not in first]
    for server in rest:
        server.ask_to_stop()
    for server in rest:
        stop(server)
    return trouble


def end_on_signals():
    """SIGTERM and SIGHUP end the program the way SIGINT does, so that labs are closed."""
    def stop(number, frame):
        raise KeyboardInterrupt
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
