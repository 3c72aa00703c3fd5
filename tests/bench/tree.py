"""A tree of any size, as LDIF for `slapadd -q -w`.

Run as a program it writes one to its standard output:
	tree.py --mailboxes 100000 --addresses 3 | slapadd -q -w -f slapd.conf
Mailbox N of group "u" has the addresses Nu@example.org, Nu.1@example.org, Nu.2@example.org, ...
"""

import argparse
import sys

BASE = "dc=example,dc=org"
DOMAIN = "example.org"
SYSTEMS = ("S1", "S2", "S3")
OPERATOR = f"cn=operator,ou=services,cn=restante,{BASE}"
PASSWORD = "bench"
SYSTEM_OFF_LINE = f"cn=S3,ou=systems,cn=restante,{BASE}"  # by the sample tree

FRAME = """dn: {base}
objectClass: organization
objectClass: dcObject
o: Example
dc: example

dn: cn=restante,{base}
objectClass: restanteFederation
cn: restante
associatedDomain: {domain}
restanteEpoch: 0

dn: ou=systems,cn=restante,{base}
objectClass: organizationalUnit
ou: systems

dn: ou=nodes,cn=restante,{base}
objectClass: organizationalUnit
ou: nodes

dn: ou=services,cn=restante,{base}
objectClass: organizationalUnit
ou: services

dn: ou=people,{base}
objectClass: organizationalUnit
ou: people

dn: {operator}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: operator
userPassword: {password}

dn: cn=administrators,cn=restante,{base}
objectClass: groupOfNames
cn: administrators
member: {operator}
"""

NODE = """
dn: cn={node},ou=nodes,cn=restante,{base}
objectClass: restanteNode
objectClass: simpleSecurityObject
cn: {node}
restanteNodeState: enabled
userPassword: {password}
"""

SYSTEM = """
dn: cn={system},ou=systems,cn=restante,{base}
objectClass: restanteBackend
cn: {system}
"""

MAILBOX = """
dn: uid={uid},ou=people,{base}
objectClass: account
objectClass: inetLocalMailRecipient
objectClass: restanteMailbox
uid: {uid}
{addresses}
mailRoutingAddress: {uid}@{host}
restanteSystem: {system}
restanteSourceId: {uid}
"""


def host_of(system):
    """The domain of a system's physical addresses."""
    return system.lower() + ".lab"


def frame(nodes=("front1",), holding=()):
    """Everything above the mailboxes. holding: systems that are taken off line."""
    names = {"base": BASE, "domain": DOMAIN, "operator": OPERATOR, "password": PASSWORD}
    yield FRAME.format(**names)
    for node in nodes:
        yield NODE.format(node=node, **names)
    for system in SYSTEMS:
        state = "restanteState: holding\n" if system in holding else ""
        yield SYSTEM.format(system=system, base=BASE) + state


def mailbox(uid, locals_, system="S1"):
    addresses = "\n".join(f"mailLocalAddress: {local}@{DOMAIN}" for local in locals_)
    return MAILBOX.format(uid=uid, base=BASE, addresses=addresses, system=system,
                          host=host_of(system))


def people(count, addresses=1, group="u", system="S1"):
    """`count` mailboxes 1GROUP, 2GROUP, ... of `addresses` addresses each."""
    for number in range(1, count + 1):
        uid = f"{number}{group}"
        yield mailbox(uid, [uid] + [f"{uid}.{k}" for k in range(1, addresses)], system)


def shared(mailboxes, addresses, group, system):
    """`mailboxes` mailboxes that share the addresses 1GROUP ... in turn, so that a load which
    numbers its recipients spreads over them."""
    for number in range(mailboxes):
        locals_ = [f"{k}{group}" for k in range(number + 1, addresses + 1, mailboxes)]
        yield mailbox(f"{group}-{number}", locals_, system)


def dn_of(uid):
    return f"uid={uid},ou=people,{BASE}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--mailboxes", type=int, default=100000)
    parser.add_argument("--addresses", type=int, default=1)
    parser.add_argument("--node", action="append", default=[])
    options = parser.parse_args()
    sys.stdout.writelines(frame(options.node or ["front1"]))
    sys.stdout.writelines(people(options.mailboxes, options.addresses))


if __name__ == "__main__":
    main()
