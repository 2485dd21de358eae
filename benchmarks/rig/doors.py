"""How a file is put into requests: one function a door, each returning the seconds from last byte to answer."""

import base64
import json
from collections.abc import Callable
from urllib.parse import urlsplit

from benchmarks.rig.wire import Answer, Sample, Wire

PROJECT = "bench"
_BOUNDARY = "----bench7MA4YWxkTrZu0gW"
_TUS = {"tus-resumable": "1.0.0"}

Door = Callable[[Wire, Sample], Answer]


class RefusedError(Exception):
    """A server did not take an upload; the text is its answer."""


def form(wire: Wire, body: Sample) -> Answer:
    """multipart/form-data, the field before the file, as browsers write it."""
    field = f'--{_BOUNDARY}\r\ncontent-disposition: form-data; name="projectId"\r\n\r\n{PROJECT}\r\n'
    name = f'content-disposition: form-data; name="file"; filename="{body.path.name}"'
    around = f"{field}--{_BOUNDARY}\r\n{name}\r\ncontent-type: {body.mime_type}\r\n\r\n\0\r\n--{_BOUNDARY}--\r\n"
    headers = {"content-type": f"multipart/form-data; boundary={_BOUNDARY}"}
    return _taken(wire.send("POST", "/api/upload", headers, body, around.encode()))


def raw(wire: Wire, body: Sample) -> Answer:
    """The file as the body of a PUT, as `curl -T` sends it."""
    headers = {"content-type": body.mime_type}
    return _taken(wire.send("PUT", f"/api/upload/{PROJECT}/{body.path.name}", headers, body))


def tus(wire: Wire, body: Sample) -> Answer:
    """A creation, then one PATCH with everything, as clients of tus 1.0 do it."""
    words = {"filename": body.path.name, "filetype": body.mime_type, "projectId": PROJECT}
    metadata = ",".join(f"{name} {base64.b64encode(word.encode()).decode()}" for name, word in words.items())
    creation = {**_TUS, "upload-length": str(body.size), "upload-metadata": metadata}
    made = _taken(wire.send("POST", "/files", creation))
    target = urlsplit(made.headers["location"]).path
    patch = {**_TUS, "upload-offset": "0", "content-type": "application/offset+octet-stream"}
    answer = _taken(wire.send("PATCH", target, patch, body))
    if answer.headers["upload-offset"] != str(body.size):
        raise RefusedError(f"tus: {answer.headers['upload-offset']} of {body.size} bytes were taken")
    return answer


def straight(wire: Wire, body: Sample) -> Answer:
    """No server between: an object in a bucket of an S3 that asks for no signature."""
    return _taken(wire.send("PUT", f"/{PROJECT}/{body.path.name}", {}, body))


def media_of(answer: Answer) -> str:
    """The id in an answer to `form` or `raw`."""
    return str(json.loads(answer.body)["mediaId"])


def _taken(answer: Answer) -> Answer:
    if not 200 <= answer.status < 300:  # noqa: PLR2004 - success
        raise RefusedError(f"{answer.status}: {answer.body[:300].decode(errors='replace')}")
    return answer
