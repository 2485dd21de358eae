import json

import pytest

from pipeline.probes import Probe

PHOTO = Probe(
    kind="image",
    format="jpeg",
    mime_type="image/jpeg",
    codec="jpeg",
    bytes=1000,
    width=300,
    height=400,
    coded_width=400,
    coded_height=300,
    orientation=6,
)
FILM = Probe(
    kind="video",
    format="mov",
    mime_type="video/quicktime",
    codec="hevc",
    bytes=10**6,
    width=1080,
    height=1920,
    coded_width=1920,
    coded_height=1080,
    orientation=90,
    frames=300,
    container="mov,mp4,m4a,3gp,3g2,mj2",
    streams=2,
    duration=10.01,
    video_duration=10.0,
    frame_rate="30000/1001",
    has_audio=True,
    audio_stream=1,
    colour_transfer="arib-std-b67",
    discontinuities=((496_696, 540_000), (993_392, -8_456_400)),
    audio_discontinuities=((498_952, 540_000), (995_648, -8_456_400)),
)


@pytest.mark.parametrize("probe", [PHOTO, FILM])
def test_a_probe_survives_json(probe: Probe) -> None:
    assert Probe.from_dict(json.loads(json.dumps(probe.to_dict()))) == probe


def test_names_are_camel_case_and_the_rate_is_a_number() -> None:
    facts = FILM.to_dict()
    assert facts["mimeType"] == "video/quicktime"
    assert facts["hasAudio"] is True
    assert facts["frameRate"] == 29.97
    assert facts["frameRateExact"] == "30000/1001"


def test_what_is_unknown_is_left_out() -> None:
    assert not {"duration", "frameRate", "frameRateExact", "audioStream"} & set(PHOTO.to_dict())


def test_facts_of_a_newer_release_are_skipped() -> None:
    assert Probe.from_dict({**PHOTO.to_dict(), "mood": "blue"}) == PHOTO
