"""Every real file of a corpus that lies outside this repository; CORPUS_DIR names its folder."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image, ImageStat

from pipeline.probes import Probe
from pipeline.renditions import Still
from tests import warm
from tests.corners import SHARE
from tests.segments import carried
from tests.unit.test_inspection import LIMITS, accepted
from workers.images import stills

CORPUS = os.environ.get("CORPUS_DIR", "")

STILLS = (
    Still(name="thumbnail", width=300, height=300),
    Still(name="small", width=640, height=640, format="webp"),
    Still(name="modern", width=400, height=400, format="avif", quality=60),
    Still(name="large", width=2048, height=2048, progressive=True),
)

# What independent decoders see in the corners: see tests/corners.py.
SEEN: Mapping[str, list[list[int]]] = json.loads(Path(__file__).with_name("corners.json").read_text())

CLEAR = {
    "apng_ball.png",
    "avif_alpha.avif",
    "bmp_rgba32.bmp",
    "gif_banana.gif",
    "gif_nyan.gif",
    "png_exif_orient.png",
    "png_rgba16.png",
    "webp_animated_alpha.webp",
    "webp_lossless.webp",
    "webp_lossy_alpha.webp",
}
PRIVATE = ("GPS", "ExifIFD", "IFD", "XMP", "IPTC", "Photoshop", "MakerNotes", "Apple", "Canon", "Google")

CONVERTED = {
    "heic_iphone7_p3.heic",
    "heic_iphonexs_rot.heic",
    "jpeg_adobergb_canon5d2.jpg",
    "jpeg_cmyk_swop.jpg",
    "jpeg_gray_dotgain.jpg",
}

# Width and height as displayed, orientation (EXIF), frames.
PHOTOS = {
    "apng_ball.png": (100, 100, 1, 20),
    "avif_8bit.avif": (1440, 960, 1, 1),
    "avif_alpha.avif": (202, 259, 1, 1),
    "bmp_rgb24.bmp": (127, 64, 1, 1),
    "bmp_rgba32.bmp": (127, 64, 1, 1),
    "gif_banana.gif": (121, 128, 1, 8),
    "gif_nyan.gif": (500, 198, 1, 12),
    "heic_iphone7_p3.heic": (4032, 3024, 1, 1),
    "heic_iphonexs_rot.heic": (3024, 4032, 1, 1),
    "jpeg_adobergb_canon5d2.jpg": (1900, 1263, 1, 1),
    "jpeg_canon_elph_16mp.jpg": (4608, 3456, 1, 1),
    "jpeg_cmyk_noicc.jpg": (1080, 1080, 1, 1),
    "jpeg_cmyk_swop.jpg": (1080, 1080, 1, 1),
    "jpeg_gray_dotgain.jpg": (715, 483, 1, 1),
    "jpeg_iphone5_progressive.jpg": (1023, 663, 1, 1),
    "jpeg_iphone6s.jpg": (600, 800, 1, 1),
    **{f"jpeg_orient_{turn}.jpg": (1800, 1200, turn, 1) for turn in range(1, 9)},
    "jpeg_pixel7pro_progressive.jpg": (1020, 768, 1, 1),
    "jpeg_pixel8_ultrahdr.jpg": (3072, 4080, 1, 1),
    "png_exif_orient.png": (2224, 1634, 6, 1),
    "png_icc_srgb.png": (1200, 1011, 1, 1),
    "png_palette.png": (2048, 2253, 1, 1),
    "png_rgba16.png": (1350, 600, 1, 1),
    "tiff_cmyk8.tiff": (157, 151, 1, 1),
    "tiff_rgb16.tiff": (157, 151, 1, 1),
    "tiff_tiled_jpeg.tif": (374, 499, 1, 1),
    "webp_animated_alpha.webp": (480, 480, 1, 14),
    "webp_lossless.webp": (386, 395, 1, 1),
    "webp_lossy_alpha.webp": (400, 301, 1, 1),
    "webp_orient6_s_note10.webp": (391, 521, 6, 1),
}

# Codec, width and height as displayed, degrees clockwise, seconds, audio.
FILMS = {
    "3gp_h263.3gp": ("h263", 176, 144, 0, 1.0, False),
    "avi_mpeg4_mp3.avi": ("mpeg4", 960, 400, 0, 4.087, True),
    "mkv_av1.mkv": ("av1", 640, 360, 0, 5.0, False),
    "mkv_imagor.mkv": ("vp9", 640, 480, 0, 7.407, True),
    "mov_iphone_dovi_hlg_rot90.mov": ("hevc", 720, 1280, 90, 0.107, True),
    "mov_pcm_1080p50.mov": ("h264", 1920, 1080, 0, 2.0, True),
    "mp4_6min_1080p.mp4": ("h264", 1920, 1080, 0, 362.767, False),
    "mp4_fragmented.mp4": ("h264", 416, 234, 0, 2.002, False),
    "mp4_h264_10bit.mp4": ("h264", 200, 200, 0, 1.0, False),
    "mp4_hdr10_av1.mp4": ("av1", 720, 1280, 0, 4.238, True),
    "mp4_hdr10_hevc.mp4": ("hevc", 1920, 1080, 0, 1.018, True),
    "mp4_hevc_128.mp4": ("hevc", 128, 128, 0, 1.0, False),
    "mp4_macabre.mp4": ("h264", 492, 360, 0, 3.925, True),
    "mp4_mpeg4part2.mp4": ("mpeg4", 176, 144, 0, 1.0, False),
    "mp4_multistream_nasa.mp4": ("h264", 480, 270, 0, 13.056, True),
    "mp4_no_audio.mp4": ("h264", 1080, 720, 0, 1.001, False),
    "mp4_rot180.mp4": ("h264", 480, 360, 180, 2.536, True),
    "mp4_rot270.mp4": ("h264", 480, 360, 90, 2.536, True),
    "mp4_rot90.mp4": ("h264", 480, 360, 270, 2.536, True),
    "mp4_vfr_count.mp4": ("h264", 640, 480, 0, 24.457, False),
    "mp4_vfr_slowmo.mp4": ("h264", 1280, 720, 0, 0.526, False),
    "ts_h264_mp2.ts": ("h264", 640, 426, 0, 0.1, True),
    "ts_mpeg2_1080.ts": ("mpeg2video", 1920, 1080, 0, 2.513, True),
    "webm_alpha.webm": ("vp8", 720, 576, 0, 12.04, False),
    "webm_vp8_vorbis.webm": ("vp8", 320, 240, 0, 7.8, True),
    "webm_vp9_51.webm": ("vp9", 960, 540, 0, 1.012, True),
    "webm_vp9_odd_161x121.webm": ("vp9", 161, 121, 0, 1.001, False),
}

pytestmark = pytest.mark.skipif(not CORPUS, reason="CORPUS_DIR is not set")


@dataclass(frozen=True)
class Made:
    """What one photo of the corpus became."""

    probe: Probe
    files: Mapping[str, Path]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Made]:
    """Every photo, inspected and made into stills by warm children."""
    made = {}
    for name in PHOTOS:
        source, folder = Path(CORPUS, name), tmp_path_factory.mktemp(name)
        probe = accepted(source)
        files = stills(source, STILLS, pixels=probe.pixels, scratch=folder, children=warm.children()).files
        made[name] = Made(probe, {str(file.rendition): file.path for file in files})
    return made


@pytest.mark.parametrize("name", PHOTOS)
def test_a_real_photo_is_known(name: str, corpus: Mapping[str, Made]) -> None:
    probe = corpus[name].probe
    assert (probe.width, probe.height, probe.orientation, probe.frames) == PHOTOS[name]
    assert probe.mime_type in LIMITS.accept


@pytest.mark.parametrize("name", PHOTOS)
def test_its_stills_have_the_size_the_kind_of_pixels_and_the_colours_it_had(
    name: str, corpus: Mapping[str, Made]
) -> None:
    width, height, *_ = PHOTOS[name]
    for still in STILLS:
        with Image.open(corpus[name].files[still.name]) as picture:
            assert picture.size == still.size(width, height)
            assert picture.get_format_mimetype() == still.mime_type
            clear = name in CLEAR and still.format != "jpeg"
            assert picture.mode == ("RGBA" if clear else "RGB")
            assert bool(picture.info.get("icc_profile")) == (name in CONVERTED)
            assert getattr(picture, "n_frames", 1) == 1
            if name in SEEN:
                worst = max(
                    abs(a - b)
                    for got, seen in zip(corners(picture), SEEN[name], strict=True)
                    for a, b in zip(got, seen, strict=True)
                )
                assert worst <= 5, (still.name, corners(picture), SEEN[name])


@pytest.mark.parametrize("name", PHOTOS)
def test_its_stills_say_nothing_about_anybody(name: str, corpus: Mapping[str, Made]) -> None:
    for path in corpus[name].files.values():
        assert carried(path) <= {"ICC"}


@pytest.mark.skipif(not shutil.which("exiftool"), reason="exiftool is not installed")
def test_exiftool_finds_nothing_either(corpus: Mapping[str, Made]) -> None:
    files = [str(path) for made in corpus.values() for path in made.files.values()]
    command = ["exiftool", "-json", "-G1", "-a", *files]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=120).stdout)
    assert len(found) == len(files)
    assert [tag for tags in found for tag in tags if tag.startswith(PRIVATE)] == []
    originals = subprocess.run([*command[: -len(files)], CORPUS], check=True, capture_output=True, timeout=120).stdout
    assert {tag.partition(":")[0] for tags in json.loads(originals) for tag in tags} >= {"GPS", "ExifIFD", "XMP-x"}


def corners(picture: Image.Image) -> list[list[float]]:
    """As `tests.corners` computes them of the original."""
    if picture.mode == "RGBA":
        flat = Image.new("RGB", picture.size, "white")
        flat.paste(picture, mask=picture.getchannel("A"))
        picture = flat
    shown = picture.convert("RGB")
    width, height = (max(1, side // SHARE) for side in shown.size)
    at = [(x * (shown.width - width), y * (shown.height - height)) for y in (0, 1) for x in (0, 1)]
    return [ImageStat.Stat(shown.crop((x, y, x + width, y + height))).mean for x, y in at]


@pytest.mark.parametrize("name", FILMS)
def test_a_real_video_is_known(name: str) -> None:
    codec, width, height, orientation, seconds, audio = FILMS[name]
    probe = accepted(Path(CORPUS, name))
    assert (probe.codec, probe.width, probe.height, probe.orientation) == (codec, width, height, orientation)
    assert probe.duration == pytest.approx(seconds, abs=0.1)
    assert probe.has_audio == audio
    assert probe.mime_type in LIMITS.accept


def test_no_file_of_the_corpus_is_forgotten() -> None:
    media = {path.name for path in Path(CORPUS).iterdir() if path.suffix not in {".md", ".json"}}
    assert media == {*PHOTOS, *FILMS}
