"""A webhook is believed only as it was signed, only for a while, and byte for byte."""

import base64
import json
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from newsletter.esp import BadPayload, BadSettings, BadSignature, Esp
from newsletter.esp.resend.adapter import Resend
from newsletter.esp.sendgrid.adapter import SendGrid
from tests.esp.mailings import NOW
from tests.esp.providers import MAKES
from tests.esp.webhook_calls import (
    Call,
    Notice,
    by_mailgun,
    by_password,
    by_resend,
    by_sendgrid,
    listener,
)

CALLS: dict[str, Callable[[], Call]] = {
    "sendgrid": lambda: by_sendgrid([{"event": "processed", "timestamp": 1}]),
    "resend": lambda: by_resend({"type": "email.sent"}),
    "mailgun": lambda: by_mailgun({"event": "accepted", "id": "a"}),
    "postmark": lambda: by_password({"RecordType": "Delivery"}),
    "ses": lambda: Notice(message='{"eventType":"Send"}', subject="Amazon SES").call(),
    "brevo": lambda: by_password({"event": "delivered"}),
}
everywhere = pytest.mark.parametrize("name", list(CALLS))


def believed(esp: Esp, headers: dict[str, str], body: bytes, *, now: datetime = NOW) -> bool:
    try:
        esp.events(headers, body, now=now)
    except BadSignature:
        return False
    return True


def flipped(text: bytes, at: int, bit: int) -> bytes:
    return text[:at] + bytes([text[at] ^ (1 << bit)]) + text[at + 1 :]


@everywhere
def test_a_genuine_call_is_believed(name: str) -> None:
    assert believed(listener(name), *CALLS[name]())


@everywhere
def test_without_a_secret_of_ours_nothing_is_believed(name: str) -> None:
    assert not believed(MAKES[name](), *CALLS[name]())


@everywhere
def test_a_call_without_its_proof_is_not_believed(name: str) -> None:
    esp = listener(name)

    assert not believed(esp, {}, b"{}")
    assert not believed(esp, {}, b"not json" if name != "ses" else b"{}")
    assert not believed(esp, {}, b"[]")


VECTOR_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+"
    "2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="
)
VECTOR_SIGNATURE = (
    "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtE"
    "ZtM="
)
VECTOR_BODY = (
    b'[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address","sg_event_id":"ZHJv'
    b'cC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA","sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.fil'
    b'terdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0","smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0'
    b'039p1iad1.sendgrid.net>","timestamp":1600112492}]\r\n'
)
VECTOR_HEADERS = {
    "x-twilio-email-event-webhook-signature": VECTOR_SIGNATURE,
    "x-twilio-email-event-webhook-timestamp": "1600112502",
}
VECTOR_NOW = datetime.fromtimestamp(1600112510, UTC)


def test_sendgrids_published_example_is_believed_byte_for_byte() -> None:
    esp = SendGrid(api_key="x", webhook_key=VECTOR_KEY)

    (event,) = esp.events(VECTOR_HEADERS, VECTOR_BODY, now=VECTOR_NOW)

    assert event.reason == "Bounced Address"
    assert not believed(esp, VECTOR_HEADERS, VECTOR_BODY.removesuffix(b"\r\n"), now=VECTOR_NOW)


def test_sendgrids_example_with_any_byte_flipped_is_not() -> None:
    esp = SendGrid(api_key="x", webhook_key=VECTOR_KEY)

    for at in range(len(VECTOR_BODY)):
        assert not believed(esp, VECTOR_HEADERS, flipped(VECTOR_BODY, at, at % 8), now=VECTOR_NOW)
    for header, value in VECTOR_HEADERS.items():
        for at in range(len(value)):
            for bit in range(7):
                forged = VECTOR_HEADERS | {header: flipped(value.encode(), at, bit).decode()}
                assert not believed(esp, forged, VECTOR_BODY, now=VECTOR_NOW), (header, at, bit)


