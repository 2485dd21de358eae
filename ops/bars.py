"""How far each file is: a bar per file on a terminal, a line per change of phase anywhere else."""

from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

UPLOADING = "uploading"


class Bars(Protocol):
    """`show` may be called as often as one likes."""

    def show(self, name: str, phase: str, fraction: float) -> None:
        """Say what is going on with a file and how much of it is done, 0 to 1."""

    def close(self) -> None:
        """What is shown stays."""


class LiveBars:
    """Bars that move."""

    def __init__(self, console: Console) -> None:
        self._rows: dict[str, TaskID] = {}
        self._phases: dict[str, str] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("[cyan]{task.fields[phase]}"),
            console=console,
        )
        self._progress.start()

    def show(self, name: str, phase: str, fraction: float) -> None:
        """Move the file's bar."""
        if name not in self._rows:
            self._rows[name] = self._progress.add_task(name, total=1.0, phase=phase)
        elif self._phases[name] == UPLOADING != phase:
            self._progress.reset(self._rows[name])  # sent; now the work begins
        self._phases[name] = phase
        self._progress.update(self._rows[name], completed=fraction, phase=phase)

    def close(self) -> None:
        """Leave the bars as they are."""
        self._progress.stop()


class Lines:
    """Lines for a log."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._phases: dict[str, str] = {}

    def show(self, name: str, phase: str, fraction: float) -> None:
        """Print the phase when it is another one."""
        if self._phases.get(name) != phase:
            self._phases[name] = phase
            self._console.print(f"{name}: {phase} ({fraction:.0%})", markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Nothing moves."""


def choose(console: Console) -> Bars:
    """Return the bars for where the console's output goes."""
    return LiveBars(console) if console.is_terminal else Lines(console)
