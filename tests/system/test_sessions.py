"""A thousand SMTP sessions at once, while mailboxes are held and freed all the time: whatever was
acknowledged arrives, once, and a session costs the daemon no more memory than documented.

RESTANTE_SESSIONS scales it down while one works on this test."""

import asyncio
import collections
import os
import re
import threading

import pytest

from helpers import settled, to_sink, unhold, wait_verdict
from lab.lab import Lab
from lab.mail import compose
from lab.process import PATIENCE, wait_for
from lab.sink import Sink

SESSIONS = int(os.environ.get("RESTANTE_SESSIONS", "1000"))
MAILBOXES, MESSAGES = 20, 3  # messages of each session
KB_WAITING, KB_SENDING = 8, 48  # of a session; docs/operating.md says so
MANY = """\
default_process_limit = %d
smtpd_timeout = 600s
""" % (SESSIONS + 200)


class Refused(Exception):
    pass


class Client:
    """One session; commands wait for their answers."""

    def __init__(self, port):
        self.port = port
        self.reader = self.writer = None

    async def connect(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        await self.answer(220)
        await self.command("EHLO client.outside.test", 250)
        return self

    async def answer(self, wanted):
        while True:
            line = await asyncio.wait_for(self.reader.readline(), 120 * PATIENCE)
            if line[3:4] != b"-":
                break
        if not line.startswith(b"%d" % wanted):
            raise Refused(line.decode(errors="replace"))

    async def command(self, line, wanted):
        self.writer.write(line.encode() + b"\r\n")
        await self.answer(wanted)

    async def envelope(self, recipient):
        await self.command("MAIL FROM:<a@outside.test>", 250)
        await self.command("RCPT TO:<%s>" % recipient, 250)

    async def content(self, content):
        await self.command("DATA", 354)
        self.writer.write(content + b".\r\n")
        await self.answer(250)

    async def quit(self):
        await self.command("QUIT", 221)
        self.writer.close()


class Holder(threading.Thread):
    """Holds and frees one mailbox after the other."""

    def __init__(self, lab, addresses):
        super().__init__(daemon=True)
        self.lab, self.addresses = lab, addresses
        self.stopping, self.turns = threading.Event(), 0

    def run(self):
        while not self.stopping.is_set():
            address = self.addresses[self.turns % len(self.addresses)]
            self.lab.slapd.replace(self.dn(address), restanteState="holding")
            self.stopping.wait(0.2)
            self.lab.slapd.replace(self.dn(address), restanteState=None)
            self.turns += 1

    def dn(self, address):
        return self.lab.slapd.mailbox_dn(address.split("@")[0])

    def stop(self):
        self.stopping.set()
        self.join()


def resident_kb(pid, field="VmRSS"):
    with open("/proc/%d/status" % pid) as status:
        return int(re.search(r"(?m)^%s:\s*(\d+)" % field, status.read())[1])


async def all_at_once(lab, addresses, sent):
    """What the daemon has grown by, in KB: while every session has named its recipient, and at most
    while all of them send."""
    clients = [Client(lab.postfix.port) for _ in range(SESSIONS)]
    before = resident_kb(lab.milter.pid)
    for at in range(0, SESSIONS, 50):  # the backlog of a listener is no more
        await asyncio.gather(*(client.connect() for client in clients[at:at + 50]))
    target = [addresses[n % len(addresses)] for n in range(SESSIONS)]
    await asyncio.gather(*(c.envelope(a) for c, a in zip(clients, target)))
    assert lab.milter.ask("status")["connections"] == SESSIONS
    assert lab.milter.ask("status")["transactions"] == SESSIONS
    grown = resident_kb(lab.milter.pid) - before

    async def rest(client, address):
        for number in range(MESSAGES):
            if number > 0:
                await client.envelope(address)
            msgid, content = compose(address, size=2000)
            await client.content(content)
            sent[msgid] = address
        await client.quit()
    await asyncio.gather(*(rest(c, a) for c, a in zip(clients, target)))
    return grown, resident_kb(lab.milter.pid, "VmHWM") - before


@pytest.mark.long
def test_a_thousand_sessions():
    with Sink() as sink, Lab(start=()) as lab:
        lab.make(("slapd", "milter", "postfix"))
        lab.postfix.routes["sink.lab"] = sink.port
        lab.postfix.more = MANY
        lab.postfix.configure()
        for server in lab.servers:
            server.start()
        lab.sink = sink
        held = [to_sink(lab, "holding")[0] for _ in range(MAILBOXES // 2)]
        turning = [to_sink(lab)[0] for _ in range(MAILBOXES // 2)]
        sent = {}
        holder = Holder(lab, turning)
        holder.start()
        try:
            waiting, sending = asyncio.run(all_at_once(lab, held + turning, sent))
        finally:
            holder.stop()
        print("%d sessions: %.1f KB each while they wait, %.1f KB at most; %d turns of holding; "
              "%d messages held" % (SESSIONS, waiting / SESSIONS, sending / SESSIONS, holder.turns,
                                    lab.milter.held()))
        assert len(sent) == SESSIONS * MESSAGES and holder.turns > 2
        assert lab.milter.held() >= len(sent) // 2
        assert waiting < KB_WAITING * SESSIONS and sending < KB_SENDING * SESSIONS
        for address in held:
            unhold(lab, address)
            wait_verdict(lab, address, "rewrite")
        settled(lab, 300)
        wait_for(lambda: len(sink.messages) >= len(sent), 60, "every message at the sink")
        found = collections.Counter(
            re.search(rb"(?m)^Message-ID: (\S+)", m.content)[1].decode() for m in sink.messages)
        assert set(found) == set(sent)
        assert [msgid for msgid, copies in found.items() if copies > 1] == []
