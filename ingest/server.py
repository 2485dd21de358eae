"""uvicorn with bounds that it lacks: on what a request has beside its body, and on how uploads end with the server."""

import asyncio
import gc
import signal
import socket
from collections.abc import Callable
from typing import cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

LONGEST_LINES = 64 * 1024
"""Bytes of a request that are not its body: request line, headers, trailers, and the lines of chunks."""
MOST_FIELDS = 100
"""Headers and trailers of a request: Apache's `LimitRequestFields`, gunicorn's `limit_request_fields`."""
_BESIDE_A_BYTE = 16
"""Bytes of chunks' lines that each byte of the body pays for, so that chunks of a byte get through."""
KEEP_ALIVE = 75
"""Seconds that an idle connection stays open: longer than a load balancer before it keeps its own (ALB: 60)."""
MOST_CONNECTIONS = 2000
FINISHING = 4
"""Seconds after SIGTERM in which open requests may end by themselves."""
TAKING_BACK = 3
"""Seconds more for the others, to take back what they stored."""

_TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class BoundedLines(HttpToolsProtocol):
    """Closes on a request whose head, chunk extensions or trailers are too much; the parser takes them without end.

    Of a body of stated length nothing is counted, of one in chunks what each read brought: the parser tells of no chunk
    for which it was not asked, and asking would cost a call for each.
    """

    _counted = False
    """Whether lines may come: in a head, and in a body in chunks."""
    _beside = 0
    _fields = 0
    _field_bytes = 0
    _head_complete = False

    def on_message_begin(self) -> None:
        """A new head starts."""
        super().on_message_begin()
        self._counted, self._head_complete = True, False
        self._beside = self._fields = self._field_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count it; trailers are dropped, for they must not pass for headers (RFC 9110, 6.5.1)."""
        if not self._head_complete:
            super().on_header(name, value)
        self._fields += 1
        self._field_bytes += len(name) + len(value)
        if self._too_many():
            raise ValueError  # which makes the parser stop, and uvicorn call `send_400_response`

    def on_headers_complete(self) -> None:
        """It ended."""
        super().on_headers_complete()
        self._head_complete = True
        self._counted = any(name == b"transfer-encoding" for name, _ in self.headers)

    def on_body(self, body: bytes) -> None:
        """Keep a body's bytes as the parser made them: added to an empty bytearray they would be copied twice more."""
        if not self.cycle.body:
            self.cycle.body = b""  # type: ignore[assignment] # to which the first bytes are added as they are
        super().on_body(body)
        if self._counted:
            self._beside -= len(body) * (1 + _BESIDE_A_BYTE)

    def on_message_complete(self) -> None:
        """Nothing more of it comes."""
        super().on_message_complete()
        self._counted = False

    def data_received(self, data: bytes) -> None:
        """Count what came beside the body."""
        super().data_received(data)
        if self._counted and not self.transport.is_closing():
            self._beside = max(0, self._beside + len(data))
            if self._beside > LONGEST_LINES:
                self._refuse()

    def send_400_response(self, msg: str) -> None:
        """Say what was wrong with it: the parser stops at what is no HTTP, and where we told it to."""
        if self._too_many():
            self._refuse()
        else:
            super().send_400_response(msg)

    def _too_many(self) -> bool:
        return self._fields > MOST_FIELDS or self._field_bytes > LONGEST_LINES

    def _refuse(self) -> None:
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first head was complete
        if cycle is None or cycle.response_complete or not cycle.response_started:
            self.transport.write(_TOO_LONG)
        self.transport.close()


class Server(uvicorn.Server):
    """Leaves cancelled requests the time to end by the rules; `farewell`, in a thread, is the last that is done."""

    def __init__(self, config: uvicorn.Config, farewell: Callable[[], None]) -> None:
        """Nothing is served yet."""
        super().__init__(config)
        self._farewell = farewell

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, let requests finish, cancel the rest and wait for those."""
        await super().shutdown(sockets)
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=TAKING_BACK)
        await asyncio.get_running_loop().run_in_executor(None, self._farewell)


def serve(app: ASGIApp, host: str, port: int, farewell: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT, and at most `FINISHING` + `TAKING_BACK` seconds longer, and the farewell."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=BoundedLines,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=FINISHING,
        limit_concurrency=MOST_CONNECTIONS,
    )
    gc.collect()
    gc.freeze()  # what was imported lives as long as we do: no collection need look at it again
    # uvicorn ends with the signal it got. Python's own way with SIGINT would wait for threads that a hung S3 holds.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    Server(config, farewell).run()
