"""What one request brings of an upload that comes in several, and how far the upload is then."""

from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from ingest.prompt import Rest
from ingest.tus_headers import Check
from pipeline.limits import Limits


@dataclass(frozen=True)
class Body:
    """A request's bytes; `limits` are its caller's.

    `length` is the whole upload's, if the request says it; `check` is what was said of these bytes, and `whole` whether
    they are all of the upload's.
    """

    chunks: AsyncIterator[bytes]
    limits: Limits
    length: int | None = None
    check: Check | None = None
    whole: bool = False

    @property
    def digests(self) -> Mapping[str, str] | None:
        """The file's own, by algorithm, in base64."""
        return {self.check.name: b64encode(self.check.digest).decode()} if self.check and self.whole else None


@dataclass(frozen=True)
class Brought:
    """How far an upload is after a request, and what is still to be awaited when S3 takes long to make the object."""

    offset: int
    rest: Rest | None = None
