"""Editions: look at one, put your name to it, stop it, read its books."""

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlmodel import col, select

from digests import halting, lifecycle
from digests.models import Batch, BatchStatus, Digest
from digests.receipt import Receipt, receipt
from newsletter import answers, guarding, production
from newsletter.cli.output import print_json, print_table
from newsletter.clock import utc_now
from newsletter.database import reading, unit_of_work
from newsletter.reconciling import settle_by_hand

Issue = Annotated[str, typer.Argument(help="The edition, such as 2026-W48, or latest.")]
By = Annotated[str, typer.Option(help="Whose word it is.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]


def register(app: typer.Typer) -> None:
    """Add the commands about editions."""
    for command in (show, preview, approve, move, cancel, correct, pause, resume, stop, go):
        app.command({"show": "digests"}.get(command.__name__, command.__name__))(command)
    app.command("receipt")(books)
    app.command("why")(why)
    app.command("settle")(settle)


def show(as_json: AsJson = False) -> None:
    """List the editions, newest first.

    Example: `newsletter digests --json`
    """
    with reading() as session:
        rows = [
            {
                "digest": one.issue,
                "status": str(one.status),
                "send_at": one.send_at.isoformat(),
                "subject": one.subject,
                "audience": one.audience,
                "approved_by": one.approved_by,
                "paused_reason": one.paused_reason,
            }
            for one in session.exec(select(Digest).order_by(col(Digest.assembled_at).desc()))
        ]
    if as_json:
        print_json(rows)
        return
    print_table(
        ("digest", "status", "goes at", "subject"),
        ((r["digest"], r["status"], r["send_at"], r["subject"]) for r in rows),
        empty="No edition yet; beat assembles one when its schedule is due (`newsletter schedule`).",
    )


def preview(
    issue: Issue = "latest",
    html: Annotated[Path | None, typer.Option(help="Write the HTML part to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show an edition as it will go out: subject, preheader, text part and content hash.

    Example: `newsletter preview 2026-W48 --html /tmp/digest.html`
    """
    with reading() as session:
        shown = production.preview(session, production.by_issue(session, issue))
        content, digest = shown.rendered.content, shown.digest
        if html:
            html.write_text(content.html, encoding="utf-8")
        if as_json:
            print_json(
                {
                    "digest": digest.issue,
                    "status": str(digest.status),
                    "subject": content.subject,
                    "preheader": digest.preheader,
                    "hash": shown.content_hash,
                    "html_bytes": len(content.html.encode()),
                    "text": content.text,
                    "html": content.html,
                }
            )
            return
        typer.echo(f"{digest.issue} ({digest.status}), content {shown.content_hash[:12]}")
        typer.echo(f"Subject: {content.subject}\nPreheader: {digest.preheader}\n\n{content.text}")


def approve(
    issue: Issue = "latest",
    by: By = "",
    content: Annotated[
        str | None, typer.Option("--hash", help="Only this content: the hash that preview shows.")
    ] = None,
) -> None:
    """Put your name to an edition: exactly what preview shows is what will be sent.

    Example: `newsletter approve 2026-W48 --by "Ada" --hash 3f2a91c0d4e5`
    """
    with unit_of_work() as session:
        digest = production.by_issue(session, issue)
        who = by or getpass.getuser()
        done = production.approve(session, digest, by=who, now=utc_now(), seen_hash=content)
        typer.echo(
            f"{digest.issue} approved by {who}, content {done.content_hash[:12]}; "
            f"it goes at {digest.send_at:%Y-%m-%d %H:%M} UTC."
        )


def move(
    issue: Issue,
    to: Annotated[datetime, typer.Option(help="The new moment, in UTC.")],
) -> None:
    """Let an edition go at another moment.

    Example: `newsletter move 2026-W48 --to 2026-11-23T10:30:00`
    """
    moment = to.replace(tzinfo=UTC)
    with unit_of_work() as session:
        production.move(session, production.by_issue(session, issue), to=moment)
    typer.echo(f"{issue} goes at {moment:%Y-%m-%d %H:%M} UTC.")


def cancel(issue: Issue) -> None:
    """Never send an edition; unsent, its comparisons are free for the next one.

    Example: `newsletter cancel 2026-W48`
    """
    with unit_of_work() as session:
        production.cancel(session, production.by_issue(session, issue), now=utc_now())
    typer.echo(f"{issue} is cancelled.")


def correct(
    issue: Issue,
    note: Annotated[str, typer.Option(help="What was wrong, in Markdown: it opens the mail.")],
    content: Annotated[
        str | None, typer.Option("--hash", help="Only those who got this content.")
    ] = None,
) -> None:
    """Draft a correction of an edition: the comparisons as they are now, to those who received it.

    It waits for approval like any other draft.

    Example: `newsletter correct 2026-W48 --note "The price of Mistral Large 3 was wrong." --hash 3f2a`
    """
    with unit_of_work() as session:
        original = production.by_issue(session, issue)
        draft = production.correct(
            session, original, note=note, content_hash=content, now=utc_now()
        )
        typer.echo(f"{draft.issue} corrects {original.issue}; `newsletter approve {draft.issue}`.")


def pause(
    issue: Issue,
    reason: Annotated[str, typer.Option(help="A sentence for the others.")] = "by hand",
) -> None:
    """Stop a send within one batch; `newsletter resume` goes on where it stopped.

    Example: `newsletter pause 2026-W48 --reason "a wrong price in the lead"`
    """
    with unit_of_work() as session:
        lifecycle.pause(session, production.by_issue(session, issue), reason=reason)
    typer.echo(f"{issue} is paused.")


def resume(issue: Issue) -> None:
    """Go on with a paused send.

    Example: `newsletter resume 2026-W48`
    """
    with unit_of_work() as session:
        guarding.resume(session, production.by_issue(session, issue))
    typer.echo(f"{issue} goes on.")


def stop(
    reason: Annotated[str, typer.Option(help="A sentence for the others.")] = "by hand", by: By = ""
) -> None:
    """Stop everything: the kill switch. Nothing is claimed or posted until `newsletter go`.

    Example: `newsletter stop --reason "complaints are rising"`
    """
    with unit_of_work() as session:
        halting.halt(session, by=by or getpass.getuser(), reason=reason, now=utc_now())
    typer.echo("Everything is stopped; `newsletter go` lets it go on.")


def go() -> None:
    """Release the kill switch.

    Example: `newsletter go`
    """
    with unit_of_work() as session:
        halting.release(session)
    typer.echo("Sending goes on.")


def books(issue: Issue = "latest", as_json: AsJson = False) -> None:
    """Print the closed books of an edition. The exit status is 1 when they do not add up.

    Example: `newsletter receipt 2026-W48 --json`
    """
    with reading() as session:
        known = receipt(session, production.by_issue(session, issue))
    if as_json:
        print_json(known.as_json())
    else:
        _print_receipt(known)
    if not known.closes:
        raise typer.Exit(1)


def why(
    address: Annotated[str, typer.Argument(help="The person's address.")],
    issue: Issue = "latest",
    as_json: AsJson = False,
) -> None:
    """Say in one sentence why somebody did or did not get an edition.

    Example: `newsletter why ada@example.com 2026-W48`
    """
    with reading() as session:
        said = answers.why(session, address, production.by_issue(session, issue))
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
        who = by or getpass.getuser()
        if not settle_by_hand(
            session, digest.id or 0, batch, accepted=accepted, by=who, now=utc_now()
        ):
            typer.echo(f"newsletter: batch {batch} of {digest.issue} is not uncertain.", err=True)
            raise typer.Exit(1)
    typer.echo(f"Batch {batch} is {'accepted' if accepted else 'planned again'}, on {who}'s word.")


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
