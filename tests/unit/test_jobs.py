"""Producers' jobs: which failures are worth another try, by the worker's own terms."""

from pathlib import Path
from typing import cast

import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import Retries

from pipeline.errors import ChangedError, PermanentError, TransientError, UnavailableError
from pipeline.ports import Found, ObjectStore
from tests.multipart import PNG
from tests.world import NO_PIECES, PIPELINE, World
from workers.actors import bind
from workers.holding import Shift
from workers.tools import Tools

ATTEMPTS = PIPELINE.stages["submit"].retries.attempts
KEY = "import/a.png"


class Flaky:
    """A bucket with one picture in it that fails so many times before it answers."""

    bucket = "media"

    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.left = error, times

    def head(self, _key: str) -> Found:
        return Found(len(PNG), '"e"', "image/png")

    def read(self, _key: str, size: int, _etag: str) -> bytes:
        if self.left:
            self.left -= 1
            raise self.error
        return PNG[:size]


def media_of(world: World, error: Exception, times: int) -> int:
    """How many media the job has made once nothing more is done about it."""
    broker = StubBroker(middleware=[Retries()])
    objects = cast("ObjectStore", Flaky(error, times))
    bind(broker, Tools(world.ledger, objects, NO_PIECES, world.inbox, PIPELINE, Path("/nowhere"), "ffmpeg", Shift()))
    submit = broker.get_actor("submit")
    submit.options |= {"min_backoff": 1, "max_backoff": 1}  # the terms are kept but for the waits
    worker = dramatiq.Worker(broker, worker_timeout=5, worker_threads=1)
    worker.start()
    submit.send(projectId="p", key=KEY, jobId="1")
    broker.join(submit.queue_name, timeout=60_000, fail_fast=False)
    worker.join()
    worker.stop()
    return len(world.records.project("p", -1, 10))


@pytest.mark.parametrize("error", [TransientError("odd"), ChangedError("object_changed", "Replaced.")])
def test_an_odd_answer_is_asked_for_again_so_many_times(error: Exception) -> None:
    assert media_of(World(), error, ATTEMPTS - 1) == 1
    assert media_of(World(), error, ATTEMPTS) == 0


def test_what_is_away_is_waited_for_and_what_is_refused_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.retries.Terms.delay", lambda _terms, _attempt: 1)
    assert media_of(World(), UnavailableError("away"), ATTEMPTS + 5) == 1
    assert media_of(World(), PermanentError("type_not_accepted", "No."), 1) == 0
