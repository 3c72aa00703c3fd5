"""docs/first-wave.md: its settings are right, its commands exist, and done in their order in a lab they
do what the page says."""

import os
import re
import shlex
import subprocess

import pytest

from lab.control import Control, dirsync_of
from lab.lab import SOURCE, Lab
from lab.process import run, wait_for

BUILD = os.environ.get("RESTANTE_BUILD") or os.path.join(SOURCE, "build")
ACTIONS = os.path.join(SOURCE, "contrib/actions")
with open(os.path.join(SOURCE, "docs/first-wave.md")) as _page:
    PAGE = _page.read()
LATER, INSTANT = "2099-01-19T09:00Z", r"\d{4}-\d\d-\d\dT\d\d:\d\d"


def section(title):
    return re.search(r"(?ms)^## %s\n(.*?)(?=^## |\Z)" % re.escape(title), PAGE).group(1)


def commands(text, program="restante"):
    """The lines that begin with the program, without their indent and redirection."""
    return [shlex.split(line.split(" >")[0]) for line in re.findall(
        r"(?m)^ {4,7}(%s .*)$" % program, text)]


def blocks(text):
    """What is indented, in pieces."""
    return [re.sub(r"(?m)^    ", "", block) for block in re.findall(
        r"(?m)(?:^    .*\n(?:\n(?=    ))?)+", text)]


# --- what stands there ----------------------------------------------------------------------------

def test_commands_and_options_exist():
    found = commands(PAGE) + [shlex.split(text) for text in re.findall(r"`(restante .*?)`", PAGE)]
    verbs = {line.split("\t")[0] for line in run(
        [BUILD + "/restante", "help", "--list"]).stdout.decode().splitlines()}
    assert len(found) >= 20
    for words in found:
        verb = " ".join(words[1:3]) if " ".join(words[1:3]) in verbs else words[1]
        assert verb in verbs, words
        said = run([BUILD + "/restante", "help", *verb.split()]).stdout.decode()
        for option in (word for word in words if word.startswith("--")):
            assert re.search(re.escape(option) + r"\b", said), words


def settings(tmp_path):
    """The page's own sections, and the shipped one for S2, also for S1."""
    ours = [block for block in blocks(section("Settings")) if "{" in block]
    with open(os.path.join(ACTIONS, "dovecot-openldap.conf")) as sample:
        shipped = sample.read()
    text = "".join(ours) + "".join(shipped.replace("actions S2", "actions " + name).replace(
        "  uri = ", '  templates = "%s"\n  uri = ' % ACTIONS) for name in ("S1", "S2"))
    secret = tmp_path / "secret"
    secret.write_text("secret\n")
    secret.chmod(0o600)
    conf = tmp_path / "restante.conf"
    conf.write_text('ldap { uri = "ldap://127.0.0.1:1" base = "dc=example,dc=org" }\n'
                    + re.sub(r"/etc/restante/[\w-]+\.(password|key)", str(secret), text))
    return conf


def test_its_settings_are_right(tmp_path):
    conf = settings(tmp_path)
    run([BUILD + "/restante-control", "-c", str(conf), "--check"])
    assert {"scenario office {", "control {"} <= set(conf.read_text().splitlines())
    conf.write_text(conf.read_text().replace("create = -1d", "creates = -1d"))
    done = run([BUILD + "/restante-control", "-c", str(conf), "--check"], check=False)
    assert done.returncode == 78 and b"creates" in done.stderr


def test_the_sample_has_the_same(tmp_path):
    """contrib/restante.conf: its sections of the controller, without the comment signs."""
    with open(os.path.join(SOURCE, "contrib/restante.conf")) as sample:
        found = re.findall(r"(?ms)^# (?:control|scenario \w+) \{\n.*?^# \}\n", sample.read())
    assert len(found) == 2
    sections = re.sub(r"(?m)^# ", "", "".join(found))
    secret = tmp_path / "secret"
    secret.write_text("secret\n")
    secret.chmod(0o600)
    conf = tmp_path / "restante.conf"
    conf.write_text('ldap { uri = "ldap://127.0.0.1:1" base = "dc=example,dc=org" }\n'
                    + sections.replace("/etc/restante/control.password", str(secret)))
    run([BUILD + "/restante-control", "-c", str(conf), "--check"])
    for line in sections.splitlines():
        assert line in section("Settings"), line


def test_what_a_stopped_move_says():
    """Each of the words comes from the code, or from a shipped template."""
    said = ""
    for folder in ("control", "lib", "contrib/actions/dovecot-ldap"):
        for name in os.listdir(os.path.join(SOURCE, folder)):
            with open(os.path.join(SOURCE, folder, name)) as source:
                said += re.sub(r'"\s*"', "", source.read())
    words = re.findall(r"(?m)^\| `(.*?)` \|", section("When a move stops"))
    assert len(words) >= 8
    for text in words:
        assert text.replace("S2", "%s").replace("b@example.org", "%s") in said, text


