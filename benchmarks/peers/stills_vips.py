"""Stills with pyvips: `thumbnail` from the file, further ones from the one before."""

import pyvips
from laps import Job, serve, target

SIZE = {"size": "down", "no_rotate": False}


def make(file: str, job: Job) -> None:
    """The largest from the file, each smaller from the one before; or the only one."""
    stills = sorted(job["stills"], key=lambda still: still["width"], reverse=True)
    image = None
    for still in stills:
        box = {"height": still["height"], **SIZE}
        if image is None:
            image = pyvips.Image.thumbnail(file, still["width"], **box)
        elif still["width"] < image.width or still["height"] < image.height:
            image = image.thumbnail_image(still["width"], height=still["height"], size="down")
        if len(stills) > 1:
            image = image.copy_memory()
        save(image, still, target(job, still))
    if len(stills) > 1:
        image.thumbnail_image(32, height=32).webpsave_buffer(Q=40)


def save(image: pyvips.Image, still: Job, path: str) -> None:
    """In the still's format, without metadata."""
    quality = {"Q": still["quality"], "keep": "none"}
    match still["format"]:
        case "jpeg":
            image.jpegsave(path, interlace=still["progressive"], optimize_coding=True, **quality)
        case "webp":
            image.webpsave(path, effort=still["effort"], **quality)
        case "avif":
            image.heifsave(path, compression="av1", effort=9 - still["effort"], subsample_mode="on", **quality)


serve(make)
