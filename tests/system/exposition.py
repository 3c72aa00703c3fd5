"""The page of metrics, read more strictly than Prometheus does."""

import http.client
import math
import re

NAME = r"[a-z_][a-z0-9_]*"
LABEL = r'(%s)="((?:[^"\\\n]|\\["\\n])*)"' % NAME
SAMPLE = re.compile(r'(%s)(?:\{((?:%s,?)*)\})? (\S+)$' % (NAME, LABEL))
VALUE = re.compile(r"-?\d+(\.\d+)?$|\+Inf$")
KINDS = ("counter", "gauge", "histogram")


class Bad(Exception):
    """The page is not what the format wants."""


def unescape(text):
    return re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), text)


class Family:
    def __init__(self, name, text):
        self.name, self.help, self.kind = name, text, None
        self.samples = {}  # (suffix, ((label, value), ...)) -> number

    def add(self, name, labels, value):
        suffix = name[len(self.name):]
        allowed = ("_bucket", "_sum", "_count") if self.kind == "histogram" else ("",)
        key = (suffix, tuple(sorted(labels)))
        if suffix not in allowed or len(dict(labels)) != len(labels) or key in self.samples:
            raise Bad("sample %s %s in family %s" % (name, labels, self.name))
        self.samples[key] = value

    def check(self):
        if self.kind is None:
            raise Bad("%s has no TYPE" % self.name)
        if (self.kind == "counter") != self.name.endswith("_total"):
            raise Bad("%s is a %s: counters, and they alone, end with _total" % (
                self.name, self.kind))
        if self.kind == "histogram":
            self.check_histogram()
        elif self.kind == "counter" and any(v < 0 or v == math.inf for v in self.samples.values()):
            raise Bad("%s: no count" % self.name)

    def check_histogram(self):
        series = {}
        for (suffix, labels), value in self.samples.items():
            rest = tuple(pair for pair in labels if pair[0] != "le")
            one = series.setdefault(rest, {"_bucket": []})
            if suffix == "_bucket":
                one[suffix].append((float(dict(labels)["le"].replace("+Inf", "inf")), value))
            else:
                one[suffix] = value
        for labels, one in series.items():
            bounds = [bound for bound, _ in one["_bucket"]]
            counts = [count for _, count in one["_bucket"]]
            if (bounds != sorted(set(bounds)) or bounds[-1:] != [math.inf] or
                    counts != sorted(counts) or counts[-1] != one["_count"] or "_sum" not in one):
                raise Bad("%s%s: %s" % (self.name, labels, one))


def parse(text):
    """{name: Family}; Bad with what is wrong."""
    if not text.endswith("\n"):
        raise Bad("the last line has no end")
    families, current = {}, None
    for line in text[:-1].split("\n"):
        head = re.match(r"# (HELP|TYPE) (%s) (.+)$" % NAME, line)
        if head and head[1] == "HELP":
            if head[2] in families:
                raise Bad("%s twice" % head[2])
            current = families[head[2]] = Family(head[2], head[3])
        elif head:
            if current is None or head[2] != current.name or current.kind or head[3] not in KINDS:
                raise Bad(line)
            current.kind = head[3]
        else:
            sample = SAMPLE.match(line)
            if not sample or not current or not sample[1].startswith(current.name) or \
                    not VALUE.match(sample[5]):
                raise Bad("no sample of %s: %s" % (current and current.name, line))
            labels = [(name, unescape(value)) for name, value in
                      re.findall(LABEL, sample[2] or "")]
            current.add(sample[1], labels, float(sample[5].replace("Inf", "inf")))
    for family in families.values():
        family.check()
    return families


class Page:
    """What one scrape saw."""

    def __init__(self, families):
        self.families = families

    def get(self, name, suffix="", **labels):
        """0 where there is no such sample (yet); KeyError where there is no such family."""
        return self.families[name].samples.get((suffix, tuple(sorted(labels.items()))), 0)


def request(port, method="GET", path="/metrics", host="127.0.0.1"):
    """(status, headers, body)"""
    connection = http.client.HTTPConnection(host, port, timeout=20)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    finally:
        connection.close()


def scrape(port):
    status, headers, body = request(port)
    if status != 200 or not headers["Content-Type"].startswith("text/plain; version=0.0.4"):
        raise Bad("%d %s" % (status, headers))
    return Page(parse(body))
