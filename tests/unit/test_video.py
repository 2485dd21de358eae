import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from pipeline.animations import Animation
from pipeline.ladder import Audio, FittedRung
from pipeline.plan import VideoPlan
from tests.probes import FULL_HD
from workers import films, glimpses, video
from workers.argv import CONTAINERS

PROBE = replace(
    FULL_HD,
    bytes=10**6,
    container="mov,mp4,m4a,3gp,3g2,mj2",
    duration=180.0,
    frame_rate="30000/1001",
    has_audio=True,
    video_stream=1,
    audio_stream=0,
    audio_codec="aac",
    audio_channels=2,
)
PLAN = VideoPlan(
    rungs=(
        FittedRung(name="1080p", width=1920, height=1080, bitrate=6_000_000),
        FittedRung(name="360p", width=640, height=360, bitrate=800_000),
    ),
    rate="30000/1001",
    keyframe=60,
    segment=120,
    chunk=1800,
    chunks=3,
    audio=Audio(bitrate=128_000),
    mp4="360p",
    preset="veryfast",
    crf=22,
    threads=2,
    memory=2**32,
)
PATH = Path("/jobs/original")
SOURCE = video.original(PATH, PROBE)

INPUT = """-format_whitelist mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg -max_pixels 16777216 -max_streams 64
-noaccurate_seek -protocol_whitelist file -reinit_filter 0 -seek_timestamp 1 -ss 59.810000 -threads 2
-i file:/jobs/original"""


def encoding(name: str, bitrate: int) -> str:
    return f"""-f hls -bufsize {2 * bitrate} -codec:v libx264 -crf 22 -fflags +bitexact -flags:v +cgop
-force_key_frames expr:gte(n,n_forced*60) -fps_mode passthrough -frames:v 1800 -g 60 -hls_fmp4_init_filename init.mp4
-hls_playlist_type vod -hls_segment_filename {name}/%05d.m4s -hls_segment_options movflags=+frag_discont
-hls_segment_type fmp4 -hls_time 4.003999 -keyint_min 60 -map_chapters -1 -map_metadata -1 -maxrate {bitrate}
-output_ts_offset 1 -pix_fmt yuv420p -preset veryfast -profile:v high -sc_threshold 0 -start_number 15 -threads:v 2
{name}/index.m3u8"""


def test_a_chunk_is_one_decode_and_a_cascade() -> None:
    graph = (
        "[0:1]fps=fps=30000/1001[s0];[s0]trim=end_pts=3600:start_pts=1800[s1];"
        "[s1]scale=h=1080:out_range=tv:w=1920[s2];[s2]setsar=1[s3];[s3]format=pix_fmts=yuv420p[s4];"
        "[s4]setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv[s5];[s5]split=2[s6][s7];"
        "[s7]scale=h=360:w=640[s8];[s8]setsar=1[s9]"
    )
    expected = " ".join(
        (
            "/bin/ffmpeg -nostdin -y -v error -nostats -max_alloc 536870912 -filter_complex_threads 2",
            "-progress pipe:1 -copyts",
            INPUT,
            f"-filter_complex {graph}",
            f"-map [s6] {encoding('1080p', 6_000_000)}",
            f"-map [s9] {encoding('360p', 800_000)}",
        )
    ).split()
    assert video.chunk("/bin/ffmpeg", SOURCE, PROBE, PLAN, (1800, 3600)) == expected


def test_the_first_chunk_does_not_seek_and_the_last_has_no_end() -> None:
    first = video.chunk("ffmpeg", SOURCE, PROBE, PLAN, (0, 1800))
    last = video.chunk("ffmpeg", SOURCE, PROBE, PLAN, (3600, None))
    assert "-ss" not in first
    assert "start_time=0.000000" in " ".join(first)
    assert "-frames:v" not in last
    assert "end_pts" not in " ".join(last)


def test_what_seeks_badly_is_copied_once_or_read_from_its_start() -> None:
    stream = replace(PROBE, container="mpegts")
    assert video.needs_remux(stream, PLAN)
    assert not video.needs_remux(stream, replace(PLAN, chunks=1))
    assert not video.needs_remux(PROBE, PLAN)
    guessed = replace(PROBE, container="mpeg")
    assert not video.needs_remux(guessed, PLAN)
    argv = video.chunk("ffmpeg", video.original(PATH, guessed), guessed, PLAN, (1800, 3600))
    assert "-ss" not in argv
    assert "trim=end_pts=3600:start_pts=1800" in " ".join(argv)


BROADCAST = replace(PROBE, container="mpegts", start_time=95443.5, video_start=95443.75)


