"""The documents say what is there: links lead somewhere, tables list every code, examples are the product's own."""

import re
from pathlib import Path

import pytest

from ingest.problems import PROBLEMS
from pipeline.limits import REASONS
from pipeline.tasks import TaskStatus

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_every_code_is_documented_with_its_sentence() -> None:
    text = (ROOT / "docs/reasons.md").read_text()
    for code, sentence in REASONS.items():
        assert f"| `{code}` | {sentence} |" in text
    for code, (status, sentence) in PROBLEMS.items():
        assert f"| `{code}` | {status} | {sentence} |" in text


def test_every_task_status_stands_in_the_protocol() -> None:
    text = (ROOT / "docs/protocol.md").read_text()
    assert [status for status in TaskStatus if status.value not in text] == []


def test_every_row_of_the_failure_table_names_its_proof() -> None:
    text = (ROOT / "README.md").read_text()
    table = text.partition("## When things fail")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ") and not line.startswith("| what fails")]
    assert len(rows) >= 10
    assert all(re.search(r"\]\(tests/[\w/]+\.py\) \|$", row) for row in rows)
