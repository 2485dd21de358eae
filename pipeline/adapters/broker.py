"""Hints and progress on Redis: Dramatiq's broker, tuned and called (`listening.py`), and the `Queue` port beside it.

Redis may forget everything and no work is lost, so nothing here is retried for long: no upload waits for a hint.
"""

import json
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, cast

from dramatiq import Message
from dramatiq.middleware import Retries
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from pipeline.adapters.listening import CALLS, ListeningBroker
from pipeline.errors import UnavailableError
from pipeline.progress import Report
from pipeline.tasks import Hint, stage_of

NAMESPACE = "dramatiq"
EVENTS = "darkroom:events"
"""A stream of settled media, one entry each, its newest `MOST_EVENTS` kept.

A stream, not PUBLISH: a listener that was away for a while goes on where it stopped.
"""
MOST_EVENTS = 10_000
CHANGES = "darkroom:changes:"
"""How the channel of a project begins: what is published there is heard by who listens now, and by nobody else."""
SENTINEL = "darkroom:sentinel"
PROGRESS_SECONDS = 3600

# Seconds. A hung Redis costs a sender one timeout and one reconnection; then it is left alone for a while.
_TIMEOUT = 0.8
_SENDING = 2.0
_REST = 5.0
_REPORT_EVERY = 1.1  # of a task; a little more than what all of a media are bounded by, so that one alone is heard
_TOLD_EVERY = 1000  # ms
_MOST_REMEMBERED = 1000

# A worker waits longer: an answer that comes late holds messages, and a second try would take others.
_WORKER_TIMEOUT = 10.0
# ms without a command before a worker counts as dead. Its messages then go to another, though the sweeper would hint
# at them again anyway.
_HEARTBEAT = 30_000
_ALWAYS = 1_000_000

# The client takes as long for a command as for many words of one.
_PUBLISH = "for i = 1, #ARGV, 2 do redis.call('PUBLISH', ARGV[i], ARGV[i + 1]) end"

log = logging.getLogger(__name__)


def make_broker(url: str, queues: Iterable[str]) -> ListeningBroker:
    """The broker that a worker consumes from, its queues declared; nothing is contacted yet.

    Dead workers are looked for on every command, not on one of a thousand, which on a quiet installation took many
    minutes. Of Dramatiq's middleware only `Retries` is wanted: time limits, age limits, callbacks and pipelines either
    are the task row's business or lose messages.
    """
    names = list(queues)
    broker = ListeningBroker(
        _client(url, _WORKER_TIMEOUT, text=False),
        names,
        namespace=NAMESPACE,
        middleware=[Retries()],
        heartbeat_timeout=_HEARTBEAT,
        maintenance_chance=_ALWAYS,
    )
    for queue in names:
        broker.declare_queue(queue)
    return broker


def connect(url: str) -> "RedisQueue":
    """The queue as producers see it; nothing is contacted yet.

    It does no maintenance: that goes by the caller's clock, and a wrong one would take messages from live workers.
    """
    client = _client(url, _TIMEOUT, text=True)
    producer = ListeningBroker(client, (), namespace=NAMESPACE, middleware=[], maintenance_chance=0)
    return RedisQueue(client, producer)


@dataclass
class _Breaker:
    """Remembers that Redis was away, so that not every caller waits to find out."""

    closed_at: float = 0.0

    @property
    def open(self) -> bool:
        return time.monotonic() < self.closed_at

    def trip(self) -> None:
        self.closed_at = time.monotonic() + _REST

    def reset(self) -> None:
        self.closed_at = 0.0


