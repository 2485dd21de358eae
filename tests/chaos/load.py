"""Uploads at a steady rate, and a ledger outside of the system: every 201 is on disk before anything else is done."""

import hashlib
import json
import os
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.chaos.samples import Sample

PATIENCE = 30.0
"""Seconds that a client waits for anything."""
PROJECTS = ("soak-a", "soak-b", "soak-c")
UNANSWERED = "no answer"
REFUSALS = {httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE}
_AT_ONCE = 12


@dataclass(frozen=True)
class Entry:
    """One upload that was answered with 201; `at` is when, in ms since the epoch."""

    media_id: str
    project: str
    name: str
    sample: str
    sha256: str
    at: int


@dataclass
class Ledger:
    """The file, and what stands in it. `asked` are the media whose deletion was asked for, `deleted` those answered."""

    path: Path
    entries: list[Entry] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def accept(self, entry: Entry) -> None:
        with self._lock:
            self._note(asdict(entry))
            self.entries.append(entry)

    def ask(self, media_id: str) -> None:
        with self._lock:
            self._note({"asked": media_id})
            self.asked.add(media_id)

    def delete(self, media_id: str) -> None:
        with self._lock:
            self._note({"deleted": media_id})
            self.deleted.add(media_id)

    def _note(self, line: dict[str, Any]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())


@dataclass
class Load:
    """Sends a sample every `1/rate` seconds until it is told to stop; some clients delete, some go away half-way.

    `answers` counts what was said to uploads: status codes, or the error that the client saw.
    """

    url: str
    samples: list[Sample]
    ledger: Ledger
    rate: float
    chance: random.Random
    answers: Counter[str] = field(default_factory=Counter)
    stopping: threading.Event = field(default_factory=threading.Event)

    @cached_property
    def client(self) -> httpx.Client:
        """One for all, but no connection twice: each upload meets whatever ingest there is now."""
        return httpx.Client(base_url=self.url, timeout=PATIENCE, headers={"connection": "close"})

    def run(self) -> None:
        """Send until told to stop, then wait for the clients that are still at it."""
        number, next_at = 0, time.monotonic()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            while not self.stopping.wait(max(0.0, next_at - time.monotonic())):
                pool.submit(self._client(number)).add_done_callback(self._look_at)
                number, next_at = number + 1, next_at + 1 / self.rate

    def _look_at(self, client: "Future[None]") -> None:
        if error := client.exception():
            self.answers[f"{type(error).__name__} in the client"] += 1

    def _client(self, number: int) -> Callable[[], None]:
        """One client, all of its choices made here: they depend on the seed alone."""
        (sample,) = self.chance.choices(self.samples, [each.weight for each in self.samples])
        project, fate, pause = self.chance.choice(PROJECTS), self.chance.random(), self.chance.uniform(0, 3)
        name = f"{number:06}-{sample.path.name}"
        if fate < 0.08:
            return lambda: self._go_away(sample, project, name)
        return lambda: self._upload(sample, project, name, pause if fate > 0.92 else None)

    def _upload(self, sample: Sample, project: str, name: str, delete_after: float | None) -> None:
        if self.stopping.is_set():  # it stood in line for too long
            return
        content = sample.path.read_bytes()
        try:
            answer = self.client.post("/api/upload", params={"projectId": project}, files={"file": (name, content)})
        except httpx.TransportError as error:
            self.answers[f"{UNANSWERED} ({type(error).__name__})"] += 1
            return
        self.answers[str(answer.status_code)] += 1
        if answer.status_code == httpx.codes.CREATED:
            media_id = answer.json()["mediaId"]
            digest = hashlib.sha256(content).hexdigest()
            self.ledger.accept(Entry(media_id, project, name, sample.path.name, digest, time.time_ns() // 1_000_000))
            if delete_after is not None:
                time.sleep(delete_after)
                self._delete(media_id)

    def _delete(self, media_id: str) -> None:
        self.ledger.ask(media_id)
        while not self.stopping.wait(0.2):
            try:
                answer = self.client.delete(f"/api/media/{media_id}")
            except httpx.TransportError:
                continue
            if answer.is_success:
                self.ledger.delete(media_id)
                return

    def _go_away(self, sample: Sample, project: str, name: str) -> None:
        """Send half of a file and close the connection."""
        content = sample.path.read_bytes()
        request = self.client.build_request(
            "POST", "/api/upload", params={"projectId": project}, files={"file": (name, content)}
        )
        body = request.read()
        target = urlsplit(self.url)
        head = f"POST {request.url.raw_path.decode()} HTTP/1.1\r\n" + "".join(
            f"{header}: {value}\r\n" for header, value in request.headers.items()
        )
        try:
            with socket.create_connection((target.hostname, target.port), PATIENCE) as connection:
                connection.sendall(head.encode() + b"\r\n" + body[: len(body) // 2])
                time.sleep(0.1)
        except OSError as error:
            self.answers[f"{UNANSWERED} ({type(error).__name__})"] += 1
        else:
            self.answers["gone away"] += 1
