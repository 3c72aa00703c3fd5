"""What the commands of actions beside this file share (restante-actions(5)): a JSON document on
standard input, `check` or `do` as the last argument, results as JSON on standard output, and an exit
status: 0 done, 1 refused (of a check: it does not hold), 75 to be tried again."""

import json
import socket
import sys

DONE, REFUSED, BROKEN, AGAIN = 0, 1, 70, 75
SECONDS = 30


class Refused(Exception):
    """An administrator must act; of a check: it does not hold."""


class Again(Exception):
    """A later try may succeed."""


def password_of(path):
    with open(path) as lines:
        return lines.readline().rstrip("\r\n")


def place(text, port):
    """(host, port) of HOST, HOST:PORT or [ADDRESS]:PORT."""
    host, colon, number = text.rpartition(":")
    if not colon or not number.isdigit() or host.count(":") and not host.startswith("["):
        host, number = text, port
    return host.strip("[]"), int(number)


def context_of(options):
    import ssl  # takes a while to load

    return ssl.create_default_context(cafile=options.ca_file)


def server_options(parser, master="the account that may act for others"):
    parser.add_argument("--user", help="whose mailbox; default: local part of the physical address")
    parser.add_argument("--master", required=True, help=master)
    parser.add_argument("--password-file", required=True, help="its password is the first line")
    parser.add_argument("--tls", choices=("starttls", "none"), default="starttls")
    parser.add_argument("--ca-file", help="certificates to be trusted; default: the system's")


def user_of(options, subject):
    user = options.user or subject["physical"].rpartition("@")[0]
    if not user:
        raise Refused("the move knows no physical address of the mailbox, and --user is not given")
    return user


def run(parser, actions):
    """actions: {name: function(options, subject, verb)}; what it returns is printed."""
    parser.add_argument("verb", choices=("check", "do"))
    options = parser.parse_args()
    name = parser.prog
    try:
        subject = json.load(sys.stdin)
        if subject.get("v") != 1:
            raise Refused("a document of version %s is not understood" % subject.get("v"))
        action = actions.get(subject["action"])
        if action is None:
            raise Refused("this program does not do %s" % subject["action"])
        told = action(options, subject, options.verb)
        if told:
            print(json.dumps(told))
        return DONE
    except Refused as error:
        print(line(error), file=sys.stderr)
        return REFUSED
    except (Again, OSError, EOFError) as error:
        # connections that are refused or lost, time-outs, TLS
        print("%s: %s" % (name, line(error)), file=sys.stderr)
        return AGAIN
    except Exception as error:
        # never 1: of a check that would be an answer
        print("%s: %s: %s" % (name, type(error).__name__, line(error)), file=sys.stderr)
        return BROKEN


def line(error):
    return " ".join(str(error).split()) or type(error).__name__


def connect(options, server, port):
    return socket.create_connection(place(server, port), timeout=SECONDS)
