"""An up sync of many mailboxes from an LDAP backend: beside ldapsearch, which only dumps the same source,
and beside a client that does nothing but write."""

import os
import re
import subprocess
import threading
import time

import figures
from lab.daemon import conf_section
from lab.lab import Lab
from lab.process import Server, answers, free_port, run
from lab.slapd import BASE, IDENTITIES, PEOPLE
from rounds import alternate, column, progress, ratios
from testbed import BenchSlapd

SYSTEM = "S9"
SOURCE_BASE = "dc=source"
SOURCE_ROOT = "cn=admin," + SOURCE_BASE
SOURCE_CONF = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {dir}/slapd.pid
database mdb
suffix "{base}"
rootdn "{root}"
rootpw bench
directory {dir}/db
maxsize 17179869184
index objectClass,entryUUID,uid eq
index modifyTimestamp eq
sizelimit unlimited
"""
FRAME = """\
dn: {base}
objectClass: domain
dc: source

"""
PERSON = """\
dn: uid=u{n:07},{base}
objectClass: inetOrgPerson
uid: u{n:07}
cn: First Last{n}
sn: Last{n}
givenName: First
mail: u{n:07}@example.org
mail: first.last{n:07}@example.org
mail: {n:07}.alias@example.org
employeeNumber: id-{n:07}

"""
BARE = "ou=bare," + BASE  # people of another system, for the bare writes
CHANGES = 100  # of the delta


class Source(Server):
    """The backend's own directory."""

    name = "source"

    def __init__(self, lab, mailboxes):
        super().__init__(lab)
        self.port = free_port()
        self.uri = f"ldap://127.0.0.1:{self.port}"
        self.conf = os.path.join(self.dir, "slapd.conf")
        self.password_file = os.path.join(self.dir, "root.password")
        os.makedirs(os.path.join(self.dir, "db"), exist_ok=True)
        with open(os.open(self.password_file, os.O_WRONLY | os.O_CREAT, 0o600), "w",
                  encoding="ascii") as out:
            out.write("bench\n")
        with open(self.conf, "w", encoding="utf-8") as out:
            out.write(SOURCE_CONF.format(dir=self.dir, base=SOURCE_BASE, root=SOURCE_ROOT))
        with subprocess.Popen(["/usr/sbin/slapadd", "-q", "-f", self.conf],
                              stdin=subprocess.PIPE, text=True) as loader:
            loader.stdin.write(FRAME.format(base=SOURCE_BASE))
            for number in range(mailboxes):
                loader.stdin.write(PERSON.format(n=number, base=SOURCE_BASE))
        if loader.returncode != 0:
            raise RuntimeError("slapadd failed")

    def command(self):
        return ["/usr/sbin/slapd", "-f", self.conf, "-h", self.uri, "-d", "0"]

    def ready(self):
        return answers(self.port)

    def dump_seconds(self):
        """What it takes to read all of it, page by page."""
        began = time.monotonic()
        subprocess.run(
            ["ldapsearch", "-LLL", "-x", "-H", self.uri, "-D", SOURCE_ROOT, "-w", "bench", "-b",
             SOURCE_BASE, "-E", "pr=500/noprompt", "(mail=*)", "mail", "cn", "sn", "givenName",
             "uid", "employeeNumber"], stdout=subprocess.DEVNULL, check=True)
        return time.monotonic() - began

    def touch(self, build, first, count, value):
        loader(build, "touch", self.uri, SOURCE_ROOT, self.password_file, SOURCE_BASE, first, count,
               value)


def loader(build, verb, uri, dn, password, base, first, count, *value):
    """Seconds that the bare client takes."""
    began = time.monotonic()
    run([os.path.join(build, "tests/bench/peer_loader"), verb, uri, dn, password, base, str(first),
         str(count), "64", *value], timeout=7200)
    return time.monotonic() - began


def bare_people(count):
    """Whom the bare client writes to: not mailboxes."""
    yield f"\ndn: {BARE}\nobjectClass: organizationalUnit\nou: bare\n"
    for number in range(count):
        yield (f"\ndn: uid=u{number:07},{BARE}\nobjectClass: inetOrgPerson\nuid: u{number:07}\n"
               f"cn: u{number}\nsn: u{number}\n")


class Directory(BenchSlapd):
    """It does not sync each write: what is compared are its clients, and a disk that syncs some
    hundred times a second would hide them."""

    def _configuration(self):
        return re.sub(r"(?m)^maxsize\s.*$", r"\g<0>\ndbnosync", super()._configuration())


