"""Every error that a client can be answered with: a stable code, an HTTP status and a sentence it can act on."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from starlette.responses import JSONResponse

from pipeline.limits import REASONS

RETRY_AFTER: Mapping[int, int] = MappingProxyType({503: 5, 429: 60, 423: 1})
"""Seconds after which a client may try again, by status: something is away, or a backlog has to be worked off."""
_SOON = frozenset({"request_in_progress", "bytes_at_once_exceeded"})
"""Codes of other statuses after which the same request is worth another try in a second."""

PROBLEMS: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        "no_file": (400, "Send a file in the form field 'file'."),
        "file_empty": (400, "The file is empty."),
        "two_files": (400, "Send one file per request."),
        "unexpected_file": (400, "Files are taken in the form field 'file' alone."),
        "project_id_missing": (
            400,
            "Send projectId: a form field before the file, a query parameter, or the header X-Project-Id.",
        ),
        "project_id_invalid": (400, "A projectId is 1 to 64 letters, digits, '_' or '-'."),
        "project_id_after_file": (400, "The form field projectId must come before the file."),
        "project_id_conflict": (400, "The request names two different projects."),
        "not_multipart": (400, "Send the form as multipart/form-data."),
        "boundary_missing": (400, "The Content-Type of the form names no usable boundary."),
        "malformed_form": (400, "The body is no well-formed multipart/form-data."),
        "form_truncated": (400, "The form ends before its closing boundary."),
        "too_many_fields": (400, "The form has too many fields."),
        "field_too_large": (400, "A field of the form is too long."),
        "digest_invalid": (400, "A digest or checksum header cannot be read."),
        "digest_conflict": (400, "Two digests of the same kind differ: the file cannot have both."),
        "digests_exceeded": (400, "A form straight to S3 has one checksum: send one x-amz-checksum-... header."),
        "digest_mismatch": (400, REASONS["digest_mismatch"]),
        "malformed_json": (400, "The body is no JSON object of the expected shape."),
        "key_invalid": (
            400,
            "A key names one object of the bucket in 1 to 1024 bytes; those under projects/ and renditions/ are taken.",
        ),
        "idempotency_key_invalid": (400, "An Idempotency-Key is 1 to 255 visible ASCII characters, sent once."),
        "upload_length_invalid": (400, "Send either Upload-Length, in bytes, or Upload-Defer-Length: 1."),
        "upload_metadata_invalid": (400, "Upload-Metadata is pairs of a name and a base64 value, at most 16 kB."),
        "upload_offset_invalid": (400, "Send Upload-Offset, the number of bytes that were taken before."),
        "upload_checksum_invalid": (400, "Upload-Checksum is the name of an offered algorithm and a base64 digest."),
        "upload_concat_invalid": (
            400,
            "Upload-Concat is 'partial', or 'final;' and the URLs of complete partial ones.",
        ),
        "part_number_invalid": (400, "A part's number is 1 to 10000."),
        "partial_put": (400, "A PUT brings a whole file. To bring it in pieces there is tus, at /files/."),
        "parts_missing": (400, "The upload has no parts."),
        "cursor_invalid": (400, "This cursor was not given out here."),
        "limit_invalid": (400, "The limit must be a number from 1 to 200."),
        "credentials_missing": (401, "Send an API key or an upload token: Authorization: Bearer ..."),
        "credentials_invalid": (401, "This API key or upload token is not, or no longer, good here."),
        "token_expired": (401, "The upload token has expired. Ask for a new one."),
        "right_missing": (403, "This API key or upload token does not allow that."),
        "project_forbidden": (403, "This API key or upload token is for other projects."),
        "host_not_allowed": (403, "This server does not answer to that host name."),
        "origin_not_allowed": (403, "Pages of this origin may not use this server."),
        "upload_final": (403, "This upload is put together from others: it takes no bytes of its own."),
        "not_found": (404, "There is nothing here."),
        "media_not_found": (404, "There is no such media."),
        "deletion_not_found": (404, "This project was never deleted as a whole."),
        "tokens_off": (404, "This server gives out no upload tokens."),
        "upload_not_found": (404, "There is no such upload."),
        "object_missing": (404, "There is no such object in the bucket."),
        "method_not_allowed": (405, "This address does not take that method."),
        "request_timeout": (408, "The data came too slowly, or none came for too long."),
        "request_in_progress": (409, "The first request with this Idempotency-Key is still being served."),
        "upload_superseded": (409, "The upload was ended from elsewhere before it was complete."),
        "project_deleting": (409, "The project is being deleted: it takes nothing until that is done."),
        "upload_offset_mismatch": (409, "The upload is at another offset. Ask for it and go on from there."),
        "upload_complete": (409, "The upload is complete. Delete its media instead."),
        "not_failed": (409, "Only a media that has failed can be tried again."),
        "original_missing": (409, "The upload itself failed: there is no original to try again with. Upload it again."),
        "object_changed": (409, "The object was replaced while it was looked at."),
        "upload_gone": (410, "The upload was ended before it was complete. Start again."),
        "tus_version_unsupported": (412, "This server speaks version 1.0.0 of tus: send Tus-Resumable: 1.0.0."),
        "bytes_exceeded": (413, REASONS["bytes_exceeded"]),
        "body_too_large": (413, "The body is larger than this address takes."),
        "format_unsupported": (415, REASONS["format_unsupported"]),
        "type_not_accepted": (415, REASONS["type_not_accepted"]),
        "content_coding_unsupported": (415, "Send the file as it is: what has a Content-Encoding is not decoded here."),
        "expectation_unsupported": (417, "100-continue is the only expectation that is met here."),
        "idempotency_key_reused": (422, "This Idempotency-Key was sent with another request before."),
        "upload_type_invalid": (415, "Send the bytes as application/offset+octet-stream."),
        "upload_locked": (423, "Another request is bringing bytes of this upload. Try again shortly."),
        "upload_interrupted": (423, "Another request goes on with this upload. Ask for its offset."),
        "rate_exceeded": (429, "This API key or upload token has sent too many requests. Try again later."),
        "bytes_at_once_exceeded": (429, "This API key or upload token is uploading too much at once. Try again later."),
        "overloaded": (429, "So much is waiting to be processed that more cannot be taken now. Try again later."),
        "checksum_mismatch": (460, "The bytes are not those that their checksum is of; they were dropped."),
        "internal_error": (500, "Something went wrong on our side."),
        "transfer_coding_unsupported": (501, "Send the body plain or chunked: no other coding is decoded here."),
        "busy": (503, "Too many uploads are going on. Try again shortly."),
        "too_many_followers": (503, "Too many clients are following. Ask for the record now and then instead."),
        "unavailable": (503, "Something this needs cannot be reached. Try again shortly."),
        "storage_unavailable": (503, "The storage cannot be reached. Try again shortly."),
        "records_unavailable": (503, "The records cannot be reached. Try again shortly."),
        "shutting_down": (503, "The server is being restarted. Try again shortly."),
    }
)


class ProblemError(Exception):
    """A request that ends with an error; `code` is one of `PROBLEMS`."""

    def __init__(self, code: str, wait: int | None = None) -> None:
        """Look the rest up; `wait` is what Retry-After says, in seconds, where that is known better."""
        self.code = code
        self.wait = 1 if code in _SOON else wait
        self.status, self.sentence = PROBLEMS[code]
        super().__init__(code)


def reply(problem: ProblemError, detail: str | None = None) -> JSONResponse:
    """The error as a response; `detail` says more about the inside, and is for development only."""
    body = {"success": False, "error": problem.sentence, "code": problem.code}
    wait = problem.wait or RETRY_AFTER.get(problem.status)
    headers = {} if wait is None else {"Retry-After": str(wait)}
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if problem.code == "content_coding_unsupported":  # RFC 9110, section 15.5.16
        headers["Accept-Encoding"] = "identity"
    return JSONResponse(body if detail is None else body | {"detail": detail}, problem.status, headers)
