"""The index of running tasks: whose lease lasts, and whose does not."""

from dataclasses import replace
from uuid import uuid4

from pipeline import protocol
from pipeline.ports import Records
from pipeline.protocol import Lease
from pipeline.rows import task_of
from tests.serving import wait_for
from tests.world import new_media


def test_a_project_s_running_tasks_are_those_with_a_live_lease(records: Records) -> None:
    project, now = f"p{uuid4().hex}", 1_700_000_000_000
    media = replace(new_media(), project_id=project)
    other = replace(new_media(), project_id=f"p{uuid4().hex}")
    records.write([protocol.insert_held(media, "upload", "light", now, Lease())])
    records.write([protocol.insert(media, "validate", "light", now), protocol.insert(media, "poster", "images", now)])
    records.write([protocol.insert_held(other, "upload", "light", now, Lease())])
    held = task_of(records.update(protocol.claim(media.id, "poster", now, Lease(), 3)))

    def running(at: int) -> set[str]:
        return {str(row["task"]) for row in records.leased(project, at)}

    wait_for(lambda: running(now) == {"upload", "poster"})
    assert running(now + Lease().length) == set()
    records.write([protocol.done(held, now)])
    wait_for(lambda: running(now) == {"upload"})