def state_dir(lab):
    return os.path.join(lab.dir, "sync")


def dirsync_sections(lab, slapd):
    """What all runs of restante-dirsync need."""
    return conf_section("ldap", {
        "uri": slapd.uri, "base": BASE, "bind": "simple", "bind_dn": IDENTITIES["dirsync"],
        "password_file": slapd.password_file("dirsync"), "timeout": "60s"}) + conf_section(
            "dirsync", {"state_dir": state_dir(lab), "user": "", "group": "",
                        "control_socket": os.path.join(lab.dir, "s.sock")}) + conf_section(
            "log", {"target": "stderr"})  # no syslog here, which would be looked for line by line


def up_section(source):
    return conf_section("up " + SYSTEM, {
        "source": "ldap", "uri": source.uri, "bind": "simple", "bind_dn": SOURCE_ROOT,
        "password_file": source.password_file, "base": SOURCE_BASE, "timeout": "60s",
        "id": "employeeNumber", "addresses": "mail", "primary": "mail",
        "physical": "%{uid}@s9.lab", "delta": "modifyTimestamp", "delta_margin": "1s",
        "every": "0s", "attributes": "cn=cn sn=sn givenName=givenName displayName=displayName"})


class Peak:
    """The most memory that a process has had, in MB: wait4() would count what this program had when
    it made the process."""

    def __init__(self, pid):
        self.megabytes = 0
        self._status = f"/proc/{pid}/status"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self):
        while True:
            with open(self._status, encoding="ascii") as text:
                found = re.search(r"VmHWM:\s+(\d+)", text.read())
            if found is not None:  # else it has ended
                self.megabytes = max(self.megabytes, int(found[1]) / 1024)
            if self._over.wait(0.02):
                return

    def end(self):
        self._over.set()
        self._thread.join()
        return self.megabytes


def run_once(build, conf, lab, *options):
    """Seconds, CPU seconds and the most memory in MB of one run."""
    began = time.monotonic()
    log = os.path.join(lab.dir, "dirsync.log")
    with open(log, "ab") as err:
        process = subprocess.Popen([os.path.join(build, "restante-dirsync"), "-c", conf, "--once",
                                    *options], stdout=err, stderr=err)
        peak = Peak(process.pid)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        took = time.monotonic() - began
        memory = peak.end()
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        with open(log, encoding="utf-8") as text:
            raise RuntimeError(f"restante-dirsync: {process.returncode}\n{text.read()[-2000:]}")
    return {"seconds": took, "cpu": usage.ru_utime + usage.ru_stime,
            "memory": memory}


