"""A checker of HLS presentations on disk, written from draft-pantos-hls-rfc8216bis; section numbers are its.

It reads the playlists by its own parser and the segments by the boxes they are made of, and shares no rule with what
writes them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from workers.fragments import header, samples

_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"\r\n]*"|[^",\s][^",]*)(?:,|$)')
_MULTIVARIANT = {"EXT-X-STREAM-INF", "EXT-X-MEDIA", "EXT-X-I-FRAME-STREAM-INF", "EXT-X-SESSION-DATA"}
_MEDIA = {
    *("EXTINF", "EXT-X-TARGETDURATION", "EXT-X-MEDIA-SEQUENCE", "EXT-X-PLAYLIST-TYPE", "EXT-X-ENDLIST"),
    *("EXT-X-MAP", "EXT-X-DISCONTINUITY", "EXT-X-BYTERANGE"),
}
_ANYWHERE = {"EXTM3U", "EXT-X-VERSION", "EXT-X-INDEPENDENT-SEGMENTS"}
_ONCE = {
    "EXTM3U",
    "EXT-X-VERSION",
    "EXT-X-TARGETDURATION",
    "EXT-X-MEDIA-SEQUENCE",
    "EXT-X-PLAYLIST-TYPE",
    "EXT-X-ENDLIST",
}
_FORMS = {
    "BANDWIDTH": r"\d+",
    "AVERAGE-BANDWIDTH": r"\d+",
    "CODECS": r'"[^",]+(,[^",]+)*"',
    "RESOLUTION": r"\d+x\d+",
    "FRAME-RATE": r"\d+\.\d{3}",
    "VIDEO-RANGE": "SDR|HLG|PQ",
    "AUDIO": r'"[^"]+"',
    "CLOSED-CAPTIONS": r'NONE|"[^"]+"',
    "TYPE": "AUDIO|VIDEO|SUBTITLES|CLOSED-CAPTIONS",
    "GROUP-ID": r'"[^"]+"',
    "NAME": r'"[^"]+"',
    "URI": r'"[^"]+"',
    "DEFAULT": "YES|NO",
    "AUTOSELECT": "YES|NO",
    "CHANNELS": r'"\d+(/[^"]*)?"',
}
_CLOSE = 0.001  # seconds by which EXTINF may differ from the samples


@dataclass
class Rendition:
    """One media playlist: its segments' paths, durations in seconds and headers; where it is discontinuous."""

    target: int = 0
    segments: list[Path] = field(default_factory=list)
    durations: list[float] = field(default_factory=list)
    headers: list[Path] = field(default_factory=list)
    breaks: list[int] = field(default_factory=list)

    @property
    def peak(self) -> float:
        """Peak segment bit rate (4.1): of any contiguous segments of 0.5 to 1.5 target durations."""
        sizes = [8 * path.stat().st_size for path in self.segments]
        if not sizes:
            return 0.0
        rates = [sum(sizes) / sum(self.durations)]
        for start in range(len(sizes)):
            for stop in range(start + 1, len(sizes) + 1):
                length = sum(self.durations[start:stop])
                if 0.5 * self.target <= length <= 1.5 * self.target:
                    rates.append(sum(sizes[start:stop]) / length)
        return max(rates)

    @property
    def average(self) -> float:
        """Bits per second over all segments."""
        return sum(8 * path.stat().st_size for path in self.segments) / max(sum(self.durations), _CLOSE)


def violations(multivariant: Path) -> list[str]:
    """What is wrong with a multivariant playlist and everything that it leads to; nothing, if all is well."""
    return list(_presentation(multivariant))


