"""What an administrator does with a running restante-dirsync by `restante sync`: S1 is an LDAP server, S2
a CSV file."""

import json
import os
import re

import pytest

from command import DONE, FAILED, NOTFOUND, REFUSED
from exposition import scrape
from lab.lab import SOURCE, Lab
from lab.people import entry
from lab.process import free_port, wait_for
from lab.syncs import BOOK, S1, S2, S3, Syncs

ANNA, CARLA = "anna@example.org", "carla@example.org"
MANY = {"user%d" % number: ("user%d@example.org" % number,) for number in range(20)}


class Admin(Syncs):
    """With the daemon, and the directory as it is after the first runs."""

    def restante(self, *arguments, code=DONE):
        done = self.dirsync.cli(*arguments, check=False)
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout.decode() + done.stderr.decode()

    def json(self, *arguments, code=DONE):
        done = self.dirsync.cli("--json", *arguments, check=False)
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout)

    def of(self, address):
        """The mailbox that has it: {} or its attributes."""
        found = self.lab.slapd.search("(mailLocalAddress=%s)" % address)
        return found[0][1] if found else {}


@pytest.fixture(scope="module")
def admin():
    with Lab(start=()) as lab:
        lab.make(("slapd",))
        port = free_port()
        syncs = Admin(lab, lease="5s", metrics=True, metrics_listen="127.0.0.1:%d" % port)
        syncs.port = port
        for keys in [*syncs.dirsync.ups.values(), *syncs.dirsync.downs.values()]:
            keys["every"] = "0s"
        syncs.dirsync.configure()
        for server in lab.servers:
            server.start()
        syncs.empty_directory()
        lab._add(syncs.dirsync).start()
        syncs.restante("sync", "run", "--up", "--wait")
        syncs.restante("sync", "run", "--down", "--wait")
        yield syncs


def test_the_first_runs(admin):
    assert admin.of(ANNA)["restantesystem"] == ["S1"]
    assert admin.of("helpdesk@example.org")["mailroutingaddress"] == ["support@s2.lab"]
    assert admin.book("S1") == sorted(one[0] for one in [*S2.values(), *S3.values()])
    assert admin.book("S2") == sorted(one[0] for one in [*S1.values(), *S3.values()])
    text = admin.restante("sync", "status")
    assert "restante-dirsync" in text and text.count("complete") == 4 and "!" not in text
    shown = admin.json("sync", "status", "S1")
    assert shown["daemon"] and shown["systems"][0]["up"]["connector"] == "ldap"
    assert shown["systems"][0]["up"]["last"]["persons"] == len(S1)


def families_of(admin):
    return scrape(admin.port).families


def test_every_metric_is_documented(admin):
    with open(os.path.join(SOURCE, "docs/sync.md")) as page:
        rows = dict(re.findall(r"(?m)^\| `([a-z_]+)` \| (gauge|counter) \|", page.read()))
    assert rows == {name: family.kind for name, family in families_of(admin).items()}
    page = scrape(admin.port)
    assert page.get("restante_sync_persons", system="S1", direction="up") == len(S1)
    assert page.get("restante_sync_added_total", system="S2", direction="up") == len(S2)


