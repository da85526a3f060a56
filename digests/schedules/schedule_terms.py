"""What may be said about a schedule, in files, forms and commands alike; and saying it."""

import re
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Final, Self, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from sqlmodel import Session, col, select

from digests.lifecycle import DigestError
from digests.schedules.appointments import (
    FIRST_DAY,
    LAST_DAY,
    WEEKDAYS,
    cron_time,
    instant,
    send_times,
)
from digests.schedules.schedule import Approval, AtDeadline, Otherwise, Schedule

D = TypeVar("D", bound=date)

_WEEK: int = 7 * 24 * 60  # minutes

#: Changing one of these changes the days: turns before the change are nobody's.
_DAYS = ("weekday", "cron", "at", "zone", "local_time", "starts_on", "ends_on", "enabled")


class BadSchedule(Exception):
    """What was said makes no schedule; the message says where it stands and what to write."""


class NoSuchSchedule(DigestError):
    """No schedule has that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no schedule {name}; `newsletter schedule` lists them.")
        self.name = name


def _is_a_weekday(value: str | None) -> str | None:
    if value is not None and value.lower() not in WEEKDAYS:
        raise ValueError(f"write one of {', '.join(WEEKDAYS)}")
    return value.lower() if value else None


_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,59}")
#: Addresses of the page, and the file of the holidays.
_TAKEN: Final = frozenset({"new", "holidays"})


def _is_a_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(
            f"{value!r} is no name for a schedule; write small letters, digits and hyphens, a letter"
            " first and at most 60 in all, such as monthly-review"
        )
    return value


def _is_a_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # America is a folder of zones
        raise ValueError(f"{value!r} is no time zone; write one such as Europe/Berlin") from None
    return value


def _is_wall_time(value: time) -> time:
    if value.tzinfo is not None:
        raise ValueError("write a time such as 09:00, without an offset: zone says by whose clocks")
    return value


def _can_be_planned(value: D) -> D:
    if not FIRST_DAY.year <= value.year <= LAST_DAY.year:
        raise ValueError(f"write a year from {FIRST_DAY.year} to {LAST_DAY.year}")
    return value


class Terms(BaseModel):
    """All that a schedule says; durations in minutes, dates and ``at`` in its own zone."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, AfterValidator(_is_a_name)]
    weekday: Annotated[str | None, AfterValidator(_is_a_weekday)] = None
    cron: Annotated[str | None, Field(max_length=120)] = None
    at: Annotated[time, AfterValidator(_is_wall_time)] = time(9, 0)
    zone: Annotated[str, AfterValidator(_is_a_zone)] = "UTC"
    starts_on: Annotated[date, AfterValidator(_can_be_planned)] | None = None
    ends_on: Annotated[date, AfterValidator(_can_be_planned)] | None = None
    paused_until: Annotated[datetime, AfterValidator(_can_be_planned)] | None = None
    approval: Approval = Approval.editor
    approvals: Annotated[int, Field(ge=1, le=2)] = 1
    draft_before: Annotated[int, Field(ge=0, le=_WEEK)] = 24 * 60
    deadline_before: Annotated[int, Field(ge=0, le=_WEEK)] = 60
    at_deadline: AtDeadline = AtDeadline.hold
    late_for: Annotated[int, Field(ge=1, le=_WEEK)] = 12 * 60
    when_missed: Otherwise = Otherwise.fold
    when_empty: Otherwise = Otherwise.fold
    local_time: bool = False
    at_most: Annotated[int, Field(ge=1, le=50)] = 10
    enabled: bool = True

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.cron is not None:
            if self.weekday is not None:
                raise ValueError("give a weekday or a cron line, not both")
            self.cron = " ".join(self.cron.split())
            self.at = cron_time(self.cron)
        self.at = self.at.replace(second=0, microsecond=0, tzinfo=None)
        if self.starts_on and self.ends_on and self.ends_on < self.starts_on:
            raise ValueError("ends_on is before starts_on")
        if self.paused_until is not None and self.paused_until.tzinfo is None:
            raise ValueError("paused_until needs its offset, such as 2026-12-24T00:00:00Z")
        return self

    @classmethod
    def of(cls, schedule: Schedule) -> "Terms":
        """What *schedule* says at this moment."""
        said = {name: getattr(schedule, name) for name in cls.model_fields}
        said["weekday"] = None if schedule.weekday is None else WEEKDAYS[schedule.weekday]
        return Terms.model_construct(None, **said)

    @classmethod
    def read(cls, said: dict[str, Any], *, where: str = "") -> Self:
        """The terms in *said*; raises BadSchedule, which begins with *where*."""
        try:
            return cls.model_validate(said)
        except ValidationError as error:
            first = error.errors()[0]
            place = ", ".join(filter(None, [where, ".".join(map(str, first["loc"]))]))
            words = str(first["msg"]).removeprefix("Value error, ")
            raise BadSchedule(f"{place}: {words}." if place else f"{words}.".capitalize()) from None

    def columns(self) -> dict[str, Any]:
        """The same as the columns of a row."""
        said = self.model_dump()
        said["weekday"] = WEEKDAYS.index(self.weekday) if self.weekday else None
        return said


