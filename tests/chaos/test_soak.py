"""The nemesis run in its short form; `make soak MINUTES=n` is the long one."""

from pathlib import Path

import pytest

from tests.chaos.soak import SHORT, Terms, soak
from tests.telling import Tell

LEAST_ACCEPTED = 10
"""Uploads; with fewer, everything was down all the time, and nothing was shown."""


@pytest.mark.timeout(900)
def test_whatever_dies_every_accepted_upload_settles_once(tmp_path: Path, tell: Tell) -> None:
    report = soak(tmp_path, Terms(SHORT, "suite"))
    shown = "\n".join(report.lines())
    assert report.failures == [], shown
    assert len(report.entries) >= LEAST_ACCEPTED, shown
    tell(shown)
