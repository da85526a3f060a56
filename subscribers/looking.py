"""Finding people on a list of any size: by how an address or a name begins, by domain, by status.

Searches begin at an index and look at so many rows at most, so that no question takes long.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, String, func, literal_column, select, type_coerce
from sqlalchemy.orm import Mapped
from sqlmodel import Session, col

from subscribers.models import Subscriber, SubscriberStatus

#: Rows that begin as was asked; of more, whoever searches is told to type on.
LOOKED_AT: Final = 5000
#: Nobody counts further than this for a page.
COUNTED: Final = 10_000
_LAST: Final = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Who is looked for. *words*: the beginning of an address or name, or ``@`` and of a domain."""

    words: str = ""
    status: SubscriberStatus | None = None
    topic: int = 0  # the bit of one; 0 for any

    @property
    def is_search(self) -> bool:
        """Whether words were given."""
        return bool(self.words.strip())


@dataclass(frozen=True, slots=True)
class Leaf:
    """A page of people, and the number after which the next begins; None at the end."""

    people: Sequence[Subscriber]
    after: int | None = None
    is_cut: bool = False  # more began so than were looked at


def page(session: Session, wanted: Wanted, *, after: int | None, size: int) -> Leaf:
    """The newest first; a search comes in the order of addresses and has one page."""
    if wanted.is_search:
        return _found(session, wanted, size=size)
    question = _filtered(select(Subscriber), wanted).order_by(col(Subscriber.id).desc())
    if after is not None:
        question = question.where(col(Subscriber.id) < after)
    people = session.scalars(question.limit(size + 1)).all()
    more = people[size - 1].id if len(people) > size else None
    return Leaf(people[:size], after=more)


def count(session: Session, wanted: Wanted) -> int:
    """How many there are, but never more than COUNTED + 1."""
    if wanted.is_search:
        within = select(col(Subscriber.id)).where(
            col(Subscriber.id).in_(_beginning(session, wanted))
        )
    else:
        within = select(col(Subscriber.id))
    few = _filtered(within, wanted).limit(COUNTED + 1).subquery()
    return int(session.execute(select(func.count()).select_from(few)).scalar_one())


def everybody(session: Session, wanted: Wanted) -> Iterator[Subscriber]:
    """All of them, in the order of their numbers, never more than a few thousand in memory."""
    last = 0
    question = _filtered(select(Subscriber), wanted).order_by(col(Subscriber.id))
    if wanted.is_search:
        question = question.where(col(Subscriber.id).in_(_beginning(session, wanted)))
    while people := session.scalars(question.where(col(Subscriber.id) > last).limit(2000)).all():
        yield from people
        last = people[-1].id or 0
        session.expunge_all()


def _found(session: Session, wanted: Wanted, *, size: int) -> Leaf:
    ids = session.execute(_beginning(session, wanted).limit(LOOKED_AT + 1)).scalars().all()
    question = _filtered(
        select(Subscriber).where(col(Subscriber.id).in_(ids[:LOOKED_AT])), wanted
    ).order_by(func.lower(col(Subscriber.address)), col(Subscriber.id))
    people = session.scalars(question.limit(size + 1)).all()
    return Leaf(people[:size], is_cut=len(ids) > LOOKED_AT or len(people) > size)


def _beginning(session: Session, wanted: Wanted) -> Select[Any]:
    """The numbers of those whose address, name or domain begins with the words, through an index."""
    words = wanted.words.strip().lower()
    on_postgresql = session.get_bind().dialect.name == "postgresql"
    if words.startswith("@"):
        return _range(_domain(on_postgresql=on_postgresql), words[1:], on_postgresql=on_postgresql)
    either = [
        _range(_plain(column, on_postgresql=on_postgresql), words, on_postgresql=on_postgresql)
        for column in (col(Subscriber.address), col(Subscriber.name))
    ]
    both = either[0].union_all(either[1]).subquery()
    return select(both.c.id).distinct()


def _range(value: ColumnElement[str], words: str, *, on_postgresql: bool) -> Select[Any]:
    """As the migration's indexes have it; bytes are compared, whatever language the database speaks."""
    compared = value.collate("C" if on_postgresql else "NOCASE")
    ids = (
        select(col(Subscriber.id))
        .where(compared >= words, compared < words + _LAST)
        .order_by(compared)
        .limit(LOOKED_AT + 1)
        .subquery()
    )
    return select(ids.c.id)


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
    return question
