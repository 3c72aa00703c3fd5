"""Why a message arrived twice, from the evidence of the Postfix log and of the client.

Three reasons are allowed (DESIGN section 4): the client repeated it after its release; the client
repeated it and it has no Message-ID (no message of the lab is like that); a release whose 2xx was
lost (RFC 1047). Everything else is a fault of ours.
"""

import re

ENTERED = re.compile(r"postfix/((?:restante-\w+/)?smtpd)\[\d+\]: (\w+): client=")
NAMED = re.compile(r"cleanup\[\d+\]: (\w+): message-id=(<\S+>)")
SENT = re.compile(r"/lmtp\[\d+\]: (\w+): to=<([^>]+)>.* status=sent")


def deliveries(log):
    """{Message-ID: [(listener by which the delivered copy entered, physical address)]}"""
    listener, names, found = {}, {}, {}
    for line in log.splitlines():
        match = ENTERED.search(line)
        if match:
            listener[match[2]] = match[1]
            continue
        match = NAMED.search(line)
        if match:
            names[match[1]] = match[2]
            continue
        match = SENT.search(line)
        if match and match[1] in names:
            found.setdefault(names[match[1]], []).append(
                (listener.get(match[1], "?"), match[2]))
    return found


def explain(record, where, delivered, kills):
    """One line, or None where no allowed reason fits. kills: instants of kill -9."""
    ways = [way for way, _ in delivered.get(record.msgid, [])]
    released = sum(1 for way in ways if way.startswith("restante-release"))
    straight = len(ways) - released
    repeated = len(record.attempts) - 1
    if len(ways) != len(where):
        return None
    if repeated and straight <= 1 and released + straight <= repeated + 1:
        return "%s: repeated by its client %d times, held and released before the repeat" % (
            record.msgid, repeated)
    killed_after = [k for k in kills if k > record.attempts[0]]
    if released >= 2 and straight <= min(repeated, 1) and released - 1 <= len(killed_after):
        return "%s: released %d times, a kill came before the 2xx was noted" % (
            record.msgid, released)
    return None
