import json
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.animations import Animation
from pipeline.ladder import Audio, Rung, VideoSettings
from pipeline.plan import Plan, VideoPlan, needs, phase, picture_end, plan
from pipeline.probes import Probe
from pipeline.renditions import Poster, Still
from pipeline.storyboards import Preview, Storyboard
from tests.probes import FULL_HD

FILM = replace(
    FULL_HD,
    duration=30.0,
    frame_rate="30000/1001",
    has_audio=True,
    audio_codec="aac",
)
PHOTO = replace(FILM, kind="image", format="jpeg", duration=None, has_audio=False)


@dataclass(frozen=True)
class Config:
    stills: tuple[Still, ...] = (Still(name="thumbnail", width=300, height=300),)
    animation: Animation | None = field(default_factory=Animation)
    ladder: tuple[Rung, ...] = (
        Rung(name="1080p", height=1080, video=6_000_000),
        Rung(name="720p", height=720, video=3_000_000),
        Rung(name="360p", height=360, video=800_000),
    )
    audio: Audio = field(default_factory=lambda: Audio(bitrate=128_000))
    poster: Poster = field(default_factory=Poster)
    storyboard: Storyboard | None = None
    preview: Preview | None = None
    video: VideoSettings = field(default_factory=VideoSettings)


CONFIG = Config()


def video_of(probe: Probe, settings: VideoSettings | None = None) -> VideoPlan:
    made = plan(probe, Config(video=settings or VideoSettings())).video
    assert made is not None
    return made


def test_a_photo_is_one_task() -> None:
    made = plan(PHOTO, CONFIG)
    assert made.parts == ("thumbnail",)
    assert made.animation is None
    assert made.video is None


def test_an_animated_image_is_a_film_as_well() -> None:
    made = plan(replace(PHOTO, frames=12), CONFIG)
    assert made.parts == ("thumbnail", "animate")
    assert made.animation == CONFIG.animation
    assert Plan.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    assert plan(replace(PHOTO, frames=12), replace(CONFIG, animation=None)).parts == ("thumbnail",)


def test_a_short_clip_is_one_chunk() -> None:
    assert plan(FILM, CONFIG).parts == ("poster", "audio", "transcode#0000", "package")


def test_a_storyboard_and_a_preview_are_tasks_where_they_are_wanted() -> None:
    made = plan(FILM, replace(CONFIG, storyboard=Storyboard(), preview=Preview()))
    assert made.parts == ("poster", "storyboard", "preview", "audio", "transcode#0000", "package")
    assert Plan.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    assert needs("storyboard", made.parts) == {"validate"}


@pytest.mark.parametrize("silent", [{"has_audio": False}, {"audio_codec": None}])
def test_what_has_no_sound_or_none_that_can_be_decoded_has_no_audio_task(silent: dict[str, object]) -> None:
    made = plan(replace(FILM, **silent), CONFIG)  # type: ignore[arg-type]
    assert made.parts == ("poster", "transcode#0000", "package")
    assert made.video is not None
    assert made.video.audio is None


def test_an_hour_is_sixty_chunks() -> None:
    assert video_of(replace(FILM, duration=3600.0)).chunks == 60


@pytest.mark.parametrize(("duration", "chunks"), [(None, 1), (0.04, 1), (74.0, 1), (76.0, 2), (134.0, 2), (180.0, 3)])
def test_a_short_rest_is_left_to_the_last_chunk(duration: float | None, chunks: int) -> None:
    assert video_of(replace(FILM, duration=duration)).chunks == chunks


def test_a_picture_that_ends_before_its_sound_gets_no_chunks_after_its_end() -> None:
    cover = replace(FILM, duration=3600.0, video_duration=0.04, video_start=10.5, start_time=10.0)
    assert picture_end(cover) == pytest.approx(0.54)
    assert video_of(cover).chunks == 1


def test_few_keyframes_make_long_chunks() -> None:
    made = video_of(replace(FILM, duration=3600.0, keyframe_gap=60.0))
    assert float(made.seconds(made.chunk)) == pytest.approx(300.0, rel=0.01)


def test_what_is_read_from_its_start_for_every_chunk_has_few() -> None:
    made = video_of(replace(FILM, duration=3600.0, container="mpeg"))
    assert made.chunks == 4
    assert video_of(replace(FILM, duration=100.0, container="mpeg")).chunks == 2


def test_the_mp4_is_the_largest_rung_not_above_the_setting() -> None:
    assert video_of(FILM).mp4 == "720p"
    assert video_of(FILM, VideoSettings(mp4=500)).mp4 == "360p"
    assert video_of(FILM, VideoSettings(mp4=100)).mp4 == "360p"


@given(
    st.floats(0.01, 20_000),
    st.sampled_from(["24000/1001", "24", "25", "30000/1001", "30", "50", "60000/1001", "60", "15", "79/4", "1/7"]),
    st.floats(1, 300),
)
def test_chunks_are_whole_segments_that_follow_one_another(duration: float, rate: str, chunk: float) -> None:
    made = video_of(replace(FILM, duration=duration, frame_rate=rate), VideoSettings(chunk=chunk))
    assert made.segment % made.keyframe == 0
    assert made.chunk % made.segment == 0
    spans = [made.span(f"transcode#{index:04}") for index in range(made.chunks)]
    assert spans[0][0] == 0
    assert spans[-1][1] is None
    assert all(earlier[1] == later[0] for earlier, later in pairwise(spans))
    assert spans[-1][0] == 0 or made.seconds(spans[-1][0]) < duration


@pytest.mark.parametrize("probe", [FILM, PHOTO, replace(FILM, has_audio=False, duration=600.0)])
def test_a_plan_survives_json(probe: Probe) -> None:
    made = plan(probe, CONFIG)
    assert Plan.from_dict(json.loads(json.dumps(made.to_dict()))) == made


def test_a_frozen_recipe_survives_newer_settings() -> None:
    stored = plan(FILM, CONFIG).to_dict()
    stored["video"]["recipe"] = "0ldf1lm5"
    again = Plan.from_dict(stored)
    assert again.video is not None
    assert again.video.prefix == "video-0ldf1lm5/"


def test_other_settings_are_another_recipe() -> None:
    recipes = {video_of(FILM, settings).recipe for settings in (VideoSettings(), VideoSettings(crf=23))}
    assert len(recipes) == 2


def test_packaging_waits_for_all_it_joins_and_the_rest_for_the_verdict_alone() -> None:
    parts = plan(replace(FILM, duration=120.0), CONFIG).parts
    assert needs("package", parts) == {"validate", "audio", "transcode#0000", "transcode#0001"}
    assert all(needs(part, parts) == {"validate"} for part in parts if part != "package")


@pytest.mark.parametrize(
    ("late", "rate", "off"),
    [
        ("0", 25, "0"),
        ("0.021333", 25, "0.021333"),  # an encoder's delay: left out, so that no frame is shown twice
        ("0.08", 25, "0"),
        ("0.0799", 25, "0"),  # the clock of Matroska is no finer
        ("0.09", 25, "0.01"),
        ("0.7", 1, "-0.3"),  # too much sound to be left out
        ("0.03", 1, "0.03"),
    ],
)
def test_pictures_go_to_the_frame_before_them_unless_sound_would_be_lost(late: str, rate: int, off: str) -> None:
    assert phase(replace(FILM, start_time=7.0, video_start=7 + float(late)), Fraction(rate)) == Fraction(off)
