"""When the next edition is due: schedules, their turns, and who takes a turn."""

from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Column, CursorResult, UniqueConstraint, false, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, Session, SQLModel, col, select

from digests.models import Digest, words
from digests.schedules.appointments import BEYOND_RECKONING, send_times

log = structlog.get_logger()

#: A turn older than this is nobody's: its successors have closed as well.
LOOK_BACK: Final = timedelta(days=8)
#: Taken by a clock that was ahead by more than this, a turn without an edition is opened again.
_AHEAD: Final = timedelta(minutes=5)


class Approval(StrEnum):
    """Whose word lets an edition go."""

    editor = "editor"
    policy = "policy"  # the schedule's own: it goes as it was assembled


class AtDeadline(StrEnum):
    """What becomes of an edition that nobody has approved by its deadline."""

    hold = "hold"  # it waits, and somebody is told
    send = "send"  # it goes as it stands, if nothing is wrong with it
    skip = "skip"


class Otherwise(StrEnum):
    """What becomes of a turn that found nothing new, or was found too late."""

    fold = "fold"  # its comparisons wait for the next one
    skip = "skip"  # they are left out for good
    late = "late"  # it goes late all the same: when something new has come, or when it is found


class OccurrenceStatus(StrEnum):
    """What became of one turn of a schedule."""

    planned = "planned"  # put there by a person: run now, moved, or a first start
    assembled = "assembled"
    empty = "empty"  # nothing new: no edition
    missed = "missed"  # too late for it
    skipped = "skipped"  # a person, or the schedule's pause, left it out


class Schedule(SQLModel, table=True):
    """A recurring appointment in local time, on a weekday or by a cron line; without either, none."""

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True, max_length=60)
    weekday: int | None = None  # 0 is Monday
    cron: str | None = Field(default=None, max_length=120)  # its hour and minute are ``at``'s
    at: time = time(9, 0)
    zone: str = Field(default="UTC", max_length=64)
    starts_on: date | None = None  # local dates, both included
    ends_on: date | None = None
    paused_until: datetime | None = None  # turns before this moment are skipped
    approval: Approval = Field(
        default=Approval.editor, sa_column=Column(words(Approval), nullable=False)
    )
    approvals: int = Field(default=1, sa_column_kwargs={"server_default": "1"})  # editors: 1 or 2
    draft_before: int = 24 * 60  # minutes before the send at which the window closes
    deadline_before: int = Field(default=60, sa_column_kwargs={"server_default": "60"})  # minutes
    at_deadline: AtDeadline = Field(
        default=AtDeadline.hold,
        sa_column=Column(words(AtDeadline), nullable=False, server_default="hold"),
    )
    late_for: int = 12 * 60  # minutes after the appointment in which it may still go
    when_missed: Otherwise = Field(
        default=Otherwise.fold,
        sa_column=Column(words(Otherwise), nullable=False, server_default="fold"),
    )
    when_empty: Otherwise = Field(
        default=Otherwise.fold,
        sa_column=Column(words(Otherwise), nullable=False, server_default="fold"),
    )
    at_most: int = 10  # comparisons in one edition
    local_time: bool = False  # True: everyone at ``at`` in their own zone
    enabled: bool = True
    installed_at: datetime  # turns before this moment are nobody's; moved when its days change


class Occurrence(SQLModel, table=True):
    """One turn of a schedule, unique by the local date: however many beats tick, it is taken once."""

    __table_args__ = (UniqueConstraint("schedule_id", "on_date"),)

    id: int | None = Field(default=None, primary_key=True)
    schedule_id: int = Field(foreign_key="schedule.id")
    on_date: date  # of the appointment, and it stays when the turn is moved
    cutoff_at: datetime
    send_at: datetime
    appointed_at: datetime | None = None  # where a person has moved it from
    sends_on: date | None = None  # where everyone gets it at their own time: moved to this day
    status: OccurrenceStatus = Field(
        default=OccurrenceStatus.planned,
        sa_column=Column(words(OccurrenceStatus), nullable=False, index=True),
    )
    reason: str | None = Field(default=None, max_length=300)
    dropped: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    # dropped: what was new then is left out for good
    changed_by: str | None = Field(default=None, max_length=200)
    taken_at: datetime | None = None


class Holiday(SQLModel, table=True):
    """A day on which readers are likely to be elsewhere: marked wherever sends are listed."""

    __table_args__ = (UniqueConstraint("on_date", "name"),)

    id: int | None = Field(default=None, primary_key=True)
    on_date: date = Field(index=True)
    name: str = Field(max_length=100)


def due(session: Session, *, now: datetime) -> list[Occurrence]:
    """The turns whose window has closed and that nobody has taken, oldest first.

    Makes their rows where there are none; taking one is ``take``, and only one caller can.
    """
    _reopen_what_was_taken_in_the_future(session, now=now)
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
    for schedule in session.exec(select(Schedule).where(col(Schedule.enabled))).all():
        try:
            found += _recurring(session, schedule, now=now)
        except BEYOND_RECKONING as error:  # with every tick, so without a traceback
            log.warning("schedule.failed", schedule=schedule.name, why=str(error))
    return sorted(found, key=lambda turn: turn.cutoff_at)


