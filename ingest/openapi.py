"""The HTTP contract as an OpenAPI 3.1 document: it says what the endpoints do, and is served beside them."""

from collections.abc import Iterable
from typing import Any

from ingest.problems import PROBLEMS
from ingest.reads import MOST, USUAL
from ingest.tokens import LONGEST, MOST_TYPES
from ingest.tokens import USUAL as USUAL_TOKEN
from pipeline.keys import MEDIA_ID, PROJECT_ID
from pipeline.limits import Limits
from pipeline.media import Status

Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_PROJECT: Json = {"type": "string", "pattern": f"^{PROJECT_ID.pattern}$"}
_MEDIA: Json = {"type": "string", "pattern": f"^{MEDIA_ID.pattern}$"}
_NUMBER: Json = {"type": "integer", "minimum": 0}
_URL: Json = {"type": "string", "format": "uri"}

# Any endpoint may answer these.
_ANYWHERE = ("host_not_allowed", "origin_not_allowed", "internal_error")
_GUARDED = ("credentials_missing", "credentials_invalid", "token_expired", "right_missing", "records_unavailable")
_ONCE = ("idempotency_key_invalid", "request_in_progress", "idempotency_key_reused")
_FORM = (
    *("no_file", "file_empty", "two_files", "unexpected_file", "not_multipart", "boundary_missing", "malformed_form"),
    *("form_truncated", "too_many_fields", "field_too_large", "project_id_missing", "project_id_invalid"),
    *("project_id_after_file", "project_id_conflict", "request_timeout", "upload_superseded", "bytes_exceeded"),
    *("format_unsupported", "type_not_accepted", "busy", "storage_unavailable", "records_unavailable"),
    *("shutting_down", "overloaded", "project_forbidden", "project_deleting", *_ONCE),
)
_OF_PROJECT = ("project_id_invalid", "project_forbidden")
_ADOPTION = (
    *("malformed_json", "key_invalid", "project_id_missing", "project_id_invalid", "object_missing", "object_changed"),
    *("bytes_exceeded", "body_too_large", "type_not_accepted", "unavailable", "project_forbidden", "project_deleting"),
    *_ONCE,
)


