"""What Prometheus is given: the page, what it counts, and what the samples in contrib/ name."""

import json
import os
import re
import socket

import pytest

from exposition import Bad, parse, request, scrape
from helpers import arrived, fresh, hold, refusal, send, settled, unhold, user_of
from lab.lab import SOURCE, Lab
from lab.process import free_port, wait_for

CONTRIB = os.path.join(SOURCE, "contrib/metrics")


@pytest.fixture(scope="module")
def lab():
    port = free_port()
    with Lab(milter_options={"metrics": True, "metrics_listen": "127.0.0.1:%d" % port}) as whole:
        whole.metrics_port = port
        yield whole


def delta(lab, act):
    """act(), and a function that says by how much a sample has grown."""
    before = scrape(lab.metrics_port)
    act()
    after = scrape(lab.metrics_port)
    return lambda name, suffix="", **labels: (
        after.get(name, suffix, **labels) - before.get(name, suffix, **labels))


# --- the page -------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [
    "", "a 1", "a 1\n", "# HELP a x\n# TYPE a gauge\na 1", "# HELP a x\na 1\n",
    "# HELP a x\n# TYPE a counter\na 1\n", "# HELP a x\n# TYPE a gauge\na{b=c} 1\n",
    '# HELP a x\n# TYPE a gauge\na{b="c"} 1\na{b="c"} 1\n', "# HELP a x\n# TYPE a gauge\na 1e5x\n",
    '# HELP a x\n# TYPE a gauge\na{b="c"d"} 1\n', "# HELP a x\n# TYPE a gauge\nb 1\n",
    "# HELP a x\n# TYPE a gauge\n# HELP a x\n# TYPE a gauge\n",
    '# HELP a x\n# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n',
    '# HELP a x\n# TYPE a histogram\na_bucket{le="1"} 2\na_sum 1\na_count 2\n'])
def test_the_parser_is_strict(text):
    with pytest.raises(Bad):
        parse(text)


def test_the_page_is_what_prometheus_wants(lab):
    page = scrape(lab.metrics_port)
    assert len(page.families) > 40
    for name, family in page.families.items():
        assert name.startswith(("restante_", "process_"))
        assert family.help.endswith(".") and len(family.help) < 120
        assert not re.search(r"_(ms|us|milliseconds|microseconds|kb|mb|minutes)(_|$)", name)
    assert page.get("restante_build_info", version=version(lab)) == 1
    assert 0 < page.get("process_resident_memory_bytes") < 2e9
    assert page.get("process_start_time_seconds") > 1.7e9


def version(lab):
    return lab.milter.ask("status")["version"]


def test_get_and_head_and_nothing_else(lab):
    port = lab.metrics_port
    status, headers, body = request(port, "HEAD")
    assert status == 200 and body == "" and int(headers["Content-Length"]) > 5000
    assert request(port, path="/metrics?x=1")[0] == 200
    for path in ("/", "/metrics/", "/Metrics", "/status", "//metrics", "/metrics/../x"):
        assert request(port, path=path)[0] == 404
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
        status, headers, _ = request(port, method)
        assert status == 405 and headers["Allow"] == "GET, HEAD"


# --- what is counted ------------------------------------------------------------------------------


def test_mail_that_passes_is_held_and_is_released(lab):
    there, held = fresh(lab), fresh(lab, system="S2")
    hold(lab, held)
    grown = delta(lab, lambda: [send(lab, there), send(lab, held), send(lab, [there, held])])
    assert grown("restante_rcpt_total", verdict="rewrite") == 2
    assert grown("restante_rcpt_total", verdict="hold") == 2
    assert grown("restante_recipients_total", verdict="rewrite", system="S1") == 2
    assert grown("restante_recipients_total", verdict="hold", system="S2") == 2
    for way in ("passed", "held", "both"):
        assert grown("restante_messages_total", way=way) == 1
    assert grown("restante_hold_duration_seconds", "_count") == 2
    assert 0 < grown("restante_hold_duration_seconds", "_sum") < 20
    assert grown("restante_pass_duration_seconds", "_count") == 1
    assert grown("restante_held_messages") == 2 and grown("restante_held_recipients") == 2
    assert grown("restante_held_bytes") > 1000 and grown("restante_held_mailboxes") == 1
    assert grown("restante_queue_stored_total") == 2
    assert grown("restante_commit_duration_seconds", "_count") >= 1
    wait_for(lambda: scrape(lab.metrics_port).get("restante_held_oldest_age_seconds") > 0.1, 10,
             "the oldest to age")
    grown = delta(lab, lambda: [unhold(lab, held), arrived(lab, "S2", user_of(held), 2),
                                settled(lab)])
    assert grown("restante_release_recipients_total", outcome="delivered") == 2
    assert grown("restante_release_duration_seconds", "_count", target="mta") == 2
    assert grown("restante_release_wait_seconds", "_count") == 2
    assert grown("restante_held_messages") == -2 and grown("restante_queue_removed_total") == 2
    assert scrape(lab.metrics_port).get("restante_held_oldest_age_seconds") == 0


