"""Everything breaks at random, two controllers and the sync daemon too, while moves are recorded, taken
back, paused: nothing is lost, nothing goes to the wrong place, and every move comes to its end."""

import json
import subprocess
import time

import pytest

from helpers import user_of, wait_verdict
from lab.chaos import Kill, Stop
from lab.control import Control, dirsync_of
from lab.ledger import Stay
from lab.process import wait_for
from test_chaos import MAILBOXES, Administrator, Crew, chaos_and_ledger, seed_of

# Its steps may be tried again many times: patience is short, and each program ends soon.
OPTIONS = {"retry_min": "100ms", "retry_max": "1s", "fence_timeout": "5s"}
SCENARIOS = {"moving": {"create": "0s", "drain": "0s"}}


class Mover(Administrator):
    """Records a move, and may change its mind."""

    def __init__(self, lab, homes, seed):
        super().__init__(lab, homes, seed)
        self.conf = lab.control_conf

    def tell(self, address, *command):
        """The newest move of that mailbox; None where the directory does not answer."""
        done = subprocess.run([self.lab.milter.cli_binary, "-c", self.conf, "--json", "move",
                               *command, address], capture_output=True, timeout=120, check=False)
        return json.loads(done.stdout.splitlines()[0]) if done.returncode == 0 else None

    def record(self, address, system):
        """Its name. An answer that was lost may have recorded it."""
        def try_it():
            self.restante("move", "add", address, "--to", system, "--scenario", "moving")
            move = self.tell(address, "show")
            return move["name"] if move and move["open"] else None
        return wait_for(try_it, 120, "a move of %s to be recorded" % address, interval=0.1)

    def change_mind(self, address):
        luck = self.random.random()
        time.sleep(self.random.uniform(0.0, 2.0))
        if luck < 0.25:
            self.restante("move", "rollback", "--leave-mail", "--yes", address)
            self.holds += 1
        elif luck < 0.4:
            self.restante("move", "pause", "--yes", address)
            time.sleep(self.random.uniform(0.0, 1.0))
            self.insist("move", "resume", "--yes", address)

    def end_of(self, name):
        def ended():
            move = self.tell(name, "show")
            if move and move["stopped"]:
                self.refused += 1
                print("stopped: %s" % move["error"])
                self.restante("move", "retry", "--yes", name)
            return move if move and not move["open"] and self.is_settled(move) else None
        return wait_for(ended, 240, "the move %s to end" % name, interval=0.1)

    @staticmethod
    def is_settled(move):
        return "outcome" in move or not move.get("request")

    def turn(self, address, home):
        began, old = home.hold(), home.place[0]
        target = "S1" if old == "S2" else "S2"
        name = self.record(address, target)
        self.change_mind(address)
        move = self.end_of(name)
        if self.lives_at(address) == "%s@%s.lab" % (user_of(address), target.lower()):
            home.swapped(self.lab, (target, user_of(address)))
            self.swaps += 1
        elif any(step["step"] == "swap" for step in move["done"]):
            home.swapped(self.lab, (target, user_of(address)))
            home.stays[-1].until = time.monotonic()
            home.stays.append(Stay((old, user_of(address)), began))
        else:
            home.unhold()


class Controllers(Crew):
    """Two controllers, one of which leads, and the sync daemon; the backends' own directories are
    files."""

    administrator = Mover

    def __init__(self, lab):
        super().__init__(lab)
        first = Control(lab, options=OPTIONS, scenarios=SCENARIOS)
        self.controls = [first, Control(lab, options=OPTIONS, scenarios=SCENARIOS, name="other",
                                        folder=first.folder)]
        self.dirsync = dirsync_of(first)
        lab.control_conf = first.conf
        self.servers = [*self.controls, self.dirsync]

    def people(self):
        first = self.controls[0]
        first.load_backends()
        addresses = first.people(*("mover%d" % number for number in range(MAILBOXES)))
        for address in addresses:
            wait_verdict(self.lab, address, "rewrite")
        self.lab.servers += self.servers
        for server in self.servers:
            server.start()
        return addresses

    def faults(self):
        found = super().faults()
        for server in self.servers:
            found += [(4, lambda s=server: Kill(s)), (2, lambda s=server: Stop(s))]
        return found


@pytest.mark.long
def test_moves_in_chaos():
    chaos = chaos_and_ledger(300, seed_of(time.time_ns() % 10 ** 9), hire=Controllers)
    victims = {victim for _, victim in chaos.counts()}
    assert {"control", "other", "dirsync"} <= victims
