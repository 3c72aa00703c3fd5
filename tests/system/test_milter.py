"""restante-milter as a daemon: the fence's acknowledgements and drains, its node's states, signals,
start and stop. What happens to a recipient is test_front.py and test_hold.py."""

import ctypes
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from helpers import arrived, fresh, hold, send, settled, swap, user_of, verdict, wait_verdict
from lab.lab import Lab
from lab.mail import Refused, Smtp, compose
from lab.process import free_port, run, wait_for
from lab.slapd import FEDERATION, IDENTITIES
from relay import Relay

NODE = IDENTITIES["front1"]


def node(lab):
    return lab.slapd.read(NODE)


def number(entry, name):
    return int(entry.get(name.lower(), ["0"])[0])


def raise_epoch(lab):
    """What a fence does first; the number raised."""
    epoch = number(lab.slapd.read(FEDERATION), "restanteEpoch") + 1
    lab.slapd.replace(FEDERATION, restanteEpoch=str(epoch))
    return epoch


def wait_acked(lab, epoch, timeout=10):
    wait_for(lambda: number(node(lab), "restanteAckEpoch") >= epoch, timeout,
             "epoch %d to be acknowledged" % epoch)


def wait_drained(lab, epoch, undrained=(), timeout=15):
    def there():
        entry = node(lab)
        return (number(entry, "restanteDrainedEpoch") >= epoch and
                sorted(entry.get("restanteundrained", [])) == sorted(undrained))
    wait_for(there, timeout, "epoch %d to be drained but for %s" % (epoch, list(undrained)))


def hold_by_hand(lab, address):
    lab.slapd.replace(lab.slapd.mailbox_dn(user_of(address)), restanteState="holding")


def begin(lab, recipients, sender="someone@outside.test"):
    """A connection whose transaction is open up to DATA."""
    smtp = Smtp(lab.postfix.port)
    assert smtp.command("MAIL FROM:<%s>" % sender)[0] == 250
    for recipient in recipients:
        assert smtp.command("RCPT TO:<%s>" % recipient)[0] == 250
    return smtp


def refusal(lab, recipient, **more):
    with pytest.raises(Refused) as caught:
        send(lab, recipient, **more)
    return caught.value.step, caught.value.code, caught.value.text[:5]


# --- the fence ------------------------------------------------------------------------------------

def test_every_epoch_is_acknowledged_and_drained(lab):
    for _ in range(3):
        epoch = raise_epoch(lab)
        wait_acked(lab, epoch)
        wait_drained(lab, epoch)


def test_acknowledgements_do_not_answer_each_other(lab):
    """TRAPS 31: a node's own writes come back to it; nothing but heartbeats follows."""
    epoch = raise_epoch(lab)
    wait_drained(lab, epoch)
    before = lab.milter.ask("status")["agent"]
    wait_for(lambda: lab.milter.ask("status")["agent"]["heartbeat_us"] > before["heartbeat_us"] +
             2500000, 20, "three heartbeats")
    after = lab.milter.ask("status")["agent"]
    assert after["writes"] - before["writes"] <= 5
    assert after["drain"]["listings"] == before["drain"]["listings"]


def test_a_heartbeat_changes_each_time():
    with Lab(start=("slapd", "milter"), milter_options={"heartbeat": "200ms"}) as lab:
        seen = []
        for _ in range(4):
            wait_for(lambda: node(lab)["restanteheartbeat"][0] not in seen, 10, "a new heartbeat")
            seen.append(node(lab)["restanteheartbeat"][0])
        assert all(re.fullmatch(r"\d{14}(\.\d+)?Z", value) for value in seen)


