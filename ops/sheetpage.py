"""The page of a contact sheet: each original with its facts, and beside it everything that was made of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from ops.gallery import STYLE
from ops.outputs import dimensions, size
from pipeline.probes import Probe

MORE = """
body { max-width: none; } h2 { margin: 0; font-size: 17px; }
section { border-top: 1px solid var(--line); padding: 1rem 0; }
img, video { background: repeating-conic-gradient(#8883 0 25%, #fff0 0 50%) 0 / 16px 16px; border-radius: 0; }
.placeholder { display: flex; } .placeholder > * { width: 4rem; height: 4rem; border-radius: 0; }
"""

SHOWN = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/bmp"})
"""What every browser shows."""


@dataclass(frozen=True)
class Shot:
    """One output: pixels, seconds and bytes; `ssim` is how like its original it looks, 1 being no difference."""

    name: str
    path: Path
    mime_type: str
    bytes: int
    width: int | None
    height: int | None
    duration: float | None
    ssim: float | None


@dataclass(frozen=True)
class Entry:
    """One file and what became of it; `error` says why nothing did."""

    name: str
    original: Path
    probe: Probe | None = None
    shots: tuple[Shot, ...] = ()
    placeholder: dict[str, Any] | None = None
    error: str | None = None


def write(folder: Path, entries: Iterable[Entry]) -> Path:
    """Write `index.html`, which needs nothing but its folder, and return its path."""
    page = folder / "index.html"
    sections = "".join(_section(folder, entry) for entry in entries)
    page.write_text(
        '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Contact sheet</title>\n'
        f"<style>{STYLE}{MORE}</style>\n<h1>Contact sheet</h1>\n{sections}</html>\n",
        encoding="utf-8",
    )
    return page


def _section(folder: Path, entry: Entry) -> str:
    shots = "".join(_figure(folder, shot) for shot in entry.shots)
    told = " · ".join(map(escape, _facts(entry)))
    return (
        f"<section><h2>{escape(entry.name)}</h2>\n<p class=facts>{told}</p>\n"
        f"<div class=outputs>{_original(folder, entry)}{_placeholder(entry)}{shots}</div></section>\n"
    )


def _facts(entry: Entry) -> list[str]:
    size_ = size(entry.original.stat().st_size)
    if entry.probe is None:
        return [size_, entry.error or ""]
    probe = entry.probe
    facts = [probe.mime_type, dimensions(probe.width, probe.height, probe.duration), size_]
    facts += [f"orientation {probe.orientation}"] if probe.orientation not in {0, 1} else []
    facts += [f"{probe.frames} frames, plays {probe.plays}"] if probe.kind == "image" and probe.frames > 1 else []
    facts += ["alpha"] if probe.has_alpha else []
    facts += [f"{name}: {_said(value)}" for name, value in (probe.metadata or {}).items()]
    return [*facts, *probe.warnings]


def _said(value: object) -> str:
    return ", ".join(f"{name} {each}" for name, each in value.items()) if isinstance(value, dict) else str(value)


def _original(folder: Path, entry: Entry) -> str:
    if entry.probe is None or entry.probe.mime_type not in SHOWN:
        return ""
    return (
        f'<figure><img src="{_path(folder, entry.original)}" alt=""><figcaption><b>original</b></figcaption></figure>\n'
    )


def _placeholder(entry: Entry) -> str:
    if entry.placeholder is None:
        return ""
    told = entry.placeholder
    shown = f'<img src="{escape(told["dataUri"])}" alt="">' if "dataUri" in told else ""
    colour = f'<span style="background: {escape(told["color"])}"></span>'
    caption = f"<b>placeholder</b> {escape(told['color'])}"
    return f"<figure><div class=placeholder>{shown}{colour}</div><figcaption>{caption}</figcaption></figure>\n"


def _figure(folder: Path, shot: Shot) -> str:
    path = _path(folder, shot.path)
    shown = f'<a href="{path}"><img src="{path}" alt="{escape(shot.name)}"></a>'
    if shot.mime_type.startswith("video/"):
        shown = f'<video src="{path}" autoplay loop muted></video>'
    likeness = "" if shot.ssim is None else f" SSIM {shot.ssim:.4f}"
    facts = f"{dimensions(shot.width, shot.height, shot.duration)} {size(shot.bytes)}{likeness}"
    return f"<figure>{shown}<figcaption><b>{escape(shot.name)}</b> {facts}</figcaption></figure>\n"


def _path(folder: Path, path: Path) -> str:
    return escape(path.relative_to(folder).as_posix())
