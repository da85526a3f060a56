"""The books: what became of everybody, and what to do about those of whom nobody knows."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlmodel import col, select

from digests.ledger.receipt import Receipt, receipt
from digests.models import Batch, BatchStatus
from newsletter.cli.digests import AsJson, Issue
from newsletter.cli.output import print_json, print_table
from newsletter.cli.turns import By, who
from newsletter.clock import utc_now
from newsletter.database import reading, unit_of_work
from newsletter.editions import decisions, production
from newsletter.feedback import hearing, reclassing
from newsletter.readers import answers


def register(app: typer.Typer) -> None:
    """Add the commands about an edition's books."""
    app.command("receipt")(books)
    for command in (why, settle, archive, reclass, reconcile):
        app.command(command.__name__)(command)


def books(issue: Issue = "latest", as_json: AsJson = False) -> None:
    """Print the closed books of an edition. The exit status is 1 when they do not add up.

    Example: `newsletter receipt 2026-W48 --json`
    """
    with reading(snapshot=True) as session:
        known = receipt(session, production.by_issue(session, issue, is_about_copies=True))
    if as_json:
        print_json(known.as_json())
    else:
        _print_receipt(known)
    if not known.closes:
        raise typer.Exit(1)


def archive(issue: Issue, by: By = "") -> None:
    """Keep an old edition's books and drop its ledger and events, in one statement each.

    Example: `newsletter archive 2025-W48`
    """
    with unit_of_work() as session:
        digest = production.by_issue(session, issue)
        archived = decisions.archive(session, digest, by=who(by), now=utc_now())
    typer.echo(
        f"{issue} is archived: {archived.audience:,} rows of the ledger are gone, its books stay."
    )


def reconcile(issue: Issue = "latest", as_json: AsJson = False) -> None:
    """Ask the provider what became of an edition's copies, and keep what its webhook did not tell.

    SendGrid, Mailgun and Brevo can be asked by batch. Nothing counts twice. Exit status 1 when a
    provider could not be asked about some of it.

    Example: `newsletter reconcile 2026-W48`
    """
    with reading() as session:
        digest_id = production.by_issue(session, issue, is_about_copies=True).id or 0
    heard = hearing.catch_up(digest_id, clock=utc_now)
    if as_json:
        print_json({"batches": heard.batches, "new": heard.new, "stopped": heard.stopped or None})
    else:
        typer.echo(f"{heard.batches:,} batches asked about, {heard.new:,} events were new.")
        if heard.stopped:
            typer.echo(f"newsletter: {heard.stopped}.", err=True)
    if heard.stopped:
        raise typer.Exit(1)


def reclass(issue: Issue = "latest") -> None:
    """Class an edition's opens and clicks anew, by the rules as they are now: person, machine or unknown.

    Example: `newsletter reclass 2026-W48`
    """
    with unit_of_work() as session:
        digest = production.by_issue(session, issue, is_about_copies=True)
        changed = reclassing.edition(session, digest.id or 0)
        told = f"{changed:,} opens and clicks of {digest.issue} have another class now."
    typer.echo(told)


def why(
    address: Annotated[str, typer.Argument(help="The person's address.")],
    issue: Issue = "latest",
    as_json: AsJson = False,
) -> None:
    """Say in one sentence why somebody did or did not get an edition.

    Example: `newsletter why ada@example.com 2026-W48`
    """
    with reading() as session:
        said = answers.why(
            session, address, production.by_issue(session, issue, is_about_copies=True)
        )
    if as_json:
        print_json({"address": address, "answer": said})
    else:
        typer.echo(said)


def settle(
    issue: Issue,
    batch: Annotated[
        int | None, typer.Argument(help="The batch's number; none lists them.")
    ] = None,
    accepted: Annotated[
        bool | None, typer.Option("--accepted/--not-taken", help="What you know of it.")
    ] = None,
    by: By = "",
) -> None:
    """Decide about an uncertain batch that no proof has settled. Your word is kept as the evidence.

    Example: `newsletter settle 2026-W48 17 --accepted --by "Ada, who saw it in the provider's log"`
    """
    with unit_of_work() as session:
        digest = production.by_issue(session, issue)
        if batch is None or accepted is None:
            rows = session.exec(
                select(Batch).where(
                    col(Batch.digest_id) == digest.id, col(Batch.status) == BatchStatus.uncertain
                )
            ).all()
            print_table(
                ("batch", "copies", "provider", "posted at", "why"),
                ((r.number, r.size, r.provider, r.posted_at, r.reason) for r in rows),
                empty=f"No batch of {digest.issue} is uncertain.",
            )
            return
        name = who(by)
        if not decisions.settle(session, digest, batch, accepted=accepted, by=name, now=utc_now()):
            typer.echo(f"newsletter: batch {batch} of {digest.issue} is not uncertain.", err=True)
            raise typer.Exit(1)
    typer.echo(f"Batch {batch} is {'accepted' if accepted else 'planned again'}, on {name}'s word.")


def _print_receipt(known: Receipt) -> None:
    table = Table(title=f"{known.digest} · {known.status}", box=None, title_justify="left")
    table.add_column("", justify="left")
    table.add_column("copies", justify="right")
    table.add_row("[bold]audience", f"[bold]{known.audience:,}")
    for fate in ("accepted", "rejected", "excluded", "uncertain", "planned"):
        table.add_row(fate, f"{getattr(known, fate):,}")
        for reason, count in sorted(known.reasons.get(fate, {}).items()):
            table.add_row(f"  [dim]{reason}", f"[dim]{count:,}")
    console = Console()
    console.print(table)
    for label, parts in (
        ("by provider", known.providers),
        ("by topics", known.renditions),
        ("once uncertain, settled by", known.proofs),
    ):
        if parts:
            console.print(f"{label}: " + ", ".join(f"{n} {c:,}" for n, c in parts.items()))
    if known.first_accepted_at and known.last_accepted_at:
        rate = f", {known.rate:,.0f} copies a second" if known.rate else ""
        console.print(
            f"accepted from {known.first_accepted_at:%H:%M:%S} to "
            f"{known.last_accepted_at:%H:%M:%S} UTC{rate}"
        )
    if known.content_hash:
        console.print(f"content {known.content_hash[:12]}, approved by {known.approved_by}")
    console.print(
        "[green]The books close.[/]" if known.closes else "[red]The books do not close.[/]"
    )
