from dataclasses import replace

from ops.following import phase
from pipeline.media import Status
from pipeline.tasks import Task, TaskStatus
from tests.world import new_media

PLAN = {"parts": ["poster", "transcode#0000", "package"]}
MEDIA = replace(new_media(), status=Status.PROCESSING, plan=PLAN)


def task(key: str, status: TaskStatus) -> Task:
    return Task(media_id=MEDIA.id, key=key, status=status, queue="light")


def test_the_phase_is_what_is_worked_on() -> None:
    tasks = [
        task("transcode#0001", TaskStatus.RUNNING),
        task("transcode#0000", TaskStatus.RUNNING),
        task("poster", TaskStatus.RUNNING),
        task("validate", TaskStatus.DONE),
    ]
    assert phase(MEDIA, tasks) == "poster, transcode"
    assert phase(MEDIA, [task("package", TaskStatus.PENDING)]) == "waiting"


def test_a_settled_media_says_how_it_ended_whatever_is_still_owed() -> None:
    purging = [task("purge", TaskStatus.RUNNING)]
    assert phase(replace(MEDIA, status=Status.READY), purging) == "ready"
    assert phase(replace(MEDIA, status=Status.REJECTED, reason="too_long"), purging) == "rejected: too_long"
