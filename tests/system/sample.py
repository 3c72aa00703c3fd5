"""The sample tree in a directory of a module's own, made anew behind each test that wants it."""

import os
import shutil

import pytest

from lab.lab import Lab
from lab.process import run


def copy(source, target):
    """Of a database: 16 GB, nearly all of it holes."""
    run(["cp", "-a", "--sparse=always", source, target])


def begin_again(slapd, sample):
    slapd.stop()
    shutil.rmtree(os.path.join(slapd.dir, "db"))
    copy(sample, os.path.join(slapd.dir, "db"))
    slapd.start()


def driver(lab, name):
    return os.path.join(lab.build, "tests/system", name)


# --- fixtures: a test imports what it needs --------------------------------------------------


@pytest.fixture(name="lab", scope="module")
def fixture_lab():
    with Lab(start=("slapd",)) as one:
        yield one


@pytest.fixture(name="sample", scope="module")
def fixture_sample(lab):
    """The database of the sample tree."""
    lab.slapd.stop()
    copy(os.path.join(lab.slapd.dir, "db"), os.path.join(lab.dir, "sample"))
    lab.slapd.start()
    return os.path.join(lab.dir, "sample")


@pytest.fixture(name="directory")
def fixture_directory(lab, sample):
    """The sample tree, and after the test it is that again."""
    yield lab.slapd
    begin_again(lab.slapd, sample)
