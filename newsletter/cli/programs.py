"""Tokens for programs: made, listed, ended."""

from datetime import timedelta
from typing import Annotated

import typer

from newsletter.accounts import register as accounts
from newsletter.accounts import tokens as keys
from newsletter.cli.output import print_json, print_table
from newsletter.cli.turns import By
from newsletter.cli.turns import who as whose
from newsletter.clock import utc_now
from newsletter.database import reading, unit_of_work

Who = Annotated[str, typer.Argument(help="A name or an address.")]
Name = Annotated[str, typer.Option(help="The program that will hold it.")]


def register(group: typer.Typer) -> None:
    """Add the commands to the family of ``newsletter accounts``."""
    group.command("token")(token)
    group.command("tokens")(tokens)
    group.command("end-token")(end_token)


def token(
    who: Who,
    name: Name,
    days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="How long it is good; for ever without.")
    ] = None,
    by: By = "",
) -> None:
    """Make a token with somebody's roles for a program, and print it: it is shown this once.

    Example: `newsletter accounts token Ada --name "the build" --days 90`
    """
    with unit_of_work() as session:
        account = accounts.find(session, who)
        good_for = timedelta(days=days) if days else None
        made = keys.make(session, account, name, good_for=good_for, by=whose(by), now=utc_now())
    typer.echo(made)


def tokens(
    who: Who, as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False
) -> None:
    """List somebody's tokens: for which programs, since and until when, and when last used.

    Example: `newsletter accounts tokens Ada`
    """
    with reading() as session:
        rows = [
            {
                "name": one.name,
                "made_at": one.made_at.isoformat(),
                "used_at": one.used_at and one.used_at.isoformat(),
                "ends_at": one.ends_at and one.ends_at.isoformat(),
            }
            for one in keys.of(session, accounts.find(session, who))
        ]
    if as_json:
        print_json(rows)
        return
    print_table(
        ("program", "made", "last used", "good until"),
        (
            (r["name"], r["made_at"], r["used_at"] or "never", r["ends_at"] or "for ever")
            for r in rows
        ),
        empty="None; `newsletter accounts token` makes one.",
    )


def end_token(who: Who, name: Name, by: By = "") -> None:
    """End a token: it opens nothing from now on.

    Example: `newsletter accounts end-token Ada --name "the build"`
    """
    with unit_of_work() as session:
        account = accounts.find(session, who)
        keys.end(session, account, name, by=whose(by), now=utc_now())
        typer.echo(f"The token {name} of {account.name} opens nothing any more.")
