"""directory/: the replica and its consumer against a real slapd."""

import os
import socket
import subprocess
import time

import pytest

from lab.lab import Lab
from lab.process import run, wait_for
from lab.slapd import BASE, FEDERATION, IDENTITIES, PEOPLE
from replica import Replica

FRONT1 = IDENTITIES["front1"]
MANY = 3000


@pytest.fixture(name="lab")
def _lab():
    with Lab(start=("slapd",)) as lab:
        yield lab


@pytest.fixture(name="replica")
def _replica(lab):
    replica = Replica(lab).start()
    replica.wait_loaded()
    yield replica
    replica.kill()


def people(count, first=0):
    for number in range(first, first + count):
        uid = "m%06d" % number
        yield ("dn: uid=%s,%s\nobjectClass: inetOrgPerson\nobjectClass: inetLocalMailRecipient\n"
               "objectClass: restanteMailbox\nuid: %s\ncn: %s\nsn: %s\n"
               "mailLocalAddress: %s@example.org\nmailLocalAddress: %s.alias@example.org\n"
               "mailRoutingAddress: %s@s1.lab\nrestanteSystem: S1\n\n" % ((uid, PEOPLE) + (uid,) * 6))


def delete(lab, *uids):
    lab.slapd.modify("\n".join("dn: %s\nchangetype: delete\n" % lab.slapd.mailbox_dn(u)
                               for u in uids))


def heartbeat(lab):
    now = time.strftime("%Y%m%d%H%M%SZ", time.gmtime())
    lab.slapd.replace(FRONT1, who="front1", restanteHeartbeat=now)


def with_many(lab):
    lab.slapd.stop()
    lab.slapd.load("".join(people(MANY)))
    lab.slapd.start()


# --- the first load and what is pushed ------------------------------------------------------


def test_first_load(replica):
    view = replica.view()
    assert view["node"] == "enabled" and view["node_durable"] and view["epoch_covered"]
    assert view["mailboxes"] > 5 and view["refused"] == 0
    assert replica.lookup("anna@example.org") == {
        "verdict": "rewrite", "reason": "mailbox is active", "match": "full", "claims": 1,
        "federated": True, "vanished": False, "enabled": True, "system": "S1",
        "physical": "anna@s1.lab", "name": "anna@example.org"}
    assert replica.verdict("anna@elsewhere.test") == "leave"


def test_add_modify_rename_delete(lab, replica):
    dn = lab.slapd.add_mailbox("zoe", addresses=["zoe@example.org", "z@example.org"])
    replica.wait_physical("zoe@example.org", "zoe@s1.lab")
    lab.slapd.replace(dn, mailRoutingAddress="zoe@s2.lab", restanteSystem="S2")
    replica.wait_physical("z@example.org", "zoe@s2.lab")
    lab.slapd.replace(dn, restanteState="holding")
    replica.wait_verdict("zoe@example.org", "hold")
    assert "zoe@s2.lab" in replica.ask("held")["held"]
    lab.slapd.modify("dn: %s\nchangetype: modrdn\nnewrdn: uid=zoe2\ndeleteoldrdn: 1\n" % dn)
    dn = lab.slapd.mailbox_dn("zoe2")
    lab.slapd.replace(dn, restanteState=None, mailLocalAddress="zoe@example.org")
    replica.wait_verdict("zoe@example.org", "rewrite")
    replica.wait("the other address to vanish",
                 lambda: replica.lookup("z@example.org")["vanished"])
    assert replica.view()["mailboxes"] == count(lab)
    delete(lab, "zoe2")
    replica.wait("zoe to vanish", lambda: replica.lookup("zoe@example.org")["vanished"])
    assert replica.view()["mailboxes"] == count(lab)


def count(lab):
    return len(lab.slapd.search("(objectClass=restanteMailbox)", ("1.1",)))


