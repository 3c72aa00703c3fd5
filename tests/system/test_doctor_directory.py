"""`restante doctor` about settings, accounts, files and the directory: each thing broken alone."""

import contextlib
import datetime
import os
import re
import shutil

import pytest

from doctor import Doctor, mode
from lab.lab import Lab
from lab.process import run
from lab.slapd import BASE, FEDERATION, IDENTITIES, SCHEMA_DIR, localise

FRONT1 = IDENTITIES["front1"]
HERE = ["config", "host", "directory", "clock", "federation", "rights", "systems"]
CONFIG = "olcDatabase={0}config,cn=config"
FRONTEND = "olcDatabase={-1}frontend,cn=config"
DATABASE = "olcDatabase={1}mdb,cn=config"
SYNCPROV = "olcOverlay={0}syncprov," + DATABASE
UNIQUE = "olcOverlay={1}unique," + DATABASE


def now(seconds=0):
    instant = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return instant.strftime("%Y%m%d%H%M%SZ")


@pytest.fixture(scope="module")
def small_lab():
    """slapd alone; its front door has said that it is alive."""
    with Lab(start=("slapd",)) as lab:
        lab.slapd.replace(FRONT1, who="front1", restanteHeartbeat=now())
        for name in ("replica", "queue"):
            os.mkdir(os.path.join(lab.dir, name), 0o700)
        yield lab


@pytest.fixture(scope="module")
def doctor(small_lab):
    slapd, folder = small_lab.slapd, small_lab.dir
    return Doctor(os.path.join(small_lab.build, "restante"), folder, {
        "ldap": {"uri": slapd.uri, "base": BASE, "bind": "simple", "bind_dn": FRONT1,
                 "password_file": slapd.password_file("front1"), "timeout": "5s"},
        "log": {},
        "milter": {"node": "front1", "heartbeat": "1h", "user": "", "group": "",
                   "socket": "unix:%s/milter.sock" % folder, "queue_free": "1M",
                   "replica_dir": folder + "/replica", "queue_dir": folder + "/queue"},
        "cli": {"bind_dn": IDENTITIES["operator"], "control_socket": folder + "/none.sock",
                "password_file": slapd.password_file("operator")}})


@pytest.fixture
def tree(small_lab):
    return small_lab.slapd


def test_nothing_is_found_in_a_healthy_lab(doctor):
    shown = doctor.json("-v", *HERE)
    assert shown["findings"] == [] and shown["not_made"] == 0
    assert len(shown["checks"]) == shown["made"] > 40
    assert all(check["severity"] == "ok" for check in shown["checks"])


def test_what_people_see(doctor):
    done = doctor.run(*HERE)
    assert re.fullmatch(rb"ok: \d+ checks, nothing found\n", done.stdout) and not done.stderr
    with doctor.set(milter={"queue_bytes": "900T"}):
        done = doctor.run(*HERE)
        first, last = done.stdout.decode().splitlines()
        assert re.fullmatch(r"warning  host\.queue-limit: .*; .*", first)
        assert last.startswith("0 errors, 1 warning, 0 unseen; ") and done.returncode == 1
        assert doctor.run("-q", *HERE).stdout == b""
        lines = doctor.run("-v", *HERE).stdout.decode().splitlines()
        assert len(lines) > 40 and sum(line.startswith("ok  ") for line in lines) > 40


def test_checks_can_be_chosen_and_left_out(doctor):
    with doctor.set(milter={"queue_bytes": "900T"}):
        wanted = {("warning", "host.queue-limit")}
        assert doctor.found("host") == doctor.found("host.queue-limit") == wanted
        assert doctor.found("host.queue-space") == doctor.found("config") == set()
        assert doctor.found("--skip", "host.queue-limit", "host") == set()
        assert doctor.found("--skip", "host", "host", "config") == set()
    assert doctor.run("hosts").returncode == 2 and doctor.run("--skip", "x").returncode == 2
    assert b"restante help" in doctor.run("host.nothing").stderr


def test_what_keeps_a_check_from_being_made_is_a_finding(doctor):
    """Never "ok" for what was not looked at."""
    with doctor.set(ldap={"uri": "ldap://127.0.0.1:1"}):
        assert doctor.found("rights") == {("error", "directory.reach")}
        shown = doctor.json("-v", "rights")
        assert shown["not_made"] > 3 and {"directory.reach"} == {
            f["check"] for f in shown["findings"]}
        assert doctor.found("mta.route") >= {("error", "directory.reach")}


