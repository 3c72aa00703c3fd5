"""A backend whose mailboxes come from exports in a drop folder."""

import os
import re

from lab.dirsync import Dirsync
from lab.slapd import FEDERATION

SETTINGS = {"source": "csv", "id": "id", "addresses": "aliases", "primary": "mail",
            "physical": "%{id}@s4.lab", "attributes": "cn=name sn=name telephoneNumber=phone",
            "every": "0s", "full_every": "1d"}
ALIASES = 3  # columns; a mailbox may use fewer
HEADER = "id,mail,%s,name,phone\n" % ",".join(["aliases"] * ALIASES)
NAMES = iter(range(4, 1000))


class System:
    """A backend of this test's own: people is what its next export shows."""

    def __init__(self, lab, prefix="p", count=0, **settings):
        self.lab, self.slapd = lab, lab.slapd
        self.name = "T%d" % next(NAMES)
        self.prefix = self.name.lower() + prefix
        self.dn = "cn=%s,ou=systems,%s" % (self.name, FEDERATION)
        self.slapd.modify("dn: %s\nchangetype: add\nobjectClass: restanteBackend\ncn: %s\n" % (
            self.dn, self.name), "root")
        self.folder = os.path.join(lab.dir, "drop-" + self.name)
        os.makedirs(self.folder)
        self.people = {}
        self.drops = 0
        self.dirsync = Dirsync(lab, {self.name: {**SETTINGS, "folder": self.folder, **settings}},
                               name="dirsync-" + self.name.lower())
        for number in range(count):
            self.add(number)

    def add(self, number, *aliases, **values):
        uid = "%s%d" % (self.prefix, number)
        self.people[uid] = {"mail": uid + "@example.org", "name": "Person %d" % number,
                            "phone": "+49 1 %d" % number, **values,
                            "aliases": list(aliases) or ["alias-%s@example.org" % uid]}
        return uid

    def export(self):
        """A new file in the drop folder."""
        self.drops += 1
        path = os.path.join(self.folder, "%04d.csv" % self.drops)
        with open(path + ".part", "w") as out:
            out.write(HEADER)
            for uid, person in self.people.items():
                aliases = (person["aliases"] + [""] * ALIASES)[:ALIASES]
                out.write(",".join([uid, person["mail"], *aliases, person["name"],
                                    person["phone"]]) + "\n")
        os.rename(path + ".part", path)

    def sync(self, *arguments, check=True):
        """Exports, runs; the line that is printed."""
        self.export()
        code, out = self.dirsync.once("--up", *arguments, self.name, check=check)
        return out if check else (code, out)

    def entries(self):
        """{source id: attributes} in the directory."""
        found = self.slapd.search("(restanteSystem=%s)" % self.name)
        return {e.get("restantesourceid", [dn])[0]: {"dn": dn, **e} for dn, e in found}

    def record(self):
        return self.slapd.read(self.dn)

    def outcome(self):
        return self.record().get("restanteupsyncoutcome", [""])[0]

    def answered(self):
        return int(self.record().get("restantesyncfinished", ["0"])[0])

    def addresses(self, uid):
        return set(self.entries()[uid]["maillocaladdress"])


def counts(line):
    return {key: int(value) for key, value in
            re.findall(r"(?:^| )(\w+)=(\d+)(?= |$)", line.split(";")[0])}


def level(system):
    """The directory says what the system does; marks do not count."""
    entries = system.entries()
    assert set(entries) == set(system.people)
    for uid, person in system.people.items():
        entry = entries[uid]
        assert set(person["aliases"]) | {person["mail"]} == set(entry["maillocaladdress"])
        assert entry["mail"] == [person["mail"]]
        assert entry["mailroutingaddress"] == [uid + "@s4.lab"]
        assert entry["cn"] == [person["name"]]


def stops(outcome):
    """{kind: number} of what a run was stopped for."""
    found = re.search(r" stops=([^ ;]+)", outcome)
    return {kind: int(number) for kind, number in
            (one.split(":") for one in found.group(1).split(","))} if found else {}


def approve(system):
    listed = ",".join("%s:%d" % one for one in stops(system.outcome()).items())
    system.slapd.replace(system.dn, "operator", restanteSyncApproval=listed)
