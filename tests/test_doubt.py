"""Doubt under pressure: old looks, partial finds, lost refusals, workers that wake up late."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, col, select

from digests.ledger import claims, proofs, settlement
from digests.ledger.receipt import Receipt, receipt
from digests.models import Batch, Delivery, Digest, DigestStatus
from newsletter.copies.composing import compose
from newsletter.database import engine, reading, unit_of_work
from newsletter.delivery import circuit, dispatch, reconciling, sending
from newsletter.esp import (
    Accepted,
    Copy,
    Finding,
    Found,
    NotTaken,
    Outcome,
    Request,
    Traits,
    Unknown,
)
from newsletter.tasks import draining
from subscribers.engagement import Observation, record
from subscribers.subscription import leave
from tests.conftest import Configure
from tests.support.editions import a_sending_digest, an_approved_digest, readers
from tests.support.fakes import RememberingEsp

LEASE = timedelta(seconds=60)
EVIDENCE = {"by": "provider search", "said": "nothing"}
KEYED = Traits(100, 10**9, timedelta(hours=23), atomic=False, search_lag=None)
PIECEMEAL = Traits(500, 10**9, None, atomic=False, search_lag=timedelta(seconds=60))


class Clock:
    """Stands still until it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock(now: datetime) -> Clock:
    return Clock(now)


@pytest.fixture
def esp(monkeypatch: pytest.MonkeyPatch, configure: Configure) -> RememberingEsp:
    configure(send_threads=1)
    fake = RememberingEsp()
    for module in (sending, reconciling, dispatch):
        monkeypatch.setattr(module, "provider", lambda _: fake)
    return fake


def start(now: datetime, *, people: int, batch_size: int = 1000) -> int:
    with unit_of_work() as session:
        readers(session, people, now=now)
        return a_sending_digest(session, now=now, batch_size=batch_size).id or 0


def take(session: Session, digest_id: int, now: datetime) -> claims.Claim:
    claim = claims.claim(session, digest_id, worker="w", lease_until=now + LEASE, now=now)
    assert claim is not None
    return claim


def post(session: Session, claim: claims.Claim, now: datetime) -> None:
    assert claims.intend(session, claim, provider="sendgrid", body_hash="b", now=now)


def send_all(digest_id: int, clock: Clock) -> None:
    until = clock() + timedelta(1)
    sending.send_batches(digest_id, clock=clock, until=until, draining=threading.Event())


def reconcile(clock: Clock) -> dict[str, int]:
    return reconciling.reconcile(clock=clock, every=timedelta(0), worker="r")


def books(digest_id: int) -> Receipt:
    with reading() as session:
        return receipt(session, session.get_one(Digest, digest_id))


def people_of(digest_id: int) -> list[int]:
    with reading() as session:
        mine = select(Delivery.subscriber_id).where(col(Delivery.digest_id) == digest_id)
        return sorted(session.exec(mine))


def delivered(digest_id: int, person: int, now: datetime) -> None:
    seen = Observation(digest_id, f"resend:{person}", person, "delivered", now)
    with unit_of_work() as session:
        record(session, [seen], now=now)


@pytest.mark.usefixtures("database")
def test_what_was_absent_when_somebody_looked_may_have_been_posted_since(now: datetime) -> None:
    digest_id = start(now, people=3)
    with unit_of_work() as session:
        first = take(session, digest_id, now)
        post(session, first, now)
        settlement.doubt(session, first, reason="no answer")
        proofs.prove_absent(session, digest_id, 1, evidence=EVIDENCE, now=now, fence=first.fence)
        second = take(session, digest_id, now)
        post(session, second, now)
        settlement.doubt(session, second, reason="no answer")

        late = proofs.prove_absent(
            session, digest_id, 1, evidence=EVIDENCE, now=now, fence=first.fence
        )

    assert late is False
    assert books(digest_id).uncertain == 3


@pytest.mark.usefixtures("database")
def test_an_answer_that_comes_after_the_batch_was_planned_again_keeps_it_from_going_twice(
    now: datetime,
) -> None:
    digest_id = start(now, people=3)
    with unit_of_work() as session:
        claim = take(session, digest_id, now)
        post(session, claim, now)
        later = now + 2 * LEASE
        settlement.sweep(session, now=later)
        proofs.prove_absent(session, digest_id, 1, evidence=EVIDENCE, now=now, fence=claim.fence)

        assert settlement.accept(session, claim, message_ids=["m"], refused={}, now=later)

    assert books(digest_id).accepted == 3