def test_mail_in_the_queue_is_undrained_without_subaddress_and_case(lab):
    address, other = fresh(lab), fresh(lab)
    backend = lab.backends["S1"]
    backend.stop()
    try:
        user = user_of(address)
        send(lab, ["%s+Folder@Example.ORG" % user.upper(), other])
        wait_for(lambda: not lab.postfix.empty(), 10, "mail in the queue")
        hold(lab, address)
        epoch = raise_epoch(lab)
        wait_drained(lab, epoch, [user + "@s1.lab"])
        # the other one is not held: its mail is nobody's business
        assert number(node(lab), "restanteAckEpoch") >= epoch
        # a later epoch finds the same
        epoch = raise_epoch(lab)
        wait_drained(lab, epoch, [user + "@s1.lab"])
    finally:
        backend.start()
    lab.postfix.flush()
    wait_drained(lab, epoch)
    arrived(lab, "S1", user)
    lab.milter.cli("unhold", address)


@pytest.fixture(scope="module")
def patient():
    """A lab whose MTA may take 3 s to write its queue file after our answer."""
    with Lab(milter_options={"late_commit": "3s"}) as whole:
        yield whole


def drain_after_mail(lab, then):
    """How long the drain of a mailbox takes after mail for it was answered on a connection that
    stays open."""
    address = fresh(lab)
    time.sleep(0.01)
    smtp = begin(lab, [address])
    smtp.data(compose(address)[1])
    hold_by_hand(lab, address)
    wait_verdict(lab, address, "hold")
    began = time.monotonic()
    epoch = raise_epoch(lab)
    wait_acked(lab, epoch)
    then(smtp)
    wait_drained(lab, epoch)
    took = time.monotonic() - began
    smtp.quit()
    return took


def test_the_drain_waits_for_late_commits(patient):
    """After a start, too; so the lab is older than that here."""
    wait_for(lambda: patient.milter.ask("status")["uptime_us"] > 4000000, 10, "an old process")
    assert 2.0 < drain_after_mail(patient, lambda smtp: None) < 8.0


def next_message(smtp):
    """Postfix keeps MAIL back until an event that wants an answer."""
    smtp.command("MAIL FROM:<x@outside.test>")
    smtp.command("RCPT TO:<x@s2.lab>")


def test_the_connections_next_event_ends_the_wait(patient):
    wait_for(lambda: patient.milter.ask("status")["uptime_us"] > 4000000, 10, "an old process")
    assert drain_after_mail(patient, next_message) < 2.0
    assert drain_after_mail(patient, lambda smtp: smtp.quit()) < 2.0


def test_after_a_start_everything_may_be_late(patient):
    address = fresh(patient)
    hold(patient, address)
    patient.milter.restart()
    began = time.monotonic()
    epoch = raise_epoch(patient)
    wait_acked(patient, epoch)
    wait_drained(patient, epoch)
    assert time.monotonic() - began > 1.5


def test_a_queue_that_cannot_be_listed_is_not_drained():
    with Lab(milter_options={"queue_list": "false"}) as lab:
        address = fresh(lab, state="holding")
        epoch = raise_epoch(lab)
        wait_acked(lab, epoch)
        wait_for(lambda: lab.milter.ask("status")["agent"]["drain"]["listing_failures"] >= 3, 20,
                 "three failures")
        assert number(node(lab), "restanteDrainedEpoch") < epoch
        lines = re.findall(r"error: drain: .*cannot be listed.*status was 1", lab.milter.log_text())
        assert len(lines) == 1, "said once, not each time"
        lab.milter.configure(queue_list=lab.postfix.queue_list_command())
        lab.milter.reload()
        wait_drained(lab, epoch)
        assert "is listed again" in lab.milter.log_text()
        assert verdict(lab, address) == "hold"


def test_a_listing_that_hangs_holds_up_nothing_else():
    with Lab(start=("slapd", "milter"),
             milter_options={"queue_list": "sleep 60", "queue_list_timeout": "1s"}) as lab:
        fresh(lab, state="holding")
        first = raise_epoch(lab)
        wait_acked(lab, first)
        second = raise_epoch(lab)
        wait_acked(lab, second, 5)
        assert number(node(lab), "restanteDrainedEpoch") < first
        began = time.monotonic()
        lab.milter.stop()
        assert time.monotonic() - began < 5


