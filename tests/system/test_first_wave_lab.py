"""docs/first-wave.md, word by word, on two Dovecots with their accounts in LDAP: what must be there, the
settings with the shipped sections, the first move, what the page says to look at, and the way back."""

import imaplib
import os
import re
import shlex
import subprocess

import pytest

from helpers import arrived, send
from lab.control import Control
from lab.lab import Lab
from lab.moving import Moving
from lab.process import run, wait_for
from lab.slapd import identity
from test_first_wave import ACTIONS, blocks, commands, section

ANNA = "anna@example.org"


def sections(text):
    """{name: {key: value}} of flat sections of restante.conf."""
    return {name: {key: value.strip('"') for key, value in re.findall(r"(?m)^  (\w+) = (.*)$", body)}
            for name, body in re.findall(r"(?ms)^(\w+(?: \w+)?) \{\n(.*?)^\}", text)}


class Administrator(Control):
    """Whose settings are those of the page, and the sections that it says to copy, with names and DNs
    of the lab."""

    def settings(self):
        page = sections("".join(b for b in blocks(section("Settings")) if "{" in b))
        assert page["control"].pop("working_hours")  # as it says for the first move
        page["control"]["password_file"] = os.path.join(self.dir, "control.password")
        ours = super().settings()
        ours["ldap"].update(bind_dn=page["control"]["bind_dn"],
                            password_file=page["control"]["password_file"])
        return {**ours, "control": {**ours["control"], **page["control"]},
                "scenario office": {**page["scenario office"], "drain": "3s"}}  # not a minute

    def actions_of(self, system):
        with open(os.path.join(ACTIONS, "dovecot-openldap.conf")) as sample:
            keys = sections(sample.read())["actions S2"]
        backend = self.lab.backends[system]
        names = {"/etc/restante/s2-doveadm.key": backend.api_key_file,
                 "/etc/restante/s2-master.password": backend.master_file + " --tls none"}
        for path, name in names.items():
            keys = {key: value.replace(path, name) for key, value in keys.items()}
        return {**keys, **backend.ldap.bind(), "base": backend.ldap.suffix, "templates": ACTIONS,
                "settings": backend.settings()}


@pytest.fixture(scope="module", name="admin")
def _admin():
    lab = Lab(start=())
    try:
        lab.make(("slapd",))
        moving = Moving(lab)
        lab.make(["milter", "mta"])
        moving.connect()
        first = ("slapd", "s1-ldap", "s2-ldap")
        for server in sorted(lab.servers, key=lambda server: server.name not in first):
            server.start()
            if server.name == first[-1]:
                moving.empty_directory()
                moving.fill()
                moving.dirsync.once("--up")
                moving.dirsync.once("--down")
        lab._add(moving.dirsync).start()
        yield Administrator(lab)
    finally:
        lab.close()


def follow(admin, line, code=0, stdin=b""):
    """A command of the page, as it stands there but for places."""
    places = {"/etc/restante/": admin.dir + "/", "ldapi:///": admin.lab.slapd.ldapi,
              "-o restante -g restante ": "", " -S ": " -s page-password "}
    for here, there in places.items():
        line = line.replace(here, there)
    words = shlex.split(line.split(" >")[0])
    if words[0].startswith("restante"):
        words[:1] = [admin.lab.build + "/" + words[0], "-c", admin.conf]
    done = subprocess.run(words, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False, timeout=90)
    assert done.returncode == code, (line, done.stdout.decode())
    return done.stdout.decode()


def lines(text):
    return [line for block in blocks(text) for line in block.splitlines()]


def test_what_must_be_there(admin):
    found = [line.strip() for line in lines(section("What must be there"))]
    passwd, install = (next(line for line in found if line.startswith(word))
                       for word in ("ldappasswd", "install"))
    follow(admin, passwd)
    follow(admin, install, stdin=b"page-password\n")
    run(["ldapwhoami", "-x", "-H", admin.lab.slapd.uri, "-D", identity("control"), "-y", "/dev/stdin"],
        stdin=b"page-password")
    said = [follow(admin, " ".join(words)) for words in commands("\n".join("    " + f for f in found))]
    assert len(said) == 2 and "S1" in said[1] and "S2" in said[1], said
    change = re.search(r"(?s)<<END\n(.*?)\n *END\n", section("What must be there")).group(1)
    for system in ("S1", "S2"):
        admin.lab.slapd.modify(re.sub("(?m)^ *", "", change).replace("cn=S1", "cn=" + system) + "\n",
                               "root")


def test_settings_and_start(admin):
    check, enable = [line for line in lines(section("Settings")) if re.match("restante-control|systemctl",
                                                                             line)]
    assert enable == "systemctl enable --now restante-control"
    follow(admin, check)
    admin.lab._add(admin).start()


def login(backend, user):
    imap = imaplib.IMAP4("127.0.0.1", backend.imap_port)
    imap.login(user, "secret")
    imap.logout()


def copy(admin):
    """The page's own, on S2; the lab's S1 has no TLS."""
    s1, s2 = admin.lab.backends["S1"], admin.lab.backends["S2"]
    text = section("The first move")
    settings, = [block for block in blocks(text) if block.startswith("!include")]
    for here, there in (("/etc/dovecot/dovecot.conf", s2.conf), ("= starttls", "= no"),
                        ("imap.s1.example.net", "127.0.0.1\nimapc_port = %d" % s1.imap_port),
                        ("SECRET", s1.master_password)):
        assert here in settings, here
        settings = settings.replace(here, there)
    path = os.path.join(admin.dir, "copy-from-s1.conf")
    with open(path, "w") as out:
        out.write(settings)
    command = next(line for line in lines(text) if line.startswith("doveadm"))
    run(shlex.split(command.replace("/etc/dovecot/copy-from-s1.conf", path)))


def test_the_first_move(admin):
    lab = admin.lab
    s1 = lab.backends["S1"]
    old = send(lab, ANNA)
    arrived(lab, "S1", "anna")
    login(s1, "anna")
    judged, *rest = commands(section("The first move"))
    assert "could be recorded" in follow(admin, " ".join(judged))
    said = [follow(admin, " ".join(words)) for words in rest]
    assert "state 10: complete" in said[-1] and "held" in said[-1]
    # what it says to look at
    wait_for(lambda: b"S2" in lab.milter.cli("route", ANNA).stdout, 20, "the front door to know")
    outside, physical = send(lab, ANNA), send(lab, "anna@s1.lab")
    wait_for(lambda: {outside, physical} <= set(lab.message_ids("S2", "anna")), 20, "both on S2")
    with pytest.raises(imaplib.IMAP4.error):
        login(s1, "anna")
    assert lab.message_ids("S1", "anna") == [old]  # the master user is not refused
    copy(admin)
    assert sorted(lab.message_ids("S2", "anna")) == sorted([old, outside, physical])


def test_the_way_back(admin):
    for words in commands(section("Going back")):
        follow(admin, " ".join(words))
    wait_for(lambda: "rolled back" in follow(admin, "restante move show " + ANNA), 30,
             "the move to be rolled back")
    lab = admin.lab
    wait_for(lambda: lab.milter.ask("route", address=ANNA)["physical"] == "anna@s1.lab", 20, "anna on S1")
    assert send(lab, ANNA) in arrived(lab, "S1", "anna", 2)
    login(lab.backends["S1"], "anna")
