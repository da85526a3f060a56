"""What a person chose about their mail, and the record that they chose it."""

from datetime import date, datetime
from typing import Any, cast

from sqlalchemy import CursorResult, update
from sqlmodel import Session, col

from subscribers.models import Consent, Subscriber
from subscribers.pace import Pace


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


def set_pace(session: Session, subscriber_id: int, *, pace: Pace, now: datetime) -> bool:
    """How often from the next edition on; ends a pause. True when anything changed."""
    ended = _set(session, subscriber_id, Subscriber.paused_until, None, said="pause ended", now=now)
    return (
        _set(session, subscriber_id, Subscriber.pace, pace, said=f"pace: {pace}", now=now) or ended
    )


def pause(session: Session, subscriber_id: int, *, until: date, now: datetime) -> bool:
    """No edition that is dated before *until*, and then the pace they had. True when it changed."""
    return _set(
        session,
        subscriber_id,
        Subscriber.paused_until,
        until,
        said="pause",
        words=f"until {until}",
        now=now,
    )


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
    words: str = "",
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
            wording=words,
        )
    )
    return True
