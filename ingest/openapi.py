"""The HTTP contract as an OpenAPI 3.1 document: it says what the endpoints do, and is served beside them."""

from collections.abc import Iterable

from ingest.openapi_doors import doors
from ingest.reads import MOST, USUAL
from ingest.schemas import (
    NUMBER,
    ONCE,
    PROJECT,
    TEXT,
    Json,
    answer,
    components,
    idempotency_key,
    in_json,
    in_project,
    of_media,
    operation,
    parameter,
    ref,
    shape,
)
from ingest.tokens import LONGEST, MOST_TYPES
from ingest.tokens import USUAL as USUAL_TOKEN
from pipeline.limits import Limits

_FILE = (
    *("file_empty", "project_id_invalid", "request_timeout", "upload_superseded", "bytes_exceeded", "digest_invalid"),
    *("digest_conflict", "digest_mismatch", "format_unsupported", "type_not_accepted", "busy", "storage_unavailable"),
    *("records_unavailable", "shutting_down", "overloaded", "project_forbidden", "project_deleting", *ONCE),
)
_FORM = (
    *("no_file", "two_files", "unexpected_file", "not_multipart", "boundary_missing", "malformed_form"),
    *("form_truncated", "too_many_fields", "field_too_large", "project_id_missing", "project_id_after_file"),
    "project_id_conflict",
)
_OF_PROJECT = ("project_id_invalid", "project_forbidden")
_ADOPTION = (
    *("malformed_json", "key_invalid", "project_id_missing", "project_id_invalid", "object_missing", "object_changed"),
    *("bytes_exceeded", "body_too_large", "type_not_accepted", "unavailable", "project_forbidden", "project_deleting"),
    *ONCE,
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
            "/api/upload/{projectId}/{fileName}": {"put": _put(limits)},
            **doors(),
            "/api/media": {"post": _adoption()},
            "/api/media/{mediaId}": {"get": _get(), "delete": _delete()},
            "/api/media/{mediaId}/events": {"get": _follow("a media", ("media_not_found",), of_media())},
            "/api/projects/{projectId}/events": {"get": _follow("a project", _OF_PROJECT, in_project())},
            "/api/media/{mediaId}/retry": {"post": _retry()},
            "/api/projects/{projectId}/media": {"get": _list()},
            "/api/projects/{projectId}": {"delete": _erase()},
            "/api/projects/{projectId}/deletion": {"get": _erasing()},
            "/api/tokens": {"post": _token(limits)},
            "/healthz": {"get": operation("Whether the process lives", {"200": answer("It does")}, (), guarded=False)},
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
            "schemas": components(),
        },
    }


def _upload(limits: Limits) -> Json:
    fields = {
        "projectId": {**PROJECT, "description": "Must come before the file."},
        "fileName": {**TEXT, "description": "Instead of the file part's own name. Must come before the file."},
        "file": {
            "type": "string",
            "contentMediaType": "application/octet-stream",
            "description": f"At most {limits.bytes} bytes of {', '.join(sorted(limits.accept))}, told by its content.",
        },
    }
    form = {"type": "object", "required": ["file"], "properties": fields}
    return operation(
        "Upload a photo or video",
        _stored(),
        (*_FORM, *_FILE),
        parameters=[
            parameter("projectId", "query", PROJECT, "Instead of the form field.", required=False),
            parameter("X-Project-Id", "header", PROJECT, "Instead of the form field.", required=False),
            idempotency_key(),
        ],
        requestBody={"required": True, "content": {"multipart/form-data": {"schema": form}}},
    )


def _put(limits: Limits) -> Json:
    kinds = f"{', '.join(sorted(limits.accept))}, told by its content."
    file = {"type": "string", "contentMediaType": "application/octet-stream", "description": kinds}
    return operation(
        f"Upload a photo or video of at most {limits.bytes} bytes as the body itself",
        _stored(),
        (*_FILE, "partial_put"),
        parameters=[
            in_project(),
            parameter("fileName", "path", TEXT, "What the file is called; may hold slashes."),
            idempotency_key(),
        ],
        requestBody={"required": True, "content": {"*/*": {"schema": file}}},
    )


def _stored() -> Json:
    late = "Every byte is stored, only S3 takes long to make the object: statusUrl says how it ends"
    return {"201": answer("Stored; its renditions are being made", "Created"), "202": answer(late, "Created")}


