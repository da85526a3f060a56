"""Every reader's copy by its shape, kept for long lists: grouping a million takes longer than a page may."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import delete, insert
from sqlmodel import Field, Session, SQLModel, col, select

from digests.models import BIG, Digest
from newsletter.database import reading, unit_of_work
from newsletter.preflight.mail import Shape
from newsletter.preflight.readers import Grouped, everybody, in_words, shapes_of

#: From here on a page shows what was kept; a shorter list is grouped while one waits.
LONG: Final = 50_000
_FRESH_FOR: Final = timedelta(hours=1)  # a tick that has not come for so long is not waited for


class ReaderShape(SQLModel, table=True):
    """How many readers share a choice of topics and a day of joining, and one of them."""

    __tablename__ = "reader_shape"

    topics: str = Field(primary_key=True, max_length=500)
    joined_on: date = Field(primary_key=True)
    count: int
    reader: int = Field(sa_type=BIG)
    measured_at: datetime


@dataclass(frozen=True, slots=True)
class Measured:
    """The shapes, and when they were taken; None: at this moment."""

    shapes: Sequence[Shape]
    at: datetime | None


def measured(session: Session, digest: Digest, *, exact: bool, now: datetime) -> Measured:
    """The readers of *digest* by shape. *exact* takes them at this moment, however long the list is."""
    if not exact and digest.corrects_id is None:
        kept = session.exec(
            select(ReaderShape).where(col(ReaderShape.measured_at) > now - _FRESH_FOR)
        ).all()
        if sum(one.count for one in kept) >= LONG:
            shapes = [
                Shape(one.topics, in_words(one.joined_on), one.count, one.reader) for one in kept
            ]
            return Measured(shapes, min(one.measured_at for one in kept))
    return Measured(shapes_of(session, digest), None)


def refresh(*, now: datetime) -> int:
    """Take the whole list's shapes anew; a short list needs none. Returns how many there are.

    The list is read before the transaction that writes, which nobody waits for.
    """
    with reading() as session:
        rows: list[Grouped] = everybody(session)
    if sum(row.count for row in rows) < LONG:
        rows = []
    with unit_of_work() as session:
        session.execute(delete(ReaderShape))
        if rows:
            session.execute(
                insert(ReaderShape),
                [
                    {
                        "topics": row.topics,
                        "joined_on": row.joined_on,
                        "count": row.count,
                        "reader": row.reader,
                        "measured_at": now,
                    }
                    for row in rows
                ],
            )
    return len(rows)
