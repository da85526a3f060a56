"""Pace: who gets every edition, who the first of a month, who none for a while; and the books say why."""

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import select as sql
from sqlalchemy import update
from sqlmodel import Session, col, select

from digests.ledger import planning
from digests.ledger.receipt import receipt
from digests.making import missed
from digests.models import Batch, BatchStatus, Delivery, Digest, DigestItem, DigestStatus
from digests.store import intake
from digests.store.comparisons import latest_revision
from newsletter.copies import catching_up
from newsletter.copies.readership import readers_of
from newsletter.delivery import dispatch
from newsletter.editions import approval, production
from newsletter.readers.answers import why
from subscribers.models import Consent, Subscriber
from subscribers.pace import Pace
from subscribers.preferences import pause, set_pace
from subscribers.privacy import Why, erase
from subscribers.subscription import confirmed, leave
from tests.conftest import Configure
from tests.support.editions import SECRET, a_draft, a_reader
from tests.support.mails import a_pair, a_tool


def an_edition(session: Session, *, at: datetime, of: int = 1, category: str = "Agents") -> Digest:
    """A draft that is to go at this moment, with *of* new comparisons."""
    digest = a_draft(session, now=at, issue=f"{at:%Y-%m-%d}")
    for n in range(of):
        tools = (a_tool(f"{side} {at:%d%b} {n}", category=category) for side in ("Left", "Right"))
        facts = a_pair(*tools)
        intake.take_in(session, facts, source="a test", now=at - timedelta(hours=1))
        revision = latest_revision(session, facts.slug)
        assert revision is not None
        session.add(DigestItem(digest_id=digest.id or 0, revision_id=revision.id or 0, position=n))
    session.flush()
    return digest


def goes(session: Session, *, at: datetime) -> Digest:
    """An edition that is approved and planned at this moment."""
    digest = an_edition(session, at=at)
    production.approve(session, digest, by="Ada", word="as it is", now=at)
    dispatch.start(session, digest, now=at)
    return digest


def accepted(session: Session, digest: Digest, *, now: datetime) -> None:
    """The provider takes every copy of it, and its books close."""
    session.execute(
        update(Batch)
        .where(col(Batch.digest_id) == digest.id)
        .values(status=BatchStatus.accepted, settled_at=now, provider="sandbox")
    )
    dispatch.close_finished(session, now=now)


def reader(session: Session, name: str, *, now: datetime) -> Subscriber:
    return a_reader(session, f"{name}@readers.example", joined_at=now - timedelta(days=90))


def reasons(session: Session, digest: Digest) -> dict[str, str | None]:
    """Why each reader gets no copy, by the name in their address; None for who gets one."""
    rows = session.exec(
        select(Subscriber.address, Delivery.reason)
        .join(Delivery, col(Delivery.subscriber_id) == col(Subscriber.id))
        .where(col(Delivery.digest_id) == digest.id)
    )
    return {str(address).partition("@")[0]: reason for address, reason in rows}


@pytest.fixture(autouse=True)
def _the_readers_secret(configure: Configure) -> None:
    """Before any session is opened: settings that change let go of the engine."""
    configure(suppression_secret=SECRET)


@pytest.fixture
def three(session: Session, now: datetime) -> dict[str, int]:
    """Ada gets every edition, Grace one a month, and Emmy none before the third of January."""
    people = {name: reader(session, name, now=now).id or 0 for name in ("ada", "grace", "emmy")}
    set_pace(session, people["grace"], pace=Pace.monthly, now=now)
    pause(session, people["emmy"], until=date(2027, 1, 3), now=now)
    return people


def test_who_is_not_due_is_left_out_with_the_reason_and_the_books_close(
    session: Session, three: dict[str, int], now: datetime
) -> None:
    first, second = goes(session, at=now), goes(session, at=now + timedelta(days=7, hours=-1))
    third = goes(session, at=now + timedelta(days=14))

    assert reasons(session, first) == {
        "ada": None,
        "grace": None,  # the first that anybody knows of in November
        "emmy": "paused until 3 January 2027",
    }
    assert reasons(session, second)["grace"] == "reads monthly"
    assert reasons(session, third)["grace"] is None  # the seventh of December
    books = receipt(session, second)
    assert books.closes
    assert books.reasons["excluded"] == {"reads monthly": 1, "paused until 3 January 2027": 1}
    said = why(session, "emmy@readers.example", second)
    assert said == f"Did not get {second.issue}: paused until 3 January 2027."
    assert why(session, "grace@readers.example", second).endswith(": reads monthly.")
    assert three


