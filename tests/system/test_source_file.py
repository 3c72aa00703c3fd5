"""Drop folders and programs as sources of restante-dirsync: what real servers print, and what must
never be taken for complete. Whatever is wrong, the mailboxes in the directory stay as they are."""

import contextlib
import os
import pwd
import shutil
import subprocess
import time

import pytest

from lab.addressbook import OWN, AddressBook
from lab.dirsync import Dirsync
from lab.lab import SOURCE, Lab
from lab.process import PATIENCE, Server, wait_for
from lab.slapd import FEDERATION

NAMES = iter(range(1, 1000))
SETTINGS = {"id": "id", "addresses": "mail alias", "primary": "mail", "physical": "%{id}@s5.lab",
            "attributes": "cn=name sn=name", "every": "0s", "format": "csv", "source": "csv"}
HEADER = "id,mail,alias,name\n"


@pytest.fixture(scope="module")
def lab():
    with Lab(start=("slapd",)) as one:
        yield one


@contextlib.contextmanager
def running(server):
    server.start()
    try:
        yield server
    finally:
        server.stop()


class System:
    """A backend of this test's own, with a drop folder or a command."""

    def __init__(self, lab, **settings):
        self.lab, self.slapd = lab, lab.slapd
        self.name = "F%d" % next(NAMES)
        self.dn = "cn=%s,ou=systems,%s" % (self.name, FEDERATION)
        self.slapd.modify("dn: %s\nchangetype: add\nobjectClass: restanteBackend\ncn: %s\n" % (
            self.dn, self.name), "root")
        self.folder = os.path.join(lab.dir, "drop-" + self.name)
        for name in ("", "done", "failed"):
            os.makedirs(os.path.join(self.folder, name))
        self.dirsync = Dirsync(lab, {self.name: {"folder": self.folder, **SETTINGS, **settings}},
                               name="dirsync-" + self.name.lower())

    def row(self, number, **values):
        uid = "%s-%d" % (self.name.lower(), number)
        value = {"mail": uid + "@example.org", "alias": "", "name": "Person", **values}
        return "%s,%s\n" % (uid, ",".join(value[name] for name in HEADER.strip().split(",")[1:]))

    def csv(self, count=3, **values):
        return HEADER + "".join(self.row(number, **values) for number in range(count))

    def path(self, name):
        return os.path.join(self.folder, name)

    def drop(self, text, name="people.csv", aged=False):
        part = self.path(name) + ".part"
        with open(part, "wb") as out:
            out.write(text if isinstance(text, bytes) else text.encode())
        if aged:
            os.utime(part, (1e9, 1e9))
        os.rename(part, self.path(name))

    def sync(self):
        """(exit status, the word of the outcome, the reason)"""
        code, _ = self.dirsync.once("--up", self.name, check=False)
        outcome = self.slapd.read(self.dn)["restanteupsyncoutcome"][0]
        return code, outcome.split()[0], outcome.partition("; ")[2]

    def entries(self):
        """{source id: (entryCSN, addresses)}"""
        return {e["restantesourceid"][0]: (e["entrycsn"], sorted(e["maillocaladdress"]))
                for _, e in self.slapd.search("(restanteSystem=%s)" % self.name)}

    def filled(self, count=3):
        """With that many mailboxes; what the directory has of them."""
        self.drop(self.csv(count), name="first.csv")
        assert self.sync() == (0, "complete", "")
        before = self.entries()
        assert len(before) == count
        return before


@pytest.mark.parametrize("form", ["ldif", "csv"])
def test_what_a_down_sync_wrote_is_not_read(lab, form):
    """An export of everything has our contacts, too, whether or not this host has the section that
    made them."""
    system = System(lab, source=form)
    own = [("id", "%s-1" % system.name), ("mail", "%s-1@example.org" % system.name),
           ("alias", ""), ("name", "Own"), ("phone", "1")]
    ours = [(name, value.replace("-1", "-2")) for name, value in own]
    if form == "csv":
        text = "%s,EmployeeType\n%s,\n%s,Restante\n" % tuple(
            ",".join(one) for one in ([name for name, _ in own], [value for _, value in own],
                                      [value for _, value in ours]))
    else:
        text = "".join("dn: id=%s\n%s%s\n" % (
            values[0][1], "".join("%s: %s\n" % one for one in values if one[1]), more)
            for values, more in ((own, ""), (ours, "employeeType: Restante\n")))
    system.drop(text, name="people." + form)
    assert system.sync() == (0, "complete", "")
    assert set(system.entries()) == {"%s-1" % system.name}


