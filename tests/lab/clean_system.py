"""What an administrator does with the Debian package on a clean system, and what must be true after
each step; run inside by tests/system/test_package.py, as root, without systemd and without a network:

    python3 clean_system.py OLD NEW

OLD and NEW are folders with the packages of two versions; OLD is installed. Ends with the first
thing that is not as it must be."""

import glob
import grp
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys

from lab.mail import Smtp, compose
from lab.process import run, wait_for
from lab.sink import Sink

CONF, STATE = "/etc/restante/restante.conf", "/var/lib/restante"
QUEUE, SOCKET = STATE + "/queue", "/var/spool/postfix/restante/milter.sock"
EXAMPLES = "/usr/share/doc/restante/examples"
DIRECTORY_EXAMPLES = "/usr/share/doc/restante-directory/examples"
PASSWORDS = {"operator": "operator-password", "front1": "front-password"}
SETTINGS = {
    "uri": "ldap://127.0.0.1", "write_uri": "ldap://127.0.0.1", "base": "dc=example,dc=org",
    "bind": "simple", "bind_dn": "cn=front1,ou=nodes,cn=restante,dc=example,dc=org",
    "password_file": "/etc/restante/front1.password", "node": "front1",
    "postmaster": "info@s1.lab"}
ANNA = "anna@example.org"


def step(text):
    print("--- " + text, flush=True)


def tool(*argv, status=0, stdin=None):
    """What it printed; its exit status must be that one."""
    done = run(list(argv), stdin=stdin, check=False, timeout=300)
    said = (done.stdout + done.stderr).decode(errors="replace")
    print("$ %s\n%s" % (" ".join(argv), said), end="", flush=True)
    assert done.returncode == status, "exit %d, not %d" % (done.returncode, status)
    return said


def apt(*arguments):
    return tool("apt-get", "-y", "-q", "-o", "Dpkg::Use-Pty=0", "-o",
                "Dpkg::Options::=--force-confold", *arguments)


def packages(folder):
    return sorted(glob.glob(folder + "/*.deb"))


def write(path, text, owner="root", mode=0o600):
    with open(path, "w") as out:
        out.write(text)
    shutil.chown(path, owner, owner)
    os.chmod(path, mode)


def belongs(path, owner, group, mode):
    found = os.stat(path)
    assert (pwd.getpwuid(found.st_uid).pw_name, grp.getgrgid(found.st_gid).gr_name,
            oct(stat.S_IMODE(found.st_mode))) == (owner, group, oct(mode)), path


class Daemons:
    """Started directly, in the foreground: nobody else does it here."""

    def __init__(self):
        self.running = {}

    def start(self, name, *argv):
        log = open("/var/log/%s.log" % name, "ab")
        self.running[name] = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                              start_new_session=True)

    def stop(self, name):
        process = self.running.pop(name)
        process.terminate()
        assert process.wait(60) == 0, "%s ended with %s" % (name, process.returncode)

    def restante(self):
        self.start("restante", "restante-milter")
        wait_for(lambda: run(["restante", "-q", "status"], check=False).returncode == 0, 20,
                 "restante-milter to be ready")


daemons = Daemons()


def held():
    text = run(["restante", "queue", "stats", "--json"]).stdout.decode()
    return int(re.search(r'"messages": ?(\d+)', text)[1])


# --- installed --------------------------------------------------------------------------------


def installed():
    step("installed, and nothing started")
    belongs(STATE, "restante", "restante", 0o700)
    belongs("/etc/restante", "root", "restante", 0o750)
    belongs(CONF, "root", "restante", 0o640)
    belongs(os.path.dirname(SOCKET), "restante", "postfix", 0o2750)
    assert "restante" in grp.getgrnam("postdrop").gr_mem
    assert pwd.getpwnam("restante").pw_shell.endswith("nologin")
    assert not os.path.exists(QUEUE)
    for page in ("restante.1", "restante.conf.5", "restante.7", "restante-milter.8",
                 "restante-dirsync.8", "restante-control.8", "restante-actions.5"):
        assert glob.glob("/usr/share/man/man*/%s.gz" % page), page
    assert os.path.exists("/usr/share/bash-completion/completions/restante")
    assert tool("systemd-analyze", "verify", "--man=no",
                *["/lib/systemd/system/" + unit for unit in (
                    "restante-milter.service", "restante-dirsync.service",
                    "restante-dirsync-once.service", "restante-dirsync-once.timer",
                    "restante-control.service")]) == ""
    assert os.access(EXAMPLES + "/dirsync/cyrus-mailboxes", os.X_OK)


