"""A delivery status notice as a program reads it. Reading checks that it is one, field by field:
RFC 3461 section 6, RFC 3464, RFC 6522, and RFC 6533 where it is internationalized."""

import email
import email.policy
import email.utils
import quopri
import re

# RFC 3464 sections 2.2 and 2.3: the fields, in the order of its grammar; then extensions
ABOUT_MESSAGE = ("original-envelope-id", "reporting-mta", "dsn-gateway", "received-from-mta",
                 "arrival-date")
ABOUT_RECIPIENT = ("original-recipient", "final-recipient", "action", "status", "remote-mta",
                   "diagnostic-code", "last-attempt-date", "final-log-id", "will-retry-until")
DATES = ("arrival-date", "last-attempt-date", "will-retry-until")
TYPED = ("reporting-mta", "received-from-mta", "original-recipient", "final-recipient",
         "remote-mta", "diagnostic-code")
# RFC 6522 section 3, RFC 6533 section 4.4
STATUS_TYPES = ("message/delivery-status", "message/global-delivery-status")
RETURNED_TYPES = ("message/rfc822", "text/rfc822-headers", "message/global",
                  "message/global-headers")


class Part:
    """Of a multipart: its type, its parameters, how it was encoded, and its content decoded."""

    def __init__(self, raw):
        head, _, self.raw = raw.partition(b"\r\n\r\n")
        header = email.message_from_bytes(head + b"\r\n\r\n", policy=email.policy.SMTPUTF8)
        self.type = header.get_content_type()
        self.charset = header.get_param("charset")
        self.encoding = header.get("Content-Transfer-Encoding", "7bit")
        assert self.encoding in ("7bit", "8bit", "quoted-printable")
        self.content = self.raw
        if self.encoding == "quoted-printable":
            # RFC 2046 section 5.2.1: never inside of these two; RFC 3464 section 2.1: 7bit
            assert self.type not in ("message/rfc822", "message/delivery-status")
            assert self.raw.isascii() and max(map(len, self.raw.split(b"\r\n"))) <= 76
            self.content = quopri.decodestring(self.raw)
        assert self.encoding == "8bit" or self.raw.isascii(), "8-bit that is not announced"


def fields_of(block, order):
    """{name in small letters: value} of a block of fields, which come in that order, each once."""
    text = re.sub(r"\r\n[ \t]+", " ", block)
    found = {}
    last = -1
    for line in filter(None, text.split("\r\n")):
        name, colon, value = line.partition(":")
        name = name.lower()
        assert colon and name not in found, line
        found[name] = value.strip()
        if name in order:
            assert last <= order.index(name), "%s is out of order" % name
            last = order.index(name)
        else:
            assert name.startswith("x-"), line
            last = len(order)
    for name in set(found) & set(DATES):
        assert email.utils.parsedate_to_datetime(found[name]).tzinfo  # section 2.2.5
        assert re.search(r"[+-]\d{4}$", found[name])
    for name in set(found) & set(TYPED):
        assert re.match(r"[A-Za-z0-9-]+; \S", found[name]), found[name]  # section 2.1.2
    return found


class Report:
    """received: what a sink got. text (for people), message and recipients (fields), returned (a
    Part), header (of the notice itself)."""

    def __init__(self, received):
        self.received = received
        content = received.content
        self.header = email.message_from_bytes(content, policy=email.policy.SMTPUTF8)
        self._check_envelope()
        self._check_header()
        self._check_lines(content)
        boundary = b"--" + self.header.get_boundary().encode()
        pieces = (b"\r\n" + content.partition(b"\r\n\r\n")[2]).split(b"\r\n" + boundary)
        assert len(pieces) == 5 and pieces[4] == b"--\r\n", "three parts, and the end"
        text, status, self.returned = [Part(piece[2:]) for piece in pieces[1:4]]
        assert text.type == "text/plain" and status.type in STATUS_TYPES
        assert self.returned.type in RETURNED_TYPES
        self.text = text.content.decode(text.charset)
        self.status = status
        self._read_status(status.content.decode("utf-8"))

    def _check_envelope(self):
        """RFC 3461 section 6.1."""
        assert self.received.sender == ""
        assert "RET=" not in self.received.mail_params
        (self.to, params), = self.received.recipients
        assert "NOTIFY" not in params or "NOTIFY=NEVER" in params.split()

    def _check_header(self):
        header = self.header
        assert not header.defects
        for name in ("From", "To", "Date", "Subject", "Message-ID", "Auto-Submitted",
                     "MIME-Version"):
            assert len(header.get_all(name)) == 1, name
        to = ("\r\nTo: <%s>\r\n" % self.to).encode()
        assert self.received.content.count(to) == 1  # RFC 3464 section 2
        assert header["From"].addresses[0].username in ("MAILER-DAEMON", "postmaster")
        assert header["Auto-Submitted"] == "auto-replied"  # RFC 3834 section 5
        assert header["MIME-Version"] == "1.0"
        assert header["Date"].datetime.tzinfo
        assert header.get_content_type() == "multipart/report"  # RFC 3464 section 2 (a)
        assert header.get_param("report-type") == "delivery-status"

    @staticmethod
    def _check_lines(content):
        """RFC 5322 section 2.1.1, RFC 5321 section 4.5.3.1.6."""
        lines = content.split(b"\r\n")
        assert not any(b"\r" in line or b"\n" in line for line in lines)
        assert max(map(len, lines)) <= 998

    def _read_status(self, text):
        """RFC 3464 section 2.1: a block about the message, one for each recipient."""
        blocks = [block for block in text.split("\r\n\r\n") if block.strip()]
        self.message = fields_of(blocks[0], ABOUT_MESSAGE)
        self.recipients = [fields_of(block, ABOUT_RECIPIENT) for block in blocks[1:]]
        assert self.recipients
        assert re.match(r"(dns|x-local-hostname); \S+$", self.message["reporting-mta"])
        for recipient in self.recipients:
            self._check_recipient(recipient)

    def _check_recipient(self, recipient):
        for name in ("final-recipient", "action", "status"):
            assert name in recipient, name
        assert recipient["action"] in ("failed", "delayed", "delivered", "relayed", "expanded")
        assert re.match(r"[245]\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$", recipient["status"])
        first = {"failed": "45", "delayed": "4"}.get(recipient["action"], "2")
        assert recipient["status"][0] in first  # section 2.3.3
        for name in ("original-recipient", "final-recipient"):
            kind, _, address = recipient.get(name, "rfc822; x").partition("; ")
            if kind == "rfc822":
                assert address.isascii()
            elif kind == "utf-8" and self.status.type == "message/delivery-status":
                assert address.isascii()  # RFC 6533 section 3 (3)
        if recipient.get("diagnostic-code", "").startswith("smtp;"):
            assert re.match(r"smtp; [2-5]\d\d[ -]", recipient["diagnostic-code"])  # RFC 3461 9.2

    def final(self):
        """The addresses it speaks of, sorted."""
        return sorted(r["final-recipient"].partition("; ")[2] for r in self.recipients)

    def one(self, name):
        """A field that is the same for all its recipients; None where they have none."""
        values = {r.get(name) for r in self.recipients}
        assert len(values) == 1, values
        return values.pop()


def is_report(received):
    return received.sender == "" and b"report-type=delivery-status" in received.content
