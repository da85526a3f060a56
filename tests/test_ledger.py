"""The ledger: each person once, each claim to one worker, every answer in its place."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, func, select

from digests import lifecycle
from digests.ledger import claims, proofs, settlement
from digests.ledger.receipt import receipt
from digests.models import Batch, BatchStatus, Delivery, Digest, Halt
from newsletter.copies.composing import compose
from newsletter.database import reading, unit_of_work
from subscribers.models import Subscriber, Suppression
from subscribers.subscription import leave
from tests.support.editions import a_sending_digest, readers

LEASE = timedelta(seconds=60)


def take(session: Session, digest: Digest, now: datetime) -> claims.Claim:
    claim = claims.claim(session, digest.id or 0, worker="w", lease_until=now + LEASE, now=now)
    assert claim is not None
    return claim


def intend(session: Session, claim: claims.Claim, now: datetime) -> bool:
    return claims.intend(session, claim, provider="sendgrid", body_hash="b", now=now)


def status_of(session: Session, claim: claims.Claim) -> BatchStatus:
    batch = session.get_one(Batch, (claim.digest_id, claim.number))
    session.refresh(batch)
    return batch.status


def test_everybody_gets_one_row_and_the_books_close_at_once(
    session: Session, now: datetime
) -> None:
    readers(session, 25, now=now)

    digest = a_sending_digest(session, now=now, batch_size=10)

    books = receipt(session, digest)
    assert (books.audience, books.counted, books.planned) == (25, 25, 25)
    assert books.closes
    sizes = session.exec(select(Batch.size).order_by(col(Batch.number))).all()
    assert list(sizes) == [10, 10, 5]


def test_each_batch_holds_as_many_deliveries_as_it_says(session: Session, now: datetime) -> None:
    readers(session, 57, now=now)

    digest = a_sending_digest(session, now=now, batch_size=7, canary_share=0.2)

    said = dict(session.exec(select(Batch.number, Batch.size)).all())
    rows = session.exec(
        select(Delivery.batch, func.count())
        .where(col(Delivery.digest_id) == digest.id)
        .group_by(col(Delivery.batch))
    )
    assert dict(rows.all()) == said
    assert max(said.values()) == 7


def test_an_edition_cannot_be_planned_twice(session: Session, now: datetime) -> None:
    readers(session, 3, now=now)
    digest = a_sending_digest(session, now=now)

    again = Delivery(digest_id=digest.id or 0, subscriber_id=1)
    session.add(again)

    with pytest.raises(IntegrityError):
        session.flush()


def test_the_suppressed_are_in_the_books_with_the_reason(session: Session, now: datetime) -> None:
    person, *_ = readers(session, 5, now=now)
    assert person.address_key is not None
    session.add(Suppression(address_key=person.address_key, reason="hard bounce", since=now))
    session.flush()

    digest = a_sending_digest(session, now=now)

    books = receipt(session, digest)
    assert (books.audience, books.excluded, books.planned) == (5, 1, 4)
    assert books.reasons == {"excluded": {"suppressed": 1}}


def test_the_canary_is_a_sample_and_the_rest_waits(session: Session, now: datetime) -> None:
    readers(session, 200, now=now)

    digest = a_sending_digest(session, now=now, batch_size=50, canary_share=0.1)

    waves = dict(
        session.exec(select(Batch.wave, func.sum(Batch.size)).group_by(col(Batch.wave))).all()
    )
    assert set(waves) == {0, 1}
    assert 10 <= waves[0] <= 30
    while claims.claim(session, digest.id or 0, worker="w", lease_until=now + LEASE, now=now):
        pass
    waiting = session.exec(select(Batch.wave).where(col(Batch.status) == BatchStatus.planned))
    assert set(waiting) == {1}


def test_of_many_workers_each_batch_goes_to_one(database: str, now: datetime) -> None:
    with unit_of_work() as session:
        readers(session, 60, now=now)
        digest_id = a_sending_digest(session, now=now, batch_size=3).id or 0

    def work(lane: int) -> list[int]:
        mine: list[int] = []
        while True:
            with unit_of_work() as session:
                claim = claims.claim(
                    session, digest_id, worker=f"w{lane}", lease_until=now + LEASE, now=now
                )
            if claim is None:
                return mine
            mine.append(claim.number)

    with ThreadPoolExecutor(4) as pool:
        taken = [number for mine in pool.map(work, range(4)) for number in mine]

    assert sorted(taken) == list(range(1, 21))


def test_who_left_after_planning_is_excluded_by_the_claim(session: Session, now: datetime) -> None:
    person, *_ = readers(session, 3, now=now)
    digest = a_sending_digest(session, now=now)
    leave(session, person.id or 0, how="one-click unsubscribe", digest_id=None, now=now)

    claim = take(session, digest, now)
    composed = compose(session, claim)
    claims.exclude(session, claim, composed.unwanted, now=now)

    assert person.id not in composed.people
    assert receipt(session, digest).reasons == {"excluded": {"unsubscribed": 1}}


def test_accepting_a_batch_leaves_only_the_refused_behind(session: Session, now: datetime) -> None:
    people = readers(session, 5, now=now)
    digest = a_sending_digest(session, now=now)
    claim = take(session, digest, now)
    intend(session, claim, now)

    refused = {people[2].id or 0: "no such mailbox"}
    assert settlement.accept(session, claim, message_ids=["m-1"], refused=refused, now=now)

    books = receipt(session, digest)
    assert (books.accepted, books.rejected, books.planned) == (4, 1, 0)
    assert books.reasons == {"rejected": {"no such mailbox": 1}}
    assert books.closes


def test_copies_put_off_go_into_a_batch_of_their_own(session: Session, now: datetime) -> None:
    people = readers(session, 5, now=now)
    digest = a_sending_digest(session, now=now)
    claim = take(session, digest, now)
    intend(session, claim, now)

    later = [people[0].id or 0, people[1].id or 0]
    settlement.accept(session, claim, message_ids=[], refused={}, again=later, now=now)

    books = receipt(session, digest)
    assert (books.accepted, books.planned) == (3, 2)
    assert take(session, digest, now).number != claim.number


def test_not_taken_waits_as_long_as_the_provider_says(session: Session, now: datetime) -> None:
    readers(session, 2, now=now)
    digest = a_sending_digest(session, now=now)
    claim = take(session, digest, now)

    until = now + timedelta(seconds=30)
    settlement.put_back(session, claim, reason="429", not_before=until, refused={}, now=now)

    early = until - timedelta(seconds=1)
    assert claims.claim(session, digest.id or 0, worker="w", lease_until=until, now=early) is None
    assert take(session, digest, until).key == claim.key


def test_a_batch_without_the_refused_gets_another_key(session: Session, now: datetime) -> None:
    people = readers(session, 3, now=now)
    digest = a_sending_digest(session, now=now)
    claim = take(session, digest, now)

    refused = {people[0].id or 0: "not an address"}
    settlement.put_back(session, claim, reason="400", not_before=None, refused=refused, now=now)

    again = take(session, digest, now)
    assert again.key != claim.key
    assert people[0].id not in compose(session, again).people


def test_a_worker_that_died_before_posting_sent_nothing(session: Session, now: datetime) -> None:
    readers(session, 2, now=now)
    digest = a_sending_digest(session, now=now)
    claim = take(session, digest, now)

    assert settlement.sweep(session, now=now + LEASE + timedelta(seconds=1)) == (1, 0)

    assert status_of(session, claim) is BatchStatus.planned


def test_a_worker_that_died_while_posting_leaves_doubt(session: Session, now: datetime) -> None:
    readers(session, 2, now=now)
    digest = a_sending_digest(session, now=now)
    claim = take(session, digest, now)
    intend(session, claim, now)

    assert settlement.sweep(session, now=now + LEASE + timedelta(seconds=1)) == (0, 1)

    books = receipt(session, digest)
    assert (books.uncertain, books.planned, books.is_final) == (2, 0, False)


def test_a_late_worker_cannot_post_what_another_took_over(session: Session, now: datetime) -> None:
    readers(session, 2, now=now)
    digest = a_sending_digest(session, now=now)
    late = take(session, digest, now)
    after = now + LEASE + timedelta(seconds=1)
    settlement.sweep(session, now=after)
    take(session, digest, after)

    assert intend(session, late, after) is False
    assert settlement.accept(session, late, message_ids=[], refused={}, now=after) is False
    assert settlement.doubt(session, late, reason="late") is False
    assert not settlement.put_back(
        session, late, reason="late", not_before=None, refused={}, now=after
    )


def test_an_answer_that_comes_late_is_proof_while_nobody_took_over(
    session: Session, now: datetime
) -> None:
    readers(session, 2, now=now)
    digest = a_sending_digest(session, now=now)
    claim = take(session, digest, now)
    intend(session, claim, now)
    settlement.sweep(session, now=now + LEASE + timedelta(seconds=1))

    assert settlement.accept(session, claim, message_ids=["m"], refused={}, now=now)

    assert receipt(session, digest).accepted == 2


@pytest.mark.parametrize("how", ["pause", "halt", "cancel"])
def test_stopping_takes_effect_within_one_batch(session: Session, now: datetime, how: str) -> None:
    readers(session, 20, now=now)
    digest = a_sending_digest(session, now=now, batch_size=5)
    claim = take(session, digest, now)

    if how == "halt":
        session.add(Halt(by="Ada", reason="complaints", halted_at=now))
        session.flush()
    else:
        lifecycle.pause(session, digest, reason="a wrong price")
        if how == "cancel":
            lifecycle.cancel(session, digest, now=now)

    assert intend(session, claim, now) is False
    assert claims.claim(session, digest.id or 0, worker="w", lease_until=now, now=now) is None


def test_an_uncertain_batch_settles_once_and_keeps_the_evidence(
    session: Session, now: datetime
) -> None:
    readers(session, 2, now=now)
    digest = a_sending_digest(session, now=now)
    claim = take(session, digest, now)
    intend(session, claim, now)
    settlement.doubt(session, claim, reason="no answer")
    proof = {"by": "provider search", "said": "found"}

    first = proofs.prove_accepted(session, claim.digest_id, claim.number, evidence=proof, now=now)
    second = proofs.prove_absent(session, claim.digest_id, claim.number, evidence=proof, now=now)

    assert (first, second) == (True, False)
    books = receipt(session, digest)
    assert books.proofs == {"provider search": 2}
    assert books.is_final


def test_what_was_never_taken_is_planned_again_without_the_copies_that_were(
    session: Session, now: datetime
) -> None:
    people = readers(session, 4, now=now)
    digest = a_sending_digest(session, now=now)
    claim = take(session, digest, now)
    intend(session, claim, now)
    settlement.doubt(session, claim, reason="no answer")

    known = [people[0].id or 0]
    proofs.prove_copies(session, claim.digest_id, claim.number, known, reason="delivered", now=now)
    proofs.prove_absent(
        session, claim.digest_id, claim.number, evidence={"by": "operator"}, now=now
    )

    books = receipt(session, digest)
    assert (books.accepted, books.planned) == (1, 3)
    assert people[0].id not in compose(session, take(session, digest, now)).people


def test_an_erased_reader_still_closes_the_books(session: Session, now: datetime) -> None:
    person, *_ = readers(session, 2, now=now)
    digest = a_sending_digest(session, now=now)
    session.get_one(Subscriber, person.id).address = None
    session.flush()

    claim = take(session, digest, now)
    composed = compose(session, claim)
    claims.exclude(session, claim, composed.unwanted, now=now)

    assert receipt(session, digest).reasons == {"excluded": {"erased": 1}}


def test_a_second_digest_is_a_ledger_of_its_own(database: str, now: datetime) -> None:
    with unit_of_work() as session:
        readers(session, 3, now=now)
        first = a_sending_digest(session, now=now)
        second = a_sending_digest(session, now=now, issue="2026-W49")

        assert receipt(session, first).audience == receipt(session, second).audience == 3
    with reading() as session:
        assert session.exec(select(func.count()).select_from(Delivery)).one() == 6
