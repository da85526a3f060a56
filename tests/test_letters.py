"""Letters to one person: once, by the same three answers as an edition's copies, and cleared when settled."""

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from sqlmodel import col, select

from digests.ledger import halting
from newsletter import links, service_mail
from newsletter.database import reading, unit_of_work
from newsletter.delivery import circuit
from newsletter.esp import Accepted, Event, EventKind, NotTaken, Outcome, Traits, Unknown
from newsletter.feedback import recording
from newsletter.posting import claims, reconciling, sending
from newsletter.service_mail import Kind, LetterStatus, ServiceMail
from newsletter.settings import settings
from subscribers.engagement import Engagement
from subscribers.models import Subscriber, SubscriberStatus
from tests.conftest import Configure
from tests.support.editions import a_reader
from tests.support.fakes import RememberingEsp

VALUES = {
    "confirm_path": "/join/confirm/a-token",
    "until": "Tuesday, 09:00 UTC",
    "where": "on shiporskip.example",
    "kept_for": "30 days",
}
ADA = "ada@readers.example"
DAY = timedelta(days=1)
KEYED = Traits(100, 10**9, timedelta(hours=23), atomic=False, search_lag=None)
SILENT = Traits(100, 10**9, None, atomic=False, search_lag=None)
SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@dataclass
class Clock:
    now: datetime

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock(now: datetime) -> Clock:
    return Clock(now)


@pytest.fixture
def esp(monkeypatch: pytest.MonkeyPatch, configure: Configure, database: str) -> RememberingEsp:
    assert database
    configure(send_threads=1)
    fake = RememberingEsp()
    for module in (sending, reconciling):
        monkeypatch.setattr(module, "provider", lambda _: fake)
    return fake


def write(now: datetime, *, once: str | None = None) -> int:
    with unit_of_work() as session:
        person = a_reader(session, ADA, joined_at=now)
        letter = service_mail.write(
            session, Kind.confirm, subscriber_id=person.id, values=VALUES, once=once, now=now
        )
        return letter or 0


def send(clock: Clock) -> int:
    return sending.send_letters(clock=clock, until=clock.now + DAY, draining=threading.Event())


def reconcile(clock: Clock) -> dict[str, int]:
    return reconciling.reconcile_letters(
        clock=clock, every=timedelta(0), until=clock.now + DAY, draining=threading.Event()
    )


def stored(letter_id: int) -> ServiceMail:
    with reading() as session:
        letter = session.get_one(ServiceMail, letter_id)
        session.expunge_all()
        return letter


def test_a_letter_goes_once_and_what_it_said_is_cleared(clock: Clock, esp: RememberingEsp) -> None:
    letter_id = write(clock.now)

    assert (send(clock), send(clock)) == (1, 0)

    letter = stored(letter_id)
    assert esp.addresses == [ADA]
    assert (letter.status, letter.values) == (LetterStatus.accepted, None)
    assert "/join/confirm/a-token" in esp.taken[0].content.html
    assert "/join/confirm/a-token" in esp.taken[0].content.text
    assert esp.taken[0].content.subject == "Confirm: Weekly AI Tool Verdicts"


def test_of_many_letters_for_one_occasion_one_is_written(clock: Clock, esp: RememberingEsp) -> None:
    first, second = write(clock.now, once="welcome 1"), write(clock.now, once="welcome 1")

    send(clock)

    assert (first > 0, second) == (True, 0)
    assert esp.addresses == [ADA]


def test_workers_share_the_letters_and_none_goes_twice(
    clock: Clock, esp: RememberingEsp, configure: Configure
) -> None:
    configure(send_threads=4)
    with unit_of_work() as session:
        people = [a_reader(session, f"r{n}@x.example", joined_at=clock.now) for n in range(12)]
        for person in people:
            service_mail.write(
                session, Kind.confirm, subscriber_id=person.id, values=VALUES, now=clock.now
            )

    assert send(clock) == 12

    assert len(set(esp.addresses)) == len(esp.addresses) == 12


