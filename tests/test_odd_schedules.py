"""Schedules that nobody means: far years, lost zones, long pauses, turns of long ago."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from digests.reading import pages
from digests.schedules import schedule_terms, turns
from digests.schedules.schedule_terms import Terms
from digests.store import intake
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


@pytest.mark.parametrize("days", [timedelta(days=9), timedelta(weeks=52)])
def test_a_turn_of_long_ago_is_not_taken_for_this_years(days: timedelta) -> None:
    a_schedule()

    with unit_of_work() as session:
        known = schedule_terms.by_name(session, "weekly")
        for what in (steering.run_now, steering.restore):
            with pytest.raises(turns.NoSuchTurn):
                what(session, known, MONDAY, by="Ada", now=NINE + days)


@pytest.mark.parametrize(
    "said", [{"zone": "Mars/Olympus"}, {"cron": "0 9 * * *", "starts_on": date(9999, 12, 31)}]
)
def test_one_whose_days_cannot_be_reckoned_stops_no_other(said: dict[str, Any]) -> None:
    a_schedule()
    a_schedule("astray", **said)
    path = min(EXAMPLES.glob("*.txt"))
    with unit_of_work() as session:
        facts = pages.read_page(path.read_text(encoding="utf-8"))
        intake.take_in(session, facts, source=path.name, now=NINE - timedelta(days=3))

    with unit_of_work() as session:
        made = [digest.issue for digest in production.assemble_due(session, now=NINE)]

    assert made == ["2026-W48"]