def test_lookup_order(lab, replica):
    lab.slapd.add_mailbox("all", addresses=["@xn--bcher-kva.example", "list+x@example.org"])
    replica.wait_physical("list+x@example.org", "all@s1.lab")
    assert replica.lookup("anna+Detail@EXAMPLE.org")["physical"] == "anna+Detail@s1.lab"
    assert replica.lookup("ANNA@example.org")["match"] == "full"
    found = replica.lookup("whoever+x@BÜCHER.example")
    assert (found["match"], found["physical"]) == ("catchall", "all@s1.lab")
    assert replica.lookup("list+x@example.org")["match"] == "full"
    assert replica.lookup("list@example.org")["match"] == "none"


def test_vanished_does_not_fall_through(lab, replica):
    lab.slapd.add_mailbox("all", addresses=["@example.org"])
    dn = lab.slapd.add_mailbox("tag", addresses=["anna+tag@example.org", "tag@example.org"])
    replica.wait_physical("anna+tag@example.org", "tag@s1.lab")
    lab.slapd.replace(dn, mailLocalAddress="tag@example.org")
    replica.wait_verdict("anna+tag@example.org", "tryagain")
    assert replica.lookup("anna+tag@example.org")["vanished"]
    replica.restart().wait_loaded()
    assert replica.lookup("anna+tag@example.org")["vanished"]


def test_vanished_is_forgotten_after_the_grace(lab):
    replica = Replica(lab, grace_ms=300).start()
    replica.wait_loaded()
    dn = lab.slapd.add_mailbox("tag", addresses=["anna+tag@example.org", "tag@example.org"])
    replica.wait_physical("anna+tag@example.org", "tag@s1.lab")
    lab.slapd.replace(dn, mailLocalAddress="tag@example.org")
    replica.wait_physical("anna+tag@example.org", "anna+tag@s1.lab")
    replica.stop()


def test_two_claims(lab, replica):
    lab.slapd.add_mailbox("one")
    lab.slapd.stop()
    # past slapo-unique, as replication would bring it
    lab.slapd.load("dn: uid=two,%s\nobjectClass: inetOrgPerson\nobjectClass: restanteMailbox\n"
                   "objectClass: inetLocalMailRecipient\nuid: two\ncn: two\nsn: two\n"
                   "mailLocalAddress: one@example.org\nmailRoutingAddress: two@s1.lab\n"
                   "restanteSystem: S1\n" % PEOPLE)
    lab.slapd.start()
    # what slapadd put in is older than the context: a new cookie does not bring it
    lab.slapd.replace("uid=two," + PEOPLE, description="touched")
    replica.wait("two claims", lambda: replica.lookup("one@example.org")["claims"] == 2)
    assert replica.verdict("one@example.org") == "tryagain"
    replica.wait_log("2 mailboxes claim one address address=one@example.org")
    delete(lab, "two")
    replica.wait_verdict("one@example.org", "rewrite")


@pytest.mark.parametrize("state, verdict", [("frozen", "tryagain"), ("deferred", "defer"),
                                            ("HOLDING", "hold"), ("active", "rewrite")])
def test_states(lab, replica, state, verdict):
    lab.slapd.add_mailbox("st", state=state)
    replica.wait_verdict("st@example.org", verdict)


def test_system_held_and_unknown(lab, replica):
    lab.slapd.replace("cn=S1,ou=systems," + FEDERATION, restanteState="holding")
    replica.wait_verdict("anna@example.org", "hold")
    assert "anna@s1.lab" in replica.ask("held")["held"]
    lab.slapd.replace("cn=S1,ou=systems," + FEDERATION, restanteState="odd")
    replica.wait_verdict("anna@example.org", "tryagain")
    lab.slapd.replace("cn=S1,ou=systems," + FEDERATION, restanteState=None)
    replica.wait_verdict("anna@example.org", "rewrite")
    lab.slapd.add_mailbox("lost", system="S9", physical="lost@s9.lab")
    replica.wait("lost to be there", lambda: replica.lookup("lost@example.org")["claims"] == 1)
    assert replica.verdict("lost@example.org") == "tryagain"


