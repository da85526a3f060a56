"""What a person chose about their mail, and the record that they chose it."""

from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, update
from sqlmodel import Session, col

from subscribers.models import Consent, Subscriber


def set_tracking(session: Session, subscriber_id: int, *, on: bool, now: datetime) -> bool:
    """Whether this person's opens and clicks may be recorded, from this moment on.

    True when it changed. The choice that stands already, people who were erased
    and people unknown change nothing.
    """
    changed = session.execute(
        update(Subscriber)
        .where(
            col(Subscriber.id) == subscriber_id,
            col(Subscriber.address).is_not(None),
            col(Subscriber.tracking) != on,
        )
        .values(tracking=on)
        .execution_options(synchronize_session="fetch")
    )
    if cast("CursorResult[Any]", changed).rowcount != 1:
        return False
    session.add(
        Consent(
            subscriber_id=subscriber_id,
            kind="tracking on" if on else "tracking off",
            happened_at=now,
            page="the preferences page",
        )
    )
    return True


def set_topics(session: Session, subscriber_id: int, *, choice: int, now: datetime) -> bool:
    """Which topics this person wants, a bit for each, from the next edition on. True when it changed."""
    return _set(session, subscriber_id, Subscriber.topics, choice, said="topics", now=now)


def set_zone(session: Session, subscriber_id: int, *, zone: str, now: datetime) -> bool:
    """By which clocks this person's nine o'clock is meant. True when it changed."""
    return _set(session, subscriber_id, Subscriber.zone, zone, said="time zone", now=now)


def set_name(session: Session, subscriber_id: int, *, name: str, now: datetime) -> bool:
    """What this person is called; empty for nothing. True when it changed."""
    wanted = " ".join(name.split())[:200] or None
    return _set(session, subscriber_id, Subscriber.name, wanted, said="name", now=now)


def _set(  # noqa: PLR0913 - whose, which and to what
    session: Session,
    subscriber_id: int,
    column: Any,  # noqa: ANN401 - a column of any type
    value: object,
    *,
    said: str,
    now: datetime,
) -> bool:
    """The choice that stands already, people who were erased and people unknown change nothing."""
    changed = session.execute(
        update(Subscriber)
        .where(
            col(Subscriber.id) == subscriber_id,
            col(Subscriber.address).is_not(None),
            col(column).is_distinct_from(value),
        )
        .values({col(column): value})
        .execution_options(synchronize_session="fetch")
    )
    if cast("CursorResult[Any]", changed).rowcount != 1:
        return False
    session.add(
        Consent(
            subscriber_id=subscriber_id,
            kind=said,
            happened_at=now,
            page="the preferences page",
        )
    )
    return True
