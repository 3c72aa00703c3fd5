"""What an administrator starts restante-dirsync and restante-control with: the units, the timer, the sample
settings."""

import glob
import json
import os
import pwd
import re
import shutil
import sys

import pytest

from lab.lab import SOURCE, Lab
from lab.process import run
from lab.syncs import Syncs

BUILD = os.environ.get("RESTANTE_BUILD") or os.path.join(SOURCE, "build")
PROGRAM = os.path.join(BUILD, "restante-dirsync")
SYSTEMD = os.path.join(BUILD, "contrib/systemd")
UNITS = ["restante-dirsync.service", "restante-dirsync-once.service", "restante-control.service"]
SAMPLES = sorted(glob.glob(os.path.join(SOURCE, "contrib/dirsync/*.conf")))
LDAP = 'ldap { uri = "ldap://127.0.0.1:1" base = "dc=example,dc=org" }\n'

# --- the units ------------------------------------------------------------------------------------


@pytest.fixture
def units(tmp_path):
    """{name: path} as built, but for the program: that need not be installed."""
    made = {}
    for name in UNITS:
        with open(os.path.join(SYSTEMD, name)) as text:
            said = text.read()
        program = re.search(r"(?m)^ExecStart=(/\S+/(restante-\w+))( --once)?$", said)
        made[name] = tmp_path / name
        made[name].write_text(said.replace(program.group(1), os.path.join(BUILD, program.group(2))))
    timer = "restante-dirsync-once.timer"
    made[timer] = tmp_path / timer
    with open(os.path.join(SOURCE, "contrib/systemd", timer)) as text:
        made[timer].write_text(text.read())
    return made


def test_systemd_has_no_complaint(units):
    done = run(["systemd-analyze", "verify", "--man=no", *map(str, units.values())], check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("name", UNITS)
def test_the_exposure_is_at_most_two(units, name):
    done = run(["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager",
                str(units[name])])
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout.decode())
    assert float(exposure.group(1)) <= 2.0


def test_the_daemon_and_the_single_pass(units):
    daemon, once = (units[name].read_text() for name in (
        "restante-dirsync.service", "restante-dirsync-once.service"))
    for text in (daemon, once):
        assert not re.search(r"(?m)^#(daemon|once)|@", re.sub("(?m)^SystemCallFilter=.*", "", text))
    assert "Type=notify" in daemon and "WantedBy=" in daemon and "--once" not in daemon
    assert "Type=oneshot" in once and "Restart=" not in once and "[Install]" not in once
    # what they may do is the same
    limits = [set(re.findall(r"(?m)^(?:Protect|Private|Restrict|System|Capab|NoNew)\S+", text))
              for text in (daemon, once)]
    assert limits[0] == limits[1] and len(limits[0]) > 20


def test_services_share_their_folder():
    """systemd removes a RuntimeDirectory with the first service that stops."""
    for name in ("restante-milter.service", *UNITS):
        with open(os.path.join(SYSTEMD, name)) as text:
            said = text.read()
        assert "\nRuntimeDirectory=restante\n" in said
        assert "\nRuntimeDirectoryPreserve=yes\n" in said


def test_make_installs_them(tmp_path):
    run(["make", "-s", "-C", BUILD, "install-systemdsystemunitDATA", "install-dist_dirsyncexampleDATA",
         "DESTDIR=%s" % tmp_path])
    installed = {name for _, _, names in os.walk(tmp_path) for name in names}
    assert {*UNITS, "restante-dirsync-once.timer"} <= installed
    assert {os.path.basename(path) for path in SAMPLES} <= installed


# --- what the unit forbids ------------------------------------------------------------------------

USER = pwd.getpwnam("news")


class Confined(Syncs):
    """Its restante-dirsync runs as the unit would run it."""

    unit = None

    def command(self):
        dirsync = self.dirsync
        return [sys.executable, os.path.join(SOURCE, "tests/lab/sandbox.py"), self.unit, USER.pw_name,
                "", "/etc/postfix", ",".join((self.dir, dirsync.dir)), dirsync.binary, "-c",
                dirsync.conf, "--once"]


@pytest.fixture
def confined(units):
    with Lab(start=()) as lab:
        lab.make(("slapd",))
        syncs = Confined(lab)
        syncs.unit = str(units["restante-dirsync-once.service"])
        # the build may be in a folder that only root may pass
        syncs.dirsync.binary = shutil.copy(syncs.dirsync.binary, lab.dir)
        syncs.dirsync.ups["S3"] = {
            "source": "command", "command": "/bin/cat %s/list" % syncs.dir, "format": "csv",
            "id": "id", "physical": "%{mail:local}@s3.lab", "attributes": "cn=cn sn=cn"}
        syncs.dirsync.downs["S3"] = {"target": "command", "format": "csv",
                                     "command": "/usr/bin/tee %s/changes" % syncs.dir}
        syncs.dirsync.configure()
        for path in (syncs.dir, syncs.drop, syncs.drop + "/people.csv", syncs.dirsync.dir,
                     syncs.dirsync.conf, lab.slapd.password_file("dirsync")):
            os.chown(path, USER.pw_uid, USER.pw_gid)
        for server in lab.servers:
            server.start()
        syncs.empty_directory()
        yield syncs


def test_all_works_with_what_the_unit_allows(confined):
    """Reads a server, a file and a program; writes the directory, a server, a file and to a program."""
    with open(confined.dir + "/list", "w") as out:
        out.write("id,mail,cn\ns3-zoe,zoe@example.org,Zoe\n")
    done = run(confined.command() + ["--up"], check=False)
    assert (done.returncode, done.stdout.count(b"complete")) == (0, 3), (done.stdout, done.stderr)
    done = run(confined.command() + ["--down"], check=False)
    assert (done.returncode, done.stdout.count(b"complete")) == (0, 3), (done.stdout, done.stderr)
    assert "zoe@example.org" in confined.book("S1") and "anna@example.org" in confined.book("S2")
    with open(confined.dir + "/changes") as changes:
        assert "anna@example.org" in changes.read()
    assert os.stat(confined.cards).st_uid == USER.pw_uid