@SQLITE
class TestThreeAnswers:
    def test_not_taken_is_planned_again_and_waits(self, clock: Clock, esp: RememberingEsp) -> None:
        letter_id = write(clock.now)
        esp.answers = [NotTaken("busy", of_call=True)]

        assert send(clock) == 0
        waiting = stored(letter_id)
        assert waiting.status is LetterStatus.planned
        assert waiting.not_before > clock.now
        clock.now += timedelta(minutes=10)
        assert send(clock) == 1

    def test_a_call_that_is_refused_again_and_again_is_refused(
        self, clock: Clock, esp: RememberingEsp
    ) -> None:
        letter_id = write(clock.now)
        esp.answers = [NotTaken("malformed", of_call=True)] * 3

        for _ in range(5):
            send(clock)
            clock.now += timedelta(minutes=10)

        assert stored(letter_id).status is LetterStatus.rejected
        assert esp.addresses == []

    @pytest.mark.parametrize(
        "answer", [Accepted(("",), refused={0: "no such user"}), NotTaken("x", refused={0: "no"})]
    )
    def test_a_refused_address_is_settled(
        self, clock: Clock, esp: RememberingEsp, answer: Outcome
    ) -> None:
        letter_id = write(clock.now)
        esp.answers = [answer]

        send(clock)

        assert stored(letter_id).status is LetterStatus.rejected
        assert stored(letter_id).values is None

    def test_a_provider_that_fails_rests_for_letters_and_editions_alike(
        self, clock: Clock, esp: RememberingEsp
    ) -> None:
        write(clock.now)
        esp.answers = [NotTaken("bad key", final=True)]

        send(clock)

        with unit_of_work() as session:
            assert circuit.choose(session, ["sendgrid"], now=clock.now) is None

    @pytest.mark.parametrize("took", [True, False])
    def test_an_unknown_answer_is_settled_by_the_providers_search(
        self, clock: Clock, esp: RememberingEsp, took: bool
    ) -> None:
        letter_id = write(clock.now)
        esp.answers, esp.takes_in_silence = [Unknown("timeout")], took

        send(clock)
        assert stored(letter_id).status is LetterStatus.uncertain
        assert send(clock) == 0, "never repeated without proof"
        clock.now += settings().lease_for + timedelta(minutes=2)
        reconcile(clock)
        send(clock)

        assert stored(letter_id).status is LetterStatus.accepted
        assert esp.addresses == [ADA]

    def test_one_posted_under_a_former_link_secret_is_found_and_not_repeated(
        self, clock: Clock, esp: RememberingEsp, configure: Configure
    ) -> None:
        configure(link_secret="the first secret")
        letter_id = write(clock.now)
        esp.answers, esp.takes_in_silence = [Unknown("timeout")], True
        send(clock)

        configure(link_secret="the second secret", former_link_secrets="the first secret")
        clock.now += settings().lease_for + timedelta(minutes=2)
        reconcile(clock)
        send(clock)

        assert stored(letter_id).status is LetterStatus.accepted
        assert esp.addresses == [ADA]

    def test_an_unknown_answer_is_settled_by_the_same_key_and_the_same_bytes(
        self, clock: Clock, esp: RememberingEsp
    ) -> None:
        esp.traits = KEYED
        letter_id = write(clock.now)
        esp.answers = [Unknown("timeout")]
        send(clock)

        assert reconcile(clock) == {"same key": 1}

        assert stored(letter_id).status is LetterStatus.accepted
        assert len({mailing.key for mailing in esp.mailings}) == 1

    def test_who_may_not_have_it_any_more_is_not_asked_about_with_the_key(
        self, clock: Clock, esp: RememberingEsp
    ) -> None:
        esp.traits = KEYED
        letter_id = write(clock.now)
        esp.answers = [Unknown("timeout")]
        send(clock)
        with unit_of_work() as session:
            person = session.exec(select(Subscriber)).one()
            person.address = person.address_key = None

        reconcile(clock)

        assert stored(letter_id).status is LetterStatus.uncertain
        assert esp.addresses == []

    def test_what_nothing_can_settle_stays_uncertain_says_so_and_is_forgotten(
        self, clock: Clock, esp: RememberingEsp
    ) -> None:
        esp.traits = SILENT
        letter_id = write(clock.now)
        esp.answers = [Unknown("timeout")]
        send(clock)

        reconcile(clock)
        assert stored(letter_id).values is not None
        clock.now += 2 * DAY
        assert reconcile(clock) == {"stays uncertain": 1}

        letter = stored(letter_id)
        assert (letter.status, letter.values) == (LetterStatus.uncertain, None)
        assert "it was not repeated" in (letter.reason or "")
        assert send(clock) == 0

    @pytest.mark.usefixtures("esp")
    def test_a_worker_that_died_before_posting_sent_nothing_and_one_that_died_after_may_have(
        self, clock: Clock
    ) -> None:
        lease = clock.now + timedelta(seconds=1)
        with unit_of_work() as session:
            for n in range(2):
                person = a_reader(session, f"r{n}@x.example", joined_at=clock.now)
                service_mail.write(
                    session, Kind.confirm, subscriber_id=person.id, values=VALUES, now=clock.now
                )
            for posts in (False, True):
                taken = claims.claim(session, worker="w", lease_until=lease, now=clock.now)
                assert taken is not None
                if posts:
                    held = claims.held(taken)
                    assert claims.intend(
                        session, held, provider="sendgrid", body_hash="x", now=clock.now
                    )
            assert claims.sweep(session, now=lease + timedelta(seconds=1)) == (1, 1)


