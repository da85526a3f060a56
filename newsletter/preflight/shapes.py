"""Every reader's copy by its shape, kept for long lists: grouping a million takes longer than a page may."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import delete, insert
from sqlmodel import Field, Session, SQLModel, col, select

from digests.models import BIG, Digest
from newsletter.choices import Wanted
from newsletter.database import reading, unit_of_work
from newsletter.preflight.mail import Shape
from newsletter.preflight.readers import Grouped, considered, everybody, in_words

#: From here on a page shows what was kept; a shorter list is grouped while one waits.
LONG: Final = 50_000
_FRESH_FOR: Final = timedelta(hours=1)  # a tick that has not come for so long is not waited for


class ReaderShape(SQLModel, table=True):
    """How many readers' copies of one choice of topics weigh the same, one of them, and the day they joined.

    The day stands for all whose words have as many bytes: a handful of rows, however long the list.
    """

    __tablename__ = "reader_shape"

    topics: str = Field(primary_key=True, max_length=500)  # their choice, as a number
    joined_on: date = Field(primary_key=True)
    count: int
    reader: int = Field(sa_type=BIG)
    measured_at: datetime


@dataclass(frozen=True, slots=True)
class Measured:
    """The shapes, and when they were taken; None: at this moment."""

    groups: Sequence[Grouped]
    at: datetime | None

    @property
    def by_choice(self) -> dict[int, int]:
        """How many readers have each choice of topics."""
        counted: Counter[int] = Counter()
        for one in self.groups:
            counted[one.choice] += one.count
        return dict(counted)

    def shapes(self, wanted: Wanted) -> list[Shape]:
        """The readers by the rendition they get; without those for whom nothing remains."""
        return [
            Shape(key, in_words(one.joined_on), one.count, one.reader)
            for one in self.groups
            if (key := wanted.key_of(one.choice)) is not None
        ]


def measured(session: Session, digest: Digest, *, exact: bool, now: datetime) -> Measured:
    """The readers of *digest* by shape. *exact* takes them at this moment, however long the list is."""
    if not exact and digest.corrects_id is None:
        kept = session.exec(
            select(ReaderShape).where(col(ReaderShape.measured_at) > now - _FRESH_FOR)
        ).all()
        if sum(one.count for one in kept) >= LONG:
            groups = [
                Grouped(int(one.topics), one.joined_on, one.count, one.reader) for one in kept
            ]
            return Measured(groups, min(one.measured_at for one in kept))
    return Measured(considered(session, digest), None)


def refresh(*, now: datetime) -> int:
    """Take the whole list's shapes anew; a short list needs none. Returns how many there are.

    The list is read before the transaction that writes, which nobody waits for.
    """
    with reading() as session:
        rows = _by_weight(everybody(session))
    if sum(row.count for row in rows) < LONG:
        rows = []
    with unit_of_work() as session:
        session.execute(delete(ReaderShape))
        if rows:
            session.execute(
                insert(ReaderShape),
                [
                    {
                        "topics": str(row.choice),
                        "joined_on": row.joined_on,
                        "count": row.count,
                        "reader": row.reader,
                        "measured_at": now,
                    }
                    for row in rows
                ],
            )
    return len(rows)


def _by_weight(rows: Sequence[Grouped]) -> list[Grouped]:
    """*rows* with those together whose days of joining are equally long in words."""
    known: dict[tuple[int, int], Grouped] = {}
    for row in rows:
        key = (row.choice, len(in_words(row.joined_on).encode()))
        so_far = known.get(key)
        known[key] = replace(so_far, count=so_far.count + row.count) if so_far else row
    return list(known.values())
