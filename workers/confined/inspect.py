"""`python -I -m workers.confined.inspect`: what is this file?"""

import resource
import sys
from pathlib import Path
from typing import Any

from pipeline.limits import Limits
from workers.confined.photos import inspect_photo
from workers.confined.serving import serve

# Demuxers need little; track bombs find their end here within half a second.
_FILM_MEMORY = 768 * 2**20


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """`{"probe": ...}` of the file `source` under `limits`, with what `metadata` lists; raises RefusedError."""
    path = Path(request["source"])
    limits = Limits(**{**request["limits"], "accept": frozenset(request["limits"]["accept"])})
    probe = inspect_photo(path, limits, request.get("metadata", ()))
    if probe is None:
        if sys.platform == "linux":
            resource.setrlimit(resource.RLIMIT_AS, (_FILM_MEMORY, _FILM_MEMORY))
        from workers.confined.films import inspect_film  # noqa: PLC0415 - ffmpeg's libraries cost a photo 70 ms

        probe = inspect_film(path, limits)
    return {"probe": probe.to_dict()}


if __name__ == "__main__":
    serve(answer)