@pytest.mark.usefixtures("database")
def test_a_worker_that_slept_past_its_lease_posts_nothing(
    clock: Clock, esp: RememberingEsp, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest_id = start(clock(), people=3)
    intend = claims.intend

    def slow(*given: object, **named: object) -> bool:
        done: bool = intend(*given, **named)  # type: ignore[arg-type]  # passed through
        clock.now += timedelta(hours=1)
        return done

    monkeypatch.setattr(claims, "intend", slow)

    send_all(digest_id, clock)

    assert esp.addresses == []
    assert books(digest_id).planned == 3


class SearchesInPart(RememberingEsp):
    """A provider whose search shows *shown* copies, time and again."""

    shown: tuple[Copy, ...] = ()

    def find(self, batch: str, *, since: datetime, now: datetime) -> Finding:
        del batch, since, now
        return Found("part of it", refs=tuple(copy.ref for copy in self.shown))


@pytest.mark.usefixtures("database")
def test_copies_that_a_search_never_shows_are_not_taken_for_sent(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, configure: Configure
) -> None:
    configure(send_threads=1)
    esp = SearchesInPart(traits=PIECEMEAL, answers=[Unknown("no answer")])
    for module in (sending, reconciling, dispatch):
        monkeypatch.setattr(module, "provider", lambda _: esp)
    digest_id = start(clock(), people=8)
    send_all(digest_id, clock)
    esp.shown = tuple(esp.mailings[0].copies[:5])

    assert reconcile(clock) == {"found in part so far": 1}
    clock.now += timedelta(hours=1)
    assert reconcile(clock) == {"provider search: found in part": 1}

    assert (books(digest_id).accepted, books(digest_id).planned) == (5, 3)


class Keeps(RememberingEsp):
    """A provider with keys that refuses one address of a call and takes the rest, once for each key.

    As Resend does: the same bytes are answered as before, and others are told that the key is known.
    """

    refuses: str = ""
    loses: int = 0  # answers still to be lost

    def __init__(self, *, refuses: str = "", loses: int = 0) -> None:
        super().__init__(traits=KEYED)
        self.refuses, self.loses = refuses, loses
        self.kept: dict[str, tuple[bytes, Outcome]] = {}

    def send(self, request: Request) -> Outcome:
        mailing = self._known[request.body]
        if mailing.key not in self.kept:
            refused = {
                i: "not an address"
                for i, copy in enumerate(mailing.copies)
                if copy.address == self.refuses
            }
            self.kept[mailing.key] = (request.body, Accepted(("m",), refused=refused))
            self.taken.append(mailing)
        body, answer = self.kept[mailing.key]
        if self.loses:
            self.loses -= 1
            return Unknown("no answer")
        return answer if body == request.body else Accepted(reason="had this key before")


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("told", ["nothing", "an event"])
def test_a_lost_refusal_is_brought_back_by_the_key_though_somebody_left(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, configure: Configure, told: str
) -> None:
    configure(send_threads=1, esp="resend")
    esp = Keeps(refuses="reader2@readers.example", loses=1)
    for module in (sending, reconciling, dispatch):
        monkeypatch.setattr(module, "provider", lambda _: esp)
    digest_id = start(clock(), people=5)
    send_all(digest_id, clock)
    first, second, *_ = people_of(digest_id)
    with unit_of_work() as session:
        leave(session, first, how="one-click unsubscribe", digest_id=None, now=clock())
    if told == "an event":
        delivered(digest_id, second, clock())

    assert reconcile(clock) == {"same key": 1}

    assert books(digest_id).reasons == {"rejected": {"not an address": 1}}
    assert books(digest_id).accepted == 4


@pytest.mark.usefixtures("database")
def test_who_left_is_not_mailed_by_asking_under_a_key_that_was_never_used(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, configure: Configure
) -> None:
    configure(send_threads=1, esp="resend")
    esp = Keeps()
    for module in (sending, reconciling, dispatch):
        monkeypatch.setattr(module, "provider", lambda _: esp)
    digest_id = start(clock(), people=5)
    with unit_of_work() as session:
        claim = take(session, digest_id, clock())
        post(session, claim, clock())
        settlement.doubt(session, claim, reason="its worker vanished")
    first, *_ = people_of(digest_id)
    with unit_of_work() as session:
        leave(session, first, how="one-click unsubscribe", digest_id=None, now=clock())

    assert reconcile(clock) == {"same key": 1}

    assert "reader0@readers.example" not in esp.addresses
    assert books(digest_id).reasons == {"excluded": {"unsubscribed": 1}}
    assert books(digest_id).accepted == 4


@pytest.mark.usefixtures("database")
def test_an_answer_is_written_down_when_the_store_comes_back(
    clock: Clock, esp: RememberingEsp, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest_id = start(clock(), people=3)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    absences = [True, True]

    @contextmanager
    def shaky() -> Iterator[Session]:
        if esp.taken and absences:
            absences.pop()
            raise OperationalError("UPDATE", {}, Exception("server closed the connection"))
        with unit_of_work() as session:
            yield session

    monkeypatch.setattr(sending, "unit_of_work", shaky)

    send_all(digest_id, clock)

    assert books(digest_id).accepted == len(esp.addresses) == 3


@pytest.mark.usefixtures("database")
def test_copies_put_off_at_once_by_two_workers_get_batches_of_their_own(now: datetime) -> None:
    digest_id = start(now, people=20, batch_size=5)
    with unit_of_work() as session:
        held = [take(session, digest_id, now) for _ in range(4)]
        people = [compose(session, claim).people for claim in held]
        for claim in held:
            post(session, claim, now)

    def answer(number: int) -> None:
        with unit_of_work() as session:
            again = people[number][:2]
            settlement.accept(
                session, held[number], message_ids=[], refused={}, again=again, now=now
            )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(answer, range(4)))

    assert (books(digest_id).accepted, books(digest_id).planned) == (12, 8)
    with reading() as session:
        numbers = session.exec(select(Batch.number).where(col(Batch.size) == 2)).all()
    assert len(set(numbers)) == 4


@pytest.mark.usefixtures("database")
def test_the_first_failures_of_a_provider_are_counted_by_all_workers(now: datetime) -> None:
    engine()  # made before the threads want it

    def fail(_: int) -> None:
        with unit_of_work() as session:
            circuit.failed(session, "sendgrid", NotTaken("429"), now=now)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(fail, range(4)))

    with reading() as session:
        assert session.get_one(circuit.Circuit, "sendgrid").failures == 4


