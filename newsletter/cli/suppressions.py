"""Whom providers do not mail, taken over; and whom we do not mail, told to them."""

import sys
from typing import Annotated

import typer

from newsletter.accounts import audit
from newsletter.cli.output import print_json
from newsletter.cli.turns import By, who
from newsletter.clock import utc_now
from newsletter.database import unit_of_work
from newsletter.feedback import suppressing
from newsletter.settings import settings

Provider = Annotated[str, typer.Option(help="Which provider; without it, each one in use.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Providers' suppression lists, and ours.", no_args_is_help=True)
    group.command("pull")(pull)
    group.command("push")(push)
    app.add_typer(group, name="suppressions")


def pull(provider: Provider = "", by: By = "", as_json: AsJson = False) -> None:
    """Take over whom the provider does not mail: bounces, complaints, those who left there.

    A tick does this every night. Cut off, it goes on from where it was; exit status 1 until it
    is through. Whoever confirmed anew after they were listed stays, and is counted.

    Example: `newsletter suppressions pull --provider sendgrid`
    """
    found = {name: suppressing.pull(name, clock=utc_now) for name in _named(provider)}
    for name, pulled in found.items():
        _write_down("suppressions.pulled", name, {"taken_over": pulled.taken_over}, by)
        if not as_json:
            typer.echo(
                f"{name}: {pulled.seen:,} on its lists, {pulled.taken_over:,} taken over, "
                f"{pulled.came_back:,} came back since and stay."
            )
            _say_why(name, pulled.stopped)
    if as_json:
        print_json(
            {
                name: {
                    "seen": pulled.seen,
                    "taken_over": pulled.taken_over,
                    "came_back": pulled.came_back,
                    "stopped": pulled.stopped or None,
                }
                for name, pulled in found.items()
            }
        )
    if any(pulled.stopped for pulled in found.values()):
        sys.exit(1)


def push(
    provider: Provider = "",
    also_left: Annotated[
        bool, typer.Option("--also-left", help="Those who left, too: see the warning.")
    ] = False,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Tell the provider whom we do not mail because it bounced or they complained.

    With --also-left whoever left as well; the provider then keeps back the very letter by which
    they would come in again. Brevo has no call for it. Cut off, it goes on from where it was.

    Example: `newsletter suppressions push --provider mailgun`
    """
    found = {
        name: suppressing.push(name, also_left=also_left, clock=utc_now)
        for name in _named(provider)
    }
    for name, (told, stopped) in found.items():
        _write_down("suppressions.pushed", name, {"told": told}, by)
        if not as_json:
            typer.echo(f"{name}: told of {told:,}.")
            _say_why(name, stopped)
    if as_json:
        print_json({n: {"told": told, "stopped": why or None} for n, (told, why) in found.items()})
    if any(stopped for _, stopped in found.values()):
        sys.exit(1)


def _named(provider: str) -> list[str]:
    return [provider] if provider else list(dict.fromkeys(settings().esp_names))


def _say_why(name: str, stopped: str) -> None:
    if stopped:
        typer.echo(f"newsletter: {name}: {stopped}. Run it again to go on.", err=True)


def _write_down(action: str, name: str, after: dict[str, int], by: str) -> None:
    with unit_of_work() as session:
        audit.note(session, by=who(by), action=action, subject=name, after=after, now=utc_now())
