from dataclasses import replace

from ops.following import fraction, phase
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


def test_the_fraction_counts_tasks_and_what_running_ones_report() -> None:
    assert fraction(replace(MEDIA, plan=None), {}) == 0
    done = replace(MEDIA, done=frozenset({"validate", "poster"}))
    assert fraction(done, {}) == 0.5
    assert fraction(done, {"transcode#0000": 0.5, "poster": 0.1}) == 0.625
    assert fraction(done, {"transcode#0000": 7.0}) == 0.75
    assert fraction(replace(MEDIA, status=Status.FAILED), {}) == 1