def document(limits: Limits) -> Json:
    """The document for a server with these limits."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Darkroom",
            "version": "1",
            "description": "Takes photos and videos in, and says what became of them.",
        },
        "paths": {
            "/api/upload": {"post": _upload(limits)},
            "/api/media": {"post": _adoption()},
            "/api/media/{mediaId}": {"get": _get(), "delete": _delete()},
            "/api/media/{mediaId}/events": {"get": _follow("a media", ("media_not_found",), _media_id())},
            "/api/projects/{projectId}/events": {"get": _follow("a project", _OF_PROJECT, _project_id())},
            "/api/media/{mediaId}/retry": {"post": _retry()},
            "/api/projects/{projectId}/media": {"get": _list()},
            "/api/projects/{projectId}": {"delete": _erase()},
            "/api/projects/{projectId}/deletion": {"get": _erasing()},
            "/api/tokens": {"post": _token(limits)},
            "/healthz": {
                "get": _operation("Whether the process lives", {"200": _answer("It does")}, (), guarded=False)
            },
            "/readyz": {"get": _readyz()},
        },
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key or an upload token. A server on loopback without keys asks for none.",
                }
            },
            "schemas": {"Media": _media(), "Created": _created(), "Deletion": _deletion(), "Error": _error()},
        },
    }


def _upload(limits: Limits) -> Json:
    fields = {
        "projectId": {**_PROJECT, "description": "Must come before the file."},
        "fileName": {**_TEXT, "description": "Instead of the file part's own name. Must come before the file."},
        "file": {
            "type": "string",
            "contentMediaType": "application/octet-stream",
            "description": f"At most {limits.bytes} bytes of {', '.join(sorted(limits.accept))}, told by its content.",
        },
    }
    form = {"type": "object", "required": ["file"], "properties": fields}
    return _operation(
        "Upload a photo or video",
        {"201": _answer("Stored; its renditions are being made", "Created")},
        _FORM,
        parameters=[
            _parameter("projectId", "query", _PROJECT, "Instead of the form field.", required=False),
            _parameter("X-Project-Id", "header", _PROJECT, "Instead of the form field.", required=False),
            _idempotency_key(),
        ],
        requestBody={"required": True, "content": {"multipart/form-data": {"schema": form}}},
    )


def _adoption() -> Json:
    wanted = {"type": "object", "required": ["projectId", "key"], "properties": {"projectId": _PROJECT, "key": _TEXT}}
    answers = {
        "201": _answer("Taken; its renditions are being made", "Created"),
        "200": _answer("The object was taken before: this is its media", "Created"),
    }
    body = {"required": True, "content": {"application/json": {"schema": wanted}}}
    return _operation(
        "Take an object that is in the bucket already",
        answers,
        _ADOPTION,
        requestBody=body,
        parameters=[_idempotency_key()],
    )


def _erase() -> Json:
    return _operation(
        "Delete everything of a project",
        {"202": _answer("Under way. Meanwhile the project takes no upload. Repeating it is harmless", "Deletion")},
        ("project_id_invalid", "project_forbidden"),
        parameters=[_project_id()],
    )


def _erasing() -> Json:
    return _operation(
        "How far the deletion of a project is",
        {"200": _answer("The newest deletion", "Deletion")},
        ("project_id_invalid", "project_forbidden", "deletion_not_found"),
        parameters=[_project_id()],
    )


def _follow(what: str, codes: Iterable[str], place: Json) -> Json:
    stream = {"description": "Server-sent events: media, progress", "content": {"text/event-stream": {"schema": _TEXT}}}
    token = _parameter("access_token", "query", _TEXT, "An upload token, where no header can be sent.", required=False)
    last = _parameter("Last-Event-ID", "header", _TEXT, "The id of the last event that came.", required=False)
    answers = {"200": stream, "204": _answer("It has settled, and the client knows")}
    return _operation(f"Follow {what}", answers, (*codes, "too_many_followers"), parameters=[place, last, token])


def _token(limits: Limits) -> Json:
    types = {"type": "array", "minItems": 1, "maxItems": MOST_TYPES, "items": {"type": "string", "maxLength": 100}}
    fields = {
        "projectId": {**_PROJECT, "description": "What the token is for."},
        "maxBytes": {"type": "integer", "minimum": 1, "description": f"Of one file; {limits.bytes} at most."},
        "types": {**types, "description": "MIME types of what may be uploaded; * stands for any part of one."},
        "expiresIn": {"type": "integer", "minimum": 1, "maximum": LONGEST, "default": USUAL_TOKEN},
    }
    wanted = {"type": "object", "required": ["projectId"], "properties": fields}
    properties = {"success": {"const": True}, "token": _TEXT, "projectId": _PROJECT, "expiresAt": _NUMBER}
    answer = _object(properties, properties)
    return _operation(
        "Give out an upload token, for a browser",
        {"201": {"description": "Good until expiresAt, in seconds since 1970", "content": _json(answer)}},
        ("malformed_json", "project_id_missing", "project_id_invalid", "project_forbidden", "tokens_off"),
        requestBody={"required": True, "content": _json(wanted)},
    )


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _get() -> Json:
    answers = {"200": _answer("The record", "Media")}
    return _operation("One media", answers, ("media_not_found",), parameters=[_media_id()])


def _delete() -> Json:
    answers = {"204": _answer("Deleted; its files go soon. Repeating it is harmless")}
    return _operation("Delete a media", answers, ("media_not_found",), parameters=[_media_id()])


def _retry() -> Json:
    answers = {"202": _answer("Under way, with what is still missing. Repeating it is harmless", "Media")}
    codes = ("media_not_found", "not_failed", "original_missing")
    return _operation("Try a failed media again", answers, codes, parameters=[_media_id()])


def _list() -> Json:
    page = {
        "type": "object",
        "required": ["items", "cursor"],
        "properties": {
            "items": {"type": "array", "items": _ref("Media")},
            "cursor": {"type": ["string", "null"], "description": "Gives the next page; null on the last."},
        },
    }
    bounds = {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL}
    return _operation(
        "A project's media, by position",
        {"200": {"description": "One page", "content": {"application/json": {"schema": page}}}},
        ("project_id_invalid", "limit_invalid", "cursor_invalid", "project_forbidden"),
        parameters=[
            _project_id(),
            _parameter("limit", "query", bounds, "Media on a page.", required=False),
            _parameter("cursor", "query", _TEXT, "Where the page before ended.", required=False),
        ],
    )


def _readyz() -> Json:
    answers = {"200": _answer("Uploads can be taken"), "503": _answer("They cannot; each dependency is named")}
    return _operation("Whether what the server needs is there", answers, (), guarded=False)


def _operation(summary: str, answers: Json, codes: Iterable[str], *, guarded: bool = True, **more: object) -> Json:
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys((*codes, *(_GUARDED if guarded else ()), *_ANYWHERE)):
        by_status.setdefault(PROBLEMS[code][0], []).append(code)
    errors = {str(status): _answer(", ".join(found), "Error") for status, found in sorted(by_status.items())}
    if guarded:
        more["security"] = [{"bearer": []}, {}]
    return {"summary": summary, **more, "responses": {**errors, **answers}}


def _answer(description: str, schema: str | None = None) -> Json:
    content = {} if schema is None else {"content": {"application/json": {"schema": _ref(schema)}}}
    return {"description": description, **content}


def _parameter(name: str, place: str, schema: Json, description: str, *, required: bool = True) -> Json:
    return {"name": name, "in": place, "required": required, "schema": schema, "description": description}


def _idempotency_key() -> Json:
    schema = {"type": "string", "pattern": "^[!-~]{1,255}$"}
    return _parameter("Idempotency-Key", "header", schema, "A request sent again is not done again.", required=False)


def _project_id() -> Json:
    return _parameter("projectId", "path", _PROJECT, "The project.")


def _media_id() -> Json:
    return _parameter("mediaId", "path", _MEDIA, "The media.")


def _ref(schema: str) -> Json:
    return {"$ref": f"#/components/schemas/{schema}"}


def _object(properties: Json, required: Iterable[str]) -> Json:
    return {"type": "object", "required": list(required), "properties": properties}


def _created() -> Json:
    properties = {"success": {"const": True}, "mediaId": _MEDIA, "url": _URL, "s3Key": _TEXT, "statusUrl": _URL}
    return _object(properties, properties)


def _deletion() -> Json:
    at = {"type": "string", "format": "date-time"}
    properties = {
        "success": {"const": True},
        "projectId": _PROJECT,
        "status": {"enum": ["deleting", "deleted"]},
        "media": {**_NUMBER, "description": "Deleted up to now."},
        "requestedAt": at,
        "notBefore": {**at, "description": "Somebody may still be writing until then: it is not done earlier."},
        "doneAt": at,
        "statusUrl": _URL,
    }
    return _object(properties, ("success", "projectId", "status", "media", "requestedAt", "notBefore"))


def _error() -> Json:
    properties = {"success": {"const": False}, "error": _TEXT, "code": {"enum": list(PROBLEMS)}}
    return _object(properties, properties)


def _media() -> Json:
    texts = ("originalName", "fileName", "mimeType", "s3Key", "s3Url", "reason", "error", "etag", "checksum", "recipe")
    maps = ("renditions", "placeholder", "probe")
    properties = {
        "id": _MEDIA,
        "projectId": _PROJECT,
        "status": {"enum": [status.value for status in Status]},
        "fileType": {"enum": ["image", "video"]},
        "uploadDate": {"type": "string", "format": "date-time"},
        "position": _NUMBER,
        "size": {**_NUMBER, "description": "Bytes."},
        "version": _NUMBER,
        "urls": {"type": "object", "additionalProperties": _URL, "description": "By name: original, thumbnail, ..."},
        **dict.fromkeys(texts, _TEXT),
        **{name: {"type": "object"} for name in maps},
    }
    return _object(properties, ("id", "projectId", "status", "fileType", "mimeType", "uploadDate"))
