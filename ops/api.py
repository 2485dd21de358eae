"""Darkroom's HTTP interface as a client sees it: a file is streamed, never held in memory."""

import contextlib
import http.client
import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

PIECE = 256 * 1024
"""Bytes read from a file at a time."""

TIMEOUT = 120.0
"""Seconds without any progress."""


class RefusedError(Exception):
    """The server did not take the file, or cannot be reached; the text names the file and says why."""


def upload(url: str, path: Path, project: str, sent: Callable[[int], None], key: str = "") -> dict[str, Any]:
    """Upload a file to a project and return the answer; `sent` is told how many bytes went out in all.

    `key` is an API key or upload token, where one is asked for.

    Raises:
        RefusedError: it was not taken.
    """
    boundary = secrets.token_hex(16)
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{_quoted(path.name)}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    tail = f"\r\n--{boundary}--\r\n".encode()

    def body() -> Iterator[bytes]:
        yield head
        count = 0
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece
                count += len(piece)
                sent(count)
        yield tail

    connection, base = _connection(url)
    try:
        headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(len(head) + path.stat().st_size + len(tail)),
            **({"Authorization": f"Bearer {key}"} if key else {}),
        }
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # what it does not take it answers early
            where = f"{base.rstrip('/')}/api/upload?projectId={quote(project, safe='')}"
            connection.request("POST", where, body(), headers)
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise RefusedError(f"{path.name}: {error}") from error
    finally:
        connection.close()
    if response.status not in {http.HTTPStatus.CREATED, http.HTTPStatus.ACCEPTED}:
        raise RefusedError(f"{path.name}: {answer.get('error')} ({answer.get('code')})")
    return answer


def download(url: str, path: Path) -> None:
    """Write what a public URL serves to a file.

    Raises:
        RefusedError: it is not served.
    """
    connection, where = _connection(url)
    try:
        connection.request("GET", where)
        response = connection.getresponse()
        if response.status != http.HTTPStatus.OK:
            raise RefusedError(f"{url}: {response.status} {response.reason}")
        with path.open("wb") as file:
            while piece := response.read(PIECE):
                file.write(piece)
    except (OSError, http.client.HTTPException) as error:
        raise RefusedError(f"{url}: {error}") from error
    finally:
        connection.close()


def _connection(url: str) -> tuple[http.client.HTTPConnection, str]:
    """Return a connection to the URL's host, not opened yet, and the URL's path."""
    target = urlsplit(url)
    kind = http.client.HTTPSConnection if target.scheme == "https" else http.client.HTTPConnection
    return kind(target.hostname or "", target.port, timeout=TIMEOUT), target.path


def _quoted(name: str) -> str:
    """Return a file name as browsers put it into a form (WHATWG HTML, multipart/form-data encoding)."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
