"""When a recurring appointment falls due: local days and times into moments, across clock changes.

Two rules for the hours around a clock change, as RFC 5545 (section 3.3.5)
reads them, for weekdays and for cron lines alike: a local time that does not
exist takes the offset from before the gap (02:30 becomes 03:30), and one that
comes twice means the first.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

#: Where a day begins first: fourteen hours ahead of UTC.
FIRST_CLOCKS: Final = "Pacific/Kiritimati"
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

#: Beyond these days nobody plans, and arithmetic with dates has ends of its own.
FIRST_DAY: Final = date(2000, 1, 1)
LAST_DAY: Final = date(2199, 12, 31)

#: What comes of days that cannot be reckoned, such as those of a zone that this machine has lost.
BEYOND_RECKONING: Final = (ArithmeticError, LookupError, ValueError, OSError, CronSimError)

_CRON_FIELDS: Final = 5


class BadCron(ValueError):
    """A line that is no cron line, or none that a schedule can follow; says what to write."""


class Recurrence(Protocol):
    """What a schedule says about its days."""

    weekday: int | None
    cron: str | None
    at: time
    zone: str
    local_time: bool
    starts_on: date | None
    ends_on: date | None


@dataclass(frozen=True, slots=True)
class ClockChange:
    """Clocks go forward (*by* is positive) or back at *at*."""

    at: datetime
    by: timedelta


def instant(day: date, at: time, zone: str) -> datetime:
    """The moment at which clocks in *zone* show *at* on *day*, in UTC; see the rules above."""
    return datetime.combine(day, at, ZoneInfo(zone)).astimezone(UTC)


def oddity(day: date, at: time, zone: str) -> str | None:
    """``skipped`` when no clock in *zone* shows *at* on *day*, ``twice`` when it does so twice."""
    local = datetime.combine(day, at, ZoneInfo(zone))
    first, second = local.utcoffset(), local.replace(fold=1).utcoffset()
    if first is None or second is None or first == second:
        return None
    return "skipped" if first < second else "twice"


def slots(day: date, at: time, zones: Iterable[str], *, otherwise: str) -> dict[str, datetime]:
    """For each of *zones* the moment at which its clocks show *at* on *day*.

    A zone that nobody knows takes that of *otherwise*.
    """
    found: dict[str, datetime] = {}
    for zone in zones:
        try:
            found[zone] = instant(day, at, zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones is none
            found[zone] = instant(day, at, otherwise)
    return found


def clocks_of(schedule: Recurrence) -> str:
    """The zone whose clocks start a turn: where everyone gets it at their own time, the first of all."""
    return FIRST_CLOCKS if schedule.local_time else schedule.zone


def send_times(schedule: Recurrence, *, after: datetime, count: int) -> list[tuple[date, datetime]]:
    """The next *count* appointments after *after*: the local date and the moment in UTC.

    Fewer where the schedule ends before. Where everyone gets it at their own
    time, the moment is when the day's first clocks show it.
    """
    zone = clocks_of(schedule)
    found: list[tuple[date, datetime]] = []
    for day in _days(schedule, since=after.astimezone(ZoneInfo(zone)).date() - timedelta(days=2)):
        moment = instant(day, schedule.at, zone)
        if moment > after:
            found.append((day, moment))
            if len(found) == count:
                break
    return found


def cron_time(line: str) -> time:
    """The one time of day that a cron line names; raises BadCron.

    An edition is dated, so a schedule has one turn a day at most: a line names
    one minute and one hour, and any days. Two editions a day are two schedules.
    """
    fields = line.split()
    if len(fields) != _CRON_FIELDS:
        raise BadCron(
            "a cron line has five fields: minute, hour, day of the month, month, weekday; "
            "write one such as 0 9 * * mon#1"
        )
    if not (fields[0].isascii() and fields[0].isdigit() and fields[1].isdigit()):
        raise BadCron(
            "name one minute and one hour, such as 30 9: an edition goes once a day at most, "
            "and a second one is another schedule"
        )
    try:
        next(CronSim(line, datetime(2024, 1, 1)))  # noqa: DTZ001 - a cron line reads wall clocks
        return time(int(fields[1]), int(fields[0]))
    except CronSimError as error:
        raise BadCron(f"{line!r} is no cron line: {str(error).lower()}") from None
    except StopIteration:
        raise BadCron(f"{line!r} names a day that never comes") from None


def clock_changes(zone: str, *, start: datetime, end: datetime) -> list[ClockChange]:
    """Each moment in (*start*, *end*] at which clocks in *zone* jump, and how far; to the minute."""
    there = ZoneInfo(zone)
    found: list[ClockChange] = []
    probe = start
    while probe < end:
        following = min(probe + timedelta(days=1), end)
        before, after = _offset(probe, there), _offset(following, there)
        if before != after:
            low, high = probe, following
            while high - low > timedelta(minutes=1):
                middle = low + (high - low) / 2
                low, high = (middle, high) if _offset(middle, there) == before else (low, middle)
            at = high.replace(second=0, microsecond=0)
            found.append(ClockChange(at, after - before))
        probe = following
    return found


def _offset(moment: datetime, there: ZoneInfo) -> timedelta:
    return moment.astimezone(there).utcoffset() or timedelta(0)


def _days(schedule: Recurrence, *, since: date) -> Iterator[date]:
    """The local dates on which *schedule* has a turn, from *since* on, in their order."""
    since = max(since, schedule.starts_on or since)
    last = min(schedule.ends_on or LAST_DAY, LAST_DAY)
    if since > last:
        return
    for day in _cron_days(schedule.cron, since) if schedule.cron else _weekdays(schedule, since):
        if day > last:
            return
        yield day


def _weekdays(schedule: Recurrence, since: date) -> Iterator[date]:
    if schedule.weekday is None:
        return
    day = since + timedelta(days=(schedule.weekday - since.weekday()) % 7)
    while day < date.max - timedelta(days=7):
        yield day
        day += timedelta(days=7)


def _cron_days(line: str, since: date) -> Iterator[date]:
    # On wall clocks without a zone: what a zone does to an hour is this module's own rule, and
    # not that of the cron on somebody's machine.
    midnight = datetime.combine(since, time.min) - timedelta(minutes=1)
    for moment in CronSim(line, midnight):
        yield moment.date()
