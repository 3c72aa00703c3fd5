"""What the directory must be after an up sync, worked out the naive way: everything at hand, one loop
after the other. It shares nothing with restante-dirsync but the rules of docs/sync.md. The grace is
nothing: what is marked goes with the second complete pull that lacks it."""

FEDERATED = ("example.org", "example.net")


def federated(address):
    return address.rpartition("@")[2] in FEDERATED


class Source:
    """A mailbox on its system. lists: addresses, its primary one (None: it has none) among them;
    foreign: X500 addresses."""

    def __init__(self, primary, physical, name, lists=()):
        self.primary, self.physical, self.name = primary, physical, name
        self.lists = set(lists) | ({primary} if primary else set())
        self.foreign = set()


class Box:
    """A mailbox in the directory."""

    def __init__(self, system, one, physical, name):
        self.system, self.id, self.physical, self.name = system, one, physical, name
        self.primary, self.state, self.gone = None, None, False
        self.has, self.foreign, self.marked = set(), set(), set()

    def line(self):
        return (self.system, self.id or "", self.physical, self.name, self.primary or "",
                self.state or "", self.gone, tuple(sorted(self.has)), tuple(sorted(self.foreign)),
                tuple(sorted(self.marked)))


class Move:
    """second, physical: what its record says of the second mailbox, None: nothing."""

    def __init__(self, key, source, target, old):
        self.key, self.source, self.target, self.old = key, source, target, old
        self.second = self.physical = None
        self.claims = set()
        self.open, self.over = True, False

    def line(self):
        return (self.key, self.second or "", self.physical or "", tuple(sorted(self.claims)),
                self.over)


class Trace:
    def __init__(self):
        self.known, self.lacking, self.missing = set(), {}, 0


class Part:
    """An id in a sync."""

    def __init__(self, source, gone, box, trace):
        self.source, self.gone, self.box, self.trace = source, gone, box, trace
        self.orphan = self.skip = False
        self.gains, self.loses, self.passes, self.taken = set(), set(), set(), {}


class Model:
    def __init__(self):
        self.boxes, self.traces, self.move = [], {}, None
        self.read = set()  # systems that were read whole since their snapshot was lost
        self.waiting = {}  # system: ids whose physical address waits, so that deltas show them

    def owner(self, key):
        return next((box for box in self.boxes if key in box.has), None)

    def lines(self):
        return sorted(box.line() for box in self.boxes)

    def forget(self, system):
        """The snapshot is lost."""
        self.traces = {key: trace for key, trace in self.traces.items() if key[0] != system}
        self.read.discard(system)

    def sync(self, system, shown, gone, full):
        """shown: {id: Source}; gone: ids that a delta says are gone."""
        Sync(self, system, shown, gone, full).run()


