"""Back-pressure: the age of what waits for a free hand, and of nothing else."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from ingest.pressure import Pressure
from ingest.problems import ProblemError, reply
from pipeline.events import Stored
from pipeline.pressure import oldest_waiting
from tests.world import World


def uploaded(world: World) -> str:
    media, upload = world.uploading()
    world.ledger.commit(upload, Stored(1, '"e"'))
    return media.id


def test_the_oldest_task_that_nobody_has_begun_gives_the_age() -> None:
    world = World()
    assert oldest_waiting(world.records) == 0
    uploaded(world)
    world.records.turn(90_000)
    uploaded(world)
    world.records.turn(10_000)
    assert oldest_waiting(world.records) == 100


def test_one_file_s_trouble_and_what_is_being_worked_on_do_not_count() -> None:
    world = World()
    troubled = world.ledger.claim(uploaded(world), "validate")
    running = world.ledger.claim(uploaded(world), "validate")
    assert troubled is not None
    assert running is not None
    world.ledger.put_off(troubled.task, 7_200_000, "bad")
    world.uploading()  # control rows have their own patience
    world.records.turn(3_600_000)
    assert oldest_waiting(world.records) == 0


def test_uploads_are_refused_while_the_backlog_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    media_id = uploaded(world)
    monkeypatch.setattr("ingest.pressure.FRESH", 0.0)
    with ThreadPoolExecutor(1) as threads:
        pressure = Pressure(world.records, threads, 600)
        asyncio.run(pressure.check())
        world.records.turn(601_000)
        with pytest.raises(ProblemError) as refused:
            asyncio.run(pressure.check())
        answer = reply(refused.value)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
        assert world.ledger.claim(media_id, "validate") is not None
        asyncio.run(pressure.check())