def test_the_alerts_name_what_there_is(admin):
    import yaml
    with open(os.path.join(SOURCE, "contrib/metrics/restante-sync-alerts.yml")) as file:
        rules = [rule for group in yaml.safe_load(file)["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 4
    for rule in rules:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}, rule
        used = set(re.findall(r"restante_sync_[a-z_]+", rule["expr"]))
        assert (used or "up{" in rule["expr"]) and used <= set(families_of(admin)), rule


def test_a_second_run_finds_nothing(admin):
    for record in admin.json("sync", "run", "--wait"):
        assert record["ok"] and (record["added"], record["changed"], record["deleted"]) == (0, 0, 0)


def test_diff_and_then_run(admin):
    admin.people.add(entry("gina", mail="gina@example.org"))
    text = admin.restante("sync", "diff", "S1")
    assert re.search(r"(?m)^dn: \S+\nchangetype: add\n", text) and "gina@example.org" in text
    shown = admin.json("sync", "diff", "S1")
    assert len(shown["changes"]) == 1 and "1 change; nothing was written" in text
    assert admin.of("gina@example.org") == {}
    assert "1 added" in admin.restante("sync", "run", "S1", "--up", "--wait")
    assert admin.of("gina@example.org")["mailroutingaddress"] == ["gina@s1.lab"]
    text = admin.restante("sync", "diff", "S2", "--down")
    assert "gina@example.org" in text
    admin.people.delete("gina")


def test_a_run_by_way_of_the_directory(admin):
    """As from a machine without the daemon."""
    with open(admin.dirsync.conf) as conf:
        text = conf.read()
    elsewhere = admin.dirsync.conf + ".elsewhere"
    with open(elsewhere, "w") as conf:
        conf.write(text.replace(admin.dirsync.control, admin.dirsync.control + ".none"))
    before, admin.dirsync.conf = admin.dirsync.conf, elsewhere
    try:
        text = admin.restante("sync", "run", "S1", "--wait")
        assert "S1 up: complete" in text and "S1 down: complete" in text
        assert "does not run on this machine" in admin.restante("sync", "status")
    finally:
        admin.dirsync.conf = before


def test_a_conflict_and_its_end(admin):
    people = {**S2, "carla": (CARLA, ANNA)}
    admin.write_csv(people)
    admin.restante("sync", "run", "S2", "--up", "--wait")
    assert admin.of(ANNA)["restantesystem"] == ["S1"]
    found, = admin.json("sync", "conflicts", "S2", code=FAILED)
    assert (found["kind"], found["address"], found["owner"]) == ("conflict", ANNA, "S1")
    assert "conflicts" in admin.restante("sync", "status", code=FAILED)
    shown = admin.json("sync", "assign", ANNA, "S2", "--yes")
    assert shown["from_system"] == "S1" and admin.of(ANNA) == admin.of(CARLA)
    # S1 claims it from now on
    admin.restante("sync", "run", "--up", "--wait")
    assert admin.of(ANNA)["restantesystem"] == ["S2"]
    found, = admin.json("sync", "conflicts", "S1", code=FAILED)
    assert (found["address"], found["owner"]) == (ANNA, "S2")
    admin.restante("sync", "assign", ANNA, "S1", "--yes")
    admin.write_csv(S2)
    admin.restante("sync", "run", "--up", "--wait")
    assert admin.of(ANNA)["restantesystem"] == ["S1"] and admin.json("sync", "conflicts") == []


def test_a_mass_deletion_waits_for_approval(admin):
    admin.write_csv({**S2, **MANY})
    admin.restante("sync", "run", "S2", "--up", "--wait")
    assert "nothing waits" in admin.restante("sync", "approve", "S2", "--yes", code=REFUSED)
    admin.write_csv(S2)
    text = admin.restante("sync", "run", "S2", "--up", "--wait", code=REFUSED)
    assert "stopped" in text and "restante sync approve S2" in text
    assert "restantevanishedsince" not in admin.of("user7@example.org")
    assert "stopped" in admin.restante("sync", "status", code=FAILED)
    assert admin.restante("sync", "diff", "S2", code=REFUSED).count("# vanished, id s2-user") == 20
    assert "20" in admin.restante("sync", "approve", "S2", "--yes")
    wait_for(lambda: "restantevanishedsince" in admin.of("user7@example.org"), 20,
             "the run that was asked for")
    wait_for(lambda: b"stopped" not in admin.dirsync.cli("sync", "status", "S2", check=False).stdout,
             20, "its record")
    admin.restante("sync", "status", "S2")
    admin.write_csv({**S2, **MANY})
    admin.restante("sync", "run", "S2", "--up", "--wait")
    assert "restantevanishedsince" not in admin.of("user7@example.org")


def test_a_source_that_is_down(admin):
    admin.people.stop()
    text = admin.restante("sync", "run", "S1", "--up", "--wait", code=FAILED)
    assert "S1 up: incomplete" in text and "Can't contact" in text
    assert "incomplete" in admin.restante("sync", "status", code=FAILED)
    admin.people.start()
    admin.restante("sync", "run", "S1", "--up", "--wait")


def test_a_foreign_contact_is_taken_over_by_adopt_alone(admin):
    old = "cn=Hugo,ou=people,dc=s1,dc=lab"
    admin.people.modify("dn: %s\nchangetype: add\nobjectClass: inetOrgPerson\nsn: Old\n"
                        "mail: hugo@example.org\n" % old)
    admin.people.modify("dn: %s\nchangetype: modrdn\nnewrdn: cn=Hugo\ndeleteoldrdn: 1\n"
                        "newsuperior: %s\n" % (old, BOOK))
    admin.write_csv({**S2, **MANY, "hugo": ("hugo@example.org",)})
    admin.restante("sync", "run", "S2", "--up", "--wait")
    admin.restante("sync", "run", "S1", "--down", "--wait")
    found, = admin.json("sync", "conflicts", "S1", code=FAILED)
    assert (found["kind"], found["direction"]) == ("foreign", "down")
    assert "hugo@example.org" not in admin.book("S1")
    assert "ou=federation" in admin.restante("sync", "adopt", "S1", "hugo@example.org")
    assert "hugo@example.org" in admin.book("S1")
    admin.restante("sync", "run", "S1", "--down", "--wait")
    assert admin.json("sync", "conflicts", "S1") == []


def test_who_is_not_known(admin):
    for verb in (["run", "S9", "--wait"], ["diff", "S9"], ["status", "S9"], ["approve", "S9"],
                 ["adopt", "S9", ANNA]):
        assert "S9" in admin.restante("sync", *verb, code=NOTFOUND)
