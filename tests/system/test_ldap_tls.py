"""How the front door and the command get to the directory: StartTLS, ldaps://, ldapi://, certificates
on both sides, and what they do when that is refused. The server is a real slapd in every case."""

import os
import re
import socket
import threading
import time

import pytest

from helpers import arrived, clear, fresh, refusal, send, settled, user_of, verdict, wait_verdict
from lab.daemon import conf_section, listens
from lab.lab import Lab
from lab.process import run, wait_for
from lab.slapd import IDENTITIES
from relay import Relay

WAYS = ("ldaps", "starttls")
STARTTLS_OID = b"1.3.6.1.4.1.1466.20037"
STARTTLS_DONE = bytes.fromhex("300c02010178070a010004000400")
EXTERNAL = {"bind": "external", "bind_dn": "", "password_file": ""}
CERTIFICATE_REMEDY = "certificate is signed by ca_file, in date and of the name in the uri"
DIRECTORY = 5  # the command's exit status


@pytest.fixture(scope="module", name="lab")
def _lab():
    lab = Lab(start=())
    try:
        lab.make(("slapd", "s1", "milter", "mta"))
        lab.slapd.offer_tls("sound")
        for server in lab.servers:
            server.start()
        yield lab
    finally:
        lab.close()


@pytest.fixture(name="door")
def _door(lab):
    """The lab; whatever a test did to slapd and to the milter is undone after it."""
    yield lab
    if lab.slapd.certificate != "sound":
        certify(lab, "sound")
    if lab.milter.directory or not lab.milter.running():
        serve(lab)
    clear(lab)


def certify(lab, certificate):
    lab.slapd.stop()
    lab.slapd.offer_tls(certificate)
    lab.slapd.start()


def pem(lab, name):
    return {"cert_file": lab.slapd.certificates.pem(name), "key_file": lab.slapd.certificates.key(name)}


def way(lab, how, port=None):
    """Keys of ldap {} for one of WAYS, or "clear"; to slapd itself or to a relay in front of it."""
    port = port or (lab.slapd.tls_port if how == "ldaps" else lab.slapd.port)
    uri = "%s://127.0.0.1:%d" % ("ldaps" if how == "ldaps" else "ldap", port)
    return {"uri": uri, "write_uri": uri, "starttls": how == "starttls",
            "ca_file": lab.slapd.certificates.pem("lab")}


def serve(lab, ready=True, wipe=False, **keys):
    """The milter, started anew with these keys of ldap {}; where its log begins."""
    lab.milter.stop()
    if wipe:
        for name in os.listdir(lab.milter.replica):
            os.unlink(os.path.join(lab.milter.replica, name))
    lab.milter.directory = keys
    lab.milter.configure()
    mark = len(lab.milter.log_text())
    lab.milter.start(wait=ready)
    if not ready:
        wait_for(lambda: listens(lab.milter.socket) and listens(lab.milter.control), 15,
                 "the milter's sockets")
    return mark


def command(lab, keys, *arguments, env=None, **cli):
    """restante with these keys of ldap {} and of cli {}, the operator's password unless bind says
    otherwise: (exit status, its output, seconds)."""
    sections = lab.milter.settings()
    sections["ldap"].update(keys)
    if keys.get("bind") == "external":
        sections["cli"] = {"control_socket": lab.milter.control}
    sections["cli"].update(cli)
    path = os.path.join(lab.dir, "command.conf")
    with open(path, "w") as conf:
        conf.write("".join(conf_section(*section) for section in sections.items()))
    began = time.monotonic()
    done = run([lab.milter.cli_binary, "-c", path, *arguments], check=False, timeout=60,
               env={**os.environ, **(env or {})})
    return done.returncode, (done.stdout + done.stderr).decode(), time.monotonic() - began


def refused(lab, keys, remedy, env=None):
    """The command fails with one line that has the remedy and no secret; the mailbox stays."""
    status, output, seconds = command(lab, keys, "hold", "anna@example.org", env=env)
    assert status == DIRECTORY, output
    assert len(output.splitlines()) == 1 and remedy in output, output
    assert not any(secret in output for secret in lab.slapd.passwords.values())
    state = lab.slapd.read(lab.slapd.mailbox_dn("anna"), ["restanteState"])
    assert "restantestate" not in state
    return seconds


def complains(lab, mark, remedy, subsystems=("directory", "node")):
    """The consumer ("directory") and the write session ("node") say it once each, with the remedy,
    and show no secret. Without a replica the write session has nothing to write yet."""
    def lines(subsystem):
        found = re.findall(r"(?m)^.* error: %s: .*$" % subsystem, lab.milter.log_text()[mark:])
        return [line for line in found if remedy in line]
    for subsystem in subsystems:
        wait_for(lambda name=subsystem: lines(name), 15, "%s: %s" % (subsystem, remedy))
    assert [len(lines(subsystem)) for subsystem in subsystems] == [1] * len(subsystems)
    text = lab.milter.log_text()[mark:]
    assert not any(secret in text for secret in lab.slapd.passwords.values())


