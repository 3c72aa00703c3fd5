"""A source of up syncs alone: source_driver, asked line by line."""

from driver import Driver

ENDS = ("outcome", "heard", "check", "error")


class Pull:
    """What one pull said: persons, gone and refused by id, and its result."""

    def __init__(self, lines):
        self.result = lines[-1]
        self.persons = {line["person"]: line for line in lines if "person" in line}
        self.shown = [line["person"] for line in lines if "person" in line]
        self.gone = {line["gone"] for line in lines if "gone" in line}
        self.refused = [line for line in lines if "refused" in line and "place" in line]
        self.outcome, self.mark = self.result["outcome"], self.result["mark"]
        self.reason, self.deletes = self.result["reason"], self.result["deletes"]

    @property
    def addresses(self):
        """{id: [address, ...]}"""
        return {one: line["addresses"] for one, line in self.persons.items()}


class Source(Driver):
    """with Source(directory, build, up={...}) as source: the keys of up S1 {} and, with a marker, of
    down S1 {}."""

    def __init__(self, directory, build, up, marker=None, name="source"):
        sections = {"up S1": up, **({"down S1": {"marker": marker}} if marker else {})}
        super().__init__(directory, build, "source_driver", sections, name, "S1")

    def lines(self):
        """Up to the one that ends an answer."""
        found = []
        while not found or not any(end in found[-1] for end in ENDS):
            found.append(self.hear())
        return found

    def ask(self, command):
        self.send(command)
        return self.lines()[-1]

    def pull(self):
        self.send("pull")
        return Pull(self.lines())

    def delta(self, mark):
        self.send("delta " + mark)
        return Pull(self.lines())

    def count(self, mark=""):
        """The result alone."""
        return self.ask("count " + mark if mark else "count")

    def wait(self, seconds, mark):
        return self.ask("wait %g %s" % (seconds, mark))
