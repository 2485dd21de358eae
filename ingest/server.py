"""uvicorn with bounds it does not have itself: on a request's head, and on how uploads end when the server does."""

import asyncio
import gc
import signal
import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LONGEST_HEAD = 64 * 1024
"""Bytes of request line and headers."""
KEEP_ALIVE = 75
"""Seconds that an idle connection stays open: longer than a load balancer before it keeps its own (ALB: 60)."""
MOST_CONNECTIONS = 2000
FINISHING = 4
"""Seconds after SIGTERM in which open requests may end by themselves."""
TAKING_BACK = 3
"""Seconds more for the others, to take back what they stored."""

_TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class BoundedHead(HttpToolsProtocol):
    """Closes on a head that does not end; the parser would collect it until memory is full."""

    _head = 0

    def on_message_begin(self) -> None:
        """A new head starts."""
        super().on_message_begin()
        self._head = 1

    def on_headers_complete(self) -> None:
        """It ended."""
        super().on_headers_complete()
        self._head = 0

    def on_body(self, body: bytes) -> None:
        """Keep a body's bytes as the parser made them: added to an empty bytearray they would be copied twice more."""
        if not self.cycle.body:
            self.cycle.body = b""  # type: ignore[assignment] # to which the first bytes are added as they are
        super().on_body(body)

    def data_received(self, data: bytes) -> None:
        """Count what came while the head was not complete."""
        super().data_received(data)
        if self._head and not self.transport.is_closing():
            self._head += len(data)
            if self._head > LONGEST_HEAD:
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
        http=BoundedHead,
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
