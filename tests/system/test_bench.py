"""What the bench table says rests on these."""

import os
import subprocess
import sys

import pytest

BENCH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "bench")
sys.path.insert(0, BENCH)

import cpugroup  # noqa: E402
import figures  # noqa: E402
import load  # noqa: E402
import rounds  # noqa: E402
import tree  # noqa: E402


@pytest.mark.parametrize("count, low, high", [(6, 0, 5), (9, 1, 7), (15, 3, 11), (20, 5, 14)])
def test_interval_of_the_median_by_order_statistics(count, low, high):
    """The ranks of any table of the sign test at 95 %."""
    assert figures.interval(list(range(count))[::-1]) == (low, high, True)


def test_too_few_rounds_are_called_a_range():
    row = figures.Row("a", "b", [1.0, 1.2, 1.1], goal="<= 1.15")
    assert (row.low, row.high, row.covered) == (1.0, 1.2, False)
    assert "range" in row.cells()[3]


@pytest.mark.parametrize("goal, met", [("<= 1.03", True), ("<= 1.01", False), (">= 1.02", True),
                                       (">= 1.03", False), (None, None)])
def test_the_median_decides_about_the_goal(goal, met):
    assert figures.Row("a", "b", [1.0, 1.02, 9.0], goal=goal).met() is met


def test_quantile_is_a_value_that_was_seen():
    assert figures.quantile(range(1, 101), 0.99) == 99
    assert figures.quantile([7.0], 0.99) == 7.0


def test_a_printed_row_is_shown_like_a_measured_one():
    row = figures.Row.printed({"row": "store", "what": "w", "median": 2.5, "low": 2.0, "high": 3.0,
                               "rounds": 15, "goal": ">= 2.0"})
    assert row.met() and row.cells()[2:5] == ["2.50", "2.00 - 3.00", "15"]


def test_rivals_alternate_and_the_warm_up_does_not_count():
    calls = []
    rivals = {name: lambda name=name: calls.append(name) or len(calls) for name in "ab"}
    samples = rounds.alternate(rivals, 3)
    assert "".join(calls) == "abbaabba"
    assert samples == {"a": [4, 5, 8], "b": [3, 6, 7]}


@pytest.mark.parametrize("how", ["control group", "proc"])
def test_a_group_counts_children_that_are_gone(how, monkeypatch):
    if how == "proc":
        monkeypatch.setattr(cpugroup, "_mounts", lambda: [])
    group = cpugroup.CpuGroup("test")
    burn = "import os; [os.times() for _ in range(300000)]"
    # sh waits for both, and says so
    command = (f"read go; {sys.executable} -c '{burn}'; {sys.executable} -c '{burn}'; "
               "echo done; read end")
    with subprocess.Popen(["sh", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as shell:
        try:
            group.adopt(shell.pid)
            before = group.seconds()
            shell.stdin.write("go\n")
            shell.stdin.flush()
            assert shell.stdout.readline() == "done\n"
            assert cpugroup.descendants(shell.pid) == [shell.pid]
            assert group.seconds() - before > 0.05
        finally:
            shell.stdin.write("end\n")
            shell.stdin.close()
            shell.wait()
            group.close()


def test_the_sink_counts_what_the_source_sent():
    sink = load.Sink()
    try:
        load.send(sink.port, 40, "u@example.org")
        load.send(sink.port, 3, "u@example.org", recipients=50, keep=True)
        assert sink.wait(43, timeout=20) > 0
        assert sink.messages == 43
    finally:
        sink.close()


def test_addresses_of_the_tree_are_claimed_once():
    ldif = "".join([*tree.people(20, 3), *tree.shared(5, 20, "m", "S1")])
    claimed = [line for line in ldif.splitlines() if line.startswith("mailLocalAddress: ")]
    assert len(claimed) == 80 and len(set(claimed)) == 80
    assert ldif.count("dn: ") == 25
