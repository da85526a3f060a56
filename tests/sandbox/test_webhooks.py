"""The sandbox calls back as its providers do: signed, batched, retried, and unruly when ordered."""

import base64
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from standardwebhooks import Webhook

from newsletter.sandbox.config import Delays, Keys
from newsletter.sandbox.dialects.sendgrid_events import SendGridEvents
from newsletter.sandbox.faults import FaultPlan, Unruliness
from tests.sandbox.calls import a_mail, a_person, an_email
from tests.sandbox.conftest import Hook, Sandboxes, WaitUntil


def send(http: httpx.Client, keys: Keys, *people: dict[str, Any]) -> None:
    mine = {"authorization": f"Bearer {keys.sendgrid_api_key}"}
    assert http.post("/v3/mail/send", json=a_mail(*people), headers=mine).status_code == 202


def send_emails(http: httpx.Client, keys: Keys, *emails: dict[str, Any]) -> None:
    mine = {"authorization": f"Bearer {keys.resend_api_key}"}
    assert http.post("/emails/batch", json=list(emails), headers=mine).status_code == 200


def is_genuine(keys: Keys, headers: dict[str, str], body: bytes) -> bool:
    key = serialization.load_der_public_key(base64.b64decode(keys.sendgrid_public_key))
    assert isinstance(key, ec.EllipticCurvePublicKey)
    signed = headers["x-twilio-email-event-webhook-timestamp"].encode() + body
    signature = base64.b64decode(headers["x-twilio-email-event-webhook-signature"])
    try:
        key.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def test_sendgrid_gathers_events_into_signed_lists(
    running: Sandboxes, hook: Hook, keys: Keys, wait_until: WaitUntil
) -> None:
    http = running(webhook_url=hook.url + "/webhooks/{provider}")

    send(http, keys, *(a_person(i) for i in range(50)))

    wait_until(lambda: len(hook.events()) == 100)
    path, headers, body = hook.heard[0]
    assert path == "/webhooks/sendgrid"
    assert body.endswith(b"]\r\n")
    assert is_genuine(keys, headers, body)
    assert not is_genuine(keys, headers, body.rstrip())
    assert len(hook.heard) < 20
    told = {(event["nl_delivery"], event["event"]) for event in hook.events()}
    assert told == {(f"d-{i}", kind) for i in range(50) for kind in ("processed", "delivered")}
    assert len({event["sg_event_id"] for event in hook.events()}) == 100


def test_no_sendgrid_post_is_larger_than_768_kilobytes(
    running: Sandboxes, hook: Hook, keys: Keys, wait_until: WaitUntil
) -> None:
    http = running(webhook_url=hook.url)
    padding = {"nl_delivery": "d", "padding": "x" * 2000}

    send(http, keys, *(a_person(i, custom_args=padding) for i in range(1000)))

    wait_until(lambda: len(hook.events()) == 2000)
    assert len(hook.heard) >= 6
    assert max(len(body) for _, _, body in hook.heard) <= SendGridEvents.batch_bytes


def test_resend_signs_each_event_and_keeps_its_id_when_it_tries_again(
    running: Sandboxes, hook: Hook, keys: Keys, wait_until: WaitUntil
) -> None:
    hook.answers = [500, 500]
    http = running(webhook_url=hook.url, retry_scale=0.001)

    send_emails(http, keys, an_email(1))

    wait_until(lambda: http.get("/sandbox/webhooks.json").json()["done"] == 2)
    verifier = Webhook(keys.resend_webhook_secret)
    for _, headers, body in hook.heard:
        renamed = {name.replace("svix-", "webhook-"): value for name, value in headers.items()}
        verifier.verify(body, renamed)
    assert len(hook.heard) == 4
    assert len({headers["svix-id"] for _, headers, _ in hook.heard}) == 2
    assert {event["type"] for event in hook.events()} == {"email.sent", "email.delivered"}
    assert hook.events()[0]["data"]["tags"] == {"nl_delivery": "d-1", "nl_batch": "b-1"}


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("bounce", ["processed", "bounce"]),
        ("softbounce", ["processed", "bounce"]),
        ("defer", ["processed", "deferred", "delivered"]),
        ("drop", ["dropped"]),
        ("complain", ["processed", "delivered", "spamreport"]),
        ("unsubscribe", ["processed", "delivered", "unsubscribe"]),
        ("open", ["processed", "delivered", "open"]),
        ("machineopen", ["processed", "delivered", "open"]),
        ("click", ["processed", "delivered", "open", "click"]),
    ],
)
def test_an_address_decides_what_becomes_of_its_mail(  # noqa: PLR0917 - two of them are the table
    running: Sandboxes, hook: Hook, keys: Keys, wait_until: WaitUntil, word: str, told: list[str]
) -> None:
    http = running(webhook_url=hook.url)

    send(http, keys, a_person(1, to=[{"email": f"{word}+1@example.com"}]))
    http.post("/sandbox/webhooks/hurry")

    wait_until(lambda: len(hook.events()) == len(told))
    wait_until(lambda: http.get("/sandbox/webhooks.json").json()["to_come"] == 0)
    assert sorted(event["event"] for event in hook.events()) == sorted(told)


