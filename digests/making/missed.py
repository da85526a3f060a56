"""Editions that passed readers over for their pace: each has a bit, as long as it can be caught up on."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

from sqlalchemy import CursorResult, Select, select, update
from sqlmodel import Session, col

from digests.models import Batch, BatchStatus, Delivery, Digest, DigestStatus, Outcome

#: Editions that anybody can be owed; what went out before those is in the archive.
MOST: Final = 40


def dated(digest: Digest) -> date:
    """The day that stands on *digest*: of the appointment, where its schedule lives."""
    return digest.local_day or digest.send_at.astimezone(ZoneInfo(digest.zone)).date()


def put_off(digest: Digest, until: datetime, *, now: datetime) -> None:
    """Let *digest* go no sooner than *until*, but still on the day that it bears, if that is today's."""
    bears, zone = dated(digest), ZoneInfo(digest.zone)
    digest.send_at = max(digest.send_at, until)
    if dated(digest) != bears == now.astimezone(zone).date():
        midnight = datetime.combine(bears + timedelta(days=1), time(), zone)
        digest.send_at = midnight.astimezone(UTC) - timedelta(seconds=1)


def opens_month(session: Session, digest: Digest) -> bool:
    """Whether no edition with a date in the same month has started before *digest*."""
    month = dated(digest).replace(day=1)
    earlier = session.scalars(
        select(Digest)
        .where(
            col(Digest.started_at).is_not(None),
            col(Digest.corrects_id).is_(None),
            col(Digest.status) != DigestStatus.cancelled,
            col(Digest.id) != digest.id,
        )
        .order_by(col(Digest.started_at).desc())
        .limit(MOST)
    )
    started = digest.started_at
    return not any(
        dated(one).replace(day=1) == month
        for one in earlier
        if started is None or (one.started_at is not None and one.started_at < started)
    )


def take_bit(session: Session, digest: Digest) -> tuple[int, bool]:
    """Give *digest* the next bit; returns its mask, and whether another edition had it until now."""
    last = session.scalars(
        select(col(Digest.owed_bit))
        .where(col(Digest.owed_bit).is_not(None))
        .order_by(col(Digest.started_at).desc(), col(Digest.id).desc())
        .limit(1)
    ).first()
    bit = 0 if last is None else (last + 1) % MOST
    taken = session.execute(
        update(Digest)
        .where(col(Digest.owed_bit) == bit)
        .values(owed_bit=None)
        .execution_options(synchronize_session="fetch")
    )
    digest.owed_bit = bit
    session.add(digest)
    session.flush()
    return 1 << bit, cast("CursorResult[Any]", taken).rowcount > 0


def passed_over(digest: Digest, *, reasons: str, reasons_like: str) -> Select[Any]:
    """SQL: whom the ledger of *digest* excludes for a reason, or one that begins so."""
    return select(col(Delivery.subscriber_id)).where(
        col(Delivery.digest_id) == digest.id,
        col(Delivery.outcome) == Outcome.excluded,
        (col(Delivery.reason) == reasons)
        | col(Delivery.reason).startswith(reasons_like, autoescape=True),
    )


def may_have(digest: Digest, rendition_id: int) -> Select[Any]:
    """SQL: whoever has that rendition of *digest*, or has it on its way."""
    waiting = () if digest.status is DigestStatus.cancelled else (BatchStatus.planned,)
    live = (*waiting, BatchStatus.claimed, BatchStatus.uncertain, BatchStatus.accepted)
    return (
        select(col(Delivery.subscriber_id))
        .join(
            Batch,
            (col(Batch.digest_id) == col(Delivery.digest_id))
            & (col(Batch.number) == col(Delivery.batch)),
        )
        .where(
            col(Delivery.digest_id) == digest.id,
            col(Batch.rendition_id) == rendition_id,
            (col(Delivery.outcome) == Outcome.accepted)
            | (col(Delivery.outcome).is_(None) & col(Batch.status).in_(live)),
        )
    )
