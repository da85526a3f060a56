"""Bad mornings: what is refused, stopped, cancelled, corrected and late, and how each of them ends."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta

import pytest
from sqlmodel import Session, col, select

from digests import lifecycle
from digests.ledger import claims, halting
from digests.ledger.receipt import NotFinal, archive
from digests.lifecycle import NotWhatWasSeen, TooLate
from digests.making import assembly
from digests.models import Delivery, Digest, DigestStatus, Halt, Rendition
from digests.schedules.schedule import Approval, Schedule, due, plan_turn
from newsletter.database import reading, unit_of_work
from newsletter.delivery import circuit, dispatch, guarding, reconciling, sending
from newsletter.demo import take_in_examples
from newsletter.editions import production
from newsletter.esp import Accepted, Mailing, NotTaken, Outcome, Request, TooLarge, Unknown
from newsletter.posting import sending as letters
from subscribers.engagement import Observation, record
from tests.conftest import Configure
from tests.support.editions import a_sending_digest, an_approved_digest, readers
from tests.support.fakes import SEARCHABLE, RememberingEsp
from tests.test_sending import Clock, books, send_all

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def clock(now: datetime) -> Clock:
    return Clock(now)


@pytest.fixture
def esp(monkeypatch: pytest.MonkeyPatch, configure: Configure) -> RememberingEsp:
    configure(send_threads=1)
    fake = RememberingEsp()
    for module in ("sending", "reconciling", "dispatch"):
        monkeypatch.setattr(f"newsletter.delivery.{module}.provider", lambda _: fake)
    return fake


def start(clock: Clock, *, people: int, batch_size: int = 1000) -> int:
    with unit_of_work() as session:
        readers(session, people, now=clock.now)
        return a_sending_digest(session, now=clock.now, batch_size=batch_size).id or 0


@dataclass
class Picky(RememberingEsp):
    """A provider that refuses every call with one particular address in it, and does not say which."""

    hates: str = ""

    def send(self, request: Request) -> Outcome:
        if self.hates.encode() in request.body:
            return NotTaken("an address is not valid (400)", final=True, of_call=True)
        return super().send(request)


def test_an_address_that_nobody_names_is_found_by_halving_and_costs_only_itself(
    clock: Clock, esp: RememberingEsp, monkeypatch: pytest.MonkeyPatch
) -> None:
    picky = Picky(hates="reader5@")
    for module in ("sending", "reconciling", "dispatch"):
        monkeypatch.setattr(f"newsletter.delivery.{module}.provider", lambda _: picky)
    digest_id = start(clock, people=12)

    for _ in range(60):
        send_all(digest_id, clock)
        clock.later(minutes=6)

    assert (books(digest_id).accepted, books(digest_id).rejected) == (11, 1)
    assert "reader5@readers.example" not in picky.addresses
    with reading() as session:
        assert session.get(circuit.Circuit, "sendgrid") is None, "it was never the provider's fault"


def test_a_send_that_stopped_itself_goes_on_when_a_person_says_so(
    clock: Clock, esp: RememberingEsp, configure: Configure
) -> None:
    configure(stop_at_least=3)
    digest_id = start(clock, people=40, batch_size=10)
    complain(digest_id, clock, range(1, 5))
    send_all(digest_id, clock)
    assert watched(digest_id, clock) is DigestStatus.paused

    with unit_of_work() as session:
        guarding.resume(session, session.get_one(Digest, digest_id))
    assert watched(digest_id, clock) is DigestStatus.sending

    complain(digest_id, clock, range(10, 14))
    assert watched(digest_id, clock) is DigestStatus.paused, "what comes on top stops it again"


def test_cancelling_a_send_closes_its_books(clock: Clock, esp: RememberingEsp) -> None:
    digest_id = start(clock, people=30, batch_size=10)
    esp.answers = [Unknown("no answer"), NotTaken("429", retry_after=900)]
    send_all(digest_id, clock)

    with unit_of_work() as session:
        production.cancel(session, session.get_one(Digest, digest_id), now=clock.now)

    known = books(digest_id)
    assert (known.uncertain, known.planned, known.excluded) == (10, 0, 20)
    assert known.reasons == {"excluded": {"the edition was cancelled": 20}}


def test_an_operator_cannot_decide_while_the_provider_is_being_asked(
    clock: Clock, esp: RememberingEsp
) -> None:
    digest_id = start(clock, people=3)
    esp.answers = [Unknown("no answer")]
    send_all(digest_id, clock)
    with unit_of_work() as session:
        claims.claim_again(
            session,
            digest_id,
            1,
            fence=1,
            worker="r",
            lease_until=clock.now + timedelta(60),
            now=clock.now,
        )

    with unit_of_work() as session:
        decided = reconciling.settle_by_hand(
            session, digest_id, 1, accepted=False, by="Ada", now=clock.now
        )

    assert decided is False


def test_one_call_at_a_time_tries_a_provider_that_has_rested(
    clock: Clock, configure: Configure
) -> None:
    configure(breaker_failures=1)
    with unit_of_work() as session:
        circuit.failed(session, "sendgrid", Unknown("503"), now=clock.now)
    clock.later(minutes=2)

    with unit_of_work() as session:
        tries = [circuit.choose(session, ["sendgrid"], now=clock.now) for _ in range(3)]

    assert [one and one.provider for one in tries] == ["sendgrid", None, None]


@pytest.mark.parametrize("who", ["letters", "an edition"])
def test_who_has_nothing_to_post_keeps_nobody_from_trying_a_provider_that_has_rested(
    clock: Clock, configure: Configure, who: str
) -> None:
    configure(breaker_failures=1)
    with unit_of_work() as session:
        circuit.failed(session, "sendgrid", Unknown("503"), now=clock.now)
    clock.later(minutes=2)

    for _ in range(3):  # as ticks come, whose letters are all settled
        if who == "letters":
            assert letters.send_next(worker="one", clock=clock) is None
        else:
            assert sending.send_next(99, worker="one", clock=clock) is None

    with unit_of_work() as session:
        turn = circuit.choose(session, ["sendgrid"], now=clock.now)
        assert turn is not None
        assert turn.probe is not None


@pytest.mark.parametrize("why", ["it is too large", "it is stopped", "the rate left no room"])
def test_who_finds_out_late_that_there_is_no_call_to_make_gives_the_turn_back_too(
    clock: Clock,
    esp: RememberingEsp,
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
    why: str,
) -> None:
    configure(breaker_failures=1, breaker_rest=600)
    digest_id = start(clock, people=20, batch_size=10)
    with unit_of_work() as session:
        circuit.failed(session, "sendgrid", Unknown("503"), now=clock.now)
    clock.later(minutes=11)

    def too_large(*_: object) -> None:
        raise TooLarge("sendgrid", "ten copies")

    with monkeypatch.context() as for_now:
        if why == "it is too large":
            for_now.setattr(esp, "encode", too_large)
        elif why == "it is stopped":
            for_now.setattr(claims, "intend", lambda *_, **__: False)
        else:
            for_now.setattr(sending, "wait_for_a_call", lambda *_, **__: False)
        assert sending.send_next(digest_id, worker="one", clock=clock) is not None

    assert isinstance(sending.send_next(digest_id, worker="one", clock=clock), Accepted)


@pytest.mark.parametrize(
    "answer",
    [NotTaken("no such mailbox", refused={0: "no such mailbox"}), NotTaken("400", of_call=True)],
)
def test_a_provider_that_refuses_somebody_has_answered_and_rests_no_more(
    clock: Clock, configure: Configure, answer: NotTaken
) -> None:
    configure(breaker_failures=1)
    with unit_of_work() as session:
        circuit.failed(session, "sendgrid", Unknown("503"), now=clock.now)
    clock.later(minutes=2)

    with unit_of_work() as session:
        assert circuit.choose(session, ["sendgrid"], now=clock.now) is not None
        circuit.failed(session, "sendgrid", answer, now=clock.now)

        again = [circuit.choose(session, ["sendgrid"], now=clock.now) for _ in range(2)]
    assert None not in again


def test_a_turn_that_is_given_back_cuts_no_rest_short_that_began_meanwhile(
    clock: Clock, configure: Configure
) -> None:
    configure(breaker_failures=1)
    with unit_of_work() as session:
        circuit.failed(session, "sendgrid", Unknown("503"), now=clock.now)
    clock.later(minutes=2)
    with unit_of_work() as session:
        turn = circuit.choose(session, ["sendgrid"], now=clock.now)
        assert turn is not None
    clock.later(seconds=1)
    with unit_of_work() as session:
        circuit.failed(session, "sendgrid", Unknown("503"), now=clock.now)

    with unit_of_work() as session:
        circuit.give_back(session, turn, now=clock.now)
        assert circuit.choose(session, ["sendgrid"], now=clock.now) is None


def test_everybody_waits_as_long_as_the_provider_asks_and_it_is_no_failure(clock: Clock) -> None:
    with unit_of_work() as session:
        circuit.failed(session, "sendgrid", NotTaken("429", retry_after=30), now=clock.now)
        state = session.get_one(circuit.Circuit, "sendgrid")

        assert state.failures == 0
        assert circuit.choose(session, ["sendgrid"], now=clock.now) is None


def test_an_edition_at_everybodys_own_time_has_the_date_of_the_appointment(now: datetime) -> None:
    friday = datetime(2026, 11, 20, 12, tzinfo=UTC)
    with unit_of_work() as session:
        take_in_examples(session, now=friday)
        session.add(
            Schedule(
                name="own-time",
                weekday=0,
                at=time(9),
                zone="Europe/Berlin",
                local_time=True,
                draft_before=60,
                installed_at=friday,
            )
        )
        session.flush()
        sunday_evening = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)  # Monday morning in Kiritimati
        [turn] = due(session, now=sunday_evening)
        digest = assembly.assemble(session, turn, now=sunday_evening)
        assert digest is not None
        edition = assembly.edition(session, digest, address="{slug}")

        assert (digest.issue, digest.number) == ("2026-W48", 48)
        assert str(edition.dated) == "2026-11-23"
        assert digest.late_after > now + timedelta(hours=11)


def test_a_correction_waits_until_nobody_else_can_get_the_wrong_version(
    clock: Clock, esp: RememberingEsp
) -> None:
    digest_id = start(clock, people=20, batch_size=10)
    esp.answers = [NotTaken("429", retry_after=60)]
    send_all(digest_id, clock)
    clock.later(seconds=61)
    with unit_of_work() as session:
        original = session.get_one(Digest, digest_id)
        lifecycle.pause(session, original, reason="a wrong price")
        correction = an_approved_digest(session, now=clock.now, issue="2026-W48-2")
        correction.corrects_id = digest_id
        session.flush()

        assert dispatch.start_due(session, now=clock.now) == []


class TestApproval:
    @pytest.fixture
    def draft(self, now: datetime) -> int:
        with unit_of_work() as session:
            take_in_examples(session, now=now)
            schedule = Schedule(name="soon", approval=Approval.editor, installed_at=now)
            session.add(schedule)
            session.flush()
            return assembled(session, schedule, now=now)

    def test_what_is_previewed_after_approval_is_what_was_approved(
        self, draft: int, now: datetime
    ) -> None:
        with unit_of_work() as session:
            digest = session.get_one(Digest, draft)
            approved = production.approve(session, digest, by="Ada", now=now)
            digest.subject = "Something else"
            session.flush()

            shown = production.preview(session, digest)

        assert shown.content_hash == approved.content_hash
        assert shown.rendered.content == approved.rendered.content

    def test_a_change_after_the_approval_takes_it_back_and_says_so(
        self, draft: int, now: datetime
    ) -> None:
        with unit_of_work() as session:
            digest = session.get_one(Digest, draft)
            production.approve(session, digest, by="Ada", now=now)
            production.void_what_changed(session)
            unchanged = str(digest.status)
            digest.subject = "Something else"
            session.flush()

            production.void_what_changed(session)

            assert (unchanged, str(digest.status)) == ("approved", "draft")
            assert "changed since it was approved" in (digest.paused_reason or "")

    @pytest.mark.usefixtures("esp")
    def test_bytes_that_nobody_approved_are_not_sent(self, draft: int, now: datetime) -> None:
        with unit_of_work() as session:
            digest = session.get_one(Digest, draft)
            production.approve(session, digest, by="Ada", now=now)
            frozen = session.exec(select(Rendition).where(col(Rendition.digest_id) == draft)).one()
            frozen.html += "<p>and something nobody has seen</p>"
            session.flush()

            assert dispatch.start_due(session, now=digest.send_at) == []
            assert digest.status is DigestStatus.draft

    @pytest.mark.parametrize("seen", ["", "3", "000000000000"])
    def test_an_approval_names_enough_of_the_content_it_is_for(
        self, draft: int, now: datetime, seen: str
    ) -> None:
        with unit_of_work() as session:
            digest = session.get_one(Digest, draft)
            with pytest.raises(NotWhatWasSeen):
                production.approve(session, digest, by="Ada", now=now, seen_hash=seen)

    def test_too_late_is_said_at_once_and_another_hour_can_be_given(
        self, draft: int, now: datetime
    ) -> None:
        late = now + timedelta(days=3)
        with unit_of_work() as session:
            digest = session.get_one(Digest, draft)
            with pytest.raises(TooLate):
                production.approve(session, digest, by="Ada", now=late)

            production.move(session, digest, to=late)
            production.approve(session, digest, by="Ada", now=late)

            assert digest.status is DigestStatus.approved


def test_an_archived_edition_keeps_its_books_and_nothing_else(
    clock: Clock, esp: RememberingEsp
) -> None:
    digest_id = start(clock, people=7)
    send_all(digest_id, clock)
    with unit_of_work() as session:
        with pytest.raises(NotFinal):
            archive(session, session.get_one(Digest, digest_id), now=clock.now)
        dispatch.close_finished(session, now=clock.now)
    before = books(digest_id)

    with unit_of_work() as session:
        archive(session, session.get_one(Digest, digest_id), now=clock.now)

    assert books(digest_id).as_json() == before.as_json() | {"status": "sent"}
    with reading() as session:
        assert session.exec(select(Delivery)).all() == []


def test_the_kill_switch_remembers_who_pressed_it_first(now: datetime) -> None:
    with unit_of_work() as session:
        halting.halt(session, by="Ada", reason="complaints", now=now)
        halting.halt(session, by="Grace", reason="me too", now=now)
        assert [one.by for one in session.exec(select(Halt))] == ["Ada"]
        halting.release(session)
        assert session.exec(select(Halt)).all() == []


def assembled(session: Session, schedule: Schedule, *, now: datetime) -> int:
    soon = now + timedelta(minutes=1)
    turn = plan_turn(session, schedule, send_at=soon, cutoff_at=soon)
    digest = assembly.assemble(session, turn, now=soon)
    assert digest is not None
    return digest.id or 0


def complain(digest_id: int, clock: Clock, people: range) -> None:
    with unit_of_work() as session:
        events = [Observation(digest_id, f"c{n}", n, "complained", clock.now) for n in people]
        record(session, events, now=clock.now)


def watched(digest_id: int, clock: Clock) -> DigestStatus:
    with unit_of_work() as session:
        guarding.watch(session, now=clock.now)
        return session.get_one(Digest, digest_id).status


@dataclass
class Narrow(RememberingEsp):
    """A provider that takes few copies a call, and says so as the adapters do."""

    most: int = 3

    def encode(self, mailing: Mailing) -> Request:
        if len(mailing.copies) > self.most:
            raise TooLarge("narrow", f"it holds {len(mailing.copies)} copies")
        return super().encode(mailing)


def test_a_batch_too_large_for_the_provider_that_takes_over_is_parted(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, configure: Configure
) -> None:
    configure(send_threads=1)
    narrow = Narrow(traits=replace(SEARCHABLE, copies_per_call=3))
    monkeypatch.setattr("newsletter.delivery.sending.provider", lambda _: narrow)
    digest_id = start(clock, people=20, batch_size=10)

    send_all(digest_id, clock)

    assert len(narrow.addresses) == len(set(narrow.addresses)) == 20
    assert max(len(one.copies) for one in narrow.taken) == 3
    assert books(digest_id).accepted == 20
    assert books(digest_id).closes
    assert len({one.key for one in narrow.taken}) == len(narrow.taken), "a key is for one body"


def test_one_copy_too_large_for_any_call_pauses_the_edition_with_the_reason(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, configure: Configure
) -> None:
    configure(send_threads=1)
    monkeypatch.setattr("newsletter.delivery.sending.provider", lambda _: Narrow(most=0))
    digest_id = start(clock, people=2)

    send_all(digest_id, clock)

    with reading() as session:
        assert "not even one copy" in (session.get_one(Digest, digest_id).paused_reason or "")
    assert books(digest_id).planned == 2


def test_a_batch_that_workers_died_over_does_not_wait_longer_for_it(
    clock: Clock, esp: RememberingEsp
) -> None:
    digest_id = start(clock, people=2)
    for _ in range(9):
        with unit_of_work() as session:
            claims.claim(session, digest_id, worker="w", lease_until=clock.now, now=clock.now)
        clock.later(seconds=1)
        with unit_of_work() as session:
            dispatch.sweep(session, now=clock.now)
    esp.answers = [NotTaken("429")]
    send_all(digest_id, clock)

    clock.later(seconds=2)  # the first wait after a first failure
    send_all(digest_id, clock)

    assert books(digest_id).accepted == 2


def test_a_call_turned_away_waits_no_longer_than_the_provider_rests(
    clock: Clock, esp: RememberingEsp, configure: Configure
) -> None:
    configure(send_threads=1, breaker_rest=60)
    digest_id = start(clock, people=2)
    for _ in range(12):
        esp.answers = [NotTaken("503")]
        send_all(digest_id, clock)
        clock.later(seconds=60)

    send_all(digest_id, clock)

    assert books(digest_id).accepted == 2
