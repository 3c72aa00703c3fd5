"""The restante command on a real directory: command line, hold and unhold, terminal, front doors."""

import json
import os

from command import (CONFIG, DIRECTORY, DONE, FAILED, FRONT1, MILTER, NOTFOUND, REFUSED, USAGE,
                     FrontDoor, on_terminal, state_of, swap)
from lab.process import run
from lab.slapd import FEDERATION

# --- the command line --------------------------------------------------------------------------

def test_usage(restante):
    assert b"swap" in restante("help").stdout
    assert b"--force" in restante("help", "swap").stdout
    assert b"queue release" in restante("help", "queue").stdout
    assert b"--to" in restante("swap", "--help").stdout
    assert restante("--version").stdout.startswith(b"restante ")
    restante(code=USAGE)
    restante("queue", code=USAGE)
    for arguments in (["frobnicate"], ["--frob", "status"], ["hold"], ["route"], ["-c"],
                      ["swap", "a@example.org"], ["swap", "--system"], ["hold", "--wait", "a@b"],
                      ["queue", "show", "x"], ["queue", "show"], ["queue", "release"],
                      ["queue", "list", "--limit", "x"], ["queue", "list", "--limit", "-1"],
                      ["swap", "a@b", "--system", "S1", "--to", "b@c", "--timeout", "soon"]):
        assert "restante help" in restante.error(*arguments, code=USAGE)
    for address in ("no-domain", "a b@example.org", "@", "tab\t@example.org"):
        assert restante.error("hold", address, code=USAGE)


def test_an_error_of_the_command_line_is_json_too(restante):
    for arguments in ([], ["queue"], ["node"], ["frobnicate"], ["queue", "list", "--limit", "x"],
                      ["hold"], ["swap", "a@b", "--system", "S1", "--to", "nothing"]):
        done = restante("--json", *arguments, code=USAGE)
        shown = json.loads(done.stdout)
        assert (shown["ok"], shown["exit"]) == (False, USAGE) and shown["error"], arguments


def test_bad_configuration_is_78(restante, small):
    broken = os.path.join(small.dir, "broken.conf")
    with open(broken, "w") as conf:
        conf.write("ldap {\n  frobnicate = 1\n}\n")
    done = run([restante.binary, "-c", broken, "node", "list"], check=False)
    assert done.returncode == CONFIG
    assert b"broken.conf:2" in done.stderr and b"frobnicate" in done.stderr
    done = run([restante.binary, "-c", broken + ".none", "status"], check=False)
    assert done.returncode == CONFIG and done.stderr.startswith(b"restante: ")


def test_directory_down_is_5(restante):
    restante.write(uri="ldap://127.0.0.1:1")
    assert "127.0.0.1:1" in restante.error("hold", "anna@example.org", code=DIRECTORY)
    assert "127.0.0.1:1" in restante.error(
        "swap", "anna@example.org", "--system", "S2", "--to", "anna@s2.lab", code=DIRECTORY)
    restante.write()


def test_milter_not_there_is_6(restante):
    for arguments in (["route", "anna@example.org"], ["queue", "list"], ["queue", "cat", "1"],
                      ["node", "approve"]):
        assert restante.control in restante.error(*arguments, code=MILTER)


# --- hold, unhold --------------------------------------------------------------------------------

def test_hold_and_unhold_are_one_modify_each(restante, slapd, box):
    dn, address, physical = box
    before = slapd.read(dn)
    shown = restante.json("hold", address)[0]
    after = slapd.read(dn)
    assert shown["state"] == "holding" and shown["changed"] and shown["physical"] == physical
    assert after["restantestate"] == ["holding"]
    assert after["entrycsn"] == [shown["csn"]] and after["entrycsn"] != before["entrycsn"]
    assert not restante.json("hold", address)[0]["changed"]
    assert slapd.read(dn)["entrycsn"] == after["entrycsn"]
    assert b"not held any more" in restante("unhold", address).stdout
    assert state_of(slapd, dn) == "active"


def test_hold_several_tells_each_and_the_worst(restante, slapd, box):
    dn, address, _ = box
    done = restante("hold", "nobody@example.org", address, code=NOTFOUND)
    assert b"nobody@example.org" in done.stderr and b"is held" in done.stdout
    assert state_of(slapd, dn) == "holding"
    first, second = restante.json("unhold", "nobody@example.org", address, code=NOTFOUND)
    assert (first["ok"], first["address"], first["exit"]) == (False, "nobody@example.org", 3)
    assert second["ok"] and second["state"] == "active"


def test_hold_refuses_what_is_not_its_to_change(restante, slapd, box):
    dn, address, _ = box
    assert "deferred" in restante.error("hold", "later@example.org", code=REFUSED)
    slapd.replace(dn, restanteState="asleep")
    assert "asleep" in restante.error("unhold", address, code=REFUSED)
    assert state_of(slapd, dn) == "asleep"


