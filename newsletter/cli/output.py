"""What commands print: a table for people, or one JSON document for programs."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

#: Characters: wider than any row, where nobody looks at it through a window.
_WIDE: Final = 10_000


def print_json(value: object) -> None:
    """*value* as one line of JSON on standard output; moments in ISO 8601."""
    typer.echo(orjson.dumps(value, default=str).decode())


def moment(said: object) -> str:
    """A moment in ISO 8601 as a table shows it, to the second; its offset is said in the head."""
    return str(said)[:19].replace("T", " ")


def print_table(heads: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str) -> None:
    """*rows* under *heads*, numbers to the right; *empty* says what to do when there are none.

    Nothing is cut: what is too long for a terminal goes on below, and for a program each row is a line.
    """
    known = [list(row) for row in rows]
    if not known:
        typer.echo(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, head in enumerate(heads):
        number = all(isinstance(row[index], int | float) for row in known)
        table.add_column(head, justify="right" if number else "left", overflow="fold")
    for row in known:
        # As text: what people wrote in brackets is no markup.
        table.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else str(cell)) for cell in row))
    console = Console()
    if not console.is_terminal:
        console.width = _WIDE
    console.print(table)
