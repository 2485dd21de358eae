"""Where a worker keeps the files of the media it has in hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from workers.jobs import Made


class Desk:
    """A folder under `root`: made when it is first needed, gone when the worker is through with the media.

    What lies there, the original above all, serves the media's next task if the same worker goes on with it.
    """

    def __init__(self, root: Path) -> None:
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
        if self._folder is None:
            self._folder = TemporaryDirectory(prefix="job-", dir=self._root, ignore_cleanup_errors=True)
        return Path(self._folder.name)

    @contextmanager
    def drawer(self) -> Iterator[Path]:
        """A folder of one task alone: fresh, empty, gone afterwards."""
        with TemporaryDirectory(prefix="work-", dir=self.folder, ignore_cleanup_errors=True) as folder:
            yield Path(folder)
