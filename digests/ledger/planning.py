"""Sending starts: everybody in the audience gets a row in the ledger, in bulk statements."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast
from uuid import uuid4

from sqlalchemy import (
    CursorResult,
    Select,
    case,
    column,
    delete,
    func,
    insert,
    literal,
    null,
    table,
)
from sqlalchemy import select as sql
from sqlmodel import Session, col

from digests.ledger.partitions import PARTITIONED, attach_partition, drop_partition, open_partition
from digests.models import Batch, BatchStatus, Digest, Outcome

#: Spreads neighbouring ids, so that a canary is a sample and not the oldest readers.
_STRIDE: Final = 7919
_PER_MILLE: Final = 1000


@dataclass(frozen=True, slots=True)
class Group:
    """Deliveries that may share a batch."""

    rendition: str  # the choice of topics
    wave: int
    slot: str  # the time zone whose clocks decide, or empty
    size: int


def plan(  # noqa: PLR0913 - each is a decision of the digest's own
    session: Session,
    digest: Digest,
    people: Select[Any],
    *,
    renditions: Mapping[str, int],
    batch_size: int,
    canary_share: float = 0.0,
    slots: Mapping[str, datetime] | None = None,
    now: datetime,
) -> int:
    """Write the ledger of *digest*: a delivery for each row of *people*, and the batches.

    *people* has the columns ``subscriber_id``, ``reason`` (None for those to be
    mailed), ``topics`` and ``zone``; *renditions* maps topics to the rendition's
    id. *slots* maps a zone to the moment of its copies, None sends all at once.
    Returns the size of the audience. The caller's transaction must see one
    snapshot (SQLite always does; PostgreSQL under REPEATABLE READ), and the
    primary key refuses a second plan.
    """
    if digest.id is None:
        raise ValueError("only a stored digest can be planned")
    those = people.subquery("those")
    wave = _wave(those.c.subscriber_id, canary_share)
    slot = those.c.zone if slots is not None else literal("")
    groups = [
        Group(topics, int(in_wave), zone, count)
        for topics, in_wave, zone, count in session.execute(
            sql(those.c.topics, wave.label("wave"), slot.label("slot"), func.count())
            .where(those.c.reason.is_(None))
            .group_by(those.c.topics, wave, slot)
            .order_by(wave, those.c.topics, slot)
        )
    ]
    firsts: list[int] = []
    numbered = 1
    for group in groups:
        firsts.append(numbered)
        numbered += math.ceil(group.size / batch_size)
    audience = _insert_deliveries(
        session, digest.id, those, wave, slot, groups, firsts, batch_size=batch_size, now=now
    )
    batches = [
        {
            "digest_id": digest.id,
            "number": first + index,
            "rendition_id": renditions[group.rendition],
            "size": min(batch_size, group.size - index * batch_size),
            "wave": group.wave,
            # The canary goes when the edition starts: the rest of the world waits for its hold.
            "not_before": slots.get(group.slot) if slots is not None and group.wave else None,
            "status": "planned",
            "key": str(uuid4()),
            "fence": 0,
            "attempts": 0,
            "put_off": 0,
        }
        for group, first in zip(groups, firsts, strict=True)
        for index in range(math.ceil(group.size / batch_size))
    ]
    if batches:
        session.execute(insert(Batch), batches)
    return audience


def unplan(session: Session, digest: Digest) -> bool:
    """Take the whole ledger of *digest* back; False once any batch has been in a worker's hands.

    Then the caller's transaction must be rolled back. Of this and a claim at the
    same moment one succeeds: both want the same rows.
    """
    total = session.execute(
        sql(func.count()).select_from(Batch).where(col(Batch.digest_id) == digest.id)
    ).scalar_one()
    untouched = delete(Batch).where(
        col(Batch.digest_id) == digest.id,
        col(Batch.status) == BatchStatus.planned,
        col(Batch.fence) == 0,
    )
    if cast("CursorResult[Any]", session.execute(untouched)).rowcount != total:
        return False
    for name in PARTITIONED:
        drop_partition(session, name, digest.id or 0)
    return True


def is_untouched(session: Session, digest: Digest) -> bool:
    """Whether no batch of *digest* has ever been in a worker's hands."""
    touched = sql(col(Batch.number)).where(col(Batch.digest_id) == digest.id, col(Batch.fence) > 0)
    return session.execute(touched.limit(1)).first() is None


def _wave(subscriber_id: Any, canary_share: float) -> Any:  # noqa: ANN401 - SQL expressions
    share = round(canary_share * _PER_MILLE)
    if not share:
        return literal(1)
    return case(((subscriber_id * _STRIDE) % _PER_MILLE < share, 0), else_=1)


def _insert_deliveries(  # noqa: PLR0913, PLR0917 - the parts of one statement
    session: Session,
    digest_id: int,
    those: Any,  # noqa: ANN401 - SQL expressions
    wave: Any,  # noqa: ANN401
    slot: Any,  # noqa: ANN401
    groups: list[Group],
    firsts: list[int],
    *,
    batch_size: int,
    now: datetime,
) -> int:
    """One INSERT ... SELECT for everybody: the mailed with their batch, the excluded with the reason."""
    wanted = those.c.reason.is_(None)
    place = func.row_number().over(
        partition_by=[wanted, those.c.topics, wave, slot], order_by=those.c.subscriber_id
    )
    first: Any = literal(1)
    if len(groups) > 1:
        first = case(
            *(
                (
                    (those.c.topics == group.rendition)
                    & (wave == group.wave)
                    & (slot == group.slot),
                    number,
                )
                for group, number in zip(groups, firsts, strict=True)
            )
        )
    batch = case((wanted, first + (place - 1) // literal(batch_size)), else_=null())
    columns = ("digest_id", "subscriber_id", "batch", "outcome", "reason", "decided_at")
    target = table(
        open_partition(session, "delivery", digest_id), *(column(name) for name in columns)
    )
    written = session.execute(
        insert(target)
        .from_select(
            columns,
            sql(
                literal(digest_id),
                those.c.subscriber_id,
                batch,
                case((wanted, null()), else_=Outcome.excluded.value),
                those.c.reason,
                case((wanted, null()), else_=now),
            ).order_by(those.c.subscriber_id),
        )
        .execution_options(preserve_rowcount=True)
    )
    for name in PARTITIONED:
        if name != "delivery":
            open_partition(session, name, digest_id)
        attach_partition(session, name, digest_id)
    return cast("CursorResult[Any]", written).rowcount
