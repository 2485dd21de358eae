"""What inspection finds in a plain Full HD film: what tests of plans and graphs start from, and vary."""

from pipeline.probes import Probe

FULL_HD = Probe(
    kind="video",
    format="mp4",
    mime_type="video/mp4",
    codec="h264",
    bytes=1,
    width=1920,
    height=1080,
    coded_width=1920,
    coded_height=1080,
    orientation=0,
)
