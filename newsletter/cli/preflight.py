"""What is wrong with an edition, before anybody receives it."""

from typing import Annotated

import typer

from newsletter import preflight as checks
from newsletter import reach
from newsletter.cli.output import print_json
from newsletter.clock import utc_now
from newsletter.database import reading
from newsletter.editions import production


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("preflight")(preflight)


def preflight(
    issue: Annotated[
        str, typer.Argument(help="The edition, such as 2026-W48, or latest.")
    ] = "latest",
    ask: Annotated[
        bool, typer.Option("--ask", help="Ask the links that are due first, for up to a minute.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Look an edition over: findings with their severity, place and fix; exit status 1 on an error.

    Example: `newsletter preflight 2026-W48 --json`
    """
    if ask:
        reach.ask_due(clock=utc_now, within=60.0)
    with reading() as session:
        digest = production.by_issue(session, issue)
        found = checks.examine(session, digest, now=utc_now())
    if as_json:
        print_json({"digest": digest.issue, **found.as_json()})
    else:
        for one in found.findings:
            typer.echo(f"{one.severity:<8} {one.place}: {one.says} {one.fix}")
        typer.echo(
            f"{digest.issue}, content {found.content_hash[:12]}: {len(found.errors)} errors, "
            f"{len(found.warnings)} warnings, {len(found.passed)} checks without a finding. "
            f"{found.copies:,} copies measured, the worst {found.worst_bytes / 1000:.1f} kB."
        )
    if found.errors:
        raise typer.Exit(1)
