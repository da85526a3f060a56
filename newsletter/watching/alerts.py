"""Alerts as rows: each begins once, says its latest words, ends once, and is told both times."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Index, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, Session, SQLModel, col, select

from digests.models import BIG
from newsletter.watching.conditions import Condition

#: Seconds until a webhook that did not take an alert is called again: the last for ever after.
_AGAIN_AFTER: Final = (30, 120, 600, 3600)
_GIVE_UP_AFTER: Final = timedelta(days=1)


class Alert(SQLModel, table=True):
    """One thing that is or was wrong. Of each key at most one is open: the index is the promise."""

    __table_args__ = (
        Index(
            "ix_alert_open",
            "key",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
            sqlite_where=text("ended_at IS NULL"),
        ),
        Index("ix_alert_ended", "ended_at", "id"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG)
    key: str = Field(max_length=200)
    severity: str = Field(max_length=16)
    audience: str = Field(max_length=16)
    what: str = Field(max_length=700)
    remedy: str = Field(max_length=300)
    began_at: datetime
    seen_at: datetime
    ended_at: datetime | None = None
    # Calls to the webhook: how many edges (its beginning, its end) it has taken.
    told: int = 0
    tries: int = 0
    call_at: datetime | None = None  # not before; None when there is nothing to tell


@dataclass(frozen=True, slots=True)
class Edge:
    """An alert that has just begun."""

    id: int
    condition: Condition


def keep(
    session: Session, found: Sequence[Condition], *, now: datetime
) -> tuple[list[Edge], list[str]]:
    """Open what is new, refresh what lasts, end what is over; returns what began and what ended.

    Safe from several watchers at once: each beginning and each end happens once.
    """
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    began: list[Edge] = []
    known = {
        one.key: one for one in session.scalars(select(Alert).where(col(Alert.ended_at).is_(None)))
    }
    for condition in found:
        said = {
            "severity": str(condition.severity),
            "what": condition.what[:700],
            "remedy": condition.remedy[:300],
            "seen_at": now,
        }
        if condition.key in known:
            session.execute(
                update(Alert).where(col(Alert.id) == known[condition.key].id).values(said)
            )
            continue
        made = session.execute(
            dialect.insert(Alert)
            .values(
                key=condition.key[:200],
                audience=str(condition.audience),
                began_at=now,
                told=0,
                tries=0,
                call_at=now,
                **said,
            )
            .on_conflict_do_nothing(index_elements=["key"], index_where=text("ended_at IS NULL"))
            .returning(col(Alert.id))
        ).scalar_one_or_none()
        if made is not None:
            began.append(Edge(made, condition))
    over = known.keys() - {condition.key for condition in found}
    ended = [key for key in sorted(over) if _end(session, known[key], now=now)]
    return began, ended


def open_alerts(session: Session) -> list[Alert]:
    """What is wrong now, the most urgent and the oldest first."""
    found = session.scalars(select(Alert).where(col(Alert.ended_at).is_(None))).all()
    return sorted(found, key=lambda one: (one.severity != "trouble", one.began_at))


def past_alerts(session: Session, *, at_most: int = 20) -> Sequence[Alert]:
    """What was wrong, the latest first."""
    return session.scalars(
        select(Alert)
        .where(col(Alert.ended_at).is_not(None))
        .order_by(col(Alert.ended_at).desc())
        .limit(at_most)
    ).all()


def to_tell(session: Session, *, now: datetime, at_most: int = 20) -> Sequence[Alert]:
    """Alerts that the webhook has not heard of, and whose time for a call has come."""
    return session.scalars(
        select(Alert)
        .where(col(Alert.call_at).is_not(None), col(Alert.call_at) <= now)
        .order_by(col(Alert.call_at))
        .limit(at_most)
    ).all()


def take(session: Session, alert: Alert, *, now: datetime) -> bool:
    """Claim the next call about *alert*; True for one caller. Unanswered, it is due again later."""
    wait = _AGAIN_AFTER[min(alert.tries, len(_AGAIN_AFTER) - 1)]
    claimed = session.connection().execute(
        update(Alert)
        .where(col(Alert.id) == alert.id, col(Alert.tries) == alert.tries)
        .values(tries=alert.tries + 1, call_at=now + timedelta(seconds=wait))
    )
    return claimed.rowcount == 1


def heard(session: Session, alert_id: int, *, edges: int) -> None:
    """The webhook took the news of *edges* (1 its beginning, 2 its end too)."""
    session.execute(
        update(Alert)
        .where(col(Alert.id) == alert_id, col(Alert.told) < edges)
        .values(told=edges, tries=0)
    )
    # What ended while its beginning was being told is still due.
    session.execute(
        update(Alert)
        .where(
            col(Alert.id) == alert_id,
            (col(Alert.ended_at).is_(None)) | (col(Alert.told) >= 2),  # noqa: PLR2004 - both edges
        )
        .values(call_at=None)
    )


def give_up(session: Session, *, now: datetime) -> None:
    """Stop calling about what is a day old: whoever comes back then looks at the console."""
    session.execute(
        update(Alert)
        .where(col(Alert.call_at).is_not(None), col(Alert.seen_at) < now - _GIVE_UP_AFTER)
        .values(call_at=None)
    )


def _end(session: Session, alert: Alert, *, now: datetime) -> bool:
    done = session.connection().execute(
        update(Alert)
        .where(col(Alert.id) == alert.id, col(Alert.ended_at).is_(None))
        .values(ended_at=now, call_at=now, tries=0)
    )
    return done.rowcount == 1
