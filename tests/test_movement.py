"""Who came and who went since the last edition."""

from datetime import datetime, timedelta

from sqlalchemy import update
from sqlmodel import Session, col

from subscribers.models import Subscriber, SubscriberStatus
from subscribers.movement import Movement, movement
from tests.support.editions import a_reader
from tests.web.scene import on_both

WEEK = timedelta(weeks=1)
DAY = timedelta(days=1)


def somebody(
    session: Session,
    name: str,
    *,
    came: datetime,
    went: datetime | None = None,
    how: str = "active",
) -> None:
    person = a_reader(session, f"{name}@readers.example", joined_at=came)
    session.flush()
    session.connection().execute(
        update(Subscriber)
        .where(col(Subscriber.id) == person.id)
        .values(status=SubscriberStatus(how), left_at=went)
    )


@on_both
def test_who_came_and_who_went_since_is_counted_and_who_did_both_is_in_neither(
    session: Session, now: datetime
) -> None:
    since = now - WEEK
    somebody(session, "stays", came=since - WEEK)
    somebody(session, "new", came=since + DAY)
    somebody(session, "newer", came=now)
    somebody(session, "left", came=since - WEEK, went=now, how="unsubscribed")
    somebody(session, "bounced", came=since - DAY, went=since + DAY, how="bounced")
    somebody(session, "complained", came=since - WEEK, went=now, how="complained")
    somebody(session, "came-and-went", came=since + DAY, went=now, how="unsubscribed")
    somebody(session, "long-gone", came=since - 2 * WEEK, went=since - WEEK, how="unsubscribed")

    moved = movement(session, since=since)

    assert moved == Movement(came=2, unsubscribed=1, bounced=1, complained=1)
    assert moved.went == 3


@on_both
def test_who_was_taken_in_as_gone_or_never_confirmed_has_not_gone(
    session: Session, now: datetime
) -> None:
    for name, how in (("gone-elsewhere", "unsubscribed"), ("pending", "pending")):
        somebody(session, name, came=now - DAY, went=now, how=how)
    session.connection().execute(update(Subscriber).values(confirmed_at=None))

    assert movement(session, since=now - WEEK) == Movement(0, 0, 0, 0)
