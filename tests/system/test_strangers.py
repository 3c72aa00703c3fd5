"""Whoever connects to the milter's socket and speaks the protocol badly, or not at all: that
connection ends, and nobody else notices."""

import contextlib
import os
import socket
import struct

import pytest

from helpers import arrived, fresh, send, settled, unhold, user_of
from lab.lab import Lab
from lab.process import wait_for
from mta import CHUNK, Mta


@pytest.fixture(scope="module", name="lab")
def _lab():
    with Lab() as whole:
        yield whole


def works(lab, address):
    """Another client's mail is held as ever."""
    before = lab.milter.held()
    send(lab, address)
    assert lab.milter.held() == before + 1 and lab.milter.running()


NONSENSE = {
    "nothing": b"",
    "half a length": b"\0\0",
    "a length of zero": b"\0\0\0\0",
    "a length of four gigabytes": b"\xff\xff\xff\xffM",
    "a length and no more": b"\0\0\1\0M",
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "SMTP": b"EHLO somebody\r\n",
    "an unknown command": b"\0\0\0\1!",
    "no version": b"\0\0\0\1O",
    "a version of long ago": struct.pack(">I", 13) + b"O" + struct.pack(">III", 1, 0, 0),
    "nothing but NULs": b"\0" * 100000,
    "random bytes": os.urandom(4096),
}


@pytest.mark.parametrize("kind", sorted(NONSENSE))
def test_nonsense_at_the_socket(lab, kind):
    address = fresh(lab, "holding")
    mta = Mta(lab)
    with contextlib.suppress(OSError):  # it may be closed before all is said
        mta.socket.sendall(NONSENSE[kind])
        mta.socket.shutdown(socket.SHUT_WR)
    while mta.receive():
        pass
    mta.close()
    works(lab, address)
    unhold(lab, address)
    settled(lab)


OUT_OF_ORDER = {
    "a recipient before the sender": lambda m: m.send(b"R", b"<a@example.org>\0"),
    "the end before everything": lambda m: m.send(b"E"),
    "a body before the sender": lambda m: m.send(b"B", b"x" * CHUNK),
    "a header before the sender": lambda m: m.send(b"L", b"X\0y\0"),
    "a sender that does not end": lambda m: m.send(b"M", b"<s@outside.test>"),
    "a recipient without anything": lambda m: (m.send(b"M", b"<s@x>\0"), m.send(b"R")),
    "a header without a value": lambda m: (m.envelope("<nobody@else.test>"), m.send(b"L", b"X\0")),
    "two senders": lambda m: (m.send(b"M", b"<s@x>\0"), m.send(b"M", b"<t@x>\0")),
    "negotiated again": lambda m: m.send(b"O", struct.pack(">III", 6, 0, 0)),
    "a macro of nothing": lambda m: m.send(b"D"),
    "a macro that does not end": lambda m: m.send(b"D", b"Mi\0x"),
}


@pytest.mark.parametrize("kind", sorted(OUT_OF_ORDER))
def test_out_of_order(lab, kind):
    address = fresh(lab, "holding")
    mta = Mta(lab).negotiate()
    with contextlib.suppress(ConnectionError):
        OUT_OF_ORDER[kind](mta)
        mta.send(b"Q")
    while mta.receive():
        pass
    mta.close()
    works(lab, address)
    unhold(lab, address)
    settled(lab)


def stored(lab, address):
    """What `restante queue cat` shows of the only message held for it."""
    message, = lab.milter.cli_json("queue", "list", address)
    return lab.milter.cli("queue", "cat", str(message["id"])).stdout


VALUES = {
    "64 KB but its name": b" " + b"x" * 65000,
    "bare CR": b" a\rb\r",
    "bare LF": b" a\nb",
    "folded by CR LF": b" a\r\n\tb",
    "all bytes": b" " + bytes(range(1, 256)),
    "nothing": b"",
}


@pytest.mark.parametrize("kind", sorted(VALUES))
def test_a_header_as_an_mta_may_hand_it_over(lab, kind):
    """It is stored line for line; a bare CR or LF begins no header and ends none."""
    address = fresh(lab, "holding")
    mta = Mta(lab).negotiate().envelope("<%s>" % address)
    mta.header(b"X-First", VALUES[kind])
    mta.header(b"X-Last", b" last")
    assert mta.finish() in (b"a", b"c")
    mta.close()
    found = stored(lab, address)
    assert found.startswith(b"X-First:") and found.endswith(b"X-Last: last\r\n\r\nbody\r\n"), found
    assert b"\r\n\r\n" not in found[:-len(b"\r\n\r\nbody\r\n")]
    unhold(lab, address)
    settled(lab)
    assert len(arrived(lab, "S1", user_of(address))) == 1


@pytest.mark.parametrize("size", [CHUNK + 1, 2 << 20], ids=["64 KB", "2 MB"])
def test_a_header_larger_than_the_protocol_has(lab, size):
    """Such a packet ends the connection, and nothing of it is stored."""
    address = fresh(lab, "holding")
    mta = Mta(lab).negotiate().envelope("<%s>" % address)
    try:
        mta.header(b"X-Big", b" " + b"x" * size)
        assert mta.finish() is None
    except ConnectionError:
        pass
    mta.close()
    wait_for(lambda: lab.milter.ask("status")["transactions"] == 0, 15, "its end")
    assert lab.milter.held() == 0
    works(lab, address)
    unhold(lab, address)
    settled(lab)


def test_headers_of_two_megabytes(lab):
    """In headers of any number and size, for as long as they come one by one."""
    address = fresh(lab, "holding")
    mta = Mta(lab).negotiate().envelope("<%s>" % address)
    for number in range(34):
        mta.header(b"X-%05d" % number, b" " + b"x" * 65000)
    assert mta.finish() in (b"a", b"c")
    mta.close()
    found = stored(lab, address)
    assert len(found) > 2 << 20 and found.count(b"\r\nX-") == 33
    unhold(lab, address)
    settled(lab)


def test_gone_at_each_step(lab):
    """Hundreds of connections that end anywhere leave nothing behind."""
    address = fresh(lab, "holding")
    before = lab.milter.ask("status")["connections"]
    for number in range(200):
        mta = Mta(lab)
        for count, act in enumerate((
                mta.negotiate, lambda m=mta: m.envelope("<%s>" % address),
                lambda m=mta: m.header(b"X", b" y"), lambda m=mta: m.send(b"N"),
                lambda m=mta: m.send(b"B", b"x" * CHUNK))):
            if count >= number % 6:
                break
            act()
        mta.close()
    wait_for(lambda: lab.milter.ask("status")["connections"] <= before and
             lab.milter.ask("status")["transactions"] == 0, 20, "their end")
    assert lab.milter.held() == 0
    works(lab, address)
    unhold(lab, address)
    settled(lab)