def add(session: Session, terms: Terms, *, now: datetime) -> Schedule:
    """A new schedule; its first turn is the first after *now*. Raises BadSchedule for a known name."""
    if terms.name in _TAKEN:
        raise BadSchedule(f"{terms.name} is taken by the schedules' page; write another name.")
    if session.exec(select(Schedule.id).where(col(Schedule.name) == terms.name)).first():
        raise BadSchedule(f"There is a schedule {terms.name} already.")
    fresh = Schedule(**terms.columns(), installed_at=now)
    session.add(fresh)
    session.flush()
    return fresh


def edit(
    session: Session, schedule: Schedule, changes: dict[str, Any], *, now: datetime
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Say *changes* about *schedule*; returns what differs, before and after, as plain values.

    A turn that has its draft already, or that a person has moved, stays as it
    is. Where the days change, turns before *now* are nobody's: they are neither
    sent late nor called missed. Raises BadSchedule and then changes nothing.
    """
    known = Terms.of(schedule).model_dump()
    if changes.get("cron"):
        changes = {"weekday": None} | changes
    elif changes.get("weekday"):
        changes = {"cron": None} | changes
    terms = Terms.read(known | changes)
    if changes.get("at") and terms.cron is not None:
        wanted = Terms.read({"name": known["name"], "at": changes["at"]}).at
        if wanted not in {known["at"], terms.at}:
            raise BadSchedule(
                f"The cron line says {terms.at:%H:%M}; write the hour there, as in {wanted.minute}"
                f" {wanted.hour} {' '.join(terms.cron.split()[2:])}."
            )
    before = Terms.of(schedule).model_dump(mode="json")
    after = terms.model_dump(mode="json")
    differs = [name for name in after if before[name] != after[name]]
    for name, value in terms.columns().items():
        setattr(schedule, name, value)
    if any(name in _DAYS for name in differs):
        schedule.installed_at = now
    session.add(schedule)
    session.flush()
    return {n: before[n] for n in differs}, {n: after[n] for n in differs}


def by_name(session: Session, name: str) -> Schedule:
    """The schedule called *name*; raises NoSuchSchedule."""
    found = session.exec(select(Schedule).where(col(Schedule.name) == name)).first()
    if found is None:
        raise NoSuchSchedule(name)
    return found


def in_words(schedule: Schedule) -> str:
    """``every Monday at 09:00, Europe/Berlin``."""
    if schedule.cron:
        days = f"by the cron line {schedule.cron}"
    elif schedule.weekday is not None:
        days = f"every {WEEKDAYS[schedule.weekday].capitalize()} at {schedule.at:%H:%M}"
    else:
        return "never by itself"
    clocks = "in each reader's own zone" if schedule.local_time else schedule.zone
    return f"{days}, {clocks}"


def recurs(schedule: Schedule, *, now: datetime) -> bool:
    """Whether any turn is still to come by itself."""
    return schedule.enabled and bool(send_times(schedule, after=now, count=1))


def date_of(said: str) -> date:
    """``2026-12-07``; raises BadSchedule."""
    try:
        return _planned(date.fromisoformat(said))
    except ValueError:
        raise BadSchedule(f"{said!r} is no date; write one such as 2026-12-07.") from None


def moment_of(said: str, zone: str) -> datetime:
    """``2026-12-08T10:00`` by the clocks of *zone*, or with an offset of its own; raises BadSchedule."""
    try:
        moment = _planned(datetime.fromisoformat(said))
    except ValueError:
        raise BadSchedule(f"{said!r} is no moment; write one such as 2026-12-08T10:00.") from None
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    return instant(moment.date(), moment.time(), zone)


def _planned(value: D) -> D:
    try:
        return _can_be_planned(value)
    except ValueError as error:
        raise BadSchedule(f"{value}: {error}.") from None
