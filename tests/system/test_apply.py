"""Plans applied to a real directory: the order between entries, refusals, ends in the middle."""

import os
import re
import subprocess
import threading

import pytest

from lab.process import run
from lab.slapd import BASE, IDENTITIES, PEOPLE
from sample import begin_again, driver, fixture_directory, fixture_lab, fixture_sample  # noqa: F401


class Plan:
    """A plan in the words of apply_driver."""

    def __init__(self):
        self.lines = []

    def change(self, kind, dn, values=(), gains=(), gives=(), asserts=None, owner=None):
        self.lines.append("%s %s" % (kind, dn))
        self.lines += list(values)
        self.lines += ["gain " + key for key in gains] + ["give " + key for key in gives]
        if asserts:
            self.lines.append("assert " + asserts)
        if owner:
            self.lines.append("owner " + owner)
        self.lines.append("")
        return self

    def passing(self, uid, gains=(), gives=(), values=(), **more):
        """An existing mailbox that gains some addresses and gives up others."""
        values = (["take mailLocalAddress " + a for a in gives] +
                  ["put mailLocalAddress " + a for a in gains] + list(values))
        return self.change("modify", mailbox(uid), values, gains, gives, **more)

    def mailbox(self, uid, *addresses, values=()):
        addresses = addresses or (uid + "@example.org",)
        return self.change("add", mailbox(uid), [
            "put objectClass inetOrgPerson", "put objectClass inetLocalMailRecipient",
            "put objectClass restanteMailbox", "put uid " + uid, "put cn " + uid, "put sn " + uid,
            "put restanteSystem S1", "put mailRoutingAddress %s@s1.lab" % uid] +
            ["put mailLocalAddress " + a for a in addresses] + list(values), addresses)

    def text(self):
        return "\n".join(self.lines) + "\n"


def mailbox(uid):
    return "uid=%s,%s" % (uid, PEOPLE)


class Result:
    def __init__(self, out):
        *lines, end = out.splitlines()
        assert end.startswith("end "), out
        self.error = end.split("\t", 1)[1]
        self.counts = {k: float(v) for k, v in re.findall(r"(\w+)=(-?[\d.]+)", end.split("\t")[0])}
        self.of, self.text = {}, {}
        for line in lines:
            result, _, dn, text = line.split("\t", 3)
            uid = re.match(r"\w+=([^,]+)", dn)[1]
            self.of[uid], self.text[uid] = result, text


def command(lab, tmp_path, *options):
    return [driver(lab, "apply_driver"), *options, lab.slapd.uri, BASE, IDENTITIES["dirsync"],
            lab.slapd.password_file("dirsync"), str(tmp_path)]


def apply(lab, tmp_path, plan, *options):
    done = run(command(lab, tmp_path, *options), stdin=plan.text().encode())
    return Result(done.stdout.decode())


def addresses(directory, uid):
    return sorted(directory.read(mailbox(uid)).get("maillocaladdress", []))


def people(directory, *uids):
    """Further mailboxes, each with one address that is its own, and one that it may pass on."""
    for uid in uids:
        directory.add_mailbox(uid, addresses=[uid + "@example.org", "x%s@example.org" % uid])


def x(uid):
    return "x%s@example.org" % uid


# --- every change ---------------------------------------------------------------------------

def test_each_kind_of_change(lab, directory, tmp_path):
    directory.add_mailbox("old")
    plan = Plan().mailbox("fresh", "fresh@example.org", "new@example.org")
    plan.change("modify", mailbox("anna"), ["set telephoneNumber 12", "put description one",
                                           "put description two", "set restanteProvenance S1 r1"])
    plan.change("expire", mailbox("old"), gives=["old@example.org"])
    plan.change("report", mailbox("bert"))
    plan.change("vanished", mailbox("bert"), ["set restanteVanishedSince 20261122000000Z"])
    result = apply(lab, tmp_path, plan)
    assert result.counts["rc"] == 0
    assert {k: result.counts[k] for k in ("added", "changed", "deleted", "refused", "dropped")} == {
        "added": 1, "changed": 2, "deleted": 1, "refused": 0, "dropped": 0}
    assert addresses(directory, "fresh") == ["fresh@example.org", "new@example.org"]
    anna = directory.read(mailbox("anna"))
    assert anna["telephonenumber"] == ["12"] and sorted(anna["description"]) == ["one", "two"]
    assert directory.read(mailbox("old")) == {}
    assert directory.read(mailbox("bert"))["restantevanishedsince"] == ["20261122000000Z"]