def not_configured():
    step("it does not start before it is configured, and says why")
    assert CONF in tool("restante-dirsync", status=78)
    said = tool("restante-milter", status=78)
    assert CONF in said and "ldap.uri is not set" in said, said
    assert not os.path.exists(SOCKET) and not os.path.exists(QUEUE)


# --- configured -------------------------------------------------------------------------------


def directory():
    step("the directory, as the example says")
    for path in ("/etc/ldap/slapd.d", "/var/lib/ldap/restante", "/run/slapd"):
        tool("install", "-d", "-m", "700", "-o", "openldap", "-g", "openldap", path)
    tool("slapadd", "-n", "0", "-F", "/etc/ldap/slapd.d", "-l",
         DIRECTORY_EXAMPLES + "/slapd-config.ldif.example")
    with open(DIRECTORY_EXAMPLES + "/sample.ldif") as sample:
        tree = sample.read()
    for name, password in PASSWORDS.items():
        tree = tree.replace("change-me-" + name, password)
    tool("slapadd", "-n", "1", "-F", "/etc/ldap/slapd.d", stdin=tree.encode())
    tool("chown", "-R", "openldap:openldap", "/etc/ldap/slapd.d", "/var/lib/ldap/restante")
    daemons.start("slapd", "slapd", "-h", "ldap://127.0.0.1 ldapi:///", "-u", "openldap", "-g",
                  "openldap", "-F", "/etc/ldap/slapd.d", "-d", "0")
    wait_for(lambda: run(["ldapwhoami", "-x", "-H", "ldap://127.0.0.1"], check=False).returncode == 0,
             20, "slapd to answer")


def postfix(port):
    step("Postfix, as the snippets say")
    for name in ("main.cf", "master.cf"):
        with open("%s/postfix/%s" % (EXAMPLES, name)) as snippet:
            text = snippet.read()
        with open("/etc/postfix/" + name, "a") as out:
            out.write(text)
    tool("postconf", "-e", "maillog_file=/var/log/mail.log", "inet_protocols=ipv4",
         "transport_maps=inline:{ s1.lab=lmtp:inet:127.0.0.1:%d, s2.lab=lmtp:inet:127.0.0.1:%d }"
         % (port, port))
    tool("postfix", "check")
    tool("postfix", "start")


def configure():
    """The commented lines of the file that the package brought, with values."""
    step("restante.conf")
    with open(CONF) as conf:
        text = conf.read()
    ldap, rest = text.split("\nmilter {")
    for name, value in SETTINGS.items():
        setting = '  %s = "%s"' % (name, value)
        if re.search(r"(?m)^  # %s = " % name, ldap):
            ldap = re.sub(r"(?m)^  # %s = .*" % name, setting, ldap)
        else:
            rest = re.sub(r"(?m)^  # %s = .*" % name, setting, rest)
    rest = re.sub(r"(?m)^  # ((bind_dn|password_file) = .*operator.*)", r"  \1", rest)
    with open(CONF, "w") as out:
        out.write(ldap + "\nmilter {" + rest)
    write("/etc/restante/front1.password", PASSWORDS["front1"] + "\n", "restante")
    write("/etc/restante/operator.password", PASSWORDS["operator"] + "\n")
    tool("restante-milter", "--check")
    tool("restante", "node", "enable", "front1", "--password-file", "/etc/restante/front1.password")


# --- at work ----------------------------------------------------------------------------------


