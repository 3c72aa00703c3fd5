"""`restante doctor` about Postfix, the milter and what is between them: each thing broken alone."""

import contextlib
import grp
import os
import re
import resource
import subprocess

import pytest

from command import Control, ok
from doctor import Doctor, edited, mode
from lab.lab import Lab
from lab.process import free_port

LISTENERS = ("release", "reentry")


@pytest.fixture(scope="module")
def front():
    """The front door without backends; its replica stays current while the machine is busy."""
    with Lab(start=("slapd", "milter", "postfix"), milter_options={"heartbeat": "30s"}) as lab:
        yield lab


@pytest.fixture(scope="module")
def doctor(front):
    return Doctor(front.milter.cli_binary, front.dir, front.milter.settings())


@pytest.fixture
def main(front):
    """main("parameter = value"): so within the block; doctor reads the file."""
    path = os.path.join(front.postfix.conf, "main.cf")
    return lambda *lines: edited(path, lambda text: text + "".join(line + "\n" for line in lines))


@pytest.fixture
def master(front):
    """master(which, old, new): the options of that service are others within the block."""
    path = os.path.join(front.postfix.conf, "master.cf")
    names = {"release": "127.0.0.1:%d " % front.postfix.release_port,
             "reentry": "127.0.0.1:%d " % front.postfix.reentry_port,
             "front": "127.0.0.1:%d " % front.postfix.port,
             "cleanup": "restante-cleanup ", "transport": "restante-reentry "}

    def change(which, old, new):
        def swap(text):
            begin = re.search("(?m)^" + re.escape(names[which]), text).start()
            end = re.compile(r"\n(?=[^ #])|\Z").search(text, begin).end()
            block = text[begin:end]
            assert re.search(old, block), (which, old, block)
            return text[:begin] + re.sub(old, new, block, count=1) + text[end:]
        return edited(path, swap)
    return change


def test_nothing_is_found_in_a_healthy_lab(doctor, front):
    shown = doctor.json("-v")
    assert shown["findings"] == [] and shown["not_made"] == 0
    assert len(shown["checks"]) == shown["made"] > 75
    assert front.postfix.listing() == []


def test_every_check_is_listed_once(doctor):
    shown = doctor.json("-v")["checks"]
    listed = doctor.run("--list").stdout.decode().splitlines()
    ids = [line.split()[0] for line in listed]
    assert len(set(ids)) == len(ids) and {check["check"] for check in shown} <= set(ids)


# --- Postfix: the milter -------------------------------------------------------------------------

@pytest.mark.parametrize("severity,check,lines", [
    ("error", "mta.milter", ["smtpd_milters = inet:127.0.0.1:8891"]),
    ("error", "mta.milter-socket", ["smtpd_milters = unix:/run/restante/milter.sock"]),
    ("error", "mta.milter-order",
     ["smtpd_milters = unix:restante/milter.sock, inet:127.0.0.1:8891"]),
    ("error", "mta.milter-down", ["milter_default_action = accept"]),
    ("error", "mta.milter-down",
     ["smtpd_milters = { unix:restante/milter.sock, default_action = accept }"]),
    ("error", "mta.milter-protocol", ["milter_protocol = 2"]),
    ("warning", "mta.milter-maps", ["smtpd_milter_maps = inline:{ 192.0.2.1=DISABLE }"]),
    ("error", "mta.milter-local", ["non_smtpd_milters = unix:restante/milter.sock"]),
    ("error", "mta.filter", ["content_filter = scan:[127.0.0.1]:10024"]),
    ("error", "mta.filter", ["smtpd_proxy_filter = 127.0.0.1:10024"]),
])
def test_a_milter_that_is_set_wrong(doctor, main, severity, check, lines):
    with main(*lines):
        found = doctor.found()
    if check == "mta.milter":  # the re-entry listener has none then, either
        found.discard(("error", "mta.reentry-milter"))
    assert found == {(severity, check)}


def test_other_milters_before_ours_are_fine(doctor, main):
    with main("smtpd_milters = { inet:127.0.0.1:8891, default_action = accept }, "
              "unix:restante/milter.sock"):
        assert doctor.found() == set()
    with main("smtpd_milters = { unix:restante/milter.sock, default_action = tempfail }",
              "milter_default_action = accept"):
        assert doctor.found() == set()


def test_one_listener_without_the_milter(doctor, front):
    path = os.path.join(front.postfix.conf, "master.cf")
    other = "127.0.0.1:%d inet n - y - - smtpd\n  -o smtpd_milters=\n" % free_port()
    with edited(path, lambda text: other + text):
        assert doctor.found() == {("warning", "mta.milter")}
    filtered = other + "  -o content_filter=scan:[127.0.0.1]:10024\n"
    with edited(path, lambda text: filtered + text):
        assert doctor.found() == set()


