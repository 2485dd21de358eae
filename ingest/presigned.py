"""Straight to S3, in the two shapes that `@uppy/aws-s3` speaks.

`POST /s3/sign` answers each of its `signRequest` calls: forms and parts go to S3, and what has to be known here (to
begin, list, complete and abort) comes back to us, in S3's own XML. The other routes under `/s3/` are those of a
Companion server.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ingest import digests
from ingest.bodies import small
from ingest.callers import caller_of
from ingest.direct import Direct
from ingest.idempotency import Idempotency, unnamed
from ingest.pressure import Pressure
from ingest.problems import ProblemError
from ingest.prompt import Receipt
from ingest.submissions import project_of
from ingest.uploads import created, status_url
from pipeline.granting import Opened
from pipeline.limits import Limits
from pipeline.media import Media, Status
from pipeline.reception import MOST_PARTS, Reception
from pipeline.repeats import Turn

MOST_BYTES = 1024 * 1024
"""Of a request's JSON or XML: ten thousand parts have their ETags in it."""
_UUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-")
NOTHING: Mapping[str, str] = MappingProxyType({})
_XMLNS = "http://s3.amazonaws.com/doc/2006-03-01/"


@dataclass(frozen=True)
class Presigned:
    """The endpoints."""

    direct: Direct
    limits: Limits
    pressure: Pressure
    idempotency: Idempotency
    bucket: str

    async def sign(self, request: Request) -> Response:
        """`signRequest`: where and how the client sends one request of its upload."""
        wanted = await _json(request)
        method, key, upload_id = _text(wanted, "method"), _text(wanted, "key"), _text(wanted, "uploadId")
        match method, bool(upload_id):
            case "PUT", False:
                return await self._form(request, wanted, key, _text(wanted, "contentType"))
            case "POST", False:
                answer = await self._begun(request, wanted, key, _text(wanted, "contentType"))
                begun = json.loads(bytes(answer.body))
                return self._home(request, begun["key"], begun["uploadId"], "begin", answer.headers)
            case "PUT", True:
                opened = await self.direct.bound(key, upload_id, caller_of(request))
                url, _ = await self.direct.part(opened, _number(wanted.get("partNumber")))
                return JSONResponse({"url": url, "key": key})
            case "GET" | "POST" | "DELETE", True:
                await self.direct.bound(key, upload_id, caller_of(request))
                return self._home(request, key, upload_id, "object")
            case _:
                raise ProblemError("malformed_json")

    async def params(self, request: Request) -> Response:
        """Companion: a POST policy."""
        query = request.query_params
        return await self._form(request, _metadata(request), query.get("filename", ""), query.get("type", ""))

    async def begin(self, request: Request) -> Response:
        """Companion: a multipart upload."""
        wanted = await _json(request)
        metadata = wanted.get("metadata") if isinstance(wanted.get("metadata"), dict) else {}
        return await self._begun(request, metadata or {}, _text(wanted, "filename"), _text(wanted, "type"))

    async def part(self, request: Request) -> Response:
        """Companion: where one part goes."""
        number = _number(request.path_params["number"])
        url, seconds = await self.direct.part(await self._bound(request), number)
        return JSONResponse({"url": url, "expires": seconds})

    async def batch(self, request: Request) -> Response:
        """Companion: where several parts go."""
        numbers = [_number(each) for each in request.query_params.get("partNumbers", "").split(",")]
        opened = await self._bound(request)
        urls = {str(number): (await self.direct.part(opened, number))[0] for number in numbers[:MOST_PARTS]}
        return JSONResponse({"presignedUrls": urls})

    async def upload(self, request: Request) -> Response:
        """Companion: GET lists the parts that are there, DELETE ends the upload."""
        opened = await self._bound(request)
        if request.method == "DELETE":
            await self.direct.abort(opened)
            return JSONResponse({})
        parts = await self.direct.parts(opened)
        listed = [{"PartNumber": part.number, "Size": part.size, "ETag": part.etag} for part in parts]
        return JSONResponse(listed)

    async def complete(self, request: Request) -> Response:
        """Companion: the parts are all there. S3 is asked which they are; what the client lists is not needed."""
        await small(request.receive, MOST_BYTES)

        async def work(_turn: Turn | None) -> Response:
            receipt = await self._complete(request, await self._bound(request))
            media, follow = receipt.media, status_url(request, receipt.media.id)
            facts = {"location": media.s3_url, "bucket": self.bucket, "key": media.s3_key, "mediaId": media.id}
            return JSONResponse(facts | {"statusUrl": follow}, receipt.status(200), background=receipt.behind)

        return await self.idempotency.once(request, (request.query_params.get("key", ""),), work, unnamed)

    async def arrived(self, request: Request) -> Response:
        """The form was sent: `{"key"}` is there. Without this call it is found within minutes."""
        key = _text(await _json(request), "key")

        async def work(_turn: Turn | None) -> Response:
            media = (await self._complete(request, await self.direct.bound(key, None, caller_of(request)))).media
            return created(request, media.id, media.s3_url, media.s3_key)

        return await self.idempotency.once(request, (key,), work, unnamed)

    async def xml(self, request: Request) -> Response:
        """What `signRequest` sent back to us: POST begins or completes, GET lists, DELETE ends."""
        await small(request.receive, MOST_BYTES)
        opened = await self._bound(request)
        key, upload_id = opened.media.s3_key, request.path_params["upload_id"]
        place = {"Bucket": self.bucket, "Key": key}
        if request.path_params["verb"] == "begin":
            return _xml("InitiateMultipartUploadResult", {**place, "UploadId": upload_id})
        match request.method:
            case "GET":
                parts = [
                    {"PartNumber": str(each.number), "ETag": each.etag} for each in await self.direct.parts(opened)
                ]
                return _xml("ListPartsResult", {**place, "UploadId": upload_id}, parts)
            case "POST":

                async def work(_turn: Turn | None) -> Response:
                    receipt = await self._complete(request, opened)
                    facts = {"Location": receipt.media.s3_url, **place, "ETag": receipt.media.etag or ""}
                    answer = _xml("CompleteMultipartUploadResult", facts)
                    answer.status_code, answer.background = receipt.status(200), receipt.behind
                    return answer

                return await self.idempotency.once(request, (key,), work, unnamed)
            case _:
                await self.direct.abort(opened)
                return Response(status_code=204)

    async def _form(self, request: Request, said: Mapping[str, Any], name: str, mime_type: str) -> Response:
        """A new upload's form; the same again for the same Idempotency-Key."""
        project_id, limits = self._let_in(request, said)
        checksums = digests.for_s3(request.headers.items())

        async def signed(media: Media) -> Response:
            form = await self.direct.form(_under_way(media), limits, checksums)
            request.state.facts.update(project_id=project_id, media_id=media.id)
            facts = {"mediaId": media.id, "key": media.s3_key}
            return JSONResponse({"method": "POST", "url": form.url, "fields": dict(form.fields), **facts})

        async def work(turn: Turn | None) -> Response:
            await self.pressure.check()
            media = self.direct.describe(project_id, _named(name), mime_type, limits)
            return await signed(await self.direct.open_form(media, _terms(request, limits), turn))

        return await self.idempotency.once(request, (project_id, name, mime_type), work, signed)

    async def _begun(self, request: Request, said: Mapping[str, Any], name: str, mime_type: str) -> Response:
        """A new upload in parts, as a Companion server says it; the same again for the same Idempotency-Key."""
        project_id, limits = self._let_in(request, said)
        terms = _terms(request, limits, digests.of_file(request.headers.items()))

        async def begun(media: Media) -> Response:
            upload_id = await self.direct.begin(_under_way(media))
            request.state.facts.update(project_id=project_id, media_id=media.id)
            facts = {"key": media.s3_key, "uploadId": upload_id, "bucket": self.bucket, "mediaId": media.id}
            return JSONResponse(facts)

        async def work(turn: Turn | None) -> Response:
            await self.pressure.check()
            media = self.direct.describe(project_id, _named(name), mime_type, limits)
            return await begun(await self.direct.open_parts(media, terms, turn))

        return await self.idempotency.once(request, (project_id, name, mime_type), work, begun)

    def _let_in(self, request: Request, said: Mapping[str, Any]) -> tuple[str, Limits]:
        given = [*request.query_params.getlist("projectId"), *request.headers.getlist("x-project-id")]
        project_id = project_of([*given, *([said["projectId"]] if isinstance(said.get("projectId"), str) else [])])
        if project_id is None:
            raise ProblemError("project_id_missing")
        caller_of(request).enter(project_id)
        return project_id, caller_of(request).narrow(self.limits)

    async def _bound(self, request: Request) -> Opened:
        key, upload_id = request.query_params.get("key", ""), request.path_params["upload_id"]
        return await self.direct.bound(key, upload_id, caller_of(request))

    async def _complete(self, request: Request, opened: Opened) -> Receipt:
        request.state.facts["media_id"] = opened.media.id
        announced = digests.of_file(request.headers.items())
        return await self.direct.complete(opened, caller_of(request).narrow(self.limits), announced)

    def _home(
        self, request: Request, key: str, upload_id: str, verb: str, said: Mapping[str, str] = NOTHING
    ) -> Response:
        """Send the client's next request to ourselves, with the credentials and checksums that it came with.

        The credentials are why this answer itself is never kept for an Idempotency-Key; `said` are the headers of one
        that is.
        """
        url = request.url_for("s3_xml", upload_id=upload_id, verb=verb)
        kept = ("authorization", *(name for name, _ in digests.s3(request.headers.items())))
        headers = {name.title(): request.headers[name] for name in kept if name in request.headers}
        replayed = {name: said[name] for name in ("idempotent-replayed",) if name in said}
        body = {"url": f"{url}?{urlencode({'key': key})}", "key": key, "headers": headers}
        return JSONResponse(body, headers=replayed)


