"""A further directory server: a copy of the first one, by its own replication, to read from."""

import re

from .slapd import BASE, Slapd
from .wire import Wire


class Provider(Slapd):
    """Configured by the shipped example and what slapd-replica.conf.example adds to it. `supply`
    is the wire to the first server: cut it, and this one lags."""

    def __init__(self, lab, number):
        self.name = "slapd%d" % number
        self.first = lab.slapd
        self.supply = Wire(self.first.port)
        super().__init__(lab, self.first.nodes)
        self.passwords = self.first.passwords

    def password_file(self, name):
        return self.first.password_file(name)

    def _configuration(self):
        more = self._shipped("slapd-replica.conf.example")
        for pattern, value in (("ldap://ldap1.example.org", self.supply.uri),
                               ("dc=example,dc=org", BASE),
                               (r"(?m)^\s*(starttls|tls_\w+)=.*\n", ""),
                               ('retry="[^"]*"', 'retry="1 +"'),
                               ("change-me-replicator", self.first.passwords["replicator"])):
            more, count = re.subn(pattern, value, more)
            assert count, pattern
        return super()._configuration() + more

    def _fill(self):
        """Everything comes from the first one."""

    def ready(self):
        return super().ready() and self.level()

    def level(self):
        """It has all that the first one has."""
        return bool(self.context()) and self.context() == self.first.context()

    def close(self):
        self.supply.close()
