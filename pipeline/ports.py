"""What the pipeline needs of the world. Each port has one contract suite that every adapter passes.

All methods block; all raise `UnavailableError` when the dependency is away, overloaded or does not answer in time.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pipeline.changes import Change, Key, Row, Update
from pipeline.messages import Message
from pipeline.progress import Report
from pipeline.tasks import Hint


class Records(Protocol):
    """Media and tasks, in one transaction. Rows hold what JSON can say, keys are strings."""

    def now(self) -> int:
        """Milliseconds since the epoch by the store's clock."""

    def get(self, key: Key) -> Row | None:
        """The row, read consistently."""

    def update(self, change: Update) -> Row:
        """Run one change and return the new row; raises `RefusedError` when its condition does not hold."""

    def write(self, changes: Sequence[Change]) -> None:
        """Run all changes (at most 100, no row twice) or none; raises `RefusedError` naming the ones that did not hold.

        After `UnavailableError` it is unknown whether they were run.
        """

    def tasks(self, media_id: str) -> list[Row]:
        """Every task row of one media, by range key, read consistently."""

    def overdue(self, shard: int, before: int, limit: int, after: int = 0) -> list[Row]:
        """Rows of the wake index with after <= `wakeAt` <= before, earliest first; may lag behind the base rows."""

    def leased(self, project_id: str, after: int) -> Iterator[Row]:
        """Every task row of the project with `leaseUntil` > after, in any order; may lag behind the base rows."""

    def dead(self, shard: int) -> Iterator[Row]:
        """Every row of the dead-letter index, earliest `deadAt` first; may lag behind the base rows."""

    def standing(self, statuses: Collection[str]) -> Iterator[Row]:
        """Media rows of these statuses; reads the whole table, and may lag behind it."""

    def project(self, project_id: str, after: int, limit: int) -> list[Row]:
        """Media rows of a project with `position` > after, in order; may lag behind the base rows."""

    def ping(self) -> None:
        """Return if the store can be used now."""


@dataclass(frozen=True)
class Found:
    """An object that is there: `size` in bytes, `facts` its metadata.

    `checksums` are those of all its bytes that S3 has compared and keeps, told by `head` alone: base64, by algorithm
    (`sha256`, `crc64nvme`).
    """

    size: int
    etag: str
    mime_type: str
    facts: Mapping[str, str] = field(default_factory=dict)
    generation: str = ""
    checksums: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Label:
    """What an object carries beside its bytes."""

    mime_type: str
    facts: Mapping[str, str] = field(default_factory=dict)
    cache_control: str | None = None
    disposition: str | None = None


class ObjectStore(Protocol):
    """S3. Keys are given whole; `etag` values are as S3 quotes them."""

    @property
    def bucket(self) -> str:
        """The bucket's name."""

    def elsewhere(self, bucket: str) -> "ObjectStore":
        """A bucket of others, with the same credentials: to be read from (see `pipeline.originals`)."""

    def head(self, key: str) -> Found | None:
        """What is stored there, or None."""

    def read(self, key: str, size: int, etag: str) -> bytes:
        """The first `size` bytes; raises `NotFoundError`, `ChangedError`."""

    def fetch(self, key: str, path: Path, etag: str | None = None) -> None:
        """Write the object to a new file; raises `NotFoundError`, and `ChangedError` when it is no longer that one."""

    def store(self, key: str, path: Path, label: Label, allowed: Callable[[], None]) -> Found:
        """Write once (`If-None-Match: *`); raises `AlreadyStoredError`.

        `allowed` is called before every HTTP attempt and raises to stop it: a holder whose lease ended must not write.
        """

    def put(self, key: str, body: bytes | bytearray | memoryview, label: Label) -> str:
        """Write once in one request and return the ETag; raises `AlreadyStoredError`."""

    def begin(self, key: str, label: Label) -> str:
        """Open a multipart upload and return its id."""

    def put_part(self, key: str, upload_id: str, number: int, body: bytes | bytearray | memoryview) -> "Part":
        """Store one part (numbers from 1; every part but the last at least 5 MiB)."""

    def complete(self, key: str, upload_id: str, parts: Iterable["Part"], crc: str | None = None) -> str:
        """Make the object of its parts, once, and return the ETag; raises `AlreadyStoredError`.

        `crc` is that of the whole where the parts' own are not all known.
        """

    def abort(self, key: str, upload_id: str) -> None:
        """Forget a multipart upload and its parts; no error when it is gone."""

    def purge(self, prefix: str) -> int:
        """Abort every multipart upload and delete every object under the prefix; returns how many there were."""

    def list(self, prefix: str) -> Iterator["Listed"]:
        """Every object under the prefix, those of a deeper prefix together."""

    def uploads(self, prefix: str) -> Iterator["Upload"]:
        """Every multipart upload under the prefix that is neither completed nor aborted."""

    def ping(self) -> None:
        """Return if the bucket can be used now."""


