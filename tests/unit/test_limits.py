from dataclasses import replace
from typing import Any

import pytest

from pipeline.limits import REASONS, Accepted, Limits, Rejected, exhausts, judge, reject
from pipeline.probes import Probe
from tests.unit.test_probes import FILM, PHOTO

LIMITS = Limits(
    bytes=10**7,
    pixels=4 * 10**6,
    side=3000,
    frames=100,
    animation=4 * 10**7,
    duration=60.0,
    streams=4,
    accept=frozenset({"image/jpeg", "image/gif", "video/quicktime"}),
)


@pytest.mark.parametrize("probe", [PHOTO, FILM])
def test_what_keeps_within_the_limits_is_accepted(probe: Probe) -> None:
    assert judge(probe, LIMITS) == Accepted()


@pytest.mark.parametrize(
    ("probe", "facts", "reason"),
    [
        (PHOTO, {"mime_type": "image/x-icon"}, "type_not_accepted"),
        (PHOTO, {"bytes": 10**7 + 1}, "bytes_exceeded"),
        (PHOTO, {"coded_width": 2001, "coded_height": 2000}, "pixels_exceeded"),
        (PHOTO, {"width": 3001, "height": 10}, "side_exceeded"),
        (PHOTO, {"frames": 101}, "frames_exceeded"),
        (PHOTO, {"frames": 21, "coded_width": 2000, "coded_height": 1000}, "frames_exceeded"),
        (FILM, {"streams": 5}, "streams_exceeded"),
        (FILM, {"duration": 60.1}, "duration_exceeded"),
        (FILM, {"width": 2900, "height": 2900}, "pixels_exceeded"),
    ],
)
def test_each_limit_has_its_reason(probe: Probe, facts: dict[str, Any], reason: str) -> None:
    assert judge(replace(probe, **facts), LIMITS) == reject(reason)


def test_a_limit_itself_is_still_allowed() -> None:
    most = replace(PHOTO, bytes=10**7, frames=20, coded_width=2000, coded_height=1000)
    assert judge(most, LIMITS) == Accepted()


def test_a_video_has_more_frames_than_an_animation_may() -> None:
    assert judge(replace(FILM, frames=10**5), LIMITS) == Accepted()


def test_one_frame_exhausts_nothing() -> None:
    assert not exhausts(1, 10**9, LIMITS)


def test_every_reason_has_a_sentence_for_the_public() -> None:
    for reason, sentence in REASONS.items():
        assert reject(reason) == Rejected(reason, sentence)
        assert sentence.endswith(".")
    with pytest.raises(KeyError):
        reject("made_up")
