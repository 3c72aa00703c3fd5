"""A down sync of many contacts into a backend's directory, of which some have changed."""

import os
import subprocess
import time

import figures
from lab.addressbook import CONTACTS, AddressBook
from lab.lab import Lab
from lab.daemon import conf_section
from lab.slapd import BASE, IDENTITIES, PEOPLE
from rounds import progress
from rows_sync import Directory, dirsync_sections, loader, run_once

SYSTEM, TARGET = "S1", "S9"  # whose people they are; whose address book it is
MAILBOX = """
dn: uid=u{n:07},{people}
objectClass: inetOrgPerson
objectClass: inetLocalMailRecipient
objectClass: restanteMailbox
uid: u{n:07}
cn: First Last{n}
sn: Last{n}
givenName: First
displayName: as it was
mail: u{n:07}@example.org
mailLocalAddress: u{n:07}@example.org
mailLocalAddress: first.last{n:07}@example.org
mailLocalAddress: {n:07}.alias@example.org
mailRoutingAddress: u{n:07}@s1.lab
restanteSystem: {system}
restanteSourceId: id-{n:07}
"""


class DownBed:
    """A directory with that many mailboxes of one system, an empty address book of another."""

    def __init__(self, build, mailboxes):
        self.build, self.mailboxes = build, mailboxes
        self.lab = Lab(start=(), build=build)
        try:
            self.directory = self.lab.slapd = Directory(self.lab, self._entries())
            self.book = AddressBook(self.lab)
            self.conf = os.path.join(self.lab.dir, "dirsync.conf")
            self._configure()
            self.lab.servers += [self.book, self.directory]
            for server in self.lab.servers:
                server.start()
        except BaseException:
            self.close()
            raise

    def _entries(self):
        yield (f"dn: cn={TARGET},ou=systems,cn=restante,{BASE}\n"
               f"objectClass: restanteBackend\ncn: {TARGET}\n")
        for number in range(self.mailboxes):
            yield MAILBOX.format(n=number, people=PEOPLE, system=SYSTEM)

    def _configure(self):
        with open(self.conf, "w", encoding="utf-8") as out:
            out.write(dirsync_sections(self.lab, self.directory))
            out.write(conf_section("down " + TARGET, self.book.settings(every="0s")))

    def sync(self):
        return run_once(self.build, self.conf, self.lab, "--down", TARGET)

    def dump_seconds(self):
        """What reading them all takes, by the same right."""
        slapd = self.directory
        began = time.monotonic()
        subprocess.run(
            ["ldapsearch", "-LLL", "-x", "-H", slapd.uri, "-D", IDENTITIES["dirsync"], "-y",
             slapd.bare_password("dirsync"), "-b", BASE, "(objectClass=restanteMailbox)",
             "entryUUID", "restanteSystem", "mailLocalAddress", "mail", "cn", "sn", "givenName",
             "displayName"], stdout=subprocess.DEVNULL, check=True)
        return time.monotonic() - began

    def touch(self, count, value):
        loader(self.build, "touch", self.directory.uri, IDENTITIES["dirsync"],
               self.directory.password_file("dirsync"), PEOPLE, 0, count, value)

    def versions(self):
        """What was written to in the address book is seen in these."""
        done = subprocess.run(
            ["ldapsearch", "-LLL", "-Q", "-Y", "EXTERNAL", "-H", self.book.ldapi, "-o",
             "ldif-wrap=no", "-b", CONTACTS, "-s", "one", "entryCSN"], stdout=subprocess.PIPE,
            check=True)
        return set(done.stdout.split(b"\n\n"))

    def close(self):
        self.lab.close()


def down(options):
    """1,000 changes (one in a hundred of fewer than 100,000), and nothing at all."""
    count = min(1000, options.mailboxes // 100)
    rounds = options.rounds if options.mailboxes <= 100000 else min(options.rounds, 6)
    bed = DownBed(options.build, options.mailboxes)
    beside, taken, memory, written = [], [], [], []
    try:
        first = bed.sync()
        progress(f"down: first run of {options.mailboxes:,} contacts in {first['seconds']:.1f} s")
        for number in range(-1, rounds):
            bed.touch(count, f"round {number}")
            before = bed.versions()
            dump, ours = bed.dump_seconds(), bed.sync()
            progress(f"down {number + 1} of {rounds}: {ours['seconds']:.1f} s, "
                     f"ldapsearch {dump:.1f} s")
            if number < 0:
                continue
            written.append(len(bed.versions() - before))
            beside.append(ours["seconds"] - dump)
            taken.append(ours["seconds"])
            memory.append(max(ours["memory"], first["memory"]))
    finally:
        bed.close()
    size = options.mailboxes
    return [
        figures.Row(f"down-{size}", f"down sync of {size:,} contacts with {count:,} changes: "
                    "seconds besides what ldapsearch of the directory takes", beside, unit="s",
                    goal="<= 10", ours=figures.spread(taken, "s the whole run")),
        figures.Row(f"down-writes-{size}", "entries of the address book that it wrote to", written,
                    unit="entries", goal=f"<= {count}", digits=0),
        figures.Row(f"down-memory-{size}", "most resident memory, the first run included", memory,
                    unit="MB", goal="<= 200"),
    ]
