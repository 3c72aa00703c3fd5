"""The replica after something ended: itself, slapd, the connection, the directory's good sense."""

import os
import socket
import subprocess
import time

import pytest

from lab.lab import Lab
from lab.process import run, wait_for
from lab.slapd import BASE, PEOPLE
from replica import Replica, count, delete, with_many


@pytest.fixture(name="lab")
def _lab():
    with Lab(start=("slapd",)) as lab:
        yield lab


# --- coming back ----------------------------------------------------------------------------


def test_resume_after_our_restart(lab, replica):
    replica.stop()
    lab.slapd.replace(lab.slapd.mailbox_dn("anna"), mailRoutingAddress="anna@s2.lab")
    delete(lab, "bert")
    replica.start().wait_loaded()
    assert replica.physical("anna@example.org") == "anna@s2.lab"
    assert replica.lookup("bert@example.org")["vanished"]
    assert replica.status()["entries"] <= 2


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_resume_after_slapd_restart(lab, replica, how):
    """The session log is lost: a present phase, and what is absent is gone."""
    replica.stop()
    delete(lab, "bert")
    lab.slapd.replace(lab.slapd.mailbox_dn("anna"), mailRoutingAddress="anna@s2.lab")
    getattr(lab.slapd, how)()
    lab.slapd.start()
    replica.start().wait_loaded()
    assert replica.physical("anna@example.org") == "anna@s2.lab"
    assert replica.lookup("bert@example.org")["vanished"]
    replica.wait_view(mailboxes=count(lab))


def test_slapd_restart_under_us(lab, replica):
    lab.slapd.restart()
    lab.slapd.replace(lab.slapd.mailbox_dn("anna"), mailRoutingAddress="anna@s2.lab")
    replica.wait_physical("anna@example.org", "anna@s2.lab")
    assert replica.verdict("bert@example.org") == "rewrite"


@pytest.mark.parametrize("hint", ["TRUE", "FALSE"])
def test_refresh_required(lab, replica, hint):
    """A server that does not know our cookie any more, and says e-syncRefreshRequired or shows
    everything at once: all is read again, and nothing is lost meanwhile."""
    replica.stop()
    delete(lab, "bert")
    lab.slapd.stop()
    with open(lab.slapd.conf) as conf:
        text = conf.read()
    with open(lab.slapd.conf, "w") as conf:
        conf.write(text.replace("syncprov-sessionlog\t100000",
                                "syncprov-sessionlog 2\nsyncprov-reloadhint " + hint))
    # no entry there is as old as our cookie: all of the content was put in anew; slapd's index of
    # entryCSN knows whole seconds
    now = int(time.time())
    wait_for(lambda: int(time.time()) > now, 5, "the next second")
    dump = run(["/usr/sbin/slapcat", "-f", lab.slapd.conf]).stdout.decode()
    run(["find", os.path.join(lab.slapd.dir, "db"), "-type", "f", "-delete"])
    newer = [line for line in dump.splitlines() if not line.startswith(("contextCSN:", "entryCSN:"))]
    lab.slapd.load("\n".join(newer) + "\n")
    lab.slapd.start()
    lab.slapd.replace(lab.slapd.mailbox_dn("anna"), mailRoutingAddress="anna@s2.lab")
    replica.start()
    replica.wait_physical("anna@example.org", "anna@s2.lab")
    replica.wait("bert to vanish", lambda: replica.lookup("bert@example.org")["vanished"])
    replica.wait_view(mailboxes=count(lab))
    assert ("asks for a complete refresh" in replica.log_text()) == (hint == "TRUE")


def test_a_directory_restored_from_a_backup(lab, replica):
    """What was deleted since the backup is there again, with versions older than the cookie: it is
    only named, never shown, until all is read again."""
    backup = run(["/usr/sbin/slapcat", "-f", lab.slapd.conf]).stdout.decode()
    delete(lab, "bert")
    replica.wait("bert to vanish", lambda: replica.lookup("bert@example.org")["vanished"])
    lab.slapd.stop()
    run(["find", os.path.join(lab.slapd.dir, "db"), "-type", "f", "-delete"])
    lab.slapd.load(backup)
    lab.slapd.start()
    lab.slapd.replace(lab.slapd.mailbox_dn("anna"), description="newer than our cookie")
    replica.wait_verdict("bert@example.org", "rewrite")
    replica.wait_log("all is read again")
    replica.wait_view(mailboxes=count(lab))
    assert "asks for a complete refresh" not in replica.log_text()


def test_directory_down_at_start(lab, replica):
    replica.stop()
    lab.slapd.stop()
    replica.start()
    assert replica.physical("anna@example.org") == "anna@s1.lab"
    replica.wait_log("Can't contact LDAP server")
    assert replica.verdict("nobody@example.org") == "tryagain"
    lab.slapd.start()
    replica.wait_loaded()


