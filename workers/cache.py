"""Films on this machine's disk, so that the chunks of one fetch it once. All worker processes share the folder."""

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_STRIPES = 64  # lock files; two films that share one only wait for each other's download
_MAKING, _ROOM = ".making", ".room"


class ForeignFolderError(OSError):
    """The folder belongs to somebody else, or others may write to it."""


@dataclass(frozen=True)
class DiskCache:
    """A bounded folder of files that are made once and then linked to.

    `most` is the bytes of all files together, `idle` the seconds after which one that nobody asked for is deleted.

    A task gets a hard link of its own, so that no other process can take the file away from it. What is linked
    somewhere is in use and stays; the rest goes, the longest unused first. Files appear whole, by renaming; what a
    killed process left half made has no lock any more, by which the next one knows it.
    """

    folder: Path
    most: int
    idle: float

    @classmethod
    def open(cls, folder: Path, most: int, idle: float) -> "DiskCache":
        """The cache in a folder, made if it is not there; raises ForeignFolderError."""
        folder.mkdir(mode=0o700, exist_ok=True)
        facts = folder.lstat()
        if facts.st_uid != os.getuid() or facts.st_mode & 0o022 or folder.is_symlink():
            raise ForeignFolderError(f"{folder} is not ours alone: set SCRATCH_DIR to a folder of this user's")
        return cls(folder, most, idle)

    def link(self, name: str, size: int, target: Path, make: Callable[[Path], None], wait: Callable[[], None]) -> None:
        """Make `target` a link to the file of that name; where it is not there, `make` writes it, in one process only.

        `size` is the most bytes it will have; what finds no room is made at `target` and not kept. `wait` is called
        again and again while another process makes the file: it pauses, and raises to give up. What `make` raises goes
        through, and leaves nothing behind.
        """
        entry = self.folder / hashlib.sha256(name.encode()).hexdigest()
        self.expire()
        while not _linked(entry, target):
            with self._lock(entry.name) as held:
                if held and not _linked(entry, target):
                    if not self._reserved(entry, size):
                        break
                    self._made(entry, make)
            if not held:
                wait()
        if not target.exists():
            make(target)

    def expire(self) -> None:
        """Delete what was not asked for lately, and what dead processes left."""
        with self._lock("room", block=True):
            for left in (*self.folder.glob(f"*{_MAKING}"), *self.folder.glob(f"*{_ROOM}")):
                with self._lock(left.stem) as held:
                    if held:
                        left.unlink(missing_ok=True)
            before = time.time() - self.idle
            for path, facts in self._unused():
                if facts.st_mtime < before:
                    path.unlink(missing_ok=True)

    def _made(self, entry: Path, make: Callable[[Path], None]) -> None:
        making = entry.with_suffix(_MAKING)
        try:
            make(making)
            making.chmod(0o444)
            os.utime(making)
            making.rename(entry)
        finally:
            making.unlink(missing_ok=True)
            entry.with_suffix(_ROOM).unlink(missing_ok=True)

    def _reserved(self, entry: Path, size: int) -> bool:
        """Whether there is room; it is then taken, by a file without contents of that size."""
        with self._lock("room", block=True):
            left = self.most - sum(facts.st_size for _, facts in self._files())
            for path, facts in sorted(self._unused(), key=lambda each: each[1].st_mtime):
                if left >= size:
                    break
                path.unlink(missing_ok=True)
                left += facts.st_size
            if left < size:
                return False
            with entry.with_suffix(_ROOM).open("wb") as room:
                room.truncate(size)
            return True

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        """Everything that counts: whole files, and the room taken for those in the making."""
        for path in self.folder.iterdir():
            if path.suffix in ("", _ROOM):
                with suppress(FileNotFoundError):
                    yield path, path.stat()

    def _unused(self) -> list[tuple[Path, os.stat_result]]:
        return [(path, facts) for path, facts in self._files() if not path.suffix and facts.st_nlink == 1]

    @contextmanager
    def _lock(self, name: str, *, block: bool = False) -> Iterator[bool]:
        """Hold the lock of a name, which ends with the process; gives whether it is held."""
        stripe = name if name == "room" else f"{int(name[:8], 16) % _STRIPES:02}"
        with (self.folder / f"{stripe}.lock").open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if block else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
            else:
                yield True


def _linked(entry: Path, target: Path) -> bool:
    try:
        os.link(entry, target)
    except FileNotFoundError:
        return False
    with suppress(FileNotFoundError):
        os.utime(entry)
    return True
