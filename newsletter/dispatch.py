"""Starting, finishing and watching a send: what the ticks do around the batches."""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import func, select
from sqlmodel import Session, col

from digests import lifecycle, planning, settlement
from digests.models import Batch, BatchStatus, Digest, DigestStatus, Rendition
from newsletter.providers import provider
from newsletter.settings import settings
from subscribers.audience import audience

log = structlog.get_logger()

OPEN = (BatchStatus.planned, BatchStatus.claimed, BatchStatus.uncertain)


def start_due(session: Session, *, now: datetime) -> list[int]:
    """Plan every approved edition whose hour has come; returns the ids of those that started.

    One that comes up too late is held as a draft again: its words may be stale.
    The transaction must see one snapshot (``unit_of_work(snapshot=True)``).
    """
    started: list[int] = []
    for digest in session.scalars(
        select(Digest).where(
            col(Digest.status) == DigestStatus.approved, col(Digest.send_at) <= now
        )
    ).all():
        if now > digest.late_after:
            lifecycle.void(session, digest)
            log.warning("digest.too_late", digest=digest.issue)
            continue
        start(session, digest, now=now)
        started.append(digest.id or 0)
    return started


def start(session: Session, digest: Digest, *, now: datetime) -> int:
    """Plan *digest* and let its first wave go; returns the size of the audience."""
    found = select(col(Rendition.topics), col(Rendition.id)).where(
        col(Rendition.digest_id) == digest.id
    )
    renditions = {topics: rendition_id for topics, rendition_id in session.execute(found)}
    size = min(
        settings().batch_size,
        *(provider(name).traits.copies_per_call for name in settings().esp_names),
    )
    share = settings().canary_share
    count = planning.plan(
        session,
        digest,
        audience(),
        renditions=renditions,
        batch_size=size,
        canary_share=share,
        now=now,
    )
    lifecycle.start(session, digest, audience=count, wave=0 if share else 1, now=now)
    log.info("digest.started", digest=digest.issue, audience=count, batch_size=size)
    return count


def sweep(session: Session, *, now: datetime) -> None:
    """Take back what dead workers held."""
    planned, uncertain = settlement.sweep(session, now=now)
    if planned or uncertain:
        log.warning("leases.ran_out", planned_again=planned, uncertain=uncertain)


def close_finished(session: Session, *, now: datetime) -> list[str]:
    """Mark as sent every edition with nothing planned, in flight or uncertain."""
    still_open = select(func.count()).where(
        col(Batch.digest_id) == col(Digest.id), col(Batch.status).in_(OPEN)
    )
    done: list[str] = []
    for digest in session.scalars(
        select(Digest).where(
            col(Digest.status) == DigestStatus.sending, still_open.scalar_subquery() == 0
        )
    ).all():
        lifecycle.finish(session, digest, now=now)
        log.info("digest.sent", digest=digest.issue)
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
