"""The schedules' page: what it shows, and that what an operator does there happens and stands in the log."""

import re
from datetime import date, datetime, timedelta

import pytest
from sqlmodel import col, select
from starlette.testclient import TestClient

from digests.models import Digest, DigestStatus
from digests.schedules import calendar
from digests.schedules.schedule import Holiday, Occurrence, OccurrenceStatus, Schedule
from newsletter import pulse
from newsletter.accounts.models import Account, AuditEntry, Role
from newsletter.database import reading, unit_of_work
from newsletter.demo import take_in_examples
from newsletter.editions import production, steering
from newsletter.pulse import Part
from subscribers.models import Subscriber, SubscriberStatus
from tests.web.scene import Sent, a_reader, on_both
from tests.web.staffing import Staff, signed_in


@pytest.fixture
def ada(web: TestClient, now: datetime) -> Staff:
    with unit_of_work() as session:
        session.add(
            Schedule(
                name="weekly",
                weekday=0,
                zone="Europe/Berlin",
                installed_at=now - timedelta(days=20),
                draft_before=60,
            )
        )
    return signed_in(web, roles={Role.operator}, now=now)


def coming(now: datetime) -> list[calendar.Coming]:
    with reading() as session:
        return calendar.coming(session, count=3, now=now)


def actions() -> list[str]:
    with reading() as session:
        rows = session.exec(select(AuditEntry).order_by(col(AuditEntry.id))).all()
        return [row.action for row in rows if row.by == "Ada" and "login" not in row.action]


@on_both
class TestSingleTurns:
    def test_one_is_left_out_put_back_moved_and_run(
        self, web: TestClient, ada: Staff, now: datetime
    ) -> None:
        day = next(one.on_date for one in coming(now) if one.send_at > now + timedelta(days=2))
        here, form = f"/schedules/weekly/{day}", {"csrf": ada.csrf}

        web.post(f"{here}/skip", data=form)
        assert [one.state for one in coming(now) if one.on_date == day] == ["skipped"]
        web.post(f"{here}/restore", data=form)
        web.post(f"{here}/move", data=form | {"to": f"{day + timedelta(days=1)}T10:30"})
        [moved] = [one for one in coming(now) if one.on_date == day]
        assert f"{moved.send_at:%H:%M}" == "09:30"  # 10:30 in Berlin
        shown = web.get("/schedules").text
        assert "instead of" in shown
        web.post(f"{here}/run", data=form)

        with reading() as session:
            turn = session.exec(select(Occurrence).where(col(Occurrence.on_date) == day)).one()
            assert (turn.send_at, turn.status) == (now, OccurrenceStatus.planned)
        assert [action for action in actions() if action.startswith("turn.")] == [
            *("turn.skipped", "turn.restored", "turn.moved", "turn.run"),
        ]

    def test_what_makes_no_sense_is_told_in_a_sentence_and_changes_nothing(
        self, web: TestClient, ada: Staff, now: datetime
    ) -> None:
        before = coming(now)
        day = before[0].on_date
        for do, more in (
            ("move", {"to": "next Tuesday"}),
            ("move", {"to": "2020-01-01T09:00"}),
            ("burn", {}),
            ("restore", {}),
        ):
            answer = web.post(f"/schedules/weekly/{day}/{do}", data={"csrf": ada.csrf} | more)
            assert answer.status_code == 422, do
            assert 'role="alert"' in answer.text
        for far in ("2020-01-01", "0001-01-01", "9999-12-31"):
            answer = web.post(f"/schedules/weekly/{far}/skip", data={"csrf": ada.csrf})
            assert answer.status_code == 422, far
        assert web.post(f"/schedules/nobody/{day}/skip", data={"csrf": ada.csrf}).status_code == 404

        assert coming(now) == before


