"""Handing batches to a provider: three answers, proof before repetition, and command of the send."""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

import pytest
from sqlmodel import col, select

from digests.ledger.receipt import Receipt, receipt
from digests.models import Batch, BatchStatus, Digest, DigestStatus, Halt
from newsletter.copies.readership import readers_of
from newsletter.database import reading, unit_of_work
from newsletter.delivery import circuit, dispatch, guarding, reconciling, sending
from newsletter.editions import production
from newsletter.esp import Absent, Accepted, NotTaken, Traits, Unknown, Unsendable
from subscribers.engagement import Observation, record
from subscribers.models import Subscriber
from subscribers.subscription import leave
from tests.conftest import Configure
from tests.support.editions import a_sending_digest, an_approved_digest, readers
from tests.support.fakes import RememberingEsp

TWENTY = 20


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now

    def later(self, **length: float) -> datetime:
        self.now += timedelta(**length)
        return self.now


@pytest.fixture
def clock(now: datetime) -> Clock:
    return Clock(now)


@pytest.fixture
def esp(monkeypatch: pytest.MonkeyPatch, configure: Configure) -> RememberingEsp:
    """The provider, at the door through which the service reaches it."""
    configure(send_threads=1)
    fake = RememberingEsp()
    for module in (sending, reconciling, dispatch):
        monkeypatch.setattr(module, "provider", lambda _: fake)
    return fake


def start(
    clock: Clock, *, people: int = TWENTY, batch_size: int = 1000, canary_share: float = 0.0
) -> int:
    with unit_of_work() as session:
        readers(session, people, now=clock.now)
        return (
            a_sending_digest(
                session, now=clock.now, batch_size=batch_size, canary_share=canary_share
            ).id
            or 0
        )


def send_all(digest_id: int, clock: Clock) -> None:
    sending.send_batches(
        digest_id, clock=clock, until=clock.now + timedelta(1), draining=threading.Event()
    )


def books(digest_id: int) -> Receipt:
    with reading() as session:
        return receipt(session, session.get_one(Digest, digest_id))


def reconcile(clock: Clock) -> dict[str, int]:
    return reconciling.reconcile(clock=clock, every=timedelta(0), worker="r")


