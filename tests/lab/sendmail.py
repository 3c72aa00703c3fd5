"""The front-door MTA: Sendmail with a configuration, queue and ports of its own.

Its sendmail.cf is made, by m4, FROM contrib/sendmail, of which the paths and ports alone are
replaced: so the lab tests what administrators are given. Its packages conflict with Postfix, and
are unpacked only (packages.sh); /etc/mail is never read or written.
"""

import glob
import os
import re
import signal

from .process import LabError, Server, free_port, process_told, run, wait_for

# Instead of cf/ostype/debian.m4 and the like, which name places of an installed Sendmail.
MC = """\
divert(0)dnl
include(`{cf}/m4/cf.m4')dnl
OSTYPE(`linux')dnl
define(`confDOMAIN_NAME', `{hostname}')dnl
define(`QUEUE_DIR', `{queue}')dnl
define(`confPID_FILE', `{dir}/sendmail.pid')dnl
define(`STATUS_FILE', `')dnl
define(`HELP_FILE', `')dnl
define(`ALIAS_FILE', `')dnl
define(`confCW_FILE', `{dir}/local-host-names')dnl
define(`confCR_FILE', `-o {dir}/relay-domains')dnl
define(`confSERVICE_SWITCH_FILE', `{dir}/service.switch')dnl
define(`confHOSTS_FILE', `/etc/hosts')dnl
define(`confDONT_BLAME_SENDMAIL', `TrustStickyBit')dnl
define(`confDONT_PROBE_INTERFACES', `True')dnl
define(`confTO_IDENT', `0')dnl
define(`confQUEUE_LA', `1000')dnl
define(`confREFUSE_LA', `1000')dnl
define(`confDELAY_LA', `0')dnl
define(`confMAX_HOP', `25')dnl
define(`confLOG_LEVEL', `{log_level}')dnl
define(`confDOUBLE_BOUNCE_ADDRESS', `')dnl
define(`confMIN_QUEUE_AGE', `0')dnl
define(`confTEMP_FILE_MODE', `0640')dnl
define(`confQUEUE_FILE_MODE', `0640')dnl
define(`LOCAL_MAILER_PATH', `/bin/false')dnl
define(`LOCAL_SHELL_PATH', `/bin/false')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`accept_unqualified_senders')dnl
FEATURE(`mailertable', `hash -o {dir}/mailertable')dnl
{more}
DAEMON_OPTIONS(`Name=MTA, Family=inet, Addr=127.0.0.1, Port={port}{filters}')dnl
{listeners}MAILER(`local')dnl
MAILER(`smtp')dnl
{snippet}
MAILER_DEFINITIONS
# nothing of the lab leaves this machine
Mnowhere,	P=/bin/false, F=u, A=false $u
{mailers}
"""

# What FEATURE() a table of that name wants.
FEATURES = {
    "virtusertable": "FEATURE(`virtusertable', `hash -o {dir}/virtusertable')dnl\n",
    "access": "FEATURE(`access_db', `hash -T<TMPF> -o {dir}/access')dnl\n"
              "FEATURE(`blocklist_recipients')dnl\n",
}
MAILER = """\
M{mailer},	P=[IPC], F={flags}, S=EnvFromSMTP/HdrFromSMTP, R=EnvToSMTP, E=\\r\\n, L=0,
	T=DNS/RFC822/SMTP, A=TCP $h {port}
"""