def test_spellings_of_an_address(restante, slapd):
    dn = slapd.mailbox_dn("buero")
    assert restante.json("hold", "BÜRO@Example.ORG")[0]["dn"] == dn
    assert restante.json("unhold", "buero@example.org")[0]["dn"] == dn
    assert restante.json("hold", "emil@bücher.example")[0]["dn"] == slapd.mailbox_dn("emil")
    assert restante.json("unhold", "Emil@xn--bcher-kva.example")[0]["changed"]
    restante.error("hold", "büro*@example.org", code=NOTFOUND)
    restante.error("hold", "*@example.org", code=NOTFOUND)
    slapd.add_mailbox("strasse", utf8=["Straße@example.org"], addresses=["s1@example.org"])
    slapd.add_mailbox("quoted", addresses=['"a b"@example.org'])
    assert restante.json("hold", "straße@example.org")[0]["changed"]
    assert restante.json("hold", '"A b"@example.org')[0]["changed"]
    for uid in ("strasse", "quoted"):
        slapd.modify("dn: %s\nchangetype: delete\n" % slapd.mailbox_dn(uid))


def test_two_claims_are_refused(restante, slapd, box):
    """slapo-unique looks at one attribute: the same address once as ASCII, once as UTF-8."""
    dn, address, _ = box
    other = slapd.add_mailbox("other", addresses=["x1@xn--bcher-kva.example"])
    slapd.modify("dn: %s\nchangetype: modify\nadd: mailLocalAddress\n"
                 "mailLocalAddress: x2@xn--bcher-kva.example\n" % dn)
    slapd.replace(other, restanteAddressUTF8=["x2@bücher.example"])
    line = restante.error("hold", "x2@bücher.example", code=REFUSED)
    assert dn in line and other in line
    slapd.modify("dn: %s\nchangetype: delete\n" % other)


# --- on a terminal ------------------------------------------------------------------------------------

def test_terminal(restante, slapd, box):
    dn, address, _ = box
    base = [restante.binary, "-c", restante.conf]
    code, shown = on_terminal(base + ["node", "list"])
    assert code == DONE and b"\033[32menabled\033[0m" in shown
    code, shown = on_terminal(base + ["node", "list"], env={"NO_COLOR": "1"})
    assert code == DONE and b"\033[" not in shown and b"enabled" in shown
    assert b"\033[" not in restante("node", "list").stdout
    restante("hold", address)
    code, shown = on_terminal(base + swap(address, None, "S2", "--force"), b"no\n")
    assert code == REFUSED and state_of(slapd, dn) == "holding"
    with FrontDoor(slapd):
        code, shown = on_terminal(base + swap(address, None, "S2", "--wait"))
    assert code == DONE and b"[####################] 2/2" in shown
    restante("hold", address)
    code, shown = on_terminal(base + swap(address, "b@s1.lab", "S1", "--force"), b"yes\n")
    assert code == DONE and state_of(slapd, dn) == "active"


# --- front doors ----------------------------------------------------------------------------------------

def test_node_enable_disable(restante, slapd, small):
    dn = "cn=third,ou=nodes," + FEDERATION
    password = os.path.join(small.dir, "third.password")
    with open(password, "w") as out:
        out.write("{SSHA}x\n")
    shown = restante.json("node", "enable", "third", "--password-file", password)
    entry = slapd.read(dn)
    assert shown["state"] == "enabled" and entry["restantenodestate"] == ["enabled"]
    assert "simpleSecurityObject" in entry["objectclass"]
    assert not restante.json("node", "enable", "THIRD")["changed"]
    assert restante.json("node", "disable", "third")["state"] == "disabling"
    assert b"disabling already" in restante("node", "disable", "third").stdout
    done = restante("node", "disable", "third", "--force", code=REFUSED)
    assert b"switched off" not in done.stdout and b"out of the fence" in done.stderr
    assert slapd.read(dn)["restantenodestate"] == ["disabling"]
    assert restante.json("node", "disable", "third", "--force", "--yes")["state"] == "disabled"
    assert b"wiped" in restante("node", "enable", "third").stdout
    assert slapd.read(dn)["restantenodestate"] == ["enabled"]
    assert [n["node"] for n in restante.json("node", "list")] == ["front1", "third"]
    slapd.modify("dn: %s\nchangetype: delete\n" % dn)
    restante.error("node", "disable", "nobody", code=NOTFOUND)
    restante("node", "enable", "odd,name=x")
    slapd.modify("dn: cn=odd\\,name\\=x,ou=nodes,%s\nchangetype: delete\n" % FEDERATION)


def test_refused_by_the_directory(restante, slapd, box):
    """As the front door itself, which may not: the reason is named, nothing changes."""
    dn, address, _ = box
    restante.write(bind_dn=FRONT1, password_file=slapd.password_file("front1"))
    line = restante.error("hold", address, code=FAILED)
    assert "access" in line.lower() and state_of(slapd, dn) == ""
    restante.write()
