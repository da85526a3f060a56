"""When the next edition is due. The only module of the domain that knows time zones.

Two rules for the hours around a clock change, as RFC 5545 (section 3.3.5)
reads them: a local time that does not exist takes the offset from before the
gap (02:30 becomes 03:30), and one that comes twice means the first.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Column, CursorResult, UniqueConstraint, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, Session, SQLModel, col, select

from digests.models import words

_FIRST_CLOCKS: Final = "Pacific/Kiritimati"
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Approval(StrEnum):
    """Whose word lets an edition go."""

    editor = "editor"
    policy = "policy"  # the schedule's own: it goes as it was assembled


class OccurrenceStatus(StrEnum):
    """What became of one turn of a schedule."""

    planned = "planned"  # put there by a person: run now, moved, or a first start
    assembled = "assembled"
    empty = "empty"  # nothing new: no edition
    missed = "missed"  # too late for it; its comparisons wait for the next one


class Schedule(SQLModel, table=True):
    """A recurring appointment in local time. *weekday* is None for one that never recurs by itself."""

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True, max_length=60)
    weekday: int | None = None  # 0 is Monday
    at: time = time(9, 0)
    zone: str = Field(default="UTC", max_length=64)
    approval: Approval = Field(
        default=Approval.editor, sa_column=Column(words(Approval), nullable=False)
    )
    draft_before: int = 24 * 60  # minutes before the send at which the window closes
    late_for: int = 12 * 60  # minutes after the appointment in which it may still go
    at_most: int = 10  # comparisons in one edition
    local_time: bool = False  # True: everyone at ``at`` in their own zone
    enabled: bool = True
    installed_at: datetime  # turns before this moment are nobody's


class Occurrence(SQLModel, table=True):
    """One turn of a schedule, unique by the local date: however many beats tick, it is taken once."""

    __table_args__ = (UniqueConstraint("schedule_id", "on_date"),)

    id: int | None = Field(default=None, primary_key=True)
    schedule_id: int = Field(foreign_key="schedule.id")
    on_date: date
    cutoff_at: datetime
    send_at: datetime
    status: OccurrenceStatus = Field(
        default=OccurrenceStatus.planned,
        sa_column=Column(words(OccurrenceStatus), nullable=False, index=True),
    )
    reason: str | None = Field(default=None, max_length=300)
    taken_at: datetime | None = None


def instant(day: date, at: time, zone: str) -> datetime:
    """The moment at which clocks in *zone* show *at* on *day*, in UTC; see the rules above."""
    return datetime.combine(day, at, ZoneInfo(zone)).astimezone(UTC)


def slots(day: date, at: time, zones: Iterable[str], *, otherwise: str) -> dict[str, datetime]:
    """For each of *zones* the moment at which its clocks show *at* on *day*.

    A zone that nobody knows takes that of *otherwise*.
    """
    found: dict[str, datetime] = {}
    for zone in zones:
        try:
            found[zone] = instant(day, at, zone)
        except (ZoneInfoNotFoundError, ValueError):
            found[zone] = instant(day, at, otherwise)
    return found


def send_times(schedule: Schedule, *, after: datetime, count: int) -> list[tuple[date, datetime]]:
    """The next *count* appointments after *after*: the local date and the moment in UTC.

    Where everyone gets it at their own time, the moment is when the day's first
    clocks show it: those of Kiritimati, fourteen hours ahead of UTC.
    """
    zone = _FIRST_CLOCKS if schedule.local_time else schedule.zone
    if schedule.weekday is None:
        return []
    day = after.astimezone(ZoneInfo(zone)).date() - timedelta(days=1)
    found: list[tuple[date, datetime]] = []
    while len(found) < count:
        if day.weekday() == schedule.weekday:
            moment = instant(day, schedule.at, zone)
            if moment > after:
                found.append((day, moment))
        day += timedelta(days=1)
    return found


def due(session: Session, *, now: datetime) -> list[Occurrence]:
    """The turns whose window has closed and that nobody has taken, oldest first.

    Makes their rows where there are none; taking one is ``take``, and only one caller can.
    """
    found = list(
        session.exec(
            select(Occurrence)
            .where(
                col(Occurrence.status) == OccurrenceStatus.planned,
                col(Occurrence.cutoff_at) <= now,
            )
            .order_by(col(Occurrence.cutoff_at))
        )
    )
    for schedule in session.exec(select(Schedule).where(col(Schedule.enabled))):
        found += _recurring(session, schedule, now=now)
    return sorted(found, key=lambda turn: turn.cutoff_at)


def _recurring(session: Session, schedule: Schedule, *, now: datetime) -> list[Occurrence]:
    ahead = timedelta(minutes=schedule.draft_before)
    # A turn more than eight days old is not looked for: its successor has closed as well.
    since = max(schedule.installed_at, now - timedelta(days=8))
    fresh: list[Occurrence] = []
    for day, moment in send_times(schedule, after=since, count=3):
        if moment - ahead > now:
            break
        known = session.exec(
            select(Occurrence.id).where(
                col(Occurrence.schedule_id) == schedule.id, col(Occurrence.on_date) == day
            )
        ).first()
        if known is None:
            fresh.append(
                Occurrence(
                    schedule_id=schedule.id or 0,
                    on_date=day,
                    cutoff_at=moment - ahead,
                    send_at=moment,
                )
            )
    return fresh


def take(
    session: Session,
    turn: Occurrence,
    *,
    status: OccurrenceStatus,
    reason: str | None,
    now: datetime,
) -> bool:
    """Take *turn* for good; False when another beat already has.

    A turn without a row is inserted, and the unique constraint is the lock; a
    row that waits is updated, and the row count is.
    """
    if turn.id is None:
        turn.status, turn.reason, turn.taken_at = status, reason, now
        try:
            with session.begin_nested():
                session.add(turn)
        except IntegrityError:
            return False
        return True
    taken: CursorResult[object] = session.execute(  # type: ignore[assignment]  # an UPDATE's result
        update(Occurrence)
        .where(col(Occurrence.id) == turn.id, col(Occurrence.status) == OccurrenceStatus.planned)
        .values(status=status, reason=reason, taken_at=now)
    )
    return taken.rowcount == 1


def plan_turn(
    session: Session, schedule: Schedule, *, send_at: datetime, cutoff_at: datetime
) -> Occurrence:
    """Put an extra turn of *schedule* in the calendar: a first start, or "run this one now"."""
    turn = Occurrence(
        schedule_id=schedule.id or 0,
        on_date=send_at.astimezone(ZoneInfo(schedule.zone)).date(),
        cutoff_at=cutoff_at,
        send_at=send_at,
    )
    session.add(turn)
    session.flush()
    return turn