def untaken(
    session: Session, *, closed_before: datetime, now: datetime
) -> dict[str, datetime | None]:
    """The schedules with a turn that was due before *closed_before* and is nobody's: since when.

    None where its days cannot be reckoned. One that a person has set apart is due at its hour, and
    those of a schedule that waits for something new are not looked at.
    """
    found: dict[str, datetime | None] = {}
    waits = col(Schedule.when_empty) == Otherwise.late
    for turn, name in session.exec(
        select(Occurrence, Schedule.name)
        .join(Schedule, col(Schedule.id) == col(Occurrence.schedule_id))
        .where(col(Occurrence.status) == OccurrenceStatus.planned, ~waits)
        .order_by(col(Occurrence.send_at).desc())
    ):
        due_at = turn.cutoff_at if turn.changed_by is None else turn.send_at
        if due_at < closed_before:
            found[name] = due_at
    for schedule in session.exec(select(Schedule).where(col(Schedule.enabled), ~waits)).all():
        try:
            turns = _recurring(session, schedule, now=now)
        except BEYOND_RECKONING:
            found[schedule.name] = None
            continue
        due = [max(turn.cutoff_at, schedule.installed_at) for turn in turns]
        if due and min(due) < closed_before:
            found[schedule.name] = min([*due, found.get(schedule.name) or now])
    return found


def unrecorded(
    schedule: Schedule, known: set[date], *, since: datetime, until: datetime
) -> list[Occurrence]:
    """The turns with an appointment in (*since*, *until*] that are not among *known*; not stored."""
    found: list[Occurrence] = []
    while since < until and (times := send_times(schedule, after=since, count=20)):
        for day, moment in times:
            if moment > until:
                return found
            if day not in known:
                found.append(turn_of(schedule, day, moment))
        since = times[-1][1]
    return found


def turn_of(schedule: Schedule, day: date, moment: datetime) -> Occurrence:
    """The turn of *schedule* with its appointment at *moment* on *day*, as yet nowhere stored."""
    return Occurrence(
        schedule_id=schedule.id or 0,
        on_date=day,
        cutoff_at=moment - timedelta(minutes=schedule.draft_before),
        send_at=moment,
    )


def take(  # noqa: PLR0913 - what became of it, and why
    session: Session,
    turn: Occurrence,
    *,
    status: OccurrenceStatus,
    reason: str | None,
    now: datetime,
    dropped: bool = False,
) -> bool:
    """Take *turn* for good; False when another beat already has.

    A turn without a row is inserted, and the unique constraint is the lock; a
    row that waits is updated, and the row count is.
    """
    if turn.id is None:
        turn.status, turn.reason, turn.taken_at, turn.dropped = status, reason, now, dropped
        return store(session, turn)
    taken: CursorResult[object] = session.execute(  # type: ignore[assignment]  # an UPDATE's result
        update(Occurrence)
        .where(col(Occurrence.id) == turn.id, col(Occurrence.status) == OccurrenceStatus.planned)
        .values(
            status=status,
            reason=reason or turn.reason,
            taken_at=now,
            dropped=dropped,
            cutoff_at=turn.cutoff_at,
        )
    )
    return taken.rowcount == 1


def store(session: Session, turn: Occurrence) -> bool:
    """Insert *turn*; False when its day has a row already."""
    try:
        with session.begin_nested():
            session.add(turn)
    except IntegrityError:
        return False
    return True


def deadline(schedule: Schedule, digest: Digest) -> datetime:
    """Until when somebody is to have approved *digest*, an edition of *schedule*.

    As long before the send as the schedule says, and never sooner after the draft
    was made than that: one that was run by hand leaves its editors the same time.
    """
    before = timedelta(minutes=schedule.deadline_before)
    return min(max(digest.send_at - before, digest.assembled_at + before), digest.late_after)


def plan_turn(
    session: Session, schedule: Schedule, *, send_at: datetime, cutoff_at: datetime
) -> Occurrence:
    """Put an extra turn of *schedule* in the calendar, as a first start does."""
    turn = Occurrence(
        schedule_id=schedule.id or 0,
        on_date=send_at.astimezone(ZoneInfo(schedule.zone)).date(),
        cutoff_at=cutoff_at,
        send_at=send_at,
    )
    session.add(turn)
    session.flush()
    return turn


def _recurring(session: Session, schedule: Schedule, *, now: datetime) -> list[Occurrence]:
    # A clock that was ahead when the schedule changed must not keep it silent until then.
    since = max(min(schedule.installed_at, now), now - LOOK_BACK)
    until = now + timedelta(minutes=schedule.draft_before)
    if not send_times(schedule, after=since, count=1):
        return []
    known = set(
        session.exec(
            select(col(Occurrence.on_date)).where(
                col(Occurrence.schedule_id) == schedule.id,
                col(Occurrence.on_date) >= since.date() - timedelta(days=2),
            )
        )
    )
    return unrecorded(schedule, known, since=since, until=until)


def _reopen_what_was_taken_in_the_future(session: Session, *, now: datetime) -> None:
    """A clock that was ahead has called turns missed or empty whose hour has not come.

    An edition that it assembled stays: its comparisons are in it, and sending it again is no cure.
    """
    session.execute(
        update(Occurrence)
        .where(
            col(Occurrence.status).in_([OccurrenceStatus.missed, OccurrenceStatus.empty]),
            col(Occurrence.taken_at) > now + _AHEAD,
        )
        .values(
            status=OccurrenceStatus.planned,
            reason="taken by a clock that was ahead, and opened again",
            dropped=False,
            taken_at=None,
        )
    )