class Sendmail(Server):
    """milter: a socket path below the queue's folder in the notation of Postfix' smtpd_milters, or
    "" for none. more: further lines of sendmail.mc, before the snippet, which is left out without
    with_restante."""

    product = "Sendmail"
    by_reentry = r"daemon=restante-reentry"  # a line of the log has it
    mailer_flags = "muXaz8"  # of the backends: LMTP
    stop_timeout = 30.0

    def __init__(self, lab, name="sendmail", milter="unix:restante/milter.sock", more="",
                 with_restante=True, hostname="front.lab"):
        self.name, self.with_restante, self.hostname = name, with_restante, hostname
        super().__init__(lab)
        self.prefix = os.environ.get("RESTANTE_SENDMAIL_PREFIX") or os.path.join(
            lab.build, "sendmail-private")
        self.port = free_port()
        self.release_port = free_port()
        self.reentry_port = free_port()
        self.milter, self.more = milter, more
        self.log_level = 9
        self.listeners = []  # further front doors: (port, filters)
        self.routes = {}  # domain -> LMTP port, besides the backends'
        self.tables = {}  # those of FEATURES: text
        self.domains = ["example.org", "example.net", "xn--bcher-kva.example"]
        self.conf = os.path.join(self.dir, "sendmail.cf")
        self.queue = self.dir  # of the milter's socket, as of Postfix
        self.spool = os.path.join(self.dir, "mqueue")
        self.binary = os.path.join(self.prefix, "usr/libexec/sendmail/sendmail")
        if not os.path.exists(self.binary):
            raise LabError("%s is not there: ./check or ./quickstart --mta sendmail fetches "
                           "it" % self.binary)
        os.makedirs(self.spool, exist_ok=True)
        os.chmod(self.spool, 0o750)
        os.makedirs(os.path.join(self.dir, "restante"), exist_ok=True)
        self.configure()

    # --- configuration ------------------------------------------------------------------------

    def _snippet(self):
        if not self.with_restante:
            return ""
        with open(os.path.join(self.lab.source, "contrib/sendmail/sendmail.mc")) as snippet:
            text = snippet.read()
        text = text.replace("10026", str(self.release_port)).replace(
            "10027", str(self.reentry_port))
        text = text.replace("/etc/mail/restante-domains", os.path.join(self.dir, "domains"))
        return text.replace("/run/restante/sendmail.sock", self._socket(
            self.milter or "unix:restante/milter.sock"))

    def _socket(self, notation):
        return os.path.join(self.dir, notation.partition(":")[2])

    def _write(self, name, text):
        with open(os.path.join(self.dir, name), "w") as out:
            out.write(text)

    def _routes(self):
        """[(domain, name of its mailer, LMTP port)]"""
        routes = {b.domain: b.lmtp_port for b in self.lab.backends.values()}
        routes.update(self.routes)
        return [(domain, "to-%d" % n, port)
                for n, (domain, port) in enumerate(sorted(routes.items()))]

    def _mc(self):
        listeners = "".join(
            "DAEMON_OPTIONS(`Name=%s, Family=inet, Addr=127.0.0.1, Port=%d, InputMailFilters=%s')"
            "dnl\n" % (name, port, filters) for name, port, filters in self.listeners)
        if any(filters == "null" for _, _, filters in self.listeners) or "null" in self.milter:
            listeners += "MAIL_FILTER(`null', `S=unix:%s, F=T, T=C:30s;S:60s;R:60s;E:5m')dnl\n" % (
                self._socket("unix:restante/null.sock"))
        return MC.format(
            cf=os.path.join(self.prefix, "usr/share/sendmail/cf"), dir=self.dir,
            queue=self.spool, log_level=self.log_level, port=self.port, listeners=listeners,
            hostname=self.hostname,
            filters="" if self.milter else ", InputMailFilters=" if self.with_restante else "", snippet=self._snippet(),
            more="".join(FEATURES[name].format(dir=self.dir) for name in sorted(self.tables)) +
            self.more.format(dir=self.dir),
            mailers="".join(MAILER.format(mailer=m, port=p, flags=self.mailer_flags) for _, m, p in self._routes()))

    def _make_map(self, name, text):
        run([os.path.join(self.prefix, "usr/libexec/sendmail/makemap"), "-C", "/dev/null", "hash",
             os.path.join(self.dir, name)], stdin=text.encode())

    def configure(self):
        """Writes sendmail.cf; call again, then restart, after a change."""
        self._write("local-host-names", "")
        self._write("relay-domains", "")
        self._write("service.switch", "hosts files\naliases files\n")
        self._write("domains", "".join(d + "\n" for d in self.domains))
        self._make_map("mailertable", "".join(
            "%s\t%s:[127.0.0.1]\n" % (domain, mailer) for domain, mailer, _ in self._routes()) +
            ".\tnowhere:nowhere\n")
        for name, text in self.tables.items():
            self._make_map(name, text)
        self._write("sendmail.mc", self._mc())
        made = run(["m4", "-I", os.path.join(self.prefix, "usr/share/sendmail/cf"),
                    os.path.join(self.dir, "sendmail.mc")])
        if made.stderr:
            raise LabError("m4: " + made.stderr.decode(errors="replace"))
        with open(self.conf, "wb") as out:
            out.write(made.stdout)

    def add_null_front(self):
        """One more front door, with the milter that does nothing; its port. Before the start."""
        return self._add_listener("null", "null")

    def add_bare_front(self):
        """One more front door, without a milter."""
        return self._add_listener("bare", "")

    def _add_listener(self, name, filters):
        port = free_port()
        self.listeners.append((name, port, filters))
        self.configure()
        return port

    # --- running ------------------------------------------------------------------------------

    def library(self):
        """Makes it believe that the machine is of the lab, too."""
        source = os.path.join(self.lab.source, "tests/lab/sendmail_machine.c")
        made = os.path.join(self.lab.build, "sendmail_machine.so")
        if not os.path.exists(made) or os.path.getmtime(made) < os.path.getmtime(source):
            fresh = "%s.%d" % (made, os.getpid())
            run(["cc", "-shared", "-fPIC", "-O2", "-o", fresh, source])
            os.rename(fresh, made)
        return made

    def environment(self):
        return dict(os.environ, LANG="C", LD_PRELOAD=self.library(),
                    RESTANTE_SYSLOG_FILE=self.log)

    def command(self):
        return [self.binary, "-C", self.conf, "-bD", "-q3s"]

    def ready(self):
        from .mail import Smtp
        try:
            Smtp(self.port, timeout=5).quit()
            return True
        except OSError:
            return False

    def _children(self):
        """A process for each connection and delivery, some in sessions of their own; all of them
        work in our queue's folder."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                cwd = os.readlink("/proc/%s/cwd" % pid)
            except OSError:
                continue
            if cwd == self.spool and not (self.process and int(pid) == self.process.pid):
                yield int(pid)

    def _signal_children(self, number):
        for pid in self._children():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def stop(self):
        """What the daemon has started does not hear of its end, which comes first: until then it
        starts more."""
        started = self.running()
        super().stop()
        if started:
            self._signal_children(signal.SIGTERM)
            wait_for(lambda: not list(self._children()), self.stop_timeout, "Sendmail's children")

    def kill(self):
        started = self.process is not None
        super().kill()
        if started:
            self._signal_children(signal.SIGKILL)

    # --- administration -----------------------------------------------------------------------

    def tool(self, *arguments, check=True, stdin=None):
        return run([self.binary, "-C", self.conf] + list(arguments), env=self.environment(),
                   check=check, stdin=stdin)

    def listing(self):
        """The queue files, in the form of `postqueue -j`: Sendmail has one reason per file."""
        found = []
        for path in sorted(glob.glob(os.path.join(self.spool, "[qh]f*"))):
            try:
                with open(path, errors="replace") as queued:
                    lines = queued.read().splitlines()
            except FileNotFoundError:
                continue
            if not lines:
                # not acknowledged yet, or never: whoever finds the file that it has just made locked
                # gives it up, and it stays for ten minutes
                continue
            reason = "".join(line[1:] for line in lines if line.startswith("M"))
            addresses = [line.partition(":")[2].strip("<>") for line in lines
                         if re.match(r"R[A-Z]*:", line)]
            found.append({"queue_id": os.path.basename(path)[2:],
                          "queue_name": "deferred" if reason else "active",
                          "recipients": [{"address": a, "delay_reason": reason}
                                         for a in addresses]})
        return found

    def evidence(self):
        """What a queue that does not get empty has, for whoever reads why: each of its files with
        its locks, the lines of the mail log with its id, and the processes that may be at it."""
        told = []
        for path in sorted(glob.glob(os.path.join(self.spool, "*"))):
            name = os.path.basename(path)
            try:
                status = os.stat(path)
                told.append("%s: %d bytes" % (name, status.st_size))
                with open("/proc/locks") as locks:
                    told += [line.rstrip() for line in locks if ":%d " % status.st_ino in line]
                if name[:2] in ("qf", "hf", "xf"):
                    with open(path, errors="replace") as queued:
                        told += ["  " + line for line in queued.read().splitlines()]
                if name[:2] in ("qf", "hf"):
                    told += self.log_lines(name[2:])
            except OSError as error:
                told.append(str(error))
        return told + [process_told(pid) for pid in [self.pid, *self._children()] if pid]

    def flush(self):
        self.tool("-q")

    def empty(self):
        """Asked twice, as of Postfix."""
        return not self.listing() and not self.listing()

    def delete(self, queue_id=None):
        """A message of its queue, or all of them."""
        for path in glob.glob(os.path.join(self.spool, "[qhdx]f" + (queue_id or "*"))):
            os.unlink(path)

    def queue_list_command(self):
        """For queue_list of restante.conf."""
        listing = "env LD_PRELOAD=%s %s -C %s -bp -v -OQueueSortOrder=filename" % (
            self.library(), self.binary, self.conf)
        return "%s && %s -qQ" % (listing, listing)

    def wait_logged(self, pattern, timeout=20):
        return wait_for(lambda: self.log_lines(pattern), timeout, "a line of the mail log: " + pattern)

    def log_lines(self, pattern):
        """Lines of the mail log that match, in order."""
        expression = re.compile(pattern)
        return [line for line in self.log_text().splitlines() if expression.search(line)]

    def released(self, log):
        """Message-IDs in the order in which the release listener has taken them."""
        return re.findall(r"msgid=(<\S+>), .*daemon=restante-release", log)
