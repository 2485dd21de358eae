"""How like a still is to its original: SSIM of luma, by ffmpeg's filter, against its own Lanczos of the original."""

import re
import subprocess
from pathlib import Path

from PIL import Image

from tests.builders import ffmpeg


def ssim(still: Path, original: Path) -> float:
    """1 is the same picture. The original's stored pixels are upright."""
    with Image.open(still) as image:
        width, height = image.size
    scaled = f"[1:v]scale={width}:{height}:flags=lanczos+accurate_rnd+full_chroma_int,format=yuv444p[r]"
    graph = f"{scaled};[0:v]format=yuv444p[m];[m][r]ssim"
    argv = [ffmpeg(), "-nostdin", "-hide_banner", "-i", str(still), "-i", str(original), "-filter_complex", graph]
    done = subprocess.run([*argv, "-f", "null", "-"], capture_output=True, text=True, check=True)
    found = re.search(r"SSIM Y:([0-9.]+)", done.stderr)
    if not found:
        raise RuntimeError(done.stderr[-500:])
    return float(found[1])


def outputs(folder: Path) -> dict[str, Path]:
    """The stills that lie in a folder, by their name and kind, as `medium.avif`; ours carry a recipe between both."""
    return {path.name.partition(".")[0].partition("-")[0] + path.suffix: path for path in sorted(folder.iterdir())}
