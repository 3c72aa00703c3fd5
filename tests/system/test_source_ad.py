"""Active Directory as a source of up syncs: deltas by uSNChanged, against a Samba domain
controller."""

import pytest

from lab.lab import Lab
from lab.ldaprelay import DONE, LdapRelay
from lab.activedirectory import ADMINISTRATOR, PEOPLE, READER, SUFFIX, Samba, dn_of, person
from source import Source

NAMES = ["anna", "bert", "carl", "dora", "emil", "frida"]
OURS = ("(&(objectClass=user)(!(objectClass=computer))(!(isCriticalSystemObject=TRUE))"
        "(!(sAMAccountName=reader)))")
X500 = "/o=AD/ou=First/cn=Recipients/cn="


@pytest.fixture(scope="module", name="lab")
def _lab():
    with Lab(start=()) as lab:
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
    delta = one.delta(full.mark)
    assert delta.outcome == "delta" and not delta.deletes
    assert "id must be objectGUID" in delta.reason


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