class SyncBed:
    """A source of that many mailboxes, and a directory that has none of them."""

    def __init__(self, build, mailboxes):
        self.build, self.mailboxes = build, mailboxes
        self.lab = Lab(start=(), build=build)
        try:
            self.source = Source(self.lab, mailboxes)
            self.directory = self.lab.slapd = Directory(
                self.lab, [f"dn: cn={SYSTEM},ou=systems,cn=restante,{BASE}\n"
                           f"objectClass: restanteBackend\ncn: {SYSTEM}\n",
                           *bare_people(mailboxes // 100)])
            self.empty = self.directory.dump()
            self.conf = os.path.join(self.lab.dir, "dirsync.conf")
            self.state = state_dir(self.lab)
            self._configure()
            self.lab.servers += [self.source, self.directory]
            for server in self.lab.servers:
                server.start()
        except BaseException:
            self.close()
            raise

    def _configure(self):
        with open(self.conf, "w", encoding="utf-8") as out:
            out.write(dirsync_sections(self.lab, self.directory))
            out.write(up_section(self.source))

    def sync(self, *options):
        return run_once(self.build, self.conf, self.lab, *options, SYSTEM)

    def written_since(self, csn):
        """The DNs of entries with a newer change than that, the system's own record aside."""
        found = self.directory.search(f"(&(entryCSN>={csn})(!(entryCSN={csn})))", ["1.1"],
                                      who="root")
        return [dn for dn, _ in found if not dn.lower().startswith(f"cn={SYSTEM},ou=systems,".lower())]

    def newest(self):
        """The newest change of all."""
        return max(self.directory.context())

    def wipe(self):
        """The directory as it was, and no snapshot."""
        self.directory.stop()
        self.directory.restore(self.empty)
        self.directory.start()
        run(["rm", "-rf", self.state])

    def close(self):
        self.lab.close()


def _fill(bed, rounds):
    """The first run, beside the bare client on the same directory."""
    def ours():
        bed.wipe()
        return bed.sync()["seconds"]

    def bare():
        bed.wipe()
        return loader(bed.build, "add", bed.directory.uri, IDENTITIES["dirsync"],
                      bed.directory.password_file("dirsync"), PEOPLE, 0, bed.mailboxes)

    samples = alternate({"bare": bare, "restante": ours}, rounds, warm=0, label="fill")
    rate = [bed.mailboxes / took for took in samples["restante"]]
    peer = [bed.mailboxes / took for took in samples["bare"]]
    return figures.Row(
        f"sync-fill-{bed.mailboxes}", f"mailboxes per second of a first fill, {bed.mailboxes:,}: "
        "Restante / a pipelined client", ratios(rate, peer), goal=">= 0.8",
        ours=figures.spread(rate, "/s"), peer=figures.spread(peer, "/s"))


def _same(bed, rounds):
    def run():
        before = bed.newest()
        sample = bed.sync("--full")
        return {**sample, "writes": len(bed.written_since(before))}

    samples = alternate({"dump": bed.source.dump_seconds, "restante": run}, rounds,
                        label="no change")
    ours = samples["restante"]
    seconds = column(ours, "seconds")
    memory = column(ours, "memory")
    return [
        figures.Row(f"sync-same-{bed.mailboxes}", f"full up sync without a change, {bed.mailboxes:,}"
                    " mailboxes with 3 addresses: Restante / ldapsearch of the source",
                    ratios(seconds, samples["dump"]), goal="<= 1.3",
                    ours=figures.spread(seconds, "s"), peer=figures.spread(samples["dump"], "s")),
        figures.Row(f"sync-cpu-{bed.mailboxes}", "its own CPU time per mailbox",
                    [1e6 * cpu / bed.mailboxes for cpu in column(ours, "cpu")], unit="us"),
        figures.Row(f"sync-writes-{bed.mailboxes}", "entries of the directory that it wrote to, "
                    "the system's own record aside", column(ours, "writes"), unit="entries",
                    goal="<= 0", digits=0),
        figures.Row(f"sync-memory-{bed.mailboxes}", "its most resident memory", memory, unit="MB",
                    goal="<= 200"),
    ]


def _percent(bed, rounds):
    """One in a hundred has changed; beside what reading the source and as many bare writes take."""
    some = bed.mailboxes // 100
    number = iter(range(1, 1000))

    def ours():
        bed.source.touch(bed.build, 0, some, f"name {next(number)}")
        return bed.sync("--full")["seconds"]

    def bare():
        return bed.source.dump_seconds() + loader(
            bed.build, "touch", bed.directory.uri, IDENTITIES["dirsync"],
            bed.directory.password_file("dirsync"), BARE, 0, some, f"bare {next(number)}")

    samples = alternate({"restante": ours, "bare": bare}, rounds, label="1%")
    return figures.Row(
        f"sync-percent-{bed.mailboxes}", f"full up sync with 1% changed of {bed.mailboxes:,}: "
        "Restante / ldapsearch of the source and as many bare writes",
        ratios(samples["restante"], samples["bare"]), goal="<= 1.3",
        ours=figures.spread(samples["restante"], "s"), peer=figures.spread(samples["bare"], "s"))


def _delta(bed, rounds):
    seconds = []
    for number in range(-1, rounds):  # the first does not count
        bed.source.touch(bed.build, 0, CHANGES, f"delta {number}")
        took = bed.sync()["seconds"]
        progress(f"delta {number + 1} of {rounds} ({took:.1f} s)")
        if number >= 0:
            seconds.append(took)
    return figures.Row(
        f"sync-delta-{bed.mailboxes}", f"incremental up sync of {CHANGES} changes in "
        f"{bed.mailboxes:,}, modifyTimestamp", seconds, unit="s", goal="<= 2")


def sync(options):
    """Fill, no change, 1%, delta at options.mailboxes."""
    bed = SyncBed(options.build, options.mailboxes)
    rounds = options.rounds if options.mailboxes <= 100000 else min(options.rounds, 6)
    try:
        rows = [_fill(bed, min(rounds, 5 if options.mailboxes <= 100000 else 1))]
        rows += _same(bed, rounds)
        rows.append(_delta(bed, rounds))
        rows.append(_percent(bed, rounds))
    finally:
        bed.close()
    return rows
