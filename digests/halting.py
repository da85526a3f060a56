"""The kill switch: while it is on, nothing is claimed and nothing is posted."""

from datetime import datetime

from sqlalchemy import delete, insert, literal, select
from sqlmodel import Session, col

from digests.models import Halt


def halt(session: Session, *, by: str, reason: str, now: datetime) -> None:
    """Stop everything within one batch. Whoever was first stays the one who did it."""
    nobody_did = ~select(col(Halt.id)).exists()
    session.execute(
        insert(Halt).from_select(
            ["id", "by", "reason", "halted_at"],
            select(literal(1), literal(by[:200]), literal(reason[:500]), literal(now)).where(
                nobody_did
            ),
        )
    )


def release(session: Session) -> None:
    """Let sending go on."""
    session.execute(delete(Halt))
