"""What the shells offer behind `restante`: all that `restante help` names, and nothing else."""

import os
import re
import shlex

import pytest

from lab.lab import SOURCE
from lab.process import run

BUILD = os.environ.get("RESTANTE_BUILD") or os.path.join(SOURCE, "build")
RESTANTE = os.path.join(BUILD, "restante")
FOLDER = os.path.join(SOURCE, "contrib/completion")
COMMON = {"--json", "--quiet", "--help"}
GLOBAL = COMMON | {"--config", "--version"}

BASH = """\
compopt() { :; }
source %s
COMP_WORDS=(%s) COMP_CWORD=%d
_restante
printf '%%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """\
offer() { local word; for word in "$@"; do [[ $word == ${words[CURRENT]}* ]] && print -r -- $word; done; true }
compadd() { [[ $1 == -- ]] || exit 3; shift; offer "$@"; }
_describe() { local -a all; all=("${(@P)2}"); offer "${(@)all%%%%:*}"; }
_files() { offer ${words[CURRENT]}*(N); }
cursor=%d words=(%s)
CURRENT=$cursor
source %s
"""


def bash(words):
    return BASH % (shlex.quote(FOLDER + "/restante"), " ".join(map(shlex.quote, words)),
                   len(words) - 1)


def zsh(words):
    return ZSH % (len(words), " ".join(map(shlex.quote, words)),
                  shlex.quote(FOLDER + "/_restante"))


@pytest.fixture(params=["bash", "zsh"])
def offers(request):
    """What the shell offers for the last of the words."""
    def ask(*words):
        options = ["--norc"] if request.param == "bash" else ["-f"]
        text = {"bash": bash, "zsh": zsh}[request.param]([RESTANTE, *words])
        done = run([request.param, *options, "-c", text])
        assert done.stderr == b""
        return set(done.stdout.decode().split())
    return ask


def verbs():
    """From the screen for people: names are in lower case, two spaces before what they do."""
    names = re.findall(r"(?m)^  ([a-z]+(?: [a-z]+)?) ", run([RESTANTE, "help"]).stdout.decode())
    listed = run([RESTANTE, "help", "--list"]).stdout.decode().splitlines()
    assert names == [line.split("\t")[0] for line in listed] and len(names) > 10
    return names


def options(verb):
    """{option: whether it takes a value}, as `restante help VERB` has them."""
    said = run([RESTANTE, "help", *verb.split()]).stdout.decode()
    return {option: bool(value)
            for option, value in re.findall(r"(?m)^ +(--[a-z-]+)(?: ([A-Z]+))?  ", said)}


def test_the_first_word(offers):
    firsts = {verb.split()[0] for verb in verbs()}
    assert offers("") == offers("--json", "") == firsts | {"help"}
    assert offers("-c", "/nonexistent", "s") == {w for w in firsts if w.startswith("s")}
    assert offers("--") == GLOBAL
    assert offers("help", "") == firsts


def test_the_second_word(offers):
    for first in {verb.split()[0] for verb in verbs() if " " in verb}:
        seconds = {verb.split()[1] for verb in verbs() if verb.startswith(first + " ")}
        assert offers(first, "") == offers("help", first, "") == seconds


def test_every_option_of_every_verb(offers):
    for verb in verbs():
        assert offers(*verb.split(), "--") == set(options(verb)) | COMMON, verb
        assert offers("--json", *verb.split(), "word", "--j") == {"--json"}
        assert offers(*verb.split(), "word") == set()


def test_values(offers, tmp_path):
    (tmp_path / "secret").touch()
    for verb in verbs():
        for option, value in options(verb).items():
            assert not value or offers(*verb.split(), option, "--") == set(), (verb, option)
    begun = str(tmp_path / "sec")
    assert offers("-c", begun) == offers("--config", begun) == {begun + "ret"}
    assert offers("node", "enable", "mx1", "--password-file", begun) == {begun + "ret"}


def test_what_is_offered_is_taken():
    for verb in verbs():
        for option, value in options(verb).items():
            words = verb.split() + [option + "=1" if value else option, "--help"]
            assert run([RESTANTE, *words], check=False).returncode == 0, words
    for option in sorted(GLOBAL - {"--help", "--version"}):
        words = [option + "=/nonexistent" if option == "--config" else option, "--help"]
        assert run([RESTANTE, *words], check=False).returncode == 0, words


def test_make_installs_them(tmp_path):
    run(["make", "-s", "-C", BUILD, "install-dist_bashcompletionDATA",
         "install-dist_zshcompletionDATA", "DESTDIR=%s" % tmp_path])
    installed = {os.path.relpath(os.path.join(root, name), tmp_path).split("share/")[1]
                 for root, _, names in os.walk(tmp_path) for name in names}
    assert installed == {"bash-completion/completions/restante", "zsh/site-functions/_restante"}
