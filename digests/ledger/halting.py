"""The kill switch: while it is on, nothing is claimed and nothing is posted."""

from datetime import datetime
from typing import Final

from sqlalchemy import delete, insert, literal, select
from sqlmodel import Session, col

from digests.models import Halt

#: The row of the kill switch itself.
SWITCH: Final = 1
#: The row of a store that came out of a backup: even letters to staff rest.
RESTORED: Final = 2


def halt(session: Session, *, by: str, reason: str, now: datetime, restored: bool = False) -> None:
    """Stop everything within one batch. Whoever was first stays the one who did it.

    *restored*: this store came out of a backup, and must mail nobody at all, staff neither.
    """
    for row in (SWITCH, RESTORED) if restored else (SWITCH,):
        _put(session, row, by=by, reason=reason, now=now)


def _put(session: Session, row: int, *, by: str, reason: str, now: datetime) -> None:
    nobody_did = ~select(col(Halt.id)).where(col(Halt.id) == row).exists()
    session.execute(
        insert(Halt).from_select(
            ["id", "by", "reason", "halted_at"],
            select(literal(row), literal(by[:200]), literal(reason[:500]), literal(now)).where(
                nobody_did
            ),
        )
    )


def is_restored(session: Session) -> bool:
    """Whether this store is a copy, or came out of a backup, and nobody has said that it is the one."""
    return session.get(Halt, RESTORED) is not None


def release(session: Session) -> None:
    """Let sending go on."""
    session.execute(delete(Halt))
