"""Active Directory as a source of up syncs: deltas by uSNChanged, against a Samba domain
controller; and the sample settings for it, from there into the directory."""

import os
import re

import pytest

from lab.dirsync import Dirsync
from lab.lab import Lab
from lab.ldaprelay import DONE, LdapRelay
from lab.activedirectory import ADMINISTRATOR, PEOPLE, READER, SUFFIX, Samba, dn_of, person
from lab.slapd import FEDERATION
from source import Source
from synced import counts

NAMES = ["anna", "bert", "carl", "dora", "emil", "frida"]
OURS = ("(&(objectClass=user)(!(objectClass=computer))(!(isCriticalSystemObject=TRUE))"
        "(!(sAMAccountName=reader)))")
X500 = "/o=AD/ou=First/cn=Recipients/cn="


@pytest.fixture(scope="module", name="lab")
def _lab():
    with Lab(start=("slapd",)) as lab:
        yield lab


@pytest.fixture(scope="module", name="samba")
def _samba(lab):
    samba = Samba(lab)
    lab.servers.append(samba)
    samba.start()
    samba.modify("dn: %s\nchangetype: add\nobjectClass: organizationalUnit\n" % PEOPLE)
    return samba


@pytest.fixture(name="people")
def _people(samba):
    """NAMES, as they were at first."""
    there = [dn for dn, _ in samba.search(OURS, ["cn"])]
    samba.modify("\n".join(["dn: %s\nchangetype: delete\n" % dn for dn in there] + [person(
        name, mail=name + "@ad.example", displayName=name.title(), legacyExchangeDN=X500 + name,
        proxyAddresses=["SMTP:%s@ad.example" % name, "smtp:%s.alias@ad.example" % name,
                        "X500:/o=Old/cn=" + name, "SIP:%s@ad.example" % name])
        for name in NAMES]))
    return samba


def keys(samba, who="administrator", **more):
    return {"uri": samba.uri, "bind": "simple", "password_file": samba.password_files[who],
            "bind_dn": ADMINISTRATOR if who == "administrator" else READER, "base": PEOPLE,
            "filter": "(&(objectCategory=person)(objectClass=user)(mail=*))", "id": "objectGUID",
            "addresses": "mail", "proxy_addresses": "proxyAddresses", "foreign": "legacyExchangeDN",
            "physical": "%{sAMAccountName}@s1.lab", "delta": "usn", "page": 4, **more}


@pytest.fixture(name="source")
def _source(lab):
    opened = []

    def make(samba, **more):
        opened.append(Source(lab.dir, lab.build, keys(samba, **more), "employeeType=restante",
                             "source%d" % len(opened)))
        return opened[-1].__enter__()
    yield make
    for one in opened:
        one.__exit__(None, None, None)


def ids(pull):
    """{name: id}"""
    return {line["physical"].split("@")[0]: one for one, line in pull.persons.items()}


def test_everything(people, source):
    pull = source(people).pull()
    assert (pull.outcome, pull.refused) == ("complete", [])
    assert sorted(ids(pull)) == NAMES
    anna = pull.persons[ids(pull)["anna"]]
    assert len(anna["person"]) == 32 and int(anna["person"], 16)  # bytes as hexadecimal
    assert anna["addresses"] == ["anna.alias@ad.example", "anna@ad.example"]
    assert anna["primary"] == "anna@ad.example"
    assert sorted(anna["foreign"]) == ["X500:" + X500 + "anna", "X500:/o=Old/cn=anna"]


