"""An edition that went out to somebody: rows as assembling, approving and sending leave them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from sqlmodel import Session, col, select

from digests.facts import ComparisonFacts
from digests.models import Batch, BatchStatus, Delivery, Digest, DigestItem, DigestStatus, Rendition
from digests.store import intake
from digests.store.comparisons import latest_revision
from newsletter import links
from newsletter.database import reading, unit_of_work
from newsletter.editions import production
from newsletter.links import Purpose
from newsletter.settings import settings
from subscribers.engagement import Engagement
from subscribers.models import Subscriber
from subscribers.subscription import add_confirmed

#: For claims about what is stored; a page looks the same on either.
on_both = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)

DATA: Final = Path(__file__).parent.parent / "data"
ADA: Final = "ada@readers.example"


@dataclass(frozen=True, slots=True)
class Sent:
    """An edition that went out: its readers' ids, and the links in Ada's copy."""

    digest_id: int
    issue: str
    ada: int
    grace: int
    unsubscribe: str
    preferences: str
    view: str
    open: str
    click: str
    verdict: str


def a_reader(session: Session, address: str = ADA, *, now: datetime) -> Subscriber:
    """Somebody who joined seven weeks ago on the site's page."""
    person, _ = add_confirmed(
        session,
        address,
        page="shiporskip.example/compare",
        wording="Weekly AI Tool Verdicts: get the next comparison in your inbox",
        secret=settings().suppression_secret.get_secret_value(),
        now=now - timedelta(weeks=7),
    )
    session.flush()
    return person


def a_draft(session: Session, *, now: datetime, issue: str = "2026-W48") -> Digest:
    """A draft of three real comparisons, assembled a minute ago."""
    digest = Digest(
        issue=issue,
        number=48,
        zone="Europe/Berlin",
        window_start=now - timedelta(days=7),
        window_end=now,
        send_at=now,
        late_after=now + timedelta(hours=12),
        subject="Free weights, two dissents: who pays for a 2B model?",
        preheader="The Founder skips two of four. Plus: the SQLite of LLMs.",
        opening="Three comparisons this week, and the Founder asks *who pays* when the weights are free.",
        assembled_at=now - timedelta(minutes=1),
    )
    session.add(digest)
    session.flush()
    for position, path in enumerate(sorted(DATA.glob("*.json"))):
        facts = ComparisonFacts.model_validate_json(path.read_bytes())
        intake.take_in(session, facts, source=path.name, now=now - timedelta(hours=1))
        revision = latest_revision(session, facts.slug)
        assert revision is not None
        assert revision.id is not None
        session.add(
            DigestItem(digest_id=digest.id or 0, revision_id=revision.id, position=position)
        )
    session.flush()
    return digest


def dearer(*, now: datetime) -> None:
    """The store hears of another price of a tool in ``a_draft``'s edition."""
    facts = ComparisonFacts.model_validate_json(
        (DATA / "smolvlm2-vs-mistral-3-small.json").read_bytes()
    )
    left, right = facts.tools
    right = right.model_copy(update={"pricing": "$40 a month"})
    with unit_of_work() as session:
        changed = facts.model_copy(update={"tools": (left, right)})
        intake.take_in(session, changed, source="the site", now=now)


def a_sent_edition(session: Session, *readers: Subscriber, now: datetime) -> Digest:
    """An edition that a provider accepted for each of *readers*, in one batch."""
    digest = a_draft(session, now=now)
    production.approve(session, digest, by="editor@shiporskip.example", now=now)
    frozen = session.exec(select(Rendition).where(col(Rendition.digest_id) == digest.id)).one()
    digest.status = DigestStatus.sent
    digest.audience = len(readers)
    digest.started_at = digest.finished_at = now
    session.add(
        Batch(
            digest_id=digest.id or 0,
            number=1,
            rendition_id=frozen.id or 0,
            size=len(readers),
            status=BatchStatus.accepted,
            key="00000000-0000-4000-8000-000000000001",
            provider="sendgrid",
            settled_at=now,
        )
    )
    for reader in readers:
        session.add(Delivery(digest_id=digest.id or 0, subscriber_id=reader.id or 0, batch=1))
    session.flush()
    return digest


def link(purpose: Purpose, digest: Digest, reader: Subscriber) -> str:
    """The token that stands in *reader*'s copy for *purpose*."""
    return links.token(links.signer().all_for(digest.id or 0, reader.id or 0), purpose)


def status_of(subscriber_id: int) -> str:
    """Where that person stands, as the store has it now."""
    with reading() as session:
        return str(session.get_one(Subscriber, subscriber_id).status)


def seen(digest_id: int, kind: str) -> list[Engagement]:
    """What was recorded of that kind about that edition."""
    with reading() as session:
        found = session.exec(
            select(Engagement).where(
                col(Engagement.digest_id) == digest_id, col(Engagement.kind) == kind
            )
        )
        return [Engagement.model_validate(row.model_dump()) for row in found]


def erase(subscriber_id: int) -> None:
    """What erasing leaves of a person: a row without an address."""
    with unit_of_work() as session:
        person = session.get_one(Subscriber, subscriber_id)
        person.address = person.address_key = person.name = None
