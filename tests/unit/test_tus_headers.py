"""What a client's headers may say, and that nothing it says is worse than refused."""

import base64
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from ingest.problems import ProblemError
from ingest.tus_headers import LONGEST_METADATA, checksum_of, concat_of, http_date, length_of, metadata_of

VALUES = st.text(st.characters(max_codepoint=255), max_size=60)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("Upload-Metadata", metadata_of),
        ("Upload-Length", length_of),
        ("Upload-Defer-Length", length_of),
        ("Upload-Checksum", checksum_of),
        ("Upload-Concat", concat_of),
    ],
)
@given(value=VALUES)
@example(value="final;/files/a /files/a")
@example(value="final;http://[")
@example(value="²")
def test_a_header_is_read_or_refused(name: str, read: Callable[[Headers], object], value: str) -> None:
    with suppress(ProblemError):
        read(Headers({name: value}))


@given(st.dictionaries(st.from_regex(r"[a-zA-Z_]{1,10}", fullmatch=True), st.text(max_size=20), max_size=5))
def test_metadata_is_what_was_encoded(pairs: dict[str, str]) -> None:
    text = ", ".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in pairs.items())
    assert metadata_of(Headers({"Upload-Metadata": text})) == pairs


def test_metadata_has_an_end() -> None:
    with pytest.raises(ProblemError, match="upload_metadata_invalid"):
        metadata_of(Headers({"Upload-Metadata": "a " + "A" * LONGEST_METADATA}))


def test_a_date_is_http_s() -> None:
    assert http_date(784_111_777_000) == "Sun, 06 Nov 1994 08:49:37 GMT"
