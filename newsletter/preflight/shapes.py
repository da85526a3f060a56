"""Every reader's copy by its shape, kept for long lists: grouping a million takes longer than a page may."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import delete, insert
from sqlmodel import Field, Session, SQLModel, col, select

from digests.models import BIG, Digest
from newsletter.copies.choices import Wanted, Wish
from newsletter.copies.readership import turn_of
from newsletter.database import reading, unit_of_work
from newsletter.preflight.mail import Shape
from newsletter.preflight.readers import Grouped, considered, everybody, in_words
from subscribers.pace import Pace, Turn

#: From here on a page shows what was kept; a shorter list is grouped while one waits.
LONG: Final = 50_000
_FRESH_FOR: Final = timedelta(hours=1)  # a tick that has not come for so long is not waited for


class ReaderShape(SQLModel, table=True):
    """How many readers' copies of one choice of topics weigh the same, one of them, and the day they joined.

    The day stands for all whose words have as many bytes: a handful of rows, however long the list.
    """

    __tablename__ = "reader_shape"

    topics: str = Field(
        primary_key=True, max_length=500
    )  # their choice as a number, and their pace if they have one
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
    def by_wish(self) -> dict[Wish, int]:
        """How many readers have each choice of topics, and are owed the same."""
        counted: Counter[Wish] = Counter()
        for one in self.groups:
            counted[one.choice, one.owed] += one.count
        return dict(counted)

    def shapes(self, wanted: Wanted) -> list[Shape]:
        """The readers by the rendition they get; without those for whom nothing remains."""
        return [
            Shape(key, in_words(one.joined_on), one.count, one.reader)
            for one in self.groups
            if (key := wanted.key_of(one.choice, one.owed)) is not None
        ]


def measured(session: Session, digest: Digest, *, exact: bool, now: datetime) -> Measured:
    """The readers of *digest* by shape. *exact* takes them at this moment, however long the list is."""
    if not exact and digest.corrects_id is None:
        kept = session.exec(
            select(ReaderShape).where(col(ReaderShape.measured_at) > now - _FRESH_FOR)
        ).all()
        if sum(one.count for one in kept) >= LONG:
            turn = turn_of(session, digest)
            groups = [one for one in map(_grouped, kept) if _is_due(one, turn)]
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
                        "topics": _said(row),
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
    known: dict[tuple[str, int], Grouped] = {}
    for row in rows:
        key = (_said(row), len(in_words(row.joined_on).encode()))
        so_far = known.get(key)
        known[key] = replace(so_far, count=so_far.count + row.count) if so_far else row
    return list(known.values())


def _said(row: Grouped) -> str:
    """What *row* chose and is owed; of most readers that is one number."""
    if not row.owed and row.pace == Pace.weekly and row.paused_until is None:
        return str(row.choice)
    return f"{row.choice} {row.owed} {row.pace} {row.paused_until or ''}".strip()


def _grouped(kept: ReaderShape) -> Grouped:
    said = kept.topics.split()
    choice, owed, pace, until = [*said, *("0", str(Pace.weekly), "")[len(said) - 1 :]]
    paused_until = date.fromisoformat(until) if until else None
    return Grouped(
        int(choice), kept.joined_on, kept.count, kept.reader, int(owed), pace, paused_until
    )


def _is_due(one: Grouped, turn: Turn) -> bool:
    if one.paused_until is not None and one.paused_until > turn.dated:
        return False
    return turn.opens_month or one.pace != Pace.monthly
