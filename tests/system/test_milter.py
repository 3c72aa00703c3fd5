"""restante-milter as a daemon: signals, start and stop, and the traps of the envelope. What happens
to a recipient is test_front.py and test_hold.py; the fence is test_node.py."""

import ctypes
import os
import re
import signal
import socket
import threading
import time

import pytest

from helpers import (arrived, begin, fresh, hold_by_hand, refusal, send, settled, user_of, verdict,
                     wait_verdict)
from lab.lab import Lab
from lab.mail import Refused, Smtp, compose
from lab.process import free_port, run, wait_for

# --- signals --------------------------------------------------------------------------------------

def test_sighup_reloads_and_never_stops():
    """libmilter's own idea of SIGHUP is to stop."""
    with Lab() as lab:
        address = fresh(lab)
        stop = threading.Event()
        sent = []

        def pour():
            while not stop.is_set():
                sent.append(send(lab, address))

        thread = threading.Thread(target=pour)
        thread.start()
        for n in range(30):
            lab.milter.reload()
            time.sleep(0.02 if n % 2 else 0)
        stop.set()
        thread.join()
        assert lab.milter.running() and sent
        arrived(lab, "S1", user_of(address), len(sent))
        lab.milter.configure(node="other", late_commit="100ms", recipient_delimiter="-")
        lab.milter.reload()
        wait_for(lambda: "a restart is needed for: " in lab.milter.log_text(), 10, "the line")
        line = [x for x in lab.milter.log_text().splitlines() if "a restart is needed" in x][-1]
        assert "node" in line and "late_commit" not in line
        user, domain = address.split("@")
        assert verdict(lab, "%s-x@%s" % (user, domain)) == "rewrite"
        assert verdict(lab, "%s+x@%s" % (user, domain)) == "nobody"


def test_a_reload_with_nonsense_keeps_the_old_settings():
    with Lab(start=("slapd", "milter")) as lab:
        address = fresh(lab)
        with open(lab.milter.conf, "a") as conf:
            conf.write("nonsense { x = 1 }\n")
        lab.milter.reload()
        wait_for(lambda: "not reloaded, the old settings stay" in lab.milter.log_text(), 10, "it")
        assert lab.milter.conf in lab.milter.log_text()
        assert verdict(lab, address) == "rewrite"


def test_a_stop_finishes_what_is_in_flight():
    with Lab() as lab:
        address = fresh(lab, state="holding")
        smtp, idle = begin(lab, [address]), Smtp(lab.mta.port)
        other = begin(lab, [address])
        msgid, content = compose(address)
        os.kill(lab.milter.pid, signal.SIGTERM)
        wait_for(lambda: "stopping" in lab.milter.log_text(), 10, "the stop to begin")
        code, text = other.command("RCPT TO:<late@example.org>")
        assert (code, text[:5]) == (451, "4.3.2")
        other.quit()
        assert lab.milter.running()
        smtp.data(content)
        assert lab.milter.process.wait(60) == 0
        smtp.quit()
        with pytest.raises(Refused):
            idle.send("a@outside.test", [address], content)
        lab.milter.process = None
        lab.milter.start()
        assert lab.milter.held() == 1
        lab.milter.cli("unhold", address)
        assert arrived(lab, "S1", user_of(address)) == [msgid]


def test_a_stop_waits_for_nobody_for_ever():
    with Lab(start=("slapd", "mta", "milter"), milter_options={"stop_timeout": "1s"}) as lab:
        smtp = begin(lab, ["moving@example.org"])
        began = time.monotonic()
        lab.milter.stop()
        assert 0.9 < time.monotonic() - began < 30
        assert "1 transactions did not end in time" in lab.milter.log_text()
        smtp.connection.close()


# --- the envelope, as Postfix sees it -------------------------------------------------------------

def test_trap_3_a_source_route_to_a_held_mailbox_is_held(lab):
    address = fresh(lab, state="holding")
    msgid = send(lab, "<@h1.test,@h2.test:%s>" % address.capitalize())
    assert lab.mta.empty()
    lab.milter.cli("unhold", address)
    assert arrived(lab, "S1", user_of(address)) == [msgid]


def test_trap_8_a_message_without_recipients_left_is_logged(lab):
    address = fresh(lab, state="holding")
    send(lab, address)
    line = [x for x in lab.milter.log_text().splitlines() if "milter: message id=" in x][-1]
    assert "held=1" in line and "mta_copy=none" in line and re.search(r"queue_id=\w+", line)
    lab.milter.cli("unhold", address)
    settled(lab)


@pytest.mark.postfix
def test_trap_9_the_archive_copy_stays(lab):
    """Deleting all recipients leaves always_bcc alone; a discard would not."""
    with Lab(postfix_more="always_bcc = archive@s2.lab\n") as other:
        address = fresh(other, state="holding")
        msgid = send(other, address)
        assert arrived(other, "S2", "archive") == [msgid]
        assert other.milter.held() == 1


def test_a_large_message_in_flight_as_the_flag_flips(lab):
    """Accepted RCPT while active, held at the end: nothing of it reaches S1 before. (The 451 of
    DESIGN section 4 takes a flip within Postfix' last millisecond: tests/unit/test_connection.)"""
    address = fresh(lab)
    msgid, content = compose(address, size=400000)
    smtp = begin(lab, [address])
    assert smtp.command("DATA")[0] == 354
    smtp.connection.sock.sendall(content[:200000])
    hold_by_hand(lab, address)
    wait_verdict(lab, address, "hold")
    smtp.connection.sock.sendall(content[200000:] + b".\r\n")
    assert smtp.connection.getreply()[0] == 250
    smtp.quit()
    assert lab.milter.held() == 1 and lab.mta.empty()
    lab.milter.cli("unhold", address)
    assert arrived(lab, "S1", user_of(address)) == [msgid]


