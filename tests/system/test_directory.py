"""The shipped schema, slapd configurations and sample tree: they load, and the rules bite."""

import os
import re
import shlex
import subprocess
import threading

import pytest

from lab.lab import SOURCE
from lab.process import run, wait_for
from lab.slapd import BASE, FEDERATION, IDENTITIES, PEOPLE, SCHEMA_DIR, localise

SHIPPED = os.path.join(SOURCE, "ldap-schema")
MOVE = "cn=m1,ou=moves," + FEDERATION
S1 = "cn=S1,ou=systems," + FEDERATION
FRONT1 = IDENTITIES["front1"]
BERT = "uid=bert," + PEOPLE
REFUSED = 50  # insufficientAccess
TAKEN = 19    # constraintViolation
TWICE = 20    # typeOrValueExists


def shipped(name):
    with open(os.path.join(SHIPPED, name)) as text:
        return text.read()


def prepare(tmp_path, name):
    os.makedirs(tmp_path / "db")
    suffix = "ldif" if "ldif" in name else "schema"
    target = tmp_path / name
    target.write_text(localise(shipped(name), str(tmp_path), SCHEMA_DIR + "/restante." + suffix,
                               os.path.join(SHIPPED, "restante." + suffix)))
    return target


def quiet(argv, stdin=None):
    """Runs it; not a word but the tools' own success."""
    done = run(argv, stdin=stdin)
    said = (done.stdout + done.stderr).decode().replace("config file testing succeeded\n", "")
    assert said == ""


def test_slapd_conf_loads_without_a_warning(tmp_path):
    conf = str(prepare(tmp_path, "slapd.conf.example"))
    quiet(["/usr/sbin/slapadd", "-f", conf], shipped("sample.ldif").encode())
    quiet(["/usr/sbin/slaptest", "-f", conf])


def test_cn_config_loads_without_a_warning(tmp_path):
    ldif = prepare(tmp_path, "slapd-config.ldif.example")
    config = tmp_path / "slapd.d"
    config.mkdir()
    quiet(["/usr/sbin/slapadd", "-n", "0", "-F", str(config)], ldif.read_bytes())
    quiet(["/usr/sbin/slapadd", "-n", "1", "-F", str(config)], shipped("sample.ldif").encode())
    quiet(["/usr/sbin/slaptest", "-F", str(config)])


def conf_statements():
    """{keyword: [normalised arguments]} of slapd.conf.example."""
    text = re.sub(r"(?m)^#.*\n", "", shipped("slapd.conf.example"))
    found = {}
    for line in re.sub(r"\n[ \t]+", " ", text).splitlines():
        words = line.split(None, 1)
        if len(words) == 2:
            found.setdefault(words[0], []).append(" ".join(shlex.split(words[1], posix=False)))
    return found


def ldif_statements():
    text = re.sub(r"(?m)^#.*\n", "", shipped("slapd-config.ldif.example"))
    found = {}
    for line in text.replace("\n ", "").splitlines():
        if line.startswith("olc"):
            name, value = line.split(":", 1)
            found.setdefault(name, []).append(" ".join(shlex.split(value, posix=False)))
    return found


def test_both_forms_say_the_same():
    conf, ldif = conf_statements(), ldif_statements()
    assert ldif["olcAccess"] == conf["access"]
    assert ldif["olcDbIndex"] == conf["index"]
    assert ldif["olcLimits"] == conf["limits"]
    assert ldif["olcUniqueURI"] == [u.strip('"') for u in conf["unique_uri"]]
    assert ldif["olcSpCheckpoint"] == conf["syncprov-checkpoint"]
    assert ldif["olcSpSessionlog"] == conf["syncprov-sessionlog"]
    assert ldif["olcDbMaxSize"] == conf["maxsize"]