def test_a_clock_that_does_not_begin_at_zero_is_set_to_it_for_sound_and_picture_alike() -> None:
    source = video.original(PATH, BROADCAST)
    rate = replace(PLAN, rate="60/1")
    assert video.zero(source, BROADCAST, rate) == Fraction("95443.5")
    late = replace(BROADCAST, video_start=95443.755)  # no whole number of frames
    assert video.zero(source, late, rate) == Fraction("95443.505")
    chunk = video.chunk("ffmpeg", source, BROADCAST, rate, (0, 600))
    for argv in (chunk, video.audio("ffmpeg", PATH, BROADCAST, rate)):
        assert "setpts=PTS-95443.500000/TB" in " ".join(argv)
        assert "-start_at_zero" not in argv  # builds differ in where the start is


def test_a_copy_begins_at_zero_and_is_read_by_its_own_clock() -> None:
    made = video.copied(Path("/jobs/source.mkv"))
    remuxed = video.remux("ffmpeg", video.original(PATH, BROADCAST), made.path)
    assert remuxed[remuxed.index("-output_ts_offset") + 1] == "-95443.500000"
    assert remuxed[-1] == "file:/jobs/source.mkv"
    read = video.chunk("ffmpeg", made, BROADCAST, replace(PLAN, rate="60/1"), (3600, 7200))
    assert read[read.index("-ss") + 1] == "59.750000"
    assert "setpts" not in " ".join(read)
    assert "[0:0]" in " ".join(read)


def test_a_copy_is_cut_at_the_frame_and_put_onto_the_grid() -> None:
    probe = replace(PROBE, time_base="1/30000", start_time=0.0, video_start=0.01)
    argv = video.copy("ffmpeg", SOURCE, probe, PLAN, (1800, 3600))
    assert argv[argv.index("-ss") + 1] == "60.053317"  # half a frame before, 10 ms late
    assert argv[argv.index("-frames:v") + 1] == "1800"
    step = "round((PTS-(300))/1001)*1001"
    dts = step.replace("PTS", "DTS")
    assert argv[argv.index("-bsf:v") + 1] == f"filter_units=pass_types=1|5,setts=pts={step}:dts={dts}:duration=1001"
    assert argv[argv.index("-hls_segment_filename") + 1] == "1080p/copied-%05d.m4s"


def test_who_reads_a_copy_stops_at_the_first_fault() -> None:
    source = video.cut(PATH, 1800)
    for argv in (video.chunk("ffmpeg", source, PROBE, PLAN, (1800, None)), video.decode("ffmpeg", source, PLAN)):
        assert "-xerror" in argv
        assert argv[argv.index("-err_detect") + 1] == "explode"
    graph = " ".join(video.chunk("ffmpeg", source, PROBE, PLAN, (1800, None)))
    assert "setpts=PTS-1.000000/TB" in graph
    assert "trim=end_pts=3600:start_pts=1800" in graph


@pytest.mark.parametrize("interlaced", [True, False])
def test_only_interlaced_video_is_deinterlaced_and_before_its_rate_changes(*, interlaced: bool) -> None:
    graph = " ".join(video.chunk("ffmpeg", SOURCE, replace(PROBE, interlaced=interlaced), PLAN, (0, 1800)))
    assert (
        bool(re.search(r"scale=[hw=:\d]+\[s0\];\[s0\]bwdif=deint=interlaced:mode=send_frame\[s1\];\[s1\]fps", graph))
        is interlaced
    )


def test_sound_is_encoded_whole() -> None:
    argv = video.audio("ffmpeg", PATH, PROBE, PLAN)
    assert "[0:0]aresample=48000:async=1:first_pts=0[s0]" in argv
    assert argv[argv.index("-b:a") + 1] == "128000"
    assert argv[argv.index("-ac") + 1] == "2"
    assert argv[-1] == "index.m3u8"


def test_the_movie_takes_the_second_back_that_segments_are_late() -> None:
    argv = films.movie("ffmpeg", [Path("/jobs/360p.mp4"), Path("/jobs/audio.mp4")], Path("/jobs/movie.mp4"))
    assert argv[argv.index("-output_ts_offset") + 1] == "-1"
    assert argv[argv.index("-codec") + 1] == "copy"
    assert [argv[at + 1] for at, word in enumerate(argv) if word == "-map"] == ["0:0", "1:0"]


FRAMES = """/bin/ffmpeg -nostdin -y -v error -nostats -max_alloc 536870912 -filter_complex_threads 2 -progress pipe:1
-f matroska -format_whitelist mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg -max_pixels 307200 -max_streams 64
-protocol_whitelist file -threads 2 -i file:/jobs/frames -filter_complex"""
ENCODED_AS_MP4 = """-bf 0 -codec:v libx264 -crf 20 -enc_time_base 1:1000 -fflags +bitexact -fps_mode passthrough
-map_chapters -1 -map_metadata -1 -movflags +faststart -preset veryfast -profile:v high -threads:v 2
-video_track_timescale 1000 animation.mp4"""
ENCODED_AS_WEBM = """-b:v 0 -codec:v libvpx-vp9 -cpu-used 5 -crf 30 -deadline good -enc_time_base 1:1000
-fflags +bitexact -fps_mode passthrough -map_chapters -1 -map_metadata -1 -row-mt 1 -threads:v 2 animation.webm"""


