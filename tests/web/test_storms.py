"""Storms over a whole edition: of events, and of scanners. What is left is exactly what happened."""

import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from fastapi import FastAPI
from sqlmodel import col, select
from starlette.testclient import TestClient

from digests.ledger.claims import Claim
from digests.models import Batch, Rendition
from newsletter import links
from newsletter.clock import utc_now
from newsletter.copies import composing
from newsletter.database import reading, unit_of_work
from newsletter.esp.sendgrid.events import DELIVERY_ARG
from newsletter.settings import settings
from subscribers.engagement import Engagement, Reader
from subscribers.models import Subscriber, Suppression
from tests.conftest import Configure
from tests.support.editions import readers
from tests.web.scene import a_sent_edition, on_both
from tests.web.test_scanner import everything
from tests.web.test_webhooks import signature

#: What SendGrid calls it, and what we do; the heavier stands for what it leaves of a person.
KINDS: Final = {
    "processed": "accepted",
    "deferred": "deferred",
    "delivered": "delivered",
    "open": "opened",
    "click": "clicked",
    "bounce": "hard_bounced",
    "unsubscribe": "unsubscribed",
    "spamreport": "complained",
    "sang a song": "unknown",
}
SCANNERS: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/141.0 Safari/537.36",
    "Barracuda Sentinel (EE)",
)


@pytest.fixture
def edition(database: str, now: datetime) -> int:
    """An edition that sixty readers were sent."""
    assert database
    with unit_of_work() as session:
        sixty = readers(session, 60, now=now - timedelta(weeks=9))
        return a_sent_edition(session, *sixty, now=now).id or 0


@on_both
@pytest.mark.parametrize("seed", [1, 2])
def test_every_event_twice_and_shuffled_and_a_tenth_of_them_forged_or_replayed(
    web: TestClient, edition: int, seed: int, now: datetime
) -> None:
    dice = random.Random(seed)
    with reading() as session:
        people = list(session.exec(select(Subscriber.id).order_by(col(Subscriber.id))))
    lives = {person: dice.sample(sorted(KINDS), dice.randint(1, 6)) for person in people if person}
    genuine = [
        _event(edition, person, kind, at=now + timedelta(minutes=dice.randint(1, 5000)))
        for person, kinds in lives.items()
        for kind in kinds
    ]
    forged = [
        _event(edition, person, "spamreport", at=now, tamper=True)
        for person in dice.sample(sorted(lives), len(genuine) // 10 * 2 % 60 or 6)
    ]
    storm = [*genuine, *genuine, *forged]
    dice.shuffle(storm)

    posts = [json.dumps(storm[at : at + 9]).encode() for at in range(0, len(storm), 9)]
    later = now + timedelta(hours=2)
    _at(web, later)
    for body in posts:
        assert _post(web, body, signed_at=later) == 200
        if dice.random() < 0.1:
            assert _post(web, body, signed_at=later) == 200, "replayed as it was"
            assert _post(web, body, signed_at=later - timedelta(days=2)) == 401, "an old signature"
            changed = body.replace(b'"open"', b'"spamreport"') + b" "
            assert _post(web, changed, signed_at=later, over=body) == 401, "another's signature"

    with reading() as session:
        kept = Counter(session.exec(select(Engagement.subscriber_id, Engagement.kind)))
        stand = dict(session.exec(select(Subscriber.id, Subscriber.status)).all())
        suppressed = Counter(session.exec(select(Suppression.reason)))
    assert kept == Counter(
        (person, KINDS[kind]) for person, kinds in lives.items() for kind in kinds
    )
    assert stand == {person: _left_of(kinds) for person, kinds in lives.items()}
    assert suppressed == Counter(
        "complaint" if "spamreport" in kinds else "hard bounce"
        for kinds in lives.values()
        if {"spamreport", "bounce"} & set(kinds)
    )


@on_both
def test_a_scanner_opens_every_link_in_every_copy_many_times(
    web: TestClient, configure: Configure, database: str, now: datetime
) -> None:
    configure(track_clicks="true")
    with unit_of_work() as session:
        edition = a_sent_edition(session, *readers(session, 2, now=now), now=now).id or 0
    _at(web, now + timedelta(hours=3))  # long after the seconds in which nobody reads
    addresses = {address for mail in _mails(edition) for address in _ours(mail)}
    kinds = Counter(address.split("/")[1] for address in addresses)
    assert kinds.keys() >= {"u", "p", "v", "b", "o", "r"}
    before = everything()

    for agent in SCANNERS:
        for method in ("GET", "HEAD"):
            for address in sorted(addresses):
                answer = web.request(method, address, headers={"user-agent": agent})
                assert answer.status_code in {200, 302}, address

    assert database
    assert everything() == before
    with reading() as session:
        clicks = session.exec(select(Engagement).where(col(Engagement.kind) == "clicked")).all()
    assert {click.reason for click in clicks} == {
        address.rpartition("/")[2] for address in addresses if address.startswith("/r/")
    }
    assert {(click.subscriber_id, click.reader) for click in clicks} == {
        (person, Reader.machine) for person in (1, 2)
    }


def _left_of(kinds: list[str]) -> str:
    for kind, status in (
        ("spamreport", "complained"),
        ("unsubscribe", "unsubscribed"),
        ("bounce", "bounced"),
    ):
        if kind in kinds:
            return status
    return "active"


def _event(
    edition: int, person: int, kind: str, *, at: datetime, tamper: bool = False
) -> dict[str, object]:
    delivery = links.ref(links.signer().all_for(edition, person))
    if tamper:
        delivery = delivery[:-1] + ("A" if delivery[-1] != "A" else "B")
    return {
        "event": kind,
        "type": "bounce",
        "email": f"reader{person}@readers.example",
        "timestamp": int(at.timestamp()),
        "sg_message_id": f"m{person}",
        "url": "https://shiporskip.example/",
        DELIVERY_ARG: delivery,
    }


def _post(web: TestClient, body: bytes, *, signed_at: datetime, over: bytes = b"") -> int:
    headers = {"content-type": "application/json", **signature(over or body, signed_at)}
    return web.post("/webhooks/sendgrid", content=body, headers=headers).status_code


def _at(web: TestClient, moment: datetime) -> None:
    app: Any = web.app
    assert isinstance(app, FastAPI)
    app.dependency_overrides[utc_now] = lambda: moment


def _mails(edition: int) -> Iterator[str]:
    """The HTML of every copy, as it was handed over."""
    with reading() as session:
        batch = session.exec(select(Batch).where(col(Batch.digest_id) == edition)).one()
        frozen = session.exec(select(Rendition).where(col(Rendition.digest_id) == edition)).one()
        claim = Claim(
            digest_id=edition,
            number=batch.number,
            fence=batch.fence,
            rendition_id=frozen.id or 0,
            key=batch.key,
            size=batch.size,
            attempts=1,
            put_off=0,
            provider=batch.provider,
            first_posted_at=None,
            body_hash=None,
        )
        copies = composing.compose(session, claim).copies
        content = composing.content_from(frozen)
    for copy in copies:
        mail = content.html + "".join(
            f'<a href="{value.strip("<>")}">' for _, value in content.headers
        )
        for name, value in zip(content.fields, copy.values, strict=True):
            mail = mail.replace(f"[%{name}%]", value)
        yield mail


def _ours(mail: str) -> set[str]:
    """The paths of every address in it that leads to us."""
    found = re.findall(r'(?:href|src)="([^"]+)"', mail)
    ours = settings().web_url
    return {
        address.removeprefix(ours).partition("#")[0]
        for address in found
        if address.startswith(f"{ours}/")
    }
