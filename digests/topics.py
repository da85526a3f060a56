"""Topics: the tools' categories, one bit each, and which comparisons of an edition a choice of them leaves.

A reader's choice is a number in which each topic is a bit; -1, all bits, is
everything, and whatever topic comes to be. So an edition's readers are told
apart by one AND with the edition's own topics, a million at a time, and readers
for whom the same comparisons remain share a rendition.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import func
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, Session, SQLModel, col, select

from digests.edition import Edition
from digests.facts import ComparisonFacts, slug_of

EVERYTHING: Final = -1
#: The key of the rendition with every comparison.
ALL: Final = "all"
#: Topics there may be; a later category is nobody's to choose, and comparisons in it go to everybody.
MOST: Final = 62
_BETWEEN: Final = "+"  # slugs in a key
_LONGEST_KEY: Final = 480  # characters; readers of so many long topics get everything


class Topic(SQLModel, table=True):
    """One topic that readers may choose. Its bit is never given to another."""

    bit: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    slug: str = Field(unique=True, max_length=200)
    name: str = Field(max_length=300)

    @property
    def mask(self) -> int:
        """Its bit as a number."""
        return 1 << self.bit


@dataclass(frozen=True, slots=True)
class Shelf:
    """An edition's comparisons by topic: a mask for each, in their order; 0 belongs to no topic."""

    topics: tuple[Topic, ...]
    masks: tuple[int, ...]

    @property
    def mask(self) -> int:
        """All topics in it."""
        found = 0
        for one in self.masks:
            found |= one
        return found

    def kept(self, choice: int) -> tuple[int, ...]:
        """The places of what remains for *choice*: what is in one of its topics, or in none."""
        return tuple(at for at, mask in enumerate(self.masks) if not mask or mask & choice)

    def left_out(self, key: str) -> int:
        """The topics of what the rendition called *key* does not hold."""
        kept = set(self.kept(self.choice(key)))
        found = 0
        for at, mask in enumerate(self.masks):
            if at not in kept:
                found |= mask
        return found

    def key(self, choice: int) -> str | None:
        """The name of the rendition for *choice*; None when nothing remains.

        Choices that leave the same comparisons have the same name.
        """
        kept = self.kept(choice)
        if len(kept) == len(self.masks):
            return ALL
        if not kept:
            return None
        left_out = 0
        for at, mask in enumerate(self.masks):
            if at not in kept:
                left_out |= mask
        names = [topic.slug for topic in self.topics if topic.mask & self.mask & ~left_out]
        key = _BETWEEN.join(sorted(names)) or "none"
        return key if len(key) <= _LONGEST_KEY else ALL

    def choice(self, key: str) -> int:
        """A choice that has the rendition called *key*; names that are not topics are passed over."""
        if key == ALL:
            return EVERYTHING
        known = {topic.slug: topic.mask for topic in self.topics}
        found = 0
        for slug in key.split(_BETWEEN):
            found |= known.get(slug, 0)
        return found

    def words(self, key: str) -> str:
        """*key* as people say it."""
        if key == ALL:
            return "Everything"
        names = {topic.slug: topic.name for topic in self.topics}
        return ", ".join(names.get(slug, slug) for slug in key.split(_BETWEEN))


def register(session: Session, facts: ComparisonFacts) -> None:
    """Give each category of *facts* that is new a bit, while there are any left."""
    wanted = {slug_of(tool.category): tool.category for tool in facts.tools if tool.category}
    known = set(session.exec(select(Topic.slug).where(col(Topic.slug).in_(wanted))))
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    for slug, name in wanted.items():
        while slug not in known:
            highest = session.exec(select(func.max(Topic.bit))).one()
            bit = 0 if highest is None else highest + 1
            if bit >= MOST:
                return
            # Of two that take the same bit or the same topic at once, one tries again.
            session.execute(
                dialect.insert(Topic).values(bit=bit, slug=slug, name=name).on_conflict_do_nothing()
            )
            known = set(session.exec(select(Topic.slug).where(col(Topic.slug).in_(wanted))))


def listed(session: Session) -> Sequence[Topic]:
    """Every topic there is, by name."""
    return session.exec(select(Topic).order_by(col(Topic.name))).all()


def shelf(session: Session, edition: Edition) -> Shelf:
    """*edition* by topic."""
    topics = tuple(session.exec(select(Topic).order_by(col(Topic.bit))).all())
    return Shelf(topics, tuple(mask_of(topics, entry.facts) for entry in edition.entries))


def restricted(edition: Edition, shelf: Shelf, key: str) -> Edition:
    """What the rendition called *key* says of *edition*."""
    if key == ALL:
        return edition
    kept = shelf.kept(shelf.choice(key))
    return replace(edition, entries=tuple(edition.entries[at] for at in kept))


def mask_of(topics: Iterable[Topic], facts: ComparisonFacts) -> int:
    """The topics of *facts*; 0 when it belongs to none."""
    slugs = {slug_of(tool.category) for tool in facts.tools if tool.category}
    found = 0
    for topic in topics:
        if topic.slug in slugs:
            found |= topic.mask
    return found
