"""Readers' choices: which renditions an edition needs, and who gets which.

Renditions are made when an edition is approved, for the topics readers have chosen
and the editions they are owed by then. Whoever chooses anew between approval and
send gets the one with the fewest comparisons beyond their choice; the one with
everything and nothing earlier is always there.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    case,
    func,
    literal,
    null,
    or_,
    select,
)
from sqlmodel import Session

from digests import topics
from digests.making import assembly
from digests.making.stock import Route, Stock, brought, stock
from digests.models import Digest
from digests.topics import ALL, EVERYTHING
from newsletter.copies.galley import comparison_address
from newsletter.copies.readership import readers_of
from subscribers.pace import is_anybody_owed

#: Renditions of one edition. The choices that most readers have get their own.
MOST: Final = 32
#: Of those, for readers who missed something and whose choice has none of its own: every topic.
COARSE: Final = 8
#: Why somebody whose topics an edition does not have gets no copy.
NOTHING: Final = "nothing in their topics"

#: A choice of topics, and the editions that are owed.
Wish = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The renditions of an edition with how many readers each, and for how many nothing remains."""

    stock: Stock
    readers: Mapping[str, int]  # by key; ALL is always there
    nothing: int
    routes: tuple[Route, ...]

    def key_of(self, choice: int, owed: int = 0) -> str | None:
        """The rendition that a reader of *choice* gets who is *owed* so much; None for nobody's."""
        return self.stock.nearest(choice, owed, self.routes)


def wanted(
    session: Session, digest: Digest, readers_by_wish: Mapping[Wish, int] | None = None
) -> Wanted:
    """Which renditions *digest* needs at this moment: one question, however long the list is.

    None at all where the caller has *readers_by_wish* already.
    """
    have = stock_of(session, digest)
    wishes = _counted(session, digest, have) if readers_by_wish is None else readers_by_wish
    exact: Counter[str] = Counter()
    for (choice, owed), readers in wishes.items():
        if (key := have.key(choice, owed)) is not None:
            exact[key] += readers
    routes = tuple(have.routes(_chosen(have, exact)))
    given: Counter[str] = Counter({one.key: 0 for one in routes})
    nothing = 0
    for (choice, owed), readers in wishes.items():
        if (key := have.nearest(choice, owed, routes)) is None:
            nothing += readers
        else:
            given[key] += readers
    return Wanted(have, dict(given), nothing, routes)


def stock_of(session: Session, digest: Digest) -> Stock:
    """What *digest* has for its readers."""
    address = comparison_address()
    whole = assembly.edition(session, digest, address=address)
    if not is_anybody_owed(session):
        return Stock(topics.shelf(session, whole))
    return stock(session, digest, whole, address=address)


def planned(session: Session, digest: Digest, keys: Iterable[str]) -> Select[Any]:
    """Everybody *digest* considers, each with the one of the renditions *keys* that they get.

    As many questions of each reader as there are renditions, however many different
    choices there are: the first that fits is the nearest.
    """
    have = stock_of(session, digest)
    those = readers_of(session, digest).subquery("readers")
    routes = [
        (
            and_(_has(those.c.owed, one.brings), _none_of(those.c.choice, one.leaves_out)),
            literal(one.key),
        )
        for one in have.routes(keys)
        if one.key != ALL
    ]
    return select(
        those.c.subscriber_id,
        func.coalesce(those.c.reason, _nothing(have, those)).label("reason"),
        (case(*routes, else_=ALL) if routes else literal(ALL)).label("topics"),
        those.c.zone,
    )


def _chosen(have: Stock, exact: Mapping[str, int]) -> list[str]:
    """The renditions that are made: those of most readers, and where not all can be, coarser ones.

    A coarse one has every topic and the same earlier editions, so that nobody waits for those.
    """
    most = sorted(exact.keys() - {ALL}, key=lambda key: (-exact[key], key))
    if len(most) < MOST:
        return [ALL, *most]
    own, others = most[: MOST - 1 - COARSE], most[MOST - 1 - COARSE :]
    coarse: Counter[str] = Counter()
    for key in others:
        if more := have.key(EVERYTHING, brought(key)):
            coarse[more] += exact[key]
    named = [key for key, _ in coarse.most_common() if key not in {ALL, *own}]
    room = MOST - 1 - len(own)
    kept = [*own, *named[:COARSE]]
    return [ALL, *kept, *[key for key in others if key not in kept][: room - len(named[:COARSE])]]


def _nothing(have: Stock, those: Any) -> Any:  # noqa: ANN401 - SQL expressions
    """SQL: why there is no copy for who has chosen none of it, NULL for everybody else.

    What belongs to no topic is for everybody, and so is an edition whose comparisons are gone.
    """
    if not have.shelf.masks or 0 in have.shelf.masks:
        return null()
    none = [_none_of(those.c.choice, have.shelf.mask)]
    for one in have.earlier:
        theirs = 0
        for mask in one.masks:
            theirs |= mask
        had = _none_of(those.c.owed, one.mask)
        none.append(had if 0 in one.masks else or_(had, _none_of(those.c.choice, theirs)))
    return case((and_(*none), literal(NOTHING)), else_=null())


def _none_of(number: ColumnElement[int], bits: int) -> ColumnElement[bool]:
    return number.bitwise_and(literal(bits, BigInteger)) == 0


def _has(number: ColumnElement[int], bits: int) -> ColumnElement[bool]:
    return number.bitwise_and(literal(bits, BigInteger)) == literal(bits, BigInteger)


def _counted(session: Session, digest: Digest, have: Stock) -> dict[Wish, int]:
    """What remains of readers' choices in this edition and those before, with how many readers have it."""
    those = readers_of(session, digest).subquery("readers")
    left = those.c.choice.bitwise_and(literal(have.topics, BigInteger))
    owed = those.c.owed.bitwise_and(literal(have.mask, BigInteger))
    rows = session.execute(
        select(left, owed, func.count())
        .where(those.c.reason.is_(None))
        .group_by(left, owed)
        .order_by(left, owed)
    )
    return {(choice, missed): count for choice, missed, count in rows}