# --- crashes --------------------------------------------------------------------------------


def test_kill_during_the_first_load(lab):
    with_many(lab)
    replica = Replica(lab, cache=1 << 20)
    for round_ in range(8):
        replica.start()
        deadline = time.monotonic() + 0.01 + 0.015 * round_
        while time.monotonic() < deadline and not replica.view()["loaded"]:
            pass
        replica.kill()
    replica.start().wait_loaded()
    replica.wait_view(mailboxes=count(lab))
    assert replica.physical("m000007.alias@example.org") == "m000007@s1.lab"
    assert not [name for name in os.listdir(replica.dir) if name.startswith("load.")]
    replica.stop()


def test_kill_during_changes(lab):
    with_many(lab)
    replica = Replica(lab).start()
    replica.wait_loaded()
    for round_ in range(6):
        changes = "\n".join(
            "dn: uid=m%06d,%s\nchangetype: modify\nreplace: mailRoutingAddress\n"
            "mailRoutingAddress: r%d.%d@s2.lab\n" % (n, PEOPLE, round_, n)
            for n in range(200))
        replica.kill() if round_ % 2 else None
        writer = subprocess.Popen(
            ["ldapmodify", "-Q", "-Y", "EXTERNAL", "-H", lab.slapd.ldapi],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        if replica.process is None:
            replica.start()
        writer.stdin.write(changes.encode())
        writer.stdin.close()
        wait_for(lambda n=round_: replica.physical("m000050@example.org") == "r%d.50@s2.lab" % n, 15,
                 "half of the changes")
        replica.kill()
        assert writer.wait(30) == 0
        replica.start()
    replica.wait_loaded()
    for n in range(200):
        replica.wait_physical("m%06d@example.org" % n, "r5.%d@s2.lab" % n)
    replica.wait_view(mailboxes=count(lab))
    replica.stop()


# --- trouble with the directory -------------------------------------------------------------


def with_password(lab, folder, password, mode):
    path = folder / "password"
    path.write_text(password + "\n")
    path.chmod(mode)
    return Replica(lab, password_file=path).start()


def test_bind_refused(lab, tmp_path):
    replica = with_password(lab, tmp_path, "wrong", 0o600)
    replica.wait_log("Invalid credentials (49); check bind_dn and password_file")
    assert not replica.view()["loaded"]
    assert replica.verdict("anna@example.org") == "tryagain"
    assert "wrong" not in replica.log_text()
    replica.stop()


def test_password_file_that_others_can_read(lab, tmp_path):
    replica = with_password(lab, tmp_path, "secret", 0o644)
    replica.wait_log("can be read by others")
    replica.stop()


def test_schema_missing(lab, tmp_path):
    conf = tmp_path / "slapd.conf"
    port = lab.slapd.port
    lab.slapd.stop()
    os.makedirs(tmp_path / "db")
    conf.write_text("include /etc/ldap/schema/core.schema\nmodulepath /usr/lib/ldap\n"
                    "moduleload back_mdb\nmoduleload syncprov\ndatabase mdb\nsuffix %s\n"
                    "directory %s/db\naccess to * by * read\noverlay syncprov\n" % (BASE, tmp_path))
    run(["/usr/sbin/slapadd", "-f", str(conf)], stdin=(
        "dn: %s\nobjectClass: organization\nobjectClass: dcObject\ndc: example\no: x\n" % BASE).encode())
    slapd = subprocess.Popen(["/usr/sbin/slapd", "-f", str(conf), "-h",
                              "ldap://127.0.0.1:%d" % port, "-d", "0"])
    try:
        replica = Replica(lab, bind="anonymous").start()
        replica.wait_log("schema missing in the directory")
        assert not replica.view()["loaded"]
        replica.stop()
    finally:
        slapd.terminate()
        slapd.wait()


def test_base_or_rights_missing(lab):
    """Nothing to be seen is not an empty federation."""
    replica = Replica(lab, bind="anonymous").start()
    replica.wait_log("check base and access rules")
    assert not replica.view()["loaded"]
    replica.stop()


def test_a_replica_of_another_base_is_refused(lab, replica):
    replica.stop()
    done = subprocess.run(
        [os.path.join(lab.build, "tests/system/replica_driver"), replica.dir, lab.slapd.uri,
         "dc=other", "front1"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        stderr=subprocess.DEVNULL, check=False)
    assert done.returncode == 1 and "another base" in done.stdout


def test_silent_provider_is_given_up(lab):
    """One that accepts the connection and says nothing, then the next."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(5)
        uri = "ldap://127.0.0.1:%d" % silent.getsockname()[1]
        replica = Replica(lab, uris=uri + " " + lab.slapd.uri).start()
        replica.wait_log("Timed out")
        replica.wait_loaded()
        replica.stop()