@dataclass(frozen=True)
class RedisQueue:
    """The `Queue` port. Threads may share it."""

    client: Redis
    producer: ListeningBroker
    _breaker: _Breaker = field(default_factory=_Breaker)
    _reported: dict[tuple[str, str], float] = field(default_factory=dict)

    def send(self, hints: Iterable[Hint]) -> int:
        """Send each hint to the actor of its stage; on the first failure, or after 2 s, the rest is left unsent."""
        waiting, deadline = list(hints), time.monotonic() + _SENDING
        try:
            while waiting and not self._breaker.open and time.monotonic() < deadline:
                self.producer.enqueue(message_of(waiting[0]))
                waiting.pop(0)
        except RedisError as error:
            self._breaker.trip()
            log.warning("hints_not_sent", extra={"count": len(waiting), "error": str(error)})
        return len(waiting)

    def tell(self, hints: Sequence[Hint], changed: Sequence[tuple[str, str]]) -> None:
        """Send many hints and publish many changes, each a project and a media, in one exchange; all or none.

        Messages are written as Dramatiq's own `enqueue` does: the body into the queue's hash, the id onto its list; and
        idle workers are called.
        """
        if self._breaker.open or not (hints or changed):
            return
        messages = [message_of(hint) for hint in hints]
        try:
            with self.client.pipeline(transaction=True) as pipeline:
                for name in sorted({message.queue_name for message in messages}):
                    bodies = {each.message_id: _body(each) for each in messages if each.queue_name == name}
                    pipeline.hset(f"{NAMESPACE}:{name}.msgs", mapping=cast("dict[Any, Any]", bodies))
                    pipeline.rpush(f"{NAMESPACE}:{name}", *bodies)
                    pipeline.publish(CALLS + name, "")
                if changed:
                    news = ((CHANGES + project_id, json.dumps([media_id])) for project_id, media_id in changed)
                    pipeline.eval(_PUBLISH, 0, *chain.from_iterable(news))
                pipeline.execute()
        except RedisError as error:
            self._breaker.trip()
            log.warning("hints_not_sent", extra={"count": len(hints), "error": str(error)})

    def intact(self) -> bool:
        """Whether the sentinel key is there."""
        with _translated():
            return bool(self.client.exists(SENTINEL))

    def mark(self) -> None:
        """Set the sentinel key."""
        with _translated():
            self.client.set(SENTINEL, 1)

    def report(self, project_id: str, media_id: str, key: str, report: Report) -> None:
        """Keep how far a task is, for an hour; publish what all tasks of the media said, once a second at most."""
        now = time.monotonic()
        if self._breaker.open or (
            report.fraction < 1 and now - self._reported.get((media_id, key), -_REST) < _REPORT_EVERY
        ):
            return
        if len(self._reported) >= _MOST_REMEMBERED:
            self._reported.clear()
        self._reported[media_id, key] = now
        name = _progress_of(media_id)
        try:
            with self.client.pipeline(transaction=False) as pipeline:
                pipeline.hset(name, key, _told(report))
                pipeline.expire(name, PROGRESS_SECONDS)
                # Whichever worker comes first tells it.
                pipeline.set(f"darkroom:told:{media_id}", 1, nx=True, px=_TOLD_EVERY)
                *_, ours = pipeline.execute()
            if ours:
                self.client.publish(CHANGES + project_id, json.dumps([media_id, self.client.hgetall(name)]))
        except RedisError:
            self._breaker.trip()

    def changed(self, project_id: str, media_id: str) -> None:
        """Publish that there is something new in the record."""
        if self._breaker.open:
            return
        try:
            self.client.publish(CHANGES + project_id, json.dumps([media_id]))
        except RedisError:
            self._breaker.trip()

    def progress(self, media_id: str) -> dict[str, Report]:
        """What was reported last, by task key."""
        if self._breaker.open:
            return {}
        try:
            found = cast("dict[str, str]", self.client.hgetall(_progress_of(media_id)))
        except RedisError:
            self._breaker.trip()
            return {}
        return {key: report_of(told) for key, told in found.items()}

    def announce(self, event: Mapping[str, str]) -> None:
        """Append the event to the stream."""
        with _translated():
            fields: dict[Any, Any] = dict(event)
            self.client.xadd(EVENTS, fields, maxlen=MOST_EVENTS, approximate=True)

    def ping(self) -> None:
        """Return if Redis can be used now; an answer ends the rest that it was given."""
        with _translated():
            self.client.ping()
        self._breaker.reset()


def message_of(hint: Hint) -> Message[None]:
    """The message that says: look at this row now."""
    return Message(
        queue_name=hint.queue,
        actor_name=stage_of(hint.key),
        args=(),
        kwargs={"media_id": hint.media_id, "key": hint.key},
        options={},
    )


def _body(message: Message[None]) -> bytes:
    return message.copy(options={"redis_message_id": message.message_id}).encode()


def _told(report: Report) -> str:
    return json.dumps([None if number is None else round(number, 4) for number in report])


def report_of(told: str) -> Report:
    """What was reported, from how it is kept and published."""
    return Report(*json.loads(told))


def _progress_of(media_id: str) -> str:
    return f"darkroom:progress:{media_id}"


def _client(url: str, timeout: float, *, text: bool) -> Redis:
    return Redis.from_url(
        url,
        socket_connect_timeout=timeout,
        socket_timeout=timeout,
        retry=Retry(NoBackoff(), 1),
        decode_responses=text,
    )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise UnavailableError(f"redis: {error}") from error
