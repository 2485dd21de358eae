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
        ('validate = { queue = "images", retries = "io"', 'validat = { queue = "images", retries = "oi"'),
        ('preset = "veryfast"                   # of x264\ncrf = 22', 'preset = "fastest"\ncrf = 22'),
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


def test_a_limit_whose_parts_no_memory_holds_is_refused(tmp_path: Path) -> None:
    text = refusal(tmp_path, ('bytes = "500 MB"', 'bytes = "1400 GB"'))
    assert "ingest: a file of limits.bytes comes in 10000 parts of 134 MiB: memory has to hold one" in text


def test_every_mistake_in_a_still_is_told_at_once(tmp_path: Path) -> None:
    text = refusal(
        tmp_path,
        ('fit = "inside"\nformat = "jpeg"\nquality = 80', 'fit = "within"\nformat = "jpg"\nquality = 101'),
        ("[stills.small]\nwidth = 640\nheight = 640", '[stills.poster]\nfit = "cover"\nbackground = "white"'),
        ('formats = ["webp", "avif"]', 'formats = ["webp", "webp"]\nformat = "avif"\ngravity = "center"'),
        ("quality = 82\nprogressive", 'fit = "cover"\ngravity = "center"\nquality = 82\nprogressive'),
        ("speed = 9", "speed = 11"),
        ('record = ["taken"', 'record = ["owner"'),
        ('truncated = "reject"', 'truncated = "accept"'),
    )
    for mistake in (
        "stills.thumbnail.fit: input should be 'inside', 'cover' or 'contain', not 'within'",
        "stills.thumbnail.format: input should be 'jpeg', 'webp' or 'avif', not 'jpg'",
        "stills.thumbnail.quality: 101 is no quality; it is a number from 1 to 100",
        "stills.poster: is the name of another rendition; taken are: animation, audio, ",
        "stills.poster: needs a width, a height or both",
        "stills.poster.fit: 'cover' fills a box; it needs a width and a height",
        "stills.poster.background: ",
        "stills.medium.formats: stands beside format; give one of them",
        "stills.medium.formats: names one twice",
        "stills.medium.gravity: nothing is cut off",
        "stills.medium.quality.avif: the still is not made in that format",
        "stills.large.gravity: input should be 'centre', 'north', ",
        "encoders.avif.speed: ",
        "metadata.record",
        "limits.truncated: input should be 'reject' or 'accept-with-warning', not 'accept'",
    ):
        assert f"\n  - {mistake}" in text, mistake


def test_a_pipeline_without_stills_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.toml"
    head, _, tail = TOML.read_text().partition("[stills.thumbnail]")
    path.write_text(head + "[stills]\n" + tail[tail.index("[encoders]") :])
    with pytest.raises(ConfigError, match="stills: is empty"):
        load(path)


def test_the_formats_of_a_still_are_stills_that_differ_in_name_key_and_quality() -> None:
    webp, avif = (still for still in load(TOML).stills if still.name.startswith("medium"))
    assert (webp.name, webp.format, webp.quality, webp.effort) == ("medium", "webp", 80, 2)
    assert (avif.name, avif.format, avif.quality, avif.effort) == ("medium.avif", "avif", 60, 9)
    assert avif.suffix == f"medium-{avif.recipe}.avif"
    assert webp.recipe != avif.recipe


def test_what_renditions_keep_is_part_of_their_recipe(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.toml"
    path.write_text(TOML.read_text().replace("keep = []", 'keep = ["icc", "copyright"]'))
    kept, bare = load(path).stills[0], load(TOML).stills[0]
    assert kept.keep == ("copyright", "icc")
    assert kept.recipe != bare.recipe
    assert type(kept).from_dict(kept.to_dict()) == kept


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


def test_a_queue_is_looked_at_as_often_as_it_says() -> None:
    poll = load(TOML).poll
    assert (poll["submit"], poll["light"]) == (0.2, 1.0)


def test_queues_that_name_a_process_share_it() -> None:
    assert load(TOML).processes == (("light", "record", "submit"), ("images",), ("video-short", "video-long"))


def test_what_a_backfill_replaced_may_be_kept_for_ever(tmp_path: Path) -> None:
    shipped = 'superseded = "90d"'
    path = tmp_path / "kept.toml"
    path.write_text(TOML.read_text().replace(shipped, 'superseded = "off"'))
    assert (load(TOML).superseded, load(path).superseded) == (90 * 86_400, None)
    assert "superseded" in refusal(tmp_path, (shipped, 'superseded = "never"'))
    assert "superseded" in refusal(tmp_path, (shipped, 'superseded = "0s"'))
