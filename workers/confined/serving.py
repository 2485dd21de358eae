"""One request as JSON on the standard input, one answer as JSON: what a child lives for."""

import json
from collections.abc import Callable
from typing import Any

from workers.confined.memory import NeedsMoreError
from workers.confined.refusal import RefusedError

Answer = Callable[[dict[str, Any]], dict[str, Any]]


def serve(answer: Answer, request: dict[str, Any]) -> tuple[bytes, bool]:
    """The answer to a request, and whether it is one that was hoped for.

    A refused file is an answer too, and so is one that needs more memory (bytes, or null). A fault of ours is an
    exception.
    """
    result: dict[str, Any]
    try:
        return json.dumps(answer(request)).encode(), True
    except RefusedError as refused:
        result = {"refused": refused.reason}
    except NeedsMoreError as error:
        result = {"needs": error.needed}
    except MemoryError:
        result = {"needs": None}
    return json.dumps(result).encode(), False
