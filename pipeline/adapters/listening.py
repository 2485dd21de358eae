"""Consumers that are called when a message is there, instead of asking an empty queue many times a second.

Whoever enqueues says so on a channel of the queue. Nothing depends on it: an idle consumer looks by itself as well,
every `worker_timeout`, and more often while it cannot hear.
"""

import heapq
import logging
import threading
import time
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from dramatiq import Consumer, Message, MessageProxy
from dramatiq.brokers.redis import RedisBroker
from dramatiq.common import current_millis, dq_name
from redis import Redis, RedisError

CALLS = "darkroom:calls:"
"""How the channel of a queue begins."""

_DEAF = 0.1  # seconds between two looks while no call can be heard
_AGAIN = 1.0  # seconds until the next try to hear
_LISTENING = 5.0  # seconds of one wait for a call
_PATIENCE = 30.0  # seconds without anybody who waits

log = logging.getLogger(__name__)


class Ear:
    """Hears the calls of some queues for the consumers that wait here, in a thread that lasts as long as they do."""

    def __init__(self, client: Redis, queues: Iterable[str]) -> None:
        """Nothing is heard before somebody waits."""
        names = [name for queue in queues for name in (queue, dq_name(queue))]
        self._client = client
        self._bells: Mapping[str, threading.Event] = MappingProxyType({name: threading.Event() for name in names})
        self._hears = threading.Event()
        self._listening = threading.Lock()
        self._waited_at = 0.0

    def wait(self, queue: str, seconds: float) -> None:
        """Return when there may be something new in the queue, or after so many seconds."""
        bell = self._bells.get(queue)
        if bell is None:
            time.sleep(min(seconds, _DEAF))
            return
        self._waited_at = time.monotonic()
        if self._listening.acquire(blocking=False):  # one thread is enough
            threading.Thread(target=self._listen, name="ear", daemon=True).start()
        bell.wait(seconds if self._hears.is_set() else min(seconds, _DEAF))
        bell.clear()

    def ring(self, queue: str) -> None:
        """Wake who waits for that queue in this process."""
        if bell := self._bells.get(queue):
            bell.set()

    def _listen(self) -> None:
        try:
            while self._wanted():
                try:
                    self._hear()
                except (RedisError, OSError) as error:
                    if self._hears.is_set():
                        log.warning("calls_not_heard", extra={"error": str(error)})
                self._hears.clear()
                for queue in self._bells:
                    self.ring(queue)
                time.sleep(_AGAIN)
        finally:
            self._listening.release()

    def _wanted(self) -> bool:
        return time.monotonic() - self._waited_at < _PATIENCE

    def _hear(self) -> None:
        with self._client.pubsub() as line:  # type: ignore[no-untyped-call]
            line.subscribe(*(CALLS + queue for queue in self._bells))
            waiting = set(self._bells)
            while self._wanted():
                message = line.get_message(timeout=_LISTENING)
                if message is None:
                    continue
                queue = _text(message["channel"]).removeprefix(CALLS)
                waiting.discard(queue)
                if not waiting:
                    self._hears.set()
                self.ring(queue)  # also when it begins to be heard: what came before was not


class ListeningBroker(RedisBroker):
    """The stock broker, with an ear for these queues."""

    def __init__(self, client: Redis, queues: Iterable[str], **options: object) -> None:
        super().__init__(client=client, **options)  # type: ignore[no-untyped-call]
        self._ear = Ear(client, queues)

    def enqueue(self, message: Message[object], *, delay: int | None = None) -> Message[object]:
        """As the stock broker does, and call."""
        sent: Message[object] = super().enqueue(message, delay=delay)
        self.client.publish(CALLS + sent.queue_name, "")
        return sent

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        """The stock consumer, called; it never sleeps by itself."""
        return _Called(super().consume(queue_name, prefetch, 0), self._ear, queue_name, timeout)


class _Called(Consumer):
    """Waits where the stock consumer would sleep: for a call, a message that it holds to fall due, or its timeout."""

    def __init__(self, stock: Consumer, ear: Ear, queue: str, timeout: int) -> None:
        self._stock, self._ear, self._queue, self._timeout = stock, ear, queue, timeout
        self._due: list[int] = []

    def __next__(self) -> MessageProxy | None:
        message = next(self._stock)
        if message is None:
            self._ear.wait(self._queue, self._patience() / 1000)
        elif isinstance(eta := message.options.get("eta"), int):
            heapq.heappush(self._due, eta)
        return message

    def ack(self, message: MessageProxy) -> None:
        self._stock.ack(message)
        self._ear.ring(self._queue)  # there is room for another

    def nack(self, message: MessageProxy) -> None:
        self._stock.nack(message)
        self._ear.ring(self._queue)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        self._stock.requeue(messages)

    def close(self) -> None:
        self._stock.close()

    def _patience(self) -> int:
        """Milliseconds; the thread that asks also looks after the delayed messages."""
        now, patience = current_millis(), self._timeout
        while self._due and patience > 0:
            patience = min(patience, max(0, self._due[0] - now))
            if patience:
                break
            heapq.heappop(self._due)
        return patience


def _text(channel: str | bytes) -> str:
    return channel.decode() if isinstance(channel, bytes) else channel