def test_what_is_refused(lab):
    moving = fresh(lab, state="deferred")
    grown = delta(lab, lambda: [refusal(lab, "nobody@example.org"), refusal(lab, moving)])
    assert grown("restante_rcpt_total", verdict="nobody") == 1
    assert grown("restante_refused_total", stage="rcpt", reply="nobody") == 1
    assert grown("restante_refused_total", stage="rcpt", reply="defer") == 1
    assert grown("restante_refused_total", stage="message", reply="defer") == 0
    assert grown("restante_recipients_total", verdict="nobody") == 0


def test_the_replica_and_the_node(lab):
    page, status = scrape(lab.metrics_port), lab.milter.ask("status")
    for flag in ("replica_loaded", "replica_current", "ldap_connected", "ldap_write_ok",
                 "node_serving", "queue_room"):
        assert page.get("restante_" + flag) == 1, flag
    assert page.get("restante_replica_mailboxes") == status["view"]["mailboxes"]
    assert page.get("restante_replica_addresses") == status["view"]["addresses"]
    assert page.get("restante_epoch") == status["view"]["epoch"]
    assert page.get("restante_node_state", state="enabled") == 1
    assert sum(page.families["restante_node_state"].samples.values()) == 1
    assert page.get("restante_replica_lag_seconds") < 30
    address = fresh(lab)
    grown = delta(lab, lambda: lab.milter.cli(
        "swap", address, "--system", "S2", "--to", "x@s2.lab", "--wait", "--yes"))
    raised = grown("restante_epoch")
    assert raised >= 1 and grown("restante_ldap_changes_total", kind="entry") >= 2
    wait_for(lambda: scrape(lab.metrics_port).get("restante_epoch_drained") ==
             scrape(lab.metrics_port).get("restante_epoch"), 20, "the epoch to be drained")


def test_a_directory_that_is_down(lab):
    lab.slapd.stop()
    try:
        wait_for(lambda: scrape(lab.metrics_port).get("restante_ldap_connected") == 0, 20, "it to show")
        wait_for(lambda: scrape(lab.metrics_port).get("restante_replica_current") == 0, 20, "it to show")
        page = scrape(lab.metrics_port)
        assert page.get("restante_replica_loaded") == 1 and page.get("restante_ldap_write_ok") == 0
        assert page.get("restante_replica_lag_seconds") > 2
    finally:
        lab.slapd.start()
    wait_for(lambda: scrape(lab.metrics_port).get("restante_replica_current") == 1, 30, "it to be over")
    assert scrape(lab.metrics_port).get("restante_ldap_connected") == 1


def test_trouble_of_the_release(lab):
    address = fresh(lab)
    right = "smtp:127.0.0.1:%d" % lab.mta.release_port
    hold(lab, address)
    send(lab, address)
    lab.milter.configure(release_listener="smtp:127.0.0.1:%d" % free_port())
    lab.milter.ask("reload")
    unhold(lab, address)
    wait_for(lambda: scrape(lab.metrics_port).get("restante_release_trouble", target="mta") == 1, 20,
             "the trouble to show")
    lab.milter.configure(release_listener=right)
    lab.milter.ask("reload")
    arrived(lab, "S1", user_of(address))
    wait_for(lambda: scrape(lab.metrics_port).get("restante_release_trouble", target="mta") == 0, 20,
             "the trouble to be over")
    settled(lab)


