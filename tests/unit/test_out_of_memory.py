"""Memory runs out in a worker's control group, as in a container: the kernel kills the child and not the worker."""

import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's way is Linux's own")

MB = 10**6
MOST = 300 * MB
WORKER = f"""
import os, sys
from pathlib import Path
Path(sys.argv[1], "cgroup.procs").write_text(str(os.getpid()))
from workers.endings import ChildOutOfMemoryError
from workers.processes import Children
mine = b"x" * {180 * MB}  # more than the child will ever have: the kernel's first choice, if nobody told it
hungry = "taken = []\\nwhile True: taken.append(b'x' * {MB})"
try:
    Children().run([sys.executable, "-c", hungry], cwd=Path("."), deadline=60)
except ChildOutOfMemoryError:
    print("it died for memory")
"""


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group without swap, of either version."""
    name = f"darkroom-test-{uuid.uuid4().hex[:8]}"
    own = dict(line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines())
    root = Path("/sys/fs/cgroup")
    folder = (root / "memory" / own["memory"].lstrip("/") if "memory" in own else root) / name
    first = {"memory.limit_in_bytes": MOST, "memory.memsw.limit_in_bytes": MOST}
    most = {**first, "memory.max": MOST, "memory.swap.max": 0}
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        for file, value in most.items():
            with contextlib.suppress(FileNotFoundError, PermissionError):  # the other version's
                (folder / file).write_text(str(value))
        if not any((folder / file).exists() for file in most):
            pytest.skip("control groups have no memory here")
        yield folder
    finally:
        folder.rmdir()


def test_where_memory_runs_out_the_child_dies_and_the_worker_says_so(group: Path, tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", WORKER, str(group)], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "it died for memory\n"), done.stderr
