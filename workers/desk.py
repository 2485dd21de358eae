"""Where a worker keeps the files of the media it has in hand."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from workers.jobs import Made

_HOMES = 256
"""Folders of projects, above which those that are empty are deleted."""


class Desk:
    """A folder under `root`: made when it is first needed, gone when the worker is through with the media.

    What lies there, the original above all, serves the media's next task if the same worker goes on with it. It is in
    the folder of its `owner`, a project, which all children that see files of that project have in common and which
    stays: a child that waits for more of them can reach no other, not even one of the same name.
    """

    def __init__(self, root: Path) -> None:
        self.owner = ""
        self._root = root
        self._folder: TemporaryDirectory[str] | None = None
        self.ahead: Made | None = None
        """What was made for the next task already."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    @property
    def folder(self) -> Path:
        """The folder itself."""
        while self._folder is None:
            home = self.home
            with suppress(FileNotFoundError):  # another thread has deleted it meanwhile, since it was empty
                self._folder = TemporaryDirectory(prefix="job-", dir=home, ignore_cleanup_errors=True)
        return Path(self._folder.name)

    @property
    def home(self) -> Path:
        """The folder of everything in hand of the same owner."""
        home = self._root / f"of-{self.owner}"
        if not home.exists():
            _make_room(self._root)
            home.mkdir(mode=0o700, exist_ok=True)
        return home

    @contextmanager
    def drawer(self) -> Iterator[Path]:
        """A folder of one task alone: fresh, empty, gone afterwards."""
        with TemporaryDirectory(prefix="work-", dir=self.folder, ignore_cleanup_errors=True) as folder:
            yield Path(folder)


def _make_room(root: Path) -> None:
    homes = list(root.glob("of-*"))
    for home in homes if len(homes) >= _HOMES else ():
        with suppress(OSError):  # it is in use
            home.rmdir()