# --- the samples ----------------------------------------------------------------------------------


@pytest.fixture
def sample(tmp_path):
    """A sample as a restante.conf, its passwords and certificates below tmp_path."""
    def make(path, change=lambda text: text):
        with open(path) as text:
            said = change(text.read().replace("/etc/restante/", "%s/" % tmp_path))
        for name in re.findall(r'"(%s/[^"]+)"' % tmp_path, said):
            with open(os.open(name, os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
                out.write("secret\n")
        conf = tmp_path / os.path.basename(path)
        conf.write_text(LDAP + 'dirsync { user = "" group = "" }\n' + said)
        return str(conf)
    return make


def check(conf):
    return run([PROGRAM, "--check", "-c", conf], check=False)


@pytest.mark.parametrize("path", SAMPLES, ids=os.path.basename)
def test_a_sample_is_right(sample, path):
    assert len(SAMPLES) >= 4
    done = check(sample(path))
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("path", SAMPLES, ids=os.path.basename)
def test_a_sample_without_its_physical_address_is_not(sample, path):
    done = check(sample(path, lambda text: re.sub(r"(?m)^  physical = .*", "", text)))
    assert done.returncode == 78 and b"S1.physical" in done.stderr


@pytest.mark.parametrize("path", SAMPLES, ids=os.path.basename)
def test_a_sample_with_a_broken_template_is_not(sample, path):
    done = check(sample(path, lambda text: text.replace('physical = "%{', 'physical = "%{{')))
    assert done.returncode == 78 and b"S1.physical" in done.stderr


def test_settings_are_judged_without_a_server(sample):
    done = check(sample(SAMPLES[0], lambda text: text.replace("ldaps://dc1.ad", "ldaps://gone.ad")))
    assert done.returncode == 0


# --- the list of Cyrus ----------------------------------------------------------------------------

CYRUS = os.path.join(SOURCE, "contrib/dirsync/cyrus-mailboxes")
JSON = {"user.anna": {"mbtype": "e", "uniqueid": "u1"},
        "user.anna.Sent": {"mbtype": "e", "uniqueid": "u2"},
        "user.b^muster": {"mbtype": "e", "uniqueid": "u3"},
        "other.test!user.carla": {"mbtype": "e", "uniqueid": "u4"},
        "user.dora": {"mbtype": "ed", "uniqueid": "u5"},
        "DELETED.user.emil.5F": {"mbtype": "e", "uniqueid": "u6"}}
LINES = "".join("%s\t%d default anna\tlrswipkxtecdan\t>%s 1700000000 1700000000 1 1 \n" % line
                for line in (("user.anna", 0, "u1"), ("user.anna.Sent", 0, "u2"),
                             ("user.b^muster", 0, "u3"), ("other.test!user.carla", 0, "u4"),
                             ("user.dora", 8, "u5"), ("DELETED.user.emil.5F", 0, "u6")))
LIST = ("id,account,mail\nu1,anna,anna@example.org\nu3,b.muster,b.muster@example.org\n"
        "u4,carla,carla@other.test\n# end 3\n")


def cyrus(tmp_path, dump, status=0):
    """(exit status, what it said, the list); dump: what ctl_mboxlist prints."""
    (tmp_path / "dump").write_text(dump)
    target = tmp_path / "people.csv"
    done = run(["sh", os.path.join(SOURCE, "contrib/dirsync/drop"), str(tmp_path), target.name,
                sys.executable, CYRUS, "example.org", "sh", "-c",
                "cat %s; exit %d" % (tmp_path / "dump", status)], check=False)
    assert sorted(os.listdir(tmp_path)) in (["dump"], ["dump", "people.csv"])
    return done.returncode, done.stderr, target.read_text() if target.exists() else None


@pytest.mark.parametrize("dump", [json.dumps(JSON, indent=1), LINES], ids=["json", "lines"])
def test_accounts_of_cyrus(tmp_path, dump):
    assert cyrus(tmp_path, dump) == (0, b"", LIST)


def test_accounts_of_cyrus_with_a_table(tmp_path):
    """Whose addresses stand there; anna has two, carla none, emil is no account any more."""
    (tmp_path / "dump").write_text(LINES)
    table = tmp_path / "table"
    table.write_text("# people\nanna@example.org Anna@s1.lab\nann@example.org anna@s1.lab\n"
                     "b@example.org b.muster@s1.lab\nemil@example.org emil@s1.lab\n")

    def listed(*arguments):
        return run([sys.executable, CYRUS, *arguments, "s1.lab", "cat", str(tmp_path / "dump")],
                   check=False)
    assert listed("--table", str(table)).stdout.decode() == (
        "id,account,mail\nu1,anna,anna@example.org|ann@example.org\nu3,b.muster,b@example.org\n# end 2\n")
    assert listed("--table", str(tmp_path / "none")).returncode == 1
    assert run([sys.executable, CYRUS, "--table", str(table)], check=False).returncode == 1


@pytest.mark.parametrize("dump, status", [(LINES, 1), (json.dumps(JSON)[:-1], 0), ("", 0),
                                          ("garbage\n", 0), ("{}", 0)])
def test_a_list_of_cyrus_that_failed_leaves_the_last_one(tmp_path, dump, status):
    cyrus(tmp_path, LINES)
    done = cyrus(tmp_path, dump, status)
    assert done[0] == 1 and done[1].count(b"\n") == 1 and done[2] == LIST