@pytest.mark.usefixtures("database")
def test_many_ticks_at_once_plan_an_edition_once_and_none_of_them_fails(
    now: datetime, esp: RememberingEsp
) -> None:
    with unit_of_work() as session:
        readers(session, 10, now=now)
        an_approved_digest(session, now=now)

    def tick(_: int) -> list[int]:
        with unit_of_work(snapshot=True) as session:
            return dispatch.start_due(session, now=now)

    with ThreadPoolExecutor(4) as pool:
        started = [digest for mine in pool.map(tick, range(4)) for digest in mine]

    assert len(started) == 1
    assert books(started[0]).audience == 10


@pytest.mark.usefixtures("database")
def test_many_workers_at_once_close_the_books_once_and_none_of_them_fails(
    clock: Clock, esp: RememberingEsp
) -> None:
    digest_id = start(clock(), people=10)
    send_all(digest_id, clock)

    def close(_: int) -> list[str]:
        with unit_of_work() as session:
            return dispatch.close_finished(session, now=clock())

    with ThreadPoolExecutor(4) as pool:
        closed = [issue for mine in pool.map(close, range(4)) for issue in mine]

    assert closed == ["2026-W48"]
    with reading() as session:
        assert session.get_one(Digest, digest_id).status is DigestStatus.sent


def test_the_drain_is_told_without_a_lock_that_a_killed_process_could_keep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(draining, "_leaving", bytearray(1))
    leaving = draining.Draining()
    assert not leaving.is_set()

    gone = threading.Event()
    draining.drain(within=0.01, leave=gone.set)

    assert leaving.is_set()
    assert gone.wait(10)  # a pool that never answers cannot hold the worker back


