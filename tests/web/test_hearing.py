"""Events that no webhook told: asked for by batch, kept once, whichever way they came."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from freezegun import freeze_time
from sqlmodel import col, select
from typer.testing import CliRunner

from digests.models import Batch, Delivery
from newsletter import links
from newsletter.cli import app
from newsletter.database import reading, unit_of_work
from newsletter.esp import CannotTell, Event, EventKind
from newsletter.esp.history import Chapter
from newsletter.feedback import hearing, recording
from newsletter.settings import settings
from newsletter.tasks.hearing import hear
from newsletter.watching.looking import without_events
from subscribers.engagement import people_by_kind
from tests.conftest import Configure
from tests.support.editions import readers
from tests.web.scene import ADA, Sent, on_both, status_of

Chapters = list[Chapter | CannotTell]


@dataclass
class Memory:
    """A provider that remembers what a test says."""

    chapters: Chapters
    known_as: str = ""  # by which name alone; empty: by any
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def history(
        self, batch: str, *, since: datetime, now: datetime, after: str | None = None
    ) -> Chapter | CannotTell:
        assert since < now
        self.asked.append((batch, after))
        if self.known_as not in {"", batch}:
            return Chapter((), None)
        return self.chapters[int(after or 0)]


@pytest.fixture
def remembers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Memory]:
    def there(*chapters: Chapter | CannotTell) -> Memory:
        memory = Memory(list(chapters))
        monkeypatch.setattr(hearing, "provider", lambda _name: memory)
        monkeypatch.setattr(hearing, "wait_for_a_call", lambda *_, **__: True)
        return memory

    return there


def by_address(address: str, kind: EventKind, at: datetime) -> Event:
    """As logs tell: no reference of ours, and a key of the log's own."""
    return Event(key=f"logs-{kind}-{address}", kind=kind, occurred_at=at, address=address)


def counted(digest_id: int) -> dict[str, int]:
    with reading() as session:
        return people_by_kind(session, digest_id)


@on_both
@pytest.mark.usefixtures("web")
class TestCatchingUp:
    def test_what_is_new_is_kept_and_takes_effect_once(
        self, sent: Sent, now: datetime, remembers: Callable[..., Memory]
    ) -> None:
        later = now + timedelta(hours=1)
        memory = remembers(
            Chapter((by_address(ADA.upper(), EventKind.delivered, now),), "1"),
            Chapter(
                (
                    by_address("grace@readers.example", EventKind.hard_bounced, now),
                    by_address("stranger@readers.example", EventKind.delivered, now),
                    by_address("no address", EventKind.delivered, now),
                ),
                None,
            ),
        )

        first = hearing.catch_up(sent.digest_id, clock=lambda: later)
        second = hearing.catch_up(sent.digest_id, clock=lambda: later)

        assert (first.batches, first.new, first.stopped) == (1, 2, "")
        assert second.new == 0
        assert counted(sent.digest_id) == {"delivered": 1, "hard_bounced": 1}
        assert status_of(sent.grace) == "bounced"
        assert memory.asked[:2] == [
            (links.batch_tag(sent.digest_id, 1), after) for after in (None, "1")
        ]

    def test_what_a_webhook_has_told_is_not_told_again_by_a_log(
        self, sent: Sent, now: datetime, remembers: Callable[..., Memory]
    ) -> None:
        reference = links.ref(links.signer().all_for(sent.digest_id, sent.ada))
        webhook = Event(key="evt-1", kind=EventKind.delivered, occurred_at=now, delivery=reference)
        with unit_of_work() as session:
            recording.record_events(session, "sendgrid", [webhook], now=now)
        remembers(Chapter((by_address(ADA, EventKind.delivered, now),), None))

        heard = hearing.catch_up(sent.digest_id, clock=lambda: now + timedelta(hours=1))

        assert heard.new == 0
        # And the other way about: a late webhook adds a row, and no person.
        with unit_of_work() as session:
            recording.record_events(session, "sendgrid", [webhook], now=now)
        assert counted(sent.digest_id) == {"delivered": 1}

    def test_a_batch_of_which_nothing_is_known_is_asked_about_under_its_former_name_too(
        self,
        sent: Sent,
        now: datetime,
        remembers: Callable[..., Memory],
        configure: Configure,
    ) -> None:
        posted_as = links.batch_tag(sent.digest_id, 1)
        former = settings().link_secret.get_secret_value()
        configure(link_secret="the next secret", former_link_secrets=former)
        memory = remembers(Chapter((by_address(ADA, EventKind.delivered, now),), None))
        memory.known_as = posted_as

        heard = hearing.catch_up(sent.digest_id, clock=lambda: now + timedelta(hours=1))

        assert (heard.batches, heard.new) == (1, 1)
        assert [name for name, _ in memory.asked] == [links.batch_tag(sent.digest_id, 1), posted_as]

    def test_a_provider_that_cannot_tell_stops_it_with_its_reason(
        self, sent: Sent, now: datetime, remembers: Callable[..., Memory]
    ) -> None:
        remembers(CannotTell("SendGrid asks us to slow down"))

        said = CliRunner().invoke(app, ["reconcile", sent.issue])

        assert said.exit_code == 1
        assert "SendGrid asks us to slow down" in said.output
        assert now


@on_both
@pytest.mark.usefixtures("web")
def test_a_webhook_that_falls_silent_in_the_middle_of_an_edition_is_noticed(
    sent: Sent, now: datetime
) -> None:
    """Its first batch was told of; a second of a hundred copies was not."""
    ref = links.ref(links.signer().all_for(sent.digest_id, sent.ada))
    told = Event(EventKind.delivered, "delivered-1", now, delivery=ref)
    with unit_of_work() as session:
        recording.record_events(session, "sendgrid", [told], now=now)
        first = session.exec(select(Batch).where(col(Batch.digest_id) == sent.digest_id)).one()
        later = first.model_dump() | {"number": 2, "key": str(uuid4()), "size": 100}
        session.add(Batch(**later | {"settled_at": now + timedelta(minutes=30)}))
        more = [one.id or 0 for one in readers(session, 100, now=now)]
        session.add_all(
            Delivery(digest_id=sent.digest_id, subscriber_id=one, batch=2) for one in more
        )

    with reading() as session:
        early, late = (
            without_events(session, now=now + timedelta(minutes=minutes)) for minutes in (89, 91)
        )
    assert (early, late) == ((), (sent.issue,))

    ref = links.ref(links.signer().all_for(sent.digest_id, more[40]))
    with unit_of_work() as session:
        bounced = Event(EventKind.soft_bounced, "soft-1", now, delivery=ref)
        recording.record_events(session, "sendgrid", [bounced], now=now)
        assert without_events(session, now=now + timedelta(minutes=91)) == ()


@on_both
@pytest.mark.usefixtures("web")
def test_after_a_long_silence_the_tick_asks_by_itself(
    sent: Sent, now: datetime, remembers: Callable[..., Memory]
) -> None:
    memory = remembers(Chapter((by_address(ADA, EventKind.delivered, now),), None))

    with freeze_time(now + timedelta(hours=2)):
        hear()

    assert len(memory.asked) == 1, "its copies were accepted long ago, and nothing was heard"
    assert counted(sent.digest_id) == {"delivered": 1}
    with freeze_time(now + timedelta(hours=3)):
        hear()
    assert len(memory.asked) == 1, "the silence is over"
