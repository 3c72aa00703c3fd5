"""restante-control with two backends that are files (backend_action.py), and restante-dirsync that
tells the directory what they have."""

import collections
import json
import os
import socket

from .daemon import Daemon, listens
from .dirsync import Dirsync
from .process import is_alive, wait_for
from .slapd import BASE, FEDERATION, identity

ACTION = os.path.join(os.path.dirname(os.path.abspath(__file__)), "backend_action.py")
ACTIONS = ("create", "redirect", "unredirect", "addresses", "unaddress", "list", "close", "open",
           "empty", "delete", "contact")
MOVES = "ou=moves," + FEDERATION
PENDING = """
dn: cn={name},{moves}
objectClass: restanteMove
cn: {name}
restanteMoveAddress: person{number}@example.org
restanteMoveTarget: S2
restanteMoveScenario: default
restanteMoveInstant: 20991231000000Z
restanteMoveState: 0
restanteMoveReached: 0 20261122000000Z
restanteMoveMailbox: {number:08x}-0000-4000-8000-000000000000
restanteMoveAssignor: S1
restanteMoveOldPhysical: person{number}@s1.lab
restanteMoveOldSourceId: s1-person{number}
restanteMoveWave: one
restanteMoveIdentifier: {name}
"""


def pending_record(number):
    """LDIF of a move that is due in years."""
    return PENDING.format(name="20261122T000000Z-%08x" % number, moves=MOVES, number=number)


