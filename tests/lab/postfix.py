"""The front-door MTA: Postfix with a configuration, queue and ports of its own.

Its main.cf and master.cf are made FROM contrib/postfix, whose ports alone are replaced: so the
lab tests what administrators are given. /etc/postfix is never read or written.
"""

import grp
import json
import os
import pwd
import re
import shutil

from .process import LabError, Server, free_port, run, wait_for

QUEUE_DIRS = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming",
              "private", "saved", "trace")

MAIN = """\
compatibility_level = 3.6
config_directory = {conf}
queue_directory = {queue}
data_directory = {data}
daemon_directory = {daemons}
command_directory = {commands}
shlib_directory = {shlib}
meta_directory = {conf}
mail_owner = {owner}
setgid_group = {group}
maillog_file = {log}
maillog_file_prefixes = {root}
{environment}
myhostname = {hostname}
mydomain = lab
myorigin = $myhostname
mydestination =
inet_interfaces = loopback-only
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
local_transport = error:no local mail here
biff = no
append_dot_mydomain = no
default_process_limit = 100
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
smtp_tls_security_level = none
smtpd_tls_security_level = none
smtputf8_enable = yes
queue_run_delay = 5s
minimal_backoff_time = 5s
maximal_backoff_time = 20s
message_size_limit = 104857600
# the backends, by LMTP; nothing of the lab leaves this machine
default_transport = error:this lab delivers to its own backends only
transport_maps = inline:{{ {transports} }}
"""

