"""The outside view of a running Darkroom, for `compose-test.sh`: plain HTTP, standard library only."""
# ruff: noqa: INP001, T201 - a script that stands alone, and what it prints is its answer

import http.client
import json
import socket
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

PROJECT = "compose-test"
PATIENCE = 300  # seconds for a media to become ready, a killed worker's lease included
UNSETTLED = ("uploading", "uploaded", "processing")
PROMISED = {"image": {"original", "thumbnail"}, "video": {"original", "thumbnail", "poster", "hls", "mp4"}}
STARTS = {"mp4": b"....ftyp", "hls": b"#EXTM3U", "thumbnail": b"\xff\xd8\xff"}  # a dot stands for any byte


def free_port() -> None:
    """Print a TCP port that nothing listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1])


def fetch(url: str) -> bytes:
    """Return the body of a successful GET; raises `OSError` otherwise."""
    with urllib.request.urlopen(url, timeout=30) as response:  # noqa: S310 - our own server's URLs
        body: bytes = response.read()
    return body


def healthy(base: str) -> None:
    """Exit with 0 when ingest and all it depends on answer, with 1 otherwise."""
    try:
        fetch(f"{base}/readyz")
    except (OSError, http.client.HTTPException):
        sys.exit(1)


def upload(base: str, file: str) -> None:
    """Upload a file the way a browser does; print its media id."""
    boundary = uuid.uuid4().hex
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="projectId"\r\n\r\n{PROJECT}\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{Path(file).name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    request = urllib.request.Request(  # noqa: S310 - our own server's URL
        f"{base}/api/upload",
        data=head.encode() + Path(file).read_bytes() + f"\r\n--{boundary}--\r\n".encode(),
        headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - as above
        print(json.load(response)["mediaId"])


def ready(base: str, folder: str, *media: str) -> None:
    """Wait until every media is ready, then check its outputs and save each in the folder under its name."""
    for media_id in media:
        record = settled(base, media_id)
        if missing := PROMISED[record["fileType"]] - record["urls"].keys():
            sys.exit(f"{media_id} is ready without {', '.join(sorted(missing))}")
        for name, url in record["urls"].items():
            (Path(folder) / name).write_bytes(verified(record, name, url))
        if "hls" in record["urls"]:
            entries = playlist_entries(record["urls"]["hls"])
            print(f"{sum(len(fetch(entry)) for entry in entries):>9}  in {len(entries)} files named by the playlist")


def settled(base: str, media_id: str) -> dict[str, Any]:
    """Wait for a media to be ready and return its record; exits when it fails or takes too long."""
    deadline = time.monotonic() + PATIENCE
    while True:
        record: dict[str, Any] = json.loads(fetch(f"{base}/api/media/{media_id}"))
        if record["status"] == "ready":
            return record
        if record["status"] not in UNSETTLED or time.monotonic() > deadline:
            sys.exit(f"{media_id} is {record['status']}, not ready: {json.dumps(record)}")
        time.sleep(0.5)


def playlist_entries(url: str) -> list[str]:
    """Return the URLs that an HLS playlist names, those of the playlists it names included."""
    found = []
    for line in fetch(url).decode().splitlines():
        attribute = line.partition('URI="')[2].partition('"')[0]
        entry = attribute or ("" if line.startswith("#") else line.strip())
        if entry:
            found.append(urljoin(url, entry))
    return found + [deeper for entry in found if entry.endswith(".m3u8") for deeper in playlist_entries(entry)]


def verified(record: dict[str, Any], name: str, url: str) -> bytes:
    """Fetch an output by its public URL; exits when it is not what the record says."""
    body = fetch(url)
    expected = record["size"] if name == "original" else record["renditions"][name]["bytes"]
    if len(body) != expected:
        sys.exit(f"{url} has {len(body)} bytes, the record says {expected}")
    start = STARTS.get(name, b"")
    if any(wanted not in (found, ord(".")) for found, wanted in zip(body, start, strict=False)):
        sys.exit(f"{url} starts with {body[: len(start)]!r}")
    print(f"{len(body):>9}  {name:<10} {url}")
    return body


COMMANDS: dict[str, Callable[..., None]] = {
    "free-port": free_port,
    "healthy": healthy,
    "upload": upload,
    "ready": ready,
}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](*sys.argv[2:])