def test_an_edition_of_the_day_on_which_a_pause_ends_comes(
    session: Session, three: dict[str, int], now: datetime
) -> None:
    pause(session, three["ada"], until=date(2026, 11, 23), now=now)
    pause(session, three["grace"], until=date(2026, 11, 24), now=now)

    digest = goes(session, at=now)

    assert reasons(session, digest)["ada"] is None
    assert reasons(session, digest)["grace"] == "paused until 24 November 2026"


def test_the_month_is_that_of_the_date_on_the_mail_where_its_schedule_lives(
    session: Session, now: datetime
) -> None:
    late = datetime(2026, 11, 30, 23, 30, tzinfo=now.tzinfo)  # in Berlin it is December by then
    assert missed.opens_month(session, first := goes(session, at=now))
    draft = an_edition(session, at=late)

    assert missed.dated(draft) == date(2026, 12, 1)
    assert missed.opens_month(session, draft)
    assert missed.opens_month(session, first)


def test_a_cancelled_edition_was_not_the_first_of_its_month(
    session: Session, three: dict[str, int], now: datetime
) -> None:
    cancelled = goes(session, at=now)
    production.cancel(session, cancelled, now=now)

    following = goes(session, at=now + timedelta(days=1))

    assert reasons(session, following)["grace"] is None
    session.expire_all()
    assert session.get_one(Subscriber, three["emmy"]).owed == 1 << (following.owed_bit or 0)


def test_a_correction_goes_to_whoever_had_the_wrong_version_whatever_their_pace(
    session: Session, three: dict[str, int], now: datetime
) -> None:
    original = goes(session, at=now)
    accepted(session, original, now=now)
    assert original.status is DigestStatus.sent
    pause(session, three["ada"], until=date(2027, 5, 1), now=now)

    correction = production.correct(session, original, note="It was wrong.", now=now)
    production.approve(session, correction, by="Ada", word="as it is", now=now)
    dispatch.start(session, correction, now=now)

    assert reasons(session, correction) == {"ada": None, "grace": None}
    assert correction.owed_bit is None


def test_an_approval_that_is_taken_back_leaves_nobody_owed(
    session: Session, three: dict[str, int], now: datetime
) -> None:
    digest = goes(session, at=now)
    session.expire_all()
    assert session.get_one(Subscriber, three["emmy"]).owed != 0

    approval.undo(session, digest, by="Ada", now=now)

    session.expire_all()
    assert session.get_one(Subscriber, three["emmy"]).owed == 0


def test_after_forty_editions_a_bit_stands_for_a_new_one_and_no_longer_for_the_old(
    session: Session, three: dict[str, int], now: datetime
) -> None:
    everybody = readers_of(session, a_draft(session, now=now)).subquery()
    all_excluded = sql(everybody).where(everybody.c.reason.is_not(None))
    editions = [a_draft(session, now=now, issue=f"n{n}") for n in range(missed.MOST + 1)]
    for n, one in enumerate(editions):
        one.started_at = now + timedelta(days=n)
        session.add(one)
        if n == 0:
            planning.plan(session, one, all_excluded, renditions={}, batch_size=9, now=now)
        catching_up.note(session, one)

    session.expire_all()
    assert [one.owed_bit for one in editions] == [None, *range(1, missed.MOST), 0]
    assert session.get_one(Subscriber, three["emmy"]).owed == 0


def test_coming_back_ends_the_pause_and_owes_nothing_and_erasing_leaves_no_pace(
    session: Session, three: dict[str, int], now: datetime
) -> None:
    goes(session, at=now)
    leave(session, three["emmy"], how="a test", digest_id=None, now=now)
    confirmed(session, three["emmy"], now=now)
    erase(session, three["grace"], why=Why.asked, now=now)

    session.expire_all()
    emmy, grace = (session.get_one(Subscriber, three[name]) for name in ("emmy", "grace"))
    assert (emmy.paused_until, emmy.owed) == (None, 0)
    assert (grace.pace, grace.paused_until, grace.owed) == ("weekly", None, 0)
    kept = session.exec(select(Consent).where(col(Consent.subscriber_id) == three["emmy"])).all()
    assert "until 2027-01-03" in {row.wording for row in kept}
