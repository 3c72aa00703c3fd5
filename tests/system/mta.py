"""The MTA's end of the milter protocol."""

import socket
import struct

CHUNK = 65535  # of a body, in the milter protocol
# SMFIP_*: events that are not wanted, and those that are not answered
NOCONNECT, NOMAIL, NORCPT, NOBODY, NOHDRS, NOEOH, NODATA = 0x1, 0x4, 0x8, 0x10, 0x20, 0x40, 0x200
NR_HDR, NR_CONN, NR_MAIL, NR_RCPT = 0x80, 0x1000, 0x4000, 0x8000
NR_DATA, NR_EOH, NR_BODY = 0x10000, 0x40000, 0x80000


class Mta:
    """Version 6, as far as a test wants to speak it."""

    ACTIONS, STEPS = 0x1ff, 0x1fffff

    def __init__(self, lab):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(30)
        self.socket.connect(lab.milter.socket)
        self.steps = 0

    def packet(self, command, data=b""):
        return struct.pack(">I", len(data) + 1) + command + data

    def send(self, command, data=b""):
        self.socket.sendall(self.packet(command, data))

    def receive(self):
        """(command, data), None at the end of the connection."""
        head = self._exactly(4)
        if head is None:
            return None
        body = self._exactly(struct.unpack(">I", head)[0])
        return body and (body[:1], body[1:])

    def _exactly(self, size):
        data = b""
        while len(data) < size:
            try:
                more = self.socket.recv(size - len(data))
            except ConnectionError:
                return None
            if not more:
                return None
            data += more
        return data

    def ask(self, command, data=b""):
        self.send(command, data)
        return self.receive()

    def negotiate(self):
        answer = self.ask(b"O", struct.pack(">III", 6, self.ACTIONS, self.STEPS))
        if answer is None:
            raise ConnectionResetError
        assert answer[0] == b"O"
        self.steps = struct.unpack(">III", answer[1][:12])[2]
        self.tell(b"C", b"client.outside.test\0" + b"4" + struct.pack(">H", 25) + b"127.0.0.1\0",
                  NOCONNECT, NR_CONN)
        return self

    def tell(self, command, data, left_out, unanswered):
        """An event, unless it was not asked for; its answer, unless there is none."""
        if self.steps & left_out:
            return
        self.send(command, data)
        if not self.steps & unanswered:
            answer = self.receive()
            if answer is None:
                raise ConnectionResetError
            assert answer[0] == b"c"

    def envelope(self, recipient):
        self.tell(b"M", b"<s@outside.test>\0", NOMAIL, NR_MAIL)
        self.tell(b"R", recipient.encode() + b"\0", NORCPT, NR_RCPT)
        return self

    def header(self, name, value):
        self.tell(b"L", name + b"\0" + value + b"\0", NOHDRS, NR_HDR)

    def finish(self, body=b"body\r\n"):
        """The letter of the final answer, what comes before it left out."""
        self.tell(b"T", b"", NODATA, NR_DATA)
        self.tell(b"N", b"", NOEOH, NR_EOH)
        for at in range(0, len(body), CHUNK):
            self.tell(b"B", body[at:at + CHUNK], NOBODY, NR_BODY)
        self.send(b"E")
        while (answer := self.receive()) and answer[0] not in b"acdrty":
            pass  # changes of the envelope, and "go on waiting"
        return answer and answer[0]

    def close(self):
        self.socket.close()
