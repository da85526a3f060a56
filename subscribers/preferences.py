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
