"""An LMTP or SMTP server inside of the test: it keeps what it gets, and answers as it is told."""

import base64
import socketserver
import ssl
import threading
import time

from .process import wait_for


class Received:
    def __init__(self, sender, mail_params):
        self.sender, self.mail_params = sender, mail_params
        self.recipients = []  # (address, parameters)
        self.content = b""


def path_and_params(argument):
    """"FROM:<a@b> BODY=8BITMIME" -> ("a@b", "BODY=8BITMIME")"""
    path, _, params = argument.partition(":")[2].strip().partition("> ")
    return path.lstrip("<").rstrip(">"), params


class _Session(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True  # replies to pipelined commands must not wait for an ACK

    def setup(self):
        super().setup()
        self.secure, self.user = False, None
        self.server.sink.enter()

    def handle(self):
        try:
            self.converse()
        finally:
            self.leave()
            if self.secure:
                self.request.close()

    def leave(self):
        """Before the last words are said: a client that has heard them may come again at once."""
        if not getattr(self, "left", False):
            self.left = True
            self.server.sink.leave()

    def start_tls(self):
        self.say("220 go ahead")
        self.request = self.server.sink.tls.wrap_socket(self.request, server_side=True)
        self.rfile = self.request.makefile("rb")
        self.wfile = self.request.makefile("wb", buffering=0)
        self.secure = True

    def authenticate(self, argument):
        """PLAIN with an initial response, or LOGIN."""
        sink = self.server.sink
        way, _, first = argument.partition(" ")
        sink.attempts.append((way.upper(), self.secure))
        if way.upper() == "PLAIN":
            user, password = base64.b64decode(first).decode().split("\0")[1:]
        else:
            self.say("334 VXNlcm5hbWU6")
            user = base64.b64decode(self.rfile.readline()).decode()
            self.say("334 UGFzc3dvcmQ6")
            password = base64.b64decode(self.rfile.readline()).decode()
        good = sink.users.get(user) == password
        self.user = user if good else None
        refusal = sink.replies.get("auth", "535 5.7.8 bad credentials").replace("{sent}", first)
        self.say("235 2.7.0 welcome" if good else refusal)

    def features(self):
        sink = self.server.sink
        more = ("STARTTLS",) if sink.tls and not self.secure else ()
        if sink.users and (self.secure or not sink.tls):
            more += ("AUTH " + sink.auth,)
        return ("sink",) + sink.features + more

    def converse(self):
        sink = self.server.sink
        self.say(sink.replies.get("greeting", "220 sink ready"))
        message = None
        while True:
            line = self.rfile.readline()
            if not line:
                return
            verb, _, argument = line.decode("utf-8", "surrogateescape").strip().partition(" ")
            verb = verb.upper()
            if verb in ("EHLO", "LHLO", "HELO") and "hello" in sink.replies:
                self.say(sink.replies["hello"])
            elif verb in ("EHLO", "LHLO", "HELO"):
                features = self.features()
                for word in features[:-1]:
                    self.say("250-" + word)
                self.say("250 " + features[-1])
            elif verb == "STARTTLS" and sink.tls and not self.secure:
                self.start_tls()
                message = None
            elif verb == "AUTH" and sink.users:
                self.authenticate(argument)
            elif verb == "MAIL" and sink.users and self.user is None:
                self.say("530 5.7.0 authentication required")
            elif verb == "MAIL":
                message = Received(*path_and_params(argument))
                answer = sink.reply("mail", message.sender)
                message = message if answer.startswith("2") else None
                self.say(answer)
            elif verb == "RCPT" and message is None:
                self.say("503 5.5.1 no sender")
            elif verb == "RCPT":
                recipient = path_and_params(argument)
                answer = sink.reply("rcpt", recipient[0])
                if answer.startswith("2"):
                    message.recipients.append(recipient)
                self.say(answer)
            elif verb == "DATA" and not (message and message.recipients):
                self.say("554 5.5.1 no valid recipients")
            elif verb == "DATA" and "data" in sink.replies:
                self.say(sink.replies["data"])
            elif verb == "DATA":
                self.say("354 go on")
                if "body" in sink.replies:  # some of it is read
                    self.rfile.readline()
                    self.say(sink.replies["body"])
                message.content = self.body()
                message.secure, message.user, message.at = self.secure, self.user, time.monotonic()
                answers = [sink.reply("dot", r[0]) for r in message.recipients]
                if all(a.startswith("2") for a in answers):
                    sink.messages.append(message)
                for answer in answers if sink.lmtp else answers[:1]:
                    self.say(answer)
            elif verb == "QUIT":
                self.leave()
                self.say("221 bye")
                return
            else:
                self.say("250 ok" if verb in ("RSET", "NOOP") else "502 what")

    def say(self, line):
        if line == "close":
            raise ConnectionAbortedError
        self.wfile.write(line.encode() + b"\r\n")

    def body(self):
        lines = []
        while True:
            line = self.rfile.readline()
            if line == b".\r\n":
                return b"".join(lines)
            if not line:
                raise ConnectionAbortedError  # cut off: not a message
            lines.append(line[1:] if line.startswith(b".") else line)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A connection that broke is what some tests want."""


def server_tls(certificate, key, newest=None):
    """For `tls` of a Sink; newest: of the versions of ssl.TLSVersion."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if newest is not None:
        context.maximum_version = newest
    return context


class Sink:
    """replies: {"mail": "451 later", ("rcpt", "a@b"): "550 no", "dot": "close"}: per step, or per
    step and address; "close" drops the connection. Steps: greeting, hello, mail, rcpt, data, body
    (in the middle of it), dot, auth. `tls` (an SSLContext) makes it offer STARTTLS, `users` makes it
    want AUTH by the mechanisms of `auth`, and after STARTTLS only where there is that. `most` is how
    many connections there were at once."""

    def __init__(self, lmtp=True, features=("PIPELINING", "8BITMIME", "SMTPUTF8", "DSN"), port=0,
                 tls=None, users=None, auth="PLAIN LOGIN"):
        self.lmtp, self.features = lmtp, features
        self.tls, self.users, self.auth = tls, users or {}, auth
        self.replies = {}
        self.messages = []
        self.attempts = []  # of AUTH: (mechanism, by TLS)
        self.open = self.most = 0
        self.counting = threading.Lock()
        self.server = _Server(("127.0.0.1", port), _Session)
        self.server.sink = self
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def enter(self):
        with self.counting:
            self.open += 1
            self.most = max(self.most, self.open)

    def leave(self):
        with self.counting:
            self.open -= 1

    def reply(self, step, address):
        return self.replies.get((step, address), self.replies.get(step, "250 2.0.0 ok"))

    def wait(self, count, timeout=20):
        wait_for(lambda: len(self.messages) >= count, timeout, "%d messages at the sink" % count)
        return self.messages

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        self.close()
