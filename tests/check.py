"""What ./check runs once the packages are there. Each step counts what it tested; a step that could
not be carried out at all counts as one failure. The last line is "N passed, N failed"."""

import concurrent.futures
import glob
import os
import re
import signal
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


UNIT_SECONDS = "300"  # for one test program
SYSTEM_SECONDS = 600  # for one pytest; tests/system/conftest.py bounds each test
LONG_SECONDS = 3 * 3600  # the same with --long
END_SECONDS = 60  # for the labs to be taken down


def run(argv, cwd=TOP, **environment):
    """(exit status, everything it printed)"""
    done = subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env=dict(os.environ, **environment), check=False)
    return done.returncode, done.stdout.decode(errors="replace")


def run_bounded(argv, log_path, seconds, end_seconds=END_SECONDS, **environment):
    """The same for one that may hang: interrupted after that time, then killed, which are failures.
    What it prints is in the log from the beginning."""
    with open(log_path, "w+", errors="replace") as log:
        process = subprocess.Popen(argv, cwd=TOP, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   env=dict(os.environ, **environment), start_new_session=True)
        for bound, number in ((seconds, signal.SIGINT), (end_seconds, signal.SIGKILL)):
            try:
                process.wait(bound)
                break
            except subprocess.TimeoutExpired:
                log.seek(0, os.SEEK_END)
                log.write("\nno end after %d s: %s\n" % (bound, number.name))
                log.flush()
                os.killpg(process.pid, number)
        status = process.wait()
        log.seek(0)
        return status, log.read()


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
    results = os.path.join(directory, "tests/[uf]*/*.trs")  # unit and fuzz
    for stale in glob.glob(results):
        os.unlink(stale)
    status, said = run(["make", "-s", JOBS, "-k", "check", "LOG_COMPILER=timeout",
                        "LOG_FLAGS=-k 5 " + UNIT_SECONDS], directory, **environment)
    passed = failed = 0
    details = []
    for trs in sorted(glob.glob(results)):
        good, bad, log = cmocka_counts(trs[:-4] + ".log")
        with open(trs) as result:
            ended_well = ":test-result: PASS" in result.read()
        if not ended_well and bad == 0:
            bad = 1  # it crashed, hung or was skipped: all are failures here
        passed, failed = passed + good, failed + bad
        if bad:
            details.append(tail(log))
    if passed + failed == 0 or (status != 0 and failed == 0):
        failed += 1
        details.append(tail(said))
    tally.add(what, passed, failed, "\n".join(details))


SYSTEM_RUNS = 3  # at a time: a lab waits more than it works
BYTES_PER_SECOND = 300  # of a test file: a guess where nothing is known


class Group:
    """Files for one pytest, and the front door of their labs."""

    def __init__(self, files, mta="postfix"):
        self.files, self.mta = files, mta
        name = os.path.basename(files[0])[:-3] + ("" if mta == "postfix" else "-" + mta)
        self.report = os.path.join(BUILD, "system-%s.xml" % name)

    def seconds(self):
        """How long these took last time."""
        try:
            return float(ElementTree.parse(self.report).getroot().find("testsuite").get("time"))
        except (OSError, ElementTree.ParseError):
            return sum(map(os.path.getsize, self.files)) / BYTES_PER_SECOND


# What runs on Sendmail, too: see tests/system/conftest.py for those that do not.
BOTH = [os.path.join(TOP, "tests/system/test_%s.py" % name) for name in (
    "front", "hold", "node", "reentry", "envelopes", "bytes", "kills", "restart", "trace",
    "notices", "sendmail", "quickstart", "doors", "milter", "badinput", "badlistener")]


def system_groups():
    """The longest first. Files that share the wide lab stay together: it is made once."""
    groups, wide = [Group(BOTH, "sendmail")], []
    for path in sorted(glob.glob(os.path.join(TOP, "tests/system/test_*.py"))):
        with open(path) as text:
            if re.search(r"(?m)^def .*\bwide(_lab)?\b", text.read()):
                wide.append(path)
            else:
                groups.append(Group([path]))
    return sorted(groups + [Group(wide)], key=Group.seconds, reverse=True)


def system_run(group, long_ones):
    """Runs pytest on its files: (exit status, what it said)."""
    if os.path.exists(group.report):
        os.unlink(group.report)
    argv = ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider",
            "--junitxml=" + group.report] + group.files + (["--long"] if long_ones else [])
    return run_bounded(argv, group.report[:-4] + ".log",
                       LONG_SECONDS if long_ones else SYSTEM_SECONDS,
                       RESTANTE_BUILD=BUILD, RESTANTE_MTA=group.mta, PYTHONDONTWRITEBYTECODE="1",
                       RESTANTE_LAB_LOGS=os.path.join(BUILD, "lab-logs"))