@pytest.mark.usefixtures("database")
def test_a_provider_that_is_asked_about_a_key_is_left_alone_as_long_as_it_wants(
    clock: Clock, esp: RememberingEsp
) -> None:
    esp.traits = KEYED
    digest_id = start(clock(), people=3)
    esp.answers = [Unknown("no answer"), NotTaken("429", retry_after=30)]
    send_all(digest_id, clock)
    assert reconcile(clock) == {"not taken this time": 1}

    clock.now += timedelta(seconds=29)
    assert reconcile(clock) == {}

    clock.now += timedelta(seconds=1)
    assert reconcile(clock) == {"same key": 1}


@pytest.mark.usefixtures("database")
def test_a_key_that_is_refused_leaves_the_search_to_decide(
    clock: Clock, esp: RememberingEsp
) -> None:
    # Brevo may find an address wrong before it looks at the key.
    esp.traits = Traits(
        100, 10**9, timedelta(hours=1), atomic=True, search_lag=timedelta(minutes=1)
    )
    digest_id = start(clock(), people=3)
    esp.answers = [Unknown("no answer"), *[NotTaken("bad", refused={0: "bad"})] * 3]
    send_all(digest_id, clock)

    assert reconcile(clock) == {"absent so far": 1}
    clock.now += timedelta(minutes=5)
    assert reconcile(clock) == {"provider search: absent": 1}
    send_all(digest_id, clock)
    esp.answers = []
    send_all(digest_id, clock)

    assert (books(digest_id).accepted, books(digest_id).rejected) == (2, 1)


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("told", ["nothing", "an event"])
def test_under_a_key_that_took_a_later_version_the_earlier_leavers_are_not_counted_as_mailed(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, configure: Configure, told: str
) -> None:
    configure(send_threads=1, esp="resend")
    esp = Keeps(loses=1)
    for module in (sending, reconciling, dispatch):
        monkeypatch.setattr(module, "provider", lambda _: esp)
    digest_id = start(clock(), people=5)
    with unit_of_work() as session:  # a worker dies before any byte leaves
        claim = take(session, digest_id, clock())
        post(session, claim, clock())
        settlement.doubt(session, claim, reason="its worker vanished")
    first, second, third, *_ = people_of(digest_id)
    with unit_of_work() as session:
        leave(session, first, how="one-click unsubscribe", digest_id=None, now=clock())
    assert reconcile(clock) == {"not answered": 1}  # taken without the first, and the answer lost
    clock.now += LEASE
    with unit_of_work() as session:
        leave(session, second, how="one-click unsubscribe", digest_id=None, now=clock())
    if told == "an event":
        delivered(digest_id, third, clock())

    assert reconcile(clock) == {"same key": 1}

    assert len(esp.addresses) == 4
    assert "reader0@readers.example" not in esp.addresses
    assert books(digest_id).reasons == {"excluded": {"unsubscribed": 1}}
    assert books(digest_id).accepted == 4


@pytest.mark.usefixtures("database")
def test_where_a_search_can_tell_a_key_is_never_asked_with_other_bytes_than_its_first(
    clock: Clock, esp: RememberingEsp
) -> None:
    esp.traits = Traits(
        100, 10**9, timedelta(hours=1), atomic=True, search_lag=timedelta(minutes=1)
    )
    digest_id = start(clock(), people=3)
    esp.answers, esp.takes_in_silence = [Unknown("no answer")], True
    send_all(digest_id, clock)
    with unit_of_work() as session:
        leave(session, people_of(digest_id)[0], how="one-click", digest_id=None, now=clock())

    assert reconcile(clock) == {"provider search: found": 1}

    assert len(esp.mailings) == 1
    assert books(digest_id).accepted == 3


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("database")
def test_a_key_that_dies_while_the_rate_is_waited_for_is_not_asked_for(
    clock: Clock, esp: RememberingEsp, monkeypatch: pytest.MonkeyPatch
) -> None:
    esp.traits = KEYED
    digest_id = start(clock.now, people=3)
    esp.answers = [Unknown("no answer")]
    send_all(digest_id, clock)
    clock.now += timedelta(hours=20.6)  # a few minutes before the end of the part we rely on

    def waits_long(*_: object, **__: object) -> bool:
        clock.now += timedelta(minutes=10)
        return True

    monkeypatch.setattr("newsletter.delivery.same_key.wait_for_a_call", waits_long)

    assert reconcile(clock) == {"not asked": 1}
    assert esp.taken == [], "under a forgotten key it would have been a second mail"
    assert books(digest_id).uncertain == 3
