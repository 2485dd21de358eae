"""The children's log files: short enough to keep, and their last words."""

from pathlib import Path

LARGEST = 20_000_000
"""Bytes beyond which a log starts anew; one older one is kept."""

TAIL_LINES, TAIL_BYTES = 12, 8192


def shorten(log: Path) -> None:
    """Put a long log aside so that the next start begins a new one."""
    if length(log) > LARGEST:
        log.replace(log.with_suffix(".log.1"))


def length(log: Path) -> int:
    """Return how many bytes a log has, 0 when there is none."""
    return log.stat().st_size if log.exists() else 0


def last_lines(log: Path, begin: int = 0) -> str:
    """Return the last few lines of a log, each indented; only what stands behind the first `begin` bytes counts."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(begin, length(log) - TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(f"    {line}" for line in lines[-TAIL_LINES:])
