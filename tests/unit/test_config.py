"""`pipeline.toml`: read whole, refused with every mistake at once."""

from pathlib import Path

import pytest

from pipeline.config import ConfigError, load

TOML = Path(__file__).parents[2] / "pipeline.toml"


def refusal(tmp_path: Path, *changes: tuple[str, str]) -> str:
    text = TOML.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "pipeline.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load(path)
    return str(error.value)


def test_the_shipped_file_says_what_the_readme_promises() -> None:
    pipeline = load(TOML)
    assert pipeline.limits.bytes == 500_000_000
    thumbnail = pipeline.stills[0]
    assert (thumbnail.name, thumbnail.width, thumbnail.height) == ("thumbnail", 300, 300)
    assert (thumbnail.fit, thumbnail.format, thumbnail.quality) == ("inside", "jpeg", 80)
    assert [rung.name for rung in pipeline.ladder] == ["1080p", "720p", "480p", "360p"]
    assert pipeline.publish_originals


def test_each_stage_has_its_own_queue_and_terms() -> None:
    pipeline = load(TOML)
    assert pipeline.stage("transcode#0007").retries.attempts == 3
    assert pipeline.queue_of("transcode#0007", 30.0) == "video-short"
    assert pipeline.queue_of("transcode#0007", 3600.0) == "video-long"
    assert pipeline.queue_of("thumbnail", None) == "images"
    assert pipeline.attempts_of("validate") == 8
    assert pipeline.attempts_of("purge") is None


def test_all_mistakes_are_told_at_once_with_the_nearest_right_name(tmp_path: Path) -> None:
    text = refusal(
        tmp_path,
        ("side = 30000", "sides = 30000"),
        ('duration = "4h"', 'duration = "4 hours"'),
        ('thumbnail = { queue = "images"', 'thumbnail = { queue = "image"'),
        ('validate = { queue = "light", retries = "io"', 'validat = { queue = "light", retries = "oi"'),
        ('preset = "veryfast"', 'preset = "fastest"'),
        ('renewal = "10s"', 'renewal = "20s"'),
    )
    assert "limits.sides: unknown key; did you mean 'side'?" in text
    assert "limits.side: is missing" in text
    assert "limits.duration: '4 hours' is no quantity: write a number and one of ms, s, m, h, d" in text
    assert "stages.thumbnail.queue: there is no 'image'; did you mean 'images'?" in text
    assert "stages.validat: unknown stage; did you mean 'validate'?" in text
    assert "stages.validat.retries: there is no 'oi'; did you mean 'io'?" in text
    assert "stages.validate: is missing" in text
    assert "video.preset" in text
    assert "lease.renewal: 20 s is too seldom: a lease of 30 s is renewed twice before it ends" in text


def test_a_file_that_is_not_there_or_no_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: No such file.*Set PIPELINE"):
        load(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("limits = [")
    with pytest.raises(ConfigError, match="is no TOML"):
        load(tmp_path / "bad.toml")


def test_a_ladder_without_rungs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.toml"
    head, _, tail = TOML.read_text().partition("[[ladder]]")
    path.write_text("ladder = []\n" + head + tail[tail.index("[audio]") :])
    with pytest.raises(ConfigError, match="ladder: "):
        load(path)