class Control(Daemon):
    """options: of control {}; scenarios: keys of scenario NAME {}, by name; name: where several are
    needed; actions: keys of every actions NAME {}."""

    program = "restante-control"
    systems = ("S1", "S2")

    def __init__(self, lab, options=None, scenarios=None, name="control", actions=None, folder=None):
        self.name = name
        super().__init__(lab)
        self.options = options or {}
        self.scenarios = {"default": {"create": "0s", "drain": "5s"}, **(scenarios or {})}
        self.actions, self.logging, self.uri = actions or {}, "debug", None
        self.timeout = "2s"  # of the directory's answers
        self.folder = folder or os.path.join(lab.dir, "backends")
        for path in (self.dir, self.folder, os.path.dirname(self.log)):
            os.makedirs(path, exist_ok=True)
        self.configure()

    def settings(self):
        slapd = self.lab.slapd
        sections = {
            "ldap": {"uri": self.uri or slapd.uri, "base": BASE, "bind": "simple",
                     "bind_dn": identity("control"),
                     "password_file": slapd.password_file("control"), "timeout": self.timeout},
            "log": {"target": "stderr", "level": self.logging},
            "control": {"control_socket": self.control, "user": "", "group": "",
                        "holder": self.name, "lease": "2s", "retry_min": "200ms",
                        "retry_max": "1s", "fence_timeout": "2s", **self.options},
            "cli": {"bind_dn": identity("operator"),
                    "password_file": slapd.password_file("operator")}}
        sections.update({"scenario " + name: keys for name, keys in self.scenarios.items()})
        for system in self.systems:
            sections["actions " + system] = self.actions_of(system)
        return sections

    def actions_of(self, system):
        """Keys of actions NAME {}."""
        command = "/usr/bin/python3 %s %s" % (ACTION, self.folder)
        return {"time_limit": "2s", "timeout": "1s", **{action: command for action in ACTIONS},
                **self.actions}

    def ready(self):
        return listens(self.control)

    def ask(self, command, **fields):
        """One request, the line of its answer."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(120)
            connection.connect(self.control)
            connection.sendall(json.dumps(dict(v=1, cmd=command, **fields)).encode() + b"\n")
            return json.loads(connection.makefile().readline())

    # --- moves ----------------------------------------------------------------------------------

    def record(self, name, address, target="S2", **attributes):
        """As any LDAP editor would; the record's DN."""
        dn = "cn=%s,%s" % (name, MOVES)
        lines = ["dn: " + dn, "changetype: add", "objectClass: restanteMove", "cn: " + name,
                 "restanteMoveAddress: " + address, "restanteMoveTarget: " + target]
        lines += ["%s: %s" % pair for pair in attributes.items()]
        self.lab.slapd.modify("\n".join(lines) + "\n", "operator")
        return dn

    def move(self, dn):
        """{attribute in lower case: values} of the record; None where it is gone."""
        return self.lab.slapd.read(dn)

    def one(self, dn, attribute):
        move = self.move(dn) or {}
        return move.get(attribute.lower(), [""])[0]

    def state(self, dn):
        return int(self.one(dn, "restanteMoveState") or -1)

    def request(self, dn, what):
        self.lab.slapd.replace(dn, "operator", restanteMoveRequest=what)

    def wait_state(self, dn, state, timeout=30):
        wait_for(lambda: self.state(dn) == state, timeout, "%s to reach state %d, not %s" % (
            dn, state, self.move(dn)))

    def wait_outcome(self, dn, outcome, timeout=30):
        wait_for(lambda: self.one(dn, "restanteMoveOutcome") == outcome, timeout,
                 "%s to have the outcome %s" % (dn, outcome))

    def wait_stopped(self, dn, timeout=30):
        wait_for(lambda: self.one(dn, "restanteMoveStopped") == "TRUE", timeout,
                 "%s to be stopped" % dn)
        return self.one(dn, "restanteMoveError")

    # --- the backends ---------------------------------------------------------------------------

    def backend(self, system):
        path = os.path.join(self.folder, system + ".json")
        if not os.path.exists(path):
            return {"mailboxes": {}, "contacts": {}}
        with open(path) as source:
            return json.load(source)

    def put_backend(self, system, state):
        path = os.path.join(self.folder, system + ".json")
        with open(path + ".put", "w") as out:
            json.dump(state, out)
        os.rename(path + ".put", path)

    def load_backends(self):
        """The mailboxes that the directory has on them."""
        for system in self.systems:
            found = self.lab.slapd.search("(restanteSystem=%s)" % system)
            boxes = {}
            for _, entry in found:
                if any(a.startswith("@") for a in entry["maillocaladdress"]):
                    continue
                account = entry["mailroutingaddress"][0].split("@")[0]
                boxes[account] = {"id": entry["restantesourceid"][0], "redirect": "",
                                  "closed": False, "addresses": entry["maillocaladdress"]}
            self.put_backend(system, {"mailboxes": boxes, "contacts": {}})

    def fault(self, faults):
        """{"S1 create": "fail", "S2 list anna@example.org": "hang"}: what goes wrong from now on."""
        path = os.path.join(self.folder, "fault")
        with open(path + ".new", "w") as out:
            json.dump(faults, out)
        os.rename(path + ".new", path)

    def people(self, *names, system="S1"):
        """Further mailboxes, in the directory and on the system; their access addresses."""
        state = self.backend(system)
        for name in names:
            self.lab.slapd.add_mailbox(name, system)
            source_id = "%s-%s" % (system.lower(), name)
            self.lab.slapd.replace(self.lab.slapd.mailbox_dn(name), restanteSourceId=source_id)
            state["mailboxes"][name] = {"id": source_id, "redirect": "", "closed": False,
                                        "addresses": [name + "@example.org"]}
        self.put_backend(system, state)
        return [name + "@example.org" for name in names]

    def effects(self):
        """(system, action, address) -> how often it was done with effect."""
        path = os.path.join(self.folder, "effects")
        if not os.path.exists(path):
            return collections.Counter()
        with open(path) as lines:
            return collections.Counter(tuple(line.split()) for line in lines)

    def hanging(self):
        """The addresses of all programs of the fault "hang" that run side by side at this moment."""
        path = os.path.join(self.folder, "hangs")
        if not os.path.exists(path):
            return set()
        with open(path) as lines:
            begun = [line.split() for line in lines if line.endswith("\n")]
        alive = [(int(pid), address) for pid, address in begun if is_alive(int(pid))]
        # one may end before the next is looked at: who is there still was so all the while
        return {address for pid, address in alive if is_alive(pid)}

    def slows(self):
        """A line for each action that began to take its time: as the keys of fault."""
        path = os.path.join(self.folder, "slows")
        if not os.path.exists(path):
            return []
        with open(path) as lines:
            return lines.read().splitlines()


def where(lab, name):
    """(system, physical address, state) that the directory has for that mailbox."""
    entry = lab.slapd.read(lab.slapd.mailbox_dn(name))
    return (entry["restantesystem"][0], entry["mailroutingaddress"][0],
            entry.get("restantestate", ["active"])[0])


def begin(control):
    """Starts it, and the up syncs of its backends, which have the lab's mailboxes."""
    control.load_backends()
    control.lab.servers.append(dirsync_of(control).start())
    control.lab.servers.append(control)
    return control.start()


def dirsync_of(control, **options):
    """The up syncs of its backends: a run whenever one is asked for."""
    ups = {}
    for system in control.systems:
        ups[system] = {
            "source": "command", "format": "csv", "id": "id", "addresses": "mail",
            "command": "/usr/bin/python3 %s %s csv %s" % (ACTION, control.folder, system),
            "physical": "%%{account}@%s.lab" % system.lower(), "value_separator": "|",
            "attributes": "cn=name sn=name displayName=name", "every": "0s", "full_every": "0s"}
    return Dirsync(control.lab, ups=ups, options=options)