def test_schema_has_the_same_definitions_in_both_forms():
    def definitions(text):
        text = re.sub(r"(?m)^#.*\n", "", text.replace("\n ", ""))
        found = re.findall(r"(?:attributetype|olcAttributeTypes:|objectclass|olcObjectClasses:)"
                           r"\s+(\(.*?\))\s*(?=\n(?:attr|olc|object|\n|$)|\Z)", text, re.S)
        return [" ".join(d.split()) for d in found]
    schema, ldif = (definitions(shipped("restante." + form)) for form in ("schema", "ldif"))
    assert len(schema) > 50
    assert schema == ldif


# --- uniqueness -----------------------------------------------------------------------------

def add_address(directory, uid, address, attribute="mailLocalAddress"):
    return directory.modify("dn: uid=%s,%s\nchangetype: modify\nadd: %s\n%s: %s\n" % (
        uid, PEOPLE, attribute, attribute, address), check=False).returncode


@pytest.mark.parametrize("attribute,address", [
    ("mailLocalAddress", "anna@example.org"),
    ("mailLocalAddress", "ANNA@EXAMPLE.ORG"),
    ("restanteAddressUTF8", "büro@example.org"),
    ("restanteAddressUTF8", "BÜRO@example.org"),
])
def test_one_address_belongs_to_one_mailbox(directory, attribute, address):
    assert add_address(directory, "bert", address, attribute) == TAKEN


def test_a_new_mailbox_cannot_take_an_address(directory):
    with pytest.raises(Exception, match="not unique|Constraint violation"):
        directory.add_mailbox("thief", addresses=["anna@example.org"])


