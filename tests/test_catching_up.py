"""Catching up: whoever an edition passed over gets what it said with the next one that is theirs, once."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from sqlalchemy import update
from sqlmodel import Session, col, select

from digests import lifecycle
from digests.edition import Edition
from digests.making import stock
from digests.models import Batch, Delivery, Digest, DigestItem, DigestStatus, Outcome, Rendition
from digests.store import intake
from digests.store.comparisons import latest_revision
from digests.topics import ALL, listed
from newsletter import preflight
from newsletter.copies import choices, galley
from newsletter.delivery import dispatch
from newsletter.editions import production
from newsletter.esp import Content
from newsletter.rendering import Rendered
from subscribers.models import Subscriber
from subscribers.pace import Pace
from subscribers.preferences import pause, set_pace
from tests.conftest import Configure
from tests.support.editions import FIELDS, SECRET
from tests.support.mails import a_pair, a_tool
from tests.test_pace import accepted, an_edition, goes, reader

WEEK = timedelta(days=7)


@pytest.fixture(autouse=True)
def _the_readers_secret(configure: Configure) -> None:
    configure(suppression_secret=SECRET)


def mail_of(session: Session, digest: Digest, person: Subscriber) -> Rendition | None:
    """What somebody was sent of an edition, or is being sent."""
    return session.exec(
        select(Rendition)
        .join(Batch, col(Batch.rendition_id) == col(Rendition.id))
        .join(
            Delivery,
            (col(Delivery.digest_id) == col(Batch.digest_id))
            & (col(Delivery.batch) == col(Batch.number)),
        )
        .where(
            col(Delivery.digest_id) == digest.id,
            col(Delivery.subscriber_id) == person.id,
            col(Delivery.outcome).is_(None) | (col(Delivery.outcome) == Outcome.accepted),
        )
    ).first()


def test_a_month_is_caught_up_on_with_the_months_first_edition_and_nothing_comes_twice(
    session: Session, now: datetime
) -> None:
    ada, grace = reader(session, "ada", now=now), reader(session, "grace", now=now)
    set_pace(session, grace.id or 0, pace=Pace.monthly, now=now)
    sent = []
    for week in range(4):  # 23 and 30 November, 7 and 14 December
        digest = goes(session, at=now + week * WEEK)
        accepted(session, digest, now=now + week * WEEK)
        sent.append(digest)

    mails = [mail_of(session, digest, grace) for digest in sent]

    assert [bool(mail) for mail in mails] == [True, False, True, False]
    december = mails[2]
    assert december is not None
    for part in (december.text, december.html):
        assert "Since your last edition" in part
        assert "Left 30Nov 0 vs Right 30Nov 0" in part
        assert "/archive/2026-11-30" in part
        assert "Left 23Nov" not in part  # that came with November's
    everything = mail_of(session, sent[2], ada)
    assert everything is not None
    assert "Since your last edition" not in everything.text
    session.expire_all()
    assert grace.owed == 1 << (sent[3].owed_bit or 0)  # the fourteenth of December alone


def test_whoever_comes_back_from_a_pause_gets_what_was_missed_in_their_topics_and_is_done(
    session: Session, now: datetime
) -> None:
    emmy = reader(session, "emmy", now=now)
    pause(session, emmy.id or 0, until=date(2026, 12, 5), now=now)
    first = an_edition(session, at=now, of=2)
    for digest in (first, an_edition(session, at=now + WEEK, category="Design")):
        send(session, digest, now=digest.send_at)
    session.refresh(emmy)
    emmy.topics = next(topic.mask for topic in listed(session) if topic.slug == "agents")
    session.add(emmy)
    session.flush()

    third = goes(session, at=now + 2 * WEEK)
    mail = mail_of(session, third, emmy)
    assert mail is not None
    assert mail.text.count("Left 23Nov") >= 2
    assert "Left 30Nov" not in mail.text
    accepted(session, third, now=now + 2 * WEEK)

    session.expire_all()
    assert emmy.owed == 0
    fourth = goes(session, at=now + 3 * WEEK)
    last = mail_of(session, fourth, emmy)
    assert last is not None
    assert "Since your last edition" not in last.text


def test_whose_copy_was_refused_is_still_owed_what_it_brought(
    session: Session, now: datetime
) -> None:
    grace, emmy = (reader(session, name, now=now) for name in ("grace", "emmy"))
    for person in (grace, emmy):
        pause(session, person.id or 0, until=date(2026, 11, 30), now=now)
    accepted(session, goes(session, at=now), now=now)
    second = goes(session, at=now + WEEK)
    refuse(session, second, emmy, now=now)

    accepted(session, second, now=now + WEEK)

    session.expire_all()
    assert grace.owed == 0
    assert emmy.owed != 0


def test_what_an_open_edition_brings_does_not_come_again_with_the_next(
    session: Session, now: datetime
) -> None:
    emmy = reader(session, "emmy", now=now)
    pause(session, emmy.id or 0, until=date(2026, 11, 30), now=now)
    accepted(session, goes(session, at=now), now=now)
    goes(session, at=now + WEEK)  # and its last batch is uncertain for longer than a week

    third = goes(session, at=now + 2 * WEEK)

    mail = mail_of(session, third, emmy)
    assert mail is not None
    assert mail.topics == ALL
    assert "Left 23Nov" not in mail.text


def test_an_edition_that_goes_out_between_approval_and_send_voids_nothing_and_comes_the_next_time(
    session: Session, now: datetime
) -> None:
    emmy = reader(session, "emmy", now=now)
    pause(session, emmy.id or 0, until=date(2026, 11, 30), now=now)
    accepted(session, goes(session, at=now), now=now)
    weekly = an_edition(session, at=now + WEEK)
    production.approve(session, weekly, by="Ada", word="as it is", now=now + timedelta(days=1))
    daily = goes(session, at=now + timedelta(days=2))
    accepted(session, daily, now=now + timedelta(days=2))

    production.void_what_changed(session)
    assert weekly.status is DigestStatus.approved
    dispatch.start(session, weekly, now=now + WEEK)
    accepted(session, weekly, now=now + WEEK)
    mails = [mail_of(session, weekly, emmy)]
    mails.append(mail_of(session, goes(session, at=now + 2 * WEEK), emmy))

    said = ["" if mail is None else mail.text for mail in mails]
    assert ["Left 23Nov" in text for text in said] == [True, False]
    assert ["Left 25Nov" in text for text in said] == [False, True]


def test_a_mail_brings_forty_comparisons_the_newest_first_and_says_how_many_more_there_were(
    session: Session, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stock, "MOST", 3)
    emmy = reader(session, "emmy", now=now)
    pause(session, emmy.id or 0, until=date(2026, 12, 5), now=now)
    for at in (now, now + WEEK):
        send(session, an_edition(session, at=at, of=2), now=at)

    mail = mail_of(session, goes(session, at=now + 2 * WEEK), emmy)

    assert mail is not None
    text = mail.text
    assert text.index("No. 48 · 30 November 2026") < text.index("No. 48 · 23 November 2026")
    assert [f"Left {one}" in text for one in ("30Nov 0", "30Nov 1", "23Nov 0")] == [True] * 3
    assert "Left 23Nov 1" not in text
    assert "and 1 more comparison in the archive" in text


def test_preflight_measures_what_is_caught_up_on_and_the_desk_can_name_it(
    session: Session, now: datetime
) -> None:
    reader(session, "ada", now=now)
    emmy = reader(session, "emmy", now=now)
    pause(session, emmy.id or 0, until=date(2026, 11, 30), now=now)
    accepted(session, goes(session, at=now), now=now)

    found = preflight.examine(session, an_edition(session, at=now + WEEK), now=now + WEEK)

    assert (found.renditions, found.copies) == (2, 2)
    assert found.errors == ()
    assert sorted(found.readers.values()) == [
        ("Everything", 1),
        ("Everything, and what they missed since 2026-11-23", 1),
    ]


def send(session: Session, digest: Digest, *, now: datetime) -> None:
    """Approve it, start it, and let the provider take all of it."""
    production.approve(session, digest, by="Ada", word="as it is", now=now)
    dispatch.start(session, digest, now=now)
    accepted(session, digest, now=now)


def said(edition: Edition, **_: Any) -> Rendered:
    """In place of a mail: the comparisons in it, each on a line."""
    entries = [*edition.entries, *(entry for one in edition.missed for entry in one.entries)]
    text = "\n".join(entry.facts.slug for entry in entries)
    return Rendered(Content("It", f"<p>{text}</p>", text, fields=tuple(FIELDS)), ())


def put(session: Session, digest: Digest, topics: list[str], *, at: datetime) -> dict[str, str]:
    """Comparisons in *topics* for an edition; their slugs, with the topic of each."""
    found: dict[str, str] = {}
    for n, topic in enumerate(topics):
        tools = [a_tool(f"{side}{at:%j}n{n}", category=topic.title()) for side in ("l", "r")]
        facts = a_pair(tools[0], tools[1])
        intake.take_in(session, facts, source="a test", now=at - timedelta(hours=1))
        revision = latest_revision(session, facts.slug)
        assert revision is not None
        session.add(DigestItem(digest_id=digest.id or 0, revision_id=revision.id or 0, position=n))
        found[facts.slug] = topic
    session.flush()
    return found


def sign(session: Session, digest: Digest, *, now: datetime) -> None:
    """Freeze it and put a name to it; without preflight, to which its words are nothing."""
    shown = galley.fresh(session, digest)
    lifecycle.approve(session, digest, content_hash=shown.content_hash, by="Ada", now=now)
    production.freeze(session, digest, now=now)


def change_mind(session: Session, person: Subscriber, mood: str | None, *, at: datetime) -> None:
    who = person.id or 0
    if mood is not None and mood.isdecimal():
        pause(session, who, until=(at + int(mood) * WEEK).date(), now=at)
    elif mood is not None:
        set_pace(session, who, pace=Pace(mood), now=at)


def refuse(session: Session, digest: Digest, person: Subscriber, *, now: datetime) -> None:
    session.execute(
        update(Delivery)
        .where(col(Delivery.digest_id) == digest.id, col(Delivery.subscriber_id) == person.id)
        .values(outcome=Outcome.rejected, reason="a full inbox", decided_at=now)
    )


Turn = tuple[list[str], tuple[str | None, ...], bool, int | None]


@dataclass
class Known:
    """Four readers, what each has got, and what each was refused with a copy of their own."""

    session: Session
    people: list[Subscriber]
    got: dict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    lost: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    mailed: list[tuple[Digest, dict[str, str]]] = field(default_factory=list)
    still_open: list[Digest] = field(default_factory=list)

    def week(self, turn: Turn, *, at: datetime) -> None:
        """An edition on *turn*'s topics, after everybody has changed their mind."""
        topics, changes, closes, refused = turn
        digest = an_edition(self.session, at=at, of=0)
        slugs = put(self.session, digest, topics, at=at)
        # The last one reads of agents alone, from the first on.
        bits = {topic.slug: topic.mask for topic in listed(self.session)}
        self.people[3].topics = bits.get("agents", 1 << 50)
        self.session.flush()
        for person, change in zip(self.people, changes, strict=True):
            change_mind(self.session, person, change, at=at)
        sign(self.session, digest, now=at)
        dispatch.start(self.session, digest, now=at)
        for n, person in enumerate(self.people):
            if (mail := mail_of(self.session, digest, person)) is None:
                continue
            if n == refused:
                refuse(self.session, digest, person, now=at)
                self.lost[n] |= set(slugs)
            else:
                self.got[n].update(mail.text.split())
        self.mailed.append((digest, slugs))
        self.still_open.append(digest)
        if closes:
            for one in self.still_open:
                accepted(self.session, one, now=at)
            self.still_open.clear()

    def check(self) -> None:
        """Nothing came twice, and what did not come is owed, or went with a copy that was refused."""
        self.session.expire_all()
        for n, person in enumerate(self.people):
            assert [slug for slug, times in self.got[n].items() if times > 1] == []
            missing = {
                slug
                for digest, slugs in self.mailed
                for slug, topic in slugs.items()
                if n != 3 or topic == "agents"
                if not person.owed & (1 << (digest.owed_bit or 0))
            }
            assert missing <= self.got[n].keys() | self.lost[n]


