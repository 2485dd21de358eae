"""A real Chromium, if there is one, and pages for it that tell how it went."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any, NamedTuple

from tests.started import started

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio", "--no-first-run"),
    *("--disable-sync", "--disable-background-networking", "--autoplay-policy=no-user-gesture-required"),
)


class Site(NamedTuple):
    """A folder's files at `origin`; what a page POSTs there, as JSON, comes out of `answers`."""

    origin: str
    answers: "Queue[dict[str, Any]]"


class Handler(SimpleHTTPRequestHandler):
    """Files, and a place to tell how it went."""

    def __init__(self, *given: Any, answers: "Queue[dict[str, Any]]", **more: Any) -> None:  # noqa: ANN401 - the server's
        self.answers = answers
        super().__init__(*given, **more)

    def do_POST(self) -> None:
        """Take what the page tells."""
        self.answers.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def site(root: Path) -> Iterator[Site]:
    """Serve a folder."""
    answers: Queue[dict[str, Any]] = Queue()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, answers=answers, directory=str(root))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield Site(f"http://127.0.0.1:{server.server_address[1]}", answers)
        finally:
            server.shutdown()


@contextmanager
def browsing(url: str, profile: Path) -> Iterator[None]:
    """Open the page; `profile` is a folder for the browser alone."""
    command = [str(BROWSER), *FLAGS, f"--user-data-dir={profile}", url]
    with started(command, grace=0, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        yield
