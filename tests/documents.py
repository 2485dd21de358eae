"""The examples in README.md and docs/, so that tests run what readers copy."""

from collections.abc import Iterator

from tests.serving import ROOT


def block(document: str, heading: str, language: str, number: int = 0) -> str:
    """Return the code of a fenced block: the `number`th of its language, from 0, between a heading and the next one."""
    path = ROOT / "docs" / document if document != "README.md" else ROOT / document
    found = list(_blocks(path.read_text(), heading, language))
    assert len(found) > number, f"{document} has no such example below {heading!r}"
    return found[number]


def _blocks(text: str, heading: str, language: str) -> Iterator[str]:
    below, fence, code = False, None, ""
    for line in text.splitlines(keepends=True):
        if fence is None and line.startswith("#"):
            below = line.strip() == heading
        elif fence is None and line.startswith("```"):
            fence, code = line.strip().removeprefix("```"), ""
        elif line.startswith("```"):
            if below and fence == language:
                yield code
            fence = None
        else:
            code += line
