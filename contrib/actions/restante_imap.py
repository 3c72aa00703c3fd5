"""IMAP as the commands of actions beside this file need it."""

import imaplib
import re

import restante_action as action


def login(options, user):
    """Logs in as the master user for `user` (SASL PLAIN, RFC 4616); "": as the master user itself."""
    host, port = action.place(options.server, 143)
    try:
        imap = imaplib.IMAP4(host, port, timeout=action.SECONDS)
        if options.tls == "starttls":
            imap.starttls(action.context_of(options))
        password = action.password_of(options.password_file)
        imap.authenticate("PLAIN", lambda _: ("%s\0%s\0%s" % (
            user, options.master, password)).encode())
    except imaplib.IMAP4.abort as error:
        raise action.Again(error)
    except imaplib.IMAP4.error as error:
        text = str(error)
        if "UNAVAILABLE" in text.upper():
            raise action.Again(text)
        raise action.Refused("no login of %s for %s: %s" % (options.master, user, text))
    return imap


def ask(imap, method, *arguments):
    """The lines of the answer; what the server refuses is refused."""
    try:
        kind, data = getattr(imap, method)(*arguments)
    except imaplib.IMAP4.abort as error:
        raise action.Again(error)
    except imaplib.IMAP4.error as error:
        raise action.Refused("%s: %s" % (method.upper(), error))
    if kind != "OK":
        text = b" ".join(line for line in data if isinstance(line, bytes)).decode(errors="replace")
        if "UNAVAILABLE" in text.upper() or "INUSE" in text.upper():
            raise action.Again("%s: %s" % (method.upper(), text))
        raise action.Refused("%s: %s" % (method.upper(), text))
    return data


def quoted(name):
    return '"%s"' % name.replace("\\", "\\\\").replace('"', '\\"')


def folders(imap, pattern='*'):
    """Names as the server has them, of those that can be opened."""
    names = []
    for line in ask(imap, "list", '""', quoted(pattern)):
        literal = isinstance(line, tuple)
        head = line[0] if literal else line
        if head is None or not head.strip():
            continue
        found = re.match(rb'\(([^)]*)\) (?:"(?:[^"\\]|\\.)*"|NIL) (.*)$', head, re.S)
        if not found:
            raise action.Refused("LIST: not understood: %r" % head)
        if re.search(rb"(?i)\\noselect|\\nonexistent", found[1]):
            continue
        name = line[1] if literal else found[2]
        if not literal and name.startswith(b'"'):
            name = re.sub(rb"\\(.)", rb"\1", name[1:-1])
        names.append(name.decode())
    return names


def messages(imap, folder):
    data = ask(imap, "status", quoted(folder), "(MESSAGES)")
    found = re.search(rb"MESSAGES (\d+)", b" ".join(
        part for line in data for part in (line if isinstance(line, tuple) else (line,))))
    if not found:
        raise action.Refused("STATUS: not understood: %r" % data)
    return int(found[1])
