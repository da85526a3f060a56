"""What commands print: a table for people, or one JSON document for programs."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import typer
from rich.console import Console
from rich.table import Table


def print_json(value: object) -> None:
    """*value* as one line of JSON on standard output; moments in ISO 8601."""
    typer.echo(orjson.dumps(value, default=str).decode())


def print_table(heads: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str) -> None:
    """*rows* under *heads*, numbers to the right; *empty* says what to do when there are none."""
    known = [list(row) for row in rows]
    if not known:
        typer.echo(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, head in enumerate(heads):
        number = all(isinstance(row[index], int | float) for row in known)
        table.add_column(head, justify="right" if number else "left")
    for row in known:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    Console().print(table)
