"""What `ports.Queue` promises, over a real Valkey; and that Dramatiq's own workers take what it sends."""

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import dramatiq
import pytest
import redis
from dramatiq.brokers.redis import RedisBroker

from pipeline.adapters import broker as adapter
from pipeline.adapters import listening
from pipeline.adapters.broker import RedisQueue, connect, make_broker
from pipeline.adapters.herald import Herald
from pipeline.errors import UnavailableError
from pipeline.progress import Report
from pipeline.tasks import Hint
from tests.contract.conftest import at_once


@pytest.fixture
def client(redis_url: str) -> Iterator["redis.Redis"]:
    """A bare client on an empty server."""
    client = redis.Redis.from_url(redis_url, decode_responses=True)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def queue(client: "redis.Redis", redis_url: str) -> RedisQueue:
    assert client.ping()
    return connect(redis_url)


@pytest.fixture
def hung() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


@pytest.fixture
def refused() -> str:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


def eventually(condition: Callable[[], Any], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def hints(number: int) -> list[Hint]:
    return [Hint(f"media_{index}", f"transcode#{index:04}", "video-short") for index in range(number)]


def working(broker: RedisBroker, stage: str, queue: str, work: Callable[..., None]) -> dramatiq.Worker:
    """A worker as `dramatiq` runs it, started."""
    dramatiq.Actor(work, broker=broker, actor_name=stage, queue_name=queue, priority=0, options={"max_retries": 0})
    worker = dramatiq.Worker(broker, queues={queue}, worker_timeout=50, worker_threads=2)
    worker.start()
    return worker


def test_a_hint_is_a_message_to_the_actor_of_its_stage(client: "redis.Redis", queue: RedisQueue) -> None:
    queue.send(hints(1))
    [raw] = client.hgetall("dramatiq:video-short.msgs").values()
    message = json.loads(raw)
    assert (message["actor_name"], message["queue_name"]) == ("transcode", "video-short")
    assert message["kwargs"] == {"media_id": "media_0", "key": "transcode#0000"}
    assert client.lrange("dramatiq:video-short", 0, -1) == [message["options"]["redis_message_id"]]


def test_a_herald_has_many_hints_sent_at_once_and_workers_take_them(
    client: "redis.Redis", queue: RedisQueue, redis_url: str
) -> None:
    herald, seen = Herald(queue), set[str]()
    with client.pubsub() as line:  # type: ignore[no-untyped-call]
        line.subscribe("darkroom:changes:p")
        for number in range(300):
            assert herald.send([Hint(f"media_{number}", "validate", "light")]) == 0
            herald.changed("p", f"media_{number}")
        herald.close()
        assert client.llen("dramatiq:light") == client.hlen("dramatiq:light.msgs") == 300
        told = [
            message for _ in range(301) if (message := line.get_message(timeout=10)) and message["type"] == "message"
        ]
    assert [json.loads(message["data"]) for message in told] == [[f"media_{number}"] for number in range(300)]
    broker = make_broker(redis_url, ["light"])
    worker = working(broker, "validate", "light", lambda media_id, key: seen.add(f"{media_id} {key}"))
    try:
        eventually(lambda: len(seen) == 300)
        eventually(lambda: client.hlen("dramatiq:light.msgs") == 0)
    finally:
        worker.stop()
    assert seen == {f"media_{number} validate" for number in range(300)}


def test_a_herald_lets_go_of_what_redis_does_not_take(hung: str) -> None:
    herald = Herald(connect(hung))
    herald.send(hints(5))
    herald.close()  # which returns
    herald.changed("p", "media_1")
    herald.close()


def test_hints_reach_dramatiqs_workers(queue: RedisQueue, redis_url: str) -> None:
    taken: list[tuple[str, str]] = []
    broker = make_broker(redis_url, ["video-short", "light"])
    worker = working(broker, "transcode", "video-short", lambda media_id, key: taken.append((media_id, key)))
    try:
        queue.send(hints(97))
        eventually(lambda: len(taken) == 97)
    finally:
        worker.stop()
    assert set(taken) == {(hint.media_id, hint.key) for hint in hints(97)}


def test_a_dead_workers_messages_go_to_the_next(
    client: "redis.Redis", queue: RedisQueue, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "_HEARTBEAT", 500)
    taken: list[tuple[str, str]] = []
    dead = make_broker(redis_url, ["light"])
    queue.send([Hint("media_1", "validate", "light")])
    assert next(dead.consume("light", prefetch=1)) is not None  # and never acknowledged
    next_one = make_broker(redis_url, ["light"])
    worker = working(next_one, "validate", "light", lambda media_id, key: taken.append((media_id, key)))
    try:
        eventually(lambda: taken == [("media_1", "validate")])
        eventually(lambda: client.hlen("dramatiq:light.msgs") == 0)
    finally:
        worker.stop()


def test_producers_do_no_maintenance(client: "redis.Redis", queue: RedisQueue, redis_url: str) -> None:
    """A producer whose clock is ahead must not take messages from live workers."""
    queue.send([Hint("media_1", "validate", "light")])
    live = make_broker(redis_url, ["light"])
    assert next(live.consume("light", prefetch=1)) is not None
    client.zadd("dramatiq:__heartbeats__", {live.broker_id: 1})  # long dead, by the producer's clock
    queue.send(Hint("media_2", "validate", "light") for _ in range(20))
    assert client.llen("dramatiq:light") == 20


def test_the_sentinel_goes_with_the_hints(client: "redis.Redis", queue: RedisQueue) -> None:
    assert not queue.intact()
    queue.mark()
    assert queue.intact()
    client.flushall()
    assert not queue.intact()


def test_progress_is_kept_for_an_hour(client: "redis.Redis", queue: RedisQueue) -> None:
    media_id = f"media_{uuid4().hex}"
    assert queue.progress(media_id) == {}
    queue.report("p1", media_id, "transcode#0001", Report(0.25, 1.5))
    queue.report("p1", media_id, "audio", Report(1 / 3))
    assert queue.progress(media_id) == {"transcode#0001": Report(0.25, 1.5), "audio": Report(0.3333)}
    [name] = client.keys("darkroom:progress:*")
    assert 3500 < client.ttl(name) <= 3600


def test_progress_is_told_once_a_second_and_at_the_end(queue: RedisQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    for step in range(10):
        queue.report("p1", "media_1", "poster", Report(step / 10))
        now[0] += 0.3
    assert queue.progress("media_1") == {"poster": Report(0.8)}  # 0.0, 0.4, 0.8
    queue.report("p1", "media_1", "poster", Report(1.0))
    assert queue.progress("media_1") == {"poster": Report(1.0)}


def test_a_media_is_told_of_once_a_second_however_many_work_on_it(
    client: "redis.Redis", queue: RedisQueue, redis_url: str
) -> None:
    other, media_id, channel = connect(redis_url), f"media_{uuid4().hex}", f"{adapter.CHANGES}p1"
    with client.pubsub(ignore_subscribe_messages=True) as line:  # type: ignore[no-untyped-call]
        line.subscribe(channel)
        line.get_message(timeout=5)  # it is listened to
        queue.report("p1", media_id, "transcode#0000", Report(0.1, 2.0))
        other.report("p1", media_id, "transcode#0001", Report(0.2, 3.0))
        assert 0 < client.pttl(f"darkroom:told:{media_id}") <= 1000
        client.delete(f"darkroom:told:{media_id}")  # a second is over
        other.report("p1", media_id, "transcode#0002", Report(0.3))
        client.publish(channel, "[]")
        told = []
        while (said := json.loads(line.get_message(timeout=5)["data"])) != []:
            told.append((said[0], sorted(said[1])))
    assert told == [
        (media_id, ["transcode#0000"]),
        (media_id, ["transcode#0000", "transcode#0001", "transcode#0002"]),
    ]


def test_events_are_appended_to_a_stream_that_stays_short(
    client: "redis.Redis", queue: RedisQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "MOST_EVENTS", 100)
    for number in range(300):
        queue.announce({"mediaId": f"media_{number}", "status": "ready", "text": "é"})
    entries: Any = client.xrange("darkroom:events")
    assert entries[-1][1] == {"mediaId": "media_299", "status": "ready", "text": "é"}
    assert 100 <= len(entries) < 300


def test_threads_share_it(client: "redis.Redis", queue: RedisQueue) -> None:
    at_once(16, lambda me: queue.send([Hint(f"media_{me}", "validate", "light")] * 10))
    assert client.llen("dramatiq:light") == 160


@pytest.mark.parametrize("kind", ["hung", "refused"])
def test_nobody_waits_long_for_a_redis_that_is_away(
    kind: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = connect(request.getfixturevalue(kind))
    with caplog.at_level(logging.WARNING):
        queue.send(hints(97))
    assert [record.getMessage() for record in caplog.records] == ["hints_not_sent"]
    monkeypatch.setattr(redis.Connection, "connect", lambda _: pytest.fail("it is to be left alone for a while"))
    queue.send(hints(97))
    queue.report("p1", "media_1", "poster", Report(0.5))
    assert queue.progress("media_1") == {}


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
    ],
    ids=["full", "read-only"],
)
def test_a_redis_that_takes_no_writes_holds_nobody_up(
    begin: tuple[str, ...],
    end: tuple[str, ...],
    client: "redis.Redis",
    queue: RedisQueue,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client.execute_command(*begin)  # type: ignore[no-untyped-call]
    try:
        with caplog.at_level(logging.WARNING):
            queue.send(hints(3))
        assert [record.getMessage() for record in caplog.records] == ["hints_not_sent"]
    finally:
        client.execute_command(*end)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("kind", ["hung", "refused"])
def test_what_must_be_known_says_that_redis_is_away(kind: str, request: pytest.FixtureRequest) -> None:
    queue = connect(request.getfixturevalue(kind))
    for ask in (queue.intact, queue.mark, queue.ping, lambda: queue.announce({"a": "b"})):
        with pytest.raises(UnavailableError):
            ask()


def test_it_is_used_again_after_a_rest(client: "redis.Redis", redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "_REST", 0.3)
    queue = connect(redis_url)
    queue.ping()
    client.client_pause(1700, all=True)  # every command hangs
    queue.send(hints(1))
    assert queue.progress("media_1") == {}

    def sent() -> bool:
        queue.send([Hint("media_1", "validate", "light")])
        return client.llen("dramatiq:light") != 0

    eventually(sent)


def test_a_ping_that_is_answered_ends_the_rest(client: "redis.Redis", redis_url: str) -> None:
    queue = connect(redis_url)
    client.client_pause(1700, all=True)  # every command hangs
    assert queue.send(hints(1)) == 1
    assert queue.send(hints(1)) == 1  # at once: Redis is left alone

    def answered() -> bool:
        try:
            queue.ping()
        except UnavailableError:
            return False
        return True

    eventually(answered)
    assert queue.send([Hint("media_1", "validate", "light")]) == 0


def test_a_connection_that_was_cut_is_opened_again(client: "redis.Redis", queue: RedisQueue) -> None:
    queue.send(hints(1))
    client.client_kill_filter(_type="normal", skipme=True)
    queue.send(hints(1))
    assert client.llen("dramatiq:video-short") == 2


def test_nothing_is_contacted_before_it_is_needed(refused: str) -> None:
    make_broker(refused, ["light"])
    connect(refused)
    assert threading.active_count() < 50


def test_an_idle_worker_is_called(client: "redis.Redis", queue: RedisQueue, redis_url: str) -> None:
    """It looks by itself once in a minute here: what it takes at all, it was called for, or held until it fell due."""
    tried: list[str] = []

    def work(media_id: str, key: str) -> None:
        tried.append(f"{media_id} {key}")
        if len(tried) == 1:
            raise dramatiq.errors.Retry(delay=300)

    broker = make_broker(redis_url, ["record"])
    options = {"max_retries": 3}
    dramatiq.Actor(work, broker=broker, actor_name="validate", queue_name="record", priority=0, options=options)
    worker = dramatiq.Worker(broker, queues={"record"}, worker_timeout=60_000, worker_threads=1)
    worker.start()
    try:
        eventually(lambda: [heard for _, heard in client.pubsub_numsub("darkroom:calls:record")] == [1])
        queue.send([Hint("media_1", "validate", "record")])
        eventually(lambda: tried == ["media_1 validate"] * 2)
        queue.send(Hint(f"media_{number}", "validate", "record") for number in range(9))  # more than it has room for
        eventually(lambda: len(tried) == 11)
    finally:
        worker.stop(100)


def test_an_idle_worker_is_called_by_who_sends_many_at_once(
    client: "redis.Redis", queue: RedisQueue, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks by itself once in a minute here; nobody else works on the queue, for a stopped worker hears a while."""
    waiting, seen = list[str](), set[str]()
    wait = listening.Ear.wait

    def counted(ear: listening.Ear, name: str, seconds: float) -> None:
        waiting.append(name)
        wait(ear, name, seconds)
        waiting.remove(name)

    monkeypatch.setattr(listening.Ear, "wait", counted)
    broker = make_broker(redis_url, ["called"])
    dramatiq.Actor(
        lambda media_id, key: seen.add(f"{media_id} {key}"),
        broker=broker,
        actor_name="validate",
        queue_name="called",
        priority=0,
        options={},
    )
    worker = dramatiq.Worker(broker, queues={"called"}, worker_timeout=60_000, worker_threads=1)
    worker.start()
    try:
        for number in range(5):
            eventually(lambda: [heard for _, heard in client.pubsub_numsub("darkroom:calls:called")] == [1])
            eventually(lambda: client.hlen("dramatiq:called.msgs") == 0 and sorted(waiting) == ["called", "called.DQ"])
            queue.tell([Hint(f"media_{number}", "validate", "called")], [])
            eventually(lambda: len(seen) == number + 1)  # noqa: B023 - called at once
    finally:
        worker.stop(100)


def test_a_worker_that_cannot_hear_looks_often(
    queue: RedisQueue, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deaf(_ear: listening.Ear) -> None:
        raise redis.ConnectionError

    monkeypatch.setattr(listening.Ear, "_hear", deaf)
    taken: list[str] = []
    broker = make_broker(redis_url, ["light"])

    def work(media_id: str, key: str) -> None:
        taken.append(f"{media_id} {key}")

    dramatiq.Actor(work, broker=broker, actor_name="validate", queue_name="light", priority=0, options={})
    worker = dramatiq.Worker(broker, queues={"light"}, worker_timeout=60_000, worker_threads=1)
    worker.start()
    try:
        eventually(lambda: len(worker.consumers) == 2)
        queue.send([Hint("media_1", "validate", "light")])
        eventually(lambda: len(taken) == 1)
        queue.send([Hint("media_2", "validate", "light")])
        eventually(lambda: len(taken) == 2)
    finally:
        worker.stop(100)
