"""How a run of all tests takes little time: one process more than there are cores, and what takes long begun first."""

import os
from collections.abc import Sequence

import pytest

LONG = (
    "tests/chaos/test_crashpoints.py",
    "tests/chaos/test_soak.py",
    "tests/e2e/test_kills.py",
    "tests/chaos/",
    "tests/model/",
    "tests/unit/test_transcoding.py",
    "tests/unit/test_corpus.py",
)
"""Files that take minutes, the longest first: processes are given whole files in this order, then in that of the paths.

A process is given the next file with the last two tests of the one before, and keeps it: what comes behind the few
tests that take minutes each had better be short.
"""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Some tests wait, for a lease or for a server: another process uses the processor meanwhile."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by files alone: within one of them the order is as it was."""
    items.sort(key=lambda item: _rank(item.nodeid, LONG))


def _rank(test: str, first: Sequence[str]) -> int:
    return next((rank for rank, path in enumerate(first) if test.startswith(path)), len(first))
