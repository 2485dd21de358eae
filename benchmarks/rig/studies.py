"""Programs that make stills, side by side on the same files: speed by CPU, memory, bytes and likeness.

Memory is that of a program and all it started, a page that several of them share counted once.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from benchmarks.rig import makers, photos, report
from benchmarks.rig.likeness import outputs, ssim
from benchmarks.rig.makers import BARE, CASCADED, CHILD, DEFAULTS, MAKERS, SHARP, Maker, magick
from benchmarks.rig.meter import MB, Cost
from benchmarks.rig.report import Target
from benchmarks.rig.stacks import stills
from pipeline.renditions import Still

_THUMBNAILERS = (SHARP, "pyvips", "ImageMagick", "Pillow, open-resize-save", "Pillow, thumbnail()", BARE, CHILD)
_SETTERS = (SHARP, CASCADED, "pyvips", "Pillow, thumbnail()", BARE, CHILD)
_DEFAULTS = (SHARP, DEFAULTS, CHILD)  # the first with our settings
_SPEED = 8  # of AVIF
_FASTER = {"12 MP": 1.5, "24 MP": 2.0}


def thumbnail(folder: Path, pipeline: Path, rounds: int, scale: float) -> list[Target]:
    """One still of 300 px."""
    wanted = [still for still in stills(pipeline) if still.name == "thumbnail"]
    targets = []
    for size in ("12 MP", "24 MP"):
        ratios, memory = _study(
            f"One 300 px thumbnail of {size}", folder, size, _THUMBNAILERS, wanted, rounds, 12 * scale
        )
        what = f"thumbnail of {size}, images per CPU-second / sharp's"
        targets.append(Target(what, ratios[CHILD], 1.1, least=True))
        targets.append(Target(f"thumbnail of {size}, RSS / sharp's", memory[CHILD] / memory[SHARP], 0.5, least=False))
    return targets


def whole_set(folder: Path, pipeline: Path, rounds: int, scale: float) -> list[Target]:
    """The shipped five stills and a placeholder: everybody at AVIF speed 8, then each with the defaults it ships."""
    shipped, targets = stills(pipeline), []
    alike = [replace(still, effort=_SPEED, recipe="") if still.format == "avif" else still for still in shipped]
    for size in ("12 MP", "24 MP"):
        title, place = f"Five stills and a placeholder of {size}", folder / "alike"
        ratios, _ = _study(f"{title}, AVIF speed {_SPEED}", place, size, _SETTERS, alike, rounds, 3 * scale)
        cascaded = ratios[CHILD] / ratios[CASCADED]
        targets += [
            Target(f"set of {size}, images per CPU-second / sharp's", ratios[CHILD], _FASTER[size], least=True),
            Target(f"set of {size}, images per CPU-second / hand-cascaded sharp's", cascaded, 1.0, least=True),
        ]
        targets += _quality(place, size)
        ours = folder / "shipped"
        ratios, _ = _study(f"{title}, each with its defaults", ours, size, _DEFAULTS, shipped, rounds, 3 * scale)
        faster = ratios[CHILD] / ratios[DEFAULTS]
        targets.append(
            Target(f"set of {size}, images per CPU-second / default sharp's", faster, 6.0, least=True),
        )
        price = _total(ours, size, CHILD) / _total(ours, size, DEFAULTS)
        print(f"\nOur set of {size} has {price:.2f} times the bytes of sharp's with its own defaults.")
    return targets


def flat(folder: Path, pipeline: Path, count: int) -> list[Target]:
    """Many photos through one worker's child or pool: does memory grow?"""
    originals = photos.mixed(folder, 10)
    peaks = []
    with makers.running(
        MAKERS[CHILD], originals, stills(pipeline)[:3], folder / "flat", max(1, count // 100)
    ) as program:
        peaks = [program.lap().rss for _ in range(10)]
    rows = [(str((at + 1) * program.images), f"{peak / MB:.0f}") for at, peak in enumerate(peaks)]
    report.table(f"Peak RSS of one worker's stills over {10 * program.images} photos", ("photos", "peak RSS MB"), rows)
    return [Target("RSS of the last tenth / of the first", peaks[-1] / peaks[0], 1.1, least=False)]


def cpu_of(maker: Maker, files: Sequence[Path], wanted: Sequence[Still], folder: Path) -> float:
    """CPU seconds a photo."""
    with makers.running(maker, files, wanted, folder, 1) as program:
        return program.lap().cpu / program.images


def _study(
    title: str, folder: Path, size: str, names: Sequence[str], wanted: Sequence[Still], rounds: int, repeat: float
) -> tuple[dict[str, float], dict[str, int]]:
    """Print the table; the ratios of images per CPU-second to sharp's, and everybody's memory."""
    original = _original(folder, size)
    there = [name for name in names if name != "ImageMagick" or magick()]
    times = max(1, round(repeat))
    laps: dict[str, list[Cost]] = {name: [] for name in there}
    with ExitStack() as programs:
        running = {
            name: programs.enter_context(
                makers.running(MAKERS[name], [original], wanted, _place(folder, size, name), times)
            )
            for name in there
        }
        for turn in range(rounds):
            for name in there[turn % len(there) :] + there[: turn % len(there)]:
                laps[name].append(running[name].lap())
    memory = {name: max(cost.rss for cost in run) for name, run in laps.items()}
    ratios = {
        name: report.median(theirs.cpu / mine.cpu for mine, theirs in zip(run, laps[SHARP], strict=True))
        for name, run in laps.items()
    }
    rows = []
    for name, run in laps.items():
        speed = report.median(times / cost.cpu for cost in run)
        bytes_, likeness = _facts(_place(folder, size, name), original)
        rows.append(
            (name, report.figure(speed), f"{ratios[name]:.2f}", f"{memory[name] / MB:.0f}", *_columns(bytes_, likeness))
        )
    rows += [(name, "not here", "", "", "", "") for name in names if name not in there]
    columns = ("", "images/CPU-s", "x", "peak RSS MB", "kB", "least SSIM")
    report.table(f"{title}, {photos.source()}, {rounds} rounds of {times}", columns, rows)
    return ratios, memory


def _quality(folder: Path, size: str) -> list[Target]:
    """Print every still's bytes and likeness, ours beside sharp's."""
    original = _original(folder, size)
    facts = {name: _facts(_place(folder, size, name), original) for name in (SHARP, CHILD)}
    rows = [
        (still, *(f"{facts[name][0][still] / 1000:.1f} kB, {facts[name][1][still]:.4f}" for name in facts))
        for still in facts[CHILD][0]
    ]
    report.table(f"Bytes and SSIM of each still of {size}", ("", *facts), rows)
    sizes, likeness = facts[CHILD]
    theirs, like_theirs = facts[SHARP]
    lost = max(like_theirs[still] - likeness[still] for still in likeness)
    dearer = sum(sizes.values()) / sum(theirs.values())
    return [
        Target(f"set of {size}, SSIM below sharp's, at most", lost, 0.002, least=False),
        Target(f"set of {size}, bytes / sharp's", dearer, 1.03, least=False),
    ]


def _original(folder: Path, size: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return photos.large(folder, size)


def _total(folder: Path, size: str, name: str) -> int:
    """Bytes of all that somebody made."""
    return sum(path.stat().st_size for path in outputs(_place(folder, size, name)).values())


def _facts(place: Path, original: Path) -> tuple[Mapping[str, int], Mapping[str, float]]:
    made = outputs(place)
    return {name: path.stat().st_size for name, path in made.items()}, {
        name: ssim(path, original) for name, path in made.items()
    }


def _columns(sizes: Mapping[str, int], likeness: Mapping[str, float]) -> tuple[str, str]:
    return f"{sum(sizes.values()) / 1000:.0f}", f"{min(likeness.values()):.4f}"


def _place(folder: Path, size: str, name: str) -> Path:
    safe = "".join(letter if letter.isalnum() else "-" for letter in f"{size}-{name}")
    return folder / safe
