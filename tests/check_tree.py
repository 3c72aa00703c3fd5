"""The rules of the tree that a compiler does not know: which folder may include which, where a
foreign library may be seen, what a header looks like. One line per rule: PASS or FAIL."""

import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# A folder may include its own headers and those of these; tests may include all.
ARROWS = {
    "lib": set(), "directory": {"lib"}, "queue": {"lib"}, "milter": {"queue", "directory", "lib"},
    "dirsync": {"lib"}, "control": {"lib"}, "transfer": {"lib"}, "gateway": {"lib"},
    "doctor": {"lib"}, "cli": {"doctor", "lib"},
}
# The header of a foreign library, and the files that alone may include it.
SEAMS = {
    r"db\.h": r"lib/bdb[a-z_]*\.[ch]",
    r"(ldap|lber|ldap_schema)\.h": r"(lib/ldap_[a-z_]*\.[ch]|(directory|tests/bench)/.*)",
    r"libmilter/.*": r"(milter|tests/bench|tests/unit)/.*",
    r"jansson\.h": r"lib/json\.c",
    r"confuse\.h": r"lib/config[a-z_]*\.c",
    r"openssl/.*": r"(lib/digest\.c|lib/tls\.c)",
    r"(idn2|uni[a-z]+|unistring/.*)\.h": r"lib/address[a-z_]*\.c",
    r"microhttpd\.h": r"lib/metrics_http\.c",
    r"systemd/.*": r"lib/[a-z_]*\.c",
}
SYSTEM_NAMES_LIKE_UNI = {"unistd.h"}
MOST_LINES = 600
SECONDS_PER_HEADER = 30


def sources():
    """Paths of all C files, relative to the top."""
    for folder in sorted(ARROWS) + ["tests"]:
        for path, folders, files in os.walk(os.path.join(TOP, folder)):
            folders.sort()
            for name in sorted(files):
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(path, name), TOP)


def read(path):
    with open(os.path.join(TOP, path), errors="replace") as text:
        return text.read()


def includes(text):
    """[(line number, '"' or '<', name)]"""
    found = re.finditer(r'(?m)^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', text)
    return [(text.count("\n", 0, m.start()) + 1, m[1], m[2]) for m in found]


def arrows(path, text):
    """An include with quotes names its folder, and the folder is one that may be used."""
    folder = path.split("/")[0]
    for line, kind, name in includes(text):
        if kind != '"' or name == "config.h":
            continue
        target = name.split("/")[0]
        if "/" not in name:
            yield "%s:%d: \"%s\" does not name its folder" % (path, line, name)
        elif folder != "tests" and target != folder and target not in ARROWS[folder]:
            yield "%s:%d: %s must not use %s" % (path, line, folder, name)


def seams(path, text):
    """Each foreign library has one seam."""
    for line, kind, name in includes(text):
        if kind != "<" or name in SYSTEM_NAMES_LIKE_UNI:
            continue
        for header, allowed in SEAMS.items():
            if re.fullmatch(header, name) and not re.fullmatch(allowed, path):
                yield "%s:%d: <%s> is hidden by a seam" % (path, line, name)


def guard(path, text):
    """A header begins with the comment that is its contract, then the guard of its path."""
    if not path.endswith(".h") or path.startswith("tests/"):
        return
    wanted = "RESTANTE_" + re.sub(r"[/.]", "_", path).upper()
    if not re.match(r"/\*.*?\*/\s*#ifndef %s\n#define %s\n" % (wanted, wanted), text, re.S):
        yield "%s: a comment, then #ifndef %s, is how a header begins" % (path, wanted)


def length(path, text):
    """A file is one idea."""
    lines = text.count("\n")
    if lines > MOST_LINES:
        yield "%s: %d lines: split it by idea" % (path, lines)


def loose_ends(path, text):
    """What is not done stands in an issue, not in the code."""
    for match in re.finditer(r"\b(TODO|FIXME|XXX)\b", text):
        yield "%s:%d: %s" % (path, text.count("\n", 0, match.start()) + 1, match[1])


def stands_alone(path, text):
    """A header compiles by itself."""
    if not path.endswith(".h"):
        return
    done = subprocess.run(
        ["gcc", "-std=c11", "-fsyntax-only", "-I", TOP, "-D_GNU_SOURCE", '-DSYSCONFDIR=""',
         '-DLOCALSTATEDIR=""', '-DRUNSTATEDIR=""', "-x", "c", "-"],
        input=('#include "%s"\n' % path).encode(), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=SECONDS_PER_HEADER, check=False)
    if done.returncode != 0:
        yield "%s: does not compile alone: %s" % (path, done.stdout.decode().splitlines()[0])