def test_nothing_held_needs_no_listing():
    with Lab(start=("slapd", "milter"), milter_options={"queue_list": "false"}) as lab:
        for uid in ("moving", "archive"):
            lab.slapd.replace(lab.slapd.mailbox_dn(uid), restanteState=None)
        lab.slapd.replace("cn=S3,ou=systems," + FEDERATION, restanteState=None)
        wait_verdict(lab, "archive@example.org", "rewrite")
        wait_verdict(lab, "moving@example.org", "rewrite")
        wait_drained(lab, raise_epoch(lab))


# --- the node's states ----------------------------------------------------------------------------

def test_a_node_that_leaves_releases_what_it_holds_first():
    with Lab() as lab:
        address = fresh(lab, state="holding")
        msgid = send(lab, address)
        lab.slapd.replace(NODE, restanteNodeState="disabling")
        wait_for(lambda: verdict(lab, address) == "tryagain", 10, "it to refuse")
        assert refusal(lab, address) == ("RCPT", 451, "4.3.0")
        epoch = raise_epoch(lab)
        wait_acked(lab, epoch)
        assert node(lab)["restantenodestate"] == ["disabling"]
        lab.slapd.replace(lab.slapd.mailbox_dn(user_of(address)), restanteState=None)
        assert arrived(lab, "S1", user_of(address)) == [msgid]
        wait_for(lambda: node(lab)["restantenodestate"] == ["disabled"], 15, "it to leave")
        lab.slapd.replace(NODE, restanteNodeState="enabled")
        wait_verdict(lab, address, "rewrite")
        assert lab.milter.ask("status")["cut_off"] is False


def test_a_node_that_leaves_waits_for_its_mtas_queue():
    """Once it is disabled no fence waits for what is queued there."""
    with Lab() as lab:
        address = fresh(lab)
        backend = lab.backends["S1"]
        backend.stop()
        try:
            msgid = send(lab, address.replace("@", "+box@"))
            wait_for(lambda: not lab.postfix.empty(), 10, "mail in the queue")
            lab.slapd.replace(NODE, restanteNodeState="disabling")
            wait_for(lambda: "cannot leave yet" in lab.milter.log_text(), 15, "it to say so")
            assert lab.milter.ask("status")["agent"]["drain"]["leaving_undrained"] == 1
            # a move waits for it, as for every other node
            hold_by_hand(lab, address)
            epoch = raise_epoch(lab)
            wait_acked(lab, epoch)
            wait_drained(lab, epoch, [user_of(address) + "@s1.lab"])
            assert node(lab)["restantenodestate"] == ["disabling"]
        finally:
            backend.start()
        lab.postfix.flush()
        assert arrived(lab, "S1", user_of(address)) == [msgid]
        wait_for(lambda: node(lab)["restantenodestate"] == ["disabled"], 40, "it to leave")
        assert not node(lab).get("restanteundrained")


def test_its_own_disabled_is_not_taken_for_somebody_elses():
    """The write is made, its answer is lost, and when it is repeated the state is another."""
    seen = []

    def lose_the_first(data):
        if b"restanteNodeState1" not in data or b"disabled" not in data:
            return None
        seen.append(data)
        return "lose the answer" if len(seen) == 1 else None

    with Lab() as lab, Relay(lab.slapd.port, lose_the_first) as relay:
        with open(lab.milter.conf) as conf:
            text = conf.read()
        with open(lab.milter.conf, "w") as conf:
            conf.write(text.replace('write_uri = "%s"' % lab.slapd.uri,
                                    'write_uri = "ldap://127.0.0.1:%d"' % relay.port))
        lab.milter.restart()
        lab.slapd.replace(NODE, restanteNodeState="disabling")
        wait_for(lambda: node(lab)["restantenodestate"] == ["disabled"], 20, "it to leave")
        wait_for(lambda: len(seen) >= 2, 20, "the write to be repeated")
        wait_for(lambda: lab.milter.ask("status")["view"]["node_state"] == "disabled", 10, "it")
        lab.slapd.replace(NODE, restanteNodeState="enabled")
        wait_verdict(lab, "anna@example.org", "rewrite")
        assert lab.milter.ask("status")["cut_off"] is False