# --- start ----------------------------------------------------------------------------------------

def start_again(lab, *arguments, conf=None):
    return run([lab.milter.binary, "-c", conf or lab.milter.conf] + list(arguments), check=False,
               timeout=30)


def test_a_second_daemon_on_the_same_databases_is_refused(lab):
    done = start_again(lab)
    assert done.returncode == 69
    assert b"cannot start" in done.stderr and lab.milter.replica.encode() in done.stderr
    assert verdict(lab, "anna@example.org") == "rewrite"


def test_a_second_daemon_on_the_same_socket_is_refused(lab):
    conf = os.path.join(lab.dir, "second.conf")
    with open(lab.milter.conf) as text:
        changed = text.read()
    for name in ("replica", "queue", "control.sock"):
        changed = changed.replace(os.path.join(lab.milter.dir, name),
                                  os.path.join(lab.dir, "second-" + name))
    with open(conf, "w") as out:
        out.write(changed)
    done = start_again(lab, conf=conf)
    assert done.returncode == 69
    assert b"another process listens there" in done.stderr
    assert verdict(lab, "anna@example.org") == "rewrite"


def test_check_and_dump(lab):
    assert start_again(lab, "-t").returncode == 0
    assert b"late_commit" in start_again(lab, "--dump-config").stdout
    done = start_again(lab, "-t", conf="/nonexistent")
    assert done.returncode == 78 and b"/nonexistent" in done.stderr
    assert start_again(lab, "--nonsense").returncode == 64
    assert start_again(lab, "what").returncode == 64


def test_a_bind_that_is_refused_is_said_and_451():
    with Lab(start=("slapd", "mta", "milter"), wait_milter=False) as lab:
        with open(os.open(lab.slapd.password_file("front1"), os.O_WRONLY | os.O_TRUNC),
                  "w") as wrong:
            wrong.write("wrong\n")
        lab.milter.stop()
        for name in os.listdir(lab.milter.replica):
            os.unlink(os.path.join(lab.milter.replica, name))
        lab.milter.start(wait=False)
        wait_for(lambda: "nvalid credentials" in lab.milter.log_text(), 15, "the reason")
        wait_for(lambda: os.path.exists(lab.milter.socket), 15, "the socket")
        assert refusal(lab, "anna@example.org")[:2] == ("RCPT", 451)


def option_of(pid, fd, level, option):
    """getsockopt on another process' descriptor (pidfd_getfd(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = libc.syscall(434, pid, 0)
    copy = libc.syscall(438, pidfd, fd, 0)
    os.close(pidfd)
    if copy < 0:
        return None
    with socket.socket(fileno=copy) as theirs:
        if theirs.family not in (socket.AF_INET, socket.AF_INET6):
            return None
        return theirs.getsockopt(level, option)


def test_trap_22_tcp_sockets_do_not_wait():
    port = free_port()
    with Lab(start=("slapd", "milter"), milter_options={"socket": "inet:%d@127.0.0.1" % port},
             wait_milter=False) as lab:
        def connected():
            try:
                return socket.create_connection(("127.0.0.1", port), timeout=5)
            except OSError:
                return None
        connection = wait_for(connected, 15, "the milter's port")
        folder = "/proc/%d/fd" % lab.milter.pid

        def accepted():
            with open("/proc/net/tcp") as table:
                rows = [line.split() for line in table]
            return {"socket:[%s]" % row[9] for row in rows
                    if row[1].endswith(":%04X" % port) and row[3] == "01"}

        def nodelay():
            inodes = accepted()
            return [option_of(lab.milter.pid, int(fd), socket.IPPROTO_TCP, socket.TCP_NODELAY)
                    for fd in os.listdir(folder) if os.readlink(os.path.join(folder, fd)) in inodes]
        assert wait_for(nodelay, 10, "the accepted socket") == [1]
        connection.close()


def test_it_becomes_its_user_and_makes_its_folders():
    """But for the milter socket's: whose group is the MTA's it cannot know."""
    with Lab(start=("slapd", "milter")) as lab:
        lab.milter.stop()
        folder = os.path.join(lab.dir, "own")
        os.mkdir(folder)
        os.chmod(folder, 0o755)
        lab.milter.configure(user="news", group="news",
                             socket="unix:" + folder + "/mta/milter.sock",
                             control_socket=folder + "/run/control.sock",
                             replica_dir=folder + "/replica", queue_dir=folder + "/queue")
        os.chown(lab.slapd.password_file("front1"), 9, 9)
        done = run([lab.milter.binary, "-c", lab.milter.conf], check=False, timeout=30)
        assert done.returncode == 69
        assert b"/own/mta: No such file or directory; make it" in done.stderr
        os.mkdir(folder + "/mta")
        os.chown(folder + "/mta", 9, 10)
        os.chmod(folder + "/mta", 0o2750)
        lab.milter.start(wait=False)
        wait_for(lambda: "ready node=front1" in lab.milter.log_text().split("stopped")[-1], 15,
                 "it to be ready")
        with open("/proc/%d/status" % lab.milter.pid) as status:
            assert re.search(r"(?m)^Uid:\t9\t9\t9\t9$", status.read())
        for name, mode in (("run", 0o40750), ("replica", 0o40700), ("queue", 0o40700)):
            made = os.stat(os.path.join(folder, name))
            assert (made.st_uid, made.st_mode) == (9, mode), name
        made = os.stat(os.path.join(folder, "mta/milter.sock"))
        assert (made.st_uid, made.st_gid, made.st_mode) == (9, 10, 0o140660)