def test_a_dry_run_moves_no_file(lab):
    system = System(lab)
    system.drop(system.csv(), name="first.csv", aged=True)
    assert system.sync() == (0, "complete", "")
    for name, text in (("second.csv", system.csv(4)), ("third.csv", system.csv()[:-1])):
        system.drop(text, name=name, aged=True)
        system.dirsync.once("--dry-run", "--up", system.name, check=False)
    assert sorted(os.listdir(system.folder)) == [
        "done", "failed", "first.csv", "second.csv", "third.csv"]
    assert system.sync()[1] == "incomplete"
    assert os.listdir(system.path("failed")) == ["third.csv"]


# --- what is wrong with a file --------------------------------------------------------------------

BAD = {
    "no end of the last line": (lambda s: s.csv()[:-1], ":4: the last line has no end: truncated"),
    "a row that is cut off": (lambda s: s.csv() + "f-x,a@b\n", ":5: this row has 2 fields"),
    "an open quote": (lambda s: s.csv() + '"x,y,z,\n', ":5: a quote is not closed: truncated"),
    "nothing": (lambda s: "", ":1: it is empty; the first line must name the columns"),
    "half of what its mark says": (lambda s: s.csv() + "# end 6\n",
                                   ':5: "# end 6" does not agree with the 3 rows before it'),
    "a column less": (lambda s: s.csv().replace("alias", "aliases", 1),
                      ':1: there is no column "alias"'),
    "Latin-1": (lambda s: s.csv(name="Müller").encode("latin-1"),
                ":2: column 4, name is not UTF-8"),
    "UTF-16": (lambda s: s.csv().encode("utf-16"), ":1: this is UTF-16; write it in UTF-8"),
    "an error page": (lambda s: "<html>\n<h1>500</h1>\n", ':1: there is no column "id"'),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_changes_nothing(lab, what):
    system = System(lab)
    before = system.filled()
    text, reason = BAD[what]
    system.drop(text(system), aged=True)
    code, word, said = system.sync()
    assert (code, word) == (1, "incomplete") and "people.csv" + reason in said
    assert system.entries() == before
    assert os.path.exists(system.path("failed/people.csv"))
    # and the next good one is taken
    system.drop(system.csv(4))
    assert system.sync() == (0, "complete", "")
    assert set(system.entries()) > set(before)
    assert os.path.exists(system.path("done/first.csv"))


def test_wherever_a_file_is_cut(lab):
    """With the mark, no beginning of a list is taken for the list."""
    system = System(lab, end_mark="true")
    text = system.csv(2) + "# end 2\n"
    system.drop(text, name="first.csv")
    assert system.sync()[1] == "complete"
    before = system.entries()
    for length in [*range(0, len(text), 11), len(text) - len("# end 2\n"), len(text) - 1]:
        system.drop(text[:length])
        assert system.sync()[1] == "incomplete", length
    assert system.entries() == before
    system.drop(text)
    assert system.sync()[1] == "complete"


def test_byte_order_mark_line_ends_and_quotes(lab):
    system = System(lab, separator=";")
    text = "\ufeff" + HEADER.replace(",", ";") + \
        'f-q;q@example.org;"q1@example.org|q2@example.org";"Muster; ""Q"""\n'
    system.drop(text.replace("\n", "\r\n"))
    assert system.sync() == (0, "complete", "")
    assert system.entries()["f-q"][1] == ["q1@example.org", "q2@example.org", "q@example.org"]


def test_who_may_put_a_file_there(lab):
    system = System(lab)
    before = system.filled()
    outside = os.path.join(lab.dir, "outside.csv")
    with open(outside, "w") as out:
        out.write(system.csv(1))
    os.symlink(outside, system.path("link.csv"))
    code, word, reason = system.sync()
    assert (code, word) == (1, "incomplete") and "symbolic links are not followed" in reason
    os.unlink(system.path("link.csv"))
    system.drop(system.csv(1))
    os.chown(system.path("people.csv"), pwd.getpwnam("nobody").pw_uid, -1)
    assert "it belongs neither to root, nor to us" in system.sync()[2]
    os.chmod(system.folder, 0o777)
    assert "everybody may write into this folder" in system.sync()[2]
    assert system.entries() == before


# --- when a file is read --------------------------------------------------------------------------

def test_a_file_is_read_when_it_comes(lab):
    """No schedule, no request: renaming is enough; a broken file neither stops nor repeats it."""
    system = System(lab)
    system.filled(3)
    with running(system.dirsync) as daemon:
        daemon.ask("run", systems=[system.name], direction="up", wait=True)
        for count in (4, 5):
            system.drop(system.csv(count))
            wait_for(lambda: len(system.entries()) == count, 20, "the new mailbox")
        system.drop(system.csv(7)[:-1])
        wait_for(lambda: "incomplete" in system.slapd.read(system.dn)["restanteupsyncoutcome"][0],
                 20, "the outcome")
        assert len(system.entries()) == 5
        system.drop(system.csv(7), name="later.csv")
        wait_for(lambda: len(system.entries()) == 7, 20, "the mailboxes of the file after it")


def test_a_request_is_answered_by_a_later_file(lab):
    system = System(lab)
    system.filled(3)

    def numbers():
        entry = system.slapd.read(system.dn)
        return [int(entry.get("restantesync" + name, ["0"])[0]) for name in ("asked", "finished")]

    with running(system.dirsync) as daemon:
        wait_for(lambda: daemon.ask("status").get("ok"), 20, "the daemon")
        system.slapd.modify("dn: %s\nchangetype: modify\nreplace: restanteSyncAsked\n"
                            "restanteSyncAsked: 7\n" % system.dn, "root")
        # seen, and not answered by what was there already
        wait_for(lambda: "no newer file" in daemon.log_tail(200), 20, "the run without a file")
        assert numbers()[0] == 7 and numbers()[1] < 7
        system.drop(system.csv(4))
        wait_for(lambda: numbers()[1] == 7, 20, "the answer")
        assert len(system.entries()) == 4


def test_a_file_dropped_before_the_request_was_seen_answers_it(lab):
    system = System(lab)
    system.filled(3)

    def ask(number):
        system.slapd.modify("dn: %s\nchangetype: modify\nreplace: restanteSyncAsked\n"
                            "restanteSyncAsked: %d\n" % (system.dn, number), "root")

    def finished():
        return int(system.slapd.read(system.dn).get("restantesyncfinished", ["0"])[0])
    system.drop(system.csv(4))
    time.sleep(0.02)  # the kernel's own granularity
    ask(7)
    system.sync()
    assert len(system.entries()) == 4 and finished() < 7, "a file older than the request"
    system.drop(system.csv(5))
    system.sync()
    assert len(system.entries()) == 5 and finished() == 7
    ask(8)
    time.sleep(0.5 * PATIENCE)  # longer than to write the lease and to read it back takes
    system.drop(system.csv(6))
    system.dirsync.once("--up", "--dry-run", system.name)  # sees the request after the file
    system.sync()
    assert len(system.entries()) == 6 and finished() == 8
    # read by a run that began before the request, so that nothing is new for the next
    system.slapd.replace(system.dn, restanteSyncFinished="7")
    system.sync()
    assert finished() == 8
    ask(9)
    system.sync()
    assert finished() == 8


# --- programs -------------------------------------------------------------------------------------

def program(system, text):
    path = os.path.join(system.folder, "program")
    with open(path, "w") as out:
        out.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)
    return path


