"""The words that the OpenAPI document is written in: operations, parameters, and the shapes of what is answered."""

from collections.abc import Iterable
from typing import Any

from ingest.problems import PROBLEMS
from pipeline.keys import MEDIA_ID, PROJECT_ID
from pipeline.media import Status

Json = dict[str, Any]

TEXT: Json = {"type": "string"}
PROJECT: Json = {"type": "string", "pattern": f"^{PROJECT_ID.pattern}$"}
MEDIA: Json = {"type": "string", "pattern": f"^{MEDIA_ID.pattern}$"}
NUMBER: Json = {"type": "integer", "minimum": 0}
URL: Json = {"type": "string", "format": "uri"}

# Any endpoint may answer these.
_ANYWHERE = (
    *("host_not_allowed", "origin_not_allowed", "internal_error"),
    *("transfer_coding_unsupported", "content_coding_unsupported", "expectation_unsupported"),
)
_GUARDED = ("credentials_missing", "credentials_invalid", "token_expired", "right_missing", "records_unavailable")
ONCE = ("idempotency_key_invalid", "request_in_progress", "idempotency_key_reused")


def operation(summary: str, answers: Json, codes: Iterable[str], *, guarded: bool = True, **more: object) -> Json:
    """An endpoint: its answers by status, and the codes of its errors; `guarded` when credentials may be asked for."""
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys((*codes, *(_GUARDED if guarded else ()), *_ANYWHERE)):
        by_status.setdefault(PROBLEMS[code][0], []).append(code)
    errors = {str(status): answer(", ".join(found), "Error") for status, found in sorted(by_status.items())}
    if guarded:
        more["security"] = [{"bearer": []}, {}]
    return {"summary": summary, **more, "responses": {**errors, **answers}}


def answer(description: str, schema: str | None = None) -> Json:
    """What is answered, and of what shape."""
    content = {} if schema is None else {"content": {"application/json": {"schema": ref(schema)}}}
    return {"description": description, **content}


def parameter(name: str, place: str, schema: Json, description: str, *, required: bool = True) -> Json:
    """Something of the path, the query or the head."""
    return {"name": name, "in": place, "required": required, "schema": schema, "description": description}


def idempotency_key() -> Json:
    """The header of creating requests."""
    schema = {"type": "string", "pattern": "^[!-~]{1,255}$"}
    return parameter("Idempotency-Key", "header", schema, "A request sent again is not done again.", required=False)


def in_project() -> Json:
    """The project in the path."""
    return parameter("projectId", "path", PROJECT, "The project.")


def of_media() -> Json:
    """The media in the path."""
    return parameter("mediaId", "path", MEDIA, "The media.")


def ref(schema: str) -> Json:
    """A shape by its name."""
    return {"$ref": f"#/components/schemas/{schema}"}


def shape(properties: Json, required: Iterable[str]) -> Json:
    """An object with these properties."""
    return {"type": "object", "required": list(required), "properties": properties}


def components() -> Json:
    """The shapes that answers refer to."""
    return {"Media": _media(), "Created": _created(), "Deletion": _deletion(), "Error": _error()}


def _created() -> Json:
    properties = {"success": {"const": True}, "mediaId": MEDIA, "url": URL, "s3Key": TEXT, "statusUrl": URL}
    return shape(properties, properties)


def _deletion() -> Json:
    at = {"type": "string", "format": "date-time"}
    properties = {
        "success": {"const": True},
        "projectId": PROJECT,
        "status": {"enum": ["deleting", "deleted"]},
        "media": {**NUMBER, "description": "Deleted up to now."},
        "requestedAt": at,
        "notBefore": {**at, "description": "Somebody may still be writing until then: it is not done earlier."},
        "doneAt": at,
        "statusUrl": URL,
    }
    return shape(properties, ("success", "projectId", "status", "media", "requestedAt", "notBefore"))


def _error() -> Json:
    properties = {"success": {"const": False}, "error": TEXT, "code": {"enum": list(PROBLEMS)}}
    return shape(properties, properties)


def _media() -> Json:
    texts = ("originalName", "fileName", "mimeType", "s3Key", "s3Url", "reason", "error", "etag", "checksum", "recipe")
    maps = ("renditions", "placeholder", "probe", "digests")
    properties = {
        "id": MEDIA,
        "projectId": PROJECT,
        "status": {"enum": [status.value for status in Status]},
        "fileType": {"enum": ["image", "video"]},
        "uploadDate": {"type": "string", "format": "date-time"},
        "position": NUMBER,
        "size": {**NUMBER, "description": "Bytes."},
        "version": NUMBER,
        "urls": {"type": "object", "additionalProperties": URL, "description": "By name: original, thumbnail, ..."},
        **dict.fromkeys(texts, TEXT),
        **{name: {"type": "object"} for name in maps},
    }
    return shape(properties, ("id", "projectId", "status", "fileType", "mimeType", "uploadDate"))


def in_json(schema: Json) -> Json:
    """A body in JSON."""
    return {"application/json": {"schema": schema}}
