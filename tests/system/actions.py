"""Actions of restante-control alone: action_driver, asked line by line."""

import json
import os

from driver import Driver

SHIPPED = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
                       "contrib/actions")
UUID = "5d0c1c9e-5e0f-4a7b-9d11-000000000001"


class Actions(Driver):
    """with Actions(lab, {"S2": {...}}) as actions: the keys of actions NAME {}."""

    def __init__(self, lab, systems, name="actions"):
        super().__init__(lab.dir, lab.build, "action_driver",
                         {"actions " + system: keys for system, keys in systems.items()}, name)

    def put(self, system, action, verify=False, **subject):
        self.send(json.dumps({"system": system, "action": action, "verify": verify, **subject}))

    def run(self, system, action, verify=False, **subject):
        """What became of it: outcome, text, physical, source_id, addresses, empty."""
        self.put(system, action, verify, **subject)
        return self.hear()

    def does(self, system, action, **subject):
        """It is done; a repeat finds it done; so does a check alone."""
        said = self.run(system, action, **subject)
        assert said["outcome"] == "done", said
        for verify in (False, True):
            again = self.run(system, action, verify, **subject)
            assert again["outcome"] == "already", again
        return said

    def asks(self, system, action, **subject):
        said = self.run(system, action, **subject)
        assert said["outcome"] == "already", said
        return said


def person(name, **more):
    """A subject whose access address is NAME@example.org."""
    address = name + "@example.org"
    return {"identifier": "20261122T190000Z-00000001", "id": UUID, "address": address,
            "primary": address, "addresses": [address], "foreign": [], "physical": "",
            "source_id": "", "other": "", "attributes": {"cn": [name.title()],
                                                         "sn": [name.title()]}, **more}
