"""Watching a send while it goes: the canary's hold, and the automatic stop."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import case, func, select, update
from sqlmodel import Session, col

from digests import lifecycle
from digests.lifecycle import IllegalTransition
from digests.models import Batch, BatchStatus, Delivery, Digest, DigestStatus, Outcome
from newsletter.settings import Settings, settings
from subscribers.engagement import Engagement

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Signs:
    """How a send is going: counts of copies and of people."""

    accepted: int
    refused: int
    bounced: int
    complained: int

    def since(self, tolerated: Mapping[str, int] | None) -> "Signs":
        """What came after a person had seen *tolerated* and let the send go on."""
        if not tolerated:
            return self
        return Signs(
            accepted=self.accepted,  # a few more among many are judged against the many
            refused=self.refused - tolerated.get("refused", 0),
            bounced=self.bounced - tolerated.get("bounced", 0),
            complained=self.complained - tolerated.get("complained", 0),
        )


def watch(session: Session, *, now: datetime) -> None:
    """Stop each send that goes badly, and let the rest follow each canary that went well."""
    for digest in session.scalars(
        select(Digest).where(col(Digest.status) == DigestStatus.sending)
    ).all():
        signs = signs_of(session, digest).since(digest.tolerated)
        if reason := trouble(signs, settings()):
            with suppress(IllegalTransition):  # another tick was quicker
                lifecycle.pause(session, digest, reason=reason)
                log.error("digest.stopped", digest=digest.issue, digest_id=digest.id, why=reason)
        elif digest.wave == 0 and _canary_is_over(session, digest, now=now):
            _let_the_rest_go(session, digest, now=now)


def resume(session: Session, digest: Digest) -> None:
    """Let a stopped send go on: what has happened so far is tolerated, and only more stops it again."""
    lifecycle.resume(session, digest)
    digest.tolerated = asdict(signs_of(session, digest))
    session.add(digest)


def trouble(signs: Signs, limits: Settings) -> str | None:
    """Why this must stop, in a sentence; None while all is within the limits.

    A handful of events is no rate: fewer than ``stop_at_least`` never stop a send.
    """
    tried = signs.accepted + signs.refused
    for what, count, of, limit in (
        ("hard bounces", signs.bounced, signs.accepted, limits.stop_bounces),
        ("complaints", signs.complained, signs.accepted, limits.stop_complaints),
        ("refused addresses", signs.refused, tried, limits.stop_refusals),
    ):
        if count >= limits.stop_at_least and of and count / of > limit:
            return f"stopped by itself: {count} {what} of {of} copies is over {limit:.1%}"
    return None


def signs_of(session: Session, digest: Digest) -> Signs:
    """The figures of *digest* so far; read from indexes, whatever the size of the send."""
    refused = session.scalar(
        select(func.count()).where(
            col(Delivery.digest_id) == digest.id, col(Delivery.outcome) == Outcome.rejected
        )
    )
    accepted = session.scalar(
        select(func.sum(col(Batch.size))).where(
            col(Batch.digest_id) == digest.id, col(Batch.status) == BatchStatus.accepted
        )
    )
    people = func.count(func.distinct(col(Engagement.subscriber_id)))
    events = session.execute(
        select(
            people.filter(col(Engagement.kind) == "hard_bounced"),
            people.filter(col(Engagement.kind) == "complained"),
        ).where(
            col(Engagement.digest_id) == digest.id,
            col(Engagement.kind).in_(["hard_bounced", "complained"]),
        )
    ).one()
    return Signs(
        accepted=max(0, (accepted or 0) - (refused or 0)),
        refused=refused or 0,
        bounced=events[0],
        complained=events[1],
    )


def _canary_is_over(session: Session, digest: Digest, *, now: datetime) -> bool:
    """Every batch of the canary is settled, and the hold has passed since the last one."""
    still_open = (BatchStatus.planned, BatchStatus.claimed, BatchStatus.uncertain)
    waiting, last = session.execute(
        select(
            func.sum(case((col(Batch.status).in_(still_open), 1), else_=0)),
            func.max(col(Batch.settled_at)),
        ).where(col(Batch.digest_id) == digest.id, col(Batch.wave) == 0)
    ).one()
    if waiting:
        return False
    return now >= (last or digest.wave_at or now) + timedelta(seconds=settings().canary_hold)


def _let_the_rest_go(session: Session, digest: Digest, *, now: datetime) -> None:
    session.execute(
        update(Digest)
        .where(col(Digest.id) == digest.id, col(Digest.wave) == 0)
        .values(wave=1, wave_at=now)
    )
    log.info("canary.passed", digest=digest.issue, digest_id=digest.id)