# --- restante.conf and files ---------------------------------------------------------------------

@pytest.mark.parametrize("severity,check,sections", [
    ("error", "config.parses", {"milter": {"frobnicate": "1"}}),
    ("error", "config.user", {"milter": {"user": "no-such-user"}}),
    ("error", "config.group", {"milter": {"group": "no-such-group"}}),
    ("error", "config.password", {"ldap": {"password_file": "/nonexistent"}}),
    ("error", "config.administrator", {"cli": {"password_file": "/nonexistent"}}),
    ("error", "config.certificates", {"milter": {"release_ca_file": "/nonexistent.pem"}}),
    ("error", "config.log", {"log": {"target": "file", "file": "/nonexistent/restante.log"}}),
    ("error", "host.queue-space", {"milter": {"queue_free": "900T"}}),
    ("warning", "host.queue-limit", {"milter": {"queue_bytes": "900T"}}),
    ("error", "host.queue-folder", {"milter": {"queue_dir": "/nonexistent/queue"}}),
    ("error", "host.replica-folder", {"milter": {"replica_dir": "/nonexistent/replica"}}),
    ("error", "directory.reach", {"ldap": {"uri": "ldap://127.0.0.1:1"}}),
    ("error", "federation.entry", {"ldap": {"base": "ou=people," + BASE}}),
    ("error", "federation.node", {"milter": {"node": "front2"}}),
])
def test_a_setting_that_is_wrong(doctor, severity, check, sections):
    with doctor.set(**sections):
        assert doctor.found(*HERE) == {(severity, check)}
    assert doctor.found(*HERE) == set()


def test_a_server_of_uri_that_does_not_serve(doctor, tree):
    with doctor.set(ldap={"uri": tree.uri + " ldap://127.0.0.1:1"}):
        assert doctor.found(*HERE) == {("warning", "directory.readers")}


def test_an_administrator_whose_password_is_wrong(doctor, tree):
    with doctor.set(cli={"password_file": tree.password_file("control")}):
        assert doctor.found(*HERE) == {("error", "directory.administrator")}


def test_files_that_others_may_read_or_write(doctor, tree, small_lab):
    for path, bits, check in (
            (doctor.conf, 0o666, "config.written"),
            (tree.password_file("front1"), 0o644, "config.password"),
            (tree.password_file("operator"), 0o644, "config.administrator"),
            (small_lab.dir + "/queue", 0o777, "host.queue-folder"),
            (small_lab.dir + "/replica", 0o777, "host.replica-folder")):
        with mode(path, bits):
            assert doctor.found(*HERE) == {("error", check)}, path


def test_a_password_file_without_a_password(doctor, small_lab):
    empty = small_lab.dir + "/empty.password"
    os.close(os.open(empty, os.O_CREAT | os.O_WRONLY, 0o600))
    with doctor.set(ldap={"password_file": empty}):
        assert doctor.found(*HERE) == {("error", "config.password")}
    with doctor.set(cli={"password_file": empty}):
        assert doctor.found(*HERE) == {("error", "config.administrator")}


@pytest.fixture
def as_mail(doctor, tree, small_lab):
    """milter.user is an account without privileges that owns what it needs."""
    folder = small_lab.dir + "/mail"
    for name in ("", "/queue", "/replica"):
        os.mkdir(folder + name, 0o700)
        shutil.chown(folder + name, "mail", "mail")
    shutil.copyfile(tree.password_file("front1"), folder + "/password")
    shutil.chown(folder + "/password", "mail", "mail")
    os.chmod(folder + "/password", 0o600)
    with doctor.set(ldap={"password_file": folder + "/password"}, milter={
            "user": "mail", "group": "mail", "queue_dir": folder + "/queue",
            "replica_dir": folder + "/replica"}):
        assert doctor.found(*HERE) == set()
        yield folder
    shutil.rmtree(folder)


def test_what_the_milters_user_may_not_do(doctor, as_mail):
    for path, check in ((as_mail + "/password", "config.password"),
                        (as_mail + "/queue", "host.queue-folder"),
                        (as_mail + "/replica", "host.replica-folder"),
                        (doctor.conf, "config.readable")):
        owner = os.stat(path).st_uid
        with mode(path, 0o700 if os.path.isdir(path) else 0o600):
            shutil.chown(path, "root")
            assert doctor.found(*HERE) == {("error", check)}, path
            os.chown(path, owner, -1)
    assert doctor.found(*HERE) == set()


