"""The children's log files: short enough to keep, and their last words."""

from pathlib import Path

LARGEST = 20_000_000
"""Bytes beyond which a log starts anew; one older one is kept."""

TAIL_LINES, TAIL_BYTES = 12, 8192


def shorten(log: Path) -> None:
    """Put a long log aside so that the next start begins a new one."""
    if log.exists() and log.stat().st_size > LARGEST:
        log.replace(log.with_suffix(".log.1"))


def last_lines(log: Path) -> str:
    """Return the last few lines of a log, each indented."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(f"    {line}" for line in lines[-TAIL_LINES:])
