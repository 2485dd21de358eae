"""Where a media's original lies: in our own bucket, or in one of others, where nothing is ever written or deleted."""

from pathlib import Path
from typing import Protocol

from pipeline.ports import Found, ObjectStore


class Originals(Protocol):
    """As much of an `ObjectStore` as reads."""

    @property
    def bucket(self) -> str: ...  # noqa: D102
    def head(self, key: str) -> Found | None: ...  # noqa: D102
    def read(self, key: str, size: int, etag: str) -> bytes: ...  # noqa: D102
    def fetch(self, key: str, path: Path, etag: str | None = None) -> None: ...  # noqa: D102


def originals(objects: ObjectStore, bucket: str | None) -> Originals:
    """The bucket to read it from; None is our own."""
    return objects if bucket is None else objects.elsewhere(bucket)
