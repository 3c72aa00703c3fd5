"""Straight to a backend by TLS and AUTH, as often and as many at once as restante.conf says."""

import base64
import os
import ssl

import pytest

from helpers import arrived, fresh, hold, send, swap, user_of
from lab.certificates import Certificates
from lab.lab import Lab
from lab.process import run, wait_for
from lab.sink import Sink, server_tls

SYSTEM = "cn=S2,ou=systems,cn=restante,dc=example,dc=org"
PASSWORD = "Gr\u00fc\u00dfe an alle, 4711!"
SASL = """
service auth {
  unix_listener %s {
    mode = 0666
  }
}
"""


@pytest.fixture(scope="module")
def lab():
    with Lab(start=("slapd", "s1", "s2", "milter", "postfix"),
             milter_options={"release_retry_max": "400ms"}) as whole:
        yield whole


@pytest.fixture(scope="module")
def certificates(lab):
    made = Certificates(os.path.join(lab.dir, "straight"))
    for authority in ("ca", "stranger"):
        made.authority(authority)
    made.issue("good", "ca", "CN=s2.lab", "IP:127.0.0.1")
    made.issue("named", "ca", "CN=s2.lab", "DNS:s2.lab")
    made.issue("expired", "ca", "CN=s2.lab", "IP:127.0.0.1", days=-1)
    made.issue("untrusted", "stranger", "CN=s2.lab", "IP:127.0.0.1")
    return made


@pytest.fixture
def backend(lab):
    """configure(port, tls, **keys of system S2 {}); as if nothing had been said afterwards."""
    def say(port=None, tls=None, protocol="smtp", **keys):
        lab.milter.systems = {"S2": keys} if keys else {}
        lab.milter.configure()
        assert lab.milter.ask("reload")["ok"]
        lab.slapd.replace(SYSTEM, restanteReleaseAddress="127.0.0.1:%d" % port if port else None,
                          restanteReleaseProtocol=protocol if port else None,
                          restanteReleaseTLS=tls)
    yield say
    say()


def offer(certificates, name, newest=None):
    return server_tls(certificates.pem(name), certificates.key(name), newest)


def release(lab):
    return lab.milter.ask("status")["release"]


def trouble(lab, port):
    return any(lane["trouble"] for lane in release(lab)["straight"]
               if lane["listener"].endswith(":%d" % port))


def due(lab, count=1, each=1):
    """{address: [Message-IDs]} of mailboxes that were held and now live on S2."""
    made = {}
    for _ in range(count):
        address = fresh(lab)
        hold(lab, address)
        made[address] = [send(lab, address) for _ in range(each)]
    for address in made:
        swap(lab, address)
    return made


def password_file(tmp_path, password=PASSWORD, mode=0o600):
    path = tmp_path / "password"
    path.write_text(password + "\n")
    path.chmod(mode)
    return str(path)


def complaint(lab, port):
    """The last line that says what is wrong with that backend; it may come after its state."""
    return wait_for(lambda: [line for line in lab.milter.log_text().splitlines()
                             if "in trouble" in line and ":%d " % port in line], 10,
                    "a line about the trouble")[-1]


def waits_in_trouble(lab, sink, *words):
    """Nothing was sent, nothing is lost, and the log says what to do."""
    wait_for(lambda: trouble(lab, sink.port), 20, "the trouble to show in status")
    line = complaint(lab, sink.port)
    assert all(word in line for word in words + ("system=S2",)), line
    assert lab.milter.held() == 1 and sink.messages == []


@pytest.mark.parametrize("name, newest, said", [
    ("expired", None, ("certificate has expired", "renew it there")),
    ("named", None, ("IP address mismatch", "say which one to expect")),
    ("untrusted", None, ("unable to get local issuer", "file of trusted ones")),
    ("good", ssl.TLSVersion.TLSv1_2, ("new enough for us",)),
])
def test_a_certificate_that_is_refused(lab, backend, certificates, name, newest, said):
    with Sink(tls=offer(certificates, name, newest)) as sink:
        backend(sink.port, "verify", "lmtp", ca_file=certificates.pem("ca"),
                tls_minimum="1.3" if newest else "1.2")
        due(lab)
        waits_in_trouble(lab, sink, 'stage="STARTTLS"', *said)
        sink.tls = offer(certificates, "good")
        sink.wait(1)
        assert sink.messages[0].secure
        wait_for(lambda: lab.milter.held() == 0 and not trouble(lab, sink.port), 10, "the end")


def test_the_name_that_is_expected(lab, backend, certificates):
    with Sink(tls=offer(certificates, "named")) as sink:
        backend(sink.port, "verify", ca_file=certificates.pem("ca"), certificate_name="s2.lab")
        due(lab)
        sink.wait(1)
        assert sink.messages[0].secure
        wait_for(lambda: lab.milter.held() == 0, 10, "nothing to be held")


@pytest.mark.parametrize("mechanisms", ["PLAIN LOGIN", "LOGIN"])
def test_a_password_by_tls(lab, backend, certificates, tmp_path, mechanisms):
    with Sink(lmtp=False, tls=offer(certificates, "good"), users={"front": PASSWORD},
              auth=mechanisms) as sink:
        backend(sink.port, "verify", ca_file=certificates.pem("ca"), auth_user="front",
                password_file=password_file(tmp_path))
        due(lab, each=3)
        sink.wait(3)
        assert {(m.secure, m.user) for m in sink.messages} == {(True, "front")}
        assert set(sink.attempts) == {(mechanisms.split()[0], True)}
        wait_for(lambda: lab.milter.held() == 0, 10, "nothing to be held")
    no_secret_in(lab)