@pytest.mark.usefixtures("database")
class TestThreeAnswers:
    def test_everybody_gets_one_copy(self, clock: Clock, esp: RememberingEsp) -> None:
        digest_id = start(clock, batch_size=6)

        send_all(digest_id, clock)
        send_all(digest_id, clock)

        assert len(esp.addresses) == len(set(esp.addresses)) == TWENTY
        assert books(digest_id).accepted == TWENTY

    def test_one_refused_address_is_final_and_its_neighbours_stand(
        self, clock: Clock, esp: RememberingEsp
    ) -> None:
        digest_id = start(clock)
        esp.answers = [Accepted(("m",), refused={3: "no such mailbox"})]

        send_all(digest_id, clock)

        assert (books(digest_id).accepted, books(digest_id).rejected) == (TWENTY - 1, 1)

    def test_an_address_that_spoils_the_whole_call_is_left_out_of_the_next(
        self, clock: Clock, esp: RememberingEsp
    ) -> None:
        digest_id = start(clock)
        esp.answers = [NotTaken("bad address", refused={0: "not an address"})]

        send_all(digest_id, clock)
        send_all(digest_id, clock)

        assert (books(digest_id).accepted, books(digest_id).rejected) == (TWENTY - 1, 1)
        assert len(esp.addresses) == TWENTY - 1

    def test_not_now_waits_as_long_as_the_provider_asks(
        self, clock: Clock, esp: RememberingEsp
    ) -> None:
        digest_id = start(clock)
        esp.answers = [NotTaken("429", retry_after=30)]

        send_all(digest_id, clock)
        clock.later(seconds=29)
        send_all(digest_id, clock)
        assert esp.addresses == []

        clock.later(seconds=1)
        send_all(digest_id, clock)
        assert len(esp.addresses) == TWENTY

    @pytest.mark.parametrize("taken", [True, False])
    def test_a_lost_answer_is_never_repeated_without_proof(
        self, clock: Clock, esp: RememberingEsp, taken: bool
    ) -> None:
        digest_id = start(clock)
        esp.answers, esp.takes_in_silence = [Unknown("no answer")], taken
        send_all(digest_id, clock)
        send_all(digest_id, clock)
        assert books(digest_id).uncertain == TWENTY

        clock.later(hours=1)
        reconcile(clock)
        send_all(digest_id, clock)

        assert len(esp.addresses) == len(set(esp.addresses)) == TWENTY
        assert books(digest_id).accepted == TWENTY
        assert books(digest_id).proofs == {"provider search": TWENTY}

    def test_what_was_posted_under_a_former_link_secret_is_found_and_not_repeated(
        self, clock: Clock, esp: RememberingEsp, configure: Configure
    ) -> None:
        configure(link_secret="the first secret")
        digest_id = start(clock)
        esp.answers, esp.takes_in_silence = [Unknown("no answer")], True
        send_all(digest_id, clock)

        configure(link_secret="the second secret", former_link_secrets="the first secret")
        clock.later(hours=1)
        assert reconcile(clock) == {"provider search: found": 1}
        send_all(digest_id, clock)

        assert len(esp.addresses) == len(set(esp.addresses)) == TWENTY
        assert books(digest_id).accepted == TWENTY

    def test_absence_is_not_believed_before_the_index_had_its_time(
        self, clock: Clock, esp: RememberingEsp
    ) -> None:
        digest_id = start(clock)
        esp.answers = [Unknown("no answer")]
        send_all(digest_id, clock)

        clock.later(seconds=30)
        assert set(reconcile(clock)) == {"absent so far"}

        assert books(digest_id).uncertain == TWENTY

    def test_the_same_bytes_under_the_same_key_settle_a_lost_answer(
        self, clock: Clock, esp: RememberingEsp
    ) -> None:
        digest_id = start(clock)
        esp.traits = Traits(1000, 10**9, timedelta(hours=24), atomic=False, search_lag=None)
        esp.answers = [Unknown("no answer")]
        send_all(digest_id, clock)

        assert reconcile(clock) == {"same key": 1}

        first, second = esp.mailings
        assert (first.key, first.copies) == (second.key, second.copies)
        assert books(digest_id).proofs == {"same key": TWENTY}

    def test_a_key_that_no_longer_lives_is_not_used(
        self, clock: Clock, esp: RememberingEsp
    ) -> None:
        digest_id = start(clock)
        esp.traits = Traits(1000, 10**9, timedelta(minutes=14), atomic=False, search_lag=None)
        esp.answers = [Unknown("no answer")]
        send_all(digest_id, clock)

        clock.later(minutes=14)

        assert reconcile(clock) == {"waits for an event or an operator": 1}
        assert len(esp.mailings) == 1

    def test_an_event_that_names_a_copy_settles_its_batch(
        self, clock: Clock, esp: RememberingEsp
    ) -> None:
        digest_id = start(clock)
        esp.answers, esp.takes_in_silence = [Unknown("no answer")], True
        send_all(digest_id, clock)
        with unit_of_work() as session:
            person = session.exec(select(Subscriber.id)).first()
            seen = Observation(digest_id, "sendgrid:e1", person, "delivered", clock.now)
            record(session, [seen], now=clock.now)

        assert reconcile(clock) == {"webhook": 1}

        assert books(digest_id).accepted == TWENTY

    def test_an_operators_word_is_kept_as_the_evidence(
        self, clock: Clock, esp: RememberingEsp
    ) -> None:
        digest_id = start(clock)
        esp.answers = [Unknown("no answer")]
        send_all(digest_id, clock)

        with unit_of_work() as session:
            reconciling.settle_by_hand(
                session, digest_id, 1, accepted=False, by="Ada", now=clock.now
            )
        send_all(digest_id, clock)

        assert books(digest_id).proofs == {"operator": TWENTY}
        assert len(esp.addresses) == TWENTY

    def test_who_leaves_while_nobody_knows_is_not_mailed_by_the_second_attempt(
        self, clock: Clock, esp: RememberingEsp
    ) -> None:
        digest_id = start(clock, people=3)
        esp.answers = [Unknown("no answer")]
        send_all(digest_id, clock)
        with unit_of_work() as session:
            person = session.exec(select(Subscriber)).first()
            assert person is not None
            leave(session, person.id or 0, how="one-click", digest_id=None, now=clock.now)
            gone = person.address

        clock.later(hours=1)
        assert isinstance(esp.find("b", since=clock.now, now=clock.now), Absent)
        reconcile(clock)
        send_all(digest_id, clock)

        assert gone not in esp.addresses
        assert books(digest_id).reasons == {"excluded": {"unsubscribed": 1}}


