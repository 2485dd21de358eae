"""What lies between the roles and their servers: a proxy each, to be cut, slowed, made deaf, or told to refuse."""

import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.faults import SLOW_DOWN, Faults, Refusal
from tests.proxy import Proxy


@dataclass
class Mood:
    """How many of the requests are refused now, a share from 0 to 1, and how many were."""

    chance: random.Random
    share: float = 0.0
    refused: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, _method: str, _path: str) -> bool:
        with self._lock:
            refuses = self.chance.random() < self.share
            self.refused += refuses
            return refuses


@dataclass(frozen=True)
class Wire:
    """The way to one server. Replies get lost in `proxy`, behind which the server, or `mood`, has answered."""

    proxy: Proxy
    mood: Mood


@contextmanager
def wired(address: str, seed: str, refusal: Refusal | None = SLOW_DOWN) -> Iterator[tuple[Wire, str]]:
    """A wire to the server at that URL, and the URL to give to roles; `refusal` None: the server speaks no HTTP."""
    parts = urlsplit(address)
    mood = Mood(random.Random(seed))
    with ExitStack() as stack:
        port = parts.port or 0
        if refusal is not None:
            faults = stack.enter_context(Faults(port, mood, refusal))
            port = urlsplit(faults.url).port or 0
        proxy = stack.enter_context(Proxy(port))
        yield Wire(proxy, mood), parts._replace(netloc=f"127.0.0.1:{proxy.port}").geturl()
