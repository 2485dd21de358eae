"""The question `discontinuities`: where do a film's timestamps leap, and what has to be added to them behind that?

So it is where recordings were joined end to end, or a recorder began anew: a player goes on, and so must whoever reads
the timestamps. All packets are read once, undecoded. What stands still in one track only, or goes astray for a moment,
is no leap of the film's clock.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from pipeline.probes import MATROSKA
from workers.confined.containers import packets
from workers.confined.films import OPTIONS
from workers.confined.refusal import RefusedError

# Seconds by which the next timestamp may be earlier, or later, than the last: as ffmpeg's `-dts_delta_threshold`.
_BACK, _FORWARD = Fraction(1, 10), 10
_BACK_SHOWN = Fraction(1, 2)  # where it is of when a frame is shown: some are stored out of that order
_HOLE = 3600  # seconds for which no picture stands: a leap, though nothing else tells
_ALIKE = 1  # seconds by which the same leap may differ between picture and sound
_STRAY, _NEAR = 12, Fraction(1, 2)  # packets after which one that is so many seconds off the earlier ones comes back
_OVERLAP = Fraction(1, 10)  # seconds of sound that may be cut so that no picture stands still
_MOST = 100


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Fields of the probe of the file `source`, none where the clock is steady; also `pictureEnd` and `soundEnd`.

    Those are the seconds at which the tracks `video` and `audio` (or null) end, by a clock that does not leap;
    `pictureStart` and `soundStart` those at which they begin.

    Raises RefusedError for more discontinuities than a recording has.
    """
    indexes = [each for each in (request["video"], request["audio"]) if each is not None]
    with av.open(f"file:{Path(request['source'])}", options=OPTIONS, metadata_errors="replace") as container:
        back = _BACK_SHOWN if container.format.name == MATROSKA else _BACK
        tracks = {index: _Track(*_ticks(container.streams[index]), back) for index in indexes}
        try:
            for packet in packets(container, *(container.streams[index] for index in indexes)):
                tracks[packet.stream_index].add(packet)
        except MemoryError:
            raise
        except av.error.FFmpegError:
            """What comes behind the damage is shown by no one."""
    return _facts(*tracks.values())


@dataclass
class _Leap:
    """In ticks: the last timestamp and the end of what is before it, its own, the first that is shown behind it."""

    position: int
    before: int
    end: int
    after: int
    first: int
    packets: int = 0


@dataclass
class _Track:
    """One stream: seconds of a tick, ticks from packet to packet, seconds that may be gone back; what was read last."""

    tick: Fraction
    step: int
    back: Fraction
    position: int = 0
    last: int | None = None
    first: int | None = None
    end: int = 0
    leaps: list[_Leap] = field(default_factory=list)

    def add(self, packet: "Packet[Any]") -> None:
        """Read on; packets without a timestamp follow the others."""
        dts = packet.dts if packet.dts is not None else packet.pts
        if dts is None:
            return
        pts = packet.pts if packet.pts is not None else dts
        dts = min(dts, pts)  # one that is later is guessed of those before a leap
        self.position = packet.pos if packet.pos is not None else self.position
        if self.last is not None:
            self._follow(self.last, dts, pts)
        if self.leaps and self.leaps[-1].packets < _STRAY:
            self.leaps[-1].packets += 1
            self.leaps[-1].first = min(self.leaps[-1].first, pts)
        if not self.leaps:
            self.first = pts if self.first is None else min(self.first, pts)
        self.last, self.end = dts, max(self.end, pts + (packet.duration or self.step))

    def _follow(self, last: int, dts: int, pts: int) -> None:
        step = (dts - last) * self.tick
        astray = self.leaps[-1] if self.leaps and self.leaps[-1].packets < _STRAY else None
        if astray and abs(step) > self.back and 0 < (dts - astray.before) * self.tick < _NEAR:
            self.end = self.leaps.pop().end
        elif not -self.back <= step <= _FORWARD:
            self.leaps.append(_Leap(self.position, last, self.end, dts, pts))
            self.end = pts
        elif step > 0:
            self.step = dts - last

    @property
    def start(self) -> float:
        """When the first picture, or sound, is due, in seconds."""
        return float((self.first or 0) * self.tick)

    def span(self, leap: _Leap) -> Fraction:
        """By how many seconds the clock leapt."""
        return (leap.after - leap.before) * self.tick

    def gap(self, leap: _Leap) -> Fraction:
        """What to add behind a leap, in seconds, so that nothing is lost and nothing stands still."""
        return (leap.end - leap.first) * self.tick

    def ticks(self, seconds: Fraction) -> int:
        """So many seconds, in ticks."""
        return round(seconds / self.tick)


def _ticks(stream: Stream) -> tuple[Fraction, int]:
    """Seconds of a tick, and ticks that a frame lasts which does not say so."""
    tick = stream.time_base or Fraction(1)
    rate = stream.average_rate if isinstance(stream, VideoStream) else None
    return tick, round(1 / rate / tick) if rate else 0


def _facts(picture: _Track, sound: _Track | None = None) -> dict[str, Any]:
    seen, heard, late = [], [], Fraction()
    for leap in picture.leaps:
        span, shift = picture.span(leap), picture.gap(leap)
        pair = _same(leap, span, sound)
        if pair is None and 0 < span < _HOLE:
            continue
        if sound and pair:
            by_sound = sound.gap(pair)
            shift = by_sound if by_sound > shift + _OVERLAP else shift
        late += shift
        seen.append((leap.position, picture.ticks(shift)))
        if sound:
            heard.append(((pair or leap).position, sound.ticks(shift)))
    if len(seen) > _MOST:
        raise RefusedError("timestamps_broken")
    end = float(picture.end * picture.tick + late)
    sound_end = float(sound.end * sound.tick + late) if sound else end
    leaps = {"discontinuities": seen, "audioDiscontinuities": heard} if seen else {}
    starts = {"pictureStart": picture.start, "soundStart": (sound or picture).start}
    return leaps | starts | {"pictureEnd": end, "soundEnd": sound_end}


def _same(leap: _Leap, span: Fraction, sound: _Track | None) -> _Leap | None:
    """The leap of the sound that is the picture's: of those as wide as it the nearest in the file."""
    alike = [each for each in sound.leaps if abs(sound.span(each) - span) < _ALIKE] if sound else []
    return min(alike, key=lambda each: abs(each.position - leap.position), default=None)
