from dataclasses import replace

from pipeline.playlists import Segment, Track, Variant, average, broken, joined, media, multivariant, peak, seams


def track(*segments: tuple[float, int], codec: str = "avc1.64001f", config: str = "aa") -> Track:
    return Track(
        init="init-0000.mp4",
        sha256="",
        config=config,
        codec=codec,
        segments=tuple(
            Segment(name=f"{position:05}.m4s", duration=duration, bytes=size)
            for position, (duration, size) in enumerate(segments)
        ),
    )


def test_a_media_playlist() -> None:
    assert media((track((4.004, 10), (4.004, 10), (1.001, 5)),)) == (
        "#EXTM3U\n"
        "#EXT-X-VERSION:7\n"
        "#EXT-X-TARGETDURATION:4\n"
        "#EXT-X-MEDIA-SEQUENCE:0\n"
        "#EXT-X-PLAYLIST-TYPE:VOD\n"
        "#EXT-X-INDEPENDENT-SEGMENTS\n"
        '#EXT-X-MAP:URI="init-0000.mp4"\n'
        "#EXTINF:4.004000,\n00000.m4s\n"
        "#EXTINF:4.004000,\n00001.m4s\n"
        "#EXTINF:1.001000,\n00002.m4s\n"
        "#EXT-X-ENDLIST\n"
    )


def test_a_multivariant_playlist() -> None:
    rung = track((4.0, 1_000_000), (4.0, 500_000))
    sound = track((4.0, 64_000), (4.0, 64_000), codec="mp4a.40.2")
    variant = Variant(uri="720p/index.m3u8", runs=(rung,), width=1280, height=720, rate=30000 / 1001)
    assert multivariant([variant], (sound,), "audio/index.m3u8") == (
        "#EXTM3U\n"
        "#EXT-X-VERSION:7\n"
        "#EXT-X-INDEPENDENT-SEGMENTS\n"
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Audio",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",'
        'URI="audio/index.m3u8"\n'
        "#EXT-X-STREAM-INF:BANDWIDTH=2128000,AVERAGE-BANDWIDTH=1628000,"
        'CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=29.970,VIDEO-RANGE=SDR,AUDIO="audio",'
        "CLOSED-CAPTIONS=NONE\n"
        "720p/index.m3u8\n"
    )


def test_a_silent_video_names_no_sound() -> None:
    variant = Variant(uri="360p/index.m3u8", runs=(track((1.0, 10)),), width=640, height=360, rate=25.0)
    text = multivariant([variant], None, "audio/index.m3u8")
    assert "AUDIO" not in text
    assert 'CODECS="avc1.64001f"' in text


def test_the_peak_leaves_out_a_last_segment_too_short_to_count() -> None:
    uneven = track((4.0, 4_000), (4.0, 4_000), (0.04, 1_000))
    assert peak((uneven,)) < 8 * 1_000 / 0.04
    assert peak((uneven,)) >= 8_000


def test_the_peak_of_a_clip_shorter_than_half_a_second_is_its_average() -> None:
    short = (track((0.04, 100)),)
    assert peak(short) == average(short) == 20_000


def test_the_target_is_no_less_than_a_second() -> None:
    assert "#EXT-X-TARGETDURATION:1\n" in media((track((0.04, 100)),))


def test_chunks_join_in_order_behind_the_first_ones_header() -> None:
    first, second = track((4.0, 1)), track((4.0, 2), (1.0, 3))
    assert seams([[first, second]]) == ()
    [whole] = joined([first, second])
    assert whole.init == first.init
    assert [segment.bytes for segment in whole.segments] == [1, 2, 3]
    assert whole.duration == 9.0


def test_chunks_of_encoders_that_disagree_are_runs_of_their_own_on_every_rung() -> None:
    one, other = track((4.0, 1)), replace(track((4.0, 2)), config="bb", init="init-0001.mp4", codec="avc1.4d401f")
    breaks = seams([[one, other, other, one], [one, one, one, one]])
    assert breaks == (1, 3)
    runs = joined([one, other, other, one], breaks)
    assert [(run.init, len(run.segments)) for run in runs] == [
        ("init-0000.mp4", 1),
        ("init-0001.mp4", 2),
        ("init-0000.mp4", 1),
    ]
    text = media(runs)
    assert text.count("#EXT-X-DISCONTINUITY\n#EXT-X-MAP:") == 2
    assert text.count("#EXT-X-MAP:") == 3
    variant = Variant(uri="720p/index.m3u8", runs=runs, width=1280, height=720, rate=25.0)
    assert 'CODECS="avc1.64001f,avc1.4d401f"' in multivariant([variant], None, "")


def test_sound_breaks_where_the_picture_does_and_needs_no_other_header() -> None:
    sound = track((4.0, 1), (4.0, 2), (4.0, 3))
    runs = broken(sound, (2, 5))
    assert [len(run.segments) for run in runs] == [2, 1]
    assert {run.init for run in runs} == {sound.init}


def test_a_track_survives_its_manifest() -> None:
    made = track((4.0, 1), (1.0, 2))
    assert Track.from_dict(made.to_dict()) == made
