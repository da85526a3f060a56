"""What people do with single turns: leave one out, put it back, move it, run it now.

A turn here is a date in the calendar without a draft yet. Once it has one, the
edition is moved or cancelled instead: ``newsletter.editions.steering`` knows which.
"""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import CursorResult, update
from sqlmodel import Session, col, select

from digests.lifecycle import DigestError
from digests.schedules.appointments import FIRST_DAY, LAST_DAY, clocks_of, instant, send_times
from digests.schedules.schedule import (
    LOOK_BACK,
    Occurrence,
    OccurrenceStatus,
    Schedule,
    store,
    turn_of,
)


class NoSuchTurn(DigestError):
    """The schedule has no turn on that date."""

    def __init__(self, schedule: str, on_date: date) -> None:
        super().__init__(f"Schedule {schedule} has no turn on {on_date}.")
        self.schedule, self.on_date = schedule, on_date


class TurnIsOver(DigestError):
    """The turn has been taken, so nothing can be done about it here."""

    def __init__(self, schedule: str, on_date: date, status: OccurrenceStatus) -> None:
        super().__init__(f"The turn of {schedule} on {on_date} is over: it was {status}.")
        self.schedule, self.on_date, self.status = schedule, on_date, status


class BadMove(DigestError):
    """The turn cannot go at that moment; the message says why."""


def find_turn(session: Session, schedule: Schedule, on_date: date, *, now: datetime) -> Occurrence:
    """The turn of *schedule* with that local date, stored or not; raises NoSuchTurn.

    One that is nobody's any more, or never was anybody's, is none: whoever leaves out last
    year's Christmas means this year's.
    """
    if (known := _stored(session, schedule, on_date)) is not None:
        return known
    if not (schedule.enabled and FIRST_DAY <= on_date <= LAST_DAY):
        raise NoSuchTurn(schedule.name, on_date)
    moment = instant(on_date, schedule.at, clocks_of(schedule))
    is_over = moment <= max(min(schedule.installed_at, now), now - LOOK_BACK)
    just_before = moment - timedelta(microseconds=1)
    if is_over or send_times(schedule, after=just_before, count=1) != [(on_date, moment)]:
        raise NoSuchTurn(schedule.name, on_date)
    return turn_of(schedule, on_date, moment)


def _stored(session: Session, schedule: Schedule, on_date: date) -> Occurrence | None:
    return session.exec(
        select(Occurrence).where(
            col(Occurrence.schedule_id) == schedule.id, col(Occurrence.on_date) == on_date
        )
    ).first()


def skip(  # noqa: PLR0913 - whose word, about what
    session: Session,
    schedule: Schedule,
    turn: Occurrence,
    *,
    by: str,
    drop: bool = False,
    now: datetime,
) -> None:
    """Leave *turn* out. Its comparisons wait for the next one, or with *drop* are left out for good.

    Raises TurnIsOver when it has been taken already.
    """
    _change(
        session,
        schedule,
        turn,
        status=OccurrenceStatus.skipped,
        reason=f"left out by {by}"[:300],
        changed_by=by[:200],
        dropped=drop,
        taken_at=now,
    )


def restore(
    session: Session, schedule: Schedule, turn: Occurrence, *, by: str, now: datetime
) -> None:
    """Let a skipped *turn* happen after all. Raises TurnIsOver unless it was skipped and is to come."""
    if turn.send_at <= now:
        raise TurnIsOver(schedule.name, turn.on_date, turn.status)
    changed: CursorResult[object] = session.execute(  # type: ignore[assignment]  # an UPDATE's result
        update(Occurrence)
        .where(col(Occurrence.id) == turn.id, col(Occurrence.status) == OccurrenceStatus.skipped)
        .values(
            status=OccurrenceStatus.planned,
            reason=f"put back by {by}"[:300],
            changed_by=by[:200],
            dropped=False,
            taken_at=None,
        )
        .execution_options(synchronize_session="fetch")
    )
    if changed.rowcount != 1:
        raise TurnIsOver(schedule.name, turn.on_date, turn.status)


def move(  # noqa: PLR0913 - the same, and where to
    session: Session,
    schedule: Schedule,
    turn: Occurrence,
    *,
    to: datetime,
    by: str,
    now: datetime,
) -> None:
    """Let *turn* go at *to* instead; its window closes as long before as it always does, or at once.

    Where everyone gets it at their own time, *to* only names the day. Raises
    BadMove for a moment that has passed or that a later turn comes before, and TurnIsOver.
    """
    to, sends_on = where_to(schedule, turn, to=to, now=now)
    _set_apart(session, schedule, turn, to=to, sends_on=sends_on, by=by, how="moved", now=now)


def where_to(
    schedule: Schedule, turn: Occurrence, *, to: datetime, now: datetime
) -> tuple[datetime, date | None]:
    """The moment and, where everyone gets it at their own time, the day; raises BadMove."""
    if to <= now:
        raise BadMove("That moment has passed; run the turn now instead.")
    sends_on = None
    if schedule.local_time:
        sends_on = to.astimezone(ZoneInfo(schedule.zone)).date()
        to = instant(sends_on, schedule.at, clocks_of(schedule))
    appointed = turn.appointed_at or turn.send_at
    following = send_times(schedule, after=appointed, count=1) if schedule.enabled else []
    if following and to >= following[0][1]:
        raise BadMove(
            f"The next turn of {schedule.name} comes at {following[0][1]:%Y-%m-%d %H:%M} UTC, "
            "before that; leave this one out instead."
        )
    return to, sends_on


def run_now(
    session: Session, schedule: Schedule, turn: Occurrence, *, by: str, now: datetime
) -> None:
    """Close the window of *turn* now, so that the next tick makes its draft, and it goes once approved.

    The turn is used up by it: it does not come again at its own hour. Raises TurnIsOver.
    """
    sends_on = now.astimezone(ZoneInfo(schedule.zone)).date() if schedule.local_time else None
    _set_apart(session, schedule, turn, to=now, sends_on=sends_on, by=by, how="run", now=now)


def _set_apart(  # noqa: PLR0913 - what becomes of it, and on whose word
    session: Session,
    schedule: Schedule,
    turn: Occurrence,
    *,
    to: datetime,
    sends_on: date | None,
    by: str,
    how: str,
    now: datetime,
) -> None:
    appointed = turn.appointed_at or turn.send_at
    closes_at = to - timedelta(minutes=schedule.draft_before)
    _change(
        session,
        schedule,
        turn,
        status=OccurrenceStatus.planned,
        appointed_at=appointed,
        send_at=to,
        sends_on=sends_on,
        # Not in the past: what is new by now stands on every page as what would be in it.
        cutoff_at=max(closes_at, now),
        reason=f"{how} by {by}, from {appointed:%Y-%m-%d %H:%M} UTC"[:300],
        changed_by=by[:200],
    )


def _change(session: Session, schedule: Schedule, turn: Occurrence, **values: object) -> None:
    """Store *values* for a turn that nobody has taken; the row count, or the insert, is the lock."""
    if turn.id is None:
        for name, value in values.items():
            setattr(turn, name, value)
        if store(session, turn):
            return
        turn = _stored(session, schedule, turn.on_date) or turn
    changed: CursorResult[object] = session.execute(  # type: ignore[assignment]  # an UPDATE's result
        update(Occurrence)
        .where(col(Occurrence.id) == turn.id, col(Occurrence.status) == OccurrenceStatus.planned)
        .values(**values)
        .execution_options(synchronize_session="fetch")
    )
    if changed.rowcount != 1:
        session.refresh(turn)
        raise TurnIsOver(schedule.name, turn.on_date, turn.status)
