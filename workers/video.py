"""The command lines that encode a video in parts: chunks of its picture on every rung, and all its sound.

All timestamps count from the start of the container, so that sound and picture encoded apart stay together. Where that
start lies is the probe's to say: builds of ffmpeg differ in it, and some take it from the streams that are read alone.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from pipeline.ladder import FittedRung
from pipeline.plan import VideoPlan, phase
from pipeline.probes import Probe
from workers.argv import BARE, REPORT, argv, file_of, merged, opened
from workers.frames import deinterlaced, held, master, scale

SAMPLE_RATE = 48000  # of all sound we make, in Hz
START = 1  # seconds that all segments are late, so that no decoding time before the first frame is negative

_MOST_CHANNELS = 8  # that ffmpeg knows a layout for, and so how to mix down
_PREROLL = Fraction(1, 4)  # seconds decoded before a chunk, for filters that look back
_FARTHER = Fraction(20)  # the same where decoding begins at no whole picture: encoders refresh all of it in ten at most
_INDEXED = ("mov", "matroska", "avi")  # containers with an index that seeking is exact by

_CLOCK = "-copyts"
_SLICES = "1|5"  # kinds of NAL units, ISO/IEC 14496-10, table 7-1


@dataclass(frozen=True)
class Source:
    """A file to read video from: its path, the index of the video stream, whether seeking in it is exact.

    `begins` is the timestamp in seconds that all others count from, `preroll` how many seconds before a chunk decoding
    begins at the latest. `cut`: it is what `copy` made of one span, so many frames, and whoever decodes it stops at the
    first fault.
    """

    path: Path
    stream: int
    exact: bool
    begins: float
    cut: int = 0
    preroll: Fraction = _PREROLL


def original(path: Path, probe: Probe) -> Source:
    """The original as a source. One whose seeking is not exact is read from its start for every chunk."""
    return Source(path, probe.video_stream, _container(probe) in _INDEXED, probe.start_time)


def farther(source: Source, start: int) -> tuple[Source, ...]:
    """The source as it is read for a chunk from that frame on, where its first frames do not come: from farther back.

    So it is with H.264 that is refreshed in columns, frame by frame: none of its keyframes is a whole picture.
    """
    if not start or not source.exact:
        return ()
    return replace(source, preroll=_FARTHER), replace(source, exact=False)


def copied(path: Path) -> Source:
    """The file that `remux` made as a source."""
    return Source(path, 0, exact=True, begins=0.0)


def zero(source: Source, probe: Probe, video: VideoPlan) -> Fraction:
    """The timestamp in seconds that becomes 0: sound and picture keep their distance, and pictures meet the grid."""
    off = 0 if source.cut else phase(probe, Fraction(video.rate))
    return Fraction(source.begins).limit_denominator(10**6) + off


def cut(path: Path, frames: int) -> Source:
    """The segments that `copy` made, in one file behind their header, as a source."""
    return Source(path, 0, exact=False, begins=START, cut=frames)


def needs_remux(probe: Probe, video: VideoPlan) -> bool:
    """Whether copying the stream into another container first makes its seeking exact.

    It does where every packet has its own timestamp; MPEG-PS leaves some to be guessed, and only
    a decoder guesses well.
    """
    return video.chunks > 1 and _container(probe) == "mpegts"


def remux(program: str, source: Source, target: Path) -> list[str]:
    """Copy the video stream into Matroska, whose index makes seeking exact; timestamps then count from zero."""
    stream = opened(source.path, fflags="+genpts")[str(source.stream)]
    kept = {**BARE, "avoid_negative_ts": "disabled", "output_ts_offset": f"{-source.begins:.6f}"}
    return argv(program, stream.output(file_of(target), format="matroska", codec="copy", **kept), _CLOCK)


def copy(program: str, source: Source, probe: Probe, video: VideoPlan, span: tuple[int, int | None]) -> list[str]:
    """Cut one span out of the video as it is into segments of the first rung.

    Writes `{rung}/init.mp4`, `{rung}/copied-00042.m4s`... as `chunk` does.

    Of each frame the slices alone are kept: what else there may be in a packet are messages, a recorder's GPS fixes
    among them. Timestamps are put onto the grid of the other rungs, which they are on but for `phase`.
    """
    start, stop = span
    rate, (rung, *_) = Fraction(video.rate), video.rungs
    begins = zero(source, probe, video)
    before = f"{float(begins + (start - Fraction(1, 2)) / rate):.6f}"
    seek = {"ss": before, "noaccurate_seek": None, "seek_timestamp": 1} if start else {}
    tick = Fraction(probe.time_base or 0)  # not setts' own TB: with some muxers that is another in ffmpeg 5.1
    off, step = round(begins / tick), round(1 / rate / tick)
    times = ":".join(f"{time.lower()}=round(({time}-({off}))/{step})*{step}" for time in ("PTS", "DTS"))
    kept = {
        "codec": "copy",
        "tag:v": "avc1",
        "copypriorss": 0,
        "bsf:v": f"filter_units=pass_types={_SLICES},setts={times}:duration={step}",
        **({} if stop is None else {"frames:v": stop - start}),
    }
    stream = opened(source.path, **seek)[str(source.stream)]
    segments = _segments(video, start // video.segment, rung.name, "copied-")
    segments["hls_segment_options"] += f":video_track_timescale={round(1 / tick)}"
    return argv(program, stream.output(f"{rung.name}/index.m3u8", **kept, **segments), *REPORT, _CLOCK)


def decode(program: str, source: Source, video: VideoPlan) -> list[str]:
    """Decode all of a source, for nothing but to see whether that goes well."""
    frames = opened(source.path, threads=video.threads, **_strict(source))[str(source.stream)]
    return argv(program, frames.output("-", format="null", fps_mode="passthrough"), *REPORT, *_clock(source))


def chunk(program: str, source: Source, probe: Probe, video: VideoPlan, span: tuple[int, int | None]) -> list[str]:
    """Encode the frames of one span on every rung, in one process and one decode, straight to HLS segments.

    Writes `{rung}/init.mp4`, `{rung}/00042.m4s`... below the working directory, in which the rungs' folders must exist.
    Segments are numbered through the whole video.
    """
    start, stop = span
    if source.cut:
        stop = start + source.cut
    frames = _constant_rate(source, probe, video, (start, stop))
    outputs: list[Any] = []
    for rung, below in zip(video.rungs, [*video.rungs[1:], None], strict=True):
        size = rung.width, rung.height
        scaled = scale(frames, *size) if outputs else master(frames, probe, *size)
        if below is not None:
            halves = scaled.filter_multi_output("split")
            scaled, frames = halves[0], halves[1]
        outputs.append(scaled.output(f"{rung.name}/index.m3u8", **_rung(rung, video, start, stop)))
    return argv(program, merged(*outputs), *REPORT, *_clock(source))


def tail(program: str, source: Source, video: VideoPlan, start: int) -> list[str]:
    """List the packets of the video stream from a frame on, undecoded, as `stream, dts, pts, ...` lines (framecrc)."""
    packets = _seek(source, video, start).output("pipe:1", format="framecrc", codec="copy")
    return argv(program, packets, _CLOCK)


def audio(program: str, source: Path, probe: Probe, video: VideoPlan) -> list[str]:
    """Encode all sound once: stereo AAC, gaps filled, in segments `00000.m4s`... in the working directory."""
    sound = opened(source)[str(probe.audio_stream)]
    if probe.audio_channels > _MOST_CHANNELS:
        sound = sound.filter("channelmap", map="0|1", channel_layout="stereo")
    sound = _counted_from(zero(original(source, probe), probe, video), sound, "asetpts")
    sound = sound.filter("aresample", SAMPLE_RATE, **{"async": 1, "first_pts": 0})
    rate = video.audio.bitrate if video.audio else None
    coding = {"codec:a": "aac", "b:a": rate, "ac": 2, "ar": SAMPLE_RATE}
    return argv(program, sound.output("index.m3u8", **coding, **_segments(video, 0, ".")), *REPORT, _CLOCK)


def _seek(source: Source, video: VideoPlan, start: int, **options: Any) -> Any:  # noqa: ANN401
    """Open before a frame: at the keyframe there, for where frames vary in length the one shown may be long past."""
    if start and source.exact:
        options["ss"] = f"{source.begins + float(video.seconds(start) - source.preroll):.6f}"
        options["noaccurate_seek"] = None
        options["seek_timestamp"] = 1
    return opened(source.path, **options)[str(source.stream)]


def _clock(source: Source) -> tuple[str, ...]:
    return (_CLOCK, "-xerror") if source.cut else (_CLOCK,)


def _strict(source: Source) -> dict[str, str]:
    return {"err_detect": "explode"} if source.cut else {}


def _constant_rate(source: Source, probe: Probe, video: VideoPlan, span: tuple[int, int | None]) -> Any:  # noqa: ANN401
    """Frames numbered from the start of the video, cut by number: exact at any rate, and at every seam."""
    start, stop = span
    begins = video.seconds(start)
    terms = {"threads": video.threads, **held(probe), **_strict(source)}
    stream = deinterlaced(_seek(source, video, start, **terms), probe)
    # A picture that begins after the sound is shown from the start of the sound.
    late = begins <= max(0, probe.video_start - probe.start_time)
    filled = {"start_time": f"{float(begins):.6f}"} if late else {}
    if source.cut:
        filled["eof_action"] = "pass"  # ffmpeg 5.1 does not always know how long the last frame is shown
    first = zero(source, probe, video) + Fraction(probe.video_delay).limit_denominator(10**6)
    frames = _counted_from(first, stream, "setpts").filter("fps", fps=video.rate, **filled)
    ends = {"start_pts": start, **({} if stop is None else {"end_pts": stop})}
    return frames.filter("trim", **ends)


def _counted_from(zero: Fraction, stream: Any, setter: str) -> Any:  # noqa: ANN401
    return stream.filter(setter, f"PTS-{float(zero):.6f}/TB") if zero else stream


def coding(rung: FittedRung, video: VideoPlan) -> dict[str, Any]:
    """How a rung is encoded, whatever file it goes to."""
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
    }


def _rung(rung: FittedRung, video: VideoPlan, start: int, stop: int | None) -> dict[str, Any]:
    ends = {} if stop is None else {"frames:v": stop - start}
    return coding(rung, video) | ends | _segments(video, start // video.segment, rung.name)


def _segments(video: VideoPlan, first: int, folder: str, prefix: str = "") -> dict[str, Any]:
    """The fMP4 HLS muxer; with these flags sound and picture muxed apart are within a millisecond of each other."""
    # Rounded down: ffmpeg adds these up in whole microseconds, and a sum too large would put a seam one keyframe late.
    length = int(video.seconds(video.segment) * 10**6) - 1
    return {
        "format": "hls",
        "hls_time": f"{length / 10**6:.6f}",
        "hls_playlist_type": "vod",
        "hls_segment_type": "fmp4",
        "hls_fmp4_init_filename": "init.mp4",
        "hls_segment_filename": f"{folder}/{prefix}%05d.m4s",
        "hls_segment_options": "movflags=+frag_discont",
        "start_number": first,
        "output_ts_offset": START,
        **BARE,
    }


def _container(probe: Probe) -> str:
    return (probe.container or "").partition(",")[0]
