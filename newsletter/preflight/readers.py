"""Every real reader of an edition, in bulk: which copies there are, and who could not get one."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Select, func, select
from sqlmodel import Session, col

from digests.models import Digest
from newsletter.copies.readership import readers_of
from newsletter.preflight.findings import Check, Finding, error, note
from newsletter.preflight.mail import Shape
from subscribers.audience import audience
from subscribers.models import Subscriber
from subscribers.pace import Pace

_LARGEST_ID = (1 << 40) - 1  # what a link has room for


@dataclass(frozen=True, slots=True)
class Grouped:
    """Readers with one choice who joined on one day: how many, and one of them."""

    choice: int
    joined_on: date
    count: int
    reader: int
    owed: int = 0
    pace: str = Pace.weekly
    paused_until: date | None = None


def considered(session: Session, digest: Digest) -> list[Grouped]:
    """All who would be mailed if *digest* were planned now, by what makes their copies differ."""
    return _grouped(session, readers_of(session, digest))


def everybody(session: Session) -> list[Grouped]:
    """The same of the whole list."""
    return _grouped(session, audience())


def _grouped(session: Session, people: Select[Any]) -> list[Grouped]:
    """One statement over the list, however long it is.

    A day of joining and what they chose and are owed are all that changes a copy's length.
    """
    those = people.add_columns(
        col(Subscriber.joined_at), col(Subscriber.pace), col(Subscriber.paused_until)
    ).subquery("those")
    day = func.date(those.c.joined_at)
    alike = (those.c.choice, those.c.owed, those.c.pace, those.c.paused_until)
    rows = session.execute(
        select(*alike, day, func.count(), func.max(those.c.subscriber_id))
        .where(those.c.reason.is_(None))
        .group_by(*alike, day)
        .order_by(those.c.choice, day)
    )
    return [
        Grouped(choice, _date(on), count, reader, owed, pace, until)
        for choice, owed, pace, until, on, count, reader in rows
    ]


def copies(shapes: Sequence[Shape], topics: Collection[str]) -> Iterator[Finding]:
    """Readers for whom no copy can be made, each kind with how many and one of them."""
    for shape in _without_a_mail(shapes, topics):
        yield error(
            Check.copies,
            f"readers of {shape.topics}",
            f"{shape.count:,} readers (such as {shape.reader:,}) chose topics for which no mail was made.",
            "Try again; if it stays, `newsletter preflight` tells the operator which choice it is.",
        )
    for shape in shapes:
        if shape.reader > _LARGEST_ID:
            yield error(
                Check.copies,
                f"reader {shape.reader:,}",
                "A reader’s number is too large for the links in the mail.",  # noqa: RUF001 - print
                "Ask an operator: this reader cannot be mailed.",
            )
    if not shapes:
        yield note(
            Check.copies,
            "the list",
            "Nobody would get it: no active subscriber is on the list.",
            "Import subscribers, or wait for the first to confirm.",
        )


def nothing_for(readers: int) -> Iterator[Finding]:
    """Readers whose topics the edition does not have: they get nothing this time."""
    if readers:
        yield note(
            Check.copies,
            "topics",
            f"{readers:,} readers have chosen only topics that are not in this edition; they get none.",
            "Nothing is to do. Another comparison from the shelf may be for them.",
        )


def _without_a_mail(shapes: Sequence[Shape], topics: Collection[str]) -> list[Shape]:
    missing: dict[str, Shape] = {}
    for shape in shapes:
        if shape.topics not in topics:
            known = missing.get(shape.topics)
            count = shape.count + (known.count if known else 0)
            missing[shape.topics] = Shape(shape.topics, shape.joined, count, shape.reader)
    return list(missing.values())


def in_words(day: date) -> str:
    """The day as composing fills it in."""
    return f"{day.day} {day:%B %Y}"


def _date(day: date | str) -> date:
    """SQLite has no dates of its own."""
    return date.fromisoformat(day[:10]) if isinstance(day, str) else day