def test_two_changes_of_one_entry_are_never_in_flight_together(lab, directory, tmp_path):
    """slapd runs what is pipelined in any order (TRAPS 35): the last value must win each time."""
    uids, plan = ["p%02d" % n for n in range(15)], Plan()
    people(directory, *uids)
    for uid in uids:
        for value in range(20):
            plan.change("modify", mailbox(uid), ["set description %d" % value])
    assert apply(lab, tmp_path, plan, "--window", "32").counts["changed"] == 300
    found = directory.search("(uid=p*)", ["description"])
    assert [entry["description"] for _, entry in found] == [["19"]] * 15


# --- addresses that pass from one entry to another -----------------------------------------

def test_the_one_that_gains_waits_for_the_one_that_gives(lab, directory, tmp_path):
    """Pipelined without order such a pair is refused nearly every time."""
    uids = ["p%02d" % n for n in range(40)]
    people(directory, *uids)
    plan = Plan()
    for giver, gainer in zip(uids, uids[1:]):
        # the gainer stands before the giver
        plan.passing(gainer, gains=[x(giver)], gives=[x(gainer)])
    plan.passing(uids[0], gives=[x(uids[0])], values=["set description first"])
    result = apply(lab, tmp_path, plan)
    assert result.counts["changed"] == 40 and result.counts["refused"] == 0
    for giver, gainer in zip(uids, uids[1:]):
        assert addresses(directory, gainer) == sorted([gainer + "@example.org", x(giver)])
    assert directory.read(mailbox(uids[0]))["description"] == ["first"]


def test_a_new_mailbox_takes_an_address_of_one_that_expires(lab, directory, tmp_path):
    people(directory, "leaver")
    plan = Plan().mailbox("joiner", "joiner@example.org", x("leaver"))
    plan.change("expire", mailbox("leaver"), gives=["leaver@example.org", x("leaver")])
    assert apply(lab, tmp_path, plan).of == {"joiner": "done", "leaver": "done"}
    assert x("leaver") in addresses(directory, "joiner")


@pytest.mark.parametrize("size", [2, 3])
def test_a_cycle_removes_first_and_adds_then(lab, directory, tmp_path, size):
    uids = ["a", "b", "c"][:size]
    people(directory, *uids)
    plan = Plan()
    for number, uid in enumerate(uids):
        csn = directory.read(mailbox(uid))["entrycsn"][0]
        plan.passing(uid, gains=[x(uids[number - 1])], gives=[x(uid)],
                     values=["set description " + uid], owner="(restanteSystem=S1)",
                     asserts="(&(restanteSystem=S1)(entryCSN=%s))" % csn)
    result = apply(lab, tmp_path, plan)
    assert set(result.of.values()) == {"done"} and result.counts["changed"] == size
    for number, uid in enumerate(uids):
        assert addresses(directory, uid) == sorted([uid + "@example.org", x(uids[number - 1])])
        assert directory.read(mailbox(uid))["description"] == [uid]


def test_a_refused_removal_drops_the_addition(lab, directory, tmp_path):
    people(directory, "giver", "gainer", "third")
    plan = Plan().passing("gainer", gains=[x("giver")], gives=[x("gainer")])
    plan.passing("third", gains=[x("gainer")])
    plan.passing("giver", gives=[x("giver")], asserts="(restanteSystem=S9)")
    result = apply(lab, tmp_path, plan)
    assert result.of == {"giver": "changed", "gainer": "dropped", "third": "dropped"}
    assert mailbox("giver") in result.text["gainer"]
    for uid in ("giver", "gainer", "third"):
        assert addresses(directory, uid) == sorted([uid + "@example.org", x(uid)])