def _terms(request: Request, limits: Limits, announced: Mapping[str, str] = NOTHING) -> Reception:
    """What the upload is held to, also by a worker that finds it: its client need not come back here."""
    caller = caller_of(request)
    types = sorted(limits.accept) if caller.types else []
    return Reception(part_size=1, direct=True, digests=announced, most=caller.bytes, types=types)


def _under_way(media: Media) -> Media:
    """The upload of an earlier request, as long as it can be brought; raises `ProblemError`."""
    if media.status is not Status.UPLOADING:
        raise ProblemError("upload_superseded" if media.status is Status.DELETED else "upload_complete")
    return media


async def _json(request: Request) -> dict[str, Any]:
    try:
        wanted = json.loads(await small(request.receive, MOST_BYTES))
    except (ValueError, RecursionError):
        raise ProblemError("malformed_json") from None
    if not isinstance(wanted, dict):
        raise ProblemError("malformed_json")
    return wanted


def _text(wanted: Mapping[str, Any], name: str) -> str:
    """A text that may be left out; raises `ProblemError` for anything else."""
    value = wanted.get(name) or ""
    if not isinstance(value, str):
        raise ProblemError("malformed_json")
    return value


def _number(value: object) -> int:
    text = str(value)
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MOST_PARTS)) and 1 <= int(text) <= MOST_PARTS):
        raise ProblemError("part_number_invalid")
    return int(text)


def _named(proposed: str) -> str:
    """The file's name in the key that a client proposes: Uppy's begin with a UUID."""
    return _UUID.sub("", proposed.rpartition("/")[2])


def _metadata(request: Request) -> dict[str, str]:
    """`metadata[name]=value` of the query."""
    pairs = request.query_params.multi_items()
    return {name[9:-1]: value for name, value in pairs if name.startswith("metadata[") and name.endswith("]")}


def _xml(name: str, facts: Mapping[str, str], parts: list[dict[str, str]] | None = None) -> Response:
    root = ET.Element(name, xmlns=_XMLNS)
    for key, value in facts.items():
        ET.SubElement(root, key).text = value
    for part in parts or []:
        element = ET.SubElement(root, "Part")
        for key, value in part.items():
            ET.SubElement(element, key).text = value
    body = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return Response(body, media_type="application/xml")
