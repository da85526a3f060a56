"""What proof does to an uncertain batch: it went out after all, it never did, or only these copies did.

Whoever proves something looked first and decides a moment later. With the
*fence* they saw, nothing is settled that another has claimed in between.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any, cast
from uuid import uuid4

from sqlalchemy import ColumnElement, CursorResult, or_, update
from sqlmodel import Session, col

from digests.ledger.claims import changed
from digests.ledger.settlement import close_if_nothing_is_left
from digests.models import Batch, BatchStatus, Delivery, Outcome


def prove_accepted(  # noqa: PLR0913 - which batch, and how it is known
    session: Session,
    digest_id: int,
    number: int,
    *,
    evidence: dict[str, Any],
    now: datetime,
    fence: int | None = None,
) -> bool:
    """An uncertain batch went out after all; *evidence* says who says so. False if it is settled.

    With *fence*, also False when it has been claimed since it was looked at.
    """
    return _settle_uncertain(
        session,
        digest_id,
        number,
        fence=fence,
        evidence=evidence,
        now=now,
        status=BatchStatus.accepted,
        settled_at=now,
        lease_until=None,
    )


def prove_absent(  # noqa: PLR0913 - which batch, and how it is known
    session: Session,
    digest_id: int,
    number: int,
    *,
    evidence: dict[str, Any],
    now: datetime,
    fence: int | None = None,
) -> bool:
    """The provider never took an uncertain batch: plan it again. False if it is settled.

    Copies that were proven one by one stay accepted and leave the batch. With
    *fence*, also False when it has been claimed since it was looked at: what was
    absent then may have been posted by now.
    """
    if not _settle_uncertain(
        session,
        digest_id,
        number,
        fence=fence,
        evidence=evidence,
        now=now,
        status=BatchStatus.planned,
        key=str(uuid4()),
        lease_until=None,
        posted_at=None,
        first_posted_at=None,
    ):
        return False
    close_if_nothing_is_left(session, digest_id, number)
    return True


def looked(session: Session, digest_id: int, number: int, *, now: datetime) -> None:
    """The provider was asked in vain; ask again later."""
    session.execute(
        update(Batch)
        .where(
            col(Batch.digest_id) == digest_id,
            col(Batch.number) == number,
            col(Batch.status) == BatchStatus.uncertain,
        )
        .values(checked_at=now)
        .execution_options(synchronize_session=False)
    )


def prove_copies(  # noqa: PLR0913 - which copies, and how it is known
    session: Session,
    digest_id: int,
    number: int,
    subscriber_ids: Collection[int],
    *,
    reason: str,
    now: datetime,
) -> int:
    """These copies of an uncertain batch went out, whatever becomes of the others."""
    done = session.execute(
        update(Delivery)
        .where(
            col(Delivery.digest_id) == digest_id,
            col(Delivery.batch) == number,
            col(Delivery.subscriber_id).in_(subscriber_ids),
            col(Delivery.outcome).is_(None),
        )
        .values(outcome=Outcome.accepted, reason=reason[:300], decided_at=now)
        .execution_options(synchronize_session=False)
    )
    return cast("CursorResult[Any]", done).rowcount


def _nobody_asks(now: datetime) -> ColumnElement[bool]:
    return or_(col(Batch.lease_until).is_(None), col(Batch.lease_until) <= now)


def _settle_uncertain(  # noqa: PLR0913 - as above
    session: Session,
    digest_id: int,
    number: int,
    *,
    fence: int | None,
    evidence: dict[str, Any],
    now: datetime,
    **values: object,
) -> bool:
    batch = session.get(Batch, (digest_id, number))
    if batch is None:
        return False
    session.refresh(batch)
    return changed(
        session,
        update(Batch)
        .where(
            col(Batch.digest_id) == digest_id,
            col(Batch.number) == number,
            col(Batch.status) == BatchStatus.uncertain,
            col(Batch.fence) == (batch.fence if fence is None else fence),
            # Somebody may be asking the provider about it at this very moment.
            *((_nobody_asks(now),) if fence is None else ()),
        )
        .values(evidence=[*(batch.evidence or []), evidence], **values),
    )
