from dataclasses import replace

import pytest

from pipeline.probes import Probe
from tests.probes import FULL_HD
from workers import colour

HD = replace(FULL_HD, pixel_format="yuv420p")
SD = replace(HD, coded_width=720, coded_height=576)


def names(probe: Probe) -> list[str]:
    return [name for name, _ in colour.steps(probe)]


def tags(probe: Probe) -> tuple[str, str]:
    name, options = colour.steps(probe)[-1]
    assert name == "setparams"
    assert (options["color_trc"], options["range"]) == ("bt709", "tv")
    return options["colorspace"], options["color_primaries"]


@pytest.mark.parametrize(
    ("probe", "expected"),
    [
        (HD, ("bt709", "bt709")),
        (SD, ("smpte170m", "smpte170m")),
        (replace(SD, colour_space="bt470bg", colour_primaries="bt470bg"), ("bt470bg", "bt470bg")),
        (replace(SD, colour_space="bt709"), ("bt709", "bt709")),
        (replace(HD, colour_space="gbr", pixel_format="gbrp"), ("bt709", "bt709")),
        (replace(SD, pixel_format="rgb24"), ("bt709", "bt709")),
    ],
)
def test_sdr_keeps_its_colours_and_says_which_they_are(probe: Probe, expected: tuple[str, str]) -> None:
    assert names(probe) == ["format", "setparams"]
    assert tags(probe) == expected


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_hdr_is_left_alone_by_scaling_and_tone_mapped_after_it(transfer: str) -> None:
    probe = replace(HD, colour_transfer=transfer)
    assert colour.scaling(probe) == {}
    assert names(probe) == ["zscale", "format", "zscale", "tonemap", "zscale", "format", "setparams"]
    given = colour.steps(probe)[0][1]
    assert (given["transferin"], given["primariesin"], given["matrixin"]) == (transfer, "bt2020", "bt2020nc")
    assert tags(probe) == ("bt709", "bt709")


@pytest.mark.parametrize(
    "wide", [{"colour_primaries": "bt2020"}, {"colour_primaries": "smpte432"}, {"colour_space": "bt2020nc"}]
)
def test_a_wide_gamut_is_narrowed_without_tone_mapping(wide: dict[str, str]) -> None:
    probe = replace(HD, **wide)  # type: ignore[arg-type]
    assert names(probe) == ["zscale", "format", "setparams"]
    assert tags(probe) == ("bt709", "bt709")


def test_full_range_becomes_limited() -> None:
    assert colour.scaling(HD) == {"out_range": "tv"}
    assert colour.scaling(replace(HD, pixel_format="rgb24")) == {"out_range": "tv", "out_color_matrix": "bt709"}
