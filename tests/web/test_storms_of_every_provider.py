"""The same storm in every provider's own words: each event twice, in any order, among forgeries."""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import pytest
from fastapi import FastAPI
from sqlmodel import select
from starlette.testclient import TestClient

from newsletter import links
from newsletter.clock import utc_now
from newsletter.database import reading, unit_of_work
from newsletter.web import webhooks
from subscribers.engagement import Engagement
from subscribers.models import Subscriber
from tests.esp import test_events as words
from tests.esp.mailings import NOW
from tests.esp.webhook_calls import (
    Call,
    by_mailgun,
    by_password,
    by_resend,
    by_sendgrid,
    by_ses,
    listener,
)
from tests.support.editions import readers
from tests.web.scene import a_sent_edition

PEOPLE: Final = 12
KINDS: Final = ("delivered", "soft_bounced", "hard_bounced", "complained")
#: The same four in each provider's words, about the copy *d*; *n* tells one event from the others.
TOLD: Final[Mapping[str, Callable[[str, str, int], Call]]] = {
    "sendgrid": lambda kind, d, n: by_sendgrid(
        [
            words.sendgrid(
                **_SENDGRID[kind], sg_event_id=f"e{n}", sg_message_id=f"m{n}", watv_delivery=d
            )
        ]
    ),
    "resend": lambda kind, d, n: by_resend(
        words.resend(_RESEND[kind][0], tags={"delivery": d, "batch": "b-1"}, **_RESEND[kind][1]),
        call=f"msg_{n}",
    ),
    "mailgun": lambda kind, d, n: by_mailgun(
        words.mailgun() | _MAILGUN[kind] | {"id": f"e{n}", "user-variables": {"delivery": d}},
        token=f"{n:050}",
    ),
    "postmark": lambda kind, d, n: by_password(
        words.postmark(**_POSTMARK[kind], MessageID=f"m{n}", Metadata={"delivery": d})
    ),
    "ses": lambda kind, d, n: by_ses(_by_ses(kind, d), id=f"sns-{n}"),
    "brevo": lambda kind, d, n: by_password(
        words.brevo(
            _BREVO[kind], **{"message-id": f"m{n}", "X-Mailin-custom": f"delivery:{d}|batch:b"}
        )
    ),
}
_SENDGRID: Final[Mapping[str, dict[str, str]]] = {
    "delivered": {"event": "delivered"},
    "soft_bounced": {"event": "bounce", "type": "blocked"},
    "hard_bounced": {"event": "bounce", "type": "bounce"},
    "complained": {"event": "spamreport"},
}
_RESEND: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "delivered": ("email.delivered", {}),
    "soft_bounced": ("email.bounced", {"bounce": {"type": "Transient"}}),
    "hard_bounced": ("email.bounced", {"bounce": {"type": "Permanent"}}),
    "complained": ("email.complained", {}),
}
_MAILGUN: Final[Mapping[str, dict[str, str]]] = {
    "delivered": {"event": "delivered"},
    "soft_bounced": {"event": "failed", "severity": "permanent", "reason": "generic"},
    "hard_bounced": {"event": "failed", "severity": "permanent", "reason": "bounce"},
    "complained": {"event": "complained"},
}
_POSTMARK: Final[Mapping[str, dict[str, str]]] = {
    "delivered": {"record": "Delivery"},
    "soft_bounced": {"record": "Bounce", "Type": "SoftBounce"},
    "hard_bounced": {"record": "Bounce", "Type": "HardBounce"},
    "complained": {"record": "SpamComplaint", "Type": "SpamComplaint"},
}
_SES: Final[Mapping[str, tuple[str, str, dict[str, str]]]] = {
    "delivered": ("Delivery", "delivery", {}),
    "soft_bounced": ("Bounce", "bounce", {"bounceType": "Transient"}),
    "hard_bounced": ("Bounce", "bounce", {"bounceType": "Permanent"}),
    "complained": ("Complaint", "complaint", {}),
}
_BREVO: Final[Mapping[str, str]] = {
    "delivered": "delivered",
    "soft_bounced": "soft_bounce",
    "hard_bounced": "hard_bounce",
    "complained": "spam",
}
#: What a body that was changed after it was signed is answered; nothing of it may be kept.
CHANGED: Final = {"sendgrid": 401, "resend": 401, "mailgun": 200, "ses": 503}


def _by_ses(kind: str, delivery: str) -> dict[str, Any]:
    event, detail, more = _SES[kind]
    told = words.ses(event, detail, **more)
    told["mail"]["tags"]["delivery"] = [delivery]
    return told


@pytest.mark.parametrize("name", list(TOLD))
def test_what_is_left_is_exactly_what_happened(
    web: TestClient, database: str, name: str, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert database
    with unit_of_work() as session:
        people = readers(session, PEOPLE, now=now - timedelta(weeks=9))
        edition = a_sent_edition(session, *people, now=now).id or 0
        whose = [person.id or 0 for person in people]
    monkeypatch.setattr(webhooks, "adapter_of", lru_cache(listener))
    app: Any = web.app
    assert isinstance(app, FastAPI)
    app.dependency_overrides[utc_now] = lambda: NOW + timedelta(minutes=1)
    dice = random.Random(name)
    lives = {person: dice.sample(KINDS, dice.randint(1, 3)) for person in whose}
    happened = [(person, kind) for person, kinds in lives.items() for kind in kinds]
    calls = [
        TOLD[name](kind, links.ref(links.signer().all_for(edition, person)), number)
        for number, (person, kind) in enumerate(happened)
    ]

    storm = [*calls, *calls]
    dice.shuffle(storm)
    for headers, body in storm:
        assert web.post(f"/webhooks/{name}", headers=headers, content=body).status_code == 200
        if dice.random() < 0.1:
            # Somebody who has seen this call makes it about another copy, or about worse.
            proof, other = _forged(name, headers, body, edition, dice.choice(whose))
            answer = web.post(f"/webhooks/{name}", headers=proof, content=other)
            assert answer.status_code == CHANGED.get(name, 401)

    with reading() as session:
        kept = Counter(session.exec(select(Engagement.subscriber_id, Engagement.kind)))
        stand = dict(session.exec(select(Subscriber.id, Subscriber.status)).all())
    assert kept == Counter(happened)
    assert stand == {person: _left_of(kinds) for person, kinds in lives.items()}


def _forged(name: str, headers: dict[str, str], body: bytes, edition: int, victim: int) -> Call:
    if name in {
        "postmark",
        "brevo",
    }:  # nothing is signed there: whoever has no password is a forger
        return {"authorization": headers["authorization"][:-4] + "AAAA"}, body
    worse = links.ref(links.signer().all_for(edition, victim))
    _, other = TOLD[name]("complained", worse, 10_000)
    if name == "mailgun":  # its signature covers no event: a genuine one is put on another
        at = body.index(b'"event-data"')
        return headers, body[:at] + other[other.index(b'"event-data"') :]
    if name == "ses":
        return headers, body.replace(b'\\"delivery\\": [\\"', b'\\"delivery\\": [\\"x', 1)
    return headers, other


def _left_of(kinds: list[str]) -> str:
    if "complained" in kinds:
        return "complained"
    return "bounced" if "hard_bounced" in kinds else "active"
