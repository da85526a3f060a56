"""Starting, finishing and watching a send: what the ticks do around the batches."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import func, select
from sqlmodel import Session, col

from digests import lifecycle
from digests.ledger import planning, settlement
from digests.models import Batch, BatchStatus, Digest, DigestStatus, Rendition
from digests.schedules.appointments import slots
from digests.topics import ALL
from newsletter import tracing
from newsletter.copies import catching_up, choices
from newsletter.copies.composing import content_from
from newsletter.copies.readership import rule_of
from newsletter.esp import Unsendable
from newsletter.esp.room import room
from newsletter.providers import provider
from newsletter.rendering import content_hash
from newsletter.settings import settings
from subscribers.models import Subscriber

log = structlog.get_logger()

OPEN = (BatchStatus.planned, BatchStatus.claimed, BatchStatus.uncertain)


def start_due(session: Session, *, now: datetime) -> list[int]:
    """Plan every approved edition whose hour has come; returns the ids of those that started.

    One that comes up too late is held as a draft again: its words may be stale.
    The transaction must see one snapshot (``unit_of_work(snapshot=True)``). What
    another beat's tick is planning at this moment is left to it.
    """
    started: list[int] = []
    for digest in session.scalars(
        select(Digest)
        .where(col(Digest.status) == DigestStatus.approved, col(Digest.send_at) <= now)
        .with_for_update(skip_locked=True, key_share=True)
    ).all():
        if _still_spreading(session, digest):
            continue  # a correction waits until nobody else can get the wrong version
        if why := _unfit(session, digest, now=now):
            lifecycle.void(session, digest, reason=why)
            log.warning("digest.held", digest=digest.issue, digest_id=digest.id, why=why)
            continue
        with tracing.span("digest.plan", digest=digest.id):
            start(session, digest, now=now)
        started.append(digest.id or 0)
    return started


def start(session: Session, digest: Digest, *, now: datetime) -> int:
    """Plan *digest* and let its first wave go; returns the size of the audience."""
    catching_up.settle_open(session, now=now)
    size = most_in_a_call(session, digest)
    share = settings().canary_share
    renditions = {one.topics: one.id or 0 for one in _renditions(session, digest)}
    count = planning.plan(
        session,
        digest,
        choices.planned(session, digest, renditions.keys()),
        renditions=renditions,
        batch_size=size,
        canary_share=share,
        slots=_slots(session, digest),
        now=now,
    )
    catching_up.note(session, digest)
    lifecycle.start(session, digest, audience=count, wave=0 if share else 1, now=now)
    log.info(
        "digest.started", digest=digest.issue, digest_id=digest.id, audience=count, batch_size=size
    )
    return count


def most_in_a_call(session: Session, digest: Digest) -> int:
    """How many copies fit into a batch, whichever of the providers takes it. Raises Unsendable."""
    return min(
        settings().batch_size,
        *(
            room(provider(name), content_from(rendition))
            for name in settings().esp_names
            for rendition in _renditions(session, digest)
        ),
    )


def _unfit(session: Session, digest: Digest, *, now: datetime) -> str | None:
    """Why an approved edition must go back to its editor, in a sentence; None when it may start."""
    if now > digest.late_after:
        return (
            f"It came up only after {digest.late_after:%Y-%m-%d %H:%M} UTC: too late to go unread."
        )
    approved = digest.renditions or {ALL: digest.content_hash or ""}
    if any(
        content_hash(content_from(one)) != one.content_hash
        or one.content_hash != approved.get(one.topics)
        for one in _renditions(session, digest)
    ):
        return "What is stored is not what was approved; look at it again and approve that."
    if digest.audience_rule not in {None, rule_of(session, digest).key}:
        return "Whom it goes to is not what was approved; look at it again and approve that."
    try:
        most_in_a_call(session, digest)
    except Unsendable as error:
        return str(error)
    return None


def _still_spreading(session: Session, digest: Digest) -> bool:
    """Whether the edition that *digest* corrects may still reach somebody."""
    if digest.corrects_id is None:
        return False
    original = session.get_one(Digest, digest.corrects_id)
    return original.status in {DigestStatus.sending, DigestStatus.paused}


def _renditions(session: Session, digest: Digest) -> Sequence[Rendition]:
    return session.scalars(select(Rendition).where(col(Rendition.digest_id) == digest.id)).all()


def _slots(session: Session, digest: Digest) -> dict[str, datetime] | None:
    """When each zone's readers get it; None when all of them do at once."""
    if digest.local_day is None or digest.local_at is None:
        return None
    zones = session.scalars(select(col(Subscriber.zone)).distinct())
    return slots(digest.local_day, digest.local_at, zones, otherwise=digest.zone)


def sweep(session: Session, *, now: datetime) -> None:
    """Take back what dead workers held."""
    planned, uncertain = settlement.sweep(session, now=now)
    for digest_id in session.scalars(  # what went back to planned after a cancel has nowhere to go
        select(col(Digest.id))
        .join(Batch, col(Batch.digest_id) == col(Digest.id))
        .where(
            col(Digest.status) == DigestStatus.cancelled,
            col(Batch.status) == BatchStatus.planned,
        )
        .distinct()
    ).all():
        settlement.close_planned(
            session, digest_id or 0, reason="the edition was cancelled", now=now
        )
    if planned or uncertain:
        log.warning("leases.ran_out", planned_again=planned, uncertain=uncertain)


def close_finished(session: Session, *, now: datetime) -> list[str]:
    """Mark as sent every edition with nothing planned, in flight or uncertain."""
    still_open = select(func.count()).where(
        col(Batch.digest_id) == col(Digest.id), col(Batch.status).in_(OPEN)
    )
    done: list[str] = []
    for digest in session.scalars(
        select(Digest)
        .where(col(Digest.status) == DigestStatus.sending, still_open.scalar_subquery() == 0)
        # Several workers see the last batch settled; one of them closes the books.
        .with_for_update(skip_locked=True, key_share=True)
    ).all():
        lifecycle.finish(session, digest, now=now)
        catching_up.settle(session, digest, now=now)
        log.info("digest.sent", digest=digest.issue, digest_id=digest.id)
        done.append(digest.issue)
    return done


def sending_now(session: Session, *, now: datetime) -> list[int]:
    """The editions with a batch that could be claimed now."""
    return list(
        session.scalars(
            select(col(Batch.digest_id))
            .join(Digest, col(Digest.id) == col(Batch.digest_id))
            .where(
                col(Digest.status) == DigestStatus.sending,
                col(Batch.status) == BatchStatus.planned,
                col(Batch.wave) <= col(Digest.wave),
                func.coalesce(col(Batch.not_before), now - timedelta(seconds=1)) <= now,
            )
            .distinct()
        )
    )