def hold_and_unhold(lab, keys):
    """By the command's session; the consumer sees both, and the write session keeps the replica
    current (the milter was ready), or the unknown would not be refused for good."""
    address = fresh(lab)
    status, output, _ = command(lab, keys, "hold", address)
    assert status == 0, output
    wait_verdict(lab, address, "hold")
    msgid = send(lab, address)
    assert lab.milter.held() == 1
    status, output, _ = command(lab, keys, "unhold", address)
    assert status == 0, output
    assert arrived(lab, "S1", user_of(address)) == [msgid]
    assert refusal(lab, "nobody@example.org") == ("RCPT", 550, "5.1.1")
    return lab.slapd.mailbox_dn(user_of(address))


def in_clear(lab, data):
    """What a listener on the wire could have learnt."""
    secrets = [lab.slapd.passwords[name] for name in ("front1", "operator")]
    return [text for text in secrets + ["ou=people", "anna"] if text.encode() in data]


def written_by(lab, dn):
    return lab.slapd.read(dn, ["modifiersName"], who="root")["modifiersname"][0].lower()


# --- encrypted ------------------------------------------------------------------------------------

@pytest.mark.parametrize("how", WAYS)
def test_hold_and_unhold_over_tls(door, how):
    """By consumer, write session and command; a relay in between sees nothing."""
    seen = []
    keys = way(door, how)
    with Relay(door.slapd.tls_port if how == "ldaps" else door.slapd.port, seen.append) as relay:
        keys = way(door, how, relay.port)
        serve(door, **keys)
        hold_and_unhold(door, keys)
        door.milter.stop()
    data = b"".join(seen)
    assert len(data) > 1000 and in_clear(door, data) == []
    assert (STARTTLS_OID in data) == (how == "starttls")


def test_without_starttls_of_the_server_nothing_is_sent(door):
    """It is asked for, refused, and that is the end: no bind, no password. The same relay does see
    both passwords where starttls is off."""
    certify(door, None)
    seen = []
    with Relay(door.slapd.port, seen.append) as relay:
        keys = way(door, "starttls", relay.port)
        mark = serve(door, ready=False, wipe=True, **keys)
        complains(door, mark, "; the server must have a certificate for this", ["directory"])
        refused(door, keys, "the server must have a certificate for this")
        assert refusal(door, "anna@example.org") == ("RCPT", 451, "4.3.0")
        door.milter.stop()
        asked = b"".join(seen)
        assert asked.count(STARTTLS_OID) >= 2 and in_clear(door, asked) == []
        keys = way(door, "clear", relay.port)
        serve(door, **keys)
        hold_and_unhold(door, keys)
        door.milter.stop()
        assert in_clear(door, b"".join(seen))[:2] == [door.slapd.passwords["front1"],
                                                      door.slapd.passwords["operator"]]


# --- certificates that are not taken --------------------------------------------------------------

@pytest.mark.parametrize("kind", ["of another authority", "of another name", "expired"])
def test_the_command_takes_no_wrong_certificate(door, kind):
    """Whatever an ldap.conf or the environment allows."""
    certify(door, kind)
    for how in WAYS:
        for env in ({}, {"LDAPTLS_REQCERT": "never", "LDAPTLS_CACERT": pem(door, "stranger")["cert_file"]}):
            refused(door, way(door, how), CERTIFICATE_REMEDY, env)


@pytest.mark.parametrize("kind, how", [("of another authority", "ldaps"), ("of another name", "starttls"),
                                       ("expired", "ldaps")])
def test_the_milter_takes_no_wrong_certificate(door, kind, how):
    """With a replica mail flows on and the log says it once, without one it is asked to come back;
    once the certificate is good again so is everything, by itself."""
    serve(door, **way(door, how))
    active, held = fresh(door), fresh(door, "holding")
    mark = len(door.milter.log_text())
    certify(door, kind)
    complains(door, mark, CERTIFICATE_REMEDY)
    wait_verdict(door, "nobody@example.org", "tryagain")
    first = send(door, active)
    kept = send(door, held)
    assert door.milter.held() == 1
    assert refusal(door, "nobody@example.org") == ("RCPT", 451, "4.3.0")
    complains(door, mark, CERTIFICATE_REMEDY)
    mark = serve(door, ready=False, wipe=True, **way(door, how))
    complains(door, mark, CERTIFICATE_REMEDY, ["directory"])
    for address in (active, held, "nobody@example.org"):
        assert refusal(door, address) == ("RCPT", 451, "4.3.0")
    certify(door, "sound")
    door.milter.wait_ready()
    assert refusal(door, "nobody@example.org") == ("RCPT", 550, "5.1.1")
    door.slapd.replace(door.slapd.mailbox_dn(user_of(held)), restanteState=None)
    settled(door)
    assert arrived(door, "S1", user_of(active)) == [first]
    assert arrived(door, "S1", user_of(held)) == [kept]


