"""What became of each edition with its readers: counted by a tick and kept, so that looking costs nothing.

People are counted and not events: who opened thrice opened. Opens and clicks are ranges,
from those that are certainly people's to all that no machine has owned up to.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import JSON, Column, func, select
from sqlmodel import Field, Session, SQLModel, col

from digests.ledger.weeks import Week, weeks
from digests.models import Batch, Delivery, Digest, DigestStatus, Rendition
from newsletter.database import reading, unit_of_work
from newsletter.esp import EventKind
from newsletter.settings import settings
from subscribers.engagement import Engagement, Reader
from subscribers.models import Subscriber, SubscriberStatus

#: Editions older than this are counted no more; what was counted last stays.
_COUNTED_FOR: Final = timedelta(days=60)
_SOONEST: Final = timedelta(minutes=1)
#: An edition is counted anew after this part of its age: every minute in its first hour.
_PART_OF_ITS_AGE: Final = 60
_MOST_LINKS: Final = 20


class EditionFigures(SQLModel, table=True):
    """One edition's figures as they were counted last."""

    __tablename__ = "edition_figures"

    digest_id: int = Field(primary_key=True, foreign_key="digest.id")
    counted_at: datetime
    figures: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


@dataclass(frozen=True, slots=True)
class Range:
    """People: *certain* are persons, *possible* all that did not turn out to be machines alone."""

    certain: int = 0
    possible: int = 0


@dataclass(frozen=True, slots=True)
class Figures:
    """People by what they did, or what happened to their copy."""

    delivered: int = 0
    opened: Range = Range()
    clicked: Range = Range()
    unsubscribed: int = 0
    bounced: int = 0
    complained: int = 0
    read: tuple[tuple[str, int], ...] = ()  # where links led, and how many people followed them

    @classmethod
    def of(cls, plain: dict[str, Any]) -> "Figures":
        """What ``asdict`` gave."""
        known = dict(plain)
        for name in ("opened", "clicked"):
            known[name] = Range(**known[name])
        known["read"] = tuple((address, people) for address, people in known["read"])
        return cls(**known)


@dataclass(frozen=True, slots=True)
class Report:
    """One edition's copies and people. *counted_at* is None while nobody has counted yet."""

    week: Week
    figures: Figures = field(default_factory=Figures)
    counted_at: datetime | None = None

    def share(self, people: int) -> float:
        """*people* of those whose copy was accepted, in percent."""
        return 100 * people / self.week.accepted if self.week.accepted else 0.0

    def as_json(self) -> dict[str, Any]:
        """Plain values; moments in ISO 8601."""
        return {
            "digest": self.week.issue,
            "subject": self.week.subject,
            "sent_at": self.week.sent_at.isoformat(),
            "audience": self.week.audience,
            "accepted": self.week.accepted,
            "refused": self.week.refused,
            "excluded": self.week.excluded,
            **asdict(self.figures),
            "read": [{"address": address, "people": n} for address, n in self.figures.read],
            "counted_at": self.counted_at.isoformat() if self.counted_at else None,
        }


def reports(session: Session, digest: Digest | None, *, count: int) -> list[Report]:
    """*digest* (the latest without one) and those before it, as they were counted last."""
    if digest is None:
        digest = session.scalars(
            select(Digest)
            .where(col(Digest.started_at).is_not(None), col(Digest.corrects_id).is_(None))
            .order_by(col(Digest.send_at).desc())
            .limit(1)
        ).first()
    if digest is None:
        return []
    shown = weeks(session, digest, count=count - 1)
    rows = session.execute(
        select(col(Digest.issue), EditionFigures)
        .join(EditionFigures, col(EditionFigures.digest_id) == col(Digest.id))
        .where(col(Digest.issue).in_([week.issue for week in shown]))
    ).all()
    kept: dict[str, EditionFigures] = {row[0]: row[1] for row in rows}
    return [
        Report(week, Figures.of(row.figures), row.counted_at)
        if (row := kept.get(week.issue)) is not None
        else Report(week)
        for week in shown
    ]


def refresh(*, now: datetime) -> int:
    """Count every edition anew whose figures are due; returns how many. Reads outside of the write."""
    with reading() as session:
        due = [
            digest_id
            for digest_id, started_at, counted_at in session.execute(
                select(col(Digest.id), col(Digest.started_at), col(EditionFigures.counted_at))
                .outerjoin(EditionFigures, col(EditionFigures.digest_id) == col(Digest.id))
                .where(
                    col(Digest.started_at) > now - _COUNTED_FOR,
                    col(Digest.archived_at).is_(None),
                    col(Digest.status) != DigestStatus.cancelled,
                )
            )
            if _is_due(now - started_at, None if counted_at is None else now - counted_at)
        ]
    for digest_id in due:
        recount(digest_id, now=now)
    return len(due)