@pytest.mark.parametrize("physical, reason", [
    ("no address", "physical address is malformed"),
    ("x@example.net", "physical address is in a federated domain")])
def test_bad_physical(lab, replica, physical, reason):
    lab.slapd.add_mailbox("bad", physical=physical)
    replica.wait("bad to be there", lambda: replica.lookup("bad@example.org")["claims"] == 1)
    found = replica.lookup("bad@example.org")
    assert (found["verdict"], found["reason"], found["physical"]) == ("tryagain", reason, "")


def test_bad_access_address_is_left_out(lab, replica):
    lab.slapd.add_mailbox("mix", addresses=["mix@example.org", "a b@@"])
    replica.wait_verdict("mix@example.org", "rewrite")
    replica.wait_log("a value cannot be used and is left out")


def test_current_with_heartbeats(lab):
    replica = Replica(lab, heartbeat_ms=2000).start()
    replica.wait_loaded()
    assert not replica.view()["current"]
    assert replica.verdict("nobody@example.org") == "tryagain"
    heartbeat(lab)
    replica.wait_view(current=True)
    assert replica.verdict("nobody@example.org") == "nobody"
    replica.wait_view(current=False, timeout=10)
    replica.restart().wait_loaded()
    assert not replica.view()["current"]
    replica.stop()


def test_an_old_heartbeat_vouches_for_nothing(lab, replica):
    old = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() - 3600))
    seen = replica.status()["cookie"]
    lab.slapd.replace(FRONT1, who="front1", restanteHeartbeat=old)
    replica.wait("the change", lambda: replica.status()["cookie"] != seen)
    assert not replica.view()["current"]


def test_epoch_and_observer(lab, replica):
    before = replica.ask("events")
    lab.slapd.replace(FEDERATION, restanteEpoch="7")
    replica.wait_view(epoch=7, epoch_covered=True)
    replica.wait("the observer", lambda: replica.ask("events")["all"] > before["all"])
    csn = replica.view()["epoch_csn"]
    before = replica.ask("events")
    # the lease is renewed on the same entry: the epoch is not younger for it
    lab.slapd.replace(FEDERATION, who="control", restanteLeaseHolder="x")
    replica.wait("the cookie", lambda: replica.status()["cookie"] > "rid=000,csn=" + csn)
    assert replica.view()["epoch_csn"] == csn
    lab.slapd.replace(lab.slapd.mailbox_dn("anna"), restanteState="holding")
    replica.wait("one event", lambda: replica.ask("events")["one"] > before["one"])
    assert replica.ask("events")["all"] == before["all"]


def test_node_state(lab, replica):
    lab.slapd.replace(FRONT1, restanteNodeState="disabling")
    replica.wait_view(node="disabling", node_durable=True)
    assert replica.verdict("anna@example.org") == "tryagain"
    lab.slapd.replace(FRONT1, restanteNodeState="enabled")
    replica.wait_view(node="enabled", node_durable=True)
    assert replica.verdict("anna@example.org") == "rewrite"
    replica.restart()
    assert replica.view()["node_durable"]
    assert replica.verdict("anna@example.org") == "rewrite"


def test_cookies_of_others_writes(lab, replica):
    """Every write outside of the filter brings a cookie: the vector follows, cheaply."""
    lab.slapd.replace(IDENTITIES["control"], description="something else")
    csn = lab.slapd.read(BASE, ("contextCSN",), "root")["contextcsn"][0]
    replica.wait("the vector", lambda: csn in replica.status()["cookie"])
    replica.restart()
    assert csn in replica.status()["cookie"]


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
    assert replica.view()["mailboxes"] == count(lab)


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
    assert replica.view()["mailboxes"] == count(lab)
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
    assert replica.view()["mailboxes"] == count(lab)
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