def test_a_refused_addition_gives_the_address_back(lab, directory, tmp_path):
    people(directory, "giver", "gainer")
    plan = Plan().passing("giver", gives=[x("giver")], values=["set description done"])
    plan.passing("gainer", gains=[x("giver")], values=["put restanteVanishedSince nonsense"])
    result = apply(lab, tmp_path, plan)
    assert result.of == {"giver": "done", "gainer": "refused"}
    assert x("giver") in addresses(directory, "giver")
    assert directory.read(mailbox("giver"))["description"] == ["done"]


def test_what_somebody_else_took_meanwhile_is_not_given_back(lab, directory, tmp_path):
    """The plan does not know of it: the uniqueness rule does."""
    people(directory, "giver", "gainer")
    taker = directory.add_mailbox("taker")
    plan = Plan().passing("giver", gives=[x("giver")])
    plan.change("modify", taker, ["put mailLocalAddress " + x("giver")], gains=[x("giver")])
    plan.passing("gainer", gains=[x("giver")])
    result = apply(lab, tmp_path, plan)
    assert sorted([result.of["taker"], result.of["gainer"]]) == ["done", "taken"]
    winner = "taker" if result.of["taker"] == "done" else "gainer"
    assert x("giver") in addresses(directory, winner)
    assert x("giver") not in addresses(directory, "giver")


def test_a_cycle_with_a_refused_removal_stays_as_it_was(lab, directory, tmp_path):
    uids = ["a", "b", "c"]
    people(directory, *uids)
    plan = Plan()
    for number, uid in enumerate(uids):
        plan.passing(uid, gains=[x(uids[number - 1])], gives=[x(uid)],
                     asserts="(restanteSystem=%s)" % ("S9" if uid == "b" else "S1"))
    result = apply(lab, tmp_path, plan)
    assert result.of == {"a": "dropped", "b": "changed", "c": "dropped"}
    for uid in uids:
        assert addresses(directory, uid) == sorted([uid + "@example.org", x(uid)])


def test_a_cycle_with_a_refused_addition(lab, directory, tmp_path):
    """What it was to gain goes back to where it was; the others have what they were to have."""
    uids = ["a", "b", "c"]
    people(directory, *uids)
    plan = Plan()
    for number, uid in enumerate(uids):
        plan.passing(uid, gains=[x(uids[number - 1])], gives=[x(uid)],
                     values=["put restanteVanishedSince nonsense"] if uid == "b" else [])
    result = apply(lab, tmp_path, plan)
    assert result.of == {"a": "done", "b": "refused", "c": "done"}
    assert addresses(directory, "a") == ["a@example.org", x("a"), x("c")]
    assert addresses(directory, "b") == ["b@example.org"]
    assert addresses(directory, "c") == ["c@example.org", x("b")]


def test_addresses_with_other_spelling_and_utf8(lab, directory, tmp_path):
    directory.add_mailbox("giver", addresses=["giver@example.org", "X.Y@Example.ORG"],
                          utf8=["Büro2@example.org"])
    directory.add_mailbox("gainer")
    plan = Plan().change("modify", mailbox("giver"), [
        "take mailLocalAddress X.Y@Example.ORG", "take restanteAddressUTF8 Büro2@example.org"],
        gives=["x.y@example.org", "büro2@example.org"])
    plan.change("modify", mailbox("gainer"), [
        "put mailLocalAddress x.y@example.org", "put restanteAddressUTF8 büro2@example.org",
        "put restanteVanishedSince nonsense"], gains=["x.y@example.org", "büro2@example.org"])
    assert apply(lab, tmp_path, plan).of == {"giver": "done", "gainer": "refused"}
    giver = directory.read(mailbox("giver"))
    assert sorted(giver["maillocaladdress"]) == ["X.Y@Example.ORG", "giver@example.org"]
    assert giver["restanteaddressutf8"] == ["Büro2@example.org"]


# --- refusals -------------------------------------------------------------------------------