@pytest.mark.parametrize("how", WAYS)
def test_files_that_cannot_be_used(door, how):
    """They end the session: without them libldap would take the settings of the process instead,
    here those that check nothing, and so this server."""
    certify(door, "of another authority")
    garbage = os.path.join(door.dir, "garbage.pem")
    with open(garbage, "w") as out:
        out.write("garbage\n")
    lax = {"LDAPTLS_REQCERT": "never"}
    mixed = {**pem(door, "front1"), "key_file": pem(door, "operator")["key_file"]}
    for wrong in ({"cert_file": garbage, "key_file": garbage}, mixed):
        refused(door, {**way(door, how), **wrong}, "key_file is the key of cert_file", lax)
    refused(door, {**way(door, how), "ca_file": garbage}, "signed by ca_file", lax)
    refused(door, {**way(door, how), "ca_file": garbage + ".not"}, "ca_file %s.not: No such" % garbage, lax)


# --- SASL EXTERNAL --------------------------------------------------------------------------------

@pytest.mark.parametrize("how", WAYS)
def test_external_by_certificate(door, how):
    """The subject of the certificate is who writes, with no password anywhere."""
    keys = {**way(door, how), **EXTERNAL}
    serve(door, **keys, **pem(door, "front1"))
    mailbox = hold_and_unhold(door, {**keys, **pem(door, "operator")})
    assert written_by(door, mailbox) == IDENTITIES["operator"]
    assert written_by(door, IDENTITIES["front1"]) == IDENTITIES["front1"]
    # the front door's own certificate gives no rights of an administrator
    status, output, _ = command(door, {**keys, **pem(door, "front1")}, "hold", "anna@example.org")
    assert status != 0 and "Insufficient access" in output


def test_external_by_peer_credentials(door):
    """slapd knows who is at the other end of its ldapi:// socket."""
    keys = {"uri": door.slapd.ldapi, "write_uri": door.slapd.ldapi, **EXTERNAL}
    serve(door, **keys)
    mailbox = hold_and_unhold(door, keys)
    peer = "gidnumber=%d+uidnumber=%d,cn=peercred,cn=external,cn=auth" % (os.getgid(), os.getuid())
    assert written_by(door, mailbox) == peer
    assert written_by(door, IDENTITIES["front1"]) == peer


@pytest.mark.parametrize("how", WAYS + ("clear",))
def test_external_without_an_identity(door, how):
    """No certificate, or one of an authority that the server does not know."""
    remedy = "bind = external needs ldapi://, or TLS with a cert_file that the server trusts"
    refused(door, {**way(door, how), **EXTERNAL}, remedy)
    door.slapd.certificates.issue("foreign", "stranger", IDENTITIES["operator"])
    refused(door, {**way(door, how), **EXTERNAL, **pem(door, "foreign")}, remedy)


def test_a_client_certificate_that_is_renewed(door):
    """It expired: the log says so, and the new one is read without a restart."""
    own = {**way(door, "ldaps"), **EXTERNAL, **pem(door, "renewed")}
    door.slapd.certificates.issue("renewed", "lab", IDENTITIES["front1"], days=-1)
    mark = serve(door, ready=False, wipe=True, **own)
    complains(door, mark, "cert_file if there is one", ["directory"])
    assert refusal(door, "anna@example.org") == ("RCPT", 451, "4.3.0")
    door.slapd.certificates.issue("renewed", "lab", IDENTITIES["front1"])
    door.milter.wait_ready()
    assert written_by(door, IDENTITIES["front1"]) == IDENTITIES["front1"]


# --- silence --------------------------------------------------------------------------------------

class Silent:
    """Accepts, agrees to StartTLS where that comes first, and says nothing more."""

    def __init__(self, how):
        self.how, self.taken = how, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, kind, value, traceback):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.taken:
            connection.close()

    def accept(self):
        try:
            while True:
                self.taken.append(self.listener.accept()[0])
                if self.how == "starttls" and STARTTLS_OID in self.taken[-1].recv(4096):
                    self.taken[-1].sendall(STARTTLS_DONE)
        except OSError:
            return


@pytest.mark.parametrize("how", WAYS)
def test_silence_in_the_handshake_ends_with_the_timeout(door, how):
    """For the command; the consumer takes the next server, and the write session complains."""
    remedy = "TLS handshake: Timed out (-5); the server did not answer in time"
    with Silent(how) as silent:
        keys = {**way(door, how, silent.port), "timeout": "1s"}
        assert 0.9 < refused(door, keys, remedy) < 20
        active = fresh(door)
        mark = serve(door, ready=False, wipe=True,
                     **{**keys, "uri": keys["uri"] + " " + way(door, how)["uri"]})
        complains(door, mark, remedy)
        wait_for(lambda: verdict(door, active) == "rewrite", 15, "the second server to be read")
        send(door, active)
        began = time.monotonic()
        door.milter.stop()
        assert time.monotonic() - began < 40
