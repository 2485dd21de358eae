"""What a person sees while a stack starts: live rows on a terminal, plain lines anywhere else."""

import sys
import time
from typing import Protocol

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


class Display(Protocol):
    """Told by the supervisor what happens to whom."""

    def starting(self, name: str) -> None:
        """Something was started."""

    def ready(self, name: str, address: str) -> None:
        """It answered that it is ready."""

    def died(self, name: str, how: str, tail: str) -> None:
        """It ended without being asked to; `tail` is the end of its log."""

    def settle(self) -> None:
        """The start is over: what is shown stays, what follows are lines."""


class Plain:
    """One line per event."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def starting(self, name: str) -> None:
        """Say so."""
        self._since[name] = time.monotonic()
        self._line(f"{name}: starting")

    def ready(self, name: str, address: str) -> None:
        """Say so, and how long it took."""
        self._line(f"{name}: ready {address}".rstrip() + f" ({time.monotonic() - self._since[name]:.1f} s)")

    def died(self, name: str, how: str, tail: str) -> None:
        """Name the dead and give its last words."""
        self._line(f"{name}: {how}; the end of its log:\n{tail}".rstrip())

    def settle(self) -> None:
        """Nothing moves."""

    def _line(self, text: str) -> None:
        print(text, flush=True)


class Live:
    """A row per child with a spinner until it is ready."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._rows: dict[str, TaskID] = {}
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}"),
            TextColumn("[cyan]{task.fields[address]}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._progress.start()

    def starting(self, name: str) -> None:
        """Spin."""
        if name in self._rows:
            self._progress.reset(self._rows[name])
        else:
            self._rows[name] = self._progress.add_task(name, total=1, address="")

    def ready(self, name: str, address: str) -> None:
        """Tick it off."""
        if self._progress.live.is_started:
            self._progress.update(self._rows[name], completed=1, address=address)
        else:
            self._console.print(f"[green]✓[/] {name} is back")

    def died(self, name: str, how: str, tail: str) -> None:
        """Name the dead and give its last words, above the rows."""
        self._console.print(f"[red]✗ {name} {how}[/]; the end of its log:")
        self._console.print(tail, style="dim", markup=False, highlight=False)

    def settle(self) -> None:
        """Leave the rows as they are."""
        self._progress.stop()


def choose() -> Display:
    """Return the display for where our output goes."""
    return Live(Console()) if sys.stdout.isatty() else Plain()
