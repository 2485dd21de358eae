"""How far a media is, from what its tasks report."""

from dataclasses import replace

import pytest

from ops.status import told
from pipeline.media import Media, Status
from pipeline.plan import plan
from pipeline.progress import Progress, Report, overall
from tests.unit.test_plan import CONFIG, FILM, PHOTO
from tests.world import new_media

HOUR = replace(FILM, duration=3600.0)


def media(*done: str) -> Media:
    planned = plan(HOUR, CONFIG).to_dict()
    facts = {"status": Status.PROCESSING, "probe": HOUR.to_dict(), "plan": planned, "done": frozenset(done)}
    return replace(new_media(), **facts)  # type: ignore[arg-type]


def test_nothing_is_done_before_there_is_a_plan() -> None:
    assert overall(new_media(), {}) == Progress(0.0)


def test_what_is_settled_is_done() -> None:
    assert overall(replace(media(), status=Status.FAILED), {"audio": Report(0.5, 2.0)}) == Progress(1.0)


def test_chunks_count_by_their_length_and_running_ones_by_what_they_report() -> None:
    chunks = [f"transcode#{index:04}" for index in range(60)]
    assert overall(media(), {}).fraction == 0
    thirty = overall(media(*chunks[:30]), {}).fraction
    assert thirty == pytest.approx(0.5, abs=0.05)
    more = overall(media(*chunks[:30]), {chunks[30]: Report(0.5), chunks[0]: Report(0.1)}).fraction
    assert more - thirty == pytest.approx(0.5 / 60, rel=0.1)
    assert overall(media("validate", *plan(HOUR, CONFIG).parts), {}).fraction == 1


def test_speeds_of_running_chunks_add_up_and_say_what_is_left() -> None:
    reports = {"transcode#0000": Report(0.5, 2.0), "transcode#0001": Report(0.5, 3.0), "audio": Report(0.2)}
    progress = overall(media(), reports)
    assert progress.speed == 5.0
    assert progress.left == pytest.approx((3600 - 60) / 5, rel=0.1)


def test_a_chunk_that_is_done_has_no_speed_any_more() -> None:
    assert overall(media("transcode#0000"), {"transcode#0000": Report(1.0, 2.0)}).speed is None


def test_the_tasks_of_a_photo_count_alike() -> None:
    facts = {"status": Status.PROCESSING, "probe": PHOTO.to_dict(), "plan": plan(PHOTO, CONFIG).to_dict()}
    photo = replace(new_media(), **facts, done=frozenset({"validate"}))  # type: ignore[arg-type]
    assert overall(photo, {}).fraction == 0.5


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (Progress(0.0), "0%"),
        (Progress(0.42, 3.14159, 90.4), "42%, 3.1x, 0:01:30 left"),
    ],
)
def test_a_person_is_told_percent_speed_and_time(progress: Progress, text: str) -> None:
    assert told(progress) == text
