"""Why somebody did or did not get an edition, in one sentence, from what is stored."""

from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from digests.models import Batch, BatchStatus, Delivery, Digest, Outcome
from newsletter.settings import settings
from subscribers.addresses import address_key, normal_form
from subscribers.engagement import Engagement
from subscribers.models import Subscriber, Suppression


def why(session: Session, address: str, digest: Digest) -> str:  # noqa: PLR0911 - one for each fate
    """One sentence on *address* and *digest*, from stored evidence alone. Raises BadAddress."""
    key = address_key(normal_form(address), secret=settings().suppression_secret.get_secret_value())
    person = session.exec(select(Subscriber).where(col(Subscriber.address_key) == key)).first()
    if person is None:
        return _unknown(session, key)
    if digest.archived_at is not None:
        return f"{digest.issue} is archived since {digest.archived_at:%Y-%m-%d}: only its books are left."
    copy = session.get(Delivery, (digest.id, person.id))
    if copy is None:
        return _not_considered(person, digest)
    batch = session.get(Batch, (digest.id, copy.batch)) if copy.batch is not None else None
    if copy.outcome is Outcome.excluded:
        return f"Did not get {digest.issue}: {_excluded(person, copy, batch)}."
    if copy.outcome is Outcome.rejected:
        name = _name(batch)
        return f"Did not get {digest.issue}: {name} refused the address: {copy.reason}."
    if batch is None:
        return f"Was to get {digest.issue}, but no batch holds the copy."
    if copy.outcome is Outcome.accepted or batch.status is BatchStatus.accepted:
        accepted_at = copy.decided_at or batch.settled_at
        return _accepted(session, person, digest, batch, accepted_at)
    if batch.status is BatchStatus.uncertain:
        return (
            f"May have got {digest.issue}: nobody knows whether {_name(batch)} took the copy "
            f"posted at {_clock(batch.posted_at)} ({batch.reason}); it is not repeated without proof."
        )
    return (
        f"Has not got {digest.issue} yet: the copy waits in batch {batch.number} ({digest.status})."
    )


def _unknown(session: Session, key: bytes) -> str:
    if suppressed := session.get(Suppression, key):
        return (
            f"Nobody on the list has that address, and it is suppressed since "
            f"{suppressed.since:%Y-%m-%d} ({suppressed.reason})."
        )
    return "Nobody on the list has that address."


def _not_considered(person: Subscriber, digest: Digest) -> str:
    if digest.started_at is None:
        return f"{digest.issue} is {digest.status}: nobody has got it yet."
    if person.joined_at > digest.started_at:
        return (
            f"Did not get {digest.issue}: joined on {person.joined_at:%Y-%m-%d}, after it went out."
        )
    if person.confirmed_at is None or person.confirmed_at > digest.started_at:
        return f"Did not get {digest.issue}: had not confirmed the subscription by then."
    if person.left_at and person.left_at <= digest.started_at:
        return (
            f"Did not get {digest.issue}: {_left(person)} "
            f"{_ago(digest.started_at - person.left_at)} before it started."
        )
    return f"Did not get {digest.issue}: was not on the list when it started."


def _excluded(person: Subscriber, copy: Delivery, batch: Batch | None) -> str:
    if person.left_at and copy.decided_at and person.left_at <= copy.decided_at:
        unit = "their batch" if batch else "it was planned"
        return f"{_left(person)} {_ago(copy.decided_at - person.left_at)} before {unit}"
    return {
        "suppressed": "the address is suppressed",
        "erased": "the person was erased",
        "pending": "the subscription was not confirmed",
    }.get(copy.reason or "", copy.reason or "no reason stored")


def _accepted(
    session: Session, person: Subscriber, digest: Digest, batch: Batch, at: datetime | None
) -> str:
    said = f"Accepted by {_name(batch)} at {_clock(at)}"
    events = session.exec(
        select(Engagement)
        .where(col(Engagement.digest_id) == digest.id, col(Engagement.subscriber_id) == person.id)
        .order_by(col(Engagement.occurred_at))
    ).all()
    latest: dict[str, Engagement] = {}
    for event in events:
        if event.kind in {
            "delivered",
            "hard_bounced",
            "soft_bounced",
            "dropped",
            "complained",
            "opened",
            "clicked",
            "unsubscribed",
        }:
            latest.setdefault(event.kind, event)
    parts = [
        f"{event.kind.replace('_', ' ')} at {_clock(event.occurred_at)}"
        + (f": {event.reason}" if event.reason and "bounce" in event.kind else "")
        for event in latest.values()
    ]
    return f"Got {digest.issue}: " + ", ".join([said[0].lower() + said[1:], *parts]) + "."


def _left(person: Subscriber) -> str:
    return (
        f"left by {person.left_how}"
        if person.status == "unsubscribed"
        else f"had a {person.left_how}"
    )


def _name(batch: Batch | None) -> str:
    return (batch.provider if batch else None) or "the provider"


def _clock(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "an unknown moment"


def _ago(gap: timedelta) -> str:
    """A length as a person says it: seconds, minutes, hours or days, rounded down."""
    seconds = int(gap.total_seconds())
    for length, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= length:
            count = seconds // length
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"
