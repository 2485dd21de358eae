"""Figures as Markdown, ready for RESULTS.md: tables, targets with their verdicts, and what all was measured on."""

import json
import math
import os
import platform
import statistics
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from ops.downloads import PROJECT


@dataclass(frozen=True)
class Target:
    """A figure beside its bound; `least` says that it must not be below it, else that it must not be above."""

    what: str
    value: float
    bound: float
    least: bool
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether it holds."""
        return self.value >= self.bound if self.least else self.value <= self.bound


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def median(values: Iterable[float]) -> float:
    """The median."""
    return statistics.median(values)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table under its title."""
    print(f"\n**{title}**\n")
    for cells in (columns, ["---"] * len(columns), *rows):
        print(f"| {' | '.join(cells)} |", flush=True)


def verdicts(targets: Sequence[Target]) -> None:
    """Print each figure beside its target."""
    rows = [
        (
            each.what,
            f"{figure(each.value)}{each.unit}",
            f"{'>=' if each.least else '<='} {each.bound:g}{each.unit}",
            "met" if each.met else "**missed**",
        )
        for each in targets
    ]
    if rows:
        table("Targets", ("figure", "measured", "target", ""), rows)


def figure(value: float) -> str:
    """Three digits that matter."""
    if not value or not math.isfinite(value):
        return f"{value:g}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def conditions(command: str, versions: Mapping[str, str]) -> None:
    """Print what RESULTS.md must say of a run: command, date, commit, machine, load, versions."""
    load = "/".join(f"{each:.1f}" for each in os.getloadavg())
    commit = _line("git", "-C", str(PROJECT), "rev-parse", "--short", "HEAD")
    cores = len(os.sched_getaffinity(0))
    print(f"\n`{command}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, at {commit}; load average {load}; {cores} cores of")
    print(f"{_processor()}, Linux {platform.release()}. " + ", ".join(f"{k} {v}" for k, v in versions.items()) + ".")


def installed(*names: str) -> dict[str, str]:
    """The versions of our own packages."""
    return {"Python": platform.python_version(), **{name: version(name) for name in names}}


def packaged(folder: Path, *names: str) -> dict[str, str]:
    """The versions that a folder with `package.json` pins."""
    pinned = json.loads((folder / "package.json").read_text())["dependencies"]
    return {name: pinned[name] for name in names}


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _line(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "no commit"
