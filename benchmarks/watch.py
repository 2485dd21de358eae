"""What the encoders of a worker do meanwhile: how many there are, and how much processor they get (Linux)."""

import os
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

_EVERY = 0.1  # seconds between two looks; what an encoder does after the last one of its life is not seen
_NAME = "ffmpeg"


@dataclass
class Watch:
    """Looks at the children of these processes from a thread of its own."""

    parents: list[int]
    looks: int = 0
    pairs: int = 0
    """Looks that found two encoders or more."""
    _ticks: dict[int, int] = field(default_factory=dict)
    _first: dict[int, int] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def told(self, seconds: float) -> str:
        """The figures, of so many seconds."""
        if not self.looks:
            return "not to be seen on this system"
        ticks = sum(last - self._first[pid] for pid, last in self._ticks.items())
        cores = ticks / os.sysconf("SC_CLK_TCK") / seconds
        return f"two at work in {self.pairs / self.looks:.0%} of {self.looks} looks, on {cores:.2f} cores together"

    def _watch(self) -> None:
        while Path("/proc/self/stat").exists() and not self._over.wait(_EVERY):
            there = self._encoders()
            self.looks += 1
            self.pairs += len(there) > 1
            for pid, ticks in there.items():
                # One that was there before counts from now on, one that began meanwhile from its beginning.
                self._first.setdefault(pid, ticks if self.looks == 1 else 0)
                self._ticks[pid] = ticks

    def _encoders(self) -> dict[int, int]:
        """Their clock ticks so far, in user and system mode (proc(5), `stat`)."""
        found = {}
        for entry in Path("/proc").iterdir():
            with suppress(OSError, ValueError):
                name, _, rest = (entry / "stat").read_text().partition("(")[2].rpartition(")")
                _, parent, *others = rest.split()
                if int(parent) in self.parents and name.startswith(_NAME):
                    found[int(entry.name)] = int(others[9]) + int(others[10])
        return found