def _presentation(path: Path) -> Iterator[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    yield from _syntax(lines, _MULTIVARIANT)
    audio: dict[str, Rendition] = {}
    variants: list[tuple[dict[str, str], Rendition]] = []
    for line, after in pairwise([*lines, ""]):
        tag, _, text = line[1:].partition(":")
        facts = dict(_ATTRIBUTE.findall(text))
        if tag == "EXT-X-MEDIA":
            yield from _alternative(facts)
            audio[facts.get("GROUP-ID", "")] = rendition = Rendition()
            yield from _media(path.parent / facts["URI"].strip('"'), rendition)
        elif tag == "EXT-X-STREAM-INF" and (not after or after.startswith("#")):
            yield "EXT-X-STREAM-INF without a URI on the next line (4.4.6.2)"
        elif tag == "EXT-X-STREAM-INF":
            variants.append((facts, rendition := Rendition()))
            yield from _media(path.parent / after, rendition)
    if not variants:
        yield "no variant stream"
    for facts, rendition in variants:
        group = facts.get("AUDIO")
        if group is not None and group not in audio:
            yield f"AUDIO={group} names no group (4.4.6.2.1)"
        yield from _variant(facts, [rendition, *([audio[group]] if group in audio else [])])
    yield from _together([rendition for _, rendition in variants], list(audio.values()))


def _alternative(facts: dict[str, str]) -> Iterator[str]:
    """Section 4.4.6.1."""
    for name in ("TYPE", "GROUP-ID", "NAME"):
        if name not in facts:
            yield f"EXT-X-MEDIA without {name} (4.4.6.1)"
    if facts.get("DEFAULT") == "YES" and facts.get("AUTOSELECT") == "NO":
        yield "DEFAULT=YES with AUTOSELECT=NO (4.4.6.1)"
    if facts.get("TYPE") == "AUDIO" and "CHANNELS" not in facts:
        yield "audio without CHANNELS (4.4.6.1)"


def _variant(facts: dict[str, str], renditions: list[Rendition]) -> Iterator[str]:
    for name in ("BANDWIDTH", "AVERAGE-BANDWIDTH", "CODECS", "RESOLUTION", "FRAME-RATE", "VIDEO-RANGE"):
        if name not in facts:
            yield f"EXT-X-STREAM-INF without {name} (4.4.6.2)"
            return
    peak, average = int(facts["BANDWIDTH"]), int(facts["AVERAGE-BANDWIDTH"])
    if peak < sum(each.peak for each in renditions) - 2:
        yield "BANDWIDTH is below the peak segment bit rate (4.4.6.2)"
    if abs(average - sum(each.average for each in renditions)) > 2 + average / 100:
        yield "AVERAGE-BANDWIDTH is not that of the segments (4.4.6.2)"
    there = {header(path.read_bytes()).codec for each in renditions for path in each.headers}
    if set(facts["CODECS"].strip('"').split(",")) != there:
        yield f"CODECS are not those of the segments, {there} (4.4.6.2)"


def _together(variants: list[Rendition], sound: list[Rendition]) -> Iterator[str]:
    """What renditions of one content must have in common (6.2.4)."""
    if len({each.target for each in variants}) > 1:
        yield "target durations differ between variants (6.2.4)"
    if len({tuple(round(length, 3) for length in each.durations) for each in variants}) > 1:
        yield "segments are not at the same times in all variants (6.2.4)"
    cuts = [tuple(each.breaks) for each in variants]
    heard = [tuple(at for at in cuts[0] if at < len(each.segments)) == tuple(each.breaks) for each in sound if cuts]
    if len(set(cuts)) > 1 or not all(heard):
        yield "discontinuities are not the same in all renditions (6.2.4)"


def _media(path: Path, found: Rendition) -> Iterator[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    yield from _syntax(lines, _MEDIA)
    said = {line[1:].partition(":")[0]: line.partition(":")[2] for line in lines if line.startswith("#")}
    found.target = int(said.get("EXT-X-TARGETDURATION", 0))
    for name in ("EXT-X-TARGETDURATION", "EXT-X-ENDLIST", "EXT-X-PLAYLIST-TYPE"):
        if name not in said:
            yield f"{name} is missing (4.4.3)"
    if "EXT-X-MAP" in said and int(said.get("EXT-X-VERSION", 1)) < 6:
        yield "EXT-X-MAP needs version 6 (8)"
    yield from _segments(path, lines, found)
    yield from _timeline(found)


def _segments(path: Path, lines: list[str], found: Rendition) -> Iterator[str]:
    length: float | None = None
    for line in lines:
        tag, _, text = line[1:].partition(":")
        if tag == "EXT-X-DISCONTINUITY":
            found.breaks.append(len(found.segments))
        elif tag == "EXT-X-MAP":
            found.headers.append(path.parent / dict(_ATTRIBUTE.findall(text))["URI"].strip('"'))
        elif tag == "EXTINF":
            length = float(text.partition(",")[0])
        elif line and not line.startswith("#"):
            if length is None or not found.headers:
                yield f"{line} has no EXTINF, or no EXT-X-MAP before it (4.4.4)"
                return
            if round(length) > found.target:
                yield f"{line} is longer than the target duration (4.4.3.1)"
            found.segments.append(path.parent / line)
            found.durations.append(length)
            length = None


def _timeline(found: Rendition) -> Iterator[str]:
    """Segments are as long as they say, and follow each other without a gap (4.4.4.1, 6.2.1)."""
    scale = header(found.headers[0].read_bytes()).timescale if found.headers else 1
    ends = None
    for path, told in zip(found.segments, found.durations, strict=True):
        facts = samples(path.read_bytes())
        if abs(facts.duration / scale - told) > _CLOSE:
            yield f"{path.name} lasts {facts.duration / scale:.3f} s, not {told} (4.4.4.1)"
        if ends is not None and facts.start != ends:
            yield f"{path.name} does not follow the one before it (6.2.1)"
        ends = facts.start + facts.duration


def _syntax(lines: list[str], allowed: set[str]) -> Iterator[str]:
    """Sections 4.1 to 4.3."""
    if not lines or lines[0] != "#EXTM3U":
        yield "the first line is not #EXTM3U (4.4.1.1)"
    tags = [line[1:].partition(":")[0] for line in lines if line.startswith("#EXT")]
    yield from (f"{tag} is more than once there (4.4)" for tag in _ONCE if tags.count(tag) > 1)
    yield from (f"{tag} does not belong into this playlist (4.4)" for tag in tags if tag not in allowed | _ANYWHERE)
    for line in lines:
        tag, _, text = line.partition(":")
        if tag in ("#EXT-X-STREAM-INF", "#EXT-X-MEDIA", "#EXT-X-MAP"):
            facts = _ATTRIBUTE.findall(text)
            if ",".join(f"{name}={value}" for name, value in facts) != text:
                yield f"{line} is no attribute list (4.2)"
            if len(dict(facts)) < len(facts):
                yield f"{line} has an attribute twice (4.2)"
            yield from (f"{n}={value} (4.4.6)" for n, value in facts if not re.fullmatch(_FORMS.get(n, ".*"), value))
        if tag == "#EXTINF" and not re.fullmatch(r"\d+(\.\d+)?,.*", text):
            yield f"{line} is no duration (4.4.4.1)"
