"""An operator is told what does not answer, though it hangs."""

import threading

from ops.reach import answers
from pipeline.errors import UnavailableError


def test_each_dependency_is_named_with_what_is_wrong() -> None:
    over = threading.Event()

    def hangs() -> None:
        over.wait()

    def away() -> None:
        raise UnavailableError("redis: connection refused")

    try:
        found = answers({"s3": hangs, "records": lambda: None, "redis": away}, 0.2)
    finally:
        over.set()
    assert found == {"s3": "no answer within 0.2 s", "records": "", "redis": "connection refused"}
