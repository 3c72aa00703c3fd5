"""Why a message arrived twice, from the evidence of the logs and of the client.

Two reasons are allowed for the messages of the lab, which all have a Message-ID (DESIGN section 4):
its client repeated it after it had been released, or the 2xx of its release was lost (RFC 1047).
Everything else is a fault of ours.
"""

import calendar
import re
import time

STAMP = re.compile(r"^(\w{3} [ \d]\d \d\d:\d\d:\d\d) ")
ENTERED = re.compile(r"postfix/((?:restante-\w+/)?smtpd)\[\d+\]: (\w+): client=")
NAMED = re.compile(r"cleanup\[\d+\]: (\w+): message-id=(<\S+>)")
NOTED = re.compile(
    r"^(\S+)\.(\d+)Z \S+ info: release: delivered .* reply=\"250 [^\"]*?"
    r"(?:queued as |2\.0\.0 )(\w+)(?: Message accepted for delivery)?\"")
SENT = re.compile(r"/lmtp\[\d+\]: (\w+): to=<[^>]+>.* status=sent")
# Sendmail's log has both in one line, once the message was taken
TAKEN = re.compile(r"\]: (\w+): from=<.*, msgid=(<\S+>),.* daemon=([\w-]+),")
SENT_ON = re.compile(r"\]: (\w+): to=<[^>]+>.* mailer=to-\d+,.* stat=Sent")


class Passage:
    """A message on its way through the MTA once, as the log shows it."""

    def __init__(self, queue_id, listener, when):
        self.queue_id, self.listener, self.when = queue_id, listener, when
        self.delivered = False

    @property
    def released(self):
        return self.listener.startswith("restante-release")


def log_time(line):
    """Seconds since 1970; the log has no year and no fractions."""
    text = "%d %s" % (time.localtime().tm_year, STAMP.match(line)[1])
    return time.mktime(time.strptime(text, "%Y %b %d %H:%M:%S"))


def passages(log):
    """{Message-ID: [Passage]} in the order in which their headers were read. A held message is a
    passage by the front door that is never delivered."""
    listener, open_passages, found = {}, {}, {}
    for line in log.splitlines():
        match = ENTERED.search(line)
        if match:
            listener[match[2]] = match[1]
            continue
        match = NAMED.search(line)
        if match:
            passage = Passage(match[1], listener.get(match[1], "?"), log_time(line))
            open_passages[match[1]] = passage
            found.setdefault(match[2], []).append(passage)
            continue
        match = TAKEN.search(line)
        if match:
            passage = Passage(match[1], match[3], log_time(line))
            open_passages[match[1]] = passage
            found.setdefault(match[2], []).append(passage)
            continue
        match = SENT.search(line) or SENT_ON.search(line)
        if match and match[1] in open_passages:
            open_passages[match[1]].delivered = True
    return found


def notes(log):
    """{queue id of the MTA: seconds since 1970} of the 2xx answers that the milter's release saw."""
    found = {}
    for line in log.splitlines():
        match = NOTED.search(line)
        if match:
            stamp = calendar.timegm(time.strptime(match[1], "%Y-%m-%dT%H:%M:%S"))
            found[match[3]] = stamp + float("0." + match[2])
    return found


# The removal is synced right after the 2xx was seen and logged.
SYNC = 1.0


def lost_reply(earlier, later, kills, noted):
    """Why the release did not know that this passage was done; None where it must have known."""
    between = [k for k in kills if earlier.when - 1 <= k <= later.when + 1]
    if not between:
        return None
    if earlier.queue_id not in noted:
        return "released again, for a kill came before the 2xx of %s was seen" % earlier.queue_id
    after = [k - noted[earlier.queue_id] for k in between if k >= noted[earlier.queue_id]]
    if after and min(after) <= SYNC:
        return "released again, for a kill came %.3f s after the 2xx of %s, before its removal" % (
            min(after), earlier.queue_id)
    return None


def explain(record, copies, through, kills, noted):
    """One line per duplicate, or None where no allowed reason fits. through: the passages of this
    message; kills: instants of kill -9, as time.time(); noted: notes() of the milter's log."""
    delivered = [p for p in through if p.delivered]
    if len(delivered) != copies or not delivered[0].released:
        return None
    reasons = []
    for earlier, later in zip(delivered, delivered[1:]):
        between = through[through.index(earlier) + 1:through.index(later) + 1]
        if any(not p.released for p in between) and len(record.attempts) > 1:
            reasons.append("repeated by its client after its release")
            continue
        reason = lost_reply(earlier, later, kills, noted) if later.released else None
        if reason is None:
            return None
        reasons.append(reason)
    return "%s: %s" % (record.msgid, "; ".join(reasons))
