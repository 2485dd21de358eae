"""One uploaded photo or video: its record, and what may be read off it alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Json = Mapping[str, Any]


class Status(StrEnum):
    """Where a media stands; the last four are settled."""

    UPLOADING = "uploading"
    UPLOADED = "uploaded"
    PROCESSING = "processing"
    READY = "ready"
    REJECTED = "rejected"
    FAILED = "failed"
    DELETED = "deleted"


UNSETTLED = (Status.UPLOADING, Status.UPLOADED, Status.PROCESSING)
SETTLED = frozenset({Status.READY, Status.REJECTED, Status.FAILED, Status.DELETED})


@dataclass(frozen=True, kw_only=True)
class Output:
    """One stored rendition, with the facts of the object that is really there.

    `bytes` is its size; `width` and `height` are pixels, `duration` seconds, where they apply.
    """

    key: str
    mime_type: str
    bytes: int
    etag: str
    width: int | None = None
    height: int | None = None
    duration: float | None = None


@dataclass(frozen=True, kw_only=True)
class Media:
    """The record. Attribute names are translated to the stored camelCase ones in `rows.py`.

    `adopted`: the original lay in a bucket before and stays there; `bucket` is that one, None for our own. `partial`: a
    piece of another upload, of which nobody is told. `backfill`: the plan that is to replace `plan`, while a ready
    media still lacks some of it. `digests` are the client's own, base64 by algorithm, that its bytes were found to
    have; `announced` those that validation has still to look at. Times ending in `_at` or `_until` are milliseconds
    since the epoch by the store's clock; `upload_date` is ISO 8601.
    """

    id: str
    project_id: str
    original_name: str
    file_name: str
    file_type: str
    mime_type: str
    s3_key: str
    s3_url: str
    upload_date: str
    position: int | None
    size: int = 0
    status: Status = Status.UPLOADING
    version: int = 1
    reason: str | None = None
    error: str | None = None
    etag: str | None = None
    checksum: str | None = None
    digests: Mapping[str, str] | None = None
    announced: Mapping[str, str] | None = None
    urls: Mapping[str, str] = field(default_factory=dict)
    renditions: Mapping[str, Output] = field(default_factory=dict)
    placeholder: Json | None = None
    probe: Json | None = None
    plan: Json | None = None
    recipe: str | None = None
    backfill: Json | None = None
    done: frozenset[str] = frozenset()
    round: int = 0
    adopted: bool = False
    bucket: str | None = None
    partial: bool = False
    grant_until: int = 0
    settled_at: int | None = None
    ready_bytes: int | None = None
    updated_at: int = 0

    @property
    def parts(self) -> tuple[str, ...]:
        """The range keys of the tasks that the plan promised; empty before there is a plan."""
        return tuple(self.plan["parts"]) if self.plan else ()
