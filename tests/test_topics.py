"""Topics: readers with the same choice share a rendition, and everybody gets just what they chose."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session, col, select

from digests.facts import ComparisonFacts
from digests.ledger.receipt import receipt
from digests.making.stock import Stock
from digests.models import Batch, Delivery, Digest, DigestItem, DigestStatus, Outcome, Rendition
from digests.store import intake
from digests.store.comparisons import latest_revision
from digests.topics import ALL, EVERYTHING, MOST, Shelf, Topic, listed, register
from newsletter import preflight
from newsletter.copies import choices
from newsletter.copies.choices import NOTHING
from newsletter.delivery import dispatch
from newsletter.editions import production
from newsletter.web.desk import mail
from subscribers.models import Subscriber, SubscriberStatus
from tests.support.editions import a_draft, a_reader, an_approved_digest
from tests.support.mails import a_pair, a_tool

masks = st.integers(min_value=0, max_value=0b11111)
TOPICS = tuple(Topic(bit=bit, slug=f"t{bit}", name=f"T {bit}") for bit in range(5))


class TestTheShelf:
    @given(st.lists(masks, min_size=1, max_size=6), masks, masks)
    def test_choices_share_a_rendition_just_when_they_leave_the_same_comparisons(
        self, on_it: list[int], one: int, other: int
    ) -> None:
        shelf = Shelf(TOPICS, tuple(on_it))

        assert (shelf.key(one) == shelf.key(other)) is (shelf.kept(one) == shelf.kept(other))

    @given(st.lists(masks, min_size=1, max_size=6), masks)
    def test_the_key_of_a_choice_leads_back_to_its_comparisons(
        self, on_it: list[int], choice: int
    ) -> None:
        shelf = Shelf(TOPICS, tuple(on_it))

        if (key := shelf.key(choice)) is not None:
            assert shelf.kept(shelf.choice(key)) == shelf.kept(choice)

    @given(st.lists(masks, min_size=1, max_size=6), masks, st.lists(masks, max_size=4))
    def test_whoever_has_no_rendition_of_their_own_misses_nothing(
        self, on_it: list[int], choice: int, others: list[int]
    ) -> None:
        shelf = Shelf(TOPICS, tuple(on_it))
        keys = {ALL, *(key for one in others if (key := shelf.key(one)) is not None)}
        have = Stock(shelf)

        key = have.nearest(choice, 0, have.routes(keys))

        if key is None:
            assert shelf.kept(choice) == ()
        else:
            assert set(shelf.kept(choice)) <= set(shelf.kept(shelf.choice(key)))

    def test_everything_is_everything_whatever_comes_to_be(self) -> None:
        shelf = Shelf(TOPICS, (1, 2, 1 << (MOST - 1), 0))

        assert shelf.key(EVERYTHING) == ALL
        assert shelf.kept(EVERYTHING) == (0, 1, 2, 3)


def test_a_new_category_gets_a_bit_of_its_own_and_keeps_it(session: Session) -> None:
    for category in ("Agents", "Design", "Agents", "design "):
        register(session, a_pair(a_tool("A", category=category), a_tool("B", category=category)))

    assert {topic.slug: topic.bit for topic in listed(session)} == {"agents": 0, "design": 1}


def test_when_the_bits_are_used_up_a_category_goes_to_everybody(session: Session) -> None:
    for n in range(MOST + 2):
        register(session, a_pair(a_tool("A", category=f"C {n}"), a_tool("B", category=f"C {n}")))

    assert len(listed(session)) == MOST


@pytest.fixture
def digest(session: Session, now: datetime) -> Digest:
    """A draft of three comparisons: agents, design, and one in both."""
    digest = a_draft(session, now=now)
    pairs = (("Agents", "Agents"), ("Design", "Design"), ("Agents", "Design"))
    for at, (left, right) in enumerate(pairs):
        facts: ComparisonFacts = a_pair(
            a_tool(f"Left {at}", category=left), a_tool(f"Right {at}", category=right)
        )
        intake.take_in(session, facts, source="a test", now=now - timedelta(hours=1))
        revision = latest_revision(session, facts.slug)
        assert revision is not None
        session.add(DigestItem(digest_id=digest.id or 0, revision_id=revision.id or 0, position=at))
    session.flush()
    return digest


def reader(session: Session, name: str, *topics: str, now: datetime) -> Subscriber:
    person = a_reader(session, f"{name}@readers.example", joined_at=now - timedelta(days=9))
    if topics:
        known = {topic.slug: topic.mask for topic in listed(session)}
        person.topics = sum(known.get(slug, 1 << 40) for slug in topics)
    session.add(person)
    session.flush()
    return person


def mailed(session: Session, digest: Digest) -> dict[str, str]:
    """Which rendition each reader was planned for, or why none, by the name in their address."""
    rows = session.exec(
        select(Subscriber.address, Rendition.topics, Delivery.reason)
        .select_from(Delivery)
        .join(Subscriber, col(Subscriber.id) == col(Delivery.subscriber_id))
        .outerjoin(
            Batch,
            (col(Batch.digest_id) == col(Delivery.digest_id))
            & (col(Batch.number) == col(Delivery.batch)),
        )
        .outerjoin(Rendition, col(Rendition.id) == col(Batch.rendition_id))
        .where(col(Delivery.digest_id) == digest.id)
    )
    return {str(who).partition("@")[0]: topics or reason or "" for who, topics, reason in rows}


def test_each_reader_gets_the_comparisons_of_their_topics_and_the_books_close(
    session: Session, digest: Digest, now: datetime
) -> None:
    reader(session, "ada", now=now)
    reader(session, "grace", "agents", now=now)
    reader(session, "emmy", "agents", "music", now=now)
    reader(session, "grete", "agents", "design", now=now)
    reader(session, "lise", "music", now=now)

    production.approve(session, digest, by="Ada", word="as it is", now=now)
    dispatch.start(session, digest, now=now)

    assert mailed(session, digest) == {
        "ada": ALL,
        "grace": "agents",
        "emmy": "agents",
        "grete": ALL,
        "lise": NOTHING,
    }
    frozen = {
        one.topics: one
        for one in session.exec(select(Rendition).where(col(Rendition.digest_id) == digest.id))
    }
    assert set(frozen) == {ALL, "agents"}
    assert "Left 1" in frozen[ALL].text
    assert "Left 1" not in frozen["agents"].text
    assert "Left 0" in frozen["agents"].text
    assert "Left 2" in frozen["agents"].text
    books = receipt(session, digest)
    assert books.closes
    assert books.reasons["excluded"] == {NOTHING: 1}
    excluded = session.exec(select(Delivery).where(col(Delivery.outcome) == Outcome.excluded)).all()
    assert len(excluded) == 1


def test_whoever_chooses_anew_after_the_approval_misses_nothing_of_it(
    session: Session, digest: Digest, now: datetime
) -> None:
    person = reader(session, "grace", "agents", now=now)
    production.approve(session, digest, by="Ada", word="as it is", now=now)
    person.topics = next(topic.mask for topic in listed(session) if topic.slug == "design")
    session.add(person)
    session.flush()

    production.void_what_changed(session)
    on_the_desk = mail.sight(session, digest, mail.eyes(session, f"reader:{person.id}"), now=now)
    dispatch.start(session, digest, now=now)

    assert on_the_desk.preview.topics == ALL
    assert mailed(session, digest) == {"grace": ALL}


def test_a_change_in_any_rendition_takes_the_approval_back(
    session: Session, digest: Digest, now: datetime
) -> None:
    reader(session, "grace", "agents", now=now)
    production.approve(session, digest, by="Ada", word="as it is", now=now)
    assert digest.renditions is not None
    digest.renditions = digest.renditions | {"agents": "0" * 64}
    session.add(digest)
    session.flush()

    production.void_what_changed(session)

    assert digest.status is DigestStatus.draft


def test_stored_bytes_of_any_rendition_that_nobody_approved_are_not_sent(
    session: Session, digest: Digest, now: datetime
) -> None:
    reader(session, "grace", "agents", now=now)
    production.approve(session, digest, by="Ada", word="as it is", now=now)
    rendition = session.exec(select(Rendition).where(col(Rendition.topics) == "agents")).one()
    rendition.html += "<!-- not what was approved -->"
    session.add(rendition)
    session.flush()

    started = dispatch.start_due(session, now=now)

    assert started == []
    assert digest.status is DigestStatus.draft


def test_preflight_looks_at_every_rendition_and_says_who_gets_nothing(
    session: Session, digest: Digest, now: datetime
) -> None:
    reader(session, "ada", now=now)
    reader(session, "grace", "agents", now=now)
    reader(session, "lise", "music", now=now)

    found = preflight.examine(session, digest, now=now)

    assert (found.renditions, found.copies) == (2, 2)
    assert found.errors == ()
    assert any("1 readers have chosen only topics" in one.says for one in found.findings)


def test_where_choices_are_many_the_commonest_get_their_own_and_the_rest_the_nearest(
    session: Session, now: datetime, monkeypatch: pytest.MonkeyPatch, digest: Digest
) -> None:
    monkeypatch.setattr(choices, "MOST", 2)
    for n in range(3):
        reader(session, f"agents{n}", "agents", now=now)
    reader(session, "design", "design", now=now)

    production.approve(session, digest, by="Ada", word="as it is", now=now)
    dispatch.start(session, digest, now=now)

    planned = mailed(session, digest)
    assert planned["design"] == ALL
    assert {planned[f"agents{n}"] for n in range(3)} == {"agents"}


def test_however_many_choices_there_are_each_reader_gets_the_nearest_and_nobody_costs_a_branch(
    session: Session, now: datetime
) -> None:
    digest = a_draft(session, now=now)
    for at in range(9):
        facts = a_pair(*(a_tool(f"{side} {at}", category=f"Topic {at}") for side in ("L", "R")))
        intake.take_in(session, facts, source="a test", now=now - timedelta(hours=1))
        revision = latest_revision(session, facts.slug)
        assert revision is not None
        session.add(DigestItem(digest_id=digest.id or 0, revision_id=revision.id or 0, position=at))
    for choice in range(512):
        session.add(
            Subscriber(
                address=f"reader{choice}@readers.example",
                address_key=choice.to_bytes(16),
                status=SubscriberStatus.active,
                topics=choice,
                joined_at=now,
                confirmed_at=now,
            )
        )
    session.flush()

    wanted = choices.wanted(session, digest)
    question = choices.planned(session, digest, wanted.readers)

    rows = session.execute(question).all()
    got = {row.subscriber_id: None if row.reason else row.topics for row in rows}
    asked = {
        person.id: wanted.key_of(person.topics) for person in session.exec(select(Subscriber)).all()
    }
    assert len(wanted.readers) in {choices.MOST - 1, choices.MOST}
    assert got == asked
    assert str(question).count("WHEN") < 2 * choices.MOST


def test_an_edition_whose_comparisons_the_store_no_longer_has_goes_to_everybody(
    session: Session, now: datetime
) -> None:
    reader(session, "ada", now=now)
    digest = an_approved_digest(session, now=now)

    dispatch.start(session, digest, now=now)

    assert mailed(session, digest) == {"ada": ALL}
