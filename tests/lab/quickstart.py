"""What ./quickstart shows: two systems tell the directory their people and are told each other's, and
restante-control moves a mailbox from S1 to S2 while mail keeps coming."""

import argparse
import calendar
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from lab import corpus as corpora  # noqa: E402
from lab.frontdoor import settled  # noqa: E402
from lab.lab import SOURCE, Lab, end_on_signals  # noqa: E402
from lab.ledger import Ledger, clean, last_line  # noqa: E402
from lab.mail import Injector  # noqa: E402
from lab.moving import S1, S2, S3, Moving  # noqa: E402
from lab.process import LabError, name_of_our_own, run, wait_for  # noqa: E402

RATE = 40.0        # messages per second, all mailboxes together
BUSY = 2.5         # seconds that S1 takes to turn the redirection, so that mail is seen to wait
MOVED = "anna@example.org"
ALIAS = "a.anna@example.org"
DONE = 10          # the state in which a move is complete
OTHERS = {"bert@example.org": ("S1", "bert"), "carla@example.org": ("S2", "carla"),
          "contact@example.org": ("S1", "info"), "whoever@example.net": ("S1", "catchall")}


class Timeline:
    def __init__(self, began):
        self.began = began

    def say(self, text):
        print("%7.2f s  %s" % (time.time() - self.began, text), flush=True)

    def more(self, text):
        for line in text.rstrip("\n").splitlines():
            print("           | " + line, flush=True)

    def restante(self, lab, *arguments):
        """Runs the command and shows it as one would type it, and what it said."""
        self.say("$ restante " + " ".join(arguments))
        conf = lab.moving.control.conf if arguments[0] == "move" else lab.milter.conf
        done = subprocess.run([lab.milter.cli_binary, "-c", conf] + list(arguments),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        self.more(done.stdout.decode(errors="replace"))
        if done.returncode != 0:
            raise LabError("restante %s: exit %d" % (arguments[0], done.returncode))
        return done

    def dirsync(self, moving, *arguments):
        """The same with restante-dirsync."""
        self.say("$ restante-dirsync --once " + " ".join(arguments))
        status, said = moving.dirsync.once(*arguments, check=False)
        self.more(said)
        if status != 0:
            raise LabError("restante-dirsync: exit %d" % status)


def csn_seconds(csn):
    """The instant in 20261122055000.123456Z#..."""
    return calendar.timegm(time.strptime(csn[:14], "%Y%m%d%H%M%S")) + float(csn[14:21])


def kept_path():
    return os.path.join(os.environ.get("RESTANTE_BUILD") or os.path.join(SOURCE, "build"),
                        "quickstart-lab.json")


def keep_note(lab):
    with open(kept_path(), "w") as out:
        json.dump({"dir": lab.dir, "pids": {s.name: s.pid for s in lab.servers}}, out)


def is_ours(pid, directory):
    """A process id may have gone to somebody else meanwhile: it must speak of our directory."""
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as cmdline:
            return directory.encode() in cmdline.read()
    except OSError:
        return False


def stop_kept():
    try:
        with open(kept_path()) as note:
            kept = json.load(note)
    except FileNotFoundError:
        print("quickstart: no lab was left up")
        return 0
    pids = [pid for pid in kept["pids"].values() if pid and is_ours(pid, kept["dir"])]
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    for pid in pids:
        wait_for(lambda p=pid: not is_ours(p, kept["dir"]), 30, "process %d to end" % pid)
    if os.path.basename(kept["dir"]).startswith("restante-lab-"):
        run(["rm", "-rf", "--", kept["dir"]])
    os.unlink(kept_path())
    print("quickstart: the lab is gone (%d servers ended)" % len(pids))
    return 0


def refuse_second():
    """One lab is left up at a time."""
    if os.path.exists(kept_path()):
        with open(kept_path()) as note:
            kept = json.load(note)
        if any(pid and is_ours(pid, kept["dir"]) for pid in kept["pids"].values()):
            raise LabError("a lab of --keep is up in %s: ./quickstart --stop ends it" % kept["dir"])


def start(timeline, options):
    lab = Lab(start=(), keep=False)
    lab.make(("slapd",))
    lab.moving = Moving(lab)
    lab.make(["milter", "mta"] + (["null"] if options.corpus else []))
    lab.moving.connect(busy=BUSY, scenarios={"quick": {"create": "0s", "drain": "5s"}})
    if options.corpus:
        corpora.prepare(lab)
    what = {"slapd": "slapd, the directory", "s1-ldap": "slapd, the accounts of S1",
            "s2-ldap": "slapd, the accounts of S2", "s1": "Dovecot, backend S1",
            "s2": "Dovecot, backend S2", "postfix": "Postfix, the front door",
            "sendmail": "Sendmail, the front door",
            "milter": "restante-milter, which loads its replica of the directory",
            "null": "the milter that does nothing, for comparison",
            "dirsync": "restante-dirsync, which keeps both systems and the directory the same",
            "control": "restante-control, which moves mailboxes"}
    timeline.say("the lab is %s" % lab.dir)
    first = ("slapd", "s1-ldap", "s2-ldap")
    for server in sorted(lab.servers, key=lambda server: server.name not in first):
        timeline.say("starting %s ..." % what[server.name])
        server.start()
        if server.name == first[-1]:
            lab.moving.empty_directory()
            lab.moving.fill()
            fill(lab.moving, timeline)
    for server in (lab.moving.dirsync, lab.moving.control):
        timeline.say("starting %s ..." % what[server.name])
        lab._add(server).start()
    return lab


def addresses(*systems):
    """Those that are shown of people who live there."""
    return sorted(shown[0] for system in systems for shown in system.values())


def show_book(moving, timeline, system, expected):
    timeline.say("the address book of %s shows %s" % (system, " ".join(moving.book(system))))
    if moving.book(system) != expected:
        raise LabError("that should be %s" % " ".join(expected))


def fill(moving, timeline):
    """Both systems into the directory, and each other's people into their address books."""
    timeline.say("nobody of S1 and S2 is in the directory; both have their people in LDAP servers")
    timeline.dirsync(moving, "--up")
    timeline.dirsync(moving, "--down")
    show_book(moving, timeline, "S1", addresses(S2, S3))
    show_book(moving, timeline, "S2", addresses(S1, S3))


class Show:
    """The move itself; what was observed stays for the verdict."""

    def __init__(self, lab, timeline):
        self.lab, self.timeline = lab, timeline
        self.ledger = Ledger()
        self.home = self.ledger.home("S1", "anna", MOVED, ALIAS)
        for address, (system, user) in OTHERS.items():
            self.ledger.home(system, user, address)
        self.held = self.swapped = None  # instants, time.monotonic()
        self.swap_instant = None         # wall clock
        self.record = None
        self.most_held = 0
        self.released_into_new = 0

    def run(self):
        timeline, lab = self.timeline, self.lab
        injector = Injector(lab.mta.port, [MOVED, "bert@example.org", ALIAS,
                                               "carla@example.org", MOVED, "contact@example.org",
                                               ALIAS, "whoever@example.net"],
                            self.ledger, rate=RATE)
        timeline.say("sending %.0f messages a second, half of them for Anna, from now on" % RATE)
        injector.start()
        try:
            time.sleep(1.0)
            timeline.restante(lab, "route", MOVED)
            timeline.restante(lab, "move", "add", MOVED, "--to", "S2", "--scenario", "quick")
            self.watch()
            self.release()
            timeline.restante(lab, "route", MOVED)
            self.books()
            time.sleep(1.0)
        finally:
            injector.stop()
        timeline.say("sending has ended: %d messages acknowledged, %d transactions repeated" % (
            len(self.ledger.acknowledged()), injector.retries))
        for record in self.ledger.records:
            for _, why in record.troubles:
                timeline.say("repeated: %s for %s: %s" % (record.msgid, record.target, why))
        self.settle()

    def watch(self):
        """The controller walks; what can be seen of it meanwhile."""
        control = self.lab.moving.control
        self.record, = (dn for dn, _ in self.lab.slapd.search(
            "(objectClass=restanteMove)", ["cn"]))
        self.timeline.say("S1 takes %.1f s to turn its redirection: so long mail waits" % BUSY)
        until, listed = time.monotonic() + 30, False
        while control.state(self.record) < DONE:
            if control.one(self.record, "restanteMoveStopped") or time.monotonic() > until:
                self.timeline.restante(self.lab, "move", "show", MOVED)
                raise LabError("the move did not come to its end")
            held = self.lab.milter.held()
            if held:
                self.most_held = max(self.most_held, held)
                self.timeline.say("%4d messages wait for Anna  %s" % (held, "#" * min(held, 60)))
            if held > 20 and not listed:
                self.timeline.restante(self.lab, "queue", "list", MOVED, "--limit", "3")
                listed = True
            time.sleep(0.5)
        self.moved()

    def moved(self):
        """The ledger is told when, by the versions of Anna's entry in the record of the move."""
        held, swapped = (csn_seconds(csn) for csn in
                         self.lab.moving.control.one(self.record, "restanteMoveHold").split())
        offset = time.monotonic() - time.time()
        self.held, self.swapped = held + offset, swapped + offset
        self.timeline.say("the hold lasted %.2f s; Anna lives on S2 now" % (swapped - held))
        self.swap_instant = swapped

    def books(self):
        """Whoever moved is none of S2's contacts any more: the contact has become her account."""
        wait_for(lambda: MOVED not in self.lab.moving.book("S2"), 10, "the address book of S2")
        show_book(self.lab.moving, self.timeline, "S1", addresses(S2, S3))
        show_book(self.lab.moving, self.timeline, "S2",
                  [one for one in addresses(S1, S3) if one != MOVED])

    def release(self):
        wait_for(lambda: self.lab.milter.held() == 0, 30, "the hold queue to be empty")
        self.timeline.say("the hold queue is empty: release took %.2f s" % (
            time.monotonic() - self.swapped))

    def settle(self):
        settled(self.lab)
        imap = self.lab.imap("S1", "anna")
        late = self.lab.backends["S1"].arrived_since("anna", self.swap_instant)
        self.home.moved(("S2", "anna"), self.held, self.swapped, imap.uid_next() - late)
        imap.close()
        self.timeline.restante(self.lab, "move", "show", MOVED)
        self.timeline.say("reading every mailbox of S1 and S2 over IMAP")
        held = {r.msgid for r in self.ledger.acknowledged()
                if self.held < r.attempts[0] and r.acknowledged < self.swapped and
                r.target in (MOVED, ALIAS)}
        self.released_into_new = len(held & set(self.lab.message_ids("S2", "anna")))
        for system, user in (("S1", "anna"), ("S2", "anna")):
            self.timeline.say("%s has %d messages for Anna" % (
                system, len(self.lab.message_ids(system, user))))
        self.timeline.say("%d messages were held at most, %d that came during the hold are in S2" %
                          (self.most_held, self.released_into_new))


def explain(outcome, say):
    for record in outcome.lost:
        say("LOST: %s for %s" % (record.msgid, record.target))
    for record, where in outcome.duplicated:
        say("DUPLICATED: %s for %s: %s" % (record.msgid, record.target, where))
    for record, where in outcome.misrouted:
        say("MISROUTED: %s for %s is in %s" % (record.msgid, record.target, where))
    for msgid, where in outcome.strangers:
        say("not ours: %s in %s" % (msgid, where))


def talk(lab):
    """How a person goes on from here."""
    slapd, milter = lab.slapd, lab.milter
    print("""
The lab is up; ./quickstart --stop ends it.
  a message:    swaks --server 127.0.0.1:%d --from you@outside.test --to bert@example.org
  hold by LDAP: printf 'dn: %s\\nchangetype: modify\\nreplace: restanteState\\nrestanteState: holding\\n' |
                ldapmodify -x -H %s -D cn=operator,ou=services,cn=restante,dc=example,dc=org -y %s
  the command:  %s -c %s status
  a move:       %s -c %s move add bert@example.org --to S2 --scenario quick
  the syncs:    %s -c %s --once
  read S1:      curl -s -u bert:secret 'imap://127.0.0.1:%d/INBOX;MAILINDEX=1'    (S2: port %d)
  logs:         %s
""" % (lab.mta.port, slapd.search("(mailLocalAddress=bert@example.org)")[0][0], slapd.uri,
       slapd.bare_password("operator"), milter.cli_binary, milter.conf, milter.cli_binary,
       lab.moving.control.conf, lab.moving.dirsync.binary, lab.moving.dirsync.conf,
       lab.backends["S1"].imap_port, lab.backends["S2"].imap_port,
       os.path.join(lab.dir, "log")), flush=True)


def verdict(show, outcome, compared):
    """Exit status 0 needs everything that was promised, and that it was really seen."""
    reasons = []
    if not clean(outcome):
        reasons.append("the ledger does not balance")
    if not show.most_held:
        reasons.append("no held message was observed")
    if not show.released_into_new:
        reasons.append("no held message was released into S2")
    if compared is not None and not compared.same():
        reasons.append("messages of the corpus differ")
    if compared is not None and (compared.lost or compared.duplicated or compared.misrouted):
        reasons.append("the ledger of the corpus does not balance")
    return reasons


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--began", type=float, default=time.time())
    parser.add_argument("--corpus")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--stop", action="store_true")
    options = parser.parse_args()
    if options.stop:
        return stop_kept()
    end_on_signals()
    name_of_our_own()
    timeline = Timeline(options.began)
    lab = compared = None
    try:
        refuse_second()
        lab = start(timeline, options)
        wait_for(lab.milter.ready, 20, "the replica to be current")
        # the front door of the corpus has the milter that does nothing
        timeline.restante(lab, "doctor", *(["--skip", "mta.milter"] if options.corpus else []))
        show = Show(lab, timeline)
        show.run()
        if options.corpus:
            compared = corpora.compare(lab, timeline, options.corpus)
        outcome = show.ledger.settle(lab, corpora.MAILBOXES if compared else ())
        explain(outcome, timeline.say)
        reasons = verdict(show, outcome, compared)
        for reason in reasons:
            timeline.say("FAILED: " + reason)
        if options.keep:
            lab.keep = True
            keep_note(lab)
            talk(lab)
        else:
            lab.close()
    except LabError as error:
        timeline.say("FAILED: %s" % error)
        if lab:
            timeline.more(lab.milter.log_tail() if lab.milter else "")
            lab.abandon()
        return 1
    except KeyboardInterrupt:
        timeline.say("interrupted: ending the lab")
        if lab:
            lab.abandon()
        return 130
    print(last_line(outcome, compared), flush=True)
    return 1 if reasons else 0


if __name__ == "__main__":
    sys.exit(main())
