"""The manual pages say what the programs have: every setting with its default, every verb and
option, every attribute of the schema."""

import os
import re

import pytest

from lab.lab import SOURCE
from lab.process import run

BUILD = os.environ.get("RESTANTE_BUILD") or os.path.join(SOURCE, "build")


def page(name):
    with open(os.path.join(SOURCE, "man", name)) as text:
        return text.read()


def plain(text):
    """Without mdoc's macros and escapes."""
    return re.sub(r"\s+", " ", re.sub(r"(?m)^\.\S+ ?|\\&|\\", "", text))


def settings_of_page():
    """{section: {key: default}}; a default in words is None."""
    found, section = {}, None
    for line in page("restante.conf.5").splitlines():
        heading = re.match(r"\.S([sh]) (\S+)", line)
        if heading:
            section = heading.group(2) if heading.group(1) == "s" else None
        item = re.match(r"\.It Cm (\S+) No = (.*)", line)
        if item and section:
            default = re.match(r"Li (.*)", item.group(2))
            value = default.group(1).replace(r"\(dq", '"') if default else None
            keys = found.setdefault(section, {})
            assert item.group(1) not in keys
            keys[item.group(1)] = "" if value == '""' else value
    return found


def settings_of_program(tmp_path):
    conf = tmp_path / "empty.conf"
    conf.write_text("system NAME { }\nup NAME { }\ndown NAME { }\nscenario NAME { }\nactions NAME { }\n")
    dump = run([os.path.join(BUILD, "restante-milter"), "-c", str(conf), "--dump-config"])
    found, section = {}, None
    for line in dump.stdout.decode().splitlines():
        if line.endswith(" {"):
            section = found.setdefault(line.split()[0], {})
        elif "=" in line:
            key, value = line.strip().split(" = ", 1)
            section[key] = value.strip('"')
    return found


def test_every_setting_with_its_default(tmp_path):
    written, real = settings_of_page(), settings_of_program(tmp_path)
    assert {s: list(keys) for s, keys in written.items()} == {
        s: list(keys) for s, keys in real.items()}
    for section, keys in written.items():
        for key, default in keys.items():
            if default is None:
                continue
            value = real[section][key]
            # directories are those of the build
            same = value.endswith(re.sub(r"^/(run|var)", "", default)) if "/" in default \
                and default.startswith(("/run/", "/var/lib")) else value == default
            assert same, (section, key, default, value)


def fixed_keys(source, section):
    """Those of config_table.c that a reload does not take over."""
    block = re.search(r"%s_keys\[\] = \{(.*?)\n\};" % section, source, re.S).group(1)
    return {key for key, rest in re.findall(
        r"KEY\(%s, (\w+),(.*?)(?=\{ KEY|\Z)" % section, block, re.S) if "reloadable" not in rest}


def test_settings_that_need_a_restart():
    source = ""
    for name in ("config_table.c", "config_table_control.c"):
        with open(os.path.join(SOURCE, "lib", name)) as table:
            source += table.read()
    text = page("restante.conf.5")
    reloading = plain(text[text.index(".Sh RELOADING"):text.index(".Sh FILES")])
    for section in ("milter", "dirsync", "control"):
        named = re.search(r"; of %s : ([\w, ]+?)(?=;|\.| Sections)" % section, reloading).group(1)
        assert set(re.findall(r"\w+", named)) - {"and"} == fixed_keys(source, section), section
    for section in ("system", "up", "down", "scenario", "actions"):
        block = re.search(r"%s_keys\[\] = \{(.*?)\n\};" % section, source, re.S).group(1)
        assert block.count("KEY(") == block.count("reloadable = true"), section
    block = re.search(r"ldap_keys\[\] = \{(.*?)\n\};", source, re.S).group(1)
    assert "reloadable" not in block and "all of ldap" in reloading


def test_every_verb_and_option():
    text = plain(page("restante.1"))
    program = os.path.join(BUILD, "restante")
    verbs = re.findall(r"(?m)^  (\w+(?: \w+)?)  +\S", run([program, "help"]).stdout.decode())
    assert len(verbs) >= 15
    for verb in verbs:
        assert re.search(r"\b(Cm )?%s\b" % verb, text), verb
        said = run([program, "help"] + verb.split()).stdout.decode()
        for option in re.findall(r"--([a-z-]+)", said):
            assert "Fl -" + option in text or "-" + option in text, (verb, option)


def test_every_check_of_doctor():
    """docs/doctor.md has a row for each."""
    with open(os.path.join(SOURCE, "docs", "doctor.md")) as text:
        rows = re.findall(r"(?m)^\| (`\w+\.[^|]*) \|", text.read())
    written = [name for row in rows for name in re.findall(r"`([a-z]+\.[a-z-]+)`", row)]
    said = run([os.path.join(BUILD, "restante"), "doctor", "--list"]).stdout.decode()
    assert sorted(written) == sorted(line.split()[0] for line in said.splitlines())


@pytest.mark.parametrize("daemon", ["restante-milter", "restante-dirsync", "restante-control"])
def test_every_option_of_the_daemon(daemon):
    text = page(daemon + ".8")
    said = run([os.path.join(BUILD, daemon), "--help"]).stdout.decode()
    options = set(re.findall(r"--([a-z-]+)", said))
    assert {"config", "check", "dump-config", "version"} <= options
    for option in options:
        assert "Fl -" + option in text, option


