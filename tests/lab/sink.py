"""An LMTP or SMTP server inside of the test: it keeps what it gets, and answers as it is told."""

import socketserver
import threading

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

    def handle(self):
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
                for word in ("sink",) + sink.features[:-1]:
                    self.say("250-" + word)
                self.say("250 " + sink.features[-1])
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
                answers = [sink.reply("dot", r[0]) for r in message.recipients]
                if all(a.startswith("2") for a in answers):
                    sink.messages.append(message)
                for answer in answers if sink.lmtp else answers[:1]:
                    self.say(answer)
            elif verb == "QUIT":
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


class Sink:
    """replies: {"mail": "451 later", ("rcpt", "a@b"): "550 no", "dot": "close"}: per step, or per
    step and address; "close" drops the connection. Steps: greeting, hello, mail, rcpt, data, body
    (in the middle of it), dot."""

    def __init__(self, lmtp=True, features=("PIPELINING", "8BITMIME", "SMTPUTF8", "DSN"), port=0):
        self.lmtp, self.features = lmtp, features
        self.replies = {}
        self.messages = []
        self.server = _Server(("127.0.0.1", port), _Session)
        self.server.sink = self
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

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
