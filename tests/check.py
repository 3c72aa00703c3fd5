"""What ./check runs once the packages are there. Each step counts what it tested; a step that could
not be carried out at all counts as one failure. The last line is "N passed, N failed"."""

import glob
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(TOP, "build-check")
JOBS = "-j%d" % (os.cpu_count() or 1)


class Tally:
    def __init__(self):
        self.passed = self.failed = 0
        self.began = time.monotonic()

    def add(self, what, passed, failed, details=""):
        self.passed += passed
        self.failed += failed
        print("%7.1f s  %-34s %4d passed %3d failed" % (
            time.monotonic() - self.began, what, passed, failed), flush=True)
        if failed and details:
            print(details.rstrip(), flush=True)


def run(argv, cwd=TOP, **environment):
    """(exit status, everything it printed)"""
    done = subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env=dict(os.environ, **environment), check=False)
    return done.returncode, done.stdout.decode(errors="replace")


def tail(text, lines=40):
    return "\n".join(text.splitlines()[-lines:])


def build(tally, what, directory, *options):
    """Configures and builds out of tree; whether it worked."""
    status, said = 0, ""
    if not os.path.exists(os.path.join(TOP, "configure")):
        status, said = run(["autoreconf", "-fi"])
    os.makedirs(directory, exist_ok=True)
    if status == 0 and not os.path.exists(os.path.join(directory, "Makefile")):
        status, said = run([os.path.join(TOP, "configure"), "-q", "--enable-werror"] +
                           list(options), directory)
    if status == 0:
        status, said = run(["make", "-s", JOBS, "all", "tests/bench/peer_milter"], directory)
    tally.add(what, int(status == 0), int(status != 0), tail(said))
    return status == 0


def cmocka_counts(log):
    """(passed, failed) of one test program's log; (0, 0) where cmocka did not get to say."""
    with open(log, errors="replace") as text:
        said = text.read()
    passed = re.findall(r"\[  PASSED  \] (\d+) test", said)
    failed = re.findall(r"\[  FAILED  \] (\d+) test", said)
    return sum(map(int, passed)), sum(map(int, failed)), said


def unit_tests(tally, what, directory, **environment):
    for stale in glob.glob(os.path.join(directory, "tests/unit/*.trs")):
        os.unlink(stale)
    status, said = run(["make", "-s", JOBS, "-k", "check"], directory, **environment)
    passed = failed = 0
    details = []
    for trs in sorted(glob.glob(os.path.join(directory, "tests/unit/*.trs"))):
        good, bad, log = cmocka_counts(trs[:-4] + ".log")
        with open(trs) as result:
            ended_well = ":test-result: PASS" in result.read()
        if not ended_well and bad == 0:
            bad = 1  # it crashed, or was skipped: both are failures here
        passed, failed = passed + good, failed + bad
        if bad:
            details.append(tail(log))
    if passed + failed == 0 or (status != 0 and failed == 0):
        failed += 1
        details.append(tail(said))
    tally.add(what, passed, failed, "\n".join(details))


SYSTEM_RUNS = 2  # at a time: a lab waits more than it works


def system_run(files, number, long_ones):
    """Starts pytest on these files; (process, its report)."""
    report = os.path.join(BUILD, "system-%d.xml" % number)
    if os.path.exists(report):
        os.unlink(report)
    argv = ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider",
            "--junitxml=" + report] + files + (["--long"] if long_ones else [])
    environment = dict(os.environ, RESTANTE_BUILD=BUILD, PYTHONDONTWRITEBYTECODE="1",
                       RESTANTE_LAB_LOGS=os.path.join(BUILD, "lab-logs"))
    said = open(os.path.join(BUILD, "system-%d.log" % number), "w+")
    return subprocess.Popen(argv, cwd=TOP, stdin=subprocess.DEVNULL, stdout=said,
                            stderr=subprocess.STDOUT, env=environment), report, said


def system_counts(report):
    """(passed, failed); what pytest did not get to report counts as one failure."""
    try:
        suite = ElementTree.parse(report).getroot().find("testsuite")
    except (OSError, ElementTree.ParseError):
        return 0, 1
    bad = sum(int(suite.get(kind)) for kind in ("failures", "errors", "skipped"))
    return int(suite.get("tests")) - bad, bad


def system_tests(tally, long_ones):
    files = sorted(glob.glob(os.path.join(TOP, "tests/system/test_*.py")))
    runs = [system_run(files[number::SYSTEM_RUNS], number, long_ones)
            for number in range(SYSTEM_RUNS)]
    passed = failed = 0
    details = []
    for process, report, said in runs:
        process.wait()
        good, bad = system_counts(report)
        passed, failed = passed + good, failed + bad
        if bad:
            said.seek(0)
            details.append(tail(said.read(), 120))
        said.close()
    tally.add("system tests", passed, failed, "\n".join(details))


XR = re.compile(r"referenced manual not found: Xr (\S+) (\d)")


def lint(page):
    """What mandoc complains about. Whether a page that is referred to exists is asked of the tree,
    for ours, and of nobody for others: a small machine has no manuals."""
    status, said = run(["mandoc", "-Tlint", page])
    complaints = []
    for line in said.splitlines():
        other = XR.search(line)
        if other and (not other[1].startswith("restante") or
                      os.path.exists(os.path.join(TOP, "man", "%s.%s" % other.groups()))):
            continue
        if not line.startswith("mandoc: outdated mandoc.db"):
            complaints.append(line)
    if status > 2 and not complaints:  # 0 to 2: nothing worse than a warning, all listed
        complaints.append("%s: mandoc exit %d" % (page, status))
    return "\n".join(complaints)


def manual_pages(tally):
    pages = sorted(glob.glob(os.path.join(TOP, "man/*.[1-8]")))
    complaints = [said for said in map(lint, pages) if said]
    if not pages:
        complaints.append("man/: there is no page")
    tally.add("manual pages (mandoc -Tlint)", max(0, len(pages) - len(complaints)),
              len(complaints), "\n".join(complaints))


def tree_rules(tally):
    _, said = run(["/usr/bin/python3", "tests/check_tree.py"])
    passed, failed = said.count("\nPASS ") + said.startswith("PASS "), len(
        re.findall(r"(?m)^FAIL ", said))
    if passed + failed == 0:
        failed = 1
    tally.add("rules of the tree", passed, failed, said)


def distcheck(tally):
    status, said = run(["make", "-s", JOBS, "distcheck"], BUILD,
                       DISTCHECK_CONFIGURE_FLAGS="--enable-werror")
    tally.add("make distcheck", int(status == 0), int(status != 0), tail(said))


def main():
    long_ones = "--long" in sys.argv[1:]
    tally = Tally()
    tree_rules(tally)
    manual_pages(tally)
    if build(tally, "build (-Werror)", BUILD, "CFLAGS=-g -O2"):
        unit_tests(tally, "unit tests", BUILD)
        system_tests(tally, long_ones)
    if long_ones:
        for name, sanitizers in (("asan", "address,undefined"), ("tsan", "thread")):
            directory = BUILD + "-" + name
            if build(tally, "build (%s)" % sanitizers, directory,
                     "--enable-sanitizers=" + sanitizers, "CFLAGS=-g -O1"):
                unit_tests(tally, "unit tests (%s)" % sanitizers, directory,
                           TSAN_OPTIONS="halt_on_error=1", ASAN_OPTIONS="detect_leaks=1")
        distcheck(tally)
    print("%d passed, %d failed" % (tally.passed, tally.failed))
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
