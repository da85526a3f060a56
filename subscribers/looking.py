"""Finding people on a list of any size: by how an address or a name begins, by domain, and by filters.

Searches begin at an index and look at so many rows at most, so that no question takes long.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    func,
    literal_column,
    or_,
    select,
    type_coerce,
    union,
)
from sqlalchemy.orm import Mapped
from sqlmodel import Session, col

from subscribers.models import Subscriber, SubscriberStatus

#: Rows that are looked at for one page: of those who begin as was asked, or of the newest.
LOOKED_AT: Final = 5000
NEWEST: Final = 50_000
#: Nobody counts further than this for a page.
COUNTED: Final = 10_000
_LAST: Final = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Who is looked for. *words*: the beginning of an address or name, or ``@`` and of a domain."""

    words: str = ""
    status: SubscriberStatus | None = None
    topic: int = 0  # the bit of one; 0 for any
    source: str = ""  # the page they joined on, from its beginning
    joined_from: date | None = None  # in UTC, that day included
    joined_to: date | None = None
    tracking: bool | None = None  # whether opens and clicks may be recorded

    @property
    def is_search(self) -> bool:
        """Whether words were given."""
        return bool(self.words.strip())

    @property
    def is_looked_through(self) -> bool:
        """Whether something is asked for that no index knows."""
        joined = self.joined_from or self.joined_to
        return bool(self.topic or self.source.strip() or joined) or self.tracking is not None


@dataclass(frozen=True, slots=True)
class Leaf:
    """A page of people, how many there are, and the number after which the next page begins.

    *is_cut*: there may be more than were looked at, and *count* is about those alone.
    """

    people: Sequence[Subscriber]
    count: int  # COUNTED + 1 stands for more than that
    after: int | None = None
    is_cut: bool = False


def page(session: Session, wanted: Wanted, *, after: int | None, size: int) -> Leaf:
    """The newest first; a search comes in the order of addresses and has one page."""
    if wanted.is_search:
        return _found(session, wanted, size=size)
    if wanted.is_looked_through:
        return _looked_through(session, wanted, after=after, size=size)
    people = _newest(session, _filtered(select(Subscriber), wanted), after=after, size=size)
    counted = _filtered(select(col(Subscriber.id)), wanted).limit(COUNTED + 1)
    return Leaf(people[:size], _count(session, counted), after=_next(people, size))


def everybody(session: Session, wanted: Wanted) -> Iterator[Subscriber]:
    """All of them, in the order of their numbers, never more than a few thousand in memory."""
    last = 0
    question = _all(session, select(Subscriber), wanted).order_by(col(Subscriber.id))
    while people := session.scalars(question.where(col(Subscriber.id) > last).limit(2000)).all():
        yield from people
        last = people[-1].id or 0
        session.expunge_all()


def numbers(session: Session, wanted: Wanted) -> Select[Any]:
    """The numbers of all of them, as a question to be put into another."""
    return _all(session, select(col(Subscriber.id)), wanted)


def _all(session: Session, question: Select[Any], wanted: Wanted) -> Select[Any]:
    question = _filtered(question, wanted)
    return question.where(or_(*_beginnings(session, wanted))) if wanted.is_search else question


def _found(session: Session, wanted: Wanted, *, size: int) -> Leaf:
    """Each beginning is looked up through its index, so far and no further."""
    looked_up = [
        select(
            select(col(Subscriber.id)).where(begins).order_by(value).limit(LOOKED_AT + 1).subquery()
        )
        for value, begins in zip(
            _values(session, wanted), _beginnings(session, wanted), strict=True
        )
    ]
    few = union(*looked_up).subquery()
    is_cut = _count(session, select(few.c.id)) > LOOKED_AT
    found = _filtered(select(Subscriber).join(few, few.c.id == col(Subscriber.id)), wanted)
    people = session.scalars(
        found.order_by(func.lower(col(Subscriber.address)), col(Subscriber.id)).limit(size)
    ).all()
    return Leaf(people, _count(session, found.with_only_columns(col(Subscriber.id))), is_cut=is_cut)


