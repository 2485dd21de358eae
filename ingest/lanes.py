"""One upload's place among the parts that are under way: first, once its client may be waiting for its answer."""

from contextlib import AbstractAsyncContextManager, nullcontext

from ingest.pace import Pace

NEAR = 16 * 1024 * 1024
"""Bytes that may lie between a client and us: who has no more to come may have sent its last byte already."""
SMALL = 1024 * 1024
"""Bytes that are not worth pacing."""


class Lane:
    """For one event loop; uploads are as old as their lanes."""

    def __init__(self, pace: Pace) -> None:
        """Nothing has come yet."""
        self._pace, self._upload = pace, pace.number()
        self._late = False

    @property
    def room(self) -> bool:
        """Whether one more part would be under way at once, or the next that is."""
        return self._pace.spare or (self._late and self._pace.next)

    def came(self, size: int, most: int | None) -> None:
        """So many bytes have come, of so many at most, if that is known."""
        if not self._late and most is not None and size + NEAR >= most:
            self.hurry()

    def hurry(self) -> None:
        """The client waits for its answer: parts that wait for their turn go first, from now on."""
        self._late = True
        self._pace.hurry(self._upload)

    def slot(self, size: int) -> AbstractAsyncContextManager[None]:
        """One part of `size` bytes under way."""
        return nullcontext() if size <= SMALL else self._pace.slot(size, self._upload, last=self._late)

    def press(self) -> None:
        """The client is faster than S3: it is told to wait."""
        self._pace.press()
