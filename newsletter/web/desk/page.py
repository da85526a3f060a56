"""What the desk shows, as values: the comparisons with their voices, the words, what could be taken in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlmodel import Session

from digests import signatures, topics
from digests.edition import Edition, Entry
from digests.facts import key_of
from digests.making import assembly, versions
from digests.making.draft import Draft, Place
from digests.making.shelf import OnShelf, shelf
from digests.models import Digest, DigestStatus, DigestVersion
from digests.signatures import Signature
from digests.topics import Topic
from digests.words import wording
from digests.words.english import listed
from digests.words.voices import seats, seats_of
from newsletter import preflight
from newsletter.copies import galley
from newsletter.editions import deadlines
from newsletter.preflight import Check, Finding, Preflight
from newsletter.rendering.card import Card, card


@dataclass(frozen=True, slots=True)
class Voice:
    """One reviewer who could be quoted, with their sentence; empty where none stands by itself."""

    key: str
    who: str
    says: str
    is_quoted: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison on the desk."""

    place: Place
    slug: str
    shown: Card
    voices: tuple[Voice, ...]
    quoted: str  # whose words stand under it
    drift: Finding | None
    leads: bool
    can_rise: bool
    can_sink: bool

    @property
    def id(self) -> int:
        """By which the page and its forms know it."""
        return self.place.revision_id


class Waits(NamedTuple):
    """For what a draft waits: its words, and the moment they end with."""

    words: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything about one edition that its editors work with."""

    digest: Digest
    draft: Draft
    rows: tuple[Row, ...]
    subjects: tuple[str, ...]  # three suggestions
    preheaders: tuple[str, ...]
    shelf: tuple[OnShelf, ...]
    topics: tuple[Topic, ...]  # of what is in it, for a choice of them to look at it by
    found: Preflight
    last: DigestVersion | None
    waits: Waits
    refused: Signature | None  # the last refusal of a draft, if nothing has changed since

    @property
    def saved_at(self) -> datetime:
        """When its content last changed."""
        return self.last.at if self.last else self.digest.assembled_at

    @property
    def is_open(self) -> bool:
        """Whether it can be edited."""
        return self.digest.status in versions.EDITABLE

    @property
    def is_arranged(self) -> bool:
        """Whether its comparisons can be: a correction's are those of the edition it corrects."""
        return self.is_open and self.digest.corrects_id is None


def desk(session: Session, digest: Digest, *, search: str, now: datetime) -> Desk:
    """The desk of *digest*; *search* is the beginning of a tool's name, for what could be taken in."""
    draft = versions.read(session, digest)
    edition = assembly.edition(session, digest, address=galley.comparison_address())
    found = preflight.examine(session, digest, now=now, exact=False)
    subjects, preheaders = _suggested(edition)
    return Desk(
        digest=digest,
        draft=draft,
        rows=tuple(_rows(draft, edition, found)),
        subjects=subjects,
        preheaders=preheaders,
        shelf=tuple(shelf(session, digest, search=search)),
        topics=_topics(session, edition) if digest.status is DigestStatus.draft else (),
        found=found,
        last=versions.newest(session, digest),
        waits=waits(session, digest, now=now),
        refused=signatures.standing_refusal(session, digest, content_hash=found.content_hash),
    )


def _topics(session: Session, edition: Edition) -> tuple[Topic, ...]:
    known = topics.shelf(session, edition)
    return tuple(one for one in known.topics if one.mask & known.mask)


def waits(session: Session, digest: Digest, *, now: datetime) -> Waits:
    """For what a draft waits, and until when."""
    deadline = deadlines.deadline_of(session, digest)
    if now > digest.late_after:
        return Waits("too late since", digest.late_after)
    if deadline is not None and now < deadline:
        return Waits("needs approval by", deadline)
    return Waits("may still go until", digest.late_after)


def _suggested(edition: Edition) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Three subjects and three preheaders that are not what stands there already."""
    subjects = (wording.subject_of(edition.entries), *wording.suggestions(edition.entries))
    preheaders = wording.preheaders(edition.entries)
    others = [one for one in subjects if key_of(one) != key_of(edition.subject)]
    more = [one for one in preheaders if key_of(one) != key_of(edition.preheader)]
    return tuple(others[:3]), tuple(more[:3])


def _rows(draft: Draft, edition: Edition, found: Preflight) -> list[Row]:
    drifts = {one.revision_id: one for one in found.findings if one.check is Check.drift}
    # A correction says other revisions than those it corrects, in the same order.
    pairs = list(zip(draft.places, edition.entries, strict=True))
    loose = [place.revision_id for place in draft.places if not place.pinned]
    return [
        Row(
            place=place,
            slug=entry.facts.slug,
            shown=card(entry),
            voices=_voices(entry),
            quoted=listed(_quoted(entry)) if entry.quotes else "",
            drift=drifts.get(place.revision_id),
            leads=number == 0,
            can_rise=place.revision_id in loose[1:],
            can_sink=place.revision_id in loose[:-1],
        )
        for number, (place, entry) in enumerate(pairs)
    ]


def _voices(entry: Entry) -> tuple[Voice, ...]:
    chosen = seats_of(entry.facts, entry.quotes)
    return tuple(
        Voice(
            key=seat.key,
            who=f"{seat.reviewer} on {seat.tool}",
            says=seat.quote.text if seat.quote else "",
            is_quoted=seat.key in chosen,
        )
        for seat in seats(entry.facts)
    )


def _quoted(entry: Entry) -> Sequence[str]:
    return list(dict.fromkeys(quote.reviewer or "a reviewer" for quote in entry.quotes))
