"""One request as JSON on the standard input, one answer as JSON: what a child lives for."""

import json
from collections.abc import Callable
from typing import Any

from workers.confined.refusal import RefusedError

Answer = Callable[[dict[str, Any]], dict[str, Any]]


def serve(answer: Answer, request: dict[str, Any]) -> bytes:
    """The answer to a request. A refused file is an answer too; a fault of ours is an exception."""
    try:
        result = answer(request)
    except RefusedError as refused:
        result = {"refused": refused.reason}
    except MemoryError:
        result = {"refused": "inspection_exhausted"}
    return json.dumps(result).encode()