def test_a_chroot_that_hides_the_socket(doctor, master, front):
    """Absolute paths are below the queue directory for a chrooted smtpd alone."""
    with edited(os.path.join(front.postfix.conf, "main.cf"), lambda text: text.replace(
            "unix:restante/milter.sock", "unix:" + front.milter.socket)):
        assert doctor.found("mta.milter-socket") == {("error", "mta.milter-socket")}
        with master("front", " n - y ", " n - n "), master("reentry", r" n +- +y ", " n - n "):
            assert doctor.found() == set()


def test_who_reaches_the_socket(doctor, front):
    folder = os.path.dirname(front.milter.socket)
    with mode(folder, 0o700):
        assert doctor.found() == {("error", "mta.socket-rights")}
    with mode(folder, 0o2755), mode(front.milter.socket, 0o666):
        assert doctor.found() == {("error", "mta.socket-rights")}
    os.rename(front.milter.socket, front.milter.socket + ".away")
    try:
        assert doctor.found() == {("error", "mta.socket-rights")}
    finally:
        os.rename(front.milter.socket + ".away", front.milter.socket)
    assert doctor.found() == set()


def test_tcp_between_them(doctor, front, main):
    port = free_port()
    with doctor.set(milter={"socket": "inet:%d@127.0.0.1" % port}):
        with main("smtpd_milters = inet:127.0.0.1:%d" % port):
            assert doctor.found() == {("warning", "milter.socket")}


def test_an_mta_that_may_use_the_control_socket(doctor, front):
    name = grp.getgrgid(front.postfix.owner.pw_gid).gr_name
    with doctor.set(milter={"user": "root", "group": name}):
        assert doctor.found() == {("error", "mta.control-group")}


# --- Postfix: the two listeners ------------------------------------------------------------------

@pytest.mark.parametrize("which", LISTENERS)
@pytest.mark.parametrize("check,old,new", [
    ("", "127.0.0.1:", ""),
    ("", "cleanup_service_name=restante-cleanup", "cleanup_service_name=nothing"),
    ("-rewrites", "no_address_mappings,", ""),
    ("-rewrites", "no_header_body_checks,", ""),
    ("-rewrites", "local_header_rewrite_clients=", "local_header_rewrite_clients=permit_mynetworks"),
    ("-filter", "content_filter=", "content_filter=scan:[127.0.0.1]:10024"),
    ("-filter", "smtpd_proxy_filter=", "smtpd_proxy_filter=127.0.0.1:10024"),
    ("-limits", "message_size_limit=0", "message_size_limit=1000000"),
    ("-limits", "smtpd_recipient_limit=10000", "smtpd_recipient_limit=100"),
])
def test_a_listener_that_is_not_as_it_should(doctor, front, master, main, which, check, old, new):
    addressed = main("inet_interfaces = all") if old == "127.0.0.1:" else contextlib.nullcontext()
    with addressed, master(which, old, new):
        assert doctor.found() == {("error", "mta." + which + check)}


@pytest.mark.parametrize("severity,check,which,old,new", [
    ("error", "mta.release-milter", "release", "  -o smtpd_milters=\n  -o receive_override_options="
     "no_milters,", "  -o receive_override_options="),
    ("error", "mta.reentry-milter", "reentry", "no_address_mappings,",
     "no_milters,no_address_mappings,"),
    ("error", "mta.reentry", "reentry", "=restante-reentry\n  -o receive", "=other\n  -o receive"),
    ("warning", "mta.release-processes", "release", "- +smtpd", "2 smtpd"),
    ("warning", "mta.release-pace", "cleanup", "in_flow_delay=0", "in_flow_delay=1s"),
    ("error", "mta.route", "transport", "restante-reentry", "other-reentry"),
])
def test_a_service_that_is_not_as_it_should(doctor, master, severity, check, which, old, new):
    with master(which, old, new):
        assert doctor.found() == {(severity, check)}


def test_limits_of_the_cleanup_service(doctor, master):
    with master("cleanup", "message_size_limit=0", "message_size_limit=1000000"):
        assert doctor.found() == {("error", "mta.release-limits"), ("error", "mta.reentry-limits")}


def test_a_release_listener_that_is_somewhere_else(doctor):
    port = free_port()
    with doctor.set(milter={"release_listener": "smtp:127.0.0.1:%d" % port}):
        assert {("error", "mta.release"), ("error", "mta.release-answers")} <= doctor.found()


def test_a_release_listener_that_does_not_answer(doctor, front, master):
    """As it stands in master.cf, but Postfix does not know it yet."""
    port = free_port()
    with doctor.set(milter={"release_listener": "smtp:127.0.0.1:%d" % port}):
        with master("release", str(front.postfix.release_port), str(port)):
            assert doctor.found() == {("error", "mta.release-answers")}


# --- Postfix: domains and tables -----------------------------------------------------------------

