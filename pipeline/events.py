"""What can happen to a media, as values; `lifecycle.advance` folds them into the record."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.media import Json, Output


@dataclass(frozen=True)
class Recognised:
    """The first bytes of an upload came in: what it is, and from now on its name and its place."""

    mime_type: str
    file_type: str
    file_name: str
    s3_key: str


@dataclass(frozen=True)
class Stored:
    """The original is whole in S3. `size` in bytes; what it is, if that was seen only now.

    `digests` are those that its client announced, and that fit; `announced` those that nobody has compared yet.
    """

    size: int
    etag: str
    checksum: str | None = None
    mime_type: str | None = None
    file_type: str | None = None
    digests: Mapping[str, str] | None = None
    announced: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Aborted:
    """The upload will never be whole: `reason` becomes `upload_{reason}`."""

    reason: str
    error: str


@dataclass(frozen=True)
class Validated:
    """Inspection found a file we take, with the digests that were announced, and what is promised for it."""

    probe: Json
    plan: Json


@dataclass(frozen=True)
class Refused:
    """Inspection found a file we do not take."""

    reason: str
    error: str


@dataclass(frozen=True)
class Made:
    """A plan task's outputs are stored."""

    key: str
    renditions: Mapping[str, Output] = field(default_factory=dict)
    placeholder: Json | None = None


@dataclass(frozen=True)
class Died:
    """A task ran out of attempts or hit a permanent error."""

    key: str
    reason: str
    error: str


@dataclass(frozen=True)
class Deleted:
    """Somebody asked for the media to go."""


@dataclass(frozen=True)
class Redriven:
    """Somebody asked for a failed media to be tried again."""


@dataclass(frozen=True)
class Replanned:
    """Somebody asked for the renditions of a newer plan."""

    plan: Json


@dataclass(frozen=True)
class Backfilled:
    """All outputs that the newer plan lacked are stored."""

    key: str
    renditions: Mapping[str, Output] = field(default_factory=dict)
    placeholder: Json | None = None


Event = Recognised | Stored | Aborted | Validated | Refused | Made | Died | Deleted | Redriven | Replanned | Backfilled
