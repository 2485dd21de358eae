"""The object store on S3 and whatever speaks its language.

What lists or deletes goes through the SDK, which repeats it. Writes are sent by `s3_http`, and repeated here: their
holder's lease has to be looked at before every HTTP attempt. What reads is in `s3_reads`.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from pipeline.adapters import aws, s3_http
from pipeline.adapters.aws import Account
from pipeline.adapters.checksums import crc64, crc64_of_parts
from pipeline.adapters.labels import headers_of
from pipeline.adapters.s3_errors import translated
from pipeline.adapters.s3_http import MovedError, Request, S3Http, etag_of, text_of
from pipeline.adapters.s3_reads import Reads
from pipeline.adapters.wire import Answer, Buffer, Patience, StaleError
from pipeline.errors import AlreadyStoredError, DarkroomError, NotFoundError, UnavailableError
from pipeline.ports import Found, Label, Listed, Part, Upload

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PART_SIZE = 16 * 1024 * 1024
"""Bytes of a file that `store` sends in one request; larger ones go in parts, so that a repeat costs little."""

# Shares of the longest that one attempt may last, `protocol.Lease.put_timeout`. After it a purge relies on silence.
_SENDING, _CONNECTING, _ANSWERING = 7 / 12, 1 / 12, 4 / 12
_CRC = "x-amz-checksum-crc64nvme"
_WHOLE = {"x-amz-checksum-type": "FULL_OBJECT"}
_ONCE = {"if-none-match": "*"}


def connect(bucket: str, put_timeout: float = 60.0, account: Account | None = None) -> "S3Objects":
    """The bucket at the endpoint, in the region and with the credentials of the account, else of the environment.

    `put_timeout` is the longest that one HTTP attempt may last, in seconds. Threads may share it; a process that forks
    must connect afterwards.
    """
    patience = Patience(*(share * put_timeout for share in (_CONNECTING, _SENDING, _ANSWERING)))
    return _opened(bucket, patience, account or aws.account())


def _opened(bucket: str, patience: Patience, account: Account) -> "S3Objects":
    http = S3Http(lambda region: account.bucket(bucket, region), account.credentials, account.certificates, patience)
    return S3Objects(account, http, bucket)


@dataclass(frozen=True)
class S3Objects:
    """The `ObjectStore` port. In a versioned bucket a purge leaves old versions to the bucket's lifecycle rules."""

    account: Account
    http: S3Http
    bucket: str

    @cached_property
    def client(self) -> "S3Client":
        """The SDK's."""
        return self.account.sdk.objects(self.http.patience)

    @cached_property
    def _others(self) -> dict[str, "S3Objects"]:
        return {}

    def elsewhere(self, bucket: str) -> "S3Objects":
        """Another bucket at the same endpoint, in whichever region; connections to it are kept."""
        if bucket not in self._others:
            self._others[bucket] = _opened(bucket, self.http.patience, self.account)
        return self._others[bucket]

    def head(self, key: str) -> Found | None:
        """What is stored there, or None."""
        return Reads(self.http).head(key)

    def read(self, key: str, size: int, etag: str) -> bytes:
        """The first `size` bytes of that object, or all there are."""
        return Reads(self.http).read(key, size, etag)

    def fetch(self, key: str, path: Path, etag: str | None = None) -> None:
        """Write the object to a new file; when it fails, none is left."""
        with path.open("xb") as file:
            try:
                Reads(self.http).download(key, file, etag)
            except BaseException:
                path.unlink()
                raise

    def store(self, key: str, path: Path, label: Label, allowed: Callable[[], None]) -> Found:
        """Write once, looking at the lease before every HTTP attempt."""
        size = path.stat().st_size
        if size <= PART_SIZE:
            answer = self._put(key, path.read_bytes(), label, allowed)
        else:
            answer = self._put_in_parts(key, path, label, allowed)
        etag = etag_of(answer)
        return Found(size, etag, label.mime_type, label.facts, answer.headers.get("x-amz-version-id", etag))

    def put(self, key: str, body: Buffer, label: Label) -> str:
        """Write once in one request and return the ETag."""
        return etag_of(self._put(key, body, label, _always))

    def begin(self, key: str, label: Label) -> str:
        """Open a multipart upload and return its id; one that was opened and whose answer was lost is closed again."""
        tries: list[None] = []
        upload_id = self._begin(key, label, lambda: tries.append(None))
        if len(tries) > 1:
            for other in self.uploads(key):
                if other.key == key and other.id != upload_id:
                    self.abort(key, other.id)
        return upload_id

    def put_part(self, key: str, upload_id: str, number: int, body: Buffer) -> Part:
        """Store one part."""
        return self._put_part(key, upload_id, number, body, _always)

    def complete(self, key: str, upload_id: str, parts: Iterable[Part], crc: str | None = None) -> str:
        """Make the object of its parts, once, and return the ETag; again the same after an answer was lost."""
        listed = list(parts)
        crc = crc or crc64_of_parts(listed)
        try:
            return etag_of(self._complete(key, upload_id, listed, crc, _always))
        except (AlreadyStoredError, NotFoundError):
            stored = self._stored_as(key, crc)
            if stored is None:
                raise
            return etag_of(stored)

    def abort(self, key: str, upload_id: str) -> None:
        """Forget a multipart upload and its parts."""
        with suppress(NotFoundError):
            self._write(Request("DELETE", key, {"uploadId": upload_id}), _always)

    def purge(self, prefix: str) -> int:
        """Abort every multipart upload and delete every object under the prefix; returns how many there were."""
        count = 0
        for upload in self.uploads(prefix):
            self.abort(upload.key, upload.id)
            count += 1
        with translated():
            for listed in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                count += self._delete([each["Key"] for each in listed.get("Contents", ())])
        return count

    def list(self, prefix: str) -> Iterator[Listed]:
        """Every object under the prefix."""
        with translated():
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                yield from (Listed(each["Key"], each["Size"]) for each in page.get("Contents", ()))

    def uploads(self, prefix: str) -> Iterator[Upload]:
        """Every multipart upload under the prefix that is open."""
        with translated():
            for page in self.client.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=prefix):
                yield from (Upload(each["Key"], each["UploadId"]) for each in page.get("Uploads", ()))

    def ping(self) -> None:
        """Return if the bucket can be used now."""
        try:
            Reads(self.http).look("")
        except NotFoundError as error:
            raise UnavailableError(f"s3: there is no bucket {self.bucket}") from error

    def _put(self, key: str, body: Buffer, label: Label, allowed: Callable[[], None]) -> Answer:
        crc = crc64(body)
        return self._write(Request("PUT", key, {}, {**headers_of(label), **_ONCE, _CRC: crc}, body), allowed, crc)

    def _put_in_parts(self, key: str, path: Path, label: Label, allowed: Callable[[], None]) -> Answer:
        upload_id = self._begin(key, label, allowed)
        try:
            with path.open("rb") as file:
                pieces = enumerate(iter(lambda: file.read(PART_SIZE), b""), 1)
                parts = [self._put_part(key, upload_id, number, piece, allowed) for number, piece in pieces]
            return self._complete(key, upload_id, parts, crc64_of_parts(parts), allowed)
        except BaseException:
            with suppress(DarkroomError):
                self.abort(key, upload_id)
            raise

    def _begin(self, key: str, label: Label, allowed: Callable[[], None]) -> str:
        headers = {**headers_of(label), "x-amz-checksum-algorithm": "CRC64NVME", **_WHOLE}
        return text_of(self._write(Request("POST", key, {"uploads": ""}, headers), allowed), "UploadId")

    def _put_part(self, key: str, upload_id: str, number: int, body: Buffer, allowed: Callable[[], None]) -> Part:
        crc, query = crc64(body), {"partNumber": str(number), "uploadId": upload_id}
        answer = self._write(Request("PUT", key, query, {_CRC: crc}, body), allowed)
        return Part(number, etag_of(answer), len(body), crc)

    def _complete(
        self, key: str, upload_id: str, parts: Sequence[Part], crc: str | None, allowed: Callable[[], None]
    ) -> Answer:
        headers = {"content-type": "application/xml", **_ONCE, **({_CRC: crc, **_WHOLE} if crc else {})}
        return self._write(Request("POST", key, {"uploadId": upload_id}, headers, _listed(parts)), allowed, crc)

    def _write(self, request: Request, allowed: Callable[[], None], crc: str | None = None) -> Answer:
        """One write, repeated while S3 is away; `crc` is what the object that it makes will have.

        When an attempt went unanswered and the next is told that the key is taken, or the multipart upload gone, the
        checksum of what is stored says whether that was us.
        """
        doubtful = False
        for pause in (*s3_http.PAUSES, None):
            allowed()
            try:
                return self.http.send(request)
            except (AlreadyStoredError, NotFoundError):
                stored = self._stored_as(request.key, crc) if doubtful else None
                if stored is None:
                    raise
                return stored
            except UnavailableError as error:
                if pause is None:
                    raise
                doubtful = True
                if not isinstance(error, StaleError | MovedError):
                    time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - jitter, no secret
        raise AssertionError("the last attempt returns or raises")

    def _stored_as(self, key: str, crc: str | None) -> Answer | None:
        """What HEAD says of the object if it has this checksum."""
        with suppress(NotFoundError):
            head = Reads(self.http).look(key)
            if crc is not None and head.headers.get(_CRC) == crc:
                return head
        return None

    def _delete(self, keys: Sequence[str]) -> int:
        if keys:
            answer = self.client.delete_objects(
                Bucket=self.bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
            )
            if errors := answer.get("Errors"):
                raise UnavailableError(f"s3: {len(errors)} of {len(keys)} objects not deleted: {errors[0].get('Code')}")
        return len(keys)


def _listed(parts: Iterable[Part]) -> bytes:
    """The document that completes a multipart upload."""
    root = ET.Element("CompleteMultipartUpload", xmlns="http://s3.amazonaws.com/doc/2006-03-01/")
    for part in parts:
        element = ET.SubElement(root, "Part")
        facts = {"PartNumber": str(part.number), "ETag": part.etag, "ChecksumCRC64NVME": part.crc}
        for name, value in facts.items():
            if value is not None:
                ET.SubElement(element, name).text = value
    return ET.tostring(root)


def _always() -> None:
    """The permission of one who holds no lease."""
