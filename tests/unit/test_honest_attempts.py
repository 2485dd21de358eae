"""What costs a task no attempt, also when the records are away at that very moment."""

import errno
import os

import pytest

from pipeline.errors import PermanentError, ReleasedError, UnavailableError
from pipeline.tasks import TaskStatus
from tests.scene import BOUND, Scene, failing
from workers.rendering import Turn


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (UnavailableError("s3: 503"), (TaskStatus.PENDING, 0)),
        (ReleasedError(), (TaskStatus.PENDING, 0)),
        (ValueError("odd"), (TaskStatus.PENDING, 1)),
        (PermanentError("object_missing", "Gone."), (TaskStatus.DEAD, 1)),
    ],
    ids=["waits", "released", "failed", "refused"],
)
def test_how_an_attempt_ended_is_written_when_the_records_come_back(
    error: Exception, ending: tuple[TaskStatus, int]
) -> None:
    def work(_: Turn) -> None:
        scene.flaky.left[0] = 2
        raise error

    scene = Scene(work)
    scene.take()
    assert scene.flaky.left == [0]
    assert scene.row() == ending


def test_a_claim_whose_record_cannot_be_read_costs_no_attempt() -> None:
    scene = Scene(failing(AssertionError("must not run")))
    scene.flaky.blind[0] = 1
    assert scene.take() == 2000
    assert scene.row() == (TaskStatus.PENDING, 0)
    assert scene.world.task(scene.media_id, "validate").retry_at == scene.world.records.now() + 1000


@pytest.mark.parametrize("lack", [errno.ENOSPC, errno.EMFILE, errno.EAGAIN])
def test_what_a_machine_has_run_out_of_is_no_file_s_fault(lack: int) -> None:
    scene = Scene(failing(OSError(lack, os.strerror(lack))))
    for _ in range(BOUND + 1):
        scene.take()
        assert scene.row() == (TaskStatus.PENDING, 0)
        scene.world.records.turn(130_000)
    assert os.strerror(lack) in str(scene.world.task(scene.media_id, "validate").last_error)