def test_a_delta_shows_what_changed_and_what_is_gone(people, source):
    one = source(people)
    full = one.pull()
    id_of = ids(full)
    nothing = one.delta(full.mark)
    assert (nothing.outcome, nothing.persons) == ("delta", {})
    people.add("hans", mail="hans@ad.example")
    people.replace("anna", displayName="Anna the Second")
    people.delete("bert")
    people.move("carl")
    people.replace("dora", mail=None)
    people.move("emil", to=PEOPLE, new="emile")
    delta = one.delta(full.mark)
    assert delta.outcome == "delta" and delta.deletes and delta.reason == ""
    assert sorted(ids(delta)) == ["anna", "emil", "hans"]
    assert delta.gone >= {id_of["bert"], id_of["carl"], id_of["dora"]}
    assert not delta.gone & (set(delta.persons) | {id_of["frida"]})
    # back again, all of them but the deleted one
    people.move("carl", to=PEOPLE, old="CN=Users," + SUFFIX)
    people.replace("dora", mail="dora@ad.example")
    back = one.delta(delta.mark)
    assert ids(back) == {"carl": id_of["carl"], "dora": id_of["dora"]}
    assert not back.gone & set(id_of.values()) - {id_of["bert"]}


def test_without_the_right_to_see_deleted_objects(people, source):
    """Only full pulls delete then, and the result says so; what moved is seen none the less."""
    one = source(people, who="reader")
    full = one.pull()
    id_of = ids(full)
    assert sorted(id_of) == NAMES
    people.delete("anna")
    people.move("bert")
    delta = one.delta(full.mark)
    assert delta.outcome == "delta" and not delta.deletes
    assert "CN=Deleted Objects" in delta.reason
    assert id_of["bert"] in delta.gone and id_of["anna"] not in delta.gone
    assert "anna" not in ids(one.pull())
    people.modify("dn: CN=bert,CN=Users,%s\nchangetype: delete\n" % SUFFIX)


@pytest.mark.parametrize("change, why", [
    (lambda usn, invocation, dsa: (usn, invocation[::-1], dsa), "invocationId"),
    (lambda usn, invocation, dsa: (usn, invocation, dsa.replace("CN=", "CN=x", 1)),
     "another domain controller"),
    (lambda usn, invocation, dsa: (str(int(usn) + 100000), invocation, dsa), "lower"),
])
def test_a_mark_that_does_not_hold(people, source, change, why):
    one = source(people)
    kind, digest, usn, invocation, dsa = one.pull().mark.split(" ", 4)
    assert kind == "usn" and dsa.startswith("CN=NTDS Settings,CN=DC1")
    pull = one.delta(" ".join((kind, digest) + change(usn, invocation, dsa)))
    assert pull.outcome == "complete" and why in pull.reason
    assert sorted(ids(pull)) == NAMES


def test_what_changes_during_a_pull_is_not_gone(people, source):
    """After the search in the base, before the one beyond it: its USN is another one by then."""
    full = source(people).pull()
    id_of = ids(full)
    people.replace("anna", displayName="Anna the Second")
    results = []

    def meanwhile(message):
        results.append(message.op == DONE)
        # root entry, invocationId, the base
        if message.op == DONE and sum(results) == 3:
            people.replace("bert", displayName="Bert the Second")
        return [message]
    with LdapRelay(389, meanwhile, everything=True, host=people.address) as relay:
        one = source(people, uri=relay.uri, page=0)
        delta = one.delta(full.mark)
        relay.tamper = None
        assert delta.outcome == "delta" and sum(results) > 3
        assert list(ids(delta)) == ["anna"] and id_of["bert"] not in delta.gone
        after = one.delta(delta.mark)
        assert "bert" in ids(after) and id_of["bert"] not in after.gone


def test_ids_that_tombstones_lack(people, source):
    one = source(people, id="mail")
    full = one.pull()
    people.delete("anna")
    # an object beyond the base with the id of somebody who has not changed
    people.modify("dn: CN=other,CN=Users,%s\nchangetype: add\nobjectClass: contact\n"
                  "mail: bert@ad.example\n" % SUFFIX)
    delta = one.delta(full.mark)
    assert delta.outcome == "delta" and not delta.deletes
    assert "id must be objectGUID" in delta.reason
    assert "bert@ad.example" in full.persons and delta.gone == set()


