"""What the pipeline leans on, and whether it answers now."""

import threading
import time
from collections.abc import Callable, Mapping

from pipeline.adapters.wiring import Services
from pipeline.errors import UnavailableError

PATIENCE = 5.0
"""Seconds that all of them together have to answer; an operator waits."""


def ask(services: Services) -> dict[str, str]:
    """Return by its name what is wrong with each dependency; nothing (empty) where it can be used."""
    return answers(services.pings, PATIENCE)


def answers(pings: Mapping[str, Callable[[], None]], patience: float) -> dict[str, str]:
    """Ask all at once; one that has not answered within `patience` seconds may hang, and is left behind."""
    found: dict[str, str] = {}

    def question(name: str, ping: Callable[[], None]) -> None:
        try:
            ping()
        except UnavailableError as error:
            found[name] = str(error).removeprefix(f"{name}: ")
        else:
            found[name] = ""

    threads = [threading.Thread(target=question, args=asked, daemon=True) for asked in pings.items()]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + patience
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return {name: found.get(name, f"no answer within {patience:g} s") for name in pings}
