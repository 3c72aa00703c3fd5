"""What a fence stands on, while the directory or others do what they should not."""

import pytest

from command import DIRECTORY, FAILED, REFUSED, Command, FrontDoor, state_of
from lab.lab import Lab
from lab.slapd import IDENTITIES, PEOPLE
from relay import Relay
from replica import Replica


@pytest.fixture(name="slapd")
def _slapd():
    with Lab(start=("slapd",)) as lab:
        yield lab.slapd


@pytest.fixture(name="restante")
def _restante(slapd):
    return Command(slapd.lab)


def test_the_address_that_is_held_is_the_one_that_is_drained(slapd, restante):
    """It changes between the look-up and the hold."""
    dn = slapd.add_mailbox("renamed")
    changes = []

    def change(data):
        if b"restanteState1" in data and b"holding" in data and not changes:
            changes.append(slapd.replace(dn, mailRoutingAddress="other@s1.lab"))

    with Relay(slapd.port, change) as relay, FrontDoor(slapd):
        restante.write(uri="ldap://127.0.0.1:%d" % relay.port)
        said = restante.error("swap", "renamed@example.org", "--system", "S2", "--to",
                              "renamed@s2.lab", "--wait", code=REFUSED)
        assert "somebody else changed the entry" in said and len(changes) == 1
        assert state_of(slapd, dn) == ""
        restante("swap", "renamed@example.org", "--system", "S2", "--to", "renamed@s2.lab", "--wait")


AHEAD = """dn: uid={uid},{people}
objectClass: inetOrgPerson
objectClass: restanteMailbox
objectClass: inetLocalMailRecipient
uid: {uid}
cn: {uid}
sn: {uid}
mailLocalAddress: {uid}@example.org
mailRoutingAddress: {uid}@s1.lab
restanteSystem: S1
restanteState: {state}
entryCSN: 20490101000000.000000Z#000000#000#000000

"""


def test_a_clock_that_was_set_back(slapd, restante):
    """Front doors keep the version that they have: a hold that is older is none."""
    commands = {"ahead1": ["hold"], "ahead2": ["unhold"],
                "ahead3": ["swap", "--system", "S2", "--to", "ahead3@s2.lab", "--wait"],
                "ahead4": ["swap", "--system", "S2", "--to", "ahead4@s2.lab"]}
    slapd.stop()
    slapd.load("".join(AHEAD.format(uid=uid, people=PEOPLE, state="holding" if uid in (
        "ahead2", "ahead4") else "active") for uid in commands))
    slapd.start()
    replica = Replica(slapd.lab).start()
    replica.wait_loaded()
    with FrontDoor(slapd):
        for uid, command in commands.items():
            said = restante.error(*command, uid + "@example.org", code=FAILED)
            assert "the clock of the directory server was set back" in said
    replica.wait_log("a change is ignored, its version is older")
    assert replica.verdict("ahead1@example.org") == "rewrite"
    replica.stop()
    # no fence was passed for it
    assert slapd.read("uid=ahead3," + PEOPLE)["mailroutingaddress"] == ["ahead3@s1.lab"]


def test_the_largest_epoch_there_is(slapd, restante):
    """A number after it would be small again, and every old acknowledgement larger."""
    dn = slapd.add_mailbox("large", state="holding")
    slapd.replace(IDENTITIES["front1"], who="root", restanteAckEpoch=str(2**64 - 1))
    said = restante.error("swap", "large@example.org", "--system", "S2", "--to", "large@s2.lab",
                          code=DIRECTORY)
    assert "largest number" in said
    assert state_of(slapd, dn) == "holding"