def test_a_backend_that_takes_released_mail_straight(lab):
    """It is a target of its own; where nothing waits for it any more its trouble is over."""
    def say(port=None):
        lab.slapd.replace("cn=S2,ou=systems,cn=restante,dc=example,dc=org", restanteReleaseProtocol=
                          port and "lmtp", restanteReleaseAddress=port and "127.0.0.1:%d" % port)
    address, dead, alive = fresh(lab, system="S2"), free_port(), lab.backends["S2"].lmtp_port
    trouble = {"target": "lmtp:127.0.0.1:%d" % dead}
    hold(lab, address)
    send(lab, address)
    try:
        say(dead)
        unhold(lab, address)
        wait_for(lambda: scrape(lab.metrics_port).get("restante_release_trouble", **trouble) == 1, 20,
                 "the trouble to show")
        assert scrape(lab.metrics_port).get("restante_release_trouble", target="mta") == 0
        say(alive)
        arrived(lab, "S2", user_of(address))
        settled(lab)
        page = scrape(lab.metrics_port)
        assert page.get("restante_release_trouble", **trouble) == 0
        assert page.get("restante_release_duration_seconds", "_count",
                        target="lmtp:127.0.0.1:%d" % alive) == 1
    finally:
        say()


def test_nobody_is_named(lab):
    """Whatever passed before: addresses of people are in no label."""
    body = request(lab.metrics_port)[2]
    assert "@" not in body and "example.org" not in body and "s1.lab" not in body
    labels = {name for family in scrape(lab.metrics_port).families.values()
              for _, pairs in family.samples for name, _ in pairs}
    assert labels == {"verdict", "system", "stage", "reply", "way", "outcome", "target", "state",
                      "kind", "version", "le"}


# --- off, on, elsewhere ---------------------------------------------------------------------------


def closed(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_off_on_and_elsewhere_by_reload(lab):
    def settle(**options):
        lab.milter.configure(**options)
        lab.milter.ask("reload")
    old, new = lab.metrics_port, free_port()
    settle(metrics=False)
    assert closed(old)
    settle(metrics=True, metrics_listen="127.0.0.1:%d" % new)
    assert closed(old) and scrape(new).get("restante_node_serving") == 1
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", old))
        taken.listen(1)
        settle(metrics_listen="127.0.0.1:%d" % old)
        assert closed(new)
        assert "error: metrics: not served, mail is" in lab.milter.log_text()
        send(lab, fresh(lab))  # mail does not care
    settle()
    assert scrape(old).get("restante_node_serving") == 1


def test_off_unless_asked_for(lab):
    dump = lab.milter.binary
    conf = os.path.join(lab.dir, "empty.conf")
    with open(conf, "w"):
        pass
    from lab.process import run
    text = run([dump, "-c", conf, "--dump-config"]).stdout.decode()
    assert "\tmetrics = false\n" in text and '\tmetrics_listen = "127.0.0.1:9811"\n' in text


# --- what is named elsewhere ------------------------------------------------------------------------


def named(text):
    """Families that an expression or a page names."""
    names = set(re.findall(r"\b(?:restante|process)_[a-z_]+", text))
    return {re.sub(r"_(bucket|sum|count)$", "", n) if "_seconds_" in n else n for n in names}


def test_every_metric_is_documented(lab):
    with open(os.path.join(SOURCE, "docs/metrics.md")) as page:
        rows = dict(re.findall(r"(?m)^\| `([a-z_]+)` \| (\w+) \|", page.read()))
    families = scrape(lab.metrics_port).families
    assert rows == {name: family.kind for name, family in families.items()}


def test_the_dashboard_names_what_there_is(lab):
    with open(os.path.join(CONTRIB, "restante-dashboard.json")) as file:
        dashboard = json.load(file)
    families = scrape(lab.metrics_port).families
    used = set()
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids) > 8
    for panel in dashboard["panels"]:
        assert panel["title"] and panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        for target in panel.get("targets", []):
            assert named(target["expr"]), target
            used |= named(target["expr"])
    for variable in dashboard["templating"]["list"]:
        used |= named(str(variable.get("query", "")))
    assert used <= set(families) and len(used) > 20, used - set(families)


def test_the_alerts_name_what_there_is(lab):
    import yaml
    with open(os.path.join(CONTRIB, "restante-alerts.yml")) as file:
        text = file.read()
    groups = yaml.safe_load(text)["groups"]
    families = scrape(lab.metrics_port).families
    rules = [rule for group in groups for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 8
    for rule in rules:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}, rule
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"] and rule["annotations"]["description"]
        assert re.fullmatch(r"\d+[smhd]", rule["for"])
        assert named(rule["expr"]) or "up{" in rule["expr"], rule
        assert named(rule["expr"]) <= set(families), rule
        assert rule["expr"].count("(") == rule["expr"].count(")")