def test_who_is_not_root_cannot_see_all(doctor, as_mail):
    """And says so."""
    nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    found = doctor.found(*HERE, before=nobody)
    assert {("unseen", "directory.reach"), ("unseen", "config.administrator"),
            ("unseen", "config.password"), ("unseen", "host.queue-folder")} <= found
    assert all(severity == "unseen" for severity, _ in found)


# --- the directory -------------------------------------------------------------------------------

@contextlib.contextmanager
def configured(tree, dn, attribute, change):
    """cn=config with other values of that attribute, within the block."""
    before = tree.search("(objectClass=*)", [attribute], dn, "base", who="root")[0][1]
    values = before[attribute.lower()]
    write(tree, dn, attribute, change([normal(v) for v in values]))
    try:
        yield
    finally:
        write(tree, dn, attribute, values)


def normal(value):
    """Without its number in the list, one blank between words."""
    return " ".join(re.sub(r"^\{\d+\}", "", value).split())


def write(tree, dn, attribute, values):
    lines = ["dn: " + dn, "changetype: modify", "replace: " + attribute]
    tree.modify("\n".join(lines + ["%s: %s" % (attribute, v) for v in values]) + "\n", who="root")


def rules(old, new):
    """A change of access rules."""
    def change(values):
        changed = [value.replace(old, new) for value in values]
        assert changed != values
        return changed
    return change


def without(part):
    def change(values):
        kept = [value for value in values if part not in value]
        assert kept != values
        return kept
    return change


NODES = ' by dn.onelevel="ou=nodes,%s" read' % FEDERATION


@pytest.mark.parametrize("severity,check,dn,attribute,change", [
    ("unseen", "directory.settings", CONFIG, "olcAccess", without("olcSpSessionlog")),
    ("warning", "directory.session-log", SYNCPROV, "olcSpSessionlog", lambda v: ["10"]),
    ("warning", "directory.checkpoint", SYNCPROV, "olcSpCheckpoint", lambda v: []),
    ("error", "directory.unique", UNIQUE, "olcUniqueURI", without("restanteAddressUTF8")),
    ("error", "directory.serialize", UNIQUE, "olcUniqueURI", rules("serialize ", "")),
    ("warning", "directory.indexes", DATABASE, "olcDbIndex",
     without("mailLocalAddress")),
    ("error", "directory.limits", DATABASE, "olcLimits",
     lambda v: ['dn.onelevel="ou=nodes,%s" size=3' % FEDERATION]),
    ("unseen", "directory.schema", FRONTEND, "olcAccess", rules("by users read", "by * none")),
    ("error", "directory.schema", FRONTEND, "olcAccess", lambda v: [
        'to dn.base="cn=Subschema" attrs=attributeTypes val.regex="349.1.87$" by * none'] + v),
    ("unseen", "directory.assertion", FRONTEND, "olcAccess", lambda v: [
        'to dn.base="" attrs=supportedControl by * none'] + v),
    ("error", "directory.assertion", FRONTEND, "olcAccess", lambda v: [
        'to dn.base="" attrs=supportedControl val.regex="^1.3.6.1.1.12$" by * none'] + v),
    ("error", "directory.writes", DATABASE, "olcReadOnly", None),
    ("warning", "rights.mailboxes", DATABASE, "olcAccess",
     rules("@inetLocalMailRecipient by", "@inetLocalMailRecipient "
           'by dn.onelevel="ou=nodes,%s" none by' % FEDERATION)),
    ("error", "rights.read", DATABASE, "olcAccess", lambda v: [
        'to attrs=mailRoutingAddress by dn.onelevel="ou=nodes,%s" none by * break' % FEDERATION] + v),
    ("error", "rights.deletions", DATABASE, "olcAccess", rules(
        "attrs=entry by", "filter=(objectClass=restanteMailbox) attrs=entry by")),
    ("error", "rights.own", DATABASE, "olcAccess", rules("by self write", "by self read")),
    ("warning", "rights.excess", DATABASE, "olcAccess", lambda v: [
        'to attrs=restanteState by dn.onelevel="ou=nodes,%s" write by * break' % FEDERATION] + v),
    ("error", "rights.administrator", DATABASE, "olcAccess", lambda v: [
        'to attrs=restanteEpoch by dn.exact="%s" read by * break' % IDENTITIES["operator"]] + v),
])
def test_slapd_that_is_set_wrong(doctor, tree, severity, check, dn, attribute, change):
    if change is None:
        write(tree, dn, attribute, ["TRUE"])
        found = doctor.found(*HERE)
        write(tree, dn, attribute, ["FALSE"])
    else:
        with configured(tree, dn, attribute, change):
            found = doctor.found(*HERE)
    assert found == {(severity, check)}
    assert doctor.found("directory", "rights") == set()


