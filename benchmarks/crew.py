"""How much sooner a film is encoded by two workers than by one, and what it costs that one of them is killed.

On `make run`'s stack, with real worker processes of one thread each, and leases of 30 s as shipped. Chunks are short,
so that a short film has many. Times are from the first chunk's claim to the last one's commit.

The encoders of one ffmpeg run beside each other, so that one worker has more than one core busy already. What another
machine adds is seen where each worker, and all it starts, is held to a core of its own (Linux).
Prints figures; asserts nothing.
"""

import os
import re
import time
from collections.abc import Sequence
from pathlib import Path

from pipeline.ports import Records
from pipeline.rows import task_of
from pipeline.tasks import Task, TaskStatus
from tests.footage import write
from tests.hands import Hand, hired
from tests.serving import wait_for
from tests.stack import ROOT, Running, running

QUEUE = "video-short"
CHUNK = 2
"""Seconds of video in a chunk, and in a segment, instead of 60 and 4."""
_WAIT = 1200.0
_LOOK = 0.05


def compare(film: Path, folder: Path) -> None:
    """Encode a film by one worker and by two, on all cores and on one each; and by two of which one is killed."""
    folder.mkdir()
    silent = write(folder / "silent.mp4", "-i", str(film), "-an", "-c", "copy")
    with running(folder / "run", PIPELINE=str(rules(folder))) as stack:
        records = stack.services().ledger.records
        row(stack, records, silent, folder / "second", f"on all {os.cpu_count()} cores")
        if hasattr(os, "sched_setaffinity") and len(cores := sorted(os.sched_getaffinity(0))) > 1:
            (worker,) = stack.pids(["workers.app", QUEUE])
            hold(worker, cores[0])
            row(stack, records, silent, folder / "third", "on a core of its own each", core=cores[1])
            hold(worker, *cores)
        with hired(stack, QUEUE, folder / "victim") as hand:
            wall, chunks = encoded(stack, records, silent, victim=hand, after=1.0)
        again = sum(chunk.epoch - 1 for chunk in chunks)
        lost = f"{again} of {len(chunks)} chunks encoded again, wall {wall:.2f} (target: at most 1)"
        print(f"kill -9 in mid-chunk: {lost}", flush=True)


def row(stack: Running, records: Records, film: Path, folder: Path, where: str, core: int | None = None) -> None:
    """Encode by the stack's worker, then by a second one as well, which may be held to a core."""
    alone, _ = encoded(stack, records, film)
    print(f"1 worker, {where}: wall {alone:.2f}", flush=True)
    with hired(stack, QUEUE, folder) as hand:
        if core is not None:
            hold(hand.process.pid, core)
        both, chunks = encoded(stack, records, film)
        share = hand.committed("transcode")
    least = min(share, len(chunks) - share) / len(chunks)
    shared = f"least share {least:.0%} of {len(chunks)} chunks (target: >= 30 %)"
    print(f"2 workers, {where}: wall {both:.2f}, {shared}", flush=True)
    print(f"gain of the second, {where}: ratio {alone / both:.2f} (target: >= 1.8)", flush=True)


def hold(pid: int, *cores: int) -> None:
    """Keep a process, its threads, its children and all that they will start on these cores (Linux)."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)
        for child in (thread / "children").read_text().split():
            hold(int(child), *cores)


def encoded(
    stack: Running, records: Records, film: Path, victim: Hand | None = None, after: float = 0.0
) -> tuple[float, Sequence[Task]]:
    """Seconds that the chunks took, and their rows; a `victim` is killed so long after both workers had one each."""
    media_id = stack.upload(film)

    def chunks(status: TaskStatus | None = None) -> list[Task]:
        rows = (task_of(row) for row in records.tasks(media_id))
        return [task for task in rows if task.stage == "transcode" and status in {None, task.status}]

    wait_for(lambda: chunks(TaskStatus.RUNNING), _WAIT)
    begun = time.monotonic()
    if victim:
        wait_for(lambda: len(chunks(TaskStatus.RUNNING)) > 1, _WAIT)
        time.sleep(after)
        victim.kill()
    while chunks(TaskStatus.DONE) != (every := chunks()):
        time.sleep(_LOOK)
    took = time.monotonic() - begun
    stack.settled(media_id, _WAIT)
    return took, every


def rules(folder: Path) -> Path:
    """The shipped pipeline.toml with short chunks and encoders of one thread; nothing else that takes long is made."""
    text = (ROOT / "pipeline.toml").read_text()
    text = text.replace('chunk = "60s"', f'chunk = "{CHUNK}s"').replace('segment = "4s"', f'segment = "{CHUNK}s"')
    text = re.sub(r"(?ms)^\[(storyboard|preview)\].*?(?=^\[)", "", text)
    head, video, rest = text.partition("\n[video]\n")
    path = folder / "pipeline.toml"
    path.write_text(head + video + rest.replace("\nthreads = 2", "\nthreads = 1", 1))
    return path
