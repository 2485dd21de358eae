"""What is known of an upload whose bytes come over several requests: the part of its row that only ingest reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.limits import Limits

SMALLEST_PART = 5 * 1024 * 1024
"""Bytes; S3 takes no smaller part but the last."""
MOST_PARTS = 10_000
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Tail:
    """Bytes that are too few for a part, stored as an object of their own until more come. `size` in bytes."""

    key: str
    size: int
    etag: str


@dataclass(frozen=True, kw_only=True)
class Reception:
    """`length` is the whole upload's, in bytes, None while the client has not said it.

    Parts are equal but for the last, so that the row's offset says how many there are: S3 lists them, the row need not.
    `crc` is the base64 CRC-64/NVME of all but the tail; `metadata` and `concat` are what the client said, given back as
    they were. `whole`: its parts are all in S3, and anybody may make the object of them. `doubtful`: the object may be
    made, though the row could not be told. `direct`: the client brings it to S3 by itself; it is to have those
    `digests` (base64, by algorithm), and `most` bytes and `types` bound it where its grant is narrower than usual.
    """

    part_size: int
    length: int | None = None
    upload_id: str | None = None
    tail: Tail | None = None
    crc: str = ""
    metadata: str = ""
    concat: str = ""
    direct: bool = False
    whole: bool = False
    doubtful: bool = False
    digests: Mapping[str, str] = field(default_factory=dict)
    most: int | None = None
    types: Sequence[str] = ()

    @property
    def partial(self) -> bool:
        """Whether it is a piece that a later request puts together with others."""
        return self.concat == "partial"

    @property
    def final(self) -> bool:
        """Whether it is put together of such pieces."""
        return self.concat.startswith("final")

    @property
    def ours(self) -> bool:
        """Whether no client has to come back for it."""
        return self.whole or self.final

    @property
    def unannounced(self) -> bool:
        """Whether its client may bring it without ever saying so."""
        return self.direct and self.upload_id is None

    def narrow(self, limits: Limits) -> Limits:
        """The limits of what comes under this grant, whoever looks at it in the end."""
        taken = limits.accept & frozenset(self.types) if self.types else limits.accept
        return replace(limits, bytes=min(limits.bytes, self.most or limits.bytes), accept=taken)

    def row(self) -> dict[str, Any]:
        """As it is stored; absent values are left out."""
        tail = {"tail": vars(self.tail)} if self.tail else {}
        return {name: value for name, value in {**vars(self), **tail}.items() if value}


def reception_of(row: Mapping[str, Any]) -> Reception:
    """Back from its stored form."""
    tail = {"tail": Tail(**row["tail"])} if "tail" in row else {}
    return Reception(**{**row, **tail})


def part_size(length: int) -> int:
    """Bytes of each part of an upload of that length at most: small, so that little waits in a tail, but few enough."""
    fair = -(-length // MOST_PARTS)
    return max(SMALLEST_PART, -(-fair // _MIB) * _MIB)
