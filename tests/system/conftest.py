"""Fixtures of the system tests: labs with just the servers that a test needs."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from lab.lab import Lab  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes minutes; ./check --long runs it")


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="run the tests marked long, too")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--long"):
        return
    long_ones = [item for item in items if item.get_closest_marker("long")]
    if long_ones:
        config.hook.pytest_deselected(items=long_ones)
        items[:] = [item for item in items if item not in long_ones]


@pytest.fixture(scope="module")
def directory():
    """slapd alone, for tests that leave the sample tree as they found it."""
    with Lab(start=("slapd",)) as lab:
        yield lab.slapd


@pytest.fixture(scope="module")
def lab():
    """All servers, one lab for the tests of a module."""
    with Lab() as whole:
        yield whole
