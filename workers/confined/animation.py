"""The question `animation`: the frames of an animated image, one after the other, into a pipe.

They travel undecorated but for their times, in a Matroska stream of raw pictures: ffmpeg, which only encodes them, is
given none of its own demuxers for GIF, WebP, PNG or AVIF to read what a stranger sent.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image, ImageFile

from pipeline.animations import Animation
from workers.confined.admission import SIDEWAYS, decode, open_image, orientation
from workers.confined.colour import profile_of
from workers.confined.memory import SHARE, needed_to_play
from workers.confined.refusal import RefusedError
from workers.confined.stills import STEPS, Order

_TICK = Fraction(1, 1000)  # seconds; Matroska's own
# Browsers show for 100 ms what asks for 10 ms or less (Blink, BitmapImage::FrameDurationAtIndex; Gecko alike).
_HASTE, _PATIENCE = 10, 100
_PIXELS = "rgba"


@dataclass(frozen=True)
class _Film:
    """What every frame goes through: the steps of a still, and then into a picture of `size` pixels."""

    order: Order
    size: tuple[int, int]
    background: str


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Write the frames of `source` into `pipe`; how many there were, and how long they last in milliseconds.

    `{"frames": 12, "duration": 840}`. The stream has the last frame once more for its last moment, as no container
    says how long the last one lasts. Raises RefusedError.
    """
    source, settings = Path(request["source"]), Animation.from_dict(request["animation"])
    image = open_image(source, request["pixels"])
    if image is None:
        raise RefusedError("image_undecodable")
    turn = orientation(image)
    sideways = turn in SIDEWAYS
    shown = image.size[::-1] if sideways else image.size
    fitted = settings.fitted(*shown)
    order = Order(fitted[::-1] if sideways else fitted, turn, profile_of(image, source))
    film = _Film(order, settings.size(*shown), settings.background)
    SHARE.afford(needed_to_play(image, film.size))
    # Without a reader this fails, where a plain open would wait for one.
    pipe = os.open(request["pipe"], os.O_WRONLY | os.O_NONBLOCK)
    os.set_blocking(pipe, True)
    with av.open(f"pipe:{pipe}", "w", format="matroska") as stream:
        tracks = [_track(stream, film.size) for _ in range(2 if request["alpha"] else 1)]
        try:
            frames, duration = _write(stream, tracks, film, _frames(image, request["frames"]))
        except MemoryError as error:  # another child with more of it could not take back what is in the pipe
            raise RefusedError("inspection_exhausted") from error
    return {"frames": frames, "duration": duration}


def _write(
    stream: OutputContainer,
    tracks: Sequence[VideoStream],
    film: _Film,
    frames: Iterator[tuple[Image.Image, Fraction]],
) -> tuple[int, int]:
    count, ends = 0, Fraction(0)
    last: Sequence[Image.Image] = ()
    for frame, lasts in frames:
        last = _layers(_fitted(frame, film), film.background)
        for track, layer in zip(tracks, last, strict=False):
            _mux(stream, track, layer, round(ends))
        count, ends = count + 1, ends + lasts
    for track, layer in zip(tracks, last, strict=False):
        _mux(stream, track, layer, round(ends) - _HASTE)
        stream.mux(track.encode(None))
    return count, round(ends)


def _track(stream: OutputContainer, size: tuple[int, int]) -> VideoStream:
    """The rate says how long the last frame lasts, and is the highest that frames can come at."""
    track = stream.add_stream("rawvideo", rate=1000 // _HASTE)
    track.width, track.height = size
    track.pix_fmt = _PIXELS
    track.codec_context.time_base = track.time_base = _TICK
    return track


def _mux(stream: OutputContainer, track: VideoStream, picture: Image.Image, at: int) -> None:
    frame = VideoFrame.from_bytes(picture.tobytes(), picture.width, picture.height, _PIXELS)
    frame.pts, frame.time_base = at, _TICK
    stream.mux(track.encode(frame))


def _frames(image: ImageFile.ImageFile, most: int) -> Iterator[tuple[Image.Image, Fraction]]:
    """Each frame as it is shown, with its milliseconds; no more than were judged, whatever there is."""
    # An APNG may begin with a picture that is not of the animation, for those who know nothing of it.
    for index in range(int(getattr(image, "default_image", False)), most):
        if not _found(image, index):
            return
        decode(image)
        asked = Fraction(image.info.get("duration") or 0)
        yield image, asked if asked > _HASTE else Fraction(_PATIENCE)


def _found(image: ImageFile.ImageFile, index: int) -> bool:
    try:
        image.seek(index)
    except EOFError:
        return False
    except MemoryError:
        raise
    except Exception as error:  # a decoder that stumbles over hostile bytes raises whatever it likes
        raise RefusedError("image_undecodable") from error
    return True


def _fitted(frame: Image.Image, film: _Film) -> Image.Image:
    """The frame in the film's size: what the even size leaves of it, a side of one pixel doubled."""
    for step in STEPS:
        frame = step(frame, film.order)
    frame = frame.convert("RGBA")
    if min(frame.size) == 1:
        return frame.resize(film.size, Image.Resampling.NEAREST)
    return frame.crop((0, 0, *film.size))


def _layers(frame: Image.Image, background: str) -> tuple[Image.Image, Image.Image]:
    """The frame on its background, and the frame itself.

    Where that is wholly transparent it has the background's colour, for players that show colour without alpha.
    """
    alpha = frame.getchannel("A")
    flat = Image.new("RGBA", frame.size, background)
    flat.paste(frame.convert("RGB"), mask=alpha)
    clear = Image.new("RGBA", frame.size, f"{background}00")
    clear.paste(frame, mask=alpha.point(lambda value: 255 if value else 0))
    return flat, clear
