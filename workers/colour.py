"""Colour of a video: how any source becomes SDR that says what it is."""

from collections.abc import Mapping
from typing import Any

from pipeline.probes import Probe

Step = tuple[str, Mapping[str, Any]]

_HDR = ("smpte2084", "arib-std-b67")  # PQ and HLG, ITU-R BT.2100
# Matrices and primaries that every player renders: kept, and written into the stream.
_MATRICES = ("bt709", "smpte170m", "bt470bg", "fcc", "smpte240m")
_PRIMARIES = ("bt709", "smpte170m", "bt470bg", "smpte240m", "bt470m")
_HD = (1280, 720)  # untagged video below this is taken for ITU-R BT.601, from it on for BT.709, as players do
_PEAK = 100  # cd/m2 of SDR white, ITU-R BT.2035


def scaling(probe: Probe) -> dict[str, str]:
    """Options for the first `scale` filter: the range becomes limited, and RGB gets a matrix; HDR is left alone."""
    if _must_convert(probe):
        return {}
    return {"out_range": "tv"} | ({"out_color_matrix": "bt709"} if _is_rgb(probe) else {})


def of_srgb(pixels: str) -> tuple[Step, ...]:
    """Filters that make a film of sRGB pictures, in BT.709 and these `pixels`; sRGB's curve passes for its own."""
    return (("scale", {"out_range": "tv", "out_color_matrix": "bt709"}), _format(pixels), _tagged("bt709", "bt709"))


def steps(probe: Probe) -> tuple[Step, ...]:
    """Filters after scaling, on few pixels: HDR is tone-mapped, wide gamut narrowed, and the result tagged."""
    if not _must_convert(probe):
        matrix, primaries = _tags(probe)
        return (_format("yuv420p"), _tagged(matrix, primaries))
    sdr = {"transfer": "bt709", "matrix": "bt709", "range": "tv"}
    given = {
        "matrixin": probe.colour_space or "bt2020nc",
        "primariesin": probe.colour_primaries or "bt2020",
        "transferin": probe.colour_transfer or "bt709",
        "rangein": "full" if probe.colour_range == "pc" else "limited",
    }
    if probe.colour_transfer not in _HDR:
        narrowed = ("zscale", given | {"primaries": "bt709"} | sdr)
        return (narrowed, _format("yuv420p"), _tagged("bt709", "bt709"))
    return (
        ("zscale", given | {"transfer": "linear", "npl": _PEAK}),
        _format("gbrpf32le"),
        ("zscale", {"primaries": "bt709"}),
        ("tonemap", {"tonemap": "hable", "desat": 0}),
        ("zscale", sdr),
        _format("yuv420p"),
        _tagged("bt709", "bt709"),
    )


def _must_convert(probe: Probe) -> bool:
    if probe.colour_transfer in _HDR:
        return True
    wide = probe.colour_primaries not in (None, *_PRIMARIES)
    return not _is_rgb(probe) and (wide or probe.colour_space not in (None, *_MATRICES))


def _is_rgb(probe: Probe) -> bool:
    return probe.colour_space == "gbr" or (probe.pixel_format or "").startswith(("rgb", "bgr", "gbr", "argb", "abgr"))


def _tags(probe: Probe) -> tuple[str, str]:
    """Matrix and primaries of a video that is SDR already."""
    if _is_rgb(probe):
        return "bt709", "bt709"
    hd = probe.coded_width >= _HD[0] or probe.coded_height >= _HD[1]
    matrix = probe.colour_space or ("bt709" if hd else "smpte170m")
    return matrix, probe.colour_primaries or ("bt709" if matrix == "bt709" else "smpte170m")


def _tagged(matrix: str, primaries: str) -> Step:
    # The transfer curves of BT.601 and BT.709 are the same one.
    return "setparams", {"colorspace": matrix, "color_primaries": primaries, "color_trc": "bt709", "range": "tv"}


def _format(name: str) -> Step:
    return "format", {"pix_fmts": name}
