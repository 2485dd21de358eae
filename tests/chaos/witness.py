"""Watches from outside, past every fault, while the run goes on: what the bucket holds and what is announced."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import redis
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.adapters.broker import EVENTS

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass
class Witness:
    """`changed` are keys that named other content later; `announced` the events that were heard, by task and media."""

    s3: "S3Client"
    bucket: str
    redis_url: str
    changed: set[str] = field(default_factory=set)
    announced: dict[tuple[str, str], int] = field(default_factory=dict)
    looks: int = 0
    _etags: dict[str, str] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    def objects(self) -> Iterator[tuple[str, str, int]]:
        """Key, ETag and size of all there is."""
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket):
            for each in page.get("Contents", ()):
                yield each["Key"], each["ETag"], each["Size"]

    def look(self) -> None:
        """Compare every object with what its key named before."""
        for key, etag, _ in self.objects():
            if self._etags.setdefault(key, etag) != etag:
                self.changed.add(key)
        self.looks += 1

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look and listen as long as the context lasts, and a last time at its end."""
        threads = [threading.Thread(target=target, daemon=True) for target in (self._look, self._listen)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()
            self.look()

    def _look(self) -> None:
        while not self._over.wait(2.0):
            with suppress(BotoCoreError, ClientError):  # S3 is slow by itself: the next look will do
                self.look()

    def _listen(self) -> None:
        """A wipe takes what was not read yet: what is heard is true, what is not heard may have been said."""
        client, after = redis.Redis.from_url(self.redis_url, decode_responses=True, socket_timeout=5), "0"
        while not self._over.is_set():
            try:
                answer: Any = client.xread({EVENTS: after}, block=200)
            except redis.RedisError:
                self._over.wait(0.2)
                continue
            for number, event in (entry for _, entries in answer for entry in entries):
                after = number
                heard = (event["mediaId"], event["task"])
                self.announced[heard] = self.announced.get(heard, 0) + 1
