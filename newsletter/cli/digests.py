"""Editions: look at one, put your name to it, move it, stop it, correct it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from sqlmodel import col, select

from digests.models import Digest
from newsletter.cli.output import moment, print_json, print_table
from newsletter.cli.turns import WANTS_A_NAME, By, who
from newsletter.clock import utc_now
from newsletter.database import reading, unit_of_work
from newsletter.editions import decisions, production

Issue = Annotated[str, typer.Argument(help="The edition, such as 2026-W48, or latest.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]


def register(app: typer.Typer) -> None:
    """Add the commands about editions."""
    for command in (
        show,
        preview,
        move,
        cancel,
        correct,
        pause,
        resume,
        stop,
        go,
    ):
        app.command({"show": "digests"}.get(command.__name__, command.__name__))(command)


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
            for one in session.exec(
                select(Digest).order_by(col(Digest.assembled_at).desc(), col(Digest.id).desc())
            )
        ]
    if as_json:
        print_json(rows)
        return
    print_table(
        ("digest", "status", "goes at, UTC", "subject"),
        ((r["digest"], r["status"], moment(r["send_at"]), r["subject"]) for r in rows),
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


def move(
    issue: Issue,
    to: Annotated[datetime, typer.Option(help="The new moment, in UTC.")],
    by: By = "",
) -> None:
    """Let an edition go at another moment.

    Example: `newsletter move 2026-W48 --to 2026-11-23T10:30:00`
    """
    moment = to.replace(tzinfo=UTC)
    with unit_of_work() as session:
        digest = production.by_issue(session, issue)
        taken_back = decisions.move(session, digest, to=moment, by=who(by), now=utc_now())
    typer.echo(f"{issue} goes at {moment:%Y-%m-%d %H:%M} UTC{WANTS_A_NAME if taken_back else ''}.")


def cancel(issue: Issue, by: By = "") -> None:
    """Never send an edition; unsent, its comparisons are free for the next one.

    Example: `newsletter cancel 2026-W48`
    """
    with unit_of_work() as session:
        decisions.cancel(session, production.by_issue(session, issue), by=who(by), now=utc_now())
    typer.echo(f"{issue} is cancelled.")


def correct(
    issue: Issue,
    note: Annotated[str, typer.Option(help="What was wrong, in Markdown: it opens the mail.")],
    content: Annotated[
        str | None, typer.Option("--hash", help="Only those who got this content.")
    ] = None,
    by: By = "",
) -> None:
    """Draft a correction of an edition: the comparisons as they are now, to those who received it.

    It waits for approval like any other draft.

    Example: `newsletter correct 2026-W48 --note "The price of Mistral Large 3 was wrong." --hash 3f2a`
    """
    with unit_of_work() as session:
        original = production.by_issue(session, issue)
        draft = decisions.correct(
            session, original, note=note, content_hash=content, by=who(by), now=utc_now()
        )
        typer.echo(f"{draft.issue} corrects {original.issue}; `newsletter approve {draft.issue}`.")


def pause(
    issue: Issue,
    reason: Annotated[str, typer.Option(help="A sentence for the others.")] = "by hand",
    by: By = "",
) -> None:
    """Stop a send within one batch; `newsletter resume` goes on where it stopped.

    Example: `newsletter pause 2026-W48 --reason "a wrong price in the lead"`
    """
    with unit_of_work() as session:
        digest = production.by_issue(session, issue)
        decisions.pause(session, digest, reason=reason, by=who(by), now=utc_now())
    typer.echo(f"{issue} is paused.")


def resume(issue: Issue, by: By = "") -> None:
    """Go on with a paused send.

    Example: `newsletter resume 2026-W48`
    """
    with unit_of_work() as session:
        decisions.resume(session, production.by_issue(session, issue), by=who(by), now=utc_now())
    typer.echo(f"{issue} goes on.")


def stop(
    reason: Annotated[str, typer.Option(help="A sentence for the others.")] = "by hand", by: By = ""
) -> None:
    """Stop everything: the kill switch. Nothing is claimed or posted until `newsletter go`.

    Example: `newsletter stop --reason "complaints are rising"`
    """
    with unit_of_work() as session:
        decisions.stop(session, reason=reason, by=who(by), now=utc_now())
    typer.echo("Everything is stopped; `newsletter go` lets it go on.")


def go(by: By = "") -> None:
    """Release the kill switch.

    Example: `newsletter go`
    """
    with unit_of_work() as session:
        decisions.go(session, by=who(by), now=utc_now())
    typer.echo("Sending goes on.")
