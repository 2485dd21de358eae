"""What an S3 answers that remembers of an object its size and ETag, and the bytes of small ones."""

from dataclasses import dataclass, field
from typing import TypeVar

_XML = '<?xml version="1.0" encoding="UTF-8"?>'
_FAITHFUL = ("content-type", "cache-control", "content-disposition", "content-encoding")

K = TypeVar("K", str, int)

Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Request:
    """A request whose body has been read; `body` has its bytes when they were few."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    size: int
    body: bytes = b""


@dataclass(frozen=True)
class Thing:
    """An object or a part."""

    size: int
    etag: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Bucket:
    """Every bucket, since paths name it; used from one thread."""

    objects: dict[str, Thing] = field(default_factory=dict)
    uploads: dict[str, dict[int, Thing]] = field(default_factory=dict)
    opened: dict[str, Request] = field(default_factory=dict)
    count: int = 0

    def answer(self, request: Request) -> Answer:
        """Status, headers and body."""
        if request.path.count("/") < 2 or request.path.endswith("/"):  # noqa: PLR2004 - /bucket/key has two
            return self._bucket(request)
        if "uploads" in request.query:
            return self._begin(request)
        if upload_id := request.query.get("uploadId"):
            return self._multipart(request, upload_id)
        return self._object(request)

    def _bucket(self, request: Request) -> Answer:
        roots = {"uploads": "ListMultipartUploadsResult", "delete": "DeleteResult", "list-type": "ListBucketResult"}
        root = next((name for key, name in roots.items() if key in request.query), "ListAllMyBucketsResult")
        return 200, {}, f"{_XML}<{root}><IsTruncated>false</IsTruncated></{root}>".encode()

    def _object(self, request: Request) -> Answer:
        thing = self.objects.get(request.path)
        if request.method == "PUT":
            if thing and request.headers.get("if-none-match") == "*":
                return _error(412, "PreconditionFailed")
            return self._stored(self.objects, request.path, request)
        if request.method == "DELETE":
            self.objects.pop(request.path, None)
            return 204, {}, b""
        if thing is None:
            return _error(404, "NoSuchKey")
        headers = {**thing.headers, "etag": thing.etag, "content-length": str(thing.size)}
        return 200, headers, thing.body

    def _begin(self, request: Request) -> Answer:
        self.count += 1
        upload_id = f"upload-{self.count}"
        self.uploads[upload_id], self.opened[upload_id] = {}, request
        return 200, {}, _document("InitiateMultipartUploadResult", request.path, f"<UploadId>{upload_id}</UploadId>")

    def _multipart(self, request: Request, upload_id: str) -> Answer:
        parts = self.uploads.get(upload_id)
        if parts is None:
            return _error(404, "NoSuchUpload")
        if request.method == "PUT":
            return self._stored(parts, int(request.query["partNumber"]), request)
        if request.method == "GET":
            found = "".join(
                f"<Part><PartNumber>{number}</PartNumber><ETag>{part.etag}</ETag><Size>{part.size}</Size></Part>"
                for number, part in sorted(parts.items())
            )
            return 200, {}, _document("ListPartsResult", request.path, f"<IsTruncated>false</IsTruncated>{found}")
        del self.uploads[upload_id]
        opened = self.opened.pop(upload_id)
        if request.method == "DELETE":
            return 204, {}, b""
        opened.size, opened.body = sum(part.size for part in parts.values()), b""
        _, headers, _ = self._stored(self.objects, request.path, opened)
        etag = f"<ETag>{headers['etag']}</ETag>"
        return 200, _checksums(request), _document("CompleteMultipartUploadResult", request.path, etag)

    def _stored(self, where: dict[K, Thing], name: K, request: Request) -> Answer:
        self.count += 1
        kept = {k: v for k, v in request.headers.items() if k in _FAITHFUL or k.startswith("x-amz-meta-")}
        etag = f'"{self.count:032x}"'
        where[name] = Thing(request.size, etag, {**kept, **_checksums(request)}, request.body)
        return 200, {"etag": etag, **_checksums(request)}, b""


def _checksums(request: Request) -> dict[str, str]:
    """The checksums that the client says its body has: taken at its word."""
    words = ("x-amz-checksum-crc", "x-amz-checksum-sha")
    return {name: value for name, value in request.headers.items() if name.startswith(words)}


def _document(root: str, path: str, inner: str) -> bytes:
    bucket, _, key = path.lstrip("/").partition("/")
    return f"{_XML}<{root}><Bucket>{bucket}</Bucket><Key>{key}</Key>{inner}</{root}>".encode()


def _error(status: int, code: str) -> Answer:
    return status, {"content-type": "application/xml"}, f"{_XML}<Error><Code>{code}</Code></Error>".encode()