@pytest.mark.parametrize("severity,check,lines", [
    ("error", "mta.domain-class", ["mydestination = localhost, Example.NET"]),
    ("error", "mta.domain-class", ["virtual_alias_domains = inline:{ example.net=x }"]),
    ("error", "mta.domain-class", ["virtual_mailbox_domains = example.net"]),
    ("error", "mta.relay-domains", ["restante_domains = example.org, xn--bcher-kva.example"]),
    ("error", "mta.route", ["relay_transport ="]),
    ("error", "mta.route", ["transport_maps = inline:{ { .org = smtp:[192.0.2.1] } }"]),
    ("warning", "mta.stale-domains", ["relay_domains = $restante_domains, stale.test"]),
    ("error", "mta.subdomains", ["parent_domain_matches_subdomains = relay_domains"]),
    ("warning", "mta.recipient-maps", ["relay_recipient_maps = inline:{ anna@example.org=x }"]),
    ("warning", "mta.virtual-aliases",
     ["virtual_alias_maps = inline:{ { all@lists.lab = anna@example.org, x@y.lab } }",
      "virtual_alias_domains ="]),
    ("warning", "mta.virtual-aliases",
     ["virtual_alias_maps = inline:{ anna@example.org=x@y.lab }", "virtual_alias_domains ="]),
    ("warning", "mta.virtual-aliases",
     ["virtual_alias_maps = regexp:{ {/^anna@/ x@y.lab} }", "virtual_alias_domains ="]),
    ("warning", "mta.canonical", ["canonical_maps = inline:{ bert@example.org=x@y.lab }"]),
    ("warning", "mta.canonical", ["recipient_canonical_maps = inline:{ @example.net=@y.lab }"]),
    ("warning", "mta.aliases", ["alias_maps = inline:{ root=anna@example.org }"]),
    ("unseen", "mta.tables", ["canonical_maps = texthash:/nonexistent"]),
])
def test_a_domain_or_table_that_meddles(doctor, main, severity, check, lines):
    with main(*lines):
        assert doctor.found() == {(severity, check)}


def test_tables_about_others_are_fine(doctor, main):
    with main("sender_canonical_maps = inline:{ anna@example.org=a.anna@example.org }",
              "virtual_alias_domains = lists.lab",
              "virtual_alias_maps = inline:{ { all@lists.lab = anna@s1.lab } }",
              "alias_maps = inline:{ root=admin@elsewhere.lab }",
              "relay_domains = $restante_domains, backup.lab",
              "transport_maps = inline:{ { backup.lab = smtp:[192.0.2.1] } }"):
        assert doctor.found() == set()


# --- any MTA -------------------------------------------------------------------------------------

def test_a_queue_that_cannot_be_listed(doctor, front):
    listing = front.postfix.queue_list_command()
    with doctor.set(milter={"queue_list": listing + " --nonsense"}):
        assert doctor.found() == {("error", "mta.queue-list")}


def test_an_mta_that_is_not_known(doctor):
    with doctor.set(milter={"queue_list": "true"}):
        assert doctor.found() == {("unseen", "mta.seen")}


def test_settings_that_cannot_be_read(doctor, front, tmp_path):
    assert doctor.found("--mta-config", str(tmp_path)) == {("unseen", "mta.seen")}
    assert doctor.found("--mta-config", front.postfix.conf) == set()


# --- the milter ----------------------------------------------------------------------------------

@contextlib.contextmanager
def pretending(doctor, front, change):
    """A milter that says of itself what the real one says, but for that change."""
    status = front.milter.ask("status")
    change(status)
    path = os.path.join(front.dir, "pretender.sock")
    with Control(path, {"status": [ok(**status)]}), doctor.set(cli={"control_socket": path}):
        yield


def test_a_milter_that_does_not_answer(doctor):
    with doctor.set(cli={"control_socket": "/nonexistent/milter.sock"}):
        assert doctor.found() == {("error", "milter.answers")}


@pytest.mark.parametrize("severity,check,change", [
    ("error", "milter.state", lambda status: status["view"].update(current=False)),
    ("warning", "milter.version", lambda status: status.update(version="0.0.9")),
    ("warning", "milter.settings", lambda status: status.update(node="front7")),
    ("warning", "milter.libraries", lambda status: status["libraries"][0].update(runs="0.9.9")),
    ("unseen", "milter.libraries", lambda status: status.pop("libraries")),
    ("unseen", "milter.files", lambda status: status.update(pid=0)),
])
def test_a_milter_that_is_not_well(doctor, front, severity, check, change):
    with pretending(doctor, front, change):
        assert doctor.found() == {(severity, check)}


def test_a_milter_that_may_open_few_files(doctor, front):
    few = subprocess.Popen(["sleep", "600"], preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_NOFILE, (256, 256)))
    try:
        with pretending(doctor, front, lambda status: status.update(pid=few.pid)):
            assert doctor.found() == {("warning", "milter.files")}
    finally:
        few.kill()
        few.wait()


def test_the_libraries_are_named(front):
    libraries = front.milter.ask("status")["libraries"]
    assert [library["name"] for library in libraries] == ["libmilter", "Berkeley DB"]
    assert all(library["built"] == library["runs"] for library in libraries)
