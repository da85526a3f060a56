"""Builders: valid readers and editions; whatever matters to a test is spelled out in it."""

from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from digests import lifecycle
from digests.ledger import planning
from digests.models import Digest, Rendition
from newsletter.copies.composing import content_from
from newsletter.rendering import content_hash
from subscribers.addresses import address_key
from subscribers.audience import audience
from subscribers.models import Consent, Subscriber, SubscriberStatus
from subscribers.subscription import add_confirmed

SECRET = "a secret for the tests"
_PAGE, _WORDING = "shiporskip.example", "Weekly AI Tool Verdicts"
FIELDS = ["unsubscribe", "preferences", "view", "open", "click", "joined", "verdict", "kept"]


def a_reader(session: Session, address: str, *, joined_at: datetime) -> Subscriber:
    person, _ = add_confirmed(
        session,
        address,
        page=_PAGE,
        wording=_WORDING,
        secret=SECRET,
        now=joined_at,
    )
    return person


def readers(session: Session, count: int, *, now: datetime) -> list[Subscriber]:
    """Many of them at once, as ``a_reader`` makes one; who is there already stays as they are."""
    addresses = [f"reader{n}@readers.example" for n in range(count)]
    keys = [address_key(address, secret=SECRET) for address in addresses]
    there = {
        one.address_key: one
        for one in session.exec(select(Subscriber).where(col(Subscriber.address_key).in_(keys)))
    }
    new = []
    for n, (address, key) in enumerate(zip(addresses, keys, strict=True)):
        if key not in there:
            joined_at = now - timedelta(days=n % 90)
            there[key] = Subscriber(
                address=address,
                address_key=key,
                status=SubscriberStatus.active,
                source=_PAGE,
                joined_at=joined_at,
                confirmed_at=joined_at,
            )
            new.append(there[key])
    session.add_all(new)
    session.flush()
    session.add_all(
        Consent(
            subscriber_id=one.id or 0,
            kind=kind,
            happened_at=one.joined_at,
            page=_PAGE,
            wording=_WORDING,
        )
        for one in new
        for kind in ("joined", "confirmed")
    )
    session.flush()
    return [there[key] for key in keys]


def a_draft(session: Session, *, now: datetime, issue: str = "2026-W48") -> Digest:
    digest = Digest(
        issue=issue,
        number=48,
        zone="Europe/Berlin",
        window_start=now - timedelta(days=7),
        window_end=now,
        send_at=now,
        late_after=now + timedelta(hours=12),
        subject="Free weights, two dissents",
        preheader="The Founder skips two of four.",
        opening="Two comparisons this week.",
        assembled_at=now,
    )
    session.add(digest)
    session.flush()
    return digest


def an_approved_digest(
    session: Session, *, now: datetime, issue: str = "2026-W48", weight: int = 0
) -> Digest:
    """An edition with its frozen rendition; *weight* is so many bytes of HTML more."""
    digest = a_draft(session, now=now, issue=issue)
    rendition = Rendition(
        digest_id=digest.id or 0,
        subject=digest.subject,
        preheader=digest.preheader,
        html="<p>x</p>" * (weight // 8)
        + "<p>Hello <a href='https://news.example/u/[%unsubscribe%]'>leave</a></p>",
        text="Hello, leave: https://news.example/u/[%unsubscribe%]",
        fields=FIELDS,
        headers=[["List-Unsubscribe", "<https://news.example/u/[%unsubscribe%]>"]],
        links=[],
        content_hash="",
        rendered_at=now,
    )
    rendition.content_hash = content_hash(content_from(rendition))
    lifecycle.approve(session, digest, content_hash=rendition.content_hash, by="Ada", now=now)
    session.add(rendition)
    session.flush()
    return digest


def a_sending_digest(
    session: Session,
    *,
    now: datetime,
    batch_size: int = 10,
    canary_share: float = 0.0,
    issue: str = "2026-W48",
) -> Digest:
    """An edition whose send has started for everybody who is on the list by now."""
    digest = an_approved_digest(session, now=now, issue=issue)
    rendition = session.exec(select(Rendition).where(col(Rendition.digest_id) == digest.id)).one()
    count = planning.plan(
        session,
        digest,
        audience(),
        renditions={"all": rendition.id or 0},
        batch_size=batch_size,
        canary_share=canary_share,
        now=now,
    )
    wave = 0 if canary_share else 1
    lifecycle.start(session, digest, audience=count, wave=wave, now=now)
    return digest
