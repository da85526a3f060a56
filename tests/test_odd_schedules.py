"""Schedules that nobody means: far years, lost zones, long pauses, turns of long ago."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfoNotFoundError

import pytest
from typer.testing import CliRunner

from digests.reading import pages
from digests.schedules import calendar, schedule_terms, turns
from digests.schedules.schedule import Otherwise, untaken
from digests.schedules.schedule_terms import Terms
from digests.store import intake
from newsletter.cli import app
from newsletter.cli.refusals import in_a_sentence
from newsletter.database import unit_of_work
from newsletter.demo import EXAMPLES
from newsletter.editions import production, steering

MONDAY = date(2026, 11, 23)
NINE = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)  # 09:00 in Berlin

pytestmark = [
    pytest.mark.usefixtures("database"),
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
]


def a_schedule(name: str = "weekly", **columns: Any) -> None:
    """One that goes on Mondays at nine in Berlin; *columns* are set past every check."""
    terms = {"name": name, "weekday": "monday", "zone": "Europe/Berlin"}
    with unit_of_work() as session:
        made = schedule_terms.add(session, Terms.read(terms), now=NINE - timedelta(weeks=100))
        for column, value in columns.items():
            setattr(made, column, value)


def news(*, at: datetime) -> None:
    """One of the example pages comes in."""
    path = min(EXAMPLES.glob("*.txt"))
    with unit_of_work() as session:
        facts = pages.read_page(path.read_text(encoding="utf-8"))
        intake.take_in(session, facts, source=path.name, now=at)


def tick(now: datetime) -> list[str]:
    """The issues that a tick of beat makes."""
    with unit_of_work() as session:
        return [digest.issue for digest in production.assemble_due(session, now=now)]


@pytest.mark.parametrize("days", [timedelta(days=9), timedelta(weeks=52)])
def test_a_turn_of_long_ago_is_not_taken_for_this_years(days: timedelta) -> None:
    a_schedule()

    with unit_of_work() as session:
        known = schedule_terms.by_name(session, "weekly")
        for what in (steering.run_now, steering.restore):
            with pytest.raises(turns.NoSuchTurn):
                what(session, known, MONDAY, by="Ada", now=NINE + days)


def test_a_turn_that_is_moved_to_soon_has_what_is_new_by_now() -> None:
    a_schedule()
    sunday = NINE - timedelta(hours=20)
    news(at=sunday - timedelta(minutes=1))
    with unit_of_work() as session:
        known = schedule_terms.by_name(session, "weekly")
        known.draft_before = 10  # minutes: not yet drafted
        soon = sunday + timedelta(minutes=5)
        steering.move(session, known, MONDAY, to=soon, by="Ada", now=sunday)

    assert tick(sunday + timedelta(seconds=5)) == ["2026-W47"]


def test_a_turn_of_which_nothing_comes_does_not_vanish_until_its_hour() -> None:
    a_schedule()
    sunday = NINE - timedelta(hours=20)

    assert tick(sunday) == []

    with unit_of_work() as session:
        [past, *_] = calendar.past(session, count=5, now=sunday)
    assert (past.on_date, past.planned_at, past.outcome) == (MONDAY, NINE, "empty")
    assert past.why == "no comparison is new"


def test_a_draft_that_is_too_late_can_still_be_moved_where_the_alert_says() -> None:
    a_schedule()
    news(at=NINE - timedelta(days=3))
    assert tick(NINE - timedelta(hours=1)) == ["2026-W48"]
    late = NINE + timedelta(hours=13)

    with unit_of_work() as session:
        [first, second, *_] = calendar.coming(session, count=2, now=late)
        assert (first.digest, first.state, first.goes) == ("2026-W48", "too late", False)
        assert second.on_date == MONDAY + timedelta(weeks=1)

        known = schedule_terms.by_name(session, "weekly")
        to = late + timedelta(hours=2)
        steering.move(session, known, first.on_date, to=to, by="Ada", now=late)
        [first, *_] = calendar.coming(session, count=1, now=late)
    assert (first.digest, first.state, first.send_at) == ("2026-W48", "draft", to)


def test_a_turn_is_overdue_from_the_closing_of_its_window_until_it_is_taken() -> None:
    a_schedule()
    a_schedule("patient", when_empty=Otherwise.late)
    closes, later = NINE - timedelta(days=1), NINE - timedelta(hours=23)

    def overdue(*, waited: timedelta) -> dict[str, datetime | None]:
        with unit_of_work() as session:
            return untaken(session, closed_before=later - waited, now=later)

    tick(closes - timedelta(days=6, hours=23))  # the turns before are over
    assert overdue(waited=timedelta(minutes=10)) == {"weekly": closes}
    assert overdue(waited=timedelta(hours=1)) == {}, "one that waits for something new is not"
    tick(later)
    assert overdue(waited=timedelta(minutes=10)) == {}


@pytest.mark.parametrize(
    "said",
    [
        {"zone": "Mars/Olympus"},
        {"cron": "0 9 * * *", "starts_on": date(9999, 12, 31)},
        {"cron": "0 9 * * someday"},
    ],
)
def test_one_whose_days_cannot_be_reckoned_stops_no_other(said: dict[str, Any]) -> None:
    a_schedule()
    a_schedule("astray", **said)
    news(at=NINE - timedelta(days=3))

    with unit_of_work() as session:
        coming = calendar.coming(session, count=3, now=NINE - timedelta(days=1))
        assert {one.schedule for one in coming} == {"weekly"}
        assert calendar.past(session, count=3, now=NINE)
        known = schedule_terms.by_name(session, "astray")
        assert calendar.coming(session, count=3, only=known, now=NINE) == []

    assert tick(NINE) == ["2026-W48"]


@pytest.mark.parametrize(
    "words", [["pause", "weekly", "--until", "2026-12-07"], ["skip", "weekly", "2026-11-30"]]
)
def test_a_command_about_a_zone_that_this_machine_has_lost_says_so(words: list[str]) -> None:
    a_schedule(zone="Mars/Olympus")

    done = CliRunner().invoke(app, ["schedule", *words])

    assert isinstance(done.exception, ZoneInfoNotFoundError)
    assert in_a_sentence(done.exception) == (
        "No time zone found with key Mars/Olympus: bring this machine's zone data up to date, or set "
        "another zone."
    )