def send(recipient):
    msgid, content = compose(recipient)
    smtp = Smtp(25)
    smtp.send("someone@outside.test", [recipient], content)
    smtp.quit()
    return msgid


def arrived(sink, msgid):
    mark = ("Message-ID: %s\r\n" % msgid).encode()
    return [m for m in list(sink.messages) if mark in m.content]


def wait_arrived(sink, msgid, recipient):
    wait_for(lambda: arrived(sink, msgid), 30, "mail for " + recipient)
    assert [m.recipients[0][0] for m in arrived(sink, msgid)] == [recipient]


def hold_one():
    tool("restante", "hold", ANNA)
    before = held()
    msgid = send(ANNA)
    assert held() == before + 1
    return msgid


def works(sink):
    step("mail flows, and is held")
    wait_arrived(sink, send("bert@example.org"), "bert@s1.lab")
    return hold_one()


def looked_at():
    step("doctor is satisfied")
    said = tool("restante", "doctor", "-v")
    assert " error " not in said and " warning " not in said, said


def upgraded(new, sink, msgid):
    step("upgraded: the configuration is the administrator's, the message is held")
    with open(CONF) as conf:
        before = conf.read()
    version = tool("dpkg-query", "-W", "-f", "${Version}", "restante")
    daemons.stop("restante")
    apt("install", *packages(new))
    assert tool("dpkg-query", "-W", "-f", "${Version}", "restante") != version
    with open(CONF) as conf:
        assert conf.read() == before
    belongs(CONF, "root", "restante", 0o640)
    daemons.restante()
    assert held() == 1 and not arrived(sink, msgid)


def removed_and_back(new, sink, msgid):
    step("removed: it says what is held; installed again: that is released to where it lives now")
    daemons.stop("restante")
    said = apt("remove", "restante")
    assert "1 held messages stay in " + QUEUE in said, said
    assert os.listdir(QUEUE) and not os.path.exists("/usr/sbin/restante-milter")
    apt("install", *packages(new))
    daemons.restante()
    assert held() == 1
    tool("restante", "swap", ANNA, "--system", "S2", "--to", "anna@s2.lab", "--wait", "--yes")
    wait_arrived(sink, msgid, "anna@s2.lab")
    wait_for(lambda: held() == 0, 20, "the hold queue to be empty")


def purged_in_doubt(new, sink):
    step("purged while nobody can tell what is held: it is kept, and said")
    msgid = hold_one()
    with open(CONF) as conf:
        settings = conf.read()
    daemons.stop("restante")
    with open(CONF, "a") as conf:
        conf.write("nonsense = 1\n")
    said = apt("purge", "restante")
    assert "is kept: it may have held mail" in said and "rm -r " + STATE in said, said
    assert os.listdir(QUEUE) and not os.path.exists(CONF)
    apt("install", *packages(new))
    with open(CONF, "w") as out:
        out.write(settings)
    belongs(CONF, "root", "restante", 0o640)
    daemons.restante()
    assert held() == 1
    tool("restante", "unhold", ANNA)
    wait_arrived(sink, msgid, "anna@s2.lab")
    wait_for(lambda: held() == 0, 20, "the hold queue to be empty")


def purged_empty():
    step("purged with an empty queue: nothing is left")
    daemons.stop("restante")
    said = apt("purge", "restante")
    assert "kept" not in said and "stay" not in said, said
    assert not os.path.exists(STATE) and not os.path.exists(os.path.dirname(SOCKET))
    # passwords are the administrator's own files
    assert sorted(os.listdir("/etc/restante")) == ["front1.password", "operator.password"]


def main(old, new):
    assert packages(old) and packages(new)
    installed()
    not_configured()
    with Sink() as sink:
        directory()
        postfix(sink.port)
        configure()
        daemons.restante()
        looked_at()
        msgid = works(sink)
        upgraded(new, sink, msgid)
        removed_and_back(new, sink, msgid)
        purged_in_doubt(new, sink)
        purged_empty()
        tool("postfix", "stop")
        daemons.stop("slapd")
    step("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