def _looked_through(session: Session, wanted: Wanted, *, after: int | None, size: int) -> Leaf:
    """The newest are looked through, and the next page goes on from there."""
    ids = select(col(Subscriber.id)).order_by(col(Subscriber.id).desc())
    if after is not None:
        ids = ids.where(col(Subscriber.id) < after)
    last = session.scalar(ids.offset(NEWEST - 1).limit(1))  # None when there are fewer
    looked_at = _filtered(select(Subscriber), wanted)
    if last is not None:
        looked_at = looked_at.where(col(Subscriber.id) >= last)
    if after is not None:
        looked_at = looked_at.where(col(Subscriber.id) < after)
    people = _newest(session, looked_at, after=None, size=size)
    return Leaf(
        people[:size],
        _count(session, looked_at.with_only_columns(col(Subscriber.id))),
        after=_next(people, size) or last,
        is_cut=last is not None,
    )


def _newest(
    session: Session, question: Select[Any], *, after: int | None, size: int
) -> Sequence[Subscriber]:
    if after is not None:
        question = question.where(col(Subscriber.id) < after)
    return session.scalars(question.order_by(col(Subscriber.id).desc()).limit(size + 1)).all()


def _next(people: Sequence[Subscriber], size: int) -> int | None:
    return people[size - 1].id if len(people) > size else None


def _count(session: Session, ids: Select[Any]) -> int:
    return int(session.execute(select(func.count()).select_from(ids.subquery())).scalar_one())


def _beginnings(session: Session, wanted: Wanted) -> list[ColumnElement[bool]]:
    """What begins with the words, each a range of an index; bytes are compared, in any language."""
    words = wanted.words.strip().lower().removeprefix("@")
    return [(one >= words) & (one < words + _LAST) for one in _values(session, wanted)]


def _values(session: Session, wanted: Wanted) -> list[ColumnElement[str]]:
    """What the words are the beginning of, as the migration's indexes have it."""
    on_postgresql = session.get_bind().dialect.name == "postgresql"
    values = (
        [_domain(on_postgresql=on_postgresql)]
        if wanted.words.strip().startswith("@")
        else [
            _plain(column, on_postgresql=on_postgresql)
            for column in (col(Subscriber.address), col(Subscriber.name))
        ]
    )
    return [one.collate("C" if on_postgresql else "NOCASE") for one in values]


def _plain(column: Mapped[str | None], *, on_postgresql: bool) -> ColumnElement[str]:
    """Lower case where the index is on that; SQLite's own order knows no case."""
    return func.lower(column) if on_postgresql else type_coerce(column, String())


def _domain(*, on_postgresql: bool) -> ColumnElement[str]:
    address = _plain(col(Subscriber.address), on_postgresql=on_postgresql)
    if on_postgresql:
        return func.split_part(address, literal_column("'@'"), literal_column("2"))
    return func.substr(address, func.instr(address, literal_column("'@'")) + literal_column("1"))


def _filtered(question: Select[Any], wanted: Wanted) -> Select[Any]:
    question = question.where(col(Subscriber.address_key).is_not(None))  # nobody who was erased
    if wanted.status is not None:
        question = question.where(col(Subscriber.status) == wanted.status)
    if wanted.topic:
        question = question.where(col(Subscriber.topics).op("&")(wanted.topic) != 0)
    if source := wanted.source.strip():
        question = question.where(col(Subscriber.source).istartswith(source, autoescape=True))
    if wanted.joined_from is not None:
        question = question.where(col(Subscriber.joined_at) >= _midnight(wanted.joined_from))
    if wanted.joined_to is not None:
        day_after = _midnight(wanted.joined_to) + timedelta(days=1)
        question = question.where(col(Subscriber.joined_at) < day_after)
    if wanted.tracking is not None:
        question = question.where(col(Subscriber.tracking).is_(wanted.tracking))
    return question


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
