"""Whose name stands under an edition: bound to content and audience, by two if wanted, undone in time."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlmodel import Session, col, select

from digests import signatures
from digests.ledger import claims
from digests.lifecycle import IllegalTransition
from digests.making import versions
from digests.models import Batch, Delivery, Digest, DigestItem, DigestStatus
from digests.schedules import calendar
from digests.schedules.schedule import AtDeadline, Occurrence, OccurrenceStatus, Otherwise, Schedule
from digests.signatures import RefusedAsItStands
from newsletter.accounts import audit, register
from newsletter.accounts.audit import Wanted
from newsletter.accounts.models import Role
from newsletter.copies import readership
from newsletter.database import reading, unit_of_work
from newsletter.delivery import dispatch
from newsletter.editions import approval, deadlines, production
from newsletter.editions.approval import NobodyHasApproved, NoReason, TooLateToUndo
from newsletter.posting.composing import Composed, compose
from newsletter.service_mail import Kind, ServiceMail
from newsletter.watching.looking import look_after
from tests.conftest import Configure
from tests.web.scene import a_draft, a_reader

ISSUE = "2026-W48"
SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
HOUR = timedelta(hours=1)


@pytest.fixture
def draft(database: str, now: datetime) -> Digest:
    """A draft of a weekly schedule that goes in a day; Ada and Grace are its editors, Olga operates."""
    with unit_of_work() as session:
        schedule = Schedule(name="weekly", installed_at=now - timedelta(days=9))
        session.add(schedule)
        session.flush()
        turn = Occurrence(
            schedule_id=schedule.id or 0,
            on_date=now.date() + timedelta(days=1),
            cutoff_at=now,
            send_at=now + timedelta(days=1),
            status=OccurrenceStatus.assembled,
        )
        session.add(turn)
        a_reader(session, now=now)
        for name, role in (("Ada", Role.editor), ("Grace", Role.editor), ("Olga", Role.operator)):
            address = f"{name.lower()}@shiporskip.example"
            register.add(session, address, name=name, roles={role}, by="the tests", now=now)
        digest = a_draft(session, now=now)
        digest.occurrence_id, digest.send_at = turn.id, turn.send_at
        digest.late_after = turn.send_at + 12 * HOUR
        session.flush()
        session.refresh(digest)
        session.expunge(digest)
        return digest


def the(session: Session) -> Digest:
    return production.by_issue(session, ISSUE)


def approve(by: str, *, now: datetime) -> str:
    with unit_of_work() as session:
        production.approve(session, the(session), by=by, now=now)
        return str(the(session).status)


def asks_for_two(at_deadline: AtDeadline = AtDeadline.hold, approvals: int = 2) -> None:
    with unit_of_work() as session:
        schedule = session.exec(select(Schedule)).one()
        schedule.approvals, schedule.at_deadline = approvals, at_deadline


def reworded(by: str, *, now: datetime) -> None:
    with unit_of_work() as session:
        digest = the(session)
        words = versions.read(session, digest).reworded(subject="Who pays for free weights, again?")
        versions.save(session, digest, words, seen=digest.version, by=by, now=now)


def letters() -> list[tuple[str, str]]:
    """To whom, and the subject."""
    with reading() as session:
        rows = session.exec(
            select(ServiceMail)
            .where(col(ServiceMail.kind) == Kind.about_an_edition)
            .order_by(col(ServiceMail.id))
        )
        names = {one.id: one.name for one in register.everybody(session)}
        return [
            (names[row.account_id], str((row.values or {})["subject"]))
            for row in rows
            if row.account_id is not None
        ]


def actions() -> list[tuple[str, str]]:
    with reading() as session:
        entries = audit.read(session, Wanted(action="digest")).entries
        return [(one.by, one.action) for one in reversed(entries)]


@pytest.mark.usefixtures("draft")
class TestTwoPeople:
    def test_the_second_is_another_one_and_both_names_stand_under_it(self, now: datetime) -> None:
        asks_for_two()

        assert approve("Ada", now=now) == "draft"
        assert approve("Ada", now=now) == "draft"
        assert approve("Grace", now=now) == "approved"
        with reading() as session:
            assert the(session).approved_by == "Ada and Grace"
        assert letters() == [("Grace", f"{ISSUE} wants a second name")]
        assert actions()[-1] == ("Grace", "digest.approved")

    def test_a_name_under_other_words_counts_for_nothing(self, now: datetime) -> None:
        asks_for_two()
        approve("Ada", now=now)
        reworded("Ada", now=now)

        assert approve("Grace", now=now) == "draft"
        assert approve("Ada", now=now) == "approved"

    def test_on_another_day_it_wants_both_names_anew_and_the_other_is_told(
        self, draft: Digest, now: datetime
    ) -> None:
        asks_for_two()
        approve("Ada", now=now)
        with unit_of_work() as session:
            production.move(session, the(session), to=draft.send_at + timedelta(days=1))

        assert approve("Ada", now=now) == "draft"
        assert letters() == [("Grace", f"{ISSUE} wants a second name")] * 2

    def test_two_who_sign_at_the_same_moment_see_each_other(self, now: datetime) -> None:
        asks_for_two()
        ready = threading.Barrier(2)

        def signs(by: str) -> str:
            ready.wait(20)
            return approve(by, now=now)

        with ThreadPoolExecutor(2) as both:
            said = sorted(both.map(signs, ("Ada", "Grace")))

        assert said == ["approved", "draft"]
        with reading() as session:
            assert the(session).approved_by in {"Ada and Grace", "Grace and Ada"}

    def test_the_settings_ask_for_two_whatever_the_schedule_says(
        self, configure: Configure, now: datetime
    ) -> None:
        configure(approval_people=2)

        assert approve("Ada", now=now) == "draft"
        assert approve("Grace", now=now) == "approved"


@SQLITE
@pytest.mark.usefixtures("draft")
class TestTheAudience:
    def test_an_approval_is_for_those_whom_the_rule_names(self, now: datetime) -> None:
        approve("Ada", now=now)

        with reading() as session:
            assert the(session).audience_rule == readership.rule_of(session, the(session)).key

    def test_a_rule_that_changes_voids_it_and_says_so(
        self, monkeypatch: pytest.MonkeyPatch, now: datetime
    ) -> None:
        approve("Ada", now=now)
        asked = readership.readers_of
        monkeypatch.setattr(
            readership, "readers_of", lambda session, digest: asked(session, digest).limit(10)
        )

        with unit_of_work() as session:
            production.void_what_changed(session)
            digest = the(session)

            assert digest.status is DigestStatus.draft
            assert "Whom it goes to has changed" in (digest.paused_reason or "")

    def test_the_sender_refuses_a_rule_that_nobody_approved(
        self, draft: Digest, now: datetime
    ) -> None:
        approve("Ada", now=now)

        with unit_of_work(snapshot=True) as session:
            digest = the(session)
            digest.audience_rule = "0" * 64
            session.flush()
            assert dispatch.start_due(session, now=draft.send_at) == []
            assert digest.status is DigestStatus.draft


@SQLITE
@pytest.mark.usefixtures("draft")
class TestRefusal:
    def test_it_goes_back_to_its_author_who_is_told_why(self, now: datetime) -> None:
        reworded("Grace", now=now)
        approve("Grace", now=now)

        with unit_of_work() as session:
            approval.refuse(session, the(session), reason="The lead is stale", by="Ada", now=now)

        with reading() as session:
            digest = the(session)
            letter = session.exec(select(ServiceMail)).one()
            composed = compose(session, letter, now=now)
        assert digest.status is DigestStatus.draft
        assert letters() == [("Grace", f"Ada sends {ISSUE} back")]
        assert isinstance(composed, Composed)
        assert "The lead is stale." in composed.mailing.content.text
        assert f"/desk/{ISSUE}" in composed.mailing.content.html
        assert actions()[-1] == ("Ada", "digest.refused")

    def test_what_is_said_after_it_reaches_the_author_as_well(self, now: datetime) -> None:
        reworded("Grace", now=now)

        for reason in ("The lead is stale.", "The lead is stale.", "And the price is wrong."):
            with unit_of_work() as session:
                approval.refuse(session, the(session), reason=reason, by="Ada", now=now)

        assert letters() == [("Grace", f"Ada sends {ISSUE} back")] * 2

    def test_nobody_else_can_approve_it_as_it_stands(self, now: datetime) -> None:
        with unit_of_work() as session:
            approval.refuse(session, the(session), reason="Stale.", by="Ada", now=now)

        with pytest.raises(RefusedAsItStands, match="Ada has refused"):
            approve("Grace", now=now)
        reworded("Grace", now=now)
        assert approve("Grace", now=now) == "approved"

    def test_whoever_refused_may_approve_it_after_all(self, now: datetime) -> None:
        with unit_of_work() as session:
            approval.refuse(session, the(session), reason="Stale.", by="Ada", now=now)

        assert approve("Ada", now=now) == "approved"

    def test_it_takes_a_reason_and_an_edition_that_has_not_started(self, now: datetime) -> None:
        with unit_of_work() as session:
            digest = the(session)
            with pytest.raises(NoReason):
                approval.refuse(session, digest, reason="  ", by="Ada", now=now)
            digest.status = DigestStatus.sending
            session.flush()
            with pytest.raises(IllegalTransition):
                approval.refuse(session, digest, reason="Stale.", by="Ada", now=now)


class TestUndo:
    @pytest.mark.usefixtures("draft")
    def test_before_it_starts_it_is_a_draft_again_and_no_name_stands_under_it(
        self, now: datetime
    ) -> None:
        asks_for_two()
        approve("Ada", now=now)
        approve("Grace", now=now)

        with unit_of_work() as session:
            approval.undo(session, the(session), by="Ada", now=now)

        with reading() as session:
            digest = the(session)
            assert (digest.status, digest.approved_by, digest.content_hash) == (
                DigestStatus.draft,
                None,
                None,
            )
            assert digest.paused_reason == "Ada took the approval back."
        assert approve("Grace", now=now) == "draft"

    def test_after_it_was_planned_and_before_a_worker_had_a_batch_the_plan_goes_as_well(
        self, draft: Digest, now: datetime
    ) -> None:
        approve("Ada", now=now)
        for _ in range(2):  # and it can be planned anew, and taken back anew
            with unit_of_work(snapshot=True) as session:
                assert dispatch.start_due(session, now=draft.send_at) == [draft.id]
            with unit_of_work() as session:
                approval.undo(session, the(session), by="Ada", now=now)
            with reading() as session:
                assert the(session).status is DigestStatus.draft
                assert the(session).audience is None
                assert session.exec(select(Batch)).all() == []
                assert session.exec(select(Delivery)).all() == []
            approve("Ada", now=now)

    def test_once_a_batch_is_claimed_it_is_too_late_and_nothing_changes(
        self, draft: Digest, now: datetime
    ) -> None:
        approve("Ada", now=now)
        at = draft.send_at
        with unit_of_work(snapshot=True) as session:
            dispatch.start_due(session, now=at)
        with unit_of_work() as session:
            claimed = claims.claim(
                session, draft.id or 0, worker="one", lease_until=at + HOUR, now=at
            )
            assert claimed is not None

        with pytest.raises(TooLateToUndo), unit_of_work() as session:
            approval.undo(session, the(session), by="Ada", now=at)

        with reading() as session:
            assert the(session).status is DigestStatus.sending
            assert len(session.exec(select(Batch)).all()) == 1
            assert len(session.exec(select(Delivery)).all()) == 1

    @SQLITE
    @pytest.mark.usefixtures("draft")
    def test_what_nobody_has_approved_cannot_be_taken_back(self, now: datetime) -> None:
        with (
            pytest.raises(NobodyHasApproved, match="nothing to take back"),
            unit_of_work() as session,
        ):
            approval.undo(session, the(session), by="Ada", now=now)

    @SQLITE
    def test_what_is_due_at_once_waits_as_long_as_one_may_think_better_of_it(
        self, draft: Digest
    ) -> None:
        at, minute = draft.send_at, timedelta(minutes=1)
        with unit_of_work() as session:
            production.approve(session, the(session), by="Ada", now=at, hold=minute)

        with unit_of_work(snapshot=True) as session:
            assert dispatch.start_due(session, now=at + minute / 2) == []
            assert dispatch.start_due(session, now=at + minute) == [draft.id]


class TestTheDeadline:
    @SQLITE
    @pytest.mark.usefixtures("draft")
    def test_editors_are_told_once_that_a_draft_is_ready_and_what_preflight_says(
        self, now: datetime
    ) -> None:
        with unit_of_work() as session:
            digest = the(session)
            words = versions.read(session, digest).reworded(preheader="")
            versions.save(session, digest, words, seen=1, by="Ada", now=now)

        assert deadlines.announce(now=now) == [ISSUE]
        assert deadlines.announce(now=now) == []

        assert [to for to, _ in letters()] == ["Ada", "Grace"]
        with reading() as session:
            letter = session.exec(select(ServiceMail)).first()
            assert letter is not None
            composed = compose(session, letter, now=now)
        assert isinstance(composed, Composed)
        text = composed.mailing.content.text
        assert composed.mailing.content.subject.startswith(f"{ISSUE} is ready: Free weights")
        assert "one warning" in text
        assert "- Warning: " in text
        assert "until Tuesday 24 November, 08:00" in text
        assert f"/desk/{ISSUE}/approval" in text

    @SQLITE
    def test_they_are_told_anew_of_one_that_lost_its_approval_by_a_move(
        self, draft: Digest, now: datetime
    ) -> None:
        deadlines.announce(now=now)
        approve("Ada", now=now)
        with unit_of_work() as session:
            production.move(session, the(session), to=draft.send_at + timedelta(days=1))

        assert deadlines.announce(now=now + HOUR) == [ISSUE]

        assert [to for to, _ in letters()] == ["Ada", "Grace"] * 2
        with reading() as session:
            newest = select(ServiceMail).order_by(col(ServiceMail.id).desc()).limit(1)
            composed = compose(session, session.exec(newest).one(), now=now + HOUR)
        assert isinstance(composed, Composed)
        assert "It was moved to 25 November" in composed.mailing.content.text
        assert f"/desk/{ISSUE}/approval" in composed.mailing.content.html

    def test_hold_keeps_it_and_tells_editors_and_operators_once(self, draft: Digest) -> None:
        deadline = draft.send_at - HOUR
        assert deadlines.meet(now=deadline - timedelta(seconds=1)) == {}

        assert deadlines.meet(now=deadline) == {ISSUE: AtDeadline.hold}
        assert deadlines.meet(now=deadline) == {}

        assert letters() == [(name, f"{ISSUE} is held") for name in ("Ada", "Grace", "Olga")]
        assert approve("Ada", now=deadline) == "approved"

    def test_send_lets_it_go_as_it_stands_when_nothing_is_wrong_with_it(
        self, draft: Digest
    ) -> None:
        asks_for_two(AtDeadline.send)

        assert deadlines.meet(now=draft.send_at - HOUR) == {ISSUE: AtDeadline.send}

        with reading() as session:
            digest = the(session)
            assert digest.status is DigestStatus.approved
            assert digest.approved_by == "the deadline of schedule weekly"
        assert letters()[0] == ("Ada", f"{ISSUE} goes as it stands")

    @SQLITE
    @pytest.mark.parametrize("why", ["a warning", "a refusal", "an approval taken back", "work"])
    def test_send_holds_it_all_the_same_where_a_person_is_to_decide(
        self, draft: Digest, now: datetime, why: str
    ) -> None:
        asks_for_two(AtDeadline.send, approvals=1)
        deadline = draft.send_at - HOUR
        with unit_of_work() as session:
            digest = the(session)
            if why == "a warning":
                words = versions.read(session, digest).reworded(preheader="")
                versions.save(session, digest, words, seen=1, by="Ada", now=now)
            elif why == "a refusal":
                approval.refuse(session, digest, reason="Stale.", by="Ada", now=now)
            elif why == "an approval taken back":
                production.approve(session, digest, by="Ada", now=now)
                approval.undo(session, digest, by="Ada", now=now)
            else:
                words = versions.read(session, digest).reworded(opening="Being written.")
                versions.save(session, digest, words, seen=1, by="Ada", now=deadline)

        assert deadlines.meet(now=deadline) == {ISSUE: AtDeadline.hold}

        with reading() as session:
            digest = the(session)
            assert digest.status is DigestStatus.draft
            assert "waits for a name" in (digest.paused_reason or "")

    def test_skip_leaves_its_comparisons_to_the_next_edition(self, draft: Digest) -> None:
        asks_for_two(AtDeadline.skip)

        assert deadlines.meet(now=draft.send_at - HOUR) == {ISSUE: AtDeadline.skip}

        with reading() as session:
            assert the(session).status is DigestStatus.cancelled
            assert session.exec(select(DigestItem)).all() == []
            turn = session.exec(select(Occurrence)).one()
            assert (turn.status, turn.dropped) == (OccurrenceStatus.skipped, False)
        assert letters()[0] == ("Ada", f"{ISSUE} is skipped")

    @SQLITE
    @pytest.mark.usefixtures("draft")
    def test_one_that_was_made_late_leaves_its_editors_as_much_time(self, now: datetime) -> None:
        with unit_of_work() as session:
            digest = the(session)
            digest.send_at = digest.assembled_at = now
            session.flush()
            assert deadlines.deadline_of(session, digest) == now + HOUR

        [edge] = look_after(now=now).began
        assert "must be approved within 1 hour" in edge.condition.what
        with reading() as session:
            assert calendar.coming(session, count=1, now=now)[0].deadline_at == now + HOUR

    @SQLITE
    def test_another_hour_for_it_is_another_deadline(self, draft: Digest) -> None:
        deadlines.meet(now=draft.send_at - HOUR)
        with unit_of_work() as session:
            production.move(session, the(session), to=draft.send_at + 3 * HOUR)

        assert deadlines.meet(now=draft.send_at + HOUR) == {}
        assert deadlines.meet(now=draft.send_at + 2 * HOUR) == {ISSUE: AtDeadline.hold}


class TestOneThatCanNoLongerGo:
    """Nobody has approved it by its latest moment, and the schedule says what is done about that."""

    @pytest.fixture
    def closes(self, draft: Digest) -> datetime:
        """When the next turn's window closes."""
        with unit_of_work() as session:
            schedule = session.exec(select(Schedule)).one()
            schedule.weekday, schedule.zone = draft.send_at.weekday(), "UTC"
            schedule.at = draft.send_at.time()
        return draft.send_at + timedelta(days=6)

    @pytest.mark.parametrize("when_missed", list(Otherwise))
    def test_waits_for_another_hour_until_the_next_window_closes_and_then_its_schedule_decides(
        self, draft: Digest, closes: datetime, when_missed: Otherwise
    ) -> None:
        with unit_of_work() as session:
            session.exec(select(Schedule)).one().when_missed = when_missed
        deadlines.meet(now=draft.send_at - HOUR)

        assert deadlines.let_go(now=draft.late_after + HOUR) == []
        assert deadlines.let_go(now=closes - timedelta(seconds=1)) == []
        assert deadlines.let_go(now=closes) == [ISSUE]
        assert deadlines.let_go(now=closes) == []

        with unit_of_work() as session:
            turn = session.exec(select(Occurrence)).one()
            assert the(session).status is DigestStatus.cancelled
            assert turn.status is OccurrenceStatus.missed
            production.assemble_due(session, now=closes + HOUR)
            [past] = [one for one in calendar.past(session, count=9, now=closes) if one.digest]
            assert f"Nobody had approved {ISSUE} before" in past.why
            carried = len(session.exec(select(DigestItem)).all())
        assert carried == (0 if when_missed is Otherwise.skip else 3)
        assert letters()[-1] == ("Olga", f"{ISSUE} was missed")
        assert actions()[-1] == ("schedule weekly", "digest.missed")

    @SQLITE
    @pytest.mark.usefixtures("draft")
    def test_one_that_was_given_another_hour_goes_its_way(self, closes: datetime) -> None:
        with unit_of_work() as session:
            production.move(session, the(session), to=closes - HOUR)

        assert deadlines.let_go(now=closes) == []
        assert approve("Ada", now=closes) == "approved"


def test_a_name_is_kept_with_what_it_stands_under(draft: Digest, now: datetime) -> None:
    approve("Ada", now=now)

    with reading() as session:
        [signature] = session.exec(select(signatures.Signature)).all()
        digest = the(session)
    assert (signature.by, signature.content_hash) == ("Ada", digest.content_hash)
    assert signature.audience_rule == digest.audience_rule