def test_a_move_that_the_milter_cannot_find(doctor, tree):
    """Rules of an older version: how many messages were held would not be told."""
    dn = "cn=m1,ou=moves," + FEDERATION
    tree.modify("dn: %s\nchangetype: add\nobjectClass: restanteMove\nrestanteMoveAddress: a@example.org\n"
                "restanteMoveTarget: S2\nrestanteMoveMailbox: x\n" % dn, who="root")
    try:
        assert doctor.found("rights") == set()
        with configured(tree, DATABASE, "olcAccess", without("restanteMoveMailbox,restanteMoveHold")):
            assert doctor.found("rights") == {("error", "rights.read")}
    finally:
        tree.modify("dn: %s\nchangetype: delete\n" % dn, who="root")


def test_syncs_want_indexes_of_their_own(doctor, tree):
    finding = ("warning", "directory.indexes")
    with configured(tree, DATABASE, "olcDbIndex", without("restanteSourceId")):
        assert finding not in doctor.found("directory")
        with doctor.set(**{"up S1": {"every": "1h"}}):
            assert finding in doctor.found("directory")
    with doctor.set(**{"up S1": {"every": "1h"}}):
        assert finding not in doctor.found("directory")


def test_a_sync_that_was_stopped_is_said(doctor, tree):
    system = "cn=S1,ou=systems," + FEDERATION
    tree.replace(system, restanteUpSyncOutcome="stopped pending=9; 9 mailboxes vanished")
    assert doctor.found("federation") == {("warning", "federation.others")}
    tree.replace(system, restanteUpSyncOutcome="complete persons=9")
    assert doctor.found("federation") == set()
    tree.replace(system, restanteUpSyncOutcome=None)


def test_uniqueness_is_tried_where_its_settings_are_hidden(doctor, tree):
    hidden = configured(tree, CONFIG, "olcAccess", without("olcSpSessionlog"))
    with hidden, configured(tree, UNIQUE, "olcUniqueURI", without("mailLocalAddress")):
        before = tree.search("(objectClass=restanteMailbox)", who="operator")
        assert doctor.found(*HERE) == {("unseen", "directory.settings"),
                                       ("error", "directory.enforced")}
        assert tree.search("(objectClass=restanteMailbox)", who="operator") == before


def test_nothing_is_changed_by_asking(doctor, tree):
    before = tree.search(who="operator")
    assert doctor.found(*HERE) == set()
    assert tree.search(who="operator") == before


def test_a_database_without_syncprov(doctor):
    with Lab(start=()) as lab:
        lab.make(("slapd",))
        with open(lab.slapd.conf) as conf:
            text = re.sub(r"(?m)^(overlay\s+syncprov|syncprov-.*)\n", "", conf.read())
        with open(lab.slapd.conf, "w") as conf:
            conf.write(text)
        lab.slapd.start()
        lab.slapd.replace(FRONT1, who="front1", restanteHeartbeat=now())
        own = {"password_file": lab.slapd.password_file("front1"), "uri": lab.slapd.uri}
        with doctor.set(ldap=own, cli={"password_file": lab.slapd.password_file("operator")}):
            assert doctor.found(*HERE) == {("error", "directory.sync")}


def test_the_example_for_cn_config(doctor):
    """The same directory, configured by slapd-config.ldif.example."""
    with Lab(start=()) as lab:
        lab.make(("slapd",))
        shipped = os.path.join(lab.source, "ldap-schema")
        with open(os.path.join(shipped, "slapd-config.ldif.example")) as example:
            text = localise(example.read(), lab.slapd.dir, SCHEMA_DIR + "/restante.ldif",
                            os.path.join(shipped, "restante.ldif"))
        config = os.path.join(lab.slapd.dir, "slapd.d")
        os.mkdir(config)
        run(["/usr/sbin/slapadd", "-n", "0", "-F", config], stdin=text.encode())
        command = lab.slapd.command()
        command[command.index("-f"):command.index("-f") + 2] = ["-F", config]
        lab.slapd.command = lambda: command
        lab.slapd.start()
        lab.slapd.replace(FRONT1, who="front1", restanteHeartbeat=now())
        own = {"password_file": lab.slapd.password_file("front1"), "uri": lab.slapd.uri}
        with doctor.set(ldap=own, cli={"password_file": lab.slapd.password_file("operator")}):
            assert doctor.found(*HERE) == set()


