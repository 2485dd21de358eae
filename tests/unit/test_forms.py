"""Forms as they come over the wire: in any cut, with anything in them."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ingest import forms
from ingest.forms import Event, Field, FileBegin, FileData, FormParser, boundary_of
from ingest.problems import ProblemError
from ingest.submissions import Form, Submission
from tests.multipart import BOUNDARY, CONTENT_TYPE, PNG, field, file, form

KIND = (("content-type", "image/png"),)
DELIMITER = b"\r\n--" + BOUNDARY
LOOK_ALIKES = st.lists(
    st.sampled_from([DELIMITER[:-1], DELIMITER + b"-", DELIMITER + b"X", b"\r\n--", b"\r\n", b"\r", b"--", b"\n", b"x"])
    | st.binary(max_size=20),
    max_size=12,
).map(b"".join)


def pieces(body: bytes, cuts: Iterable[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    return [body[start:end] for start, end in pairwise(places)]


def parsed(chunks: Iterable[bytes]) -> tuple[list[Event], bytes, bool]:
    """The events but for the file's data, that data, and whether the form was whole."""
    parser = FormParser(BOUNDARY)
    events = [event for chunk in chunks for event in parser.feed(chunk)]
    data = b"".join(event.view for event in events if isinstance(event, FileData))
    return [event for event in events if not isinstance(event, FileData)], data, parser.whole


def taken(chunks: Iterable[bytes], project_id: str | None = None) -> tuple[Submission, bytes]:
    """What an upload of this body is understood as."""

    async def body() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    async def read() -> tuple[Submission, bytes]:
        reader = Form(body(), FormParser(BOUNDARY), project_id)
        submission = await reader.open()
        return submission, b"".join([bytes(view) async for view in reader.file()])

    return asyncio.run(read())


def refused(parts: Iterable[bytes], project_id: str | None = None, *, closed: bool = True) -> str:
    with pytest.raises(ProblemError) as caught:
        taken([form(parts, closed=closed)], project_id)
    return caught.value.code


def test_any_cut_of_a_form_means_the_same() -> None:
    body = form([field("projectId", "p-1"), file(PNG + b"\r\n--" + BOUNDARY[:5], "ä.png"), field("x", "y")])
    expected = (
        [Field("projectId", "p-1"), FileBegin("file", "ä.png", KIND), Field("x", "y")],
        PNG + b"\r\n--" + BOUNDARY[:5],
        True,
    )
    assert parsed([body]) == expected
    for cut in range(len(body)):
        assert parsed([body[:cut], body[cut:]]) == expected, cut
    assert parsed(body[at : at + 1] for at in range(len(body))) == expected


@given(LOOK_ALIKES, st.lists(st.integers(min_value=0), max_size=8))
def test_files_that_look_like_boundaries_arrive_unchanged(content: bytes, cuts: list[int]) -> None:
    assume(not re.search(re.escape(DELIMITER) + rb"(--|[ \t]|\r\n)", b"\r\n" + content + b"\r\n"))
    body = form([field("projectId", "p"), file(content)])
    events, data, whole = parsed(pieces(body, cuts))
    assert data == content
    assert whole
    assert events == [Field("projectId", "p"), FileBegin("file", "a.png", KIND)]


@given(st.integers(min_value=0))
def test_a_truncated_form_is_never_taken_for_a_whole_one(cut: int) -> None:
    body = form([field("projectId", "p"), file(PNG + b"x" * 50)])
    end = len(body) - len(b"\r\n")  # the line end after the closing boundary may be missing
    with pytest.raises(ProblemError) as caught:
        taken([body[: cut % end]])
    assert caught.value.code in {"form_truncated", "file_empty", "no_file"}


@given(st.lists(st.binary(max_size=60) | st.sampled_from([DELIMITER, b"\r\n", DELIMITER + b"--"]), max_size=8))
def test_no_bytes_break_the_parser(chunks: list[bytes]) -> None:
    parser = FormParser(BOUNDARY)
    with suppress(ProblemError):
        for chunk in chunks:
            parser.feed(chunk)


