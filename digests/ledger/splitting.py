"""Batches that become several: copies put off, a culprit to be found, a provider that takes fewer a call."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final, cast
from uuid import uuid4

from sqlalchemy import CursorResult, Table, bindparam, func, insert, select, update
from sqlmodel import Session, col

from digests.models import Batch, BatchStatus, Delivery, Digest


def split(  # noqa: PLR0913 - whose copies, and until when
    session: Session,
    digest_id: int,
    number: int,
    subscriber_ids: Collection[int],
    *,
    not_before: datetime | None = None,
    put_off: int = 1,
) -> int | None:
    """Move the copies that were certainly not taken to a batch of their own; returns its number.

    It counts how often they were put off, so that nobody waits for ever.
    """
    fresh = _next_number(session, digest_id)
    moved = session.execute(
        update(Delivery)
        .where(
            col(Delivery.digest_id) == digest_id,
            col(Delivery.batch) == number,
            col(Delivery.subscriber_id).in_(subscriber_ids),
            col(Delivery.outcome).is_(None),
        )
        .values(batch=fresh)
        .execution_options(synchronize_session=False)
    )
    count = cast("CursorResult[Any]", moved).rowcount
    if not count:
        return None
    old = session.get_one(Batch, (digest_id, number))
    session.refresh(old)
    session.execute(
        insert(Batch).values(
            **_parted(old, fresh, count, put_off=old.put_off + put_off), not_before=not_before
        )
    )
    _shrink(session, old, by=count)
    return fresh


def part(session: Session, digest_id: int, number: int, people: Sequence[int], *, size: int) -> int:
    """Part a planned batch of *people* (in order) into batches of *size*; returns how many new ones.

    For a provider that takes fewer copies a call than the one it was planned for.
    """
    rest = [people[at : at + size] for at in range(size, len(people), size)]
    if not rest:
        return 0
    first = _next_number(session, digest_id)
    session.connection().execute(
        _MOVE,
        [
            {"whose": digest_id, "old": number, "new": first + i, "low": some[0], "high": some[-1]}
            for i, some in enumerate(rest)
        ],
    )
    old = session.get_one(Batch, (digest_id, number))
    session.refresh(old)
    session.execute(
        insert(Batch),
        [
            {**_parted(old, first + i, len(some), put_off=old.put_off), "not_before": None}
            for i, some in enumerate(rest)
        ],
    )
    _shrink(session, old, by=sum(map(len, rest)))
    return len(rest)


_DELIVERY: Final = cast("Table", Delivery.__table__)  # type: ignore[attr-defined]  # SQLModel hides it
_MOVE: Final = (
    update(_DELIVERY)
    .where(
        _DELIVERY.c.digest_id == bindparam("whose"),
        _DELIVERY.c.subscriber_id.between(bindparam("low"), bindparam("high")),
        _DELIVERY.c.batch == bindparam("old"),
        _DELIVERY.c.outcome.is_(None),
    )
    .values(batch=bindparam("new"))
)


def _next_number(session: Session, digest_id: int) -> int:
    # The edition's row is the lock: two batches split at once must not take the same number.
    session.execute(
        select(col(Digest.id)).where(col(Digest.id) == digest_id).with_for_update(key_share=True)
    )
    last = session.scalar(
        select(func.max(col(Batch.number))).where(col(Batch.digest_id) == digest_id)
    )
    return int(last or 0) + 1


def _parted(old: Batch, number: int, size: int, *, put_off: int) -> dict[str, Any]:
    return {
        "digest_id": old.digest_id,
        "number": number,
        "rendition_id": old.rendition_id,
        "size": size,
        "wave": old.wave,
        "status": BatchStatus.planned,
        "key": str(uuid4()),
        "fence": 0,
        "attempts": old.attempts,
        "put_off": put_off,
        "reason": f"parted from batch {old.number}",
    }


def _shrink(session: Session, old: Batch, *, by: int) -> None:
    """It holds fewer copies; what is yet to be posted of it is another body, with another key."""
    fewer: dict[str, Any] = {"size": col(Batch.size) - by}
    if old.status is not BatchStatus.accepted:
        fewer["key"] = str(uuid4())
    session.execute(
        update(Batch)
        .where(col(Batch.digest_id) == old.digest_id, col(Batch.number) == old.number)
        .values(**fewer)
        .execution_options(synchronize_session=False)
    )
