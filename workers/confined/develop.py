"""The question `develop`: which image is this file, and its stills, by the one decode that proves it good."""

from pathlib import Path
from typing import Any

from workers.confined import stills
from workers.confined.photos import welcome
from workers.confined.requests import limits_of


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """What `inspect` and `stills` answer, together; `{"probe": null}` if the file is no image. Raises RefusedError."""
    found = welcome(Path(request["source"]), limits_of(request), request["metadata"])
    if found is None:
        return {"probe": None}
    _, probe = found
    return {"probe": probe.to_dict(), **stills.answer(request | {"pixels": probe.pixels})}