def test_every_exit_status_of_the_controller():
    with open(os.path.join(SOURCE, "control", "control.h")) as header:
        codes = re.findall(r"CONTROL_EXIT_\w+ = (\d+)", header.read())
    text = page("restante-control.8")
    written = re.search(r"\.Sh EXIT STATUS(.*?)\.Sh ", text, re.S).group(1)
    assert len(codes) >= 6 and re.findall(r"(?m)^\.It (\d+)$", written) == codes


def test_every_state_of_a_move():
    """Those that the controller enters."""
    with open(os.path.join(SOURCE, "lib", "move.h")) as header:
        states = dict(re.findall(r"(MOVE_\w+) = (\d+)", header.read()))
    entered = set()
    for name in ("machine_forward.c", "machine_finished.c"):
        with open(os.path.join(SOURCE, "control", name)) as source:
            entered |= {states[state] for state in re.findall(
                r"decide_enter\(q, (MOVE_\w+)\)", source.read())}
    text = page("restante-control.8")
    written = re.search(r"\.Ss A move(.*?)\.Pp\n", text, re.S).group(1)
    assert re.findall(r"[Ss]tate (\d+)", written) == sorted(entered, key=int)


def test_every_metric_of_the_controller():
    with open(os.path.join(SOURCE, "control", "exposition.c")) as source:
        names = re.findall(r'"((?:restante_control|process)_\w+)"', source.read())
    with open(os.path.join(SOURCE, "docs", "moves.md")) as text:
        assert sorted(names) == sorted(re.findall(
            r"(?m)^\| `((?:restante_control|process)_\w+)", text.read()))


def log_formats():
    """Every format of a log line, its pieces joined: [(subsystem, format)]; of one that is put
    together (log_put) the pieces, the one that begins it first."""
    found = []
    for folder in ("lib", "directory", "queue", "milter", "control"):
        for name in sorted(os.listdir(os.path.join(SOURCE, folder))):
            if not name.endswith(".c"):
                continue
            with open(os.path.join(SOURCE, folder, name)) as source:
                text = re.sub(r'(?<!\\)"\s*(PRI[a-z]\d+\s*)?"', "", source.read())
            found += re.findall(r'\(\s*"([a-z]+)",\s*"((?:[^"\\]|\\.)*)"', text)
            pieces = sorted(re.findall(r'\(line, "([^"]*)"', text), key=lambda p: p[0] == " ")
            found += [(subsystem, "".join(pieces))
                      for subsystem in re.findall(r'log_put\(\w+, "([a-z]+)"', text)]
            # lines about a move (control/run.c)
            found += [("control", what + " id=%s move=%s")
                      for what in re.findall(r'\breport\(r, \w+, "([^"]+)"', text)]
    return found


@pytest.mark.parametrize("daemon", ["restante-milter", "restante-control"])
def test_every_log_line_of_the_page(daemon):
    lines = re.findall(r'(?m)^\.It Li "(\w+): (.*)"$', page(daemon + ".8"))
    assert len(lines) >= 7
    formats = log_formats()
    for subsystem, line in lines:
        # "..." stands for what administrators read in the log itself
        words = re.match(r"[^=]*?(?=\S+=)", line).group(0).split("...")[0].strip()
        keys = re.findall(r"(\S+)=", line)
        assert any(subsystem == where and form.startswith(words) and all(
            re.search(r"(^| )%s=" % key, form) for key in keys) for where, form in formats), line


def test_every_attribute_of_the_schema():
    with open(os.path.join(SOURCE, "ldap-schema", "restante.schema")) as schema:
        names = re.findall(r"NAME '(restante\w+)'", schema.read())
    text = page("restante-schema.5")
    assert len(names) > 50
    for name in names:
        assert re.search(r"\b%s\b" % name, text), name
    for name in set(re.findall(r"\brestante[A-Z]\w+", text)):
        assert name in names, name


@pytest.mark.parametrize("command", [
    "route", "status", "queue.list", "queue.show", "queue.cat", "queue.release", "queue.delete",
    "queue.bounce", "queue.redirect",
    "queue.stats", "node.approve", "reload"])
def test_commands_of_the_control_socket(command):
    with open(os.path.join(SOURCE, "docs", "control.md")) as text:
        assert "| `%s` |" % command in text.read()
    with open(os.path.join(SOURCE, "milter", "commands.c")) as source:
        assert '{ "%s", ' % command in source.read()
    assert re.search(r"\b%s\b" % re.escape(command), page("restante-milter.8"))


@pytest.mark.parametrize("folder, described", [
    ("milter", "control.md"), ("dirsync", "sync.md"), ("control", "moves.md")])
def test_no_command_is_left_out(folder, described):
    with open(os.path.join(SOURCE, folder, "commands.c")) as source:
        table = re.search(r"commands\[\] = \{(.*?)\n\};", source.read(), re.S).group(1)
    named = set(re.findall(r'\{ "([a-z.]+)"', table))
    with open(os.path.join(SOURCE, "docs", described)) as text:
        assert named == set(re.findall(r"(?m)^\| `([a-z.]+)` \|", text.read()))
    if folder == "dirsync":
        text = page("restante-dirsync.8")
        assert named == set(re.findall(r"\w+", plain(re.search(
            r"The commands are(.*?)describes", text, re.S).group(1)))) - {"and", "sync", "md"}