STANDARD = {
    "svix-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "svix-timestamp": "1614265330",
    "svix-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
STANDARD_BODY = b'{"test": 2432232314}'
STANDARD_NOW = datetime.fromtimestamp(1614265335, UTC)


def test_the_standard_webhooks_example_is_believed_and_none_with_a_byte_flipped() -> None:
    esp = Resend(api_key="x", webhook_key="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    assert believed(esp, STANDARD, STANDARD_BODY, now=STANDARD_NOW)
    for at in range(len(STANDARD_BODY)):
        for bit in range(8):
            forged = flipped(STANDARD_BODY, at, bit)
            assert not believed(esp, STANDARD, forged, now=STANDARD_NOW)
    for header, value in STANDARD.items():
        for at in range(len(value)):
            for bit in range(7):
                changed = STANDARD | {header: flipped(value.encode(), at, bit).decode()}
                assert not believed(esp, changed, STANDARD_BODY, now=STANDARD_NOW), (header, at)


def test_resend_may_sign_with_an_old_and_a_new_secret_but_only_by_version_one() -> None:
    esp = Resend(api_key="x", webhook_key="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    right = STANDARD["svix-signature"]
    both = STANDARD | {"svix-signature": f"v1,b3RoZXI= {right}"}
    other = STANDARD | {"svix-signature": right.replace("v1,", "v2,")}

    assert believed(esp, both, STANDARD_BODY, now=STANDARD_NOW)
    assert not believed(esp, other, STANDARD_BODY, now=STANDARD_NOW)


def test_mailguns_signature_with_any_byte_flipped_is_not_believed() -> None:
    esp, (headers, body) = listener("mailgun"), CALLS["mailgun"]()
    told = json.loads(body)

    for part, value in told["signature"].items():
        for at in range(len(value)):
            for bit in range(7):
                changed = flipped(value.encode(), at, bit).decode()
                forged = json.dumps(told | {"signature": told["signature"] | {part: changed}})
                assert not believed(esp, headers, forged.encode()), (part, at, bit)


@pytest.mark.parametrize("name", ["postmark", "brevo"])
def test_a_password_with_any_byte_flipped_is_not_believed(name: str) -> None:
    esp, (headers, body) = listener(name), CALLS[name]()
    value = headers["authorization"].encode()

    for at in range(len(value)):
        for bit in range(7):
            assert not believed(esp, {"authorization": flipped(value, at, bit).decode()}, body)


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize(
    "part", ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type", "Signature"]
)
def test_a_notification_with_any_signed_byte_flipped_is_not_believed(
    part: str, version: str
) -> None:
    esp = listener("ses")
    notice = Notice(message='{"eventType":"Send"}', subject="Amazon SES", version=version)
    value = json.loads(notice.call()[1])[part].encode()

    for at in range(len(value)):
        changed = flipped(value, at, at % 7).decode()
        assert not believed(esp, *notice.call(**{part: changed})), at


def test_a_signature_in_sloppy_base64_is_not_believed() -> None:
    esp, (headers, body) = listener("sendgrid"), CALLS["sendgrid"]()
    name = "x-twilio-email-event-webhook-signature"
    padded = {name: headers[name] + "="}
    broken = {name: headers[name][:20] + "\n" + headers[name][20:]}

    assert not believed(esp, headers | padded, body)
    assert not believed(esp, headers | broken, body)


@pytest.mark.parametrize(
    ("call", "name", "oldest"),
    [
        (lambda at: by_sendgrid([], at=at), "sendgrid", timedelta(hours=25)),
        (lambda at: by_resend({}, at=at), "resend", timedelta(minutes=5)),
        (lambda at: by_mailgun({}, at=at), "mailgun", timedelta(hours=9)),
        (lambda at: Notice(at=at).call(), "ses", timedelta(hours=2)),
    ],
)
def test_an_old_call_cannot_be_replayed_and_a_future_one_is_no_call(
    call: Callable[[datetime], Call], name: str, oldest: timedelta
) -> None:
    esp, second = listener(name), timedelta(seconds=1)

    assert believed(esp, *call(NOW - oldest))
    assert not believed(esp, *call(NOW - oldest - second))
    assert believed(esp, *call(NOW + timedelta(minutes=5)))
    assert not believed(esp, *call(NOW + timedelta(minutes=5) + second))


@pytest.mark.parametrize("name", ["sendgrid", "resend", "postmark", "brevo"])
def test_what_is_signed_and_cannot_be_read_says_so_without_showing_it(name: str) -> None:
    secret = "reader@example.com"
    calls: dict[str, Callable[[Any], Call]] = {
        "sendgrid": by_sendgrid,
        "resend": by_resend,
        "postmark": by_password,
        "brevo": by_password,
    }

    for event in (secret, 5, None):
        with pytest.raises(BadPayload) as refusal:
            listener(name).events(*calls[name](event), now=NOW)
        shown = "".join(traceback.format_exception(refusal.value))
        assert secret not in shown
    assert str(refusal.value).endswith(".")


def test_a_body_that_is_no_json_leaves_no_trace_of_itself_in_the_error() -> None:
    headers, _ = by_password({})

    with pytest.raises(BadPayload) as refusal:
        listener("postmark").events(headers, b'{"Email":"reader@example.com', now=NOW)

    assert refusal.value.__context__ is None
    assert refusal.value.__cause__ is None


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("sendgrid", "not a key"),
        ("sendgrid", base64.b64encode(b"neither").decode()),
        ("resend", "whsec_*"),
    ],
)
def test_a_key_that_is_none_is_noticed_when_the_adapter_is_made(name: str, key: str) -> None:
    with pytest.raises(BadSettings) as refusal:
        MAKES[name](webhook_key=key)

    assert key not in str(refusal.value)


@pytest.mark.parametrize("domain", ["", "mg.example.com/x", "mg example"])
def test_a_malformed_domain_is_noticed_when_the_adapter_is_made(domain: str) -> None:
    with pytest.raises(BadSettings, match="domain"):
        MAKES["mailgun"](domain=domain)