def test_one_server_alone_is_asked(people, source):
    """delta = usn is asked of the one server that delta_server names."""
    pull = source(people, uri="ldap://127.0.0.1:1", delta_server=people.uri).pull()
    assert pull.outcome == "complete"
    pull = source(people, uri="ldap://127.0.0.1:1 " + people.uri).pull()
    assert pull.outcome == "incomplete" and "127.0.0.1:1" in pull.reason


def test_another_delta_is_refused(people, source):
    """modifyTimestamp is computed there: a filter on it never matches."""
    pull = source(people, delta="modifyTimestamp").pull()
    assert pull.outcome == "incomplete" and "set delta = usn" in pull.reason


def test_whole_pulls_by_pages(people, source):
    """References to the other naming contexts of the domain do not make it incomplete."""
    pull = source(people, base=SUFFIX, delta="none", page=2).pull()
    assert pull.outcome == "complete" and set(NAMES) <= set(ids(pull))
    assert all(line["place"] == dn_of(name) for name in NAMES
               for line in [pull.persons[ids(pull)[name]]])


# --- into the directory, by the sample settings ---------------------------------------------------

def sample_keys(lab, samba, who):
    """contrib/dirsync/active-directory.conf, with the names of this domain."""
    with open(os.path.join(lab.source, "contrib/dirsync/active-directory.conf")) as conf:
        text = re.search(r"(?ms)^up S1 \{(.*?)^\}", conf.read()).group(1)
    keys = dict(re.findall(r'(?m)^  (\w+) = "?(.*?)"?$', text))
    assert keys["id"] == "objectGUID" and keys["delta"] == "usn"
    del keys["ca_file"]
    return {**keys, "uri": samba.uri, "delta_server": samba.uri, "base": PEOPLE,
            "bind_dn": ADMINISTRATOR if who == "administrator" else READER,
            "password_file": samba.password_files[who], "page": 4, "every": "0s",
            "max_delete_percent": 100,
            # Exchange's part of the schema is not Samba's
            "filter": keys["filter"].replace("msExchMailboxGuid", "proxyAddresses"),
            "physical": keys["physical"].replace("exchange.example.net", "exchange.lab")}


class Synced:
    """A system of this test's own, its mailboxes in the domain, and the directory."""

    def __init__(self, lab, samba, name, who="administrator"):
        self.lab, self.name = lab, name
        self.dn = "cn=%s,ou=systems,%s" % (name, FEDERATION)
        lab.slapd.modify("dn: %s\nchangetype: add\nobjectClass: restanteBackend\ncn: %s\n" % (
            self.dn, name), "root")
        self.dirsync = Dirsync(lab, {name: sample_keys(lab, samba, who)},
                               downs={name: {"marker": "adminDescription=restante", "target":
                                             "ldap", "uri": samba.uri, "container": PEOPLE,
                                             "search_base": SUFFIX}},
                               name="dirsync-" + name.lower())

    def run(self, *arguments):
        """(counts, whether everything was read)"""
        _, out = self.dirsync.once("--up", *arguments, self.name)
        return counts(out), re.findall(r"up sync complete .* full=(\d)",
                                       self.dirsync.log_text())[-1] == "1"

    def entries(self):
        return {e["mailroutingaddress"][0].split("@")[0]: e
                for _, e in self.lab.slapd.search("(restanteSystem=%s)" % self.name)}

    def outcome(self):
        return self.lab.slapd.read(self.dn)["restanteupsyncoutcome"][0]


def mailbox(name, system, *aliases):
    return person(name, displayName=name.title(), legacyExchangeDN=X500 + name, proxyAddresses=[
        "SMTP:%s@example.org" % system_name(name, system), "X500:/o=Old/cn=" + name,
        *("smtp:" + alias for alias in aliases)], mail="%s@example.org" % system_name(name, system))


def system_name(name, system):
    return "%s.%s" % (name.title(), system)


