"""The doctor: what is green, what is red, and what puts it right."""

import sys
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from newsletter.cli.output import print_json
from newsletter.clock import utc_now
from newsletter.doctor import Examination, Finding
from newsletter.doctor.examining import look_and_keep

_MARKS: Final = {
    "green": ("✓ ok", "green"),
    "red": ("✗ wrong", "bold red"),
    "unclear": ("? unclear", "yellow"),
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only what is not well.")] = False,
) -> None:
    """Check the machine, the provider's account, the domain's DNS and one-click, each with its fix.

    Exit status 1 when something is wrong. Nothing is changed and nothing secret is shown; what was
    found is kept for the alerts, so that one whose cause is mended ends.

    Example: `newsletter doctor --quiet`
    """
    found = look_and_keep(clock=utc_now)
    if as_json:
        print_json(found.as_json())
    else:
        _print(found, quiet=quiet)
    if found.red:
        sys.exit(1)


def _print(found: Examination, *, quiet: bool) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for words, findings in found.by_part():
        shown = [one for one in findings if not quiet or one.check.good is not True]
        if not shown:
            continue
        console.print(Text(words, style="bold"))
        for one in shown:
            console.print(_line(one, named=found.names_providers))
        console.print()
    red, unclear = len(found.red), len(found.unclear)
    console.print(
        "Everything that could be checked is well."
        if not red and not unclear
        else f"{red} wrong, {unclear} unclear, {len(found.findings) - red - unclear} well."
    )


def _line(one: Finding, *, named: bool) -> Text:
    mark, style = _MARKS[one.state]
    line = Text.assemble("  ", (f"{mark:<10}", style))
    if one.about and named:
        line.append(f"{one.about}: ")
    line.append(one.check.says)
    if one.check.fix:
        line.append(f" {one.check.fix}", style="cyan")
    return line
