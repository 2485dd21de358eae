"""The image installs requirements-runtime.lock: it must be nothing but a part of the lock everybody develops on."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def pins(lock: str) -> dict[str, set[str]]:
    """Return the hashes of each `name==version`; one name may have several, told apart by markers."""
    entries = re.split(r"\n(?=\S)", (ROOT / lock).read_text())
    return {entry.split()[0]: set(re.findall(r"sha256:(\w+)", entry)) for entry in entries}


def name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement)[0].lower()


def test_every_pin_of_the_image_is_one_of_development_with_the_same_hashes() -> None:
    runtime, development = pins("requirements-runtime.lock"), pins("requirements.lock")
    assert runtime
    assert all(runtime.values())
    assert {pin: development.get(pin) for pin in runtime} == runtime


def test_the_image_gets_every_dependency_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = {name(pin) for pin in pins("requirements-runtime.lock")}
    assert {name(requirement) for requirement in project["dependencies"]} <= locked