def test_a_click_is_on_a_link_of_the_mail_that_is_not_for_leaving(
    running: Sandboxes, hook: Hook, keys: Keys, wait_until: WaitUntil
) -> None:
    http = running(webhook_url=hook.url)
    html = (
        '<a href="http://127.0.0.1:8000/leave/t1">Leave</a>'
        '<a href="https://shiporskip.example/compare/a?b=1&amp;c=2">Read</a>'
    )

    send_emails(http, keys, an_email(1, to=["click+1@example.com"], html=html))
    http.post("/sandbox/webhooks/hurry")

    def clicks() -> list[str]:
        return [e["data"]["click"]["link"] for e in hook.events() if e["type"] == "email.clicked"]

    assert wait_until(clicks) == ["https://shiporskip.example/compare/a?b=1&c=2"]


def test_a_webhook_that_is_never_taken_is_given_up_after_the_providers_attempts(
    running: Sandboxes, hook: Hook, keys: Keys, wait_until: WaitUntil
) -> None:
    hook.answers = [503] * 100
    http = running(webhook_url=hook.url, retry_scale=0)

    send_emails(http, keys, an_email(1, to=["drop+1@example.com"]))

    wait_until(lambda: http.get("/sandbox/webhooks.json").json()["given_up"] == 1)
    assert len(hook.heard) == 8


def test_webhooks_come_twice_and_some_not_at_all_when_that_is_ordered(
    running: Sandboxes, hook: Hook, keys: Keys, wait_until: WaitUntil
) -> None:
    unruly = Unruliness(twice=0.5, lost=0.2, shuffle_seconds=0.2)
    http = running(webhook_url=hook.url, faults=FaultPlan(seed=3, webhooks=unruly))

    send_emails(http, keys, *(an_email(i) for i in range(50)))

    def settled() -> Any:
        standing = http.get("/sandbox/webhooks.json").json()
        return standing if not standing["to_come"] and not standing["waiting"] else None

    standing = wait_until(settled)
    ids = [headers["svix-id"] for _, headers, _ in hook.heard]
    assert 5 < standing["lost"] < 40
    assert len(set(ids)) == 100 - standing["lost"]
    assert 20 < len(ids) - len(set(ids)) < 60


def test_somebody_at_the_inbox_can_have_a_complaint_reported(
    running: Sandboxes, hook: Hook, keys: Keys, wait_until: WaitUntil
) -> None:
    http = running(webhook_url=hook.url)
    send(http, keys, a_person(1))

    answer = http.post("/sandbox/messages/1/events", json={"kind": "complained"})

    assert answer.status_code == 202
    wait_until(lambda: "spamreport" in {event["event"] for event in hook.events()})


def test_what_a_provider_has_no_word_for_is_not_reported(
    running: Sandboxes, hook: Hook, keys: Keys
) -> None:
    http = running(webhook_url=hook.url)
    send_emails(http, keys, an_email(1))

    answer = http.post("/sandbox/messages/1/events", json={"kind": "unsubscribed"})

    assert answer.status_code == 409
    assert answer.json()["detail"] == "resend has no webhook event for unsubscribed."


def test_what_was_not_posted_before_a_stop_is_posted_after_the_start(
    running: Sandboxes, hook: Hook, keys: Keys, tmp_path: Path, wait_until: WaitUntil
) -> None:
    later = Delays(processed=600, delivered=600)
    first = running(webhook_url=hook.url, delays=later, store=tmp_path / "one.db")
    send(first, keys, a_person(1), a_person(2, to=[{"email": "bounce+2@example.com"}]))
    assert first.get("/sandbox/webhooks.json").json()["to_come"] == 4
    running.stop(first)

    second = running(webhook_url=hook.url, store=tmp_path / "one.db")
    second.post("/sandbox/webhooks/hurry")

    wait_until(lambda: len(hook.events()) == 4)
