"""Who came to the list and who went from it since a moment: what an audience's size alone does not tell."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlmodel import Session, col

from subscribers.models import Subscriber, SubscriberStatus

#: Nobody reads on: a whole list that was taken in this week is not counted to its end.
MOST: Final = 100_000


@dataclass(frozen=True, slots=True)
class Movement:
    """People since a moment. Who came and went again in between is in neither."""

    came: int  # ``MOST`` for that many or more
    unsubscribed: int
    bounced: int
    complained: int

    @property
    def went(self) -> int:
        """All who went, for whatever reason."""
        return self.unsubscribed + self.bounced + self.complained


def movement(session: Session, *, since: datetime) -> Movement:
    """Who is on the list and was not at *since*, and the other way round; counted from two indexes."""
    those = select(col(Subscriber.id)).where(
        col(Subscriber.status) == SubscriberStatus.active, col(Subscriber.confirmed_at) > since
    )
    came = session.execute(
        select(func.count()).select_from(those.limit(MOST).subquery())
    ).scalar_one()
    went: Counter[SubscriberStatus] = Counter()
    for status, count in session.execute(
        select(col(Subscriber.status), func.count())
        .where(col(Subscriber.left_at) > since, col(Subscriber.confirmed_at) <= since)
        .group_by(col(Subscriber.status))
    ):
        went[status] = count
    return Movement(
        came=came,
        unsubscribed=went[SubscriberStatus.unsubscribed],
        bounced=went[SubscriberStatus.bounced],
        complained=went[SubscriberStatus.complained],
    )
