"""Contacts in Active Directory, against a Samba domain controller, with what Exchange adds to the
schema."""

import pytest

from down import Down, replaced
from down import fixture_lab, fixture_made  # noqa: F401
from lab.activedirectory import ADMINISTRATOR, PEOPLE, SUFFIX, Samba

CONTACTS = "OU=Federation," + SUFFIX
MARKER = "adminDescription=restante"
# those of contrib/dirsync/active-directory.conf
ATTRIBUTES = ("displayName=%{displayName|cn} sn=%{sn} givenName=%{givenName} mail=%{primary} "
              "targetAddress=SMTP:%{primary} proxyAddresses=SMTP:%{primary} "
              "proxyAddresses=smtp:%{others*} proxyAddresses=%{foreign*}")
TARGET_ADDRESS = """\
dn: CN=ms-Exch-Target-Address,CN=Schema,CN=Configuration,{suffix}
changetype: add
objectClass: attributeSchema
lDAPDisplayName: targetAddress
attributeID: 1.2.840.113556.1.2.352
attributeSyntax: 2.5.5.12
oMSyntax: 64
isSingleValued: TRUE
searchFlags: 1

dn:
changetype: modify
replace: schemaUpdateNow
schemaUpdateNow: 1
-

dn: CN=Contact,CN=Schema,CN=Configuration,{suffix}
changetype: modify
add: mayContain
mayContain: targetAddress
mayContain: proxyAddresses
-

dn:
changetype: modify
replace: schemaUpdateNow
schemaUpdateNow: 1
-
"""


@pytest.fixture(scope="module", name="samba")
def _samba(lab):
    samba = Samba(lab)
    with open(samba.conf) as conf:
        text = conf.read()
    with open(samba.conf, "w") as conf:
        conf.write(text.replace("[global]\n", "[global]\n\tdsdb:schema update allowed = yes\n", 1))
    lab.servers.append(samba)
    samba.start()
    samba.modify(TARGET_ADDRESS.format(suffix=SUFFIX))
    samba.modify("".join("dn: %s\nchangetype: add\nobjectClass: organizationalUnit\n\n" % dn
                         for dn in (PEOPLE, CONTACTS)))
    return samba


@pytest.fixture(name="down")
def _down(lab, samba):
    yield Down(lab, target="ldap", uri=samba.uri, bind="simple", bind_dn=ADMINISTRATOR,
               password_file=samba.password_files["administrator"], container=CONTACTS,
               search_base=SUFFIX, search_addresses="mail proxyAddresses", object_class="contact",
               marker=MARKER, attributes=ATTRIBUTES)
    samba.modify("".join("dn: %s\nchangetype: delete\n\n" % dn for dn, _ in samba.search(
        "(objectClass=contact)", ["cn"])))


def contacts(samba):
    """{federation's id: attributes}"""
    return {attributes["cn"][0]: attributes for _, attributes in samba.search(
        "(objectClass=contact)", ["*"], CONTACTS)}


def test_contacts(lab, samba, down, made):
    """They come, only what differs is written, they go; old X500 addresses come along."""
    one, gone = made("adone", cn="Ad \u00d6ne", mail="Ad.One@example.org",
                     addresses=["ad.one@example.org", "adone@example.org"]), made("adgone")
    replaced(lab, "adone", restanteForeignAddress="X500:/o=Old/ou=First/cn=adone")
    record = down.run()
    assert (record["outcome"], record["refused"], record["conflicts"]) == ("complete", 0, 0), (
        down.log_text())
    found = contacts(samba)
    assert set(found) >= {one, gone} and len(found) == record["persons"]
    contact = found[one]
    assert contact["displayname"] == ["Ad \u00d6ne"]
    assert contact["targetaddress"] == ["SMTP:Ad.One@example.org"]
    assert sorted(contact["proxyaddresses"]) == [
        "SMTP:Ad.One@example.org", "X500:/o=Old/ou=First/cn=adone", "smtp:adone@example.org"]
    seen = {name: each["usnchanged"] for name, each in found.items()}
    assert down.complete() == (0, 0, 0)
    replaced(lab, "adone", sn="Changed")
    lab.slapd.modify("dn: %s\nchangetype: delete\n" % lab.slapd.mailbox_dn("adgone"))
    assert down.complete() == (0, 1, 1)
    found = contacts(samba)
    assert {name for name, usn in seen.items()
            if name not in found or found[name]["usnchanged"] != usn} == {one, gone}
    assert found[one]["sn"] == ["Changed"] and gone not in found


def test_foreign_and_adopted(samba, down, made):
    """Somebody's own account has an address of one, a contact made by hand that of another."""
    taken, adopted = made("adtaken"), made("adadopted")
    samba.add("sitting", proxyAddresses=["smtp:adtaken@example.org"])
    theirs = "CN=made by hand," + PEOPLE
    samba.modify("dn: %s\nchangetype: add\nobjectClass: contact\nmail: adadopted@example.org\n"
                 "info: kept\n" % theirs)
    assert down.run()["conflicts"] == 2
    assert sorted(report["place"].lower() for report in down.reports()) == sorted(
        dn.lower() for dn in (theirs, "CN=sitting," + PEOPLE))
    record = down.run("adopt=adadopted@example.org")
    assert (record["conflicts"], record["added"]) == (1, 1), down.log_text()
    found = contacts(samba)
    assert found[adopted]["info"] == ["kept"] and found[adopted]["cn"] == [adopted]
    assert found[adopted]["admindescription"] == ["restante"] and taken not in found
    assert down.run("adopt=adtaken@example.org")["refused"] == 1
    assert "is no contact" in down.reports()[0]["text"]