# --- deletions that are not believed --------------------------------------------------------


def vanish(lab, replica, number):
    """That many mailboxes go while nobody looks, by a slapd without a session log."""
    replica.stop()
    delete(lab, *("m%06d" % n for n in range(number)))
    lab.slapd.restart()
    replica.start()


def test_mass_disappearance_waits_for_approval(lab):
    with_many(lab)
    replica = Replica(lab).start()
    replica.wait_loaded()
    vanish(lab, replica, MANY // 2)
    replica.wait_view(refused=MANY // 2)
    replica.wait_loaded()
    cookie = replica.status()["cookie"]
    assert replica.verdict("m000000@example.org") == "rewrite"
    # life goes on, but the vector stays and no epoch is covered
    lab.slapd.replace(FEDERATION, restanteEpoch="9")
    replica.wait_view(epoch=9)
    assert not replica.view()["epoch_covered"]
    assert replica.status()["cookie"] == cookie
    replica.restart().wait_loaded()
    assert replica.view()["refused"] == MANY // 2
    assert replica.verdict("m000000@example.org") == "rewrite"
    assert replica.status()["cookie"] == cookie
    assert replica.ask("approve")["result"] == MANY // 2
    assert replica.lookup("m000000@example.org")["vanished"]
    assert replica.view()["mailboxes"] == count(lab)
    replica.wait_view(refused=0, epoch_covered=True)
    assert replica.ask("approve")["error"] == "no refused disappearance waits"
    replica.stop()


def test_mass_deletion_while_we_look(lab):
    """Pushed one by one: beyond the share each waits for the administrator."""
    with_many(lab)
    replica = Replica(lab).start()
    replica.wait_loaded()
    share = replica.view()["mailboxes"] // 10
    delete(lab, *("m%06d" % n for n in range(MANY // 2)))
    replica.wait_view(refused=MANY // 2 - share)
    assert replica.verdict("m001499@example.org") == "rewrite"
    assert replica.lookup("m000000@example.org")["vanished"]
    replica.restart().wait_loaded()
    assert replica.view()["refused"] == MANY // 2 - share
    assert replica.verdict("m001499@example.org") == "rewrite"
    assert replica.ask("approve")["result"] == MANY // 2 - share
    assert replica.view()["mailboxes"] == count(lab)
    replica.stop()


def test_mass_disappearance_that_was_an_error(lab):
    with_many(lab)
    replica = Replica(lab).start()
    replica.wait_loaded()
    vanish(lab, replica, MANY // 2)
    replica.wait_view(refused=MANY // 2)
    replica.stop()
    lab.slapd.stop()
    lab.slapd.load("".join(people(MANY // 2)))
    lab.slapd.start()
    replica.start()
    # they came back under other ids: each address has two claims until the old ones are approved
    replica.wait("both", lambda: replica.lookup("m000000@example.org")["claims"] == 2)
    assert replica.verdict("m000000@example.org") == "tryagain"
    assert replica.ask("approve")["result"] == MANY // 2
    replica.wait_verdict("m000000@example.org", "rewrite")
    replica.stop()


def test_below_the_share_is_believed(lab):
    with_many(lab)
    replica = Replica(lab).start()
    replica.wait_loaded()
    vanish(lab, replica, MANY // 20)
    replica.wait_loaded()
    assert replica.view()["refused"] == 0
    assert replica.lookup("m000000@example.org")["vanished"]
    replica.stop()


def set_server_id(slapd, number):
    if number is None:
        return
    with open(slapd.conf) as conf:
        text = conf.read()
    with open(slapd.conf, "w") as conf:
        conf.write("serverID %d\n" % number + text)


@pytest.fixture(name="slow")
def _slow(lab, request):
    """A second provider with the content that the first has now, and the passwords of the first."""
    first, second = getattr(request, "param", (1, 2))
    lab.slapd.stop()
    set_server_id(lab.slapd, first)
    lab.slapd.start()
    lab.slapd.replace(lab.slapd.mailbox_dn("anna"), description="so that this server has a CSN")
    other = Lab(start=())
    try:
        other.make(("slapd",))
        set_server_id(other.slapd, second)
        dump = run(["/usr/sbin/slapcat", "-f", lab.slapd.conf]).stdout.decode()
        run(["find", os.path.join(other.slapd.dir, "db"), "-type", "f", "-delete"])
        other.slapd.passwords = {}
        other.slapd.load(dump)
        other.slapd.start()
        yield other.slapd
    finally:
        other.close()


def leave_behind(lab, replica):
    """A new mailbox and a change that the slow provider does not get; the cookie after them."""
    replica.start().wait_loaded()
    lab.slapd.add_mailbox("late")
    lab.slapd.replace(lab.slapd.mailbox_dn("anna"), mailRoutingAddress="anna@s2.lab")
    replica.wait_physical("anna@example.org", "anna@s2.lab")
    cookie = replica.status()["cookie"]
    replica.stop()
    return cookie


def test_provider_that_is_behind_is_passed_over(lab, slow):
    replica = Replica(lab)
    leave_behind(lab, replica)
    replica.uris = slow.uri + " " + lab.slapd.uri
    replica.start().wait_loaded()
    assert replica.status()["provider"] == lab.slapd.uri
    replica.wait_log("provider is behind provider=%s used=no" % slow.uri)
    replica.stop()


@pytest.mark.parametrize("slow", [(None, None)], indirect=True)
def test_provider_that_is_behind_and_says_so(lab, slow):
    replica = Replica(lab)
    leave_behind(lab, replica)
    replica.uris = slow.uri
    replica.start()
    replica.wait_log("consumer state is newer than provider")
    assert replica.verdict("late@example.org") == "rewrite"
    replica.stop()


def test_provider_that_is_behind_is_not_believed(lab, slow):
    """It runs a complete present phase, without the newest mailbox: nothing is deleted, nothing
    goes back, and the vector stays, so that a better one tells everything."""
    replica = Replica(lab)
    cookie = leave_behind(lab, replica)
    slow.replace(slow.mailbox_dn("bert"), who="root", mailRoutingAddress="bert@s2.lab")
    slow.modify("dn: %s\nchangetype: delete\n" % slow.mailbox_dn("carla"), who="root")
    replica.uris = slow.uri
    replica.start()
    replica.wait_log("not believed")
    replica.wait_physical("bert@example.org", "bert@s2.lab")
    assert replica.verdict("late@example.org") == "rewrite"
    assert replica.physical("anna@example.org") == "anna@s2.lab"
    assert replica.verdict("carla@example.org") != "nobody"
    assert replica.status()["cookie"] == cookie
    replica.stop()
    replica.uris = lab.slapd.uri
    replica.start().wait_loaded()
    assert replica.physical("bert@example.org") == "bert@s2.lab"
    replica.stop()


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
    assert replica.view()["mailboxes"] == count(lab)
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
    assert replica.view()["mailboxes"] == count(lab)
    replica.stop()


# --- trouble with the directory -------------------------------------------------------------


def test_bind_refused(lab, tmp_path):
    password = tmp_path / "password"
    password.write_text("wrong\n")
    password.chmod(0o600)
    replica = Replica(lab, password_file=password).start()
    replica.wait_log("Invalid credentials (49); check bind_dn and password_file")
    assert not replica.view()["loaded"]
    assert replica.verdict("anna@example.org") == "tryagain"
    assert "wrong" not in replica.log_text()
    replica.stop()


def test_password_file_that_others_can_read(lab, tmp_path):
    password = tmp_path / "password"
    password.write_text("secret\n")
    password.chmod(0o644)
    replica = Replica(lab, password_file=password).start()
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
