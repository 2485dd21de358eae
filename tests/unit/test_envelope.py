"""The envelope: what each way of ending means for the row, and when it is looked at again."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.changes import Change, Compare, Update
from pipeline.errors import OutOfMemoryError, PermanentError, ReleasedError, UnavailableError
from pipeline.media import Status
from pipeline.protocol import task_key
from pipeline.tasks import TaskStatus
from tests.scene import BOUND, FAST, Scene, failing
from tests.serving import wait_for
from tests.world import NO_PIECES, PIPELINE
from workers.app import PUT_DOWN
from workers.holding import Shift
from workers.processes import Children
from workers.rendering import Envelope, Turn
from workers.tools import Tools


def test_a_failure_counts_and_waits_by_the_stage_s_own_terms() -> None:
    scene = Scene(failing(ValueError("odd")))
    delay = scene.take()
    assert delay is not None
    assert 250 <= delay <= 500
    assert scene.row() == (TaskStatus.PENDING, 1)
    task = scene.world.task(scene.media_id, "validate")
    assert task.last_error == "ValueError: odd"
    assert task.retry_at == scene.world.records.now() + delay
    assert task.wake_at == task.retry_at + 3000
    assert scene.take() is None  # not due yet
    assert scene.row() == (TaskStatus.PENDING, 1)


def test_the_last_attempt_fails_the_media_and_keeps_the_dead_letter() -> None:
    scene = Scene(failing(ValueError("odd")))
    for _ in range(BOUND):
        scene.take()
        scene.world.records.turn(600_000)
    assert scene.row() == (TaskStatus.DEAD, BOUND)
    media = scene.world.media(scene.media_id)
    assert (media.status, media.reason, media.error) == (
        Status.FAILED,
        "processing_failed",
        "The file could not be processed.",
    )
    assert scene.world.task(scene.media_id, "validate").last_error == "odd"
    assert scene.world.task(scene.media_id, "validate").expires_at is None


def test_a_permanent_error_wastes_no_attempts() -> None:
    scene = Scene(failing(PermanentError("object_missing", "Gone.")))
    assert scene.take() is None
    assert scene.row() == (TaskStatus.DEAD, 1)
    assert scene.world.media(scene.media_id).reason == "object_missing"


def test_a_dependency_that_is_away_costs_no_attempts_until_it_is_given_up() -> None:
    scene = Scene(failing(UnavailableError("s3: 503")))
    waits = []
    for _ in range(BOUND + 5):
        scene.take()
        assert scene.row() == (TaskStatus.PENDING, 0)
        waits.append(scene.world.task(scene.media_id, "validate").retry_at - scene.world.records.now())
        scene.world.records.turn(130_000)
    assert waits[0] <= 500  # patience grows with the task's age, within the stage's terms
    assert 60_000 <= waits[-1] <= 120_000
    scene.world.records.turn(25 * 3_600_000)
    scene.take()
    assert scene.row()[0] is TaskStatus.DEAD
    assert scene.world.media(scene.media_id).reason == "dependency_away"


def test_a_task_that_died_for_memory_goes_once_to_the_big_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(failing(OutOfMemoryError("child ended with SIGKILL")))
    roomy = replace(PIPELINE.stages["validate"], big="big")
    stages = {**PIPELINE.stages, "validate": roomy}
    monkeypatch.setattr("tests.scene.PIPELINE", replace(PIPELINE, stages=stages))
    assert scene.take() is None
    assert scene.row() == (TaskStatus.PENDING, 0)
    assert scene.world.task(scene.media_id, "validate").queue == "big"
    assert [(hint.key, hint.queue) for hint in scene.world.inbox.take()] == [("validate", "big")]
    assert scene.take() is not None  # there it counts like any failure
    assert scene.row() == (TaskStatus.PENDING, 1)


def test_programs_give_way_as_the_configuration_says(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    pipeline = replace(PIPELINE, video=replace(PIPELINE.video, nice=7))
    monkeypatch.setattr("tests.scene.PIPELINE", pipeline)
    assert Scene(lambda turn: seen.append(turn.holding.children.nice)).take() is None
    assert seen == [7]


def test_a_shutdown_gives_the_task_back_at_once_with_a_hint() -> None:
    started = threading.Event()

    def work(turn: Turn) -> None:
        started.set()
        turn.holding.pause(30)
        turn.holding.allowed()

    scene = Scene(work)
    worker = threading.Thread(target=scene.take)
    worker.start()
    assert started.wait(10)
    scene.shift.close()
    worker.join(10)
    assert not worker.is_alive()
    assert scene.row() == (TaskStatus.PENDING, 0)
    assert scene.world.task(scene.media_id, "validate").retry_at == 0
    assert [hint.key for hint in scene.world.inbox.take()] == ["validate"]


@pytest.mark.parametrize("begun", ["before", "after"])
def test_a_shutdown_gives_back_what_waits_for_somebody_who_does_not_answer(begun: str) -> None:
    working, answer = threading.Event(), threading.Event()

    def work(_: Turn) -> None:
        working.set()
        answer.wait(30)

    scene = Scene(work, shift=Shift(grace=0.0, parting=0.1))
    worker = threading.Thread(target=scene.take)
    if begun == "after":
        scene.shift.close()
    worker.start()
    assert working.wait(10)
    scene.shift.close()
    wait_for(lambda: scene.row() == (TaskStatus.PENDING, 0), 10)
    assert worker.is_alive()
    answer.set()
    worker.join(10)
    assert scene.row() == (TaskStatus.PENDING, 0)
    assert "validate" in [hint.key for hint in scene.world.inbox.take()]


def test_a_child_ends_sooner_than_its_worker_has_to_put_the_task_down() -> None:
    shift = Shift()
    assert Children().grace < shift.parting
    assert 1000 * (shift.grace + shift.parting) < PUT_DOWN


def test_after_a_shutdown_nothing_new_is_begun() -> None:
    scene = Scene(lambda turn: turn.holding.allowed())
    scene.shift.close()
    assert scene.take() is None
    assert scene.row() == (TaskStatus.PENDING, 0)


def test_work_that_is_done_is_committed_when_the_records_come_back_and_not_done_again() -> None:
    runs = []

    def work(turn: Turn) -> None:
        runs.append(turn.task.epoch)
        scene.flaky.left[0] = 3
        turn.close()

    scene = Scene(work)
    scene.take()
    assert runs == [1]
    assert scene.row()[0] is TaskStatus.DONE


def test_losing_the_lease_ends_the_work_and_stays_silent() -> None:
    ended: list[BaseException] = []

    def work(turn: Turn) -> None:
        scene.world.records.turn(10_000)  # this process slept past its lease, and another took the task
        thief = scene.ledger.claim(scene.media_id, "validate")
        assert thief is not None
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                turn.holding.pause(0.1)
                turn.holding.allowed()
            except Exception as error:
                ended.append(error)
                raise
        pytest.fail("the holding never noticed")

    scene = Scene(work, lease=FAST)
    assert scene.take() is None
    assert [type(error).__name__ for error in ended] == ["LeaseLostError"]
    assert scene.row() == (TaskStatus.RUNNING, 2)  # the thief's


def test_a_stage_that_takes_too_long_is_cut_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(turn: Turn) -> None:
        turn.holding.pause(30)
        turn.holding.allowed()

    scene = Scene(work)
    brief = replace(PIPELINE.stages["validate"], timeout=0.2)
    monkeypatch.setattr("tests.scene.PIPELINE", replace(PIPELINE, stages={**PIPELINE.stages, "validate": brief}))
    assert scene.take() is not None
    assert scene.row() == (TaskStatus.PENDING, 1)
    assert scene.world.task(scene.media_id, "validate").last_error == "TransientError: not done within 0.2 s"


def test_a_deleted_media_stops_its_running_work_at_the_next_renewal() -> None:
    def work(turn: Turn) -> None:
        scene.ledger.delete(scene.media_id)
        turn.holding.pause(10)
        turn.holding.allowed()

    scene = Scene(work, lease=FAST)
    began = time.monotonic()
    scene.take()
    assert time.monotonic() - began < 8
    assert scene.row()[0] is TaskStatus.PARKED
    assert scene.world.media(scene.media_id).status is Status.DELETED


def test_a_hint_for_work_that_nobody_wants_changes_nothing() -> None:
    scene = Scene(failing(AssertionError("must not run")))
    tools_row = scene.world.task(scene.media_id, "validate")
    key = task_key(scene.media_id, "thumbnail")
    change: Change = Update(key, Compare("status", "=", "PENDING"))
    assert scene.world.records.get(change.key) is None
    assert (
        Envelope(
            Tools(scene.ledger, None, NO_PIECES, scene.world.inbox, PIPELINE, Path(), "ffmpeg", scene.shift),  # type: ignore[arg-type]
            {},
        ).take(scene.media_id, "thumbnail")
        is None
    )
    assert scene.world.records.get(key) is None
    assert scene.world.task(scene.media_id, "validate") == tools_row


def test_released_is_no_failure() -> None:
    scene = Scene(failing(ReleasedError()))
    for _ in range(BOUND + 1):
        scene.take()
    assert scene.row() == (TaskStatus.PENDING, 0)
