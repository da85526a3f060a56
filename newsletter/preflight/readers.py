"""Every real reader of an edition, in bulk: which copies there are, and who could not get one."""

from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime

from sqlalchemy import func, select
from sqlmodel import Session, col

from digests.models import Digest
from newsletter.preflight.findings import Check, Finding, error, note
from newsletter.preflight.mail import Shape
from newsletter.readership import readers_of
from subscribers.models import Subscriber

_LARGEST_ID = (1 << 40) - 1  # what a link has room for


def shapes_of(session: Session, digest: Digest) -> list[Shape]:
    """All who would be mailed if *digest* were planned now, by what makes their copies differ.

    One statement over the list, however long it is: a day of joining and a
    choice of topics are all that changes a copy's length.
    """
    those = readers_of(digest).add_columns(col(Subscriber.joined_at)).subquery("those")
    day = func.date(those.c.joined_at)
    rows = session.execute(
        select(those.c.topics, day, func.count(), func.max(those.c.subscriber_id))
        .where(those.c.reason.is_(None))
        .group_by(those.c.topics, day)
        .order_by(those.c.topics, day)
    )
    return [Shape(topics, _words(on), count, reader) for topics, on, count, reader in rows]


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


def _without_a_mail(shapes: Sequence[Shape], topics: Collection[str]) -> list[Shape]:
    missing: dict[str, Shape] = {}
    for shape in shapes:
        if shape.topics not in topics:
            known = missing.get(shape.topics)
            count = shape.count + (known.count if known else 0)
            missing[shape.topics] = Shape(shape.topics, shape.joined, count, shape.reader)
    return list(missing.values())


def _words(day: date | datetime | str) -> str:
    """The day as composing fills it in."""
    known = date.fromisoformat(day[:10]) if isinstance(day, str) else day
    return f"{known.day} {known:%B %Y}"
