"""Records and rows: camelCase outside, snake_case inside, nothing lost between."""

from dataclasses import replace

from pipeline.media import Media, Output, Status
from pipeline.rows import media_of, media_row, public
from tests.world import new_media

CONSUMED = {
    "id", "projectId", "originalName", "fileName", "fileType", "mimeType", "s3Key", "s3Url", "size", "uploadDate",
    "position", "urls",
}  # fmt: skip


def ready() -> Media:
    output = Output(key="k", mime_type="image/jpeg", bytes=9, etag='"e"', width=3, height=2)
    plan = {"parts": ["thumbnail"], "recipe": "r"}
    done = frozenset({"validate", "thumbnail"})
    base = replace(new_media(), status=Status.READY, renditions={"thumbnail": output}, plan=plan, done=done, recipe="r")
    return replace(base, settled_at=5, ready_bytes=9, urls={"original": "u", "thumbnail": "t"}, size=4)


def test_a_record_survives_its_row() -> None:
    for media in (new_media(), ready(), replace(ready(), position=None, adopted=True, round=2)):
        assert media_of(media_row(media)) == media


def test_existing_consumers_find_their_attributes_from_the_first_write_on() -> None:
    assert media_row(new_media()).keys() >= CONSUMED


def test_the_public_view_leaves_out_the_books() -> None:
    assert not public(ready()).keys() & {"plan", "done", "round", "adopted", "grantUntil", "readyBytes"}
    assert public(ready())["renditions"]["thumbnail"]["mimeType"] == "image/jpeg"


def test_empty_sets_and_nothing_are_absent() -> None:
    row = media_row(new_media())
    assert not row.keys() & {"done", "reason", "settledAt", "adopted", "plan"}