def test_a_directory_that_was_restored_counts_on_from_less(lab):
    epoch = raise_epoch(lab)
    wait_drained(lab, epoch)
    lab.slapd.replace(FEDERATION, who="root", restanteEpoch="1")
    lab.slapd.replace(NODE, who="root", restanteAckEpoch="1", restanteDrainedEpoch="1",
                      restanteUndrained=None)
    wait_for(lambda: lab.milter.ask("status")["view"]["node_acked"] == 1, 10, "it to see that")
    assert epoch > 2
    assert raise_epoch(lab) == 2
    wait_acked(lab, 2)
    wait_drained(lab, 2)
    address = fresh(lab)
    swap(lab, address)


def test_disabled_by_force_it_serves_nothing_until_it_is_wiped():
    with Lab() as lab:
        address, held = fresh(lab), fresh(lab, state="holding")
        send(lab, held)
        lab.slapd.replace(NODE, restanteNodeState="disabled")
        wait_for(lambda: lab.milter.ask("status")["cut_off"], 10, "it to see that")
        assert refusal(lab, address) == ("RCPT", 451, "4.3.0")
        lab.slapd.replace(NODE, restanteNodeState="enabled")
        lab.slapd.replace(lab.slapd.mailbox_dn(user_of(held)), restanteState=None)
        epoch = raise_epoch(lab)
        lab.milter.stop()
        lab.milter.start(wait=False)
        wait_for(lambda: os.path.exists(lab.milter.control) and
                 lab.milter.ask("status")["view"]["loaded"], 15, "it to be back")
        assert lab.milter.ask("status")["cut_off"]
        assert verdict(lab, address) == "tryagain"
        time.sleep(0.5)
        assert lab.milter.held() == 1, "nothing is released, either"
        assert number(node(lab), "restanteAckEpoch") < epoch
        lab.milter.stop()
        for path in (lab.milter.queue, lab.milter.replica):
            for name in os.listdir(path):
                os.unlink(os.path.join(path, name))
        lab.milter.start()
        assert verdict(lab, address) == "rewrite"
        wait_acked(lab, epoch)


def test_two_with_one_name_acknowledge_nothing():
    """A clone, or a name given twice: the one would acknowledge what only the other knows."""
    with Lab(start=("slapd", "milter")) as lab:
        wait_acked(lab, raise_epoch(lab))
        wait_for(lambda: node(lab).get("restanteheartbeat"), 10, "a heartbeat of its own")
        before = node(lab)["restanteheartbeat"]
        wait_for(lambda: node(lab)["restanteheartbeat"] != before, 10, "another one")
        lab.slapd.replace(NODE, restanteHeartbeat="20300101000000Z")
        wait_for(lambda: "somebody else writes this front door's entry" in lab.milter.log_text(), 10,
                 "it to notice")
        epoch = raise_epoch(lab)
        time.sleep(0.5)
        assert number(node(lab), "restanteAckEpoch") < epoch
        wait_acked(lab, epoch)
        assert "nobody else writes" in lab.milter.log_text()