def test_names_come_from_the_field_or_the_file() -> None:
    project, named = field("projectId", "p1"), field("fileName", "mine.png")
    assert taken([form([project, file(PNG)])]) == (Submission("p1", "a.png", "file", KIND), PNG)
    assert taken([form([project, named, file(PNG)])])[0].original_name == "mine.png"
    assert taken([form([file(PNG)])], "p2")[0].project_id == "p2"
    assert taken([form([project, file(PNG)])], "p1")[0].project_id == "p1"
    assert taken([form([project, file(PNG, 'a\\"b.png')])])[0].original_name == 'a"b.png'
    assert taken([form([project, file(PNG, "x" * 10_000)])])[0].original_name == "x" * 10_000
    assert taken([form([file(PNG), project])], "p1")[0].project_id == "p1"


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([], "no_file"),
        ([field("projectId", "p")], "no_file"),
        ([field("projectId", "p"), file(b"", "")], "no_file"),
        ([field("projectId", "p"), file(b"")], "file_empty"),
        ([file(PNG)], "project_id_missing"),
        ([file(PNG), field("projectId", "p")], "project_id_after_file"),
        ([field("projectId", "a/b"), file(PNG)], "project_id_invalid"),
        ([field("projectId", "a\n"), file(PNG)], "project_id_invalid"),
        ([field("projectId", ""), file(PNG)], "project_id_invalid"),
        ([field("projectId", "a"), field("projectId", "b"), file(PNG)], "project_id_conflict"),
        ([field("projectId", "a"), file(PNG), field("projectId", "b")], "project_id_conflict"),
        ([field("projectId", "p"), file(PNG), file(PNG)], "two_files"),
        ([field("projectId", "p"), file(PNG, field_name="photo")], "unexpected_file"),
        ([field("projectId", "p"), file(PNG), file(PNG, field_name="photo")], "unexpected_file"),
        ([field(str(n), "x") for n in range(forms.MOST_PARTS)] + [file(PNG)], "too_many_fields"),
        ([field("projectId", "p" * (forms.LONGEST_FIELD + 1))], "field_too_large"),
        ([field("projectId", "p"), file(PNG, "x" * 20_000)], "malformed_form"),
        ([b"X-Other: 1\r\n\r\nx"], "malformed_form"),
        ([b"Content-Disposition: form-data\r\n\r\nx"], "malformed_form"),
        ([b"no header at all"], "malformed_form"),
        ([b"\r\n".join(b"X-%d: 1" % n for n in range(20)) + b"\r\n\r\nx"], "malformed_form"),
    ],
)
def test_forms_that_are_no_upload_are_refused(parts: list[bytes], code: str) -> None:
    assert refused(parts) == code


def test_a_form_without_its_closing_boundary_is_truncated() -> None:
    assert refused([field("projectId", "p"), file(PNG)], closed=False) == "form_truncated"


def test_what_follows_the_form_is_bounded() -> None:
    body = form([file(PNG)])
    assert taken([body, b"epilogue"], "p")[1] == PNG
    with pytest.raises(ProblemError):
        taken([body, *[b"x" * 1024] * 20], "p")


@pytest.mark.parametrize(
    ("content_type", "code"),
    [
        (None, "not_multipart"),
        ("application/json", "not_multipart"),
        ("multipart/form-data", "boundary_missing"),
        ("multipart/form-data; boundary=", "boundary_missing"),
        (f"multipart/form-data; boundary={'x' * 71}", "boundary_missing"),
    ],
)
def test_bodies_that_are_no_form_are_refused(content_type: str | None, code: str) -> None:
    with pytest.raises(ProblemError) as caught:
        boundary_of(content_type)
    assert caught.value.code == code


def test_the_boundary_may_be_quoted() -> None:
    assert boundary_of(CONTENT_TYPE) == BOUNDARY
    assert boundary_of('Multipart/Form-Data; charset=utf-8; boundary="a b"') == b"a b"
