"""The nemesis run: uploads at a steady rate while everything is struck, then rest, then the check."""

import argparse
import logging
import random
import shutil
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from pipeline.adapters.wiring import Services
from pipeline.tasks import SHARDS
from tests.chaos import samples, strikes
from tests.chaos.checker import Checker
from tests.chaos.load import Ledger, Load
from tests.chaos.nemesis import ANYWHERE, ON_DYNAMODB, ON_SQLITE, Nemesis
from tests.chaos.report import Report
from tests.chaos.stand import standing
from tests.chaos.strikes import Target
from tests.chaos.witness import Witness
from tests.serving import wait_for

CREW = {"light": 2, "video-short": 2}
"""Two workers of each queue: while one is frozen, the other takes over what it held."""
RATE = 1.5
"""Uploads a second."""
SHORT = 60.0
"""Seconds of strikes in the short form."""
RESTING = 180.0
"""Seconds in which the stack has to come to rest."""
_EVER = 2**53


@dataclass(frozen=True)
class Terms:
    """How long in seconds, by which seed, over which records."""

    seconds: float
    seed: str
    records: str = "sqlite"

    @property
    def pace(self) -> float:
        """1 in the short form, where all happens at once; up to 8, where a redeploy comes about every minute."""
        return min(8.0, max(1.0, self.seconds / SHORT / 1.5))


def soak(folder: Path, terms: Terms) -> Report:
    """Run it in a folder of its own; everything that was started is ended."""
    made = {each.path.name: each for each in samples.make(folder / "samples")}
    ledger = Ledger(folder / "ledger.jsonl")
    with ExitStack() as stack:
        toml = pipeline(folder, terms.records)
        stand = stack.enter_context(standing(folder, toml, CREW, terms.records, terms.seed))
        services = stand.services
        witness = Witness(services.objects.client, services.objects.bucket, services.settings.redis_url)
        load = Load(stand.url, list(made.values()), ledger, RATE, random.Random(terms.seed))
        stack.enter_context(witness.watching())
        target = Target(
            stand.fleet,
            stand.wires,
            services.settings.redis_url,
            tuple(services.pipeline.threads),
            services.pipeline.lease.length / 1000,
            services.settings.sqlite_path if terms.records == "sqlite" else None,
        )
        faults = {**ANYWHERE, **(ON_SQLITE if terms.records == "sqlite" else ON_DYNAMODB)}
        nemesis = Nemesis(target, faults, lambda: owed(services), terms.seed, terms.pace)
        _run(load, nemesis, terms.seconds)
        settling = _rest(services, target)
        witness.look()
        checker = Checker(services, ledger, made, witness)
        return Report(
            ledger.entries,
            checker.found(),
            load.answers,
            nemesis.log,
            tuple(faults),
            checker.violations(),
            len(witness.announced),
            witness.looks,
            stand.fleet.starts,
            len(stand.fleet.killed),
            settling,
        )


def pipeline(folder: Path, records: str) -> Path:
    """The pipeline.toml of the run: leases of 1 s, or 3 s where the clock shows whole seconds only."""
    text = Path(__file__).with_name("soak.toml").read_text()
    if records == "dynamodb":
        text = text.replace('length = "1s"', 'length = "3s"').replace('renewal = "300ms"', 'renewal = "1s"')
    path = folder / "pipeline.toml"
    path.write_text(text)
    return path


def _run(load: Load, nemesis: Nemesis, seconds: float) -> None:
    """Upload and strike; the strikes begin when there is something to lose, and end when nothing more is sent.

    On a machine so slow that the time was too short to strike often enough, it is up to four times as long.
    """
    loading, striking = threading.Thread(target=load.run), threading.Thread(target=nemesis.run)
    loading.start()
    wait_for(lambda: load.ledger.entries, 60)
    striking.start()
    try:
        begun = time.monotonic()
        while (passed := time.monotonic() - begun) < seconds or (passed < 4 * seconds and not nemesis.enough()):
            time.sleep(0.5)
    finally:
        load.stopping.set()
        loading.join()
        nemesis.stop()
        striking.join()


def _rest(services: Services, target: Target) -> float | None:
    """Seconds until nothing is owed any more, once a last wipe has had everything hinted anew; None: too many."""
    begun = time.monotonic()
    strikes.wipe_redis(target, random.Random(0))
    while time.monotonic() < begun + RESTING:
        if not owed(services, waiting=True):
            return time.monotonic() - begun
        time.sleep(0.5)
    return None


def owed(services: Services, *, waiting: bool = False) -> int:
    """Tasks on the wake index; without `waiting` not counting purges, which only let time pass."""
    records = services.ledger.records
    rows = [row for shard in range(SHARDS) for row in records.overdue(shard, _EVER, 1000)]
    return sum(1 for row in rows if waiting or row["task"] != "purge")


def main() -> int:
    """Run it from the command line; 1 when it does not pass."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=SHORT / 60)
    parser.add_argument("--seed", default=f"{time.time_ns() & 0xFFFFFF:06x}")
    parser.add_argument("--records", choices=("sqlite", "dynamodb"), default="sqlite")
    given = parser.parse_args()
    logging.disable(logging.INFO)
    terms = Terms(60 * given.minutes, given.seed, given.records)
    folder = Path(tempfile.mkdtemp(prefix="darkroom-soak-"))
    sys.stdout.write(f"seed {terms.seed}, {given.minutes:g} min over {terms.records}; folder {folder}\n")
    sys.stdout.flush()
    report = soak(folder, terms)
    sys.stdout.writelines(f"{line}\n" for line in report.lines())
    if report.failures:
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
