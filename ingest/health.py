"""Whether the process lives, and whether what it needs does."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

PATIENCE = 3.0
"""Seconds in which a dependency has to answer."""


@dataclass(frozen=True)
class Health:
    """The endpoints. `pings` return or raise, by the name of the dependency; those in `optional` may be away."""

    pings: Mapping[str, Callable[[], None]]
    optional: frozenset[str]
    threads: Executor
    asked: dict[str, asyncio.Future[None]] = field(default_factory=dict)

    async def live(self, _request: Request) -> Response:
        """The process answers."""
        return JSONResponse({"status": "ok"})

    async def ready(self, _request: Request) -> Response:
        """Each dependency by name; 503 when uploads cannot be taken."""
        answers = await asyncio.gather(*(self._answers(name) for name in self.pings))
        found = dict(zip(self.pings, answers, strict=True))
        ready = all(answer or name in self.optional for name, answer in found.items())
        names = {name: "ok" if answer else "unavailable" for name, answer in found.items()}
        return JSONResponse({"ready": ready, "dependencies": names}, 200 if ready else 503)

    async def _answers(self, name: str) -> bool:
        # A question that hangs is not asked a second time: probes come often, and threads are few.
        if name not in self.asked or self.asked[name].done():
            self.asked[name] = asyncio.get_running_loop().run_in_executor(self.threads, self.pings[name])
        await asyncio.wait([self.asked[name]], timeout=PATIENCE)
        return self.asked[name].done() and self.asked[name].exception() is None
