"""Up sync: what equal means, from a source's file to slapd and back: nothing is written twice."""

import base64
import os

import pytest

from lab.dirsync import Dirsync

NAMES = ["entryCSN", "mail", "restantePrimaryUTF8", "mailLocalAddress", "restanteAddressUTF8",
         "mailRoutingAddress", "restanteForeignAddress", "restanteSourceId", "telephoneNumber",
         "displayName", "cn", "manager"]


def record(number, **attributes):
    lines = ["dn: uid=u%d,o=source" % number, "id: id-%d" % number, "uid: u%d" % number]
    for name, values in attributes.items():
        for value in [values] if isinstance(values, str) else values:
            lines.append("%s:: %s" % (name, base64.b64encode(value.encode()).decode()))
    return "\n".join(lines) + "\n\n"


PEOPLE_OF_S1 = [
    dict(mail="Anna.Upper@Example.ORG", alias=["anna.upper@example.org", "A.UPPER@example.net"]),
    dict(mail="J\u00dcrgen@B\u00fccher.example", alias=["ju\u0308rgen2@b\u00fccher.example"]),
    dict(mail="Anna@B\u00fccher.example"),
    dict(mail='"quoted one"@example.org', alias=['"plain.dots"@example.org',
                                                '"a\\"b\\\\c@d"@example.org']),
    dict(mail="twins@example.org", phone=["+49 30-1", "+4930 1"], name=["One  Name", "one name"],
         proxy=["X500:/o=Org/cn=x", "x500:/O=org/CN=X"]),
]


class Up:
    def __init__(self, lab):
        self.folder = os.path.join(lab.dir, "drop")
        os.makedirs(self.folder, exist_ok=True)
        self.slapd, self.runs = lab.slapd, 0
        self.dirsync = Dirsync(lab, ups={"S1": {
            "source": "ldif", "folder": self.folder, "id": "id", "addresses": "mail alias",
            "primary": "mail", "proxy_addresses": "proxy", "physical": "%{uid}@s1.lab",
            "attributes": "cn=name displayName=name telephoneNumber=phone manager=boss",
            "new_system": True, "max_delete_percent": 100}})

    def run(self, text):
        self.runs += 1
        path = os.path.join(self.folder, "people%d" % self.runs)
        with open(path + ".new", "w") as file:
            file.write(text)
        os.rename(path + ".new", path + ".ldif")
        self.dirsync.once("S1")

    def found(self):
        """{id: entry} of those that this source has told."""
        entries = self.slapd.search("(&(restanteSystem=S1)(restanteSourceId=*))", NAMES)
        return {entry["restantesourceid"][0]: entry for _, entry in entries
                if entry["restantesourceid"][0].startswith("id-")}


@pytest.fixture
def up(small):
    return Up(small)


def test_a_second_run_writes_nothing(up):
    text = "".join(record(n, **one) for n, one in enumerate(PEOPLE_OF_S1))
    up.run(text)
    first = up.found()
    assert sorted(first) == ["id-%d" % n for n in range(len(PEOPLE_OF_S1))]
    assert first["id-0"]["mail"] == ["Anna.Upper@Example.ORG"]
    assert sorted(first["id-0"]["maillocaladdress"]) == [
        "a.upper@example.net", "anna.upper@example.org"]
    assert "mail" not in first["id-1"]
    assert first["id-1"]["restanteprimaryutf8"] == ["J\u00dcrgen@xn--bcher-kva.example"]
    assert sorted(first["id-1"]["restanteaddressutf8"]) == [
        "j\u00fcrgen2@xn--bcher-kva.example", "j\u00fcrgen@xn--bcher-kva.example"]
    assert first["id-2"]["mail"] == ["Anna@xn--bcher-kva.example"]
    assert sorted(first["id-3"]["maillocaladdress"]) == [
        '"a\\"b\\\\c@d"@example.org', '"quoted one"@example.org', "plain.dots@example.org"]
    assert len(first["id-4"]["telephonenumber"]) == 1
    assert len(first["id-4"]["restanteforeignaddress"]) == 1
    up.run(text.replace("alias", "ALIAS"))
    assert up.found() == first


