"""The calendar as operators read it: the next sends, and the past ones, planned against actual."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, func, select

from digests.models import Digest, DigestStatus
from digests.schedules.appointments import (
    BEYOND_RECKONING,
    clock_changes,
    clocks_of,
    oddity,
    send_times,
)
from digests.schedules.hours import Hour, hour_of, hour_of_digest
from digests.schedules.lateness import ON_TIME, why
from digests.schedules.schedule import (
    Holiday,
    Occurrence,
    OccurrenceStatus,
    Schedule,
    deadline,
    turn_of,
    unrecorded,
)

_TO_COME: Final = (OccurrenceStatus.planned, OccurrenceStatus.skipped)
#: Of a draft that nobody approved by its latest moment.
TOO_LATE: Final = "too late"
_UNSENT: Final = (DigestStatus.draft, DigestStatus.approved)


@dataclass(frozen=True, slots=True)
class Coming:
    """One send to come, or one left out. *notes* are clock changes and holidays, in words."""

    schedule: str
    zone: str
    on_date: date
    cutoff_at: datetime
    send_at: datetime  # where everyone gets it at their own time, for the first clocks on earth
    hour: Hour
    appointed_at: datetime | None  # where a person has moved it from
    deadline_at: datetime | None  # by when its draft is to be approved
    state: str  # recurs, planned, skipped, paused, draft, approved, or too late
    reason: str | None
    digest: str | None
    notes: tuple[str, ...]

    @property
    def goes(self) -> bool:
        """Whether it is to be sent at all."""
        return self.state not in {"skipped", "paused", TOO_LATE}


@dataclass(frozen=True, slots=True)
class Past:
    """One turn that has been, or that nobody found. *late* is actual minus planned."""

    schedule: str
    zone: str
    on_date: date
    planned_at: datetime
    started_at: datetime | None
    late: timedelta | None
    outcome: str  # the digest's status, or what became of the turn
    digest: str | None
    why: str


def coming(
    session: Session, *, count: int, only: Schedule | None = None, now: datetime
) -> list[Coming]:
    """The next *count* sends in their order, of all schedules or of one, and what is left out between."""
    holidays = _holidays(session, since=now)
    every = [only] if only else session.exec(select(Schedule).order_by(col(Schedule.name))).all()
    found: list[Coming] = []
    for schedule in every:
        with suppress(*BEYOND_RECKONING):  # the others are shown; an alert tells of this one
            found += _of_schedule(session, schedule, holidays, count=count, now=now)
    found.sort(key=lambda one: (one.send_at, one.schedule))
    shown: list[Coming] = []
    sends = 0
    for one in found:
        if sends == count:
            break
        shown.append(one)
        sends += one.goes
    return shown


def past(session: Session, *, count: int, now: datetime) -> list[Past]:
    """The last *count* turns, newest first, with the reason for every difference from the plan."""
    schedules = {one.id: one for one in session.exec(select(Schedule))}
    rows = session.exec(
        select(Occurrence, Digest)
        .outerjoin(Digest, col(Digest.occurrence_id) == col(Occurrence.id))
        .where(
            # One that was run ahead of its hour is past as well, or of which nothing comes.
            (col(Occurrence.send_at) <= now)
            | col(Digest.started_at).is_not(None)
            | col(Occurrence.status).in_((OccurrenceStatus.empty, OccurrenceStatus.missed)),
            col(Occurrence.status) != OccurrenceStatus.planned,
        )
        .order_by(func.coalesce(col(Digest.started_at), col(Occurrence.send_at)).desc())
        .limit(count)
    ).all()
    found = [
        _past(schedules[turn.schedule_id], turn, digest)
        for turn, digest in rows
        if digest is None or digest.status not in _UNSENT or digest.late_after < now
    ]
    for schedule in schedules.values():
        with suppress(*BEYOND_RECKONING):
            found += _found_by_nobody(session, schedule, count=count, now=now)
    return sorted(found, key=lambda one: one.planned_at, reverse=True)[:count]


def clock_note(schedule: Schedule, day: date, *, since: datetime, send_at: datetime) -> str | None:
    """What a clock change does to a send: between *since* and it, or at its very hour."""
    zone = clocks_of(schedule)
    match oddity(day, schedule.at, zone):
        case "skipped":
            there = send_at.astimezone(ZoneInfo(zone))
            return f"no clock shows {schedule.at:%H:%M} that day: it goes at {there:%H:%M}"
        case "twice":
            return f"clocks show {schedule.at:%H:%M} twice that day: it goes at the first"
    changes = clock_changes(zone, start=since, end=send_at)
    if not changes:
        return None
    there = changes[-1].at.astimezone(ZoneInfo(zone))
    by = sum((change.by for change in changes), timedelta(0))
    if not by:
        return None
    minutes = int(abs(by).total_seconds() // 60)
    length = f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"
    way = "forward" if by > timedelta(0) else "back"
    return f"clocks went {way} {length} on {there.day} {there:%B}"


def length(late: timedelta) -> str:
    """``12 s``, ``14 min 3 s``, ``-1 d 2 h 5 s``."""
    seconds = round(abs(late).total_seconds())
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h")]
    parts += [(seconds // 60 % 60, "min"), (seconds % 60, "s")]
    while len(parts) > 1 and not parts[0][0]:
        parts.pop(0)
    said = " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"
    return f"-{said}" if late < timedelta(0) else said


def _of_schedule(
    session: Session,
    schedule: Schedule,
    holidays: dict[date, list[str]],
    *,
    count: int,
    now: datetime,
) -> list[Coming]:
    rows = session.exec(
        select(Occurrence, Digest)
        .outerjoin(Digest, col(Digest.occurrence_id) == col(Occurrence.id))
        .where(
            col(Occurrence.schedule_id) == schedule.id,
            col(Occurrence.send_at) > now - timedelta(days=60),
        )
    ).all()
    known = {turn.on_date for turn, _ in rows}
    stored = [(turn, digest) for turn, digest in rows if _is_to_come(turn, digest, now=now)]
    turns: list[tuple[Occurrence, Digest | None]] = list(stored)
    if schedule.enabled:
        for day, moment in _recurring(schedule, count=count + len(known), now=now):
            if day not in known:
                turns.append((turn_of(schedule, day, moment), None))
    turns.sort(key=lambda pair: pair[0].send_at)
    shown: list[Coming] = []
    before = now
    for turn, digest in turns:
        notes = []
        if note := clock_note(schedule, turn.on_date, since=before, send_at=turn.send_at):
            notes.append(note)
        notes += holidays.get(_hour(schedule, turn, digest).day, [])
        shown.append(_coming(schedule, turn, digest, tuple(notes), now=now))
        before = max(before, turn.send_at)
    return shown


def _recurring(schedule: Schedule, *, count: int, now: datetime) -> list[tuple[date, datetime]]:
    """The next *count* that go; before them, of those that a pause leaves out, no more than that."""
    times = send_times(schedule, after=now, count=count)
    until = schedule.paused_until
    if until is None or until <= now:
        return times
    paused = [one for one in times if one[1] < until]
    return paused + send_times(schedule, after=until - timedelta(microseconds=1), count=count)


def _is_to_come(turn: Occurrence, digest: Digest | None, *, now: datetime) -> bool:
    if digest is not None:
        return digest.status in _UNSENT  # also too late: until it is given up it can be moved
    if turn.status is OccurrenceStatus.planned:
        return True
    return turn.status in _TO_COME and turn.send_at > now


def _coming(
    schedule: Schedule,
    turn: Occurrence,
    digest: Digest | None,
    notes: tuple[str, ...],
    *,
    now: datetime,
) -> Coming:
    send_at = digest.send_at if digest else turn.send_at
    state = "recurs" if turn.id is None else str(turn.status)
    if digest is not None:
        state = str(digest.status) if digest.late_after >= now else TOO_LATE
    elif turn.changed_by is None and schedule.paused_until and send_at < schedule.paused_until:
        state = "paused"
    appointed = turn.appointed_at
    if digest is not None and digest.send_at != turn.send_at:
        appointed = appointed or turn.send_at
    return Coming(
        schedule=schedule.name,
        zone=schedule.zone,
        on_date=turn.on_date,
        cutoff_at=turn.cutoff_at,
        send_at=send_at,
        hour=_hour(schedule, turn, digest),
        appointed_at=appointed,
        deadline_at=deadline(schedule, digest) if digest else None,
        state=state,
        reason=(digest.paused_reason if digest else None) or turn.reason,
        digest=digest.issue if digest else None,
        notes=notes,
    )


def _hour(schedule: Schedule, turn: Occurrence, digest: Digest | None) -> Hour:
    if digest is not None:
        return hour_of_digest(digest)
    own = (turn.sends_on or turn.on_date, schedule.at) if schedule.local_time else None
    return hour_of(turn.send_at, schedule.zone, own)


def _past(schedule: Schedule, turn: Occurrence, digest: Digest | None) -> Past:
    planned_at = turn.appointed_at or turn.send_at
    started_at = digest.started_at if digest else None
    late = started_at - planned_at if started_at else None
    return Past(
        schedule=schedule.name,
        zone=schedule.zone,
        on_date=turn.on_date,
        planned_at=planned_at,
        started_at=started_at,
        late=late,
        outcome=str(digest.status) if digest else str(turn.status),
        digest=digest.issue if digest else None,
        why=why(schedule, turn, digest, late=late),
    )


def _found_by_nobody(
    session: Session, schedule: Schedule, *, count: int, now: datetime
) -> list[Past]:
    """The turns that were due while no beat ran, and that were too old when one came back."""
    if not schedule.enabled:
        return []
    since = max(schedule.installed_at, now - timedelta(days=60))
    known = set(
        session.exec(
            select(col(Occurrence.on_date)).where(
                col(Occurrence.schedule_id) == schedule.id,
                col(Occurrence.on_date) >= since.date() - timedelta(days=2),
            )
        )
    )
    lost = unrecorded(schedule, known, since=since, until=now - ON_TIME)
    return [
        Past(
            schedule=schedule.name,
            zone=schedule.zone,
            on_date=turn.on_date,
            planned_at=turn.send_at,
            started_at=None,
            late=None,
            outcome=str(OccurrenceStatus.missed),
            digest=None,
            why="no beat has found it yet",
        )
        for turn in lost[-count:]
    ]


def _holidays(session: Session, *, since: datetime) -> dict[date, list[str]]:
    rows: Sequence[Holiday] = session.exec(
        select(Holiday)
        .where(col(Holiday.on_date) >= since.date() - timedelta(days=2))
        .order_by(col(Holiday.on_date), col(Holiday.name))
    ).all()
    named: dict[date, list[str]] = {}
    for holiday in rows:
        named.setdefault(holiday.on_date, []).append(holiday.name)
    return named
