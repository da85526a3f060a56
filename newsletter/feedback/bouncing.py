"""Holding to the policy for soft bounces, over the editions of late."""

from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlmodel import Session, col, select

from digests.models import Digest
from newsletter.settings import settings
from subscribers import bouncing
from subscribers.bouncing import Policy

log = structlog.get_logger()

#: A success may be told of days after the bounces that it forgives.
_LATE: Final = timedelta(days=14)


def hold_to_the_policy(session: Session, *, now: datetime) -> tuple[int, int]:
    """Forgive and suppress as the events stand now; returns how many of each. Safe to repeat."""
    known = settings().bounces
    policy = Policy(in_a_row=known.soft, within=timedelta(days=known.days))
    editions = _editions(session, since=now - 2 * policy.within - _LATE)
    forgiven = bouncing.forgive(session, policy, editions)
    suppressed = bouncing.suppress(session, policy, editions, now=now)
    if forgiven or suppressed:
        log.info("bounces.judged", suppressed=suppressed, forgiven=forgiven)
    return forgiven, suppressed


def _editions(session: Session, *, since: datetime) -> list[int]:
    found = session.exec(select(Digest.id).where(col(Digest.started_at) >= since))
    return [edition for edition in found if edition is not None]
