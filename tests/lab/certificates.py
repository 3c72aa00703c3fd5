"""Certificates of the moment: an authority, and what it says of servers and clients."""

import os

from .process import run

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def subject_of(dn):
    """The -subj of openssl for a DN as LDAP writes it: the other way round."""
    parts = [part.split("=") for part in reversed(dn.split(","))]
    return "".join("/%s=%s" % (name.upper(), value) for name, value in parts)


class Certificates:
    """name.pem and name.key of every certificate asked for, in one directory."""

    def __init__(self, directory):
        self.dir = directory
        os.makedirs(directory, exist_ok=True)

    def pem(self, name):
        return os.path.join(self.dir, name + ".pem")

    def key(self, name):
        return os.path.join(self.dir, name + ".key")

    def authority(self, name):
        run(["openssl", "req", "-x509", *KEY, "-days", "2", "-subj", "/CN=" + name,
             "-keyout", self.key(name), "-out", self.pem(name)])

    def issue(self, name, authority, dn, alternative=None, days=2):
        """alternative: of the form "IP:127.0.0.1". With days = -1 it ended yesterday."""
        request, more = self.pem(name) + ".request", self.pem(name) + ".extensions"
        run(["openssl", "req", *KEY, "-subj", subject_of(dn), "-keyout", self.key(name),
             "-out", request])
        with open(more, "w") as extensions:
            extensions.write("subjectAltName=%s\n" % alternative if alternative else "")
        run(["openssl", "x509", "-req", "-in", request, "-CA", self.pem(authority), "-CAkey",
             self.key(authority), "-days", str(days), "-extfile", more, "-out", self.pem(name)])