@pytest.fixture(name="exchange")
def _exchange(lab, people):
    """Those of NAMES with addresses that are federated; a contact of ours beside them."""
    made = []

    def make(name, **more):
        for one in NAMES:
            people.delete(one)
        people.modify("\n".join(
            [mailbox(one, name, "%s.alias.%s@example.org" % (one, name)) for one in NAMES]
            + ["dn: CN=ours,%s\nchangetype: add\nobjectClass: contact\nmail: ours@example.org\n"
               "adminDescription: restante\nproxyAddresses: SMTP:ours@example.org\n" % PEOPLE]))
        made.append(Synced(lab, people, name, **more))
        return made[-1]
    yield make
    people.modify("dn: CN=ours,%s\nchangetype: delete\n" % PEOPLE)


def test_the_sample_from_there_into_the_directory(people, exchange):
    one = exchange("A1")
    found, full = one.run()
    assert full and (found["added"], found["refused"], found["conflicts"]) == (len(NAMES), 0, 0)
    first = one.entries()
    assert sorted(first) == NAMES
    anna = first["anna"]
    assert anna["mail"] == ["Anna.A1@example.org"]
    assert sorted(anna["maillocaladdress"]) == ["anna.a1@example.org", "anna.alias.a1@example.org"]
    assert sorted(anna["restanteforeignaddress"]) == [
        "X500:" + X500 + "anna", "X500:/o=Old/cn=anna"]
    # nothing is written twice, by deltas nor by a full run
    for arguments, whole in (((), False), (("--full",), True), ((), False)):
        found, full = one.run(*arguments)
        assert full == whole and found["changed"] == found["added"] == 0
    assert one.entries() == first


def test_what_changes_there_changes_in_the_directory(people, exchange):
    """New, renamed, an alias that passes, deleted, moved out of the base, not matched any more."""
    one = exchange("A2")
    one.run()
    people.modify(mailbox("hans", "A2", "frida.alias.a2@example.org"))
    people.replace("frida", displayName="Frida the Second", proxyAddresses="SMTP:Frida.A2@example.org")
    people.delete("bert")
    people.move("carl")
    people.replace("dora", proxyAddresses=None)
    people.move("emil", to=PEOPLE, new="emile")
    found, full = one.run()
    assert not full and (found["refused"], found["conflicts"]) == (0, 0)
    entries = one.entries()
    assert sorted(entries) == sorted(NAMES + ["hans"])
    assert {name for name, e in entries.items() if "restantevanishedsince" in e} == {
        "bert", "carl", "dora"}
    assert entries["frida"]["displayname"] == ["Frida the Second"]
    assert entries["frida"]["maillocaladdress"] == ["frida.a2@example.org"]
    assert "frida.alias.a2@example.org" in entries["hans"]["maillocaladdress"]
    # back again; and an address of one who is gone passes to somebody else
    people.move("carl", to=PEOPLE, old="CN=Users," + SUFFIX)
    people.replace("anna", proxyAddresses=["SMTP:Anna.A2@example.org", "smtp:bert.a2@example.org"])
    found, full = one.run()
    entries = one.entries()
    assert not full and found["conflicts"] == 0
    assert "restantevanishedsince" not in entries["carl"]
    assert "bert.a2@example.org" in entries["anna"]["maillocaladdress"]
    # a full run finds nothing that these have missed
    before = one.entries()
    found, full = one.run("--full")
    changed = {name for name, e in one.entries().items() if e != before[name]}
    assert full and (found["added"], found["deleted"]) == (0, 0) and not changed
    people.delete("hans")


def test_who_may_not_see_deletions_is_told_so(people, exchange):
    """Only full runs delete then."""
    one = exchange("A3", who="reader")
    one.run()
    people.delete("anna")
    found, full = one.run()
    assert not full and "CN=Deleted Objects" in one.outcome()
    assert "restantevanishedsince" not in one.entries()["anna"]
    one.run("--full")
    assert "restantevanishedsince" in one.entries()["anna"]
