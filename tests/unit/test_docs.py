"""The documents say what is there: links lead somewhere, tables list every code, examples are the product's own."""

import json
import re
from pathlib import Path

import pytest

from ingest.problems import PROBLEMS
from pipeline.limits import REASONS
from pipeline.tasks import TaskStatus

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "examples/README.md", *(ROOT / "docs").rglob("*.md")]
)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_to_a_section_leads_to_one(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*\.md)?#([^)]+)\)", path.read_text())
    assert [
        (file, section) for file, section in links if section not in sections(path.parent / file if file else path)
    ] == []


def sections(path: Path) -> set[str]:
    """The anchors of its headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", path.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_event_that_an_operator_is_told_of_is_logged() -> None:
    text = (ROOT / "docs/operations.md").read_text().partition("## When something is wrong")[2].partition("\n## ")[0]
    code = "".join(
        path.read_text() for folder in ("pipeline", "ingest", "workers") for path in (ROOT / folder).rglob("*.py")
    )
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", text)) - {"request_id", "give_up"}
    assert len(named) > 10
    assert [name for name in sorted(named) if f'"{name}"' not in code] == []


def test_the_role_may_do_what_the_records_are_asked() -> None:
    policy = json.loads((ROOT / "deploy/iam/runtime.json").read_text())
    allowed = {action for statement in policy["Statement"] for action in statement["Action"]}
    code = (ROOT / "pipeline/adapters/dynamodb.py").read_text()
    asked = set(re.findall(r'"((?:Get|Put|Update|Delete)Item|Query|Scan)"', code)) | {"ConditionCheckItem"}
    assert {f"dynamodb:{operation}" for operation in asked} <= allowed


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
