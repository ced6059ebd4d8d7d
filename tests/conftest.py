"""What all tests share, and how they are shared out when several processes run them.

Rule 1: no example of a property is late, however busy the machine is.
Rule 2: a file stays in one process, so that what its module fixtures make is made once.
Rule 3: tests with processes of their own stay together in one, and begin first: they take longest,
and a run that is measured should share the machine with tests that are not.
Rule 4: coverage is taken of the tests that are about the service. Tracing makes a rehearsal four
times as slow, and a line that only a rehearsal reaches deserves a test of its own.
"""

import pytest
from hypothesis import settings

from tests.browser import chromium

__all__ = ["chromium"]  # a fixture, for whoever asks by its name

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

COVERED = ("tests/jobs/", "tests/conformance/")
ALONE = ("tests/aws_cli/", "tests/clients/")
"""Slow, but what they start is measured by nobody."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group the tests for pytest-xdist, and say of which coverage is taken."""
    processes = {_file(item) for item in items if item.get_closest_marker("slow")}
    live = {name for name in processes if not name.startswith(ALONE)}
    for item in items:
        name = _file(item)
        item.add_marker(pytest.mark.xdist_group("processes" if name in live else name))
        if not name.startswith(COVERED):
            item.add_marker(pytest.mark.no_cover)
    items.sort(key=lambda item: (_file(item) not in live, _file(item) not in processes))


def _file(item: pytest.Item) -> str:
    return item.nodeid.split("::")[0]
