"""A process that a supervisor keeps alive."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


def _at_once() -> bool:
    return True


@dataclass(frozen=True)
class Child:
    """How to start one process and how to know that it is ready.

    `ready` is asked again and again until it says yes and may take a few seconds; `address` is what a person is shown;
    `litter` are patterns of files that it leaves outside of its folder and that are removed when it has ended.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    address: str = ""
    litter: tuple[str, ...] = ()
    ready: Callable[[], bool] = field(default=_at_once)
