"""What is going on: sends in flight, what holds them, and who is resting."""

from typing import Annotated, Any

import typer
from sqlmodel import Session, col, select

from digests.models import Digest, DigestStatus, Halt
from digests.receipt import receipt
from newsletter.circuit import Circuit
from newsletter.cli.output import print_json, print_table
from newsletter.clock import utc_now
from newsletter.database import reading

_IN_FLIGHT = (DigestStatus.draft, DigestStatus.approved, DigestStatus.sending, DigestStatus.paused)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status")(status)


def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Show what waits, what is being sent, and what is stopped, with the reasons.

    Example: `newsletter status --json`
    """
    with reading() as session:
        halt, resting = _halt(session), _resting(session)
        in_flight = select(Digest).where(col(Digest.status).in_(_IN_FLIGHT))
        digests = [
            _progress(session, one) for one in session.exec(in_flight.order_by(col(Digest.send_at)))
        ]
    if as_json:
        print_json({"stopped": halt, "digests": digests, "resting": resting})
        return
    if halt:
        typer.echo(f"STOPPED by {halt['by']}: {halt['reason']}. `newsletter go` lets it go on.\n")
    print_table(
        ("digest", "status", "accepted", "open", "uncertain", "why it waits"),
        (
            (d["digest"], d["status"], d["accepted"], d["planned"], d["uncertain"], d["waits_for"])
            for d in digests
        ),
        empty="Nothing waits and nothing is being sent.",
    )
    for one in resting:
        typer.echo(f"{one['provider']} rests until {one['until']}: {one['reason']}")


def _progress(session: Session, digest: Digest) -> dict[str, Any]:
    books = receipt(session, digest)
    return {
        "digest": digest.issue,
        "status": str(digest.status),
        "send_at": digest.send_at.isoformat(),
        "audience": books.audience,
        "accepted": books.accepted,
        "planned": books.planned,
        "uncertain": books.uncertain,
        "waits_for": _waits_for(digest),
    }


def _waits_for(digest: Digest) -> str:
    if digest.paused_reason:
        return digest.paused_reason
    match digest.status:
        case DigestStatus.draft:
            return f"approval: `newsletter approve {digest.issue}`"
        case DigestStatus.approved:
            return f"its hour: {digest.send_at:%Y-%m-%d %H:%M} UTC"
        case DigestStatus.sending if digest.wave == 0:
            return "the canary"
    return ""


def _halt(session: Session) -> dict[str, Any] | None:
    halt = session.get(Halt, 1)
    if halt is None:
        return None
    return {"by": halt.by, "reason": halt.reason, "since": halt.halted_at.isoformat()}


def _resting(session: Session) -> list[dict[str, Any]]:
    return [
        {
            "provider": one.provider,
            "until": one.open_until.isoformat() if one.open_until else None,
            "failures": one.failures,
            "reason": one.reason,
        }
        for one in session.exec(select(Circuit).where(col(Circuit.open_until) > utc_now()))
    ]
