"""Names under an edition: put yours there, send it back, think better of it."""

from typing import Annotated

import typer

from newsletter.cli.digests import Issue
from newsletter.cli.turns import By, who
from newsletter.clock import utc_now
from newsletter.database import unit_of_work
from newsletter.editions import approval, production


def register(app: typer.Typer) -> None:
    """Add the commands about approval."""
    for command in (approve, refuse, undo):
        app.command(command.__name__)(command)


def approve(
    issue: Issue = "latest",
    by: By = "",
    content: Annotated[
        str | None, typer.Option("--hash", help="Only this content: the hash that preview shows.")
    ] = None,
    word: Annotated[
        str | None, typer.Option(help="Why it may go all the same, where preflight warns.")
    ] = None,
) -> None:
    """Put your name to an edition: exactly what preview shows is what will be sent.

    What `newsletter preflight` calls an error refuses it; a warning asks for a word.
    Where two people are asked for, it goes once another one has approved the same.

    Example: `newsletter approve 2026-W48 --by "Ada" --hash 3f2a91c0d4e5`
    """
    with unit_of_work() as session:
        digest = production.by_issue(session, issue)
        name = who(by)
        done = production.approve(
            session, digest, by=name, now=utc_now(), seen_hash=content, word=word
        )
        what = f"{digest.issue} approved by {name}, content {done.content_hash[:12]}; "
        if digest.content_hash is None:
            typer.echo(f"{what}it waits for a second name.")
        else:
            typer.echo(f"{what}it goes at {digest.send_at:%Y-%m-%d %H:%M} UTC.")


def refuse(
    issue: Issue,
    reason: Annotated[str, typer.Option(help="What is to be different: its author is told.")],
    by: By = "",
) -> None:
    """Send an edition back to its author as it stands; an approval that it has is void.

    Example: `newsletter refuse 2026-W48 --reason "The lead is from last month."`
    """
    with unit_of_work() as session:
        digest = production.by_issue(session, issue)
        approval.refuse(session, digest, reason=reason, by=who(by), now=utc_now())
    typer.echo(f"{issue} is sent back, and its author is told.")


def undo(issue: Issue = "latest", by: By = "") -> None:
    """Take an approval back; possible until a worker has the first copies in its hands.

    Example: `newsletter undo 2026-W48`
    """
    with unit_of_work() as session:
        digest = production.by_issue(session, issue)
        approval.undo(session, digest, by=who(by), now=utc_now())
        typer.echo(f"{digest.issue} is a draft again.")