def test_names_of_entries_are_compared_as_such(up):
    """The directory gives a DN back in a spelling of its own."""
    bosses = ["CN=Doe\\, John,OU=People,DC=ad,DC=example", "cn=Plain ,  ou=People, DC=ad,DC=example",
              "CN=\\C3\\84nne,ou=people,dc=ad,dc=example", "CN=a\\+b+UID=x,DC=ad,DC=example"]

    def run():
        up.run("".join(record(20 + n, mail="boss%d@example.org" % n, name="Boss", boss=[boss])
                       for n, boss in enumerate(bosses)))
    run()
    first = {one: entry for one, entry in up.found().items() if entry.get("manager")}
    assert len(first) == len(bosses)
    run()
    assert {one: up.found()[one] for one in first} == first
    bosses[1] = bosses[1].replace("Plain", "Other")
    run()
    assert "cn=Other," in up.found()["id-21"]["manager"][0]


def by_hand(up, number):
    """The aliases of both in another spelling, one of them twice; a name in another language."""
    dn = up.slapd.search("(restanteSourceId=id-%d)" % number, ["mail"])[0][0]
    up.slapd.modify("dn: %s\nchangetype: modify\ndelete: mailLocalAddress\n"
                    "mailLocalAddress: t.en%d@example.org\n-\nadd: mailLocalAddress\n"
                    "mailLocalAddress: \"t.en%d\"@Example.ORG\n-\n"
                    "add: restanteAddressUTF8\nrestanteAddressUTF8: TE%d@example.net\n-\n"
                    "add: cn;lang-de\ncn;lang-de: Zehn\n" % (dn, number, number, number))


def ten(number, *aliases):
    return record(number, mail="ten%d@example.org" % number, name="Ten",
                  alias=[alias % number for alias in aliases])


def test_what_an_administrator_spells_otherwise_stays(up):
    up.run(ten(10, "t.en%d@example.org", "te%d@example.net"))
    by_hand(up, 10)
    before = up.found()
    assert before["id-10"]["cn;lang-de"] == ["Zehn"]
    up.run(ten(10, "T.EN%d@example.org", "te%d@example.net"))
    assert up.found() == before


def test_and_goes_when_the_source_drops_it(up):
    up.dirsync.ups["S1"]["grace"] = "0s"
    up.dirsync.configure()
    others = "".join(record(n, mail="other%d@example.org" % n) for n in range(100, 120))
    up.run(others + ten(11, "t.en%d@example.org", "te%d@example.net"))
    by_hand(up, 11)
    for _ in range(4):
        up.run(others + ten(11))
    entry = up.found()["id-11"]
    assert entry["maillocaladdress"] == ["ten11@example.org"]
    assert "restanteaddressutf8" not in entry
    assert entry["cn;lang-de"] == ["Zehn"]


def test_a_primary_address_becomes_ascii(up):
    up.run(record(20, mail="z\u00fc@example.org"))
    up.run(record(20, mail="Zue@example.org", alias="z\u00fc@example.org"))
    entry = up.found()["id-20"]
    assert entry["mail"] == ["Zue@example.org"]
    assert "restanteprimaryutf8" not in entry
    up.run(record(20, mail="Z\u00fc@example.org", alias="zue@example.org"))
    entry = up.found()["id-20"]
    assert "mail" not in entry
    assert entry["restanteprimaryutf8"] == ["Z\u00fc@example.org"]


REFUSED = {
    "stra\u00dfe@example.org": "sharp s",
    '"a  b"@example.org': "two spaces",
    "@example.org": "catch-all",
    "a b@example.org": "space outside of quotes",
    "x\u200by@example.org": "invisible",
}


def test_what_the_directory_judges_differently_is_refused(up):
    up.run(record(30, mail="thirty@example.org", alias=list(REFUSED)))
    assert up.found()["id-30"]["maillocaladdress"] == ["thirty@example.org"]
    told = [r["text"] for r in up.dirsync.kept_reports("S1") if r["id"] == "id-30"]
    for address, reason in REFUSED.items():
        assert [t for t in told if reason in t and address in t], (address, told)
