"""One request as JSON on the standard input, one reply as JSON on the standard output."""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from workers.confined.refusal import RefusedError


def serve(answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Answer the request and end. A refused file is an answer too; only a fault of ours ends in a traceback."""
    # Decoders write what they like to the standard output; from here on that is the standard error.
    reply = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        result = answer(json.load(sys.stdin))
    except RefusedError as refused:
        result = {"refused": refused.reason}
    except MemoryError:
        result = {"refused": "inspection_exhausted"}
    json.dump(result, reply)
    reply.flush()
    # Libraries' threads need no tidy end, and a decoder that crashes while ending must not spoil the answer.
    os._exit(0)