class Sync:
    def __init__(self, model, system, shown, gone, full):
        self.model, self.system, self.full = model, system, full
        self.move = model.move if model.move and not model.move.over else None
        ids = set(shown) | set(gone)
        if full:
            ids |= {box.id for box in model.boxes if box.system == system and box.id}
            ids |= {one for where, one in model.traces if where == system}
        self.parts = {one: Part(shown.get(one), one in gone, self.box_of(one),
                                model.traces.get((system, one))) for one in sorted(ids)}

    def box_of(self, one):
        return next((box for box in self.model.boxes
                     if box.system == self.system and box.id == one), None)

    def run(self):
        self.model.waiting[self.system] = set()
        self.pair()
        for one, part in self.parts.items():
            self.weigh(one, part)
        if not self.full:
            self.add_owners()
        for key in sorted({key for part in self.parts.values() for key in part.gains}):
            self.share_out(key)
        self.hand_over()
        before = {id(box): set(box.has) for box in self.model.boxes}
        for one, part in self.parts.items():
            if not part.skip:
                self.settle(one, part, before)
        for one, part in self.parts.items():
            if part.skip:
                self.model.traces.pop((self.system, one), None)
        self.model.boxes = [box for box in self.model.boxes if box.system]
        if (self.full and self.move and not self.move.open and self.move.source == self.system
                and self.system in self.model.read):
            self.move.over = not (self.move.old in self.parts
                                  and self.parts[self.move.old].source)
        if self.full:
            self.model.read.add(self.system)

    # --- entries that lost their mailbox ------------------------------------------------------

    def pair(self):
        for one, part in self.parts.items():
            if part.source and not part.box:
                self.mate(one, part)

    def mate(self, one, part):
        mine = [box for box in self.model.boxes if box.system == self.system]
        paired = {id(other.box) for other in self.parts.values() if other.orphan}
        for box in mine:
            if not box.id and box.physical == part.source.physical and id(box) not in paired:
                part.box, part.orphan, part.trace = box, True, None  # all in it is by hand
                return
        if not self.full or not part.source.primary:
            return
        # of several made anew, or several that are missing, the first: the others are too doubtful
        alike = [each for each, other in self.parts.items() if other.source
                 and not self.box_of(each) and other.source.primary == part.source.primary]
        missing = [box for box in mine if box.id and box.primary == part.source.primary
                   and not self.parts[box.id].source]
        if one != alike[0] or not missing:
            return
        box = min(missing, key=lambda box: box.id)
        if not self.moves(box):
            part.box, part.orphan, part.trace = box, True, self.parts[box.id].trace
            self.parts[box.id].skip = True

    def moves(self, box):
        return bool(self.move and self.move.open and self.move.key in box.has)

    # --- who gains, who gives -----------------------------------------------------------------

    def weigh(self, one, part):
        if part.skip:
            return
        if part.source:
            part.gains = {key for key in part.source.lists if federated(key)
                          and not (part.box and key in part.box.has)}
        if part.box:
            part.loses = {key for key in part.box.has if self.loses(part, key)}

    def loses(self, part, key):
        if part.source and key in part.source.lists:
            return False
        if not part.source and (self.full or part.gone or part.box.gone):
            return True
        return key in part.box.marked or bool(
            part.source and part.trace and key in part.trace.known)

    def add_owners(self):
        """Those that the delta does not show; what is marked there passes all the same."""
        wanted = {key for part in self.parts.values() for key in part.gains}
        for box in self.model.boxes:
            if (box.system == self.system and box.id and box.id not in self.parts
                    and box.has & wanted):
                part = Part(None, False, box, self.model.traces.get((self.system, box.id)))
                self.parts[box.id] = part
                self.weigh(box.id, part)

    def part_of(self, box):
        return next((part for part in self.parts.values()
                     if part.box is box and not part.skip), None)

    def rank(self, one, key):
        part = self.parts[one]
        if part.box and not part.orphan:
            return (0, one)
        if not self.could_have(one, part):
            return (3, one)
        return (1 if part.source.primary == key else 2, one)

    def share_out(self, key):
        """The first may have it, unless somebody has it who does not give it up."""
        owner = self.model.owner(key)
        giver = self.part_of(owner) if owner else None
        claimants = sorted((one for one, part in self.parts.items() if key in part.gains),
                           key=lambda one: self.rank(one, key))
        for number, one in enumerate(claimants):
            part = self.parts[one]
            if owner is not None and owner is part.box:
                continue
            if owner is not None and not (giver and key in giver.loses):
                part.taken[key] = owner
            elif number > 0:
                part.taken[key] = owner or "another"

    def hand_over(self):
        for one, part in self.parts.items():
            for key in part.gains - set(part.taken):
                owner = self.model.owner(key)
                giver = self.part_of(owner) if owner else None
                if not giver or giver is part:
                    continue
                if self.takes(one, part):
                    giver.passes.add(key)
                else:
                    part.taken[key] = owner

    # --- moves --------------------------------------------------------------------------------

    def concerns(self, one, part):
        move = self.move
        if not move:
            return False
        if any(isinstance(owner, Box) and move.key in owner.has for owner in part.taken.values()):
            return True
        if move.source == self.system and move.old == one:
            return True
        return move.target == self.system and (
            move.second == one
            or bool(part.source and move.physical and part.source.physical == move.physical))

    def is_second(self, one, part):
        move = self.move
        if not self.concerns(one, part) or not move.open or move.target != self.system:
            return False
        if not move.second and not move.physical:
            return bool(part.source) and self.is_by_name(part)
        return (move.second == one
                or bool(part.source and part.source.physical == move.physical))

    def is_by_name(self, part):
        """Its primary address, or without one all that it lists, is the moving mailbox's."""
        keys = {part.source.primary} if part.source.primary else part.source.lists
        return bool(keys) and all(
            key == self.move.key or isinstance(part.taken.get(key), Box)
            and self.move.key in part.taken[key].has for key in keys)

    def is_old(self, one, part):
        return (self.concerns(one, part) and self.move.source == self.system
                and self.move.old == one)

    def could_have(self, one, part):
        """Whether an entry could be made for it, as far as this does not hang on addresses."""
        return not (federated(part.source.physical) or self.is_second(one, part)
                    or self.is_old(one, part))

    def takes(self, one, part):
        if part.box:
            return True
        primary = part.source.primary
        if not self.could_have(one, part) or primary in part.taken:
            return False
        if primary and federated(primary):
            return True
        return bool(part.gains - set(part.taken))

    # --- what becomes of them -----------------------------------------------------------------

    def settle(self, one, part, before):
        after = Trace()
        keeps = True
        if not part.box:
            keeps = self.settle_without(one, part, after)
        elif part.source:
            self.settle_present(one, part, after, before[id(part.box)])
        else:
            after = self.settle_absent(one, part)
        if keeps:
            self.model.traces[(self.system, one)] = after
        else:
            self.model.traces.pop((self.system, one), None)

    def settle_present(self, one, part, after, had):
        box, source, trace = part.box, part.source, part.trace or Trace()
        box.id, box.gone = one, False
        for key in source.lists:
            after.known.add(key)
            box.marked.discard(key)
            if key in part.gains and key not in part.taken:
                box.has.add(key)
        free = box.state in (None, "active") and not self.moves_then(box, had)
        for key in had - source.lists:
            if key in box.marked or key in trace.known:
                self.lacking(part, trace, after, key, free)
        for key in source.foreign:
            after.known.add(key)
            box.marked.discard(key)
        for key in box.foreign - source.foreign:
            if key in box.marked or key in trace.known:
                self.lacking(part, trace, after, key, free)
        box.foreign |= source.foreign
        box.marked &= box.has | box.foreign
        if box.primary and box.primary not in box.has and box.primary in had:
            box.primary = None
        if source.primary and source.primary in box.has:
            box.primary = source.primary
        if source.physical != box.physical and not federated(source.physical):
            if free:
                box.physical = source.physical
            else:
                self.model.waiting[self.system].add(one)
        box.name = source.name

    def moves_then(self, box, had):
        return bool(self.move and self.move.open and self.move.key in had)

    def lacking(self, part, trace, after, key, free):
        box = part.box
        after.known.add(key)
        if key in part.passes:
            box.has.discard(key)
            return
        pulls = trace.lacking.get(key, 0) + self.full
        after.lacking[key] = pulls
        if key not in box.marked:
            box.marked.add(key)
        elif self.full and pulls >= 2 and free:
            box.has.discard(key)
            box.foreign.discard(key)

    def settle_absent(self, one, part):
        box, trace = part.box, part.trace or Trace()
        held = self.moves(box) or box.state == "holding"
        box.has -= part.passes
        box.marked -= part.passes
        if not self.full and not part.gone:
            return trace
        trace.missing += self.full
        self.unclaim(one, part)
        if not box.gone:
            box.gone = True
        elif self.full and trace.missing >= 2 and not held:
            box.system = None
        return trace

    def settle_without(self, one, part, after):
        if not part.source:
            self.unclaim(one, part)
            return False
        after.known = set(part.source.lists)
        if self.is_second(one, part) or self.is_old(one, part):
            after.known |= part.source.foreign
        if self.is_second(one, part):
            self.claim(one, part)
        elif not self.is_old(one, part) and self.takes(one, part):
            box = Box(self.system, one, part.source.physical, part.source.name)
            box.has, box.foreign = part.gains - set(part.taken), set(part.source.foreign)
            after.known |= box.foreign
            box.primary = part.source.primary if part.source.primary in box.has else None
            self.model.boxes.append(box)
        return True

    def unclaim(self, one, part):
        """Gone in a complete pull."""
        if self.full and self.is_second(one, part) and self.move.second == one:
            self.move.claims = set()

    def claim(self, one, part):
        move = self.move
        move.claims = {key for key in part.source.lists if federated(key) and (
            key not in part.taken or isinstance(part.taken[key], Box)
            and move.key in part.taken[key].has)}
        move.second = move.second or one
        move.physical = move.physical or part.source.physical
