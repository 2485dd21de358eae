"""Stills as people write them with ImageMagick: one command a still. The job's `style` is the program."""

import subprocess

from laps import Job, serve, target


def make(file: str, job: Job) -> None:
    """Every still from the file itself."""
    for still in job["stills"]:
        size = f"{still['width']}x{still['height']}>"
        words = ["-auto-orient", "-thumbnail", size, "-strip", "-quality", str(still["quality"])]
        subprocess.run([job["style"], file, *words, target(job, still)], check=True)


serve(make)
