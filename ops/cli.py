"""The `darkroom` command: every operating make target calls it, every container runs it."""

import sys
from collections.abc import Sequence

from ops import becoming


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, or 1 after saying what went wrong."""
    given = [*(sys.argv[1:] if argv is None else argv)]
    match given:
        case ["ingest"]:
            return becoming.told(becoming.ingest)
        case ["sweeper"]:
            return becoming.told(becoming.sweeper)
        case ["worker", *queues] if queues and not any(queue.startswith("-") for queue in queues):
            return becoming.told(lambda: becoming.worker(queues))
    from ops import console  # noqa: PLC0415 - half a second of CPU for what only people use

    return console.main(given)


if __name__ == "__main__":
    sys.exit(main())
