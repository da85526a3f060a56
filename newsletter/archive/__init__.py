"""The archive: every edition that went out, as anybody may read it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import select, tuple_
from sqlmodel import Session, col

from digests.lifecycle import DigestError, NoSuchDigest
from digests.making import assembly
from digests.making.missed import dated
from digests.models import Digest, DigestStatus, Rendition
from newsletter.archive.public import Neighbours, html_of, text_of
from newsletter.copies import galley
from newsletter.rendering.card import Card, card
from newsletter.settings import settings

__all__ = [
    "PAGE",
    "Edition",
    "Neighbours",
    "NotInTheArchive",
    "editions",
    "html",
    "neighbours",
    "one",
    "pairs",
    "text",
]

#: Editions on one page of the index: a year.
PAGE: Final = 52
_EVERYBODY: Final = "all"  # the rendition for readers of everything


class NotInTheArchive(NoSuchDigest):
    """Nothing of that name has gone out; whoever asks may be anybody."""

    def __init__(self, issue: str) -> None:
        DigestError.__init__(
            self, f"No edition {issue} has gone out; the archive has those that did."
        )
        self.issue = issue


@dataclass(frozen=True, slots=True)
class Edition:
    """One edition in the archive."""

    id: int
    issue: str
    number: int
    subject: str
    preheader: str
    sent_at: datetime  # when its books were closed
    dated: date  # the day that stands in the mail
    content_hash: str

    @property
    def day(self) -> str:
        """``3 October 2026``: the day that stands in the mail."""
        return f"{self.dated.day} {self.dated:%B %Y}"

    @property
    def address(self) -> str:
        """Where everybody finds it."""
        return f"{settings().web_url.rstrip('/')}/archive/{self.issue}"


_EDITION: Final = (
    select(Digest, col(Rendition.subject), col(Rendition.preheader), col(Rendition.content_hash))
    .join(Rendition, col(Rendition.digest_id) == col(Digest.id))
    .where(
        col(Digest.status) == DigestStatus.sent,
        col(Digest.finished_at).is_not(None),
        col(Rendition.topics) == _EVERYBODY,
    )
)
#: The books of two may be closed at the same moment.
_ORDER: Final = (col(Digest.finished_at), col(Digest.id))
_NEWEST_FIRST: Final = tuple(one.desc() for one in _ORDER)


def editions(
    session: Session, *, before: Edition | None = None, most: int = PAGE
) -> Sequence[Edition]:
    """Those that went out, newest first; *before* continues behind that one."""
    query = _EDITION.order_by(*_NEWEST_FIRST).limit(most)
    if before is not None:
        query = query.where(tuple_(*_ORDER) < (before.sent_at, before.id))
    return [_edition(*row) for row in session.execute(query)]


def one(session: Session, issue: str) -> Edition:
    """The edition called *issue*, once it was sent. Raises NotInTheArchive."""
    row = session.execute(_EDITION.where(col(Digest.issue) == issue)).first()
    if row is None:
        raise NotInTheArchive(issue)
    return _edition(*row)


def neighbours(session: Session, edition: Edition) -> Neighbours:
    """The issues that went out before and after *edition*; None at either end."""
    earlier = _EDITION.where(tuple_(*_ORDER) < (edition.sent_at, edition.id)).order_by(
        *_NEWEST_FIRST
    )
    later = _EDITION.where(tuple_(*_ORDER) > (edition.sent_at, edition.id)).order_by(*_ORDER)
    found = [session.execute(query.limit(1)).first() for query in (earlier, later)]
    before, after = (row[0] if row else None for row in found)
    return Neighbours(
        before=before and before.issue,
        after=after and after.issue,
        since=after and after.finished_at,
    )


def html(session: Session, edition: Edition) -> str:
    """The stored HTML of *edition* without what was a reader's own."""
    frozen = _frozen(session, edition)
    return html_of(frozen.html, frozen.links, issue=edition.issue, base=settings().web_url)


def text(session: Session, edition: Edition) -> str:
    """The stored text part of *edition* without what was a reader's own."""
    frozen = _frozen(session, edition)
    return text_of(frozen.text, frozen.links, issue=edition.issue, base=settings().web_url)


def pairs(session: Session, edition: Edition) -> list[Card]:
    """The comparisons in *edition*, as it said them; none once they are no longer kept."""
    digest = session.get_one(Digest, edition.id)
    shown = assembly.edition(session, digest, address=galley.comparison_address())
    return [card(entry) for entry in shown.entries]


def _edition(digest: Digest, subject: str, preheader: str, content_hash: str) -> Edition:
    return Edition(
        id=digest.id or 0,
        issue=digest.issue,
        number=digest.number,
        subject=subject,
        preheader=preheader,
        sent_at=digest.finished_at or digest.send_at,
        dated=dated(digest),
        content_hash=content_hash,
    )


def _frozen(session: Session, edition: Edition) -> Rendition:
    query = select(Rendition).where(
        col(Rendition.digest_id) == edition.id, col(Rendition.topics) == _EVERYBODY
    )
    return session.scalars(query).one()