def test_without_an_entry_it_says_what_to_do():
    with Lab(start=("slapd", "postfix", "milter"), milter_options={"node": "front9"},
             wait_milter=False) as lab:
        wait_for(lambda: "there is no entry for this front door" in lab.milter.log_text(), 15,
                 "the line")
        assert "restante node enable front9" in lab.milter.log_text()
        assert refusal(lab, "anna@example.org") == ("RCPT", 451, "4.3.0")


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
        smtp, idle = begin(lab, [address]), Smtp(lab.postfix.port)
        other = begin(lab, [address])
        msgid, content = compose(address)
        os.kill(lab.milter.pid, signal.SIGTERM)
        wait_for(lambda: "stopping" in lab.milter.log_text(), 10, "the stop to begin")
        code, text = other.command("RCPT TO:<late@example.org>")
        assert (code, text[:5]) == (451, "4.3.2")
        other.quit()
        assert lab.milter.running()
        smtp.data(content)
        assert lab.milter.process.wait(10) == 0
        smtp.quit()
        with pytest.raises(Refused):
            idle.send("a@outside.test", [address], content)
        lab.milter.process = None
        lab.milter.start()
        assert lab.milter.held() == 1
        lab.milter.cli("unhold", address)
        assert arrived(lab, "S1", user_of(address)) == [msgid]


def test_a_stop_waits_for_nobody_for_ever():
    with Lab(start=("slapd", "postfix", "milter"), milter_options={"stop_timeout": "1s"}) as lab:
        smtp = begin(lab, ["moving@example.org"])
        began = time.monotonic()
        lab.milter.stop()
        assert 0.9 < time.monotonic() - began < 6
        assert "1 transactions did not end in time" in lab.milter.log_text()
        smtp.connection.close()


# --- the envelope, as Postfix sees it -------------------------------------------------------------

def test_trap_3_a_source_route_to_a_held_mailbox_is_held(lab):
    address = fresh(lab, state="holding")
    msgid = send(lab, "<@h1.test,@h2.test:%s>" % address.capitalize())
    assert lab.postfix.empty()
    lab.milter.cli("unhold", address)
    assert arrived(lab, "S1", user_of(address)) == [msgid]


def test_trap_8_a_message_without_recipients_left_is_logged(lab):
    address = fresh(lab, state="holding")
    send(lab, address)
    line = [x for x in lab.milter.log_text().splitlines() if "milter: message id=" in x][-1]
    assert "held=1" in line and "mta_copy=none" in line and re.search(r"queue_id=\w+", line)
    lab.milter.cli("unhold", address)
    settled(lab)


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
    assert lab.milter.held() == 1 and lab.postfix.empty()
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
    with Lab(start=("slapd", "postfix", "milter"), wait_milter=False) as lab:
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


def test_ready_is_told_once_the_replica_is_usable():
    with Lab(start=("slapd", "milter")) as lab:
        lab.milter.stop()
        lab.slapd.stop()
        for name in os.listdir(lab.milter.replica):
            os.unlink(os.path.join(lab.milter.replica, name))
        path = os.path.join(lab.dir, "notify")
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(path)
        notify.settimeout(20)
        read_end, write_end = os.pipe()
        pid_file = os.path.join(lab.dir, "pid")
        daemon = subprocess.Popen(
            lab.milter.command() + ["--ready-fd", str(write_end), "--pid-file", pid_file],
            pass_fds=(write_end,), env=dict(os.environ, NOTIFY_SOCKET=path),
            stderr=open(lab.milter.log, "ab"))
        try:
            os.close(write_end)
            wait_for(lambda: os.path.exists(lab.milter.socket), 15, "the socket")
            assert int(open(pid_file).read()) == daemon.pid
            notify.setblocking(False)
            with pytest.raises(BlockingIOError):
                notify.recv(100)
            notify.settimeout(20)
            lab.slapd.start()
            assert notify.recv(100) == b"READY=1"
            assert os.read(read_end, 100) == b"READY\n"
            daemon.send_signal(signal.SIGTERM)
            assert notify.recv(100) == b"STOPPING=1"
            assert daemon.wait(15) == 0
            assert not os.path.exists(pid_file) and not os.path.exists(lab.milter.socket)
        finally:
            daemon.kill()
            daemon.wait()
            os.close(read_end)
            notify.close()


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