@pytest.mark.usefixtures("database")
class TestCommand:
    def test_the_rest_waits_for_the_canary_and_its_hold(
        self, clock: Clock, esp: RememberingEsp, configure: Configure
    ) -> None:
        configure(canary_hold=600)
        digest_id = start(clock, people=200, canary_share=0.1)
        send_all(digest_id, clock)
        canary = len(esp.addresses)
        assert 0 < canary < 200

        clock.later(seconds=599)
        watch(clock)
        send_all(digest_id, clock)
        assert len(esp.addresses) == canary

        clock.later(seconds=1)
        watch(clock)
        send_all(digest_id, clock)
        assert len(esp.addresses) == 200

    @pytest.mark.parametrize(
        ("kind", "words"),
        [("hard_bounced", "3 hard bounces of"), ("complained", "3 complaints of")],
    )
    def test_a_canary_that_goes_badly_stops_the_send(
        self, clock: Clock, esp: RememberingEsp, configure: Configure, kind: str, words: str
    ) -> None:
        configure(stop_at_least=3)
        digest_id = start(clock, people=200, canary_share=0.1)
        send_all(digest_id, clock)
        with unit_of_work() as session:
            events = [Observation(digest_id, f"e{n}", n, kind, clock.now) for n in (1, 2, 3)]
            record(session, events, now=clock.now)

        clock.later(hours=1)
        watch(clock)
        send_all(digest_id, clock)

        with reading() as session:
            digest = session.get_one(Digest, digest_id)
            assert digest.status is DigestStatus.paused
            assert words in (digest.paused_reason or "")
        assert len(esp.addresses) < 200

    def test_the_kill_switch_stops_everything(self, clock: Clock, esp: RememberingEsp) -> None:
        digest_id = start(clock)
        with unit_of_work() as session:
            session.add(Halt(by="Ada", reason="complaints", halted_at=clock.now))

        send_all(digest_id, clock)

        assert esp.addresses == []

    def test_consecutive_failures_open_the_circuit_with_the_reason(
        self, clock: Clock, esp: RememberingEsp, configure: Configure
    ) -> None:
        configure(breaker_failures=2, breaker_rest=60)
        digest_id = start(clock, batch_size=5)
        esp.answers = [NotTaken("503 from the provider", retry_after=0)] * 9
        for _ in range(5):
            send_all(digest_id, clock)

        with reading() as session:
            state = session.get_one(circuit.Circuit, "sendgrid")
            assert (state.failures, state.reason) == (2, "503 from the provider")
        esp.answers = []
        clock.later(seconds=61)
        send_all(digest_id, clock)
        assert len(esp.addresses) == TWENTY

    def test_a_second_provider_takes_over_what_is_certain_and_nothing_else(
        self, clock: Clock, monkeypatch: pytest.MonkeyPatch, configure: Configure
    ) -> None:
        configure(esp="sendgrid,resend", breaker_failures=1, send_threads=1)
        first, second = RememberingEsp(takes_in_silence=True), RememberingEsp()
        second.name = "resend"  # type: ignore[misc]  # another provider
        both = {"sendgrid": first, "resend": second}
        for module in (sending, reconciling, dispatch):
            monkeypatch.setattr(module, "provider", both.__getitem__)
        digest_id = start(clock, batch_size=5)
        first.answers = [Unknown("connection lost")]

        send_all(digest_id, clock)
        send_all(digest_id, clock)

        assert (len(first.addresses), len(second.addresses)) == (5, 15)
        assert not set(first.addresses) & set(second.addresses)
        assert books(digest_id).uncertain == 5

    def test_content_that_no_call_can_carry_pauses_the_edition(
        self, clock: Clock, esp: RememberingEsp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_: object) -> None:
            raise Unsendable("sendgrid", "it weighs 40 MB")

        monkeypatch.setattr(esp, "encode", refuse)
        digest_id = start(clock)

        send_all(digest_id, clock)

        with reading() as session:
            assert session.get_one(Digest, digest_id).status is DigestStatus.paused
        assert books(digest_id).planned == TWENTY

    def test_a_worker_that_drains_claims_nothing_new(
        self, clock: Clock, esp: RememberingEsp
    ) -> None:
        digest_id, draining = start(clock), threading.Event()
        draining.set()

        until = clock.now + timedelta(1)
        sending.send_batches(digest_id, clock=clock, until=until, draining=draining)

        assert esp.addresses == []

    def test_everyone_gets_it_at_nine_by_their_own_clock(
        self, clock: Clock, esp: RememberingEsp
    ) -> None:
        with unit_of_work() as session:
            for person, zone in zip(
                readers(session, 3, now=clock.now),
                ("Asia/Tokyo", "Europe/Berlin", "America/New_York"),
                strict=True,
            ):
                person.zone = zone
            digest = an_approved_digest(session, now=clock.now)
            digest.local_day, digest.local_at = clock.now.date(), time(9)
            session.flush()
            dispatch.start(session, digest, now=clock.now)
            digest_id = digest.id or 0

        moments: list[tuple[int, int]] = []
        for hour in range(24):
            clock.now = datetime(2026, 11, 23, hour, 0, tzinfo=UTC)
            before = len(esp.addresses)
            send_all(digest_id, clock)
            if len(esp.addresses) > before:
                moments.append((hour, len(esp.addresses) - before))

        assert moments == [(0, 1), (8, 1), (14, 1)]

    def test_a_correction_goes_only_to_those_who_got_the_wrong_version(
        self, clock: Clock, esp: RememberingEsp, now: datetime
    ) -> None:
        digest_id = start(clock, people=5)
        esp.answers = [Accepted(("m",), refused={0: "no such mailbox"})]
        send_all(digest_id, clock)
        with unit_of_work() as session:
            readers_later = readers(session, 7, now=now)  # two more joined since
            wrong = session.get_one(Digest, digest_id)
            draft = production.correct(
                session,
                wrong,
                note="The price was wrong.",
                content_hash=(wrong.content_hash or "")[:12],
                now=clock.now,
            )
            people = session.execute(readers_of(session, draft)).all()
            subject = draft.subject

        assert len(readers_later) == 7
        assert len(people) == 4
        assert subject.startswith("Correction: ")


def watch(clock: Clock) -> None:
    with unit_of_work() as session:
        guarding.watch(session, now=clock.now)


@pytest.mark.usefixtures("database")
def test_a_sweep_and_a_close_finish_what_is_finished(clock: Clock, esp: RememberingEsp) -> None:
    digest_id = start(clock)
    send_all(digest_id, clock)

    with unit_of_work() as session:
        dispatch.sweep(session, now=clock.now)
        assert dispatch.close_finished(session, now=clock.now) == ["2026-W48"]

    with reading() as session:
        open_ones = select(Batch.number).where(col(Batch.status) != BatchStatus.accepted)
        assert session.exec(open_ones).all() == []
    assert len(esp.addresses) == TWENTY
