"""The question `inspect`: which image is this file, and can it be decoded?"""

from pathlib import Path
from typing import Any

from workers.confined.photos import inspect_photo
from workers.confined.requests import limits_of


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """`{"probe": ...}` of the file `source` under `limits`, with what `metadata` lists; null if it is no image.

    Raises RefusedError.
    """
    probe = inspect_photo(Path(request["source"]), limits_of(request), request.get("metadata", ()))
    return {"probe": probe and probe.to_dict()}
