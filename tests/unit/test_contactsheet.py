"""The contact sheet: a page of its own folder, made without any stack; and the likeness it tells."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageFilter

from tests import builders
from tests.stack import ROOT
from workers.confined.similarity import ssim


def test_every_file_has_its_outputs_on_one_page(tmp_path: Path) -> None:
    photo = builders.photo(tmp_path / "a <b>.jpg", (640, 480), orientation=6)
    moving = tmp_path / "moving.gif"
    pictures = [Image.new("RGB", (60, 40), colour) for colour in ("red", "blue")]
    pictures[0].save(moving, save_all=True, append_images=pictures[1:], duration=100)
    film = builders.video(tmp_path / "film.mp4", (160, 90), seconds=1)
    text = tmp_path / "text.jpg"
    text.write_text("no picture")
    files = [str(path) for path in (photo, moving, film, text)]
    env = {"RUN_DIR": str(tmp_path / "run"), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "ops.cli", "contact-sheet", *files]
    ran = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "text.jpg: rejected: format_unsupported" in ran.stdout
    folder = tmp_path / "run" / "contact-sheet"
    page = (folder / "index.html").read_text()
    photos, gifs, films, _ = page.split("<section>")[1:]
    assert "a &lt;b&gt;.jpg" in photos
    assert "orientation 6" in photos
    assert "<b>medium.avif</b> 480x640" in photos
    assert min(map(float, re.findall(r"SSIM ([0-9.]+)", photos))) > 0.95
    assert "2 frames, plays 1" in gifs
    assert gifs.count("<video") == 2
    assert "<b>poster</b> 160x90" in films
    linked = set(re.findall(r'(?:src|href)="([^"]+)"', page))
    local = {link for link in linked if not link.startswith("data:")}
    assert all((folder / link).is_file() for link in local)
    assert len(local) > 15


@pytest.mark.parametrize("size", [(64, 64), (300, 200), (3, 70), (1, 1)])
def test_a_picture_is_most_like_itself(size: tuple[int, int]) -> None:
    noise = Image.effect_noise(size, 60).convert("RGB")
    assert ssim(noise, noise) == pytest.approx(1.0, abs=1e-4)


def test_the_more_is_lost_the_less_like_it_is() -> None:
    scene = Image.effect_mandelbrot((400, 300), (-2.0, -1.0, 1.0, 1.0), 100).convert("RGB")
    soft, blurred = (scene.filter(ImageFilter.GaussianBlur(by)) for by in (1, 4))
    assert 1 > ssim(scene, soft) > ssim(scene, blurred) > 0
    inverted = scene.point(lambda value: 255 - value)
    assert ssim(scene, inverted) < 0.3
