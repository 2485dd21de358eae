"""How an upload ends in the records when their answers get lost or somebody else was there first; and its lease."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

import pytest

from ingest import leases, settling
from ingest.leases import Intent, Leases
from ingest.problems import ProblemError
from ingest.settling import arrived, settle
from pipeline.changes import Change, Key, Row, Update
from pipeline.errors import LeaseLostError, UnavailableError
from pipeline.events import Aborted, Refused, Stored
from pipeline.ledger import Ledger
from pipeline.media import Media, Status
from pipeline.protocol import Lease
from pipeline.tasks import Task, TaskStatus
from tests.world import ClockedRecords, World, new_media

STORED = Stored(10, '"etag"')
T = TypeVar("T")


@dataclass(frozen=True)
class LossyRecords(ClockedRecords):
    """Records that fail as told: "before" the next transactions are run, or "after"; `deaf` fails everything."""

    fate: deque[str] = field(default_factory=deque)
    deaf: list[bool] = field(default_factory=list)

    def write(self, changes: Sequence[Change]) -> None:
        fate = self._fate()
        if fate == "before":
            raise UnavailableError("lost on its way there")
        super().write(changes)
        if fate == "after":
            raise UnavailableError("the answer was lost")

    def get(self, key: Key) -> Row | None:
        if self.deaf:
            raise UnavailableError("nobody there")
        return super().get(key)

    def update(self, change: Update) -> Row:
        if self.deaf:
            raise UnavailableError("nobody there")
        return super().update(change)

    def _fate(self) -> str:
        return "before" if self.deaf else self.fate.popleft() if self.fate else "well"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "PAUSES", (0.001,) * 5)
    monkeypatch.setattr(leases, "RETRY", 0.005)


@pytest.fixture
def lossy() -> LossyRecords:
    return LossyRecords(":memory:")


@pytest.fixture
def world(lossy: LossyRecords) -> World:
    return World(lossy)


def run(scenario: Callable[[ThreadPoolExecutor], Awaitable[T]]) -> T:
    async def bounded() -> T:
        with ThreadPoolExecutor(2) as threads:
            return await asyncio.wait_for(scenario(threads), 20)

    return asyncio.run(bounded())


def settled(world: World, task: Task, event: Stored | Aborted = STORED) -> Media:
    return run(lambda threads: settle(task, event, world.ledger, threads))


@pytest.mark.parametrize("fates", [[], ["before"], ["after"], ["before", "after"], ["before"] * 5])
def test_a_lost_answer_is_found_out(world: World, lossy: LossyRecords, fates: list[str]) -> None:
    media, task = world.uploading()
    lossy.fate.extend(fates)
    assert arrived(settled(world, task))
    assert world.media(media.id).status is Status.UPLOADED
    assert world.media(media.id).version == 2
    assert world.task(media.id, "validate").status is TaskStatus.PENDING


def test_records_that_stay_away_are_left_alone(world: World, lossy: LossyRecords) -> None:
    media, task = world.uploading()
    lossy.deaf.append(True)
    with pytest.raises(ProblemError) as caught:
        settled(world, task)
    assert (caught.value.code, caught.value.status) == ("records_unavailable", 503)
    lossy.deaf.clear()
    assert world.media(media.id).status is Status.UPLOADING
    assert world.task(media.id, "upload").status is TaskStatus.RUNNING


def test_a_worker_that_took_over_decides(world: World) -> None:
    for event, verdict in ((STORED, True), (Aborted("aborted", "Gone."), False)):
        media, task = world.uploading()
        world.records.turn(60_000)
        claimed = world.ledger.claim(media.id, "upload")
        assert claimed is not None
        world.ledger.commit(claimed.task, event)
        assert arrived(settled(world, task)) is verdict


def test_a_worker_that_has_taken_over_is_waited_for_a_while(world: World) -> None:
    media, task = world.uploading()
    world.records.turn(60_000)
    world.ledger.claim(media.id, "upload")
    with pytest.raises(ProblemError):
        settled(world, task)
    assert world.media(media.id).status is Status.UPLOADING


def test_only_a_record_that_has_the_file_counts_as_arrived() -> None:
    media = new_media()
    verdicts = {status: arrived(replace(media, status=status)) for status in Status}
    assert {status for status, verdict in verdicts.items() if verdict} == {
        Status.UPLOADED,
        Status.PROCESSING,
        Status.READY,
        Status.FAILED,
    }
    assert not arrived(replace(media, status=Status.FAILED, reason="upload_client_gone"))


def test_a_rejection_in_the_meantime_is_no_arrival(world: World) -> None:
    media, task = world.uploading()
    world.ledger.commit(task, STORED)
    claimed = world.ledger.claim(media.id, "validate")
    assert claimed is not None
    world.ledger.commit(claimed.task, Refused("format_unsupported", "No."))
    assert not arrived(settled(world, task))


def held(world: World, lease: Lease, scenario: Callable[[Intent, Ledger], Awaitable[None]]) -> Media:
    """Run a scenario while an upload's row is intended and renewed; returns its record at the start."""
    ledger, media = replace(world.ledger, lease=lease), new_media()

    async def whole(threads: ThreadPoolExecutor) -> None:
        async with Leases(ledger, threads).intended(media) as intent:
            await scenario(intent, ledger)

    run(whole)
    return media


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - threads bring it about
            await asyncio.sleep(0.002)


def test_the_lease_is_renewed_while_the_request_is_open(world: World) -> None:
    async def scenario(intent: Intent, _ledger: Ledger) -> None:
        task = (await intent.claimed()).task
        first = intent.hold.until
        await until(lambda: intent.hold.until >= first + 0.05)
        await intent.check()
        world.records.turn(1000)
        before = task.lease_until or 0
        await until(lambda: (world.task(task.media_id, "upload").lease_until or 0) > before)

    held(world, Lease(length=500, renewal=5), scenario)


def test_an_upload_that_is_not_wanted_any_more_may_write_nothing(world: World) -> None:
    async def scenario(intent: Intent, ledger: Ledger) -> None:
        await intent.check()
        ledger.delete((await intent.claimed()).task.media_id)
        await until(lambda: intent.hold.lost)
        with pytest.raises(LeaseLostError):
            await intent.check()

    held(world, Lease(length=500, renewal=5), scenario)


def test_a_lease_that_could_not_be_renewed_holds_no_longer(world: World, lossy: LossyRecords) -> None:
    async def scenario(intent: Intent, _ledger: Ledger) -> None:
        await intent.check()
        lossy.deaf.append(True)
        await until(lambda: time.monotonic() > intent.hold.until)
        with pytest.raises(ProblemError) as caught:
            await intent.check()
        assert caught.value.code == "records_unavailable"
        lossy.deaf.clear()
        await until(lambda: time.monotonic() < intent.hold.until)
        await intent.check()

    held(world, Lease(length=100, renewal=10), scenario)


def test_an_intent_that_cannot_be_written_is_told_to_whoever_asks(world: World, lossy: LossyRecords) -> None:
    async def scenario(intent: Intent, _ledger: Ledger) -> None:
        with pytest.raises(ProblemError) as caught:
            await intent.check()
        assert caught.value.code == "records_unavailable"

    lossy.deaf.append(True)
    media = held(world, Lease(), scenario)
    lossy.deaf.clear()
    assert world.ledger.read(media.id) is None
