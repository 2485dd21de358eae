"""What a ready media was promised, looked at where it is stored: that it is there, and that its facts are true."""

import hashlib
import io
from collections.abc import Iterator
from urllib.parse import urljoin

import av
import httpx
from PIL import Image

from pipeline import keys
from pipeline.adapters.s3 import S3Objects
from pipeline.errors import NotFoundError
from pipeline.media import Media, Output
from pipeline.plan import Plan
from tests.chaos.samples import Sample
from workers.jobs import Promise
from workers.stages import WORK

_WEB = httpx.Client()
SLACK = 0.3
"""Seconds by which a video may be longer or shorter than it was: the last audio frame."""


def promises(plan: Plan) -> list[Promise]:
    """Every object that the plan names before it is made."""
    return [promise for part in plan.parts for promise in WORK[part.partition("#")[0]].promised(plan, part)]


def digest(objects: S3Objects, key: str) -> str | None:
    """SHA-256 of the object, None when there is none."""
    try:
        return hashlib.sha256(_body(objects, key)).hexdigest()
    except objects.client.exceptions.NoSuchKey:
        return None


def wrong(objects: S3Objects, media: Media, sample: Sample) -> Iterator[str]:
    """What is not as the record of a ready media says."""
    plan = Plan.from_dict(media.plan or {})
    below = keys.renditions(media.project_id, media.id)
    for promise in promises(plan):
        stored = objects.head(below + promise.suffix)
        if stored is None:
            yield f"{promise.suffix} is not there"
        elif stored.mime_type != promise.mime_type:
            yield f"{promise.suffix} is {stored.mime_type}, not {promise.mime_type}"
    named = {promise.rendition for promise in promises(plan) if promise.rendition}
    if named != set(media.renditions):
        yield f"its renditions are {sorted(media.renditions)}, not {sorted(named)}"
    if set(media.urls) != {*named, "original"}:
        yield f"its urls are {sorted(media.urls)}"
    for name, output in media.renditions.items():
        yield from (f"{name}: {how}" for how in _of(objects, output, media.urls.get(name, ""), sample))


def _of(objects: S3Objects, output: Output, url: str, sample: Sample) -> Iterator[str]:
    try:
        stored = objects.head(output.key)
        body = _body(objects, output.key)
    except (NotFoundError, objects.client.exceptions.NoSuchKey):
        stored, body = None, b""
    if stored is None:
        yield "is not there"
        return
    if (stored.size, stored.etag, stored.mime_type) != (output.bytes, output.etag, output.mime_type):
        yield f"is {stored}, not as recorded: {output}"
    if _WEB.head(url).status_code != httpx.codes.OK:
        yield f"{url} is not served"
    try:
        if output.mime_type.startswith("image/"):
            yield from _picture(body, output)
        elif output.mime_type == "video/mp4":
            yield from _movie(body, output, sample)
        else:
            yield from _playlist(url)
    except (OSError, av.error.FFmpegError) as error:
        yield f"cannot be decoded: {error}"


def _picture(body: bytes, output: Output) -> Iterator[str]:
    with Image.open(io.BytesIO(body)) as picture:
        picture.load()
        if picture.size != (output.width, output.height):
            yield f"shows {picture.size}, recorded are {(output.width, output.height)}"


def _movie(body: bytes, output: Output, sample: Sample) -> Iterator[str]:
    with av.open(io.BytesIO(body), "r") as container:
        picture = container.streams.video[0]
        seconds = (container.duration or 0) / 1_000_000
        if (picture.width, picture.height) != (output.width, output.height):
            yield f"shows {(picture.width, picture.height)}, recorded are {(output.width, output.height)}"
        if abs(seconds - (sample.seconds or 0)) > SLACK:
            yield f"plays {seconds} s, not {sample.seconds} s"


def _playlist(url: str) -> Iterator[str]:
    """All that a player would fetch is there."""
    answer = _WEB.get(url)
    lines = answer.text.splitlines()
    if not answer.is_success or not lines or lines[0] != "#EXTM3U":
        yield f"{url} is no playlist"
        return
    quoted = [line.partition('URI="')[2].partition('"')[0] for line in lines if 'URI="' in line]
    for name in (*quoted, *(line for line in lines if line and not line.startswith("#"))):
        inner = urljoin(url, name)
        if inner.endswith(".m3u8"):
            yield from _playlist(inner)
        elif _WEB.head(inner).status_code != httpx.codes.OK:
            yield f"{inner} is not served"


def _body(objects: S3Objects, key: str) -> bytes:
    return objects.client.get_object(Bucket=objects.bucket, Key=key)["Body"].read()
