"""What every test has: the real servers as fixtures, and log lines as they are written in production."""

import pytest
from PIL import Image

from pipeline.adapters import logs

pytest_plugins = [
    "tests.fetching",
    "tests.backends",
    "tests.frontdoor",
    "tests.interruptions",
    "tests.pacing",
    "tests.telling",
]


@pytest.fixture(autouse=True, scope="session")
def _logs() -> None:
    logs.configure(json=True, role="test")


@pytest.fixture(autouse=True)
def _pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put back afterwards the bound that a test sets for the whole process, as a child does."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
