"""`advance` and `owed`: the table of media transitions, line by line."""

from dataclasses import replace

import pytest

from pipeline.events import Aborted, Deleted, Died, Event, Made, Redriven, Refused, Stored, Validated
from pipeline.keys import originals
from pipeline.lifecycle import MOST_INSERTS, Site, admits, advance, owed, quiet_at
from pipeline.media import Media, Output, Status
from pipeline.rows import media_row
from tests.world import new_media

SITE = Site(lambda key: f"https://cdn.test/{key}")
NOW = 1_700_000_000_000
PLAN = {"parts": ["poster", "audio", "transcode#0000", "transcode#0001", "package"], "recipe": "0123abcd"}


def output(key: str) -> Output:
    return Output(key=key, mime_type="image/jpeg", bytes=10, etag='"e"', width=3, height=2)


def processing(done: set[str] | None = None, **facts: object) -> Media:
    base = replace(new_media(), status=Status.PROCESSING, etag='"o"', size=100, plan=PLAN, recipe="0123abcd")
    return replace(base, done=frozenset({"validate"} | (done or set())), **facts)  # type: ignore[arg-type]


def step(media: Media, event: Event) -> tuple[Media, tuple[str, ...], tuple[str, ...]]:
    made = advance(media, event, NOW, SITE)
    assert made is not None
    return made.media, made.insert, made.arm


def test_a_stored_upload_owes_its_validation() -> None:
    media, insert, arm = step(new_media(), Stored(100, '"o"', "crc"))
    assert (media.status, media.size, media.etag, media.checksum) == (Status.UPLOADED, 100, '"o"', "crc")
    assert media.urls == {"original": media.s3_url}
    assert (insert, arm) == (("validate",), ())
    assert media.version == 2


def test_originals_are_published_only_where_the_site_does() -> None:
    made = advance(new_media(), Stored(100, '"o"'), NOW, replace(SITE, originals=False))
    assert made is not None
    assert made.media.urls == {}


def test_an_aborted_upload_is_purged_and_announced() -> None:
    media, insert, arm = step(new_media(), Aborted("too_large", "Too large."))
    assert (media.status, media.reason, media.settled_at) == (Status.FAILED, "upload_too_large", NOW)
    assert (insert, arm) == (("record#failed#0",), ("purge",))


def test_validation_owes_everything_that_needs_nothing_else() -> None:
    uploaded = replace(new_media(), status=Status.UPLOADED)
    media, insert, arm = step(uploaded, Validated({"kind": "video"}, PLAN))
    assert media.status is Status.PROCESSING
    assert insert == ("poster", "audio", "transcode#0000", "transcode#0001")
    assert arm == ()


def test_a_plan_too_long_for_one_transaction_arms_spread_for_the_rest() -> None:
    chunks = [f"transcode#{number:04}" for number in range(150)]
    uploaded = replace(new_media(), status=Status.UPLOADED)
    _, insert, arm = step(uploaded, Validated({}, {"parts": [*chunks, "package"], "recipe": "r"}))
    assert insert == tuple(chunks[:MOST_INSERTS])
    assert arm == ("spread",)


def test_a_refused_file_is_rejected_and_purged() -> None:
    uploaded = replace(new_media(), status=Status.UPLOADED, urls={"original": "u"})
    media, insert, arm = step(uploaded, Refused("pixels_exceeded", "Too many."))
    assert (media.status, media.reason, media.urls) == (Status.REJECTED, "pixels_exceeded", {})
    assert (insert, arm) == (("record#rejected#0",), ("purge",))


def test_the_last_chunk_owes_the_package_once() -> None:
    before = processing({"poster", "audio", "transcode#0000"})
    media, insert, _ = step(before, Made("transcode#0001"))
    assert insert == ("package",)
    assert media.status is Status.PROCESSING
    _, insert, _ = step(processing({"audio", "transcode#0000", "transcode#0001"}), Made("poster"))
    assert insert == ()  # the package is owed already


def test_the_last_commit_makes_it_ready_with_every_url() -> None:
    before = processing({"poster", "audio", "transcode#0000", "transcode#0001"}, urls={"original": "u"})
    before = replace(before, renditions={"poster": output("k/poster.jpg")})
    media, insert, arm = step(before, Made("package", {"hls": output("k/hls.m3u8")}))
    assert media.status is Status.READY
    assert media.urls == {
        "original": "u",
        "poster": "https://cdn.test/k/poster.jpg",
        "hls": "https://cdn.test/k/hls.m3u8",
    }
    assert media.ready_bytes == 120
    assert (insert, arm) == (("record#ready#0",), ())


