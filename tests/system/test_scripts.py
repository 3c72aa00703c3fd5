"""./quickstart and ./check before they start anything: options, root, and packages, with a machine
that is made up: no package is installed or removed by these tests."""

import os
import pwd
import shutil
import subprocess
import tempfile

import pytest

from lab.lab import SOURCE


def script(name, *arguments, user=None, directory=SOURCE):
    return subprocess.run([os.path.join(directory, name)] + list(arguments), user=user,
                          extra_groups=[] if user else None, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=60, text=True,
                          check=False)


@pytest.mark.parametrize("name,arguments", [
    ("quickstart", ["--nonsense"]), ("quickstart", ["word"]), ("quickstart", ["--corpus"]),
    ("check", ["--nonsense"]), ("quickstart", ["--corpus", "/nonexistent"])])
def test_usage_errors_are_2(name, arguments):
    done = script(name, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(name + ": ")


@pytest.mark.parametrize("name", ["quickstart", "check"])
def test_help_is_no_error(name):
    done = script(name, "--help")
    assert done.returncode == 0 and done.stdout.startswith("usage: ./" + name)


@pytest.mark.parametrize("name", ["quickstart", "check"])
def test_without_root_one_line_says_why(name):
    place = tempfile.mkdtemp(dir="/tmp")
    try:
        os.chmod(place, 0o755)
        shutil.copy(os.path.join(SOURCE, name), place)
        done = script(name, user=pwd.getpwnam("nobody").pw_uid, directory=place)
    finally:
        shutil.rmtree(place)
    assert done.returncode == 2
    assert done.stdout == "" and len(done.stderr.splitlines()) == 1
    assert "root" in done.stderr


# --- packages --------------------------------------------------------------------------------

FAKES = {
    # "installed" has a line for each package that is there
    "dpkg-query": 'for last; do :; done\ngrep -qx "$last" "$FAKE/installed" && printf installed\n',
    "apt-get": 'echo "apt-get $*" >>"$FAKE/calls"\n'
               'ls "$RESTANTE_POLICY_RC" >>"$FAKE/policy" 2>/dev/null\n'
               'case "$*" in\n'
               '-s*) for one; do\n'
               '  [ ! -e "$FAKE/removes-$one" ] || echo "Remv $(cat "$FAKE/removes-$one") [1]"\n'
               'done ;;\n'
               '*download*) for last; do :; done; : >"${last}_1_all.deb" ;;\n'
               '*) [ ! -e "$FAKE/install-fails" ] ;;\n'
               'esac\n',
    "dpkg": 'echo "dpkg $*" >>"$FAKE/calls"\nmkdir -p usr/sbin\n: >usr/sbin/postconf\n'
            'chmod 755 usr/sbin/postconf\n',
    "debconf-set-selections": "cat >/dev/null\n",
}


class Machine:
    def __init__(self, path):
        self.path = path
        self.policy = path / "policy-rc.d"
        (path / "bin").mkdir()
        for name, text in FAKES.items():
            fake = path / "bin" / name
            fake.write_text("#!/bin/sh\n" + text)
            fake.chmod(0o755)
        self.set("installed", "")

    def set(self, name, text):
        (self.path / name).write_text(text)

    def need(self, *packages):
        return self.run("packages_need %s/build %s || exit 1\n"
                        "echo \"prefix=$RESTANTE_POSTFIX_PREFIX\"\n" % (self.path,
                                                                       " ".join(packages)))

    def run(self, text):
        text = ". %s/tests/lab/packages.sh\n" % SOURCE + text
        env = dict(os.environ, PATH="%s/bin:%s" % (self.path, os.environ["PATH"]),
                   FAKE=str(self.path), RESTANTE_POLICY_RC=str(self.policy),
                   RESTANTE_POSTFIX_PREFIX="", RESTANTE_ARCHIVES=str(self.path / "archives"))
        return subprocess.run(["sh", "-c", text], env=env, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=30, check=False,
                              cwd=self.path)

    def calls(self):
        path = self.path / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def installs(self):
        return [c for c in self.calls() if " install " in c and " -s " not in c]


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_nothing_missing_nothing_asked(machine):
    machine.set("installed", "slapd\npostfix\n")
    assert machine.need("slapd", "postfix").returncode == 0
    assert machine.calls() == []


def test_only_what_is_missing_is_installed_and_no_service_starts(machine):
    machine.set("installed", "slapd\n")
    done = machine.need("slapd", "postfix")
    assert done.returncode == 0, done.stderr
    assert len(machine.installs()) == 1 and machine.installs()[0].endswith(" postfix")
    assert str(machine.policy) in (machine.path / "policy").read_text()
    assert not machine.policy.exists()


def test_a_policy_of_the_machine_stays(machine):
    machine.policy.write_text("#!/bin/sh\nexit 101\n")
    assert machine.need("slapd").returncode == 0
    assert machine.policy.exists()


def test_another_mta_is_never_removed(machine):
    machine.set("removes-postfix", "exim4-daemon-light")
    done = machine.need("slapd", "postfix", "postfix-ldap")
    assert done.returncode == 0, done.stderr
    assert all("postfix" not in call for call in machine.installs())
    assert any(call.startswith("dpkg -x postfix_") for call in machine.calls())
    assert "prefix=%s/build/postfix-private\n" % machine.path in done.stdout
    # the second time it is there
    machine.set("calls", "")
    machine.set("installed", "slapd\n")
    done = machine.need("slapd", "postfix")
    assert "prefix=%s/build/postfix-private\n" % machine.path in done.stdout
    assert not any("download" in call for call in machine.calls())


def test_nothing_else_is_removed_either(machine):
    machine.set("removes-dovecot-imapd", "cyrus-imapd")
    done = machine.need("slapd", "dovecot-imapd")
    assert done.returncode == 1
    assert "cyrus-imapd" in done.stderr
    assert machine.installs() == []


def test_a_failed_installation_is_said(machine):
    machine.set("install-fails", "")
    assert machine.need("slapd").returncode == 1
    assert not machine.policy.exists()


def test_sendmail_is_unpacked_and_fetched_once(machine):
    """Its packages stay in the archive of apt: a fresh build directory asks no server."""
    (machine.path / "archives").mkdir()
    machine.set("installed", "m4\nlibdb5.3\nlibldap-2.5-0\nlibnsl2\nlibsasl2-2\nlibssl3\nlibwrap0\n")
    want = "mkdir -p %s/%s\npackages_private_sendmail %s/%s && echo \"prefix=$RESTANTE_SENDMAIL_PREFIX\"\n"
    for build, downloads, unpacked in (("b1", 2, 2), ("b1", 0, 0), ("b2", 0, 2)):
        machine.set("calls", "")
        done = machine.run(want % (machine.path, build, machine.path, build))
        assert done.returncode == 0, done.stderr
        assert done.stdout == "prefix=%s/%s/sendmail-private\n" % (machine.path, build)
        assert sum(" download " in call for call in machine.calls()) == downloads
        assert sum(call.startswith("dpkg -x ") for call in machine.calls()) == unpacked
    assert machine.installs() == []