moods = st.sampled_from(["weekly", "monthly", "1", "2", "3"])  # or paused for so many weeks
lives = st.lists(
    st.tuples(
        st.lists(st.sampled_from(["agents", "design"]), min_size=1, max_size=2),  # what it compares
        st.tuples(*([st.none() | moods] * 4)),  # what each reader changes their mind to
        st.booleans(),  # whether its books close before the next
        st.sampled_from([None, None, 0, 1, 2, 3]),  # whose copy is refused
    ),
    min_size=2,
    max_size=6,
)


@given(lives=lives, most=st.sampled_from([3, 32]))
@effort(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_whatever_readers_choose_each_comparison_comes_at_most_once_and_none_is_lost(
    session: Session,
    now: datetime,
    lives: list[Turn],
    most: int,
) -> None:
    with pytest.MonkeyPatch.context() as patch, session.begin_nested() as tried:
        patch.setattr(galley, "render", said)
        patch.setattr(choices, "MOST", most)
        patch.setattr(choices, "COARSE", 1)
        known = Known(session, [reader(session, f"r{n}", now=now) for n in range(4)])
        calm: list[Turn] = [(["agents"], ("weekly",) * 4, True, None)] * 3
        for week, turn in enumerate([*lives, *calm]):
            known.week(turn, at=now + week * WEEK)
        known.check()
        tried.rollback()
