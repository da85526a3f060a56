"""Soft bounces: who is suppressed after so many in a row, and who is forgiven after a success.

Both questions are asked of the events as they stand, and not counted up as they come: so the
order in which they arrive, or a thousand repeats of one, cannot change who is mailed.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import CTE, Select, and_, func, or_, select
from sqlmodel import Session, col

from subscribers import subscription
from subscribers.engagement import Engagement
from subscribers.models import Subscriber, SubscriberStatus
from subscribers.subscription import SOFT_BOUNCES

_SOFT: Final = "soft_bounced"
#: What shows that mail reaches them after all.
_SUCCESS: Final = ("delivered", "opened", "clicked")


@dataclass(frozen=True, slots=True)
class Policy:
    """*in_a_row*: how many editions must bounce softly, with none that arrived after them.

    *within*: bounces longer ago count no more.
    """

    in_a_row: int
    within: timedelta


def suppress(session: Session, policy: Policy, editions: Collection[int], *, now: datetime) -> int:
    """Suppress everybody who bounced softly too often; returns how many.

    *editions* are those that may count, by id: the ones that went out lately.
    """
    if not editions or not policy.in_a_row:
        return 0
    return subscription.stop_mailing_all(
        session,
        _too_often(policy, editions, since=now - policy.within),
        reason=SOFT_BOUNCES,
        detail=f"{policy.in_a_row} editions in a row within {policy.within.days} days",
        now=now,
    )


def forgive(session: Session, policy: Policy, editions: Collection[int]) -> int:
    """Let everybody back in whom a success has shown to be reachable after all; returns how many.

    A success that came late may be older than some of the bounces: whoever still has as many
    after it stays where they are. Time alone forgives nobody.
    """
    if not editions or not policy.in_a_row:
        return 0
    soft, success = _soft(editions), _success(editions)
    after_it = (
        select(func.count(func.distinct(soft.c.digest_id)))
        .where(soft.c.subscriber_id == col(Subscriber.id), soft.c.at > success.c.at)
        .scalar_subquery()
    )
    reachable = (
        select(col(Subscriber.id))
        .join(success, success.c.subscriber_id == col(Subscriber.id))
        .where(
            col(Subscriber.status) == SubscriberStatus.bounced,
            subscription.suppressed_for(SOFT_BOUNCES),
            after_it < policy.in_a_row,
        )
    )
    return subscription.let_back_in(session, list(session.scalars(reachable)), reason=SOFT_BOUNCES)


def _too_often(policy: Policy, editions: Collection[int], *, since: datetime) -> Select[Any]:
    """Who has as many editions that bounced after the last one that arrived."""
    soft = _soft(editions, since=since)
    often = (
        select(soft.c.subscriber_id)
        .group_by(soft.c.subscriber_id)
        .having(func.count() >= policy.in_a_row)
        .cte("often")
    )
    success = _success(editions, of=often)
    chosen: Any = (
        select(soft.c.subscriber_id)
        .join(often, often.c.subscriber_id == soft.c.subscriber_id)
        .join(Subscriber, col(Subscriber.id) == soft.c.subscriber_id)
        .outerjoin(success, success.c.subscriber_id == soft.c.subscriber_id)
        .where(
            or_(success.c.at.is_(None), soft.c.at > success.c.at),
            # Whoever confirmed anew starts anew.
            or_(col(Subscriber.confirmed_at).is_(None), soft.c.at > col(Subscriber.confirmed_at)),
            # So does whoever has another address since.
            or_(col(Subscriber.address_since).is_(None), soft.c.at > col(Subscriber.address_since)),
        )
        .group_by(soft.c.subscriber_id)
        .having(func.count() >= policy.in_a_row)
    )
    return cast("Select[Any]", chosen)


def _soft(editions: Collection[int], *, since: datetime | None = None) -> CTE:
    """The last soft bounce of each copy."""
    wanted = [
        col(Engagement.digest_id).in_(editions),
        col(Engagement.kind) == _SOFT,
        col(Engagement.subscriber_id).is_not(None),
    ]
    if since is not None:
        wanted.append(col(Engagement.occurred_at) >= since)
    return (
        select(
            col(Engagement.subscriber_id),
            col(Engagement.digest_id),
            func.max(col(Engagement.occurred_at)).label("at"),
        )
        .where(and_(*wanted))
        .group_by(col(Engagement.subscriber_id), col(Engagement.digest_id))
        .cte("soft")
    )


def _success(editions: Collection[int], *, of: CTE | None = None) -> CTE:
    """The last moment at which anything reached each person, or each of those in *of*."""
    asked = select(
        col(Engagement.subscriber_id), func.max(col(Engagement.occurred_at)).label("at")
    ).where(col(Engagement.digest_id).in_(editions), col(Engagement.kind).in_(_SUCCESS))
    if of is None:
        asked = asked.where(
            col(Engagement.subscriber_id).in_(
                select(col(Subscriber.id)).where(
                    col(Subscriber.status) == SubscriberStatus.bounced,
                    subscription.suppressed_for(SOFT_BOUNCES),
                )
            )
        )
    else:
        asked = asked.join(of, of.c.subscriber_id == col(Engagement.subscriber_id))
    return asked.group_by(col(Engagement.subscriber_id)).cte("success")
