"""What counts as wrong, that it begins and ends once, and that whoever should know is told."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import httpx
import pytest
from freezegun import freeze_time
from sqlmodel import Session, col, select
from standardwebhooks.webhooks import Webhook

from digests import lifecycle
from digests.ledger import halting
from digests.ledger.progress import Progress, Uncertain
from digests.models import Digest, DigestStatus, Halt
from digests.schedules import schedule_terms
from digests.schedules.schedule import Schedule, plan_turn
from newsletter import pulse
from newsletter.accounts.models import Account, Role
from newsletter.database import reading, unit_of_work
from newsletter.delivery.circuit import Circuit
from newsletter.editions import approval, production
from newsletter.overview import Overview
from newsletter.posting.composing import Composed, compose
from newsletter.pulse import Life, Part, Pulse
from newsletter.service_mail import ServiceMail
from newsletter.settings.alerts import AlertSettings
from newsletter.watching import alerts
from newsletter.watching.alerts import Alert
from newsletter.watching.calling import tell
from newsletter.watching.conditions import (
    Audience,
    Condition,
    Seen,
    Severity,
    Unapproved,
    conditions,
)
from newsletter.watching.looking import look_after
from tests.conftest import Configure
from tests.support.editions import a_draft, a_sending_digest, readers
from tests.web import scene
from tests.web.scene import on_both
from tests.web.staffing import an_account

ALERTS = AlertSettings()
DAY = timedelta(days=1)
SECRET = "whsec_" + "c2VjcmV0IGZvciB0aGUgdGVzdHMgb25seQ=="


@pytest.fixture
def well(now: datetime) -> Overview:
    """A service on a quiet day."""

    def one(part: Part) -> Life:
        known = Pulse(part=part, name="host:1", began_at=now, seen_at=now, lag=0.1)
        return Life(part, alive=(known,), silent=(), last_seen_at=now, lag=0.1)

    return Overview(
        at=now,
        halt=None,
        sends=(),
        beats=one(Part.beat),
        workers=one(Part.worker),
        resting=(),
        failing=(),
        letters={},
        oldest_letter_at=None,
        waiting=0,
    )


def a_send(now: datetime, **changes: object) -> Progress:
    known = Progress(
        digest_id=1,
        issue="2026-W48",
        status=DigestStatus.sending,
        send_at=now,
        started_at=now,
        waits_for="",
        audience=100,
        accepted=40,
        rejected=0,
        excluded=0,
        uncertain=0,
        planned=60,
        in_hands=0,
        rate=2.0,
        providers={"resend": 40},
        speeds={"resend": 2.0},
        hands=(),
        doubts=(),
        put_back=(),
    )
    return replace(known, **changes)  # type: ignore[arg-type]  # a test names what it changes


class TestTheRules:
    def test_on_a_quiet_day_nothing_is_wrong(self, well: Overview, now: datetime) -> None:
        seen = Seen(replace(well, sends=(a_send(now),)))

        assert conditions(seen, AlertSettings()) == []

    @pytest.mark.parametrize("part", list(Part))
    def test_the_last_of_a_part_being_gone_is_trouble(
        self, well: Overview, now: datetime, part: Part
    ) -> None:
        gone = Life(part, (), (), last_seen_at=now - timedelta(minutes=7), lag=None)
        seen = Seen(replace(well, beats=gone) if part is Part.beat else replace(well, workers=gone))

        [found] = conditions(seen, AlertSettings())

        assert (found.key, found.severity) == (f"{part}.gone", Severity.trouble)
        assert found.what == f"No {part} has been seen for 7 minutes."
        assert f"newsletter {part}" in found.remedy

    def test_a_broker_that_is_away_is_trouble(self, well: Overview) -> None:
        [found] = conditions(Seen(replace(well, waiting=None)), AlertSettings())

        assert (found.key, found.severity) == ("broker.away", Severity.trouble)

    def test_a_provider_is_trouble_once_it_had_to_rest_and_not_for_one_call_among_many(
        self, well: Overview, now: datetime
    ) -> None:
        def said(failures: int, open_until: datetime | None) -> list[str]:
            one = Circuit(provider="ses", failures=failures, open_until=open_until, reason="500")
            return [wrong.what for wrong in conditions(Seen(replace(well, failing=(one,))), ALERTS)]

        assert said(1, None) == []
        assert said(4, None) == []
        assert said(5, now) == ["ses failed 5 times in a row: 500"]
        assert said(1, now) == ["ses failed once: 500"], "as no retry can help"
        assert said(0, now) == [], "it only asked to wait"

    def test_one_of_several_that_fell_silent_is_a_warning(
        self, well: Overview, now: datetime
    ) -> None:
        lost = Pulse(part=Part.worker, name="b:2", began_at=now, seen_at=now - timedelta(minutes=3))
        seen = Seen(replace(well, workers=replace(well.workers, silent=(lost,))))

        [found] = conditions(seen, AlertSettings())

        assert (found.key, found.severity) == ("worker.silent:b:2", Severity.warning)

    def test_a_send_that_stopped_by_itself_is_trouble_and_one_paused_by_hand_is_not(
        self, well: Overview, now: datetime
    ) -> None:
        words = "stopped by itself: 12 hard bounces of 100 copies is over 5.0%"
        for reason, severity in ((words, Severity.trouble), ("lunch", Severity.warning)):
            send = a_send(now, status=DigestStatus.paused, waits_for=reason)
            [found] = conditions(Seen(replace(well, sends=(send,))), AlertSettings())
            assert found.severity is severity
            assert reason in found.what
            assert "newsletter resume 2026-W48" in found.remedy

    def test_a_deadline_is_announced_before_it_comes_and_names_what_happens_then(
        self, well: Overview, now: datetime
    ) -> None:
        def at(hours: float) -> list[tuple[str, Severity]]:
            until = now + timedelta(hours=hours)
            late = until + timedelta(hours=9)
            draft = Unapproved("2026-W48", until, "skip", False, late, "fold")
            found = conditions(Seen(well, unapproved=(draft,)), AlertSettings())
            assert all(one.audience is Audience.editors for one in found)
            assert all("skipped" in one.what for one in found)
            return [(one.key, one.severity) for one in found]

        assert at(3) == []
        assert at(1) == [("deadline:2026-W48", Severity.warning)]
        assert at(-1) == [("deadline:2026-W48", Severity.trouble)]

    def test_once_its_deadline_is_met_a_draft_is_held_and_then_it_is_too_late_for_it(
        self, well: Overview, now: datetime
    ) -> None:
        held = a_send(now, status=DigestStatus.draft, waits_for="Nobody had approved it.")

        def at(hours: float, when_missed: str = "fold") -> list[Condition]:
            deadline = now - timedelta(hours=hours)
            late = deadline + timedelta(hours=12)
            draft = Unapproved("2026-W48", deadline, "hold", True, late, when_missed)
            seen = Seen(replace(well, sends=(held,)), unapproved=(draft,))
            return conditions(seen, AlertSettings())

        [waits] = at(1)
        [expired], [lost] = at(13), at(13, "skip")

        assert waits.key == "held:2026-W48"
        assert expired.key == "expired:2026-W48"
        assert "cannot go any more" in expired.what
        assert "go into the next one when the next window closes" in expired.remedy
        assert "are left out for good" in lost.remedy

    def test_every_limit_can_be_switched_off(self, well: Overview, now: datetime) -> None:
        doubt = Uncertain(3, 40, "ses", now - timedelta(days=1), None, "no answer")
        seen = Seen(
            replace(
                well,
                halt=Halt(by="Ada", reason="a leak", halted_at=now - timedelta(hours=3)),
                workers=replace(well.workers, lag=900.0),
                sends=(a_send(now, doubts=(doubt,)),),
                failing=(Circuit(provider="ses", failures=5, open_until=now, reason="500"),),
                oldest_letter_at=now - timedelta(hours=1),
            ),
            unapproved=(Unapproved("2026-W49", now, "hold", False, now, "fold"),),
            still_since={"2026-W48": now - timedelta(hours=1)},
        )
        off = AlertSettings(
            deadline=0, stalled=0, uncertain=0, resting=0, lag=0, letters=0, halted=0
        )

        assert {one.key.partition(":")[0] for one in conditions(seen, AlertSettings())} == {
            *("halted", "lag", "uncertain", "provider"),
            *("letters", "deadline", "stalled"),
        }
        assert conditions(seen, off) == []


@on_both
@pytest.mark.usefixtures("database")
class TestTheLook:
    def test_a_stalled_send_begins_an_alert_once_and_ends_it_when_it_moves(
        self, now: datetime
    ) -> None:
        with unit_of_work() as session:
            readers(session, 3, now=now)
            digest_id = a_sending_digest(session, now=now).id
        later = now + timedelta(minutes=20)

        began = [edge.condition.key for edge in look_after(now=later).began]
        again = look_after(now=later + timedelta(seconds=30))
        with unit_of_work() as session:
            lifecycle.pause(session, session.get_one(Digest, digest_id), reason="lunch")
        over = look_after(now=later + timedelta(minutes=1))

        assert began == ["stalled:2026-W48"]
        assert (again.began, again.ended) == ((), ())
        assert [edge.condition.key for edge in over.began] == ["held:2026-W48"]
        assert over.ended == ("stalled:2026-W48",)

    def test_a_draft_that_nobody_approves_is_an_alert_when_its_schedule_has_a_deadline(
        self, now: datetime
    ) -> None:
        with unit_of_work() as session:
            a_draft(session, now=now)

        assert look_after(now=now).began == (), "without a turn there is no deadline"

    def test_a_turn_of_which_nothing_comes_while_beat_ticks_is_an_alert_until_it_is_taken(
        self, now: datetime
    ) -> None:
        since, later = now - timedelta(hours=1), now + timedelta(minutes=11)
        with unit_of_work() as session:
            session.add(Schedule(name="astray", weekday=0, zone="Mars/Olympus", installed_at=since))
            weekly = Schedule(name="weekly", draft_before=0, installed_at=since)
            session.add(weekly)
            session.flush()
            plan_turn(session, weekly, send_at=now, cutoff_at=now)

        def look(at: datetime) -> tuple[list[str], tuple[str, ...]]:
            with unit_of_work() as session:
                for part in Part:
                    pulse.sign(session, part, "one:1", began_at=since, now=at)
            seen = look_after(now=at)
            return [edge.condition.key for edge in seen.began], seen.ended

        assert look(now) == (["overdue:astray"], ())
        assert look(later) == (["overdue:weekly"], ())
        with unit_of_work() as session:
            production.assemble_due(session, now=later)
        assert look(later + timedelta(minutes=1)) == ([], ("overdue:weekly",))

        just_back = later + timedelta(hours=1)
        with unit_of_work() as session:
            plan_turn(
                session,
                schedule_terms.by_name(session, "weekly"),
                send_at=later + DAY,
                cutoff_at=now,
            )
            for part in Part:
                pulse.sign(session, part, "one:2", began_at=just_back, now=just_back)
        assert "overdue:weekly" not in [
            edge.condition.key for edge in look_after(now=just_back).began
        ], "a beat that is just back gets its time"

    def test_an_approved_edition_that_does_not_start_at_its_hour_is_stalled(
        self, now: datetime
    ) -> None:
        with unit_of_work() as session:
            digest = a_draft(session, now=now)
            digest.status, digest.send_at = DigestStatus.approved, now

        assert look_after(now=now + timedelta(minutes=5)).began == ()
        [edge] = look_after(now=now + timedelta(minutes=11)).began
        assert edge.condition.key == "stalled:2026-W48"

    def test_an_approved_edition_is_an_alert_to_editors_once_the_store_has_moved_on(
        self, now: datetime
    ) -> None:
        with unit_of_work() as session:
            digest = scene.a_draft(session, now=now)
            digest.send_at = now + timedelta(days=1)
            production.approve(session, digest, by="Ada", now=now)
        before = look_after(now=now).began

        scene.dearer(now=now)
        [edge] = look_after(now=now + timedelta(minutes=1)).began
        with unit_of_work() as session:
            digest = session.scalars(select(Digest)).one()
            approval.undo(session, digest, by="Ada", now=now)
        over = look_after(now=now + timedelta(minutes=2))

        assert before == ()
        assert edge.condition.key == "overtaken:2026-W48"
        assert edge.condition.audience is Audience.editors
        assert "Mistral 3 Small’s price was Free" in edge.condition.what  # noqa: RUF001 - print
        assert "overtaken:2026-W48" in over.ended

    def test_what_comes_back_begins_anew(self, now: datetime) -> None:
        for minutes in (0, 10):
            with unit_of_work() as session:
                at = now + timedelta(minutes=minutes)
                pulse.sign(session, Part.beat, "one:1", began_at=at, now=at)
            look_after(now=at + timedelta(seconds=1))
            look_after(now=at + timedelta(minutes=5))

        with reading() as session:
            found = session.exec(select(Alert).order_by(col(Alert.id))).all()
        assert [(one.key, one.ended_at is None) for one in found] == [
            ("beat.gone", False),
            ("beat.gone", True),
        ]


@on_both
@pytest.mark.usefixtures("database")
def test_whose_it_is_to_act_gets_one_letter_when_it_begins(now: datetime) -> None:
    with unit_of_work() as session:
        for name, roles in (
            ("Ada", {Role.operator}),
            ("Emmy", {Role.editor}),
            ("Rae", {Role.reader}),
        ):
            an_account(session, roles=roles, name=name, now=now)
        readers(session, 3, now=now)
        digest = a_sending_digest(session, now=now)
        lifecycle.pause(session, digest, reason="lunch")
        draft = a_draft(session, now=now, issue="2026-W49")
        draft.paused_reason = "the template has changed"

    for seconds in (0, 30, 60):
        look_after(now=now + timedelta(seconds=seconds))

    with reading() as session:
        letters = session.exec(select(ServiceMail)).all()
        written = {
            (session.get_one(Account, one.account_id).name, (one.values or {})["what"][:8])
            for one in letters
        }
        assert all(isinstance(compose(session, one, now=now), Composed) for one in letters)
    assert len(letters) == len(written)
    assert written == {("Ada", "2026-W48"), ("Ada", "2026-W49"), ("Emmy", "2026-W49")}


def wrong(session: Session, now: datetime) -> None:
    hour_ago = now - timedelta(hours=1)
    pulse.sign(session, Part.worker, "one:1", began_at=hour_ago, now=hour_ago)


@on_both
@pytest.mark.usefixtures("database")
class TestTheWebhook:
    @pytest.fixture(autouse=True)
    def _has_an_address(self, configure: Configure, database: str) -> None:
        assert database
        configure(alerts_url="https://pager.example/hook", alerts_secret=SECRET)

    def test_it_hears_of_each_beginning_and_each_end_signed_and_once(self, now: datetime) -> None:
        heard: list[tuple[str, dict[str, object]]] = []

        def answer(request: httpx.Request) -> httpx.Response:
            body = json.loads(request.content)
            with freeze_time(now):
                Webhook(SECRET).verify(request.content, dict(request.headers))
            heard.append((request.headers["webhook-id"], body))
            return httpx.Response(204)

        transport = httpx.MockTransport(answer)
        with unit_of_work() as session:
            wrong(session, now)
        look_after(now=now)
        assert tell(clock=lambda: now, transport=transport) == 1
        assert tell(clock=lambda: now + timedelta(days=1), transport=transport) == 0
        with unit_of_work() as session:
            pulse.sign(session, Part.worker, "one:1", began_at=now, now=now)
        look_after(now=now + timedelta(seconds=1))
        assert tell(clock=lambda: now + timedelta(seconds=1), transport=transport) == 1

        assert [body["state"] for _, body in heard] == ["began", "ended"]
        assert len({name for name, _ in heard}) == 2
        assert "No worker has been seen" in str(heard[0][1]["text"])

    def test_one_that_does_not_answer_is_called_again_later_and_not_at_once(
        self, now: datetime
    ) -> None:
        calls = 0

        def refuse(request: httpx.Request) -> httpx.Response:
            nonlocal calls
            calls += 1
            return httpx.Response(500)

        transport = httpx.MockTransport(refuse)
        with unit_of_work() as session:
            wrong(session, now)
        look_after(now=now)

        assert tell(clock=lambda: now, transport=transport) == 0
        assert tell(clock=lambda: now + timedelta(seconds=5), transport=transport) == 0
        assert calls == 1
        assert tell(clock=lambda: now + timedelta(seconds=31), transport=transport) == 0
        assert calls == 2

    def test_a_copy_calls_nobody_until_somebody_says_that_it_is_the_one(
        self, now: datetime
    ) -> None:
        transport = httpx.MockTransport(lambda _: httpx.Response(204))
        with unit_of_work() as session:
            wrong(session, now)
            halting.halt(session, by="the guard", reason="a copy", now=now, restored=True)
        look_after(now=now)

        assert tell(clock=lambda: now, transport=transport) == 0
        with reading() as session:
            assert "worker.gone" in {one.key for one in alerts.open_alerts(session)}
        with unit_of_work() as session:
            halting.release(session)
        assert tell(clock=lambda: now, transport=transport) > 0

    def test_after_a_day_nobody_is_called_about_it_any_more(self, now: datetime) -> None:
        with unit_of_work() as session:
            wrong(session, now)
        look_after(now=now)

        with unit_of_work() as session:
            alerts.give_up(session, now=now + timedelta(days=2))

        with reading() as session:
            assert alerts.to_tell(session, now=now + timedelta(days=2)) == []
