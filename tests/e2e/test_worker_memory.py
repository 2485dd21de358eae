"""One worker's memory over many photos: `make memory`. A short form of it is in tests/unit/test_pool.py."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import builders
from tests.serving import wait_for
from tests.stack import Running, running

PHOTOS = int(os.environ.get("PHOTOS", "0"))
GROWTH = 1.1
AT_ONCE = 8
KINDS = ("jpg", "png", "webp", "heic", "avif", "tiff")

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
    pytest.mark.skipif(PHOTOS == 0, reason="`make memory` sets PHOTOS"),
    pytest.mark.timeout(7200),
]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "run") as up:
        yield up


def test_a_worker_does_not_grow(stack: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = [builders.photo(tmp_path / f"photo.{kind}", (1600, 1200)) for kind in KINDS]
    (worker,) = stack.pids(["workers.app", "images"])
    seen: list[int] = []
    for start in range(0, PHOTOS, AT_ONCE):
        sent = [stack.upload(photos[number % len(photos)]) for number in range(start, min(start + AT_ONCE, PHOTOS))]
        for media_id in sent:
            assert stack.settled(media_id)["status"] == "ready"
        # A child that has just ended may not be reaped yet. Those that wait for more count.
        seen.append(min(taken(worker) for _ in range(3)))
    early, late = seen[len(seen) // 5 :][:3], seen[-3:]
    with capsys.disabled():
        sys.stdout.write(
            f"\nworker with template and children: {min(early) >> 20} MB early, {min(late) >> 20} MB after {PHOTOS}\n"
        )
    assert min(late) <= GROWTH * min(early)
    wait_for(lambda: len(family(worker)) <= 2, 90)  # the worker and its template: children end that nobody asks


def taken(pid: int) -> int:
    """Bytes that a process and those it started have of their own, shared pages counted once for all."""
    return sum(proportional(each) for each in family(pid))


def family(pid: int) -> list[int]:
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found = [pid]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found


def proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # gone meanwhile
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