def test_a_part_that_counted_does_not_count_again() -> None:
    assert advance(processing({"poster"}), Made("poster"), NOW, SITE) is None


def test_a_dead_part_fails_the_media_once() -> None:
    media, insert, arm = step(processing(), Died("audio", "crashed", "Stopped."))
    assert (media.status, media.reason, insert, arm) == (Status.FAILED, "crashed", ("record#failed#0",), ())
    again = advance(media, Died("poster", "crashed", "Stopped."), NOW, SITE)
    assert again is not None
    assert again.media == media
    assert again.insert == ()


def test_the_death_of_the_outbox_never_touches_the_media() -> None:
    ready = processing(status=Status.READY)
    made = advance(ready, Died("record#ready#0", "exhausted", ""), NOW, SITE)
    assert made is not None
    assert made.media == ready


def test_a_sibling_that_wins_against_the_failure_keeps_its_facts_for_a_redrive() -> None:
    failed = replace(processing(), status=Status.FAILED, reason="crashed")
    media, insert, arm = step(failed, Made("poster", {"poster": output("k/poster.jpg")}))
    assert media.status is Status.FAILED
    assert "poster" in media.done
    assert media.renditions["poster"].key == "k/poster.jpg"
    assert (media.urls, insert, arm) == ({}, (), ())


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.DELETED])
def test_everything_can_be_deleted(status: Status) -> None:
    media, insert, arm = step(processing(status=status), Deleted())
    assert (media.status, media.position) == (Status.DELETED, None)
    assert (insert, arm) == (("record#deleted#0",), ("purge",))
    assert (media.original_name, media.urls, media.renditions, media.probe) == ("", {}, {}, None)
    assert "ferien" not in str(media_row(media)).lower()
    assert media.s3_key == originals(media.project_id, media.id)
    assert advance(media, Deleted(), NOW, SITE) is None


def test_a_redrive_starts_a_round_where_the_plan_stands() -> None:
    failed = replace(processing({"poster"}), status=Status.FAILED, reason="crashed", settled_at=NOW)
    media, insert, arm = step(failed, Redriven())
    assert (media.status, media.round, media.reason, media.settled_at) == (Status.PROCESSING, 1, None, None)
    assert (insert, arm) == ((), ("spread",))
    media, _, _ = step(replace(failed, plan=None), Redriven())
    assert media.status is Status.UPLOADED


@pytest.mark.parametrize(
    "media",
    [
        new_media(),
        processing(),
        processing(status=Status.READY),
        processing(status=Status.REJECTED),
        processing(status=Status.DELETED),
        processing(status=Status.FAILED, reason="upload_aborted"),
        processing(status=Status.FAILED, etag=None),
    ],
    ids=lambda media: f"{media.status}-{media.reason}",
)
def test_nothing_else_can_be_redriven(media: Media) -> None:
    assert advance(media, Redriven(), NOW, SITE) is None


@pytest.mark.parametrize("status", [Status.UPLOADING, Status.READY, Status.REJECTED, Status.DELETED])
def test_late_outcomes_are_not_wanted(status: Status) -> None:
    media = processing(status=status)
    assert advance(media, Validated({}, PLAN), NOW, SITE) is None
    assert advance(media, Refused("r", "e"), NOW, SITE) is None
    assert advance(media, Made("poster"), NOW, SITE) is None
    if status is not Status.UPLOADING:
        assert advance(media, Stored(1, "e"), NOW, SITE) is None
        assert advance(media, Aborted("r", "e"), NOW, SITE) is None


def test_what_is_owed_is_admitted_and_what_is_not_is_not() -> None:
    media = processing({"poster"})
    assert owed(media) == ("audio", "transcode#0000", "transcode#0001")
    assert all(admits(media, key) for key in owed(media))
    assert not any(admits(media, key) for key in ("poster", "package", "upload", "validate", "purge"))
    assert admits(media, "spread")
    assert admits(media, "record#ready#0")
    assert admits(replace(media, status=Status.DELETED), "purge")
    assert admits(replace(media, status=Status.FAILED, reason="upload_aborted"), "purge")
    assert not admits(replace(media, status=Status.FAILED, reason="crashed"), "purge")


def test_a_purge_is_final_only_after_every_holder_and_grant() -> None:
    media = replace(new_media(), settled_at=NOW)
    assert quiet_at(media, 100_000) == NOW + 100_000
    assert quiet_at(replace(media, grant_until=NOW + 900_000), 100_000) == NOW + 900_000
