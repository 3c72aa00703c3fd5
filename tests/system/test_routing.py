"""The same tree, the same addresses: where Sendmail's ldap_routing, Postfix' ldap tables and Restante
send mail. docs/routing.md has the answers, and says why where they differ."""

import os
import re

import pytest

from helpers import wait_verdict
from lab.lab import SOURCE, Lab
from lab.sendmail import Sendmail
from lab.slapd import BASE, IDENTITIES

PAGE = os.path.join(SOURCE, "docs/routing.md")
ROW = re.compile(r"(?m)^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]*)\|$")

# As their manuals have them: mailRoutingAddress by mailLocalAddress, subaddresses kept, unknown
# recipients refused.
SENDMAIL = """\
define(`confLDAP_DEFAULT_SPEC', `-H {uri} -w 3 -b {base} -d {dn} -M simple -P {password}')dnl
LDAPROUTE_DOMAIN(`example.org')dnl
LDAPROUTE_DOMAIN(`example.net')dnl
LDAPROUTE_DOMAIN(`xn--bcher-kva.example')dnl
FEATURE(`ldap_routing', , , `bounce', `preserve')dnl
"""
POSTFIX = """\
server_host = {uri}
version = 3
search_base = {base}
query_filter = (mailLocalAddress=%s)
result_attribute = mailRoutingAddress
bind = yes
bind_dn = {dn}
bind_pw = {secret}
"""


class Routers:
    """Each answers with the address that mail goes to, "unknown" or "as it is"."""

    def __init__(self, lab):
        self.lab = lab
        slapd, dn = lab.slapd, IDENTITIES["front1"]
        self.sendmail_mta = Sendmail(lab, name="ldap-routing", milter="", with_restante=False,
                                     more=SENDMAIL.format(uri=slapd.uri, base=BASE, dn=dn,
                                                          password=slapd.bare_password("front1")))
        self.sendmail_mta.routes = {"s%d.lab" % n: n for n in (1, 2, 3)}
        self.sendmail_mta.configure()
        with open(os.path.join(lab.postfix.conf, "dynamicmaps.cf"), "w") as maps:
            maps.write("ldap\tpostfix-ldap.so\tdict_ldap_open\n")
        self.map = os.path.join(lab.dir, "ldap.cf")
        with open(self.map, "w") as out:
            out.write(POSTFIX.format(uri=slapd.uri, base=BASE, dn=dn,
                                     secret=slapd.passwords["front1"]))

    def sendmail(self, address):
        said = self.sendmail_mta.tool("-bt", stdin=b"/parse " + address.encode() + b"\n",
                                      check=False)
        said = said.stdout.decode(errors="replace")
        mailer, user = re.findall(r"(?m)^mailer (\S+), (?:host .*, )?user (.*)$", said)[-1]
        if mailer == "*error*":
            assert "User unknown" in user, said
            return "unknown"
        return "as it is" if mailer == "nowhere" else user

    def _query(self, key):
        done = self.lab.postfix.tool("postmap", "-q", key, "ldap:" + self.map, check=False)
        assert not done.stderr, done.stderr
        return done.stdout.decode().strip()

    def postfix(self, address):
        """The order of virtual(5), with recipient_delimiter = +."""
        local, _, domain = address.rpartition("@")
        if domain.lower() not in ("example.org", "example.net", "xn--bcher-kva.example"):
            return "as it is"
        name, plus, detail = local.partition("+")
        found = self._query(address)
        if not found and plus:
            found = ",".join(r.replace("@", "+%s@" % detail)
                             for r in self._query(name + "@" + domain).split(",") if r)
        return found or self._query("@" + domain) or "unknown"

    def restante(self, address):
        answer = self.lab.milter.cli_json("route", address)
        answer = answer[0] if isinstance(answer, list) else answer
        verdict = answer["verdict"]
        return {"rewrite": answer.get("physical"), "nobody": "unknown", "leave": "as it is",
                "hold": "held", "defer": "451", "tryagain": "451"}[verdict]


@pytest.fixture(scope="module")
def routers():
    with Lab(start=("slapd", "postfix", "milter")) as lab:
        # one address, two mailboxes: past the rule of the directory, which is off for root alone
        lab.slapd.add_mailbox("twin1", addresses=["twin@example.org"])
        lab.slapd.add_mailbox("twin2", addresses=["zwilling@example.org"], utf8=["twin@example.org"])
        lab.slapd.add_mailbox("quoted", addresses=['"two words"@example.org'])
        wait_verdict(lab, '"two words"@example.org', "rewrite")
        yield Routers(lab)


def rows():
    with open(PAGE) as page:
        return [tuple(cell.strip() for cell in row) for row in ROW.findall(page.read())]


def test_the_table_is_true(routers):
    table = rows()
    assert len(table) >= 15
    for address, sendmail, postfix, restante, why in table:
        answers = [ask(address) for ask in (routers.sendmail, routers.postfix, routers.restante)]
        shown = [cell.strip("`") for cell in (sendmail, postfix, restante)]
        assert answers == shown, address
        # different answers are explained, equal ones need no words
        assert (len(set(answers)) > 1) == bool(why), address
