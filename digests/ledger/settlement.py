"""What an answer, or its absence, does to the ledger. Everything here is conditional on the fence.

Three answers: accepted; certainly not taken (back to planned, no earlier than
the provider says); nobody knows (uncertain, until proof or a person settles it).
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final, cast
from uuid import uuid4

from sqlalchemy import CursorResult, bindparam, func, select, update
from sqlmodel import Session, col

from digests.ledger.claims import BATCH, Claim, changed, held
from digests.ledger.splitting import split
from digests.models import Batch, BatchStatus, Delivery, Outcome

# Built once, like the statements of a claim: it runs for every batch.
_ACCEPT: Final = (
    update(BATCH)
    .where(
        BATCH.c.digest_id == bindparam("its_digest"),
        BATCH.c.number == bindparam("its_number"),
        BATCH.c.fence == bindparam("its_fence"),
        BATCH.c.status.in_([BatchStatus.claimed, BatchStatus.uncertain, BatchStatus.planned]),
    )
    .values(
        status=BatchStatus.accepted,
        message_ids=bindparam("ids"),
        reason=bindparam("why"),
        settled_at=bindparam("at"),
        lease_until=None,
        evidence=func.coalesce(bindparam("proof", type_=BATCH.c.evidence.type), BATCH.c.evidence),
    )
)


def accept(  # noqa: PLR0913 - the parts of one answer
    session: Session,
    claim: Claim,
    *,
    message_ids: Collection[str],
    refused: Mapping[int, str],
    again: Collection[int] = (),
    again_at: datetime | None = None,
    reason: str | None = None,
    evidence: dict[str, Any] | None = None,
    now: datetime,
) -> bool:
    """The provider took it, save for *refused* (subscriber -> reason) and those to try *again*.

    An answer that arrives after the lease ran out still counts while nobody
    has taken over, for it is proof, even where the batch has been planned again
    meanwhile. False: somebody has taken over, and nothing was changed.
    """
    done = session.connection().execute(
        _ACCEPT,
        {
            "its_digest": claim.digest_id,
            "its_number": claim.number,
            "its_fence": claim.fence,
            "ids": list(message_ids) or None,
            "why": reason,
            "at": now,
            "proof": [evidence] if evidence else None,
        },
    )
    if done.rowcount != 1:
        return False
    refuse(session, claim.digest_id, refused, now=now)
    if again:
        split(session, claim.digest_id, claim.number, again, not_before=again_at)
    return True


def put_back(  # noqa: PLR0913 - the parts of one answer
    session: Session,
    claim: Claim,
    *,
    reason: str,
    not_before: datetime | None,
    refused: Mapping[int, str],
    now: datetime,
) -> bool:
    """The provider certainly took nothing: plan it again, without those it refused for good."""
    if not changed(
        session,
        update(Batch)
        .where(held(claim), col(Batch.status) == BatchStatus.claimed)
        .values(
            status=BatchStatus.planned,
            reason=reason[:500],
            not_before=func.coalesce(not_before, col(Batch.not_before)),
            lease_until=None,
            posted_at=None,
            first_posted_at=None,
            # Without the refused the body is another one, and one key stands for one body.
            **({"key": str(uuid4())} if refused else {}),
        ),
    ):
        return False
    refuse(session, claim.digest_id, refused, now=now)
    close_if_nothing_is_left(session, claim.digest_id, claim.number)
    return True


def doubt(
    session: Session,
    claim: Claim,
    *,
    reason: str,
    posted_at: datetime | None = None,
    rest_until: datetime | None = None,
) -> bool:
    """Nobody knows whether the provider took it; nobody asks about it again before *rest_until*.

    *posted_at*: when it may have been taken, if the last attempt was certainly turned away.
    """
    return changed(
        session,
        update(Batch)
        .where(held(claim), col(Batch.status).in_([BatchStatus.claimed, BatchStatus.uncertain]))
        .values(
            status=BatchStatus.uncertain,
            reason=reason[:500],
            lease_until=rest_until,
            posted_at=func.coalesce(posted_at, col(Batch.posted_at)),
        ),
    )


def nothing_to_send(session: Session, claim: Claim, *, now: datetime) -> bool:
    """Everybody in the batch was excluded: it is over without a call."""
    return changed(
        session,
        update(Batch)
        .where(held(claim), col(Batch.status) == BatchStatus.claimed)
        .values(
            status=BatchStatus.rejected, settled_at=now, lease_until=None, reason="all excluded"
        ),
    )


def sweep(session: Session, *, now: datetime) -> tuple[int, int]:
    """Take back what dead workers held; returns (planned again, uncertain).

    Without the intent to post, nothing left the worker: plan it again. With it,
    the provider may have it.
    """
    ran_out = (col(Batch.status) == BatchStatus.claimed) & (col(Batch.lease_until) < now)
    safe = session.execute(
        update(Batch)
        .where(ran_out, col(Batch.posted_at).is_(None))
        .values(
            status=BatchStatus.planned,
            lease_until=None,
            reason="its worker vanished before posting",
        )
        .execution_options(synchronize_session=False)
    )
    unsure = session.execute(
        update(Batch)
        .where(ran_out, col(Batch.posted_at).is_not(None))
        .values(
            status=BatchStatus.uncertain,
            lease_until=None,
            reason="its worker vanished while posting",
        )
        .execution_options(synchronize_session=False)
    )
    return cast("CursorResult[Any]", safe).rowcount, cast("CursorResult[Any]", unsure).rowcount


def refuse(session: Session, digest_id: int, refused: Mapping[int, str], *, now: datetime) -> None:
    """These addresses were refused for good; their neighbours are not touched."""
    by_reason: dict[str, list[int]] = {}
    for subscriber_id, reason in refused.items():
        by_reason.setdefault(reason[:300], []).append(subscriber_id)
    for reason, ids in by_reason.items():
        session.execute(
            update(Delivery)
            .where(
                col(Delivery.digest_id) == digest_id,
                col(Delivery.subscriber_id).in_(ids),
                col(Delivery.outcome).is_(None),
            )
            .values(outcome=Outcome.rejected, reason=reason, decided_at=now)
            .execution_options(synchronize_session=False)
        )


def close_planned(session: Session, digest_id: int, *, reason: str, now: datetime) -> None:
    """What is still planned of a cancelled edition is excluded; what is in flight settles as ever."""
    planned = select(col(Batch.number)).where(
        col(Batch.digest_id) == digest_id, col(Batch.status) == BatchStatus.planned
    )
    session.execute(
        update(Delivery)
        .where(
            col(Delivery.digest_id) == digest_id,
            col(Delivery.batch).in_(planned),
            col(Delivery.outcome).is_(None),
        )
        .values(outcome=Outcome.excluded, reason=reason, decided_at=now)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(Batch)
        .where(col(Batch.digest_id) == digest_id, col(Batch.status) == BatchStatus.planned)
        .values(status=BatchStatus.rejected, reason=reason, settled_at=now)
        .execution_options(synchronize_session=False)
    )


def close_if_nothing_is_left(session: Session, digest_id: int, number: int) -> None:
    """A batch in which every copy has its own fate has none to share."""
    open_copies = (
        select(func.count())
        .where(
            col(Delivery.digest_id) == digest_id,
            col(Delivery.batch) == number,
            col(Delivery.outcome).is_(None),
        )
        .scalar_subquery()
    )
    session.execute(
        update(Batch)
        .where(
            col(Batch.digest_id) == digest_id,
            col(Batch.number) == number,
            col(Batch.status) == BatchStatus.planned,
            open_copies == 0,
        )
        .values(status=BatchStatus.rejected, reason="every copy in it was refused or excluded")
        .execution_options(synchronize_session=False)
    )
