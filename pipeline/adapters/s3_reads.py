"""Reading objects: what is there, its beginning, or all of it into a file; repeated while S3 is away."""

import base64
import hashlib
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any

from pipeline.adapters import s3_http
from pipeline.adapters.checksums import RUNNING
from pipeline.adapters.labels import found_of
from pipeline.adapters.s3_errors import OutOfRangeError
from pipeline.adapters.s3_http import MovedError, Request, S3Http
from pipeline.adapters.wire import Answer, Buffer, SinkError, StaleError
from pipeline.errors import NotFoundError, UnavailableError
from pipeline.ports import Found

_CHECKED = {"x-amz-checksum-mode": "ENABLED"}
_SUMS: Mapping[str, Callable[[], Any]] = {**RUNNING, "sha256": hashlib.sha256}


@dataclass(frozen=True)
class Reads:
    """GET and HEAD. Raise `UnavailableError`, `NotFoundError`, `ChangedError`."""

    http: S3Http

    def head(self, key: str) -> Found | None:
        """What is stored there, or None."""
        try:
            return found_of(self.look(key).headers)
        except NotFoundError:
            return None

    def look(self, key: str) -> Answer:
        """The headers of the object, its checksums among them; of the bucket where the key is empty."""
        return self._ask(Request("HEAD", key, headers=_CHECKED))

    def read(self, key: str, size: int, etag: str) -> bytes:
        """The first `size` bytes of that object, or all there are."""
        request = Request("GET", key, headers={"range": f"bytes=0-{size - 1}", "if-match": etag})
        found = bytearray()

        def sink(_headers: Mapping[str, str]) -> Callable[[Buffer], object]:
            found.clear()  # of an attempt that broke off
            return found.extend

        try:
            _repeated(lambda: self.http.send(request, sink))
        except OutOfRangeError:
            return b""
        return bytes(found)

    def download(self, key: str, file: IO[bytes], etag: str | None) -> None:
        """The whole body, from its start again when it breaks off; a checksum that S3 keeps of it is compared.

        Raises what writing the file does.
        """
        request = Request("GET", key, headers={**_CHECKED, **({"if-match": etag} if etag else {})})
        checks: list[_Check] = []

        def sink(headers: Mapping[str, str]) -> Callable[[Buffer], object]:
            file.seek(0)
            file.truncate()
            checks[:] = _checks(headers)

            def take(piece: Buffer) -> None:
                file.write(piece)
                for check in checks:
                    check.running.update(piece)

            return take

        def attempt() -> Answer:
            answer = self.http.send(request, sink)
            if not all(check.good for check in checks):
                raise UnavailableError(f"s3: {key} came with other bytes than it has")
            return answer

        try:
            _repeated(attempt)
        except SinkError as error:
            raise error.__cause__ or error from None

    def _ask(self, request: Request) -> Answer:
        return _repeated(lambda: self.http.send(request))


@dataclass(frozen=True)
class _Check:
    running: Any
    wanted: str

    @property
    def good(self) -> bool:
        return base64.b64encode(self.running.digest()).decode() == self.wanted


def _checks(headers: Mapping[str, str]) -> list[_Check]:
    """Those that are of the whole object; one of a multipart upload may be of its parts' checksums (`...-3`)."""
    named = ((make, headers.get(f"x-amz-checksum-{name}", "-")) for name, make in _SUMS.items())
    return [_Check(make(), wanted) for make, wanted in named if "-" not in wanted]


def _repeated(attempt: Callable[[], Answer]) -> Answer:
    for pause in (*s3_http.PAUSES, None):
        try:
            return attempt()
        except UnavailableError as error:
            if pause is None:
                raise
            if not isinstance(error, StaleError | MovedError):
                time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - jitter, no secret
    raise AssertionError("the last attempt returns or raises")
