"""What is known about an uncertain batch, and what is written down about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select
from sqlmodel import Session, col

from digests.ledger import proofs
from digests.models import Batch, BatchStatus, Delivery
from newsletter import links
from newsletter.database import reading, unit_of_work
from newsletter.esp import Absent, CannotTell, Esp, Finding, Found
from subscribers.engagement import Engagement


@dataclass(frozen=True, slots=True)
class Doubt:
    """One uncertain batch, as it was when it was looked at."""

    digest_id: int
    number: int
    fence: int
    provider: str
    first_posted_at: datetime
    posted_at: datetime

    @property
    def names(self) -> tuple[str, ...]:
        """What the provider may know it by: the secret may have been replaced since it was posted."""
        return links.batch_tags(self.digest_id, self.number)


def search(esp: Esp, names: Iterable[str], *, since: datetime, now: datetime) -> Finding:
    """Ask the provider's search under each of *names*: absent is only what is so under all of them."""
    shown: list[Found] = []
    absent: Finding = CannotTell("it has no name")
    for name in names:
        match esp.find(name, since=since, now=now):
            case Found() as found:
                shown.append(found)
            case Absent() as finding:
                absent = finding
            case CannotTell() as finding:
                return finding
    if not shown:
        return absent
    named = [ref for found in shown for ref in found.refs]
    return Found(shown[0].evidence, tuple(named) if all(found.refs for found in shown) else ())


def uncertain(session: Session, *, now: datetime, every: timedelta) -> list[Doubt]:
    """The batches of which nobody knows, those that have waited longest for a look first."""
    rows = session.execute(
        select(
            col(Batch.digest_id),
            col(Batch.number),
            col(Batch.fence),
            col(Batch.provider),
            col(Batch.first_posted_at),
            col(Batch.posted_at),
        )
        .where(
            col(Batch.status) == BatchStatus.uncertain,
            or_(col(Batch.checked_at).is_(None), col(Batch.checked_at) <= now - every),
            or_(col(Batch.lease_until).is_(None), col(Batch.lease_until) <= now),
        )
        .order_by(col(Batch.checked_at).is_not(None), col(Batch.checked_at), col(Batch.posted_at))
        .limit(200)
    )
    return [
        Doubt(digest_id, number, fence, name, first_posted_at, posted_at)
        for digest_id, number, fence, name, first_posted_at, posted_at in rows
        if name and first_posted_at and posted_at
    ]


def seen_in_events(doubt: Doubt) -> dict[int, str]:
    """Whose copies some event names, with one of its words for each."""
    with reading() as session:
        found = session.execute(
            select(col(Engagement.subscriber_id), col(Engagement.kind))
            .join(
                Delivery,
                (col(Delivery.digest_id) == col(Engagement.digest_id))
                & (col(Delivery.subscriber_id) == col(Engagement.subscriber_id)),
            )
            .where(
                col(Engagement.digest_id) == doubt.digest_id,
                col(Delivery.batch) == doubt.number,
                col(Delivery.outcome).is_(None),
            )
        )
        return {person: kind for person, kind in found if person is not None}


def open_copies(session: Session, doubt: Doubt) -> set[int]:
    """Whose copies share the batch's fate."""
    return set(
        session.scalars(
            select(col(Delivery.subscriber_id)).where(
                col(Delivery.digest_id) == doubt.digest_id,
                col(Delivery.batch) == doubt.number,
                col(Delivery.outcome).is_(None),
            )
        )
    )


def looked(doubt: Doubt, why: str, *, now: datetime) -> str:
    """The provider was asked in vain; returns *why*, for the log."""
    with unit_of_work() as session:
        proofs.looked(session, doubt.digest_id, doubt.number, now=now)
    return why


def evidence_of(by: str, now: datetime, said: str) -> dict[str, Any]:
    """What is kept with a batch that was settled: by what, when, and what was said."""
    return {"by": by, "at": now.isoformat(), "said": said[:300]}
