"""Readers' choices of topics: which renditions an edition needs, and who gets which.

Renditions are made when an edition is approved, for the choices that readers
have then. Whoever chooses anew between approval and send gets the one with the
fewest comparisons beyond their choice; the one with everything is always there.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Select, case, func, literal, null, select
from sqlmodel import Session

from digests import assembly, topics
from digests.models import Digest
from digests.topics import ALL, Shelf
from newsletter.galley import comparison_address
from newsletter.readership import readers_of

#: Renditions of one edition. The choices that most readers have get their own.
MOST: Final = 32
#: Why somebody whose topics an edition does not have gets no copy.
NOTHING: Final = "nothing in their topics"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The renditions of an edition with how many readers each, and for how many nothing remains."""

    shelf: Shelf
    readers: Mapping[str, int]  # by key; ALL is always there
    nothing: int

    def key_of(self, choice: int) -> str | None:
        """The rendition that a reader of *choice* gets; None for nobody's."""
        return self.shelf.nearest(choice, self.readers)


def wanted(
    session: Session, digest: Digest, readers_by_choice: Mapping[int, int] | None = None
) -> Wanted:
    """Which renditions *digest* needs at this moment: one question, however long the list is.

    None at all where the caller has *readers_by_choice* already.
    """
    shelf = shelf_of(session, digest)
    counted: dict[str, int] = {}
    nothing = 0
    known = readers_by_choice
    for choice, readers in known.items() if known is not None else _counted(session, digest, shelf):
        key = shelf.key(choice)
        if key is None:
            nothing += readers
        else:
            counted[key] = counted.get(key, 0) + readers
    most = sorted(counted, key=lambda key: (key != ALL, -counted[key], key))[: MOST - 1]
    return Wanted(shelf, {ALL: counted.get(ALL, 0), **{key: counted[key] for key in most}}, nothing)


def shelf_of(session: Session, digest: Digest) -> Shelf:
    """The comparisons of *digest* by topic."""
    return topics.shelf(session, assembly.edition(session, digest, address=comparison_address()))


def planned(session: Session, digest: Digest, keys: Collection[str]) -> Select[Any]:
    """Everybody *digest* considers, each with the one of the renditions *keys* that they get.

    As many questions of each reader as there are renditions, however many different
    choices there are: the smallest mail that leaves out nothing of theirs is the nearest.
    """
    shelf = shelf_of(session, digest)
    those = readers_of(session, digest).subquery("readers")
    routes = [
        (_none_of(those.c.choice, shelf.left_out(key)), literal(key))
        for key in sorted(keys, key=lambda key: (len(shelf.kept(shelf.choice(key))), key))
        if key != ALL
    ]
    nothing: Any = null()
    # What belongs to no topic is for everybody, and so is an edition whose comparisons are gone.
    if shelf.masks and 0 not in shelf.masks:
        nothing = case((_none_of(those.c.choice, shelf.mask), literal(NOTHING)), else_=null())
    return select(
        those.c.subscriber_id,
        func.coalesce(those.c.reason, nothing).label("reason"),
        (case(*routes, else_=ALL) if routes else literal(ALL)).label("topics"),
        those.c.zone,
    )


def _none_of(choice: ColumnElement[int], topics: int) -> ColumnElement[bool]:
    return choice.bitwise_and(literal(topics, BigInteger)) == 0


def _counted(session: Session, digest: Digest, shelf: Shelf) -> list[tuple[int, int]]:
    """What remains of readers' choices in this edition, with how many readers have it."""
    those = readers_of(session, digest).subquery("readers")
    left = those.c.choice.bitwise_and(literal(shelf.mask, BigInteger))
    rows = session.execute(
        select(left, func.count()).where(those.c.reason.is_(None)).group_by(left).order_by(left)
    )
    return [(choice, count) for choice, count in rows]
