"""Who is to be mailed, as SQL: asked once when an edition is planned and again in each claim."""

from typing import Any, cast

from sqlalchemy import ColumnElement, Select, case, exists, func, literal, null, select
from sqlmodel import col

from subscribers.models import Subscriber, SubscriberStatus, Suppression
from subscribers.pace import Turn, not_due


def audience(turn: Turn | None = None) -> Select[Any]:
    """Everybody an edition considers: those who agreed to it, with the reason for leaving one out.

    Columns: subscriber_id, reason (None: to be mailed), topics (the rendition for all), zone,
    choice (a bit for each topic they want), owed (one for each edition they missed). With
    *turn*, whoever it is not due to by their pace is left out; None asks nobody's pace.
    """
    reason = not_wanted() if turn is None else func.coalesce(not_wanted(), not_due(turn))
    chosen: Any = select(
        col(Subscriber.id).label("subscriber_id"),
        reason.label("reason"),
        literal("all").label("topics"),
        col(Subscriber.zone).label("zone"),
        col(Subscriber.topics).label("choice"),
        col(Subscriber.owed).label("owed"),
    ).where(col(Subscriber.status) == SubscriberStatus.active)
    return cast("Select[Any]", chosen)


def not_wanted() -> ColumnElement[str | None]:
    """SQL: why this person must not be mailed at this moment, NULL when they may be."""
    suppressed = exists().where(col(Suppression.address_key) == col(Subscriber.address_key))
    return case(
        (col(Subscriber.address).is_(None), "erased"),
        (col(Subscriber.status) != SubscriberStatus.active, col(Subscriber.status)),
        (suppressed, "suppressed"),
        else_=null(),
    )
