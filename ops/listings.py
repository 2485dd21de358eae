"""What the commands list: one row a thing, nothing cut off that somebody may have to copy."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDEST = 400
"""Columns that a row may take: a terminal wraps a long one so that it can still be copied, a table would cut it."""


def show(console: Console, headings: Sequence[str], rows: Iterable[Sequence[str]], nothing: str = "") -> None:
    """Print the rows below their headings, sizes on the right; or `nothing` when there are none."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="")
    for heading in headings:
        table.add_column(heading, overflow="fold", justify="right" if heading == "size" else "left")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    if table.row_count:
        wide = Console(width=WIDEST)
        with wide.capture() as lines:
            wide.print(table)
        for line in lines.get().splitlines():
            console.out(line.rstrip(), highlight=False)
    elif nothing:
        console.out(nothing, highlight=False)


def printable(text: str) -> str:
    """Blank out what moves the cursor: an error may quote a stranger's file."""
    return "".join(char if char.isprintable() else " " for char in text)
