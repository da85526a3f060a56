"""``newsletter schedule``: an operator at a terminal reads the sends to come and steers single ones."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time
from typer.testing import CliRunner

from newsletter.cli import app
from newsletter.clock import utc_now
from newsletter.database import reading, unit_of_work
from newsletter.demo import take_in_examples
from newsletter.editions import production
from newsletter.settings import settings
from newsletter.web.site import situation
from tests.conftest import Configure
from tests.support.processes import ROOT

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

MONDAY, NEXT, THIRD = "2026-11-30", "2026-12-07", "2026-12-14"


@pytest.fixture(autouse=True)
def _thursday(database: str, configure: Configure, tmp_path: Path) -> Iterator[None]:
    """Four days before a send at nine in Berlin, with the schedules that the repository brings."""
    assert database
    folder = tmp_path / "schedules"
    shutil.copytree(ROOT / "celerybeat-schedule", folder, ignore=shutil.ignore_patterns("state*"))
    configure(home=tmp_path / "var", schedules=folder)
    settings()  # makes its secrets, and a library that is first imported in a frozen moment stays there
    with freeze_time("2026-11-26T12:00:00Z"):
        schedule()
        yield


def schedule(*words: str) -> str:
    """What ``newsletter schedule`` says; whatever it refuses is raised."""
    said = CliRunner().invoke(app, ["schedule", *words], catch_exceptions=False)
    assert said.exit_code == 0, said.output
    return said.stdout


def coming() -> dict[str, dict[str, Any]]:
    return {one["on_date"]: one for one in json.loads(schedule("--count", "4", "--json"))}


def a_draft() -> None:
    """The next turn is run, and beat ticks."""
    with unit_of_work() as session:
        take_in_examples(session, now=utc_now() - timedelta(hours=1))
    schedule("run", "weekly")
    with unit_of_work() as session:
        assert production.assemble_due(session, now=utc_now() + timedelta(seconds=1))


def test_single_turns_are_left_out_put_back_moved_and_paused() -> None:
    schedule("skip", "weekly", "--by", "Ada")
    assert coming()[MONDAY]["state"] == "skipped"
    assert coming()[MONDAY]["reason"] == "left out by Ada"
    schedule("restore", "weekly", MONDAY)
    schedule("move", "weekly", NEXT, "--to", "2026-12-08T10:00")
    assert coming()[NEXT]["utc"] == "2026-12-08T09:00:00+00:00"
    schedule("pause", "weekly", "--until", "2026-12-15")

    assert {day: one["state"] for day, one in coming().items() if day <= THIRD} == {
        MONDAY: "planned",
        NEXT: "planned",
        THIRD: "paused",
    }
    schedule("pause", "weekly", "--end")
    assert coming()[THIRD]["state"] == "recurs"


def test_every_answer_to_what_comes_next_knows_what_was_left_out_moved_and_paused() -> None:
    schedule("move", "weekly", THIRD, "--to", "2026-12-15T10:00")
    schedule("pause", "weekly", "--until", "2027-06-01")
    going = [one["utc"] for one in json.loads(schedule("--count", "10", "--json")) if one["goes"]]

    assert len(going) == 10
    assert going[:2] == ["2026-12-15T09:00:00+00:00", "2027-06-07T07:00:00+00:00"]
    assert json.loads(schedule("show", "weekly", "--json"))["next"] == going[:3]
    assert "# next: Tue 15 Dec, 10:00, 2026-12-15 09:00 UTC" in schedule("show", "weekly")
    with reading() as session:
        turn = situation.next_turn(session, now=utc_now())
    assert turn is not None
    assert turn.send_at.isoformat() == going[0]

    schedule("skip", "weekly", THIRD)
    with reading() as session:
        turn = situation.next_turn(session, now=utc_now())
    assert turn is not None
    assert turn.send_at.isoformat() == going[1]


def test_the_next_turn_is_the_one_that_has_its_draft_already() -> None:
    a_draft()

    schedule("move", "weekly", "next", "--to", "2026-11-27T10:00")
    assert coming()[MONDAY]["state"] == "draft"
    assert coming()[MONDAY]["utc"] == "2026-11-27T09:00:00+00:00"
    schedule("skip", "weekly")

    with reading() as session:
        assert production.by_issue(session, "2026-W48").status == "cancelled"
    assert NEXT in coming()
    assert coming()[NEXT]["state"] == "recurs"
    schedule("skip", "weekly")
    assert coming()[NEXT]["state"] == "skipped", "whatever is left out is not the next"


def test_a_schedule_is_added_changed_shown_and_written_back(tmp_path: Path) -> None:
    schedule("add", "monthly", "cron=0 9 * * mon#1", "zone=America/Santiago")
    schedule("edit", "monthly", "when_missed=late", "cron=30 7 1 * *")
    assert "by the cron line 30 7 1 * *" in schedule("show", "monthly")
    schedule("holidays", "2026-12-07", "St. Nobody's")
    assert coming()[NEXT]["notes"] == ["St. Nobody's"]

    written = schedule("export", str(tmp_path / "out")).split()

    assert [Path(one).name for one in written] == ["monthly.toml", "weekly.toml", "holidays.toml"]
    assert 'when_missed = "late"' in Path(written[0]).read_text()
    schedule("holidays", "2026-12-07", "--forget")
    assert coming()[NEXT]["notes"] == []


def test_the_past_is_told_with_its_reasons() -> None:
    a_draft()
    schedule("skip", "weekly", "--by", "Ada")

    with freeze_time("2026-12-01T00:00:00Z"):
        [past] = json.loads(schedule("history", "--json"))

    assert datetime.fromisoformat(past["planned_at"]) == datetime(2026, 11, 30, 8, tzinfo=UTC)
    assert (past["outcome"], past["started_at"]) == ("cancelled", None)
    assert past["why"] == "left out by Ada; it is cancelled"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("skip", "monthly"), "There is no schedule monthly"),
        (("skip", "weekly", "2026-12-01"), "no turn on 2026-12-01"),
        (("move", "weekly", MONDAY, "--to", "soon"), "'soon' is no moment"),
        (("pause", "weekly"), "Say --until when, or --end"),
        (("edit", "weekly", "zone=Mars"), "zone: 'Mars' is no time zone"),
        (("edit", "weekly", "late"), "write part=value"),
        (("holidays", "2026-12-25", "--forget"), "No holiday is entered on 2026-12-25"),
        (("holidays", "2026-12-25", " "), "Say what the day is called"),
        (("add", "holidays", "weekday=monday"), "taken by the schedules' page"),
        (("add", "new", "weekday=monday"), "taken by the schedules' page"),
        (("edit", "weekly", "zone=America"), "zone: 'America' is no time zone"),
        (("edit", "weekly", "at=09:00+02:00"), "without an offset"),
        (("edit", "weekly", "starts_on=9999-12-31"), "write a year from 2000 to 2199"),
        (("edit", "weekly", "cron=0 9 * * mon", "at=10:30"), "as in 30 10 * * mon"),
        (("skip", "weekly", "2025-12-29"), "no turn on 2025-12-29"),
        (("skip", "weekly", "9999-12-27"), "write a year from 2000 to 2199"),
        (("move", "weekly", MONDAY, "--to", "0001-01-01T00:00"), "write a year from 2000 to 2199"),
        (("pause", "weekly", "--until", "9999-12-31"), "write a year from 2000 to 2199"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(words: tuple[str, ...], said: str) -> None:
    before = coming()

    answer = CliRunner().invoke(app, ["schedule", *words])

    assert said in str(answer.exception)
    assert coming() == before