def test_an_edit_of_an_administrator_is_not_overwritten(lab, directory, tmp_path):
    csn = directory.read(mailbox("anna"))["entrycsn"][0]
    directory.replace(mailbox("anna"), description="by hand")
    plan = Plan().change("modify", mailbox("anna"), ["set description by sync"],
                         asserts="(entryCSN=%s)" % csn)
    plan.change("modify", mailbox("bert"), ["take mailLocalAddress none@example.org"])
    plan.change("modify", mailbox("nobody"), ["set description x"])
    plan.change("expire", mailbox("carla"), asserts="(restanteState=holding)")
    result = apply(lab, tmp_path, plan)
    assert result.of == {"anna": "changed", "bert": "changed", "nobody": "changed",
                         "carla": "changed"}
    assert result.counts["refused"] == 4
    assert directory.read(mailbox("anna"))["description"] == ["by hand"]
    assert directory.read(mailbox("carla")) != {}


def test_an_assertion_counts_where_an_address_is_added(lab, directory, tmp_path):
    """slapo-unique judges it, too, on an entry that is not the one to be changed."""
    def attempt(asserts):
        plan = Plan().passing("anna", gains=["further@example.org"], asserts=asserts)
        return apply(lab, tmp_path, plan).of["anna"]
    old = directory.read(mailbox("anna"))["entrycsn"][0]
    directory.replace(mailbox("anna"), description="by hand")
    new = directory.read(mailbox("anna"))["entrycsn"][0]
    assert attempt("(entryCSN=%s)" % old) == "changed"
    assert "further@example.org" not in addresses(directory, "anna")
    assert attempt("(entryCSN=%s)" % new) == "done"
    assert "further@example.org" in addresses(directory, "anna")


def test_a_taken_address_is_named_with_its_owner(lab, directory, tmp_path):
    plan = Plan().mailbox("thief", "thief@example.org", "anna@example.org")
    plan.mailbox("honest")
    result = apply(lab, tmp_path, plan)
    assert result.of == {"thief": "taken", "honest": "done"}
    assert "anna@example.org belongs to " + mailbox("anna") in result.text["thief"]


def test_the_servers_words_and_the_rest_goes_on(lab, directory, tmp_path):
    plan = Plan()
    for number in range(50):
        plan.mailbox("m%d" % number)
    plan.mailbox("odd", values=["put restanteVanishedSince nonsense"])
    plan.mailbox("strange", values=["put noSuchAttribute 1"])
    plan.change("modify", IDENTITIES["front1"], ["set restanteNodeState disabled"])
    plan.change("modify", mailbox("anna"), ["set description x"], asserts="(no filter")
    plan.mailbox("last")
    result = apply(lab, tmp_path, plan)
    assert result.counts["rc"] == 0 and result.counts["added"] == 51
    assert result.of["odd"] == result.of["strange"] == result.of["front1"] == "refused"
    assert result.of["anna"] == "refused" and result.of["last"] == "done"
    assert "restanteVanishedSince" in result.text["odd"]
    assert "noSuchAttribute" in result.text["strange"]
    assert "ccess" in result.text["front1"]


def test_state_and_system_are_not_the_syncs_to_write(lab, directory, tmp_path):
    plan = Plan().change("modify", mailbox("anna"), ["set restanteSystem S2"])
    plan.change("modify", mailbox("bert"), ["set restanteState holding"])
    assert apply(lab, tmp_path, plan).of == {"anna": "refused", "bert": "refused"}


# --- ends in the middle ---------------------------------------------------------------------

def many(count):
    plan = Plan()
    for number in range(count):
        plan.mailbox("n%05d" % number)
    return plan


def added(directory):
    return {entry["uid"][0] for _, entry in directory.search("(uid=n*)", ["uid"])}


def test_the_window_narrows_and_stops(lab, directory, tmp_path):
    result = apply(lab, tmp_path, many(400), "--window", "50", "--narrow", "100:3")
    assert result.counts["added"] == 400 and result.counts["most"] == 3
    people(directory, "giver", "gainer")
    plan = many(500).passing("gainer", gains=[x("giver")]).passing("giver", gives=[x("giver")])
    result = apply(lab, tmp_path, plan, "--narrow", "450:0")
    assert result.counts["rc"] == -1 and "stopped" in result.error
    assert result.counts["added"] + result.counts["refused"] == 450
    assert x("giver") in addresses(directory, "giver")


