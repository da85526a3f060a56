"""What an edition has for its readers: its own comparisons, and those of earlier ones that some have missed.

A reader's rendition follows from two numbers, their topics and the editions they
are owed. Its name is the one that ``digests.topics`` gives, and behind a ``~`` the
editions it brings beside this one. Nobody ever gets a rendition that brings an edition
they have had; where theirs was not made, they get less now and the rest next time.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from sqlmodel import Session, col, select

from digests import topics
from digests.edition import Edition, Entry, Missed
from digests.facts import ComparisonFacts
from digests.making.assembly import newest
from digests.making.missed import dated
from digests.models import Digest, DigestItem, DigestStatus
from digests.store.comparisons import Revision
from digests.topics import ALL, Shelf

#: Comparisons of earlier editions in one mail, the newest first. The others are counted and linked to.
MOST: Final = 40
_BEHIND: Final = "~"


@dataclass(frozen=True, slots=True)
class Earlier:
    """An edition that went out before: its bit, what it said, and of which topics that is."""

    digest_id: int
    bit: int
    issue: str
    number: int
    dated: date
    entries: tuple[Entry, ...]
    masks: tuple[int, ...]

    @property
    def mask(self) -> int:
        """Its bit as a number."""
        return 1 << self.bit


@dataclass(frozen=True, slots=True)
class Route:
    """A rendition: the earlier editions it brings, and the topics of what it leaves out of those in it."""

    key: str
    brings: int
    leaves_out: int

    def fits(self, choice: int, owed: int) -> bool:
        """Whether it leaves out nothing they chose and brings nothing they had."""
        return not self.brings & ~owed and not self.leaves_out & choice


@dataclass(frozen=True, slots=True)
class Stock:
    """An edition's own comparisons, and *earlier* editions, the newest first."""

    shelf: Shelf
    earlier: tuple[Earlier, ...] = ()

    @property
    def mask(self) -> int:
        """The earlier editions in it."""
        return sum(one.mask for one in self.earlier)

    @property
    def topics(self) -> int:
        """All topics in any of them."""
        return self._all(self.mask).mask

    def key(self, choice: int, owed: int) -> str | None:
        """The name of the rendition for a reader of *choice* who is *owed* so much; None: nothing remains."""
        more = owed & self.mask
        key = self._all(more).key(choice)
        return f"{key}{_BEHIND}{more:x}" if key is not None and more else key

    def routes(self, keys: Iterable[str]) -> list[Route]:
        """The renditions *keys*, those that bring the most earlier editions first, then the smallest.

        Everybody gets the first that fits them. One that brings what is no longer known fits nobody.
        """
        known = [key for key in keys if not brought(key) & ~self.mask]
        known.sort(key=lambda key: (-brought(key).bit_count(), self._size(key), key))
        return [
            Route(key, brought(key), self._all(brought(key)).left_out(_topics(key)))
            for key in known
        ]

    def nearest(self, choice: int, owed: int, routes: Iterable[Route]) -> str | None:
        """Which of *routes* such a reader gets; None when nothing remains for them."""
        if self.key(choice, owed) is None:
            return None
        return next((one.key for one in routes if one.fits(choice, owed)), ALL)

    def words(self, key: str) -> str:
        """*key* as people say it."""
        said = self.shelf.words(_topics(key))
        more = [one for one in self.earlier if one.mask & brought(key)]
        return f"{said}, and what they missed since {more[-1].issue}" if more else said

    def restricted(self, edition: Edition, key: str) -> Edition:
        """What the rendition called *key* says of *edition*, each comparison once."""
        mine = topics.restricted(edition, self.shelf, _topics(key))
        choice = self._all(brought(key)).choice(_topics(key))
        said = {entry.facts.slug for entry in edition.entries}
        room = MOST
        missed: list[Missed] = []
        for one in self.earlier:
            if not one.mask & brought(key):
                continue
            kept = Shelf(self.shelf.topics, one.masks).kept(choice)
            new = [one.entries[at] for at in kept if one.entries[at].facts.slug not in said]
            said |= {entry.facts.slug for entry in new}
            if new:
                shown = tuple(new[:room])
                missed.append(
                    Missed(one.issue, one.number, one.dated, shown, len(new) - len(shown))
                )
                room -= len(shown)
        return replace(mine, missed=tuple(missed))

    def _all(self, those: int) -> Shelf:
        """The edition's own comparisons and those of the earlier editions *those*, as one shelf."""
        more = (mask for one in self.earlier if one.mask & those for mask in one.masks)
        return Shelf(self.shelf.topics, (*self.shelf.masks, *more))

    def _size(self, key: str) -> int:
        shelf = self._all(brought(key))
        return len(shelf.kept(shelf.choice(_topics(key))))


def stock(session: Session, digest: Digest, edition: Edition, *, address: str) -> Stock:
    """*edition* of *digest*, with what its readers may have missed before it.

    Of an approved edition, the earlier ones are those it was approved with.
    *address* is where a full comparison stands, with ``{slug}`` in it.
    """
    shelf = topics.shelf(session, edition)
    earlier = _gone_out(session, digest)
    if not earlier:
        return Stock(shelf)
    corrected = set(
        session.exec(select(Digest.corrects_id).where(col(Digest.started_at).is_not(None)))
    )
    said: dict[int, list[Entry]] = {one.id or 0: [] for one in earlier}
    rows = session.exec(
        select(DigestItem.digest_id, Revision)
        .join(Revision, col(Revision.id) == col(DigestItem.revision_id))
        .where(col(DigestItem.digest_id).in_(said))
        .order_by(col(DigestItem.position))
    )
    for holder, mailed in rows.all():
        # What was corrected is not told again as it was.
        revision = newest(session, mailed) if holder in corrected else mailed
        facts = ComparisonFacts.model_validate(revision.facts)
        said[holder].append(Entry(facts, address.replace("{slug}", facts.slug)))
    return Stock(shelf, tuple(_earlier(one, shelf, said[one.id or 0]) for one in earlier))


def brought(key: str) -> int:
    """The earlier editions that the rendition called *key* brings."""
    return int(key.partition(_BEHIND)[2] or "0", 16)


def ids(session: Session, digest: Digest) -> list[int]:
    """The earlier editions that *digest* can bring, as they are kept with its approval."""
    return [one.id or 0 for one in _gone_out(session, digest, live=True)]


def _earlier(one: Digest, shelf: Shelf, entries: list[Entry]) -> Earlier:
    return Earlier(
        digest_id=one.id or 0,
        bit=one.owed_bit or 0,
        issue=one.issue,
        number=one.number,
        dated=dated(one),
        entries=tuple(entries),
        masks=tuple(topics.mask_of(shelf.topics, entry.facts) for entry in entries),
    )


def _gone_out(session: Session, digest: Digest, *, live: bool = False) -> list[Digest]:
    """Those whose books are closed, the newest first: a reader may be owed any of them."""
    if digest.corrects_id is not None:
        return []
    query = select(Digest).where(
        col(Digest.owed_bit).is_not(None),
        col(Digest.status) == DigestStatus.sent,
        col(Digest.id) != digest.id,
    )
    if not live and digest.status is not DigestStatus.draft:
        query = query.where(col(Digest.id).in_(digest.catches_up or []))
    return list(session.exec(query.order_by(col(Digest.started_at).desc())))


def _topics(key: str) -> str:
    return key.partition(_BEHIND)[0]