def no_secret_in(lab):
    text = lab.milter.log_text()
    secret = PASSWORD.encode()
    assert PASSWORD not in text
    for encoded in (secret, b"\0front\0" + secret):
        assert base64.b64encode(encoded).decode()[:20] not in text


def test_a_password_that_is_refused(lab, backend, certificates, tmp_path):
    """It is trouble, and what the server repeats of it is not shown."""
    with Sink(lmtp=False, tls=offer(certificates, "good"), users={"front": "another"}) as sink:
        sink.replies["auth"] = "535 5.7.8 I do not know {sent}"
        backend(sink.port, "encrypt", auth_user="front", password_file=password_file(tmp_path))
        due(lab)
        waits_in_trouble(lab, sink, 'stage="AUTH"', "535 5.7.8 (it repeats the password)")
        sink.users["front"] = PASSWORD
        sink.wait(1)
        wait_for(lambda: lab.milter.held() == 0, 10, "nothing to be held")
    no_secret_in(lab)


@pytest.mark.parametrize("mode, content", [(0o644, PASSWORD), (0o660, PASSWORD), (0o600, "")])
def test_a_password_file_that_is_refused(lab, backend, certificates, tmp_path, mode, content):
    path = password_file(tmp_path, content, mode)
    with Sink(lmtp=False, tls=offer(certificates, "good"), users={"front": PASSWORD}) as sink:
        backend(sink.port, "encrypt", auth_user="front", password_file=path)
        checked = run([lab.milter.binary, "-c", lab.milter.conf, "--check"], check=False)
        assert checked.returncode == 78 and path.encode() in checked.stderr
        due(lab)
        waits_in_trouble(lab, sink, 'stage="AUTH"', "password_file " + path)
        assert sink.attempts == []
        password_file(tmp_path)  # read anew for each connection
        sink.wait(1)
        wait_for(lambda: lab.milter.held() == 0, 10, "nothing to be held")


def test_no_password_in_clear(lab, backend, tmp_path):
    with Sink(lmtp=False, users={"front": PASSWORD}) as sink:
        keys = {"auth_user": "front", "password_file": password_file(tmp_path)}
        backend(sink.port, "may", **keys)
        due(lab)
        waits_in_trouble(lab, sink, 'stage="AUTH"', "has no TLS", "auth_in_clear")
        assert sink.attempts == []
        backend(sink.port, "may", auth_in_clear=True, **keys)
        sink.wait(1)
        assert sink.attempts == [("PLAIN", False)]
        wait_for(lambda: lab.milter.held() == 0, 10, "nothing to be held")


def test_a_real_server_that_wants_a_password(lab, backend, certificates, tmp_path):
    """Postfix as the backend's own MTA, with Dovecot's passwords: first a wrong one."""
    dovecot, postfix = lab.backends["S2"], lab.postfix
    with open(dovecot.conf, "a") as conf:
        conf.write(SASL % os.path.join(postfix.queue, "private/sasl"))
    dovecot.restart()
    port = postfix.add_front(
        "smtpd_milters=", "smtpd_tls_security_level=encrypt", "smtpd_tls_auth_only=yes",
        "smtpd_tls_cert_file=" + certificates.pem("good"),
        "smtpd_tls_key_file=" + certificates.key("good"), "smtpd_sasl_auth_enable=yes",
        "smtpd_sasl_type=dovecot", "smtpd_sasl_path=private/sasl",
        "smtpd_relay_restrictions=permit_sasl_authenticated,reject", "mynetworks=192.0.2.0/24",
        "syslog_name=postfix/submission")
    postfix.restart()
    keys = {"ca_file": certificates.pem("ca"), "auth_user": "front"}
    backend(port, "verify", password_file=password_file(tmp_path, "wrong"), **keys)
    (address, sent), = due(lab).items()
    wait_for(lambda: trouble(lab, port), 20, "the trouble to show in status")
    assert "535 5.7.8" in complaint(lab, port)
    password_file(tmp_path, dovecot.password)
    assert arrived(lab, "S2", user_of(address)) == sent
    assert postfix.log_lines("postfix/submission/smtpd.*sasl_username=front")
    wait_for(lambda: lab.milter.held() == 0, 10, "nothing to be held")


def test_no_more_connections_than_that(lab, backend):
    with Sink() as sink:
        backend(sink.port, "none", "lmtp", connections=2)
        sent = due(lab, count=10, each=4)
        sink.wait(sum(map(len, sent.values())))
        assert 1 <= sink.most <= 2
        wait_for(lambda: lab.milter.held() == 0, 10, "nothing to be held")


def test_no_more_messages_than_that_after_a_reload(lab, backend):
    """The sink counts; however slow this machine is, they are never more."""
    with Sink() as sink:
        backend(sink.port, "none", "lmtp", rate=1000)
        lab.milter.systems = {"S2": {"rate": 5}}
        lab.milter.configure()
        before = lab.milter.log_text().count("milter: reloaded")
        lab.milter.reload()
        wait_for(lambda: lab.milter.log_text().count("milter: reloaded") > before, 10, "SIGHUP")
        address = fresh(lab)
        hold(lab, address)
        for _ in range(8):
            send(lab, address)
        swap(lab, address)
        sink.wait(8)
        times = [message.at for message in sink.messages]
        assert times[-1] - times[0] >= 6 / 5
        wait_for(lambda: lab.milter.held() == 0, 10, "nothing to be held")


def test_a_section_with_a_mistake_is_not_taken(lab, backend):
    backend()
    lab.milter.systems = {"S2": {"connexions": 2}}
    lab.milter.configure()
    refused = lab.milter.ask("reload")
    assert not refused["ok"] and "system.connexions: there is no such key" in refused["error"]
    assert "restante.conf:" in refused["error"]