# --- the federation ------------------------------------------------------------------------------

def test_a_federation_without_domains(doctor, tree):
    domains = tree.read(FEDERATION)["associateddomain"]
    tree.replace(FEDERATION, associatedDomain="no domain..at all")
    try:
        assert doctor.found(*HERE) == {("error", "federation.domains")}
    finally:
        tree.replace(FEDERATION, associatedDomain=domains)


def test_states(doctor, tree):
    system = "cn=S2,ou=systems," + FEDERATION
    for dn, attribute, state, after, check in (
            (FRONT1, "restanteNodeState", "disabled", "enabled", "federation.node"),
            (system, "restanteState", "asleep", None, "federation.others")):
        tree.replace(dn, **{attribute: state})
        assert doctor.found(*HERE) == {("warning", check)}
        tree.replace(dn, **{attribute: after})
    assert doctor.found(*HERE) == set()


def test_another_front_door_that_is_silent(doctor, tree):
    dn = "cn=front9,ou=nodes," + FEDERATION
    tree.modify("dn: %s\nchangetype: add\nobjectClass: restanteNode\ncn: front9\n"
                "restanteNodeState: enabled\n" % dn)
    assert doctor.found(*HERE) == {("warning", "federation.others")}
    tree.modify("dn: %s\nchangetype: delete\n" % dn)


def test_backends_that_take_released_mail(doctor, tree):
    dn = "cn=S1,ou=systems," + FEDERATION
    for more, wanted in (
            ({"restanteReleaseAddress": "127.0.0.1:1"}, {("warning", "systems.answers")}),
            ({"restanteReleaseAddress": "unix:/nonexistent"}, {("warning", "systems.answers")}),
            ({"restanteReleaseAddress": "127.0.0.1:1", "restanteState": "holding"}, set()),
            ({"restanteReleaseAddress": "nowhere", "restanteState": "holding"},
             {("error", "systems.address")}),
            ({"restanteReleaseAddress": "[::1]:24", "restanteReleaseProtocol": "uucp"},
             {("error", "systems.address")}),
            ({"restanteReleaseAddress": "127.0.0.1:1", "restanteReleaseTLS": "perhaps",
              "restanteState": "holding"}, {("error", "systems.address")})):
        tree.replace(dn, **more)
        assert doctor.found(*HERE) == wanted, more
        tree.replace(dn, **{name: None for name in more})
    assert doctor.found(*HERE) == set()


@pytest.fixture
def straight(tree):
    """S1 takes released mail itself, and is off line."""
    dn = "cn=S1,ou=systems," + FEDERATION
    tree.replace(dn, restanteReleaseAddress="127.0.0.1:24", restanteState="holding")
    yield
    tree.replace(dn, restanteReleaseAddress=None, restanteState=None)


def test_settings_for_a_backend(doctor, small_lab, straight):
    secret = small_lab.dir + "/s1.password"
    with open(os.open(secret, os.O_CREAT | os.O_WRONLY, 0o600), "w") as out:
        out.write("secret\n")
    login = {"auth_user": "restante", "password_file": secret}
    for name, keys, wanted in (
            ("S1", {}, set()), ("s1", login, set()),
            ("S9", {}, {("warning", "systems.known")}),
            ("S2", {}, {("warning", "systems.known")}),
            ("S1", {**login, "auth_in_clear": True}, {("warning", "systems.clear")}),
            ("S1", {"ca_file": "/nonexistent.pem"}, {("error", "config.systems")}),
            ("S1", {**login, "password_file": "/nonexistent"}, {("error", "config.systems")})):
        with doctor.also("system " + name, keys):
            assert doctor.found(*HERE) == wanted, (name, keys)
    with doctor.also("system S1", login), mode(secret, 0o644):
        assert doctor.found(*HERE) == {("error", "config.systems")}
    assert doctor.found(*HERE) == set()


def test_the_clock_of_another_front_door(doctor, tree):
    dn = "cn=front9,ou=nodes," + FEDERATION
    lines = ["dn: " + dn, "changetype: add", "objectClass: restanteNode", "cn: front9",
             "restanteNodeState: enabled", "restanteAckEpoch: 0"]
    for ahead, severity in ((60, "warning"), (3600, "error")):
        tree.modify("\n".join(lines + ["restanteHeartbeat: " + now(ahead)]) + "\n")
        assert doctor.found(*HERE) == {(severity, "clock.nodes")}
        tree.modify("dn: %s\nchangetype: delete\n" % dn)
