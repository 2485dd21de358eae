"""Reading a request."""

from typing import Any

from pipeline.limits import Limits


def limits_of(request: dict[str, Any]) -> Limits:
    """What is accepted, as the worker's configuration has it."""
    return Limits(**{**request["limits"], "accept": frozenset(request["limits"]["accept"])})