def test_a_stop_leaves_no_address_without_an_owner(lab, directory, sample, tmp_path):
    uids = ["p%02d" % n for n in range(12)]
    people(directory, *uids)
    plan = Plan()
    for giver, gainer in zip(uids[:9], uids[1:10]):
        plan.passing(gainer, gains=[x(giver)], gives=[x(gainer)])
    plan.passing(uids[0], gives=[x(uids[0])])
    plan.passing(uids[10], gains=[x(uids[11])], gives=[x(uids[10])])
    plan.passing(uids[11], gains=[x(uids[10])], gives=[x(uids[11])])
    for operation in range(1, 15, 2):
        result = apply(lab, tmp_path, plan, "--window", "2", "--narrow", "%d:0" % operation)
        found = [a for uid in uids for a in addresses(directory, uid) if a.startswith("xp")]
        # the one at the end of the chain is given up to nobody
        assert sorted(found + ([x(uids[9])] if x(uids[9]) not in found else [])) == sorted(
            map(x, uids)), (operation, result.of)
        begin_again(directory, sample)
        people(directory, *uids)


def test_a_directory_that_is_killed_in_the_middle(lab, directory, tmp_path):
    plan, count = many(3000), 3000
    process = subprocess.Popen(command(lab, tmp_path, "--window", "8"), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    feeder = threading.Thread(target=lambda: (process.stdin.write(plan.text()),
                                              process.stdin.close()))
    feeder.start()
    lines = [process.stdout.readline() for _ in range(200)]
    directory.kill()
    result = Result("".join(lines) + process.stdout.read())
    feeder.join()
    assert process.wait() == 0
    assert result.counts["rc"] == -1 and "went away" in result.error
    directory.start()
    there = added(directory)
    told = {uid for uid, of in result.of.items() if of == "done"}
    # what was in flight was done or not; nothing that was told is missing
    assert told <= there and len(there - told) <= 8
    again = apply(lab, tmp_path, plan)
    assert again.counts["added"] == count - len(there) and again.counts["rc"] == 0
    assert len(added(directory)) == count


def test_a_directory_that_says_nothing(lab, directory, tmp_path):
    process = subprocess.Popen(command(lab, tmp_path, "--window", "8", "--timeout", "500"),
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    feeder = threading.Thread(target=lambda: (process.stdin.write(many(3000).text()),
                                              process.stdin.close()))
    feeder.start()
    lines = [process.stdout.readline() for _ in range(100)]
    os.kill(directory.pid, 19)
    try:
        result = Result("".join(lines) + process.stdout.read())
        assert result.counts["rc"] == -1 and "did not answer in time" in result.error
    finally:
        os.kill(directory.pid, 18)
        feeder.join()
        process.wait()


def test_a_directory_that_takes_no_writes(lab, directory, tmp_path):
    """Each refusal is told, and after some the run ends: the next million would fare alike."""
    directory.stop()
    with open(directory.conf) as conf:
        before = conf.read()
    try:
        with open(directory.conf, "w") as conf:
            conf.write(before.replace("\nindex\t\tobjectC", "\nreadonly on\nindex\t\tobjectC"))
        directory.start()
        result = apply(lab, tmp_path, many(500), "--window", "4")
        assert result.counts["rc"] == -1
        assert "takes no writes" in result.error and "restricted" in result.error
        assert 20 <= result.counts["refused"] <= 24 and result.counts["added"] == 0
    finally:
        directory.stop()
        with open(directory.conf, "w") as conf:
            conf.write(before)


def test_a_directory_that_is_full(lab, directory, tmp_path):
    directory.stop()
    with open(directory.conf) as conf:
        before = conf.read()
    try:
        with open(directory.conf, "w") as conf:
            conf.write(re.sub(r"maxsize\t+\d+", "maxsize\t\t%d" % (1 << 20), before))
        directory.start()
        result = apply(lab, tmp_path, many(5000), "--window", "4")
        assert result.counts["rc"] == -1 and "takes no writes" in result.error
        assert result.counts["added"] > 0 and result.counts["refused"] >= 20
    finally:
        directory.stop()
        with open(directory.conf, "w") as conf:
            conf.write(before)


def test_no_directory(lab, directory, tmp_path):
    directory.stop()
    result = apply(lab, tmp_path, many(1))
    assert result.counts["rc"] == -1 and directory.uri in result.error
