"""Providers' webhooks: checked, committed, and only then answered."""

import base64
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy.exc import OperationalError
from sqlmodel import Session
from starlette.testclient import TestClient

from newsletter import links
from newsletter.esp import BadSignature, CannotVerify, Event, Handshake
from newsletter.esp.sendgrid.events import DELIVERY_ARG
from newsletter.feedback import recording
from newsletter.secrets import sandbox_keys
from newsletter.settings import settings
from newsletter.web import webhooks
from tests.conftest import Configure
from tests.web.scene import Sent, on_both, seen, status_of

Post = Callable[..., Any]


@pytest.fixture
def post(web: TestClient, now: datetime) -> Post:
    """Post a signed SendGrid call, as the provider does."""

    def send(
        body: bytes, *, to: str = "sendgrid", signed_at: datetime = now, tamper: bytes = b""
    ) -> Any:
        return web.post(
            f"/webhooks/{to}",
            content=body + tamper,
            headers={"content-type": "application/json", **signature(body, signed_at)},
        )

    return send


@on_both
def test_a_bounce_is_in_the_store_when_it_is_answered(
    post: Post, sent: Sent, now: datetime
) -> None:
    answer = post(_events(_event(sent, "bounce", now=now)))

    assert answer.status_code == 200
    assert answer.json() == {"new": 1, "repeated": 0, "foreign": 0}
    assert len(seen(sent.digest_id, "hard_bounced")) == 1
    assert status_of(sent.ada) == "bounced"


@on_both
def test_the_same_call_again_changes_nothing(post: Post, sent: Sent, now: datetime) -> None:
    body = _events(_event(sent, "delivered", now=now), _event(sent, "open", now=now))

    post(body)
    again = post(body)

    assert again.json() == {"new": 0, "repeated": 2, "foreign": 0}


def test_a_forged_call_is_401_and_leaves_no_trace(post: Post, sent: Sent, now: datetime) -> None:
    answer = post(_events(_event(sent, "bounce", now=now)), tamper=b" ")

    assert answer.status_code == 401
    assert "was refused" in answer.json()["detail"]
    assert status_of(sent.ada) == "active"


def test_an_old_call_is_401(post: Post, sent: Sent, now: datetime) -> None:
    body = _events(_event(sent, "bounce", now=now))

    assert post(body, signed_at=now - timedelta(days=3)).status_code == 401


def test_a_signed_call_that_cannot_be_read_is_400(post: Post, sent: Sent) -> None:
    answer = post(b'{"not": "a list"}')

    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"


def test_a_provider_that_nobody_knows_has_no_address(post: Post, sent: Sent) -> None:
    assert post(b"[]", to="nobody").status_code == 404


def test_one_in_use_without_its_key_is_told_to_go_on_trying(
    post: Post, sent: Sent, configure: Configure
) -> None:
    configure(esp="brevo", brevo_webhook_key="")
    assert not settings().brevo.webhook_key.get_secret_value()

    assert post(b"[]", to="brevo").status_code == 401


def test_a_provider_used_until_yesterday_is_still_listened_to(post: Post, sent: Sent) -> None:
    assert post(b"[]", to="resend").status_code == 401, "the address is there, and checks"


def test_a_call_beyond_the_limit_is_413(web: TestClient, sent: Sent) -> None:
    answer = web.post("/webhooks/sendgrid", content=b"x" * (5 * 1024 * 1024 + 1))

    assert answer.status_code == 413
    assert "nosniff" in answer.headers["x-content-type-options"]


def test_a_large_batch_within_the_limit_is_read(post: Post, sent: Sent, now: datetime) -> None:
    padding = {"padding": "x" * 100_000}

    answer = post(_events({**_event(sent, "delivered", now=now), **padding}))

    assert answer.json()["new"] == 1


