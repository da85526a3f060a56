"""What became of the last editions with their readers, in a terminal or for a program."""

from typing import Annotated

import typer

from newsletter.cli.output import print_json, print_table
from newsletter.clock import utc_now
from newsletter.database import reading
from newsletter.editions import production
from newsletter.feedback import reporting

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("report")(report)
    app.command("recount")(recount)


def report(
    count: Annotated[int, typer.Option(min=1, max=60, help="How many editions.")] = 12,
    as_json: AsJson = False,
) -> None:
    """Show what became of the last editions: copies, opens and clicks as ranges, and who left.

    Example: `newsletter report --json`
    """
    with reading() as session:
        shown = reporting.reports(session, None, count=count)
    if as_json:
        print_json([one.as_json() for one in shown])
        return
    print_table(
        ("digest", "accepted", "delivered", "opened", "clicked", "left", "bounced", "complained"),
        (
            (
                one.week.issue,
                one.week.accepted,
                one.figures.delivered,
                f"{one.figures.opened.certain}-{one.figures.opened.possible}",
                f"{one.figures.clicked.certain}-{one.figures.clicked.possible}",
                one.figures.unsubscribed,
                one.figures.bounced,
                one.figures.complained,
            )
            for one in shown
        ),
        empty="No edition has gone out yet.",
    )


def recount(
    issue: Annotated[str, typer.Argument(help="The edition, such as 2026-W48.")] = "latest",
) -> None:
    """Count an edition's events anew; a tick does it by itself, more and more seldom.

    Example: `newsletter recount 2026-W48`
    """
    with reading() as session:
        digest = production.by_issue(session, issue, is_about_copies=True)
        digest_id, name = digest.id or 0, digest.issue
    found = reporting.recount(digest_id, now=utc_now())
    typer.echo(f"{name}: {found.opened.certain:,} to {found.opened.possible:,} people opened it.")
