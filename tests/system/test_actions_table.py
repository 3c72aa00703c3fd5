"""Actions on a table of addresses, by the program that contrib/actions ships."""

import json
import os
import subprocess
import types

import pytest

from actions import SHIPPED, Actions, person
from lab.lab import SOURCE

TABLE = "# people of S1\nbert@example.org\tbert@s1.lab\n@example.net  catchall@s1.lab\n\n"


@pytest.fixture(name="table")
def _table(tmp_path):
    (tmp_path / "log").mkdir()
    path = tmp_path / "people"
    path.write_text(TABLE)
    path.chmod(0o640)
    return path


@pytest.fixture(name="actions")
def _actions(table, tmp_path):
    lab = types.SimpleNamespace(dir=str(tmp_path), build=os.environ.get("RESTANTE_BUILD") or
                                os.path.join(SOURCE, "build"))
    command = "address-table --table %s" % table
    with Actions(lab, {"S1": {"templates": SHIPPED, **{name: command for name in (
            "addresses", "unaddress", "list", "delete")}}}) as running:
        yield running


def anna(**more):
    addresses = ["a.anna@example.org", "anna@example.org", "@example.com", "z@example.net"]
    return person("anna", physical="anna@s1.lab", **{"addresses": addresses, **more})


def test_addresses_come_and_go(table, actions):
    actions.does("S1", "addresses", **anna())
    ours = ("anna@example.org anna@s1.lab\na.anna@example.org anna@s1.lab\n"
            "z@example.net anna@s1.lab\n")
    before = TABLE.replace("\t", " ").replace("  ", " ")
    assert table.read_text() == before + ours
    assert table.stat().st_mode & 0o777 == 0o640
    assert actions.asks("S1", "list", **anna())["addresses"] == [
        "anna@example.org", "a.anna@example.org", "z@example.net"]
    # the directory has others since; the way it is written does not count
    actions.does("S1", "addresses", **anna(addresses=["ANNA@example.org", "new@example.org"]))
    assert actions.asks("S1", "list", **anna())["addresses"] == ["anna@example.org", "new@example.org"]
    actions.does("S1", "unaddress", **anna())
    assert table.read_text() == before
    assert actions.run("S1", "delete", **anna())["outcome"] == "already"
    assert sorted(os.listdir(table.parent)) == ["actions.conf", "log", "people", "people.lock"]


def test_an_address_of_somebody_else(table, actions):
    said = actions.run("S1", "addresses", **anna(addresses=["anna@example.org", "Bert@example.org"]))
    assert said["outcome"] == "refused"
    assert "Bert@example.org is an address of bert@s1.lab here" in said["text"]
    assert table.read_text() == TABLE


def test_a_table_that_is_not_there(table, actions):
    table.unlink()
    for name in ("addresses", "unaddress", "list"):
        said = actions.run("S1", name, **anna())
        assert said["outcome"] == "failed" and "No such file" in said["text"], said


def test_several_at_once(table):
    """None is lost: each reads what the one before has written."""
    running = []
    for number in range(8):
        program = subprocess.Popen([SHIPPED + "/address-table", "--table", str(table), "do"],
                                   stdin=subprocess.PIPE, text=True)
        running.append((program, person("p%d" % number, physical="p%d@s1.lab" % number)))
    for program, one in running:  # all of them have started
        program.stdin.write(json.dumps({"v": 1, "action": "addresses", **one}))
        program.stdin.close()
    assert [program.wait(30) for program, _ in running] == [0] * 8
    for _, one in running:
        assert "%s %s\n" % (one["primary"], one["physical"]) in table.read_text()
