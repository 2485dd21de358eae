"""What HTTP has and this server does not do is refused: ignored, it would store other bytes than were meant.

RFC 9112, section 6.1 (transfer codings); RFC 9110, sections 8.4 (content codings), 14.5 (partial PUT), 10.1.1 (Expect).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from starlette.types import ASGIApp, Receive, Scope, Send

from ingest.problems import ProblemError

_DONE: Mapping[bytes, tuple[Callable[[str, bytes], bool], str]] = MappingProxyType(
    {
        b"transfer-encoding": (lambda _method, value: value == b"chunked", "transfer_coding_unsupported"),
        b"content-encoding": (lambda _method, value: value in {b"", b"identity"}, "content_coding_unsupported"),
        b"content-range": (lambda method, _value: method != "PUT", "partial_put"),
        b"expect": (lambda _method, value: value == b"100-continue", "expectation_unsupported"),
    }
)
"""By header: whether a request with it is done as it is meant, and else the problem."""


@dataclass(frozen=True)
class Semantics:
    """The middleware."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through; raises `ProblemError`."""
        if scope["type"] == "http":
            for name, value in scope["headers"]:
                if name in _DONE:
                    is_done, problem = _DONE[name]
                    if not is_done(scope["method"], value.strip().lower()):
                        raise ProblemError(problem)
        await self.app(scope, receive, send)
