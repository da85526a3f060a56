"""Soft bounces: suppressed after so many editions in a row, forgiven by a success, whatever the order."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import pytest
from sqlmodel import Session, col, select

from newsletter import links
from newsletter.database import reading, unit_of_work
from newsletter.esp import Event, EventKind
from newsletter.feedback import bouncing, recording
from newsletter.settings import settings
from newsletter.tasks.bounces import soft_bounces
from subscribers import barring, joining
from subscribers.models import Subscriber, SubscriberStatus, Suppression
from tests.conftest import Configure
from tests.support.editions import a_draft, a_reader
from tests.web.scene import on_both

SOFT, DELIVERED, HARD = EventKind.soft_bounced, EventKind.delivered, EventKind.hard_bounced
#: What happens to each person, one edition after another; None: nobody heard of that copy.
COURSES: Final[dict[str, Sequence[EventKind | None]]] = {
    "gone": (SOFT, SOFT, SOFT, SOFT),
    "patient": (SOFT, SOFT, SOFT, None),
    "unheard of": (SOFT, None, SOFT, SOFT, SOFT),
    "back": (SOFT, SOFT, SOFT, SOFT, DELIVERED),
    "back and gone": (SOFT, DELIVERED, SOFT, SOFT, SOFT, SOFT),
    "between": (SOFT, SOFT, DELIVERED, SOFT, SOFT),
    "well": (DELIVERED, DELIVERED, DELIVERED),
    "hard": (SOFT, SOFT, SOFT, SOFT, HARD),
    "hard and a success": (SOFT, SOFT, SOFT, SOFT, HARD, DELIVERED),
}
STOPPED: Final = {
    "gone": "soft bounces",
    "unheard of": "soft bounces",
    "back and gone": "soft bounces",
    "hard": "hard bounce",
    "hard and a success": "hard bounce",
}


@pytest.fixture
def editions(database: str, now: datetime) -> list[int]:
    """Six weekly editions, the last one of today."""
    assert database
    found = []
    with unit_of_work() as session:
        for week in range(6):
            moment = now - timedelta(weeks=5 - week)
            digest = a_draft(session, now=moment, issue=f"2026-W{43 + week}")
            digest.started_at = moment
            found.append(digest.id or 0)
    return found


def people(now: datetime) -> dict[str, int]:
    with unit_of_work() as session:
        return {
            name: a_reader(
                session,
                f"{name.replace(' ', '-')}@readers.example",
                joined_at=now - timedelta(days=300),
            ).id
            or 0
            for name in COURSES
        }


def events_of(
    who: dict[str, int], editions: Sequence[int], now: datetime
) -> list[tuple[datetime, Event]]:
    return [
        (at, event_of(kind, digest_id, who[name], at))
        for name, course in COURSES.items()
        for week, (digest_id, kind) in enumerate(zip(editions, course, strict=False))
        if kind is not None
        for at in [now - timedelta(weeks=5 - week) + timedelta(minutes=3)]
    ]


def event_of(kind: EventKind, digest_id: int, person: int, at: datetime) -> Event:
    ref = links.ref(links.signer().all_for(digest_id, person))
    return Event(kind=kind, key=f"t:{kind}:{digest_id}:{person}", occurred_at=at, delivery=ref)


def record(events: Sequence[Event], now: datetime) -> None:
    with unit_of_work() as session:
        recording.record_events(session, "sendgrid", events, now=now)


def judge(now: datetime) -> tuple[int, int]:
    with unit_of_work() as session:
        return bouncing.hold_to_the_policy(session, now=now)


def stopped(who: dict[str, int]) -> dict[str, str]:
    with reading() as session:
        return {
            name: suppression.reason
            for name, person in who.items()
            if (suppression := _suppression(session, person)) is not None
        }


def _suppression(session: Session, person: int) -> Suppression | None:
    found = session.get_one(Subscriber, person)
    is_stopped = found.status is not SubscriberStatus.active
    suppression = session.get(Suppression, found.address_key)
    assert is_stopped == (suppression is not None)
    return suppression


@on_both
@pytest.mark.parametrize("seed", [1, 2])
def test_any_order_and_any_number_of_looks_between_end_in_the_same_state(
    seed: int, editions: list[int], now: datetime
) -> None:
    who = people(now)
    events = [event for _, event in events_of(who, editions, now)] * 2
    random.Random(seed).shuffle(events)

    for at in range(0, len(events), 1 + 6 * seed):
        record(events[at : at + 1 + 6 * seed], now)
        judge(now)

    assert stopped(who) == STOPPED
    assert judge(now) == (0, 0)


@on_both
def test_time_alone_forgives_nobody_and_old_bounces_suppress_nobody(
    editions: list[int], now: datetime
) -> None:
    who = people(now)
    events = [event for _, event in events_of(who, editions, now)]
    record(events, now)

    assert judge(now + timedelta(days=120)) == (0, 0)  # the bounces are older than 90 days by then
    assert set(stopped(who)) == {"hard", "hard and a success"}

    judge(now)
    assert stopped(who) == STOPPED
    judge(now + timedelta(days=120))
    assert stopped(who) == STOPPED


@on_both
def test_whoever_confirms_anew_starts_anew(editions: list[int], now: datetime) -> None:
    who = people(now)
    record([event for _, event in events_of(who, editions, now)], now)
    judge(now)

    with unit_of_work() as session:
        assert joining.confirm(session, who["gone"], page="/join", now=now)

    assert judge(now + timedelta(minutes=10)) == (0, 0)
    assert "gone" not in stopped(who)


@on_both
def test_an_operators_word_is_not_lifted_by_a_success(editions: list[int], now: datetime) -> None:
    who = people(now)
    record([event for _, event in events_of(who, editions, now)], now)
    judge(now)
    with unit_of_work() as session:
        barring.keep_out(session, who["gone"], detail="asked by mail", now=now)

    later = now + timedelta(hours=1)
    record([event_of(DELIVERED, editions[-1], who["gone"], later)], later)
    judge(later)

    assert stopped(who)["gone"] == "operator"


def test_the_policy_can_be_switched_off_and_the_tick_holds_to_it(
    sqlite_database: str, configure: Configure, now: datetime
) -> None:
    configure(database_url=sqlite_database, bounces_soft=0)
    editions = []
    with unit_of_work() as session:
        for week in range(6):
            digest = a_draft(session, now=now, issue=f"2026-W{43 + week}")
            digest.started_at = now - timedelta(weeks=5 - week)
            session.flush()
            editions.append(digest.id or 0)
    who = people(now)
    record([event for _, event in events_of(who, editions, now)], now)
    assert judge(now) == (0, 0)

    configure(database_url=sqlite_database, bounces_soft=3, bounces_days=36500)
    soft_bounces()

    assert settings().bounces.soft == 3
    assert stopped(who)["patient"] == "soft bounces"
    with reading() as session:
        suppression = session.exec(
            select(Suppression).where(col(Suppression.reason) == "soft bounces").limit(1)
        ).one()
    assert suppression.detail == "3 editions in a row within 36500 days"