@on_both
class TestSchedules:
    def test_one_is_changed_and_what_was_typed_stays_when_it_makes_none(
        self, web: TestClient, ada: Staff, now: datetime
    ) -> None:
        terms = {"csrf": ada.csrf, "weekday": "tuesday", "at": "10:15", "zone": "Europe/Berlin"}
        terms |= {"enabled": "yes", "cron": "", "late_for": "60"}

        refused = web.post("/schedules/weekly", data=terms | {"zone": "Mars/Olympus"})
        assert refused.status_code == 422
        assert "no time zone" in refused.text
        assert 'value="Mars/Olympus"' in refused.text
        assert 'value="10:15"' in refused.text
        saved = web.post("/schedules/weekly", data=terms)

        assert saved.headers["location"] == "/schedules?done=edited"
        assert {f"{one.send_at:%a %H:%M}" for one in coming(now)} == {"Tue 09:15"}
        assert web.post("/schedules/weekly", data=terms).headers["location"].endswith("nothing")
        assert actions() == ["schedule.edited"]

    def test_of_two_who_change_it_at_once_the_second_is_told_and_may_insist(
        self, web: TestClient, ada: Staff
    ) -> None:
        def form() -> dict[str, str]:
            page = web.get("/schedules/weekly").text
            seen = re.findall(r'name="seen" value="(\w+)"', page)
            terms = {"csrf": ada.csrf, "weekday": "monday", "zone": "Europe/Berlin", "enabled": "y"}
            return terms | {"at": "09:00", "seen": seen[0]}

        mine, theirs = form(), form()
        assert web.post("/schedules/weekly", data=theirs | {"at": "10:00"}).status_code == 303
        refused = web.post("/schedules/weekly", data=mine | {"late_for": "60"})

        assert refused.status_code == 422
        assert "Somebody has changed it" in refused.text
        assert 'value="60"' in refused.text
        assert 'value="10:00:00"' in web.get("/schedules/weekly").text
        again = mine | {"late_for": "60", "seen": form()["seen"]}
        assert web.post("/schedules/weekly", data=again).status_code == 303

    def test_another_one_is_added_by_a_cron_line(self, web: TestClient, ada: Staff) -> None:
        terms = {"csrf": ada.csrf, "name": "monthly", "cron": "0 9 * * mon#1", "weekday": ""}
        terms |= {"zone": "UTC", "enabled": "yes", "at": "09:00"}

        assert web.post("/schedules/new", data=terms).headers["location"].endswith("added")
        twice = web.post("/schedules/new", data=terms)

        assert twice.status_code == 422
        assert "There is a schedule monthly already." in twice.text
        assert "monthly" in web.get("/schedules").text
        assert web.get("/schedules/monthly").status_code == 200
        assert actions() == ["schedule.added"]

    def test_a_pause_begins_and_ends(self, web: TestClient, ada: Staff, now: datetime) -> None:
        far = f"{(now + timedelta(days=400)).date()}"
        web.post("/schedules/weekly/pause", data={"csrf": ada.csrf, "until": far})
        going = [one for one in coming(now) if one.goes]
        assert going[0].send_at >= now + timedelta(days=399)
        assert len(going) == 3

        web.post("/schedules/weekly/pause", data={"csrf": ada.csrf})

        assert all(one.goes for one in coming(now))
        assert actions() == ["schedule.paused", "schedule.paused"]

    def test_holidays_are_entered_marked_and_taken_off(
        self, web: TestClient, ada: Staff, now: datetime
    ) -> None:
        day = coming(now)[-1].on_date
        entry = {"csrf": ada.csrf, "day": f"{day}", "name": "St. Nobody's"}
        web.post("/schedules/holidays", data=entry)
        assert any("St. Nobody's" in one.notes for one in coming(now))
        assert web.post("/schedules/holidays", data=entry | {"day": "soon"}).status_code == 422

        web.post("/schedules/holidays", data=entry | {"do": "remove"})

        with reading() as session:
            assert session.exec(select(Holiday)).all() == []


@on_both
def test_the_page_shows_the_next_ten_clock_changes_and_who_ticks(
    web: TestClient, ada: Staff, now: datetime
) -> None:
    with unit_of_work() as session:
        pulse.sign(session, Part.beat, "alpha:3", began_at=now, now=now)
        schedule = session.exec(select(Schedule)).one()
        schedule.starts_on = date(2027, 3, 22)
        session.add(schedule)
        session.get_one(Account, ada.account_id).zone = "Asia/Kolkata"

    shown = web.get("/schedules").text

    assert shown.count("<summary>Change") == 10
    assert "clocks went forward 1 h" in shown
    assert "Europe/Berlin, 2027" in shown
    there, utc, here = re.findall(r"Mon 5 Apr, (\d\d:\d\d)", shown)[:3]
    assert (there, utc, here) == ("09:00", "07:00", "12:30")
    assert "For you, Asia/Kolkata" in shown
    assert "1 beat" in shown
    assert "alpha:3" in shown
    assert "No comparison is new." in shown


def test_it_says_what_the_next_one_would_bring_and_what_its_draft_has(
    web: TestClient, ada: Staff, now: datetime
) -> None:
    assert ada
    with unit_of_work() as session:
        take_in_examples(session, now=now - timedelta(hours=1))
        a_reader(session, now=now)
    pair = "SmolVLM2 vs Mistral 3 Small"

    def now_it_would() -> str:
        shown = web.get("/schedules").text
        return shown[shown.index('id="now"') :].partition("</section>")[0]

    assert "weekly</strong> would go to at most <strong>1</strong>" in now_it_would()
    assert pair in now_it_would()
    with unit_of_work() as session:
        weekly = session.exec(select(Schedule)).one()
        steering.run_now(session, weekly, coming(now)[0].on_date, by="Ada", now=now)
        [draft] = production.assemble_due(session, now=now)
        issue = draft.issue
    assert f"{issue}</strong>, a draft already, would go" in now_it_would()
    assert pair in now_it_would()


