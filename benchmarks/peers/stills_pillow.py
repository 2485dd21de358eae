"""Stills as people write them with Pillow: open, turn, `thumbnail`, save, for each still."""

from laps import Job, serve, target
from PIL import Image, ImageOps


def make(file: str, job: Job) -> None:
    """Every still from the file itself."""
    for still in job["stills"]:
        with Image.open(file) as opened:
            if job["style"] == "resize":
                image = ImageOps.contain(ImageOps.exif_transpose(opened), (still["width"], still["height"]))
            else:
                opened.thumbnail((still["width"], still["height"]))
                image = ImageOps.exif_transpose(opened)
            effort = {"webp": {"method": still["effort"]}, "avif": {"speed": still["effort"]}}
            image.convert("RGB").save(
                target(job, still),
                quality=still["quality"],
                progressive=still["progressive"],
                **effort.get(still["format"], {}),
            )
    if len(job["stills"]) > 1:
        with Image.open(file) as opened:
            opened.thumbnail((32, 32))


serve(make)
