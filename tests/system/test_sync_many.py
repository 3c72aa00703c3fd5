"""restante-dirsync, up: where much is gained at once, who has what is read in one go."""

import pytest

from lab.lab import Lab
from synced import System, counts, level

PEOPLE = 520  # two aliases of each are more than are asked for, a hundred at a time


@pytest.fixture(scope="module")
def lab():
    with Lab(start=("slapd",)) as one:
        yield one


def fill(lab, count, **settings):
    system = System(lab, count=count, new_system="true", **settings)
    for uid, person in system.people.items():
        person["aliases"].append("second-%s@example.org" % uid)
    return system


def test_what_others_have_stays_with_them(lab):
    """Whoever has it: another system's mailbox, or one by hand."""
    owner = fill(lab, 10)
    owner.sync()
    lab.slapd.add_mailbox("byhand", addresses=["byhand@example.org"])
    taken = [owner.people[uid]["aliases"][1] for uid in sorted(owner.people)[:3]]
    system = fill(lab, PEOPLE)
    claimants = sorted(system.people)
    for uid, address in zip(claimants, taken):
        system.people[uid]["aliases"].append(address)
    system.people[claimants[-1]]["aliases"].append("byhand@example.org")
    out = counts(system.sync())
    assert out["added"] == PEOPLE and out["conflicts"] == 4 and out["refused"] == 0
    level(owner)
    for uid, address in zip(claimants, taken):
        assert address not in system.addresses(uid)
    out = counts(system.sync())
    assert out["added"] == out["changed"] == 0 and out["conflicts"] == 4


def test_addresses_pass_between_many(lab):
    """Each mailbox takes what the next one had, all in one run."""
    system = fill(lab, PEOPLE, max_delete="2000", max_delete_percent="100")
    system.sync()
    people = [system.people[uid] for uid in sorted(system.people)]
    aliases = [person["aliases"] for person in people]
    for person, others in zip(people, aliases[1:] + aliases[:1]):
        person["aliases"] = others
    out = counts(system.sync())
    assert out["conflicts"] == out["refused"] == 0
    level(system)