# --- what is done ---------------------------------------------------------------------------------

@pytest.fixture(scope="module", name="page")
def _page_in_a_lab():
    keys = dict(re.findall(r"(?m)^  (\w+) = (.*)$", re.search(
        r"scenario office \{(.*?)\}", PAGE.replace("\n    ", "\n"), re.S).group(1)))
    with Lab() as lab:
        control = Control(lab, scenarios={"office": {**keys, "drain": "5s"}})
        control.load_backends()
        control.people("berta", "clara", "doris", "emma")
        lab.servers.append(dirsync_of(control).start())
        lab.servers.append(control)
        yield control.start()


def follow(control, words, code=0):
    """One command of the page."""
    done = subprocess.run([control.lab.build + "/restante", "-c", control.conf, *words[1:]],
                          cwd=control.dir, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False, timeout=60)
    assert done.returncode == code, (words, done.stdout.decode())
    return done.stdout.decode()


def place(control, name):
    return control.lab.slapd.read(control.lab.slapd.mailbox_dn(name))["restantesystem"][0]


def test_the_first_move_and_a_way_back(page):
    judged, *rest = commands(section("The first move"))
    assert "could be recorded" in follow(page, judged) and place(page, "anna") == "S1"
    said = [follow(page, words) for words in rest]
    assert place(page, "anna") == "S2" and "state 10: complete" in said[-1]
    assert page.backend("S1")["mailboxes"]["anna"]["closed"] is True
    for words in commands(section("Going back")):
        follow(page, words)
    wait_for(lambda: place(page, "anna") == "S1", 20, "anna to be back")
    wait_for(lambda: "rolled back" in follow(page, "restante move show anna@example.org".split()),
             20, "the move to be rolled back")
    assert page.backend("S1")["mailboxes"]["anna"]["closed"] is False


def test_a_wave(page):
    text = section("A wave")
    rows, = [block for block in blocks(text) if block.startswith("address,")]
    with open(os.path.join(page.dir, "wave1.csv"), "w") as out:
        out.write(re.sub(INSTANT, "now", rows))
    said = [follow(page, words) for words in commands(text)]
    assert "3 moves could be recorded" in said[0] and "3 moves recorded" in said[1]
    assert "<td>doris@example.org</td>" in said[-2] and "no move" in said[-1]
    assert [place(page, name) for name in ("berta", "clara", "doris")] == ["S2"] * 3


def test_it_waits_goes_on_and_is_called_off(page):
    for words in commands(section("Wait, go on, call it off")):
        follow(page, [re.sub(INSTANT, LATER, word) for word in words])
    wait_for(lambda: "cancelled" in follow(page, "restante move show emma@example.org".split()),
             20, "the move to be cancelled")
    assert place(page, "emma") == "S1"


def test_a_stopped_move_goes_on(page):
    """As its table says: an address is missing, is added, and the move tried again."""
    address, = page.people("fritz")
    page.fault({"S2 addresses " + address: "refuse"})
    follow(page, ["", "move", "add", address, "--to", "S2", "--scenario", "office"])
    follow(page, ["", "move", "watch"], code=1)
    assert address in follow(page, "restante move list --errors".split())
    page.fault({})
    follow(page, ["", "move", "retry", address])
    wait_for(lambda: place(page, "fritz") == "S2", 20, "the move to go on")


def test_permission_to_delete(page):
    """Judged with it; and the change of the last section, made afterwards."""
    page.people("gerd")
    with open(os.path.join(page.dir, "wave2.csv"), "w") as out:
        out.write("address,to,at\ngerd@example.org,S2,%s\n" % LATER)
    text = section("Deleting the old mailboxes")
    for words in commands(text):
        follow(page, words)
    (dn, record), = page.lab.slapd.search("(restanteMoveAddress=gerd@example.org)",
                                          base="ou=moves,cn=restante,dc=example,dc=org")
    assert record["restantemovemaydelete"] == ["TRUE"]
    page.lab.slapd.replace(dn, "operator", restanteMoveMayDelete=None)
    change = re.search(r"<<END\n(.*?)\s+END\n", text, re.S).group(1)
    name = re.match("cn=([^,]+),", dn).group(1)
    page.lab.slapd.modify(re.sub("(?m)^    ", "", change).replace("NAME", name) + "\n", "operator")
    assert page.one(dn, "restanteMoveMayDelete") == "TRUE"