def licence_and_names():
    """Files that every release has."""
    for name in ("LICENSE", "README.md", "CONTRIBUTING.md", "NEWS", ".clang-format",
                 ".editorconfig"):
        if not os.path.exists(os.path.join(TOP, name)):
            yield "%s is missing" % name


def named_tests():
    """docs/tests.md names tests that there are."""
    for path, name in re.findall(r"`((?:system|unit)/\w+\.(?:py|c))::(\w+)`", read("docs/tests.md")):
        wanted = r"(?m)^(def|static void) %s\(" % name
        if not os.path.exists(os.path.join(TOP, "tests", path)):
            yield "docs/tests.md: there is no tests/%s" % path
        elif not re.search(wanted, read("tests/" + path)):
            yield "docs/tests.md: there is no %s in tests/%s" % (name, path)


def fuzz_targets():
    """Each fuzz target is built, has a corpus, and stands in docs/tests.md."""
    folder = os.path.join(TOP, "tests/fuzz")
    makefile, page = read("tests/fuzz/local.mk"), read("docs/tests.md")
    there = {name[5:-2] for name in os.listdir(folder) if re.fullmatch(r"fuzz_\w+\.c", name)}
    for name in sorted(there):
        corpus = os.path.join(folder, "corpus", name)
        if not re.search(r"tests/fuzz/replay_%s\b" % name, makefile):
            yield "tests/fuzz/local.mk: no replay_%s" % name
        if not os.path.isdir(corpus) or not os.listdir(corpus):
            yield "tests/fuzz/corpus/%s: nothing there" % name
        if "`fuzz/fuzz_%s.c`" % name not in page:
            yield "docs/tests.md: no fuzz/fuzz_%s.c" % name
    for name in re.findall(r"`fuzz/fuzz_(\w+)\.c`", page):
        if name not in there:
            yield "docs/tests.md: there is no fuzz/fuzz_%s.c" % name


def model_guards():
    """docs/model.md has a row for each guard and configuration, and names functions that there are."""
    page, checks = read("docs/model.md"), read("tests/model/checks.py")
    for name in re.findall(r'(?m)^    (?:guard\(|(?:Check|lease)\("\w+", )"([\w-]+)"', checks):
        if "`%s`" % name not in page:
            yield "docs/model.md: no `%s`" % name
    for path, name in re.findall(r"`((?:\w+/)+\w+\.c)` `(\w+)`", page):
        if not os.path.exists(os.path.join(TOP, path)):
            yield "docs/model.md: there is no " + path
        elif not re.search(r"(?m)^[a-z].*\b%s\(" % name, read(path)):
            yield "docs/model.md: there is no %s in %s" % (name, path)


# What a build needs: configure's own tools come with debhelper.
DEBHELPER_HAS = {"gcc", "libc6-dev", "make", "autoconf", "automake"}
PACKAGING_ADDS = {"debhelper-compat", "libcmocka-dev"}


def debian_package():
    """The packaging builds with what ./quickstart installs, and has the version of the tree."""
    wanted = set(re.search(r'packages_build="([^"]*)"', read("tests/lab/packages.sh"))[1].split())
    listed = re.search(r"(?m)^Build-Depends:((?:\n? .*)+)", read("contrib/debian/control"))[1]
    there = {re.match(r"[^\s(<]+", item.strip())[0] for item in listed.split(",") if item.strip()}
    for name in sorted((wanted - DEBHELPER_HAS) ^ (there - PACKAGING_ADDS)):
        yield "contrib/debian/control and packages_build of tests/lab/packages.sh differ: " + name
    version = re.search(r"AC_INIT\(\[restante\], \[([^\]]+)\]\)", read("configure.ac"))[1]
    if not read("contrib/debian/changelog").startswith("restante (%s-" % version):
        yield "contrib/debian/changelog does not begin with version " + version


RULES = (arrows, seams, guard, length, loose_ends, stands_alone)


def main():
    files = [(path, read(path)) for path in sources()]
    failed = 0
    for rule in RULES:
        complaints = [c for path, text in files for c in rule(path, text)]
        print("%s %s: %d files" % ("FAIL" if complaints else "PASS", rule.__name__, len(files)))
        for complaint in complaints:
            print("  " + complaint)
        failed += bool(complaints)
    for what, rule in (("files of a release", licence_and_names),
                       ("tests named in docs", named_tests),
                       ("fuzz targets", fuzz_targets), ("model guards", model_guards), ("Debian package", debian_package)):
        complaints = list(rule())
        print("%s %s" % ("FAIL" if complaints else "PASS", what))
        for complaint in complaints:
            print("  " + complaint)
        failed += bool(complaints)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