def painted(stream: str, number: int, pixels: str = "yuv420p") -> str:
    """The filters that turn a film's pictures into its colours."""
    first, second, last = (f"[s{number + each}]" for each in range(3))
    return (
        f"{stream}scale=out_color_matrix=bt709:out_range=tv{first};{first}format=pix_fmts={pixels}{second};"
        f"{second}setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv{last}"
    )


@pytest.mark.parametrize(
    ("alpha", "graph", "ends"),
    [
        (True, f"{painted('[0:0]', 0)};{painted('[0:1]', 3, 'yuva420p')}", ("[s2]", "[s5]")),
        (False, f"[0:0]split=2[s0][s1];{painted('[s0]', 2)};{painted('[s1]', 5)}", ("[s4]", "[s7]")),
    ],
)
def test_an_animation_is_encoded_as_it_comes(*, alpha: bool, graph: str, ends: tuple[str, str]) -> None:
    argv = films.animation("/bin/ffmpeg", Path("/jobs/frames"), Animation(), (640, 480), alpha=alpha)
    expected = f"{FRAMES} {graph} -map {ends[0]} {ENCODED_AS_MP4} -map {ends[1]} {ENCODED_AS_WEBM}".split()
    assert argv == expected


def commands() -> dict[str, list[str]]:
    return {
        "chunk": video.chunk("ffmpeg", SOURCE, PROBE, PLAN, (1800, 3600)),
        "audio": video.audio("ffmpeg", PATH, PROBE, PLAN),
        "still": glimpses.still("ffmpeg", PATH, PROBE, 1.5, (640, 360)),
        "copy": video.copy("ffmpeg", SOURCE, replace(PROBE, time_base="1/30000"), PLAN, (1800, 3600)),
        "decode": video.decode("ffmpeg", video.cut(PATH, 1800), PLAN),
        "remux": video.remux("ffmpeg", SOURCE, Path("/jobs/source.mkv")),
        "tail": video.tail("ffmpeg", SOURCE, PLAN, 1800),
        "movie": films.movie("ffmpeg", [Path("/jobs/360p.mp4"), Path("/jobs/audio.mp4")], Path("/jobs/movie.mp4")),
        "encoded": films.encoded(
            "ffmpeg", [PATH, PATH], [Path("/jobs/audio.mp4")], PLAN.rungs[1], PLAN, Path("/jobs/movie.mp4")
        ),
        "animation": films.animation("ffmpeg", Path("/jobs/frames"), Animation(), (640, 480), alpha=False),
    }


@pytest.mark.parametrize("name", commands())
def test_every_input_is_a_local_file_of_a_known_container(name: str) -> None:
    argv = commands()[name]
    inputs = [argv[at + 1] for at, word in enumerate(argv) if word == "-i"]
    assert inputs
    assert all(each.startswith("file:/") for each in inputs)
    assert argv.count("-protocol_whitelist") == argv.count("-format_whitelist") == len(inputs)
    assert not {"hls", "dash", "concat"} & set(CONTAINERS.split(","))
    assert "-nostdin" in argv
    assert "-max_alloc" in argv


def test_frames_before_a_keyframe_that_is_shown_are_not_decoded() -> None:
    keyframe = glimpses.still("ffmpeg", PATH, PROBE, 1.5, (640, 360), keyframe=True)
    read = keyframe[: keyframe.index("-i")]
    assert read[read.index("-ss") + 1] == "1.500"
    assert read[read.index("-skip_frame") + 1] == "nokey"
    assert "-skip_frame" not in commands()["still"]


@pytest.mark.parametrize("name", ["chunk", "audio", "copy", "remux", "movie", "encoded", "animation"])
def test_no_metadata_is_carried_over(name: str) -> None:
    argv = commands()[name]
    assert argv.count("-map_metadata") == argv.count("-map_chapters") == (2 if name in {"chunk", "animation"} else 1)


@pytest.mark.parametrize("name", ["chunk", "still", "animation"])
def test_a_stream_that_grows_is_stopped_before_it_is_decoded(name: str) -> None:
    assert "-max_pixels" in commands()[name]


@pytest.mark.parametrize("rate", ["24000/1001", "30000/1001", "25/1", "60/1", "79/4", "1/1"])
def test_a_seam_is_never_late_however_many_segments_were_added_up(rate: str) -> None:
    plan = replace(PLAN, rate=rate)
    argv = video.audio("ffmpeg", PATH, PROBE, plan)
    length = Fraction(argv[argv.index("-hls_time") + 1])
    exact = plan.seconds(plan.segment)
    hour = 900
    assert 0 < (exact - length) * hour < plan.seconds(1)