PYTEST_ENDS = (0, 1, 5)  # all passed, some failed, none was chosen (a file of long ones)


def system_counts(report, status):
    """(passed, failed); what pytest did not get to report counts as one failure."""
    try:
        suite = ElementTree.parse(report).getroot().find("testsuite")
        bad = sum(int(suite.get(kind)) for kind in ("failures", "errors", "skipped"))
        good = max(0, int(suite.get("tests")) - bad)
    except (OSError, ElementTree.ParseError, AttributeError, TypeError, ValueError):
        return 0, 1
    if status not in PYTEST_ENDS or (status == 1 and bad == 0):
        bad += 1  # it was interrupted, or fell over: tests are missing
    return good, bad


# The controller and dirsync, with their threads, under ThreadSanitizer, too.
SANITIZED = ("control", "control_waits", "control_room")


def sanitized_tests(tally, what, directory, **environment):
    """A report of the sanitizer is a failure, whatever the tests say."""
    reports = os.path.join(directory, "report")
    for stale in glob.glob(reports + ".*"):
        os.unlink(stale)
    xml = os.path.join(directory, "system.xml")
    if os.path.exists(xml):
        os.unlink(xml)
    argv = ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=" + xml]
    argv += [os.path.join(TOP, "tests/system/test_%s.py" % name) for name in SANITIZED]
    environment = {name: value + " log_path=" + reports for name, value in environment.items()}
    status, said = run_bounded(argv, os.path.join(directory, "system.log"), LONG_SECONDS,
                               RESTANTE_BUILD=directory, PYTHONDONTWRITEBYTECODE="1",
                               **environment)
    good, bad = system_counts(xml, status)
    found = sorted(glob.glob(reports + ".*"))
    details = tail(said, 120) if bad else ""
    for path in found[:3]:
        with open(path, errors="replace") as text:
            details += "\n" + "\n".join(text.read().splitlines()[:60])
    tally.add(what, good, bad + len(found), details)


def system_tests(tally, long_ones):
    groups = system_groups()
    passed = failed = 0
    details = []
    with concurrent.futures.ThreadPoolExecutor(SYSTEM_RUNS) as pool:
        runs = pool.map(lambda g: system_run(g, long_ones), groups)
        for group, (status, said) in zip(groups, runs):
            good, bad = system_counts(group.report, status)
            passed, failed = passed + good, failed + bad
            if bad:
                details.append(tail(said, 120))
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


def models(tally, long_ones):
    """Without --long the plain move, and the guards that section 5 of the design lists."""
    status, said = run_bounded(
        [os.path.join(TOP, "tests/model/run"), "--dir", os.path.join(BUILD, "model")] +
        ([] if long_ones else ["--quick"]), os.path.join(BUILD, "model.log"),
        LONG_SECONDS if long_ones else SYSTEM_SECONDS, PYTHONDONTWRITEBYTECODE="1")
    passed, failed = (len(re.findall(r"(?m)^%s " % word, said)) for word in ("ok", "FAIL"))
    if (status != 0 or passed == 0) and failed == 0:
        failed = 1
    tally.add("models (spin)", passed, failed, said)


def distcheck(tally):
    status, said = run(["make", "-s", JOBS, "distcheck"], BUILD,
                       DISTCHECK_CONFIGURE_FLAGS="--enable-werror")
    tally.add("make distcheck", int(status == 0), int(status != 0), tail(said))


def main():
    long_ones = "--long" in sys.argv[1:]
    # where a shell has begun this in the background it is ignored, and whatever is run inherits that
    signal.signal(signal.SIGINT, signal.default_int_handler)
    tally = Tally()
    tree_rules(tally)
    manual_pages(tally)
    if build(tally, "build (-Werror)", BUILD, "CFLAGS=-g -O2"):
        unit_tests(tally, "unit tests", BUILD)
        models(tally, long_ones)
        system_tests(tally, long_ones)
    if long_ones:
        for name, sanitizers in (("asan", "address,undefined"), ("tsan", "thread")):
            directory = BUILD + "-" + name
            if build(tally, "build (%s)" % sanitizers, directory,
                     "--enable-sanitizers=" + sanitizers, "CFLAGS=-g -O1"):
                suppressions = "suppressions=" + os.path.join(TOP, "tests/tsan.supp")
                unit_tests(tally, "unit tests (%s)" % sanitizers, directory,
                           TSAN_OPTIONS="halt_on_error=1 " + suppressions,
                           ASAN_OPTIONS="detect_leaks=1")
                if name == "tsan":
                    # the guard of programs is forked off by one of many threads, and starts none
                    sanitized_tests(tally, "daemons (%s)" % sanitizers, directory,
                                    TSAN_OPTIONS="die_after_fork=0 " + suppressions)
        distcheck(tally)
    print("%d passed, %d failed" % (tally.passed, tally.failed))
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