def test_an_approved_edition_that_runs_on_another_day_asks_for_its_name_anew(
    web: TestClient, ada: Staff, now: datetime
) -> None:
    with unit_of_work() as session:
        take_in_examples(session, now=now - timedelta(hours=1))
        weekly = session.exec(select(Schedule)).one()
        day = coming(now + timedelta(days=1))[0].on_date
        steering.run_now(session, weekly, day, by="Ada", now=now)
        [draft] = production.assemble_due(session, now=now)
        production.move(session, draft, to=now + timedelta(days=3))
        production.approve(session, draft, by="Emmy", now=now)

    answer = web.post(f"/schedules/weekly/{day}/run", data={"csrf": ada.csrf})

    assert answer.headers["location"] == "/schedules?done=run-anew"
    assert "once it is approved anew" in web.get("/schedules?done=run-anew").text
    with reading() as session:
        assert production.by_issue(session, "latest").status is DigestStatus.draft
        run = session.exec(select(AuditEntry).order_by(col(AuditEntry.id).desc())).first()
    assert run is not None
    assert (run.action, (run.before or {})["status"]) == ("turn.run", "approved")
    assert (run.after or {})["status"] == "draft"


def test_a_moment_that_is_none_stays_where_it_was_typed(web: TestClient, ada: Staff) -> None:
    refused = web.post(
        "/schedules/weekly/2026-12-07/move", data={"csrf": ada.csrf, "to": "next <Tuesday>"}
    )

    assert refused.status_code == 422
    assert "is no moment; write one such as" in refused.text
    assert refused.text.count('value="next &lt;Tuesday&gt;"') == 1
    assert 'value="2026-12-14T09:00"' in refused.text
    assert refused.text.count('<details class="ask" open>') == 1, "and can be seen there"


def test_an_end_of_a_pause_that_is_none_stays_where_it_was_typed(
    web: TestClient, ada: Staff, now: datetime
) -> None:
    with unit_of_work() as session:
        session.add(Schedule(name="another", installed_at=now))

    refused = web.post("/schedules/weekly/pause", data={"csrf": ada.csrf, "until": "soon"})

    assert refused.status_code == 422
    assert refused.text.count('value="soon"') == 1
    assert refused.text.count('<details class="ask" open>') == 1


def test_a_name_that_is_none_is_told_in_a_sentence(web: TestClient, ada: Staff) -> None:
    refused = web.post("/schedules/new", data={"csrf": ada.csrf, "name": "Bad Name"})

    assert refused.status_code == 422
    assert "write small letters, digits and hyphens" in refused.text
    assert "pattern" not in refused.text.partition("<form")[0]


def test_the_log_tells_what_a_turn_was_before_and_is_after(web: TestClient, ada: Staff) -> None:
    here, form = "/schedules/weekly/2026-12-07", {"csrf": ada.csrf}
    web.post(f"{here}/skip", data=form | {"drop": "yes"})
    web.post(f"{here}/restore", data=form)
    web.post(f"{here}/move", data=form | {"to": "2026-12-08T10:00"})
    web.post("/schedules/new", data=form | {"name": "monthly", "cron": "30 7 * * mon#1"})

    with reading() as session:
        rows = session.exec(select(AuditEntry).order_by(col(AuditEntry.id))).all()
    said = {row.action: (row.before, row.after) for row in rows}
    assert said["turn.skipped"] == ({"status": "planned"}, {"status": "skipped", "dropped": True})
    assert said["turn.restored"] == ({"status": "skipped", "dropped": True}, {"status": "planned"})
    assert said["turn.moved"] == (
        {"send_at": "2026-12-07T08:00:00+00:00"},
        {"send_at": "2026-12-08T09:00:00+00:00"},
    )
    assert (said["schedule.added"][1] or {})["cron"] == "30 7 * * mon#1"


def test_it_says_who_came_and_who_went_since_the_last_edition(
    web: TestClient, ada: Staff, sent: Sent, now: datetime
) -> None:
    assert ada
    with unit_of_work() as session:
        session.get_one(Digest, sent.digest_id).started_at = now - timedelta(days=7)
        a_reader(session, "new@readers.example", now=now + timedelta(weeks=7))
        grace = session.get_one(Subscriber, sent.grace)
        grace.status, grace.left_at = SubscriberStatus.bounced, now

    shown = web.get("/schedules").text

    assert f"Since {sent.issue} 1 came and 1 went: 1 bounced." in shown


def test_it_is_for_operators(web: TestClient, now: datetime) -> None:
    staff = signed_in(web, roles={Role.reader, Role.editor}, now=now)

    assert web.get("/schedules").status_code == 403
    answer = web.post("/schedules/holidays", data={"csrf": staff.csrf, "day": "2026-12-25"})
    assert answer.status_code == 403