def test_of_many_calls_at_once_two_are_worked_on_and_all_are_kept(
    post: Post, sent: Sent, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work: list[None] = []
    most = 0
    record = recording.record_events

    def slowly(*given: Any, **named: Any) -> recording.Recorded:
        nonlocal most
        at_work.append(None)
        most = max(most, len(at_work))
        threading.Event().wait(0.02)
        at_work.pop()
        return record(*given, **named)

    monkeypatch.setattr(recording, "record_events", slowly)
    calls = [_events({**_event(sent, "open", now=now), "useragent": f"mail {n}"}) for n in range(6)]
    with ThreadPoolExecutor(6) as provider:
        answers = list(provider.map(post, calls))

    assert most == webhooks.AT_ONCE
    assert [answer.json()["new"] for answer in answers] == [1] * 6
    assert len(seen(sent.digest_id, "opened")) == 6


@on_both
def test_nothing_is_acknowledged_that_was_not_committed(
    post: Post, sent: Sent, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = recording.record_events

    def record_and_lose_the_store(session: Session, *args: Any, **words: Any) -> Any:
        kept = real(session, *args, **words)

        def fail() -> None:
            raise OperationalError("COMMIT", {}, Exception("the connection is gone"))

        monkeypatch.setattr(session, "commit", fail)
        transaction = session.get_transaction()
        assert transaction is not None
        monkeypatch.setattr(transaction, "commit", fail)
        return kept

    monkeypatch.setattr(recording, "record_events", record_and_lose_the_store)
    answer = post(_events(_event(sent, "bounce", now=now)))
    monkeypatch.undo()

    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert seen(sent.digest_id, "hard_bounced") == []


class Shaking:
    """A provider that first asks to be answered; a fake that remembers."""

    def __init__(
        self, *, hears: bool = True, can_check: bool = True, is_forged: bool = False
    ) -> None:
        self.hears, self.can_check, self.is_forged = hears, can_check, is_forged
        self.confirmed: list[Handshake] = []

    def handshake(
        self, _headers: Mapping[str, str], body: bytes, *, now: datetime
    ) -> Handshake | None:
        assert now.tzinfo
        if not self.can_check:
            raise CannotVerify("sendgrid", "the certificate did not come")
        if self.is_forged:
            raise BadSignature("sendgrid", "its topic is not on the allow-list")
        return Handshake("topic", "https://sns.example/") if body == b"hello" else None

    def confirm(self, handshake: Handshake) -> bool:
        self.confirmed.append(handshake)
        return self.hears

    def events(
        self, _headers: Mapping[str, str], _body: bytes, *, now: datetime
    ) -> Sequence[Event]:
        assert now.tzinfo
        return ()


@pytest.mark.parametrize(
    ("adapter", "body", "status", "confirmed"),
    [
        (Shaking(), b"hello", 200, 1),
        (Shaking(), b"events", 200, 0),
        (Shaking(hears=False), b"hello", 503, 1),
        (Shaking(can_check=False), b"events", 503, 0),
        (Shaking(is_forged=True), b"events", 503, 0),  # of a 4xx SNS would never try again
    ],
)
def test_a_handshake_is_answered_once_it_was_checked(  # noqa: PLR0917 - a table's columns
    web: TestClient,
    monkeypatch: pytest.MonkeyPatch,
    adapter: Shaking,
    body: bytes,
    status: int,
    confirmed: int,
) -> None:
    monkeypatch.setattr(webhooks, "adapter_of", lambda _name: adapter)

    assert web.post("/webhooks/sendgrid", content=body).status_code == status
    assert len(adapter.confirmed) == confirmed
    adapter.confirmed.clear()


def _event(sent: Sent, kind: str, *, now: datetime) -> dict[str, object]:
    delivery = links.ref(links.signer().all_for(sent.digest_id, sent.ada))
    return {
        "event": kind,
        "type": "bounce",
        "email": "ada@readers.example",
        "timestamp": int(now.timestamp()),
        "sg_message_id": "m1",
        DELIVERY_ARG: delivery,
    }


def _events(*events: Mapping[str, object]) -> bytes:
    return json.dumps(events).encode()


def signature(body: bytes, signed_at: datetime) -> dict[str, str]:
    pem = sandbox_keys(settings().home)["sendgrid_private_key"].encode()
    key = serialization.load_pem_private_key(pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    stamp = str(int(signed_at.timestamp()))
    signature = key.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    return {
        "x-twilio-email-event-webhook-timestamp": stamp,
        "x-twilio-email-event-webhook-signature": base64.b64encode(signature).decode(),
    }
