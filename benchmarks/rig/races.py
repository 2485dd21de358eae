"""One work, everybody, in turns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.rig import report
from benchmarks.rig.contenders import ANCHOR, Contender
from benchmarks.rig.doors import RefusedError, straight
from benchmarks.rig.meter import MB, Cost, Meter
from benchmarks.rig.stand import Stand
from benchmarks.rig.uploading import Timing, Work, upload
from benchmarks.rig.wire import sample
from ops.child import Child

GB = 1e9
_WARM = (Work("warm", 48, 200_000, 8, ".jpg"), Work("warm", 2, 24_000_000, 2, ".mp4"))
"""Uploads before the first measured one: compilers, pools and caches are up."""


@dataclass(frozen=True)
class Lap:
    """One contender's work, done once."""

    cost: Cost
    timings: Sequence[Timing]

    def rate(self, work: Work) -> float:
        """Bytes a second."""
        return work.uploads * work.size / self.cost.wall

    def cpu(self, work: Work) -> float:
        """CPU seconds a GB."""
        return self.cost.cpu * GB / (work.uploads * work.size)


def race(
    stand: Stand, env: Mapping[str, str], contenders: Sequence[Contender], work: Work, rounds: int
) -> dict[str, list[Lap]]:
    """Start everybody's server, then do the work through each door `rounds` times, in turns, in changing order.

    A contender whose door is not there is left out, which is said.
    """
    servers: dict[object, Child] = {}
    for each in contenders:
        if each.describe not in servers:
            servers[each.describe] = each.describe(stand, env)
    stand.start(*servers.values())
    body = sample(stand.folder / f"body{work.suffix}", work.size)
    warm = [(each, sample(stand.folder / f"warm{each.suffix}", each.size)) for each in _WARM]
    laps: dict[str, list[Lap]] = {}
    present = []
    for each in contenders:
        try:
            for little, file in warm:
                upload(port_of(servers[each.describe]), each.door, [file], little)
        except (RefusedError, OSError) as error:
            print(f"\n{each.name} is left out: {str(error)[:200]}", flush=True)
        else:
            present.append(each)
    for turn in range(rounds):
        for each in present[turn % len(present) :] + present[: turn % len(present)]:
            server = servers[each.describe]
            with Meter([stand.pid(server)]) as meter:
                timings = upload(port_of(server), each.door, [body], work)
            laps.setdefault(each.name, []).append(Lap(meter.cost, timings))
    return {each.name: laps[each.name] for each in present}


def show(title: str, laps: Mapping[str, Sequence[Lap]], work: Work) -> dict[str, tuple[float, float]]:
    """Print the table; the ratios of throughput and of CPU to the anchor's, by contender."""
    ratios: dict[str, tuple[float, float]] = {}
    rows = []
    for name, run in laps.items():
        anchor = laps.get(ANCHOR, run)
        faster = report.median(mine.rate(work) / theirs.rate(work) for mine, theirs in zip(run, anchor, strict=True))
        dearer = report.median(mine.cpu(work) / theirs.cpu(work) for mine, theirs in zip(run, anchor, strict=True))
        ratios[name] = faster, dearer
        rows.append(_row(name, run, work, (faster, dearer)))
    wholes = f"{'' if work.uploads > 1 else 'whole '}p50 / p99"
    columns = (
        "",
        "MB/s (least-most)",
        "uploads/s",
        "x",
        "CPU s/GB",
        "x",
        "peak RSS MB",
        f"{wholes} ms",
        "tail p50 / p99 ms",
    )
    report.table(f"{title}, {len(next(iter(laps.values()), ()))} rounds", columns, rows)
    return ratios


def _row(name: str, run: Sequence[Lap], work: Work, ratios: tuple[float, float]) -> tuple[str, ...]:
    rates = [lap.rate(work) / MB for lap in run]
    return (
        name,
        f"{report.figure(report.median(rates))} ({report.figure(min(rates))}-{report.figure(max(rates))})",
        report.figure(report.median(rate * MB / work.size for rate in rates)),
        f"{ratios[0]:.2f}",
        f"{report.median(lap.cpu(work) for lap in run):.2f}",
        f"{ratios[1]:.2f}",
        f"{max(lap.cost.rss for lap in run) / MB:.0f}",
        _span([timing.whole for lap in run for timing in lap.timings]),
        _span([timing.tail for lap in run for timing in lap.timings]),
    )


def _span(seconds: Sequence[float]) -> str:
    return " / ".join(report.figure(1000 * report.percentile(seconds, percent)) for percent in (50, 99))


def ceiling(stand: Stand, url: str, work: Work) -> None:
    """Print what the client alone makes of the work, straight into the null sink: nobody can be faster here."""
    body = sample(stand.folder / f"body{work.suffix}", work.size)
    port = int(url.rpartition(":")[2])
    with Meter([stand.supervisor.pids()["sink"]]) as meter:
        upload(port, straight, [body], work)
    lap = Lap(meter.cost, ())
    print(f"\nStraight into the sink: {report.figure(lap.rate(work) / MB)} MB/s,", end=" ")
    print(f"{report.figure(work.uploads / lap.cost.wall)} uploads/s, of its CPU {lap.cpu(work):.2f} s/GB.", flush=True)


def port_of(server: Child) -> int:
    """Where it listens."""
    return int(server.address.rpartition(":")[2])
