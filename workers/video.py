"""Every ffmpeg command line, built with ffmpeg-python and compiled to arguments. Nothing here runs anything.

What must hold of each: an input is a local file of a whitelisted container, never a playlist or a URL; streams are
named by index; metadata, chapters, data and subtitles are left behind; all timestamps count from the start of the
container, so that sound and picture encoded apart stay together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg

from pipeline.animations import Animation
from pipeline.ladder import FittedRung
from pipeline.plan import VideoPlan, phase
from pipeline.probes import Probe
from workers import colour

CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg"
SAMPLE_RATE = 48000  # of all sound we make, in Hz
START = 1  # seconds that all segments are late, so that no decoding time before the first frame is negative

_MOST_CHANNELS = 8  # that ffmpeg knows a layout for, and so how to mix down
_PREROLL = Fraction(1, 4)  # seconds decoded before a chunk, for filters that look back
_INDEXED = ("mov", "matroska", "avi")  # containers with an index that seeking is exact by

_SAFE = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS, "max_streams": 64}
_BARE = {"map_metadata": -1, "map_chapters": -1, "fflags": "+bitexact"}
_QUIET = ("-nostdin", "-y", "-v", "error", "-nostats", "-max_alloc", str(512 * 2**20))
_THREADS = 2  # of filters, and of decoders: with one for each core, address space runs out on large machines
_CLOCK = ("-copyts", "-start_at_zero")
_REPORT = ("-progress", "pipe:1")
_AS_TIMED = {"fps_mode": "passthrough", "enc_time_base": "1:1000"}


@dataclass(frozen=True)
class Source:
    """A file to read video from: its path, the index of the video stream, whether seeking in it is exact.

    `remuxed` says that `remux` made it, so that its timestamps count from zero already.
    """

    path: Path
    stream: int
    exact: bool
    remuxed: bool = False


def original(path: Path, probe: Probe) -> Source:
    """The original as a source. One whose seeking is not exact is read from its start for every chunk."""
    return Source(path, probe.video_stream, _container(probe) in _INDEXED)


def copied(path: Path) -> Source:
    """The file that `remux` made as a source."""
    return Source(path, 0, exact=True, remuxed=True)


def needs_remux(probe: Probe, video: VideoPlan) -> bool:
    """Whether copying the stream into another container first makes its seeking exact.

    It does where every packet has its own timestamp; MPEG-PS leaves some to be guessed, and only
    a decoder guesses well.
    """
    return video.chunks > 1 and _container(probe) == "mpegts"


def remux(program: str, source: Source, target: Path) -> list[str]:
    """Copy the video stream into Matroska, whose index makes seeking exact; timestamps then count from zero."""
    stream = _open(source.path, fflags="+genpts")[str(source.stream)]
    kept = {**_BARE, "avoid_negative_ts": "disabled"}
    return _argv(program, stream.output(_file(target), format="matroska", codec="copy", **kept), *_CLOCK)


def chunk(program: str, source: Source, probe: Probe, video: VideoPlan, span: tuple[int, int | None]) -> list[str]:
    """Encode the frames of one span on every rung, in one process and one decode, straight to HLS segments.

    Writes `{rung}/init.mp4`, `{rung}/00042.m4s`... below the working directory, in which the rungs' folders must exist.
    Segments are numbered through the whole video.
    """
    start, stop = span
    frames = _constant_rate(_seek(source, video, start, threads=video.threads, **_cap(probe)), probe, video, span)
    outputs: list[Any] = []
    for rung, below in zip(video.rungs, [*video.rungs[1:], None], strict=True):
        scaled = _master(frames, probe, rung) if not outputs else _scale(frames, rung.width, rung.height)
        if below is not None:
            halves = scaled.filter_multi_output("split")
            scaled, frames = halves[0], halves[1]
        outputs.append(scaled.output(f"{rung.name}/index.m3u8", **_rung(rung, video, start, stop)))
    return _argv(program, ffmpeg.merge_outputs(*outputs), *_REPORT, *_clock(source))


def tail(program: str, source: Source, video: VideoPlan, start: int) -> list[str]:
    """List the packets of the video stream from a frame on, undecoded, as `stream, dts, pts, ...` lines (framecrc)."""
    packets = _seek(source, video, start).output("pipe:1", format="framecrc", codec="copy")
    return _argv(program, packets, *_clock(source))


def audio(program: str, source: Path, probe: Probe, video: VideoPlan) -> list[str]:
    """Encode all sound once: stereo AAC, gaps filled, in segments `00000.m4s`... in the working directory."""
    sound = _open(source)[str(probe.audio_stream)]
    if probe.audio_channels > _MOST_CHANNELS:
        sound = sound.filter("channelmap", map="0|1", channel_layout="stereo")
    sound = _in_phase(sound, "asetpts", probe, video).filter("aresample", SAMPLE_RATE, **{"async": 1, "first_pts": 0})
    rate = video.audio.bitrate if video.audio else None
    coding = {"codec:a": "aac", "b:a": rate, "ac": 2, "ar": SAMPLE_RATE}
    return _argv(program, sound.output("index.m3u8", **coding, **_segments(video, 0, ".")), *_REPORT, *_CLOCK)


def still(program: str, source: Path, probe: Probe, at: float, size: tuple[int, int]) -> list[str]:
    """Decode the first frame not before `at` seconds into `frame.png`, as displayed, in the given pixels."""
    opened = _open(source, **({"ss": f"{at:.3f}"} if at else {}), **_cap(probe))
    frame = FittedRung(name="frame", width=size[0], height=size[1], bitrate=0)
    picture = _master(_deinterlaced(opened[str(probe.video_stream)], probe), probe, frame)
    return _argv(program, picture.output("frame.png", pix_fmt="rgb24", update=1, **{"frames:v": 1, "codec:v": "png"}))


def movie(program: str, tracks: Sequence[Path], target: Path) -> list[str]:
    """Join whole fragmented tracks into one MP4 that plays while it loads; nothing is encoded again."""
    streams = [_open(track)["0"] for track in tracks]
    made = ffmpeg.output(
        *streams, _file(target), format="mp4", codec="copy", movflags="+faststart", output_ts_offset=-START, **_BARE
    )
    return _argv(program, made, *_REPORT, "-copyts")


def animation(program: str, frames: Path, settings: Animation, size: tuple[int, int], *, alpha: bool) -> list[str]:
    """Encode raw frames as they come through a pipe, with the times they come with, in every format at once.

    `alpha` says that there is a second stream, which has it: the WebM is made of that. Writes `animation.mp4`... in the
    working directory. Without frames out of order the last one ends when it should: decoding times are the same.
    """
    source = _open(frames, format="matroska", max_pixels=size[0] * size[1])
    layers = {film: "1" if alpha and film == "webm" else "0" for film in settings.formats}
    halves = source["0"].filter_multi_output("split") if list(layers.values()) == ["0", "0"] else None
    outputs = []
    for index, (film, layer) in enumerate(layers.items()):
        picture = halves[index] if halves else source[layer]
        for name, options in colour.of_srgb("yuva420p" if layer == "1" else "yuv420p"):
            picture = picture.filter(name, **options)
        coding = {"mp4": _h264, "webm": _vp9}[film](settings)
        outputs.append(picture.output(f"animation.{film}", **coding, **_AS_TIMED, **_BARE))
    return _argv(program, ffmpeg.merge_outputs(*outputs), *_REPORT)


def _open(path: Path, **options: Any) -> Any:  # noqa: ANN401 - ffmpeg-python has no types
    return ffmpeg.input(_file(path), **{"threads": _THREADS, **_SAFE, **options})


def _seek(source: Source, video: VideoPlan, start: int, **options: Any) -> Any:  # noqa: ANN401
    """Open before a frame: at the keyframe there, for where frames vary in length the one shown may be long past."""
    if start and source.exact:
        options["ss"] = f"{float(video.seconds(start) - _PREROLL):.6f}"
        options["noaccurate_seek"] = None
        options["seek_timestamp"] = int(source.remuxed)
    return _open(source.path, **options)[str(source.stream)]


def _cap(probe: Probe) -> Mapping[str, int]:
    """Refuse a frame that is far larger than what was judged: streams can change their size."""
    return {"max_pixels": max(2 * probe.pixels, 2**20)}


def _clock(source: Source) -> tuple[str, ...]:
    return _CLOCK[:1] if source.remuxed else _CLOCK


def _deinterlaced(stream: Any, probe: Probe) -> Any:  # noqa: ANN401
    return stream.filter("bwdif", mode="send_frame", deint="interlaced") if probe.interlaced else stream


def _constant_rate(stream: Any, probe: Probe, video: VideoPlan, span: tuple[int, int | None]) -> Any:  # noqa: ANN401
    """Frames numbered from the start of the video, cut by number: exact at any rate, and at every seam."""
    start, stop = span
    begins = video.seconds(start)
    # A picture that begins after the sound is shown from the start of the sound.
    late = begins <= max(0, probe.video_start - probe.start_time)
    filled = {"start_time": f"{float(begins):.6f}"} if late else {}
    frames = _in_phase(_deinterlaced(stream, probe), "setpts", probe, video).filter("fps", fps=video.rate, **filled)
    ends = {"start_pts": start, **({} if stop is None else {"end_pts": stop})}
    return frames.filter("trim", **ends)


def _in_phase(stream: Any, setter: str, probe: Probe, video: VideoPlan) -> Any:  # noqa: ANN401
    off = phase(probe, Fraction(video.rate))
    return stream.filter(setter, f"PTS-{float(off):.6f}/TB") if off else stream


def _master(stream: Any, probe: Probe, rung: FittedRung) -> Any:  # noqa: ANN401
    """The picture of the largest rung: upright (ffmpeg turns it by itself), square pixels, SDR, colours tagged."""
    scaled = _scale(stream, rung.width, rung.height, **colour.scaling(probe))
    for name, options in colour.steps(probe):
        scaled = scaled.filter(name, **options)
    return scaled


def _scale(stream: Any, width: int, height: int, **options: str) -> Any:  # noqa: ANN401
    return stream.filter("scale", w=width, h=height, **options).filter("setsar", 1)


def _rung(rung: FittedRung, video: VideoPlan, start: int, stop: int | None) -> dict[str, Any]:
    return {
        "fps_mode": "passthrough",
        "codec:v": "libx264",
        "preset": video.preset,
        "crf": video.crf,
        "maxrate": rung.bitrate,
        "bufsize": 2 * rung.bitrate,
        "profile:v": "high",
        "pix_fmt": "yuv420p",
        "sc_threshold": 0,
        "g": video.keyframe,
        "keyint_min": video.keyframe,
        "force_key_frames": f"expr:gte(n,n_forced*{video.keyframe})",
        "flags:v": "+cgop",
        "threads:v": video.threads,
        **({} if stop is None else {"frames:v": stop - start}),
        **_segments(video, start // video.segment, rung.name),
    }


def _h264(settings: Animation) -> dict[str, Any]:
    return {
        "codec:v": "libx264",
        "preset": settings.preset,
        "crf": settings.crf,
        "profile:v": "high",
        "bf": 0,
        "threads:v": settings.threads,
        "video_track_timescale": 1000,
        "movflags": "+faststart",
    }


def _vp9(settings: Animation) -> dict[str, Any]:
    return {
        "codec:v": "libvpx-vp9",
        "crf": settings.webm_crf,
        "b:v": 0,
        "deadline": "good",
        "cpu-used": settings.webm_speed,
        "row-mt": 1,
        "threads:v": settings.threads,
    }


def _segments(video: VideoPlan, first: int, folder: str) -> dict[str, Any]:
    """The fMP4 HLS muxer; with these flags sound and picture muxed apart are within a millisecond of each other."""
    # Rounded down: ffmpeg adds these up in whole microseconds, and a sum too large would put a seam one keyframe late.
    length = int(video.seconds(video.segment) * 10**6) - 1
    return {
        "format": "hls",
        "hls_time": f"{length / 10**6:.6f}",
        "hls_playlist_type": "vod",
        "hls_segment_type": "fmp4",
        "hls_fmp4_init_filename": "init.mp4",
        "hls_segment_filename": f"{folder}/%05d.m4s",
        "hls_segment_options": "movflags=+frag_discont",
        "start_number": first,
        "output_ts_offset": START,
        **_BARE,
    }


def _container(probe: Probe) -> str:
    return (probe.container or "").partition(",")[0]


def _file(path: Path) -> str:
    return f"file:{path}"


def _argv(program: str, made: Any, *flags: str) -> list[str]:  # noqa: ANN401
    compiled: list[str] = ffmpeg.compile(made, cmd=[program, *_QUIET, "-filter_complex_threads", str(_THREADS), *flags])
    return compiled
