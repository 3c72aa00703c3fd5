"""restante-milter under an account of its own, with the folders that docs/operating.md makes."""

import os
import pwd
import stat

from helpers import arrived, hold, send, swap, user_of, wait_verdict
from lab.lab import Lab
from lab.milter import Milter

ADDRESS = "bert@example.org"


def give(path, user):
    os.chown(path, user.pw_uid, user.pw_gid)


def test_an_account_without_privileges_does_it_all():
    user = pwd.getpwnam("nobody")
    # postqueue lets root alone use a configuration that is not the machine's
    lab = Lab(start=(), milter_options={"user": "nobody", "group": "nogroup",
                                        "queue_list": "true"})
    try:
        lab.make(("slapd", "s1", "s2", "milter", "postfix"))
        for path in (lab.milter.dir, lab.milter.replica, lab.milter.queue,
                     lab.slapd.password_file("front1")):
            give(path, user)
        folder = os.path.dirname(lab.milter.socket)
        os.chown(folder, user.pw_uid, lab.postfix.owner.pw_gid)
        os.chmod(folder, 0o2750)
        for server in lab.servers:
            server.start()
        with open("/proc/%d/status" % lab.milter.pid) as status:
            facts = dict(line.split(":\t", 1) for line in status if ":\t" in line)
        assert set(facts["Uid"].split()) == {str(user.pw_uid)}
        assert set(facts["Gid"].split()) == {str(user.pw_gid)}
        assert int(facts["CapEff"], 16) == 0
        hold(lab, ADDRESS)
        msgid = send(lab, ADDRESS)
        swap(lab, ADDRESS)
        wait_verdict(lab, ADDRESS, "rewrite")
        assert arrived(lab, "S2", user_of(ADDRESS)) == [msgid]
        assert stat.S_IMODE(os.stat(lab.milter.control).st_mode) & 0o007 == 0
        # the MTA reaches the milter's socket by its own group, and nothing else
        socket = os.stat(lab.milter.socket)
        assert (socket.st_gid, stat.S_IMODE(socket.st_mode)) == (lab.postfix.owner.pw_gid, 0o660)
        assert os.stat(lab.milter.control).st_gid == user.pw_gid
    finally:
        lab.close()


class Closed(Milter):
    """Started by somebody who closed the standard descriptors."""

    def command(self):
        return ["sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh"] + super().command()


def test_closed_descriptors_are_nobodys_files():
    lab = Lab(start=("slapd",))
    try:
        milter = Closed(lab, {})
        lab.servers.append(milter)
        milter.start()
        for number in range(3):
            assert os.readlink("/proc/%d/fd/%d" % (milter.pid, number)) == "/dev/null"
    finally:
        lab.close()
