"""Every command of the command line, by what one types for it."""

from collections.abc import Iterator
from typing import Any

import typer

from newsletter.cli import app

# Typer brings a Click of its own, whose classes are not public: hence Any for a command.


def every_command() -> dict[str, Any]:
    """Those that do something, without the families they stand in."""
    return {path: one for path, one in with_families() if not hasattr(one, "commands")}


def with_families() -> Iterator[tuple[str, Any]]:
    """A family may do something of its own, as ``newsletter schedule`` does."""
    return _under(typer.main.get_command(app), "")


def _under(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, command
    if hasattr(command, "commands"):
        with typer.Context(command) as context:
            for name in command.list_commands(context):
                yield from _under(command.get_command(context, name), f"{path} {name}".strip())
