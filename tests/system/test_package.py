"""The Debian packages: built, looked at by lintian, installed on a clean system, configured from what
they ship, upgraded, removed, purged; held mail outlives all of it."""

import glob
import os
import re
import shutil
import subprocess
import tempfile

import pytest

from lab.chroot import Chroot
from lab.lab import SOURCE
from lab.process import LabError, run

BUILD = os.environ.get("RESTANTE_BUILD") or os.path.join(SOURCE, "build")
SERVERS = ("slapd", "ldap-utils", "python3", "systemd")  # the last for systemd-analyze
ANSWERS = """\
slapd slapd/no_configuration boolean true
postfix postfix/main_mailer_type select Local only
postfix postfix/mailname string front.lab
"""
NEWER = """\
restante ({version}) unstable; urgency=medium

  * A newer revision of the same program.

 -- Restante maintainers <maintainers@restante.invalid>  Mon, 23 Nov 2026 12:00:00 +0000

"""


def clean_environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}


def must(argv, cwd, log):
    with open(log, "ab") as out:
        done = subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                              env=clean_environment(), timeout=1800, check=False)
    assert done.returncode == 0, tail(log)


def tail(log, lines=40):
    with open(log, errors="replace") as text:
        return "".join(text.readlines()[-lines:])


def build_old(log):
    """`make deb`; the folder with what it made."""
    must(["make", "deb", "DEB_BUILD_OPTIONS=nocheck parallel=2"], BUILD, log)
    return os.path.join(BUILD, "deb")


def build_new(old, folder, log):
    """The next revision, from the tree that the first was built in."""
    tree = glob.glob(old + "/restante-*/")[0]
    changelog = os.path.join(tree, "debian/changelog")
    with open(changelog) as text:
        said = text.read()
    revision = re.match(r"restante \((.*-)(\d+)\)", said)
    with open(changelog, "w") as out:
        out.write(NEWER.format(version="%s%d" % (revision[1], int(revision[2]) + 1)) + said)
    before = set(glob.glob(old + "/*.deb"))
    must(["dpkg-buildpackage", "-b", "-nc", "-us", "-uc"], tree, log)
    os.makedirs(folder)
    for path in set(glob.glob(old + "/*.deb")) - before:
        shutil.move(path, folder)


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """(folder of one version, folder of the next one)"""
    path = tmp_path_factory.mktemp("packages")
    log = os.path.join(BUILD, "package.log")
    old, new = build_old(log), str(path / "new")
    build_new(old, new, log)
    yield old, new


def needed(folder):
    """Without the symbols for debuggers."""
    return [path for path in sorted(glob.glob(folder + "/*.deb")) if "-dbgsym_" not in path]


@pytest.mark.long
def test_lintian_has_no_complaint(packages):
    changes = glob.glob(packages[0] + "/*.changes")
    assert len(changes) >= 1
    done = run(["lintian", "--fail-on", "error,warning", "--display-info", "--no-tag-display-limit",
                "--allow-root", sorted(changes)[0]], check=False, timeout=600)
    said = done.stdout.decode()
    assert done.returncode == 0 and not re.search("(?m)^[EWI]:", said), said


@pytest.fixture
def clean():
    folder = tempfile.mkdtemp(prefix="restante-chroot-", dir=os.environ.get("RESTANTE_CHROOTS", "/tmp"))
    system = Chroot(os.path.join(folder, "root"))
    yield system
    system.close()
    os.rmdir(folder)


def apt(system, log, *arguments):
    status = system.run("apt-get", "-y", "-q", "-o", "Dpkg::Use-Pty=0", *arguments, log=log,
                        network=True)
    if status != 0:
        raise LabError("apt-get %s: %s" % (" ".join(arguments), tail(log)))


@pytest.mark.long
def test_a_clean_system(packages, clean):
    log = os.path.join(BUILD, "clean-system.log")
    if os.path.exists(log):
        os.unlink(log)
    for name, folder in zip(("old", "new"), packages):
        os.makedirs(clean.at("root/" + name))
        for path in needed(folder):
            clean.copy(path, "root/" + name)
    clean.write("root/answers", ANSWERS)
    assert clean.run("debconf-set-selections", "/root/answers", log=log) == 0
    apt(clean, log, "update")
    # Postfix comes after the package, which makes its folders then
    apt(clean, log, "install", "--no-install-recommends", *SERVERS,
        *["/root/old/" + os.path.basename(path) for path in needed(packages[0])])
    apt(clean, log, "install", "--no-install-recommends", "postfix")
    clean.copy(os.path.join(SOURCE, "tests/lab"), "root/lab")
    clean.copy(os.path.join(SOURCE, "tests/lab/clean_system.py"), "root/clean_system.py")
    status = clean.run("python3", "/root/clean_system.py", "/root/old", "/root/new", log=log,
                       timeout=600)
    assert status == 0, tail(log, 60)
    with open(log, errors="replace") as text:
        assert text.read().endswith("--- done\n")


# --- make deb without what it needs -----------------------------------------------------------


def make_deb(tmp_path, path):
    """contrib/make-deb where PATH has only that; (exit status, what it said)."""
    done = run(["/bin/sh", os.path.join(SOURCE, "contrib/make-deb"), "/nonexistent.tar.gz", "0",
                os.path.join(SOURCE, "contrib/debian"), str(tmp_path / "deb")],
               env={"PATH": str(path)}, check=False)
    return done.returncode, done.stderr.decode()


def fake(folder, name, script):
    path = folder / name
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)


def test_make_deb_says_which_packages_are_missing(tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    fake(tools, "sed", 'exec /bin/sed "$@"\n')
    assert make_deb(tmp_path, tools) == (
        1, "make deb: packages are missing: apt-get install dpkg-dev debhelper\n")
    fake(tools, "dpkg-buildpackage", "exit 0\n")
    fake(tools, "dpkg-checkbuilddeps", "echo 'dpkg-checkbuilddeps: error: Unmet build dependencies: "
         "debhelper-compat (= 13) libmilter-dev (>= 8) a | b' >&2; exit 1\n")
    assert make_deb(tmp_path, tools) == (
        1, "make deb: packages are missing: apt-get install debhelper libmilter-dev a\n")
    assert not (tmp_path / "deb").exists()