BAD_PROGRAMS = {
    "half of it, then an error": ("cat {list} | head -3\necho lost the database >&2\nexit 1\n",
                                  "ended with status 1: lost the database"),
    "half of it, in the middle of a line": ("head -c 60 {list}\n",
                                            "the last line has no end: truncated"),
    "a hang": ("cat {list}\nsleep 1000\n", "took longer than its time limit"),
    "garbage": ("head -c 100000 /dev/urandom\n", "output:1: "),
    "a crash": ("cat {list}\nkill -SEGV $$\n", "ended by signal 11"),
    "nothing": ("exit 0\n", "output:1: it is empty"),
}


@pytest.mark.parametrize("what", BAD_PROGRAMS)
def test_a_bad_program_changes_nothing(lab, what):
    system = System(lab, source="command", command="/nowhere", time_limit="2s")
    good = os.path.join(system.folder, "good")
    with open(good, "w") as out:
        out.write(system.csv())
    system.dirsync.ups[system.name]["command"] = program(system, "cat %s\n" % good)
    system.dirsync.configure()
    assert system.sync() == (0, "complete", "")
    before = system.entries()
    text, reason = BAD_PROGRAMS[what]
    program(system, text.format(list=good))
    code, word, said = system.sync()
    assert (code, word) == (1, "incomplete") and reason in said
    assert system.entries() == before


# --- what real servers print ----------------------------------------------------------------------

