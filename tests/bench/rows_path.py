"""The mail path: CPU per message of MTA, milter and directory server together."""

import figures
from load import send
from rounds import alternate, column, progress, ratios
from tree import DOMAIN

PLACES = ("mta", "milter", "slapd")


def _cpu(samples):
    parts = " + ".join(f"{figures.statistics.median(column(samples, place)):.2f}"
                       for place in PLACES[:2])
    slapd = figures.statistics.median(column(samples, "slapd"))
    return parts + (f" + {slapd:.2f}" if slapd >= 0.01 else "") + " ms"


def _row(name, what, samples, ours, peer, goal, key="all"):
    values = ratios(column(samples[ours], key), column(samples[peer], key))
    return figures.Row(name, what, values, goal=goal, ours=_cpu(samples[ours]),
                       peer=_cpu(samples[peer]), digits=3)


def _measure(bed, fronts, options, recipients):
    count = options.messages or (2000 if recipients == 1 else 250)
    if options.quick:
        count //= 5
    to = {front: "u@" + DOMAIN for front in fronts}
    to.update(plain="u@s1.lab", null="u@s1.lab")  # as it leaves the others
    return alternate({front: lambda one=front: bed.pass_through(one, count, to[one], recipients)
                      for front in fronts}, options.rounds, label=f"path, {recipients} rcpt")


def path_1(bed, options, suffix="", what=""):
    samples = _measure(bed, ["restante-a", "rewrite", "null", "plain"], options, 1)
    text = f"CPU per message, 1 recipient{what}: "
    return [
        _row(f"path-1{suffix}", text + "Restante / rewriting milter", samples,
             "restante-a", "rewrite", "<= 1.03"),
        _row(f"path-1{suffix}-plain", text + "Restante / no milter", samples,
             "restante-a", "plain", None),
        _row(f"path-1{suffix}-peer", text + "rewriting milter / no milter", samples,
             "rewrite", "plain", None),
        _row(f"path-1{suffix}-null", text + "null milter / no milter", samples,
             "null", "plain", None),
        figures.Row(f"path-1{suffix}-rate", "messages per second end to end, 1 recipient" + what +
                    ": Restante / rewriting milter",
                    ratios(column(samples["restante-a"], "rate"), column(samples["rewrite"], "rate")),
                    ours=figures.spread(column(samples["restante-a"], "rate"), "msg/s"),
                    peer=figures.spread(column(samples["rewrite"], "rate"), "msg/s")),
    ]


def path_50(bed, options, suffix="", what=""):
    fronts = ["restante-a", "rewrite", "proxy-ldap", "ldap"]
    if suffix:
        fronts = fronts[:2]
    samples = _measure(bed, fronts, options, 50)
    text = f"CPU per message, 50 recipients{what}: "
    rows = [_row(f"path-50{suffix}", text + "Restante / rewriting milter", samples,
                 "restante-a", "rewrite", "<= 1.03")]
    if not suffix:
        rows += [
            _row("path-50-proxy", text + "Restante / proxy:ldap:", samples,
                 "restante-a", "proxy-ldap", "<= 1.00"),
            _row("path-50-ldap", text + "Restante / ldap: without a domain filter", samples,
                 "restante-a", "ldap", "<= 1.00")]
    return rows


def _hold_elsewhere(bed, options):
    """Mail for other mailboxes lies in the hold queue."""
    wanted = 200 if options.quick else 2000
    held = bed.milters["a"].ask("queue.stats")["messages"]
    if held < wanted:
        progress(f"holding {wanted - held} messages for other mailboxes")
        send(bed.fronts["restante-a"], wanted - held, "f@" + DOMAIN)
        bed.postfix.wait_empty()


def path_1_held(bed, options):
    _hold_elsewhere(bed, options)
    return path_1(bed, options, "-held", ", mail held for others")[:1]


def path_50_held(bed, options):
    _hold_elsewhere(bed, options)
    return path_50(bed, options, "-held", ", mail held for others")


def peers(bed, options):
    """The rivals without Restante: is this machine like that of the published figures?"""
    samples = _measure(bed, ["plain", "null", "rewrite", "ldap-limited", "proxy-ldap", "ldap"],
                       options, 1)
    samples_50 = _measure(bed, ["plain", "null", "rewrite", "ldap-limited", "proxy-ldap", "ldap"],
                          options, 50)
    rows = []
    for some, text in ((samples, "1 recipient"), (samples_50, "50 recipients")):
        for front in list(some)[1:]:
            rows.append(_row(f"peer-{front}", f"CPU per message, {text}: {front} / plain", some,
                             front, "plain", None))
    return rows
