"""What every test has: the real servers as fixtures, and log lines as they are written in production."""

import pytest

from pipeline.adapters import logs

pytest_plugins = ["tests.backends", "tests.frontdoor", "tests.telling"]


@pytest.fixture(autouse=True, scope="session")
def _logs() -> None:
    logs.configure(json=True, role="test")
