"""Who may hand which batch to a provider: claims, leases and fences.

A claim is a conditional UPDATE whose row count is the lock. It is committed
before the provider is spoken to, and the intent to post is committed once more
right before the bytes leave: a worker that dies in between certainly sent
nothing, and one that wakes up late finds its fence outrun and posts nothing.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import (
    CursorResult,
    Integer,
    Table,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session, col

from digests.models import Batch, BatchStatus, Delivery, Digest, DigestStatus, Halt

#: From where a batch may move to where; every UPDATE below and in settlement names its source.
NEXT: Final[dict[BatchStatus, frozenset[BatchStatus]]] = {
    BatchStatus.planned: frozenset({BatchStatus.claimed, BatchStatus.rejected}),
    BatchStatus.claimed: frozenset(
        {BatchStatus.planned, BatchStatus.accepted, BatchStatus.rejected, BatchStatus.uncertain}
    ),
    BatchStatus.uncertain: frozenset(
        {BatchStatus.accepted, BatchStatus.planned, BatchStatus.rejected}
    ),
    BatchStatus.accepted: frozenset(),
    BatchStatus.rejected: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Claim:
    """The sole right to settle one batch, as long as its fence is the newest."""

    digest_id: int
    number: int
    fence: int
    rendition_id: int
    key: str
    size: int
    attempts: int
    put_off: int
    provider: str | None
    first_posted_at: datetime | None
    body_hash: str | None


# The statements of every batch are built once: building them costs more than running them.
BATCH: Final = cast("Table", Batch.__table__)  # type: ignore[attr-defined]  # SQLModel hides it
#: An alias: the subquery must read the table by itself, and not mean the row being updated.
_WAITING: Final = BATCH.alias("waiting")
_ITS_DIGEST: Final = bindparam("its_digest", type_=Integer)

#: SQL: the edition is sending and the kill switch is off.
_MAY_SEND: Final = and_(
    exists().where(col(Digest.id) == _ITS_DIGEST, col(Digest.status) == DigestStatus.sending),
    ~exists().where(col(Halt.id) == 1),
)

_CLAIMED: Final = (
    BATCH.c.number,
    BATCH.c.fence,
    BATCH.c.rendition_id,
    BATCH.c.key,
    BATCH.c.size,
    BATCH.c.attempts,
    BATCH.c.put_off,
    BATCH.c.provider,
    BATCH.c.first_posted_at,
    BATCH.c.body_hash,
)

_NEXT_ONE: Final = (
    select(_WAITING.c.number)
    .where(
        _WAITING.c.digest_id == _ITS_DIGEST,
        _WAITING.c.status == BatchStatus.planned,
        or_(_WAITING.c.not_before.is_(None), _WAITING.c.not_before <= bindparam("at")),
        _WAITING.c.wave
        <= select(col(Digest.wave)).where(col(Digest.id) == _ITS_DIGEST).scalar_subquery(),
        _MAY_SEND,
    )
    .order_by(_WAITING.c.number)
    .limit(1)
    .with_for_update(skip_locked=True, of=_WAITING)
    .scalar_subquery()
)

_CLAIM: Final = (
    update(BATCH)
    .where(
        BATCH.c.digest_id == _ITS_DIGEST,
        BATCH.c.number == _NEXT_ONE,
        BATCH.c.status == BatchStatus.planned,
    )
    .values(
        status=BatchStatus.claimed,
        fence=BATCH.c.fence + 1,
        attempts=BATCH.c.attempts + 1,
        claimed_by=bindparam("who"),
        lease_until=bindparam("until"),
        posted_at=None,
    )
    .returning(*_CLAIMED)
)

_INTEND: Final = (
    update(BATCH)
    .where(
        BATCH.c.digest_id == _ITS_DIGEST,
        BATCH.c.number == bindparam("its_number"),
        BATCH.c.fence == bindparam("its_fence"),
        BATCH.c.status.in_([BatchStatus.claimed, BatchStatus.uncertain]),
        BATCH.c.lease_until > bindparam("at"),
        _MAY_SEND,
    )
    .values(
        posted_at=bindparam("at"),
        first_posted_at=func.coalesce(BATCH.c.first_posted_at, bindparam("at")),
        provider=bindparam("whose"),
        body_hash=bindparam("bytes_hash"),
    )
)


def claim(
    session: Session, digest_id: int, *, worker: str, lease_until: datetime, now: datetime
) -> Claim | None:
    """Take the next batch of an edition that may go now; None when there is none.

    Nothing is claimed of an edition that is not sending, of a later wave, before
    its hour, or while the kill switch is on: the same statement asks.
    """
    taken = session.connection().execute(
        _CLAIM, {"its_digest": digest_id, "who": worker[:80], "until": lease_until, "at": now}
    )
    row = taken.first()
    return Claim(digest_id, *row) if row else None


def claim_again(  # noqa: PLR0913 - the state it was decided on, and who asks
    session: Session,
    digest_id: int,
    number: int,
    *,
    fence: int,
    worker: str,
    lease_until: datetime,
    now: datetime,
) -> Claim | None:
    """Take an *uncertain* batch for another attempt under the same key; it stays uncertain.

    None when somebody else took it since the caller looked (*fence*).
    """
    taken = session.execute(
        update(Batch)
        .where(
            col(Batch.digest_id) == digest_id,
            col(Batch.number) == number,
            col(Batch.status) == BatchStatus.uncertain,
            col(Batch.fence) == fence,
            or_(col(Batch.lease_until).is_(None), col(Batch.lease_until) <= now),
            ~exists().where(col(Halt.id) == 1),
        )
        .values(
            fence=fence + 1,
            attempts=col(Batch.attempts) + 1,
            claimed_by=worker[:80],
            lease_until=lease_until,
            checked_at=now,
        )
        .returning(*_CLAIMED)
        .execution_options(synchronize_session=False)
    ).first()
    return Claim(digest_id, *taken) if taken else None


def exclude(
    session: Session, claim_: Claim, unwanted: dict[str, list[int]], *, now: datetime
) -> None:
    """Leave out the subscribers that must not get it after all; *unwanted* maps a reason to their ids."""
    for reason, ids in unwanted.items():
        session.execute(
            update(Delivery)
            .where(
                col(Delivery.digest_id) == claim_.digest_id,
                col(Delivery.subscriber_id).in_(ids),
                col(Delivery.batch) == claim_.number,
                col(Delivery.outcome).is_(None),
            )
            .values(outcome="excluded", reason=reason, decided_at=now)
            .execution_options(synchronize_session=False)
        )


def intend(
    session: Session, claim_: Claim, *, provider: str, body_hash: str, now: datetime
) -> bool:
    """Commit to posting exactly these bytes to *provider* now; False means: do not post.

    It is False when the lease ran out, another worker took over, or somebody
    stopped the edition or everything since the claim.
    """
    done = session.connection().execute(
        _INTEND,
        {
            "its_digest": claim_.digest_id,
            "its_number": claim_.number,
            "its_fence": claim_.fence,
            "at": now,
            "whose": provider,
            "bytes_hash": body_hash,
        },
    )
    return done.rowcount == 1


def held(claim_: Claim) -> ColumnElement[bool]:
    """SQL: the batch of *claim_*, and nobody has claimed it since."""
    return and_(
        col(Batch.digest_id) == claim_.digest_id,
        col(Batch.number) == claim_.number,
        col(Batch.fence) == claim_.fence,
    )


def changed(session: Session, statement: Any) -> bool:  # noqa: ANN401 - an UPDATE of any shape
    """Run an UPDATE of one row; whether it changed it."""
    done = session.execute(statement.execution_options(synchronize_session=False))
    return cast("CursorResult[Any]", done).rowcount == 1
