"""Thousands of random edits on three systems (an LDAP server with deltas, a drop folder, a program), by
administrators in the directory, and of moves: after each up sync the directory is what a naive
model says, and a second sync writes nothing. RESTANTE_SEED repeats a run."""

import os
import random
import re
import shutil

import pytest

from lab.dirsync import Dirsync
from lab.lab import Lab
from lab.people import PEOPLE, READER, People, id_of
from lab.process import run
from lab.slapd import FEDERATION, ldif_value
from lab.slapd import PEOPLE as CONTAINER
from sync_model import Box, Model, Move, Source, federated
from synced import counts

KEYS = ["k%d@example.org" % number for number in range(26)] + [
    "e%d@elsewhere.test" % number for number in range(4)]
FOREIGN = ["X500:/o=Old Org/cn=f%d" % number for number in range(5)]
SETTINGS = {"addresses": "mail", "foreign": "title", "primary": "employeeNumber", "attributes": "cn=cn sn=cn",
            "physical": "%{departmentNumber}", "every": "0s", "full_every": "1d", "grace": "0s",
            "max_delete": 1000000, "max_delete_percent": 100, "lost_percent": 100,
            "new_system": "true"}
MOST = 12  # mailboxes of a system


class System:
    """A backend: its mailboxes, and how they are shown."""

    delta = False

    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        self.alive, self.dead, self.number = {}, {}, 0
        self.dirty, self.lost = set(), True
        lab.slapd.modify("dn: cn=%s,ou=systems,%s\nchangetype: add\nobjectClass: restanteBackend\n"
                         "cn: %s\n" % (name, FEDERATION, name), "root")

    def make(self, source):
        self.number += 1
        name = "%s-%03d" % (self.name.lower(), self.number)
        self.alive[name] = source
        return name

    def id_of(self, name):
        return name

    def values(self, name):
        """As its source has them."""
        source = self.alive[name]
        return [("cn", source.name), ("departmentNumber", source.physical),
                *([("employeeNumber", source.primary)] if source.primary else []),
                *(("mail", key) for key in sorted(source.lists)),
                *(("title", key[5:]) for key in sorted(source.foreign))]


class Server(System):
    """LDAP, changes alone by RFC 4533."""

    delta = True

    def __init__(self, lab, name):
        super().__init__(lab, name)
        self.people = People(lab, "people-" + name.lower())
        lab.servers.append(self.people)
        self.people.start()
        self.written = {}

    def keys(self):
        return {"source": "ldap", "uri": self.people.uri, "bind": "simple", "bind_dn": READER,
                "password_file": self.people.password_file, "base": PEOPLE, "page": 5,
                "filter": "(objectClass=person)", "delta": "syncrepl", "timeout": "10s"}

    def show(self):
        records = []
        for name in sorted(set(self.alive) | set(self.written)):
            values = self.values(name) if name in self.alive else None
            dn = "dn: uid=%s,%s\n" % (name, PEOPLE)
            if values == self.written.get(name):
                continue
            if values is None:
                records.append(dn + "changetype: delete\n")
            elif name not in self.written:
                records.append(dn + "changetype: add\nobjectClass: inetOrgPerson\nsn: x\n"
                               "entryUUID: %s\n" % id_of(name)
                               + "".join("%s: %s\n" % one for one in values))
            else:
                records.append(dn + "changetype: modify\n" + "".join(
                    "replace: %s\n%s-\n" % (each, "".join(
                        "%s: %s\n" % one for one in values if one[0] == each))
                    for each in ("cn", "departmentNumber", "employeeNumber", "mail", "title")))
            self.dirty.add(name)
            self.written[name] = values
            if values is None:
                del self.written[name]
        if records:  # with ids that are known beforehand: a seed repeats a run
            run(["ldapmodify", "-Q", "-Y", "EXTERNAL", "-H", self.people.ldapi, "-e", "!relax"],
                stdin="\n".join(records).encode())

    def id_of(self, name):
        return id_of(name)


class Files(System):
    """A drop folder of CSV."""

    def keys(self):
        self.folder = os.path.join(self.lab.dir, "drop-" + self.name)
        os.makedirs(self.folder)
        return {"source": "csv", "folder": self.folder, "id": "id"}

    def show(self):
        rows = ["id,cn,departmentNumber,employeeNumber,mail,title"]
        for name in self.alive:
            source = self.alive[name]
            rows.append(",".join((name, source.name, source.physical, source.primary or "",
                                  "|".join(sorted(source.lists)),
                                  "|".join(key[5:] for key in sorted(source.foreign)))))
        path = os.path.join(self.folder, "list")
        with open(path, "w") as out:
            out.write("\n".join(rows) + "\n")
        os.rename(path, path + ".csv")


