"""The mail itself on the desk: the bytes that will be sent, as one reader gets them."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlmodel import Session, col

from digests import topics
from digests.lifecycle import DigestError
from digests.making import versions
from digests.models import Digest, DigestStatus
from digests.topics import ALL
from digests.words.english import listed
from newsletter.copies import choices, kept
from newsletter.copies.galley import Preview
from newsletter.copies.readership import readers_of
from newsletter.editions import production
from newsletter.links import CopyRef
from newsletter.preflight import shapes
from newsletter.web import copies
from subscribers.models import Subscriber, SubscriberStatus

_BY_NIGHT: Final = re.compile(r"\(\s*prefers-color-scheme\s*:\s*dark\s*\)")
_READER: Final = re.compile(r"reader:(\d{1,15})")
_TOPICS: Final = re.compile(r"topics:([a-z0-9+-]{1,480}(?:~[0-9a-f]{1,10})?)")


class NoSuchReader(DigestError):
    """Nobody on the list has that address or number."""

    def __init__(self) -> None:
        super().__init__("Nobody who gets mail has that address or number.")


class NothingForThem(DigestError):
    """A reader's topics and the edition's have nothing in common."""

    def __init__(self, issue: str) -> None:
        super().__init__(
            f"Nothing in {issue} is in this reader's topics, so they get no copy of it."
        )
        self.issue = issue


@dataclass(frozen=True, slots=True)
class Eyes:
    """Through whose eyes the mail is looked at. *key* is how an address names them."""

    key: str
    words: str
    reader: Subscriber | None = None
    topics: str = ALL  # whose rendition they get


@dataclass(frozen=True, slots=True)
class Sight:
    """The mail as those eyes see it; the links in it are genuine and belong to no one."""

    preview: Preview
    html: str
    text: str


def eyes(session: Session, wanted: str) -> Eyes:
    """Whoever *wanted* names: ``all``, ``reader:7``, ``topics:agents``. Raises NoSuchReader."""
    if named := _READER.fullmatch(wanted):
        return of_a_reader(session.get(Subscriber, int(named[1])))
    if named := _TOPICS.fullmatch(wanted):  # of a rendition there is or could be
        return Eyes(wanted, _words(session, named[1]), topics=named[1])
    return Eyes(ALL, "a reader of everything")


def sight(session: Session, digest: Digest, through: Eyes, *, now: datetime) -> Sight:
    """The mail as *through* sees it. Raises NothingInIt, and NothingForThem of a reader's topics."""
    key = through.topics
    if through.reader is not None:
        key = _rendition_of(session, digest, through.reader, now=now)
    shown = production.preview(session, digest, key)
    content, nobody = shown.rendered.content, CopyRef(digest.id or 0, 0)
    joined, keeps = "the day you joined", ""
    if (reader := through.reader) is not None and reader.id is not None:
        day = reader.joined_at.date()
        joined = f"{day.day} {day:%B %Y}"
        lines = kept.lines(session, digest.id or 0, first=reader.id, last=reader.id)
        keeps = lines.get(reader.id, "")
    # The reader's own values, but links of nobody: pressing one must not act for them.
    html, text = (
        copies.filled(part, content.fields, nobody, joined_on=joined, keeps=keeps)
        for part in (content.html, content.text)
    )
    return Sight(shown, html, text)


def _rendition_of(session: Session, digest: Digest, reader: Subscriber, *, now: datetime) -> str:
    """The one they get: of those that are frozen, or of those a long list needed an hour ago at most."""
    if digest.status is DigestStatus.draft or not digest.renditions:
        readers = shapes.measured(session, digest, exact=False, now=now).by_wish
        key = choices.wanted(session, digest, readers).key_of(reader.topics, reader.owed)
    else:
        have = choices.stock_of(session, digest)
        key = have.nearest(reader.topics, reader.owed, tuple(have.routes(digest.renditions)))
    if key is None:
        raise NothingForThem(digest.issue)
    return key


def passed_over(session: Session, digest: Digest, through: Eyes) -> str:
    """Why the reader whose eyes these are gets no copy of *digest*; empty when they would get one."""
    if through.reader is None or digest.status not in versions.EDITABLE:
        return ""
    asked = readers_of(session, digest).where(col(Subscriber.id) == through.reader.id)
    row = session.execute(asked).first()
    return str(row.reason or "") if row else "it goes to those who got what it corrects"


def in_scheme(html: str, scheme: str) -> str:
    """*html* as a client shows it by day or by night, whatever the editor's own machine prefers."""
    return _BY_NIGHT.sub("(min-width:0)" if scheme == "dark" else "(max-width:0)", html)


def of_a_reader(person: Subscriber | None) -> Eyes:
    """Their eyes, named by the first letter, the domain and the number. Raises NoSuchReader."""
    if person is None or person.address is None or person.status is not SubscriberStatus.active:
        raise NoSuchReader
    name, _, domain = person.address.rpartition("@")
    return Eyes(f"reader:{person.id}", f"{name[:1]}…@{domain}, reader {person.id:,}", person)


def _words(session: Session, key: str) -> str:
    slugs, _, earlier = key.partition("~")
    said = "everything"
    if slugs != ALL:
        names = {one.slug: one.name for one in topics.listed(session)}
        said = f"{listed([names.get(slug, slug) for slug in slugs.split('+')])} alone"
    return f"a reader of {said}" + (" who missed editions" if earlier else "")
