"""What can be done to a stack. A strike returns when it is over, and how often something was really hit."""

import contextlib
import json
import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import redis

from pipeline.adapters.broker import NAMESPACE
from tests.chaos.fleet import Fleet, resume
from tests.chaos.wires import Wire


@dataclass(frozen=True)
class Target:
    """What can be struck. `lease` is in seconds; `redis_url` and `sqlite` lead there past the wires."""

    fleet: Fleet
    wires: Mapping[str, Wire]
    redis_url: str
    queues: tuple[str, ...]
    lease: float
    sqlite: Path | None
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def redis(self) -> "redis.Redis":
        return redis.Redis.from_url(self.redis_url, socket_timeout=2)


_REPLACING = 15.0
"""Seconds that a deploy waits for what it has started."""

Strike = Callable[[Target, random.Random], int]


def kill(*roles: str) -> Strike:
    """Kill -9 of a process group, as a container dies that has run out of memory."""

    def strike(target: Target, chance: random.Random) -> int:
        there = target.fleet.at_work(*roles)
        return int(target.fleet.signal(chance.choice(there), signal.SIGKILL) > 0) if there else 0

    return strike


def kill_ffmpeg(target: Target, _: random.Random) -> int:
    """Kill -9 of an encoder, as soon as there is one."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and not target.over.is_set():
        for pid in target.fleet.grandchildren("ffmpeg")[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                return 1
        target.over.wait(0.05)
    return 0


def freeze(*roles: str) -> Strike:
    """SIGSTOP for two leases, then SIGCONT: a worker becomes a zombie that believes it holds what others took over."""

    def strike(target: Target, chance: random.Random) -> int:
        there = target.fleet.at_work(*roles)
        group = target.fleet.signal(chance.choice(there), signal.SIGSTOP) if there else 0
        if group:
            target.over.wait(2 * target.lease)
            resume(group)
        return int(group > 0)

    return strike


def redeploy(target: Target, _: random.Random) -> int:
    """Every role is told to end and started anew, one half of them when the other is at work again."""
    ended = 0
    for half in ("1", "2"):
        there = [name for name in target.fleet.at_work("ingest", "sweeper", "light", "video") if name.endswith(half)]
        target.fleet.deploy(there)
        ended += len(there)
        deadline = time.monotonic() + _REPLACING
        while not set(there) <= set(target.fleet.at_work()) and time.monotonic() < deadline:
            if target.over.wait(0.1):
                return ended
    return ended


def wipe_redis(target: Target, _: random.Random) -> int:
    """FLUSHALL."""
    try:
        return int(bool(target.redis.flushall()))
    except redis.RedisError:  # it was just killed
        return 0


def malformed(target: Target, chance: random.Random) -> int:
    """Messages on every queue that mean nothing: an id without a message, no JSON, strange actors and arguments."""
    sent = 0
    with contextlib.suppress(redis.RedisError):
        for queue in target.queues:
            for body in chance.sample(_NONSENSE, 2):
                name = f"{chance.getrandbits(64):x}"
                if body is not None:
                    text = body.replace("QUEUE", queue).replace("ID", name)
                    target.redis.hset(f"{NAMESPACE}:{queue}.msgs", name, text)
                target.redis.rpush(f"{NAMESPACE}:{queue}", name)
                sent += 1
    return sent


def _message(actor: object, arguments: object) -> str:
    options = {"redis_message_id": "ID"}
    parts = {"queue_name": "QUEUE", "actor_name": actor, "args": [], "kwargs": arguments, "options": options}
    return json.dumps({**parts, "message_id": "ID", "message_timestamp": 0})


_NONSENSE = (
    None,
    "",
    "no JSON",
    "{}",
    "[1]",
    _message("nobody", {}),
    _message("validate", {}),
    _message("validate", {"media_id": 7, "key": None}),
    _message("thumbnail", {"media_id": "media_0", "key": "thumbnail"}),
    _message("submit", {"projectId": "../..", "key": "\u0000"}),
)


def cut(*wires: str) -> Strike:
    """End all connections and let nobody through for a moment."""

    def strike(target: Target, chance: random.Random) -> int:
        proxy = target.wires[chance.choice(wires)].proxy
        proxy.away = True
        ends = proxy.cut()
        target.over.wait(chance.uniform(0.2, 1.5))
        proxy.away = False
        return ends

    return strike


def delay(*wires: str) -> Strike:
    """Each piece of a reply comes late."""

    def strike(target: Target, chance: random.Random) -> int:
        proxy = target.wires[chance.choice(wires)].proxy
        before = proxy.spoiled
        proxy.lag = chance.uniform(0.1, 0.8 * target.lease)
        target.over.wait(chance.uniform(1, 2))
        proxy.lag = 0.0
        return proxy.spoiled - before

    return strike


def drop_replies(*wires: str) -> Strike:
    """The server does what it is asked, and nobody hears of it."""

    def strike(target: Target, chance: random.Random) -> int:
        proxy = target.wires[chance.choice(wires)].proxy
        before = proxy.spoiled
        proxy.deaf = True
        target.over.wait(chance.uniform(0.3, 1.5))
        proxy.deaf = False
        return proxy.spoiled - before

    return strike


def refuse(wire: str, share: float) -> Strike:
    """The server answers a share of the requests with its words for "too much"."""

    def strike(target: Target, chance: random.Random) -> int:
        mood = target.wires[wire].mood
        before = mood.refused
        mood.share = share
        target.over.wait(chance.uniform(1, 3))
        mood.share = 0.0
        return mood.refused - before

    return strike


def lock_records(target: Target, chance: random.Random) -> int:
    """Hold SQLite's write lock: whoever wants to write waits, and now and then for longer than he may."""
    if target.sqlite is None:
        return 0
    with contextlib.closing(sqlite3.connect(target.sqlite, 2, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return 0
        target.over.wait(chance.choice((0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 6.0)))
        connection.execute("ROLLBACK")
    return 1
