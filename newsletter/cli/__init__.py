"""The command line: thin doors to the flow, each with an example and one sentence for each refusal.

A module of commands is imported when one of them is asked for: a worker need not read what
accounts are, and `newsletter why` answers at once.
"""

import gc
import sys
from importlib import import_module, metadata
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from newsletter.logs import keep_out_of_answers

#: Which module brings which commands, in the order in which help lists them.
PARTS: Final[dict[str, tuple[str, ...]]] = {
    "serving": ("run", "demo", "web", "worker", "beat", "sandbox", "migrate"),
    "comparisons": ("import", "comparisons"),
    "digests": (
        *("digests", "preview", "move", "cancel", "correct", "pause", "resume", "stop", "go"),
    ),
    "approvals": ("approve", "refuse", "undo"),
    "preflight": ("preflight",),
    "books": ("receipt", "why", "settle", "archive", "reclass", "reconcile"),
    "reports": ("report", "recount"),
    "status": ("status", "top"),
    "doctor": ("doctor",),
    "settings": ("settings",),
    "secrets": ("secrets",),
    "keeping": ("backup", "restore"),
    "schedules": ("schedule",),
    "subscribers": ("subscribers",),
    "suppressions": ("suppressions",),
    "accounts": ("accounts",),
    "log": ("log",),
}
_PART_OF: Final = {command: part for part, commands in PARTS.items() for command in commands}
_LOOK: Final[dict[str, Any]] = {
    "rich_markup_mode": "markdown",
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}


class OnDemand(TyperGroup):
    """The commands of all parts, each part imported when its first command is looked up."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 - Typer's Click is private
        """All of them, without importing any."""
        return list(_PART_OF)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 - Typer's Click is private
        """The command called *cmd_name*; None when there is none, and then all are known to suggest."""
        if cmd_name not in self.commands:
            asked = _PART_OF.get(cmd_name)
            for part in PARTS if asked is None else (asked,):
                self.commands.update(brought_by(part))
        return super().get_command(ctx, cmd_name)


def brought_by(part: str) -> dict[str, Any]:
    """The commands that the module *part* registers, by name."""
    alone = typer.Typer(**_LOOK)
    import_module(f"newsletter.cli.{part}").register(alone)
    return dict(typer.main.get_group(alone).commands)


app = typer.Typer(
    cls=OnDemand,
    name="newsletter",
    help="Weekly AI Tool Verdicts: assemble, approve, send and account for the weekly digest.",
    no_args_is_help=True,
    **_LOOK,
)


def _tell_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"newsletter {metadata.version('weekly-ai-tool-verdicts')}")
        raise typer.Exit


@app.callback()
def _newsletter(
    version: Annotated[  # noqa: ARG001 - answered by its callback
        bool,
        typer.Option(
            "--version", callback=_tell_version, is_eager=True, help="Say which version this is."
        ),
    ] = False,
) -> None:
    keep_out_of_answers()


def main() -> None:
    """The ``newsletter`` command."""
    # What is imported stays: to look for garbage in it every 700 objects is a tenth of each start.
    gc.set_threshold(20_000)
    try:
        app()
    except Exception as error:
        sentence = _in_a_sentence(error)
        if sentence is None:
            raise
        typer.echo(f"newsletter: {sentence}", err=True)
        sys.exit(1)


def _in_a_sentence(error: Exception) -> str | None:
    """What a person can put right, as words; None for what is our own mistake."""
    said: str | None = import_module("newsletter.cli.refusals").in_a_sentence(error)
    return said
