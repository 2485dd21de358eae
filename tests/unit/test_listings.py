"""What commands list can be copied from any terminal."""

import io

from rich.console import Console

from ops import listings

LONG = "x" * 90


def lines(*rows: tuple[str, ...]) -> list[str]:
    file = io.StringIO()
    listings.show(Console(file=file, width=80), ("id", "name", "size"), rows, "There are none.")
    return file.getvalue().splitlines()


def test_nothing_is_cut_off_at_eighty_columns() -> None:
    heading, first, second = lines((LONG, "mine", "1 kB"), ("b", LONG, "20 kB"))
    assert (first.split(), second.split()) == ([LONG, "mine", "1", "kB"], ["b", LONG, "20", "kB"])
    assert heading.index("name") == first.index("mine") == second.index(LONG)
    assert len(heading) == len(first) == len(second)  # sizes stand on the right


def test_markup_and_what_moves_the_cursor_are_text() -> None:
    _, row = lines(("[red]a", ":smile:\x1b[2J\n", ""))
    assert row == "[red]a  :smile: [2J"


def test_no_row_is_said() -> None:
    assert lines() == ["There are none."]
