"""Photos through whole applications: how many a second, at what cost, and how soon one is ready."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rig import doors, meter, report
from benchmarks.rig.doors import form, media_of
from benchmarks.rig.meter import MB, Cost, Meter
from benchmarks.rig.stacks import App
from benchmarks.rig.uploading import Work, upload
from benchmarks.rig.wire import Sample, Wire

AT_ONCE = 8
_WARM = 40
"""Photos before the first that counts: compilers are at work, above all that of DynamoDB Local, new in each round."""
_OFTEN, _SELDOM = 0.02, 0.2  # seconds between looks: where one photo's time counts, and where all photos' together

Started = Callable[[Path], AbstractContextManager[App]]


@dataclass(frozen=True)
class Trip:
    """Photos that went through: `cost` of the whole application, by role CPU seconds and bytes resident at the end."""

    photos: int
    cost: Cost
    cpu: Mapping[str, float]
    rss: Mapping[str, int]

    @property
    def rate(self) -> float:
        """Photos a second."""
        return self.photos / self.cost.wall


def throughput(folder: Path, apps: Mapping[str, Started], photos: Sequence[Path], rounds: int) -> dict[str, list[Trip]]:
    """Upload all photos, eight at once, until each is ready; everybody alone on the machine, in turns."""
    bodies = [_sample(photo) for photo in photos]
    found: dict[str, list[Trip]] = {}
    for turn in range(rounds):
        for name, started in list(apps.items())[:: 1 if turn % 2 == 0 else -1]:
            with started(folder / f"{turn}-{len(found.get(name, ()))}-{list(apps).index(name)}") as app:
                _through(app, bodies[:_WARM])
                before = {role: meter.cpu(pids) for role, pids in app.roles.items()}
                with Meter(app.pids) as measured:
                    _through(app, bodies)
                held = {role: meter.rss(pids) for role, pids in app.roles.items()}
                used = {role: meter.cpu(pids) - before[role] for role, pids in app.roles.items()}
            found.setdefault(name, []).append(Trip(len(bodies), measured.cost, used, held))
    return found


def latency(folder: Path, started: Started, photo: Path, times: int) -> list[float]:
    """Seconds from a photo's last byte to `ready`, one photo after the other."""
    body, found = _sample(photo), []
    with started(folder) as app, Wire(app.port) as wire:
        for number in range(times + 2):
            answer = form(wire, body)
            ready = app.wait(media_of(answer), _OFTEN) - answer.last_byte
            if number > 1:  # everybody is awake
                found.append(ready)
    return found


def show(title: str, trips: Mapping[str, Sequence[Trip]], anchor: str) -> dict[str, float]:
    """Print the table; the ratios of photos a second to the anchor's."""
    ratios, rows = {}, []
    for name, run in trips.items():
        pairs = zip(run, trips[anchor], strict=True)
        ratios[name] = report.median(mine.rate / theirs.rate for mine, theirs in pairs)
        roles = {role: report.median(trip.cpu[role] / trip.photos for trip in run) for role in run[0].cpu}
        rows.append(
            (
                name,
                report.figure(report.median(trip.rate for trip in run)),
                f"{ratios[name]:.2f}",
                report.figure(report.median(trip.cost.cpu / trip.photos for trip in run)),
                ", ".join(f"{role} {used:.3f}" for role, used in roles.items() if used > 0.0005),  # noqa: PLR2004 - shown as 0
                f"{max(trip.cost.rss for trip in run) / MB:.0f}",
                ", ".join(f"{role} {size / MB:.0f}" for role, size in run[-1].rss.items()),
            )
        )
    report.table(title, ("", "photos/s", "x", "CPU s/photo", "of it", "peak RSS MB", "at the end"), rows)
    return ratios


def _through(app: App, bodies: Sequence[Sample]) -> None:
    work = Work("photos", len(bodies), 0, min(AT_ONCE, len(bodies)), ".jpg")
    for timing in upload(app.port, doors.form, bodies, work):
        app.wait(media_of(timing.answer), _SELDOM)


def _sample(path: Path) -> Sample:
    return Sample(path, path.stat().st_size, "image/jpeg")
