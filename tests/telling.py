"""A way for a test to tell what it counted: printed at the end of the run, whichever process ran it."""

from collections.abc import Callable

import pytest

Tell = Callable[[str], None]

_TOLD = "told"


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    """Say something for the end of the run's output."""
    return lambda text: record_property(_TOLD, text)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what passed tests have told."""
    for report in terminalreporter.getreports("passed"):
        for name, text in report.user_properties:
            if name == _TOLD:
                terminalreporter.write_line(str(text))