def test_writers_at_once_never_both_get_an_address(directory):
    """Without `serialize` some of these races end with two winners."""
    uids = ["racer%d" % n for n in range(6)]
    prizes = ["prize%d@example.org" % n for n in range(150)]
    for uid in uids:
        directory.add_mailbox(uid)

    def race(uid):
        records = "".join("dn: uid=%s,%s\nchangetype: modify\nadd: mailLocalAddress\n"
                          "mailLocalAddress: %s\n\n" % (uid, PEOPLE, p) for p in prizes)
        run(["ldapmodify", "-c"] + directory.bind("operator"), stdin=records.encode(),
            check=False)

    threads = [threading.Thread(target=race, args=(uid,)) for uid in uids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = directory.search("(uid=racer*)", ["mailLocalAddress"])
    won = [a for _, entry in found for a in entry["maillocaladdress"] if a.startswith("prize")]
    assert sorted(won) == sorted(prizes)


# --- what its matching rules take for one ----------------------------------------------------

# Of each pair: whether the directory takes them for one. unit/test_person.c has the same letters:
# where Restante would say otherwise, it refuses the address.
SPELLINGS = [
    ("JÜRGEN", "jürgen", True),
    ("u\u0308ber", "über", True),
    ("o\ufb03ce", "office", True),
    ("АННА", "анна", True),
    ("straße", "strasse", False),
    ("κώς", "κώσ", False),
    ("\u0130rem", "i\u0307rem", False),
    ("\uff21nna", "anna", True),
    ("m²", "m2", True),
    ('"a  b"', '"a b"', True),
    ("山", "川", False),
]


@pytest.mark.parametrize("one,other,same", SPELLINGS)
def test_spellings_that_the_directory_takes_for_one(directory, one, other, same):
    record = "dn: %s\nchangetype: modify\nadd: restanteAddressUTF8\n%s" % (BERT, "".join(
        "restanteAddressUTF8: %s@spelled.example\n" % local for local in (one, other)))
    code = directory.modify(record, check=False).returncode
    if code == 0:
        directory.modify(record.replace("\nadd:", "\ndelete:"))
    assert code == (TWICE if same else 0)


# --- access rules ---------------------------------------------------------------------------

@pytest.fixture(scope="module")
def with_move(directory):
    directory.modify("dn: %s\nchangetype: add\nobjectClass: restanteMove\ncn: m1\n"
                     "restanteMoveAddress: anna@example.org\nrestanteMoveTarget: S2\n"
                     "restanteMoveState: 0\n" % MOVE, who="control")
    directory.modify("dn: cn=front2,ou=nodes,%s\nchangetype: add\nobjectClass: restanteNode\n"
                     "cn: front2\nrestanteNodeState: enabled\n" % FEDERATION)
    return directory


WRITES = {
    "state of a mailbox": (BERT, {"restanteState": "holding"}),
    "system of a mailbox": (BERT, {"restanteSystem": "S2"}),
    "physical address": (BERT, {"mailRoutingAddress": "bert@s9.lab"}),
    "access addresses": (BERT, {"mailLocalAddress": ["bert@example.org", "b@example.org"]}),
    "other attributes": (BERT, {"telephoneNumber": "+49 30 1234"}),
    "password": (BERT, {"userPassword": "secret"}),
    "epoch": (FEDERATION, {"restanteEpoch": "0"}),
    "domains": (FEDERATION, {"associatedDomain": ["example.org", "example.net",
                                                  "xn--bcher-kva.example"]}),
    "lease": (FEDERATION, {"restanteLeaseTerm": "1"}),
    "acknowledgement of front1": (FRONT1, {"restanteAckEpoch": "0"}),
    "acknowledgement of front2": ("cn=front2,ou=nodes," + FEDERATION, {"restanteAckEpoch": "0"}),
    "node state enabled": (FRONT1, {"restanteNodeState": "enabled"}),
    "node state disabled": (FRONT1, {"restanteNodeState": "disabled"}),
    "state of a system": (S1, {"restanteState": "active"}),
    "sync asked": (S1, {"restanteSyncAsked": "1", "restanteDownSyncAsked": "1"}),
    "sync finished": (S1, {"restanteSyncFinished": "1", "restanteDownSyncFinished": "1"}),
    "sync failed": (S1, {"restanteUpSyncFailed": "1 no", "restanteDownSyncFailed": "1 no"}),
    "sync records": (S1, {"restanteUpSyncRun": "a", "restanteUpSyncStart": "20260101000000Z",
                          "restanteDownSyncRun": "b", "restanteDownSyncStart": "20260101000000Z"}),
    "leases of syncs": (S1, {"restanteUpLease": "1 a 20260101000000Z",
                             "restanteDownLease": "1 a 20260101000000Z"}),
    "sync approved": (S1, {"restanteSyncApproval": "deletions:1",
                           "restanteDownSyncApproval": "deletions:1",
                           "restanteSyncApproved": "1", "restanteDownSyncApproved": "1"}),
    "marks of a mailbox": (BERT, {"restanteVanishedSince": "20260101000000Z",
                                  "restanteVanishingAddress": "b@example.org 20260101000000Z"}),
    "source id": (BERT, {"restanteSourceId": "b"}),
    "state of a move": (MOVE, {"restanteMoveState": "1"}),
    "claims of a move": (MOVE, {"restanteMoveClaim": "anna@example.org"}),
    "branches of a move": (MOVE, {"restanteMoveBranch": "data 20260101000000Z"}),
    "messages held for a move": (MOVE, {"restanteMoveHeld": "front1 3 20260101000000.000000Z"}),
}

MAY_WRITE = {
    "front1": {"acknowledgement of front1", "node state disabled"},
    "control": {"state of a mailbox", "system of a mailbox", "physical address", "source id",
                "epoch", "lease", "sync asked", "state of a move", "claims of a move",
                "branches of a move", "messages held for a move"},
    "dirsync": {"physical address", "access addresses", "other attributes", "source id",
                "marks of a mailbox", "sync finished", "sync failed", "sync records",
                "leases of syncs", "claims of a move"},
    "transfer": {"branches of a move"},
    "operator": set(WRITES),
    None: set(),
}


@pytest.mark.parametrize("who", MAY_WRITE, ids=str)
def test_who_may_write_what(with_move, who):
    directory = with_move
    may = set()
    for name, (dn, change) in WRITES.items():
        before = directory.read(dn, attributes=list(change))
        code = directory.replace(dn, who=who, check=False, **change).returncode
        # without a word about what it may not even see (32), or bind first (8)
        assert code in (0, REFUSED, 32, 8), (name, code)
        if code == 0:
            may.add(name)
            for attribute in change:
                if attribute != "userPassword":
                    directory.replace(dn, **{attribute: before.get(attribute.lower())})
    assert may == MAY_WRITE[who]
    directory.replace(BERT, userPassword=None, telephoneNumber=None)


def names(entries):
    return {dn.split(",")[0] for dn, _ in entries}


def test_what_a_front_door_sees(with_move):
    """Mailboxes, backends, the federation, its own entry, which mailbox a move is of, and since when it
    holds; not nodes, people or secrets."""
    seen = names(with_move.search(who="front1"))
    assert {"uid=anna", "cn=S1", "cn=S3", "cn=restante", "cn=front1", "cn=m1"} <= seen
    assert not seen & {"cn=front2", "cn=control", "cn=administrators"}
    shown = {"objectclass", "restantemovemailbox", "restantemovehold", "restantemoveheld"}
    assert set(with_move.read(MOVE, who="front1")) <= shown
    # of others no more than the name
    assert with_move.read(PEOPLE, who="front1") == {}
    anna = with_move.read("uid=anna," + PEOPLE, who="front1")
    assert {"maillocaladdress", "mailroutingaddress", "restantesystem", "entryuuid", "entrycsn",
            "objectclass"} <= set(anna)
    assert not {"sn", "telephonenumber", "userpassword"} & set(anna)
    assert "userpassword" not in with_move.read(FRONT1, who="front1")
    assert "contextcsn" in with_move.read(BASE, who="front1")


def test_a_front_door_is_told_that_a_mailbox_is_gone(with_move, tmp_path):
    """slapd keeps such a message back from whom a rule hides the entry without its attributes."""
    dn = with_move.add_mailbox("leaver")
    heard = tmp_path / "heard"

    def hears(text, times=1):
        wait_for(lambda: heard.read_text().count(text) >= times, 10, text)
    with open(heard, "w") as out:
        follower = subprocess.Popen(
            ["stdbuf", "-oL", "ldapsearch", "-L"] + with_move.bind("front1") +
            ["-b", BASE, "-E", "sync=rp", "(mailLocalAddress=leaver@example.org)", "cn"],
            stdout=out, stderr=subprocess.STDOUT)
    try:
        hears("cn: leaver")
        hears("SyncInfo Received")
        with_move.modify("dn: %s\nchangetype: delete\n" % dn)
        hears("dn: uid=leaver", 2)
    finally:
        follower.kill()
        follower.wait()


def test_what_a_daemon_sees(with_move):
    for who in ("control", "dirsync", "transfer"):
        seen = names(with_move.search(who=who))
        assert {"uid=anna", "cn=S1", "cn=m1", "cn=restante"} <= seen
        assert "cn=administrators" not in seen
    assert {"cn=front1", "cn=front2"} <= names(with_move.search(who="control"))


def test_anonymous_and_people_see_nothing(with_move):
    assert with_move.search(who=None, check=False) == []
    with_move.replace(BERT, userPassword="pass-of-bert")
    done = run(["ldapsearch", "-LLL", "-x", "-H", with_move.uri, "-D", BERT, "-w", "pass-of-bert",
                "-b", BASE], check=False)
    assert done.returncode == 32 and done.stdout.strip() == b""
    with_move.replace(BERT, userPassword=None)


def test_dirsync_makes_and_deletes_mailboxes_but_not_nodes(with_move):
    entry = ("dn: uid=fresh,%s\nchangetype: add\nobjectClass: inetOrgPerson\n"
             "objectClass: inetLocalMailRecipient\nobjectClass: restanteMailbox\nuid: fresh\n"
             "cn: fresh\nsn: fresh\nrestanteSystem: S1\nmailRoutingAddress: fresh@s1.lab\n"
             "mailLocalAddress: fresh@example.org\n" % PEOPLE)
    for who, code in (("front1", REFUSED), ("transfer", REFUSED), ("dirsync", 0)):
        assert with_move.modify(entry, who=who, check=False).returncode == code
    with_move.modify("dn: uid=fresh,%s\nchangetype: delete\n" % PEOPLE, who="dirsync")
    # it takes the mailbox from an entry that stays, as a whole, and gives it to no other system
    with_move.modify(entry, who="dirsync")
    fresh = "dn: uid=fresh,%s\nchangetype: modify\n" % PEOPLE
    for change, code in (("replace: restanteSystem\nrestanteSystem: S2\n", REFUSED),
                         ("delete: restanteSystem\n", 65)):  # objectClassViolation
        assert with_move.modify(fresh + change, who="dirsync", check=False).returncode == code
    with_move.modify(fresh + "delete: objectClass\nobjectClass: inetLocalMailRecipient\n"
                     "objectClass: restanteMailbox\n-\ndelete: restanteSystem\n-\n"
                     "delete: mailRoutingAddress\n-\ndelete: mailLocalAddress\n", who="dirsync")
    with_move.modify("dn: uid=fresh,%s\nchangetype: delete\n" % PEOPLE)
    node = ("dn: cn=rogue,ou=nodes,%s\nchangetype: add\nobjectClass: restanteNode\ncn: rogue\n"
            "restanteNodeState: enabled\n" % FEDERATION)
    for who in ("dirsync", "control", "transfer", "front1"):
        assert with_move.modify(node, who=who, check=False).returncode in (REFUSED, 32)


def test_dirsync_uses_an_approval_up_but_gives_none(with_move):
    with_move.replace(S1, restanteSyncApproval="deletions:120")
    delete = ("dn: %s\nchangetype: modify\ndelete: restanteSyncApproval\n"
              "restanteSyncApproval: deletions:120\n" % S1)
    assert with_move.replace(S1, who="dirsync", check=False,
                             restanteSyncApproval="deletions:121").returncode == REFUSED
    assert with_move.modify(delete, who="control", check=False).returncode == REFUSED
    with_move.modify(delete, who="dirsync")
    assert "restantesyncapproval" not in with_move.read(S1)


def test_root_by_ldapi_is_the_administrator(with_move):
    with_move.replace(BERT, who="root", restanteState="holding")
    assert with_move.read(BERT)["restantestate"] == ["holding"]
    with_move.replace(BERT, who="root", restanteState=None)


def test_a_swap_asserts_state_and_csn(with_move):
    """RFC 4528 as the swap uses it: refused once anybody has touched the entry."""
    csn = with_move.read(BERT, attributes=["entryCSN"], who="control")["entrycsn"][0]
    swap = ("dn: %s\nchangetype: modify\nreplace: mailRoutingAddress\n"
            "mailRoutingAddress: bert@s2.lab\n" % BERT).encode()

    def attempt(assertion):
        return run(["ldapmodify"] + with_move.bind("control") + ["-e", "!assert=" + assertion],
                   stdin=swap, check=False).returncode
    assert attempt("(&(restanteState=holding)(entryCSN=%s))" % csn) == 122
    with_move.replace(BERT, restanteState="holding", who="control")
    assert attempt("(&(restanteState=holding)(entryCSN=%s))" % csn) == 122
    csn = with_move.read(BERT, attributes=["entryCSN"], who="control")["entrycsn"][0]
    assert attempt("(&(restanteState=holding)(entryCSN=%s))" % csn) == 0
    with_move.replace(BERT, restanteState=None, mailRoutingAddress="bert@s1.lab", who="operator")