@dataclass(frozen=True)
class Listed:
    """An object as a listing has it; `size` in bytes."""

    key: str
    size: int


@dataclass(frozen=True)
class Upload:
    """A multipart upload that is open."""

    key: str
    id: str


@dataclass(frozen=True)
class Part:
    """One stored part of a multipart upload: `size` in bytes, and the base64 CRC-64/NVME that S3 confirmed."""

    number: int
    etag: str
    size: int
    crc: str | None = None


@dataclass(frozen=True)
class Source:
    """Bytes of a stored object, `first` to `last`."""

    key: str
    etag: str
    first: int
    last: int


class Pieces(Protocol):
    """What an upload leaves in S3 between its requests."""

    def parts(self, key: str, upload_id: str) -> Iterator[Part]:
        """The parts that a multipart upload has, by number; raises `NotFoundError` when it is gone."""

    def copy_part(self, key: str, upload_id: str, number: int, source: "Source") -> Part:
        """Store as a part some bytes of another object; raises `ChangedError`, `NotFoundError`."""

    def drop(self, key: str) -> None:
        """Delete one object that no record names; no error when it is gone."""


@dataclass(frozen=True)
class Form:
    """Where a client may POST one file to, and the fields that have to stand before it."""

    url: str
    fields: Mapping[str, str]


class Signer(Protocol):
    """Permissions to bring bytes to S3 past us. Nothing is sent."""

    def form(self, key: str, label: Label, most: int, seconds: int, checksums: Mapping[str, str]) -> Form:
        """To store one object of 1 to `most` bytes under the key, labelled so and not otherwise.

        `checksums`, by algorithm, has at most one, as `Found` has them: S3 takes no other bytes.
        """

    def part(self, key: str, upload_id: str, number: int, seconds: int) -> str:
        """A URL to PUT one part of a multipart upload to."""


class Webhooks(Protocol):
    """Who wants to be told how media settle: at least once, in any order, known by the message's id."""

    def send(self, message: Message) -> None:
        """Deliver one message.

        Raises `UndeliveredError` when it was not taken, and `PermanentError` (`webhook_gone`) when none is wanted any
        more; being away is the receiver's own affair, and never `UnavailableError`.
        """


class Queue(Protocol):
    """Hints and progress. Nothing here is ever needed for correctness."""

    def send(self, hints: Iterable[Hint]) -> int:
        """Best effort, within about two seconds; returns how many were left unsent because Redis is away."""

    def intact(self) -> bool:
        """Whether the sentinel key is there, that is: no hints were wiped since `mark`."""

    def mark(self) -> None:
        """Set the sentinel key."""

    def report(self, project_id: str, media_id: str, key: str, report: Report) -> None:
        """Best effort: how far a task is; published, and forgotten after a while."""

    def changed(self, project_id: str, media_id: str) -> None:
        """Best effort: publish that there is something new in the record."""

    def progress(self, media_id: str) -> dict[str, Report]:
        """What was reported last, by task key; empty when Redis is away."""

    def announce(self, event: Mapping[str, str]) -> None:
        """Publish a settled media to whoever listens; raises `UnavailableError`."""

    def ping(self) -> None:
        """Return if Redis can be used now."""
