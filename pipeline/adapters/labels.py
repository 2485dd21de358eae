"""What an object carries beside its bytes, as S3 writes it.

User metadata travels in HTTP headers, which are ASCII: whatever is not is percent-encoded, and decoded when read.
"""

import string
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

from pipeline.ports import Found, Label

_PLAIN = "".join(set(string.printable) - set(string.whitespace) - {"%"}) + " "


def headers_of(label: Label) -> dict[str, str]:
    """The headers of a write that carry the label, their names in lower case."""
    headers = {
        "content-type": label.mime_type,
        "cache-control": label.cache_control,
        "content-disposition": label.disposition,
        **{f"x-amz-meta-{name.lower()}": quote(value, safe=_PLAIN) for name, value in label.facts.items()},
    }
    return {name: value for name, value in headers.items() if value}


def found_of(head: Mapping[str, Any]) -> Found:
    """What a HEAD request says of an object."""
    facts = {name: unquote(value) for name, value in head.get("Metadata", {}).items()}
    return Found(head["ContentLength"], head["ETag"], head["ContentType"], facts, generation_of(head))


def generation_of(answer: Mapping[str, Any]) -> str:
    """What tells this object from others that had or will have its key: the version's id, else the ETag."""
    version = answer.get("VersionId", "null")
    return str(answer["ETag"] if version == "null" else version)
