"""What a stack needs beyond the lock file, fetched once into the virtual environment's folder."""

import fcntl
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ops import processes

PROJECT = Path(__file__).parent.parent

CACHE = Path(sys.prefix)
"""The virtual environment: `make clean` removes what is fetched together with it."""

INSTALL_TIMEOUT = 900.0
"""Seconds; a slow line needs them."""


def once(name: str, fill: Callable[[Path], None]) -> Path:
    """Return the folder of that name in the cache, filled by the first process that asks for it.

    A folder that carries the name is whole: it is filled under another one and renamed.
    """
    folder = CACHE / name
    with alone(name):
        if not folder.exists():
            partial = CACHE / f"{name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            fill(partial)
            partial.rename(folder)
    return folder


def install(lock: str, target: Path) -> None:
    """Install what a hashed lock file of the project pins into a folder, apart from our own packages.

    Raises:
        CommandFailedError: pip's last words.
    """
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    processes.run(
        [*pip, "--require-hashes", "--target", str(target), "-r", str(PROJECT / lock)], timeout=INSTALL_TIMEOUT
    )


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Have no other process do what goes by that name meanwhile."""
    with (CACHE / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