class Program(System):
    """A program that prints LDIF."""

    def keys(self):
        self.path = os.path.join(self.lab.dir, "list-" + self.name)
        return {"source": "command", "command": "/bin/cat " + self.path, "id": "id"}

    def show(self):
        with open(self.path, "w") as out:
            for name in self.alive:
                out.write("dn: id=%s\nid: %s\n" % (name, name))
                out.write("".join("%s: %s\n" % one for one in self.values(name)) + "\n")


class World:
    def __init__(self, lab, seed):
        self.lab, self.slapd, self.dice = lab, lab.slapd, random.Random(seed)
        self.model, self.number = Model(), 0
        self.systems = [Server(lab, "RA"), Files(lab, "RB"), Program(lab, "RC")]
        self.dirsync = Dirsync(lab, {one.name: {**SETTINGS, **one.keys()} for one in self.systems},
                               name="dirsync-random")
        self.records, self.told = [], []
        self.edits = self.syncs = self.deltas = self.passed = 0
        self.move = None  # what this world knows of model.move: (system, name) of both mailboxes
        for one in self.systems:  # a list without any is no list
            one.make(Source(None, self.physical(), self.new("n"), self.dice.sample(KEYS, 2)))

    def new(self, what):
        self.number += 1
        return "%s%d" % (what, self.number)

    def physical(self):
        return self.new("p") + ("@example.net" if self.dice.random() < 0.04 else "@backend.lab")

    # --- the systems ----------------------------------------------------------------------------

    def edit_system(self):
        dice, system = self.dice, self.dice.choice(self.systems)
        second = self.move and self.move["second"]
        names = [name for name in system.alive if (system, name) != second]
        if len(names) < 4 or (len(names) < MOST and dice.random() < 0.15):
            # an id comes back while its entry is there; later that may have another one's name
            back = [] if system.delta else [name for name in system.dead if any(
                box.system == system.name and box.id == name for box in self.model.boxes)]
            if back and dice.random() < 0.3:
                name = dice.choice(back)
                system.alive[name] = system.dead.pop(name)
            else:
                system.make(Source(dice.choice(KEYS + [None]) if dice.random() < 0.9 else None,
                                   self.physical(), self.new("n"), dice.sample(KEYS, 2)))
            return
        self.edit_box(system, dice.choice(names))

    def edit_box(self, system, name):
        dice, source = self.dice, system.alive[name]
        what = dice.randrange(13)
        other = system.alive[dice.choice(list(system.alive))]
        key = dice.choice(KEYS)
        if what == 0:
            if source.primary and dice.random() < 0.5 and len(source.lists) > 1:
                source.lists.discard(source.primary)
            source.primary = key if dice.random() < 0.9 else None
            source.lists |= {key}
        elif what == 1:
            source.physical = self.physical()
        elif what == 2:
            source.name = self.new("n")
        elif what == 3:
            self.drop(system, name)
        elif what == 4 and source.primary:
            self.drop(system, name)
            system.make(Source(source.primary, self.physical(), self.new("n"),
                               source.lists | {key}))
        elif what in (11, 12):
            source.foreign ^= {dice.choice(FOREIGN)}
        elif what in (5, 6) and other is not source:
            mine = sorted(source.lists - {source.primary})
            if len(mine) > 1:
                given = dice.choice(mine)
                other.lists.add(given)
                if dice.random() < 0.9:
                    source.lists.discard(given)
        elif key != source.primary and (key not in source.lists or len(source.lists) > 1):
            source.lists ^= {key}

    def drop(self, system, name):
        system.dead[name] = system.alive.pop(name)

    # --- administrators, in the directory -------------------------------------------------------

    def change(self, box, *lines):
        self.records.append("%s\nchangetype: modify\n%s\n" % (
            ldif_value("dn", box.dn), "\n-\n".join(lines)))

    def edit_directory(self):
        dice, boxes = self.dice, [box for box in self.model.boxes]
        box = dice.choice(boxes) if boxes else None
        key = dice.choice([one for one in KEYS if federated(one)])
        if not box or dice.random() < 0.15:
            self.make_entry(key)
        elif dice.random() < 0.1:
            self.edit_foreign(box)
        elif dice.random() < 0.2:
            box.state = dice.choice(["holding", "active"])
            self.change(box, "replace: restanteState\nrestanteState: " + box.state)
        elif self.model.move and key == self.model.move.key:
            return
        elif key in box.has:
            self.change(box, "delete: mailLocalAddress\nmailLocalAddress: " + key)
            box.has.discard(key)
        else:
            owner = self.model.owner(key)
            if owner and dice.random() < 0.7:
                return
            if owner:
                self.change(owner, "delete: mailLocalAddress\nmailLocalAddress: " + key)
                owner.has.discard(key)
            self.change(box, "add: mailLocalAddress\nmailLocalAddress: " + key)
            box.has.add(key)

    def edit_foreign(self, box):
        key = self.dice.choice(FOREIGN)
        self.change(box, "%s: restanteForeignAddress\nrestanteForeignAddress: %s" % (
            "delete" if key in box.foreign else "add", key))
        box.foreign ^= {key}

    def make_entry(self, key):
        """By hand, without an id; often of a mailbox that is there."""
        system = self.dice.choice(self.systems)
        known = {box.physical for box in self.model.boxes}
        free = [source.physical for source in system.alive.values() if source.physical not in known
                and not federated(source.physical)]
        if self.model.owner(key) or len(self.model.boxes) > 50:
            return
        box = Box(system.name, None, self.dice.choice(free or [self.new("p") + "@backend.lab"]),
                  self.new("n"))
        box.has = {key}
        box.dn = "uid=%s,%s" % (self.new("hand"), CONTAINER)
        self.records.append(
            "dn: %s\nchangetype: add\nobjectClass: inetOrgPerson\n"
            "objectClass: inetLocalMailRecipient\nobjectClass: restanteMailbox\nuid: %s\ncn: %s\n"
            "sn: %s\nrestanteSystem: %s\nmailRoutingAddress: %s\nmailLocalAddress: %s\n" % (
                box.dn, box.dn[4:].split(",")[0], box.name, box.name, box.system, box.physical,
                key))
        self.model.boxes.append(box)

    def lose_snapshot(self):
        system = self.dice.choice(self.systems)
        shutil.rmtree(os.path.join(self.dirsync.state, system.name.lower()), ignore_errors=True)
        self.model.forget(system.name)
        system.lost = True

    # --- moves ----------------------------------------------------------------------------------

    def edit_move(self):
        if self.model.move is None:
            self.open_move()
            return
        move, known = self.model.move, self.move
        system, name = known["second"]
        box = self.model.owner(move.key)
        if move.over or box is None or name not in system.alive:
            self.records.append("dn: %s\nchangetype: delete\n" % known["dn"])
            self.model.move = self.move = None
        elif not move.open:
            if known["old"][1] in known["old"][0].alive and self.dice.random() < 0.5:
                self.drop(*known["old"])
        elif known["swapped"]:
            self.records.append("dn: %s\nchangetype: modify\nreplace: restanteMoveState\n"
                                "restanteMoveState: 10\n" % known["dn"])
            move.open = False
        elif self.dice.random() < 0.15:
            self.records.append("dn: %s\nchangetype: modify\nreplace: restanteMoveOutcome\n"
                                "restanteMoveOutcome: cancelled\n" % known["dn"])
            move.open, move.over = False, True
        elif self.dice.random() < 0.5:
            second = system.alive[name]
            second.lists |= box.has
            second.primary = box.primary if box.primary in box.has else second.primary
        else:
            self.swap(box, move, known)

    def open_move(self):
        dice = self.dice
        boxes = [box for box in self.model.boxes if box.id and box.has and not box.gone]
        if not boxes:
            return
        box = dice.choice(boxes)
        source = next(one for one in self.systems if one.name == box.system)
        target = dice.choice([one for one in self.systems if one is not source])
        old = next((name for name in source.alive if source.id_of(name) == box.id), None)
        if old is None:
            return
        key = dice.choice(sorted(box.has))
        second = target.make(Source(None, self.new("p") + "@backend.lab", self.new("n"),
                                    [dice.choice(KEYS[-4:])]))
        move = Move(key, source.name, target.name, box.id)
        known = dice.randrange(3)
        if known != 0:
            move.second = target.id_of(second)
        if known != 1:
            move.physical = target.alive[second].physical
        dn = "cn=%s,ou=moves,%s" % (self.new("m"), FEDERATION)
        self.records.append("\n".join(
            ["dn: " + dn, "changetype: add", "objectClass: restanteMove", "cn: " + dn[3:].split(",")[0],
             "restanteMoveAddress: " + key, "restanteMoveTarget: " + target.name,
             "restanteMoveState: 4", "restanteMoveAssignor: " + source.name,
             "restanteMoveOldSourceId: " + box.id]
            + (["restanteMoveSourceId: " + move.second] if move.second else [])
            + (["restanteMovePhysical: " + move.physical] if move.physical else [])) + "\n")
        self.model.move = move
        self.move = {"dn": dn, "second": (target, second), "old": (source, old), "swapped": False}

    def swap(self, box, move, known):
        system, name = known["second"]
        one = system.id_of(name)
        if box.system != move.source or any(
                other.system == system.name and other.id == one for other in self.model.boxes):
            return
        box.system, box.id, box.physical = system.name, one, system.alive[name].physical
        box.state = "active"
        self.change(box, *("replace: %s\n%s: %s" % (each, each, value) for each, value in (
            ("restanteSystem", box.system), ("restanteSourceId", one),
            ("mailRoutingAddress", box.physical), ("restanteState", "active"))))
        known["swapped"] = True

    # --- what comes of it -----------------------------------------------------------------------

    def edit(self):
        self.edits += 1
        what = self.dice.random()
        if what < 0.62:
            self.edit_system()
        elif what < 0.80:
            self.edit_directory()
        elif what < 0.98:
            self.edit_move()
        else:
            self.lose_snapshot()

    def read(self):
        found = self.slapd.search(
            "(|%s)" % "".join("(restanteSystem=%s)" % one.name for one in self.systems))
        lines, dns = [], {}
        for dn, e in found:
            def value(name, e=e):
                return e.get(name, [""])[0]
            line = (value("restantesystem"), value("restantesourceid"),
                    value("mailroutingaddress"), value("cn"), value("mail"),
                    value("restantestate"), "restantevanishedsince" in e,
                    tuple(sorted(e.get("maillocaladdress", []))),
                    tuple(sorted(e.get("restanteforeignaddress", []))),
                    tuple(sorted(one.rpartition(" ")[0]
                                 for one in e.get("restantevanishingaddress", []))))
            lines.append(line)
            dns[line] = dn
        return sorted(lines), dns

    def read_move(self):
        e = self.slapd.read(self.move["dn"])
        outcome = "restantemoveoutcome" in e or "restantemoveoldgone" in e
        return (e["restantemoveaddress"][0], e.get("restantemovesourceid", [""])[0],
                e.get("restantemovephysical", [""])[0],
                tuple(sorted(e.get("restantemoveclaim", []))), outcome)

    def compare(self, when):
        lines, dns = self.read()
        expected = self.model.lines()
        assert lines == expected, "%s, after %d edits and %d syncs\nonly there: %s\nonly here: %s" % (
            when, self.edits, self.syncs, "\n".join(map(str, set(lines) - set(expected))),
            "\n".join(map(str, set(expected) - set(lines))))
        for box in self.model.boxes:
            box.dn = dns[box.line()]
        if self.move:
            assert self.read_move() == self.model.move.line(), when

    def flush(self):
        if self.records:
            self.slapd.modify("\n".join(self.records), "root")
        self.records = []

    def sync(self, system, full):
        """What it counted."""
        system.show()
        shown = {system.id_of(name): source for name, source in system.alive.items()}
        arguments = ["--up", *(["--full"] if full else []), system.name]
        code, out = self.dirsync.once(*arguments, check=False)
        if code == 4:  # few mailboxes with many addresses
            listed = re.search(r" stops=([^ ;]+)", out).group(1)
            self.slapd.replace("cn=%s,ou=systems,%s" % (system.name, FEDERATION),
                               restanteSyncApproval=listed)
            _, out = self.dirsync.once(*arguments)
        assert " up: complete " in out, out
        was_full = re.findall(r"up sync \w+ system=%s run=\S+ full=(\d)" % system.name,
                              self.dirsync.log_tail(40))[-1] == "1"
        gone = set()
        if not was_full:
            self.deltas += 1
            gone = {system.id_of(name) for name in system.dirty if name not in system.alive}
            dirty = {system.id_of(name) for name in system.dirty}
            dirty |= self.model.waiting.get(system.name, set())
            shown = {one: source for one, source in shown.items() if one in dirty}
        system.dirty = set()
        assert was_full or not (full or system.lost)
        system.lost = False
        self.model.sync(system.name, shown, gone, was_full)
        return counts(out)

    def round(self, edits):
        for _ in range(edits):
            self.edit()
        for one in self.systems:
            if isinstance(one, Server):
                one.show()
        self.flush()
        self.syncs += 1
        system = self.dice.choice(self.systems)
        full = self.dice.random() < 0.4
        done = self.sync(system, full)
        said = re.findall(r"sync: (\w+ (?:refused|dropped|overtaken) .*)", self.dirsync.log_text())
        assert not said, "\n".join(said)
        self.compare("sync of " + system.name)
        if self.dice.random() < 0.5:
            before = self.model.lines()
            done = self.sync(system, full)
            self.compare("second sync of " + system.name)
            if self.model.lines() == before:
                assert done["added"] + done["changed"] + done["deleted"] == 0, done


def live(seed, rounds, edits):
    print("RESTANTE_SEED=%d" % seed)
    with Lab(start=("slapd",)) as lab:
        world = World(lab, seed)
        for _ in range(rounds):
            world.round(world.dice.randrange(edits))
        assert world.edits > rounds * edits / 3 and world.deltas > 0
        return world


def seed_of(default):
    return int(os.environ.get("RESTANTE_SEED", default))


def test_random_edits():
    live(seed_of(1), 30, 60)


@pytest.mark.long
def test_many_random_edits():
    first = seed_of(os.getpid())
    for seed in range(first, first + 6):
        live(seed, 150, 50)
