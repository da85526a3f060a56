"""Every clock change from 2024 to 2035: each appointment once, at the moment independent hands say."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from hypothesis import given
from hypothesis import settings as tries
from hypothesis import strategies as st
from whenever import Instant, PlainDateTime

from digests.schedules.appointments import (
    WEEKDAYS,
    BadCron,
    clock_changes,
    cron_time,
    instant,
    oddity,
    send_times,
    slots,
)
from digests.schedules.schedule import Schedule
from tests.support.effort import examples

START, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)

#: Half an hour in Lord Howe, two changes around Ramadan in Casablanca and El Aaiun, gaps at
#: midnight in Santiago, Asuncion, Cairo and Beirut, none any more in Sao Paulo, a Friday in
#: Jerusalem, no daylight saving in Tehran and Pyongyang, and the quarter hours of Chatham.
ZONES: Final = (
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Africa/El_Aaiun",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/Asuncion",
    "America/New_York",
    "America/St_Johns",
    "America/Scoresbysund",
    "Antarctica/Troll",
    "Asia/Beirut",
    "Asia/Jerusalem",
    "Asia/Tehran",
    "Africa/Cairo",
    "Europe/Berlin",
    "Europe/Dublin",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
)
STILL: Final = {"America/Sao_Paulo", "Asia/Tehran", "Pacific/Kiritimati"}


def a_schedule(
    *, zone: str, at: time, weekday: int | None = None, cron: str | None = None
) -> Schedule:
    return Schedule(name="weekly", weekday=weekday, cron=cron, at=at, zone=zone, installed_at=START)


def independently(day: date, at: time, zone: str) -> datetime:
    """The same rule by another library: the earlier of two, and later by the gap for none."""
    wall = PlainDateTime(day.year, day.month, day.day, at.hour, at.minute)
    return wall.assume_tz(zone, disambiguation="compatible").to_instant().to_stdlib()


@pytest.mark.parametrize("zone", ZONES)
def test_around_every_clock_change_each_week_has_one_appointment_at_its_hour(zone: str) -> None:
    changes = clock_changes(zone, start=START, end=END)

    assert bool(changes) is (zone not in STILL)
    for change in changes:
        before = (change.at - timedelta(minutes=1)).astimezone(ZoneInfo(zone))
        # On the day itself, at times before, in and after the hour that is skipped or repeated.
        for minutes in (-90, -31, -1, 0, 1, 29, 59, 91):
            wall = before.replace(tzinfo=None) + timedelta(minutes=minutes)
            schedule = a_schedule(zone=zone, at=wall.time(), weekday=wall.weekday())
            times = send_times(schedule, after=change.at - timedelta(days=16), count=4)

            assert [day.weekday() for day, _ in times] == [wall.weekday()] * 4
            assert [(b - a).days for (a, _), (b, _) in pairwise(times)] == [7, 7, 7]
            assert [moment for _, moment in times] == [
                independently(day, schedule.at, zone) for day, _ in times
            ]


@pytest.mark.parametrize("zone", ZONES)
def test_the_clock_changes_themselves_are_those_of_an_independent_library(zone: str) -> None:
    def offset(moment: datetime) -> timedelta:
        return Instant(moment).to_tz(zone).offset.to_stdlib()

    found = clock_changes(zone, start=START, end=END)

    for change in found:
        assert offset(change.at) - offset(change.at - timedelta(seconds=1)) == change.by
    noon, days = START + timedelta(hours=12), (END - START).days
    jumps = sum(
        offset(noon + timedelta(days=n)) != offset(noon + timedelta(days=n + 1))
        for n in range(days - 1)
    )
    assert len(found) == jumps


@st.composite
def cron_lines(draw: st.DrawFn) -> str:
    """Lines that name one time of day; either kind of day, or both, which cron reads as "or"."""
    minute, hour = draw(st.integers(0, 59)), draw(st.integers(0, 23))
    month_days = st.lists(st.integers(1, 31), min_size=1, max_size=3, unique=True)
    days = draw(
        st.one_of(st.just("*"), month_days.map(lambda those: ",".join(map(str, sorted(those)))))
    )
    months = draw(st.sampled_from(["*", "1-6", "2", "*/2", "3,9,11", "oct"]))
    weekdays = draw(
        st.sampled_from(["*", "0", "7", "1-5", "sat,sun", "mon#1", "fri#3", "L5", "tue,thu"])
    )
    if "#" in weekdays or "L" in weekdays:
        days = "*"  # each library has a reading of its own for the two together
    return f"{minute} {hour} {days} {months} {weekdays}"


@given(
    line=cron_lines(),
    zone=st.sampled_from(ZONES),
    start=st.datetimes(
        min_value=datetime(2024, 1, 1),  # noqa: DTZ001 - made aware below
        max_value=datetime(2034, 1, 1),  # noqa: DTZ001 - made aware below
    ),
)
@tries(max_examples=examples(200))
def test_a_cron_line_comes_once_for_each_of_its_days(line: str, zone: str, start: datetime) -> None:
    other = line.replace("L5", "5L") if "L5" in line else line
    ours = line.replace("L5", "5L")
    try:
        at = cron_time(ours)
    except BadCron as error:
        assert "bad day-of-month" in str(error)  # noqa: PT017 - the 31st of February
        return
    after = start.replace(tzinfo=UTC)

    times = send_times(a_schedule(zone=zone, at=at, cron=ours), after=after, count=12)

    theirs = croniter(_as_croniter(other), start - timedelta(days=3))
    expected: list[tuple[date, datetime]] = []
    while len(expected) < 12:
        wall = theirs.get_next(datetime)
        moment = independently(wall.date(), wall.time(), zone)
        if moment > after:
            expected.append((wall.date(), moment))
    assert times == expected


def _as_croniter(line: str) -> str:
    """The last Friday is ``5L`` to the one and ``L5`` to the other."""
    return line.replace("5L", "L5")


@given(
    weekday=st.integers(0, 6),
    at=st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    zone=st.sampled_from(ZONES),
    after=st.datetimes(min_value=datetime(2024, 1, 1), max_value=datetime(2034, 1, 1)),  # noqa: DTZ001 - made aware below
)
@tries(max_examples=examples(200))
def test_whoever_asks_at_any_moment_hears_of_the_same_appointments(
    weekday: int, at: time, zone: str, after: datetime
) -> None:
    schedule = a_schedule(zone=zone, at=at, weekday=weekday)
    since = after.replace(tzinfo=UTC)

    ahead = send_times(schedule, after=since, count=30)

    one_by_one, asked = [], since
    for _ in range(30):
        one_by_one += send_times(schedule, after=asked, count=1)
        asked = one_by_one[-1][1]
    assert one_by_one == ahead
    assert len({day for day, _ in ahead}) == 30


def test_a_time_that_does_not_exist_takes_the_offset_from_before_the_gap() -> None:
    spring = date(2026, 3, 29)

    assert oddity(spring, time(2, 30), "Europe/Berlin") == "skipped"
    assert instant(spring, time(2, 30), "Europe/Berlin") == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


def test_a_time_that_comes_twice_means_the_first() -> None:
    autumn = date(2026, 10, 25)

    assert oddity(autumn, time(2, 30), "Europe/Berlin") == "twice"
    assert instant(autumn, time(2, 30), "Europe/Berlin") == datetime(
        2026, 10, 25, 0, 30, tzinfo=UTC
    )


def test_a_cron_line_follows_the_same_two_rules_and_not_those_of_some_cron() -> None:
    schedule = a_schedule(zone="Europe/Berlin", at=time(2, 30), cron="30 2 * * *")

    spring = send_times(schedule, after=datetime(2026, 3, 28, 2, tzinfo=UTC), count=2)
    autumn = send_times(schedule, after=datetime(2026, 10, 24, 2, tzinfo=UTC), count=2)

    assert [f"{moment:%d %H:%M}" for _, moment in spring] == ["29 01:30", "30 00:30"]
    assert [f"{moment:%d %H:%M}" for _, moment in autumn] == ["25 00:30", "26 01:30"]


def test_half_an_hour_is_a_clock_change_too() -> None:
    first, second = clock_changes(
        "Australia/Lord_Howe", start=START, end=datetime(2025, 1, 1, tzinfo=UTC)
    )

    assert (first.by, second.by) == (timedelta(minutes=-30), timedelta(minutes=30))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0 9 * *", "five fields"),
        ("0 9,17 * * 1-5", "name one minute and one hour"),
        ("*/5 9 * * *", "name one minute and one hour"),
        ("0 25 * * *", "no cron line"),
        ("0 9 31 2 *", "no cron line: bad day-of-month"),
        ("0 9 * * mon#9", "no cron line"),
    ],
)
def test_a_cron_line_that_a_schedule_cannot_follow_says_what_to_write(line: str, said: str) -> None:
    with pytest.raises(BadCron, match=said):
        cron_time(line)


def test_readers_in_every_zone_get_it_at_the_same_time_by_their_own_clocks() -> None:
    day, nine = date(2026, 3, 29), time(9)

    found = slots(day, nine, [*ZONES, "Mars/Olympus"], otherwise="Europe/Berlin")

    for zone, moment in found.items():
        if zone != "Mars/Olympus":
            assert moment.astimezone(ZoneInfo(zone)).time() == nine
    assert found["Mars/Olympus"] == found["Europe/Berlin"]
    assert WEEKDAYS[day.weekday()] == "sunday"