def _adoption() -> Json:
    wanted = {"type": "object", "required": ["projectId", "key"], "properties": {"projectId": PROJECT, "key": TEXT}}
    answers = {
        "201": answer("Taken; its renditions are being made", "Created"),
        "200": answer("The object was taken before: this is its media", "Created"),
    }
    body = {"required": True, "content": {"application/json": {"schema": wanted}}}
    return operation(
        "Take an object that is in the bucket already",
        answers,
        _ADOPTION,
        requestBody=body,
        parameters=[idempotency_key()],
    )


def _erase() -> Json:
    return operation(
        "Delete everything of a project",
        {"202": answer("Under way. Meanwhile the project takes no upload. Repeating it is harmless", "Deletion")},
        ("project_id_invalid", "project_forbidden"),
        parameters=[in_project()],
    )


def _erasing() -> Json:
    return operation(
        "How far the deletion of a project is",
        {"200": answer("The newest deletion", "Deletion")},
        ("project_id_invalid", "project_forbidden", "deletion_not_found"),
        parameters=[in_project()],
    )


def _follow(what: str, codes: Iterable[str], place: Json) -> Json:
    stream = {"description": "Server-sent events: media, progress", "content": {"text/event-stream": {"schema": TEXT}}}
    token = parameter("access_token", "query", TEXT, "An upload token, where no header can be sent.", required=False)
    last = parameter("Last-Event-ID", "header", TEXT, "The id of the last event that came.", required=False)
    answers = {"200": stream, "204": answer("It has settled, and the client knows")}
    return operation(f"Follow {what}", answers, (*codes, "too_many_followers"), parameters=[place, last, token])


def _token(limits: Limits) -> Json:
    types = {"type": "array", "minItems": 1, "maxItems": MOST_TYPES, "items": {"type": "string", "maxLength": 100}}
    fields = {
        "projectId": {**PROJECT, "description": "What the token is for."},
        "maxBytes": {"type": "integer", "minimum": 1, "description": f"Of one file; {limits.bytes} at most."},
        "types": {**types, "description": "MIME types of what may be uploaded; * stands for any part of one."},
        "expiresIn": {"type": "integer", "minimum": 1, "maximum": LONGEST, "default": USUAL_TOKEN},
    }
    wanted = {"type": "object", "required": ["projectId"], "properties": fields}
    properties = {"success": {"const": True}, "token": TEXT, "projectId": PROJECT, "expiresAt": NUMBER}
    answer = shape(properties, properties)
    return operation(
        "Give out an upload token, for a browser",
        {"201": {"description": "Good until expiresAt, in seconds since 1970", "content": in_json(answer)}},
        ("malformed_json", "project_id_missing", "project_id_invalid", "project_forbidden", "tokens_off"),
        requestBody={"required": True, "content": in_json(wanted)},
    )


def _get() -> Json:
    answers = {"200": answer("The record", "Media")}
    return operation("One media", answers, ("media_not_found",), parameters=[of_media()])


def _delete() -> Json:
    answers = {"204": answer("Deleted; its files go soon. Repeating it is harmless")}
    return operation("Delete a media", answers, ("media_not_found",), parameters=[of_media()])


def _retry() -> Json:
    answers = {"202": answer("Under way, with what is still missing. Repeating it is harmless", "Media")}
    codes = ("media_not_found", "not_failed", "original_missing")
    return operation("Try a failed media again", answers, codes, parameters=[of_media()])


def _list() -> Json:
    page = {
        "type": "object",
        "required": ["items", "cursor"],
        "properties": {
            "items": {"type": "array", "items": ref("Media")},
            "cursor": {"type": ["string", "null"], "description": "Gives the next page; null on the last."},
        },
    }
    bounds = {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL}
    return operation(
        "A project's media, by position",
        {"200": {"description": "One page", "content": {"application/json": {"schema": page}}}},
        ("project_id_invalid", "limit_invalid", "cursor_invalid", "project_forbidden"),
        parameters=[
            in_project(),
            parameter("limit", "query", bounds, "Media on a page.", required=False),
            parameter("cursor", "query", TEXT, "Where the page before ended.", required=False),
        ],
    )


def _readyz() -> Json:
    answers = {"200": answer("Uploads can be taken"), "503": answer("They cannot; each dependency is named")}
    return operation("Whether what the server needs is there", answers, (), guarded=False)