def recount(digest_id: int, *, now: datetime) -> Figures:
    """Count one edition from its events, and keep it."""
    with reading(snapshot=True) as session:
        found = counted(session, digest_id)
    with unit_of_work() as session:
        session.merge(EditionFigures(digest_id=digest_id, counted_at=now, figures=asdict(found)))
    return found


def counted(session: Session, digest_id: int) -> Figures:
    """The figures of one edition, from its events as they are now.

    Opens and clicks are those of our own pixel and links, or the provider's: as
    ``track_by`` says, and never both.
    """
    ours = settings().track_by != "provider"
    mine = col(Engagement.digest_id) == digest_id
    people = func.count(func.distinct(col(Engagement.subscriber_id)))
    rows = session.execute(
        select(col(Engagement.kind), people)
        .where(mine, col(Engagement.kind).not_in((EventKind.opened, EventKind.clicked)))
        .group_by(col(Engagement.kind))
    ).all()
    by_kind: dict[str, int] = {row[0]: row[1] for row in rows}
    watched = (mine, (col(Engagement.provider) == "") if ours else (col(Engagement.provider) != ""))
    clicked = col(Engagement.kind) == EventKind.clicked
    certain, possible, opened = session.execute(
        select(
            people.filter(clicked, col(Engagement.reader) == Reader.person),
            people.filter(clicked, col(Engagement.reader) != Reader.machine),
            people.filter(
                # Who followed a link had the mail open, whether or not the pixel came.
                (col(Engagement.kind) == EventKind.opened) | clicked,
                col(Engagement.reader) != Reader.machine,
            ),
        ).where(*watched, col(Engagement.kind).in_((EventKind.opened, EventKind.clicked)))
    ).one()
    return Figures(
        delivered=by_kind.get(EventKind.delivered, 0),
        opened=Range(certain, opened),
        clicked=Range(certain, possible),
        unsubscribed=by_kind.get(EventKind.unsubscribed, 0),
        bounced=by_kind.get(EventKind.hard_bounced, 0),
        complained=by_kind.get(EventKind.complained, 0),
        read=(_read if ours else _read_by_the_providers_word)(session, digest_id),
    )


def on_the_list(session: Session) -> int:
    """How many get editions."""
    found: int = session.execute(
        select(func.count())
        .select_from(Subscriber)
        .where(col(Subscriber.status) == SubscriberStatus.active)
    ).scalar_one()
    return found


def _read(session: Session, digest_id: int) -> tuple[tuple[str, int], ...]:
    """Where people's clicks led; a link's number means another address in another rendition."""
    followed: dict[str, int] = {}
    rows: Sequence[Any] = session.execute(
        select(
            col(Rendition.id),
            col(Engagement.reason),
            func.count(func.distinct(col(Engagement.subscriber_id))),
        )
        .join(
            Delivery,
            (col(Delivery.digest_id) == col(Engagement.digest_id))
            & (col(Delivery.subscriber_id) == col(Engagement.subscriber_id)),
        )
        .join(
            Batch,
            (col(Batch.digest_id) == col(Delivery.digest_id))
            & (col(Batch.number) == col(Delivery.batch)),
        )
        .join(Rendition, col(Rendition.id) == col(Batch.rendition_id))
        .where(
            col(Engagement.digest_id) == digest_id,
            col(Engagement.kind) == EventKind.clicked,
            col(Engagement.provider) == "",
            col(Engagement.reader) == Reader.person,
        )
        .group_by(col(Rendition.id), col(Engagement.reason))
    ).all()
    for rendition_id, number, people in rows:
        links = session.get_one(Rendition, rendition_id).links
        if str(number).isdecimal() and int(number) < len(links):
            there = links[int(number)]
            followed[there] = followed.get(there, 0) + people
    return _most(followed)


def _read_by_the_providers_word(session: Session, digest_id: int) -> tuple[tuple[str, int], ...]:
    """The same where the provider counts: of its addresses those of the edition, none of a reader's own."""
    lists = session.scalars(
        select(col(Rendition.links)).where(col(Rendition.digest_id) == digest_id)
    )
    known = {address for one in lists for address in one}
    rows = session.execute(
        select(col(Engagement.reason), func.count(func.distinct(col(Engagement.subscriber_id))))
        .where(
            col(Engagement.digest_id) == digest_id,
            col(Engagement.kind) == EventKind.clicked,
            col(Engagement.provider) != "",
            col(Engagement.reader) == Reader.person,
        )
        .group_by(col(Engagement.reason))
    ).all()
    return _most({address: people for address, people in rows if address in known})


def _most(followed: dict[str, int]) -> tuple[tuple[str, int], ...]:
    most = sorted(followed.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(most[:_MOST_LINKS])


def _is_due(age: timedelta, since: timedelta | None) -> bool:
    return since is None or since >= max(_SOONEST, age / _PART_OF_ITS_AGE)
