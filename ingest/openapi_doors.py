"""The part of the OpenAPI document that other protocols shape: tus, and what `@uppy/aws-s3` speaks."""

from collections.abc import Iterable
from typing import Any

from ingest.schemas import (
    MEDIA,
    NUMBER,
    ONCE,
    PROJECT,
    TEXT,
    URL,
    Json,
    answer,
    idempotency_key,
    in_json,
    operation,
    parameter,
    shape,
)
from pipeline.reception import MOST_PARTS

_BEGUN = ("project_id_missing", "project_id_invalid", "project_id_conflict", "project_forbidden", "project_deleting")
_LIMITS = ("bytes_exceeded", "format_unsupported", "type_not_accepted", "file_empty")
_BUSY = ("busy", "overloaded", "storage_unavailable", "shutting_down", "request_timeout")
_TUS = ("tus_version_unsupported", "upload_not_found", "upload_gone", "upload_locked", "upload_interrupted")
_OFFSETS = ("upload_offset_invalid", "upload_offset_mismatch", "upload_length_invalid", "upload_type_invalid")
_TUS_NEW = (
    "upload_metadata_invalid",
    "upload_concat_invalid",
    "upload_final",
    "upload_checksum_invalid",
    "checksum_mismatch",
)
_DIGESTS = ("digest_invalid", "digest_conflict", "digests_exceeded", "digest_mismatch")
_S3 = ("upload_not_found", "malformed_json", "body_too_large", "part_number_invalid", "upload_superseded", *_DIGESTS)
_BYTES: Json = {"application/offset+octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_NUMBERED: Json = {"type": "integer", "minimum": 1, "maximum": MOST_PARTS}
_LATE = "Every byte is there; statusUrl, or the media, says how it ends"
_XML_LATE: Json = {"description": _LATE, "content": {"application/xml": {"schema": {"type": "object"}}}}
_XML: Json = {"application/xml": {"schema": {"type": "object"}}}


def doors() -> Json:
    """The paths of these doors."""
    tus = {"/files": _collection(), "/files/": _collection(), "/files/{mediaId}": _upload()}
    return {**tus, **_signing(), **_companion()}


def _collection() -> Json:
    more: Json = {"parameters": [*_tus_head(), *_project(), idempotency_key()], "requestBody": {"content": _BYTES}}
    codes = (*_BEGUN, *_LIMITS, *_BUSY, *_TUS, *_OFFSETS, *_TUS_NEW, *ONCE)
    return {"post": operation("tus: begin an upload", {"201": answer("Begun; Location is the upload")}, codes, **more)}


def _upload() -> Json:
    place = parameter("mediaId", "path", MEDIA, "The upload, which is its media.")
    offset = parameter("Upload-Offset", "header", NUMBER, "How many bytes were taken before.")
    bytes_: Json = {"parameters": [place, offset, *_tus_head()], "requestBody": {"content": _BYTES}}
    codes = (*_TUS, *_OFFSETS, *_LIMITS, *_BUSY, "upload_checksum_invalid", "checksum_mismatch", "upload_final")
    taken, gone = {"204": answer("Taken; Upload-Offset is how far it is")}, {"204": answer("Gone")}
    plain: Json = {"parameters": [place, *_tus_head()]}
    found = {"200": answer("Upload-Offset and Upload-Length")}
    return {
        "head": operation("tus: how far an upload is", found, _TUS, **plain),
        "patch": operation("tus: more of an upload's bytes", taken, codes, **bytes_),
        "delete": operation("tus: end an upload", gone, (*_TUS, "right_missing", "unavailable"), **plain),
    }


def _signing() -> Json:
    fields = {
        "method": {"enum": ["PUT", "POST", "GET", "DELETE"]},
        "key": TEXT,
        "uploadId": TEXT,
        "partNumber": _NUMBERED,
        "contentType": TEXT,
        "projectId": PROJECT,
    }
    signed = shape({"url": URL, "key": TEXT, "headers": {"type": "object"}, "fields": {"type": "object"}}, ("url",))
    told = in_json(shape({"key": TEXT}, ("key",)))
    return {
        "/s3/sign": {
            "post": operation(
                "Uppy's signRequest: where one request of an upload goes",
                {"200": {"description": "The request to send", "content": in_json(signed)}},
                (*_BEGUN, *_LIMITS, *_BUSY, *_S3, *ONCE, "upload_complete"),
                parameters=[*_project(), idempotency_key()],
                requestBody={"required": True, "content": in_json(shape(fields, ("method",)))},
            )
        },
        "/s3/complete": {
            "post": operation(
                "A form was sent to S3",
                {"201": answer("Stored; its renditions are being made", "Created")},
                (*_LIMITS, *_BUSY, *_S3, *ONCE),
                parameters=[idempotency_key()],
                requestBody={"required": True, "content": told},
            )
        },
        "/s3/xml/{uploadId}/{verb}": {
            method: operation(
                "Where signRequest sends what has to be known here",
                {"200": {"description": "As S3 answers", "content": _XML}, "202": _XML_LATE, "204": answer("Gone")},
                (*_LIMITS, *_BUSY, *_S3, "upload_gone"),
                parameters=[*_at(), parameter("verb", "path", TEXT, "begin, or object.")],
            )
            for method in ("get", "post", "delete")
        },
    }


def _companion() -> Json:
    wanted = in_json(shape({"filename": TEXT, "type": TEXT, "metadata": {"type": "object"}}, ()))
    named = [parameter(name, "query", TEXT, "Of the file.", required=False) for name in ("filename", "type")]
    once, begun = idempotency_key(), (*_BEGUN, *ONCE)
    numbers = parameter("partNumbers", "query", TEXT, "Numbers, with commas between them.")
    number = parameter("number", "path", _NUMBERED, "Of the part.")
    paths = {
        "/s3/params": {"get": _of("a POST policy", begun, parameters=[*named, *_project(), once])},
        "/s3/multipart": {
            "post": _of("a multipart upload", begun, parameters=[*_project(), once], requestBody={"content": wanted})
        },
        "/s3/multipart/{uploadId}": {
            "get": _of("the parts that are there", (), parameters=_at()),
            "delete": _of("the end of an upload", (), parameters=_at()),
        },
        "/s3/multipart/{uploadId}/complete": {
            "post": _of("the whole of its parts", ONCE, late=True, parameters=[*_at(), once])
        },
        "/s3/multipart/{uploadId}/batch": {"get": _of("where parts go", (), parameters=[*_at(), numbers])},
        "/s3/multipart/{uploadId}/{number}": {"get": _of("where a part goes", (), parameters=[*_at(), number])},
    }
    return dict(paths)


def _of(what: str, codes: Iterable[str], *, late: bool = False, **more: Any) -> Json:  # noqa: ANN401 - an operation's fields
    answers = {"200": {"description": "As a Companion answers", "content": in_json({})}}
    answers |= {"202": {"description": _LATE, "content": in_json({})}} if late else {}
    return operation(f"Companion: {what}", answers, (*codes, *_LIMITS, *_BUSY, *_S3, "upload_gone"), **more)


def _at() -> list[Json]:
    return [
        parameter("uploadId", "path", TEXT, "The multipart upload."),
        parameter("key", "query", TEXT, "Its key."),
    ]


def _project() -> list[Json]:
    return [
        parameter("projectId", "query", PROJECT, "Or in the metadata.", required=False),
        parameter("X-Project-Id", "header", PROJECT, "The same.", required=False),
    ]


def _tus_head() -> list[Json]:
    names = ("Upload-Length", "Upload-Defer-Length", "Upload-Metadata", "Upload-Concat", "Upload-Checksum")
    optional = [parameter(name, "header", TEXT, "As tus 1.0.0 has it.", required=False) for name in names]
    return [parameter("Tus-Resumable", "header", {"const": "1.0.0"}, "The protocol's version."), *optional]
