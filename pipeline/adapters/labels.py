"""What an object carries beside its bytes, as S3 writes it.

User metadata travels in HTTP headers, which are ASCII: whatever is not is percent-encoded, and decoded when read.
"""

import string
from collections.abc import Iterator, Mapping
from urllib.parse import quote, unquote

from pipeline.ports import Found, Label

CHECKSUM = "x-amz-checksum-"
_META = "x-amz-meta-"
_NOTES = frozenset({"algorithm", "type"})  # about a checksum
_PLAIN = "".join(set(string.printable) - set(string.whitespace) - {"%"}) + " "


def headers_of(label: Label) -> dict[str, str]:
    """The headers of a write that carry the label, their names in lower case."""
    headers = {
        "content-type": label.mime_type,
        "cache-control": label.cache_control,
        "content-disposition": label.disposition,
        **{f"{_META}{name.lower()}": quote(value, safe=_PLAIN) for name, value in label.facts.items()},
    }
    return {name: value for name, value in headers.items() if value}


def found_of(headers: Mapping[str, str]) -> Found:
    """What the headers of an answer say of an object; their names are in lower case."""
    facts = {name.removeprefix(_META): unquote(value) for name, value in headers.items() if name.startswith(_META)}
    return Found(
        int(headers["content-length"]),
        headers["etag"],
        headers.get("content-type", ""),
        facts,
        generation_of(headers),
        dict(_checksums(headers)),
    )


def _checksums(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Those of the whole object; one of an upload in parts may be of their checksums, and ends in their number."""
    for name, value in headers.items():
        algorithm = name.removeprefix(CHECKSUM)
        if name.startswith(CHECKSUM) and algorithm not in _NOTES and "-" not in value:
            yield algorithm, value


def generation_of(headers: Mapping[str, str]) -> str:
    """What tells this object from others that had or will have its key: the version's id, else the ETag."""
    version = headers.get("x-amz-version-id", "null")
    return headers["etag"] if version == "null" else version
