"""Logging, set up once by each process: one line an event, its name static and past tense, identifiers as fields.

JSON where machines read it, columns on a terminal. What other libraries log by `logging` takes the same way.
"""

import logging
import re
import sys
from functools import lru_cache
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

MOST_CHARACTERS = 500
"""Of one string: file names and the like are as long as a client pleases."""
MOST_TRACEBACK = 8000
REDACTED = "[redacted]"

_LEVELS = {
    "boto3": logging.WARNING,
    "botocore": logging.WARNING,
    "urllib3": logging.WARNING,
    "dramatiq": logging.WARNING,  # tasks have lines of their own
    "uvicorn.access": logging.WARNING,  # and so do requests
}
_SECRET_NAME = re.compile(r"authorization|password|secret|token|api_?key|cookie", re.IGNORECASE)
# Would let a file's name write on the operator's terminal.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SECRETS = (
    # A presigned URL is a credential for as long as it lasts.
    re.compile(r"(?<=X-Amz-Signature=)[^&\s\"']+", re.IGNORECASE),
    re.compile(r"(?<=X-Amz-Credential=)[^&\s\"']+", re.IGNORECASE),
    re.compile(r"(?<=X-Amz-Security-Token=)[^&\s\"']+", re.IGNORECASE),
    re.compile(r"(?<=Authorization: )[^\r\n\"']+", re.IGNORECASE),
    re.compile(r"(?<=Bearer )[^\s\"',]+", re.IGNORECASE),
    # The password of redis://:password@host.
    re.compile(r"(?<=://)[^/\s@]+(?=@)"),
)
# What any of these must have in it; most strings have nothing of it, and are looked at once.
_SUSPECT = re.compile(r"X-Amz-|Authorization:|Bearer|://|[\x00-\x08\x0b-\x1f\x7f-\x9f]", re.IGNORECASE)


def configure(*, json: bool, role: str) -> None:
    """Send every log line to standard error, as JSON or as columns; `role` says which process wrote it.

    Calling it again replaces what was set up before.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _Role(role),
        structlog.processors.format_exc_info,
        clean,
    ]
    last: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
        if json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    # Our own lines go straight out: by `logging` each would take half as long again as all else that is done to it.
    structlog.configure(
        processors=[*shared, last],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name, level in _LEVELS.items():
        logging.getLogger(name).setLevel(level)


def clean(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A processor: blank out credentials and control characters, cut what is too long."""
    return {name: value if name.startswith("_") else _cleaned(name, value) for name, value in event.items()}


@lru_cache(maxsize=512)
def _secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def _cleaned(name: str, value: Any) -> Any:  # noqa: ANN401 - whatever was logged
    if _secret(name):
        return REDACTED
    match value:
        case str():
            return _cut(name, _redacted(value))
        case dict():
            return {key: _cleaned(str(key), each) for key, each in value.items()}
        case list() | tuple():
            return [_cleaned(name, each) for each in value]
        case _:
            return value


def _redacted(text: str) -> str:
    if not _SUSPECT.search(text):
        return text
    for secret in _SECRETS:
        text = secret.sub(REDACTED, text)
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


def _cut(name: str, text: str) -> str:
    """A traceback says what happened at its end, anything else what it is at its start."""
    if name == "exception":
        return text[-MOST_TRACEBACK:]
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"


class _Role:
    """A processor that says which process speaks."""

    def __init__(self, role: str) -> None:
        self._role = role

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["role"] = self._role
        return event
