#!/usr/bin/python3
"""A backend whose mailboxes are lines in a file, and the actions of it: what restante-control runs in
tests. Its state, what was done with effect, and the faults that it is to show are files of one folder:

    SYSTEM.json     {"mailboxes": {account: {"id", "addresses", "redirect", "closed"}}, "contacts": {}}
    effects         a line for each change: SYSTEM ACTION ADDRESS
    fault           {"SYSTEM ACTION": KIND}, of one mailbox alone with its address behind: "fail",
                    "refuse", "made", "slow", "hang", "stay", "garbage", "vain", "kill", "killed"

tell ADDRESS: create says that it is there;
fail: it asks for another try; made: it does it, and says that it refuses; slow: it takes two seconds (the
file "slows" names those that only ask, as they begin); hang: it does not end (the file "hangs" has pid and
address of each); stay: it starts another program,
both hang and take no SIGTERM, and their pids are in the file "stays"; vain: it says that it was done
and does nothing; kill and killed: the
controller is killed, before or after the effect.

    backend_action.py FOLDER VERB                an action: restante-actions(5)
    backend_action.py FOLDER csv SYSTEM          its mailboxes, for an up sync
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time


class Backend:
    """With the lock of its file, for as long as it is used."""

    def __init__(self, folder, system):
        self.folder, self.system = folder, system
        self.path = os.path.join(folder, system + ".json")
        self.lock = open(self.path + ".lock", "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.state = {"mailboxes": {}, "contacts": {}}
        if os.path.exists(self.path):
            with open(self.path) as source:
                self.state = json.load(source)

    def save(self):
        with open(self.path + ".new", "w") as out:
            json.dump(self.state, out)
        os.rename(self.path + ".new", self.path)

    def of(self, subject):
        """The mailbox of that physical address, or stable id; None."""
        account = subject["physical"].split("@")[0] or account_of(subject)
        return self.state["mailboxes"].get(account)


def account_of(subject):
    return subject["attributes"].get("uid", [subject["address"].split("@")[0]])[0]


def told(subject, backend):
    account = account_of(subject)
    return {"physical": "%s@%s.lab" % (account, backend.system.lower()),
            "source_id": "%s-%s" % (backend.system.lower(), account)}


# Each: whether it is so already, and what is told.

def check_create(backend, subject):
    return account_of(subject) in backend.state["mailboxes"], told(subject, backend)


def check_redirect(backend, subject):
    mailbox = backend.of(subject)
    return bool(mailbox) and mailbox["redirect"] == subject["other"], {}


def check_unredirect(backend, subject):
    mailbox = backend.of(subject)
    return not mailbox or not mailbox["redirect"], {}


def check_addresses(backend, subject):
    mailbox = backend.of(subject)
    return (bool(mailbox) and set(subject["addresses"]) <= set(mailbox["addresses"]) and
            subject["id"] not in backend.state["contacts"]), {}


def check_unaddress(backend, subject):
    mailbox = backend.of(subject)
    return not mailbox or not mailbox["addresses"], {}


def check_list(backend, subject):
    mailbox = backend.of(subject)
    return True, {"addresses": mailbox["addresses"] if mailbox else []}


def check_close(backend, subject):
    mailbox = backend.of(subject)
    return not mailbox or mailbox["closed"], {}


def check_open(backend, subject):
    mailbox = backend.of(subject)
    return not mailbox or not mailbox["closed"], {}


def check_empty(backend, subject):
    path = os.path.join(backend.folder, "..", backend.system.lower(), "mail",
                        subject["physical"].split("@")[0], "Maildir")
    count = sum(len(os.listdir(os.path.join(path, sub))) for sub in ("new", "cur")
                if os.path.isdir(os.path.join(path, sub)))
    return True, {"empty": count == 0}


def check_delete(backend, subject):
    return backend.of(subject) is None, {}


def check_contact(backend, subject):
    return subject["id"] in backend.state["contacts"], {}


# And the change.

def do_create(backend, subject):
    backend.state["mailboxes"][account_of(subject)] = {
        "id": told(subject, backend)["source_id"], "addresses": [], "redirect": "",
        "primary": subject["primary"],
        "closed": False}


def do_redirect(backend, subject):
    backend.of(subject)["redirect"] = subject["other"]


def do_unredirect(backend, subject):
    backend.of(subject)["redirect"] = ""


def do_addresses(backend, subject):
    backend.of(subject)["addresses"] = list(subject["addresses"])
    backend.state["contacts"].pop(subject["id"], None)


def do_unaddress(backend, subject):
    backend.of(subject)["addresses"] = []
    backend.state["contacts"][subject["id"]] = subject["addresses"]


def do_close(backend, subject):
    backend.of(subject)["closed"] = True


def do_open(backend, subject):
    if backend.of(subject):  # somebody may have deleted it since the check
        backend.of(subject)["closed"] = False


def do_delete(backend, subject):
    del backend.state["mailboxes"][subject["physical"].split("@")[0]]


def do_contact(backend, subject):
    backend.state["contacts"][subject["id"]] = subject["addresses"]


def fault_of(folder, subject):
    key = "%s %s" % (subject["system"], subject["action"])
    try:
        with open(os.path.join(folder, "fault")) as source:
            faults = json.load(source)
    except FileNotFoundError:
        return ""
    return faults.get("%s %s" % (key, subject["address"])) or faults.get(key, "")


def show(fault, folder, address):
    """What goes wrong before anything is done."""
    if fault == "fail":
        print("the backend is not reached", file=sys.stderr)
        sys.exit(75)
    if fault == "refuse":
        print("the backend refuses", file=sys.stderr)
        sys.exit(1)
    if fault == "hang":
        with open(os.path.join(folder, "hangs"), "a") as out:
            out.write("%d %s\n" % (os.getpid(), address))
        time.sleep(3600)
    if fault == "stay":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        other = subprocess.Popen(["sleep", "3600"])
        with open(os.path.join(folder, "stays"), "a") as out:
            out.write("%d %d\n" % (os.getpid(), other.pid))
        other.wait()
    if fault == "garbage":
        print("\x01\x02 what: is this")
        sys.exit(0)
    if fault == "kill":
        os.kill(os.getppid(), signal.SIGKILL)


def act(folder, verb, subject):
    action, system = subject["action"], subject["system"]
    fault = fault_of(folder, subject)
    asked = action in ("list", "empty")
    if verb == "do" or asked or fault in ("garbage", "hang"):
        show(fault, folder, subject["address"])
    if asked and fault == "slow":
        with open(os.path.join(folder, "slows"), "a") as slows:
            slows.write("%s %s %s\n" % (system, action, subject["address"]))
        time.sleep(2)
    backend = Backend(folder, system)
    so, told_now = globals()["check_" + action](backend, subject)
    if fault.startswith("tell "):
        told_now = {**told_now, "physical": fault.split()[1]}
    if verb == "check":
        print(json.dumps(told_now))
        sys.exit(0 if so else 1)
    if fault == "slow" and not asked:
        time.sleep(2)
    if fault != "vain":
        globals()["do_" + action](backend, subject)
        backend.save()
        with open(os.path.join(folder, "effects"), "a") as effects:
            effects.write("%s %s %s\n" % (system, action, subject["address"]))
    if fault == "made":
        show("refuse", folder, subject["address"])
    if fault == "killed":
        os.kill(os.getppid(), signal.SIGKILL)
    print(json.dumps(told_now))


def print_csv(folder, system):
    print("id,mail,account,name")
    backend = Backend(folder, system)
    for account, mailbox in sorted(backend.state["mailboxes"].items()):
        print(",".join((mailbox["id"], "|".join(mailbox["addresses"]), account, account.title())))


if __name__ == "__main__":
    if sys.argv[2] == "csv":
        print_csv(sys.argv[1], sys.argv[3])
    else:
        act(sys.argv[1], sys.argv[2], json.load(sys.stdin))
