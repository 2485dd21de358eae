"""Who strikes: a table of faults, each struck by a thread of its own at times that the seed decides."""

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.chaos import strikes
from tests.chaos.strikes import Strike, Target

AT_LEAST = 5
"""Strikes that met work in flight, of every fault; with fewer a run says nothing about it."""


class Fault(NamedTuple):
    """`every` is how many seconds lie between the ends of one strike and the next, on average, at pace 1."""

    strike: Strike
    every: float = 9.0


ANYWHERE: Mapping[str, Fault] = {
    "kill -9 a worker": Fault(strikes.kill("light", "video")),
    "kill -9 the sweeper": Fault(strikes.kill("sweeper")),
    "kill -9 ingest": Fault(strikes.kill("ingest")),
    "kill -9 an ffmpeg": Fault(strikes.kill_ffmpeg, 3.0),
    "SIGSTOP a worker for two leases": Fault(strikes.freeze("light", "video")),
    "kill -9 Redis": Fault(strikes.kill("valkey")),
    "SIGSTOP Redis for two leases": Fault(strikes.freeze("valkey")),
    "FLUSHALL": Fault(strikes.wipe_redis),
    "Redis cut off": Fault(strikes.cut("redis")),
    "Redis late": Fault(strikes.delay("redis")),
    "Redis replies lost": Fault(strikes.drop_replies("redis")),
    "S3 cut off": Fault(strikes.cut("s3")),
    "S3 late": Fault(strikes.delay("s3")),
    "S3 replies lost": Fault(strikes.drop_replies("s3")),
    "S3 answers 503 to 20 %": Fault(strikes.refuse("s3", 0.2)),
    "malformed messages": Fault(strikes.malformed),
    "redeploy": Fault(strikes.redeploy, 3.0),
}
ON_SQLITE: Mapping[str, Fault] = {"records locked": Fault(strikes.lock_records)}
ON_DYNAMODB: Mapping[str, Fault] = {
    "records cut off": Fault(strikes.cut("records")),
    "records late": Fault(strikes.delay("records")),
    "record replies lost": Fault(strikes.drop_replies("records")),
    "records throttled": Fault(strikes.refuse("records", 0.5)),
}


@dataclass(frozen=True)
class Struck:
    """One strike: when (ms since the epoch), what it hit, and how many tasks were owed at that moment."""

    fault: str
    at: int
    hits: int
    in_flight: int


@dataclass
class Nemesis:
    """Strikes until it is told to stop. `pace` stretches the time between strikes."""

    target: Target
    faults: Mapping[str, Fault]
    in_flight: Callable[[], int]
    seed: str
    pace: float
    log: list[Struck] = field(default_factory=list)

    def run(self) -> None:
        """Return when every strike is over."""
        threads = [threading.Thread(target=self._strike, args=(name,)) for name in self.faults]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def count(self, name: str) -> int:
        """Strikes of a fault that met work in flight."""
        return sum(1 for each in list(self.log) if each.fault == name and each.in_flight)

    def enough(self) -> bool:
        """Whether the run says something about every fault."""
        return all(self.count(name) >= AT_LEAST for name in self.faults)

    def stop(self) -> None:
        """End the strikes that go on, and begin none."""
        self.target.over.set()

    def _strike(self, name: str) -> None:
        chance, fault = random.Random(f"{self.seed}/{name}"), self.faults[name]
        pause = chance.uniform(0, fault.every) * self.pace
        while not self.target.over.wait(pause):
            at, in_flight = time.time_ns() // 1_000_000, self.in_flight()
            hits = fault.strike(self.target, chance)
            if hits:
                self.log.append(Struck(name, at, hits, in_flight))
            pause = fault.every * self.pace * chance.uniform(0.5, 1.5) if hits else 0.5
