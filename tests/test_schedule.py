"""Turns of a schedule: each taken once, whatever beat, the clock or an operator does meanwhile."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, select

from digests.models import DigestItem, DigestStatus
from digests.reading import pages
from digests.schedules import calendar, schedule_files, schedule_terms, turns
from digests.schedules.schedule import Approval, Holiday, Occurrence, Otherwise, Schedule
from digests.schedules.schedule_terms import BadSchedule, Terms
from digests.store import intake
from newsletter.database import reading, unit_of_work
from newsletter.demo import EXAMPLES
from newsletter.editions import production, steering
from tests.conftest import Configure

MONDAY = date(2026, 11, 23)
NINE = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)  # 09:00 in Berlin
CLOSES = NINE - timedelta(days=1)
WEEK, MINUTE = timedelta(weeks=1), timedelta(minutes=1)
PAGES = sorted(EXAMPLES.glob("*.txt"))

only_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def weekly(database: str, configure: Configure, tmp_path: Path) -> int:
    """The weekly schedule of the house, as an id; the store is empty."""
    configure(home=tmp_path / "var")
    return a_schedule()


def a_schedule(**said: Any) -> int:
    terms = {"name": "weekly", "weekday": "monday", "at": time(9), "zone": "Europe/Berlin"} | said
    with unit_of_work() as session:
        made = schedule_terms.add(session, Terms.read(terms), now=NINE - timedelta(days=5))
        return made.id or 0


def set_terms(schedule_id: int, **said: Any) -> None:
    with unit_of_work() as session:
        for name, value in said.items():
            setattr(session.get_one(Schedule, schedule_id), name, value)


def news(number: int = 0, *, at: datetime = NINE - timedelta(days=3)) -> None:
    """One of the example pages comes in."""
    with unit_of_work() as session:
        facts = pages.read_page(PAGES[number].read_text(encoding="utf-8"))
        intake.take_in(session, facts, source=PAGES[number].name, now=at)


def tick(now: datetime) -> list[str]:
    """What a tick of beat does about schedules; the issues it made."""
    with unit_of_work() as session:
        return [digest.issue for digest in production.assemble_due(session, now=now)]


def days() -> dict[str, str]:
    """What became of each turn."""
    with reading() as session:
        found = session.exec(select(Occurrence).order_by(Occurrence.on_date)).all()  # type: ignore[arg-type]  # a column, at run time
        return {str(turn.on_date): str(turn.status) for turn in found}


def by_hand(what: Callable[..., object], day: date, **how: Any) -> None:
    with unit_of_work() as session:
        what(session, schedule_terms.by_name(session, "weekly"), day, by="Ada", **how)


@pytest.mark.usefixtures("weekly")
class TestBeat:
    @only_sqlite
    def test_a_turn_is_nobodys_before_its_window_closes(self) -> None:
        news()

        assert tick(CLOSES - MINUTE) == []
        assert tick(CLOSES) == ["2026-W48"]
        assert tick(CLOSES + MINUTE) == []

    def test_of_beats_that_tick_at_once_one_takes_the_turn(self) -> None:
        news()

        with ThreadPoolExecutor(4) as pool:
            made = list(pool.map(tick, [CLOSES] * 4))

        assert [issue for issues in made for issue in issues] == ["2026-W48"]
        assert days() == {"2026-11-23": "assembled"}

    @only_sqlite
    def test_beat_that_was_stopped_over_the_appointment_sends_late_within_the_limit(self) -> None:
        news()

        assert tick(NINE + timedelta(hours=11)) == ["2026-W48"]

    @only_sqlite
    @pytest.mark.parametrize("policy", Otherwise)
    def test_beat_that_comes_back_too_late_follows_the_policy(
        self, weekly: int, policy: Otherwise
    ) -> None:
        news()
        set_terms(weekly, when_missed=policy)

        made = tick(NINE + timedelta(hours=13))
        news(1, at=NINE + timedelta(days=1))
        following = tick(NINE + WEEK - timedelta(hours=1))

        assert made == (["2026-W48"] if policy is Otherwise.late else [])
        assert following == ["2026-W49"]
        # Of the two pages, the first was news before the turn that was missed.
        pairs = pairs_in("2026-W49")
        assert pairs == (2 if policy is Otherwise.fold else 1)

    @only_sqlite
    def test_where_late_is_allowed_a_turn_is_given_up_when_the_next_one_closes(
        self, weekly: int
    ) -> None:
        news()
        set_terms(weekly, when_missed=Otherwise.late)

        assert tick(CLOSES + WEEK + MINUTE) == ["2026-W49"]
        assert days() == {"2026-11-23": "missed", "2026-11-30": "assembled"}

    @only_sqlite
    def test_a_daily_schedule_that_slept_for_a_week_takes_each_turn_and_sends_today(
        self, weekly: int
    ) -> None:
        set_terms(weekly, weekday=None, cron="0 9 * * *", draft_before=0)
        news()

        made = tick(NINE + timedelta(days=6))

        assert made == ["2026-W48"]
        assert days()["2026-11-29"] == "assembled"
        assert set(list(days().values())[:-1]) == {"missed"}

    @only_sqlite
    def test_a_clock_set_back_does_not_bring_a_turn_again(self) -> None:
        news()
        news(1, at=NINE - timedelta(days=2))
        assert tick(NINE) == ["2026-W48"]

        assert tick(NINE - timedelta(hours=3)) == []
        assert tick(NINE) == []

    @only_sqlite
    def test_turns_called_empty_by_a_clock_that_was_ahead_are_opened_again(self) -> None:
        assert tick(NINE + WEEK) == []
        assert days() == {"2026-11-23": "missed", "2026-11-30": "empty"}

        news()
        made = tick(CLOSES)

        assert made == ["2026-W48"]
        assert days() == {"2026-11-23": "assembled", "2026-11-30": "planned"}
        news(1, at=NINE + timedelta(days=1))
        assert tick(NINE + WEEK) == ["2026-W49"]

    @only_sqlite
    def test_an_empty_turn_that_may_be_late_waits_for_something_new(self, weekly: int) -> None:
        set_terms(weekly, when_empty=Otherwise.late)
        assert tick(NINE) == []
        assert days() == {}

        news(at=NINE + timedelta(hours=1))

        assert tick(NINE + timedelta(hours=1, minutes=5)) == ["2026-W48"]

    @only_sqlite
    @pytest.mark.parametrize(
        ("policy", "covers"), [(Otherwise.fold, 2 * WEEK), (Otherwise.skip, WEEK)]
    )
    def test_an_empty_turn_is_folded_into_the_next_or_left_out_with_its_week(
        self, weekly: int, policy: Otherwise, covers: timedelta
    ) -> None:
        set_terms(weekly, when_empty=policy)
        news(at=NINE - timedelta(days=9))
        assert tick(CLOSES - WEEK) == ["2026-W47"]

        assert tick(CLOSES) == [], "nothing has come since"
        assert days()["2026-11-23"] == "empty"
        assert tick(NINE) == []
        news(1, at=NINE + timedelta(hours=1))

        assert tick(CLOSES + WEEK) == ["2026-W49"]
        with reading() as session:
            next_one = production.by_issue(session, "2026-W49")
            assert next_one.window_end - next_one.window_start == covers
        assert pairs_in("2026-W49") == 1

    @only_sqlite
    def test_an_empty_turn_that_waited_in_vain_is_closed(self, weekly: int) -> None:
        set_terms(weekly, when_empty=Otherwise.late)

        tick(NINE + timedelta(hours=12))

        assert days() == {"2026-11-23": "empty"}


@pytest.mark.usefixtures("weekly")
class TestOperators:
    @only_sqlite
    def test_a_turn_that_is_left_out_does_not_come(self) -> None:
        news()
        by_hand(steering.skip, MONDAY, drop=False, now=CLOSES - WEEK / 7)

        assert tick(NINE) == []
        assert tick(NINE + WEEK - timedelta(hours=1)) == ["2026-W49"], "its comparisons waited"

    @only_sqlite
    def test_what_a_dropped_turn_would_have_said_is_left_out_for_good(self) -> None:
        news()
        by_hand(steering.skip, MONDAY, drop=True, now=CLOSES - WEEK / 7)

        assert tick(NINE + WEEK) == []
        assert days() == {"2026-11-23": "skipped", "2026-11-30": "empty"}

    @only_sqlite
    def test_a_turn_that_is_dropped_ahead_of_time_takes_nothing_from_those_before_it(self) -> None:
        news()
        by_hand(steering.skip, MONDAY + WEEK, drop=True, now=CLOSES - MINUTE)

        assert tick(NINE) == ["2026-W48"]
        news(1, at=NINE + timedelta(days=1))
        assert tick(NINE + 2 * WEEK) == []
        assert days()["2026-12-07"] == "empty", "what came in the week between was left out"

    @only_sqlite
    def test_leaving_out_a_turn_with_a_draft_cancels_the_draft(self) -> None:
        news()
        tick(CLOSES)

        by_hand(steering.skip, MONDAY, drop=False, now=CLOSES + MINUTE)

        with reading() as session:
            assert production.by_issue(session, "2026-W48").status is DigestStatus.cancelled
        assert days() == {"2026-11-23": "skipped"}

    @only_sqlite
    def test_a_turn_that_was_left_out_can_be_put_back(self) -> None:
        news()
        by_hand(steering.skip, MONDAY, drop=False, now=CLOSES - MINUTE)
        by_hand(steering.restore, MONDAY, now=CLOSES - MINUTE)

        assert tick(NINE) == ["2026-W48"]

    @only_sqlite
    def test_a_moved_turn_closes_and_goes_as_much_later_and_only_once(self) -> None:
        news()
        by_hand(steering.move, MONDAY, to=NINE + timedelta(days=1), now=CLOSES - MINUTE)

        assert tick(CLOSES + MINUTE) == []
        assert tick(NINE) == ["2026-W48"]
        with reading() as session:
            assert production.by_issue(session, "2026-W48").send_at == NINE + timedelta(days=1)
        assert tick(NINE + timedelta(days=1)) == []

    @only_sqlite
    def test_a_turn_moves_with_its_draft(self) -> None:
        news()
        tick(CLOSES)

        by_hand(steering.move, MONDAY, to=NINE + timedelta(hours=2), now=CLOSES + MINUTE)

        with reading() as session:
            assert production.by_issue(session, "2026-W48").send_at == NINE + timedelta(hours=2)
            [coming, *_] = calendar.coming(session, count=1, now=CLOSES + MINUTE)
        assert (coming.digest, coming.appointed_at) == ("2026-W48", NINE)
        with pytest.raises(turns.BadMove, match="The next turn of weekly comes"):
            by_hand(steering.move, MONDAY, to=NINE + WEEK, now=CLOSES + MINUTE)

    @only_sqlite
    def test_an_approval_moves_along_on_the_same_day_and_not_to_another(self) -> None:
        news()
        tick(CLOSES)
        with unit_of_work() as session:
            production.approve(
                session, production.by_issue(session, "2026-W48"), by="Ada", now=CLOSES
            )

        def moved(to: datetime) -> tuple[DigestStatus, str]:
            by_hand(steering.move, MONDAY, to=to, now=CLOSES + MINUTE)
            with unit_of_work() as session:
                production.void_what_changed(session)
                digest = production.by_issue(session, "2026-W48")
                return digest.status, digest.paused_reason or ""

        assert moved(NINE + timedelta(hours=3)) == (DigestStatus.approved, "")
        status, reason = moved(NINE + timedelta(days=1))

        assert status is DigestStatus.draft
        assert reason.startswith("It was moved to 24 November, and its date stands in the mail")
        with reading() as session:
            assert production.by_issue(session, "2026-W48").announced_at is None

    @only_sqlite
    def test_where_everyone_gets_it_at_their_own_time_a_draft_moves_with_their_hours(
        self, weekly: int
    ) -> None:
        set_terms(weekly, local_time=True)
        news()
        tick(CLOSES - timedelta(hours=12))  # the first clocks are ahead of Berlin's
        wednesday = NINE + timedelta(days=2)

        by_hand(steering.move, MONDAY, to=wednesday, now=CLOSES)
        with reading() as session:
            moved = production.by_issue(session, "2026-W48")
            assert moved.local_day == date(2026, 11, 25)
            assert moved.send_at == datetime(2026, 11, 24, 19, tzinfo=UTC)  # nine on Kiritimati
        by_hand(steering.run_now, MONDAY, now=NINE + timedelta(days=1))

        with reading() as session:
            run = production.by_issue(session, "2026-W48")
            assert (run.local_day, run.send_at) == (date(2026, 11, 24), NINE + timedelta(days=1))

    @only_sqlite
    @pytest.mark.parametrize(
        ("to", "said"),
        [(CLOSES - WEEK, "has passed"), (NINE + WEEK, "next turn of weekly comes at")],
    )
    def test_a_turn_moves_neither_into_the_past_nor_past_the_next(
        self, to: datetime, said: str
    ) -> None:
        with pytest.raises(turns.BadMove, match=said):
            by_hand(steering.move, MONDAY, to=to, now=CLOSES - MINUTE)

    @only_sqlite
    def test_running_a_turn_now_uses_it_up(self) -> None:
        news()
        now = NINE - timedelta(days=2)
        by_hand(steering.run_now, MONDAY, now=now)

        assert tick(now + timedelta(seconds=5)) == ["2026-W47"]
        news(1, at=now + timedelta(hours=1))
        assert tick(NINE) == []

    @only_sqlite
    def test_a_paused_schedule_skips_and_says_so_but_runs_by_hand(self) -> None:
        news()
        with unit_of_work() as session:
            known = schedule_terms.by_name(session, "weekly")
            steering.pause(
                session, known, until=NINE + timedelta(days=8), by="Ada", now=CLOSES - MINUTE
            )
        assert tick(NINE) == []
        assert days() == {"2026-11-23": "skipped"}

        by_hand(steering.run_now, MONDAY + WEEK, now=NINE + timedelta(days=2))

        assert tick(NINE + timedelta(days=2)) == ["2026-W48"]

    @only_sqlite
    def test_a_turn_that_has_been_sent_cannot_be_steered(self) -> None:
        news()
        tick(CLOSES)
        with unit_of_work() as session:
            production.by_issue(session, "2026-W48").status = DigestStatus.sent

        with pytest.raises(turns.TurnIsOver, match="it was assembled"):
            by_hand(steering.skip, MONDAY, drop=False, now=NINE + MINUTE)

    @only_sqlite
    def test_a_day_without_an_appointment_has_no_turn(self) -> None:
        with pytest.raises(turns.NoSuchTurn, match="no turn on 2026-11-24"):
            by_hand(steering.skip, MONDAY + timedelta(days=1), drop=False, now=CLOSES)

    @only_sqlite
    def test_a_schedule_moved_to_another_day_does_not_catch_up_on_that_days_past(
        self, weekly: int
    ) -> None:
        news()
        set_terms(weekly, weekday=4)
        with unit_of_work() as session:
            known = schedule_terms.by_name(session, "weekly")
            schedule_terms.edit(session, known, {"weekday": "monday"}, now=NINE + MINUTE)

        assert tick(NINE + 2 * MINUTE) == []

    @only_sqlite
    def test_a_schedule_begins_and_ends_with_its_dates(self, weekly: int) -> None:
        set_terms(weekly, starts_on=MONDAY + WEEK, ends_on=MONDAY + 2 * WEEK)

        with reading() as session:
            found = calendar.coming(session, count=10, now=CLOSES - WEEK / 7)

        assert [one.on_date for one in found] == [MONDAY + WEEK, MONDAY + 2 * WEEK]


@pytest.mark.usefixtures("weekly")
class TestCalendar:
    @only_sqlite
    def test_clock_changes_and_holidays_are_marked(self) -> None:
        with unit_of_work() as session:
            steering.add_holiday(session, date(2026, 12, 28), "Company holidays")
            steering.add_holiday(session, date(2026, 12, 28), "Company holidays")

        with reading() as session:
            found = {one.on_date: one for one in calendar.coming(session, count=20, now=NINE)}

        assert found[date(2026, 12, 28)].notes == ("Company holidays",)
        assert found[date(2027, 3, 29)].notes == ("clocks went forward 1 h on 28 March",)
        assert found[date(2027, 3, 22)].notes == ()

    @only_sqlite
    def test_where_everyone_gets_it_at_their_own_time_the_day_is_that_of_the_appointment(
        self, weekly: int
    ) -> None:
        set_terms(weekly, local_time=True, zone="America/New_York")
        with unit_of_work() as session:
            steering.add_holiday(session, MONDAY + WEEK, "St. Andrew's Day")

        with reading() as session:
            [_, coming, *_] = calendar.coming(session, count=3, now=CLOSES - WEEK / 7)

        assert (coming.hour.words, coming.hour.clocks) == (
            "Mon 30 Nov, 09:00",
            "each reader's own clocks",
        )
        assert coming.send_at == datetime(2026, 11, 29, 19, tzinfo=UTC)  # nine on Kiritimati
        assert coming.notes == ("St. Andrew's Day",)

    @only_sqlite
    def test_what_is_left_out_is_shown_and_not_counted(self) -> None:
        by_hand(steering.skip, MONDAY, drop=False, now=CLOSES - MINUTE)

        with reading() as session:
            found = calendar.coming(session, count=2, now=CLOSES - MINUTE)

        assert [(one.state, one.goes) for one in found] == [
            ("skipped", False),
            ("recurs", True),
            ("recurs", True),
        ]

    @only_sqlite
    @pytest.mark.parametrize("hold", [timedelta(0), MINUTE])
    def test_the_past_gives_the_reason_for_every_difference(self, hold: timedelta) -> None:
        news()
        tick(CLOSES)
        with unit_of_work() as session:
            digest = production.by_issue(session, "2026-W48")
            digest.status, digest.approved_by = DigestStatus.sent, "Ada"
            digest.approved_at = NINE + timedelta(minutes=14) - hold
            digest.send_at = max(digest.send_at, digest.approved_at + hold)
            digest.started_at = NINE + timedelta(minutes=14, seconds=3)
        tick(NINE + WEEK + timedelta(hours=13))

        with reading() as session:
            found = calendar.past(session, count=5, now=NINE + 2 * WEEK + MINUTE)

        assert [(one.outcome, one.why) for one in found] == [
            ("missed", "no beat has found it yet"),
            ("missed", "due at 2026-11-30 08:00 UTC, found only at 2026-11-30 21:00 UTC"),
            ("sent", f"approved by Ada at {NINE + timedelta(minutes=14) - hold:%H:%M:%S} UTC"),
        ]
        assert found[2].late == timedelta(minutes=14, seconds=3)
        assert calendar.length(found[2].late) == "14 min 3 s"

    @only_sqlite
    def test_one_that_was_run_ahead_of_its_hour_is_past_at_once(self) -> None:
        news()
        tick(CLOSES)
        early = CLOSES + timedelta(hours=1)
        by_hand(steering.run_now, MONDAY, now=early)
        with unit_of_work() as session:
            digest = production.by_issue(session, "2026-W48")
            digest.status, digest.started_at = DigestStatus.sent, early + MINUTE / 10

        with reading() as session:
            [past] = calendar.past(session, count=5, now=early + 2 * MINUTE)
            coming = calendar.coming(session, count=1, now=early + 2 * MINUTE)

        assert (past.digest, past.planned_at) == ("2026-W48", NINE)
        assert past.why == "run by Ada, from 2026-11-23 08:00 UTC"
        assert [one.on_date for one in coming] == [MONDAY + WEEK]


class TestFiles:
    @only_sqlite
    def test_a_schedule_is_written_back_as_it_stands(self, weekly: int, tmp_path: Path) -> None:
        set_terms(
            weekly,
            starts_on=MONDAY,
            paused_until=NINE,
            approval=Approval.policy,
            when_missed=Otherwise.late,
            local_time=True,
        )
        a_schedule(name="monthly", weekday=None, cron="30 7 * * mon#1")
        with unit_of_work() as session:
            session.add(Holiday(on_date=MONDAY, name='St Clement\'s, "old"'))
        with reading() as session:
            known = {one.name: Terms.of(one) for one in session.exec(select(Schedule))}
            written = schedule_files.export(session, tmp_path / "out")

        assert [path.name for path in written] == ["monthly.toml", "weekly.toml", "holidays.toml"]
        for name, terms in known.items():
            assert schedule_files.read(tmp_path / "out" / f"{name}.toml") == terms
        assert schedule_files.read_holidays(written[2]) == [(MONDAY, 'St Clement\'s, "old"')]

    @only_sqlite
    def test_files_are_taken_in_once(self, session: Session, tmp_path: Path, now: datetime) -> None:
        (tmp_path / "monthly.toml").write_text('name = "monthly"\ncron = "30 7 * * mon#1"\n')
        (tmp_path / "holidays.toml").write_text('2026-12-25 = "Christmas Day"\n')

        assert schedule_files.install(session, tmp_path, now=now) == ["monthly"]
        assert schedule_files.install(session, tmp_path, now=now) == []

        assert session.exec(select(Schedule)).one().at == time(7, 30)
        assert session.exec(select(Holiday)).one().name == "Christmas Day"

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            ('name = "a"\nweekday = "monday"\ncron = "0 9 * * *"', "not both"),
            ('name = "a"\ncron = "0 9 * *"', "five fields"),
            ('name = "a"\nstarts_on = 2026-02-01\nends_on = 2026-01-01', "ends_on is before"),
            ('name = "a"\npaused_until = 2026-02-01T00:00:00', "needs its offset"),
            ('name = "a"\nzone = "Mars"', "a.toml, zone: 'Mars' is no time zone"),
            ('name = "a"\nwhen_missed = "never"', "when_missed"),
        ],
    )
    def test_a_file_that_makes_no_schedule_says_where_and_what_to_write(
        self, content: str, said: str, tmp_path: Path
    ) -> None:
        (tmp_path / "a.toml").write_text(content)

        with pytest.raises(BadSchedule, match=said):
            schedule_files.read(tmp_path / "a.toml")


def pairs_in(issue: str) -> int:
    with reading() as session:
        digest = production.by_issue(session, issue)
        return len(session.exec(select(DigestItem).where(DigestItem.digest_id == digest.id)).all())