MASTER = """\
127.0.0.1:{port} inet n - y - - smtpd
  -o local_header_rewrite_clients=
  -o smtpd_peername_lookup=no
{listeners}pickup unix n - y 60 1 pickup
cleanup unix n - y - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - y - - trivial-rewrite
bounce unix - - y - 0 bounce
defer unix - - y - 0 bounce
trace unix - - y - 0 bounce
verify unix - - y - 1 verify
flush unix n - y 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - y - - smtp
relay unix - - y - - smtp
showq unix n - y - - showq
error unix - - y - - error
retry unix - - y - - error
discard unix - - y - - discard
lmtp unix - - y - - lmtp
anvil unix - - y - 1 anvil
scache unix - - y - 1 scache
tlsmgr unix - - y 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix(Server):
    """milter: a socket path below the queue directory in the notation of smtpd_milters, or ""
    for none. more: further lines of main.cf, after the snippet's."""

    product = "Postfix"
    by_reentry = r"restante-reentry/smtpd"  # a line of the log has it
    stop_timeout = 30.0

    def __init__(self, lab, name="postfix", milter="unix:restante/milter.sock", more="",
                 hostname="front.lab"):
        self.name, self.hostname = name, hostname
        super().__init__(lab)
        self.port = free_port()
        self.release_port = free_port()
        self.reentry_port = free_port()
        self.plain_ports = []  # further front doors: (port, "options")
        self.services = ""  # further services: lines of master.cf
        self.routes = {}  # domain -> LMTP port, besides the backends'
        self.milter = milter
        self.more = more
        self.conf = os.path.join(self.dir, "etc")
        self.queue = os.path.join(self.dir, "spool")
        self.prefix = lab.postfix_prefix
        self._accounts()
        self._make_directories()
        self.configure()

    def _accounts(self):
        """Postfix' own, or, where its package is not installed, others that nobody logs in to."""
        for owner, group in (("postfix", "postdrop"), ("news", "uucp")):
            try:
                self.owner = pwd.getpwnam(owner)
                self.group = grp.getgrnam(group)
                return
            except KeyError:
                continue
        raise LabError("neither postfix nor news is an account of this machine")

    def _make_directories(self):
        uid, gid = self.owner.pw_uid, self.owner.pw_gid
        for path in (self.conf, self.queue, os.path.join(self.queue, "pid")):
            os.makedirs(path, exist_ok=True)
        data = os.path.join(self.dir, "data")
        for path, mode, owner, group in (
                [(data, 0o700, uid, gid)] +
                [(os.path.join(self.queue, d), 0o700, uid, 0) for d in QUEUE_DIRS] +
                [(os.path.join(self.queue, "maildrop"), 0o1730, uid, self.group.gr_gid),
                 (os.path.join(self.queue, "public"), 0o2710, uid, self.group.gr_gid),
                 (os.path.join(self.queue, "restante"), 0o2750, 0, gid)]):
            os.makedirs(path, exist_ok=True)
            os.chown(path, owner, group)
            os.chmod(path, mode)
        # what a chrooted smtpd looks at
        etc = os.path.join(self.queue, "etc")
        os.makedirs(etc, exist_ok=True)
        for name in ("hosts", "services", "nsswitch.conf", "resolv.conf", "localtime"):
            if os.path.exists("/etc/" + name):
                shutil.copyfile("/etc/" + name, os.path.join(etc, name))

    def _path(self, path):
        return self.prefix + path

    def _snippet(self, name):
        with open(os.path.join(self.lab.source, "contrib/postfix", name)) as snippet:
            text = snippet.read()
        ports = {"10026": self.release_port, "10027": self.reentry_port}
        return re.sub(r"(?<=:)1002[67]\b", lambda port: str(ports[port[0]]), text)

    def configure(self):
        """Writes main.cf and master.cf; call again (then reload or restart) after a change."""
        routes = {b.domain: b.lmtp_port for b in self.lab.backends.values()}
        routes.update(self.routes)
        transports = " ".join("{ %s = lmtp:inet:127.0.0.1:%d }," % route
                              for route in sorted(routes.items()))
        libraries = self._path("/usr/lib/postfix")
        environment = ""
        if self.prefix:
            environment = ("import_environment = MAIL_CONFIG MAIL_LOGTAG TZ LANG=C "
                           "POSTLOG_SERVICE POSTLOG_HOSTNAME LD_LIBRARY_PATH=" + libraries)
        main = MAIN.format(
            hostname=self.hostname, conf=self.conf, queue=self.queue, data=os.path.join(self.dir, "data"),
            daemons=self._path("/usr/lib/postfix/sbin"), commands=self._path("/usr/sbin"),
            shlib=libraries, owner=self.owner.pw_name, group=self.group.gr_name, log=self.log,
            root=self.lab.dir, environment=environment,
            transports=transports or "{ none.lab = error:no backend }")
        snippet = self._snippet("main.cf")
        if self.milter != "unix:restante/milter.sock":
            snippet = snippet.replace("unix:restante/milter.sock", self.milter)
        with open(os.path.join(self.conf, "main.cf"), "w") as out:
            out.write(main + snippet + self.more)
        listeners = "".join(
            "127.0.0.1:%d inet n - y - - smtpd\n  -o local_header_rewrite_clients=\n"
            "  -o smtpd_peername_lookup=no\n%s" % (port, "".join(
                "  -o %s\n" % option for option in options)) for port, options in self.plain_ports)
        with open(os.path.join(self.conf, "master.cf"), "w") as out:
            out.write(MASTER.format(port=self.port, listeners=listeners) + self.services +
                      self._snippet("master.cf"))

    def add_front(self, *options):
        """One more front door with these -o options of smtpd; its port. Before the start."""
        port = free_port()
        self.plain_ports.append((port, options))
        self.configure()
        return port

    def add_null_front(self):
        """One more front door, with the milter that does nothing; its port. Before the start."""
        return self.add_front("smtpd_milters=unix:restante/null.sock")

    def environment(self):
        env = dict(os.environ, MAIL_CONFIG=self.conf, LANG="C")
        if self.prefix:
            env["LD_LIBRARY_PATH"] = self._path("/usr/lib/postfix")
        return env

    def command(self):
        return [self._path("/usr/lib/postfix/sbin/master"), "-d", "-c", self.conf]

    def ready(self):
        from .mail import Smtp
        try:
            Smtp(self.port, timeout=5).quit()
            return True
        except OSError:
            return False

    # --- administration -----------------------------------------------------------------------

    def tool(self, name, *arguments, check=True):
        return run([self._path("/usr/sbin/" + name), "-c", self.conf] + list(arguments),
                   env=self.environment(), check=check)

    def listing(self):
        """What `postqueue -j` shows: a list of objects."""
        return [json.loads(line) for line in self.tool("postqueue", "-j").stdout.splitlines()]

    def evidence(self):
        """What a queue that does not get empty has, for whoever reads why: the listing, and the
        lines of the mail log with each id."""
        told = []
        for queued in self.listing():
            told += [json.dumps(queued), *self.log_lines(r"\b%s\b" % queued["queue_id"])]
        return told

    def flush(self):
        self.tool("postqueue", "-f")

    def empty(self):
        """Asked twice: a file on its way from the incoming to the active queue is missed once."""
        return not self.listing() and not self.listing()

    def delete(self, queue_id=None):
        """A message of its queue, or all of them."""
        self.tool("postsuper", "-d", queue_id or "ALL")

    def queue_list_command(self):
        """For queue_list of restante.conf."""
        command = "%s -c %s -j" % (self._path("/usr/sbin/postqueue"), self.conf)
        if self.prefix:
            command = "env LD_LIBRARY_PATH=%s %s" % (self._path("/usr/lib/postfix"), command)
        return command

    def wait_logged(self, pattern, timeout=20):
        """Such a line may come after what it is about: delivery is logged once it is over."""
        return wait_for(lambda: self.log_lines(pattern), timeout, "a line of the mail log: " + pattern)

    def log_lines(self, pattern):
        """Lines of the mail log that match, in order."""
        expression = re.compile(pattern)
        return [line for line in self.log_text().splitlines() if expression.search(line)]

    def released(self, log):
        """Message-IDs in the order in which the listeners have taken them."""
        return re.findall(r"cleanup\[\d+\]: \w+: message-id=(<\S+>)", log)