@SQLITE
class TestAskedAtTheClaim:
    @pytest.mark.usefixtures("esp")
    def test_the_kill_switch_holds_letters_to_subscribers(self, clock: Clock) -> None:
        write(clock.now)
        with unit_of_work() as session:
            halting.halt(session, by="Ada", reason="complaints", now=clock.now)

        assert send(clock) == 0
        with unit_of_work() as session:
            halting.release(session)
        assert send(clock) == 1

    def test_who_was_erased_meanwhile_gets_nothing(self, clock: Clock, esp: RememberingEsp) -> None:
        letter_id = write(clock.now)
        with unit_of_work() as session:
            person = session.exec(select(Subscriber)).one()
            person.address = person.address_key = None

        send(clock)

        letter = stored(letter_id)
        assert (letter.status, letter.reason) == (LetterStatus.excluded, "erased")
        assert esp.addresses == []

    def test_a_letter_that_comes_too_late_to_be_of_use_is_not_sent(
        self, clock: Clock, esp: RememberingEsp
    ) -> None:
        letter_id = write(clock.now)
        clock.now += 2 * DAY

        send(clock)

        assert stored(letter_id).status is LetterStatus.excluded
        assert esp.addresses == []


class TestEvents:
    def tell(self, letter_id: int, kind: EventKind, now: datetime) -> recording.Recorded:
        event = Event(kind, f"sendgrid:{kind}", now, delivery=links.letter_tag(letter_id))
        with unit_of_work() as session:
            return recording.record_events(session, "sendgrid", [event], now=now)

    @pytest.mark.usefixtures("esp")
    def test_a_bounced_letter_stops_the_person_and_is_kept_once(self, clock: Clock) -> None:
        letter_id = write(clock.now)
        send(clock)

        told = [self.tell(letter_id, EventKind.hard_bounced, clock.now) for _ in range(2)]

        assert [(one.new, one.repeated, one.foreign) for one in told] == [(1, 0, 0), (0, 1, 0)]
        assert stored(letter_id).told == "hard_bounced"
        with reading() as session:
            assert session.exec(select(Subscriber.status)).one() is SubscriberStatus.bounced
            kept = session.exec(select(Engagement)).one()
            assert (kept.digest_id, kept.why) == (0, "a letter: confirm")

    def test_an_event_is_proof_for_an_uncertain_letter(
        self, clock: Clock, esp: RememberingEsp
    ) -> None:
        letter_id = write(clock.now)
        esp.answers = [Unknown("timeout")]
        send(clock)

        self.tell(letter_id, EventKind.delivered, clock.now)

        letter = stored(letter_id)
        assert (letter.status, letter.values) == (LetterStatus.accepted, None)

    @SQLITE
    @pytest.mark.usefixtures("esp")
    def test_a_forged_tag_is_somebody_elses(self, clock: Clock) -> None:
        letter_id = write(clock.now)
        forged = Event(EventKind.hard_bounced, "k", clock.now, delivery=f"m{letter_id}-0123456789")

        with unit_of_work() as session:
            told = recording.record_events(session, "sendgrid", [forged], now=clock.now)

        assert told.foreign == 1
        with reading() as session:
            found = session.exec(select(Subscriber).where(col(Subscriber.status) == "active"))
            assert found.one() is not None