def test_ldif_of_real_tools(lab):
    """ldapsearch and slapcat, a name outside of ASCII and a long value among them."""
    book = AddressBook(lab, name="book")
    with running(book):
        for uid, name in (("anna", "Anna Müller"), ("bert", "Bert " + "x" * 200)):
            book.add("cn=%s,%s" % (uid, OWN), objectClass="inetOrgPerson", cn=uid, sn=name,
                     mail="ldif-%s@example.org" % uid, uid=uid)
        found = subprocess.run(["ldapsearch", "-LLL", "-Q", "-Y", "EXTERNAL", "-H", book.ldapi,
                                "-b", OWN, "(mail=*)"], stdout=subprocess.PIPE, check=True).stdout
        full = subprocess.run(["ldapsearch", "-Q", "-Y", "EXTERNAL", "-H", book.ldapi, "-b", OWN],
                              stdout=subprocess.PIPE, check=True).stdout
    dumped = subprocess.run(["/usr/sbin/slapcat", "-f", book.conf, "-a", "(mail=*)"],
                            stdout=subprocess.PIPE, check=True).stdout
    system = System(lab, source="ldif", id="uid", addresses="mail",
                    attributes="cn=cn sn=sn", physical="%{uid}@s5.lab")
    system.drop(found, name="search.ldif")
    assert system.sync() == (0, "complete", "")
    before = system.entries()
    assert {uid: addresses for uid, (_, addresses) in before.items()} == {
        "anna": ["ldif-anna@example.org"], "bert": ["ldif-bert@example.org"]}
    system.drop(dumped, name="dump.ldif")
    assert system.sync() == (0, "complete", "")
    assert system.entries() == before
    # without -LLL it is no LDIF, and with its last lines gone not complete
    system.drop(full, name="plain.ldif")
    assert "give ldapsearch the option -LLL" in system.sync()[2]
    system.drop(dumped[:-2], name="cut.ldif")
    assert "truncated" in system.sync()[2]
    assert system.entries() == before


class UserList(Server):
    """Dovecot's auth service alone, with a passwd-file."""

    name = "userlist"

    def command(self):
        os.makedirs(self.dir, exist_ok=True)
        self.conf = os.path.join(self.dir, "dovecot.conf")
        with open(os.path.join(self.dir, "users"), "w") as out:
            out.write("wilma:{PLAIN}x:1:1::/tmp::\nemil@example.net:{PLAIN}x:1:1::/tmp::\n")
        with open(self.conf, "w") as out:
            out.write("base_dir = {0}/run\nstate_dir = {0}/state\nlog_path = {1}\nprotocols =\n"
                      "ssl = no\nuserdb {{\n  driver = passwd-file\n  args = {0}/users\n}}\n"
                      "passdb {{\n  driver = passwd-file\n  args = {0}/users\n}}\n"
                      "service anvil {{\n  chroot =\n}}\nservice stats {{\n  chroot =\n}}\n"
                      "first_valid_uid = 1\n".format(self.dir, self.log))
        return ["/usr/sbin/dovecot", "-F", "-c", self.conf]

    def ready(self):
        return os.path.exists(os.path.join(self.dir, "run", "auth-userdb"))


def test_the_users_of_dovecot(lab):
    """contrib/dirsync/dovecot-users, as a program and through contrib/dirsync/drop."""
    users = os.path.join(SOURCE, "contrib/dirsync/dovecot-users")
    system = System(lab, source="command", id="user", addresses="mail", end_mark="true",
                    attributes="cn=user sn=user", physical="%{mail:local}@s5.lab")
    doveadm = program(system, 'exec %s -c %s "$@"\n' % (
        shutil.which("doveadm"), os.path.join(lab.dir, "userlist", "dovecot.conf")))
    system.dirsync.ups[system.name]["command"] = "env DOVEADM=%s %s example.org" % (doveadm, users)
    system.dirsync.configure()
    with running(UserList(lab)):
        assert system.sync() == (0, "complete", "")
        before = system.entries()
        assert sorted(before) == ["emil@example.net", "wilma"]
        assert before["wilma"][1] == ["wilma@example.org"]
        drop = [os.path.join(SOURCE, "contrib/dirsync/drop"), system.folder, "users.csv", users]
        environment = {**os.environ, "DOVEADM": doveadm}
        subprocess.run(drop + ["example.org"], env=environment, check=True)
    with open(system.path("users.csv")) as listed:
        assert listed.read().endswith("\nemil@example.net,emil@example.net\n# end 2\n")
    # Dovecot is down: no list, nothing changes, nothing is left behind
    assert system.sync()[1] == "incomplete"
    assert system.entries() == before
    os.unlink(system.path("users.csv"))
    assert subprocess.run(drop + ["example.org"], env=environment, stderr=subprocess.DEVNULL,
                          check=False).returncode != 0
    assert sorted(os.listdir(system.folder)) == ["done", "failed", "program"]
